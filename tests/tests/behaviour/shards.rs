//! Several controllers share the namespaces of one installation out: each object has one of them, and another number of them
//! changes nothing in AWS.

use anyhow::{Context as _, ensure};
use aws_sdk_emr::types::ClusterState;
use mizuumi_api::Installation;
use mizuumi_api::annotation::REPORTED_DATA_TIME;
use mizuumi_api::installation::{JobsProfile, OrphanPolicy, Profile};
use mizuumi_core::shard_of;
use mizuumi_tests::{Controller, Launch, Team, with_clusters};
use serde_json::json;

/// The table of each namespace: all are in one database.
fn table_of(team: &Team) -> String {
    team.namespace.replace('-', "")
}

/// Teams in namespaces of both of two shards, two of each at least, in one account.
async fn teams() -> [Vec<Team>; 2] {
    let first = Team::new("shards").await;
    let mut of_shards = [Vec::new(), Vec::new()];
    let mut next = first.clone();
    while of_shards.iter().any(|teams: &Vec<Team>| teams.len() < 2) {
        of_shards[usize::from(shard_of(&next.namespace, 2))].push(next);
        next = first.beside("shards").await;
    }
    of_shards
}

/// An installation of all these namespaces, with so many controllers.
fn of_all(teams: &[Vec<Team>; 2], shards: u16) -> impl Fn(&mut Installation) + use<> {
    let namespaces: Vec<String> = teams.iter().flatten().map(|team| team.namespace.clone()).collect();
    move |installation| {
        with_clusters(installation);
        installation.clusters.orphans = OrphanPolicy::Terminate;
        installation.kubernetes.namespaces.clone_from(&namespaces);
        installation.kubernetes.shards = shards;
    }
}

/// Starts one of two shards.
async fn shard(teams: &[Vec<Team>; 2], index: u16) -> Controller {
    let launch = Launch { arguments: vec![format!("--shard={index}")], ..Launch::default() };
    let launch = launch.named(if index == 0 { "shard-0" } else { "shard-1" });
    Controller::launch(&teams[0][0], launch, of_all(teams, 2)).await
}

/// Waits until a controller has listed all that it watches, and keeps so many tables.
async fn keeps(team: &Team, controller: &Controller, tables: usize) {
    team.eventually("", "what a shard keeps", async || {
        ensure!(controller.ask("/readyz").await?.starts_with("ready"), "it is not ready");
        let metrics = controller.ask("/metrics").await?;
        let line = metrics.lines().find(|line| line.starts_with("mizuumi_resources{kind=\"DataTable\"}"));
        let number: usize = line.and_then(|line| line.rsplit(' ').next()).context("no metric")?.parse()?;
        ensure!(number == tables, "{number} tables");
        Ok(())
    })
    .await;
}

/// The clusters that live, and how many were ever started.
async fn clusters(team: &Team) -> (Vec<String>, u64) {
    let emr = team.emr().await;
    assert_eq!(emr["duplicates"], 0, "{emr:#}");
    let states =
        [ClusterState::Starting, ClusterState::Bootstrapping, ClusterState::Running, ClusterState::Waiting];
    let list = team.aws.emr.list_clusters().set_cluster_states(Some(states.to_vec())).send().await;
    let mut alive: Vec<String> =
        list.expect("the clusters").clusters().iter().filter_map(|cluster| cluster.id.clone()).collect();
    alive.sort();
    (alive, emr["started"].as_u64().expect("a number"))
}

/// Changes the table of each team; waits until that is in Glue and the status says so.
async fn change_all(teams: &[Team], description: &str) {
    for team in teams {
        team.change(&table_of(team), json!({ "description": description })).await;
    }
    for team in teams {
        team.ready(&table_of(team)).await;
        assert_eq!(team.aws.existing(&table_of(team)).await.description(), Some(description));
    }
}

