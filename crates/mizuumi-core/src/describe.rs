//! What a resource has to do with others, whether all is well or not: a tree of those that it names and those that name it.
//!
//! [`crate::explain`] follows what stands in the way of a resource; this shows what there is.

use std::collections::BTreeSet;

use mizuumi_api::ingest_run::RunPhase;
use mizuumi_api::{
    Backfill, DataTable, EmrCluster, EmrClusterClass, IngestJob, IngestRun, QualityCheck, ResourceId,
    ResourceKind, SourceConnection, label,
};
use serde::Serialize;

use crate::explain::chain::cluster_of;
use crate::explain::standing::{self, State, Told};
use crate::explain::{Need, Object, Seen};
use crate::source_connection::tried::connection_of;

/// So many runs of a table or a job are told, the latest session first.
const RUNS: usize = 3;

/// A resource in the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Branch {
    /// What it is to the one above, such as `is written by`; empty at the top.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub relation: &'static str,
    /// Which; none for a table that no resource keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<ResourceId>,
    /// What it is called: its kind and name, or a table's name in Glue.
    pub name: String,
    /// How it stands.
    pub state: State,
    /// Why it cannot be told more of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    /// Its conditions, the weightiest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Told>,
    /// Those that it has to do with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub below: Vec<Branch>,
}

/// Describes a resource by what has been read; where more is needed, says what.
///
/// # Errors
/// With what has to be read before more can be said.
pub fn describe(id: &ResourceId, seen: &Seen) -> Result<Option<Branch>, BTreeSet<Need>> {
    let mut tree = Tree { seen, needs: BTreeSet::new() };
    let top = tree.read(Need::Resource(id.clone())).and_then(|found| found.first());
    let branch = top.map(|object| Branch { below: tree.around(object), ..leaf("", object) });
    if tree.needs.is_empty() { Ok(branch) } else { Err(tree.needs) }
}

/// A tree that grows.
struct Tree<'a> {
    seen: &'a Seen,
    /// What has to be read before more can be said.
    needs: BTreeSet<Need>,
}

