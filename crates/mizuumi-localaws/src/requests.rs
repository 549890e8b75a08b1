//! One request from its arrival to its answer: naming, faults, the effect (here or in moto), counting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::Value;

use crate::athena::{self, Athena};
use crate::audit::{Audit, Effect, Writer, Written};
use crate::calls::{Calls, Kind};
use crate::client;
use crate::clock;
use crate::ecs::{self, Ecs};
use crate::emr::{self, Emr, Pace};
use crate::faults::{Action, Faults, Plan, Target};
use crate::forward::Upstream;
use crate::glue::{self, Call, Client, Glue, Limits, Object};
use crate::judge::Memory;
use crate::latency::Latencies;
use crate::ledger::Ledger;
use crate::operation::{self, Operation};
use crate::protocol::{ApiError, Protocol};
use crate::quotas::Quotas;
use crate::server::Options;
use crate::sigv4::{Accounts, Principal, Signed};

/// Small bodies (`X-Amz-Target`, forms) are read whole, up to this size.
const LARGEST_DOCUMENT: usize = 64 << 20;

/// Marks an answer that must not be sent: the connection is closed instead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dropped;

/// All that the endpoint knows.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) accounts: Accounts,
    pub(crate) athena: Athena,
    pub(crate) audit: Audit,
    pub(crate) calls: Calls,
    pub(crate) ecs: Ecs,
    pub(crate) emr: Emr,
    pub(crate) faults: Faults,
    pub(crate) glue: Arc<Glue>,
    pub(crate) latencies: Latencies,
    pub(crate) ledger: Ledger,
    pub(crate) limits: Limits,
    pub(crate) memory: Memory,
    pub(crate) quotas: Quotas,
    pub(crate) upstream: Option<Upstream>,
    seq: AtomicU64,
}

impl Endpoint {
    /// An endpoint that knows nothing yet.
    pub(crate) fn new(options: &Options, upstream: Option<Upstream>) -> Self {
        let glue = Arc::<Glue>::default();
        let athena = Athena::new(options.moto_python.clone(), Arc::clone(&glue), upstream.clone());
        Self {
            accounts: Accounts::default(),
            athena,
            audit: Audit::new(options.audit_kept),
            calls: Calls::new(options.calls_kept),
            ecs: Ecs::new(ecs::Pace::of(options.ecs_speed), options.ecs_images.clone()),
            emr: Emr::new(Pace::of(options.emr_speed), options.emr_steps.is_some()),
            faults: Faults::default(),
            glue,
            latencies: Latencies::new(options.latency.clone()),
            ledger: Ledger::default(),
            limits: Limits { versions_per_table: options.versions_per_table },
            memory: Memory::default(),
            quotas: Quotas::default(),
            upstream,
            seq: AtomicU64::new(0),
        }
    }

    /// The number of the last call.
    pub(crate) fn last_seq(&self) -> u64 {
        self.seq.load(Ordering::Relaxed)
    }
}

enum Content {
    Whole(Bytes),
    Stream(Body),
}

/// A request that has been understood.
struct Arrived {
    parts: Parts,
    signed: Signed,
    principal: Principal,
    operation: Operation,
    input: Option<Object>,
    resource: String,
    plan: Plan,
    wait: Duration,
    seq: u64,
}

impl Arrived {
    fn user_agent(&self) -> &str {
        let agent = self.parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        agent.unwrap_or_default()
    }
}

/// What came out of the effect.
struct Done {
    answer: Response<Body>,
    outcome: String,
    effects: Vec<Effect>,
    update_without_version: bool,
    update_with_stale_version: bool,
}

impl Done {
    fn of(answer: Response<Body>, outcome: impl Into<String>) -> Self {
        Self {
            answer,
            outcome: outcome.into(),
            effects: Vec::new(),
            update_without_version: false,
            update_with_stale_version: false,
        }
    }

    fn refused(error: &ApiError, protocol: Protocol) -> Self {
        Self::of(error.answer(protocol), error.code.clone())
    }

    /// A service that speaks JSON got something else.
    fn no_object() -> Self {
        let error = ApiError::refused("SerializationException", "The body is not a JSON object");
        Self::refused(&error, Protocol::Json)
    }

