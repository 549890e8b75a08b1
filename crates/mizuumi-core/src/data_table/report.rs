//! What to say of a table: the status, made from what was observed and acknowledged, never from intent.

use jiff::Timestamp;
use mizuumi_api::condition::{self, Condition, ConditionStatus, ConditionType, cut, keeping_times};
use mizuumi_api::data_table::{
    CrawlerStatus, DataTable, DataTableStatus, DriftStatus, Engine, FilesStatus, FreshnessState,
    FreshnessStatus, LastCrawl, PartitionsStatus, PlanStatus, PublicationStatus, SchemaColumn, SchemaStatus,
    TableRef,
};
use mizuumi_api::{Reason, annotation};

use super::clock;
use super::crawler::Crawled;
use super::definition::{Column, TableDefinition};
use super::desired::{DesiredTable, Discovery, Mode, PartitionPolicy};
use super::partitions;
use super::publishing;
use super::step::{TableStep, Why};
use super::world::{SeenFiles, TableWorld};
use super::{TableGoal, Tables, indexes, learning, link, lint, merge};
use crate::freshness::{Clock, Judgement, Policy};
use crate::hive_path;
use crate::hive_type::HiveType;
use crate::kind::{Evidence, Kind};
use crate::plan::{Goal, Plan, Verdict};
use crate::problem::Problem;

/// Bounds of a list in a status. The bytes are those of JSON; with three conditions and all else that a status
/// holds the lists stay under 16 KiB together.
struct Bounds {
    items: usize,
    longest: usize,
    bytes: usize,
}

/// Of the lines of a plan.
const PLAN: Bounds = Bounds { items: 50, longest: 512, bytes: 2_000 };
/// Of the lines of drift.
const DRIFT: Bounds = Bounds { items: 20, longest: 512, bytes: 2_000 };
/// Of the names of foreign parameters.
const FOREIGN: Bounds = Bounds { items: 50, longest: 255, bytes: 2_000 };
/// Longest text about what engines read differently.
const LONGEST_FINDINGS: usize = 800;
/// Most bytes of JSON that columns take which are learnt from the data.
const LONGEST_SCHEMA: usize = 32 * 1024;
/// Longest text about an index that could not be built.
const LONGEST_INDEX: usize = 128;
/// Longest text about a crawl that failed.
const LONGEST_CRAWL: usize = 512;
/// Longest name of a partition.
const LONGEST_PARTITION: usize = 1024;
/// Longest value of the annotation that requests a reconciliation.
const LONGEST_REQUEST: usize = 256;

impl Bounds {
    /// The first items, as many as the bounds let.
    fn first(&self, items: impl Iterator<Item = String>) -> Vec<String> {
        let mut left = self.bytes;
        items
            .take(self.items)
            .map(|item| cut(&item, self.longest))
            .take_while(|item| {
                // Two quotes and a comma.
                let size = serde_json::to_string(item).map_or(usize::MAX, |json| json.len() + 1);
                left.checked_sub(size).inspect(|rest| left = *rest).is_some()
            })
            .collect()
    }
}

/// `Ready`, and the one of `Reconciling` and `Stalled` that goes with it.
struct Readiness {
    ready: ConditionStatus,
    beside: Option<ConditionType>,
    reason: Reason,
    message: String,
    /// The generation that this speaks of, where it is not the one at hand.
    kept_generation: Option<i64>,
}

impl Readiness {
    fn in_sync(message: &str) -> Self {
        Self {
            ready: ConditionStatus::True,
            beside: None,
            reason: Reason::InSync,
            message: message.to_owned(),
            kept_generation: None,
        }
    }

    fn working(ready: ConditionStatus, reason: Reason, message: impl Into<String>) -> Self {
        Self { beside: Some(ConditionType::Reconciling), ..Self::told(ready, reason, message) }
    }

    fn stalled(ready: ConditionStatus, reason: Reason, message: impl Into<String>) -> Self {
        Self { beside: Some(ConditionType::Stalled), ..Self::told(ready, reason, message) }
    }