impl<'a> Tree<'a> {
    /// What has been read; nothing if it could not be, or has still to be.
    fn read(&mut self, need: Need) -> Option<&'a [Object]> {
        let found = self.look(need)?;
        found.as_ref().ok().map(Vec::as_slice)
    }

    /// The same, with why it could not be read.
    fn look(&mut self, need: Need) -> Option<&'a Result<Vec<Object>, String>> {
        let found = self.seen.of(&need);
        if found.is_none() {
            self.needs.insert(need);
        }
        found
    }

    fn around(&mut self, object: &Object) -> Vec<Branch> {
        match object {
            Object::Table(table) => self.around_table(table),
            Object::Job(job) => self.around_job(job),
            Object::Run(run) => self.around_run(run),
            Object::Cluster(cluster) => self.around_cluster(cluster),
            Object::Class(class) => self.around_class(class),
            Object::Check(check) => self.around_check(check),
            Object::Source(source) => self.around_source(source),
            Object::Backfill(backfill) => self.around_backfill(backfill),
        }
    }

    /// The jobs that write it with their runs, runs that no job made, and the checks.
    fn around_table(&mut self, table: &DataTable) -> Vec<Branch> {
        let (namespace, name) = names(table.metadata.namespace.as_ref(), table.metadata.name.as_ref());
        let of = |kind| Need::OfTable { kind, namespace: namespace.clone(), table: name.clone() };
        let (jobs, runs, checks) = (
            self.look(of(ResourceKind::IngestJob)),
            self.look(of(ResourceKind::IngestRun)),
            self.look(of(ResourceKind::QualityCheck)),
        );
        let mut branches = Vec::new();
        for found in [jobs, runs, checks].into_iter().flatten() {
            branches
                .extend(found.as_ref().err().map(|why| unread("has to do with", "others".to_owned(), why)));
        }
        let runs = runs.and_then(|found| found.as_deref().ok()).unwrap_or_default();
        for object in jobs.and_then(|found| found.as_deref().ok()).unwrap_or_default() {
            let Object::Job(job) = object else { continue };
            let of_job = |run: &IngestRun| job_of(run) == job.metadata.name.as_deref();
            let mut below = latest("makes", runs, of_job);
            if let Some(source) = &job.spec.run.source {
                below.extend(self.reads_from(&namespace, &source.connection));
            }
            below.extend(
                self.works_on(&namespace, job.spec.run.emr_step.as_ref().and_then(|it| it.cluster.as_ref())),
            );
            branches.push(Branch { below, ..leaf("is written by", object) });
        }
        branches.extend(latest("is brought by", runs, |run| job_of(run).is_none()));
        let checks = checks.and_then(|found| found.as_deref().ok()).unwrap_or_default();
        branches.extend(checks.iter().map(|check| leaf("is checked by", check)));
        branches
    }

    /// Its table, the tables and the source that it reads, where its work is done, and its runs.
    fn around_job(&mut self, job: &IngestJob) -> Vec<Branch> {
        let (namespace, _) = names(job.metadata.namespace.as_ref(), None);
        let run = &job.spec.run;
        let mut branches = self.named("writes", ResourceKind::DataTable, &namespace, &run.table);
        branches
            .extend(self.upstreams(run.wait_for.iter().flatten().map(|upstream| upstream.table.as_str())));
        if let Some(source) = &run.source {
            branches.extend(self.reads_from(&namespace, &source.connection));
        }
        branches
            .extend(self.works_on(&namespace, run.emr_step.as_ref().and_then(|step| step.cluster.as_ref())));
        let of_table = Need::OfTable { kind: ResourceKind::IngestRun, namespace, table: run.table.clone() };
        match self.look(of_table) {
            Some(Ok(runs)) => {
                branches.extend(latest("makes", runs, |run| job_of(run) == job.metadata.name.as_deref()));
            }
            Some(Err(why)) => branches.push(unread("makes", "its runs".to_owned(), why)),
            None => {}
        }
        branches
    }

    /// Its job, its table, the tables and the source that it reads, who does its work, and the checks that it has to pass.
    fn around_run(&mut self, run: &IngestRun) -> Vec<Branch> {
        let (namespace, _) = names(run.metadata.namespace.as_ref(), None);
        let mut branches = Vec::new();
        if let Some(job) = job_of(run) {
            branches.extend(self.named("is made by", ResourceKind::IngestJob, &namespace, job));
        }
        branches.extend(self.named("is for", ResourceKind::DataTable, &namespace, &run.spec.table));
        branches.extend(self.upstreams(run.spec.wait_for.iter().flatten().map(|it| it.table.as_str())));
        if let Some(source) = connection_of(run) {
            branches.extend(self.reads_from(&namespace, source));
        }
        branches.extend(self.works_on(&namespace, cluster_of(run).as_ref()));
        for gate in run.status.iter().flat_map(|status| &status.gates) {
            branches.extend(self.named("has to pass", ResourceKind::QualityCheck, &namespace, &gate.name));
        }
        branches
    }

    /// Its class, the jobs that name it, and the runs under way that it works for.
    fn around_cluster(&mut self, cluster: &EmrCluster) -> Vec<Branch> {
        let (namespace, name) = names(cluster.metadata.namespace.as_ref(), cluster.metadata.name.as_ref());
        let mut branches =
            self.named("is built from", ResourceKind::EmrClusterClass, "", &cluster.spec.class_name);
        for kind in [ResourceKind::IngestJob, ResourceKind::IngestRun] {
            match self.look(Need::AllOf { kind, namespace: Some(namespace.clone()) }) {
                Some(Ok(found)) => {
                    let its = found.iter().filter(|object| is_on(object, &name));
                    branches.extend(its.map(|object| leaf("works for", object)));
                }
                Some(Err(why)) => branches.push(unread("works for", kind.plural().to_owned(), why)),
                None => {}
            }
        }
        branches
    }

    /// The clusters that are built from it.
    fn around_class(&mut self, class: &EmrClusterClass) -> Vec<Branch> {
        let name = class.metadata.name.clone().unwrap_or_default();
        match self.look(Need::ClustersOf(name)) {
            Some(Ok(found)) => found.iter().map(|cluster| leaf("builds", cluster)).collect(),
            Some(Err(why)) => vec![unread("builds", "its clusters".to_owned(), why)],
            None => Vec::new(),
        }
    }

    fn around_check(&mut self, check: &QualityCheck) -> Vec<Branch> {
        let (namespace, _) = names(check.metadata.namespace.as_ref(), None);
        self.named("is about", ResourceKind::DataTable, &namespace, &check.spec.table)
    }

    /// The jobs that name it, and the table of each.
    fn around_source(&mut self, source: &SourceConnection) -> Vec<Branch> {
        let (namespace, name) = names(source.metadata.namespace.as_ref(), source.metadata.name.as_ref());
        let of = Need::AllOf { kind: ResourceKind::IngestJob, namespace: Some(namespace.clone()) };
        let found = match self.look(of) {
            Some(Ok(found)) => found,
            Some(Err(why)) => return vec![unread("is read by", "its jobs".to_owned(), why)],
            None => return Vec::new(),
        };
        let mut branches = Vec::new();
        for object in found {
            let Object::Job(job) = object else { continue };
            if job.spec.run.source.as_ref().is_some_and(|source| source.connection == name) {
                let table = &job.spec.run.table;
                let below = self.named("writes", ResourceKind::DataTable, &namespace, table);
                branches.push(Branch { below, ..leaf("is read by", object) });
            }
        }
        branches
    }

    /// Its job and its runs under way.
    fn around_backfill(&mut self, backfill: &Backfill) -> Vec<Branch> {
        let (namespace, _) = names(backfill.metadata.namespace.as_ref(), None);
        let mut branches = self.named("is of", ResourceKind::IngestJob, &namespace, &backfill.spec.job);
        for run in backfill.status.iter().flat_map(|status| &status.active).take(RUNS) {
            branches.extend(self.named("makes", ResourceKind::IngestRun, &namespace, run));
        }
        branches
    }

    fn reads_from(&mut self, namespace: &str, connection: &str) -> Vec<Branch> {
        self.named("reads from", ResourceKind::SourceConnection, namespace, connection)
    }

    /// The cluster that does work, and its class.
    fn works_on(&mut self, namespace: &str, cluster: Option<&String>) -> Vec<Branch> {
        let Some(cluster) = cluster else { return Vec::new() };
        let id = id(ResourceKind::EmrCluster, namespace, cluster);
        let class = self.read(Need::Resource(id)).and_then(|found| match found.first() {
            Some(Object::Cluster(cluster)) => Some(cluster.spec.class_name.clone()),
            _ => None,
        });
        let below = class
            .map(|class| self.named("is built from", ResourceKind::EmrClusterClass, "", &class))
            .unwrap_or_default();
        let found = self.named("has its work done by", ResourceKind::EmrCluster, namespace, cluster);
        found.into_iter().map(|branch| Branch { below: below.clone(), ..branch }).collect()
    }

    /// The resources that keep tables which are named as Glue does.
    fn upstreams<'t>(&mut self, tables: impl Iterator<Item = &'t str>) -> Vec<Branch> {
        let mut branches = Vec::new();
        for table in tables {
            let (database, _) = table.split_once('.').unwrap_or((table, ""));
            match self.look(Need::TablesOf(database.to_owned())) {
                None => {}
                Some(Err(why)) => branches.push(unread("reads", table.to_owned(), why)),
                Some(Ok(found)) => {
                    let keepers: Vec<&Object> = found.iter().filter(|object| object.keeps(table)).collect();
                    branches.extend(keepers.iter().map(|object| leaf("reads", object)));
                    if keepers.is_empty() {
                        let why = "no DataTable here keeps it";
                        branches
                            .push(Branch { state: State::Missing, ..unread("reads", table.to_owned(), why) });
                    }
                }
            }
        }
        branches
    }

    /// A resource by its name, whether it is there or not.
    fn named(
        &mut self,
        relation: &'static str,
        kind: ResourceKind,
        namespace: &str,
        name: &str,
    ) -> Vec<Branch> {
        let id = id(kind, namespace, name);
        let Some(found) = self.look(Need::Resource(id.clone())) else { return Vec::new() };
        let other = |state, why: &str| {
            let branch = unread(relation, id.to_string(), why);
            Branch { state, id: Some(id.clone()), ..branch }
        };
        vec![match found.as_ref().map(|objects| objects.first()) {
            Ok(Some(object)) => leaf(relation, object),
            Ok(None) => other(State::Missing, "there is none of that name"),
            Err(why) => other(State::Unknown, why),
        }]
    }
}

