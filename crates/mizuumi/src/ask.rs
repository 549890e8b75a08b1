//! `mizuumi suspend`, `resume` and `reconcile`: what a person asks of a resource, whatever its kind.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use mizuumi_api::{Condition, ResourceKind};
use mizuumi_controller::{Changed, Followed};
use serde::Deserialize;
use serde_json::Value;

use crate::kubernetes::{KubernetesArgs, Named, named};
use crate::made::{duration, say};

/// It was looked at, and is stuck.
const STUCK: u8 = 2;
/// Nobody looked at it in time.
const NOT_YET: u8 = 3;

/// What `suspend` and `resume` are given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mizuumi suspend dtbl/delays          nothing is written to its Glue table; its deletion goes on working
  mizuumi suspend ijob/nightly         no runs by the schedule; those under way go on
  mizuumi suspend bfill/year           no more runs of a backfill; those under way go on
  mizuumi resume dtbl/delays           the controller goes on

It sets spec.suspend. Where git says otherwise, Argo CD or Flux puts that back with the next sync.

Exit codes:
  0  done, or it was so already
  1  an error: no such resource, or it could not be changed")]
pub(crate) struct SuspendArgs {
    /// Which resource.
    #[arg(value_name = "KIND/NAME", value_parser = named)]
    resource: Named,
    #[command(flatten)]
    kubernetes: KubernetesArgs,
}

/// What `reconcile` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mizuumi reconcile dtbl/delays             have it looked at now, and wait for that
  mizuumi reconcile dtbl/delays --no-wait   only ask
  mizuumi reconcile qchk/delays             evaluate a check's rules now

Exit codes:
  0  it was looked at (with --no-wait: asked)
  1  an error: no such resource, or it could not be asked
  2  it was looked at, and somebody has to change something before it goes on
  3  no controller looked at it within --timeout")]
pub(crate) struct ReconcileArgs {
    /// Which resource.
    #[arg(value_name = "KIND/NAME", value_parser = named)]
    resource: Named,
    #[command(flatten)]
    kubernetes: KubernetesArgs,
    /// Only ask.
    #[arg(long, conflicts_with = "timeout")]
    no_wait: bool,
    /// How long to wait.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5m")]
    timeout: Duration,
}

/// Has a resource be left alone, or not any more.
pub(crate) async fn suspend(args: &SuspendArgs, suspend: bool) -> anyhow::Result<ExitCode> {
    let kinds = [ResourceKind::IngestRun, ResourceKind::EmrClusterClass, ResourceKind::SourceConnection];
    if kinds.contains(&args.resource.kind) {
        let kind = args.resource.kind;
        let else_ =
            if kind == ResourceKind::IngestRun { "; a run is given up by spec.cancel: true" } else { "" };
        bail!("{kind} {} cannot be suspended{else_}", args.resource.name);
    }
    let lookup = args.kubernetes.lookup().await?;
    let id = args.resource.in_namespace(&lookup.namespace);
    let word = if suspend { "suspended" } else { "resumed" };
    match lookup.suspend(&id, suspend).await.with_context(|| id.to_string())? {
        Changed::Yes => say(&format!("{id} is {word}")),
        Changed::No => {
            say(&format!("{id} is {} already", if suspend { "suspended" } else { "not suspended" }));
        }
        Changed::Missing => bail!("there is no {id}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// The part of a status that every kind has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    conditions: Vec<Condition>,
    last_handled_reconcile_at: Option<String>,
}

/// Has a resource looked at now.
pub(crate) async fn reconcile(args: &ReconcileArgs) -> anyhow::Result<ExitCode> {
    if args.resource.kind == ResourceKind::EmrClusterClass {
        bail!("nothing is done about an EmrClusterClass; its clusters follow it by themselves");
    }
    let lookup = args.kubernetes.lookup().await?;
    let id = args.resource.in_namespace(&lookup.namespace);
    let Some(word) = lookup.request(&id).await.with_context(|| id.to_string())? else {
        bail!("there is no {id}");
    };
    if args.no_wait {
        say(&format!("{id} is asked for"));
        return Ok(ExitCode::SUCCESS);
    }
    let look = |object: &Value| -> ControlFlow<Vec<Condition>> {
        match Status::deserialize(&object["status"]) {
            Ok(status) if status.last_handled_reconcile_at.as_deref() == Some(&word) => {
                ControlFlow::Break(status.conditions)
            }
            _ => ControlFlow::Continue(()),
        }
    };
    let followed = lookup.follow(&id, Some(args.timeout), look).await.with_context(|| id.to_string())?;
    let conditions = match followed {
        Followed::Found(conditions) => conditions,
        Followed::Gone => bail!("{id} was deleted meanwhile"),
        Followed::NotYet => {
            say(&format!(
                "error: nobody looked at {id} within {:?}; is a controller running that keeps this namespace?",
                args.timeout
            ));
            return Ok(ExitCode::from(NOT_YET));
        }
    };
    let of = |type_: &str| conditions.iter().find(|condition| condition.type_ == type_);
    let stalled = of("Stalled");
    if let Some(told) = stalled.or_else(|| of("Ready")) {
        say(&format!("{id}: {}: {}", told.reason, told.message));
    }
    Ok(if stalled.is_some() { ExitCode::from(STUCK) } else { ExitCode::SUCCESS })
}
