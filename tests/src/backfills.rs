//! What a team does with backfills: it makes them, and waits for what becomes of them.

use anyhow::ensure;
use kube::api::PostParams;
use kube::{Api, ResourceExt as _};
use mizuumi_api::Backfill;
use mizuumi_api::condition::{self, ConditionType};
use serde_json::{Value, json};

use crate::team::Team;

impl Team {
    /// The team's `Backfill`s.
    #[must_use]
    pub fn backfills(&self) -> Api<Backfill> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates a backfill of a job.
    pub async fn create_backfill(&self, name: &str, spec: Value) -> Backfill {
        let manifest = json!({
            "apiVersion": "mizuumi.dev/v1alpha1",
            "kind": "Backfill",
            "metadata": { "name": name, "namespace": self.namespace },
            "spec": spec,
        });
        let object = serde_json::from_value(manifest).expect("a backfill");
        let made = self.backfills().create(&PostParams::default(), &object).await;
        made.unwrap_or_else(|error| panic!("{name} is refused: {error}"))
    }

    /// Waits until a backfill is as expected.
    pub async fn backfill_until(
        &self,
        name: &str,
        what: &str,
        expected: impl Fn(&Backfill) -> bool,
    ) -> Backfill {
        self.eventually(name, &format!("{name}: {what}"), async || {
            let backfill = self.backfills().get(name).await?;
            ensure!(expected(&backfill), "the backfill below is not so");
            Ok(backfill)
        })
        .await
    }

    /// Waits until a backfill's `Ready` has this reason; answers the backfill and its message.
    pub async fn backfill_reason(&self, name: &str, reason: &str) -> (Backfill, String) {
        let told = |backfill: &Backfill| {
            let conditions = &backfill.status.as_ref()?.conditions;
            let ready = condition::find(conditions, ConditionType::Ready)?;
            (ready.reason == reason).then(|| ready.message.clone())
        };
        let found = self.backfill_until(name, reason, |backfill| told(backfill).is_some()).await;
        let message = told(&found).unwrap_or_default();
        (found, message)
    }

    /// A backfill as a person would look at it, if there is one of that name.
    pub(crate) async fn explain_backfill(&self, name: &str) -> Option<String> {
        let mut backfill = self.backfills().get_opt(name).await.ok()??;
        backfill.managed_fields_mut().clear();
        Some(format!("--- {name}\n{}", serde_saphyr::to_string(&backfill).unwrap_or_default()))
    }
}
