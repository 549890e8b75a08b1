//! The installation's configuration: what one controller may touch, how often it looks, how fast it calls.
//!
//! The platform team owns this file; no resource of a tenant can widen it. Unknown keys are errors, so that a
//! misspelt limit never goes unnoticed.

mod athena;
mod ecs;
mod emr;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use athena::AthenaProfile;
pub use ecs::EcsProfile;
pub use emr::{Clusters, EmrProfile, OrphanPolicy};

use crate::data_table::LinkTo;
use crate::duration::ShortDuration;

/// The configuration of one installation, `mizuumi.yaml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Installation {
    /// Name of this installation, unique among those that share an AWS account; a part of every owner key.
    #[schemars(regex(pattern = r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$"))]
    pub installation: String,
    /// Which AWS.
    pub aws: Aws,
    /// Which Kubernetes namespaces.
    #[serde(default)]
    pub kubernetes: Kubernetes,
    /// What may be touched.
    pub allow: Allow,
    /// Roles by the name that resources use. Without an entry `default`, the controller's own credentials are that profile.
    #[serde(default)]
    pub profiles: BTreeMap<String, Profile>,
    /// How often to look.
    #[serde(default)]
    pub intervals: Intervals,
    /// How fast to call.
    #[serde(default)]
    pub rates: Rates,
    /// How many resources may be deleted at once.
    #[serde(default)]
    pub deletions: Deletions,
    /// How discovered partitions count as complete when a resource does not say.
    #[serde(default)]
    pub partitions: PartitionDefaults,
    /// Names of the Glue table parameters that tell freshness.
    #[serde(default)]
    pub freshness_parameters: FreshnessParameters,
    /// Where crawlers write. Without it, no resource may have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crawlers: Option<Crawlers>,
    /// Where runs have shadow tables. Without it, no run may write to a table by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadows: Option<Shadows>,
    /// How EMR clusters are watched over.
    #[serde(default)]
    pub clusters: Clusters,
    /// Tables that runs may wait for and that no resource here keeps.
    #[serde(default)]
    pub upstreams: Upstreams,
}

/// Which AWS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Aws {
    /// Region of the catalog, such as `ap-northeast-1`.
    #[schemars(length(min = 1))]
    pub region: String,
    /// Endpoint of all services, for a local stand or a proxy. Without it, AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_url: Option<String>,
}

/// Which Kubernetes namespaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Kubernetes {
    /// Namespaces to watch; none means all.
    pub namespaces: Vec<String>,
    /// How many controllers share the namespaces out among them; each is told by `--shard` which of them it is.
    #[schemars(range(min = 1, max = 16))]
    pub shards: u16,
    /// How many objects of one kind are worked on at once.
    #[schemars(range(min = 1, max = 1_000))]
    pub concurrency: u16,
}

impl Default for Kubernetes {
    fn default() -> Self {
        Self { namespaces: Vec::new(), shards: 1, concurrency: 256 }
    }
}

impl Kubernetes {
    fn problems(&self, problems: &mut Vec<String>) {
        for (name, number, most) in [("shards", self.shards, 16), ("concurrency", self.concurrency, 1_000)] {
            if !(1..=most).contains(&number) {
                problems.push(format!("kubernetes.{name}: must be from 1 to {most}; it is {number}"));
            }
        }
    }
}

/// What may be touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Allow {
    /// Glue databases by name; a final `*` stands for any ending.
    #[schemars(length(min = 1), inner(regex(pattern = r"^[^A-Z*]+\*?$|^\*$")))]
    pub databases: Vec<String>,
    /// Where data may lie: `s3://bucket/` or `s3://bucket/prefix/`, each ending in `/`.
    #[schemars(length(min = 1), inner(regex(pattern = r"^s3://[^/]+/(.*/)?$")))]
    pub s3_prefixes: Vec<String>,
    /// What links may stand for. Without any, no resource may be a link.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<LinkTargets>,
}

/// Tables that links may stand for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LinkTargets {
    /// Account of the catalog; without it, that of the profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog_id: Option<String>,
    /// Glue database by name; a final `*` stands for any ending.
    pub database: String,
    /// Region; without it, the installation's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub region: Option<String>,
}

