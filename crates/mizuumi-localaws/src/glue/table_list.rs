//! `GetTables`: one page of a database's tables.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Bound;

use serde_json::{Value, json};

use super::name_pattern::{NamePattern, later_start};
use super::{Answer, Call, Catalog, Object, OldTable, Table, Trace, answer, input, invalid, paging};
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

/// A table as it is listed.
struct Row<'a> {
    name: &'a str,
    text: Cow<'a, str>,
    kind: Option<&'a str>,
    /// Of a table that is listed as it is now.
    trace: Option<&'a Trace>,
}

/// One row more than a page, of the tables that have not changed since the moment as of which is listed.
fn rows<'a>(
    catalog: &'a Catalog,
    tables: impl Iterator<Item = (&'a String, &'a Table)>,
    past: &BTreeMap<&String, Option<&OldTable>>,
    size: usize,
) -> Vec<Row<'a>> {
    let same = tables.filter(|(name, _)| !past.contains_key(name)).take(size + 1);
    let row = |(name, table): (&'a String, &'a Table)| Row {
        name,
        text: match table.target {
            Some(_) => Cow::Owned(catalog.text(table)),
            None => Cow::Borrowed(&*table.text),
        },
        kind: table.kind.as_deref(),
        trace: Some(&table.trace),
    };
    same.map(row).collect()
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
    catalog.database(&name)?;
    let catalog = &*catalog;
    let Some(database) = catalog.databases.get(&name) else { return Ok(answer::nothing()) };
    let past = call.as_of().map(|moment| database.recent.at(moment)).unwrap_or_default();
    let tables = &database.tables;
    // One more than a page, which says whether there is another page.
    let mut page: Vec<Row<'_>> = match &pattern {
        None => rows(catalog, tables.range::<String, _>((start.clone(), Bound::Unbounded)), &past, size),
        Some(NamePattern::Names(names)) => {
            let names = names.range::<String, _>((start.clone(), Bound::Unbounded));
            rows(catalog, names.filter_map(|name| tables.get_key_value(name)), &past, size)
        }
        Some(NamePattern::Regex { prefix, regex }) => {
            let begin = later_start(start.clone(), prefix);
            let tables = tables.range::<String, _>((begin, Bound::Unbounded));
            let tables = tables.take_while(|(name, _)| name.starts_with(prefix));
            rows(catalog, tables.filter(|(name, _)| regex.is_match(name)), &past, size)
        }
    };
    for (name, table) in &past {
        let after = !matches!(&start, Bound::Excluded(last) if *name <= last);
        let chosen = after && pattern.as_ref().is_none_or(|pattern| pattern.chooses(name));
        if let (true, Some(table)) = (chosen, table) {
            page.push(Row {
                name,
                text: Cow::Borrowed(&*table.text),
                kind: table.kind.as_deref(),
                trace: None,
            });
        }
    }
    page.sort_unstable_by_key(|row| row.name);
    let more = page.len() > size;
    page.truncate(size);
    let next = page.last().filter(|_| more).map(|row| paging::token(&kind, row.name));
    if attributes == Attributes::All {
        page.iter().filter_map(|row| row.trace).for_each(|trace| trace.read(call));
        return Ok(answer::page("TableList", page.iter().map(|row| &*row.text), next));
    }
    let short = page.iter().map(|row| match (row.kind, attributes) {
        (Some(kind), Attributes::NameAndType) => json!({"Name": row.name, "TableType": kind}).to_string(),
        _ => json!({"Name": row.name}).to_string(),
    });
    let short: Vec<String> = short.collect();
    Ok(answer::page("TableList", short.iter().map(String::as_str), next))
}
