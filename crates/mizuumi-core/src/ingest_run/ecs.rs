//! A run's work as a task of ECS: what is asked for, by which token, and what a task that was seen says of it.
//!
//! A token makes one task of however many requests, as long as it holds. So a task that is not to be seen is asked for again for
//! fifty minutes, by the same token; after that nobody can tell any more whether it ran, and another attempt is made.

mod progress;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::Reason;
use mizuumi_api::ingest_run::{Capacity, EcsTask, IngestRun, RunAttempt, TaskVariable};
use mizuumi_api::installation::EcsProfile;

pub use progress::{SeenTask, TaskState};
pub(in crate::ingest_run) use progress::{progress, was_never_begun};

use super::desired::TargetTable;
use super::work::{self, OwnWork};
use super::world::RunWorld;
use crate::problem::Problem;
use crate::publication::sha256;

/// The name of the container.
pub const CONTAINER: &str = "work";
/// The tag that says whose a task, or a definition of tasks, is.
pub const OWNER_TAG: &str = "mizuumi:owner";
/// What ECS takes instead of what a definition says, in characters of JSON (API reference, `RunTask`).
const OVERRIDES: usize = 8192;

/// A definition of tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its family, which is its owner's alone.
    pub family: String,
    /// Who that is.
    pub owner: String,
    /// Image.
    pub image: String,
    /// Instead of the image's entry point.
    pub entry_point: Vec<String>,
    /// CPU units.
    pub cpu: i32,
    /// Memory in MiB.
    pub memory: i32,
    /// Variables, and the ARNs that their values come from.
    pub secrets: BTreeMap<String, String>,
    /// Seconds from SIGTERM to SIGKILL.
    pub stop_timeout: Option<i32>,
    /// Role that ECS works with.
    pub execution_role: String,
    /// Role that the task works with.
    pub task_role: String,
    /// Group, region and prefix of its log.
    pub log: Option<(String, String, String)>,
}

/// A task that is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRequest {
    /// Profile of the installation's configuration.
    pub profile: String,
    /// Name of the cluster.
    pub cluster: String,
    /// What it is run by.
    pub definition: Definition,
    /// By which it comes once.
    pub token: String,
    /// By which it is found.
    pub started_by: String,
    /// Whose it is.
    pub owner: String,
    /// What it is called with.
    pub command: Vec<String>,
    /// Its environment.
    pub environment: Vec<TaskVariable>,
    /// Whether it may be taken back.
    pub is_spot: bool,
    /// Subnets.
    pub subnets: Vec<String>,
    /// Security groups.
    pub security_groups: Vec<String>,
    /// Whether it gets a public address.
    pub assign_public_ip: bool,
}

/// Which task to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskLook {
    /// Profile of the installation's configuration.
    pub profile: String,
    /// Name of the cluster.
    pub cluster: String,
    /// By which it is found, and known to be the attempt's.
    pub started_by: String,
    /// Its ARN, as far as the status says one.
    pub arn: Option<String>,
}

/// By what an attempt's work is asked for, and found again: 64 hexadecimal digits that no other attempt has.
fn token(own: &OwnWork, attempt: &RunAttempt) -> String {
    let owner = owner(own);
    sha256(format!("{owner} {} {} {}", own.uid, attempt.number, attempt.nonce).as_bytes())
}

/// `startedBy` of an attempt's task; 36 characters were the most for a long time.
fn started_by(own: &OwnWork, attempt: &RunAttempt) -> String {
    let mut digest = token(own, attempt);
    digest.truncate(32);
    format!("mz-{digest}")
}

fn owner(own: &OwnWork) -> String {
    format!("{}/{}/IngestRun/{}", own.installation, own.namespace, own.order.run)
}

/// Who a definition of tasks belongs to: the job whose run it is, or the run itself.
fn definition_owner(own: &OwnWork) -> String {
    let owners = own.object.metadata.owner_references.iter().flatten();
    let job = owners.into_iter().find(|owner| owner.kind == "IngestJob" && owner.controller == Some(true));
    match job {
        Some(job) => format!("{}/{}/IngestJob/{}", own.installation, own.namespace, job.name),
        None => owner(own),
    }
}

