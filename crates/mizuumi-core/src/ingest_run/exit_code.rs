//! Exit codes of work, as `sysexits.h` has them: whether another attempt would come to the same.

/// Codes after which the work is not done again, and what they say.
pub const FINAL: [(i32, &str); 5] = [
    (64, "it was called in a wrong way"),
    (65, "the data is not as it has to be"),
    (66, "what it was to read is not there"),
    (77, "it was refused the permission"),
    (78, "something in its configuration is wrong"),
];

/// What a code says that there is no use in another attempt after.
#[must_use]
pub fn is_final(code: Option<i32>) -> Option<&'static str> {
    FINAL.iter().find(|(known, _)| Some(*known) == code).map(|(_, means)| *means)
}
