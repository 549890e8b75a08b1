//! There is one cluster, whatever happens to RunJobFlow.

use jiff::Timestamp;
use mizuumi_api::emr_cluster::EmrClusterStatus;
use mizuumi_core::Kind;
use mizuumi_core::emr_cluster::simulate::simulate;
use mizuumi_core::emr_cluster::{ClusterStep, ClusterWorld, Clusters};

use crate::search::{Next, Protocol, Search, State};
use crate::team::Team;

/// A cluster that is needed.
struct Needed(Team);

/// What a list shows now.
fn world(state: &State<()>, now: Timestamp) -> ClusterWorld {
    let shown = state.asked.iter().filter(|asked| asked.is_shown());
    let world = shown.fold(ClusterWorld::default(), |world, asked| simulate(&world, &asked.step));
    ClusterWorld { listed: Some(now), ..world }
}

impl Protocol for Needed {
    type Around = ();

    fn pass(&self, state: &State<()>, now: Timestamp) -> Option<Next> {
        let object = self.0.object(&state.status);
        let (goal, world) = (self.0.goal(&object, &[]), world(state, now));
        let plan = Clusters::plan(&goal, &world, now);
        if let Some(step) = plan.steps.iter().find(|step| matches!(step, ClusterStep::RunJobFlow { .. })) {
            return Some(Next::Ask(Box::new(step.clone())));
        }
        let status = Team::told(&object, &goal, world, plan, None, now);
        (status != state.status).then(|| Next::Tell(Box::new(status)))
    }

    fn record(&self, status: &EmrClusterStatus, step: &ClusterStep) -> EmrClusterStatus {
        Clusters::record(&self.0.object(status), step).expect("it is written down")
    }

    fn refused(&self, state: &State<()>, now: Timestamp) -> EmrClusterStatus {
        let object = self.0.object(&state.status);
        let (goal, world) = (self.0.goal(&object, &[]), world(state, now));
        let plan = Clusters::plan(&goal, &world, now);
        Team::told(&object, &goal, world, plan, Some("elasticmapreduce:RunJobFlow"), now)
    }

    fn told(status: &EmrClusterStatus) -> String {
        format!("{:?} {:?} {:?}", status.attempt, status.phase, status.cluster_id)
    }

    fn around(&self, _state: &State<()>) -> Vec<State<()>> {
        Vec::new()
    }

    fn wrong(state: &State<()>) -> Option<String> {
        (state.asked.len() > 1).then(|| "EMR was asked for two clusters".to_owned())
    }
}

#[test]
fn there_is_one_cluster_in_whatever_order_things_happen() {
    let search = Search::new(Needed(Team::new()), "2026-11-26T00:00:00Z".parse().expect("a time"));
    let (states, second) = search.all(EmrClusterStatus::default(), (), 2, |state| {
        let is_second = state.status.attempt.as_ref().is_some_and(|attempt| attempt.number > 1);
        is_second && !state.asked.is_empty()
    });
    assert!(second > 0, "no second attempt ever made a cluster");
    println!("{states} states");
}
