//! `mizuumi import emr`: a manifest of a cluster that EMR has, and what its next cluster would have otherwise.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use mizuumi_api::installation::DEFAULT_PROFILE;
use mizuumi_api::{EmrClusterClass, Installation};
use mizuumi_aws::{Clients, ClusterPort, Metrics};
use mizuumi_core::emr_cluster::import::{Found, class, cluster, differences, name};
use serde_json::json;

use crate::import::{Imported, write, written};
use crate::kubernetes::KubernetesArgs;
use crate::made::say;
use crate::manifests;

/// The next cluster would have something otherwise.
const OTHERWISE: u8 = 2;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mizuumi import emr j-2AXXXXXXGAPLF -o emr/                                 with a class of its own
  mizuumi import emr j-2AXXXXXXGAPLF -o emr/ --class standard                with a class that Kubernetes has
  mizuumi import emr j-2AXXXXXXGAPLF -o - --class standard -f class.yaml     or that is among manifests

The manifest asks for a cluster like this one: release, applications, settings, nodes, scaling, steps, tags. Roles, subnets
and logs are those of the configuration's profile. The cluster itself is left alone: it is EMR's until it ends.

Exit codes:
  0  imported; the next cluster would be the same
  1  an error: no such cluster, AWS could not be read, or a file could not be written
  2  imported; the next cluster would have something otherwise, which the file and standard error say")]
pub(crate) struct EmrArgs {
    /// EMR's id of the cluster.
    #[arg(value_name = "ID")]
    id: String,
    /// The folder that the manifests are written to; - for standard output.
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// The installation's configuration.
    #[arg(long, env = "MIZUUMI_CONFIG", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// The EmrClusterClass that the manifest names; without it, one is written that has nothing of its own.
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    /// Manifests that have the class; without it, Kubernetes is asked.
    #[arg(short, long = "filename", value_name = "PATH", requires = "class")]
    filename: Vec<PathBuf>,
    #[command(flatten)]
    kubernetes: KubernetesArgs,
    /// The resource's name; without it, that of the resource that made it, or one after the cluster's.
    #[arg(long)]
    name: Option<String>,
    /// The profile of the configuration that reads the cluster.
    #[arg(long, default_value = DEFAULT_PROFILE)]
    profile: String,
    /// Write over files that are there.
    #[arg(long)]
    force: bool,
}

/// Imports a cluster.
pub(crate) async fn run(args: &EmrArgs, installation: &Installation) -> anyhow::Result<ExitCode> {
    let port = ClusterPort::new(Clients::new(installation, Metrics::unread()).await);
    let Some(found) = port.whole(&args.profile, &args.id).await? else {
        bail!("EMR has no cluster '{}'; check the region and the account of the configuration", args.id);
    };
    let name = args.name.clone().unwrap_or_else(|| name(&found));
    let (class, is_own) = match &args.class {
        Some(name) => (known(args, name).await?, false),
        None => (class(&name, args.kubernetes.namespace.as_deref(), &args.profile), true),
    };
    let class_name = class.metadata.name.clone().unwrap_or_default();
    let cluster = cluster(&found, &name, args.kubernetes.namespace.as_deref(), &class_name);
    let told = differences(&found, &cluster, Some(&class), installation);
    let notes = match told {
        Ok(told) if told.is_empty() => Vec::new(),
        Ok(told) => [vec![format!("The next cluster would not be as {} is:", found.id)], told].concat(),
        Err(why) => vec![format!("No cluster can be started by this: {why}")],
    };
    let usual = [
        ("onSpecChange", json!("Never")),
        ("deletionPolicy", json!("Delete")),
        ("managementPolicy", json!("Full")),
        ("suspend", json!(false)),
    ];
    let namespace = args.kubernetes.namespace.as_deref();
    let manifest = written("EmrCluster", (namespace, Some(&name)), json!(cluster.spec), &usual);
    let mut imported = vec![Imported { name: name.clone(), manifest, notes: notes.clone() }];
    if is_own {
        let usual = ["defaults", "mandatory", "rules"].map(|field| (field, json!({})));
        let manifest = written("EmrClusterClass", (None, Some(&class_name)), json!(class.spec), &usual);
        imported.push(Imported { name: format!("{name}-class"), manifest, notes: Vec::new() });
    }
    write(&args.output, args.force, &imported)?;
    for note in &notes {
        say(&format!("{name}: {note}"));
    }
    say(&format!("imported cluster {} ({}) as EmrCluster '{name}'.", found.id, in_words(&found)));
    Ok(if notes.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(OTHERWISE) })
}

/// The class that is named.
async fn known(args: &EmrArgs, name: &str) -> anyhow::Result<EmrClusterClass> {
    if args.filename.is_empty() {
        let found = args.kubernetes.lookup().await?.class(name).await;
        let found = found.with_context(|| format!("cannot look at EmrClusterClass '{name}'"))?;
        return found.with_context(|| format!("there is no EmrClusterClass '{name}'"));
    }
    let found = manifests::read(&args.filename, "default")?;
    let is_it = |class: &EmrClusterClass| class.metadata.name.as_deref() == Some(name);
    found.classes.into_iter().find(is_it).with_context(|| match found.problems.first() {
        Some(problem) => problem.clone(),
        None => format!("no EmrClusterClass '{name}' is among the manifests"),
    })
}

fn in_words(found: &Found) -> String {
    let fixed = &found.request.fixed;
    let applications = fixed.applications.join(" ");
    format!(
        "{}, {applications}, {} groups or fleets",
        fixed.release_label,
        fixed.groups.len() + fixed.fleets.len()
    )
}