fn id(kind: ResourceKind, namespace: &str, name: &str) -> ResourceId {
    ResourceId { kind, namespace: namespace.to_owned(), name: name.to_owned() }
}

fn names(namespace: Option<&String>, name: Option<&String>) -> (String, String) {
    (namespace.cloned().unwrap_or_default(), name.cloned().unwrap_or_default())
}

fn leaf(relation: &'static str, object: &Object) -> Branch {
    let id = object.id();
    Branch {
        relation,
        name: id.to_string(),
        id: Some(id),
        state: standing::state(object),
        unread: None,
        conditions: standing::by_weight(object.conditions()),
        below: Vec::new(),
    }
}

fn unread(relation: &'static str, name: String, why: &str) -> Branch {
    Branch {
        relation,
        id: None,
        name,
        state: State::Unknown,
        unread: Some(why.to_owned()),
        conditions: Vec::new(),
        below: Vec::new(),
    }
}

/// The job that made a run.
fn job_of(run: &IngestRun) -> Option<&str> {
    run.metadata.labels.as_ref()?.get(label::JOB).map(String::as_str)
}

/// The latest runs of those that are meant.
fn latest(relation: &'static str, runs: &[Object], is_meant: impl Fn(&IngestRun) -> bool) -> Vec<Branch> {
    let mut meant: Vec<(&IngestRun, &Object)> = runs
        .iter()
        .filter_map(|object| match object {
            Object::Run(run) if is_meant(run) => Some((run.as_ref(), object)),
            _ => None,
        })
        .collect();
    meant.sort_by_key(|(run, _)| std::cmp::Reverse((run.spec.session_time, run.spec.revision)));
    meant.into_iter().take(RUNS).map(|(_, object)| leaf(relation, object)).collect()
}

