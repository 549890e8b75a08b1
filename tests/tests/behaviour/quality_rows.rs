//! Rules over rows: one query for all of a check, whose results are what pandas finds, and whose failures are no verdicts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mizuumi_api::quality_check::{EvaluationStatus, RuleOutcome};
use mizuumi_tests::{Controller, Team, with_athena};
use serde_json::{Value, json};
use tokio::process::Command;

const MB: i64 = 1_000_000;

/// pandas does something.
async fn pandas(team: &Team, arguments: &[&str]) -> String {
    let cache =
        std::env::var_os("MIZUUMI_CACHE").map(PathBuf::from).expect("MIZUUMI_CACHE, as `make test` sets it");
    let mut command = Command::new(cache.join("venv/bin/python"));
    command.arg("readers/quality.py").args(arguments);
    command.env("AWS_ENDPOINT_URL", team.url()).env("AWS_ACCESS_KEY_ID", &team.account);
    let output = command.output().await.expect("Python starts");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    assert!(output.status.success(), "{arguments:?}\n{}", said(&output.stderr));
    said(&output.stdout)
}

fn flights() -> Value {
    let columns: Vec<Value> = [
        ("day", "bigint"),
        ("dep_time", "bigint"),
        ("dep_delay", "bigint"),
        ("arr_time", "bigint"),
        ("arr_delay", "bigint"),
        ("carrier", "string"),
        ("flight", "bigint"),
        ("tailnum", "string"),
        ("origin", "string"),
        ("dest", "string"),
        ("distance", "bigint"),
        ("number", "bigint"),
        ("pair", "bigint"),
        ("share", "double"),
        ("broken", "double"),
        ("note", "string"),
        ("on", "date"),
        ("at", "timestamp"),
        ("odd", "boolean"),
        ("tags", "array<string>"),
    ]
    .iter()
    .map(|(name, type_)| json!({ "name": name, "type": type_ }))
    .collect();
    json!({
        "schema": { "columns": columns },
        "partitionKeys": [{ "name": "month", "type": "int" }],
        "partitions": { "mode": "Discovered", "marker": "_SUCCESS" },
    })
}

async fn with_flights(name: &str) -> (Team, Controller) {
    let team = Team::new(name).await;
    team.aws.create_workgroup("quality", Some(100 * MB)).await;
    pandas(&team, &["write", &team.location("flights")]).await;
    let controller = Controller::with(&team, with_athena).await;
    team.create_ready("flights", flights()).await;
    let both = |table: &mizuumi_api::DataTable| {
        let partitions = table.status.as_ref().and_then(|status| status.partitions.as_ref());
        partitions.is_some_and(|partitions| partitions.registered == 2)
    };
    team.until("flights", "two partitions", both).await;
    (team, controller)
}

/// Waits for a check of these rules, and compares what it found with what pandas finds; answers the evaluation.
async fn compare(team: &Team, check: &str, table: &str, expected: &[Value]) -> EvaluationStatus {
    let rules: Vec<&str> = expected.iter().filter_map(|one| one["rule"].as_str()).collect();
    let rules = format!("Rules = [\n  {}\n]", rules.join(",\n  "));
    team.create_check(check, table, json!({ "rules": rules })).await;
    let (done, evaluation) =
        team.check_until(check, "an evaluation", |check| check.status.as_ref()?.evaluation.clone()).await;
    let results = done.status.expect("a status").results;
    assert_eq!(results.len(), expected.len(), "{results:?}");
    for (result, expected) in results.iter().zip(expected) {
        let rule = expected["rule"].as_str().unwrap_or_default();
        assert_eq!(json!(result.outcome), expected["outcome"], "{rule}: {result:?}");
        if let Some(metric) = expected["metric"].as_f64() {
            let told: f64 = result.metric.as_deref().unwrap_or_default().parse().expect(rule);
            assert!(
                (told - metric).abs() < 1e-6_f64.max(metric.abs() * 1e-9),
                "{rule}: {told}, not {metric}"
            );
        }
    }
    evaluation
}

