//! Spans of calls to AWS, by the conventions of OpenTelemetry. Whoever collects none pays for none.

use mizuumi_core::Failure;
use tracing::field::{Empty, display};
use tracing::{Span, info_span};

use crate::gateway::Api;

/// The target of all spans of this program: logs leave them out, and who collects spans takes no others.
pub const SPANS: &str = "mizuumi::spans";

/// One attempt of a call, from the moment that it is sent.
pub(crate) fn call(api: Api, account: &str, region: &str) -> Span {
    let Api { service, operation, .. } = api;
    info_span!(
        target: SPANS,
        "call",
        otel.name = %format_args!("{service}.{operation}"),
        otel.kind = "client",
        otel.status_code = Empty,
        otel.status_description = Empty,
        rpc.system = "aws-api",
        rpc.service = service,
        rpc.method = operation,
        cloud.account.id = account,
        cloud.region = region,
        aws.request_id = Empty,
        "error.type" = Empty,
    )
}

/// What came of it, if it failed.
pub(crate) fn failed(span: &Span, failure: &Failure) {
    span.record("otel.status_code", "ERROR");
    span.record("otel.status_description", display(&failure.message));
    span.record("error.type", failure.code.as_deref().unwrap_or_else(|| failure.class.name()));
    span.record("aws.request_id", failure.request_id.as_deref());
}
