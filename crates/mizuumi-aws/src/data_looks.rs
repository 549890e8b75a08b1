//! What the last look at each table's data saw: its partitions, their indexes, the directories that no partition stands for,
//! and its newest files.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use mizuumi_core::data_table::superseded::SeenRun;
use mizuumi_core::data_table::world::{Directory, Looked, ObservedIndex, RunsLook, SeenFiles, SeenManifest};
use mizuumi_core::data_table::{PartitionValues, TableKey, TableLook};
use mizuumi_core::{Ask, DataReading, Failure, Lane, Packed};
use serde::{Deserialize, Serialize};

use crate::avsc::LookedAvsc;
use crate::clients::ProfileClients;
use crate::glue::{self, Partitions, partition_indexes};
use crate::s3::directories::{self, walk};
use crate::{avsc, files, manifests, superseded};

/// The looks of all tables.
#[derive(Debug, Default)]
pub(crate) struct DataLooks {
    kept: Mutex<HashMap<TableKey, Kept>>,
}

#[derive(Debug)]
struct Kept {
    look: Packed<DataLook>,
    /// Whether something was written since.
    is_outdated: bool,
    /// The partitions that were written since, or may have been.
    written: BTreeSet<PartitionValues>,
}

/// What a look sees beside partitions and directories.
#[derive(Default)]
struct Beside {
    manifests: BTreeMap<String, SeenManifest>,
    files: Option<SeenFiles>,
    runs: Option<BTreeMap<String, SeenRun>>,
    versions: Option<Vec<String>>,
    avsc: Option<LookedAvsc>,
}

/// A look at a table's data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DataLook {
    asked: TableLook,
    #[serde(with = "pairs")]
    pub(crate) partitions: Partitions,
    pub(crate) indexes: Option<Vec<ObservedIndex>>,
    #[serde(default)]
    pub(crate) versions: Option<Vec<String>>,
    pub(crate) directories: Option<Vec<Directory>>,
    #[serde(default)]
    pub(crate) vanished: Vec<PartitionValues>,
    pub(crate) manifests: BTreeMap<String, SeenManifest>,
    #[serde(default)]
    pub(crate) runs: Option<BTreeMap<String, SeenRun>>,
    pub(crate) files: Option<SeenFiles>,
    #[serde(default)]
    pub(crate) avsc: Option<LookedAvsc>,
    pub(crate) looked: Looked,
}

