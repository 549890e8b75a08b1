//! What a spec says of the files beyond their format: buckets, skew, further roots, a schema of the registry.

use mizuumi_api::data_table::{Bucketing, DataTableSpec, SchemaReference, Skewed, SortOrder};

use super::definition::{self, Column, Kept, TableDefinition};
use crate::problem::Problem;

/// Glue's numbers for the order of a column (`Order` of the API reference).
const ASCENDING: i32 = 1;
const DESCENDING: i32 = 0;

/// The fields that the spec sets; all others are left to whoever wrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    bucketing: Option<Bucketing>,
    skewed: Option<Skewed>,
    additional_locations: Option<Vec<String>>,
    compressed: Option<bool>,
    retention: Option<i32>,
    schema_reference: Option<SchemaReference>,
}

/// A field: its path in the spec, and in what `mizuumi.applied` remembers.
struct Field {
    path: &'static str,
    is_set: fn(&Layout) -> bool,
    set: fn(&Layout, &mut TableDefinition),
    /// What a person reads of it; none if it is as Glue makes it.
    shown: fn(&TableDefinition) -> Option<String>,
    take_off: fn(&mut TableDefinition),
}

const FIELDS: &[Field] = &[
    Field {
        path: "retention",
        is_set: |layout| layout.retention.is_some(),
        set: |layout, table| table.retention = layout.retention.unwrap_or_default(),
        shown: |table| (table.retention != 0).then(|| table.retention.to_string()),
        take_off: |table| table.retention = 0,
    },
    Field {
        path: "additionalLocations",
        is_set: |layout| layout.additional_locations.is_some(),
        set: |layout, table| {
            table.kept.additional_locations = layout.additional_locations.clone().unwrap_or_default();
        },
        shown: |table| some(table.kept.additional_locations.join(", ")),
        take_off: |table| table.kept.additional_locations.clear(),
    },
    Field {
        path: "compressed",
        is_set: |layout| layout.compressed.is_some(),
        set: |layout, table| table.kept.compressed = layout.compressed.unwrap_or_default(),
        shown: |table| table.kept.compressed.then(|| "true".to_owned()),
        take_off: |table| table.kept.compressed = false,
    },
    Field {
        path: "bucketing",
        is_set: |layout| layout.bucketing.is_some(),
        set: |layout, table| {
            if let Some(bucketing) = &layout.bucketing {
                set_bucketing(bucketing, &mut table.kept);
            }
        },
        shown: |table| buckets(&table.kept),
        take_off: |table| {
            // Glue answers -1 or 0 for a table without buckets, as its writer left it.
            table.kept.number_of_buckets = 0;
            table.kept.bucket_columns.clear();
            table.kept.sort_columns.clear();
        },
    },
    Field {
        path: "skewed",
        is_set: |layout| layout.skewed.is_some(),
        set: |layout, table| {
            if let Some(skewed) = &layout.skewed {
                table.kept.skewed = Some(definition::Skewed {
                    columns: skewed.columns.clone(),
                    values: skewed.values.clone(),
                    locations: skewed.locations.clone().unwrap_or_default(),
                });
            }
        },
        shown: |table| {
            let skewed = table.kept.skewed.as_ref().filter(|skewed| !skewed.columns.is_empty())?;
            let locations: Vec<String> =
                skewed.locations.iter().map(|(value, location)| format!(", {value} at {location}")).collect();
            Some(format!(
                "{} by {}{}",
                skewed.columns.join(", "),
                skewed.values.join(", "),
                locations.concat()
            ))
        },
        take_off: |table| table.kept.skewed = None,
    },
    Field {
        path: "schemaReference",
        is_set: |layout| layout.schema_reference.is_some(),
        set: |layout, table| {
            if let Some(reference) = &layout.schema_reference {
                table.kept.schema_reference = Some(definition::SchemaReference {
                    schema_arn: None,
                    schema_name: reference.schema.clone(),
                    registry_name: reference.registry.clone(),
                    version_id: reference.version_id.clone(),
                    version_number: reference.version_number,
                });
            }
        },
        shown: |table| {
            let reference = table.kept.schema_reference.as_ref()?;
            let number = reference.version_number.map(|number| format!("version {number}"));
            let parts = [
                &reference.registry_name,
                &reference.schema_name,
                &reference.schema_arn,
                &reference.version_id,
                &number,
            ];
            some(parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" "))
        },
        take_off: |table| table.kept.schema_reference = None,
    },
];

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn set_bucketing(bucketing: &Bucketing, kept: &mut Kept) {
    kept.number_of_buckets = bucketing.count;
    kept.bucket_columns.clone_from(&bucketing.columns);
    kept.sort_columns = bucketing
        .sorted_by
        .iter()
        .flatten()
        .map(|sort| {
            let order = match sort.order {
                SortOrder::Ascending => ASCENDING,
                SortOrder::Descending => DESCENDING,
            };
            (sort.column.clone(), order)
        })
        .collect();
}

