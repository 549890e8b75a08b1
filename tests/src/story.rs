//! What a user does to one table, and how the controller dies on the way.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use aws_sdk_glue::types::Table;
use mizuumi_api::Installation;
use mizuumi_api::ingest_run::RunPhase;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::admin::Call;
use crate::aws::bare;
use crate::controller::{Controller, Launch};
use crate::judge::{Finding, Witness, timeless};
use crate::proxy::{Ask, Proxy, Way};
use crate::team::Team;

/// What a user does to a table; the controller dies on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Story {
    /// A table with two partitions is made.
    Create,
    /// Its description changes; one partition moves, one goes, one comes.
    Update,
    /// It is deleted, with its table.
    Delete,
    /// It is deleted, and its table stays.
    Release,
    /// A run brings 250 partitions into it, which are there already.
    Publish,
    /// That run is taken back.
    RollBack,
    /// Its columns change, and those of its 250 partitions with them.
    Cascade,
    /// Of four runs nothing points to two any more: one has been marked so long ago, and goes; the other is marked.
    ClearUp,
}

/// How a controller dies.
#[derive(Clone, Copy, Debug)]
pub enum Death {
    /// Before a call to AWS has an effect.
    Before(usize),
    /// After the effect, without having heard of it.
    After(usize),
    /// In the call, whose effect comes when the next controller is at work already.
    Late(usize),
    /// Before a request to the apiserver has an effect.
    BeforeAsking(usize),
    /// After its effect, without having heard of it.
    AfterAsking(usize),
}

impl Death {
    /// Which call or request it is, from 1.
    pub(crate) const fn number(self) -> usize {
        let (Self::Before(number)
        | Self::After(number)
        | Self::Late(number)
        | Self::BeforeAsking(number)
        | Self::AfterAsking(number)) = self;
        number
    }
}

/// The story as it goes when nothing disturbs it.
#[derive(Debug)]
pub struct Reference {
    /// The calls to AWS.
    pub calls: Vec<Call>,
    /// The requests to the apiserver, without lists and watches: verb and resource.
    pub requests: Vec<String>,
    /// What is in Glue at the end.
    pub end: String,
    /// How often each effect was had.
    pub effects: BTreeMap<String, usize>,
}

/// How a story with a death ended.
#[derive(Debug)]
pub struct Ended {
    /// What is in Glue.
    pub end: String,
    /// What can be said against it.
    pub finding: Finding,
    /// From the next controller's start to the end, in seconds.
    pub seconds: f64,
}

/// Calls come only from what the story does.
pub fn undisturbed(config: &mut Installation) {
    config.intervals.sweep_seconds = 3600;
    config.intervals.data_seconds = 3600;
}

/// A table with two partitions.
#[must_use]
pub fn first(policy: &str) -> Value {
    json!({
        "description": "first",
        "deletionPolicy": policy,
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Declared", "declared": [{ "values": ["1"] }, { "values": ["2"] }] },
    })
}

/// What becomes of it: one partition moves, one goes, one comes.
#[must_use]
pub fn second(team: &Team) -> Value {
    let moved = format!("s3://{}/moved/", team.aws.bucket);
    let declared = json!([{ "values": ["2"], "location": moved }, { "values": ["3"] }]);
    json!({ "description": "second", "partitions": { "declared": declared } })
}

/// How many partitions a run brings, and a change of columns reaches: three calls of BatchUpdatePartition.
const PARTITIONS: usize = 250;

/// A table that runs are published into.
fn published() -> Value {
    json!({
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Published" },
    })
}

/// A table with 250 partitions, one of them elsewhere, whose columns may change without asking.
fn evolving(team: &Team) -> Value {
    let elsewhere = format!("s3://{}/elsewhere/", team.aws.bucket);
    let declared: Vec<Value> = (0..PARTITIONS)
        .map(|day| match day {
            0 => json!({ "values": ["d000"], "location": elsewhere }),
            _ => json!({ "values": [format!("d{day:03}")] }),
        })
        .collect();
    json!({
        "deletionPolicy": "Delete",
        "schema": { "evolution": "Breaking" },
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Declared", "declared": declared },
    })
}

