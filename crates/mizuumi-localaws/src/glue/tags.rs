//! Tags. Of the resources that Glue can tag, the local endpoint has databases only.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Answer, Call, Catalog, Object, answer, input, invalid, not_found};
use crate::audit::Effect;
use crate::protocol::ApiError;

pub(super) fn database_arn(call: &Call<'_>, name: &str) -> String {
    format!("arn:aws:glue:{}:{}:database/{name}", call.region, call.account)
}

/// At most 50 tags, keys of 1 to 128 characters (`TagsMap`, `TagKey` in the model).
pub(super) fn read(object: &Object, member: &str) -> Result<BTreeMap<String, String>, ApiError> {
    let tags = input::object(object, member)?;
    if tags.len() > 50 {
        return Err(invalid("At most 50 tags"));
    }
    tags.iter()
        .map(|(key, value)| match value {
            Value::String(value) if (1..=128).contains(&key.chars().count()) => {
                Ok((key.clone(), value.clone()))
            }
            _ => Err(invalid(format!("Invalid tag {key}"))),
        })
        .collect()
}

fn existing(catalog: &Catalog, call: &Call<'_>) -> Result<String, ApiError> {
    let arn = input::optional_text(call.input, "ResourceArn")?.unwrap_or_default();
    let prefix = database_arn(call, "");
    match arn.strip_prefix(&prefix) {
        Some(name) if catalog.databases.contains_key(name) => Ok(arn.to_owned()),
        _ => Err(not_found(format!("Resource {arn} not found"))),
    }
}

pub(super) fn get(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let arn = existing(catalog, call)?;
    Ok(json!({"Tags": catalog.tags.get(&arn).cloned().unwrap_or_default()}).to_string())
}

pub(super) fn tag(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let arn = existing(catalog, call)?;
    let added = read(call.input, "TagsToAdd")?;
    catalog.tags.entry(arn.clone()).or_default().extend(added);
    call.effects.push(Effect::on(arn));
    Ok(answer::nothing())
}

pub(super) fn untag(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let arn = existing(catalog, call)?;
    let removed = input::texts(call.input, "TagsToRemove", 50)?;
    catalog.tags.entry(arn.clone()).or_default().retain(|key, _| !removed.contains(key));
    call.effects.push(Effect::on(arn));
    Ok(answer::nothing())
}
