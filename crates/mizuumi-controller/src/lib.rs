//! The loop of Mizuumi: watches resources, has the decisions made, has them done, and writes down what came of it.
//!
//! The only crate that makes a Kubernetes client. One generic driver serves every kind.

mod asking;
mod backfills;
mod backoff;
pub mod by_hand;
mod clock;
mod cluster_sweep;
mod config_maps;
mod definitions;
mod deletions;
mod driver;
mod error;
mod events;
mod gate;
mod index;
mod ingest_jobs;
mod jobs;
mod kinds;
mod lease;
mod listed;
pub mod lookup;
mod metrics;
mod name;
mod pieces;
pub mod preflight;
mod quality_checks;
mod queue;
mod relations;
mod run;
mod run_steps;
mod source_connections;
mod status;
mod store;
mod survey;
mod sweep;
mod tally;
mod telemetry;
mod upstreams;
mod watch;
mod workers;

pub use asking::{Changed, Followed};
pub use clock::now;
pub use error::Error;
pub use lease::LeaseName;
pub use metrics::metrics_reference;
pub use run::run;
