//! One step as a process: its folder, environment, signals and logs.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Instant;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command as Spawn};
use tokio::sync::watch;

use super::Steps;
use super::command::{self, Command};
use super::store::{self, Store};
use crate::clock;
use crate::emr::{Active, Failure};
use crate::forward::Upstream;

/// The logs of a step.
const LOGS: [&str; 3] = ["controller", "stderr", "stdout"];

/// So much of the end of `stderr` is read for the cause of a failure.
const READ: usize = 64 << 10;

/// What all steps have in common.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) steps: Steps,
    /// Where this endpoint answers.
    pub(super) url: String,
    pub(super) upstream: Option<Upstream>,
}

/// What is to become of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// It may run.
    Run,
    /// It is told to end.
    Interrupt,
    /// It ends at once, with all that it has started.
    Kill,
}

/// A process and all that it starts; none of it outlives this, nor the endpoint, however that ends.
pub(super) struct Group {
    leader: Pid,
    _heir: Child,
}

/// Waits for the end of its input, which only the endpoint holds open, and then does what the endpoint cannot do any more.
const HEIR: &str = r#"read -r _; kill -s KILL -- "-$1""#;

impl Group {
    pub(super) fn of(child: &Child) -> anyhow::Result<Self> {
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let leader = id.context("Error: the process has no id")?;
        let mut heir = Spawn::new("sh");
        heir.args(["-c", HEIR, "heir", &leader.as_raw_nonzero().to_string()]);
        heir.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // In a group of its own: a signal for the endpoint's group is not meant for it.
        let heir = heir.process_group(0).kill_on_drop(true).spawn().context("Error: cannot run sh")?;
        Ok(Self { leader, _heir: heir })
    }

    /// EMR Management Guide, "Cancel steps": with `SEND_INTERRUPT` EMR "sends a SIGTERM signal to the step", with
    /// `TERMINATE_PROCESS` "a SIGKILL signal to the step and all its descendant processes".
    pub(super) fn give(&self, order: Order) {
        let _ = match order {
            Order::Run => Ok(()),
            Order::Interrupt => kill_process(self.leader, Signal::TERM),
            Order::Kill => kill_process_group(self.leader, Signal::KILL),
        };
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.give(Order::Kill);
    }
}

/// The `controller` log.
struct Controller(String);

impl Controller {
    fn say(&mut self, level: &str, text: impl std::fmt::Display) {
        let time = clock::now();
        let _ = writeln!(self.0, "{time:.3} {level} {text}");
    }
}

/// Runs a step to its end and delivers its logs; why it failed, if it did.
pub(super) async fn run(setting: &Setting, step: &Active, orders: watch::Receiver<Order>) -> Option<Failure> {
    let place = &step.place;
    let folder = setting.steps.folder.join(&place.cluster).join("steps").join(&place.step);
    let store = Store { upstream: setting.upstream.as_ref(), account: &place.account, region: &place.region };
    let mut controller = Controller(String::new());
    let began = Instant::now();
    let code = match attempt(setting, step, &folder, store, orders, &mut controller).await {
        Ok(status) => status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        Err(error) => {
            // The step's own output goes before it, if there is any.
            let mut text = fs::read(folder.join("stderr")).unwrap_or_default();
            text.extend(format!("{error:#}\n").into_bytes());
            if let Err(error) = fs::write(folder.join("stderr"), text) {
                tracing::warn!(%error, step = place.step, "the step's log cannot be written");
            }
            1
        }
    };
    let took = began.elapsed().as_secs();
    if code == 0 {
        controller.say("INFO", format_args!("Step succeeded with exitCode 0 and took {took} seconds"));
    } else {
        controller.say("WARN", format_args!("Step failed with exitCode {code} and took {took} seconds"));
    }
    let _ = fs::write(folder.join("controller"), &controller.0);
    let stderr = fs::read(folder.join("stderr")).unwrap_or_default();
    if let Some(logs) = &step.logs {
        for name in LOGS {
            let content = fs::read(folder.join(name)).unwrap_or_default();
            // EMR is silent about logs that it cannot deliver, too.
            if let Err(error) = store.put_gz(&logs.uri(&place.step, name), &content).await {
                tracing::warn!(error = format!("{error:#}"), "a step's log cannot be delivered");
                break;
            }
        }
    }
    (code != 0).then(|| failure(&stderr))
}

async fn attempt(
    setting: &Setting,
    step: &Active,
    folder: &Path,
    store: Store<'_>,
    mut orders: watch::Receiver<Order>,
    controller: &mut Controller,
) -> anyhow::Result<ExitStatus> {
    // Ids begin anew with the endpoint; what another one left is not this step's.
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).with_context(|| format!("Error: cannot create {}", folder.display()))?;
    controller.say("INFO", format_args!("Ensure step {} jar file {}", step.number, step.jar));
    let (program, args) = match command::of(&step.jar, &step.args).map_err(anyhow::Error::msg)? {
        Command::Program(program, args) => (program, args),
        Command::Script(uri, args) => (script(&uri, folder, store).await?.display().to_string(), args),
    };
    let search = command::search_path(setting.steps.spark_home.as_deref());
    // As command-runner.jar says it.
    let missing = || {
        format!(
            "Exception in thread \"main\" java.lang.RuntimeException: java.io.IOException: Cannot run program \"{program}\" \
             (in directory \".\"): error=2, No such file or directory"
        )
    };
    let found = command::find(&program, &search).with_context(missing)?;
    let mut spawn = Spawn::new(found);
    spawn.args(&args).env("PATH", &search).current_dir(folder).stdin(Stdio::null());
    spawn.stdout(File::create(folder.join("stdout"))?).stderr(File::create(folder.join("stderr"))?);
    environment(&mut spawn, setting, step, folder)?;
    let mut child = spawn.process_group(0).kill_on_drop(true).spawn().with_context(missing)?;
    controller.say("INFO", format_args!("startExec '{} {}'", step.jar, step.args.join(" ")));
    controller.say("INFO", format_args!("Working dir {}", folder.display()));
    controller.say("INFO", format_args!("ProcessRunner started child process {}", child.id().unwrap_or(0)));
    let status = wait(&mut child, &mut orders, controller).await?;
    controller.say("INFO", format_args!("waitProcessCompletion ended with {status}"));
    Ok(status)
}

