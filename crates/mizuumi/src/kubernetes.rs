//! Which Kubernetes cluster is meant, and which resource in it: the flags and words of kubectl.

use std::path::PathBuf;

use mizuumi_api::{ResourceId, ResourceKind};
use mizuumi_controller::lookup::{Access, Lookup};

/// The flags that every command has which talks to Kubernetes.
#[derive(Debug, clap::Args)]
pub(crate) struct KubernetesArgs {
    /// The namespace; without it, that of the kubeconfig's context.
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
    /// The kubeconfig's context; without it, the current one.
    #[arg(long)]
    context: Option<String>,
    /// The kubeconfig; without it, KUBECONFIG, ~/.kube/config or a pod's service account.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

impl KubernetesArgs {
    /// What they say.
    pub(crate) fn access(&self) -> Access<'_> {
        Access {
            kubeconfig: self.kubeconfig.as_deref(),
            context: self.context.as_deref(),
            namespace: self.namespace.as_deref(),
        }
    }

    /// What there is in the cluster.
    pub(crate) async fn lookup(&self) -> anyhow::Result<Lookup> {
        Ok(Lookup::connect(self.access()).await?)
    }
}

/// A resource as `KIND/NAME`.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) kind: ResourceKind,
    pub(crate) name: String,
}

impl Named {
    /// The resource, in a namespace.
    pub(crate) fn in_namespace(&self, namespace: &str) -> ResourceId {
        let namespace = if self.kind.is_namespaced() { namespace.to_owned() } else { String::new() };
        ResourceId { kind: self.kind, namespace, name: self.name.clone() }
    }
}

/// Reads `KIND/NAME`.
pub(crate) fn named(text: &str) -> Result<Named, String> {
    let kinds = || ResourceKind::ALL.map(ResourceKind::short).join(", ");
    let (kind, name) = text
        .split_once('/')
        .filter(|(_, name)| !name.is_empty())
        .ok_or_else(|| format!("must be KIND/NAME, such as dtbl/delays; the kinds are {}", kinds()))?;
    let kind = ResourceKind::of(kind)
        .ok_or_else(|| format!("there is no kind '{kind}'; the kinds are {}", kinds()))?;
    Ok(Named { kind, name: name.to_owned() })
}
