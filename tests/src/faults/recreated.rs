//! F23: a resource is deleted while it is being made, and made again under its name at once.

use anyhow::ensure;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Trial;
use super::trial::Point;
use crate::controller::Controller;
use crate::judge::Witness;
use crate::kubernetes::reason_of;
use crate::story::{first, portrait, undisturbed};
use crate::team::Team;
use crate::wait;

/// What comes after the deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// Nothing.
    Nothing,
    /// A resource of the same name.
    Another,
}

/// At each call of the creation, under each policy.
pub(super) async fn in_creation(trial: &Trial) {
    for policy in ["Delete", "Retain"] {
        let (calls, end) = undisturbed_creation(policy).await;
        for then in [Then::Nothing, Then::Another] {
            let points = (1..=calls).map(|call| {
                (format!("{policy}, at call {call}, then {then:?}"), deleted_at(policy, call, then, &end))
            });
            trial.points(points).await;
        }
        trial.note(format!("{policy}: {calls} calls"));
    }
}

/// A table that is let go under `Retain` belongs to nobody, so its successor has to be allowed to take it over.
fn spec(policy: &str) -> Value {
    let mut spec = first(policy);
    if policy == "Retain" {
        spec["adoptionPolicy"] = json!("IfUnowned");
    }
    spec
}

async fn undisturbed_creation(policy: &str) -> (usize, String) {
    let team = Team::new("recreated").await;
    let _controller = Controller::with(&team, undisturbed).await;
    let since = team.admin.seq().await;
    team.create_ready("orders", spec(policy)).await;
    (team.admin.calls(since).await.len(), portrait(&team, "orders").await)
}

async fn deleted_at(policy: &str, call: usize, then: Then, end: &str) -> Point {
    let team = Team::new("recreated").await;
    let mut witness = Witness::of(&team).await;
    if policy == "Retain" {
        witness.adopts("orders");
    }
    let _controller = Controller::with(&team, undisturbed).await;
    // The call is under way while the resource is deleted and made again.
    let rule = json!({ "action": "delay", "delayMs": 700, "from": call, "times": 1 });
    team.admin.fault(rule).await;
    let since = team.admin.seq().await;
    team.create("orders", spec(policy)).await;
    team.eventually("orders", "the call", async || {
        let has_come = team.admin.struck().await == 1;
        let made = team.admin.calls(since).await.len();
        // Reads that happen to be shared make it shorter: then it is deleted when it is done.
        let is_over = made < call && reason_of(&team.get("orders").await, "Ready") == "InSync";
        ensure!(has_come || is_over, "{made} calls");
        Ok(())
    })
    .await;
    let began = Instant::now();
    let uid = team.get("orders").await.metadata.uid;
    team.delete("orders").await;
    if then == Then::Another {
        again(&team, policy).await;
        let other = team.ready("orders").await;
        assert_ne!(other.metadata.uid, uid, "it is another resource");
    } else {
        team.gone("orders").await;
    }
    team.admin.heal().await;
    // What was under way has come to its end by then.
    wait::pass(std::time::Duration::from_millis(800)).await;
    let seconds = began.elapsed().as_secs_f64();
    let mut finding = witness.judge().await;
    let is = portrait(&team, "orders").await;
    match then {
        Then::Another if is != end => {
            finding.lost.push(format!("the end is another one:\n{is}\ninstead of\n{end}"));
        }
        Then::Nothing if policy == "Delete" && is != "no table" => {
            finding.lost.push(format!("a table is left:\n{is}"));
        }
        _ => {}
    }
    Point { finding, seconds }
}

/// Makes it again as soon as its name is free.
async fn again(team: &Team, policy: &str) {
    team.eventually("orders", "its name to be free", async || {
        team.try_create(&team.manifest("orders", spec(policy))).await?;
        Ok(())
    })
    .await;
}
