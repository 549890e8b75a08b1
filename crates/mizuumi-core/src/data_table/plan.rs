//! What to do about a table. No IO, no clock: everything it needs is an argument.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::Reason;
use mizuumi_api::data_table::AdoptionPolicy;

use super::cascade;
use super::crawler::{self, CrawlerDefinition, CrawlerGoal};
use super::definition::{OWNER_PARAMETER, TableDefinition};
use super::desired::{DesiredTable, Mode};
use super::diff::{self, Change};
use super::evolution;
use super::indexes::{self, Next};
use super::learning::Trouble;
use super::partitions::{self, PartitionEntry};
use super::world::{ObservedTable, PartitionValues, TableWorld};
use super::{TableClaim, TableGoal, learning, looks, merge, publishing, superseded, versions};
use crate::owner;
use crate::plan::{Goal, Plan, Verdict};
use crate::s3_uri;

/// Between two looks whether an index is built that a deletion waits for.
const WHILE_BUILDING: SignedDuration = SignedDuration::from_secs(30);

/// One write to the catalog.
#[derive(Clone, Debug, PartialEq)]
pub enum TableStep {
    /// Make the database.
    CreateDatabase {
        /// Its name.
        name: String,
        /// Who asked for it, for people: nobody keeps a database.
        owner: String,
    },
    /// Make the table.
    CreateTable(Box<TableDefinition>),
    /// Replace the table's definition.
    UpdateTable {
        /// The version that the definition was made from; Glue refuses the update if there is another by now.
        from_version: Option<String>,
        /// The whole definition.
        to: Box<TableDefinition>,
        /// What differs.
        changes: Vec<Change>,
        /// Whether Glue keeps the old version.
        archive: bool,
        /// Why.
        why: Why,
    },
    /// Delete the table from the catalog. Its data stays.
    DeleteTable {
        /// The mark that the table must still carry. Glue's DeleteTable takes no version, so it is read once more
        /// just before; a change in between is not seen.
        owner: String,
    },
    /// Register partitions.
    CreatePartitions(Vec<PartitionEntry>),
    /// Write partitions anew.
    UpdatePartitions(Vec<PartitionEntry>),
    /// Give partitions the table's columns, and leave them what they are else.
    CascadeColumns(Vec<PartitionEntry>),
    /// Remove partitions from the catalog. Their data stays.
    DeletePartitions(Vec<PartitionValues>),
    /// Remove partitions from the catalog that were not there before the run that is taken back. Their data stays.
    WithdrawPartitions(Vec<PartitionEntry>),
    /// Write beside the manifests that nothing points to these runs' data any more.
    MarkSuperseded {
        /// The table's root.
        root: String,
        /// The runs.
        runs: Vec<String>,
        /// Since when.
        since: Timestamp,
    },
    /// Take that back: something points to these runs' data again.
    UnmarkSuperseded {
        /// The table's root.
        root: String,
        /// The runs, each with since when it was so.
        runs: Vec<(String, Timestamp)>,
    },
    /// Delete the data of runs that nothing points to any more.
    DeleteSuperseded {
        /// The table's root.
        root: String,
        /// The mark that the table must still carry.
        owner: String,
        /// The runs, each with since when.
        runs: Vec<(String, Timestamp)>,
    },
    /// Delete old versions of the definition.
    DeleteVersions(Vec<String>),
    /// Have an index over the partitions built.
    CreateIndex {
        /// Its name.
        name: String,
        /// Its keys, in order.
        keys: Vec<String>,
    },
    /// Remove an index over the partitions.
    DeleteIndex {
        /// Its name.
        name: String,
    },
    /// Make the crawler.
    CreateCrawler(Box<CrawlerDefinition>),
    /// Have the crawler be as it is to be.
    UpdateCrawler {
        /// The whole of it.
        to: Box<CrawlerDefinition>,
        /// What differs.
        changes: Vec<String>,
    },
    /// Have the crawler look at the data, which costs money.
    StartCrawler {
        /// Its name.
        name: String,
        /// The mark that it must still carry.
        owner: String,
        /// The last crawl that is known; if there is another by now, there is no need.
        last: Option<Timestamp>,
    },
    /// Have the crawler stop, so that it can be deleted.
    StopCrawler {
        /// Its name.
        name: String,
        /// The mark that it must still carry.
        owner: String,
    },
    /// Delete the crawler.
    DeleteCrawler {
        /// Its name.
        name: String,
        /// The mark that it must still carry.
        owner: String,
    },
    /// Delete tables that the crawler made.
    DeleteCrawledTables {
        /// Where they are.
        database: String,
        /// The crawler that they must still name.
        crawler: String,
        /// Their names.
        names: Vec<String>,
    },
}

