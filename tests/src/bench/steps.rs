//! Runs that work on EMR clusters: thousands of them, spread over tables and clusters, and what became of each.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aws_sdk_emr::operation::list_clusters::ListClustersOutput;
use aws_sdk_emr::operation::list_steps::ListStepsOutput;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use kube::Api;
use kube::api::{ListParams, PostParams};
use mizuumi_api::ingest_run::RunPhase;
use mizuumi_api::{ConditionStatus, DataTable, IngestRun};
use mizuumi_core::emr_cluster::run_steps::nonce_of;
use serde_json::json;

use super::stats::Spread;
use crate::team::Team;
use crate::wait;

/// Runs of one table: a day of November each.
const SESSIONS: usize = 30;
/// Between two lists of all runs.
const BETWEEN_LISTS: Duration = Duration::from_secs(2);
/// Requests at once.
const AT_ONCE: usize = 16;
/// Steps that a cluster runs at once.
pub(super) const CONCURRENCY: i32 = 25;

/// Runs that are to be made.
pub(super) struct Runs {
    team: Team,
    count: usize,
    clusters: usize,
    order: Order,
    made: AtomicUsize,
}

/// Which runs work on the same cluster.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    /// Each takes the next cluster.
    InTurn,
    /// Those that follow each other, so that one cluster after the other is needed.
    InBlocks,
}

impl Runs {
    /// Makes the tables of so many runs, and puts there what their steps would write.
    pub(super) async fn prepare(team: &Team, count: usize, clusters: usize, order: Order) -> Result<Self> {
        let runs = Self { team: team.clone(), count, clusters, order, made: AtomicUsize::new(0) };
        let tables = count.div_ceil(SESSIONS);
        let spec = json!({
            "partitionKeys": [{ "name": "day", "type": "string" }],
            "partitions": { "mode": "Published" },
        });
        let make = async |index: usize| drop(team.create(&table(index), spec.clone()).await);
        stream::iter(0..tables).for_each_concurrent(AT_ONCE, make).await;
        let write = async |index: usize| {
            let directory = format!("a1/day={:02}/", index % SESSIONS + 1);
            team.write_output(&table(index / SESSIONS), &name(index), &[&directory]).await;
        };
        stream::iter(0..count).for_each_concurrent(AT_ONCE, write).await;
        team.within(Duration::from_mins(5), &table(0), "the tables of the runs", async || {
            let all = Api::<DataTable>::namespaced(team.client.clone(), &team.namespace);
            let all = all.list(&ListParams::default()).await?;
            let ready = all.items.iter().filter(|table| is_ready(table)).count();
            ensure!(ready == tables, "{ready} of {tables} are ready");
            Ok(())
        })
        .await;
        Ok(runs)
    }

    /// How many there are to be.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Makes those that are missing of so many.
    pub(super) async fn make(&self, until: usize) -> Result<()> {
        let until = until.min(self.count);
        let from = self.made.fetch_max(until, Ordering::Relaxed);
        let one = async |index: usize| self.create(index).await.map(drop);
        stream::iter(from..until).map(one).buffer_unordered(AT_ONCE).try_collect().await
    }

    fn cluster_of(&self, index: usize) -> usize {
        match self.order {
            Order::InTurn => index % self.clusters,
            Order::InBlocks => index * self.clusters / self.count,
        }
    }

    async fn create(&self, index: usize) -> Result<IngestRun> {
        let run = json!({
            "apiVersion": "mizuumi.dev/v1alpha1",
            "kind": "IngestRun",
            "metadata": { "name": name(index), "namespace": self.team.namespace },
            "spec": {
                "table": table(index / SESSIONS),
                "sessionTime": format!("2026-11-{:02}T00:00:00Z", index % SESSIONS + 1),
                "engine": "EmrStep",
                "emrStep": {
                    "cluster": cluster(self.cluster_of(index)),
                    "step": { "name": "load", "command": ["load", "${output}"] },
                },
            },
        });
        let run = serde_json::from_value(run).context("a run")?;
        self.team.runs().create(&PostParams::default(), &run).await.context("the run is refused")
    }

    /// Waits until all have succeeded.
    pub(super) async fn succeeded(&self, longest: Duration) {
        let wanted = self.count;
        self.team
            .within(longest, &name(0), "the runs to succeed", async || {
                // A list of thousands is work that the controller's API server has better use for.
                wait::pass(BETWEEN_LISTS).await;
                let all = self.team.runs().list(&ListParams::default()).await?;
                let phase = |run: &IngestRun| run.status.as_ref().and_then(|status| status.phase);
                let failed = all.items.iter().find(|run| phase(run) == Some(RunPhase::Failed));
                ensure!(
                    failed.is_none(),
                    "{} has failed",
                    failed.map(kube::ResourceExt::name_any).unwrap_or_default()
                );
                let done = all.items.iter().filter(|run| phase(run) == Some(RunPhase::Succeeded)).count();
                ensure!(done == wanted, "{done} of {wanted} have");
                Ok(())
            })
            .await;
    }

    /// What became of the steps. The endpoint may not hold calls up any more.
    pub(super) async fn told(&self, began: Timestamp) -> Result<Told> {
        let emr = &self.team.aws.emr;
        let mut ended: HashMap<String, f64> = HashMap::new();
        let (mut first, mut last) = (0.0_f64, 0.0_f64);
        let clusters: Vec<_> = emr.list_clusters().into_paginator().send().try_collect().await?;
        for cluster in clusters.iter().flat_map(ListClustersOutput::clusters) {
            let steps = emr.list_steps().set_cluster_id(cluster.id.clone()).into_paginator().send();
            let mut asked = Vec::new();
            for step in steps.try_collect().await?.iter().flat_map(ListStepsOutput::steps) {
                let Some(time) = step.status().and_then(|status| status.timeline()) else { continue };
                asked.extend(time.creation_date_time().map(|at| at.as_secs_f64() - seconds(began)));
                let nonce = nonce_of(step.name().unwrap_or_default()).to_owned();
                ended.extend(time.end_date_time().map(|at| (nonce, at.as_secs_f64())));
            }
            let asked = Spread::new(asked);
            if asked.count() > 0 {
                (first, last) = (first.max(asked.at(0.0)), last.max(asked.max()));
            }
        }
        let runs = self.team.runs().list(&ListParams::default()).await?;
        let attempts = runs.items.iter().filter_map(|run| run.status.as_ref()?.attempt.as_ref());
        let late =
            attempts.filter_map(|attempt| Some(seconds(attempt.ended_at?) - ended.get(&attempt.nonce)?));
        let late = Spread::new(late.collect());
        ensure!(late.count() == self.count, "{} of {} runs have a step that ended", late.count(), self.count);
        Ok(Told { first, last, late })
    }
}

/// What became of the steps, in seconds.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// From the beginning until every cluster had been asked for some.
    pub(super) first: f64,
    /// Until EMR had been asked for the last.
    pub(super) last: f64,
    /// From the end of each in EMR until its run said so.
    pub(super) late: Spread,
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

fn table(index: usize) -> String {
    format!("mart-{index:03}")
}

fn name(index: usize) -> String {
    format!("run-{index:04}")
}

/// Name of the cluster of that number.
pub(super) fn cluster(index: usize) -> String {
    format!("cluster-{index:02}")
}

fn is_ready(table: &DataTable) -> bool {
    let conditions = table.status.iter().flat_map(|status| &status.conditions);
    conditions
        .into_iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == ConditionStatus::True)
}