/// A family is of letters, digits, '-' and '_', and no owner has another's.
fn family(owner: &str) -> String {
    let readable = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
    let words: String = owner.chars().map(readable).take(180).collect();
    let mut digest = sha256(owner.as_bytes());
    digest.truncate(16);
    format!("mizuumi-{words}-{digest}")
}

/// Which task to look at for an attempt.
#[must_use]
pub fn look(own: &OwnWork, attempt: &RunAttempt) -> TaskLook {
    TaskLook {
        profile: attempt.profile.clone().unwrap_or_default(),
        cluster: attempt.worker.clone(),
        started_by: started_by(own, attempt),
        arn: attempt.external_id.clone(),
    }
}

/// The attempt that comes next.
pub(super) fn next(
    own: &OwnWork,
    table: &TargetTable,
    world: &RunWorld,
    now: Timestamp,
) -> Result<RunAttempt, (Reason, String)> {
    let cluster = &profile(own, table)?.cluster;
    let attempt = own.next_attempt(table, world.traces.as_ref(), Some(cluster), now);
    Ok(RunAttempt { profile: Some(table.key.profile.clone()), ..attempt })
}

/// What the installation says of tasks of the table's profile.
///
/// # Errors
/// If it says nothing.
fn profile<'a>(own: &'a OwnWork, table: &TargetTable) -> Result<&'a EcsProfile, (Reason, String)> {
    let profile = &table.key.profile;
    own.ecs.get(profile).ok_or_else(|| {
        let message = format!(
            "profile '{profile}' of its table has no `ecs` in the installation's configuration, so nothing says in which cluster and with \
             which roles and images tasks run; ask the platform team"
        );
        (Reason::NotAllowed, message)
    })
}

/// The task of an attempt, if the installation lets it be.
///
/// # Errors
/// What is not allowed, and every text in which something stands for nothing, with its path.
pub(super) fn request(
    own: &OwnWork,
    task: &EcsTask,
    table: &TargetTable,
    attempt: &RunAttempt,
) -> Result<TaskRequest, (Reason, String)> {
    let ecs = profile(own, table)?;
    let mut problems = allowed(task, ecs, &table.key.profile);
    if attempt.worker != ecs.cluster || attempt.profile.as_ref() != Some(&table.key.profile) {
        problems.push(Problem::not_allowed(
            "status.attempt.worker",
            format!(
                "attempt {} was begun in ECS's cluster '{}' with profile '{}', and those are '{}' and '{}' by now; another one is made once it is known \
                 that this one has no task",
                attempt.number,
                attempt.worker,
                attempt.profile.as_deref().unwrap_or_default(),
                ecs.cluster,
                table.key.profile
            ),
        ));
    }
    let (command, environment) = words(&own.object, task, attempt, &mut problems);
    if let Some(first) = problems.first() {
        let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
        return Err((first.reason, all.join("; ")));
    }
    let definition_owner = definition_owner(own);
    let log = ecs.log_group.clone().map(|group| (group, own.region.clone(), own.order_prefix()));
    Ok(TaskRequest {
        profile: table.key.profile.clone(),
        cluster: ecs.cluster.clone(),
        definition: Definition {
            family: family(&definition_owner),
            owner: definition_owner,
            image: task.image.clone().unwrap_or_default(),
            entry_point: task.entry_point.clone().unwrap_or_default(),
            cpu: task.cpu,
            memory: task.memory,
            secrets: task
                .secrets
                .iter()
                .flatten()
                .map(|secret| {
                    (secret.name.clone(), secret_arn(&secret.secret, secret.key.as_deref(), ecs, &own.region))
                })
                .collect(),
            stop_timeout: task.stop_timeout_seconds,
            execution_role: ecs.execution_role_arn.clone(),
            task_role: ecs.task_role_arn.clone(),
            log,
        },
        token: token(own, attempt),
        started_by: started_by(own, attempt),
        owner: owner(own),
        command,
        environment,
        is_spot: task.capacity == Capacity::FargateSpot,
        subnets: ecs.subnets.clone(),
        security_groups: ecs.security_groups.clone(),
        assign_public_ip: ecs.assign_public_ip,
    })
}

