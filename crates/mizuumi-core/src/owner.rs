//! Who keeps an external object: the mark that Mizuumi leaves on it.

use std::fmt;

/// Installation, namespace, kind and name of the resource, and the external object's own name, so that a copy of a
/// table does not pass as the table. The same key after a restore or a new apply is the same owner; uids do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerKey {
    /// Id of the installation.
    pub installation: String,
    /// Namespace of the resource.
    pub namespace: String,
    /// Kind of the resource.
    pub kind: &'static str,
    /// Name of the resource.
    pub name: String,
    /// The external object, such as `database.table`.
    pub external: String,
}

impl fmt::Display for OwnerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}@{}", self.installation, self.namespace, self.kind, self.name, self.external)
    }
}

/// The external object that a mark was made for, if it is a mark of Mizuumi.
#[must_use]
pub fn external(mark: &str) -> Option<&str> {
    mark.split_once('@').map(|(_, external)| external)
}

/// An owner mark in words, for a message about somebody else's.
#[must_use]
pub fn in_words(mark: &str) -> String {
    let named = mark.split_once('@').and_then(|(owner, _)| {
        let mut parts = owner.splitn(4, '/');
        Some((parts.next()?, parts.next()?, parts.next()?, parts.next()?))
    });
    match named {
        Some((installation, namespace, kind, name)) => {
            format!("{kind} '{name}' in namespace '{namespace}' of installation '{installation}'")
        }
        None => format!("'{mark}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back_in_words() {
        let key = OwnerKey {
            installation: "demo".into(),
            namespace: "team-a".into(),
            kind: "DataTable",
            name: "flights".into(),
            external: "nyc.flights".into(),
        };
        assert_eq!(key.to_string(), "demo/team-a/DataTable/flights@nyc.flights");
        assert_eq!(
            in_words(&key.to_string()),
            "DataTable 'flights' in namespace 'team-a' of installation 'demo'"
        );
        assert_eq!(in_words("terraform"), "'terraform'");
    }
}
