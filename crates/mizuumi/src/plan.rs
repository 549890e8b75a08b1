//! `mizuumi plan`: what applying manifests would change in AWS, by the very planner that the controller uses.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use mizuumi_api::data_table::ConfigMapKey;
use mizuumi_api::{DataTable, Installation, QualityCheck};
use mizuumi_aws::catalog::Catalog;
use mizuumi_aws::{Clients, Metrics, TablePort};
use mizuumi_core::data_table::avsc_from::SeenAvsc;
use mizuumi_core::data_table::desired::Report;
use mizuumi_core::data_table::lint::{self, Finding};
use mizuumi_core::data_table::{Mode, TableAround, TableStep, Tables};
use mizuumi_core::quality_check::Checks;
use mizuumi_core::{Ask, DataReading, Failure, Goal, Kind, Lane, Plan, Port, Problem, Reading, Verdict};

use crate::cli::PlanArgs;
use crate::{manifests, plan_jobs};

/// What became of one manifest.
enum Planned {
    Invalid(Vec<Problem>),
    NotObserved(Failure),
    Plan(Plan<TableStep>, Mode, Vec<Finding>),
}

/// How many of each.
#[derive(Default)]
struct Counts {
    create: usize,
    change: usize,
    blocked: usize,
    waiting: usize,
    errors: usize,
    warnings: usize,
}

/// Reads the manifests, looks at AWS, and prints what would change.
pub(crate) async fn run(args: &PlanArgs, installation: &Installation) -> anyhow::Result<ExitCode> {
    let found = manifests::read(&args.filename, &args.namespace)?;
    let catalog = Arc::new(Catalog::new(Clients::new(installation, Metrics::unread()).await));
    let port = TablePort::new(catalog);
    // All at once: tables of one database share their reads.
    let planned =
        futures::future::join_all(found.tables.iter().map(|table| plan(&port, installation, &found, table)))
            .await;
    let mut out = io::stdout().lock();
    let mut counts = Counts { errors: found.problems.len(), ..Counts::default() };
    for (table, planned) in found.tables.iter().zip(&planned) {
        print(&mut out, table, planned, &mut counts)?;
    }
    counts.errors += plan_jobs::print(&mut out, &found, installation, mizuumi_controller::now())?;
    for check in &found.checks {
        print_check(&mut out, check, installation, &mut counts)?;
    }
    for problem in &found.problems {
        writeln!(out, "  ! {problem}\n")?;
    }
    summary(&mut out, &found, &counts)?;
    let changes = counts.create + counts.change > 0;
    Ok(match (counts.errors + counts.blocked, args.detailed_exitcode && changes) {
        (0, false) => ExitCode::SUCCESS,
        (0, true) => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    })
}

async fn plan(
    port: &TablePort,
    installation: &Installation,
    found: &manifests::Manifests,
    table: &DataTable,
) -> Planned {
    let mut goal = match Tables::goal(table, installation) {
        Ok(goal) => goal,
        Err(problems) => return Planned::Invalid(problems),
    };
    let mut mode = Mode::Full;
    if let Goal::Present(desired) = &mut goal {
        // Reports live on the cluster's copy, so freshness is left to the controller.
        desired.report = Report::NotAtHand;
        mode = desired.mode;
    }
    Tables::heed(&mut goal, table, TableAround { avsc: avsc(found, table), ..TableAround::default() });
    let ask = Ask {
        definition: Reading::Known,
        data: DataReading::Whole,
        lane: Lane::Change,
        now: mizuumi_controller::now(),
    };
    match port.observe(&Tables::key(table), &Tables::look(&goal), ask).await {
        Ok(world) => {
            let plan = Tables::plan(&goal, &world, mizuumi_controller::now());
            let findings = lint::of_plan(&goal, &world, &plan);
            Planned::Plan(plan, mode, findings)
        }
        Err(failure) => Planned::NotObserved(failure),
    }
}

/// What a ConfigMap among the manifests says, if that is where the columns come from.
fn avsc(found: &manifests::Manifests, table: &DataTable) -> Option<SeenAvsc> {
    let ConfigMapKey { name, key } = table.spec.schema.as_ref()?.avsc_from.as_ref()?.config_map.clone()?;
    let namespace = table.metadata.namespace.clone().unwrap_or_default();
    let map = found.config_maps.get(&(namespace, name.clone()));
    let text = map.and_then(|map| map.get(&key)).cloned();
    Some(text.map_or_else(
        || {
            SeenAvsc::Unreadable(format!(
                "no ConfigMap '{name}' with the key '{key}' is among the manifests; give its file too, by -f"
            ))
        },
        SeenAvsc::Text,
    ))
}

