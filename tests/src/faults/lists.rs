//! F12: lists of tables that break off; what they do not show is not gone.

use std::time::Duration;

use anyhow::ensure;
use futures::{FutureExt as _, future};
use serde_json::json;
use tokio::time::Instant;

use super::Trial;
use super::trial::Point;
use crate::aws_proxy::AwsProxy;
use crate::controller::Controller;
use crate::judge::{Finding, Witness};
use crate::recorder::Recorder;
use crate::team::Team;

/// What nobody may say of a table that is there.
const GONE: [&str; 5] = ["Creating", "NotFound", "DatabaseNotFound", "CorrectingDrift", "Updating"];
/// The SDK tries a read so often.
const ATTEMPTS: usize = 3;

/// A team whose lists have one table a page.
struct Lists {
    team: Team,
    witness: Witness,
    recorder: Recorder,
    proxy: AwsProxy,
    pages: usize,
    _controller: Controller,
}

/// Pages that fail, tokens that expire, tables that go between two pages.
pub(super) async fn broken(trial: &Trial) {
    let failing = ["error-before", "throttle", "drop-before"].map(|action| fail(trial, action));
    let others = future::join(expire(trial), go(trial)).boxed_local();
    future::join(future::join_all(failing), others).await;
}

async fn fail(trial: &Trial, action: &str) {
    let lists = Lists::begin(trial.options.many(16, 8)).await;
    let last = lists.pages;
    for page in [1, 2, last / 2, last] {
        trial.point(&format!("page {page}, {action}"), lists.break_off(action, page, ATTEMPTS)).await;
    }
    let point = lists.break_off(action, last / 2, 5 * ATTEMPTS);
    trial.point(&format!("no list comes through any more, {action}"), point).await;
}

async fn expire(trial: &Trial) {
    let lists = Lists::begin(trial.options.many(16, 8)).await;
    for page in [2, lists.pages] {
        trial.point(&format!("the token of page {page} expires"), lists.expire(page)).await;
    }
    trial.note(format!("lists of {} pages", lists.pages));
}

async fn go(trial: &Trial) {
    let lists = Lists::begin(trial.options.many(16, 8)).await;
    for (which, table) in [("seen already", 0), ("whose name the token holds", 1), ("not seen yet", 3)] {
        let point = lists.delete_between(table);
        trial.point(&format!("a table {which} is deleted between two pages"), point).await;
    }
}

impl Lists {
    async fn begin(tables: usize) -> Self {
        let team = Team::new("lists").await;
        let witness = Witness::of(&team).await;
        let proxy = AwsProxy::of(&team).await;
        let url = proxy.url();
        let controller = Controller::with(&team, |config| config.aws.endpoint_url = Some(url)).await;
        for number in 0..tables {
            team.create(&format!("table-{number:02}"), json!({ "deletionPolicy": "Delete" })).await;
        }
        for number in 0..tables {
            team.ready(&format!("table-{number:02}")).await;
        }
        let recorder = Recorder::of(&team).await;
        Self { team, witness, recorder, proxy, pages: tables, _controller: controller }
    }

    async fn break_off(&self, action: &str, page: usize, times: usize) -> Point {
        let rule = json!({ "action": action, "operation": "GetTables", "from": page, "times": times });
        self.undisturbed_by(async || {
            self.team.admin.fault(rule).await;
            self.one_a_page().await;
            self.team
                .eventually("table-00", "the fault", async || {
                    let struck = self.team.admin.struck_by(action).await;
                    ensure!(struck >= times as u64, "struck {struck} times");
                    Ok(())
                })
                .await;
        })
        .await
    }

    async fn expire(&self, page: usize) -> Point {
        self.undisturbed_by(async || {
            self.one_a_page().await;
            let (told, struck) = std::sync::mpsc::channel();
            let mut seen = 0;
            self.proxy.refuse(move |call| {
                if call.operation != "GetTables" {
                    return None;
                }
                seen = if call.body.contains("NextToken") { seen + 1 } else { 1 };
                (seen == page).then(|| {
                    told.send(()).ok();
                    "InvalidInputException"
                })
            });
            self.team
                .eventually("table-00", "two lists broken off", async || {
                    ensure!(struck.try_iter().count() > 0, "none");
                    Ok(())
                })
                .await;
            self.team.sweeps(2 * page).await;
            self.proxy.heal();
        })
        .await
    }

    /// A disturbance that no table may suffer from.
    async fn undisturbed_by(&self, disturb: impl AsyncFnOnce()) -> Point {
        let writes = self.team.admin.writes().await.len();
        let since = self.team.admin.seq().await;
        disturb().await;
        self.team.admin.heal().await;
        let began = Instant::now();
        let mut finding = self.settle().await;
        let seconds = began.elapsed().as_secs_f64();
        for operation in ["CreateTable", "UpdateTable", "DeleteTable"] {
            let tries = self.team.admin.count(operation, since).await;
            if tries > 0 {
                finding.doubled.push(format!("{operation} was called {tries} times"));
            }
        }
        if self.team.admin.writes().await.len() > writes {
            finding.doubled.push("something was written".to_owned());
        }
        let said = self.recorder.reasons(|name| name.ends_with(|last: char| last != '0'));
        finding.lost.extend(
            said.iter()
                .filter(|said| GONE.contains(&said.as_str()))
                .map(|said| format!("a table said {said}")),
        );
        Point { finding, seconds }
    }

    /// Somebody deletes a table while a list is under way; it alone is made again, once.
    async fn delete_between(&self, table: usize) -> Point {
        let name = format!("table_{table:02}0");
        let object = name.replace('_', "-");
        // Names that end in 0 may say that they are gone; the order of the pages stays as it was.
        self.team.create_ready(&object, json!({ "deletionPolicy": "Delete" })).await;
        let creates = self.creates().await;
        let page = 5;
        let rule =
            json!({ "action": "delay", "delayMs": 700, "operation": "GetTables", "from": page, "times": 1 });
        self.team.admin.fault(rule).await;
        self.one_a_page().await;
        self.team
            .eventually(&object, "the list under way", async || {
                ensure!(self.team.admin.struck_by("delay").await == 1, "it is not");
                Ok(())
            })
            .await;
        self.team.aws.delete_table(&name).await;
        let began = Instant::now();
        self.team
            .eventually(&object, "the table made again", async || {
                ensure!(self.team.aws.table(&name).await.is_some(), "it is not there");
                Ok(())
            })
            .await;
        let seconds = began.elapsed().as_secs_f64();
        self.team.admin.heal().await;
        let mut finding = self.settle().await;
        let made = self.creates().await.split_off(creates.len());
        if made != [format!("{}.{name}", self.team.aws.database)] {
            finding.doubled.push(format!("these were made: {made:?}"));
        }
        self.team.delete_wholly(&object).await;
        Point { finding, seconds }
    }

    async fn creates(&self) -> Vec<String> {
        let mut writes = self.team.admin.writes().await;
        writes.retain(|write| write.operation == "CreateTable");
        writes.into_iter().map(|write| write.resource).collect()
    }

    async fn one_a_page(&self) {
        self.team.admin.fault(json!({ "action": "short-page", "operation": "GetTables" })).await;
    }

    /// All is well again.
    async fn settle(&self) -> Finding {
        self.team.sweeps(2).await;
        self.team
            .within(Duration::from_mins(1), "table-00", "a clean end", async || {
                let finding = self.witness.judge().await;
                ensure!(finding.is_clean(), "{finding:?}");
                Ok(())
            })
            .await;
        self.witness.judge().await
    }
}