#[tokio::test]
async fn another_number_of_shards_writes_nothing_and_each_namespace_has_one() {
    let teams = teams().await;
    let first = &teams[0][0];
    let all = || teams.iter().flatten();
    first.quick_clusters().await;
    let mut only = Controller::with(first, of_all(&teams, 1)).await;
    for team in all() {
        team.create(&table_of(team), json!({ "description": "before" })).await;
        team.class(json!({})).await;
        team.create_needed("adhoc", json!({})).await;
    }
    for team in all() {
        team.ready(&table_of(team)).await;
        team.cluster_reason("adhoc", "Running").await;
    }
    let number = all().count();
    let before = (clusters(first).await, first.admin.writes().await.len());
    assert_eq!(before.0.0.len(), number, "one cluster each");
    // As in an update: for some time shards work beside the one that they come instead of.
    let (zero, mut one) = (shard(&teams, 0).await, shard(&teams, 1).await);
    keeps(first, &zero, teams[0].len()).await;
    keeps(first, &one, teams[1].len()).await;
    first.sweeps(5).await;
    assert_eq!((clusters(first).await, first.admin.writes().await.len()), before, "all three together");
    only.kill();
    // Each has looked for orphans some times, which are terminated after two seconds.
    first.sweeps(8).await;
    assert_eq!((clusters(first).await, first.admin.writes().await.len()), before, "the two shards");
    for (controller, index) in [(&zero, 0), (&one, 1)] {
        let metrics = controller.ask("/metrics").await.expect("metrics");
        for line in
            [format!("mizuumi_shard {index}"), "mizuumi_shards 2".into(), "mizuumi_orphan_clusters 0".into()]
        {
            assert!(metrics.lines().any(|there| there == line), "no {line} in\n{metrics}");
        }
    }

    // What a shard does not work for waits for the one that does.
    one.kill();
    change_all(&teams[0], "one shard is away").await;
    for team in &teams[1] {
        team.change(&table_of(team), json!({ "description": "one shard is away" })).await;
    }
    first.sweeps(5).await;
    for team in &teams[1] {
        let waiting = team.get(&table_of(team)).await;
        let seen = waiting.status.as_ref().map(|status| status.observed_generation);
        assert_ne!(seen, waiting.metadata.generation, "another shard's is left alone");
        assert_eq!(team.aws.existing(&table_of(team)).await.description(), Some("before"));
    }
    one.restart();
    for team in &teams[1] {
        team.ready(&table_of(team)).await;
    }
    change_all(&teams[1], "both are there").await;

    // And back to one.
    drop((zero, one));
    let before = (before.0, first.admin.writes().await.len());
    only.restart();
    keeps(first, &only, number).await;
    first.sweeps(8).await;
    assert_eq!((clusters(first).await, first.admin.writes().await.len()), before, "a single one again");
}

#[tokio::test]
async fn an_orphan_is_ended_by_its_own_shard_alone() {
    let teams = teams().await;
    let first = &teams[0][0];
    let theirs = &teams[1][0];
    let mut only = Controller::with(first, of_all(&teams, 1)).await;
    // A controller looks for orphans once it has clusters.
    for (team, name) in [(first, "kept"), (theirs, "kept"), (theirs, "lost")] {
        team.class(json!({})).await;
        team.create_needed(name, json!({})).await;
        team.cluster_reason(name, "Running").await;
    }
    only.kill();
    // Gone without a controller, as in a restore of an old state of the cluster.
    theirs.patch_cluster("lost", json!({ "metadata": { "finalizers": null } })).await;
    theirs.delete_cluster("lost").await;
    theirs.cluster_gone("lost").await;
    let before = clusters(first).await;
    assert_eq!(before.0.len(), 3);
    let zero = shard(&teams, 0).await;
    keeps(first, &zero, 0).await;
    // The sweep of EMR, and the look for orphans in it, come once a second.
    let since = first.admin.seq().await;
    first
        .eventually("", "looks for orphans", async || {
            let lists = first.admin.count("ListClusters", since).await;
            ensure!(lists > 12, "{lists} lists");
            Ok(())
        })
        .await;
    assert_eq!(clusters(first).await, before, "it is not this shard's to end");
    let _one = shard(&teams, 1).await;
    first
        .eventually("", "the orphan to be ended", async || {
            let alive = clusters(first).await.0;
            ensure!(alive.len() == 2, "{alive:?}");
            Ok(())
        })
        .await;
    for team in [first, theirs] {
        team.cluster_reason("kept", "Running").await;
    }
}

