//! Laws of `EmrCluster`: what holds for every resource, world and time, on the model that `simulate` is and on what EMR does by itself.
//!
//! Every order of events with two controllers is tried in `emr_cluster_model/`.
#![expect(clippy::expect_used, reason = "a test's helpers fail as its tests do")]

#[path = "emr_laws/generate.rs"]
mod generate;
#[path = "emr_laws/imported.rs"]
mod imported;
#[path = "laws/schema.rs"]
mod schema;

use generate::{FOREIGN, Wanted, fields, goal_of, installation, our_mark, starting, wanted, world, writing};
use jiff::{SignedDuration, Timestamp};
use mizuumi_api::condition::find;
use mizuumi_api::data_table::{DeletionPolicy, ManagementPolicy};
use mizuumi_api::emr_cluster::{EmrCluster, EmrClusterStatus, Lifecycle, Phase, StepsStatus};
use mizuumi_api::{ConditionStatus, ConditionType};
use mizuumi_core::emr_cluster::plan::wanted as wanted_now;
use mizuumi_core::emr_cluster::simulate::simulate;
use mizuumi_core::emr_cluster::world::{ATTEMPT, OWNER, REQUEST};
use mizuumi_core::emr_cluster::{Cluster, ClusterGoal, ClusterState, ClusterStep, ClusterWorld, Clusters};
use mizuumi_core::kind::{Evidence, Kind};
use mizuumi_core::plan::{Goal, Plan, Verdict};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

/// etcd, every watch cache and every client hold the status of each cluster.
const LARGEST_STATUS: usize = 16 * 1024;
/// Passes until nothing is left to do: an attempt that is looked for and never seen, the end of what others left, a start.
const PASSES: usize = 40;

/// A resource with its status, the clusters that there are, and the time.
#[derive(Clone, Debug)]
struct Life {
    object: EmrCluster,
    world: ClusterWorld,
    now: Timestamp,
    /// What becomes of clusters that start.
    fails: bool,
    /// When clusters were asked for.
    started: Vec<Timestamp>,
}

/// What a pass of a life comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// All of it.
    Whole,
    /// The controller dies after so many of its steps, and tells nothing.
    DiesAfter(usize),
}

impl Life {
    fn new(wanted: &Wanted, world: &ClusterWorld) -> Self {
        let world = ClusterWorld { listed: Some(wanted.now), ..world.clone() };
        Self { object: wanted.object.clone(), world, now: wanted.now, fails: false, started: Vec::new() }
    }

    fn plan(&self) -> Plan<ClusterStep> {
        Clusters::plan(&goal_of(&self.object), &self.world, self.now)
    }

    /// Plans, does it, and tells what there is; answers the plan.
    fn pass(&mut self, pass: Pass) -> Plan<ClusterStep> {
        let goal = goal_of(&self.object);
        let plan = Clusters::plan(&goal, &self.world, self.now);
        let mut done = Vec::new();
        if Clusters::may_write(&goal) {
            for step in &plan.steps {
                if pass == Pass::DiesAfter(done.len()) {
                    return plan;
                }
                if let Some(status) = Clusters::record(&self.object, step) {
                    self.object.status = Some(status);
                    self.started.push(self.now);
                }
                self.world = simulate(&self.world, step);
                done.push(step.clone());
            }
        }
        if pass == Pass::Whole {
            self.tell(&goal, &plan, done);
        }
        plan
    }

    fn tell(&mut self, goal: &ClusterGoal, plan: &Plan<ClusterStep>, done: Vec<ClusterStep>) {
        let (world, plan) = (self.world.clone(), plan.clone());
        let evidence = Evidence::Observed { world, plan, done, failure: None, endless: false };
        self.object.status = Some(Clusters::report(&self.object, Some(goal), &evidence, self.now));
    }

