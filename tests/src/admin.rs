//! The local endpoint's admin API: faults, the log of calls, the audit of writes; all of one account.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde_json::{Value, json};

/// How the controllers' requests name their client.
const OUR_AGENT: &str = "app/mizuumi";

/// The admin API as one account sees it.
#[derive(Clone, Debug)]
pub struct Admin {
    url: String,
    account: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// A call that came in.
#[derive(Clone, Debug, Deserialize)]
pub struct Call {
    /// Its number.
    pub seq: u64,
    /// Service, such as `glue`.
    pub service: String,
    /// Operation.
    pub operation: String,
    /// What it was about.
    pub resource: String,
    /// `ok`, or what went wrong.
    pub outcome: String,
    /// The fault that struck it.
    pub fault: Option<String>,
}

/// A write that took effect.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Write {
    /// Its call's number.
    pub seq: u64,
    /// Who wrote.
    pub user_agent: String,
    /// Operation.
    pub operation: String,
    /// What was written.
    pub resource: String,
    /// The version that the client named.
    pub version_given: Option<String>,
    /// Whether the table was there before.
    pub existed: bool,
    /// The owner mark before.
    pub owner_before: Option<String>,
    /// The owner mark after.
    pub owner_after: Option<String>,
}

impl Call {
    /// Whether its operation writes.
    #[must_use]
    pub fn writes(&self) -> bool {
        !["Get", "List", "Describe"].iter().any(|word| self.operation.contains(word))
    }
}

impl Write {
    /// Whether a controller wrote it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.user_agent.contains(OUR_AGENT)
    }
}

impl Admin {
    pub(crate) fn new(url: &str, account: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { url: url.to_owned(), account: account.to_owned(), client }
    }

    /// Makes this account's calls go wrong; `rule` is a rule of the endpoint without the account.
    pub async fn fault(&self, mut rule: Value) {
        rule["account"] = json!(self.account);
        self.ask("POST", "faults", "", Some(rule)).await.expect("the fault is set");
    }

    /// How often the rules of this account have struck.
    pub async fn struck(&self) -> u64 {
        self.struck_where(|_| true).await
    }

    /// How often those with this action have.
    pub async fn struck_by(&self, action: &str) -> u64 {
        self.struck_where(|rule| rule["action"] == action).await
    }

    async fn struck_where(&self, matches: impl Fn(&Value) -> bool) -> u64 {
        let answer = self.ask("GET", "faults", "", None).await.expect("the faults are listed");
        let rules = answer["faults"].as_array().into_iter().flatten().filter(|rule| matches(rule));
        rules.filter_map(|rule| rule["fired"].as_u64()).sum()
    }

    /// Ends all faults of this account.
    pub async fn heal(&self) {
        self.ask("DELETE", "faults", "", None).await.expect("the faults are cleared");
    }

    /// The number of the last call of anybody.
    pub async fn seq(&self) -> u64 {
        self.ask("GET", "calls", "", None).await.expect("the calls are counted")["seq"].as_u64().expect("seq")
    }

    /// The calls after a number, oldest first. Those of the test itself are among them.
    pub async fn calls(&self, since: u64) -> Vec<Call> {
        let query = format!("&log=true&since={since}");
        let answer = self.ask("GET", "calls", &query, None).await.expect("the calls are listed");
        serde_json::from_value(answer["log"].clone()).expect("calls")
    }

    /// How many calls of one operation came after a number.
    pub async fn count(&self, operation: &str, since: u64) -> usize {
        self.calls(since).await.iter().filter(|call| call.operation == operation).count()
    }

    /// The writes of controllers and of `mizuumi plan`, oldest first.
    pub async fn writes(&self) -> Vec<Write> {
        let mut writes = self.all_writes().await;
        writes.retain(Write::is_ours);
        writes
    }

    /// The writes of everybody, oldest first.
    pub async fn all_writes(&self) -> Vec<Write> {
        let answer = self.ask("GET", "audit", "", None).await.expect("the writes are listed");
        serde_json::from_value(answer["entries"].clone()).expect("writes")
    }

    /// Says what crawlers find at a place; `finding` is one of the endpoint without the account.
    pub async fn finding(&self, mut finding: Value) {
        finding["account"] = json!(self.account);
        self.ask("POST", "findings", "", Some(finding)).await.expect("the finding is set");
    }

    /// Lets time pass for the crawls of this account.
    pub async fn age_crawls(&self, seconds: i64) {
        let aging = json!({ "account": self.account, "seconds": seconds });
        self.ask("POST", "crawls/age", "", Some(aging)).await.expect("the crawls are older");
    }

