//! Starting the controllers, and stopping them in good order.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, future, stream};
use kube::api::ListParams;
use kube::core::DeserializeGuard;
use kube::runtime::controller::{self, Action};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::{Controller, Predicate, WatchStreamExt, predicates, watcher};
use kube::{Api, Client, ResourceExt};
use mizuumi_api::Installation;
use mizuumi_api::data_table::{DataTable, DataTableStatus};
use mizuumi_aws::catalog::Catalog;
use mizuumi_aws::{Clients, TablePort};
use mizuumi_core::data_table::{TableKey, Tables};
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::backoff::Backoff;
use crate::driver::{self, Context, Driven};
use crate::error::Error;
use crate::events::Events;
use crate::index::Index;
use crate::status::Written;
use crate::sweep;

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
/// If there is no Kubernetes API, or the custom resources are not installed. Once running, nothing ends it.
pub async fn run(installation: Installation) -> Result<(), Error> {
    let client = Client::try_default().await.map_err(|error| Error::StartClient(Box::new(error)))?;
    let installation = Arc::new(installation);
    let catalog = Arc::new(Catalog::new(Clients::new(&installation).await));
    let intervals = &installation.intervals;
    let port = Arc::new(TablePort::new(catalog.clone(), Duration::from_secs(intervals.data_seconds.into())));
    let index = Arc::new(Index::new());
    let scopes = scopes(&client, &installation);
    for scope in &scopes {
        let listed = scope.api.list_metadata(&ListParams::default().limit(1)).await;
        listed.map_err(|source| Error::StartList { kind: "DataTable", source: Box::new(source) })?;
    }
    let mut wakers = Vec::new();
    let mut controllers = Vec::new();
    for scope in scopes {
        let (waker, woken) = mpsc::unbounded_channel();
        wakers.push((scope.namespace, waker));
        let context = Arc::new(Context::<Tables, TablePort> {
            client: client.clone(),
            installation: installation.clone(),
            port: port.clone(),
            events: Events::new(client.clone()),
            backoff: Backoff::new(intervals),
            written: Written::new(),
            index: index.clone(),
        });
        controllers.push(control_tables(scope.api, context, woken));
    }
    info!(installation = installation.installation, region = installation.aws.region, "ready");
    let sweeping = sweep::sweep(catalog, Duration::from_secs(intervals.sweep_seconds.into()), |key| {
        wake(&wakers, &index, key);
    });
    tokio::select! {
        _ = future::join_all(controllers) => {}
        () = sweeping => {}
    }
    info!("stopped");
    Ok(())
}

/// A part of the cluster that one controller watches.
struct Scope {
    namespace: Option<String>,
    api: Api<DataTable>,
}

/// The namespaces of the configuration, or all of them as one.
fn scopes(client: &Client, installation: &Installation) -> Vec<Scope> {
    if installation.kubernetes.namespaces.is_empty() {
        return vec![Scope { namespace: None, api: Api::all(client.clone()) }];
    }
    let namespaces = installation.kubernetes.namespaces.iter();
    namespaces
        .map(|namespace| Scope {
            namespace: Some(namespace.clone()),
            api: Api::namespaced(client.clone(), namespace),
        })
        .collect()
}

type Guarded = DeserializeGuard<DataTable>;
type Waker = mpsc::UnboundedSender<ObjectRef<Guarded>>;

fn wake(wakers: &[(Option<String>, Waker)], index: &Index<TableKey, ObjectRef<DataTable>>, key: &TableKey) {
    for resource in index.of(key) {
        let mut guarded = ObjectRef::new(&resource.name);
        guarded.namespace.clone_from(&resource.namespace);
        for (_, waker) in wakers.iter().filter(|(ns, _)| ns.is_none() || *ns == resource.namespace) {
            // A closed channel means that the controllers are stopping.
            waker.send(guarded.clone()).ok();
        }
    }
}

async fn control_tables(
    api: Api<DataTable>,
    context: Arc<Context<Tables, TablePort>>,
    woken: mpsc::UnboundedReceiver<ObjectRef<Guarded>>,
) {
    let guarded: Api<Guarded> = match api.namespace() {
        Some(namespace) => Api::namespaced(context.client.clone(), namespace),
        None => Api::all(context.client.clone()),
    };
    let (reader, writer) = reflector::store();
    let concurrency = context.installation.kubernetes.concurrency;
    // Our own status writes change neither of these, and so do not wake us.
    let matters = predicates::generation.combine(predicates::annotations).combine(predicates::finalizers);
    let changes = watcher(guarded, watcher::Config::default())
        .default_backoff()
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer)
        .applied_objects()
        .predicate_filter(matters, kube::runtime::PredicateConfig::default());
    let woken = stream::unfold(woken, |mut woken| async { woken.recv().await.map(|object| (object, woken)) });
    Controller::for_stream(changes, reader)
        .with_config(controller::Config::default().concurrency(concurrency))
        .reconcile_on(woken)
        .shutdown_on_signal()
        .run(driver::reconcile::<Tables, TablePort>, on_error, context)
        .for_each(|outcome| {
            if let Err(controller::Error::QueueError(error)) = outcome {
                warn!(error = %chain(&error), "the watch was interrupted");
            }
            future::ready(())
        })
        .await;
}

/// Errors of the loop itself: Kubernetes was not there, or somebody else wrote in between.
#[expect(clippy::needless_pass_by_value, reason = "the signature is kube's")]
fn on_error(object: Arc<Guarded>, error: &Error, context: Arc<Context<Tables, TablePort>>) -> Action {
    let me = ObjectRef::new(&object.name_any()).within(&object.namespace().unwrap_or_default());
    let wait = context.backoff.after_failure(me);
    warn!(object = object.name_any(), namespace = object.namespace(), error = %chain(error), ?wait, "trying again");
    Action::requeue(wait)
}

/// An error and its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        line.push_str(": ");
        line.push_str(&next.to_string());
        cause = next.source();
    }
    line
}
