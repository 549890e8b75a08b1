//! What ACK and upjet would take: computed from their defaults, as they do not run here.
//!
//! ACK's runtime: 1 object at a time (`--reconcile-default-max-concurrent-syncs`), all again every 10 h
//! (`defaultResyncPeriod`). A reconcile is 1 GET at the apiserver that no cache answers, 1 ReadOne at AWS for each
//! object, and always a status patch (`reconciler.go`); a new object takes a finalizer and a create besides.
//! upjet (provider-upjet-aws): at most 10 reconciles a second (`max-reconcile-rate`), each an Observe at AWS; all again
//! every 10 min (`poll`); a new object takes two reconciles, one that creates and one that sees it there.
//! Every request to Kubernetes counts as the median status write of the floor, every call to AWS as the endpoint's
//! latency, and no quota holds them up: that is the best they could do.

use super::floor::Floor;
use super::stats::number;

/// Reconciles a second.
const UPJET_RATE: f64 = 10.0;
/// Between two looks at an object.
const UPJET_POLL: f64 = 600.0;
/// Between two looks at an object.
const ACK_RESYNC: f64 = 36_000.0;
const HOUR: f64 = 3600.0;

/// Memory of Go controllers for one object, in MiB: 292 MB at 9,000 objects in a well-made one (timebertt's thesis).
pub(crate) const GO_OBJECT: f64 = 30.0 / 1024.0;
/// Memory of a provider, in MiB: upjet's own sizing guide tells 1.1 GB on average, 3 GB at most.
pub(crate) const UPJET_MEMORY: f64 = 1.1 * 1024.0;
/// From apply to ready on a quiet system, in seconds: the average that upjet told of ECR repositories (its PR 231).
pub(crate) const UPJET_APPLY: f64 = 12.8;

/// The rivals on this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rivals {
    aws: f64,
    kubernetes: f64,
}

impl Rivals {
    pub(crate) const fn new(floor: &Floor) -> Self {
        Self { aws: floor.aws, kubernetes: floor.p50 }
    }

    /// ACK: a look that finds nothing to do: GET, ReadOne, status.
    fn ack_look(self) -> f64 {
        2.0f64.mul_add(self.kubernetes, self.aws)
    }

    /// ACK: a new object: GET, finalizer, ReadOne, Create, status.
    pub(crate) fn ack_create(self) -> f64 {
        3.0f64.mul_add(self.kubernetes, 2.0 * self.aws)
    }

    /// ACK: `objects` made one after the other.
    pub(crate) fn ack_creates(self, objects: usize) -> f64 {
        number(objects) * self.ack_create()
    }

    /// ACK: `objects` looked at one after the other.
    pub(crate) fn ack_looks(self, objects: usize) -> f64 {
        number(objects) * self.ack_look()
    }

    /// ACK: `objects` changed one after the other: a look and an update.
    pub(crate) fn ack_changes(self, objects: usize) -> f64 {
        number(objects) * (self.ack_look() + self.aws)
    }

    /// ACK: reads an hour while nothing changes.
    pub(crate) fn ack_reads(objects: usize) -> f64 {
        number(objects) * HOUR / ACK_RESYNC
    }

    /// ACK: at the latest after this is drift seen.
    pub(crate) const fn ack_drift() -> f64 {
        ACK_RESYNC
    }

    /// upjet: `objects` made.
    pub(crate) fn upjet_creates(objects: usize) -> f64 {
        2.0 * Self::upjet_looks(objects)
    }

    /// upjet: `objects` looked at or changed.
    pub(crate) fn upjet_looks(objects: usize) -> f64 {
        number(objects) / UPJET_RATE
    }

    /// upjet: reads an hour while nothing changes; more than its rate allows it cannot make.
    pub(crate) fn upjet_reads(objects: usize) -> f64 {
        (number(objects) * HOUR / UPJET_POLL).min(UPJET_RATE * HOUR)
    }

    /// upjet: at the latest after this is drift seen: one poll, or one pass over all if that takes longer.
    pub(crate) fn upjet_drift(objects: usize) -> f64 {
        UPJET_POLL.max(Self::upjet_looks(objects))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formulas_are_those_of_the_book() {
        let floor = Floor { p50: 0.005, aws: 0.05, ..Floor::default() };
        let rivals = Rivals::new(&floor);
        let close = |is: f64, wanted: f64| assert!((is - wanted).abs() < 1e-6, "{is} is not {wanted}");
        close(rivals.ack_creates(10_000), 1150.0);
        close(rivals.ack_looks(10_000), 600.0);
        close(rivals.ack_changes(10_000), 1100.0);
        close(Rivals::ack_reads(100_000), 10_000.0);
        close(Rivals::upjet_creates(10_000), 2000.0);
        close(Rivals::upjet_reads(1000), 6000.0);
        // 600,000 are wanted; 10 a second are made, and a pass takes 2.8 h instead of 10 min.
        close(Rivals::upjet_reads(100_000), 36_000.0);
        close(Rivals::upjet_drift(100_000), 10_000.0);
    }
}