    /// EMR goes on by itself, and time passes: to the next look where something moves, or else to when something turns.
    fn wait(&mut self, plan: &Plan<ClusterStep>) {
        let poll = SignedDuration::from_secs(installation().clusters.poll_seconds.into());
        let next = self.now.checked_add(poll).expect("in range");
        self.now = plan.wake_at.filter(|_| !self.moves()).map_or(next, |wake| wake.max(next));
        self.world.listed = Some(self.now);
        let is_batch = self.object.spec.lifecycle == Lifecycle::Batch;
        for cluster in &mut self.world.clusters {
            goes_on(cluster, self.now, is_batch, self.fails);
        }
    }

    /// Whether EMR has something under way.
    fn moves(&self) -> bool {
        let rests = |state| {
            matches!(
                state,
                ClusterState::Waiting | ClusterState::Terminated | ClusterState::TerminatedWithErrors
            )
        };
        self.world.clusters.iter().any(|cluster| !rests(cluster.state))
    }

    /// Passes until nothing is left to do, for EMR neither, or the plan is blocked, or may not write.
    fn settle(&mut self) -> Result<Plan<ClusterStep>, String> {
        for _ in 0..PASSES {
            let plan = self.pass(Pass::Whole);
            let may_write = Clusters::may_write(&goal_of(&self.object));
            let is_settled = plan.is_settled() && !self.moves();
            if is_settled || matches!(plan.verdict, Verdict::Blocked(..)) || !may_write {
                return Ok(plan);
            }
            // What was done is looked at, at once.
            if plan.steps.is_empty() {
                self.wait(&plan);
            }
        }
        Err(format!("endless: {:#?}", self.plan()))
    }

    /// Whether nothing turns by the clock before both have come to their ends.
    fn is_timeless(wanted: &Wanted, lives: [&Self; 2]) -> bool {
        let Goal::Present(desired) = wanted.goal() else { return true };
        let turns_at = wanted_now(&desired, &ClusterWorld::default(), wanted.now).turns_at;
        turns_at.is_none_or(|turn| lives.iter().all(|life| life.now < turn))
    }

    fn ours(&self) -> impl Iterator<Item = &Cluster> {
        let mark = our_mark();
        self.world.clusters.iter().filter(move |cluster| cluster.is_of(&mark))
    }

    fn alive(&self) -> usize {
        self.ours().filter(|cluster| cluster.state.is_alive()).count()
    }
}

/// What EMR does by itself between two looks.
fn goes_on(cluster: &mut Cluster, now: Timestamp, is_batch: bool, fails: bool) {
    cluster.state = match cluster.state {
        ClusterState::Starting => ClusterState::Bootstrapping,
        ClusterState::Bootstrapping if fails => {
            cluster.reason = ("BOOTSTRAP_FAILURE".to_owned(), "it failed".to_owned());
            cluster.ended = Some(now);
            ClusterState::TerminatedWithErrors
        }
        ClusterState::Bootstrapping => {
            cluster.ready = Some(now);
            if is_batch { ClusterState::Running } else { ClusterState::Waiting }
        }
        ClusterState::Running if is_batch => {
            cluster.reason = ("ALL_STEPS_COMPLETED".to_owned(), "Steps completed".to_owned());
            cluster.ended = Some(now);
            ClusterState::Terminated
        }
        ClusterState::Running => ClusterState::Waiting,
        ClusterState::Terminating => {
            cluster.reason = ("USER_REQUEST".to_owned(), "Terminated by user request".to_owned());
            cluster.ended = Some(now);
            ClusterState::Terminated
        }
        state @ (ClusterState::Waiting | ClusterState::Terminated | ClusterState::TerminatedWithErrors) => {
            state
        }
    };
    if cluster.state == ClusterState::Waiting {
        cluster.steps = Some(StepsStatus::default());
    }
}

/// What a life comes to, less what differs between two that come to the same.
fn end(life: &Life) -> (Option<Phase>, Vec<String>) {
    let told = |cluster: &Cluster| {
        let mut tags = cluster.tags.clone();
        tags.remove(ATTEMPT);
        let settings =
            (cluster.step_concurrency, &cluster.managed_scaling, cluster.idle_seconds, cluster.is_protected);
        let counts: Vec<_> =
            cluster.groups.iter().map(|nodes| (&nodes.told.name, nodes.told.requested)).collect();
        format!("{:?} {tags:?} {settings:?} {counts:?}", cluster.state)
    };
    let phase = life.object.status.as_ref().and_then(|status| status.phase);
    let alive = life.ours().filter(|cluster| cluster.state.is_alive());
    (phase, alive.map(told).collect())
}