#[tokio::test]
async fn work_waits_for_a_table_of_another_shard_by_what_glue_says_of_it() {
    let teams = teams().await;
    let [ours, theirs] = [&teams[0][0], &teams[1][0]];
    let settings = of_all(&teams, 2);
    let with_jobs = |index: u16| {
        let launch = Launch { arguments: vec![format!("--shard={index}")], ..Launch::default() };
        let launch = launch.named(if index == 0 { "shard-0" } else { "shard-1" });
        Controller::launch(ours, launch, |installation| {
            settings(installation);
            installation.upstreams.poll_seconds = 1;
            let jobs = JobsProfile { service_account: "ingest".into(), images: vec!["*".into()] };
            let profile = Profile { jobs: Some(jobs), ..Profile::default() };
            installation.profiles.insert("default".into(), profile);
        })
    };
    let (_zero, _one) = (with_jobs(0).await, with_jobs(1).await);
    let published = json!({
        "partitionKeys": [{ "name": "day", "type": "string" }], "partitions": { "mode": "Published" },
    });
    ours.create_ready("orders", published).await;
    let reported = json!({ "sources": [{ "type": "Reported" }], "maxAge": { "error": "9d" } });
    theirs.create_ready("clicks", json!({ "freshness": reported })).await;
    let clicks = format!("{}.clicks", theirs.aws.database);
    let run = json!({
        "table": "orders", "sessionTime": "2026-11-02T00:00:00Z", "engine": "KubernetesJob",
        "kubernetesJob": { "image": "registry.example/ingest:1" }, "waitFor": [{ "table": clicks }],
    });
    ours.create_run("first", run).await;
    let why = ours.run_reason("first", "WaitingForUpstream").await;
    assert!(why.contains(&clicks) && !why.contains("upstreams.databases"), "{why}");
    theirs.annotate("clicks", json!({ REPORTED_DATA_TIME: "2026-11-02T00:00:00Z" })).await;
    ours.run_until("first", "its work begins", |run| {
        run.status.as_ref().is_some_and(|status| status.attempt.is_some())
    })
    .await;
}

#[tokio::test]
async fn a_shard_without_namespaces_is_ready_and_waits() {
    let team = Team::new("idle").await;
    let none = 1 - shard_of(&team.namespace, 2);
    let launch = Launch { arguments: vec![format!("--shard={none}")], ..Launch::default() };
    let mut idle = Controller::launch(&team, launch, |installation| installation.kubernetes.shards = 2).await;
    team.create("orders", json!({})).await;
    keeps(&team, &idle, 0).await;
    let other = Launch { arguments: vec![format!("--shard={}", 1 - none)], ..Launch::default() };
    let _other =
        Controller::launch(&team, other.named("other"), |installation| installation.kubernetes.shards = 2)
            .await;
    team.ready("orders").await;
    assert!(idle.runs() && idle.log().contains("no namespace of the configuration is this shard's"));
}

#[tokio::test]
async fn it_has_to_be_said_which_shard_a_controller_is() {
    let team = Team::new("unsaid").await;
    let mut controller = Controller::with(&team, |installation| installation.kubernetes.shards = 2).await;
    team.eventually("", "the end", async || {
        ensure!(controller.ended()? == Some(1), "another code");
        ensure!(controller.log().contains("say by --shard"), "{}", controller.log());
        Ok(())
    })
    .await;
}
