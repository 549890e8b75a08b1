//! F9, F10: AWS asks to slow down.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Trial;
use super::many;
use super::profiles::{self, Accounts};
use super::trial::Point;
use crate::admin::Call;
use crate::controller::Controller;
use crate::judge::Witness;
use crate::recorder::Recorder;
use crate::story::{first, second};
use crate::team::Team;
use crate::wait;

/// How many times as many attempts as cannot be helped are borne with.
const STORM: f64 = 1.3;

/// The table that one user changes while all others are changed together.
const APART: &str = "apart";

/// So quick is a user's change while half of all calls are refused: a look, a write and a look, each of which takes two
/// tries on average and eight in one case of a hundred, at two calls a second.
const QUICK: f64 = 20.0;

/// Half of all calls refused for a while, then all; and a quota.
pub(super) async fn storm(trial: &Trial) {
    let half = trial.options.lasting(Duration::from_mins(30), Duration::from_secs(6));
    let all = trial.options.lasting(Duration::from_mins(10), Duration::from_secs(15));
    trial.point("half, then all", half_then_all(trial, half, all)).await;
    trial.point("a quota", quota(trial)).await;
}

/// Attempts for each call that came through.
fn attempts(calls: &[Call]) -> f64 {
    let through = calls.iter().filter(|call| call.outcome != "ThrottlingException").count();
    ratio(calls.len(), through)
}

fn ratio(one: usize, other: usize) -> f64 {
    let float = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    float(one) / float(other.max(1))
}

async fn half_then_all(trial: &Trial, half: Duration, all: Duration) -> Point {
    let team = Team::new("storm").await;
    let witness = Witness::of(&team).await;
    let mut controller = Controller::start(&team).await;
    let pid = controller.pid();
    let names = many::names(trial.options.many(40, 15));
    many::create(&team, &names, &first("Delete")).await;
    many::ready(&team, &names).await;
    // A user's own table, beside those that are changed all at once.
    team.create_ready(APART, json!({ "deletionPolicy": "Delete" })).await;
    let recorder = Recorder::of(&team).await;
    let seed = trial.options.seed;
    team.admin
        .fault(json!({ "action": "throttle", "service": "glue", "probability": 0.5, "seed": seed }))
        .await;
    let since = team.admin.seq().await;
    let began = Instant::now();
    many::change(&team, &names, &second(&team)).await;
    // A user's changes, one after the other, behind all those.
    let mut slowest = 0.0_f64;
    let mut changes = 0;
    while began.elapsed() < half {
        changes += 1;
        slowest = slowest.max(user_change(&team, &recorder, APART, changes).await);
    }
    trial.check(slowest <= QUICK, || format!("a user's change took {slowest:.1} s"));
    let calls = team.admin.calls(since).await;
    let factor = attempts(&calls) / 2.0;
    trial.check(factor <= STORM, || format!("{factor:.2} times the attempts that cannot be helped"));
    trial.note(format!(
        "half throttled for {:.0} s: {:.2} attempts a success ({factor:.2} times what cannot be helped), slowest of {changes} users' changes {slowest:.1} s",
        began.elapsed().as_secs_f64(),
        attempts(&calls),
    ));
    // Everything is refused.
    team.admin.heal().await;
    team.admin.fault(json!({ "action": "throttle", "service": "glue" })).await;
    many::change(&team, &names, &json!({ "description": "third" })).await;
    let mut rates = Vec::new();
    for _ in 0..3 {
        let since = team.admin.seq().await;
        wait::pass(all / 3).await;
        rates.push(
            f64::from(u32::try_from(team.admin.calls(since).await.len()).unwrap_or(u32::MAX))
                / (all / 3).as_secs_f64(),
        );
    }
    trial.check(rates[2] < rates[0] / 2.0, || {
        format!(
            "calls do not become fewer while all are refused: {:.1}, {:.1}, {:.1} a second",
            rates[0], rates[1], rates[2]
        )
    });
    trial.note(format!(
        "all throttled for {:.0} s: {:.1}, {:.1}, {:.1} calls a second",
        all.as_secs_f64(),
        rates[0],
        rates[1],
        rates[2]
    ));
    team.admin.heal().await;
    let seconds = many::ready(&team, &[names, vec![APART.to_owned()]].concat()).await;
    assert!(controller.runs() && controller.pid() == pid, "the controller has ended");
    Point { finding: witness.judge().await, seconds }
}

/// How long a user's change takes to get through.
async fn user_change(team: &Team, recorder: &Recorder, name: &str, number: usize) -> f64 {
    let began = Instant::now();
    let changed = team.change(name, json!({ "description": format!("change {number}") })).await;
    let generation = changed.metadata.generation.unwrap_or_default();
    let ready = team
        .within(Duration::from_mins(5), name, "the change through", async || {
            recorder.ready_since(name, generation, began).ok_or_else(|| anyhow::anyhow!("not yet"))
        })
        .await;
    ready.duration_since(began).as_secs_f64()
}

