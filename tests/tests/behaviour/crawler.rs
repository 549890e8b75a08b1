//! Columns come from a crawler: made, started, read and taken away by Mizuumi, which stays the one writer of its table.

use anyhow::ensure;
use aws_sdk_glue::types::Crawler;
use futures::{StreamExt as _, stream};
use mizuumi_api::data_table::CrawlState;
use mizuumi_api::ingest_run::RunPhase;
use mizuumi_api::installation::{Crawlers, Profile};
use mizuumi_api::{Installation, ShortDuration};
use mizuumi_tests::{Controller, Team, now};
use serde_json::{Value, json};

/// Where crawlers write.
const CRAWLS: &str = "crawls";
const ROLE: &str = "arn:aws:iam::111122223333:role/service-role/crawler";

fn with_crawlers(installation: &mut Installation) {
    installation.crawlers =
        Some(Crawlers { database: CRAWLS.to_owned(), least_every: ShortDuration("1m".to_owned()) });
    let profile = Profile { crawler_role_arn: Some(ROLE.to_owned()), ..Profile::default() };
    installation.profiles.insert("default".to_owned(), profile);
}

/// A team whose installation has crawlers.
async fn team(name: &str) -> Team {
    let team = Team::new(name).await;
    team.aws.create_database(CRAWLS).await;
    team
}

fn crawled(more: &Value) -> Value {
    let mut spec = json!({
        "format": "json",
        "schema": { "from": "Crawler", "columns": null, "crawler": { "every": "1m" } },
    });
    json_patch::merge(&mut spec, more);
    spec
}

/// What crawlers find in the table's data from now on.
async fn finds(team: &Team, columns: &Value) {
    let location = team.location("orders");
    team.admin.finding(json!({ "location": location, "columns": columns, "classification": "json" })).await;
}

async fn crawlers(team: &Team) -> Vec<Crawler> {
    team.aws.glue.get_crawlers().send().await.expect("the crawlers are listed").crawlers.unwrap_or_default()
}

/// Names of the tables that crawlers made.
async fn made(team: &Team) -> Vec<String> {
    let answer =
        team.aws.glue.get_tables().database_name(CRAWLS).send().await.expect("the tables are listed");
    answer.table_list().iter().map(|table| table.name().to_owned()).collect()
}

/// How often controllers did this, as far as it took effect.
async fn times(team: &Team, operation: &str) -> usize {
    team.admin.writes().await.iter().filter(|write| write.operation == operation).count()
}

#[tokio::test]
async fn a_crawler_says_the_columns_and_goes_with_the_table() {
    for (policy, left) in [("Delete", false), ("Retain", true)] {
        let team = team("crawled").await;
        let _controller = Controller::with(&team, with_crawlers).await;
        let spec = crawled(&json!({
            "deletionPolicy": policy,
            "schema": { "crawler": { "exclusions": ["**.tmp"], "sampleSize": 5 } },
        }));
        finds(&team, &json!([["Id", "bigint"], ["who", "struct<name:string>"]])).await;
        team.create("orders", spec).await;
        team.reason("orders", "AwaitingData").await;
        assert!(crawlers(&team).await.is_empty(), "no data, no crawler");
        team.aws.put("orders/part-0.json", "{}").await;
        team.until_columns("orders", &["id bigint", "who struct<name:string>"]).await;

        let crawler = crawlers(&team).await.pop().expect("a crawler");
        let name = crawler.name().expect("a name").to_owned();
        assert!(name.starts_with("mizuumi-tests-"), "{name}");
        let target = crawler.targets().and_then(|targets| targets.s3_targets().first()).expect("a target");
        assert_eq!(target.path(), Some(team.location("orders").as_str()));
        assert_eq!((target.exclusions(), target.sample_size()), (["**.tmp".to_owned()].as_slice(), Some(5)));
        assert_eq!(made(&team).await.len(), 1);
        let table = team.aws.existing("orders").await;
        let serde = table.storage_descriptor().and_then(|storage| storage.serde_info()).cloned();
        let library = serde.and_then(|serde| serde.serialization_library).unwrap_or_default();
        assert_eq!(library, "org.apache.hive.hcatalog.data.JsonSerDe", "the serde of the spec's format");
        let status = team.get("orders").await.status.expect("a status");
        let schema = status.schema.expect("a schema");
        assert_eq!(schema.crawler.as_deref(), Some(name.as_str()));
        assert!(schema.crawled_at.is_some_and(|at| at <= now()));
        let told = status.crawler.expect("a crawler");
        assert!(told.state == CrawlState::Ready && told.last.is_some_and(|last| last.succeeded));
        assert_eq!((times(&team, "CreateCrawler").await, times(&team, "StartCrawler").await), (1, 1));

        team.delete_wholly("orders").await;
        assert!(crawlers(&team).await.is_empty() && made(&team).await.is_empty());
        assert_eq!(team.aws.table("orders").await.is_some(), left, "{policy}");
    }
}

