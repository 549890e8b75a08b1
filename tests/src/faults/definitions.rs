//! F27: the definitions of the resources become older or newer than the controller. Nobody else may use the stand meanwhile.

use anyhow::ensure;
use futures::FutureExt as _;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use mizuumi_api::DataTable;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Trial;
use super::trial::Point;
use crate::controller::{Controller, Launch};
use crate::judge::{Finding, Witness};
use crate::kubernetes;
use crate::proxy::{Proxy, Way};
use crate::team::Team;

const DEFINITION: &str = "datatables.mizuumi.dev";
/// Where the fields of a spec are in it.
const FIELDS: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
/// The rules of a spec, some of which speak of that field.
const RULES: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/x-kubernetes-validations";
/// A field that an older definition does not know.
const FIELD: &str = "parameters";
/// A field that a newer one knows, and this program does not.
const LATER: &str = "later";

/// When the older definition comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Older {
    WhileAway,
    WhileRunning,
}

/// Older while the controller is away, older while it runs, newer; and a controller that may not look.
pub(super) async fn changed(trial: &Trial) {
    let client = Team::new("definitions").await.client;
    let points = [
        ("older, while it is away", become_older(Older::WhileAway).boxed_local()),
        ("older, while it runs", become_older(Older::WhileRunning).boxed_local()),
        ("newer", become_newer().boxed_local()),
        ("they may not be read", unread().boxed_local()),
    ];
    for (name, point) in points {
        trial.point(name, point).await;
        // As they were, whatever came of it.
        kubernetes::define(client.clone()).await;
    }
}

/// The table's resource as the API server shows it, whatever this program's types know.
async fn raw(team: &Team) -> anyhow::Result<DynamicObject> {
    let resource = kube::api::ApiResource::erase::<DataTable>(&());
    let all: Api<DynamicObject> = Api::namespaced_with(team.client.clone(), &team.namespace, &resource);
    Ok(all.get("orders").await?)
}

/// Changes the definition, and waits until resources are shown by it.
async fn define(team: &Team, change: Value, is_shown: impl Fn(&Value) -> bool) {
    let all: Api<CustomResourceDefinition> = Api::all(team.client.clone());
    let patch: json_patch::Patch = serde_json::from_value(change).expect("a patch");
    let patch = Patch::<CustomResourceDefinition>::Json(patch);
    all.patch(DEFINITION, &PatchParams::default(), &patch).await.expect("the definition is changed");
    shown(team, is_shown).await;
}

async fn shown(team: &Team, is_shown: impl Fn(&Value) -> bool) {
    team.eventually("orders", "resources shown by the other definition", async || {
        let spec = raw(team).await?.data["spec"].clone();
        ensure!(is_shown(&spec), "{spec}");
        Ok(())
    })
    .await;
}

/// A table with a parameter of its own.
async fn prepare(team: &Team) {
    team.create_ready("orders", json!({ "deletionPolicy": "Delete", FIELD: { "team": "sales" } })).await;
}

/// Waits until the controller has ended by itself, and returns what it said.
async fn ended(team: &Team, controller: &mut Controller) -> String {
    team.eventually("orders", "the controller to end", async || {
        let code = controller.ended()?;
        ensure!(code == Some(1), "it ended with {code:?}");
        Ok(())
    })
    .await;
    std::fs::read_to_string(team.log()).expect("a log")
}

