//! Laws of publishing: whichever runs come in whatever order, and wherever the controller stops, the same data is there.
#![expect(clippy::expect_used, clippy::panic, reason = "a test's helpers fail as its tests do")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use mizuumi_api::data_table::{DataTable, PublicationState, PublicationStatus};
use mizuumi_api::duration::ShortDuration;
use mizuumi_api::{Installation, Reason};
use mizuumi_core::data_table::simulate::simulate;
use mizuumi_core::data_table::superseded::SeenRun;
use mizuumi_core::data_table::world::SeenManifest;
use mizuumi_core::data_table::{
    Asked, ObservedPartition, RunsOfTable, TableAround, TableGoal, TableWorld, Tables, publishing,
};
use mizuumi_core::publication::{Manifest, ManifestPartition, RunOrder, RunTimes, manifest, output, sha256};
use mizuumi_core::{Goal, Kind, Verdict, hive_path};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

const ROOT: &str = "s3://lake/team/flights/";
const DAYS: usize = 6;

fn installation() -> Installation {
    serde_json::from_value(json!({
        "installation": "demo", "aws": { "region": "us-east-1" },
        "allow": { "databases": ["nyc"], "s3Prefixes": ["s3://lake/team/"] },
    }))
    .expect("a configuration")
}

fn table() -> DataTable {
    serde_json::from_value(json!({
        "apiVersion": "mizuumi.dev/v1alpha1",
        "kind": "DataTable",
        "metadata": { "name": "flights", "namespace": "team-a" },
        "spec": {
            "database": "nyc", "location": ROOT, "format": "parquet",
            "schema": { "from": "Declared", "columns": [{ "name": "id", "type": "bigint" }] },
            "partitionKeys": [{ "name": "day", "type": "string" }],
            "partitions": { "mode": "Published" },
        },
    }))
    .expect("a table")
}

/// A run of others, in order of its number, and the days that it brings.
#[derive(Clone, Debug)]
struct Run {
    number: usize,
    days: Vec<usize>,
}

impl Run {
    fn name(&self) -> String {
        format!("run-{}", self.number)
    }

    fn order(&self) -> RunOrder {
        let number = i64::try_from(self.number).expect("small");
        let session_time = Timestamp::from_second(number / 2 * 86_400).expect("a time");
        RunOrder { session_time, revision: i32::try_from(self.number % 2).expect("small"), run: self.name() }
    }

    fn location(&self, day: usize) -> String {
        let path = hive_path::of(["day"].into_iter(), &[day.to_string()]);
        format!("{}{path}", output(ROOT, &self.name()))
    }

    fn manifest(&self) -> Manifest {
        let partition = |day: &usize| ManifestPartition {
            values: vec![day.to_string()],
            location: Some(self.location(*day)),
            run: None,
            times: None,
            files: 1,
            bytes: 1,
            sha256: None,
        };
        Manifest {
            table: "nyc.flights".to_owned(),
            run: self.name(),
            order: Some(self.order()),
            times: RunTimes::default(),
            rolls_back: None,
            partitions: self.days.iter().map(partition).collect(),
        }
    }
}

/// The manifest that takes a run back, as the world is.
fn inverse(world: &TableWorld, run: &Run) -> Manifest {
    let partitions = world.partitions.iter().flatten().filter_map(|(values, partition)| {
        let pointer = partition.pointer.as_ref().filter(|pointer| pointer.run.run == run.name())?;
        let previous = pointer.previous.as_ref();
        Some(ManifestPartition {
            values: values.clone(),
            location: previous.map(|previous| previous.location.clone()),
            run: previous.and_then(|previous| previous.run.clone()),
            times: previous.map(|previous| previous.times),
            files: 0,
            bytes: 0,
            sha256: None,
        })
    });
    Manifest {
        table: "nyc.flights".to_owned(),
        run: format!("back-{}", run.number),
        order: None,
        times: RunTimes::default(),
        rolls_back: Some(run.name()),
        partitions: partitions.collect(),
    }
}

fn asked(manifest_: &Manifest) -> Asked {
    Asked {
        run: manifest_.run.clone(),
        uid: format!("uid of {}", manifest_.run),
        rolls_back: manifest_.rolls_back.clone(),
        order: manifest_.order.clone(),
        manifest: manifest(ROOT, &manifest_.run),
        sha256: sha256(&manifest_.bytes()),
        partitions: i64::try_from(manifest_.partitions.len()).expect("small"),
    }
}

/// The goal of the table while these ask, and the world with their manifests in sight.
fn asking(world: &TableWorld, manifests: &[Manifest]) -> (TableGoal, TableWorld) {
    let object = table();
    let mut goal = Tables::goal(&object, &installation()).expect("the spec holds");
    let runs = RunsOfTable { asked: manifests.iter().map(asked).collect(), ..RunsOfTable::default() };
    Tables::heed(&mut goal, &object, TableAround { runs: Some(runs), ..TableAround::default() });
    let seen = manifests.iter().map(|one| (sha256(&one.bytes()), SeenManifest::Read(one.clone())));
    (goal, TableWorld { manifests: seen.collect(), ..world.clone() })
}

