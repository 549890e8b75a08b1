//! What Mizuumi does, as its users see it: a file for each behaviour, a test for each sentence.

#![expect(clippy::expect_used, clippy::panic, reason = "tests fail by panicking, helpers of tests too")]
#![expect(clippy::needless_pass_by_value, reason = "tests write json!(…) where they need it")]

mod admission;
mod asking;
mod avsc;
mod cluster_crash;
mod cluster_network;
mod cluster_nodes;
mod cluster_status;
mod clusters;
mod conformance;
mod crash;
mod crawler;
mod describe;
mod drift;
mod evolution;
mod explain;
mod faults;
mod freshness;
mod idle;
mod import;
mod import_emr;
mod input;
mod job_crash;
mod jobs;
mod kstatus;
mod learning;
mod lifecycle;
mod links;
mod lint;
mod metrics;
mod modes;
mod ownership;
mod partition_indexes;
mod partitions;
mod plan;
mod publishing;
mod quality;
mod quality_crash;
mod quality_gates;
mod quality_rows;
mod readers;
mod rollback;
mod run_by_hand;
mod run_crash;
mod run_jobs;
mod run_own_cluster;
mod run_shadows;
mod run_steps;
mod run_tasks;
mod settings;
mod sources;
mod superseded;
mod view;
