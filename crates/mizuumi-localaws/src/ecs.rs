//! Amazon ECS on Fargate: clusters, task definitions, tasks and their tags. State is kept per (account, region).
//!
//! A task whose image stands for a program of this machine runs as a process; others live by the clock.

mod clusters;
mod definitions;
mod input;
mod life;
mod pace;
mod processes;
mod run;
mod show;
mod tags;
mod tasks;
mod tokens;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use serde_json::Value;

use self::clusters::Cluster;
use self::definitions::Definition;
use self::life::Millis;
pub(crate) use self::life::{Exit, Fate};
pub(crate) use self::pace::{Image, Pace};
pub(crate) use self::processes::{Active, TaskPlace};
use self::tasks::Task;
use self::tokens::Token;
use crate::audit::Effect;
use crate::faults::Action;
use crate::glue::Object;
use crate::lock::Lock;
use crate::protocol::ApiError;

/// The service as `SigV4` names it.
pub(crate) const SERVICE: &str = "ecs";

/// What an operation answers.
type Answer = Result<Value, ApiError>;

/// One call, and what it did for the audit.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// The request's JSON.
    pub(crate) input: &'a Object,
    /// Account of the caller.
    pub(crate) account: &'a str,
    /// Region of the caller.
    pub(crate) region: &'a str,
    /// Time of the call.
    pub(crate) now: Millis,
    /// Fault: tasks are shown as of so many milliseconds ago.
    pub(crate) lag: Millis,
    /// Fault: pages hold one item only.
    pub(crate) short_pages: bool,
    /// Fault: what becomes of a new task.
    pub(crate) fate: Option<Fate>,
    /// Fault: Fargate takes a new spot task back so long after it has begun to run, one that is described now.
    pub(crate) spot_loss: Option<Millis>,
    /// Effective writes, for the audit.
    pub(crate) effects: Vec<Effect>,
}

impl Call<'_> {
    /// The moment as of which tasks are shown.
    fn seen(&self) -> Millis {
        self.now.saturating_sub(self.lag)
    }

    fn wrote(&mut self, resource: &str) {
        self.effects.push(Effect::on(resource));
    }

    /// The ARN of something of the caller's.
    fn arn(&self, resource: &str) -> String {
        format!("arn:aws:ecs:{}:{}:{resource}", self.region, self.account)
    }
}

/// A time as ECS writes it: a JSON number of seconds with milliseconds (awsJson1.1).
fn time(millis: Millis) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit in 53 bits")]
    let seconds = millis as f64 / 1000.0;
    Value::from(seconds)
}

/// What an account has in a region.
#[derive(Debug, Default)]
struct Region {
    clusters: BTreeMap<String, Cluster>,
    definitions: BTreeMap<String, Vec<Definition>>,
    /// In the order in which they came.
    tasks: Vec<Task>,
    tokens: Vec<Token>,
}

/// What all regions have in common.
#[derive(Debug)]
struct Common {
    pace: Pace,
    images: Vec<Image>,
    /// Programs by the names of images.
    folder: Option<PathBuf>,
    made: u64,
}

impl Common {
    /// The id of a new task: 32 hexadecimal digits, never the same twice.
    fn id(&mut self) -> String {
        self.made += 1;
        let mut bits = self.made.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        format!("{bits:016x}{:016x}", self.made)
    }
}

