//! The one way by which AWS is called: in turn, counted, its errors classified, and repeated only where that is safe.
//!
//! Each call ends in one of three ways. Done: the answer, or that there is no such thing. Refused: a failure of any class
//! but `Unknown`; nothing happened. Unknown: a write whose answer never came; only a look can tell, so it is never sent
//! again.

use std::error::Error;
use std::future::{self, Future};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use mizuumi_core::{Class, Errand, Failure, Lane, Still};
use rand::RngExt;
use tokio::time::{self, Instant};
use tracing::Instrument as _;

use crate::error::{Effect, failure, is_absent};
use crate::metrics::Metrics;
use crate::pace::{AFTER_THROTTLING, Pace, Place};
use crate::spans;

/// How often a read is tried that fails for reasons that pass.
const READS: u32 = 3;
/// How often a call is tried that AWS throttles: such a call had no effect, whatever it is. The rate has slowed down by
/// then, and others wait behind it, so it is not tried for ever.
const THROTTLED: u32 = 6;
/// The first wait between two tries of a read.
const PAUSE: Duration = Duration::from_millis(200);

/// After so long without an answer a call is slow: it is waited for, and whoever knows another way is told.
const SLOW: Duration = Duration::from_secs(3);

/// What a last look before a write says holds for so long; each further one is given as much more, as whoever answers may be slow
/// for long.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// How often a last look is taken again that took longer.
const LAST_LOOKS: u32 = 5;

/// Why a write was not sent.
const LAPSED: &str = "the resource has changed meanwhile, and nothing was sent";

/// An operation of AWS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Api {
    /// Service, such as `glue`.
    pub(crate) service: &'static str,
    /// Operation, such as `GetTables`.
    pub(crate) operation: &'static str,
    /// Both, as IAM spells them: `glue:GetTables`.
    pub(crate) name: &'static str,
    /// Whether it writes.
    pub(crate) effect: Effect,
}

impl Api {
    fn failure(self, class: Class, message: &str) -> Failure {
        Failure::new(self.name, class, message.to_owned())
    }
}

macro_rules! api {
    ($service:literal, $operation:literal, $effect:ident) => {
        $crate::gateway::Api {
            service: $service,
            operation: $operation,
            name: concat!($service, ":", $operation),
            effect: $crate::error::Effect::$effect,
        }
    };
}
pub(crate) use api;

/// When a call was sent the last time: how long it waited for its turn says nothing of how old its answer is.
pub(crate) struct Sent(Mutex<Instant>);

impl Default for Sent {
    fn default() -> Self {
        Self(Mutex::new(Instant::now()))
    }
}

impl Sent {
    /// Notes that a call is sent now.
    pub(crate) fn now<F>(&self, call: F) -> F {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        call
    }

    /// When that was.
    pub(crate) fn at(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls with the credentials of one profile.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    pub(crate) pace: Arc<Pace>,
    pub(crate) metrics: Metrics,
    pub(crate) account: Arc<str>,
    pub(crate) region: Arc<str>,
}

impl Gateway {
    /// Reads; none if what it speaks of is not there.
    pub(crate) async fn read<T, E, F>(
        &self,
        api: Api,
        lane: Lane,
        send: impl Fn() -> F + Send + Sync,
    ) -> Result<Option<T>, Failure>
    where
        T: Send,
        E: ProvideErrorMetadata + Error + Send + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
    {
        self.read_or_say(api, lane, || (), send).await
    }

    /// The same, and says when an answer is slow to come. Waiting for its turn does not count.
    pub(crate) async fn read_or_say<T, E, F>(
        &self,
        api: Api,
        lane: Lane,
        is_slow: impl Fn() + Send + Sync,
        send: impl Fn() -> F + Send + Sync,
    ) -> Result<Option<T>, Failure>
    where
        T: Send,
        E: ProvideErrorMetadata + Error + Send + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
    {
        self.call(api, lane, None, || future::ready(Ok(true)), is_slow, send).await
    }

    /// Writes, if that is still wanted when its turn has come; none if what it speaks of is not there.
    pub(crate) async fn write<T, E, F>(
        &self,
        api: Api,
        errand: Errand<'_>,
        send: impl Fn() -> F + Send + Sync,
    ) -> Result<Option<T>, Failure>
    where
        T: Send,
        E: ProvideErrorMetadata + Error + Send + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
    {
        self.write_if(api, errand, || future::ready(Ok(Some(Instant::now()))), send).await
    }

    /// The same if a last look, made right before, still allows it; it answers when it was sent, or nothing if it does not.
    pub(crate) async fn write_if<T, E, F, C>(
        &self,
        api: Api,
        errand: Errand<'_>,
        is_right: impl Fn() -> C + Send + Sync,
        send: impl Fn() -> F + Send + Sync,
    ) -> Result<Option<T>, Failure>
    where
        T: Send,
        E: ProvideErrorMetadata + Error + Send + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
        C: Future<Output = Result<Option<Instant>, Failure>> + Send,
    {
        let is_right = || last_look(api, errand.still, &is_right);
        self.call(api, errand.lane, Some(errand.still), is_right, || (), send).await
    }

