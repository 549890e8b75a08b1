//! What an `EmrCluster` asks for, put together from its class, its pieces and itself.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::condition::cut;
use mizuumi_api::data_table::ManagementPolicy;
use mizuumi_api::emr_cluster::{
    self as api, Attempt, EmrCluster, EmrClusterSpec, Lifecycle, OnSpecChange, PastCluster, Phase,
    RunStepStatus,
};
use mizuumi_api::emr_cluster_class::EmrClusterClassSpec;
use mizuumi_api::installation::{DEFAULT_PROFILE, EmrProfile};
use mizuumi_api::{EmrClusterClass, Installation, Reason, ShortDuration, annotation};

use super::configuration::Merged;
use super::network::NetworkRules;
use super::nodes::Nodes;
use super::report::LONGEST_REQUEST;
use super::request::{Fixed, Request, Running, StepCall};
use super::rules;
use super::run_steps::{self, AskedStep, Awaited};
use super::schedule::Window;
use super::world::ClusterLook;
use super::{ClusterKey, Clusters, Pieces, open_attempt};
use crate::ingest_run::own_cluster;
use crate::kind::Kind;
use crate::owner::OwnerKey;
use crate::problem::Problem;
use crate::publication::sha256;

/// How much of the owner's digest stands in a cluster's name.
const HASH: usize = 8;
/// EMR's bounds of the idle timeout (PutAutoTerminationPolicy).
const IDLE: (i64, i64) = (60, 7 * 24 * 3600);
/// After so long without work a cluster ends if nothing says otherwise.
const IDLE_DEFAULT: i64 = 3600;
/// Nodes are looked at every so many polls while some come or go.
const POLLS_OF_NODES: i32 = 4;

/// What is known of a resource's clusters beside its spec, and by which they are found in EMR.
#[derive(Clone, Debug)]
pub struct Called {
    /// The mark in the tags.
    pub owner: String,
    /// What the names of its clusters begin with.
    pub stem: String,
    /// Profile that reaches the cluster that there is, or may be.
    pub profile: Option<String>,
    /// The attempt that was made last.
    pub attempt: Option<Attempt>,
    /// The cluster that there was last.
    pub cluster_id: Option<String>,
    /// So long a cluster is looked for of which it is not known whether EMR made it.
    pub verify: SignedDuration,
    /// Between two looks.
    pub poll: SignedDuration,
    /// What is known of the steps that runs have asked for.
    pub runs: Vec<RunStepStatus>,
    /// Steps that runs ask for; none while the runs have not been listed.
    pub asked: Option<Vec<AskedStep>>,
    /// When it is needed beside that.
    pub needs: Vec<Awaited>,
}

/// When a cluster runs.
#[derive(Clone, Debug)]
pub enum Life {
    /// Once.
    Batch,
    /// Until then.
    Until(Option<Timestamp>),
    /// In that window.
    In(Box<Window>),
}

/// A cluster as the spec wants it.
#[derive(Clone, Debug)]
pub struct DesiredCluster {
    /// How its clusters are found.
    pub called: Called,
    /// When it runs.
    pub life: Life,
    /// What happens when a running cluster cannot change to it.
    pub on_spec_change: OnSpecChange,
    /// What it is made of, or why that cannot be said.
    pub made: Result<Made, (Reason, String)>,
    /// Whether the controller writes.
    pub may_write: bool,
    /// Whether it does not write for a while.
    pub is_suspended: bool,
    /// Whether it writes at all, or only plans.
    pub policy: ManagementPolicy,
    /// Whether it is one run's own, and ends with that run's work.
    pub is_of_run: bool,
    /// Where its only cluster ended, if it has.
    pub over: Option<Phase>,
    /// Clusters that have ended, the latest first.
    pub history: Vec<PastCluster>,
    /// What holds up another cluster after some that ended with errors.
    pub guard: Guard,
    profiles: BTreeMap<String, EmrProfile>,
    s3_prefixes: Vec<String>,
    region: String,
    max_age: Option<SignedDuration>,
    idle_seconds: Option<i64>,
}

