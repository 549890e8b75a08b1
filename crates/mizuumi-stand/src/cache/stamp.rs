//! Stamps: small files that say of what something was built, so that it is built again only when that changed.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

/// Of what something is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    inputs: String,
    tool: Option<String>,
}

impl Stamp {
    /// A stamp of some inputs (name and content, in a fixed order) and the version of the tool that makes
    /// something of them; `None` if the tool is missing.
    pub(super) fn new(inputs: &[(String, Vec<u8>)], tool: Option<String>) -> Self {
        let mut hash = Sha256::new();
        for (name, content) in inputs {
            // With their lengths, or moving a byte from one to the next would not be seen.
            for bytes in [name.as_bytes(), content.as_slice()] {
                hash.update(bytes.len().to_le_bytes());
                hash.update(bytes);
            }
        }
        // Half of the 256 bits tell any two apart, and fit a number that can be printed.
        let start =
            hash.finalize().iter().take(16).fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
        Self { inputs: format!("{start:032x}"), tool }
    }

    /// Whether the stamp in the file is the same. Without the tool, what it made from the same inputs is as
    /// good as one can get.
    pub(super) fn is_current(&self, path: &Path) -> bool {
        let text = fs::read_to_string(path).unwrap_or_default();
        let mut lines = text.lines();
        let inputs = lines.next().unwrap_or_default();
        let tool = lines.next();
        inputs == self.inputs && (self.tool.is_none() || self.tool.as_deref() == tool)
    }

    /// Writes the stamp.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let tool = self.tool.as_deref().unwrap_or_default();
        fs::write(path, format!("{}\n{tool}\n", self.inputs))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(content: &str, tool: Option<&str>) -> Stamp {
        Stamp::new(&[("go.mod".to_owned(), content.as_bytes().to_vec())], tool.map(str::to_owned))
    }

    #[test]
    fn sees_changes_of_inputs_and_tool() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stamp");
        let old = stamp("a", Some("go1.26"));
        assert!(!old.is_current(&path));
        old.write(&path).unwrap();
        assert!(old.is_current(&path));
        assert!(stamp("a", None).is_current(&path));
        assert!(!stamp("b", Some("go1.26")).is_current(&path));
        assert!(!stamp("b", None).is_current(&path));
        assert!(!stamp("a", Some("go1.27")).is_current(&path));
    }

    #[test]
    fn sees_bytes_that_move_between_inputs() {
        let of = |a: &str, b: &str| {
            let pair = |name: &str, content: &str| (name.to_owned(), content.as_bytes().to_vec());
            Stamp::new(&[pair("x", a), pair("y", b)], None)
        };
        assert_ne!(of("12", "3"), of("1", "23"));
    }
}
