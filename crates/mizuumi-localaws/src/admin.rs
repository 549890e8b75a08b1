//! The admin API under `/_localaws/`: faults, quotas, latency, the pace of EMR and ECS, clusters, images, counts, audit, judge, seed, what
//! crawlers find, reset.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::audit;
use crate::clock;
use crate::ecs;
use crate::emr::Pace;
use crate::faults::Rule;
use crate::glue::{Aging, Finding, Seed};
use crate::judge::{self, Question, View};
use crate::latency::Latency;
use crate::quotas::{Presets, Quota};
use crate::requests::Endpoint;

/// The routes.
pub(crate) fn router() -> Router<Arc<Endpoint>> {
    Router::new()
        .route("/health", get(health))
        .route("/calls", get(calls).delete(forget_calls))
        .route("/faults", get(faults).post(add_faults).delete(clear_faults))
        .route("/quotas", get(quotas).post(add_quotas).delete(clear_quotas))
        .route("/quotas/preset", post(add_preset))
        .route("/latency", get(latencies).post(set_latencies).delete(clear_latencies))
        .route("/emr", get(pace).post(set_pace))
        .route("/ecs", get(task_pace).post(set_task_pace))
        .route("/ecs/images", get(images).post(add_images))
        .route("/clusters", post(clusters))
        .route("/audit", get(audit))
        .route("/seed", post(seed))
        .route("/findings", post(add_findings))
        .route("/crawls/age", post(age_crawls))
        // 100,000 objects of 4 kB.
        .route("/judge", post(judge).layer(DefaultBodyLimit::disable()))
        .route("/reset", post(reset))
}

/// Query parameters; each route uses some.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Selection {
    account: Option<String>,
    since: Option<u64>,
    id: Option<u64>,
    user_agent: Option<String>,
    #[serde(default)]
    log: bool,
}

type Shared = State<Arc<Endpoint>>;

async fn health(State(endpoint): Shared) -> Json<Value> {
    Json(json!({"status": "ok", "moto": endpoint.upstream.is_some(), "seq": endpoint.last_seq()}))
}

async fn calls(State(endpoint): Shared, Query(selection): Query<Selection>) -> Json<Value> {
    let account = selection.account.as_deref();
    let seq = endpoint.last_seq();
    let mut answer = json!({"seq": seq, "counts": endpoint.calls.counts(account, selection.since)});
    let (forgotten, complete) = endpoint.calls.forgotten(selection.since.unwrap_or(0));
    answer["forgotten"] = json!(forgotten);
    // Counts without `since` are always whole.
    answer["incomplete"] = json!(!complete && (selection.log || selection.since.is_some()));
    if selection.log {
        answer["log"] = json!(endpoint.calls.log(account, selection.since.unwrap_or(0)));
    }
    Json(answer)
}

async fn forget_calls(State(endpoint): Shared, Query(selection): Query<Selection>) -> Json<Value> {
    endpoint.calls.reset(selection.account.as_deref());
    Json(json!({}))
}

/// One item or a list of items.
fn read_items<T: DeserializeOwned>(body: &Value) -> Result<Vec<T>, (StatusCode, Json<Value>)> {
    let items = match body {
        Value::Array(items) => items.clone(),
        item => vec![item.clone()],
    };
    let items: Result<Vec<T>, _> = items.into_iter().map(serde_json::from_value).collect();
    items.map_err(|error| (StatusCode::BAD_REQUEST, Json(json!({"error": error.to_string()}))))
}

async fn add_faults(State(endpoint): Shared, Json(body): Json<Value>) -> Response {
    match read_items::<Rule>(&body) {
        Ok(rules) => {
            let ids: Vec<u64> = rules.into_iter().map(|rule| endpoint.faults.add(rule)).collect();
            Json(json!({"ids": ids})).into_response()
        }
        Err(error) => error.into_response(),
    }
}

async fn faults(State(endpoint): Shared, Query(selection): Query<Selection>) -> Json<Value> {
    Json(json!({"faults": endpoint.faults.list(selection.account.as_deref())}))
}

async fn clear_faults(State(endpoint): Shared, Query(selection): Query<Selection>) -> Json<Value> {
    endpoint.faults.clear(selection.account.as_deref(), selection.id);
    Json(json!({}))
}

