//! The verdict on runs from outside: what EMR, Kubernetes and ECS have run, where the catalog points to, and what lies there.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt as _;
use kube::api::ListParams;
use mizuumi_api::IngestRun;
use mizuumi_api::ingest_run::RunPhase;

use crate::aws::parameters_of;
use crate::cluster_judge::{ClusterWitness, Counted};
use crate::judge::Finding;
use crate::tasks::run_of;
use crate::team::Team;

/// Somebody who knows a team's runs from the beginning.
pub struct RunWitness {
    team: Team,
    clusters: ClusterWitness,
    /// The table that the runs fill, one partition each, of the run's own name.
    table: &'static str,
}

impl RunWitness {
    /// Of the runs that fill this table: each brings a partition `day=<its name>`.
    pub async fn of(team: &Team, table: &'static str) -> Self {
        Self { team: team.clone(), clusters: ClusterWitness::of(team).await, table }
    }

    /// All that can be said against the account and the namespace as they are now, when nothing is under way: each of these runs
    /// has succeeded, and each attempt's work was begun once at most.
    pub async fn judge(&self, names: &[String]) -> (Finding, Counted) {
        let (mut finding, counted) = self.clusters.judge().await;
        let runs = self.team.runs().list(&ListParams::default()).await.expect("the runs are listed").items;
        let runs: BTreeMap<String, IngestRun> = runs.into_iter().map(|run| (run.name_any(), run)).collect();
        for name in names {
            let phase = runs.get(name).and_then(|run| run.status.as_ref()?.phase);
            if phase != Some(RunPhase::Succeeded) {
                finding.lost.push(format!("{name} is {phase:?}"));
            }
        }
        let begun = self.begun(&mut finding).await;
        for (run, times) in &begun {
            let attempts = runs.get(run).and_then(|run| run.status.as_ref()?.attempt.as_ref());
            let attempts = attempts.map_or(0, |attempt| usize::try_from(attempt.number).unwrap_or_default());
            // A run that is gone cannot say any more how many it had.
            if runs.contains_key(run) && *times > attempts {
                finding.doubled.push(format!("{run} has begun {times} times in {attempts} attempts"));
            }
        }
        self.judge_partitions(names, &runs, &mut finding).await;
        (finding, counted)
    }

    /// How often each run's work was begun: steps of EMR, Jobs of Kubernetes and tasks of ECS.
    async fn begun(&self, finding: &mut Finding) -> BTreeMap<String, usize> {
        let mut begun: BTreeMap<String, usize> = BTreeMap::new();
        let emr = self.team.emr().await;
        for (_, has) in emr["owners"].as_object().into_iter().flatten() {
            for (step, ran) in has["steps"].as_object().into_iter().flatten() {
                let submitted = ran["submitted"].as_u64().unwrap_or_default();
                if submitted > 1 {
                    finding.doubled.push(format!("step '{step}' was asked for {submitted} times"));
                }
                if let Some((run, _)) = step.rsplit_once('-') {
                    *begun.entry(run.to_owned()).or_default() += 1;
                }
            }
        }
        for (run, jobs) in self.team.all_jobs().await {
            *begun.entry(run).or_default() += jobs;
        }
        for task in self.team.tasks().await {
            if let Some(run) = run_of(&task) {
                *begun.entry(run.to_owned()).or_default() += 1;
            }
        }
        begun
    }

    async fn judge_partitions(
        &self,
        names: &[String],
        runs: &BTreeMap<String, IngestRun>,
        finding: &mut Finding,
    ) {
        let mut there = BTreeSet::new();
        for partition in self.team.aws.partitions(self.table).await {
            let run = parameters_of(&partition).get("mizuumi.run").cloned().unwrap_or_default();
            let location = partition.storage_descriptor().and_then(|storage| storage.location());
            let location = location.unwrap_or_default().to_owned();
            let output =
                runs.get(&run).and_then(|run| run.status.as_ref()?.attempt.as_ref()).map(|a| &a.output);
            if output.is_none_or(|output| !location.starts_with(output.as_str())) {
                finding.foreign.push(format!(
                    "{location} of run '{run}' is not where its last attempt wrote: {output:?}"
                ));
            }
            let key = location.split_once(&format!("{}/", self.team.aws.bucket)).map_or("", |(_, key)| key);
            if self.team.aws.keys(key).await.is_empty() {
                finding.lost.push(format!("nothing lies at {location}"));
            }
            there.insert(run);
        }
        for name in names.iter().filter(|name| !there.contains(*name)) {
            finding.lost.push(format!("nothing of {name} is published"));
        }
    }
}
