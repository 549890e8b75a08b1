//! The reference of metrics in the book is made from the registry: refreshed with `UPDATE=1`, else compared. And their names are
//! as Prometheus wants them, their labels few.
#![expect(clippy::expect_used, reason = "a test's helpers fail as its tests do")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use mizuumi_controller::metrics_reference;

const PAGE: &str = "../../docs/src/reference-metrics.md";

/// What labels say, and what bounds how many values they have.
const LABELS: [(&str, &str, &str); 15] = [
    ("account", "The AWS account: of the role that a profile assumes, or `own`", "the profiles"),
    ("check", "Name of a QualityCheck", "a thousand checks at most"),
    ("condition", "Type of a condition", "the program"),
    ("database", "A Glue database that resources are in", "`allow.databases`"),
    ("kind", "Kind of a resource", "the program"),
    ("lane", "How urgent it is: `change`, `progress`, `data`, `drift`", "the program"),
    ("le", "Upper border of a bucket of a histogram", "the program"),
    ("namespace", "Namespace of a QualityCheck", "a thousand checks at most"),
    ("operation", "An operation as AWS names it, such as `GetTables`", "the program"),
    ("outcome", "What came of it", "the program"),
    ("profile", "A profile of the configuration", "the profiles"),
    ("region", "The AWS region", "the configuration"),
    ("result", "What came of a pass", "the program"),
    ("service", "A service of AWS, such as `glue`", "the program"),
    ("status", "Status of a condition", "the program"),
];

/// The only metrics that may have labels which name what users make: each has a bound of its own, which a test of it holds.
const NAMED_BY_USERS: [(&str, &[&str]); 3] = [
    ("mizuumi_quality_score", &["namespace", "check"]),
    ("mizuumi_catalog_tables", &["database"]),
    ("mizuumi_sweep_last_success_timestamp_seconds", &["database"]),
];

/// Units of time series, and what is counted in none.
const UNITS: [&str; 3] = ["_seconds", "_bytes", "_ratio"];

#[derive(Debug, Default)]
struct Metric {
    type_: String,
    help: String,
    labels: BTreeSet<String>,
}

/// The metrics by the names that queries have: a counter's ends with `_total`.
fn metrics() -> BTreeMap<String, Metric> {
    let text = metrics_reference().expect("text");
    let mut families: BTreeMap<String, Metric> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), Some(help)) => {
                help.trim_end_matches('.').clone_into(&mut families.entry(name.to_owned()).or_default().help);
            }
            (Some("#"), Some("TYPE"), Some(name), Some(type_)) => {
                type_.clone_into(&mut families.entry(name.to_owned()).or_default().type_);
            }
            _ => {
                let Some((name, rest)) = line.split_once('{') else { continue };
                let ends = ["_total", "_bucket", "_sum", "_count"];
                let family = ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
                let labels = rest.split('}').next().unwrap_or_default().split(',');
                let names = labels.filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
                let family = families.get_mut(family).expect("a family is told before its series");
                family.labels.extend(names);
            }
        }
    }
    let ended = |(name, metric): (String, Metric)| {
        let name = if metric.type_ == "counter" { format!("{name}_total") } else { name };
        (name, metric)
    };
    families.into_iter().map(ended).collect()
}

#[test]
fn every_metric_is_in_the_book() {
    let mut page = "# Reference: metrics\n\nWhat a controller answers at `/metrics`, in the text format of OpenMetrics. [Monitoring](monitoring.md) says what to make of \
                    it.\n\n| metric | type | labels | |\n|---|---|---|---|\n"
        .to_owned();
    for (name, metric) in metrics() {
        let labels: Vec<&str> =
            metric.labels.iter().map(String::as_str).filter(|label| *label != "le").collect();
        writeln!(page, "| `{name}` | {} | {} | {} |", metric.type_, labels.join(", "), metric.help)
            .expect("writes");
    }
    page.push_str("\n## Labels\n\n| label | says | how many there are is bounded by |\n|---|---|---|\n");
    for (label, says, bound) in LABELS {
        writeln!(page, "| `{label}` | {says} | {bound} |").expect("writes");
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(PAGE, &page).expect("the page is written");
    }
    let there = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(
        there == page,
        "docs/src/reference-metrics.md is stale; refresh it: UPDATE=1 cargo test --workspace --test book"
    );
}

#[test]
fn names_are_as_prometheus_wants_them() {
    let metrics = metrics();
    assert!(metrics.len() > 15, "{metrics:#?}");
    for (name, metric) in metrics {
        let stem = name.strip_prefix("mizuumi_").expect("a prefix");
        assert!(stem.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert!(!metric.help.is_empty() && !metric.help.contains('|'), "{name}: {:?}", metric.help);
        assert_eq!(name.ends_with("_total"), metric.type_ == "counter", "{name} is a {}", metric.type_);
        let has_unit = UNITS.iter().any(|unit| name.trim_end_matches("_total").ends_with(unit));
        assert!(has_unit || metric.type_ != "histogram", "{name} has no unit");
        // Ages would be another at every look; a moment is not.
        assert!(!name.contains("_age"), "{name}");
        for wrong in ["_ms", "_milliseconds", "_minutes", "_hours", "_kib", "_megabytes", "_percent"] {
            assert!(!name.contains(wrong), "{name} is not in a base unit");
        }
        if metric.help.contains("since 1970") {
            assert!(name.ends_with("_seconds"), "{name} is a moment");
        }
    }
}

#[test]
fn labels_are_known_and_no_name_of_a_users_thing_is_one_without_a_bound() {
    let users = ["namespace", "check", "database", "name", "table", "cluster", "run", "job", "bucket"];
    let mut seen = BTreeSet::new();
    for (name, metric) in metrics() {
        for label in &metric.labels {
            assert!(LABELS.iter().any(|(known, ..)| known == label), "{name}: what is {label}?");
            let is_bounded = NAMED_BY_USERS
                .iter()
                .any(|(metric, labels)| *metric == name && labels.contains(&label.as_str()));
            assert!(is_bounded || !users.contains(&label.as_str()), "{name}: a series for each {label}");
        }
        seen.extend(metric.labels);
    }
    let known: BTreeSet<String> = LABELS.iter().map(|(label, ..)| (*label).to_owned()).collect();
    assert_eq!(seen, known, "no label is explained that no metric has");
}
