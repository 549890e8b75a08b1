//! What holds of the repository as a whole: which crate knows which, and what no file does.
#![expect(clippy::expect_used, reason = "a test's helpers fail as its tests do")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

/// Each may know those before it.
const PRODUCT: &[&str] = &[
    "mizuumi-api",
    "mizuumi-core",
    "mizuumi-files",
    "mizuumi-aws",
    "mizuumi-controller",
    "mizuumi-server",
    "mizuumi",
];
/// What development needs; it knows nothing of the product, and the product nothing of it.
const BESIDE: &[&str] = &["mizuumi-localaws", "mizuumi-stand"];

fn root() -> PathBuf {
    // Cargo runs a test in its package's folder. The path at build time may be another clone's: they share a cache.
    let root = Path::new("../..").canonicalize().expect("crates/mizuumi-core");
    assert!(root.join("Cargo.lock").exists(), "{} is the repository", root.display());
    root
}

/// What each package of the workspace is built from; what its tests use does not count.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo metadata");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("json");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let all = package["dependencies"].as_array().expect("dependencies");
            let built_from = all.iter().filter(|dependency| dependency["kind"] != "dev");
            (text(&package["name"]), built_from.map(|dependency| text(&dependency["name"])).collect())
        })
        .collect()
}

/// Every Rust file, by its path in the repository.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with('.') || name == "target" {
                continue;
            }
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &mut found);
    assert!(found.len() > 50, "the walk sees the repository");
    let named = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("source");
        (path.strip_prefix(root()).expect("below").to_string_lossy().into_owned(), text)
    };
    found.into_iter().map(named).collect()
}

/// Fails with every line that has one of the texts where it may not be.
fn nowhere(texts: &[&str], is_watched: impl Fn(&str) -> bool) {
    let mut found = Vec::new();
    for (path, source) in sources().iter().filter(|(path, _)| is_watched(path)) {
        for (number, line) in source.lines().enumerate() {
            if let Some(text) = texts.iter().find(|text| line.contains(**text)) {
                found.push(format!("{path}:{}: {text}", number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn dependencies_go_from_api_to_core_to_files_to_aws_to_controller_to_server_to_the_binary() {
    for (package, uses) in dependencies() {
        let Some(place) = PRODUCT.iter().position(|name| *name == package) else { continue };
        let wrong: Vec<_> = PRODUCT[place..].iter().filter(|name| uses.contains(**name)).collect();
        assert!(wrong.is_empty(), "{package} depends on {wrong:?}");
    }
}

#[test]
fn the_product_and_what_development_needs_do_not_know_each_other() {
    for (package, uses) in dependencies() {
        let others = if BESIDE.contains(&package.as_str()) {
            PRODUCT
        } else if PRODUCT.contains(&package.as_str()) {
            BESIDE
        } else {
            assert_eq!(package, "mizuumi-tests", "a new package belongs to the product or beside it");
            continue;
        };
        let wrong: Vec<_> = others.iter().filter(|name| uses.contains(**name)).collect();
        assert!(wrong.is_empty(), "{package} depends on {wrong:?}");
    }
}

#[test]
fn decisions_are_built_without_a_runtime_a_kubernetes_client_or_an_aws_sdk() {
    let is_effect = |name: &&String| {
        ["kube", "tokio", "futures", "hyper", "rand"].contains(&name.as_str()) || name.starts_with("aws-")
    };
    let all = dependencies();
    for pure in ["mizuumi-core", "mizuumi-files"] {
        assert_eq!(all[pure].iter().filter(is_effect).collect::<Vec<_>>(), Vec::<&String>::new(), "{pure}");
    }
}

#[test]
fn only_mizuumi_aws_names_the_aws_sdk() {
    let texts = [concat!("aws_", "sdk_"), concat!("aws_", "config"), concat!("aws_", "smithy")];
    // The tests of behaviour look at AWS for themselves.
    nowhere(&texts, |path| !path.starts_with("crates/mizuumi-aws/") && !path.starts_with("tests/"));
}

#[test]
fn only_mizuumi_controller_makes_a_kubernetes_client() {
    let texts =
        [concat!("kube::", "Client"), concat!("Client::", "try_default"), concat!("kube::", "Config")];
    nowhere(&texts, |path| !path.starts_with("crates/mizuumi-controller/") && !path.starts_with("tests/"));
}

#[test]
fn no_decision_reads_a_clock_or_waits() {
    let texts = [
        "Timestamp::now",
        "SystemTime::now",
        "Instant::now",
        "Zoned::now",
        ".await",
        "async fn",
        "async move",
    ];
    nowhere(&texts, |path| {
        path.starts_with("crates/mizuumi-core/src/") || path.starts_with("crates/mizuumi-api/src/")
    });
}

#[test]
fn every_rust_file_begins_by_saying_what_it_is_for() {
    let silent: Vec<String> =
        sources().into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn no_file_is_called_mod_utils_common_or_helpers() {
    let vague = ["mod.rs", "utils.rs", "util.rs", "common.rs", "helpers.rs", "helper.rs"];
    let found: Vec<String> = sources()
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| vague.contains(&path.rsplit('/').next().unwrap_or(path)))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn kube_rustls_and_hyper_are_there_in_one_version_each() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock");
    for package in ["kube", "rustls", "hyper"] {
        let name = format!("name = \"{package}\"");
        let versions: Vec<&str> = lock
            .lines()
            .zip(lock.lines().skip(1))
            .filter(|(line, _)| *line == name)
            .map(|(_, version)| version)
            .collect();
        assert_eq!(versions.len(), 1, "{package}: {versions:?}");
    }
}
