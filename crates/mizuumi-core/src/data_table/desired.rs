//! What a `DataTable` asks for, checked against itself and against what the installation allows.

mod allowed;
mod columns;
mod policy;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::data_table::{self as api, AdoptionPolicy, DataTable, Engine, ManagementPolicy};
use mizuumi_api::installation::FreshnessParameters;
use mizuumi_api::{Installation, annotation};

pub(super) use self::allowed::{check_identity, check_location};
pub(super) use self::columns::columns;
use super::avsc_from::{AvscFrom, Place};
use super::crawler::{self, CrawlerGoal};
use super::definition::{Column, makes_iceberg};
use super::evolution::finds_by_place;
use super::layout::Layout;
use super::learning::{Learning, Source as ColumnsSource};
use super::link::{self, DesiredLink};
use super::publishing::Published;
use super::quality::TableQuality;
use super::storage::StorageClasses;
use super::view::{self, ViewText};
use super::world::{DirectoryLook, FilesLook, PartitionValues, RunsLook, TableLook};
use super::{avro, clock, indexes, partitions, publishing};
use crate::freshness::{Policy, Source};
use crate::owner::OwnerKey;
use crate::problem::Problem;
use crate::{approval, publication};

/// So many of the newest partitions are looked at for files that say columns.
const NEWEST: usize = 3;

/// A table as the spec wants it, every default filled in.
#[derive(Clone, Debug)]
pub struct DesiredTable {
    /// Who keeps it.
    pub owner: OwnerKey,
    /// Whether the database is made if it does not exist.
    pub makes_database: bool,
    /// What it holds; not ours to set if none.
    pub description: Option<String>,
    /// Who answers for it; not ours to set if none.
    pub team: Option<String>,
    /// Layer of the lake.
    pub layer: Option<api::Layer>,
    /// The job that makes the data.
    pub producer: Option<String>,
    /// The commit that the resource was applied from.
    pub commit: Option<String>,
    /// How many earlier versions Glue keeps; not ours to delete if none.
    pub keeps_versions: Option<usize>,
    /// Columns; where they come from the data, those that are known of it already.
    pub columns: Vec<Column>,
    /// How columns are learnt from elsewhere; none if the spec says them.
    pub learning: Option<Learning>,
    /// What becomes of the crawler, if there may be one.
    pub crawler: Option<CrawlerGoal>,
    /// Partition keys.
    pub partition_keys: Vec<Column>,
    /// What the Glue table points to, unless a run has been published into a table without partition keys; nothing for a view.
    pub location: String,
    /// The query, if the table is a view.
    pub view: Option<ViewText>,
    /// What it stands for, if the table is a link.
    pub link: Option<DesiredLink>,
    /// How files are read.
    pub storage: StorageClasses,
    /// The spec's parameters.
    pub parameters: BTreeMap<String, String>,
    /// What the spec says of the files beyond their format.
    pub layout: Layout,
    /// Which changes of the columns are made without asking.
    pub evolution: api::EvolutionClass,
    /// Whether changes of the columns reach partitions that are there already.
    pub cascades: bool,
    /// Hashes of changes that are approved.
    pub approved: BTreeSet<String>,
    /// How partitions get into the catalog.
    pub partitions: Option<PartitionPolicy>,
    /// Partition indexes; not ours to set if none.
    pub indexes: Option<Vec<api::PartitionIndex>>,
    /// Who has to read the table.
    pub engines: Vec<Engine>,
    /// How recent the data has to be.
    pub freshness: Option<Policy>,
    /// Names of the parameters that tell freshness.
    pub freshness_parameters: FreshnessParameters,
    /// What its checks say, once they are known.
    pub quality: Option<TableQuality>,
    /// What producers reported.
    pub report: Report,
    /// Whether an existing table may be taken over.
    pub adoption: AdoptionPolicy,
    /// What the controller may do.
    pub mode: Mode,
    /// When the resource was made.
    pub created: Timestamp,
    /// How often its data may be looked at.
    pub looks: Looks,
}

