//! Laws of backfills: whoever dies wherever, each session has its turn once, no more runs are under way than may be, and what is counted
//! is what happened, though the runs are cleared away.
#![expect(clippy::expect_used, clippy::panic, reason = "a test's helpers fail as its tests do")]

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::backfill::{Backfill, BackfillStatus};
use mizuumi_api::ingest_run::RunPhase;
use mizuumi_api::{DataTable, IngestJob, Installation};
use mizuumi_core::backfill::simulate::simulate;
use mizuumi_core::backfill::{
    BackfillGoal, BackfillStep, BackfillWorld, Backfills, Counting, PastLook, SeenJob,
};
use mizuumi_core::ingest_job::{JobAround, JobStep, Jobs, SeenRun};
use mizuumi_core::ingest_run::Target;
use mizuumi_core::{Evidence, Kind, Plan};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

/// Two controllers at once are one too many, and do no harm.
const CONTROLLERS: usize = 2;
/// Sessions of the range.
const SESSIONS: i64 = 12;
/// More passes than anything takes.
const PASSES: usize = 400;

fn installation() -> Installation {
    serde_json::from_value(json!({
        "installation": "demo", "aws": { "region": "us-east-1" },
        "allow": { "databases": ["nyc"], "s3Prefixes": ["s3://lake/team/"] },
    }))
    .expect("a configuration")
}

fn target() -> Target {
    let table: DataTable = serde_json::from_value(json!({
        "apiVersion": "mizuumi.dev/v1alpha1", "kind": "DataTable",
        "metadata": { "name": "flights", "namespace": "team-a" },
        "spec": {
            "database": "nyc", "location": "s3://lake/team/flights/", "format": "parquet",
            "schema": { "from": "Declared", "columns": [{ "name": "id", "type": "bigint" }] },
            "partitions": { "mode": "Published" },
        },
    }))
    .expect("a table");
    Target::of(&table, &installation())
}

fn start() -> Timestamp {
    "2026-11-26T00:00:00Z".parse().expect("a time")
}

fn session(number: i64) -> Timestamp {
    start().checked_add(SignedDuration::from_hours(number)).expect("a time")
}

fn now() -> Timestamp {
    session(1000)
}

fn job() -> IngestJob {
    serde_json::from_value(json!({
        "apiVersion": "mizuumi.dev/v1alpha1", "kind": "IngestJob",
        "metadata": { "name": "flights", "namespace": "team-a", "uid": "of-the-job", "generation": 1, "creationTimestamp": now() },
        "spec": {
            "schedule": { "cron": "0 * * * *" }, "successfulRunsHistoryLimit": 1, "failedRunsHistoryLimit": 0,
            "run": { "table": "flights", "engine": "External" },
        },
        "status": { "observedGeneration": 1, "lastScheduledTime": now(), "schedule": { "cron": "0 * * * *", "since": now() } },
    }))
    .expect("a job")
}

fn backfill(spec: &serde_json::Value) -> Backfill {
    let mut whole =
        json!({ "job": "flights", "from": session(0), "to": session(SESSIONS), "maxActiveRuns": 3 });
    for (key, value) in spec.as_object().expect("an object") {
        whole[key] = value.clone();
    }
    serde_json::from_value(json!({
        "apiVersion": "mizuumi.dev/v1alpha1", "kind": "Backfill",
        "metadata": { "name": "past", "namespace": "team-a", "uid": "of-the-backfill", "generation": 1, "creationTimestamp": now() },
        "spec": whole,
    }))
    .expect("a backfill")
}

fn seen(job: &IngestJob) -> SeenJob {
    SeenJob::of(job, &installation(), JobAround { target: target(), ..JobAround::default() })
}

/// Where a pass ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    Nowhere,
    /// Before the session is written down.
    BeforeRecord,
    /// Before the run is made.
    BeforeStep,
    /// Before the status says that it was made.
    BeforeReport,
}

#[derive(Clone, Debug)]
enum Event {
    /// A controller sees the backfill as it is now.
    Watch(usize),
    Pass(usize, Death),
    /// One of the runs under way ends.
    End(Index, bool),
    /// The job clears its history away, by what a controller knows of the backfill.
    Clear(usize),
    /// Somebody deletes a run under way.
    Delete(Index),
    Suspend(bool),
}