#[tokio::test]
async fn new_data_is_crawled_once_and_not_too_soon() {
    let team = team("recrawled").await;
    let _controller = Controller::with(&team, with_crawlers).await;
    finds(&team, &json!([["id", "int"]])).await;
    team.aws.put("orders/part-0.json", "{}").await;
    team.create("orders", crawled(&json!({}))).await;
    team.until_columns("orders", &["id int"]).await;
    // Half a minute later there is no new data; then there is, and the crawl is not long enough ago.
    team.admin.age_crawls(30).await;
    team.sweeps(2).await;
    finds(&team, &json!([["id", "bigint"], ["what", "string"]])).await;
    team.aws.put("orders/part-1.json", "{}").await;
    team.sweeps(3).await;
    assert_eq!(times(&team, "StartCrawler").await, 1);
    team.admin.age_crawls(3600).await;
    team.until_columns("orders", &["id bigint", "what string"]).await;
    assert_eq!(times(&team, "StartCrawler").await, 2);
    // Without new data there is no crawl, however long ago the last one was.
    team.admin.age_crawls(-3600).await;
    team.sweeps(3).await;
    assert_eq!(times(&team, "StartCrawler").await, 2);
}

#[tokio::test]
async fn a_new_look_that_somebody_asks_for_is_a_crawl() {
    let team = team("asked").await;
    let _controller = Controller::with(&team, with_crawlers).await;
    finds(&team, &json!([["id", "int"]])).await;
    team.aws.put("orders/part-0.json", "{}").await;
    team.create("orders", crawled(&json!({ "schema": { "crawler": { "every": "7d" } } }))).await;
    team.until_columns("orders", &["id int"]).await;
    finds(&team, &json!([["id", "int"], ["what", "string"]])).await;
    team.admin.age_crawls(60).await;
    team.annotate("orders", json!({ "mizuumi.dev/requested-at": now().to_string() })).await;
    team.until_columns("orders", &["id int", "what string"]).await;
    assert_eq!(times(&team, "StartCrawler").await, 2);
}

#[tokio::test]
async fn a_crawl_that_fails_is_told_and_tried_again_later() {
    let team = team("failed").await;
    let _controller = Controller::with(&team, with_crawlers).await;
    team.aws.put("orders/part-0.json", "{}").await;
    let location = team.location("orders");
    let fails = json!({ "location": location, "fail": "Service is unable to assume provided role." });
    team.admin.finding(fails).await;
    team.create("orders", crawled(&json!({}))).await;
    let told = team.reason("orders", "CrawlFailed").await;
    assert!(told.message.contains("unable to assume provided role"), "{}", told.message);
    assert_eq!(team.kstatus(&team.get("orders").await).0, "Failed");
    team.sweeps(2).await;
    assert_eq!(times(&team, "StartCrawler").await, 1);
    finds(&team, &json!([["id", "int"]])).await;
    team.admin.age_crawls(3600).await;
    team.until_columns("orders", &["id int"]).await;
    assert_eq!(times(&team, "StartCrawler").await, 2);
}

#[tokio::test]
async fn the_crawler_of_another_is_refused_and_stays() {
    let team = team("taken").await;
    // What name it would have is learnt from one that is made and goes again.
    let controller = Controller::with(&team, with_crawlers).await;
    team.aws.put("orders/part-0.json", "{}").await;
    finds(&team, &json!([["id", "int"]])).await;
    team.create("orders", crawled(&json!({ "deletionPolicy": "Delete" }))).await;
    team.until_columns("orders", &["id int"]).await;
    let name = crawlers(&team).await.pop().and_then(|crawler| crawler.name).expect("a crawler");
    team.delete_wholly("orders").await;
    let theirs = team.aws.glue.create_crawler().name(&name).role(ROLE).database_name(CRAWLS);
    let target = aws_sdk_glue::types::S3Target::builder().path(team.location("orders")).build();
    let targets = aws_sdk_glue::types::CrawlerTargets::builder().s3_targets(target).build();
    let mark = "other/team-b/DataTable/orders@x.orders";
    theirs.description(mark).targets(targets).send().await.expect("their crawler is made");
    let before = crawlers(&team).await;
    team.create("orders", crawled(&json!({ "deletionPolicy": "Delete" }))).await;
    let told = team.reason("orders", "OwnedByAnother").await;
    assert!(told.message.contains("DataTable 'orders' in namespace 'team-b'"), "{}", told.message);
    team.delete_wholly("orders").await;
    assert_eq!(crawlers(&team).await, before);
    drop(controller);
}

