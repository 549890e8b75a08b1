//! A cluster's resource, its class and the configuration that both models begin with.

use jiff::Timestamp;
use mizuumi_api::emr_cluster::{EmrCluster, EmrClusterStatus};
use mizuumi_api::installation::{EmrProfile, Profile};
use mizuumi_api::{EmrClusterClass, Installation};
use mizuumi_core::emr_cluster::{AskedStep, ClusterGoal, ClusterStep, ClusterWorld, Clusters, Pieces};
use mizuumi_core::{Class, Evidence, Failure, Kind, Plan};
use serde_json::json;

pub(crate) struct Team {
    installation: Installation,
    class: EmrClusterClass,
    cluster: EmrCluster,
}

impl Team {
    pub(crate) fn new() -> Self {
        let mut installation = Installation::from_yaml(
            "{ installation: model, aws: { region: us-east-1 }, allow: { databases: [a], s3Prefixes: ['s3://a/'] } }",
        )
        .expect("a configuration");
        let emr = EmrProfile {
            service_role: "service".to_owned(),
            instance_profile: "nodes".to_owned(),
            subnets: vec!["subnet-1".to_owned()],
            ..EmrProfile::default()
        };
        installation.profiles.insert("default".to_owned(), Profile { emr: Some(emr), ..Profile::default() });
        let class = json!({
            "apiVersion": "mizuumi.dev/v1alpha1", "kind": "EmrClusterClass", "metadata": { "name": "c" },
            "spec": { "allowedNamespaces": ["*"], "defaults": {
                "releaseLabel": "emr-7.5.0",
                "instanceGroups": [{ "name": "m", "role": "Master", "instanceType": "m6g.xlarge" }],
            } },
        });
        let cluster = json!({
            "apiVersion": "mizuumi.dev/v1alpha1", "kind": "EmrCluster",
            "metadata": { "name": "x", "namespace": "n", "annotations": { "mizuumi.dev/needed-until": "2100-01-01T00:00:00Z" } },
            "spec": { "className": "c", "lifecycle": "WhenNeeded" },
        });
        Self {
            installation,
            class: serde_json::from_value(class).expect("a class"),
            cluster: serde_json::from_value(cluster).expect("a cluster"),
        }
    }

    /// The resource with that status.
    pub(crate) fn object(&self, status: &EmrClusterStatus) -> EmrCluster {
        EmrCluster { status: Some(status.clone()), ..self.cluster.clone() }
    }

    /// What it comes to while runs ask for these steps.
    pub(crate) fn goal(&self, object: &EmrCluster, asked: &[AskedStep]) -> ClusterGoal {
        let mut goal = Clusters::goal(object, &self.installation).expect("a goal");
        let class = Some(Box::new(self.class.clone()));
        let pieces = Pieces { class, asked: Some(asked.to_vec()), ..Pieces::default() };
        Clusters::heed(&mut goal, object, pieces);
        goal
    }

    /// What is told after a look by which nothing was done, or after EMR has refused what was asked.
    pub(crate) fn told(
        object: &EmrCluster,
        goal: &ClusterGoal,
        world: ClusterWorld,
        plan: Plan<ClusterStep>,
        refused: Option<&'static str>,
        now: Timestamp,
    ) -> EmrClusterStatus {
        let failure = refused.map(|operation| Failure::new(operation, Class::Throttled, "slow down"));
        let evidence = Evidence::Observed { world, plan, done: Vec::new(), failure, endless: false };
        let mut status = Clusters::report(object, Some(goal), &evidence, now);
        // Conditions say when they began, and nothing is decided by them.
        status.conditions.clear();
        status
    }
}