/// Why a table is updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The spec is new.
    Spec,
    /// Somebody else changed what the spec says.
    Drift,
    /// The data is newer.
    Freshness,
    /// Nobody's table becomes ours.
    Adoption,
    /// Ours becomes nobody's.
    Release,
    /// It is to point to another run's data.
    Publication,
}

impl TableStep {
    /// Whether it writes partitions, their indexes or a crawler, which what was seen of the data decides.
    #[must_use]
    pub const fn rests_on_data(&self) -> bool {
        match self {
            Self::CreateDatabase { .. }
            | Self::CreateTable(_)
            | Self::UpdateTable { .. }
            | Self::DeleteTable { .. } => false,
            Self::CreatePartitions(_)
            | Self::UpdatePartitions(_)
            | Self::CascadeColumns(_)
            | Self::DeletePartitions(_)
            | Self::WithdrawPartitions(_)
            | Self::CreateIndex { .. }
            | Self::MarkSuperseded { .. }
            | Self::UnmarkSuperseded { .. }
            | Self::DeleteSuperseded { .. }
            | Self::DeleteVersions(_)
            | Self::DeleteIndex { .. }
            | Self::CreateCrawler(_)
            | Self::UpdateCrawler { .. }
            | Self::StartCrawler { .. }
            | Self::StopCrawler { .. }
            | Self::DeleteCrawler { .. }
            | Self::DeleteCrawledTables { .. } => true,
        }
    }

    /// The definition that it gives the table.
    fn definition(&self) -> Option<&TableDefinition> {
        match self {
            Self::CreateTable(to) | Self::UpdateTable { to, .. } => Some(to),
            _ => None,
        }
    }

    /// The partitions that it writes.
    pub fn partitions(&self) -> impl Iterator<Item = &PartitionValues> {
        let (entries, values): (&[PartitionEntry], &[PartitionValues]) = match self {
            Self::CreatePartitions(batch)
            | Self::UpdatePartitions(batch)
            | Self::CascadeColumns(batch)
            | Self::WithdrawPartitions(batch) => (batch, &[]),
            Self::DeletePartitions(batch) => (&[], batch),
            Self::CreateDatabase { .. }
            | Self::CreateTable(_)
            | Self::UpdateTable { .. }
            | Self::DeleteTable { .. }
            | Self::MarkSuperseded { .. }
            | Self::UnmarkSuperseded { .. }
            | Self::DeleteSuperseded { .. }
            | Self::DeleteVersions(_)
            | Self::CreateIndex { .. }
            | Self::DeleteIndex { .. }
            | Self::CreateCrawler(_)
            | Self::UpdateCrawler { .. }
            | Self::StartCrawler { .. }
            | Self::StopCrawler { .. }
            | Self::DeleteCrawler { .. }
            | Self::DeleteCrawledTables { .. } => (&[], &[]),
        };
        entries.iter().map(|entry| &entry.values).chain(values)
    }

