//! The apiserver goes away and comes back. In a program of its own, as it disturbs the whole stand.

#![expect(clippy::expect_used, reason = "tests fail by panicking, helpers of tests too")]

use anyhow::{Result, ensure};
use kube::ResourceExt;
use kube::api::ListParams;
use mizuumi_stand::Stand;
use mizuumi_tests::{Controller, Team, reason_of};
use serde_json::json;

const TABLES: usize = 20;

/// The names of the objects that are ready.
async fn ready(team: &Team) -> Result<Vec<String>> {
    let all = team.tables.list(&ListParams::default()).await?;
    let ready = all.items.iter().filter(|table| reason_of(table, "Ready") == "InSync");
    Ok(ready.map(ResourceExt::name_any).collect())
}

/// Starts the apiserver when dropped, so that a failure does not leave the stand without one.
struct Restored<'a>(&'a Stand);

impl Drop for Restored<'_> {
    fn drop(&mut self) {
        self.0.start("kube-apiserver").expect("the apiserver starts");
    }
}

#[tokio::test]
async fn the_apiserver_may_die_while_tables_converge() {
    let team = Team::new("apiserver").await;
    // Slow enough that it dies in the middle.
    team.admin.fault(json!({ "action": "delay", "delayMs": 300, "service": "glue" })).await;
    let mut controller = Controller::with(&team, |config| config.kubernetes.concurrency = 3).await;
    let pid = controller.pid();
    for number in 0..TABLES {
        team.create(&format!("table-{number:02}"), json!({ "deletionPolicy": "Delete" })).await;
    }
    let some = team
        .eventually("table-00", "some tables and not all", async || {
            let ready = ready(&team).await?;
            ensure!((3..TABLES).contains(&ready.len()), "{ready:?} are ready");
            Ok(ready)
        })
        .await;
    let drifting = some[0].replace('-', "_");
    team.stand.kill("kube-apiserver").expect("the apiserver is killed");
    let restored = Restored(&team.stand);
    // Work on AWS goes on meanwhile; a change of Glue comes in as well.
    team.aws.set_parameter(&drifting, "classification", Some("csv")).await;
    drop(restored);
    team.admin.heal().await;
    team.eventually("table-19", "all tables", async || {
        let ready = ready(&team).await?;
        ensure!(ready.len() == TABLES, "only {ready:?} are ready");
        Ok(())
    })
    .await;
    assert!(controller.runs(), "the controller has ended\n{}", team.explain("table-00").await);
    assert_eq!(controller.pid(), pid);
    team.eventually(&some[0], "the drift put back", async || {
        let is = team.aws.parameter(&drifting, "classification").await;
        ensure!(is.as_deref() == Some("parquet"), "it is {is:?}");
        Ok(())
    })
    .await;

    // The watch goes on as well: changes and deletions are seen.
    team.stand.restart("kube-apiserver").expect("the apiserver starts again");
    team.change("table-01", json!({ "description": "changed since" })).await;
    team.ready("table-01").await;
    assert_eq!(team.aws.existing("table_01").await.description(), Some("changed since"));
    team.delete_wholly("table-02").await;
    assert!(team.aws.table("table_02").await.is_none());
    let creates = team.admin.writes().await.iter().filter(|write| write.operation == "CreateTable").count();
    assert_eq!(creates, TABLES, "none was made twice");
    assert_eq!(team.admin.witness("updateTableWithoutVersion").await, 0);
}
