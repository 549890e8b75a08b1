//! What a team does with checks: it makes them, and waits for what they say.

use anyhow::bail;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use mizuumi_api::installation::{AthenaProfile, Profile};
use mizuumi_api::{Installation, QualityCheck};
use serde_json::{Value, json};

use crate::team::Team;

/// Lets checks query rows, in the workgroup `quality`.
pub fn with_athena(installation: &mut Installation) {
    let athena = AthenaProfile { workgroup: "quality".to_owned(), allow_unlimited_scans: false };
    let profile = installation.profiles.remove("default").unwrap_or_default();
    installation.profiles.insert("default".to_owned(), Profile { athena: Some(athena), ..profile });
}

impl Team {
    /// The team's `QualityCheck`s.
    #[must_use]
    pub fn checks(&self) -> Api<QualityCheck> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Makes a check of a table.
    pub async fn create_check(&self, check: &str, table: &str, spec: Value) -> QualityCheck {
        let mut manifest = json!({
            "apiVersion": "mizuumi.dev/v1alpha1",
            "kind": "QualityCheck",
            "metadata": { "name": check, "namespace": self.namespace },
            "spec": { "table": table },
        });
        json_patch::merge(&mut manifest["spec"], &spec);
        let object = serde_json::from_value(manifest).expect("a check");
        let made = self.checks().create(&PostParams::default(), &object).await;
        made.unwrap_or_else(|error| panic!("{check} is refused: {error}"))
    }

    /// Changes a check by a merge patch.
    pub async fn patch_check(&self, check: &str, patch: Value) -> QualityCheck {
        let patched = self.checks().patch(check, &PatchParams::default(), &Patch::Merge(patch)).await;
        patched.unwrap_or_else(|error| panic!("{check} cannot be changed: {error}"))
    }

    /// Waits until a condition of a check has this reason, and speaks of the spec as it is; answers the check and the message.
    pub async fn check_says(&self, check: &str, type_: &str, reason: &str) -> (QualityCheck, String) {
        self.check_until(check, &format!("{type_} {reason}"), |check| {
            let conditions = &check.status.as_ref()?.conditions;
            let told = conditions.iter().find(|condition| condition.type_ == type_)?;
            let is_of_now = Some(told.observed_generation) == check.metadata.generation;
            (told.reason == reason && is_of_now).then(|| told.message.clone())
        })
        .await
    }

    /// Waits until a check is as expected.
    pub async fn check_until<T>(
        &self,
        check: &str,
        what: &str,
        expected: impl Fn(&QualityCheck) -> Option<T>,
    ) -> (QualityCheck, T) {
        self.eventually(check, &format!("{check}: {what}"), async || {
            let check = self.checks().get(check).await?;
            let Some(found) = expected(&check) else { bail!("it says {:?}", check.status) };
            Ok((check, found))
        })
        .await
    }
}
