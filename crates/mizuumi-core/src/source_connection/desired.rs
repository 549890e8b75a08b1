//! What a `SourceConnection` asks for, and whether this installation lets any run have it.

use mizuumi_api::Installation;
use mizuumi_api::installation::{EcsProfile, JobsProfile};
use mizuumi_api::source_connection::SourceConnection;

use super::Usage;
use crate::problem::Problem;

/// A connection that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredConnection {
    /// What kind of source it is.
    pub type_: String,
    /// Who uses it; none: that is not known yet.
    pub usage: Option<Usage>,
}

impl DesiredConnection {
    /// The image and the secret have to be allowed by one profile at least; by which it is that a job's table has is said by its runs.
    pub(super) fn new(object: &SourceConnection, installation: &Installation) -> Result<Self, Vec<Problem>> {
        let spec = &object.spec;
        let profiles = || installation.profiles.values();
        let tasks: Vec<&EcsProfile> = profiles().filter_map(|profile| profile.ecs.as_ref()).collect();
        let jobs: Vec<&JobsProfile> = profiles().filter_map(|profile| profile.jobs.as_ref()).collect();
        let mut problems = Vec::new();
        let images = || tasks.iter().map(|ecs| &ecs.images).chain(jobs.iter().map(|jobs| &jobs.images));
        let is_allowed = tasks.iter().any(|ecs| ecs.allows_image(&spec.image))
            || jobs.iter().any(|jobs| jobs.allows_image(&spec.image));
        // Where no profile runs images, each run says so.
        if images().next().is_some() && !is_allowed {
            let all = in_words(images().flatten());
            let message = format!("'{}' is not among the images that any profile allows: {all}", spec.image);
            problems.push(Problem::not_allowed("spec.image", message));
        }
        let stored = spec.secret.as_ref().and_then(|secret| secret.secrets_manager.as_ref());
        if let Some(stored) = stored
            && !tasks.is_empty()
            && !tasks.iter().any(|ecs| ecs.allows_secret(&stored.name))
        {
            let all = in_words(tasks.iter().flat_map(|ecs| &ecs.secrets));
            let message =
                format!("'{}' is not among the secrets that any profile allows: {all}", stored.name);
            problems.push(Problem::not_allowed("spec.secret.secretsManager.name", message));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self { type_: spec.type_.clone(), usage: None })
    }
}

/// Patterns, each once.
fn in_words<'a>(patterns: impl Iterator<Item = &'a String>) -> String {
    let mut all: Vec<&str> = patterns.map(String::as_str).collect();
    all.sort_unstable();
    all.dedup();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}
