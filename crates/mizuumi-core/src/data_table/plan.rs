//! What to do about a table. No IO, no clock: everything it needs is an argument.

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::Reason;
use mizuumi_api::data_table::AdoptionPolicy;

use super::crawler::{self, CrawlerGoal};
use super::definition::{OWNER_PARAMETER, TableDefinition};
use super::desired::{DesiredTable, Mode};
use super::indexes::{self, Next};
use super::learning::Trouble;
use super::step::{TableStep, Why, news};
use super::world::{ObservedTable, TableWorld};
use super::{
    TableClaim, TableGoal, cascade, diff, evolution, learning, link, looks, merge, partitions, publishing,
    superseded, versions,
};
use crate::owner;
use crate::plan::{Goal, Plan, Verdict};
use crate::s3_uri;

/// Between two looks whether an index is built that a deletion waits for.
const WHILE_BUILDING: SignedDuration = SignedDuration::from_secs(30);

/// What to do about a table.
#[must_use]
pub fn plan(goal: &TableGoal, world: &TableWorld, now: Timestamp) -> Plan<TableStep> {
    match goal {
        Goal::Present(desired) => presence(desired, world, now),
        Goal::Absent(claim) => {
            let plan = link::absence(claim, world).unwrap_or_else(|| absence(claim, world, now));
            with_crawler(plan, claim, world, now)
        }
        Goal::Released(claim) => with_crawler(release(claim, world), claim, world, now),
    }
}

/// The plan of a table that is let go, with what becomes of its crawler.
fn with_crawler(
    plan: Plan<TableStep>,
    claim: &TableClaim,
    world: &TableWorld,
    now: Timestamp,
) -> Plan<TableStep> {
    let (Some(crawler), Some(seen), true) = (&claim.crawler, &world.crawler, claim.may_write) else {
        return plan;
    };
    let mut steps = crawler::removal(crawler, &claim.owner, seen);
    let waits = crawler::stopping(world, &claim.owner);
    if steps.is_empty() && waits.is_none() {
        return plan;
    }
    let wake_at = if waits.is_some() { now.checked_add(WHILE_BUILDING).ok() } else { None };
    let why = waits.unwrap_or_else(|| format!("crawler '{}' is being deleted", crawler.name));
    steps.extend(plan.steps);
    let wake_at = [plan.wake_at, wake_at].into_iter().flatten().min();
    match plan.verdict {
        Verdict::InSync => Plan { wake_at, ..Plan::converge(Reason::Deleting, why, steps) },
        verdict => Plan { steps, verdict, wake_at },
    }
}

