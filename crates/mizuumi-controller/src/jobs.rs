//! Jobs of Kubernetes that do the work of runs: created, looked at, deleted; and runs woken when one changes.

use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{
    Container, EnvVar, EnvVarSource, PodSpec, PodTemplateSpec, ResourceRequirements, SecretKeySelector,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use mizuumi_api::ingest_run::Variable;
use mizuumi_api::{EmrCluster, FIELD_MANAGER, IngestRun, label};
use mizuumi_aws::RunPort;
use mizuumi_core::ingest_run::exit_code::FINAL;
use mizuumi_core::ingest_run::work::{JobRequest, SeenJob};
use mizuumi_core::ingest_run::world::JobLook;
use mizuumi_core::ingest_run::{RunKey, RunLook, RunStep, RunWorld, Runs, own_cluster};
use mizuumi_core::{Ask, Class, Errand, Failure, Lane, Port};
use tracing::warn;

use crate::error::{Error, gone_or, in_time};
use crate::name::Name;
use crate::queue::Queue;
use crate::run_steps::RunSteps;
use crate::watch::Scope;
use crate::workers::chain;

/// So long a Job is there after its end, for people to look at.
const TTL_SECONDS: i32 = 86_400;
/// The longest time that a Job of Kubernetes can be given, in seconds.
const LONGEST_SECONDS: i64 = i32::MAX as i64;

/// Creating a Job, as failures call it.
const CREATE: &str = "kubernetes:CreateJob";
/// Looking at one.
const GET: &str = "kubernetes:GetJob";
/// Creating a run's own cluster.
const CREATE_CLUSTER: &str = "kubernetes:CreateCluster";

/// AWS and Kubernetes as the run driver sees them.
pub(crate) struct WorkPort {
    aws: RunPort,
    client: Client,
    run_steps: Arc<RunSteps>,
}

impl WorkPort {
    pub(crate) fn new(aws: RunPort, client: Client, run_steps: Arc<RunSteps>) -> Self {
        Self { aws, client, run_steps }
    }

    fn jobs(&self, namespace: &str) -> Api<Job> {
        Api::namespaced(self.client.clone(), namespace)
    }

    async fn look(&self, look: &JobLook) -> Result<SeenJob, Failure> {
        let get = self.jobs(&look.namespace);
        let job = in_time(get.get_opt(&look.name), Error::Job).await.map_err(|error| error.failure(GET))?;
        Ok(job.map_or(SeenJob::Missing, |job| seen(&job, &look.uid)))
    }

    async fn create(&self, request: &JobRequest) -> Result<(), Failure> {
        let jobs = self.jobs(&request.namespace);
        let made = in_time(jobs.create(&PostParams::default(), &job(request)), Error::Job).await;
        match made {
            Ok(_) => Ok(()),
            // Its name is this attempt's alone: it is the one that was asked for before. The next look tells whose it is.
            Err(Error::Job(source)) if matches!(source.as_ref(), kube::Error::Api(answer) if answer.is_already_exists()) => {
                Ok(())
            }
            Err(error) => Err(error.failure(CREATE)),
        }
    }

    /// Creates a run's own cluster. One of that name that is there and the run's is that cluster: it was made before, and the answer
    /// was lost.
    async fn create_cluster(&self, key: &RunKey, cluster: &EmrCluster) -> Result<(), Failure> {
        let clusters: Api<EmrCluster> = Api::namespaced(self.client.clone(), &key.namespace);
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let made = match in_time(clusters.create(&params, cluster), Error::CreateCluster).await {
            Ok(made) => made,
            Err(error) if error.is_already_there() => {
                let there = in_time(clusters.get_opt(&cluster.name_any()), Error::ReadObject).await;
                let there = there.map_err(|error| error.failure(CREATE_CLUSTER))?;
                let uid =
                    cluster.owner_references().first().map(|owner| owner.uid.clone()).unwrap_or_default();
                let Some(there) = there.filter(|there| own_cluster::is_of(there, &uid)) else {
                    let name = cluster.name_any();
                    let message =
                        format!("an EmrCluster '{name}' is there, and it is not this run's: delete that");
                    return Err(Failure { message, ..error.failure(CREATE_CLUSTER) });
                };
                there
            }
            Err(error) => return Err(error.failure(CREATE_CLUSTER)),
        };
        // The watch is a moment behind.
        self.run_steps.cluster_brought(&Name::of(&made), Some(&made));
        Ok(())
    }

    async fn delete(&self, namespace: &str, name: &str, uid: &str) -> Result<(), Failure> {
        let jobs = self.jobs(namespace);
        let job = in_time(jobs.get_opt(name), Error::Job).await.map_err(|error| error.failure(GET))?;
        let Some(job) = job.filter(|job| is_of(job, uid)) else { return Ok(()) };
        let of = Preconditions { uid: job.uid(), resource_version: None };
        let params = DeleteParams::background().preconditions(of);
        let deleted = in_time(jobs.delete(name, &params), Error::Job).await;
        gone_or(deleted).map_err(|error| error.failure("kubernetes:DeleteJob"))
    }

    async fn delete_run(&self, key: &RunKey, uid: &str) -> Result<(), Failure> {
        let runs: Api<IngestRun> = Api::namespaced(self.client.clone(), &key.namespace);
        let of = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
        let params = DeleteParams::background().preconditions(of);
        let deleted = in_time(runs.delete(&key.name, &params), Error::Job).await;
        gone_or(deleted).map_err(|error| error.failure("kubernetes:DeleteRun"))
    }
}

impl Port<Runs> for WorkPort {
    async fn observe(&self, key: &RunKey, look: &RunLook, ask: Ask) -> Result<RunWorld, Failure> {
        let world = self.aws.observe(key, look, ask).await?;
        let job = match &look.job {
            Some(job) => Some(self.look(job).await?),
            None => None,
        };
        Ok(RunWorld { job, ..world })
    }

    async fn execute(&self, key: &RunKey, step: &RunStep, errand: Errand<'_>) -> Result<(), Failure> {
        match step {
            RunStep::CreateJob { .. } | RunStep::CreateCluster { .. } if !errand.still.holds().await => Err(
                Failure::new(CREATE, Class::Conflict, "the run has changed meanwhile; nothing was created"),
            ),
            RunStep::CreateJob { job, trace, .. } => {
                self.aws.leave(trace, errand).await?;
                self.create(job).await
            }
            RunStep::CreateCluster { cluster } => self.create_cluster(key, cluster).await,
            RunStep::DeleteJob { namespace, name, uid } => self.delete(namespace, name, uid).await,
            RunStep::DeleteRun { uid } => self.delete_run(key, uid).await,
            // Asking a cluster is the record that was written before.
            RunStep::AskCluster { trace, .. } => self.aws.leave(trace, errand).await,
            RunStep::RunTask { .. }
            | RunStep::StopTask { .. }
            | RunStep::WriteManifest { .. }
            | RunStep::WriteResult { .. }
            | RunStep::CreateShadow { .. }
            | RunStep::CreateAudit { .. }
            | RunStep::FillAudit { .. }
            | RunStep::StartQuery { .. }
            | RunStep::StopQuery(_)
            | RunStep::DeleteShadow { .. } => self.aws.execute(key, step, errand).await,
        }
    }

    fn expect(&self, keys: Vec<RunKey>) {
        self.aws.expect(keys);
    }

    fn forget(&self, key: &RunKey) {
        self.aws.forget(key);
    }
}

/// Watches the Jobs of a scope for ever, and wakes the runs that they work for.
pub(crate) async fn watch(scope: Scope, run_queue: Arc<Queue>) {
    let config = watcher::Config::default().labels(label::RUN);
    let mut events = watcher(scope.api::<PartialObjectMeta<Job>>(), config).default_backoff().boxed();
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::InitApply(job) | watcher::Event::Apply(job) | watcher::Event::Delete(job)) => {
                if let Some(run) = run_of(&job).filter(|_| scope.takes(&job)) {
                    run_queue.push(&run, Lane::Progress);
                }
            }
            Ok(watcher::Event::Init | watcher::Event::InitDone) => {}
            Err(error) => warn!(error = %chain(&error), "the watch of Jobs was interrupted"),
        }
    }
}

