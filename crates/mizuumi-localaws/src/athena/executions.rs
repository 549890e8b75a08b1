//! Queries: started once for each client token, looked at, stopped.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::results::Table;
use super::worker::{Done, Worker};
use super::{Answer, Call, Place, Region, State as Athena, invalid, nested, page, required, text, time};
use crate::audit::Effect;
use crate::clock;
use crate::lock::Lock;
use crate::protocol::ApiError;

/// A client token has 32 to 128 characters, a statement at most 262,144 bytes (botocore athena/2017-05-18).
const TOKEN: std::ops::RangeInclusive<usize> = 32..=128;
const LONGEST_QUERY: usize = 262_144;
/// `BatchGetQueryExecution` takes at most so many ids, and a list has at most so many on a page.
const BATCH: usize = 50;

/// Where a query is in its life.
#[derive(Debug, Clone)]
pub(super) enum State {
    Queued,
    Running,
    Succeeded(Table),
    /// Why, and whose fault it was: 1 is Athena's own, 2 the user's, 3 another's.
    Failed(String, i64),
    Cancelled(String),
}

impl State {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Succeeded(_) => "SUCCEEDED",
            Self::Failed(..) => "FAILED",
            Self::Cancelled(_) => "CANCELLED",
        }
    }

    const fn is_over(&self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// What was asked for; the same token with another is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    query: String,
    database: Option<String>,
    catalog: Option<String>,
    output: Option<String>,
    workgroup: Option<String>,
    parameters: Vec<String>,
}

/// A query.
#[derive(Debug, Clone)]
pub(super) struct Execution {
    id: String,
    asked: Asked,
    workgroup: String,
    output: String,
    pub(super) state: State,
    submitted: i64,
    started: Option<i64>,
    completed: Option<i64>,
    scanned: i64,
    engine_millis: i64,
}

impl Execution {
    fn told(&self, now: i64) -> Value {
        let end = self.completed.unwrap_or(now);
        let started = self.started.unwrap_or(end);
        let mut status = json!({ "State": self.state.name(), "SubmissionDateTime": time(self.submitted) });
        if let Some(completed) = self.completed {
            status["CompletionDateTime"] = time(completed);
        }
        match &self.state {
            State::Failed(reason, category) => {
                status["StateChangeReason"] = json!(reason);
                // `ErrorType` is left out: its numbers are Athena's own and not all published.
                status["AthenaError"] =
                    json!({ "ErrorCategory": category, "Retryable": *category == 1, "ErrorMessage": reason });
            }
            State::Cancelled(reason) => status["StateChangeReason"] = json!(reason),
            _ => {}
        }
        let mut context = json!({});
        for (member, value) in [("Database", &self.asked.database), ("Catalog", &self.asked.catalog)] {
            if let Some(value) = value {
                context[member] = json!(value);
            }
        }
        let mut told = json!({
            "QueryExecutionId": self.id,
            "Query": self.asked.query,
            "StatementType": "DML",
            "SubstatementType": "SELECT",
            "ResultConfiguration": { "OutputLocation": self.output },
            "ResultReuseConfiguration": { "ResultReuseByAgeConfiguration": { "Enabled": false } },
            "QueryExecutionContext": context,
            "Status": status,
            "Statistics": {
                "EngineExecutionTimeInMillis": self.engine_millis,
                "DataScannedInBytes": self.scanned,
                "TotalExecutionTimeInMillis": end - self.submitted,
                "QueryQueueTimeInMillis": started - self.submitted,
                "ServiceProcessingTimeInMillis": (end - started - self.engine_millis).max(0),
                "ResultReuseInformation": { "ReusedPreviousResult": false },
            },
            "WorkGroup": self.workgroup,
            "EngineVersion": {
                "SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3",
            },
        });
        if !self.asked.parameters.is_empty() {
            told["ExecutionParameters"] = json!(self.asked.parameters);
        }
        told
    }

    fn end(&mut self, state: State, now: i64) {
        self.started.get_or_insert(now);
        self.completed = Some(now);
        self.state = state;
    }
}

