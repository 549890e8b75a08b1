//! `mizuumi diff`: what of a resource in Kubernetes is otherwise in AWS.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use mizuumi_api::{DataTable, EmrCluster, Installation, ResourceId, ResourceKind};
use mizuumi_aws::catalog::Catalog;
use mizuumi_aws::{Clients, ClusterPort, Metrics, TablePort};
use mizuumi_controller::lookup::Lookup;
use mizuumi_core::data_table::avsc_from::SeenAvsc;

use crate::kubernetes::{KubernetesArgs, Named, named};
use crate::plan_told::{Form, Item, Told};
use crate::terminal::Terminal;
use crate::{plan, plan_clusters};

/// There are differences.
const DIFFERENT: u8 = 1;
/// An error; `diff` of other tools has it so.
pub(crate) const ERROR: u8 = 2;

/// What `diff` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mizuumi diff dtbl/delays              what the controller would change in Glue
  mizuumi diff emrc/adhoc -n nyc        what it would do about an EMR cluster
  mizuumi diff dtbl/delays -o json      for programs, an object a line

The resource is the one in Kubernetes; for manifests: mizuumi plan. Only kinds that are kept in AWS can differ from it:
DataTable and EmrCluster. Data, freshness and runs are left to the controller. It only reads.

Exit codes (those of diff; mizuumi plan has terraform's):
  0  no differences
  1  there are differences
  2  an error: no such resource, or Kubernetes or AWS could not be read, or the spec is refused")]
pub(crate) struct DiffArgs {
    /// Which resource.
    #[arg(value_name = "KIND/NAME", value_parser = named)]
    resource: Named,
    /// The installation's configuration.
    #[arg(long, env = "MIZUUMI_CONFIG", value_name = "FILE")]
    pub(crate) config: PathBuf,
    #[command(flatten)]
    kubernetes: KubernetesArgs,
    /// How to print it.
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    output: Form,
}

/// Compares a resource with AWS.
pub(crate) async fn run(
    args: &DiffArgs,
    installation: &Installation,
    terminal: Terminal,
) -> anyhow::Result<ExitCode> {
    let lookup = args.kubernetes.lookup().await?;
    let id = args.resource.in_namespace(&lookup.namespace);
    let clients = Clients::new(installation, Metrics::unread());
    let item = match id.kind {
        ResourceKind::DataTable => {
            let found = lookup.table(&id.name).await.with_context(|| format!("cannot look at {id}"))?;
            let table = found.with_context(|| format!("there is no {id}"))?;
            of_table(&lookup, installation, clients.await, &table).await?
        }
        ResourceKind::EmrCluster => {
            let found = lookup.cluster(&id.name).await.with_context(|| format!("cannot look at {id}"))?;
            let cluster = found.with_context(|| format!("there is no {id}"))?;
            of_cluster(&lookup, installation, clients.await, &cluster).await?
        }
        kind => bail!(
            "nothing of an {kind} is kept in AWS, so it cannot differ; to see how it stands: mizuumi describe {}/{}",
            kind.short(),
            id.name
        ),
    };
    let told = Told { items: item.into_iter().collect(), looked_at: 1, ..Told::default() };
    let mut out = io::stdout().lock();
    told.print(&mut out, args.output, terminal)?;
    out.flush()?;
    Ok(match (told.is_wrong(), told.changes()) {
        (true, _) => ExitCode::from(ERROR),
        (false, true) => ExitCode::from(DIFFERENT),
        (false, false) => ExitCode::SUCCESS,
    })
}

/// What is in Kubernetes has no place in a file.
fn nowhere(_: &ResourceId, _: &str) -> String {
    String::new()
}

async fn of_table(
    lookup: &Lookup,
    installation: &Installation,
    clients: Clients,
    table: &DataTable,
) -> anyhow::Result<Option<Item>> {
    let source = table.spec.schema.as_ref().and_then(|schema| schema.avsc_from.as_ref()?.config_map.clone());
    let avsc = match source {
        None => None,
        Some(source) => {
            let map = lookup.config_map(&lookup.namespace, &source.name).await?;
            let text = map.and_then(|map| map.get(&source.key).cloned());
            let none = || format!("there is no ConfigMap '{}' with the key '{}'", source.name, source.key);
            Some(text.map_or_else(|| SeenAvsc::Unreadable(none()), SeenAvsc::Text))
        }
    };
    let port = TablePort::new(Arc::new(Catalog::new(clients)));
    let planned = plan::plan(&port, installation, table, avsc).await;
    Ok(plan::item(&nowhere, table, &planned))
}

async fn of_cluster(
    lookup: &Lookup,
    installation: &Installation,
    clients: Clients,
    cluster: &EmrCluster,
) -> anyhow::Result<Option<Item>> {
    let pieces = plan_clusters::in_kubernetes(lookup, cluster).await?;
    let port = ClusterPort::new(clients);
    Ok(plan_clusters::item(&nowhere, &port, installation, cluster, pieces).await)
}
