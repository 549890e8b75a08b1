//! What EMR is asked for: a whole cluster, as data.

use std::collections::BTreeMap;

use mizuumi_api::emr_cluster as api;
use serde::Serialize;

use super::canonical::canonical;
use crate::publication::sha256;

/// How much of the digest is written down.
const LENGTH: usize = 16;
/// How long spot instances are waited for where the spec does not say.
pub const SPOT_TIMEOUT_MINUTES: i32 = 20;

/// A cluster as EMR is asked for it, without its name and its marks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Request {
    /// What a running cluster cannot change.
    pub fixed: Fixed,
    /// What it can.
    pub running: Running,
}

/// What a running cluster cannot change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fixed {
    /// EMR release.
    pub release_label: String,
    /// Applications.
    pub applications: Vec<String>,
    /// Their settings.
    pub configurations: Vec<api::Configuration>,
    /// Scripts that run on each node.
    pub bootstrap_actions: Vec<api::BootstrapAction>,
    /// Groups of nodes, without what can change of them.
    pub groups: Vec<api::InstanceGroup>,
    /// Fleets of nodes, without what can change of them.
    pub fleets: Vec<api::InstanceFleet>,
    /// What it does, if it ends with that.
    pub steps: Vec<StepCall>,
    /// Role that EMR works with.
    pub service_role: String,
    /// Instance profile of the nodes.
    pub instance_profile: String,
    /// Subnets to choose from.
    pub subnets: Vec<String>,
    /// Where logs go.
    pub log_uri: Option<String>,
    /// EC2 key pair.
    pub key_name: Option<String>,
    /// Security group of the master node.
    pub master_security_group: Option<String>,
    /// Security group of the other nodes.
    pub core_security_group: Option<String>,
    /// Security group by which EMR reaches the nodes.
    pub service_access_security_group: Option<String>,
    /// Security configuration.
    pub security_configuration: Option<String>,
    /// Role that EMR scales with.
    pub auto_scaling_role: Option<String>,
}

/// What a running cluster can change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Running {
    /// How many instances each group has, by the group's name; none where EMR scales.
    pub counts: BTreeMap<String, i32>,
    /// Settings of groups, in the order of their names, by the group's name.
    pub configurations: BTreeMap<String, Vec<api::Configuration>>,
    /// How groups scale by rules of their own, every default filled in, by the group's name.
    pub auto_scaling: BTreeMap<String, api::AutoScaling>,
    /// How many units each fleet of core or task nodes has, by the fleet's name.
    pub targets: BTreeMap<String, Targets>,
    /// How EMR scales.
    pub managed_scaling: Option<Scaling>,
    /// After so many seconds without work it ends; none for one that ends with its steps.
    pub idle_seconds: Option<i64>,
    /// How many steps run at once.
    pub step_concurrency: i32,
    /// Whether it cannot be terminated.
    pub termination_protection: bool,
    /// Tags, without Mizuumi's marks.
    pub tags: BTreeMap<String, String>,
}

/// How many units a fleet has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Targets {
    /// On demand.
    pub on_demand: i32,
    /// As spot.
    pub spot: i32,
}

/// Between what bounds EMR scales; every default filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Scaling {
    /// What is counted, in EMR's word.
    pub unit: String,
    /// At least.
    pub min: i32,
    /// At most.
    pub max: i32,
    /// At most on demand.
    pub max_on_demand: i32,
    /// At most core.
    pub max_core: i32,
}

/// A step as EMR takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepCall {
    /// Its name.
    pub name: String,
    /// What happens when it fails, in EMR's word.
    pub on_failure: &'static str,
    /// The jar.
    pub jar: String,
    /// Its class.
    pub main_class: Option<String>,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its Java properties.
    pub properties: BTreeMap<String, String>,
}

impl Request {
    /// How many units a fleet has.
    #[must_use]
    pub fn targets(&self, fleet: &api::InstanceFleet) -> Targets {
        let own = Targets {
            on_demand: fleet.target_on_demand.unwrap_or_default(),
            spot: fleet.target_spot.unwrap_or_default(),
        };
        self.running.targets.get(&fleet.name).copied().unwrap_or(own)
    }

    /// A hash of what a running cluster cannot change, however that is said. It stands in the cluster's tags, so that another spec shows.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut hash = sha256(&serde_json::to_vec(&canonical(&self.fixed)).unwrap_or_default());
        hash.truncate(LENGTH);
        hash
    }
}

impl StepCall {
    /// The call that a step of the spec stands for.
    #[must_use]
    pub fn of(step: &api::Step, region: &str) -> Self {
        let args = step.args.clone().unwrap_or_default();
        let runner = || "command-runner.jar".to_owned();
        let with = |first: &[&str], then: &str| {
            let mut all: Vec<String> = first.iter().map(|word| (*word).to_owned()).collect();
            all.push(then.to_owned());
            all.extend(args.clone());
            all
        };
        let (jar, args) = if let Some(command) = &step.command {
            (runner(), command.clone())
        } else if let Some(application) = &step.spark {
            (runner(), with(&["spark-submit", "--deploy-mode", "cluster"], application))
        } else if let Some(file) = &step.spark_sql {
            (runner(), with(&["spark-sql", "-f"], file))
        } else if let Some(script) = &step.script {
            // Each region has EMR's script runner in a bucket of its own.
            let runner = format!("s3://{region}.elasticmapreduce/libs/script-runner/script-runner.jar");
            (runner, with(&[], script))
        } else {
            (step.jar.clone().unwrap_or_default(), args)
        };
        Self {
            name: step.name.clone(),
            on_failure: step.on_failure.unwrap_or(api::StepFailure::TerminateCluster).emr(),
            jar,
            main_class: step.main_class.clone(),
            args,
            properties: step.properties.clone().unwrap_or_default(),
        }
    }
}