fn answers(goal: &TableGoal, world: &TableWorld) -> Vec<PublicationStatus> {
    let Goal::Present(desired) = goal else { return Vec::new() };
    publishing::work(desired, world).expect("all was looked at").answers
}

/// Goes on until nothing is left to do; before each step the controller may start over.
fn settle(world: &TableWorld, manifests: &[Manifest]) -> TableWorld {
    let (goal, mut world) = asking(world, manifests);
    for _ in 0..100 {
        let plan = Tables::plan(&goal, &world, Timestamp::UNIX_EPOCH);
        let Some(step) = plan.steps.first() else {
            assert_eq!(plan.verdict, Verdict::InSync);
            assert!(answers(&goal, &world).iter().all(|answer| answer.state.is_over()));
            return world;
        };
        assert!(
            !matches!(plan.verdict, Verdict::Blocked(Reason::NotAdopted, _)),
            "the table of the test is its own"
        );
        world = simulate(&world, step, Timestamp::UNIX_EPOCH);
    }
    panic!("it does not come to an end: {world:?}");
}

/// A table with some partitions of others: days that point elsewhere.
fn start(others: &[usize]) -> TableWorld {
    let partition = |day: &usize| {
        let location = Some(format!("s3://lake/team/old/{day}/"));
        (vec![day.to_string()], ObservedPartition { location, ..ObservedPartition::default() })
    };
    let world = TableWorld {
        database_exists: true,
        partitions: Some(others.iter().map(partition).collect()),
        ..TableWorld::default()
    };
    settle(&world, &[])
}

/// Where each day points to, and to which run.
fn pointing(world: &TableWorld) -> BTreeMap<String, (String, Option<String>)> {
    let one = |(values, partition): (&Vec<String>, &ObservedPartition)| {
        let run = partition.pointer.as_ref().map(|pointer| pointer.run.run.clone());
        (values.join("/"), (partition.location.clone().unwrap_or_default(), run))
    };
    world.partitions.iter().flatten().map(one).collect()
}

fn days() -> impl Strategy<Value = Vec<usize>> {
    prop::sample::subsequence((0..DAYS).collect::<Vec<_>>(), 0..=DAYS)
}

fn runs() -> impl Strategy<Value = Vec<Run>> {
    let one = prop::sample::subsequence((0..DAYS).collect::<Vec<_>>(), 1..=DAYS);
    prop::collection::vec(one, 1..5)
        .prop_map(|all| all.into_iter().enumerate().map(|(number, days)| Run { number, days }).collect())
}

