//! F11, F13: lists that never get an answer, and a second writer that never rests.

use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Trial;
use super::many;
use super::profiles::{self, Accounts};
use super::trial::Point;
use crate::controller::Controller;
use crate::judge::Witness;
use crate::recorder::Recorder;
use crate::team::Team;

/// So quick is a user's change while something else hangs.
const QUICK: f64 = 5.0;

/// GetTables hangs: in the account itself, and in another one.
pub(super) async fn lists(trial: &Trial) {
    trial.point("GetTables hangs, tables are changed", one_account(trial)).await;
    trial.point("GetTables hangs in account A, drift in account B", another_account(trial)).await;
}

fn plain() -> Value {
    json!({ "deletionPolicy": "Delete", "description": "first" })
}

async fn one_account(trial: &Trial) -> Point {
    let team = Team::new("hanging").await;
    let witness = Witness::of(&team).await;
    let _controller = Controller::start(&team).await;
    let names = many::names(5);
    many::create(&team, &names, &plain()).await;
    many::ready(&team, &names).await;
    hang_lists(&team).await;
    let mut slowest = 0.0_f64;
    for name in &names {
        team.change(name, json!({ "description": "meanwhile" })).await;
        slowest = slowest.max(many::ready(&team, std::slice::from_ref(name)).await);
    }
    trial.check(slowest <= QUICK, || format!("a change took {slowest:.1} s while lists hang"));
    let burst: Vec<String> = (0..8).map(|number| format!("burst-{number}")).collect();
    many::create(&team, &burst, &plain()).await;
    let together = many::ready_within(&team, Duration::from_secs(20), &burst).await;
    if let Err(error) = &together {
        trial.fail(format!("tables made together while lists hang: after 20 s {error}"));
    }
    trial.note(format!(
        "slowest of {} changes one by one {slowest:.1} s, {} tables made together {}",
        names.len(),
        burst.len(),
        together.map_or_else(|_| "not in 20 s".to_owned(), |seconds| format!("{seconds:.1} s"))
    ));
    team.aws.set_parameter("table_0000", "classification", Some("csv")).await;
    let began = Instant::now();
    team.admin.heal().await;
    put_right(&team, "table_0000").await;
    many::ready(&team, &burst).await;
    let seconds = began.elapsed().as_secs_f64();
    Point { finding: witness.judge().await, seconds }
}

async fn another_account(trial: &Trial) -> Point {
    let team = Team::new("hanging").await;
    let Accounts { a, b } = profiles::two(&team).await;
    let (witness_a, witness_b) = (Witness::of(&a).await, Witness::of(&b).await);
    let _controller =
        Controller::with(&team, |config| config.profiles = profiles::configured(&[&a, &b])).await;
    let (of_a, of_b) = (["a-0".to_owned()], ["b-0".to_owned()]);
    many::create(&a, &of_a, &plain()).await;
    many::create(&b, &of_b, &plain()).await;
    many::ready(&a, &of_a).await;
    many::ready(&b, &of_b).await;
    hang_lists(&a).await;
    b.aws.set_parameter("b_0", "classification", Some("csv")).await;
    let began = Instant::now();
    put_right(&b, "b_0").await;
    let drift = began.elapsed().as_secs_f64();
    trial.check(drift <= QUICK, || format!("drift in account B was put right after {drift:.1} s only"));
    trial.note(format!("drift in account B put right after {drift:.1} s, swept every second"));
    let began = Instant::now();
    a.admin.heal().await;
    a.aws.set_parameter("a_0", "classification", Some("csv")).await;
    put_right(&a, "a_0").await;
    let seconds = began.elapsed().as_secs_f64();
    let mut finding = witness_a.judge().await;
    finding.add(witness_b.judge().await);
    Point { finding, seconds }
}

async fn hang_lists(team: &Team) {
    team.admin.fault(json!({ "action": "hang", "operation": "GetTables" })).await;
    team.eventually("", "a list that hangs", async || {
        ensure!(team.admin.struck().await > 0, "none");
        Ok(())
    })
    .await;
}

async fn put_right(team: &Team, table: &str) {
    team.within(Duration::from_mins(3), "", "the drift put right", async || {
        let is = team.aws.parameter(table, "classification").await;
        ensure!(is.as_deref() == Some("parquet"), "it is {is:?}");
        Ok(())
    })
    .await;
}

/// Somebody else writes the table all the time: beside what is ours, and what is ours.
pub(super) async fn second_writer(trial: &Trial) {
    let lasts = trial.options.lasting(Duration::from_mins(10), Duration::from_secs(5));
    for ours in [false, true] {
        let name = if ours { "what is ours" } else { "beside what is ours" };
        trial.point(name, fight(trial, lasts, ours)).await;
    }
}

async fn fight(trial: &Trial, lasts: Duration, ours: bool) -> Point {
    /// UpdateTable calls a second that are borne with.
    const BOUND: f64 = 20.0;
    let team = Team::new("fight").await;
    let witness = Witness::of(&team).await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", plain()).await;
    let recorder = Recorder::of(&team).await;
    let before = team.admin.writes().await.len();
    let since = team.admin.seq().await;
    let began = Instant::now();
    let mut theirs = 0;
    while began.elapsed() < lasts {
        theirs += 1;
        if theirs == 5 {
            team.change("orders", json!({ "description": "second" })).await;
        }
        let write = format!("write {theirs}");
        team.aws
            .meddle("orders", |mut table| {
                if ours {
                    table.description = Some(write);
                } else {
                    table.parameters.get_or_insert_default().insert("theirs".to_owned(), write);
                }
                table
            })
            .await;
    }
    let lasted = began.elapsed().as_secs_f64();
    let calls = team.admin.count("UpdateTable", since).await - theirs;
    let each = f64::from(u32::try_from(calls).unwrap_or(u32::MAX)) / lasted;
    let done = team.admin.writes().await.len() - before;
    trial.check(each <= BOUND, || format!("{each:.0} UpdateTable a second against another writer"));
    let said = recorder.reasons(|_| true);
    let began = Instant::now();
    let seconds = {
        team.ready("orders").await;
        team.eventually("orders", "a clean end", async || {
            let finding = witness.judge().await;
            ensure!(finding.is_clean(), "{finding:?}");
            Ok(())
        })
        .await;
        began.elapsed().as_secs_f64()
    };
    trial.check(!said.contains("Unavailable"), || "it said Unavailable, and AWS was not".to_owned());
    trial.check(!ours || said.iter().any(|said| said != "InSync"), || {
        "it never said that somebody fights it".to_owned()
    });
    trial.note(format!(
        "{}: {theirs} writes of another in {lasted:.0} s, {calls} UpdateTable of ours ({done} had an effect); it said {}",
        if ours { "what is ours" } else { "beside what is ours" },
        said.into_iter().collect::<Vec<_>>().join(", ")
    ));
    Point { finding: witness.judge().await, seconds }
}