fn presence(desired: &DesiredTable, world: &TableWorld, now: Timestamp) -> Plan<TableStep> {
    let external = &desired.owner.external;
    let first: Vec<TableStep> = match database_step(desired, world) {
        Ok(step) => step.into_iter().collect(),
        Err(plan) => return *plan,
    };
    if let Some(link) = &desired.link {
        return link::presence(desired, link, world, first, now);
    }
    let learning::Learnt { desired, trouble, .. } = learning::learnt(desired, world);
    let desired = desired.as_ref();
    if let Some(trouble) = trouble.as_ref().filter(|_| desired.columns.is_empty()) {
        return without_columns(desired, world, trouble, now);
    }
    let Some(have) = &world.table else {
        let to = merge::merged(desired, world);
        return Plan::converge(
            Reason::Creating,
            format!("Glue table '{external}' does not exist yet"),
            first.into_iter().chain([TableStep::CreateTable(Box::new(to))]).collect(),
        );
    };
    if desired.mode == Mode::ObserveOnly && have.definition.is_iceberg() {
        return observed_iceberg(desired, have);
    }
    if let Some(refusal) = unsupported(desired, have) {
        return refusal;
    }
    if desired.mode == Mode::ObserveOnly {
        return of_another_form(desired, have)
            .unwrap_or_else(|| observed_only(desired, have, world, trouble, now));
    }
    if let Some(refusal) = refusal(desired, have).or_else(|| of_another_form(desired, have)) {
        return refusal;
    }
    if let Some(why) = publishing::is_in_the_way(desired, &have.definition) {
        return Plan::blocked(Reason::ReplacementRequired, why);
    }
    let held =
        if desired.mode == Mode::Suspended { None } else { evolution::held(desired, &have.definition) };
    let is_held = held.is_some() || trouble.as_ref().is_some_and(Trouble::holds);
    let (mut steps, reason) = definition_steps(desired, have, world, is_held);
    if let Err(message) = same_partition_keys(desired, have) {
        return Plan::blocked(Reason::ReplacementRequired, message);
    }
    // What is held is held whole: a table that has moved in the same change has its partitions where they are.
    let stays = !is_held || publishing::policy(desired).is_some() || is_at(desired, &have.definition);
    let (data_steps, mut wake_at) =
        if stays { data_steps(desired, have, world, &steps, now) } else { (Vec::new(), None) };
    let reason = reason.or_else(|| (!data_steps.is_empty()).then_some(Reason::UpdatingPartitions));
    steps.extend(data_steps);
    let reason = match indexes::next(desired, world) {
        Next::Nothing => reason,
        Next::Step(step) => {
            steps.push(step);
            reason.or(Some(Reason::UpdatingIndexes))
        }
        // Who does not write does not wait for what was written either.
        Next::Wait(_) if desired.mode != Mode::Full => reason,
        Next::Wait(what) => {
            let look_again = now.checked_add(desired.looks.least).unwrap_or(Timestamp::MAX);
            wake_at = Some(wake_at.map_or(look_again, |moment| moment.min(look_again)));
            if reason.is_none() && held.is_none() {
                return Plan { wake_at, ..Plan::converge(Reason::UpdatingIndexes, what, steps) };
            }
            reason
        }
        // What else there is to do goes first.
        Next::Failed(why) if reason.is_none() && held.is_none() && desired.mode == Mode::Full => {
            return Plan { wake_at, ..Plan::blocked(Reason::IndexFailed, why) };
        }
        Next::Failed(_) => reason,
    };
    let (crawler_steps, due) = crawler::steps(desired, world, now);
    wake_at = [wake_at, due].into_iter().flatten().min();
    let reason = reason.or_else(|| (!crawler_steps.is_empty()).then_some(Reason::Crawling));
    steps.extend(crawler_steps);
    if let (None, None, Some(why)) = (&held, reason, stopping(desired, world)) {
        let wake_at = now.checked_add(WHILE_BUILDING).ok();
        return Plan { wake_at, ..Plan::converge(Reason::Crawling, why, steps) };
    }
    let verdict = match (held, reason) {
        (Some(held), _) => Verdict::Blocked(Reason::ApprovalRequired, held.message()),
        (None, None) if let Some(trouble) = trouble => trouble.verdict(),
        (None, None) => Verdict::InSync,
        (None, Some(reason)) => {
            let listed: Vec<String> = steps.iter().map(ToString::to_string).collect();
            Verdict::Converging(reason, listed.join("; "))
        }
    };
    // Its data goes on being looked for.
    if matches!(verdict, Verdict::Blocked(..))
        && let Some(due) = looks::of(desired, world, now)
    {
        wake_at = Some(wake_at.map_or(due.at, |moment| moment.min(due.at)));
    }
    Plan { steps, verdict, wake_at }
}

/// Makes the database, if it is missing and may be made.
fn database_step(
    desired: &DesiredTable,
    world: &TableWorld,
) -> Result<Option<TableStep>, Box<Plan<TableStep>>> {
    if world.database_exists {
        return Ok(None);
    }
    let database = desired.owner.external.split('.').next().unwrap_or_default();
    if !desired.makes_database || desired.mode == Mode::ObserveOnly {
        return Err(Box::new(Plan::blocked(
            Reason::DatabaseNotFound,
            format!(
                "Glue database '{database}' does not exist; create it, and the table follows by itself, or set \
                 `spec.databasePolicy: Create`"
            ),
        )));
    }
    Ok(Some(TableStep::CreateDatabase { name: database.to_owned(), owner: desired.owner.to_string() }))
}

