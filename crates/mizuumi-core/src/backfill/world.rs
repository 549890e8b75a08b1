//! What is observed of a backfill: the runs of its job, and what earlier runs have published.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::desired::revision_of;
use crate::ingest_job::JobWorld;
use crate::publication::AmongManifests;

/// What has to be looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackfillLook {
    /// Name of the job.
    pub job: String,
    /// Its uid; none: whatever job of this name.
    pub uid: Option<String>,
    /// Runs that are there as far as is known: where one is not to be seen, it is looked for.
    pub active: Vec<String>,
    /// What earlier runs have published, if that matters now.
    pub past: Option<PastLook>,
}

/// Where it is said what runs have published: in their manifests, which outlive the runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastLook {
    /// Profile of the installation's configuration.
    pub profile: String,
    /// The table's root.
    pub root: String,
    /// How the names of runs begin, each with its session, the earliest first.
    pub stems: Vec<(String, Timestamp)>,
}

/// What was observed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackfillWorld {
    /// The runs of its job.
    pub runs: JobWorld,
    /// The highest revision of each session that was published.
    pub published: BTreeMap<Timestamp, i32>,
}

impl PastLook {
    /// What names among the manifests say of these sessions.
    pub fn published<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> BTreeMap<Timestamp, i32> {
        let sessions: BTreeMap<&str, Timestamp> =
            self.stems.iter().map(|(stem, session)| (stem.as_str(), *session)).collect();
        let mut published = BTreeMap::new();
        for name in names {
            let Some(AmongManifests::Manifest(run)) = AmongManifests::read(name) else { continue };
            let (Some((stem, _)), Some(revision)) = (run.rsplit_once("-r"), revision_of(&run)) else {
                continue;
            };
            if let Some(session) = sessions.get(stem) {
                let highest = published.entry(*session).or_insert(revision);
                *highest = revision.max(*highest);
            }
        }
        published
    }
}