    /// What a service that speaks JSON answers, and what it did.
    fn answered(answer: Result<Value, ApiError>, effects: Vec<Effect>) -> Self {
        let done = match answer {
            Ok(value) => Self::of(json_answer(value.to_string()), "ok"),
            Err(error) => Self::refused(&error, Protocol::Json),
        };
        Self { effects, ..done }
    }
}

/// Answers any AWS request.
pub(crate) async fn answer(State(endpoint): State<Arc<Endpoint>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let content = if operation::has_small_body(&parts) {
        match axum::body::to_bytes(body, LARGEST_DOCUMENT).await {
            Ok(bytes) => Content::Whole(bytes),
            Err(error) => {
                let error = ApiError::refused("SerializationException", error.to_string());
                return error.answer(Protocol::Json);
            }
        }
    } else {
        Content::Stream(body)
    };
    let arrived = arrive(&endpoint, parts, &content);
    if arrived.wait.is_zero() {
        return carry_out(&endpoint, arrived, content).await;
    }
    // In a task of its own: a client that gives up waiting does not undo what the service goes on to do.
    let task = tokio::spawn(async move {
        tokio::time::sleep(arrived.wait).await;
        carry_out(&endpoint, arrived, content).await
    });
    task.await.unwrap_or_else(|_| dropped())
}

fn arrive(endpoint: &Endpoint, parts: Parts, content: &Content) -> Arrived {
    let signed = Signed::of(&parts);
    let principal = endpoint.accounts.principal(&signed.access_key);
    let whole = match content {
        Content::Whole(bytes) => Some(&bytes[..]),
        Content::Stream(_) => None,
    };
    let operation = Operation::of(&parts, &signed, whole);
    let input: Option<Object> = match (operation.protocol, whole) {
        (Protocol::Json, Some(bytes)) => serde_json::from_slice(bytes).ok(),
        _ => None,
    };
    let resource = match operation.protocol {
        Protocol::S3Xml => operation::s3_resource(&parts),
        Protocol::Json if operation.service == emr::SERVICE => {
            input.as_ref().map(emr::resource).unwrap_or_default()
        }
        Protocol::Json if operation.service == athena::SERVICE => {
            input.as_ref().map(athena::resource).unwrap_or_default()
        }
        Protocol::Json if operation.service == ecs::SERVICE => {
            input.as_ref().map(ecs::resource).unwrap_or_default()
        }
        Protocol::Json => input.as_ref().map(glue::resource).unwrap_or_default(),
        Protocol::Query | Protocol::RestJson => String::new(),
    };
    let place = format!("{resource} {}", parts.uri);
    let target = Target {
        account: &principal.account,
        service: &operation.service,
        operation: &operation.name,
        place: &place,
        body: whole.and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default(),
        page: operation::has_page_token(&parts, input.as_ref()),
    };
    let mut plan = endpoint.faults.plan(&target);
    let allowed =
        endpoint.quotas.allow(&principal.account, &operation.service, &operation.name, clock::now());
    if !allowed && plan.action.is_none() {
        plan.action = Some(Action::Throttle);
    }
    let wait = plan.delay + endpoint.latencies.next(&principal.account);
    let seq = endpoint.seq.fetch_add(1, Ordering::Relaxed) + 1;
    Arrived { parts, signed, principal, operation, input, resource, plan, wait, seq }
}

async fn carry_out(endpoint: &Endpoint, arrived: Arrived, content: Content) -> Response<Body> {
    let protocol = arrived.operation.protocol;
    let action = arrived.plan.action;
    let mut done = match action {
        None | Some(Action::ShortPage | Action::ListLag) => effect(endpoint, &arrived, content).await,
        Some(Action::ErrorAfter | Action::DropAfter) => {
            let mut done = effect(endpoint, &arrived, content).await;
            // The upstream's answer is read to its end, so that its effect is complete.
            let answer = std::mem::replace(&mut done.answer, dropped());
            let _ = answer.into_body().collect().await;
            if let Some(error) = action.and_then(|action| scripted(action, &arrived.operation)) {
                done.answer = error.answer(protocol);
            }
            done
        }
        Some(Action::Hang) => {
            record(endpoint, &arrived, &mut Done::of(dropped(), "hang"));
            return std::future::pending().await;
        }
        Some(Action::DropBefore | Action::Delay) => Done::of(dropped(), "dropped"),
        Some(action) => {
            // Clients that are still sending would see a reset instead of the answer.
            if let Content::Stream(body) = content {
                let _ = body.collect().await;
            }
            match scripted(action, &arrived.operation) {
                Some(error) => Done::refused(&error, protocol),
                None => Done::of(dropped(), "dropped"),
            }
        }
    };
    record(endpoint, &arrived, &mut done);
    let headers = done.answer.headers_mut();
    if !headers.contains_key("x-amzn-requestid")
        && let Ok(id) = HeaderValue::from_str(&format!("00000000-0000-4000-8000-{:012x}", arrived.seq))
    {
        headers.insert("x-amzn-requestid", id);
    }
    done.answer
}

