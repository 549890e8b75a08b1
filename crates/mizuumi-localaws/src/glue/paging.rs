//! Opaque `NextToken`s: the last key of a page, so that the next page is a range lookup and needs no state here.

use super::{Object, input, invalid};
use crate::faults::BAD_TOKEN;
use crate::protocol::ApiError;

/// A token for the page after `key`; `kind` keeps one operation's tokens from being used with another.
pub(super) fn token(kind: &str, key: &str) -> String {
    format!("{kind}:{key}").bytes().fold(String::new(), |mut text, byte| {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
        text
    })
}

fn digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0')
}

/// The key after which the asked page starts.
pub(super) fn after(input: &Object, kind: &str) -> Result<Option<String>, ApiError> {
    // An empty token is taken as none, as boto3's paginators and others send it.
    let Some(token) = input::optional_text(input, "NextToken")?.filter(|token| !token.is_empty()) else {
        return Ok(None);
    };
    // The code and text for a bad token are not documented.
    decode(token)
        .and_then(|text| text.strip_prefix(kind)?.strip_prefix(':').map(str::to_owned))
        .map(Some)
        .ok_or_else(|| invalid(BAD_TOKEN))
}

fn decode(token: &str) -> Option<String> {
    let digits: Option<Vec<u8>> =
        token.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    String::from_utf8(digits.chunks(2).map(|pair| (pair[0] << 4) | pair[1]).collect()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn input(token: &str) -> Object {
        json!({"NextToken": token}).as_object().cloned().unwrap()
    }

    #[test]
    fn a_token_gives_its_key_back_to_its_own_operation_only() {
        let token = token("tables:db", "tábla_1");
        assert_eq!(after(&input(&token), "tables:db").unwrap().as_deref(), Some("tábla_1"));
        assert_eq!(after(&input(&token), "tables:other").unwrap_err().code, "InvalidInputException");
        assert_eq!(after(&input("zz"), "tables:db").unwrap_err().code, "InvalidInputException");
        assert_eq!(after(&input(""), "tables:db").unwrap(), None);
    }
}
