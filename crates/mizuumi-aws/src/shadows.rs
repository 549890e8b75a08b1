//! Shadow tables and audit tables of runs: found by their names, with what is registered in them.

use std::collections::BTreeMap;

use mizuumi_core::data_table::ObservedPartition;
use mizuumi_core::ingest_run::shadow::{SeenShadows, ShadowLook};
use mizuumi_core::{Failure, Lane};

use crate::clients::ProfileClients;
use crate::glue;

/// Looks at the shadow tables of a run.
pub(crate) async fn look(
    clients: &ProfileClients,
    lane: Lane,
    look: &ShadowLook,
) -> Result<SeenShadows, Failure> {
    // Their names have no character that means something else in a regular expression.
    let names = || format!("{}.*", look.prefix);
    let mut tables = BTreeMap::new();
    let each = |page: Vec<(String, _)>| tables.extend(page);
    let database_exists = glue::get_tables(clients, lane, &look.database, Some(&names), || (), each).await?;
    let mut seen = SeenShadows { database_exists, ..SeenShadows::default() };
    if let Some(target) = &look.target {
        let target = glue::get_table(clients, lane, &target.database, &target.table).await?;
        seen.target = target.map(|target| target.definition);
    }
    if let Some(table) = &look.partitions_of {
        let (partitions, stored) = glue::get_partitions_whole(clients, lane, &look.database, table).await?;
        (seen.partitions, seen.stored) = (Some(partitions), stored);
    }
    if let Some(table) = &look.audited {
        let partitions = glue::get_partitions(clients, lane, &look.database, table).await?;
        let place = |(values, partition): (_, ObservedPartition)| (values, partition.location);
        seen.audited = Some(partitions.into_iter().map(place).collect());
    }
    let is_one = |name: &str| name.starts_with(&look.prefix);
    let tables = tables.into_iter().filter(|(name, _)| is_one(name));
    seen.tables = tables.map(|(name, table)| (name, table.definition)).collect();
    Ok(seen)
}
