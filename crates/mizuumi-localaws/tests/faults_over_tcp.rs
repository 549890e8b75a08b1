//! What goes wrong on demand, as a client sees it on the wire.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail as its tests do")]

#[path = "client/wire.rs"]
mod client;

use std::time::{Duration, Instant};

use client::{ACCOUNT, Client, database, with_server};
use mizuumi_localaws::{Latency, Options, Server};
use serde_json::{Value, json};

#[tokio::test]
async fn each_fault_does_what_its_name_says() {
    with_server(|server| {
        let mut admin = Client::to(server);
        for (action, status, code, effect) in [
            ("throttle", 400, "ThrottlingException", false),
            ("denied", 400, "AccessDeniedException", false),
            ("error-before", 500, "InternalServiceException", false),
            ("error-after", 500, "InternalServiceException", true),
            ("unavailable", 503, "ServiceUnavailableException", false),
            ("expired-token", 400, "ExpiredTokenException", false),
            ("drop-before", 0, "", false),
            ("drop-after", 0, "", true),
        ] {
            let mut client = Client::to(server);
            admin.admin(
                "POST",
                "faults",
                &json!({"action": action, "operation": "CreateDatabase", "times": 1}),
            );
            let answer = client.glue("CreateDatabase", &database(action));
            if status == 0 {
                assert!(answer.is_none(), "{action} must close the connection");
            } else {
                let answer = answer.unwrap();
                assert_eq!((answer.status, answer.body["__type"].as_str().unwrap()), (status, code));
            }
            let exists = admin.glue("GetDatabase", &json!({"Name": action})).unwrap().status == 200;
            assert_eq!(exists, effect, "{action}");
        }
        let faults = admin.admin("GET", "faults", &Value::Null);
        assert_eq!(faults["faults"][7]["fired"], 1);
        admin.admin("DELETE", &format!("faults?account={ACCOUNT}"), &Value::Null);
        assert_eq!(admin.admin("GET", "faults", &Value::Null)["faults"].as_array().unwrap().len(), 8);
        admin.admin("DELETE", "faults", &Value::Null);
        assert_eq!(admin.admin("GET", "faults", &Value::Null)["faults"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn a_delayed_effect_happens_though_the_client_has_gone() {
    with_server(|server| {
        let mut admin = Client::to(server);
        admin.admin(
            "POST",
            "faults",
            &json!({"action": "delay", "delayMs": 300, "operation": "CreateDatabase"}),
        );
        admin.admin("POST", "faults", &json!({"action": "hang", "operation": "DeleteDatabase"}));
        let mut client = Client::to(server);
        client.stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let gone = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            client.glue("CreateDatabase", &database("late"))
        }));
        assert!(gone.is_err(), "no answer within 50 ms");
        drop(client);
        let begun = Instant::now();
        while admin.glue("GetDatabase", &json!({"Name": "late"})).unwrap().status != 200 {
            assert!(begun.elapsed() < Duration::from_secs(5));
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut client = Client::to(server);
        client.stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let hung = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            client.glue("DeleteDatabase", &json!({"Name": "late"}))
        }));
        assert!(hung.is_err(), "no answer ever");
        assert_eq!(admin.admin("GET", "calls", &Value::Null)["counts"]["glue.DeleteDatabase"]["hang"], 1);
    })
    .await;
}

#[tokio::test]
async fn a_quota_throttles_what_exceeds_it() {
    with_server(|server| {
        let mut client = Client::to(server);
        let quota = json!({"rate": 0.001, "burst": 2, "service": "glue", "operation": "GetDatabases"});
        client.admin("POST", "quotas", &quota);
        let statuses: Vec<u16> =
            (0..3).map(|_| client.glue("GetDatabases", &json!({})).unwrap().status).collect();
        assert_eq!(statuses, [200, 200, 400]);
        let quotas = client.admin("GET", "quotas", &Value::Null);
        assert_eq!(quotas["quotas"][0]["throttled"], json!({"glue.GetDatabases": 1}));
        let calls = client.admin("GET", "calls", &Value::Null);
        assert_eq!(calls["counts"]["glue.GetDatabases"], json!({"ok": 2, "ThrottlingException": 1}));
    })
    .await;
}

#[tokio::test]
async fn a_short_page_still_leads_to_the_rest() {
    with_server(|server| {
        let mut client = Client::to(server);
        for name in ["a", "b", "c"] {
            client.glue("CreateDatabase", &database(name)).unwrap();
        }
        client.admin(
            "POST",
            "faults",
            &json!({"action": "short-page", "operation": "GetDatabases", "times": 1}),
        );
        let first = client.glue("GetDatabases", &json!({"MaxResults": 2})).unwrap().body;
        assert_eq!(first["DatabaseList"].as_array().unwrap().len(), 1);
        let rest = client.glue("GetDatabases", &json!({"NextToken": first["NextToken"]})).unwrap().body;
        assert_eq!(rest["DatabaseList"].as_array().unwrap().len(), 2);
        assert!(rest.get("NextToken").is_none());
    })
    .await;
}

/// A database of five tables, a page of two of which is one of three.
fn five_tables(client: &mut Client) {
    let seed = json!({"account": ACCOUNT, "region": "eu-west-1", "database": "db", "tables": 5});
    client.admin("POST", "seed", &seed);
}

/// The names on a page.
fn names(page: &Value) -> Vec<&str> {
    page["TableList"].as_array().unwrap().iter().map(|table| table["Name"].as_str().unwrap()).collect()
}

