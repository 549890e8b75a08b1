//! `mizuumi explain`: why a resource is not as it should be, what it waits for, and what to do.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};
use jiff::Timestamp;
use mizuumi_api::condition::ConditionStatus;
use mizuumi_core::explain::{Explanation, LastFailure, Node, State};

use crate::kubernetes::{KubernetesArgs, Named, named};
use crate::terminal::{Output, Terminal, Tone, age, length, print_data};

/// What `explain` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mizuumi explain dtbl/delays                 why a table is not ready, or not fresh
  mizuumi explain irun/delays-20261101t0000z-r0 -n nyc
  mizuumi explain emrc/adhoc -o json          the same for programs

Kinds: dtbl (DataTable), ijob (IngestJob), irun (IngestRun), emrc (EmrCluster), emrcc (EmrClusterClass), qchk
(QualityCheck), srcc (SourceConnection), bfill (Backfill). It only reads, and only from Kubernetes: what AWS said is in
the status and in Events.

Exit codes:
  0  explained, whatever there was to say
  1  an error: no such resource, or Kubernetes could not be read")]
pub(crate) struct ExplainArgs {
    /// Which resource.
    #[arg(value_name = "KIND/NAME", value_parser = named)]
    resource: Named,
    #[command(flatten)]
    kubernetes: KubernetesArgs,
    /// How to print it.
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Output,
}

/// Explains a resource.
pub(crate) async fn run(args: &ExplainArgs, terminal: Terminal) -> anyhow::Result<ExitCode> {
    let lookup = args.kubernetes.lookup().await?;
    let id = args.resource.in_namespace(&lookup.namespace);
    let found = lookup.explain(&id).await.with_context(|| format!("cannot look at {id}"))?;
    let Some(explanation) = found else {
        bail!("there is no {id}; to see what there is: kubectl get {} -A", id.kind.short());
    };
    let mut out = io::stdout().lock();
    if !print_data(&mut out, args.output, &explanation)? {
        print(&mut out, &explanation, terminal, mizuumi_controller::now())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// How a state reads.
pub(crate) const fn word(state: State) -> (Tone, &'static str) {
    match state {
        State::Stuck => (Tone::Bad, "stuck"),
        State::Missing => (Tone::Bad, "missing"),
        State::Failed => (Tone::Bad, "failed"),
        State::Unreached => (Tone::Bad, "not reached"),
        State::Late => (Tone::Bad, "late"),
        State::Untrusted => (Tone::Bad, "not to be trusted"),
        State::Unknown => (Tone::Doubtful, "unknown"),
        State::Working => (Tone::Doubtful, "going on"),
        State::Suspended => (Tone::Doubtful, "suspended"),
        State::Good => (Tone::Good, "good"),
    }
}

fn print(out: &mut impl Write, told: &Explanation, terminal: Terminal, now: Timestamp) -> io::Result<()> {
    let Explanation { node, advice } = told;
    writeln!(out, "{}: {}\n", terminal.paint(Tone::Strong, &node.name), in_words(node.state, terminal))?;
    let mut said = Vec::new();
    for condition in &node.conditions {
        let tone = if condition.is_good { Tone::Good } else { Tone::Bad };
        let status = match condition.status {
            ConditionStatus::True => "True",
            ConditionStatus::False => "False",
            ConditionStatus::Unknown => "Unknown",
        };
        let head = format!("{} is {status}: {}", condition.type_, condition.reason);
        writeln!(out, "  {}, for {}", terminal.paint(tone, &head), age(condition.since, now))?;
        // `Ready` often says what `Stalled` or `Reconciling` does.
        if !said.contains(&&condition.message) {
            lines(out, &terminal.wrap("    ", &condition.message))?;
            said.push(&condition.message);
        }
    }
    if let Some(failure) = &node.last_failure {
        writeln!(out, "\n{}", terminal.paint(Tone::Strong, "The last try"))?;
        for line in last_try(failure, now) {
            lines(out, &terminal.wrap("  ", &line))?;
        }
    }
    if !node.facts.is_empty() {
        writeln!(out)?;
    }
    for fact in &node.facts {
        lines(out, &terminal.wrap("  ", fact))?;
    }
    if !node.waits_for.is_empty() {
        writeln!(out, "\n{}", terminal.paint(Tone::Strong, "What it has to do with"))?;
        below(out, &node.waits_for, "  ", terminal, now)?;
    }
    if !advice.is_empty() {
        writeln!(out, "\n{}", terminal.paint(Tone::Strong, "What to do"))?;
    }
    for advice in advice {
        writeln!(out, "  {} ({})", terminal.paint(Tone::Strong, &advice.about), advice.reason)?;
        lines(out, &terminal.wrap("    ", &advice.meaning))?;
        lines(out, &terminal.wrap("    ", &format!("Next: {}.", advice.next)))?;
    }
    Ok(())
}

/// The try that failed last: of what AWS said the code, as the condition has the whole of it.
fn last_try(failure: &LastFailure, now: Timestamp) -> Vec<String> {
    let LastFailure { operation, code, request_id, at, tries, next_try, .. } = failure;
    let code = code.as_deref().map(|code| format!(": {code}")).unwrap_or_default();
    let times = if *tries > 1 { format!("; tried {tries} times in a row") } else { String::new() };
    let mut told = vec![format!("{operation} failed {} ago{code}{times}", age(*at, now))];
    told.extend(request_id.as_deref().map(|id| format!("request id {id}")));
    told.extend(next_try.map(|next| {
        if next >= now {
            format!("next try in {}", length(next.duration_since(now)))
        } else {
            format!("the next try was due {} ago; is a controller running?", age(next, now))
        }
    }));
    told
}

fn in_words(state: State, terminal: Terminal) -> String {
    let (tone, word) = word(state);
    terminal.paint(tone, word)
}

/// The chain as a tree.
fn below(
    out: &mut impl Write,
    nodes: &[Node],
    indent: &str,
    terminal: Terminal,
    now: Timestamp,
) -> io::Result<()> {
    for (place, node) in nodes.iter().enumerate() {
        let is_last = place + 1 == nodes.len();
        let (branch, trunk) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let inner = format!("{indent}{trunk}");
        let (tone, word) = word(node.state);
        let mut head = terminal.wrap(&inner, &format!("{} {}: {word}", node.relation, node.name));
        if let Some(last) = head.last_mut()
            && let Some(rest) = last.strip_suffix(word)
        {
            *last = format!("{rest}{}", terminal.paint(tone, word));
        }
        if let Some(first) = head.first_mut() {
            *first = first.replacen(&inner, &format!("{indent}{branch}"), 1);
        }
        lines(out, &head)?;
        let told = node.conditions.iter().filter(|told| !told.is_good);
        let mut said = Vec::new();
        for told in told {
            // `Ready` often says what `Stalled` or `Reconciling` does.
            let line = format!("{}: {}", told.reason, told.message);
            if !said.contains(&line) {
                lines(out, &terminal.wrap(&inner, &line))?;
                said.push(line);
            }
        }
        for told in node.last_failure.iter().flat_map(|failure| last_try(failure, now)) {
            lines(out, &terminal.wrap(&inner, &told))?;
        }
        for fact in &node.facts {
            lines(out, &terminal.wrap(&inner, fact))?;
        }
        below(out, &node.waits_for, &inner, terminal, now)?;
    }
    Ok(())
}

fn lines(out: &mut impl Write, lines: &[String]) -> io::Result<()> {
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))
}
