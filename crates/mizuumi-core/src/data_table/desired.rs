//! What a `DataTable` asks for, checked against itself and against what the installation allows.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::data_table::{
    self as api, AdoptionPolicy, DataTable, Engine, ManagementPolicy, PartitionMode,
};
use mizuumi_api::installation::{DEFAULT_PROFILE, FreshnessParameters};
use mizuumi_api::{Installation, annotation};

use super::avsc_from::{AvscFrom, Place};
use super::crawler::{self, CrawlerGoal};
use super::definition::{Column, makes_iceberg};
use super::evolution::finds_by_place;
use super::layout::Layout;
use super::learning::{self, Learning, Source as ColumnsSource};
use super::projection;
use super::publishing::Published;
use super::storage::StorageClasses;
use super::world::{DirectoryLook, FilesLook, PartitionValues, RunsLook, TableLook};
use super::{avro, avsc, clock, indexes, partitions, publishing};
use crate::freshness::{Policy, Source};
use crate::hive_path;
use crate::hive_type::HiveType;
use crate::owner::OwnerKey;
use crate::problem::Problem;
use crate::{approval, publication, s3_uri};

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
    /// What the Glue table points to, unless a run has been published into a table without partition keys.
    pub location: String,
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
        check_location("spec.location", &spec.location, installation, &mut problems);
        let (columns, avro_schema) = columns_of_schema(object, &mut problems);
        let keys = spec.partition_keys.as_deref().unwrap_or_default();
        let learning = learning(object, installation, &mut problems);
        let crawler = crawler::goal(object, installation, &owner, &mut problems);
        // Of columns that are learnt, keys are none: they are left out there.
        let others = if learning.is_some() { &[][..] } else { &columns };
        let partition_keys = columns_of_keys(keys, others, &mut problems);
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
        let storage = match (&spec.format, &spec.storage) {
            (Some(format), _) => {
                let mut storage = StorageClasses::of_format(*format, spec.serde_parameters.as_ref());
                if *format == api::Format::Avro {
                    if let Some(schema) = avro_schema {
                        let literal = avro::SCHEMA_LITERAL.to_owned();
                        storage.serde.parameters.entry(literal).or_insert(schema);
                    }
                    let columns = learning.is_none().then_some(columns.as_slice());
                    avro::fill(&mut storage, spec, &super::table_name(object), columns, &mut problems);
                }
                Some(storage)
            }
            (None, Some(storage)) => Some(StorageClasses::explicit(storage)),
            (None, None) => {
                problems.push(Problem::invalid("spec.format", "must be set, or `spec.storage`"));
                None
            }
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
            .and_then(|p| partition_policy(p, spec, &partition_keys, installation, &mut problems));
        let names: Vec<String> = partition_keys.iter().map(|key| key.name.clone()).collect();
        let freshness = spec
            .freshness
            .as_ref()
            .and_then(|freshness| Policy::new(freshness, &names).map_err(|more| problems.extend(more)).ok());
        check_sources(freshness.as_ref(), spec, installation, &mut problems);
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
                _ => spec.location.clone(),
            },
            storage,
            parameters: spec.parameters.clone().unwrap_or_default(),
            layout,
            evolution: spec.schema.evolution.unwrap_or(api::EvolutionClass::Widening),
            cascades: spec.schema.cascade != Some(api::Cascade::None),
            approved: approval::given(spec.approvals.as_ref(), object.metadata.annotations.as_ref())
                .collect(),
            partitions,
            indexes,
            engines: spec.engines.clone().unwrap_or_else(|| Engine::ALL.to_vec()),
            freshness,
            freshness_parameters: installation.freshness_parameters.clone(),
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
            by_place: finds_by_place(&self.storage),
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

