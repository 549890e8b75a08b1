//! Manifests of tables that exist: what a `DataTable` has to say so that taking the table over changes nothing in it.
//!
//! There may be several ways to say the same, from the plainest to the most literal. Which of them holds is not guessed: the
//! planner is asked what each would change.

mod projected;

use std::collections::BTreeMap;

use jiff::Timestamp;
use mizuumi_api::Installation;
use mizuumi_api::data_table::{
    self as api, AdoptionPolicy, Bucketing, DataTable, DataTableSpec, DatabasePolicy, DeletionPolicy, Format,
    ManagementPolicy, PartitionMode, Partitions, SchemaSource, Skewed, SortColumn, SortOrder, Storage,
    TableSchema, View,
};

use super::definition::{Column, OUR_PREFIX, TableDefinition};
use super::link::ObservedLink;
use super::storage::StorageClasses;
use super::{ObservedTable, TableKey, TableStep, TableWorld, Tables};
use crate::kind::Kind;
use crate::plan::Verdict;
use crate::s3_uri;

/// Parameters that engines and crawlers keep up to date for themselves: facts about the data, no part of a definition.
const FACTS: &[&str] = &[
    "transient_lastDdlTime",
    "last_modified_by",
    "last_modified_time",
    "numFiles",
    "numPartitions",
    "numRows",
    "rawDataSize",
    "totalSize",
    "COLUMN_STATS_ACCURATE",
    "recordCount",
    "sizeKey",
    "objectCount",
    "averageRecordSize",
    "UPDATED_BY_CRAWLER",
    "CrawlerSchemaSerializerVersion",
    "CrawlerSchemaDeserializerVersion",
    "presto_query_id",
    "presto_version",
    "trino_query_id",
    "trino_version",
    "metadata_location",
    "previous_metadata_location",
    "presto_view",
];
/// The same, by what they begin with. Spark's own copy of the schema is read by Spark alone, which writes it.
const FACTS_BEGIN: &[&str] = &["spark.sql.", OUR_PREFIX];
/// The owners that programs write, and no person means.
const NOBODY: &[&str] = &["hadoop", "owner", "root"];

/// What taking a table over as a manifest says would do to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Nothing, but for the marks that say whose it is.
    Same,
    /// This, in the words of the plan.
    Changes(Vec<String>),
    /// Nothing: it would be refused, and why.
    Refused(String),
}

/// The ways to say a table, the best first; or why there is none.
///
/// # Errors
/// In words, if it cannot be said at all.
pub fn candidates(key: &TableKey, table: &TableDefinition, name: &str) -> Result<Vec<DataTable>, String> {
    if let Some(link) = &table.link {
        let spec = DataTableSpec { link_to: Some(link_to(link)), ..bare(key, name) };
        return Ok(vec![DataTable::new(name, spec)]);
    }
    if table.columns.is_empty() {
        return Err("it has no columns in Glue, and a DataTable has to say some".to_owned());
    }
    if let Some(column) =
        table.columns.iter().chain(&table.partition_keys).find(|column| column.type_.is_none())
    {
        return Err(format!("its column '{}' has no type in Glue", column.name));
    }
    if let Some(why) = &table.kept.unwritten {
        return Err(format!("it is {why}, which a DataTable does not write"));
    }
    if table.is_view() {
        return view(key, table, name);
    }
    let location = table.location.as_deref().filter(|location| s3_uri::bucket_and_prefix(location).is_some());
    let Some(location) = location else {
        let where_ = table.location.as_deref().filter(|location| !location.is_empty());
        return Err(format!("its data is not in S3 but at '{}'", where_.unwrap_or("no location")));
    };
    let said = described(key, table, name);
    let spec = DataTableSpec { location: Some(s3_uri::canonical(location)), ..said };
    if table.is_iceberg() {
        let spec = DataTableSpec {
            format: Some(Format::Parquet),
            parameters: None,
            bucketing: None,
            skewed: None,
            management_policy: ManagementPolicy::ObserveOnly,
            adoption_policy: AdoptionPolicy::Never,
            ..spec
        };
        return Ok(vec![DataTable::new(name, spec)]);
    }
    let mut found = Vec::new();
    for spec in with_projection(spec, table) {
        found.extend(by_format(&spec, table));
        found.extend(by_classes(&spec, table));
    }
    // Where the parameters are what is in the way, they stay what they are: somebody else's.
    let bare: Vec<DataTableSpec> = found
        .iter()
        .filter(|spec| spec.parameters.is_some())
        .map(|spec| DataTableSpec { parameters: None, ..spec.clone() })
        .collect();
    found.extend(bare);
    if found.is_empty() {
        return Err(
            "Glue does not say how its files are read: input format, output format and serde".to_owned()
        );
    }
    Ok(found.into_iter().map(|spec| DataTable::new(name, spec)).collect())
}