async fn add_quotas(State(endpoint): Shared, Json(body): Json<Value>) -> Response {
    match read_items::<Quota>(&body) {
        Ok(quotas) => {
            for quota in quotas {
                endpoint.quotas.add(quota);
            }
            Json(json!({})).into_response()
        }
        Err(error) => error.into_response(),
    }
}

async fn add_preset(State(endpoint): Shared, Json(body): Json<Value>) -> Response {
    match read_items::<Presets>(&body) {
        Ok(presets) => {
            for quota in presets.iter().flat_map(Presets::quotas) {
                endpoint.quotas.add(quota);
            }
            Json(json!({})).into_response()
        }
        Err(error) => error.into_response(),
    }
}

async fn quotas(State(endpoint): Shared) -> Json<Value> {
    Json(json!({"quotas": endpoint.quotas.list()}))
}

async fn clear_quotas(State(endpoint): Shared, Query(selection): Query<Selection>) -> Json<Value> {
    endpoint.quotas.clear(selection.account.as_deref());
    Json(json!({}))
}

async fn set_latencies(State(endpoint): Shared, Json(body): Json<Value>) -> Response {
    match read_items::<Latency>(&body) {
        Ok(latencies) => {
            for latency in latencies {
                endpoint.latencies.set(latency);
            }
            Json(json!({})).into_response()
        }
        Err(error) => error.into_response(),
    }
}

async fn latencies(State(endpoint): Shared) -> Json<Value> {
    Json(json!({"latencies": endpoint.latencies.list()}))
}

async fn clear_latencies(State(endpoint): Shared, Query(selection): Query<Selection>) -> Json<Value> {
    endpoint.latencies.clear(selection.account.as_deref());
    Json(json!({}))
}

async fn pace(State(endpoint): Shared) -> Json<Value> {
    Json(json!(endpoint.emr.pace()))
}

/// Sets how fast EMR's clusters and steps live; what is not said stays as usual.
async fn set_pace(State(endpoint): Shared, Json(body): Json<Value>) -> Response {
    let refused = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({"error": error}))).into_response();
    let pace = match serde_json::from_value::<Pace>(body) {
        Ok(pace) => pace,
        Err(error) => return refused(&error.to_string()),
    };
    if let Some(fault) = pace.fault() {
        return refused(fault);
    }
    endpoint.emr.set_pace(pace, clock::now().as_millisecond());
    Json(json!({})).into_response()
}

async fn task_pace(State(endpoint): Shared) -> Json<Value> {
    Json(json!(endpoint.ecs.pace()))
}

/// Sets how fast ECS's tasks live; what is not said stays as usual.
async fn set_task_pace(State(endpoint): Shared, Json(body): Json<Value>) -> Response {
    let refused = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({"error": error}))).into_response();
    let pace = match serde_json::from_value::<ecs::Pace>(body) {
        Ok(pace) => pace,
        Err(error) => return refused(&error.to_string()),
    };
    if let Some(fault) = pace.fault() {
        return refused(fault);
    }
    endpoint.ecs.set_pace(pace, clock::now().as_millisecond());
    Json(json!({})).into_response()
}

async fn images(State(endpoint): Shared) -> Json<Value> {
    Json(json!({"images": endpoint.ecs.images()}))
}

/// Says what images stand for; the latest word counts.
async fn add_images(State(endpoint): Shared, Json(body): Json<Value>) -> Response {
    match read_items::<ecs::Image>(&body) {
        Ok(images) => {
            for image in images {
                endpoint.ecs.know(image);
            }
            Json(json!({})).into_response()
        }
        Err(error) => error.into_response(),
    }
}

/// Which owners' clusters to tell about.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Owners {
    account: Option<String>,
    /// All owners that there are: a cluster alive that names another is an orphan.
    owners: Option<BTreeSet<String>>,
}

/// Clusters and steps by owner: how many were started, which live, doubled ones and orphans.
async fn clusters(State(endpoint): Shared, Json(body): Json<Value>) -> Response {
    let asked = match serde_json::from_value::<Owners>(body) {
        Ok(asked) => asked,
        Err(error) => {
            return (StatusCode::BAD_REQUEST, Json(json!({"error": error.to_string()}))).into_response();
        }
    };
    let account = asked.account.as_deref();
    let survey = endpoint.emr.survey(account, asked.owners.as_ref(), clock::now().as_millisecond());
    let foreign = endpoint.ledger.book(account).foreign_clusters;
    let mut answer = json!(survey);
    answer["seq"] = json!(endpoint.last_seq());
    answer["foreignWrites"] = json!({"count": foreign.count, "examples": foreign.examples});
    Json(answer).into_response()
}

