//! An EC2 instance of a cluster.

use serde_json::{Value, json};

use crate::emr::life::{Life, Millis, State};
use crate::emr::{Common, put_time, time};

/// Why an instance is no longer there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gone {
    /// The part was made smaller.
    Removed,
    /// EC2 took the spot instance back.
    Lost,
}

/// An EC2 instance.
#[derive(Debug)]
pub(crate) struct Instance {
    /// EMR's id.
    id: String,
    /// EC2's id.
    pub(crate) ec2: String,
    address: String,
    pub(crate) spot: bool,
    pub(crate) kind: String,
    asked: Millis,
    /// When it was there; nothing: when the cluster was.
    ready: Option<Millis>,
    /// When and why it went.
    pub(crate) gone: Option<(Millis, Gone)>,
}

impl Instance {
    /// An instance that is asked for.
    pub(crate) fn new(
        kind: &str,
        spot: bool,
        asked: Millis,
        ready: Option<Millis>,
        common: &mut Common,
    ) -> Self {
        let (ec2, address) = common.ec2();
        let id = common.id("ci");
        Self { id, ec2, address, spot, kind: kind.to_owned(), asked, ready, gone: None }
    }

    /// When it could be worked with.
    pub(crate) fn ready(&self, life: &Life) -> Option<Millis> {
        self.ready.or(life.ready())
    }

    /// When it was gone, by itself or with its cluster.
    pub(crate) fn ended(&self, life: &Life) -> Option<Millis> {
        let gone = self.gone.map(|(at, _)| at);
        gone.into_iter().chain(life.ended()).min()
    }

    fn is_gone(&self, life: &Life, now: Millis) -> bool {
        self.ended(life).is_some_and(|ended| ended <= now)
    }

    /// Whether it can be worked with.
    pub(crate) fn is_running(&self, life: &Life, now: Millis) -> bool {
        !self.is_gone(life, now) && self.ready(life).is_some_and(|ready| ready <= now)
    }

    /// Whether it is about to come or to go while its cluster is there.
    pub(crate) fn is_changing(&self, now: Millis) -> bool {
        match self.gone {
            Some((at, _)) => now < at,
            None => self.ready.is_some_and(|ready| now < ready),
        }
    }

    /// `InstanceState`.
    pub(crate) fn state(&self, life: &Life, now: Millis) -> &'static str {
        if self.is_gone(life, now) {
            "TERMINATED"
        } else if self.is_running(life, now) {
            "RUNNING"
        } else if self.ready.is_none() && life.has_been(State::Bootstrapping) {
            "BOOTSTRAPPING"
        } else {
            "PROVISIONING"
        }
    }

    fn reason(&self, life: &Life, now: Millis) -> Value {
        if !self.is_gone(life, now) {
            return json!({});
        }
        // The API reference has codes, and no texts.
        match self.gone.filter(|(at, _)| *at <= now) {
            None => json!({"Code": "CLUSTER_TERMINATED", "Message": "Instance was terminated."}),
            Some((_, Gone::Removed)) => json!({"Message": "Instance was terminated."}),
            // EC2's own words for it (EC2 API reference, StateReason).
            Some((_, Gone::Lost)) => json!({"Code": "INSTANCE_FAILURE",
                "Message": "Server.SpotInstanceTermination: Spot Instance termination"}),
        }
    }

    /// The name by which it is known in its network.
    pub(crate) fn private_name(&self, region: &str) -> String {
        format!("ip-{}.{region}.compute.internal", self.address.replace('.', "-"))
    }

    /// The `Instance` structure, but for the group or fleet.
    pub(crate) fn shown(&self, life: &Life, now: Millis, region: &str) -> Value {
        let mut timeline = json!({"CreationDateTime": time(self.asked)});
        put_time(&mut timeline, "ReadyDateTime", self.ready(life), now);
        put_time(&mut timeline, "EndDateTime", self.ended(life), now);
        let status = json!({"State": self.state(life, now), "StateChangeReason": self.reason(life, now),
            "Timeline": timeline});
        let mut shown = json!({"Id": self.id, "Ec2InstanceId": self.ec2, "PublicDnsName": "",
            "PrivateDnsName": self.private_name(region), "PrivateIpAddress": self.address, "Status": status,
            "Market": if self.spot { "SPOT" } else { "ON_DEMAND" }, "EbsVolumes": []});
        if !self.kind.is_empty() {
            shown["InstanceType"] = json!(self.kind);
        }
        shown
    }
}
