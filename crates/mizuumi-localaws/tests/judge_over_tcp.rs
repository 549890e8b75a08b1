//! The judge over the wire: each invariant holds for a good run, and is seen to be broken when it is.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail as its tests do")]

#[path = "client/wire.rs"]
mod client;

use client::{ACCOUNT, Client, database, with_server};
use serde_json::{Value, json};

const MARK: &str = "inst/team/DataTable/my-table@db.my_table";

/// An object that says that all is well.
fn object() -> Value {
    json!({
        "kind": "DataTable",
        "metadata": {"name": "my-table", "namespace": "team", "uid": "u1", "generation": 2, "annotations": {}},
        "spec": {
            "database": "db",
            "description": "orders",
            "schema": {"from": "Declared", "columns": [
                {"name": "Id", "type": "bigint"}, {"name": "price", "type": "DECIMAL"}]},
            "partitionKeys": [{"name": "day", "type": "string"}],
            "location": "s3://lake/orders",
            "deletionPolicy": "Retain", "managementPolicy": "Full",
        },
        "status": {"observedGeneration": 2, "conditions": [
            {"type": "Ready", "status": "True", "observedGeneration": 2}]},
    })
}

/// The table as that object wants it.
fn table() -> Value {
    json!({
        "Name": "my_table",
        "Description": "orders",
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [{"Name": "day", "Type": "string"}],
        "Parameters": {"mizuumi.owner": MARK},
        "StorageDescriptor": {"Location": "s3a://lake/orders/", "Columns": [
            {"Name": "id", "Type": "bigint"}, {"Name": "price", "Type": "decimal(10,0)"}]},
    })
}

fn input(table: &Value) -> Value {
    json!({"DatabaseName": "db", "TableInput": table})
}

fn named() -> Value {
    json!({"DatabaseName": "db", "Name": "my_table"})
}

/// What the controller does in a good run.
fn good_run(client: &mut Client) {
    client.glue("CreateDatabase", &database("db")).unwrap();
    assert_eq!(client.ours("CreateTable", &input(&table())).status, 200);
    assert_eq!(client.ours("GetTable", &named()).status, 200);
}

/// What the judge says of these objects; without a grace.
fn judge_with(client: &mut Client, objects: &[Value], more: &str) -> Value {
    let view = json!({"kind": "List", "items": objects});
    client.admin("POST", &format!("judge?account={ACCOUNT}&grace=0{more}"), &view)
}

fn judge(client: &mut Client, objects: &[Value]) -> Value {
    judge_with(client, objects, "")
}

/// The violated invariants.
fn broken(judgement: &Value) -> Vec<&str> {
    let verdicts = judgement["invariants"].as_array().unwrap().iter();
    let broken: Vec<&str> =
        verdicts.clone().filter(|v| v["violations"] != 0).map(|v| v["id"].as_str().unwrap()).collect();
    for verdict in verdicts.filter(|verdict| verdict["violations"] != 0) {
        assert_ne!(verdict["examples"], json!([]), "{verdict}");
        assert!(verdict["checked"].as_u64() > Some(0), "{verdict}");
    }
    broken
}

fn verdict<'a>(judgement: &'a Value, id: &str) -> &'a Value {
    judgement["invariants"].as_array().unwrap().iter().find(|verdict| verdict["id"] == id).unwrap()
}

/// The violated invariants after a good run and something else.
async fn broken_by(
    act: impl FnOnce(&mut Client, &mut Vec<Value>) + Send + 'static,
    expected: &'static [&str],
) {
    with_server(move |server| {
        let mut client = Client::to(server);
        good_run(&mut client);
        let mut objects = vec![object()];
        let judgement = judge(&mut client, &objects);
        assert_eq!(broken(&judgement), Vec::<&str>::new(), "a good run: {judgement}");
        act(&mut client, &mut objects);
        let judgement = judge(&mut client, &objects);
        assert_eq!(broken(&judgement), expected, "{judgement:#}");
    })
    .await;
}

