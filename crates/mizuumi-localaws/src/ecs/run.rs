//! `RunTask`: what is asked for is checked, and comes once for each client token.

use std::path::Path;

use serde_json::{Value, json};

use super::input::{self, client, invalid, list, required, text};
use super::life::{Fate, Life, Work};
use super::tasks::Task;
use super::tokens::{self, Token};
use super::{Answer, Call, Common, Region, pace};
use crate::glue::Object;
use crate::protocol::ApiError;

/// API reference: "A total of 8192 characters are allowed for overrides."
const OVERRIDES: usize = 8192;

/// What a task is asked for with, beside its definition.
struct Asked {
    cluster: String,
    count: usize,
    launch_type: &'static str,
    provider: Option<String>,
    fields: Object,
}

fn asked(region: &Region, call: &Call<'_>) -> Result<Asked, ApiError> {
    let input = call.input;
    let cluster = region.cluster(call)?;
    let count = input.get("count").and_then(Value::as_u64).unwrap_or(1);
    let count = usize::try_from(count).ok().filter(|count| (1..=10).contains(count));
    let count = count.ok_or_else(|| invalid("count must be between 1 and 10."))?;
    let too_long = |member: &str, most: usize| text(input, member).is_some_and(|text| text.len() > most);
    if too_long("startedBy", 128) {
        return Err(invalid("startedBy cannot be longer than 128 characters."));
    }
    if too_long("clientToken", 64) {
        return Err(invalid("Client token cannot be longer than 64 characters."));
    }
    let overrides = input.get("overrides").map(Value::to_string).unwrap_or_default();
    if overrides.len() > OVERRIDES {
        return Err(invalid(format!("Container Overrides length must be at most {OVERRIDES}")));
    }
    let strategy = list(input, "capacityProviderStrategy");
    let (launch_type, provider) = match (text(input, "launchType"), strategy.first()) {
        (Some(_), Some(_)) => {
            return Err(invalid(
                "Specifying both a launch type and capacity provider strategy is not supported.",
            ));
        }
        (Some("FARGATE"), None) => ("FARGATE", None),
        (Some("EC2" | "EXTERNAL") | None, None) => {
            return Err(invalid("No Container Instances were found in your cluster."));
        }
        (Some(_), None) => return Err(invalid("Unknown launch type.")),
        (None, Some(first)) => {
            let provider = first["capacityProvider"].as_str().unwrap_or_default().to_owned();
            let known = region.clusters.get(&cluster).map(|cluster| &cluster.capacity_providers);
            if !known.is_some_and(|known| known.contains(&provider)) {
                return Err(invalid("The specified capacity provider was not found."));
            }
            ("FARGATE", Some(provider))
        }
    };
    Ok(Asked { cluster, count, launch_type, provider, fields: Object::new() })
}

/// `RunTask`.
pub(super) fn run(region: &mut Region, common: &mut Common, call: &mut Call<'_>) -> Answer {
    let mut asked = asked(region, call)?;
    let request = tokens::request(call.input);
    let token = text(call.input, "clientToken").map(str::to_owned);
    if let Some(token) = &token
        && let Some(used) =
            region.tokens.iter().find(|used| used.cluster == asked.cluster && used.text == *token)
    {
        if used.request != request {
            let message = "The client token is already in use with a different request.";
            let error = ApiError::refused("ConflictException", message);
            return Err(ApiError { resource_ids: used.tasks.clone(), ..error });
        }
        let tasks = region.tasks.iter().filter(|task| used.tasks.contains(&task.arn));
        let shown: Vec<Value> = tasks.filter_map(|task| task.shown(call.now, true)).collect();
        return Ok(json!({"tasks": shown, "failures": []}));
    }
    let definition = region.definition(required(call.input, "taskDefinition")?)?;
    let record = &definition.record;
    if text(record, "networkMode") == Some("awsvpc") {
        let network =
            call.input.get("networkConfiguration").and_then(|network| network.get("awsvpcConfiguration"));
        let Some(network) = network.and_then(Value::as_object) else {
            return Err(invalid(
                "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
            ));
        };
        if list(network, "subnets").is_empty() {
            return Err(invalid("subnets can not be empty."));
        }
    }
    if !input::texts(record, "requiresCompatibilities").contains(&"FARGATE") {
        return Err(invalid("Task definition does not support launch_type FARGATE."));
    }
    let container = overridden(definition, call.input)?;
    let family = text(record, "family").unwrap_or_default().to_owned();
    if call.fate == Some(Fate::Capacity) {
        let arn = call.arn(&format!("cluster/{}", asked.cluster));
        // Developer Guide, "Amazon ECS service event messages"; the API's own list has no reason for Fargate.
        let reason = "Capacity is unavailable at this time. Please try again later or in a different availability zone";
        return Ok(json!({"tasks": [], "failures": [{"arn": arn, "reason": reason}]}));
    }
    let fields = json!({
        "clusterArn": call.arn(&format!("cluster/{}", asked.cluster)), "taskDefinitionArn": definition.arn,
        "cpu": record.get("cpu"), "memory": record.get("memory"),
        "group": text(call.input, "group").map_or_else(|| format!("family:{family}"), str::to_owned),
        "overrides": call.input.get("overrides").cloned().unwrap_or_else(|| json!({"containerOverrides": []})),
        "launchType": asked.launch_type, "capacityProviderName": asked.provider,
        "platformVersion": text(call.input, "platformVersion").filter(|version| *version != "LATEST").unwrap_or("1.4.0"),
        "platformFamily": "Linux", "connectivity": "CONNECTED", "attachments": [], "attributes": [],
        "startedBy": text(call.input, "startedBy"), "version": 1, "availabilityZone": format!("{}a", call.region),
        "healthStatus": "UNKNOWN", "enableExecuteCommand": false, "inferenceAccelerators": [],
    });
    if let Value::Object(fields) = fields {
        asked.fields = fields.into_iter().filter(|(_, value)| !value.is_null()).collect();
    }
    let mut tags = list(call.input, "tags").to_vec();
    if text(call.input, "propagateTags") == Some("TASK_DEFINITION") {
        tags.extend(definition.tags.iter().cloned());
    }
    let work = work(common, call.account, &container);
    let mut arns = Vec::new();
    for _ in 0..asked.count {
        arns.push(begin(region, common, call, &asked, &family, &tags, &container, work.clone()));
    }
    let tasks = region.tasks.iter().filter(|task| arns.contains(&task.arn));
    let shown: Vec<Value> = tasks.filter_map(|task| task.shown(call.now, true)).collect();
    if let Some(token) = token {
        let (cluster, used) = (asked.cluster, call.now);
        region.tokens.push(Token { cluster, text: token, request, used, tasks: arns });
    }
    Ok(json!({"tasks": shown, "failures": []}))
}

