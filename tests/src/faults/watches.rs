//! F17, F18: watches that lose what they should tell, and an apiserver that has no time.

use std::time::Duration;

use anyhow::ensure;
use serde_json::json;
use tokio::time::Instant;

use super::Trial;
use super::many;
use super::trial::Point;
use crate::controller::{Controller, Launch};
use crate::judge::Witness;
use crate::proxy::{Ask, Loss, Proxy, Way};
use crate::story::{first, second};
use crate::team::Team;
use crate::wait;

/// How a watch comes to itself again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    /// It goes on where it was.
    On,
    /// It lists anew.
    Anew,
    /// It lists anew, and is told so some times in a row.
    AnewAndAnew,
}

/// Events lost while objects are made, changed and deleted.
pub(super) async fn loss(trial: &Trial) {
    let number = trial.options.many(30, 10);
    let lasts = trial.options.lasting(Duration::from_mins(2), Duration::from_secs(1));
    let seed = trial.options.seed;
    let events = |events| Loss { events, bookmarks: false, seed };
    let all = [
        ("10 % of the events lost", events(0.1), Again::Anew),
        ("all events lost, then the watch ends", events(1.0), Again::On),
        ("all events lost, then 410 Gone", events(1.0), Again::Anew),
        ("all bookmarks lost, then the watch ends", Loss { events: 0.0, bookmarks: true, seed }, Again::On),
        (
            "all lost, then 410 Gone again and again",
            Loss { events: 1.0, bookmarks: true, seed },
            Again::AnewAndAnew,
        ),
    ];
    let points = all.map(|(name, loss, again)| (name.to_owned(), lose(number, lasts, loss, again)));
    trial.points(points).await;
    trial.note(format!(
        "{number} tables, some made, changed and deleted while {} s of events were lost",
        lasts.as_secs_f64()
    ));
}

async fn lose(number: usize, lasts: Duration, loss: Loss, again: Again) -> Point {
    let team = Team::new("watches").await;
    let witness = Witness::of(&team).await;
    let proxy = Proxy::of_apiserver(&team).await;
    let launch = Launch::through(&proxy.kubeconfig(&team, "proxied"));
    let mut controller = Controller::launch(&team, launch, |_| {}).await;
    let names = many::names(number);
    many::create(&team, &names, &first("Delete")).await;
    many::ready(&team, &names).await;
    proxy.lose(loss);
    let (deleted, kept) = names.split_at(number / 3);
    let more: Vec<String> = (0..number / 3).map(|number| format!("later-{number:04}")).collect();
    many::change(&team, kept, &second(&team)).await;
    many::delete(&team, deleted).await;
    many::create(&team, &more, &first("Delete")).await;
    wait::pass(lasts).await;
    let began = Instant::now();
    proxy.heal();
    if again == Again::AnewAndAnew {
        proxy.rule(|ask| ask.verb == "watch" && ask.follows_tables()).times(4).go(Way::Gone);
    }
    if again == Again::On {
        proxy.cut();
    } else {
        proxy.cut_as_gone();
    }
    many::ready(&team, kept).await;
    many::ready(&team, &more).await;
    many::gone(&team, deleted).await;
    let seconds = began.elapsed().as_secs_f64();
    assert!(controller.runs(), "the controller has ended");
    Point { finding: witness.judge().await, seconds }
}

/// The apiserver refuses or does not answer, while tables are made and changed.
pub(super) async fn busy(trial: &Trial) {
    let number = trial.options.many(30, 10);
    let lasts = trial.options.lasting(Duration::from_mins(5), Duration::from_secs(2));
    let statuses: fn(&Ask) -> bool = |ask| ask.resource == "datatables/status";
    let writes: fn(&Ask) -> bool = Ask::writes;
    let everything: fn(&Ask) -> bool = |_| true;
    let all = [
        ("429 to everything", everything, Way::Busy(1)),
        ("429 to status writes", statuses, Way::Busy(1)),
        ("503 to everything", everything, Way::Unavailable),
        ("504 after the effect of every write", writes, Way::FailAfter),
    ];
    let points = all.map(|(name, which, way)| (name.to_owned(), refuse(number, lasts, which, way)));
    trial.points(points).await;
    trial.point("one status write never gets an answer", hang(statuses)).await;
    trial.note("the apiserver away for a while: the_apiserver_may_die_while_tables_converge in tests/tests/outage.rs");
}

async fn refuse(number: usize, lasts: Duration, which: fn(&Ask) -> bool, way: Way) -> Point {
    let team = Team::new("busy").await;
    let witness = Witness::of(&team).await;
    let proxy = Proxy::of_apiserver(&team).await;
    let launch = Launch::through(&proxy.kubeconfig(&team, "proxied"));
    let mut controller = Controller::launch(&team, launch, |_| {}).await;
    let names = many::names(number);
    let (before, meanwhile) = names.split_at(number / 2);
    many::create(&team, before, &first("Delete")).await;
    many::ready(&team, before).await;
    proxy.rule(which).go(way);
    many::change(&team, before, &second(&team)).await;
    many::create(&team, meanwhile, &first("Delete")).await;
    wait::pass(lasts).await;
    assert!(proxy.struck() > 0, "nothing was refused");
    proxy.heal();
    // What was refused a list or a watch waits with growing pauses; from here on it is the controller's time.
    let seconds = many::ready(&team, &names).await;
    assert!(controller.runs(), "the controller has ended");
    Point { finding: witness.judge().await, seconds }
}

async fn hang(which: fn(&Ask) -> bool) -> Point {
    let team = Team::new("hang").await;
    let witness = Witness::of(&team).await;
    let proxy = Proxy::of_apiserver(&team).await;
    let launch = Launch::through(&proxy.kubeconfig(&team, "proxied"));
    let _controller = Controller::launch(&team, launch, |_| {}).await;
    team.create_ready("before", first("Delete")).await;
    proxy.rule(which).times(1).go(Way::Hang);
    team.create("orders", first("Delete")).await;
    team.eventually("orders", "the request", async || {
        ensure!(proxy.struck() == 1, "it has not come");
        Ok(())
    })
    .await;
    let began = Instant::now();
    team.change("before", json!({ "description": "others go on" })).await;
    team.ready("before").await;
    team.ready("orders").await;
    let seconds = began.elapsed().as_secs_f64();
    Point { finding: witness.judge().await, seconds }
}
