//! A table comes, changes and goes with its resource.

use anyhow::ensure;
use aws_sdk_glue::types::Column;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use mizuumi_api::ConditionStatus;
use mizuumi_tests::{Controller, Team, bare, condition, reason_of};
use serde_json::json;

#[tokio::test]
async fn a_resource_makes_its_table_in_glue() {
    let team = Team::new("create").await;
    let _controller = Controller::start(&team).await;
    let spec = json!({
        "description": "Orders of the shop",
        "owner": "team-shop",
        "layer": "Warehouse",
        "parameters": { "retention": "90" },
        "schema": { "columns": [
            { "name": "id", "type": "bigint", "comment": "Number of the order" },
            { "name": "price", "type": "decimal(10,2)" },
            { "name": "lines", "type": "array<struct<sku:string,n:int>>" },
        ] },
        "partitionKeys": [{ "name": "day", "type": "date" }],
    });
    let ready = team.create_ready("web-orders", spec).await;

    let table = team.aws.existing("web_orders").await;
    assert_eq!(table.description(), Some("Orders of the shop"));
    assert_eq!(table.owner(), Some("team-shop"));
    assert_eq!(table.table_type(), Some("EXTERNAL_TABLE"));
    let storage = table.storage_descriptor().expect("a storage descriptor");
    let columns: Vec<_> =
        storage.columns().iter().map(|c| (c.name(), c.r#type().unwrap_or_default(), c.comment())).collect();
    assert_eq!(
        columns,
        [
            ("id", "bigint", Some("Number of the order")),
            ("price", "decimal(10,2)", None),
            ("lines", "array<struct<sku:string,n:int>>", None),
        ]
    );
    assert_eq!(table.partition_keys().iter().map(Column::name).collect::<Vec<_>>(), ["day"]);
    assert_eq!(storage.location(), Some(team.location("web-orders").as_str()));
    assert_eq!(
        storage.serde_info().and_then(|serde| serde.serialization_library()),
        Some("org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe")
    );
    let parameters = table.parameters().expect("parameters");
    for (key, value) in [
        ("EXTERNAL", "TRUE"),
        ("classification", "parquet"),
        ("retention", "90"),
        ("mizuumi.layer", "Warehouse"),
        (
            "mizuumi.owner",
            format!("tests/{0}/DataTable/web-orders@{1}.web_orders", team.namespace, team.aws.database)
                .as_str(),
        ),
    ] {
        assert_eq!(parameters.get(key).map(String::as_str), Some(value), "{key}");
    }

    let status = ready.status.expect("a status");
    assert_eq!(Some(status.observed_generation), ready.metadata.generation);
    let of = status.table.expect("the table's name");
    assert_eq!((of.database, of.name), (team.aws.database.clone(), "web_orders".to_owned()));
    let told: Vec<&str> = status.conditions.iter().map(|c| c.type_.as_str()).collect();
    assert_eq!(told, ["Ready", "Compatible"]);
    assert_eq!(
        team.event("web-orders", "TableCreated").await,
        format!("create table: 3 columns, 1 partition key, at {}", team.location("web-orders"))
    );
    let writes = team.admin.writes().await;
    assert_eq!(writes.len(), 1, "one write is enough: {writes:?}");
}

#[tokio::test]
async fn a_new_object_has_a_status_before_the_first_call_to_aws() {
    let team = Team::new("first").await;
    team.admin.fault(json!({ "action": "delay", "delayMs": 1500, "service": "glue" })).await;
    let since = team.admin.seq().await;
    let _controller = Controller::start(&team).await;
    team.create("orders", json!({})).await;
    let table = team.until("orders", "a condition", |table| condition(table, "Ready").is_some()).await;
    assert_eq!(team.admin.calls(since).await.len(), 0, "the status came after a call");
    let ready = condition(&table, "Ready").expect("Ready");
    assert_eq!((ready.status, ready.reason.as_str()), (ConditionStatus::Unknown, "Progressing"));
    let reconciling = condition(&table, "Reconciling").expect("Reconciling");
    assert_eq!((reconciling.status, reconciling.observed_generation), (ConditionStatus::True, 1));
    assert_eq!(table.status.as_ref().map(|s| s.observed_generation), Some(1));
    assert!(table.metadata.finalizers.iter().flatten().any(|name| name == mizuumi_api::FINALIZER));
    team.ready("orders").await;
}

#[tokio::test]
async fn a_changed_spec_changes_the_table_and_names_the_version_it_read() {
    let team = Team::new("update").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({ "description": "first" })).await;
    let columns = json!([
        { "name": "id", "type": "bigint" },
        { "name": "what", "type": "varchar(20)" },
        { "name": "added", "type": "timestamp" },
    ]);
    team.change(
        "orders",
        json!({ "description": "second", "schema": { "columns": columns, "evolution": "Breaking" } }),
    )
    .await;
    let ready = team.ready("orders").await;

    let table = team.aws.existing("orders").await;
    assert_eq!(table.description(), Some("second"));
    let storage = table.storage_descriptor().expect("a storage descriptor");
    let types: Vec<_> = storage.columns().iter().filter_map(|column| column.r#type()).collect();
    assert_eq!(types, ["bigint", "varchar(20)", "timestamp"]);
    assert_eq!(ready.status.expect("a status").observed_generation, 2);
    let note = team.event("orders", "TableUpdated").await;
    for part in [r#"description: "first" → "second""#, "columns.what.type", "+ columns.added"] {
        assert!(note.contains(part), "no {part} in {note}");
    }
    let updates: Vec<_> =
        team.admin.writes().await.into_iter().filter(|write| write.operation == "UpdateTable").collect();
    assert_eq!(updates.len(), 1, "{updates:?}");
    assert_eq!(updates[0].version_given.as_deref(), Some("0"));
    assert_eq!(team.admin.witness("updateTableWithoutVersion").await, 0);
    assert_eq!(team.admin.witness("updateTableWithStaleVersion").await, 0);
}

#[tokio::test]
async fn what_leaves_the_spec_leaves_the_table() {
    let team = Team::new("dropped").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({ "description": "mine", "parameters": { "a": "1", "b": "2" } })).await;
    team.change("orders", json!({ "description": null, "parameters": { "a": null } })).await;
    team.ready("orders").await;
    let table = team.aws.existing("orders").await;
    assert_eq!(table.description(), None);
    let parameters = table.parameters().expect("parameters");
    assert_eq!((parameters.get("a"), parameters.get("b").map(String::as_str)), (None, Some("2")));
}

#[tokio::test]
async fn deletion_with_delete_takes_the_table_out_of_glue() {
    let team = Team::new("delete").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({ "deletionPolicy": "Delete" })).await;
    team.create_ready("kept", json!({ "deletionPolicy": "Delete" })).await;
    team.delete_wholly("orders").await;
    assert!(team.aws.table("orders").await.is_none());
    assert!(team.aws.table("kept").await.is_some());
    team.event("orders", "TableDeleted").await;
}

