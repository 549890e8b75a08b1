//! What to say of a check: the status, made from what was observed, never from intent.

use jiff::Timestamp;
use mizuumi_api::condition::{Condition, ConditionStatus, ConditionType, cut, find, keeping_times};
use mizuumi_api::quality_check::{
    AnalysisStatus, EvaluationStatus, MetricStatus, PastEvaluation, QualityCheck, QualityCheckStatus,
    RuleOutcome, RuleResult, RuleSeverity,
};
use mizuumi_api::{Reason, annotation};

use super::CheckGoal;
use super::analyses::{Analyzed, analyzed};
use super::desired::{DesiredCheck, LONGEST_REQUEST};
use super::evaluate::{Earlier, Evaluated, evaluate};
use super::facts::{CatalogFacts, Known};
use super::query::{self, CheckStep, Progress};
use super::rows::Answer;
use super::world::{CheckWorld, SeenQuery};
use crate::kind::Evidence;
use crate::plan::{Goal, Verdict};
use crate::told::Told;

/// So many earlier evaluations are remembered.
const REMEMBERED: usize = 10;
/// So many metrics of each.
const METRICS: usize = 10;
/// Longest texts, in bytes of JSON.
const LONGEST_RULE: usize = 128;
const LONGEST_METRIC: usize = 64;
const LONGEST_MESSAGE: usize = 256;
const LONGEST_METRIC_NAME: usize = 96;
/// So much room the results take; rules that passed make room for others.
const ROOM: usize = 12 * 1024;
/// So much of it what analyzers have measured takes at most.
const ROOM_OF_ANALYSES: usize = 3 * 1024;

/// The status of a check.
#[must_use]
pub fn report(
    object: &QualityCheck,
    goal: Option<&CheckGoal>,
    evidence: &Evidence<CheckWorld, CheckStep>,
    now: Timestamp,
) -> QualityCheckStatus {
    let before = object.status.clone().unwrap_or_default();
    let generation = object.metadata.generation.unwrap_or_default();
    let mut status = QualityCheckStatus { observed_generation: generation, ..before.clone() };
    let desired = match goal {
        Some(Goal::Present(desired)) => Some(desired),
        _ => None,
    };
    let mut quality = find(&before.conditions, ConditionType::QualityPassed).cloned();
    if let (Evidence::Observed { world, .. }, Some(desired)) = (evidence, desired) {
        let requested =
            object.metadata.annotations.as_ref().and_then(|all| all.get(annotation::REQUESTED_AT));
        let handled = requested.map(|text| cut(text, LONGEST_REQUEST));
        let progress = query::progress(desired, world, now);
        let rows = match &progress {
            Progress::None => Some(Answer::default()),
            Progress::Done(answer) => Some((**answer).clone()),
            Progress::Start(_) | Progress::Stop(_) | Progress::Wait(_) | Progress::Blocked(..) => None,
        };
        let goes_on = rows.is_none() && !matches!(progress, Progress::Blocked(..));
        if !goes_on {
            status.last_handled_reconcile_at = handled;
        }
        if let (Some(record), Some(id)) = (&mut status.query, &world.query_id) {
            record.id = Some(id.clone());
        }
        if desired.is_suspended && world.query != Some(SeenQuery::Runs) {
            status.query = None;
        }
        // Within one second there may be reason for several.
        let is_told = before.evaluation.as_ref().is_some_and(|last| {
            let last = (Some(last.at), last.generation, &last.of, &before.last_handled_reconcile_at);
            last == (world.looked, generation, &desired.look().of, &status.last_handled_reconcile_at)
        });
        if let (false, Some(facts), Some(looked), Some(rows)) = (is_told, &world.facts, world.looked, rows) {
            let results = evaluate(&desired.rules, facts, &rows, &earlier(&before), looked);
            status.analyses = told_of(analyzed(&desired.rules, facts, &rows));
            quality = Some(judged(&mut status, desired, world, facts, &results, generation, looked));
        }
        let next = desired.next_scheduled(world.looked, now);
        status.next_scheduled_time = next.filter(|_| !desired.is_suspended);
    }
    let quality = quality.unwrap_or_else(|| {
        let message = "the rules have not been evaluated yet";
        let never = (ConditionType::QualityPassed, ConditionStatus::Unknown, Reason::NeverEvaluated);
        Condition::new(never.0, never.1, never.2, message, generation, now)
    });
    let told = told(desired, evidence);
    let conditions = told.conditions(generation, now).chain([quality]).collect();
    status.conditions = keeping_times(conditions, &before.conditions);
    status
}

