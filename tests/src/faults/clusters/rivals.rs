//! F20, F21, F22, F34: several controllers at work, one after the other, beside each other, or of two installations.

use std::time::Duration;

use anyhow::ensure;
use mizuumi_api::Installation;
use mizuumi_api::installation::OrphanPolicy;
use serde_json::json;
use tokio::time::Instant;

use super::{point_of, settle};
use crate::cluster_judge::{ClusterWitness, cluster_portrait};
use crate::cluster_story::ClusterStory;
use crate::clusters::with_clusters;
use crate::controller::{Controller, Launch};
use crate::faults::Trial;
use crate::faults::trial::Point;
use crate::story::Reference;
use crate::team::Team;
use crate::wait;

/// Stories in which a controller sleeps or is followed by another.
const STORIES: [ClusterStory; 3] = [ClusterStory::Create, ClusterStory::Replace, ClusterStory::Delete];

/// The calls of a story at which something is done: all of them where there is time, or else its writes.
fn calls(trial: &Trial, reference: &Reference) -> Vec<usize> {
    let all = reference.calls.iter().enumerate();
    let last = reference.calls.iter().rposition(crate::admin::Call::writes).unwrap_or_default();
    let is_short = trial.options.scale < 1.0;
    all.filter(|(index, call)| *index <= last + 1 && (!is_short || call.writes()))
        .map(|(index, _)| index + 1)
        .collect()
}

/// The story up to the moment in which a call is under way; the endpoint carries it out a little later.
async fn under_way(team: &Team, story: ClusterStory, call: usize) {
    team.admin.fault(json!({ "action": "delay", "delayMs": 700, "from": call, "times": 1 })).await;
    story.act(team).await;
    team.eventually("one", &format!("call {call}"), async || {
        let has_come = team.admin.struck_by("delay").await == 1;
        // Looks that happen to be shared make a story shorter than the reference: then its end is the moment.
        ensure!(has_come || story.has_ended(team).await.is_ok(), "it has not come");
        Ok(())
    })
    .await;
}

/// F20: stopped at a call, while another controller ends the work; then awake, or awake and dead.
pub(in crate::faults) async fn frozen(trial: &Trial) {
    let sleep = trial.options.lasting(Duration::from_mins(1), Duration::from_secs(2));
    for story in STORIES {
        let reference = story.reference().await;
        for dies in [false, true] {
            let points = calls(trial, &reference).into_iter().map(|call| {
                let then = if dies { ", then dies" } else { "" };
                (
                    format!("{story:?}, at call {call}{then}"),
                    asleep(trial, story, call, sleep, dies, &reference),
                )
            });
            trial.points(points).await;
        }
    }
    trial.note(format!("asleep for {} s", sleep.as_secs_f64()));
}

async fn asleep(
    trial: &Trial,
    story: ClusterStory,
    call: usize,
    sleep: Duration,
    dies: bool,
    reference: &Reference,
) -> Point {
    let team = Team::new("frozen").await;
    let witness = ClusterWitness::of(&team).await;
    let mut sleeper = Controller::with(&team, with_clusters).await;
    story.prepare(&team).await;
    under_way(&team, story, call).await;
    sleeper.freeze();
    let slept = Instant::now();
    let _other = Controller::launch(&team, Launch::default().named("rival"), with_clusters).await;
    story.end(&team).await;
    wait::pass(sleep.saturating_sub(slept.elapsed())).await;
    let began = Instant::now();
    sleeper.thaw();
    if dies {
        wait::pass(Duration::from_millis(300)).await;
        sleeper.kill();
    }
    settle().await;
    team.admin.heal().await;
    as_the_reference(trial, &team, &witness, began, reference).await
}

async fn as_the_reference(
    trial: &Trial,
    team: &Team,
    witness: &ClusterWitness,
    began: Instant,
    reference: &Reference,
) -> Point {
    let mut point = super::point(trial, witness, began).await;
    let is = cluster_portrait(team).await;
    if is != reference.end {
        point.finding.lost.push(format!("the end is another one:\n{is}\ninstead of\n{}", reference.end));
    }
    point
}

