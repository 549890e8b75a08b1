//! What a client sees on the wire: answers, errors, closed connections, and the admin API.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail as its tests do")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use mizuumi_localaws::{Options, Server};
use serde_json::{Value, json};

const ACCOUNT: &str = "111122223333";

/// A connection that is used again and again, as a client with keep-alive does.
struct Client {
    stream: TcpStream,
}

struct Answer {
    status: u16,
    head: String,
    body: Value,
}

impl Client {
    fn to(server: &Server) -> Self {
        let stream = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self { stream }
    }

    /// Nothing when the connection was closed without an answer.
    fn send(&mut self, head: &str, body: &str) -> Option<Answer> {
        let request = format!("{head}\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        self.stream.write_all(request.as_bytes()).ok()?;
        let mut bytes = Vec::new();
        let end = loop {
            let mut chunk = [0; 4096];
            let count = match self.stream.read(&mut chunk) {
                Ok(0) => {
                    assert!(bytes.is_empty(), "closed in the middle of an answer");
                    return None;
                }
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            };
            bytes.extend_from_slice(&chunk[..count]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let Some(split) = text.find("\r\n\r\n") else { continue };
            let head = text[..split].to_lowercase();
            let length = head.split("content-length: ").nth(1).unwrap();
            let length: usize = length.lines().next().unwrap().parse().unwrap();
            if bytes.len() >= split + 4 + length {
                break (head, String::from_utf8(bytes[split + 4..].to_vec()).unwrap());
            }
        };
        Some(Answer {
            status: end.0.split(' ').nth(1).unwrap().parse().unwrap(),
            body: serde_json::from_str(&end.1).unwrap_or(Value::String(end.1)),
            head: end.0,
        })
    }

    fn glue(&mut self, operation: &str, input: &Value) -> Option<Answer> {
        self.glue_as(ACCOUNT, "eu-west-1", operation, input)
    }

    fn glue_as(&mut self, key: &str, region: &str, operation: &str, input: &Value) -> Option<Answer> {
        let head = format!(
            "POST / HTTP/1.1\r\nx-amz-target: AWSGlue.{operation}\r\nuser-agent: test/1\r\n\
             content-type: application/x-amz-json-1.1\r\nauthorization: AWS4-HMAC-SHA256 \
             Credential={key}/20261122/{region}/glue/aws4_request, SignedHeaders=host, Signature=0"
        );
        self.send(&head, &input.to_string())
    }

    fn admin(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let head = format!("{method} /_localaws/{path} HTTP/1.1\r\ncontent-type: application/json");
        let answer =
            self.send(&head, &if body.is_null() { String::new() } else { body.to_string() }).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }
}

fn database(name: &str) -> Value {
    json!({"DatabaseInput": {"Name": name}})
}

/// A server, and a client of it that runs where blocking is allowed.
async fn with_server(test: impl FnOnce(&Server) + Send + 'static) {
    let server = Server::start(Options::default()).await.unwrap();
    tokio::task::spawn_blocking(move || test(&server)).await.unwrap();
}

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
        let answer = client.glue("StartCrawler", &json!({})).unwrap();
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
async fn a_quota_throttles_what_exceeds_it() {
    with_server(|server| {
        let mut client = Client::to(server);
        let quota = json!({"rate": 0.001, "burst": 2, "service": "glue", "operation": "GetDatabases"});
        client.admin("POST", "quotas", &quota);
        let statuses: Vec<u16> =
            (0..3).map(|_| client.glue("GetDatabases", &json!({})).unwrap().status).collect();
        assert_eq!(statuses, [200, 200, 400]);
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
