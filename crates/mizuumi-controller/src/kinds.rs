//! The kinds that are driven, and all that each takes.

use std::sync::Arc;

use kube::Client;
use mizuumi_api::backfill::{Backfill, BackfillStatus};
use mizuumi_api::data_table::{DataTable, DataTableStatus};
use mizuumi_api::emr_cluster::{EmrCluster, EmrClusterStatus};
use mizuumi_api::ingest_job::{IngestJob, IngestJobStatus};
use mizuumi_api::ingest_run::{IngestRun, IngestRunStatus};
use mizuumi_api::quality_check::{QualityCheck, QualityCheckStatus};
use mizuumi_api::source_connection::{SourceConnection, SourceConnectionStatus};
use mizuumi_api::{Installation, installation};
use mizuumi_aws::catalog::Catalog;
use mizuumi_aws::{CheckPort, Clients, ClusterPort, RunPort, TablePort};
use mizuumi_core::Kind;
use mizuumi_core::backfill::Backfills;
use mizuumi_core::data_table::Tables;
use mizuumi_core::emr_cluster::Clusters;
use mizuumi_core::ingest_job::Jobs;
use mizuumi_core::ingest_run::Runs;
use mizuumi_core::quality_check::Checks;
use mizuumi_core::source_connection::Connections;

use crate::backfills::{BackfillPort, BackfillRelations, BackfillsOfJobs};
use crate::backoff::Backoff;
use crate::config_maps::ConfigMaps;
use crate::deletions::Deletions;
use crate::driver::{Context, Driven};
use crate::events::Events;
use crate::index::Index;
use crate::ingest_jobs::{IngestJobPort, IngestJobs};
use crate::jobs::WorkPort;
use crate::metrics::Metrics;
use crate::pieces::Pieces;
use crate::quality_checks::QualityChecks;
use crate::queue::Queue;
use crate::relations::{Publications, Relations};
use crate::run_steps::RunSteps;
use crate::source_connections::{ConnectionPort, SourceConnections};
use crate::status::Written;
use crate::store::Store;
use crate::workers;

impl Driven for DataTable {
    type Told = DataTableStatus;

    fn observed_generation(status: &DataTableStatus) -> i64 {
        status.observed_generation
    }

    fn handled_request(status: &DataTableStatus) -> Option<&str> {
        status.last_handled_reconcile_at.as_deref()
    }
}

impl Driven for EmrCluster {
    type Told = EmrClusterStatus;

    fn observed_generation(status: &EmrClusterStatus) -> i64 {
        status.observed_generation
    }

    fn handled_request(status: &EmrClusterStatus) -> Option<&str> {
        status.last_handled_reconcile_at.as_deref()
    }
}

impl Driven for IngestJob {
    type Told = IngestJobStatus;

    fn observed_generation(status: &IngestJobStatus) -> i64 {
        status.observed_generation
    }

    fn handled_request(status: &IngestJobStatus) -> Option<&str> {
        status.last_handled_reconcile_at.as_deref()
    }
}

impl Driven for IngestRun {
    type Told = IngestRunStatus;

    fn observed_generation(status: &IngestRunStatus) -> i64 {
        status.observed_generation
    }

    fn handled_request(status: &IngestRunStatus) -> Option<&str> {
        status.last_handled_reconcile_at.as_deref()
    }
}

impl Driven for QualityCheck {
    type Told = QualityCheckStatus;

    fn observed_generation(status: &QualityCheckStatus) -> i64 {
        status.observed_generation
    }

    fn handled_request(status: &QualityCheckStatus) -> Option<&str> {
        status.last_handled_reconcile_at.as_deref()
    }
}

impl Driven for SourceConnection {
    type Told = SourceConnectionStatus;

    fn observed_generation(status: &SourceConnectionStatus) -> i64 {
        status.observed_generation
    }

    fn handled_request(status: &SourceConnectionStatus) -> Option<&str> {
        status.last_handled_reconcile_at.as_deref()
    }
}

impl Driven for Backfill {
    type Told = BackfillStatus;

