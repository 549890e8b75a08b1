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

/// Sets a rule for one call of an operation of EMR.
fn once(client: &mut Client, action: &str, operation: &str) {
    let rule = json!({"action": action, "operation": operation, "service": "elasticmapreduce", "times": 1});
    client.admin("POST", "faults", &rule);
}

/// Clusters, steps, and clusters that end, as a look that nothing disturbs sees them.
fn effects(client: &mut Client) -> [usize; 3] {
    let clusters = client.emr("ListClusters", &json!({})).unwrap().body["Clusters"].take();
    let clusters = clusters.as_array().unwrap();
    let mut steps = 0;
    for cluster in clusters {
        let list = client.emr("ListSteps", &json!({"ClusterId": cluster["Id"]})).unwrap();
        steps += list.body["Steps"].as_array().unwrap().len();
    }
    let ends = |cluster: &&Value| cluster["Status"]["State"] == "TERMINATING";
    [clusters.len(), steps, clusters.iter().filter(ends).count()]
}

#[tokio::test]
async fn every_fault_meets_the_calls_that_start_and_end_things() {
    with_server(|server| {
        let mut admin = Client::to(server);
        for (action, status, code, takes_effect) in [
            ("throttle", 400, "ThrottlingException", false),
            ("error-before", 500, "InternalServerException", false),
            ("error-after", 500, "InternalServerException", true),
            ("drop-before", 0, "", false),
            ("drop-after", 0, "", true),
        ] {
            let step = json!([{"Name": "one", "HadoopJarStep": {"Jar": "command-runner.jar"}}]);
            for (operation, gains) in
                [("RunJobFlow", [1, 1, 0]), ("AddJobFlowSteps", [0, 1, 0]), ("TerminateJobFlows", [0, 0, 1])]
            {
                let id = admin.emr("RunJobFlow", &cluster()).unwrap().body["JobFlowId"].take();
                let before = effects(&mut admin);
                once(&mut admin, action, operation);
                let input = match operation {
                    "RunJobFlow" => cluster(),
                    "AddJobFlowSteps" => json!({"JobFlowId": id, "Steps": step}),
                    _ => json!({"JobFlowIds": [id]}),
                };
                let mut client = Client::to(server);
                match client.emr(operation, &input) {
                    None => assert_eq!(status, 0, "{action} {operation}"),
                    Some(answer) => {
                        assert_eq!((answer.status, &answer.body["__type"]), (status, &json!(code)));
                        if action == "throttle" {
                            assert_eq!(answer.body["Message"], "Rate exceeded");
                        }
                    }
                }
                let after = effects(&mut admin);
                let gained: [usize; 3] = std::array::from_fn(|index| after[index] - before[index]);
                assert_eq!(gained, if takes_effect { gains } else { [0; 3] }, "{action} {operation}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn lists_lag_behind_what_has_been_started_and_ended() {
    with_server(|server| {
        let mut client = Client::to(server);
        let id = client.emr("RunJobFlow", &cluster()).unwrap().body["JobFlowId"].take();
        // Between what was before and what comes now.
        let pause = std::time::Duration::from_millis(50);
        std::thread::sleep(pause);
        let then = std::time::Instant::now();
        std::thread::sleep(pause);
        let asked = json!({"ClusterId": id});
        let step = json!([{"Name": "two", "HadoopJarStep": {"Jar": "command-runner.jar"}}]);
        client.emr("AddJobFlowSteps", &json!({"JobFlowId": id, "Steps": step})).unwrap();
        client.emr("TerminateJobFlows", &json!({"JobFlowIds": [id]})).unwrap();
        client.emr("RunJobFlow", &cluster()).unwrap();
        // As of then; asked again if the machine was too slow for the moment to be met.
        let mut seen_then = |operation: &str, input: &Value, member: &str, is_so: &dyn Fn(&Value) -> bool| {
            for _ in 0..100 {
                let millis = u64::try_from(then.elapsed().as_millis()).unwrap();
                let lag =
                    json!({"action": "list-lag", "operation": operation, "delayMs": millis, "times": 1});
                client.admin("POST", "faults", &lag);
                let seen = client.emr(operation, input).unwrap().body[member].take();
                if is_so(&seen) {
                    return;
                }
            }
            panic!("{operation} does not lag");
        };
        // As it was: one cluster that starts, with one step. Asked for itself it tells the truth.
        seen_then("ListClusters", &json!({}), "Clusters", &|seen| {
            seen.as_array().unwrap().len() == 1 && seen[0]["Status"]["State"] == "STARTING"
        });
        seen_then("ListSteps", &asked, "Steps", &|seen| seen.as_array().unwrap().len() == 1);
        let told = client.emr("DescribeCluster", &asked).unwrap().body;
        assert_eq!(told["Cluster"]["Status"]["State"], "TERMINATING");
        assert_eq!(effects(&mut client), [2, 3, 1]);
    })
    .await;
}

#[tokio::test]
async fn a_rule_decides_what_becomes_of_a_cluster() {
    let options = Options { emr_speed: 1_000_000.0, ..Options::default() };
    let server = Server::start(options).await.unwrap();
    let test = move || {
        let mut client = Client::to(&server);
        for (action, code) in
            [("bootstrap-failure", "BOOTSTRAP_FAILURE"), ("insufficient-capacity", "INTERNAL_ERROR")]
        {
            once(&mut client, action, "RunJobFlow");
            // The call goes wrong as well: what becomes of the cluster comes on top.
            once(&mut client, "error-after", "RunJobFlow");
            assert_eq!(client.emr("RunJobFlow", &cluster()).unwrap().status, 500);
            std::thread::sleep(std::time::Duration::from_millis(5));
            let list = client.emr("ListClusters", &json!({})).unwrap().body;
            let status = &list["Clusters"][0]["Status"];
            assert_eq!(status["State"], "TERMINATED_WITH_ERRORS");
            assert_eq!(status["StateChangeReason"]["Code"], code);
        }
        let spot = json!({"Name": "c", "Instances": {"KeepJobFlowAliveWhenNoSteps": true, "InstanceGroups": [
            {"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1},
            {"InstanceRole": "TASK", "InstanceType": "m5.xlarge", "InstanceCount": 3, "Market": "SPOT"}]}});
        let id = client.emr("RunJobFlow", &spot).unwrap().body["JobFlowId"].take();
        std::thread::sleep(std::time::Duration::from_millis(5));
        once(&mut client, "spot-loss", "ListInstanceGroups");
        let groups = client.emr("ListInstanceGroups", &json!({"ClusterId": id})).unwrap().body;
        assert_eq!(groups["InstanceGroups"][1]["RequestedInstanceCount"], 3);
        std::thread::sleep(std::time::Duration::from_millis(5));
        let gone = json!({"ClusterId": id, "InstanceStates": ["TERMINATED"]});
        let gone = client.emr("ListInstances", &gone).unwrap().body["Instances"].take();
        assert_eq!(gone.as_array().unwrap().len(), 1);
        assert_eq!(gone[0]["Status"]["StateChangeReason"]["Code"], "INSTANCE_FAILURE");
        let faults = client.admin("GET", "faults", &Value::Null)["faults"].take();
        assert!(faults.as_array().unwrap().iter().all(|rule| rule["fired"] == 1), "{faults}");
    };
    tokio::task::spawn_blocking(test).await.unwrap();
}

/// A cluster of an owner.
fn owned(owner: &str) -> Value {
    let mut cluster = cluster();
    cluster["Tags"] = json!([{"Key": "mizuumi:owner", "Value": owner}]);
    cluster
}

#[tokio::test]
async fn clusters_are_counted_for_their_owners() {
    let options = Options { emr_speed: 1_000_000.0, ..Options::default() };
    let server = Server::start(options).await.unwrap();
    let test = move || {
        let mut client = Client::to(&server);
        let run = |client: &mut Client, input: &Value| {
            client.emr("RunJobFlow", input).unwrap().body["JobFlowId"].as_str().unwrap().to_owned()
        };
        let first = run(&mut client, &owned("a"));
        client.emr("TerminateJobFlows", &json!({"JobFlowIds": [first]})).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(5));
        run(&mut client, &owned("a"));
        let lost = run(&mut client, &owned("b"));
        let nobodys = run(&mut client, &cluster());
        std::thread::sleep(std::time::Duration::from_millis(5));
        let told = client.admin("POST", "clusters", &json!({"account": ACCOUNT, "owners": ["a"]}));
        assert_eq!(
            (&told["started"], &told["alive"], &told["duplicates"]),
            (&json!(4), &json!(3), &json!(0))
        );
        let a = &told["owners"]["a"];
        assert_eq!((&a["started"], &a["alive"], &a["duplicates"]), (&json!(2), &json!(1), &json!(0)));
        assert_eq!(a["steps"]["one"]["submitted"], 2);
        assert_eq!(
            (told["orphans"][0]["id"].as_str(), told["orphans"].as_array().unwrap().len()),
            (Some(&*lost), 1)
        );
        assert_eq!(told["unowned"][0]["id"], nobodys);
        // A second one while the first lives, and a step that runs again.
        run(&mut client, &owned("b"));
        std::thread::sleep(std::time::Duration::from_millis(5));
        let told = client.admin("POST", "clusters", &json!({}));
        assert_eq!((&told["duplicates"], &told["owners"]["b"]["duplicates"]), (&json!(1), &json!(1)));
        assert_eq!((&told["orphans"], &told["foreignWrites"]["count"]), (&Value::Null, &json!(0)));
        assert!(told["stepsRepeated"].as_u64().unwrap() >= 1, "{told}");
        let other = client.admin("POST", "clusters", &json!({"account": "222233334444"}));
        assert_eq!(other["started"], 0);
    };
    tokio::task::spawn_blocking(test).await.unwrap();
}

#[tokio::test]
async fn emr_throttles_as_its_quotas_say() {
    with_server(|server| {
        let mut client = Client::to(server);
        client.admin("POST", "quotas/preset", &json!({"preset": "emr"}));
        let answers: Vec<_> = (0..11).map(|_| client.emr("RunJobFlow", &cluster()).unwrap()).collect();
        assert!(answers[..10].iter().all(|answer| answer.status == 200));
        assert_eq!(
            (answers[10].status, &answers[10].body),
            (400, &json!({"__type": "ThrottlingException", "Message": "Rate exceeded"}))
        );
        let quotas = client.admin("GET", "quotas", &Value::Null);
        let throttled = |quota: &&Value| quota["throttled"]["elasticmapreduce.RunJobFlow"] == 1;
        let of = |quota: &Value| quota["operation"].clone();
        let found: Vec<Value> =
            quotas["quotas"].as_array().unwrap().iter().filter(throttled).map(of).collect();
        assert_eq!(found, ["RunJobFlow"]);
    })
    .await;
}
