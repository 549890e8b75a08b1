//! What a team does with runs: it writes their data, starts them, and waits for them.

use anyhow::ensure;
use futures::{StreamExt as _, stream};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use mizuumi_api::IngestRun;
use mizuumi_api::ingest_run::RunPhase;
use serde_json::{Value, json};

use crate::team::Team;

/// Files that are written at once.
const PUTS: usize = 8;

impl Team {
    /// The team's `IngestRun`s.
    #[must_use]
    pub fn runs(&self) -> Api<IngestRun> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The directory of a run.
    #[must_use]
    pub fn output(&self, table: &str, run: &str) -> String {
        format!("{}runs/{run}/", self.location(table))
    }

    /// Writes a run's data: one file in each of these directories.
    pub async fn write_output(&self, table: &str, run: &str, directories: &[&str]) {
        let root = format!("{}/runs/{run}/", table.replace('-', "_"));
        let put = async |directory: &&str| {
            self.aws.put(&format!("{root}{directory}part-0.parquet"), &format!("{run} {directory}")).await;
        };
        stream::iter(directories).for_each_concurrent(PUTS, put).await;
    }

    /// Says that a run's data is all there.
    pub async fn mark_output(&self, table: &str, run: &str) {
        self.aws.put(&format!("{}/runs/{run}/_SUCCESS", table.replace('-', "_")), "").await;
    }

    /// Starts a run of somebody else, for a day of November 2026.
    pub async fn start_run(&self, run: &str, table: &str, day: u8, revision: i32) -> IngestRun {
        let session = format!("2026-11-{day:02}T00:00:00Z");
        let spec =
            json!({ "table": table, "sessionTime": session, "revision": revision, "engine": "External" });
        self.create_run(run, spec).await
    }

    /// Has a run of somebody else bring its data, one file in each of these directories, and waits until it is published.
    pub async fn bring(&self, table: &str, run: &str, day: u8, revision: i32, directories: &[&str]) {
        self.write_output(table, run, directories).await;
        // Before the run is there: where looks are an hour apart, it is seen at the first.
        self.mark_output(table, run).await;
        self.start_run(run, table, day, revision).await;
        self.run_phase(run, RunPhase::Succeeded).await;
    }

    /// Starts a run that takes another one back.
    pub async fn roll_back(&self, run: &str, table: &str, what: &str) -> IngestRun {
        self.create_run(run, json!({ "table": table, "engine": "Rollback", "rollback": { "run": what } }))
            .await
    }

    /// Creates a run.
    pub async fn create_run(&self, run: &str, spec: Value) -> IngestRun {
        let manifest = json!({
            "apiVersion": "mizuumi.dev/v1alpha1",
            "kind": "IngestRun",
            "metadata": { "name": run, "namespace": self.namespace },
            "spec": spec,
        });
        let object = serde_json::from_value(manifest).expect("a run");
        let made = self.runs().create(&PostParams::default(), &object).await;
        made.unwrap_or_else(|error| panic!("{run} is refused: {error}"))
    }

    /// Changes a run by a merge patch of its spec.
    pub async fn change_run(&self, run: &str, spec: Value) -> IngestRun {
        let patch = Patch::Merge(json!({ "spec": spec }));
        let patched = self.runs().patch(run, &PatchParams::default(), &patch).await;
        patched.unwrap_or_else(|error| panic!("{run} cannot be changed: {error}"))
    }

    /// Waits until a run is in this phase.
    pub async fn run_phase(&self, run: &str, phase: RunPhase) -> IngestRun {
        self.run_until(run, &format!("{phase:?}"), |run| {
            run.status.as_ref().is_some_and(|status| status.phase == Some(phase))
        })
        .await
    }

    /// Waits until a run's `Succeeded` has this reason; answers its message.
    pub async fn run_reason(&self, run: &str, reason: &str) -> String {
        let run = self.run_until(run, reason, |run| told(run).is_some_and(|(of, _)| of == reason)).await;
        told(&run).map(|(_, message)| message).unwrap_or_default()
    }

    /// Waits until a run is as expected.
    pub async fn run_until(&self, run: &str, what: &str, expected: impl Fn(&IngestRun) -> bool) -> IngestRun {
        self.eventually(run, &format!("{run}: {what}"), async || {
            let run = self.runs().get(run).await?;
            ensure!(expected(&run), "the run below is not so");
            Ok(run)
        })
        .await
    }

    /// A run as a person would look at it, if there is one of that name.
    pub(crate) async fn explain_run(&self, name: &str) -> Option<String> {
        let mut run = self.runs().get_opt(name).await.ok()??;
        run.managed_fields_mut().clear();
        Some(format!("--- {name}\n{}", serde_saphyr::to_string(&run).unwrap_or_default()))
    }
}

/// Reason and message of a run's `Succeeded`.
fn told(run: &IngestRun) -> Option<(String, String)> {
    let conditions = &run.status.as_ref()?.conditions;
    let succeeded = conditions.iter().find(|condition| condition.type_ == "Succeeded")?;
    Some((succeeded.reason.clone(), succeeded.message.clone()))
}
