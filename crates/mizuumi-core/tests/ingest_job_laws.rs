//! Laws of jobs: whoever dies wherever, however the clock goes, each session has one run, and none comes back.
#![expect(clippy::expect_used, clippy::panic, reason = "a test's helpers fail as its tests do")]

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::ingest_run::{IngestRun, RunPhase};
use mizuumi_api::{DataTable, IngestJob, IngestJobStatus, Installation};
use mizuumi_core::ingest_job::simulate::simulate;
use mizuumi_core::ingest_job::{JobAround, JobGoal, JobStep, JobWorld, Jobs, SeenRun};
use mizuumi_core::ingest_run::Target;
use mizuumi_core::{Evidence, Goal, Kind, Plan};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

/// The schedule of all jobs here.
const EVERY: SignedDuration = SignedDuration::from_mins(10);
/// Two controllers at once are one too many, and do no harm.
const CONTROLLERS: usize = 2;
/// The clock goes no further: no more sessions than may wait at once.
const FURTHEST: SignedDuration = SignedDuration::from_mins(900);
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

fn job(policy: &str, keep: usize) -> IngestJob {
    serde_json::from_value(json!({
        "apiVersion": "mizuumi.dev/v1alpha1", "kind": "IngestJob",
        "metadata": {
            "name": "flights", "namespace": "team-a", "uid": "of-the-job", "generation": 1,
            "creationTimestamp": start(),
        },
        "spec": {
            "schedule": { "cron": "*/10 * * * *" }, "concurrencyPolicy": policy, "startingDeadline": "30d",
            "successfulRunsHistoryLimit": keep, "failedRunsHistoryLimit": keep,
            "run": { "table": "flights", "engine": "External" },
        },
    }))
    .expect("a job")
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
    /// The clock goes on, or back, by minutes.
    Clock(i64),
    /// A controller sees the job as it is now.
    Watch(usize),
    Pass(usize, Death),
    /// One of the runs under way ends.
    End(Index, bool),
    Suspend(bool),
}

/// What is in Kubernetes, and what two controllers believe is.
struct Model {
    job: IngestJob,
    version: u64,
    world: JobWorld,
    now: Timestamp,
    seen: [(IngestJob, u64); CONTROLLERS],
    target: Target,
    /// How often each run was made.
    made: BTreeMap<String, usize>,
    left_out: Vec<(Timestamp, Timestamp)>,
    most_at_once: usize,
}

impl Model {
    fn new(job: IngestJob) -> Self {
        let seen = [(job.clone(), 0), (job.clone(), 0)];
        let (made, left_out) = (BTreeMap::new(), Vec::new());
        let world = JobWorld::default();
        Self { job, version: 0, world, now: start(), seen, target: target(), made, left_out, most_at_once: 0 }
    }

    fn last(&self) -> Option<Timestamp> {
        self.job.status.as_ref().and_then(|status| status.last_scheduled_time)
    }

    fn plan(&self, job: &IngestJob) -> (JobGoal, Plan<JobStep>) {
        let mut goal = Jobs::goal(job, &installation()).expect("a goal");
        Jobs::heed(&mut goal, job, JobAround { target: self.target.clone(), ..JobAround::default() });
        let plan = Jobs::plan(&goal, &self.world, self.now);
        (goal, plan)
    }

    /// Writes a status over the version that a controller has seen last; answers whether that was the present one.
    fn write(&mut self, controller: usize, status: IngestJobStatus) -> bool {
        let (seen, version) = &mut self.seen[controller];
        if *version != self.version {
            return false;
        }
        self.version += 1;
        *version = self.version;
        let before = self.job.status.replace(status.clone());
        let last =
            |status: &Option<IngestJobStatus>| status.as_ref().and_then(|status| status.last_scheduled_time);
        assert!(last(&before) <= last(&self.job.status), "{before:?} goes back to {:?}", self.job.status);
        seen.status = Some(status);
        true
    }

    fn execute(&mut self, step: &JobStep) {
        match step {
            JobStep::CreateRun { run, .. } => {
                let name = run.metadata.name.clone().expect("a name");
                if !self.world.runs.contains_key(&name) {
                    *self.made.entry(name).or_default() += 1;
                }
            }
            JobStep::LeaveOut { from, to, .. } => self.left_out.push((*from, *to)),
            JobStep::CancelRun { name, session, .. } => {
                assert!(self.world.runs[name].session < Some(*session), "{step} cancels what came after it");
            }
            JobStep::DeleteRun { .. } => {}
        }
        self.world = simulate(&self.world, step);
        self.most_at_once = self.most_at_once.max(self.world.under_way().len());
    }