/// Writes a run's data.
async fn write(team: &Team, run: &str) {
    let days: Vec<String> = (0..PARTITIONS).map(|day| format!("day=d{day:03}/")).collect();
    let days: Vec<&str> = days.iter().map(String::as_str).collect();
    team.write_output("orders", run, &days).await;
    team.mark_output("orders", run).await;
}

/// Has a run bring the 250 partitions.
pub(crate) async fn bring(team: &Team, run: &str, day: u8) {
    write(team, run).await;
    team.start_run(run, "orders", day, 0).await;
    team.run_phase(run, RunPhase::Succeeded).await;
}

impl Story {
    /// Every story.
    pub const ALL: [Self; 8] = [
        Self::Create,
        Self::Update,
        Self::Delete,
        Self::Release,
        Self::Publish,
        Self::RollBack,
        Self::Cascade,
        Self::ClearUp,
    ];

    /// All that comes before.
    pub async fn prepare(self, team: &Team) {
        match self {
            Self::Create => {}
            Self::Update | Self::Delete => drop(team.create_ready("orders", first("Delete")).await),
            Self::Release => drop(team.create_ready("orders", first("Retain")).await),
            Self::Publish | Self::RollBack => {
                team.create_ready("orders", published()).await;
                bring(team, "first", 1).await;
                write(team, "second").await;
                if self == Self::RollBack {
                    team.start_run("second", "orders", 2, 0).await;
                    team.run_phase("second", RunPhase::Succeeded).await;
                }
            }
            Self::Cascade => drop(team.create_ready("orders", evolving(team)).await),
            Self::ClearUp => {
                team.create_ready("orders", published()).await;
                for (day, run) in [(1, "first"), (2, "second"), (3, "third"), (4, "fourth")] {
                    team.bring("orders", run, day, 0, &["day=1/", "day=2/"]).await;
                }
                // Nothing has pointed there for years.
                team.aws.put("orders/manifests/first.superseded.1700000000", "").await;
            }
        }
    }

    /// What the user does.
    pub async fn act(self, team: &Team) {
        match self {
            Self::Create => drop(team.create("orders", first("Delete")).await),
            Self::Update => drop(team.change("orders", second(team)).await),
            Self::Delete | Self::Release => team.delete("orders").await,
            Self::Publish => drop(team.start_run("second", "orders", 2, 0).await),
            Self::RollBack => drop(team.roll_back("back", "orders", "second").await),
            Self::Cascade => {
                let columns =
                    json!([{ "name": "id", "type": "bigint" }, { "name": "at", "type": "tinyint" }]);
                team.change("orders", json!({ "schema": { "columns": columns } })).await;
            }
            Self::ClearUp => {
                team.change("orders", json!({ "partitions": { "keepSuperseded": "30h" } })).await;
            }
        }
    }

    /// Whether the controller has nothing left to do.
    ///
    /// # Errors
    /// If it has.
    pub async fn has_ended(self, team: &Team) -> Result<()> {
        let run = match self {
            Self::Publish => Some("second"),
            Self::RollBack => Some("back"),
            Self::Create | Self::Update | Self::Delete | Self::Release | Self::Cascade | Self::ClearUp => {
                None
            }
        };
        if let Some(run) = run {
            let status = team.runs().get(run).await?.status;
            let phase = status.and_then(|status| status.phase);
            ensure!(phase == Some(RunPhase::Succeeded), "run '{run}' is {phase:?}");
        }
        let table = team.tables.get_opt("orders").await?;
        let ended = match (self, &table) {
            (Self::Delete | Self::Release, table) => table.is_none(),
            (_, Some(table)) => table.status.as_ref().is_some_and(|status| {
                Some(status.observed_generation) == table.metadata.generation
                    && status.conditions.iter().any(|c| c.type_ == "Ready" && c.reason == "InSync")
            }),
            (_, None) => false,
        };
        ensure!(ended, "it has not ended");
        Ok(())
    }

    /// Waits until the controller has nothing left to do.
    pub async fn end(self, team: &Team) {
        team.eventually("orders", "the end", async || {
            self.has_ended(team).await?;
            if self == Self::ClearUp {
                // That the table is in sync says nothing of it before a new controller knows all runs.
                let left = team.aws.keys("orders/manifests/first.").await;
                let marked = team.aws.keys("orders/manifests/second.superseded.").await;
                ensure!(left.is_empty() && !marked.is_empty(), "left: {left:?}, marked: {marked:?}");
            }
            Ok(())
        })
        .await;
    }

