//! Keeps a mistake in git from emptying the catalog: many deletions at once wait until somebody says that they are meant.
//!
//! A single deletion is never held. When more resources than the configuration allows are being deleted within a while,
//! the rest is: whoever lost a folder of manifests finds the tables where they were.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mizuumi_api::annotation;
use mizuumi_api::installation;
use tokio::time::Instant;
use tracing::warn;

use crate::name::Name;

/// Which deletions went ahead lately without having been confirmed.
#[derive(Debug)]
pub(crate) struct Deletions {
    most: usize,
    window: Duration,
    lately: Mutex<Lately>,
}

#[derive(Debug, Default)]
struct Lately {
    allowed: HashMap<Name, Instant>,
    warned: Option<Instant>,
}

impl Deletions {
    pub(crate) fn new(limits: &installation::Deletions) -> Self {
        Self {
            most: usize::try_from(limits.hold_above).unwrap_or(usize::MAX),
            window: Duration::from_secs(limits.window_seconds.into()),
            lately: Mutex::default(),
        }
    }

    /// Whether a deletion that nobody confirmed may go ahead; `waiting` is how many such there are now, this one
    /// included. If not, why. One that was held stays held: while somebody confirms or abandons the others, the last few
    /// are no fewer a mistake.
    pub(crate) fn may_go(&self, name: &Name, waiting: usize, was_held: bool) -> Result<(), String> {
        let now = Instant::now();
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        lately.allowed.retain(|_, when| now.duration_since(*when) < self.window);
        if lately.allowed.contains_key(name) {
            return Ok(());
        }
        // Those that were allowed and are not gone yet are among those that wait.
        if !was_held && waiting <= self.most && lately.allowed.len() < self.most {
            lately.allowed.insert(name.clone(), now);
            return Ok(());
        }
        if lately.warned.is_none_or(|warned| now.duration_since(warned) >= self.window) {
            lately.warned = Some(now);
            warn!(waiting, most = self.most, "so many deletions at once are held until they are confirmed");
        }
        Err(format!(
            "more than {} resources are being deleted within {} minutes, which may be a mistake; nothing was done to the \
             external object. If it is meant, set the annotation '{}' to 'true' on each; to let the resource go and \
             keep the external object as it is, set '{}' to 'true'",
            self.most,
            self.window.as_secs().div_ceil(60),
            annotation::CONFIRM_DELETION,
            annotation::ABANDON,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deletions() -> Deletions {
        Deletions::new(&installation::Deletions { hold_above: 3, window_seconds: 600 })
    }

    fn name(number: usize) -> Name {
        Name { namespace: "n".into(), name: number.to_string().into() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_deletions_go_ahead_and_one_that_went_ahead_may_end() {
        let deletions = deletions();
        for number in 0..3 {
            assert_eq!(deletions.may_go(&name(number), 3, false), Ok(()), "{number}");
        }
        assert_eq!(deletions.may_go(&name(0), 100, false), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn of_many_that_come_at_once_all_are_held() {
        let deletions = deletions();
        let held = deletions.may_go(&name(0), 4, false).expect_err("held");
        assert!(
            held.contains("more than 3 resources") && held.contains(annotation::CONFIRM_DELETION),
            "{held}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_was_held_stays_held_when_few_are_left() {
        assert!(deletions().may_go(&name(0), 1, true).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn of_many_that_come_one_by_one_no_more_go_ahead_than_are_allowed_in_a_while() {
        let deletions = deletions();
        let gone = (0..100).filter(|number| deletions.may_go(&name(*number), 1, false).is_ok()).count();
        assert_eq!(gone, 3);
        tokio::time::advance(Duration::from_secs(601)).await;
        assert_eq!(deletions.may_go(&name(7), 1, false), Ok(()));
    }
}
