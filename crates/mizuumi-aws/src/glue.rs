//! The Glue calls that Mizuumi makes, each in its own words and with its errors classified.

mod convert;
pub(crate) mod crawlers;
pub(crate) mod partition_indexes;
pub(crate) mod versions;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use aws_sdk_glue::operation::get_partitions::builders::GetPartitionsFluentBuilder;
use aws_sdk_glue::types::{
    BatchUpdatePartitionRequestEntry, DatabaseInput, Partition, PartitionError, PartitionValueList, Segment,
    TableInput,
};
use futures::{StreamExt as _, TryStreamExt as _, future, stream};
use mizuumi_api::data_table::LinkTo;
use mizuumi_core::data_table::link::ObservedLink;
use mizuumi_core::data_table::partitions::PartitionEntry;
use mizuumi_core::data_table::{ObservedPartition, ObservedTable, PartitionValues, TableDefinition};
use mizuumi_core::ingest_run::shadow::{ShadowPartition, StoredAs};
use mizuumi_core::{Class, Errand, Failure, Lane};
use tokio::time::Instant;

use crate::clients::ProfileClients;
use crate::error::classify;
use crate::gateway::{Sent, api};

/// Tables on one page of GetTables; AWS takes at most 100.
const TABLES_A_PAGE: i32 = 100;
/// Partitions on one page of GetPartitions; AWS takes at most 1,000.
const PARTITIONS_A_PAGE: i32 = 1000;
/// A list of no more pages is read one after the other.
const FEW_PAGES: usize = 5;
/// In so many parts a longer one is read at once; AWS takes at most 10.
const SEGMENTS: i32 = 10;

/// So many partitions are read by their values with one call; AWS takes 1,000, and answers the columns of each.
const PARTITIONS_A_READ: usize = 100;
/// So many such calls are made at once.
const READS_AT_ONCE: usize = 10;

/// One table, or none.
pub(crate) async fn get_table(
    clients: &ProfileClients,
    lane: Lane,
    database: &str,
    table: &str,
) -> Result<Option<ObservedTable>, Failure> {
    let get = clients.glue.get_table().database_name(database).name(table);
    let answer = clients.gateway.read(api!("glue", "GetTable", Read), lane, || get.clone().send()).await?;
    Ok(answer.and_then(|answer| answer.table().map(convert::observed_table)))
}

/// Whether a database exists.
pub(crate) async fn database_exists(
    clients: &ProfileClients,
    lane: Lane,
    database: &str,
) -> Result<bool, Failure> {
    let get = clients.glue.get_database().name(database);
    let call = clients.gateway.read(api!("glue", "GetDatabase", Read), lane, || get.clone().send());
    Ok(call.await?.is_some())
}

/// The tables of a database, a page at a time; false if there is no such database. All pages, or an error: absence can
/// be told only from a complete list. With an expression, those whose whole name it matches; it is asked for when the first
/// page is sent, and anew when that is tried again. Says when a page is slow to come.
pub(crate) async fn get_tables(
    clients: &ProfileClients,
    lane: Lane,
    database: &str,
    expression: Option<&(dyn Fn() -> String + Send + Sync)>,
    is_slow: impl Fn() + Send + Sync,
    mut each: impl FnMut(Vec<(String, ObservedTable)>),
) -> Result<bool, Failure> {
    let get = clients.glue.get_tables().database_name(database).max_results(TABLES_A_PAGE);
    let asked = Mutex::new(None);
    let mut token: Option<String> = None;
    loop {
        let page = get.clone().set_next_token(token.clone());
        let api = api!("glue", "GetTables", Read);
        let send = || {
            let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
            if token.is_none() {
                *asked = expression.map(|expression| expression());
            }
            page.clone().set_expression(asked.clone()).send()
        };
        let call = clients.gateway.read_or_say(api, lane, &is_slow, send);
        let Some(answer) = call.await? else { return Ok(false) };
        let tables = answer.table_list().iter();
        each(tables.map(|table| (table.name().to_owned(), convert::observed_table(table))).collect());
        token = answer.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if token.is_none() {
            return Ok(true);
        }
    }
}

/// Partitions by their values.
pub(crate) type Partitions = BTreeMap<PartitionValues, ObservedPartition>;

