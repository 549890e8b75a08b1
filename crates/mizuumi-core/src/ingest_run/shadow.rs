//! Shadow tables: tables like a run's own that its work writes to by name. Each is made for one attempt and deleted after it.
//!
//! A shadow is the run's, from its creation to its end: the run's driver makes it, reads it and deletes it, and the driver of
//! the run's table never sees it. Only the work writes to it in between, and whatever that does, nothing is deleted but what still
//! says of itself that it is a shadow of this run. Audit tables, over which gates query what a run has brought, are of the same kind,
//! and nobody writes to them.

mod audit;
mod brought;

use std::collections::BTreeMap;

use mizuumi_api::ingest_run::{
    IngestRun, IngestRunStatus, OutputMode, RunAttempt, RunAttemptState, RunPhase, ShadowStatus,
};
use mizuumi_api::{Installation, Reason};

pub(super) use self::audit::Audited;
pub(super) use self::brought::brought;
use super::desired::TargetTable;
use super::plan::RunStep;
use super::world::RunWorld;
use crate::data_table::definition::{OUR_PREFIX, OWNER_PARAMETER};
use crate::data_table::{Column, PartitionValues, Serde, TableDefinition, TableKey};
use crate::owner::{self, OwnerKey};
use crate::plan::Plan;
use crate::problem::Problem;
use crate::publication::sha256;

/// The parameter of a shadow that names the table that it stands for.
const SHADOW_OF_PARAMETER: &str = "mizuumi.shadow_of";
/// So many hexadecimal digits of a hash tell the shadows of one run from those of others.
const DIGITS: usize = 8;
/// What statistics say is true of the table that they were made of.
const STATISTICS: [&str; 9] = [
    "COLUMN_STATS_ACCURATE",
    "averageRecordSize",
    "numFiles",
    "numRows",
    "objectCount",
    "rawDataSize",
    "recordCount",
    "totalSize",
    "transient_lastDdlTime",
];
/// Statistics of Spark.
const SPARK_STATISTICS: &str = "spark.sql.statistics.";
/// By these Hive deletes the files of a table that is dropped.
const PURGES: [&str; 2] = ["auto.purge", "external.table.purge"];
/// The parameter of the serde by which Spark finds the files of a table that it made itself, whatever its location.
const SPARK_PATH: &str = "path";

/// What a run is told whose shadow may not be made.
const NOT_ALLOWED: &str = "the installation's configuration has no `shadows` any more, so no run may write to a table by name; ask \
                           the platform team";

/// The shadow tables of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShadowTables {
    /// The Glue database that they are looked for in.
    pub database: String,
    /// The one that they may be made in, if the installation has one.
    allowed: Option<String>,
    /// Whose they are, but for their own names.
    owner: OwnerKey,
    /// Parameters of the run's table that they must not have.
    without: Vec<String>,
    /// The one that the status speaks of.
    known: Option<ShadowStatus>,
    /// The audit table that it speaks of.
    audit: Option<ShadowStatus>,
}

/// Which shadow tables to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShadowLook {
    /// The Glue database.
    pub database: String,
    /// What their names begin with.
    pub prefix: String,
    /// The table that they stand for, if that matters.
    pub target: Option<TableKey>,
    /// The one whose partitions are looked at.
    pub partitions_of: Option<String>,
    /// The audit table whose partitions are looked at.
    pub audited: Option<String>,
}

/// Shadow tables as they were seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeenShadows {
    /// Whether the database exists.
    pub database_exists: bool,
    /// The tables of such names, whoever made them.
    pub tables: BTreeMap<String, TableDefinition>,
    /// The table that they stand for, if it was looked at and is there.
    pub target: Option<TableDefinition>,
    /// The partitions that are registered in one of them, if they were looked at.
    pub partitions: Option<BTreeMap<PartitionValues, ShadowPartition>>,
    /// How their files are read.
    pub stored: Vec<StoredAs>,
    /// Where the partitions of the audit table point to, if they were looked at.
    pub audited: Option<BTreeMap<PartitionValues, Option<String>>>,
}

/// A partition of a shadow table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShadowPartition {
    /// Where its data is.
    pub location: Option<String>,
    /// How its files are read: a place in [`SeenShadows::stored`].
    pub stored: usize,
}

/// How files are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredAs {
    /// Their columns; none where the partition says none.
    pub columns: Vec<Column>,
    /// Java class of the input format.
    pub input_format: Option<String>,
    /// The serde.
    pub serde: Option<Serde>,
}

