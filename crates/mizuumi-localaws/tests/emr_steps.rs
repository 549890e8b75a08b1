//! EMR's steps as processes: what they do, how they end, and that none of them stays.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail as its tests do")]

#[path = "client/wire.rs"]
mod client;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use client::{ACCOUNT, Client};
use mizuumi_localaws::{Options, Server, Steps};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A cluster of an endpoint that really runs steps; clusters live so fast that nobody waits for them.
struct Stand {
    server: Server,
    folder: TempDir,
}

impl Stand {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let steps = Steps { folder: folder.path().to_owned(), spark_home: None };
        let options = Options { emr_speed: 1e6, emr_steps: Some(steps), ..Options::default() };
        Self { server: Server::start(options).await.unwrap(), folder }
    }

    fn run(&self, scripts: &[(&str, &str)]) -> Cluster<'_> {
        let steps: Vec<Value> = scripts.iter().map(|(action, script)| bash(action, script)).collect();
        let input = json!({"Name": "c", "Instances": {"KeepJobFlowAliveWhenNoSteps": true}, "Steps": steps});
        let mut client = Client::to(&self.server);
        let id = client.emr("RunJobFlow", &input).unwrap().body["JobFlowId"].as_str().unwrap().to_owned();
        Cluster { folder: self.folder.path().join(&id).join("steps"), id, client, stand: self }
    }
}

struct Cluster<'a> {
    id: String,
    folder: PathBuf,
    client: Client,
    stand: &'a Stand,
}

fn step(action: &str, args: &[&str]) -> Value {
    json!({"Name": "s", "ActionOnFailure": action, "HadoopJarStep": {"Jar": "command-runner.jar", "Args": args}})
}

fn bash(action: &str, script: &str) -> Value {
    step(action, &["bash", "-c", script])
}

impl Cluster<'_> {
    fn add(&mut self, step: &Value) {
        let answer = self.client.emr("AddJobFlowSteps", &json!({"JobFlowId": self.id, "Steps": [step]}));
        assert_eq!(answer.unwrap().status, 200);
    }

    /// Steps in the order in which they came.
    fn steps(&mut self) -> Vec<Value> {
        let answer = self.client.emr("ListSteps", &json!({"ClusterId": self.id})).unwrap().body;
        answer["Steps"].as_array().unwrap().iter().rev().cloned().collect()
    }

    fn states(&mut self) -> Vec<String> {
        let state = |step: &Value| step["Status"]["State"].as_str().unwrap().to_owned();
        self.steps().iter().map(state).collect()
    }

    fn state(&mut self) -> String {
        let answer = self.client.emr("DescribeCluster", &json!({"ClusterId": self.id})).unwrap().body;
        answer["Cluster"]["Status"]["State"].as_str().unwrap().to_owned()
    }

    fn wait_for(&mut self, states: &[&str]) {
        until(|| self.states() == states, || format!("the steps are to be {states:?}"));
    }

    /// The folder of the n-th step.
    fn folder(&mut self, index: usize) -> PathBuf {
        let id = self.steps()[index]["Id"].as_str().unwrap().to_owned();
        self.folder.join(id)
    }

    fn log(&mut self, index: usize, name: &str) -> String {
        fs::read_to_string(self.folder(index).join(name)).unwrap()
    }

    /// The id of the process that the n-th step has written down.
    fn process(&mut self, index: usize) -> String {
        let path = self.folder(index).join("pid");
        until(
            || fs::read_to_string(&path).is_ok_and(|text| text.ends_with('\n')),
            || format!("{} is to be written", path.display()),
        );
        fs::read_to_string(path).unwrap().trim().to_owned()
    }
}

fn until(mut is_so: impl FnMut() -> bool, what: impl Fn() -> String) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{}", what());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn lives(process: &str) -> bool {
    let status = fs::read_to_string(Path::new("/proc").join(process).join("stat")).unwrap_or_default();
    // A zombie is dead, though nobody has asked for its status yet.
    !status.is_empty() && !status.contains(") Z ")
}

