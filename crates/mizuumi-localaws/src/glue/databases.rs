//! Databases.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde_json::{Value, json};

use super::{
    Answer, Call, Catalog, Database, History, Object, already_exists, answer, input, invalid, paging, tags,
};
use crate::audit::Effect;

fn record(call: &Call<'_>, name: &str, definition: &Object, created: Value) -> Object {
    let mut record = input::without_nulls(definition);
    record.insert("Name".to_owned(), json!(name));
    record.insert("CreateTime".to_owned(), created);
    record.insert("CatalogId".to_owned(), json!(call.account));
    // AWS fills in "IAMAllowedPrincipals: ALL" when Lake Formation's defaults are untouched (Lake Formation guide,
    // "Changing the default settings for your data lake").
    record.entry("CreateTableDefaultPermissions").or_insert_with(
        || json!([{"Principal": {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"}, "Permissions": ["ALL"]}]),
    );
    record
}

pub(super) fn create(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let definition = input::object(call.input, "DatabaseInput")?;
    let name = input::name(definition, "Name")?;
    if catalog.databases.contains_key(&name) {
        return Err(already_exists("Database already exists."));
    }
    if call.input.get("Tags").is_some_and(Value::is_object) {
        let arn = tags::database_arn(call, &name);
        let given = tags::read(call.input, "Tags")?;
        catalog.tags.insert(arn, given);
    }
    let record = record(call, &name, definition, Call::time(call.now));
    catalog
        .databases
        .insert(name.clone(), Database { record, tables: BTreeMap::new(), recent: History::default() });
    call.effects.push(Effect::on(name));
    Ok(answer::nothing())
}

pub(super) fn get(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let name = input::name(call.input, "Name")?;
    Ok(json!({"Database": catalog.database(&name)?.record}).to_string())
}

pub(super) fn list(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let size = input::page_size(call, 100)?;
    let start = match paging::after(call.input, "databases")? {
        Some(last) => Bound::Excluded(last),
        None => Bound::Unbounded,
    };
    let mut rest = catalog.databases.range::<String, _>((start, Bound::Unbounded));
    let page: Vec<(&String, &Database)> = rest.by_ref().take(size).collect();
    let next = rest.next().and(page.last()).map(|(name, _)| paging::token("databases", name));
    let names_only = call.input.get("AttributesToGet").and_then(Value::as_array).is_some_and(|wanted| {
        !wanted.is_empty() && wanted.iter().all(|attribute| attribute.as_str() == Some("NAME"))
    });
    let texts: Vec<String> =
        page.iter()
            .map(|(name, database)| {
                if names_only {
                    json!({"Name": name}).to_string()
                } else {
                    json!(database.record).to_string()
                }
            })
            .collect();
    Ok(answer::page("DatabaseList", texts.iter().map(String::as_str), next))
}

pub(super) fn update(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let name = input::name(call.input, "Name")?;
    let definition = input::object(call.input, "DatabaseInput")?;
    // The model lists AlreadyExistsException, so AWS may rename; what it does to the tables is not documented.
    if input::name(definition, "Name")? != name {
        return Err(invalid("The local endpoint does not rename databases"));
    }
    let database = catalog.database(&name)?;
    let created = database.record.get("CreateTime").cloned().unwrap_or_else(|| Call::time(call.now));
    database.record = record(call, &name, definition, created);
    call.effects.push(Effect::on(name));
    Ok(answer::nothing())
}

/// Takes the tables with it at once. AWS does so too, but removes what is left behind "asynchronously in a timely
/// manner" (`DeleteDatabase` in the model).
pub(super) fn delete(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let name = input::name(call.input, "Name")?;
    catalog.database(&name)?;
    catalog.databases.remove(&name);
    catalog.tags.remove(&tags::database_arn(call, &name));
    call.effects.push(Effect::on(name));
    Ok(answer::nothing())
}
