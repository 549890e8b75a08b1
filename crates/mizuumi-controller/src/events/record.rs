//! Writing Events: what is said again soon becomes a series of the Event that said it first.
//!
//! kube's own recorder keeps every Event whole for six minutes and looks through all of them for each new one: with 10,000
//! resources that is most of the memory and of the time of a first sync. Here a few bytes are kept, of the latest only.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::ObjectMeta;
use kube::{Api, Client};
use serde_json::json;
use tokio::time::Instant;

use crate::clock;

/// The longest note that the API takes is 1,024 bytes.
const LONGEST: usize = 1000;
/// What is said again within this time is a series; as long as client-go's recorder takes it for one.
const SERIES: Duration = Duration::from_mins(6);
/// So many Events are remembered; of more, the oldest are forgotten sooner, and begin a new series when said again.
const REMEMBERED: usize = 4096;

/// Something to tell about a resource.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) about: ObjectReference,
    /// `Normal` or `Warning`.
    pub(super) type_: &'static str,
    pub(super) reason: String,
    pub(super) text: String,
    /// Annotations: what is another each time that the same is said. None takes off what was said before.
    pub(super) details: BTreeMap<&'static str, Option<String>>,
}

/// Writes Events to the API server.
#[derive(Clone)]
pub(super) struct Recorder {
    client: Client,
    /// This process: its host's name.
    instance: Arc<str>,
    told: Arc<Mutex<Told>>,
}

/// What was told lately.
#[derive(Debug, Default)]
struct Told {
    by_hash: HashMap<u64, Series>,
    oldest: VecDeque<u64>,
}

#[derive(Debug)]
struct Series {
    event: Box<str>,
    count: i32,
    last: Instant,
}

impl Recorder {
    pub(super) fn new(client: Client) -> Self {
        let instance = std::env::var("HOSTNAME").unwrap_or_else(|_| mizuumi_api::FIELD_MANAGER.to_owned());
        Self { client, instance: instance.into(), told: Arc::default() }
    }

    /// Writes an Event, or counts one up.
    pub(super) async fn publish(&self, note: &Note) -> Result<(), kube::Error> {
        let namespace = note.about.namespace.as_deref().unwrap_or("default");
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let hash = note.hash();
        let now = clock::now();
        let again = self.told(|told| told.again(hash, Instant::now()));
        if let Some((event, count)) = again {
            let series = json!({
                "metadata": { "annotations": note.details },
                "series": { "count": count, "lastObservedTime": MicroTime(now) },
            });
            return events.patch(&event, &PatchParams::default(), &Patch::Merge(series)).await.map(drop);
        }
        let event = note.event(&self.instance, hash, now);
        let name = event.metadata.name.clone().unwrap_or_default();
        events.create(&PostParams::default(), &event).await?;
        self.told(|told| told.first(hash, name.into(), Instant::now()));
        Ok(())
    }

    fn told<T>(&self, then: impl FnOnce(&mut Told) -> T) -> T {
        // Nothing here can panic half way, so a poisoned lock guards whole data.
        then(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Told {
    /// The Event that said it before, and how often it has been said by now.
    fn again(&mut self, hash: u64, now: Instant) -> Option<(Box<str>, i32)> {
        let series = self.by_hash.get_mut(&hash).filter(|series| now - series.last < SERIES)?;
        series.count = series.count.saturating_add(1);
        series.last = now;
        Some((series.event.clone(), series.count))
    }

    fn first(&mut self, hash: u64, event: Box<str>, now: Instant) {
        if self.by_hash.insert(hash, Series { event, count: 1, last: now }).is_none() {
            self.oldest.push_back(hash);
        }
        if self.oldest.len() > REMEMBERED
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.by_hash.remove(&oldest);
        }
    }
}

impl Note {
    fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.about.uid, self.type_, &self.reason, &self.text).hash(&mut hasher);
        hasher.finish()
    }

    fn event(&self, instance: &str, hash: u64, now: Timestamp) -> Event {
        let name = self.about.name.as_deref().unwrap_or(mizuumi_api::FIELD_MANAGER);
        let end = self.text.floor_char_boundary(LONGEST);
        let details =
            self.details.iter().filter_map(|(key, value)| Some(((*key).to_owned(), value.clone()?)));
        Event {
            action: Some("Reconciling".to_owned()),
            event_time: Some(MicroTime(now)),
            metadata: ObjectMeta {
                // By the second and by what it says: the same within a second is a series.
                name: Some(format!("{name}.{:08x}{:08x}", now.as_second(), hash >> 32)),
                namespace: self.about.namespace.clone(),
                annotations: Some(details.collect()),
                ..ObjectMeta::default()
            },
            note: Some(self.text[..end].to_owned()),
            reason: Some(self.reason.clone()),
            regarding: Some(self.about.clone()),
            reporting_controller: Some(mizuumi_api::FIELD_MANAGER.to_owned()),
            reporting_instance: Some(instance.to_owned()),
            type_: Some(self.type_.to_owned()),
            ..Event::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_again_soon_is_counted_and_old_news_are_forgotten() {
        let mut told = Told::default();
        let now = Instant::now();
        assert_eq!(told.again(1, now), None);
        told.first(1, "a".into(), now);
        assert_eq!(told.again(1, now + Duration::from_mins(5)), Some(("a".into(), 2)));
        assert_eq!(told.again(1, now + Duration::from_mins(10)), Some(("a".into(), 3)));
        assert_eq!(told.again(1, now + Duration::from_mins(17)), None, "a new series");
        for hash in 2..2 + REMEMBERED as u64 {
            told.first(hash, "b".into(), now);
        }
        assert_eq!((told.by_hash.len(), told.again(1, now)), (REMEMBERED, None));
    }
}
