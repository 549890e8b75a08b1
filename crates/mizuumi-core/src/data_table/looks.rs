//! When to look at a table's data again: often while new data is expected, rarely while none is, all of it now and then.
//!
//! A look costs a call or more per table, where definitions cost a hundredth of one. So it is the data itself that says
//! when to look: the span that partitions cover, and how long after its end the last ones came.

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::data_table::{FreshnessSourceType, FreshnessState};

use super::avsc_from::SeenAvsc;
use super::crawler::SeenCrawler;
use super::desired::{DesiredTable, PartitionPolicy};
use super::world::{SeenManifest, TableLook, TableWorld};
use super::{TableGoal, clock};
use crate::freshness::{Judgement, Source, end_of_span, length_of};
use crate::kind::{DataDue, DataReading};
use crate::plan::Goal;

/// How many of the newest partitions the usual delay is learnt from.
const LEARNT_FROM: usize = 5;
/// Where nothing says when data comes, or it is long overdue, looks are at most so many times as far apart as those for
/// data that is expected: an hour, unless the installation says otherwise.
const SELDOM: i32 = 12;
/// What was written so lately may still be written to.
const LATELY: SignedDuration = SignedDuration::from_hours(2);
/// Before a verdict turns, new data is looked for as often as may be for so long.
const BEFORE_A_FLIP: SignedDuration = SignedDuration::from_mins(30);

/// When to look at the data again, and how closely.
#[must_use]
pub fn next_look(goal: &TableGoal, world: &TableWorld, now: Timestamp) -> Option<DataDue> {
    let Goal::Present(desired) = goal else { return None };
    of(desired, world, now)
}

/// The same for a table that is to be there.
pub(super) fn of(desired: &DesiredTable, world: &TableWorld, now: Timestamp) -> Option<DataDue> {
    let look = match &world.table {
        Some(table) => desired.look().at(&table.definition),
        None => Some(desired.look()).filter(TableLook::is_of_columns)?,
    };
    if !look.is_of_data() {
        return None;
    }
    let due = |at, reading| DataDue { at, reading, is_urgent: false };
    let Some(looked) = world.looked else { return Some(due(now, DataReading::Whole)) };
    if state_at(desired, world, looked.newest) != state_at(desired, world, now) {
        return Some(DataDue { is_urgent: true, ..due(now, DataReading::Newest) });
    }
    if world.crawler.as_ref().is_some_and(SeenCrawler::is_busy) {
        let at = looked.newest.checked_add(desired.looks.least).unwrap_or(Timestamp::MAX);
        return Some(due(at, DataReading::Newest));
    }
    let after = |moment: Timestamp, wait: SignedDuration| moment.checked_add(wait).unwrap_or(Timestamp::MAX);
    let audit = after(looked.whole, desired.looks.audit);
    let is_unreadable = |seen: &SeenManifest| matches!(seen, SeenManifest::Unreadable(_));
    let newest = match &desired.partitions {
        // Somebody has to let it be read; that is seen by trying.
        Some(PartitionPolicy::Published(_)) if world.manifests.values().any(is_unreadable) => {
            after(looked.newest, desired.looks.least)
        }
        // Files that say the columns, or how recent the data is, may come without a partition.
        Some(PartitionPolicy::Declared(_)) | None if look.is_of_new_files() => {
            after(looked.newest, wait(desired, world, now))
        }
        // A crawler reads where no partition is registered.
        Some(PartitionPolicy::Projected(_)) if look.is_of_columns() => {
            after(looked.newest, wait(desired, world, now))
        }
        // What is declared or published brings no news of its own accord; only somebody else's changes are looked for.
        Some(
            PartitionPolicy::Declared(_) | PartitionPolicy::Projected(_) | PartitionPolicy::Published(_),
        ) => audit,
        None if !look.partitions => audit,
        Some(PartitionPolicy::Discovered(_)) | None => after(looked.newest, wait(desired, world, now)),
    };
    // Somebody has to write a schema that is missing, and may do so any time; one that is there changes rarely.
    let often = matches!(world.avsc, Some(SeenAvsc::Unreadable(_)));
    let least = desired.looks.least;
    let schema = look.avsc.map(|_| if often { least } else { least.saturating_mul(SELDOM) });
    let newest = schema.map_or(newest, |wait| newest.min(after(looked.newest, wait)));
    Some(if newest < audit { due(newest, DataReading::Newest) } else { due(audit, DataReading::Whole) })
}