fn is(status: &EmrClusterStatus, type_: ConditionType) -> Option<ConditionStatus> {
    find(&status.conditions, type_).map(|condition| condition.status)
}

/// The resource of a spec that has been made by this very spec, and its cluster at rest.
fn running(spec: &Value) -> Life {
    let manifest = json!({
        "apiVersion": "mizuumi.dev/v1alpha1", "kind": "EmrCluster",
        "metadata": {
            "namespace": "team-a", "name": "adhoc", "generation": 1,
            "annotations": { "mizuumi.dev/needed-until": "2100-01-01T00:00:00Z" },
        },
        "spec": spec,
    });
    let object = serde_json::from_value(manifest).expect("manifest");
    let now = "2026-11-26T00:00:00Z".parse().expect("time");
    let mut life = Life::new(&Wanted { object, now }, &ClusterWorld::default());
    let plan = life.settle().expect("it converges");
    assert!(plan.is_settled(), "{spec:#}: {plan:#?}");
    assert_eq!((life.started.len(), life.alive()), (1, 1), "{spec:#}");
    life
}

/// A cluster of that spec that is needed.
fn needed(fields: &[(&str, Value)]) -> Value {
    let mut spec = json!({ "className": "standard", "lifecycle": "WhenNeeded", "onSpecChange": "Recreate" });
    for (key, value) in fields {
        spec[*key] = value.clone();
    }
    spec
}

#[test]
fn what_a_spec_has_made_needs_no_change_field_by_field() {
    for field in fields() {
        let life = running(&needed(&[field]));
        assert_eq!(life.plan().steps, Vec::new(), "{:#?}", life.object.spec);
    }
}

#[test]
fn a_field_that_changes_is_followed_in_place_or_by_another_cluster() {
    let in_place = ["stepConcurrency", "terminationProtection", "tags", "idleTimeout", "managedScaling"];
    let no_change = ["maxAge"];
    for (key, value) in fields() {
        let mut life = running(&needed(&[]));
        let spec = serde_json::from_value(needed(&[(key, value)])).expect("spec");
        life.object.spec = spec;
        let plan = life.plan();
        let terminates = plan.steps.iter().any(|step| matches!(step, ClusterStep::Terminate { .. }));
        assert_eq!(plan.steps.is_empty(), no_change.contains(&key), "{key}: {plan:#?}");
        assert_eq!(terminates, !in_place.contains(&key) && !no_change.contains(&key), "{key}: {plan:#?}");
        life.settle().expect("it converges");
        assert_eq!(life.plan().steps, Vec::new(), "{key}");
        assert_eq!((life.started.len(), life.alive()), (1 + usize::from(terminates), 1), "{key}");
    }
}

/// An object with these members set.
fn with(mut object: Value, more: Value) -> Value {
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    object
}

