//! `mizuumi crds`: prints the custom resource definitions, or writes them to a folder.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

/// Prints them, or writes one file for each kind.
pub(crate) fn run(out: Option<&Path>) -> anyhow::Result<ExitCode> {
    let files = mizuumi_api::crd::yaml()?;
    let Some(folder) = out else {
        let documents: Vec<String> = files.into_iter().map(|(_, text)| text).collect();
        io::stdout().write_all(documents.join("---\n").as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    };
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}
