//! Release labels, security configurations, switches.

use super::*;

#[test]
fn release_labels_are_listed_and_checked() {
    let stand = Stand::new();
    let mut labels = Vec::new();
    let mut input = json!({"MaxResults": 60});
    loop {
        let page = stand.call("ListReleaseLabels", input.clone()).unwrap();
        labels.extend(
            page["ReleaseLabels"].as_array().unwrap().iter().map(|label| label.as_str().unwrap().to_owned()),
        );
        let Some(token) = page.get("NextToken") else { break };
        input["NextToken"] = token.clone();
    }
    assert_eq!(
        (labels.len(), labels[0].as_str(), labels.last().unwrap().as_str()),
        (143, "emr-7.14.0", "emr-spark-8.1.0")
    );
    for (filters, first, count) in [
        (json!({"Prefix": "emr-6.1"}), "emr-6.15.0", 10),
        (json!({"Application": "spark@3.5.1"}), "emr-7.3.0", 2),
        (json!({"Prefix": "emr-7.2", "Application": "Spark"}), "emr-7.2.0", 1),
    ] {
        let list = stand.call("ListReleaseLabels", json!({"Filters": filters})).unwrap();
        let list = list["ReleaseLabels"].as_array().unwrap();
        assert_eq!((list[0].as_str().unwrap(), list.len()), (first, count), "{filters}");
    }
    assert!(stand.refused("ListReleaseLabels", json!({"NextToken": "x"})).contains("NextToken 'x'"));
    let release = stand.call("DescribeReleaseLabel", json!({"ReleaseLabel": "emr-7.9.0"})).unwrap();
    assert_eq!(release["Applications"][1], json!({"Name": "Spark", "Version": "3.5.5"}));
    assert!(
        stand.refused("DescribeReleaseLabel", json!({"ReleaseLabel": "emr-9"})).starts_with("InvalidRequest")
    );
    let cluster = json!({"Name": "c", "Instances": {}, "ReleaseLabel": "emr-9999.0.0"});
    assert_eq!(
        stand.refused("RunJobFlow", cluster),
        "ValidationException: The supplied release label is invalid: emr-9999.0.0."
    );
}

#[test]
fn security_configurations_are_made_used_and_deleted() {
    let stand = Stand::new();
    let text = r#"{"EncryptionConfiguration": {}}"#;
    let create = |name: &str| json!({"Name": name, "SecurityConfiguration": text});
    for name in ["a", "b"] {
        stand.call("CreateSecurityConfiguration", create(name)).unwrap();
    }
    assert!(stand.refused("CreateSecurityConfiguration", create("a")).contains("'a' already exists"));
    let bad = json!({"Name": "c", "SecurityConfiguration": "x"});
    assert!(stand.refused("CreateSecurityConfiguration", bad).contains("not valid JSON"));
    let found = stand.call("DescribeSecurityConfiguration", json!({"Name": "a"})).unwrap();
    assert_eq!(
        (&found["SecurityConfiguration"], &found["CreationDateTime"]),
        (&json!(text), &json!(1_700_000_000.25))
    );
    let list = stand.call("ListSecurityConfigurations", json!({})).unwrap();
    assert_eq!(list["SecurityConfigurations"].as_array().unwrap().len(), 2);
    let id = stand.run(true, &[], json!({"SecurityConfiguration": "a"}));
    assert_eq!(stand.cluster(&id)["SecurityConfiguration"], "a");
    stand.call("DeleteSecurityConfiguration", json!({"Name": "a"})).unwrap();
    let gone = "InvalidRequestException: Security configuration with name 'a' does not exist.";
    assert_eq!(stand.refused("DeleteSecurityConfiguration", json!({"Name": "a"})), gone);
    let cluster = json!({"Name": "c", "Instances": {}, "SecurityConfiguration": "a"});
    assert_eq!(stand.refused("RunJobFlow", cluster), gone);
}

#[test]
fn switches_are_thrown_for_all_clusters_named_or_for_none() {
    let mut stand = Stand::new();
    let [id, ended] = [(); 2].map(|()| stand.run(true, &[], json!({})));
    stand.call("TerminateJobFlows", json!({"JobFlowIds": [ended]})).unwrap();
    stand.at(5);
    let switch = |ids: &[&String], member: &str, value: bool| {
        let mut input = json!({"JobFlowIds": ids});
        input[member] = json!(value);
        stand.call(&format!("Set{member}"), input)
    };
    switch(&[&id], "UnhealthyNodeReplacement", true).unwrap();
    assert!(switch(&[&id, &ended], "UnhealthyNodeReplacement", false).is_err());
    assert_eq!(stand.cluster(&id)["UnhealthyNodeReplacement"], true);
    switch(&[&id], "VisibleToAllUsers", false).unwrap();
    assert_eq!(stand.cluster(&id)["VisibleToAllUsers"], true);
    assert!(stand.call("SetVisibleToAllUsers", json!({"JobFlowIds": [id]})).is_err());
    switch(&[&id], "KeepJobFlowAliveWhenNoSteps", true).unwrap();
    assert_eq!(stand.state(&id), "WAITING");
    switch(&[&id], "KeepJobFlowAliveWhenNoSteps", false).unwrap();
    assert_eq!(stand.cluster(&id)["AutoTerminate"], true);
    stand.at(6);
    assert_eq!(stand.cluster(&id)["Status"]["StateChangeReason"]["Code"], "ALL_STEPS_COMPLETED");
}
