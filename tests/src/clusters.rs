//! What a team does with EMR clusters: it makes a class, starts them, waits for them, and looks at EMR itself.

use anyhow::ensure;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use mizuumi_api::installation::{EmrProfile, Profile};
use mizuumi_api::{EmrCluster, EmrClusterClass, Installation};
use serde_json::{Value, json};

use crate::team::Team;

/// How much faster than in AWS clusters live in tests: a start takes two seconds. An hour without work is over in 20 seconds, so the
/// class has the longest that there is.
const SPEED: u32 = 180;

/// A configuration with a profile that has clusters, and with quick looks at them.
pub fn with_clusters(installation: &mut Installation) {
    let emr = EmrProfile {
        service_role: "EMR_DefaultRole_V2".to_owned(),
        instance_profile: "EMR_EC2_DefaultRole".to_owned(),
        subnets: vec!["subnet-0a1b2c3d".to_owned()],
        log_uri: Some("s3://logs/emr/".to_owned()),
        ..EmrProfile::default()
    };
    let profile = Profile { emr: Some(emr), ..Profile::default() };
    installation.profiles.insert("default".to_owned(), profile);
    installation.clusters.poll_seconds = 1;
    installation.clusters.verify_seconds = 3;
    installation.clusters.orphan_seconds = 2;
}

impl Team {
    /// The team's `EmrCluster`s.
    #[must_use]
    pub fn clusters(&self) -> Api<EmrCluster> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn classes(&self) -> Api<EmrClusterClass> {
        Api::all(self.client.clone())
    }

    /// A class belongs to all namespaces, so its name has the team's in it; one at work in several accounts has several.
    #[must_use]
    pub fn class_name(&self) -> String {
        let profile = self.profile.iter().map(String::as_str);
        std::iter::once(self.namespace.as_str()).chain(profile).collect::<Vec<_>>().join("-")
    }

    /// Makes the team's class, or changes it: a master and two core nodes, with `spec` laid over.
    pub async fn class(&self, spec: Value) {
        let mut manifest = json!({
            "apiVersion": "mizuumi.dev/v1alpha1",
            "kind": "EmrClusterClass",
            "metadata": { "name": self.class_name() },
            "spec": {
                "allowedNamespaces": [self.namespace],
                "profile": self.profile.as_deref().unwrap_or("default"),
                "defaults": {
                    "releaseLabel": "emr-7.5.0",
                    "applications": ["Spark", "Hive"],
                    "idleTimeout": "7d",
                    "instanceGroups": [
                        { "name": "master", "role": "Master", "instanceType": "m6g.xlarge" },
                        { "name": "core", "role": "Core", "instanceType": "m6g.xlarge", "count": 2 },
                    ],
                },
            },
        });
        json_patch::merge(&mut manifest["spec"], &spec);
        let parameters = PatchParams::apply("tests").force();
        let applied = self.classes().patch(&self.class_name(), &parameters, &Patch::Apply(manifest)).await;
        applied.unwrap_or_else(|error| panic!("the class is refused: {error}"));
        self.quick_clusters().await;
    }

    /// Has clusters live as fast as in all tests.
    pub async fn quick_clusters(&self) {
        // All say the same, so it does not matter who said it last.
        let steps = json!([
            { "name": "broken", "fails": true },
            { "name": "quick", "seconds": 1 },
            { "name": "slow", "seconds": 100_000 },
        ]);
        self.admin.emr_pace(json!({ "speed": SPEED, "steps": steps })).await;
    }