    /// The reason that the Event about this step carries.
    #[must_use]
    pub const fn event_reason(&self) -> &'static str {
        match self {
            Self::CreateDatabase { .. } => "DatabaseCreated",
            Self::CreateTable(_) => "TableCreated",
            Self::UpdateTable { why, .. } => match why {
                Why::Spec => "TableUpdated",
                Why::Drift => "DriftCorrected",
                Why::Freshness => "FreshnessTold",
                Why::Adoption => "TableAdopted",
                Why::Release => "TableReleased",
                Why::Publication => "TablePublished",
            },
            Self::DeleteTable { .. } => "TableDeleted",
            Self::CreatePartitions(_) => "PartitionsRegistered",
            Self::UpdatePartitions(_) => "PartitionsUpdated",
            Self::CascadeColumns(_) => "ColumnsCascaded",
            Self::DeletePartitions(_) | Self::WithdrawPartitions(_) => "PartitionsRemoved",
            Self::MarkSuperseded { .. } => "RunsSuperseded",
            Self::UnmarkSuperseded { .. } => "RunsInUseAgain",
            Self::DeleteSuperseded { .. } => "SupersededDataDeleted",
            Self::DeleteVersions(_) => "VersionsDeleted",
            Self::CreateIndex { .. } => "IndexRequested",
            Self::DeleteIndex { .. } => "IndexRemoved",
            Self::CreateCrawler(_) => "CrawlerCreated",
            Self::UpdateCrawler { .. } => "CrawlerUpdated",
            Self::StartCrawler { .. } => "CrawlerStarted",
            Self::StopCrawler { .. } => "CrawlerStopped",
            Self::DeleteCrawler { .. } => "CrawlerDeleted",
            Self::DeleteCrawledTables { .. } => "CrawledTablesDeleted",
        }
    }
}

impl TableStep {
    /// What the step does to the catalog, in the symbols of `terraform plan`.
    #[must_use]
    pub const fn symbol(&self) -> char {
        match self {
            Self::CreateDatabase { .. }
            | Self::CreateTable(_)
            | Self::CreatePartitions(_)
            | Self::CreateIndex { .. }
            | Self::MarkSuperseded { .. }
            | Self::CreateCrawler(_) => '+',
            Self::UpdateTable { .. }
            | Self::UpdatePartitions(_)
            | Self::CascadeColumns(_)
            | Self::UpdateCrawler { .. }
            | Self::StartCrawler { .. }
            | Self::StopCrawler { .. } => '~',
            Self::DeleteTable { .. }
            | Self::DeletePartitions(_)
            | Self::WithdrawPartitions(_)
            | Self::UnmarkSuperseded { .. }
            | Self::DeleteSuperseded { .. }
            | Self::DeleteVersions(_)
            | Self::DeleteIndex { .. }
            | Self::DeleteCrawler { .. }
            | Self::DeleteCrawledTables { .. } => '-',
        }
    }

    /// The step on lines of its own: what it is, then each change.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::UpdateTable { changes, why, .. } => {
                let news = news(changes).map(|change| format!("  {change}"));
                std::iter::once(why.in_words().to_owned()).chain(news).collect()
            }
            Self::CreateTable(definition) => {
                let columns =
                    [("columns", &definition.columns), ("partitionKeys", &definition.partition_keys)];
                let lines = columns.into_iter().flat_map(|(path, columns)| {
                    columns.iter().map(move |c| {
                        let type_ = c.type_.as_deref().unwrap_or_default();
                        format!("  + {path}.{}: {type_:?}", c.name)
                    })
                });
                std::iter::once(self.to_string()).chain(lines).collect()
            }
            other => vec![other.to_string()],
        }
    }
}

impl Why {
    const fn in_words(self) -> &'static str {
        match self {
            Self::Spec => "update table",
            Self::Drift => "put table back as the spec says",
            Self::Freshness => "tell freshness",
            Self::Adoption => "take table over",
            Self::Release => "release table",
            Self::Publication => "publish table",
        }
    }
}

