//! `mizuumi rollback` takes a run back as a person asks, and says what came of it.

use mizuumi_api::ingest_run::RunPhase;
use mizuumi_tests::{Controller, Planned, Team};
use serde_json::{Value, json};

async fn rollback(team: &Team, arguments: &[&str]) -> Planned {
    let all = [&["rollback", "orders", "--namespace", &team.namespace][..], arguments].concat();
    team.run(&all, "").await
}

async fn locations(team: &Team) -> Vec<String> {
    let root = team.location("orders");
    let all = team.aws.partitions("orders").await;
    let locations = all.iter().map(|partition| {
        let location =
            partition.storage_descriptor().and_then(|storage| storage.location()).unwrap_or_default();
        location.strip_prefix(&root).unwrap_or(location).to_owned()
    });
    locations.collect()
}

/// A table into which two runs have been published.
async fn published(name: &str) -> (Team, Controller) {
    let team = Team::new(name).await;
    let controller = Controller::start(&team).await;
    let spec = json!({
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Published" },
    });
    team.create_ready("orders", spec).await;
    team.bring("orders", "first", 1, 0, &["day=1/"]).await;
    // Their ends are told in seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    team.bring("orders", "bad", 2, 0, &["day=1/", "day=2/"]).await;
    (team, controller)
}

#[tokio::test]
async fn what_was_published_last_is_taken_back_and_waited_for() {
    let (team, _controller) = published("rollback-last").await;
    let dry = rollback(&team, &["--dry-run=client", "-o", "yaml"]).await;
    assert_eq!(dry.code, 0, "{dry:?}");
    let manifest: Value = serde_saphyr::from_str(&dry.out).expect("YAML alone on standard output");
    assert_eq!(manifest["metadata"]["name"], "bad-back");
    assert_eq!(
        manifest["spec"],
        json!({ "table": "orders", "engine": "Rollback", "rollback": { "run": "bad" } })
    );
    let checked = rollback(&team, &["--dry-run=server"]).await;
    assert_eq!(
        (checked.out.as_str(), checked.code),
        ("ingestrun.mizuumi.dev/bad-back created (server dry run)\n", 0),
        "{checked:?}"
    );
    assert!(team.runs().get_opt("bad-back").await.expect("an answer").is_none(), "nothing was made");

    let done = rollback(&team, &[]).await;
    assert_eq!((done.out.as_str(), done.code), ("ingestrun.mizuumi.dev/bad-back created\n", 0), "{done:?}");
    for part in
        ["taking back run 'bad' of DataTable 'orders': up to 2 partitions", "published 2 of 2 partitions"]
    {
        assert!(done.err.contains(part), "no {part:?} in {}", done.err);
    }
    assert_eq!(locations(&team).await, ["runs/first/day=1/"]);

    let again = rollback(&team, &["--run", "bad"]).await;
    assert_eq!((again.out.as_str(), again.code), ("", 1), "{again:?}");
    assert!(again.err.contains("error: run 'bad' was taken back already, by 'bad-back'"), "{}", again.err);
}

#[tokio::test]
async fn it_goes_back_to_a_run_that_is_named_and_need_not_be_waited_for() {
    let (team, _controller) = published("rollback-to").await;
    let left = rollback(&team, &["--to", "first", "--wait=false", "-o", "name"]).await;
    assert_eq!((left.out.as_str(), left.code), ("ingestrun.mizuumi.dev/bad-back\n", 0), "{left:?}");
    team.run_phase("bad-back", RunPhase::Succeeded).await;
    assert_eq!(locations(&team).await, ["runs/first/day=1/"]);
}

#[tokio::test]
async fn what_cannot_be_taken_back_is_told_and_nothing_is_made() {
    let (team, _controller) = published("rollback-wrong").await;
    for (arguments, says) in [
        (&["--to", "bad"][..], "nothing was published after run 'bad'"),
        (&["--run", "unheard"], "there is no IngestRun 'unheard' of DataTable 'orders'"),
        (&["--to", "first", "--run", "bad"], "cannot be used with"),
        (&["--timeout", "soon"], "must be a duration such as 30s"),
        (&["--context", "elsewhere"], "elsewhere"),
    ] {
        let told = rollback(&team, arguments).await;
        assert!(told.code != 0 && told.out.is_empty(), "{told:?}");
        assert!(told.err.contains(says), "no {says:?} in {}", told.err);
    }
    let told = team.run(&["rollback", "nothing", "-n", &team.namespace], "").await;
    assert_eq!(told.code, 1);
    assert!(told.err.contains("there is no DataTable 'nothing' in namespace"), "{}", told.err);
    let runs = team.runs().list(&kube::api::ListParams::default()).await.expect("the runs").items;
    assert_eq!(runs.len(), 2);
}

#[tokio::test]
async fn one_that_does_not_end_and_one_that_fails_have_codes_of_their_own() {
    let (team, _controller) = published("rollback-waits").await;
    team.change("orders", json!({ "suspend": true })).await;
    team.reason("orders", "InSync").await;
    let late = rollback(&team, &["--timeout", "3s"]).await;
    assert_eq!((late.out.as_str(), late.code), ("ingestrun.mizuumi.dev/bad-back created\n", 3), "{late:?}");
    assert!(
        late.err.contains("is not over yet, and goes on")
            && late.err.contains("kubectl describe irun bad-back"),
        "{}",
        late.err
    );
    let joined = rollback(&team, &["--wait=false"]).await;
    assert_eq!(
        (joined.out.as_str(), joined.code),
        ("ingestrun.mizuumi.dev/bad-back unchanged\n", 0),
        "{joined:?}"
    );
    team.change("orders", json!({ "suspend": false })).await;
    team.run_phase("bad-back", RunPhase::Succeeded).await;
    assert_eq!(locations(&team).await, ["runs/first/day=1/"]);
    // Nothing points to a run whose partitions a later one has brought.
    team.bring("orders", "later", 3, 0, &["day=1/"]).await;
    let nothing = rollback(&team, &["--run", "first"]).await;
    assert_eq!(nothing.code, 2, "{nothing:?}");
    assert!(nothing.err.contains("IngestRun 'first-back' failed: nothing in"), "{}", nothing.err);
}