#[test]
fn what_is_only_said_in_another_way_is_no_change() {
    let groups = |more: Value| {
        let core = json!({ "name": "c", "role": "Core", "instanceType": "r6g.xlarge", "count": 1 });
        json!([{ "name": "m", "role": "Master", "instanceType": "m6g.xlarge" }, with(core, more)])
    };
    let fleets = |more: Value, type_: Value| {
        let types = with(json!({ "instanceType": "r6g.xlarge" }), type_);
        let fleet = json!({ "name": "m", "role": "Master", "targetOnDemand": 1, "instanceTypes": [types] });
        json!([with(fleet, more)])
    };
    let env = |nested: Value| json!([{ "classification": "spark-env", "configurations": nested }]);
    let script = |args: Value| json!([{ "name": "b", "path": "s3://lake/b.sh", "args": args }]);
    for (key, one, other) in [
        ("applications", json!(["Hive", "Spark"]), json!(["spark", "HIVE"])),
        ("tags", json!({}), Value::Null),
        ("configurations", json!([]), Value::Null),
        ("configurations", json!([{ "classification": "core-site", "properties": {} }]), Value::Null),
        ("configurations", env(json!([])), Value::Null),
        ("configurations", env(json!([{ "classification": "export" }])), Value::Null),
        ("bootstrapActions", json!([]), Value::Null),
        ("bootstrapActions", script(json!([])), script(Value::Null)),
        ("terminationProtection", json!(false), Value::Null),
        ("stepConcurrency", json!(1), Value::Null),
        ("instanceGroups", groups(json!({ "market": "OnDemand" })), groups(json!({}))),
        ("instanceGroups", groups(json!({ "count": null })), groups(json!({}))),
        ("instanceGroups", groups(json!({ "ebs": {} })), groups(json!({}))),
        ("instanceGroups", groups(json!({ "ebs": { "volumes": [] } })), groups(json!({}))),
        (
            "instanceGroups",
            groups(json!({ "ebs": { "volumes": [{ "type": "gp3", "sizeGib": 9, "perInstance": 1 }] } })),
            groups(json!({ "ebs": { "volumes": [{ "type": "gp3", "sizeGib": 9 }] } })),
        ),
        ("instanceFleets", fleets(json!({ "targetSpot": 0 }), json!({})), fleets(json!({}), json!({}))),
        (
            "instanceFleets",
            fleets(
                json!({ "targetSpot": 1, "spotAllocation": "PriceCapacityOptimized", "spotTimeoutMinutes": 20, "spotTimeoutAction": "SwitchToOnDemand" }),
                json!({}),
            ),
            fleets(json!({ "targetSpot": 1 }), json!({})),
        ),
        ("instanceFleets", fleets(json!({}), json!({ "weight": 1 })), fleets(json!({}), json!({}))),
    ] {
        for (from, to) in [(&one, &other), (&other, &one)] {
            let mut life = running(&needed(&[(key, from.clone())]));
            life.object.spec = serde_json::from_value(needed(&[(key, to.clone())])).expect("spec");
            assert_eq!(life.plan().steps, Vec::new(), "{key}: {from} -> {to}");
        }
    }
}

#[test]
fn a_batch_that_was_found_again_after_a_restore_is_not_done_twice() {
    let spec = json!({ "className": "standard", "lifecycle": "Batch", "steps": [{ "name": "one", "command": ["date"] }] });
    let manifest = json!({
        "apiVersion": "mizuumi.dev/v1alpha1", "kind": "EmrCluster",
        "metadata": { "namespace": "team-a", "name": "adhoc", "generation": 1 }, "spec": spec,
    });
    let object: EmrCluster = serde_json::from_value(manifest).expect("manifest");
    let now = "2026-11-26T00:00:00Z".parse().expect("time");
    let mut life = Life::new(&Wanted { object, now }, &ClusterWorld::default());
    let plan = life.pass(Pass::Whole);
    life.wait(&plan);
    // The status is lost while it starts, and its end comes when another controller has seen it.
    life.object.status = None;
    life.settle().expect("it converges");
    assert_eq!((life.started.len(), life.alive()), (1, 0));
    assert_eq!(life.object.status.and_then(|status| status.phase), Some(Phase::Completed));
}

