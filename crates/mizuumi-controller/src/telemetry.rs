//! What can be asked of a running controller by HTTP: whether it lives, whether it is ready, how it does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tracing::info;

use crate::error::Error;

/// The media type of the OpenMetrics text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the answers are made from.
pub(crate) struct Telemetry {
    pub(crate) registry: Registry,
    /// How many scopes have not been listed yet.
    pub(crate) unlisted: Arc<AtomicUsize>,
    /// Brings up to date what is read off rather than counted.
    pub(crate) measure: Box<dyn Fn() + Send + Sync>,
}

/// Listens for questions.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let listener =
        TcpListener::bind(address).await.map_err(|source| Error::StartListen { address, source })?;
    if let Ok(address) = listener.local_addr() {
        info!("metrics at http://{address}/metrics");
    }
    Ok(listener)
}

/// Answers questions for ever.
pub(crate) async fn serve(listener: TcpListener, telemetry: Telemetry) {
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(telemetry));
    // It only ends by an error of the listener itself; the controllers go on without it.
    axum::serve(listener, router).await.ok();
}

async fn readyz(State(telemetry): State<Arc<Telemetry>>) -> impl IntoResponse {
    if telemetry.unlisted.load(Ordering::Relaxed) == 0 {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the resources have not been listed yet\n")
    }
}

async fn metrics(State(telemetry): State<Arc<Telemetry>>) -> impl IntoResponse {
    (telemetry.measure)();
    let mut body = String::new();
    let encoded = text::encode(&mut body, &telemetry.registry);
    let status = if encoded.is_ok() { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    (status, [(header::CONTENT_TYPE, OPEN_METRICS)], body)
}
