//! Reading requests: members by name, and the refusals for those that are missing or wrong.

use serde_json::Value;

use crate::glue::Object;
use crate::protocol::ApiError;

/// `ValidationException`, as `RunJobFlow`, `AddJobFlowSteps` and `TerminateJobFlows` refuse.
pub(super) fn wrong(message: impl Into<String>) -> ApiError {
    ApiError::refused("ValidationException", message)
}

/// `InvalidRequestException`, the modelled error of the newer operations (botocore emr/2009-03-31), with its `ErrorCode`.
pub(super) fn invalid(error_code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError { error_code: Some(error_code), ..ApiError::refused("InvalidRequestException", message) }
}

/// A text member.
pub(super) fn text<'a>(object: &'a Object, member: &str) -> Option<&'a str> {
    object.get(member).and_then(Value::as_str)
}

/// A text member that has to be there.
pub(super) fn required<'a>(object: &'a Object, member: &str) -> Result<&'a str, ApiError> {
    text(object, member).filter(|text| !text.is_empty()).ok_or_else(|| missing(member))
}

/// A member that has to be there is not.
pub(super) fn missing(member: &str) -> ApiError {
    let mut name = member.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    let said = "1 validation error detected: Value null at";
    wrong(format!("{said} '{name}' failed to satisfy constraint: Member must not be null"))
}

/// A truth value; absent: false.
pub(super) fn flag(object: &Object, member: &str) -> bool {
    object.get(member).and_then(Value::as_bool).unwrap_or(false)
}

/// The items of a list; absent: none.
pub(super) fn list<'a>(object: &'a Object, member: &str) -> &'a [Value] {
    object.get(member).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The texts of a list.
pub(super) fn texts<'a>(object: &'a Object, member: &str) -> Vec<&'a str> {
    list(object, member).iter().filter_map(Value::as_str).collect()
}

/// A member that is an object.
pub(super) fn object<'a>(object: &'a Object, member: &str) -> Option<&'a Object> {
    object.get(member).and_then(Value::as_object)
}

/// A time: a JSON number of seconds, in milliseconds.
pub(super) fn time(object: &Object, member: &str) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "a cast from f64 saturates")]
    let millis = |seconds: f64| (seconds * 1000.0) as i64;
    object.get(member).and_then(Value::as_f64).map(millis)
}

/// Copies the members that are there.
pub(super) fn copy(from: &Object, to: &mut Object, members: &[&str]) {
    for member in members {
        if let Some(value) = from.get(*member).filter(|value| !value.is_null()) {
            to.insert((*member).to_owned(), value.clone());
        }
    }
}
