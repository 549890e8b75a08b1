//! Kubernetes Events: one for each write to AWS, one for each turn for the worse.

use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tracing::warn;

/// The longest note that the API takes is 1,024 bytes.
const LONGEST_NOTE: usize = 1000;

/// Publishes Events about resources.
#[derive(Clone)]
pub(crate) struct Events {
    recorder: Recorder,
}

impl Events {
    pub(crate) fn new(client: Client) -> Self {
        let reporter = Reporter::from(mizuumi_api::FIELD_MANAGER);
        Self { recorder: Recorder::new(client, reporter) }
    }

    /// Something was done.
    pub(crate) async fn done(&self, about: &ObjectReference, reason: &str, note: &str) {
        self.publish(about, EventType::Normal, reason, note).await;
    }

    /// Something is not as it should be.
    pub(crate) async fn warn(&self, about: &ObjectReference, reason: &str, note: &str) {
        self.publish(about, EventType::Warning, reason, note).await;
    }

    async fn publish(&self, about: &ObjectReference, type_: EventType, reason: &str, note: &str) {
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
        // An Event is a courtesy; what matters is in the status.
        if let Err(error) = self.recorder.publish(&event, about).await {
            warn!(reason, %error, "an event could not be published");
        }
    }
}