/// How often data may be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looks {
    /// The least time between two looks for new data.
    pub least: SignedDuration,
    /// The time between two looks at everything.
    pub audit: SignedDuration,
}

/// What the controller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything.
    Full,
    /// Look and tell.
    ObserveOnly,
    /// Look and tell what it would do.
    Plan,
    /// Nothing for a while.
    Suspended,
}

/// How partitions get into the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartitionPolicy {
    /// These, and of ours no others.
    Declared(BTreeMap<PartitionValues, String>),
    /// Those that directories say.
    Discovered(Discovery),
    /// None: Athena computes them from these table parameters.
    Projected(BTreeMap<String, String>),
    /// Those that runs bring.
    Published(Published),
}

/// How directories say partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// When a directory counts as complete.
    pub completeness: Completeness,
    /// Into so many of the newest directories of each level but the last is looked; into all if none.
    pub lookback: Option<usize>,
    /// Whether a partition leaves the catalog whose directory is gone.
    pub prunes: bool,
}

/// When a directory counts as complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// Once the object of that name is there.
    Marker(String),
    /// Once nothing was written for so long.
    Quiet(SignedDuration),
}

/// What producers reported of the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The resource as the cluster has it is not at hand, so nothing can be said of freshness.
    NotAtHand,
    /// Nobody reported.
    None,
    /// Somebody did.
    Some {
        /// The exclusive end of the data.
        data_time: Option<Timestamp>,
        /// When it landed.
        loaded_at: Option<Timestamp>,
    },
    /// An annotation cannot be read.
    Invalid(String),
}

impl DesiredTable {
    /// Checks a resource; every problem at once.
    pub(super) fn new(
        object: &DataTable,
        installation: &Installation,
        owner: OwnerKey,
    ) -> Result<Self, Vec<Problem>> {
        let spec = &object.spec;
        let mut problems = Vec::new();
        check_identity(spec, installation, &mut problems);
        allowed::check_place(spec, installation, &mut problems);
        let location = spec.location.clone().unwrap_or_default();
        let schema = spec.schema.as_ref();
        let (columns, avro_schema) = columns::of_schema(object, &mut problems);
        let keys = spec.partition_keys.as_deref().unwrap_or_default();
        let learning = columns::learning(object, installation, &mut problems);
        let crawler = crawler::goal(object, installation, &owner, &mut problems);
        // Of columns that are learnt, keys are none: they are left out there.
        let others = if learning.is_some() { &[][..] } else { &columns };
        let partition_keys = columns::of_keys(keys, others, &mut problems);
        let layout = Layout::new(spec, learning.is_none().then_some(&columns), &mut problems);
        let indexes = indexes::checked(spec, &partition_keys, &mut problems);
        for (index, location) in spec.additional_locations.iter().flatten().enumerate() {
            check_location(
                &format!("spec.additionalLocations[{index}]"),
                location,
                installation,
                &mut problems,
            );
        }
        let made = object.status.as_ref().and_then(|status| status.link.as_ref());
        let link = spec.link_to.as_ref().map(|to| link::checked(to, made, installation, &mut problems));
        let view = spec.view.as_ref().map(|view| view::checked(view, spec, &columns, &mut problems));
        let of_spec = learning.is_none().then_some(columns.as_slice());
        let storage = match spec.location {
            None => Some(view::no_storage()),
            Some(_) => storage(object, of_spec, avro_schema, &mut problems),
        };
        if spec.parameters.iter().flatten().any(|(key, value)| makes_iceberg(key, value)) {
            problems.push(Problem::invalid(
                "spec.parameters.table_type",
                "must not be 'ICEBERG'; a DataTable does not write Iceberg tables",
            ));
        }
        let partitions = spec
            .partitions
            .as_ref()
            .and_then(|p| policy::of(p, spec, &partition_keys, installation, &mut problems));
        let names: Vec<String> = partition_keys.iter().map(|key| key.name.clone()).collect();
        let freshness = spec
            .freshness
            .as_ref()
            .and_then(|freshness| Policy::new(freshness, &names).map_err(|more| problems.extend(more)).ok());
        allowed::check_sources(freshness.as_ref(), spec, installation, &mut problems);
        let (true, Some(storage)) = (problems.is_empty(), storage) else { return Err(problems) };
        Ok(Self {
            owner,
            makes_database: spec.database_policy == api::DatabasePolicy::Create,
            // Glue stores no empty text: it answers none.
            description: spec.description.clone().filter(|text| !text.is_empty()),
            team: spec.owner.clone(),
            layer: spec.layer,
            producer: spec.producer.clone(),
            commit: commit(object),
            keeps_versions: spec.keep_versions.and_then(|number| usize::try_from(number).ok()),
            columns,
            learning,
            crawler,
            partition_keys,
            location: match &partitions {
                Some(PartitionPolicy::Published(published)) => publication::head(&published.root),
                _ => location,
            },
            view,
            link,
            storage,
            parameters: spec.parameters.clone().unwrap_or_default(),
            layout,
            evolution: schema.and_then(|schema| schema.evolution).unwrap_or(api::EvolutionClass::Widening),
            cascades: schema.and_then(|schema| schema.cascade) != Some(api::Cascade::None),
            approved: approval::given(spec.approvals.as_ref(), object.metadata.annotations.as_ref())
                .collect(),
            partitions,
            indexes,
            engines: spec.engines.clone().unwrap_or_else(|| Engine::ALL.to_vec()),
            freshness,
            freshness_parameters: installation.freshness_parameters.clone(),
            quality: None,
            report: report(object),
            adoption: spec.adoption_policy,
            mode: match spec.management_policy {
                ManagementPolicy::ObserveOnly => Mode::ObserveOnly,
                ManagementPolicy::Plan => Mode::Plan,
                ManagementPolicy::Full if spec.suspend => Mode::Suspended,
                ManagementPolicy::Full => Mode::Full,
            },
            created: clock::created(object),
            looks: Looks {
                least: SignedDuration::from_secs(installation.intervals.data_seconds.into()),
                audit: SignedDuration::from_secs(installation.intervals.audit_seconds.into()),
            },
        })
    }

