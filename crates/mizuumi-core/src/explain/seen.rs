//! What has been read of a Kubernetes cluster to explain a resource, and what still has to be.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mizuumi_api::{
    Backfill, Condition, DataTable, EmrCluster, EmrClusterClass, IngestJob, IngestRun, QualityCheck,
    ResourceId, ResourceKind, SourceConnection,
};

use crate::data_table::Tables;
use crate::kind::Kind as _;

/// A resource of any kind.
#[derive(Clone, Debug)]
pub enum Object {
    /// A table.
    Table(Box<DataTable>),
    /// A job.
    Job(Box<IngestJob>),
    /// A run.
    Run(Box<IngestRun>),
    /// A cluster.
    Cluster(Box<EmrCluster>),
    /// A class of clusters.
    Class(Box<EmrClusterClass>),
    /// A check.
    Check(Box<QualityCheck>),
    /// A source.
    Source(Box<SourceConnection>),
    /// A backfill.
    Backfill(Box<Backfill>),
}

/// The same of whatever kind.
macro_rules! each {
    ($object:expr, $found:ident => $what:expr) => {
        match $object {
            Object::Table($found) => $what,
            Object::Job($found) => $what,
            Object::Run($found) => $what,
            Object::Cluster($found) => $what,
            Object::Class($found) => $what,
            Object::Check($found) => $what,
            Object::Source($found) => $what,
            Object::Backfill($found) => $what,
        }
    };
}

impl Object {
    /// Its kind and name.
    #[must_use]
    pub fn id(&self) -> ResourceId {
        let kind = match self {
            Self::Table(_) => ResourceKind::DataTable,
            Self::Job(_) => ResourceKind::IngestJob,
            Self::Run(_) => ResourceKind::IngestRun,
            Self::Cluster(_) => ResourceKind::EmrCluster,
            Self::Class(_) => ResourceKind::EmrClusterClass,
            Self::Check(_) => ResourceKind::QualityCheck,
            Self::Source(_) => ResourceKind::SourceConnection,
            Self::Backfill(_) => ResourceKind::Backfill,
        };
        let (namespace, name) =
            each!(self, found => (found.metadata.namespace.clone(), found.metadata.name.clone()));
        ResourceId { kind, namespace: namespace.unwrap_or_default(), name: name.unwrap_or_default() }
    }

    /// Whether it keeps the Glue table of that name, `database.table`.
    #[must_use]
    pub fn keeps(&self, table: &str) -> bool {
        matches!(self, Self::Table(found) if Tables::key(found).to_string() == table)
    }

    /// What its status says; nothing of a class, which has none.
    #[must_use]
    pub fn conditions(&self) -> &[Condition] {
        match self {
            Self::Table(table) => table.status.as_ref().map(|status| &status.conditions),
            Self::Job(job) => job.status.as_ref().map(|status| &status.conditions),
            Self::Run(run) => run.status.as_ref().map(|status| &status.conditions),
            Self::Cluster(cluster) => cluster.status.as_ref().map(|status| &status.conditions),
            Self::Check(check) => check.status.as_ref().map(|status| &status.conditions),
            Self::Source(source) => source.status.as_ref().map(|status| &status.conditions),
            Self::Backfill(backfill) => backfill.status.as_ref().map(|status| &status.conditions),
            Self::Class(_) => None,
        }
        .map(Vec::as_slice)
        .unwrap_or_default()
    }

    /// The generation that its status speaks of.
    #[must_use]
    pub fn observed_generation(&self) -> i64 {
        match self {
            Self::Table(table) => table.status.as_ref().map(|status| status.observed_generation),
            Self::Job(job) => job.status.as_ref().map(|status| status.observed_generation),
            Self::Run(run) => run.status.as_ref().map(|status| status.observed_generation),
            Self::Cluster(cluster) => cluster.status.as_ref().map(|status| status.observed_generation),
            Self::Check(check) => check.status.as_ref().map(|status| status.observed_generation),
            Self::Source(source) => source.status.as_ref().map(|status| status.observed_generation),
            Self::Backfill(backfill) => backfill.status.as_ref().map(|status| status.observed_generation),
            Self::Class(_) => None,
        }
        .unwrap_or_default()
    }

    /// The generation of its spec.
    #[must_use]
    pub fn generation(&self) -> i64 {
        each!(self, found => found.metadata.generation).unwrap_or_default()
    }

    /// Whether it is being deleted.
    #[must_use]
    pub fn is_being_deleted(&self) -> bool {
        each!(self, found => found.metadata.deletion_timestamp.is_some())
    }

    /// What tells it from another one of its name.
    #[must_use]
    pub fn uid(&self) -> Option<&str> {
        each!(self, found => found.metadata.uid.as_deref())
    }

    /// When it was made.
    #[must_use]
    pub fn created(&self) -> Option<Timestamp> {
        each!(self, found => found.metadata.creation_timestamp.as_ref()).map(|time| time.0)
    }

    /// Whether its spec says that nothing is to be done for a while.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        match self {
            Self::Table(table) => table.spec.suspend,
            Self::Job(job) => job.spec.suspend,
            Self::Cluster(cluster) => cluster.spec.suspend,
            Self::Check(check) => check.spec.suspend,
            Self::Backfill(backfill) => backfill.spec.suspend,
            Self::Run(_) | Self::Class(_) | Self::Source(_) => false,
        }
    }
}

/// What has to be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// The resource of that name.
    Resource(ResourceId),
    /// The `DataTable`s of a Glue database, in whatever namespace.
    TablesOf(String),
    /// What is for a `DataTable`: the runs, the jobs or the checks.
    OfTable {
        /// Of which kind.
        kind: ResourceKind,
        /// Namespace.
        namespace: String,
        /// Name of the table.
        table: String,
    },
    /// The clusters that are built from a class, in whatever namespace.
    ClustersOf(String),
    /// All of a kind: in a namespace, or in all of them.
    AllOf {
        /// Of which kind.
        kind: ResourceKind,
        /// Namespace; none for all.
        namespace: Option<String>,
    },
}

/// What has been read, or why it could not be.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    answers: BTreeMap<Need, Result<Vec<Object>, String>>,
}

impl Seen {
    /// Keeps what was read.
    pub fn keep(&mut self, need: Need, answer: Result<Vec<Object>, String>) {
        self.answers.insert(need, answer);
    }

    /// What was read, unless it was not asked for yet.
    #[must_use]
    pub fn of(&self, need: &Need) -> Option<&Result<Vec<Object>, String>> {
        self.answers.get(need)
    }
}
