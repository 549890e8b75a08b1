//! Runs whose data nothing points to any more: told apart by what lies among the manifests, marked, and deleted.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mizuumi_core::data_table::TableKey;
use mizuumi_core::data_table::superseded::{SeenRun, pointed_to};
use mizuumi_core::publication::{self, AmongManifests};
use mizuumi_core::{Class, Errand, Failure, Lane, s3_uri};

use crate::clients::ProfileClients;
use crate::s3::objects;
use crate::{glue, manifests};

/// The runs whose manifests lie under a root. A manifest that has been read once is not read again: it never changes.
pub(crate) async fn look(
    clients: &ProfileClients,
    lane: Lane,
    key: &TableKey,
    root: &str,
    known: &BTreeMap<String, SeenRun>,
) -> Result<BTreeMap<String, SeenRun>, Failure> {
    let mut found: Vec<String> = Vec::new();
    let mut since: BTreeMap<String, Timestamp> = BTreeMap::new();
    for name in objects::names(clients, lane, &publication::manifests(root)).await? {
        match AmongManifests::read(&name) {
            Some(AmongManifests::Manifest(run)) => found.push(run),
            // The earliest that was written counts, should two have been.
            Some(AmongManifests::Superseded(run, moment)) => {
                since.entry(run).and_modify(|known| *known = moment.min(*known)).or_insert(moment);
            }
            None => {}
        }
    }
    let mut runs = BTreeMap::new();
    for run in found {
        let is_ours = match known.get(&run) {
            Some(SeenRun::Ours(_)) => true,
            Some(SeenRun::NotOurs) => false,
            // It was read when it was marked, and is read again before anything goes.
            None if since.contains_key(&run) => true,
            None => is_ours(clients, lane, key, root, &run).await?,
        };
        let seen = if is_ours { SeenRun::Ours(since.get(&run).copied()) } else { SeenRun::NotOurs };
        runs.insert(run, seen);
    }
    Ok(runs)
}

/// Whether a run's manifest is one of this table, and speaks of nothing but that run's directory. That of a rollback is not:
/// it brings no data.
async fn is_ours(
    clients: &ProfileClients,
    lane: Lane,
    key: &TableKey,
    root: &str,
    run: &str,
) -> Result<bool, Failure> {
    let read = match manifests::read(clients, lane, &publication::manifest(root, run)).await {
        // Who may not read it now need not delete anything now.
        Err(failure) if !failure.class.is_transient() => return Ok(false),
        read => read?,
    };
    let Some(Ok((manifest, _))) = read else { return Ok(false) };
    let output = publication::output(root, run);
    let is_there = |location: &Option<String>| {
        location.as_deref().is_some_and(|location| s3_uri::lies_under(location, &output))
    };
    Ok(manifest.table == key.to_string()
        && manifest.run == run
        && manifest.order.is_some()
        && manifest.partitions.iter().all(|partition| is_there(&partition.location)))
}

/// Writes beside the manifests that nothing points to these runs' data any more.
pub(crate) async fn mark(
    clients: &ProfileClients,
    errand: Errand<'_>,
    root: &str,
    runs: &[String],
    since: Timestamp,
) -> Result<(), Failure> {
    for run in runs {
        let location = publication::superseded(root, run, since);
        let text = format!("Nothing points to the data of run '{run}' any more.\n");
        objects::put(clients, errand, &location, text.into_bytes()).await?;
    }
    Ok(())
}

/// Takes that back.
pub(crate) async fn unmark(
    clients: &ProfileClients,
    errand: Errand<'_>,
    root: &str,
    runs: &[(String, Timestamp)],
) -> Result<(), Failure> {
    let marks = runs.iter().map(|(run, since)| publication::superseded(root, run, *since));
    objects::delete(clients, errand, marks.collect()).await
}

/// Deletes the data of runs, if the table still is its owner's and nothing points there now: all partitions are read anew.
/// The manifest goes last, so that what is cut short is begun again; with every mark, of which there are two if one was
/// written late, and in one call: a manifest without its mark would be marked anew.
pub(crate) async fn delete(
    clients: &ProfileClients,
    errand: Errand<'_>,
    key: &TableKey,
    owner: &str,
    root: &str,
    runs: &[(String, Timestamp)],
) -> Result<(), Failure> {
    let conflict = |message: String| Failure::new("s3:DeleteObjects", Class::Conflict, message);
    let table = glue::get_table(clients, errand.lane, &key.database, &key.table).await?;
    let table = table.filter(|table| table.definition.owner_mark() == Some(owner));
    let Some(table) = table else { return Err(conflict(format!("table '{key}' is not ours any more"))) };
    let partitions = glue::get_partitions(clients, errand.lane, &key.database, &key.table).await?;
    let pointed = pointed_to(root, Some(&partitions), Some(&table.definition));
    for (run, _) in runs {
        if pointed.as_ref().is_none_or(|pointed| pointed.contains(run)) {
            return Err(conflict(format!("something points to the data of run '{run}' again")));
        }
        if !is_ours(clients, errand.lane, key, root, run).await? {
            return Err(conflict(format!("the manifest of run '{run}' is not what it was")));
        }
        let output = publication::output(root, run);
        loop {
            let names = objects::some_names(clients, errand.lane, &output).await?;
            if names.is_empty() {
                break;
            }
            let objects = names.into_iter().map(|name| format!("{output}{name}"));
            objects::delete(clients, errand, objects.collect()).await?;
        }
        let marks = publication::superseded_since(root, run);
        let times = objects::some_endings(clients, errand.lane, &marks).await?;
        let rest = times.into_iter().map(|time| format!("{marks}{time}"));
        let rest = rest.chain([publication::manifest(root, run)]);
        objects::delete(clients, errand, rest.collect()).await?;
    }
    Ok(())
}