impl fmt::Display for TableStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateDatabase { name, .. } => write!(f, "create database '{name}'"),
            Self::CreateTable(definition) => write!(
                f,
                "create table: {}, {}, at {}",
                count(definition.columns.len(), "column"),
                count(definition.partition_keys.len(), "partition key"),
                definition.location.as_deref().unwrap_or("no location"),
            ),
            Self::UpdateTable { changes, why, .. } => {
                let lines: Vec<String> = news(changes).map(ToString::to_string).collect();
                let lines = if lines.is_empty() { "marks only".to_owned() } else { lines.join("; ") };
                write!(f, "{}: {lines}", why.in_words())
            }
            Self::DeleteTable { .. } => f.write_str("delete table from the catalog (data stays)"),
            Self::CreatePartitions(batch) => {
                write!(
                    f,
                    "register {}{}: {}",
                    count(batch.len(), "partition"),
                    of_run(batch),
                    some(batch.iter().map(|e| &e.values))
                )
            }
            Self::UpdatePartitions(batch) => {
                write!(
                    f,
                    "update {}{}: {}",
                    count(batch.len(), "partition"),
                    of_run(batch),
                    some(batch.iter().map(|e| &e.values))
                )
            }
            Self::CascadeColumns(batch) => {
                let listed = some(batch.iter().map(|entry| &entry.values));
                write!(f, "give {} the table's columns: {listed}", count(batch.len(), "partition"))
            }
            Self::DeletePartitions(batch) => {
                let listed = some(batch.iter());
                write!(
                    f,
                    "remove {} from the catalog (data stays): {listed}",
                    count(batch.len(), "partition")
                )
            }
            Self::WithdrawPartitions(batch) => {
                let listed = some(batch.iter().map(|entry| &entry.values));
                let number = count(batch.len(), "partition");
                write!(f, "take {number} back from the catalog (data stays): {listed}")
            }
            Self::MarkSuperseded { runs, .. } => write!(
                f,
                "note that nothing points to the data of {} any more: {}",
                count(runs.len(), "run"),
                names(runs.iter())
            ),
            Self::UnmarkSuperseded { runs, .. } => write!(
                f,
                "note that something points to the data of {} again: {}",
                count(runs.len(), "run"),
                names(runs.iter().map(|(run, _)| run))
            ),
            Self::DeleteSuperseded { runs, .. } => write!(
                f,
                "delete the data of {} that nothing points to any more: {}",
                count(runs.len(), "run"),
                names(runs.iter().map(|(run, _)| run))
            ),
            Self::DeleteVersions(versions) => {
                let number = count(versions.len(), "earlier version");
                write!(f, "delete {number} of the definition: {}", names(versions.iter()))
            }
            Self::CreateIndex { name, keys } => {
                write!(f, "build partition index '{name}' over {}", keys.join(", "))
            }
            Self::DeleteIndex { name } => write!(f, "remove partition index '{name}'"),
            Self::CreateCrawler(to) => write!(f, "create crawler '{}' over {}", to.name, to.path),
            Self::UpdateCrawler { to, changes } => {
                write!(f, "update crawler '{}': {}", to.name, changes.join("; "))
            }
            Self::StartCrawler { name, .. } => write!(f, "start crawler '{name}', which costs money"),
            Self::StopCrawler { name, .. } => write!(f, "stop crawler '{name}'"),
            Self::DeleteCrawler { name, .. } => write!(f, "delete crawler '{name}'"),
            Self::DeleteCrawledTables { database, crawler, names } => {
                let number = count(names.len(), "table");
                write!(f, "delete {number} of crawler '{crawler}' from '{database}': {}", names.join(", "))
            }
        }
    }
}

/// The changes that people want to read of.
fn news(changes: &[Change]) -> impl Iterator<Item = &Change> {
    changes.iter().filter(|change| change.is_news())
}

fn count(number: usize, of: &str) -> String {
    format!("{number} {of}{}", if number == 1 { "" } else { "s" })
}

/// The run that partitions are to point to.
fn of_run(batch: &[PartitionEntry]) -> String {
    let run = batch.first().and_then(|entry| entry.pointer.as_ref());
    run.map_or_else(String::new, |pointer| format!(" to point to run '{}'", pointer.run.run))
}

/// The first three partitions, by their values.
fn some<'a>(partitions: impl ExactSizeIterator<Item = &'a PartitionValues>) -> String {
    first_three(partitions.map(|values| format!("[{}]", values.join(", "))))
}

/// The first three names.
fn names<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    first_three(names.map(|name| format!("'{name}'")))
}

fn first_three(all: impl ExactSizeIterator<Item = String>) -> String {
    let more = all.len().saturating_sub(3);
    let mut listed: Vec<String> = all.take(3).collect();
    if more > 0 {
        listed.push(format!("and {more} more"));
    }
    listed.join(", ")
}

