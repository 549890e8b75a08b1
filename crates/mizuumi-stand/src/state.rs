//! What a stand consists of, as `state.json` keeps it between commands.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::layout::Layout;
use crate::parts::Part;
use crate::ports::Ports;

/// What a stand consists of. Which of its parts run is not in here: the processes themselves say it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The control plane.
    pub cluster: Cluster,
    /// The programs that go with it.
    pub tools: Tools,
    /// The AWS endpoint's binary; none with `--without-aws`.
    pub localaws: Option<PathBuf>,
    /// The ports, all on 127.0.0.1.
    pub ports: Ports,
    /// The administrator's token.
    pub token: String,
}

/// Where the control plane comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Cluster {
    /// Started here.
    Own {
        /// The folder of `etcd` and `kube-apiserver`.
        binaries: PathBuf,
        /// Whether there is a `kube-controller-manager` too; `KUBEBUILDER_ASSETS` often lacks it.
        controller_manager: bool,
    },
    /// Somebody else's; never started or stopped here.
    Existing {
        /// How to reach it.
        kubeconfig: PathBuf,
    },
}

/// Programs for people and tests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tools {
    /// The folders that come first in PATH.
    pub path: Vec<PathBuf>,
    /// `kubectl` of the control plane's version.
    pub kubectl: PathBuf,
    /// `kstatus`; none where Go was not to be had.
    pub kstatus: Option<PathBuf>,
    /// Python with the AWS clients and moto; none with `--without-aws`.
    pub python: Option<PathBuf>,
}

impl State {
    /// Reads the state; `None` when there is no stand in the folder.
    pub fn read(layout: &Layout) -> Result<Option<Self>> {
        let path = layout.state();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let state = serde_json::from_slice(&text).with_context(|| {
            format!("{} is not a state of this version: `down --purge`, then `up`", path.display())
        })?;
        Ok(Some(state))
    }

    /// Reads the state of a stand that must exist.
    pub fn load(layout: &Layout) -> Result<Self> {
        match Self::read(layout)? {
            Some(state) => Ok(state),
            None => {
                bail!("there is no stand in {}: start it with `mizuumi-stand up`", layout.root().display())
            }
        }
    }

    /// Writes the state.
    pub fn write(&self, layout: &Layout) -> Result<()> {
        let path = layout.state();
        let text = serde_json::to_string_pretty(self)? + "\n";
        crate::process::write_private(&path, text.as_bytes())
    }

    /// The parts that this stand runs, in the order of their start.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        if let Cluster::Own { controller_manager, .. } = &self.cluster {
            parts.extend([Part::Etcd, Part::Apiserver]);
            if *controller_manager {
                parts.push(Part::ControllerManager);
            }
        }
        if self.localaws.is_some() {
            parts.push(Part::Localaws);
        }
        parts
    }

    /// The kubeconfig to use.
    #[must_use]
    pub fn kubeconfig(&self, layout: &Layout) -> PathBuf {
        match &self.cluster {
            Cluster::Own { .. } => layout.kubeconfig(),
            Cluster::Existing { kubeconfig } => kubeconfig.clone(),
        }
    }
}
