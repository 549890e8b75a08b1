//! `mizuumi status`: all resources at a glance, and those that need somebody first.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use jiff::Timestamp;
use mizuumi_core::explain::State;
use mizuumi_core::overview::{Overview, Row};

use crate::explain::word;
use crate::kubernetes::KubernetesArgs;
use crate::terminal::{Output, Terminal, Tone, age, columns, print_data};

/// So many lines a message takes at most; `explain` has the whole.
const MESSAGE: usize = 2;

/// What `status` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mizuumi status -A               of all namespaces
  mizuumi status -n nyc           of one
  mizuumi status -A -o json       for programs

Exit codes:
  0  told, whatever there was to say
  1  an error: Kubernetes could not be read")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    kubernetes: KubernetesArgs,
    /// All namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// How to print it.
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Output,
}

/// Counts all resources, and tells of those that need somebody.
pub(crate) async fn run(args: &StatusArgs, terminal: Terminal) -> anyhow::Result<ExitCode> {
    let lookup = args.kubernetes.lookup().await?;
    let namespace = (!args.all_namespaces).then_some(lookup.namespace.as_str());
    let mut overview = Overview::new();
    let kinds: Vec<_> = overview.kinds.iter().map(|counts| counts.kind).collect();
    for kind in kinds {
        let listed = lookup.each(kind, namespace, None, |object| overview.add(&object)).await;
        listed.with_context(|| format!("cannot list {}", kind.plural()))?;
    }
    overview.sort();
    let mut out = io::stdout().lock();
    if !print_data(&mut out, args.output, &overview)? {
        print(&mut out, &overview, terminal, mizuumi_controller::now())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(out: &mut impl Write, overview: &Overview, terminal: Terminal, now: Timestamp) -> io::Result<()> {
    let head = |text: &str| (Tone::Faint, text.to_owned());
    let mut rows = vec![["KIND", "TOTAL", "GOOD", "GOING ON", "SUSPENDED", "ATTENTION"].map(head).to_vec()];
    for counts in &overview.kinds {
        let of = |states: &[State], tone| {
            let number = counts.of(states);
            (if number == 0 { Tone::Plain } else { tone }, number.to_string())
        };
        let attention = [
            State::Stuck,
            State::Missing,
            State::Failed,
            State::Unreached,
            State::Late,
            State::Untrusted,
            State::Unknown,
        ];
        rows.push(vec![
            (Tone::Plain, counts.kind.to_string()),
            (Tone::Plain, counts.total.to_string()),
            of(&[State::Good], Tone::Good),
            of(&[State::Working], Tone::Doubtful),
            of(&[State::Suspended], Tone::Doubtful),
            of(&attention, Tone::Bad),
        ]);
    }
    columns(out, &rows, terminal)?;
    if overview.attention.is_empty() {
        return writeln!(out, "\nNothing needs attention.");
    }
    writeln!(out, "\n{}", terminal.paint(Tone::Strong, "These need attention"))?;
    overview.attention.iter().try_for_each(|row| print_row(out, row, terminal, now))?;
    let first = &overview.attention[0].id;
    let namespace =
        if first.namespace.is_empty() { String::new() } else { format!(" -n {}", first.namespace) };
    writeln!(out, "\nTo see why: mizuumi explain {}/{}{namespace}", first.kind.short(), first.name)
}

fn print_row(out: &mut impl Write, row: &Row, terminal: Terminal, now: Timestamp) -> io::Result<()> {
    let (tone, state) = word(row.state);
    let state = terminal.paint(tone, state);
    let Some(told) = &row.told else {
        return writeln!(out, "  {}: {state}\n      no controller has looked at its spec yet", row.id);
    };
    writeln!(out, "  {}: {state}, {} for {}", row.id, told.reason, age(told.since, now))?;
    let message = terminal.wrap("      ", &told.message);
    let is_cut = message.len() > MESSAGE;
    for (place, line) in message.iter().take(MESSAGE).enumerate() {
        let cut = if is_cut && place + 1 == MESSAGE { " …" } else { "" };
        writeln!(out, "{line}{cut}")?;
    }
    Ok(())
}
