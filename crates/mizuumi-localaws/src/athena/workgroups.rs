//! Workgroups: where results go and how much a query may scan.

use serde_json::{Value, json};

use super::{Answer, Call, Region, invalid, nested, page, required, text};
use crate::audit::Effect;
use crate::glue::Object;
use crate::protocol::ApiError;

/// The workgroup of queries that name none; it is always there.
const PRIMARY: &str = "primary";
/// The least limit that Athena takes: 10 MB (botocore athena/2017-05-18, `BytesScannedCutoffValue`).
const LEAST_CUTOFF: i64 = 10_000_000;
/// `ListWorkGroups` has at most so many on a page.
const PAGE: usize = 50;

/// A workgroup.
#[derive(Debug, Clone)]
pub(super) struct WorkGroup {
    name: String,
    description: Option<String>,
    disabled: bool,
    configuration: Object,
    created: i64,
}

impl WorkGroup {
    fn new(name: &str, now: i64) -> Self {
        Self {
            name: name.to_owned(),
            description: None,
            disabled: false,
            configuration: Object::new(),
            created: now,
        }
    }

    /// Whether its settings win over those of a query; they do unless it says no.
    pub(super) fn enforces(&self) -> bool {
        self.configuration.get("EnforceWorkGroupConfiguration").and_then(Value::as_bool).unwrap_or(true)
    }

    /// Where results go.
    pub(super) fn output(&self) -> Option<&str> {
        text(nested(&self.configuration, "ResultConfiguration")?, "OutputLocation")
    }

    /// So many bytes a query may scan.
    pub(super) fn cutoff(&self) -> Option<i64> {
        self.configuration.get("BytesScannedCutoffPerQuery").and_then(Value::as_i64)
    }

    fn told(&self) -> Value {
        let mut configuration = self.configuration.clone();
        configuration.entry("EnforceWorkGroupConfiguration").or_insert(json!(self.enforces()));
        configuration.entry("PublishCloudWatchMetricsEnabled").or_insert(json!(true));
        configuration.entry("RequesterPaysEnabled").or_insert(json!(false));
        let version = "Athena engine version 3";
        configuration
            .entry("EngineVersion")
            .or_insert(json!({"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": version}));
        let mut told = json!({
            "Name": self.name,
            "State": if self.disabled { "DISABLED" } else { "ENABLED" },
            "Configuration": configuration,
            "CreationTime": super::time(self.created),
        });
        if let Some(description) = &self.description {
            told["Description"] = json!(description);
        }
        told
    }
}

impl Region {
    /// The workgroup of a query.
    pub(super) fn workgroup(&mut self, name: Option<&str>, now: i64) -> Result<&mut WorkGroup, ApiError> {
        let name = name.unwrap_or(PRIMARY);
        if name == PRIMARY {
            return Ok(self.workgroups.entry(name.to_owned()).or_insert_with(|| WorkGroup::new(name, now)));
        }
        self.workgroups.get_mut(name).ok_or_else(|| invalid(format!("WorkGroup {name} is not found.")))
    }

    /// The workgroup of a new query.
    pub(super) fn open_workgroup(&mut self, name: Option<&str>, now: i64) -> Result<&WorkGroup, ApiError> {
        let group = self.workgroup(name, now)?;
        if group.disabled {
            return Err(invalid(format!("WorkGroup {} is disabled.", group.name)));
        }
        Ok(group)
    }
}

fn check(configuration: &Object) -> Result<(), ApiError> {
    let cutoff = configuration.get("BytesScannedCutoffPerQuery").and_then(Value::as_i64);
    if cutoff.is_some_and(|cutoff| cutoff < LEAST_CUTOFF) {
        return Err(invalid(format!("BytesScannedCutoffPerQuery has to be {LEAST_CUTOFF} or more")));
    }
    Ok(())
}

pub(super) fn create(region: &mut Region, call: &mut Call<'_>) -> Answer {
    let name = required(call.input, "Name")?;
    if name == PRIMARY || region.workgroups.contains_key(name) {
        return Err(invalid(format!("WorkGroup is already created: {name}")));
    }
    let mut group = WorkGroup::new(name, call.now);
    group.description = text(call.input, "Description").map(str::to_owned);
    group.configuration = nested(call.input, "Configuration").cloned().unwrap_or_default();
    check(&group.configuration)?;
    region.workgroups.insert(name.to_owned(), group);
    call.effects.push(Effect::on(name));
    Ok(json!({}))
}

/// `UpdateWorkGroup`: the settings that are named change, those named by `Remove…` go.
pub(super) fn update(region: &mut Region, call: &mut Call<'_>) -> Answer {
    let name = required(call.input, "WorkGroup")?;
    let group = region.workgroup(Some(name), call.now)?;
    if let Some(state) = text(call.input, "State") {
        group.disabled = state == "DISABLED";
    }
    if let Some(description) = text(call.input, "Description") {
        group.description = Some(description.to_owned());
    }
    if let Some(updates) = nested(call.input, "ConfigurationUpdates") {
        check(updates)?;
        let flag = |member: &str| updates.get(member).and_then(Value::as_bool).unwrap_or(false);
        if flag("RemoveBytesScannedCutoffPerQuery") {
            group.configuration.remove("BytesScannedCutoffPerQuery");
        }
        for member in
            ["EnforceWorkGroupConfiguration", "BytesScannedCutoffPerQuery", "PublishCloudWatchMetricsEnabled"]
        {
            if let Some(value) = updates.get(member) {
                group.configuration.insert(member.to_owned(), value.clone());
            }
        }
        if let Some(location) =
            nested(updates, "ResultConfigurationUpdates").and_then(|of| text(of, "OutputLocation"))
        {
            group
                .configuration
                .insert("ResultConfiguration".to_owned(), json!({ "OutputLocation": location }));
        }
    }
    call.effects.push(Effect::on(name));
    Ok(json!({}))
}

pub(super) fn get(region: &mut Region, call: &mut Call<'_>) -> Answer {
    let name = required(call.input, "WorkGroup")?;
    Ok(json!({ "WorkGroup": region.workgroup(Some(name), call.now)?.told() }))
}

pub(super) fn list(region: &mut Region, call: &mut Call<'_>) -> Answer {
    region.workgroup(None, call.now)?;
    let all: Vec<&WorkGroup> = region.workgroups.values().collect();
    let (groups, next) = page(call, &all, PAGE)?;
    let told = groups.iter().map(|group| {
        let mut told = group.told();
        if let Some(members) = told.as_object_mut() {
            members.remove("Configuration");
        }
        told
    });
    Ok(json!({ "WorkGroups": told.collect::<Vec<_>>(), "NextToken": next }))
}

pub(super) fn delete(region: &mut Region, call: &mut Call<'_>) -> Answer {
    let name = required(call.input, "WorkGroup")?;
    if name == PRIMARY {
        return Err(invalid("The primary WorkGroup cannot be deleted."));
    }
    region.workgroup(Some(name), call.now)?;
    region.workgroups.remove(name);
    call.effects.push(Effect::on(name));
    Ok(json!({}))
}
