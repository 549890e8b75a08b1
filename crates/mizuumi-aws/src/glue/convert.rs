//! Glue's table to ours and back. Nothing that Glue's `TableInput` can hold gets lost on the way.

use std::collections::HashMap;

use aws_sdk_glue::types::{
    Column as GlueColumn, Order, Partition, PartitionInput, SchemaId, SchemaReference as GlueSchemaReference,
    SerDeInfo, SkewedInfo, StorageDescriptor, Table, TableIdentifier, TableInput,
};
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use mizuumi_api::data_table::LinkTo;
use mizuumi_core::data_table::avro::SCHEMA_LITERAL;
use mizuumi_core::data_table::cascade::ColumnsMark;
use mizuumi_core::data_table::definition::{
    COLUMNS_PARAMETER, Kept, OUR_PREFIX, OWNER_PARAMETER, SchemaReference, Skewed,
};
use mizuumi_core::data_table::link::ObservedLink;
use mizuumi_core::data_table::partitions::PartitionEntry;
use mizuumi_core::data_table::view::ViewText;
use mizuumi_core::data_table::{
    Column, ObservedPartition, ObservedTable, PartitionValues, Serde, TableDefinition,
};
use mizuumi_core::ingest_run::shadow::StoredAs;
use mizuumi_core::publication::Pointer;
use mizuumi_core::{Class, Failure};

/// A table as Glue answered it.
pub(super) fn observed_table(table: &Table) -> ObservedTable {
    let storage = table.storage_descriptor();
    let definition = TableDefinition {
        description: text(table.description()),
        owner: text(table.owner()),
        table_type: text(table.table_type()),
        retention: table.retention(),
        columns: columns(storage.map(StorageDescriptor::columns).unwrap_or_default()),
        partition_keys: columns(table.partition_keys()),
        location: text(storage.and_then(|s| s.location())),
        input_format: text(storage.and_then(|s| s.input_format())),
        output_format: text(storage.and_then(|s| s.output_format())),
        serde: storage.and_then(|s| s.serde_info()).map(serde),
        view: text(table.view_original_text())
            .map(|original| ViewText { original, expanded: text(table.view_expanded_text()) }),
        link: table.target_table().map(|target| ObservedLink {
            catalog: text(target.catalog_id()),
            database: target.database_name().unwrap_or_default().to_owned(),
            table: target.name().unwrap_or_default().to_owned(),
            region: text(target.region()),
            own_catalog: text(table.catalog_id()),
            created: table.create_time().and_then(timestamp),
        }),
        parameters: sorted(table.parameters()),
        kept: kept(table),
    };
    ObservedTable { definition, version: text(table.version_id()) }
}

fn kept(table: &Table) -> Kept {
    let unwritten = table.view_definition().map(|_| "a view of several dialects".into());
    let mut kept = Kept {
        last_access_time: table.last_access_time().and_then(timestamp),
        last_analyzed_time: table.last_analyzed_time().and_then(timestamp),
        unwritten,
        ..Kept::default()
    };
    let Some(storage) = table.storage_descriptor() else { return kept };
    kept.additional_locations = storage.additional_locations().to_vec();
    kept.compressed = storage.compressed();
    kept.number_of_buckets = storage.number_of_buckets();
    kept.bucket_columns = storage.bucket_columns().to_vec();
    kept.sort_columns =
        storage.sort_columns().iter().map(|order| (order.column().to_owned(), order.sort_order())).collect();
    kept.storage_parameters = sorted(storage.parameters());
    kept.skewed = storage.skewed_info().map(|skewed| Skewed {
        columns: skewed.skewed_column_names().to_vec(),
        values: skewed.skewed_column_values().to_vec(),
        locations: sorted(skewed.skewed_column_value_location_maps()),
    });
    kept.stored_as_sub_directories = storage.stored_as_sub_directories();
    kept.schema_reference = storage.schema_reference().map(|reference| SchemaReference {
        schema_arn: text(reference.schema_id().and_then(|id| id.schema_arn())),
        schema_name: text(reference.schema_id().and_then(|id| id.schema_name())),
        registry_name: text(reference.schema_id().and_then(|id| id.registry_name())),
        version_id: text(reference.schema_version_id()),
        version_number: reference.schema_version_number(),
    });
    kept
}

