//! Task definitions: families of revisions, each of them never changed but for whether it is active.

use serde_json::{Value, json};

use super::input::{self, client, required, text};
use super::life::Millis;
use super::{Answer, Call, Common, Region, time};
use crate::glue::Object;
use crate::protocol::ApiError;

/// A revision of a task definition.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) arn: String,
    revision: usize,
    is_active: bool,
    /// The request, as far as it is shown.
    pub(super) record: Object,
    pub(super) tags: Vec<Value>,
    registered: Millis,
    deregistered: Option<Millis>,
}

/// What a request says and the answer shows.
const MEMBERS: [&str; 13] = [
    "family",
    "taskRoleArn",
    "executionRoleArn",
    "networkMode",
    "containerDefinitions",
    "volumes",
    "placementConstraints",
    "requiresCompatibilities",
    "cpu",
    "memory",
    "ephemeralStorage",
    "runtimePlatform",
    "pidMode",
];

impl Definition {
    fn shown(&self) -> Value {
        let mut shown = Value::Object(self.record.clone());
        shown["taskDefinitionArn"] = json!(self.arn);
        shown["revision"] = json!(self.revision);
        shown["status"] = json!(if self.is_active { "ACTIVE" } else { "INACTIVE" });
        shown["registeredAt"] = time(self.registered);
        if let Some(at) = self.deregistered {
            shown["deregisteredAt"] = time(at);
        }
        shown["compatibilities"] = json!(["EC2", "FARGATE"]);
        shown
    }

    /// The container that a request means; the first without a name.
    pub(super) fn container(&self, name: Option<&str>) -> Option<&Object> {
        let mut containers =
            input::list(&self.record, "containerDefinitions").iter().filter_map(Value::as_object);
        containers.find(|container| name.is_none_or(|name| text(container, "name") == Some(name)))
    }
}

impl Region {
    /// The revision that a reference names: `family`, `family:revision` or an ARN.
    fn index(&self, reference: &str) -> Result<(String, usize), ApiError> {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        let (family, revision) = match name.split_once(':') {
            Some((family, revision)) => (family, Some(revision.parse::<usize>().unwrap_or(0))),
            None => (name, None),
        };
        let found = self.definitions.get(family).and_then(|revisions| match revision {
            Some(revision) => revision.checked_sub(1).filter(|index| *index < revisions.len()),
            None => revisions.iter().rposition(|definition| definition.is_active),
        });
        // As DescribeTaskDefinition is seen to say it.
        let missing = || client("Unable to describe task definition.");
        found.map(|index| (family.to_owned(), index)).ok_or_else(missing)
    }

    /// The revision that a task is to be run by.
    pub(super) fn definition(&self, reference: &str) -> Result<&Definition, ApiError> {
        let (family, index) = self.index(reference).map_err(|_| client("TaskDefinition not found."))?;
        let definition = self.definitions.get(&family).and_then(|revisions| revisions.get(index));
        let definition = definition.ok_or_else(|| client("TaskDefinition not found."))?;
        if definition.is_active { Ok(definition) } else { Err(client("TaskDefinition is inactive")) }
    }

    /// The revision of that ARN.
    pub(super) fn definition_mut(&mut self, arn: &str) -> Option<&mut Definition> {
        self.definitions.values_mut().flatten().find(|definition| definition.arn == arn)
    }
}

/// Sizes of tasks on Fargate, by CPU units: the least and the most memory, and between which steps (Developer Guide,
/// "Amazon ECS task definition parameters for Fargate").
const SIZES: [(u32, u32, u32, u32); 7] = [
    (256, 512, 2048, 512),
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16384, 1024),
    (4096, 8192, 30720, 1024),
    (8192, 16384, 61440, 4096),
    (16384, 32768, 122_880, 8192),
];

fn is_size(cpu: &str, memory: &str) -> bool {
    let (Ok(cpu), Ok(memory)) = (cpu.parse::<u32>(), memory.parse::<u32>()) else { return false };
    let fits = |(units, least, most, step): &(u32, u32, u32, u32)| {
        cpu == *units && (*least..=*most).contains(&memory) && (memory - least) % step == 0
    };
    // 256 units go with 0.5, 1 and 2 GB only.
    SIZES.iter().any(fits) && !(cpu == 256 && memory == 1536)
}

