//! What can go wrong in the loop itself, by what it was doing. AWS's failures are not here: they are a status.

/// An error of the loop. Everything but `Start…` is retried.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No Kubernetes API to talk to.
    #[error("no Kubernetes API: set KUBECONFIG, or run in a pod with a service account")]
    StartClient(#[source] Box<dyn std::error::Error + Send + Sync>),
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
    /// The object could not be read anew.
    #[error("the object could not be read anew")]
    ReadObject(#[source] Box<kube::Error>),
    /// The status could not be written.
    #[error("the status could not be written")]
    WriteStatus(#[source] Box<kube::Error>),
    /// The finalizer could not be set or taken off.
    #[error("the finalizer could not be changed")]
    Finalizer(#[source] Box<kube::Error>),
    /// Something that Kubernetes promises is missing.
    #[error("the object has no {0}")]
    Incomplete(&'static str),
}
