//! `mizuumi inventory`: what there is in AWS that no resource keeps.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use mizuumi_api::{Installation, ResourceKind};
use mizuumi_aws::catalog::{Catalog, DatabaseKey};
use mizuumi_aws::preflight::profiles;
use mizuumi_aws::{Clients, ClusterPort, Metrics};
use mizuumi_core::inventory::{Inventory, Kept, Loose, Place};

use crate::kubernetes::KubernetesArgs;
use crate::terminal::{Output, Terminal, Tone, columns, print_data};

/// So many levels of prefixes are looked into.
const DEEPEST: usize = 6;

/// What `inventory` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mizuumi inventory --config mizuumi.yaml                  of the databases, prefixes and profiles of the configuration
  mizuumi inventory --config mizuumi.yaml -o json          for programs

Tables of the allowed databases that no DataTable keeps, prefixes under the allowed ones where no table has its data, and EMR
clusters that are alive and that no EmrCluster keeps. Resources of all namespaces of the configuration count. Prefixes are
listed level by level, and only where a table lies further down. To take tables over: mizuumi import glue.

Exit codes:
  0  listed, whatever there was
  1  an error: Kubernetes could not be read, so nobody knows what is kept
  2  something of AWS could not be read; the list says what")]
pub(crate) struct InventoryArgs {
    /// The installation's configuration.
    #[arg(long, env = "MIZUUMI_CONFIG", value_name = "FILE")]
    pub(crate) config: PathBuf,
    #[command(flatten)]
    kubernetes: KubernetesArgs,
    /// How to print it.
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Output,
}

