//! Pages of fifty, and the markers between them.

use serde_json::{Value, json};

use super::input::{invalid, text};
use super::{Answer, Call};

/// API reference, `ListClusters`: "This call returns a maximum of 50 clusters"; `ListSteps`: "To return more than 50 steps …
/// specify a Marker".
const PAGE: usize = 50;

/// A page of items, each with a number by which it is found again: in order, numbers falling.
pub(super) fn page(call: &Call<'_>, member: &str, items: impl Iterator<Item = (usize, Value)>) -> Answer {
    page_of(PAGE, call, member, items)
}

/// The same, of so many items.
pub(super) fn page_of(
    size: usize,
    call: &Call<'_>,
    member: &str,
    items: impl Iterator<Item = (usize, Value)>,
) -> Answer {
    let before = match text(call.input, "Marker").filter(|marker| !marker.is_empty()) {
        None => None,
        Some(marker) => {
            let number = marker.strip_prefix(member).and_then(|rest| rest.strip_prefix('.'));
            // The text for a bad marker is not documented.
            let bad = || invalid("InvalidRequest", format!("Marker '{marker}' is not valid."));
            Some(number.and_then(|number| number.parse::<usize>().ok()).ok_or_else(bad)?)
        }
    };
    let size = if call.short_pages { 1 } else { size };
    let mut rest = items.filter(|(number, _)| before.is_none_or(|before| *number < before));
    let shown: Vec<(usize, Value)> = rest.by_ref().take(size).collect();
    let more = rest.next().is_some();
    let marker = shown.last().filter(|_| more).map(|(number, _)| format!("{member}.{number}"));
    let values: Vec<Value> = shown.into_iter().map(|(_, value)| value).collect();
    let mut answer = json!({member: values});
    if let Some(marker) = marker {
        answer["Marker"] = json!(marker);
    }
    Ok(answer)
}