/// A partition as Glue answered it.
pub(super) fn observed_partition(partition: &Partition) -> (PartitionValues, ObservedPartition) {
    let parameter = |key: &str| partition.parameters().and_then(|all| all.get(key)).map(String::as_str);
    let observed = ObservedPartition {
        location: text(partition.storage_descriptor().and_then(|s| s.location())),
        owner: parameter(OWNER_PARAMETER).map(str::to_owned),
        created: partition.creation_time().and_then(timestamp),
        pointer: Pointer::read(parameter).map(Box::new),
        columns: parameter(COLUMNS_PARAMETER).and_then(ColumnsMark::read),
    };
    (partition.values().to_vec(), observed)
}

/// A partition as Glue answered it: its values, where it is, and how its files are read.
pub(super) fn whole_partition(partition: &Partition) -> (PartitionValues, Option<String>, StoredAs) {
    let storage = partition.storage_descriptor();
    let stored = StoredAs {
        columns: columns(storage.map(StorageDescriptor::columns).unwrap_or_default()),
        input_format: text(storage.and_then(|storage| storage.input_format())),
        serde: storage.and_then(|storage| storage.serde_info()).map(serde),
    };
    let location = text(storage.and_then(|storage| storage.location()));
    (partition.values().to_vec(), location, stored)
}

fn serde(serde: &SerDeInfo) -> Serde {
    Serde {
        name: text(serde.name()),
        library: text(serde.serialization_library()),
        parameters: sorted(serde.parameters()),
    }
}

/// The input that makes a table so.
pub(super) fn table_input(name: &str, definition: &TableDefinition) -> Result<TableInput, Failure> {
    let kept = &definition.kept;
    TableInput::builder()
        .name(name)
        .set_description(definition.description.clone())
        .set_owner(definition.owner.clone())
        .set_table_type(definition.table_type.clone())
        .set_last_access_time(kept.last_access_time.map(date_time))
        .set_last_analyzed_time(kept.last_analyzed_time.map(date_time))
        .retention(definition.retention)
        // Athena fails on a table without the list, even an empty one.
        .set_partition_keys(Some(glue_columns(&definition.partition_keys)?))
        .set_parameters(Some(hashed(&definition.parameters)))
        .set_view_original_text(definition.view.as_ref().map(|view| view.original.clone()))
        .set_view_expanded_text(definition.view.as_ref().and_then(|view| view.expanded.clone()))
        .storage_descriptor(storage_descriptor(definition, definition.location.clone())?)
        .build()
        .map_err(|error| unbuilt(&error))
}

/// The input that makes a link.
pub(super) fn link_input(name: &str, to: &LinkTo) -> Result<TableInput, Failure> {
    let target = TableIdentifier::builder()
        .set_catalog_id(to.catalog_id.clone())
        .database_name(&to.database)
        .name(&to.table)
        .set_region(to.region.clone())
        .build();
    TableInput::builder().name(name).target_table(target).build().map_err(|error| unbuilt(&error))
}

/// The input that makes a partition whose files are read as the table's are.
pub(super) fn partition_input(
    entry: &PartitionEntry,
    like: &TableDefinition,
) -> Result<PartitionInput, Failure> {
    let parameters = marks(entry).chain(columns_mark(like)).collect();
    Ok(PartitionInput::builder()
        .set_values(Some(entry.values.clone()))
        .set_parameters(Some(parameters))
        .storage_descriptor(storage_descriptor(like, Some(entry.location.clone()))?)
        .build())
}