/// Every partition of a table; none if the table is not there. Where there are very many, parts of them at once.
pub(crate) async fn get_partitions(
    clients: &ProfileClients,
    lane: Lane,
    database: &str,
    table: &str,
) -> Result<Partitions, Failure> {
    let get = clients
        .glue
        .get_partitions()
        .database_name(database)
        .table_name(table)
        .exclude_column_schema(true)
        .max_results(PARTITIONS_A_PAGE);
    if let Some(all) = some_pages(clients, lane, &get, FEW_PAGES).await? {
        return Ok(all);
    }
    let segments = (0..SEGMENTS).map(|number| {
        let segment = Segment::builder().segment_number(number).total_segments(SEGMENTS).build();
        let get = segment.map(|segment| get.clone().segment(segment));
        async move {
            let get = get.map_err(|error| unbuilt("glue:GetPartitions", &error))?;
            some_pages(clients, lane, &get, usize::MAX).await
        }
    });
    let parts = future::try_join_all(segments).await?;
    let mut all = Partitions::new();
    for mut part in parts.into_iter().flatten() {
        all.append(&mut part);
    }
    Ok(all)
}

/// Every partition of a shadow table with how its files are read, each way of that once.
pub(crate) async fn get_partitions_whole(
    clients: &ProfileClients,
    lane: Lane,
    database: &str,
    table: &str,
) -> Result<(BTreeMap<PartitionValues, ShadowPartition>, Vec<StoredAs>), Failure> {
    let get = clients.glue.get_partitions().database_name(database).table_name(table);
    let get = get.max_results(PARTITIONS_A_PAGE);
    let (mut all, mut ways) = (BTreeMap::new(), Vec::new());
    let mut token = None;
    loop {
        let page = get.clone().set_next_token(token);
        let call = clients.gateway.read(api!("glue", "GetPartitions", Read), lane, || page.clone().send());
        let Some(answer) = call.await? else { return Ok((all, ways)) };
        for partition in answer.partitions() {
            let (values, location, way) = convert::whole_partition(partition);
            let stored = ways.iter().position(|known| *known == way).unwrap_or_else(|| {
                ways.push(way);
                ways.len() - 1
            });
            all.insert(values, ShadowPartition { location, stored });
        }
        token = answer.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if token.is_none() {
            return Ok((all, ways));
        }
    }
}

/// How many calls it takes to list so many partitions.
pub(crate) const fn pages(partitions: usize) -> usize {
    partitions / 1000 + 1
}

/// How many calls it takes to read so many partitions by their values.
pub(crate) const fn partition_calls(partitions: usize) -> usize {
    partitions.div_ceil(PARTITIONS_A_READ)
}

/// These partitions, as far as they are there.
pub(crate) async fn get_some_partitions(
    clients: &ProfileClients,
    lane: Lane,
    database: &str,
    table: &str,
    partitions: &[PartitionValues],
) -> Result<Vec<(PartitionValues, ObservedPartition)>, Failure> {
    // Collected first: a stream that held the closure would not be one of any lifetime.
    let reads: Vec<_> = partitions
        .chunks(PARTITIONS_A_READ)
        .map(|some| async move {
            batch_get_partition(clients, lane, database, table, some.iter(), &Sent::default()).await
        })
        .collect();
    let read: Vec<Vec<Partition>> = stream::iter(reads).buffered(READS_AT_ONCE).try_collect().await?;
    Ok(read.iter().flatten().map(convert::observed_partition).collect())
}

/// The partitions of a list, unless it has more pages than that.
async fn some_pages(
    clients: &ProfileClients,
    lane: Lane,
    get: &GetPartitionsFluentBuilder,
    most: usize,
) -> Result<Option<Partitions>, Failure> {
    let mut all = Partitions::new();
    let mut token = None;
    for _ in 0..most {
        let page = get.clone().set_next_token(token);
        let call = clients.gateway.read(api!("glue", "GetPartitions", Read), lane, || page.clone().send());
        let Some(answer) = call.await? else { return Ok(Some(all)) };
        all.extend(answer.partitions().iter().map(convert::observed_partition));
        token = answer.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if token.is_none() {
            return Ok(Some(all));
        }
    }
    Ok(None)
}

