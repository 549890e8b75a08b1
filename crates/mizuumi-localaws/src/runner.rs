//! EMR's steps and ECS's tasks as local processes: started when one runs, stopped when it is cancelled or its cluster ends.

mod command;
mod process;
mod store;
mod task;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use self::process::{Order, Setting};
use crate::clock;
use crate::ecs;
use crate::emr::{Cancel, Exit, Failure};
use crate::requests::Endpoint;

/// How often it is looked for steps that begin or end.
const TICK: Duration = Duration::from_millis(50);

/// How steps are run as processes.
#[derive(Debug, Clone)]
pub struct Steps {
    /// Each step has a folder of its own in here: `<cluster id>/steps/<step id>`.
    pub folder: PathBuf,
    /// A Spark, whose `bin` comes before the `PATH`.
    pub spark_home: Option<PathBuf>,
}

/// Runs steps until it is dropped, which kills their processes.
pub(crate) async fn run(endpoint: Arc<Endpoint>, steps: Steps, url: String) {
    let setting = Arc::new(Setting { steps, url, upstream: endpoint.upstream.clone() });
    let mut tasks = JoinSet::new();
    let mut running = HashMap::new();
    loop {
        let active = endpoint.emr.active(clock::now().as_millisecond());
        // A cluster that has ended, or was forgotten, has no active steps.
        for (place, order) in &running {
            let order: &watch::Sender<Order> = order;
            if !active.iter().any(|step| step.place == *place) {
                give(order, Order::Kill);
            }
        }
        for step in active {
            match (running.get(&step.place), step.cancel) {
                (Some(order), Some(Cancel::Interrupt)) => give(order, Order::Interrupt),
                (Some(order), Some(Cancel::Kill)) => give(order, Order::Kill),
                (Some(_), None) => {}
                // Cancelled before it was begun.
                (None, Some(_)) => endpoint.emr.ended(&step.place, exit(None)),
                (None, None) => {
                    let (order, orders) = watch::channel(Order::Run);
                    running.insert(step.place.clone(), order);
                    let setting = Arc::clone(&setting);
                    tasks.spawn(
                        async move { (step.place.clone(), process::run(&setting, &step, orders).await) },
                    );
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            Some(ended) = tasks.join_next() => match ended {
                Ok((place, failure)) => {
                    running.remove(&place);
                    endpoint.emr.ended(&place, exit(failure));
                }
                Err(error) => tracing::error!(%error, "running a step failed"),
            },
        }
    }
}

/// Runs tasks of ECS until it is dropped, which kills their processes.
pub(crate) async fn run_tasks(endpoint: Arc<Endpoint>, folder: PathBuf, url: String) {
    let setting = Arc::new(task::Setting { folder, url, upstream: endpoint.upstream.clone() });
    let mut tasks = JoinSet::new();
    let mut running: HashMap<ecs::TaskPlace, watch::Sender<Order>> = HashMap::new();
    loop {
        let active = endpoint.ecs.active(clock::now().as_millisecond());
        for (place, order) in &running {
            if !active.iter().any(|task| task.place == *place) {
                give(order, Order::Kill);
            }
        }
        for task in active {
            match running.get(&task.place) {
                Some(order) if task.is_killed => give(order, Order::Kill),
                Some(order) if task.is_stopping => give(order, Order::Interrupt),
                Some(_) => {}
                None => {
                    let (order, orders) = watch::channel(Order::Run);
                    running.insert(task.place.clone(), order);
                    let setting = Arc::clone(&setting);
                    tasks
                        .spawn(async move { (task.place.clone(), task::run(&setting, &task, orders).await) });
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            Some(ended) = tasks.join_next() => match ended {
                Ok((place, exit)) => {
                    running.remove(&place);
                    endpoint.ecs.ended(&place, exit);
                }
                Err(error) => tracing::error!(%error, "running a task failed"),
            },
        }
    }
}

fn exit(failure: Option<Failure>) -> Exit {
    Exit { at: clock::now().as_millisecond(), failure }
}

/// Gives an order, unless it was given before.
fn give(orders: &watch::Sender<Order>, order: Order) {
    orders.send_if_modified(|given| {
        let new = *given != order;
        *given = order;
        new
    });
}
