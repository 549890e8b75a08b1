//! Table versions: the current definition and the archived ones.

use serde_json::{Value, json};

use super::{Answer, Call, Catalog, Table, answer, input, invalid, not_found, paging};
use crate::audit::Effect;
use crate::protocol::ApiError;

/// "A `VersionID` is a string representation of an integer" (model).
fn number(version: &str) -> Result<u64, ApiError> {
    version.parse().map_err(|_| invalid(format!("Version {version} is not an integer")))
}

fn entry(version: u64, text: &str) -> String {
    format!("{{\"Table\":{text},\"VersionId\":\"{version}\"}}")
}

pub(super) fn get(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let database = input::name(call.input, "DatabaseName")?;
    let name = input::name(call.input, "TableName")?;
    let table = catalog.table(&database, &name)?;
    let version = match input::optional_text(call.input, "VersionId")? {
        Some(version) => number(version)?,
        None => table.version,
    };
    let text = if version == table.version { Some(&table.text) } else { table.archived.get(&version) };
    let text = text.ok_or_else(|| not_found("Version not found."))?;
    Ok(answer::one("TableVersion", &entry(version, text)))
}

/// Newest first; that this is AWS's order is an assumption.
pub(super) fn list(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let database = input::name(call.input, "DatabaseName")?;
    let name = input::name(call.input, "TableName")?;
    let size = input::page_size(call, 100)?;
    let kind = format!("versions:{database}.{name}");
    let before = paging::after(call.input, &kind)?.map(|version| number(&version)).transpose()?;
    let table = catalog.table(&database, &name)?;
    let archived = table.archived.range(..before.unwrap_or(u64::MAX)).rev();
    let current = before.is_none().then_some((&table.version, &table.text));
    let mut rest = current.into_iter().chain(archived);
    let page: Vec<_> = rest.by_ref().take(size).collect();
    let next = rest.next().and(page.last()).map(|(version, _)| paging::token(&kind, &version.to_string()));
    let texts: Vec<String> = page.iter().map(|(version, text)| entry(**version, text)).collect();
    Ok(answer::page("TableVersions", texts.iter().map(String::as_str), next))
}

fn remove(table: &mut Table, version: &str) -> Result<(), ApiError> {
    let version = number(version)?;
    if version == table.version {
        // What AWS does with the current version is not documented; the table itself must not vanish here.
        return Err(invalid("The current version of a table cannot be deleted"));
    }
    table.archived.remove(&version).map(drop).ok_or_else(|| not_found("Version not found."))
}

fn effect(table: &Table, database: &str, name: &str) -> Effect {
    Effect {
        version_before: Some(table.version),
        version_after: Some(table.version),
        owner_before: table.owner.clone(),
        owner_after: table.owner.clone(),
        existed: true,
        kept_before: table.trace.kept,
        ..Effect::on(format!("{database}.{name}"))
    }
}

pub(super) fn delete(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let database = input::name(call.input, "DatabaseName")?;
    let name = input::name(call.input, "TableName")?;
    let version = input::optional_text(call.input, "VersionId")?.unwrap_or_default();
    let table = catalog.table(&database, &name)?;
    remove(table, version)?;
    call.effects.push(effect(table, &database, &name));
    Ok(answer::nothing())
}

pub(super) fn batch_delete(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let database = input::name(call.input, "DatabaseName")?;
    let name = input::name(call.input, "TableName")?;
    let versions = input::texts(call.input, "VersionIds", 100)?;
    let table = catalog.table(&database, &name)?;
    let mut errors: Vec<Value> = Vec::new();
    for version in &versions {
        if let Err(error) = remove(table, version) {
            errors.push(
                json!({"TableName": name, "VersionId": version, "ErrorDetail": answer::detail(&error)}),
            );
        }
    }
    if errors.len() < versions.len() {
        call.effects.push(effect(table, &database, &name));
    }
    Ok(answer::errors(&errors))
}