    /// One pass as the driver makes it; answers whether another follows at once.
    fn pass(&mut self, controller: usize, death: Death) -> bool {
        let job = self.seen[controller].0.clone();
        let (goal, plan) = self.plan(&job);
        let world = self.world.clone();
        let mut done = Vec::new();
        let mut recorded = None;
        for step in &plan.steps {
            let record = Jobs::record(&job, step);
            if let Some(record) = &record {
                if death == Death::BeforeRecord || !self.write(controller, record.clone()) {
                    return true;
                }
                recorded = Some(record.clone());
                if death == Death::BeforeStep {
                    return true;
                }
            }
            self.execute(step);
            done.push(step.clone());
            if record.is_some() {
                break;
            }
        }
        if death == Death::BeforeReport {
            return true;
        }
        let mut told = job.clone();
        if let Some(recorded) = recorded {
            told.status = Some(recorded);
        }
        let goes_on = !plan.steps.is_empty() || plan.wake_at == Some(self.now);
        let evidence = Evidence::Observed { world, plan, done, failure: None, endless: false };
        let status = Jobs::report(&told, Some(&goal), &evidence, self.now);
        if told.status.as_ref() != Some(&status) {
            self.write(controller, status);
        }
        goes_on
    }

    fn end(&mut self, which: impl FnOnce(usize) -> usize, is_well: bool) {
        let mut under_way: Vec<&mut SeenRun> =
            self.world.runs.values_mut().filter(|run| !run.is_over()).collect();
        if under_way.is_empty() {
            return;
        }
        let which = which(under_way.len());
        let run = &mut *under_way[which];
        run.phase = Some(if is_well { RunPhase::Succeeded } else { RunPhase::Failed });
        run.finished = Some(self.now);
    }

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Clock(minutes) => {
                let furthest = start().checked_add(FURTHEST).expect("a time");
                let now = self.now.checked_add(SignedDuration::from_mins(*minutes)).expect("a time");
                self.now = now.clamp(start(), furthest);
            }
            Event::Watch(controller) => self.seen[*controller] = (self.job.clone(), self.version),
            Event::Pass(controller, death) => drop(self.pass(*controller, *death)),
            Event::End(which, is_well) => self.end(|number| which.index(number), *is_well),
            Event::Suspend(is_suspended) => {
                self.job.spec.suspend = *is_suspended;
                self.version += 1;
            }
        }
        let often: Vec<_> = self.made.iter().filter(|(_, times)| **times > 1).collect();
        assert!(often.is_empty(), "{often:?} were made more than once, at last by {event:?}");
    }

    /// A controller that lives goes on until nothing is left to do, while runs end.
    fn settle(&mut self) {
        self.happen(&Event::Suspend(false));
        for _ in 0..PASSES {
            self.happen(&Event::Watch(0));
            let goes_on = self.pass(0, Death::Nowhere);
            let waits = !self.world.under_way().is_empty();
            while !self.world.under_way().is_empty() {
                self.end(|_| 0, true);
            }
            if !goes_on && !waits {
                return;
            }
        }
        panic!("it does not come to an end: {:?}", self.plan(&self.job).1);
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
        3 => (1_i64..35).prop_map(Event::Clock),
        1 => (-40_i64..0).prop_map(Event::Clock),
        4 => controller.clone().prop_map(Event::Watch),
        8 => (controller, death()).prop_map(|(controller, death)| Event::Pass(controller, death)),
        3 => (any::<Index>(), any::<bool>()).prop_map(|(which, is_well)| Event::End(which, is_well)),
        1 => any::<bool>().prop_map(Event::Suspend),
    ]
}

/// All sessions from the beginning until a moment.
fn sessions(until: Timestamp) -> Vec<Timestamp> {
    let all =
        std::iter::successors(start().checked_add(EVERY).ok(), |session| session.checked_add(EVERY).ok());
    all.take_while(|session| *session <= until).collect()
}