/// What holds up another cluster after some that ended with errors.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    /// The pause after the first.
    pub pause: SignedDuration,
    /// So many are borne with in a day.
    pub per_day: usize,
    /// Somebody asks for another at once.
    pub is_lifted: bool,
}

/// What a cluster is made of.
#[derive(Clone, Debug)]
pub struct Made {
    /// Profile that it is made with.
    pub profile: String,
    /// What EMR is asked for.
    pub request: Request,
    /// So old it is ended.
    pub max_age: Option<SignedDuration>,
    /// Its settings, and where each comes from.
    pub settings: Merged,
    /// What its class asks of the network.
    pub network: Option<NetworkRules>,
}

/// A resource that lets go of its clusters.
#[derive(Clone, Debug)]
pub struct ClusterClaim {
    /// How its clusters are found.
    pub called: Called,
    /// Whether the controller writes.
    pub may_write: bool,
}

fn owner(installation: &str, key: &ClusterKey) -> OwnerKey {
    let owner = OwnerKey {
        installation: installation.to_owned(),
        namespace: key.namespace.clone(),
        kind: "EmrCluster",
        name: key.name.clone(),
        external: String::new(),
    };
    let mut hash = sha256(owner.to_string().as_bytes());
    hash.truncate(HASH);
    // EMR's names are no identity and a tag holds 256 characters: the part of the name that no other resource has will do.
    OwnerKey { external: hash, ..owner }
}

/// What the names of a resource's clusters begin with; the attempt follows.
#[must_use]
pub fn stem(installation: &str, key: &ClusterKey) -> String {
    format!("{installation}-{}-{}-", key.name, owner(installation, key).external)
}

impl Called {
    fn new(object: &EmrCluster, installation: &Installation) -> Self {
        let key = Clusters::key(object);
        let owner = owner(&installation.installation, &key);
        let stem = stem(&installation.installation, &key);
        let status = object.status.as_ref();
        let seconds = |count: u32| SignedDuration::from_secs(count.into());
        Self {
            owner: owner.to_string(),
            stem,
            profile: open_attempt(object).map(|attempt| attempt.profile.clone()),
            attempt: status.and_then(|status| status.attempt.clone()),
            cluster_id: status.and_then(|status| status.cluster_id.clone()),
            verify: seconds(installation.clusters.verify_seconds),
            poll: seconds(installation.clusters.poll_seconds),
            runs: status.map(|status| status.runs.clone()).unwrap_or_default(),
            asked: None,
            needs: Vec::new(),
        }
    }

    /// What has to be looked at, by the profile of the cluster that may be there, or by that of the next.
    fn look(&self, next: Option<&str>) -> ClusterLook {
        let profile = self.profile.as_deref().or(next).unwrap_or(DEFAULT_PROFILE);
        ClusterLook {
            profile: profile.to_owned(),
            stem: self.stem.clone(),
            attempt: self
                .attempt
                .as_ref()
                .filter(|attempt| attempt.state == api::AttemptState::Open)
                .map(|attempt| (attempt.nonce.clone(), attempt.started_at)),
            cluster_id: self.cluster_id.clone(),
            subnets: Vec::new(),
            run_steps: run_steps::look(self),
            resizing: self.between_looks_at_nodes(),
        }
    }

    /// Between two looks at a cluster that gets or loses nodes. It may never get them, and a description takes a good part of what
    /// EMR allows.
    pub(super) fn between_looks_at_nodes(&self) -> SignedDuration {
        self.poll.checked_mul(POLLS_OF_NODES).unwrap_or(SignedDuration::MAX)
    }
}

impl Guard {
    fn new(object: &EmrCluster, installation: &Installation) -> Self {
        let clusters = &installation.clusters;
        let annotations = object.metadata.annotations.as_ref();
        let asked = annotations.and_then(|all| all.get(annotation::REQUESTED_AT));
        let asked = asked.map(|asked| cut(asked, LONGEST_REQUEST));
        let handled = object.status.as_ref().and_then(|status| status.last_handled_reconcile_at.clone());
        Self {
            pause: SignedDuration::from_secs(clusters.failure_pause_seconds.into()),
            per_day: usize::try_from(clusters.failures_per_day).unwrap_or(usize::MAX),
            is_lifted: asked.is_some() && asked != handled,
        }
    }
}