#[tokio::test]
async fn a_good_run_breaks_nothing_and_everything_is_looked_at() {
    with_server(|server| {
        let mut client = Client::to(server);
        good_run(&mut client);
        let judgement = judge(&mut client, &[object()]);
        assert_eq!(judgement["violations"], 0, "{judgement:#}");
        for id in ["I1", "I2", "I3", "I6", "I8"] {
            assert!(verdict(&judgement, id)["checked"].as_u64() > Some(0), "{id}");
        }
        let create = &judgement["operations"][0];
        assert_eq!(create["operation"], "glue.CreateTable");
        assert_eq!(create["attemptsPerSuccess"], 1.0);
        let bare = client.admin("POST", &format!("judge?account={ACCOUNT}"), &json!([object()]));
        assert_eq!((&bare["objects"], &bare["violations"]), (&json!(1), &json!(0)));
        let other = client.admin("POST", "judge?account=444455556666", &json!({"items": []}));
        assert_eq!((&other["objects"], &other["tables"]), (&json!(0), &json!(0)));
    })
    .await;
}

#[tokio::test]
async fn i1_two_tables_of_one_owner() {
    broken_by(
        |client, _| {
            let mut second = table();
            second["Name"] = json!("second");
            second["Parameters"]["mizuumi.owner"] = json!("inst/team/DataTable/my-table@db.second");
            client.ours("CreateTable", &input(&second));
        },
        &["I1"],
    )
    .await;
}

#[tokio::test]
async fn i1_a_copy_that_somebody_else_makes_is_none() {
    broken_by(
        |client, _| {
            let mut copy = table();
            copy["Name"] = json!("copy");
            client.glue("CreateTable", &input(&copy)).unwrap();
        },
        &[],
    )
    .await;
}

#[tokio::test]
async fn i2_a_marked_table_of_no_object() {
    broken_by(
        |client, _| {
            let mut orphan = table();
            orphan["Name"] = json!("orphan");
            orphan["Parameters"]["mizuumi.owner"] = json!("inst/team/DataTable/nobody@db.orphan");
            client.ours("CreateTable", &input(&orphan));
        },
        &["I2"],
    )
    .await;
    broken_by(|_, objects| objects.clear(), &["I2"]).await;
}

#[tokio::test]
async fn i2_has_a_grace_and_asks_for_one_installation() {
    with_server(|server| {
        let mut client = Client::to(server);
        good_run(&mut client);
        let path = format!("judge?account={ACCOUNT}");
        let judgement = client.admin("POST", &path, &json!([]));
        assert_eq!(broken(&judgement), Vec::<&str>::new());
        assert_eq!(verdict(&judgement, "I2")["notes"].as_array().unwrap().len(), 1);
        let judgement = client.admin("POST", &format!("{path}&grace=0&installation=other"), &json!([]));
        assert_eq!(broken(&judgement), Vec::<&str>::new());
        let judgement = client.admin("POST", &format!("{path}&grace=0&installation=inst"), &json!([]));
        assert_eq!(broken(&judgement), ["I2"]);
    })
    .await;
}

#[tokio::test]
async fn i3_a_ready_table_that_differs() {
    let differences: [fn(&mut Value); 7] = [
        |table| table["StorageDescriptor"]["Columns"][0]["Type"] = json!("int"),
        |table| table["StorageDescriptor"]["Columns"].as_array_mut().unwrap().swap(0, 1),
        |table| table["StorageDescriptor"]["Columns"].as_array_mut().unwrap().push(json!({"Name": "x"})),
        |table| table["StorageDescriptor"]["Location"] = json!("s3://lake/other"),
        |table| table["Description"] = json!("others"),
        |table| table["PartitionKeys"][0]["Name"] = json!("date"),
        |table| table["Parameters"] = json!({}),
    ];
    for differ in differences {
        broken_by(
            move |client, _| {
                let mut changed = table();
                differ(&mut changed);
                client.glue("UpdateTable", &input(&changed)).unwrap();
            },
            &["I3"],
        )
        .await;
    }
    broken_by(|client, _| drop(client.glue("DeleteTable", &named())), &["I3"]).await;
}

#[tokio::test]
async fn i3_an_object_that_says_it_is_not_ready_may_differ() {
    let not_ready: [fn(&mut Value); 4] = [
        |object| object["metadata"]["generation"] = json!(3),
        |object| object["status"]["conditions"][0]["status"] = json!("False"),
        |object| object["metadata"]["deletionTimestamp"] = json!("2026-11-22T00:00:00Z"),
        |object| object["spec"]["suspend"] = json!(true),
    ];
    for change in not_ready {
        broken_by(
            move |client, objects| {
                change(&mut objects[0]);
                client.glue("DeleteTable", &named()).unwrap();
            },
            &[],
        )
        .await;
    }
}

