//! The past: what lists and watches of tables showed at an earlier moment.

use std::sync::PoisonError;

use axum::body::{Body, Bytes};
use axum::http::Request;
use axum::http::Response;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::ask::Ask;
use super::{Shared, json_headers, watching};
use crate::team::Team;

/// All tables of a namespace as they were.
#[derive(Clone, Debug)]
pub struct Past {
    list: Value,
}

impl Past {
    /// As they are now.
    pub async fn of(team: &Team) -> Self {
        let path = format!("/apis/mizuumi.dev/v1alpha1/namespaces/{}/datatables", team.namespace);
        let request = Request::get(path).body(Vec::new()).expect("a request");
        let list: Value = team.client.request(request).await.expect("the tables are listed");
        Self { list }
    }

    /// The same in the words of a watch that begins with what is there.
    fn events(&self) -> String {
        let version = &self.list["metadata"]["resourceVersion"];
        let mut text = String::new();
        for item in self.list["items"].as_array().into_iter().flatten() {
            text += &json!({ "type": "ADDED", "object": item }).to_string();
            text.push('\n');
        }
        let end = json!({
            "type": "BOOKMARK",
            "object": {
                "apiVersion": "mizuumi.dev/v1alpha1",
                "kind": "DataTable",
                "metadata": {
                    "resourceVersion": version,
                    "annotations": { "k8s.io/initial-events-end": "true" },
                },
            },
        });
        text + &end.to_string() + "\n"
    }
}

/// The answer of the past, while it is shown. Its watches tell nothing new until they are cut.
pub(crate) fn answer(shared: &Shared, ask: &Ask) -> Option<Response<Body>> {
    let past = shared.past.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
    if !ask.follows_tables() {
        return None;
    }
    let body = if ask.verb == "list" {
        Body::from(past.list.to_string())
    } else {
        let (sender, receiver) = mpsc::channel(2);
        let mut cuts = shared.watching.cuts();
        let first = if ask.wants_initial_events { past.events() } else { String::new() };
        tokio::spawn(async move {
            if sender.send(Bytes::from(first)).await.is_err() {
                return;
            }
            tokio::select! {
                () = sender.closed() => {}
                _ = cuts.changed() => {
                    if cuts.borrow().1 {
                        sender.send(Bytes::from(watching::expired())).await.ok();
                    }
                }
            }
        });
        watching::lines(receiver)
    };
    let mut answer = Response::new(body);
    *answer.headers_mut() = json_headers();
    Some(answer)
}
