//! Manifests as a person wrote them: read, checked against the schema and its CEL rules, every problem with its place.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use mizuumi_api::{
    Backfill, DataTable, EmrCluster, EmrClusterClass, IngestJob, QualityCheck, ResourceId, ResourceKind,
    Rules, SourceConnection,
};
use serde_json::{Value, json};

use crate::places::Places;

/// Kinds that are read.
const KINDS: [&str; 7] = [
    "Backfill",
    "DataTable",
    "EmrCluster",
    "EmrClusterClass",
    "IngestJob",
    "QualityCheck",
    "SourceConnection",
];

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Manifests {
    /// Tables that hold.
    pub(crate) tables: Vec<DataTable>,
    /// EMR clusters that hold.
    pub(crate) clusters: Vec<EmrCluster>,
    /// Their classes that hold.
    pub(crate) classes: Vec<EmrClusterClass>,
    /// Jobs that hold.
    pub(crate) jobs: Vec<IngestJob>,
    /// Checks that hold.
    pub(crate) checks: Vec<QualityCheck>,
    /// Connections to sources that hold.
    pub(crate) connections: Vec<SourceConnection>,
    /// Backfills that hold.
    pub(crate) backfills: Vec<Backfill>,
    /// Tables that the apiserver would refuse, though they can be read: the planner may know of more that is wrong.
    pub(crate) refused: Vec<DataTable>,
    /// What is wrong, each with file, line, object and path.
    pub(crate) problems: Vec<String>,
    /// What ConfigMaps say by their keys, by namespace and name.
    pub(crate) config_maps: BTreeMap<(String, String), BTreeMap<String, String>>,
    /// Documents of which nothing is planned.
    pub(crate) others: usize,
    /// Where each resource stands.
    origins: BTreeMap<ResourceId, Origin>,
    sources: Vec<Source>,
}

/// A file, or what was given instead.
#[derive(Debug)]
struct Source {
    name: String,
    text: String,
    /// Its lines, looked for once something is wrong.
    places: OnceCell<Vec<Places>>,
}

/// Where a resource stands.
#[derive(Clone, Copy, Debug)]
struct Origin {
    source: usize,
    /// Which document of it.
    document: usize,
    /// Which item, if the document is a list.
    item: Option<usize>,
}

impl Manifests {
    /// The connection that a job names, if it is among them.
    pub(crate) fn connection_of(&self, job: &IngestJob) -> Option<&SourceConnection> {
        let name = &job.spec.run.source.as_ref()?.connection;
        let is_it = |it: &&SourceConnection| {
            it.metadata.name.as_ref() == Some(name) && it.metadata.namespace == job.metadata.namespace
        };
        self.connections.iter().find(is_it)
    }

    /// Where a field of a resource stands: `file:line`.
    pub(crate) fn place(&self, id: &ResourceId, path: &str) -> String {
        self.origins.get(id).map_or_else(String::new, |origin| self.place_at(*origin, path))
    }

    /// Whether a resource is among them, sound or not.
    pub(crate) fn has(&self, id: &ResourceId) -> bool {
        self.origins.contains_key(id)
    }

    /// How many manifests of Mizuumi there were, those that cannot be among them.
    pub(crate) fn looked_at(&self) -> usize {
        self.origins.len()
    }

    fn place_at(&self, origin: Origin, path: &str) -> String {
        let Some(source) = self.sources.get(origin.source) else { return String::new() };
        let places = source.places.get_or_init(|| Places::of(&source.text));
        let found = places.get(origin.document);
        let found = match origin.item {
            Some(item) => found.and_then(|list| list.item(item)),
            None => found,
        };
        found.map_or_else(|| source.name.clone(), |found| format!("{}:{}", source.name, found.line(path)))
    }
}

/// The schemas that the apiserver would check against, and their CEL rules, by kind.
pub(crate) struct Schemas(BTreeMap<String, (Validator, Rules)>);

