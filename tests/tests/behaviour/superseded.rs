//! Data that nothing points to any more goes, if that is asked for, and no other data does.

use anyhow::ensure;
use mizuumi_tests::{Controller, Team};
use serde_json::json;

/// A table into which three runs have been published, each of the same two days.
async fn with_three_runs(name: &str) -> (Team, Controller) {
    let team = Team::new(name).await;
    let controller = Controller::start(&team).await;
    let spec = json!({
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Published" },
    });
    team.create_ready("orders", spec).await;
    for (day, run) in [(1, "first"), (2, "second"), (3, "third")] {
        team.bring("orders", run, day, 0, &["day=1/", "day=2/"]).await;
    }
    (team, controller)
}

/// Has nothing pointed to a run's data since long ago.
async fn age(team: &Team, run: &str) {
    for name in marks(team, run).await {
        team.aws.delete_object(&name).await;
    }
    team.aws.put(&format!("orders/manifests/{run}.superseded.1700000000"), "").await;
}

async fn marks(team: &Team, run: &str) -> Vec<String> {
    team.aws.keys(&format!("orders/manifests/{run}.superseded.")).await
}

async fn data(team: &Team, run: &str) -> usize {
    team.aws.keys(&format!("orders/runs/{run}/")).await.len()
}

async fn look_again(team: &Team, at: &str) {
    team.annotate("orders", json!({ "mizuumi.dev/requested-at": at })).await;
}

#[tokio::test]
async fn a_run_that_nothing_points_to_is_marked_kept_and_deleted() {
    let (team, _controller) = with_three_runs("clears").await;
    // Somebody else's, though it lies there.
    team.aws.put("orders/manifests/theirs.json", "{}").await;
    team.aws.put("orders/runs/theirs/day=1/part-0", "x").await;
    team.change("orders", json!({ "partitions": { "keepSuperseded": "30h" } })).await;
    let note = team.event("orders", "RunsSuperseded").await;
    assert!(note.contains("nothing points to the data of 1 run any more: 'first'"), "{note}");
    team.ready("orders").await;
    assert_eq!((marks(&team, "first").await.len(), data(&team, "first").await), (1, 3));

    age(&team, "first").await;
    look_again(&team, "once").await;
    let note = team.event("orders", "SupersededDataDeleted").await;
    assert!(note.contains("'first'"), "{note}");
    team.ready("orders").await;
    assert_eq!((marks(&team, "first").await.len(), data(&team, "first").await), (0, 0));
    assert_eq!(team.aws.keys("orders/manifests/first.json").await.len(), 0);
    for run in ["second", "third"] {
        assert_eq!((marks(&team, run).await.len(), data(&team, run).await), (0, 3), "{run}");
    }
    assert_eq!(data(&team, "theirs").await, 1);
}

#[tokio::test]
async fn what_is_pointed_to_again_loses_its_mark_and_stays() {
    let (team, _controller) = with_three_runs("again").await;
    team.change("orders", json!({ "partitions": { "keepSuperseded": "30h" } })).await;
    team.event("orders", "RunsSuperseded").await;
    // As if the second run had been superseded long ago, and then came back.
    age(&team, "second").await;
    team.roll_back("back", "orders", "third").await;
    team.run_phase("back", mizuumi_api::ingest_run::RunPhase::Succeeded).await;
    look_again(&team, "once").await;
    team.event("orders", "RunsInUseAgain").await;
    team.eventually("orders", "the mark of 'second' goes and that of 'third' comes", async || {
        ensure!(marks(&team, "second").await.is_empty());
        ensure!(marks(&team, "third").await.len() == 1);
        Ok(())
    })
    .await;
    for run in ["first", "second", "third"] {
        assert_eq!(data(&team, run).await, 3, "{run}");
    }
}

#[tokio::test]
async fn without_being_asked_for_nothing_goes_and_too_short_a_time_is_refused() {
    let (team, _controller) = with_three_runs("keeps").await;
    age(&team, "first").await;
    look_again(&team, "once").await;
    team.until("orders", "the look has been taken", |table| {
        let handled = table.status.as_ref().and_then(|status| status.last_handled_reconcile_at.as_deref());
        handled == Some("once")
    })
    .await;
    assert_eq!(data(&team, "first").await, 3);
    team.change("orders", json!({ "partitions": { "keepSuperseded": "23h" } })).await;
    let told = team.reason("orders", "SpecInvalid").await;
    assert!(
        told.message.contains("spec.partitions.keepSuperseded: must be at least 24h"),
        "{}",
        told.message
    );
    assert_eq!(data(&team, "first").await, 3);
}