impl DataLooks {
    /// What there is to see of a table that points to a location, looked at again as far as is asked for; none if nothing is
    /// known and no look is asked for.
    pub(crate) async fn look(
        &self,
        clients: &ProfileClients,
        key: &TableKey,
        look: &TableLook,
        location: Option<&str>,
        ask: Ask,
    ) -> Result<Option<DataLook>, Failure> {
        let lane = ask.lane;
        // Which runs ask changes all the time, and their manifests never do.
        let asked = TableLook { manifests: Vec::new(), ..look.clone() };
        let mut known = self.known(key).filter(|(known, _)| known.asked == asked);
        if let (Some((seen, false)), DataReading::Known) = (&known, ask.data)
            && !seen.is_changing()
            && seen.has_manifests(look)
        {
            return Ok(known.map(|(seen, _)| seen));
        }
        let Beside { manifests, files, runs, versions, avsc } =
            known.as_mut().map(|(seen, _)| seen.beside()).unwrap_or_default();
        let is_outdated = known.as_ref().is_some_and(|(_, is_outdated)| *is_outdated);
        let mut written = self.written(key);
        let mut seen = match (known, ask.data) {
            (None, DataReading::Known) => return Ok(None),
            (Some((known, false)), DataReading::Known) => {
                DataLook { indexes: indexes(clients, lane, key, look).await?, ..known }
            }
            // Written since: what became of the partitions has to be seen, and no directory changes by it.
            (Some((mut known, true)), DataReading::Known) => {
                let before = std::mem::take(&mut known.partitions);
                let partitions = renewed(clients, lane, key, look, before, written).await?;
                let indexes = indexes(clients, lane, key, look).await?;
                let directories = known.directories.map(|all| unregistered(all, look, &partitions));
                DataLook { partitions, indexes, directories, ..known }
            }
            (Some((known, is_outdated)), DataReading::Newest) => {
                let partitions = match &look.directories {
                    Some(_) if !is_outdated => known.partitions,
                    // Of all others only those that runs are about have to be seen as they are now.
                    None if look.runs.is_some() => {
                        written.extend(concerned(&manifests, &known.partitions));
                        renewed(clients, lane, key, look, known.partitions, written).await?
                    }
                    _ => partitions(clients, lane, key, look).await?,
                };
                let indexes = indexes(clients, lane, key, look).await?;
                let mut directories = None;
                if let Some(wanted) = &look.directories {
                    let newest = walk(clients, lane, wanted, &partitions, false).await?.unregistered;
                    let older = known.directories.unwrap_or_default();
                    let older =
                        older.into_iter().filter(|o| newest.iter().all(|n| n.values != o.values)).collect();
                    let mut all = unregistered(older, look, &partitions);
                    all.extend(newest);
                    directories = Some(all);
                }
                // What was gone may be there again.
                let vanished = directories::still_gone(clients, lane, known.vanished, &partitions).await?;
                let looked = Looked { newest: ask.now, ..known.looked };
                DataLook { vanished, ..DataLook::new(asked, partitions, indexes, directories, looked) }
            }
            (_, DataReading::Whole) | (None, DataReading::Newest) => {
                let partitions = partitions(clients, lane, key, look).await?;
                let indexes = indexes(clients, lane, key, look).await?;
                let (mut directories, mut vanished) = (None, Vec::new());
                if let Some(wanted) = &look.directories {
                    let found = walk(clients, lane, wanted, &partitions, true).await?;
                    (directories, vanished) = (Some(found.unregistered), found.vanished);
                }
                let looked = Looked { newest: ask.now, whole: ask.now };
                DataLook { vanished, ..DataLook::new(asked, partitions, indexes, directories, looked) }
            }
        };
        // A run that asks anew may bring files that say other columns.
        let brings_columns =
            look.is_of_columns() && look.manifests.iter().any(|one| !manifests.contains_key(&one.sha256));
        seen.manifests = manifests::look(clients, lane, &look.manifests, manifests).await?;
        seen.versions = match ask.data {
            _ if !look.versions => None,
            DataReading::Known if !is_outdated => versions,
            _ => Some(glue::versions::get(clients, lane, &key.database, &key.table).await?),
        };
        seen.runs = match &look.runs {
            Some(RunsLook { root, superseded: true }) if ask.data != DataReading::Known || is_outdated => {
                Some(superseded::look(clients, lane, key, root, &runs.unwrap_or_default()).await?)
            }
            _ => runs,
        };
        seen.files = match &look.files {
            Some(wanted) if ask.data != DataReading::Known || brings_columns => {
                let places = files::Places {
                    partitions: &seen.partitions,
                    directories: seen.directories.as_deref(),
                    manifests: &seen.manifests,
                    asked: &look.manifests,
                    table: location,
                };
                let everywhere = ask.data == DataReading::Whole;
                files::look(clients, lane, wanted, &places, files, everywhere).await?
            }
            _ => files,
        };
        seen.avsc = match &look.avsc {
            Some(at) if ask.data != DataReading::Known => Some(avsc::look(clients, lane, at, avsc).await?),
            _ => avsc,
        };
        if let Ok(look) = Packed::new(&seen) {
            let kept = Kept { look, is_outdated: false, written: BTreeSet::new() };
            self.with(|all| all.insert(key.clone(), kept));
        }
        Ok(Some(seen))
    }