    fn told(ready: ConditionStatus, reason: Reason, message: impl Into<String>) -> Self {
        Self { ready, beside: None, reason, message: message.into(), kept_generation: None }
    }
}

/// The status of a table.
#[must_use]
pub fn report(
    object: &DataTable,
    goal: Option<&TableGoal>,
    evidence: &Evidence<TableWorld, TableStep>,
    now: Timestamp,
) -> DataTableStatus {
    let before = object.status.clone().unwrap_or_default();
    let generation = object.metadata.generation.unwrap_or_default();
    let key = Tables::key(object);
    let deleting = object.metadata.deletion_timestamp.is_some();
    let desired = match goal {
        Some(Goal::Present(desired)) => Some(desired),
        _ => None,
    };
    let mut status = DataTableStatus {
        observed_generation: generation,
        conditions: Vec::new(),
        table: Some(TableRef { database: key.database, name: key.table }),
        last_handled_reconcile_at: handled_request(object, evidence, &before),
        ..before.clone()
    };
    let readiness = readiness(desired, evidence, &before, deleting);
    if let (Some(desired), Evidence::Observed { world, plan, done, .. }) = (desired, evidence) {
        let kept = world.table.is_some() && desired.look().partitions;
        // What was not looked at this time is as it was.
        let before = before.partitions.filter(|_| kept);
        status.partitions = partitions_status(desired, world, now).or(before);
        status.schema = schema_status(desired, world, plan, status.schema, now);
        status.crawler = crawler_status(desired, world, status.crawler);
        status.files = match (&world.files, desired.look().files) {
            (_, None) => None,
            (Some(files), Some(_)) => files_status(files),
            (None, Some(_)) => status.files,
        };
        status.link = link::remembered(desired, world, plan, now).or(status.link);
        // What Glue answers for a link are the properties of what it stands for.
        let own = world.table.as_ref().filter(|table| table.definition.link.is_none());
        status.foreign_parameters = own
            .map(|table| FOREIGN.first(merge::foreign(desired, &table.definition).cloned()))
            .unwrap_or_default();
        status.partition_indexes = match &world.indexes {
            Some(indexes) => indexes::status(desired, indexes, LONGEST_INDEX),
            None if desired.indexes.is_some() && world.table.is_some() => status.partition_indexes,
            None => Vec::new(),
        };
        // Of a table that is not what the spec says nothing is answered.
        let is_refused = matches!(&plan.verdict, Verdict::Blocked(reason, _) if !goes_on(*reason));
        if !is_refused {
            status.publications = publications(desired, world, status.publications, now);
        }
        status.drift = drift(done, now).or(status.drift);
        status.plan = (desired.mode == Mode::Plan).then(|| plan_status(plan));
    }
    let (fresh, freshness) = freshness(object, desired, evidence, before.freshness.as_ref(), now);
    status.freshness = freshness;
    let condition = |type_, status, reason, message: &str| {
        Condition::new(type_, status, reason, message, generation, now)
    };
    let mut conditions = Vec::new();
    if let Some(beside) = readiness.beside {
        conditions.push(condition(beside, ConditionStatus::True, readiness.reason, &readiness.message));
    }
    let mut ready = condition(ConditionType::Ready, readiness.ready, readiness.reason, &readiness.message);
    ready.observed_generation = readiness.kept_generation.unwrap_or(generation);
    conditions.push(ready);
    if let Some((status, reason, message)) = fresh {
        conditions.push(condition(ConditionType::Fresh, status, reason, &message));
    }
    let known = || condition::find(&before.conditions, ConditionType::QualityPassed).cloned();
    conditions.extend(match desired.map(|desired| desired.quality.as_ref()) {
        Some(Some(quality)) => quality.condition().map(|(status, reason, message)| {
            condition(ConditionType::QualityPassed, status, reason, &message)
        }),
        // The checks are not known yet, or nobody asks for the table any more.
        Some(None) | None => known().map(|known| Condition { observed_generation: generation, ..known }),
    });
    conditions.extend(match (desired, evidence) {
        // Nothing is said of a table that is not this resource's.
        (_, Evidence::Observed { plan: Plan { verdict: Verdict::Blocked(reason, _), .. }, .. })
            if !goes_on(*reason) =>
        {
            None
        }
        (Some(desired), Evidence::Observed { .. }) if desired.link.is_some() => None,
        (Some(desired), Evidence::Observed { world: TableWorld { table: Some(table), .. }, .. }) => {
            let (status, reason, message) = compatible(&table.definition, &desired.engines);
            Some(condition(ConditionType::Compatible, status, reason, &message))
        }
        // The table was not looked at: what was known of it goes on being said.
        _ => condition::find(&before.conditions, ConditionType::Compatible)
            .map(|known| Condition { observed_generation: generation, ..known.clone() }),
    });
    status.conditions = keeping_times(conditions, &before.conditions);
    status
}