#[tokio::test]
async fn deletion_with_retain_leaves_the_table_without_our_marks() {
    let team = Team::new("retain").await;
    let _controller = Controller::start(&team).await;
    let spec = json!({
        "layer": "Lake",
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Declared", "declared": [{ "values": ["2026-11-21"] }] },
        "freshness": { "sources": [{ "type": "Reported" }], "maxAge": { "error": "1d" } },
    });
    team.create_ready("orders", spec).await;
    team.annotate("orders", json!({ "mizuumi.dev/reported-data-time": "2026-11-22T00:00:00Z" })).await;
    team.eventually("orders", "freshness in Glue", async || {
        let told = team.aws.parameter("orders", "mizuumi.data_time").await;
        ensure!(told.is_some(), "not told yet");
        Ok(())
    })
    .await;
    team.delete_wholly("orders").await;

    let table = team.aws.existing("orders").await;
    let parameters = table.parameters().expect("parameters");
    assert!(parameters.keys().all(|key| !key.starts_with("mizuumi.")), "{parameters:?}");
    assert_eq!(parameters.get("classification").map(String::as_str), Some("parquet"));
    let partitions = team.aws.partitions("orders").await;
    assert_eq!(partitions.len(), 1);
    let marks = partitions[0].parameters().cloned().unwrap_or_default();
    assert!(marks.keys().all(|key| !key.starts_with("mizuumi.")), "{marks:?}");
    team.event("orders", "TableReleased").await;
}