/// What taking a table over would do to it.
#[must_use]
pub fn fit(candidate: &DataTable, there: &ObservedTable, installation: &Installation, now: Timestamp) -> Fit {
    let goal = match Tables::goal(candidate, installation) {
        Ok(goal) => goal,
        Err(problems) => {
            let listed: Vec<String> = problems.iter().map(ToString::to_string).collect();
            return Fit::Refused(listed.join("; "));
        }
    };
    let world = TableWorld { database_exists: true, table: Some(there.clone()), ..TableWorld::default() };
    let plan = Tables::plan(&goal, &world, now);
    if let Verdict::Blocked(reason, message) = &plan.verdict {
        return Fit::Refused(format!("{reason}: {message}"));
    }
    if plan.steps.iter().all(TableStep::only_takes_over) {
        return Fit::Same;
    }
    Fit::Changes(plan.steps.iter().flat_map(TableStep::lines).collect())
}

/// A name of Kubernetes for a table.
#[must_use]
pub fn resource_name(table: &str) -> String {
    let plain: String = table
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' })
        .take(63)
        .collect();
    let trimmed = plain.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if trimmed.is_empty() { "table".to_owned() } else { trimmed.to_owned() }
}

/// A spec that says nothing but which table it is.
fn bare(key: &TableKey, name: &str) -> DataTableSpec {
    let is_told_by_name = name.replace(['-', '.'], "_") == key.table;
    let profile = key.profile.clone();
    DataTableSpec {
        database: key.database.clone(),
        database_policy: DatabasePolicy::Require,
        name: (!is_told_by_name).then(|| key.table.clone()),
        profile: (profile != mizuumi_api::installation::DEFAULT_PROFILE).then_some(profile),
        description: None,
        owner: None,
        layer: None,
        producer: None,
        keep_versions: None,
        schema: None,
        partition_keys: None,
        location: None,
        view: None,
        link_to: None,
        format: None,
        serde_parameters: None,
        storage: None,
        bucketing: None,
        skewed: None,
        additional_locations: None,
        compressed: None,
        retention: None,
        schema_reference: None,
        parameters: None,
        partitions: None,
        partition_indexes: None,
        engines: None,
        freshness: None,
        approvals: None,
        deletion_policy: DeletionPolicy::Retain,
        management_policy: ManagementPolicy::Full,
        adoption_policy: AdoptionPolicy::IfUnowned,
        suspend: false,
    }
}

/// What a link stands for; what is its own as well goes without saying.
fn link_to(link: &ObservedLink) -> api::LinkTo {
    api::LinkTo {
        catalog_id: link.catalog.clone().filter(|catalog| Some(catalog) != link.own_catalog.as_ref()),
        database: link.database.clone(),
        table: link.table.clone(),
        region: link.region.clone(),
    }
}

/// All that does not depend on how the files are read.
fn described(key: &TableKey, table: &TableDefinition, name: &str) -> DataTableSpec {
    let kept = &table.kept;
    let parameters: BTreeMap<String, String> = table
        .parameters
        .iter()
        .filter(|(key, _)| !is_fact(key))
        // Both are there for every table over files, and a comment of a view for every view.
        .filter(|(key, _)| !(key.as_str() == "EXTERNAL" || (table.is_view() && key.as_str() == "comment")))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let key_of = |column: &Column| api::PartitionKey {
        name: column.name.clone(),
        type_: column.type_.clone().unwrap_or_default(),
        comment: comment(column),
    };
    let owner = table.owner.clone().filter(|owner| !owner.is_empty() && !NOBODY.contains(&owner.as_str()));
    let sorted = |(column, order): &(String, i32)| SortColumn {
        column: column.clone(),
        order: if *order == 0 { SortOrder::Descending } else { SortOrder::Ascending },
    };
    DataTableSpec {
        description: table.description.clone().filter(|text| !text.is_empty()),
        owner,
        schema: Some(columns(table)),
        partition_keys: some(table.partition_keys.iter().map(key_of).collect()),
        bucketing: (!kept.bucket_columns.is_empty() && kept.number_of_buckets > 0).then(|| Bucketing {
            columns: kept.bucket_columns.clone(),
            count: kept.number_of_buckets,
            sorted_by: some(kept.sort_columns.iter().map(sorted).collect()),
        }),
        skewed: kept.skewed.as_ref().filter(|skewed| !skewed.columns.is_empty()).map(|skewed| Skewed {
            columns: skewed.columns.clone(),
            values: skewed.values.clone(),
            locations: (!skewed.locations.is_empty()).then(|| skewed.locations.clone()),
        }),
        additional_locations: some(kept.additional_locations.clone()),
        compressed: kept.compressed.then_some(true),
        retention: (table.retention > 0).then_some(table.retention),
        parameters: (!parameters.is_empty()).then_some(parameters),
        ..bare(key, name)
    }
}