#[expect(clippy::too_many_arguments, reason = "all that a task is made of")]
fn begin(
    region: &mut Region,
    common: &mut Common,
    call: &mut Call<'_>,
    asked: &Asked,
    family: &str,
    tags: &[Value],
    container: &Object,
    work: Work,
) -> String {
    let id = common.id();
    let arn = call.arn(&format!("task/{}/{id}", asked.cluster));
    let mut record = asked.fields.clone();
    record.insert("taskArn".to_owned(), json!(arn));
    let is_spot = asked.provider.as_deref() == Some("FARGATE_SPOT");
    let spot_loss = call.spot_loss.filter(|_| is_spot);
    let image = text(container, "image").unwrap_or_default();
    let mut life = Life::new(call.now, image, work, call.fate, spot_loss);
    life.stop_timeout = container.get("stopTimeout").and_then(Value::as_f64);
    region.tasks.push(Task {
        arn: arn.clone(),
        cluster: asked.cluster.clone(),
        family: family.to_owned(),
        started_by: text(call.input, "startedBy").map(str::to_owned),
        tags: tags.to_vec(),
        record,
        container: container.clone(),
        life,
        id: id.clone(),
    });
    call.wrote(&id);
    arn
}

/// What a container's image stands for.
fn work(common: &Common, account: &str, container: &Object) -> Work {
    let image = text(container, "image").unwrap_or_default();
    if let Some(known) = common.images.iter().find(|known| known.is_of(account, image)) {
        return known.work(&common.pace);
    }
    match common.folder.as_deref().map(|folder: &Path| pace::program(folder, image)) {
        Some(Some(program)) => Work::Process { entry_point: vec![program.display().to_string()] },
        Some(None) => Work::NoImage,
        None => Work::Clock { seconds: common.pace.task_seconds, exit_code: 0 },
    }
}

/// The definition's container with what the request says instead.
fn overridden(definition: &super::Definition, asked: &Object) -> Result<Object, ApiError> {
    let first = definition.container(None).ok_or_else(|| client("Container list cannot be empty."))?;
    let mut container = first.clone();
    let nothing = Object::new();
    let overrides = asked.get("overrides").and_then(Value::as_object).unwrap_or(&nothing);
    for one in list(overrides, "containerOverrides").iter().filter_map(Value::as_object) {
        let name = text(one, "name");
        if name.is_none() || definition.container(name).is_none() {
            let name = name.unwrap_or("null");
            return Err(invalid(format!(
                "Override for container named {name} is not a container in the TaskDefinition."
            )));
        }
        if let Some(command) = one.get("command") {
            container.insert("command".to_owned(), command.clone());
        }
        let own = list(&container, "environment").iter();
        let more = list(one, "environment");
        let is_overridden = |pair: &&Value| more.iter().any(|new| new["name"] == pair["name"]);
        let all: Vec<Value> = own.filter(|pair| !is_overridden(pair)).chain(more).cloned().collect();
        container.insert("environment".to_owned(), json!(all));
    }
    Ok(container)
}
