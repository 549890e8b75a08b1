//! What stands for what in the words that a run's work is given.

use std::collections::BTreeMap;

/// What is known of a run when its work begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    /// By name, such as `output` or `parameters.country`.
    values: BTreeMap<String, String>,
}

/// A name in `${…}` that stands for nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// There is none of that name.
    #[error("'${{{name}}}' stands for nothing; there are {known}, and '$${{' is written for '${{'")]
    Name {
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// It does not end.
    #[error("'${{' without '}}': '$${{' is written for '${{'")]
    Open,
}

impl Variables {
    /// Variables by name.
    #[must_use]
    pub const fn new(values: BTreeMap<String, String>) -> Self {
        Self { values }
    }

    /// A text with every `${name}` replaced, and `$${` by `${`.
    ///
    /// # Errors
    /// The first name that stands for nothing.
    pub fn fill(&self, text: &str) -> Result<String, Unknown> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, after) = (&rest[..at], &rest[at + 2..]);
            if let Some(before) = before.strip_suffix('$') {
                filled.push_str(before);
                filled.push_str("${");
                rest = after;
                continue;
            }
            filled.push_str(before);
            let end = after.find('}').ok_or(Unknown::Open)?;
            let name = &after[..end];
            filled.push_str(self.values.get(name).ok_or_else(|| self.unknown(name))?);
            rest = &after[end + 1..];
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn unknown(&self, name: &str) -> Unknown {
        let known: Vec<String> = self.values.keys().map(|name| format!("${{{name}}}")).collect();
        Unknown::Name { name: name.to_owned(), known: known.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        let pairs = [("output", "s3://lake/out/"), ("parameters.country", "jp")];
        Variables::new(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }

    #[test]
    fn names_stand_for_their_values() {
        let filled = |text: &str| variables().fill(text);
        assert_eq!(filled("--out=${output}x ${parameters.country}"), Ok("--out=s3://lake/out/x jp".into()));
        assert_eq!(filled("no names, $5 and {braces}"), Ok("no names, $5 and {braces}".into()));
        assert_eq!(filled("echo $${HOME} $$${output}"), Ok("echo ${HOME} $${output}".into()));
    }

    #[test]
    fn a_name_that_stands_for_nothing_is_told_with_those_that_do() {
        let error = variables().fill("${ouptut}").expect_err("no such name").to_string();
        assert_eq!(
            error,
            "'${ouptut}' stands for nothing; there are ${output}, ${parameters.country}, and '$${' is written for '${'"
        );
        assert_eq!(variables().fill("${output"), Err(Unknown::Open));
    }
}
