//! A team: a namespace, an AWS account, a database and a bucket of its own, and what it does there.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use mizuumi_api::installation::{Allow, Deletions, Intervals, Kubernetes, Rates};
use mizuumi_api::{Condition, ConditionStatus, DataTable, Installation};
use mizuumi_stand::Stand;
use rand::RngExt as _;
use serde::Serialize;
use serde_json::{Value, json};

use crate::admin::Admin;
use crate::aws::Aws;
use crate::kubernetes::{self, condition};
use crate::wait::{self, DEADLINE};

/// How many of the log's last lines a failure shows.
const LINES: usize = 40;

/// A team with everything of its own.
#[derive(Clone)]
pub struct Team {
    /// The stand, shared by all.
    pub stand: Stand,
    /// The apiserver.
    pub client: Client,
    /// The team's `DataTable`s.
    pub tables: Api<DataTable>,
    /// The team's namespace.
    pub namespace: String,
    /// The team's AWS account, which is its access key as well.
    pub account: String,
    /// Faults, calls and audit of that account.
    pub admin: Admin,
    /// Glue and S3 of that account.
    pub aws: Aws,
    /// The profile that its tables name, where it has one of its own.
    pub profile: Option<String>,
    url: String,
}

impl Team {
    /// A new team, with its database and its bucket made.
    pub async fn new(name: &str) -> Self {
        let stand = Stand::from_env().unwrap_or_else(|error| {
            panic!("these tests need a stand: run `make test`, or start one and set MIZUUMI_STAND\n{error:#}")
        });
        let url = stand.aws_url().expect("these tests need a stand with AWS");
        let client = kubernetes::client(&stand).await;
        let number: u64 = rand::rng().random_range(100_000_000_000..1_000_000_000_000);
        let account = number.to_string();
        let namespace = format!("{name}-{number}");
        let mut made = Namespace::default();
        made.metadata.name = Some(namespace.clone());
        let namespaces: Api<Namespace> = Api::all(client.clone());
        namespaces.create(&PostParams::default(), &made).await.expect("the namespace is made");
        let database = namespace.replace('-', "_");
        let aws = Aws::new(&url, &account, &database, &format!("lake-{number}")).await;
        aws.create_database(&database).await;
        aws.create_bucket().await;
        let tables = Api::namespaced(client.clone(), &namespace);
        let admin = Admin::new(&url, &account);
        Self { stand, client, tables, namespace, account, admin, aws, profile: None, url }
    }

    /// The same team at work in another account, by a profile of that name.
    pub async fn in_another_account(&self, profile: &str) -> Self {
        let account = rand::rng().random_range(100_000_000_000_u64..1_000_000_000_000).to_string();
        let aws = Aws::new(&self.url, &account, &self.aws.database, &self.aws.bucket).await;
        aws.create_database(&self.aws.database).await;
        let admin = Admin::new(&self.url, &account);
        Self { account, admin, aws, profile: Some(profile.to_owned()), ..self.clone() }
    }

    /// Another team with a namespace of its own in the same account.
    pub async fn beside(&self, name: &str) -> Self {
        let other = Self::new(name).await;
        let (account, admin, aws) = (self.account.clone(), self.admin.clone(), self.aws.clone());
        Self { account, admin, aws, ..other }
    }