/// What to do about a table.
#[must_use]
pub fn plan(goal: &TableGoal, world: &TableWorld, now: Timestamp) -> Plan<TableStep> {
    match goal {
        Goal::Present(desired) => presence(desired, world, now),
        Goal::Absent(claim) => with_crawler(absence(claim, world, now), claim, world, now),
        Goal::Released(claim) => with_crawler(release(claim, world), claim, world, now),
    }
}

/// The plan of a table that is let go, with what becomes of its crawler.
fn with_crawler(
    plan: Plan<TableStep>,
    claim: &TableClaim,
    world: &TableWorld,
    now: Timestamp,
) -> Plan<TableStep> {
    let (Some(crawler), Some(seen), true) = (&claim.crawler, &world.crawler, claim.may_write) else {
        return plan;
    };
    let mut steps = crawler::removal(crawler, &claim.owner, seen);
    let waits = crawler::stopping(world, &claim.owner);
    if steps.is_empty() && waits.is_none() {
        return plan;
    }
    let wake_at = if waits.is_some() { now.checked_add(WHILE_BUILDING).ok() } else { None };
    let why = waits.unwrap_or_else(|| format!("crawler '{}' is being deleted", crawler.name));
    steps.extend(plan.steps);
    let wake_at = [plan.wake_at, wake_at].into_iter().flatten().min();
    match plan.verdict {
        Verdict::InSync => Plan { wake_at, ..Plan::converge(Reason::Deleting, why, steps) },
        verdict => Plan { steps, verdict, wake_at },
    }
}

fn presence(desired: &DesiredTable, world: &TableWorld, now: Timestamp) -> Plan<TableStep> {
    let external = &desired.owner.external;
    let database = external.split('.').next().unwrap_or_default();
    let mut first = Vec::new();
    if !world.database_exists {
        if !desired.makes_database || desired.mode == Mode::ObserveOnly {
            return Plan::blocked(
                Reason::DatabaseNotFound,
                format!(
                    "Glue database '{database}' does not exist; create it, and the table follows by itself, or set \
                     `spec.databasePolicy: Create`"
                ),
            );
        }
        let owner = desired.owner.to_string();
        first.push(TableStep::CreateDatabase { name: database.to_owned(), owner });
    }
    let learning::Learnt { desired, trouble, .. } = learning::learnt(desired, world);
    let desired = desired.as_ref();
    if let Some(trouble) = trouble.as_ref().filter(|_| desired.columns.is_empty()) {
        return without_columns(desired, world, trouble, now);
    }
    let Some(have) = &world.table else {
        let to = merge::merged(desired, world);
        return Plan::converge(
            Reason::Creating,
            format!("Glue table '{external}' does not exist yet"),
            first.into_iter().chain([TableStep::CreateTable(Box::new(to))]).collect(),
        );
    };
    if let Some(refusal) = unsupported(desired, have) {
        return refusal;
    }
    if desired.mode == Mode::ObserveOnly {
        return observed_only(desired, have, world, trouble, now);
    }
    if let Some(refusal) = refusal(desired, have) {
        return refusal;
    }
    if let Some(why) = publishing::is_in_the_way(desired, &have.definition) {
        return Plan::blocked(Reason::ReplacementRequired, why);
    }
    let held =
        if desired.mode == Mode::Suspended { None } else { evolution::held(desired, &have.definition) };
    let (mut steps, reason) = definition_steps(desired, have, world, held.is_some());
    if let Err(message) = same_partition_keys(desired, have) {
        return Plan::blocked(Reason::ReplacementRequired, message);
    }
    // What is held is held whole: a table that has moved in the same change has its partitions where they are.
    let stays = held.is_none() || publishing::policy(desired).is_some() || is_at(desired, &have.definition);
    let (data_steps, mut wake_at) =
        if stays { data_steps(desired, have, world, &steps, now) } else { (Vec::new(), None) };
    let reason = reason.or_else(|| (!data_steps.is_empty()).then_some(Reason::UpdatingPartitions));
    steps.extend(data_steps);
    let reason = match indexes::next(desired, world) {
        Next::Nothing => reason,
        Next::Step(step) => {
            steps.push(step);
            reason.or(Some(Reason::UpdatingIndexes))
        }
        // Who does not write does not wait for what was written either.
        Next::Wait(_) if desired.mode != Mode::Full => reason,
        Next::Wait(what) => {
            let look_again = now.checked_add(desired.looks.least).unwrap_or(Timestamp::MAX);
            wake_at = Some(wake_at.map_or(look_again, |moment| moment.min(look_again)));
            if reason.is_none() && held.is_none() {
                return Plan { wake_at, ..Plan::converge(Reason::UpdatingIndexes, what, steps) };
            }
            reason
        }
        // What else there is to do goes first.
        Next::Failed(why) if reason.is_none() && held.is_none() && desired.mode == Mode::Full => {
            return Plan { wake_at, ..Plan::blocked(Reason::IndexFailed, why) };
        }
        Next::Failed(_) => reason,
    };
    let (crawler_steps, due) = crawler::steps(desired, world, now);
    wake_at = [wake_at, due].into_iter().flatten().min();
    let reason = reason.or_else(|| (!crawler_steps.is_empty()).then_some(Reason::Crawling));
    steps.extend(crawler_steps);
    if let (None, None, Some(why)) = (&held, reason, stopping(desired, world)) {
        let wake_at = now.checked_add(WHILE_BUILDING).ok();
        return Plan { wake_at, ..Plan::converge(Reason::Crawling, why, steps) };
    }
    let verdict = match (held, reason) {
        (Some(held), _) => Verdict::Blocked(Reason::ApprovalRequired, held.message()),
        (None, None) if let Some(trouble) = trouble => trouble.verdict(),
        (None, None) => Verdict::InSync,
        (None, Some(reason)) => {
            let listed: Vec<String> = steps.iter().map(ToString::to_string).collect();
            Verdict::Converging(reason, listed.join("; "))
        }
    };
    // Its data goes on being looked for.
    if matches!(verdict, Verdict::Blocked(..))
        && let Some(due) = looks::of(desired, world, now)
    {
        wake_at = Some(wake_at.map_or(due.at, |moment| moment.min(due.at)));
    }
    Plan { steps, verdict, wake_at }
}

