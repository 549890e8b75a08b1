//! Spans of passes and of calls to AWS, sent by OTLP to the collector that the environment names, by OpenTelemetry's own variables.

use std::env;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use http_body_util::{BodyExt, Full};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;

/// The variables that name a collector.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
/// How long a collector may take to answer.
const LONGEST: Duration = Duration::from_secs(10);
/// How long the last spans may take.
const LAST: Duration = Duration::from_secs(3);

/// What is sent to a collector; nothing where none is named.
pub(crate) struct Traces(pub(crate) Option<SdkTracerProvider>);

impl Traces {
    /// Those of a controller. Within a runtime, which sends them.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_off = env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true"));
        if is_off || !ENDPOINTS.into_iter().any(set) {
            return Ok(Self(None));
        }
        let exporter = SpanExporter::builder().with_http().with_http_client(Collector::new()?).build();
        let exporter =
            exporter.with_context(|| format!("spans cannot be sent as {} says", ENDPOINTS.join(" or ")))?;
        let mut resource = Resource::builder();
        if !set("OTEL_SERVICE_NAME") {
            resource = resource.with_service_name("mizuumi");
        }
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        Ok(Self(Some(provider)))
    }
}

impl Drop for Traces {
    /// The last spans are sent; a collector that does not answer keeps nobody from ending.
    fn drop(&mut self) {
        if let Some(provider) = &self.0 {
            provider.shutdown_with_timeout(LAST).ok();
        }
    }
}

/// A collector, reached by the HTTP client that everything here has. OpenTelemetry asks from a thread of its own, which has no runtime.
#[derive(Clone, Debug)]
struct Collector {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Handle,
}

impl Collector {
    fn new() -> anyhow::Result<Self> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(provider)
            .context("the system's certificates cannot be read")?
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, runtime: Handle::current() })
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = async move {
            let (head, body) = client.request(request.map(Full::new)).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        self.runtime.spawn(async move { tokio::time::timeout(LONGEST, sent).await? }).await?
    }
}
