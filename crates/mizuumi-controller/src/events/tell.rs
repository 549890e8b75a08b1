//! Reading Events back, for a person who asks why something fails.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use mizuumi_api::annotation;
use mizuumi_core::explain::{Failing, LastFailure};

use crate::error::{Error, asked};

/// The try that failed last, if an Event still tells of it: the API server forgets them after an hour.
pub(crate) async fn last_failure(client: &Client, failing: &Failing) -> Result<Option<LastFailure>, Error> {
    // The elder form of Events: who may see them is in the role `view` of Kubernetes, of the younger one that is not.
    let events: Api<Event> = Api::namespaced(client.clone(), &failing.namespace);
    let of = format!("involvedObject.uid={},reason={},type=Warning", failing.uid, failing.reason.name());
    let found = asked(events.list(&ListParams::default().fields(&of)), Error::ReadObject).await?;
    let failures = found.items.into_iter().filter_map(failure);
    Ok(failures.max_by_key(|failure| failure.at))
}

/// The failure that an Event tells of; other Events have no operation.
fn failure(event: Event) -> Option<LastFailure> {
    let annotation = |key| event.annotations().get(key).cloned();
    let operation = annotation(annotation::OPERATION)?;
    let series = event.series.as_ref();
    Some(LastFailure {
        operation,
        code: annotation(annotation::ERROR_CODE),
        request_id: annotation(annotation::REQUEST_ID),
        next_try: annotation(annotation::NEXT_TRY).and_then(|time| time.parse::<Timestamp>().ok()),
        at: series.and_then(|series| series.last_observed_time.as_ref()).or(event.event_time.as_ref())?.0,
        tries: series.and_then(|series| series.count).unwrap_or(1),
        message: event.message.unwrap_or_default(),
    })
}