async fn effect(endpoint: &Endpoint, arrived: &Arrived, content: Content) -> Done {
    if arrived.operation.service == "glue" {
        return glue_effect(endpoint, arrived);
    }
    if arrived.operation.service == emr::SERVICE {
        return emr_effect(endpoint, arrived);
    }
    if arrived.operation.service == athena::SERVICE {
        return athena_effect(endpoint, arrived).await;
    }
    if arrived.operation.service == ecs::SERVICE {
        return ecs_effect(endpoint, arrived);
    }
    let Some(upstream) = &endpoint.upstream else {
        let message = format!(
            "The local endpoint answers Glue, EMR, Athena and ECS only; start it with --moto-python to have {}",
            arrived.operation.service
        );
        let error = ApiError::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message);
        return Done::refused(&error, arrived.operation.protocol);
    };
    let body = match content {
        Content::Whole(bytes) => Body::from(bytes),
        Content::Stream(body) => body,
    };
    let mut answer = match upstream.send(&arrived.parts, body, &arrived.principal.account).await {
        Ok(answer) => answer,
        Err(error) => {
            let message = format!("moto did not answer: {error:#}");
            let error = ApiError::new(StatusCode::BAD_GATEWAY, "BadGateway", message);
            return Done::refused(&error, arrived.operation.protocol);
        }
    };
    if arrived.operation.name.starts_with("AssumeRole") {
        answer = learn(endpoint, answer).await;
    }
    let status = answer.status();
    if !status.is_success() && !status.is_redirection() && status != StatusCode::NOT_MODIFIED {
        return Done::of(answer, format!("http-{}", status.as_u16()));
    }
    let mut done = Done::of(answer, "ok");
    let reads = matches!(arrived.parts.method, Method::GET | Method::HEAD);
    if arrived.operation.protocol == Protocol::S3Xml && !reads {
        done.effects.push(Effect::on(arrived.resource.clone()));
    }
    done
}

/// Reads the keys that STS hands out, so that their account is known when they come back.
async fn learn(endpoint: &Endpoint, answer: Response<Body>) -> Response<Body> {
    let (parts, body) = answer.into_parts();
    let bytes = axum::body::to_bytes(body, LARGEST_DOCUMENT).await.unwrap_or_default();
    endpoint.accounts.learn(&String::from_utf8_lossy(&bytes));
    Response::from_parts(parts, Body::from(bytes))
}

fn glue_effect(endpoint: &Endpoint, arrived: &Arrived) -> Done {
    let Some(input) = &arrived.input else { return Done::no_object() };
    let principal = &arrived.principal;
    let now = clock::now();
    let region = &arrived.signed.region;
    let mut call =
        Call::new(input, &principal.account, region, &principal.arn, now.as_second(), endpoint.limits);
    call.millis = now.as_millisecond();
    call.lag_millis = millis(arrived.plan.lag);
    call.short_pages = arrived.plan.action == Some(Action::ShortPage);
    call.seq = arrived.seq;
    call.client = match arrived.plan.action {
        _ if !client::is_ours(arrived.user_agent()) => Client::Other,
        Some(Action::DropAfter | Action::ErrorAfter) => Client::OursUnanswered,
        _ => Client::Ours,
    };
    let result = endpoint.glue.call(&arrived.operation.name, &mut call);
    let mut done = match result {
        Ok(text) => Done::of(json_answer(text), "ok"),
        Err(error) => Done::refused(&error, Protocol::Json),
    };
    done.effects = call.effects;
    done.update_without_version = call.update_without_version;
    done.update_with_stale_version = call.update_with_stale_version;
    done
}