/// A role that works on AWS for the resources that name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Profile {
    /// Role to assume with the controller's own credentials; without it, those credentials themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^arn:.+:role/.+$"))]
    pub role_arn: Option<String>,
    /// External id that the role's trust policy asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Role that the crawlers of this profile's tables work with. Without it, they have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^arn:.+:role/.+$"))]
    pub crawler_role_arn: Option<String>,
    /// What EMR clusters of this profile are made with. Without it, it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emr: Option<EmrProfile>,
    /// What queries over this profile's tables run in. Without it, rules that need rows are not evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub athena: Option<AthenaProfile>,
    /// What Jobs of Kubernetes of this profile's runs work with. Without it, they have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<JobsProfile>,
    /// What tasks of ECS of this profile's runs are run with. Without it, they have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecs: Option<EcsProfile>,
}

/// What Jobs of Kubernetes work with; none of it is a tenant's to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobsProfile {
    /// ServiceAccount of the run's namespace that their pods work with. Its token is not mounted; a role of AWS comes by
    /// what the account is bound to.
    pub service_account: String,
    /// Images that they may use; a final `*` stands for any ending.
    pub images: Vec<String>,
}

impl JobsProfile {
    /// Whether Jobs may use an image.
    #[must_use]
    pub fn allows_image(&self, image: &str) -> bool {
        self.images.iter().any(|pattern| is_of(pattern, image))
    }
}

/// Tables that runs may wait for and that no resource here keeps: those of other installations, or of nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Upstreams {
    /// Their Glue databases by name; a final `*` stands for any ending. Without any, runs wait only for tables kept here.
    pub databases: Vec<String>,
    /// Between two looks at them.
    #[schemars(range(min = 1, max = 86_400))]
    pub poll_seconds: u32,
    /// Whether the times of tables without a mark of Mizuumi count as well.
    pub trust_foreign: bool,
}

impl Upstreams {
    fn problems(&self, problems: &mut Vec<String>) {
        if !(1..=86_400).contains(&self.poll_seconds) {
            problems
                .push(format!("upstreams.pollSeconds: must be from 1 to 86400; it is {}", self.poll_seconds));
        }
    }
}

impl Default for Upstreams {
    fn default() -> Self {
        Self { databases: Vec::new(), poll_seconds: 60, trust_foreign: false }
    }
}

/// What crawlers may do. They write tables as they understand them, so they have a database of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Crawlers {
    /// Glue database that crawlers write to; it has to exist, in the account of each profile that has crawlers. No resource
    /// may have a table there.
    pub database: String,
    /// The least time from one crawl of a table to the next, whatever the resource says.
    #[serde(default = "an_hour")]
    pub least_every: ShortDuration,
}

/// Where the shadow tables are that the work of runs writes to by name, with `output.mode: ShadowTable`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Shadows {
    /// Glue database that they are made in; it has to exist, in the account of each profile whose runs have them. No resource
    /// may have a table there.
    pub database: String,
}

fn an_hour() -> ShortDuration {
    ShortDuration("1h".to_owned())
}

/// How often to look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Intervals {
    /// Between two sweeps over a database's table definitions.
    #[schemars(range(min = 1, max = 86_400))]
    pub sweep_seconds: u32,
    /// At least so long between two looks for a table's new data, while some is expected.
    #[schemars(range(min = 1, max = 86_400))]
    pub data_seconds: u32,
    /// Between two looks at all of a table's partitions and directories.
    #[schemars(range(min = 1, max = 86_400))]
    pub audit_seconds: u32,
    /// First wait after a failure; doubled up to `retry_max_seconds`.
    #[schemars(range(min = 1, max = 86_400))]
    pub retry_seconds: u32,
    /// Longest wait after failures that time may mend, such as throttling.
    #[schemars(range(min = 1, max = 86_400))]
    pub retry_max_seconds: u32,
    /// Wait after failures that only a change mends, such as a denial.
    #[schemars(range(min = 1, max = 86_400))]
    pub blocked_seconds: u32,
}

impl Default for Intervals {
    fn default() -> Self {
        Self {
            sweep_seconds: 300,
            data_seconds: 300,
            audit_seconds: 21_600,
            retry_seconds: 5,
            retry_max_seconds: 300,
            blocked_seconds: 600,
        }
    }
}

