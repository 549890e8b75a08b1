//! What the installation says of EMR clusters: what they are made with, and how they are watched over.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Installation;

/// What EMR clusters are made with; none of it is a tenant's to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EmrProfile {
    /// Role that EMR works with.
    #[schemars(length(min = 1))]
    pub service_role: String,
    /// Instance profile that the nodes work with.
    #[schemars(length(min = 1))]
    pub instance_profile: String,
    /// Subnets to choose from; with instance groups the first one is taken.
    #[schemars(length(min = 1), inner(regex(pattern = "^subnet-")))]
    pub subnets: Vec<String>,
    /// Where logs go: `s3://bucket/prefix/`, ending in `/`. Without it, there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^s3://[^/]+/(.*/)?$"))]
    pub log_uri: Option<String>,
    /// EC2 key pair for the nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_name: Option<String>,
    /// Security group of the master node; without it, EMR's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master_security_group: Option<String>,
    /// Security group of the other nodes; without it, EMR's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core_security_group: Option<String>,
    /// Security group by which EMR reaches nodes in a private subnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_access_security_group: Option<String>,
    /// Security configuration of EMR.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_configuration: Option<String>,
    /// Role that EMR scales with by a group's own policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_scaling_role: Option<String>,
}

/// What becomes of a cluster that bears this installation's mark and that no resource keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OrphanPolicy {
    /// It is told, and left alone.
    #[default]
    Report,
    /// It is terminated, unless it is protected from that.
    Terminate,
}

/// So many clusters that have ended are remembered in a status, and no more failures can be counted.
const MOST_FAILURES: u32 = 10;

/// How EMR clusters are watched over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Clusters {
    /// Between two looks at the list of clusters.
    #[schemars(range(min = 1, max = 86_400))]
    pub poll_seconds: u32,
    /// So long a cluster is looked for of which it is not known whether EMR made it, before another is asked for.
    #[schemars(range(min = 1, max = 86_400))]
    pub verify_seconds: u32,
    /// What becomes of a cluster that no resource keeps.
    pub orphans: OrphanPolicy,
    /// So old it has to be for that.
    #[schemars(range(min = 1, max = 86_400))]
    pub orphan_seconds: u32,
    /// After a cluster that ended with an error, another waits so long; twice as long after the next, and at most 60 times.
    #[schemars(range(min = 1, max = 86_400))]
    pub failure_pause_seconds: u32,
    /// So many clusters of a resource may end with errors within 24 hours, before no other is started.
    #[schemars(range(min = 1, max = 10))]
    pub failures_per_day: u32,
}

impl Default for Clusters {
    fn default() -> Self {
        Self {
            poll_seconds: 30,
            verify_seconds: 120,
            orphans: OrphanPolicy::Report,
            orphan_seconds: 600,
            failure_pause_seconds: 60,
            failures_per_day: MOST_FAILURES,
        }
    }
}

pub(super) fn problems(installation: &Installation, problems: &mut Vec<String>) {
    for (name, profile) in &installation.profiles {
        if let Some(emr) = &profile.emr {
            emr.problems(&format!("profiles.{name}.emr"), problems);
        }
    }
    installation.clusters.problems(problems);
}

impl EmrProfile {
    fn problems(&self, path: &str, problems: &mut Vec<String>) {
        for (key, value) in [("serviceRole", &self.service_role), ("instanceProfile", &self.instance_profile)]
        {
            if value.is_empty() {
                problems.push(format!("{path}.{key}: must not be empty"));
            }
        }
        if self.subnets.is_empty() || self.subnets.iter().any(|subnet| !subnet.starts_with("subnet-")) {
            problems
                .push(format!("{path}.subnets: must list at least one subnet, such as 'subnet-0a1b2c3d'"));
        }
        if let Some(uri) = &self.log_uri
            && !(uri.starts_with("s3://") && uri.ends_with('/'))
        {
            problems.push(format!(
                "{path}.logUri: must begin with 's3://BUCKET/' and end with '/'; it is '{uri}'"
            ));
        }
    }
}

impl Clusters {
    fn problems(&self, problems: &mut Vec<String>) {
        for (name, seconds) in [
            ("pollSeconds", self.poll_seconds),
            ("verifySeconds", self.verify_seconds),
            ("orphanSeconds", self.orphan_seconds),
            ("failurePauseSeconds", self.failure_pause_seconds),
        ] {
            if !(1..=86_400).contains(&seconds) {
                problems.push(format!("clusters.{name}: must be from 1 to 86400; it is {seconds}"));
            }
        }
        let failures = self.failures_per_day;
        if !(1..=MOST_FAILURES).contains(&failures) {
            problems.push(format!(
                "clusters.failuresPerDay: must be from 1 to {MOST_FAILURES}; it is {failures}"
            ));
        }
    }
}