/// What is in Kubernetes and in S3, and what two controllers believe is.
struct Model {
    backfill: Backfill,
    version: u64,
    world: BackfillWorld,
    seen: [(Backfill, u64); CONTROLLERS],
    made: BTreeMap<String, usize>,
    succeeded: i64,
    failed: i64,
    most_at_once: usize,
}

impl Model {
    fn new(backfill: Backfill, published: impl IntoIterator<Item = i64>) -> Self {
        let seen = [(backfill.clone(), 0), (backfill.clone(), 0)];
        let published = published.into_iter().map(|number| (session(number), 0)).collect();
        let world = BackfillWorld { published, ..BackfillWorld::default() };
        let made = BTreeMap::new();
        Self { backfill, version: 0, world, seen, made, succeeded: 0, failed: 0, most_at_once: 0 }
    }

    fn status(&self) -> BackfillStatus {
        self.backfill.status.clone().unwrap_or_default()
    }

    fn plan(&self, backfill: &Backfill) -> (BackfillGoal, Plan<BackfillStep>) {
        let mut goal = Backfills::goal(backfill, &installation()).expect("a goal");
        Backfills::heed(&mut goal, backfill, seen(&job()));
        let plan = Backfills::plan(&goal, &self.world, now());
        (goal, plan)
    }

    /// Writes a status over the version that a controller has seen last; answers whether that was the present one.
    fn write(&mut self, controller: usize, status: BackfillStatus) -> bool {
        let (seen, version) = &mut self.seen[controller];
        if *version != self.version {
            return false;
        }
        self.version += 1;
        *version = self.version;
        self.backfill.status = Some(status.clone());
        seen.status = Some(status);
        true
    }

    fn execute(&mut self, step: &BackfillStep) {
        if let BackfillStep::CreateRun { run, .. } = step {
            let name = run.metadata.name.clone().expect("a name");
            if !self.world.runs.runs.contains_key(&name) {
                *self.made.entry(name).or_default() += 1;
            }
        }
        self.world = simulate(&self.world, step);
        self.most_at_once = self.most_at_once.max(self.world.runs.under_way().len());
    }

    /// One pass as the driver makes it; answers whether another follows at once.
    fn pass(&mut self, controller: usize, death: Death) -> bool {
        let backfill = self.seen[controller].0.clone();
        let (goal, plan) = self.plan(&backfill);
        let world = self.world.clone();
        let (mut done, mut recorded) = (Vec::new(), None);
        if let Some(step) = plan.steps.first() {
            let record = Backfills::record(&backfill, step).expect("each step is written down");
            if death == Death::BeforeRecord || !self.write(controller, record.clone()) {
                return true;
            }
            recorded = Some(record);
            if death == Death::BeforeStep {
                return true;
            }
            self.execute(step);
            done.push(step.clone());
        }
        if death == Death::BeforeReport {
            return true;
        }
        let mut told = backfill;
        told.status = recorded.or(told.status);
        let goes_on = !plan.steps.is_empty() || plan.wake_at == Some(now());
        let evidence = Evidence::Observed { world, plan, done, failure: None, endless: false };
        let status = Backfills::report(&told, Some(&goal), &evidence, now());
        if told.status.as_ref() != Some(&status) {
            self.write(controller, status);
        }
        goes_on
    }

    fn under_way(&self, without: Option<&String>) -> Vec<String> {
        let all = self.world.runs.under_way().into_iter().map(|(name, _)| name.to_owned());
        all.filter(|name| Some(name) != without).collect()
    }

    fn end(&mut self, name: &str, is_well: bool) {
        let run = self.world.runs.runs.get_mut(name).expect("the run");
        run.phase = Some(if is_well { RunPhase::Succeeded } else { RunPhase::Failed });
        run.finished = Some(now());
        if is_well {
            let session = run.session.expect("a session");
            self.world.published.insert(session, 0);
            self.succeeded += 1;
        } else {
            self.failed += 1;
        }
    }

