//! Reads a text of rules. Every error names its place, what was expected there, and what to do.

mod operand;
mod rule;

use std::collections::{BTreeMap, BTreeSet};

use super::condition::Text;
use super::error::DqdlError;
use super::model::{Labels, Ruleset, Value};
use super::token::{Place, Token, tokens};

/// Deeper parentheses are a mistake, and reading them must not exhaust the stack.
const DEEPEST: usize = 32;
/// So many numbers a text puts together; a chain of them is as deep as it is long.
const LONGEST_CHAIN: usize = 1_000;
/// Most labels of a rule, those of all rules included, and their longest keys and values, as Glue has them.
const MOST_LABELS: usize = 10;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;

/// Reads a text of rules.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn parse(text: &str) -> Result<Ruleset, DqdlError> {
    let mut parser = Parser { tokens: tokens(text)?, ..Parser::default() };
    parser.document()
}

#[derive(Default)]
struct Parser {
    /// Never empty: the last is the end.
    tokens: Vec<(Token, Place)>,
    at: usize,
    depth: usize,
    /// How many numbers were put together.
    chain: usize,
    /// Whether a variable stands for one text.
    variables: BTreeMap<String, bool>,
    /// How many labels all rules have.
    defaults: usize,
}

impl Parser {
    fn document(&mut self) -> Result<Ruleset, DqdlError> {
        let mut ruleset = Ruleset::default();
        if self.take_section("Metadata")? {
            self.metadata(&mut ruleset)?;
        }
        if self.take_section("DataSources")? {
            self.data_sources(&mut ruleset)?;
        }
        while let Token::Word(word) = self.peek()
            && !["Rules", "Analyzers", "DefaultLabels"].contains(&word.as_str())
        {
            ruleset.variables.push(self.variable()?);
        }
        if self.take_section("DefaultLabels")? {
            ruleset.default_labels = self.labels()?;
            self.defaults = ruleset.default_labels.len();
        }
        let mut has_any = false;
        let place = self.place();
        if self.take_section("Rules")? {
            has_any = true;
            ruleset.rules = self.list(Self::expression)?;
        }
        if self.take_section("Analyzers")? {
            has_any = true;
            ruleset.analyzers = self.list(Self::analyzer)?;
        }
        if *self.peek() != Token::End || !has_any {
            let expected = if has_any {
                "the end of the text"
            } else {
                "`Rules = [ … ]` or `Analyzers = [ … ]`; before them may stand `Metadata`, `DataSources`, variables and \
                 `DefaultLabels`, in this order"
            };
            return Err(self.expected(expected));
        }
        if ruleset.rules.is_empty() && ruleset.analyzers.is_empty() {
            return Err(
                place.wrong("there is no rule and no analyzer; write at least one, such as `RowCount > 0`")
            );
        }
        Ok(ruleset)
    }

    /// `name =`.
    fn take_section(&mut self, name: &str) -> Result<bool, DqdlError> {
        if !self.take_word(&[name]) {
            return Ok(false);
        }
        self.expect("=")?;
        Ok(true)
    }

    fn metadata(&mut self, ruleset: &mut Ruleset) -> Result<(), DqdlError> {
        for (key, place, value) in self.dictionary()? {
            match (key.as_str(), value) {
                ("Version", Entry::One(version)) => ruleset.version = Some(version),
                ("Version", Entry::Several(_)) => return Err(place.wrong("`Version` is one text")),
                _ => {
                    return Err(place.wrong(format!(
                        "`Metadata` has the key \"Version\" and no other; this is \"{key}\""
                    )));
                }
            }
        }
        Ok(())
    }

    fn data_sources(&mut self, ruleset: &mut Ruleset) -> Result<(), DqdlError> {
        for (key, place, value) in self.dictionary()? {
            match (key.as_str(), value) {
                ("Primary", Entry::One(name)) => ruleset.primary = Some(name),
                ("AdditionalDataSources", Entry::Several(names)) => ruleset.additional = names,
                ("Primary", Entry::Several(_)) => return Err(place.wrong("\"Primary\" is one name")),
                ("AdditionalDataSources", Entry::One(_)) => {
                    return Err(place.wrong("\"AdditionalDataSources\" is a list of names: [ \"…\" ]"));
                }
                _ => {
                    return Err(place.wrong(format!(
                        "`DataSources` has the keys \"Primary\" and \"AdditionalDataSources\"; this is \"{key}\""
                    )));
                }
            }
        }
        Ok(())
    }

