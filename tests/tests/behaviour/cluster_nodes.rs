//! What of a running cluster's nodes is changed without another cluster: settings of groups, scaling by rules, fleets.

use aws_sdk_emr::types::InstanceGroup;
use mizuumi_tests::{Controller, Team, said_of, with_clusters};
use serde_json::{Value, json};

/// A master and a core group with more said of it.
fn groups(more: Value) -> Value {
    let mut core = json!({ "name": "core", "role": "Core", "instanceType": "m6g.xlarge", "count": 2 });
    json_patch::merge(&mut core, &more);
    json!([{ "name": "master", "role": "Master", "instanceType": "m6g.xlarge" }, core])
}

async fn core_of(team: &Team, id: &str) -> InstanceGroup {
    let answer = team.aws.emr.list_instance_groups().cluster_id(id).send().await.expect("the groups");
    let mut groups = answer.instance_groups.unwrap_or_default().into_iter();
    groups.find(|group| group.name() == Some("core")).expect("a core group")
}

/// Waits until EMR has the core group as expected.
async fn core_until(team: &Team, id: &str, what: &str, expected: impl Fn(&InstanceGroup) -> bool) {
    team.eventually("adhoc", what, async || {
        anyhow::ensure!(expected(&core_of(team, id).await), "the group is not so");
        Ok(())
    })
    .await;
}

async fn started(team: &Team, spec: Value) -> String {
    let mut whole = json!({ "lifecycle": "WhenNeeded" });
    json_patch::merge(&mut whole, &spec);
    team.create_cluster("adhoc", whole).await;
    team.need("adhoc", true).await;
    team.cluster_reason("adhoc", "Running").await.status.expect("a status").cluster_id.expect("an id")
}

#[tokio::test]
async fn settings_of_a_group_are_taken_up_by_the_running_cluster() {
    let team = Team::new("nodes-settings").await;
    let _controller = Controller::with(&team, with_clusters).await;
    let mandatory = json!([{ "classification": "yarn-site", "properties": { "m": "class" } }]);
    team.class(json!({ "mandatory": { "configurations": mandatory } })).await;
    let settings = |value: &str| {
        let properties = json!({ "a": value, "m": value });
        groups(json!({ "configurations": [{ "classification": "yarn-site", "properties": properties }] }))
    };
    let id = started(&team, json!({ "instanceGroups": settings("1") })).await;
    let has = |value: &'static str| {
        move |core: &InstanceGroup| {
            let properties = core.configurations().first().and_then(|one| one.properties());
            let of = |name: &str| properties.and_then(|all| all.get(name)).map(String::as_str);
            of("a") == Some(value) && of("m") == Some("class")
        }
    };
    assert!(has("1")(&core_of(&team, &id).await), "the class's settings win");
    team.patch_cluster("adhoc", json!({ "spec": { "instanceGroups": settings("2") } })).await;
    core_until(&team, &id, "other settings", has("2")).await;
    team.patch_cluster("adhoc", json!({ "spec": { "instanceGroups": groups(json!({})) } })).await;
    core_until(&team, &id, "none of its own", |core| core.configurations().is_empty()).await;
    let kept = team.cluster_reason("adhoc", "Running").await;
    assert_eq!(kept.status.as_ref().and_then(|status| status.cluster_id.clone()), Some(id));
    assert!(!said_of(&kept).contains("earlier spec"), "{}", said_of(&kept));
}

#[tokio::test]
async fn a_group_scales_by_its_rules_and_its_count_is_never_drift() {
    let team = Team::new("nodes-scaling").await;
    let scales = |installation: &mut mizuumi_api::Installation| {
        with_clusters(installation);
        let profile = installation.profiles.get_mut("default").expect("a profile");
        profile.emr.as_mut().expect("EMR").auto_scaling_role = Some("EMR_AutoScaling_DefaultRole".to_owned());
    };
    let _controller = Controller::with(&team, scales).await;
    team.class(json!({ "rules": { "maxCore": 5 } })).await;
    let policy = |max: i64| {
        let when =
            json!({ "metric": "YARNMemoryAvailablePercentage", "is": "LessThan", "threshold": "15.50" });
        let rules = json!([{ "name": "grow", "adjustBy": 1, "coolDownSeconds": 300, "when": when }]);
        groups(json!({ "autoScaling": { "min": 1, "max": max, "rules": rules } }))
    };
    let id = started(&team, json!({ "instanceGroups": policy(4) })).await;
    let core = core_of(&team, &id).await;
    let most = |core: &InstanceGroup| core.auto_scaling_policy()?.constraints()?.max_capacity();
    assert_eq!((most(&core), core.requested_instance_count()), (Some(4), Some(2)));

    // As EMR would: the group grows, and stays so while its policy is changed.
    let grown = aws_sdk_emr::types::InstanceGroupModifyConfig::builder()
        .instance_group_id(core.id().expect("an id"))
        .instance_count(4)
        .build();
    team.aws
        .emr
        .modify_instance_groups()
        .cluster_id(&id)
        .instance_groups(grown)
        .send()
        .await
        .expect("it grows");
    team.patch_cluster("adhoc", json!({ "spec": { "instanceGroups": policy(5) } })).await;
    core_until(&team, &id, "another policy", |core| most(core) == Some(5)).await;
    team.cluster_reason("adhoc", "Running").await;
    assert_eq!(core_of(&team, &id).await.requested_instance_count(), Some(4));

    team.patch_cluster("adhoc", json!({ "spec": { "instanceGroups": policy(6) } })).await;
    let refused = team.cluster_reason("adhoc", "RuleBroken").await;
    assert!(said_of(&refused).contains("maxCore: at most 5 core nodes are allowed; there may be 6"));

    team.patch_cluster("adhoc", json!({ "spec": { "instanceGroups": groups(json!({})) } })).await;
    let is_as_said =
        |core: &InstanceGroup| most(core).is_none() && core.requested_instance_count() == Some(2);
    core_until(&team, &id, "no policy, and its count again", is_as_said).await;
    assert_eq!(team.emr().await["started"], 1);
}

#[tokio::test]
async fn a_fleet_is_resized_while_the_cluster_runs() {
    let team = Team::new("nodes-fleet").await;
    let _controller = Controller::with(&team, with_clusters).await;
    team.class(json!({})).await;
    let fleets = |on_demand: i64, spot: i64| {
        let types = json!([{ "instanceType": "m6g.xlarge" }]);
        json!([
            { "name": "master", "role": "Master", "targetOnDemand": 1, "instanceTypes": types },
            { "name": "core", "role": "Core", "targetOnDemand": on_demand, "targetSpot": spot, "instanceTypes": types },
        ])
    };
    let id = started(&team, json!({ "instanceFleets": fleets(2, 0) })).await;
    team.patch_cluster("adhoc", json!({ "spec": { "instanceFleets": fleets(1, 3) } })).await;
    team.eventually("adhoc", "other targets", async || {
        let answer = team.aws.emr.list_instance_fleets().cluster_id(&id).send().await?;
        let core = answer.instance_fleets().iter().find(|fleet| fleet.name() == Some("core"));
        let targets = core.map(|fleet| (fleet.target_on_demand_capacity(), fleet.target_spot_capacity()));
        anyhow::ensure!(targets == Some((Some(1), Some(3))), "{targets:?}");
        Ok(())
    })
    .await;
    let running = team.cluster_reason("adhoc", "Running").await;
    assert_eq!(running.status.and_then(|status| status.cluster_id), Some(id));
}
