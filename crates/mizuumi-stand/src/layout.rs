//! Where one stand keeps what: the only place that knows the names inside `.stand`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::parts::Part;

/// The folder of one stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The stand in `folder`, which need not exist yet. The path becomes absolute, as the parts run elsewhere.
    pub fn new(folder: &Path) -> Result<Self> {
        let root = std::path::absolute(folder)
            .with_context(|| format!("{} cannot be the folder of a stand", folder.display()))?;
        Ok(Self { root })
    }

    /// Creates the folders that the parts write to.
    pub fn create(&self) -> Result<()> {
        let localaws = self.localaws_data();
        for folder in [self.logs(), self.run(), self.credentials(), localaws] {
            fs::create_dir_all(&folder)
                .with_context(|| format!("cannot create the folder {}", folder.display()))?;
        }
        Ok(())
    }

    /// Removes everything that a stand writes, and nothing else that may lie in the folder.
    pub fn purge(&self) -> Result<()> {
        for folder in [self.data(), self.logs(), self.run(), self.credentials()] {
            remove(fs::remove_dir_all(&folder), &folder)?;
        }
        for file in [self.state(), self.kubeconfig(), self.env()] {
            remove(fs::remove_file(&file), &file)?;
        }
        Ok(())
    }

    /// Removes the data (etcd's and the AWS endpoint's); credentials and logs stay.
    pub fn purge_data(&self) -> Result<()> {
        let data = self.data();
        remove(fs::remove_dir_all(&data), &data)
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What the stand consists of, see [`crate::state::State`].
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.root.join("state.json")
    }

    /// The administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.root.join("kubeconfig")
    }

    /// Shell `export` lines.
    #[must_use]
    pub fn env(&self) -> PathBuf {
        self.root.join("env")
    }

    /// The log of one part.
    #[must_use]
    pub fn log(&self, part: Part) -> PathBuf {
        self.logs().join(format!("{part}.log"))
    }

    /// The record of one part's process.
    #[must_use]
    pub fn record(&self, part: Part) -> PathBuf {
        self.run().join(format!("{part}.json"))
    }

    /// The process id of one part, alone in a file, for shells.
    #[must_use]
    pub fn pid(&self, part: Part) -> PathBuf {
        self.run().join(format!("{part}.pid"))
    }

    /// The file that the AWS endpoint writes when it is ready.
    #[must_use]
    pub fn localaws_ready(&self) -> PathBuf {
        self.run().join("localaws.ready")
    }

    /// etcd's data.
    #[must_use]
    pub fn etcd_data(&self) -> PathBuf {
        self.data().join("etcd")
    }

    /// The AWS endpoint's working folder.
    #[must_use]
    pub fn localaws_data(&self) -> PathBuf {
        self.data().join("localaws")
    }

    /// The apiserver's certificates; it makes them itself at its first start.
    #[must_use]
    pub fn certificates(&self) -> PathBuf {
        self.credentials().join("certificates")
    }

    /// What clients check the apiserver's certificate with.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.certificates().join("apiserver.crt")
    }

    /// The apiserver's list of tokens.
    #[must_use]
    pub fn tokens(&self) -> PathBuf {
        self.credentials().join("tokens.csv")
    }

    /// The key that service account tokens are signed with.
    #[must_use]
    pub fn service_account_key(&self) -> PathBuf {
        self.credentials().join("service-account.key")
    }

    /// The folder of the records of processes.
    #[must_use]
    pub fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    fn credentials(&self) -> PathBuf {
        self.root.join("credentials")
    }
}

fn remove(result: std::io::Result<()>, path: &Path) -> Result<()> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purge_leaves_what_is_not_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path()).unwrap();
        layout.create().unwrap();
        let inner = Layout::new(&folder.path().join("test")).unwrap();
        inner.create().unwrap();
        layout.purge().unwrap();
        assert!(!layout.run().exists());
        assert!(inner.run().exists());
    }
}
