//! The query that evaluates the rules of a check: once for each reason to, written down before it is started.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::Reason;
use mizuumi_api::installation::AthenaProfile;
use mizuumi_api::quality_check::QueryStatus;
use sha2::{Digest, Sha256};

use super::desired::DesiredCheck;
use super::facts::{Known, SeenColumn, SeenScope};
use super::rows::Answer;
use super::rules::Rules;
use super::statement::{Statement, digest};
use super::world::{CheckWorld, QueryLook, SeenQuery};
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

/// The stop of a query whose answer nobody needs any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopQuery {
    /// With whose credentials.
    pub profile: String,
    /// Its id.
    pub id: String,
    /// Its client token.
    pub token: String,
}

impl fmt::Display for StopQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stop query {}: nobody needs its answer any more", self.id)
    }
}

/// What is done for a check.
#[derive(Clone, Debug, PartialEq)]
pub enum CheckStep {
    /// Start a query.
    Start(Box<StartQuery>),
    /// Stop one.
    Stop(StopQuery),
}

impl fmt::Display for CheckStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(start) => start.fmt(f),
            Self::Stop(stop) => stop.fmt(f),
        }
    }
}

/// How far the rows are.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// No rule needs them, or nothing was looked at.
    None,
    /// A query is to be started.
    Start(Box<StartQuery>),
    /// A query for another reason runs, and is to be stopped.
    Stop(StopQuery),
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
        Some(Self::of_sql_once(table, athena, statement.sql.clone()?, asker, at))
    }

    /// The same, of a statement that is no evaluation.
    #[must_use]
    pub fn of_sql_once(
        table: &TableKey,
        athena: &AthenaProfile,
        sql: String,
        asker: &str,
        at: Timestamp,
    ) -> Self {
        let record = QueryStatus { attempt: 1, at, of: String::new(), statement: digest(&sql), id: None };
        Self::new(table, athena, sql, token("terminal", asker, &record), record)
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

/// Rules over rows that somebody wants evaluated, and what is known of the query for them.
#[derive(Clone, Debug)]
pub struct Asking<'a> {
    /// The rules.
    pub rules: &'a Rules,
    /// The table that the query reads.
    pub table: &'a TableKey,
    /// Its columns.
    pub columns: &'a Known<Vec<SeenColumn>>,
    /// Which of its rows.
    pub scope: &'a Known<SeenScope>,
    /// Where the query runs, if it may.
    pub athena: Option<&'a AthenaProfile>,
    /// A digest of what is evaluated and why: another reason is another query.
    pub of: String,
    /// Whose query it is.
    pub owner: &'a str,
    /// A uid of theirs.
    pub uid: &'a str,
    /// The query that was written down last, for whatever reason.
    pub record: Option<&'a QueryStatus>,
    /// What became of that, if it is known to have been started.
    pub seen: Option<&'a SeenQuery>,
}

/// How far the rows are by what was seen.
#[must_use]
pub fn progress(desired: &DesiredCheck, world: &CheckWorld, now: Timestamp) -> Progress {
    let stop = || stop(desired.query_look().as_ref(), world);
    if desired.is_suspended {
        return stop().map_or(Progress::None, Progress::Stop);
    }
    let (Some(facts), Some(table)) = (&world.facts, desired.seen_table()) else { return Progress::None };
    // What was told is done with, whatever is still known of it.
    if !desired.rules.need_rows() || desired.is_told(world) {
        return Progress::None;
    }
    let asking = Asking {
        rules: &desired.rules,
        table: &table.key,
        columns: &facts.columns,
        scope: &facts.scope,
        athena: desired.athena.as_ref(),
        of: desired.reason(world),
        owner: &desired.owner,
        uid: &desired.uid,
        record: desired.query.as_ref(),
        seen: world.query.as_ref(),
    };
    match stop() {
        Some(stop) if !asking.is_recorded() => Progress::Stop(stop),
        _ => asking.progress(now),
    }
}

/// Stops the query that was looked at, if it runs.
pub(super) fn stop(look: Option<&QueryLook>, world: &CheckWorld) -> Option<StopQuery> {
    let (QueryLook { profile, token, .. }, Some(SeenQuery::Runs), Some(id)) =
        (look?, &world.query, &world.query_id)
    else {
        return None;
    };
    Some(StopQuery { profile: profile.clone(), id: id.clone(), token: token.clone() })
}

impl Asking<'_> {
    fn statement(&self, at: Timestamp) -> Statement {
        Statement::new(self.rules, self.columns, self.scope, at)
    }

    /// The query that was written down, if it is the one that is wanted now.
    fn record(&self) -> Option<&QueryStatus> {
        let is_this = |record: &&QueryStatus| {
            record.of == self.of && record.statement == self.statement(record.at).digest()
        };
        self.record.filter(is_this)
    }

    /// Whether the query that was written down is the one that is wanted now.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.record().is_some()
    }

    fn start(&self, athena: &AthenaProfile, attempt: i64, at: Timestamp, statement: &Statement) -> Progress {
        let digest = statement.digest();
        let record = QueryStatus { attempt, at, of: self.of.clone(), statement: digest, id: None };
        let token = token(self.owner, self.uid, &record);
        let sql = statement.sql.clone().unwrap_or_default();
        Progress::Start(Box::new(StartQuery::new(self.table, athena, sql, token, record)))
    }

    /// How far they are.
    #[must_use]
    pub fn progress(&self, now: Timestamp) -> Progress {
        let record = self.record();
        let statement = self.statement(record.map_or(now, |record| record.at));
        if statement.sql.is_none() {
            let numbers = Known::Not("nothing could be asked".to_owned());
            return Progress::Done(Box::new(Answer { statement, numbers }));
        }
        let Some(athena) = self.athena else {
            let profile = &self.table.profile;
            let message = format!(
                "some rules need the rows, and profile '{profile}' has no workgroup of Athena to read them in; the platform team \
                 sets `profiles.{profile}.athena.workgroup`"
            );
            return Progress::Blocked(Reason::NotAllowed, message);
        };
        match record {
            Some(record) => self.of_record(athena, record, &statement, now),
            None => self.start(athena, 1, now, &statement),
        }
    }

    fn of_record(
        &self,
        athena: &AthenaProfile,
        record: &QueryStatus,
        statement: &Statement,
        now: Timestamp,
    ) -> Progress {
        let done = |numbers| Progress::Done(Box::new(Answer { statement: statement.clone(), numbers }));
        match self.seen {
            // It was not started, or nobody has said so.
            None if now.duration_since(record.at) < TOKEN_LIVES => {
                self.start(athena, record.attempt, record.at, statement)
            }
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
                    _ => self.start(athena, record.attempt + 1, now, &self.statement(now)),
                }
            }
            Some(SeenQuery::Failed { why, .. }) => done(Known::Not(why.clone())),
        }
    }
}

/// What to do about the rows.
pub(super) fn plan(desired: &DesiredCheck, world: &CheckWorld, now: Timestamp) -> Plan<CheckStep> {
    match progress(desired, world, now) {
        Progress::None | Progress::Done(_) => Plan::in_sync(None),
        Progress::Wait(at) => Plan::in_sync(Some(at)),
        Progress::Start(start) => Plan::converge(
            Reason::Progressing,
            "starting a query over the rows",
            vec![CheckStep::Start(start)],
        ),
        Progress::Stop(stop) => {
            Plan::converge(Reason::Progressing, stop.to_string(), vec![CheckStep::Stop(stop)])
        }
        Progress::Blocked(reason, message) => Plan::blocked(reason, message),
    }
}
