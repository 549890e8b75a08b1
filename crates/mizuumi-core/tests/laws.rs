//! Laws of `DataTable`: what holds for every resource, world and time, on the model that `simulate` is.
//!
//! What a status says of them is in `report_laws.rs`.
#![expect(clippy::expect_used, reason = "a test's helpers fail as its tests do")]

#[path = "laws/generate.rs"]
mod generate;

use std::collections::{BTreeMap, BTreeSet};

use generate::{FOREIGN_MARK, OUR_MARK, Wanted, installation, scene, wanted, writing};
use jiff::{SignedDuration, Timestamp};
use mizuumi_api::Reason;
use mizuumi_api::data_table::{AdoptionPolicy, ManagementPolicy};
use mizuumi_core::data_table::crawler::SeenCrawler;
use mizuumi_core::data_table::definition::APPLIED_PARAMETER;
use mizuumi_core::data_table::simulate::simulate;
use mizuumi_core::data_table::{ObservedTable, TableGoal, TableStep, TableWorld, Tables};
use mizuumi_core::data_table::{diff, merge};
use mizuumi_core::kind::Kind;
use mizuumi_core::plan::{Goal, Verdict};
use proptest::prelude::*;
use proptest::sample::Index;

/// Plans until one is empty; create, partitions, freshness, an index that goes and one that comes, the mark without it, and
/// the plan that finds nothing to do.
const ROUNDS: usize = 7;

/// Where a goal's plans lead to, or why they lead nowhere.
fn settle(goal: &TableGoal, mut world: TableWorld, now: Timestamp) -> Result<TableWorld, String> {
    for _ in 0..ROUNDS {
        let plan = Tables::plan(goal, &world, now);
        if plan.is_settled() {
            return Ok(world);
        }
        match plan.verdict {
            Verdict::Blocked(reason, message) => return Err(format!("blocked: {reason}: {message}")),
            // It waits for data, which no step makes.
            Verdict::Converging(reason @ Reason::AwaitingData, message) => {
                return Err(format!("blocked: {reason}: {message}"));
            }
            // It waits for its crawler, which goes on by itself.
            Verdict::Converging(reason @ Reason::Crawling, message) if plan.steps.is_empty() => {
                return Err(format!("blocked: {reason}: {message}"));
            }
            Verdict::Converging(..) | Verdict::InSync => {}
        }
        world = plan.steps.iter().fold(world, |world, step| simulate(&world, step, now));
    }
    let left = Tables::plan(goal, &world, now);
    if left.is_settled() { Ok(world) } else { Err(format!("endless: {left:#?}")) }
}

/// A world less what counts writes and not content.
fn content(mut world: TableWorld) -> TableWorld {
    if let Some(table) = &mut world.table {
        table.version = None;
    }
    world
}

fn parameters(world: &TableWorld) -> BTreeMap<String, String> {
    world.table.as_ref().map(|table| table.definition.parameters.clone()).unwrap_or_default()
}

/// What the table itself says is ours.
fn owned_before(world: &TableWorld) -> BTreeSet<String> {
    parameters(world)
        .get(APPLIED_PARAMETER)
        .and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok())
        .and_then(|applied| serde_json::from_value(applied["owned"].clone()).ok())
        .unwrap_or_default()
}

/// Whether a parameter is one that the resource sets, or has a right to take off.
fn is_ours(wanted: &Wanted, before: &BTreeSet<String>, key: &str) -> bool {
    let names = installation().freshness_parameters;
    let told = [names.loaded_at, names.data_time, names.fresh_until];
    key.starts_with("mizuumi.")
        || ["EXTERNAL", "classification"].contains(&key)
        || wanted.object.spec.parameters.as_ref().is_some_and(|all| all.contains_key(key))
        || (wanted.object.spec.freshness.is_some() && told.iter().any(|name| name == key))
        || before.contains(&format!("parameters.{key}"))
}

