//! What a team does with ECS: it makes a cluster, says what images stand for, and looks at tasks itself.

use mizuumi_api::Installation;
use mizuumi_api::installation::{EcsProfile, Profile};
use serde_json::{Value, json};

use crate::team::Team;

/// How much faster than in AWS tasks live in tests: one gets its network and its image in a third of a second.
const SPEED: u32 = 90;
/// The cluster.
const CLUSTER: &str = "lake";
/// The image of a team's work.
pub const IMAGE: &str =
    "registry.example/ingest/orders@sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// A configuration with a profile that has tasks, and with quick looks at them.
pub fn with_tasks(installation: &mut Installation) {
    let ecs = EcsProfile {
        cluster: CLUSTER.to_owned(),
        execution_role_arn: "arn:aws:iam::111122223333:role/execution".to_owned(),
        task_role_arn: "arn:aws:iam::111122223333:role/ingest".to_owned(),
        subnets: vec!["subnet-0a1b2c3d".to_owned()],
        log_group: Some("/mizuumi/ingest".to_owned()),
        images: vec!["registry.example/ingest/*".to_owned()],
        secrets: vec!["team/*".to_owned()],
        poll_seconds: 1,
        ..EcsProfile::default()
    };
    let profile = installation.profiles.remove("default").unwrap_or_default();
    installation.profiles.insert("default".to_owned(), Profile { ecs: Some(ecs), ..profile });
}

impl Team {
    /// Calls ECS as another program would.
    pub async fn ecs(&self, operation: &str, input: Value) -> Value {
        let target = format!("AmazonEC2ContainerServiceV20141113.{operation}");
        self.admin.json("ecs", &target, input).await
    }

    /// Makes the cluster of tasks, in which these images stand for programs, or for what the clock does.
    pub async fn task_cluster(&self, images: Value) {
        self.admin.task_pace(json!({ "speed": SPEED })).await;
        let providers = ["FARGATE", "FARGATE_SPOT"];
        self.ecs("CreateCluster", json!({ "clusterName": CLUSTER, "capacityProviders": providers })).await;
        self.admin.images(images).await;
    }

    /// Every task that ECS shows, the oldest first; none where there is no cluster.
    pub async fn tasks(&self) -> Vec<Value> {
        let there = self.ecs("DescribeClusters", json!({ "clusters": [CLUSTER] })).await;
        if there["clusters"].as_array().is_none_or(Vec::is_empty) {
            return Vec::new();
        }
        let mut arns: Vec<Value> = Vec::new();
        for desired in ["RUNNING", "STOPPED"] {
            let answer = self.ecs("ListTasks", json!({ "cluster": CLUSTER, "desiredStatus": desired })).await;
            arns.extend(answer["taskArns"].as_array().cloned().unwrap_or_default());
        }
        if arns.is_empty() {
            return Vec::new();
        }
        let input = json!({ "cluster": CLUSTER, "tasks": arns, "include": ["TAGS"] });
        let mut tasks =
            self.ecs("DescribeTasks", input).await["tasks"].as_array().cloned().unwrap_or_default();
        tasks.sort_by_key(|task| task["createdAt"].to_string());
        tasks
    }

    /// The tasks that work for a run.
    pub async fn tasks_of(&self, run: &str) -> Vec<Value> {
        let mut tasks = self.tasks().await;
        tasks.retain(|task| run_of(task) == Some(run));
        tasks
    }
}

/// The run that a task works for, by what its environment says.
pub(crate) fn run_of(task: &Value) -> Option<&str> {
    let environment = task["overrides"]["containerOverrides"][0]["environment"].as_array()?;
    environment.iter().find(|one| one["name"] == "MIZUUMI_RUN")?["value"].as_str()
}
