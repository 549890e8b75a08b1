//! Calls of AWS's JSON protocol (awsJson 1.1).
//!
//! For ECS, of which seven operations are used: its SDK is 248,000 lines, took 287 s of a busy machine of two cores to build by itself and
//! 1.6 GB of memory, and is a library of 102 MB.

use std::error::Error;

use aws_config::SdkConfig;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;
use serde_json::Value;

use crate::service;

/// A call: the operation with what its service's targets begin with, and what it says.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    target: String,
    input: String,
}

/// A service that speaks JSON.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    prefix: &'static str,
    operation: Operation<Call, String, ErrorMetadata>,
}

impl Service {
    /// A service at the endpoint of the configuration, or at AWS's own; its targets begin so.
    pub(crate) fn new(service: &'static str, prefix: &'static str, config: &SdkConfig) -> Self {
        Self { prefix, operation: service::operation(service, "Json", config, |call| request(&call), answer) }
    }

    /// The answer as text.
    pub(crate) async fn call(
        &self,
        operation: &str,
        input: &Value,
    ) -> Result<String, SdkError<ErrorMetadata, HttpResponse>> {
        let call = Call { target: format!("{}.{operation}", self.prefix), input: input.to_string() };
        self.operation.invoke(call).await
    }
}

fn request(call: &Call) -> Result<HttpRequest, Box<dyn Error + Send + Sync>> {
    let mut request = HttpRequest::new(SdkBody::from(call.input.as_str()));
    request.set_method("POST")?;
    request.set_uri("/")?;
    let headers = request.headers_mut();
    headers.insert("content-type", "application/x-amz-json-1.1");
    headers.insert("x-amz-target", call.target.clone());
    // AWS's own logs then tell our calls from those of others.
    headers.insert("user-agent", "app/mizuumi");
    Ok(request)
}

fn answer(response: &HttpResponse) -> Result<String, OrchestratorError<ErrorMetadata>> {
    let text = String::from_utf8_lossy(response.body().bytes().unwrap_or_default()).into_owned();
    if response.status().is_success() { Ok(text) } else { Err(OrchestratorError::operation(refusal(&text))) }
}

/// What a service says in an error: its code may stand behind the name of a model, `com.amazonaws.ecs#ClientException`.
fn refusal(text: &str) -> ErrorMetadata {
    let said: Value = serde_json::from_str(text).unwrap_or_default();
    let word = |name: &str| said[name].as_str().map(str::to_owned);
    let mut error = ErrorMetadata::builder();
    if let Some(code) = word("__type").or_else(|| word("code")) {
        error = error.code(code.rsplit('#').next().unwrap_or(&code));
    }
    if let Some(message) = word("message").or_else(|| word("Message")) {
        error = error.message(message);
    }
    error.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_its_code_and_its_words() {
        let error = refusal("{\"__type\":\"com.amazonaws.ecs#ClientException\",\"message\":\"No.\"}");
        assert_eq!((error.code(), error.message()), (Some("ClientException"), Some("No.")));
        assert_eq!(refusal("<html>").code(), None);
    }
}
