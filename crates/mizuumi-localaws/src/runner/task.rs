//! A task of ECS as a process: its environment and secrets, its signals and its log.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::process::Command as Spawn;
use tokio::sync::watch;

use super::command;
use super::process::{Group, Order};
use crate::clock;
use crate::ecs::{Active, Exit};
use crate::forward::Upstream;

/// What all tasks have in common.
#[derive(Debug)]
pub(super) struct Setting {
    /// Each task has a folder of its own in here.
    pub(super) folder: PathBuf,
    /// Where this endpoint answers.
    pub(super) url: String,
    pub(super) upstream: Option<Upstream>,
}

/// Runs a task's container to its end, and delivers its log.
pub(super) async fn run(setting: &Setting, task: &Active, orders: watch::Receiver<Order>) -> Exit {
    let folder = setting.folder.join(&task.place.task);
    let ended = attempt(setting, task, &folder, orders).await;
    if let (Some((group, stream)), Some(upstream)) = (&task.log, &setting.upstream) {
        let output = fs::read(folder.join("log")).unwrap_or_default();
        // ECS is silent about a log that it cannot deliver, too, once the container has begun.
        if let Err(error) = deliver(upstream, task, group, stream, &String::from_utf8_lossy(&output)).await {
            tracing::warn!(error = format!("{error:#}"), "a task's log cannot be delivered");
        }
    }
    let at = clock::now().as_millisecond();
    match ended {
        Ok(code) => Exit { at, code: Some(code), reason: None },
        Err(error) => Exit { at, code: None, reason: Some(format!("{error:#}")) },
    }
}

async fn attempt(
    setting: &Setting,
    task: &Active,
    folder: &Path,
    mut orders: watch::Receiver<Order>,
) -> anyhow::Result<i32> {
    let secrets = secrets(setting, task).await?;
    // Ids begin anew with the endpoint; what another one left is not this task's.
    let _ = fs::remove_dir_all(folder);
    let cannot = || format!("CannotStartContainerError: cannot create {}", folder.display());
    fs::create_dir_all(folder).with_context(cannot)?;
    let program = task.command.first().context("CannotStartContainerError: no command specified")?;
    // As a container runtime says it.
    let missing = || {
        format!(
            "CannotStartContainerError: failed to create shim task: OCI runtime create failed: exec: \"{program}\": executable file not found in $PATH"
        )
    };
    let search = command::search_path(None);
    let found = command::find(program, &search).with_context(missing)?;
    let log = File::create(folder.join("log")).with_context(cannot)?;
    let mut spawn = Spawn::new(found);
    // A container has nothing of the environment of its host; programs of this machine need to find others.
    spawn.env_clear().env("PATH", &search).args(task.command.iter().skip(1)).current_dir(folder);
    spawn.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let place = &task.place;
    spawn.envs([
        ("HOME", folder.display().to_string()),
        ("AWS_ENDPOINT_URL", setting.url.clone()),
        ("AWS_ACCESS_KEY_ID", place.account.clone()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        ("AWS_REGION", place.region.clone()),
        ("AWS_DEFAULT_REGION", place.region.clone()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("AWS_EXECUTION_ENV", "AWS_ECS_FARGATE".to_owned()),
    ]);
    spawn.envs(task.environment.iter().cloned()).envs(secrets);
    let mut child = spawn.process_group(0).kill_on_drop(true).spawn().with_context(missing)?;
    let group = Group::of(&child)?;
    loop {
        group.give(*orders.borrow_and_update());
        tokio::select! {
            status = child.wait() => {
                let status = status?;
                return Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)));
            }
            // The runner, which would drop this, is the only one that could stop to give orders.
            Ok(()) = orders.changed() => {}
        }
    }
}

/// The values of secrets; they are in the environment of the container and nowhere else.
async fn secrets(setting: &Setting, task: &Active) -> anyhow::Result<Vec<(String, String)>> {
    let mut values = Vec::new();
    for (name, from) in &task.secrets {
        let upstream = setting.upstream.as_ref().context(
            "ResourceInitializationError: the local endpoint has no Secrets Manager; start it with --moto-python",
        )?;
        let (id, key) = parsed(from);
        let place = &task.place;
        let target = "secretsmanager.GetSecretValue";
        let answer = upstream
            .json("secretsmanager", target, &place.account, &place.region, &json!({"SecretId": id}))
            .await;
        // As stopped tasks say it (Developer Guide, "ResourceInitializationError task errors").
        let unable = || {
            format!(
                "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: secret {id}"
            )
        };
        let answer = answer.with_context(unable)?;
        let whole = answer["SecretString"].as_str().with_context(unable)?.to_owned();
        let value = match key {
            None => whole,
            Some(key) => {
                let object: Value = serde_json::from_str(&whole).with_context(unable)?;
                let value = object.get(key).with_context(unable)?;
                value.as_str().map_or_else(|| value.to_string(), str::to_owned)
            }
        };
        values.push((name.clone(), value));
    }
    Ok(values)
}

/// The secret and the key in it: `arn:aws:secretsmanager:region:account:secret:name[:key[:stage[:version]]]`, or a name.
fn parsed(from: &str) -> (String, Option<&str>) {
    let parts: Vec<&str> = from.split(':').collect();
    if parts.len() < 7 || parts.first() != Some(&"arn") {
        return (from.to_owned(), None);
    }
    let id = parts.iter().take(7).copied().collect::<Vec<_>>().join(":");
    (id, parts.get(7).copied().filter(|key| !key.is_empty()))
}

/// Puts the output into the stream, whose group has to be there.
async fn deliver(
    upstream: &Upstream,
    task: &Active,
    group: &str,
    stream: &str,
    output: &str,
) -> anyhow::Result<()> {
    let (account, region) = (&task.place.account, &task.place.region);
    let call = async |operation: &str, input: Value| {
        upstream.json("logs", &format!("Logs_20140328.{operation}"), account, region, &input).await
    };
    let place = json!({"logGroupName": group, "logStreamName": stream});
    call("CreateLogStream", place.clone()).await?;
    let now = clock::now().as_millisecond();
    let lines = output.lines().filter(|line| !line.is_empty());
    let events: Vec<Value> = lines.map(|line| json!({"timestamp": now, "message": line})).collect();
    // CloudWatch Logs takes 10,000 events at once; so many say enough.
    let events = events.get(events.len().saturating_sub(10_000)..).unwrap_or_default();
    if !events.is_empty() {
        let mut input = place;
        input["logEvents"] = json!(events);
        call("PutLogEvents", input).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_a_secret_and_may_name_a_key_in_it() {
        let arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:team/db";
        assert_eq!(parsed(arn), (arn.to_owned(), None));
        assert_eq!(parsed(&format!("{arn}:password::")), (arn.to_owned(), Some("password")));
        assert_eq!(parsed("team/db"), ("team/db".to_owned(), None));
    }
}
