//! `mizuumi describe`, `lineage` and `diff` show what a resource has to do with others, and with AWS, and write nothing.

use mizuumi_tests::{Controller, Planned, Team, now};
use serde_json::{Value, json};

async fn mizuumi(team: &Team, arguments: &[&str]) -> Planned {
    team.run(&[arguments, &["--namespace", &team.namespace]].concat(), "").await
}

/// A table, the job that writes it from another, a run of it, and a cluster without a class.
async fn world(team: &Team) {
    let published = json!({ "partitionKeys": [{ "name": "day", "type": "string" }], "partitions": { "mode": "Published" } });
    team.create("orders", published).await;
    team.create("visits", json!({})).await;
    let step = json!({ "cluster": "adhoc", "step": { "name": "orders", "spark": "s3://lake/orders.py" } });
    let visits = format!("{}.visits", team.aws.database);
    let run = json!({ "engine": "EmrStep", "emrStep": step, "waitFor": [{ "table": visits }] });
    team.create_job("nightly", json!({ "run": run })).await;
    for hour in [1, 2] {
        let mut spec = json!({ "table": "orders", "sessionTime": now(), "revision": hour });
        json_patch::merge(&mut spec, &run);
        team.create_run(&format!("by-hand-{hour}"), spec).await;
    }
    team.create_cluster("adhoc", json!({ "lifecycle": "WhenNeeded" })).await;
}

#[tokio::test]
async fn a_resource_is_described_with_all_that_it_has_to_do_with() {
    let team = Team::new("describe").await;
    world(&team).await;
    let told = mizuumi(&team, &["describe", "dtbl/orders"]).await;
    assert_eq!(told.code, 0, "{told:?}");
    let class = team.class_name();
    let expected = [
        "DataTable/orders".to_owned(),
        "├─ is written by IngestJob/nightly".to_owned(),
        "└─ has its work done by EmrCluster/adhoc".to_owned(),
        format!("└─ is built from EmrClusterClass/{class}"),
        "└─ is brought by 2 of IngestRun".to_owned(),
    ];
    let mut at = 0;
    for part in &expected {
        let found = told.out[at..].find(part.as_str());
        at += found.unwrap_or_else(|| panic!("no {part:?} in its place in\n{}", told.out));
    }
    assert!(told.out.contains("there is none of that name"), "the class is not there:\n{}", told.out);
    assert!(!told.out.contains('\u{1b}'), "no colour where there is no terminal");
    let each = mizuumi(&team, &["describe", "dtbl/orders", "--grouping=false"]).await;
    assert!(each.out.contains("IngestRun/by-hand-2") && !each.out.contains("2 of"), "{}", each.out);
    let json = mizuumi(&team, &["describe", "emrc/adhoc", "-o", "json"]).await;
    let json: Value = serde_json::from_str(&json.out).expect("JSON");
    let works_for: Vec<&Value> = json["below"]
        .as_array()
        .expect("those below")
        .iter()
        .filter(|it| it["relation"] == "works for")
        .collect();
    assert_eq!(works_for.len(), 3, "a job and two runs: {json:#}");
    let none = mizuumi(&team, &["describe", "dtbl/nothing"]).await;
    assert!(none.code == 1 && none.err.contains("there is no DataTable"), "{none:?}");

    let line = mizuumi(&team, &["lineage", "orders"]).await;
    assert_eq!(line.code, 0, "{line:?}");
    let database = &team.aws.database;
    let expected = format!(
        "Comes from\n  └─ by IngestJob {0}/nightly: unknown\n     └─ {database}.visits (DataTable {0}/visits: unknown)\n",
        team.namespace
    );
    assert!(line.out.contains(&expected), "{}", line.out);
    let line = mizuumi(&team, &["lineage", &format!("{database}.visits")]).await;
    assert!(line.out.contains(&format!("     └─ {database}.orders (DataTable")), "{}", line.out);
    let none = mizuumi(&team, &["lineage", "nothing"]).await;
    assert!(none.code == 1 && none.err.contains("there is no DataTable 'nothing'"), "{none:?}");
}

#[tokio::test]
async fn a_difference_has_the_exit_code_of_diff() {
    let team = Team::new("diff").await;
    team.create("orders", json!({})).await;
    let config = team.configuration("diff");
    let diff = async |what: &str| mizuumi(&team, &["diff", what, "--config", &config]).await;
    let new = diff("dtbl/orders").await;
    assert_eq!(new.code, 1, "{new:?}");
    assert!(new.out.contains("+ create table: 2 columns"), "{}", new.out);
    let controller = Controller::start(&team).await;
    team.ready("orders").await;
    drop(controller);
    let same = diff("dtbl/orders").await;
    assert_eq!((same.code, same.out.as_str()), (0, "No changes. AWS matches the manifests (1 looked at).\n"));
    team.change("orders", json!({ "description": "new" })).await;
    let changed = diff("dtbl/orders").await;
    assert!(changed.code == 1 && changed.out.contains(r#"+ description: "new""#), "{changed:?}");
    let none = diff("dtbl/nothing").await;
    assert!(none.code == 2 && none.err.contains("there is no DataTable"), "{none:?}");
    let job = diff("ijob/nightly").await;
    assert!(job.code == 2 && job.err.contains("mizuumi describe ijob/nightly"), "{job:?}");
}