    /// The story without a death.
    pub async fn reference(self) -> Reference {
        let team = Team::new("reference").await;
        let proxy = Proxy::of_apiserver(&team).await;
        let launch = Launch::through(&proxy.kubeconfig(&team, "proxied"));
        let _controller = Controller::launch(&team, launch, undisturbed).await;
        self.prepare(&team).await;
        let since = team.admin.seq().await;
        let written = team.admin.writes().await.len();
        let asked = proxy.asked().len();
        self.act(&team).await;
        self.end(&team).await;
        Reference {
            calls: team.admin.calls(since).await,
            requests: proxy
                .asked()
                .split_off(asked)
                .iter()
                .filter(|a| a.is_single())
                .map(ToString::to_string)
                .collect(),
            end: portrait(&team, "orders").await,
            effects: Witness::effects(&team, &team.admin.writes().await.split_off(written)),
        }
    }

    /// The story with a death, and another controller that takes over.
    pub async fn with_death(self, death: Death, reference: &Reference) -> Ended {
        let team = Team::new("crash").await;
        let witness = Witness::of(&team).await;
        let proxy = match death {
            Death::BeforeAsking(_) | Death::AfterAsking(_) => Some(Proxy::of_apiserver(&team).await),
            _ => None,
        };
        let launch = match &proxy {
            Some(proxy) => Launch::through(&proxy.kubeconfig(&team, "proxied")),
            None => Launch::default(),
        };
        let mut controller = Controller::launch(&team, launch, undisturbed).await;
        self.prepare(&team).await;
        let written = team.admin.writes().await.len();
        let since = team.admin.seq().await;
        let asked = proxy.as_ref().map_or(0, |proxy| proxy.asked().len());
        arm(&team, proxy.as_ref(), death).await;
        self.act(&team).await;
        let strikes = if matches!(death, Death::After(_)) { 2 } else { 1 };
        let is_struck = team
            .eventually("orders", &format!("{death:?}"), async || {
                let (struck, made) = match &proxy {
                    Some(proxy) => (
                        proxy.struck(),
                        proxy.asked().split_off(asked).iter().filter(|a| a.is_single()).count(),
                    ),
                    None => (team.admin.struck().await, team.admin.calls(since).await.len()),
                };
                // Reads that happen to be shared make a story shorter than the reference: then the end is the point.
                let is_over = made < death.number() && self.has_ended(&team).await.is_ok();
                ensure!(struck >= strikes || is_over, "struck {struck} times in {made} calls");
                Ok(struck >= strikes)
            })
            .await;
        controller.kill();
        team.admin.heal().await;
        if let Some(proxy) = &proxy {
            proxy.heal();
        }
        let began = Instant::now();
        controller.restart();
        self.end(&team).await;
        let seconds = began.elapsed().as_secs_f64();
        if is_struck && matches!(death, Death::Late(_)) {
            team.eventually("orders", "the late effect", async || {
                let calls = team.admin.calls(0).await;
                ensure!(calls.iter().any(|call| call.fault.as_deref() == Some("delay")), "not yet");
                Ok(())
            })
            .await;
        }
        let mut finding = witness.judge().await;
        let mut effects = Witness::effects(&team, &team.admin.writes().await.split_off(written));
        // A mark that comes late is a second one, by its time; the earliest counts, and both go together.
        if self == Self::ClearUp && matches!(death, Death::Late(_)) {
            effects.retain(|effect, _| !effect.contains(".superseded."));
        }
        finding.repeated(&reference.effects, &effects);
        // Partitions have no version: a write of theirs that comes late, after the release, cannot be held back.
        if self == Self::Release && matches!(death, Death::Late(_)) {
            finding.foreign.retain(|what| !what.contains("Partition"));
        }
        let end = portrait(&team, "orders").await;
        if end != reference.end {
            finding.lost.push(format!("the end is another one:\n{end}\ninstead of\n{}", reference.end));
        }
        Ended { end, finding, seconds }
    }
}