#[tokio::test]
async fn i3_a_write_while_nothing_should_happen() {
    with_server(|server| {
        let mut client = Client::to(server);
        good_run(&mut client);
        let seq = client.admin("GET", "calls", &Value::Null)["seq"].as_u64().unwrap();
        let quiet = format!("&quietSince={seq}");
        client.glue("CreateDatabase", &database("others")).unwrap();
        assert_eq!(broken(&judge_with(&mut client, &[object()], &quiet)), Vec::<&str>::new());
        let mut update = input(&table());
        update["VersionId"] = json!("0");
        client.ours("UpdateTable", &update);
        client.ours("GetTable", &named());
        assert_eq!(broken(&judge_with(&mut client, &[object()], &quiet)), ["I3"]);
    })
    .await;
}

#[tokio::test]
async fn i4_an_object_that_is_gone_before_its_table() {
    with_server(|server| {
        let mut client = Client::to(server);
        good_run(&mut client);
        let mut shown = object();
        shown["spec"]["deletionPolicy"] = json!("Delete");
        assert_eq!(broken(&judge(&mut client, std::slice::from_ref(&shown))), Vec::<&str>::new());
        assert_eq!(broken(&judge(&mut client, &[])), ["I2", "I4"]);
        let mut again = shown.clone();
        again["metadata"]["uid"] = json!("u2");
        assert_eq!(broken(&judge(&mut client, &[again])), Vec::<&str>::new(), "made anew under its name");
        client.ours("DeleteTable", &named());
        let judgement = judge(&mut client, &[]);
        assert_eq!(broken(&judgement), Vec::<&str>::new());
        assert_eq!(verdict(&judgement, "I4")["checked"], 2);
    })
    .await;
}

#[tokio::test]
async fn i4_what_is_abandoned_may_stay() {
    with_server(|server| {
        let mut client = Client::to(server);
        good_run(&mut client);
        let mut shown = object();
        shown["spec"]["deletionPolicy"] = json!("Delete");
        shown["metadata"]["annotations"]["mizuumi.dev/abandon"] = json!("true");
        judge(&mut client, &[shown]);
        assert_eq!(broken(&judge(&mut client, &[])), Vec::<&str>::new());
    })
    .await;
}

#[tokio::test]
async fn i5_a_write_to_what_is_not_ours_and_an_adoption() {
    let foreign = || {
        let mut foreign = table();
        foreign["Name"] = json!("foreign");
        foreign["Parameters"] = json!({});
        foreign
    };
    let ours = || {
        let mut ours = table();
        ours["Name"] = json!("foreign");
        ours["Parameters"]["mizuumi.owner"] = json!("inst/team/DataTable/foreign@db.foreign");
        ours
    };
    let second = || {
        let mut second = object();
        second["metadata"]["name"] = json!("foreign");
        second["metadata"]["uid"] = json!("u3");
        second
    };
    broken_by(
        move |client, objects| {
            client.glue("CreateTable", &input(&foreign())).unwrap();
            let mut adopt = input(&ours());
            adopt["VersionId"] = json!("0");
            assert_eq!(client.ours("UpdateTable", &adopt).status, 200);
            client.ours("GetTables", &json!({"DatabaseName": "db", "Expression": "foreign|my_table"}));
            objects.push(second());
            let judgement = judge(client, objects);
            assert_eq!(verdict(&judgement, "I5")["notes"].as_array().unwrap().len(), 1, "{judgement}");
        },
        &[],
    )
    .await;
    broken_by(
        move |client, _| {
            client.glue("CreateTable", &input(&foreign())).unwrap();
            let partition = json!({"DatabaseName": "db", "TableName": "foreign",
                "PartitionInput": {"Values": ["2026-11-22"]}});
            assert_eq!(client.ours("CreatePartition", &partition).status, 200);
        },
        &["I5"],
    )
    .await;
    broken_by(
        move |client, _| {
            client.glue("CreateTable", &input(&foreign())).unwrap();
            client.ours("DeleteTable", &json!({"DatabaseName": "db", "Name": "foreign"}));
        },
        &["I5"],
    )
    .await;
}

