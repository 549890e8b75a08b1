//! Reading and checking request members, with the limits of the API model (botocore glue/2017-03-31).

use serde_json::Value;

use super::{Call, Object, invalid, not_found};
use crate::protocol::ApiError;

/// Constraint violations of the model come as `ValidationException` (seen from real Glue in
/// dbt-labs/dbt-athena#327: "1 validation error detected: Value … Member must have length less than or equal to 25").
pub(super) fn violation(member: &str, constraint: &str) -> ApiError {
    let mut chars = member.chars();
    let member = chars.next().map(|first| first.to_lowercase().collect::<String>() + chars.as_str());
    let member = member.unwrap_or_default();
    let message = format!(
        "1 validation error detected: Value at '{member}' failed to satisfy constraint: {constraint}"
    );
    ApiError::refused("ValidationException", message)
}

/// The caller may only name its own catalog: nothing here grants access across accounts, and AWS then answers
/// `AccessDeniedException`. Nested catalogs (`account:name`) do not exist here.
pub(super) fn check_catalog(call: &Call<'_>) -> Result<(), ApiError> {
    let Some(catalog) = optional_text(call.input, "CatalogId")? else { return Ok(()) };
    if catalog == call.account {
        return Ok(());
    }
    if let Some(nested) = catalog.strip_prefix(call.account) {
        return Err(not_found(format!("Catalog {nested} not found.")));
    }
    let message = format!(
        "User: {} is not authorized to perform this action on the Glue catalog of account {catalog}",
        call.caller
    );
    Err(ApiError::refused("AccessDeniedException", message))
}

/// A text member, if it is there and not null.
pub(super) fn optional_text<'a>(input: &'a Object, member: &str) -> Result<Option<&'a str>, ApiError> {
    match input.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong_type(member, "STRING_VALUE")),
    }
}

/// A true-or-false member; absent means false.
pub(super) fn flag(input: &Object, member: &str) -> Result<bool, ApiError> {
    match input.get(member) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(wrong_type(member, "BOOLEAN_VALUE")),
    }
}

/// A structure that must be there.
pub(super) fn object<'a>(input: &'a Object, member: &str) -> Result<&'a Object, ApiError> {
    match input.get(member) {
        None | Some(Value::Null) => Err(violation(member, "Member must not be null")),
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Err(wrong_type(member, "STRUCTURE")),
    }
}

/// A list that must be there, with no more items than the model allows.
pub(super) fn list<'a>(input: &'a Object, member: &str, most: usize) -> Result<&'a [Value], ApiError> {
    match input.get(member) {
        None | Some(Value::Null) => Err(violation(member, "Member must not be null")),
        Some(Value::Array(items)) if items.len() > most => {
            let constraint = format!("Member must have length less than or equal to {most}");
            Err(violation(member, &constraint))
        }
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(wrong_type(member, "LIST")),
    }
}

/// A list of texts, such as partition values.
pub(super) fn texts(input: &Object, member: &str, most: usize) -> Result<Vec<String>, ApiError> {
    list(input, member, most)?
        .iter()
        .map(|item| item.as_str().map(str::to_owned).ok_or_else(|| wrong_type(member, "STRING_VALUE")))
        .collect()
}

fn wrong_type(member: &str, wanted: &str) -> ApiError {
    ApiError::refused("SerializationException", format!("{member} must be of type {wanted}"))
}

/// A name that must be there: 1 to 255 bytes of single-line text, in lower case.
///
/// Stored names are folded ("For Hive compatibility, this is folded to lowercase when it is stored", `DatabaseInput`
/// and `TableInput` in the model). That *lookups* fold as well is an assumption: the model only says that the name
/// should be entirely lower case.
pub(super) fn name(input: &Object, member: &str) -> Result<String, ApiError> {
    let Some(text) = optional_text(input, member)? else {
        return Err(violation(member, "Member must not be null"));
    };
    check_name(text, member)?;
    Ok(text.to_lowercase())
}

fn check_name(text: &str, member: &str) -> Result<(), ApiError> {
    if text.is_empty() {
        return Err(violation(member, "Member must have length greater than or equal to 1"));
    }
    if text.len() > 255 {
        return Err(violation(member, "Member must have length less than or equal to 255"));
    }
    // The model's pattern for NameString: anything from U+0020 up, and tab.
    if text.chars().any(|c| (c < ' ' && c != '\t') || matches!(c, '\u{fffe}' | '\u{ffff}')) {
        return Err(violation(member, "Member must satisfy regular expression pattern: single-line string"));
    }
    // Whether AWS refuses blank names is unknown; a name of spaces is never meant.
    if text.trim().is_empty() {
        return Err(invalid(format!("{member} must not be blank")));
    }
    Ok(())
}

/// `MaxResults` between 1 and the model's maximum, which is also our default page (AWS documents no default).
pub(super) fn page_size(call: &Call<'_>, most: usize) -> Result<usize, ApiError> {
    let most_here = if call.short_pages { 1 } else { most };
    match call.input.get("MaxResults") {
        None | Some(Value::Null) => Ok(most_here),
        Some(value) => {
            let size = value.as_i64().ok_or_else(|| wrong_type("MaxResults", "NUMBER_VALUE"))?;
            match usize::try_from(size) {
                Ok(size) if (1..=most).contains(&size) => Ok(size.min(most_here)),
                Ok(size) if size > most => Err(violation(
                    "MaxResults",
                    &format!("Member must have value less than or equal to {most}"),
                )),
                _ => Err(violation("MaxResults", "Member must have value greater than or equal to 1")),
            }
        }
    }
}

/// A copy without null members: JSON null means absent in the AWS protocols.
pub(super) fn without_nulls(object: &Object) -> Object {
    object
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
