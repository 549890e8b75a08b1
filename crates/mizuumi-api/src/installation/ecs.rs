//! What the installation says of tasks of ECS: what they are run with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Installation, is_of};

/// What tasks of ECS are run with; none of it is a tenant's to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EcsProfile {
    /// Name of the cluster.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{1,100}$"))]
    pub cluster: String,
    /// Role that ECS pulls images, reads secrets and writes logs with.
    #[schemars(regex(pattern = r"^arn:[^:]*:[^:]*:[^:]*:[0-9]{12}:.*role/.+$"))]
    pub execution_role_arn: String,
    /// Role that the tasks work with.
    #[schemars(regex(pattern = r"^arn:[^:]*:[^:]*:[^:]*:[0-9]{12}:.*role/.+$"))]
    pub task_role_arn: String,
    /// Subnets to choose from.
    #[schemars(length(min = 1), inner(regex(pattern = "^subnet-")))]
    pub subnets: Vec<String>,
    /// Security groups; without any, the VPC's default one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(regex(pattern = "^sg-")))]
    pub security_groups: Vec<String>,
    /// Whether tasks get a public address, which those in a public subnet need to pull their image.
    #[serde(default)]
    pub assign_public_ip: bool,
    /// Group of CloudWatch Logs for what tasks say; it has to exist. Without it, it is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_group: Option<String>,
    /// Images that tasks may use; a final `*` stands for any ending.
    #[schemars(length(min = 1))]
    pub images: Vec<String>,
    /// Secrets of Secrets Manager that tasks may be given, by name; a final `*` stands for any ending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Between two looks at a task that is at work.
    #[serde(default = "twenty")]
    #[schemars(range(min = 1, max = 3_600))]
    pub poll_seconds: u32,
}

const fn twenty() -> u32 {
    20
}

impl EcsProfile {
    /// Whether tasks may use an image.
    #[must_use]
    pub fn allows_image(&self, image: &str) -> bool {
        self.images.iter().any(|pattern| is_of(pattern, image))
    }

    /// Whether tasks may be given a secret.
    #[must_use]
    pub fn allows_secret(&self, secret: &str) -> bool {
        self.secrets.iter().any(|pattern| is_of(pattern, secret))
    }

    fn problems(&self, path: &str, problems: &mut Vec<String>) {
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if !(1..=100).contains(&self.cluster.len()) || !self.cluster.bytes().all(is_name) {
            problems.push(format!(
                "{path}.cluster: must be a name of 1 to 100 letters, digits, '-' and '_'; it is '{}'",
                self.cluster
            ));
        }
        for (key, role) in
            [("executionRoleArn", &self.execution_role_arn), ("taskRoleArn", &self.task_role_arn)]
        {
            let account = role.split(':').nth(4).unwrap_or_default();
            let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
            if !role.starts_with("arn:") || !role.contains(":role/") || !is_account {
                problems.push(format!(
                    "{path}.{key}: must be the ARN of a role, such as 'arn:aws:iam::111122223333:role/ingest'; it is '{role}'"
                ));
            }
        }
        if self.subnets.is_empty() || self.subnets.iter().any(|subnet| !subnet.starts_with("subnet-")) {
            problems
                .push(format!("{path}.subnets: must list at least one subnet, such as 'subnet-0a1b2c3d'"));
        }
        if self.security_groups.iter().any(|group| !group.starts_with("sg-")) {
            problems.push(format!("{path}.securityGroups: must be ids, such as 'sg-0a1b2c3d'"));
        }
        if !(1..=3_600).contains(&self.poll_seconds) {
            problems.push(format!("{path}.pollSeconds: must be from 1 to 3600; it is {}", self.poll_seconds));
        }
        if self.images.is_empty() {
            problems.push(format!("{path}.images: must list at least one image, such as '{EXAMPLE}'"));
        }
    }
}

const EXAMPLE: &str = "111122223333.dkr.ecr.us-east-1.amazonaws.com/ingest/*";

pub(super) fn problems(installation: &Installation, problems: &mut Vec<String>) {
    for (name, profile) in &installation.profiles {
        if let Some(ecs) = &profile.ecs {
            ecs.problems(&format!("profiles.{name}.ecs"), problems);
        }
    }
}
