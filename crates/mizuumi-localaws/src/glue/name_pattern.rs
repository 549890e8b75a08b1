//! The `Expression` of `GetTables`: which table names it chooses, without looking at every name where that is possible.
//!
//! "A regular expression pattern. If present, only those tables whose names match the pattern are returned", at most
//! 2,048 characters (model). Clients also send Hive's globs (awswrangler: `*part*`), which are no regular expressions:
//! a star that repeats nothing is read as `.*`. That the whole name has to match is an assumption.

use std::collections::BTreeSet;
use std::ops::Bound;

use regex::{Regex, RegexBuilder};

use super::{input, invalid};
use crate::protocol::ApiError;

/// Longest expression (`FilterString` in the model).
const LONGEST: usize = 2048;

/// An expression that has been understood.
#[derive(Debug)]
pub(super) enum NamePattern {
    /// Names joined by `|`: each is looked up.
    Names(BTreeSet<String>),
    /// Anything else: names that begin as the expression does are tried.
    Regex { prefix: String, regex: Regex },
}

impl NamePattern {
    /// Reads an expression.
    pub(super) fn new(expression: &str) -> Result<Self, ApiError> {
        if expression.chars().count() > LONGEST {
            let constraint = format!("Member must have length less than or equal to {LONGEST}");
            return Err(input::violation("Expression", &constraint));
        }
        if let Some(names) = names(expression) {
            return Ok(Self::Names(names));
        }
        let regex = RegexBuilder::new(&regex_text(expression))
            .case_insensitive(true)
            .build()
            .map_err(|_| invalid(format!("Invalid expression {expression}")))?;
        Ok(Self::Regex { prefix: prefix(expression), regex })
    }

    /// Whether the expression chooses a name.
    pub(super) fn chooses(&self, name: &str) -> bool {
        match self {
            Self::Names(names) => names.contains(name),
            Self::Regex { prefix, regex } => name.starts_with(prefix) && regex.is_match(name),
        }
    }
}

/// The later of two starts.
pub(super) fn later_start(token: Bound<String>, prefix: &str) -> Bound<String> {
    match token {
        Bound::Excluded(last) if last.as_str() >= prefix => Bound::Excluded(last),
        _ => Bound::Included(prefix.to_owned()),
    }
}

fn regex_text(expression: &str) -> String {
    let mut text = String::from("^(?:");
    let mut before = None;
    for c in expression.chars() {
        if c == '*' && !matches!(before, Some('.' | ']' | ')' | '\\' | '}')) {
            text.push('.');
        }
        text.push(c);
        before = Some(c);
    }
    text.push_str(")$");
    text
}

fn is_meta(c: char) -> bool {
    matches!(c, '.' | '^' | '$' | '*' | '+' | '?' | '{' | '}' | '[' | ']' | '(' | ')' | '|' | '\\')
}

/// Reads literal text up to the first character that means more; the rest begins with that character.
fn literal(text: &str) -> (String, &str) {
    let mut literal = String::new();
    let mut rest = text;
    loop {
        let mut chars = rest.chars();
        match (chars.next(), chars.clone().next()) {
            // A backslash before punctuation stands for the punctuation, before a letter for a class or a place.
            (Some('\\'), Some(c)) if c.is_ascii_punctuation() => {
                literal.push(c);
                chars.next();
            }
            (Some(c), _) if !is_meta(c) => literal.push(c),
            _ => return (literal.to_lowercase(), rest),
        }
        rest = chars.as_str();
    }
}

/// The names, if the expression is nothing but names joined by `|`, perhaps in anchors and one group.
fn names(expression: &str) -> Option<BTreeSet<String>> {
    let mut text = expression.strip_prefix('^').unwrap_or(expression);
    text = text.strip_suffix('$').filter(|text| !text.ends_with('\\')).unwrap_or(text);
    if let Some(inner) = text.strip_prefix("(?:").or_else(|| text.strip_prefix('(')) {
        text = inner.strip_suffix(')')?;
    } else if text != expression && text.contains('|') {
        // `^a|b$` is "begins with a, or ends with b" to a regular expression.
        return None;
    }
    let mut names = BTreeSet::new();
    loop {
        let (name, rest) = literal(text);
        names.insert(name);
        match rest.strip_prefix('|') {
            Some(more) => text = more,
            None => return rest.is_empty().then_some(names),
        }
    }
}

/// What every chosen name begins with.
fn prefix(expression: &str) -> String {
    if expression.contains('|') {
        return String::new();
    }
    let (mut prefix, rest) = literal(expression);
    // These make what stands before them optional.
    if rest.starts_with(['*', '?', '{']) {
        prefix.pop();
    }
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_a_regular_expression_or_a_glob_and_matches_whole_names() {
        for (expression, name, chosen) in [
            ("tbl_.*", "tbl_1", true),
            ("tbl", "tbl_1", false),
            ("tbl*", "tbl_1", true),
            ("*bl*", "tbl_1", true),
            (".*bl.*", "tbl_1", true),
            ("TBL_[0-9]*", "tbl_12", true),
            ("a|b", "b", true),
            ("a|b", "ab", false),
            ("(a|b)_x", "b_x", true),
            ("^(?:A|b\\-1)$", "b-1", true),
            ("^(?:A|b\\-1)$", "a", true),
            ("^a|b$", "b", true),
            ("a|b.*", "bc", true),
            ("ab?", "a", true),
            ("ab{0,2}c", "ac", true),
            ("a\\dc", "a1c", true),
            ("a.c", "abc", true),
        ] {
            assert_eq!(NamePattern::new(expression).unwrap().chooses(name), chosen, "{expression} on {name}");
        }
        assert_eq!(NamePattern::new("(").unwrap_err().code, "InvalidInputException");
    }

    #[test]
    fn names_joined_by_bars_are_looked_up_and_other_patterns_begin_where_they_can() {
        let is_names = |text: &str| matches!(NamePattern::new(text).unwrap(), NamePattern::Names(_));
        assert!(is_names("a") && is_names("a|b-c|d_1") && is_names("^(a|b)$") && is_names("a\\.b"));
        assert!(!is_names("a.*") && !is_names("a|b?") && !is_names("^a|b$"));
        for (expression, begins) in
            [("ord.*", "ord"), ("ord*", "or"), (".*x", ""), ("a|b.*", ""), ("ab+", "ab")]
        {
            assert_eq!(prefix(expression), begins, "{expression}");
        }
    }

    #[test]
    fn a_longer_expression_than_the_model_allows_is_refused() {
        assert!(NamePattern::new(&"a".repeat(2048)).is_ok());
        assert_eq!(NamePattern::new(&"a".repeat(2049)).unwrap_err().code, "ValidationException");
    }
}