async fn audit(State(endpoint): Shared, Query(selection): Query<Selection>) -> Json<Value> {
    let account = selection.account.as_deref();
    let seq = endpoint.last_seq();
    let since = selection.since.unwrap_or(0);
    let user_agent = selection.user_agent.as_deref();
    let entries = endpoint.audit.entries(&audit::Selection { account, since, user_agent });
    let (forgotten, complete) = endpoint.audit.forgotten(since);
    Json(json!({"seq": seq, "entries": entries, "witness": endpoint.audit.witness(account),
        "forgotten": forgotten, "incomplete": !complete}))
}

/// Makes many tables at once, on a thread where that may take its time.
async fn seed(State(endpoint): Shared, Json(body): Json<Value>) -> Response {
    let seed = match serde_json::from_value::<Seed>(body) {
        Ok(seed) => seed,
        Err(error) => {
            return (StatusCode::BAD_REQUEST, Json(json!({"error": error.to_string()}))).into_response();
        }
    };
    let seeded =
        tokio::task::spawn_blocking(move || endpoint.glue.seed(&seed, clock::now().as_second())).await;
    match seeded {
        Ok(Ok(seeded)) => Json(json!(seeded)).into_response(),
        Ok(Err(error)) => {
            let body = json!({"error": format!("{}: {}", error.code, error.message)});
            (StatusCode::BAD_REQUEST, Json(body)).into_response()
        }
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"error": error.to_string()}))).into_response()
        }
    }
}

async fn add_findings(State(endpoint): Shared, Json(body): Json<Value>) -> Response {
    match read_items::<Finding>(&body) {
        Ok(findings) => {
            for finding in findings {
                endpoint.glue.find(finding);
            }
            Json(json!({})).into_response()
        }
        Err(error) => error.into_response(),
    }
}

async fn age_crawls(State(endpoint): Shared, Json(body): Json<Value>) -> Response {
    match read_items::<Aging>(&body) {
        Ok(all) => {
            for aging in all {
                endpoint.glue.age_crawls(&aging);
            }
            Json(json!({})).into_response()
        }
        Err(error) => error.into_response(),
    }
}

/// Judges by the objects posted, on a thread where that may take its time.
async fn judge(State(endpoint): Shared, Query(question): Query<Question>, body: Bytes) -> Response {
    let judged = tokio::task::spawn_blocking(move || {
        let view = View::read(&body)?;
        drop(body);
        serde_json::to_value(judge::judge(&endpoint, &question, &view.tables()))
    });
    match judged.await {
        Ok(Ok(judgement)) => Json(judgement).into_response(),
        Ok(Err(error)) => {
            let message = format!("these are no DataTables as kubectl prints them: {error}");
            (StatusCode::BAD_REQUEST, Json(json!({"error": message}))).into_response()
        }
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"error": error.to_string()}))).into_response()
        }
    }
}

/// Forgets state, faults, quotas, latency, calls, audit and objects shown of an account, or of all. moto can only forget everything, so its
/// state stays when an account is named.
async fn reset(State(endpoint): Shared, Query(selection): Query<Selection>) -> Response {
    let account = selection.account.as_deref();
    endpoint.glue.reset(account);
    endpoint.athena.reset(account);
    endpoint.emr.reset(account);
    endpoint.ecs.reset(account);
    endpoint.faults.clear(account, None);
    endpoint.quotas.clear(account);
    endpoint.latencies.clear(account);
    endpoint.calls.reset(account);
    endpoint.audit.reset(account);
    endpoint.ledger.reset(account);
    endpoint.memory.reset(account);
    if let (None, Some(upstream)) = (account, &endpoint.upstream)
        && let Err(error) = upstream.ask("POST", "/moto-api/reset").await
    {
        let body = json!({"error": format!("moto was not reset: {error:#}")});
        return (StatusCode::BAD_GATEWAY, Json(body)).into_response();
    }
    Json(json!({})).into_response()
}
