//! What commands show on a terminal: as wide as it is, with colours where they are wanted.

use kube::Api;
use kube::api::PostParams;
use mizuumi_api::EmrCluster;
use mizuumi_tests::{Controller, Team};
use serde_json::json;

/// Lines that are too wide; what people copy stays whole, however long.
fn too_wide(lines: &[String], columns: usize) -> Vec<&String> {
    let is_one_word = |line: &str| !line.trim_start_matches([' ', '│', '├', '└', '─']).contains(' ');
    lines.iter().filter(|line| line.chars().count() > columns && !is_one_word(line)).collect()
}

#[tokio::test]
async fn a_terminal_gets_colours_and_lines_that_fit_unless_it_wants_none() {
    let team = Team::new("tty").await;
    team.aws.create_table("flights", &[]).await;
    let controller = Controller::start(&team).await;
    team.create(
        "delays",
        json!({ "freshness": { "sources": [{ "type": "Reported" }], "maxAge": { "error": "1h" } } }),
    )
    .await;
    team.create("flights", json!({})).await;
    let cluster: EmrCluster = serde_json::from_value(json!({
        "apiVersion": "mizuumi.dev/v1alpha1", "kind": "EmrCluster", "metadata": { "name": "adhoc" },
        "spec": { "className": "nowhere-to-be-found", "lifecycle": "WhenNeeded" },
    }))
    .expect("a cluster");
    let clusters: Api<EmrCluster> = Api::namespaced(team.client.clone(), &team.namespace);
    clusters.create(&PostParams::default(), &cluster).await.expect("the cluster is made");
    team.annotate("delays", json!({ "mizuumi.dev/reported-data-time": "2020-01-01T00:00:00Z" })).await;
    team.fresh("delays", "Stale").await;
    team.reason("flights", "NotAdopted").await;
    drop(controller);

    let manifest = serde_saphyr::to_string(&team.manifest("flights", json!({}))).expect("YAML");
    let file = team.folder().join("flights.yaml");
    std::fs::write(&file, manifest).expect("the manifest is written");
    let (file, config) = (file.to_string_lossy().into_owned(), team.configuration("tty"));
    let namespace = ["--namespace", &team.namespace];
    for command in [
        &[&["status"][..], &namespace].concat()[..],
        &[&["explain", "dtbl/flights"][..], &namespace].concat(),
        &[&["explain", "emrc/adhoc"][..], &namespace].concat(),
        &[&["describe", "dtbl/delays"][..], &namespace].concat(),
        &[&["freshness"][..], &namespace].concat(),
        &["plan", "--config", &config, "-f", &file],
    ] {
        let shown = team.on_terminal(80, command, &[]).await;
        assert!(shown.is_coloured(), "{command:?}: {}", shown.raw);
        // Lines of a plan are left whole, as terraform's are: people search them, and quote them in a review.
        if command[0] != "plan" {
            let wide = too_wide(&shown.lines(), 80).len();
            assert_eq!(wide, 0, "{command:?}: {:#?}", shown.lines());
        }
        for without in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let plain = team.on_terminal(80, command, &[without]).await;
            assert!(!plain.is_coloured(), "{command:?} with {without:?}: {}", plain.raw);
            assert_eq!((plain.lines().len(), plain.code), (shown.lines().len(), shown.code), "{command:?}");
        }
        // An empty value says nothing, by the convention.
        let shown = team.on_terminal(80, command, &[("NO_COLOR", "")]).await;
        assert!(shown.is_coloured(), "{command:?}: {}", shown.raw);
    }
    let explain = [&["explain", "dtbl/flights"][..], &namespace].concat();
    for columns in [50, 120] {
        let shown = team.on_terminal(columns, &explain, &[]).await;
        let lines = shown.lines();
        assert_eq!(too_wide(&lines, columns.into()).len(), 0, "{lines:#?}");
        let widest = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
        assert!(widest > usize::from(columns) - 20, "{columns} columns are made use of: {lines:#?}");
    }
}