    /// The team's configuration: what it may touch, and everything quick.
    #[must_use]
    pub fn installation(&self) -> Installation {
        Installation {
            installation: "tests".to_owned(),
            aws: mizuumi_api::installation::Aws {
                region: "us-east-1".to_owned(),
                endpoint_url: Some(self.url.clone()),
            },
            kubernetes: Kubernetes { namespaces: vec![self.namespace.clone()], ..Kubernetes::default() },
            allow: Allow {
                databases: vec![format!("{}*", self.aws.database)],
                s3_prefixes: vec![format!("s3://{}/", self.aws.bucket)],
                links: Vec::new(),
            },
            profiles: std::collections::BTreeMap::new(),
            intervals: Intervals {
                sweep_seconds: 1,
                data_seconds: 1,
                audit_seconds: 1,
                retry_seconds: 1,
                retry_max_seconds: 4,
                blocked_seconds: 2,
            },
            rates: Rates {
                glue_per_second: 1000,
                glue_max_per_second: 1000,
                s3_per_second: 1000,
                s3_max_per_second: 1000,
                data_per_second: 1000,
                ..Rates::default()
            },
            deletions: Deletions::default(),
            partitions: mizuumi_api::installation::PartitionDefaults::default(),
            freshness_parameters: mizuumi_api::installation::FreshnessParameters::default(),
            crawlers: None,
            shadows: None,
            clusters: mizuumi_api::installation::Clusters::default(),
            upstreams: mizuumi_api::installation::Upstreams::default(),
        }
    }