#[tokio::test]
async fn an_object_made_anew_after_a_restore_takes_its_table_back_without_a_word() {
    let team = Team::new("restore").await;
    let mut controller = Controller::start(&team).await;
    team.create_ready("orders", json!({ "description": "mine" })).await;
    let before = bare(team.aws.existing("orders").await);
    // A lost cluster: the object goes and nobody is there to clean up after it.
    controller.kill();
    team.patch("orders", json!({ "metadata": { "finalizers": null } })).await;
    team.delete_wholly("orders").await;
    let writes = team.admin.writes().await.len();
    controller.restart();
    team.create_ready("orders", json!({ "description": "mine" })).await;
    assert_eq!(bare(team.aws.existing("orders").await), before);
    assert_eq!(team.admin.writes().await.len(), writes, "there was nothing to write");

    team.change("orders", json!({ "description": "still mine" })).await;
    team.ready("orders").await;
    assert_eq!(team.aws.existing("orders").await.description(), Some("still mine"));
}

#[tokio::test]
async fn the_spec_is_never_written() {
    let team = Team::new("spec").await;
    let _controller = Controller::start(&team).await;
    let made = team.create("orders", json!({})).await;
    team.ready("orders").await;
    team.change("orders", json!({ "owner": "team-shop" })).await;
    let ready = team.ready("orders").await;
    assert_eq!(ready.metadata.generation, Some(2), "only the two of us");
    let mut spec = made.spec.clone();
    spec.owner = Some("team-shop".to_owned());
    assert_eq!(ready.spec, spec);

    let all = team.tables.list(&ListParams::default()).await.expect("the objects are listed");
    let managers = all.items[0].metadata.managed_fields.as_deref().unwrap_or_default();
    let ours = managers.iter().find(|entry| entry.manager.as_deref() == Some(mizuumi_api::FIELD_MANAGER));
    let ours = ours.expect("the status has our name");
    assert_eq!(ours.subresource.as_deref(), Some("status"));
    // The finalizer is set by a JSON patch, whose manager is the client's user agent.
    let theirs = made.metadata.managed_fields.as_deref().unwrap_or_default();
    for entry in managers {
        let of_the_test = theirs.iter().any(|before| before.manager == entry.manager);
        let fields = serde_json::to_value(&entry.fields_v1).expect("JSON");
        assert!(
            of_the_test || fields.get("f:spec").is_none(),
            "{:?} wrote the spec: {fields}",
            entry.manager
        );
    }
}

#[tokio::test]
async fn a_request_to_reconcile_is_answered_in_the_status() {
    let team = Team::new("request").await;
    let _controller = Controller::with(&team, |config| config.intervals.sweep_seconds = 3600).await;
    team.create_ready("orders", json!({ "description": "mine" })).await;
    team.aws.set_parameter("orders", "classification", Some("csv")).await;
    team.annotate("orders", json!({ "mizuumi.dev/requested-at": "now, please" })).await;
    let table = team
        .until("orders", "the request handled", |table| {
            table.status.as_ref().and_then(|s| s.last_handled_reconcile_at.as_deref()) == Some("now, please")
        })
        .await;
    assert!(table.status.expect("a status").drift.is_some());
    assert_eq!(team.aws.parameter("orders", "classification").await.as_deref(), Some("parquet"));
}

