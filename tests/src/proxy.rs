//! A proxy before the apiserver that loses, delays and refuses what a controller asks, and shows it the past.
//!
//! The controller speaks plain HTTP with it; the proxy holds the credentials. Answers of watches go through line by line.

mod ask;
mod past;
mod watching;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use kube::Client;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use ask::Ask;
pub use past::Past;
pub use watching::Loss;
use watching::Watching;

use crate::kubernetes;
use crate::team::Team;

/// Bodies of requests are read whole, up to this size.
const LARGEST: usize = 16 << 20;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It has no effect and never an answer.
    Hang,
    /// It has its effect and never an answer.
    HangAfter,
    /// It has its effect, and the answer says that a gateway gave up waiting.
    FailAfter,
    /// 403: no effect.
    Forbidden,
    /// 503: no effect.
    Unavailable,
    /// 409, as if somebody had changed the resource meanwhile: no effect.
    Conflict,
    /// 429 with this many seconds in `Retry-After`: no effect.
    Busy(u64),
    /// 410 "Expired", as a list or watch from too long ago gets.
    Gone,
}

type Matches = Box<dyn Fn(&Ask) -> bool + Send + Sync>;

/// Requests that go another way.
struct Rule {
    matches: Matches,
    from: usize,
    times: usize,
    way: Way,
    matched: usize,
    fired: usize,
}

/// A rule that is not complete yet.
pub struct Arming<'a> {
    shared: &'a Shared,
    matches: Matches,
    from: usize,
    times: usize,
}

impl Arming<'_> {
    /// The first matching request that it strikes, counted from 1.
    #[must_use]
    pub const fn from(mut self, from: usize) -> Self {
        self.from = from;
        self
    }

    /// How often it strikes.
    #[must_use]
    pub const fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// What happens to the requests.
    pub fn go(self, way: Way) {
        let Self { shared, matches, from, times } = self;
        shared.rules().push(Rule { matches, from, times, way, matched: 0, fired: 0 });
    }
}

/// What the proxy knows.
pub(crate) struct Shared {
    upstream: Client,
    rules: Mutex<Vec<Rule>>,
    asked: Mutex<Vec<Ask>>,
    struck: AtomicU64,
    pub(crate) watching: Watching,
    pub(crate) past: Mutex<Option<Past>>,
}

