//! `mizuumi plan`: what applying manifests would change in AWS, by the very planner that the controller uses.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use mizuumi_api::data_table::ConfigMapKey;
use mizuumi_api::{DataTable, Installation, QualityCheck, ResourceId, SourceConnection};
use mizuumi_aws::catalog::Catalog;
use mizuumi_aws::{Clients, ClusterPort, Metrics, TablePort};
use mizuumi_core::data_table::avsc_from::SeenAvsc;
use mizuumi_core::data_table::desired::Report;
use mizuumi_core::data_table::lint::{self, Finding};
use mizuumi_core::data_table::{Mode, TableAround, TableStep, Tables};
use mizuumi_core::explain::Object;
use mizuumi_core::quality_check::Checks;
use mizuumi_core::source_connection::Connections;
use mizuumi_core::{Ask, DataReading, Failure, Goal, Kind, Lane, Plan, Port, Problem, Reading, Verdict};

use crate::cli::PlanArgs;
use crate::plan_told::{Action, Item, Line, Told};
use crate::terminal::Terminal;
use crate::{manifests, plan_clusters, plan_jobs};

/// What became of one manifest.
pub(crate) enum Planned {
    Invalid(Vec<Problem>),
    NotObserved(Failure),
    Plan(Plan<TableStep>, Mode, Vec<Finding>),
}

/// Reads the manifests, looks at AWS, and prints what would change.
pub(crate) async fn run(
    args: &PlanArgs,
    installation: &Installation,
    terminal: Terminal,
) -> anyhow::Result<ExitCode> {
    let found = manifests::read(&args.filename, &args.namespace)?;
    let clients = Clients::new(installation, Metrics::unread()).await;
    let clusters = ClusterPort::new(clients.clone());
    let port = TablePort::new(Arc::new(Catalog::new(clients)));
    // All at once: tables of one database share their reads.
    let planned = futures::future::join_all(
        found.tables.iter().map(|table| plan(&port, installation, table, avsc(&found, table))),
    )
    .await;
    let place = |resource: &ResourceId, path: &str| found.place(resource, path);
    let mut told = Told {
        looked_at: found.tables.len() + found.clusters.len(),
        others: found.others + found.jobs.len(),
        ..Told::default()
    };
    for (table, planned) in found.tables.iter().zip(&planned) {
        told.items.extend(item(&place, table, planned));
    }
    // What the apiserver would refuse may be wrong in more ways than that.
    for table in &found.refused {
        if let Err(problems) = Tables::goal(table, installation) {
            told.items.extend(item(&place, table, &Planned::Invalid(problems)));
        }
    }
    for cluster in &found.clusters {
        let pieces = plan_clusters::among(&found, cluster);
        told.items.extend(plan_clusters::item(&place, &clusters, installation, cluster, pieces).await);
    }
    told.items.extend(plan_jobs::items(&found, installation, mizuumi_controller::now()));
    told.items.extend(plan_jobs::backfills(&found, mizuumi_controller::now()));
    told.items.extend(found.checks.iter().filter_map(|check| of_check(&found, check, installation)));
    told.items.extend(found.connections.iter().filter_map(|one| of_connection(&found, one, installation)));
    told.problems.clone_from(&found.problems);
    let mut out = io::stdout().lock();
    told.print(&mut out, args.output, terminal)?;
    out.flush()?;
    Ok(match (told.is_wrong(), args.detailed_exitcode && told.changes()) {
        (false, false) => ExitCode::SUCCESS,
        (false, true) => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    })
}