proptest! {
    #[test]
    fn the_latest_run_of_each_partition_holds_it_in_whatever_order_they_come(
        runs in runs(), others in days(), order in Just(()).prop_perturb(|(), mut rng| rng.random::<u64>()),
    ) {
        let mut shuffled = runs.clone();
        shuffled.sort_by_key(|run| (run.number as u64 + 1).wrapping_mul(order | 1));
        let one_by_one =
            shuffled.iter().fold(start(&others), |world, run| settle(&world, &[run.manifest()]));
        let all: Vec<Manifest> = runs.iter().map(Run::manifest).collect();
        let at_once = settle(&start(&others), &all);
        prop_assert_eq!(pointing(&one_by_one), pointing(&at_once));
        for (day, (location, run)) in pointing(&at_once) {
            let latest = runs.iter().rev().find(|run| run.days.iter().any(|d| d.to_string() == day));
            prop_assert_eq!(&run, &latest.map(Run::name));
            if let Some(latest) = latest {
                prop_assert_eq!(location, latest.location(day.parse().expect("a day")));
            }
        }
    }

    #[test]
    fn what_is_published_in_part_goes_on_and_what_is_done_asks_for_nothing(
        runs in runs(), others in days(), done in any::<Index>(),
    ) {
        let (earlier, latest) = runs.split_at(runs.len() - 1);
        let world = earlier.iter().fold(start(&others), |world, run| settle(&world, &[run.manifest()]));
        let manifest = latest[0].manifest();
        let (goal, seen) = asking(&world, std::slice::from_ref(&manifest));
        let steps = Tables::plan(&goal, &seen, Timestamp::UNIX_EPOCH).steps;
        let some = done.index(steps.len() + 1);
        let half = steps[..some].iter().fold(seen, |world, step| simulate(&world, step, Timestamp::UNIX_EPOCH));
        let state = answers(&goal, &half)[0].state;
        prop_assert_eq!(state.is_over(), some == steps.len());
        let whole = settle(&half, &[manifest]);
        let (_, expected) = asking(&settle(&world, &[latest[0].manifest()]), &[]);
        prop_assert_eq!(pointing(&whole), pointing(&expected));
    }

    #[test]
    fn a_rollback_leaves_what_was_there_before(runs in runs(), others in days(), done in any::<Index>()) {
        let (earlier, latest) = runs.split_at(runs.len() - 1);
        let before = earlier.iter().fold(start(&others), |world, run| settle(&world, &[run.manifest()]));
        let after = settle(&before, &[latest[0].manifest()]);
        let back = inverse(&after, &latest[0]);
        let (goal, seen) = asking(&after, std::slice::from_ref(&back));
        let steps = Tables::plan(&goal, &seen, Timestamp::UNIX_EPOCH).steps;
        let some = done.index(steps.len() + 1);
        let half = steps[..some].iter().fold(seen, |world, step| simulate(&world, step, Timestamp::UNIX_EPOCH));
        // The run that is taken back asks still: it is not published again.
        let whole = settle(&half, &[latest[0].manifest(), back]);
        prop_assert_eq!(pointing(&whole), pointing(&before));
    }

    #[test]
    fn data_goes_that_nothing_points_to_or_did_before_and_no_other(
        runs in runs(), others in days(), takes_back in any::<bool>(), under_way in any::<Index>(), done in any::<Index>(),
    ) {
        let mut world = runs.iter().fold(start(&others), |world, run| settle(&world, &[run.manifest()]));
        if takes_back {
            let latest = &runs[runs.len() - 1];
            let back = inverse(&world, latest);
            world = settle(&world, &[latest.manifest(), back]);
        }
        // Some are marked as if nothing had pointed to them for long, whether that is so or not.
        let long_ago = (done.index(2) == 0).then_some(Timestamp::UNIX_EPOCH);
        world.runs = Some(runs.iter().map(|run| (run.name(), SeenRun::Ours(long_ago))).collect());
        let mut object = table();
        object.spec.partitions.as_mut().expect("partitions").keep_superseded = Some(ShortDuration("30h".to_owned()));
        let mut goal = Tables::goal(&object, &installation()).expect("the spec holds");
        let busy = runs[under_way.index(runs.len())].name();
        let asked = RunsOfTable { under_way: [busy.clone()].into(), ..RunsOfTable::default() };
        Tables::heed(&mut goal, &object, TableAround { runs: Some(asked), ..TableAround::default() });
        let needed = |name: &String| {
            let of = |location: &str| location.contains(&format!("/runs/{name}/"));
            *name == busy || world.partitions.iter().flatten().any(|(_, partition)| {
                let before = partition.pointer.as_ref().and_then(|pointer| pointer.previous.as_ref());
                partition.location.as_deref().is_some_and(of) || before.is_some_and(|before| of(&before.location))
            })
        };
        let settle_at = |mut world: TableWorld, hours: i64| {
            let now = Timestamp::from_second(1_000_000_000 + 3600 * hours).expect("a time");
            for _ in 0..100 {
                let Some(step) = Tables::plan(&goal, &world, now).steps.into_iter().next() else { break };
                world = simulate(&world, &step, now);
            }
            world
        };
        let marked = settle_at(world.clone(), 0);
        let early = settle_at(marked.clone(), 29);
        prop_assert_eq!(&early, &marked);
        let after = settle_at(marked, 30);
        let left: Vec<String> = after.runs.iter().flatten().map(|(name, _)| name.clone()).collect();
        let expected: Vec<String> = runs.iter().map(Run::name).filter(needed).collect();
        prop_assert_eq!(left, expected);
        prop_assert!(after.runs.iter().flatten().all(|(_, seen)| *seen == SeenRun::Ours(None)));
        prop_assert_eq!(pointing(&after), pointing(&world));
    }

    #[test]
    fn what_a_manifest_may_not_ask_for_is_refused_and_nothing_is_done(
        runs in runs(), which in 0..5_usize, others in days(),
    ) {
        let run = &runs[0];
        let good = run.manifest();
        let mut bad = good.clone();
        match which {
            0 => bad.table = "nyc.planes".to_owned(),
            1 => bad.partitions[0].location = Some("s3://lake/other/day=0/".to_owned()),
            2 => bad.partitions[0].values = vec!["9".to_owned()],
            3 => bad.partitions.push(good.partitions[0].clone()),
            _ => bad.partitions[0].values.push("more".to_owned()),
        }
        let world = start(&others);
        let (goal, seen) = asking(&world, &[bad]);
        let told = answers(&goal, &seen);
        prop_assert_eq!(told[0].state, PublicationState::Refused);
        prop_assert!(told[0].message.is_some());
        prop_assert_eq!(Tables::plan(&goal, &seen, Timestamp::UNIX_EPOCH).steps, Vec::new());
    }
}