/// Makes a database.
pub(crate) async fn create_database(
    clients: &ProfileClients,
    errand: Errand<'_>,
    database: &str,
    owner: &str,
) -> Result<(), Failure> {
    let api = api!("glue", "CreateDatabase", Write);
    let input = DatabaseInput::builder().name(database).parameters("mizuumi.created_for", owner).build();
    let input = input.map_err(|error| unbuilt(api.name, &error))?;
    let create = clients.glue.create_database().database_input(input);
    clients.gateway.write(api, errand, || create.clone().send()).await.map(drop)
}

/// Makes a table.
pub(crate) async fn create_table(
    clients: &ProfileClients,
    errand: Errand<'_>,
    database: &str,
    table: &str,
    definition: &TableDefinition,
) -> Result<(), Failure> {
    create(clients, errand, database, convert::table_input(table, definition)?).await
}

/// Makes a table, or a link, which is one to Glue.
async fn create(
    clients: &ProfileClients,
    errand: Errand<'_>,
    database: &str,
    input: TableInput,
) -> Result<(), Failure> {
    let create = clients.glue.create_table().database_name(database).table_input(input);
    let api = api!("glue", "CreateTable", Write);
    let made = clients.gateway.write(api, errand, || create.clone().send()).await?;
    made.map(drop)
        .ok_or_else(|| Failure::new(api.name, Class::Conflict, format!("the database '{database}' is gone")))
}

/// Replaces a table's definition, if it still has that version.
pub(crate) async fn update_table(
    clients: &ProfileClients,
    errand: Errand<'_>,
    database: &str,
    table: &str,
    from_version: Option<&str>,
    definition: &TableDefinition,
    archive: bool,
) -> Result<(), Failure> {
    let input = convert::table_input(table, definition)?;
    let update = clients
        .glue
        .update_table()
        .database_name(database)
        .table_input(input)
        .set_version_id(from_version.map(str::to_owned))
        .skip_archive(!archive);
    let api = api!("glue", "UpdateTable", Write);
    let made = clients.gateway.write(api, errand, || update.clone().send()).await?;
    made.map(drop).ok_or_else(|| gone(api.name, database, table))
}

/// Deletes a table from the catalog if it still carries that mark; one that is gone already is as good. DeleteTable takes
/// no version, so the table is read right before: what changes between the two calls is not seen.
pub(crate) async fn delete_table(
    clients: &ProfileClients,
    errand: Errand<'_>,
    database: &str,
    table: &str,
    owner: &str,
) -> Result<(), Failure> {
    // One that has become another sort of table meanwhile is not deleted either.
    let is_ours = |found: &ObservedTable| {
        found.definition.owner_mark() == Some(owner) && found.definition.unsupported().is_none()
    };
    delete(clients, errand, database, table, is_ours).await
}

/// Deletes a table, or a link, if it still is what it was, read right before: DeleteTable takes no version.
async fn delete(
    clients: &ProfileClients,
    errand: Errand<'_>,
    database: &str,
    name: &str,
    is_it: impl Fn(&ObservedTable) -> bool + Send + Sync,
) -> Result<(), Failure> {
    let is_it = &is_it;
    let is_still_it = || async move {
        let (moment, get) = (Sent::default(), clients.glue.get_table().database_name(database).name(name));
        let send = || moment.now(get.clone().send());
        let answer = clients.gateway.read(api!("glue", "GetTable", Read), errand.lane, send).await?;
        let found = answer.and_then(|answer| answer.table().map(convert::observed_table));
        Ok(found.is_some_and(|found| is_it(&found)).then(|| moment.at()))
    };
    let delete = clients.glue.delete_table().database_name(database).name(name);
    let api = api!("glue", "DeleteTable", Write);
    clients.gateway.write_if(api, errand, is_still_it, || delete.clone().send()).await.map(drop)
}

/// Makes a link.
pub(crate) async fn create_link(
    clients: &ProfileClients,
    errand: Errand<'_>,
    database: &str,
    name: &str,
    to: &LinkTo,
) -> Result<(), Failure> {
    create(clients, errand, database, convert::link_input(name, to)?).await
}

/// Deletes a link if it still is that one, read right before: DeleteTable takes no version.
pub(crate) async fn delete_link(
    clients: &ProfileClients,
    errand: Errand<'_>,
    database: &str,
    name: &str,
    link: &ObservedLink,
) -> Result<(), Failure> {
    let is_it = |found: &ObservedTable| found.definition.link.as_ref() == Some(link);
    delete(clients, errand, database, name, is_it).await
}