#[tokio::test]
async fn what_rules_say_of_rows_is_what_pandas_says() {
    let (team, _controller) = with_flights("rows").await;
    let expected: Vec<Value> = serde_json::from_str(&pandas(&team, &["expect"]).await).expect("JSON");
    // Results of many rules that do not pass would not all have room in one status.
    for (number, expected) in expected.chunks(20).enumerate() {
        let evaluation = compare(&team, &format!("flights-{number}"), "flights", expected).await;
        assert!(evaluation.place.is_some_and(|place| place.ends_with("/month=2/")));
        // The newest partition only, and its file once for all rules.
        let (id, scanned) = (evaluation.query_execution_id, evaluation.scanned_bytes);
        assert!(id.is_some() && scanned.is_some_and(|bytes| bytes > 0 && bytes < 2 * MB), "{scanned:?}");
    }
    assert_eq!(
        team.aws.queries("quality").await.len(),
        expected.len().div_ceil(20),
        "one query for each check"
    );

    // What is measured and compared with nothing.
    let metrics: BTreeMap<String, Vec<f64>> =
        serde_json::from_str(&pandas(&team, &["expect-metrics"]).await).expect("JSON");
    let analyzers =
        "Analyzers = [ RowCount, Entropy \"carrier\", Completeness \"tailnum\", ColumnLength \"note\",
        AllStatistics \"distance\" ]";
    team.create_check("metrics", "flights", json!({ "rules": analyzers })).await;
    let (check, _) = team.check_says("metrics", "QualityPassed", "RulesPassed").await;
    let told = check.status.expect("a status").analyses;
    assert_eq!(told.len(), metrics.len(), "{told:?}");
    for one in told {
        let numbers =
            one.metric.as_deref().unwrap_or_default().split(" to ").map(|text| text.parse().expect(text));
        let numbers: Vec<f64> = numbers.collect();
        let is_so = |(told, metric): (&f64, &f64)| (told - metric).abs() <= metric.abs() * 1e-9;
        let expected = &metrics[&one.name];
        assert!(
            numbers.len() == expected.len() && numbers.iter().zip(expected).all(is_so),
            "{one:?}, not {expected:?}"
        );
    }

    // A partition without rows.
    pandas(&team, &["write-empty", &team.location("nothing")]).await;
    team.create_ready("nothing", flights()).await;
    let registered = |table: &mizuumi_api::DataTable| {
        let partitions = table.status.as_ref().and_then(|status| status.partitions.as_ref());
        partitions.is_some_and(|partitions| partitions.registered == 1)
    };
    team.until("nothing", "its partition", registered).await;
    let expected: Vec<Value> = serde_json::from_str(&pandas(&team, &["expect-empty"]).await).expect("JSON");
    compare(&team, "nothing", "nothing", &expected).await;
}

#[tokio::test]
async fn rules_over_rows_are_evaluated_once_from_the_terminal_with_a_sample_of_what_fails() {
    let (team, _controller) = with_flights("rows-terminal").await;
    let mut installation = team.installation();
    with_athena(&mut installation);
    let config = team.folder().join("check.yaml");
    std::fs::write(&config, serde_saphyr::to_string(&installation).expect("YAML")).expect("written");
    let config = config.display().to_string();
    let check = async |more: &[&str], rules: &str| {
        let arguments = ["check", "flights", "-f", "-", "--config", &config, "--namespace", &team.namespace];
        team.run(&[&arguments[..], more].concat(), rules).await
    };
    let rules = "Rules = [ RowCount > 20000, ColumnValues \"distance\" < 500, ColumnCount > 3 ]";
    let failed = check(&[], rules).await;
    assert_eq!(failed.code, 2, "{failed:?}");
    assert!(failed.out.contains("  1  passed") && failed.out.contains("  2  FAILED"), "{failed:?}");
    assert_eq!(team.aws.queries("quality").await.len(), 1);

    let sampled = check(&["--samples", "7"], rules).await;
    let place = sampled.out.lines().find_map(|line| line.split_once("rows that do not pass: s3://"));
    let (bucket, key) = place.and_then(|(_, place)| place.trim().split_once('/')).expect(&sampled.out);
    let object = team.aws.s3.get_object().bucket(bucket).key(key).send().await.expect("the sample");
    let bytes = object.body.collect().await.expect("its bytes").into_bytes();
    let text = String::from_utf8_lossy(&bytes).replace('"', "");
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let at =
        lines.next().and_then(|names| names.iter().position(|name| *name == "distance")).expect("a header");
    let distances: Vec<f64> = lines.filter_map(|line| line.get(at)?.parse().ok()).collect();
    assert!(distances.len() == 7 && distances.iter().all(|distance| *distance >= 500.0), "{text}");
    assert_eq!(team.aws.queries("quality").await.len(), 3, "one more for the rules, and one for the sample");

    let passed = check(&["--samples"], "Rules = [ RowCount > 20000 ]").await;
    assert!(passed.code == 0 && passed.out.ends_with("1 of 1 rules passed.\n"), "{passed:?}");
    let unknown = check(&[], "Rules = [ Mean \"carrier\" > 0 ]").await;
    assert_eq!(unknown.code, 3, "{unknown:?}");
}