/// Lies in wait for the call or request of a death.
pub(crate) async fn arm(team: &Team, proxy: Option<&Proxy>, death: Death) {
    let hang = |from: usize| json!({ "action": "hang", "from": from });
    match (death, proxy) {
        (Death::Before(call), _) => team.admin.fault(hang(call)).await,
        (Death::After(call), _) => {
            team.admin.fault(json!({ "action": "drop-after", "from": call, "times": 1 })).await;
            team.admin.fault(hang(call + 1)).await;
        }
        (Death::Late(call), _) => {
            let late = json!({ "action": "delay", "delayMs": 1000, "from": call, "times": 1 });
            team.admin.fault(late).await;
        }
        (Death::BeforeAsking(request), Some(proxy)) => {
            proxy.rule(Ask::is_single).from(request).go(Way::Hang);
        }
        (Death::AfterAsking(request), Some(proxy)) => {
            proxy.rule(Ask::is_single).from(request).go(Way::HangAfter);
        }
        (Death::BeforeAsking(_) | Death::AfterAsking(_), None) => {}
    }
}

impl Reference {
    /// Where a controller can die on its way: before each call, and at each write after it and with it late as well.
    #[must_use]
    pub fn deaths(&self) -> Vec<Death> {
        let mut deaths = Vec::new();
        for (index, call) in self.calls.iter().enumerate() {
            deaths.push(Death::Before(index + 1));
            if call.writes() {
                deaths.extend([Death::After(index + 1), Death::Late(index + 1)]);
            }
        }
        deaths
    }

    /// Those of [`Self::deaths`] that leave the world in different states: a death at a look leaves what one at the write
    /// before it left, and whoever comes next knows as little.
    #[must_use]
    pub fn deaths_at_writes(&self) -> Vec<Death> {
        self.only_at_writes(self.deaths())
    }

    pub(crate) fn only_at_writes(&self, mut deaths: Vec<Death>) -> Vec<Death> {
        deaths.retain(|death| self.calls[death.number() - 1].writes());
        deaths
    }

    /// The same at the requests to the apiserver that write.
    #[must_use]
    pub fn deaths_at_writes_to_the_apiserver(&self) -> Vec<Death> {
        let mut deaths = self.deaths_at_the_apiserver();
        deaths.retain(|death| !self.requests[death.number() - 1].starts_with("get"));
        deaths
    }

    /// The same as [`Self::deaths`] at the requests to the apiserver.
    #[must_use]
    pub fn deaths_at_the_apiserver(&self) -> Vec<Death> {
        let mut deaths = Vec::new();
        for (index, request) in self.requests.iter().enumerate() {
            deaths.push(Death::BeforeAsking(index + 1));
            if !request.starts_with("get") {
                deaths.push(Death::AfterAsking(index + 1));
            }
        }
        deaths
    }
}

/// What is in Glue and under the table's location, in words that do not depend on the team.
pub async fn portrait(team: &Team, name: &str) -> String {
    let Some(table) = team.aws.table(name).await else { return "no table".to_owned() };
    let partitions: Vec<_> = team
        .aws
        .partitions(name)
        .await
        .into_iter()
        .map(|mut partition| {
            // When files were written differs each time.
            let marks: BTreeMap<_, _> = partition
                .parameters
                .take()
                .into_iter()
                .flatten()
                .filter(|(key, _)| !key.ends_with("run_loaded_at"))
                .collect();
            partition.creation_time = None;
            format!("{partition:?} {marks:?}")
        })
        .collect();
    let mut table: Table = bare(table);
    let parameters: BTreeMap<_, _> = table.parameters.take().into_iter().flatten().collect();
    // A mark that came late is a second one; the earliest counts.
    let keys: BTreeSet<String> =
        team.aws.keys(&format!("{name}/")).await.iter().map(|key| timeless(key)).collect();
    let mut text = format!("{table:?}\n{parameters:?}\n{partitions:#?}\n{keys:#?}");
    // The hash of the spec holds the bucket.
    if let Some(hash) = text.find(r#"\"hash\":\""#) {
        text.replace_range(hash..hash + 30, "");
    }
    text.replace(&team.namespace, "NAMESPACE")
        .replace(&team.aws.database, "DATABASE")
        .replace(&team.aws.bucket, "BUCKET")
        .replace(&team.account, "ACCOUNT")
}