/// Why a run that writes by name cannot be in this installation, if it has not begun.
pub(super) fn problems(object: &IngestRun, installation: &Installation) -> Option<Problem> {
    let begun = object.status.as_ref().is_some_and(|status| {
        status.shadow.is_some() || status.manifest.is_some() || status.phase.is_some_and(RunPhase::is_over)
    });
    (writes_by_name(object) && installation.shadows.is_none() && !begun).then(|| {
        let message = format!(
            "installation '{}' has no `shadows`, so no run may write to a table by name; ask the platform team, or write to \
             `${{output}}`",
            installation.installation
        );
        Problem::not_allowed("spec.output.mode", message)
    })
}

fn writes_by_name(object: &IngestRun) -> bool {
    object.spec.output.as_ref().is_some_and(|output| output.mode == OutputMode::ShadowTable)
}

impl ShadowTables {
    /// Those of a run, if it has or may have any.
    #[must_use]
    pub fn of(object: &IngestRun, installation: &Installation) -> Option<Self> {
        let speaks_of_one = object.status.as_ref().is_some_and(|status| status.shadow.is_some());
        (writes_by_name(object) || speaks_of_one).then(|| Self::of_any(object, installation)).flatten()
    }

    /// The same, whether or not its work writes by name: its gates may need the rows of what it brings.
    #[must_use]
    pub fn of_any(object: &IngestRun, installation: &Installation) -> Option<Self> {
        let status = object.status.as_ref();
        let known = status.and_then(|status| status.shadow.clone());
        let audit = status.and_then(|status| status.audit.clone());
        let allowed = installation.shadows.as_ref().map(|shadows| shadows.database.clone());
        let of_known = known.as_ref().or(audit.as_ref()).map(|known| known.database.clone());
        let database = of_known.or_else(|| allowed.clone())?;
        let times = &installation.freshness_parameters;
        Some(Self {
            database,
            allowed,
            owner: OwnerKey {
                installation: installation.installation.clone(),
                namespace: object.metadata.namespace.clone().unwrap_or_default(),
                kind: "IngestRun",
                name: object.metadata.name.clone().unwrap_or_default(),
                external: String::new(),
            },
            without: vec![times.loaded_at.clone(), times.data_time.clone(), times.fresh_until.clone()],
            known,
            audit,
        })
    }

    /// Those that nobody needs any more, if the status speaks of any.
    #[must_use]
    pub fn left_over(object: &IngestRun, installation: &Installation) -> Option<Self> {
        Self::of(object, installation).filter(|tables| tables.is_left_over(object)).or_else(|| {
            Self::of_any(object, installation).filter(|all| all.audit.is_some() && is_settled(object))
        })
    }

    /// Those that may be there of a run that is being deleted.
    #[must_use]
    pub fn of_deleted(object: &IngestRun, installation: &Installation) -> Option<Self> {
        let status = object.status.as_ref();
        // One that has worked and remembers no shadow has none. Of what a status that was lost does not tell, the names do.
        let may_have = status.is_none_or(|status| status.shadow.is_some() || status.attempt.is_none());
        let may_be_audited = status.is_none_or(|status| status.audit.is_some() || status.phase.is_none());
        let of_work = Self::of(object, installation).filter(|_| may_have);
        of_work.or_else(|| Self::of_any(object, installation).filter(|_| may_be_audited))
    }

    /// What their names begin with. It comes from the run alone, so that all of them are found even if the status is lost.
    #[must_use]
    pub fn prefix(&self) -> String {
        let mut hash = sha256(self.owner.to_string().as_bytes());
        hash.truncate(DIGITS);
        format!("shadow_{}_{hash}_a", self.owner.name.replace(['-', '.'], "_"))
    }

    /// The name of an attempt's.
    fn name(&self, attempt: i64) -> String {
        format!("{}{attempt}", self.prefix())
    }

    /// `database.table` of an attempt's.
    #[must_use]
    pub fn external(&self, attempt: i64) -> String {
        format!("{}.{}", self.allowed.as_ref().unwrap_or(&self.database), self.name(attempt))
    }

    /// The mark that the table of a name bears, if it is one of them.
    fn mark(&self, database: &str, name: &str) -> String {
        OwnerKey { external: format!("{database}.{name}"), ..self.owner.clone() }.to_string()
    }

    fn is_ours(&self, name: &str, table: &TableDefinition) -> bool {
        table.owner_mark() == Some(self.mark(&self.database, name).as_str())
    }