    fn dictionary(&mut self) -> Result<Vec<(String, Place, Entry)>, DqdlError> {
        self.expect("{")?;
        let mut all: Vec<(String, Place, Entry)> = Vec::new();
        loop {
            let place = self.place();
            let key = self.quoted("a key in double quotes")?;
            if all.iter().any(|(earlier, ..)| *earlier == key) {
                return Err(place.wrong(format!("the key \"{key}\" is there twice")));
            }
            self.expect(":")?;
            let value = if *self.peek() == Token::Symbol("[") {
                Entry::Several(self.list_of_some(|parser| parser.quoted("a text in double quotes"))?)
            } else {
                Entry::One(self.quoted("a text in double quotes, or a list of such texts")?)
            };
            all.push((key, place, value));
            if !self.take_symbol(",") {
                break;
            }
        }
        self.expect("}")?;
        Ok(all)
    }

    fn variable(&mut self) -> Result<(String, Value), DqdlError> {
        let place = self.place();
        let name = self.word("the name of a variable")?;
        if *self.peek() != Token::Symbol("=") {
            return Err(place.wrong(format!(
                "'{name}' begins no section; those are Metadata, DataSources, DefaultLabels, Rules and Analyzers, and a \
                 variable is written `{name} = \"…\"`"
            )));
        }
        self.expect("=")?;
        if name.starts_with(['.', '_']) {
            return Err(place
                .wrong(format!("the name of a variable begins with a letter or a digit; this is '{name}'")));
        }
        if self.variables.contains_key(&name) {
            return Err(place.wrong(format!("the variable '{name}' is there twice")));
        }
        let one = |parser: &mut Self| {
            let place = parser.place();
            match parser.text()? {
                Text::Variable(_) => {
                    Err(place.wrong("a variable cannot stand for another one; write the text itself"))
                }
                Text::Quoted(text) if refers(&text) => {
                    Err(place.wrong("a variable's text cannot name another variable by `$`"))
                }
                text => Ok(text),
            }
        };
        let value = if *self.peek() == Token::Symbol("[") {
            Value::Several(self.list_of_some(one)?)
        } else {
            Value::One(one(self)?)
        };
        self.variables.insert(name.clone(), matches!(value, Value::One(_)));
        Ok((name, value))
    }

    /// `[ "key"="value", … ]`.
    fn labels(&mut self) -> Result<Labels, DqdlError> {
        let start = self.place();
        let (mut labels, mut seen) = (Labels::new(), BTreeSet::new());
        let pairs = self.list_of_some(|parser| {
            let place = parser.place();
            let key = parser.quoted("a label, such as \"team\"=\"search\"")?;
            parser.expect("=")?;
            Ok((place, key, parser.quoted("the label's value in double quotes")?))
        })?;
        if pairs.len() + self.defaults > MOST_LABELS {
            return Err(start.wrong(format!(
                "a rule has at most {MOST_LABELS} labels, those of `DefaultLabels` included"
            )));
        }
        for (place, key, value) in pairs {
            let (keys, values) = (key.chars().count(), value.chars().count());
            if !(1..=LONGEST_KEY).contains(&keys) || !(1..=LONGEST_VALUE).contains(&values) {
                return Err(place.wrong(format!(
                    "a label's key has 1 to {LONGEST_KEY} characters and its value 1 to {LONGEST_VALUE}; these have {keys} and {values}"
                )));
            }
            if !seen.insert(key.clone()) {
                return Err(place.wrong(format!("the label \"{key}\" is there twice")));
            }
            labels.insert(key, value);
        }
        Ok(labels)
    }