/// As AWS throttles: a bucket for each account. After the first minute the controller has learnt its rate.
async fn quota(trial: &Trial) -> Point {
    const RATE: u32 = 10;
    let team = Team::new("quota").await;
    let witness = Witness::of(&team).await;
    let _controller = Controller::start(&team).await;
    let names = many::names(trial.options.many(60, 20));
    many::create(&team, &names, &json!({ "deletionPolicy": "Delete" })).await;
    many::ready(&team, &names).await;
    team.admin.quota(json!({ "service": "glue", "rate": RATE, "burst": RATE })).await;
    let learning = trial.options.lasting(Duration::from_mins(1), Duration::from_secs(15));
    let began = Instant::now();
    let mut round = 0;
    while began.elapsed() < learning {
        round += 1;
        many::change(&team, &names, &described(&format!("change {round}"))).await;
        many::ready(&team, &names).await;
    }
    let since = team.admin.seq().await;
    many::change(&team, &names, &described("the last")).await;
    let seconds = many::ready(&team, &names).await;
    let calls = team.admin.calls(since).await;
    let each = attempts(&calls);
    trial.check(each <= STORM, || format!("under a quota {each:.2} attempts a success"));
    trial.note(format!(
        "a quota of {RATE} calls a second: {} tables changed in {seconds:.0} s with {each:.2} attempts a success",
        names.len()
    ));
    team.admin.no_quota().await;
    team.sweeps(2).await;
    Point { finding: witness.judge().await, seconds }
}

fn described(text: &str) -> Value {
    json!({ "description": text })
}

/// One account is throttled; the tables of the other do not notice. At the rates that are the default.
pub(super) async fn one_account(trial: &Trial) {
    trial.point("account A throttled, account B not", beside_throttled(trial)).await;
}

async fn beside_throttled(trial: &Trial) -> Point {
    let team = Team::new("accounts").await;
    let Accounts { a, b } = profiles::two(&team).await;
    let (witness_a, witness_b) = (Witness::of(&a).await, Witness::of(&b).await);
    let _controller = Controller::with(&team, |config| {
        config.profiles = profiles::configured(&[&a, &b]);
        config.rates = mizuumi_api::installation::Rates::default();
    })
    .await;
    let recorder = Recorder::of(&team).await;
    let number = trial.options.many(20, 10);
    let alone = one_by_one(&b, &recorder, "alone", number).await;
    a.admin.fault(json!({ "action": "throttle", "service": "glue" })).await;
    let names: Vec<String> = (0..trial.options.many(60, 60)).map(|number| format!("a-{number:03}")).collect();
    many::create(&a, &names, &json!({ "deletionPolicy": "Delete" })).await;
    let beside = one_by_one(&b, &recorder, "beside", number).await;
    a.admin.heal().await;
    let seconds = many::ready(&a, &names).await;
    trial.note(format!(
        "B's {number} tables until ready, slowest and mean: {:.2} s and {:.2} s alone, {:.2} s and {:.2} s beside {} tables of A that are throttled",
        slowest(&alone), mean(&alone), slowest(&beside), mean(&beside), names.len(),
    ));
    // A tenth more, and what a busy machine adds; to one of them it may add more. Who waits for those that are throttled
    // waits for seconds, with each table.
    let is_alone =
        mean(&beside) <= mean(&alone) * 1.1 + 0.5 && slowest(&beside) <= slowest(&alone) * 1.1 + 2.0;
    trial.check(is_alone, || "B waits for A".to_owned());
    let mut finding = witness_a.judge().await;
    finding.add(witness_b.judge().await);
    Point { finding, seconds }
}

async fn one_by_one(team: &Team, recorder: &Recorder, prefix: &str, number: usize) -> Vec<f64> {
    let mut times = Vec::new();
    for number in 0..number {
        let name = format!("{prefix}-{number:03}");
        let began = Instant::now();
        team.create(&name, json!({ "deletionPolicy": "Delete" })).await;
        let ready = team
            .eventually(&name, "ready", async || {
                recorder.ready_since(&name, 1, began).ok_or_else(|| anyhow::anyhow!("not yet"))
            })
            .await;
        times.push(ready.duration_since(began).as_secs_f64());
    }
    times
}

fn slowest(times: &[f64]) -> f64 {
    times.iter().copied().fold(0.0, f64::max)
}

fn mean(times: &[f64]) -> f64 {
    times.iter().sum::<f64>() / f64::from(u32::try_from(times.len().max(1)).unwrap_or(u32::MAX))
}
