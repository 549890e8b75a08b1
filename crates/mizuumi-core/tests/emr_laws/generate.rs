//! Clusters' resources, worlds and times for the laws, from small pools of names, so that what is wanted and what is there collide.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::emr_cluster::{EmrCluster, GroupStatus, Role, StepsStatus};
use mizuumi_api::installation::{EmrProfile, Profile};
use mizuumi_api::{EmrClusterClass, Installation};
use mizuumi_core::emr_cluster::world::{ATTEMPT, Nodes, OWNER, REQUEST};
use mizuumi_core::emr_cluster::{
    Cluster, ClusterGoal, ClusterKey, ClusterState, ClusterWorld, Clusters, Pieces, stem,
};
use mizuumi_core::kind::Kind;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

/// Another resource's mark.
pub const FOREIGN: &str = "other/team-b/EmrCluster/adhoc@01234567";
/// The nonce of the attempt that the status remembers.
pub const NONCE: &str = "feedbeef";

/// The mark that the generated resource leaves.
pub fn our_mark() -> String {
    let stem = stem("demo", &key());
    let hash = stem.trim_end_matches('-').rsplit('-').next().expect("a hash").to_owned();
    format!("demo/team-a/EmrCluster/adhoc@{hash}")
}

fn key() -> ClusterKey {
    ClusterKey { namespace: "team-a".to_owned(), name: "adhoc".to_owned() }
}

pub fn installation() -> Installation {
    let mut installation = Installation::from_yaml(
        "{installation: demo, aws: {region: us-east-1}, allow: {databases: [nyc], s3Prefixes: ['s3://lake/']}}",
    )
    .expect("installation");
    let emr = EmrProfile {
        service_role: "service".to_owned(),
        instance_profile: "nodes".to_owned(),
        subnets: vec!["subnet-1".to_owned(), "subnet-2".to_owned()],
        log_uri: Some("s3://lake/logs/".to_owned()),
        ..EmrProfile::default()
    };
    installation.profiles.insert("default".to_owned(), Profile { emr: Some(emr), ..Profile::default() });
    installation
}

/// A class with nodes of its own, and with something mandatory.
pub fn pieces() -> Pieces {
    let class: EmrClusterClass = serde_json::from_value(json!({
        "apiVersion": "mizuumi.dev/v1alpha1", "kind": "EmrClusterClass", "metadata": { "name": "standard" },
        "spec": {
            "allowedNamespaces": ["*"],
            "defaults": {
                "releaseLabel": "emr-7.5.0", "applications": ["Spark"],
                "instanceGroups": [
                    { "name": "master", "role": "Master", "instanceType": "m6g.xlarge" },
                    { "name": "core", "role": "Core", "instanceType": "m6g.xlarge", "count": 2 },
                ],
            },
            "mandatory": {
                "configurations": [{ "classification": "hive-site", "properties": { "a": "platform" } }],
                "tags": { "cost": "lake" },
            },
        },
    }))
    .expect("class");
    Pieces { class: Some(Box::new(class)), asked: Some(Vec::new()), ..Pieces::default() }
}

/// A resource, and the moment at which it is looked at.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub object: EmrCluster,
    pub now: Timestamp,
}

impl Wanted {
    pub fn goal(&self) -> ClusterGoal {
        goal_of(&self.object)
    }

    /// The same resource while it is being deleted.
    pub fn deleted(mut self) -> Self {
        let deleted = serde_json::from_value(json!("2026-11-26T00:00:00Z")).expect("time");
        self.object.metadata.deletion_timestamp = Some(deleted);
        self
    }
}

pub fn goal_of(object: &EmrCluster) -> ClusterGoal {
    let mut goal = Clusters::goal(object, &installation()).expect("generated specs hold");
    Clusters::heed(&mut goal, object, pieces());
    goal
}

pub fn moment() -> impl Strategy<Value = Timestamp> {
    // Some days around a weekend, on the hour: what turns does so half an hour later, when nothing is under way any more.
    (0_i64..168).prop_map(|hours| {
        let start: Timestamp = "2026-11-26T00:00:00Z".parse().expect("time");
        start.checked_add(SignedDuration::from_hours(hours)).expect("in range")
    })
}

