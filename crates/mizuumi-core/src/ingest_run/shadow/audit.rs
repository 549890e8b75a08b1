//! Audit tables: each is over what a run has brought and nobody reads yet, so that gates can query it before it is published.

use std::collections::BTreeMap;

use mizuumi_api::Reason;
use mizuumi_api::ingest_run::ShadowStatus;

use super::super::desired::TargetTable;
use super::super::plan::RunStep;
use super::super::world::{OutputPartition, RunWorld};
use super::{ShadowLook, ShadowTables, likable};
use crate::data_table::partitions::{LARGEST_WRITE, PartitionEntry};
use crate::data_table::{Column, PartitionValues, TableDefinition, TableKey};
use crate::owner;
use crate::plan::Plan;
use crate::publication::sha256;
use crate::quality_check::facts::SeenColumn;

/// The parameter of an audit table that says by a digest what it was made as.
const MADE_AS_PARAMETER: &str = "mizuumi.made_as";

/// What is audited: the files of an attempt, or of somebody else's work.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Audited<'a> {
    /// The table that they are for.
    pub table: &'a TargetTable,
    /// The attempt that brought them; 0 where somebody else does the work.
    pub attempt: i64,
    /// The directory that they lie in.
    pub directory: &'a str,
}

impl ShadowTables {
    /// The audit table of an attempt.
    pub(in super::super) fn audit_table(&self, table: &TargetTable, attempt: i64) -> TableKey {
        TableKey {
            profile: table.key.profile.clone(),
            database: self.database.clone(),
            table: format!("{}_audit", self.name(attempt)),
        }
    }

    /// The look at it, beside whatever other look at them.
    pub(in super::super) fn look_for_audit(
        &self,
        table: &TargetTable,
        attempt: i64,
        beside: Option<ShadowLook>,
    ) -> ShadowLook {
        let audit = self.audit_table(table, attempt).table;
        ShadowLook {
            target: Some(table.key.clone()),
            audited: (!table.keys.is_empty()).then_some(audit),
            ..beside.unwrap_or_else(|| self.look())
        }
    }

    /// What has to be done before it can be queried; none if it is there wholly.
    pub(in super::super) fn before_audit(
        &self,
        audited: Audited<'_>,
        world: &RunWorld,
    ) -> Option<Plan<RunStep>> {
        let (Some(seen), Some(output)) = (&world.shadows, &world.output) else {
            let message = format!("looking for its audit table in database '{}'", self.database);
            return Some(Plan::converge(Reason::Running, message, Vec::new()));
        };
        let of = &audited.table.key;
        let key = self.audit_table(audited.table, audited.attempt);
        let wanted = match likable(of, seen) {
            Ok(target) => self.audit_definition(target, audited, &key),
            Err((reason, message)) => return Some(Plan::blocked(reason, message)),
        };
        let table = ShadowStatus {
            database: key.database.clone(),
            table: key.table.clone(),
            profile: key.profile.clone(),
            message: None,
        };
        let one = |step: RunStep| Some(Plan::converge(Reason::Running, step.to_string(), vec![step]));
        let Some(there) = seen.tables.get(&key.table) else {
            if !seen.database_exists {
                let message = format!(
                    "there is no Glue database '{}', which the installation's configuration has for audit tables; ask the platform \
                     team",
                    key.database
                );
                return Some(Plan::blocked(Reason::DatabaseNotFound, message));
            }
            return one(RunStep::CreateAudit { table, of: of.clone(), definition: Box::new(wanted) });
        };
        if !self.is_ours(&key.table, there) {
            let whose = there.owner_mark().map_or_else(|| "nobody".to_owned(), owner::in_words);
            let message = format!(
                "a table '{}.{}' is there already, and it is not this run's: it is marked as that of {whose}; delete it",
                key.database, key.table
            );
            return Some(Plan::blocked(Reason::OwnedByAnother, message));
        }
        let is_known = self
            .audit
            .as_ref()
            .is_some_and(|known| (&known.database, &known.table) == (&key.database, &key.table));
        let places = |(values, partition): (&PartitionValues, &OutputPartition)| {
            (values.clone(), partition.location.clone())
        };
        let mut missing: BTreeMap<PartitionValues, String> = output.partitions.iter().map(places).collect();
        let registered = seen.audited.iter().flatten();
        // Each that is registered is one of those that are there, or the table is of other files.
        let is_of_them = registered.into_iter().fold(true, |is, (values, location)| {
            missing.remove(values).is_some_and(|wanted| location.as_ref() == Some(&wanted)) && is
        });
        if !is_known || !is_of_them || made_as(there) != made_as(&wanted) {
            return one(RunStep::DeleteShadow {
                profile: key.profile,
                database: key.database.clone(),
                owner: self.mark(&key.database, &key.table),
                table: key.table,
            });
        }
        if audited.table.keys.is_empty() || missing.is_empty() {
            return None;
        }
        let entries: Vec<PartitionEntry> = missing
            .into_iter()
            .map(|(values, location)| PartitionEntry::new(values, location, None))
            .collect();
        let fill = |batch: &[PartitionEntry]| RunStep::FillAudit {
            table: table.clone(),
            definition: Box::new(wanted.clone()),
            partitions: batch.to_vec(),
        };
        let steps: Vec<RunStep> = entries.chunks(LARGEST_WRITE).map(fill).collect();
        let message = steps.first().map(ToString::to_string).unwrap_or_default();
        Some(Plan::converge(Reason::Running, message, steps))
    }

    /// It has the columns that readers will have once the run is published, whatever Glue says so far.
    fn audit_definition(
        &self,
        target: &TableDefinition,
        audited: Audited<'_>,
        key: &TableKey,
    ) -> TableDefinition {
        let of = &audited.table.key;
        let description = format!(
            "What IngestRun '{}' in namespace '{}' has brought for {of}, until the gates have judged it; it is deleted by itself",
            self.owner.name, self.owner.namespace
        );
        let mark = self.mark(&key.database, &key.table);
        let mut definition = self.like_target(target, of, mark, audited.directory, description);
        if let Ok(columns) = audited.table.columns.get() {
            let is_key = |name: &str| audited.table.keys.iter().any(|key| key.eq_ignore_ascii_case(name));
            let columns = columns.iter().filter(|column| !is_key(&column.name));
            let column = |column: &SeenColumn| Column {
                name: column.name.to_lowercase(),
                type_: Some(column.type_.clone()),
                ..Column::default()
            };
            definition.columns = columns.map(column).collect();
        }
        let digest = sha256(format!("{definition:?}").as_bytes());
        definition.parameters.insert(MADE_AS_PARAMETER.to_owned(), digest);
        definition
    }
}

fn made_as(table: &TableDefinition) -> Option<&String> {
    table.parameters.get(MADE_AS_PARAMETER)
}
