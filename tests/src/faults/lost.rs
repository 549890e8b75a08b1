//! F2, F15: CreateTable whose reply is lost, and CreateTable that meets a table.

use anyhow::ensure;
use serde_json::json;
use tokio::time::Instant;

use super::Trial;
use super::trial::Point;
use crate::controller::Controller;
use crate::judge::Witness;
use crate::story::first;
use crate::team::Team;

/// The reply is lost with and without an effect: the controller cannot tell which.
pub(super) async fn reply(trial: &Trial) {
    for (action, calls) in [("drop-after", 1), ("error-after", 1), ("drop-before", 2), ("error-before", 2)] {
        trial.point(action, lost_reply(action, calls)).await;
    }
}

async fn lost_reply(action: &str, calls: usize) -> Point {
    let team = Team::new("lost-reply").await;
    let witness = Witness::of(&team).await;
    let _controller = Controller::start(&team).await;
    team.admin.fault(json!({ "action": action, "operation": "CreateTable", "times": 1 })).await;
    let began = Instant::now();
    team.create_ready("orders", first("Delete")).await;
    let seconds = began.elapsed().as_secs_f64();
    assert_eq!(team.admin.struck().await, 1, "the fault has struck");
    team.admin.heal().await;
    team.sweeps(2).await;
    let mut finding = witness.judge().await;
    // Two are those of the witness.
    let tries = team.admin.count("CreateTable", 0).await - 2;
    if tries != calls {
        finding.doubled.push(format!("CreateTable was called {tries} times instead of {calls}"));
    }
    Point { finding, seconds }
}

/// It is there before the first look, or comes between the look and the call.
pub(super) async fn already_there(trial: &Trial) {
    for comes in ["before", "between"] {
        for (whose, reason) in [("nobody", "NotAdopted"), ("another", "OwnedByAnother")] {
            trial.point(&format!("{whose}'s, {comes}"), conflict(comes, whose, reason)).await;
        }
    }
    trial.point("our own, from a lost reply", lost_reply("drop-after", 1)).await;
}

async fn conflict(comes: &str, whose: &str, reason: &str) -> Point {
    let team = Team::new("already").await;
    let mut witness = Witness::of(&team).await;
    witness.excuses("orders");
    let mark = format!("other/their-ns/DataTable/orders@{}.orders", team.aws.database);
    let marks: &[(&str, &str)] = if whose == "nobody" { &[] } else { &[("mizuumi.owner", &mark)] };
    let _controller = Controller::start(&team).await;
    if comes == "before" {
        team.aws.create_table("orders", marks).await;
        team.create("orders", first("Delete")).await;
    } else {
        // The controller's call waits at the endpoint while somebody else's overtakes it.
        let rule = json!({ "action": "delay", "delayMs": 1000, "operation": "CreateTable", "times": 1 });
        let writes = team.admin.all_writes().await.len();
        team.admin.fault(rule).await;
        team.create("orders", first("Delete")).await;
        team.eventually("orders", "the controller's call", async || {
            ensure!(team.admin.struck().await == 1, "it has not come");
            Ok(())
        })
        .await;
        team.aws.create_table("orders", marks).await;
        assert_eq!(team.admin.all_writes().await.len(), writes + 1, "somebody else was first");
    }
    let before = team.aws.existing("orders").await;
    let began = Instant::now();
    team.reason("orders", reason).await;
    let seconds = began.elapsed().as_secs_f64();
    team.sweeps(2).await;
    team.delete_wholly("orders").await;
    let mut finding = witness.judge().await;
    if team.aws.table("orders").await.as_ref() != Some(&before) {
        finding.foreign.push("the table is not as its owner made it".to_owned());
    }
    Point { finding, seconds }
}
