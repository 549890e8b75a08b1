//! Laws of attempts that tasks of ECS work for: whatever is lost, however long nobody looks, an attempt has one task at most, no two
//! tasks of a run work at once, and a run that is given up leaves none at work.
#![expect(clippy::expect_used, reason = "a test's helpers fail as its tests do")]
#![expect(clippy::needless_pass_by_value, reason = "tests write json!(…) where they need it")]

#[path = "runs/flights.rs"]
mod flights;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::Installation;
use mizuumi_api::ingest_run::{IngestRun, RunAttemptState, RunPhase};
use mizuumi_core::ingest_run::ecs::{SeenTask, TaskLook, TaskState};
use mizuumi_core::ingest_run::trace::Traces;
use mizuumi_core::ingest_run::world::{Output, OutputPartition};
use mizuumi_core::ingest_run::{RunAround, RunStep, RunWorld, Runs, Target};
use mizuumi_core::publication::sha256;
use mizuumi_core::{Class, Evidence, Failure, Goal, Kind};
use proptest::prelude::*;
use serde_json::{Value, json};

use flights::table;

const IMAGE: &str = "ingest@sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn installation() -> Installation {
    let ecs = json!({
        "cluster": "lake", "images": ["ingest@*"], "subnets": ["subnet-1"],
        "executionRoleArn": "arn:aws:iam::111122223333:role/e", "taskRoleArn": "arn:aws:iam::111122223333:role/t",
    });
    flights::installation(json!({ "ecs": ecs }), json!({}))
}

fn run(more: Value) -> IngestRun {
    let work = json!({
        "engine": "EcsTask",
        "ecsTask": { "image": IMAGE, "cpu": 256, "memory": 512, "command": ["${output}"] },
    });
    flights::run("daily", work, more)
}

/// What becomes of a pass, and of the task that is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Works,
    Fails,
    TakenBack,
    Done,
    /// The controller dies after the record.
    Dies,
    /// `RunTask` is not answered, and had no effect.
    LostBefore,
    /// It is not answered, and had its effect.
    LostAfter,
    /// Looks do not show yet what is new.
    Lags,
}

/// A task, and by which token it came.
#[derive(Clone, Debug)]
struct Task {
    token: String,
    started_by: String,
    state: TaskState,
    began: Timestamp,
    stopped: Option<Timestamp>,
}

/// ECS, as far as a run has to do with it.
struct Stand {
    object: IngestRun,
    now: Timestamp,
    tasks: Vec<Task>,
    traces: Traces,
}

const HOUR: SignedDuration = SignedDuration::from_hours(1);

impl Stand {
    fn new(object: IngestRun) -> Self {
        let now = "2026-11-03T00:00:00Z".parse().expect("a time");
        Self { object, now, tasks: Vec::new(), traces: Traces::default() }
    }

    fn phase(&self) -> Option<RunPhase> {
        self.object.status.as_ref()?.phase
    }

    fn is_shown(&self, task: &Task, lags: bool) -> bool {
        let is_new = lags && self.now.duration_since(task.began) < SignedDuration::from_secs(30);
        !is_new && task.stopped.is_none_or(|at| self.now.duration_since(at) < HOUR)
    }

    fn seen(&self, look: &TaskLook, lags: bool) -> SeenTask {
        let mut own = self.tasks.iter().filter(|task| task.started_by == look.started_by);
        own.find(|task| self.is_shown(task, lags))
            .map_or(SeenTask::Missing, |task| SeenTask::Task(task.state.clone()))
    }

    /// A token holds a day, or an hour longer than its task.
    fn run_task(&mut self, token: &str, started_by: &str) {
        let holds = |task: &Task| {
            task.token == token
                && self.now.duration_since(task.began) < SignedDuration::from_hours(24)
                && task.stopped.is_none_or(|at| self.now.duration_since(at) < HOUR)
        };
        if self.tasks.iter().any(holds) {
            return;
        }
        let arn = format!("arn:aws:ecs:us-east-1:111122223333:task/lake/{}", self.tasks.len());
        let state = TaskState { arn, last_status: "RUNNING".to_owned(), ..TaskState::default() };
        let (token, started_by) = (token.to_owned(), started_by.to_owned());
        self.tasks.push(Task { token, started_by, state, began: self.now, stopped: None });
    }

