//! Runs bring data into a table: readers see all of a run's data or what was there before.

use anyhow::ensure;
use aws_sdk_glue::types::Partition;
use mizuumi_api::data_table::PublicationState;
use mizuumi_api::ingest_run::RunPhase;
use mizuumi_tests::{Controller, Team};
use serde_json::{Value, json};

fn published() -> Value {
    json!({
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Published" },
    })
}

/// Where each partition points to: values, then the run and the directory in it.
async fn pointing(team: &Team, table: &str) -> Vec<String> {
    let root = team.location(table);
    let place = |partition: &Partition| {
        let location = partition.storage_descriptor().and_then(|s| s.location()).unwrap_or_default();
        let location = location.strip_prefix(&root).unwrap_or(location);
        format!("{}: {location}", partition.values().join("/"))
    };
    team.aws.partitions(table).await.iter().map(place).collect()
}

/// A table and a run that has been published into it.
async fn with_a_run(name: &str) -> (Team, Controller) {
    let team = Team::new(name).await;
    let controller = Controller::start(&team).await;
    team.create_ready("orders", published()).await;
    team.bring("orders", "first", 1, 0, &["day=1/", "day=2/"]).await;
    (team, controller)
}

#[tokio::test]
async fn a_run_is_published_once_its_data_is_all_there() {
    let team = Team::new("published").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", published()).await;
    let head = team.aws.existing("orders").await;
    let location = head.storage_descriptor().and_then(|s| s.location());
    assert_eq!(location, Some(format!("{}head/", team.location("orders")).as_str()));

    team.start_run("first", "orders", 1, 0).await;
    let run = team.run_phase("first", RunPhase::Running).await;
    let output = run.status.and_then(|status| status.output);
    assert_eq!(output.as_deref(), Some(team.output("orders", "first").as_str()));
    team.write_output("orders", "first", &["day=1/", "day=2/"]).await;
    team.sweeps(2).await;
    assert!(team.aws.partitions("orders").await.is_empty(), "nothing says that it is all there");

    team.mark_output("orders", "first").await;
    let run = team.run_phase("first", RunPhase::Succeeded).await;
    let status = run.status.expect("a status");
    let manifest = status.manifest.expect("a manifest");
    assert_eq!((manifest.partitions, manifest.files, status.superseded), (2, 2, Some(0)));
    assert_eq!(pointing(&team, "orders").await, ["1: runs/first/day=1/", "2: runs/first/day=2/"]);
    let partitions = team.aws.partitions("orders").await;
    let parameters = partitions[0].parameters().expect("parameters");
    assert_eq!(parameters.get("mizuumi.run").map(String::as_str), Some("first"));
    let table = team.ready("orders").await;
    let told = table.status.map(|status| status.publications).unwrap_or_default();
    assert_eq!((told.len(), told[0].state), (1, PublicationState::Published));
    let note = team.event("orders", "PartitionsRegistered").await;
    assert!(note.contains("2 partitions to point to run 'first'"), "{note}");
    let note = team.event("first", "ManifestWritten").await;
    assert!(note.contains("manifests/first.json"), "{note}");
}

#[tokio::test]
async fn a_later_run_replaces_what_it_brings_and_remembers_what_was_there() {
    let (team, _controller) = with_a_run("later").await;
    team.write_output("orders", "second", &["day=2/", "day=3/"]).await;
    team.start_run("second", "orders", 2, 0).await;
    team.change_run("second", json!({ "external": { "outcome": "Succeeded" } })).await;
    team.run_phase("second", RunPhase::Succeeded).await;
    let now = ["1: runs/first/day=1/", "2: runs/second/day=2/", "3: runs/second/day=3/"];
    assert_eq!(pointing(&team, "orders").await, now);
    let partitions = team.aws.partitions("orders").await;
    let parameter = |index: usize, key: &str| {
        partitions[index].parameters().and_then(|all| all.get(key)).map(String::as_str)
    };
    let before = format!("{}day=2/", team.output("orders", "first"));
    assert_eq!(parameter(1, "mizuumi.previous_location"), Some(before.as_str()));
    assert_eq!(parameter(1, "mizuumi.previous_run"), Some("first"));
    assert_eq!(parameter(2, "mizuumi.previous_location"), None);
}

