//! Every error of AWS in one of six classes: one table, so that one behaviour follows from each.

use std::error::Error;
use std::iter;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;
use mizuumi_core::{Class, Failure};

/// Whether the call could have changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It only looks; without an answer nothing happened.
    Read,
    /// It writes; without an answer nobody knows.
    Write,
}

impl Effect {
    /// The class of a call whose answer never came, or came as the service's own failure.
    const fn unanswered(self) -> Class {
        match self {
            Self::Read => Class::Unavailable,
            Self::Write => Class::Unknown,
        }
    }
}

/// The class of an error code; none for codes that are not in the table.
///
/// The codes are those of the Glue, S3 and STS API references and of "Common Error Types".
#[must_use]
pub fn classify(code: &str) -> Option<Class> {
    Some(match code {
        "AccessDenied"
        | "AccessDeniedException"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidAccessKeyId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignature"
        | "OptInRequired"
        | "AllAccessDisabled" => Class::Denied,
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "SlowDown"
        | "BandwidthLimitExceeded"
        | "ProvisionedThroughputExceededException" => Class::Throttled,
        // AlreadyExists after our own create may be ours: the mark tells, at the next look. What was there a moment
        // ago and is not any more was taken by somebody else.
        "ConcurrentModificationException"
        | "VersionMismatchException"
        | "AlreadyExistsException"
        | "ResourceNotReadyException"
        | "ConflictException"
        // A crawler does something else by now: the next look tells what.
        | "CrawlerRunningException"
        | "CrawlerNotRunningException"
        | "CrawlerStoppingException"
        // A conditional put of S3: there is an object, or another put is under way.
        | "PreconditionFailed"
        | "ConditionalRequestConflict"
        | "NoSuchKey"
        | "EntityNotFoundException" => Class::Conflict,
        "InvalidInputException"
        | "InvalidRequestException"
        | "ValidationException"
        | "InvalidParameterValue"
        | "InvalidRequest"
        | "GlueEncryptionException"
        | "ResourceNumberLimitExceededException"
        | "NoSuchBucket"
        | "InvalidBucketName"
        | "PermanentRedirect"
        | "UnknownOperationException" => Class::Invalid,
        _ => return None,
    })
}

/// The failure that an SDK error is.
pub fn failure<E>(operation: &'static str, effect: Effect, error: &SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let Some(service) = error.as_service_error() else {
        let (class, message) = match (error, credentials_error(error)) {
            // Not sent at all: the request could not be made.
            (SdkError::ConstructionFailure(_), _) => (Class::Invalid, chain(error)),
            // Without credentials nothing is sent. A provider that did not answer in time may the next time.
            (_, Some(error @ CredentialsError::ProviderTimedOut(_))) => (Class::Unavailable, chain(error)),
            (_, Some(error)) => (Class::Denied, chain(error)),
            (_, None) => (effect.unanswered(), chain(error)),
        };
        return Failure { request_id: request_id(error), ..Failure::new(operation, class, message) };
    };
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    let code = service.code().unwrap_or_default();
    let class = classify(code).unwrap_or(match status {
        _ if TIMED_OUT.contains(&code) => effect.unanswered(),
        429 => Class::Throttled,
        500..=599 => effect.unanswered(),
        401 | 403 => Class::Denied,
        _ => Class::Invalid,
    });
    let message = said(service).unwrap_or_else(|| format!("HTTP status {status}"));
    let code = service.code().map(str::to_owned);
    Failure { code, request_id: request_id(error), ..Failure::new(operation, class, message) }
}

/// By what AWS knows a call; of one that was not sent for want of a role, the call to STS.
fn request_id<E: Error + 'static>(error: &SdkError<E, HttpResponse>) -> Option<String> {
    let of_role = || iter::successors(error.source(), |cause| (*cause).source()).find_map(request_id_of_sts);
    error.request_id().map(str::to_owned).or_else(of_role)
}

