//! Steps: added, shown, listed, cancelled.

use serde_json::{Value, json};

use super::input::{self, invalid, missing, object, required, text, texts, wrong};
use super::life::{Life, Millis};
use super::logs::Logs;
use super::step_life::{Cancel, OnFailure, StepLife, StepState};
use super::{Answer, Call, Common, Region, paging, put_time, time};
use crate::glue::Object;
use crate::protocol::ApiError;

/// EMR Management Guide, "Submit work to a cluster": at most 256 `PENDING` and `RUNNING` steps.
const MOST_STEPS: usize = 256;

/// A step's definition; its life is in the cluster's, at the same place.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) id: String,
    /// The `StepSummary` without what changes.
    pub(super) record: Value,
    role: Option<String>,
}

/// A cluster that ends takes no changes.
pub(super) fn over() -> ApiError {
    wrong("A job flow that is shutting down, terminated, or finished may not be modified.")
}

/// Reads `StepConfig`s and puts their lives into the cluster's; nothing of it when one is wrong.
pub(super) fn read(
    configs: &[Value],
    role: Option<&str>,
    life: &mut Life,
    common: &mut Common,
    now: Millis,
) -> Result<Vec<Step>, ApiError> {
    let active = life.steps.iter().filter(|step| !step.state().is_over()).count();
    if active + configs.len() > MOST_STEPS {
        return Err(wrong(
            "Maximum number of active steps(State = 'Running', 'Pending' or 'Cancel_Pending') for cluster exceeded.",
        ));
    }
    let mut steps = Vec::new();
    let mut lives = Vec::new();
    for config in configs {
        let config = config.as_object().ok_or_else(|| missing("Steps"))?;
        let name = required(config, "Name")?;
        let jar = object(config, "HadoopJarStep").ok_or_else(|| missing("HadoopJarStep"))?;
        // The model gives no default; CONTINUE is that of the AWS CLI (reference of "emr add-steps").
        let action = text(config, "ActionOnFailure").unwrap_or("CONTINUE");
        let on_failure = match action {
            "TERMINATE_CLUSTER" | "TERMINATE_JOB_FLOW" => OnFailure::Terminate,
            "CANCEL_AND_WAIT" => OnFailure::CancelAndWait,
            "CONTINUE" => OnFailure::Continue,
            _ => return Err(wrong(format!("Invalid ActionOnFailure: {action}"))),
        };
        // API reference, StepConfig: with a StepConcurrencyLevel above 1 "the step is not submitted and the action fails
        // with a message that the ActionOnFailure setting is not valid".
        if life.concurrency > 1 && on_failure != OnFailure::Continue {
            return Err(wrong(format!(
                "ActionOnFailure {action} is not valid when StepConcurrencyLevel is greater than 1."
            )));
        }
        let record = json!({"Name": name, "ActionOnFailure": action, "Config": shown_config(jar)?});
        steps.push(Step { id: common.id("s"), record, role: role.map(str::to_owned) });
        lives.push(StepLife::new(now, on_failure, common.pace.end(name, common.really)));
    }
    life.steps.extend(lives);
    Ok(steps)
}

/// `HadoopStepConfig`: as asked, with the list of properties as a map.
fn shown_config(jar: &Object) -> Result<Value, ApiError> {
    let properties: Object = input::list(jar, "Properties")
        .iter()
        .filter_map(Value::as_object)
        .filter_map(|pair| {
            Some((text(pair, "Key")?.to_owned(), json!(text(pair, "Value").unwrap_or_default())))
        })
        .collect();
    let mut shown =
        json!({"Jar": required(jar, "Jar")?, "Properties": properties, "Args": input::list(jar, "Args")});
    if let Some(class) = text(jar, "MainClass") {
        shown["MainClass"] = json!(class);
    }
    Ok(shown)
}

/// `AddJobFlowSteps`.
pub(super) fn add(region: &mut Region, common: &mut Common, call: &mut Call<'_>) -> Answer {
    let id = required(call.input, "JobFlowId")?;
    let configs = input::list(call.input, "Steps");
    if configs.is_empty() {
        return Err(missing("Steps"));
    }
    let cluster = region.find(id).ok_or_else(|| wrong("Specified job flow ID not valid."))?;
    if cluster.life.state().is_ending() {
        return Err(over());
    }
    let role = text(call.input, "ExecutionRoleArn");
    let added = read(configs, role, &mut cluster.life, common, call.now)?;
    let ids: Vec<String> = added.iter().map(|step| step.id.clone()).collect();
    cluster.steps.extend(added);
    if cluster.life.state().is_ready() {
        cluster.life.settle(call.now);
    }
    call.wrote(id);
    Ok(json!({"StepIds": ids}))
}

