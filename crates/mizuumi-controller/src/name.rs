//! The name of a resource: what the store, the queue and the index know it by.

use std::fmt;
use std::sync::Arc;

use kube::{Resource, ResourceExt};

/// Namespace and name of a resource. Cheap to copy: there are many, and each is in several places.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name {
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
}

impl Name {
    pub(crate) fn of(object: &impl Resource) -> Self {
        Self { namespace: object.namespace().unwrap_or_default().into(), name: object.name_any().into() }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