async fn become_older(older: Older) -> Point {
    let team = Team::new("older").await;
    let witness = Witness::of(&team).await;
    let mut controller = Controller::start(&team).await;
    prepare(&team).await;
    let before = (raw(&team).await.expect("the resource"), team.aws.existing("orders").await);
    let writes = team.admin.writes().await.len();
    if older == Older::WhileAway {
        controller.kill();
    }
    let remove = json!([
        { "op": "remove", "path": RULES },
        { "op": "remove", "path": format!("{FIELDS}/{FIELD}") },
    ]);
    define(&team, remove, |spec| spec.get(FIELD).is_none()).await;
    if older == Older::WhileAway {
        controller.restart();
    }
    let said = ended(&team, &mut controller).await;
    let says_so = said.contains(&format!(
        "'{DEFINITION}' of this cluster is older than this program: it lacks spec.{FIELD},"
    ));
    // It does not act upon what it cannot know either, however often it is started.
    team.aws.set_parameter("orders", "classification", Some("csv")).await;
    controller.restart();
    ended(&team, &mut controller).await;
    team.aws.set_parameter("orders", "classification", Some("parquet")).await;
    let mut lost = Vec::new();
    if !says_so {
        lost.push(format!("it does not say what is wrong: {said}"));
    }
    let began = Instant::now();
    kubernetes::define(team.client.clone()).await;
    shown(&team, |spec| spec.get(FIELD).is_some()).await;
    let after = raw(&team).await.expect("the resource");
    if after.metadata.resource_version != before.0.metadata.resource_version || after.data != before.0.data {
        lost.push(format!("the resource is {after:?} and was {:?}", before.0));
    }
    controller.restart();
    team.ready("orders").await;
    team.sweeps(2).await;
    let seconds = began.elapsed().as_secs_f64();
    let more = team.admin.writes().await.len() - writes;
    if more > 0
        || crate::aws::parameters(&team.aws.existing("orders").await) != crate::aws::parameters(&before.1)
    {
        lost.push(format!("{more} writes to AWS by an older definition"));
    }
    let mut finding = witness.judge().await;
    finding.lost.extend(lost);
    Point { finding, seconds }
}

/// Definitions come before the controller that goes with them.
async fn become_newer() -> Point {
    let team = Team::new("newer").await;
    let witness = Witness::of(&team).await;
    let mut controller = Controller::start(&team).await;
    prepare(&team).await;
    let writes = team.admin.writes().await.len();
    let add = json!([{ "op": "add", "path": format!("{FIELDS}/{LATER}"), "value": { "type": "string" } }]);
    define(&team, add, |spec| spec.get(FIELD).is_some()).await;
    let began = Instant::now();
    // The field is refused in silence until the definition is in force.
    team.eventually("orders", "the field to be kept", async || {
        team.change("orders", json!({ LATER: "kept" })).await;
        ensure!(raw(&team).await?.data["spec"][LATER] == "kept", "it is not");
        Ok(())
    })
    .await;
    team.ready("orders").await;
    team.sweeps(2).await;
    let mut lost = Vec::new();
    let more = team.admin.writes().await.len() - writes;
    // What the specification says otherwise is the same, and so is the table.
    if more > 0 {
        lost.push(format!("{more} writes to AWS for a field that the controller does not know"));
    }
    team.change("orders", json!({ "description": "second" })).await;
    team.ready("orders").await;
    controller.restart();
    team.sweeps(2).await;
    let is = raw(&team).await.expect("the resource").data["spec"][LATER].clone();
    if is != "kept" {
        lost.push(format!("the field that only the newer definition knows is {is}"));
    }
    if !controller.runs() {
        lost.push("the controller has ended".to_owned());
    }
    team.change("orders", json!({ LATER: null })).await;
    team.ready("orders").await;
    let seconds = began.elapsed().as_secs_f64();
    let mut finding = witness.judge().await;
    finding.lost.extend(lost);
    Point { finding, seconds }
}

/// An installation without permission to read definitions goes on as before, and says what it does not see.
async fn unread() -> Point {
    let team = Team::new("unread").await;
    let proxy = Proxy::of_apiserver(&team).await;
    proxy.rule(|ask| ask.resource == "customresourcedefinitions").go(Way::Forbidden);
    let launch = Launch::through(&proxy.kubeconfig(&team, "proxied"));
    let began = Instant::now();
    let _controller = Controller::launch(&team, launch, |_| {}).await;
    prepare(&team).await;
    let seconds = began.elapsed().as_secs_f64();
    let mut finding = Finding::default();
    let asked = proxy.asked().iter().filter(|ask| ask.resource == "customresourcedefinitions").count();
    if asked != 1 {
        finding.doubled.push(format!("the definitions were asked for {asked} times, and once would do"));
    }
    let said = std::fs::read_to_string(team.log()).expect("a log");
    if !said.contains("the definition may not be read") {
        finding.lost.push(format!("it does not say what it does not see: {said}"));
    }
    Point { finding, seconds }
}
