//! The shapes of Mizuumi: custom resources, conditions, reasons and the installation's configuration.
//!
//! No decisions live here, and no IO: what a shape means is said by `mizuumi-core`.

pub mod backfill;
pub mod condition;
pub mod crd;
pub mod data_table;
pub mod duration;
pub mod emr_cluster;
pub mod emr_cluster_class;
pub mod ingest_job;
pub mod ingest_run;
pub mod installation;
pub mod policy;
pub mod quality_check;
pub mod reason;
pub mod resource;
pub mod rules;
pub mod source_connection;

pub use backfill::{Backfill, BackfillSpec, BackfillStatus};
pub use condition::{Condition, ConditionStatus, ConditionType};
pub use data_table::{DataTable, DataTableSpec, DataTableStatus};
pub use duration::ShortDuration;
pub use emr_cluster::{EmrCluster, EmrClusterSpec, EmrClusterStatus};
pub use emr_cluster_class::{EmrClusterClass, EmrClusterClassSpec};
pub use ingest_job::{IngestJob, IngestJobSpec, IngestJobStatus};
pub use ingest_run::{IngestRun, IngestRunSpec, IngestRunStatus};
pub use installation::Installation;
pub use quality_check::{QualityCheck, QualityCheckSpec, QualityCheckStatus};
pub use reason::Reason;
pub use resource::{ResourceId, ResourceKind};
pub use rules::Rules;
pub use source_connection::{SourceConnection, SourceConnectionSpec, SourceConnectionStatus};

/// API group of every resource.
pub const GROUP: &str = "mizuumi.dev";

/// The finalizer that keeps an object until its external object is deleted or released.
pub const FINALIZER: &str = "mizuumi.dev/cleanup";

/// Field manager of every server-side apply that the controllers make.
pub const FIELD_MANAGER: &str = "mizuumi-controller";

/// Annotations that people and tools set on a resource.
pub mod annotation {
    /// Reconcile now: any new value; echoed in `status.lastHandledReconcileAt`.
    pub const REQUESTED_AT: &str = "mizuumi.dev/requested-at";
    /// Let a resource go without touching AWS, for when AWS cannot be reached any more. Only read while it is being deleted.
    pub const ABANDON: &str = "mizuumi.dev/abandon";
    /// Says that a deletion is meant, where so many come at once that they are held. Only read while it is being deleted.
    pub const CONFIRM_DELETION: &str = "mizuumi.dev/confirm-deletion";
    /// Approves changes that break readers, by the hashes that the status names; commas part them.
    pub const APPROVE: &str = "mizuumi.dev/approve";
    /// The commit that the resource was applied from; written to Glue as `mizuumi.commit` with the next change of the table.
    pub const COMMIT: &str = "mizuumi.dev/commit";
    /// A producer's report: the exclusive end of the data covered, RFC 3339.
    pub const REPORTED_DATA_TIME: &str = "mizuumi.dev/reported-data-time";
    /// A producer's report: when the data landed, RFC 3339.
    pub const REPORTED_LOADED_AT: &str = "mizuumi.dev/reported-loaded-at";
    /// Until when a cluster of `lifecycle: WhenNeeded` is needed, RFC 3339.
    pub const NEEDED_UNTIL: &str = "mizuumi.dev/needed-until";
    /// On an Event: the operation that failed, such as `glue:CreateTable`.
    pub const OPERATION: &str = "mizuumi.dev/operation";
    /// On an Event: the error code of AWS.
    pub const ERROR_CODE: &str = "mizuumi.dev/error-code";
    /// On an Event: by what AWS knows the call that failed last.
    pub const REQUEST_ID: &str = "mizuumi.dev/request-id";
    /// On an Event: when it is tried again, RFC 3339.
    pub const NEXT_TRY: &str = "mizuumi.dev/next-try";
}

/// Labels that the controllers set.
pub mod label {
    /// The `IngestJob` that made a run.
    pub const JOB: &str = "mizuumi.dev/job";
    /// The `Backfill` that made a run.
    pub const BACKFILL: &str = "mizuumi.dev/backfill";
    /// The `IngestRun` that a Job of Kubernetes does the work of.
    pub const RUN: &str = "mizuumi.dev/run";
    /// The `SourceConnection` that a run was made with.
    pub const SOURCE: &str = "mizuumi.dev/source";
}
