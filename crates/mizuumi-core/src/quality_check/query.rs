//! The query that evaluates the rules of a check: once for each reason to, written down before it is started.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::Reason;
use mizuumi_api::installation::AthenaProfile;
use mizuumi_api::quality_check::QueryStatus;
use sha2::{Digest, Sha256};

use super::desired::DesiredCheck;
use super::facts::Known;
use super::rows::Answer;
use super::statement::Statement;
use super::world::{CheckWorld, SeenQuery};
use crate::data_table::TableKey;
use crate::plan::Plan;
use crate::publication::hexadecimal;

/// How long Athena knows a client token is not published. After so long a start whose outcome is unknown is not sent again: it
/// might begin a second query.
const TOKEN_LIVES: SignedDuration = SignedDuration::from_mins(50);
/// So often it is tried when Athena itself fails, with so long a pause.
const ATTEMPTS: i64 = 3;
const PAUSE: SignedDuration = SignedDuration::from_secs(2);
/// How soon a query is looked at again: half of the time that it has taken, within these.
const SOONEST: SignedDuration = SignedDuration::from_millis(500);
const LATEST: SignedDuration = SignedDuration::from_secs(15);

/// The start of a query.
#[derive(Clone, Debug, PartialEq)]
pub struct StartQuery {
    /// With whose credentials.
    pub profile: String,
    /// In which workgroup.
    pub workgroup: String,
    /// Whether it may run although the workgroup limits no bytes.
    pub allow_unlimited_scans: bool,
    /// The table's database.
    pub database: String,
    /// The table, for people.
    pub table: String,
    /// The statement.
    pub sql: String,
    /// The same for the same query, and for no other.
    pub token: String,
    /// What is written down of it before.
    pub record: QueryStatus,
}

impl fmt::Display for StartQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, workgroup, record, .. } = self;
        write!(f, "start a query over '{table}' in workgroup '{workgroup}'")?;
        if record.attempt > 1 { write!(f, ", attempt {}", record.attempt) } else { Ok(()) }
    }
}

/// How far the rows are.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// No rule needs them, or nothing was looked at.
    None,
    /// A query is to be started.
    Start(Box<StartQuery>),
    /// A query runs, or will be tried again: look again then.
    Wait(Timestamp),
    /// Nothing can be asked before somebody has changed something.
    Blocked(Reason, String),
    /// This has come of it.
    Done(Box<Answer>),
}

/// The client token of a query: 64 characters, of those that Athena takes. Two reasons within a second are two queries.
#[must_use]
pub fn token(owner: &str, uid: &str, record: &QueryStatus) -> String {
    let QueryStatus { attempt, at, of, statement, id: _ } = record;
    hexadecimal(&Sha256::digest(format!("{owner}\n{uid}\n{at}\n{attempt}\n{of}\n{statement}").as_bytes()))
}

impl StartQuery {
    /// The query of somebody who asks once and writes nothing down.
    #[must_use]
    pub fn once(
        table: &TableKey,
        athena: &AthenaProfile,
        statement: &Statement,
        asker: &str,
        at: Timestamp,
    ) -> Option<Self> {
        let sql = statement.sql.clone()?;
        let record =
            QueryStatus { attempt: 1, at, of: String::new(), statement: statement.digest(), id: None };
        Some(Self::new(table, athena, sql, token("terminal", asker, &record), record))
    }

    fn new(
        table: &TableKey,
        athena: &AthenaProfile,
        sql: String,
        token: String,
        record: QueryStatus,
    ) -> Self {
        Self {
            profile: table.profile.clone(),
            workgroup: athena.workgroup.clone(),
            allow_unlimited_scans: athena.allow_unlimited_scans,
            database: table.database.clone(),
            table: table.to_string(),
            sql,
            token,
            record,
        }
    }
}

