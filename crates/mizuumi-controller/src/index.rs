//! Which resources speak of which external object, so that what happens out there wakes the right ones.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// Resources by external object.
#[derive(Debug)]
pub(crate) struct Index<Key, Ref> {
    resources: Mutex<HashMap<Key, HashSet<Ref>>>,
}

impl<Key: Eq + Hash + Clone, Ref: Eq + Hash + Clone> Index<Key, Ref> {
    pub(crate) fn new() -> Self {
        Self { resources: Mutex::new(HashMap::new()) }
    }

    pub(crate) fn add(&self, key: &Key, resource: &Ref) {
        let mut all = self.resources.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(key.clone()).or_default().insert(resource.clone());
    }

    /// Takes a resource out; answers whether it was the last one that spoke of the object.
    pub(crate) fn remove(&self, key: &Key, resource: &Ref) -> bool {
        let mut all = self.resources.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(resources) = all.get_mut(key) else { return true };
        resources.remove(resource);
        let last = resources.is_empty();
        if last {
            all.remove(key);
        }
        last
    }

    /// The resources that speak of an object.
    pub(crate) fn of(&self, key: &Key) -> Vec<Ref> {
        let all = self.resources.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(key).into_iter().flatten().cloned().collect()
    }
}