    /// Says how EMR's clusters live from now on, in every account.
    pub async fn emr_pace(&self, pace: Value) {
        self.ask("POST", "emr", "", Some(pace)).await.expect("the pace is set");
    }

    /// Says how ECS's tasks live from now on, in every account.
    pub async fn task_pace(&self, pace: Value) {
        self.ask("POST", "ecs", "", Some(pace)).await.expect("the pace is set");
    }

    /// Says what images of this account's tasks stand for.
    pub async fn images(&self, mut images: Value) {
        for image in images.as_array_mut().into_iter().flatten() {
            image["account"] = json!(self.account);
        }
        self.ask("POST", "ecs/images", "", Some(images)).await.expect("the images are known");
    }

    /// Limits the rate of this account's calls; `quota` is a quota of the endpoint without the account.
    pub async fn quota(&self, mut quota: Value) {
        quota["account"] = json!(self.account);
        self.ask("POST", "quotas", "", Some(quota)).await.expect("the quota is set");
    }

    /// Ends all quotas of this account.
    pub async fn no_quota(&self) {
        self.ask("DELETE", "quotas", "", None).await.expect("the quotas are cleared");
    }

    /// What the endpoint counts of the controllers' writes, such as `updateTableWithoutVersion`.
    pub async fn witness(&self, counter: &str) -> u64 {
        let answer = self.ask("GET", "audit", "", None).await.expect("the witness is asked");
        let counters = &answer["witness"][&self.account][OUR_AGENT];
        if counters.is_null() {
            return 0;
        }
        counters[counter].as_u64().unwrap_or_else(|| panic!("no counter {counter} in {counters}"))
    }

    /// What the endpoint says of the promises of Mizuumi, by the objects that a list holds; `more` are further
    /// parameters, such as `&quietSince=7`. Fails the test with the verdict if one is broken.
    pub async fn judge(&self, list: Value, more: &str) -> Value {
        let path = format!("judge?account={}&grace=0{more}", self.account);
        let answer = self.ask("POST", &path, "", Some(list)).await.expect("the endpoint judges");
        assert_eq!(answer["violations"], 0, "promises are broken: {answer:#}");
        answer
    }

    pub(crate) fn account(&self) -> &str {
        &self.account
    }

    /// Calls EC2 as another program would; answers its XML. The signature is not looked at, only whose it is.
    pub async fn ec2(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        let mut form = format!("Action={action}&Version=2016-11-15");
        for (name, value) in parameters {
            let value = value.replace('/', "%2F");
            write!(form, "&{name}={value}").expect("writes to a string");
        }
        let kind = ("content-type", "application/x-www-form-urlencoded");
        self.signed("ec2", &[kind], form).await
    }

    /// Calls a service that speaks JSON as another program would.
    pub async fn json(&self, service: &str, target: &str, input: Value) -> Value {
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
        let text = self.signed(service, &headers, input.to_string()).await;
        serde_json::from_str(if text.is_empty() { "{}" } else { &text }).expect("JSON")
    }

    async fn signed(&self, service: &str, headers: &[(&str, &str)], body: String) -> String {
        let scope = format!("{}/20260101/us-east-1/{service}/aws4_request", self.account);
        let signature = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        let mut request = Request::builder().method("POST").uri(format!("{}/", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.header("authorization", signature).body(Full::from(body)).expect("a request");
        let answer = self.client.request(request).await.expect("an answer of AWS");
        let status = answer.status();
        let bytes = answer.into_body().collect().await.expect("an answer of AWS").to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(status.is_success(), "{service} {headers:?}: {status} {text}");
        text
    }

    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        query: &str,
        body: Option<Value>,
    ) -> Result<Value> {
        let uri = format!("{}/_localaws/{path}?account={}{query}", self.url, self.account);
        // Rules carry their account in the body.
        let uri = if method == "POST" { format!("{}/_localaws/{path}", self.url) } else { uri };
        let request = Request::builder()
            .method(method)
            .uri(&uri)
            .header("content-type", "application/json")
            .body(Full::from(body.map(|body| body.to_string()).unwrap_or_default()))?;
        let answer = self.client.request(request).await.with_context(|| format!("no answer from {uri}"))?;
        let status = answer.status();
        let bytes = answer.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            bail!("{uri}: {status} {}", String::from_utf8_lossy(&bytes));
        }
        Ok(serde_json::from_slice(&bytes)?)
    }
}
