//! The Glue calls about partition indexes.

use aws_sdk_glue::types::{BackfillError, PartitionIndex, PartitionIndexDescriptor, PartitionIndexStatus};
use mizuumi_api::data_table::IndexState;
use mizuumi_core::data_table::world::ObservedIndex;
use mizuumi_core::{Class, Errand, Failure, Lane};

use super::{gone, unbuilt};
use crate::clients::ProfileClients;
use crate::gateway::api;

/// Of the partitions that an index stumbled over, so many are told.
const TOLD: usize = 3;

/// The indexes of a table, by name; none if the table is not there.
pub(crate) async fn get(
    clients: &ProfileClients,
    lane: Lane,
    database: &str,
    table: &str,
) -> Result<Vec<ObservedIndex>, Failure> {
    let get = clients.glue.get_partition_indexes().database_name(database).table_name(table);
    let mut all: Vec<ObservedIndex> = Vec::new();
    let mut token = None;
    loop {
        let page = get.clone().set_next_token(token);
        let api = api!("glue", "GetPartitionIndexes", Read);
        let Some(answer) = clients.gateway.read(api, lane, || page.clone().send()).await? else { break };
        all.extend(answer.partition_index_descriptor_list().iter().map(observed));
        token = answer.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

fn observed(index: &PartitionIndexDescriptor) -> ObservedIndex {
    ObservedIndex {
        name: index.index_name().to_owned(),
        keys: index.keys().iter().map(|key| key.name().to_owned()).collect(),
        state: match index.index_status() {
            PartitionIndexStatus::Active => IndexState::Active,
            PartitionIndexStatus::Deleting => IndexState::Deleting,
            PartitionIndexStatus::Failed => IndexState::Failed,
            // A state that is not known yet is one on the way.
            _ => IndexState::Creating,
        },
        errors: index.backfill_errors().iter().map(in_words).collect(),
    }
}

fn in_words(error: &BackfillError) -> String {
    let code = error.code().map_or("no code", |code| code.as_str());
    let all = error.partitions();
    let mut told: Vec<String> =
        all.iter().take(TOLD).map(|partition| format!("[{}]", partition.values().join(", "))).collect();
    if all.len() > TOLD {
        told.push(format!("and {} more", all.len() - TOLD));
    }
    format!("{code} at {}", told.join(", "))
}

/// Asks for an index; Glue builds it by and by.
pub(crate) async fn create(
    clients: &ProfileClients,
    errand: Errand<'_>,
    database: &str,
    table: &str,
    name: &str,
    keys: &[String],
) -> Result<(), Failure> {
    let api = api!("glue", "CreatePartitionIndex", Write);
    let index = PartitionIndex::builder()
        .index_name(name)
        .set_keys(Some(keys.to_vec()))
        .build()
        .map_err(|error| unbuilt(api.name, &error))?;
    let create = clients
        .glue
        .create_partition_index()
        .database_name(database)
        .table_name(table)
        .partition_index(index);
    let made = clients.gateway.write(api, errand, || create.clone().send()).await.map_err(in_turn)?;
    made.map(drop).ok_or_else(|| gone(api.name, database, table))
}

/// Removes an index; one that is gone already is as good.
pub(crate) async fn delete(
    clients: &ProfileClients,
    errand: Errand<'_>,
    database: &str,
    table: &str,
    name: &str,
) -> Result<(), Failure> {
    let delete =
        clients.glue.delete_partition_index().database_name(database).table_name(table).index_name(name);
    let api = api!("glue", "DeletePartitionIndex", Write);
    clients.gateway.write(api, errand, || delete.clone().send()).await.map(drop).map_err(in_turn)
}

/// "Only 1 index can be created or deleted simultaneously per table" comes as ResourceNumberLimitExceededException: somebody
/// was quicker, and the next look tells.
fn in_turn(failure: Failure) -> Failure {
    let class = if failure.message.contains("simultaneously") { Class::Conflict } else { failure.class };
    Failure { class, ..failure }
}
