//! `mizuumi settings` says what an EMR cluster's pieces come to, and which of them says each.

use std::slice;

use mizuumi_tests::Team;
use serde_json::{Value, json};

const CORE_SITE: &str = "<?xml version=\"1.0\"?>\n<configuration>\n  <property>\n    <name>fs.s3.maxRetries</name>\n    \
                         <value>20</value>\n  </property>\n</configuration>\n";

/// Three pieces that say the same property, beside what only one of them says.
fn cluster(team: &Team) -> Value {
    json!({
        "apiVersion": "mizuumi.dev/v1alpha1", "kind": "EmrCluster",
        "metadata": { "name": "adhoc", "namespace": team.namespace },
        "spec": {
            "className": team.namespace, "lifecycle": "WhenNeeded",
            "configurationsFrom": [{ "configMap": "tuning" }, { "configMap": "none", "optional": true }],
            "configurations": [{ "classification": "spark-defaults", "properties": { "a": "own", "b": "own" } }],
        },
    })
}

fn tuning(team: &Team, data: &Value) -> Value {
    let metadata = json!({ "name": "tuning", "namespace": team.namespace });
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data })
}

fn class(team: &Team) -> Value {
    let configurations = |value: &str| {
        let within = json!([{ "classification": "export", "properties": { "P": value } }]);
        json!([
            { "classification": "spark-defaults", "properties": { "a": value } },
            { "classification": "spark-env", "configurations": within },
        ])
    };
    json!({
        "defaults": { "configurations": configurations("class") },
        "mandatory": { "configurations": [{ "classification": "hive-site", "properties": { "m": "1" } }] },
        "allowedNamespaces": [team.namespace],
    })
}

fn yaml(manifests: &[Value]) -> String {
    let documents = manifests.iter().map(|manifest| serde_saphyr::to_string(manifest).expect("YAML"));
    documents.collect::<Vec<_>>().join("---\n")
}

/// The settings of the one cluster, each as `classification property=value: from`.
fn told(out: &str) -> Vec<String> {
    let told: Value = serde_json::from_str(out).expect("JSON");
    let settings = told[0]["settings"].as_array().expect("settings");
    let text = |setting: &Value, field: &str| setting[field].as_str().expect(field).to_owned();
    let line = |setting: &Value| {
        let [classification, property, value, from] =
            ["classification", "property", "value", "from"].map(|field| text(setting, field));
        format!("{classification} {property}={value}: {from}")
    };
    settings.iter().map(line).collect()
}

#[tokio::test]
async fn settings_are_told_with_where_each_comes_from() {
    let team = Team::new("settings").await;
    let data = json!({ "core-site.xml": CORE_SITE, "spark-defaults.conf": "b map\nc map\n" });
    let class = json!({
        "apiVersion": "mizuumi.dev/v1alpha1", "kind": "EmrClusterClass",
        "metadata": { "name": team.namespace }, "spec": class(&team),
    });
    let expected = [
        "core-site fs.s3.maxRetries=20: ConfigMap 'tuning', key 'core-site.xml'",
        "hive-site m=1: class, mandatory",
        "spark-defaults a=own: spec.configurations",
        "spark-defaults b=own: spec.configurations",
        "spark-defaults c=map: ConfigMap 'tuning', key 'spark-defaults.conf'",
        "spark-env.export P=class: class defaults",
    ];
    // All of it from files, and Kubernetes has none of it.
    let files = yaml(&[cluster(&team), tuning(&team, &data), class]);
    let of_files = team.run(&["settings", "-f", "-", "-o", "json"], &files).await;
    assert_eq!(
        (told(&of_files.out), of_files.code),
        (expected.map(str::to_owned).to_vec(), 0),
        "{of_files:?}"
    );

    // The rest of it from Kubernetes.
    team.class(self::class(&team)).await;
    team.config_map("tuning", data).await;
    let mixed =
        team.run(&["settings", "-f", "-", "-o", "json"], &yaml(slice::from_ref(&cluster(&team)))).await;
    assert_eq!((mixed.out.as_str(), mixed.code), (of_files.out.as_str(), 0), "{mixed:?}");

    // All of it from Kubernetes, for a person.
    team.create_cluster("adhoc", cluster(&team)["spec"].clone()).await;
    let table = team.run(&["settings", "adhoc", "-n", &team.namespace], "").await;
    assert_eq!(table.code, 0, "{table:?}");
    let row = "\nspark-defaults    b                 own    spec.configurations\n";
    assert!(table.out.starts_with(&format!("# EmrCluster {}/adhoc\n", team.namespace)), "{}", table.out);
    assert!(table.out.contains(row), "no {row:?} in\n{}", table.out);
}

#[tokio::test]
async fn a_piece_that_cannot_be_read_is_told_with_its_place() {
    let team = Team::new("settings-bad").await;
    team.class(json!({})).await;
    let run = async |manifests: &[Value]| team.run(&["settings", "-f", "-"], &yaml(manifests)).await;
    let broken =
        json!({ "hive-site.xml": "<configuration>\n<property><name>a</name></property>\n</configuration>" });
    for (manifests, parts) in [
        (
            vec![cluster(&team), tuning(&team, &broken)],
            [
                "ConfigMap 'tuning', key 'hive-site.xml': line 2: 'a' has no <value>",
                "or take the property out",
            ],
        ),
        (vec![cluster(&team)], ["ConfigMapNotFound", "there is no ConfigMap 'tuning'"]),
        (vec![], ["no EmrCluster is among the manifests", ""]),
    ] {
        let answer = run(&manifests).await;
        assert_eq!(answer.code, 1, "{answer:?}");
        for part in parts {
            assert!(answer.err.contains(part), "no {part:?} in {}", answer.err);
        }
    }
    let mut wrong = cluster(&team);
    wrong["spec"]["colour"] = json!("red");
    let answer = run(&[wrong]).await;
    assert!(answer.code == 1 && answer.err.contains("EmrCluster 'adhoc'"), "{answer:?}");
}
