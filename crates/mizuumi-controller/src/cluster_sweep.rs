//! Looks at all EMR clusters from time to time: what looks different wakes its resource, and what no resource keeps is told.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use kube::ResourceExt;
use kube::api::ListParams;
use mizuumi_api::installation::OrphanPolicy;
use mizuumi_api::{EmrCluster, Installation};
use mizuumi_aws::ClusterPort;
use mizuumi_aws::emr_cluster::Orphan;
use mizuumi_core::emr_cluster::{ClusterKey, stem};
use mizuumi_core::{Errand, Failure, Lane, Shard, Still};
use tracing::{info, warn};

use crate::backoff::jittered;
use crate::clock;
use crate::metrics::Metrics;
use crate::watch::Scope;

/// Between two looks for clusters that no resource keeps.
const ORPHANS: Duration = Duration::from_mins(5);

/// Sweeps for ever, and hands each cluster that looks different to `wake`.
pub(crate) async fn sweep(
    port: Arc<ClusterPort>,
    scopes: Vec<Scope>,
    shard: Shard,
    installation: Arc<Installation>,
    metrics: Metrics,
    wake: impl Fn(&ClusterKey),
) {
    let every = Duration::from_secs(installation.clusters.poll_seconds.into());
    let mut sought: Option<tokio::time::Instant> = None;
    loop {
        tokio::time::sleep(jittered(every)).await;
        let (changed, failures) = port.sweep(clock::now()).await;
        changed.iter().for_each(&wake);
        for failure in failures {
            warn!(%failure, "the look at EMR's clusters was not complete");
        }
        let patience = ORPHANS.min(Duration::from_secs(installation.clusters.orphan_seconds.into()));
        if sought.is_none_or(|at| at.elapsed() >= patience) && port.has_clusters() {
            sought = Some(tokio::time::Instant::now());
            if let Err(failure) = orphans(&port, &scopes, shard, &installation, &metrics).await {
                warn!(%failure, "it could not be seen whether every EMR cluster has a resource");
            }
        }
    }
}

/// A sweep speaks for no resource; nothing it does lapses.
struct Always;

impl Still for Always {
    fn holds(&self) -> std::pin::Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(std::future::ready(true))
    }

    fn lapses(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}

/// Tells, and perhaps ends, clusters that bear this installation's mark and that no resource keeps: first the clusters are
/// listed, and then the resources, so that no resource is missed that was there before its cluster.
async fn orphans(
    port: &ClusterPort,
    scopes: &[Scope],
    shard: Shard,
    installation: &Installation,
    metrics: &Metrics,
) -> Result<(), Failure> {
    let now = clock::now();
    let id = &installation.installation;
    let candidates = port.of_installation(installation, now).await?;
    let mut kept = HashSet::new();
    for scope in scopes {
        let limits = ListParams::default();
        let all = scope.api::<EmrCluster>().list_metadata(&limits).await;
        let all = match all {
            Ok(all) => all,
            Err(error) => {
                warn!(%error, "the EmrClusters could not be listed, so nothing is concluded of what has none");
                return Ok(());
            }
        };
        kept.extend(all.items.iter().map(|object| {
            let key =
                ClusterKey { namespace: object.namespace().unwrap_or_default(), name: object.name_any() };
            stem(id, &key)
        }));
    }
    let old_enough = SignedDuration::from_secs(installation.clusters.orphan_seconds.into());
    let watched = &installation.kubernetes.namespaces;
    let orphans: Vec<Orphan> = candidates
        .into_iter()
        .filter(|orphan| !kept.iter().any(|stem| orphan.name.starts_with(stem.as_str())))
        // Another controller of this installation may watch another namespace.
        .filter(|orphan| watched.is_empty() || watched.contains(&orphan.namespace))
        // And so may another shard: of its namespaces nothing was listed here.
        .filter(|orphan| shard.works_for(&orphan.namespace))
        .filter(|orphan| orphan.created.is_some_and(|created| now.duration_since(created) >= old_enough))
        .collect();
    metrics.orphans(orphans.len());
    for orphan in orphans {
        let (cluster, name, owner) = (&orphan.target.id, &orphan.name, &orphan.target.owner);
        if installation.clusters.orphans == OrphanPolicy::Report || orphan.is_protected {
            warn!(cluster, name, owner, "an EMR cluster that no resource keeps");
            continue;
        }
        let errand = Errand { lane: Lane::Drift, still: &Always };
        match port.end(&orphan, errand).await {
            Ok(()) => info!(cluster, name, owner, "an EMR cluster that no resource keeps was terminated"),
            Err(failure) => {
                warn!(cluster, name, owner, %failure, "an EMR cluster that no resource keeps is still there");
            }
        }
    }
    Ok(())
}