/// As Hive's DDL says it.
fn buckets(kept: &Kept) -> Option<String> {
    let order = |(column, order): &(String, i32)| {
        format!("{column}{}", if *order == DESCENDING { " desc" } else { "" })
    };
    let sorted: Vec<String> = kept.sort_columns.iter().map(order).collect();
    if kept.bucket_columns.is_empty() && sorted.is_empty() && kept.number_of_buckets <= 0 {
        return None;
    }
    let sorted = if sorted.is_empty() { String::new() } else { format!(" sorted by {}", sorted.join(", ")) };
    Some(format!("by {}{sorted} into {} buckets", kept.bucket_columns.join(", "), kept.number_of_buckets))
}

impl Layout {
    /// Reads a spec; every problem is added to the list. Without columns, they are not known before the data is.
    pub(super) fn new(
        spec: &DataTableSpec,
        columns: Option<&Vec<Column>>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut check = |path: String, name: &String| {
            let is_it = |column: &Column| column.name.to_lowercase() == name.to_lowercase();
            if columns.is_some_and(|columns| !columns.iter().any(is_it)) {
                problems.push(Problem::invalid(path, format!("'{name}' is not one of spec.schema.columns")));
            }
        };
        if let Some(bucketing) = &spec.bucketing {
            for (index, name) in bucketing.columns.iter().enumerate() {
                check(format!("spec.bucketing.columns[{index}]"), name);
            }
            for (index, sort) in bucketing.sorted_by.iter().flatten().enumerate() {
                check(format!("spec.bucketing.sortedBy[{index}].column"), &sort.column);
            }
        }
        for (index, name) in spec.skewed.iter().flat_map(|skewed| &skewed.columns).enumerate() {
            check(format!("spec.skewed.columns[{index}]"), name);
        }
        Self {
            bucketing: spec.bucketing.clone(),
            skewed: spec.skewed.clone(),
            additional_locations: spec.additional_locations.clone(),
            compressed: spec.compressed,
            retention: spec.retention,
            schema_reference: spec.schema_reference.clone(),
        }
    }

    /// Sets what the spec says.
    pub(super) fn lay_over(&self, table: &mut TableDefinition) {
        for field in FIELDS.iter().filter(|field| (field.is_set)(self)) {
            (field.set)(self, table);
        }
    }

    /// The paths of what the spec says.
    pub(super) fn owned(&self) -> impl Iterator<Item = String> {
        FIELDS.iter().filter(|field| (field.is_set)(self)).map(|field| field.path.to_owned())
    }
}

/// Takes a field off that was ours.
pub(super) fn take_off(table: &mut TableDefinition, path: &str) {
    if let Some(field) = FIELDS.iter().find(|field| field.path == path) {
        (field.take_off)(table);
    }
}

/// Each field as a person reads it, by its path.
pub(super) fn shown(table: &TableDefinition) -> impl Iterator<Item = (&'static str, Option<String>)> {
    FIELDS.iter().map(|field| (field.path, (field.shown)(table)))
}
