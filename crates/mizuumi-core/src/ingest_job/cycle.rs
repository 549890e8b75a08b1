//! Jobs that wait for each other for ever: found, and named.

use std::collections::{BTreeMap, BTreeSet};

use mizuumi_api::IngestJob;

/// A job, by the table that it writes and those that it waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// The table's name in Glue, `database.table`; none if its `DataTable` is not known.
    pub writes: Option<String>,
    /// Tables that have to be complete up to the very session. One with an `offset` is waited for up to an earlier time, which an earlier
    /// session brings: such a job may well wait for its own table.
    pub waits: BTreeSet<String>,
}

impl Link {
    /// What a job waits for, and what it writes.
    #[must_use]
    pub fn of(job: &IngestJob, writes: Option<String>) -> Self {
        let upstreams = job.spec.run.wait_for.iter().flatten();
        let waits = upstreams.filter(|upstream| upstream.offset.is_none());
        Self { writes, waits: waits.map(|upstream| upstream.table.clone()).collect() }
    }
}

/// The cycle of jobs that keeps a job from ever beginning, from one of them back to it; the job itself comes first if it is one of
/// them. A table that several jobs write comes about if one of them can begin, and one that none of them writes may come from elsewhere.
#[must_use]
pub fn cycle<K: Ord + Clone>(job: &K, jobs: &BTreeMap<K, Link>) -> Option<Vec<K>> {
    let mut writers: BTreeMap<&str, Vec<&K>> = BTreeMap::new();
    for (name, link) in jobs {
        if let Some(table) = &link.writes {
            writers.entry(table).or_default().push(name);
        }
    }
    let mut free: BTreeSet<&K> = BTreeSet::new();
    // The jobs that keep a table from coming about, if it never does.
    let held = |table: &String, free: &BTreeSet<&K>| -> Option<&K> {
        let writers = writers.get(table.as_str())?;
        writers.iter().all(|writer| !free.contains(writer)).then(|| writers.first().copied())?
    };
    loop {
        let more: Vec<&K> = jobs
            .iter()
            .filter(|(name, link)| {
                !free.contains(name) && link.waits.iter().all(|table| held(table, &free).is_none())
            })
            .map(|(name, _)| name)
            .collect();
        if more.is_empty() {
            break;
        }
        free.extend(more);
    }
    // Whoever is not free waits for one that is not, so the way never ends but in a circle.
    let mut way: Vec<&K> = Vec::new();
    let (mut at, link) = jobs.get_key_value(job)?;
    if free.contains(at) {
        return None;
    }
    // A job that waits for itself is told so, whatever else it waits for.
    if link.writes.as_ref().is_some_and(|table| link.waits.contains(table)) {
        return Some(vec![at.clone(), at.clone()]);
    }
    while !way.contains(&at) {
        way.push(at);
        at = jobs.get(at)?.waits.iter().find_map(|table| held(table, &free))?;
    }
    let circle = way.into_iter().skip_while(|job| *job != at).chain([at]);
    Some(circle.cloned().collect())
}

/// The cycle in words. Jobs of the same namespace are told without it.
#[must_use]
pub fn in_words(namespace: &str, job: &str, cycle: &[(String, String)]) -> String {
    let names: Vec<String> = cycle
        .iter()
        .map(|(of, name)| if of == namespace { name.clone() } else { format!("{of}/{name}") })
        .collect();
    let way = names.join(" → ");
    let is_in_it = cycle.iter().any(|(of, name)| of == namespace && name == job);
    let who =
        if is_in_it { "jobs wait for each other" } else { "it waits for jobs that wait for each other" };
    format!(
        "{who}, each for the table that the next one writes: {way}; none of their runs would ever begin, and none is made. Take one \
         `waitFor` away, or give it an `offset` if it means the data of an earlier session"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs(all: &[(&str, &str, &[&str])]) -> BTreeMap<String, Link> {
        let link = |(job, writes, waits): &(&str, &str, &[&str])| {
            let waits = waits.iter().map(|table| (*table).to_owned()).collect();
            ((*job).to_owned(), Link { writes: Some((*writes).to_owned()), waits })
        };
        all.iter().map(link).collect()
    }

    fn told(job: &str, all: &[(&str, &str, &[&str])]) -> Option<String> {
        cycle(&job.to_owned(), &jobs(all)).map(|cycle| cycle.join(" → "))
    }

    #[test]
    fn a_cycle_is_told_from_each_of_its_jobs() {
        let two: &[(&str, &str, &[&str])] = &[("a", "d.x", &["d.y"]), ("b", "d.y", &["d.x"])];
        assert_eq!(told("a", two).as_deref(), Some("a → b → a"));
        assert_eq!(told("b", two).as_deref(), Some("b → a → b"));
        let three: &[(&str, &str, &[&str])] =
            &[("a", "d.x", &["d.y", "d.raw"]), ("b", "d.y", &["d.z"]), ("c", "d.z", &["d.x"])];
        assert_eq!(told("c", three).as_deref(), Some("c → a → b → c"));
        assert_eq!(told("a", &[("a", "d.x", &["d.x"])]).as_deref(), Some("a → a"));
    }

    #[test]
    fn whoever_waits_for_a_cycle_is_told_of_it() {
        let all: &[(&str, &str, &[&str])] =
            &[("a", "d.x", &["d.y"]), ("b", "d.y", &["d.x"]), ("mart", "d.m", &["d.raw", "d.x"])];
        assert_eq!(told("mart", all).as_deref(), Some("a → b → a"));
    }

    #[test]
    fn what_comes_about_all_the_same_is_no_cycle() {
        assert_eq!(told("b", &[("a", "d.x", &["d.raw"]), ("b", "d.y", &["d.x"])]), None);
        // Somebody else writes it too.
        let two: &[(&str, &str, &[&str])] =
            &[("a", "d.x", &["d.y"]), ("b", "d.y", &["d.x"]), ("load", "d.y", &[])];
        assert_eq!((told("a", two), told("b", two)), (None, None));
        assert_eq!(told("unknown", two), None);
    }

    #[test]
    fn an_offset_means_an_earlier_session() {
        let job = |offset: serde_json::Value| -> IngestJob {
            serde_json::from_value(serde_json::json!({
                "apiVersion": "mizuumi.dev/v1alpha1", "kind": "IngestJob", "metadata": { "name": "a" },
                "spec": { "run": {
                    "table": "x", "engine": "KubernetesJob", "kubernetesJob": { "image": "i" },
                    "waitFor": [{ "table": "d.x", "offset": offset }],
                }},
            }))
            .expect("a job")
        };
        let of = |offset| Link::of(&job(offset), Some("d.x".to_owned())).waits.len();
        assert_eq!((of(serde_json::json!("1d")), of(serde_json::Value::Null)), (0, 1));
    }

    #[test]
    fn names_of_other_namespaces_are_told_whole() {
        let at = |namespace: &str, name: &str| (namespace.to_owned(), name.to_owned());
        let words = in_words("team-a", "a", &[at("team-a", "a"), at("team-b", "b"), at("team-a", "a")]);
        assert!(
            words.starts_with("jobs wait for each other") && words.contains(": a → team-b/b → a;"),
            "{words}"
        );
    }
}
