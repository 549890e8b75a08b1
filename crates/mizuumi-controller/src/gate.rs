//! The finalizer: no write to AWS before it is there, no object gone before its external object is.
//!
//! kube's own helper takes the finalizer off at the first success; a teardown of minutes would have to pose as an error.

use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use mizuumi_api::FINALIZER;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::{Error, in_time};

/// Whether the object carries the finalizer.
pub(crate) fn is_claimed(object: &impl Resource) -> bool {
    object.finalizers().iter().any(|name| name == FINALIZER)
}

/// Sets the finalizer; fails if somebody else changed the list in between, and the next event tries again. Answers the version
/// of the object with it.
pub(crate) async fn claim<K>(api: &Api<K>, object: &impl Resource) -> Result<Option<String>, Error>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    let there = object.finalizers();
    let operations = if there.is_empty() {
        json!([
            { "op": "test", "path": "/metadata/finalizers", "value": null },
            { "op": "add", "path": "/metadata/finalizers", "value": [FINALIZER] },
        ])
    } else {
        json!([
            { "op": "test", "path": "/metadata/finalizers", "value": there },
            { "op": "add", "path": "/metadata/finalizers/-", "value": FINALIZER },
        ])
    };
    patch(api, object, operations).await
}

/// Takes the finalizer off, so that the object goes.
pub(crate) async fn release<K>(api: &Api<K>, object: &impl Resource) -> Result<(), Error>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    let Some(index) = object.finalizers().iter().position(|name| name == FINALIZER) else { return Ok(()) };
    let path = format!("/metadata/finalizers/{index}");
    // The test keeps us from taking off somebody else's.
    let operations = json!([
        { "op": "test", "path": path, "value": FINALIZER },
        { "op": "remove", "path": path },
    ]);
    match patch(api, object, operations).await {
        Err(Error::Finalizer(error)) if is_gone(&error) => Ok(()),
        other => other.map(drop),
    }
}

fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(answer) if answer.code == 404)
}

/// Answers the version that the patch has made.
async fn patch<K>(api: &Api<K>, object: &impl Resource, operations: Value) -> Result<Option<String>, Error>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    let patch: json_patch::Patch = serde_json::from_value(operations)
        .map_err(|error| Error::Finalizer(Box::new(kube::Error::SerdeError(error))))?;
    // Metadata only: an object whose spec cannot be read has a finalizer all the same.
    let (name, patch, parameters) = (object.name_any(), Patch::<()>::Json(patch), PatchParams::default());
    let after = in_time(api.patch_metadata(&name, &parameters, &patch), Error::Finalizer).await?;
    Ok(after.metadata.resource_version)
}
