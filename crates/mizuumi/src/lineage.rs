//! `mizuumi lineage`: where a table's data comes from, and where it goes.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::bail;
use mizuumi_core::lineage::{Asked, Hop, Keeper, Lineage, Station};

use crate::explain::word;
use crate::kubernetes::KubernetesArgs;
use crate::made::say;
use crate::terminal::{Output, Terminal, Tone, print_data};

/// What `lineage` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mizuumi lineage delays            the DataTable 'delays' of the kubeconfig's namespace
  mizuumi lineage nyc.flights       the Glue table, whoever keeps it
  mizuumi lineage delays -o json    for programs

From table to table by the jobs between them: a job reads the tables of `waitFor` and writes the one of `run.table`; a
link (`linkTo`) stands for another table. Resources of all namespaces are looked at, as far as you may see them.

Exit codes:
  0  told, whatever there was to say
  1  an error: no such table, or Kubernetes could not be read")]
pub(crate) struct LineageArgs {
    /// Name of the DataTable, or the Glue table as DATABASE.TABLE.
    table: String,
    #[command(flatten)]
    kubernetes: KubernetesArgs,
    /// How to print it.
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Output,
}

/// Follows a table.
pub(crate) async fn run(args: &LineageArgs, terminal: Terminal) -> anyhow::Result<ExitCode> {
    let lookup = args.kubernetes.lookup().await?;
    let asked =
        if args.table.contains('.') { Asked::Table(&args.table) } else { Asked::Resource(&args.table) };
    let lineage = match (lookup.lineage(asked).await, asked) {
        (Ok(lineage), _) => lineage,
        (Err(unread), _) if !unread.is_empty() => {
            bail!("cannot look for '{}': {}", args.table, unread.join("; "))
        }
        (Err(_), Asked::Table(table)) => {
            bail!("no DataTable keeps '{table}', and no job reads or writes it");
        }
        (Err(_), Asked::Resource(name)) => {
            bail!("there is no DataTable '{name}' in namespace '{}'", lookup.namespace);
        }
    };
    let mut out = io::stdout().lock();
    if !print_data(&mut out, args.output, &lineage)? {
        print(&mut out, &lineage, terminal)?;
    }
    for unread in &lineage.unread {
        say(&format!("warning: not all is known: {unread}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn print(out: &mut impl Write, lineage: &Lineage, terminal: Terminal) -> io::Result<()> {
    writeln!(out, "{}", table(&lineage.table, &lineage.kept_by, terminal))?;
    for (head, none, hops) in [
        ("Comes from", "no job that is known here", &lineage.comes_from),
        ("Goes to", "no job that is known here", &lineage.goes_to),
    ] {
        writeln!(out, "\n{}", terminal.paint(Tone::Strong, head))?;
        if hops.is_empty() {
            writeln!(out, "  {none}")?;
        }
        below(out, hops, "  ", terminal)?;
    }
    Ok(())
}

/// A table, and who keeps it.
fn table(name: &str, kept_by: &[Keeper], terminal: Terminal) -> String {
    let name = terminal.paint(Tone::Strong, name);
    if kept_by.is_empty() {
        return format!("{name}: no DataTable here keeps it");
    }
    let keepers: Vec<String> = kept_by.iter().map(|keeper| keeper_in_words(keeper, terminal)).collect();
    format!("{name} ({})", keepers.join(", "))
}

fn keeper_in_words(keeper: &Keeper, terminal: Terminal) -> String {
    let (tone, word) = word(keeper.state);
    format!("{}: {}", keeper.id, terminal.paint(tone, word))
}

fn below(out: &mut impl Write, hops: &[Hop], indent: &str, terminal: Terminal) -> io::Result<()> {
    for (place, hop) in hops.iter().enumerate() {
        let (branch, inner) = drawn(indent, place + 1 == hops.len());
        writeln!(out, "{branch}by {}", keeper_in_words(&hop.by, terminal))?;
        for (place, station) in hop.tables.iter().enumerate() {
            let Station { table: name, kept_by, hops, again } = station;
            let (branch, inner) = drawn(&inner, place + 1 == hop.tables.len());
            let again = if *again { ", see above" } else { "" };
            writeln!(out, "{branch}{}{again}", table(name, kept_by, terminal))?;
            below(out, hops, &inner, terminal)?;
        }
    }
    Ok(())
}

/// The tree before a line, and before what stands below it.
fn drawn(indent: &str, is_last: bool) -> (String, String) {
    if is_last {
        (format!("{indent}└─ "), format!("{indent}   "))
    } else {
        (format!("{indent}├─ "), format!("{indent}│  "))
    }
}