/// Refuses databases and profiles that the installation's configuration does not allow.
pub(super) fn check_identity(
    spec: &api::DataTableSpec,
    installation: &Installation,
    problems: &mut Vec<Problem>,
) {
    let database = &spec.database;
    if !installation.allows_database(database) {
        problems.push(Problem::not_allowed(
            "spec.database",
            format!(
                "installation '{}' may not touch the database '{database}'; ask the platform team",
                installation.installation
            ),
        ));
    }
    let profile = spec.profile.as_deref().unwrap_or(DEFAULT_PROFILE);
    if installation.profile(profile).is_none() {
        problems.push(Problem::not_allowed(
            "spec.profile",
            format!(
                "installation '{}' has no profile '{profile}'; ask the platform team",
                installation.installation
            ),
        ));
    }
}

pub(super) fn check_location(
    path: &str,
    location: &str,
    installation: &Installation,
    problems: &mut Vec<Problem>,
) {
    let prefixes = &installation.allow.s3_prefixes;
    if !prefixes.iter().any(|prefix| s3_uri::lies_under(location, prefix)) {
        problems.push(Problem::not_allowed(
            path,
            format!(
                "'{location}' must lie under one of {} and have no empty, '.' or '..' segment",
                prefixes.join(", ")
            ),
        ));
    }
}

/// Refuses to learn freshness from a parameter that the resource writes itself.
fn check_sources(
    freshness: Option<&Policy>,
    spec: &api::DataTableSpec,
    installation: &Installation,
    problems: &mut Vec<Problem>,
) {
    for source in freshness.iter().flat_map(|policy| &policy.sources) {
        let Source::GlueParameter(source) = source else { continue };
        let names = &installation.freshness_parameters;
        let is_ours = [&names.loaded_at, &names.data_time, &names.fresh_until].contains(&&source.key)
            || ["EXTERNAL", "classification"].contains(&source.key.as_str())
            || projection::is_parameter(&source.key)
            || spec.parameters.as_ref().is_some_and(|all| all.contains_key(&source.key));
        if is_ours {
            problems.push(Problem::invalid(
                "spec.freshness.sources",
                format!(
                    "must not read the parameter '{}', which this resource writes itself; name one that the \
                     producer writes",
                    source.key
                ),
            ));
        }
    }
}

/// The columns, wherever the spec says that they come from; and the Avro schema that said them, in one line.
fn columns_of_schema(object: &DataTable, problems: &mut Vec<Problem>) -> (Vec<Column>, Option<String>) {
    let schema = &object.spec.schema;
    match schema.from {
        api::SchemaSource::Files | api::SchemaSource::Crawler => {
            (learning::remembered(object.status.as_ref()), None)
        }
        api::SchemaSource::Declared => {
            let declared = schema.columns.as_deref().unwrap_or_default();
            let said = declared.iter().map(|c| (&c.name, &c.type_, &c.comment));
            (columns(said, "spec.schema.columns", problems), None)
        }
        api::SchemaSource::Avsc if schema.avsc_from.is_some() => (Vec::new(), None),
        api::SchemaSource::Avsc => match avsc::columns(schema.avsc.as_deref().unwrap_or_default()) {
            Ok((said, line)) => {
                let said = said.iter().map(|(name, type_, comment)| (name, type_, comment));
                (columns(said, "spec.schema.avsc.fields", problems), Some(line))
            }
            Err(why) => {
                problems.push(Problem::invalid("spec.schema.avsc", why));
                (Vec::new(), None)
            }
        },
    }
}

/// How the columns are learnt from elsewhere, if that is where they come from.
fn learning(
    object: &DataTable,
    installation: &Installation,
    problems: &mut Vec<Problem>,
) -> Option<Learning> {
    let spec = &object.spec;
    let source = match spec.schema.from {
        api::SchemaSource::Declared => return None,
        api::SchemaSource::Avsc => {
            let from = spec.schema.avsc_from.as_ref()?;
            AvscFrom::checked(from, installation, problems).map(ColumnsSource::Avsc)
        }
        api::SchemaSource::Crawler => Some(ColumnsSource::Crawler),
        api::SchemaSource::Files => files_of(spec, problems).map(ColumnsSource::Files),
    };
    let own = spec.serde_parameters.as_ref().is_some_and(|all| all.contains_key(avro::SCHEMA_LITERAL));
    Some(Learning {
        source: source?,
        table: super::table_name(object),
        makes_avro_schema: spec.format == Some(api::Format::Avro) && !own,
    })
}

