//! What the runner of processes asks ECS, and what it tells it.

use serde_json::Value;

use super::Ecs;
use super::input::{list, text, texts};
use super::life::{Exit, Millis, State, Work};

/// A task, wherever it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TaskPlace {
    /// Account.
    pub(crate) account: String,
    /// Region.
    pub(crate) region: String,
    /// Id of the task.
    pub(crate) task: String,
}

/// A task that has a process, or should get one.
#[derive(Debug, Clone)]
pub(crate) struct Active {
    /// Where it is.
    pub(crate) place: TaskPlace,
    /// Whether it is told to end.
    pub(crate) is_stopping: bool,
    /// Whether it has had its time to do so.
    pub(crate) is_killed: bool,
    /// The program, and what it is called with.
    pub(crate) command: Vec<String>,
    /// Its environment.
    pub(crate) environment: Vec<(String, String)>,
    /// Variables of the environment and where their values come from.
    pub(crate) secrets: Vec<(String, String)>,
    /// Group and stream that its output goes to, if it goes to any.
    pub(crate) log: Option<(String, String)>,
}

impl Ecs {
    /// The tasks that run as processes now; every other process has to end.
    pub(crate) fn active(&self, now: Millis) -> Vec<Active> {
        let mut active = Vec::new();
        let mut held = self.0.hold();
        let (common, regions) = &mut *held;
        for ((account, name), region) in regions {
            region.advance(now, &common.pace);
            for task in &region.tasks {
                let state = task.life.state();
                let Work::Process { entry_point } = &task.life.work else { continue };
                let is_at_work = matches!(state, State::Running | State::Deactivating | State::Stopping);
                if !is_at_work || task.life.exit.is_some() {
                    continue;
                }
                let container = &task.container;
                let own = texts(container, "entryPoint");
                let entry =
                    if own.is_empty() { entry_point.iter().map(String::as_str).collect() } else { own };
                let command =
                    entry.into_iter().chain(texts(container, "command")).map(str::to_owned).collect();
                let pairs = |member: &str, value: &str| -> Vec<(String, String)> {
                    let pair = |pair: &Value| {
                        Some((pair["name"].as_str()?.to_owned(), pair[value].as_str()?.to_owned()))
                    };
                    list(container, member).iter().filter_map(pair).collect()
                };
                let log = container.get("logConfiguration").filter(|log| log["logDriver"] == "awslogs");
                let log = log.and_then(|log| {
                    let options = log["options"].as_object()?;
                    let prefix = text(options, "awslogs-stream-prefix")?;
                    let stream = format!("{prefix}/{}/{}", text(container, "name")?, task.id);
                    Some((text(options, "awslogs-group")?.to_owned(), stream))
                });
                active.push(Active {
                    place: TaskPlace {
                        account: account.clone(),
                        region: name.clone(),
                        task: task.id.clone(),
                    },
                    is_stopping: state == State::Stopping,
                    is_killed: task.life.killed_at(&common.pace).is_some_and(|at| at <= now),
                    command,
                    environment: pairs("environment", "value"),
                    secrets: pairs("secrets", "valueFrom"),
                    log,
                });
            }
        }
        active
    }

    /// The process of a task has ended.
    pub(crate) fn ended(&self, place: &TaskPlace, exit: Exit) {
        let mut held = self.0.hold();
        let (common, regions) = &mut *held;
        let at = exit.at;
        let region = regions.get_mut(&(place.account.clone(), place.region.clone()));
        let Some(region) = region else { return };
        if let Some(task) = region.tasks.iter_mut().find(|task| task.id == place.task) {
            task.life.exit.get_or_insert(exit);
            task.life.advance(at, &common.pace);
        }
    }
}