fn told(desired: Option<&DesiredCheck>, evidence: &Evidence<CheckWorld, CheckStep>) -> Told {
    match evidence {
        Evidence::FirstSight => Told::working(Reason::Progressing, "looking for its table"),
        Evidence::Invalid(problems) => {
            let reason = problems.first().map_or(Reason::SpecInvalid, |problem| problem.reason);
            let listed: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Told::stalled(reason, listed.join("; "))
        }
        Evidence::Held(why) => Told::stalled(Reason::DeletionHeld, why),
        Evidence::NotObserved(failure) | Evidence::Observed { failure: Some(failure), .. } => {
            Told::failed(failure)
        }
        Evidence::Observed { plan, .. } => match (&plan.verdict, desired) {
            (Verdict::Blocked(reason, message), _) => Told::stalled(*reason, message),
            // A query is an evaluation under way, and no change of what stands.
            (Verdict::Converging(..), Some(desired)) if !plan.steps.is_empty() => standing(desired),
            (Verdict::Converging(reason, message), _) => Told::working(*reason, message),
            (Verdict::InSync, Some(desired)) => standing(desired),
            (Verdict::InSync, None) => Told::working(Reason::Deleting, "it is being deleted"),
        },
    }
}

/// What to say of a check whose rules hold.
fn standing(desired: &DesiredCheck) -> Told {
    if desired.is_suspended {
        let message = "`spec.suspend` is true: nothing is evaluated, and its gate is open".to_owned();
        return Told::ready(Reason::Suspended, message);
    }
    let rules = &desired.rules;
    let number = match rules.all.len() {
        1 => "1 rule is".to_owned(),
        number => format!("{number} rules are"),
    };
    let message = format!("{number} evaluated by the engine {}: {}", rules.engine, rules.why);
    Told::ready(Reason::Compiled, message)
}

/// What was measured before, by the metric, the latest first.
fn earlier(status: &QualityCheckStatus) -> Earlier {
    let mut earlier = Earlier::new();
    for metric in status.history.iter().flat_map(|past| &past.metrics) {
        if let Ok(value) = metric.value.parse() {
            earlier.entry(metric.name.clone()).or_default().push(value);
        }
    }
    earlier
}

/// As many of the metrics of analyzers as there is room for.
fn told_of(all: Vec<Analyzed>) -> Vec<AnalysisStatus> {
    let mut left = ROOM_OF_ANALYSES;
    let one = |Analyzed { name, metric }: Analyzed| {
        let name = cut(&name, LONGEST_RULE);
        match metric {
            Ok(metric) => AnalysisStatus { name, metric: Some(cut(&metric, LONGEST_METRIC)), message: None },
            Err(why) => AnalysisStatus { name, metric: None, message: Some(cut(&why, LONGEST_MESSAGE)) },
        }
    };
    let fits = |told: &AnalysisStatus| {
        let size = serde_json::to_string(told).map_or(ROOM, |text| text.len());
        left.checked_sub(size).inspect(|rest| left = *rest).is_some()
    };
    all.into_iter().map(one).take_while(fits).collect()
}

/// How many rules passed, of how many.
fn summary(results: &[Evaluated]) -> String {
    let passed = results.iter().filter(|result| result.outcome == RuleOutcome::Passed).count();
    format!("{passed}/{}", results.len())
}