    /// A text or what stands for one.
    fn text(&mut self) -> Result<Text, DqdlError> {
        if let Token::Quoted(text) = self.peek() {
            let text = text.clone();
            self.next();
            return Ok(Text::Quoted(text));
        }
        if *self.peek() == Token::Symbol("$") {
            return Ok(Text::Variable(self.dereference()?.0));
        }
        for (words, text) in [
            (["null", "NULL"], Text::Null),
            (["empty", "EMPTY"], Text::Empty),
            (["whitespaces_only", "WHITESPACES_ONLY"], Text::Blank),
        ] {
            if self.take_word(&words) {
                return Ok(text);
            }
        }
        Err(self.expected("a text in double quotes, NULL, EMPTY or WHITESPACES_ONLY"))
    }

    /// `$name`; whether it stands for one text.
    fn dereference(&mut self) -> Result<(String, bool), DqdlError> {
        self.expect("$")?;
        let place = self.place();
        let name = self.word("the name of a variable")?;
        match self.variables.get(&name) {
            Some(is_one) => Ok((name, *is_one)),
            None => Err(place
                .wrong(format!("there is no variable '{name}'; write `{name} = \"…\"` before the rules"))),
        }
    }

    /// `[ … ]`, which may be empty.
    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Result<T, DqdlError>) -> Result<Vec<T>, DqdlError> {
        if *self.peek() == Token::Symbol("[") && self.peek_at(1) == &Token::Symbol("]") {
            self.at += 2;
            return Ok(Vec::new());
        }
        self.list_of_some(item)
    }

    /// `[ … ]`, which may not be empty.
    fn list_of_some<T>(
        &mut self,
        item: impl Fn(&mut Self) -> Result<T, DqdlError>,
    ) -> Result<Vec<T>, DqdlError> {
        self.expect("[")?;
        let mut all = vec![item(self)?];
        while self.take_symbol(",") {
            all.push(item(self)?);
        }
        if !self.take_symbol("]") {
            return Err(self.expected("',' and another one, or ']'"));
        }
        Ok(all)
    }

    /// Goes one level deeper while something is read.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, DqdlError>) -> Result<T, DqdlError> {
        if self.depth == DEEPEST {
            return Err(self.place().wrong(format!("parentheses are at most {DEEPEST} deep")));
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn peek(&self) -> &Token {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> &Token {
        self.tokens.get(self.at + ahead).map_or(&Token::End, |(token, _)| token)
    }

    fn place(&self) -> Place {
        let last = Place { line: 1, column: 1 };
        self.tokens.get(self.at).or(self.tokens.last()).map_or(last, |(_, place)| *place)
    }

    const fn next(&mut self) {
        self.at += 1;
    }

    fn expected(&self, what: &str) -> DqdlError {
        self.place().wrong(format!("expected {what}; found {}", self.peek().told()))
    }

    fn expect(&mut self, symbol: &'static str) -> Result<(), DqdlError> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.expected(&format!("'{symbol}'"))) }
    }

    fn take_symbol(&mut self, symbol: &'static str) -> bool {
        let is = *self.peek() == Token::Symbol(symbol);
        self.at += usize::from(is);
        is
    }

    fn take_word(&mut self, words: &[&str]) -> bool {
        let is = matches!(self.peek(), Token::Word(word) if words.contains(&word.as_str()));
        self.at += usize::from(is);
        is
    }

    fn word(&mut self, what: &str) -> Result<String, DqdlError> {
        let Token::Word(word) = self.peek() else { return Err(self.expected(what)) };
        let word = word.clone();
        self.next();
        Ok(word)
    }

    fn quoted(&mut self, what: &str) -> Result<String, DqdlError> {
        let Token::Quoted(text) = self.peek() else { return Err(self.expected(what)) };
        let text = text.clone();
        self.next();
        Ok(text)
    }
}

/// What a key of a dictionary says.
enum Entry {
    One(String),
    Several(Vec<String>),
}

/// Whether a text names a variable.
fn refers(text: &str) -> bool {
    text.match_indices('$')
        .any(|(at, _)| text[at + 1..].starts_with(|next: char| next.is_ascii_alphabetic() || next == '_'))
}