/// What would happen to a table.
pub(crate) async fn plan(
    port: &TablePort,
    installation: &Installation,
    table: &DataTable,
    avsc: Option<SeenAvsc>,
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
    Tables::heed(&mut goal, table, TableAround { avsc, ..TableAround::default() });
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

/// What is told of a table, with the place of each mistake; nothing if nothing happens to it.
pub(crate) fn item(
    place: &dyn Fn(&ResourceId, &str) -> String,
    table: &DataTable,
    planned: &Planned,
) -> Option<Item> {
    let resource = Object::Table(Box::new(table.clone())).id();
    let key = Tables::key(table);
    let new = |action, what: &str, left: &str, lines| {
        let head = format!("{key} {what} ({resource}{left})");
        Item { resource: resource.clone(), table: Some(key.to_string()), action, head, lines }
    };
    match planned {
        Planned::Invalid(problems) => {
            let lines = problems.iter().map(|problem| match place(&resource, &problem.path) {
                place if place.is_empty() => Line::new('!', problem.to_string()),
                place => Line::new('!', format!("{place}: {problem}")),
            });
            Some(new(Action::Error, "cannot be planned", "", lines.collect()))
        }
        Planned::NotObserved(failure) => {
            let lines = vec![Line::new('!', failure.to_string())];
            Some(new(Action::Error, "could not be looked at", "", lines))
        }
        Planned::Plan(plan, mode, findings) => {
            let (action, what, lines) = of_plan(plan, *mode, findings)?;
            let left = match mode {
                Mode::ObserveOnly if action.writes() => "; not written: managementPolicy is ObserveOnly",
                Mode::Plan if action.writes() => "; not written: managementPolicy is Plan",
                Mode::Suspended if action.writes() => "; not written while suspended",
                _ => "",
            };
            Some(new(action, what, left, lines))
        }
    }
}

/// What a plan comes to, and its lines.
fn of_plan(
    plan: &Plan<TableStep>,
    mode: Mode,
    findings: &[Finding],
) -> Option<(Action, &'static str, Vec<Line>)> {
    let mut lines = Vec::new();
    if let (Verdict::Converging(reason, message), true) = (&plan.verdict, plan.steps.is_empty()) {
        return Some((Action::Wait, "waits", vec![Line::new('.', format!("{reason}: {message}"))]));
    }
    let blocked = match &plan.verdict {
        Verdict::Blocked(reason, message) => {
            lines.push(Line::new('!', format!("{reason}: {message}")));
            true
        }
        _ => false,
    };
    if plan.steps.is_empty() && !blocked {
        return None;
    }
    for step in &plan.steps {
        let mut all = step.lines().into_iter();
        lines.push(Line::new(step.symbol(), all.next().unwrap_or_default()));
        lines.extend(all.map(|line| Line::new(' ', line)));
    }
    // Of what stays as it is nobody has to hear each time.
    if !plan.steps.is_empty() {
        lines.extend(findings.iter().map(|it| Line::new('*', format!("{}: {}", it.reason, it.message))));
    }
    let creates = |step: &TableStep| matches!(step, TableStep::CreateTable(_) | TableStep::CreateLink(_));
    let (action, what) = if blocked {
        (Action::Blocked, "cannot be changed as the manifest says")
    } else if plan.steps.iter().any(creates) {
        (Action::Create, "will be created")
    } else if plan.steps.iter().all(TableStep::only_takes_over) && mode == Mode::Full {
        (Action::TakeOver, "will be taken over as it is")
    } else {
        (Action::Change, "will be changed")
    };
    Some((action, what, lines))
}

/// What is told of a check whose rules do not hold. Nothing of one that does is in AWS.
fn of_check(found: &manifests::Manifests, check: &QualityCheck, installation: &Installation) -> Option<Item> {
    let problems = Checks::goal(check, installation).err()?;
    let resource = Object::Check(Box::new(check.clone())).id();
    Some(wrong(found, resource, "evaluates nothing as the manifest says", &problems))
}

/// What is told of a connection that does not hold. Nothing of one that does is in AWS.
fn of_connection(
    found: &manifests::Manifests,
    connection: &SourceConnection,
    installation: &Installation,
) -> Option<Item> {
    let problems = Connections::goal(connection, installation).err()?;
    let resource = Object::Source(Box::new(connection.clone())).id();
    Some(wrong(found, resource, "lets no job make runs as the manifest says", &problems))
}

fn wrong(found: &manifests::Manifests, resource: ResourceId, verdict: &str, problems: &[Problem]) -> Item {
    let head = format!("{resource} {verdict}");
    let lines = problems
        .iter()
        .map(|problem| Line::new('!', format!("{}: {problem}", found.place(&resource, &problem.path))))
        .collect();
    Item { resource, table: None, action: Action::Error, head, lines }
}
