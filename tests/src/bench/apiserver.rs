//! The apiserver's side of a measurement: the writes that it counted itself.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use kube::Client;
use kube::api::GetParams;
use kube::core::Request;
use serde::Serialize;

/// The requests that change something.
const VERBS: [&str; 6] = ["POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"];

/// Writes to `datatables` and `events`, by verb, resource and answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Writes(BTreeMap<String, u64>);

impl Writes {
    /// Asks the apiserver's own metrics.
    pub(crate) async fn read(client: &Client) -> Result<Self> {
        let request = Request::new("").get("metrics", &GetParams::default())?;
        let text = client.request_text(request).await.context("the apiserver shows no metrics")?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let mut all = BTreeMap::new();
        for line in text.lines() {
            let Some(rest) = line.strip_prefix("apiserver_request_total{") else { continue };
            let Some((labels, count)) = rest.rsplit_once("} ") else { continue };
            let label = |name: &str| {
                let (_, after) = labels.split_once(&format!("{name}=\""))?;
                after.split('"').next()
            };
            // `resource` is also the end of `subresource`.
            let resource = labels.split(',').find_map(|label| label.strip_prefix("resource=\""));
            let (Some(resource), Some(verb), Some(code)) = (resource, label("verb"), label("code")) else {
                continue;
            };
            let resource = resource.trim_end_matches('"');
            if !["datatables", "events"].contains(&resource) || !VERBS.contains(&verb) {
                continue;
            }
            let sub = label("subresource").filter(|sub| !sub.is_empty()).map(|sub| format!("/{sub}"));
            let key = format!("{verb} {resource}{} {code}", sub.unwrap_or_default());
            // Prometheus writes large counts as 1e+06.
            let count = count.trim().parse::<f64>().unwrap_or_default();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
            let count = count as u64;
            *all.entry(key).or_default() += count;
        }
        Self(all)
    }

    /// What came since.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let new = self.0.iter().map(|(key, count)| {
            (key.clone(), count.saturating_sub(before.0.get(key).copied().unwrap_or_default()))
        });
        Self(new.filter(|(_, count)| *count > 0).collect())
    }

    fn sum(&self, wanted: impl Fn(&str, &str, &str) -> bool) -> u64 {
        let matching = self.0.iter().filter(|(key, _)| {
            let mut words = key.split(' ');
            let mut word = || words.next().unwrap_or_default();
            wanted(word(), word(), word())
        });
        matching.map(|(_, count)| count).sum()
    }

    /// Statuses written.
    pub(crate) fn statuses(&self) -> u64 {
        self.sum(|_, resource, code| resource == "datatables/status" && code.starts_with('2'))
    }

    /// Finalizers set: the controller patches objects for nothing else, and nobody else patches; users apply.
    pub(crate) fn finalizers(&self) -> u64 {
        self.sum(|verb, resource, code| verb == "PATCH" && resource == "datatables" && code.starts_with('2'))
    }

    /// Events written.
    pub(crate) fn events(&self) -> u64 {
        self.sum(|_, resource, code| resource == "events" && code.starts_with('2'))
    }

    /// All that a controller wrote; creating, applying and deleting objects is the users'.
    pub(crate) fn of_controller(&self) -> u64 {
        self.statuses() + self.finalizers() + self.events()
    }

    /// Writes that were refused.
    pub(crate) fn refused(&self) -> u64 {
        self.sum(|_, _, code| !code.starts_with('2'))
    }

    /// All writes, anybody's.
    pub(crate) fn all(&self) -> u64 {
        self.0.values().sum()
    }

    /// For a sentence: what was written how often.
    pub(crate) fn in_words(&self) -> String {
        let words: Vec<_> = self.0.iter().map(|(key, count)| format!("{key}: {count}")).collect();
        if words.is_empty() { "none".to_owned() } else { words.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_writes_to_our_resources_count() {
        let text = r#"
# TYPE apiserver_request_total counter
apiserver_request_total{code="200",component="apiserver",dry_run="",group="mizuumi.dev",resource="datatables",scope="resource",subresource="status",verb="APPLY",version="v1alpha1"} 7
apiserver_request_total{code="409",component="apiserver",dry_run="",group="mizuumi.dev",resource="datatables",scope="resource",subresource="status",verb="APPLY",version="v1alpha1"} 1
apiserver_request_total{code="200",component="apiserver",dry_run="",group="mizuumi.dev",resource="datatables",scope="resource",subresource="",verb="PATCH",version="v1alpha1"} 2
apiserver_request_total{code="0",component="apiserver",dry_run="",group="mizuumi.dev",resource="datatables",scope="cluster",subresource="",verb="WATCH",version="v1alpha1"} 9
apiserver_request_total{code="201",component="apiserver",dry_run="",group="events.k8s.io",resource="events",scope="resource",subresource="",verb="POST",version="v1"} 1e+06
apiserver_request_total{code="201",component="apiserver",dry_run="",group="",resource="namespaces",scope="resource",subresource="",verb="POST",version="v1"} 5
"#;
        let writes = Writes::parse(text);
        assert_eq!((writes.statuses(), writes.finalizers(), writes.events()), (7, 2, 1_000_000));
        assert_eq!((writes.refused(), writes.all()), (1, 1_000_010));
        let before = Writes::parse(&text.replace("} 7", "} 4"));
        assert_eq!(writes.since(&before).in_words(), "APPLY datatables/status 200: 3");
    }
}
