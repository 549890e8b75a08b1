//! Passing requests on to moto, and its answers back, without touching what is in them.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// A client of the upstream server.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    client: Client<HttpConnector, Body>,
    authority: String,
}

/// Headers that belong to one connection (RFC 9110, 7.6.1), and `Expect`, which we have already answered.
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    header::EXPECT,
    header::PROXY_AUTHENTICATE,
];

impl Upstream {
    /// An upstream at `host:port`.
    pub(crate) fn new(authority: String) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        // moto closes each connection after its answer, so kept connections would only be dead ones.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Self { client, authority }
    }

    /// `host:port`, for a process that asks by itself.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Sends a request on, for an account. `Host` stays as it is: moto builds queue URLs from it.
    pub(crate) async fn send(
        &self,
        parts: &Parts,
        body: Body,
        account: &str,
    ) -> Result<Response<Body>, anyhow::Error> {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let uri: Uri = format!("http://{}{path}", self.authority).parse()?;
        let mut request = Request::new(body);
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = end_to_end(parts.headers.clone());
        // moto takes the account from this header before it looks at the key (moto/core/responses.py).
        request.headers_mut().insert("x-moto-account-id", HeaderValue::from_str(account)?);
        let mut answer = self.client.request(request).await?.map(Body::new);
        let headers = std::mem::take(answer.headers_mut());
        *answer.headers_mut() = end_to_end(headers);
        Ok(answer)
    }

    /// An object of S3, read or written by a service: no client of ours asks for it, so no fault meets it and no log shows it.
    pub(crate) async fn object(
        &self,
        method: Method,
        path: &str,
        account: &str,
        region: &str,
        body: Body,
    ) -> Result<Response<Body>, anyhow::Error> {
        let signed = format!(
            "AWS4-HMAC-SHA256 Credential={account}/20260101/{region}/s3/aws4_request, SignedHeaders=host, Signature=0"
        );
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}/{path}", self.authority))
            .header(header::AUTHORIZATION, signed)
            .header("x-moto-account-id", account)
            .body(body)?;
        Ok(self.client.request(request).await?.map(Body::new))
    }

    /// A call of a service's own to another one that speaks JSON: nobody's call, so no fault meets it and no log shows it.
    pub(crate) async fn json(
        &self,
        service: &str,
        target: &str,
        account: &str,
        region: &str,
        input: &serde_json::Value,
    ) -> Result<serde_json::Value, anyhow::Error> {
        let signed = format!(
            "AWS4-HMAC-SHA256 Credential={account}/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://{}/", self.authority))
            .header(header::HOST, format!("{service}.{region}.amazonaws.com"))
            .header(header::AUTHORIZATION, signed)
            .header(header::CONTENT_TYPE, "application/x-amz-json-1.1")
            .header("x-amz-target", target)
            .header("x-moto-account-id", account)
            .body(Body::from(input.to_string()))?;
        let answer = self.client.request(request).await?;
        let status = answer.status();
        let bytes = answer.into_body().collect().await?.to_bytes();
        let text = String::from_utf8_lossy(&bytes);
        anyhow::ensure!(status.is_success(), "{target}: {status}: {text}");
        Ok(serde_json::from_str(if text.is_empty() { "{}" } else { &text })?)
    }

    /// A request of our own, for moto's own API.
    pub(crate) async fn ask(&self, method: &str, path: &str) -> Result<Response<Body>, anyhow::Error> {
        let uri = format!("http://{}{path}", self.authority);
        let request = Request::builder().method(method).uri(uri).body(Body::empty())?;
        Ok(self.client.request(request).await?.map(Body::new))
    }
}

fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    headers
}