fn readiness(
    desired: Option<&DesiredTable>,
    evidence: &Evidence<TableWorld, TableStep>,
    before: &DataTableStatus,
    deleting: bool,
) -> Readiness {
    let readiness = match evidence {
        Evidence::FirstSight => {
            Readiness::working(ConditionStatus::Unknown, Reason::Progressing, "looking at the Glue catalog")
        }
        Evidence::Invalid(problems) => invalid(problems),
        Evidence::Held(why) => Readiness::stalled(ConditionStatus::False, Reason::DeletionHeld, why),
        Evidence::NotObserved(failure) if failure.class.is_transient() => {
            Readiness::working(ConditionStatus::Unknown, failure.class.reason(), failure.to_string())
        }
        Evidence::NotObserved(failure) => {
            Readiness::stalled(ConditionStatus::False, failure.class.reason(), failure.to_string())
        }
        Evidence::Observed { plan, failure, endless, .. } => match (&plan.verdict, failure) {
            (_, Some(failure)) if failure.class.is_transient() => {
                Readiness::working(ConditionStatus::False, failure.class.reason(), failure.to_string())
            }
            (_, Some(failure)) => {
                Readiness::stalled(ConditionStatus::False, failure.class.reason(), failure.to_string())
            }
            (Verdict::Blocked(reason, message), None) => {
                Readiness::stalled(ConditionStatus::False, *reason, message)
            }
            (Verdict::InSync, None) if plan.steps.is_empty() => {
                Readiness::in_sync("the Glue table is as the spec says")
            }
            (Verdict::InSync, None) => Readiness::working(ConditionStatus::False, Reason::Updating, ""),
            (Verdict::Converging(reason, message), None) => {
                converging(desired, before, *reason, message, *endless)
            }
        },
    };
    if deleting && readiness.ready == ConditionStatus::True {
        return Readiness::working(ConditionStatus::False, Reason::Deleting, "the resource is being deleted");
    }
    if deleting && matches!(evidence, Evidence::NotObserved(_) | Evidence::Observed { failure: Some(_), .. })
    {
        let message = format!(
            "{}; to let the resource go without touching AWS, set the annotation '{}' to 'true'",
            readiness.message,
            annotation::ABANDON
        );
        return Readiness { message, ..readiness };
    }
    readiness
}

