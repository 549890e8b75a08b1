//! The programs that are built from Go modules: the control plane, and kstatus.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::stamp::Stamp;
use super::{Cache, long_run, sources};
use crate::say::{Say, seconds};

/// A program and the package that it is.
#[derive(Debug)]
pub(super) struct Program {
    /// Its name in the cache.
    pub(super) name: &'static str,
    /// Its folder in the Go module.
    package: &'static str,
    /// Whether it must know which Kubernetes it is; clients cannot parse the version otherwise.
    versioned: bool,
}

/// etcd, kube-apiserver, kube-controller-manager and kubectl in one.
pub(super) const CONTROL_PLANE: Program = Program { name: "controlplane", package: ".", versioned: true };
/// The verdict that Flux, Helm and others wait by.
pub(super) const KSTATUS: Program = Program { name: "kstatus", package: "./cmd/kstatus", versioned: false };

/// Builds a program unless it was built from the same sources by the same Go.
pub(super) fn ensure(cache: &Cache, program: &Program, say: Say) -> Result<()> {
    let module = sources::folder()?.join("controlplane");
    let mut names = vec!["go.mod".to_owned(), "go.sum".to_owned()];
    names.extend(sources::go_files(&module, program.package)?);
    let inputs = sources::read(&module, &names)?;
    let stamp = Stamp::new(&inputs, go_version(&module));
    let stamp_file = cache.stamps().join(program.name);
    let binary = cache.bin().join(program.name);
    if binary.is_file() && stamp.is_current(&stamp_file) {
        return Ok(());
    }
    if go_version(&module).is_none() {
        bail!(
            "Go is not to be found, and {} must be built once: install the version that {} names, or set \
             KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver and kubectl, or MIZUUMI_KUBECONFIG to the \
             kubeconfig of a cluster",
            program.name,
            module.join("go.mod").display()
        );
    }
    build(cache, program, &module, &binary, say)?;
    stamp.write(&stamp_file)
}

fn build(cache: &Cache, program: &Program, module: &Path, binary: &Path, say: Say) -> Result<()> {
    let version = kubernetes_version(&fs::read_to_string(module.join("go.mod"))?)?;
    if program.versioned {
        say.line(format_args!(
            "building Kubernetes {version} from Go modules, 5 to 10 minutes the first time"
        ));
    } else {
        say.line(format_args!("building {}", program.name));
    }
    let log = cache.logs().join(format!("{}.log", program.name));
    let _ = fs::remove_file(&log);
    let list = cache.logs().join(format!("{}.packages", program.name));
    let _ = fs::remove_file(&list);
    // This also downloads the modules, and says so in between.
    let mut command = go(module);
    command.args(["list", "-deps", "-f", "{{.ImportPath}}", program.package]);
    long_run::run(&mut command, &list, say, |text| {
        format!("{} modules downloaded", text.matches("go: downloading ").count())
    })?;
    let packages = lines_of_packages(&fs::read_to_string(&list)?);

    // A stand that runs keeps the old file open, and writing to it would be refused.
    let new = cache.bin().join(format!(".{}.new", program.name));
    let flags = if program.versioned { linker_flags(&version) } else { "-s -w".to_owned() };
    let mut command = go(module);
    command.args(["build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", &flags, "-o"]);
    command.arg(&new).arg(program.package);
    let time = long_run::run(&mut command, &log, say, |text| {
        format!("{} of at most {packages} packages compiled", lines_of_packages(text))
    })?;
    fs::rename(&new, binary).with_context(|| format!("cannot write {}", binary.display()))?;
    say.line(format_args!("built {} in {}", program.name, seconds(time)));
    Ok(())
}

fn go(module: &Path) -> Command {
    let mut command = Command::new("go");
    command.current_dir(module);
    command
}

/// The version of Go, or `None` if there is none. Asked for in the module, which may choose the version.
fn go_version(module: &Path) -> Option<String> {
    let output = go(module).arg("version").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The Kubernetes version that a go.mod requires.
fn kubernetes_version(go_mod: &str) -> Result<String> {
    let mut words = go_mod.lines().map(str::split_whitespace);
    let found = words.find_map(|mut words| {
        (words.next() == Some("k8s.io/kubernetes")).then(|| words.next().map(str::to_owned)).flatten()
    });
    found.context("go.mod requires no k8s.io/kubernetes")
}

fn linker_flags(version: &str) -> String {
    let mut numbers = version.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let package = "k8s.io/component-base/version";
    format!(
        "-s -w -X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
    )
}

/// Lines that name a package; the others are about downloads.
fn lines_of_packages(log: &str) -> usize {
    log.lines().filter(|line| !line.starts_with("go: ")).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_comes_from_go_mod() {
        let go_mod = "module x\n\nrequire (\n\tk8s.io/kubectl v0.30.1\n\tk8s.io/kubernetes v1.36.3\n)\n";
        let version = kubernetes_version(go_mod).unwrap();
        assert_eq!(version, "v1.36.3");
        assert!(linker_flags(&version).ends_with("gitMajor=1 -X k8s.io/component-base/version.gitMinor=36"));
        assert!(kubernetes_version("module x\n").is_err());
    }

    #[test]
    fn downloads_are_not_packages() {
        assert_eq!(lines_of_packages("go: downloading k8s.io/api v0.36.3\nfmt\nk8s.io/api/core/v1\n"), 2);
    }
}
