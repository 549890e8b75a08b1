//! Runs that a person makes: of a job for a session, or of an earlier run's session once more.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use mizuumi_api::ingest_job::IngestJob;
use mizuumi_api::ingest_run::{IngestRun, IngestRunSpec, RunEngine};
use mizuumi_api::label;

use super::desired::{fits, name_of, run_of};
use super::schedule;

/// The run of a job for a session; without one, for the latest that its schedule has named, or for now. Values that are set win
/// over the job's. `runs` are those of its table.
///
/// # Errors
/// Why there can be none.
pub fn run(
    job: &IngestJob,
    runs: &[IngestRun],
    at: Option<Timestamp>,
    set: BTreeMap<String, String>,
    now: Timestamp,
) -> Result<IngestRun, String> {
    let name = job.metadata.name.as_deref().unwrap_or_default();
    if job.metadata.deletion_timestamp.is_some() {
        return Err(format!("IngestJob '{name}' is being deleted, and its runs with it"));
    }
    let session = at.map_or_else(|| latest(job, now), Ok)?;
    if session.subsec_nanosecond() != 0 {
        return Err(format!("a session is a time in whole seconds; {session} is not"));
    }
    let runs: Vec<&IngestRun> = runs.iter().collect();
    let revision =
        free_revision(&runs, &job.spec.run.table, session, |revision| name_of(name, session, revision));
    let mut run = run_of(job, session, revision);
    if !set.is_empty() {
        run.spec.parameters.get_or_insert_default().extend(set);
    }
    named(run, &name_of(name, session, revision))
}

/// The next revision of a run, with the same spec. `runs` are those of its table.
///
/// # Errors
/// Why there can be none.
pub fn rerun(run: &IngestRun, runs: &[IngestRun]) -> Result<IngestRun, String> {
    let name = run.metadata.name.as_deref().unwrap_or_default();
    let Some(session) = run.spec.session_time.filter(|_| run.spec.engine != RunEngine::Rollback) else {
        return Err(format!(
            "run '{name}' is a rollback; to have what it took back again, rerun the run that it took back"
        ));
    };
    let stem = stem(name, run.spec.revision);
    let named_by = |revision: i32| format!("{stem}-r{revision}");
    let runs: Vec<&IngestRun> = runs.iter().chain([run]).collect();
    let revision = free_revision(&runs, &run.spec.table, session, named_by);
    // What was said of that run's work is not said of this one's.
    let spec = IngestRunSpec { revision, external: None, cancel: false, ..run.spec.clone() };
    let mut next = IngestRun::new(&named_by(revision), spec);
    next.metadata.namespace.clone_from(&run.metadata.namespace);
    next.metadata.labels.clone_from(&run.metadata.labels);
    // A backfill counts each session once.
    next.metadata.labels.as_mut().map(|labels| labels.remove(label::BACKFILL));
    next.metadata.owner_references.clone_from(&run.metadata.owner_references);
    named(next, &named_by(revision))
}

/// The latest session that a job's schedule has named.
fn latest(job: &IngestJob, now: Timestamp) -> Result<Timestamp, String> {
    let Some(schedule) = &job.spec.schedule else { return Ok(now) };
    match schedule::read(schedule) {
        Ok(cron) => Ok(cron.last(now).unwrap_or(now)),
        Err(problems) => {
            let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Err(format!(
                "its schedule does not hold, so that a session has to be named, by --at: {}",
                said.join("; ")
            ))
        }
    }
}

/// A revision above all of the session, whose name nobody has.
fn free_revision(
    runs: &[&IngestRun],
    table: &str,
    session: Timestamp,
    named_by: impl Fn(i32) -> String,
) -> i32 {
    let of_session = runs.iter().filter(|run| {
        run.spec.table == table
            && run.spec.session_time == Some(session)
            && run.spec.engine != RunEngine::Rollback
    });
    let least = of_session.map(|run| run.spec.revision.saturating_add(1)).max().unwrap_or_default();
    let taken: BTreeSet<&str> = runs.iter().filter_map(|run| run.metadata.name.as_deref()).collect();
    (least..=i32::MAX).find(|revision| !taken.contains(named_by(*revision).as_str())).unwrap_or(i32::MAX)
}

/// The part of a run's name that all revisions share.
fn stem(name: &str, revision: i32) -> &str {
    name.strip_suffix(&format!("-r{revision}")).unwrap_or(name)
}

