//! The controller dies at each write of an evaluation, of a check and at a gate, or does not hear of it: each is one query, always.
//!
//! A death at a look leaves the world as the write before it did.

use anyhow::ensure;
use futures::{StreamExt as _, stream};
use mizuumi_api::Installation;
use mizuumi_api::ingest_run::RunPhase;
use mizuumi_tests::{Ask, Controller, Launch, Proxy, Team, Way, with_athena, with_shadows};
use serde_json::json;

/// Points of death tried at once.
const AT_ONCE: usize = 4;

/// Who evaluates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asker {
    /// A check, of published data.
    Check,
    /// A gate, of what a run brings.
    Gate,
}

/// How the controller dies.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// After the effect of a request to the apiserver, without having heard of it.
    AfterAsking(usize),
    /// Before so many-th call of that operation has an effect.
    Before(&'static str, u64),
    /// After the effect of the first call of that operation, without having heard of it.
    After(&'static str),
    /// In it, and its effect comes while the next controller is at work already.
    Late(&'static str),
}

fn settings(installation: &mut Installation) {
    with_shadows(installation);
    with_athena(installation);
}

/// A team whose controller is reached only by a proxy, with a table and what is evaluated.
async fn team_of(asker: Asker) -> (Team, Proxy, Controller) {
    let team = Team::new("quality-crash").await;
    let proxy = Proxy::of_apiserver(&team).await;
    let launch = Launch::through(&proxy.kubeconfig(&team, "proxied"));
    let controller = Controller::launch(&team, launch, settings).await;
    team.aws.create_workgroup("quality", Some(100_000_000)).await;
    team.create_shadows().await;
    let table = json!({
        "format": "json",
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Published" },
    });
    team.create_ready("orders", table).await;
    team.aws.put("orders/runs/one/day=1/part-0.json", "{\"id\":1}\n").await;
    team.mark_output("orders", "one").await;
    match asker {
        Asker::Check => team.bring("orders", "one", 1, 0, &[]).await,
        // Of published data it is not evaluated again and again.
        Asker::Gate => {
            let triggers = json!({ "onUpdate": false });
            let spec =
                json!({ "rules": "Rules = [ RowCount = 1 ]", "gate": "Publish", "triggers": triggers });
            team.create_check("rows", "orders", spec).await;
            team.check_until("rows", "an evaluation", |check| check.status.as_ref()?.evaluation.clone())
                .await;
        }
    }
    (team, proxy, controller)
}

async fn begin(asker: Asker, team: &Team) {
    match asker {
        Asker::Check => {
            let spec = json!({ "rules": "Rules = [ RowCount = 1 ]", "triggers": { "onUpdate": false } });
            drop(team.create_check("rows", "orders", spec).await);
        }
        Asker::Gate => drop(team.start_run("one", "orders", 1, 0).await),
    }
}

async fn is_over(asker: Asker, team: &Team) -> bool {
    match asker {
        Asker::Check => {
            let check = team.checks().get_opt("rows").await.ok().flatten();
            check.and_then(|check| check.status?.evaluation).is_some()
        }
        Asker::Gate => {
            let run = team.runs().get_opt("one").await.ok().flatten();
            let status = run.and_then(|run| run.status);
            status.is_some_and(|status| status.phase.is_some_and(RunPhase::is_over) && status.audit.is_none())
        }
    }
}

/// Waits for the end, which is always the same: one query, a verdict, and nothing left.
async fn ends(asker: Asker, team: &Team, queries: usize, what: &str) {
    match asker {
        Asker::Check => drop(team.check_says("rows", "QualityPassed", "RulesPassed").await),
        Asker::Gate => {
            team.run_phase("one", RunPhase::Succeeded).await;
            assert_eq!(team.aws.partitions("orders").await.len(), 1, "{what}");
        }
    }
    team.eventually("orders", what, async || {
        ensure!(is_over(asker, team).await, "something is left");
        Ok(())
    })
    .await;
    assert!(team.shadow_tables().await.is_empty(), "{what}");
    assert_eq!(team.aws.queries("quality").await.len(), queries + 1, "{what}");
}

/// Which requests to the apiserver write for an evaluation that is undisturbed; the first is 1.
async fn reference(asker: Asker) -> Vec<usize> {
    let (team, proxy, _controller) = team_of(asker).await;
    let (before, queries) = (proxy.asked().len(), team.aws.queries("quality").await.len());
    begin(asker, &team).await;
    ends(asker, &team, queries, "undisturbed").await;
    let requests = proxy.asked().split_off(before);
    let writes = requests.iter().filter(|ask| ask.is_single()).map(Ask::writes);
    (1..).zip(writes).filter_map(|(number, writes)| writes.then_some(number)).collect()
}

async fn with_death(asker: Asker, death: Death) {
    let (team, proxy, mut controller) = team_of(asker).await;
    let queries = team.aws.queries("quality").await.len();
    let fault = match death {
        Death::Before(operation, number) => {
            json!({ "action": "hang", "operation": operation, "from": number })
        }
        Death::After(operation) => json!({ "action": "drop-after", "operation": operation, "times": 1 }),
        Death::Late(operation) => {
            json!({ "action": "delay", "delayMs": 1000, "operation": operation, "times": 1 })
        }
        Death::AfterAsking(request) => {
            proxy.rule(Ask::is_single).from(request).go(Way::HangAfter);
            json!(null)
        }
    };
    if !fault.is_null() {
        team.admin.fault(fault).await;
    }
    begin(asker, &team).await;
    team.eventually("orders", &format!("{death:?}"), async || {
        let struck = team.admin.struck().await + proxy.struck();
        // Looks that happen to be shared make a life shorter than the reference: then the end is the point.
        ensure!(struck >= 1 || is_over(asker, &team).await, "it has not come to that");
        Ok(())
    })
    .await;
    controller.kill();
    team.admin.heal().await;
    proxy.heal();
    controller.restart();
    ends(asker, &team, queries, &format!("{asker:?}, {death:?}")).await;
}

async fn dies(asker: Asker, calls: &[Death]) {
    let requests = reference(asker).await;
    assert!(requests.len() >= 3, "{requests:?}");
    let deaths = requests.into_iter().map(Death::AfterAsking).chain(calls.iter().copied());
    stream::iter(deaths).for_each_concurrent(AT_ONCE, |death| with_death(asker, death)).await;
}

#[tokio::test]
async fn a_controller_may_die_at_every_write_of_an_evaluation() {
    let start = "StartQueryExecution";
    dies(Asker::Check, &[Death::Before(start, 1), Death::After(start), Death::Late(start)]).await;
}

#[tokio::test]
async fn a_controller_may_die_at_every_write_of_a_gate_that_needs_rows() {
    // The audit table, its partition, the query, the manifest, and the end of the audit table.
    let calls = [
        Death::Before("CreateTable", 1),
        Death::After("CreateTable"),
        Death::Before("BatchCreatePartition", 1),
        Death::After("BatchCreatePartition"),
        Death::Before("StartQueryExecution", 1),
        Death::After("StartQueryExecution"),
        Death::Late("StartQueryExecution"),
        Death::Before("PutObject", 1),
        Death::Before("DeleteTable", 1),
        Death::After("DeleteTable"),
    ];
    dies(Asker::Gate, &calls).await;
}
