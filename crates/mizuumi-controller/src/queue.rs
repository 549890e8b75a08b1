//! What is to be looked at next: urgent work first, every namespace in its turn, each resource by one pass at a time.
//!
//! kube's own queue serves in the order of arrival. A mass change of one team, or a sweep's findings, would then stand
//! in front of everybody's next `kubectl apply`.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mizuumi_core::Lane;
use tokio::sync::Notify;
use tokio::time::{self, Instant};

use crate::name::Name;

/// Each so-many-th ticket goes to the last lane in which somebody waits, so that nothing waits for ever.
const FOR_THE_LAST: u64 = 10;

/// The queue of one kind.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Notify,
    /// So many looks at data at once: they take long, and nobody waits for them.
    most_data: usize,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Name, Entry>,
    ready: [Fair; Lane::ALL.len()],
    later: BTreeSet<(Instant, Name)>,
    handed_out: u64,
    /// Looks at data under way.
    data: usize,
    closed: bool,
}

#[derive(Debug)]
struct Entry {
    place: Place,
    /// When the last reason for a pass came up.
    since: Instant,
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    Ready(Lane),
    Later(Instant, Lane),
    /// A pass is under way; whether there is a reason for another.
    Running(Option<Lane>),
}

/// Names of one lane, by namespace in turn.
#[derive(Debug, Default)]
struct Fair {
    turns: VecDeque<Arc<str>>,
    names: HashMap<Arc<str>, VecDeque<Name>>,
}

/// Leave to make one pass over one resource.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) name: Name,
    pub(crate) lane: Lane,
    /// When the last reason for the pass came up; what is read from then on is new enough.
    pub(crate) since: Instant,
    /// How long it waited.
    pub(crate) waited: Duration,
}

impl Queue {
    pub(crate) fn new(most_data: usize) -> Self {
        Self { state: Mutex::default(), changed: Notify::new(), most_data: most_data.max(1) }
    }

    /// There is a reason for a pass.
    pub(crate) fn push(&self, name: &Name, lane: Lane) {
        self.state().push(name, lane, Instant::now());
        self.changed.notify_one();
    }

    /// The resource is gone; a pass that is under way ends, and none follows.
    pub(crate) fn forget(&self, name: &Name) {
        let mut state = self.state();
        match state.entries.get_mut(name).map(|entry| &mut entry.place) {
            Some(Place::Running(again)) => *again = None,
            Some(Place::Later(when, _)) => {
                let when = *when;
                state.later.remove(&(when, name.clone()));
                state.entries.remove(name);
            }
            Some(Place::Ready(_)) => drop(state.entries.remove(name)),
            None => {}
        }
    }

    /// Waits for the next ticket; none once the queue is closed.
    pub(crate) async fn next(&self) -> Option<Ticket> {
        loop {
            let wait = {
                let mut state = self.state();
                if state.closed {
                    return None;
                }
                let now = Instant::now();
                state.ripen(now);
                if let Some(ticket) = state.pop(now, self.most_data) {
                    return Some(ticket);
                }
                state.later.first().map_or(Duration::from_mins(1), |(when, _)| *when - now)
            };
            // A notification that came since the lock is not lost: `notify_one` is remembered.
            time::timeout(wait, self.changed.notified()).await.ok();
        }
    }

    /// The pass is over; the next one comes at the latest after a while.
    pub(crate) fn done(&self, ticket: &Ticket, next: Option<(Duration, Lane)>) {
        let mut state = self.state();
        if ticket.lane == Lane::Data {
            state.data -= 1;
        }
        let now = Instant::now();
        let again = match state.entries.remove(&ticket.name) {
            Some(Entry { place: Place::Running(again), since }) => again.map(|lane| (lane, since)),
            _ => None,
        };
        if let Some((lane, since)) = again {
            state.push(&ticket.name, lane, since);
        } else if let Some((wait, lane)) = next {
            let when = now + wait;
            state.later.insert((when, ticket.name.clone()));
            state.entries.insert(ticket.name.clone(), Entry { place: Place::Later(when, lane), since: when });
        }
        drop(state);
        self.changed.notify_one();
    }

    /// No more tickets.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_one();
    }

    /// How many resources wait for a pass now, by lane.
    pub(crate) fn depths(&self) -> [(Lane, usize); Lane::ALL.len()] {
        let state = self.state();
        let mut depths = Lane::ALL.map(|lane| (lane, 0));
        for entry in state.entries.values() {
            if let Place::Ready(lane) = entry.place {
                depths[lane as usize].1 += 1;
            }
        }
        depths
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing here can panic half way, so a poisoned lock guards whole data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, name: &Name, lane: Lane, since: Instant) {
        match self.entries.get_mut(name) {
            Some(Entry { place: Place::Running(again), since: last }) => {
                *again = Some(again.map_or(lane, |waiting| waiting.min(lane)));
                *last = since;
                return;
            }
            Some(Entry { place: Place::Ready(waiting), since: last }) if *waiting <= lane => {
                *last = since;
                return;
            }
            // In a worse lane so far: its name stays behind there and is passed over.
            Some(Entry { place: Place::Ready(_), .. }) | None => {}
            Some(Entry { place: Place::Later(when, _), .. }) => {
                self.later.remove(&(*when, name.clone()));
            }
        }
        self.entries.insert(name.clone(), Entry { place: Place::Ready(lane), since });
        self.ready[lane as usize].push(name.clone());
    }

    /// What was to come later and is due by now.
    fn ripen(&mut self, now: Instant) {
        while self.later.first().is_some_and(|(when, _)| *when <= now) {
            let Some((when, name)) = self.later.pop_first() else { return };
            if let Some(Entry { place: Place::Later(_, lane), .. }) = self.entries.remove(&name) {
                self.push(&name, lane, when);
            }
        }
    }

    fn pop(&mut self, now: Instant, most_data: usize) -> Option<Ticket> {
        let last_first = self.handed_out % FOR_THE_LAST == FOR_THE_LAST - 1;
        let mut lanes = Lane::ALL;
        if last_first {
            lanes.reverse();
        }
        for lane in lanes {
            if lane == Lane::Data && self.data >= most_data {
                continue;
            }
            while let Some(name) = self.ready[lane as usize].pop() {
                // Passed over: it is gone, or waits in a better lane, or had its pass from there.
                let Some(entry) = self.entries.get_mut(&name).filter(|e| e.place == Place::Ready(lane))
                else {
                    continue;
                };
                entry.place = Place::Running(None);
                let since = entry.since;
                self.handed_out += 1;
                self.data += usize::from(lane == Lane::Data);
                return Some(Ticket { name, lane, since, waited: now.saturating_duration_since(since) });
            }
        }
        None
    }
}

