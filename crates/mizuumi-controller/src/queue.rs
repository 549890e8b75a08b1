//! What is to be looked at next: urgent work first, every namespace in its turn, each resource by one pass at a time.
//!
//! kube's own queue serves in the order of arrival. A mass change of one team, or a sweep's findings, would then stand
//! in front of everybody's next `kubectl apply`. For the same reason the newest of a namespace's changes goes first.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mizuumi_core::Lane;
use tokio::sync::Notify;
use tokio::time::{self, Instant};

use crate::name::Name;

/// Each so-many-th ticket goes to the last lane in which somebody waits, so that nothing waits for ever.
const FOR_THE_LAST: u64 = 10;
/// Each so-many-th change is the oldest of its namespace, not the newest.
const FOR_THE_OLDEST: u64 = 4;

/// The queue of one kind.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Notify,
    most: Most,
}

/// Passes at once in the lanes in which nobody waits for them: where they take long, places are left for those for whom
/// somebody does.
#[derive(Clone, Copy, Debug)]
struct Most {
    /// Looks at data: they take longest.
    data: usize,
    /// Those and what sweeps found.
    unhurried: usize,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Name, Entry>,
    ready: [Fair; Lane::ALL.len()],
    later: BTreeSet<(Instant, Name)>,
    handed_out: u64,
    /// Passes under way, by lane.
    running: [usize; Lane::ALL.len()],
    closed: bool,
}

#[derive(Debug)]
struct Entry {
    place: Place,
    /// When the last reason for a pass came up.
    since: Instant,
}

#[derive(Debug)]
enum Place {
    Ready(Lane),
    Later(Instant, Lane),
    /// A pass is under way.
    Running(Running),
}

#[derive(Debug)]
struct Running {
    /// Whether there is a reason for another.
    again: Option<Lane>,
    superseded: Arc<Notify>,
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
    /// Told when the resource changes while the pass is under way.
    pub(crate) superseded: Arc<Notify>,
}

impl Queue {
    /// A queue for so many passes at once.
    pub(crate) fn new(concurrency: usize) -> Self {
        let most = Most { data: (concurrency / 4).max(1), unhurried: (concurrency * 3 / 4).max(1) };
        Self { state: Mutex::default(), changed: Notify::new(), most }
    }

    /// There is a reason for a pass.
    pub(crate) fn push(&self, name: &Name, lane: Lane) {
        self.state().push(name, lane, Instant::now());
        self.changed.notify_one();
    }

    /// There is a reason for a pass, and others like it will follow: all that come within a while make one pass.
    pub(crate) fn gather(&self, name: &Name, lane: Lane, wait: Duration) {
        let now = Instant::now();
        let mut state = self.state();
        state.ripen(now);
        match state.entries.get(name).map(|entry| &entry.place) {
            Some(Place::Ready(_) | Place::Running(_)) => state.push(name, lane, now),
            Some(&Place::Later(when, other)) => state.put_off(name, when.min(now + wait), lane.min(other)),
            None => state.put_off(name, now + wait, lane),
        }
        drop(state);
        self.changed.notify_one();
    }