    /// Something was written, or may have been: these partitions, or something else.
    pub(crate) fn outdate<'a>(&self, key: &TableKey, partitions: impl Iterator<Item = &'a PartitionValues>) {
        self.with(|kept| {
            if let Some(kept) = kept.get_mut(key) {
                kept.is_outdated = true;
                kept.written.extend(partitions.cloned());
            }
        });
    }

    fn written(&self, key: &TableKey) -> BTreeSet<PartitionValues> {
        self.with(|kept| kept.get(key).map(|kept| kept.written.clone())).unwrap_or_default()
    }

    pub(crate) fn forget(&self, key: &TableKey) {
        self.with(|kept| kept.remove(key));
    }

    fn known(&self, key: &TableKey) -> Option<(DataLook, bool)> {
        let (look, is_outdated) =
            self.with(|kept| kept.get(key).map(|kept| (kept.look.clone(), kept.is_outdated)))?;
        Some((look.open().ok()?, is_outdated))
    }

    fn with<T>(&self, then: impl FnOnce(&mut HashMap<TableKey, Kept>) -> T) -> T {
        then(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl DataLook {
    fn new(
        asked: TableLook,
        partitions: Partitions,
        indexes: Option<Vec<ObservedIndex>>,
        directories: Option<Vec<Directory>>,
        looked: Looked,
    ) -> Self {
        Self {
            asked,
            partitions,
            indexes,
            directories,
            looked,
            vanished: Vec::new(),
            manifests: BTreeMap::new(),
            versions: None,
            runs: None,
            files: None,
            avsc: None,
        }
    }

    /// Takes out what was seen beside partitions and directories: each is looked at by rules of its own.
    fn beside(&mut self) -> Beside {
        Beside {
            manifests: std::mem::take(&mut self.manifests),
            files: self.files.take(),
            runs: self.runs.take(),
            versions: self.versions.take(),
            avsc: self.avsc.take(),
        }
    }

    /// Whether these manifests have been read, and no others.
    fn has_manifests(&self, look: &TableLook) -> bool {
        self.manifests.len() == look.manifests.len()
            && look.manifests.iter().all(|one| self.manifests.contains_key(&one.sha256))
    }

    /// Whether Glue is changing something by itself.
    fn is_changing(&self) -> bool {
        self.indexes.iter().flatten().any(ObservedIndex::is_changing)
    }
}

async fn indexes(
    clients: &ProfileClients,
    lane: Lane,
    key: &TableKey,
    look: &TableLook,
) -> Result<Option<Vec<ObservedIndex>>, Failure> {
    if !look.indexes {
        return Ok(None);
    }
    partition_indexes::get(clients, lane, &key.database, &key.table).await.map(Some)
}

async fn partitions(
    clients: &ProfileClients,
    lane: Lane,
    key: &TableKey,
    look: &TableLook,
) -> Result<Partitions, Failure> {
    if !look.partitions {
        return Ok(Partitions::new());
    }
    glue::get_partitions(clients, lane, &key.database, &key.table).await
}

/// What is known of a table's partitions, with these seen as they are now; all of them, where that takes fewer calls.
async fn renewed(
    clients: &ProfileClients,
    lane: Lane,
    key: &TableKey,
    look: &TableLook,
    known: Partitions,
    some: BTreeSet<PartitionValues>,
) -> Result<Partitions, Failure> {
    if !look.partitions || glue::partition_calls(some.len()) > glue::pages(known.len()) {
        return partitions(clients, lane, key, look).await;
    }
    let mut all = known;
    let some: Vec<PartitionValues> = some.into_iter().collect();
    let now = glue::get_some_partitions(clients, lane, &key.database, &key.table, &some).await?;
    for values in &some {
        all.remove(values);
    }
    all.extend(now);
    Ok(all)
}

/// The partitions that runs are about to write: those that their manifests name, and where a run is taken back, those that
/// point to it.
fn concerned(manifests: &BTreeMap<String, SeenManifest>, known: &Partitions) -> BTreeSet<PartitionValues> {
    let read = || {
        manifests.values().filter_map(|seen| match seen {
            SeenManifest::Read(manifest) => Some(manifest),
            SeenManifest::Wrong(_) | SeenManifest::Unreadable(_) => None,
        })
    };
    let named =
        read().flat_map(|manifest| manifest.partitions.iter().map(|partition| partition.values.clone()));
    let taken_back: BTreeSet<&String> = read().filter_map(|manifest| manifest.rolls_back.as_ref()).collect();
    let pointing = known.iter().filter(|(_, partition)| {
        partition.pointer.as_ref().is_some_and(|pointer| taken_back.contains(&pointer.run.run))
    });
    named.chain(pointing.map(|(values, _)| values.clone())).collect()
}

fn unregistered(all: Vec<Directory>, look: &TableLook, partitions: &Partitions) -> Vec<Directory> {
    let Some(wanted) = &look.directories else { return Vec::new() };
    all.into_iter()
        .filter(|directory| !directories::is_registered(&directory.values, wanted, partitions))
        .collect()
}

/// Partitions as a list: no key of JSON is a list of values.
mod pairs {
    use std::fmt;

    use serde::de::{SeqAccess, Visitor};
    use serde::{Deserializer, Serializer};

    use super::Partitions;

    pub(super) fn serialize<S: Serializer>(all: &Partitions, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(all)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Partitions, D::Error> {
        from.deserialize_seq(Pairs)
    }

    struct Pairs;

    impl<'de> Visitor<'de> for Pairs {
        type Value = Partitions;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of partitions")
        }

        // One by one: there may be a million.
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Partitions, A::Error> {
            let mut all = Partitions::new();
            while let Some((values, partition)) = list.next_element()? {
                all.insert(values, partition);
            }
            Ok(all)
        }
    }
}
