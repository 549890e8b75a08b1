//! One write about a table: what it is, and how people read of it.

use std::fmt;

use jiff::Timestamp;
use mizuumi_api::data_table::LinkTo;

use super::crawler::CrawlerDefinition;
use super::definition::{OUR_PREFIX, TableDefinition};
use super::diff::Change;
use super::link::{self, ObservedLink};
use super::partitions::PartitionEntry;
use super::world::PartitionValues;

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
    /// Make a link.
    CreateLink(LinkTo),
    /// Delete a link, if it still is this one. What it stands for stays.
    DeleteLink(ObservedLink),
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
            | Self::CreateLink(_)
            | Self::DeleteLink(_)
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

    /// Whether it does no more than write whose a table is, and that deleting it deletes no data: nobody who reads the table
    /// sees a difference.
    #[must_use]
    pub fn only_takes_over(&self) -> bool {
        let Self::UpdateTable { why: Why::Adoption, changes, .. } = self else { return false };
        changes.iter().all(|change| {
            let is_mark =
                change.path.strip_prefix("parameters.").is_some_and(|key| key.starts_with(OUR_PREFIX));
            is_mark || (change.path == "parameters.EXTERNAL" && change.from.is_none())
        })
    }

    /// The definition that it gives the table.
    pub(super) fn definition(&self) -> Option<&TableDefinition> {
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
            | Self::CreateLink(_)
            | Self::DeleteLink(_)
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
            Self::CreateLink(_) => "LinkCreated",
            Self::DeleteLink(_) => "LinkDeleted",
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
            | Self::CreateLink(_)
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
            | Self::DeleteLink(_)
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
                let sql = definition.view.as_ref().map(|view| format!("  + view.sql: {:?}", view.sql()));
                std::iter::once(self.to_string()).chain(sql).chain(lines).collect()
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
            Self::CreateTable(definition) if definition.is_view() => {
                write!(f, "create view: {}", count(definition.columns.len(), "column"))
            }
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
            Self::CreateLink(to) => write!(f, "create link to {}", link::in_words(to)),
            Self::DeleteLink(there) => {
                write!(f, "delete link to '{}.{}' (what it stands for stays)", there.database, there.table)
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
pub(super) fn news(changes: &[Change]) -> impl Iterator<Item = &Change> {
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
