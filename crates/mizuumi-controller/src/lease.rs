//! The Lease of an installation: of several controllers only the one that holds it works.
//!
//! It saves doing everything twice, and is no fence: a controller that slept through the end of its Lease may still do what it was about
//! to. What keeps that harmless is what keeps two controllers harmless: writes name the version that they were made from.

use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client, ResourceExt};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};

use crate::clock;
use crate::error::{Error, in_time};
use crate::metrics::Metrics;
use crate::workers::chain;

/// So long a holder is waited for that does not renew; the same as in Kubernetes' own controllers.
const DURATION: Duration = Duration::from_secs(15);
/// A holder that cannot renew for so long takes it for lost: before anybody else takes it.
const DEADLINE: Duration = Duration::from_secs(10);
/// Between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// Where a Lease is: `NAMESPACE/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl FromStr for LeaseName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err(format!("must be NAMESPACE/NAME; it is '{text}'")),
        }
    }
}

/// One that wants the Lease, or has it.
#[derive(Clone)]
pub(crate) struct Candidate {
    api: Api<Lease>,
    name: String,
    identity: String,
    metrics: Metrics,
}

/// The Lease as it was seen last, and since when it has been so.
type Seen = Option<(String, Instant)>;

impl Candidate {
    pub(crate) fn new(client: &Client, lease: &LeaseName, metrics: Metrics) -> Self {
        // Nobody else may call itself so, not even the same pod after a restart.
        let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "mizuumi".to_owned());
        let identity = format!("{host}_{:016x}", rand::random::<u64>());
        let api = Api::namespaced(client.clone(), &lease.namespace);
        metrics.leads(false);
        Self { api, name: lease.name.clone(), identity, metrics }
    }

    /// Waits until the Lease is held.
    pub(crate) async fn acquire(&self) {
        let (mut seen, mut told) = (None, false);
        loop {
            match self.try_to_take(&mut seen).await {
                Ok(None) => break,
                Ok(Some(holder)) if !told => {
                    info!(lease = self.name, holder, "another controller works; waiting for it to end");
                    told = true;
                }
                Ok(Some(_)) => {}
                Err(error) => {
                    warn!(lease = self.name, error = %chain(&error), "the Lease cannot be had; trying again");
                }
            }
            sleep(PAUSE).await;
        }
        self.metrics.leads(true);
        info!(lease = self.name, identity = self.identity, "this controller works");
    }

    /// Takes the Lease if it is free; else answers who has it.
    async fn try_to_take(&self, seen: &mut Seen) -> Result<Option<String>, Error> {
        let lease = in_time(self.api.get_opt(&self.name), Error::Lease).await?;
        let lease = lease.unwrap_or_else(|| Lease {
            metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
            spec: None,
        });
        let version = lease.resource_version().unwrap_or_default();
        let since = match seen {
            Some((before, since)) if *before == version => *since,
            _ => seen.insert((version.clone(), Instant::now())).1,
        };
        let spec = lease.spec.clone().unwrap_or_default();
        if let Some(holder) = held_by(&spec, since.elapsed()) {
            return Ok(Some(holder));
        }
        let now = MicroTime(clock::now());
        let taken = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            lease_transitions: Some(spec.lease_transitions.unwrap_or_default() + 1),
            ..spec
        };
        let (parameters, lease) = (PostParams::default(), Lease { spec: Some(taken), ..lease });
        if version.is_empty() {
            in_time(self.api.create(&parameters, &lease), Error::Lease).await?;
        } else {
            // It names the version that was seen: of two that take it, one is refused.
            in_time(self.api.replace(&self.name, &parameters, &lease), Error::Lease).await?;
        }
        Ok(None)
    }

    /// Renews the Lease for ever; ends with an error once it is lost.
    pub(crate) async fn hold(self) -> Result<Infallible, Error> {
        let mut renewed = Instant::now();
        loop {
            sleep(PAUSE).await;
            let asked = Instant::now();
            match timeout_at(renewed + DEADLINE, self.renew()).await {
                Ok(Ok(true)) => renewed = asked,
                Ok(Err(error)) if renewed.elapsed() < DEADLINE => {
                    warn!(lease = self.name, error = %chain(&error), "the Lease could not be renewed; trying again");
                }
                Ok(Ok(false) | Err(_)) | Err(_) => {
                    self.metrics.leads(false);
                    return Err(Error::LostLease(self.name));
                }
            }
        }
    }

    /// Whether it is held still.
    async fn renew(&self) -> Result<bool, Error> {
        let mut lease = in_time(self.api.get(&self.name), Error::Lease).await?;
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(&self.identity) {
            return Ok(false);
        }
        spec.renew_time = Some(MicroTime(clock::now()));
        in_time(self.api.replace(&self.name, &PostParams::default(), &lease), Error::Lease).await?;
        Ok(true)
    }

    /// Gives the Lease back, so that nobody has to wait for its end. Whoever waits finds out in any case.
    pub(crate) async fn release(&self) {
        self.metrics.leads(false);
        let Ok(mut lease) = in_time(self.api.get(&self.name), Error::Lease).await else { return };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() == Some(&self.identity) {
            spec.holder_identity = None;
            in_time(self.api.replace(&self.name, &PostParams::default(), &lease), Error::Lease).await.ok();
        }
    }
}

/// Who holds a Lease that has been as it is for so long. Its own times are another machine's, whose clock may be wrong.
fn held_by(spec: &LeaseSpec, unchanged: Duration) -> Option<String> {
    let holder = spec.holder_identity.clone().filter(|holder| !holder.is_empty())?;
    let duration = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    (unchanged < duration.map_or(DURATION, Duration::from_secs)).then_some(holder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_held_until_it_was_given_back_or_has_not_changed_for_its_duration() {
        let held = |holder: Option<&str>, seconds: Option<i32>, unchanged: u64| {
            let spec = LeaseSpec {
                holder_identity: holder.map(str::to_owned),
                lease_duration_seconds: seconds,
                ..LeaseSpec::default()
            };
            held_by(&spec, Duration::from_secs(unchanged)).is_some()
        };
        assert!(held(Some("a"), Some(15), 14) && !held(Some("a"), Some(15), 15));
        assert!(held(Some("a"), Some(60), 59), "a holder may have another duration");
        assert!(held(Some("a"), None, 14) && held(Some("a"), Some(-1), 14) && !held(Some("a"), None, 15));
        assert!(!held(None, Some(15), 0) && !held(Some(""), Some(15), 0), "given back");
    }

    #[test]
    fn a_lease_is_named_by_its_namespace_too() {
        let name = LeaseName { namespace: "mizuumi-team-a".to_owned(), name: "mizuumi".to_owned() };
        assert_eq!("mizuumi-team-a/mizuumi".parse(), Ok(name));
        for wrong in ["mizuumi", "/mizuumi", "mizuumi-team-a/"] {
            assert!(wrong.parse::<LeaseName>().is_err(), "{wrong}");
        }
    }
}