#[test]
fn clusters_that_fail_are_started_less_and_less_often_and_no_more_than_so_many_a_day() {
    let mut life = running(&needed(&[]));
    // It is gone, and each that comes after it fails.
    life.world.clusters.clear();
    (life.object.status, life.started, life.fails) = (None, Vec::new(), true);
    let until = life.now.checked_add(SignedDuration::from_hours(72)).expect("in range");
    while life.now < until {
        let plan = life.pass(Pass::Whole);
        life.wait(&plan);
    }
    let per_day = usize::try_from(installation().clusters.failures_per_day).expect("a number");
    assert!(life.started.len() > per_day, "only {:?}", life.started);
    for (index, start) in life.started.iter().enumerate() {
        let day = life.started[index..]
            .iter()
            .take_while(|other| other.duration_since(*start) < SignedDuration::from_hours(24));
        assert!(day.count() <= per_day, "{:?}", life.started);
    }
    let pauses: Vec<_> = life.started.windows(2).map(|pair| pair[1].duration_since(pair[0])).collect();
    assert!(pauses[..per_day - 1].windows(2).all(|pair| pair[0] <= pair[1]), "{pauses:?}");
    while !matches!(life.plan().verdict, Verdict::Blocked(..)) {
        let plan = life.pass(Pass::Whole);
        life.wait(&plan);
    }
    // Whoever has mended the cause may have another at once.
    let asked = ("mizuumi.dev/requested-at".to_owned(), "now".to_owned());
    life.object.metadata.annotations.get_or_insert_default().extend([asked]);
    let number = life.started.len();
    life.fails = false;
    life.pass(Pass::Whole);
    assert_eq!(life.started.len(), number + 1);
}