fn converging(
    desired: Option<&DesiredTable>,
    before: &DataTableStatus,
    reason: Reason,
    message: &str,
    endless: bool,
) -> Readiness {
    match desired.map(|desired| desired.mode) {
        Some(Mode::Suspended) => {
            let kept = condition::find(&before.conditions, ConditionType::Ready);
            let told = Readiness::told(
                kept.map_or(ConditionStatus::Unknown, |c| c.status),
                Reason::Suspended,
                format!("suspended; left undone: {message}"),
            );
            // Kept as it was, so it does not speak of a spec that came since.
            Readiness { kept_generation: kept.map(|c| c.observed_generation), ..told }
        }
        Some(Mode::Plan) => Readiness::told(
            ConditionStatus::False,
            Reason::PlanPending,
            format!("planned: {message}; set `spec.managementPolicy: Full` to do it"),
        ),
        Some(Mode::ObserveOnly) if reason == Reason::Creating => {
            Readiness::told(ConditionStatus::False, Reason::NotFound, message)
        }
        // There is no table to differ from anything, and whoever only looks does nothing about it.
        Some(Mode::ObserveOnly) if matches!(reason, Reason::AwaitingData | Reason::Crawling) => {
            Readiness::told(ConditionStatus::False, reason, message)
        }
        Some(Mode::ObserveOnly) => Readiness::told(
            ConditionStatus::False,
            Reason::Differs,
            format!("the Glue table differs from the spec: {message}"),
        ),
        _ if endless => Readiness::working(
            ConditionStatus::False,
            Reason::Fighting,
            format!("somebody else keeps changing the table; still to do: {message}"),
        ),
        _ => Readiness::working(ConditionStatus::False, reason, message),
    }
}

fn invalid(problems: &[Problem]) -> Readiness {
    let reason = if problems.iter().all(|p| p.reason == Reason::NotAllowed) {
        Reason::NotAllowed
    } else {
        Reason::SpecInvalid
    };
    let listed: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Readiness::stalled(ConditionStatus::False, reason, listed.join("; "))
}

/// A request counts as handled once AWS was looked at after it.
fn handled_request(
    object: &DataTable,
    evidence: &Evidence<TableWorld, TableStep>,
    before: &DataTableStatus,
) -> Option<String> {
    let asked = object.metadata.annotations.as_ref().and_then(|all| all.get(annotation::REQUESTED_AT));
    match evidence {
        Evidence::Observed { .. } | Evidence::Invalid(_) => asked.map(|text| cut(text, LONGEST_REQUEST)),
        Evidence::FirstSight | Evidence::Held(_) | Evidence::NotObserved(_) => {
            before.last_handled_reconcile_at.clone()
        }
    }
}

fn partitions_status(desired: &DesiredTable, world: &TableWorld, now: Timestamp) -> Option<PartitionsStatus> {
    let partitions = world.partitions.as_ref()?;
    let incomplete = match &desired.partitions {
        Some(PartitionPolicy::Discovered(Discovery { completeness, .. })) => world
            .directories
            .iter()
            .flatten()
            .filter(|directory| partitions::is_complete(directory, completeness, now).is_err())
            .count(),
        _ => 0,
    };
    let keys = || desired.partition_keys.iter().map(|key: &Column| key.name.as_str());
    let newest = partitions::newest(partitions).map(|(values, _)| {
        let path = hive_path::of(keys(), values);
        cut(path.trim_end_matches('/'), LONGEST_PARTITION)
    });
    Some(PartitionsStatus {
        registered: i64::try_from(partitions.len()).unwrap_or(i64::MAX),
        incomplete: i64::try_from(incomplete).unwrap_or(i64::MAX),
        newest,
    })
}

