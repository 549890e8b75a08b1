//! Where a table's data comes from and where it goes: from table to table, by the jobs between them.
//!
//! A job says in `waitFor` which tables it reads, and in `run.table` which it writes; a link stands for another table.

use std::collections::{BTreeMap, BTreeSet};

use mizuumi_api::{ResourceId, ResourceKind};
use serde::Serialize;

use crate::data_table::Tables;
use crate::explain::standing::{State, state};
use crate::explain::{Need, Object, Seen};
use crate::kind::Kind;

/// A table, and what comes before or after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Station {
    /// Its name in Glue.
    pub table: String,
    /// The resources that keep it; none where nobody here does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept_by: Vec<Keeper>,
    /// How the data goes on, or comes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hops: Vec<Hop>,
    /// It was followed before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

/// A resource that keeps a table, or writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Keeper {
    /// Which.
    pub id: ResourceId,
    /// How it stands.
    pub state: State,
}

/// What is between two tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hop {
    /// The job, or the `DataTable` of a link.
    #[serde(flatten)]
    pub by: Keeper,
    /// Tables on its other side.
    pub tables: Vec<Station>,
}

/// Where a table's data comes from and goes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lineage {
    /// The table.
    pub table: String,
    /// The resources that keep it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept_by: Vec<Keeper>,
    /// Where its data comes from.
    pub comes_from: Vec<Hop>,
    /// Where it goes.
    pub goes_to: Vec<Hop>,
    /// What could not be read, so that more may belong here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
}

