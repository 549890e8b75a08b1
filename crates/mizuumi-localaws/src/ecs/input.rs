//! Members of requests, and the errors about them.

use serde_json::Value;

use crate::glue::Object;
use crate::protocol::ApiError;

/// `InvalidParameterException`.
pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::refused("InvalidParameterException", message)
}

/// `ClientException`.
pub(super) fn client(message: impl Into<String>) -> ApiError {
    ApiError::refused("ClientException", message)
}

/// A text; absent, null or empty: none.
pub(super) fn text<'a>(object: &'a Object, member: &str) -> Option<&'a str> {
    object.get(member).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A text that has to be there.
pub(super) fn required<'a>(object: &'a Object, member: &str) -> Result<&'a str, ApiError> {
    text(object, member).ok_or_else(|| client(format!("{member} can not be blank.")))
}

/// The items of a list; absent: none.
pub(super) fn list<'a>(object: &'a Object, member: &str) -> &'a [Value] {
    object.get(member).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The texts of a list.
pub(super) fn texts<'a>(object: &'a Object, member: &str) -> Vec<&'a str> {
    list(object, member).iter().filter_map(Value::as_str).collect()
}

/// Whether the answer is asked to show tags.
pub(super) fn wants_tags(object: &Object) -> bool {
    texts(object, "include").contains(&"TAGS")
}

/// A page of items in their order: those after the number that the token names.
pub(super) fn page(
    object: &Object,
    is_short: bool,
    items: Vec<String>,
) -> Result<(Vec<String>, Option<String>), ApiError> {
    let most = object.get("maxResults").and_then(Value::as_u64).unwrap_or(100);
    let most = match usize::try_from(most) {
        _ if is_short => 1,
        Ok(most @ 1..=100) => most,
        _ => return Err(invalid("maxResults must be between 1 and 100")),
    };
    let from = match text(object, "nextToken") {
        None => 0,
        Some(token) => {
            let number = token.strip_prefix("next-").and_then(|number| number.parse::<usize>().ok());
            number.ok_or_else(|| invalid("Invalid token"))?
        }
    };
    let next = from.saturating_add(most);
    let token = (next < items.len()).then(|| format!("next-{next}"));
    Ok((items.into_iter().skip(from).take(most).collect(), token))
}