/// Every page of a listing, or the page at which it failed and how.
fn pages(client: &mut Client) -> Result<Vec<String>, (usize, String)> {
    let mut input = json!({"DatabaseName": "db", "MaxResults": 2});
    let mut all = Vec::new();
    for number in 1.. {
        let answer = client.glue("GetTables", &input).unwrap();
        if answer.status != 200 {
            return Err((number, answer.body["__type"].as_str().unwrap().to_owned()));
        }
        all.extend(names(&answer.body).into_iter().map(str::to_owned));
        match answer.body.get("NextToken") {
            Some(token) => input["NextToken"] = token.clone(),
            None => break,
        }
    }
    Ok(all)
}

#[tokio::test]
async fn a_listing_fails_at_the_page_that_a_rule_names() {
    with_server(|server| {
        let mut client = Client::to(server);
        five_tables(&mut client);
        let fault = |client: &mut Client, rule: Value| {
            client.admin("DELETE", "faults", &Value::Null);
            client.admin("POST", "faults", &rule);
        };
        let on_page =
            |page: u64| json!({"action": "error-before", "operation": "GetTables", "from": page, "times": 1});
        fault(&mut client, on_page(3));
        assert_eq!(pages(&mut client), Err((3, "InternalServiceException".to_owned())));
        assert_eq!(pages(&mut client).unwrap().len(), 5, "the second time all goes well");
        fault(&mut client, json!({"action": "throttle", "operation": "GetTables", "page": true, "every": 2}));
        assert_eq!(pages(&mut client), Err((2, "ThrottlingException".to_owned())));
        fault(&mut client, json!({"action": "expire-token", "from": 2}));
        assert_eq!(pages(&mut client), Err((3, "InvalidInputException".to_owned())));
        assert_eq!(pages(&mut client), Err((2, "InvalidInputException".to_owned())));
    })
    .await;
}

#[tokio::test]
async fn a_table_that_goes_or_comes_between_two_pages_moves_no_other() {
    with_server(|server| {
        let mut client = Client::to(server);
        five_tables(&mut client);
        let first = client.glue("GetTables", &json!({"DatabaseName": "db", "MaxResults": 2})).unwrap().body;
        for gone in ["t000000", "t000001", "t000003"] {
            client.glue("DeleteTable", &json!({"DatabaseName": "db", "Name": gone})).unwrap();
        }
        for new in ["a", "z"] {
            client.glue("CreateTable", &json!({"DatabaseName": "db", "TableInput": {"Name": new}})).unwrap();
        }
        let input = json!({"DatabaseName": "db", "NextToken": first["NextToken"]});
        let rest = client.glue("GetTables", &input).unwrap().body;
        assert_eq!(names(&first), ["t000000", "t000001"]);
        assert_eq!(names(&rest), ["t000002", "t000004", "z"]);
    })
    .await;
}

#[tokio::test]
async fn a_list_that_lags_misses_what_is_new_and_shows_what_is_gone() {
    with_server(|server| {
        let mut client = Client::to(server);
        five_tables(&mut client);
        std::thread::sleep(Duration::from_millis(300));
        let update = json!({"DatabaseName": "db", "TableInput": {"Name": "t000002", "Description": "new"}});
        client.glue("UpdateTable", &update).unwrap();
        client.glue("DeleteTable", &json!({"DatabaseName": "db", "Name": "t000001"})).unwrap();
        client.glue("CreateTable", &json!({"DatabaseName": "db", "TableInput": {"Name": "new"}})).unwrap();
        client.admin(
            "POST",
            "faults",
            &json!({"action": "list-lag", "delayMs": 200, "operation": "GetTables"}),
        );
        assert_eq!(pages(&mut client).unwrap(), ["t000000", "t000001", "t000002", "t000003", "t000004"]);
        let listed = json!({"DatabaseName": "db", "Expression": "new|t000001|t000002"});
        let page = client.glue("GetTables", &listed).unwrap().body;
        assert_eq!(names(&page), ["t000001", "t000002"]);
        assert_eq!(page["TableList"][1].get("Description"), None);
        let table = json!({"DatabaseName": "db", "Name": "t000002"});
        assert_eq!(client.glue("GetTable", &table).unwrap().body["Table"]["Description"], "new");
        std::thread::sleep(Duration::from_millis(250));
        let page = client.glue("GetTables", &listed).unwrap().body;
        assert_eq!(names(&page), ["new", "t000002"]);
        let log = client.admin("GET", "calls?log=true", &Value::Null);
        assert!(log["log"].as_array().unwrap().iter().any(|call| call["fault"] == "list-lag"));
    })
    .await;
}

#[tokio::test]
async fn every_call_takes_as_long_as_it_was_told() {
    let latency = Latency { millis: 60, jitter_millis: 10, seed: 3, account: None };
    let server = Server::start(Options { latency: Some(latency), ..Options::default() }).await.unwrap();
    let test = move || {
        let mut client = Client::to(&server);
        let time = |client: &mut Client, key: &str| {
            let begun = Instant::now();
            client.glue_as(key, "eu-west-1", "GetDatabases", &json!({})).unwrap();
            begun.elapsed()
        };
        assert!(time(&mut client, ACCOUNT) >= Duration::from_millis(50));
        client.admin("POST", "latency", &json!({"millis": 0, "account": "444455556666"}));
        let begun = Instant::now();
        for _ in 0..10 {
            time(&mut client, "444455556666");
        }
        assert!(begun.elapsed() < Duration::from_millis(400), "an account's own goes first");
        client.admin("POST", "latency", &json!({"millis": 200}));
        assert!(time(&mut client, ACCOUNT) >= Duration::from_millis(200));
        client.admin("DELETE", "latency", &Value::Null);
        let left = client.admin("GET", "latency", &Value::Null);
        assert_eq!(left["latencies"], json!([{"millis": 60, "jitterMillis": 10, "seed": 3}]));
    };
    tokio::task::spawn_blocking(test).await.unwrap();
}
