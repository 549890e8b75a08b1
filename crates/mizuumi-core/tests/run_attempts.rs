//! Laws of attempts: whatever becomes of Jobs, and wherever the controller stops, an attempt's work is begun once, each
//! attempt has a directory of its own, and it ends.
#![expect(clippy::expect_used, reason = "a test's helpers fail as its tests do")]
#![expect(clippy::needless_pass_by_value, reason = "tests write json!(…) where they need it")]

#[path = "runs/flights.rs"]
mod flights;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::Installation;
use mizuumi_api::ingest_run::{IngestRun, RunAttemptState, RunPhase};
use mizuumi_core::ingest_run::trace::Traces;
use mizuumi_core::ingest_run::work::{Covered, SeenJob};
use mizuumi_core::ingest_run::world::{Output, OutputPartition};
use mizuumi_core::ingest_run::{RunAround, RunStep, RunWorld, Runs, Target};
use mizuumi_core::publication::sha256;
use mizuumi_core::{Evidence, Kind};
use proptest::prelude::*;
use serde_json::{Value, json};

use flights::table;

fn installation() -> Installation {
    let jobs = json!({ "jobs": { "serviceAccount": "ingest", "images": ["ingest"] } });
    flights::installation(jobs, json!({}))
}

fn run(more: Value) -> IngestRun {
    let work = json!({ "engine": "KubernetesJob", "kubernetesJob": { "image": "ingest" } });
    flights::run("daily", work, more)
}

/// What becomes of one look at a Job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Works,
    Fails,
    Lost,
    Deleted,
    Done,
}

/// Kubernetes, as far as a run has to do with it.
struct Stand {
    object: IngestRun,
    now: Timestamp,
    jobs: BTreeMap<String, SeenJob>,
    created: Vec<String>,
    covered: BTreeMap<String, Covered>,
    traces: Traces,
}

impl Stand {
    fn new(object: IngestRun) -> Self {
        let now = "2026-11-03T00:00:00Z".parse().expect("a time");
        Self {
            object,
            now,
            jobs: BTreeMap::new(),
            created: Vec::new(),
            covered: BTreeMap::new(),
            traces: Traces::default(),
        }
    }

    fn phase(&self) -> Option<RunPhase> {
        self.object.status.as_ref()?.phase
    }

    /// One pass of the controller; it may stop right after the record, or after the Job is there.
    fn pass(&mut self, stops_after: Option<usize>) {
        let installation = installation();
        let mut goal = Runs::goal(&self.object, &installation).expect("a goal");
        let target = Target::of(&table(), &installation);
        let around = RunAround { target, covered: self.covered.clone(), ..RunAround::default() };
        Runs::heed(&mut goal, &self.object, around);
        let look = Runs::look(&goal);
        let partition = OutputPartition {
            location: "s3://lake/team/flights/x/".to_owned(),
            files: 1,
            bytes: 1,
            sha256: sha256(b"x"),
        };
        let world = RunWorld {
            job: look.job.as_ref().map(|job| self.jobs.get(&job.name).cloned().unwrap_or(SeenJob::Missing)),
            output: look.output.as_ref().map(|_| Output {
                partitions: [(vec!["1".to_owned()], partition)].into(),
                ..Output::default()
            }),
            traces: look.traces.as_ref().map(|_| self.traces.clone()),
            looked: Some(self.now),
            ..RunWorld::default()
        };
        let plan = Runs::plan(&goal, &world, self.now);
        for step in &plan.steps {
            if let Some(status) = Runs::record(&self.object, step) {
                self.object.status = Some(status);
                if stops_after == Some(0) {
                    return;
                }
            }
            let attempt = self.object.status.as_ref().and_then(|status| status.attempt.as_ref());
            let number = attempt.map(|attempt| attempt.number);
            match step {
                RunStep::CreateJob { .. } => self.traces.started.extend(number),
                RunStep::WriteResult { .. } => self.traces.ended.extend(number),
                _ => {}
            }
            match step {
                RunStep::CreateJob { job, .. } if !self.jobs.contains_key(&job.name) => {
                    self.created.push(job.name.clone());
                    self.jobs.insert(job.name.clone(), SeenJob::Active { message: "runs".to_owned() });
                }
                RunStep::DeleteJob { name, .. } => drop(self.jobs.remove(name)),
                _ => {}
            }
            if stops_after == Some(1) {
                return;
            }
        }
        let done = plan.steps.clone();
        let evidence = Evidence::Observed { world, plan, done, failure: None, endless: false };
        self.object.status = Some(Runs::report(&self.object, Some(&goal), &evidence, self.now));
    }

    fn has_seen_job(&self) -> bool {
        let attempt = self.object.status.as_ref().and_then(|status| status.attempt.as_ref());
        attempt.is_some_and(|attempt| attempt.external_id.is_some())
    }

    fn befall(&mut self, fate: Fate) {
        let has_seen_job = self.has_seen_job();
        let open = self.jobs.values_mut().find(|job| matches!(job, SeenJob::Active { .. }));
        let Some(job) = open else { return };
        match fate {
            Fate::Works => {}
            Fate::Fails => {
                *job = SeenJob::Failed { message: "exit 1".to_owned(), was_lost: false, exit_code: None }
            }
            Fate::Lost => {
                *job = SeenJob::Failed { message: "evicted".to_owned(), was_lost: true, exit_code: None }
            }
            Fate::Done => *job = SeenJob::Complete,
            // One that goes before anybody has seen it is created again: Kubernetes tells no difference.
            Fate::Deleted if !has_seen_job => {}
            Fate::Deleted => self.jobs.retain(|_, job| !matches!(job, SeenJob::Active { .. })),
        }
    }

