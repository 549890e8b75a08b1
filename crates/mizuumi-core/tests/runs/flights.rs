//! What the laws of runs begin with: a configuration, the table that is filled, and a run that fills it.

use mizuumi_api::ingest_run::IngestRun;
use mizuumi_api::{DataTable, Installation};
use serde_json::{Value, json};

/// A configuration with these members of `profiles.default`, and with `more` beside.
pub fn installation(profile: Value, more: Value) -> Installation {
    let mut all = json!({
        "installation": "demo", "aws": { "region": "us-east-1" },
        "allow": { "databases": ["nyc"], "s3Prefixes": ["s3://lake/team/"] },
        "profiles": { "default": profile },
    });
    lay_over(&mut all, more);
    serde_json::from_value(all).expect("a configuration")
}

/// The table.
pub fn table() -> DataTable {
    serde_json::from_value(json!({
        "apiVersion": "mizuumi.dev/v1alpha1", "kind": "DataTable",
        "metadata": { "name": "flights", "namespace": "team-a" },
        "spec": {
            "database": "nyc", "location": "s3://lake/team/flights/", "format": "parquet",
            "schema": { "from": "Declared", "columns": [{ "name": "id", "type": "bigint" }] },
            "partitionKeys": [{ "name": "day", "type": "string" }], "partitions": { "mode": "Published" },
        },
    }))
    .expect("a table")
}

/// A run whose spec says who does the work, and `more`.
pub fn run(name: &str, work: Value, more: Value) -> IngestRun {
    let mut object = json!({
        "apiVersion": "mizuumi.dev/v1alpha1", "kind": "IngestRun",
        "metadata": { "name": name, "namespace": "team-a", "uid": "u-1", "generation": 1 },
        "spec": { "table": "flights", "sessionTime": "2026-11-02T00:00:00Z" },
    });
    lay_over(&mut object["spec"], work);
    lay_over(&mut object["spec"], more);
    serde_json::from_value(object).expect("a run")
}

fn lay_over(object: &mut Value, more: Value) {
    let Value::Object(more) = more else { return };
    for (key, value) in more {
        object[key] = value;
    }
}
