//! `mizuumi wait`: until a table's data is there, for whoever goes on with it.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use mizuumi_api::data_table::{FreshnessState, FreshnessStatus};
use mizuumi_api::{ResourceId, ResourceKind};
use mizuumi_controller::Followed;
use serde::Deserialize;
use serde_json::Value;

use crate::kubernetes::KubernetesArgs;
use crate::made::{duration, say};

/// It cannot come.
const NEVER: u8 = 2;
/// It did not come in time.
const NOT_YET: u8 = 3;

/// What `wait` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mizuumi wait delays --covers 2026-11-01T00:00:00+09:00 --timeout 2h
  mizuumi wait delays --timeout 30m                 until it is as fresh as it has to be

What the table's data covers is status.freshness.dataTime, the exclusive end of what is complete. What is there already is
told at once.

Exit codes:
  0  the data is there
  1  an error: Kubernetes could not be read
  2  it cannot come: there is no such table, it is deleted, or it does not say how its data is known (spec.freshness)
  3  it did not come within --timeout")]
pub(crate) struct WaitArgs {
    /// Name of the DataTable.
    table: String,
    /// The data has to be complete up to this time, such as 2026-11-01T00:00:00+09:00; without it, it has to be fresh.
    #[arg(long, value_name = "TIME")]
    covers: Option<Timestamp>,
    /// How long to wait, such as 30m; without it, for ever.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,
    #[command(flatten)]
    kubernetes: KubernetesArgs,
}

/// Waits for a table's data.
pub(crate) async fn run(args: &WaitArgs) -> anyhow::Result<ExitCode> {
    let lookup = args.kubernetes.lookup().await?;
    let id = ResourceId {
        kind: ResourceKind::DataTable,
        namespace: lookup.namespace.clone(),
        name: args.table.clone(),
    };
    let mut said = String::new();
    let look = |object: &Value| -> ControlFlow<Result<String, String>> {
        if object["spec"]["freshness"].is_null() {
            let why = format!("{id} does not say how its data is known: spec.freshness is not set");
            return ControlFlow::Break(Err(why));
        }
        let told = FreshnessStatus::deserialize(&object["status"]["freshness"]).ok();
        let until = told.as_ref().and_then(|told| told.data_time);
        let far =
            until.map_or_else(|| "nobody knows up to when".to_owned(), |until| format!("up to {until}"));
        let is_there = match args.covers {
            Some(covers) => until.is_some_and(|until| until >= covers),
            None => {
                told.is_some_and(|told| matches!(told.state, FreshnessState::Fresh | FreshnessState::Warn))
            }
        };
        let line = format!("{id}: complete {far}");
        if is_there {
            return ControlFlow::Break(Ok(line));
        }
        if line != said {
            say(&line);
            said = line;
        }
        ControlFlow::Continue(())
    };
    match lookup.follow(&id, args.timeout, look).await.with_context(|| id.to_string())? {
        Followed::Found(Ok(line)) => {
            say(&line);
            Ok(ExitCode::SUCCESS)
        }
        Followed::Found(Err(why)) => {
            say(&format!("error: {why}"));
            Ok(ExitCode::from(NEVER))
        }
        Followed::Gone => {
            say(&format!("error: there is no {id}, or not any more"));
            Ok(ExitCode::from(NEVER))
        }
        Followed::NotYet => {
            say(&format!(
                "error: the data did not come in time; why: mizuumi explain dtbl/{} -n {}",
                id.name, id.namespace
            ));
            Ok(ExitCode::from(NOT_YET))
        }
    }
}