/// What is to be done about partitions and data, once the definition is written.
fn data_steps(
    desired: &DesiredTable,
    have: &ObservedTable,
    world: &TableWorld,
    before: &[TableStep],
    now: Timestamp,
) -> (Vec<TableStep>, Option<Timestamp>) {
    let (mut steps, wake_at) = partitions::steps(desired, world, now);
    // What the table says by the time that partitions are written.
    let table = before.iter().find_map(TableStep::definition).unwrap_or(&have.definition);
    steps.extend(cascade::steps(desired, table, world, &steps));
    // Data goes only when nothing else is to be done that it might be needed for.
    if before.is_empty() && steps.is_empty() {
        steps = superseded::steps(desired, world, now);
    }
    if before.is_empty() {
        steps.extend(versions::steps(desired, world));
    }
    (steps, wake_at)
}

/// What to do about a table whose columns nobody knows yet: at most its crawler.
fn without_columns(
    desired: &DesiredTable,
    world: &TableWorld,
    trouble: &Trouble,
    now: Timestamp,
) -> Plan<TableStep> {
    let have = world.table.as_ref().filter(|_| desired.mode != Mode::ObserveOnly);
    if let Some(refusal) = have.and_then(|have| unsupported(desired, have).or_else(|| refusal(desired, have)))
    {
        return refusal;
    }
    let (steps, wake_at) = crawler::steps(desired, world, now);
    if steps.is_empty() {
        return Plan { steps, verdict: trouble.clone().verdict(), wake_at };
    }
    let listed: Vec<String> = steps.iter().map(ToString::to_string).collect();
    Plan { wake_at, ..Plan::converge(Reason::Crawling, listed.join("; "), steps) }
}

/// Why the crawler of a table that needs none any more is still there.
fn stopping(desired: &DesiredTable, world: &TableWorld) -> Option<String> {
    let goes = matches!(desired.crawler, Some(CrawlerGoal::Removed(_))) && desired.mode == Mode::Full;
    crawler::stopping(world, &desired.owner).filter(|_| goes)
}

