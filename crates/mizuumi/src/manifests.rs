//! Manifests as a person wrote them: read, checked against the schema and its CEL rules, every problem with its place.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use jsonschema::Validator;
use mizuumi_api::{DataTable, EmrCluster, EmrClusterClass, IngestJob, QualityCheck};
use serde_json::{Value, json};

/// Kinds that are read.
const KINDS: [&str; 5] = ["DataTable", "EmrCluster", "EmrClusterClass", "IngestJob", "QualityCheck"];

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
    /// What is wrong, each with file, object and path.
    pub(crate) problems: Vec<String>,
    /// What ConfigMaps say by their keys, by namespace and name.
    pub(crate) config_maps: BTreeMap<(String, String), BTreeMap<String, String>>,
    /// Documents that are no table.
    pub(crate) others: usize,
}

/// The schemas that the apiserver would check against, by kind.
struct Schemas(BTreeMap<String, Validator>);

/// Reads files, folders with their subfolders, and `-` for standard input.
pub(crate) fn read(paths: &[PathBuf], namespace: &str) -> anyhow::Result<Manifests> {
    let schemas = Schemas::new()?;
    let mut found = Manifests::default();
    for (name, text) in texts(paths)? {
        match serde_saphyr::from_multiple::<Value>(&text) {
            Ok(documents) => {
                for document in documents {
                    take(&mut found, &schemas, &name, document, namespace);
                }
            }
            Err(error) => found.problems.push(format!("{name}: {error}")),
        }
    }
    Ok(found)
}

fn take(found: &mut Manifests, schemas: &Schemas, file: &str, mut document: Value, namespace: &str) {
    if document.is_null() {
        return;
    }
    if document["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) && document["items"].is_array() {
        // What `kubectl get -o yaml` prints for more than one object.
        let Value::Array(items) = document["items"].take() else { return };
        for item in items {
            take(found, schemas, file, item, namespace);
        }
        return;
    }
    let kind = document["kind"].as_str().unwrap_or_default().to_owned();
    let group = concat!("mizuumi.dev", "/");
    let is_of_group = document["apiVersion"].as_str().is_some_and(|version| version.starts_with(group));
    let schema = schemas.0.get(&kind).filter(|_| is_of_group);
    if schema.is_none() || !matches!(kind.as_str(), "DataTable" | "IngestJob") {
        found.others += 1;
    }
    let Some(schema) = schema else {
        if kind == "ConfigMap" && document["apiVersion"] == "v1" {
            take_texts(found, &document, namespace);
        }
        return;
    };
    let name = document["metadata"]["name"].as_str().unwrap_or("without a name").to_owned();
    let place = format!("{file}: {kind} '{name}'");
    if document["apiVersion"] != "mizuumi.dev/v1alpha1" {
        found.problems.push(format!(
            "{place}: apiVersion: must be 'mizuumi.dev/v1alpha1'; it is {}",
            document["apiVersion"]
        ));
        return;
    }
    if document["metadata"]["namespace"].is_null() && kind != "EmrClusterClass" {
        document["metadata"]["namespace"] = json!(namespace);
    }
    let before = found.problems.len();
    for error in schema.iter_errors(&document) {
        let path = error.instance_path().to_string().trim_start_matches('/').replace('/', ".");
        found.problems.push(format!("{place}: {path}: {error}"));
    }
    if found.problems.len() > before {
        return;
    }
    macro_rules! keep {
        ($kind:ty, $in:ident) => {
            match serde_json::from_value::<$kind>(document) {
                Ok(object) => match object.validate_cel() {
                    Ok(()) => found.$in.push(object),
                    Err(errors) => {
                        let errors = errors.as_slice().iter().map(|error| format!("{place}: {error}"));
                        found.problems.extend(errors);
                    }
                },
                Err(error) => found.problems.push(format!("{place}: {error}")),
            }
        };
    }
    match kind.as_str() {
        "EmrCluster" => keep!(EmrCluster, clusters),
        "EmrClusterClass" => keep!(EmrClusterClass, classes),
        "IngestJob" => keep!(IngestJob, jobs),
        "QualityCheck" => keep!(QualityCheck, checks),
        _ => keep!(DataTable, tables),
    }
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
    /// No unknown fields: the apiserver would drop them in silence.
    fn new() -> anyhow::Result<Self> {
        let mut schemas = BTreeMap::new();
        for crd in mizuumi_api::crd::all()? {
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
            schemas.insert(kind, validator);
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