/// Reads files, folders with their subfolders, and `-` for standard input.
pub(crate) fn read(paths: &[PathBuf], namespace: &str) -> anyhow::Result<Manifests> {
    let schemas = Schemas::new()?;
    let mut found = Manifests::default();
    for (source, (name, text)) in texts(paths)?.into_iter().enumerate() {
        let documents = serde_saphyr::from_multiple::<Value>(&text);
        found.sources.push(Source { name: name.clone(), text, places: OnceCell::new() });
        match documents {
            Ok(documents) => {
                for (number, document) in documents.into_iter().enumerate() {
                    let origin = Origin { source, document: number, item: None };
                    take(&mut found, &schemas, origin, document, namespace);
                }
            }
            Err(error) => found.problems.push(format!("{name}: {error}")),
        }
    }
    Ok(found)
}

fn take(found: &mut Manifests, schemas: &Schemas, origin: Origin, mut document: Value, namespace: &str) {
    if document.is_null() {
        return;
    }
    if document["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) && document["items"].is_array() {
        // What `kubectl get -o yaml` prints for more than one object.
        let Value::Array(items) = document["items"].take() else { return };
        for (number, item) in items.into_iter().enumerate() {
            take(found, schemas, Origin { item: Some(number), ..origin }, item, namespace);
        }
        return;
    }
    let kind = document["kind"].as_str().unwrap_or_default().to_owned();
    let group = concat!("mizuumi.dev", "/");
    let is_of_group = document["apiVersion"].as_str().is_some_and(|version| version.starts_with(group));
    let schema = schemas.0.get(&kind).filter(|_| is_of_group);
    if schema.is_none() || !matches!(kind.as_str(), "DataTable" | "EmrCluster" | "IngestJob") {
        found.others += 1;
    }
    let Some((schema, rules)) = schema else {
        if kind == "ConfigMap" && document["apiVersion"] == "v1" {
            take_texts(found, &document, namespace);
        }
        return;
    };
    let name = document["metadata"]["name"].as_str().unwrap_or("without a name").to_owned();
    let told = |found: &Manifests, path: &str, what: &dyn std::fmt::Display| {
        let place = found.place_at(origin, path);
        let path = if path.is_empty() { String::new() } else { format!("{path}: ") };
        format!("{place}: {kind} '{name}': {path}{what}")
    };
    if document["apiVersion"] != "mizuumi.dev/v1alpha1" {
        let what = format!("must be 'mizuumi.dev/v1alpha1'; it is {}", document["apiVersion"]);
        found.problems.push(told(found, "apiVersion", &what));
        return;
    }
    if document["metadata"]["namespace"].is_null() && kind != "EmrClusterClass" {
        document["metadata"]["namespace"] = json!(namespace);
    }
    if let Some(id) = id(&kind, &document) {
        if let Some(before) = found.origins.get(&id) {
            let what = format!("is there already, at {}", found.place_at(*before, "metadata.name"));
            found.problems.push(told(found, "metadata.name", &what));
            return;
        }
        found.origins.insert(id, origin);
    }
    let before = found.problems.len();
    for error in schema.iter_errors(&document) {
        let path = error.instance_path().to_string().trim_start_matches('/').replace('/', ".");
        let at = match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } if unexpected.len() == 1 => {
                format!("{path}.{}", unexpected[0])
            }
            _ => path,
        };
        found.problems.push(told(found, at.trim_start_matches('.'), &error));
    }
    let is_sound = found.problems.len() == before;
    macro_rules! keep {
        ($kind:ty, $in:ident) => {
            match serde_json::from_value::<$kind>(document) {
                Ok(object) => {
                    // With the defaults that the types fill in, as the apiserver has them.
                    for (path, why) in rules.broken(&json!(object)) {
                        found.problems.push(told(found, &path, &why));
                    }
                    if found.problems.len() == before {
                        found.$in.push(object);
                        None
                    } else {
                        Some(object)
                    }
                }
                // The schema has said so already.
                Err(_) if !is_sound => None,
                Err(error) => {
                    found.problems.push(told(found, "", &error));
                    None
                }
            }
        };
    }
    match kind.as_str() {
        "Backfill" => drop(keep!(Backfill, backfills)),
        "EmrCluster" => drop(keep!(EmrCluster, clusters)),
        "EmrClusterClass" => drop(keep!(EmrClusterClass, classes)),
        "IngestJob" => drop(keep!(IngestJob, jobs)),
        "QualityCheck" => drop(keep!(QualityCheck, checks)),
        "SourceConnection" => drop(keep!(SourceConnection, connections)),
        _ => {
            let refused = keep!(DataTable, tables);
            found.refused.extend(refused);
        }
    }
}

