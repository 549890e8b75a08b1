//! Release labels: which there are, and what is in them.

use serde_json::{Value, json};

use super::input::{invalid, object, required, text};
use super::{Answer, Call, Common, Region};
use crate::glue::Object;

/// All labels that `ListReleaseLabels` of AWS is seen to answer, the newest first.
const LABELS: &str = "\
    emr-7.14.0 emr-7.13.0 emr-7.12.0 emr-7.11.0 emr-7.10.0 emr-7.9.0 emr-7.8.0 emr-7.7.0 emr-7.6.0 emr-7.5.0 emr-7.4.0 \
    emr-7.3.0 emr-7.2.0 emr-7.1.0 emr-7.0.0 emr-6.15.0 emr-6.14.0 emr-6.13.0 emr-6.12.0 emr-6.11.1 emr-6.11.0 \
    emr-6.10.1 emr-6.10.0 emr-6.9.1 emr-6.9.0 emr-6.8.1 emr-6.8.0 emr-6.7.0 emr-6.6.0 emr-6.5.0 emr-6.4.0 emr-6.3.1 \
    emr-6.3.0 emr-6.2.1 emr-6.2.0 emr-6.1.1 emr-6.1.0 emr-6.0.1 emr-6.0.0 emr-6.0.0-beta2 emr-5.36.2 emr-5.36.1 \
    emr-5.36.0 emr-5.35.0 emr-5.34.0 emr-5.33.1 emr-5.33.0 emr-5.32.1 emr-5.32.0 emr-5.31.1 emr-5.31.0 emr-5.30.2 \
    emr-5.30.1 emr-5.30.0 emr-5.29.0 emr-5.28.1 emr-5.28.0 emr-5.27.1 emr-5.27.0 emr-5.26.0 emr-5.25.0 emr-5.24.1 \
    emr-5.24.0 emr-5.23.1 emr-5.23.0 emr-5.22.0 emr-5.21.2 emr-5.21.1 emr-5.21.0 emr-5.20.1 emr-5.20.0 emr-5.19.1 \
    emr-5.19.0 emr-5.18.1 emr-5.18.0 emr-5.17.2 emr-5.17.1 emr-5.17.0 emr-5.16.1 emr-5.16.0 emr-5.15.1 emr-5.15.0 \
    emr-5.14.2 emr-5.14.1 emr-5.14.0 emr-5.13.1 emr-5.13.0 emr-5.12.3 emr-5.12.2 emr-5.12.1 emr-5.12.0 emr-5.11.4 \
    emr-5.11.3 emr-5.11.2 emr-5.11.1 emr-5.11.0 emr-5.10.1 emr-5.10.0 emr-5.9.1 emr-5.9.0 emr-5.8.3 emr-5.8.2 \
    emr-5.8.1 emr-5.8.0 emr-5.7.1 emr-5.7.0 emr-5.6.1 emr-5.6.0 emr-5.5.4 emr-5.5.3 emr-5.5.2 emr-5.5.1 emr-5.5.0 \
    emr-5.4.1 emr-5.4.0 emr-5.3.2 emr-5.3.1 emr-5.3.0 emr-5.2.3 emr-5.2.2 emr-5.2.1 emr-5.2.0 emr-5.1.1 emr-5.1.0 \
    emr-5.0.3 emr-5.0.0 emr-4.9.6 emr-4.9.5 emr-4.9.4 emr-4.9.3 emr-4.9.2 emr-4.9.1 emr-4.8.5 emr-4.8.4 emr-4.8.3 \
    emr-4.8.2 emr-4.6.0 emr-4.5.0 emr-4.4.0 emr-4.3.0 emr-4.2.0 emr-spark-8.0.0 emr-spark-8.1.0";

