//! Values that many records have in common, kept once.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// A set that hands out its members.
#[derive(Debug)]
pub(crate) struct Shared<T>(HashSet<Arc<T>>);

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(HashSet::new())
    }
}

impl<T: Eq + Hash> Shared<T> {
    /// The member equal to this value, which becomes one if there was none.
    pub(crate) fn of(&mut self, value: T) -> Arc<T> {
        if let Some(member) = self.0.get(&value) {
            return Arc::clone(member);
        }
        let member = Arc::new(value);
        self.0.insert(Arc::clone(&member));
        member
    }
}