type Handler = fn(&mut Region, &mut Common, &mut Call<'_>) -> Answer;

fn handler(operation: &str) -> Option<Handler> {
    Some(match operation {
        "CreateCluster" => clusters::create,
        "DescribeClusters" => clusters::describe,
        "ListClusters" => clusters::list,
        "DeleteCluster" => clusters::delete,
        "RegisterTaskDefinition" => definitions::register,
        "DescribeTaskDefinition" => definitions::describe,
        "DeregisterTaskDefinition" => definitions::deregister,
        "ListTaskDefinitions" => definitions::list,
        "RunTask" => run::run,
        "DescribeTasks" => tasks::describe,
        "ListTasks" => tasks::list,
        "StopTask" => tasks::stop,
        "TagResource" => tags::tag,
        "UntagResource" => tags::untag,
        "ListTagsForResource" => tags::list,
        _ => return None,
    })
}

/// Account and region.
type Place = (String, String);

/// ECS in all accounts and regions.
#[derive(Debug)]
pub(crate) struct Ecs(Lock<(Common, HashMap<Place, Region>)>);

impl Ecs {
    /// ECS without anything, and where the programs are that images stand for.
    pub(crate) fn new(pace: Pace, folder: Option<PathBuf>) -> Self {
        Self(Lock::new((Common { pace, images: Vec::new(), folder, made: 0 }, HashMap::new())))
    }

    /// Carries out one operation.
    pub(crate) fn call(&self, operation: &str, call: &mut Call<'_>) -> Answer {
        let Some(handler) = handler(operation) else {
            let message = format!("ECS operation {operation} is not implemented by the local endpoint");
            return Err(ApiError::refused("UnknownOperationException", message));
        };
        let mut held = self.0.hold();
        let (common, regions) = &mut *held;
        let region = regions.entry((call.account.to_owned(), call.region.to_owned())).or_default();
        region.advance(call.now, &common.pace);
        handler(region, common, call)
    }

    /// The durations in force.
    pub(crate) fn pace(&self) -> Pace {
        self.0.hold().0.pace.clone()
    }

    /// Sets other durations: what has happened by now stays, what is under way takes as long as they say.
    pub(crate) fn set_pace(&self, pace: Pace, now: Millis) {
        let mut held = self.0.hold();
        let (common, regions) = &mut *held;
        for region in regions.values_mut() {
            region.advance(now, &common.pace);
        }
        common.pace = pace;
    }

    /// What images stand for, the latest word first.
    pub(crate) fn images(&self) -> Vec<Image> {
        self.0.hold().0.images.clone()
    }

    /// Says what an image stands for, for tasks that are run afterwards.
    pub(crate) fn know(&self, image: Image) {
        self.0.hold().0.images.insert(0, image);
    }

    /// Forgets what an account has, or all.
    pub(crate) fn reset(&self, account: Option<&str>) {
        let mut held = self.0.hold();
        held.1.retain(|(owner, _), _| account.is_some_and(|account| account != owner));
        held.0
            .images
            .retain(|image| account.is_some_and(|account| image.account.as_deref() != Some(account)));
    }
}

impl Region {
    /// Does all that is due by now, and forgets what is no longer shown.
    fn advance(&mut self, now: Millis, pace: &Pace) {
        for task in &mut self.tasks {
            task.life.advance(now, pace);
        }
        let shown = pace.remembered();
        self.tasks.retain(|task| task.life.stopped().is_none_or(|at| now < at.saturating_add(shown)));
        let tasks = &self.tasks;
        self.tokens.retain(|token| token.holds(tasks, now));
    }
}

/// What a request is about, for logs and fault rules.
pub(crate) fn resource(input: &Object) -> String {
    let one = ["task", "taskDefinition", "family", "clusterName", "resourceArn", "startedBy", "cluster"];
    one.iter().find_map(|member| input::text(input, member)).unwrap_or_default().to_owned()
}

/// A scripted fault in ECS's words, where these are others than Glue's (botocore ecs/2014-11-13).
pub(crate) fn fault(action: Action, error: ApiError) -> ApiError {
    match action {
        Action::ErrorBefore | Action::ErrorAfter => ApiError {
            code: "ServerException".to_owned(),
            message: "Service Unavailable. Please try again later.".to_owned(),
            ..error
        },
        Action::ExpireToken => input::invalid("Invalid token"),
        _ => error,
    }
}

#[cfg(test)]
mod tests;
