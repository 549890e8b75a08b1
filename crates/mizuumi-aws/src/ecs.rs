//! Tasks of ECS that work for runs: found, run by a token, stopped; and the definitions that they are run by, kept in step.

use mizuumi_core::ingest_run::ecs::{
    CONTAINER, Definition, OWNER_TAG, SeenTask, TaskLook, TaskRequest, TaskState,
};
use mizuumi_core::{Class, Errand, Failure, Lane};
use serde_json::{Value, json};

use crate::clients::ProfileClients;
use crate::gateway::{Api, api};

/// Reads an answer.
fn parsed(api: Api, answer: &str) -> Result<Value, Failure> {
    serde_json::from_str(answer).map_err(|error| {
        Failure::new(api.name, Class::Unavailable, format!("the answer cannot be read: {error}"))
    })
}

async fn read(
    clients: &ProfileClients,
    lane: Lane,
    api: Api,
    input: &Value,
) -> Result<Option<Value>, Failure> {
    let answer = clients.gateway.read(api, lane, || clients.ecs.call(api.operation, input)).await?;
    answer.map(|answer| parsed(api, &answer)).transpose()
}

async fn write(
    clients: &ProfileClients,
    errand: Errand<'_>,
    api: Api,
    input: &Value,
) -> Result<Option<Value>, Failure> {
    let answer = clients.gateway.write(api, errand, || clients.ecs.call(api.operation, input)).await?;
    answer.map(|answer| parsed(api, &answer)).transpose()
}

/// The task of an attempt: the one that the status names, if that is the attempt's; else the one that was started by it.
pub(crate) async fn seen(clients: &ProfileClients, lane: Lane, look: &TaskLook) -> Result<SeenTask, Failure> {
    if let Some(arn) = &look.arn
        && let Some(task) = described(clients, lane, look, std::slice::from_ref(arn)).await?
    {
        return Ok(SeenTask::Task(task));
    }
    // What is to run, and what is not to run any more: ECS lists either.
    let api = api!("ecs", "ListTasks", Read);
    let mut arns = Vec::new();
    for desired in ["RUNNING", "STOPPED"] {
        let input = json!({"cluster": look.cluster, "startedBy": look.started_by, "desiredStatus": desired});
        let answer = read(clients, lane, api, &input).await?.unwrap_or_default();
        arns.extend(texts(&answer["taskArns"]));
    }
    if arns.is_empty() {
        return Ok(SeenTask::Missing);
    }
    arns.truncate(100);
    let task = described(clients, lane, look, &arns).await?;
    Ok(task.map_or(SeenTask::Missing, SeenTask::Task))
}

fn texts(list: &Value) -> impl Iterator<Item = String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned)
}

/// The one of these tasks that the attempt started. What a status or a list says is a hint; `startedBy` tells.
async fn described(
    clients: &ProfileClients,
    lane: Lane,
    look: &TaskLook,
    arns: &[String],
) -> Result<Option<TaskState>, Failure> {
    let api = api!("ecs", "DescribeTasks", Read);
    let input = json!({"cluster": look.cluster, "tasks": arns});
    let answer = read(clients, lane, api, &input).await?.unwrap_or_default();
    let tasks = answer["tasks"].as_array().into_iter().flatten();
    let mut own = tasks.filter(|task| task["startedBy"].as_str() == Some(&look.started_by));
    Ok(own.next().map(state))
}

fn state(task: &Value) -> TaskState {
    let text = |name: &str| task[name].as_str().map(str::to_owned);
    let containers = task["containers"].as_array();
    let container = containers.and_then(|all| all.iter().find(|one| one["name"] == CONTAINER));
    TaskState {
        arn: text("taskArn").unwrap_or_default(),
        last_status: text("lastStatus").unwrap_or_default(),
        is_stopping: task["desiredStatus"] == "STOPPED",
        stop_code: text("stopCode"),
        stopped_reason: text("stoppedReason"),
        exit_code: container
            .and_then(|container| container["exitCode"].as_i64())
            .and_then(|code| i32::try_from(code).ok()),
        container_reason: container.and_then(|container| container["reason"].as_str()).map(str::to_owned),
    }
}

