//! The rate of one bucket, and how it follows what AWS answers.
//!
//! Until AWS throttles for the first time the rate doubles each second in which it was the rate that held calls back.
//! A throttled call cuts it to 70 %; from there it follows a cubic curve, as TCP CUBIC (RFC 9438) and the AWS SDKs'
//! adaptive mode do: quickly back to where AWS throttled, slowly past it.

use std::time::Duration;

use tokio::time::Instant;

use super::presets::Preset;

/// What a throttled call leaves of the rate.
const CUT: f64 = 0.7;
/// The way back to where AWS throttled takes so many seconds, and so many calls where calls are rare: the price of finding
/// out is one throttled call or so each time.
const WAY_BACK_SECONDS: f64 = 4.0;
const WAY_BACK_CALLS: f64 = 100.0;
/// After so many seconds it is worth a try however rare calls are.
const LONGEST_WAY_BACK: f64 = 10.0;
/// While some calls come through, so much is left: fewer calls would not come through any better, and users wait.
const TRICKLE: f64 = 2.0;
/// So many cuts in a row are an outage: none comes through at any rate.
const OUTAGE: u32 = 8;
/// What each throttled call leaves of the rate then.
const OUTAGE_CUT: f64 = 0.5;
/// In an outage so much is left: one call in four seconds is no storm, and finds the end.
const LEAST: f64 = 0.25;
/// Doublings and the curve's time advance in steps of this.
const STEP: Duration = Duration::from_secs(1);

/// Between what the rate moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limits {
    /// Where it begins.
    first: f64,
    /// What it never exceeds.
    most: f64,
    /// Tokens that may be saved up.
    burst: Option<f64>,
}

impl Limits {
    /// A rate that AWS publishes: not exceeded, and gone below when AWS throttles all the same. One token is never used: calls that
    /// leave at even distances may arrive closer together, by as much as one of them was held up on its way.
    pub(super) const fn preset(preset: Preset) -> Self {
        Self { first: preset.refill, most: preset.refill, burst: Some(preset.burst - 1.0) }
    }

    /// A budget of our own.
    pub(super) const fn fixed(rate: f64) -> Self {
        Self { first: rate, most: rate, burst: None }
    }

    /// A rate that AWS does not publish.
    pub(super) fn learnt(first: u32, most: u32) -> Self {
        Self { first: f64::from(first), most: f64::from(most), burst: None }
    }

    /// The part of it that a share is. A burst holds at least one token, or nothing could ever be called.
    pub(super) fn shared(self, share: f64) -> Self {
        Self {
            first: self.first * share,
            most: self.most * share,
            burst: self.burst.map(|burst| (burst * share).max(1.0)),
        }
    }
}

/// A rate that learns.
#[derive(Debug)]
pub(super) struct Rate {
    limits: Limits,
    now: f64,
    /// The rate at which AWS throttled last.
    plateau: Option<f64>,
    /// Seconds since then in which the rate held calls back.
    climbed: f64,
    cut_at: Option<Instant>,
    stepped_at: Instant,
    /// Whether the rate held a call back since the last step.
    was_short: bool,
    /// Cuts since a call came through.
    refused: u32,
}

impl Rate {
    pub(super) fn new(limits: Limits, now: Instant) -> Self {
        Self {
            limits,
            now: limits.first,
            plateau: None,
            climbed: 0.0,
            cut_at: None,
            stepped_at: now,
            was_short: false,
            refused: 0,
        }
    }

    /// Calls a second.
    pub(super) const fn get(&self) -> f64 {
        self.now
    }

    /// How many tokens may be saved up: those of a fifth of a second, so that a rest is not followed by a storm.
    pub(super) fn burst(&self) -> f64 {
        self.limits.burst.unwrap_or_else(|| (self.now / 5.0).max(1.0))
    }

    /// A call had to wait for its turn.
    pub(super) const fn was_short(&mut self) {
        self.was_short = true;
    }

