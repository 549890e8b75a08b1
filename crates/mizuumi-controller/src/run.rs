//! Starting the controllers, and stopping them in good order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future;
use kube::Client;
use kube::api::ListParams;
use mizuumi_api::Installation;
use mizuumi_api::data_table::{DataTable, DataTableStatus};
use mizuumi_aws::catalog::Catalog;
use mizuumi_aws::{Clients, TablePort};
use mizuumi_core::Lane;
use mizuumi_core::data_table::Tables;
use prometheus_client::registry::Registry;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use crate::backoff::Backoff;
use crate::clock;
use crate::deletions::Deletions;
use crate::driver::{Context, Driven};
use crate::error::Error;
use crate::events::Events;
use crate::index::Index;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::status::Written;
use crate::store::Store;
use crate::telemetry::{self, Telemetry};
use crate::watch::{self, Scope};
use crate::{sweep, workers};

/// How long passes that are under way may take to end; Kubernetes kills a pod after 30 seconds.
const DRAIN: Duration = Duration::from_secs(20);
/// From this version on the API server streams lists by default (KEP-3157); before, they come in pages.
const STREAMS: (u32, u32) = (1, 34);

impl Driven for DataTable {
    type Told = DataTableStatus;

    fn observed_generation(status: &DataTableStatus) -> i64 {
        status.observed_generation
    }

    fn handled_request(status: &DataTableStatus) -> Option<&str> {
        status.last_handled_reconcile_at.as_deref()
    }
}

/// Runs the controllers until the process is told to stop.
///
/// # Errors
/// If there is no Kubernetes API, the custom resources are not installed, or the address for metrics is taken. Once
/// running, nothing ends it.
pub async fn run(installation: Installation, metrics_listen: Option<SocketAddr>) -> Result<(), Error> {
    // Before anything is started: a signal that comes early must still stop it in order.
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::StartSignals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::StartSignals)?;
    let mut registry = Registry::with_prefix("mizuumi");
    let metrics = Metrics::new(&mut registry);
    metrics.started(clock::now().as_second());
    let aws_metrics = mizuumi_aws::Metrics::new(&mut registry);
    let listener = match metrics_listen {
        Some(address) => Some(telemetry::listen(address).await?),
        None => None,
    };
    let client = Client::try_default().await.map_err(|error| Error::StartClient(Box::new(error)))?;
    let installation = Arc::new(installation);
    let clients = Clients::new(&installation, aws_metrics).await;
    let catalog = Arc::new(Catalog::new(clients.clone()));
    let intervals = &installation.intervals;
    let concurrency = usize::from(installation.kubernetes.concurrency);
    let scopes = scopes(&client, &installation);
    for scope in &scopes {
        let listed = scope.api::<DataTable>().list_metadata(&ListParams::default().limit(1)).await;
        listed.map_err(|source| Error::StartList { kind: "DataTable", source: Box::new(source) })?;
    }
    let streams = streams_lists(&client).await;
    let (events, publishing) = Events::new(client.clone(), metrics.clone());
    let publishing = tokio::spawn(publishing);
    let context = Arc::new(Context::<Tables, TablePort> {
        client,
        installation: installation.clone(),
        port: Arc::new(TablePort::new(catalog.clone())),
        events,
        metrics: metrics.clone(),
        store: Store::new(),
        deletions: Deletions::new(&installation.deletions),
        backoff: Backoff::new(intervals),
        written: Written::new(),
        index: Index::new(),
    });
    let queue = Arc::new(Queue::new(concurrency));
    let unlisted = Arc::new(AtomicUsize::new(scopes.len()));
    if let Some(listener) = listener {
        let (context, queue, clients) = (context.clone(), queue.clone(), clients.clone());
        let measure = Box::new(move || {
            let unconfirmed = context.store.unconfirmed_deletions();
            metrics.measured("DataTable", &queue.depths(), context.store.len(), unconfirmed);
            clients.measure();
        });
        tokio::spawn(telemetry::serve(listener, Telemetry { registry, unlisted: unlisted.clone(), measure }));
    }
    let watching = future::join_all(
        scopes
            .into_iter()
            .map(|scope| watch::watch(scope, streams, context.clone(), queue.clone(), unlisted.clone())),
    );
    let sweeping = sweep::sweep(catalog, Duration::from_secs(intervals.sweep_seconds.into()), |key| {
        for name in context.index.of(key) {
            queue.push(&name, Lane::Drift);
        }
    });
    let mut working = tokio::spawn(workers::work(context.clone(), queue.clone(), concurrency));
    info!(installation = installation.installation, region = installation.aws.region, "ready");
    tokio::select! {
        _ = watching => {}
        () = sweeping => {}
        _ = &mut working => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    info!("stopping: passes that are under way end first");
    unlisted.store(usize::MAX, Ordering::Relaxed);
    queue.close();
    if tokio::time::timeout(DRAIN, &mut working).await.is_err() {
        warn!("some passes did not end in time; what they were doing is looked at after the next start");
        working.abort();
    }
    // The last sender of events goes with the context; what is still waiting is published, briefly.
    drop(context);
    tokio::time::timeout(Duration::from_secs(2), publishing).await.ok();
    info!("stopped");
    Ok(())
}

/// Whether the API server streams lists.
async fn streams_lists(client: &Client) -> bool {
    let Ok(version) = client.apiserver_version().await else { return false };
    // Some clouds write the minor version as `34+`.
    let number = |text: &str| text.trim_end_matches('+').parse::<u32>().unwrap_or_default();
    (number(&version.major), number(&version.minor)) >= STREAMS
}

/// The namespaces of the configuration, or all of them as one.
fn scopes(client: &Client, installation: &Installation) -> Vec<Scope> {
    let namespaces = &installation.kubernetes.namespaces;
    if namespaces.is_empty() {
        return vec![Scope { client: client.clone(), namespace: None }];
    }
    namespaces
        .iter()
        .map(|namespace| Scope { client: client.clone(), namespace: Some(namespace.as_str().into()) })
        .collect()
}