/// What ECS answers when a task is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Answered {
    /// This one is there, or comes to be.
    Made(TaskState),
    /// It makes none, and why.
    Refused(String),
}

/// Runs a task, once for its token.
pub(crate) async fn run(
    clients: &ProfileClients,
    errand: Errand<'_>,
    request: &TaskRequest,
) -> Result<Answered, Failure> {
    let definition = registered(clients, errand, &request.definition).await?;
    let answer =
        write(clients, errand, api!("ecs", "RunTask", Write), &run_task(request, &definition)).await?;
    let answer = answer.unwrap_or_default();
    let failures = answer["failures"].as_array().into_iter().flatten();
    let mut reasons = failures.map(|failure| {
        let word = |name: &str| failure[name].as_str();
        [word("reason"), word("detail")].into_iter().flatten().collect::<Vec<_>>().join(": ")
    });
    let made = answer["tasks"].as_array().and_then(|tasks| tasks.first()).map(state);
    let refused = || Answered::Refused(reasons.next().unwrap_or_else(|| "no reason was given".to_owned()));
    Ok(made.map_or_else(refused, Answered::Made))
}

fn run_task(request: &TaskRequest, definition: &str) -> Value {
    let environment = request.environment.iter();
    let mut container = json!({
        "name": CONTAINER,
        "environment": environment.map(|one| json!({"name": one.name, "value": one.value})).collect::<Vec<_>>(),
    });
    if !request.command.is_empty() {
        container["command"] = json!(request.command);
    }
    let mut network = json!({
        "subnets": request.subnets,
        "assignPublicIp": if request.assign_public_ip { "ENABLED" } else { "DISABLED" },
    });
    if !request.security_groups.is_empty() {
        network["securityGroups"] = json!(request.security_groups);
    }
    let mut input = json!({
        "cluster": request.cluster,
        "taskDefinition": definition,
        "count": 1,
        "clientToken": request.token,
        "startedBy": request.started_by,
        "overrides": {"containerOverrides": [container]},
        "networkConfiguration": {"awsvpcConfiguration": network},
        "tags": [{"key": OWNER_TAG, "value": request.owner}],
    });
    if request.is_spot {
        input["capacityProviderStrategy"] = json!([{"capacityProvider": "FARGATE_SPOT", "weight": 1}]);
    } else {
        input["launchType"] = json!("FARGATE");
    }
    input
}

/// The ARN of the definition: that of the family's latest revision if it says the same; else another one is registered.
async fn registered(
    clients: &ProfileClients,
    errand: Errand<'_>,
    definition: &Definition,
) -> Result<String, Failure> {
    let wanted = register(definition);
    let api = api!("ecs", "DescribeTaskDefinition", Read);
    let there = read(clients, errand.lane, api, &json!({"taskDefinition": definition.family})).await?;
    if let Some(there) = there.as_ref().map(|answer| &answer["taskDefinition"])
        && said(there) == said(&wanted)
        && let Some(arn) = there["taskDefinitionArn"].as_str()
    {
        return Ok(arn.to_owned());
    }
    let api = api!("ecs", "RegisterTaskDefinition", Write);
    let made = write(clients, errand, api, &wanted).await?.unwrap_or_default();
    let arn = made["taskDefinition"]["taskDefinitionArn"].as_str().map(str::to_owned);
    arn.ok_or_else(|| Failure::new(api.name, Class::Unknown, "the answer names no definition"))
}

