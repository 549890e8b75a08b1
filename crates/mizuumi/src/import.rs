//! `mizuumi import`: manifests of what there is in AWS, so that taking it over changes nothing.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use mizuumi_api::installation::DEFAULT_PROFILE;
use mizuumi_api::{DataTable, Installation};
use mizuumi_aws::catalog::{Catalog, DatabaseKey};
use mizuumi_aws::{Clients, Metrics};
use mizuumi_core::data_table::import::{Fit, candidates, fit, resource_name};
use mizuumi_core::data_table::{ObservedTable, TableKey};
use serde_json::{Value, json};

use crate::import_emr::{self, EmrArgs};
use crate::made::say;
use crate::manifests::Schemas;

/// Something could not be imported.
const NOT_ALL: u8 = 2;

/// What `import` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mizuumi import glue nyc -o tables/            every table of the database 'nyc', a file each
  mizuumi import glue nyc.flights -o -          one table, to standard output
  mizuumi import emr j-2AXXXXXXGAPLF -o emr/    a cluster of EMR
  mizuumi plan -f tables/                       then says that nothing changes but the marks of whose they are

Each manifest of a table takes its table over without changing it (adoptionPolicy: IfUnowned); nothing is written until it is
applied. A table that cannot be taken over as it is gets managementPolicy: Plan, and an Iceberg table
managementPolicy: ObserveOnly. Parameters that engines keep up to date for themselves are left to them.

Exit codes:
  0  all were imported
  1  an error: AWS could not be read, or a file could not be written
  2  some were not imported; standard error says which, and why")]
pub(crate) struct ImportArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Tables of the Glue Data Catalog, as DataTables.
    Glue(GlueArgs),
    /// A cluster of EMR, as an EmrCluster.
    Emr(EmrArgs),
}

#[derive(Debug, clap::Args)]
struct GlueArgs {
    /// The database, or one table of it.
    #[arg(value_name = "DATABASE[.TABLE]")]
    source: String,
    /// The folder that the manifests are written to; - for standard output.
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// The installation's configuration.
    #[arg(long, env = "MIZUUMI_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// The namespace that the manifests name; without it, none.
    #[arg(short, long)]
    namespace: Option<String>,
    /// The profile of the configuration that reads the tables, and that the manifests name.
    #[arg(long, default_value = DEFAULT_PROFILE)]
    profile: String,
    /// Write over files that are there.
    #[arg(long)]
    force: bool,
}

impl ImportArgs {
    /// Where the configuration is.
    pub(crate) fn config(&self) -> &Path {
        match &self.what {
            What::Glue(args) => &args.config,
            What::Emr(args) => &args.config,
        }
    }
}

/// A manifest, and what there is to say of it.
pub(crate) struct Imported {
    pub(crate) name: String,
    pub(crate) manifest: Value,
    pub(crate) notes: Vec<String>,
}

/// Imports what is asked for.
pub(crate) async fn run(args: &ImportArgs, installation: &Installation) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Glue(args) => glue(args, installation).await,
        What::Emr(args) => import_emr::run(args, installation).await,
    }
}

async fn glue(args: &GlueArgs, installation: &Installation) -> anyhow::Result<ExitCode> {
    let catalog = Catalog::new(Clients::new(installation, Metrics::unread()).await);
    let (database, tables) = read(args, &catalog).await?;
    let schemas = Schemas::new()?;
    let mut imported = Vec::new();
    let mut left: Vec<(String, String)> = Vec::new();
    let mut names = BTreeSet::new();
    for (table, there) in tables {
        let name = free(&resource_name(&table), &mut names);
        let key =
            TableKey { profile: args.profile.clone(), database: database.clone(), table: table.clone() };
        match import(args, &schemas, installation, &key, &there, &name) {
            Ok(found) => imported.push(found),
            Err(why) => left.push((table, why)),
        }
    }
    write(&args.output, args.force, &imported)?;
    for found in &imported {
        found.notes.iter().for_each(|note| say(&format!("{}: {note}", found.name)));
    }
    for (table, why) in &left {
        say(&format!("not imported: {database}.{table}: {why}"));
    }
    say(&format!("imported {} of {} tables.", imported.len(), imported.len() + left.len()));
    Ok(if left.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(NOT_ALL) })
}

/// The tables that are asked for.
async fn read(args: &GlueArgs, catalog: &Catalog) -> anyhow::Result<(String, Vec<(String, ObservedTable)>)> {
    let (database, table) = match args.source.split_once('.') {
        Some((database, table)) => (database.to_owned(), Some(table.to_owned())),
        None => (args.source.clone(), None),
    };
    if let Some(table) = table {
        let key = TableKey { profile: args.profile.clone(), database: database.clone(), table };
        let Some(there) =
            catalog.one_table(&key).await.with_context(|| format!("table '{}'", args.source))?
        else {
            bail!(
                "there is no table '{}' in Glue; check the region and the account of the configuration",
                args.source
            );
        };
        return Ok((database, vec![(key.table, there)]));
    }
    let key = DatabaseKey { profile: args.profile.clone(), database: database.clone() };
    let Some(mut tables) =
        catalog.all_tables(&key).await.with_context(|| format!("database '{database}'"))?
    else {
        bail!(
            "there is no database '{database}' in Glue; check the region and the account of the configuration"
        );
    };
    tables.sort_by(|one, other| one.0.cmp(&other.0));
    Ok((database, tables))
}

