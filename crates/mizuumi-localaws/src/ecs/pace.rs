//! How long ECS takes for things, how much faster the local endpoint is, and what images stand for.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::life::{Millis, Work};

/// Durations in seconds, all of them divided by `speed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Pace {
    /// How many times faster than in AWS tasks live.
    pub(crate) speed: f64,
    /// `PROVISIONING`: the network interface is made.
    pub(crate) provisioning_seconds: f64,
    /// `PENDING`: the image is pulled.
    pub(crate) pending_seconds: f64,
    /// A task whose image stands for nothing that says anything else.
    pub(crate) task_seconds: f64,
    /// `DEACTIVATING`.
    pub(crate) deactivating_seconds: f64,
    /// From SIGTERM to SIGKILL where the container does not say `stopTimeout`.
    pub(crate) stop_timeout_seconds: f64,
    /// `DEPROVISIONING`.
    pub(crate) deprovisioning_seconds: f64,
    /// So long a task that has stopped is shown; not divided.
    pub(crate) remembered_seconds: f64,
}

impl Default for Pace {
    // AWS publishes no durations but the last two (API reference, `StopTask` and `DescribeTasks`); the others are of the size
    // that tasks of small images are commonly seen to take.
    fn default() -> Self {
        Self {
            speed: 1.0,
            provisioning_seconds: 10.0,
            pending_seconds: 20.0,
            task_seconds: 60.0,
            deactivating_seconds: 1.0,
            stop_timeout_seconds: 30.0,
            deprovisioning_seconds: 10.0,
            remembered_seconds: 3600.0,
        }
    }
}

fn millis(seconds: f64) -> Millis {
    #[expect(clippy::cast_possible_truncation, reason = "a cast from f64 saturates")]
    let millis = (seconds.max(0.0) * 1000.0).round() as i64;
    millis
}

impl Pace {
    /// The usual durations, `speed` times faster.
    pub(crate) fn of(speed: f64) -> Self {
        Self { speed, ..Self::default() }
    }

    /// A duration of ECS in milliseconds of the local endpoint.
    pub(super) fn millis(&self, seconds: f64) -> Millis {
        millis(seconds / self.speed)
    }

    /// How long a task that has stopped is shown.
    pub(super) fn remembered(&self) -> Millis {
        millis(self.remembered_seconds)
    }

    /// Why these numbers cannot be used, if they cannot.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        (!(self.speed.is_finite() && self.speed > 0.0)).then_some("speed has to be a number above 0")
    }
}

/// What an image stands for: a program of this machine, or how long a task of it runs by the clock and how it ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "it is what the caller writes")]
pub(crate) struct Image {
    /// Only for tasks of this account.
    #[serde(default)]
    pub(crate) account: Option<String>,
    /// The image; a final `*` stands for any ending.
    pub(crate) image: String,
    /// Its entry point: a program of this machine and what it is called with first.
    #[serde(default)]
    pub(crate) command: Option<Vec<String>>,
    /// Without a program: how long a task runs, before `speed`.
    #[serde(default)]
    pub(crate) seconds: Option<f64>,
    /// Without a program: its exit code.
    #[serde(default)]
    pub(crate) exit_code: Option<i32>,
}

impl Image {
    /// Whether this is said of an account's image.
    pub(super) fn is_of(&self, account: &str, image: &str) -> bool {
        let is_meant = match self.image.strip_suffix('*') {
            Some(stem) => image.starts_with(stem),
            None => image == self.image,
        };
        is_meant && self.account.as_deref().is_none_or(|owner| owner == account)
    }

    /// What a task of it does.
    pub(super) fn work(&self, pace: &Pace) -> Work {
        match &self.command {
            Some(entry_point) => Work::Process { entry_point: entry_point.clone() },
            None => Work::Clock {
                seconds: self.seconds.unwrap_or(pace.task_seconds),
                exit_code: self.exit_code.unwrap_or(0),
            },
        }
    }
}

/// The program in a folder that an image stands for: that of its name, without registry, tag and digest.
pub(super) fn program(folder: &Path, image: &str) -> Option<PathBuf> {
    let name = image.split('@').next().unwrap_or(image);
    let name = name.rsplit('/').next().unwrap_or(name);
    let name = name.split(':').next().unwrap_or(name);
    Some(folder.join(name)).filter(|path| path.is_file())
}