    fn observed_generation(status: &BackfillStatus) -> i64 {
        status.observed_generation
    }

    fn handled_request(status: &BackfillStatus) -> Option<&str> {
        status.last_handled_reconcile_at.as_deref()
    }
}

/// Each kind with its queue.
#[derive(Clone)]
pub(crate) struct Kinds {
    pub(crate) tables: Arc<Context<Tables, TablePort>>,
    pub(crate) table_queue: Arc<Queue>,
    pub(crate) runs: Arc<Context<Runs, WorkPort>>,
    pub(crate) run_queue: Arc<Queue>,
    pub(crate) jobs: Arc<Context<Jobs, IngestJobPort>>,
    pub(crate) job_queue: Arc<Queue>,
    pub(crate) backfills: Arc<Context<Backfills, BackfillPort>>,
    pub(crate) backfill_queue: Arc<Queue>,
    pub(crate) checks: Arc<Context<Checks, CheckPort>>,
    pub(crate) check_queue: Arc<Queue>,
    pub(crate) connections: Arc<Context<Connections, ConnectionPort>>,
    pub(crate) connection_queue: Arc<Queue>,
    pub(crate) publications: Arc<Publications>,
    pub(crate) config_maps: Arc<ConfigMaps>,
    pub(crate) clusters: Arc<Context<Clusters, ClusterPort>>,
    pub(crate) cluster_queue: Arc<Queue>,
    pub(crate) pieces: Arc<Pieces>,
}

/// What all kinds share.
struct Shared<'a> {
    client: &'a Client,
    installation: &'a Arc<Installation>,
    events: &'a Events,
    metrics: &'a Metrics,
}

impl Kinds {
    pub(crate) fn new(
        client: &Client,
        installation: &Arc<Installation>,
        catalog: &Arc<Catalog>,
        clients: &Clients,
        events: &Events,
        metrics: &Metrics,
    ) -> Self {
        let shared = Shared { client, installation, events, metrics };
        let concurrency = usize::from(installation.kubernetes.concurrency);
        let (table_queue, run_queue) = (Arc::new(Queue::new(concurrency)), Arc::new(Queue::new(concurrency)));
        let store = Arc::new(Store::new());
        let config_maps = Arc::new(ConfigMaps::new(client.clone()));
        let cluster_queue = Arc::new(Queue::new(concurrency));
        let run_steps = Arc::new(RunSteps::new(
            client.clone(),
            installation.aws.region.clone(),
            run_queue.clone(),
            cluster_queue.clone(),
        ));
        let (job_queue, backfill_queue) =
            (Arc::new(Queue::new(concurrency)), Arc::new(Queue::new(concurrency)));
        let of_jobs = Arc::new(BackfillsOfJobs::new(backfill_queue.clone()));
        let (connection_queue, connection_store) =
            (Arc::new(Queue::new(concurrency)), Arc::new(Store::new()));
        let connections = Arc::new(SourceConnections::new(
            installation.clone(),
            connection_store.clone(),
            [connection_queue.clone(), job_queue.clone()],
        ));
        let jobs = Arc::new(IngestJobs::new(
            installation.clone(),
            store.clone(),
            job_queue.clone(),
            run_steps.clone(),
            connections.clone(),
            of_jobs.clone(),
        ));
        let job_port = IngestJobPort::new(client.clone(), jobs.clone());
        let backfill_port = BackfillPort::new(job_port.clone(), jobs.clone(), catalog.clone());
        let job_store = Arc::new(Store::new());
        let backfills = Arc::new(BackfillRelations {
            installation: installation.clone(),
            of_jobs,
            jobs: jobs.clone(),
            stored: job_store.clone(),
        });
        let check_queue = Arc::new(Queue::new(concurrency));
        let checks = Arc::new(QualityChecks::new(
            installation.clone(),
            store.clone(),
            [check_queue.clone(), table_queue.clone()],
            metrics.clone(),
        ));
        let publications = Arc::new(Publications::new(
            installation.clone(),
            store.clone(),
            [table_queue.clone(), run_queue.clone()],
            config_maps.clone(),
            run_steps.clone(),
            jobs.clone(),
            checks.clone(),
        ));
        let pieces = Arc::new(Pieces::new(cluster_queue.clone(), config_maps.clone(), run_steps.clone()));
        let run_port = WorkPort::new(RunPort::new(catalog.clone()), client.clone(), run_steps);
        let ports = (TablePort::new(catalog.clone()), run_port);
        // Runs are let go by the hundred once they are old, and nothing of the catalog goes with them.
        let unlimited = installation::Deletions { hold_above: u32::MAX, ..installation.deletions.clone() };
        Self {
            tables: shared.context(ports.0, store, publications.clone(), &installation.deletions),
            table_queue,
            runs: shared.context(ports.1, Arc::new(Store::new()), publications.clone(), &unlimited),
            run_queue,
            publications,
            jobs: shared.context(job_port, job_store, jobs, &unlimited),
            job_queue,
            backfills: shared.context(backfill_port, Arc::new(Store::new()), backfills, &unlimited),
            backfill_queue,
            checks: shared.context(
                CheckPort::new(catalog.clone()),
                Arc::new(Store::new()),
                checks,
                &unlimited,
            ),
            check_queue,
            connections: shared.context(ConnectionPort, connection_store, connections, &unlimited),
            connection_queue,
            config_maps,
            clusters: shared.context(
                ClusterPort::new(clients.clone()),
                Arc::new(Store::new()),
                pieces.clone(),
                &installation.deletions,
            ),
            cluster_queue,
            pieces,
        }
    }

