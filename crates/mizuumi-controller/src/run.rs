//! Starting the controllers, and stopping them in good order.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future;
use k8s_openapi::NamespaceResourceScope;
use kube::api::ListParams;
use kube::{Client, Resource};
use mizuumi_api::{
    Backfill, DataTable, EmrCluster, IngestJob, IngestRun, Installation, QualityCheck, ResourceKind,
    SourceConnection,
};
use mizuumi_aws::Clients;
use mizuumi_aws::catalog::Catalog;
use mizuumi_core::{Lane, Shard};
use prometheus_client::registry::Registry;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use crate::clock;
use crate::definitions;
use crate::error::Error;
use crate::events::Events;
use crate::jobs;
use crate::kinds::Kinds;
use crate::lease::{Candidate, LeaseName};
use crate::metrics::{self, Metrics};
use crate::telemetry::{self, Telemetry};
use crate::watch::{self, Scope};
use crate::{cluster_sweep, sweep, upstreams};

/// How long passes that are under way may take to end; Kubernetes kills a pod after 30 seconds.
const DRAIN: Duration = Duration::from_secs(20);
/// Between two looks whether what runs rest on has been listed.
const LISTED: Duration = Duration::from_millis(20);
/// Kinds that are watched in each scope: it is ready once all of them have been listed. Classes of clusters belong to none.
const WATCHED: usize = ResourceKind::ALL.len() - 1;
/// From this version on the API server streams lists by default (KEP-3157); before, they come in pages.
const STREAMS: (u32, u32) = (1, 34);

/// Runs the controllers until the process is told to stop; with a Lease, as long as that is held.
///
/// # Errors
/// If there is no Kubernetes API, the custom resources are not installed, their definitions are older than this program, or
/// the address for metrics is taken. Once running, nothing ends it but definitions that become older, or a Lease that is lost.
pub async fn run(
    installation: Installation,
    metrics_listen: Option<SocketAddr>,
    lease: Option<LeaseName>,
    shard: Shard,
) -> Result<(), Error> {
    // Before anything is started: a signal that comes early must still stop it in order.
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::StartSignals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::StartSignals)?;
    let mut registry = metrics::registry();
    let metrics = Metrics::new(&mut registry);
    metrics.started(clock::now().as_second());
    metrics.is_shard(shard);
    let aws_metrics = mizuumi_aws::Metrics::new(&mut registry);
    let listener = match metrics_listen {
        Some(address) => Some(telemetry::listen(address).await?),
        None => None,
    };
    let client = Client::try_default().await.map_err(|error| Error::StartClient(Box::new(error)))?;
    let installation = Arc::new(installation);
    let clients = Clients::new(&installation, aws_metrics).await;
    let catalog = Arc::new(Catalog::new(clients.clone()));
    let concurrency = usize::from(installation.kubernetes.concurrency);
    let scopes = scopes(&client, &installation, shard);
    for scope in &scopes {
        can_list_all(scope).await?;
    }
    let outdated = definitions::check(&client).await?;
    let streams = streams_lists(&client).await;
    let lists = WATCHED * scopes.len();
    // One that waits for the Lease is as ready as it can be.
    let unlisted = Arc::new(AtomicUsize::new(if lease.is_some() { 0 } else { lists }));
    let measured = listener.map(|listener| answer(listener, registry, &unlisted));
    let candidate = lease.map(|lease| Candidate::new(&client, &lease, metrics.clone()));
    tokio::select! {
        () = work_begins(candidate.as_ref(), &metrics) => unlisted.store(lists, Ordering::Relaxed),
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    }
    // Beside everything else, and until the last pass has ended.
    let mut holding = tokio::spawn(hold(candidate.clone()));
    let (events, publishing) = Events::new(client.clone(), metrics.clone());
    let publishing = tokio::spawn(publishing);
    let kinds = Kinds::new(&client, &installation, &catalog, &clients, &events, &metrics);
    drop(events);
    // Runs rest on tables, checks and clusters: one whose table has not been listed yet would say that there is none, and one whose
    // gates have not would pass them.
    let before_runs = Arc::new(AtomicUsize::new(3 * scopes.len()));
    let before_checks = Arc::new(AtomicUsize::new(scopes.len()));
    // Jobs rest on runs and connections.
    let before_jobs = Arc::new(AtomicUsize::new(2 * scopes.len()));
    // It is set once, here.
    if let Some(measured) = measured {
        measured.set((kinds.clone(), clients)).ok();
    }
    let Kinds { tables, table_queue, config_maps, .. } = kinds.clone();
    let watching_tables = all(scopes.iter().map(|scope| {
        let unlisted = [unlisted.clone(), before_runs.clone(), before_checks.clone()];
        watch::watch(scope.clone(), streams, tables.clone(), table_queue.clone(), unlisted.to_vec())
    }));
    let run_lists = [unlisted.clone(), before_jobs.clone()];
    let seeing_to_runs = see_to_runs(&scopes, streams, &kinds, &before_runs, &run_lists, &catalog);
    let seeing_to_jobs = see_to_jobs(&scopes, streams, &kinds, &unlisted, &before_jobs);
    let check_lists = [unlisted.clone(), before_runs.clone()];
    let seeing_to_checks = see_to_checks(&scopes, streams, &kinds, &before_checks, &check_lists);
    let watching_config_maps = all(scopes.iter().map(|scope| config_maps.watch(scope.clone(), streams)));
    let cluster_lists = [unlisted.clone(), before_runs.clone()];
    let seeing_to_clusters =
        see_to_clusters(&client, &scopes, shard, streams, &kinds, &cluster_lists, metrics);
    let sweeping = sweep::sweep(
        catalog.clone(),
        Duration::from_secs(installation.intervals.sweep_seconds.into()),
        |key| {
            for name in tables.index.of(key) {
                table_queue.push(&name, Lane::Drift);
            }
        },
    );
    let mut working = tokio::spawn(kinds.clone().work(concurrency));
    info!(installation = installation.installation, region = installation.aws.region, "ready");
    tokio::select! {
        () = watching_tables => {}
        () = seeing_to_runs => {}
        () = seeing_to_jobs => {}
        () = seeing_to_checks => {}
        () = watching_config_maps => {}
        () = seeing_to_clusters => {}
        () = sweeping => {}
        _ = &mut working => {}
        // Passes under way do not end in order: all that they still wrote would lose what the definition lacks.
        error = outdated => return Err(error),
        // Another one works by now.
        lost = &mut holding => return lost.unwrap_or(Ok(())),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    info!("stopping: passes that are under way end first");
    unlisted.store(usize::MAX, Ordering::Relaxed);
    kinds.close();
    if tokio::time::timeout(DRAIN, &mut working).await.is_err() {
        warn!("some passes did not end in time; what they were doing is looked at after the next start");
        working.abort();
    }
    // The last sender of events goes with the contexts; what is still waiting is published, briefly.
    drop((tables, kinds));
    tokio::time::timeout(Duration::from_secs(2), publishing).await.ok();
    holding.abort();
    if let Some(candidate) = candidate {
        tokio::time::timeout(Duration::from_secs(2), candidate.release()).await.ok();
    }
    info!("stopped");
    Ok(())
}

