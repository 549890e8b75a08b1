//! What can go wrong in the loop itself, by what it was doing. AWS's failures are not here: they are a status.

use std::future::Future;
use std::time::Duration;

use mizuumi_core::{Class, Failure};

use crate::workers::chain;

/// An error of the loop. Everything but `Start…`, `OlderDefinition` and `LostLease` is retried.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No Kubernetes API to talk to.
    #[error("no Kubernetes API: set KUBECONFIG, or run in a pod with a service account")]
    StartClient(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The process cannot be told to stop.
    #[error("signals cannot be handled")]
    StartSignals(#[source] std::io::Error),
    /// The custom resources are not there.
    #[error(
        "the {kind} resources cannot be listed; if they are not installed: mizuumi crds | kubectl apply -f -"
    )]
    StartList {
        /// The kind.
        kind: &'static str,
        /// What the API said.
        #[source]
        source: Box<kube::Error>,
    },
    /// This program's own definitions cannot be made, which a test excludes.
    #[error("the definitions of this program cannot be made")]
    StartOwnDefinitions(#[source] serde_json::Error),
    /// A definition could not be read.
    #[error("a definition of the resources could not be read")]
    StartDefinition(#[source] Box<kube::Error>),
    /// A definition lacks fields, which would be lost.
    #[error(
        "the definition '{definition}' of this cluster is older than this program: it lacks {fields}, and takes that off \
         whatever is read or written; nothing is touched until it is up to date: \
         mizuumi crds | kubectl apply --server-side -f -"
    )]
    OlderDefinition {
        /// Its name.
        definition: String,
        /// What it lacks.
        fields: String,
    },
    /// The address for metrics is taken, or is none of this machine's.
    #[error("cannot listen on {address} for metrics; choose another by --metrics-listen")]
    StartListen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The Lease could not be read or written.
    #[error("the Lease could not be read or written")]
    Lease(#[source] Box<kube::Error>),
    /// Another controller holds the Lease, or it could not be renewed in time.
    #[error(
        "the Lease '{0}' was lost: another controller works by now, or the Kubernetes API did not answer for long"
    )]
    LostLease(String),
    /// The object could not be read anew.
    #[error("the object could not be read anew")]
    ReadObject(#[source] Box<kube::Error>),
    /// A run could not be made.
    #[error("the run could not be made")]
    CreateRun(#[source] Box<kube::Error>),
    /// A run's own cluster could not be made.
    #[error("the run's cluster could not be made")]
    CreateCluster(#[source] Box<kube::Error>),
    /// A Job of Kubernetes, or a run, could not be looked at, created or deleted.
    #[error("the Kubernetes API refuses")]
    Job(#[source] Box<kube::Error>),
    /// A run could not be changed or deleted.
    #[error("the run could not be changed")]
    ChangeRun(#[source] Box<kube::Error>),
    /// A resource could not be changed as a person asked.
    #[error("the resource could not be changed")]
    Change(#[source] Box<kube::Error>),
    /// The status could not be written.
    #[error("the status could not be written")]
    WriteStatus(#[source] Box<kube::Error>),
    /// The finalizer could not be set or taken off.
    #[error("the finalizer could not be changed")]
    Finalizer(#[source] Box<kube::Error>),
    /// The API server took a request and never answered.
    #[error("the Kubernetes API did not answer within {} seconds", LONGEST_REQUEST.as_secs())]
    NoAnswer,
    /// Nobody answers a person who asks.
    #[error("the Kubernetes API cannot be reached; to see whether it is there: kubectl cluster-info")]
    Unreachable(#[source] Box<kube::Error>),
    /// Something that Kubernetes promises is missing.
    #[error("the object has no {0}")]
    Incomplete(&'static str),
}

impl Error {
    /// Whether the API server says that the object is another one by now.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::WriteStatus(_)) && self.code() == Some(409)
    }

    /// Whether the API server says that a run or a cluster of that name is there already.
    pub(crate) fn is_already_there(&self) -> bool {
        matches!(self, Self::CreateRun(_) | Self::CreateCluster(_)) && self.code() == Some(409)
    }

    /// Whether the API server says that a run or a Job is gone.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Self::ChangeRun(_) | Self::Job(_)) && self.code() == Some(404)
    }

    /// Whether there is nothing to change.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Change(_)) && self.code() == Some(404)
    }

    /// The error as a failure of an operation: what to do about it is the same as with AWS.
    pub(crate) fn failure(&self, operation: &'static str) -> Failure {
        let class = match self.code() {
            Some(401 | 403) => Class::Denied,
            // Of what is to be made it means that another one has its name.
            Some(409) if !matches!(self, Self::CreateRun(_) | Self::CreateCluster(_)) => Class::Conflict,
            Some(400 | 409 | 422) => Class::Invalid,
            Some(429) => Class::Throttled,
            Some(503) => Class::Unavailable,
            _ => Class::Unknown,
        };
        Failure::new(operation, class, chain(self))
    }

    /// The code by which the API server says no.
    fn code(&self) -> Option<u16> {
        let (Self::ReadObject(source)
        | Self::Job(source)
        | Self::CreateRun(source)
        | Self::CreateCluster(source)
        | Self::ChangeRun(source)
        | Self::Change(source)
        | Self::WriteStatus(source)) = self
        else {
            return None;
        };
        match source.as_ref() {
            kube::Error::Api(answer) => Some(answer.code),
            _ => None,
        }
    }
}

/// What is gone needs nothing any more.
pub(crate) fn gone_or<T>(answer: Result<T, Error>) -> Result<(), Error> {
    match answer {
        Err(error) if error.is_gone() => Ok(()),
        answer => answer.map(drop),
    }
}

/// How long a request to the Kubernetes API may take, the client's own retries included.
const LONGEST_REQUEST: Duration = Duration::from_secs(30);

/// What a request answers, or an error of the loop; a request without an answer does not hold up its pass for ever.
pub(crate) async fn in_time<T>(
    request: impl Future<Output = kube::Result<T>>,
    error: fn(Box<kube::Error>) -> Error,
) -> Result<T, Error> {
    match tokio::time::timeout(LONGEST_REQUEST, request).await {
        Ok(answer) => answer.map_err(|source| error(Box::new(source))),
        Err(_) => Err(Error::NoAnswer),
    }
}

/// The same for a person: that nobody is there is told as that, whatever was asked.
pub(crate) async fn asked<T>(
    request: impl Future<Output = kube::Result<T>>,
    error: fn(Box<kube::Error>) -> Error,
) -> Result<T, Error> {
    let unreached = |source| match source {
        source @ (kube::Error::Service(_) | kube::Error::HyperError(_)) => {
            Error::Unreachable(Box::new(source))
        }
        source => error(Box::new(source)),
    };
    match tokio::time::timeout(LONGEST_REQUEST, request).await {
        Ok(answer) => answer.map_err(unreached),
        Err(_) => Err(Error::NoAnswer),
    }
}
