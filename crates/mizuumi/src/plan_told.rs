//! What `mizuumi plan` tells: for people on a terminal, for a pull request, for programs.

use std::fmt::Write as _;
use std::io::{self, Write};

use clap::ValueEnum;
use mizuumi_api::ResourceId;
use mizuumi_core::publication::sha256;
use serde::Serialize;
use serde_json::json;

use crate::terminal::{Terminal, Tone};

/// The version of the lines that programs read.
const VERSION: u32 = 1;
/// GitHub takes 65,536 characters in a comment.
const LONGEST_COMMENT: usize = 60_000;

/// How a plan is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    Text,
    Markdown,
    Json,
}

/// What happens to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Action {
    Create,
    Change,
    /// Nothing, but for the marks that say whose it is.
    TakeOver,
    /// Not all that the manifest says.
    Blocked,
    /// It goes on by itself.
    Wait,
    /// Nothing, and nothing is wrong.
    Hold,
    Error,
}

impl Action {
    /// Whether something would be written.
    pub(crate) const fn writes(self) -> bool {
        matches!(self, Self::Create | Self::Change | Self::TakeOver | Self::Blocked)
    }
}

/// A line about a resource, behind a symbol of `terraform plan`.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    symbol: char,
    text: String,
}

impl Line {
    pub(crate) const fn new(symbol: char, text: String) -> Self {
        Self { symbol, text }
    }

    /// The symbol of a change within a step stands in its text.
    fn inner(&self) -> char {
        if self.symbol == ' ' { self.text.trim_start().chars().next().unwrap_or(' ') } else { self.symbol }
    }
}

/// What is told of a resource.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) resource: ResourceId,
    /// The table in Glue.
    pub(crate) table: Option<String>,
    pub(crate) action: Action,
    /// A sentence about it.
    pub(crate) head: String,
    pub(crate) lines: Vec<Line>,
}

/// What is told of all.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) items: Vec<Item>,
    /// What is wrong with manifests that could not be planned.
    pub(crate) problems: Vec<String>,
    /// How many tables and clusters were looked at.
    pub(crate) looked_at: usize,
    /// How many manifests of other kinds there were.
    pub(crate) others: usize,
}

impl Told {
    fn count(&self, action: Action) -> usize {
        self.items.iter().filter(|item| item.action == action).count()
    }

    fn errors(&self) -> usize {
        self.count(Action::Error) + self.problems.len()
    }

    fn lines(&self, symbol: char) -> usize {
        self.items.iter().flat_map(|item| &item.lines).filter(|line| line.symbol == symbol).count()
    }

    /// Whether something is wrong, or cannot be done.
    pub(crate) fn is_wrong(&self) -> bool {
        self.errors() + self.count(Action::Blocked) > 0
    }

    /// Whether something would be written.
    pub(crate) fn changes(&self) -> bool {
        [Action::Create, Action::Change, Action::TakeOver].iter().any(|action| self.count(*action) > 0)
    }

    /// A hash of all that would be done: two plans with the same one do the same.
    fn hash(&self) -> String {
        let mut all = String::new();
        for item in self.items.iter().filter(|item| item.action.writes()) {
            all.push_str(&item.head);
            for line in &item.lines {
                all.push('\n');
                all.push(line.symbol);
                all.push_str(&line.text);
            }
            all.push('\0');
        }
        sha256(all.as_bytes())[..16].to_owned()
    }

    pub(crate) fn print(&self, out: &mut impl Write, form: Form, terminal: Terminal) -> anyhow::Result<()> {
        match form {
            Form::Text => self.text(out, terminal)?,
            Form::Markdown => self.markdown(out)?,
            Form::Json => self.json(out)?,
        }
        Ok(())
    }

    fn text(&self, out: &mut impl Write, terminal: Terminal) -> io::Result<()> {
        for item in &self.items {
            writeln!(out, "  {}", terminal.paint(Tone::Strong, &format!("# {}", item.head)))?;
            for line in &item.lines {
                let tone = match line.inner() {
                    '+' => Tone::Good,
                    '~' | '*' => Tone::Doubtful,
                    '-' | '!' => Tone::Bad,
                    _ => Tone::Plain,
                };
                let text = format!("{} {}", line.symbol, line.text);
                writeln!(out, "  {}", terminal.paint(tone, &text))?;
            }
            writeln!(out)?;
        }
        for problem in &self.problems {
            writeln!(out, "  {}\n", terminal.paint(Tone::Bad, &format!("! {problem}")))?;
        }
        writeln!(out, "{}", self.summary())
    }

