//! `mizuumi import emr` writes a manifest of a cluster, and `mizuumi plan` says of the cluster that it was made of: No changes.

use mizuumi_tests::{Controller, Planned, Team, with_clusters};
use serde_json::{Value, json};

async fn import(team: &Team, config: &str, arguments: &[&str]) -> Planned {
    team.run(
        &[&["import", "emr", "--config", config, "--namespace", &team.namespace], arguments].concat(),
        "",
    )
    .await
}

fn nodes() -> Value {
    let disks = json!({ "volumes": [{ "type": "gp3", "sizeGib": 100, "perInstance": 2 }, { "type": "gp3", "sizeGib": 50 }] });
    json!([
        { "name": "master", "role": "Master", "instanceType": "m6g.xlarge" },
        { "name": "core", "role": "Core", "instanceType": "r6g.xlarge", "count": 2, "ebs": disks },
        { "name": "task", "role": "Task", "instanceType": "r6g.xlarge", "count": 0, "market": "Spot" },
    ])
}

#[tokio::test]
async fn a_cluster_is_imported_and_plans_to_no_changes() {
    let team = Team::new("import-emr").await;
    team.quick_clusters().await;
    team.class(json!({ "mandatory": { "tags": { "cost": "lake" } } })).await;
    let installation = {
        let mut installation = team.installation();
        with_clusters(&mut installation);
        installation
    };
    let script = format!("s3://{}/setup.sh", team.aws.bucket);
    let spec = json!({
        "applications": ["Spark", "Hive"],
        "configurations": [
            { "classification": "spark-defaults", "properties": { "spark.executor.memory": "4g" } },
            { "classification": "spark-env", "configurations": [{ "classification": "export", "properties": { "X": "1" } }] },
        ],
        "bootstrapActions": [{ "name": "setup", "path": script, "args": ["a b"] }],
        "instanceGroups": nodes(),
        "managedScaling": { "min": 2, "max": 9, "maxOnDemand": 3 },
        "stepConcurrency": 4,
        "tags": { "team": "a" },
    });
    let controller = Controller::with(&team, with_clusters).await;
    team.create_needed("adhoc", spec).await;
    let running = team.cluster_reason("adhoc", "Running").await;
    drop(controller);
    let id = running.status.and_then(|status| status.cluster_id).expect("a cluster");
    let config = team.configuration_of("emr", &installation);
    let folder = team.folder().join("imported");
    let to = folder.to_string_lossy().into_owned();
    let told = import(&team, &config, &[&id, "-o", &to]).await;
    assert_eq!(told.code, 0, "{told:?}");
    assert!(
        told.err.contains("as EmrCluster 'adhoc'"),
        "it is called as the one that made it:\n{}",
        told.err
    );
    let planned = team.plan_folder(&installation, &folder, &["--detailed-exitcode"]).await;
    assert_eq!(
        (planned.code, planned.out.as_str()),
        (0, "No changes. AWS matches the manifests (1 looked at).\n"),
        "the cluster that runs is the one that the manifest says"
    );

    let path = folder.join("adhoc.yaml");
    let text = std::fs::read_to_string(&path).expect("a manifest");
    std::fs::write(&path, text.replace("stepConcurrency: 4", "stepConcurrency: 5").replace("4g", "5g"))
        .expect("the manifest is written");
    let planned = team.plan_folder(&installation, &folder, &["--detailed-exitcode"]).await;
    assert_eq!(planned.code, 2, "{planned:?}");
    for part in
        ["~ update cluster", "step concurrency 4 -> 5", "the next one follows the manifest", "1 to change"]
    {
        assert!(planned.out.contains(part), "no {part:?} in\n{}", planned.out);
    }

    // Another class has it otherwise, and that is told.
    let class = json!({
        "apiVersion": "mizuumi.dev/v1alpha1", "kind": "EmrClusterClass", "metadata": { "name": "strict" },
        "spec": { "allowedNamespaces": ["*"], "mandatory": { "tags": { "cost": "other" } } },
    });
    let strict = team.folder().join("strict.yaml");
    std::fs::write(&strict, serde_saphyr::to_string(&class).expect("YAML")).expect("the class is written");
    let strict = strict.to_string_lossy().into_owned();
    let other = import(&team, &config, &[&id, "-o", "-", "--class", "strict", "-f", &strict]).await;
    assert_eq!(other.code, 2, "{other:?}");
    assert!(other.err.contains(r#"tags: it has {"cost":"lake","#), "{}", other.err);
    assert!(
        other.out.contains("className: strict") && other.out.starts_with("# The next cluster"),
        "{}",
        other.out
    );
    let none = import(&team, &config, &["j-NOTTHERE", "-o", "-"]).await;
    assert!(none.code == 1 && none.err.contains("check the region and the account"), "{none:?}");
}