fn emr_effect(endpoint: &Endpoint, arrived: &Arrived) -> Done {
    let Some(input) = &arrived.input else { return Done::no_object() };
    let mut call = emr::Call {
        input,
        account: &arrived.principal.account,
        region: &arrived.signed.region,
        now: clock::now().as_millisecond(),
        lag: millis(arrived.plan.lag),
        short_pages: arrived.plan.action == Some(Action::ShortPage),
        fate: arrived.plan.fate.and_then(emr::Fate::of),
        spot_loss: arrived.plan.spot_loss.map(millis),
        effects: Vec::new(),
    };
    let answer = endpoint.emr.call(&arrived.operation.name, &mut call);
    Done::answered(answer, call.effects)
}

async fn athena_effect(endpoint: &Endpoint, arrived: &Arrived) -> Done {
    let Some(input) = &arrived.input else { return Done::no_object() };
    let mut call = athena::Call {
        input,
        account: &arrived.principal.account,
        region: &arrived.signed.region,
        now: clock::now().as_millisecond(),
        short_pages: arrived.plan.action == Some(Action::ShortPage),
        fails: arrived.plan.fate == Some(Action::QueryFailure),
        queued: arrived.plan.queued,
        effects: Vec::new(),
    };
    let answer = endpoint.athena.call(&arrived.operation.name, &mut call).await;
    Done::answered(answer, call.effects)
}

fn ecs_effect(endpoint: &Endpoint, arrived: &Arrived) -> Done {
    let Some(input) = &arrived.input else { return Done::no_object() };
    let mut call = ecs::Call {
        input,
        account: &arrived.principal.account,
        region: &arrived.signed.region,
        now: clock::now().as_millisecond(),
        lag: millis(arrived.plan.lag),
        short_pages: arrived.plan.action == Some(Action::ShortPage),
        fate: arrived.plan.fate.and_then(ecs::Fate::of),
        spot_loss: arrived.plan.spot_loss.map(millis),
        effects: Vec::new(),
    };
    let answer = endpoint.ecs.call(&arrived.operation.name, &mut call);
    Done::answered(answer, call.effects)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn json_answer(text: String) -> Response<Body> {
    let mut answer = Response::new(Body::from(text));
    let kind = HeaderValue::from_static("application/x-amz-json-1.1");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

/// The error that a scripted fault answers, in the words of the service.
fn scripted(action: Action, operation: &Operation) -> Option<ApiError> {
    let error = action.error(operation.protocol)?;
    Some(match operation.service.as_str() {
        emr::SERVICE => emr::fault(action, error),
        athena::SERVICE => athena::fault(action, error),
        ecs::SERVICE => ecs::fault(action, error),
        _ => error,
    })
}

fn record(endpoint: &Endpoint, arrived: &Arrived, done: &mut Done) {
    let fault = arrived.plan.name();
    let time = clock::now();
    let agent = arrived.user_agent();
    let outcome = match arrived.plan.action {
        // What the service did is in the audit; the log says what the client saw.
        Some(Action::DropAfter) => format!("dropped-after-{}", done.outcome),
        Some(Action::ErrorAfter) => format!("error-after-{}", done.outcome),
        _ => std::mem::take(&mut done.outcome),
    };
    if !done.effects.is_empty() || done.update_without_version || done.update_with_stale_version {
        let written = Written {
            seq: arrived.seq,
            time,
            writer: Writer {
                account: arrived.principal.account.clone(),
                region: arrived.signed.region.clone(),
                service: arrived.operation.service.clone(),
                operation: arrived.operation.name.clone(),
                access_key: arrived.signed.access_key.clone(),
                user_agent: agent.to_owned(),
                fault: fault.clone(),
            },
            effects: std::mem::take(&mut done.effects),
            update_without_version: done.update_without_version,
            update_with_stale_version: done.update_with_stale_version,
        };
        endpoint.ledger.enter(&written);
        endpoint.audit.record(written);
    }
    let kind = Kind {
        account: arrived.principal.account.clone(),
        client: client::name(agent).to_owned(),
        service: arrived.operation.service.clone(),
        operation: arrived.operation.name.clone(),
        outcome,
        fault,
    };
    endpoint.calls.record(arrived.seq, time, kind, &arrived.resource);
}

/// An answer that stands for a closed connection.
fn dropped() -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    answer.extensions_mut().insert(Dropped);
    answer
}
