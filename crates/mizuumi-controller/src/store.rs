//! The resources as the watch has brought them, packed: what a pass needs of them, and not what takes the room.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kube::core::{DeserializeGuard, PartialObjectMeta, PartialObjectMetaExt};
use kube::{Resource, ResourceExt};
use mizuumi_api::{FINALIZER, annotation};
use mizuumi_core::Packed;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::name::Name;
use crate::tally::{Said, Tally};

/// What kubectl keeps for itself: as large as the spec again.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// All resources of one kind.
#[derive(Debug)]
pub(crate) struct Store<K> {
    state: Mutex<State<K>>,
}

#[derive(Debug)]
struct State<K> {
    objects: HashMap<Name, Stored<K>>,
    /// How many lists have begun.
    lists: u64,
    /// How many resources are being deleted without somebody having said that it is meant.
    unconfirmed: usize,
    /// How many say what.
    tally: Tally,
}

#[derive(Debug)]
struct Stored<K> {
    packed: Packed<Held<K>>,
    /// A hash of what makes a pass worth while; status is not among it.
    mark: u64,
    is_claimed: bool,
    is_unconfirmed: bool,
    said: Said,
    /// The list that had it last.
    list: u64,
}

/// A resource, or what can be said of one that this program cannot read.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "K: Resource + Serialize + DeserializeOwned")]
pub(crate) enum Held<K> {
    /// The resource.
    Object(K),
    /// Only a CRD older or newer than this program lets such an object in.
    Unreadable(Box<PartialObjectMeta<K>>, String),
}

/// What an event of the watch means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing that a pass would look at.
    None,
    /// The resource is new here.
    New,
    /// What it asks for, its annotations or its end.
    Matters,
}

