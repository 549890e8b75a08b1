//! What a controller would find in AWS, before there is one: whose credentials there are, and what they may read.

use mizuumi_api::Installation;
use mizuumi_api::installation::DEFAULT_PROFILE;
use mizuumi_core::{Failure, Lane};

use crate::clients::{Clients, ProfileClients};
use crate::error::{Effect, failure};
use crate::s3::objects;
use crate::{athena, emr, glue};

/// A name that no table has, so that a list of it is one empty page.
const NO_TABLE: &str = "mizuumi-preflight";

/// Something that was tried.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What, such as `glue: database 'nyc'`.
    pub what: String,
    /// How it went; in words if it did not.
    pub outcome: Result<(), String>,
}

impl Clients {
    /// Whose credentials a profile has: account and ARN.
    ///
    /// # Errors
    /// If there is no such profile, or STS does not say it.
    pub async fn identity(&self, profile: &str) -> Result<(String, String), Failure> {
        let sts = &self.of(profile)?.sts;
        let identity = sts.get_caller_identity().send().await;
        let identity = identity.map_err(|error| failure("sts:GetCallerIdentity", Effect::Read, &error))?;
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Ok((text(identity.account()), text(identity.arn())))
    }

    /// Reads a little of all that a profile is to work with. What only writes could tell is not tried.
    ///
    /// # Errors
    /// If there is no such profile.
    pub async fn trials(&self, installation: &Installation, profile: &str) -> Result<Vec<Trial>, Failure> {
        let clients = self.of(profile)?;
        let mut trials = Vec::new();
        for database in installation.allow.databases.iter().filter(|name| !name.contains('*')) {
            trials.push(Trial {
                what: format!("Glue database '{database}'"),
                outcome: of_database(clients, database).await,
            });
        }
        for prefix in &installation.allow.s3_prefixes {
            let outcome = objects::some_names(clients, Lane::Change, prefix).await;
            trials.push(Trial {
                what: prefix.clone(),
                outcome: outcome.map(drop).map_err(|failure| failure.to_string()),
            });
        }
        let settings = installation.profile(profile);
        if settings.as_ref().is_some_and(|settings| settings.emr.is_some()) {
            let outcome = emr::list(clients, Lane::Change, None).await;
            let outcome = outcome.map(drop).map_err(|failure| failure.to_string());
            trials.push(Trial { what: "clusters of EMR".to_owned(), outcome });
        }
        if let Some(athena) = settings.and_then(|settings| settings.athena) {
            let workgroup = &athena.workgroup;
            let outcome = match athena::cutoff(clients, Lane::Change, workgroup).await {
                Ok(Some(_)) => Ok(()),
                Ok(None) => Err("it is not there, or does not limit the bytes that a query scans, or clients may set that aside".to_owned()),
                Err(failure) => Err(failure.to_string()),
            };
            trials.push(Trial { what: format!("workgroup '{workgroup}' of Athena"), outcome });
        }
        Ok(trials)
    }
}

async fn of_database(clients: &ProfileClients, database: &str) -> Result<(), String> {
    let asked = || NO_TABLE.to_owned();
    let listed = glue::get_tables(clients, Lane::Change, database, Some(&asked), || {}, |_| {}).await;
    match listed {
        Err(failure) => Err(failure.to_string()),
        Ok(false) => Err("there is none in this region and account; create it, or have a table make it (`databasePolicy: Create`)".to_owned()),
        Ok(true) => Ok(()),
    }
}

/// The profiles of an installation, the one that goes without saying among them.
#[must_use]
pub fn profiles(installation: &Installation) -> Vec<String> {
    let mut all: Vec<String> = installation.profiles.keys().cloned().collect();
    if !installation.profiles.contains_key(DEFAULT_PROFILE) {
        all.insert(0, DEFAULT_PROFILE.to_owned());
    }
    all
}
