//! Passes: so many at once, each on leave of the queue.

use std::sync::Arc;

use mizuumi_aws::SPANS;
use mizuumi_core::{Kind, Lane, Port};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument as _, Span, info_span, warn};

use crate::driver::{self, Context, Driven};
use crate::queue::{Queue, Ticket};

/// Works until the queue is closed and the passes under way have ended.
pub(crate) async fn work<K, P>(context: Arc<Context<K, P>>, queue: Arc<Queue>, concurrency: usize)
where
    K: Kind,
    K::Object: Driven<Told = K::Status>,
    P: Port<K>,
{
    let places = Arc::new(Semaphore::new(concurrency));
    // The semaphore is never closed.
    while let Ok(place) = places.clone().acquire_owned().await
        && let Some(ticket) = queue.next().await
    {
        let (context, queue) = (context.clone(), queue.clone());
        tokio::spawn(async move {
            let began = Instant::now();
            let span = pass(K::NAME, &ticket);
            let (result, next) = match driver::reconcile(&context, &ticket).instrument(span.clone()).await {
                Ok(next) => ("ok", next),
                // Kubernetes was not there, or somebody else wrote in between.
                Err(error) => {
                    let wait = context.backoff.after_failure(ticket.name.clone());
                    warn!(object = %ticket.name, error = %chain(&error), ?wait, "trying again");
                    ("error", Some((wait, Lane::Progress)))
                }
            };
            span.record("mizuumi.result", result);
            context.metrics.passed(K::NAME, ticket.lane, result, ticket.waited, began.elapsed());
            queue.done(&ticket, next);
            drop(place);
        });
    }
    // All places free: nothing is under way any more.
    places.acquire_many(u32::try_from(concurrency).unwrap_or(u32::MAX)).await.ok();
}

/// The span of a pass, the root of its trace.
fn pass(kind: &'static str, ticket: &Ticket) -> Span {
    info_span!(
        target: SPANS,
        parent: None,
        "reconcile",
        otel.name = %format_args!("reconcile {kind}"),
        k8s.namespace.name = &*ticket.name.namespace,
        mizuumi.kind = kind,
        mizuumi.name = &*ticket.name.name,
        mizuumi.lane = ticket.lane.name(),
        mizuumi.waited_seconds = ticket.waited.as_secs_f64(),
        mizuumi.result = Empty,
    )
}

/// An error and its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        line.push_str(": ");
        line.push_str(&next.to_string());
        cause = next.source();
    }
    line
}
