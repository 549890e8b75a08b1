//! Spans: a trace for each pass, with the calls to AWS that it made; sent where the environment says, and nowhere else.

use anyhow::Context as _;
use mizuumi_tests::{Collector, Controller, Launch, Span, Team};
use serde_json::json;

#[tokio::test]
async fn a_pass_is_a_trace_with_its_calls_to_aws() {
    let team = Team::new("traces").await;
    let collector = Collector::start().await;
    let variables = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.clone()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100".to_owned()),
    ];
    let launch = Launch { variables, ..Launch::default() };
    let mut controller = Controller::launch(&team, launch, |_| {}).await;
    team.admin.fault(json!({ "action": "denied", "operation": "CreateTable", "times": 1 })).await;
    team.create_ready("orders", json!({})).await;
    let named = |spans: &[Span], name: &str| -> Vec<Span> {
        spans.iter().filter(|span| span.name == name).cloned().collect()
    };
    let spans = team
        .eventually("orders", "both tries to be traced", async || {
            let spans = collector.spans();
            let created = named(&spans, "glue.CreateTable");
            created.get(1).with_context(|| format!("{} spans: {created:?}", spans.len()))?;
            Ok(spans)
        })
        .await;
    let created = named(&spans, "glue.CreateTable");
    let [refused, made] = created.as_slice() else { panic!("two tries: {created:#?}") };
    assert_eq!((refused.kind, refused.status, made.status), (3, 2, 0), "{refused:#?}");
    let of = |span: &Span, key: &str| span.attributes.get(key).cloned().unwrap_or_default();
    assert_eq!(of(refused, "error.type"), "AccessDeniedException", "{refused:#?}");
    assert!(of(refused, "aws.request_id").starts_with("00000000-0000-4000-8000-"), "{refused:#?}");
    for (key, value) in [
        ("rpc.system", "aws-api"),
        ("rpc.service", "glue"),
        ("rpc.method", "CreateTable"),
        ("cloud.region", "us-east-1"),
    ] {
        assert_eq!(of(made, key), value, "{made:#?}");
    }
    // A pass ends after its calls.
    let root = team
        .eventually("orders", "the pass that made the table to be traced", async || {
            let spans = collector.spans();
            let root = spans.into_iter().find(|span| span.id == made.parent && span.trace == made.trace);
            root.context("there is no such span")
        })
        .await;
    assert_eq!((root.name.as_str(), root.parent.len()), ("reconcile DataTable", 0), "{root:#?}");
    assert_eq!(root.service, "mizuumi");
    for (key, value) in [
        ("k8s.namespace.name", team.namespace.as_str()),
        ("mizuumi.kind", "DataTable"),
        ("mizuumi.name", "orders"),
        ("mizuumi.result", "ok"),
    ] {
        assert_eq!(of(&root, key), value, "{root:#?}");
    }
    assert_ne!(refused.trace, made.trace, "each pass is a trace of its own");

    // The last spans are sent before the controller ends.
    let before = collector.spans().len();
    team.change("orders", json!({ "description": "the last" })).await;
    team.ready("orders").await;
    controller.terminate();
    team.eventually("orders", "the controller to end", async || controller.ended()).await;
    let updated = named(&collector.spans()[before..], "glue.UpdateTable");
    assert!(!updated.is_empty(), "the last spans are there");
}

#[tokio::test]
async fn without_a_collector_there_are_no_spans_and_one_that_is_away_harms_nothing() {
    let team = Team::new("no-traces").await;
    let nowhere = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9".to_owned())];
    let mut controller =
        Controller::launch(&team, Launch { variables: nowhere, ..Launch::default() }, |_| {}).await;
    team.create_ready("orders", json!({})).await;
    controller.terminate();
    let code = team.eventually("orders", "the controller to end", async || controller.ended()).await;
    assert_eq!(code, Some(0), "it ends in good order");
    let log = controller.log();
    assert!(
        !log.contains("reconcile DataTable") && !log.contains("rpc.method"),
        "spans are not for the log: {log}"
    );
    assert!(log.contains("BatchSpanProcessor.ExportError"), "that the collector is away is told: {log}");
    assert!(!log.contains("panicked"), "{log}");
    drop(controller);

    let wrong = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "no address".to_owned())];
    let launch = Launch { variables: wrong, ..Launch::default() }.named("wrong");
    let mut controller = Controller::launch(&team, launch, |_| {}).await;
    let code = team.eventually("orders", "the controller to end", async || controller.ended()).await;
    assert_eq!(code, Some(1), "{}", controller.log());
    assert!(controller.log().contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{}", controller.log());
}
