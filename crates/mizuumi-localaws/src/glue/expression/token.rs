//! Splits an expression into words, names, literals and signs.

use super::Comparison;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A keyword or a bare column name.
    Word(String),
    /// A column name in double quotes or backticks.
    Name(String),
    /// Text in single quotes.
    Text(String),
    /// A number, with its sign.
    Number(String),
    /// = <> != < <= > >=
    Compare(Comparison),
    /// A parenthesis or comma.
    Sign(char),
}

/// The tokens, or nothing when some character fits nowhere.
pub(super) fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut chars = text.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(c) = chars.next() {
        let token = match c {
            c if c.is_whitespace() => continue,
            '(' | ')' | ',' => Token::Sign(c),
            '\'' => Token::Text(quoted(&mut chars, '\'')?),
            '"' | '`' => Token::Name(quoted(&mut chars, c)?),
            '=' => Token::Compare(Comparison::Equal),
            '!' => chars.next_if_eq(&'=').map(|_| Token::Compare(Comparison::NotEqual))?,
            '<' | '>' => {
                // The model writes the operator as "< >", so blanks inside are let through.
                let mut ahead = chars.clone();
                let second = ahead.find(|c| !c.is_whitespace());
                let comparison = match (c, second) {
                    ('<', Some('>')) => Some(Comparison::NotEqual),
                    ('<', Some('=')) => Some(Comparison::LessOrEqual),
                    ('>', Some('=')) => Some(Comparison::GreaterOrEqual),
                    _ => None,
                };
                if comparison.is_some() {
                    chars = ahead;
                }
                let alone = if c == '<' { Comparison::Less } else { Comparison::Greater };
                Token::Compare(comparison.unwrap_or(alone))
            }
            c if c.is_ascii_digit() || matches!(c, '-' | '+' | '.') => {
                let mut number = String::from(c);
                while let Some(c) = chars.next_if(|c| c.is_ascii_digit() || *c == '.') {
                    number.push(c);
                }
                // `2024-01` is an arithmetic expression to SQL, which AWS does not support either.
                let followed =
                    chars.peek().is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '+' | '_'));
                if followed || !number.ends_with(|c: char| c.is_ascii_digit()) {
                    return None;
                }
                Token::Number(number)
            }
            c if c.is_alphabetic() || c == '_' => {
                let mut word = String::from(c);
                while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    word.push(c);
                }
                Token::Word(word)
            }
            _ => return None,
        };
        tokens.push(token);
    }
    Some(tokens)
}

/// Text up to the closing quote; a doubled quote stands for itself.
fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, quote: char) -> Option<String> {
    let mut text = String::new();
    loop {
        match chars.next()? {
            c if c == quote && chars.next_if_eq(&quote).is_none() => return Some(text),
            c => text.push(c),
        }
    }
}