#[tokio::test]
async fn an_object_deleted_while_its_table_is_being_made_leaves_nothing() {
    let team = Team::new("hasty").await;
    team.admin.fault(json!({ "action": "delay", "delayMs": 800, "operation": "CreateTable" })).await;
    let _controller = Controller::start(&team).await;
    team.create("orders", json!({ "deletionPolicy": "Delete" })).await;
    team.eventually("orders", "the creation to be under way", async || {
        ensure!(team.admin.struck().await == 1, "not yet");
        Ok(())
    })
    .await;
    team.delete_wholly("orders").await;
    assert!(team.aws.table("orders").await.is_none());
    let writes: Vec<_> = team.admin.writes().await.into_iter().map(|write| write.operation).collect();
    assert_eq!(writes, ["CreateTable", "DeleteTable"]);
}

#[tokio::test]
async fn of_changes_that_come_in_quick_succession_the_last_one_counts() {
    let team = Team::new("quick").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({})).await;
    team.admin.fault(json!({ "action": "delay", "delayMs": 150, "operation": "UpdateTable" })).await;
    for number in 1..=8 {
        team.change("orders", json!({ "description": format!("change {number}") })).await;
    }
    let table = team.ready("orders").await;
    assert_eq!(table.metadata.generation, Some(9));
    assert_eq!(team.aws.existing("orders").await.description(), Some("change 8"));
    assert!(team.aws.versions("orders").await <= 9);
}

#[tokio::test]
async fn a_deleted_namespace_takes_its_tables_with_it() {
    let team = Team::new("namespace").await;
    let _controller = Controller::start(&team).await;
    for name in ["one", "two"] {
        team.create_ready(name, json!({ "deletionPolicy": "Delete" })).await;
    }
    team.create_ready("kept", json!({})).await;
    let namespaces: Api<Namespace> = Api::all(team.client.clone());
    namespaces.delete(&team.namespace, &DeleteParams::default()).await.expect("the namespace is deleted");
    team.eventually("one", "the namespace to be gone", async || {
        ensure!(namespaces.get_opt(&team.namespace).await?.is_none(), "it is still there");
        Ok(())
    })
    .await;
    assert!(team.aws.table("one").await.is_none() && team.aws.table("two").await.is_none());
    assert_eq!(team.aws.parameter("kept", "mizuumi.owner").await, None);
}

#[tokio::test]
async fn a_controller_that_is_told_to_stop_ends_in_good_order() {
    let team = Team::new("stop").await;
    let mut controller = Controller::start(&team).await;
    team.admin.fault(json!({ "action": "delay", "delayMs": 500, "operation": "CreateTable" })).await;
    team.create("orders", json!({})).await;
    team.eventually("orders", "the creation to be under way", async || {
        ensure!(team.admin.struck().await == 1, "not yet");
        Ok(())
    })
    .await;
    controller.terminate();
    let code = team.eventually("orders", "the controller to end", async || controller.ended()).await;
    assert_eq!(code, Some(0), "{}", team.explain("orders").await);
    // What was under way was brought to its end, and told.
    assert_eq!(reason_of(&team.get("orders").await, "Ready"), "InSync");
}

#[tokio::test]
async fn buckets_and_further_roots_come_and_go_with_the_spec() {
    let team = Team::new("layout").await;
    let _controller = Controller::start(&team).await;
    let older = format!("s3://{}/older/", team.aws.bucket);
    let layout = json!({
        "bucketing": { "columns": ["id"], "count": 16, "sortedBy": [{ "column": "what", "order": "Descending" }] },
        "additionalLocations": [older],
        "retention": 30,
    });
    team.create_ready("orders", layout).await;
    let table = team.aws.existing("orders").await;
    let storage = table.storage_descriptor().expect("a storage descriptor");
    assert_eq!((storage.number_of_buckets(), storage.bucket_columns()), (16, &["id".to_owned()][..]));
    assert_eq!(
        storage.sort_columns().iter().map(|order| (order.column(), order.sort_order())).collect::<Vec<_>>(),
        [("what", 0)]
    );
    assert_eq!((storage.additional_locations(), table.retention()), (&[older][..], 30));

    team.change("orders", json!({ "bucketing": null, "additionalLocations": null, "retention": null })).await;
    team.ready("orders").await;
    let table = team.aws.existing("orders").await;
    let storage = table.storage_descriptor().expect("a storage descriptor");
    assert!(storage.bucket_columns().is_empty() && storage.sort_columns().is_empty());
    assert_eq!((storage.number_of_buckets(), table.retention()), (0, 0));
    assert!(storage.additional_locations().is_empty());
}