fn name(session: &Timestamp) -> String {
    session.strftime("flights-%Y%m%dt%H%Mz-r0").to_string()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn each_session_has_one_run_or_is_left_out_with_a_word(
        policy in prop_oneof![Just("Queue"), Just("Allow"), Just("Forbid"), Just("Replace")],
        keep in 0_usize..3,
        events in prop::collection::vec(event(), 1..80),
    ) {
        let mut model = Model::new(job(policy, keep));
        for event in &events {
            model.happen(event);
        }
        model.settle();
        let made: Vec<String> = model.made.keys().cloned().collect();
        for session in sessions(model.now) {
            let is_left_out = model.last() >= Some(session) && matches!(policy, "Forbid" | "Replace");
            prop_assert!(made.contains(&name(&session)) || is_left_out, "{session} of {made:?}");
        }
        if matches!(policy, "Queue" | "Allow") {
            prop_assert!(model.left_out.is_empty(), "{:?}", model.left_out);
        }
        if policy != "Allow" {
            prop_assert!(model.most_at_once <= 1, "{} at once", model.most_at_once);
        }
        let over = |phase| model.world.runs.values().filter(|run| run.phase == Some(phase)).count();
        prop_assert!(over(RunPhase::Succeeded) <= keep && over(RunPhase::Failed) <= keep);
    }

    #[test]
    fn what_is_settled_stays_settled_until_the_moment_foretold(
        events in prop::collection::vec(event(), 1..40),
    ) {
        let mut model = Model::new(job("Queue", 3));
        for event in &events {
            model.happen(event);
        }
        model.settle();
        let (_, plan) = model.plan(&model.job.clone());
        let wake_at = plan.wake_at.expect("a schedule goes on");
        prop_assert!(wake_at > model.now);
        model.now = wake_at.checked_sub(SignedDuration::from_secs(1)).expect("a time");
        prop_assert!(model.plan(&model.job.clone()).1.is_settled());
        model.now = wake_at;
        prop_assert!(!model.plan(&model.job.clone()).1.is_settled());
    }
}

#[test]
fn a_run_keeps_what_the_job_said_when_it_was_made() {
    let mut changed = job("Queue", 3);
    changed.spec.run.parameters = Some([("days".to_owned(), "7".to_owned())].into());
    let now = start().checked_add(EVERY).expect("a time");
    let run = |job: &IngestJob| -> IngestRun {
        let mut goal = Jobs::goal(job, &installation()).expect("a goal");
        Jobs::heed(&mut goal, job, JobAround { target: target(), ..JobAround::default() });
        let plan = Jobs::plan(&goal, &JobWorld::default(), now);
        let [JobStep::CreateRun { run, .. }] = plan.steps.as_slice() else { panic!("{plan:?}") };
        (**run).clone()
    };
    let (before, after) = (run(&job("Queue", 3)), run(&changed));
    assert_eq!(before.metadata.name, after.metadata.name, "the session alone names its run");
    assert_eq!(after.spec.parameters.expect("parameters")["days"], "7");
}

#[test]
fn a_schedule_that_changes_has_nothing_to_make_up() {
    let mut model = Model::new(job("Queue", 3));
    model.now = start().checked_add(SignedDuration::from_mins(35)).expect("a time");
    model.settle();
    assert_eq!(model.made.len(), 3);
    let schedule = model.job.spec.schedule.as_mut().expect("a schedule");
    "* * * * *".clone_into(&mut schedule.cron);
    model.version += 1;
    model.now = model.now.checked_add(SignedDuration::from_mins(4)).expect("a time");
    model.settle();
    assert_eq!(model.made.len(), 3, "{:?}", model.made);
    model.now = model.now.checked_add(SignedDuration::from_mins(2)).expect("a time");
    model.settle();
    assert_eq!(model.made.len(), 5, "{:?}", model.made);
}

#[test]
fn a_job_that_is_deleted_has_nothing_to_do() {
    let mut gone = job("Queue", 3);
    gone.metadata.deletion_timestamp = gone.metadata.creation_timestamp.clone();
    "nonsense".clone_into(&mut gone.spec.schedule.as_mut().expect("a schedule").cron);
    let goal = Jobs::goal(&gone, &installation()).expect("a goal whatever the spec says");
    assert!(matches!(goal, Goal::Absent(())) && !Jobs::may_write(&goal));
}