/// What is to be done about partitions and data, once the definition is written.
fn data_steps(
    desired: &DesiredTable,
    have: &ObservedTable,
    world: &TableWorld,
    before: &[TableStep],
    now: Timestamp,
) -> (Vec<TableStep>, Option<Timestamp>) {
    let (mut steps, wake_at) = partitions::steps(desired, world, now);
    // What the table says by the time that partitions are written.
    let table = before.iter().find_map(TableStep::definition).unwrap_or(&have.definition);
    steps.extend(cascade::steps(desired, table, world, &steps));
    // Data goes only when nothing else is to be done that it might be needed for.
    if before.is_empty() && steps.is_empty() {
        steps = superseded::steps(desired, world, now);
    }
    if before.is_empty() {
        steps.extend(versions::steps(desired, world));
    }
    (steps, wake_at)
}

/// What to do about a table whose columns nobody knows yet: at most its crawler.
fn without_columns(
    desired: &DesiredTable,
    world: &TableWorld,
    trouble: &Trouble,
    now: Timestamp,
) -> Plan<TableStep> {
    let have = world.table.as_ref().filter(|_| desired.mode != Mode::ObserveOnly);
    if let Some(refusal) = have.and_then(|have| unsupported(desired, have).or_else(|| refusal(desired, have)))
    {
        return refusal;
    }
    let (steps, wake_at) = crawler::steps(desired, world, now);
    if steps.is_empty() {
        return Plan { steps, verdict: trouble.clone().verdict(), wake_at };
    }
    let listed: Vec<String> = steps.iter().map(ToString::to_string).collect();
    Plan { wake_at, ..Plan::converge(Reason::Crawling, listed.join("; "), steps) }
}

/// Why the crawler of a table that needs none any more is still there.
fn stopping(desired: &DesiredTable, world: &TableWorld) -> Option<String> {
    let goes = matches!(desired.crawler, Some(CrawlerGoal::Removed(_))) && desired.mode == Mode::Full;
    crawler::stopping(world, &desired.owner).filter(|_| goes)
}

/// The difference that an observer sees: fields of the spec and partitions, no marks.
fn observed_only(
    desired: &DesiredTable,
    have: &ObservedTable,
    world: &TableWorld,
    trouble: Option<Trouble>,
    now: Timestamp,
) -> Plan<TableStep> {
    let to = merge::overlaid(desired, &have.definition);
    let changes = diff::changes(&have.definition, &to);
    let mut listed: Vec<String> = changes.iter().map(ToString::to_string).collect();
    let mut steps = Vec::new();
    if !changes.is_empty() {
        steps.push(TableStep::UpdateTable {
            from_version: have.version.clone(),
            to: Box::new(to),
            changes,
            archive: true,
            why: Why::Spec,
        });
    }
    let (partition_steps, wake_at) = partitions::steps(desired, world, now);
    let index_step = match indexes::next(desired, world) {
        Next::Step(step) => Some(step),
        Next::Nothing | Next::Wait(_) | Next::Failed(_) => None,
    };
    listed.extend(partition_steps.iter().chain(&index_step).map(ToString::to_string));
    steps.extend(partition_steps);
    steps.extend(index_step);
    if steps.is_empty() {
        let verdict = trouble.map_or(Verdict::InSync, Trouble::verdict);
        return Plan { steps, verdict, wake_at };
    }
    Plan { wake_at, ..Plan::converge(Reason::Differs, listed.join("; "), steps) }
}

/// The difference that an observer of an Iceberg table sees: columns and place. How its files are read, and what its partitions
/// are, stands in its metadata file and not in Glue.
fn observed_iceberg(desired: &DesiredTable, have: &ObservedTable) -> Plan<TableStep> {
    let to = TableDefinition {
        columns: merge::columns(&desired.columns, &have.definition.columns),
        location: if is_at(desired, &have.definition) {
            have.definition.location.clone()
        } else {
            Some(desired.location.clone())
        },
        ..have.definition.clone()
    };
    let changes = diff::changes(&have.definition, &to);
    if changes.is_empty() {
        return Plan::in_sync(None);
    }
    let listed: Vec<String> = changes.iter().map(ToString::to_string).collect();
    let (from_version, to) = (have.version.clone(), Box::new(to));
    let step = TableStep::UpdateTable { from_version, to, changes, archive: true, why: Why::Spec };
    Plan::converge(Reason::Differs, listed.join("; "), vec![step])
}

