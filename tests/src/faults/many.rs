//! Many tables at once: made, changed, and waited for.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::{StreamExt as _, stream};
use kube::ResourceExt;
use kube::api::ListParams;
use mizuumi_api::{ConditionStatus, DataTable};
use serde_json::Value;
use tokio::time::Instant;

use crate::kubernetes::condition;
use crate::team::Team;
use crate::wait;

/// Requests at once.
const AT_ONCE: usize = 8;
/// How long many tables may take.
const LONGEST: Duration = Duration::from_mins(5);

/// The names of so many objects.
pub(super) fn names(number: usize) -> Vec<String> {
    (0..number).map(|number| format!("table-{number:04}")).collect()
}

/// Creates objects of one spec.
pub(super) async fn create(team: &Team, names: &[String], spec: &Value) {
    let create = async |name: &String| drop(team.create(name, spec.clone()).await);
    stream::iter(names).for_each_concurrent(AT_ONCE, create).await;
}

/// Changes objects in one way.
pub(super) async fn change(team: &Team, names: &[String], spec: &Value) {
    let change = async |name: &String| drop(team.change(name, spec.clone()).await);
    stream::iter(names).for_each_concurrent(AT_ONCE, change).await;
}

/// Deletes objects.
pub(super) async fn delete(team: &Team, names: &[String]) {
    stream::iter(names).for_each_concurrent(AT_ONCE, async |name| team.delete(name).await).await;
}

/// Whether an object is ready for its present spec.
pub(super) fn is_ready(table: &DataTable) -> bool {
    condition(table, "Ready").is_some_and(|ready| {
        ready.status == ConditionStatus::True && Some(ready.observed_generation) == table.metadata.generation
    })
}

/// Waits until all of these are ready; answers how long that took.
pub(super) async fn ready(team: &Team, names: &[String]) -> f64 {
    let began = Instant::now();
    let first = names.first().map(String::as_str).unwrap_or_default();
    team.within(LONGEST, first, "all to be ready", async || are_ready(team, names).await).await;
    began.elapsed().as_secs_f64()
}

/// Waits so long; answers how long it took until all were ready.
///
/// # Errors
/// If some are not.
pub(super) async fn ready_within(team: &Team, longest: Duration, names: &[String]) -> Result<f64> {
    let began = Instant::now();
    wait::until(longest, async || are_ready(team, names).await).await?;
    Ok(began.elapsed().as_secs_f64())
}

async fn are_ready(team: &Team, names: &[String]) -> Result<()> {
    let all = team.tables.list(&ListParams::default()).await?.items;
    let ready: Vec<String> = all.iter().filter(|table| is_ready(table)).map(ResourceExt::name_any).collect();
    let missing: Vec<&String> = names.iter().filter(|name| !ready.contains(name)).collect();
    ensure!(missing.is_empty(), "{} of {} are not ready: {missing:?}", missing.len(), names.len());
    Ok(())
}

/// Waits until all of these are gone.
pub(super) async fn gone(team: &Team, names: &[String]) {
    let first = names.first().map(String::as_str).unwrap_or_default();
    team.within(LONGEST, first, "all to be gone", async || {
        let all = team.tables.list(&ListParams::default()).await?.items;
        let left: Vec<String> =
            all.iter().map(ResourceExt::name_any).filter(|name| names.contains(name)).collect();
        ensure!(left.is_empty(), "these are left: {left:?}");
        Ok(())
    })
    .await;
}