/// Registers partitions that read their data as the table does. One that is there already is left as it is.
pub(crate) async fn create_partitions(
    clients: &ProfileClients,
    errand: Errand<'_>,
    database: &str,
    table: &str,
    like: &TableDefinition,
    batch: &[PartitionEntry],
) -> Result<(), Failure> {
    let inputs =
        batch.iter().map(|entry| convert::partition_input(entry, like)).collect::<Result<Vec<_>, _>>()?;
    let create = clients
        .glue
        .batch_create_partition()
        .database_name(database)
        .table_name(table)
        .set_partition_input_list(Some(inputs));
    let api = api!("glue", "BatchCreatePartition", Write);
    let answer = clients.gateway.write(api, errand, || create.clone().send()).await?;
    let answer = answer.ok_or_else(|| gone(api.name, database, table))?;
    all_well(api.name, answer.errors(), "AlreadyExistsException")
}

/// Writes partitions anew, made from what they are just before, or like the table where their data is new; those that are
/// gone are left out. Where a run's pointer was seen to be another one meanwhile, nothing is written: partitions have no
/// version, so it is looked right before.
pub(crate) async fn update_partitions(
    clients: &ProfileClients,
    errand: Errand<'_>,
    database: &str,
    table: &str,
    like: &TableDefinition,
    batch: &[PartitionEntry],
) -> Result<(), Failure> {
    let api = api!("glue", "BatchUpdatePartition", Write);
    let values = batch.iter().map(|entry| &entry.values);
    let there = batch_get_partition(clients, errand.lane, database, table, values, &Sent::default()).await?;
    let mut entries = Vec::with_capacity(batch.len());
    for partition in &there {
        let Some(entry) = batch.iter().find(|entry| entry.values == partition.values()) else { continue };
        let input = if entry.is_new_data {
            convert::partition_input(entry, like)?
        } else {
            convert::partition_moved(partition, entry, like)?
        };
        let built = BatchUpdatePartitionRequestEntry::builder()
            .set_partition_value_list(Some(entry.values.clone()))
            .partition_input(input)
            .build()
            .map_err(|error| unbuilt(api.name, &error))?;
        entries.push(built);
    }
    if entries.is_empty() {
        return Ok(());
    }
    let update = clients
        .glue
        .batch_update_partition()
        .database_name(database)
        .table_name(table)
        .set_entries(Some(entries));
    let as_seen = || are_as_seen(clients, errand.lane, api.name, database, table, batch);
    let answer = clients.gateway.write_if(api, errand, as_seen, || update.clone().send()).await?;
    let answer = answer.ok_or_else(|| gone(api.name, database, table))?;
    let Some(first) = answer.errors().first() else { return Ok(()) };
    Err(refused(api.name, first.partition_value_list(), first.error_detail()))
}

/// Whether partitions that point to runs still point to what was seen, and when that was asked.
async fn are_as_seen(
    clients: &ProfileClients,
    lane: Lane,
    operation: &'static str,
    database: &str,
    table: &str,
    batch: &[PartitionEntry],
) -> Result<Option<Instant>, Failure> {
    let sent = Sent::default();
    let watched: Vec<PartitionEntry> = batch.iter().filter(|entry| entry.seen.is_some()).cloned().collect();
    if watched.is_empty() {
        return Ok(Some(sent.at()));
    }
    let values = watched.iter().map(|entry| &entry.values);
    for partition in batch_get_partition(clients, lane, database, table, values, &sent).await? {
        let (values, now) = convert::observed_partition(&partition);
        let seen = watched.iter().find(|entry| entry.values == values).and_then(|entry| entry.seen.as_ref());
        if seen != Some(&now.place()) {
            return Err(Failure::new(
                operation,
                Class::Conflict,
                format!("partition [{}] points elsewhere by now", values.join(", ")),
            ));
        }
    }
    Ok(Some(sent.at()))
}

