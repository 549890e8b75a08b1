//! What `mizuumi plan` says of jobs and backfills: whether they hold, and which sessions come. Nothing of them is in AWS.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mizuumi_api::backfill::BackfillSessions;
use mizuumi_api::{Backfill, DataTable, IngestJob, Installation, ResourceId, ResourceKind};
use mizuumi_core::backfill::sessions::{MOST, Sessions};
use mizuumi_core::data_table::Tables;
use mizuumi_core::explain::Object;
use mizuumi_core::ingest_job::Jobs;
use mizuumi_core::ingest_job::cycle::{self, Link};
use mizuumi_core::ingest_run::Target;
use mizuumi_core::source_connection::{SeenConnection, filled};
use mizuumi_core::{Goal, Kind, Problem};

use crate::manifests::Manifests;
use crate::plan_told::{Action, Item, Line};

/// So many sessions are told.
const SESSIONS: usize = 3;

/// What is told of each job.
pub(crate) fn items(found: &Manifests, installation: &Installation, now: Timestamp) -> Vec<Item> {
    let links = links(found);
    let item = |job: &IngestJob| {
        let (namespace, name) = name_of(job);
        let resource = ResourceId { kind: ResourceKind::IngestJob, namespace, name };
        let told = match in_a_cycle(job, &links) {
            Some(cycle) => Err(vec![Problem::invalid("spec.run.waitFor", cycle)]),
            None => told(job, found, installation, now),
        };
        let (action, verdict, said) = match told {
            Ok(sessions) => (Action::Hold, "holds", vec![Line::new('.', sessions)]),
            Err(problems) => {
                let line = |problem: &Problem| {
                    Line::new('!', format!("{}: {problem}", found.place(&resource, &problem.path)))
                };
                (Action::Error, "makes no runs as the manifest says", problems.iter().map(line).collect())
            }
        };
        let head = format!("{resource} {verdict}");
        Item { resource, table: None, action, head, lines: said }
    };
    found.jobs.iter().map(item).collect()
}

/// What is told of each backfill whose job is among the manifests too: how many sessions it has, or what is wrong.
pub(crate) fn backfills(found: &Manifests, now: Timestamp) -> Vec<Item> {
    let item = |backfill: &Backfill| {
        let spec = &backfill.spec;
        let is_its = |job: &&IngestJob| {
            job.metadata.name.as_ref() == Some(&spec.job)
                && job.metadata.namespace == backfill.metadata.namespace
        };
        let job = found.jobs.iter().find(is_its)?;
        let resource = Object::Backfill(Box::new(backfill.clone())).id();
        let sessions = match &job.spec.schedule {
            None => {
                Err(format!("IngestJob '{}' has no schedule, so that nobody knows its sessions", spec.job))
            }
            // What is wrong with the schedule is told of the job.
            Some(schedule) => Sessions::of(spec, schedule, now).ok()?.count().ok_or_else(|| {
                format!(
                    "there are more than {MOST} sessions in this range; make a backfill for each part of it"
                )
            }),
        };
        let (action, verdict, line) = match sessions {
            Ok(sessions) => {
                let at_once = spec.max_active_runs.unwrap_or(1);
                let left_out = match spec.sessions {
                    BackfillSessions::Missing => "; those that have data are left out",
                    BackfillSessions::All => "",
                };
                let line = format!("{sessions} sessions up to now, {at_once} at once{left_out}");
                (Action::Hold, "holds", Line::new('.', line))
            }
            Err(why) => {
                let line = format!("{}: {why}", found.place(&resource, "spec.job"));
                (Action::Error, "makes no runs as the manifest says", Line::new('!', line))
            }
        };
        let head = format!("{resource} {verdict}");
        Some(Item { resource, table: None, action, head, lines: vec![line] })
    };
    found.backfills.iter().filter_map(item).collect()
}

/// What each job among the manifests writes and waits for, by namespace and name.
fn links(found: &Manifests) -> BTreeMap<(String, String), Link> {
    let link = |job: &IngestJob| {
        let table = found.tables.iter().find(|table| is_of(job, table)).map(Tables::key);
        (name_of(job), Link::of(job, table.map(|key| key.to_string())))
    };
    found.jobs.iter().map(link).collect()
}

fn name_of(job: &IngestJob) -> (String, String) {
    let name = |text: &Option<String>| text.clone().unwrap_or_default();
    (name(&job.metadata.namespace), name(&job.metadata.name))
}

/// The cycle of jobs that keeps a job from ever beginning, in words.
fn in_a_cycle(job: &IngestJob, links: &BTreeMap<(String, String), Link>) -> Option<String> {
    let (namespace, name) = name_of(job);
    let cycle = cycle::cycle(&name_of(job), links)?;
    Some(cycle::in_words(&namespace, &name, &cycle))
}

/// The sessions that come next, or what is wrong.
fn told(
    job: &IngestJob,
    found: &Manifests,
    installation: &Installation,
    now: Timestamp,
) -> Result<String, Vec<Problem>> {
    let goal = Jobs::goal(job, installation)?;
    // A table that is not among the manifests may be there all the same.
    if let Some(table) = found.tables.iter().find(|table| is_of(job, table))
        && let Target::Refused(why) = Target::of(table, installation)
    {
        let name = &job.spec.run.table;
        let what = format!("no run can be published into DataTable '{name}': {why}");
        return Err(vec![Problem::invalid("spec.run.table", what)]);
    }
    // Nor is a connection that is in no file here looked for.
    if let Some(connection) = found.connection_of(job) {
        filled(job, &SeenConnection::of(connection, installation))
            .map_err(|(_, why)| vec![Problem::invalid("spec.run.source.connection", why)])?;
    }
    let Goal::Present(desired) = goal else { return Ok("it is being deleted".to_owned()) };
    let Some(cron) = &desired.schedule else {
        return Ok("it has no schedule; its runs are made by hand: mizuumi run".to_owned());
    };
    let sessions = std::iter::successors(cron.next(now), |session| cron.next(*session));
    let sessions: Vec<String> = sessions.take(SESSIONS).map(|session| session.to_string()).collect();
    let suspended = if desired.is_suspended { ", once it is not suspended" } else { "" };
    Ok(format!("the next sessions{suspended}: {} …", sessions.join(", ")))
}

fn is_of(job: &IngestJob, table: &DataTable) -> bool {
    table.metadata.name.as_deref() == Some(job.spec.run.table.as_str())
        && table.metadata.namespace == job.metadata.namespace
}
