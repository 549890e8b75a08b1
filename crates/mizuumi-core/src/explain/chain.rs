//! What a resource waits for, kind by kind: a table for a run, a run for a table or a cluster, a cluster for its class.

use std::collections::BTreeSet;

use jiff::Timestamp;
use mizuumi_api::data_table::PartitionMode;
use mizuumi_api::ingest_run::{GateVerdict, RunEngine, RunPhase, Upstream};
use mizuumi_api::{
    Backfill, DataTable, EmrCluster, IngestJob, IngestRun, QualityCheck, ResourceId, ResourceKind,
    SourceConnection,
};

use super::Node;
use super::failing::Failing;
use super::seen::{Need, Object, Seen};
use super::standing::{self, State};
use crate::data_table::Tables;
use crate::ingest_run::own_cluster;
use crate::kind::Kind;

/// So far down a chain is followed.
const DEEPEST: usize = 12;
/// So many runs of a table or a job are told.
const RUNS: usize = 3;

/// A chain that is being followed.
pub(super) struct Chain<'a> {
    seen: &'a Seen,
    /// What has to be read before more can be said.
    pub(super) needs: BTreeSet<Need>,
    /// Those above the one that is looked at.
    above: Vec<ResourceId>,
}

impl<'a> Chain<'a> {
    pub(super) fn new(seen: &'a Seen) -> Self {
        Self { seen, needs: BTreeSet::new(), above: Vec::new() }
    }

    /// The resource that is asked about, if there is one.
    pub(super) fn top(&mut self, id: &ResourceId) -> Option<Node> {
        let found = self.read(Need::Resource(id.clone()))?;
        match found {
            Ok(objects) => objects.first().map(|object| self.node(object, String::new())),
            Err(why) => Some(unread(id.to_string(), String::new(), why)),
        }
    }