#[tokio::test]
async fn a_partition_that_a_later_session_or_revision_brought_stays() {
    let (team, _controller) = with_a_run("superseded").await;
    team.bring("orders", "rerun", 1, 1, &["day=2/"]).await;
    for (run, day, revision) in [("late", 1, 0), ("older", 0, 9)] {
        let session = if day == 0 { "2026-10-31T00:00:00Z" } else { "2026-11-01T00:00:00Z" };
        team.write_output("orders", run, &["day=2/", "day=3/"]).await;
        let spec =
            json!({ "table": "orders", "sessionTime": session, "revision": revision, "engine": "External" });
        team.create_run(run, spec).await;
        team.mark_output("orders", run).await;
        let message = team.run_reason(run, "Published").await;
        assert!(message.contains("1 of 2") || message.contains("0 of 2"), "{message}");
    }
    let now = ["1: runs/first/day=1/", "2: runs/rerun/day=2/", "3: runs/late/day=3/"];
    assert_eq!(pointing(&team, "orders").await, now);
    let run = team.run_phase("older", RunPhase::Succeeded).await;
    assert_eq!(run.status.and_then(|status| status.superseded), Some(2));
}

#[tokio::test]
async fn a_rollback_puts_back_what_was_there_and_what_came_since_stays() {
    let (team, _controller) = with_a_run("rollback").await;
    team.bring("orders", "bad", 2, 0, &["day=1/", "day=2/", "day=3/"]).await;
    team.bring("orders", "since", 3, 0, &["day=2/"]).await;

    team.roll_back("back", "orders", "bad").await;
    team.run_phase("back", RunPhase::Succeeded).await;
    assert_eq!(pointing(&team, "orders").await, ["1: runs/first/day=1/", "2: runs/since/day=2/"]);
    let partitions = team.aws.partitions("orders").await;
    let run = partitions[0].parameters().and_then(|all| all.get("mizuumi.run")).map(String::as_str);
    assert_eq!(run, Some("first"));
    // What was taken back does not come again by itself, and its next revision may.
    team.bring("orders", "good", 2, 1, &["day=1/"]).await;
    assert_eq!(pointing(&team, "orders").await, ["1: runs/good/day=1/", "2: runs/since/day=2/"]);
    team.roll_back("again", "orders", "bad").await;
    let message = team.run_reason("again", "OutputInvalid").await;
    assert!(message.contains("nothing in") && message.contains("'bad'"), "{message}");
}

#[tokio::test]
async fn a_table_without_partition_keys_points_to_its_run_itself() {
    let team = Team::new("whole").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("rates", json!({ "partitions": { "mode": "Published" } })).await;
    let location = async || {
        let table = team.aws.existing("rates").await;
        let location = table.storage_descriptor().and_then(|s| s.location()).unwrap_or_default().to_owned();
        location.strip_prefix(&team.location("rates")).map(str::to_owned).unwrap_or(location)
    };
    assert_eq!(location().await, "head/");
    let versions = team.aws.versions("rates").await;
    for (run, day) in [("one", 1), ("two", 2)] {
        team.bring("rates", run, day, 0, &[""]).await;
        assert_eq!(location().await, format!("runs/{run}/"));
    }
    assert_eq!(team.aws.versions("rates").await, versions, "publishing keeps no old definitions");
    // Somebody points it elsewhere.
    team.aws
        .meddle("rates", |mut table| {
            if let Some(storage) = &mut table.storage_descriptor {
                storage.location = Some("s3://elsewhere/".to_owned());
            }
            table
        })
        .await;
    team.eventually("rates", "the run's data again", async || {
        ensure!(location().await == "runs/two/", "it is elsewhere");
        Ok(())
    })
    .await;
    for (rollback, what, place) in [("back", "two", "runs/one/"), ("back-again", "one", "head/")] {
        team.roll_back(rollback, "rates", what).await;
        team.run_phase(rollback, RunPhase::Succeeded).await;
        assert_eq!(location().await, place);
    }
    team.ready("rates").await;
}

