//! Of which namespaces a kind has been listed: before that, nothing that is missing is known to be.

use std::collections::HashSet;
use std::sync::Arc;

/// Namespaces that have been listed; none: all.
#[derive(Debug, Default)]
pub(crate) struct Listed(HashSet<Option<Arc<str>>>);

impl Listed {
    /// Notes that a namespace has been listed, or all of them; answers whether that is new.
    pub(crate) fn add(&mut self, namespace: Option<&Arc<str>>) -> bool {
        self.0.insert(namespace.cloned())
    }

    /// Whether a namespace has been listed, alone or with all of them.
    pub(crate) fn has(&self, namespace: &Arc<str>) -> bool {
        self.0.contains(&None) || self.0.contains(&Some(namespace.clone()))
    }
}
