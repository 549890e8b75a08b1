//! EMR clusters: started when they are due, changed while they run, ended when they are not needed; one, always.

use std::fs;
use std::path::Path;

use anyhow::ensure;
use aws_sdk_emr::types::AutoTerminationPolicy;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use mizuumi_api::emr_cluster::Phase;
use mizuumi_api::{EmrCluster, EmrClusterClass, Installation};
use mizuumi_tests::{Controller, Team, said_of, with_clusters};
use serde_json::{Value, json};

/// How many clusters were ever started in the account, and how many live.
async fn counts(team: &Team) -> (u64, u64) {
    let emr = team.emr().await;
    let number = |name: &str| emr[name].as_u64().expect("a number");
    assert_eq!(number("duplicates"), 0, "{emr:#}");
    (number("started"), number("alive"))
}

#[tokio::test]
async fn a_batch_cluster_does_its_steps_and_is_completed() {
    let team = Team::new("batch").await;
    let _controller = Controller::with(&team, with_clusters).await;
    team.class(json!({})).await;
    team.create_batch("nightly", &["first", "second"]).await;
    let done = team.cluster_reason("nightly", "Completed").await;
    let status = done.status.clone().expect("a status");
    assert_eq!(status.phase, Some(Phase::Completed));
    assert_eq!(status.emr_state.as_deref(), Some("TERMINATED"));
    let steps = status.steps.expect("steps");
    assert_eq!((steps.completed, steps.failed, steps.pending), (2, 0, 0));
    assert_eq!(status.history.len(), 1);
    assert!(status.log_uri.is_some_and(|uri| uri.starts_with("s3://logs/emr/j-")));
    assert_eq!(counts(&team).await, (1, 0));
    team.delete_cluster("nightly").await;
    team.cluster_gone("nightly").await;
    assert_eq!(counts(&team).await, (1, 0), "what is completed is not started again");
}

#[tokio::test]
async fn a_step_that_fails_is_told_with_its_log_and_the_cluster_is_not_started_again() {
    let team = Team::new("failing").await;
    let _controller = Controller::with(&team, with_clusters).await;
    team.class(json!({})).await;
    team.create_batch("nightly", &["broken"]).await;
    let failed = team.cluster_reason("nightly", "ClusterFailed").await;
    assert!(said_of(&failed).contains("step 'broken'"), "{}", said_of(&failed));
    assert_eq!(failed.status.expect("a status").phase, Some(Phase::Failed));
    assert_eq!(counts(&team).await, (1, 0));
}

#[tokio::test]
async fn a_cluster_runs_while_it_is_needed() {
    let team = Team::new("needed").await;
    let _controller = Controller::with(&team, with_clusters).await;
    team.class(json!({})).await;
    team.create_cluster("adhoc", json!({ "lifecycle": "WhenNeeded" })).await;
    team.cluster_reason("adhoc", "Stopped").await;
    assert_eq!(counts(&team).await, (0, 0));
    team.need("adhoc", true).await;
    let running = team.cluster_reason("adhoc", "Running").await;
    assert_eq!(running.status.expect("a status").phase, Some(Phase::Waiting));
    team.need("adhoc", false).await;
    let stopped = team.cluster_reason("adhoc", "Stopped").await;
    let status = stopped.status.expect("a status");
    assert_eq!((status.phase, status.history.len()), (Some(Phase::Stopped), 1));
    team.need("adhoc", true).await;
    team.cluster_reason("adhoc", "Running").await;
    assert_eq!(counts(&team).await, (2, 1));
}