#[tokio::test]
async fn what_keeps_a_query_from_an_answer_is_an_error_and_no_verdict() {
    let (team, _controller) = with_flights("rows-errors").await;
    let rules = "Rules = [ RowCount > 0, Mean \"carrier\" > 0, IsComplete \"tags\", IsComplete \"nowhere\",
        ColumnValues \"odd\" > 1, RowCount > 0 where \"carrier = (select 1)\", ColumnCount > 3 ]";
    team.create_check("types", "flights", json!({ "rules": rules })).await;
    let (check, message) = team.check_says("types", "QualityPassed", "RulesNotEvaluated").await;
    let results = check.status.expect("a status").results;
    for (number, part) in [
        (2, "column \"carrier\" is of type string, and it takes numbers"),
        (3, "is nested"),
        (4, "there is no column 'nowhere'"),
        (5, "is of type boolean, which is not compared with numbers"),
        (6, "character 12: there is no column 'select'"),
    ] {
        let result = &results[number - 1];
        assert_eq!(result.outcome, RuleOutcome::Error, "{result:?}");
        assert!(result.message.as_deref().unwrap_or_default().contains(part), "{result:?}");
    }
    let passed = [0, 6].map(|at: usize| results[at].outcome);
    assert_eq!(passed, [RuleOutcome::Passed; 2], "{message}");
}

#[tokio::test]
async fn a_query_that_has_no_answer_is_told_and_says_nothing_of_the_data() {
    let (team, _controller) = with_flights("rows-failed").await;
    // Athena fails by itself: it is tried three times.
    team.admin.fault(json!({ "action": "query-failure" })).await;
    team.create_check("count", "flights", json!({ "rules": "Rules = [ RowCount > 0 ]" })).await;
    let (check, message) = team.check_says("count", "QualityPassed", "RulesNotEvaluated").await;
    assert!(message.contains("the query failed: GENERIC_INTERNAL_ERROR"), "{message}");
    assert_eq!(check.status.and_then(|status| status.score), None);
    assert_eq!(team.aws.queries("quality").await.len(), 3);
    team.admin.heal().await;
    let ask = |what: &str| json!({ "metadata": { "annotations": { "mizuumi.dev/requested-at": what } } });
    team.patch_check("count", ask("again")).await;
    team.check_says("count", "QualityPassed", "RulesPassed").await;

    // It scans more than the workgroup allows.
    let updates = aws_sdk_athena::types::WorkGroupConfigurationUpdates::builder();
    let updates = updates.bytes_scanned_cutoff_per_query(10 * MB).build();
    let update = team.aws.athena.update_work_group().work_group("quality").configuration_updates(updates);
    update.send().await.expect("the limit is lowered");
    team.aws.put("flights/month=2/part-1.parquet", vec![b'x'; 11_000_000]).await;
    team.patch_check("count", ask("capped")).await;
    let (check, message) = team.check_says("count", "QualityPassed", "RulesNotEvaluated").await;
    assert!(
        message.contains("the query cancelled") && message.contains("Bytes scanned limit was exceeded"),
        "{message}"
    );
    let scanned = check.status.and_then(|status| status.evaluation).and_then(|last| last.scanned_bytes);
    assert!(scanned.is_some_and(|bytes| bytes > 10 * MB), "{scanned:?}");

    // Its table goes while it runs.
    team.admin.fault(json!({ "action": "slow-query", "delayMs": 2000 })).await;
    team.patch_check("count", ask("gone")).await;
    team.check_until("count", "a query", |check| check.status.as_ref()?.query.as_ref().map(|_| ())).await;
    team.delete_wholly("flights").await;
    team.check_says("count", "Ready", "TableNotFound").await;
    let (check, _) = team.check_says("count", "QualityPassed", "RulesNotEvaluated").await;
    assert_eq!(check.status.and_then(|status| status.last_handled_reconcile_at).as_deref(), Some("gone"));
}

