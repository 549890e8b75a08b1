//! The CEL rules of a definition, made ready once for many objects.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::cel::{CompiledSchema, Validator, compile_schema};
use serde_json::Value;

/// The rules of a kind. `validate_cel` of the kind would make the schema and every rule anew for each object.
pub struct Rules(CompiledSchema);

impl Rules {
    /// The rules of a definition's first version.
    ///
    /// # Errors
    /// If its schema is not JSON, which a test excludes.
    pub fn of(definition: &CustomResourceDefinition) -> Result<Self, serde_json::Error> {
        let version = definition.spec.versions.first();
        let schema = version.and_then(|version| version.schema.as_ref()?.open_api_v3_schema.as_ref());
        Ok(Self(compile_schema(&serde_json::to_value(schema)?)))
    }

    /// What the API server would refuse by these rules in a new object: the path, and why.
    #[must_use]
    pub fn broken(&self, object: &Value) -> Vec<(String, String)> {
        let Err(errors) = Validator::new().validate_compiled(&self.0, object, None) else {
            return Vec::new();
        };
        errors.into_vec().into_iter().map(|error| (error.field_path, error.message)).collect()
    }
}