/// The columns that come from elsewhere than the spec: those of the table, once it has them.
fn schema_status(
    desired: &DesiredTable,
    world: &TableWorld,
    plan: &Plan<TableStep>,
    before: Option<SchemaStatus>,
    now: Timestamp,
) -> Option<SchemaStatus> {
    desired.learning.as_ref()?;
    let defines =
        |step: &TableStep| matches!(step, TableStep::CreateTable(_) | TableStep::UpdateTable { .. });
    let is_settled = match &plan.verdict {
        Verdict::InSync => true,
        Verdict::Converging(..) => desired.mode == Mode::Full && !plan.steps.iter().any(defines),
        Verdict::Blocked(reason, _) => *reason == Reason::IndexFailed,
    };
    let learnt = learning::learnt(desired, world);
    let (Some(found), true) = (&learnt.found, is_settled) else { return before };
    // As it is told the next time, when what is remembered is joined with what the table has.
    let told =
        |type_: &str| HiveType::parse(type_).map_or_else(|_| type_.to_owned(), |known| known.to_string());
    let column = |column: &Column| SchemaColumn {
        name: column.name.clone(),
        type_: column.type_.as_deref().map(told).unwrap_or_default(),
    };
    let all: Vec<SchemaColumn> = learnt.desired.columns.iter().map(column).collect();
    let count = i64::try_from(all.len()).unwrap_or(i64::MAX);
    let size = serde_json::to_string(&all).map_or(usize::MAX, |json| json.len());
    let columns = if size <= LONGEST_SCHEMA { all } else { Vec::new() };
    let is_known = |before: &SchemaStatus| before.columns == columns && before.count == count;
    let observed_at = before.filter(is_known).map_or(now, |before| before.observed_at);
    Some(SchemaStatus {
        file: found.file.as_ref().map(|file| cut(file, LONGEST_PARTITION)),
        config_map: found.config_map.clone(),
        crawler: found.crawl.as_ref().map(|(name, _)| name.clone()),
        crawled_at: found.crawl.as_ref().map(|(_, at)| *at),
        observed_at,
        count,
        columns,
    })
}

/// The crawler, as far as it is this table's; what was not looked at this time is as it was.
fn crawler_status(
    desired: &DesiredTable,
    world: &TableWorld,
    before: Option<CrawlerStatus>,
) -> Option<CrawlerStatus> {
    desired.crawler.as_ref()?;
    let Some(seen) = &world.crawler else { return before };
    let crawler = seen.of(&desired.owner)?;
    let last = |last: &Crawled| LastCrawl {
        started_at: last.started,
        succeeded: last.succeeded,
        message: last.message.as_deref().map(|text| cut(text, LONGEST_CRAWL)),
    };
    Some(CrawlerStatus {
        name: crawler.definition.name.clone(),
        state: crawler.state,
        last: crawler.last.as_ref().map(last),
    })
}

fn files_status(files: &SeenFiles) -> Option<FilesStatus> {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    Some(FilesStatus {
        location: cut(files.location.as_ref()?, LONGEST_PARTITION),
        count: number(files.health.count),
        median_bytes: number(files.health.median),
        small: number(files.health.small),
    })
}

/// Whether all else goes on that a table is kept for.
const fn goes_on(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::IndexFailed | Reason::ApprovalRequired | Reason::SchemaUnreadable | Reason::CrawlFailed
    )
}

/// What became of what runs asked for; what was not looked at this time is as it was.
fn publications(
    desired: &DesiredTable,
    world: &TableWorld,
    before: Vec<PublicationStatus>,
    now: Timestamp,
) -> Vec<PublicationStatus> {
    match (publishing::policy(desired), publishing::work(desired, world)) {
        (Some(published), Some(work)) => publishing::told(published, work.answers, before, now),
        (Some(_), None) => before,
        (None, _) => Vec::new(),
    }
}

/// The drift that was put right on the way, if any.
fn drift(done: &[TableStep], now: Timestamp) -> Option<DriftStatus> {
    let changes = done.iter().filter_map(|step| match step {
        TableStep::UpdateTable { changes, why: Why::Drift, .. } => Some(changes),
        _ => None,
    });
    let changes = DRIFT.first(changes.flatten().filter(|change| change.is_news()).map(ToString::to_string));
    (!changes.is_empty()).then_some(DriftStatus { observed_at: now, changes })
}

fn plan_status(plan: &Plan<TableStep>) -> PlanStatus {
    PlanStatus {
        steps: i64::try_from(plan.steps.len()).unwrap_or(i64::MAX),
        lines: PLAN.first(plan.steps.iter().map(ToString::to_string)),
    }
}

/// Whether all engines read the same in a table.
fn compatible(table: &TableDefinition, engines: &[Engine]) -> (ConditionStatus, Reason, String) {
    let findings = lint::findings(table, engines);
    let Some(first) = findings.first() else {
        let names: Vec<String> = engines.iter().map(|engine| format!("{engine:?}")).collect();
        let message = format!("no difference is known between what these read: {}", names.join(", "));
        return (ConditionStatus::True, Reason::EnginesAgree, message);
    };
    let said: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
    (ConditionStatus::False, first.reason, cut(&said.join("; "), LONGEST_FINDINGS))
}

