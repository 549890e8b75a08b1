//! `mizuumi settings`: what the pieces of an EMR cluster's settings come to, and which of them says each.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use mizuumi_api::EmrCluster;
use mizuumi_controller::lookup::Lookup;
use mizuumi_core::emr_cluster::{Merged, Pieces, settings};
use serde::Serialize;

use crate::kubernetes::KubernetesArgs;
use crate::manifests::{self, Manifests};
use crate::terminal::{Output, print_data};

/// What `settings` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mizuumi settings adhoc                       of the EmrCluster 'adhoc', as Kubernetes has it
  mizuumi settings -f clusters/                of every EmrCluster of a folder
  mizuumi settings adhoc -f clusters/ -o json  of one of them, for programs

With -f, the class and the ConfigMaps that are not among the files are looked for in Kubernetes. What comes later
wins: the class's defaults, the ConfigMaps in their order, the cluster's own, what the class has as mandatory.

Exit codes:
  0  done
  1  an error: a manifest is wrong, a piece is not there or cannot be read")]
pub(crate) struct SettingsArgs {
    /// Name of the EmrCluster; without it, every one among the files.
    #[arg(required_unless_present = "filename")]
    name: Option<String>,
    /// A manifest, a folder of manifests (with its subfolders), or - for standard input. Without it, Kubernetes is asked.
    #[arg(short, long = "filename", value_name = "PATH")]
    filename: Vec<PathBuf>,
    #[command(flatten)]
    kubernetes: KubernetesArgs,
    /// How to print them.
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Output,
}

/// The settings of a cluster.
#[derive(Serialize)]
struct OfCluster {
    namespace: String,
    name: String,
    settings: Vec<Setting>,
}

/// A setting.
#[derive(Serialize)]
struct Setting {
    /// Such as `spark-defaults`, or `spark-env.export` for one within another.
    classification: String,
    property: String,
    value: String,
    from: String,
}

/// Where pieces are found: among the files, or else in Kubernetes, which is asked only then.
struct Source<'a> {
    args: &'a SettingsArgs,
    found: Manifests,
    lookup: Option<Lookup>,
}

/// Puts the pieces together, and prints what they come to.
pub(crate) async fn run(args: &SettingsArgs) -> anyhow::Result<ExitCode> {
    let namespace = args.kubernetes.namespace.as_deref().unwrap_or("default");
    let found = manifests::read(&args.filename, namespace)?;
    let mut source = Source { args, found, lookup: None };
    let mut problems = source.found.problems.clone();
    let mut told = Vec::new();
    for cluster in source.clusters().await? {
        let namespace = cluster.metadata.namespace.clone().unwrap_or_default();
        let name = cluster.metadata.name.clone().unwrap_or_default();
        let pieces = source.pieces(&cluster).await;
        let merged = pieces.map_err(|error| format!("{error:#}")).and_then(|pieces| {
            settings(&cluster, &pieces).map_err(|(reason, why)| format!("{reason}: {why}"))
        });
        match merged {
            Ok(merged) => told.push(OfCluster { namespace, name, settings: in_words(&merged) }),
            Err(why) => problems.push(format!("EmrCluster {namespace}/{name}: {why}")),
        }
    }
    print(&told, args.output)?;
    let mut err = io::stderr().lock();
    for problem in &problems {
        writeln!(err, "error: {problem}")?;
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Source<'_> {
    /// The clusters that are asked about.
    async fn clusters(&mut self) -> anyhow::Result<Vec<EmrCluster>> {
        if !self.args.filename.is_empty() {
            let is_asked =
                |cluster: &&EmrCluster| self.args.name.is_none() || cluster.metadata.name == self.args.name;
            let clusters: Vec<EmrCluster> = self.found.clusters.iter().filter(is_asked).cloned().collect();
            // What is wrong with the files says why none of them is it.
            if clusters.is_empty() && self.found.problems.is_empty() {
                let which = self.args.name.as_ref().map(|name| format!(" '{name}'")).unwrap_or_default();
                anyhow::bail!("no EmrCluster{which} is among the manifests");
            }
            return Ok(clusters);
        }
        let name = self.args.name.clone().unwrap_or_default();
        let lookup = self.lookup().await?;
        let cluster = lookup.cluster(&name).await.with_context(|| format!("EmrCluster '{name}'"))?;
        let cluster = cluster.with_context(|| {
            format!("there is no EmrCluster '{name}' in namespace '{}'", lookup.namespace)
        })?;
        Ok(vec![cluster])
    }

    async fn lookup(&mut self) -> anyhow::Result<&Lookup> {
        if self.lookup.is_none() {
            self.lookup = Some(self.args.kubernetes.lookup().await?);
        }
        self.lookup.as_ref().context("there is no client")
    }

    /// What a cluster is built from.
    async fn pieces(&mut self, cluster: &EmrCluster) -> anyhow::Result<Pieces> {
        let namespace = cluster.metadata.namespace.as_deref().unwrap_or_default();
        let class = &cluster.spec.class_name;
        let among = self.found.classes.iter().find(|found| found.metadata.name.as_ref() == Some(class));
        let class = match among {
            Some(class) => Some(class.clone()),
            None => self.elsewhere("EmrClusterClass", class).await?.class(class).await?,
        };
        let mut config_maps = BTreeMap::new();
        for source in cluster.spec.configurations_from.iter().flatten() {
            let name = source.config_map.clone();
            let data = match self.found.config_maps.get(&(namespace.to_owned(), name.clone())) {
                Some(data) => Some(data.clone()),
                None => match self.elsewhere("ConfigMap", &name).await {
                    Ok(lookup) => lookup.config_map(namespace, &name).await?,
                    Err(_) if source.optional.unwrap_or_default() => None,
                    Err(error) => return Err(error),
                },
            };
            config_maps.insert(name, data);
        }
        Ok(Pieces { class: class.map(Box::new), config_maps, ..Pieces::default() })
    }

    /// Kubernetes, for a piece that is not among the files.
    async fn elsewhere(&mut self, kind: &str, name: &str) -> anyhow::Result<&Lookup> {
        self.lookup().await.with_context(|| {
            format!("{kind} '{name}' is not among the manifests; give its file too, by -f, or a kubeconfig")
        })
    }
}

fn in_words(merged: &Merged) -> Vec<Setting> {
    let all = merged.settings().map(|(place, property, value, source)| Setting {
        classification: place.to_string(),
        property: property.to_owned(),
        value: value.to_owned(),
        from: source.to_string(),
    });
    all.collect()
}

fn print(told: &[OfCluster], output: Output) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    if !print_data(&mut out, output, &told)? {
        for cluster in told {
            table(&mut out, cluster)?;
        }
    }
    Ok(())
}

fn table(out: &mut impl Write, cluster: &OfCluster) -> io::Result<()> {
    writeln!(out, "# EmrCluster {}/{}", cluster.namespace, cluster.name)?;
    let rows = cluster.settings.iter().map(|setting| {
        // A row is a line, whatever the value.
        let value = setting.value.replace('\n', "\\n");
        [setting.classification.clone(), setting.property.clone(), value, setting.from.clone()]
    });
    let head = ["CLASSIFICATION", "PROPERTY", "VALUE", "FROM"].map(str::to_owned);
    let rows: Vec<[String; 4]> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let [first, second, third] = [width(0), width(1), width(2)];
    for [classification, property, value, from] in &rows {
        writeln!(out, "{classification:first$}  {property:second$}  {value:third$}  {from}")?;
    }
    writeln!(out)
}