/// A running proxy. It ends when dropped.
pub struct Proxy {
    url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Proxy {
    /// A proxy before the apiserver of a team's stand.
    pub async fn of_apiserver(team: &Team) -> Self {
        let shared = Arc::new(Shared {
            upstream: kubernetes::plain_client(&team.stand).await,
            rules: Mutex::default(),
            asked: Mutex::default(),
            struck: AtomicU64::new(0),
            watching: Watching::default(),
            past: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(answer).with_state(shared.clone());
        let server =
            tokio::spawn(async move { axum::serve(listener, router).await.expect("the proxy serves") });
        Self { url, shared, server }
    }

    /// A kubeconfig that leads here.
    #[must_use]
    pub fn kubeconfig(&self, team: &Team, name: &str) -> PathBuf {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "proxy", "cluster": { "server": self.url } }],
            "users": [{ "name": "nobody", "user": {} }],
            "contexts": [{ "name": "proxy", "context": { "cluster": "proxy", "user": "nobody" } }],
            "current-context": "proxy",
        });
        let path = team.folder().join(format!("{name}.kubeconfig"));
        fs::write(&path, config.to_string()).expect("the kubeconfig is written");
        path
    }

    /// Begins a rule for the requests that match.
    pub fn rule(&self, matches: impl Fn(&Ask) -> bool + Send + Sync + 'static) -> Arming<'_> {
        Arming { shared: &self.shared, matches: Box::new(matches), from: 1, times: usize::MAX }
    }

    /// Loses a part of what watches tell, from now on.
    pub fn lose(&self, loss: Loss) {
        self.shared.watching.lose(loss);
    }

    /// Ends all watches, as the apiserver does from time to time.
    pub fn cut(&self) {
        self.shared.watching.cut(false);
    }

    /// Ends all watches with 410, as the apiserver does when it has forgotten where they were.
    pub fn cut_as_gone(&self) {
        self.shared.watching.cut(true);
    }

    /// From now on lists and watches of tables show the past.
    pub fn show(&self, past: Past) {
        *self.shared.past.lock().unwrap_or_else(PoisonError::into_inner) = Some(past);
    }

    /// Ends all faults. What was lost before stays lost.
    pub fn heal(&self) {
        self.shared.rules().clear();
        self.shared.watching.lose(Loss::default());
        *self.shared.past.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// How often rules have struck.
    #[must_use]
    pub fn struck(&self) -> u64 {
        self.shared.struck.load(Ordering::Relaxed)
    }

    /// How many lines of watches were lost.
    #[must_use]
    pub fn lines_lost(&self) -> u64 {
        self.shared.watching.lost()
    }

    /// All requests that came, oldest first.
    #[must_use]
    pub fn asked(&self) -> Vec<Ask> {
        self.shared.asked().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self) -> MutexGuard<'_, Vec<Ask>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request and decides about it: the first rule that strikes wins.
    fn arrive(&self, ask: &Ask) -> Option<Way> {
        self.asked().push(ask.clone());
        let mut way = None;
        for rule in self.rules().iter_mut().filter(|rule| (rule.matches)(ask)) {
            rule.matched += 1;
            if way.is_none() && rule.matched >= rule.from && rule.fired < rule.times {
                rule.fired += 1;
                way = Some(rule.way);
            }
        }
        way
    }

    fn strike(&self) {
        self.struck.fetch_add(1, Ordering::Relaxed);
    }

    async fn forward(&self, parts: &Parts, body: Bytes) -> Response<Body> {
        let mut request = axum::http::Request::new(kube::client::Body::from(body));
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = parts.uri.clone();
        *request.headers_mut() = parts.headers.clone();
        // What is between the two neighbours only, and what would make lines unreadable here.
        for name in [header::HOST, header::CONNECTION, header::ACCEPT_ENCODING, header::AUTHORIZATION] {
            request.headers_mut().remove(name);
        }
        match self.upstream.send(request).await {
            Ok(answer) => {
                let (mut parts, body) = answer.into_parts();
                parts.headers.remove(header::TRANSFER_ENCODING);
                Response::from_parts(parts, Body::new(body))
            }
            Err(error) => refusal(StatusCode::BAD_GATEWAY, "BadGateway", &error.to_string(), None),
        }
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, LARGEST).await.unwrap_or_default();
    let ask = Ask::of(&parts, Instant::now());
    let way = shared.arrive(&ask);
    if let Some(way) = way {
        let after = matches!(way, Way::HangAfter | Way::FailAfter);
        if after {
            // Read to its end, so that the effect is complete.
            drop(shared.forward(&parts, body).await.into_body().collect().await);
        }
        shared.strike();
        return match way {
            Way::Hang | Way::HangAfter => std::future::pending().await,
            Way::FailAfter => {
                refusal(StatusCode::GATEWAY_TIMEOUT, "Timeout", "the proxy was told to time out", None)
            }
            Way::Forbidden => {
                refusal(StatusCode::FORBIDDEN, "Forbidden", "the proxy was told to forbid this", None)
            }
            Way::Unavailable => {
                refusal(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "not now", None)
            }
            Way::Conflict => refusal(StatusCode::CONFLICT, "Conflict", "the object has been modified", None),
            Way::Busy(seconds) => refusal(
                StatusCode::TOO_MANY_REQUESTS,
                "TooManyRequests",
                "please try again later",
                Some(seconds),
            ),
            Way::Gone if ask.verb == "watch" => Response::new(Body::from(watching::expired())),
            Way::Gone => refusal(StatusCode::GONE, "Expired", "too old resource version", None),
        };
    }
    if let Some(answer) = past::answer(&shared, &ask) {
        return answer;
    }
    let answer = shared.forward(&parts, body).await;
    if ask.verb == "watch" && answer.status().is_success() {
        return watching::pass_on(shared, answer);
    }
    answer
}

/// A refusal in the apiserver's words.
fn refusal(code: StatusCode, reason: &str, message: &str, retry_after: Option<u64>) -> Response<Body> {
    let status = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code.as_u16(),
    });
    let mut answer = Response::new(Body::from(status.to_string()));
    *answer.status_mut() = code;
    *answer.headers_mut() = json_headers();
    if let Some(seconds) = retry_after {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

fn json_headers() -> HeaderMap {
    HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))])
}
