"""Has boto3 use ECS of the local endpoint: against moto where moto answers as AWS does, and by its waiters for a whole life.

moto's tasks end at once, have no client tokens and fail where Fargate's usual form is used, so only definitions and clusters are
compared; tasks are checked against what AWS documents. They really run, as processes that use the stand themselves.
Exit code 1 on any difference.

    python ecs.py --binary target/debug/mizuumi-localaws
"""

import pathlib
import sys
import tempfile
import time

from botocore.exceptions import ClientError

import conformance

# Fast enough not to be waited for; boto3's waiters look every second.
SPEED = "60"
WAITER = {"Delay": 1, "MaxAttempts": 60}
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-0a1b2c3d"], "securityGroups": ["sg-1"], "assignPublicIp": "DISABLED"}}
ROLE = "arn:aws:iam::123456789012:role/x"


def definition(family, image="registry/show@sha256:0", **container):
    """The arguments of a definition for Fargate."""
    work = {"name": "work", "image": image, "essential": True, "memory": 512, **container}
    return {
        "family": family, "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512",
        "executionRoleArn": ROLE, "taskRoleArn": ROLE, "containerDefinitions": [work], "tags": [{"key": "k", "value": "v"}],
    }


def code(call, **arguments):
    """What the call is refused with."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


def shared(ecs):
    """The sequence that is compared: a name, and a function whose result is."""
    def described(reference):
        found = ecs.describe_task_definition(taskDefinition=reference, include=["TAGS"])
        one = found["taskDefinition"]
        members = ("family", "revision", "status", "networkMode", "cpu", "memory", "executionRoleArn", "taskRoleArn")
        return {name: one.get(name) for name in members}, found["tags"], one["containerDefinitions"][0]["image"]

    yield "a cluster", lambda: ecs.create_cluster(clusterName="lake")["cluster"]["clusterArn"].split("/")[-1]
    yield "clusters", lambda: [one["status"] for one in ecs.describe_clusters(clusters=["lake"])["clusters"]]
    yield "no cluster", lambda: [one["reason"] for one in ecs.describe_clusters(clusters=["no"])["failures"]]
    yield "a definition", lambda: ecs.register_task_definition(**definition("f"))["taskDefinition"]["revision"]
    yield "another", lambda: ecs.register_task_definition(**definition("f"))["taskDefinition"]["revision"]
    yield "the latest", lambda: described("f")
    yield "the first", lambda: described("f:1")
    yield "gone", lambda: ecs.deregister_task_definition(taskDefinition="f:2")["taskDefinition"]["status"]
    yield "listed", lambda: [arn.split("/")[-1] for arn in ecs.list_task_definitions(familyPrefix="f")["taskDefinitionArns"]]
    yield "no definition", lambda: code(ecs.describe_task_definition, taskDefinition="no")


def tasks(ecs, secrets):
    """What only this endpoint does: yields what is wrong."""
    secrets.create_secret(Name="db", SecretString='{"password": "s3cret"}')
    arn = secrets.describe_secret(SecretId="db")["ARN"]
    ecs.create_cluster(clusterName="run", capacityProviders=["FARGATE", "FARGATE_SPOT"])
    ecs.register_task_definition(**definition("show", secrets=[{"name": "PASSWORD", "valueFrom": f"{arn}:password::"}]))

    def run(**more):
        return ecs.run_task(
            cluster="run", taskDefinition=more.pop("taskDefinition", "show"), launchType="FARGATE", networkConfiguration=NETWORK, **more)

    def ended(task):
        ecs.get_waiter("tasks_stopped").wait(cluster="run", tasks=[task], WaiterConfig=WAITER)
        return ecs.describe_tasks(cluster="run", tasks=[task], include=["TAGS"])["tasks"][0]

    override = {"containerOverrides": [{
        "name": "work", "command": ["7"], "environment": [{"name": "EXPECTED", "value": "s3cret"}]}]}
    first = run(clientToken="a", startedBy="me", overrides=override, tags=[{"key": "k", "value": "v"}])["tasks"][0]["taskArn"]
    again = run(clientToken="a", startedBy="me", overrides=override, tags=[{"key": "k", "value": "v"}])["tasks"][0]["taskArn"]
    if again != first:
        yield "the same request with its token begins another task"
    if code(run, clientToken="a") != "ConflictException":
        yield "another request with a token is taken"
    if ecs.list_tasks(cluster="run", startedBy="me")["taskArns"] != [first]:
        yield "the task is not listed by what it was started by"
    task = ended(first)
    if (task["stopCode"], task["containers"][0].get("exitCode")) != ("EssentialContainerExited", 7):
        yield f"it should end with 7: {task}"
    if task["tags"] != [{"key": "k", "value": "v"}]:
        yield f"its tags: {task['tags']}"
    if ecs.list_tasks(cluster="run", startedBy="me", desiredStatus="STOPPED")["taskArns"] != [first]:
        yield "a task that has stopped is not listed"
    wrong = {"containerOverrides": [{"name": "work", "environment": [{"name": "EXPECTED", "value": "another"}]}]}
    task = ended(run(overrides=wrong)["tasks"][0]["taskArn"])
    if task["containers"][0].get("exitCode") != 1:
        yield f"the secret is not in its environment alone: {task}"
    ecs.register_task_definition(**definition("missing", image="registry/nothing@sha256:0"))
    task = ended(run(taskDefinition="missing")["tasks"][0]["taskArn"])
    if task["stopCode"] != "TaskFailedToStart" or "CannotPullContainerError" not in task["stoppedReason"]:
        yield f"an image that is not there: {task}"
    ecs.register_task_definition(**definition("sleep", image="registry/sleep@sha256:0"))
    long = run(taskDefinition="sleep")["tasks"][0]["taskArn"]
    ecs.get_waiter("tasks_running").wait(cluster="run", tasks=[long], WaiterConfig=WAITER)
    time.sleep(0.3)
    ecs.stop_task(cluster="run", task=long, reason="no more")
    task = ended(long)
    if (task["stopCode"], task["stoppedReason"], task["containers"][0].get("exitCode")) != ("UserInitiated", "no more", 143):
        yield f"stopped by hand: {task}"
    # moto answers the one that is gone. API reference: "the family for the latest ACTIVE revision".
    for _ in range(2):
        ecs.register_task_definition(**definition("twice"))
    ecs.deregister_task_definition(taskDefinition="twice:2")
    latest = ecs.describe_task_definition(taskDefinition="twice")["taskDefinition"]
    if (latest["revision"], latest["status"]) != (1, "ACTIVE"):
        yield f"the latest definition that is active: {latest}"
    if ecs.describe_tasks(cluster="run", tasks=["nobody"])["failures"][0]["reason"] != "MISSING":
        yield "a task that is not there is no failure"


def main():
    """Compares with moto, then has tasks run."""
    arguments = conformance.parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {
            "show": '#!/bin/sh\n[ "$PASSWORD" = "$EXPECTED" ] || exit 1\nexit "$1"\n',
            "sleep": "#!/bin/sh\nexec sleep 600\n",
        }.items():
            program = pathlib.Path(folder, name)
            program.write_text(text)
            program.chmod(0o755)
        with conformance.both(arguments, "--ecs-speed", SPEED, "--ecs-images", folder) as urls:
            failed = conformance.compare(*(shared(conformance.client("ecs", url)) for url in urls))
            for wrong in tasks(*(conformance.client(service, urls[0]) for service in ("ecs", "secretsmanager"))):
                print(f"FAILED {wrong}")
                failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
