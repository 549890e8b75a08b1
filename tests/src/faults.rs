//! `make faults`: each fault tried at many points, and each end judged from outside.
//!
//! The numbers are those of the list of faults in `docs/src/faults.md`.

mod clusters;
mod definitions;
mod deletions;
mod engines;
mod flips;
mod hangs;
mod hostile;
mod killed;
mod lists;
mod load;
mod lost;
mod many;
mod namespaces;
mod profiles;
mod recreated;
mod refused;
mod restored;
mod rivals;
mod row;
mod runs;
mod stale;
mod throttled;
mod trial;
mod watches;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;

pub use row::{Row, Verdict, markdown, text};
pub use trial::Trial;

/// How long and how large.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many seconds a minute of the full run lasts: 60 is the full run.
    pub scale: f64,
    /// Seed of all that is left to chance.
    pub seed: u64,
}

impl Options {
    /// The defaults of `make faults`.
    pub const USUAL: Self = Self { scale: 1.0, seed: 1 };
    /// Those of `make test`.
    pub const SHORT: Self = Self { scale: 0.05, seed: 1 };

    /// Whether one of several alike is enough.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.scale < Self::USUAL.scale
    }

    /// So long as a time of the full run lasts in this one.
    #[must_use]
    pub fn lasting(&self, full: Duration, least: Duration) -> Duration {
        full.mul_f64(self.scale / 60.0).max(least)
    }

    /// So many objects: the usual number at scale 1, more or fewer by the root of the scale.
    #[must_use]
    pub fn many(&self, usual: u32, least: u32) -> usize {
        let number = f64::from(usual) * self.scale.sqrt();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few thousand at most")]
        let number = number.round() as usize;
        number.max(least as usize)
    }
}

/// A fault of the list.
pub struct Fault {
    /// Its number: `F1`.
    pub id: &'static str,
    /// What is done.
    pub what: &'static str,
    run: for<'a> fn(&'a Trial) -> LocalBoxFuture<'a, ()>,
}

macro_rules! faults {
    ($($id:literal $what:literal $run:path;)+) => {
        /// Every fault, in order.
        pub const ALL: &[Fault] = &[$(Fault { id: $id, what: $what, run: |trial| $run(trial).boxed_local() },)+];
    };
}

faults! {
    "F1" "kill -9 at every request of a create, update, delete and release" killed::everywhere;
    "F1c" "kill -9 at every request of a create, update, replacement, delete and release of a cluster" killed::clusters;
    "F2" "CreateTable without a reply, with and without its effect" lost::reply;
    "F2c" "RunJobFlow without a reply, with and without its effect" clusters::starts::reply;
    "F3c" "RunJobFlow without a reply, kill -9, lists that lag" clusters::starts::late_list;
    "F4c" "500 from RunJobFlow and TerminateJobFlows, after the effect and before" clusters::starts::error;
    "F5c" "the record of an attempt is refused, or written without an answer" clusters::records::unacknowledged;
    "F6c" "the status after RunJobFlow is refused time and again" clusters::records::refused_after;
    "F7c" "256 steps and no reply; a cluster that is ended while it works" clusters::starts::steps;
    "F7r" "AddJobFlowSteps for runs without a reply; a full cluster; one that is ended while it works" runs::asked::steps;
    "F8r" "Jobs of runs asked for without a reply" runs::asked::jobs;
    "F8e" "tasks of ECS asked for without a reply, looks that lag" runs::asked::tasks;
    "F9" "half of all AWS calls throttled, then all; a quota" throttled::storm;
    "F10" "only account A is throttled" throttled::one_account;
    "F10c" "only clusters of account A are throttled" clusters::accounts::throttled;
    "F11" "GetTables hangs" hangs::lists;
    "F12" "lists break off: a page fails, a token expires, a table goes between pages" lists::broken;
    "F13" "a second writer changes the table all the time" hangs::second_writer;
    "F14" "an engine commits between what is read and what is written" engines::commit;
    "F15" "CreateTable meets a table: another's, nobody's, our own" lost::already_there;
    "F16" "after a restart the apiserver shows the past" stale::past;
    "F17" "watches lose events and bookmarks, end, answer 410" watches::loss;
    "F18" "the apiserver answers 429, 503, 504, or not at all" watches::busy;
    "F20" "frozen at every call while another controller goes on, then awake" rivals::frozen;
    "F20c" "frozen at calls about a cluster while another controller goes on, then awake" clusters::rivals::frozen;
    "F20r" "frozen at calls about a run while another controller goes on, then awake" runs::frozen::asleep;
    "F21" "two controllers with one configuration" rivals::two;
    "F21c" "clusters kept by two controllers with one configuration" clusters::rivals::two;
    "F21r" "runs, and two controllers with one configuration" runs::load::two;
    "F22c" "another controller takes over while a call about a cluster is under way" clusters::rivals::handed_over;
    "F23" "deleted while it is being made, and made again at once" recreated::in_creation;
    "F23c" "a cluster deleted while it is being made, and made again at once" clusters::ends::in_creation;
    "F23r" "a run deleted while it works, and made again at once" runs::load::made_anew;
    "F24" "a deletion is denied, or there is nothing left to delete" refused::deletion;
    "F24c" "the end of a cluster is denied, or it is protected, or has ended" clusters::ends::refused;
    "F25n" "a namespace goes with a thousand tables" namespaces::with_role;
    "F25" "a namespace goes, and the role that could delete its tables is gone" namespaces::without_role;
    "F26" "restore: same names, new uids, empty status" restored::from_backup;
    "F27" "definitions become older or newer than the controller" definitions::changed;
    "F28" "one profile's credentials expire, its role is denied" profiles::credentials;
    "F28c" "the clusters of one profile are denied" clusters::accounts::denied;
    "F28e" "the tasks of ECS of one profile are denied" runs::denied::tasks;
    "F29c" "every cluster fails: no instances, no bootstrap" clusters::failures::in_a_row;
    "F30" "objects vanish by the dozen" deletions::by_the_dozen;
    "F31" "hostile specs" hostile::specs;
    "F32" "SIGTERM and SIGKILL under load" load::stopped;
    "F32r" "SIGTERM and SIGKILL with many runs under way" runs::load::stopped;
    "F33" "nowhere to write, log device full" load::no_disk;
    "F33c" "a cluster with nowhere to write, log device full" clusters::records::no_disk;
    "F34c" "two installations in one account" clusters::rivals::two_installations;
    "F35" "all tables turn stale in one moment; looks take all workers" flips::all_at_once;
    "R1" "somebody reads without a rest while runs are published and controllers die" runs::readers::without_rest;
}

/// The faults of that number: of tables, with a `c` of clusters, with an `r` of runs, with an `e` of tasks of ECS.
#[must_use]
pub fn numbered(id: &str) -> Vec<&'static Fault> {
    let is = |row: &str| row.eq_ignore_ascii_case(id);
    ALL.iter().filter(|fault| is(fault.id) || is(fault.id.trim_end_matches(['c', 'r', 'e']))).collect()
}

/// The fault of that row.
#[must_use]
pub fn find(id: &str) -> Option<&'static Fault> {
    ALL.iter().find(|fault| fault.id.eq_ignore_ascii_case(id))
}

impl Fault {
    /// Tries it.
    pub async fn run(&self, options: Options) -> Row {
        let trial = Trial::new(options);
        let began = tokio::time::Instant::now();
        if let Err(panic) = AssertUnwindSafe((self.run)(&trial)).catch_unwind().await {
            trial.fail(trial::words(panic.as_ref()));
        }
        trial.row(self, began.elapsed())
    }
}
