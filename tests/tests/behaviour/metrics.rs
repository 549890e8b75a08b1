//! What a controller tells of itself by HTTP.

use anyhow::ensure;
use mizuumi_tests::{Controller, Team};
use serde_json::json;

#[tokio::test]
async fn calls_waits_sweeps_and_rates_are_counted_from_the_first_day() {
    let team = Team::new("metrics").await;
    let controller = Controller::start(&team).await;
    team.create_ready("orders", json!({})).await;
    team.sweeps(2).await;
    let metrics = team
        .eventually("orders", "a sweep that is counted", async || {
            let metrics = controller.ask("/metrics").await?;
            ensure!(
                metrics.contains("mizuumi_sweep_last_success_timestamp_seconds{"),
                "not yet in {metrics}"
            );
            Ok(metrics)
        })
        .await;
    for line in [
        "mizuumi_aws_requests_total{service=\"glue\",operation=\"CreateTable\",outcome=\"ok\"} 1",
        "mizuumi_aws_request_duration_seconds_count{service=\"glue\",operation=\"CreateTable\"} 1",
        "mizuumi_aws_turn_wait_seconds_count{service=\"glue\",lane=\"change\"}",
        "mizuumi_aws_rate{account=\"own\",region=\"us-east-1\",service=\"glue\",operation=\"GetTables\"} 1000",
        "mizuumi_queue_wait_seconds_count{kind=\"DataTable\",lane=\"change\"}",
        "mizuumi_resources{kind=\"DataTable\"} 1",
        "mizuumi_sweeps_total{outcome=\"complete\"}",
        "mizuumi_reconcile_total{kind=\"DataTable\",result=\"ok\"}",
        "# EOF",
    ] {
        assert!(metrics.lines().any(|have| have.starts_with(line)), "no {line} in\n{metrics}");
    }
    assert!(!metrics.contains("orders"), "a resource's name is no label");
    assert_eq!(controller.ask("/healthz").await.expect("it lives"), "ok\n");
    team.eventually("orders", "the controller is ready", async || {
        let said = controller.ask("/readyz").await?;
        ensure!(said == "ready\n", "{said}");
        Ok(())
    })
    .await;
}
