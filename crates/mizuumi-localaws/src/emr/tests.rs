//! A clock that the tests set.
#![expect(clippy::needless_pass_by_value, reason = "requests are written where they are sent")]

mod capacity;
mod fates;
mod settings;

use serde_json::{Value, json};

use super::pace::StepRule;
use super::*;

/// When the tests begin: some milliseconds after a second.
const START: Millis = 1_700_000_000_250;

struct Stand {
    emr: Emr,
    now: Millis,
    lag: Millis,
}

impl Stand {
    /// Starting, bootstrapping, cancelling, resizing and terminating take a second, steps ten.
    fn new() -> Self {
        let rule = StepRule { name: "bad".to_owned(), seconds: None, fails: true };
        let pace = Pace {
            speed: 1.0,
            starting_seconds: 1.0,
            bootstrapping_seconds: 1.0,
            step_seconds: 10.0,
            cancelling_seconds: 1.0,
            resizing_seconds: 1.0,
            terminating_seconds: 1.0,
            steps: vec![rule],
        };
        Self { emr: Emr::new(pace, false), now: START, lag: 0 }
    }

    fn call(&self, operation: &str, input: Value) -> Answer {
        self.call_with(operation, input, None, None)
    }

    fn call_with(
        &self,
        operation: &str,
        input: Value,
        fate: Option<Fate>,
        spot_loss: Option<Millis>,
    ) -> Answer {
        let input = input.as_object().cloned().unwrap();
        let mut call = Call {
            input: &input,
            account: "111122223333",
            region: "eu-west-1",
            now: self.now,
            lag: self.lag,
            short_pages: false,
            fate,
            spot_loss,
            effects: Vec::new(),
        };
        self.emr.call(operation, &mut call)
    }

    fn refused(&self, operation: &str, input: Value) -> String {
        let error = self.call(operation, input).unwrap_err();
        format!("{}: {}", error.code, error.message)
    }

    fn run(&self, keep: bool, steps: &[(&str, &str)], more: Value) -> String {
        let mut input =
            json!({"Name": "c", "Instances": {"KeepJobFlowAliveWhenNoSteps": keep}, "Steps": configs(steps)});
        input.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        self.call("RunJobFlow", input).unwrap()["JobFlowId"].as_str().unwrap().to_owned()
    }

    fn cluster(&self, id: &str) -> Value {
        self.call("DescribeCluster", json!({"ClusterId": id})).unwrap()["Cluster"].take()
    }

    fn state(&self, id: &str) -> String {
        self.cluster(id)["Status"]["State"].as_str().unwrap().to_owned()
    }

    /// States of the steps, in the order in which they came.
    fn steps(&self, id: &str) -> Vec<String> {
        let list = self.call("ListSteps", json!({"ClusterId": id})).unwrap();
        let state = |step: &Value| step["Status"]["State"].as_str().unwrap().to_owned();
        list["Steps"].as_array().unwrap().iter().rev().map(state).collect()
    }

    fn at(&mut self, seconds: i64) {
        self.now = START + seconds * 1000;
    }
}