fn gone(process: &str) {
    until(|| !lives(process), || format!("process {process} is to be gone"));
}

/// Runs where blocking is allowed, and stops the endpoint afterwards.
async fn with_stand(test: impl FnOnce(&Stand) + Send + 'static) {
    let stand = Stand::start().await;
    let stand = tokio::task::spawn_blocking(move || {
        test(&stand);
        stand
    });
    stand.await.unwrap().server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_ends_as_its_process_does() {
    with_stand(|stand| {
        let mut cluster = stand.run(&[
            ("CONTINUE", "echo $AWS_ENDPOINT_URL $AWS_ACCESS_KEY_ID $AWS_REGION $EMR_STEP_ID"),
            ("CONTINUE", "echo 'OSError: no disk' >&2; exit 3"),
        ]);
        cluster.add(&step("CONTINUE", &["no-such-program"]));
        let mut own = step("CONTINUE", &["x"]);
        own["HadoopJarStep"]["Jar"] = json!("s3://b/own.jar");
        cluster.add(&own);
        cluster.wait_for(&["COMPLETED", "FAILED", "FAILED", "FAILED"]);
        assert_eq!(cluster.state(), "WAITING");
        let steps = cluster.steps();
        let id = steps[0]["Id"].as_str().unwrap();
        let url = stand.server.url();
        assert_eq!(cluster.log(0, "stdout"), format!("{url} {ACCOUNT} eu-west-1 {id}\n"));
        assert!(cluster.log(0, "controller").contains("Step succeeded with exitCode 0"));
        assert!(cluster.log(1, "controller").contains("Step failed with exitCode 3"));
        let details = |index: usize| steps[index]["Status"]["FailureDetails"].clone();
        // Without LogUri there is no log to name.
        assert_eq!(details(1), json!({"Reason": "Unknown Error.", "Message": "OSError: no disk"}));
        let missing = details(2)["Message"].as_str().unwrap().to_owned();
        assert!(missing.contains("Cannot run program \"no-such-program\""), "{missing}");
        assert!(details(3)["Message"].as_str().unwrap().contains("not s3://b/own.jar"));
        let [begun, ended] = ["StartDateTime", "EndDateTime"]
            .map(|time| steps[1]["Status"]["Timeline"][time].as_f64().unwrap());
        assert!(begun <= ended);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_failure_decides_about_the_rest() {
    with_stand(|stand| {
        for (action, state) in
            [("CANCEL_AND_WAIT", "WAITING"), ("TERMINATE_CLUSTER", "TERMINATED_WITH_ERRORS")]
        {
            let mut cluster = stand.run(&[(action, "exit 1"), ("CONTINUE", "true")]);
            cluster.wait_for(&["FAILED", "CANCELLED"]);
            until(|| cluster.state() == state, || format!("{action} is to lead to {state}"));
        }
    })
    .await;
}

/// Writes its id down and stays for a minute, with a child.
const STAYS: &str = "echo $$ > pid.new; mv pid.new pid; sleep 60 & wait";

#[tokio::test(flavor = "multi_thread")]
async fn steps_run_side_by_side_and_end_when_they_are_cancelled() {
    with_stand(|stand| {
        let polite = format!("trap 'echo bye; exit 0' TERM; {STAYS}");
        let stubborn = format!("trap '' TERM; {STAYS}");
        let mut cluster = stand.run(&[("CONTINUE", &polite), ("CONTINUE", &stubborn), ("CONTINUE", "true")]);
        let level = json!({"ClusterId": cluster.id, "StepConcurrencyLevel": 2});
        cluster.client.emr("ModifyCluster", &level).unwrap();
        let processes = [cluster.process(0), cluster.process(1)];
        assert_eq!(cluster.states(), ["RUNNING", "RUNNING", "PENDING"]);
        let ids: Vec<Value> = cluster.steps().iter().map(|step| step["Id"].clone()).collect();
        let cancel = |cluster: &mut Cluster<'_>, index: usize, how: &str| {
            let input =
                json!({"ClusterId": cluster.id, "StepIds": [ids[index]], "StepCancellationOption": how});
            let answer = cluster.client.emr("CancelSteps", &input).unwrap().body;
            assert_eq!(answer["CancelStepsInfoList"][0]["Status"], "SUBMITTED");
        };
        cancel(&mut cluster, 0, "SEND_INTERRUPT");
        cluster.wait_for(&["CANCELLED", "RUNNING", "COMPLETED"]);
        assert_eq!(cluster.log(0, "stdout"), "bye\n");
        // One that does not listen is asked again, more forcefully.
        cancel(&mut cluster, 1, "SEND_INTERRUPT");
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(cluster.states()[1], "CANCEL_PENDING");
        cancel(&mut cluster, 1, "TERMINATE_PROCESS");
        cluster.wait_for(&["CANCELLED", "CANCELLED", "COMPLETED"]);
        for process in &processes {
            gone(process);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_process_outlives_its_cluster_or_the_endpoint() {
    let stand = Stand::start().await;
    let (stand, kept) = tokio::task::spawn_blocking(move || {
        let script = format!("trap '' TERM; {STAYS}");
        let mut ended = stand.run(&[("CONTINUE", &script)]);
        let process = ended.process(0);
        ended.client.emr("TerminateJobFlows", &json!({"JobFlowIds": [ended.id]})).unwrap();
        gone(&process);
        assert_eq!(ended.states(), ["CANCELLED"]);
        let mut forgotten = stand.run(&[("CONTINUE", &script)]);
        let process = forgotten.process(0);
        forgotten.client.admin("POST", "reset", &Value::Null);
        gone(&process);
        let kept = stand.run(&[("CONTINUE", &script)]).process(0);
        assert!(lives(&kept));
        (stand, kept)
    })
    .await
    .unwrap();
    stand.server.stop().await;
    tokio::task::spawn_blocking(move || gone(&kept)).await.unwrap();
}

#[test]
fn no_process_outlives_an_endpoint_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("url");
    let mut endpoint = Command::new(env!("CARGO_BIN_EXE_mizuumi-localaws"));
    endpoint.args(["serve", "--listen", "127.0.0.1:0", "--emr-speed", "1000000"]);
    endpoint.arg("--ready-file").arg(&ready).arg("--emr-steps").arg(folder.path()).stderr(Stdio::null());
    let mut endpoint = endpoint.spawn().unwrap();
    until(|| fs::read_to_string(&ready).is_ok_and(|url| !url.is_empty()), || "it is to answer".to_owned());
    let mut client = Client::at(fs::read_to_string(&ready).unwrap().trim());
    let script = format!("trap '' TERM; {STAYS}");
    let steps = [bash("CONTINUE", &script)];
    let input = json!({"Name": "c", "Instances": {"KeepJobFlowAliveWhenNoSteps": true}, "Steps": steps});
    let id = client.emr("RunJobFlow", &input).unwrap().body["JobFlowId"].as_str().unwrap().to_owned();
    let steps = folder.path().join(id).join("steps");
    let written = || {
        let step = fs::read_dir(&steps).ok()?.next()?.ok()?;
        fs::read_to_string(step.path().join("pid")).ok()
    };
    until(|| written().is_some(), || "the step is to run".to_owned());
    let process = written().unwrap().trim().to_owned();
    assert!(lives(&process));
    endpoint.kill().unwrap();
    endpoint.wait().unwrap();
    gone(&process);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scripted_step_lives_by_the_clock_all_the_same() {
    with_stand(|stand| {
        let mut client = Client::to(&stand.server);
        let pace = json!({"speed": 1e6, "steps": [{"name": "s", "fails": true}]});
        client.admin("POST", "emr", &pace);
        let mut cluster = stand.run(&[("CONTINUE", "true")]);
        cluster.wait_for(&["FAILED"]);
        let folder = cluster.folder(0);
        assert!(!folder.exists());
        assert!(cluster.stand.folder.path().exists());
    })
    .await;
}
