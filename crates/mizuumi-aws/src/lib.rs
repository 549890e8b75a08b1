//! The facts and effects of Mizuumi on AWS: what is there, and one write at a time.
//!
//! The only crate that names an AWS SDK. It decides nothing: what to look at and what to write comes from
//! `mizuumi-core`, and what came of it goes back in its words.

mod artifacts;
mod athena;
mod avsc;
mod backfill;
pub mod catalog;
pub mod clients;
mod crawls;
mod data_looks;
pub mod data_table;
mod ec2;
mod ecs;
mod emr;
pub mod emr_cluster;
pub mod error;
mod files;
mod gateway;
pub mod glue;
pub mod ingest_run;
mod inventory;
mod json;
mod manifests;
pub mod metrics;
mod networks;
mod pace;
pub mod preflight;
pub mod quality_check;
mod queries;
mod query;
pub mod s3;
mod service;
mod shadows;
mod spans;
mod superseded;

pub use clients::Clients;
pub use data_table::TablePort;
pub use emr_cluster::ClusterPort;
pub use ingest_run::RunPort;
pub use metrics::Metrics;
pub use quality_check::CheckPort;
pub use spans::SPANS;