    /// Those of them that are there.
    fn ours<'a>(&'a self, seen: &'a SeenShadows) -> impl Iterator<Item = &'a str> {
        let ours = seen.tables.iter().filter(|(name, table)| self.is_ours(name, table));
        ours.map(|(name, _)| name.as_str())
    }

    /// The look at them.
    #[must_use]
    pub fn look(&self) -> ShadowLook {
        ShadowLook {
            database: self.database.clone(),
            prefix: self.prefix(),
            target: None,
            partitions_of: None,
            audited: None,
        }
    }

    /// The same, for work that is about to begin or has ended.
    pub(super) fn look_for_work(&self, table: &TargetTable, done: Option<&RunAttempt>) -> ShadowLook {
        let keyed = done.filter(|_| !table.keys.is_empty());
        ShadowLook {
            target: Some(table.key.clone()),
            partitions_of: keyed.map(|attempt| self.name(attempt.number)),
            ..self.look()
        }
    }

    /// Whether the one that the status speaks of is of no more use: its attempt has failed, or what it brought is known.
    #[must_use]
    pub fn is_left_over(&self, object: &IngestRun) -> bool {
        let (Some(known), Some(status)) = (&self.known, &object.status) else { return false };
        let of_attempt = status.attempt.as_ref().filter(|attempt| {
            attempt.output_table.as_deref() == Some(&format!("{}.{}", known.database, known.table))
        });
        is_settled(object)
            || object.metadata.deletion_timestamp.is_some()
            || of_attempt.is_some_and(|attempt| {
                matches!(attempt.state, RunAttemptState::Failed | RunAttemptState::Lost)
            })
    }

    /// Whether this is the one that the status spoke of when all this was decided.
    pub(super) fn knows(&self, status: Option<&IngestRunStatus>) -> bool {
        let named = |shadow: &ShadowStatus| (shadow.database.clone(), shadow.table.clone());
        let of = |shadow: Option<&ShadowStatus>| shadow.map(named);
        let told = status.map(|status| (of(status.shadow.as_ref()), of(status.audit.as_ref())));
        told.unwrap_or_default() == (of(self.known.as_ref()), of(self.audit.as_ref()))
    }

    /// Whether none of them is there any more.
    #[must_use]
    pub fn are_gone(&self, seen: Option<&SeenShadows>) -> bool {
        seen.is_some_and(|seen| self.ours(seen).next().is_none())
    }

    /// Profile that the one was made with that the status speaks of.
    pub(super) fn profile(&self) -> Option<&str> {
        self.known.as_ref().or(self.audit.as_ref()).map(|known| known.profile.as_str())
    }

    /// Deletes those that are there.
    pub(super) fn sweep(&self, profile: &str, seen: Option<&SeenShadows>) -> Vec<RunStep> {
        let delete = |name: &str| RunStep::DeleteShadow {
            profile: profile.to_owned(),
            database: self.database.clone(),
            table: name.to_owned(),
            owner: self.mark(&self.database, name),
        };
        seen.into_iter().flat_map(|seen| self.ours(seen)).map(delete).collect()
    }

    /// The shadow of a table as it is to be for an attempt.
    fn definition(&self, target: &TableDefinition, of: &TableKey, attempt: &RunAttempt) -> TableDefinition {
        let description = format!(
            "Stands for {of} while attempt {} of IngestRun '{}' in namespace '{}' writes; it is deleted by itself",
            attempt.number, self.owner.name, self.owner.namespace
        );
        let database = self.allowed.as_ref().unwrap_or(&self.database);
        let mark = self.mark(database, &self.name(attempt.number));
        self.like_target(target, of, mark, &attempt.output, description)
    }

    /// A table like another, whose files are elsewhere.
    fn like_target(
        &self,
        target: &TableDefinition,
        of: &TableKey,
        mark: String,
        output: &str,
        description: String,
    ) -> TableDefinition {
        let mut table = target.clone();
        table.description = Some(description);
        table.table_type = Some("EXTERNAL_TABLE".to_owned());
        table.location = Some(output.to_owned());
        table.kept.additional_locations.clear();
        table.kept.last_access_time = None;
        table.kept.last_analyzed_time = None;
        if let Some(skewed) = &mut table.kept.skewed {
            skewed.locations.clear();
        }
        if let Some(path) = table.serde.as_mut().and_then(|serde| serde.parameters.get_mut(SPARK_PATH)) {
            output.clone_into(path);
        }
        table.parameters.retain(|key, _| {
            !key.starts_with(OUR_PREFIX)
                && !key.starts_with(SPARK_STATISTICS)
                && !STATISTICS.contains(&key.as_str())
                && !PURGES.contains(&key.as_str())
                && !self.without.contains(key)
        });
        let marks =
            [("EXTERNAL", "TRUE".to_owned()), (OWNER_PARAMETER, mark), (SHADOW_OF_PARAMETER, of.to_string())];
        table.parameters.extend(marks.map(|(key, value)| (key.to_owned(), value)));
        table
    }

