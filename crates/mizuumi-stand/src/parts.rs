//! The parts of a stand and their command lines.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::layout::Layout;
use crate::process::Invocation;
use crate::state::{Cluster, State};

/// What the apiserver's Jobs, Deployments, namespaces and owner references need to behave as in a cluster. Not all of
/// them, as there are no nodes: whatever would schedule or route has nothing to do.
const CONTROLLERS: &str = "garbage-collector-controller,namespace-controller,job-controller,cronjob-controller,\
    deployment-controller,replicaset-controller,\
    ttl-after-finished-controller,serviceaccount-controller,clusterrole-aggregation-controller,\
    resourcequota-controller,validatingadmissionpolicy-status-controller";

/// One process of a stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// `etcd`.
    Etcd,
    /// `kube-apiserver`.
    Apiserver,
    /// `kube-controller-manager`.
    ControllerManager,
    /// `mizuumi-localaws`, with the moto server that it starts itself.
    Localaws,
}

impl Part {
    /// All parts, in the order of their start.
    pub const ALL: [Self; 4] = [Self::Etcd, Self::Apiserver, Self::ControllerManager, Self::Localaws];

    /// The name by which commands and files know it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Apiserver => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Localaws => "localaws",
        }
    }

    /// Where it is to be reached; nowhere in the controller manager's case.
    #[must_use]
    pub fn url(self, state: &State) -> Option<String> {
        match self {
            Self::Etcd => Some(state.ports.etcd_url()),
            Self::Apiserver => Some(state.ports.apiserver_url()),
            Self::ControllerManager => None,
            Self::Localaws => Some(state.ports.localaws_url()),
        }
    }

    /// How long it may take to end before it is killed.
    #[must_use]
    pub fn patience(self) -> Duration {
        match self {
            // While they have clients they wait much longer than anybody who restarts them wants to. Killing them
            // loses nothing: the apiserver keeps nothing, and what etcd has written is with the system.
            Self::Etcd | Self::Apiserver => Duration::from_secs(2),
            Self::ControllerManager | Self::Localaws => Duration::from_secs(5),
        }
    }

    /// Its command line in a stand.
    pub fn invocation(self, layout: &Layout, state: &State) -> Result<Invocation> {
        let (program, arguments) = match self {
            Self::Localaws => (
                state.localaws.clone().context("this stand is without the AWS endpoint")?,
                localaws(layout, state)?,
            ),
            Self::Etcd => (self.binary(state)?, etcd(layout, state)),
            Self::Apiserver => (self.binary(state)?, apiserver(layout, state)),
            Self::ControllerManager => (self.binary(state)?, controller_manager(layout)),
        };
        // Whatever a part writes without being asked belongs to the stand too.
        Ok(Invocation { program, arguments, environment: vec![], folder: layout.localaws_data() })
    }

    fn binary(self, state: &State) -> Result<PathBuf> {
        match &state.cluster {
            Cluster::Own { binaries, .. } => Ok(binaries.join(self.name())),
            Cluster::Existing { .. } => {
                bail!("{self} is not a part of this stand: it uses an existing cluster")
            }
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|part| part.name() == name);
        found.ok_or_else(|| format!("the parts are {}", Self::ALL.map(Self::name).join(", ")))
    }
}

fn etcd(layout: &Layout, state: &State) -> Vec<String> {
    let clients = state.ports.etcd_url();
    let peers = format!("http://127.0.0.1:{}", state.ports.etcd_peer);
    vec![
        "--name=stand".to_owned(),
        format!("--data-dir={}", layout.etcd_data().display()),
        format!("--listen-client-urls={clients}"),
        format!("--advertise-client-urls={clients}"),
        format!("--listen-peer-urls={peers}"),
        format!("--initial-advertise-peer-urls={peers}"),
        format!("--initial-cluster=stand={peers}"),
        // Data need not survive a power cut, and syncing is most of etcd's time on small disks.
        "--unsafe-no-fsync".to_owned(),
        "--quota-backend-bytes=8589934592".to_owned(),
        "--log-level=warn".to_owned(),
    ]
}

fn apiserver(layout: &Layout, state: &State) -> Vec<String> {
    let key = layout.service_account_key();
    vec![
        format!("--etcd-servers={}", state.ports.etcd_url()),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", state.ports.apiserver),
        // Without an address it looks for a network, which a sandbox may not have; nobody asks for the
        // endpoints of the service `kubernetes` here, and loopback addresses are not allowed in them.
        "--advertise-address=127.0.0.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--cert-dir={}", layout.certificates().display()),
        format!("--token-auth-file={}", layout.tokens().display()),
        format!("--service-account-key-file={}", key.display()),
        format!("--service-account-signing-key-file={}", key.display()),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
        "--authorization-mode=RBAC".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        // It would refuse Pods until a service account has got its token, and no Pod runs here.
        "--disable-admission-plugins=ServiceAccount".to_owned(),
    ]
}

fn controller_manager(layout: &Layout) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", layout.kubeconfig().display()),
        format!("--controllers={CONTROLLERS}"),
        "--use-service-account-credentials=false".to_owned(),
        "--secure-port=0".to_owned(),
        "--leader-elect=false".to_owned(),
    ]
}

fn localaws(layout: &Layout, state: &State) -> Result<Vec<String>> {
    let python = state.tools.python.as_ref().context("this stand has no Python for moto: run `up` again")?;
    let words = ["serve", "--listen"].map(str::to_owned).into_iter();
    Ok(words
        .chain([format!("127.0.0.1:{}", state.ports.localaws)])
        .chain(["--moto-python".to_owned(), python.display().to_string()])
        .chain(["--ready-file".to_owned(), layout.localaws_ready().display().to_string()])
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        for part in Part::ALL {
            assert_eq!(part.name().parse(), Ok(part));
        }
        assert!("scheduler".parse::<Part>().unwrap_err().contains("kube-apiserver"));
    }
}
