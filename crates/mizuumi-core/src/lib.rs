//! The decisions of Mizuumi: what to do about each resource, and what to say of it.
//!
//! Everything here is a pure function of its arguments: no IO, no clock, no Kubernetes client, no AWS SDK. Time comes
//! in as `now`, the world comes in as what was observed, and what has to be done goes out as data.

pub mod approval;
pub mod backfill;
pub mod cron;
pub mod data_table;
pub mod describe;
pub mod dqdl;
pub mod emr_cluster;
pub mod explain;
pub mod failure;
pub mod freshness;
pub mod hive_path;
pub mod hive_type;
pub mod iam;
pub mod ingest_job;
pub mod ingest_run;
pub mod inventory;
pub mod kind;
pub mod lineage;
pub mod overview;
pub mod owner;
pub mod packed;
pub mod plan;
pub mod problem;
pub mod publication;
pub mod quality_check;
pub mod s3_uri;
pub mod shard;
pub mod source_connection;
mod told;

pub use failure::{Class, Failure};
pub use kind::{Ask, DataDue, DataReading, Errand, Evidence, Kind, Lane, Port, Reading, Still};
pub use owner::OwnerKey;
pub use packed::Packed;
pub use plan::{Goal, Plan, Verdict};
pub use problem::Problem;
pub use shard::{Shard, shard_of};