fn asked(call: &Call<'_>) -> Result<(Asked, String), ApiError> {
    let input = call.input;
    let query = required(input, "QueryString")?;
    if query.len() > LONGEST_QUERY {
        return Err(invalid(format!("QueryString is longer than {LONGEST_QUERY} bytes")));
    }
    // "If you are not using the AWS SDK or the AWS CLI, you must provide this token or the action will fail."
    let token = required(input, "ClientRequestToken")?;
    if !TOKEN.contains(&token.chars().count()) {
        return Err(invalid("ClientRequestToken has to have 32 to 128 characters"));
    }
    let context = nested(input, "QueryExecutionContext");
    let of_context = |member| context.and_then(|context| text(context, member)).map(str::to_owned);
    let parameters = match input.get("ExecutionParameters").and_then(Value::as_array) {
        Some(all) => all.iter().map(|of| of.as_str().unwrap_or_default().to_owned()).collect(),
        None => Vec::new(),
    };
    let output = nested(input, "ResultConfiguration").and_then(|of| text(of, "OutputLocation"));
    let asked = Asked {
        query: query.to_owned(),
        database: of_context("Database"),
        catalog: of_context("Catalog"),
        output: output.map(str::to_owned),
        workgroup: text(input, "WorkGroup").map(str::to_owned),
        parameters,
    };
    Ok((asked, token.to_owned()))
}

/// What a token has started before.
fn started(region: &Region, token: &str, asked: &Asked) -> Result<Option<Value>, ApiError> {
    let Some(id) = region.tokens.get(token) else { return Ok(None) };
    match region.executions.get(id) {
        Some(execution) if execution.asked == *asked => Ok(Some(json!({ "QueryExecutionId": id }))),
        _ => Err(invalid("Idempotent parameters do not match")),
    }
}

pub(super) async fn start(state: &Arc<Lock<Athena>>, worker: &Arc<Worker>, call: &mut Call<'_>) -> Answer {
    let (asked, token) = asked(call)?;
    let place: Place = (call.account.to_owned(), call.region.to_owned());
    if let Some(answer) = started(state.hold().region(&place), &token, &asked)? {
        return Ok(answer);
    }
    // What is no SQL is refused at once; what cannot be run fails by and by.
    if let Some(why) = worker.refusal(&asked.query).await? {
        return Err(invalid(why));
    }
    let (execution, run) = {
        let mut held = state.hold();
        let region = held.region(&place);
        // Another call with the token may have come while the statement was read.
        if let Some(answer) = started(region, &token, &asked)? {
            return Ok(answer);
        }
        let name = asked.workgroup.clone();
        let group = region.open_workgroup(name.as_deref(), call.now)?;
        let output = match (group.output(), &asked.output) {
            (Some(output), _) if group.enforces() => output.to_owned(),
            (_, Some(output)) => output.clone(),
            (Some(output), None) => output.to_owned(),
            (None, None) => {
                return Err(invalid(
                    "No output location provided. An output location is required either through the Workgroup result \
                     configuration setting or as an API input.",
                ));
            }
        };
        let cutoff = group.cutoff();
        let id = held.id();
        let execution = Execution {
            id: id.clone(),
            asked: asked.clone(),
            workgroup: name.unwrap_or_else(|| "primary".to_owned()),
            output: format!("{}/{id}.csv", output.trim_end_matches('/')),
            state: State::Queued,
            submitted: call.now,
            started: None,
            completed: None,
            scanned: 0,
            engine_millis: 0,
        };
        let run = json!({
            "id": id, "kind": "run", "sql": asked.query, "parameters": asked.parameters,
            "database": asked.database, "account": place.0, "region": place.1, "cutoff": cutoff,
            "output": execution.output,
        });
        let region = held.region(&place);
        region.tokens.insert(token, id.clone());
        region.order.push(id.clone());
        region.executions.insert(id, execution.clone());
        (execution, run)
    };
    call.effects.push(Effect::on(execution.id.clone()));
    let task = run_it(Arc::clone(state), Arc::clone(worker), place, execution.id.clone(), run);
    tokio::spawn(task_with(task, call.queued, call.fails, Arc::clone(state), execution.id.clone()));
    Ok(json!({ "QueryExecutionId": execution.id }))
}