    /// What has been read; none if it has not been yet, and is asked for.
    fn read(&mut self, need: Need) -> Option<&'a Result<Vec<Object>, String>> {
        let found = self.seen.of(&need);
        if found.is_none() {
            self.needs.insert(need);
        }
        found
    }

    fn node(&mut self, object: &Object, relation: String) -> Node {
        let id = object.id();
        let state = standing::state(object);
        let mut facts = facts(object);
        let waits_for = if self.above.contains(&id) {
            facts.push("it is above already: they wait for each other".to_owned());
            Vec::new()
        } else if self.above.len() >= DEEPEST {
            facts.push("the chain goes on below; ask about this one".to_owned());
            Vec::new()
        } else {
            self.above.push(id.clone());
            let below = self.below(object, state);
            self.above.pop();
            below
        };
        let conditions = standing::by_weight(object.conditions());
        let failing = Failing::of(object);
        let name = id.to_string();
        Node { name, relation, state, conditions, failing, last_failure: None, facts, waits_for }
    }

    fn below(&mut self, object: &Object, state: State) -> Vec<Node> {
        // Where all is well nothing is waited for.
        if matches!(state, State::Good) {
            return Vec::new();
        }
        match object {
            Object::Table(table) => self.below_table(table),
            Object::Job(job) => self.below_job(job),
            Object::Run(run) => self.below_run(run),
            Object::Cluster(cluster) => self.below_cluster(cluster),
            Object::Check(check) => self.below_check(check),
            Object::Backfill(backfill) => self.below_backfill(backfill),
            Object::Class(_) | Object::Source(_) => Vec::new(),
        }
    }

    /// The runs that bring a table's data, the jobs that make them, the checks that do not pass.
    fn below_table(&mut self, table: &DataTable) -> Vec<Node> {
        let (namespace, name) = names(table.metadata.namespace.as_ref(), table.metadata.name.as_ref());
        let of = |kind| Need::OfTable { kind, namespace: namespace.clone(), table: name.clone() };
        let mut nodes = Vec::new();
        if table.spec.partitions.as_ref().is_some_and(|it| it.mode == PartitionMode::Published) {
            let (runs, jobs) =
                (self.read(of(ResourceKind::IngestRun)), self.read(of(ResourceKind::IngestJob)));
            nodes.extend(self.runs(runs, "is brought by"));
            nodes.extend(self.all(jobs, "is written by", |_| true));
        }
        let checks = self.read(of(ResourceKind::QualityCheck));
        nodes.extend(self.all(checks, "is checked by", |check| standing::state(check).needs_attention()));
        nodes
    }

    /// Its runs under way, or the last one if it failed; its table, if no run can be published into it; its source, if it is in the way.
    fn below_job(&mut self, job: &IngestJob) -> Vec<Node> {
        let (namespace, _) = names(job.metadata.namespace.as_ref(), job.metadata.name.as_ref());
        let Some(status) = &job.status else { return Vec::new() };
        let failed =
            status.last_run.iter().filter(|last| last.phase == RunPhase::Failed).map(|last| &last.name);
        let runs: Vec<&String> = status.active.iter().take(RUNS).chain(failed).collect();
        let mut nodes: Vec<Node> = Vec::new();
        for run in runs {
            nodes.extend(self.named(ResourceKind::IngestRun, &namespace, run, "makes the run"));
        }
        nodes.extend(self.named_if_bad(ResourceKind::DataTable, &namespace, &job.spec.run.table, "writes"));
        if let Some(source) = &job.spec.run.source {
            let (kind, name) = (ResourceKind::SourceConnection, &source.connection);
            nodes.extend(self.named_if_bad(kind, &namespace, name, "reads from"));
        }
        nodes
    }

    /// The tables that it reads and that are not far enough, who does its work, its table, and the checks that hold it up.
    fn below_run(&mut self, run: &IngestRun) -> Vec<Node> {
        let (namespace, _) = names(run.metadata.namespace.as_ref(), run.metadata.name.as_ref());
        let status = run.status.as_ref();
        let phase = status.and_then(|status| status.phase);
        let mut nodes = Vec::new();
        if phase.is_some_and(RunPhase::is_over) {
            return nodes;
        }
        let attempt = status.and_then(|status| status.attempt.as_ref());
        if attempt.is_none() {
            for upstream in run.spec.wait_for.iter().flatten() {
                nodes.extend(self.upstream(run, upstream));
            }
        }
        // What it waits for comes before the work, and before the cluster that does it.
        if nodes.is_empty()
            && let Some(cluster) = cluster_of(run)
        {
            nodes.extend(self.named(ResourceKind::EmrCluster, &namespace, &cluster, "has its work done by"));
        }
        for gate in status.iter().flat_map(|status| &status.gates) {
            if gate.verdict != GateVerdict::Passed {
                nodes.extend(self.named(ResourceKind::QualityCheck, &namespace, &gate.name, "has to pass"));
            }
        }
        nodes.extend(self.named_if_bad(ResourceKind::DataTable, &namespace, &run.spec.table, "is for"));
        nodes
    }

    /// A table that a run reads, unless it is far enough.
    fn upstream(&mut self, run: &IngestRun, upstream: &Upstream) -> Vec<Node> {
        let Some(session) = run.spec.session_time else { return Vec::new() };
        let offset = upstream.offset.as_ref().and_then(|offset| offset.length().ok()).unwrap_or_default();
        let until = session.checked_sub(offset).unwrap_or(Timestamp::MIN);
        let relation = format!("waits for {} up to {until}", upstream.table);
        let (database, _) = upstream.table.split_once('.').unwrap_or((&upstream.table, ""));
        let Some(found) = self.read(Need::TablesOf(database.to_owned())) else { return Vec::new() };
        let objects = match found {
            Ok(objects) => objects,
            Err(why) => return vec![unread(upstream.table.clone(), relation, why)],
        };
        let keepers: Vec<&Object> = objects.iter().filter(|object| object.keeps(&upstream.table)).collect();
        let covers = |object: &&Object| {
            matches!(object, Object::Table(table) if table.status.as_ref()
                .and_then(|status| status.freshness.as_ref()?.data_time)
                .is_some_and(|time| time >= until))
        };
        if keepers.iter().any(covers) {
            return Vec::new();
        }
        if keepers.is_empty() {
            let facts = vec![
                "no DataTable here keeps it: what Glue says of it is read, if `upstreams.databases` allows it".to_owned(),
            ];
            return vec![Node { facts, ..node(upstream.table.clone(), relation, State::Missing) }];
        }
        keepers
            .into_iter()
            .map(|keeper| {
                let mut node = self.node(keeper, relation.clone());
                // It may be as fresh as it has to be, and yet not far enough for this run.
                if node.state == State::Good {
                    node.state = State::Working;
                    node.waits_for = match keeper {
                        Object::Table(table) => self.below_table(table),
                        _ => Vec::new(),
                    };
                }
                node
            })
            .collect()
    }

    fn below_cluster(&mut self, cluster: &EmrCluster) -> Vec<Node> {
        self.named_if_bad(ResourceKind::EmrClusterClass, "", &cluster.spec.class_name, "is built from")
    }

    fn below_check(&mut self, check: &QualityCheck) -> Vec<Node> {
        let (namespace, _) = names(check.metadata.namespace.as_ref(), check.metadata.name.as_ref());
        self.named_if_bad(ResourceKind::DataTable, &namespace, &check.spec.table, "is about")
    }

    /// Its runs under way, the last that failed if it is there still, and its job if that makes no runs.
    fn below_backfill(&mut self, backfill: &Backfill) -> Vec<Node> {
        let (namespace, _) = names(backfill.metadata.namespace.as_ref(), backfill.metadata.name.as_ref());
        let mut nodes = Vec::new();
        if let Some(status) = &backfill.status {
            let failed = status.failures.first().map(|last| &last.run);
            let runs: Vec<&String> = status.active.iter().take(RUNS).chain(failed).collect();
            for run in runs {
                nodes.extend(self.named(ResourceKind::IngestRun, &namespace, run, "makes the run"));
            }
        }
        nodes.extend(self.named_if_bad(ResourceKind::IngestJob, &namespace, &backfill.spec.job, "is of"));
        nodes
    }

    /// The runs under way, the earliest session first; the last one that ended, if none is and it failed.
    fn runs(&mut self, found: Option<&'a Result<Vec<Object>, String>>, relation: &str) -> Vec<Node> {
        let Some(Ok(objects)) = found else { return self.all(found, relation, |_| true) };
        let session = |object: &&Object| match object {
            Object::Run(run) => (run.spec.session_time, run.spec.revision),
            _ => (None, 0),
        };
        let is_over = |object: &&Object| matches!(object, Object::Run(run) if run.status.as_ref().and_then(|status| status.phase).is_some_and(RunPhase::is_over));
        let (mut over, mut going): (Vec<&Object>, Vec<&Object>) = objects.iter().partition(is_over);
        over.sort_by_key(session);
        going.sort_by_key(session);
        let last = over.last().filter(|last| standing::state(last) == State::Failed);
        let mut told: Vec<&Object> = going.into_iter().take(RUNS).collect();
        if told.is_empty() {
            told.extend(last);
        }
        let told = told.into_iter().filter(|object| !self.above.contains(&object.id())).collect::<Vec<_>>();
        told.into_iter().map(|object| self.node(object, relation.to_owned())).collect()
    }

    fn all(
        &mut self,
        found: Option<&'a Result<Vec<Object>, String>>,
        relation: &str,
        which: impl Fn(&Object) -> bool,
    ) -> Vec<Node> {
        match found {
            None => Vec::new(),
            Some(Err(why)) => vec![unread("others".to_owned(), relation.to_owned(), why)],
            Some(Ok(objects)) => {
                let told: Vec<&Object> = objects
                    .iter()
                    .filter(|object| which(object) && !self.above.contains(&object.id()))
                    .collect();
                told.into_iter().map(|object| self.node(object, relation.to_owned())).collect()
            }
        }
    }

    /// A resource by its name, whether it is there or not.
    fn named(&mut self, kind: ResourceKind, namespace: &str, name: &str, relation: &str) -> Option<Node> {
        let id = ResourceId { kind, namespace: namespace.to_owned(), name: name.to_owned() };
        if self.above.contains(&id) {
            return None;
        }
        let relation = relation.to_owned();
        match self.read(Need::Resource(id.clone()))? {
            Err(why) => Some(unread(id.to_string(), relation, why)),
            Ok(objects) => Some(match objects.first() {
                Some(object) => self.node(object, relation),
                None => Node {
                    facts: vec!["there is none of that name; apply it".to_owned()],
                    ..node(id.to_string(), relation, State::Missing)
                },
            }),
        }
    }

    /// The same, unless nothing is wrong with it.
    fn named_if_bad(&mut self, kind: ResourceKind, namespace: &str, name: &str, relation: &str) -> Vec<Node> {
        let found = self.named(kind, namespace, name, relation);
        // That data is late or not to be trusted keeps nothing from being written.
        let is_in_the_way = |node: &Node| {
            matches!(node.state, State::Stuck | State::Missing | State::Unknown | State::Unreached)
        };
        found.into_iter().filter(is_in_the_way).collect()
    }
}

