//! Each attempt of a run is one step, and no attempt is asked for while another's step may be there, whatever happens to
//! AddJobFlowSteps.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mizuumi_api::emr_cluster::{EmrClusterStatus, RunStepState, RunStepStatus};
use mizuumi_core::Kind;
use mizuumi_core::emr_cluster::request::StepCall;
use mizuumi_core::emr_cluster::run_steps::{ADD_STEPS, SeenStep, SeenSteps, nonce_of};
use mizuumi_core::emr_cluster::simulate::simulate;
use mizuumi_core::emr_cluster::{AskedStep, ClusterState, ClusterStep, ClusterWorld, Clusters};

use crate::search::{Next, Protocol, Search, State};
use crate::team::Team;

/// A run begins so many attempts at most.
const ATTEMPTS: u32 = 2;

/// A run, as far as its cluster has to do with it.
#[derive(Clone, Debug)]
struct Run {
    /// Its attempt; 0: it has not asked yet.
    attempt: u32,
    /// Whether it has heard of its step.
    is_known: bool,
    /// Whether its step has come to its end.
    has_ended: bool,
    /// Whether it asks no more.
    is_over: bool,
}

/// The runs.
type Runs = Vec<Run>;

/// A cluster that waits for work.
struct Waiting {
    team: Team,
    world: ClusterWorld,
}

fn nonce(run: usize, attempt: u32) -> String {
    format!("r{run}a{attempt}")
}

fn call(name: String) -> StepCall {
    StepCall {
        name,
        on_failure: "CONTINUE",
        jar: "command-runner.jar".to_owned(),
        main_class: None,
        args: Vec::new(),
        properties: BTreeMap::new(),
    }
}

impl Waiting {
    /// The cluster, and what its resource says of it.
    fn new(start: Timestamp) -> (Self, EmrClusterStatus) {
        let team = Team::new();
        let object = team.object(&EmrClusterStatus::default());
        let goal = team.goal(&object, &[]);
        let nothing = ClusterWorld { listed: Some(start), ..ClusterWorld::default() };
        let plan = Clusters::plan(&goal, &nothing, start);
        let step = plan.steps.first().expect("a cluster is asked for");
        let object = team.object(&Clusters::record(&object, step).expect("it is written down"));
        let mut world = simulate(&nothing, step);
        for cluster in &mut world.clusters {
            cluster.state = ClusterState::Waiting;
        }
        let goal = team.goal(&object, &[]);
        let plan = Clusters::plan(&goal, &world, start);
        let status = Team::told(&object, &goal, world.clone(), plan, None, start);
        (Self { team, world }, status)
    }

    /// What the runs ask for.
    fn asks(runs: &Runs) -> Vec<AskedStep> {
        let asking = runs.iter().enumerate().filter(|(_, run)| run.attempt > 0 && !run.is_over);
        let ask = asking.map(|(number, run)| AskedStep {
            run: format!("run{number}"),
            cluster: "x".to_owned(),
            nonce: nonce(number, run.attempt),
            is_known: run.is_known,
            is_stopping: false,
            call: call(format!("run{number}-{}", nonce(number, run.attempt))),
        });
        ask.collect()
    }

    /// What lists show now.
    fn world(&self, state: &State<Runs>, now: Timestamp) -> ClusterWorld {
        let shown = state.asked.iter().filter(|asked| asked.is_shown());
        let world = shown.fold(self.world.clone(), |world, asked| simulate(&world, &asked.step));
        let mut steps: BTreeMap<String, SeenStep> =
            world.run_steps.into_values().flat_map(|seen| seen.steps).collect();
        for (number, run) in state.around.iter().enumerate().filter(|(_, run)| run.has_ended) {
            if let Some(step) = steps.get_mut(&nonce(number, run.attempt)) {
                step.state = RunStepState::Completed;
            }
        }
        let is_looked_at = state.status.runs.iter().any(|known| !known.state.is_over());
        let seen = is_looked_at.then_some(("j-0".to_owned(), SeenSteps { listed: now, steps }));
        ClusterWorld { listed: Some(now), run_steps: seen.into_iter().collect(), ..self.world.clone() }
    }
}

/// Names of the attempts that a step asks for.
fn nonces(step: &ClusterStep) -> Vec<&str> {
    match step {
        ClusterStep::AddSteps { calls, .. } => calls.iter().map(|call| nonce_of(&call.name)).collect(),
        _ => Vec::new(),
    }
}