async fn wait(
    child: &mut Child,
    orders: &mut watch::Receiver<Order>,
    controller: &mut Controller,
) -> anyhow::Result<ExitStatus> {
    let group = Group::of(child)?;
    loop {
        let order = *orders.borrow_and_update();
        if order != Order::Run {
            controller.say("INFO", format_args!("Step is to end: {order:?}"));
            group.give(order);
        }
        tokio::select! {
            status = child.wait() => return Ok(status?),
            // The runner, which would drop this, is the only one that could stop to give orders.
            Ok(()) = orders.changed() => {}
        }
    }
}

/// The script of `script-runner.jar`, in the step's folder.
async fn script(uri: &str, folder: &Path, store: Store<'_>) -> anyhow::Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let name = uri.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("script");
    let path = folder.join(name);
    let content = if store::path(uri).is_some() {
        store.get(uri).await.with_context(|| format!("Error: the script {uri} cannot be read"))?
    } else {
        fs::read(uri).with_context(|| format!("Error: the script {uri} cannot be read"))?
    };
    fs::write(&path, content)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// The clients of AWS in the step, Spark's too, find this endpoint, as the account of the cluster.
fn environment(spawn: &mut Spawn, setting: &Setting, step: &Active, folder: &Path) -> anyhow::Result<()> {
    let names = std::env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| name.to_string_lossy().starts_with("AWS_")) {
        spawn.env_remove(name);
    }
    let place = &step.place;
    spawn.envs([
        ("AWS_ENDPOINT_URL", setting.url.as_str()),
        ("AWS_ACCESS_KEY_ID", &place.account),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_REGION", &place.region),
        ("AWS_DEFAULT_REGION", &place.region),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        // As in the environment that EMR's controller log shows.
        ("EMR_STEP_ID", &place.step),
    ]);
    if let Some(home) = &setting.steps.spark_home {
        let conf = folder.join("spark-conf");
        fs::create_dir_all(&conf)?;
        let own = fs::read_to_string(home.join("conf/spark-defaults.conf")).unwrap_or_default();
        fs::write(conf.join("spark-defaults.conf"), spark_defaults(&own, setting, step))?;
        spawn.env("SPARK_HOME", home).env("SPARK_CONF_DIR", conf);
    }
    Ok(())
}

/// What EMR configures for Spark on its clusters, for one that runs here: `s3://` is S3A, and S3A is this endpoint.
fn spark_defaults(own: &str, setting: &Setting, step: &Active) -> String {
    let place = &step.place;
    let mut text = format!("{own}\n");
    for (key, value) in [
        ("spark.master", "local[*]"),
        ("spark.hadoop.fs.s3.impl", "org.apache.hadoop.fs.s3a.S3AFileSystem"),
        ("spark.hadoop.fs.s3a.endpoint", &setting.url),
        ("spark.hadoop.fs.s3a.endpoint.region", &place.region),
        ("spark.hadoop.fs.s3a.path.style.access", "true"),
        ("spark.hadoop.fs.s3a.access.key", &place.account),
        ("spark.hadoop.fs.s3a.secret.key", "local"),
    ] {
        let _ = writeln!(text, "{key} {value}");
    }
    text
}

/// What EMR would find in the log. Which patterns it knows is not documented but for one (EMR Management Guide, "View step
/// failure details"): an output directory that is there already.
fn failure(stderr: &[u8]) -> Failure {
    let end = &stderr[stderr.len().saturating_sub(READ)..];
    let text = String::from_utf8_lossy(end);
    let known = text.lines().find(|line| line.contains("FileAlreadyExistsException"));
    if let Some(line) = known {
        let message =
            line.split("org.apache").nth(1).map_or(line.to_owned(), |rest| format!("org.apache{rest}"));
        return Failure { reason: "Output directory already exists.", message: Some(message) };
    }
    let mut lines = text.lines();
    let first = lines.clone().find(|line| line.starts_with("Exception in thread"));
    let last = || lines.rfind(|line| line.contains("Exception") || line.contains("Error"));
    Failure::unknown(first.or_else(last).map(|line| line.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_tells_is_found_in_the_log() {
        for (log, reason, message) in [
            ("", "Unknown Error.", None),
            ("not found\n", "Unknown Error.", None),
            ("Traceback:\n  x\nValueError: no rows\nbye\n", "Unknown Error.", Some("ValueError: no rows")),
            (
                "Exception in thread \"main\" a.B: c\nCaused by: d.Exception\n",
                "Unknown Error.",
                Some("Exception in thread \"main\" a.B: c"),
            ),
            (
                "main: org.apache.hadoop.mapred.FileAlreadyExistsException: Output directory s3://b/x already exists\n",
                "Output directory already exists.",
                Some(
                    "org.apache.hadoop.mapred.FileAlreadyExistsException: Output directory s3://b/x already exists",
                ),
            ),
        ] {
            let found = failure(log.as_bytes());
            assert_eq!((found.reason, found.message.as_deref()), (reason, message), "{log}");
        }
    }
}
