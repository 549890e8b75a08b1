//! Calls of AWS's Query protocol, signed and sent by what the SDKs themselves are made of.
//!
//! For EC2, of which three reads are used: its SDK is 7.8 MB of source, took 4 min 26 s to build by itself on two cores and is a
//! library of 650 MB, more than all other SDKs together.

use std::error::Error;

use aws_config::SdkConfig;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use roxmltree::{Document, Node};

use crate::service;

/// A call: the operation and its parameters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn new(operation: &str, version: &str) -> Self {
        Self(Vec::new()).with("Action", operation).with("Version", version)
    }

    pub(crate) fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    fn body(&self) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let pairs = self.0.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
        pairs.collect::<Vec<_>>().join("&")
    }
}

/// A service that speaks the Query protocol.
#[derive(Clone, Debug)]
pub(crate) struct Service(Operation<Query, String, ErrorMetadata>);

impl Service {
    /// A service at the endpoint of the configuration, or at AWS's own.
    pub(crate) fn new(service: &'static str, config: &SdkConfig) -> Self {
        Self(service::operation(service, "Query", config, |query| request(&query), answer))
    }

    /// The answer as XML.
    pub(crate) async fn call(&self, query: &Query) -> Result<String, SdkError<ErrorMetadata, HttpResponse>> {
        self.0.invoke(query.clone()).await
    }
}

fn request(query: &Query) -> Result<HttpRequest, Box<dyn Error + Send + Sync>> {
    let mut request = HttpRequest::new(SdkBody::from(query.body()));
    request.set_method("POST")?;
    request.set_uri("/")?;
    request.headers_mut().insert("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    Ok(request)
}

fn answer(response: &HttpResponse) -> Result<String, OrchestratorError<ErrorMetadata>> {
    let text = String::from_utf8_lossy(response.body().bytes().unwrap_or_default()).into_owned();
    if response.status().is_success() { Ok(text) } else { Err(OrchestratorError::operation(refusal(&text))) }
}

/// What a service says in an error: `<Response><Errors><Error><Code/><Message/></Error></Errors>…`.
fn refusal(text: &str) -> ErrorMetadata {
    let mut error = ErrorMetadata::builder();
    if let Ok(document) = Document::parse(text) {
        let word = |name: &str| document.descendants().find_map(|node| text_in(node, name));
        if let Some(code) = word("Code") {
            error = error.code(code);
        }
        if let Some(message) = word("Message") {
            error = error.message(message);
        }
    }
    error.build()
}

/// The text of the child of that name.
pub(crate) fn text_in<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.children().find(|child| child.tag_name().name() == name)?.text()
}

/// The items of a list: `<routeSet><item/>…</routeSet>`.
pub(crate) fn items<'a, 'i>(node: Node<'a, 'i>, list: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    let lists = node.children().filter(move |child| child.tag_name().name() == list);
    lists.flat_map(|list| list.children().filter(Node::is_element))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_written_as_a_form() {
        let query = Query::new("DescribeSubnets", "2016-11-15").with("Filter.1.Value.1", "a b&c");
        assert_eq!(
            query.body(),
            "Action=DescribeSubnets&Version=2016%2D11%2D15&Filter%2E1%2EValue%2E1=a%20b%26c"
        );
    }

    #[test]
    fn an_error_says_its_code_and_its_words() {
        let error = refusal(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>UnauthorizedOperation</Code>\
             <Message>You are not authorized.</Message></Error></Errors><RequestID>1</RequestID></Response>",
        );
        assert_eq!(
            (error.code(), error.message()),
            (Some("UnauthorizedOperation"), Some("You are not authorized."))
        );
        assert_eq!(refusal("<html>").code(), None);
    }
}