    /// The resource is gone; a pass that is under way ends, and none follows.
    pub(crate) fn forget(&self, name: &Name) {
        let mut state = self.state();
        match state.entries.get_mut(name).map(|entry| &mut entry.place) {
            Some(Place::Running(running)) => running.again = None,
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
                if let Some(ticket) = state.pop(now, self.most) {
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
        state.running[ticket.lane as usize] -= 1;
        let now = Instant::now();
        let again = match state.entries.remove(&ticket.name) {
            Some(Entry { place: Place::Running(running), since }) => running.again.map(|lane| (lane, since)),
            _ => None,
        };
        if let Some((lane, since)) = again {
            state.push(&ticket.name, lane, since);
        } else if let Some((wait, lane)) = next {
            state.put_off(&ticket.name, now + wait, lane);
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
            Some(Entry { place: Place::Running(running), since: last }) => {
                running.again = Some(running.again.map_or(lane, |waiting| waiting.min(lane)));
                if lane == Lane::Change {
                    running.superseded.notify_one();
                }
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

    /// Whose pass comes then, and not before if nothing happens.
    fn put_off(&mut self, name: &Name, when: Instant, lane: Lane) {
        if let Some(Entry { place: Place::Later(before, _), .. }) = self.entries.get(name) {
            self.later.remove(&(*before, name.clone()));
        }
        self.later.insert((when, name.clone()));
        self.entries.insert(name.clone(), Entry { place: Place::Later(when, lane), since: when });
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

    fn has_room(&self, lane: Lane, most: Most) -> bool {
        let [_, _, drift, data] = self.running;
        lane.is_hurried() || (drift + data < most.unhurried && (lane != Lane::Data || data < most.data))
    }

    fn pop(&mut self, now: Instant, most: Most) -> Option<Ticket> {
        let last_first = self.handed_out % FOR_THE_LAST == FOR_THE_LAST - 1;
        let mut lanes = Lane::ALL;
        if last_first {
            lanes.reverse();
        }
        for lane in lanes {
            if !self.has_room(lane, most) {
                continue;
            }
            let newest = lane == Lane::Change && self.handed_out % FOR_THE_OLDEST != FOR_THE_OLDEST - 1;
            while let Some(name) = self.ready[lane as usize].pop(newest) {
                // Passed over: it is gone, or waits in a better lane, or had its pass from there.
                let is_here =
                    |entry: &&mut Entry| matches!(entry.place, Place::Ready(ready) if ready == lane);
                let Some(entry) = self.entries.get_mut(&name).filter(is_here) else { continue };
                let superseded = Arc::new(Notify::new());
                entry.place = Place::Running(Running { again: None, superseded: superseded.clone() });
                let since = entry.since;
                self.handed_out += 1;
                self.running[lane as usize] += 1;
                let waited = now.saturating_duration_since(since);
                return Some(Ticket { name, lane, since, waited, superseded });
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

    /// The oldest or the newest name of the namespace whose turn it is.
    fn pop(&mut self, newest: bool) -> Option<Name> {
        let namespace = self.turns.pop_front()?;
        let names = self.names.get_mut(&namespace)?;
        let name = if newest { names.pop_back() } else { names.pop_front() };
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
        assert_eq!(order(&queue, 5).await, ["a/3", "b/1", "a/2", "a/1", "a/drift"]);
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
    async fn reasons_that_are_gathered_make_one_pass_and_hold_up_no_other() {
        let (queue, wait) = (Queue::new(1), Duration::from_secs(1));
        let start = Instant::now();
        queue.gather(&name("a/1"), Lane::Progress, wait);
        time::advance(Duration::from_millis(900)).await;
        queue.gather(&name("a/1"), Lane::Progress, wait);
        let ticket = queue.next().await.expect("open");
        assert_eq!((ticket.lane, start.elapsed()), (Lane::Progress, wait));
        queue.gather(&name("a/1"), Lane::Progress, wait);
        queue.done(&ticket, None);
        let again = queue.next().await.expect("open");
        assert_eq!(start.elapsed(), wait, "what comes during a pass makes another");
        queue.done(&again, Some((Duration::from_hours(1), Lane::Drift)));
        queue.gather(&name("a/1"), Lane::Progress, wait);
        push(&queue, &["a/1"], Lane::Change);
        let ticket = queue.next().await.expect("open");
        assert_eq!((ticket.lane, start.elapsed()), (Lane::Change, wait));
        queue.done(&ticket, None);
        assert!(time::timeout(Duration::from_hours(2), queue.next()).await.is_err(), "once");
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
    async fn what_sweeps_found_leaves_room_for_who_is_waited_for() {
        let queue = Queue::new(4);
        push(&queue, &["a/1", "a/2", "a/3", "a/4"], Lane::Drift);
        let mut under_way = Vec::new();
        for _ in 0..3 {
            under_way.push(queue.next().await.expect("open"));
        }
        assert!(time::timeout(Duration::from_secs(1), queue.next()).await.is_err(), "three of four places");
        push(&queue, &["a/changed"], Lane::Change);
        assert_eq!(order(&queue, 1).await, ["a/changed"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_does_not_wait_for_a_mass_change_and_that_one_goes_on() {
        let queue = Queue::new(1);
        for number in 0..30 {
            queue.push(&name(&format!("a/{number}")), Lane::Change);
        }
        assert_eq!(order(&queue, 2).await, ["a/29", "a/28"]);
        push(&queue, &["a/fix"], Lane::Change);
        let order = order(&queue, 10).await;
        assert!(order[..2].contains(&"a/fix".to_owned()) && order.contains(&"a/0".to_owned()), "{order:?}");
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
