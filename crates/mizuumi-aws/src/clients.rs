//! AWS clients by profile: whose credentials, which endpoint, how often to retry, how fast to call.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_glue::config::retry::RetryConfig;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use mizuumi_api::Installation;
use mizuumi_api::installation::{DEFAULT_PROFILE, Profile};
use mizuumi_core::{Class, Failure};

/// How long one attempt of a call may take.
const ATTEMPT: Duration = Duration::from_secs(20);
/// How long a call may take with its retries.
const CALL: Duration = Duration::from_mins(1);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// The clients of one profile.
#[derive(Clone, Debug)]
pub struct ProfileClients {
    /// Glue for reads, which may be repeated.
    pub glue: aws_sdk_glue::Client,
    /// Glue for writes. One attempt: what became of a lost one is for the next look to find out.
    pub glue_once: aws_sdk_glue::Client,
    /// S3, of which only lists are used.
    pub s3: aws_sdk_s3::Client,
    limits: Arc<Limits>,
}

/// The clients of every profile.
#[derive(Clone, Debug)]
pub struct Clients {
    profiles: BTreeMap<String, ProfileClients>,
}

/// How fast each operation may be called, shared by all profiles.
#[derive(Debug)]
struct Limits {
    glue: DefaultKeyedRateLimiter<&'static str>,
    s3: DefaultKeyedRateLimiter<&'static str>,
}

impl Clients {
    /// Makes the clients that an installation's configuration names. Nothing is called yet.
    pub async fn new(installation: &Installation) -> Self {
        Self::from_loader(installation, aws_config::defaults(BehaviorVersion::latest())).await
    }

    /// The same with credentials of the caller's choice, beside those that the environment names.
    pub async fn from_loader(installation: &Installation, loader: ConfigLoader) -> Self {
        let mut loader = loader.region(Region::new(installation.aws.region.clone())).timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT)
                .operation_attempt_timeout(ATTEMPT)
                .operation_timeout(CALL)
                .build(),
        );
        // AWS's own logs then tell our calls from those of others.
        if let Ok(name) = AppName::new("mizuumi") {
            loader = loader.app_name(name);
        }
        if let Some(url) = &installation.aws.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        let base = loader.load().await;
        let rate = |per_second: u32| {
            RateLimiter::keyed(Quota::per_second(NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN)))
        };
        let limits = Arc::new(Limits {
            glue: rate(installation.rates.glue_per_second),
            s3: rate(installation.rates.s3_per_second),
        });
        // From the configuration or from AWS_ENDPOINT_URL.
        let own_endpoint = base.endpoint_url().is_some();
        let mut named = installation.profiles.clone();
        named.entry(DEFAULT_PROFILE.to_owned()).or_default();
        let mut profiles = BTreeMap::new();
        for (name, profile) in named {
            let config = with_role(&base, &profile, &installation.installation).await;
            profiles.insert(name, ProfileClients::new(&config, own_endpoint, limits.clone()));
        }
        Self { profiles }
    }

    /// The clients of a profile.
    ///
    /// # Errors
    /// `Denied` if the installation has no such profile.
    pub fn of(&self, profile: &str) -> Result<&ProfileClients, Failure> {
        self.profiles.get(profile).ok_or_else(|| Failure {
            operation: "profile",
            class: Class::Denied,
            message: format!("this installation has no profile '{profile}'"),
        })
    }
}

async fn with_role(base: &SdkConfig, profile: &Profile, installation: &str) -> SdkConfig {
    let Some(role) = &profile.role_arn else { return base.clone() };
    let mut builder =
        AssumeRoleProvider::builder(role).session_name(format!("mizuumi-{installation}")).configure(base);
    if let Some(id) = &profile.external_id {
        builder = builder.external_id(id);
    }
    let provider = builder.build().await;
    base.to_builder()
        .credentials_provider(aws_sdk_glue::config::SharedCredentialsProvider::new(provider))
        .build()
}

impl ProfileClients {
    fn new(config: &SdkConfig, own_endpoint: bool, limits: Arc<Limits>) -> Self {
        let read =
            RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(200));
        let glue = aws_sdk_glue::config::Builder::from(config);
        Self {
            glue: aws_sdk_glue::Client::from_conf(glue.clone().retry_config(read.clone()).build()),
            glue_once: aws_sdk_glue::Client::from_conf(glue.retry_config(RetryConfig::disabled()).build()),
            // A bucket's own host name does not resolve at an endpoint of one's own.
            s3: aws_sdk_s3::Client::from_conf(
                aws_sdk_s3::config::Builder::from(config)
                    .retry_config(read)
                    .force_path_style(own_endpoint)
                    .build(),
            ),
            limits,
        }
    }

    /// Waits until the Glue operation may be called.
    pub(crate) async fn glue_turn(&self, operation: &'static str) {
        self.limits.glue.until_key_ready(&operation).await;
    }

    /// Waits until the S3 operation may be called.
    pub(crate) async fn s3_turn(&self, operation: &'static str) {
        self.limits.s3.until_key_ready(&operation).await;
    }
}