/// A resource whose spec holds, with or without an attempt in its status.
pub fn wanted() -> impl Strategy<Value = Wanted> {
    let policies = (
        select(vec!["Full", "Full", "Full", "ObserveOnly", "Plan"]),
        select(vec!["Retain", "Delete", "Delete"]),
        select(vec!["Never", "WhenIdle", "Recreate"]),
        prop::bool::weighted(0.1),
    );
    (spec(), life(), policies, moment(), status()).prop_map(|(mut spec, life, policies, now, status)| {
        let (management, deletion, change, suspend) = policies;
        let mut annotations = Map::new();
        match life {
            Life::Batch(steps) => {
                spec.insert("lifecycle".to_owned(), json!("Batch"));
                spec.insert("steps".to_owned(), steps);
            }
            Life::Until(hours) => {
                spec.insert("lifecycle".to_owned(), json!("WhenNeeded"));
                let until = hours.map(|hours| now.checked_add(SignedDuration::from_hours(hours)).expect("in range"));
                annotations.extend(until.map(|until| ("mizuumi.dev/needed-until".to_owned(), json!(until.to_string()))));
            }
            Life::Scheduled(start, stop) => {
                let schedule = json!({ "start": start, "stop": stop, "timeZone": "Asia/Tokyo" });
                spec.insert("lifecycle".to_owned(), json!("Scheduled"));
                spec.insert("schedule".to_owned(), schedule);
            }
        }
        spec.extend([
            ("managementPolicy".to_owned(), json!(management)),
            ("deletionPolicy".to_owned(), json!(deletion)),
            ("onSpecChange".to_owned(), json!(change)),
            ("suspend".to_owned(), json!(suspend)),
        ]);
        let status = status.map(|(state, minutes, unseen)| {
            let at = |minutes| now.checked_sub(SignedDuration::from_mins(minutes)).expect("in range").to_string();
            let mut attempt = json!({
                "number": 3, "nonce": NONCE, "profile": "default", "request": "0", "state": state,
                "startedAt": at(minutes),
            });
            if state == "Open" && unseen > 0 {
                attempt["unseen"] = json!(unseen);
                attempt["lookedAt"] = json!(at(minutes / 2));
                if unseen > 1 {
                    attempt["soughtSince"] = json!(at(minutes / 2));
                }
            }
            json!({ "observedGeneration": 2, "attempt": attempt })
        });
        let mut manifest = json!({
            "apiVersion": "mizuumi.dev/v1alpha1",
            "kind": "EmrCluster",
            "metadata": { "namespace": "team-a", "name": "adhoc", "generation": 3, "annotations": annotations },
            "spec": spec,
        });
        if let Some(status) = status {
            manifest["status"] = status;
        }
        Wanted { object: serde_json::from_value(manifest).expect("manifest"), now }
    })
}

/// A resource that writes.
pub fn writing() -> impl Strategy<Value = Wanted> {
    wanted().prop_map(|mut wanted| {
        wanted.object.spec.management_policy = mizuumi_api::data_table::ManagementPolicy::Full;
        wanted.object.spec.suspend = false;
        wanted
    })
}

/// A resource that writes and wants a cluster, of which there never was one.
pub fn starting() -> impl Strategy<Value = Wanted> {
    writing().prop_map(|mut wanted| {
        wanted.object.status = None;
        if wanted.object.spec.lifecycle != mizuumi_api::emr_cluster::Lifecycle::Batch {
            wanted.object.spec.lifecycle = mizuumi_api::emr_cluster::Lifecycle::WhenNeeded;
            wanted.object.spec.schedule = None;
            let until = ("mizuumi.dev/needed-until".to_owned(), "2100-01-01T00:00:00Z".to_owned());
            wanted.object.metadata.annotations = Some(BTreeMap::from([until]));
        }
        wanted
    })
}

/// When it runs.
#[derive(Clone, Debug)]
enum Life {
    Batch(Value),
    Until(Option<i64>),
    Scheduled(&'static str, &'static str),
}

fn life() -> impl Strategy<Value = Life> {
    let steps = json!([
        { "name": "one", "command": ["date"] },
        { "name": "two", "spark": "s3://lake/a.py", "args": ["x"], "onFailure": "Continue" },
    ]);
    prop_oneof![
        2 => Just(Life::Batch(steps)),
        3 => prop::option::weighted(0.8, -5_i64..30).prop_map(Life::Until),
        2 => select(vec![("0 7 * * 1-5", "0 22 * * *"), ("30 * * * *", "0 * * * *")])
            .prop_map(|(start, stop)| Life::Scheduled(start, stop)),
    ]
}

fn status() -> impl Strategy<Value = Option<(&'static str, i64, i64)>> {
    prop::option::of((select(vec!["Open", "Made", "Refused", "Ended"]), 0_i64..10, 0_i64..5))
}

