//! The words of DQDL, each with its place.

use super::error::DqdlError;

/// Where something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Counts from 1.
    pub line: usize,
    /// Counts characters from 1.
    pub column: usize,
}

impl Place {
    /// Something is wrong there.
    pub fn wrong(self, message: impl Into<String>) -> DqdlError {
        DqdlError { line: self.line, column: self.column, message: message.into() }
    }
}

/// A word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// Letters, digits, `_` and `.`: a name, a keyword or a number.
    Word(String),
    /// A text in quotes, without them.
    Quoted(String),
    /// One of `: , { } [ ] ( ) + - * / $`, or a comparison.
    Symbol(&'static str),
    /// The end of the text.
    End,
}

impl Token {
    /// How an error names it.
    #[must_use]
    pub fn told(&self) -> String {
        match self {
            Self::Word(word) => format!("'{}'", shortened(word)),
            Self::Quoted(text) => format!("\"{}\"", shortened(text)),
            Self::Symbol(symbol) => format!("'{symbol}'"),
            Self::End => "the end of the text".to_owned(),
        }
    }
}

/// So many characters of what is wrong are repeated.
const REPEATED: usize = 40;

fn shortened(text: &str) -> String {
    match text.char_indices().nth(REPEATED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Longer ones come before those that they begin with.
const SYMBOLS: &[&str] =
    &[">=", "<=", "!=", ">", "<", "=", ":", ",", "{", "}", "[", "]", "(", ")", "+", "-", "*", "/", "$"];

/// All words of a text, and where each begins. The last one is the end.
///
/// # Errors
/// If there is a character that no word begins with, or a quote that is not closed.
pub fn tokens(text: &str) -> Result<Vec<(Token, Place)>, DqdlError> {
    let mut reader = Reader { rest: text, place: Place { line: 1, column: 1 } };
    let mut all = Vec::new();
    loop {
        reader.skip();
        let place = reader.place;
        let token = reader.token()?;
        let is_end = token == Token::End;
        all.push((token, place));
        if is_end {
            return Ok(all);
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
    place: Place,
}

impl<'a> Reader<'a> {
    /// Goes on by so many bytes.
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        for character in taken.chars() {
            if character == '\n' {
                self.place = Place { line: self.place.line + 1, column: 1 };
            } else {
                self.place.column += 1;
            }
        }
        self.rest = rest;
        taken
    }

    /// Space, and comments from `#` to the end of the line.
    fn skip(&mut self) {
        loop {
            let space = self.rest.len() - self.rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
            self.take(space);
            if !self.rest.starts_with('#') {
                return;
            }
            self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
        }
    }

    fn token(&mut self) -> Result<Token, DqdlError> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let word = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        if word > 0 {
            return Ok(Token::Word(self.take(word).to_owned()));
        }
        if self.rest.starts_with('"') {
            return self.quoted();
        }
        if let Some(symbol) = SYMBOLS.iter().find(|symbol| self.rest.starts_with(**symbol)) {
            self.take(symbol.len());
            return Ok(Token::Symbol(symbol));
        }
        match self.rest.chars().next() {
            None => Ok(Token::End),
            Some('\'') => Err(self.place.wrong("texts stand in double quotes: \"…\"")),
            Some(other) => Err(self.place.wrong(format!(
                "'{}' begins no word of DQDL; names with such characters stand in double quotes",
                other.escape_default()
            ))),
        }
    }

    /// `\"` and `\\` stand for a quote and a backslash; any other backslash is one, as regular expressions need.
    fn quoted(&mut self) -> Result<Token, DqdlError> {
        let place = self.place;
        let mut text = String::new();
        let mut rest = self.rest.char_indices().skip(1).peekable();
        while let Some((at, character)) = rest.next() {
            match character {
                '"' => {
                    self.take(at + 1);
                    return Ok(Token::Quoted(text));
                }
                '\\' => {
                    text.push(rest.next_if(|(_, next)| matches!(next, '"' | '\\')).map_or('\\', |(_, c)| c));
                }
                other => text.push(other),
            }
        }
        Err(place.wrong("the text that begins here is not closed; put a double quote at its end"))
    }
}