/// Whether the table is none that is written here.
fn unsupported(desired: &DesiredTable, have: &ObservedTable) -> Option<Plan<TableStep>> {
    let (what, external) = (have.definition.unsupported()?, &desired.owner.external);
    Some(Plan::blocked(
        Reason::UnsupportedTable,
        format!("Glue table '{external}' is {what}, which a DataTable does not write; nothing was changed"),
    ))
}

/// Whether one is a view and the other is none: who reads it would find something else in its place.
fn of_another_form(desired: &DesiredTable, have: &ObservedTable) -> Option<Plan<TableStep>> {
    let is_view = have.definition.is_view();
    if is_view == desired.view.is_some() {
        return None;
    }
    let (there, wanted) = if is_view { ("a view", "a table") } else { ("a table", "a view") };
    Some(Plan::blocked(
        Reason::ReplacementRequired,
        format!(
            "Glue table '{}' is {there}, and the spec says {wanted}; neither becomes the other in place. Make a resource of \
             another name, or delete this one first with `spec.deletionPolicy: Delete`; nothing was changed",
            desired.owner.external
        ),
    ))
}

/// Whether the table is somebody else's, or nobody's and not to be taken.
fn refusal(desired: &DesiredTable, have: &ObservedTable) -> Option<Plan<TableStep>> {
    let external = &desired.owner.external;
    match have.definition.owner_mark() {
        Some(mark) if mark == desired.owner.to_string() => None,
        Some(mark) if owner::external(mark).is_some_and(|other| other != external) => Some(Plan::blocked(
            Reason::OwnedByAnother,
            format!(
                "Glue table '{external}' carries the mark of '{}', so it is a copy; to take it over remove its \
                 parameter '{OWNER_PARAMETER}' and set `spec.adoptionPolicy: IfUnowned`, nothing was changed",
                owner::external(mark).unwrap_or_default()
            ),
        )),
        Some(mark) => Some(Plan::blocked(
            Reason::OwnedByAnother,
            format!(
                "Glue table '{external}' is kept by {}; delete that resource or this one, nothing was changed",
                owner::in_words(mark)
            ),
        )),
        None if desired.adoption == AdoptionPolicy::IfUnowned => None,
        None => Some(Plan::blocked(
            Reason::NotAdopted,
            format!(
                "Glue table '{external}' exists and was not made by this resource; to take it over set \
                 `spec.adoptionPolicy: IfUnowned`, nothing was changed"
            ),
        )),
    }
}

/// Whether a table is where the spec says.
fn is_at(desired: &DesiredTable, have: &TableDefinition) -> bool {
    have.location.as_deref().is_some_and(|location| s3_uri::same(location, &desired.location))
}

/// The update that the definition needs, and why; of what is held only what the data says.
fn definition_steps(
    desired: &DesiredTable,
    have: &ObservedTable,
    world: &TableWorld,
    is_held: bool,
) -> (Vec<TableStep>, Option<Reason>) {
    let to = if is_held { merge::with_data(desired, world) } else { merge::merged(desired, world) };
    let changes = diff::changes(&have.definition, &to);
    if changes.is_empty() {
        return (Vec::new(), None);
    }
    let bookkeeping = diff::is_bookkeeping(&changes, desired);
    let run = |table: &TableDefinition| publishing::place_of(table).pointer.map(|pointer| pointer.run);
    let is_published = publishing::policy(desired).is_some() && run(&have.definition) != run(&to);
    let (why, reason) = if have.definition.owner_mark().is_none() {
        (Why::Adoption, Reason::Updating)
    } else if is_published {
        (Why::Publication, Reason::Updating)
    } else if bookkeeping {
        let why = if news(&changes).next().is_some() { Why::Freshness } else { Why::Spec };
        (why, Reason::Updating)
    } else if merge::is_drift(desired, &have.definition) {
        (Why::Drift, Reason::CorrectingDrift)
    } else {
        (Why::Spec, Reason::Updating)
    };
    let step = TableStep::UpdateTable {
        from_version: have.version.clone(),
        to: Box::new(to),
        changes,
        archive: !bookkeeping && why != Why::Publication,
        why,
    };
    (vec![step], Some(reason))
}

