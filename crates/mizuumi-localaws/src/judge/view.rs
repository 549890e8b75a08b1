//! The Kubernetes side: objects as the apiserver lists them, and the memory of those that were ever shown.
//!
//! Only what the judge needs is read; the shape is that of the book's reference, not of the controller's types.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use crate::lock::Lock;

/// What is posted.
#[derive(Debug)]
pub(crate) struct View(Vec<Object>);

impl View {
    /// Reads a list as kubectl prints it, the bare items, or one object. Without a general tree of values between: 100,000
    /// objects have to fit.
    pub(crate) fn read(json: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct List {
            items: Option<Vec<Object>>,
        }
        if json.trim_ascii_start().starts_with(b"[") {
            return serde_json::from_slice(json).map(Self);
        }
        match serde_json::from_slice::<List>(json)?.items {
            Some(items) => Ok(Self(items)),
            None => serde_json::from_slice(json).map(|object| Self(vec![object])),
        }
    }

    /// The tables in it.
    pub(crate) fn tables(mut self) -> Vec<Object> {
        self.0.retain(|object| object.kind.as_deref().is_none_or(|kind| kind == "DataTable"));
        self.0
    }
}

/// An object.
#[derive(Debug, Deserialize)]
pub(crate) struct Object {
    kind: Option<String>,
    pub(super) metadata: Metadata,
    pub(super) spec: Spec,
    #[serde(default)]
    pub(super) status: Status,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: String,
    #[serde(default)]
    pub(super) namespace: String,
    pub(super) uid: String,
    #[serde(default)]
    pub(super) generation: i64,
    pub(super) deletion_timestamp: Option<String>,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec {
    database: String,
    name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) location: Option<String>,
    pub(super) schema: Option<Schema>,
    #[serde(default)]
    pub(super) partition_keys: Vec<Column>,
    pub(super) freshness: Option<Freshness>,
    deletion_policy: Option<String>,
    management_policy: Option<String>,
    #[serde(default)]
    suspend: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Schema {
    #[serde(default)]
    pub(super) columns: Vec<Column>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Column {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Freshness {
    #[serde(default)]
    pub(super) sources: Vec<Source>,
    pub(super) time_zone: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Source {
    pub(super) partition_value: Option<PartitionValue>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PartitionValue {
    pub(super) grain: String,
    pub(super) keys: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Status {
    observed_generation: i64,
    conditions: Vec<Condition>,
    pub(super) freshness: Option<Told>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    observed_generation: Option<i64>,
}

/// What the status says of freshness.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    pub(super) source: Option<String>,
    pub(super) data_time: Option<String>,
}

/// The annotation that lets an object go without its table being touched.
const ABANDON: &str = "mizuumi.dev/abandon";

impl Object {
    /// `namespace/name`.
    pub(super) fn key(&self) -> String {
        format!("{}/{}", self.metadata.namespace, self.metadata.name)
    }

    /// Database and table that it speaks of.
    pub(super) fn table(&self) -> (String, String) {
        let named = || self.metadata.name.replace(['-', '.'], "_");
        (self.spec.database.to_lowercase(), self.spec.name.clone().unwrap_or_else(named).to_lowercase())
    }

    /// Whether it says that the table is as its present spec says.
    pub(super) fn claims_ready(&self) -> bool {
        let generation = self.metadata.generation;
        self.metadata.deletion_timestamp.is_none()
            && self.status.observed_generation == generation
            && self.status.conditions.iter().any(|condition| {
                condition.kind == "Ready"
                    && condition.status == "True"
                    && condition.observed_generation.is_none_or(|observed| observed == generation)
            })
    }

    /// Whether nothing is done for it: what it says is what was known before.
    pub(super) fn suspended(&self) -> bool {
        self.spec.suspend
    }

    /// Whether its table carries its mark: those that are only watched carry none.
    pub(super) fn keeps_its_table(&self) -> bool {
        self.spec.management_policy.as_deref() != Some("ObserveOnly")
    }

    /// Whether the controller may write for it, so that nothing of it may be left behind.
    fn may_be_cleaned(&self) -> bool {
        self.spec.management_policy.as_deref().is_none_or(|policy| policy == "Full")
            && self.metadata.annotations.get(ABANDON).is_none_or(|value| value != "true")
    }
}

/// What is remembered of an object.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) key: String,
    pub(super) table: (String, String),
    /// Its table has to go with it.
    pub(super) delete: bool,
    /// The controller may write for it.
    pub(super) may_be_cleaned: bool,
    /// When it was first missing, in milliseconds.
    pub(super) missing_since: Option<i64>,
}

/// Objects by uid, for each scope in which views are posted: an account, or all.
#[derive(Debug, Default)]
pub(crate) struct Memory(Lock<HashMap<Option<String>, HashMap<String, Seen>>>);

impl Memory {
    /// Remembers a view, and gives all that was ever shown in its scope.
    pub(super) fn look(&self, scope: Option<&str>, objects: &[Object], now: i64) -> Vec<Seen> {
        let mut scopes = self.0.hold();
        let seen = scopes.entry(scope.map(str::to_owned)).or_default();
        for object in seen.values_mut() {
            object.missing_since.get_or_insert(now);
        }
        for object in objects {
            let may_be_cleaned = object.may_be_cleaned();
            let remembered = Seen {
                key: object.key(),
                table: object.table(),
                delete: may_be_cleaned && object.spec.deletion_policy.as_deref() == Some("Delete"),
                may_be_cleaned,
                missing_since: None,
            };
            seen.insert(object.metadata.uid.clone(), remembered);
        }
        seen.values().cloned().collect()
    }

    /// Forgets the objects of a scope, or all.
    pub(crate) fn reset(&self, scope: Option<&str>) {
        self.0.hold().retain(|owner, _| scope.is_some_and(|scope| owner.as_deref() != Some(scope)));
    }
}
