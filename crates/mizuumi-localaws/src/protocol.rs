//! Error answers in the wire format of the service that was called.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};

/// How a service speaks; decides what an error looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// `X-Amz-Target` and a JSON body (Glue, Athena, ECS, `DynamoDB` …).
    Json,
    /// `Action=` in a form body, XML answers (STS, IAM).
    Query,
    /// S3.
    S3Xml,
    /// Paths and JSON (Lake Formation).
    RestJson,
}

/// An error as a service reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// HTTP status.
    pub(crate) status: StatusCode,
    /// The error's name, such as `EntityNotFoundException`.
    pub(crate) code: String,
    /// What happened.
    pub(crate) message: String,
    /// The member `ErrorCode` of EMR's `InvalidRequestException`.
    pub(crate) error_code: Option<&'static str>,
    /// The member `resourceIds` of ECS's `ConflictException`.
    pub(crate) resource_ids: Vec<String>,
}

impl ApiError {
    /// A refusal of the request: status 400, as awsJson services answer every modelled client error.
    pub(crate) fn refused(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// Any other error.
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
            error_code: None,
            resource_ids: Vec::new(),
        }
    }

    /// The answer in the protocol of the called service.
    pub(crate) fn answer(&self, protocol: Protocol) -> Response<Body> {
        let (kind, body) = match protocol {
            // Glue's model names the member `Message` (botocore glue/2017-03-31); `__type` and the header both
            // carry the code, as the awsJson 1.1 protocol has it.
            Protocol::Json => {
                let mut body = serde_json::json!({"__type": self.code, "Message": self.message});
                if let Some(code) = self.error_code {
                    body["ErrorCode"] = serde_json::json!(code);
                }
                if !self.resource_ids.is_empty() {
                    body["resourceIds"] = serde_json::json!(self.resource_ids);
                }
                ("application/x-amz-json-1.1", body.to_string())
            }
            Protocol::RestJson => {
                ("application/json", serde_json::json!({"Message": self.message}).to_string())
            }
            Protocol::Query => (
                "text/xml",
                format!(
                    "<ErrorResponse><Error><Type>Sender</Type><Code>{}</Code><Message>{}</Message></Error>\
                     <RequestId>localaws</RequestId></ErrorResponse>",
                    escape(&self.code),
                    escape(&self.message)
                ),
            ),
            Protocol::S3Xml => (
                "application/xml",
                format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message></Error>",
                    escape(&self.code),
                    escape(&self.message)
                ),
            ),
        };
        let mut answer = Response::new(Body::from(body));
        *answer.status_mut() = self.status;
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if matches!(protocol, Protocol::Json | Protocol::RestJson)
            && let Ok(code) = HeaderValue::from_str(&self.code)
        {
            answer.headers_mut().insert("x-amzn-errortype", code);
        }
        answer
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
