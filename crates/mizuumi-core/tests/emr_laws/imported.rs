//! Laws of the import: the resource of a cluster that EMR has asks for the same cluster.

use std::collections::BTreeMap;

use mizuumi_api::{EmrCluster, EmrClusterClass};
use mizuumi_core::emr_cluster::desired::Life;
use mizuumi_core::emr_cluster::import::{self, Found};
use mizuumi_core::plan::Goal;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::generate::{fields, goal_of, installation, wanted};

/// What EMR would tell of the cluster of a resource, and the manifests that it is imported as.
fn imported(object: &EmrCluster) -> Option<(Found, EmrCluster, EmrClusterClass)> {
    let Goal::Present(desired) = goal_of(object) else { return None };
    let request = desired.made.ok()?.request;
    let ends_with_steps = matches!(desired.life, Life::Batch);
    let (id, name) = ("j-1".to_owned(), "adhoc".to_owned());
    let found = Found { id, name, tags: BTreeMap::new(), ends_with_steps, request };
    let class = import::class("open", Some("team-b"), "default");
    let cluster = import::cluster(&found, "copy", Some("team-b"), "open");
    Some((found, cluster, class))
}

fn needed(field: Option<(&str, Value)>) -> EmrCluster {
    let mut spec = json!({ "className": "standard", "lifecycle": "WhenNeeded" });
    if let Some((key, value)) = field {
        spec[key] = value;
    }
    let manifest = json!({
        "apiVersion": "mizuumi.dev/v1alpha1", "kind": "EmrCluster", "metadata": { "namespace": "team-a", "name": "adhoc" },
        "spec": spec,
    });
    serde_json::from_value(manifest).expect("a cluster")
}

#[test]
fn an_imported_cluster_says_every_field_and_what_is_otherwise_is_told() {
    let (base, ..) = imported(&needed(None)).expect("a cluster");
    for (field, value) in fields() {
        let (found, cluster, class) = imported(&needed(Some((field, value)))).expect("a cluster");
        let same = import::differences(&found, &cluster, Some(&class), &installation());
        assert_eq!(same, Ok(Vec::new()), "{field}");
        let other = import::differences(&base, &cluster, Some(&class), &installation());
        let told = other.expect("it can be built");
        // How old it may get is not EMR's.
        assert_eq!(told.is_empty(), field == "maxAge", "{field}: {told:?}");
    }
}

#[test]
fn an_imported_cluster_is_called_as_the_resource_that_made_it() {
    let (mut found, ..) = imported(&needed(None)).expect("a cluster");
    found.name = "Team A: ad hoc".to_owned();
    assert_eq!(import::name(&found), "team-a--ad-hoc");
    found.tags.insert("mizuumi:owner".to_owned(), "demo/team-a/EmrCluster/adhoc@01234567".to_owned());
    assert_eq!(import::name(&found), "adhoc");
}

proptest! {
    #[test]
    fn a_cluster_that_is_imported_is_asked_for_by_the_same_request(wanted in wanted()) {
        if let Some((found, cluster, class)) = imported(&wanted.object) {
            let told = import::differences(&found, &cluster, Some(&class), &installation());
            prop_assert_eq!(told, Ok(Vec::new()));
        }
    }
}
