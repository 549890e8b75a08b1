//! Commands where something is missing: no cluster, no AWS, another region, no permission, no patience. Each says what, and what to do.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::time::Duration;

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::Api;
use kube::api::PostParams;
use kube::config::Kubeconfig;
use mizuumi_tests::{Team, binary};
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

/// A kubeconfig of a cluster that is not there.
const NOWHERE: &str = "
apiVersion: v1
kind: Config
current-context: nowhere
contexts: [{name: nowhere, context: {cluster: nowhere, user: me, namespace: nyc}}]
clusters: [{name: nowhere, cluster: {server: 'http://127.0.0.1:9'}}]
users: [{name: me, user: {token: none}}]
";

#[tokio::test]
async fn without_a_cluster_each_command_says_so() {
    let team = Team::new("no-cluster").await;
    let kubeconfig = team.folder().join("nowhere.yaml");
    std::fs::write(&kubeconfig, NOWHERE).expect("the kubeconfig is written");
    let kubeconfig = kubeconfig.to_string_lossy().into_owned();
    for command in [
        &["status", "-A"][..],
        &["freshness", "-A"],
        &["explain", "dtbl/orders"],
        &["describe", "dtbl/orders"],
        &["lineage", "orders"],
        &["suspend", "dtbl/orders"],
        &["run", "nightly"],
    ] {
        let told = team.run(&[command, &["--kubeconfig", &kubeconfig]].concat(), "").await;
        assert_eq!((told.code, told.out.as_str()), (1, ""), "{command:?}: {told:?}");
        assert!(
            told.err.starts_with("error: ") && told.err.lines().count() == 1,
            "{command:?}: {}",
            told.err
        );
        for part in ["the Kubernetes API cannot be reached", "kubectl cluster-info", "Connection refused"] {
            assert!(told.err.contains(part), "{command:?}: no {part:?} in {}", told.err);
        }
    }
    let none = team.run(&["status", "--kubeconfig", "/nowhere/at/all"], "").await;
    assert!(
        none.code == 1 && none.err.contains("set KUBECONFIG") && none.err.contains("/nowhere/at/all"),
        "{none:?}"
    );
    let context = team.run(&["status", "--context", "another", "--kubeconfig", &kubeconfig], "").await;
    assert!(context.code == 1 && context.err.contains("another"), "{context:?}");
}

#[tokio::test]
async fn without_aws_or_in_another_region_or_without_permission_a_plan_says_what_could_not_be_read() {
    let team = Team::new("no-aws").await;
    let manifest = serde_saphyr::to_string(&team.manifest("orders", json!({}))).expect("YAML");
    let plan = async |config: &str| team.run(&["plan", "--config", config, "-f", "-"], &manifest).await;
    let mut installation = team.installation();
    installation.aws.endpoint_url = Some("http://127.0.0.1:9".to_owned());
    let away = plan(&team.configuration_of("away", &installation)).await;
    assert_eq!(away.code, 1, "{away:?}");
    for part in [
        "orders could not be looked at",
        "glue:GetTables failed",
        "Plan: 0 to create, 0 to change; 0 blocked, 1 with errors.",
    ] {
        assert!(away.out.contains(part), "no {part:?} in\n{}", away.out);
    }
    let mut installation = team.installation();
    installation.aws.region = "ap-northeast-1".to_owned();
    let config = team.configuration_of("elsewhere", &installation);
    let elsewhere = plan(&config).await;
    assert!(elsewhere.code == 1 && elsewhere.out.contains("DatabaseNotFound"), "{elsewhere:?}");
    let imported =
        team.run(&["import", "glue", &team.aws.database, "-o", "-", "--config", &config], "").await;
    assert!(imported.code == 1 && imported.err.contains("check the region and the account"), "{imported:?}");

    team.admin.fault(json!({ "action": "denied" })).await;
    let config = team.configuration("denied");
    let denied = plan(&config).await;
    assert_eq!(denied.code, 1, "{denied:?}");
    let table = format!("{}.orders could not be looked at", team.aws.database);
    for part in [
        table.as_str(),
        "glue:GetTables failed: AccessDeniedException",
        "allow it to the role of this profile",
    ] {
        assert!(denied.out.contains(part), "no {part:?} in\n{}", denied.out);
    }
    let imported =
        team.run(&["import", "glue", &team.aws.database, "-o", "-", "--config", &config], "").await;
    let database = format!("database '{}': glue:GetTables failed", team.aws.database);
    assert!(imported.code == 1 && imported.err.contains(&database), "{imported:?}");
}

#[tokio::test]
async fn an_interrupt_ends_a_command_that_waits() {
    let team = Team::new("interrupt").await;
    team.create(
        "orders",
        json!({ "freshness": { "sources": [{ "type": "Reported" }], "maxAge": { "error": "1h" } } }),
    )
    .await;
    let mut child = Command::new(binary())
        .args(["wait", "orders", "--covers", "2026-11-01T00:00:00Z", "--namespace", &team.namespace])
        .envs(team.stand.variables())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("mizuumi starts");
    // It says that it waits once it does.
    let mut first = [0; 1];
    child.stderr.as_mut().expect("standard error").read_exact(&mut first).await.expect("it says something");
    let id = child.id().expect("it runs").to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status().await.expect("kill");
    assert!(sent.success());
    let ended =
        tokio::time::timeout(Duration::from_secs(10), child.wait()).await.expect("at once").expect("it ends");
    assert_eq!(ended.signal(), Some(2), "as a shell expects it: {ended:?}");
}

