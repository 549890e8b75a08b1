//! A clock that the tests set.
#![expect(clippy::needless_pass_by_value, reason = "requests are written where they are sent")]

use serde_json::{Value, json};

use super::*;

/// When the tests begin: some milliseconds after a second.
const START: Millis = 1_700_000_000_250;

struct Stand {
    ecs: Ecs,
    now: Millis,
    lag: Millis,
    fate: Option<Fate>,
    spot_loss: Option<Millis>,
}

impl Stand {
    /// Each state takes a second, a task ten; a cluster and a definition are there.
    fn new() -> Self {
        let pace = Pace {
            speed: 1.0,
            provisioning_seconds: 1.0,
            pending_seconds: 1.0,
            task_seconds: 10.0,
            deactivating_seconds: 1.0,
            stop_timeout_seconds: 30.0,
            deprovisioning_seconds: 1.0,
            remembered_seconds: 3600.0,
        };
        let stand = Self { ecs: Ecs::new(pace, None), now: START, lag: 0, fate: None, spot_loss: None };
        stand.ok(
            "CreateCluster",
            json!({"clusterName": "lake", "capacityProviders": ["FARGATE", "FARGATE_SPOT"]}),
        );
        stand.ok("RegisterTaskDefinition", definition());
        stand
    }

    fn call(&self, operation: &str, input: Value) -> Answer {
        let input = input.as_object().cloned().unwrap();
        let mut call = Call {
            input: &input,
            account: "111122223333",
            region: "eu-west-1",
            now: self.now,
            lag: self.lag,
            short_pages: false,
            fate: self.fate,
            spot_loss: self.spot_loss,
            effects: Vec::new(),
        };
        self.ecs.call(operation, &mut call)
    }

    fn ok(&self, operation: &str, input: Value) -> Value {
        self.call(operation, input).unwrap_or_else(|error| panic!("{operation}: {error:?}"))
    }

    fn refused(&self, operation: &str, input: Value) -> String {
        let error = self.call(operation, input).unwrap_err();
        format!("{}: {}", error.code, error.message)
    }

    fn run(&self, more: Value) -> String {
        self.ok("RunTask", with(run(), more))["tasks"][0]["taskArn"].as_str().unwrap().to_owned()
    }

    fn task(&self, arn: &str) -> Value {
        self.ok("DescribeTasks", json!({"cluster": "lake", "tasks": [arn]}))["tasks"][0].take()
    }

    /// The states of a task second by second, and the task at their end.
    fn states(&mut self, arn: &str) -> (Vec<String>, Value) {
        let mut states: Vec<String> = Vec::new();
        for _ in 0..60 {
            let state = self.task(arn)["lastStatus"].as_str().unwrap().to_owned();
            if states.last() != Some(&state) {
                states.push(state);
            }
            self.now += 500;
        }
        let task = self.task(arn);
        (states, task)
    }
}

fn with(mut one: Value, more: Value) -> Value {
    one.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    one
}

fn definition() -> Value {
    json!({
        "family": "load", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512",
        "containerDefinitions": [{"name": "work", "image": "registry/load:1"}],
    })
}

fn run() -> Value {
    let network = json!({"awsvpcConfiguration": {"subnets": ["subnet-1"]}});
    json!({"cluster": "lake", "taskDefinition": "load", "launchType": "FARGATE", "networkConfiguration": network})
}

const WHOLE: [&str; 7] =
    ["PROVISIONING", "PENDING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"];

#[test]
fn a_task_goes_through_its_states_and_is_shown_for_an_hour() {
    let mut stand = Stand::new();
    let arn = stand.run(json!({"startedBy": "me"}));
    let (states, task) = stand.states(&arn);
    // STOPPING takes no time where the container has ended by itself.
    let expected: Vec<&str> = WHOLE.into_iter().filter(|state| *state != "STOPPING").collect();
    assert_eq!(states, expected);
    assert_eq!(task["stopCode"], "EssentialContainerExited");
    assert_eq!(task["containers"][0]["exitCode"], 0);
    let listed = |stand: &Stand, desired: &str| {
        let input = json!({"cluster": "lake", "startedBy": "me", "desiredStatus": desired});
        stand.ok("ListTasks", input)["taskArns"].as_array().map_or(0, Vec::len)
    };
    assert_eq!((listed(&stand, "RUNNING"), listed(&stand, "STOPPED")), (0, 1));
    stand.now += 3_600_000;
    assert_eq!(listed(&stand, "STOPPED"), 0);
    let gone = stand.ok("DescribeTasks", json!({"cluster": "lake", "tasks": [arn]}));
    assert_eq!(gone["failures"], json!([{"arn": arn, "reason": "MISSING"}]));
}

#[test]
fn a_token_makes_one_task_and_another_request_with_it_is_told_which() {
    let mut stand = Stand::new();
    let arn = stand.run(json!({"clientToken": "once"}));
    stand.now += 60_000;
    assert_eq!(stand.run(json!({"clientToken": "once"})), arn);
    let other = with(run(), json!({"clientToken": "once", "startedBy": "me"}));
    let error = stand.call("RunTask", other).unwrap_err();
    assert_eq!((error.code.as_str(), error.resource_ids), ("ConflictException", vec![arn.clone()]));
    // An hour longer than the task, at most.
    stand.now += 3_700_000;
    assert_ne!(stand.run(json!({"clientToken": "once"})), arn);
}

