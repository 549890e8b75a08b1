//! What is wrong with a spec: all problems at once, each with the path that the reader has to change.

use std::fmt;

use mizuumi_api::Reason;

/// One thing that is wrong with a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, such as `spec.schema.columns[3].type`.
    pub path: String,
    /// `SpecInvalid` if nobody could ever do it, `NotAllowed` if this installation may not.
    pub reason: Reason,
    /// Why, and what can be done.
    pub message: String,
}

impl Problem {
    /// Something that nobody could ever do.
    pub fn invalid(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), reason: Reason::SpecInvalid, message: message.into() }
    }

    /// Something that this installation may not do.
    pub fn not_allowed(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), reason: Reason::NotAllowed, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}