fn run_of(job: &PartialObjectMeta<Job>) -> Option<Name> {
    let run = job.labels().get(label::RUN)?;
    Some(Name { namespace: job.namespace()?.as_str().into(), name: run.as_str().into() })
}

fn is_of(job: &Job, uid: &str) -> bool {
    job.owner_references().iter().any(|owner| owner.uid == uid)
}

/// A Job as it was seen.
fn seen(job: &Job, uid: &str) -> SeenJob {
    if !is_of(job, uid) {
        return SeenJob::Foreign;
    }
    let status = job.status.clone().unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let is_true = |type_: &str| conditions.iter().find(|c| c.type_ == type_ && c.status == "True");
    if is_true("Complete").is_some() {
        return SeenJob::Complete;
    }
    if let Some(failed) = is_true("Failed") {
        let reason = failed.reason.as_deref().unwrap_or("Failed");
        let message = failed.message.as_deref().unwrap_or_default();
        // Two rules of the policy: the pod was taken away from it, or the container ended with a final code.
        let exit_code = exit_code(message).filter(|_| reason == "PodFailurePolicy");
        let was_lost = reason == "PodFailurePolicy" && exit_code.is_none();
        return SeenJob::Failed { message: format!("{reason}: {message}"), was_lost, exit_code };
    }
    let count = |count: Option<i32>| count.unwrap_or_default();
    let message = match (count(status.active), count(status.ready)) {
        _ if job.metadata.deletion_timestamp.is_some() => "it is being deleted".to_owned(),
        (0, _) => "it has no pod yet".to_owned(),
        (_, 0) => "its pod is not running yet".to_owned(),
        _ => "its pod runs".to_owned(),
    };
    SeenJob::Active { message }
}

