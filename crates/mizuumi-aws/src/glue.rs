//! The Glue calls that Mizuumi makes, each in its own words and with its errors classified.

mod convert;

use aws_sdk_glue::types::{BatchUpdatePartitionRequestEntry, Partition, PartitionError, PartitionValueList};
use mizuumi_core::data_table::partitions::PartitionEntry;
use mizuumi_core::data_table::{ObservedPartition, ObservedTable, PartitionValues, TableDefinition};
use mizuumi_core::{Class, Failure};

use crate::clients::ProfileClients;
use crate::error::{Effect, classify, failure, is_absent};

/// Tables on one page of GetTables; AWS takes at most 100.
const TABLES_A_PAGE: i32 = 100;
/// Partitions on one page of GetPartitions; AWS takes at most 1,000.
const PARTITIONS_A_PAGE: i32 = 1000;

/// One table, or none.
pub(crate) async fn get_table(
    clients: &ProfileClients,
    database: &str,
    table: &str,
) -> Result<Option<ObservedTable>, Failure> {
    clients.glue_turn("GetTable").await;
    match clients.glue.get_table().database_name(database).name(table).send().await {
        Ok(answer) => Ok(answer.table().map(convert::observed_table)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(failure("glue:GetTable", Effect::Read, &error)),
    }
}

/// Whether a database exists.
pub(crate) async fn database_exists(clients: &ProfileClients, database: &str) -> Result<bool, Failure> {
    clients.glue_turn("GetDatabase").await;
    match clients.glue.get_database().name(database).send().await {
        Ok(_) => Ok(true),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(failure("glue:GetDatabase", Effect::Read, &error)),
    }
}

/// Every table of a database by name, or none if there is no such database. All pages, or an error: absence can be
/// told only from a complete list.
pub(crate) async fn get_tables(
    clients: &ProfileClients,
    database: &str,
    mut each: impl FnMut(String, ObservedTable),
) -> Result<bool, Failure> {
    let mut token = None;
    loop {
        clients.glue_turn("GetTables").await;
        let page = clients
            .glue
            .get_tables()
            .database_name(database)
            .max_results(TABLES_A_PAGE)
            .set_next_token(token);
        let answer = match page.send().await {
            Ok(answer) => answer,
            Err(error) if is_absent(&error) => {
                return Ok(false);
            }
            Err(error) => return Err(failure("glue:GetTables", Effect::Read, &error)),
        };
        for table in answer.table_list() {
            each(table.name().to_owned(), convert::observed_table(table));
        }
        token = answer.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if token.is_none() {
            return Ok(true);
        }
    }
}

/// Every partition of a table; none if the table is not there.
pub(crate) async fn get_partitions(
    clients: &ProfileClients,
    database: &str,
    table: &str,
) -> Result<Vec<(PartitionValues, ObservedPartition)>, Failure> {
    let mut all = Vec::new();
    let mut token = None;
    loop {
        clients.glue_turn("GetPartitions").await;
        let page = clients
            .glue
            .get_partitions()
            .database_name(database)
            .table_name(table)
            .exclude_column_schema(true)
            .max_results(PARTITIONS_A_PAGE)
            .set_next_token(token);
        let answer = match page.send().await {
            Ok(answer) => answer,
            Err(error) if is_absent(&error) => {
                return Ok(all);
            }
            Err(error) => return Err(failure("glue:GetPartitions", Effect::Read, &error)),
        };
        all.extend(answer.partitions().iter().map(convert::observed_partition));
        token = answer.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if token.is_none() {
            return Ok(all);
        }
    }
}

/// Makes a table.
pub(crate) async fn create_table(
    clients: &ProfileClients,
    database: &str,
    table: &str,
    definition: &TableDefinition,
) -> Result<(), Failure> {
    let input = convert::table_input(table, definition)?;
    clients.glue_turn("CreateTable").await;
    clients
        .glue_once
        .create_table()
        .database_name(database)
        .table_input(input)
        .send()
        .await
        .map(drop)
        .map_err(|error| failure("glue:CreateTable", Effect::Write, &error))
}

/// Replaces a table's definition, if it still has that version.
pub(crate) async fn update_table(
    clients: &ProfileClients,
    database: &str,
    table: &str,
    from_version: Option<&str>,
    definition: &TableDefinition,
    archive: bool,
) -> Result<(), Failure> {
    let input = convert::table_input(table, definition)?;
    clients.glue_turn("UpdateTable").await;
    clients
        .glue_once
        .update_table()
        .database_name(database)
        .table_input(input)
        .set_version_id(from_version.map(str::to_owned))
        .skip_archive(!archive)
        .send()
        .await
        .map(drop)
        .map_err(|error| failure("glue:UpdateTable", Effect::Write, &error))
}

/// Deletes a table from the catalog; one that is gone already is as good.
pub(crate) async fn delete_table(
    clients: &ProfileClients,
    database: &str,
    table: &str,
) -> Result<(), Failure> {
    clients.glue_turn("DeleteTable").await;
    match clients.glue_once.delete_table().database_name(database).name(table).send().await {
        Ok(_) => Ok(()),
        Err(error) if is_absent(&error) => Ok(()),
        Err(error) => Err(failure("glue:DeleteTable", Effect::Write, &error)),
    }
}

/// Registers partitions that read their data as the table does. One that is there already is left as it is.
pub(crate) async fn create_partitions(
    clients: &ProfileClients,
    database: &str,
    table: &str,
    like: &TableDefinition,
    batch: &[PartitionEntry],
) -> Result<(), Failure> {
    let inputs =
        batch.iter().map(|entry| convert::partition_input(entry, like)).collect::<Result<Vec<_>, _>>()?;
    clients.glue_turn("BatchCreatePartition").await;
    let answer = clients
        .glue_once
        .batch_create_partition()
        .database_name(database)
        .table_name(table)
        .set_partition_input_list(Some(inputs))
        .send()
        .await
        .map_err(|error| failure("glue:BatchCreatePartition", Effect::Write, &error))?;
    all_well("glue:BatchCreatePartition", answer.errors(), "AlreadyExistsException")
}

/// Writes partitions anew, made from what they are just before; those that are gone are left out.
pub(crate) async fn update_partitions(
    clients: &ProfileClients,
    database: &str,
    table: &str,
    batch: &[PartitionEntry],
) -> Result<(), Failure> {
    let there = batch_get_partition(clients, database, table, batch).await?;
    let mut entries = Vec::with_capacity(batch.len());
    for partition in &there {
        let Some(entry) = batch.iter().find(|entry| entry.values == partition.values()) else { continue };
        let built = BatchUpdatePartitionRequestEntry::builder()
            .set_partition_value_list(Some(entry.values.clone()))
            .partition_input(convert::partition_moved(partition, entry))
            .build()
            .map_err(|error| unbuilt("glue:BatchUpdatePartition", &error))?;
        entries.push(built);
    }
    if entries.is_empty() {
        return Ok(());
    }
    clients.glue_turn("BatchUpdatePartition").await;
    let answer = clients
        .glue_once
        .batch_update_partition()
        .database_name(database)
        .table_name(table)
        .set_entries(Some(entries))
        .send()
        .await
        .map_err(|error| failure("glue:BatchUpdatePartition", Effect::Write, &error))?;
    let Some(first) = answer.errors().first() else { return Ok(()) };
    Err(refused("glue:BatchUpdatePartition", first.partition_value_list(), first.error_detail()))
}

async fn batch_get_partition(
    clients: &ProfileClients,
    database: &str,
    table: &str,
    batch: &[PartitionEntry],
) -> Result<Vec<Partition>, Failure> {
    let wanted = value_lists("glue:BatchGetPartition", batch.iter().map(|entry| &entry.values))?;
    clients.glue_turn("BatchGetPartition").await;
    let answer = clients
        .glue
        .batch_get_partition()
        .database_name(database)
        .table_name(table)
        .set_partitions_to_get(Some(wanted))
        .send()
        .await
        .map_err(|error| failure("glue:BatchGetPartition", Effect::Read, &error))?;
    if !answer.unprocessed_keys().is_empty() {
        // To write some and go on would be to forget the others: a release ends with the table's mark.
        return Err(Failure {
            operation: "glue:BatchGetPartition",
            class: Class::Unavailable,
            message: format!("{} keys were not answered", answer.unprocessed_keys().len()),
        });
    }
    Ok(answer.partitions.unwrap_or_default())
}

/// Removes partitions from the catalog; those that are gone already are as good.
pub(crate) async fn delete_partitions(
    clients: &ProfileClients,
    database: &str,
    table: &str,
    batch: &[PartitionValues],
) -> Result<(), Failure> {
    let lists = value_lists("glue:BatchDeletePartition", batch.iter())?;
    clients.glue_turn("BatchDeletePartition").await;
    let answer = clients
        .glue_once
        .batch_delete_partition()
        .database_name(database)
        .table_name(table)
        .set_partitions_to_delete(Some(lists))
        .send()
        .await
        .map_err(|error| failure("glue:BatchDeletePartition", Effect::Write, &error))?;
    all_well("glue:BatchDeletePartition", answer.errors(), "EntityNotFoundException")
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
    let code = detail.and_then(|d| d.error_code()).unwrap_or("no code");
    let said = detail.and_then(|d| d.error_message()).unwrap_or("no message");
    Failure {
        operation,
        class: classify(code).unwrap_or(Class::Unknown),
        message: format!("partition [{}]: {code}: {said}", values.join(", ")),
    }
}

fn unbuilt(operation: &'static str, error: &dyn std::error::Error) -> Failure {
    Failure { operation, class: Class::Invalid, message: error.to_string() }
}
