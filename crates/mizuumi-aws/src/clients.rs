//! AWS clients by profile: whose credentials, which endpoint, which account's rates.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_glue::config::retry::RetryConfig;
use mizuumi_api::Installation;
use mizuumi_api::installation::{DEFAULT_PROFILE, Profile};
use mizuumi_core::{Class, Failure};
use tracing::debug;

use crate::gateway::Gateway;
use crate::json;
use crate::metrics::Metrics;
use crate::pace::Pace;
use crate::query;

/// How long a call may take.
const CALL: Duration = Duration::from_secs(20);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long to wait for STS to say which account the credentials are of. Only the rates depend on it.
const IDENTITY: Duration = Duration::from_secs(5);

/// The clients of one profile. The SDK repeats nothing by itself: the gateway knows what may be.
#[derive(Clone, Debug)]
pub struct ProfileClients {
    /// Athena.
    pub athena: aws_sdk_athena::Client,
    /// EC2, of which only reads of the network are used.
    pub(crate) ec2: query::Service,
    /// ECS.
    pub(crate) ecs: json::Service,
    /// EMR.
    pub emr: aws_sdk_emr::Client,
    /// Glue.
    pub glue: aws_sdk_glue::Client,
    /// S3, of which only lists are used.
    pub s3: aws_sdk_s3::Client,
    /// STS, which says whose credentials these are.
    pub(crate) sts: aws_sdk_sts::Client,
    pub(crate) gateway: Gateway,
}

/// The clients of every profile.
#[derive(Clone, Debug)]
pub struct Clients {
    profiles: BTreeMap<String, ProfileClients>,
    pace: Arc<Pace>,
    metrics: Metrics,
}

impl Clients {
    /// Makes the clients that an installation's configuration names, and asks STS whose credentials
    /// there are if some profiles have roles: a role may be of the same account.
    pub async fn new(installation: &Installation, metrics: Metrics) -> Self {
        let loader = aws_config::defaults(BehaviorVersion::latest());
        Box::pin(Self::from_loader(installation, metrics, loader)).await
    }

    /// The same with credentials of the caller's choice, beside those that the environment names.
    pub async fn from_loader(installation: &Installation, metrics: Metrics, loader: ConfigLoader) -> Self {
        let mut loader =
            loader.region(Region::new(installation.aws.region.clone())).retry_config(RetryConfig::disabled());
        loader = loader.timeout_config(
            TimeoutConfig::builder().connect_timeout(CONNECT).operation_timeout(CALL).build(),
        );
        // AWS's own logs then tell our calls from those of others.
        if let Ok(name) = AppName::new("mizuumi") {
            loader = loader.app_name(name);
        }
        if let Some(url) = &installation.aws.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        let base = loader.load().await;
        let pace = Pace::new(installation);
        // From the configuration or from AWS_ENDPOINT_URL.
        let own_endpoint = base.endpoint_url().is_some();
        let mut named = installation.profiles.clone();
        named.entry(DEFAULT_PROFILE.to_owned()).or_default();
        // Where there is only one account, its number does not matter.
        let has_roles = named.values().any(|profile| profile.role_arn.is_some());
        let own_account = if has_roles { own_account(&base).await } else { "own".into() };
        let mut profiles = BTreeMap::new();
        for (name, profile) in named {
            let config = with_role(&base, &profile, &installation.installation).await;
            let gateway = Gateway {
                pace: pace.clone(),
                metrics: metrics.clone(),
                account: profile
                    .role_arn
                    .as_deref()
                    .and_then(account_of)
                    .map_or(own_account.clone(), Arc::from),
                region: installation.aws.region.as_str().into(),
            };
            profiles.insert(name, ProfileClients::new(&config, own_endpoint, gateway));
        }
        Self { profiles, pace, metrics }
    }

    /// The clients of a profile.
    ///
    /// # Errors
    /// `Denied` if the installation has no such profile.
    pub fn of(&self, profile: &str) -> Result<&ProfileClients, Failure> {
        self.profiles.get(profile).ok_or_else(|| {
            Failure::new("profile", Class::Denied, format!("this installation has no profile '{profile}'"))
        })
    }

    /// Brings the metrics up to date that are read off rather than counted.
    pub fn measure(&self) {
        self.metrics.rates(self.pace.rates());
    }

    /// What the calls are counted by.
    #[must_use]
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

/// The account of the controller's own credentials; `own` if STS does not say it at once. All profiles without a role
/// share it either way.
async fn own_account(config: &SdkConfig) -> Arc<str> {
    let sts = aws_sdk_sts::Client::new(config);
    match tokio::time::timeout(IDENTITY, sts.get_caller_identity().send()).await {
        Ok(Ok(identity)) => identity.account().unwrap_or("own").into(),
        Ok(Err(error)) => {
            debug!(%error, "STS does not say whose credentials these are");
            "own".into()
        }
        Err(_) => "own".into(),
    }
}

/// The account of a role: `arn:aws:iam::123456789012:role/name`.
fn account_of(role_arn: &str) -> Option<&str> {
    role_arn.split(':').nth(4).filter(|account| !account.is_empty())
}

async fn with_role(base: &SdkConfig, profile: &Profile, installation: &str) -> SdkConfig {
    let Some(role) = &profile.role_arn else { return base.clone() };
    // STS is asked by the provider itself; what it answers is cached, and asked for again before it expires.
    let patient = base.to_builder().retry_config(RetryConfig::standard()).build();
    let mut builder =
        AssumeRoleProvider::builder(role).session_name(format!("mizuumi-{installation}")).configure(&patient);
    if let Some(id) = &profile.external_id {
        builder = builder.external_id(id);
    }
    let provider = builder.build().await;
    base.to_builder()
        .credentials_provider(aws_sdk_glue::config::SharedCredentialsProvider::new(provider))
        .build()
}

impl ProfileClients {
    fn new(config: &SdkConfig, own_endpoint: bool, gateway: Gateway) -> Self {
        // A bucket's own host name does not resolve at an endpoint of one's own.
        let s3 = aws_sdk_s3::config::Builder::from(config).force_path_style(own_endpoint).build();
        Self {
            athena: aws_sdk_athena::Client::new(config),
            ec2: query::Service::new("ec2", config),
            ecs: json::Service::new("ecs", "AmazonEC2ContainerServiceV20141113", config),
            emr: aws_sdk_emr::Client::new(config),
            glue: aws_sdk_glue::Client::new(config),
            s3: aws_sdk_s3::Client::from_conf(s3),
            sts: aws_sdk_sts::Client::new(config),
            gateway,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_says_its_account() {
        assert_eq!(account_of("arn:aws:iam::123456789012:role/lake"), Some("123456789012"));
        assert_eq!(account_of("lake"), None);
    }
}