impl Fair {
    fn push(&mut self, name: Name) {
        let names = self.names.entry(name.namespace.clone()).or_default();
        if names.is_empty() {
            self.turns.push_back(name.namespace.clone());
        }
        names.push_back(name);
    }

    /// The first name of the namespace whose turn it is.
    fn pop(&mut self) -> Option<Name> {
        let namespace = self.turns.pop_front()?;
        let names = self.names.get_mut(&namespace)?;
        let name = names.pop_front();
        if names.is_empty() {
            self.names.remove(&namespace);
        } else {
            self.turns.push_back(namespace);
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        let (namespace, name) = text.split_once('/').expect("namespace/name");
        Name { namespace: namespace.into(), name: name.into() }
    }

    fn push(queue: &Queue, names: &[&str], lane: Lane) {
        for text in names {
            queue.push(&name(text), lane);
        }
    }

    async fn order(queue: &Queue, number: usize) -> Vec<String> {
        let mut order = Vec::new();
        for _ in 0..number {
            let ticket = queue.next().await.expect("open");
            order.push(ticket.name.to_string());
            queue.done(&ticket, None);
        }
        order
    }

    #[tokio::test(start_paused = true)]
    async fn a_users_change_goes_before_drift_and_each_namespace_has_its_turn() {
        let queue = Queue::new(1);
        push(&queue, &["a/drift"], Lane::Drift);
        push(&queue, &["a/1", "a/2", "a/3", "b/1"], Lane::Change);
        assert_eq!(order(&queue, 5).await, ["a/1", "b/1", "a/2", "a/3", "a/drift"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_resource_is_in_one_pass_at_a_time_and_what_comes_meanwhile_makes_another() {
        let queue = Queue::new(1);
        push(&queue, &["a/1"], Lane::Change);
        let ticket = queue.next().await.expect("open");
        time::advance(Duration::from_millis(1)).await;
        push(&queue, &["a/1", "a/1"], Lane::Drift);
        let early = time::timeout(Duration::from_secs(1), queue.next()).await;
        assert!(early.is_err(), "the first pass is not over: {early:?}");
        queue.done(&ticket, Some((Duration::from_hours(1), Lane::Drift)));
        let again = queue.next().await.expect("open");
        assert!(again.since > ticket.since, "what is read for it must be newer");
        queue.done(&again, None);
        assert!(time::timeout(Duration::from_hours(2), queue.next()).await.is_err(), "once");
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_later_is_brought_forward_by_a_better_reason() {
        let queue = Queue::new(1);
        push(&queue, &["a/1"], Lane::Change);
        let ticket = queue.next().await.expect("open");
        queue.done(&ticket, Some((Duration::from_hours(1), Lane::Drift)));
        push(&queue, &["a/1"], Lane::Change);
        let ticket = queue.next().await.expect("open");
        assert_eq!((ticket.lane, ticket.waited), (Lane::Change, Duration::ZERO));
        queue.done(&ticket, Some((Duration::from_hours(1), Lane::Drift)));
        let start = Instant::now();
        let ticket = queue.next().await.expect("open");
        assert_eq!((ticket.lane, start.elapsed().as_secs() / 60), (Lane::Drift, 60));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_drift_and_is_then_changed_goes_with_the_changes_and_only_once() {
        let queue = Queue::new(1);
        push(&queue, &["a/1", "a/2"], Lane::Drift);
        push(&queue, &["a/2"], Lane::Change);
        assert_eq!(order(&queue, 2).await, ["a/2", "a/1"]);
        assert!(time::timeout(Duration::from_secs(1), queue.next()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn looks_at_data_leave_room_for_others() {
        let queue = Queue::new(1);
        push(&queue, &["a/1", "a/2"], Lane::Data);
        let first = queue.next().await.expect("open");
        assert!(time::timeout(Duration::from_secs(1), queue.next()).await.is_err(), "one at a time");
        queue.done(&first, None);
        assert_eq!(order(&queue, 1).await, ["a/2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn drift_has_its_turn_on_a_busy_day() {
        let queue = Queue::new(1);
        push(&queue, &["a/drift"], Lane::Drift);
        for number in 0..30 {
            queue.push(&name(&format!("a/{number}")), Lane::Change);
        }
        let place = order(&queue, 20).await.iter().position(|name| name == "a/drift");
        assert_eq!(place, Some(9));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_gone_gets_no_pass() {
        let queue = Queue::new(1);
        push(&queue, &["a/1", "a/2"], Lane::Change);
        queue.forget(&name("a/1"));
        assert_eq!(order(&queue, 1).await, ["a/2"]);
        queue.close();
        assert!(queue.next().await.is_none());
    }
}
