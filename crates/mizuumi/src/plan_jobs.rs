//! What `mizuumi plan` says of jobs: whether they hold, and which sessions come next. Nothing of them is in AWS.

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::Timestamp;
use mizuumi_api::{DataTable, IngestJob, Installation};
use mizuumi_core::data_table::Tables;
use mizuumi_core::ingest_job::Jobs;
use mizuumi_core::ingest_job::cycle::{self, Link};
use mizuumi_core::ingest_run::Target;
use mizuumi_core::{Goal, Kind};

use crate::manifests::Manifests;

/// So many sessions are told.
const SESSIONS: usize = 3;

/// Prints each job; answers how many do not hold.
pub(crate) fn print(
    out: &mut impl Write,
    found: &Manifests,
    installation: &Installation,
    now: Timestamp,
) -> io::Result<usize> {
    let mut wrong = 0;
    let links = links(found);
    for job in &found.jobs {
        let (namespace, name) = name_of(job);
        let resource = format!("{namespace}/{name}");
        let told = match in_a_cycle(job, &links) {
            Some(cycle) => Err(vec![format!("spec.run.waitFor: {cycle}")]),
            None => told(job, found, installation, now),
        };
        match told {
            Ok(sessions) => writeln!(out, "  # IngestJob {resource} holds\n  . {sessions}\n")?,
            Err(problems) => {
                wrong += 1;
                writeln!(out, "  # IngestJob {resource} makes no runs as the manifest says")?;
                for problem in problems {
                    writeln!(out, "  ! {problem}")?;
                }
                writeln!(out)?;
            }
        }
    }
    Ok(wrong)
}

/// What each job among the manifests writes and waits for, by namespace and name.
fn links(found: &Manifests) -> BTreeMap<(String, String), Link> {
    let link = |job: &IngestJob| {
        let table = found.tables.iter().find(|table| is_of(job, table)).map(Tables::key);
        (name_of(job), Link::of(job, table.map(|key| format!("{}.{}", key.database, key.table))))
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
) -> Result<String, Vec<String>> {
    let goal = Jobs::goal(job, installation)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    // A table that is not among the manifests may be there all the same.
    if let Some(table) = found.tables.iter().find(|table| is_of(job, table))
        && let Target::Refused(why) = Target::of(table, installation)
    {
        let name = &job.spec.run.table;
        return Err(vec![format!("spec.run.table: no run can be published into DataTable '{name}': {why}")]);
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
