//! The parts of a cluster, instance groups and instance fleets: which instances they have, and how that is changed.

mod instance;

use serde_json::{Value, json};

pub(super) use self::instance::{Gone, Instance};
use super::life::{Life, Millis, State};
use super::pace::Pace;
use super::{Common, put_time, time};
use crate::glue::Object;

/// Which of a part's two sizes: instances paid on demand, or spot instances.
pub(super) const ON_DEMAND: usize = 0;
/// See `ON_DEMAND`.
pub(super) const SPOT: usize = 1;

/// An instance group or a fleet.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) id: String,
    /// `MASTER`, `CORE` or `TASK`.
    pub(super) role: String,
    pub(super) record: Object,
    /// Type of its instances; a fleet's are all of its first type, which of them AWS would take is not known.
    kind: String,
    /// What an instance counts for: 1 in a group.
    pub(super) weight: i64,
    /// Instances, or units of capacity: on-demand and spot. A group has one of them.
    pub(super) wanted: [i64; 2],
    pub(super) instances: Vec<Instance>,
    created: Millis,
    /// When it was there, if it came after the cluster was ready.
    ready: Option<Millis>,
}

/// What a part is made from.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) role: String,
    pub(super) record: Object,
    pub(super) kind: String,
    pub(super) weight: i64,
    pub(super) wanted: [i64; 2],
}

/// When something happens to a cluster that has lived so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct When<'a> {
    pub(super) life: &'a Life,
    pub(super) at: Millis,
}

impl When<'_> {
    /// When instances that are asked for now will be there; nothing: with the cluster.
    fn delivered(self, pace: &Pace) -> Option<Millis> {
        self.life.ready().map(|_| self.at + pace.millis(pace.resizing_seconds))
    }
}

impl Part {
    /// A part of a cluster, with its instances.
    pub(super) fn new(prefix: &str, plan: Plan, when: When<'_>, common: &mut Common) -> Self {
        let mut part = Self {
            id: common.id(prefix),
            role: plan.role,
            record: plan.record,
            kind: plan.kind,
            weight: plan.weight.max(1),
            wanted: [0, 0],
            instances: Vec::new(),
            created: when.at,
            ready: when.delivered(&common.pace),
        };
        part.resize(plan.wanted, when, common);
        part
    }

    /// Type of its instances.
    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    /// The size that a group is asked to have.
    pub(super) fn count(&self) -> i64 {
        self.wanted[ON_DEMAND] + self.wanted[SPOT]
    }

    /// A group of so many instances has them on the market of those that it has.
    pub(super) fn of_count(&self, count: i64) -> [i64; 2] {
        if self.is_spot_group() { [0, count] } else { [count, 0] }
    }

    fn is_spot_group(&self) -> bool {
        self.record.get("Market").and_then(Value::as_str) == Some("SPOT")
    }

    /// How many there are: instances, or units.
    pub(super) fn running(&self, life: &Life, now: Millis) -> [i64; 2] {
        let sum = |spot: bool| {
            let there = |instance: &&Instance| instance.spot == spot && instance.is_running(life, now);
            let count = self.instances.iter().filter(there).count();
            i64::try_from(count).unwrap_or(i64::MAX) * self.weight
        };
        [sum(false), sum(true)]
    }

    /// Asks for another size; it takes a while until it is reached. The newest instances go first.
    pub(super) fn resize(&mut self, wanted: [i64; 2], when: When<'_>, common: &mut Common) {
        let ready = when.delivered(&common.pace);
        let going = ready.unwrap_or(when.at);
        for market in [ON_DEMAND, SPOT] {
            let spot = market == SPOT;
            let stays = |instance: &Instance| instance.spot == spot && instance.gone.is_none();
            let mut have =
                self.instances.iter().filter(|instance| stays(instance)).map(|_| self.weight).sum::<i64>();
            while have < wanted[market] {
                self.instances.push(Instance::new(&self.kind, spot, when.at, ready, common));
                have += self.weight;
            }
            for instance in self.instances.iter_mut().rev().filter(|instance| stays(instance)) {
                if have - self.weight < wanted[market] {
                    break;
                }
                instance.gone = Some((going, Gone::Removed));
                have -= self.weight;
            }
        }
        self.wanted = wanted;
    }

    /// Removes the instances of these EC2 ids, and asks for so many fewer.
    pub(super) fn remove(&mut self, ids: &[&str], when: When<'_>, pace: &Pace) {
        let going = when.delivered(pace).unwrap_or(when.at);
        for instance in &mut self.instances {
            if ids.contains(&instance.ec2.as_str()) && instance.gone.is_none() {
                instance.gone = Some((going, Gone::Removed));
                self.wanted[usize::from(instance.spot)] -= self.weight;
            }
        }
    }

    /// Loses a spot instance that runs, if there is one, and asks for another in its place.
    pub(super) fn lose_spot(&mut self, when: When<'_>, common: &mut Common) -> bool {
        let runs = |instance: &&mut Instance| instance.spot && instance.is_running(when.life, when.at);
        let Some(lost) = self.instances.iter_mut().find(runs) else { return false };
        // One that was to go anyway needs no other.
        let replaced = lost.gone.is_none();
        lost.gone = Some((when.at, Gone::Lost));
        if replaced {
            let ready = when.delivered(&common.pace);
            self.instances.push(Instance::new(&self.kind, true, when.at, ready, common));
        }
        true
    }

    fn is_resizing(&self, now: Millis) -> bool {
        self.instances.iter().any(|instance| instance.is_changing(now))
    }

    /// `InstanceGroupStatus` or `InstanceFleetStatus`.
    pub(super) fn status(&self, life: &Life, now: Millis) -> Value {
        let state = match life.state() {
            State::Starting => "PROVISIONING",
            State::Bootstrapping => "BOOTSTRAPPING",
            State::Running | State::Waiting if self.ready.is_some_and(|ready| now < ready) => "PROVISIONING",
            State::Running | State::Waiting if self.is_resizing(now) => "RESIZING",
            State::Running | State::Waiting => "RUNNING",
            State::Terminating => "TERMINATING",
            State::Terminated | State::TerminatedWithErrors => "TERMINATED",
        };
        let reason = if life.state().is_over() {
            json!({"Code": "CLUSTER_TERMINATED", "Message": "Job flow terminated"})
        } else {
            json!({"Message": ""})
        };
        let mut timeline = json!({"CreationDateTime": time(self.created)});
        put_time(&mut timeline, "ReadyDateTime", self.ready.or(life.ready()), now);
        put_time(&mut timeline, "EndDateTime", life.ended(), now);
        json!({"State": state, "StateChangeReason": reason, "Timeline": timeline})
    }
}