    fn end(&mut self, code: &str, exit: i32) {
        let now = self.now;
        for task in self.tasks.iter_mut().filter(|task| task.stopped.is_none()) {
            task.stopped = Some(now);
            "STOPPED".clone_into(&mut task.state.last_status);
            task.state.is_stopping = true;
            task.state.stop_code = Some(code.to_owned());
            task.state.stopped_reason = Some("so it is".to_owned());
            task.state.exit_code = Some(exit);
        }
    }

    /// One pass of the controller; answers whether a run that is deleted may go.
    fn pass(&mut self, fate: Fate) -> bool {
        let installation = installation();
        let mut goal = Runs::goal(&self.object, &installation).expect("a goal");
        let target = Target::of(&table(), &installation);
        Runs::heed(&mut goal, &self.object, RunAround { target, ..RunAround::default() });
        let look = Runs::look(&goal);
        let partition = OutputPartition {
            location: "s3://lake/team/flights/x/".to_owned(),
            files: 1,
            bytes: 1,
            sha256: sha256(b"x"),
        };
        let world = RunWorld {
            task: look.task.as_ref().map(|task| self.seen(task, fate == Fate::Lags)),
            output: look.output.as_ref().map(|_| Output {
                partitions: [(vec!["1".to_owned()], partition)].into(),
                ..Output::default()
            }),
            traces: look.traces.as_ref().map(|_| self.traces.clone()),
            looked: Some(self.now),
            ..RunWorld::default()
        };
        let plan = Runs::plan(&goal, &world, self.now);
        let mut failure = None;
        for step in &plan.steps {
            if let Some(status) = Runs::record(&self.object, step) {
                self.object.status = Some(status);
                if fate == Fate::Dies {
                    return false;
                }
            }
            let attempt = self.object.status.as_ref().and_then(|status| status.attempt.as_ref());
            let number = attempt.map(|attempt| attempt.number);
            let unknown = || Some(Failure::new("ecs:RunTask", Class::Unknown, String::new()));
            match step {
                RunStep::RunTask { task, .. } => {
                    self.traces.started.extend(number);
                    if fate != Fate::LostBefore {
                        self.run_task(&task.token, &task.started_by);
                    }
                    if matches!(fate, Fate::LostBefore | Fate::LostAfter) {
                        failure = unknown();
                    }
                }
                RunStep::StopTask { .. } => self.end("UserInitiated", 143),
                RunStep::WriteResult { .. } => self.traces.ended.extend(number),
                _ => {}
            }
        }
        if matches!(goal, Goal::Absent(_)) && plan.is_settled() {
            return true;
        }
        let done = plan.steps.clone();
        let evidence = Evidence::Observed { world, plan, done, failure, endless: false };
        self.object.status = Some(Runs::report(&self.object, Some(&goal), &evidence, self.now));
        false
    }

    fn befall(&mut self, fate: Fate) {
        match fate {
            Fate::Fails => self.end("EssentialContainerExited", 1),
            Fate::TakenBack => self.end("SpotInterruption", 143),
            Fate::Done => self.end("EssentialContainerExited", 0),
            _ => {}
        }
    }

    fn wait(&mut self, seconds: i64) {
        self.now = self.now.checked_add(SignedDuration::from_secs(seconds)).expect("a time");
    }
}

fn fates() -> impl Strategy<Value = Vec<(Fate, i64)>> {
    let fate = prop_oneof![
        4 => Just(Fate::Works),
        1 => Just(Fate::Fails),
        1 => Just(Fate::TakenBack),
        1 => Just(Fate::Done),
        2 => Just(Fate::Dies),
        2 => Just(Fate::LostBefore),
        2 => Just(Fate::LostAfter),
        2 => Just(Fate::Lags),
    ];
    let pause = prop_oneof![Just(1_i64), Just(20), Just(700), Just(3_100), Just(8_000)];
    proptest::collection::vec((fate, pause), 1..60)
}