#[tokio::test]
async fn what_a_running_cluster_can_change_is_changed_without_another() {
    let team = Team::new("changes").await;
    let _controller = Controller::with(&team, with_clusters).await;
    team.class(json!({})).await;
    team.create_needed("adhoc", json!({ "tags": { "team": "a" } })).await;
    let before = team.cluster_reason("adhoc", "Running").await.status.expect("a status").cluster_id;
    let groups = json!([
        { "name": "master", "role": "Master", "instanceType": "m6g.xlarge" },
        { "name": "core", "role": "Core", "instanceType": "m6g.xlarge", "count": 4 },
    ]);
    let spec = json!({
        "stepConcurrency": 5, "idleTimeout": "2h", "tags": { "team": "b" }, "terminationProtection": true,
        "instanceGroups": groups,
    });
    team.patch_cluster("adhoc", json!({ "spec": spec })).await;
    let id = before.clone().expect("an id");
    let changed = team
        .cluster_until("adhoc", "four core nodes", |cluster| {
            let groups = cluster.status.as_ref().map(|status| status.groups.clone()).unwrap_or_default();
            groups.iter().any(|group| group.name == "core" && group.running == 4)
        })
        .await;
    assert_eq!(changed.status.expect("a status").cluster_id, before);
    team.cluster_reason("adhoc", "Running").await;
    let answer = team.aws.emr.describe_cluster().cluster_id(&id).send().await.expect("the cluster");
    let cluster = answer.cluster().expect("the cluster");
    assert_eq!(cluster.step_concurrency_level(), Some(5));
    assert_eq!(cluster.termination_protected(), Some(true));
    assert!(cluster.tags().iter().any(|tag| tag.key() == Some("team") && tag.value() == Some("b")));
    let policy = team.aws.emr.get_auto_termination_policy().cluster_id(&id).send().await.expect("the policy");
    assert_eq!(policy.auto_termination_policy().and_then(AutoTerminationPolicy::idle_timeout), Some(7200));
    // Protected from others, not from its own resource.
    team.delete_cluster("adhoc").await;
    team.cluster_gone("adhoc").await;
    assert_eq!(counts(&team).await, (1, 0));
}

#[tokio::test]
async fn a_change_that_a_running_cluster_cannot_follow_waits_or_recreates_as_the_spec_says() {
    let team = Team::new("replace").await;
    let _controller = Controller::with(&team, with_clusters).await;
    team.class(json!({})).await;
    team.create_needed("adhoc", json!({})).await;
    let first = team.cluster_reason("adhoc", "Running").await.status.expect("a status").cluster_id;
    team.patch_cluster("adhoc", json!({ "spec": { "releaseLabel": "emr-7.6.0" } })).await;
    let kept = team.cluster_reason("adhoc", "Running").await;
    assert!(said_of(&kept).contains("earlier spec"), "{}", said_of(&kept));
    assert_eq!(kept.status.expect("a status").cluster_id, first);
    team.patch_cluster("adhoc", json!({ "spec": { "onSpecChange": "WhenIdle" } })).await;
    let second = team
        .cluster_until("adhoc", "another cluster that waits", |cluster| {
            let status = cluster.status.as_ref();
            status.is_some_and(|status| status.phase == Some(Phase::Waiting) && status.cluster_id != first)
        })
        .await;
    let release = team
        .aws
        .emr
        .describe_cluster()
        .cluster_id(second.status.expect("a status").cluster_id.expect("an id"))
        .send()
        .await
        .expect("the cluster");
    assert_eq!(release.cluster().and_then(|cluster| cluster.release_label()), Some("emr-7.6.0"));
    assert_eq!(counts(&team).await, (2, 1));
}

#[tokio::test]
async fn the_rules_of_a_class_refuse_with_the_rule_and_the_value() {
    let team = Team::new("rules").await;
    let _controller = Controller::with(&team, with_clusters).await;
    team.create_needed("adhoc", json!({})).await;
    team.cluster_reason("adhoc", "ClassNotFound").await;
    let rules =
        json!({ "maxCore": 1, "releases": ["emr-6.*"], "requiredTags": ["team"], "minStorageGib": 1250 });
    team.class(json!({ "rules": rules })).await;
    let refused = team.cluster_reason("adhoc", "RuleBroken").await;
    for words in [
        "maxCore: at most 1 core nodes are allowed; there may be 2",
        "spec.releaseLabel is 'emr-7.5.0'",
        "the tag 'team' is missing",
        "minStorageGib: each node must have disks of 1250 GiB; instance group 'core' has 0 GiB",
    ] {
        assert!(said_of(&refused).contains(words), "{words}: {}", said_of(&refused));
    }
    assert_eq!(counts(&team).await, (0, 0));
    let script = json!([{ "name": "a", "path": "s3://elsewhere/a.sh" }]);
    team.patch_cluster("adhoc", json!({ "spec": { "bootstrapActions": script } })).await;
    let refused = team.cluster_reason("adhoc", "NotAllowed").await;
    assert!(said_of(&refused).contains("spec.bootstrapActions[0].path"), "{}", said_of(&refused));
    team.class(json!({ "rules": { "maxCore": 2 } })).await;
    assert_eq!(counts(&team).await, (0, 0));
    team.patch_cluster("adhoc", json!({ "spec": { "bootstrapActions": null } })).await;
    team.cluster_reason("adhoc", "Running").await;
    // Who runs goes on when the class goes, and ends when it is not needed any more.
    team.delete_class().await;
    team.cluster_reason("adhoc", "ClassNotFound").await;
    assert_eq!(counts(&team).await, (1, 1));
    team.need("adhoc", false).await;
    team.cluster_reason("adhoc", "Stopped").await;
    assert_eq!(counts(&team).await, (1, 0));
}

