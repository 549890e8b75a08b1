//! Services of which so little is used that their SDKs cost more than they give: called by what the SDKs themselves are made of.

use std::error::Error;
use std::fmt::Debug;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::auth::{SigV4OperationSigningConfig, SigningOptions};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{AuthSchemeOptionResolverParams, SharedAuthSchemeOptionResolver};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SigningName;
use aws_types::region::SigningRegion;

/// Calls of a service, signed and sent to the endpoint of the configuration, or to AWS's own.
pub(crate) fn operation<I>(
    service: &'static str,
    name: &'static str,
    config: &SdkConfig,
    request: fn(I) -> Result<HttpRequest, Box<dyn Error + Send + Sync>>,
    answer: fn(&HttpResponse) -> Result<String, OrchestratorError<ErrorMetadata>>,
) -> Operation<I, String, ErrorMetadata>
where
    I: Debug + Send + Sync + 'static,
{
    let region = config.region().map(ToString::to_string).unwrap_or_default();
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let usual = format!("https://{service}.{region}.{domain}");
    let mut layer = Layer::new(service);
    layer.store_put(SigV4OperationSigningConfig {
        region: config.region().cloned().map(SigningRegion::from),
        region_set: None,
        name: Some(SigningName::from_static(service)),
        signing_options: SigningOptions::default(),
    });
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    let mut components = RuntimeComponentsBuilder::new(service);
    let schemes = StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID]);
    components.set_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(schemes)));
    components.push_auth_scheme(SigV4AuthScheme::new());
    if let Some(credentials) = config.credentials_provider() {
        components.set_identity_resolver(SCHEME_ID, credentials);
    }
    components.set_identity_cache(config.identity_cache());
    if let Some(client) = config.http_client() {
        components.set_http_client(Some(client));
    }
    let plugin = StaticRuntimePlugin::new().with_config(layer.freeze()).with_runtime_components(components);
    Operation::builder()
        .service_name(service)
        .operation_name(name)
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(config.endpoint_url().unwrap_or(&usual))
        .timeout_config(config.timeout_config().cloned().unwrap_or_else(TimeoutConfig::disabled))
        // The gateway knows what may be repeated.
        .no_retry()
        .runtime_plugin(plugin)
        .serializer(request)
        .deserializer(answer)
        .build()
}
