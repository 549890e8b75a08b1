//! Instances, what they cost, and how many there are.

use super::*;

/// One master, two core nodes and so many spot task nodes.
fn groups(tasks: i64) -> Value {
    json!({"Instances": {"KeepJobFlowAliveWhenNoSteps": true, "InstanceGroups": [
        {"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1},
        {"InstanceRole": "CORE", "InstanceType": "m5.2xlarge", "InstanceCount": 2},
        {"InstanceRole": "TASK", "InstanceType": "m5.xlarge", "InstanceCount": tasks, "Market": "SPOT"}]}})
}

impl Stand {
    fn instances(&self, mut input: Value, id: &str) -> Vec<Value> {
        input["ClusterId"] = json!(id);
        self.call("ListInstances", input).unwrap()["Instances"].as_array().unwrap().clone()
    }

    /// Group or fleet of that place, with requested and running instances.
    fn counts(&self, id: &str) -> Vec<(i64, i64)> {
        let list = self.call("ListInstanceGroups", json!({"ClusterId": id})).unwrap();
        let number = |group: &Value, member: &str| group[member].as_i64().unwrap();
        let counts =
            |group: &Value| (number(group, "RequestedInstanceCount"), number(group, "RunningInstanceCount"));
        list["InstanceGroups"].as_array().unwrap().iter().map(counts).collect()
    }

    fn group(&self, id: &str, index: usize) -> Value {
        self.call("ListInstanceGroups", json!({"ClusterId": id})).unwrap()["InstanceGroups"][index].take()
    }

    fn hours(&self, id: &str) -> i64 {
        let hours = self.cluster(id)["NormalizedInstanceHours"].as_i64().unwrap();
        let list = self.call("ListClusters", json!({})).unwrap();
        assert_eq!(list["Clusters"][0]["NormalizedInstanceHours"], hours);
        hours
    }
}

fn states(instances: &[Value]) -> Vec<&str> {
    instances.iter().map(|instance| instance["Status"]["State"].as_str().unwrap()).collect()
}

#[test]
fn instances_live_and_end_with_their_cluster() {
    let mut stand = Stand::new();
    let id = stand.run(true, &[], groups(1));
    for (seconds, state) in [(0, "PROVISIONING"), (1, "BOOTSTRAPPING"), (2, "RUNNING")] {
        stand.at(seconds);
        assert_eq!(states(&stand.instances(json!({}), &id)), [state; 4]);
    }
    let core = stand.instances(json!({"InstanceGroupTypes": ["CORE"]}), &id);
    assert_eq!(core.len(), 2);
    assert_eq!((&core[0]["InstanceType"], &core[0]["Market"]), (&json!("m5.2xlarge"), &json!("ON_DEMAND")));
    assert_eq!(core[0]["InstanceGroupId"], stand.group(&id, 1)["Id"]);
    let master = stand.instances(json!({"InstanceGroupTypes": ["MASTER"]}), &id);
    assert_eq!(stand.cluster(&id)["MasterPublicDnsName"], master[0]["PrivateDnsName"]);
    let task = stand.instances(json!({"InstanceGroupId": stand.group(&id, 2)["Id"]}), &id);
    assert_eq!((task.len(), &task[0]["Market"]), (1, &json!("SPOT")));
    assert!(
        stand.refused("ListInstances", json!({"ClusterId": id, "InstanceFleetId": "if-X"})).contains("if-X")
    );
    stand.call("TerminateJobFlows", json!({"JobFlowIds": [id]})).unwrap();
    stand.at(3);
    let gone = stand.instances(json!({"InstanceStates": ["TERMINATED"]}), &id);
    assert_eq!(gone.len(), 4);
    assert_eq!(gone[0]["Status"]["StateChangeReason"]["Code"], "CLUSTER_TERMINATED");
    assert_eq!(gone[0]["Status"]["Timeline"]["EndDateTime"], 1_700_000_003.25);
}

#[test]
fn a_group_loses_the_instances_that_are_named() {
    let mut stand = Stand::new();
    let id = stand.run(true, &[], groups(3));
    stand.at(2);
    let task = stand.group(&id, 2)["Id"].take();
    let before = stand.instances(json!({"InstanceGroupId": task}), &id);
    let named = &before[0]["Ec2InstanceId"];
    let change = json!({"InstanceGroupId": task, "EC2InstanceIdsToTerminate": [named]});
    stand.call("ModifyInstanceGroups", json!({"InstanceGroups": [change]})).unwrap();
    assert_eq!(stand.counts(&id)[2], (2, 3));
    assert_eq!(stand.group(&id, 2)["Status"]["State"], "RESIZING");
    stand.at(3);
    assert_eq!(stand.counts(&id)[2], (2, 2));
    assert_eq!(
        states(&stand.instances(json!({"InstanceGroupId": task}), &id)),
        ["TERMINATED", "RUNNING", "RUNNING"]
    );
    for count in [-1, 4001] {
        let change = json!({"InstanceGroupId": task, "InstanceCount": count});
        let refused = stand.refused("ModifyInstanceGroups", json!({"InstanceGroups": [change]}));
        assert!(refused.starts_with("ValidationException"), "{refused}");
    }
}

#[test]
fn task_groups_and_fleets_are_added_to_a_running_cluster() {
    let mut stand = Stand::new();
    let id = stand.run(true, &[], groups(1));
    stand.at(2);
    let config = |role: &str| json!({"JobFlowId": id, "InstanceGroups": [{"InstanceRole": role, "InstanceType": "m5.xlarge", "InstanceCount": 2}]});
    let answer = stand.call("AddInstanceGroups", config("TASK")).unwrap();
    assert_eq!(answer["InstanceGroupIds"][0], stand.group(&id, 3)["Id"]);
    assert_eq!(
        (stand.group(&id, 3)["Status"]["State"].clone(), stand.counts(&id)[3]),
        (json!("PROVISIONING"), (2, 0))
    );
    stand.at(3);
    assert_eq!(
        (stand.group(&id, 3)["Status"]["State"].clone(), stand.counts(&id)[3]),
        (json!("RUNNING"), (2, 2))
    );
    assert!(stand.refused("AddInstanceGroups", config("CORE")).contains("only TASK"));

    let fleets = json!({"KeepJobFlowAliveWhenNoSteps": true, "InstanceFleets": [
        {"InstanceFleetType": "MASTER", "TargetOnDemandCapacity": 1}]});
    let id = stand.run(true, &[], json!({"Instances": fleets}));
    let types = json!([{"InstanceType": "m5.2xlarge", "WeightedCapacity": 8}]);
    let fleet = json!({"InstanceFleetType": "TASK", "TargetSpotCapacity": 20, "InstanceTypeConfigs": types});
    let add = json!({"ClusterId": id, "InstanceFleet": fleet});
    let answer = stand.call("AddInstanceFleet", add.clone()).unwrap();
    stand.at(5);
    let list = stand.call("ListInstanceFleets", json!({"ClusterId": id})).unwrap();
    assert_eq!(list["InstanceFleets"][1]["Id"], answer["InstanceFleetId"]);
    // Three instances of eight units are the fewest that have twenty.
    assert_eq!(list["InstanceFleets"][1]["ProvisionedSpotCapacity"], 24);
    assert_eq!(stand.instances(json!({"InstanceFleetType": "TASK"}), &id).len(), 3);
    assert!(stand.refused("AddInstanceFleet", add).contains("has a task instance fleet"));
}

#[test]
fn normalized_hours_grow_with_time_and_size() {
    let mut stand = Stand::new();
    let id = stand.run(true, &[], groups(1));
    assert_eq!(stand.hours(&id), 0);
    // An xlarge counts 8, a 2xlarge 16; an hour that has begun counts whole.
    stand.at(2);
    assert_eq!(stand.hours(&id), 8 + 2 * 16 + 8);
    stand.at(2 + 3600);
    assert_eq!(stand.hours(&id), 48);
    stand.at(3 + 3600);
    assert_eq!(stand.hours(&id), 96);
    stand.call("TerminateJobFlows", json!({"JobFlowIds": [id]})).unwrap();
    stand.at(50_000);
    assert_eq!(stand.hours(&id), 96);
}

fn limits(limits: Value) -> Value {
    json!({"ManagedScalingPolicy": {"ComputeLimits": limits}})
}

#[test]
fn managed_scaling_moves_a_cluster_within_its_limits_while_it_works() {
    for (unit, least, most, working, idle) in [
        // Two core nodes stay, the task group has the rest.
        ("Instances", 2, 10, (2, 8), (2, 0)),
        ("Instances", 3, 10, (2, 8), (2, 1)),
        // Core nodes of eight cores each, task nodes of four.
        ("VCPU", 16, 40, (2, 6), (2, 0)),
    ] {
        let mut stand = Stand::new();
        let mut more = groups(1);
        let policy =
            limits(json!({"UnitType": unit, "MinimumCapacityUnits": least, "MaximumCapacityUnits": most}));
        more.as_object_mut().unwrap().extend(policy.as_object().unwrap().clone());
        let id = stand.run(true, &[("one", "CONTINUE")], more);
        stand.at(2);
        assert_eq!(stand.counts(&id)[2], (working.1, 1), "{unit} {least}");
        stand.at(3);
        assert_eq!((stand.counts(&id)[1].1, stand.counts(&id)[2].1), working, "{unit} {least}");
        stand.at(13);
        assert_eq!((stand.counts(&id)[1].1, stand.counts(&id)[2].1), idle, "{unit} {least}");
        assert_eq!(stand.state(&id), "WAITING");
    }
}

#[test]
fn managed_scaling_keeps_bounds_of_core_and_on_demand_and_follows_a_change() {
    let mut stand = Stand::new();
    let two = json!({"KeepJobFlowAliveWhenNoSteps": true, "InstanceGroups": [
        {"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1},
        {"InstanceRole": "CORE", "InstanceType": "m5.xlarge", "InstanceCount": 2}]});
    let id = stand.run(true, &[], json!({"Instances": two}));
    stand.at(2);
    let put = |stand: &Stand, units: Value| {
        let mut input = limits(units);
        input["ClusterId"] = json!(id);
        stand.call("PutManagedScalingPolicy", input).unwrap();
    };
    put(
        &stand,
        json!({"UnitType": "Instances", "MinimumCapacityUnits": 3, "MaximumCapacityUnits": 9,
        "MaximumCoreCapacityUnits": 7, "MaximumOnDemandCapacityUnits": 5}),
    );
    stand.at(3);
    assert_eq!(stand.counts(&id)[1].1, 3);
    let add = json!({"JobFlowId": id, "Steps": configs(&[("a", "CONTINUE")])});
    stand.call("AddJobFlowSteps", add).unwrap();
    stand.at(4);
    assert_eq!(stand.counts(&id)[1].1, 5);
    put(&stand, json!({"UnitType": "Instances", "MinimumCapacityUnits": 1, "MaximumCapacityUnits": 4}));
    stand.at(5);
    assert_eq!(stand.counts(&id)[1].1, 4);
}

#[test]
fn managed_scaling_splits_a_task_fleet_by_markets() {
    let mut stand = Stand::new();
    let fleet = |role: &str, on_demand: i64, spot: i64| json!({"InstanceFleetType": role, "TargetOnDemandCapacity": on_demand, "TargetSpotCapacity": spot});
    let fleets = json!({"KeepJobFlowAliveWhenNoSteps": true,
        "InstanceFleets": [fleet("MASTER", 1, 0), fleet("CORE", 2, 1), fleet("TASK", 0, 1)]});
    let mut more = limits(json!({"UnitType": "InstanceFleetUnits", "MinimumCapacityUnits": 4,
        "MaximumCapacityUnits": 10, "MaximumOnDemandCapacityUnits": 5}));
    more["Instances"] = fleets;
    let id = stand.run(true, &[("one", "CONTINUE")], more);
    stand.at(4);
    let list = stand.call("ListInstanceFleets", json!({"ClusterId": id})).unwrap()["InstanceFleets"].take();
    let provisioned = |index: usize| {
        ["ProvisionedOnDemandCapacity", "ProvisionedSpotCapacity"]
            .map(|member| list[index][member].as_i64().unwrap())
    };
    assert_eq!([provisioned(0), provisioned(1), provisioned(2)], [[1, 0], [2, 1], [3, 4]]);
}

#[test]
fn a_group_keeps_a_policy_and_loses_it_again() {
    let mut stand = Stand::new();
    let policy = |most: i64| json!({"Constraints": {"MinCapacity": 1, "MaxCapacity": most}, "Rules": []});
    let mut more = groups(1);
    more["Instances"]["InstanceGroups"][1]["AutoScalingPolicy"] = policy(3);
    let id = stand.run(true, &[], more);
    stand.at(2);
    let core = stand.group(&id, 1);
    assert_eq!(core["AutoScalingPolicy"]["Constraints"]["MaxCapacity"], 3);
    assert_eq!(core["AutoScalingPolicy"]["Status"]["State"], "ATTACHED");
    let about = |index, policy: Value| json!({"ClusterId": id, "InstanceGroupId": stand.group(&id, index)["Id"], "AutoScalingPolicy": policy});
    stand.call("PutAutoScalingPolicy", about(1, policy(5))).unwrap();
    assert_eq!(stand.group(&id, 1)["AutoScalingPolicy"]["Constraints"]["MaxCapacity"], 5);
    stand.call("RemoveAutoScalingPolicy", about(1, Value::Null)).unwrap();
    assert_eq!(stand.group(&id, 1)["AutoScalingPolicy"], Value::Null);
    assert!(stand.refused("PutAutoScalingPolicy", about(0, policy(5))).contains("not valid"));
    assert!(stand.refused("PutAutoScalingPolicy", about(1, policy(0))).contains("MinCapacity"));
}
