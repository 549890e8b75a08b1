//! What the runner of processes asks EMR, and what it tells it.

use super::Emr;
use super::input::{text, texts};
use super::life::Millis;
use super::logs::Logs;
use super::step_life::{Cancel, End, Exit, StepLife};
use crate::glue::Object;

/// A step, wherever it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct StepPlace {
    /// Account.
    pub(crate) account: String,
    /// Region.
    pub(crate) region: String,
    /// Id of the cluster.
    pub(crate) cluster: String,
    /// Id of the step.
    pub(crate) step: String,
}

/// A step that has a process, or should get one.
#[derive(Debug, Clone)]
pub(crate) struct Active {
    /// Where it is.
    pub(crate) place: StepPlace,
    /// Which of the cluster's steps it is, counted from 1.
    pub(crate) number: usize,
    /// How it is to be cancelled, if it is.
    pub(crate) cancel: Option<Cancel>,
    /// `Jar`.
    pub(crate) jar: String,
    /// `Args`.
    pub(crate) args: Vec<String>,
    /// Where its logs go.
    pub(crate) logs: Option<Logs>,
}

impl Emr {
    /// The steps that run as processes now; every other process has to end.
    pub(crate) fn active(&self, now: Millis) -> Vec<Active> {
        let mut active = Vec::new();
        let mut held = self.0.hold();
        let (common, regions) = &mut *held;
        for ((account, region), clusters) in regions {
            for cluster in &mut clusters.clusters {
                cluster.advance(now, common);
                let is_active =
                    |life: &StepLife| matches!(life.end, End::Process(None)) && life.state().is_running();
                for (index, (step, life)) in cluster.steps.iter().zip(&cluster.life.steps).enumerate() {
                    if !is_active(life) {
                        continue;
                    }
                    let nothing = Object::new();
                    let config = step.record["Config"].as_object().unwrap_or(&nothing);
                    let args = texts(config, "Args").into_iter().map(str::to_owned).collect();
                    active.push(Active {
                        place: StepPlace {
                            account: account.clone(),
                            region: region.clone(),
                            cluster: cluster.id.clone(),
                            step: step.id.clone(),
                        },
                        number: index + 1,
                        cancel: life.cancelled,
                        jar: text(config, "Jar").unwrap_or_default().to_owned(),
                        args,
                        logs: Logs::of(cluster),
                    });
                }
            }
        }
        active
    }

    /// The process of a step has ended.
    pub(crate) fn ended(&self, place: &StepPlace, exit: Exit) {
        let mut held = self.0.hold();
        let (common, regions) = &mut *held;
        let at = exit.at;
        let region = regions.get_mut(&(place.account.clone(), place.region.clone()));
        let Some(cluster) = region.and_then(|region| region.find(&place.cluster)) else { return };
        let index = cluster.steps.iter().position(|step| step.id == place.step);
        if let Some(life) = index.and_then(|index| cluster.life.steps.get_mut(index)) {
            life.end = End::Process(Some(exit));
        }
        cluster.advance(at, common);
    }
}
