//! Kubernetes Events: one for each write to AWS, one for each turn for the worse.

mod record;
mod tell;

use std::collections::BTreeMap;
use std::future::Future;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use mizuumi_api::annotation;
use mizuumi_core::Failure;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tracing::warn;

use crate::metrics::Metrics;
use record::{Note, Recorder};
pub(crate) use tell::last_failure;

/// Events that may wait to be published. Under a storm of changes the rest is dropped: an Event is a courtesy.
const WAITING: usize = 10_000;
/// Publishers at once.
const PUBLISHERS: usize = 4;

/// Publishes Events about resources, beside the passes that have something to tell.
#[derive(Clone)]
pub(crate) struct Events {
    waiting: mpsc::Sender<Note>,
    metrics: Metrics,
}

impl Events {
    /// The events, and the work of publishing them, which ends with the last sender.
    pub(crate) fn new(client: Client, metrics: Metrics) -> (Self, impl Future<Output = ()>) {
        let recorder = Recorder::new(client);
        let (waiting, events) = mpsc::channel(WAITING);
        let publishing = ReceiverStream::new(events).for_each_concurrent(PUBLISHERS, move |note| {
            let recorder = recorder.clone();
            async move {
                // What matters is in the status.
                if let Err(error) = recorder.publish(&note).await {
                    warn!(reason = note.reason, %error, "an event could not be published");
                }
            }
        });
        (Self { waiting, metrics }, publishing)
    }

    /// Something was done.
    pub(crate) fn done(&self, about: &ObjectReference, reason: &str, note: &str) {
        self.publish(about, "Normal", reason, note);
    }

    /// Something is not as it should be.
    pub(crate) fn warn(&self, about: &ObjectReference, reason: &str, note: &str) {
        self.publish(about, "Warning", reason, note);
    }

    /// A try failed: one more of a series while AWS says the same. What differs from try to try are annotations.
    pub(crate) fn failed(&self, about: &ObjectReference, failure: &Failure, next_try: Option<Timestamp>) {
        // In an outage there is one for every resource, again and again; what was done comes first.
        if self.waiting.capacity() <= WAITING / 2 {
            self.metrics.dropped_event();
            return;
        }
        self.send(Note {
            about: about.clone(),
            type_: "Warning",
            reason: failure.class.name().to_owned(),
            text: failure.to_string(),
            details: BTreeMap::from([
                (annotation::OPERATION, Some(failure.operation.to_owned())),
                (annotation::ERROR_CODE, failure.code.clone()),
                (annotation::REQUEST_ID, failure.request_id.clone()),
                (annotation::NEXT_TRY, next_try.map(|time| time.to_string())),
            ]),
        });
    }

    fn publish(&self, about: &ObjectReference, type_: &'static str, reason: &str, text: &str) {
        let (reason, text) = (reason.to_owned(), text.to_owned());
        self.send(Note { about: about.clone(), type_, reason, text, details: BTreeMap::new() });
    }

    fn send(&self, note: Note) {
        if self.waiting.try_send(note).is_err() {
            self.metrics.dropped_event();
        }
    }
}

#[cfg(test)]
mod tests {
    use mizuumi_core::Class;

    use super::*;

    #[test]
    fn failures_leave_room_for_what_was_done() {
        let (waiting, notes) = mpsc::channel(WAITING);
        let events = Events { waiting, metrics: Metrics::new(&mut crate::metrics::registry()) };
        let about = ObjectReference::default();
        let failure = Failure::new("glue:GetTables", Class::Unavailable, "away");
        for _ in 0..WAITING {
            events.failed(&about, &failure, None);
        }
        assert_eq!(notes.len(), WAITING / 2);
        events.done(&about, "TableCreated", "create table");
        assert_eq!(notes.len(), WAITING / 2 + 1);
    }
}