proptest! {
    #[test]
    fn plans_converge_in_seven_rounds_unless_they_are_blocked((wanted, seed) in scene(writing())) {
        let goal = wanted.goal();
        let world = seed.seen_by(&goal);
        if let Err(why) = settle(&goal, world, wanted.now) {
            prop_assert!(why.starts_with("blocked"), "{why}");
        }
    }

    #[test]
    fn a_plan_of_steps_changes_the_world((wanted, seed) in scene(writing())) {
        let goal = wanted.goal();
        let mut world = seed.seen_by(&goal);
        for step in Tables::plan(&goal, &world, wanted.now).steps {
            let before = world.clone();
            world = simulate(&world, &step, wanted.now);
            prop_assert_ne!(&world, &before, "{}", step);
        }
    }

    #[test]
    fn a_definition_is_either_as_it_is_to_be_or_differs_in_words((wanted, seed) in scene(writing())) {
        let Goal::Present(desired) = wanted.goal() else { return Ok(()) };
        let world = seed.seen_by(&wanted.goal());
        let Some(have) = world.table.as_ref().map(|table| &table.definition) else { return Ok(()) };
        let to = merge::merged(&desired, &world);
        prop_assert_eq!(diff::changes(have, &to).is_empty(), *have == to, "{:?}\n{:?}", have, to);
        let seen = merge::overlaid(&desired, have);
        let changes = diff::changes(have, &seen);
        prop_assert_eq!(changes.is_empty(), *have == seen, "{:?}\n{:?}", have, seen);
        prop_assert!(changes.iter().all(diff::Change::is_news));
    }

    #[test]
    fn any_prefix_of_the_steps_planned_anew_leads_to_the_same_world(
        (wanted, seed) in scene(writing()), cut in any::<Index>()
    ) {
        let goal = wanted.goal();
        let world = seed.seen_by(&goal);
        let steps = Tables::plan(&goal, &world, wanted.now).steps;
        prop_assume!(!steps.is_empty());
        let cut = cut.index(steps.len());
        let after = steps[..cut].iter().fold(world.clone(), |world, step| simulate(&world, step, wanted.now));
        let whole = settle(&goal, world, wanted.now).map(content);
        prop_assert_eq!(settle(&goal, after, wanted.now).map(content), whole);
    }

    #[test]
    fn a_crash_after_every_step_leads_to_the_same_world((wanted, seed) in scene(writing())) {
        let goal = wanted.goal();
        let mut world = seed.seen_by(&goal);
        let whole = settle(&goal, world.clone(), wanted.now).map(content);
        for round in 0.. {
            let plan = Tables::plan(&goal, &world, wanted.now);
            let Some(step) = plan.steps.first() else { break };
            prop_assert!(round < 100, "endless: {plan:#?}");
            world = simulate(&world, step, wanted.now);
        }
        prop_assert_eq!(settle(&goal, world, wanted.now).map(content), whole);
    }

    #[test]
    fn what_is_settled_stays_settled_until_the_moment_foretold(
        (wanted, seed) in scene(writing()), later in 0_i64..9_000_000
    ) {
        let goal = wanted.goal();
        let Ok(world) = settle(&goal, seed.seen_by(&goal), wanted.now) else { return Ok(()) };
        let plan = Tables::plan(&goal, &world, wanted.now);
        let later = Timestamp::new(wanted.now.as_second() + later, 0).expect("in range").max(wanted.now);
        let just_before = |wake: Timestamp| wake.checked_sub(SignedDuration::from_nanos(1)).expect("in range");
        let until = plan.wake_at.map_or(later, |wake| just_before(wake).min(later));
        prop_assert_eq!(Tables::plan(&goal, &world, until), plan);
    }

    #[test]
    fn the_moment_foretold_by_a_settled_plan_brings_a_step((wanted, seed) in scene(writing())) {
        let goal = wanted.goal();
        let Ok(world) = settle(&goal, seed.seen_by(&goal), wanted.now) else { return Ok(()) };
        if let Some(wake) = Tables::plan(&goal, &world, wanted.now).wake_at {
            prop_assert!(wake > wanted.now);
            prop_assert!(!Tables::plan(&goal, &world, wake).steps.is_empty());
        }
    }

    #[test]
    fn a_plan_is_a_function_of_its_arguments((wanted, seed) in scene(wanted()), deleted in any::<bool>()) {
        let wanted = if deleted { wanted.deleted() } else { wanted };
        let world = seed.seen_by(&wanted.goal());
        let plan = || Tables::plan(&wanted.goal(), &world.clone(), wanted.now);
        prop_assert_eq!(plan(), plan());
    }

    #[test]
    fn the_crawler_of_another_is_not_written((wanted, seed) in scene(writing()), deleted in any::<bool>()) {
        let wanted = if deleted { wanted.deleted() } else { wanted };
        let goal = wanted.goal();
        let mut world = seed.seen_by(&goal);
        let Some(SeenCrawler { crawler: Some(crawler), .. }) = &mut world.crawler else { return Ok(()) };
        crawler.definition.mark = FOREIGN_MARK.to_owned();
        for step in Tables::plan(&goal, &world, wanted.now).steps {
            prop_assert!(!step.event_reason().starts_with("Crawle"), "{}", step);
        }
    }

    #[test]
    fn the_table_of_another_is_not_written((wanted, seed) in scene(wanted()), deleted in any::<bool>()) {
        let wanted = if deleted { wanted.deleted() } else { wanted };
        let goal = wanted.goal();
        let world = seed.marked(Some(FOREIGN_MARK)).seen_by(&goal);
        prop_assume!(world.table.is_some());
        let mut plan = Tables::plan(&goal, &world, wanted.now);
        // What the crawler made was made for this resource, whoever has the table.
        plan.steps.retain(|step| !deleted || !step.event_reason().starts_with("Crawle"));
        prop_assert!(plan.steps.is_empty() || !Tables::may_write(&goal), "{:?}", plan);
        if Tables::may_write(&goal) && !deleted {
            let refused = matches!(
                plan.verdict,
                Verdict::Blocked(Reason::OwnedByAnother | Reason::UnsupportedTable, _)
            );
            prop_assert!(refused, "{:?}", plan);
        }
    }

    #[test]
    fn the_table_of_nobody_is_not_written_unless_it_may_be_adopted(
        (wanted, seed) in scene(writing()), deleted in any::<bool>()
    ) {
        let wanted = if deleted { wanted.deleted() } else { wanted };
        let may_adopt = wanted.object.spec.adoption_policy == AdoptionPolicy::IfUnowned;
        prop_assume!(deleted || !may_adopt);
        let goal = wanted.goal();
        let world = seed.marked(None).seen_by(&goal);
        prop_assume!(world.table.is_some());
        let mut steps = Tables::plan(&goal, &world, wanted.now).steps;
        // What the crawler made was made for this resource, whoever has the table.
        steps.retain(|step| !deleted || !step.event_reason().starts_with("Crawle"));
        prop_assert_eq!(steps, vec![]);
    }

    #[test]
    fn what_others_wrote_survives_an_update((wanted, seed) in scene(writing())) {
        let goal = wanted.goal();
        let world = seed.seen_by(&goal);
        let Ok(after) = settle(&goal, world.clone(), wanted.now) else { return Ok(()) };
        let Some(table) = &world.table else { return Ok(()) };
        let (before, now) = (owned_before(&world), parameters(&after));
        for (key, value) in &table.definition.parameters {
            if !is_ours(&wanted, &before, key) {
                prop_assert_eq!(now.get(key), Some(value), "parameter {}", key);
            }
        }
        let kept = after.table.expect("the goal is that it is there").definition;
        let spec = &wanted.object.spec;
        let is_said = |path: &str, is_set: bool| is_set || before.contains(path);
        let mut carried = table.definition.kept.clone();
        if is_said("compressed", spec.compressed.is_some()) {
            carried.compressed = kept.kept.compressed;
        }
        if is_said("additionalLocations", spec.additional_locations.is_some()) {
            carried.additional_locations.clone_from(&kept.kept.additional_locations);
        }
        if is_said("schemaReference", spec.schema_reference.is_some()) {
            carried.schema_reference.clone_from(&kept.kept.schema_reference);
        }
        prop_assert_eq!(&kept.kept, &carried);
        if !is_said("retention", spec.retention.is_some()) {
            prop_assert_eq!(kept.retention, table.definition.retention);
        }
        if wanted.object.spec.description.is_none() && !before.contains("description") {
            prop_assert_eq!(&kept.description, &table.definition.description);
        }
        for column in &table.definition.columns {
            if let Some(kept) = kept.columns.iter().find(|c| c.name == column.name) {
                prop_assert_eq!(&kept.parameters, &column.parameters);
            }
        }
    }

    #[test]
    fn partitions_of_others_are_never_removed((wanted, seed) in scene(writing()), deleted in any::<bool>()) {
        let goal = if deleted { wanted.clone().deleted().goal() } else { wanted.goal() };
        prop_assume!(!matches!(goal, Goal::Absent(_)));
        let world = seed.seen_by(&goal);
        let Ok(after) = settle(&goal, world.clone(), wanted.now) else { return Ok(()) };
        for (values, partition) in world.partitions.iter().flatten() {
            if partition.owner.as_deref() != Some(OUR_MARK) {
                let there = after.partitions.as_ref().is_some_and(|all| all.contains_key(values));
                prop_assert!(there, "{:?}", values);
            }
        }
    }

    #[test]
    fn what_is_to_be_absent_ends_absent_and_what_is_to_be_released_ends_without_a_trace(
        (wanted, seed) in scene(writing())
    ) {
        let wanted = wanted.deleted();
        let goal = wanted.goal();
        let world = seed.marked(Some(OUR_MARK)).seen_by(&goal);
        let settled = settle(&goal, world.clone(), wanted.now);
        let unsupported = world.table.as_ref().is_some_and(|table| table.definition.unsupported().is_some());
        if unsupported {
            prop_assert!(settled.is_err_and(|why| why.starts_with("blocked")), "it cannot be written, so it waits");
            return Ok(());
        }
        let after = settled.map_err(TestCaseError::fail)?;
        let is_theirs = |seen: &SeenCrawler| {
            seen.crawler.as_ref().is_some_and(|crawler| crawler.definition.mark == FOREIGN_MARK)
        };
        match &world.crawler {
            Some(seen) if is_theirs(seen) => prop_assert_eq!(&after.crawler, &world.crawler),
            Some(_) => prop_assert_eq!(&after.crawler, &Some(SeenCrawler::default())),
            None => {}
        }
        if matches!(goal, Goal::Absent(_)) {
            prop_assert_eq!(after.table, None);
            return Ok(());
        }
        let ours = owned_before(&world);
        let Some(mut table) = world.table else { return Ok(()) };
        let names = installation().freshness_parameters;
        let told = [names.loaded_at, names.data_time, names.fresh_until];
        table.definition.parameters.retain(|key, _| {
            let told_by_us = told.contains(key) && ours.contains(&format!("parameters.{key}"));
            !key.starts_with("mizuumi.") && !told_by_us
        });
        let released = after.table.map(|t| ObservedTable { version: table.version.clone(), ..t });
        prop_assert_eq!(released, Some(table));
        let without_marks = world.partitions.map(|mut all| {
            for partition in all.values_mut().filter(|partition| partition.location.is_some()) {
                partition.owner.take_if(|mark| mark == OUR_MARK);
                if partition.owner.is_none() {
                    partition.columns = None;
                }
            }
            all
        });
        prop_assert_eq!(after.partitions, without_marks);
    }

    #[test]
    fn nothing_is_written_where_the_policy_does_not_let((wanted, seed) in scene(wanted())) {
        prop_assume!(wanted.object.spec.management_policy != ManagementPolicy::Full);
        prop_assert!(!Tables::may_write(&wanted.goal()));
        // Deletion cannot wait for a release that will never be written.
        let goal = wanted.clone().deleted().goal();
        prop_assert!(!Tables::may_write(&goal));
        prop_assert!(Tables::plan(&goal, &seed.seen_by(&goal), wanted.now).is_settled());
    }

    #[test]
    fn what_blocks_names_the_table_or_a_path((wanted, seed) in scene(wanted())) {
        let goal = wanted.goal();
        if let Verdict::Blocked(_, message) = Tables::plan(&goal, &seed.seen_by(&goal), wanted.now).verdict {
            let named = ["nyc.flights", "'nyc'", "`spec.", "s3://lake/team/flights/part-0"];
            prop_assert!(named.iter().any(|name| message.contains(name)), "{message}");
        }
    }

    #[test]
    fn every_step_is_one_line_and_every_update_has_a_change_and_leaves_our_mark(
        (wanted, seed) in scene(writing())
    ) {
        let goal = wanted.goal();
        for step in Tables::plan(&goal, &seed.seen_by(&goal), wanted.now).steps {
            let line = step.to_string();
            prop_assert!(!line.contains('\n'), "{line}");
            if let TableStep::UpdateTable { changes, to, .. } = &step {
                prop_assert!(!changes.is_empty());
                prop_assert!(to.owner_mark() == Some(OUR_MARK));
            }
        }
    }
}
