//! Amazon Athena: queries that really run, workgroups with their limits, results. State is kept per (account, region).
//!
//! The SQL is run by DuckDB in a process of its own (`worker.py`), over the files that Glue's tables and partitions point to.
//! Bytes scanned are the sizes of the files of all partitions that were read, each file whole: Athena itself counts the
//! columns of columnar files, so it never tells more.

mod executions;
mod results;
mod worker;
mod workgroups;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use self::executions::Execution;
use self::worker::Worker;
use self::workgroups::WorkGroup;
use crate::audit::Effect;
use crate::faults::Action;
use crate::forward::Upstream;
use crate::glue::{Glue, Object};
use crate::lock::Lock;
use crate::protocol::ApiError;

/// The service as `SigV4` names it.
pub(crate) const SERVICE: &str = "athena";

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
    /// Time of the call in milliseconds.
    pub(crate) now: i64,
    /// Fault: pages hold one item only.
    pub(crate) short_pages: bool,
    /// Fault: the query that is started fails by Athena's own fault.
    pub(crate) fails: bool,
    /// Fault: the query that is started stays queued for so long.
    pub(crate) queued: Option<Duration>,
    /// Effective writes, for the audit.
    pub(crate) effects: Vec<Effect>,
}

/// `InvalidRequestException`, which Athena answers to whatever a client does wrong.
fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::refused("InvalidRequestException", message)
}

fn text<'a>(object: &'a Object, member: &str) -> Option<&'a str> {
    object.get(member).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn required<'a>(object: &'a Object, member: &str) -> Result<&'a str, ApiError> {
    text(object, member).ok_or_else(|| invalid(format!("{member} is required")))
}

fn nested<'a>(object: &'a Object, member: &str) -> Option<&'a Object> {
    object.get(member).and_then(Value::as_object)
}

/// A time as Athena writes it: a JSON number of seconds with milliseconds (awsJson1.1).
fn time(millis: i64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit in 53 bits")]
    let seconds = millis as f64 / 1000.0;
    Value::from(seconds)
}

/// A page of a list, from where its token says; and the next token.
fn page<'a, T>(call: &Call<'_>, all: &'a [T], most: usize) -> Result<(&'a [T], Option<String>), ApiError> {
    let from = match text(call.input, "NextToken") {
        Some(token) => token.parse::<usize>().map_err(|_| invalid("Invalid pagination token"))?,
        None => 0,
    };
    let asked = call.input.get("MaxResults").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    if asked.is_some_and(|asked| asked == 0 || asked > most) {
        return Err(invalid(format!("MaxResults is more than maximum allowed length {most}.")));
    }
    let size = if call.short_pages { 1 } else { asked.unwrap_or(most) };
    let until = from.saturating_add(size).min(all.len());
    let items = all.get(from..until).unwrap_or_default();
    Ok((items, (until < all.len()).then(|| until.to_string())))
}

/// What Athena knows of an account in a region.
#[derive(Debug, Default)]
struct Region {
    /// By id.
    executions: HashMap<String, Execution>,
    /// Ids in the order in which they came.
    order: Vec<String>,
    /// Ids by client token.
    tokens: HashMap<String, String>,
    workgroups: BTreeMap<String, WorkGroup>,
}

impl Region {
    fn execution(&mut self, id: &str) -> Result<&mut Execution, ApiError> {
        self.executions.get_mut(id).ok_or_else(|| invalid(format!("QueryExecution {id} was not found")))
    }
}

/// Account and region.
type Place = (String, String);

/// All regions, and a number that never comes twice.
#[derive(Debug, Default)]
struct State {
    regions: HashMap<Place, Region>,
    made: u64,
}

impl State {
    fn region(&mut self, place: &Place) -> &mut Region {
        self.regions.entry(place.clone()).or_default()
    }

    /// A new id of a query, in the form that Athena's have.
    fn id(&mut self) -> String {
        self.made += 1;
        let bits = self.made.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!("{:08x}-0000-4000-8000-{:012x}", bits >> 32, self.made)
    }
}

/// Athena in all accounts and regions.
#[derive(Debug)]
pub(crate) struct Athena {
    state: Arc<Lock<State>>,
    worker: Arc<Worker>,
}

impl Athena {
    /// Athena without queries, over that catalog, run by that Python.
    pub(crate) fn new(python: Option<PathBuf>, glue: Arc<Glue>, upstream: Option<Upstream>) -> Self {
        Self { state: Arc::default(), worker: Arc::new(Worker::new(python, glue, upstream)) }
    }

    /// Carries out one operation.
    pub(crate) async fn call(&self, operation: &str, call: &mut Call<'_>) -> Answer {
        if operation == "StartQueryExecution" {
            return executions::start(&self.state, &self.worker, call).await;
        }
        let place = (call.account.to_owned(), call.region.to_owned());
        if operation == "StopQueryExecution" {
            let (answer, running) = executions::stop(self.state.hold().region(&place), call)?;
            if let Some(id) = running {
                self.worker.cancel(&id).await;
            }
            return Ok(answer);
        }
        let mut state = self.state.hold();
        let region = state.region(&place);
        match operation {
            "GetQueryExecution" => executions::get(region, call),
            "BatchGetQueryExecution" => executions::batch_get(region, call),
            "ListQueryExecutions" => executions::list(region, call),
            "GetQueryResults" => results::get(region, call),
            "CreateWorkGroup" => workgroups::create(region, call),
            "GetWorkGroup" => workgroups::get(region, call),
            "ListWorkGroups" => workgroups::list(region, call),
            "UpdateWorkGroup" => workgroups::update(region, call),
            "DeleteWorkGroup" => workgroups::delete(region, call),
            _ => {
                let message =
                    format!("Athena operation {operation} is not implemented by the local endpoint");
                Err(ApiError::refused("UnknownOperationException", message))
            }
        }
    }

    /// Forgets an account's queries and workgroups, or all.
    pub(crate) fn reset(&self, account: Option<&str>) {
        let mut state = self.state.hold();
        state.regions.retain(|(owner, _), _| account.is_some_and(|account| account != owner));
    }
}

/// What a request is about, for logs and fault rules.
pub(crate) fn resource(input: &Object) -> String {
    let of = ["QueryExecutionId", "WorkGroup", "Name"].iter().find_map(|member| text(input, member));
    of.unwrap_or_default().to_owned()
}

/// A scripted fault in Athena's words, where these are others than Glue's (botocore athena/2017-05-18).
pub(crate) fn fault(action: Action, error: ApiError) -> ApiError {
    match action {
        Action::ErrorBefore | Action::ErrorAfter => {
            ApiError { code: "InternalServerException".to_owned(), ..error }
        }
        Action::Throttle => ApiError { code: "TooManyRequestsException".to_owned(), ..error },
        Action::ExpireToken => invalid("Invalid pagination token"),
        _ => error,
    }
}