#[test]
fn each_way_to_end_has_its_code() {
    for (fate, code, reason, exit, container) in [
        (
            Fate::NoImage,
            "TaskFailedToStart",
            "CannotPullContainerError: pull",
            Value::Null,
            "CannotPullContainerError",
        ),
        (
            Fate::OutOfMemory,
            "EssentialContainerExited",
            "Essential container",
            json!(137),
            "OutOfMemoryError",
        ),
    ] {
        let mut stand = Stand::new();
        stand.fate = Some(fate);
        let arn = stand.run(json!({}));
        stand.fate = None;
        let before = stand.task(&arn);
        assert_eq!(before["stopCode"], Value::Null, "{before}");
        let (states, task) = stand.states(&arn);
        assert_eq!(states.last().map(String::as_str), Some("STOPPED"));
        assert_eq!((&task["stopCode"], &task["containers"][0]["exitCode"]), (&json!(code), &exit), "{task}");
        assert!(task["stoppedReason"].as_str().unwrap().starts_with(reason), "{task}");
        assert!(task["containers"][0]["reason"].as_str().unwrap().starts_with(container), "{task}");
    }
    let mut stand = Stand::new();
    stand.fate = Some(Fate::Capacity);
    let answer = stand.ok("RunTask", run());
    assert_eq!(answer["tasks"], json!([]));
    assert!(
        answer["failures"][0]["reason"].as_str().unwrap().starts_with("Capacity is unavailable"),
        "{answer}"
    );
    stand.fate = None;
    stand.spot_loss = Some(2_000);
    let mut spot = run();
    spot.as_object_mut().unwrap().remove("launchType");
    spot["capacityProviderStrategy"] = json!([{"capacityProvider": "FARGATE_SPOT", "weight": 1}]);
    let arn = stand.ok("RunTask", spot)["tasks"][0]["taskArn"].as_str().unwrap().to_owned();
    stand.spot_loss = None;
    let (states, task) = stand.states(&arn);
    assert_eq!(states, WHOLE.into_iter().filter(|state| *state != "STOPPING").collect::<Vec<_>>());
    assert_eq!(
        (&task["stopCode"], &task["containers"][0]["exitCode"]),
        (&json!("SpotInterruption"), &json!(143))
    );
}

#[test]
fn a_task_is_stopped_by_hand_and_loses_its_tags() {
    let mut stand = Stand::new();
    let arn = stand.run(json!({"tags": [{"key": "k", "value": "v"}]}));
    let tags = |stand: &Stand| stand.ok("ListTagsForResource", json!({"resourceArn": arn}))["tags"].clone();
    assert_eq!(tags(&stand), json!([{"key": "k", "value": "v"}]));
    stand.now += 3_000;
    stand.ok("StopTask", json!({"cluster": "lake", "task": arn, "reason": "no more"}));
    let (_, task) = stand.states(&arn);
    assert_eq!((&task["stopCode"], &task["stoppedReason"]), (&json!("UserInitiated"), &json!("no more")));
    assert_eq!(tags(&stand), json!([]));
    assert_eq!(
        stand.refused("StopTask", json!({"cluster": "lake", "task": "nobody"})),
        "ClientException: The referenced task was not found."
    );
}

#[test]
fn looks_that_lag_see_the_past() {
    let mut stand = Stand::new();
    let arn = stand.run(json!({"startedBy": "me"}));
    stand.now += 3_000;
    stand.lag = 2_500;
    assert_eq!(stand.task(&arn)["lastStatus"], "PROVISIONING");
    stand.lag = 5_000;
    let input = json!({"cluster": "lake", "startedBy": "me"});
    assert_eq!(stand.ok("ListTasks", input)["taskArns"], json!([]));
}

#[test]
fn what_fargate_does_not_take_is_refused() {
    let stand = Stand::new();
    let mut bare = run();
    bare.as_object_mut().unwrap().remove("networkConfiguration");
    let name = json!({"containerOverrides": [{"name": "other"}]});
    let long = json!({"containerOverrides": [{"name": "work", "command": ["x".repeat(8192)]}]});
    let spot = json!([{"capacityProvider": "FARGATE_SPOT"}]);
    for (operation, input, words) in [
        ("RunTask", bare, "InvalidParameterException: Network Configuration must be provided"),
        ("RunTask", with(run(), json!({"cluster": "no"})), "ClusterNotFoundException"),
        ("RunTask", with(run(), json!({"count": 11})), "InvalidParameterException: count"),
        (
            "RunTask",
            with(run(), json!({"taskDefinition": "no"})),
            "ClientException: TaskDefinition not found.",
        ),
        ("RunTask", with(run(), json!({"overrides": name})), "Override for container named other"),
        ("RunTask", with(run(), json!({"overrides": long})), "at most 8192"),
        (
            "RunTask",
            with(run(), json!({"capacityProviderStrategy": spot})),
            "both a launch type and capacity provider",
        ),
        (
            "RegisterTaskDefinition",
            with(definition(), json!({"memory": "1536"})),
            "No Fargate configuration exists",
        ),
        ("RegisterTaskDefinition", with(definition(), json!({"networkMode": "bridge"})), "awsvpc"),
        ("DescribeTaskDefinition", json!({"taskDefinition": "no"}), "ClientException: Unable to describe"),
        ("DescribeTasks", json!({"cluster": "lake", "tasks": vec!["t"; 101]}), "100"),
    ] {
        let said = stand.refused(operation, input);
        assert!(said.contains(words), "{operation}: {said}");
    }
    stand.ok("DeregisterTaskDefinition", json!({"taskDefinition": "load:1"}));
    let inactive = stand.refused("RunTask", with(run(), json!({"taskDefinition": "load:1"})));
    assert_eq!(inactive, "ClientException: TaskDefinition is inactive");
}