fn configs(steps: &[(&str, &str)]) -> Value {
    let config = |(name, action): &(&str, &str)| {
        json!({"Name": name, "ActionOnFailure": action,
            "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["true"], "Properties": [{"Key": "k", "Value": "v"}]}})
    };
    steps.iter().map(config).collect()
}

#[test]
fn a_cluster_starts_runs_its_steps_and_ends() {
    let mut stand = Stand::new();
    let id = stand.run(false, &[("one", "CONTINUE"), ("two", "CONTINUE")], json!({}));
    for (seconds, state, steps) in [
        (0, "STARTING", ["PENDING", "PENDING"]),
        (1, "BOOTSTRAPPING", ["PENDING", "PENDING"]),
        (2, "RUNNING", ["RUNNING", "PENDING"]),
        (12, "RUNNING", ["COMPLETED", "RUNNING"]),
        (22, "TERMINATING", ["COMPLETED", "COMPLETED"]),
        (23, "TERMINATED", ["COMPLETED", "COMPLETED"]),
    ] {
        stand.at(seconds);
        assert_eq!((stand.state(&id).as_str(), stand.steps(&id)), (state, steps.map(str::to_owned).to_vec()));
    }
    // Whoever looks late sees the times at which things happened; times are numbers.
    stand.at(9999);
    let status = stand.cluster(&id)["Status"].take();
    assert_eq!(
        status["Timeline"],
        json!({"CreationDateTime": 1_700_000_000.25, "ReadyDateTime": 1_700_000_002.25,
            "EndDateTime": 1_700_000_023.25})
    );
    assert_eq!(
        status["StateChangeReason"],
        json!({"Code": "ALL_STEPS_COMPLETED", "Message": "Steps completed"})
    );
    let list = stand.call("ListSteps", json!({"ClusterId": id})).unwrap();
    assert_eq!(list["Steps"][0]["Status"]["Timeline"]["EndDateTime"], 1_700_000_022.25);
    assert_eq!(list["Steps"][0]["Config"]["Properties"], json!({"k": "v"}));
}

#[test]
fn a_failed_step_decides_about_the_rest() {
    for (action, protected, stays, state, rest) in [
        ("TERMINATE_CLUSTER", false, true, "TERMINATED_WITH_ERRORS", "CANCELLED"),
        ("TERMINATE_CLUSTER", true, true, "WAITING", "CANCELLED"),
        ("TERMINATE_CLUSTER", true, false, "TERMINATED_WITH_ERRORS", "CANCELLED"),
        ("CANCEL_AND_WAIT", false, true, "WAITING", "CANCELLED"),
        ("CANCEL_AND_WAIT", false, false, "TERMINATED", "CANCELLED"),
        ("CONTINUE", false, true, "RUNNING", "RUNNING"),
    ] {
        let mut stand = Stand::new();
        let instances = json!({"KeepJobFlowAliveWhenNoSteps": stays, "TerminationProtected": protected});
        let id = stand.run(true, &[("bad", action), ("two", "CONTINUE")], json!({"Instances": instances}));
        stand.at(13);
        assert_eq!(stand.state(&id), state, "{action} {protected}");
        assert_eq!(stand.steps(&id), ["FAILED", rest], "{action} {protected}");
    }
}

#[test]
fn steps_run_side_by_side_and_can_be_cancelled() {
    let mut stand = Stand::new();
    let three = [("a", "CONTINUE"), ("b", "CONTINUE"), ("c", "CONTINUE")];
    let id = stand.run(true, &three, json!({"StepConcurrencyLevel": 2}));
    stand.at(2);
    assert_eq!(stand.steps(&id), ["RUNNING", "RUNNING", "PENDING"]);
    let list = stand.call("ListSteps", json!({"ClusterId": id})).unwrap();
    let ids: Vec<&Value> = [2, 0].map(|index| &list["Steps"][index]["Id"]).to_vec();
    let answer = stand.call("CancelSteps", json!({"ClusterId": id, "StepIds": ids})).unwrap();
    assert_eq!(answer["CancelStepsInfoList"][1]["Status"], "SUBMITTED");
    assert_eq!(stand.steps(&id), ["CANCEL_PENDING", "RUNNING", "CANCELLED"]);
    let again = json!({"ClusterId": id, "StepIds": [ids[0]]});
    let answer = stand.call("CancelSteps", again).unwrap();
    assert_eq!(answer["CancelStepsInfoList"][0]["Status"], "SUBMITTED");
    stand.at(3);
    assert_eq!(stand.steps(&id), ["CANCELLED", "RUNNING", "CANCELLED"]);
    let answer = stand.call("CancelSteps", json!({"ClusterId": id, "StepIds": ids})).unwrap();
    assert_eq!(answer["CancelStepsInfoList"][0]["Status"], "FAILED");
    // All or none: the first is running, the other is not there.
    let some = json!({"ClusterId": id, "StepIds": [list["Steps"][1]["Id"], "s-X"]});
    assert!(stand.refused("CancelSteps", some).contains("Step id 's-X' is not valid."));
    assert_eq!(stand.steps(&id)[1], "RUNNING");
    let how = json!({"ClusterId": id, "StepIds": ids, "StepCancellationOption": "x"});
    assert!(stand.refused("CancelSteps", how).starts_with("ValidationException"));
    let add = json!({"JobFlowId": id, "Steps": configs(&[("d", "CANCEL_AND_WAIT")])});
    assert!(stand.refused("AddJobFlowSteps", add).starts_with("ValidationException: ActionOnFailure"));
    let many = vec![("e", "CONTINUE"); 256];
    let add = json!({"JobFlowId": id, "Steps": configs(&many)});
    assert!(stand.refused("AddJobFlowSteps", add).contains("Maximum number of active steps"));
    let kill = json!({"ClusterId": id, "StepIds": [list["Steps"][1]["Id"]], "StepCancellationOption": "TERMINATE_PROCESS"});
    stand.call("CancelSteps", kill).unwrap();
    assert_eq!(stand.steps(&id)[1], "CANCELLED");
    assert_eq!(stand.state(&id), "WAITING");
}

#[test]
fn a_failed_step_names_its_log() {
    let mut stand = Stand::new();
    let id = stand.run(true, &[("bad", "CONTINUE")], json!({"LogUri": "s3://logs/emr/"}));
    stand.at(13);
    let step = stand.call("ListSteps", json!({"ClusterId": id})).unwrap()["Steps"][0].take();
    let log = format!("s3://logs/emr/{id}/steps/{}/stderr.gz", step["Id"].as_str().unwrap());
    assert_eq!(step["Status"]["FailureDetails"], json!({"Reason": "Unknown Error.", "LogFile": log}));
}

#[test]
fn protection_holds_against_a_user_and_an_ended_cluster_stays_ended() {
    let mut stand = Stand::new();
    let id = stand.run(true, &[("one", "CONTINUE")], json!({}));
    stand.at(5);
    let protect = |on: bool| json!({"JobFlowIds": [id], "TerminationProtected": on});
    stand.call("SetTerminationProtection", protect(true)).unwrap();
    assert_eq!(
        stand.refused("TerminateJobFlows", json!({"JobFlowIds": [id]})),
        "ValidationException: Could not shut down one or more job flows since they are termination protected."
    );
    stand.call("SetTerminationProtection", protect(false)).unwrap();
    stand.call("TerminateJobFlows", json!({"JobFlowIds": [id]})).unwrap();
    assert_eq!((stand.state(&id).as_str(), stand.steps(&id)), ("TERMINATING", vec!["CANCELLED".to_owned()]));
    stand.at(6);
    assert_eq!(stand.cluster(&id)["Status"]["StateChangeReason"]["Code"], "USER_REQUEST");
    stand.call("TerminateJobFlows", json!({"JobFlowIds": [id]})).unwrap();
    let add = json!({"JobFlowId": id, "Steps": configs(&[("late", "CONTINUE")])});
    assert!(stand.refused("AddJobFlowSteps", add).contains("may not be modified"));
    assert_eq!(stand.state(&id), "TERMINATED");
    let error = stand.call("DescribeCluster", json!({"ClusterId": "j-X"})).unwrap_err();
    assert_eq!((error.code.as_str(), error.error_code), ("InvalidRequestException", Some("NoSuchCluster")));
    assert_eq!(error.message, "Cluster id 'j-X' is not valid.");
}

#[test]
fn an_idle_cluster_ends_by_its_policy() {
    let mut stand = Stand::new();
    let id = stand.run(true, &[], json!({"AutoTerminationPolicy": {"IdleTimeout": 60}}));
    stand.at(61);
    assert_eq!(stand.state(&id), "WAITING");
    stand
        .call(
            "PutAutoTerminationPolicy",
            json!({"ClusterId": id, "AutoTerminationPolicy": {"IdleTimeout": 90}}),
        )
        .unwrap();
    let policy = stand.call("GetAutoTerminationPolicy", json!({"ClusterId": id})).unwrap();
    assert_eq!(policy, json!({"AutoTerminationPolicy": {"IdleTimeout": 90}}));
    stand.at(150);
    assert_eq!(stand.state(&id), "WAITING");
    stand.at(152);
    assert_eq!(stand.state(&id), "TERMINATED");
    let short = json!({"ClusterId": id, "AutoTerminationPolicy": {"IdleTimeout": 59}});
    assert!(stand.refused("PutAutoTerminationPolicy", short).starts_with("ValidationException"));
}

#[test]
fn lists_have_pages_of_fifty_the_newest_first_and_may_lag() {
    let mut stand = Stand::new();
    let ids: Vec<String> = (0..120)
        .map(|second| {
            stand.at(second);
            stand.run(true, &[], json!({}))
        })
        .collect();
    let mut seen = Vec::new();
    let mut input = json!({});
    loop {
        let page = stand.call("ListClusters", input.clone()).unwrap();
        let clusters = page["Clusters"].as_array().unwrap();
        assert!(clusters.len() <= 50);
        seen.extend(clusters.iter().map(|cluster| cluster["Id"].as_str().unwrap().to_owned()));
        let Some(marker) = page.get("Marker") else { break };
        input["Marker"] = marker.clone();
    }
    assert!(seen.iter().eq(ids.iter().rev()));
    let count = |stand: &Stand, input| {
        stand.call("ListClusters", input).unwrap()["Clusters"].as_array().unwrap().len()
    };
    assert_eq!(count(&stand, json!({"ClusterStates": ["STARTING", "BOOTSTRAPPING"]})), 2);
    let after = json!({"CreatedAfter": 1_700_000_110.25, "CreatedBefore": 1_700_000_115.25});
    assert_eq!(count(&stand, after), 4);
    stand.lag = 10_000;
    let newest = stand.call("ListClusters", json!({})).unwrap()["Clusters"][0].take();
    assert_eq!(
        (newest["Id"].as_str(), &newest["Status"]["State"]),
        (Some(ids[109].as_str()), &json!("STARTING"))
    );
    assert!(stand.refused("ListClusters", json!({"Marker": "x"})).starts_with("InvalidRequestException"));
}

#[test]
fn groups_and_fleets_are_resized_in_time() {
    let mut stand = Stand::new();
    let groups = json!({"KeepJobFlowAliveWhenNoSteps": true, "InstanceGroups": [
        {"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1},
        {"InstanceRole": "CORE", "InstanceType": "m5.xlarge", "InstanceCount": 2}]});
    let id = stand.run(true, &[], json!({"Instances": groups}));
    stand.at(2);
    let core = |stand: &Stand| {
        stand.call("ListInstanceGroups", json!({"ClusterId": id})).unwrap()["InstanceGroups"][1].take()
    };
    let group = core(&stand)["Id"].take();
    let change = json!({"InstanceGroups": [{"InstanceGroupId": group, "InstanceCount": 5}]});
    stand.call("ModifyInstanceGroups", change).unwrap();
    let shown = |group: &Value| (group["Status"]["State"].clone(), group["RunningInstanceCount"].clone());
    assert_eq!(shown(&core(&stand)), (json!("RESIZING"), json!(2)));
    stand.at(3);
    assert_eq!(shown(&core(&stand)), (json!("RUNNING"), json!(5)));
    assert!(
        stand.refused("ListInstanceFleets", json!({"ClusterId": id})).starts_with("InvalidRequestException")
    );

    let fleets = json!({"InstanceFleets": [{"InstanceFleetType": "MASTER", "TargetOnDemandCapacity": 1}],
        "KeepJobFlowAliveWhenNoSteps": true});
    let id = stand.run(true, &[], json!({"Instances": fleets}));
    stand.at(9);
    assert_eq!(stand.cluster(&id)["InstanceCollectionType"], "INSTANCE_FLEET");
    let fleet = |stand: &Stand| {
        stand.call("ListInstanceFleets", json!({"ClusterId": id})).unwrap()["InstanceFleets"][0].take()
    };
    let change = json!({"InstanceFleetId": fleet(&stand)["Id"], "TargetSpotCapacity": 3});
    stand.call("ModifyInstanceFleet", json!({"ClusterId": id, "InstanceFleet": change})).unwrap();
    assert_eq!(fleet(&stand)["ProvisionedSpotCapacity"], 0);
    stand.at(10);
    assert_eq!(fleet(&stand)["ProvisionedSpotCapacity"], 3);
}

#[test]
fn tags_policies_and_bootstrap_actions_are_kept() {
    let stand = Stand::new();
    let script = json!({"Path": "s3://b/x.sh", "Args": ["1"]});
    let more = json!({"Tags": [{"Key": "a", "Value": "1"}],
        "BootstrapActions": [{"Name": "x", "ScriptBootstrapAction": script}]});
    let id = stand.run(true, &[], more);
    stand.call("AddTags", json!({"ResourceId": id, "Tags": [{"Key": "b"}]})).unwrap();
    stand.call("RemoveTags", json!({"ResourceId": id, "TagKeys": ["a"]})).unwrap();
    assert_eq!(stand.cluster(&id)["Tags"], json!([{"Key": "b", "Value": ""}]));
    let answer = stand.call("ListBootstrapActions", json!({"ClusterId": id})).unwrap();
    assert_eq!(answer["BootstrapActions"][0]["ScriptPath"], "s3://b/x.sh");
    let limits = json!({"UnitType": "Instances", "MinimumCapacityUnits": 1, "MaximumCapacityUnits": 9});
    let put = json!({"ClusterId": id, "ManagedScalingPolicy": {"ComputeLimits": limits}});
    stand.call("PutManagedScalingPolicy", put).unwrap();
    let get = || stand.call("GetManagedScalingPolicy", json!({"ClusterId": id})).unwrap();
    assert_eq!(get()["ManagedScalingPolicy"]["ComputeLimits"]["MaximumCapacityUnits"], 9);
    stand.call("RemoveManagedScalingPolicy", json!({"ClusterId": id})).unwrap();
    assert_eq!(get(), json!({}));
    let level = json!({"ClusterId": id, "StepConcurrencyLevel": 257});
    assert!(stand.refused("ModifyCluster", level).starts_with("ValidationException"));
}

#[test]
fn another_pace_leaves_what_has_happened_and_hastens_the_rest() {
    let mut stand = Stand::new();
    let id = stand.run(true, &[("one", "CONTINUE")], json!({}));
    stand.at(3);
    let pace = Pace { speed: 10.0, step_seconds: 10.0, ..Pace::default() };
    stand.emr.set_pace(pace, stand.now);
    assert_eq!(stand.steps(&id), ["COMPLETED"]);
    assert_eq!(stand.cluster(&id)["Status"]["Timeline"]["ReadyDateTime"], 1_700_000_002.25);
    assert!(Pace::of(0.0).fault().is_some());
}