#[tokio::test]
async fn a_crawler_that_is_needed_no_more_goes_even_while_it_runs() {
    let team = team("no-more").await;
    let _controller = Controller::with(&team, with_crawlers).await;
    finds(&team, &json!([["id", "int"]])).await;
    team.aws.put("orders/part-0.json", "{}").await;
    team.create("orders", crawled(&json!({}))).await;
    team.until_columns("orders", &["id int"]).await;
    let name = crawlers(&team).await.pop().and_then(|crawler| crawler.name).expect("a crawler");
    // A table of that database that the crawler did not make.
    let theirs = aws_sdk_glue::types::TableInput::builder().name("theirs").build().expect("a table");
    let create = team.aws.glue.create_table().database_name(CRAWLS).table_input(theirs);
    create.send().await.expect("their table is made");
    team.aws.glue.start_crawler().name(&name).send().await.expect("somebody starts it");
    let declared =
        json!({ "from": "Declared", "columns": [{ "name": "id", "type": "int" }], "crawler": null });
    team.change("orders", json!({ "schema": declared })).await;
    team.eventually("orders", "no crawler", async || {
        ensure!(crawlers(&team).await.is_empty(), "it is still there");
        ensure!(team.get("orders").await.status.is_some_and(|status| status.crawler.is_none()), "told");
        Ok(())
    })
    .await;
    team.ready("orders").await;
    assert_eq!(made(&team).await, ["theirs"]);
    let since = team.admin.seq().await;
    team.sweeps(2).await;
    assert_eq!(team.admin.count("GetCrawler", since).await, 0, "nobody asks about a crawler that is gone");
}

#[tokio::test]
async fn what_the_answer_to_a_write_would_have_said_is_found_out() {
    for action in ["drop-after", "error-after", "drop-before", "error-before"] {
        let team = team("lost").await;
        finds(&team, &json!([["id", "int"]])).await;
        team.aws.put("orders/part-0.json", "{}").await;
        for operation in ["CreateCrawler", "StartCrawler", "DeleteCrawler", "DeleteTable"] {
            team.admin.fault(json!({ "action": action, "operation": operation, "times": 1 })).await;
        }
        let _controller = Controller::with(&team, with_crawlers).await;
        team.create("orders", crawled(&json!({ "deletionPolicy": "Delete" }))).await;
        team.until_columns("orders", &["id int"]).await;
        assert_eq!(crawlers(&team).await.len(), 1, "{action}");
        assert_eq!((times(&team, "CreateCrawler").await, times(&team, "StartCrawler").await), (1, 1));
        team.delete_wholly("orders").await;
        assert!(crawlers(&team).await.is_empty() && made(&team).await.is_empty(), "{action}");
        assert_eq!(team.admin.struck().await, 4, "{action}");
    }
}

/// Makes the table while the controller dies at a call, and has another one go on.
async fn dies_at(call: usize, is_done: bool) {
    let team = team("dies").await;
    finds(&team, &json!([["id", "int"]])).await;
    team.aws.put("orders/part-0.json", "{}").await;
    let mut controller = Controller::with(&team, with_crawlers).await;
    let hang = |from: usize| json!({ "action": "hang", "from": from });
    if is_done {
        team.admin.fault(json!({ "action": "drop-after", "from": call, "times": 1 })).await;
        team.admin.fault(hang(call + 1)).await;
    } else {
        team.admin.fault(hang(call)).await;
    }
    team.create("orders", crawled(&json!({ "deletionPolicy": "Delete" }))).await;
    team.eventually("orders", "the death", async || {
        ensure!(team.admin.struck().await > usize::from(is_done) as u64, "not yet");
        Ok(())
    })
    .await;
    controller.kill();
    team.admin.heal().await;
    controller.restart();
    team.until_columns("orders", &["id int"]).await;
    let all = (
        crawlers(&team).await.len(),
        times(&team, "CreateCrawler").await,
        times(&team, "StartCrawler").await,
    );
    assert_eq!(all, (1, 1, 1), "call {call}, done: {is_done}");
    team.delete_wholly("orders").await;
    assert!(crawlers(&team).await.is_empty() && made(&team).await.is_empty());
}

