//! Clusters with which something goes wrong.

use super::*;

fn input() -> Value {
    json!({"Name": "c", "Steps": configs(&[("one", "CONTINUE")]),
        "BootstrapActions": [{"Name": "x", "ScriptBootstrapAction": {"Path": "s3://b/x.sh"}}],
        "Instances": {"KeepJobFlowAliveWhenNoSteps": true, "TerminationProtected": true, "InstanceGroups": [
            {"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1},
            {"InstanceRole": "CORE", "InstanceType": "m5.xlarge", "InstanceCount": 1},
            {"InstanceRole": "TASK", "InstanceType": "m5.xlarge", "InstanceCount": 2, "Market": "SPOT"}]}})
}

impl Stand {
    fn doomed(&self, fate: Option<Fate>, spot_loss: Option<Millis>) -> String {
        let answer = self.call_with("RunJobFlow", input(), fate, spot_loss).unwrap();
        answer["JobFlowId"].as_str().unwrap().to_owned()
    }

    fn tasks(&self, id: &str) -> (Value, Value, Value) {
        let groups = self.call("ListInstanceGroups", json!({"ClusterId": id})).unwrap();
        let group = &groups["InstanceGroups"][2];
        let [requested, running] =
            ["RequestedInstanceCount", "RunningInstanceCount"].map(|member| group[member].clone());
        (requested, running, group["Status"]["State"].clone())
    }
}

#[test]
fn a_bootstrap_action_that_fails_ends_the_cluster() {
    let mut stand = Stand::new();
    let id = stand.doomed(Some(Fate::Bootstrap), None);
    stand.at(1);
    assert_eq!(stand.state(&id), "BOOTSTRAPPING");
    stand.at(2);
    assert_eq!((stand.state(&id).as_str(), stand.steps(&id)), ("TERMINATING", vec!["CANCELLED".to_owned()]));
    stand.at(3);
    let status = stand.cluster(&id)["Status"].take();
    assert_eq!(status["State"], "TERMINATED_WITH_ERRORS");
    let masters =
        stand.call("ListInstances", json!({"ClusterId": id, "InstanceGroupTypes": ["MASTER"]})).unwrap();
    let master = masters["Instances"][0]["Ec2InstanceId"].as_str().unwrap();
    let message =
        format!("On the master instance ({master}), bootstrap action 1 returned a non-zero return code");
    assert_eq!(status["StateChangeReason"], json!({"Code": "BOOTSTRAP_FAILURE", "Message": message}));
    let detail = &status["ErrorDetails"][0];
    assert_eq!(detail["ErrorCode"], "BOOTSTRAP_FAILURE_PRIMARY_WITH_NON_ZERO_CODE");
    assert_eq!(detail["ErrorData"][3], json!({"amazon-s3-path": "s3://b/x.sh"}));
    assert_eq!(status["Timeline"].get("ReadyDateTime"), None);
    let list = stand.call("ListClusters", json!({})).unwrap();
    assert_eq!(list["Clusters"][0]["Status"], status);
}

#[test]
fn a_cluster_that_finds_no_instances_ends_before_it_boots() {
    let mut stand = Stand::new();
    let id = stand.doomed(Some(Fate::Capacity), None);
    stand.at(1);
    assert_eq!(stand.state(&id), "TERMINATING");
    stand.at(2);
    let status = stand.cluster(&id)["Status"].take();
    assert_eq!(status["State"], "TERMINATED_WITH_ERRORS");
    assert_eq!(status["StateChangeReason"]["Code"], "INTERNAL_ERROR");
    let message = status["StateChangeReason"]["Message"].as_str().unwrap();
    assert!(message.contains("insufficient capacity for instance type m5.xlarge"), "{message}");
    assert_eq!(status["ErrorDetails"][0]["ErrorData"][1], json!({"availability-zone": "eu-west-1a"}));
    assert_eq!(stand.cluster(&id)["NormalizedInstanceHours"], 0);
}

#[test]
fn a_lost_spot_instance_is_replaced() {
    let mut stand = Stand::new();
    let id = stand.doomed(None, Some(3000));
    stand.at(4);
    assert_eq!(stand.tasks(&id), (json!(2), json!(2), json!("RUNNING")));
    stand.at(5);
    assert_eq!(stand.tasks(&id), (json!(2), json!(1), json!("RESIZING")));
    let gone = json!({"ClusterId": id, "InstanceStates": ["TERMINATED"]});
    let gone = stand.call("ListInstances", gone).unwrap()["Instances"].take();
    assert_eq!(gone.as_array().unwrap().len(), 1);
    assert_eq!(gone[0]["Status"]["StateChangeReason"]["Code"], "INSTANCE_FAILURE");
    assert_eq!(gone[0]["Status"]["Timeline"]["EndDateTime"], 1_700_000_005.25);
    stand.at(6);
    assert_eq!(stand.tasks(&id), (json!(2), json!(2), json!("RUNNING")));
    // At once, when it is another call that a rule hits.
    stand.call_with("DescribeCluster", json!({"ClusterId": id}), None, Some(1000)).unwrap();
    assert_eq!(stand.tasks(&id).1, 1);
    stand.at(7);
    assert_eq!(stand.tasks(&id).1, 2);
    assert_eq!(stand.state(&id), "RUNNING");
}