fn checked(input: &Object) -> Result<(), ApiError> {
    let family = required(input, "family")?;
    let is_right = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if family.len() > 255 || !family.bytes().all(is_right) {
        return Err(client(
            "Family contains invalid characters. Family name should contain only letters, numbers, hyphens and underscores.",
        ));
    }
    let containers = input::list(input, "containerDefinitions");
    if containers.is_empty() {
        return Err(client("Container list cannot be empty."));
    }
    let is_fargate = input::texts(input, "requiresCompatibilities").contains(&"FARGATE");
    for container in containers.iter().filter_map(Value::as_object) {
        if text(container, "name").is_none() {
            return Err(client("Container.name should not be null or empty."));
        }
        if text(container, "image").is_none() {
            return Err(client("Container.image should not be null or empty."));
        }
        if is_fargate && text(input, "executionRoleArn").is_none() {
            let driver = container.get("logConfiguration").and_then(|log| log["logDriver"].as_str());
            if driver == Some("awslogs") {
                return Err(client(
                    "Fargate requires task definition to have execution role ARN to support log driver awslogs.",
                ));
            }
            if !input::list(container, "secrets").is_empty() {
                return Err(client(
                    "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.",
                ));
            }
        }
    }
    if is_fargate {
        if text(input, "networkMode") != Some("awsvpc") {
            return Err(client("Fargate only supports network mode 'awsvpc'."));
        }
        let (Some(cpu), Some(memory)) = (text(input, "cpu"), text(input, "memory")) else {
            return Err(client("Fargate requires that 'cpu' and 'memory' be defined at the task level."));
        };
        if !is_size(cpu, memory) {
            return Err(client(format!(
                "No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. See the Amazon ECS documentation for the valid values."
            )));
        }
    }
    Ok(())
}

/// `RegisterTaskDefinition`: always a new revision.
pub(super) fn register(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    checked(call.input)?;
    let family = required(call.input, "family")?.to_owned();
    let mut record: Object = MEMBERS
        .iter()
        .filter_map(|member| Some(((*member).to_owned(), call.input.get(*member)?.clone())))
        .collect();
    for container in
        record.get_mut("containerDefinitions").and_then(Value::as_array_mut).into_iter().flatten()
    {
        filled(container);
    }
    let tags = input::list(call.input, "tags").to_vec();
    let revisions = region.definitions.entry(family.clone()).or_default();
    let revision = revisions.len() + 1;
    let arn = call.arn(&format!("task-definition/{family}:{revision}"));
    let (registered, is_active) = (call.now, true);
    let definition = Definition { arn, revision, is_active, record, tags, registered, deregistered: None };
    let answer = json!({"taskDefinition": definition.shown(), "tags": definition.tags});
    revisions.push(definition);
    call.wrote(&family);
    Ok(answer)
}

/// What AWS fills in where a container does not say it.
fn filled(container: &mut Value) {
    let usual = json!({
        "cpu": 0, "portMappings": [], "essential": true, "environment": [], "mountPoints": [], "volumesFrom": [], "systemControls": [],
    });
    let (Some(container), Value::Object(usual)) = (container.as_object_mut(), usual) else { return };
    for (member, value) in usual {
        container.entry(member).or_insert(value);
    }
}

/// `DescribeTaskDefinition`.
pub(super) fn describe(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let (family, index) = region.index(required(call.input, "taskDefinition")?)?;
    let definition = region.definitions.get(&family).and_then(|revisions| revisions.get(index));
    let definition = definition.ok_or_else(|| client("Unable to describe task definition."))?;
    let mut answer = json!({"taskDefinition": definition.shown()});
    if input::wants_tags(call.input) {
        answer["tags"] = json!(definition.tags);
    }
    Ok(answer)
}

/// `DeregisterTaskDefinition`: by family and revision.
pub(super) fn deregister(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let reference = required(call.input, "taskDefinition")?;
    if !reference.rsplit('/').next().is_some_and(|name| name.contains(':')) {
        return Err(client("Invalid revision number. Number: null"));
    }
    let (family, index) =
        region.index(reference).map_err(|_| client("The specified task definition does not exist."))?;
    let found = region.definitions.get_mut(&family).and_then(|revisions| revisions.get_mut(index));
    let definition = found.ok_or_else(|| client("The specified task definition does not exist."))?;
    definition.is_active = false;
    definition.deregistered.get_or_insert(call.now);
    call.effects.push(crate::audit::Effect::on(&*definition.arn));
    Ok(json!({"taskDefinition": definition.shown()}))
}

/// The ARNs that are asked for: by family, then by revision.
fn list_arns(region: &Region, call: &Call<'_>) -> Vec<String> {
    let prefix = text(call.input, "familyPrefix");
    let is_active = text(call.input, "status").unwrap_or("ACTIVE") == "ACTIVE";
    let families =
        region.definitions.iter().filter(|(family, _)| prefix.is_none_or(|prefix| *family == prefix));
    let all = families.flat_map(|(_, revisions)| revisions);
    let mut arns: Vec<String> =
        all.filter(|one| one.is_active == is_active).map(|one| one.arn.clone()).collect();
    if text(call.input, "sort") == Some("DESC") {
        arns.reverse();
    }
    arns
}

/// `ListTaskDefinitions`.
pub(super) fn list(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let (arns, token) = input::page(call.input, call.short_pages, list_arns(region, call))?;
    Ok(json!({"taskDefinitionArns": arns, "nextToken": token}))
}