impl<K> Store<K>
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
{
    pub(crate) fn new() -> Self {
        let state = State { objects: HashMap::new(), lists: 0, unconfirmed: 0, tally: Tally::default() };
        Self { state: Mutex::new(state) }
    }

    /// Keeps a resource as the watch brought it, with what its conditions say, in or after the list of that number.
    pub(crate) fn keep(&self, object: DeserializeGuard<K>, said: Said, list: u64) -> (Name, Change) {
        let name = Name::of(&object);
        let (mark, is_claimed) = (mark_of(&object), object.finalizers().iter().any(|f| f == FINALIZER));
        let is_unconfirmed = is_unconfirmed(&object);
        let held = match object.0 {
            Ok(mut object) => {
                slim(&mut object);
                Held::Object(object)
            }
            Err(broken) => {
                let mut partial: PartialObjectMeta<K> = broken.metadata.into_response_partial();
                partial.metadata.managed_fields = None;
                Held::Unreadable(Box::new(partial), broken.error)
            }
        };
        let mut state = self.state();
        let Ok(packed) = Packed::new(&held) else { return (name, Change::None) };
        let stored = Stored { packed, mark, is_claimed, is_unconfirmed, said, list };
        let before = state.objects.insert(name.clone(), stored);
        state.unconfirmed += usize::from(is_unconfirmed);
        state.unconfirmed -= usize::from(before.as_ref().is_some_and(|before| before.is_unconfirmed));
        state.tally.changed(before.as_ref().map(|before| before.said), Some(said));
        let change = match before {
            None => Change::New,
            Some(before) if before.mark != mark || (before.is_claimed && !is_claimed) => Change::Matters,
            Some(_) => Change::None,
        };
        (name, change)
    }

    /// The resource, if it is there.
    pub(crate) fn get(&self, name: &Name) -> Option<Held<K>> {
        let packed = self.state().objects.get(name)?.packed.clone();
        packed.open().ok()
    }

    /// Takes a resource out that is gone; answers what it was.
    pub(crate) fn remove(&self, name: &Name) -> Option<Held<K>> {
        let mut state = self.state();
        let stored = state.objects.remove(name)?;
        state.unconfirmed -= usize::from(stored.is_unconfirmed);
        state.tally.changed(Some(stored.said), None);
        drop(state);
        stored.packed.open().ok()
    }

    /// A list begins; answers its number.
    pub(crate) fn begin_list(&self) -> u64 {
        let mut state = self.state();
        state.lists += 1;
        state.lists
    }

    /// The resources that were not in the list of that number, nor came since; those of other scopes are among them.
    pub(crate) fn missing(&self, list: u64) -> Vec<Name> {
        let state = self.state();
        let missing = state.objects.iter().filter(|(_, stored)| stored.list != list);
        missing.map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.state().objects.len()
    }

    /// How many resources are being deleted without somebody having said that it is meant.
    pub(crate) fn unconfirmed_deletions(&self) -> usize {
        self.state().unconfirmed
    }

    /// How many resources say what.
    pub(crate) fn tally(&self) -> Tally {
        self.state().tally
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        // Nothing here can panic half way, so a poisoned lock guards whole data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn slim(object: &mut impl Resource) {
    object.meta_mut().managed_fields = None;
    object.meta_mut().labels = None;
    object.meta_mut().self_link = None;
    object.annotations_mut().remove(LAST_APPLIED);
}

fn mark_of(object: &impl Resource) -> u64 {
    let mut hasher = DefaultHasher::new();
    object.uid().hash(&mut hasher);
    object.meta().generation.hash(&mut hasher);
    object.meta().deletion_timestamp.is_some().hash(&mut hasher);
    for (key, value) in object.annotations().iter().filter(|(key, _)| *key != LAST_APPLIED) {
        (key, value).hash(&mut hasher);
    }
    hasher.finish()
}

fn is_unconfirmed(object: &impl Resource) -> bool {
    object.meta().deletion_timestamp.is_some() && !is_confirmed(object)
}

/// Whether somebody has said that the deletion is meant, or that nothing is to be deleted with it.
pub(crate) fn is_confirmed(object: &impl Resource) -> bool {
    [annotation::CONFIRM_DELETION, annotation::ABANDON]
        .iter()
        .any(|key| object.annotations().get(*key).is_some_and(|value| value == "true"))
}

#[cfg(test)]
mod tests {
    use mizuumi_api::DataTable;
    use serde_json::{Value, json};

    use super::*;

    fn table(name: &str, change: &Value) -> DeserializeGuard<DataTable> {
        let mut object = json!({
            "apiVersion": "mizuumi.dev/v1alpha1",
            "kind": "DataTable",
            "metadata": {
                "name": name, "namespace": "n", "uid": "1", "generation": 1,
                "managedFields": [{ "manager": "kubectl" }],
                "annotations": { LAST_APPLIED: "{}" },
            },
            "spec": {
                "database": "d", "location": "s3://b/t/", "format": "parquet",
                "schema": { "from": "Declared", "columns": [{ "name": "c", "type": "int" }] },
            },
        });
        json_patch::merge(&mut object, change);
        DeserializeGuard(Ok(serde_json::from_value(object).expect("a table")))
    }

    #[test]
    fn only_what_a_pass_would_look_at_matters() {
        let store = Store::new();
        let changes = [
            (json!({}), Change::New),
            (json!({ "metadata": { "resourceVersion": "2" } }), Change::None),
            (json!({ "metadata": { "finalizers": [FINALIZER] } }), Change::None),
            (json!({ "metadata": {} }), Change::Matters),
            (json!({ "metadata": { "generation": 2 } }), Change::Matters),
            (json!({ "metadata": { "generation": 2, "annotations": { "a": "b" } } }), Change::Matters),
            (
                json!({ "metadata": { "generation": 2, "annotations": { "a": "b" }, "labels": { "c": "d" } } }),
                Change::None,
            ),
        ];
        for (change, expected) in changes {
            assert_eq!(store.keep(table("a", &change), Said::default(), 1).1, expected, "{change}");
        }
    }

    #[test]
    fn what_a_new_list_does_not_have_is_missing() {
        let store = Store::new();
        let first = store.begin_list();
        let (gone, _) = store.keep(table("gone", &json!({})), Said::default(), first);
        store.keep(table("stays", &json!({})), Said::default(), first);
        let second = store.begin_list();
        store.keep(table("stays", &json!({})), Said::default(), second);
        assert_eq!(store.missing(second), [gone]);
    }

    #[test]
    fn deletions_count_until_they_are_confirmed_or_done() {
        let store = Store::new();
        let deleted = json!({ "metadata": { "deletionTimestamp": "2026-11-22T00:00:00Z" } });
        let (name, _) = store.keep(table("a", &deleted), Said::default(), 1);
        store.keep(table("b", &deleted), Said::default(), 1);
        assert_eq!(store.unconfirmed_deletions(), 2);
        let mut confirmed = deleted;
        json_patch::merge(
            &mut confirmed,
            &json!({ "metadata": { "annotations": { annotation::CONFIRM_DELETION: "true" } } }),
        );
        store.keep(table("b", &confirmed), Said::default(), 1);
        assert_eq!(store.unconfirmed_deletions(), 1);
        store.remove(&name);
        assert_eq!((store.unconfirmed_deletions(), store.len()), (0, 1));
    }

    #[test]
    fn a_resource_comes_out_without_what_takes_the_room() {
        let store = Store::new();
        let (name, _) = store.keep(table("a", &json!({})), Said::default(), 1);
        let Some(Held::Object(object)) = store.get(&name) else { panic!("it is there") };
        assert_eq!(object.metadata.managed_fields, None);
        assert!(object.annotations().is_empty());
        assert_eq!(object.spec.database, "d");
    }
}