/// The difference that an observer sees: fields of the spec and partitions, no marks.
fn observed_only(
    desired: &DesiredTable,
    have: &ObservedTable,
    world: &TableWorld,
    trouble: Option<Trouble>,
    now: Timestamp,
) -> Plan<TableStep> {
    let to = merge::overlaid(desired, &have.definition);
    let changes = diff::changes(&have.definition, &to);
    let mut listed: Vec<String> = changes.iter().map(ToString::to_string).collect();
    let mut steps = Vec::new();
    if !changes.is_empty() {
        steps.push(TableStep::UpdateTable {
            from_version: have.version.clone(),
            to: Box::new(to),
            changes,
            archive: true,
            why: Why::Spec,
        });
    }
    let (partition_steps, wake_at) = partitions::steps(desired, world, now);
    let index_step = match indexes::next(desired, world) {
        Next::Step(step) => Some(step),
        Next::Nothing | Next::Wait(_) | Next::Failed(_) => None,
    };
    listed.extend(partition_steps.iter().chain(&index_step).map(ToString::to_string));
    steps.extend(partition_steps);
    steps.extend(index_step);
    if steps.is_empty() {
        let verdict = trouble.map_or(Verdict::InSync, Trouble::verdict);
        return Plan { steps, verdict, wake_at };
    }
    Plan { wake_at, ..Plan::converge(Reason::Differs, listed.join("; "), steps) }
}

/// Whether the table is none that is written here.
fn unsupported(desired: &DesiredTable, have: &ObservedTable) -> Option<Plan<TableStep>> {
    let (what, external) = (have.definition.unsupported()?, &desired.owner.external);
    Some(Plan::blocked(
        Reason::UnsupportedTable,
        format!("Glue table '{external}' is {what}, which a DataTable does not write; nothing was changed"),
    ))
}

/// Whether the table is somebody else's, or nobody's and not to be taken.
fn refusal(desired: &DesiredTable, have: &ObservedTable) -> Option<Plan<TableStep>> {
    let external = &desired.owner.external;
    match have.definition.owner_mark() {
        Some(mark) if mark == desired.owner.to_string() => None,
        Some(mark) if owner::external(mark).is_some_and(|other| other != external) => Some(Plan::blocked(
            Reason::OwnedByAnother,
            format!(
                "Glue table '{external}' carries the mark of '{}', so it is a copy; to take it over remove its \
                 parameter '{OWNER_PARAMETER}' and set `spec.adoptionPolicy: IfUnowned`, nothing was changed",
                owner::external(mark).unwrap_or_default()
            ),
        )),
        Some(mark) => Some(Plan::blocked(
            Reason::OwnedByAnother,
            format!(
                "Glue table '{external}' is kept by {}; delete that resource or this one, nothing was changed",
                owner::in_words(mark)
            ),
        )),
        None if desired.adoption == AdoptionPolicy::IfUnowned => None,
        None => Some(Plan::blocked(
            Reason::NotAdopted,
            format!(
                "Glue table '{external}' exists and was not made by this resource; to take it over set \
                 `spec.adoptionPolicy: IfUnowned`, nothing was changed"
            ),
        )),
    }
}

/// Whether a table is where the spec says.
fn is_at(desired: &DesiredTable, have: &TableDefinition) -> bool {
    have.location.as_deref().is_some_and(|location| s3_uri::same(location, &desired.location))
}