/// The format of files that are to say the columns.
fn files_of(spec: &api::DataTableSpec, problems: &mut Vec<Problem>) -> Option<api::Format> {
    let format = spec.format.filter(|format| format.says_columns());
    if format.is_none() {
        problems.push(Problem::invalid(
            "spec.format",
            "must be 'parquet', 'orc' or 'avro' when `schema.from` is 'Files'; other files do not say their columns",
        ));
    }
    if spec.partitions.as_ref().is_some_and(|partitions| partitions.mode == PartitionMode::Projected) {
        problems.push(Problem::invalid(
            "spec.schema.from",
            "must not be 'Files' with `partitions.mode: Projected`: no partition is registered whose files say the columns",
        ));
    }
    format
}

/// Columns with their names and types checked. Glue folds names to lower case, so that is how they are compared.
pub(super) fn columns<'a>(
    declared: impl Iterator<Item = (&'a String, &'a String, &'a Option<String>)>,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Vec<Column> {
    let mut seen = HashSet::new();
    let mut columns = Vec::new();
    for (index, (name, type_, comment)) in declared.enumerate() {
        // Names go into DDL and into comma-separated lists of Hive's table properties.
        if name.trim() != name || name.contains([',', ':', ';', '`', '\n', '\r', '\t']) {
            problems.push(Problem::invalid(
                format!("{path}[{index}].name"),
                format!("must not begin or end with a space or contain any of , : ; ` or a line break; it is '{name}'"),
            ));
        }
        if !seen.insert(name.to_lowercase()) {
            problems.push(Problem::invalid(
                format!("{path}[{index}].name"),
                format!("'{name}' is there twice; Glue, Athena and Hive do not tell upper from lower case"),
            ));
        }
        if let Err(message) = HiveType::parse(type_) {
            problems.push(Problem::invalid(format!("{path}[{index}].type"), format!("'{type_}' {message}")));
        }
        columns.push(Column {
            name: name.clone(),
            type_: Some(type_.clone()),
            comment: comment.clone().filter(|text| !text.is_empty()),
            parameters: BTreeMap::new(),
        });
    }
    columns
}

/// Partition keys: columns of their own, of primitive types.
fn columns_of_keys(
    keys: &[api::PartitionKey],
    columns: &[Column],
    problems: &mut Vec<Problem>,
) -> Vec<Column> {
    let path = "spec.partitionKeys";
    let checked = self::columns(keys.iter().map(|k| (&k.name, &k.type_, &k.comment)), path, problems);
    for (index, key) in checked.iter().enumerate() {
        if let Some(position) = columns.iter().position(|c| c.name.to_lowercase() == key.name.to_lowercase())
        {
            problems.push(Problem::invalid(
                format!("{path}[{index}].name"),
                format!(
                    "'{}' is also spec.schema.columns[{position}]; a partition key must not be a column",
                    key.name
                ),
            ));
        }
        if key.name.contains(['=', '/']) {
            problems.push(Problem::invalid(format!("{path}[{index}].name"), "must not contain '=' or '/'"));
        }
        if HiveType::parse(&keys[index].type_).is_ok_and(|type_| !type_.is_primitive()) {
            problems.push(Problem::invalid(
                format!("{path}[{index}].type"),
                format!("'{}' is not a primitive type; only those can be partition keys", keys[index].type_),
            ));
        }
    }
    checked
}

