//! Checks evaluate their rules when there is reason to, and say what became of each; `mizuumi check` does it once.

use mizuumi_api::quality_check::RuleOutcome;
use mizuumi_tests::{Controller, Team};
use serde_json::json;

#[tokio::test]
async fn rules_are_evaluated_when_they_and_their_table_change_and_when_somebody_asks() {
    let team = Team::new("quality").await;
    let controller = Controller::start(&team).await;
    let rules =
        "Rules = [ ColumnExists \"id\", ColumnCount > 2, FileSize >= 1 B labels=[\"severity\"=\"warn\"] ]";
    team.create_check("orders", "orders", json!({ "rules": rules })).await;
    let (_, message) = team.check_says("orders", "Ready", "TableNotFound").await;
    assert!(message.contains("no DataTable 'orders'"), "{message}");

    // Its table comes.
    team.create("orders", json!({})).await;
    let (check, message) = team.check_says("orders", "QualityPassed", "RulesFailed").await;
    assert!(message.contains("rule 2, `ColumnCount > 2`: it is 2, and has to be > 2"), "{message}");
    let (_, ready) = team.check_says("orders", "Ready", "Compiled").await;
    assert!(ready.contains("3 rules are evaluated by the engine CatalogOnly"), "{ready}");
    let note = team.event("orders", "RulesFailed").await;
    assert!(note.contains("1/3 rules passed"), "{note}");
    let status = check.status.expect("a status");
    let outcomes: Vec<RuleOutcome> = status.results.iter().map(|result| result.outcome).collect();
    assert_eq!(
        outcomes,
        [RuleOutcome::Passed, RuleOutcome::Failed, RuleOutcome::Failed],
        "{:?}",
        status.results
    );
    assert_eq!((status.summary.as_deref(), status.score), (Some("1/3"), Some(33)));
    let failing = status.results[1].failing_since.expect("since when");
    // The table says so too, to those who know nothing of checks.
    let told = async |word: &str, reason: &str| {
        let condition = |table: &mizuumi_api::DataTable| {
            let conditions = table.status.as_ref().map(|status| status.conditions.as_slice());
            conditions.into_iter().flatten().any(|of| of.type_ == "QualityPassed" && of.reason == reason)
        };
        team.until("orders", reason, condition).await;
        assert_eq!(team.aws.parameter("orders", "mizuumi.quality").await.as_deref(), Some(word));
        team.aws.parameter("orders", "mizuumi.quality_at").await.expect("when")
    };
    let at = told("failed", "RulesFailed").await;
    assert_eq!(Some(at.parse().expect("a time")), status.evaluation.as_ref().map(|last| last.at));

    // The table gets another column.
    let columns = json!([
        { "name": "id", "type": "bigint" },
        { "name": "what", "type": "string" },
        { "name": "price", "type": "double" },
    ]);
    team.change("orders", json!({ "schema": { "columns": columns } })).await;
    let (check, message) = team.check_says("orders", "QualityPassed", "RulesPassed").await;
    assert!(message.contains("warned: rule 3") && message.contains("no file in"), "{message}");
    assert_eq!(check.status.expect("a status").results[1].failing_since, None);
    told("passed", "RulesPassed").await;
    team.event("orders", "RulesPassed").await;

    // Nothing says that a file has come, but somebody who asks.
    team.aws.put("orders/part-0", "some data").await;
    team.patch_check(
        "orders",
        json!({ "metadata": { "annotations": { "mizuumi.dev/requested-at": "now" } } }),
    )
    .await;
    let (check, ()) = team
        .check_until("orders", "all rules passed", |check| {
            (check.status.as_ref()?.summary.as_deref() == Some("3/3")).then_some(())
        })
        .await;
    let status = check.status.expect("a status");
    assert_eq!(status.last_handled_reconcile_at.as_deref(), Some("now"));
    // Times are whole seconds.
    let last: Vec<&str> = status.history.iter().take(3).map(|past| past.summary.as_str()).collect();
    assert!(last == ["3/3", "2/3", "1/3"] && status.history[0].at >= failing, "{:?}", status.history);

    // While nothing happens, nothing is evaluated; nor after a restart.
    let evaluated = status.evaluation.expect("an evaluation").at;
    drop(controller);
    let _controller = Controller::start(&team).await;
    team.sweeps(2).await;
    let status = team.checks().get("orders").await.expect("the check").status.expect("a status");
    assert_eq!(status.evaluation.map(|last| last.at), Some(evaluated));

    // Without a check nothing is said.
    team.checks().delete("orders", &kube::api::DeleteParams::default()).await.expect("the check goes");
    let silent = |table: &mizuumi_api::DataTable| {
        let conditions = table.status.as_ref().map(|status| status.conditions.as_slice());
        conditions.into_iter().flatten().all(|of| of.type_ != "QualityPassed")
    };
    team.until("orders", "no word of quality", silent).await;
    assert_eq!(team.aws.parameter("orders", "mizuumi.quality").await, None);
}