async fn batch_get_partition(
    clients: &ProfileClients,
    lane: Lane,
    database: &str,
    table: &str,
    partitions: impl Iterator<Item = &PartitionValues>,
    sent: &Sent,
) -> Result<Vec<Partition>, Failure> {
    let api = api!("glue", "BatchGetPartition", Read);
    let wanted = value_lists(api.name, partitions)?;
    let get = clients
        .glue
        .batch_get_partition()
        .database_name(database)
        .table_name(table)
        .set_partitions_to_get(Some(wanted));
    let answer = clients.gateway.read(api, lane, || sent.now(get.clone().send())).await?;
    let answer = answer.ok_or_else(|| gone(api.name, database, table))?;
    if !answer.unprocessed_keys().is_empty() {
        // To write some and go on would be to forget the others: a release ends with the table's mark.
        return Err(Failure::new(
            api.name,
            Class::Unavailable,
            format!("{} keys were not answered", answer.unprocessed_keys().len()),
        ));
    }
    Ok(answer.partitions.unwrap_or_default())
}

/// Removes partitions from the catalog; those that are gone already are as good.
pub(crate) async fn delete_partitions(
    clients: &ProfileClients,
    errand: Errand<'_>,
    database: &str,
    table: &str,
    batch: &[PartitionValues],
) -> Result<(), Failure> {
    remove(clients, errand, database, table, batch, &[]).await
}

/// The same, if they still point to what was seen.
pub(crate) async fn withdraw_partitions(
    clients: &ProfileClients,
    errand: Errand<'_>,
    database: &str,
    table: &str,
    batch: &[PartitionEntry],
) -> Result<(), Failure> {
    let values: Vec<PartitionValues> = batch.iter().map(|entry| entry.values.clone()).collect();
    remove(clients, errand, database, table, &values, batch).await
}

async fn remove(
    clients: &ProfileClients,
    errand: Errand<'_>,
    database: &str,
    table: &str,
    batch: &[PartitionValues],
    watched: &[PartitionEntry],
) -> Result<(), Failure> {
    let api = api!("glue", "BatchDeletePartition", Write);
    let lists = value_lists(api.name, batch.iter())?;
    let delete = clients
        .glue
        .batch_delete_partition()
        .database_name(database)
        .table_name(table)
        .set_partitions_to_delete(Some(lists));
    let as_seen = || are_as_seen(clients, errand.lane, api.name, database, table, watched);
    let answer = clients.gateway.write_if(api, errand, as_seen, || delete.clone().send()).await?;
    let answer = answer.ok_or_else(|| gone(api.name, database, table))?;
    all_well(api.name, answer.errors(), "EntityNotFoundException")
}

/// What was there a moment ago and is not any more was taken by somebody else.
fn gone(operation: &'static str, database: &str, table: &str) -> Failure {
    Failure::new(operation, Class::Conflict, format!("'{database}.{table}' is gone"))
}

fn value_lists<'a>(
    operation: &'static str,
    partitions: impl Iterator<Item = &'a PartitionValues>,
) -> Result<Vec<PartitionValueList>, Failure> {
    partitions
        .map(|values| PartitionValueList::builder().set_values(Some(values.clone())).build())
        .collect::<Result<_, _>>()
        .map_err(|error| unbuilt(operation, &error))
}

/// The first error of a batch that matters.
fn all_well(operation: &'static str, errors: &[PartitionError], harmless: &str) -> Result<(), Failure> {
    let code = |error: &PartitionError| {
        error.error_detail().and_then(|d| d.error_code()).unwrap_or_default().to_owned()
    };
    match errors.iter().find(|error| code(error) != harmless) {
        None => Ok(()),
        Some(error) => Err(refused(operation, error.partition_values(), error.error_detail())),
    }
}

fn refused(
    operation: &'static str,
    values: &[String],
    detail: Option<&aws_sdk_glue::types::ErrorDetail>,
) -> Failure {
    refused_part(operation, &format!("partition [{}]", values.join(", ")), detail)
}

/// What Glue says of a part of a batch that it did not take.
fn refused_part(
    operation: &'static str,
    what: &str,
    detail: Option<&aws_sdk_glue::types::ErrorDetail>,
) -> Failure {
    let code = detail.and_then(|d| d.error_code()).unwrap_or("no code");
    let said = detail.and_then(|d| d.error_message()).unwrap_or("no message");
    Failure::new(operation, classify(code).unwrap_or(Class::Unknown), format!("{what}: {code}: {said}"))
}

fn unbuilt(operation: &'static str, error: &dyn std::error::Error) -> Failure {
    Failure::new(operation, Class::Invalid, error.to_string())
}
