//! What this machine's apiserver can do at best: a client that does nothing but write statuses.
//!
//! Every figure with a time in it is told as a ratio to this or to the endpoint's quotas, so that figures of one
//! machine mean something on another.

use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::ready;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::Resource as _;
use kube::api::{Patch, PatchParams};
use kube::core::Request;
use mizuumi_api::DataTable;
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use super::fleet::Fleet;
use super::settings::{Settings, Size};
use super::stats::{Spread, number};
use super::watch::Light;

/// Objects whose statuses are written.
const OBJECTS: usize = 50;
/// Writes one after the other, for the time that one takes.
const ONE_BY_ONE: usize = 200;
/// Writes at once, for the rate: as many as the controller works on.
const AT_ONCE: usize = 16;

/// The floor.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Floor {
    /// Status writes a second, 16 at once.
    pub(crate) writes_a_second: f64,
    /// The median of one status write, in seconds.
    pub(crate) p50: f64,
    /// Its 99th percentile.
    pub(crate) p99: f64,
    /// The latency of the AWS endpoint, in seconds.
    pub(crate) aws: f64,
}

impl Floor {
    /// Measures it with objects of the same kind and size, which no controller knows.
    pub(crate) async fn measure(settings: &Settings) -> Result<Self> {
        let few = Settings { namespaces: 1, ..settings.clone() };
        let fleet = Fleet::new(&few, Size(OBJECTS)).await?;
        let all = fleet.create_all(0).await.context("the objects of the floor cannot be made")?;
        let write = |number: usize| {
            let (namespace, name) = all[number % OBJECTS].key.split_once('/').unwrap_or_default();
            write_status(&fleet, namespace, name, number)
        };
        let mut times = Vec::new();
        for number in 0..ONE_BY_ONE {
            let began = Instant::now();
            write(number).await?;
            times.push(began.elapsed().as_secs_f64());
        }
        let began = Instant::now();
        let unending = stream::iter(ONE_BY_ONE..).take_while(|_| ready(began.elapsed() < settings.floor));
        let many = unending.map(write).buffer_unordered(AT_ONCE);
        let count = many.try_fold(0, |count, ()| ready(Ok(count + 1))).await?;
        let writes_a_second = number(count) / began.elapsed().as_secs_f64();
        let times = Spread::new(times);
        Ok(Self {
            writes_a_second,
            p50: times.at(0.5),
            p99: times.at(0.99),
            aws: settings.latency.0.as_secs_f64(),
        })
    }

    /// The least time in which so many statuses can be written.
    pub(crate) fn statuses(&self, writes: usize) -> f64 {
        number(writes) / self.writes_a_second
    }

    /// The least time from an apply to `Ready`: one write to AWS, one look that proves it, one status.
    pub(crate) fn apply(&self) -> f64 {
        2.0f64.mul_add(self.aws, self.p50)
    }

    pub(crate) fn in_words(&self) -> String {
        format!(
            "{:.0} status writes/s with {AT_ONCE} at once; one takes p50 {:.1} ms, p99 {:.1} ms",
            self.writes_a_second,
            self.p50 * 1000.0,
            self.p99 * 1000.0
        )
    }

    /// How long a phase may take in which so many objects become ready: far longer than it should.
    pub(crate) fn patience(&self, objects: usize, aws_seconds: f64) -> Duration {
        Duration::from_mins(3) + Duration::from_secs_f64(4.0 * aws_seconds.max(4.0 * self.statuses(objects)))
    }
}

async fn write_status(fleet: &Fleet, namespace: &str, name: &str, number: usize) -> Result<()> {
    let path = DataTable::url_path(&(), Some(namespace));
    let status = json!({
        "apiVersion": DataTable::api_version(&()),
        "kind": DataTable::kind(&()),
        "metadata": { "name": name },
        "status": {
            "observedGeneration": 1,
            "conditions": [{
                "type": "Ready", "status": "True", "observedGeneration": 1, "reason": "InSync",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
                "message": format!("Nothing but a write, the {number}th of its kind."),
            }],
        },
    });
    let params = PatchParams::apply("floor").force();
    let request = Request::new(path).patch_subresource("status", name, &params, &Patch::Apply(&status))?;
    fleet.team.client.request::<Light>(request).await.context("a status cannot be written")?;
    Ok(())
}