    /// What has to be looked at besides the definition.
    #[must_use]
    pub fn look(&self) -> TableLook {
        let sources = self.freshness.iter().flat_map(|policy| &policy.sources);
        let times = sources.clone().any(|source| *source == Source::S3LastModified);
        let by_partition = sources.clone().any(Source::is_of_partitions) && !self.partition_keys.is_empty();
        let directories = match &self.partitions {
            Some(PartitionPolicy::Discovered(discovery)) => Some(DirectoryLook {
                location: self.location.clone(),
                keys: self.partition_keys.iter().map(|key| key.name.clone()).collect(),
                marker: match &discovery.completeness {
                    Completeness::Marker(name) => Some(name.clone()),
                    Completeness::Quiet(_) => None,
                },
                lookback: discovery.lookback,
                prunes: discovery.prunes,
            }),
            _ => None,
        };
        let registered = match &self.partitions {
            Some(PartitionPolicy::Declared(_) | PartitionPolicy::Discovered(_)) => true,
            // Without keys it is the table that points to its data.
            Some(PartitionPolicy::Published(_)) => !self.partition_keys.is_empty(),
            Some(PartitionPolicy::Projected(_)) | None => false,
        };
        let learns = self.learning.as_ref().is_some_and(Learning::is_of_data);
        let partitions = by_partition || registered || (learns && !self.partition_keys.is_empty());
        let files = (partitions || times || learns).then(|| FilesLook {
            location: self.partition_keys.is_empty().then(|| self.location.clone()),
            places: if learns { self.places() } else { Vec::new() },
            columns: self.learning.as_ref().and_then(Learning::format),
            by_place: finds_by_place(&self.storage.serde),
            times,
            watched: crawler::policy(self).is_some(),
        });
        let manifests = match &self.partitions {
            Some(PartitionPolicy::Published(published)) => published.look(),
            _ => Vec::new(),
        };
        let crawler = self.crawler.as_ref().map(|crawler| crawler.look(&self.owner));
        let runs = publishing::policy(self).map(|published| RunsLook {
            root: published.root.clone(),
            superseded: published.keeps_superseded.is_some(),
        });
        let versions = self.keeps_versions.is_some();
        let avsc = match self.learning.as_ref().map(|learning| &learning.source) {
            Some(ColumnsSource::Avsc(AvscFrom { place: Place::S3(location), .. })) => Some(location.clone()),
            _ => None,
        };
        TableLook {
            partitions,
            indexes: self.indexes.is_some(),
            versions,
            directories,
            manifests,
            runs,
            files,
            crawler,
            avsc,
        }
    }

