//! The `Expression` of `GetPartitions`: a small SQL condition over partition keys.
//!
//! Operators and key types are those that the API model lists (=, <>, <, <=, >, >=, AND, OR, IN, BETWEEN, LIKE, NOT,
//! IS NULL on string, date, timestamp, int, bigint, long, tinyint, smallint, decimal). Unknown, hence assumed: `!=`
//! means `<>`; quoted numbers and unquoted text compare by the key's type; LIKE looks at the value's text whatever
//! the type; a condition without a key, or between two keys, is refused.

mod token;
mod typed;

use std::cmp::Ordering;

use regex::Regex;

use self::token::{Token, tokens};
use self::typed::{Kind, Typed};
use super::{PartitionKey, invalid};
use crate::protocol::ApiError;

/// The text that AWS answers for a condition that it cannot use (seen in getmoto/moto#9306).
fn refused() -> ApiError {
    invalid("Invalid partition expression!")
}

#[derive(Debug)]
enum Condition {
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
    Compare(Key, Comparison, Typed),
    In(Key, Vec<Typed>),
    Between(Key, Typed, Typed),
    Like(Key, Regex),
    IsNull,
}

#[derive(Debug, Clone, Copy)]
struct Key {
    index: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

/// A parsed condition.
#[derive(Debug)]
pub(super) struct Filter(Condition);

impl Filter {
    /// Parses a condition over a table's partition keys.
    pub(super) fn parse(text: &str, keys: &[PartitionKey]) -> Result<Self, ApiError> {
        let tokens = tokens(text).ok_or_else(refused)?;
        let mut parser = Parser { tokens, at: 0, keys, depth: 0 };
        let condition = parser.or()?;
        if parser.at < parser.tokens.len() {
            return Err(refused());
        }
        Ok(Self(condition))
    }

    /// Whether a partition's values meet the condition. A value that is not of its key's type is an
    /// `InvalidStateException`, as on AWS (aws/aws-sdk#670).
    pub(super) fn accepts(&self, values: &[String]) -> Result<bool, ApiError> {
        meets(&self.0, values)
    }
}

fn value(key: Key, values: &[String]) -> Result<Typed, ApiError> {
    let text = values.get(key.index).map_or("", String::as_str);
    Typed::read(key.kind, text).ok_or_else(|| {
        let message = format!("For input string: \"{text}\" is not {}.", key.kind.article_and_name());
        ApiError::refused("InvalidStateException", message)
    })
}

fn meets(condition: &Condition, values: &[String]) -> Result<bool, ApiError> {
    Ok(match condition {
        Condition::And(left, right) => meets(left, values)? && meets(right, values)?,
        Condition::Or(left, right) => meets(left, values)? || meets(right, values)?,
        Condition::Not(inner) => !meets(inner, values)?,
        Condition::Compare(key, comparison, literal) => comparison.holds(value(*key, values)?.cmp(literal)),
        Condition::In(key, literals) => literals.contains(&value(*key, values)?),
        Condition::Between(key, low, high) => {
            let value = value(*key, values)?;
            *low <= value && value <= *high
        }
        Condition::Like(key, pattern) => values.get(key.index).is_some_and(|value| pattern.is_match(value)),
        // Partition values are never null here: AWS also finds nothing for "is null" on the text `null` (same issue).
        Condition::IsNull => false,
    })
}

struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    keys: &'a [PartitionKey],
    depth: usize,
}

impl Parser<'_> {
    fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn word(&mut self, word: &str) -> bool {
        let found =
            matches!(self.tokens.get(self.at), Some(Token::Word(text)) if text.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn sign(&mut self, sign: char) -> bool {
        let found = self.tokens.get(self.at) == Some(&Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    fn or(&mut self) -> Result<Condition, ApiError> {
        let mut left = self.and()?;
        while self.word("or") {
            left = Condition::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Condition, ApiError> {
        let mut left = self.not()?;
        while self.word("and") {
            left = Condition::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    /// Parentheses and NOT nest by recursion; the bound keeps 2,048 of them from overflowing the stack.
    fn not(&mut self) -> Result<Condition, ApiError> {
        self.depth += 1;
        if self.depth > 200 {
            return Err(refused());
        }
        let condition = if self.word("not") {
            Condition::Not(Box::new(self.not()?))
        } else if self.sign('(') {
            let inner = self.or()?;
            need(self.sign(')'))?;
            inner
        } else {
            self.term()?
        };
        self.depth -= 1;
        Ok(condition)
    }

    fn key(&mut self) -> Result<Key, ApiError> {
        let Some(Token::Word(name) | Token::Name(name)) = self.take() else { return Err(refused()) };
        let found = self.keys.iter().position(|key| key.name.eq_ignore_ascii_case(&name));
        let index = found.ok_or_else(refused)?;
        // "If an type is encountered that is not valid, an exception is thrown" (model).
        let kind = Kind::of(&self.keys[index].kind).ok_or_else(|| {
            invalid(format!("Unsupported partition key type {} in expression", self.keys[index].kind))
        })?;
        Ok(Key { index, kind })
    }

    fn term(&mut self) -> Result<Condition, ApiError> {
        let key = self.key()?;
        if self.word("is") {
            let negated = self.word("not");
            need(self.word("null"))?;
            let is_null = Condition::IsNull;
            return Ok(if negated { Condition::Not(Box::new(is_null)) } else { is_null });
        }
        let negated = self.word("not");
        let condition = if self.word("in") {
            need(self.sign('('))?;
            let mut literals = vec![self.literal(key)?];
            while self.sign(',') {
                literals.push(self.literal(key)?);
            }
            need(self.sign(')'))?;
            Condition::In(key, literals)
        } else if self.word("between") {
            let low = self.literal(key)?;
            need(self.word("and"))?;
            Condition::Between(key, low, self.literal(key)?)
        } else if self.word("like") {
            let Some(Token::Text(pattern)) = self.take() else { return Err(refused()) };
            Condition::Like(key, like(&pattern)?)
        } else {
            let (false, Some(Token::Compare(comparison))) = (negated, self.take()) else {
                return Err(refused());
            };
            return Ok(Condition::Compare(key, comparison, self.literal(key)?));
        };
        Ok(if negated { Condition::Not(Box::new(condition)) } else { condition })
    }

    /// A quoted text, a number, or `DATE '…'` / `TIMESTAMP '…'`.
    fn literal(&mut self, key: Key) -> Result<Typed, ApiError> {
        let text = match self.take() {
            Some(Token::Text(text) | Token::Number(text)) => text,
            Some(Token::Word(word))
                if word.eq_ignore_ascii_case("date") || word.eq_ignore_ascii_case("timestamp") =>
            {
                let Some(Token::Text(text)) = self.take() else { return Err(refused()) };
                text
            }
            _ => return Err(refused()),
        };
        Typed::read(key.kind, &text)
            .ok_or_else(|| invalid(format!("\"{text}\" is not {}.", key.kind.article_and_name())))
    }
}

fn need(found: bool) -> Result<(), ApiError> {
    if found { Ok(()) } else { Err(refused()) }
}

/// `%` stands for any text and `_` for one character.
fn like(pattern: &str) -> Result<Regex, ApiError> {
    let mut text = String::from("(?s)^");
    for c in pattern.chars() {
        match c {
            '%' => text.push_str(".*"),
            '_' => text.push('.'),
            c => text.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    text.push('$');
    Regex::new(&text).map_err(|_| refused())
}

#[cfg(test)]
mod tests;