/// How fast to call, in calls a second of each operation in each account and region. Where AWS publishes no rate it is
/// learnt: more while calls go well, less when AWS throttles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Rates {
    /// The part of an account's rates that this installation takes, in percent; less than 100 where several share one. Its shards
    /// divide it evenly.
    #[schemars(range(min = 1, max = 100))]
    pub share_percent: u32,
    /// Calls of each Glue operation, before anything is learnt.
    #[schemars(range(min = 1, max = 10_000))]
    pub glue_per_second: u32,
    /// The same at most.
    #[schemars(range(min = 1, max = 10_000))]
    pub glue_max_per_second: u32,
    /// S3 list calls, before anything is learnt.
    #[schemars(range(min = 1, max = 10_000))]
    pub s3_per_second: u32,
    /// The same at most.
    #[schemars(range(min = 1, max = 10_000))]
    pub s3_max_per_second: u32,
    /// Calls of any kind for looks at data, all operations together.
    #[schemars(range(min = 1, max = 10_000))]
    pub data_per_second: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            share_percent: 100,
            glue_per_second: 5,
            glue_max_per_second: 200,
            s3_per_second: 20,
            s3_max_per_second: 500,
            data_per_second: 10,
        }
    }
}

impl Rates {
    fn problems(&self, problems: &mut Vec<String>) {
        if !(1..=100).contains(&self.share_percent) {
            problems.push(format!("rates.sharePercent: must be from 1 to 100; it is {}", self.share_percent));
        }
        for (name, rate) in [
            ("gluePerSecond", self.glue_per_second),
            ("glueMaxPerSecond", self.glue_max_per_second),
            ("s3PerSecond", self.s3_per_second),
            ("s3MaxPerSecond", self.s3_max_per_second),
            ("dataPerSecond", self.data_per_second),
        ] {
            if !(1..=10_000).contains(&rate) {
                problems.push(format!("rates.{name}: must be from 1 to 10000; it is {rate}"));
            }
        }
        for (name, first, most) in [
            ("glue", self.glue_per_second, self.glue_max_per_second),
            ("s3", self.s3_per_second, self.s3_max_per_second),
        ] {
            if first > most {
                problems.push(format!("rates.{name}PerSecond: must not exceed rates.{name}MaxPerSecond"));
            }
        }
    }
}

/// What keeps a mistake in git from emptying the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Deletions {
    /// When more resources than this are deleted within `window_seconds`, the rest waits until somebody confirms. Each shard counts
    /// its own.
    #[schemars(range(min = 1))]
    pub hold_above: u32,
    /// Over which time deletions are counted together.
    #[schemars(range(min = 1, max = 86_400))]
    pub window_seconds: u32,
}

impl Default for Deletions {
    fn default() -> Self {
        Self { hold_above: 50, window_seconds: 600 }
    }
}

/// How discovered partitions count as complete when a resource does not say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PartitionDefaults {
    /// How long nothing may have been written to a directory.
    pub quiet_period: ShortDuration,
}

impl Default for PartitionDefaults {
    fn default() -> Self {
        Self { quiet_period: ShortDuration("10m".to_owned()) }
    }
}

/// Names of the Glue table parameters that tell freshness, for readers that know other names already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FreshnessParameters {
    /// When the newest data landed.
    pub loaded_at: String,
    /// The exclusive end of the data.
    pub data_time: String,
    /// When the table turns stale unless newer data comes.
    pub fresh_until: String,
}

impl Default for FreshnessParameters {
    fn default() -> Self {
        Self {
            loaded_at: "mizuumi.loaded_at".to_owned(),
            data_time: "mizuumi.data_time".to_owned(),
            fresh_until: "mizuumi.fresh_until".to_owned(),
        }
    }
}

