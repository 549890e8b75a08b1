//! Tasks: described, listed, stopped.

use serde_json::{Value, json};

use super::clusters::name_in;
use super::input::{self, client, invalid, required, text, texts};
use super::life::{Life, Millis, State};
use super::{Answer, Call, Common, Region};
use crate::glue::Object;

/// API reference, `DescribeTasks`: "A list of up to 100 task IDs or full ARN entries."
const DESCRIBED: usize = 100;

/// A task.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) id: String,
    pub(super) arn: String,
    /// Name of its cluster.
    pub(super) cluster: String,
    pub(super) family: String,
    pub(super) started_by: Option<String>,
    pub(super) tags: Vec<Value>,
    /// Members of the `Task` structure that never change.
    pub(super) record: Object,
    /// Its container as it is to be run: the definition's, with what the request says instead.
    pub(super) container: Object,
    pub(super) life: Life,
}

impl Task {
    /// `desiredStatus` as of a time.
    pub(super) fn desired(&self, seen: Millis) -> &'static str {
        match self.life.state_at(seen) {
            Some(state)
                if state < State::Deactivating
                    && self.life.stop.as_ref().is_none_or(|stop| seen < stop.at) =>
            {
                "RUNNING"
            }
            _ => "STOPPED",
        }
    }
}

/// `DescribeTasks`.
pub(super) fn describe(region: &mut Region, common: &mut Common, call: &mut Call<'_>) -> Answer {
    let cluster = region.cluster(call)?;
    let references = texts(call.input, "tasks");
    if references.is_empty() {
        return Err(invalid("Tasks cannot be empty."));
    }
    if references.len() > DESCRIBED {
        return Err(invalid("Tasks cannot have more than 100 elements."));
    }
    let (seen, with_tags) = (call.seen(), input::wants_tags(call.input));
    if call.spot_loss.is_some() {
        for task in &mut region.tasks {
            if references.iter().any(|reference| name_in(reference) == task.id) {
                task.life.stop(call.now, "SpotInterruption", "Your Spot Task was interrupted.".to_owned());
                task.life.advance(call.now, &common.pace);
            }
        }
    }
    let (mut shown, mut failures) = (Vec::new(), Vec::new());
    for reference in references {
        let id = name_in(reference);
        let found = region.tasks.iter().find(|task| task.cluster == cluster && task.id == id);
        if let Some(task) = found.and_then(|task| task.shown(seen, with_tags)) {
            shown.push(task);
        } else {
            let arn = call.arn(&format!("task/{cluster}/{id}"));
            failures.push(json!({"arn": arn, "reason": "MISSING"}));
        }
    }
    Ok(json!({"tasks": shown, "failures": failures}))
}

/// `ListTasks`: by default those that are to run.
pub(super) fn list(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let cluster = region.cluster(call)?;
    let (family, started_by) = (text(call.input, "family"), text(call.input, "startedBy"));
    // API reference: "When you specify startedBy as the filter, it must be the only filter that you use."
    if started_by.is_some() && family.is_some() {
        return Err(invalid("startedBy cannot be combined with other filters."));
    }
    let desired = text(call.input, "desiredStatus").unwrap_or("RUNNING");
    let seen = call.seen();
    let is_wanted = |task: &&Task| {
        task.cluster == cluster
            && task.life.created() <= seen
            && task.desired(seen) == desired
            && family.is_none_or(|family| task.family == family)
            && started_by.is_none_or(|by| task.started_by.as_deref() == Some(by))
    };
    let arns = region.tasks.iter().filter(is_wanted).map(|task| task.arn.clone()).collect();
    let (arns, token) = input::page(call.input, call.short_pages, arns)?;
    Ok(json!({"taskArns": arns, "nextToken": token}))
}

/// `StopTask`. API reference: "Any tags associated with the task will be deleted." One that has stopped is answered as it is.
pub(super) fn stop(region: &mut Region, common: &mut Common, call: &mut Call<'_>) -> Answer {
    let cluster = region.cluster(call)?;
    let id = name_in(required(call.input, "task")?).to_owned();
    let reason = text(call.input, "reason").unwrap_or("Task stopped by user").to_owned();
    if reason.len() > 255 {
        return Err(invalid("Reason cannot be longer than 255 characters."));
    }
    let (now, pace) = (call.now, &common.pace);
    let task = region.tasks.iter_mut().find(|task| task.cluster == cluster && task.id == id);
    let task = task.ok_or_else(|| client("The referenced task was not found."))?;
    task.life.stop(now, "UserInitiated", reason);
    task.life.advance(now, pace);
    task.tags.clear();
    let shown = task.shown(now, false);
    call.wrote(&id);
    Ok(json!({"task": shown}))
}
