//! The custom resource definitions, made from the Rust types.
//!
//! kube's derive leaves two things that Kubernetes' API conventions do not want, mended here: `nullable` (it disables
//! defaulting and drops the type from what `kubectl explain` shows), and a status that starts absent (kstatus calls an
//! object without any status finished).

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};

use crate::data_table::DataTable;

/// Every custom resource definition of Mizuumi.
///
/// # Errors
/// If a generated schema is not JSON of the expected shape, which a test excludes.
pub fn all() -> Result<Vec<CustomResourceDefinition>, serde_json::Error> {
    Ok(vec![finished(DataTable::crd())?])
}

/// `nullable` taken out everywhere; `status` begins as `{observedGeneration: 0}`.
fn finished(crd: CustomResourceDefinition) -> Result<CustomResourceDefinition, serde_json::Error> {
    let mut document = serde_json::to_value(crd)?;
    for version in document["spec"]["versions"].as_array_mut().into_iter().flatten() {
        let schema = &mut version["schema"]["openAPIV3Schema"];
        without_nullable(schema);
        let status = &mut schema["properties"]["status"];
        if status.is_object() {
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