#[tokio::test]
async fn i6_ready_though_the_last_write_was_never_read() {
    let update = |client: &mut Client| {
        let mut update = input(&table());
        update["VersionId"] = json!("0");
        assert_eq!(client.ours("UpdateTable", &update).status, 200);
    };
    broken_by(move |client, _| update(client), &["I6"]).await;
    broken_by(
        move |client, _| {
            update(client);
            client.glue("GetTable", &named()).unwrap();
        },
        &["I6"],
    )
    .await;
    broken_by(
        move |client, _| {
            update(client);
            client.ours("GetTables", &json!({"DatabaseName": "db", "Expression": "other|my_table"}));
        },
        &[],
    )
    .await;
    broken_by(
        |client, _| {
            let partition = json!({"DatabaseName": "db", "TableName": "my_table",
                "PartitionInput": {"Values": ["2026-11-22"]}});
            client.ours("CreatePartition", &partition);
        },
        &["I6"],
    )
    .await;
    broken_by(
        move |client, _| {
            update(client);
            let lag = json!({"action": "list-lag", "delayMs": 60000, "operation": "GetTables"});
            client.admin("POST", "faults", &lag);
            client.ours("GetTables", &json!({"DatabaseName": "db"}));
        },
        &["I6"],
    )
    .await;
}

#[tokio::test]
async fn i7_an_update_that_names_no_version() {
    broken_by(
        |client, _| {
            client.ours("UpdateTable", &input(&table()));
            client.ours("GetTable", &named());
        },
        &["I7"],
    )
    .await;
    broken_by(
        |client, _| {
            let mut stale = input(&table());
            stale["VersionId"] = json!("7");
            assert_eq!(client.ours("UpdateTable", &stale).status, 400, "refused, so nothing is broken");
        },
        &[],
    )
    .await;
}

#[tokio::test]
async fn i8_more_throttled_calls_than_allowed() {
    with_server(|server| {
        let mut client = Client::to(server);
        good_run(&mut client);
        client.admin("POST", "faults", &json!({"action": "throttle", "operation": "GetTable", "times": 1}));
        client.ours("GetTable", &named());
        client.ours("GetTable", &named());
        let judgement = judge(&mut client, &[object()]);
        assert_eq!(broken(&judgement), Vec::<&str>::new(), "no limit was named");
        let share = &judgement["operations"][1];
        assert_eq!((&share["calls"], &share["throttled"]), (&json!(3), &json!(1)));
        assert_eq!(share["attemptsPerSuccess"], 1.5);
        assert_eq!(broken(&judge_with(&mut client, &[object()], "&maxThrottled=25")), Vec::<&str>::new());
        assert_eq!(broken(&judge_with(&mut client, &[object()], "&maxThrottled=24")), ["I8"]);
    })
    .await;
}

#[tokio::test]
async fn i9_fresher_than_the_data() {
    fn told(object: &mut Value, source: &str, data_time: &str) {
        object["status"]["freshness"] = json!({"state": "Fresh", "source": source, "dataTime": data_time});
    }
    const REPORTED: &str = "mizuumi.dev/reported-data-time";
    for (reported, said, expected) in [
        (Some("2026-11-22T09:00:00+09:00"), "2026-11-22T00:00:00Z", &[][..]),
        (Some("2026-11-22T09:00:00+09:00"), "2026-11-22T00:00:01Z", &["I9"]),
        (None, "2026-11-22T00:00:00Z", &["I9"]),
        (Some("yesterday"), "2026-11-22T00:00:00Z", &[]),
    ] {
        broken_by(
            move |_, objects| {
                if let Some(reported) = reported {
                    objects[0]["metadata"]["annotations"][REPORTED] = json!(reported);
                }
                told(&mut objects[0], "Reported", said);
            },
            expected,
        )
        .await;
    }
    for (grain, said, expected) in [
        ("Day", "2026-11-22T00:00:00Z", &[][..]),
        ("Day", "2026-11-22T00:00:01Z", &["I9"]),
        ("Month", "2026-12-01T00:00:00Z", &["I9"]),
    ] {
        broken_by(
            move |client, objects| {
                let partition = json!({"DatabaseName": "db", "TableName": "my_table",
                    "PartitionInput": {"Values": ["2026-11-21"]}});
                client.glue("CreatePartition", &partition).unwrap();
                objects[0]["spec"]["freshness"] =
                    json!({"sources": [{"type": "PartitionValue", "partitionValue": {"grain": grain}}]});
                told(&mut objects[0], "PartitionValue", said);
            },
            expected,
        )
        .await;
    }
}

#[tokio::test]
async fn what_is_no_table_is_refused() {
    with_server(|server| {
        let mut client = Client::to(server);
        let head = "POST /_localaws/judge HTTP/1.1\r\ncontent-type: application/json";
        assert_eq!(client.send(head, "[{\"kind\": \"Pod\"}]").unwrap().status, 400);
        assert_eq!(client.send(head, "nonsense").unwrap().status, 400);
    })
    .await;
}