/// The part of an owner key that tells installations apart: short, and safe in names and tags.
fn is_installation_id(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

impl Installation {
    /// Reads the configuration and checks it.
    ///
    /// # Errors
    /// Every problem at once: YAML that cannot be read, unknown keys, values out of bounds.
    pub fn from_yaml(text: &str) -> Result<Self, InvalidInstallation> {
        let installation: Self =
            serde_saphyr::from_str(text).map_err(|error| InvalidInstallation(vec![error.to_string()]))?;
        let problems = installation.problems();
        if problems.is_empty() { Ok(installation) } else { Err(InvalidInstallation(problems)) }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !is_installation_id(&self.installation) {
            problems.push(format!(
                "installation: must be 1 to 32 of a-z, 0-9 and '-', not at an end; it is '{}'",
                self.installation
            ));
        }
        if self.aws.region.is_empty() {
            problems.push("aws.region: must not be empty".to_owned());
        }
        if self.allow.databases.is_empty() {
            problems.push(
                "allow.databases: must list at least one database, such as 'sales' or 'sales_*'".to_owned(),
            );
        }
        let databases = self.allow.databases.iter().enumerate();
        let databases = databases.map(|(index, database)| (format!("allow.databases[{index}]"), database));
        let links = self.allow.links.iter().enumerate();
        let links = links.map(|(index, link)| (format!("allow.links[{index}].database"), &link.database));
        for (path, database) in databases.chain(links) {
            let stem = database.strip_suffix('*').unwrap_or(database);
            if database.is_empty() || stem.contains('*') || stem.chars().any(char::is_uppercase) {
                problems.push(format!(
                    "{path}: must be a lower-case name with '*' only as its last character; it is '{database}'"
                ));
            }
        }
        for (index, link) in self.allow.links.iter().enumerate() {
            let is_account = |text: &String| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
            if let Some(account) = link.catalog_id.as_ref().filter(|account| !is_account(account)) {
                problems.push(format!(
                    "allow.links[{index}].catalogId: must be the 12 digits of an account, in quotes; it is '{account}'"
                ));
            }
        }
        if self.allow.s3_prefixes.is_empty() {
            problems
                .push("allow.s3Prefixes: must list at least one prefix, such as 's3://my-lake/'".to_owned());
        }
        for (index, prefix) in self.allow.s3_prefixes.iter().enumerate() {
            let bucket =
                prefix.strip_prefix("s3://").and_then(|rest| rest.split_once('/')).map(|(bucket, _)| bucket);
            if !prefix.ends_with('/') || bucket.is_none_or(str::is_empty) {
                problems.push(format!(
                    "allow.s3Prefixes[{index}]: must begin with 's3://BUCKET/' and end with '/'; it is '{prefix}'"
                ));
            }
        }
        for (name, seconds) in [
            ("sweepSeconds", self.intervals.sweep_seconds),
            ("dataSeconds", self.intervals.data_seconds),
            ("auditSeconds", self.intervals.audit_seconds),
            ("retrySeconds", self.intervals.retry_seconds),
            ("retryMaxSeconds", self.intervals.retry_max_seconds),
            ("blockedSeconds", self.intervals.blocked_seconds),
        ] {
            if !(1..=86_400).contains(&seconds) {
                problems.push(format!("intervals.{name}: must be from 1 to 86400; it is {seconds}"));
            }
        }
        if self.intervals.retry_max_seconds < self.intervals.retry_seconds {
            problems
                .push("intervals.retryMaxSeconds: must not be less than intervals.retrySeconds".to_owned());
        }
        self.rates.problems(&mut problems);
        if self.deletions.hold_above == 0 {
            problems
                .push("deletions.holdAbove: must be at least 1; a single deletion is never held".to_owned());
        }
        if !(1..=86_400).contains(&self.deletions.window_seconds) {
            problems.push(format!(
                "deletions.windowSeconds: must be from 1 to 86400; it is {}",
                self.deletions.window_seconds
            ));
        }
        self.kubernetes.problems(&mut problems);
        if let Err(error) = self.partitions.quiet_period.length() {
            problems.push(format!("partitions.quietPeriod: {error}"));
        }
        self.upstreams.problems(&mut problems);
        self.problems_of_crawlers_and_shadows(&mut problems);
        athena::problems(self, &mut problems);
        ecs::problems(self, &mut problems);
        emr::problems(self, &mut problems);
        let keys = &self.freshness_parameters;
        let names = [&keys.loaded_at, &keys.data_time, &keys.fresh_until];
        if names.iter().any(|name| name.is_empty() || name.len() > 255)
            || names[0] == names[1]
            || names[1] == names[2]
            || names[0] == names[2]
        {
            problems
                .push("freshnessParameters: must be three different names of 1 to 255 characters".to_owned());
        }
        problems
    }

    fn problems_of_crawlers_and_shadows(&self, problems: &mut Vec<String>) {
        if let Some(shadows) = &self.shadows {
            self.problems_of_database("shadows", &shadows.database, problems);
        }
        for (name, profile) in &self.profiles {
            let Some(role) = &profile.crawler_role_arn else { continue };
            if !role.starts_with("arn:") || !role.contains(":role/") {
                problems.push(format!(
                    "profiles.{name}.crawlerRoleArn: must be the ARN of a role, such as \
                     'arn:aws:iam::111122223333:role/crawler'; it is '{role}'"
                ));
            }
        }
        let Some(crawlers) = &self.crawlers else { return };
        self.problems_of_database("crawlers", &crawlers.database, problems);
        if let Err(error) = crawlers.least_every.length() {
            problems.push(format!("crawlers.leastEvery: {error}"));
        }
    }

    /// A database that others write to, and no resource.
    fn problems_of_database(&self, whose: &str, database: &str, problems: &mut Vec<String>) {
        let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        if database.is_empty() || database.len() > 255 || !database.bytes().all(is_name) {
            problems.push(format!(
                "{whose}.database: must be a lower-case name of at most 255 characters; it is '{database}'"
            ));
        } else if self.allows_database(database) {
            problems.push(format!(
                "{whose}.database: must not be one that allow.databases lets resources write to; it is '{database}'"
            ));
        }
    }

    /// Whether resources may have tables in a database.
    #[must_use]
    pub fn allows_database(&self, database: &str) -> bool {
        self.allow.databases.iter().any(|pattern| is_of(pattern, database))
    }

    /// Whether runs may wait for tables of a database that no resource here keeps.
    #[must_use]
    pub fn allows_upstream(&self, database: &str) -> bool {
        self.upstreams.databases.iter().any(|pattern| is_of(pattern, database))
    }

    /// Whether a link may stand for a table.
    #[must_use]
    pub fn allows_link(&self, to: &LinkTo) -> bool {
        let region = |region: &Option<String>| region.clone().unwrap_or_else(|| self.aws.region.clone());
        self.allow.links.iter().any(|targets| {
            targets.catalog_id == to.catalog_id
                && region(&targets.region) == region(&to.region)
                && is_of(&targets.database, &to.database)
        })
    }

    /// The profile of that name; `default` is always there.
    #[must_use]
    pub fn profile(&self, name: &str) -> Option<Profile> {
        self.profiles.get(name).cloned().or_else(|| (name == DEFAULT_PROFILE).then(Profile::default))
    }
}

/// Whether a name is one of those that a pattern stands for.
fn is_of(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(stem) => name.starts_with(stem),
        None => name == pattern,
    }
}

