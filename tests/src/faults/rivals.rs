//! F20, F21: two controllers with one configuration; one of them sleeps through what the other does.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;
use kube::ResourceExt as _;
use kube::api::ListParams;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Trial;
use super::trial::Point;
use crate::controller::{Controller, Launch};
use crate::judge::{Finding, Witness};
use crate::proxy::Proxy;
use crate::story::{Story, bring, first, portrait, second, undisturbed};
use crate::team::Team;
use crate::wait;

/// Two controllers over the whole life of many tables, and one that takes over from another in the middle.
pub(super) async fn two(trial: &Trial) {
    let number = trial.options.many(40, 10);
    let (reference, _) = life_of_many(number, Beside::Nobody).await;
    for beside in [Beside::Another, Beside::Successor] {
        trial
            .point(&format!("{beside:?}"), async {
                let (effects, mut point) = life_of_many(number, beside).await;
                point.finding.repeated(&reference, &effects);
                point
            })
            .await;
    }
    trial.note(format!("{number} tables created, updated, half of them deleted"));
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beside {
    Nobody,
    Another,
    Successor,
}

async fn life_of_many(number: usize, beside: Beside) -> (BTreeMap<String, usize>, Point) {
    let team = Team::new("rivals").await;
    let witness = Witness::of(&team).await;
    let one = Controller::start(&team).await;
    let rival = Launch::default().named("rival");
    let mut other = match beside {
        Beside::Another => Some(Controller::launch(&team, rival, |_| {}).await),
        _ => None,
    };
    let names: Vec<String> = (0..number).map(|number| format!("table-{number:03}")).collect();
    let began = Instant::now();
    for (index, name) in names.iter().enumerate() {
        team.create(name, first("Delete")).await;
        if beside == Beside::Successor && index == number / 2 {
            other = Some(Controller::launch(&team, Launch::default().named("rival"), |_| {}).await);
        }
    }
    if beside == Beside::Successor {
        one.terminate();
    }
    for name in &names {
        team.ready(name).await;
    }
    for name in &names {
        team.change(name, second(&team)).await;
    }
    for name in &names {
        team.ready(name).await;
    }
    for name in &names[..number / 2] {
        team.delete(name).await;
    }
    for name in &names[..number / 2] {
        team.gone(name).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    let mut finding = witness.judge().await;
    finding.doubled.extend(unrest(&team).await);
    drop(other);
    let effects = Witness::effects(&team, &team.admin.writes().await);
    (effects, Point { finding, seconds })
}

/// What two controllers that work against each other would go on writing.
async fn unrest(team: &Team) -> Option<String> {
    team.sweeps(4).await;
    let (writes, versions) = (team.admin.writes().await.len(), versions(team).await);
    team.sweeps(6).await;
    let quiet = writes == team.admin.writes().await.len() && versions == self::versions(team).await;
    (!quiet).then(|| "they go on writing while nothing changes".to_owned())
}

async fn versions(team: &Team) -> Vec<(String, Option<String>)> {
    let all = team.tables.list(&ListParams::default()).await.expect("the objects are listed");
    all.items.iter().map(|table| (table.name_any(), table.resource_version())).collect()
}

/// What comes after the update that the sleeper is at.
fn third() -> Value {
    let declared = json!([{ "values": ["1"] }, { "values": ["4"] }]);
    json!({ "description": "third", "partitions": { "declared": declared } })
}

/// The sleeper is stopped at each call of an update; the other ends the work and does more; then the sleeper wakes.
pub(super) async fn frozen(trial: &Trial) {
    let sleep = trial.options.lasting(Duration::from_mins(1), Duration::from_secs(2));
    let (calls, end, effects) = updated_twice().await;
    let (end, effects) = (&end, &effects);
    for dies in [false, true] {
        let update = (1..=calls).map(|call| {
            let then = if dies { ", then dies" } else { "" };
            (format!("an update, at call {call}{then}"), asleep(call, sleep, dies, end, effects))
        });
        trial.points(update).await;
    }
    let deletion = Story::Delete.reference().await.calls.len();
    let again = (1..=deletion).map(|call| (format!("a deletion, at call {call}"), made_anew(call, sleep)));
    trial.points(again).await;
    // What the input is made of, and the last look.
    let publications = (1..=2).map(|look| (format!("a publication, at look {look}"), overtaken(look, sleep)));
    trial.points(publications).await;
    trial.note(format!("asleep for {} s", sleep.as_secs_f64()));
}

/// The same by one controller: how many calls the update takes, the end, the effects.
async fn updated_twice() -> (usize, String, BTreeMap<String, usize>) {
    let team = Team::new("awake").await;
    let _controller = Controller::with(&team, undisturbed).await;
    Story::Update.prepare(&team).await;
    let since = team.admin.seq().await;
    Story::Update.act(&team).await;
    Story::Update.end(&team).await;
    let calls = team.admin.calls(since).await.len();
    team.change("orders", third()).await;
    Story::Update.end(&team).await;
    let effects = Witness::effects(&team, &team.admin.writes().await);
    (calls, portrait(&team, "orders").await, effects)
}

/// Puts the controller to sleep in a call; the endpoint carries the call out while it sleeps. Reads that happen to be
/// shared make a story shorter than the reference: then it falls asleep at the end.
async fn put_to_sleep(team: &Team, sleeper: &Controller, call: usize, story: Story) {
    let rule = json!({ "action": "delay", "delayMs": 400, "from": call, "times": 1 });
    team.admin.fault(rule).await;
    let since = team.admin.seq().await;
    story.act(team).await;
    let has_come = team
        .eventually("orders", "the call", async || {
            let has_come = team.admin.struck_by("delay").await == 1;
            let made = team.admin.calls(since).await.len();
            let is_over = made < call && story.has_ended(team).await.is_ok();
            ensure!(has_come || is_over, "it has not come among {made} calls");
            Ok(has_come)
        })
        .await;
    sleeper.freeze();
    if has_come {
        team.eventually("orders", "the effect", async || {
            let calls = team.admin.calls(0).await;
            ensure!(calls.iter().any(|call| call.fault.as_deref() == Some("delay")), "not yet");
            Ok(())
        })
        .await;
    }
    team.admin.heal().await;
}

async fn asleep(
    call: usize,
    sleep: Duration,
    dies: bool,
    end: &str,
    effects: &BTreeMap<String, usize>,
) -> Point {
    let team = Team::new("frozen").await;
    let witness = Witness::of(&team).await;
    let proxy = Proxy::of_apiserver(&team).await;
    let launch = Launch::through(&proxy.kubeconfig(&team, "sleeper"));
    let mut sleeper = Controller::launch(&team, launch, undisturbed).await;
    Story::Update.prepare(&team).await;
    put_to_sleep(&team, &sleeper, call, Story::Update).await;
    let slept = Instant::now();
    let _other = Controller::launch(&team, Launch::default().named("rival"), |_| {}).await;
    Story::Update.end(&team).await;
    team.change("orders", third()).await;
    Story::Update.end(&team).await;
    wait::pass(sleep.saturating_sub(slept.elapsed())).await;
    let began = Instant::now();
    let asked = proxy.asked().len();
    sleeper.thaw();
    if dies {
        // As one does that has lost its lease: it says one thing more, and ends. If it has nothing to say, it just ends.
        let spoken = wait::until(Duration::from_secs(3), async || {
            let spoke = proxy.asked().iter().skip(asked).any(|ask| ask.resource == "datatables/status");
            ensure!(spoke, "nothing");
            Ok(())
        });
        spoken.await.ok();
        sleeper.kill();
    }
    let seconds = settled_as(&team, &witness, began, end).await;
    let mut finding = witness.judge().await;
    finding.repeated(effects, &Witness::effects(&team, &team.admin.writes().await));
    Point { finding, seconds }
}

/// The sleeper is stopped right before it has partitions point to a run; another controller publishes that run and a later
/// one meanwhile. What the sleeper had decided is no more.
async fn overtaken(look: usize, sleep: Duration) -> Point {
    let team = Team::new("overtaken").await;
    let witness = Witness::of(&team).await;
    let sleeper = Controller::with(&team, undisturbed).await;
    Story::Publish.prepare(&team).await;
    // A look before the write is slow to come back: the sleeper is stopped in it.
    let rule = json!({ "action": "delay", "delayMs": 400, "operation": "BatchGetPartition", "from": look, "times": 1 });
    team.admin.fault(rule).await;
    Story::Publish.act(&team).await;
    team.eventually("orders", "the look", async || {
        ensure!(team.admin.struck_by("delay").await == 1, "it has not come");
        Ok(())
    })
    .await;
    sleeper.freeze();
    let slept = Instant::now();
    team.admin.heal().await;
    let _other = Controller::launch(&team, Launch::default().named("rival"), |_| {}).await;
    Story::Publish.end(&team).await;
    bring(&team, "third", 3).await;
    let end = portrait(&team, "orders").await;
    wait::pass(sleep.saturating_sub(slept.elapsed())).await;
    let began = Instant::now();
    sleeper.thaw();
    let seconds = settled_as(&team, &witness, began, &end).await;
    Point { finding: witness.judge().await, seconds }
}

/// The sleeper is stopped in a deletion; the other ends it, and the object is made anew under the same name.
async fn made_anew(call: usize, sleep: Duration) -> Point {
    let team = Team::new("anew").await;
    let witness = Witness::of(&team).await;
    let sleeper = Controller::with(&team, undisturbed).await;
    Story::Delete.prepare(&team).await;
    put_to_sleep(&team, &sleeper, call, Story::Delete).await;
    let slept = Instant::now();
    let _other = Controller::launch(&team, Launch::default().named("rival"), |_| {}).await;
    Story::Delete.end(&team).await;
    team.create_ready("orders", first("Delete")).await;
    wait::pass(sleep.saturating_sub(slept.elapsed())).await;
    let began = Instant::now();
    sleeper.thaw();
    team.sweeps(3).await;
    let seconds = settled(&team, &witness, began, async || Ok(())).await;
    let mut finding = witness.judge().await;
    let deletes = team.admin.writes().await.iter().filter(|write| write.operation == "DeleteTable").count();
    if deletes > 1 {
        finding.doubled.push("the table made anew was deleted by the one that had slept".to_owned());
    }
    Point { finding, seconds }
}

/// Once the sleeper has done whatever it still does, the end is this one.
async fn settled_as(team: &Team, witness: &Witness, began: Instant, end: &str) -> f64 {
    team.sweeps(3).await;
    settled(team, witness, began, async || {
        let is = portrait(team, "orders").await;
        ensure!(is == end, "the end is another one:\n{is}\ninstead of\n{end}");
        Ok(())
    })
    .await
}

async fn settled(
    team: &Team,
    witness: &Witness,
    began: Instant,
    and: impl AsyncFn() -> anyhow::Result<()>,
) -> f64 {
    team.eventually("orders", "a clean end", async || {
        let finding = witness.judge().await;
        ensure!(finding == Finding::default(), "{finding:?}");
        and().await
    })
    .await;
    began.elapsed().as_secs_f64()
}