/// The exit code in what Kubernetes says of the rule by which a Job failed: "Container work for pod team-a/r-1-x failed with exit code
/// 77 matching FailJob rule at index 1".
fn exit_code(message: &str) -> Option<i32> {
    let (_, after) = message.split_once("failed with exit code ")?;
    after.split_whitespace().next()?.parse().ok()
}

/// The Job that was asked for. One pod, once: whether it is done again is the run's to say, in a directory of its own.
fn job(request: &JobRequest) -> Job {
    let labels = [(label::RUN.to_owned(), request.run.clone())];
    let owner = OwnerReference {
        api_version: IngestRun::api_version(&()).into_owned(),
        kind: IngestRun::kind(&()).into_owned(),
        name: request.run.clone(),
        uid: request.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    };
    // By itself a failed pod fails the Job as well; the rule has Kubernetes tell the code.
    let is_final = PodFailurePolicyRule {
        action: "FailJob".to_owned(),
        on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
            container_name: Some("work".to_owned()),
            operator: "In".to_owned(),
            values: FINAL.iter().map(|(code, _)| *code).collect(),
        }),
        ..PodFailurePolicyRule::default()
    };
    let taken_away = PodFailurePolicyRule {
        action: "FailJob".to_owned(),
        on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
            type_: "DisruptionTarget".to_owned(),
            status: Some("True".to_owned()),
        }]),
        ..PodFailurePolicyRule::default()
    };
    let quantities = || {
        let all = request.resources.iter();
        Some(all.map(|(name, quantity)| (name.clone(), Quantity(quantity.clone()))).collect())
    };
    let container = Container {
        name: "work".to_owned(),
        image: Some(request.image.clone()),
        command: Some(request.command.clone()).filter(|command| !command.is_empty()),
        args: Some(request.args.clone()).filter(|args| !args.is_empty()),
        env: Some(request.env.iter().map(variable).collect()),
        resources: (!request.resources.is_empty()).then(|| ResourceRequirements {
            limits: quantities(),
            requests: quantities(),
            ..ResourceRequirements::default()
        }),
        ..Container::default()
    };
    let pod = PodSpec {
        containers: vec![container],
        restart_policy: Some("Never".to_owned()),
        service_account_name: Some(request.service_account.clone()),
        automount_service_account_token: Some(false),
        ..PodSpec::default()
    };
    Job {
        metadata: ObjectMeta {
            name: Some(request.name.clone()),
            namespace: Some(request.namespace.clone()),
            labels: Some(labels.clone().into()),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec: Some(JobSpec {
            parallelism: Some(1),
            completions: Some(1),
            backoff_limit: Some(0),
            active_deadline_seconds: Some(request.timeout.as_secs().min(LONGEST_SECONDS)),
            ttl_seconds_after_finished: Some(TTL_SECONDS),
            pod_failure_policy: Some(PodFailurePolicy { rules: vec![taken_away, is_final] }),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta { labels: Some(labels.into()), ..ObjectMeta::default() }),
                spec: Some(pod),
            },
            ..JobSpec::default()
        }),
        status: None,
    }
}

fn variable(variable: &Variable) -> EnvVar {
    EnvVar {
        name: variable.name.clone(),
        value: variable.value.clone(),
        value_from: variable.secret_key_ref.as_ref().map(|secret| EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: secret.name.clone(),
                key: secret.key.clone(),
                optional: None,
            }),
            ..EnvVarSource::default()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubernetes_tells_a_final_exit_code_and_that_a_pod_was_taken_away() {
        let code =
            "Container work for pod team-a/r-1-x7k failed with exit code 77 matching FailJob rule at index 1";
        assert_eq!(exit_code(code), Some(77));
        let taken = "Pod team-a/r-1-x7k has condition DisruptionTarget matching FailJob rule at index 0";
        assert_eq!(exit_code(taken), None);
        assert!(FINAL.is_sorted(), "the API server takes codes in their order");
    }
}
