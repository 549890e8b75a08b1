//! `mizuumi describe`: a resource and those that it has to do with, as a tree.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};
use jiff::Timestamp;
use mizuumi_api::condition::ConditionStatus;
use mizuumi_core::describe::Branch;
use mizuumi_core::explain::Told;

use crate::explain::word;
use crate::kubernetes::{KubernetesArgs, Named, named};
use crate::terminal::{Output, Terminal, Tone, age, print_data};

/// A message has a column of its own where so many characters are left for it; else it stands below.
const MESSAGE: usize = 40;

/// What `describe` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mizuumi describe dtbl/delays                        a table, its jobs, runs, checks and clusters
  mizuumi describe emrc/adhoc --show-conditions       with every condition
  mizuumi describe emrcc/standard --grouping=false    each cluster of a class on a line of its own
  mizuumi describe ijob/nightly -o json               the same for programs

READY, REASON and SINCE are those of the condition that says most. Messages are shown of what is not as it should be.
For why that is, and what to do: mizuumi explain. It only reads, and only from Kubernetes.

Exit codes:
  0  described, whatever there was to say
  1  an error: no such resource, or Kubernetes could not be read")]
pub(crate) struct DescribeArgs {
    /// Which resource.
    #[arg(value_name = "KIND/NAME", value_parser = named)]
    resource: Named,
    #[command(flatten)]
    kubernetes: KubernetesArgs,
    /// Show every condition of each resource.
    #[arg(long)]
    show_conditions: bool,
    /// Show those beside each other that stand alike as one line.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    grouping: bool,
    /// How to print it.
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Output,
}

/// Describes a resource.
pub(crate) async fn run(args: &DescribeArgs, terminal: Terminal) -> anyhow::Result<ExitCode> {
    let lookup = args.kubernetes.lookup().await?;
    let id = args.resource.in_namespace(&lookup.namespace);
    let found = lookup.describe(&id).await.with_context(|| format!("cannot look at {id}"))?;
    let Some(tree) = found else {
        bail!("there is no {id}; to see what there is: kubectl get {} -A", id.kind.short());
    };
    let mut out = io::stdout().lock();
    if !print_data(&mut out, args.output, &tree)? {
        let mut rows =
            Rows { args, now: mizuumi_controller::now(), namespace: id.namespace, all: Vec::new() };
        rows.add(std::slice::from_ref(&tree), "", "", "");
        print(&mut out, &rows.all, terminal)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A line of the tree.
struct Row {
    /// The tree before the name.
    branch: String,
    /// The tree before what stands below it.
    trunk: String,
    name: String,
    tone: Tone,
    ready: String,
    reason: String,
    since: String,
    message: String,
}

struct Rows<'a> {
    args: &'a DescribeArgs,
    now: Timestamp,
    namespace: String,
    all: Vec<Row>,
}

impl Rows<'_> {
    /// The rows of some that stand beside each other.
    fn add(&mut self, branches: &[Branch], indent: &str, tee: &str, end: &str) {
        let mut groups: Vec<&[Branch]> = branches.chunk_by(|one, other| self.is_alike(one, other)).collect();
        let last = groups.pop();
        for (group, is_last) in
            groups.into_iter().map(|group| (group, false)).chain(last.map(|last| (last, true)))
        {
            let (branch, inner) = match (tee.is_empty(), is_last) {
                (true, _) => (String::new(), String::new()),
                (false, false) => (format!("{indent}{tee}"), format!("{indent}│  ")),
                (false, true) => (format!("{indent}{end}"), format!("{indent}   ")),
            };
            let [first, ..] = group else { continue };
            let trunk = if first.below.is_empty() { inner.clone() } else { format!("{inner}│  ") };
            self.all.push(self.row(group, branch, trunk.clone()));
            if self.args.show_conditions && group.len() == 1 {
                let more = first.conditions.iter().skip(1);
                let more: Vec<Row> = more.map(|told| self.condition(told, &trunk)).collect();
                self.all.extend(more);
            }
            self.add(&first.below, &inner, "├─ ", "└─ ");
        }
    }

    fn is_alike(&self, one: &Branch, other: &Branch) -> bool {
        let kind = |branch: &Branch| branch.id.as_ref().map(|id| id.kind);
        let reason = |branch: &Branch| branch.conditions.first().map(|told| told.reason.clone());
        self.args.grouping
            && kind(one).is_some()
            && (one.relation, kind(one), one.state, reason(one))
                == (other.relation, kind(other), other.state, reason(other))
            && one.below.is_empty()
            && other.below.is_empty()
    }

    fn row(&self, group: &[Branch], branch: String, trunk: String) -> Row {
        let names: Vec<String> = group.iter().map(|branch| self.name(branch)).collect();
        let first = &group[0];
        let (tone, state) = word(first.state);
        let head = if let [name] = names.as_slice() {
            name.clone()
        } else {
            let kind = first.id.as_ref().map(|id| id.kind.to_string()).unwrap_or_default();
            format!("{} of {kind}", names.len())
        };
        let ready = first.conditions.iter().find(|told| told.type_ == "Ready");
        let told = first.conditions.first();
        let all: Vec<String> = (names.len() > 1).then(|| names.join(", ")).into_iter().collect();
        let why = first
            .unread
            .clone()
            .or_else(|| told.filter(|told| !told.is_good).map(|told| told.message.clone()));
        let message: Vec<String> = all.into_iter().chain(why.filter(|_| names.len() == 1)).collect();
        Row {
            branch,
            trunk,
            name: if first.relation.is_empty() { head } else { format!("{} {head}", first.relation) },
            tone,
            ready: ready.map_or("-", |ready| status(ready.status)).to_owned(),
            reason: told.map_or_else(|| state.to_owned(), |told| told.reason.clone()),
            since: told.map_or_else(|| "-".to_owned(), |told| age(told.since, self.now)),
            message: message.join(": "),
        }
    }

    /// Of another namespace it is told which.
    fn name(&self, branch: &Branch) -> String {
        let Some(id) = &branch.id else { return branch.name.clone() };
        if id.namespace == self.namespace || id.namespace.is_empty() {
            format!("{}/{}", id.kind, id.name)
        } else {
            format!("{}/{} in {}", id.kind, id.name, id.namespace)
        }
    }

    fn condition(&self, told: &Told, trunk: &str) -> Row {
        Row {
            branch: trunk.to_owned(),
            trunk: trunk.to_owned(),
            name: format!("· {}", told.type_),
            tone: if told.is_good { Tone::Good } else { Tone::Bad },
            ready: status(told.status).to_owned(),
            reason: told.reason.clone(),
            since: age(told.since, self.now),
            message: if told.is_good { String::new() } else { told.message.clone() },
        }
    }
}

