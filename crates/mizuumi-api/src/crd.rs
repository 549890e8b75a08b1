//! The custom resource definitions, made from the Rust types.
//!
//! kube's derive leaves three things that Kubernetes' API conventions do not want, mended here: `nullable` (it disables
//! defaulting and drops the type from what `kubectl explain` shows), defaults inside list items (an apply of an atomic
//! list that leaves them out differs forever from what is stored), and a status that starts absent (kstatus calls an
//! object without any status finished).

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};

use crate::backfill::Backfill;
use crate::data_table::DataTable;
use crate::emr_cluster::EmrCluster;
use crate::emr_cluster_class::EmrClusterClass;
use crate::ingest_job::IngestJob;
use crate::ingest_run::IngestRun;
use crate::quality_check::QualityCheck;
use crate::source_connection::SourceConnection;

/// Every custom resource definition of Mizuumi.
///
/// # Errors
/// If a generated schema is not JSON of the expected shape, which a test excludes.
pub fn all() -> Result<Vec<CustomResourceDefinition>, serde_json::Error> {
    [
        DataTable::crd(),
        EmrCluster::crd(),
        EmrClusterClass::crd(),
        IngestJob::crd(),
        IngestRun::crd(),
        QualityCheck::crd(),
        SourceConnection::crd(),
        Backfill::crd(),
    ]
    .into_iter()
    .map(finished)
    .collect()
}

/// The definitions as files: name and YAML of each. What `crds/` holds and what `mizuumi crds` prints.
///
/// # Errors
/// If a generated schema is not JSON of the expected shape or cannot be written as YAML, which a test excludes.
pub fn yaml() -> Result<Vec<(String, String)>, serde_json::Error> {
    all()?
        .into_iter()
        .map(|crd| {
            let name = format!("{}_{}.yaml", crd.spec.group, crd.spec.names.plural);
            let document = with_whole_numbers(serde_json::to_value(crd)?);
            let text = serde_saphyr::to_string(&document).map_err(serde::ser::Error::custom)?;
            Ok((name, text))
        })
        .collect()
}

/// `1.0` written as `1`: Kubernetes keeps bounds as floats, and prints them back as whole numbers.
fn with_whole_numbers(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields.into_iter().map(|(k, v)| (k, with_whole_numbers(v))).collect(),
        Value::Array(items) => items.into_iter().map(with_whole_numbers).collect(),
        Value::Number(number) => {
            let whole = number.as_f64().filter(|n| number.is_f64() && n.fract() == 0.0);
            match whole.and_then(|n| format!("{n:.0}").parse::<i64>().ok()) {
                Some(whole) => whole.into(),
                None => number.into(),
            }
        }
        other => other,
    }
}

/// `nullable` taken out everywhere, defaults out of list items; `status` begins as `{observedGeneration: 0}`.
fn finished(crd: CustomResourceDefinition) -> Result<CustomResourceDefinition, serde_json::Error> {
    let mut document = serde_json::to_value(crd)?;
    for version in document["spec"]["versions"].as_array_mut().into_iter().flatten() {
        let schema = &mut version["schema"]["openAPIV3Schema"];
        without_nullable(schema);
        without_defaults_in_items(schema, false);
        // A class of clusters has none.
        if let Some(status) = schema.pointer_mut("/properties/status") {
            status["default"] = json!({ "observedGeneration": 0 });
        }
    }
    serde_json::from_value(document)
}

fn without_nullable(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.remove("nullable");
            fields.values_mut().for_each(without_nullable);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nullable),
        _ => {}
    }
}

/// Walks schemas, not keywords: a property may be called `default` too.
fn without_defaults_in_items(schema: &mut Value, in_items: bool) {
    let Value::Object(keywords) = schema else { return };
    if in_items {
        keywords.remove("default");
    }
    if let Some(properties) = keywords.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(|property| without_defaults_in_items(property, in_items));
    }
    if let Some(items) = keywords.get_mut("items") {
        without_defaults_in_items(items, true);
    }
    if let Some(values) = keywords.get_mut("additionalProperties") {
        without_defaults_in_items(values, in_items);
    }
}