#[tokio::test]
async fn a_partition_that_somebody_points_elsewhere_is_put_back() {
    let (team, _controller) = with_a_run("strays").await;
    let there = team.aws.partitions("orders").await.swap_remove(0);
    let mut storage = there.storage_descriptor.expect("storage");
    storage.location = Some("s3://elsewhere/".to_owned());
    let input = aws_sdk_glue::types::PartitionInput::builder()
        .values("1")
        .set_parameters(there.parameters)
        .storage_descriptor(storage);
    let update = team.aws.glue.update_partition().database_name(&team.aws.database).table_name("orders");
    update.partition_value_list("1").partition_input(input.build()).send().await.expect("it is moved");
    team.eventually("orders", "the run's data again", async || {
        let now = pointing(&team, "orders").await;
        ensure!(now[0] == "1: runs/first/day=1/", "{now:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_published_fails_and_says_why() {
    let (team, _controller) = with_a_run("unpublishable").await;
    for (run, directories, says) in [
        ("empty", &[][..], "there is no data in"),
        ("astray", &["day=4/", "other=5/"], "'other=5/part-0.parquet' does not lie in a directory 'day=…/'"),
        ("twice", &["DAY=4/", "day=4/"], "'day=4/part-0.parquet'"),
    ] {
        team.write_output("orders", run, directories).await;
        team.start_run(run, "orders", 5, 0).await;
        team.mark_output("orders", run).await;
        let message = team.run_reason(run, "OutputInvalid").await;
        assert!(message.contains(says), "{message}");
        team.run_phase(run, RunPhase::Failed).await;
    }
    team.write_output("orders", "told", &["day=4/"]).await;
    team.start_run("told", "orders", 5, 0).await;
    let told = json!({ "external": { "outcome": "Failed", "message": "the source was down" } });
    team.change_run("told", told).await;
    let message = team.run_reason("told", "RunFailed").await;
    assert!(message.contains("the source was down"), "{message}");
    assert_eq!(pointing(&team, "orders").await, ["1: runs/first/day=1/", "2: runs/first/day=2/"]);
}

#[tokio::test]
async fn a_run_waits_for_its_table_and_says_what_is_wrong_with_it() {
    let team = Team::new("waits").await;
    let _controller = Controller::start(&team).await;
    team.write_output("orders", "first", &["day=1/"]).await;
    team.start_run("first", "orders", 1, 0).await;
    team.mark_output("orders", "first").await;
    let message = team.run_reason("first", "TableNotFound").await;
    assert!(message.contains("'orders'"), "{message}");
    let mut discovered = published();
    discovered["partitions"]["mode"] = json!("Discovered");
    team.create_ready("orders", discovered).await;
    let message = team.run_reason("first", "TableNotPublished").await;
    assert!(message.contains("`spec.partitions.mode` is not 'Published'"), "{message}");
    team.change("orders", json!({ "managementPolicy": "Plan", "partitions": { "mode": "Published" } })).await;
    team.run_until("first", "the policy", |run| format!("{run:?}").contains("managementPolicy")).await;
    team.change("orders", json!({ "managementPolicy": "Full" })).await;
    team.run_phase("first", RunPhase::Succeeded).await;
    assert_eq!(pointing(&team, "orders").await, ["1: runs/first/day=1/"]);
}

#[tokio::test]
async fn a_manifest_that_is_tampered_with_publishes_nothing() {
    let team = Team::new("tampered").await;
    let mut controller = Controller::start(&team).await;
    team.create_ready("orders", published()).await;
    team.change("orders", json!({ "suspend": true })).await;
    suspended(&team).await;
    team.write_output("orders", "first", &["day=1/"]).await;
    team.start_run("first", "orders", 1, 0).await;
    team.mark_output("orders", "first").await;
    team.run_phase("first", RunPhase::Publishing).await;
    assert!(team.aws.partitions("orders").await.is_empty(), "nothing is written while suspended");
    controller.kill();
    team.aws.put("orders/manifests/first.json", "{}").await;
    let _controller = Controller::start(&team).await;
    team.change("orders", json!({ "suspend": false })).await;
    let message = team.run_reason("first", "OutputInvalid").await;
    assert!(message.contains("manifests/first.json"), "{message}");
    assert!(team.aws.partitions("orders").await.is_empty());
}

#[tokio::test]
async fn data_counts_as_fresh_once_all_of_it_is_published() {
    let team = Team::new("freshly").await;
    let _controller = Controller::start(&team).await;
    let mut spec = published();
    spec["freshness"] = json!({
        "sources": [{ "type": "PartitionValue", "partitionValue": { "grain": "Day" } }],
        "maxAge": { "error": "3650d" },
    });
    team.create_ready("orders", spec).await;
    team.fresh("orders", "NeverObserved").await;
    team.write_output("orders", "first", &["day=2026-11-01/", "day=2026-11-02/"]).await;
    team.start_run("first", "orders", 1, 0).await;
    team.mark_output("orders", "first").await;
    let table = team.fresh("orders", "Fresh").await;
    let time = table.status.and_then(|s| s.freshness).and_then(|f| f.data_time).map(|t| t.to_string());
    assert_eq!(time.as_deref(), Some("2026-11-03T00:00:00Z"));
    assert_eq!(
        team.aws.parameter("orders", "mizuumi.data_time").await.as_deref(),
        Some("2026-11-03T00:00:00Z")
    );
}

#[tokio::test]
async fn a_published_run_tells_how_recent_the_table_is_and_a_rollback_takes_that_back() {
    let team = Team::new("manifest-fresh").await;
    let _controller = Controller::start(&team).await;
    let spec = json!({
        "partitions": { "mode": "Published" },
        "freshness": { "sources": [{ "type": "Manifest" }], "maxAge": { "error": "3650d" } },
    });
    team.create_ready("rates", spec).await;
    team.fresh("rates", "NeverObserved").await;
    for (run, day, end) in [("one", 1, "2026-11-02T00:00:00Z"), ("two", 2, "2026-11-03T00:00:00Z")] {
        team.write_output("rates", run, &[""]).await;
        let session = format!("2026-11-{day:02}T00:00:00Z");
        let external = json!({ "outcome": "Succeeded", "dataTime": end });
        let spec =
            json!({ "table": "rates", "sessionTime": session, "engine": "External", "external": external });
        team.create_run(run, spec).await;
        team.run_phase(run, RunPhase::Succeeded).await;
        data_time(&team, end).await;
    }
    let table = team.get("rates").await;
    assert!(table.status.and_then(|s| s.freshness).is_some_and(|f| f.loaded_at.is_some()));
    team.roll_back("back", "rates", "two").await;
    team.run_phase("back", RunPhase::Succeeded).await;
    data_time(&team, "2026-11-02T00:00:00Z").await;
}

/// Waits until resource and Glue tell this end of the data.
async fn data_time(team: &Team, end: &str) {
    team.until("rates", end, |table| {
        let time = table.status.as_ref().and_then(|s| s.freshness.as_ref()).and_then(|f| f.data_time);
        time.is_some_and(|time| time.to_string() == end)
    })
    .await;
    assert_eq!(team.aws.parameter("rates", "mizuumi.data_time").await.as_deref(), Some(end));
}

#[tokio::test]
async fn a_released_table_says_nothing_of_runs_any_more() {
    let (team, _controller) = with_a_run("released").await;
    team.delete_wholly("orders").await;
    assert_eq!(pointing(&team, "orders").await, ["1: runs/first/day=1/", "2: runs/first/day=2/"]);
    for partition in team.aws.partitions("orders").await {
        let parameters = partition.parameters().cloned().unwrap_or_default();
        assert!(parameters.keys().all(|key| !key.starts_with("mizuumi.")), "{parameters:?}");
    }
}

#[tokio::test]
async fn a_run_of_which_nothing_is_published_yet_can_be_withdrawn() {
    let team = Team::new("withdrawn").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", published()).await;
    team.change("orders", json!({ "suspend": true })).await;
    suspended(&team).await;
    team.write_output("orders", "first", &["day=1/"]).await;
    team.start_run("first", "orders", 1, 0).await;
    team.mark_output("orders", "first").await;
    team.run_phase("first", RunPhase::Publishing).await;
    delete_run(&team, "first").await;
    run_is_gone(&team, "first").await;
    team.change("orders", json!({ "suspend": false })).await;
    team.ready("orders").await;
    assert!(team.aws.partitions("orders").await.is_empty());
}

#[tokio::test]
async fn a_run_that_is_published_in_part_goes_once_it_is_published_wholly() {
    let (team, _controller) = with_a_run("deleted-run").await;
    let days: Vec<String> = (0..150).map(|day| format!("day=d{day:03}/")).collect();
    let days: Vec<&str> = days.iter().map(String::as_str).collect();
    team.write_output("orders", "many", &days).await;
    team.admin.fault(json!({ "action": "denied", "operation": "BatchCreatePartition", "from": 2 })).await;
    team.start_run("many", "orders", 2, 0).await;
    team.mark_output("orders", "many").await;
    team.until("orders", "published in part", |table| {
        let told = table.status.iter().flat_map(|status| &status.publications);
        told.into_iter().any(|one| one.run == "many" && one.published == 100)
    })
    .await;
    delete_run(&team, "many").await;
    team.run_until("many", "Deleting", |run| format!("{run:?}").contains("\"Deleting\"")).await;
    team.admin.heal().await;
    run_is_gone(&team, "many").await;
    assert_eq!(team.aws.partitions("orders").await.len(), 152);
}

async fn suspended(team: &Team) {
    team.until("orders", "suspended", |table| {
        table.status.as_ref().map(|status| status.observed_generation) == table.metadata.generation
    })
    .await;
}

async fn delete_run(team: &Team, run: &str) {
    team.runs().delete(run, &kube::api::DeleteParams::default()).await.expect("it is deleted");
}

async fn run_is_gone(team: &Team, run: &str) {
    team.eventually(run, "the run to be gone", async || {
        ensure!(team.runs().get_opt(run).await?.is_none(), "it is still there");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn twenty_runs_that_ask_at_once_are_all_published() {
    let team = Team::new("twenty").await;
    let _controller = Controller::with(&team, |config| config.intervals.audit_seconds = 3600).await;
    team.create_ready("orders", published()).await;
    team.change("orders", json!({ "suspend": true })).await;
    suspended(&team).await;
    for number in 1..=20_u8 {
        let run = format!("run-{number}");
        team.write_output("orders", &run, &[&format!("day={number}/"), "day=0/"]).await;
        team.mark_output("orders", &run).await;
        team.start_run(&run, "orders", number, 0).await;
        team.run_phase(&run, RunPhase::Publishing).await;
    }
    team.change("orders", json!({ "suspend": false })).await;
    for number in 1..=20_u8 {
        team.run_phase(&format!("run-{number}"), RunPhase::Succeeded).await;
    }
    let now = pointing(&team, "orders").await;
    assert_eq!((now.len(), now[0].as_str()), (21, "0: runs/run-20/day=0/"));
}

#[tokio::test]
async fn a_name_that_is_used_again_stands_for_another_run() {
    let (team, _controller) = with_a_run("again").await;
    team.bring("orders", "second", 2, 0, &["day=2/"]).await;
    team.roll_back("back", "orders", "second").await;
    team.run_phase("back", RunPhase::Succeeded).await;
    delete_run(&team, "back").await;
    run_is_gone(&team, "back").await;
    team.roll_back("back", "orders", "first").await;
    let message = team.run_reason("back", "OutputInvalid").await;
    assert!(message.contains("under another name"), "{message}");
    // The run that was taken back asks anew when it is made anew, and what it says is what is there.
    delete_run(&team, "second").await;
    run_is_gone(&team, "second").await;
    team.start_run("second", "orders", 2, 0).await;
    team.run_phase("second", RunPhase::Succeeded).await;
    assert_eq!(pointing(&team, "orders").await, ["1: runs/first/day=1/", "2: runs/second/day=2/"]);
}

#[tokio::test]
async fn a_table_whose_readers_would_see_what_runs_write_is_not_published_into() {
    let team = Team::new("in-the-way").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("rates", json!({})).await;
    team.change("rates", json!({ "partitions": { "mode": "Published" } })).await;
    let told = team.reason("rates", "ReplacementRequired").await;
    assert!(told.message.contains("half written"), "{}", told.message);
    let root = format!("s3://{}/published/rates/", team.aws.bucket);
    team.change("rates", json!({ "location": root })).await;
    team.ready("rates").await;
    team.aws.put("published/rates/runs/one/part-0.parquet", "x").await;
    team.start_run("one", "rates", 1, 0).await;
    team.aws.put("published/rates/runs/one/_SUCCESS", "").await;
    team.run_phase("one", RunPhase::Succeeded).await;
    let table = team.aws.existing("rates").await;
    let location = table.storage_descriptor().and_then(|s| s.location()).map(str::to_owned);
    assert_eq!(location, Some(format!("{root}runs/one/")));
}

#[tokio::test]
async fn the_examples_of_publishing_do_what_they_say() {
    let mut team = Team::new("examples-published").await;
    team.aws.create_database("nyc").await;
    team.aws.database = "nyc".to_owned();
    let _controller = Controller::start(&team).await;
    let manifest = |file: &str| -> Value {
        let text = std::fs::read_to_string(format!("../examples/publishing/{file}")).expect(file);
        let text = text.replace("s3://lake/", &format!("s3://{}/", team.aws.bucket));
        let mut manifest: Value = serde_saphyr::from_str(&text).expect("YAML");
        manifest["metadata"]["namespace"] = json!(team.namespace);
        manifest
    };
    team.try_create(&manifest("10-delays.yaml")).await.expect("the example is accepted");
    team.ready("delays").await;
    for (file, month) in
        [("20-run.yaml", Some("2026-10")), ("30-rerun.yaml", Some("2026-10")), ("40-rollback.yaml", None)]
    {
        let run = manifest(file);
        let name = run["metadata"]["name"].as_str().expect("a name").to_owned();
        team.create_run(&name, run["spec"].clone()).await;
        if let Some(month) = month {
            let root = format!("nyc/delays/runs/{name}");
            team.aws.put(&format!("{root}/month={month}/part-0.parquet"), "x").await;
            team.aws.put(&format!("{root}/_SUCCESS"), "").await;
        }
        team.run_phase(&name, RunPhase::Succeeded).await;
        let partitions = team.aws.partitions("delays").await;
        let run = partitions[0].parameters().and_then(|all| all.get("mizuumi.run")).cloned();
        let expected = if month.is_some() { name } else { "delays-20261101-r0".to_owned() };
        assert_eq!(run, Some(expected));
    }
}