    /// Works on all of them, so many passes of each at once, until their queues are closed.
    pub(crate) async fn work(self, concurrency: usize) {
        tokio::join!(
            workers::work(self.tables, self.table_queue, concurrency),
            workers::work(self.runs, self.run_queue, concurrency),
            workers::work(self.jobs, self.job_queue, concurrency),
            workers::work(self.backfills, self.backfill_queue, concurrency),
            workers::work(self.clusters, self.cluster_queue, concurrency),
            workers::work(self.checks, self.check_queue, concurrency),
            workers::work(self.connections, self.connection_queue, concurrency),
        );
    }

    /// Begins no more passes.
    pub(crate) fn close(&self) {
        for queue in [
            &self.table_queue,
            &self.run_queue,
            &self.job_queue,
            &self.backfill_queue,
            &self.cluster_queue,
            &self.check_queue,
            &self.connection_queue,
        ] {
            queue.close();
        }
    }

    /// Brings up to date what is read off rather than counted.
    pub(crate) fn measure(&self) {
        measure(&self.tables, &self.table_queue);
        measure(&self.runs, &self.run_queue);
        measure(&self.jobs, &self.job_queue);
        measure(&self.backfills, &self.backfill_queue);
        measure(&self.checks, &self.check_queue);
        measure(&self.clusters, &self.cluster_queue);
        measure(&self.connections, &self.connection_queue);
    }
}

impl Shared<'_> {
    fn context<K, P>(
        &self,
        port: P,
        store: Arc<Store<K::Object>>,
        relations: Arc<dyn Relations<K>>,
        deletions: &installation::Deletions,
    ) -> Arc<Context<K, P>>
    where
        K: Kind,
        K::Object: Driven<Told = K::Status>,
    {
        Arc::new(Context {
            client: self.client.clone(),
            installation: self.installation.clone(),
            port: Arc::new(port),
            events: self.events.clone(),
            metrics: self.metrics.clone(),
            store,
            relations,
            deletions: Deletions::new(deletions),
            backoff: Backoff::new(&self.installation.intervals),
            written: Written::new(),
            index: Index::new(),
        })
    }
}

fn measure<K, P>(context: &Context<K, P>, queue: &Queue)
where
    K: Kind,
    K::Object: Driven<Told = K::Status>,
{
    let unconfirmed = context.store.unconfirmed_deletions();
    context.metrics.measured(K::NAME, &queue.depths(), context.store.len(), unconfirmed);
    context.metrics.said(K::NAME, &context.store.tally());
}
