//! F28: one profile loses its credentials, another does not notice. And how two accounts are set up.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;
use jiff::SignedDuration;
use kube::ResourceExt as _;
use kube::api::ListParams;
use mizuumi_api::installation::Profile;
use serde_json::json;

use super::Trial;
use super::many;
use super::trial::Point;
use crate::aws_proxy::AwsProxy;
use crate::controller::Controller;
use crate::judge::Witness;
use crate::kubernetes::reason_of;
use crate::recorder::Recorder;
use crate::team::Team;
use crate::wait;

/// One team at work in two accounts.
pub(super) struct Accounts {
    pub(super) a: Team,
    pub(super) b: Team,
}

/// Two accounts, each with a profile of its own.
pub(super) async fn two(team: &Team) -> Accounts {
    Accounts { a: team.in_another_account("a").await, b: team.in_another_account("b").await }
}

/// The configuration's profiles for teams that have one.
pub(super) fn configured(teams: &[&Team]) -> BTreeMap<String, Profile> {
    let role = |team: &&Team| {
        let name = team.profile.clone().unwrap_or_default();
        let role_arn = Some(format!("arn:aws:iam::{}:role/catalog-{name}", team.account));
        (name, Profile { role_arn, ..Profile::default() })
    };
    teams.iter().map(role).collect()
}

/// What profile A loses.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// AWS says that its credentials have expired.
    Expired,
    /// They expire, and the role may not be assumed any more.
    Denied,
}

/// Sessions end after moments; then A gets no new one.
pub(super) async fn credentials(trial: &Trial) {
    let lasts = trial.options.lasting(Duration::from_hours(1), Duration::from_secs(3));
    for loss in [Loss::Expired, Loss::Denied] {
        trial.point(&format!("{loss:?}"), lose(trial, loss, lasts)).await;
    }
    trial.note(format!("for {} s", lasts.as_secs_f64()));
}

async fn lose(trial: &Trial, loss: Loss, lasts: Duration) -> Point {
    let team = Team::new("credentials").await;
    let Accounts { a, b } = two(&team).await;
    let (witness_a, witness_b) = (Witness::of(&a).await, Witness::of(&b).await);
    let proxy = AwsProxy::of(&team).await;
    // The SDK asks for new ones ten seconds before the end, so that these are good for two.
    proxy.change(|call, answer| if call.operation == "AssumeRole" { ending_in(&answer, 12) } else { answer });
    let url = proxy.url();
    let mut controller = Controller::with(&team, |config| {
        config.profiles = configured(&[&a, &b]);
        config.aws.endpoint_url = Some(url);
    })
    .await;
    let pid = controller.pid();
    let number = trial.options.many(10, 4);
    let (of_a, of_b): (Vec<String>, Vec<String>) =
        (0..number).map(|number| (format!("a-{number}"), format!("b-{number}"))).unzip();
    let spec = json!({ "deletionPolicy": "Delete" });
    many::create(&a, &of_a, &spec).await;
    many::create(&b, &of_b, &spec).await;
    many::ready(&a, &of_a).await;
    many::ready(&b, &of_b).await;
    let recorder = Recorder::of(&team).await;
    match loss {
        Loss::Expired => a.admin.fault(json!({ "action": "expired-token", "service": "glue" })).await,
        Loss::Denied => {
            let rule = json!({ "action": "denied", "operation": "AssumeRole", "table": "catalog-a" });
            team.admin.fault(rule).await;
        }
    }
    many::change(&a, &of_a, &json!({ "description": "meanwhile" })).await;
    a.eventually("a-0", "all of A to say so", async || {
        let all = a.tables.list(&ListParams::default()).await?.items;
        let silent = all.iter().filter(|table| table.name_any().starts_with('a'));
        let silent: Vec<_> = silent.filter(|table| reason_of(table, "Ready") != "Denied").collect();
        ensure!(silent.is_empty(), "{} do not", silent.len());
        Ok(())
    })
    .await;
    many::change(&b, &of_b, &json!({ "description": "meanwhile" })).await;
    let b_took = many::ready(&b, &of_b).await;
    wait::pass(lasts).await;
    let said = recorder.reasons(|name| name.starts_with('b'));
    trial.check(!said.contains("Denied"), || format!("{loss:?}: tables of B said {said:?}"));
    trial.note(format!("{loss:?}: B's changes went through in {b_took:.1} s meanwhile"));
    a.admin.heal().await;
    team.admin.heal().await;
    let seconds = many::ready(&a, &of_a).await;
    assert!(controller.runs() && controller.pid() == pid, "the controller has ended");
    let mut finding = witness_a.judge().await;
    finding.add(witness_b.judge().await);
    Point { finding, seconds }
}

/// The answer of AssumeRole with another end of the session.
fn ending_in(answer: &str, seconds: i64) -> String {
    let end = wait::now() + SignedDuration::from_secs(seconds);
    let Some((before, rest)) = answer.split_once("<Expiration>") else { return answer.to_owned() };
    let after = rest.split_once('<').map(|(_, after)| after).unwrap_or_default();
    let end = end.strftime("%Y-%m-%dT%H:%M:%SZ");
    format!("{before}<Expiration>{end}<{after}")
}