    /// Makes a ConfigMap of the team, or changes it.
    pub async fn config_map(&self, name: &str, data: Value) {
        let manifest = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": name, "namespace": self.namespace }, "data": data,
        });
        let maps =
            Api::<k8s_openapi::api::core::v1::ConfigMap>::namespaced(self.client.clone(), &self.namespace);
        let parameters = PatchParams::apply("tests").force();
        maps.patch(name, &parameters, &Patch::Apply(manifest)).await.expect("the ConfigMap is applied");
    }

    /// Takes the team's class away.
    pub async fn delete_class(&self) {
        self.classes()
            .delete(&self.class_name(), &DeleteParams::default())
            .await
            .expect("the class is deleted");
    }

    /// Creates a cluster of the team's class.
    pub async fn create_cluster(&self, name: &str, spec: Value) -> EmrCluster {
        let mut manifest = json!({
            "apiVersion": "mizuumi.dev/v1alpha1",
            "kind": "EmrCluster",
            "metadata": { "name": name, "namespace": self.namespace },
            "spec": { "className": self.class_name() },
        });
        json_patch::merge(&mut manifest["spec"], &spec);
        let object = serde_json::from_value(manifest).expect("a cluster");
        let made = self.clusters().create(&PostParams::default(), &object).await;
        made.unwrap_or_else(|error| panic!("{name} is refused: {error}"))
    }

    /// Creates a cluster that does these steps, each a command of that name, and ends with them.
    pub async fn create_batch(&self, name: &str, steps: &[&str]) -> EmrCluster {
        let steps: Vec<Value> =
            steps.iter().map(|step| json!({ "name": step, "command": ["date"] })).collect();
        self.create_cluster(name, json!({ "lifecycle": "Batch", "steps": steps })).await
    }

    /// Creates a cluster that is needed from now on, with `spec` laid over.
    pub async fn create_needed(&self, name: &str, spec: Value) {
        let mut whole = json!({ "lifecycle": "WhenNeeded" });
        json_patch::merge(&mut whole, &spec);
        self.create_cluster(name, whole).await;
        self.need(name, true).await;
    }

    /// Changes a cluster by a merge patch.
    pub async fn patch_cluster(&self, name: &str, patch: Value) -> EmrCluster {
        let patched = self.clusters().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        patched.unwrap_or_else(|error| panic!("{name} cannot be changed: {error}"))
    }

    /// Says that a cluster is needed from now on, or not any more.
    pub async fn need(&self, name: &str, needed: bool) {
        let until = needed.then_some("2100-01-01T00:00:00Z");
        self.patch_cluster(
            name,
            json!({ "metadata": { "annotations": { "mizuumi.dev/needed-until": until } } }),
        )
        .await;
    }

    /// Deletes a cluster's resource; it lives on until its controller lets it go.
    pub async fn delete_cluster(&self, name: &str) {
        let deleted = self.clusters().delete(name, &DeleteParams::default()).await;
        deleted.unwrap_or_else(|error| panic!("{name} cannot be deleted: {error}"));
    }

    /// Waits until a cluster's resource is gone.
    pub async fn cluster_gone(&self, name: &str) {
        self.eventually(name, &format!("{name} to be gone"), async || {
            ensure!(self.clusters().get_opt(name).await?.is_none(), "it is still there");
            Ok(())
        })
        .await;
    }

    /// Waits until a cluster is as expected.
    pub async fn cluster_until(
        &self,
        name: &str,
        what: &str,
        expected: impl Fn(&EmrCluster) -> bool,
    ) -> EmrCluster {
        self.eventually(name, &format!("{name}: {what}"), async || {
            let cluster = self.clusters().get(name).await?;
            ensure!(expected(&cluster), "the cluster below is not so");
            Ok(cluster)
        })
        .await
    }

    /// Waits until `Ready` has this reason for the present spec; answers the cluster.
    pub async fn cluster_reason(&self, name: &str, reason: &str) -> EmrCluster {
        self.cluster_until(name, reason, |cluster| {
            let generation = cluster.metadata.generation.unwrap_or_default();
            let conditions =
                cluster.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
            conditions.iter().any(|condition| {
                condition.type_ == "Ready"
                    && condition.reason == reason
                    && condition.observed_generation == generation
            })
        })
        .await
    }

    /// What EMR has of each owner in this account, and who is an orphan where `owners` are all that there are.
    pub async fn emr(&self) -> Value {
        let answer = self.admin.ask("POST", "clusters", "", Some(json!({ "account": self.account }))).await;
        answer.expect("the clusters are told")
    }

    /// A cluster's resource as a person would look at it, if there is one of that name.
    pub(crate) async fn explain_cluster(&self, name: &str) -> Option<String> {
        let mut cluster = self.clusters().get_opt(name).await.ok()??;
        cluster.managed_fields_mut().clear();
        Some(format!("--- {name}\n{}", serde_saphyr::to_string(&cluster).unwrap_or_default()))
    }
}

/// The message of a cluster's `Ready`.
#[must_use]
pub fn said_of(cluster: &EmrCluster) -> &str {
    let conditions = cluster.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    conditions.iter().find(|condition| condition.type_ == "Ready").map_or("", |ready| ready.message.as_str())
}