/// Other partition keys would orphan every partition; Glue does not convert them.
fn same_partition_keys(desired: &DesiredTable, have: &ObservedTable) -> Result<(), String> {
    let names = |columns: &[super::Column]| -> Vec<String> {
        columns.iter().map(|c| c.name.to_lowercase()).collect()
    };
    let (want, there) = (names(&desired.partition_keys), names(&have.definition.partition_keys));
    if want == there {
        return Ok(());
    }
    let listed = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Err(format!(
        "`spec.partitionKeys` are {} and the Glue table has {}; partition keys cannot be changed in place. Make a new \
         table under another name, or delete this one first with `spec.deletionPolicy: Delete`",
        listed(&want),
        listed(&there),
    ))
}

fn absence(claim: &TableClaim, world: &TableWorld, now: Timestamp) -> Plan<TableStep> {
    let owner = claim.owner.to_string();
    match &world.table {
        // "When an index is in a CREATING state, the index or its table cannot be deleted" (Glue API reference).
        Some(table)
            if table.definition.owner_mark() == Some(owner.as_str()) && indexes::is_building(world) =>
        {
            let message = format!(
                "Glue is building a partition index of '{}'; the table is deleted once it is built",
                claim.owner.external
            );
            let wake_at = now.checked_add(WHILE_BUILDING).ok();
            Plan { wake_at, ..Plan::converge(Reason::Deleting, message, Vec::new()) }
        }
        // The catalog alone knows where an Iceberg table's metadata is: to delete the entry is to lose the table.
        Some(table) if table.definition.owner_mark() == Some(owner.as_str()) => {
            has_become_unsupported(claim, table, "delete").unwrap_or_else(|| {
                Plan::converge(
                    Reason::Deleting,
                    format!("Glue table '{}' is being deleted", claim.owner.external),
                    vec![TableStep::DeleteTable { owner }],
                )
            })
        }
        // Not there, or not ours: nothing of ours is left.
        _ => Plan::in_sync(None),
    }
}

/// Why a table of ours is let go neither way: somebody made another sort of table of it.
fn has_become_unsupported(claim: &TableClaim, have: &ObservedTable, to: &str) -> Option<Plan<TableStep>> {
    let what = have.definition.unsupported()?;
    Some(Plan::blocked(
        Reason::UnsupportedTable,
        format!(
            "Glue table '{}' has become {what}, which a DataTable does not write, not even to {to} it; to let the resource \
             go with the table as it is, set the annotation '{}' to 'true'",
            claim.owner.external,
            mizuumi_api::annotation::ABANDON
        ),
    ))
}

fn release(claim: &TableClaim, world: &TableWorld) -> Plan<TableStep> {
    if !claim.may_write {
        // Marks of a time when the policy was another stay; to wait for their end would be to wait forever.
        return Plan::in_sync(None);
    }
    let owner = claim.owner.to_string();
    let Some(have) =
        world.table.as_ref().filter(|table| table.definition.owner_mark() == Some(owner.as_str()))
    else {
        return Plan::in_sync(None);
    };
    if let Some(blocked) = has_become_unsupported(claim, have, "release") {
        return blocked;
    }
    // Partitions first: once the table's mark is gone, this resource has no say over them any more.
    let mut steps = world.partitions.as_ref().map(|all| partitions::release(all, &owner)).unwrap_or_default();
    let to = merge::released(&have.definition, claim);
    steps.push(TableStep::UpdateTable {
        from_version: have.version.clone(),
        changes: diff::changes(&have.definition, &to),
        to: Box::new(to),
        archive: false,
        why: Why::Release,
    });
    Plan::converge(
        Reason::Deleting,
        format!("Glue table '{}' is being released", claim.owner.external),
        steps,
    )
}
