//! A proxy before the AWS endpoint, for what its faults do not know: answers changed on the way, and what others do right
//! before a call.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use futures::future::BoxFuture;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::team::Team;

/// Bodies are read whole, up to this size.
const LARGEST: usize = 64 << 20;

/// A call on its way.
#[derive(Debug)]
pub struct Passing<'a> {
    /// The operation, as `GetTables`; empty for S3.
    pub operation: &'a str,
    /// The request's body.
    pub body: &'a str,
}

/// Answers some calls itself, by JSON error code.
type Refuse = Box<dyn FnMut(&Passing<'_>) -> Option<&'static str> + Send>;
/// What is done before a call goes on.
type Before = Box<dyn FnMut(&Passing<'_>) -> Option<BoxFuture<'static, ()>> + Send>;
/// Changes the text of answers.
type Change = Box<dyn FnMut(&Passing<'_>, String) -> String + Send>;

struct Shared {
    upstream: String,
    client: Client<HttpConnector, Full<Bytes>>,
    refuse: Mutex<Option<Refuse>>,
    before: Mutex<Option<Before>>,
    change: Mutex<Option<Change>>,
}

/// A running proxy. It ends when dropped.
pub struct AwsProxy {
    url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl AwsProxy {
    /// A proxy before a team's endpoint.
    pub async fn of(team: &Team) -> Self {
        let shared = Arc::new(Shared {
            upstream: team.url().to_owned(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            refuse: Mutex::default(),
            before: Mutex::default(),
            change: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(answer).with_state(shared.clone());
        let server =
            tokio::spawn(async move { axum::serve(listener, router).await.expect("the proxy serves") });
        Self { url, shared, server }
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// From now on refuses the calls for which this names an error code.
    pub fn refuse(&self, refuse: impl FnMut(&Passing<'_>) -> Option<&'static str> + Send + 'static) {
        *self.shared.refuse.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(refuse));
    }

    /// From now on does this before calls go on: the call waits until it is done.
    pub fn before(
        &self,
        before: impl FnMut(&Passing<'_>) -> Option<BoxFuture<'static, ()>> + Send + 'static,
    ) {
        *self.shared.before.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(before));
    }

    /// From now on changes answers.
    pub fn change(&self, change: impl FnMut(&Passing<'_>, String) -> String + Send + 'static) {
        *self.shared.change.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(change));
    }

    /// From now on everything goes through as it is.
    pub fn heal(&self) {
        *self.shared.refuse.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *self.shared.before.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *self.shared.change.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Drop for AwsProxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, LARGEST).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let operation = operation(&parts, &text);
    let passing = Passing { operation: &operation, body: &text };
    let refused = {
        let mut refuse = shared.refuse.lock().unwrap_or_else(PoisonError::into_inner);
        refuse.as_mut().and_then(|refuse| refuse(&passing))
    };
    if let Some(code) = refused {
        let body = format!(r#"{{"__type":"{code}","Message":"the proxy was told to refuse this"}}"#);
        let mut answer = Response::new(Body::from(body));
        *answer.status_mut() = StatusCode::BAD_REQUEST;
        return answer;
    }
    let first = {
        let mut before = shared.before.lock().unwrap_or_else(PoisonError::into_inner);
        before.as_mut().and_then(|before| before(&passing))
    };
    if let Some(first) = first {
        first.await;
    }
    let Ok(answer) = forward(&shared, parts, bytes.clone()).await else {
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::BAD_GATEWAY;
        return answer;
    };
    let mut change = shared.change.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(change) = change.as_mut() else { return answer.map(Body::from) };
    let (mut parts, bytes) = answer.into_parts();
    let changed = change(&passing, String::from_utf8_lossy(&bytes).into_owned());
    parts.headers.remove("content-length");
    Response::from_parts(parts, Body::from(changed))
}

async fn forward(shared: &Shared, parts: Parts, body: Bytes) -> anyhow::Result<Response<Bytes>> {
    let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let mut request = axum::http::Request::new(Full::from(body));
    *request.method_mut() = parts.method;
    *request.uri_mut() = format!("{}{path}", shared.upstream).parse()?;
    *request.headers_mut() = parts.headers;
    let (mut parts, body) = shared.client.request(request).await?.into_parts();
    parts.headers.remove("transfer-encoding");
    Ok(Response::from_parts(parts, body.collect().await?.to_bytes()))
}

/// What is called, in the two protocols that matter here.
fn operation(parts: &Parts, body: &str) -> String {
    let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let named = target.and_then(|target| target.rsplit_once('.')).map(|(_, operation)| operation);
    let form = || body.split('&').find_map(|pair| pair.strip_prefix("Action="));
    named.or_else(form).unwrap_or_default().to_owned()
}
