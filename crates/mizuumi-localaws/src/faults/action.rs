//! How a call goes wrong, and what the client is told.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::Target;
use crate::athena;
use crate::ecs;
use crate::emr;
use crate::protocol::{ApiError, Protocol};

/// What a page token that cannot be used is refused with.
pub(crate) const BAD_TOKEN: &str = "Invalid NextToken";

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// `ThrottlingException` "Rate exceeded"; S3: 503 `SlowDown`. No effect.
    Throttle,
    /// `AccessDeniedException`; S3: 403 `AccessDenied`. No effect.
    Denied,
    /// Status 500 without the effect.
    ErrorBefore,
    /// Status 500 although the effect happened.
    ErrorAfter,
    /// The connection is closed without an answer and without the effect.
    DropBefore,
    /// The effect happens, then the connection is closed without an answer.
    DropAfter,
    /// The effect and the answer come late (the effect even when the client has gone by then).
    Delay,
    /// No effect and never an answer; the connection stays open.
    Hang,
    /// Status 503, as in an outage. No effect.
    Unavailable,
    /// `ExpiredTokenException`. No effect.
    ExpiredToken,
    /// A page of a list of Glue or EMR has one item only, and a token when there are more.
    ShortPage,
    /// A call that carries a page token is refused as a bad token is; calls for a first page never strike. No effect.
    ExpireToken,
    /// `GetTables`, `GetPartitions`, `ListClusters` and `ListSteps` of EMR, `ListTasks` and `DescribeTasks` answer as of `delay-ms`
    /// ago: what is new is missing, what is deleted is there, clusters, steps and tasks are in the states that they were in.
    ListLag,
    /// `RunJobFlow`: a bootstrap action fails on the cluster's primary node, and the cluster ends.
    BootstrapFailure,
    /// `RunJobFlow`: EC2 has no instances of the type for the cluster, and it ends. `RunTask`: Fargate has no room for the task.
    InsufficientCapacity,
    /// A spot instance of the cluster is lost and replaced, one of a task group or fleet if there is one: `delay-ms` after
    /// it is ready for `RunJobFlow`, at once for a call that describes the cluster, its instances, groups, fleets or steps. A task of
    /// Fargate Spot is taken back: `delay-ms` after it has begun to run for `RunTask`, at once for `DescribeTasks`.
    SpotLoss,
    /// `StartQueryExecution`: the query fails by Athena's own fault.
    QueryFailure,
    /// `StartQueryExecution`: the query stays queued for `delay-ms`.
    SlowQuery,
    /// `RunTask`: the task's container takes more memory than it has.
    OutOfMemory,
    /// `RunTask`: the task's image cannot be pulled.
    ImageUnknown,
}