/// A step as of a time, if it was there.
fn shown(step: &Step, life: &StepLife, logs: Option<&Logs>, seen: Millis) -> Option<Value> {
    let state = life.state_at(seen)?;
    let mut timeline = json!({"CreationDateTime": time(life.created())});
    put_time(&mut timeline, "StartDateTime", life.started(), seen);
    put_time(&mut timeline, "EndDateTime", life.ended(), seen);
    let mut status = json!({"State": state.name(), "StateChangeReason": {}, "Timeline": timeline});
    if state == StepState::Failed {
        let failure = life.failure();
        let mut details = json!({"Reason": failure.reason});
        if let Some(message) = failure.message {
            details["Message"] = json!(message);
        }
        if let Some(logs) = logs {
            details["LogFile"] = json!(logs.uri(&step.id, "stderr"));
        }
        status["FailureDetails"] = details;
    }
    let mut shown = step.record.clone();
    shown["Id"] = json!(step.id);
    shown["Status"] = status;
    Some(shown)
}

/// `ListSteps`: the newest first. API reference: "in reverse order unless you specify stepIds with the request or filter by
/// StepStates"; in which order then it does not say.
pub(super) fn list(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let cluster = region.cluster(required(call.input, "ClusterId")?)?;
    let states = texts(call.input, "StepStates");
    let ids = texts(call.input, "StepIds");
    // API reference: "You can specify a maximum of 10 stepIDs."
    if ids.len() > 10 {
        return Err(invalid("InvalidRequest", "You can specify a maximum of 10 step IDs."));
    }
    let seen = call.seen();
    let logs = Logs::of(cluster);
    let both = cluster.steps.iter().zip(&cluster.life.steps).enumerate().rev();
    let items = both.filter_map(|(index, (step, life))| {
        let state = life.state_at(seen)?.name();
        let wanted = (states.is_empty() || states.contains(&state))
            && (ids.is_empty() || ids.contains(&step.id.as_str()));
        if wanted { Some((index, shown(step, life, logs.as_ref(), seen)?)) } else { None }
    });
    paging::page(call, "Steps", items)
}

/// `DescribeStep`.
pub(super) fn describe(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let cluster = region.cluster(required(call.input, "ClusterId")?)?;
    let logs = Logs::of(cluster);
    let id = required(call.input, "StepId")?;
    let mut both = cluster.steps.iter().zip(&cluster.life.steps);
    let (step, life) = both
        .find(|(step, _)| step.id == id)
        .ok_or_else(|| invalid("InvalidRequest", format!("Step id '{id}' is not valid.")))?;
    let mut answer = shown(step, life, logs.as_ref(), call.now).unwrap_or_default();
    if let Some(role) = &step.role {
        answer["ExecutionRoleArn"] = json!(role);
    }
    Ok(json!({"Step": answer}))
}

/// `CancelSteps`: all of the steps are there, or none is cancelled.
pub(super) fn cancel(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let cluster_id = required(call.input, "ClusterId")?;
    let cluster = region.cluster(cluster_id)?;
    let how = match text(call.input, "StepCancellationOption") {
        None | Some("SEND_INTERRUPT") => Cancel::Interrupt,
        Some("TERMINATE_PROCESS") => Cancel::Kill,
        Some(other) => return Err(wrong(format!("Invalid StepCancellationOption: {other}"))),
    };
    let ids = texts(call.input, "StepIds");
    if ids.is_empty() {
        return Err(missing("StepIds"));
    }
    let mut indexes = Vec::new();
    for id in &ids {
        let index = cluster.steps.iter().position(|step| step.id == *id);
        let bad = || invalid("InvalidRequest", format!("Step id '{id}' is not valid."));
        indexes.push(index.ok_or_else(bad)?);
    }
    let mut infos = Vec::new();
    let mut any = false;
    for (id, index) in ids.into_iter().zip(indexes) {
        if cluster.life.cancel(index, call.now, how) {
            any = true;
            infos.push(json!({"StepId": id, "Status": "SUBMITTED"}));
        } else {
            let reason = "Step is not in a state that can be cancelled.";
            infos.push(json!({"StepId": id, "Status": "FAILED", "Reason": reason}));
        }
    }
    if any {
        call.wrote(cluster_id);
    }
    Ok(json!({"CancelStepsInfoList": infos}))
}