/// A run under a name that is short enough.
fn named(run: IngestRun, name: &str) -> Result<IngestRun, String> {
    if fits(name) {
        return Ok(run);
    }
    Err(format!(
        "its name would be '{name}', which is too long for a run; make one under a shorter name, by kubectl create"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn job(schedule: &Value) -> IngestJob {
        let mut job = json!({
            "apiVersion": "mizuumi.dev/v1alpha1", "kind": "IngestJob",
            "metadata": { "name": "delays", "namespace": "team-a", "uid": "job-uid" },
            "spec": { "run": { "table": "delays", "engine": "External", "parameters": { "days": "1", "mode": "full" } } },
        });
        if !schedule.is_null() {
            job["spec"]["schedule"] = schedule.clone();
        }
        serde_json::from_value(job).expect("a job")
    }

    fn a_run(name: &str, table: &str, session: &str, revision: i32) -> IngestRun {
        serde_json::from_value(json!({
            "apiVersion": "mizuumi.dev/v1alpha1", "kind": "IngestRun",
            "metadata": { "name": name, "namespace": "team-a" },
            "spec": {
                "table": table, "sessionTime": session, "revision": revision, "engine": "External",
                "external": { "outcome": "Failed" }, "cancel": true,
            },
        }))
        .expect("a run")
    }

    fn name(run: &IngestRun) -> &str {
        run.metadata.name.as_deref().expect("a name")
    }

    #[test]
    fn without_a_session_it_is_the_latest_of_the_schedule_or_now() {
        let now = at("2026-11-26T12:34:56Z");
        let daily = job(&json!({ "cron": "0 2 * * *", "timeZone": "Asia/Tokyo" }));
        let made = run(&daily, &[], None, BTreeMap::new(), now).expect("a run");
        assert_eq!(name(&made), "delays-20261125t1700z-r0");
        assert_eq!(made.spec.session_time, Some(at("2026-11-25T17:00:00Z")));
        let by_hand = run(&job(&Value::Null), &[], None, BTreeMap::new(), now).expect("a run");
        assert_eq!(name(&by_hand), "delays-20261126t123456z-r0");
        let owner = &made.metadata.owner_references.as_ref().expect("an owner")[0];
        assert_eq!(
            (owner.name.as_str(), owner.uid.as_str(), owner.controller),
            ("delays", "job-uid", Some(true))
        );
        let broken = job(&json!({ "cron": "every day", "timeZone": "UTC" }));
        let refused = run(&broken, &[], None, BTreeMap::new(), now).expect_err("no session");
        assert!(refused.contains("--at") && refused.contains("spec.schedule.cron"), "{refused}");
    }

    #[test]
    fn it_gets_the_next_revision_that_is_free_and_the_values_that_are_set() {
        let session = "2026-11-25T17:00:00Z";
        let there = [
            a_run("delays-20261125t1700z-r0", "delays", session, 0),
            a_run("by-somebody", "delays", session, 4),
            a_run("delays-20261125t1700z-r5", "other", "2026-01-01T00:00:00Z", 0),
            a_run("elsewhere", "other", session, 9),
        ];
        let set: BTreeMap<String, String> = [("days".to_owned(), "7".to_owned())].into();
        let made =
            run(&job(&Value::Null), &there, Some(at(session)), set, Timestamp::UNIX_EPOCH).expect("a run");
        assert_eq!((name(&made), made.spec.revision), ("delays-20261125t1700z-r6", 6));
        let parameters = made.spec.parameters.expect("parameters");
        assert_eq!((parameters["days"].as_str(), parameters["mode"].as_str()), ("7", "full"));
    }

    #[test]
    fn a_rerun_is_the_same_run_once_more() {
        let session = "2026-11-25T17:00:00Z";
        let first = a_run("delays-20261125t1700z-r0", "delays", session, 0);
        let again = rerun(&first, std::slice::from_ref(&first)).expect("a run");
        assert_eq!((name(&again), again.spec.revision), ("delays-20261125t1700z-r1", 1));
        assert_eq!((again.spec.external, again.spec.cancel), (None, false));
        let named = a_run("nightly", "delays", session, 0);
        assert_eq!(name(&rerun(&named, &[first.clone(), named.clone()]).expect("a run")), "nightly-r1");
        let long = a_run(&"n".repeat(62), "delays", session, 0);
        assert!(rerun(&long, &[]).expect_err("too long").contains("too long"));
        let mut back = first;
        back.spec.engine = RunEngine::Rollback;
        assert!(rerun(&back, &[]).expect_err("a rollback").contains("is a rollback"));
    }
}
