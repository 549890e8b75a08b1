//! The controller dies at each write of a run's life, or does not hear of it; each attempt's work is begun once, always.
//!
//! A death at a look leaves the world as the write before it did.

use std::sync::Arc;

use anyhow::ensure;
use futures::{FutureExt as _, StreamExt as _, stream};
use mizuumi_api::Installation;
use mizuumi_api::ingest_run::{IngestRun, RunPhase};
use mizuumi_tests::{
    Ask, Call, Container, Controller, Exit, IMAGE, Kubelet, Launch, Proxy, Team, Way, register,
    with_clusters, with_shadows, with_tasks,
};
use serde_json::{Value, json};

/// Points of death tried at once.
const AT_ONCE: usize = 4;

/// Who does the work.
#[derive(Clone, Copy, Debug)]
enum Engine {
    /// A Job of Kubernetes.
    Job,
    /// A step of a cluster that runs already.
    Step,
    /// A Job of Kubernetes that writes to a table by name.
    Shadow,
    /// A task of ECS.
    Task,
}

/// How the controller dies.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// Before a request to the apiserver has an effect.
    BeforeAsking(usize),
    /// After its effect, without having heard of it.
    AfterAsking(usize),
    /// Before a call to AWS has an effect.
    Before(usize),
    /// Before so many-th call of that operation has an effect.
    InTurn(&'static str, u64),
    /// After the effect of the first call of that operation, without having heard of it.
    After(&'static str),
    /// In it, and its effect comes while the next controller is at work already.
    Late(&'static str),
}

fn settings(installation: &mut Installation) {
    with_clusters(installation);
    with_shadows(installation);
    with_tasks(installation);
}

impl Engine {
    fn spec(self) -> Value {
        let work = match self {
            Self::Job => json!({ "engine": "KubernetesJob", "kubernetesJob": { "image": "ingest" } }),
            Self::Shadow => json!({
                "engine": "KubernetesJob", "kubernetesJob": { "image": "ingest" }, "output": { "mode": "ShadowTable" },
            }),
            Self::Step => json!({
                "engine": "EmrStep",
                "emrStep": { "cluster": "shared", "step": { "name": "load", "command": ["load", "${output}"] } },
            }),
            Self::Task => {
                json!({ "engine": "EcsTask", "ecsTask": { "image": IMAGE, "cpu": 256, "memory": 512 } })
            }
        };
        let mut spec = json!({ "table": "orders", "sessionTime": "2026-11-02T00:00:00Z" });
        json_patch::merge(&mut spec, &work);
        spec
    }

    async fn prepare(self, team: &Team) {
        let published = json!({
            "partitionKeys": [{ "name": "day", "type": "string" }],
            "partitions": { "mode": "Published" },
        });
        team.create_ready("orders", published).await;
        team.write_output("orders", "one", &["a1/day=1/", "a2/day=1/"]).await;
        if matches!(self, Self::Shadow) {
            team.create_shadows().await;
        }
        if matches!(self, Self::Task) {
            team.task_cluster(json!([{ "image": IMAGE, "seconds": 30 }])).await;
        }
        if matches!(self, Self::Step) {
            team.class(json!({})).await;
            team.create_cluster("shared", json!({ "lifecycle": "WhenNeeded" })).await;
            team.need("shared", true).await;
            team.cluster_reason("shared", "Running").await;
        }
    }

    /// How often work was begun.
    async fn begun(self, team: &Team, run: &str) -> usize {
        match self {
            Self::Job | Self::Shadow => team.jobs_of(run).await.len(),
            Self::Task => team.tasks_of(run).await.len(),
            Self::Step => {
                let clusters = team.aws.emr.list_clusters().send().await.expect("the clusters");
                let mut steps = 0;
                // One that has been idle for long enough has ended, and another was started.
                for id in clusters.clusters().iter().filter_map(|cluster| cluster.id()) {
                    let list = team.aws.emr.list_steps().cluster_id(id).send().await.expect("the steps");
                    steps += list.steps().len();
                }
                steps
            }
        }
    }
}

/// A team whose controller is reached only by a proxy; its pods end well at once.
async fn team_of(engine: Engine) -> (Team, Proxy, Controller, Kubelet) {
    let team = Team::new("run-crash").await;
    let proxy = Proxy::of_apiserver(&team).await;
    let launch = Launch::through(&proxy.kubeconfig(&team, "proxied"));
    let controller = Controller::launch(&team, launch, settings).await;
    let kubelet = kubelet(&team);
    engine.prepare(&team).await;
    (team, proxy, controller, kubelet)
}

/// Runs pods that end well at once; those that are to write by name do.
fn kubelet(team: &Team) -> Kubelet {
    let aws = team.aws.clone();
    team.kubelet(Arc::new(move |container: Container| {
        let aws = aws.clone();
        async move {
            if container.env.contains_key("MIZUUMI_OUTPUT_TABLE") {
                register(&aws, &container, "1").await;
            }
            Exit::Code(0)
        }
        .boxed()
    }))
}

/// Which calls, and which requests to the apiserver, write for a run that is undisturbed; the first is 1.
async fn reference(engine: Engine) -> (Vec<usize>, Vec<usize>) {
    let (team, proxy, _controller, _kubelet) = team_of(engine).await;
    let (since, asked) = (team.admin.seq().await, proxy.asked().len());
    team.create_run("one", engine.spec()).await;
    team.run_phase("one", RunPhase::Succeeded).await;
    if matches!(engine, Engine::Shadow) {
        no_shadow_is_left(&team, "undisturbed").await;
    }
    let calls = numbers(team.admin.calls(since).await.iter().map(Call::writes));
    let asked = proxy.asked().split_off(asked);
    (calls, numbers(asked.iter().filter(|ask| ask.is_single()).map(Ask::writes)))
}

/// Where it is so; the first is 1.
fn numbers(all: impl Iterator<Item = bool>) -> Vec<usize> {
    (1..).zip(all).filter_map(|(number, is_so)| is_so.then_some(number)).collect()
}

async fn is_over(team: &Team) -> bool {
    let run = team.runs().get_opt("one").await.ok().flatten();
    run.and_then(|run| run.status?.phase).is_some_and(RunPhase::is_over)
}

async fn with_death(engine: Engine, death: Death) {
    let (team, proxy, mut controller, _kubelet) = team_of(engine).await;
    match death {
        Death::Before(call) => team.admin.fault(json!({ "action": "hang", "from": call })).await,
        Death::InTurn(operation, number) => {
            let hang = json!({ "action": "hang", "operation": operation, "from": number });
            team.admin.fault(hang).await;
        }
        Death::After(operation) => {
            team.admin.fault(json!({ "action": "drop-after", "operation": operation, "times": 1 })).await;
        }
        Death::Late(operation) => {
            let late = json!({ "action": "delay", "delayMs": 1000, "operation": operation, "times": 1 });
            team.admin.fault(late).await;
        }
        Death::BeforeAsking(request) => proxy.rule(Ask::is_single).from(request).go(Way::Hang),
        Death::AfterAsking(request) => proxy.rule(Ask::is_single).from(request).go(Way::HangAfter),
    }
    team.create_run("one", engine.spec()).await;
    team.eventually("one", &format!("{death:?}"), async || {
        let struck = team.admin.struck().await + proxy.struck();
        // Looks that happen to be shared make a life shorter than the reference: then the end is the point.
        ensure!(struck >= 1 || is_over(&team).await, "it has not come to that");
        Ok(())
    })
    .await;
    controller.kill();
    team.admin.heal().await;
    proxy.heal();
    controller.restart();
    let run = team.run_phase("one", RunPhase::Succeeded).await;
    let status = run.status.expect("a status");
    // What EMR was never asked for is another attempt; a Job is known by its name, so it is never lost.
    let most = if matches!(engine, Engine::Step) { 2 } else { 1 };
    let attempts = status.attempt.map(|attempt| attempt.number);
    assert!(attempts.is_some_and(|number| number <= most), "{engine:?}, {death:?}: {attempts:?}");
    assert_eq!(engine.begun(&team, "one").await, 1, "{engine:?}, {death:?}");
    assert_eq!(team.aws.partitions("orders").await.len(), 1, "{engine:?}, {death:?}");
    if matches!(engine, Engine::Shadow) {
        no_shadow_is_left(&team, &format!("{death:?}")).await;
    }
}

async fn no_shadow_is_left(team: &Team, what: &str) {
    team.run_until("one", what, |run| run.status.as_ref().is_some_and(|status| status.shadow.is_none()))
        .await;
    let left = team.shadow_tables().await;
    assert!(left.is_empty(), "{what}: {left:?}");
}

async fn dies(engine: Engine, deaths: Vec<Death>) {
    stream::iter(deaths).for_each_concurrent(AT_ONCE, |death| with_death(engine, death)).await;
}

#[tokio::test]
async fn a_controller_may_die_at_every_write_of_a_run_that_a_job_works_for() {
    let (_, requests) = reference(Engine::Job).await;
    assert!(requests.len() >= 4, "{requests:?}");
    let deaths = requests.into_iter().flat_map(|n| [Death::BeforeAsking(n), Death::AfterAsking(n)]);
    dies(Engine::Job, deaths.collect()).await;
}

#[tokio::test]
async fn a_controller_may_die_at_every_write_of_a_run_that_a_step_works_for() {
    let (calls, requests) = reference(Engine::Step).await;
    assert!(calls.len() >= 2 && requests.len() >= 4, "{calls:?}, {requests:?}");
    let asking = requests.into_iter().flat_map(|n| [Death::BeforeAsking(n), Death::AfterAsking(n)]);
    let calling = calls.into_iter().map(Death::Before);
    let after = [Death::After("AddJobFlowSteps"), Death::Late("AddJobFlowSteps")];
    dies(Engine::Step, asking.chain(calling).chain(after).collect()).await;
}

#[tokio::test]
async fn a_controller_may_die_at_every_write_of_a_run_that_writes_by_name() {
    // What says that the attempt was begun, how it ended, and the manifest.
    let objects = (1..=3).map(|number| Death::InTurn("PutObject", number));
    let of_shadow = ["CreateTable", "DeleteTable"]
        .into_iter()
        .flat_map(|operation| [Death::InTurn(operation, 1), Death::After(operation), Death::Late(operation)]);
    let published = [Death::InTurn("BatchCreatePartition", 1)];
    let (_, requests) = reference(Engine::Shadow).await;
    assert!(requests.len() >= 6, "{requests:?}");
    let asking = requests.into_iter().map(Death::AfterAsking);
    dies(Engine::Shadow, objects.chain(of_shadow).chain(published).chain(asking).collect()).await;
}

#[tokio::test]
async fn a_controller_may_die_at_every_write_of_a_run_that_a_task_works_for() {
    let (calls, requests) = reference(Engine::Task).await;
    assert!(calls.len() >= 3 && requests.len() >= 4, "{calls:?}, {requests:?}");
    let asking = requests.into_iter().flat_map(|n| [Death::BeforeAsking(n), Death::AfterAsking(n)]);
    let calling = calls.into_iter().map(Death::Before);
    let after = ["RegisterTaskDefinition", "RunTask"];
    let after = after.into_iter().flat_map(|operation| [Death::After(operation), Death::Late(operation)]);
    dies(Engine::Task, asking.chain(calling).chain(after).collect()).await;
}

#[tokio::test]
async fn two_controllers_begin_the_work_of_an_attempt_once() {
    let team = Team::new("run-rivals").await;
    let _one = Controller::with(&team, settings).await;
    let _other = Controller::launch(&team, Launch::default().named("other"), settings).await;
    let _kubelet = kubelet(&team);
    let all =
        [(Engine::Step, "one"), (Engine::Job, "two"), (Engine::Shadow, "three"), (Engine::Task, "four")];
    for (engine, run) in all {
        match engine {
            Engine::Step => {
                engine.prepare(&team).await;
                team.create_shadows().await;
            }
            Engine::Job | Engine::Shadow => {}
            Engine::Task => team.task_cluster(json!([{ "image": IMAGE, "seconds": 30 }])).await,
        }
        team.write_output("orders", run, &["a1/day=1/"]).await;
        team.create_run(run, engine.spec()).await;
        team.run_phase(run, RunPhase::Succeeded).await;
        assert_eq!(engine.begun(&team, run).await, 1, "{engine:?}");
        let is_swept = |run: &IngestRun| run.status.as_ref().is_some_and(|status| status.shadow.is_none());
        team.run_until(run, "its shadow is gone", is_swept).await;
        assert_eq!(team.shadow_tables().await, Vec::<String>::new());
        team.runs().delete(run, &kube::api::DeleteParams::default()).await.expect("it is deleted");
        team.eventually(run, "the run is gone", async || {
            ensure!(team.runs().get_opt(run).await?.is_none(), "it is there");
            Ok(())
        })
        .await;
    }
}