proptest! {
    #[test]
    fn each_attempt_has_one_task_at_most_and_none_works_beside_another(fates in fates(), retries in 0_i32..4) {
        let mut stand = Stand::new(run(json!({ "retries": retries })));
        for (fate, pause) in fates {
            stand.pass(fate);
            let at_work = stand.tasks.iter().filter(|task| task.stopped.is_none()).count();
            prop_assert!(at_work <= 1, "{:?}", stand.tasks);
            stand.befall(fate);
            stand.wait(pause);
        }
        let mut by_attempt: BTreeMap<&str, usize> = BTreeMap::new();
        for task in &stand.tasks {
            *by_attempt.entry(&task.started_by).or_default() += 1;
        }
        prop_assert!(by_attempt.values().all(|count| *count == 1), "{:?}", stand.tasks);
    }

    #[test]
    fn a_run_that_is_given_up_or_deleted_leaves_no_task_at_work(fates in fates(), deleted in any::<bool>()) {
        let mut stand = Stand::new(run(json!({ "retries": 2 })));
        for (fate, pause) in fates {
            stand.pass(fate);
            stand.befall(fate);
            stand.wait(pause);
        }
        if deleted {
            let at: Value = json!(stand.now.to_string());
            stand.object.metadata.deletion_timestamp = Some(serde_json::from_value(at).expect("a time"));
        } else {
            stand.object.spec.cancel = true;
        }
        for _ in 0..40 {
            if stand.pass(Fate::Works) {
                break;
            }
            stand.wait(20);
        }
        prop_assert!(stand.tasks.iter().all(|task| task.stopped.is_some()), "{:?}", stand.tasks);
        // What was done before that is published all the same; the data is not what is tried here.
        let status = stand.object.status.as_ref();
        let is_done = status
            .and_then(|status| status.attempt.as_ref())
            .is_some_and(|attempt| attempt.state == RunAttemptState::Succeeded);
        prop_assert!(deleted || is_done || stand.phase() == Some(RunPhase::Failed), "{status:?}");
    }
}

#[test]
fn what_fargate_takes_back_takes_no_retry_away_and_what_fails_does() {
    let mut stand = Stand::new(run(json!({})));
    for fate in
        [Fate::Works, Fate::TakenBack, Fate::Works, Fate::Works, Fate::Fails, Fate::Works, Fate::Works]
    {
        stand.pass(fate);
        stand.befall(fate);
        stand.wait(700);
    }
    let status = stand.object.status.expect("a status");
    let lost: Vec<bool> = status.failed_attempts.iter().map(|past| past.was_lost).collect();
    assert_eq!((lost, status.phase), (vec![false, true], Some(RunPhase::Failed)));
}

#[test]
fn after_an_exit_code_that_says_so_there_is_no_other_attempt() {
    for (code, attempts) in
        [(64, 1), (65, 1), (66, 1), (77, 1), (78, 1), (1, 3), (69, 3), (74, 3), (75, 3), (137, 3)]
    {
        let mut stand = Stand::new(run(json!({ "retries": 2 })));
        for _ in 0..12 {
            stand.pass(Fate::Works);
            stand.end("EssentialContainerExited", code);
            stand.wait(700);
        }
        let status = stand.object.status.as_ref().expect("a status");
        assert_eq!((stand.tasks.len(), status.phase), (attempts, Some(RunPhase::Failed)), "{code}");
        assert_eq!(status.failed_attempts[0].exit_code, Some(code));
        let told = status.conditions.iter().any(|told| told.message.contains("would come to the same"));
        assert_eq!(told, attempts == 1, "{code}: {:?}", status.conditions);
    }
}

#[test]
fn what_was_taken_back_is_done_again_whatever_its_exit_code_was() {
    let mut stand = Stand::new(run(json!({})));
    stand.pass(Fate::Works);
    stand.end("SpotInterruption", 77);
    for _ in 0..4 {
        stand.wait(700);
        stand.pass(Fate::Works);
    }
    assert_eq!((stand.tasks.len(), stand.phase()), (2, Some(RunPhase::Running)));
}