    /// Time has passed.
    pub(super) fn advance(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.stepped_at);
        if passed < STEP {
            return;
        }
        // A rate that nobody needed is not known to be bearable: it stays.
        if self.was_short {
            self.climb(passed.min(STEP * 2).as_secs_f64());
        }
        self.was_short = false;
        self.stepped_at = now;
    }

    fn climb(&mut self, seconds: f64) {
        let next = match self.plateau {
            None => self.now * 2.0,
            Some(plateau) => {
                self.climbed += seconds;
                let way_back = (WAY_BACK_CALLS / plateau).clamp(WAY_BACK_SECONDS, LONGEST_WAY_BACK);
                let curve = (self.climbed / way_back - 1.0).powi(3);
                if self.climbed >= 2.0 * way_back {
                    // What AWS throttled for is over: it is as if it had never been.
                    self.plateau = None;
                }
                (plateau * (1.0 - CUT).mul_add(curve, 1.0)).max(self.now)
            }
        };
        self.now = next.min(self.limits.most);
    }

    /// AWS answered a call.
    pub(super) fn came_through(&mut self) {
        self.refused = 0;
        self.now = self.now.max(TRICKLE.min(self.limits.first));
    }

    /// AWS throttled a call that was granted at a time. Calls from before the last cut tell nothing new.
    pub(super) fn throttled(&mut self, granted: Instant, now: Instant) {
        if self.cut_at.is_some_and(|cut| granted <= cut) {
            return;
        }
        self.refused = self.refused.saturating_add(1);
        let (cut, least) = if self.refused < OUTAGE { (CUT, TRICKLE) } else { (OUTAGE_CUT, LEAST) };
        self.plateau = Some(self.now);
        self.now = (self.now * cut).max(least.min(self.limits.first));
        self.climbed = 0.0;
        self.cut_at = Some(now);
        self.stepped_at = now;
        self.was_short = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service with a token bucket, asked as fast as the rate allows; answers the calls that went well and those that
    /// did not, after so many seconds.
    fn against(allowed: f64, seconds: u32, limits: Limits) -> (f64, f64, f64) {
        let start = Instant::now();
        let mut rate = Rate::new(limits, start);
        let (mut theirs, mut ours, mut well, mut badly) = (allowed, 0.0, 0.0, 0.0);
        let tick = Duration::from_millis(5);
        for number in 1..=seconds * 200 {
            let now = start + tick * number;
            theirs = (theirs + allowed / 200.0).min(allowed.max(1.0));
            rate.was_short();
            rate.advance(now);
            ours += rate.get() / 200.0;
            while ours >= 1.0 {
                ours -= 1.0;
                if theirs >= 1.0 {
                    theirs -= 1.0;
                    well += 1.0;
                    rate.came_through();
                } else {
                    badly += 1.0;
                    rate.throttled(now, now);
                }
            }
        }
        (well, badly, rate.get())
    }

    #[test]
    fn the_rate_finds_what_the_service_allows_and_stays_there() {
        let (well, badly, _) = against(100.0, 120, Limits::learnt(5, 1000));
        let share = well / (100.0 * 120.0);
        assert!(share > 0.95, "only {share:.3} of what is allowed");
        assert!(badly / well < 0.01, "{badly} of {well} calls are throttled");
    }

    #[test]
    fn the_rate_goes_down_where_the_service_allows_less_than_at_first() {
        let (well, badly, rate) = against(4.0, 600, Limits::learnt(20, 1000));
        assert!(rate < 6.0, "it is still {rate}");
        assert!(well > 2000.0 && badly < 160.0, "{well} went well, {badly} did not");
    }

    #[test]
    fn where_calls_are_refused_by_chance_the_rate_goes_on_and_where_all_are_it_stops_nearly() {
        let start = Instant::now();
        let mut rate = Rate::new(Limits::learnt(20, 100), start);
        for second in 0..60 {
            let now = start + Duration::from_secs(second);
            rate.throttled(now, now);
            rate.came_through();
        }
        assert!(rate.get() >= TRICKLE, "it is {}", rate.get());
        for second in 61..90 {
            let now = start + Duration::from_secs(second);
            rate.throttled(now, now);
        }
        assert!(rate.get() <= LEAST, "it is {}", rate.get());
        rate.came_through();
        assert!(rate.get() >= TRICKLE, "one call that comes through ends the outage: {}", rate.get());
    }

    #[test]
    fn after_an_outage_the_rate_is_back_within_a_minute() {
        let start = Instant::now();
        let mut rate = Rate::new(Limits::learnt(100, 100), start);
        for second in 0..60 {
            let now = start + Duration::from_secs(second);
            rate.throttled(now, now);
        }
        for second in 61..110 {
            rate.was_short();
            rate.advance(start + Duration::from_secs(second));
        }
        assert!(rate.get() > 50.0, "it is {}", rate.get());
    }

    #[test]
    fn a_published_rate_is_not_exceeded_and_a_share_is_a_part_of_it() {
        let limits = Limits::preset(Preset { burst: 10.0, refill: 0.5 }).shared(0.5);
        let (_, badly, rate) = against(0.5, 60, limits);
        assert!((rate - 0.25).abs() < f64::EPSILON && badly < 1.0, "{rate}, {badly}");
        assert!((Rate::new(limits, Instant::now()).burst() - 4.5).abs() < f64::EPSILON);
    }

    #[test]
    fn a_rate_that_nobody_needs_stays() {
        let start = Instant::now();
        let mut rate = Rate::new(Limits::learnt(5, 100), start);
        for second in 1..60 {
            rate.advance(start + Duration::from_secs(second));
        }
        assert!((rate.get() - 5.0).abs() < f64::EPSILON);
    }

    #[test]
    fn many_calls_throttled_at_once_are_one_reason_to_slow_down() {
        let start = Instant::now();
        let mut rate = Rate::new(Limits::learnt(100, 100), start);
        for _ in 0..10 {
            rate.throttled(start, start + Duration::from_millis(50));
        }
        assert!((rate.get() - 70.0).abs() < 1e-9, "{}", rate.get());
    }
}