    fn summary(&self) -> String {
        let count = |action| self.count(action);
        let [take_over, create, change, blocked, waiting] =
            [Action::TakeOver, Action::Create, Action::Change, Action::Blocked, Action::Wait].map(count);
        let (errors, warnings, deletions) = (self.errors(), self.lines('*'), self.lines('-'));
        if self.looked_at == 0 && errors == 0 {
            return format!(
                "No DataTable or EmrCluster among the manifests ({} of other kinds).",
                self.others
            );
        }
        if create + change + blocked + waiting + errors + take_over == 0 {
            return format!("No changes. AWS matches the manifests ({} looked at).", self.looked_at);
        }
        let mut said = "Plan: ".to_owned();
        if take_over > 0 {
            let _ = write!(said, "{take_over} to take over, ");
        }
        let _ = write!(said, "{create} to create, {change} to change");
        if deletions > 0 {
            let _ = write!(said, "; {deletions} steps delete something");
        }
        if blocked + errors > 0 {
            let _ = write!(said, "; {blocked} blocked, {errors} with errors");
        }
        if waiting > 0 {
            let _ = write!(said, "; {waiting} waiting");
        }
        if warnings > 0 {
            let _ = write!(said, "; {warnings} warning{}", if warnings == 1 { "" } else { "s" });
        }
        said.push('.');
        if take_over > 0 {
            said.push_str(
                " No changes to tables that are taken over, but for the marks that say whose they are.",
            );
        }
        said
    }

    /// A comment of a pull request: a headline, then what happens to each resource as a diff.
    fn markdown(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "### Mizuumi: {}\n", self.summary())?;
        let mut length = 0;
        let mut left = 0;
        for item in &self.items {
            let text = in_markdown(item);
            if length + text.len() > LONGEST_COMMENT {
                left += 1;
                continue;
            }
            length += text.len();
            out.write_all(text.as_bytes())?;
        }
        for problem in &self.problems {
            writeln!(out, "- :x: {problem}")?;
        }
        if left > 0 {
            writeln!(out, "\n{left} more are not shown; they are too many for a comment.")?;
        }
        if self.changes() {
            writeln!(out, "\nPlan hash `{}`", self.hash())?;
        }
        Ok(())
    }

    /// An object a line, as `terraform plan -json` has them.
    fn json(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let mut line = |value: serde_json::Value| writeln!(out, "{value}");
        line(json!({ "type": "version", "mizuumi": env!("CARGO_PKG_VERSION"), "format": VERSION }))?;
        for item in &self.items {
            let lines: Vec<String> =
                item.lines.iter().map(|line| format!("{} {}", line.symbol, line.text)).collect();
            line(json!({
                "type": "planned_change", "resource": item.resource, "table": item.table, "action": item.action,
                "deletes": item.lines.iter().any(|line| line.symbol == '-'), "message": item.head, "lines": lines,
            }))?;
        }
        for problem in &self.problems {
            line(json!({ "type": "diagnostic", "severity": "error", "message": problem }))?;
        }
        line(json!({
            "type": "change_summary", "takeOver": self.count(Action::TakeOver), "create": self.count(Action::Create),
            "change": self.count(Action::Change), "deletions": self.lines('-'), "blocked": self.count(Action::Blocked),
            "waiting": self.count(Action::Wait), "errors": self.errors(), "warnings": self.lines('*'),
            "hash": self.hash(), "message": self.summary(),
        }))?;
        Ok(())
    }
}

fn in_markdown(item: &Item) -> String {
    let deletes =
        if item.lines.iter().any(|line| line.symbol == '-') { " :warning: **deletes**" } else { "" };
    let mut text = format!("#### {}{deletes}\n\n```diff\n", item.head);
    for line in &item.lines {
        // Only these three are coloured.
        let symbol = match line.inner() {
            '+' => '+',
            '-' => '-',
            '~' | '!' | '*' => '!',
            _ => ' ',
        };
        let rest = if line.symbol == ' ' {
            format!("  {}", line.text.trim_start_matches([' ', '+', '-', '~']))
        } else {
            line.text.clone()
        };
        let _ = writeln!(text, "{symbol} {rest}");
    }
    text.push_str("```\n\n");
    text
}
