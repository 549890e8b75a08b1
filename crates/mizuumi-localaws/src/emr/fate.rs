//! What goes wrong with a cluster when a fault rule says so.

use serde_json::{Value, json};

use super::input::text;
use super::parts::When;
use super::{Cluster, Common};
use crate::faults::Action;

/// How a cluster ends before it can work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// A bootstrap action fails.
    Bootstrap,
    /// EC2 has no such instances.
    Capacity,
}

impl Fate {
    /// What a rule's action means for a cluster.
    pub(crate) fn of(action: Action) -> Option<Self> {
        match action {
            Action::BootstrapFailure => Some(Self::Bootstrap),
            Action::InsufficientCapacity => Some(Self::Capacity),
            _ => None,
        }
    }

    /// `ClusterStateChangeReasonCode`.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Bootstrap => "BOOTSTRAP_FAILURE",
            // The code of the error detail begins with it.
            Self::Capacity => "INTERNAL_ERROR",
        }
    }

    fn detail_code(self) -> &'static str {
        match self {
            Self::Bootstrap => "BOOTSTRAP_FAILURE_PRIMARY_WITH_NON_ZERO_CODE",
            Self::Capacity => "INTERNAL_ERROR_EC2_INSUFFICIENT_CAPACITY_AZ",
        }
    }

    /// The message of the state change.
    pub(super) fn message(self, cluster: &Cluster, region: &str) -> String {
        match self {
            // As seen in many reports of users.
            Self::Bootstrap => format!(
                "On the master instance ({}), bootstrap action 1 returned a non-zero return code",
                master(cluster)
            ),
            // The text is not documented; these are the words of EMR's event for it.
            Self::Capacity => format!(
                "Amazon EC2 has insufficient capacity for instance type {} in Availability Zone {}.",
                kind(cluster),
                zone(cluster, region)
            ),
        }
    }

    /// `ErrorDetails`. EMR Management Guide, "Error codes with ErrorDetail information": each code's page says which data there
    /// are.
    pub(super) fn details(self, cluster: &Cluster, region: &str) -> Value {
        let mut data = match self {
            Self::Bootstrap => {
                let script =
                    cluster.bootstrap_actions.first().and_then(|action| action["ScriptPath"].as_str());
                vec![
                    json!({"primary-instance-id": master(cluster)}),
                    json!({"bootstrap-action": "1"}),
                    json!({"return-code": "1"}),
                    json!({"amazon-s3-path": script.unwrap_or_default()}),
                ]
            }
            Self::Capacity => {
                vec![
                    json!({"instance-type": kind(cluster)}),
                    json!({"availability-zone": zone(cluster, region)}),
                ]
            }
        };
        let code = self.detail_code();
        let page = format!("https://docs.aws.amazon.com/emr/latest/ManagementGuide/{code}.html");
        data.push(json!({"public-doc": page}));
        json!([{"ErrorCode": code, "ErrorData": data, "ErrorMessage": self.message(cluster, region)}])
    }
}

fn master(cluster: &Cluster) -> &str {
    cluster.master().map_or("i-0", |instance| instance.ec2.as_str())
}

fn kind(cluster: &Cluster) -> &str {
    cluster.master().map_or("", |instance| instance.kind.as_str())
}

/// The zone that was asked for, or the region's first.
fn zone(cluster: &Cluster, region: &str) -> String {
    let attributes = cluster.record.get("Ec2InstanceAttributes").and_then(Value::as_object);
    let zone = attributes.and_then(|attributes| text(attributes, "Ec2AvailabilityZone"));
    zone.map_or_else(|| format!("{region}a"), str::to_owned)
}

/// Takes the spot instances away that are due to go by now, so long after the cluster was ready.
pub(super) fn lose_what_is_due(cluster: &mut Cluster, common: &mut Common, now: i64) {
    let Some(ready) = cluster.life.ready() else { return };
    let due = |after: &mut i64| ready.saturating_add(*after) <= now;
    for after in cluster.spot_losses.extract_if(.., due).collect::<Vec<_>>() {
        lose(cluster, common, ready + after);
    }
}

/// A spot instance is lost: of a task part, or of any other if no task part has one.
pub(super) fn lose(cluster: &mut Cluster, common: &mut Common, at: i64) {
    let Cluster { life, groups, fleets, .. } = cluster;
    let when = When { life, at };
    let mut parts: Vec<_> = groups.iter_mut().chain(fleets).collect();
    parts.sort_by_key(|part| part.role != "TASK");
    for part in parts {
        if part.lose_spot(when, common) {
            break;
        }
    }
}