/// The update that the definition needs, and why; of what is held only what the data says.
fn definition_steps(
    desired: &DesiredTable,
    have: &ObservedTable,
    world: &TableWorld,
    is_held: bool,
) -> (Vec<TableStep>, Option<Reason>) {
    let to = if is_held { merge::with_data(desired, world) } else { merge::merged(desired, world) };
    let changes = diff::changes(&have.definition, &to);
    if changes.is_empty() {
        return (Vec::new(), None);
    }
    let bookkeeping = diff::is_bookkeeping(&changes, desired);
    let run = |table: &TableDefinition| publishing::place_of(table).pointer.map(|pointer| pointer.run);
    let is_published = publishing::policy(desired).is_some() && run(&have.definition) != run(&to);
    let (why, reason) = if have.definition.owner_mark().is_none() {
        (Why::Adoption, Reason::Updating)
    } else if is_published {
        (Why::Publication, Reason::Updating)
    } else if bookkeeping {
        let why = if news(&changes).next().is_some() { Why::Freshness } else { Why::Spec };
        (why, Reason::Updating)
    } else if merge::is_drift(desired, &have.definition) {
        (Why::Drift, Reason::CorrectingDrift)
    } else {
        (Why::Spec, Reason::Updating)
    };
    let step = TableStep::UpdateTable {
        from_version: have.version.clone(),
        to: Box::new(to),
        changes,
        archive: !bookkeeping && why != Why::Publication,
        why,
    };
    (vec![step], Some(reason))
}

/// Other partition keys would orphan every partition; Glue does not convert them.
fn same_partition_keys(desired: &DesiredTable, have: &ObservedTable) -> Result<(), String> {
    let names = |columns: &[super::Column]| -> Vec<String> {
        columns.iter().map(|c| c.name.to_lowercase()).collect()
    };
    let (want, there) = (names(&desired.partition_keys), names(&have.definition.partition_keys));
    if want == there {
        return Ok(());
    }
    let listed = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Err(format!(
        "`spec.partitionKeys` are {} and the Glue table has {}; partition keys cannot be changed in place. Make a new \
         table under another name, or delete this one first with `spec.deletionPolicy: Delete`",
        listed(&want),
        listed(&there),
    ))
}

fn absence(claim: &TableClaim, world: &TableWorld, now: Timestamp) -> Plan<TableStep> {
    let owner = claim.owner.to_string();
    match &world.table {
        // "When an index is in a CREATING state, the index or its table cannot be deleted" (Glue API reference).
        Some(table)
            if table.definition.owner_mark() == Some(owner.as_str()) && indexes::is_building(world) =>
        {
            let message = format!(
                "Glue is building a partition index of '{}'; the table is deleted once it is built",
                claim.owner.external
            );
            let wake_at = now.checked_add(WHILE_BUILDING).ok();
            Plan { wake_at, ..Plan::converge(Reason::Deleting, message, Vec::new()) }
        }
        Some(table) if table.definition.owner_mark() == Some(owner.as_str()) => Plan::converge(
            Reason::Deleting,
            format!("Glue table '{}' is being deleted", claim.owner.external),
            vec![TableStep::DeleteTable { owner }],
        ),
        // Not there, or not ours: nothing of ours is left.
        _ => Plan::in_sync(None),
    }
}

fn release(claim: &TableClaim, world: &TableWorld) -> Plan<TableStep> {
    if !claim.may_write {
        // Marks of a time when the policy was another stay; to wait for their end would be to wait forever.
        return Plan::in_sync(None);
    }
    let owner = claim.owner.to_string();
    let Some(have) =
        world.table.as_ref().filter(|table| table.definition.owner_mark() == Some(owner.as_str()))
    else {
        return Plan::in_sync(None);
    };
    if let Some(what) = have.definition.unsupported() {
        return Plan::blocked(
            Reason::UnsupportedTable,
            format!(
                "Glue table '{}' has become {what}, which a DataTable does not write, not even to release it; to let \
                 the resource go with the table as it is, set the annotation '{}' to 'true'",
                claim.owner.external,
                mizuumi_api::annotation::ABANDON
            ),
        );
    }
    // Partitions first: once the table's mark is gone, this resource has no say over them any more.
    let mut steps = world.partitions.as_ref().map(|all| partitions::release(all, &owner)).unwrap_or_default();
    let to = merge::released(&have.definition, claim);
    steps.push(TableStep::UpdateTable {
        from_version: have.version.clone(),
        changes: diff::changes(&have.definition, &to),
        to: Box::new(to),
        archive: false,
        why: Why::Release,
    });
    Plan::converge(
        Reason::Deleting,
        format!("Glue table '{}' is being released", claim.owner.external),
        steps,
    )
}
