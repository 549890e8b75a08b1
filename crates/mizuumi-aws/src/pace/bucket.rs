//! One token bucket with lanes: who waits in a better lane is served first, and nobody waits for ever.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mizuumi_core::Lane;
use tokio::sync::oneshot;
use tokio::time::{self, Instant};

use super::learning::{Limits, Rate};

/// Each so-many-th token goes to the last lane in which somebody waits, so that a busy day of users' changes slows
/// sweeps down but never stops them.
const FOR_THE_LAST: u64 = 10;
/// Among users' changes the newest goes first, since somebody sits and waits for it; behind a mass change it would wait for
/// that to end, which comes no later for it. Each so-many-th token goes to the oldest.
const FOR_THE_OLDEST: u64 = 4;

/// A bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    rate: Rate,
    tokens: f64,
    filled_at: Instant,
    waiting: [VecDeque<oneshot::Sender<()>>; Lane::ALL.len()],
    granted: u64,
    /// Whether a task hands out tokens as they come in.
    is_served: bool,
}

/// Leave to make one call, whose end it has to be told.
#[derive(Debug)]
pub(crate) struct Turn {
    bucket: Arc<Bucket>,
    granted: Instant,
}

impl Turn {
    /// AWS took the call, whatever it answered.
    pub(crate) fn came_through(self) {
        self.bucket.state().rate.came_through();
    }

    /// AWS throttled the call.
    pub(crate) fn was_throttled(self) {
        self.bucket.state().rate.throttled(self.granted, Instant::now());
    }
}

impl Bucket {
    pub(super) fn new(limits: Limits, now: Instant) -> Self {
        let rate = Rate::new(limits, now);
        let tokens = rate.burst();
        let waiting = std::array::from_fn(|_| VecDeque::new());
        let state = State { rate, tokens, filled_at: now, waiting, granted: 0, is_served: false };
        Self { state: Mutex::new(state) }
    }

    /// Calls a second at present.
    pub(super) fn rate(&self) -> f64 {
        self.state().rate.get()
    }

    /// Waits for a token.
    pub(super) async fn turn(self: Arc<Self>, lane: Lane) -> Turn {
        let (grant, granted) = oneshot::channel();
        let serve = {
            let mut state = self.state();
            state.waiting[lane as usize].push_back(grant);
            state.serve(Instant::now());
            let serve = state.is_waited_for() && !state.is_served;
            state.is_served |= serve;
            serve
        };
        if serve {
            tokio::spawn(Self::serve(self.clone()));
        }
        // The sender is dropped only with the bucket, which this holds.
        granted.await.ok();
        Turn { bucket: self, granted: Instant::now() }
    }

    /// Hands out tokens as they come in, until nobody waits.
    async fn serve(bucket: Arc<Self>) {
        loop {
            let wait = {
                let mut state = bucket.state();
                state.serve(Instant::now());
                if !state.is_waited_for() {
                    state.is_served = false;
                    return;
                }
                state.until_next()
            };
            time::sleep(wait).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing here can panic half way, so a poisoned lock guards whole data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Gives a token to each who waits, as far as there are some.
    fn serve(&mut self, now: Instant) {
        self.rate.advance(now);
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.tokens = passed.mul_add(self.rate.get(), self.tokens).min(self.rate.burst());
        self.filled_at = now;
        while self.tokens >= 1.0
            && let Some(next) = self.next()
        {
            // Who has given up waiting takes no token.
            if next.send(()).is_ok() {
                self.tokens -= 1.0;
                self.granted += 1;
            }
        }
        if self.is_waited_for() {
            self.rate.was_short();
        }
    }

    fn next(&mut self) -> Option<oneshot::Sender<()>> {
        let is_due = |every: u64| self.granted % every == every - 1;
        let mut lanes = Lane::ALL.into_iter().filter(|lane| !self.waiting[*lane as usize].is_empty());
        let lane = if is_due(FOR_THE_LAST) { lanes.next_back() } else { lanes.next() }?;
        let newest = lane == Lane::Change && !is_due(FOR_THE_OLDEST);
        let waiting = &mut self.waiting[lane as usize];
        if newest { waiting.pop_back() } else { waiting.pop_front() }
    }

    fn is_waited_for(&self) -> bool {
        self.waiting.iter().any(|lane| !lane.is_empty())
    }

    fn until_next(&self) -> Duration {
        let seconds = (1.0 - self.tokens).max(0.0) / self.rate.get();
        Duration::from_secs_f64(seconds).clamp(Duration::from_millis(1), Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn order(bucket: Arc<Bucket>, asked: &[Lane]) -> Vec<Lane> {
        let (sender, mut served) = tokio::sync::mpsc::unbounded_channel();
        // Takes what is saved up, so that all others wait.
        drop(bucket.clone().turn(Lane::Change).await);
        for lane in asked.iter().copied() {
            let (bucket, sender) = (bucket.clone(), sender.clone());
            tokio::spawn(async move {
                drop(bucket.turn(lane).await);
                sender.send(lane).ok();
            });
            tokio::task::yield_now().await;
        }
        drop(sender);
        let mut order = Vec::new();
        while let Some(lane) = served.recv().await {
            order.push(lane);
        }
        order
    }

    fn bucket() -> Arc<Bucket> {
        Arc::new(Bucket::new(Limits::fixed(5.0), Instant::now()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_users_change_goes_before_sweeps_and_those_before_looks_at_data() {
        use Lane::{Change, Data, Drift, Progress};
        let served = order(bucket(), &[Data, Drift, Progress, Change, Change]).await;
        assert_eq!(served, [Change, Change, Progress, Drift, Data]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sweep_is_not_held_up_for_ever_by_users_changes() {
        let mut asked = vec![Lane::Drift];
        asked.extend([Lane::Change; 30]);
        let served = order(bucket(), &asked).await;
        let place = served.iter().position(|lane| *lane == Lane::Drift).expect("served");
        assert!(place <= 9, "it comes {place}th");
    }

    #[tokio::test(start_paused = true)]
    async fn a_users_change_does_not_wait_for_a_mass_change_to_end() {
        let bucket = bucket();
        drop(bucket.clone().turn(Lane::Change).await);
        let mass: Vec<_> = (0..40).map(|_| tokio::spawn(bucket.clone().turn(Lane::Change))).collect();
        tokio::task::yield_now().await;
        let start = Instant::now();
        drop(bucket.turn(Lane::Change).await);
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        for one in mass {
            drop(one.await);
        }
        assert!(
            start.elapsed() < Duration::from_secs(9),
            "all end as soon as they would: {:?}",
            start.elapsed()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn calls_are_spread_over_time_at_the_rate() {
        let bucket = bucket();
        let start = Instant::now();
        for _ in 0..51 {
            drop(bucket.clone().turn(Lane::Change).await);
        }
        let took = start.elapsed().as_secs_f64();
        assert!((9.9..10.3).contains(&took), "{took} s");
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_waiting_takes_no_turn() {
        let bucket = bucket();
        drop(bucket.clone().turn(Lane::Change).await);
        let gone = time::timeout(Duration::from_millis(1), bucket.clone().turn(Lane::Change)).await;
        assert!(gone.is_err());
        let start = Instant::now();
        drop(bucket.turn(Lane::Change).await);
        assert!(start.elapsed() < Duration::from_millis(250), "{:?}", start.elapsed());
    }
}