/// Writes down what became of the rules; answers whether they passed.
fn judged(
    status: &mut QualityCheckStatus,
    desired: &DesiredCheck,
    world: &CheckWorld,
    facts: &CatalogFacts,
    results: &[Evaluated],
    generation: i64,
    looked: Timestamp,
) -> Condition {
    let table = desired.seen_table();
    let place = match &facts.files {
        Known::Is(files) => Some(cut(&files.place, 1024)),
        Known::Not(_) => match &facts.scope {
            Known::Is(scope) => scope.place.as_ref().map(|place| cut(place, 1024)),
            Known::Not(_) => None,
        },
    };
    // What it was for is done; the next is another.
    let query = status.query.take();
    let scanned = world.query.as_ref().and_then(SeenQuery::scanned);
    status.evaluation = Some(EvaluationStatus {
        at: looked,
        generation,
        of: desired.look().of,
        place,
        data_time: table.and_then(|table| table.data_time),
        engine: Some(desired.rules.engine.name().to_owned()),
        query_execution_id: query.and_then(|query| query.id),
        scanned_bytes: scanned,
    });
    let passed = results.iter().filter(|result| result.outcome == RuleOutcome::Passed).count();
    let evaluated = results.iter().filter(|result| result.outcome != RuleOutcome::Error).count();
    status.score = (passed * 100).checked_div(evaluated).and_then(|score| i64::try_from(score).ok());
    status.summary = Some(summary(results));
    let metrics = results
        .iter()
        .flat_map(|result| &result.kept)
        .take(METRICS)
        .map(|(name, value)| MetricStatus { name: cut(name, LONGEST_METRIC_NAME), value: value.to_string() });
    let past = PastEvaluation { at: looked, summary: summary(results), metrics: metrics.collect() };
    status.history.insert(0, past);
    status.history.truncate(REMEMBERED);
    let taken = if status.analyses.is_empty() { 0 } else { ROOM_OF_ANALYSES };
    status.results =
        fitting(results.iter().map(|result| of(result, &status.results, looked)).collect(), taken);
    let (is, reason, message) = verdict(results);
    Condition::new(ConditionType::QualityPassed, is, reason, &message, generation, looked)
}

/// What came of all rules together.
#[must_use]
pub fn verdict(results: &[Evaluated]) -> (ConditionStatus, Reason, String) {
    let which = |outcome, severity| {
        let mut all = results.iter().filter(move |of| of.outcome == outcome && of.severity == severity);
        let first = all.next()?;
        let more = match all.count() {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let why = first.message.as_deref().unwrap_or_default();
        Some(format!("rule {}, `{}`: {why}{more}", first.number, first.text))
    };
    let summary = summary(results);
    if let Some(failed) = which(RuleOutcome::Failed, RuleSeverity::Error) {
        return (
            ConditionStatus::False,
            Reason::RulesFailed,
            format!("{summary} rules passed; failed: {failed}"),
        );
    }
    if let Some(unknown) = which(RuleOutcome::Error, RuleSeverity::Error) {
        let message = format!("{summary} rules passed; could not be evaluated: {unknown}");
        return (ConditionStatus::Unknown, Reason::RulesNotEvaluated, message);
    }
    let warnings =
        which(RuleOutcome::Failed, RuleSeverity::Warn).or(which(RuleOutcome::Error, RuleSeverity::Warn));
    let warned = warnings.map(|warned| format!("; warned: {warned}")).unwrap_or_default();
    (ConditionStatus::True, Reason::RulesPassed, format!("{summary} rules passed{warned}"))
}

fn of(result: &Evaluated, before: &[RuleResult], now: Timestamp) -> RuleResult {
    let rule = cut(&result.text, LONGEST_RULE);
    let failing_since = (result.outcome == RuleOutcome::Failed).then(|| {
        // Rules change places; what they say is what they are.
        let earlier = before.iter().find(|earlier| earlier.rule == rule);
        earlier.and_then(|earlier| earlier.failing_since).unwrap_or(now)
    });
    RuleResult {
        number: result.number,
        rule,
        outcome: result.outcome,
        metric: result.metric.as_deref().map(|metric| cut(metric, LONGEST_METRIC)),
        threshold: result.threshold.as_deref().map(|threshold| cut(threshold, LONGEST_METRIC)),
        message: result.message.as_deref().map(|message| cut(message, LONGEST_MESSAGE)),
        severity: (result.severity != RuleSeverity::Error).then_some(result.severity),
        failing_since,
    }
}

/// As many results as there is room for, those that did not pass before others.
fn fitting(mut all: Vec<RuleResult>, taken: usize) -> Vec<RuleResult> {
    all.sort_by_key(|result| (result.outcome == RuleOutcome::Passed, result.number));
    let mut left = ROOM - taken;
    all.retain(|result| {
        let size = serde_json::to_string(result).map_or(ROOM, |text| text.len());
        left.checked_sub(size).inspect(|rest| left = *rest).is_some()
    });
    all.sort_by_key(|result| result.number);
    all
}
