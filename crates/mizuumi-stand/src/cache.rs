//! The cache: what is built once and used by every stand of this machine.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::lock::Lock;
use crate::say::Say;
use crate::state::{Cluster, Tools};

mod go;
mod long_run;
mod python;
mod sources;
mod stamp;

/// The names by which the one control plane program is called.
const CONTROL_PLANE: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];

/// Where the control plane of a stand is to come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Built from Go modules, in the cache.
    Build,
    /// Prebuilt programs in a folder (`KUBEBUILDER_ASSETS`).
    Assets(PathBuf),
    /// A cluster that runs already.
    Existing(PathBuf),
}

/// The cache's folder.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// `MIZUUMI_CACHE`, or `mizuumi` in `XDG_CACHE_HOME`, or in `~/.cache`.
    pub fn find() -> Result<Self> {
        let named = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = named("MIZUUMI_CACHE")
            .or_else(|| named("XDG_CACHE_HOME").map(|folder| folder.join("mizuumi")))
            .or_else(|| named("HOME").map(|folder| folder.join(".cache/mizuumi")))
            .context("no place for the cache: set MIZUUMI_CACHE or HOME")?;
        Ok(Self { root: std::path::absolute(root)? })
    }

    /// Builds what a stand needs and is not there yet.
    pub fn ensure(&self, source: &Source, with_aws: bool, say: Say) -> Result<(Cluster, Tools)> {
        // Assets that do not serve should be told before anything is built.
        let (assets, mut path) = match source {
            Source::Assets(folder) => (Some(check_assets(folder, say)?), vec![folder.clone()]),
            Source::Build | Source::Existing(_) => (None, vec![]),
        };
        path.push(self.bin());
        let _lock = Lock::take(&self.root, say)?;
        for folder in [self.bin(), self.logs(), self.stamps()] {
            fs::create_dir_all(&folder)
                .with_context(|| format!("cannot create the folder {}", folder.display()))?;
        }
        let (cluster, kubectl) = match source {
            Source::Build => {
                go::ensure(self, &go::CONTROL_PLANE, say)?;
                for name in CONTROL_PLANE {
                    link(go::CONTROL_PLANE.name, &self.bin().join(name))?;
                }
                (Cluster::Own { binaries: self.bin(), controller_manager: true }, self.bin().join("kubectl"))
            }
            Source::Assets(folder) => {
                let controller_manager = assets.unwrap_or_default();
                (Cluster::Own { binaries: folder.clone(), controller_manager }, folder.join("kubectl"))
            }
            Source::Existing(kubeconfig) => {
                (Cluster::Existing { kubeconfig: kubeconfig.clone() }, self.any_kubectl()?)
            }
        };
        let kstatus = match go::ensure(self, &go::KSTATUS, say) {
            Ok(()) => Some(self.bin().join(go::KSTATUS.name)),
            // Who brings a cluster along need not have Go; what needs kstatus will say so.
            Err(error) if *source != Source::Build => {
                say.line(format_args!("going on without kstatus: {error:#}"));
                None
            }
            Err(error) => return Err(error),
        };
        let python = if with_aws { Some(python::ensure(self, say)?) } else { None };
        Ok((cluster, Tools { path, kubectl, kstatus, python }))
    }

    fn any_kubectl(&self) -> Result<PathBuf> {
        let folders = env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.bin()).chain(env::split_paths(&folders));
        folders.map(|folder| folder.join("kubectl")).find(|kubectl| kubectl.is_file()).context(
            "kubectl is not to be found: put it in PATH, or build it with `mizuumi-stand build`, which needs Go",
        )
    }

    fn bin(&self) -> PathBuf {
        self.root.join("bin")
    }

    fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    fn stamps(&self) -> PathBuf {
        self.root.join("stamps")
    }

    fn venv(&self) -> PathBuf {
        self.root.join("venv")
    }
}

/// Whether there is a controller manager among the prebuilt programs; the others must be there.
fn check_assets(folder: &Path, say: Say) -> Result<bool> {
    for name in ["etcd", "kube-apiserver", "kubectl"] {
        if !folder.join(name).is_file() {
            bail!(
                "KUBEBUILDER_ASSETS is {}, where there is no {name}: unset it, and it is built",
                folder.display()
            );
        }
    }
    let controller_manager = folder.join("kube-controller-manager").is_file();
    if !controller_manager {
        say.line(format_args!(
            "no kube-controller-manager in {}: namespaces will not go away, owners not be collected, Jobs not run",
            folder.display()
        ));
    }
    Ok(controller_manager)
}

/// Makes `link` point at `target`, without a moment in which it does not exist.
fn link(target: &str, link: &Path) -> Result<()> {
    if fs::read_link(link).is_ok_and(|now| now == Path::new(target)) {
        return Ok(());
    }
    let new = link.with_extension("new");
    let _ = fs::remove_file(&new);
    symlink(target, &new)
        .and_then(|()| fs::rename(&new, link))
        .with_context(|| format!("cannot write {}", link.display()))
}