impl Action {
    /// The action's name on the command line and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Throttle => "throttle",
            Self::Denied => "denied",
            Self::ErrorBefore => "error-before",
            Self::ErrorAfter => "error-after",
            Self::DropBefore => "drop-before",
            Self::DropAfter => "drop-after",
            Self::Delay => "delay",
            Self::Hang => "hang",
            Self::Unavailable => "unavailable",
            Self::ExpiredToken => "expired-token",
            Self::ShortPage => "short-page",
            Self::ExpireToken => "expire-token",
            Self::ListLag => "list-lag",
            Self::BootstrapFailure => "bootstrap-failure",
            Self::InsufficientCapacity => "insufficient-capacity",
            Self::SpotLoss => "spot-loss",
            Self::QueryFailure => "query-failure",
            Self::SlowQuery => "slow-query",
            Self::OutOfMemory => "out-of-memory",
            Self::ImageUnknown => "image-unknown",
        }
    }

    /// Whether the action means anything to an operation.
    pub(super) fn suits(self, target: &Target<'_>) -> bool {
        match self {
            Self::ExpireToken => target.page,
            Self::ListLag => matches!(
                (target.service, target.operation),
                ("glue", "GetTables" | "GetPartitions")
                    | (emr::SERVICE, "ListClusters" | "ListSteps")
                    | (ecs::SERVICE, "ListTasks" | "DescribeTasks")
            ),
            Self::BootstrapFailure => (target.service, target.operation) == (emr::SERVICE, "RunJobFlow"),
            Self::InsufficientCapacity => matches!(
                (target.service, target.operation),
                (emr::SERVICE, "RunJobFlow") | (ecs::SERVICE, "RunTask")
            ),
            Self::OutOfMemory | Self::ImageUnknown => {
                (target.service, target.operation) == (ecs::SERVICE, "RunTask")
            }
            Self::SpotLoss => matches!(
                (target.service, target.operation),
                (
                    emr::SERVICE,
                    "RunJobFlow"
                        | "DescribeCluster"
                        | "ListInstances"
                        | "ListInstanceGroups"
                        | "ListInstanceFleets"
                        | "ListSteps"
                ) | (ecs::SERVICE, "RunTask" | "DescribeTasks")
            ),
            Self::QueryFailure | Self::SlowQuery => {
                (target.service, target.operation) == (athena::SERVICE, "StartQueryExecution")
            }
            _ => true,
        }
    }

    /// The error that this action answers, if it answers one.
    pub(crate) fn error(self, protocol: Protocol) -> Option<ApiError> {
        use Protocol::{Json, Query, RestJson, S3Xml};
        let bad = StatusCode::BAD_REQUEST;
        let (status, code, message) = match (self, protocol) {
            // S3's codes: "Error responses" in the Amazon S3 API reference.
            (Self::Throttle, S3Xml) => {
                (StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate.")
            }
            (Self::Throttle, Query) => (bad, "Throttling", "Rate exceeded"),
            (Self::Throttle, Json | RestJson) => (bad, "ThrottlingException", "Rate exceeded"),
            (Self::Denied, S3Xml | Query) => (StatusCode::FORBIDDEN, "AccessDenied", "Access Denied"),
            (Self::Denied, Json) => {
                (bad, "AccessDeniedException", "The local endpoint was told to deny this")
            }
            (Self::Denied, RestJson) => {
                (StatusCode::FORBIDDEN, "AccessDeniedException", "The local endpoint was told to deny this")
            }
            (Self::ErrorBefore | Self::ErrorAfter, S3Xml) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalError",
                "We encountered an internal error. Please try again.",
            ),
            (Self::ErrorBefore | Self::ErrorAfter, Query) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", "Internal failure")
            }
            (Self::ErrorBefore | Self::ErrorAfter, Json | RestJson) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "InternalServiceException", "Internal service error")
            }
            (Self::Unavailable, Json | RestJson) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailableException",
                "Service is unable to handle request",
            ),
            (Self::Unavailable, S3Xml | Query) => {
                (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "Service is unable to handle request")
            }
            (Self::ExpiredToken, Json | RestJson) => {
                (bad, "ExpiredTokenException", "The security token included in the request is expired")
            }
            (Self::ExpiredToken, S3Xml) => (bad, "ExpiredToken", "The provided token has expired."),
            (Self::ExpiredToken, Query) => (
                StatusCode::FORBIDDEN,
                "ExpiredToken",
                "The security token included in the request is expired",
            ),
            // What Glue answers to a token that has expired is unknown: no page of its documentation tells, and the
            // model of GetTables has no error for it. InvalidInputException is what the endpoint answers to any bad one.
            (Self::ExpireToken, Json | RestJson) => (bad, "InvalidInputException", BAD_TOKEN),
            (Self::ExpireToken, S3Xml) => {
                (bad, "InvalidArgument", "The continuation token provided is incorrect")
            }
            (Self::ExpireToken, Query) => (bad, "ValidationError", BAD_TOKEN),
            (
                Self::DropBefore
                | Self::DropAfter
                | Self::Delay
                | Self::Hang
                | Self::ShortPage
                | Self::ListLag
                | Self::BootstrapFailure
                | Self::InsufficientCapacity
                | Self::SpotLoss
                | Self::QueryFailure
                | Self::SlowQuery
                | Self::OutOfMemory
                | Self::ImageUnknown,
                _,
            ) => {
                return None;
            }
        };
        Some(ApiError::new(status, code, message))
    }
}
