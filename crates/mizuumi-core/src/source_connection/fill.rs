//! What a run is made with that names a connection: its image, its environment and where its secret is.
//!
//! A job is filled before a run is made from it, so that a run says all by itself: whatever becomes of the connection, the run stays what
//! it is.

use std::collections::BTreeMap;

use mizuumi_api::ingest_job::{IngestJob, RunTemplate};
use mizuumi_api::ingest_run::{EcsTask, KubernetesJob, RunEngine, TaskSecret, TaskVariable, Variable};
use mizuumi_api::source_connection::{JobSource, SourceConnection, SourceSecret};
use mizuumi_api::{Installation, Reason};

use super::Connections;
use crate::kind::Kind;
use crate::problem::Problem;

/// What all variables of a source begin with.
const PREFIX: &str = "MIZUUMI_SOURCE_";
/// The secret itself, and the path of a file that holds it.
const SECRET: &str = "MIZUUMI_SOURCE_SECRET";
const SECRET_FILE: &str = "MIZUUMI_SOURCE_SECRET_FILE";
/// So many variables a run has at most.
const VARIABLES: usize = 100;

/// The connection that a job names, as far as it is known.
#[derive(Clone, Debug, Default)]
pub enum SeenConnection {
    /// It was not looked for.
    #[default]
    Unknown,
    /// There is none of that name.
    Missing,
    /// No run can be made with it, and why.
    Refused(String),
    /// This one.
    Connection(Box<SourceConnection>),
}

impl SeenConnection {
    /// The connection that a job names, as far as the installation lets it be used.
    #[must_use]
    pub fn of(connection: &SourceConnection, installation: &Installation) -> Self {
        match Connections::goal(connection, installation) {
            Err(problems) => Self::Refused(format!("it does not hold: {}", in_words(&problems))),
            Ok(_) => Self::unchecked(connection),
        }
    }

    /// The same where the installation is not known: each run says whether it is allowed what it was made with.
    #[must_use]
    pub fn unchecked(connection: &SourceConnection) -> Self {
        if connection.metadata.deletion_timestamp.is_some() {
            return Self::Refused("it is being deleted".to_owned());
        }
        Self::Connection(Box::new(connection.clone()))
    }
}

/// A job with what its connection says, ready for runs to be made from it. One that names none stays as it is.
///
/// # Errors
/// Why no run can be made of it, with the reason of that.
pub fn filled(job: &IngestJob, seen: &SeenConnection) -> Result<IngestJob, (Reason, String)> {
    let mut filled = job.clone();
    let Some(source) = &job.spec.run.source else { return Ok(filled) };
    let name = &source.connection;
    let unusable = |why: String| (Reason::ConnectionUnusable, why);
    let connection = match seen {
        SeenConnection::Connection(connection) => connection,
        SeenConnection::Unknown => {
            return Err((Reason::Progressing, format!("looking for SourceConnection '{name}'")));
        }
        SeenConnection::Missing => {
            return Err((
                Reason::ConnectionNotFound,
                format!(
                    "there is no SourceConnection '{name}' in this namespace, which `spec.run.source` names; no run is made until it is there"
                ),
            ));
        }
        SeenConnection::Refused(why) => {
            return Err(unusable(format!("no run can be made with SourceConnection '{name}': {why}")));
        }
    };
    fill(&mut filled.spec.run, connection).map_err(|problems| unusable(in_words(&problems)))?;
    Ok(filled)
}

