//! What manifests name that none of them is: it may be in the cluster, or mistyped.

use std::collections::BTreeSet;

use mizuumi_api::{ResourceId, ResourceKind};
use mizuumi_core::data_table::Tables;
use mizuumi_core::kind::Kind as _;

use crate::manifests::Manifests;

/// Something that a manifest names.
struct Named<'a> {
    by: ResourceId,
    path: String,
    what: What<'a>,
}

enum What<'a> {
    Resource(ResourceKind, &'a str),
    /// A table by its name in Glue.
    Table(&'a str),
}

/// A warning for each thing that is named and that no file has.
pub(crate) fn elsewhere(found: &Manifests) -> Vec<String> {
    let tables: BTreeSet<String> =
        found.tables.iter().chain(&found.refused).map(|table| Tables::key(table).to_string()).collect();
    let warning = |named: Named<'_>| {
        let (what, is_there) = match named.what {
            What::Table(name) => (format!("table '{name}'"), tables.contains(name)),
            What::Resource(kind, name) => {
                let namespace = if kind.is_namespaced() { named.by.namespace.clone() } else { String::new() };
                let id = ResourceId { kind, namespace, name: name.to_owned() };
                (format!("{kind} '{name}'"), found.has(&id))
            }
        };
        let place = found.place(&named.by, &named.path);
        let (kind, name) = (named.by.kind, &named.by.name);
        (!is_there).then(|| {
            format!("{place}: {kind} '{name}': {}: {what} is in no file here; if it is not elsewhere, nothing comes of this", named.path)
        })
    };
    all(found).into_iter().filter_map(warning).collect()
}

/// All that is named.
fn all(found: &Manifests) -> Vec<Named<'_>> {
    let id = |kind, namespace: Option<&String>, name: Option<&String>| ResourceId {
        kind,
        namespace: namespace.cloned().unwrap_or_default(),
        name: name.cloned().unwrap_or_default(),
    };
    let mut all = Vec::new();
    for job in &found.jobs {
        let by = id(ResourceKind::IngestJob, job.metadata.namespace.as_ref(), job.metadata.name.as_ref());
        let mut add = |path: String, what| all.push(Named { by: by.clone(), path, what });
        let run = &job.spec.run;
        add("spec.run.table".to_owned(), What::Resource(ResourceKind::DataTable, &run.table));
        for (number, upstream) in run.wait_for.iter().flatten().enumerate() {
            add(format!("spec.run.waitFor[{number}].table"), What::Table(&upstream.table));
        }
        if let Some(source) = &run.source {
            let what = What::Resource(ResourceKind::SourceConnection, &source.connection);
            add("spec.run.source.connection".to_owned(), what);
        }
        if let Some(step) = &run.emr_step {
            if let Some(cluster) = &step.cluster {
                add("spec.run.emrStep.cluster".to_owned(), What::Resource(ResourceKind::EmrCluster, cluster));
            }
            if let Some(own) = &step.own_cluster {
                let what = What::Resource(ResourceKind::EmrClusterClass, &own.class_name);
                add("spec.run.emrStep.ownCluster.className".to_owned(), what);
            }
        }
    }
    for check in &found.checks {
        let by =
            id(ResourceKind::QualityCheck, check.metadata.namespace.as_ref(), check.metadata.name.as_ref());
        let what = What::Resource(ResourceKind::DataTable, &check.spec.table);
        all.push(Named { by, path: "spec.table".to_owned(), what });
    }
    for backfill in &found.backfills {
        let (namespace, name) = (backfill.metadata.namespace.as_ref(), backfill.metadata.name.as_ref());
        let what = What::Resource(ResourceKind::IngestJob, &backfill.spec.job);
        all.push(Named {
            by: id(ResourceKind::Backfill, namespace, name),
            path: "spec.job".to_owned(),
            what,
        });
    }
    for cluster in &found.clusters {
        let by =
            id(ResourceKind::EmrCluster, cluster.metadata.namespace.as_ref(), cluster.metadata.name.as_ref());
        let what = What::Resource(ResourceKind::EmrClusterClass, &cluster.spec.class_name);
        all.push(Named { by, path: "spec.className".to_owned(), what });
    }
    all
}