/// Every field that a spec may have, each by itself; what is not one or the other is set by `life`.
pub fn fields() -> Vec<(&'static str, Value)> {
    vec![
        ("releaseLabel", json!("emr-6.15.0")),
        ("applications", json!(["Hive", "Spark", "Trino"])),
        (
            "configurations",
            json!([
                { "classification": "hive-site", "properties": { "a": "team", "b": "1" } },
                { "classification": "spark-env", "configurations": [{ "classification": "export", "properties": { "X": "1" } }] },
            ]),
        ),
        ("bootstrapActions", json!([{ "name": "b", "path": "s3://lake/b.sh", "args": ["1"] }])),
        ("stepConcurrency", json!(7)),
        ("terminationProtection", json!(true)),
        ("tags", json!({ "team": "a", "cost": "mine" })),
        ("idleTimeout", json!("30m")),
        ("maxAge", json!("2d")),
        ("managedScaling", json!({ "min": 2, "max": 9, "maxOnDemand": 3 })),
        (
            "instanceGroups",
            json!([
                { "name": "m", "role": "Master", "instanceType": "m6g.xlarge", "count": 3 },
                { "name": "c", "role": "Core", "instanceType": "r6g.xlarge", "count": 2,
                  "ebs": { "volumes": [{ "type": "gp3", "sizeGib": 100, "iops": 3000, "throughput": 125, "perInstance": 2 }] } },
                { "name": "t", "role": "Task", "instanceType": "r6g.xlarge", "count": 0, "market": "Spot" },
            ]),
        ),
        (
            "instanceFleets",
            json!([
                { "name": "m", "role": "Master", "targetOnDemand": 1, "instanceTypes": [{ "instanceType": "m6g.xlarge" }] },
                { "name": "c", "role": "Core", "targetOnDemand": 1, "targetSpot": 3, "spotAllocation": "Diversified",
                  "spotTimeoutMinutes": 30, "spotTimeoutAction": "TerminateCluster",
                  "instanceTypes": [{ "instanceType": "r6g.xlarge", "weight": 2, "bidPercentage": 60 }] },
            ]),
        ),
    ]
}

fn spec() -> impl Strategy<Value = Map<String, Value>> {
    let all = fields();
    let number = all.len();
    subsequence(all, 0..=number).prop_map(|some| {
        let mut spec = Map::from_iter([("className".to_owned(), json!("standard"))]);
        for (key, value) in some {
            // Groups or fleets.
            if key != "instanceFleets" || !spec.contains_key("instanceGroups") {
                spec.insert(key.to_owned(), value);
            }
        }
        spec
    })
}

/// Clusters that may be there: ours by any attempt, others', nobody's, some of which bear our name.
pub fn world() -> impl Strategy<Value = ClusterWorld> {
    let states = vec![
        ClusterState::Starting,
        ClusterState::Bootstrapping,
        ClusterState::Running,
        ClusterState::Waiting,
        ClusterState::Waiting,
        ClusterState::Terminating,
        ClusterState::Terminated,
        ClusterState::TerminatedWithErrors,
    ];
    let whose = vec![Some(our_mark()), Some(our_mark()), Some(FOREIGN.to_owned()), None];
    let cluster = (
        select(states),
        select(whose),
        select(vec![NONCE, "0badcafe", "12345678"]),
        (any::<bool>(), 0_i64..3, 0_i64..2, 1..4_i32),
        (moment(), prop::option::of(Just(600_i64)), select(vec!["0", "1"])),
    );
    prop::collection::vec(cluster, 0..4).prop_map(|clusters| {
        let clusters = clusters.into_iter().enumerate().map(|(index, seed)| {
            let (state, owner, nonce, (is_protected, pending, running, concurrency), (at, idle, request)) =
                seed;
            let at = at.checked_sub(SignedDuration::from_mins(30)).expect("in range");
            let mut tags = BTreeMap::from([("cost".to_owned(), "other".to_owned())]);
            if let Some(owner) = owner {
                tags.insert(OWNER.to_owned(), owner);
                tags.insert(ATTEMPT.to_owned(), nonce.to_owned());
                tags.insert(REQUEST.to_owned(), request.to_owned());
            }
            let works = matches!(state, ClusterState::Running | ClusterState::Waiting);
            let told = GroupStatus {
                name: "core".to_owned(),
                role: Role::Core,
                requested: 5,
                running: 5,
                state: "RUNNING".to_owned(),
                reason: None,
            };
            let nodes = Nodes {
                id: format!("ig-{index}"),
                told,
                configurations: Vec::new(),
                auto_scaling: None,
                targets: None,
            };
            Cluster {
                id: format!("j-seed-{index}"),
                name: format!("{}{nonce}", stem("demo", &key())),
                state,
                reason: (String::new(), String::new()),
                error: None,
                applications: Vec::new(),
                lost: Vec::new(),
                created: Some(at),
                ready: works.then_some(at),
                ended: (!state.is_alive()).then_some(at),
                tags,
                is_protected,
                step_concurrency: concurrency,
                master_dns: None,
                log_uri: None,
                normalized_instance_hours: None,
                groups: if works { vec![nodes] } else { Vec::new() },
                managed_scaling: None,
                idle_seconds: idle,
                steps: Some(StepsStatus {
                    pending: if works { pending } else { 0 },
                    running: if works { running } else { 0 },
                    ..StepsStatus::default()
                }),
            }
        });
        ClusterWorld { clusters: clusters.collect(), ..ClusterWorld::default() }
    })
}