    /// Where files are of partitions that need not be registered yet, the newest first.
    fn places(&self) -> Vec<String> {
        match &self.partitions {
            Some(PartitionPolicy::Declared(declared)) => {
                let mut all: Vec<_> = declared.iter().collect();
                all.sort_by_cached_key(|&(values, _)| partitions::age(values));
                all.into_iter().rev().take(NEWEST).map(|(_, location)| location.clone()).collect()
            }
            // Whoever registers partitions needs a table first.
            None | Some(PartitionPolicy::Projected(_)) => vec![self.location.clone()],
            Some(_) => Vec::new(),
        }
    }

    /// Where the table's data is.
    #[must_use]
    pub fn root(&self) -> &str {
        match &self.partitions {
            Some(PartitionPolicy::Published(published)) => &published.root,
            _ => &self.location,
        }
    }
}

/// How files are read; columns that are learnt from elsewhere, and the schema that readers of Avro look for, come later.
fn storage(
    object: &DataTable,
    columns: Option<&[Column]>,
    avro_schema: Option<String>,
    problems: &mut Vec<Problem>,
) -> Option<StorageClasses> {
    let spec = &object.spec;
    match (&spec.format, &spec.storage) {
        (Some(format), _) => {
            let mut storage = StorageClasses::of_format(*format, spec.serde_parameters.as_ref());
            if *format == api::Format::Avro {
                if let Some(schema) = avro_schema {
                    let literal = avro::SCHEMA_LITERAL.to_owned();
                    storage.serde.parameters.entry(literal).or_insert(schema);
                }
                avro::fill(&mut storage, spec, &super::table_name(object), columns, problems);
            }
            Some(storage)
        }
        (None, Some(storage)) => Some(StorageClasses::explicit(storage)),
        (None, None) => {
            problems.push(Problem::invalid("spec.format", "must be set, or `spec.storage`"));
            None
        }
    }
}

/// The commit that an object says that it was applied from, unless that is no such name.
fn commit(object: &DataTable) -> Option<String> {
    let commit = object.metadata.annotations.as_ref()?.get(annotation::COMMIT)?;
    let is_name = !commit.is_empty() && commit.len() <= 255 && commit.chars().all(|c| c.is_ascii_graphic());
    is_name.then(|| commit.clone())
}

/// What the resource's annotations report.
fn report(object: &DataTable) -> Report {
    let read = |key: &str| -> Result<Option<Timestamp>, String> {
        let Some(text) = object.metadata.annotations.as_ref().and_then(|all| all.get(key)) else {
            return Ok(None);
        };
        text.trim().parse().map(Some).map_err(|_| {
            format!("annotation '{key}' must be a time such as '2026-11-22T00:00:00Z' or with '+09:00'; it is '{text}'")
        })
    };
    match (read(annotation::REPORTED_DATA_TIME), read(annotation::REPORTED_LOADED_AT)) {
        (Err(message), _) | (_, Err(message)) => Report::Invalid(message),
        (Ok(None), Ok(None)) => Report::None,
        (Ok(data_time), Ok(loaded_at)) => Report::Some { data_time, loaded_at },
    }
}