/// Our parameters of a partition.
fn marks(entry: &PartitionEntry) -> impl Iterator<Item = (String, String)> {
    let owner = entry.owner.iter().map(|owner| (OWNER_PARAMETER.to_owned(), owner.clone()));
    owner.chain(entry.pointer.iter().flat_map(Pointer::parameters))
}

/// Which columns a partition says that it was given, if partitions of the table say that.
fn columns_mark(like: &TableDefinition) -> Option<(String, String)> {
    let mark = ColumnsMark::of_partitions(like)?;
    Some((COLUMNS_PARAMETER.to_owned(), mark.to_string()))
}

/// The input that writes a partition anew: what it has stays, but for its location, its marks, and the table's columns if it
/// takes them.
pub(super) fn partition_moved(
    there: &Partition,
    entry: &PartitionEntry,
    like: &TableDefinition,
) -> Result<PartitionInput, Failure> {
    let mut parameters = there.parameters().cloned().unwrap_or_default();
    // Who lets it go takes off all that is ours.
    let is_kept = entry.owner.is_some() || entry.takes_columns;
    parameters.retain(|key, _| !key.starts_with(OUR_PREFIX) || (is_kept && key == COLUMNS_PARAMETER));
    parameters.extend(marks(entry));
    let mut storage =
        there.storage_descriptor().cloned().unwrap_or_else(|| StorageDescriptor::builder().build());
    storage.location = Some(entry.location.clone());
    if entry.takes_columns {
        parameters.extend(columns_mark(like));
        storage.columns = Some(glue_columns(&like.columns)?);
        take_avro_schema(&mut storage, like);
    }
    Ok(PartitionInput::builder()
        .set_values(Some(entry.values.clone()))
        .set_last_access_time(there.last_access_time().copied())
        .set_last_analyzed_time(there.last_analyzed_time().copied())
        .set_parameters(Some(parameters))
        .storage_descriptor(storage)
        .build())
}

/// Readers of Avro take a partition's columns from the schema that its serde has, if it has one.
fn take_avro_schema(storage: &mut StorageDescriptor, like: &TableDefinition) {
    let schema = like.serde.as_ref().and_then(|serde| serde.parameters.get(SCHEMA_LITERAL));
    let serde = storage
        .serde_info
        .as_mut()
        .filter(|serde| like.serde.as_ref().is_some_and(|like| like.library == serde.serialization_library));
    if let (Some(schema), Some(serde)) = (schema, serde) {
        serde.parameters.get_or_insert_default().insert(SCHEMA_LITERAL.to_owned(), schema.clone());
    }
}

fn storage_descriptor(
    definition: &TableDefinition,
    location: Option<String>,
) -> Result<StorageDescriptor, Failure> {
    let kept = &definition.kept;
    let mut orders = Vec::with_capacity(kept.sort_columns.len());
    for (column, order) in &kept.sort_columns {
        orders.push(
            Order::builder().column(column).sort_order(*order).build().map_err(|error| unbuilt(&error))?,
        );
    }
    let serde = definition.serde.as_ref().map(|serde| {
        SerDeInfo::builder()
            .set_name(serde.name.clone())
            .set_serialization_library(serde.library.clone())
            .set_parameters(Some(hashed(&serde.parameters)))
            .build()
    });
    let skewed = kept.skewed.as_ref().map(|skewed| {
        SkewedInfo::builder()
            .set_skewed_column_names(Some(skewed.columns.clone()))
            .set_skewed_column_values(Some(skewed.values.clone()))
            .set_skewed_column_value_location_maps(Some(hashed(&skewed.locations)))
            .build()
    });
    let some = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
    Ok(StorageDescriptor::builder()
        .set_columns(Some(glue_columns(&definition.columns)?))
        .set_location(location)
        .set_additional_locations(some(&kept.additional_locations))
        .set_input_format(definition.input_format.clone())
        .set_output_format(definition.output_format.clone())
        .compressed(kept.compressed)
        .number_of_buckets(kept.number_of_buckets)
        .set_serde_info(serde)
        .set_bucket_columns(some(&kept.bucket_columns))
        .set_sort_columns((!orders.is_empty()).then_some(orders))
        .set_parameters((!kept.storage_parameters.is_empty()).then(|| hashed(&kept.storage_parameters)))
        .set_skewed_info(skewed)
        .stored_as_sub_directories(kept.stored_as_sub_directories)
        .set_schema_reference(kept.schema_reference.as_ref().map(glue_schema_reference))
        .build())
}