const fn status(status: ConditionStatus) -> &'static str {
    match status {
        ConditionStatus::True => "True",
        ConditionStatus::False => "False",
        ConditionStatus::Unknown => "Unknown",
    }
}

fn print(out: &mut impl Write, rows: &[Row], terminal: Terminal) -> io::Result<()> {
    let widest = |of: &dyn Fn(&Row) -> usize, head: &str| {
        rows.iter().map(of).max().unwrap_or_default().max(head.chars().count())
    };
    let long = |text: &str| text.chars().count();
    let name = widest(&|row| long(&row.branch) + long(&row.name), "NAME");
    let ready = widest(&|row| long(&row.ready), "READY");
    let reason = widest(&|row| long(&row.reason), "REASON");
    let since = widest(&|row| long(&row.since), "SINCE");
    let before = name + ready + reason + since + 8;
    let has_column = terminal.width >= before + MESSAGE && rows.iter().any(|row| !row.message.is_empty());
    let head = format!("{:name$}  {:ready$}  {:reason$}  {:since$}", "NAME", "READY", "REASON", "SINCE");
    let head = if has_column { format!("{head}  MESSAGE") } else { head };
    writeln!(out, "{}", terminal.paint(Tone::Faint, head.trim_end()))?;
    for row in rows {
        let fill = " ".repeat(name - long(&row.branch) - long(&row.name));
        let painted = terminal.paint(row.tone, &row.name);
        let cells = format!("{:ready$}  {:reason$}  {:since$}", row.ready, row.reason, row.since);
        let line = format!("{}{painted}{fill}  {cells}", row.branch);
        if !has_column {
            writeln!(out, "{}", line.trim_end())?;
            let message = terminal.wrap(&format!("{}  ", row.trunk), &row.message);
            message.iter().try_for_each(|line| writeln!(out, "{}", line.trim_end()))?;
            continue;
        }
        let indent = format!("{:before$}", row.trunk);
        for (place, text) in terminal.wrap(&indent, &row.message).iter().enumerate() {
            let text = text.strip_prefix(&indent).unwrap_or(text);
            match place {
                0 => writeln!(out, "{line}  {text}")?,
                _ => writeln!(out, "{indent}{text}")?,
            }
        }
        if row.message.is_empty() {
            writeln!(out, "{}", line.trim_end())?;
        }
    }
    Ok(())
}