fn names(namespace: Option<&String>, name: Option<&String>) -> (String, String) {
    (namespace.cloned().unwrap_or_default(), name.cloned().unwrap_or_default())
}

fn node(name: String, relation: String, state: State) -> Node {
    Node {
        name,
        relation,
        state,
        conditions: Vec::new(),
        failing: None,
        last_failure: None,
        facts: Vec::new(),
        waits_for: Vec::new(),
    }
}

fn unread(name: String, relation: String, why: &str) -> Node {
    Node { facts: vec![format!("it could not be read: {why}")], ..node(name, relation, State::Unknown) }
}

/// The `EmrCluster` that does a run's work, or is to.
pub(crate) fn cluster_of(run: &IngestRun) -> Option<String> {
    let step = run.spec.emr_step.as_ref().filter(|_| run.spec.engine == RunEngine::EmrStep)?;
    let attempt = run.status.as_ref().and_then(|status| status.attempt.as_ref());
    attempt.map(|attempt| attempt.worker.clone()).or_else(|| step.cluster.clone()).or_else(|| {
        let (name, uid) = (run.metadata.name.as_deref()?, run.metadata.uid.as_deref()?);
        step.own_cluster.as_ref().map(|_| own_cluster::name(name, uid))
    })
}

/// What there is to know of a resource beside its conditions.
fn facts(object: &Object) -> Vec<String> {
    let mut facts = Vec::new();
    if object.is_being_deleted() {
        facts.push("it is being deleted".to_owned());
    }
    if object.is_suspended() {
        facts.push("it is suspended: nothing is written".to_owned());
    }
    if !matches!(object, Object::Class(_)) && object.observed_generation() < object.generation() {
        facts.push(
            "no controller has looked at the present spec yet; is one running for this namespace?".to_owned(),
        );
    }
    match object {
        Object::Table(table) => table_facts(table, &mut facts),
        Object::Job(job) => {
            let next = job.status.as_ref().and_then(|status| status.next_scheduled_time);
            facts.extend(next.map(|next| format!("its next session is {next}")));
        }
        Object::Run(run) => run_facts(run, &mut facts),
        Object::Cluster(cluster) => cluster_facts(cluster, &mut facts),
        Object::Check(check) => {
            let at = check.status.as_ref().and_then(|status| status.evaluation.as_ref()).map(|it| it.at);
            facts.extend(at.map(|at| format!("its rules were evaluated last at {at}")));
        }
        Object::Source(source) => source_facts(source, &mut facts),
        Object::Backfill(backfill) => backfill_facts(backfill, &mut facts),
        Object::Class(_) => {}
    }
    facts
}