/// F21: two controllers with one configuration.
pub(in crate::faults) async fn two(trial: &Trial) {
    let number = trial.options.many(8, 4);
    trial.point(&format!("{number} clusters by two controllers"), beside_each_other(trial, number)).await;
}

async fn beside_each_other(trial: &Trial, number: usize) -> Point {
    let team = Team::new("rivals").await;
    let witness = ClusterWitness::of(&team).await;
    let _one = Controller::with(&team, with_clusters).await;
    let _other = Controller::launch(&team, Launch::default().named("rival"), with_clusters).await;
    team.class(json!({})).await;
    let began = Instant::now();
    for number in 0..number {
        team.create_batch(&format!("batch-{number}"), &["only"]).await;
    }
    for number in 0..number {
        team.cluster_reason(&format!("batch-{number}"), "Completed").await;
    }
    point_of(trial, &witness, began, u64::try_from(number).unwrap_or(u64::MAX)).await
}

/// F22: another controller takes over the namespace while a call is under way; the first is told to stop.
pub(in crate::faults) async fn handed_over(trial: &Trial) {
    for story in STORIES {
        let reference = story.reference().await;
        let points = calls(trial, &reference)
            .into_iter()
            .map(|call| (format!("{story:?}, at call {call}"), moved(trial, story, call, &reference)));
        trial.points(points).await;
    }
}

async fn moved(trial: &Trial, story: ClusterStory, call: usize, reference: &Reference) -> Point {
    let team = Team::new("moved").await;
    let witness = ClusterWitness::of(&team).await;
    let mut first = Controller::with(&team, with_clusters).await;
    story.prepare(&team).await;
    under_way(&team, story, call).await;
    let began = Instant::now();
    first.terminate();
    let _second = Controller::launch(&team, Launch::default().named("successor"), with_clusters).await;
    let code = team.eventually("one", "the first one's end", async || first.ended()).await;
    trial.check(code == Some(0), || format!("{story:?}, call {call}: the first ended with {code:?}"));
    story.end(&team).await;
    team.admin.heal().await;
    as_the_reference(trial, &team, &witness, began, reference).await
}

/// F34: two installations in one account, each of which ends what no resource keeps.
pub(in crate::faults) async fn two_installations(trial: &Trial) {
    trial.point("each with a cluster of the same name", beside_another(trial)).await;
}

fn ending_orphans(config: &mut Installation) {
    with_clusters(config);
    config.clusters.orphans = OrphanPolicy::Terminate;
}

async fn beside_another(trial: &Trial) -> Point {
    let team = Team::new("ours").await;
    let witness = ClusterWitness::of(&team).await;
    // Another namespace, and the same account.
    let theirs = team.beside("theirs").await;
    let _one = Controller::with(&team, ending_orphans).await;
    let _other = Controller::launch(&theirs, Launch::default().named("other"), |config| {
        ending_orphans(config);
        "tests-two".clone_into(&mut config.installation);
    })
    .await;
    let began = Instant::now();
    for of in [&team, &theirs] {
        of.class(json!({})).await;
        of.create_needed("one", json!({})).await;
    }
    let mut ids = Vec::new();
    for of in [&team, &theirs] {
        let status = of.cluster_reason("one", "Running").await.status.expect("a status");
        ids.push(status.cluster_id.expect("an id"));
    }
    // Both have looked for orphans some times.
    settle().await;
    settle().await;
    for (of, id) in [&team, &theirs].into_iter().zip(&ids) {
        let status = of.cluster_reason("one", "Running").await.status.expect("a status");
        trial
            .check(status.cluster_id.as_ref() == Some(id), || format!("{id} is {:?} now", status.cluster_id));
    }
    theirs.delete_cluster("one").await;
    theirs.cluster_gone("one").await;
    let status = team.cluster_reason("one", "Running").await.status.expect("a status");
    trial.check(status.cluster_id.as_ref() == Some(&ids[0]), || "ours went with theirs".to_owned());
    let seconds = began.elapsed().as_secs_f64();
    let (mut finding, counted) = witness.judge().await;
    trial.clusters(counted);
    // What the other installation does to its own is no matter.
    let others = "kept by tests-two/";
    finding.foreign.retain(|what| !what.contains(others));
    Point { finding, seconds }
}