/// Two tables may come to one name in Kubernetes.
fn free(name: &str, names: &mut BTreeSet<String>) -> String {
    let with = |number: usize| {
        let suffix = format!("-{number}");
        let stem: String = name.chars().take(63 - suffix.len()).collect();
        format!("{}{suffix}", stem.trim_end_matches(['-', '.']))
    };
    let mut free = name.to_owned();
    let mut number = 2;
    while !names.insert(free.clone()) {
        free = with(number);
        number += 1;
    }
    free
}

/// The first manifest that takes the table over as it is; else the one that says in a plan what it would change.
fn import(
    args: &GlueArgs,
    schemas: &Schemas,
    installation: &Installation,
    key: &TableKey,
    there: &ObservedTable,
    name: &str,
) -> Result<Imported, String> {
    let mut best: Option<(DataTable, Vec<String>)> = None;
    let mut refused = None;
    for mut candidate in candidates(key, &there.definition, name)? {
        candidate.metadata.namespace.clone_from(&args.namespace);
        let problems = schemas.problems(&manifest(&candidate));
        if let Some(problem) = problems.first() {
            refused.get_or_insert_with(|| problem.clone());
            continue;
        }
        match fit(&candidate, there, installation, mizuumi_controller::now()) {
            Fit::Same => {
                return Ok(Imported {
                    name: name.to_owned(),
                    manifest: manifest(&candidate),
                    notes: Vec::new(),
                });
            }
            Fit::Changes(changes) => {
                if best.as_ref().is_none_or(|(_, before)| changes.len() < before.len()) {
                    best = Some((candidate, changes));
                }
            }
            Fit::Refused(why) => {
                refused.get_or_insert(why);
            }
        }
    }
    let Some((mut candidate, changes)) = best else {
        return Err(refused.unwrap_or_else(|| "there is no way to say it".to_owned()));
    };
    // Nothing happens to a table because somebody imported it.
    candidate.spec.management_policy = mizuumi_api::data_table::ManagementPolicy::Plan;
    let mut notes = vec![
        "taking it over would change it, so managementPolicy is Plan until somebody has looked:".to_owned(),
    ];
    notes.extend(changes);
    Ok(Imported { name: name.to_owned(), manifest: manifest(&candidate), notes })
}

fn manifest(table: &DataTable) -> Value {
    let usual = [
        ("databasePolicy", json!("Require")),
        ("deletionPolicy", json!("Retain")),
        ("managementPolicy", json!("Full")),
        ("adoptionPolicy", json!("Never")),
        ("suspend", json!(false)),
    ];
    let metadata = &table.metadata;
    let name = (metadata.namespace.as_deref(), metadata.name.as_deref());
    written("DataTable", name, json!(table.spec), &usual)
}

/// A resource, by namespace and name, as a person would write it: without what goes without saying.
pub(crate) fn written(
    kind: &str,
    (namespace, name): (Option<&str>, Option<&str>),
    mut spec: Value,
    usual: &[(&str, Value)],
) -> Value {
    if let Value::Object(fields) = &mut spec {
        for (field, usual) in usual {
            if fields.get(*field) == Some(usual) {
                fields.remove(*field);
            }
        }
    }
    let mut metadata = json!({ "name": name });
    if let Some(namespace) = namespace {
        metadata["namespace"] = json!(namespace);
    }
    json!({ "apiVersion": "mizuumi.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec })
}

/// Writes the manifests, a file each, or all to standard output.
pub(crate) fn write(folder: &Path, force: bool, imported: &[Imported]) -> anyhow::Result<()> {
    let text = |found: &Imported| -> anyhow::Result<String> {
        let comments: Vec<String> = found.notes.iter().map(|note| format!("# {note}\n")).collect();
        Ok(format!("{}{}", comments.concat(), serde_saphyr::to_string(&found.manifest)?))
    };
    if folder == Path::new("-") {
        let texts = imported.iter().map(text).collect::<anyhow::Result<Vec<_>>>()?;
        io::stdout().lock().write_all(texts.join("---\n").as_bytes())?;
        return Ok(());
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = |found: &Imported| folder.join(format!("{}.yaml", found.name));
    if let Some(there) = imported.iter().map(path).find(|path| path.exists() && !force) {
        bail!("{} is there already; nothing was written. With --force it is written over", there.display());
    }
    for found in imported {
        let path = path(found);
        std::fs::write(&path, text(found)?).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