fn source_facts(source: &SourceConnection, facts: &mut Vec<String>) {
    let Some(status) = &source.status else { return };
    facts.push(match status.jobs {
        1 => "1 job names it".to_owned(),
        jobs => format!("{jobs} jobs name it"),
    });
    if let Some(last) = &status.last_attempt {
        facts.push(format!("run '{}' tried it last, up to {}", last.run, last.at));
    }
}

fn table_facts(table: &DataTable, facts: &mut Vec<String>) {
    facts.push(format!("its table in Glue is {}", Tables::key(table)));
    let Some(freshness) = table.status.as_ref().and_then(|status| status.freshness.as_ref()) else { return };
    facts.extend(freshness.data_time.map(|time| format!("its data is complete up to {time}")));
    facts.extend(
        freshness.fresh_until.map(|time| format!("it is fresh until {time}, unless newer data comes")),
    );
}

fn run_facts(run: &IngestRun, facts: &mut Vec<String>) {
    let Some(status) = &run.status else { return };
    let phase = status.phase.map_or_else(|| "Pending".to_owned(), |phase| format!("{phase:?}"));
    facts.push(match run.spec.session_time {
        Some(session) => format!("its phase is {phase}; its session is {session}"),
        None => format!("its phase is {phase}"),
    });
    if let Some(attempt) = &status.attempt {
        let external = attempt.external_id.as_deref().map(|id| format!(" ({id})")).unwrap_or_default();
        facts.push(format!(
            "attempt {} by {}{external} since {}: {:?}",
            attempt.number, attempt.worker, attempt.started_at, attempt.state
        ));
    }
    if let Some(failed) = status.failed_attempts.first() {
        facts.push(format!("attempt {} failed at {}: {}", failed.number, failed.ended_at, failed.message));
    }
}

fn backfill_facts(backfill: &Backfill, facts: &mut Vec<String>) {
    facts.push(format!("its range is from {} to {}", backfill.spec.from, backfill.spec.to));
    let Some(status) = &backfill.status else { return };
    facts.extend(status.last_session.map(|last| format!("the last session that was begun is {last}")));
    for failure in &status.failures {
        let message = failure.message.as_deref().unwrap_or("it says nothing");
        facts.push(format!("run '{}' failed: {message}", failure.run));
    }
}

fn cluster_facts(cluster: &EmrCluster, facts: &mut Vec<String>) {
    let Some(status) = &cluster.status else { return };
    if let Some(id) = &status.cluster_id {
        let state = status.emr_state.as_deref().unwrap_or("of unknown state");
        let reason = status.emr_reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        facts.push(format!("its cluster in EMR is {id}, {state}{reason}"));
    }
    if let Some(failure) = &status.failure {
        let log = failure.log_uri.as_deref().map(|uri| format!("; the log: {uri}")).unwrap_or_default();
        facts.push(format!(
            "EMR says {}: {}{log}",
            failure.code,
            failure.message.as_deref().unwrap_or_default()
        ));
    }
}
