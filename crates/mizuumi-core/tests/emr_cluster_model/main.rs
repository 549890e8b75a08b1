//! Every order of events, tried: two controllers, crashes, lost and late replies, lists that lag. There is one cluster, and each step
//! once.

#![expect(clippy::expect_used, reason = "a test's helpers fail as its tests do")]

mod clusters;
mod run_steps;
mod search;
mod team;