    async fn call<T, E, F, C>(
        &self,
        api: Api,
        lane: Lane,
        still: Option<&dyn Still>,
        is_still_right: impl Fn() -> C + Send + Sync,
        is_slow: impl Fn() + Send + Sync,
        send: impl Fn() -> F + Send + Sync,
    ) -> Result<Option<T>, Failure>
    where
        T: Send,
        E: ProvideErrorMetadata + Error + Send + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
        C: Future<Output = Result<bool, Failure>> + Send,
    {
        let (service, operation) = (api.service, api.operation);
        let (account, region) = (self.account.clone(), self.region.clone());
        let place = Place { account, region, service, operation };
        let (mut failed, mut throttled) = (0, 0);
        loop {
            let asked = Instant::now();
            let turn = tokio::select! {
                turn = self.pace.turn(&place, lane) => turn,
                () = lapses(still) => return Err(api.failure(Class::Conflict, LAPSED)),
            };
            self.metrics.waited(service, lane, asked.elapsed());
            if !is_still_right().await? {
                return Ok(None);
            }
            let began = Instant::now();
            // On the heap: what the SDK keeps of a call is large, and there are many passes.
            let span = spans::call(api, &place.account, &place.region);
            let mut call = Box::pin(send().instrument(span.clone()));
            let answer = if let Ok(answer) = time::timeout(SLOW, &mut call).await {
                answer
            } else {
                is_slow();
                call.await
            };
            let took = began.elapsed();
            let failure = match answer {
                Ok(answer) => {
                    turn.came_through();
                    self.metrics.answered(&place, "ok", took);
                    return Ok(Some(answer));
                }
                Err(error) if is_absent(&error) => {
                    turn.came_through();
                    self.metrics.answered(&place, "absent", took);
                    return Ok(None);
                }
                Err(error) => failure(api.name, api.effect, &error),
            };
            spans::failed(&span, &failure);
            self.metrics.answered(&place, failure.class.name(), took);
            let pause = match (failure.class, api.effect) {
                (Class::Throttled, _) => {
                    turn.was_throttled();
                    throttled += 1;
                    (throttled < THROTTLED).then_some(AFTER_THROTTLING)
                }
                (Class::Unavailable, Effect::Read) => {
                    failed += 1;
                    (failed < READS).then(|| PAUSE * 2_u32.pow(failed - 1))
                }
                (Class::Unavailable | Class::Unknown, _) => None,
                (Class::Denied | Class::Invalid | Class::Conflict, _) => {
                    turn.came_through();
                    None
                }
            };
            let Some(pause) = pause else { return Err(failure) };
            let pause = pause.mul_f64(rand::rng().random_range(0.5..1.5));
            time::sleep(pause).await;
        }
    }
}

/// Takes a last look before a write, and takes it anew if it is old by the time that its answer is there.
async fn last_look<C>(
    api: Api,
    still: &dyn Still,
    is_right: &(impl Fn() -> C + Send + Sync),
) -> Result<bool, Failure>
where
    C: Future<Output = Result<Option<Instant>, Failure>> + Send,
{
    for number in 1..=LAST_LOOKS {
        let Some(looked) = is_right().await? else { return Ok(false) };
        if !still.holds().await {
            return Err(api.failure(Class::Conflict, LAPSED));
        }
        // A process that slept over its last look takes another one.
        if looked.elapsed() < LAST_LOOK * number {
            return Ok(true);
        }
    }
    // Nothing was sent, and the world may have changed: to be looked at from the start.
    Err(api.failure(Class::Conflict, "what a last look says is old by the time it is there"))
}

async fn lapses(still: Option<&dyn Still>) {
    match still {
        Some(still) => still.lapses().await,
        None => future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// An errand that holds, which takes so many milliseconds to find out: the first time, and later.
    struct Slow(u64, u64, AtomicU64);

    impl Still for Slow {
        fn holds(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
            let is_first = self.2.fetch_add(1, Ordering::Relaxed) == 0;
            let millis = if is_first { self.0 } else { self.1 };
            Box::pin(async move {
                time::sleep(Duration::from_millis(millis)).await;
                true
            })
        }

        fn lapses(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            Box::pin(future::pending())
        }
    }

    async fn looks(first: u64, later: u64) -> (bool, u64) {
        let still = Slow(first, later, AtomicU64::new(0));
        let is_right = || async { Ok(Some(Instant::now())) };
        let answer = last_look(api!("glue", "UpdateTable", Write), &still, &is_right).await;
        (answer.is_ok_and(|is_right| is_right), still.2.load(Ordering::Relaxed))
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_slept_looks_again_and_one_whose_answers_are_slow_goes_on() {
        assert_eq!(looks(10, 10).await, (true, 1));
        assert_eq!(looks(60_000, 10).await, (true, 2), "it slept");
        assert_eq!(looks(3_500, 3_500).await, (true, 4), "whoever answers is slow");
        assert_eq!(looks(20_000, 20_000).await, (false, 5));
    }
}