    /// What has to be done before an attempt's work can begin; none if its shadow is there.
    pub(super) fn before(
        &self,
        table: &TargetTable,
        attempt: &RunAttempt,
        world: &RunWorld,
    ) -> Option<Plan<RunStep>> {
        let Some(seen) = &world.shadows else {
            let message = format!("looking for shadow tables in database '{}'", self.database);
            return Some(Plan::converge(Reason::Running, message, Vec::new()));
        };
        let Some(allowed) = &self.allowed else {
            return Some(Plan::blocked(Reason::NotAllowed, NOT_ALLOWED));
        };
        let name = self.name(attempt.number);
        let profile = &table.key.profile;
        let wanted = match likable(&table.key, seen) {
            Ok(target) => self.definition(target, &table.key, attempt),
            Err((reason, message)) => return Some(Plan::blocked(reason, message)),
        };
        // What the status does not speak of, or is not as it is to be, is of an earlier life of the run.
        let is_known =
            self.known.as_ref().is_some_and(|known| (&known.database, &known.table) == (allowed, &name));
        let there = seen.tables.get(&name).filter(|_| self.database == *allowed);
        if is_known && there.is_some_and(|there| self.is_ours(&name, there) && stands_for(there, &wanted)) {
            return None;
        }
        let left = self.sweep(profile, Some(seen));
        if let Some(first) = left.first() {
            return Some(Plan::converge(Reason::Running, first.to_string(), left));
        }
        if !seen.database_exists && self.database == *allowed {
            let message = format!(
                "there is no Glue database '{allowed}', which the installation's configuration has for shadow tables; ask the \
                 platform team"
            );
            return Some(Plan::blocked(Reason::DatabaseNotFound, message));
        }
        if let Some(there) = there {
            let whose = there.owner_mark().map_or_else(|| "nobody".to_owned(), owner::in_words);
            let message = format!(
                "a table '{allowed}.{name}' is there already, and it is not this run's: it is marked as that of {whose}; delete it"
            );
            return Some(Plan::blocked(Reason::OwnedByAnother, message));
        }
        let step = RunStep::CreateShadow {
            shadow: ShadowStatus {
                database: allowed.clone(),
                table: name,
                profile: profile.clone(),
                message: None,
            },
            of: table.key.clone(),
            definition: Box::new(wanted),
        };
        Some(Plan::converge(Reason::Running, step.to_string(), vec![step]))
    }
}

/// The Glue table that a run is for, or why nothing can be made like it.
fn likable<'a>(of: &TableKey, seen: &'a SeenShadows) -> Result<&'a TableDefinition, (Reason, String)> {
    let Some(target) = &seen.target else {
        let message = format!("the Glue table '{of}' is not there yet, so nothing can be made like it");
        return Err((Reason::TableNotFound, message));
    };
    let projected = target.parameters.get("projection.enabled");
    let sort = if target.is_view() {
        Some("a view")
    } else if projected.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        Some("a table whose partitions Athena computes (`projection.enabled`)")
    } else {
        target.unsupported()
    };
    if let Some(sort) = sort {
        let message = format!("the Glue table '{of}' is {sort}, and nothing can be published into that");
        return Err((Reason::UnsupportedTable, message));
    }
    if target.columns.is_empty() {
        let message = format!(
            "the Glue table '{of}' has no columns yet, so nothing can be made like it; let the first run write to `${{output}}`, or \
             declare them"
        );
        return Err((Reason::AwaitingData, message));
    }
    Ok(target)
}

/// Whether a shadow is as it is to be; what engines note in it does not count.
fn stands_for(there: &TableDefinition, wanted: &TableDefinition) -> bool {
    let parts = |table: &TableDefinition| {
        let table = table.clone();
        (table.columns, table.partition_keys, table.location, table.input_format, table.serde)
    };
    parts(there) == parts(wanted)
}

/// Whether nothing more is done for a run than to publish what it has brought.
pub(super) fn is_settled(object: &IngestRun) -> bool {
    object
        .status
        .as_ref()
        .is_some_and(|status| status.manifest.is_some() || status.phase.is_some_and(RunPhase::is_over))
}