/// Release Guide, "Application versions in Amazon EMR 7.x releases": Hadoop, Spark and Hive. Other applications and
/// other releases have more in AWS; here they have none.
const APPLICATIONS: [(&str, [(&str, &str); 3]); 11] = [
    ("emr-7.10.0", [("Hadoop", "3.4.1"), ("Spark", "3.5.5"), ("Hive", "3.1.3")]),
    ("emr-7.9.0", [("Hadoop", "3.4.1"), ("Spark", "3.5.5"), ("Hive", "3.1.3")]),
    ("emr-7.8.0", [("Hadoop", "3.4.1"), ("Spark", "3.5.4"), ("Hive", "3.1.3")]),
    ("emr-7.7.0", [("Hadoop", "3.4.0"), ("Spark", "3.5.3"), ("Hive", "3.1.3")]),
    ("emr-7.6.0", [("Hadoop", "3.4.0"), ("Spark", "3.5.3"), ("Hive", "3.1.3")]),
    ("emr-7.5.0", [("Hadoop", "3.4.0"), ("Spark", "3.5.2"), ("Hive", "3.1.3")]),
    ("emr-7.4.0", [("Hadoop", "3.4.0"), ("Spark", "3.5.2"), ("Hive", "3.1.3")]),
    ("emr-7.3.0", [("Hadoop", "3.3.6"), ("Spark", "3.5.1"), ("Hive", "3.1.3")]),
    ("emr-7.2.0", [("Hadoop", "3.3.6"), ("Spark", "3.5.1"), ("Hive", "3.1.3")]),
    ("emr-7.1.0", [("Hadoop", "3.3.6"), ("Spark", "3.5.0"), ("Hive", "3.1.3")]),
    ("emr-7.0.0", [("Hadoop", "3.3.6"), ("Spark", "3.5.0"), ("Hive", "3.1.3")]),
];

/// Whether there is such a release.
pub(super) fn is_known(label: &str) -> bool {
    LABELS.split(' ').any(|known| known == label)
}

fn applications(label: &str) -> &'static [(&'static str, &'static str)] {
    APPLICATIONS.iter().find(|(known, _)| *known == label).map_or(&[], |(_, applications)| applications)
}

/// How many items a page has, and where it begins.
fn span(input: &Object, all: usize) -> Result<(usize, usize), super::ApiError> {
    let begin = match text(input, "NextToken").filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => {
            let bad = || invalid("InvalidRequest", format!("NextToken '{token}' is not valid."));
            token.parse::<usize>().ok().filter(|begin| *begin < all).ok_or_else(bad)?
        }
    };
    let most = input.get("MaxResults").and_then(Value::as_u64).and_then(|most| usize::try_from(most).ok());
    // API reference, ListReleaseLabels: "The default is 100."
    Ok((begin, most.unwrap_or(100).clamp(1, 100)))
}

/// `ListReleaseLabels`, filtered by prefix or by an application such as `spark@3.5.1`.
pub(super) fn list(_: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let filters = object(call.input, "Filters").cloned().unwrap_or_default();
    let prefix = text(&filters, "Prefix").unwrap_or_default();
    let application = text(&filters, "Application").map(str::to_ascii_lowercase);
    let has = |label: &str, wanted: &str| {
        let (name, version) = wanted.split_once('@').unwrap_or((wanted, ""));
        let is = |(known, its): &(&str, &str)| {
            known.eq_ignore_ascii_case(name) && (version.is_empty() || version == *its)
        };
        applications(label).iter().any(is)
    };
    let fits = |label: &&str| {
        label.starts_with(prefix) && application.as_deref().is_none_or(|wanted| has(label, wanted))
    };
    let labels: Vec<&str> = LABELS.split(' ').filter(fits).collect();
    let (begin, most) = span(call.input, labels.len().max(1))?;
    let page: Vec<&str> = labels.iter().copied().skip(begin).take(most).collect();
    let mut answer = json!({"ReleaseLabels": page});
    if begin + most < labels.len() {
        answer["NextToken"] = json!((begin + most).to_string());
    }
    Ok(answer)
}

/// `DescribeReleaseLabel`.
pub(super) fn describe(_: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let label = required(call.input, "ReleaseLabel")?;
    if !is_known(label) {
        return Err(invalid("InvalidRequest", format!("The supplied release label is invalid: {label}.")));
    }
    let shown = |(name, version): &(&str, &str)| json!({"Name": name, "Version": version});
    let applications: Vec<Value> = applications(label).iter().map(shown).collect();
    Ok(json!({"ReleaseLabel": label, "Applications": applications}))
}
