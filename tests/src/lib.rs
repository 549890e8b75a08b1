//! The harness of the tests of behaviour: the real binary, a real kube-apiserver and the local AWS endpoint.
//!
//! Each test is a [`Team`] of its own: a namespace, an AWS account, a Glue database, a bucket. Nothing is shared, so
//! tests run side by side. Tests never sleep; they wait for what they expect, up to a deadline.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a harness fails by panicking"
)]
#![expect(clippy::needless_pass_by_value, reason = "tests write json!(…) where they need it")]

mod admin;
mod aws;
mod aws_proxy;
mod backfills;
pub mod bench;
mod checks;
mod cluster_judge;
mod cluster_story;
mod clusters;
mod collector;
mod connections;
mod controller;
pub mod faults;
pub mod idle;
mod jobs;
mod judge;
mod kubelet;
mod kubernetes;
mod plan;
mod proxy;
mod recorder;
mod run_judge;
mod runs;
mod shadows;
mod source;
mod story;
mod tasks;
mod team;
mod terminal;
mod wait;

pub use admin::{Admin, Call, Write};
pub use aws::{Aws, bare};
pub use aws_proxy::{AwsProxy, Passing};
pub use checks::with_athena;
pub use cluster_judge::{ClusterWitness, Counted, cluster_portrait};
pub use cluster_story::{ClusterEnd, ClusterStory};
pub use clusters::{said_of, with_clusters};
pub use collector::{Collector, Span};
pub use controller::{Controller, Launch, Settings};
pub use jobs::{Hourly, run_name};
pub use judge::{Finding, Witness};
pub use kubelet::{Container, Exit, Kubelet, Work};
pub use kubernetes::{condition, reason_of};
pub use plan::{Planned, binary};
pub use proxy::{Arming, Ask, Loss, Past, Proxy, Way};
pub use recorder::{Recorder, Seen};
pub use shadows::{register, with_shadows};
pub use source::{Source, image_of};
pub use story::{Death, Ended, Reference, Story, portrait};
pub use tasks::{IMAGE, with_tasks};
pub use team::Team;
pub use terminal::Screen;
pub use wait::{DEADLINE, now};