/// All of these watches, for ever: a shard may have none.
async fn all(watches: impl IntoIterator<Item: Future<Output = ()>>) {
    let watches: Vec<_> = watches.into_iter().collect();
    if watches.is_empty() {
        return future::pending().await;
    }
    future::join_all(watches).await;
}

/// Answers questions from now on; measures what it answers with, once that is there.
fn answer(
    listener: TcpListener,
    registry: Registry,
    unlisted: &Arc<AtomicUsize>,
) -> Arc<OnceLock<(Kinds, Clients)>> {
    let measured: Arc<OnceLock<(Kinds, Clients)>> = Arc::default();
    let there = measured.clone();
    let measure = Box::new(move || {
        if let Some((kinds, clients)) = there.get() {
            kinds.measure();
            clients.measure();
        }
    });
    tokio::spawn(telemetry::serve(listener, Telemetry { registry, unlisted: unlisted.clone(), measure }));
    measured
}

/// Waits for the Lease, if there is one.
async fn work_begins(candidate: Option<&Candidate>, metrics: &Metrics) {
    match candidate {
        Some(candidate) => candidate.acquire().await,
        None => metrics.leads(true),
    }
}

/// Holds the Lease, if there is one; ends when it is lost.
async fn hold(candidate: Option<Candidate>) -> Result<(), Error> {
    match candidate {
        Some(candidate) => candidate.hold().await.map(drop),
        None => future::pending().await,
    }
}

/// Watches runs, the Jobs that work for them and the tables of others that they wait for, for ever.
async fn see_to_runs(
    scopes: &[Scope],
    streams: bool,
    kinds: &Kinds,
    before_runs: &AtomicUsize,
    unlisted: &[Arc<AtomicUsize>],
    catalog: &Arc<Catalog>,
) {
    let Kinds { runs, run_queue, publications, .. } = kinds;
    let watching = async {
        while before_runs.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(LISTED).await;
        }
        all(scopes.iter().map(|scope| {
            watch::watch(scope.clone(), streams, runs.clone(), run_queue.clone(), unlisted.to_vec())
        }))
        .await;
    };
    let watching_jobs = all(scopes.iter().map(|scope| jobs::watch(scope.clone(), run_queue.clone())));
    let looking_at_upstreams = upstreams::watch(catalog.clone(), publications.clone());
    future::join3(watching, watching_jobs, looking_at_upstreams).await;
}

