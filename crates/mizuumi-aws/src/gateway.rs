//! The one way by which AWS is called: in turn, counted, its errors classified, and repeated only where that is safe.
//!
//! Each call ends in one of three ways. Done: the answer, or that there is no such thing. Refused: a failure of any class
//! but `Unknown`; nothing happened. Unknown: a write whose answer never came; only a look can tell, so it is never sent
//! again.

use std::error::Error;
use std::future::{self, Future};
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use mizuumi_core::{Class, Errand, Failure, Lane, Still};
use rand::RngExt;
use tokio::time::{self, Instant};

use crate::error::{Effect, failure, is_absent};
use crate::metrics::Metrics;
use crate::pace::{AFTER_THROTTLING, Pace, Place};

/// How often a read is tried that fails for reasons that pass.
const READS: u32 = 3;
/// How often a call is tried that AWS throttles: such a call had no effect, whatever it is. The rate has slowed down by
/// then, and others wait behind it, so it is not tried for ever.
const THROTTLED: u32 = 6;
/// The first wait between two tries of a read.
const PAUSE: Duration = Duration::from_millis(200);

/// After so long without an answer a call is slow: it is waited for, and whoever knows another way is told.
const SLOW: Duration = Duration::from_secs(3);

/// What a last look before a write says holds for so long.
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
        Failure { operation: self.name, class, message: message.to_owned() }
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
        let is_right = &is_right;
        let last_look = || async move {
            for _ in 0..LAST_LOOKS {
                // How long it waited for its turn says nothing of how old it is.
                let Some(looked) = is_right().await? else { return Ok(false) };
                if !errand.still.holds().await {
                    return Err(api.failure(Class::Conflict, LAPSED));
                }
                // A process that slept over its last look takes another one.
                if looked.elapsed() < LAST_LOOK {
                    return Ok(true);
                }
            }
            // Nothing was sent, and the world may have changed: to be looked at from the start.
            Err(api.failure(Class::Conflict, "what a last look says is old by the time it is there"))
        };
        self.call(api, errand.lane, Some(errand.still), last_look, || (), send).await
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
            let mut call = Box::pin(send());
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

async fn lapses(still: Option<&dyn Still>) {
    match still {
        Some(still) => still.lapses().await,
        None => future::pending().await,
    }
}
