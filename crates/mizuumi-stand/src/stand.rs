//! A stand as tests and tools see it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::down;
use crate::layout::Layout;
use crate::lock::Lock;
use crate::parts::Part;
use crate::process::Record;
use crate::say::Say;
use crate::start;
use crate::state::State;

/// A stand that was brought up, perhaps by another process. Dropping it stops nothing.
#[derive(Clone, Debug)]
pub struct Stand {
    layout: Layout,
    state: State,
    kubeconfig: PathBuf,
}

impl Stand {
    /// The stand in a folder.
    pub fn load(folder: impl AsRef<Path>) -> Result<Self> {
        let layout = Layout::new(folder.as_ref())?;
        let state = State::load(&layout)?;
        let kubeconfig = state.kubeconfig(&layout);
        Ok(Self { layout, state, kubeconfig })
    }

    /// The stand that the variable `MIZUUMI_STAND` names, as within `mizuumi-stand with`.
    pub fn from_env() -> Result<Self> {
        let folder = std::env::var_os("MIZUUMI_STAND")
            .context("MIZUUMI_STAND is not set: run this in `mizuumi-stand with -- …`, or after `make up`")?;
        Self::load(PathBuf::from(folder))
    }

    /// The stand's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.layout.root()
    }

    /// The administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The apiserver's address; none if the cluster is somebody else's.
    #[must_use]
    pub fn apiserver_url(&self) -> Option<String> {
        self.state.parts().contains(&Part::Apiserver).then(|| self.state.ports.apiserver_url())
    }

    /// The AWS endpoint's address; none in a stand without it.
    #[must_use]
    pub fn aws_url(&self) -> Option<String> {
        self.state.localaws.is_some().then(|| self.state.ports.localaws_url())
    }

    /// kubectl; it needs [`Self::variables`] or `--kubeconfig`.
    #[must_use]
    pub fn kubectl(&self) -> &Path {
        &self.state.tools.kubectl
    }

    /// The program that says what the kstatus library makes of an object.
    pub fn kstatus(&self) -> Result<&Path> {
        self.state.tools.kstatus.as_deref().context("this stand has no kstatus: install Go, then `up` again")
    }

    /// Python with the AWS clients.
    pub fn python(&self) -> Result<&Path> {
        self.state.tools.python.as_deref().context("this stand is without AWS, hence without its Python")
    }

    /// Name and value of the variables that clients need.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        crate::environment::variables(&self.layout, &self.state, |name| std::env::var(name).ok())
    }

    /// The parts of this stand.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        self.state.parts()
    }

    /// The log of a part.
    #[must_use]
    pub fn log(&self, part: Part) -> PathBuf {
        self.layout.log(part)
    }

    /// The process id of a part; none if it does not run.
    #[must_use]
    pub fn pid(&self, part: Part) -> Option<i32> {
        start::running(part, &self.layout).map(|record| record.pid)
    }

    /// Stops a part by name (`kube-apiserver`), as an orderly shutdown would.
    pub fn stop(&self, part: &str) -> Result<()> {
        self.stop_saying(named(part)?, Say::Nothing)
    }

    /// Ends a part at once, as a crash would.
    pub fn kill(&self, part: &str) -> Result<()> {
        let part = named(part)?;
        let _lock = Lock::take(self.layout.root(), Say::Nothing)?;
        if let Some(record) = Record::read(&self.layout.record(part)) {
            record.kill();
        }
        Ok(())
    }

    /// Starts a part unless it runs, and waits until it answers. Its address is the same as before.
    pub fn start(&self, part: &str) -> Result<()> {
        self.start_saying(named(part)?, Say::Nothing)
    }

    /// Stops a part, starts it, and waits until it answers.
    pub fn restart(&self, part: &str) -> Result<()> {
        self.stop(part)?;
        self.start(part)
    }

    pub(crate) fn stop_saying(&self, part: Part, say: Say) -> Result<()> {
        self.check_has(part)?;
        let _lock = Lock::take(self.layout.root(), say)?;
        down::stop(part, &self.layout, say);
        Ok(())
    }

    pub(crate) fn start_saying(&self, part: Part, say: Say) -> Result<()> {
        self.check_has(part)?;
        let _lock = Lock::take(self.layout.root(), say)?;
        start::begin(part, &self.layout, &self.state)?.finish(&self.layout, &self.state, say)
    }

    fn check_has(&self, part: Part) -> Result<()> {
        if self.parts().contains(&part) {
            return Ok(());
        }
        bail!("{part} is not a part of the stand in {}", self.folder().display())
    }
}

fn named(part: &str) -> Result<Part> {
    part.parse().map_err(anyhow::Error::msg)
}
