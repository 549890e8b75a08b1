//! A request to the apiserver, as far as the proxy looks at it.

use std::fmt;

use axum::http::Method;
use axum::http::request::Parts;
use tokio::time::Instant;

/// A request to the apiserver.
#[derive(Clone, Debug)]
pub struct Ask {
    /// `get`, `list`, `watch`, `create`, `update`, `patch` or `delete`.
    pub verb: &'static str,
    /// Resource in the plural, with the subresource: `datatables/status`. Empty for what is no resource.
    pub resource: String,
    /// The object's name.
    pub name: String,
    /// When it came.
    pub at: Instant,
    /// Whether only metadata is asked for.
    pub is_metadata: bool,
    /// Whether a watch is to begin with what is there.
    pub wants_initial_events: bool,
}

impl Ask {
    pub(crate) fn of(parts: &Parts, at: Instant) -> Self {
        let path = parts.uri.path().trim_matches('/');
        let query = parts.uri.query().unwrap_or_default();
        let accept = parts.headers.get("accept").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut words = path.split('/');
        // /api/VERSION/… or /apis/GROUP/VERSION/…
        let skipped = match words.next() {
            Some("api") => 1,
            Some("apis") => 2,
            _ => usize::MAX,
        };
        let mut words: Vec<&str> = words.skip(skipped).collect();
        if words.first() == Some(&"namespaces") && words.len() > 2 {
            words.drain(..2);
        }
        let (resource, name) = match words[..] {
            [resource] => (resource.to_owned(), ""),
            [resource, name] => (resource.to_owned(), name),
            [resource, name, sub, ..] => (format!("{resource}/{sub}"), name),
            [] => (String::new(), ""),
        };
        let watches = query.split('&').any(|pair| pair == "watch=true" || pair == "watch=1");
        let verb = match (&parts.method, watches, name.is_empty()) {
            (&Method::GET, true, _) => "watch",
            (&Method::GET, false, true) => "list",
            (&Method::GET, false, false) => "get",
            (&Method::POST, ..) => "create",
            (&Method::PUT, ..) => "update",
            (&Method::PATCH, ..) => "patch",
            (&Method::DELETE, ..) => "delete",
            _ => "other",
        };
        Self {
            verb,
            resource,
            name: name.to_owned(),
            at,
            is_metadata: accept.contains("PartialObjectMetadata"),
            wants_initial_events: query.contains("sendInitialEvents=true"),
        }
    }

    /// Whether it is about one object: no list and no watch.
    #[must_use]
    pub fn is_single(&self) -> bool {
        !matches!(self.verb, "list" | "watch") && !self.resource.is_empty()
    }

    /// Whether it writes.
    #[must_use]
    pub fn writes(&self) -> bool {
        matches!(self.verb, "create" | "update" | "patch" | "delete")
    }

    /// Whether it lists or watches tables.
    #[must_use]
    pub fn follows_tables(&self) -> bool {
        matches!(self.verb, "list" | "watch") && self.resource == "datatables" && !self.is_metadata
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)
    }
}