/// Runs a query after it was queued for a while, unless Athena itself fails.
async fn task_with(
    task: impl Future<Output = ()>,
    queued: Option<Duration>,
    fails: bool,
    state: Arc<Lock<Athena>>,
    id: String,
) {
    if let Some(queued) = queued {
        tokio::time::sleep(queued).await;
    }
    if fails {
        let now = clock::now().as_millisecond();
        let mut held = state.hold();
        for region in held.regions.values_mut() {
            if let Some(execution) = region.executions.get_mut(&id)
                && !execution.state.is_over()
            {
                let reason = "GENERIC_INTERNAL_ERROR: the local endpoint was told that this query fails";
                execution.end(State::Failed(reason.to_owned(), 1), now);
            }
        }
        return;
    }
    task.await;
}

async fn run_it(state: Arc<Lock<Athena>>, worker: Arc<Worker>, place: Place, id: String, run: Value) {
    {
        let mut held = state.hold();
        let Some(execution) = held.region(&place).executions.get_mut(&id) else { return };
        if execution.state.is_over() {
            return;
        }
        execution.state = State::Running;
        execution.started = Some(clock::now().as_millisecond());
    }
    let done = worker.run(&place, &id, run).await;
    let now = clock::now().as_millisecond();
    let mut held = state.hold();
    let Some(execution) = held.region(&place).executions.get_mut(&id) else { return };
    // Whoever stopped it has had the last word.
    if execution.state.is_over() {
        return;
    }
    let Done { outcome, scanned, millis } = done;
    execution.scanned = scanned;
    execution.engine_millis = millis;
    execution.end(outcome, now);
}

pub(super) fn get(region: &mut Region, call: &mut Call<'_>) -> Answer {
    let id = required(call.input, "QueryExecutionId")?;
    Ok(json!({ "QueryExecution": region.execution(id)?.told(call.now) }))
}

pub(super) fn batch_get(region: &mut Region, call: &mut Call<'_>) -> Answer {
    let ids = call.input.get("QueryExecutionIds").and_then(Value::as_array);
    let ids: Vec<&str> = ids.into_iter().flatten().filter_map(Value::as_str).collect();
    if ids.is_empty() || ids.len() > BATCH {
        return Err(invalid(format!("QueryExecutionIds has to have 1 to {BATCH} items")));
    }
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for id in ids {
        match region.executions.get(id) {
            Some(execution) => found.push(execution.told(call.now)),
            None => missing.push(json!({
                "QueryExecutionId": id,
                "ErrorCode": "INVALID_QUERY_EXECUTION_ID",
                "ErrorMessage": format!("QueryExecution {id} was not found"),
            })),
        }
    }
    Ok(json!({ "QueryExecutions": found, "UnprocessedQueryExecutionIds": missing }))
}

/// The newest first, of one workgroup.
pub(super) fn list(region: &mut Region, call: &mut Call<'_>) -> Answer {
    let group = text(call.input, "WorkGroup").unwrap_or("primary").to_owned();
    region.workgroup(Some(&group), call.now)?;
    let of_group =
        |id: &&String| region.executions.get(*id).is_some_and(|execution| execution.workgroup == group);
    let all: Vec<&String> = region.order.iter().rev().filter(of_group).collect();
    let (ids, next) = page(call, &all, BATCH)?;
    Ok(json!({ "QueryExecutionIds": ids, "NextToken": next }))
}

/// Stops a query; one that is over stays as it is. Answers which one has to be interrupted.
pub(super) fn stop(region: &mut Region, call: &mut Call<'_>) -> Result<(Value, Option<String>), ApiError> {
    let id = required(call.input, "QueryExecutionId")?;
    let execution = region.execution(id)?;
    let mut running = None;
    if !execution.state.is_over() {
        running = Some(id.to_owned());
        execution.end(State::Cancelled("Query cancelled by user".to_owned()), call.now);
        call.effects.push(Effect::on(id));
    }
    Ok((json!({}), running))
}