    /// Where logs and other files of this team go.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let folder = self.stand.folder().join("tests").join(&self.namespace);
        fs::create_dir_all(&folder).expect("a folder for logs");
        folder
    }

    /// The AWS endpoint.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder().join("controller.log")
    }

    pub(crate) fn write_config(&self, name: &str, installation: &Installation) -> PathBuf {
        self.write_config_with(name, installation, &Value::Null)
    }

    /// The same with something laid over it.
    pub(crate) fn write_config_with(
        &self,
        name: &str,
        installation: &Installation,
        overlay: &Value,
    ) -> PathBuf {
        let path = self.folder().join(format!("{name}.yaml"));
        let mut config = serde_json::to_value(installation).expect("JSON");
        if !overlay.is_null() {
            json_patch::merge(&mut config, overlay);
        }
        let text = serde_saphyr::to_string(&config).expect("YAML");
        fs::write(&path, text).expect("the configuration is written");
        path
    }

    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = self.stand.variables();
        variables.retain(|(name, _)| *name != "AWS_ACCESS_KEY_ID");
        variables.push(("AWS_ACCESS_KEY_ID", self.account.clone()));
        variables
    }

    /// A manifest: two columns in Parquet, with `spec` laid over.
    #[must_use]
    pub fn manifest(&self, name: &str, spec: Value) -> Value {
        let mut manifest = json!({
            "apiVersion": "mizuumi.dev/v1alpha1",
            "kind": "DataTable",
            "metadata": { "name": name, "namespace": self.namespace },
            "spec": {
                "database": self.aws.database,
                "location": self.location(name),
                "format": "parquet",
                "schema": {
                    "from": "Declared",
                    "columns": [{ "name": "id", "type": "bigint" }, { "name": "what", "type": "string" }],
                },
            },
        });
        if let Some(profile) = &self.profile {
            manifest["spec"]["profile"] = json!(profile);
        }
        json_patch::merge(&mut manifest["spec"], &spec);
        manifest
    }

    /// Where a table's data is, unless a test says otherwise.
    #[must_use]
    pub fn location(&self, name: &str) -> String {
        format!("s3://{}/{}/", self.aws.bucket, name.replace('-', "_"))
    }

    /// Creates an object.
    pub async fn create(&self, name: &str, spec: Value) -> DataTable {
        self.try_create(&self.manifest(name, spec))
            .await
            .unwrap_or_else(|error| panic!("{name} is refused: {error}"))
    }

    /// Creates an object that the apiserver may refuse.
    ///
    /// # Errors
    /// What the apiserver says.
    pub async fn try_create(&self, manifest: &Value) -> kube::Result<DataTable> {
        let dynamic = Api::<kube::api::DynamicObject>::namespaced_with(
            self.client.clone(),
            &self.namespace,
            &kube::api::ApiResource::erase::<DataTable>(&()),
        );
        let object = serde_json::from_value(manifest.clone()).map_err(kube::Error::SerdeError)?;
        let made = dynamic.create(&PostParams::default(), &object).await?;
        made.try_parse().map_err(|error| panic!("the apiserver keeps what cannot be read: {error}"))
    }

    /// Creates an object and waits until it is ready.
    pub async fn create_ready(&self, name: &str, spec: Value) -> DataTable {
        self.create(name, spec).await;
        self.ready(name).await
    }

    /// Makes a ConfigMap, or gives it these texts.
    pub async fn apply_config_map(&self, name: &str, data: Value) {
        let map =
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": data });
        let apply = PatchParams::apply("tests").force();
        let made = self.config_maps().patch(name, &apply, &Patch::Apply(map)).await;
        made.unwrap_or_else(|error| panic!("the ConfigMap {name} is refused: {error}"));
    }

    /// The team's ConfigMaps.
    #[must_use]
    pub fn config_maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Changes an object by a merge patch of its spec.
    pub async fn change(&self, name: &str, spec: Value) -> DataTable {
        self.patch(name, json!({ "spec": spec })).await
    }

    /// Sets annotations; null takes one off.
    pub async fn annotate(&self, name: &str, annotations: Value) -> DataTable {
        self.patch(name, json!({ "metadata": { "annotations": annotations } })).await
    }

    /// Changes an object by a merge patch.
    pub async fn patch(&self, name: &str, patch: Value) -> DataTable {
        let patched = self.tables.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        patched.unwrap_or_else(|error| panic!("{name} cannot be changed: {error}"))
    }

    /// Deletes an object; it may live on until its controller lets it go.
    pub async fn delete(&self, name: &str) {
        let deleted = self.tables.delete(name, &DeleteParams::default()).await;
        deleted.unwrap_or_else(|error| panic!("{name} cannot be deleted: {error}"));
    }

    /// Deletes an object and waits until it is gone.
    pub async fn delete_wholly(&self, name: &str) {
        self.delete(name).await;
        self.gone(name).await;
    }

    /// An object as the apiserver has it.
    pub async fn get(&self, name: &str) -> DataTable {
        self.tables.get(name).await.unwrap_or_else(|error| panic!("{name} cannot be read: {error}"))
    }

    /// The Events about an object: reason and note.
    pub async fn events(&self, name: &str) -> Vec<(String, String)> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let all = api.list(&ListParams::default()).await.expect("the events are listed");
        let about = |event: &Event| event.regarding.as_ref().and_then(|r| r.name.as_deref()) == Some(name);
        all.items
            .into_iter()
            .filter(about)
            .map(|event| (event.reason.unwrap_or_default(), event.note.unwrap_or_default()))
            .collect()
    }

    /// Waits for an Event with this reason; answers its note.
    pub async fn event(&self, name: &str, reason: &str) -> String {
        self.eventually(name, &format!("an event {reason}"), async || {
            let events = self.events(name).await;
            let found = events.iter().find(|(of, _)| of == reason).map(|(_, note)| note.clone());
            found.ok_or_else(|| anyhow::anyhow!("there are only {events:?}"))
        })
        .await
    }

    /// Waits until a look at the world succeeds; a failure shows the object, its Events and the controller's log.
    pub async fn eventually<T>(&self, name: &str, what: &str, look: impl AsyncFnMut() -> Result<T>) -> T {
        self.within(DEADLINE, name, what, look).await
    }

    /// The same with a deadline of one's own.
    pub async fn within<T>(
        &self,
        deadline: Duration,
        name: &str,
        what: &str,
        look: impl AsyncFnMut() -> Result<T>,
    ) -> T {
        match wait::until(deadline, look).await {
            Ok(seen) => seen,
            Err(error) => {
                let state = self.explain(name).await;
                panic!("waited {deadline:?} in vain for {what}: {error:#}\n{state}")
            }
        }
    }

    /// Waits until an object is as expected.
    pub async fn until(&self, name: &str, what: &str, expected: impl Fn(&DataTable) -> bool) -> DataTable {
        self.eventually(name, &format!("{name}: {what}"), async || {
            let table = self.tables.get(name).await?;
            ensure!(expected(&table), "the object below is not so");
            Ok(table)
        })
        .await
    }

    /// Waits until an object is `Ready`, for its present spec.
    pub async fn ready(&self, name: &str) -> DataTable {
        self.until(name, "Ready", |table| {
            told(table, "Ready").is_some_and(|ready| ready.status == ConditionStatus::True)
        })
        .await
    }

    /// Waits until `Ready` has this reason, for the object's present spec; answers the condition.
    pub async fn reason(&self, name: &str, reason: &str) -> Condition {
        let table = self
            .until(name, reason, |table| told(table, "Ready").is_some_and(|ready| ready.reason == reason))
            .await;
        condition(&table, "Ready").cloned().expect("it was just seen")
    }

    /// Waits until `Fresh` has this reason.
    pub async fn fresh(&self, name: &str, reason: &str) -> DataTable {
        self.until(name, reason, |table| told(table, "Fresh").is_some_and(|fresh| fresh.reason == reason))
            .await
    }

    /// Waits until an object's table has these columns, each with its type, and the object is ready.
    pub async fn until_columns(&self, name: &str, expected: &[&str]) {
        self.eventually(name, "the columns", async || {
            ensure!(self.aws.table(name).await.is_some(), "no table");
            let there = self.aws.columns(name).await;
            ensure!(there == expected, "{there:?}");
            Ok(())
        })
        .await;
        self.ready(name).await;
    }

    /// Waits until an object is gone.
    pub async fn gone(&self, name: &str) {
        self.eventually(name, &format!("{name} to be gone"), async || {
            ensure!(self.tables.get_opt(name).await?.is_none(), "it is still there");
            Ok(())
        })
        .await;
    }

    /// Waits until so many more sweeps have listed the database.
    pub async fn sweeps(&self, number: usize) {
        let since = self.admin.seq().await;
        self.eventually("", "sweeps", async || {
            let seen = self.admin.count("GetTables", since).await;
            // A sweep that was under way does not count.
            ensure!(seen > number, "only {seen} lists");
            Ok(())
        })
        .await;
    }

    /// What the kstatus library makes of an object: the status, then its message.
    #[must_use]
    pub fn kstatus(&self, object: &impl Serialize) -> (String, String) {
        use std::io::Write as _;
        use std::process::{Command, Stdio};
        let program = self.stand.kstatus().expect("kstatus");
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("kstatus starts");
        let object = serde_json::to_vec(object).expect("JSON");
        child.stdin.take().expect("standard input").write_all(&object).expect("kstatus reads");
        let output = child.wait_with_output().expect("kstatus ends");
        let text = String::from_utf8(output.stdout).expect("text");
        let (status, message) = text.trim_end().split_once('\t').unwrap_or((text.trim_end(), ""));
        (status.to_owned(), message.to_owned())
    }

    /// What a person would look at: the object, its Events, the end of the controller's log.
    pub async fn explain(&self, name: &str) -> String {
        let mut text = String::new();
        if let Ok(Some(mut table)) = self.tables.get_opt(name).await {
            table.managed_fields_mut().clear();
            let _ = writeln!(text, "--- {name}\n{}", serde_saphyr::to_string(&table).unwrap_or_default());
        }
        text.extend(self.explain_run(name).await);
        text.extend(self.explain_job(name).await);
        text.extend(self.explain_backfill(name).await);
        text.extend(self.explain_cluster(name).await);
        for (reason, note) in self.events(name).await {
            let _ = writeln!(text, "--- event {reason}: {note}");
        }
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let _ = writeln!(
            text,
            "--- the controller's log\n{}",
            lines[lines.len().saturating_sub(LINES)..].join("\n")
        );
        text
    }
}

/// A condition that speaks of the object's present spec.
fn told<'a>(table: &'a DataTable, type_: &str) -> Option<&'a Condition> {
    condition(table, type_)
        .filter(|condition| Some(condition.observed_generation) == table.metadata.generation)
}