/// Lists what no resource keeps.
pub(crate) async fn run(
    args: &InventoryArgs,
    installation: &Installation,
    terminal: Terminal,
) -> anyhow::Result<ExitCode> {
    let clients = Clients::new(installation, Metrics::unread()).await;
    let (port, catalog) = (ClusterPort::new(clients.clone()), Arc::new(Catalog::new(clients)));
    let mut inventory = Inventory::default();
    // AWS before Kubernetes: whatever is made meanwhile has its resource by then.
    let seen = Seen::new(installation, &catalog, &port, &mut inventory).await;
    let mut kept = Kept::new(installation);
    let lookup = args.kubernetes.lookup().await?;
    let namespaces = &installation.kubernetes.namespaces;
    let scopes: Vec<Option<&str>> = if namespaces.is_empty() {
        vec![None]
    } else {
        namespaces.iter().map(|name| Some(name.as_str())).collect()
    };
    for scope in scopes {
        for kind in [ResourceKind::DataTable, ResourceKind::EmrCluster] {
            let listed = lookup.each(kind, scope, None, |object| kept.add(&object)).await;
            listed.with_context(|| format!("cannot list {}", kind.plural()))?;
        }
    }
    for (database, tables) in &seen.tables {
        inventory.add_tables(&mut kept, &database.profile, &database.database, tables);
    }
    for (profile, name, mark) in seen.clusters {
        inventory.add_cluster(&kept, &profile, name, mark.as_deref());
    }
    for (profile, prefix) in seen.prefixes {
        prefixes(&catalog, &kept, &profile, prefix, &mut inventory).await;
    }
    let mut out = io::stdout().lock();
    if !print_data(&mut out, args.output, &inventory)? {
        print(&mut out, &inventory, terminal)?;
    }
    Ok(if inventory.unread.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// What there is in AWS.
#[derive(Default)]
struct Seen {
    tables: Vec<(DatabaseKey, BTreeMap<String, mizuumi_core::data_table::ObservedTable>)>,
    /// Profile, name and mark.
    clusters: Vec<(String, String, Option<String>)>,
    /// Profile and prefix.
    prefixes: Vec<(String, String)>,
}

impl Seen {
    async fn new(
        installation: &Installation,
        catalog: &Catalog,
        port: &ClusterPort,
        inventory: &mut Inventory,
    ) -> Self {
        let mut seen = Self::default();
        let now = mizuumi_controller::now();
        let marked = port.of_installation(installation, now).await.unwrap_or_else(|failure| {
            inventory.unread.push(failure.to_string());
            Vec::new()
        });
        for profile in profiles(installation) {
            match catalog.databases(&profile).await {
                Ok(databases) => {
                    for database in databases.into_iter().filter(|name| installation.allows_database(name)) {
                        let key = DatabaseKey { profile: profile.clone(), database };
                        match catalog.all_tables(&key).await {
                            Ok(tables) => seen.tables.push((key, tables.into_iter().flatten().collect())),
                            Err(failure) => {
                                inventory.unread.push(format!("database '{}': {failure}", key.database));
                            }
                        }
                    }
                }
                Err(failure) => inventory.unread.push(format!("profile '{profile}': {failure}")),
            }
            let prefixes = installation.allow.s3_prefixes.iter();
            seen.prefixes.extend(prefixes.map(|prefix| (profile.clone(), prefix.clone())));
            if installation.profile(&profile).is_none_or(|settings| settings.emr.is_none()) {
                continue;
            }
            match port.alive(&profile, now).await {
                Ok(alive) => seen.clusters.extend(alive.into_iter().map(|(id, name)| {
                    let mark = marked.iter().find(|orphan| orphan.target.id == id);
                    (profile.clone(), name, mark.map(|orphan| orphan.target.owner.clone()))
                })),
                Err(failure) => inventory.unread.push(format!("profile '{profile}': {failure}")),
            }
        }
        seen
    }
}

/// Prefixes under which no table has its data, level by level.
async fn prefixes(catalog: &Catalog, kept: &Kept, profile: &str, top: String, inventory: &mut Inventory) {
    let mut level = vec![top];
    for _ in 0..DEEPEST {
        let mut next = Vec::new();
        for prefix in level {
            match catalog.prefixes(profile, &prefix).await {
                Err(failure) => inventory.unread.push(format!("{prefix}: {failure}")),
                Ok(below) => {
                    for prefix in below {
                        match kept.place(&prefix) {
                            Place::Known => {}
                            Place::Above => next.push(prefix),
                            // Profiles may see the same bucket.
                            Place::Loose if inventory.prefixes.contains(&prefix) => {}
                            Place::Loose => inventory.prefixes.push(prefix),
                        }
                    }
                }
            }
        }
        level = next;
    }
}

fn print(out: &mut impl Write, inventory: &Inventory, terminal: Terminal) -> io::Result<()> {
    table(out, "Tables that no DataTable keeps", &inventory.tables, terminal)?;
    table(out, "EMR clusters that no EmrCluster keeps", &inventory.clusters, terminal)?;
    writeln!(out, "{}", terminal.paint(Tone::Strong, "Prefixes where no table has its data"))?;
    if inventory.prefixes.is_empty() {
        writeln!(out, "  none")?;
    }
    inventory.prefixes.iter().try_for_each(|prefix| writeln!(out, "  {prefix}"))?;
    if inventory.others > 0 {
        writeln!(out, "\n{} more bear the marks of other installations.", inventory.others)?;
    }
    for unread in &inventory.unread {
        writeln!(out, "{} not all could be read: {unread}", terminal.paint(Tone::Bad, "warning:"))?;
    }
    Ok(())
}

fn table(out: &mut impl Write, head: &str, loose: &[Loose], terminal: Terminal) -> io::Result<()> {
    writeln!(out, "{}", terminal.paint(Tone::Strong, head))?;
    if loose.is_empty() {
        return writeln!(out, "  none\n");
    }
    let row = |loose: &Loose| {
        vec![
            (Tone::Plain, format!("  {}", loose.name)),
            (Tone::Plain, loose.profile.clone()),
            (Tone::Faint, loose.why.clone()),
        ]
    };
    let heads = ["  NAME", "PROFILE", "WHOSE"].map(|text| (Tone::Faint, text.to_owned())).to_vec();
    let rows: Vec<_> = std::iter::once(heads).chain(loose.iter().map(row)).collect();
    columns(out, &rows, terminal)?;
    writeln!(out)
}
