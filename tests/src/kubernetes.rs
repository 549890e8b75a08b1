//! The apiserver of the stand, and what conditions say.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, ResourceExt as _};
use mizuumi_api::{Condition, DataTable};
use mizuumi_stand::Stand;
use tokio::sync::OnceCell;

use crate::wait;

/// The custom resource definitions are applied once in a process.
static DEFINITIONS: OnceCell<()> = OnceCell::const_new();

/// A client of the stand's apiserver with the custom resources there.
pub(crate) async fn client(stand: &Stand) -> Client {
    // Only a second call can fail.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let client = Client::try_from(config(stand).await).expect("a client");
    DEFINITIONS.get_or_init(|| define(client.clone())).await;
    client
}

/// A client that repeats nothing by itself.
pub(crate) async fn plain_client(stand: &Stand) -> Client {
    let mut config = config(stand).await;
    config.default_retry = false;
    Client::try_from(config).expect("a client")
}

async fn config(stand: &Stand) -> Config {
    let kubeconfig = Kubeconfig::read_from(stand.kubeconfig()).expect("the stand's kubeconfig");
    let options = KubeConfigOptions::default();
    Config::from_custom_kubeconfig(kubeconfig, &options).await.expect("a configuration")
}

/// Has the definitions be those of this program.
pub(crate) async fn define(client: Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client);
    for crd in mizuumi_api::crd::all().expect("definitions") {
        let name = crd.name_any();
        let params = PatchParams::apply("mizuumi-tests").force();
        api.patch(&name, &params, &Patch::Apply(&crd)).await.expect("the definition is applied");
        let served = wait::until(wait::DEADLINE, async || {
            let conditions = api.get(&name).await?.status.and_then(|status| status.conditions);
            let established =
                conditions.iter().flatten().any(|c| c.type_ == "Established" && c.status == "True");
            anyhow::ensure!(established, "{name} is not established: {conditions:?}");
            Ok(())
        });
        served.await.expect("the definition is served");
    }
}

/// A condition of an object.
#[must_use]
pub fn condition<'a>(table: &'a DataTable, type_: &str) -> Option<&'a Condition> {
    table.status.as_ref()?.conditions.iter().find(|condition| condition.type_ == type_)
}

/// The reason of an object's condition; empty if it has none.
#[must_use]
pub fn reason_of<'a>(table: &'a DataTable, type_: &str) -> &'a str {
    condition(table, type_).map(|condition| condition.reason.as_str()).unwrap_or_default()
}