#[tokio::test]
async fn a_database_is_made_on_request_and_never_deleted() {
    let team = Team::new("databases").await;
    let _controller = Controller::start(&team).await;
    let database = format!("{}_more", team.aws.database);
    let spec = |table: &str| json!({ "database": database, "name": table, "deletionPolicy": "Delete" });
    team.create("orders", spec("orders")).await;
    let told = team.reason("orders", "DatabaseNotFound").await;
    assert!(told.message.contains("`spec.databasePolicy: Create`"), "{}", told.message);
    team.change("orders", json!({ "databasePolicy": "Create" })).await;
    team.ready("orders").await;
    team.event("orders", "DatabaseCreated").await;
    let get =
        async || team.aws.glue.get_database().name(&database).send().await.expect("it is there").database;
    let made = get().await.expect("a database");
    let made_for = made.parameters().and_then(|all| all.get("mizuumi.created_for")).cloned();
    assert!(made_for.is_some_and(|owner| owner.contains("DataTable/orders")), "{made:?}");
    // Many ask for one that is not there: it is made once, and each of them gets its table.
    let mut more = spec("more");
    more["databasePolicy"] = json!("Create");
    more["database"] = json!(format!("{}_many", team.aws.database));
    for number in 0..5 {
        more["name"] = json!(format!("t{number}"));
        team.create(&format!("t{number}"), more.clone()).await;
    }
    for number in 0..5 {
        team.ready(&format!("t{number}")).await;
    }
    team.delete_wholly("orders").await;
    assert_eq!(get().await, Some(made));
}

#[tokio::test]
async fn so_many_earlier_versions_stay_as_the_spec_says() {
    let team = Team::new("versions").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({})).await;
    for text in ["one", "two", "three", "four"] {
        team.change("orders", json!({ "description": text })).await;
        team.ready("orders").await;
    }
    assert_eq!(team.aws.versions("orders").await, 5);
    team.change("orders", json!({ "keepVersions": 2 })).await;
    let note = team.event("orders", "VersionsDeleted").await;
    assert!(note.contains("delete 2 earlier versions of the definition: '0', '1'"), "{note}");
    team.ready("orders").await;
    assert_eq!(team.aws.versions("orders").await, 3);
    assert_eq!(team.aws.existing("orders").await.description(), Some("four"));
    team.change("orders", json!({ "description": "five" })).await;
    team.ready("orders").await;
    team.annotate("orders", json!({ "mizuumi.dev/requested-at": "now" })).await;
    team.eventually("orders", "the next look takes the next version with it", async || {
        let versions = team.aws.versions("orders").await;
        ensure!(versions == 3, "there are {versions}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_commit_is_told_with_the_change_that_it_made() {
    let team = Team::new("commit").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({ "producer": "daily-orders" })).await;
    assert_eq!(team.aws.parameter("orders", "mizuumi.producer").await.as_deref(), Some("daily-orders"));
    assert_eq!(team.aws.parameter("orders", "mizuumi.commit").await, None);
    team.annotate("orders", json!({ "mizuumi.dev/commit": "0c1f3a9" })).await;
    let versions = team.aws.versions("orders").await;
    team.change("orders", json!({ "description": "Orders" })).await;
    team.ready("orders").await;
    assert_eq!(team.aws.parameter("orders", "mizuumi.commit").await.as_deref(), Some("0c1f3a9"));
    assert_eq!(team.aws.versions("orders").await, versions + 1, "the commit alone wrote nothing");
}