    /// What the job's driver would delete.
    fn clear(&mut self, controller: usize) {
        let (job, backfill) = (job(), &self.seen[controller].0);
        let mut goal = Jobs::goal(&job, &installation()).expect("a goal");
        let backfills = Some([("past".to_owned(), Counting::of(backfill))].into());
        Jobs::heed(&mut goal, &job, JobAround { target: target(), backfills, ..JobAround::default() });
        for step in Jobs::plan(&goal, &self.world.runs, now()).steps {
            let JobStep::DeleteRun { name, .. } = step else { panic!("{step}") };
            self.world.runs.runs.remove(&name);
        }
    }

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Watch(controller) => self.seen[*controller] = (self.backfill.clone(), self.version),
            Event::Pass(controller, death) => drop(self.pass(*controller, *death)),
            Event::End(which, is_well) => {
                let names = self.under_way(None);
                if !names.is_empty() {
                    let name: &String = which.get(&names);
                    self.end(name, *is_well);
                }
            }
            Event::Clear(controller) => self.clear(*controller),
            Event::Delete(which) => {
                // One of which it is not known yet that it was made would be made once more.
                let names = self.under_way(self.status().starting.as_ref());
                if !names.is_empty() {
                    let name: &String = which.get(&names);
                    self.world.runs.runs.remove(name);
                    self.failed += 1;
                }
            }
            Event::Suspend(is_suspended) => {
                self.backfill.spec.suspend = *is_suspended;
                self.version += 1;
            }
        }
        let often: Vec<_> = self.made.iter().filter(|(_, times)| **times > 1).collect();
        assert!(often.is_empty(), "{often:?} were made more than once, at last by {event:?}");
    }

    /// A controller that lives goes on until nothing is left to do, while runs end and the job clears them away.
    fn settle(&mut self) {
        self.happen(&Event::Suspend(false));
        for _ in 0..PASSES {
            self.happen(&Event::Watch(0));
            let goes_on = self.pass(0, Death::Nowhere);
            self.happen(&Event::Clear(0));
            let under_way = self.under_way(None);
            for name in &under_way {
                self.end(name, true);
            }
            if !goes_on && under_way.is_empty() {
                return;
            }
        }
        panic!("it does not come to an end: {:?}", self.plan(&self.backfill).1);
    }
}