type FreshCondition = (ConditionStatus, Reason, String);

/// The `Fresh` condition and what stands behind it. With nothing new observed, the clock known so far goes on ticking.
fn freshness(
    object: &DataTable,
    desired: Option<&DesiredTable>,
    evidence: &Evidence<TableWorld, TableStep>,
    before: Option<&FreshnessStatus>,
    now: Timestamp,
) -> (Option<FreshCondition>, Option<FreshnessStatus>) {
    let Some(policy) = clock::policy_of(object) else { return (None, None) };
    let known = object.status.as_ref().and_then(clock::told);
    let (clock, invalid) = match (desired, evidence) {
        (Some(desired), Evidence::Observed { world, .. }) => match clock::read(&policy, desired, world) {
            clock::Reading::Known(clock) => (Some(clock), None),
            clock::Reading::Nothing => (None, None),
            clock::Reading::NotAsked => (known, None),
            clock::Reading::Invalid(message) => (known, Some(message)),
        },
        _ => (known, None),
    };
    let judgement = policy.judge(clock.as_ref(), clock::created(object), now);
    let condition = match invalid {
        Some(message) => (ConditionStatus::Unknown, Reason::ReportInvalid, message),
        None => fresh_condition(&policy, clock.as_ref(), &judgement),
    };
    let same_data = before.is_some_and(|b| {
        clock.as_ref().is_some_and(|c| b.data_time == c.data_time && b.loaded_at == c.loaded_at)
    });
    let observed_at =
        if same_data { before.and_then(|b| b.observed_at) } else { clock.as_ref().map(|_| now) };
    let status = FreshnessStatus {
        state: judgement.state,
        source: clock.as_ref().map(|c| c.source),
        data_time: clock.as_ref().and_then(|c| c.data_time),
        loaded_at: clock.as_ref().and_then(|c| c.loaded_at),
        observed_at,
        fresh_until: judgement.fresh_until,
    };
    (Some(condition), Some(status))
}

fn fresh_condition(policy: &Policy, clock: Option<&Clock>, judgement: &Judgement) -> FreshCondition {
    let at = |moment: Option<Timestamp>| {
        moment.map_or_else(
            || "never".to_owned(),
            |m| format!("{}", m.to_zoned(policy.zone.clone()).strftime("%Y-%m-%d %H:%M %Z")),
        )
    };
    let reaches = match clock {
        Some(Clock { data_time: Some(time), .. }) => format!("the data reaches up to {}", at(Some(*time))),
        Some(Clock { loaded_at, .. }) => format!("the data was loaded at {}", at(*loaded_at)),
        None => String::new(),
    };
    match judgement.state {
        FreshnessState::Fresh => (
            ConditionStatus::True,
            Reason::Fresh,
            match judgement.fresh_until {
                Some(until) => format!("{reaches}; fresh until {}", at(Some(until))),
                None => reaches,
            },
        ),
        FreshnessState::Warn => (
            ConditionStatus::True,
            Reason::Warn,
            format!("{reaches}, which is older than `maxAge.warn`; stale from {}", at(judgement.fresh_until)),
        ),
        FreshnessState::NotDue => (
            ConditionStatus::True,
            Reason::NotDue,
            format!("{reaches}; the first deadline of this resource is {}", at(judgement.fresh_until)),
        ),
        FreshnessState::Stale => (
            ConditionStatus::False,
            Reason::Stale,
            format!("{reaches}; stale since {}", at(judgement.fresh_until)),
        ),
        FreshnessState::Unknown => (
            ConditionStatus::Unknown,
            Reason::NeverObserved,
            "no source of `spec.freshness.sources` has said anything yet".to_owned(),
        ),
    }
}