#[tokio::test]
async fn a_check_before_the_start_tells_what_is_there_and_what_is_not() {
    let team = Team::new("pre").await;
    let check = async |config: &str| team.run(&["check", "--pre", "--config", config], "").await;
    let told = check(&team.configuration("pre")).await;
    assert_eq!(told.code, 0, "{told:?}");
    for part in [
        "ok     datatables.mizuumi.dev is there and current",
        &format!("ok     may do what a controller does in namespaces {}", team.namespace),
        &format!("ok     account {}", team.account),
        &format!("ok     s3://{}/", team.aws.bucket),
        "Writes are not tried",
    ] {
        assert!(told.out.contains(part), "no {part:?} in\n{}", told.out);
    }
    let mut installation = team.installation();
    installation.allow.databases.push("nowhere".to_owned());
    let told = check(&team.configuration_of("amiss", &installation)).await;
    assert_eq!(told.code, 2, "{told:?}");
    assert!(
        told.out.contains("amiss  Glue database 'nowhere'\n         there is none in this region"),
        "{}",
        told.out
    );
    let both = team.run(&["check", "orders", "--pre"], "").await;
    assert_eq!(both.code, 2, "{both:?}");
    assert!(both.err.contains("cannot be used with"), "{}", both.err);
    assert_eq!(team.admin.writes().await.len(), 0);
}

/// A kubeconfig of the stand, for an account that may do what the rules of the charts allow but for the Lease and the definitions.
async fn without_lease_and_definitions(team: &Team) -> String {
    let namespace = &team.namespace;
    let rules = json!([
        { "apiGroups": ["mizuumi.dev", "batch", "", "events.k8s.io"], "resources": ["*"], "verbs": ["*"] },
        { "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get"], "resourceNames": ["mizuumi"] },
    ]);
    let name = json!({ "name": namespace });
    let role: ClusterRole =
        serde_json::from_value(json!({ "metadata": name, "rules": rules })).expect("a role");
    let binding: ClusterRoleBinding = serde_json::from_value(json!({
        "metadata": name,
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": namespace },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": namespace }],
    }))
    .expect("a binding");
    Api::all(team.client.clone()).create(&PostParams::default(), &role).await.expect("the role is made");
    Api::all(team.client.clone()).create(&PostParams::default(), &binding).await.expect("it is bound");
    let mut kubeconfig = Kubeconfig::read_from(team.stand.kubeconfig()).expect("the stand's kubeconfig");
    for user in &mut kubeconfig.auth_infos {
        if let Some(user) = &mut user.auth_info {
            user.impersonate = Some(namespace.clone());
        }
    }
    let path = team.folder().join("impersonated.yaml");
    std::fs::write(&path, serde_json::to_string(&kubeconfig).expect("JSON")).expect("it is written");
    path.to_string_lossy().into_owned()
}

#[tokio::test]
async fn a_check_before_the_start_asks_for_the_lease_and_the_definitions_too() {
    let team = Team::new("pre-rights").await;
    let kubeconfig = without_lease_and_definitions(&team).await;
    let config = team.configuration("pre-rights");
    let check = ["check", "--pre", "--config", &config, "--kubeconfig", &kubeconfig];
    let lease = format!("{}/mizuumi", team.namespace);
    let told = team.run(&[&check[..], &["--lease", &lease]].concat(), "").await;
    assert_eq!(told.code, 2, "{told:?}");
    let words = told.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "may not get customresourcedefinitions.apiextensions.k8s.io 'datatables.mizuumi.dev',",
        "watch customresourcedefinitions.apiextensions.k8s.io 'qualitychecks.mizuumi.dev'",
        &format!("update leases.coordination.k8s.io 'mizuumi' in {}", team.namespace),
        &format!("create leases.coordination.k8s.io in {}", team.namespace),
    ] {
        assert!(words.contains(part), "no {part:?} in\n{}", told.out);
    }
    assert!(!words.contains("get leases"), "it may: {}", told.out);
    assert!(!words.contains("datatables.mizuumi.dev in"), "all else it may: {}", told.out);
    let without = team.run(&check, "").await;
    assert!(!without.out.contains("leases"), "no Lease, no right to one: {}", without.out);
}

#[tokio::test]
async fn what_no_resource_keeps_is_listed() {
    let team = Team::new("inventory").await;
    team.create("orders", json!({})).await;
    team.aws.create_table("orders", &[]).await;
    team.aws.create_table("by_hand", &[]).await;
    let gone = format!("tests/{}/DataTable/gone@{}.gone", team.namespace, team.aws.database);
    team.aws.create_table("gone", &[("mizuumi.owner", &gone)]).await;
    team.aws.put("left-over/part-0.parquet", "x").await;
    team.aws.put("orders/part-0.parquet", "x").await;
    let config = team.configuration("inventory");
    let told = team.run(&["inventory", "--config", &config, "-o", "json"], "").await;
    assert_eq!(told.code, 0, "{told:?}");
    let told: serde_json::Value = serde_json::from_str(&told.out).expect("JSON");
    let names: Vec<&str> =
        told["tables"].as_array().expect("tables").iter().filter_map(|it| it["name"].as_str()).collect();
    let database = &team.aws.database;
    assert_eq!(names, [format!("{database}.by_hand"), format!("{database}.gone")]);
    assert!(
        told["tables"][1]["why"].as_str().is_some_and(|why| why.contains("DataTable 'gone'")),
        "{told:#}"
    );
    let prefixes = told["prefixes"].to_string();
    assert!(prefixes.contains("left-over") && !prefixes.contains("/orders/"), "{told:#}");
    assert_eq!(team.admin.writes().await.len(), 0, "it only reads");
}