#[tokio::test]
async fn a_released_cluster_goes_on_without_marks() {
    let team = Team::new("released").await;
    let _controller = Controller::with(&team, with_clusters).await;
    team.class(json!({})).await;
    team.create_needed("adhoc", json!({ "deletionPolicy": "Retain", "tags": { "team": "a" } })).await;
    let status = team.cluster_reason("adhoc", "Running").await.status.expect("a status");
    team.delete_cluster("adhoc").await;
    team.cluster_gone("adhoc").await;
    assert_eq!(counts(&team).await, (1, 1));
    let id = status.cluster_id.expect("an id");
    let answer = team.aws.emr.describe_cluster().cluster_id(id).send().await.expect("the cluster");
    let tags: Vec<_> =
        answer.cluster().expect("the cluster").tags().iter().filter_map(|tag| tag.key()).collect();
    assert_eq!(tags, ["team"]);
}

#[tokio::test]
async fn pieces_in_config_maps_are_put_together_and_followed() {
    let team = Team::new("pieces").await;
    let _controller = Controller::with(&team, with_clusters).await;
    let mandatory =
        json!([{ "classification": "hive-site", "properties": { "hive.merge.smallfiles.avgsize": "1" } }]);
    team.class(json!({ "mandatory": { "configurations": mandatory } })).await;
    team.create_needed(
        "adhoc",
        json!({ "configurationsFrom": [{ "configMap": "tuning" }], "onSpecChange": "Recreate" }),
    )
    .await;
    let waits = team.cluster_reason("adhoc", "ConfigMapNotFound").await;
    assert!(said_of(&waits).contains("'tuning'"), "{}", said_of(&waits));
    let says = |memory: &str| {
        json!({
            "spark-defaults.conf": format!("# memory\nspark.executor.memory {memory}\n"),
            "hive.json": r#"[{"Classification": "hive-site", "Properties": {"hive.merge.smallfiles.avgsize": "9"}}]"#,
        })
    };
    team.config_map("tuning", says("4g")).await;
    let first = team.cluster_reason("adhoc", "Running").await.status.expect("a status").cluster_id;
    team.config_map("tuning", says("8g")).await;
    let second = team
        .cluster_until("adhoc", "another cluster that waits", |cluster| {
            let status = cluster.status.as_ref();
            status.is_some_and(|status| status.phase == Some(Phase::Waiting) && status.cluster_id != first)
        })
        .await;
    let id = second.status.expect("a status").cluster_id.expect("an id");
    let answer = team.aws.emr.describe_cluster().cluster_id(id).send().await.expect("the cluster");
    let of = |classification: &str, property: &str| {
        let all = answer.cluster().expect("the cluster").configurations();
        let found = all.iter().find(|one| one.classification() == Some(classification));
        found.and_then(|one| one.properties()?.get(property)).cloned()
    };
    assert_eq!(of("spark-defaults", "spark.executor.memory").as_deref(), Some("8g"));
    assert_eq!(of("hive-site", "hive.merge.smallfiles.avgsize").as_deref(), Some("1"), "the platform's wins");
    assert_eq!(counts(&team).await, (2, 1));
}

/// What a cluster has besides its nodes, every field of it.
fn everything() -> Value {
    json!({
        "releaseLabel": "emr-7.6.0", "applications": ["Hive", "Spark", "Trino"], "stepConcurrency": 7,
        "idleTimeout": "6d", "maxAge": "7d", "terminationProtection": true, "tags": { "team": "a" },
        "configurations": [
            { "classification": "hive-site", "properties": { "a": "1" } },
            { "classification": "spark-env", "configurations": [{ "classification": "export", "properties": { "X": "1" } }] },
        ],
    })
}

