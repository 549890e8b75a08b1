//! JSON text of answers, put together from stored texts without parsing them again.

use serde_json::{Value, json};

use crate::protocol::ApiError;

/// `{"Name":[item,item],"NextToken":"…"}`.
pub(super) fn page<'a>(name: &str, items: impl IntoIterator<Item = &'a str>, next: Option<String>) -> String {
    let items: Vec<&str> = items.into_iter().collect();
    let length: usize = items.iter().map(|item| item.len() + 1).sum();
    let mut text = String::with_capacity(length + name.len() + next.as_ref().map_or(0, String::len) + 32);
    text.push_str("{\"");
    text.push_str(name);
    text.push_str("\":[");
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(item);
    }
    text.push(']');
    if let Some(next) = next {
        // Tokens are hexadecimal, so there is nothing to escape.
        text.push_str(",\"NextToken\":\"");
        text.push_str(&next);
        text.push('"');
    }
    text.push('}');
    text
}

/// `{"Name":item}`.
pub(super) fn one(name: &str, item: &str) -> String {
    format!("{{\"{name}\":{item}}}")
}

/// The answer of operations that return nothing.
pub(super) fn nothing() -> String {
    "{}".to_owned()
}

/// The `Errors` list of batch operations; empty when all went well.
pub(super) fn errors(errors: &[Value]) -> String {
    json!({ "Errors": errors }).to_string()
}

/// The `ErrorDetail` structure of one failed item.
pub(super) fn detail(error: &ApiError) -> Value {
    json!({"ErrorCode": error.code, "ErrorMessage": error.message})
}
