//! One fault being tried: what its points found is gathered here.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::LocalBoxFuture;
use futures::{FutureExt as _, StreamExt as _, stream};

use super::row::{Row, Verdict};
use super::{Fault, Options};
use crate::cluster_judge::Counted;
use crate::judge::Finding;

/// Points tried at once where nothing is timed.
const AT_ONCE: usize = 4;

/// What a point came to.
#[derive(Debug)]
pub struct Point {
    /// What can be said against its end.
    pub finding: Finding,
    /// From the end of the fault to the end of the work, in seconds.
    pub seconds: f64,
}

/// One fault being tried.
#[derive(Debug)]
pub struct Trial {
    /// How long and how large.
    pub options: Options,
    sum: Mutex<Sum>,
}

#[derive(Debug, Default)]
struct Sum {
    points: usize,
    finding: Finding,
    clusters: Option<Counted>,
    slowest: f64,
    failures: Vec<String>,
    notes: Vec<String>,
    pending: Option<String>,
}

impl Trial {
    pub(crate) fn new(options: Options) -> Self {
        Self { options, sum: Mutex::default() }
    }

    fn sum(&self) -> MutexGuard<'_, Sum> {
        self.sum.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tries one point; a panic on the way is something lost.
    pub fn point<'a>(
        &'a self,
        name: &str,
        point: impl Future<Output = Point> + 'a,
    ) -> LocalBoxFuture<'a, ()> {
        let name = name.to_owned();
        let point = AssertUnwindSafe(point).catch_unwind().boxed_local();
        async move { self.take(&name, point.await) }.boxed_local()
    }

    /// Tries many points, some at once.
    pub fn points<'a, F: Future<Output = Point> + 'a>(
        &'a self,
        points: impl IntoIterator<Item = (String, F)>,
    ) -> LocalBoxFuture<'a, ()> {
        let points: Vec<_> = points.into_iter().map(|(name, point)| self.point(&name, point)).collect();
        stream::iter(points).for_each_concurrent(AT_ONCE, |point| point).boxed_local()
    }

    fn take(&self, name: &str, outcome: Result<Point, Box<dyn Any + Send>>) {
        let mut sum = self.sum();
        sum.points += 1;
        match outcome {
            Ok(point) => {
                let within =
                    |all: Vec<String>| all.into_iter().map(|what| format!("{name}: {what}")).collect();
                let Finding { lost, doubled, foreign } = point.finding;
                sum.finding.add(Finding {
                    lost: within(lost),
                    doubled: within(doubled),
                    foreign: within(foreign),
                });
                sum.slowest = sum.slowest.max(point.seconds);
            }
            Err(panic) => sum.finding.lost.push(format!("{name}: {}", words(panic.as_ref()))),
        }
    }

    /// Clusters that a point started.
    pub fn clusters(&self, counted: Counted) {
        self.sum().clusters.get_or_insert_default().add(counted);
    }

    /// Something that has to hold besides.
    pub fn check(&self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.fail(otherwise());
        }
    }

    /// Something that does not hold.
    pub fn fail(&self, what: String) {
        self.sum().failures.push(what);
    }

    /// Something that a reader wants to know.
    pub fn note(&self, what: impl Into<String>) {
        self.sum().notes.push(what.into());
    }

    /// What it speaks of is not there yet.
    pub fn pending(&self, why: impl Into<String>) {
        self.sum().pending = Some(why.into());
    }

    pub(crate) fn row(&self, fault: &Fault, took: Duration) -> Row {
        let mut sum = self.sum();
        let Sum { points, finding, clusters, slowest, failures, notes, pending } = std::mem::take(&mut *sum);
        let Finding { lost, doubled, foreign } = &finding;
        let verdict = if [lost, doubled, foreign, &failures].iter().all(|said| said.is_empty()) {
            pending.map_or(Verdict::Holds, Verdict::Pending)
        } else {
            Verdict::Fails
        };
        Row {
            id: fault.id,
            what: fault.what,
            points,
            finding,
            clusters,
            slowest,
            failures,
            notes,
            verdict,
            took,
        }
    }
}

/// What a panic says.
pub(crate) fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
}