/// Which resource a document is.
fn id(kind: &str, document: &Value) -> Option<ResourceId> {
    let text = |field: &str| document["metadata"][field].as_str().unwrap_or_default().to_owned();
    let kind = ResourceKind::of(kind)?;
    let namespace = if kind.is_namespaced() { text("namespace") } else { String::new() };
    Some(ResourceId { kind, namespace, name: document["metadata"]["name"].as_str()?.to_owned() })
}

fn take_texts(found: &mut Manifests, map: &Value, namespace: &str) {
    let text = |field: &str| map["metadata"][field].as_str().map(str::to_owned);
    let Some(name) = text("name") else { return };
    let namespace = text("namespace").unwrap_or_else(|| namespace.to_owned());
    let data = map["data"].as_object().into_iter().flatten();
    let texts = data.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
    found.config_maps.insert((namespace, name), texts.collect());
}

impl Schemas {
    /// What the apiserver would refuse in a manifest of a table.
    pub(crate) fn problems(&self, manifest: &Value) -> Vec<String> {
        let mut found = Manifests::default();
        let origin = Origin { source: 0, document: 0, item: None };
        take(&mut found, self, origin, manifest.clone(), "default");
        let bare = |problem: String| problem.trim_start_matches(": ").to_owned();
        found.problems.into_iter().map(bare).collect()
    }

    /// No unknown fields: the apiserver would drop them in silence.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut schemas = BTreeMap::new();
        for crd in mizuumi_api::crd::all()? {
            let rules = Rules::of(&crd)?;
            let mut document = serde_json::to_value(crd)?;
            let kind = document["spec"]["names"]["kind"].as_str().unwrap_or_default().to_owned();
            if !KINDS.contains(&kind.as_str()) {
                continue;
            }
            let mut schema = document["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take();
            // Kubernetes' own fields are not in the schema; a manifest from `kubectl get -o yaml` may have them all.
            for (field, type_) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
                schema["properties"][field] = json!({ "type": type_ });
            }
            close(&mut schema);
            let validator = jsonschema::options().with_draft(jsonschema::Draft::Draft7).build(&schema)?;
            schemas.insert(kind, (validator, rules));
        }
        Ok(Self(schemas))
    }
}

fn close(schema: &mut Value) {
    let Value::Object(fields) = schema else { return };
    // `format: int64` and the like are OpenAPI's, not JSON Schema's.
    fields.remove("format");
    if let Some(Value::Object(properties)) = fields.get_mut("properties") {
        properties.values_mut().for_each(close);
        fields.insert("additionalProperties".to_owned(), json!(false));
    }
    if let Some(items) = fields.get_mut("items") {
        close(items);
    }
}

fn texts(paths: &[PathBuf]) -> anyhow::Result<Vec<(String, String)>> {
    let mut texts = Vec::new();
    for path in paths {
        if path == Path::new("-") {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
            texts.push(("standard input".to_owned(), text));
            continue;
        }
        for file in files(path)? {
            let text =
                std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            texts.push((file.display().to_string(), text));
        }
    }
    Ok(texts)
}

/// A file itself; of a folder the manifests, in the order of their names.
fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    let mut entries = std::fs::read_dir(path)
        .with_context(|| format!("cannot read {}", path.display()))?
        .collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let is_manifest =
            path.extension().is_some_and(|ext| ["yaml", "yml", "json"].iter().any(|e| ext == *e));
        if path.is_dir() || is_manifest {
            found.extend(files(&path)?);
        }
    }
    Ok(found)
}