fn register(definition: &Definition) -> Value {
    let secrets = definition.secrets.iter();
    let secrets: Vec<Value> = secrets.map(|(name, from)| json!({"name": name, "valueFrom": from})).collect();
    let mut container = json!({
        "name": CONTAINER, "image": definition.image, "essential": true, "secrets": secrets,
    });
    if !definition.entry_point.is_empty() {
        container["entryPoint"] = json!(definition.entry_point);
    }
    if let Some(seconds) = definition.stop_timeout {
        container["stopTimeout"] = json!(seconds);
    }
    if let Some((group, region, prefix)) = &definition.log {
        let options =
            json!({"awslogs-group": group, "awslogs-region": region, "awslogs-stream-prefix": prefix});
        container["logConfiguration"] = json!({"logDriver": "awslogs", "options": options});
    }
    json!({
        "family": definition.family,
        "executionRoleArn": definition.execution_role,
        "taskRoleArn": definition.task_role,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": definition.cpu.to_string(),
        "memory": definition.memory.to_string(),
        "containerDefinitions": [container],
        "tags": [{"key": OWNER_TAG, "value": definition.owner}],
    })
}

/// What a definition says of what matters, whatever AWS has filled in and in whatever order.
fn said(definition: &Value) -> Value {
    // Nothing, and a list of nothing, are one.
    let plain = |value: &Value| {
        if value.as_array().is_some_and(Vec::is_empty) { Value::Null } else { value.clone() }
    };
    let members = |of: &Value, names: &[&str]| -> Value {
        names.iter().map(|name| ((*name).to_owned(), plain(&of[*name]))).collect()
    };
    let mut all = members(
        definition,
        &[
            "executionRoleArn",
            "taskRoleArn",
            "networkMode",
            "requiresCompatibilities",
            "cpu",
            "memory",
            "volumes",
        ],
    );
    let containers = definition["containerDefinitions"].as_array().into_iter().flatten();
    let container = |container: &Value| {
        let mut shown = members(
            container,
            &["name", "image", "entryPoint", "command", "environment", "stopTimeout", "privileged", "user"],
        );
        let log = &container["logConfiguration"];
        shown["log"] = members(log, &["logDriver", "options"]);
        let mut secrets = container["secrets"].as_array().cloned().unwrap_or_default();
        secrets.sort_by_key(|secret| secret["name"].as_str().unwrap_or_default().to_owned());
        shown["secrets"] = json!(secrets);
        shown
    };
    all["containers"] = containers.map(container).collect();
    all
}

/// Stops a task, if it is the attempt's by a look right before.
pub(crate) async fn stop(
    clients: &ProfileClients,
    errand: Errand<'_>,
    look: &TaskLook,
    why: &str,
) -> Result<(), Failure> {
    let Some(arn) = &look.arn else { return Ok(()) };
    if described(clients, errand.lane, look, std::slice::from_ref(arn)).await?.is_none() {
        return Ok(());
    }
    let input = json!({"cluster": look.cluster, "task": arn, "reason": why});
    write(clients, errand, api!("ecs", "StopTask", Write), &input).await.map(drop)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn definition() -> Definition {
        Definition {
            family: "f".to_owned(),
            owner: "o".to_owned(),
            image: "i@sha256:0".to_owned(),
            entry_point: Vec::new(),
            cpu: 256,
            memory: 512,
            secrets: BTreeMap::from([("A".to_owned(), "a".to_owned()), ("B".to_owned(), "b".to_owned())]),
            stop_timeout: None,
            execution_role: "e".to_owned(),
            task_role: "t".to_owned(),
            log: None,
        }
    }

    #[test]
    fn what_aws_fills_in_is_no_other_definition_and_what_somebody_adds_is() {
        let wanted = register(&definition());
        let mut there = wanted.clone();
        there["revision"] = json!(3);
        let container = &mut there["containerDefinitions"][0];
        for (member, value) in [("cpu", json!(0)), ("mountPoints", json!([])), ("environment", json!([]))] {
            container[member] = value;
        }
        container["secrets"] = json!([{"name": "B", "valueFrom": "b"}, {"name": "A", "valueFrom": "a"}]);
        assert_eq!(said(&there), said(&wanted));
        there["containerDefinitions"][0]["environment"] = json!([{"name": "X", "value": "1"}]);
        assert_ne!(said(&there), said(&wanted));
    }
}
