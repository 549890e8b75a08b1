//! Kubernetes Events: one for each write to AWS, one for each turn for the worse.

mod record;

use std::future::Future;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tracing::warn;

use crate::metrics::Metrics;
use record::{Note, Recorder};

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

    fn publish(&self, about: &ObjectReference, type_: &'static str, reason: &str, text: &str) {
        let note = Note { about: about.clone(), type_, reason: reason.to_owned(), text: text.to_owned() };
        if self.waiting.try_send(note).is_err() {
            self.metrics.dropped_event();
        }
    }
}
