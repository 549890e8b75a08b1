//! F30: objects vanish by the dozen, as from a repository that lost a folder.

use anyhow::ensure;
use kube::api::ListParams;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Trial;
use super::many;
use super::trial::Point;
use crate::controller::{Controller, Launch};
use crate::judge::Witness;
use crate::kubernetes::reason_of;
use crate::story::first;
use crate::team::Team;

/// More deletions than this at once are held.
const HOLD_ABOVE: usize = 5;

/// What somebody says to the objects that are held.
#[derive(Clone, Copy, Debug)]
enum Word {
    Confirm,
    Abandon,
}

/// Few deletions go through; many are held until each is confirmed, or let go untouched.
pub(super) async fn by_the_dozen(trial: &Trial) {
    let team = Team::new("held").await;
    let config = serde_json::to_value(team.installation()).unwrap_or_default();
    if config.get("deletions").is_none() {
        trial.pending("the configuration has no `deletions.holdAbove` yet");
        return;
    }
    let number = trial.options.many(40, 15);
    trial.point("few are deleted", few()).await;
    for word in [Word::Confirm, Word::Abandon] {
        trial.point(&format!("{number} are deleted, then {word:?}"), hold(number, word)).await;
    }
}

async fn held(team: &Team) -> Controller {
    let overlay: Value = json!({ "deletions": { "holdAbove": HOLD_ABOVE } });
    Controller::launch(team, Launch { overlay, ..Launch::default() }, |_| {}).await
}

async fn few() -> Point {
    let team = Team::new("few").await;
    let witness = Witness::of(&team).await;
    let _controller = held(&team).await;
    let names = many::names(HOLD_ABOVE);
    many::create(&team, &names, &first("Delete")).await;
    many::ready(&team, &names).await;
    let began = Instant::now();
    many::delete(&team, &names).await;
    many::gone(&team, &names).await;
    Point { finding: witness.judge().await, seconds: began.elapsed().as_secs_f64() }
}

async fn hold(number: usize, word: Word) -> Point {
    let team = Team::new("dozens").await;
    let witness = Witness::of(&team).await;
    let mut controller = held(&team).await;
    let names = many::names(number);
    many::create(&team, &names, &first("Delete")).await;
    many::ready(&team, &names).await;
    // They vanish at once, whatever the controller is doing.
    controller.kill();
    let writes = team.admin.writes().await.len();
    many::delete(&team, &names).await;
    controller.restart();
    team.eventually(&names[0], "all to be held", async || {
        let all = team.tables.list(&ListParams::default()).await?.items;
        let held = all.iter().filter(|table| reason_of(table, "Ready") == "DeletionHeld").count();
        ensure!(held == number, "{held} of {number} are");
        Ok(())
    })
    .await;
    controller.restart();
    team.sweeps(3).await;
    let meanwhile = team.admin.writes().await.len() - writes;
    let annotation = match word {
        Word::Confirm => "mizuumi.dev/confirm-deletion",
        Word::Abandon => "mizuumi.dev/abandon",
    };
    // While they are held, one confirmed goes and takes none with it.
    team.annotate(&names[0], json!({ annotation: "true" })).await;
    team.gone(&names[0]).await;
    team.sweeps(2).await;
    let left = team.tables.list(&ListParams::default()).await.expect("the objects are listed").items.len();
    let began = Instant::now();
    for name in &names[1..] {
        team.annotate(name, json!({ annotation: "true" })).await;
    }
    many::gone(&team, &names).await;
    let seconds = began.elapsed().as_secs_f64();
    let mut finding = witness.judge().await;
    if meanwhile > 0 {
        finding.lost.push(format!("{meanwhile} writes to AWS while all were held"));
    }
    if left != number - 1 {
        finding.lost.push(format!("{left} were left when one of {number} was let go"));
    }
    if matches!(word, Word::Abandon) {
        // Each table stays as it is, mark and all; that is what was asked for.
        finding.lost.retain(|what| !what.contains("which is gone"));
        let there = team.aws.all_tables().await.len();
        if there != number + 2 {
            finding.lost.push(format!("{there} tables are left of {}", number + 2));
        }
    }
    Point { finding, seconds }
}
