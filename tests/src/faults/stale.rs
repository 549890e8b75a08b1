//! F16: after a restart the controller is shown the past.

use std::time::Duration;

use anyhow::ensure;
use kube::ResourceExt as _;
use serde_json::json;
use tokio::time::Instant;

use super::Trial;
use super::trial::Point;
use crate::controller::{Controller, Launch};
use crate::judge::Witness;
use crate::proxy::{Past, Proxy};
use crate::story::{Story, first, second};
use crate::team::Team;
use crate::wait;

/// What came after the past that is shown.
#[derive(Clone, Copy, Debug)]
enum Since {
    /// It was being deleted; it went, and was made anew.
    DeletedAndMadeAnew,
    /// It was being deleted; it was let go, and another object adopted its table.
    DeletedAndInherited,
    /// It was there; it was deleted, with its table.
    Deleted,
    /// It was there; it was deleted, and its table stays.
    Released,
    /// It had an older spec.
    Changed,
}

/// Each past, shown for a while to a controller that has just started.
pub(super) async fn past(trial: &Trial) {
    let shown = trial.options.lasting(Duration::from_mins(10), Duration::from_secs(3));
    let all = [
        Since::DeletedAndMadeAnew,
        Since::DeletedAndInherited,
        Since::Deleted,
        Since::Released,
        Since::Changed,
    ];
    trial.points(all.map(|since| (format!("{since:?}"), show(since, shown)))).await;
    trial.note(format!("each past was shown for {} s", shown.as_secs_f64()));
}

async fn show(since: Since, shown: Duration) -> Point {
    let team = Team::new("past").await;
    let mut witness = Witness::of(&team).await;
    witness.adopts("orders");
    let proxy = Proxy::of_apiserver(&team).await;
    let launch = Launch::through(&proxy.kubeconfig(&team, "proxied"));
    let mut controller = Controller::launch(&team, launch, |_| {}).await;
    let policy = if matches!(since, Since::Released) { "Retain" } else { "Delete" };
    team.create_ready("orders", first(policy)).await;
    let past = go_on(since, &team).await;
    controller.kill();
    let writes = team.admin.writes().await.len();
    let asked = proxy.asked().len();
    proxy.show(past);
    controller.restart();
    team.eventually("orders", "the past seen", async || {
        let followed =
            proxy.asked().iter().skip(asked).any(|ask| ask.verb == "watch" && ask.follows_tables());
        ensure!(followed, "no watch yet");
        Ok(())
    })
    .await;
    wait::pass(shown).await;
    let stale = team.admin.writes().await.split_off(writes);
    let began = Instant::now();
    proxy.heal();
    proxy.cut_as_gone();
    // The first list of the present, then whatever it makes the controller do.
    let change = json!({ "description": "seen since" });
    team.create_ready("witness", change).await;
    team.delete_wholly("witness").await;
    if !matches!(since, Since::Deleted | Since::Released) {
        team.ready(if matches!(since, Since::DeletedAndInherited) { "heir" } else { "orders" }).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    let mut finding = witness.judge().await;
    if !stale.is_empty() {
        let written: Vec<&str> = stale.iter().map(|write| write.operation.as_str()).collect();
        finding.doubled.push(format!("written on the word of the past: {}", written.join(", ")));
    }
    Point { finding, seconds }
}

/// What happens to `orders`; answers the moment that will be shown.
async fn go_on(since: Since, team: &Team) -> Past {
    match since {
        Since::DeletedAndMadeAnew | Since::DeletedAndInherited => {
            let rule = json!({ "action": "denied", "operation": "DeleteTable" });
            team.admin.fault(rule).await;
            team.delete("orders").await;
            team.until("orders", "being deleted", |table| table.metadata.deletion_timestamp.is_some()).await;
            let past = Past::of(team).await;
            if matches!(since, Since::DeletedAndInherited) {
                team.annotate("orders", json!({ "mizuumi.dev/abandon": "true" })).await;
                team.gone("orders").await;
                team.admin.heal().await;
                team.aws.set_parameter("orders", "mizuumi.owner", None).await;
                let mut spec = first("Delete");
                spec["name"] = json!("orders");
                spec["location"] = json!(team.location("orders"));
                spec["adoptionPolicy"] = json!("IfUnowned");
                team.create_ready("heir", spec).await;
            } else {
                team.admin.heal().await;
                team.gone("orders").await;
                team.create_ready("orders", first("Delete")).await;
            }
            past
        }
        Since::Deleted | Since::Released => {
            let past = Past::of(team).await;
            team.delete_wholly("orders").await;
            past
        }
        Since::Changed => {
            let past = Past::of(team).await;
            let uid = team.get("orders").await.uid();
            team.change("orders", second(team)).await;
            Story::Update.end(team).await;
            assert_eq!(team.get("orders").await.uid(), uid, "it is the same object");
            past
        }
    }
}