fn is_fact(key: &str) -> bool {
    FACTS.contains(&key) || FACTS_BEGIN.iter().any(|begin| key.starts_with(begin))
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn comment(column: &Column) -> Option<String> {
    column.comment.clone().filter(|comment| !comment.is_empty())
}

fn columns(table: &TableDefinition) -> TableSchema {
    let column = |column: &Column| api::Column {
        name: column.name.clone(),
        type_: column.type_.clone().unwrap_or_default(),
        comment: comment(column),
    };
    TableSchema {
        from: SchemaSource::Declared,
        evolution: None,
        cascade: None,
        columns: Some(table.columns.iter().map(column).collect()),
        avsc: None,
        avsc_from: None,
        crawler: None,
    }
}

fn view(key: &TableKey, table: &TableDefinition, name: &str) -> Result<Vec<DataTable>, String> {
    let text = table.view.as_ref().filter(|view| view.is_of_athena());
    let Some(text) = text else {
        return Err(
            "it is a view, but none of Athena's, which is the only sort that a DataTable writes".to_owned()
        );
    };
    let said = described(key, table, name);
    let spec = DataTableSpec {
        view: Some(View { sql: text.sql().trim().to_owned() }),
        partition_keys: None,
        bucketing: None,
        skewed: None,
        additional_locations: None,
        compressed: None,
        ..said
    };
    Ok(vec![DataTable::new(name, spec)])
}

/// The spec with the projection in its own words, and with the one that the parameters say literally.
fn with_projection(spec: DataTableSpec, table: &TableDefinition) -> Vec<DataTableSpec> {
    let Some(projection) = projected::of(table) else { return vec![spec] };
    let mut typed = spec.clone();
    if let Some(parameters) = &mut typed.parameters {
        parameters.retain(|key, _| !super::projection::is_parameter(key));
    }
    typed.parameters = typed.parameters.filter(|parameters| !parameters.is_empty());
    typed.partitions = Some(Partitions {
        mode: PartitionMode::Projected,
        declared: None,
        marker: None,
        quiet_period: None,
        lookback: None,
        prune: None,
        keep_superseded: None,
        projection: Some(projection),
    });
    vec![typed, spec]
}

/// By the word for its format, where there is one.
fn by_format(spec: &DataTableSpec, table: &TableDefinition) -> Option<DataTableSpec> {
    let serde = table.serde.as_ref()?;
    let is_it = |format: &Format| {
        let classes = StorageClasses::of_format(*format, None);
        table.input_format.as_deref() == Some(classes.input_format.as_str())
            && table.output_format.as_deref() == Some(classes.output_format.as_str())
            && serde.library == classes.serde.library
            && table.parameters.get("classification").map(String::as_str) == classes.classification
    };
    let all = [Format::Parquet, Format::Orc, Format::Avro, Format::Csv, Format::Json, Format::Text];
    let format = all.into_iter().find(is_it)?;
    let usual = StorageClasses::of_format(format, None).serde.parameters;
    let own: BTreeMap<String, String> = serde
        .parameters
        .iter()
        .filter(|(key, value)| usual.get(*key) != Some(value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let mut parameters = spec.parameters.clone().unwrap_or_default();
    parameters.remove("classification");
    Some(DataTableSpec {
        format: Some(format),
        serde_parameters: (!own.is_empty()).then_some(own),
        parameters: (!parameters.is_empty()).then_some(parameters),
        ..spec.clone()
    })
}

/// By the names of the classes.
fn by_classes(spec: &DataTableSpec, table: &TableDefinition) -> Option<DataTableSpec> {
    let serde = table.serde.as_ref()?;
    let parameters = (!serde.parameters.is_empty()).then(|| serde.parameters.clone());
    Some(DataTableSpec {
        storage: Some(Storage {
            input_format: table.input_format.clone()?,
            output_format: table.output_format.clone()?,
            serde: api::Serde { library: serde.library.clone()?, parameters },
        }),
        ..spec.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_name_that_kubernetes_takes() {
        for (table, name) in [
            ("web_orders", "web-orders"),
            ("_tmp", "tmp"),
            ("a.b", "a.b"),
            ("2024_logs", "2024-logs"),
            ("日本", "table"),
            ("x__y_", "x--y"),
        ] {
            assert_eq!(resource_name(table), name);
        }
    }
}