/// The profile of resources that name none.
pub const DEFAULT_PROFILE: &str = "default";

/// What is wrong with a configuration: every problem, each with its path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the configuration cannot be used:\n{}", .0.iter().map(|p| format!("  - {p}")).collect::<Vec<_>>().join("\n"))]
pub struct InvalidInstallation(pub Vec<String>);

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str = "
installation: demo
aws: { region: us-east-1 }
allow: { databases: ['nyc_*'], s3Prefixes: ['s3://lake/'] }
";

    #[test]
    fn the_smallest_configuration_has_sensible_defaults() {
        let read = Installation::from_yaml(SMALLEST).expect("valid");
        assert_eq!(read.intervals, Intervals::default());
        assert_eq!(read.profile("default"), Some(Profile::default()));
        assert_eq!(read.profile("other"), None);
    }

    #[test]
    fn every_problem_is_told_with_its_path() {
        let bad = "
installation: Demo!
aws: { region: '' }
allow: { databases: ['a*b'], s3Prefixes: ['s3://lake', '/tmp/'] }
intervals: { sweepSeconds: 0, retrySeconds: 9, retryMaxSeconds: 3 }
rates: { sharePercent: 101, gluePerSecond: 0, s3PerSecond: 9, s3MaxPerSecond: 3 }
deletions: { holdAbove: 0 }
kubernetes: { concurrency: 0, shards: 0 }
partitions: { quietPeriod: 10 minutes }
freshnessParameters: { loadedAt: a, dataTime: a }
profiles: { default: { crawlerRoleArn: crawler, athena: { workgroup: a b }, emr: { serviceRole: '', instanceProfile: p, subnets: [], logUri: /tmp }, ecs: { cluster: '', executionRoleArn: role, taskRoleArn: 'arn:aws:iam:::role/x', subnets: [], securityGroups: [default], images: [] } } }
crawlers: { database: Crawls, leastEvery: often }
shadows: { database: '' }
clusters: { pollSeconds: 0, failuresPerDay: 11 }
";
        let InvalidInstallation(problems) = Installation::from_yaml(bad).expect_err("invalid");
        for path in [
            "installation:",
            "aws.region:",
            "allow.databases[0]:",
            "allow.s3Prefixes[0]:",
            "allow.s3Prefixes[1]:",
            "intervals.sweepSeconds:",
            "intervals.retryMaxSeconds:",
            "rates.sharePercent:",
            "rates.gluePerSecond:",
            "rates.s3PerSecond:",
            "deletions.holdAbove:",
            "kubernetes.concurrency:",
            "kubernetes.shards:",
            "partitions.quietPeriod:",
            "freshnessParameters:",
            "profiles.default.crawlerRoleArn:",
            "crawlers.database:",
            "crawlers.leastEvery:",
            "shadows.database:",
            "profiles.default.athena.workgroup:",
            "profiles.default.emr.serviceRole:",
            "profiles.default.emr.subnets:",
            "profiles.default.emr.logUri:",
            "profiles.default.ecs.cluster:",
            "profiles.default.ecs.executionRoleArn:",
            "profiles.default.ecs.taskRoleArn:",
            "profiles.default.ecs.subnets:",
            "profiles.default.ecs.securityGroups:",
            "profiles.default.ecs.images:",
            "clusters.pollSeconds:",
            "clusters.failuresPerDay:",
        ] {
            assert!(problems.iter().any(|p| p.starts_with(path)), "no problem at {path} in {problems:#?}");
        }
    }

    #[test]
    fn crawlers_and_shadows_are_where_no_resource_writes() {
        for whose in ["crawlers", "shadows"] {
            let text = format!("{SMALLEST}{whose}: {{ database: nyc_crawls }}\n");
            let InvalidInstallation(problems) =
                Installation::from_yaml(&text).expect_err("one database for both");
            assert!(problems[0].contains("must not be one that allow.databases"), "{problems:?}");
        }
        let text = format!("{SMALLEST}crawlers: {{ database: crawls }}\n");
        let crawlers = Installation::from_yaml(&text).expect("valid").crawlers.expect("crawlers");
        assert_eq!(crawlers.least_every, ShortDuration("1h".to_owned()));
    }

    #[test]
    fn links_stand_only_for_what_is_listed() {
        let text = SMALLEST.replace(
            "s3Prefixes: ['s3://lake/']",
            "s3Prefixes: ['s3://lake/'], links: [{ database: 'ref_*' }, { catalogId: '111122223333', database: sales, region: eu-west-1 }]",
        );
        let installation = Installation::from_yaml(&text).expect("valid");
        let allows = |catalog_id: Option<&str>, database: &str, region: Option<&str>| {
            installation.allows_link(&LinkTo {
                catalog_id: catalog_id.map(str::to_owned),
                database: database.to_owned(),
                table: "t".to_owned(),
                region: region.map(str::to_owned),
            })
        };
        assert!(allows(None, "ref_codes", None) && allows(None, "ref_codes", Some("us-east-1")));
        assert!(allows(Some("111122223333"), "sales", Some("eu-west-1")));
        assert!(!allows(None, "sales", None) && !allows(Some("111122223333"), "sales", None));
        assert!(
            !allows(Some("111122223333"), "ref_codes", None) && !allows(None, "ref_codes", Some("eu-west-1"))
        );
        let wrong = text.replace("'111122223333'", "abc").replace("'ref_*'", "'*ref'");
        let InvalidInstallation(problems) = Installation::from_yaml(&wrong).expect_err("invalid");
        assert!(
            problems[0].starts_with("allow.links[0].database")
                && problems[1].starts_with("allow.links[1].catalogId")
        );
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        let InvalidInstallation(problems) =
            Installation::from_yaml(&format!("{SMALLEST}intervalls: {{}}\n")).expect_err("unknown key");
        assert!(problems[0].contains("intervalls"), "{problems:?}");
    }
}