#[tokio::test]
async fn each_reason_to_evaluate_is_one_query_whoever_dies_and_whatever_is_lost() {
    let (team, mut controller) = with_flights("rows-once").await;
    // The answer to the start is lost: the same token finds the query again.
    team.admin.fault(json!({ "action": "drop-after", "operation": "StartQueryExecution", "times": 1 })).await;
    team.create_check("once", "flights", json!({ "rules": "Rules = [ RowCount > 0 ]" })).await;
    team.check_says("once", "QualityPassed", "RulesPassed").await;
    assert_eq!(team.aws.queries("quality").await.len(), 1);
    assert!(team.admin.count("StartQueryExecution", 0).await >= 2);

    // The controller dies while the query runs; the next one waits for the same.
    team.admin.heal().await;
    team.admin.fault(json!({ "action": "slow-query", "delayMs": 3000 })).await;
    let ask = json!({ "metadata": { "annotations": { "mizuumi.dev/requested-at": "now" } } });
    team.patch_check("once", ask).await;
    let running = |check: &mizuumi_api::QualityCheck| check.status.as_ref()?.query.as_ref()?.id.clone();
    let (_, id) = team.check_until("once", "a query", running).await;
    controller.kill();
    controller.restart();
    let done = |check: &mizuumi_api::QualityCheck| {
        let status = check.status.as_ref()?;
        let is_handled = status.last_handled_reconcile_at.as_deref() == Some("now");
        status
            .evaluation
            .as_ref()
            .filter(|_| is_handled && status.query.is_none())?
            .query_execution_id
            .clone()
    };
    let (_, evaluated) = team.check_until("once", "an evaluation", done).await;
    assert_eq!(evaluated, id);
    assert_eq!(team.aws.queries("quality").await.len(), 2);

    // Nothing happens, nothing is queried.
    team.sweeps(2).await;
    assert_eq!(team.aws.queries("quality").await.len(), 2);
}

#[tokio::test]
async fn twenty_rules_scan_what_one_of_them_does() {
    let (team, _controller) = with_flights("rows-scan").await;
    let columns =
        ["carrier", "tailnum", "origin", "dest", "distance", "number", "pair", "share", "note", "flight"];
    let rules = columns.iter().flat_map(|column| {
        [format!("Completeness \"{column}\" > 0"), format!("DistinctValuesCount \"{column}\" > 0")]
    });
    let rules: Vec<String> = rules.collect();
    let evaluate = async |check: String, rules: &[String]| {
        let rules = format!("Rules = [ {} ]", rules.join(", "));
        team.create_check(&check, "flights", json!({ "rules": rules })).await;
        let (check, _) = team.check_says(&check, "QualityPassed", "RulesPassed").await;
        let evaluation = check.status.and_then(|status| status.evaluation).expect("an evaluation");
        evaluation.scanned_bytes.expect("a query")
    };
    let together = evaluate("all".to_owned(), &rules).await;
    assert_eq!(team.aws.queries("quality").await.len(), 1);
    let one_by_one =
        rules.chunks(1).enumerate().map(|(number, rule)| evaluate(format!("one-{number}"), rule));
    let one_by_one: i64 = futures::future::join_all(one_by_one).await.iter().sum();
    let statements = team.aws.queries("quality").await.len() - 1;
    println!("20 rules in one check: 1 statement, {together} bytes scanned");
    println!("20 checks of one rule: {statements} statements, {one_by_one} bytes scanned");
    assert_eq!((statements, one_by_one), (20, 20 * together));
}