/// Watches jobs, the connections that they name and their backfills, for ever.
async fn see_to_jobs(
    scopes: &[Scope],
    streams: bool,
    kinds: &Kinds,
    unlisted: &Arc<AtomicUsize>,
    before_jobs: &Arc<AtomicUsize>,
) {
    let watching_connections = all(scopes.iter().map(|scope| {
        let (connections, queue) = (kinds.connections.clone(), kinds.connection_queue.clone());
        let unlisted = vec![unlisted.clone(), before_jobs.clone()];
        watch::watch(scope.clone(), streams, connections, queue, unlisted)
    }));
    let jobs_unlisted = Arc::new(AtomicUsize::new(scopes.len()));
    let watching_jobs = async {
        // A job whose runs or connection have not been listed yet would say that there are none.
        while before_jobs.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(LISTED).await;
        }
        all(scopes.iter().map(|scope| {
            let (jobs, queue) = (kinds.jobs.clone(), kinds.job_queue.clone());
            watch::watch(scope.clone(), streams, jobs, queue, vec![unlisted.clone(), jobs_unlisted.clone()])
        }))
        .await;
    };
    let watching_backfills = async {
        // A backfill whose job has not been listed yet would say that there is none.
        while jobs_unlisted.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(LISTED).await;
        }
        all(scopes.iter().map(|scope| {
            let (backfills, queue) = (kinds.backfills.clone(), kinds.backfill_queue.clone());
            watch::watch(scope.clone(), streams, backfills, queue, vec![unlisted.clone()])
        }))
        .await;
    };
    future::join3(watching_connections, watching_jobs, watching_backfills).await;
}

/// Watches checks for ever.
async fn see_to_checks(
    scopes: &[Scope],
    streams: bool,
    kinds: &Kinds,
    before_checks: &AtomicUsize,
    unlisted: &[Arc<AtomicUsize>],
) {
    // A check whose table has not been listed yet would say that there is none.
    while before_checks.load(Ordering::Relaxed) > 0 {
        tokio::time::sleep(LISTED).await;
    }
    all(scopes.iter().map(|scope| {
        let (checks, queue) = (kinds.checks.clone(), kinds.check_queue.clone());
        watch::watch(scope.clone(), streams, checks, queue, unlisted.to_vec())
    }))
    .await;
}

/// Watches classes and clusters, and looks at EMR, for ever.
async fn see_to_clusters(
    client: &Client,
    scopes: &[Scope],
    shard: Shard,
    streams: bool,
    kinds: &Kinds,
    unlisted: &[Arc<AtomicUsize>],
    metrics: Metrics,
) {
    let Kinds { clusters, cluster_queue, pieces, .. } = kinds;
    let watching = async {
        // A cluster whose class has not been listed yet would say that there is none.
        pieces.known().await;
        all(scopes.iter().map(|scope| {
            watch::watch(scope.clone(), streams, clusters.clone(), cluster_queue.clone(), unlisted.to_vec())
        }))
        .await;
    };
    let (port, installation) = (clusters.port.clone(), clusters.installation.clone());
    let sweeping = cluster_sweep::sweep(port, scopes.to_vec(), shard, installation, metrics, |key| {
        for name in clusters.index.of(key) {
            cluster_queue.push(&name, Lane::Drift);
        }
    });
    future::join3(pieces.watch(client.clone()), watching, sweeping).await;
}

/// Whether the resources of every kind are installed, and may be listed.
async fn can_list_all(scope: &Scope) -> Result<(), Error> {
    can_list::<DataTable>(scope, "DataTable").await?;
    can_list::<IngestRun>(scope, "IngestRun").await?;
    can_list::<IngestJob>(scope, "IngestJob").await?;
    can_list::<Backfill>(scope, "Backfill").await?;
    can_list::<QualityCheck>(scope, "QualityCheck").await?;
    can_list::<SourceConnection>(scope, "SourceConnection").await?;
    can_list::<EmrCluster>(scope, "EmrCluster").await
}

/// Whether a kind's resources are installed, and may be listed.
async fn can_list<K>(scope: &Scope, kind: &'static str) -> Result<(), Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let refused = |source| Error::StartList { kind, source: Box::new(source) };
    scope.api::<K>().list_metadata(&ListParams::default().limit(1)).await.map(drop).map_err(refused)
}

/// Whether the API server streams lists.
async fn streams_lists(client: &Client) -> bool {
    let Ok(version) = client.apiserver_version().await else { return false };
    // Some clouds write the minor version as `34+`.
    let number = |text: &str| text.trim_end_matches('+').parse::<u32>().unwrap_or_default();
    (number(&version.major), number(&version.minor)) >= STREAMS
}

/// The namespaces of the configuration that are this shard's, or all of them as one.
fn scopes(client: &Client, installation: &Installation, shard: Shard) -> Vec<Scope> {
    let namespaces = &installation.kubernetes.namespaces;
    let scope = |namespace| Scope { client: client.clone(), namespace, shard };
    if namespaces.is_empty() {
        return vec![scope(None)];
    }
    let ours = namespaces.iter().filter(|namespace| shard.works_for(namespace));
    let ours: Vec<Scope> = ours.map(|namespace| scope(Some(namespace.as_str().into()))).collect();
    if ours.is_empty() {
        info!(
            shard = shard.index(),
            shards = shard.of(),
            "no namespace of the configuration is this shard's"
        );
    }
    ours
}
