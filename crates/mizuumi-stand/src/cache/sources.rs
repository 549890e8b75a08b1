//! The sources of what is built: the folder `stand` of the repository.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The folder `stand`: of the repository in which one stands, or else of the one this program was built from.
pub(super) fn folder() -> Result<PathBuf> {
    let here = env::current_dir().unwrap_or_default();
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .chain(built_from.ancestors())
        .map(|folder| folder.join("stand"))
        .find(|stand| stand.join("controlplane/go.mod").is_file())
        .context("the sources of the stand are not to be found: run this inside the repository")
}

/// Name and content of files.
pub(super) fn read(folder: &Path, names: &[String]) -> Result<Vec<(String, Vec<u8>)>> {
    let read = |name: &String| {
        let path = folder.join(name);
        let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok((name.clone(), content))
    };
    names.iter().map(read).collect()
}

/// The names of the Go files in a folder's folder, sorted.
pub(super) fn go_files(folder: &Path, package: &str) -> Result<Vec<String>> {
    let path = folder.join(package);
    let mut names = Vec::new();
    for entry in fs::read_dir(&path).with_context(|| format!("cannot read {}", path.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if Path::new(&name).extension().is_some_and(|extension| extension == "go") {
            names.push(format!("{package}/{name}"));
        }
    }
    names.sort();
    Ok(names)
}
