//! Planner cases: each file of `cases/data_table` is a resource and a world; its snapshot is plan and status.
//!
//! To add one, write the file and run the test with `INSTA_UPDATE=always`; then read what it says.
#![expect(clippy::expect_used, clippy::panic, reason = "a test's helpers fail as its tests do")]

#[path = "cases/case.rs"]
mod case;

use std::fmt::Write;
use std::fs;

use case::{Base, Case};
use jiff::Timestamp;
use mizuumi_api::DataTableStatus;
use mizuumi_core::data_table::simulate::simulate;
use mizuumi_core::data_table::{TableStep, TableWorld, Tables};
use mizuumi_core::kind::{Evidence, Kind};
use mizuumi_core::plan::{Plan, Verdict};

/// A longer snapshot is one that nobody reads.
const MOST_LINES: usize = 80;

#[test]
fn every_case_plans_and_reports_as_its_snapshot_says() {
    let base = fs::read_to_string("tests/cases/base.yaml").expect("base");
    let base: Base = serde_saphyr::from_str(&base).expect("base");
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| {
        insta::glob!("cases/data_table/*.yaml", |path| {
            let text = fs::read_to_string(path).expect("case");
            let case: Case =
                serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let told = tell(&case, &base);
            assert!(told.lines().count() <= MOST_LINES, "{} has a snapshot too long to read", path.display());
            insta::assert_snapshot!("data_table", told);
        });
    });
}

/// Plan and status of a case.
fn tell(case: &Case, base: &Base) -> String {
    let mut told = format!("# {}\n", case.about.trim());
    let object = case.object(base);
    let goal = case.goal(base);
    let evidence = match (&goal, case.failure()) {
        (Err(problems), _) => Evidence::Invalid(problems.clone()),
        (Ok(_), Some(failure)) => Evidence::NotObserved(failure),
        (Ok(goal), None) => {
            let world = case.world(base);
            let plan = Tables::plan(goal, &world, case.now);
            tell_plan(&mut told, &plan, Tables::may_write(goal));
            observed(world, plan, case, |world| Tables::plan(goal, world, case.now))
        }
    };
    tell_status(&mut told, Tables::report(&object, goal.as_ref().ok(), &evidence, case.now), case.now);
    told
}

fn observed(
    world: TableWorld,
    plan: Plan<TableStep>,
    case: &Case,
    planned: impl Fn(&TableWorld) -> Plan<TableStep>,
) -> Evidence<TableWorld, TableStep> {
    if !case.done {
        return Evidence::Observed { world, plan, done: Vec::new(), failure: None, endless: false };
    }
    let world = plan.steps.iter().fold(world, |world, step| simulate(&world, step, case.now));
    Evidence::Observed { plan: planned(&world), world, done: plan.steps, failure: None, endless: false }
}

fn tell_plan(told: &mut String, plan: &Plan<TableStep>, may_write: bool) {
    writeln!(told, "plan:{}", if may_write { "" } else { " (nothing is written)" }).expect("a string");
    for step in &plan.steps {
        let archive = match step {
            TableStep::UpdateTable { archive: false, .. } => " [no new version kept]",
            _ => "",
        };
        writeln!(told, "  - {step}{archive}").expect("a string");
    }
    let verdict = match &plan.verdict {
        Verdict::InSync => "in sync".to_owned(),
        Verdict::Converging(reason, _) => format!("converging: {reason}"),
        Verdict::Blocked(reason, message) => format!("blocked: {reason}: {message}"),
    };
    writeln!(told, "verdict: {verdict}").expect("a string");
    if let Some(wake_at) = plan.wake_at {
        writeln!(told, "wake at: {wake_at}").expect("a string");
    }
}

/// The conditions a line each, the rest as YAML.
fn tell_status(told: &mut String, mut status: DataTableStatus, now: Timestamp) {
    told.push_str("conditions:\n");
    for c in std::mem::take(&mut status.conditions) {
        let since = if c.last_transition_time == now {
            String::new()
        } else {
            format!(" (since {})", c.last_transition_time)
        };
        writeln!(told, "  - {}={:?}, {}: {}{since}", c.type_, c.status, c.reason, c.message)
            .expect("a string");
    }
    told.push_str("status:\n");
    for line in serde_saphyr::to_string(&status).expect("yaml").lines() {
        writeln!(told, "  {line}").expect("a string");
    }
}