fn print(out: &mut impl Write, table: &DataTable, planned: &Planned, counts: &mut Counts) -> io::Result<()> {
    let resource = format!(
        "DataTable {}/{}",
        table.metadata.namespace.as_deref().unwrap_or_default(),
        table.metadata.name.as_deref().unwrap_or_default()
    );
    let key = Tables::key(table);
    match planned {
        Planned::Invalid(problems) => {
            counts.errors += 1;
            writeln!(out, "  # {key} cannot be planned ({resource})")?;
            for problem in problems {
                writeln!(out, "  ! {problem}")?;
            }
            writeln!(out)
        }
        Planned::NotObserved(failure) => {
            counts.errors += 1;
            writeln!(out, "  # {key} could not be looked at ({resource})\n  ! {failure}\n")
        }
        Planned::Plan(plan, mode, findings) => {
            let about = About { resource: &resource, key: &key.to_string(), mode: *mode, findings };
            print_plan(out, &about, plan, counts)
        }
    }
}

/// Tells of a check whose rules do not hold. Nothing of one that does is in AWS.
fn print_check(
    out: &mut impl Write,
    check: &QualityCheck,
    installation: &Installation,
    counts: &mut Counts,
) -> io::Result<()> {
    let Err(problems) = Checks::goal(check, installation) else { return Ok(()) };
    counts.errors += 1;
    writeln!(out, "  # QualityCheck {} evaluates nothing as the manifest says", Checks::key(check))?;
    for problem in problems {
        writeln!(out, "  ! {problem}")?;
    }
    writeln!(out)
}

/// What a plan is about.
struct About<'a> {
    resource: &'a str,
    key: &'a str,
    mode: Mode,
    findings: &'a [Finding],
}

fn print_plan(
    out: &mut impl Write,
    about: &About<'_>,
    plan: &Plan<TableStep>,
    counts: &mut Counts,
) -> io::Result<()> {
    let &About { resource, key, mode, findings } = about;
    if let Verdict::Blocked(reason, message) = &plan.verdict {
        counts.blocked += 1;
        writeln!(
            out,
            "  # {key} cannot be changed as the manifest says ({resource})\n  ! {reason}: {message}"
        )?;
        if plan.steps.is_empty() {
            return writeln!(out);
        }
    }
    if let (Verdict::Converging(reason, message), true) = (&plan.verdict, plan.steps.is_empty()) {
        counts.waiting += 1;
        return writeln!(out, "  # {key} waits ({resource})\n  . {reason}: {message}\n");
    }
    if plan.steps.is_empty() {
        return Ok(());
    }
    let what =
        if plan.steps.iter().any(|step| matches!(step, TableStep::CreateTable(_) | TableStep::CreateLink(_)))
        {
            counts.create += 1;
            "will be created"
        } else {
            counts.change += 1;
            "will be changed"
        };
    let left = match mode {
        Mode::Full => "",
        Mode::ObserveOnly => "; not written: managementPolicy is ObserveOnly",
        Mode::Plan => "; not written: managementPolicy is Plan",
        Mode::Suspended => "; not written while suspended",
    };
    writeln!(out, "  # {key} {what} ({resource}{left})")?;
    for step in &plan.steps {
        let mut lines = step.lines().into_iter();
        writeln!(out, "  {} {}", step.symbol(), lines.next().unwrap_or_default())?;
        for line in lines {
            writeln!(out, "    {line}")?;
        }
    }
    // Of what stays as it is nobody has to hear each time.
    for finding in findings {
        counts.warnings += 1;
        writeln!(out, "  * {}: {}", finding.reason, finding.message)?;
    }
    writeln!(out)
}

fn summary(out: &mut impl Write, found: &manifests::Manifests, counts: &Counts) -> io::Result<()> {
    let Counts { create, change, blocked, waiting, errors, warnings } = counts;
    if found.tables.is_empty() && found.problems.is_empty() && counts.errors == 0 {
        let others = found.others + found.jobs.len();
        return writeln!(out, "No DataTable among the manifests ({others} of other kinds).");
    }
    if create + change + blocked + waiting + errors == 0 {
        return writeln!(out, "No changes. AWS matches the manifests ({} looked at).", found.tables.len());
    }
    write!(out, "Plan: {create} to create, {change} to change")?;
    if blocked + errors > 0 {
        write!(out, "; {blocked} blocked, {errors} with errors")?;
    }
    if *waiting > 0 {
        write!(out, "; {waiting} waiting")?;
    }
    if *warnings > 0 {
        write!(out, "; {warnings} warning{}", if *warnings == 1 { "" } else { "s" })?;
    }
    writeln!(out, ".")
}