fn death() -> impl Strategy<Value = Death> {
    prop_oneof![
        4 => Just(Death::Nowhere),
        1 => Just(Death::BeforeRecord),
        1 => Just(Death::BeforeStep),
        1 => Just(Death::BeforeReport),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let controller = 0..CONTROLLERS;
    prop_oneof![
        4 => controller.clone().prop_map(Event::Watch),
        10 => (controller.clone(), death()).prop_map(|(controller, death)| Event::Pass(controller, death)),
        4 => (any::<Index>(), any::<bool>()).prop_map(|(which, is_well)| Event::End(which, is_well)),
        2 => controller.prop_map(Event::Clear),
        1 => any::<Index>().prop_map(Event::Delete),
        1 => any::<bool>().prop_map(Event::Suspend),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn each_session_has_its_turn_once_and_what_is_counted_is_what_happened(
        order in prop_oneof![Just("OldestFirst"), Just("NewestFirst")],
        published in prop::collection::btree_set(0..SESSIONS, 0..6),
        events in prop::collection::vec(event(), 1..120),
    ) {
        let mut model = Model::new(backfill(&json!({ "order": order })), published.clone());
        for event in &events {
            model.happen(event);
        }
        model.settle();
        let status = model.status();
        prop_assert!(status.finished_at.is_some());
        let counted = [status.sessions, status.left_out, status.succeeded, status.failed].map(Option::unwrap_or_default);
        let left_out = i64::try_from(published.len()).expect("a number");
        prop_assert_eq!(counted, [SESSIONS, left_out, model.succeeded, model.failed]);
        prop_assert_eq!(model.succeeded + model.failed + left_out, SESSIONS);
        prop_assert_eq!((status.running, status.waiting), (Some(0), Some(0)));
        prop_assert!(model.most_at_once <= 3, "{} at once", model.most_at_once);
        let failures = usize::try_from(model.failed).expect("a number").min(10);
        prop_assert_eq!(status.failures.len(), failures);
        prop_assert!(model.world.runs.runs.len() <= 1, "history is kept: {:?}", model.world.runs.runs.keys());
        prop_assert!(model.plan(&model.backfill).1.is_settled());
    }
}

#[test]
fn sessions_with_data_are_run_again_only_if_asked_for_and_then_as_another_revision() {
    for (sessions, expected) in [("Missing", vec![1]), ("All", vec![0, 1, 2])] {
        let two = json!({ "sessions": sessions, "to": session(3), "maxActiveRuns": 50 });
        let mut model = Model::new(backfill(&two), [0, 2]);
        model.world.published.insert(session(2), 4);
        model.settle();
        let made: BTreeSet<String> = model.made.into_keys().collect();
        let revisions = [1, 0, 5];
        let name = |number: i64| {
            let revision = revisions[usize::try_from(number).expect("a number")];
            session(number).strftime(&format!("flights-%Y%m%dt%H%Mz-r{revision}")).to_string()
        };
        assert_eq!(made, expected.into_iter().map(name).collect(), "{sessions}");
    }
}

#[test]
fn one_that_failed_is_run_again_and_one_that_is_under_way_is_left_alone() {
    let mut model = Model::new(backfill(&json!({ "to": session(2), "sessions": "All" })), []);
    let run = |phase, number| SeenRun {
        uid: String::new(),
        backfill: None,
        session: Some(session(number)),
        phase: Some(phase),
        message: None,
        cursor: None,
        finished: None,
        is_cancelled: false,
        is_deleted: false,
    };
    let runs = &mut model.world.runs.runs;
    runs.insert("flights-20261126t0000z-r0".to_owned(), run(RunPhase::Failed, 0));
    runs.insert("by-hand".to_owned(), run(RunPhase::Running, 1));
    for _ in 0..6 {
        model.happen(&Event::Watch(0));
        model.pass(0, Death::Nowhere);
    }
    assert_eq!(model.made.into_keys().collect::<Vec<_>>(), ["flights-20261126t0000z-r1"]);
}

#[test]
fn one_that_is_deleted_gives_up_its_runs_under_way_and_no_others() {
    let mut model = Model::new(backfill(&json!({})), []);
    for _ in 0..12 {
        model.happen(&Event::Watch(0));
        model.pass(0, Death::Nowhere);
    }
    let its = model.under_way(None);
    assert_eq!(its.len(), 3);
    let mut other = model.world.runs.runs[&its[0]].clone();
    other.backfill = None;
    model.world.runs.runs.insert("of-the-schedule".to_owned(), other);
    model.end(&its[0], true);
    let mut gone = model.backfill.clone();
    gone.metadata.deletion_timestamp = gone.metadata.creation_timestamp.clone();
    let goal = Backfills::goal(&gone, &installation()).expect("a goal");
    let plan = Backfills::plan(&goal, &model.world, now());
    let cancelled: Vec<&String> = plan
        .steps
        .iter()
        .map(|step| match step {
            BackfillStep::CancelRun { name, .. } => name,
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(cancelled, [&its[1], &its[2]]);
    for step in &plan.steps {
        model.execute(step);
    }
    assert!(Backfills::plan(&goal, &model.world, now()).is_settled());
}

#[test]
fn the_schedule_stays_the_one_that_it_began_with() {
    let mut model = Model::new(backfill(&json!({})), []);
    model.pass(0, Death::Nowhere);
    let mut changed = job();
    "30 * * * *".clone_into(&mut changed.spec.schedule.as_mut().expect("a schedule").cron);
    let mut goal = Backfills::goal(&model.backfill, &installation()).expect("a goal");
    Backfills::heed(&mut goal, &model.backfill, seen(&changed));
    let plan = Backfills::plan(&goal, &model.world, now());
    assert!(
        matches!(plan.steps.as_slice(), [BackfillStep::CreateRun { session: first, .. }] if *first == session(0)),
        "{plan:?}"
    );
}

#[test]
fn what_was_published_is_known_by_the_names_of_manifests() {
    let stems = vec![
        ("flights-20261126t0000z".to_owned(), session(0)),
        ("flights-20261126t0100z".to_owned(), session(1)),
    ];
    let look = PastLook { profile: "default".to_owned(), root: "s3://lake/flights/".to_owned(), stems };
    let names = [
        "flights-20261126t0000z-r0.json",
        "flights-20261126t0000z-r10.json",
        "flights-20261126t0000z-r2.json",
        "flights-20261126t0100z-r0.superseded.1764115200",
        "flights-20261126t0130z-r0.json",
        "flights-2-20261126t0100z-r0.json",
        "rollback-abc.json",
    ];
    assert_eq!(look.published(names), [(session(0), 10)].into());
}
