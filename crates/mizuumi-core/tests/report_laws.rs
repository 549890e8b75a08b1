//! Laws of what a `DataTable` says: small, within its own schema, never two things at once, and still while
//! nothing happens.
#![expect(clippy::expect_used, reason = "a test's helpers fail as its tests do")]

#[path = "laws/generate.rs"]
mod generate;
#[path = "laws/schema.rs"]
mod schema;

use std::collections::BTreeMap;

use generate::{Wanted, installation, scene, wanted};
use jiff::{SignedDuration, Timestamp};
use mizuumi_api::condition::find;
use mizuumi_api::data_table::{DataTable, DataTableStatus};
use mizuumi_api::{ConditionStatus, ConditionType};
use mizuumi_core::data_table::desired::Mode;
use mizuumi_core::data_table::simulate::simulate;
use mizuumi_core::data_table::{ObservedPartition, TableGoal, TableStep, TableWorld, Tables};
use mizuumi_core::kind::{Evidence, Kind};
use mizuumi_core::plan::{Goal, Verdict};
use mizuumi_core::{Class, Failure};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

type Seen = Evidence<TableWorld, TableStep>;

/// etcd, every watch cache and every client hold the status of each table.
const LARGEST_STATUS: usize = 16 * 1024;

fn settle(goal: &TableGoal, mut world: TableWorld, now: Timestamp) -> Option<TableWorld> {
    for _ in 0..6 {
        let plan = Tables::plan(goal, &world, now);
        if plan.is_settled() {
            return Some(world);
        }
        world = plan.steps.iter().fold(world, |world, step| simulate(&world, step, now));
    }
    None
}

fn failure() -> impl Strategy<Value = Failure> {
    let classes = vec![
        Class::Denied,
        Class::Invalid,
        Class::Conflict,
        Class::Throttled,
        Class::Unavailable,
        Class::Unknown,
    ];
    let message = prop_oneof![Just("no".to_owned()), "\\PC{0,20}", Just("\"\u{1}\\é".repeat(2_000))];
    (select(classes), message).prop_map(|(class, message)| Failure::new("glue:UpdateTable", class, message))
}

/// What a reconciliation of that resource may come to know.
fn evidence(wanted: &Wanted, world: &TableWorld, how: &How) -> Seen {
    let Ok(goal) = Tables::goal(&wanted.object, &installation()) else {
        return Evidence::Invalid(Tables::goal(&wanted.object, &installation()).expect_err("as before"));
    };
    match how {
        How::FirstSight => Evidence::FirstSight,
        How::NotObserved(failure) => Evidence::NotObserved(failure.clone()),
        How::Observed { done, failure, endless } => {
            let steps = Tables::plan(&goal, world, wanted.now).steps;
            let done = if Tables::may_write(&goal) { done.index(steps.len() + 1) } else { 0 };
            let done = steps[..done].to_vec();
            let world = done.iter().fold(world.clone(), |world, step| simulate(&world, step, wanted.now));
            let plan = Tables::plan(&goal, &world, wanted.now);
            Evidence::Observed { world, plan, done, failure: failure.clone(), endless: *endless }
        }
    }
}

#[derive(Clone, Debug)]
enum How {
    FirstSight,
    NotObserved(Failure),
    Observed { done: Index, failure: Option<Failure>, endless: bool },
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        1 => Just(How::FirstSight),
        1 => failure().prop_map(How::NotObserved),
        6 => (any::<Index>(), prop::option::weighted(0.2, failure()), prop::bool::weighted(0.1))
            .prop_map(|(done, failure, endless)| How::Observed { done, failure, endless }),
    ]
}

fn report(object: &DataTable, evidence: &Seen, now: Timestamp) -> DataTableStatus {
    let goal = Tables::goal(object, &installation()).ok();
    Tables::report(object, goal.as_ref(), evidence, now)
}

fn with(object: &DataTable, status: DataTableStatus) -> DataTable {
    DataTable { status: Some(status), ..object.clone() }
}

fn is(status: &DataTableStatus, type_: ConditionType) -> Option<ConditionStatus> {
    find(&status.conditions, type_).map(|condition| condition.status)
}

fn status_schema() -> Value {
    let crd = serde_json::to_value(&mizuumi_api::crd::all().expect("crds")[0]).expect("json");
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"].clone()
}

/// A status is within its bounds, and its conditions say one thing.
fn check(status: &DataTableStatus, schema: &Value) -> Result<(), TestCaseError> {
    let value = serde_json::to_value(status).expect("json");
    let length = value.to_string().len();
    prop_assert!(length <= LARGEST_STATUS, "{} bytes", length);
    prop_assert_eq!(schema::broken_bounds(schema, &value, "status"), Vec::<String>::new());
    let beside = [ConditionType::Reconciling, ConditionType::Stalled].map(|type_| is(status, type_));
    prop_assert!(
        beside.iter().flatten().all(|status| *status == ConditionStatus::True),
        "present only while True"
    );
    prop_assert!(beside.iter().flatten().count() <= 1, "Reconciling and Stalled");
    let ready = is(status, ConditionType::Ready);
    prop_assert!(ready.is_some());
    prop_assert!(ready != Some(ConditionStatus::True) || beside == [None, None], "Ready beside {:?}", beside);
    prop_assert!(status.conditions.iter().all(|c| c.observed_generation == status.observed_generation));
    prop_assert!(status.conditions.iter().all(|c| !c.message.trim().is_empty()));
    Ok(())
}

