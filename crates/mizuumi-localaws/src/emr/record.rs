//! What `DescribeCluster` shows of a `RunJobFlow` request and never changes.

use serde_json::{Value, json};

use super::input::{copy, flag, list, object, text};
use crate::glue::Object;

/// The members of `Cluster` (botocore emr/2009-03-31) that a request says or AWS fills in.
pub(super) fn record(input: &Object, instances: &Object) -> Object {
    let mut record = Object::new();
    copy(
        input,
        &mut record,
        &[
            "Name",
            "LogUri",
            "LogEncryptionKmsKeyId",
            "ReleaseLabel",
            "ServiceRole",
            "Configurations",
            "SecurityConfiguration",
            "AutoScalingRole",
            "CustomAmiId",
            "EbsRootVolumeSize",
            "RepoUpgradeOnBoot",
            "KerberosAttributes",
            "OSReleaseLabel",
            "EbsRootVolumeIops",
            "EbsRootVolumeThroughput",
            "ExtendedSupport",
            "MonitoringConfiguration",
            "SessionEnabled",
        ],
    );
    let applications: Vec<Value> = list(input, "Applications").to_vec();
    let fleets = !list(instances, "InstanceFleets").is_empty();
    record.extend([
        ("Applications".to_owned(), json!(applications)),
        (
            "InstanceCollectionType".to_owned(),
            json!(if fleets { "INSTANCE_FLEET" } else { "INSTANCE_GROUP" }),
        ),
        // API reference, RunJobFlow: "By default, the value is set to true. Setting it to false now has no effect."
        ("VisibleToAllUsers".to_owned(), json!(true)),
        ("UnhealthyNodeReplacement".to_owned(), json!(flag(instances, "UnhealthyNodeReplacement"))),
        ("Ec2InstanceAttributes".to_owned(), Value::Object(attributes(input, instances))),
        (
            // The API reference has this default for old releases only; new ones are seen to have it as well.
            "ScaleDownBehavior".to_owned(),
            json!(text(input, "ScaleDownBehavior").unwrap_or("TERMINATE_AT_TASK_COMPLETION")),
        ),
    ]);
    if let Some(groups) = input.get("PlacementGroupConfigs") {
        record.insert("PlacementGroups".to_owned(), groups.clone());
    }
    record
}

fn attributes(input: &Object, instances: &Object) -> Object {
    let mut attributes = Object::new();
    copy(
        instances,
        &mut attributes,
        &[
            "Ec2KeyName",
            "Ec2SubnetId",
            "EmrManagedMasterSecurityGroup",
            "EmrManagedSlaveSecurityGroup",
            "ServiceAccessSecurityGroup",
            "AdditionalMasterSecurityGroups",
            "AdditionalSlaveSecurityGroups",
        ],
    );
    let requested = list(instances, "Ec2SubnetIds");
    attributes.insert("RequestedEc2SubnetIds".to_owned(), json!(requested));
    if let (None, Some(first)) = (text(instances, "Ec2SubnetId"), requested.first()) {
        attributes.insert("Ec2SubnetId".to_owned(), first.clone());
    }
    if let Some(profile) = text(input, "JobFlowRole") {
        attributes.insert("IamInstanceProfile".to_owned(), json!(profile));
    }
    if let Some(zone) =
        object(instances, "Placement").and_then(|placement| text(placement, "AvailabilityZone"))
    {
        attributes.insert("Ec2AvailabilityZone".to_owned(), json!(zone));
    }
    attributes
}
