"""Has boto3 use EMR of the local endpoint: against moto where moto answers as AWS does, and by its waiters for a whole life.

moto's clusters have no life: they wait at once, and their steps stay as they are. So only what does not depend on it is
compared, and the life is checked against what AWS documents. Steps really run, as processes that use the stand themselves.
Exit code 1 on any difference.

    python emr.py --binary target/debug/mizuumi-localaws
"""

import contextlib
import gzip
import sys
import tempfile
import time

from botocore.exceptions import ClientError, WaiterError

import conformance

# Fast enough not to be waited for; boto3's waiters look every second.
SPEED = "2000"
WAITER = {"Delay": 1, "MaxAttempts": 60}

GROUPS = [
    {"Name": "m", "InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1, "Market": "ON_DEMAND"},
    {"Name": "c", "InstanceRole": "CORE", "InstanceType": "m5.2xlarge", "InstanceCount": 2, "Market": "ON_DEMAND"},
]


def cluster(name, **more):
    """The arguments of a cluster that stays."""
    return {
        "Name": name, "ReleaseLabel": "emr-7.9.0", "ServiceRole": "EMR_DefaultRole", "JobFlowRole": "EMR_EC2_DefaultRole",
        "LogUri": "s3://emr-logs/here/", "Applications": [{"Name": "Spark"}, {"Name": "Hive"}],
        "Configurations": [{"Classification": "spark", "Properties": {"maximizeResourceAllocation": "true"}}],
        "Tags": [{"Key": "team", "Value": "a"}],
        "Instances": {"KeepJobFlowAliveWhenNoSteps": True, "InstanceGroups": GROUPS}, **more,
    }


def step(*args, name="s", jar="command-runner.jar"):
    """A step whose failure is nobody's but its own."""
    jar = {"Jar": jar, "Args": list(args)}
    return {"Name": name, "ActionOnFailure": "CONTINUE", "HadoopJarStep": jar}


def chosen(found, *members):
    """Some members of an answer."""
    return {member: found.get(member) for member in members}


def shared(emr):
    """The sequence that is compared: a name, and a function whose result is."""
    ids = []
    first = {"Name": "x", "ScriptBootstrapAction": {"Path": "s3://b/x.sh", "Args": ["1", "2"]}}

    def run(**arguments):
        answer = emr.run_job_flow(**arguments)
        ids.append(answer["JobFlowId"])
        # moto takes no region from the signature.
        arn = answer["ClusterArn"].replace(ids[-1], "ID").split(":")
        return sorted(answer.keys() - {"ResponseMetadata"}), ids[-1][:2], len(ids[-1]), arn[:3] + arn[4:]

    def described():
        found = emr.describe_cluster(ClusterId=ids[0])["Cluster"]
        found["Applications"] = sorted(application["Name"] for application in found["Applications"])
        return chosen(
            found, "Name", "Tags", "Applications", "Configurations", "ReleaseLabel", "ServiceRole", "AutoTerminate",
            "TerminationProtected", "StepConcurrencyLevel", "LogUri")

    def groups():
        found = emr.list_instance_groups(ClusterId=ids[0])["InstanceGroups"]
        members = ("Name", "InstanceGroupType", "InstanceType", "Market", "RequestedInstanceCount")
        return sorted((chosen(group, *members) for group in found), key=lambda group: group["Name"])

    def labels():
        pages, token = [], {}
        while True:
            answer = emr.list_release_labels(**token)
            pages += answer["ReleaseLabels"]
            if "NextToken" not in answer:
                # Previews differ from region to region.
                return sorted(label for label in pages if "-beta" not in label and "-preview" not in label)
            token = {"NextToken": answer["NextToken"]}

    yield "run cluster", lambda: run(**cluster("one", BootstrapActions=[first]))
    yield "describe cluster", described
    yield "describe unknown cluster", lambda: emr.describe_cluster(ClusterId="j-NOSUCH")
    yield "bootstrap actions", lambda: emr.list_bootstrap_actions(ClusterId=ids[0])["BootstrapActions"]
    yield "instance groups", groups
    yield "instances", lambda: len(emr.list_instances(ClusterId=ids[0])["Instances"])
    yield "core instances", lambda: len(
        emr.list_instances(ClusterId=ids[0], InstanceGroupTypes=["CORE"])["Instances"])
    yield "add tags", lambda: emr.add_tags(
        ResourceId=ids[0], Tags=[{"Key": "b", "Value": "2"}, {"Key": "team", "Value": "z"}])
    yield "remove tags", lambda: emr.remove_tags(ResourceId=ids[0], TagKeys=["b", "nosuch"])
    yield "tags left", lambda: emr.describe_cluster(ClusterId=ids[0])["Cluster"]["Tags"]
    yield "step concurrency", lambda: chosen(
        emr.modify_cluster(ClusterId=ids[0], StepConcurrencyLevel=4), "StepConcurrencyLevel")
    yield "add steps", lambda: len(emr.add_job_flow_steps(
        JobFlowId=ids[0], Steps=[step("true", name="s1"), step("true", name="s2")])["StepIds"])
    yield "list steps, the newest first", lambda: [
        chosen(found, "Name", "ActionOnFailure", "Config") for found in emr.list_steps(ClusterId=ids[0])["Steps"]]
    yield "protect", lambda: emr.set_termination_protection(JobFlowIds=ids[:1], TerminationProtected=True)
    yield "terminate protected", lambda: emr.terminate_job_flows(JobFlowIds=ids[:1])
    yield "run another", lambda: run(**cluster("two"))
    yield "list clusters", lambda: sorted(found["Name"] for found in emr.list_clusters()["Clusters"])
    yield "release labels", labels
    name = {"Name": "security"}
    text = '{"EncryptionConfiguration": {}}'
    yield "create security configuration", lambda: chosen(
        emr.create_security_configuration(**name, SecurityConfiguration=text), "Name")
    yield "create it again", lambda: emr.create_security_configuration(**name, SecurityConfiguration=text)
    yield "describe it", lambda: chosen(
        emr.describe_security_configuration(**name), "Name", "SecurityConfiguration")
    yield "delete it", lambda: emr.delete_security_configuration(**name)
    yield "describe what is gone", lambda: emr.describe_security_configuration(**name)
    yield "delete what is gone", lambda: emr.delete_security_configuration(**name)


def life(emr, s3):
    """A whole life, seen by boto3's waiters; a name and whether it is so."""
    s3.create_bucket(Bucket="emr-logs", CreateBucketConfiguration={"LocationConstraint": conformance.REGION})
    s3.put_object(Bucket="emr-logs", Key="scripts/x y.sh", Body=b"#!/bin/bash\necho script $1\n")
    uses_s3 = "import boto3; boto3.client('s3').put_object(Bucket='emr-logs', Key='out', Body=b'from a step')"
    stays = step("bash", "-c", "sleep 60")
    id = emr.run_job_flow(**cluster("life", Steps=[step(sys.executable, "-c", uses_s3)]))["JobFlowId"]
    yield "a new cluster starts", emr.describe_cluster(ClusterId=id)["Cluster"]["Status"]["State"] in (
        "STARTING", "BOOTSTRAPPING")
    emr.get_waiter("cluster_running").wait(ClusterId=id, WaiterConfig=WAITER)

    def wait_for(step):
        emr.get_waiter("step_complete").wait(ClusterId=id, StepId=step, WaiterConfig=WAITER)

    def add(step):
        return emr.add_job_flow_steps(JobFlowId=id, Steps=[step])["StepIds"][0]

    def log(step, name):
        key = f"here/{id}/steps/{step}/{name}.gz"
        return gzip.decompress(s3.get_object(Bucket="emr-logs", Key=key)["Body"].read()).decode()

    first = emr.list_steps(ClusterId=id)["Steps"][0]["Id"]
    wait_for(first)
    found = s3.get_object(Bucket="emr-logs", Key="out")["Body"].read()
    yield "a step's own client of AWS finds the stand", found == b"from a step"
    script = add(step("s3://emr-logs/scripts/x y.sh", "7", jar="s3://eu-west-1.elasticmapreduce/libs/script-runner.jar"))
    wait_for(script)
    yield "a script comes from S3 and its output goes there", log(script, "stdout") == "script 7\n"
    yield "the controller's log tells how it ended", "Step succeeded with exitCode 0" in log(script, "controller")

    failing = add(step("bash", "-c", "echo ValueError: no rows >&2; exit 2"))
    with contextlib.suppress(WaiterError):
        wait_for(failing)
    status = emr.describe_step(ClusterId=id, StepId=failing)["Step"]["Status"]
    yield "a failed step tells why", status["State"] == "FAILED" and status["FailureDetails"] == {
        "Reason": "Unknown Error.", "Message": "ValueError: no rows",
        "LogFile": f"s3://emr-logs/here/{id}/steps/{failing}/stderr.gz"}
    yield "its log has it too", log(failing, "stderr") == "ValueError: no rows\n"

    cancelled = add(stays)
    while emr.describe_step(ClusterId=id, StepId=cancelled)["Step"]["Status"]["State"] == "PENDING":
        time.sleep(0.1)
    answer = emr.cancel_steps(ClusterId=id, StepIds=[cancelled])["CancelStepsInfoList"]
    yield "a step is cancelled", [info["Status"] for info in answer] == ["SUBMITTED"]
    with contextlib.suppress(WaiterError):
        wait_for(cancelled)
    status = emr.describe_step(ClusterId=id, StepId=cancelled)["Step"]["Status"]
    yield "a cancelled step ends as such", status["State"] == "CANCELLED"
    emr.get_waiter("cluster_running").wait(ClusterId=id, WaiterConfig=WAITER)

    task = {"InstanceRole": "TASK", "InstanceType": "m5.xlarge", "InstanceCount": 3}
    emr.add_instance_groups(JobFlowId=id, InstanceGroups=[task])
    pages = emr.get_paginator("list_instances").paginate(ClusterId=id)
    yield "all instances are listed", sum(len(page["Instances"]) for page in pages) == 6
    yield "hours are counted", emr.describe_cluster(ClusterId=id)["Cluster"]["NormalizedInstanceHours"] >= 40
    refused = None
    try:
        emr.run_job_flow(**cluster("bad", ReleaseLabel="emr-9999.0.0"))
    except ClientError as error:
        refused = error.response["Error"]["Code"]
    yield "an unknown release is refused", refused == "ValidationException"
    emr.terminate_job_flows(JobFlowIds=[id])
    emr.get_waiter("cluster_terminated").wait(ClusterId=id, WaiterConfig=WAITER)
    status = emr.describe_cluster(ClusterId=id)["Cluster"]["Status"]
    yield "a terminated cluster says who wanted it", status["StateChangeReason"]["Code"] == "USER_REQUEST"
    yield "its times are in order", (
        status["Timeline"]["CreationDateTime"] < status["Timeline"]["ReadyDateTime"] < status["Timeline"]["EndDateTime"])


def main():
    """Compares with moto, then follows a life."""
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        arguments = conformance.parser(__doc__).parse_args()
        with conformance.both(arguments, "--emr-speed", SPEED, "--emr-steps", folder) as urls:
            failed += conformance.compare(*(shared(conformance.client("emr", url)) for url in urls))
            passed = 0
            for name, so in life(*(conformance.client(service, urls[0]) for service in ("emr", "s3"))):
                passed += so
                failed += not so
                if not so:
                    print(f"FAILED {name}")
            print(f"{passed} of a cluster's life as it should be")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