    fn wait(&mut self, minutes: i64) {
        self.now = self.now.checked_add(SignedDuration::from_mins(minutes)).expect("a time");
    }
}

fn fates() -> impl Strategy<Value = Vec<(Fate, Option<usize>)>> {
    let fate = prop_oneof![
        Just(Fate::Works),
        Just(Fate::Fails),
        Just(Fate::Lost),
        Just(Fate::Deleted),
        Just(Fate::Done),
    ];
    proptest::collection::vec((fate, proptest::option::of(0_usize..2)), 1..60)
}

proptest! {
    #[test]
    fn each_attempt_is_begun_once_and_in_a_directory_of_its_own(fates in fates(), retries in 0_i32..4) {
        let mut stand = Stand::new(run(json!({ "retries": retries })));
        let mut outputs = BTreeMap::new();
        for (fate, stops_after) in fates {
            stand.pass(stops_after);
            if let Some(attempt) = stand.object.status.as_ref().and_then(|status| status.attempt.as_ref()) {
                let other = outputs.insert(attempt.number, (attempt.output.clone(), attempt.worker.clone()));
                prop_assert!(other.is_none_or(|other| other == (attempt.output.clone(), attempt.worker.clone())));
            }
            let active = stand.jobs.values().filter(|job| matches!(job, SeenJob::Active { .. })).count();
            prop_assert!(active <= 1, "two attempts at once: {:?}", stand.jobs);
            stand.befall(fate);
            stand.wait(11);
        }
        let mut created = stand.created.clone();
        created.dedup();
        prop_assert_eq!(&created, &stand.created, "each Job is created once");
        let places: std::collections::BTreeSet<_> = outputs.values().map(|(output, _)| output).collect();
        prop_assert_eq!(places.len(), outputs.len());
    }

    #[test]
    fn work_that_never_ends_well_ends(fates in proptest::collection::vec(prop_oneof![Just(Fate::Fails), Just(Fate::Lost)], 200), retries in 0_i32..4) {
        let mut stand = Stand::new(run(json!({ "retries": retries })));
        for fate in fates {
            stand.pass(None);
            stand.befall(fate);
            stand.wait(11);
        }
        prop_assert_eq!(stand.phase(), Some(RunPhase::Failed));
        // Six that were lost in a row end it, and each failure takes one retry.
        let limit = (usize::try_from(retries).expect("small") + 1) * 6;
        prop_assert!(stand.created.len() <= limit, "{} attempts", stand.created.len());
    }

    #[test]
    fn nothing_is_begun_before_the_data_is_there(hours in -48_i64..48) {
        let mut stand = Stand::new(run(json!({ "waitFor": [{ "table": "nyc.clicks", "offset": "1h" }] })));
        let until: Timestamp = "2026-11-01T23:00:00Z".parse().expect("a time");
        let covered = until.checked_add(SignedDuration::from_hours(hours)).expect("a time");
        stand.pass(None);
        prop_assert_eq!(stand.phase(), Some(RunPhase::Pending));
        stand.covered.insert("nyc.clicks".to_owned(), Covered::Until(Some(covered)));
        stand.pass(None);
        prop_assert_eq!(stand.created.len(), usize::from(hours >= 0));
    }
}

#[test]
fn a_run_that_is_given_up_stops_its_job_and_fails() {
    let mut stand = Stand::new(run(json!({ "retries": 3 })));
    stand.pass(None);
    stand.pass(None);
    assert_eq!(stand.jobs.len(), 1);
    stand.object.spec.cancel = true;
    for _ in 0..4 {
        stand.pass(None);
    }
    assert!(stand.jobs.is_empty());
    assert_eq!(stand.phase(), Some(RunPhase::Failed));
    let attempt = stand.object.status.and_then(|status| status.attempt).expect("an attempt");
    assert_eq!((attempt.number, attempt.state), (1, RunAttemptState::Failed));
}

#[test]
fn an_attempt_that_takes_too_long_is_stopped_and_counts_as_failed() {
    let mut stand = Stand::new(run(json!({ "timeout": "30m" })));
    stand.pass(None);
    stand.pass(None);
    stand.wait(31);
    for _ in 0..4 {
        stand.pass(None);
    }
    assert_eq!((stand.phase(), stand.created.len()), (Some(RunPhase::Failed), 1));
}

#[test]
fn a_run_whose_status_is_lost_goes_on_in_a_directory_that_nothing_was_written_to() {
    let mut stand = Stand::new(run(json!({ "retries": 1 })));
    stand.pass(None);
    stand.befall(Fate::Fails);
    for _ in 0..3 {
        stand.pass(None);
        stand.wait(11);
    }
    assert_eq!(
        (stand.created.len(), stand.traces.clone()),
        (2, Traces { started: [1, 2].into(), ended: [1].into() })
    );
    stand.object.status = None;
    stand.pass(None);
    let status = stand.object.status.clone().expect("a status");
    let attempt = status.attempt.expect("an attempt");
    assert_eq!((attempt.number, attempt.output.as_str()), (3, "s3://lake/team/flights/runs/daily/a3/"));
    let forgotten: Vec<i64> = status.failed_attempts.iter().map(|past| past.number).collect();
    assert!(forgotten == [2, 1] && status.failed_attempts.iter().all(|past| past.was_lost), "{forgotten:?}");
    // What the status does not know takes no retry away.
    stand.jobs.clear();
    for _ in 0..3 {
        stand.pass(None);
        stand.befall(Fate::Fails);
        stand.wait(11);
    }
    assert_eq!(stand.object.status.and_then(|status| status.attempt).map(|attempt| attempt.number), Some(4));
}
