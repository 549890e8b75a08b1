//! Directories that name partitions, `key=value/…`, in Hive's escaping.

use percent_encoding::percent_decode_str;

/// `key=value/…`, with the characters escaped that Hive escapes in paths.
#[must_use]
pub fn of<'a>(keys: impl Iterator<Item = &'a str>, values: &[String]) -> String {
    let mut path = String::new();
    for (key, value) in keys.zip(values) {
        path.push_str(&key.to_lowercase());
        path.push('=');
        for character in value.chars() {
            // Hive's FileUtils.escapePathName: control characters and those that paths or URIs give a meaning.
            if character.is_ascii_control() || "\"#%'*/:=?\\{[]^".contains(character) {
                path.extend(format!("%{:02X}", u32::from(character)).chars());
            } else {
                path.push(character);
            }
        }
        path.push('/');
    }
    path
}

/// The value that a directory `key=value/` says; none for other directories.
#[must_use]
pub fn value(segment: &str, key: &str) -> Option<String> {
    let (name, value) = segment.strip_suffix('/')?.split_once('=')?;
    if !name.eq_ignore_ascii_case(key) || value.is_empty() {
        return None;
    }
    percent_decode_str(value).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// The values that a path `key=value/…` says, one for each key; none if it is no such path, or goes on after the last key.
#[must_use]
pub fn values<'a>(path: &str, keys: impl Iterator<Item = &'a str>) -> Option<Vec<String>> {
    let mut rest = path;
    let mut values = Vec::new();
    for key in keys {
        let (segment, after) = rest.split_at(rest.find('/')? + 1);
        values.push(value(segment, key)?);
        rest = after;
    }
    rest.is_empty().then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_says_a_value_in_hives_escaping() {
        assert_eq!(value("dt=2026-11-22/", "dt").as_deref(), Some("2026-11-22"));
        assert_eq!(value("DT=a%3Ab/", "dt").as_deref(), Some("a:b"));
        assert_eq!(value("x=a=b/", "x").as_deref(), Some("a=b"));
        for other in ["dt/", "dt=/", "day=1/", "_temporary/", "dt=1"] {
            assert_eq!(value(other, "dt"), None, "{other}");
        }
    }

    #[test]
    fn a_path_reads_back_as_its_values() {
        let keys = || ["dt", "what"].into_iter();
        let said = vec!["2026-11-22".to_owned(), "a/b:c%".to_owned()];
        let path = of(keys(), &said);
        assert_eq!(path, "dt=2026-11-22/what=a%2Fb%3Ac%25/");
        assert_eq!(values(&path, keys()), Some(said));
        for other in ["", "dt=1/", "dt=1/what=2", "dt=1/what=2/more/", "what=2/dt=1/"] {
            assert_eq!(values(other, keys()), None, "{other}");
        }
    }
}
