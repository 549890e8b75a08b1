//! `GetTables`: one page of a database's tables.

use std::ops::Bound;

use serde_json::{Value, json};

use super::name_pattern::{NamePattern, later_start};
use super::{Answer, Call, Catalog, Object, Table, answer, input, invalid, paging};
use crate::protocol::ApiError;

/// Which members `AttributesToGet` leaves (the model allows NAME alone, or NAME with `TABLE_TYPE`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attributes {
    All,
    Name,
    NameAndType,
}

fn attributes(input: &Object) -> Result<Attributes, ApiError> {
    let wanted = match input.get("AttributesToGet") {
        None | Some(Value::Null) => return Ok(Attributes::All),
        Some(_) => input::texts(input, "AttributesToGet", 4)?,
    };
    if wanted.iter().any(|name| matches!(name.as_str(), "DEFAULT" | "LATEST_ICEBERG_METADATA")) {
        return Ok(Attributes::All);
    }
    let has = |name: &str| wanted.iter().any(|wanted| wanted == name);
    match (has("NAME"), has("TABLE_TYPE")) {
        (true, true) => Ok(Attributes::NameAndType),
        (true, false) => Ok(Attributes::Name),
        // "This parameter doesn't accept an empty list. The request must include NAME" (model).
        (false, _) => Err(invalid("AttributesToGet must include NAME")),
    }
}

pub(super) fn list(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let name = input::name(call.input, "DatabaseName")?;
    let size = input::page_size(call, 100)?;
    let attributes = attributes(call.input)?;
    let expression = input::optional_text(call.input, "Expression")?.filter(|text| !text.is_empty());
    let pattern = expression.map(NamePattern::new).transpose()?;
    let kind = format!("tables:{name}");
    let start = match paging::after(call.input, &kind)? {
        Some(last) => Bound::Excluded(last),
        None => Bound::Unbounded,
    };
    let tables = &catalog.database(&name)?.tables;
    // One more than a page, which says whether there is another page.
    let mut page: Vec<(&String, &Table)> = match &pattern {
        None => tables.range::<String, _>((start, Bound::Unbounded)).take(size + 1).collect(),
        Some(NamePattern::Names(names)) => names
            .range::<String, _>((start, Bound::Unbounded))
            .filter_map(|name| tables.get_key_value(name))
            .take(size + 1)
            .collect(),
        Some(NamePattern::Regex { prefix, regex }) => tables
            .range::<String, _>((later_start(start, prefix), Bound::Unbounded))
            .take_while(|(name, _)| name.starts_with(prefix))
            .filter(|(name, _)| regex.is_match(name))
            .take(size + 1)
            .collect(),
    };
    let more = page.len() > size;
    page.truncate(size);
    let next = page.last().filter(|_| more).map(|(name, _)| paging::token(&kind, name));
    if attributes == Attributes::All {
        return Ok(answer::page("TableList", page.iter().map(|(_, table)| &*table.text), next));
    }
    let short = page.iter().map(|(name, table)| match (&table.kind, attributes) {
        (Some(kind), Attributes::NameAndType) => json!({"Name": name, "TableType": kind}).to_string(),
        _ => json!({"Name": name}).to_string(),
    });
    let short: Vec<String> = short.collect();
    Ok(answer::page("TableList", short.iter().map(String::as_str), next))
}