/// How long after a look the next one is due.
fn wait(desired: &DesiredTable, world: &TableWorld, now: Timestamp) -> SignedDuration {
    let least = desired.looks.least;
    if is_filling(world, now) || flips_soon(desired, world, now) {
        return least;
    }
    let longest = least.saturating_mul(SELDOM);
    let Some(arrivals) = Arrivals::of(desired, world) else {
        // Without a span, what came long ago is taken to come rarely.
        let registered = world.partitions.iter().flatten().filter_map(|(_, p)| p.created);
        let newest = registered.chain(world.files.as_ref().and_then(|files| files.newest)).max();
        let age = newest.map_or(SignedDuration::ZERO, |newest| now.duration_since(newest));
        return (age / 8).clamp(least, longest);
    };
    let looked = world.looked.map_or(now, |looked| looked.newest);
    let opens = arrivals.expected.checked_sub(arrivals.span / 8).unwrap_or(now);
    let closes = arrivals.expected.checked_add(arrivals.span).unwrap_or(now);
    let is_stale = state_at(desired, world, now) == Some(FreshnessState::Stale);
    if looked >= closes || is_stale {
        // Overdue: somebody knows already, and waits for it. What was registered long after its time, as the past of a
        // table is, teaches a delay that nobody has to wait for.
        return (arrivals.span / 8).clamp(least, longest);
    }
    // Early data is seen at the latest after a quarter of its span.
    opens.duration_since(looked).clamp(least, (arrivals.span / 4).max(least))
}

/// Whether a directory that is not complete yet was written to lately.
fn is_filling(world: &TableWorld, now: Timestamp) -> bool {
    let lately = now.checked_sub(LATELY).unwrap_or(Timestamp::MIN);
    world
        .directories
        .iter()
        .flatten()
        .any(|directory| directory.newest.is_some_and(|newest| newest >= lately))
}

/// When new partitions come.
struct Arrivals {
    /// What one covers.
    span: SignedDuration,
    /// When the next one is expected.
    expected: Timestamp,
}

impl Arrivals {
    fn of(desired: &DesiredTable, world: &TableWorld) -> Option<Self> {
        let policy = desired.freshness.as_ref()?;
        let (keys, grain) = policy.sources.iter().find_map(|source| match source {
            Source::PartitionValue { keys, grain } => Some((keys, *grain)),
            Source::Reported
            | Source::PartitionCreation
            | Source::S3LastModified
            | Source::GlueParameter(_)
            | Source::Manifest => None,
        })?;
        let mut ends: Vec<(Timestamp, Option<Timestamp>)> = world
            .partitions
            .iter()
            .flatten()
            .filter_map(|(values, partition)| {
                let named: Option<Vec<&str>> =
                    keys.iter().map(|i| values.get(*i).map(String::as_str)).collect();
                Some((end_of_span(&named?, grain, &policy.zone)?, partition.created))
            })
            .collect();
        ends.sort_unstable();
        let (end, _) = *ends.last()?;
        // The middle one, so that one backfill or one bad night teaches nothing.
        let mut delays: Vec<SignedDuration> = ends
            .iter()
            .rev()
            .take(LEARNT_FROM)
            .filter_map(|(end, created)| Some(created.as_ref()?.duration_since(*end)))
            .collect();
        delays.sort_unstable();
        let span = length_of(grain);
        let usual = delays.get(delays.len() / 2).copied().unwrap_or_default();
        let expected = end.checked_add(span + usual.clamp(SignedDuration::ZERO, span * 2)).ok()?;
        Some(Self { span, expected })
    }
}

fn flips_soon(desired: &DesiredTable, world: &TableWorld, now: Timestamp) -> bool {
    let flips_at = judgement(desired, world, now).and_then(|judged| judged.flips_at);
    flips_at.is_some_and(|moment| moment.duration_since(now) <= BEFORE_A_FLIP)
}

/// The verdict at a moment, as far as the partitions seen tell.
fn state_at(desired: &DesiredTable, world: &TableWorld, moment: Timestamp) -> Option<FreshnessState> {
    judgement(desired, world, moment).map(|judged| judged.state)
}

/// Whether a look at the data is what asks a source.
const fn is_of_data(source: FreshnessSourceType) -> bool {
    matches!(
        source,
        FreshnessSourceType::PartitionValue
            | FreshnessSourceType::PartitionCreation
            | FreshnessSourceType::S3LastModified
    )
}

fn judgement(desired: &DesiredTable, world: &TableWorld, moment: Timestamp) -> Option<Judgement> {
    let policy = desired.freshness.as_ref()?;
    match clock::read(policy, desired, world) {
        clock::Reading::Known(clock) if is_of_data(clock.source) => {
            Some(policy.judge(Some(&clock), desired.created, moment))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