/// A resource as large and as odd as its schema lets it be; its spec need not hold.
fn huge() -> impl Strategy<Value = Wanted> {
    let letter = select(vec!["x", "é", "\"", "\\", "\u{1}", "湖", ","]);
    let policy = select(vec!["Full", "Plan", "ObserveOnly"]);
    (wanted(), letter, 0_usize..=2_000, 0_usize..=200, any::<bool>(), policy).prop_map(
        |(mut wanted, letter, columns, parameters, partitioned, policy)| {
            let name = |index: usize, length: usize| {
                let number = index.to_string();
                format!("{}{number}", letter.repeat(length - number.len()))
            };
            let mut spec = json!({
                "database": "nyc",
                "location": "s3://lake/team/x",
                "format": "csv",
                "managementPolicy": policy,
                "name": "t".repeat(255),
                "description": letter.repeat(2_048),
                "schema": { "from": "Declared", "columns": (0..columns)
                    .map(|i| json!({ "name": name(i, 255), "type": "int", "comment": letter.repeat(255) }))
                    .collect::<Vec<_>>() },
                "parameters": (0..parameters)
                    .map(|i| (name(i, 255), letter.repeat(300)))
                    .collect::<BTreeMap<_, _>>(),
            });
            if partitioned {
                spec["partitionKeys"] = json!([{ "name": "k".repeat(255), "type": "string" }]);
                let one = |i: usize| json!({ "values": [name(i, 1_024)] });
                let declared: Vec<_> = (0..parameters * 5).map(one).collect();
                spec["partitions"] = json!({ "mode": "Declared", "declared": declared });
            }
            if !partitioned {
                // What runs asked for and what came of it.
                spec["partitions"] = json!({ "mode": "Published" });
                let told = |i: usize| {
                    json!({
                        "run": format!("{}{i:02}", "r".repeat(61)), "uid": "u".repeat(36), "state": "Refused",
                        "partitions": i64::MAX, "published": i64::MAX, "superseded": i64::MAX,
                        "since": "2026-11-22T00:00:00.123456789Z", "message": "m".repeat(96),
                    })
                };
                let told = json!({ "publications": (0..12).map(told).collect::<Vec<_>>() });
                wanted.object.status = Some(serde_json::from_value(told).expect("status"));
            }
            wanted.object.spec = serde_json::from_value(spec).expect("spec");
            let annotations = wanted.object.metadata.annotations.get_or_insert_default();
            annotations.insert(mizuumi_api::annotation::REQUESTED_AT.to_owned(), letter.repeat(5_000));
            wanted
        },
    )
}

