//! `mizuumi lint`: what is wrong with manifests, without Kubernetes and without AWS.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mizuumi_api::Installation;
use mizuumi_api::{DataTable, IngestJob, QualityCheck, ResourceId, ResourceKind, SourceConnection};
use mizuumi_core::data_table::{TableWorld, Tables, lint};
use mizuumi_core::ingest_job::Jobs;
use mizuumi_core::quality_check::Checks;
use mizuumi_core::source_connection::{Connections, SeenConnection, filled};
use mizuumi_core::{Goal, Kind, Problem};
use serde::Serialize;

use crate::manifests::{self, Manifests};
use crate::references;
use crate::terminal::{Output, Terminal, Tone, print_data};

/// Something is wrong.
const WRONG: u8 = 2;

/// What `lint` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mizuumi lint -f tables/                          every mistake at once, with file and line
  mizuumi lint -f tables/ --config mizuumi.yaml    what the installation does not allow as well
  cat orders.yaml | mizuumi lint -f - -o json

It checks what the API server would (the schema, CEL rules, unknown fields) and what the controller would (types, names,
references, DQDL), and says what engines will read differently, and which resources are named that no file here has. Nothing is asked of Kubernetes or AWS.

Exit codes:
  0  nothing is wrong; warnings do not count
  1  an error: a file could not be read
  2  something is wrong")]
pub(crate) struct LintArgs {
    /// A manifest, a folder of manifests (with its subfolders), or - for standard input.
    #[arg(short, long = "filename", required = true, value_name = "PATH")]
    filename: Vec<PathBuf>,
    /// The installation's configuration; without it, whatever may be allowed is.
    #[arg(long, env = "MIZUUMI_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The namespace of manifests that name none.
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// How to print it.
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Output,
}

impl LintArgs {
    /// Where the configuration is, if there is one.
    pub(crate) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }
}

/// What is said of the manifests.
#[derive(Debug, Default, Serialize)]
struct Told {
    /// What is wrong.
    problems: Vec<String>,
    /// What engines will read differently, and what is named that no file here has.
    warnings: Vec<String>,
}

/// Checks the manifests.
pub(crate) fn run(
    args: &LintArgs,
    installation: Option<Installation>,
    terminal: Terminal,
) -> anyhow::Result<ExitCode> {
    let installation = match installation {
        Some(installation) => installation,
        None => anything()?,
    };
    let found = manifests::read(&args.filename, &args.namespace)?;
    let mut told = Told { problems: found.problems.clone(), warnings: Vec::new() };
    for table in found.tables.iter().chain(&found.refused) {
        lint_table(table, &found, &installation, &mut told);
    }
    for job in &found.jobs {
        lint_job(job, &found, &installation, &mut told);
    }
    for check in &found.checks {
        lint_check(check, &found, &installation, &mut told);
    }
    for connection in &found.connections {
        lint_connection(connection, &found, &installation, &mut told);
    }
    told.warnings.extend(references::elsewhere(&found));
    let mut out = io::stdout().lock();
    if !print_data(&mut out, args.output, &told)? {
        for problem in &told.problems {
            writeln!(out, "{} {problem}", terminal.paint(Tone::Bad, "error:"))?;
        }
        for warning in &told.warnings {
            writeln!(out, "{} {warning}", terminal.paint(Tone::Doubtful, "warning:"))?;
        }
        let looked = found.looked_at();
        writeln!(
            out,
            "{looked} manifests, {} errors, {} warnings.",
            told.problems.len(),
            told.warnings.len()
        )?;
    }
    Ok(if told.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(WRONG) })
}

/// An installation that allows whatever may be allowed.
fn anything() -> anyhow::Result<Installation> {
    Ok(serde_json::from_value(serde_json::json!({
        "installation": "lint",
        "aws": { "region": "us-east-1" },
        "allow": { "databases": ["*"], "s3Prefixes": ["s3://"], "links": [{ "database": "*" }] },
    }))?)
}

fn problems(found: &Manifests, id: &ResourceId, problems: &[Problem], told: &mut Told) {
    let name = format!("{} '{}'", id.kind, id.name);
    told.problems.extend(
        problems.iter().map(|problem| format!("{}: {name}: {problem}", found.place(id, &problem.path))),
    );
}

fn lint_table(table: &DataTable, found: &Manifests, installation: &Installation, told: &mut Told) {
    let id = id(ResourceKind::DataTable, table.metadata.namespace.as_ref(), table.metadata.name.as_ref());
    match Tables::goal(table, installation) {
        Err(wrong) => problems(found, &id, &wrong, told),
        // As if there were nothing yet: what stands in Glue is not known here.
        Ok(goal @ Goal::Present(_)) => {
            let world = TableWorld { database_exists: true, ..TableWorld::default() };
            let plan = Tables::plan(&goal, &world, mizuumi_controller::now());
            for finding in lint::of_plan(&goal, &world, &plan) {
                let place = found.place(&id, "spec");
                told.warnings.push(format!(
                    "{place}: DataTable '{}': {}: {}",
                    id.name, finding.reason, finding.message
                ));
            }
        }
        Ok(_) => {}
    }
}

fn lint_job(job: &IngestJob, found: &Manifests, installation: &Installation, told: &mut Told) {
    let id = id(ResourceKind::IngestJob, job.metadata.namespace.as_ref(), job.metadata.name.as_ref());
    if let Err(wrong) = Jobs::goal(job, installation) {
        problems(found, &id, &wrong, told);
    }
    // What is wrong with the connection itself is told of that.
    if let Some(connection) = found.connection_of(job)
        && let seen @ SeenConnection::Connection(_) = SeenConnection::of(connection, installation)
        && let Err((_, why)) = filled(job, &seen)
    {
        problems(found, &id, &[Problem::invalid("spec.run.source.connection", why)], told);
    }
}

fn lint_check(check: &QualityCheck, found: &Manifests, installation: &Installation, told: &mut Told) {
    let id = id(ResourceKind::QualityCheck, check.metadata.namespace.as_ref(), check.metadata.name.as_ref());
    if let Err(wrong) = Checks::goal(check, installation) {
        problems(found, &id, &wrong, told);
    }
}

fn lint_connection(
    connection: &SourceConnection,
    found: &Manifests,
    installation: &Installation,
    told: &mut Told,
) {
    let metadata = &connection.metadata;
    let id = id(ResourceKind::SourceConnection, metadata.namespace.as_ref(), metadata.name.as_ref());
    if let Err(wrong) = Connections::goal(connection, installation) {
        problems(found, &id, &wrong, told);
    }
}

fn id(kind: ResourceKind, namespace: Option<&String>, name: Option<&String>) -> ResourceId {
    ResourceId {
        kind,
        namespace: namespace.cloned().unwrap_or_default(),
        name: name.cloned().unwrap_or_default(),
    }
}
