//! What a person asks of a resource, whatever its kind: to be left alone for a while, to be looked at now, to be waited for.

use std::ops::ControlFlow;
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::runtime::{WatchStreamExt, watcher};
use mizuumi_api::{GROUP, ResourceId, annotation};
use serde_json::{Value, json};

use crate::clock;
use crate::error::{Error, asked};
use crate::lookup::Lookup;

/// What a change came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It was made.
    Yes,
    /// It was so already.
    No,
    /// There is no such resource.
    Missing,
}

/// What came of following a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed<T> {
    /// What was waited for.
    Found(T),
    /// There is no such resource, or not any more.
    Gone,
    /// It did not come in time.
    NotYet,
}

impl Lookup {
    /// Has a resource be left alone, or not any more.
    ///
    /// # Errors
    /// If the API server cannot be asked, or refuses.
    pub async fn suspend(&self, id: &ResourceId, suspend: bool) -> Result<Changed, Error> {
        let api = self.of(id);
        let Some(found) = asked(api.get_opt(&id.name), Error::ReadObject).await? else {
            return Ok(Changed::Missing);
        };
        if found.data["spec"]["suspend"].as_bool().unwrap_or_default() == suspend {
            return Ok(Changed::No);
        }
        let patch = Patch::Merge(json!({ "spec": { "suspend": suspend } }));
        asked(api.patch(&id.name, &by_cli(), &patch), Error::Change).await?;
        Ok(Changed::Yes)
    }

    /// Asks for a resource to be looked at now; answers by which words that will be told, if there is such a resource.
    ///
    /// # Errors
    /// If the API server cannot be asked, or refuses.
    pub async fn request(&self, id: &ResourceId) -> Result<Option<String>, Error> {
        let (api, word) = (self.of(id), clock::now().to_string());
        let patch =
            Patch::Merge(json!({ "metadata": { "annotations": { annotation::REQUESTED_AT: word } } }));
        match asked(api.patch(&id.name, &by_cli(), &patch), Error::Change).await {
            Ok(_) => Ok(Some(word)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Follows a resource until it is as is waited for, or for so long. A watch that breaks off is taken up again.
    ///
    /// # Errors
    /// If the API server cannot be asked at all.
    pub async fn follow<T>(
        &self,
        id: &ResourceId,
        most: Option<Duration>,
        mut look: impl FnMut(&Value) -> ControlFlow<T>,
    ) -> Result<Followed<T>, Error> {
        let api = self.of(id);
        // Once, for what is wrong with the request itself: a watch would try that for ever.
        if asked(api.get_opt(&id.name), Error::ReadObject).await?.is_none() {
            return Ok(Followed::Gone);
        }
        let following = async {
            let mut seen = pin!(watcher::watch_object(api, &id.name).default_backoff());
            while let Some(object) = seen.next().await {
                let Ok(object) = object else { continue };
                let Some(object) = object else { return Followed::Gone };
                // The spec, the status and all that is not metadata.
                let whole = json!({ "metadata": object.metadata, "spec": object.data["spec"], "status": object.data["status"] });
                if let ControlFlow::Break(found) = look(&whole) {
                    return Followed::Found(found);
                }
            }
            Followed::Gone
        };
        Ok(match most {
            None => following.await,
            Some(most) => tokio::time::timeout(most, following).await.unwrap_or(Followed::NotYet),
        })
    }

    fn of(&self, id: &ResourceId) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk(GROUP, "v1alpha1", id.kind.name());
        let resource = ApiResource::from_gvk_with_plural(&kind, id.kind.plural());
        if id.kind.is_namespaced() {
            Api::namespaced_with(self.client.clone(), &id.namespace, &resource)
        } else {
            Api::all_with(self.client.clone(), &resource)
        }
    }
}

fn by_cli() -> PatchParams {
    PatchParams { field_manager: Some("mizuumi-cli".to_owned()), ..PatchParams::default() }
}
