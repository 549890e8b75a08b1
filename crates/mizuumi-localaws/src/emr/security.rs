//! Security configurations: JSON texts with names.

use serde_json::{Value, json};

use super::input::{invalid, required};
use super::life::Millis;
use super::{Answer, Call, Common, Region, nothing, paging, time};
use crate::protocol::ApiError;

/// A security configuration.
#[derive(Debug)]
pub(super) struct Configuration {
    pub(super) name: String,
    text: String,
    created: Millis,
}

fn unknown(name: &str) -> ApiError {
    invalid("InvalidRequest", format!("Security configuration with name '{name}' does not exist."))
}

fn find<'a>(region: &'a Region, name: &str) -> Result<&'a Configuration, ApiError> {
    region.security.iter().find(|known| known.name == name).ok_or_else(|| unknown(name))
}

/// `CreateSecurityConfiguration`.
pub(super) fn create(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let name = required(call.input, "Name")?;
    let text = required(call.input, "SecurityConfiguration")?;
    if find(region, name).is_ok() {
        let message = format!("SecurityConfiguration with name '{name}' already exists.");
        return Err(invalid("InvalidRequest", message));
    }
    if !serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object()) {
        return Err(invalid("InvalidRequest", "SecurityConfiguration is not valid JSON."));
    }
    region.security.push(Configuration { name: name.to_owned(), text: text.to_owned(), created: call.now });
    call.wrote(name);
    Ok(json!({"Name": name, "CreationDateTime": time(call.now)}))
}

/// `DescribeSecurityConfiguration`.
pub(super) fn describe(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let found = find(region, required(call.input, "Name")?)?;
    Ok(
        json!({"Name": found.name, "SecurityConfiguration": found.text, "CreationDateTime": time(found.created)}),
    )
}

/// `ListSecurityConfigurations`.
pub(super) fn list(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let shown = |(index, known): (usize, &Configuration)| {
        (index, json!({"Name": known.name, "CreationDateTime": time(known.created)}))
    };
    paging::page(call, "SecurityConfigurations", region.security.iter().enumerate().rev().map(shown))
}

/// `DeleteSecurityConfiguration`. Whether AWS refuses it while a cluster uses it is not documented; here it does not.
pub(super) fn delete(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let name = required(call.input, "Name")?;
    find(region, name)?;
    region.security.retain(|known| known.name != name);
    call.wrote(name);
    Ok(nothing())
}

/// Refuses a cluster with a configuration that is not there.
pub(super) fn check(region: &Region, name: Option<&str>) -> Result<(), ApiError> {
    name.map_or(Ok(()), |name| find(region, name).map(drop))
}
