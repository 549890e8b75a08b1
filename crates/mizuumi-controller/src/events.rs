//! Kubernetes Events: one for each write to AWS, one for each turn for the worse.

use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};

use futures::StreamExt;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tracing::warn;

use crate::metrics::Metrics;

/// The longest note that the API takes is 1,024 bytes.
const LONGEST_NOTE: usize = 1000;

/// Events that may wait to be published. Under a storm of changes the rest is dropped: an Event is a courtesy.
const WAITING: usize = 10_000;
/// Publishers at once.
const PUBLISHERS: usize = 4;

/// Publishes Events about resources, beside the passes that have something to tell.
#[derive(Clone)]
pub(crate) struct Events {
    waiting: mpsc::Sender<(Event, ObjectReference)>,
    metrics: Metrics,
}

impl Events {
    /// The events, and the work of publishing them, which ends with the last sender.
    pub(crate) fn new(client: Client, metrics: Metrics) -> (Self, impl Future<Output = ()>) {
        let recorder = Recorder::new(client, Reporter::from(mizuumi_api::FIELD_MANAGER));
        let (waiting, events) = mpsc::channel(WAITING);
        let publishing =
            ReceiverStream::new(events).for_each_concurrent(PUBLISHERS, move |(event, about)| {
                let recorder = recorder.clone();
                async move {
                    // What matters is in the status.
                    if let Err(error) = recorder.publish(&event, &about).await {
                        warn!(reason = event.reason, %error, "an event could not be published");
                    }
                }
            });
        (Self { waiting, metrics }, publishing)
    }

    /// Something was done.
    pub(crate) fn done(&self, about: &ObjectReference, reason: &str, note: &str) {
        self.publish(about, EventType::Normal, reason, note);
    }

    /// Something is not as it should be.
    pub(crate) fn warn(&self, about: &ObjectReference, reason: &str, note: &str) {
        self.publish(about, EventType::Warning, reason, note);
    }

    fn publish(&self, about: &ObjectReference, type_: EventType, reason: &str, note: &str) {
        let end = note.floor_char_boundary(LONGEST_NOTE);
        // The recorder counts events as one while all but their notes are equal, and keeps the first note. Events
        // that say different things are different events, so what they say goes into the action.
        let mut said = DefaultHasher::new();
        note.hash(&mut said);
        let action = format!("Reconciling{:08x}", said.finish() >> 32);
        let event = Event {
            type_,
            reason: reason.to_owned(),
            action,
            note: Some(note[..end].to_owned()),
            secondary: None,
        };
        if self.waiting.try_send((event, about.clone())).is_err() {
            self.metrics.dropped_event();
        }
    }
}
