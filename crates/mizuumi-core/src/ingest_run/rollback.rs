//! Which run a person takes back, and the run that does it.

use std::collections::BTreeSet;

use mizuumi_api::IngestRun;
use mizuumi_api::data_table::{DataTable, PartitionMode};
use mizuumi_api::ingest_run::{RunEngine, RunPhase};
use serde_json::{Value, json};

/// Longest name of a run, as its rules have it.
const LONGEST_NAME: usize = 63;

/// What is to be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The run that was published last.
    Last,
    /// This one.
    Run(String),
    /// What was published after this one.
    To(String),
}

/// A run to be taken back, and the run that does it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollback {
    /// Name of the run that is taken back.
    pub run: String,
    /// How many partitions it asked for, as far as that is known.
    pub partitions: Option<i64>,
    /// Name of the run that does it.
    pub name: String,
    /// Whether that one is there already, and not over.
    pub is_under_way: bool,
}

impl Rollback {
    /// The manifest of the run that does it.
    #[must_use]
    pub fn manifest(&self, namespace: &str, table: &str) -> Value {
        json!({
            "apiVersion": "mizuumi.dev/v1alpha1",
            "kind": "IngestRun",
            "metadata": { "name": self.name, "namespace": namespace },
            "spec": { "table": table, "engine": "Rollback", "rollback": { "run": self.run } },
        })
    }
}

/// Chooses the run.
///
/// # Errors
/// Why there is none to take back, and what can be done.
pub fn choose(table: &DataTable, runs: &[IngestRun], which: &Which) -> Result<Rollback, String> {
    let name = table.metadata.name.as_deref().unwrap_or_default();
    if table.spec.partitions.as_ref().is_none_or(|partitions| partitions.mode != PartitionMode::Published) {
        return Err(format!(
            "DataTable '{name}' has no `partitions.mode: Published`: no run is published into it that could be taken back"
        ));
    }
    let runs: Vec<&IngestRun> = runs.iter().filter(|run| run.spec.table == name).collect();
    let published = published(&runs);
    let run = match which {
        Which::Last => published.last().copied().ok_or_else(|| {
            format!("no run is known that is published into DataTable '{name}' and not taken back; name one by --run")
        })?,
        Which::Run(wanted) => find(&runs, wanted, name)?,
        Which::To(wanted) => after(&published, find(&runs, wanted, name)?)?,
    };
    if run.spec.engine == RunEngine::Rollback {
        return Err(format!(
            "run '{}' is a rollback itself; to have what it took back again, publish that by a run of the next revision",
            name_of(run)
        ));
    }
    if let Some(by) = rollbacks(&runs, run).find(|by| phase(by) == Some(RunPhase::Succeeded)) {
        return Err(format!("run '{}' was taken back already, by '{}'", name_of(run), name_of(by)));
    }
    let under_way = rollbacks(&runs, run).find(|by| !phase(by).is_some_and(RunPhase::is_over));
    let taken: BTreeSet<&str> = runs.iter().map(|run| name_of(run)).collect();
    Ok(Rollback {
        run: name_of(run).to_owned(),
        partitions: run.status.as_ref().and_then(|status| Some(status.manifest.as_ref()?.partitions)),
        name: under_way.map_or_else(|| free_name(name_of(run), &taken), |by| name_of(by).to_owned()),
        is_under_way: under_way.is_some(),
    })
}

/// Runs that brought what may still be there, in the order in which they were published.
fn published<'a>(runs: &[&'a IngestRun]) -> Vec<&'a IngestRun> {
    let is_back = |run: &IngestRun| rollbacks(runs, run).any(|by| phase(by) == Some(RunPhase::Succeeded));
    let mut all: Vec<&IngestRun> = runs.to_vec();
    all.retain(|run| {
        run.spec.engine != RunEngine::Rollback && phase(run) == Some(RunPhase::Succeeded) && !is_back(run)
    });
    all.sort_by_key(|run| (finished(run), super::desired::order(run)));
    all
}

/// The one run that was published after another.
fn after<'a>(published: &[&'a IngestRun], to: &IngestRun) -> Result<&'a IngestRun, String> {
    let Some(place) = published.iter().position(|run| name_of(run) == name_of(to)) else {
        return Err(format!("run '{}' is not published, so there is no going back to it", name_of(to)));
    };
    match &published[place + 1..] {
        [] => Err(format!("nothing was published after run '{}'", name_of(to))),
        [one] => Ok(one),
        [next, .., last] => Err(format!(
            "{} runs were published after '{}', '{}' to '{}', and a rollback takes one back: of a partition only what was \
             right before is known. Name it by --run, or publish the data of '{}' by a run of the next revision",
            published.len() - place - 1,
            name_of(to),
            name_of(next),
            name_of(last),
            name_of(to),
        )),
    }
}

fn find<'a>(runs: &[&'a IngestRun], wanted: &str, table: &str) -> Result<&'a IngestRun, String> {
    runs.iter().find(|run| name_of(run) == wanted).copied().ok_or_else(|| {
        format!("there is no IngestRun '{wanted}' of DataTable '{table}'; see: kubectl get irun --field-selector spec.table={table}")
    })
}

/// The runs that take a run back.
fn rollbacks<'a>(runs: &[&'a IngestRun], run: &IngestRun) -> impl Iterator<Item = &'a IngestRun> {
    let name = name_of(run);
    runs.iter()
        .copied()
        .filter(move |other| other.spec.rollback.as_ref().is_some_and(|rollback| rollback.run == name))
}