/// A world that differs from a huge resource everywhere: its table holds as much again of others.
fn drifted(wanted: &Wanted, theirs: &Wanted) -> TableWorld {
    let Ok(goal) = Tables::goal(&wanted.object, &installation()) else { return TableWorld::default() };
    let empty = TableWorld {
        database_exists: true,
        partitions: Tables::look(&goal).partitions.then(Default::default),
        ..TableWorld::default()
    };
    let Some(mut world) = settle(&goal, empty, wanted.now) else { return TableWorld::default() };
    if let Some(table) = &mut world.table {
        table.definition.columns.truncate(3);
        table.definition.description = None;
        let foreign = theirs.object.spec.parameters.iter().flatten();
        table.definition.parameters.extend(foreign.map(|(key, value)| (format!("{key}~"), value.clone())));
        table.definition.parameters.retain(|key, _| key.starts_with("mizuumi.") || key.ends_with('~'));
    }
    // As many partitions of ours that the spec does not declare: 25 to a step, so a plan of many steps.
    let mark = Some("demo/team-a/DataTable/flights@nyc.".to_owned() + &"t".repeat(255));
    let dropped = ObservedPartition { owner: mark, ..ObservedPartition::default() };
    if let Some(partitions) = &mut world.partitions {
        partitions.extend((0..1_500).map(|n| (vec![format!("{}{n}", "\"".repeat(500))], dropped.clone())));
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_status_is_small_and_within_its_schema_and_says_one_thing(
        (wanted, seed) in scene(wanted()), deleted in any::<bool>(),
        hows in prop::collection::vec(how(), 1..4)
    ) {
        let mut wanted = if deleted { wanted.deleted() } else { wanted };
        let schema = status_schema();
        for how in hows {
            let seen = evidence(&wanted, &seed.seen_by(&wanted.goal()), &how);
            let status = report(&wanted.object, &seen, wanted.now);
            check(&status, &schema)?;
            wanted.object = with(&wanted.object, status);
        }
    }

    #[test]
    fn ready_is_true_only_if_the_plan_is_settled_or_was_before_a_suspension(
        (wanted, seed) in scene(wanted()), deleted in any::<bool>(),
        how in how(), before in prop::option::of(how())
    ) {
        let mut wanted = if deleted { wanted.deleted() } else { wanted };
        let world = seed.seen_by(&wanted.goal());
        if let Some(before) = before {
            let status = report(&wanted.object, &evidence(&wanted, &world, &before), wanted.now);
            wanted.object = with(&wanted.object, status);
        }
        let seen = evidence(&wanted, &world, &how);
        let status = report(&wanted.object, &seen, wanted.now);
        let settled = matches!(&seen, Evidence::Observed { plan, failure: None, .. } if plan.is_settled());
        let suspended = matches!(wanted.goal(), Goal::Present(desired) if desired.mode == Mode::Suspended);
        if is(&status, ConditionType::Ready) == Some(ConditionStatus::True) {
            prop_assert!(!deleted && (settled || suspended), "{:?}", seen);
        } else if !deleted {
            prop_assert!(!settled, "{:?}", status);
        }
    }

    #[test]
    fn what_is_reported_twice_is_byte_equal(
        (wanted, seed) in scene(wanted()), deleted in any::<bool>(), how in how(), later in 0_i64..100
    ) {
        let wanted = if deleted { wanted.deleted() } else { wanted };
        let mut seen = evidence(&wanted, &seed.seen_by(&wanted.goal()), &how);
        let first = report(&wanted.object, &seen, wanted.now);
        // The second time around nothing is done any more.
        if let Evidence::Observed { done, .. } = &mut seen {
            done.clear();
        }
        let later = wanted.now.checked_add(SignedDuration::from_nanos(later)).expect("in range");
        let until = Tables::next_flip(&wanted.object, &first, wanted.now).unwrap_or(Timestamp::MAX);
        prop_assume!(later < until);
        let wake = match &seen { Evidence::Observed { plan, .. } => plan.wake_at, _ => None };
        prop_assume!(wake.is_none_or(|wake| later < wake));
        let second = report(&with(&wanted.object, first.clone()), &seen, later);
        let bytes = |status: &DataTableStatus| serde_json::to_string(status).expect("json");
        prop_assert_eq!(bytes(&second), bytes(&first));
    }

    #[test]
    fn a_status_changes_only_at_the_moment_foretold(
        (wanted, seed) in scene(wanted()), after in 0_i64..9_000_000
    ) {
        let goal = wanted.goal();
        let Some(world) = settle(&goal, seed.seen_by(&goal), wanted.now) else { return Ok(()) };
        let at = |object: &DataTable, now: Timestamp| {
            let plan = Tables::plan(&goal, &world, now);
            let wake = plan.wake_at;
            let world = world.clone();
            let seen = Evidence::Observed { world, plan, done: vec![], failure: None, endless: false };
            (report(object, &seen, now), wake)
        };
        let (first, wake) = at(&wanted.object, wanted.now);
        let object = with(&wanted.object, first.clone());
        let flip = Tables::next_flip(&object, &first, wanted.now);
        let foretold = [flip, wake].into_iter().flatten().min();
        prop_assert!(foretold.is_none_or(|moment| moment > wanted.now));
        let after = wanted.now.checked_add(SignedDuration::from_secs(after)).expect("in range");
        let nanosecond = SignedDuration::from_nanos(1);
        let just_before = |moment: Timestamp| moment.checked_sub(nanosecond).expect("in range");
        let before = foretold.map_or(after, |moment| just_before(moment).min(after));
        prop_assert_eq!(&at(&object, before).0, &first, "at {}", before);
        if let Some(flip) = flip.filter(|flip| Some(*flip) == foretold) {
            prop_assert_ne!(&at(&object, flip).0, &first, "at {}", flip);
        }
    }

    #[test]
    fn what_stalls_says_where((wanted, seed) in scene(wanted()), how in how()) {
        let seen = evidence(&wanted, &seed.seen_by(&wanted.goal()), &how);
        let status = report(&wanted.object, &seen, wanted.now);
        if let (Some(stalled), Evidence::Observed { plan, failure: None, .. }) =
            (find(&status.conditions, ConditionType::Stalled), &seen)
        {
            let said = &stalled.message;
            prop_assert!(matches!(&plan.verdict, Verdict::Blocked(_, message) if message == said));
            let named = ["nyc", "`spec.", "s3://lake/team/flights/part-0"];
            prop_assert!(named.iter().any(|name| said.contains(name)), "{said}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 64, ..ProptestConfig::with_cases(12) })]

    #[test]
    fn a_status_stays_small_even_for_huge_specs_and_worlds(
        mut wanted in huge(), theirs in huge(), how in how()
    ) {
        let schema = status_schema();
        let world = drifted(&wanted, &theirs);
        let seen = evidence(&wanted, &world, &how);
        let status = report(&wanted.object, &seen, wanted.now);
        check(&status, &schema)?;
        // And again, over what the first status carries on.
        wanted.object = with(&wanted.object, status);
        check(&report(&wanted.object, &seen, wanted.now), &schema)?;
    }
}
