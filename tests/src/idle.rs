//! Many tables with nothing changing: what that costs, in calls and in writes.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::ensure;
use futures::{StreamExt as _, stream};
use kube::ResourceExt as _;
use kube::api::ListParams;
use mizuumi_api::ConditionStatus;
use serde_json::json;
use tokio::time::Instant;

use crate::controller::Controller;
use crate::kubernetes::condition;
use crate::team::Team;

/// How long all tables may take to get ready.
const LONGEST: Duration = Duration::from_mins(15);
/// Objects made at once.
const AT_ONCE: usize = 8;

/// What it cost.
#[derive(Debug)]
pub struct Figures {
    /// Tables.
    pub tables: usize,
    /// From the first object made to the last one ready.
    pub until_ready: Duration,
    /// Sweeps that were watched.
    pub sweeps: usize,
    /// Calls to AWS while they were, by operation.
    pub calls: BTreeMap<String, usize>,
    /// Effective writes to AWS while they were.
    pub aws_writes: usize,
    /// Objects whose resource version changed.
    pub status_writes: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "tables                          {}", self.tables)?;
        writeln!(f, "time until all were ready       {:.1} s", self.until_ready.as_secs_f64())?;
        writeln!(f, "sweeps watched                  {}", self.sweeps)?;
        for (operation, count) in &self.calls {
            let sweeps = u32::try_from(self.sweeps.max(1)).unwrap_or(u32::MAX);
            let each = f64::from(u32::try_from(*count).unwrap_or(u32::MAX)) / f64::from(sweeps);
            writeln!(f, "calls of {operation:<22} {count}, {each:.1} a sweep")?;
        }
        writeln!(f, "writes to AWS                   {}", self.aws_writes)?;
        write!(f, "writes to Kubernetes            {}", self.status_writes)
    }
}

/// Makes so many tables, waits until all are ready, and watches so many sweeps.
pub async fn measure(tables: usize, sweeps: usize) -> Figures {
    let team = Team::new("idle").await;
    let _controller = Controller::start(&team).await;
    let began = Instant::now();
    stream::iter(0..tables)
        .for_each_concurrent(AT_ONCE, async |number| {
            team.create(&format!("table-{number:05}"), json!({})).await;
        })
        .await;
    team.within(LONGEST, "table-00000", "all to be ready", async || {
        let ready = team
            .tables
            .list(&ListParams::default())
            .await?
            .items
            .iter()
            .filter(|table| {
                condition(table, "Ready").is_some_and(|ready| ready.status == ConditionStatus::True)
            })
            .count();
        ensure!(ready == tables, "{ready} of {tables} are");
        Ok(())
    })
    .await;
    let until_ready = began.elapsed();
    // The looks that prove the last writes may still be under way.
    team.sweeps(1).await;
    let versions = versions(&team).await;
    let writes = team.admin.writes().await.len();
    let since = team.admin.seq().await;
    let pages = tables.div_ceil(100).max(1);
    team.sweeps(sweeps * pages).await;
    let mut calls = BTreeMap::new();
    for call in team.admin.calls(since).await {
        *calls.entry(format!("{}:{}", call.service, call.operation)).or_default() += 1;
    }
    let after = self::versions(&team).await;
    Figures {
        tables,
        until_ready,
        sweeps,
        calls,
        aws_writes: team.admin.writes().await.len() - writes,
        status_writes: after.iter().filter(|(name, version)| versions.get(*name) != Some(version)).count(),
    }
}

async fn versions(team: &Team) -> BTreeMap<String, Option<String>> {
    let all = team.tables.list(&ListParams::default()).await.expect("the objects are listed");
    all.items.iter().map(|table| (table.name_any(), table.resource_version())).collect()
}