impl ClusterClaim {
    pub(super) fn new(object: &EmrCluster, installation: &Installation) -> Self {
        let called = Called::new(object, installation);
        // A profile that is gone from the configuration reaches nothing, and the object goes all the same.
        let is_known = called.profile.as_ref().is_none_or(|name| installation.profile(name).is_some());
        let may_write = object.spec.management_policy == ManagementPolicy::Full && is_known;
        Self { called, may_write }
    }

    pub(super) fn heed(&mut self, around: &Pieces) {
        self.called.asked.clone_from(&around.asked);
        if self.called.profile.is_none()
            && let Some(class) = &around.class
        {
            self.called.profile = Some(profile_of(&class.spec).to_owned());
        }
    }

    /// What has to be looked at.
    #[must_use]
    pub fn look(&self) -> ClusterLook {
        self.called.look(None)
    }
}

fn profile_of(class: &EmrClusterClassSpec) -> &str {
    class.profile.as_deref().unwrap_or(DEFAULT_PROFILE)
}

impl DesiredCluster {
    pub(super) fn new(object: &EmrCluster, installation: &Installation) -> Result<Self, Vec<Problem>> {
        let spec = &object.spec;
        let mut problems = Vec::new();
        let idle_seconds = length(spec.idle_timeout.as_ref(), "spec.idleTimeout", &mut problems);
        let max_age = length(spec.max_age.as_ref(), "spec.maxAge", &mut problems);
        let life = match (spec.lifecycle, &spec.schedule) {
            (Lifecycle::Batch, _) => Life::Batch,
            (Lifecycle::WhenNeeded, _) => Life::Until(needed_until(object, &mut problems)),
            (Lifecycle::Scheduled, Some(schedule)) => match Window::new(schedule) {
                Ok(window) => Life::In(Box::new(window)),
                Err(more) => {
                    problems.extend(more);
                    Life::Until(None)
                }
            },
            // Only an API server without the definition's rules lets it in.
            (Lifecycle::Scheduled, None) => {
                problems
                    .push(Problem::invalid("spec.schedule", "must be set when `lifecycle` is 'Scheduled'"));
                Life::Until(None)
            }
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        let status = object.status.as_ref();
        let phase = status.and_then(|status| status.phase);
        Ok(Self {
            called: Called::new(object, installation),
            life,
            on_spec_change: spec.on_spec_change,
            made: Err((Reason::ClassNotFound, "its class has not been looked for".to_owned())),
            may_write: spec.management_policy == ManagementPolicy::Full && !spec.suspend,
            is_suspended: spec.suspend,
            policy: spec.management_policy,
            is_of_run: own_cluster::is_one(object),
            over: phase.filter(|phase| {
                spec.lifecycle == Lifecycle::Batch && matches!(phase, Phase::Completed | Phase::Failed)
            }),
            history: status.map(|status| status.history.clone()).unwrap_or_default(),
            guard: Guard::new(object, installation),
            profiles: std::iter::once((DEFAULT_PROFILE.to_owned(), None))
                .chain(
                    installation.profiles.iter().map(|(name, profile)| (name.clone(), profile.emr.clone())),
                )
                .filter_map(|(name, emr)| Some((name, emr?)))
                .collect(),
            s3_prefixes: installation.allow.s3_prefixes.clone(),
            region: installation.aws.region.clone(),
            max_age,
            idle_seconds: idle_seconds.map(|length| length.as_secs()),
        })
    }

    /// What has to be looked at.
    #[must_use]
    pub fn look(&self) -> ClusterLook {
        let made = self.made.as_ref().ok();
        let subnets = made.and_then(|made| made.network.as_ref()).map(|rules| rules.subnets.clone());
        let look = self.called.look(made.map(|made| made.profile.as_str()));
        ClusterLook { subnets: subnets.unwrap_or_default(), ..look }
    }

    /// Puts the cluster together.
    pub(super) fn build(&mut self, object: &EmrCluster, pieces: &Pieces) {
        self.called.asked.clone_from(&pieces.asked);
        self.called.needs.clone_from(&pieces.needs);
        self.made = self.put_together(object, pieces);
    }

    /// Scripts that run as root on each node lie where the installation allows.
    fn check_scripts(&self, spec: &EmrClusterSpec) -> Result<(), (Reason, String)> {
        let is_allowed = |path: &str| self.s3_prefixes.iter().any(|prefix| path.starts_with(prefix.as_str()));
        let mut scripts = spec.bootstrap_actions.iter().flatten().enumerate();
        let Some((index, action)) = scripts.find(|(_, action)| !is_allowed(&action.path)) else {
            return Ok(());
        };
        let message = format!(
            "spec.bootstrapActions[{index}].path: must lie under one of {}; it is '{}'",
            self.s3_prefixes.join(", "),
            action.path
        );
        Err((Reason::NotAllowed, message))
    }

    fn put_together(&self, object: &EmrCluster, pieces: &Pieces) -> Result<Made, (Reason, String)> {
        let spec = &object.spec;
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        let class = class_of(spec, namespace, pieces)?;
        let profile = profile_of(class);
        let emr = self.profiles.get(profile).ok_or_else(|| {
            let message = format!(
                "class '{}' is of profile '{profile}', which has no `emr` in the installation's configuration; ask the \
                 platform team",
                spec.class_name
            );
            (Reason::NotAllowed, message)
        })?;
        self.check_scripts(spec)?;
        let settings = Merged::of(spec, class, pieces)?;
        let mut problems = Vec::new();
        let defaults = &class.defaults;
        let class_idle = length(defaults.idle_timeout.as_ref(), "class.defaults.idleTimeout", &mut problems);
        let class_age = length(defaults.max_age.as_ref(), "class.defaults.maxAge", &mut problems);
        let max_age = self.max_age.or(class_age);
        let is_batch = matches!(self.life, Life::Batch);
        let idle = self.idle_seconds.or(class_idle.map(|length| length.as_secs())).unwrap_or(IDLE_DEFAULT);
        if !(IDLE.0..=IDLE.1).contains(&idle) {
            problems
                .push(Problem::invalid("spec.idleTimeout", format!("must be from 1m to 7d; it is {idle} s")));
        }
        let release = spec.release_label.clone().or(defaults.release_label.clone()).unwrap_or_else(|| {
            problems.push(Problem::invalid("spec.releaseLabel", "must be set, since the class has none"));
            String::new()
        });
        let ends_itself = has_auto_termination(&release);
        if !is_batch && !ends_itself && max_age.is_none() && !release.is_empty() {
            problems.push(Problem::invalid(
                "spec.maxAge",
                format!("must be set: {release} does not end idle clusters by itself (5.30 and 6.1 are the first that do)"),
            ));
        }
        let nodes = Nodes::new(spec, class, &release, &mut problems);
        if !nodes.auto_scaling.is_empty() && emr.auto_scaling_role.is_none() {
            let message = format!(
                "spec.instanceGroups: `autoScaling` needs a role, and profile '{profile}' of the installation's \
                 configuration has no `autoScalingRole`; ask the platform team"
            );
            return Err((Reason::NotAllowed, message));
        }
        let tags = [defaults.tags.as_ref(), spec.tags.as_ref(), class.mandatory.tags.as_ref()];
        let request = Request {
            running: Running {
                managed_scaling: nodes.managed_scaling(spec, class),
                counts: nodes.counts,
                configurations: nodes.configurations,
                auto_scaling: nodes.auto_scaling,
                targets: nodes.targets,
                idle_seconds: (!is_batch && ends_itself).then_some(idle),
                step_concurrency: spec.step_concurrency.or(defaults.step_concurrency).unwrap_or(1),
                termination_protection: spec.termination_protection.unwrap_or_default(),
                tags: tags.into_iter().flatten().flat_map(Clone::clone).collect(),
            },
            fixed: Fixed {
                release_label: release,
                applications: spec.applications.clone().or(defaults.applications.clone()).unwrap_or_default(),
                configurations: settings.configurations(),
                bootstrap_actions: [
                    class.mandatory.bootstrap_actions.as_ref(),
                    spec.bootstrap_actions.as_ref(),
                ]
                .into_iter()
                .flatten()
                .flat_map(Clone::clone)
                .collect(),
                groups: nodes.groups,
                fleets: nodes.fleets,
                steps: spec.steps.iter().flatten().map(|step| StepCall::of(step, &self.region)).collect(),
                service_role: emr.service_role.clone(),
                instance_profile: emr.instance_profile.clone(),
                subnets: emr.subnets.clone(),
                log_uri: emr.log_uri.clone(),
                key_name: emr.key_name.clone(),
                master_security_group: emr.master_security_group.clone(),
                core_security_group: emr.core_security_group.clone(),
                service_access_security_group: emr.service_access_security_group.clone(),
                security_configuration: emr.security_configuration.clone(),
                auto_scaling_role: emr.auto_scaling_role.clone(),
            },
        };
        let told = |problems: Vec<String>| problems.join("; ");
        if !problems.is_empty() {
            return Err((Reason::SpecInvalid, told(problems.iter().map(ToString::to_string).collect())));
        }
        let broken = rules::broken(&class.rules, &request, max_age);
        if !broken.is_empty() {
            return Err((
                Reason::RuleBroken,
                format!("class '{}' does not allow it: {}", spec.class_name, told(broken)),
            ));
        }
        let network = NetworkRules::new(&spec.class_name, &class.rules, &request);
        Ok(Made { profile: profile.to_owned(), request, max_age, settings, network })
    }
}

fn length(text: Option<&ShortDuration>, path: &str, problems: &mut Vec<Problem>) -> Option<SignedDuration> {
    text?.length().map_err(|error| problems.push(Problem::invalid(path, error.to_string()))).ok()
}

fn needed_until(object: &EmrCluster, problems: &mut Vec<Problem>) -> Option<Timestamp> {
    let text = object.metadata.annotations.as_ref()?.get(annotation::NEEDED_UNTIL)?;
    text.parse()
        .map_err(|_| {
            problems.push(Problem::invalid(
                format!("metadata.annotations['{}']", annotation::NEEDED_UNTIL),
                format!("must be a time such as '2026-11-26T18:00:00Z'; it is '{text}'"),
            ));
        })
        .ok()
}

/// The class that a cluster of this namespace names.
pub(super) fn class_of<'a>(
    spec: &EmrClusterSpec,
    namespace: &str,
    pieces: &'a Pieces,
) -> Result<&'a EmrClusterClassSpec, (Reason, String)> {
    let name = &spec.class_name;
    let none = |why: String| (Reason::ClassNotFound, why);
    let class: &EmrClusterClass = pieces.class.as_deref().ok_or_else(|| {
        none(format!("there is no EmrClusterClass '{name}'; the cluster follows by itself once there is"))
    })?;
    let is_allowed = class.spec.allowed_namespaces.iter().any(|pattern| rules::fits(pattern, namespace));
    if !is_allowed {
        return Err(none(format!(
            "EmrClusterClass '{name}' is not for namespace '{namespace}'; ask the platform team"
        )));
    }
    Ok(&class.spec)
}

/// The first two numbers of a release.
pub(super) fn version(release: &str) -> (u32, u32) {
    let mut numbers =
        release.trim_start_matches("emr-").split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Whether EMR of that release ends idle clusters: 5.30.0 is the first of its line, 6.1.0 of the next.
fn has_auto_termination(release: &str) -> bool {
    let version = version(release);
    (version >= (5, 30) && version.0 == 5) || version >= (6, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_that_end_idle_clusters_are_known() {
        for (release, has) in [
            ("emr-5.29.0", false),
            ("emr-5.30.0", true),
            ("emr-5.36.2", true),
            ("emr-6.0.0", false),
            ("emr-6.1.0", true),
            ("emr-7.5.0", true),
        ] {
            assert_eq!(has_auto_termination(release), has, "{release}");
        }
    }
}
