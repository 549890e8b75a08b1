//! EMR as a client sees it on the wire, with the faults and quotas that all services have.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail as its tests do")]

#[path = "client/wire.rs"]
mod client;

use client::{ACCOUNT, Client, with_server};
use mizuumi_localaws::{Options, Server};
use serde_json::{Value, json};

fn cluster() -> Value {
    json!({"Name": "c", "Instances": {"KeepJobFlowAliveWhenNoSteps": true}, "Steps": [
        {"Name": "one", "HadoopJarStep": {"Jar": "command-runner.jar"}}]})
}

#[tokio::test]
async fn emr_answers_and_goes_wrong_when_told_to() {
    with_server(|server| {
        let mut client = Client::to(server);
        let answer = client.emr("RunJobFlow", &cluster()).unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.head.contains("content-type: application/x-amz-json-1.1"));
        let id = answer.body["JobFlowId"].clone();
        let arn = format!("arn:aws:elasticmapreduce:eu-west-1:{ACCOUNT}:cluster/{}", id.as_str().unwrap());
        assert_eq!(answer.body["ClusterArn"], arn);
        let asked = json!({"ClusterId": id});
        let answer = client.emr("DescribeCluster", &asked).unwrap();
        assert_eq!(answer.body["Cluster"]["Status"]["State"], "STARTING");
        assert!(answer.body["Cluster"]["Status"]["Timeline"]["CreationDateTime"].is_f64());
        let answer = client.emr("DescribeCluster", &json!({"ClusterId": "j-X"})).unwrap();
        assert_eq!(
            (answer.status, answer.body),
            (
                400,
                json!({"__type": "InvalidRequestException", "ErrorCode": "NoSuchCluster",
                "Message": "Cluster id 'j-X' is not valid."})
            )
        );
        let answer = client.emr("CreateStudio", &json!({})).unwrap();
        assert_eq!(answer.body["__type"], "UnknownOperationException");

        let service = |mut rule: Value| {
            rule["service"] = json!("elasticmapreduce");
            rule["times"] = json!(1);
            rule
        };
        client.admin(
            "POST",
            "faults",
            &service(json!({"action": "throttle", "operation": "DescribeCluster"})),
        );
        assert_eq!(client.emr("DescribeCluster", &asked).unwrap().body["__type"], "ThrottlingException");
        assert_eq!(client.emr("DescribeCluster", &asked).unwrap().status, 200);
        client.admin(
            "POST",
            "faults",
            &service(json!({"action": "error-before", "operation": "ListClusters"})),
        );
        let answer = client.emr("ListClusters", &json!({})).unwrap();
        assert_eq!((answer.status, &answer.body["__type"]), (500, &json!("InternalServerException")));
        client.admin("POST", "faults", &service(json!({"action": "delay", "delayMs": 30})));
        let before = std::time::Instant::now();
        client.emr("ListClusters", &json!({})).unwrap();
        assert!(before.elapsed().as_millis() >= 30);
        // The reply is lost, the cluster is there: nothing in the API tells that the second is the first again.
        client.admin("POST", "faults", &service(json!({"action": "drop-after", "operation": "RunJobFlow"})));
        assert!(client.emr("RunJobFlow", &cluster()).is_none());
        let mut client = Client::to(server);
        let list =
            |client: &mut Client| client.emr("ListClusters", &json!({})).unwrap().body["Clusters"].take();
        assert_eq!(list(&mut client).as_array().unwrap().len(), 2);
        client.admin("POST", "faults", &service(json!({"action": "list-lag", "delayMs": 600_000})));
        assert_eq!(list(&mut client), json!([]));

        let bucket =
            json!({"rate": 0.001, "burst": 1, "service": "elasticmapreduce", "operation": "ListSteps"});
        client.admin("POST", "quotas", &bucket);
        assert_eq!(client.emr("ListSteps", &asked).unwrap().status, 200);
        assert_eq!(client.emr("ListSteps", &asked).unwrap().body["__type"], "ThrottlingException");

        let audit = client.admin("GET", "audit", &Value::Null);
        assert_eq!(
            (&audit["entries"][0]["operation"], &audit["entries"][0]["resource"]),
            (&json!("RunJobFlow"), &id)
        );
        let log = client.admin("GET", "calls?log=true", &Value::Null);
        assert_eq!(log["log"][1]["resource"], id);
        assert_eq!(log["counts"]["elasticmapreduce.RunJobFlow"], json!({"ok": 1, "dropped-after-ok": 1}));
        client.admin("POST", "reset", &Value::Null);
        assert_eq!(list(&mut client), json!([]));
    })
    .await;
}

#[tokio::test]
async fn the_pace_is_set_at_the_start_and_while_it_runs() {
    let options = Options { emr_speed: 1_000_000.0, ..Options::default() };
    let server = Server::start(options).await.unwrap();
    let test = move || {
        let mut client = Client::to(&server);
        assert_eq!(client.admin("GET", "emr", &Value::Null)["speed"], 1_000_000.0);
        let pace = json!({"startingSeconds": 0, "bootstrappingSeconds": 0, "stepSeconds": 0,
            "steps": [{"name": "one", "fails": true}]});
        client.admin("POST", "emr", &pace);
        let id = client.emr("RunJobFlow", &cluster()).unwrap().body["JobFlowId"].take();
        let asked = json!({"ClusterId": id});
        let cluster = client.emr("DescribeCluster", &asked).unwrap().body;
        assert_eq!(cluster["Cluster"]["Status"]["State"], "WAITING");
        let steps = client.emr("ListSteps", &asked).unwrap().body;
        assert_eq!(steps["Steps"][0]["Status"]["State"], "FAILED");
    };
    tokio::task::spawn_blocking(test).await.unwrap();
    assert!(Server::start(Options { emr_speed: 0.0, ..Options::default() }).await.is_err());
}
