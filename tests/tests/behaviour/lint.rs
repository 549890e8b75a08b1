//! `mizuumi lint` and `mizuumi plan` tell every mistake with its line, and a plan in the forms that a pull request and programs take.

use std::fs;
use std::process::Stdio;

use mizuumi_tests::{Team, binary};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

/// Ten mistakes, each on the line that ends with its number.
const MISTAKES: &str = "\
apiVersion: mizuumi.dev/v1alpha1
kind: DataTable
metadata: {name: orders}
spec:
  database: shop
  location: s3://lake/orders/
  colour: red # 1
  format: excel # 2
  suspend: \"yes\" # 3
  schema:
    from: Declared
    columns:
    - {name: id, type: bigint}
    - {name: what}
---
apiVersion: mizuumi.dev/v1alpha1
kind: DataTable
metadata: {name: visits}
spec: # 4: neither format nor storage
  database: shop
  location: s3://lake/visits/
  parameters: # 5
    mizuumi.owner: me
  schema:
    from: Declared
    columns:
    - {name: id, type: bigint}
    - {name: ID, type: bigint} # 6: the planner's
    - {name: what, type: varchar(x)} # 7: the planner's
---
apiVersion: mizuumi.dev/v1alpha1
kind: DataTable
metadata: {name: orders} # 8: there already
spec: {database: shop, location: s3://lake/orders/, format: parquet, schema: {from: Files}}
---
apiVersion: mizuumi.dev/v1beta1 # 9
kind: DataTable
metadata: {name: old}
---
apiVersion: mizuumi.dev/v1alpha1
kind: QualityCheck
metadata: {name: rules}
spec:
  table: orders
  rules: 'Rules = [ ColumnExists ' # 10
";

fn line_of(mistake: usize) -> usize {
    let at = MISTAKES.lines().position(|line| {
        line.split("# ").nth(1).is_some_and(|rest| rest.split(':').next() == Some(&mistake.to_string()))
    });
    at.expect("the mistake is there") + 1
}

#[tokio::test]
async fn ten_mistakes_are_told_at_once_each_with_its_line() {
    let team = Team::new("lint").await;
    let file = team.folder().join("mistakes.yaml");
    fs::write(&file, MISTAKES).expect("the file is written");
    let path = file.to_string_lossy().into_owned();
    let linted = team.run(&["lint", "-f", &path], "").await;
    assert_eq!(linted.code, 2, "{linted:?}");
    for mistake in 1..=10 {
        let place = format!("{path}:{}: ", line_of(mistake));
        assert!(linted.out.contains(&place), "{mistake} is not told at {place} in\n{}", linted.out);
    }
    let planned = team.plan_text(MISTAKES, &[]).await;
    assert_eq!(planned.code, 1, "{planned:?}");
    for mistake in 1..=10 {
        let place = format!("standard input:{}", line_of(mistake));
        assert!(planned.out.contains(&place), "{mistake} is not told at {place} in\n{}", planned.out);
    }
    let sound = serde_saphyr::to_string(&team.manifest("orders", json!({}))).expect("YAML");
    assert_eq!(team.run(&["lint", "-f", "-"], &sound).await.code, 0);
}

#[tokio::test]
async fn a_plan_is_a_comment_for_people_and_lines_for_programs() {
    let team = Team::new("plan-forms").await;
    let manifests = [team.manifest("orders", json!({})), team.manifest("visits", json!({}))];
    let markdown = team.plan(&manifests, &["-o", "markdown"]).await;
    assert!(markdown.out.starts_with("### Mizuumi: Plan: 2 to create, 0 to change.\n"), "{}", markdown.out);
    assert!(markdown.out.contains("```diff\n+ create table"), "{}", markdown.out);
    let told = team.plan(&manifests, &["-o", "json"]).await;
    let lines: Vec<Value> = told.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let types: Vec<&str> = lines.iter().filter_map(|line| line["type"].as_str()).collect();
    assert_eq!(types, ["version", "planned_change", "planned_change", "change_summary"]);
    let hash = lines[3]["hash"].as_str().expect("a hash");
    assert!(
        markdown.out.contains(&format!("Plan hash `{hash}`")),
        "one plan has one hash:\n{}",
        markdown.out
    );
    let other = team.plan(&manifests[..1], &["-o", "json"]).await;
    assert!(!other.out.contains(hash), "another plan has another");
    let coloured = team.plan(&manifests, &["--color", "always"]).await;
    assert!(coloured.out.contains("\u{1b}[32m+ create table"), "{}", coloured.out);
}

#[tokio::test]
async fn a_thousand_files_take_twenty_calls_and_a_reader_may_go_away() {
    let team = Team::new("plan-many").await;
    let folder = team.folder().join("many");
    fs::create_dir_all(&folder).expect("a folder");
    for number in 0..1000 {
        let name = format!("table-{number}");
        let text = serde_saphyr::to_string(&team.manifest(&name, json!({}))).expect("YAML");
        fs::write(folder.join(format!("{name}.yaml")), text).expect("a file");
    }
    let since = team.admin.seq().await;
    let planned = team.plan_folder(&team.installation(), &folder, &[]).await;
    assert!(planned.out.ends_with("Plan: 1000 to create, 0 to change.\n"), "{}", planned.err);
    let calls = team.admin.calls(since).await.len();
    assert!(calls <= 20, "{calls} calls");

    let config = team.folder().join("plan.yaml");
    let mut child = Command::new(binary())
        .args(["plan", "--config", &config.to_string_lossy(), "-f", &folder.to_string_lossy()])
        .env("AWS_ACCESS_KEY_ID", &team.account)
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("mizuumi starts");
    let mut first = [0; 64];
    let mut out = child.stdout.take().expect("standard output");
    out.read_exact(&mut first).await.expect("the first words");
    drop(out);
    let ended = child.wait_with_output().await.expect("it ends");
    assert_eq!(ended.status.code(), Some(141), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(ended.stderr.is_empty(), "{}", String::from_utf8_lossy(&ended.stderr));
}

/// A source, and jobs that read it: two mistakes, each on the line that ends with its number.
const SOURCES: &str = "\
apiVersion: mizuumi.dev/v1alpha1
kind: SourceConnection
metadata: {name: flights-db}
spec:
  type: mysql
  image: registry.example/mysql@sha256:4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c
  secret: {secretKeyRef: {name: flights-db, key: all}}
---
apiVersion: mizuumi.dev/v1alpha1
kind: SourceConnection
metadata: {name: weather-db}
spec:
  type: mysql
  image: registry.example/mysql@sha256:4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c4f0c
  options: # 1: a secret in the open
    password: hunter2
---
apiVersion: mizuumi.dev/v1alpha1
kind: IngestJob
metadata: {name: flights}
spec:
  run:
    table: flights
    engine: EcsTask
    ecsTask: {cpu: 256, memory: 512}
    source:
      connection: flights-db # 2: no task reads its secret
---
apiVersion: mizuumi.dev/v1alpha1
kind: IngestJob
metadata: {name: planes}
spec: {run: {table: planes, engine: KubernetesJob, source: {connection: planes-db}}}
";

#[tokio::test]
async fn a_job_is_held_against_its_connection_where_both_are_there() {
    let team = Team::new("lint-sources").await;
    let linted = team.run(&["lint", "-f", "-"], SOURCES).await;
    assert_eq!(linted.code, 2, "{linted:?}");
    let line =
        |mistake: &str| SOURCES.lines().position(|line| line.contains(mistake)).expect("it is there") + 1;
    for (mistake, words) in [("# 1", "must not hold secrets"), ("# 2", "`secret.secretsManager`")] {
        let place = format!("standard input:{}: ", line(mistake));
        let told = linted.out.lines().any(|told| told.contains(&place) && told.contains(words));
        assert!(told, "{words} is not told at {place} in\n{}", linted.out);
    }
    assert!(linted.out.contains("SourceConnection 'planes-db' is in no file here"), "{}", linted.out);
    assert!(!linted.out.contains("hunter2"), "{}", linted.out);
    let planned = team.plan_text(SOURCES, &[]).await;
    assert!(planned.code == 1 && planned.out.contains("`secret.secretsManager`"), "{planned:?}");
}