/// A name that no run has yet: one whose work failed keeps its own.
fn free_name(run: &str, taken: &BTreeSet<&str>) -> String {
    let endings = std::iter::once("-back".to_owned()).chain((2..).map(|number| format!("-back-{number}")));
    let names = endings.map(|ending| {
        let stem = run.get(..LONGEST_NAME - ending.len()).unwrap_or(run).trim_end_matches(['-', '.']);
        format!("{stem}{ending}")
    });
    // The names go on for ever, so one of them is free.
    names.into_iter().find(|name| !taken.contains(name.as_str())).unwrap_or_default()
}

fn name_of(run: &IngestRun) -> &str {
    run.metadata.name.as_deref().unwrap_or_default()
}

fn phase(run: &IngestRun) -> Option<RunPhase> {
    run.status.as_ref().and_then(|status| status.phase)
}

fn finished(run: &IngestRun) -> Option<jiff::Timestamp> {
    run.status.as_ref().and_then(|status| status.finished_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(mode: &str) -> DataTable {
        let partitions = match mode {
            "Published" => json!({ "mode": "Published" }),
            _ => json!({ "mode": "Discovered" }),
        };
        serde_json::from_value(json!({
            "apiVersion": "mizuumi.dev/v1alpha1", "kind": "DataTable", "metadata": { "name": "delays" },
            "spec": {
                "database": "d", "location": "s3://b/t/", "format": "parquet", "partitions": partitions,
                "schema": { "from": "Declared", "columns": [{ "name": "c", "type": "int" }] },
            },
        }))
        .expect("a table")
    }

    /// A run: its name, how far it is, and the day on which it was over; `name<run` takes a run back.
    fn run(text: &str, phase: &str, day: u8) -> IngestRun {
        let (name, back) = text.split_once('<').map_or((text, None), |(name, back)| (name, Some(back)));
        let spec = match back {
            Some(back) => json!({ "table": "delays", "engine": "Rollback", "rollback": { "run": back } }),
            None => json!({ "table": "delays", "engine": "External", "sessionTime": "2026-11-01T00:00:00Z" }),
        };
        let finished = (phase == "Succeeded").then(|| format!("2026-11-{day:02}T00:00:00Z"));
        serde_json::from_value(json!({
            "apiVersion": "mizuumi.dev/v1alpha1", "kind": "IngestRun", "metadata": { "name": name },
            "spec": spec, "status": { "phase": phase, "finishedAt": finished },
        }))
        .expect("a run")
    }

    fn chosen(runs: &[IngestRun], which: &Which) -> Result<(String, String, bool), String> {
        choose(&table("Published"), runs, which).map(|back| (back.run, back.name, back.is_under_way))
    }

    fn told(run: &str, name: &str, is_under_way: bool) -> (String, String, bool) {
        (run.to_owned(), name.to_owned(), is_under_way)
    }

    #[test]
    fn what_was_published_last_is_taken_back_unless_another_is_named() {
        let mut runs = vec![run("b", "Succeeded", 3), run("a", "Succeeded", 2), run("c", "Running", 0)];
        assert_eq!(chosen(&runs, &Which::Last), Ok(told("b", "b-back", false)));
        assert_eq!(chosen(&runs, &Which::Run("a".to_owned())), Ok(told("a", "a-back", false)));
        assert_eq!(chosen(&runs, &Which::To("a".to_owned())), Ok(told("b", "b-back", false)));
        // One that failed leaves its name; one that is under way is joined; what is back is back.
        runs.push(run("b-back<b", "Failed", 0));
        assert_eq!(chosen(&runs, &Which::Last), Ok(told("b", "b-back-2", false)));
        runs.push(run("b-back-2<b", "Publishing", 0));
        assert_eq!(chosen(&runs, &Which::Last), Ok(told("b", "b-back-2", true)));
        runs.push(run("b-back-3<b", "Succeeded", 4));
        assert_eq!(chosen(&runs, &Which::Last), Ok(told("a", "a-back", false)));
    }

    #[test]
    fn what_cannot_be_taken_back_is_told_with_what_to_do() {
        let runs = [
            run("a", "Succeeded", 1),
            run("b", "Succeeded", 2),
            run("c", "Succeeded", 3),
            run("d", "Succeeded", 4),
            run("d-back<d", "Succeeded", 5),
        ];
        for (which, says) in [
            (Which::To("a".to_owned()), "2 runs were published after 'a', 'b' to 'c'"),
            (Which::To("c".to_owned()), "nothing was published after run 'c'"),
            (Which::To("d".to_owned()), "'d' is not published"),
            (Which::Run("d".to_owned()), "taken back already, by 'd-back'"),
            (Which::Run("d-back".to_owned()), "is a rollback itself"),
            (Which::Run("x".to_owned()), "there is no IngestRun 'x' of DataTable 'delays'"),
        ] {
            let why = chosen(&runs, &which).expect_err(says);
            assert!(why.contains(says), "{why}");
        }
        let why = chosen(&[], &Which::Last).expect_err("none");
        assert!(why.contains("no run is known"), "{why}");
        let why = choose(&table("Discovered"), &runs, &Which::Last).expect_err("another mode");
        assert!(why.contains("partitions.mode: Published"), "{why}");
    }

    #[test]
    fn names_are_no_longer_than_names_may_be() {
        let long = "r".repeat(63);
        let name = free_name(&long, &BTreeSet::new());
        assert_eq!(name.len(), 63);
        assert!(free_name(&long, &BTreeSet::from([name.as_str()])).ends_with("-back-2"));
    }
}