fn in_words(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Fills a connection into what a run is. What is said there already counts before it.
///
/// # Errors
/// What cannot go together, with the paths in a job.
pub fn fill(run: &mut RunTemplate, connection: &SourceConnection) -> Result<(), Vec<Problem>> {
    let Some(source) = run.source.clone() else { return Ok(()) };
    let said = variables(&source, connection);
    let secret = connection.spec.secret.as_ref();
    let image = connection.spec.image.clone();
    let (engine, count) = match run.engine {
        RunEngine::EcsTask => {
            let Some(task) = &mut run.ecs_task else { return Ok(()) };
            task.image.get_or_insert(image);
            fill_task(task, &source, said, secret)?;
            ("ecsTask.environment", task.environment.iter().flatten().count())
        }
        RunEngine::KubernetesJob => {
            let job = run.kubernetes_job.get_or_insert_default();
            job.image.get_or_insert(image);
            fill_job(job, &source, said, secret)?;
            ("kubernetesJob.env", job.env.iter().flatten().count())
        }
        RunEngine::External | RunEngine::EmrStep | RunEngine::Rollback => return Ok(()),
    };
    if count > VARIABLES {
        let message = format!(
            "with what SourceConnection '{}' and `source.options` say there are {count} variables, and a run has at most {VARIABLES}",
            source.connection
        );
        return Err(vec![Problem::invalid(format!("spec.run.{engine}"), message)]);
    }
    Ok(())
}

/// What the environment says of a source. The job's options count before those of the connection, in which nothing stands for anything.
fn variables(source: &JobSource, connection: &SourceConnection) -> BTreeMap<String, String> {
    let literal = |value: &String| value.replace("${", "$${");
    let name = |option: &str| format!("{PREFIX}{}", option.to_ascii_uppercase());
    let of_connection = connection.spec.options.iter().flatten();
    let of_job = source.options.iter().flatten();
    let mut all: BTreeMap<String, String> =
        of_connection.map(|(option, value)| (name(option), literal(value))).collect();
    all.extend(of_job.map(|(option, value)| (name(option), value.clone())));
    all.insert(name("connection"), source.connection.clone());
    all.insert(name("kind"), connection.spec.type_.clone());
    all
}

fn fill_task(
    task: &mut EcsTask,
    source: &JobSource,
    mut said: BTreeMap<String, String>,
    secret: Option<&SourceSecret>,
) -> Result<(), Vec<Problem>> {
    let environment = task.environment.get_or_insert_default();
    let secrets = task.secrets.get_or_insert_default();
    let own =
        environment.iter().map(|variable| &variable.name).chain(secrets.iter().map(|secret| &secret.name));
    for name in own {
        said.remove(name);
    }
    environment.extend(said.into_iter().map(|(name, value)| TaskVariable { name, value }));
    let says_its_own = secrets.iter().any(|secret| secret.name == SECRET)
        || environment.iter().any(|variable| variable.name == SECRET_FILE);
    if let Some(secret) = secret.filter(|_| !says_its_own) {
        let Some(stored) = &secret.secrets_manager else {
            return Err(wrong_store(source, "a Secret of Kubernetes", "EcsTask", "secretsManager"));
        };
        let (name, secret, key) = (SECRET.to_owned(), stored.name.clone(), stored.key.clone());
        secrets.push(TaskSecret { name, secret, key });
    }
    if secrets.is_empty() {
        task.secrets = None;
    }
    Ok(())
}

fn fill_job(
    job: &mut KubernetesJob,
    source: &JobSource,
    mut said: BTreeMap<String, String>,
    secret: Option<&SourceSecret>,
) -> Result<(), Vec<Problem>> {
    let env = job.env.get_or_insert_default();
    for variable in env.iter() {
        said.remove(&variable.name);
    }
    let variable =
        |(name, value): (String, String)| Variable { name, value: Some(value), secret_key_ref: None };
    env.extend(said.into_iter().map(variable));
    let says_its_own = env.iter().any(|variable| [SECRET, SECRET_FILE].contains(&variable.name.as_str()));
    if let Some(secret) = secret.filter(|_| !says_its_own) {
        let Some(key) = &secret.secret_key_ref else {
            return Err(wrong_store(source, "a secret of Secrets Manager", "KubernetesJob", "secretKeyRef"));
        };
        env.push(Variable { name: SECRET.to_owned(), value: None, secret_key_ref: Some(key.clone()) });
    }
    Ok(())
}

/// The connection keeps its secret where the engine does not look.
fn wrong_store(source: &JobSource, store: &str, engine: &str, needed: &str) -> Vec<Problem> {
    let message = format!(
        "the secret of SourceConnection '{}' is {store}, which engine '{engine}' does not read; name a connection with `secret.{needed}`, say \
         '{SECRET}' in the job itself, or use the other engine",
        source.connection
    );
    vec![Problem::invalid("spec.run.source.connection", message)]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn connection(secret: &Value) -> SourceConnection {
        serde_json::from_value(json!({
            "apiVersion": "mizuumi.dev/v1alpha1", "kind": "SourceConnection", "metadata": { "name": "flights-db" },
            "spec": {
                "type": "mysql", "image": "r/mysql@sha256:1", "secret": secret,
                "options": { "host": "flights.db", "database": "flights", "note": "costs ${5}" },
            },
        }))
        .expect("a connection")
    }

    fn template(of_engine: &Value) -> RunTemplate {
        let mut run = json!({
            "table": "flights",
            "source": { "connection": "flights-db", "options": { "table": "flights", "database": "own", "to": "${sessionTime}" } },
        });
        run.as_object_mut().expect("fields").extend(of_engine.as_object().expect("fields").clone());
        serde_json::from_value(run).expect("a template")
    }

    fn pairs(task: &EcsTask) -> BTreeMap<&str, &str> {
        let all = task.environment.iter().flatten();
        all.map(|variable| (variable.name.as_str(), variable.value.as_str())).collect()
    }

    #[test]
    fn a_task_has_the_connections_image_options_and_secret_and_its_own_words_count_before() {
        let stored = json!({ "secretsManager": { "name": "team/flights", "key": "password" } });
        let environment = json!([{ "name": "MIZUUMI_SOURCE_HOST", "value": "replica.db" }, { "name": "TZ", "value": "UTC" }]);
        let mut run = template(
            &json!({ "engine": "EcsTask", "ecsTask": { "cpu": 256, "memory": 512, "environment": environment } }),
        );
        fill(&mut run, &connection(&stored)).expect("it goes together");
        let task = run.ecs_task.as_ref().expect("a task");
        assert_eq!(task.image.as_deref(), Some("r/mysql@sha256:1"));
        let wanted = [
            ("MIZUUMI_SOURCE_CONNECTION", "flights-db"),
            ("MIZUUMI_SOURCE_DATABASE", "own"),
            ("MIZUUMI_SOURCE_HOST", "replica.db"),
            ("MIZUUMI_SOURCE_KIND", "mysql"),
            ("MIZUUMI_SOURCE_NOTE", "costs $${5}"),
            ("MIZUUMI_SOURCE_TABLE", "flights"),
            ("MIZUUMI_SOURCE_TO", "${sessionTime}"),
            ("TZ", "UTC"),
        ];
        assert_eq!(pairs(task), BTreeMap::from(wanted));
        assert_eq!(task.environment.iter().flatten().count(), wanted.len(), "each name once");
        let secrets = task.secrets.as_ref().expect("secrets");
        assert_eq!(
            (secrets.len(), secrets[0].name.as_str(), secrets[0].secret.as_str(), secrets[0].key.as_deref()),
            (1, "MIZUUMI_SOURCE_SECRET", "team/flights", Some("password"))
        );
        // What is filled once is filled for good.
        let once = run.clone();
        fill(&mut run, &connection(&stored)).expect("it goes together");
        assert_eq!(run, once);
    }

    #[test]
    fn a_tasks_own_image_and_secret_count() {
        let own = json!({ "engine": "EcsTask", "ecsTask": {
            "cpu": 256, "memory": 512, "image": "r/own@sha256:2", "secrets": [{ "name": "MIZUUMI_SOURCE_SECRET", "secret": "team/own" }],
        } });
        let mut run = template(&own);
        // The connection's is in another store, which does not matter then.
        fill(&mut run, &connection(&json!({ "secretKeyRef": { "name": "flights", "key": "all" } })))
            .expect("it goes");
        let task = run.ecs_task.expect("a task");
        assert_eq!(task.image.as_deref(), Some("r/own@sha256:2"));
        assert_eq!(task.secrets.expect("secrets")[0].secret, "team/own");
    }

    #[test]
    fn a_job_of_kubernetes_need_not_be_said_at_all() {
        let mut run = template(&json!({ "engine": "KubernetesJob" }));
        fill(&mut run, &connection(&json!({ "secretKeyRef": { "name": "flights", "key": "all" } })))
            .expect("it goes");
        let job = run.kubernetes_job.expect("a job");
        assert_eq!(job.image.as_deref(), Some("r/mysql@sha256:1"));
        let env = job.env.expect("an environment");
        let secret = env.iter().find(|variable| variable.name == SECRET).expect("the secret");
        assert_eq!(
            (secret.value.as_ref(), secret.secret_key_ref.as_ref().map(|at| at.name.as_str())),
            (None, Some("flights"))
        );
        assert!(env.iter().any(|variable| variable.value.as_deref() == Some("flights.db")));
    }

    #[test]
    fn a_secret_that_the_engine_cannot_read_is_told() {
        let task = json!({ "engine": "EcsTask", "ecsTask": { "cpu": 256, "memory": 512 } });
        let told =
            fill(&mut template(&task), &connection(&json!({ "secretKeyRef": { "name": "s", "key": "k" } })));
        let told = told.expect_err("no task reads it")[0].to_string();
        assert!(
            told.starts_with("spec.run.source.connection: ") && told.contains("`secret.secretsManager`"),
            "{told}"
        );
        let stored = json!({ "secretsManager": { "name": "team/flights" } });
        let told = fill(&mut template(&json!({ "engine": "KubernetesJob" })), &connection(&stored));
        assert!(told.expect_err("no Job reads it")[0].message.contains("`secret.secretKeyRef`"));
        // A source that needs none gives none.
        fill(&mut template(&task), &connection(&Value::Null)).expect("it goes without");
    }

    #[test]
    fn too_many_variables_are_told_before_a_run_is_refused() {
        let environment: Vec<Value> =
            (0..98).map(|number| json!({ "name": format!("V{number}"), "value": "" })).collect();
        let task = json!({ "engine": "EcsTask", "ecsTask": { "cpu": 256, "memory": 512, "environment": environment } });
        let told =
            fill(&mut template(&task), &connection(&Value::Null)).expect_err("too many")[0].to_string();
        assert!(told.contains("105 variables") && told.contains("at most 100"), "{told}");
    }
}
