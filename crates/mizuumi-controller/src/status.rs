//! Writing a status: server-side apply, only when something changed.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use mizuumi_api::FIELD_MANAGER;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::error::{Error, in_time};

/// The statuses that were written and that the watch may not have brought back yet.
#[derive(Debug)]
pub(crate) struct Written<S> {
    by_uid: Mutex<HashMap<String, (u64, S)>>,
}

impl<S: Clone> Written<S> {
    pub(crate) fn new() -> Self {
        Self { by_uid: Mutex::new(HashMap::new()) }
    }

    /// The status written last and the version that it made, if the object in hand is older than that write.
    pub(crate) fn newer_than(&self, object: &impl Resource) -> Option<(S, String)> {
        let mut all = self.by_uid.lock().unwrap_or_else(PoisonError::into_inner);
        let uid = object.meta().uid.as_deref()?;
        let (version, status) = all.get(uid)?;
        if *version > version_of(object)? {
            return Some((status.clone(), version.to_string()));
        }
        // The watch has caught up.
        all.remove(uid);
        None
    }

    /// The watch has brought an object: a status written before needs not be remembered.
    pub(crate) fn caught_up(&self, object: &impl Resource) {
        self.newer_than(object);
    }

    pub(crate) fn forget(&self, object: &impl Resource) {
        if let Some(uid) = &object.meta().uid {
            self.by_uid.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
        }
    }

    fn remember(&self, object: &impl Resource, status: &S) {
        if let (Some(uid), Some(version)) = (&object.meta().uid, version_of(object)) {
            self.by_uid
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(uid.clone(), (version, status.clone()));
        }
    }
}

/// Resource versions of one resource are ordered numbers (Kubernetes KEP-5504).
fn version_of(object: &impl Resource) -> Option<u64> {
    object.meta().resource_version.as_deref()?.parse().ok()
}

/// Writes a status if it is another one, over one version of the resource where that is named; answers the object as it is then.
pub(crate) async fn write_if_changed<K, S>(
    api: &Api<K>,
    object: &K,
    version: Option<&str>,
    before: Option<&S>,
    status: &S,
    written: &Written<S>,
) -> Result<Option<K>, Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
    S: Serialize + Clone + PartialEq,
{
    if before == Some(status) {
        return Ok(None);
    }
    write(api, object, version, status, written).await.map(Some)
}

/// Writes a status, over one version of the resource where that is named; answers the resource as it is then.
pub(crate) async fn write<K, S>(
    api: &Api<K>,
    object: &K,
    version: Option<&str>,
    status: &S,
    written: &Written<S>,
) -> Result<K, Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
    S: Serialize + Clone,
{
    let mut apply = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        // The uid keeps the status off an object of the same name that was made since.
        "metadata": { "name": object.name_any(), "uid": object.uid() },
        "status": status,
    });
    if let Some(version) = version {
        apply["metadata"]["resourceVersion"] = version.into();
    }
    let (name, patch) = (object.name_any(), Patch::Apply(apply));
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    let after = in_time(api.patch_status(&name, &parameters, &patch), Error::WriteStatus).await?;
    written.remember(&after, status);
    Ok(after)
}