fn partition_policy(
    partitions: &api::Partitions,
    spec: &api::DataTableSpec,
    keys: &[Column],
    installation: &Installation,
    problems: &mut Vec<Problem>,
) -> Option<PartitionPolicy> {
    match partitions.mode {
        PartitionMode::Declared => {
            Some(PartitionPolicy::Declared(declared(partitions, spec, installation, problems)))
        }
        PartitionMode::Discovered => {
            let lookback = partitions.lookback.and_then(|number| usize::try_from(number).ok());
            let prunes = partitions.prune == Some(true);
            let completeness = completeness(partitions, installation, problems)?;
            Some(PartitionPolicy::Discovered(Discovery { completeness, lookback, prunes }))
        }
        PartitionMode::Projected => {
            let projection = partitions.projection.as_ref()?;
            if let Some(template) = &projection.location_template {
                let path = "spec.partitions.projection.locationTemplate";
                check_location(path, template, installation, problems);
            }
            for key in spec.parameters.iter().flatten().map(|(key, _)| key) {
                if projection::is_parameter(key) {
                    problems.push(Problem::invalid(
                        format!("spec.parameters.{key}"),
                        "is written by `spec.partitions.projection`; it must not be set here as well",
                    ));
                }
            }
            Some(PartitionPolicy::Projected(projection::parameters(projection, keys, problems)))
        }
        PartitionMode::Published => {
            let keeps_superseded = keeps_superseded(partitions, problems);
            Some(PartitionPolicy::Published(Published {
                root: spec.location.clone(),
                keeps_superseded,
                asked: None,
            }))
        }
    }
}

/// The commit that an object says that it was applied from, unless that is no such name.
fn commit(object: &DataTable) -> Option<String> {
    let commit = object.metadata.annotations.as_ref()?.get(annotation::COMMIT)?;
    let is_name = !commit.is_empty() && commit.len() <= 255 && commit.chars().all(|c| c.is_ascii_graphic());
    is_name.then(|| commit.clone())
}

fn completeness(
    partitions: &api::Partitions,
    installation: &Installation,
    problems: &mut Vec<Problem>,
) -> Option<Completeness> {
    if let Some(marker) = &partitions.marker {
        return Some(Completeness::Marker(marker.clone()));
    }
    let quiet = partitions.quiet_period.as_ref().unwrap_or(&installation.partitions.quiet_period);
    match quiet.length() {
        Ok(length) => Some(Completeness::Quiet(length)),
        Err(error) => {
            problems.push(Problem::invalid("spec.partitions.quietPeriod", error.to_string()));
            None
        }
    }
}

/// How long data is kept that nothing points to any more. Readers may have begun before, and whoever takes a run back needs it.
fn keeps_superseded(partitions: &api::Partitions, problems: &mut Vec<Problem>) -> Option<SignedDuration> {
    const LEAST: SignedDuration = SignedDuration::from_hours(24);
    let kept = partitions.keep_superseded.as_ref()?;
    let path = "spec.partitions.keepSuperseded";
    match kept.length() {
        Ok(length) if length >= LEAST => return Some(length),
        Ok(_) => problems.push(Problem::invalid(
            path,
            format!("must be at least 24h, as queries may still read that data; it is '{}'", kept.0),
        )),
        Err(error) => problems.push(Problem::invalid(path, error.to_string())),
    }
    None
}

fn declared(
    partitions: &api::Partitions,
    spec: &api::DataTableSpec,
    installation: &Installation,
    problems: &mut Vec<Problem>,
) -> BTreeMap<PartitionValues, String> {
    let keys = spec.partition_keys.as_deref().unwrap_or_default();
    let mut declared = BTreeMap::new();
    for (index, partition) in partitions.declared.iter().flatten().enumerate() {
        let path = format!("spec.partitions.declared[{index}]");
        if partition.values.len() != keys.len() {
            problems.push(Problem::invalid(
                format!("{path}.values"),
                format!(
                    "must have {} values, one for each partition key; it has {}",
                    keys.len(),
                    partition.values.len()
                ),
            ));
            continue;
        }
        if let Some(empty) = partition.values.iter().position(String::is_empty) {
            problems.push(Problem::invalid(format!("{path}.values[{empty}]"), "must not be empty"));
        }
        let location = if let Some(location) = &partition.location {
            check_location(&format!("{path}.location"), location, installation, problems);
            location.clone()
        } else {
            let names = keys.iter().map(|key| key.name.as_str());
            format!("{}{}", s3_uri::canonical(&spec.location), hive_path::of(names, &partition.values))
        };
        if declared.insert(partition.values.clone(), location).is_some() {
            problems.push(Problem::invalid(format!("{path}.values"), "the same values are there twice"));
        }
    }
    declared
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