#[tokio::test]
async fn what_cannot_be_evaluated_is_refused_before_or_told_apart_from_what_fails() {
    let team = Team::new("unrunnable").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({})).await;
    team.create_check("broken", "orders", json!({ "rules": "Rules = [\n  ColumnCount >\n]" })).await;
    team.create_check(
        "rows",
        "orders",
        json!({
            "engine": "CatalogOnly",
            "typed": [{ "type": "Completeness", "parameters": ["id"], "condition": "> 0.9" }],
        }),
    )
    .await;
    let stowaway = json!({ "typed": [{ "type": "ColumnCount", "condition": "> 0, ColumnExists \"id\"" }] });
    team.create_check("stowaway", "orders", stowaway).await;
    team.create_check(
        "unknown",
        "orders",
        json!({ "rules": "Rules = [ ColumnDataType \"nowhere\" = \"Date\" ]" }),
    )
    .await;
    for (check, parts) in [
        ("broken", ["spec.rules: line 3, column 1: expected", "found ']'"]),
        ("rows", ["spec.typed[0]: rule 1: 'Completeness' needs the rows", "the engine Athena"]),
        ("stowaway", ["spec.typed[0]", "is not one rule"]),
    ] {
        let (_, message) = team.check_says(check, "Ready", "SpecInvalid").await;
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
    let (check, message) = team.check_says("unknown", "QualityPassed", "RulesNotEvaluated").await;
    assert!(message.contains("there is no column 'nowhere'"), "{message}");
    assert_eq!(check.status.expect("a status").results[0].outcome, RuleOutcome::Error);
}

#[tokio::test]
async fn rows_of_an_iceberg_table_are_counted_by_its_metadata() {
    let team = Team::new("iceberg-rows").await;
    let metadata = json!({
        "format-version": 2, "current-snapshot-id": 5,
        "snapshots": [{ "snapshot-id": 5, "summary": { "operation": "append", "total-records": "842" } }],
    });
    team.aws.put("orders/metadata/00001.metadata.json", &metadata.to_string()).await;
    let place = format!("s3://{}/orders/metadata/00001.metadata.json", team.aws.bucket);
    team.aws.create_table("orders", &[("table_type", "ICEBERG"), ("metadata_location", &place)]).await;
    let _controller = Controller::start(&team).await;
    team.create("orders", json!({ "managementPolicy": "ObserveOnly" })).await;
    team.create_ready("plain", json!({})).await;
    for table in ["orders", "plain"] {
        let spec = json!({ "engine": "CatalogOnly", "rules": "Rules = [ RowCount between 841 and 843 ]" });
        team.create_check(table, table, spec).await;
    }
    let (check, _) = team.check_says("orders", "QualityPassed", "RulesPassed").await;
    assert_eq!(check.status.expect("a status").results[0].metric.as_deref(), Some("842"));
    let (_, message) = team.check_says("plain", "QualityPassed", "RulesNotEvaluated").await;
    assert!(message.contains("only an Iceberg table") && message.contains("Athena"), "{message}");
    let calls = team.admin.calls(0).await;
    assert!(calls.iter().all(|call| call.operation != "StartQueryExecution"), "nothing is queried");
}

#[tokio::test]
async fn a_person_evaluates_rules_once_from_the_terminal() {
    let team = Team::new("check-once").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({})).await;
    let config = team.folder().join("check.yaml");
    std::fs::write(&config, serde_saphyr::to_string(&team.installation()).expect("YAML")).expect("written");
    let config = config.display().to_string();
    let check = async |rules: &str, table: &str| {
        let arguments = ["check", table, "-f", "-", "--config", &config, "--namespace", &team.namespace];
        team.run(&arguments, rules).await
    };
    let passed = check("Rules = [ ColumnExists \"id\", ColumnDataType \"id\" = \"Long\" ]", "orders").await;
    assert_eq!(passed.code, 0, "{passed:?}");
    assert!(passed.out.contains("  1  passed  true    ColumnExists \"id\"\n"), "{passed:?}");
    assert!(passed.out.ends_with("2 of 2 rules passed.\n"), "{passed:?}");
    // By its name in Glue, without Kubernetes.
    let table = format!("{}.orders", team.aws.database);
    let failed = check("Rules = [ ColumnCount = 1 ]", &table).await;
    assert_eq!(failed.code, 2, "{failed:?}");
    assert!(failed.out.contains("it is 2, and has to be = 1"), "{failed:?}");
    let unknown = check("Rules = [ SchemaMatch \"others\" = 1.0 ]", "orders").await;
    assert_eq!(unknown.code, 3, "{unknown:?}");
    let wrong = check("Rules = [ ColumnCount ]", "orders").await;
    assert_eq!(wrong.code, 1, "{wrong:?}");
    assert!(wrong.err.contains("line 1, column 23: expected a condition after ColumnCount"), "{wrong:?}");
}
