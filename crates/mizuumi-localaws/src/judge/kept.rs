//! What objects say of their tables: I3, I6, I9.

use jiff::Timestamp;

use super::freshness::{self, Bound};
use super::owned::place;
use super::{Case, Verdict, spec};
use crate::audit::Selection;
use crate::client;

/// I3.
pub(super) fn as_the_spec_says(case: &Case<'_>) -> Verdict {
    let mut verdict = Verdict::new(
        "I3",
        "An object that is Ready has a table as its spec says, and where nothing changes nothing is written",
    );
    let (mut waiting, mut suspended) = (0, 0);
    for object in case.objects {
        if object.suspended() {
            suspended += 1;
        } else if object.claims_ready() {
            verdict.checked += 1;
            match case.table_of(object) {
                None => verdict.violated(format!("{} is Ready and its table is missing", object.key())),
                Some(table) => {
                    let differences = spec::differences(object, table);
                    if !differences.is_empty() {
                        let differences = differences.join("; ");
                        verdict.violated(format!(
                            "{} is Ready and {}: {differences}",
                            object.key(),
                            place(table)
                        ));
                    }
                }
            }
        } else {
            waiting += 1;
        }
    }
    verdict.note(waiting, "objects are not Ready for their generation");
    verdict.note(suspended, "suspended objects were not judged");
    if let Some(since) = case.question.quiet_since {
        let account = case.question.account.as_deref();
        let selection = Selection { account, since, user_agent: Some(client::OURS) };
        for write in case.endpoint.audit.entries(&selection) {
            verdict.violated(format!("after call {since} came {write}"));
        }
        if !case.endpoint.audit.forgotten(since).1 {
            verdict.notes.push(format!("the audit no longer has every write after call {since}"));
        }
    }
    verdict
}

/// I6.
pub(super) fn read_before_ready(case: &Case<'_>) -> Verdict {
    let mut verdict =
        Verdict::new("I6", "No object is Ready before its table was read after Mizuumi wrote it last");
    for object in case.objects.iter().filter(|object| !object.suspended() && object.claims_ready()) {
        let Some(table) = case.table_of(object) else { continue };
        verdict.checked += 1;
        if let Some(unread) = &table.unread {
            verdict.violated(format!("{} is Ready and {}: {unread}", object.key(), place(table)));
        }
    }
    verdict
}

/// I9.
pub(super) fn no_fresher_than_the_data(case: &Case<'_>) -> Verdict {
    let mut verdict = Verdict::new("I9", "No status.freshness.dataTime is later than the data allows");
    let mut not_judged = 0;
    for object in case.objects {
        let Some(told) = &object.status.freshness else { continue };
        let Some(text) = &told.data_time else { continue };
        let bound = match told.source.as_deref() {
            Some("Reported") => freshness::reported(object),
            Some("PartitionValue") => {
                let values = case.table_of(object).map(|table| case.endpoint.glue.partition_values(table));
                freshness::by_partitions(object, &values.unwrap_or_default())
            }
            _ => Bound::NotJudged,
        };
        match (bound, text.parse::<Timestamp>()) {
            (Bound::Until(end), Ok(said)) => {
                verdict.checked += 1;
                if said > end {
                    verdict.violated(format!("{} says {said} and its data ends at {end}", object.key()));
                }
            }
            (Bound::NoData, Ok(said)) => {
                verdict.checked += 1;
                verdict.violated(format!("{} says {said} and nothing says that there is data", object.key()));
            }
            _ => not_judged += 1,
        }
    }
    verdict.note(not_judged, "objects were not judged: their values or reports name no time");
    verdict
}