/// How far the rows are by what was seen.
#[must_use]
pub fn progress(desired: &DesiredCheck, world: &CheckWorld, now: Timestamp) -> Progress {
    let (Some(facts), Some(table)) = (&world.facts, desired.seen_table()) else { return Progress::None };
    // What was told is done with, whatever is still known of it.
    if !desired.rules.need_rows() || desired.is_suspended || desired.is_told(world) {
        return Progress::None;
    }
    let statement = |at| Statement::new(&desired.rules, &facts.columns, &facts.scope, at);
    let of = desired.reason(world);
    let is_this =
        |record: &&QueryStatus| record.of == of && record.statement == statement(record.at).digest();
    let record = desired.query.as_ref().filter(is_this);
    let at = record.map_or(now, |record| record.at);
    let statement = statement(at);
    if statement.sql.is_none() {
        let numbers = Known::Not("nothing could be asked".to_owned());
        return Progress::Done(Box::new(Answer { statement, numbers }));
    }
    let Some(athena) = &desired.athena else {
        let message = format!(
            "some rules need the rows, and profile '{}' has no workgroup of Athena to read them in; the platform team sets \
             `profiles.{}.athena.workgroup`",
            table.key.profile, table.key.profile
        );
        return Progress::Blocked(Reason::NotAllowed, message);
    };
    let start = |attempt: i64, at: Timestamp, statement: &Statement| {
        let digest = statement.digest();
        let record = QueryStatus { attempt, at, of: of.clone(), statement: digest, id: None };
        let token = token(&desired.owner, &desired.uid, &record);
        let sql = statement.sql.clone().unwrap_or_default();
        Progress::Start(Box::new(StartQuery::new(&table.key, athena, sql, token, record)))
    };
    let Some(record) = record else { return start(1, now, &statement) };
    let done = |numbers| Progress::Done(Box::new(Answer { statement: statement.clone(), numbers }));
    match &world.query {
        // It was not started, or nobody has said so.
        None if now.duration_since(record.at) < TOKEN_LIVES => start(record.attempt, record.at, &statement),
        None => done(Known::Not(format!(
            "whether the query of {} was started is not known, and it is too late to ask again; the next reason to evaluate \
             starts another",
            record.at
        ))),
        Some(SeenQuery::Runs) => {
            let took = now.duration_since(record.at);
            let wait = (took / 2).clamp(SOONEST, LATEST);
            Progress::Wait(now.checked_add(wait).unwrap_or(Timestamp::MAX))
        }
        Some(SeenQuery::Answered { numbers, .. }) if numbers.len() == statement.numbers => {
            done(Known::Is(numbers.clone()))
        }
        Some(SeenQuery::Answered { .. }) => {
            done(Known::Not("Athena answered something else than was asked for".to_owned()))
        }
        Some(SeenQuery::Failed { passes: true, .. }) if record.attempt < ATTEMPTS => {
            let again = record.at.checked_add(PAUSE * i32::try_from(record.attempt).unwrap_or(1));
            match again {
                Ok(again) if again > now => Progress::Wait(again),
                // Another moment makes it another statement where rules speak of now.
                _ => {
                    let statement = Statement::new(&desired.rules, &facts.columns, &facts.scope, now);
                    start(record.attempt + 1, now, &statement)
                }
            }
        }
        Some(SeenQuery::Failed { why, .. }) => done(Known::Not(why.clone())),
    }
}

/// What to do about the rows.
pub(super) fn plan(desired: &DesiredCheck, world: &CheckWorld, now: Timestamp) -> Plan<StartQuery> {
    match progress(desired, world, now) {
        Progress::None | Progress::Done(_) => Plan::in_sync(None),
        Progress::Wait(at) => Plan::in_sync(Some(at)),
        Progress::Start(start) => {
            Plan::converge(Reason::Progressing, "starting a query over the rows", vec![*start])
        }
        Progress::Blocked(reason, message) => Plan::blocked(reason, message),
    }
}
