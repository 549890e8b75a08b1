//! The local AWS endpoint: Glue, EMR, Athena and ECS answered here, everything else by moto behind it, with faults, counts and an audit.
//!
//! Never a part of the product: it shares no type with the crates that it helps to test.

mod admin;
mod athena;
mod audit;
mod bench;
mod calls;
pub mod cli;
mod client;
mod clock;
mod ecs;
mod emr;
mod faults;
mod forward;
mod glue;
mod judge;
mod latency;
mod ledger;
mod lock;
mod moto;
mod operation;
mod owner;
mod protocol;
mod quotas;
mod requests;
mod ring;
mod runner;
mod server;
mod shared;
mod sigv4;

pub use faults::{Action, Rule};
pub use glue::Seed;
pub use latency::Latency;
pub use quotas::Quota;
pub use runner::Steps;
pub use server::{Options, Server};
