//! A Kubernetes cluster as a person reaches it: the client that a kubeconfig names, and resources read once.

use std::collections::BTreeMap;
use std::path::Path;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use mizuumi_api::{DataTable, EmrCluster, EmrClusterClass};

use crate::error::{Error, asked};

/// Which cluster a person means, and where in it: as kubectl's flags say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Access<'a> {
    /// The kubeconfig; without it, `KUBECONFIG` and `~/.kube/config` say, or the pod's service account.
    pub kubeconfig: Option<&'a Path>,
    /// The kubeconfig's context; without it, the current one.
    pub context: Option<&'a str>,
    /// The namespace; without it, that of the context.
    pub namespace: Option<&'a str>,
}

/// The client that is meant, and the namespace.
pub(crate) async fn connect(access: Access<'_>) -> Result<(Client, String), Error> {
    let no_client = |error: Box<dyn std::error::Error + Send + Sync>| Error::StartClient(error);
    let config = if access.kubeconfig.is_none() && access.context.is_none() {
        Config::infer().await.map_err(|error| no_client(Box::new(error)))?
    } else {
        let file = access.kubeconfig.map_or_else(Kubeconfig::read, Kubeconfig::read_from);
        let file = file.map_err(|error| no_client(Box::new(error)))?;
        let options =
            KubeConfigOptions { context: access.context.map(str::to_owned), ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(file, &options).await;
        config.map_err(|error| no_client(Box::new(error)))?
    };
    let namespace = access.namespace.unwrap_or(&config.default_namespace).to_owned();
    Ok((Client::try_from(config).map_err(|error| no_client(Box::new(error)))?, namespace))
}

/// What commands look at that a Kubernetes cluster has: tables, and what EMR clusters are built from.
pub struct Lookup {
    pub(crate) client: Client,
    /// The namespace of who looks.
    pub namespace: String,
}

impl Lookup {
    /// The cluster that is meant.
    ///
    /// # Errors
    /// If there is no such context, or no cluster to talk to.
    pub async fn connect(access: Access<'_>) -> Result<Self, Error> {
        let (client, namespace) = connect(access).await?;
        Ok(Self { client, namespace })
    }

    /// A `DataTable` of its namespace, if there is one of that name.
    ///
    /// # Errors
    /// If the API server cannot be asked.
    pub async fn table(&self, name: &str) -> Result<Option<DataTable>, Error> {
        let tables = Api::<DataTable>::namespaced(self.client.clone(), &self.namespace);
        asked(tables.get_opt(name), Error::ReadObject).await
    }

    /// An `EmrCluster` of its namespace, if there is one of that name.
    ///
    /// # Errors
    /// If the API server cannot be asked.
    pub async fn cluster(&self, name: &str) -> Result<Option<EmrCluster>, Error> {
        let clusters = Api::<EmrCluster>::namespaced(self.client.clone(), &self.namespace);
        asked(clusters.get_opt(name), Error::ReadObject).await
    }

    /// An `EmrClusterClass`, if there is one of that name.
    ///
    /// # Errors
    /// If the API server cannot be asked.
    pub async fn class(&self, name: &str) -> Result<Option<EmrClusterClass>, Error> {
        asked(Api::<EmrClusterClass>::all(self.client.clone()).get_opt(name), Error::ReadObject).await
    }

    /// What a ConfigMap says, if there is one of that name.
    ///
    /// # Errors
    /// If the API server cannot be asked.
    pub async fn config_map(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<BTreeMap<String, String>>, Error> {
        let maps = Api::<ConfigMap>::namespaced(self.client.clone(), namespace);
        let found = asked(maps.get_opt(name), Error::ReadObject).await?;
        Ok(found.map(|map| map.data.unwrap_or_default()))
    }
}
