//! What somebody approves: a hash over who asks and what would be destroyed, and over nothing that changes by itself, so
//! that it is the same in a pull request, in a status and at an apply.

use mizuumi_api::annotation;

use crate::owner::OwnerKey;
use crate::publication::sha256;

/// How much of the digest is written down.
const LENGTH: usize = 16;

/// The hash of changes, each with its path and what it is from and to.
#[must_use]
pub fn hash(owner: &OwnerKey, changes: impl Iterator<Item = [String; 3]>) -> String {
    let mut all: Vec<[String; 3]> = changes.collect();
    all.sort();
    let canonical = serde_json::to_vec(&(owner.to_string(), all)).unwrap_or_default();
    let mut hash = sha256(&canonical);
    hash.truncate(LENGTH);
    hash
}

/// The hashes that a resource says are approved, in its spec and in its annotation, where commas part them.
pub fn given<'a>(
    spec: Option<&'a Vec<String>>,
    annotations: Option<&'a std::collections::BTreeMap<String, String>>,
) -> impl Iterator<Item = String> + 'a {
    let annotated = annotations.and_then(|all| all.get(annotation::APPROVE));
    let annotated = annotated.into_iter().flat_map(|text| text.split(',')).map(|hash| hash.trim().to_owned());
    spec.into_iter().flatten().cloned().chain(annotated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_changes_have_the_same_hash_in_any_order_and_others_another() {
        let owner = |name: &str| OwnerKey {
            installation: "demo".into(),
            namespace: "team-a".into(),
            kind: "DataTable",
            name: name.into(),
            external: "nyc.flights".into(),
        };
        let change = |path: &str, to: &str| [path.to_owned(), "int".to_owned(), to.to_owned()];
        let one = hash(&owner("flights"), [change("a", ""), change("b", "date")].into_iter());
        assert_eq!(one, hash(&owner("flights"), [change("b", "date"), change("a", "")].into_iter()));
        assert_eq!(one.len(), LENGTH);
        for other in [
            hash(&owner("flights"), [change("a", "")].into_iter()),
            hash(&owner("flights"), [change("a", ""), change("b", "string")].into_iter()),
            hash(&owner("planes"), [change("a", ""), change("b", "date")].into_iter()),
        ] {
            assert_ne!(one, other);
        }
    }
}
