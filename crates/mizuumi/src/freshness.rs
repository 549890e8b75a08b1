//! `mizuumi freshness`: how late each table is, the latest first.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use jiff::Timestamp;
use mizuumi_api::ResourceKind;
use mizuumi_api::data_table::FreshnessState;
use mizuumi_core::explain::Object;
use mizuumi_core::overview::{Lateness, by_lateness};

use crate::kubernetes::KubernetesArgs;
use crate::terminal::{Output, Terminal, Tone, age, columns, length, print_data};

/// What `freshness` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mizuumi freshness -A            all tables that say how recent they have to be
  mizuumi freshness -n nyc --late only those that are late
  mizuumi freshness -A -o json    for programs

LATE is how long a table has been late, IN how long it stays fresh unless newer data comes. AGE is how old the data is
now, counted from DATA TIME, the exclusive end of what is there; without one, from when it landed.

Exit codes:
  0  told; with --late: none is late
  1  an error: Kubernetes could not be read
  2  with --late: at least one is late")]
pub(crate) struct FreshnessArgs {
    #[command(flatten)]
    kubernetes: KubernetesArgs,
    /// All namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// Only tables that are late.
    #[arg(long)]
    late: bool,
    /// How to print it.
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Output,
}

/// Tells how late each table is.
pub(crate) async fn run(args: &FreshnessArgs, terminal: Terminal) -> anyhow::Result<ExitCode> {
    let lookup = args.kubernetes.lookup().await?;
    let namespace = (!args.all_namespaces).then_some(lookup.namespace.as_str());
    let mut tables = Vec::new();
    let take = |object| {
        if let Object::Table(table) = object {
            tables.extend(Lateness::of(&table));
        }
    };
    lookup.each(ResourceKind::DataTable, namespace, None, take).await.context("cannot list datatables")?;
    let now = mizuumi_controller::now();
    by_lateness(&mut tables, now);
    if args.late {
        tables.retain(|table| table.late_by(now).is_some_and(|late| late.is_positive()));
    }
    let mut out = io::stdout().lock();
    if !print_data(&mut out, args.output, &tables)? {
        print(&mut out, &tables, args.late, terminal, now)?;
    }
    Ok(if args.late && !tables.is_empty() { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

fn print(
    out: &mut impl Write,
    tables: &[Lateness],
    late: bool,
    terminal: Terminal,
    now: Timestamp,
) -> io::Result<()> {
    if tables.is_empty() && late {
        return writeln!(out, "No table is late.");
    }
    if tables.is_empty() {
        return writeln!(out, "No DataTable here says how recent its data has to be (spec.freshness).");
    }
    let head = |text: &str| (Tone::Faint, text.to_owned());
    let mut rows = vec![["DATATABLE", "STATE", "LATE", "IN", "DATA TIME", "AGE"].map(head).to_vec()];
    for table in tables {
        let (tone, state) = match table.state {
            Some(FreshnessState::Fresh) => (Tone::Good, "Fresh"),
            Some(FreshnessState::NotDue) => (Tone::Good, "NotDue"),
            Some(FreshnessState::Warn) => (Tone::Doubtful, "Warn"),
            Some(FreshnessState::Stale) => (Tone::Bad, "Stale"),
            Some(FreshnessState::Unknown) | None => (Tone::Doubtful, "Unknown"),
        };
        let late = table.late_by(now);
        let of =
            |is: bool| late.filter(|late| late.is_positive() == is).map_or_else(|| "-".to_owned(), length);
        let time = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), |time| time.to_string());
        let since = table.data_time.or(table.loaded_at);
        rows.push(vec![
            (Tone::Plain, format!("{}/{}", table.namespace, table.name)),
            (tone, state.to_owned()),
            (tone, of(true)),
            (Tone::Plain, of(false)),
            (Tone::Plain, time(table.data_time)),
            (Tone::Plain, since.map_or_else(|| "-".to_owned(), |since| age(since, now))),
        ]);
    }
    columns(out, &rows, terminal)
}
