//! Watches through the proxy: line by line, some of them lost, ended when told.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::http::Response;
use futures::{StreamExt as _, stream};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{mpsc, watch};

use super::Shared;

/// The annotation of the bookmark that ends the first events of a watch which began with what was there.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// What watches lose.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Loss {
    /// Chance of each event to be lost, from 0 to 1.
    pub events: f64,
    /// Whether bookmarks are lost. The one that ends the first events is not: without it there is no list at all.
    pub bookmarks: bool,
    /// Seed of the chance.
    pub seed: u64,
}

/// What is done to the watches that run.
#[derive(Debug)]
pub(crate) struct Watching {
    loss: Mutex<(Loss, StdRng)>,
    lost: AtomicU64,
    /// How often watches were ended; true if with 410.
    cuts: watch::Sender<(u64, bool)>,
}

impl Default for Watching {
    fn default() -> Self {
        let loss = Mutex::new((Loss::default(), StdRng::seed_from_u64(0)));
        Self { loss, lost: AtomicU64::new(0), cuts: watch::Sender::new((0, false)) }
    }
}

/// What the proxy reads of a line.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    type_: String,
}

impl Watching {
    pub(crate) fn lose(&self, loss: Loss) {
        let mut held = self.loss.lock().unwrap_or_else(PoisonError::into_inner);
        *held = (loss, StdRng::seed_from_u64(loss.seed));
    }

    pub(crate) fn cut(&self, gone: bool) {
        self.cuts.send_modify(|cuts| *cuts = (cuts.0 + 1, gone));
    }

    pub(crate) fn cuts(&self) -> watch::Receiver<(u64, bool)> {
        self.cuts.subscribe()
    }

    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn keeps(&self, line: &[u8]) -> bool {
        let mut held = self.loss.lock().unwrap_or_else(PoisonError::into_inner);
        let (loss, random) = &mut *held;
        if *loss == Loss::default() {
            return true;
        }
        let Ok(Line { type_ }) = serde_json::from_slice(line) else { return true };
        let keeps = match type_.as_str() {
            "BOOKMARK" => {
                let ends =
                    line.windows(INITIAL_EVENTS_END.len()).any(|part| part == INITIAL_EVENTS_END.as_bytes());
                ends || !loss.bookmarks
            }
            "ERROR" => true,
            _ => loss.events <= 0.0 || random.random_range(0.0..1.0) >= loss.events,
        };
        if !keeps {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        keeps
    }
}

/// The line by which a watch is told that it has to list again.
pub(crate) fn expired() -> String {
    let error = json!({
        "type": "ERROR",
        "object": {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": "too old resource version: 1 (2)",
            "reason": "Expired",
            "code": 410,
        },
    });
    format!("{error}\n")
}

/// Hands lines on, as long as both sides are there and nobody ends the watch.
pub(crate) fn pass_on(shared: Arc<Shared>, answer: Response<Body>) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    parts.headers.remove("content-length");
    let (sender, receiver) = mpsc::channel(64);
    let mut cuts = shared.watching.cuts();
    tokio::spawn(async move {
        let mut frames = Box::pin(body.into_data_stream());
        let mut rest: Vec<u8> = Vec::new();
        loop {
            tokio::select! {
                () = sender.closed() => return,
                _ = cuts.changed() => {
                    if cuts.borrow().1 {
                        sender.send(Bytes::from(expired())).await.ok();
                    }
                    return;
                }
                frame = frames.next() => {
                    let Some(Ok(bytes)) = frame else { return };
                    rest.extend_from_slice(&bytes);
                    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                        let line: Vec<u8> = rest.drain(..=end).collect();
                        if shared.watching.keeps(&line) && sender.send(Bytes::from(line)).await.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    });
    Response::from_parts(parts, lines(receiver))
}

/// A body of the lines that are sent, until nobody sends any more.
pub(crate) fn lines(receiver: mpsc::Receiver<Bytes>) -> Body {
    Body::from_stream(stream::unfold(receiver, |mut receiver| async {
        let line = receiver.recv().await?;
        Some((Ok::<_, std::io::Error>(line), receiver))
    }))
}