/// Which table is asked about.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    /// The `DataTable` of that name in the namespace.
    Resource(&'a str),
    /// The table of that name in Glue, `database.table`.
    Table(&'a str),
}

/// Follows a table by what has been read; if there is no such table here, answers what could not be read. Where more is
/// needed, says what.
///
/// # Errors
/// With what has to be read before more can be said.
pub fn lineage(
    asked: Asked<'_>,
    namespace: &str,
    seen: &Seen,
) -> Result<Result<Lineage, Vec<String>>, BTreeSet<Need>> {
    let mut objects = Vec::new();
    let mut unread = Vec::new();
    let mut needs = BTreeSet::new();
    for kind in [ResourceKind::DataTable, ResourceKind::IngestJob] {
        // Who may not see all namespaces sees their own.
        for namespace in [None, Some(namespace.to_owned())] {
            let need = Need::AllOf { kind, namespace };
            match seen.of(&need) {
                None => drop(needs.insert(need)),
                Some(Ok(found)) => objects.extend(found),
                Some(Err(why)) => {
                    unread.push(format!("{}: {why}", kind.plural()));
                    continue;
                }
            }
            break;
        }
    }
    if !needs.is_empty() {
        return Err(needs);
    }
    let graph = Graph::new(&objects);
    let table = match asked {
        Asked::Table(table) => Some(table.to_owned()),
        Asked::Resource(name) => objects.iter().find_map(|object| match object {
            Object::Table(table) => {
                let id = object.id();
                (id.name == name && id.namespace == namespace).then(|| Tables::key(table).to_string())
            }
            _ => None,
        }),
    };
    let Some(table) = table.filter(|table| graph.knows(table)) else { return Ok(Err(unread)) };
    let kept_by = graph.keepers(&table);
    let comes_from = graph.hops(&table, &graph.back, &mut BTreeSet::new());
    let goes_to = graph.hops(&table, &graph.forth, &mut BTreeSet::new());
    Ok(Ok(Lineage { table, kept_by, comes_from, goes_to, unread }))
}

/// By a table's name: what is next to it, and the tables on that one's other side.
type Ways = BTreeMap<String, BTreeMap<ResourceId, BTreeSet<String>>>;

struct Graph {
    keepers: BTreeMap<String, Vec<Keeper>>,
    states: BTreeMap<ResourceId, State>,
    back: Ways,
    forth: Ways,
}

impl Graph {
    fn new(objects: &[&Object]) -> Self {
        let mut graph = Self {
            keepers: BTreeMap::new(),
            states: objects.iter().map(|object| (object.id(), state(object))).collect(),
            back: Ways::new(),
            forth: Ways::new(),
        };
        let mut of_resource = BTreeMap::new();
        for object in objects {
            let Object::Table(table) = object else { continue };
            let (id, name) = (object.id(), Tables::key(table).to_string());
            if let Some(to) = &table.spec.link_to {
                graph.join(&format!("{}.{}", to.database, to.table), &id, &name);
            }
            let keeper = Keeper { id: id.clone(), state: state(object) };
            graph.keepers.entry(name.clone()).or_default().push(keeper);
            of_resource.insert(id, name);
        }
        for object in objects {
            let Object::Job(job) = object else { continue };
            let id = object.id();
            let target = ResourceId {
                kind: ResourceKind::DataTable,
                namespace: id.namespace.clone(),
                name: job.spec.run.table.clone(),
            };
            // A table that nobody has declared yet has no name in Glue.
            let writes = of_resource.get(&target).cloned().unwrap_or_else(|| target.to_string());
            graph.back.entry(writes.clone()).or_default().entry(id.clone()).or_default();
            for upstream in job.spec.run.wait_for.iter().flatten() {
                graph.join(&upstream.table, &id, &writes);
            }
        }
        graph
    }

    fn join(&mut self, from: &str, by: &ResourceId, to: &str) {
        let mut add = |ways: fn(&mut Self) -> &mut Ways, near: &str, far: &str| {
            let hop = ways(self).entry(near.to_owned()).or_default().entry(by.clone()).or_default();
            hop.insert(far.to_owned());
        };
        add(|graph| &mut graph.forth, from, to);
        add(|graph| &mut graph.back, to, from);
    }

    fn knows(&self, table: &str) -> bool {
        self.keepers.contains_key(table) || self.back.contains_key(table) || self.forth.contains_key(table)
    }

    fn keepers(&self, table: &str) -> Vec<Keeper> {
        self.keepers.get(table).cloned().unwrap_or_default()
    }

    /// What is next to a table; each table is followed once.
    fn hops(&self, table: &str, ways: &Ways, followed: &mut BTreeSet<String>) -> Vec<Hop> {
        followed.insert(table.to_owned());
        let next = ways.get(table).into_iter().flatten();
        let hop = |(by, tables): (&ResourceId, &BTreeSet<String>)| {
            let by = Keeper { id: by.clone(), state: self.states.get(by).copied().unwrap_or(State::Unknown) };
            let tables = tables.iter().map(|table| {
                let again = followed.contains(table);
                let hops = if again { Vec::new() } else { self.hops(table, ways, followed) };
                Station { table: table.clone(), kept_by: self.keepers(table), hops, again }
            });
            let tables = tables.collect();
            Hop { by, tables }
        };
        next.map(hop).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn table(namespace: &str, name: &str, spec: &Value) -> Object {
        let mut manifest = json!({
            "apiVersion": "mizuumi.dev/v1alpha1", "kind": "DataTable", "metadata": { "namespace": namespace, "name": name },
            "spec": { "database": namespace },
        });
        manifest["spec"].as_object_mut().expect("a spec").extend(spec.as_object().expect("fields").clone());
        Object::Table(Box::new(serde_json::from_value(manifest).expect("a table")))
    }

    fn job(namespace: &str, name: &str, writes: &str, reads: &[&str]) -> Object {
        let reads: Vec<Value> = reads.iter().map(|table| json!({ "table": table })).collect();
        let manifest = json!({
            "apiVersion": "mizuumi.dev/v1alpha1", "kind": "IngestJob", "metadata": { "namespace": namespace, "name": name },
            "spec": { "run": { "table": writes, "engine": "EmrStep", "waitFor": reads } },
        });
        Object::Job(Box::new(serde_json::from_value(manifest).expect("a job")))
    }

    fn seen(tables: Vec<Object>, jobs: Vec<Object>) -> Seen {
        let mut seen = Seen::default();
        seen.keep(Need::AllOf { kind: ResourceKind::DataTable, namespace: None }, Ok(tables));
        seen.keep(Need::AllOf { kind: ResourceKind::IngestJob, namespace: None }, Ok(jobs));
        seen
    }

    /// The names on the way, each with its depth.
    fn names(hops: &[Hop], depth: usize) -> Vec<String> {
        let of = |hop: &Hop| {
            let mut names = vec![format!("{depth} {}", hop.by.id)];
            for table in &hop.tables {
                let again = if table.again { " again" } else { "" };
                names.push(format!("{} {}{again}", depth + 1, table.table));
                names.extend(self::names(&table.hops, depth + 2));
            }
            names
        };
        hops.iter().flat_map(of).collect()
    }

    #[test]
    fn a_table_is_followed_by_jobs_and_links_both_ways_and_a_circle_ends() {
        let published = json!({ "location": "s3://lake/x/" });
        let tables = vec![
            table("nyc", "flights", &published),
            table("nyc", "delays", &published),
            table("mart", "carriers", &published),
            table("shared", "delays", &json!({ "linkTo": { "database": "nyc", "table": "delays" } })),
        ];
        let jobs = vec![
            job("nyc", "delays", "delays", &["nyc.flights", "elsewhere.weather"]),
            job("mart", "carriers", "carriers", &["nyc.delays"]),
            job("nyc", "circle", "flights", &["mart.carriers"]),
        ];
        let seen = seen(tables, jobs);
        let told = lineage(Asked::Resource("delays"), "nyc", &seen).expect("all is there").expect("a table");
        assert_eq!(told.table, "nyc.delays");
        assert_eq!(
            names(&told.comes_from, 0),
            [
                "0 IngestJob nyc/delays",
                "1 elsewhere.weather",
                "1 nyc.flights",
                "2 IngestJob nyc/circle",
                "3 mart.carriers",
                "4 IngestJob mart/carriers",
                "5 nyc.delays again",
            ]
        );
        assert_eq!(
            names(&told.goes_to, 0),
            [
                "0 DataTable shared/delays",
                "1 shared.delays",
                "0 IngestJob mart/carriers",
                "1 mart.carriers",
                "2 IngestJob nyc/circle",
                "3 nyc.flights",
                "4 IngestJob nyc/delays",
                "5 nyc.delays again",
            ]
        );
        let upstream =
            lineage(Asked::Table("elsewhere.weather"), "nyc", &seen).expect("all").expect("known to a job");
        assert!(upstream.kept_by.is_empty() && upstream.goes_to.len() == 1);
        assert_eq!(lineage(Asked::Table("no.such"), "nyc", &seen), Ok(Err(Vec::new())));
    }

    #[test]
    fn who_may_not_see_all_namespaces_sees_their_own_and_hears_of_it() {
        let mut seen = seen(Vec::new(), Vec::new());
        let all = Need::AllOf { kind: ResourceKind::DataTable, namespace: None };
        seen.keep(all, Err("forbidden".to_owned()));
        let own = Need::AllOf { kind: ResourceKind::DataTable, namespace: Some("nyc".to_owned()) };
        let asked = Asked::Resource("flights");
        assert_eq!(lineage(asked, "nyc", &seen), Err(BTreeSet::from([own.clone()])));
        seen.keep(own, Ok(vec![table("nyc", "flights", &json!({ "location": "s3://lake/x/" }))]));
        let told = lineage(asked, "nyc", &seen).expect("all is there").expect("a table");
        assert_eq!(told.unread, ["datatables: forbidden"]);
    }
}