#[tokio::test]
async fn what_emr_makes_of_each_field_needs_no_change() {
    let team = Team::new("fields").await;
    let _controller = Controller::with(&team, with_clusters).await;
    team.class(json!({})).await;
    let script = json!([{ "name": "b", "path": format!("s3://{}/b.sh", team.aws.bucket), "args": ["1"] }]);
    let groups = json!({
        "bootstrapActions": script,
        "instanceGroups": [
            { "name": "m", "role": "Master", "instanceType": "m6g.xlarge", "count": 3 },
            { "name": "c", "role": "Core", "instanceType": "r6g.xlarge", "count": 2,
              "ebs": { "volumes": [{ "type": "gp3", "sizeGib": 100, "iops": 3000, "throughput": 125, "perInstance": 2 }] } },
            { "name": "t", "role": "Task", "instanceType": "r6g.xlarge", "count": 1, "market": "Spot" },
        ],
    });
    let fleets = json!({
        "managedScaling": { "min": 2, "max": 9, "maxOnDemand": 3 },
        "instanceFleets": [
            { "name": "m", "role": "Master", "targetOnDemand": 1, "instanceTypes": [{ "instanceType": "m6g.xlarge" }] },
            { "name": "c", "role": "Core", "targetOnDemand": 1, "targetSpot": 3, "spotAllocation": "Diversified",
              "spotTimeoutMinutes": 30, "spotTimeoutAction": "TerminateCluster",
              "instanceTypes": [{ "instanceType": "r6g.xlarge", "weight": 2, "bidPercentage": 60 }] },
        ],
    });
    let scaled = json!({ "managedScaling": { "unit": "Vcpu", "min": 2, "max": 9, "maxCore": 4 } });
    let all = [("groups", groups), ("fleets", fleets), ("scaled", scaled), ("usual", json!({}))];
    for (name, nodes) in &all {
        let mut spec = if *name == "usual" { json!({}) } else { everything() };
        json_patch::merge(&mut spec, nodes);
        team.create_needed(name, spec).await;
    }
    for (name, _) in &all {
        team.cluster_reason(name, "Running").await;
    }
    let since = team.admin.seq().await;
    team.eventually("groups", "some more looks", async || {
        ensure!(team.admin.count("ListClusters", since).await >= 3, "not yet");
        Ok(())
    })
    .await;
    let writes = team.admin.writes().await;
    let writes: Vec<&str> = writes.iter().map(|write| write.operation.as_str()).collect();
    assert_eq!(writes, ["RunJobFlow"; 4]);
}

#[tokio::test]
async fn the_examples_are_applied_as_they_stand_and_run_or_are_done() {
    let team = Team::new("emr-examples").await;
    let folder = Path::new("../examples/emr");
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("an example");
    let example = Installation::from_yaml(&read("mizuumi.yaml")).expect("the example's configuration");
    let _controller = Controller::with(&team, |installation| {
        with_clusters(installation);
        installation.installation = example.installation;
        installation.profiles = example.profiles;
        installation.allow = example.allow;
    })
    .await;
    team.quick_clusters().await;
    let classes = Api::<EmrClusterClass>::all(team.client.clone());
    let class: Value = serde_saphyr::from_str(&read("class.yaml")).expect("YAML");
    let apply = PatchParams::apply("tests").force();
    classes.patch("standard", &apply, &Patch::Apply(class)).await.expect("the class is accepted");
    for file in ["nightly.yaml", "resident.yaml", "flights.yaml"] {
        let cluster: EmrCluster = serde_saphyr::from_str(&read(file)).expect("a cluster");
        let made = team.clusters().create(&PostParams::default(), &cluster).await;
        made.unwrap_or_else(|error| panic!("{file} is refused: {error}"));
    }
    for batch in ["nightly", "busiest-routes"] {
        team.cluster_reason(batch, "Completed").await;
    }
    // On working days only; whatever today is, it is wanted from midnight on.
    let always = json!({ "start": "0 0 * * *", "stop": "0 0 1 1 *", "timeZone": "Asia/Tokyo" });
    team.patch_cluster("resident", json!({ "spec": { "schedule": always } })).await;
    let running = team.cluster_reason("resident", "Running").await;
    assert_eq!(running.status.expect("a status").phase, Some(Phase::Waiting));
    assert_eq!(counts(&team).await, (3, 1));
    team.delete_cluster("resident").await;
    team.cluster_gone("resident").await;
}