/// By what STS knows the call that got no role.
fn request_id_of_sts(error: &(dyn Error + 'static)) -> Option<String> {
    let of_role = error.downcast_ref::<AssumeRoleError>().and_then(RequestId::request_id);
    let found = of_role
        .or_else(|| error.downcast_ref::<AssumeRoleWithWebIdentityError>().and_then(RequestId::request_id));
    found.map(str::to_owned)
}

/// What a service says in an error, if it says anything.
fn said(error: &impl ProvideErrorMetadata) -> Option<String> {
    match (error.code(), error.message()) {
        (None, None) => None,
        (code, message) => {
            Some(format!("{}: {}", code.unwrap_or("no code"), message.unwrap_or("no message")))
        }
    }
}

/// Codes by which a service says that it gave up waiting for itself; their status is 400, their outcome open.
const TIMED_OUT: &[&str] = &["OperationTimeoutException", "RequestTimeout", "RequestTimeoutException"];

/// The failure to get credentials that stands behind an error, if one does.
fn credentials_error<E: Error + 'static>(error: &SdkError<E, HttpResponse>) -> Option<&CredentialsError> {
    let mut cause = error.source();
    while let Some(next) = cause {
        if let Some(found) = next.downcast_ref() {
            return Some(found);
        }
        cause = next.source();
    }
    None
}

/// Whether Glue, S3, EMR, Athena or ECS says that what the call speaks of is not there. A bucket that is not there is another matter: its
/// name is wrong.
pub(crate) fn is_absent<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    let Some(service) = error.as_service_error() else { return false };
    match service.code() {
        // HeadObject has no body, so the SDK knows no more than the status: `NotFound`.
        Some("EntityNotFoundException" | "NoSuchKey" | "NotFound") => true,
        // EMR and Athena have one code for all that they refuse.
        Some("InvalidRequestException") => service.message().is_some_and(|message| {
            (message.starts_with("Cluster id ") && message.contains("is not valid"))
                || (message.starts_with("QueryExecution ") && message.contains("was not found"))
        }),
        // Nor has ECS another one for a definition or a task that is not there.
        Some("ClientException") => service.message().is_some_and(|message| {
            message.starts_with("Unable to describe task definition")
                || message.starts_with("The referenced task was not found")
        }),
        _ => false,
    }
}

/// The whole chain of causes, down to what a service says. Without the debug dump that the SDK's own display appends: the
/// number of the request in it would make every failure another one.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut cause = Some(error);
    while let Some(next) = cause {
        if let Some(said) = said_by_sts(next) {
            words.push(said);
            break;
        }
        let word = next.to_string();
        if words.last() != Some(&word) {
            words.push(word);
        }
        cause = next.source();
    }
    words.join(": ")
}

/// What STS says of a role that it does not give.
fn said_by_sts(error: &(dyn Error + 'static)) -> Option<String> {
    let of_role = error.downcast_ref::<AssumeRoleError>().and_then(said);
    of_role.or_else(|| error.downcast_ref::<AssumeRoleWithWebIdentityError>().and_then(said))
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    #[test]
    fn each_code_has_one_class() {
        for (code, class) in [
            ("AccessDeniedException", Class::Denied),
            ("ExpiredTokenException", Class::Denied),
            ("ThrottlingException", Class::Throttled),
            ("SlowDown", Class::Throttled),
            ("ConcurrentModificationException", Class::Conflict),
            ("AlreadyExistsException", Class::Conflict),
            ("InvalidInputException", Class::Invalid),
            ("NoSuchBucket", Class::Invalid),
            ("CrawlerRunningException", Class::Conflict),
            ("PreconditionFailed", Class::Conflict),
        ] {
            assert_eq!(classify(code), Some(class), "{code}");
        }
        assert_eq!(
            classify("InternalServiceException"),
            None,
            "its class depends on whether the call writes"
        );
    }

    #[test]
    fn a_write_without_an_answer_is_unknown_and_a_read_is_not() {
        assert_eq!(Effect::Write.unanswered(), Class::Unknown);
        assert_eq!(Effect::Read.unanswered(), Class::Unavailable);
    }

    #[test]
    fn a_role_that_is_not_given_is_told_in_the_words_of_sts_and_without_the_number_of_the_request() {
        let said = ErrorMetadata::builder()
            .code("AccessDenied")
            .message("User: a is not authorized to perform: sts:AssumeRole on resource: b")
            .custom("aws_request_id", "00000000-0000-4000-8000-00000000003b");
        let error = CredentialsError::provider_error(AssumeRoleError::generic(said.build()));
        assert_eq!(
            chain(&error),
            "an error occurred while loading credentials: AccessDenied: User: a is not authorized to perform: \
             sts:AssumeRole on resource: b"
        );
        let error: SdkError<AssumeRoleError, HttpResponse> = SdkError::construction_failure(error);
        assert_eq!(request_id(&error).as_deref(), Some("00000000-0000-4000-8000-00000000003b"));
    }
}