fn allowed(task: &EcsTask, ecs: &EcsProfile, profile: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let image = task.image.as_deref().unwrap_or_default();
    if !ecs.allows_image(image) {
        problems.push(Problem::not_allowed(
            "spec.ecsTask.image",
            format!(
                "'{image}' is not among the images that profile '{profile}' allows: {}",
                ecs.images.join(", ")
            ),
        ));
    }
    for (index, secret) in task.secrets.iter().flatten().enumerate() {
        if !ecs.allows_secret(&secret.secret) {
            let all = if ecs.secrets.is_empty() { "none".to_owned() } else { ecs.secrets.join(", ") };
            problems.push(Problem::not_allowed(
                format!("spec.ecsTask.secrets[{index}].secret"),
                format!(
                    "'{}' is not among the secrets that profile '{profile}' allows: {all}",
                    secret.secret
                ),
            ));
        }
    }
    problems
}

/// What the task is called with, and its environment.
fn words(
    object: &IngestRun,
    task: &EcsTask,
    attempt: &RunAttempt,
    problems: &mut Vec<Problem>,
) -> (Vec<String>, Vec<TaskVariable>) {
    let known = work::variables(object, attempt);
    let at = "spec.ecsTask";
    let command = work::fill_all(&known, task.command.as_ref(), &format!("{at}.command"), problems);
    let mut environment: Vec<TaskVariable> = work::said(object, attempt)
        .map(|(name, value)| TaskVariable { name: name.to_owned(), value })
        .collect();
    for (index, variable) in task.environment.iter().flatten().enumerate() {
        let path = format!("{at}.environment[{index}].value");
        let value = work::fill(&known, &variable.value, &path, problems);
        environment.push(TaskVariable { name: variable.name.clone(), value });
    }
    // As JSON, with the names of members and the marks around them.
    let quoted = |text: &String| text.len() + text.matches(['"', '\\', '\n']).count() + 3;
    let pair = |variable: &TaskVariable| quoted(&variable.name) + quoted(&variable.value) + 20;
    let length: usize =
        100 + command.iter().map(quoted).sum::<usize>() + environment.iter().map(pair).sum::<usize>();
    if length > OVERRIDES {
        problems.push(Problem::invalid(
            at,
            format!(
                "`command` and `environment` come to {length} characters with what is said of the run, and ECS takes {OVERRIDES}; put the \
                 rest into the image, or into an object of S3"
            ),
        ));
    }
    (command, environment)
}

/// The secret's ARN without the six characters that Secrets Manager puts at its end, which finds it as well: that of the account and
/// the partition in which ECS reads it.
fn secret_arn(secret: &str, key: Option<&str>, ecs: &EcsProfile, region: &str) -> String {
    let mut parts = ecs.execution_role_arn.split(':');
    let partition = parts.nth(1).unwrap_or("aws");
    let account = parts.nth(2).unwrap_or_default();
    let key = key.map(|key| format!(":{key}::")).unwrap_or_default();
    format!("arn:{partition}:secretsmanager:{region}:{account}:secret:{secret}{key}")
}

/// Between two looks at a task.
pub(super) fn pause(own: &OwnWork, attempt: &RunAttempt) -> Option<SignedDuration> {
    Some(SignedDuration::from_secs(own.ecs.get(attempt.profile.as_ref()?)?.poll_seconds.into()))
}

/// Where the task of an attempt says what it does.
pub(super) fn log(own: &OwnWork, attempt: &RunAttempt, task: &TaskState) -> Option<String> {
    let group = own.ecs.get(attempt.profile.as_ref()?)?.log_group.as_ref()?;
    Some(format!("{group}:{}/{CONTAINER}/{}", own.order_prefix(), task.id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_readable_and_its_owners_alone() {
        let one = family("demo/team-a/IngestJob/daily.load");
        assert!(one.starts_with("mizuumi-demo-team-a-IngestJob-daily-load-"), "{one}");
        assert_ne!(one, family("demo/team/a-IngestJob/daily.load"));
        assert!(family(&"x".repeat(300)).len() <= 255);
    }
}
