//! What a client sees on the wire: answers, errors, and the admin API.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail as its tests do")]

#[path = "client/wire.rs"]
mod client;

use client::{ACCOUNT, Client, database, with_server};
use mizuumi_localaws::{Options, Server};
use serde_json::{Value, json};

#[tokio::test]
async fn answers_and_errors_have_the_json_protocols_form() {
    with_server(|server| {
        let mut client = Client::to(server);
        let answer = client.glue("CreateDatabase", &database("Db")).unwrap();
        assert_eq!((answer.status, answer.body), (200, json!({})));
        assert!(answer.head.contains("x-amzn-requestid: "));
        assert!(answer.head.contains("content-type: application/x-amz-json-1.1"));
        let answer = client.glue("GetDatabase", &json!({"Name": "nosuch"})).unwrap();
        assert_eq!(answer.status, 400);
        assert_eq!(
            answer.body,
            json!({"__type": "EntityNotFoundException", "Message": "Database nosuch not found."})
        );
        assert!(answer.head.contains("x-amzn-errortype: entitynotfoundexception"));
        let answer = client.glue("StartJobRun", &json!({})).unwrap();
        assert_eq!((answer.status, &answer.body["__type"]), (400, &json!("UnknownOperationException")));
        let answer = client.send("GET /bucket?list-type=2 HTTP/1.1", "").unwrap();
        assert_eq!(answer.status, 501);
        assert!(answer.body.as_str().unwrap().contains("<Code>NotImplemented</Code>"));
    })
    .await;
}

#[tokio::test]
async fn accounts_and_regions_are_apart() {
    with_server(|server| {
        let mut client = Client::to(server);
        client.glue("CreateDatabase", &database("db")).unwrap();
        for (key, region, status) in [
            (ACCOUNT, "eu-west-1", 200),
            (ACCOUNT, "us-east-1", 400),
            ("444455556666", "eu-west-1", 400),
            ("AKIAIOSFODNN7EXAMPLE", "eu-west-1", 400),
        ] {
            let answer = client.glue_as(key, region, "GetDatabase", &json!({"Name": "db"})).unwrap();
            assert_eq!(answer.status, status, "{key} {region}");
        }
    })
    .await;
}

#[tokio::test]
async fn calls_and_writes_are_accounted_for() {
    with_server(|server| {
        let mut client = Client::to(server);
        client.glue("CreateDatabase", &database("db")).unwrap();
        let table = |owner: Option<&str>| {
            let parameters = owner.map_or(json!({}), |owner| json!({"mizuumi.owner": owner}));
            json!({"Name": "t", "Parameters": parameters})
        };
        let write = |version: Option<&str>, owner: Option<&str>| {
            json!({"DatabaseName": "db", "TableInput": table(owner), "VersionId": version})
        };
        client.glue("CreateTable", &write(None, None)).unwrap();
        client.glue("UpdateTable", &write(None, Some("me"))).unwrap();
        client.glue("UpdateTable", &write(Some("0"), Some("me"))).unwrap();
        client.glue("UpdateTable", &write(Some("1"), None)).unwrap();

        let calls = client.admin("GET", &format!("calls?account={ACCOUNT}&log=true"), &Value::Null);
        assert_eq!(
            calls["counts"]["glue.UpdateTable"],
            json!({"ok": 2, "ConcurrentModificationException": 1})
        );
        assert_eq!(calls["log"][1]["resource"], "db.t");
        let since = calls["log"][1]["seq"].as_u64().unwrap();
        let later = client.admin("GET", &format!("calls?since={since}"), &Value::Null);
        assert!(later["counts"].get("glue.CreateTable").is_none());

        let audit = client.admin("GET", &format!("audit?account={ACCOUNT}"), &Value::Null);
        let entries = audit["entries"].as_array().unwrap();
        assert_eq!(entries.len(), 4, "the refused update changed nothing");
        assert_eq!((&entries[2]["versionBefore"], &entries[2]["versionAfter"]), (&json!(0), &json!(1)));
        assert_eq!((&entries[2]["ownerBefore"], &entries[2]["ownerAfter"]), (&Value::Null, &json!("me")));
        assert_eq!((&entries[3]["versionGiven"], &entries[3]["userAgent"]), (&json!("1"), &json!("test/1")));
        assert_eq!(
            audit["witness"][ACCOUNT]["test/1"],
            json!({"writes": 4, "updateTableWithoutVersion": 1, "updateTableWithStaleVersion": 1,
                "writesToUnmarkedTables": 1})
        );

        client.admin("POST", &format!("reset?account={ACCOUNT}"), &Value::Null);
        assert_eq!(client.glue("GetDatabase", &json!({"Name": "db"})).unwrap().status, 400);
        let audit = client.admin("GET", "audit", &Value::Null);
        assert_eq!((&audit["entries"], &audit["witness"]), (&json!([]), &json!({})));
    })
    .await;
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let listen = "0.0.0.0:0".parse().unwrap();
    assert!(Server::start(Options { listen, ..Options::default() }).await.is_err());
}

#[tokio::test]
async fn a_seed_makes_many_tables_in_one_call_and_nobody_called() {
    with_server(|server| {
        let mut client = Client::to(server);
        let seed = json!({"account": ACCOUNT, "region": "eu-west-1", "database": "db", "tables": 250,
            "columns": 3, "prefix": "foreign_", "parameters": {"team": "x"}});
        assert_eq!(client.admin("POST", "seed", &seed), json!({"created": 250, "existing": 0}));
        assert_eq!(client.admin("POST", "seed", &seed), json!({"created": 0, "existing": 250}));
        let page = client.glue("GetTables", &json!({"DatabaseName": "db"})).unwrap().body;
        assert_eq!(page["TableList"].as_array().unwrap().len(), 100);
        assert_eq!(page["TableList"][7]["Name"], "foreign_000007");
        assert_eq!(page["TableList"][7]["Parameters"]["team"], "x");
        let names = json!({"DatabaseName": "db", "Expression": "foreign_000001|FOREIGN_000249|nosuch"});
        let page = client.glue("GetTables", &names).unwrap().body;
        assert_eq!(page["TableList"].as_array().unwrap().len(), 2);
        let calls = client.admin("GET", "calls", &Value::Null);
        assert_eq!(calls["counts"], json!({"glue.GetTables": {"ok": 2}}));
        assert_eq!(client.admin("GET", "audit", &Value::Null)["entries"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn counts_stay_when_single_calls_and_writes_are_forgotten() {
    let options = Options { calls_kept: 3, audit_kept: 2, ..Options::default() };
    let server = Server::start(options).await.unwrap();
    let test = move || {
        let mut client = Client::to(&server);
        for name in ["a", "b", "c", "d", "e"] {
            client.glue("CreateDatabase", &database(name)).unwrap();
        }
        let calls = client.admin("GET", "calls?log=true", &Value::Null);
        assert_eq!(calls["counts"]["glue.CreateDatabase"]["ok"], 5);
        assert_eq!(calls["log"].as_array().unwrap().len(), 3);
        assert_eq!((&calls["forgotten"], &calls["incomplete"]), (&json!(2), &json!(true)));
        assert_eq!(client.admin("GET", "calls?since=2", &Value::Null)["incomplete"], false);
        let audit = client.admin("GET", "audit", &Value::Null);
        assert_eq!(audit["entries"].as_array().unwrap().len(), 2);
        assert_eq!(audit["witness"][ACCOUNT]["test/1"]["writes"], 5);
        assert_eq!((&audit["forgotten"], &audit["incomplete"]), (&json!(3), &json!(true)));
    };
    tokio::task::spawn_blocking(test).await.unwrap();
}
