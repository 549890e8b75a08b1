//! The judge: whether Mizuumi kept its promises about tables, by what this endpoint knows and what Kubernetes shows.
//!
//! The invariants are those of the project's reliability targets, I1 to I9. Nothing here is shared with the controller:
//! a mistake in its code must not be one here.

mod calls;
mod freshness;
mod kept;
mod owned;
mod spec;
mod verdict;
mod view;

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

pub(crate) use self::verdict::Verdict;
pub(crate) use self::view::{Memory, View};
use self::view::{Object, Seen};
use crate::clock;
use crate::glue::Known;
use crate::ledger::Book;
use crate::owner::Mark;
use crate::requests::Endpoint;

/// What to judge.
#[derive(Debug, Clone, Default, Serialize, Deserialize, clap::Args)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Question {
    /// Only this account. The endpoint remembers objects by account, so always name it or never.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    /// Only marks of this installation count as marks of the objects shown.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) installation: Option<String>,
    /// I2: for so many seconds a table may be without its object.
    #[arg(long, default_value_t = Question::GRACE)]
    #[serde(default = "Question::grace")]
    pub(crate) grace: u32,
    /// I3: no write of Mizuumi's may have come after the call of this number.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) quiet_since: Option<u64>,
    /// I8: so many of a hundred calls may be throttled.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_throttled: Option<f64>,
    /// I8: only calls after this number, as far as the call log still has them.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) calls_since: Option<u64>,
}

impl Question {
    const GRACE: u32 = 600;

    fn grace() -> u32 {
        Self::GRACE
    }
}

/// The judgement.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Judgement {
    /// Number of the last call.
    seq: u64,
    /// Objects shown now.
    objects: usize,
    /// Tables known now.
    tables: usize,
    /// All violations.
    violations: u64,
    /// One by one.
    invariants: Vec<Verdict>,
    /// Mizuumi's calls, by operation.
    operations: Vec<calls::Share>,
}

/// All that the verdicts are made from.
struct Case<'a> {
    endpoint: &'a Endpoint,
    question: &'a Question,
    objects: &'a [Object],
    seen: Vec<Seen>,
    tables: Vec<Known>,
    /// Tables by database and name.
    by_name: HashMap<(String, String), Vec<usize>>,
    book: Book,
    now: i64,
}

impl Case<'_> {
    /// The table of an object: the one that carries its mark, else one of that name.
    fn table_of(&self, object: &Object) -> Option<&Known> {
        let named = self.by_name.get(&object.table()).map(Vec::as_slice).unwrap_or_default();
        let mut tables = named.iter().map(|index| &self.tables[*index]);
        let marked = tables.clone().find(|table| spec::is_marked_by(object, table));
        marked.or_else(|| tables.next())
    }

    /// The tables with a mark of Mizuumi's installation. A copy that somebody else made, mark and all, is none: its mark
    /// says so itself.
    fn marked(&self) -> impl Iterator<Item = (&Known, Mark<'_>)> {
        self.tables.iter().filter_map(|table| {
            let mark = Mark::read(table.owner.as_deref()?)?;
            let wanted =
                self.question.installation.as_deref().is_none_or(|wanted| wanted == mark.installation);
            let copied = mark.external != table.external() && !table.marked_by_us;
            (wanted && !copied && mark.kind == "DataTable").then_some((table, mark))
        })
    }

    /// The objects that are there, by `namespace/name`.
    fn present(&self) -> HashSet<String> {
        self.objects.iter().map(Object::key).collect()
    }
}

/// Judges, and remembers the objects shown.
pub(crate) fn judge(endpoint: &Endpoint, question: &Question, objects: &[Object]) -> Judgement {
    let account = question.account.as_deref();
    let now = clock::now().as_millisecond();
    let tables = endpoint.glue.survey(account);
    let mut by_name: HashMap<_, Vec<usize>> = HashMap::new();
    for (index, table) in tables.iter().enumerate() {
        by_name.entry((table.database.clone(), table.name.clone())).or_default().push(index);
    }
    let case = Case {
        endpoint,
        question,
        objects,
        seen: endpoint.memory.look(account, objects, now),
        tables,
        by_name,
        book: endpoint.ledger.book(account),
        now,
    };
    let (throttled, operations) = calls::throttled(&case);
    let invariants = vec![
        owned::made_once(&case),
        owned::known_to_kubernetes(&case),
        kept::as_the_spec_says(&case),
        owned::deleted_with_its_object(&case),
        owned::only_ours_written(&case),
        kept::read_before_ready(&case),
        owned::versions_named(&case),
        throttled,
        kept::no_fresher_than_the_data(&case),
    ];
    Judgement {
        seq: endpoint.last_seq(),
        objects: objects.len(),
        tables: case.tables.len(),
        violations: invariants.iter().map(|verdict| verdict.violations).sum(),
        invariants,
        operations,
    }
}
