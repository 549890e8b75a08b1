//! I8: how many calls were throttled, and how many it took until one succeeded.

use serde::Serialize;

use super::{Case, Verdict};

/// Mizuumi's calls of one operation.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Share {
    /// `service.operation`.
    operation: String,
    /// All calls.
    calls: u64,
    /// Those that were throttled.
    throttled: u64,
    /// Those that the service answered: with what was asked for, or with what it had to say, such as that there is no
    /// such table.
    succeeded: u64,
    /// Calls for each that was answered; nothing if none was.
    attempts_per_success: Option<f64>,
}

/// The codes with which AWS services throttle (AWS SDKs reference guide, "Retry behavior", throttling errors).
const THROTTLED: [&str; 8] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "SlowDown",
    "PriorRequestNotComplete",
];

/// Failures of the service, by their codes in the models of Glue, EMR, S3 and STS, and lost answers, as the call log names them.
fn is_failure(outcome: &str) -> bool {
    const CODES: [&str; 8] = [
        "InternalServiceException",
        "InternalServerException",
        "InternalFailure",
        "InternalError",
        "OperationTimeoutException",
        "ServiceUnavailableException",
        "ServiceUnavailable",
        "hang",
    ];
    THROTTLED.contains(&outcome)
        || CODES.contains(&outcome)
        || ["dropped", "error-after", "http-5"].iter().any(|begin| outcome.starts_with(begin))
}

#[expect(clippy::cast_precision_loss, reason = "counts of calls fit in 53 bits")]
fn ratio(one: u64, other: u64) -> f64 {
    (one as f64 / other as f64 * 1000.0).round() / 1000.0
}

/// I8, and what it was judged by.
pub(super) fn throttled(case: &Case<'_>) -> (Verdict, Vec<Share>) {
    let question = case.question;
    let mut verdict =
        Verdict::new("I8", "Few calls are throttled: no more than --max-throttled of a hundred");
    let account = question.account.as_deref();
    let counts = case.endpoint.calls.counts_of_ours(account, question.calls_since);
    let shares: Vec<Share> = counts
        .into_iter()
        .map(|(operation, outcomes)| {
            let calls: u64 = outcomes.values().sum();
            let failed: u64 =
                outcomes.iter().filter(|(outcome, _)| is_failure(outcome)).map(|(_, count)| count).sum();
            let succeeded = calls - failed;
            let throttled = THROTTLED.iter().filter_map(|code| outcomes.get(*code)).sum();
            let attempts_per_success = (succeeded > 0).then(|| ratio(calls, succeeded));
            Share { operation, calls, throttled, succeeded, attempts_per_success }
        })
        .collect();
    let all: u64 = shares.iter().map(|share| share.calls).sum();
    let throttled: u64 = shares.iter().map(|share| share.throttled).sum();
    verdict.checked = all;
    verdict.note(throttled, "calls were throttled");
    if let Some(most) = question.max_throttled
        && all > 0
        && ratio(throttled, all) * 100.0 > most
    {
        verdict.violated(format!("{throttled} of {all} calls were throttled, more than {most} %"));
    }
    if question.calls_since.is_some_and(|since| !case.endpoint.calls.forgotten(since).1) {
        verdict.notes.push("the call log no longer has every call since then".to_owned());
    }
    (verdict, shares)
}
