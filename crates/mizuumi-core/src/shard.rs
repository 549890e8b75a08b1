//! Which of several controllers of an installation works for a namespace.

use sha2::{Digest, Sha256};

/// One of several controllers of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u16,
    of: u16,
}

impl Shard {
    /// The shard of that index, of so many; an only one needs none.
    ///
    /// # Errors
    /// In words, if there is no such shard, or if it is not said which one of several is meant.
    pub fn new(index: Option<u16>, of: u16) -> Result<Self, String> {
        match index {
            None if of == 1 => Ok(Self { index: 0, of }),
            Some(index) if index < of => Ok(Self { index, of }),
            _ => Err(format!(
                "`kubernetes.shards` is {of}: say by --shard which of them this controller is, from 0 to {}",
                of.saturating_sub(1)
            )),
        }
    }

    /// Which one it is, from 0.
    #[must_use]
    pub const fn index(self) -> u16 {
        self.index
    }

    /// Of how many.
    #[must_use]
    pub const fn of(self) -> u16 {
        self.of
    }

    /// Whether a namespace is this shard's.
    #[must_use]
    pub fn works_for(self, namespace: &str) -> bool {
        shard_of(namespace, self.of) == self.index
    }
}

/// The shard that a namespace belongs to, of so many: the one whose hash together with the namespace is the highest (rendezvous
/// hashing). Each namespace is decided by itself, and one more shard takes its share from all others and moves nothing between them.
/// It must never change: controllers of two versions have to agree while an update is under way.
#[must_use]
pub fn shard_of(namespace: &str, shards: u16) -> u16 {
    if shards < 2 {
        return 0;
    }
    let weight = |shard: &u16| <[u8; 32]>::from(Sha256::digest(format!("{namespace}/{shard}")));
    (0..shards).max_by_key(weight).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespaces() -> impl Iterator<Item = String> {
        (0..4_000).map(|number| format!("team-{number}"))
    }

    #[test]
    fn the_shards_of_namespaces_are_what_they_were() {
        let of = |shards: u16| {
            ["team-a", "team-b", "team-c", "sales", "default"].map(|namespace| shard_of(namespace, shards))
        };
        assert_eq!(of(1), [0; 5]);
        assert_eq!(of(2), [1, 0, 1, 1, 1]);
        assert_eq!(of(5), [2, 3, 3, 1, 3]);
    }

    #[test]
    fn each_namespace_has_one_shard() {
        for shards in 1..=16 {
            let all: Vec<Shard> =
                (0..shards).map(|index| Shard::new(Some(index), shards).expect("a shard")).collect();
            for namespace in namespaces().take(200) {
                assert_eq!(all.iter().filter(|shard| shard.works_for(&namespace)).count(), 1, "{namespace}");
            }
        }
    }

    #[test]
    fn shards_have_about_as_many_namespaces_each() {
        for shards in 2..=16_u16 {
            let mut counts = vec![0_usize; usize::from(shards)];
            namespaces().for_each(|namespace| counts[usize::from(shard_of(&namespace, shards))] += 1);
            let even = 4_000 / usize::from(shards);
            assert!(counts.iter().all(|count| count.abs_diff(even) * 4 < even), "{counts:?}");
        }
    }

    #[test]
    fn one_more_shard_takes_its_share_and_moves_nothing_between_the_others() {
        for shards in 1..16_u16 {
            let moved: Vec<u16> = namespaces()
                .filter(|namespace| shard_of(namespace, shards) != shard_of(namespace, shards + 1))
                .map(|namespace| shard_of(&namespace, shards + 1))
                .collect();
            assert!(moved.iter().all(|to| *to == shards), "only the new one gets any");
            let share = 4_000 / usize::from(shards + 1);
            assert!(moved.len().abs_diff(share) * 4 < share, "{} of {share} at {shards}", moved.len());
        }
    }

    #[test]
    fn it_has_to_be_said_which_of_several_is_meant() {
        assert_eq!(Shard::new(None, 1), Shard::new(Some(0), 1));
        for (index, of) in [(None, 2), (Some(2), 2), (Some(1), 1)] {
            let said = Shard::new(index, of).expect_err("no such shard");
            assert!(said.contains("--shard") && said.contains(&format!("from 0 to {}", of - 1)), "{said}");
        }
    }
}