/// Whether a job, or a run that is not over, has its work done by a cluster.
fn is_on(object: &Object, cluster: &str) -> bool {
    match object {
        Object::Job(job) => {
            job.spec.run.emr_step.as_ref().and_then(|step| step.cluster.as_deref()) == Some(cluster)
        }
        Object::Run(run) => {
            let phase = run.status.as_ref().and_then(|status| status.phase);
            !phase.is_some_and(RunPhase::is_over) && cluster_of(run).as_deref() == Some(cluster)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;

    /// What Kubernetes has, by kind.
    struct World(BTreeMap<ResourceKind, Vec<Object>>);

    fn object(kind: &str, name: &str, metadata: &Value, spec: &Value) -> Object {
        let mut manifest = json!({
            "apiVersion": "mizuumi.dev/v1alpha1", "kind": kind, "metadata": { "namespace": "nyc", "name": name }, "spec": spec,
        });
        let fields = metadata.as_object().expect("fields").clone();
        manifest["metadata"].as_object_mut().expect("metadata").extend(fields);
        match kind {
            "DataTable" => Object::Table(Box::new(serde_json::from_value(manifest).expect(name))),
            "IngestJob" => Object::Job(Box::new(serde_json::from_value(manifest).expect(name))),
            "IngestRun" => Object::Run(Box::new(serde_json::from_value(manifest).expect(name))),
            "EmrCluster" => Object::Cluster(Box::new(serde_json::from_value(manifest).expect(name))),
            _ => Object::Check(Box::new(serde_json::from_value(manifest).expect(name))),
        }
    }

    impl World {
        fn answer(&self, need: &Need) -> Vec<Object> {
            let (kind, id) = match need {
                Need::Resource(id) => (id.kind, Some(id)),
                Need::OfTable { kind, .. } | Need::AllOf { kind, .. } => (*kind, None),
                Need::TablesOf(_) => (ResourceKind::DataTable, None),
                Need::ClustersOf(_) => (ResourceKind::EmrCluster, None),
            };
            let all = self.0.get(&kind).into_iter().flatten();
            all.filter(|object| id.is_none_or(|id| object.id() == *id)).cloned().collect()
        }

        fn describe(&self, kind: ResourceKind, name: &str) -> Branch {
            let mut seen = Seen::default();
            loop {
                match describe(&id(kind, "nyc", name), &seen) {
                    Ok(branch) => return branch.expect("it is there"),
                    Err(needs) => needs.into_iter().for_each(|need| {
                        let answer = self.answer(&need);
                        seen.keep(need, Ok(answer));
                    }),
                }
            }
        }
    }

    fn lines(branch: &Branch, depth: usize) -> Vec<String> {
        let mut lines = vec![format!("{depth} {} {}", branch.relation, branch.name).replace("  ", " ")];
        lines.extend(branch.below.iter().flat_map(|below| self::lines(below, depth + 1)));
        lines
    }

    fn world() -> World {
        let none = json!({});
        let step =
            json!({ "cluster": "adhoc", "step": { "name": "delays", "spark": "s3://lake/delays.py" } });
        let run = |name: &str, hour: u32, metadata: &Value| {
            let session = format!("2026-11-01T{hour:02}:00:00Z");
            let spec =
                json!({ "table": "delays", "sessionTime": session, "engine": "EmrStep", "emrStep": step });
            object("IngestRun", name, metadata, &spec)
        };
        let of_job = json!({ "labels": { "mizuumi.dev/job": "nightly" } });
        let job = json!({ "run": {
            "table": "delays", "engine": "EmrStep", "emrStep": step, "waitFor": [{ "table": "nyc.flights" }, { "table": "x.y" }],
        } });
        let location = json!({ "database": "nyc", "location": "s3://lake/x/" });
        let runs = (1..=4)
            .map(|hour| run(&format!("nightly-{hour}"), hour, &of_job))
            .chain([run("by-hand", 9, &none)]);
        World(BTreeMap::from([
            (
                ResourceKind::DataTable,
                vec![
                    object("DataTable", "delays", &none, &location),
                    object("DataTable", "flights", &none, &location),
                ],
            ),
            (ResourceKind::IngestJob, vec![object("IngestJob", "nightly", &none, &job)]),
            (ResourceKind::IngestRun, runs.collect()),
            (
                ResourceKind::EmrCluster,
                vec![object(
                    "EmrCluster",
                    "adhoc",
                    &none,
                    &json!({ "className": "gone", "lifecycle": "WhenNeeded" }),
                )],
            ),
        ]))
    }

    #[test]
    fn a_table_is_told_with_its_jobs_their_latest_runs_and_who_does_the_work() {
        assert_eq!(
            lines(&world().describe(ResourceKind::DataTable, "delays"), 0),
            [
                "0 DataTable nyc/delays",
                "1 is written by IngestJob nyc/nightly",
                "2 makes IngestRun nyc/nightly-4",
                "2 makes IngestRun nyc/nightly-3",
                "2 makes IngestRun nyc/nightly-2",
                "2 has its work done by EmrCluster nyc/adhoc",
                "3 is built from EmrClusterClass gone",
                "1 is brought by IngestRun nyc/by-hand",
            ]
        );
    }

    #[test]
    fn whatever_a_job_names_is_told_whether_it_is_there_or_not() {
        let told = world().describe(ResourceKind::IngestJob, "nightly");
        assert_eq!(
            lines(&told, 0)[..6],
            [
                "0 IngestJob nyc/nightly",
                "1 writes DataTable nyc/delays",
                "1 reads DataTable nyc/flights",
                "1 reads x.y",
                "1 has its work done by EmrCluster nyc/adhoc",
                "2 is built from EmrClusterClass gone",
            ]
        );
        assert_eq!(told.below[2].unread.as_deref(), Some("no DataTable here keeps it"));
        let class = &told.below[3].below[0];
        assert_eq!(
            (class.state, class.unread.as_deref()),
            (State::Missing, Some("there is none of that name"))
        );
    }

    #[test]
    fn a_cluster_is_told_with_those_that_it_works_for() {
        let told = world().describe(ResourceKind::EmrCluster, "adhoc");
        let works_for = lines(&told, 0).into_iter().filter(|line| line.contains("works for")).count();
        assert_eq!(works_for, 6, "a job and five runs that are not over");
    }
}