#[tokio::test]
async fn a_controller_may_die_at_every_call_and_there_is_one_crawler_and_one_crawl() {
    let deaths = (1..=16).flat_map(|call| [(call, false), (call, true)]);
    stream::iter(deaths).for_each_concurrent(4, async |(call, is_done)| dies_at(call, is_done).await).await;
}

#[tokio::test]
async fn who_may_not_write_makes_and_starts_no_crawler() {
    let team = team("looks-only").await;
    let _controller = Controller::with(&team, with_crawlers).await;
    finds(&team, &json!([["id", "int"]])).await;
    for (name, spec, reason) in [
        ("observed", json!({ "managementPolicy": "ObserveOnly" }), "Crawling"),
        ("planned", json!({ "managementPolicy": "Plan" }), "PlanPending"),
        ("resting", json!({ "suspend": true }), "Suspended"),
    ] {
        team.aws.put(&format!("{name}/part-0.json"), "{}").await;
        team.create(name, crawled(&spec)).await;
        let _ = (team.until(name, reason, |table| {
            let conditions = table.status.iter().flat_map(|status| &status.conditions);
            conditions.clone().any(|condition| condition.type_ == "Ready" && condition.reason == reason)
        }))
        .await;
    }
    let planned = team.get("planned").await.status.and_then(|status| status.plan).expect("a plan");
    assert!(planned.lines[0].starts_with("create crawler 'mizuumi-tests-"), "{:?}", planned.lines);
    assert_eq!(team.admin.writes().await.len(), 0);
    assert!(crawlers(&team).await.is_empty());
}

#[tokio::test]
async fn a_run_is_crawled_where_it_wrote() {
    let team = team("runs").await;
    let _controller = Controller::with(&team, with_crawlers).await;
    let spec = crawled(&json!({
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Published" },
    }));
    team.create("orders", spec).await;
    team.reason("orders", "AwaitingData").await;
    for (run, day, columns) in
        [("first", 1, json!([["id", "int"]])), ("second", 2, json!([["id", "int"], ["what", "string"]]))]
    {
        let location = format!("{}runs/{run}/", team.location("orders"));
        let keys = json!([["day", "string"]]);
        team.admin.finding(json!({ "location": location, "columns": columns, "partitionKeys": keys })).await;
        team.aws.put(&format!("orders/runs/{run}/day={day}/part-0.json"), "{}").await;
        team.start_run(run, "orders", day, 0).await;
        team.mark_output("orders", run).await;
        team.run_phase(run, RunPhase::Succeeded).await;
        team.admin.age_crawls(120).await;
        let expected: &[&str] = if day == 1 { &["id int"] } else { &["id int", "what string"] };
        team.until_columns("orders", expected).await;
    }
    assert_eq!(team.aws.partition_values("orders").await, ["1", "2"]);
    team.eventually("orders", "one table of the newest run", async || {
        let made = made(&team).await;
        ensure!(made.len() == 1 && made[0].ends_with("_second"), "{made:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_installation_without_crawlers_lets_no_table_have_one() {
    let team = Team::new("without").await;
    let _controller = Controller::start(&team).await;
    team.create("orders", crawled(&json!({}))).await;
    let told = team.reason("orders", "NotAllowed").await;
    assert!(told.message.contains("has no `crawlers`"), "{}", told.message);
    team.delete_wholly("orders").await;
}

#[tokio::test]
async fn the_example_of_a_crawler_does_what_it_says() {
    let mut team = team("crawler-example").await;
    team.aws.create_database("nyc").await;
    team.aws.database = "nyc".to_owned();
    let read = |file: &str| std::fs::read_to_string(format!("../examples/crawler/{file}")).expect(file);
    let config = Installation::from_yaml(&read("mizuumi.yaml")).expect("the configuration");
    let _controller = Controller::with(&team, |installation| {
        installation.crawlers = config.crawlers;
        installation.profiles = config.profiles;
    })
    .await;
    let text = read("10-clicks.yaml").replace("s3://lake/", &format!("s3://{}/", team.aws.bucket));
    let mut manifest: Value = serde_saphyr::from_str(&text).expect("YAML");
    manifest["metadata"]["namespace"] = json!(team.namespace);
    let location = format!("s3://{}/nyc/clicks/", team.aws.bucket);
    let (columns, keys) = (json!([["at", "string"]]), json!([["day", "string"]]));
    team.admin
        .finding(json!({ "location": location, "columns": columns, "partitionKeys": keys, "classification": "json" }))
        .await;
    team.aws.put("nyc/clicks/day=2026-11-01/part-0.json", "{}").await;
    team.try_create(&manifest).await.expect("the example is accepted");
    team.ready("clicks").await;
    assert_eq!(team.aws.columns("clicks").await, ["at string"]);
}