proptest! {
    #[test]
    fn plans_converge((wanted, world) in (writing(), world())) {
        let mut life = Life::new(&wanted, &world);
        if let Err(why) = life.settle() {
            prop_assert!(false, "{why}");
        }
    }

    #[test]
    fn a_plan_of_steps_changes_the_world((wanted, world) in (writing(), world())) {
        let mut life = Life::new(&wanted, &world);
        for step in life.plan().steps {
            let before = life.world.clone();
            life.world = simulate(&life.world, &step);
            prop_assert_ne!(&life.world, &before, "{}", step);
        }
    }

    #[test]
    fn a_crash_after_any_step_leads_to_the_same_end((wanted, world) in (writing(), world()), cut in any::<Index>()) {
        let (mut whole, mut cut_short) = (Life::new(&wanted, &world), Life::new(&wanted, &world));
        let steps = whole.plan().steps.len();
        prop_assume!(steps > 0 && whole.alive() <= 1);
        cut_short.pass(Pass::DiesAfter(cut.index(steps + 1)));
        // Another controller comes a little later.
        whole.settle().map_err(TestCaseError::fail)?;
        cut_short.settle().map_err(TestCaseError::fail)?;
        prop_assume!(Life::is_timeless(&wanted, [&whole, &cut_short]));
        prop_assert_eq!(end(&cut_short), end(&whole));
        prop_assert_eq!(cut_short.started.len(), whole.started.len());
    }

    #[test]
    fn a_crash_after_every_step_leads_to_the_same_end((wanted, world) in (writing(), world())) {
        let (mut whole, mut life) = (Life::new(&wanted, &world), Life::new(&wanted, &world));
        // Of two, which there never are, the one that ends first may decide which of them counts.
        prop_assume!(whole.alive() <= 1);
        whole.settle().map_err(TestCaseError::fail)?;
        for round in 0.. {
            let plan = life.plan();
            if plan.steps.is_empty() {
                // There is nothing to die of, but EMR may go on.
                life.pass(Pass::Whole);
                if (plan.is_settled() && !life.moves()) || matches!(plan.verdict, Verdict::Blocked(..)) {
                    break;
                }
                life.wait(&plan);
                continue;
            }
            prop_assert!(round < 200, "endless: {plan:#?}");
            life.pass(Pass::DiesAfter(1));
        }
        prop_assume!(Life::is_timeless(&wanted, [&whole, &life]));
        prop_assert_eq!(end(&life), end(&whole));
        prop_assert_eq!(life.started.len(), whole.started.len());
    }

    #[test]
    fn none_is_asked_for_while_one_lives_or_may_live((wanted, world) in (writing(), world())) {
        let mut life = Life::new(&wanted, &world);
        for _ in 0..PASSES {
            let (alive, before) = (life.alive(), life.started.len());
            let plan = life.pass(Pass::Whole);
            let starts = life.started.len() - before;
            prop_assert!(starts <= 1 && (starts == 0 || alive == 0), "{alive} live: {plan:#?}");
            if plan.is_settled() {
                break;
            }
            life.wait(&plan);
        }
        // An attempt that nothing is known of yet is looked for first.
        let open = wanted.object.status.as_ref().and_then(|status| status.attempt.as_ref());
        if open.is_some_and(|attempt| attempt.sought_since.is_none() && attempt.state == mizuumi_api::emr_cluster::AttemptState::Open) {
            let started = Life::new(&wanted, &ClusterWorld::default()).pass(Pass::Whole);
            prop_assert!(started.steps.is_empty(), "{started:#?}");
        }
    }

    #[test]
    fn the_clusters_of_others_are_not_written((wanted, world) in (wanted(), world()), deleted in any::<bool>()) {
        let wanted = if deleted { wanted.deleted() } else { wanted };
        let mut life = Life::new(&wanted, &world);
        let theirs = |cluster: &&Cluster| !cluster.is_of(&our_mark());
        let ids: Vec<String> = world.clusters.iter().filter(theirs).map(|cluster| cluster.id.clone()).collect();
        let others = |life: &Life| -> Vec<Cluster> {
            life.world.clusters.iter().filter(|cluster| ids.contains(&cluster.id)).cloned().collect()
        };
        let before = others(&life);
        for _ in 0..PASSES {
            let plan = life.pass(Pass::Whole);
            for step in &plan.steps {
                prop_assert!(!ids.iter().any(|id| step.to_string().contains(id.as_str())), "{}", step);
            }
            prop_assert_eq!(&others(&life), &before);
            if plan.steps.is_empty() {
                break;
            }
        }
    }

    #[test]
    fn a_deletion_ends_what_is_ours_or_takes_its_marks_off((wanted, world) in (writing(), world())) {
        let wanted = wanted.deleted();
        let mut life = Life::new(&wanted, &world);
        let before = life.alive();
        let plan = life.settle().map_err(TestCaseError::fail)?;
        prop_assert!(plan.is_settled(), "{plan:#?}");
        prop_assert_eq!((life.alive(), life.started.len()), (0, 0));
        if wanted.object.spec.deletion_policy == DeletionPolicy::Retain {
            let free = life.world.clusters.iter().filter(|cluster| cluster.state.is_alive());
            let marked = free.filter(|cluster| [OWNER, ATTEMPT, REQUEST].iter().any(|key| cluster.tags.contains_key(*key)) && !cluster.is_of(FOREIGN));
            prop_assert_eq!(marked.count(), 0);
            let ended = life.world.clusters.iter().filter(|cluster| cluster.reason.0 == "USER_REQUEST").count();
            let ending = world.clusters.iter().filter(|cluster| cluster.state == ClusterState::Terminating).count();
            prop_assert!(ended <= ending, "{} of {} were ended", ended, before);
        }
    }

    #[test]
    fn nothing_is_written_where_the_policy_does_not_let((wanted, world) in (wanted(), world())) {
        prop_assume!(wanted.object.spec.management_policy != ManagementPolicy::Full);
        prop_assert!(!Clusters::may_write(&wanted.goal()));
        // Deletion cannot wait for an end that will never be asked for: the driver lets go at once.
        prop_assert!(!Clusters::may_write(&wanted.clone().deleted().goal()));
        let mut life = Life::new(&wanted, &world);
        life.pass(Pass::Whole);
        prop_assert_eq!(life.world.clusters, world.clusters);
    }

    #[test]
    fn what_is_settled_stays_settled_until_the_moment_foretold(
        (wanted, world) in (writing(), world()), later in 0_i64..2_000_000
    ) {
        let mut life = Life::new(&wanted, &world);
        let plan = life.settle().map_err(TestCaseError::fail)?;
        prop_assume!(plan.is_settled());
        // What was told meanwhile may be planned from.
        let plan = life.plan();
        prop_assert!(plan.is_settled(), "{plan:#?}");
        let later = life.now.checked_add(SignedDuration::from_secs(later)).expect("in range");
        let just_before = |wake: Timestamp| wake.checked_sub(SignedDuration::from_nanos(1)).expect("in range");
        let until = plan.wake_at.map_or(later, |wake| just_before(wake).min(later)).max(life.now);
        prop_assert_eq!(Clusters::plan(&goal_of(&life.object), &life.world, until), plan.clone());
        prop_assert!(plan.wake_at.is_none_or(|wake| wake > life.now));
    }

    #[test]
    fn every_step_is_one_line((wanted, world) in (wanted(), world()), deleted in any::<bool>()) {
        let wanted = if deleted { wanted.deleted() } else { wanted };
        for step in Life::new(&wanted, &world).plan().steps {
            prop_assert!(!step.to_string().contains('\n'), "{}", step);
        }
    }

    #[test]
    fn a_status_says_one_thing_and_stays_small((wanted, world) in (wanted(), world()), deleted in any::<bool>()) {
        let wanted = if deleted { wanted.deleted() } else { wanted };
        let schema = status_schema();
        let mut life = Life::new(&wanted, &world);
        for _ in 0..PASSES {
            let plan = life.pass(Pass::Whole);
            let status = life.object.status.clone().unwrap_or_default();
            let ready = is(&status, ConditionType::Ready);
            let beside = [ConditionType::Reconciling, ConditionType::Stalled].map(|type_| is(&status, type_));
            prop_assert!(beside.iter().flatten().count() <= 1, "{:?}", status.conditions);
            prop_assert!(beside.iter().flatten().all(|is| *is == ConditionStatus::True));
            prop_assert!(ready.is_some());
            prop_assert!(ready != Some(ConditionStatus::True) || beside == [None, None]);
            let may_write = Clusters::may_write(&goal_of(&life.object));
            if ready == Some(ConditionStatus::True) && may_write && !deleted {
                prop_assert!(plan.is_settled(), "{:?}: {:#?}", status.conditions, plan);
            }
            let value = serde_json::to_value(&status).expect("json");
            prop_assert!(value.to_string().len() <= LARGEST_STATUS);
            prop_assert_eq!(schema::broken_bounds(&schema, &value, "status"), Vec::<String>::new());
            if plan.is_settled() {
                break;
            }
            life.wait(&plan);
        }
    }

    #[test]
    fn nothing_new_is_told_while_nothing_happens((wanted, world) in (writing(), world())) {
        let mut life = Life::new(&wanted, &world);
        let plan = life.settle().map_err(TestCaseError::fail)?;
        prop_assume!(plan.is_settled());
        life.pass(Pass::Whole);
        let before = life.object.status.clone();
        life.now = life.now.checked_add(SignedDuration::from_nanos(1)).expect("in range");
        life.world.listed = Some(life.now);
        life.pass(Pass::Whole);
        prop_assert_eq!(life.object.status, before);
    }

    #[test]
    fn a_cluster_that_is_wanted_comes_to_run_or_to_its_end((wanted, world) in (starting(), world())) {
        // None of ours: all that there is comes of this spec.
        let world = ClusterWorld {
            clusters: world.clusters.into_iter().filter(|cluster| !cluster.is_of(&our_mark())).collect(),
            ..world
        };
        let mut life = Life::new(&wanted, &world);
        let plan = life.settle().map_err(TestCaseError::fail)?;
        prop_assert!(plan.is_settled(), "{plan:#?}");
        prop_assert_eq!(life.started.len(), 1);
        let phase = life.object.status.as_ref().and_then(|status| status.phase);
        let wanted = if life.object.spec.lifecycle == Lifecycle::Batch { Phase::Completed } else { Phase::Waiting };
        prop_assert_eq!(phase, Some(wanted));
        let Goal::Present(desired) = goal_of(&life.object) else { return Ok(()) };
        prop_assert!(desired.made.is_ok());
    }
}

fn status_schema() -> Value {
    let crds = mizuumi_api::crd::all().expect("crds");
    let crds = crds.iter().map(|crd| serde_json::to_value(crd).expect("json"));
    let crd =
        crds.into_iter().find(|crd| crd["spec"]["names"]["kind"] == "EmrCluster").expect("the definition");
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"].clone()
}