fn answer<'a>(state: &'a State<Runs>, number: usize, run: &Run) -> Option<&'a RunStepStatus> {
    let nonce = nonce(number, run.attempt);
    state.status.runs.iter().find(|known| known.nonce == nonce)
}

impl Protocol for Waiting {
    type Around = Runs;

    fn pass(&self, state: &State<Runs>, now: Timestamp) -> Option<Next> {
        let object = self.team.object(&state.status);
        let (goal, world) = (self.team.goal(&object, &Self::asks(&state.around)), self.world(state, now));
        let plan = Clusters::plan(&goal, &world, now);
        if let Some(step) = plan.steps.iter().find(|step| matches!(step, ClusterStep::AddSteps { .. })) {
            return Some(Next::Ask(Box::new(step.clone())));
        }
        let status = Team::told(&object, &goal, world, plan, None, now);
        (status != state.status).then(|| Next::Tell(Box::new(status)))
    }

    fn record(&self, status: &EmrClusterStatus, step: &ClusterStep) -> EmrClusterStatus {
        Clusters::record(&self.team.object(status), step).expect("it is written down")
    }

    fn refused(&self, state: &State<Runs>, now: Timestamp) -> EmrClusterStatus {
        // The pass goes on with the resource as it was before the record; what it reports is laid over the record.
        let asked = state.status.runs.iter().filter(|known| known.state == RunStepState::Open);
        let fresh: Vec<String> = asked
            .filter(|known| known.asked_at == now && known.unseen.is_none())
            .map(|known| known.nonce.clone())
            .collect();
        let mut before = state.status.clone();
        before.runs.retain(|known| !fresh.contains(&known.nonce));
        let goal = self.team.goal(&self.team.object(&before), &Self::asks(&state.around));
        let world = self.world(state, now);
        let plan = Clusters::plan(&goal, &world, now);
        Team::told(&self.team.object(&state.status), &goal, world, plan, Some(ADD_STEPS), now)
    }

    fn told(status: &EmrClusterStatus) -> String {
        format!("{:?}", status.runs)
    }

    fn around(&self, state: &State<Runs>) -> Vec<State<Runs>> {
        let mut all = Vec::new();
        for (number, run) in state.around.iter().enumerate() {
            let mut becomes = |change: &dyn Fn(&mut Run)| {
                let mut next = state.clone();
                change(&mut next.around[number]);
                all.push(next);
            };
            if run.is_over {
                continue;
            }
            if run.attempt == 0 {
                becomes(&|run| run.attempt = 1);
                continue;
            }
            let nonce = nonce(number, run.attempt);
            let is_there =
                state.asked.iter().any(|asked| asked.is_there && nonces(&asked.step).contains(&&*nonce));
            if is_there && !run.has_ended {
                becomes(&|run| run.has_ended = true);
            }
            // The run takes note of what its cluster says.
            let Some(answer) = answer(state, number, run) else { continue };
            match answer.state {
                RunStepState::Lost if run.attempt < ATTEMPTS => becomes(&|run| {
                    *run =
                        Run { attempt: run.attempt + 1, is_known: false, has_ended: false, is_over: false };
                }),
                state if state.is_over() => becomes(&|run| run.is_over = true),
                _ if answer.step_id.is_some() && !run.is_known => becomes(&|run| run.is_known = true),
                _ => {}
            }
        }
        all
    }

    fn wrong(state: &State<Runs>) -> Option<String> {
        let asked: Vec<&str> = state.asked.iter().flat_map(|asked| nonces(&asked.step)).collect();
        (0..state.around.len()).find_map(|number| {
            let of_run: Vec<&&str> =
                asked.iter().filter(|nonce| nonce.starts_with(&format!("r{number}a"))).collect();
            (of_run.len() > 1).then(|| format!("EMR has several steps of run {number}: {of_run:?}"))
        })
    }
}

#[test]
fn each_step_is_there_once_in_whatever_order_things_happen() {
    let start = "2026-11-26T00:00:00Z".parse().expect("a time");
    let (waiting, status) = Waiting::new(start);
    let run = Run { attempt: 0, is_known: false, has_ended: false, is_over: false };
    let search = Search::new(waiting, start);
    let (tried, second) = search.all(status, vec![run], 1, |state| {
        state.around.iter().all(|run| run.attempt == ATTEMPTS && run.is_over)
    });
    assert!(second > 0, "no second attempt ever came to its end");
    println!("{tried} states");
}
