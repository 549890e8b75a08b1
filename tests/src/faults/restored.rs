//! F26: a cluster restored from a backup meets the tables that it had made.

use futures::{StreamExt as _, stream};
use kube::ResourceExt as _;
use kube::api::ListParams;
use mizuumi_api::DataTable;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Trial;
use super::trial::Point;
use crate::controller::Controller;
use crate::judge::Witness;
use crate::story::first;
use crate::team::Team;

/// Names are the same, uids are new, statuses are empty; half of the objects come with their finalizer, as from Velero.
pub(super) async fn from_backup(trial: &Trial) {
    let number = trial.options.many(40, 10);
    trial.point("with the controller away", restore(number, false)).await;
    trial.point("objects lost and restored again and again", restore(number / 2, true)).await;
    trial.note(format!("{number} tables"));
}

async fn restore(number: usize, twice: bool) -> Point {
    let team = Team::new("restore").await;
    let witness = Witness::of(&team).await;
    let mut controller = Controller::start(&team).await;
    let names: Vec<String> = (0..number).map(|number| format!("table-{number:03}")).collect();
    create_ready(&team, &names).await;
    let writes = team.admin.writes().await.len();
    let since = team.admin.seq().await;
    let mut seconds = 0.0_f64;
    for _ in 0..=usize::from(twice) {
        controller.kill();
        let backup = team.tables.list(&ListParams::default()).await.expect("the objects are listed").items;
        forget(&team, &names).await;
        for (index, object) in backup.iter().enumerate() {
            team.try_create(&as_backed_up(object, index % 2 == 0)).await.expect("the object is restored");
        }
        let began = Instant::now();
        controller.restart();
        for name in &names {
            team.ready(name).await;
        }
        seconds = seconds.max(began.elapsed().as_secs_f64());
    }
    team.sweeps(2).await;
    let mut finding = witness.judge().await;
    for write in team.admin.writes().await.split_off(writes) {
        finding.doubled.push(format!("{} of {} after the restore", write.operation, write.resource));
    }
    for operation in ["CreateTable", "DeleteTable"] {
        let tries = team.admin.count(operation, since).await;
        if tries > 0 {
            finding.doubled.push(format!("{operation} was called {tries} times after the restore"));
        }
    }
    Point { finding, seconds }
}

async fn create_ready(team: &Team, names: &[String]) {
    for name in names {
        team.create(name, first("Delete")).await;
    }
    for name in names {
        team.ready(name).await;
    }
}

/// The cluster is gone: objects vanish without anybody having worked on their finalizers.
async fn forget(team: &Team, names: &[String]) {
    stream::iter(names)
        .for_each_concurrent(8, async |name| {
            team.patch(name, json!({ "metadata": { "finalizers": null } })).await;
            team.delete(name).await;
        })
        .await;
}

/// What a backup tool writes: no status, no uid, no version.
fn as_backed_up(object: &DataTable, with_finalizer: bool) -> Value {
    let mut manifest = serde_json::to_value(object).expect("JSON");
    let finalizers = if with_finalizer { json!(object.finalizers()) } else { json!([]) };
    manifest["metadata"] = json!({
        "name": object.name_any(),
        "namespace": object.namespace(),
        "annotations": object.annotations(),
        "labels": { "velero.io/restore-name": "restore" },
        "finalizers": finalizers,
    });
    if let Some(manifest) = manifest.as_object_mut() {
        manifest.remove("status");
    }
    manifest
}