fn glue_schema_reference(reference: &SchemaReference) -> GlueSchemaReference {
    let by_id = reference.schema_arn.is_some() || reference.schema_name.is_some();
    let id = SchemaId::builder()
        .set_schema_arn(reference.schema_arn.clone())
        .set_schema_name(reference.schema_name.clone())
        .set_registry_name(reference.registry_name.clone())
        .build();
    GlueSchemaReference::builder()
        .set_schema_id(by_id.then_some(id))
        .set_schema_version_id(reference.version_id.clone())
        .set_schema_version_number(reference.version_number)
        .build()
}

fn columns(columns: &[GlueColumn]) -> Vec<Column> {
    columns
        .iter()
        .map(|column| Column {
            name: column.name().to_owned(),
            type_: text(column.r#type()),
            comment: text(column.comment()),
            parameters: sorted(column.parameters()),
        })
        .collect()
}

fn glue_columns(columns: &[Column]) -> Result<Vec<GlueColumn>, Failure> {
    columns
        .iter()
        .map(|column| {
            GlueColumn::builder()
                .name(&column.name)
                .set_type(column.type_.clone())
                .set_comment(column.comment.clone())
                .set_parameters((!column.parameters.is_empty()).then(|| hashed(&column.parameters)))
                .build()
                .map_err(|error| unbuilt(&error))
        })
        .collect()
}

fn text(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}

fn sorted(map: Option<&HashMap<String, String>>) -> std::collections::BTreeMap<String, String> {
    map.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn hashed(map: &std::collections::BTreeMap<String, String>) -> HashMap<String, String> {
    map.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn timestamp(time: &DateTime) -> Option<Timestamp> {
    // Glue tells whole seconds; fractions that an endpoint adds would only make unequal what is equal.
    Timestamp::from_second(time.secs()).ok()
}

fn date_time(time: Timestamp) -> DateTime {
    DateTime::from_secs(time.as_second())
}

fn unbuilt(error: &dyn std::error::Error) -> Failure {
    Failure::new("glue:TableInput", Class::Invalid, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a table back from the input that was made of it.
    fn answered(input: &TableInput) -> Table {
        Table::builder()
            .name(input.name())
            .set_description(input.description().map(str::to_owned))
            .set_owner(input.owner().map(str::to_owned))
            .set_table_type(input.table_type().map(str::to_owned))
            .set_last_access_time(input.last_access_time().copied())
            .set_last_analyzed_time(input.last_analyzed_time().copied())
            .retention(input.retention())
            .set_storage_descriptor(input.storage_descriptor().cloned())
            .set_partition_keys(Some(input.partition_keys().to_vec()))
            .set_parameters(input.parameters().cloned())
            .set_view_original_text(input.view_original_text().map(str::to_owned))
            .set_view_expanded_text(input.view_expanded_text().map(str::to_owned))
            .version_id("7")
            .build()
            .expect("has a name")
    }

    #[test]
    fn nothing_is_lost_between_reading_a_table_and_writing_it() {
        let map = |key: &str| std::collections::BTreeMap::from([(key.to_owned(), "v".to_owned())]);
        let column = |name: &str| Column {
            name: name.into(),
            type_: Some("int".into()),
            comment: Some("c".into()),
            parameters: map("col"),
        };
        let definition = TableDefinition {
            description: Some("d".into()),
            owner: Some("o".into()),
            table_type: Some("EXTERNAL_TABLE".into()),
            retention: 9,
            columns: vec![column("a"), column("b")],
            partition_keys: vec![column("p")],
            location: Some("s3://lake/t/".into()),
            input_format: Some("in".into()),
            output_format: Some("out".into()),
            serde: Some(Serde {
                name: Some("n".into()),
                library: Some("l".into()),
                parameters: map("serde"),
            }),
            view: Some(ViewText { original: "v".into(), expanded: Some("w".into()) }),
            link: None,
            parameters: map("table"),
            kept: Kept {
                last_access_time: Timestamp::from_second(5).ok(),
                last_analyzed_time: Timestamp::from_second(6).ok(),
                additional_locations: vec!["s3://lake/u/".into()],
                compressed: true,
                number_of_buckets: 4,
                bucket_columns: vec!["a".into()],
                sort_columns: vec![("b".into(), 1)],
                storage_parameters: map("storage"),
                skewed: Some(Skewed {
                    columns: vec!["a".into()],
                    values: vec!["1".into()],
                    locations: map("skew"),
                }),
                stored_as_sub_directories: true,
                schema_reference: Some(SchemaReference {
                    schema_arn: None,
                    schema_name: Some("s".into()),
                    registry_name: Some("r".into()),
                    version_id: None,
                    version_number: Some(3),
                }),
                unwritten: None,
            },
        };
        let input = table_input("t", &definition).expect("input");
        let back = observed_table(&answered(&input));
        assert_eq!(back.definition, definition);
        assert_eq!(back.version.as_deref(), Some("7"));
    }

    #[test]
    fn a_partition_that_moves_keeps_its_own_schema_and_the_parameters_of_others() {
        let storage = StorageDescriptor::builder()
            .columns(GlueColumn::builder().name("old").build().expect("column"))
            .input_format("in")
            .location("s3://lake/old/")
            .build();
        let there =
            Partition::builder().values("1").parameters("rows", "7").storage_descriptor(storage).build();
        let entry = PartitionEntry::new(vec!["1".into()], "s3://lake/new/".into(), Some("me".into()));
        let parameters = |input: &PartitionInput| sorted(input.parameters());
        let theirs = ("rows".to_owned(), "7".to_owned());
        let mark = (OWNER_PARAMETER.to_owned(), "me".to_owned());
        let mut like = TableDefinition {
            columns: vec![Column { name: "new".into(), ..Column::default() }],
            ..TableDefinition::default()
        };
        like.parameters.insert(COLUMNS_PARAMETER.to_owned(), String::new());
        let moved = partition_moved(&there, &entry, &like).expect("input");
        let storage = moved.storage_descriptor().expect("storage");
        assert_eq!(storage.location(), Some("s3://lake/new/"));
        assert_eq!((storage.columns()[0].name(), storage.input_format()), ("old", Some("in")));
        assert_eq!(parameters(&moved), [mark.clone(), theirs.clone()].into());
        let taking = PartitionEntry { takes_columns: true, ..entry.clone() };
        let given = partition_moved(&there, &taking, &like).expect("input");
        let columns = (COLUMNS_PARAMETER.to_owned(), ColumnsMark::of(&like).to_string());
        assert_eq!(parameters(&given), [mark, columns, theirs.clone()].into());
        let storage = given.storage_descriptor().expect("storage");
        assert_eq!((storage.columns()[0].name(), storage.input_format()), ("new", Some("in")));
        let there = Partition::builder()
            .set_parameters(given.parameters().cloned())
            .storage_descriptor(storage.clone())
            .build();
        let released =
            partition_moved(&there, &PartitionEntry { owner: None, ..entry }, &like).expect("input");
        assert_eq!(parameters(&released), [theirs].into());
    }

    #[test]
    fn a_table_without_partition_keys_says_so_by_an_empty_list() {
        let input = table_input("t", &TableDefinition::default()).expect("input");
        assert_eq!(input.partition_keys.as_deref(), Some(&[][..]));
    }
}
