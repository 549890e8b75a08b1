//! `mizuumi suspend`, `resume`, `reconcile` and `wait`: what a person or a workflow engine asks, with exit codes that say what came.

use jiff::SignedDuration;
use mizuumi_tests::{Controller, Planned, Team, now};
use serde_json::json;

async fn mizuumi(team: &Team, arguments: &[&str]) -> Planned {
    team.run(&[arguments, &["--namespace", &team.namespace]].concat(), "").await
}

#[tokio::test]
async fn a_resource_is_suspended_resumed_and_looked_at_when_asked() {
    let team = Team::new("asking").await;
    team.create("orders", json!({})).await;
    let alone = mizuumi(&team, &["reconcile", "dtbl/orders", "--timeout", "1s"]).await;
    assert_eq!(alone.code, 3, "without a controller nobody looks: {alone:?}");
    let _controller = Controller::start(&team).await;
    team.ready("orders").await;
    let asked = mizuumi(&team, &["reconcile", "dtbl/orders"]).await;
    assert_eq!(asked.code, 0, "{asked:?}");
    assert!(asked.err.contains("InSync"), "{asked:?}");

    for (word, said) in
        [("suspend", "is suspended"), ("suspend", "is suspended already"), ("resume", "is resumed")]
    {
        let done = mizuumi(&team, &[word, "DataTable/orders"]).await;
        assert_eq!(done.code, 0, "{done:?}");
        assert!(done.err.contains(said), "{done:?}");
        assert_eq!(team.get("orders").await.spec.suspend, word == "suspend");
    }
    team.aws.create_table("theirs", &[]).await;
    team.create("theirs", json!({})).await;
    let stuck = mizuumi(&team, &["reconcile", "dtbl/theirs"]).await;
    assert_eq!(stuck.code, 2, "{stuck:?}");
    assert!(stuck.err.contains("NotAdopted"), "{stuck:?}");
    for arguments in [["suspend", "irun/any"], ["suspend", "dtbl/none"], ["reconcile", "dtbl/none"]] {
        let refused = mizuumi(&team, &arguments).await;
        assert_eq!(refused.code, 1, "{refused:?}");
    }
}

#[tokio::test]
async fn whoever_waits_for_data_goes_on_when_it_is_there_and_is_told_when_it_cannot_come() {
    let team = Team::new("waiting").await;
    let _controller = Controller::start(&team).await;
    let freshness =
        json!({ "freshness": { "sources": [{ "type": "Reported" }], "maxAge": { "error": "2d" } } });
    team.create("orders", freshness).await;
    team.create("silent", json!({})).await;
    let until = now().checked_sub(SignedDuration::from_hours(1)).expect("a time").to_string();
    let late = mizuumi(&team, &["wait", "orders", "--covers", &until, "--timeout", "1s"]).await;
    assert_eq!(late.code, 3, "{late:?}");
    let waiting = tokio::spawn({
        let (team, until) = (team.clone(), until.clone());
        async move { mizuumi(&team, &["wait", "orders", "--covers", &until, "--timeout", "1m"]).await }
    });
    team.annotate("orders", json!({ "mizuumi.dev/reported-data-time": until })).await;
    let came = waiting.await.expect("it ends");
    assert_eq!(came.code, 0, "{came:?}");
    assert_eq!(mizuumi(&team, &["wait", "orders"]).await.code, 0, "it is fresh");
    for (table, why) in [("silent", "spec.freshness is not set"), ("nothing", "there is no DataTable")] {
        let never = mizuumi(&team, &["wait", table, "--timeout", "1m"]).await;
        assert_eq!(never.code, 2, "{never:?}");
        assert!(never.err.contains(why), "{never:?}");
    }
}
