//! What a crawler found: which of its tables counts, and what is wrong if none does.

use mizuumi_api::data_table::CrawlState;

use super::{CrawledTable, Crawling, ObservedCrawler, SeenCrawler, has_data};
use crate::data_table::desired::{DesiredTable, Mode};
use crate::data_table::learning::{Found, Trouble};
use crate::data_table::publishing;
use crate::data_table::world::{SeenSchema, TableWorld};
use crate::{owner, s3_uri};

/// Of several tables where one is expected, so many are named.
const NAMED: usize = 3;

/// What the crawler made of other places, such as runs before the newest.
pub(super) fn left_over<'a>(
    seen: &'a SeenCrawler,
    crawler: &'a ObservedCrawler,
) -> impl Iterator<Item = &'a CrawledTable> {
    let is_told = is_of_last_crawl(crawler);
    seen.tables.iter().filter(move |table| is_told && !is_at(table, &crawler.definition.path))
}

/// Whether the last crawl was of the crawler as it is, and came to its end.
fn is_of_last_crawl(crawler: &ObservedCrawler) -> bool {
    crawler
        .last
        .as_ref()
        .is_some_and(|last| last.succeeded && crawler.updated.is_none_or(|updated| updated <= last.started))
}

/// Whether a table's data lies there.
fn is_at(table: &CrawledTable, path: &str) -> bool {
    s3_uri::canonical(&table.location).starts_with(&s3_uri::canonical(path))
}

/// What the crawler found; none if that cannot be told at the moment.
pub(in crate::data_table) fn found(
    crawling: &Crawling,
    desired: &DesiredTable,
    world: &TableWorld,
) -> Result<Option<Found>, Trouble> {
    let owner = &desired.owner;
    if let Some(SeenSchema::Unreadable(why)) = world.files.as_ref().and_then(|files| files.schema.as_ref()) {
        return Err(Trouble::Unreadable(why.clone()));
    }
    let Some(seen) = &world.crawler else { return Ok(None) };
    let Some(there) = &seen.crawler else { return Ok(None) };
    let name = &there.definition.name;
    let Some(crawler) = seen.of(owner) else {
        return Err(Trouble::Refused(format!(
            "Glue crawler '{name}', which '{}' would have, is kept by {}; delete it or this resource, nothing was changed",
            owner.external,
            owner::in_words(&there.definition.mark)
        )));
    };
    let Some(last) = crawler.last.as_ref().filter(|_| crawler.state == CrawlState::Ready) else {
        return Ok(None);
    };
    if !last.succeeded {
        let why = last.message.as_deref().unwrap_or("it was stopped");
        let table = &owner.external;
        return Err(Trouble::CrawlFailed(format!("crawler '{name}' of '{table}' failed: {why}")));
    }
    // Of runs it is the one that was crawled last, of all else what the spec says.
    let is_published = publishing::policy(desired).is_some();
    let path = if is_published { crawler.definition.path.as_str() } else { desired.root() };
    let mut tables = seen.tables.iter().filter(|table| is_at(table, path));
    let (first, others) = (tables.next(), tables.count());
    let database = &crawling.crawler.database.clone().unwrap_or_default();
    match (first, others) {
        (Some(table), 0) => Ok(Some(Found {
            what: format!("crawler '{name}' of '{}' ({database}.{})", owner.external, table.name),
            file: None,
            config_map: None,
            crawl: Some((name.clone(), last.started)),
            columns: table.columns.clone(),
            avro: table.avro.clone(),
        })),
        // It is not crawled yet as it is now.
        (None, _) if !is_of_last_crawl(crawler) => Ok(None),
        (None, _) => Err(Trouble::Unreadable(format!(
            "crawler '{name}' of '{}' found no table in '{}': it knows no format of the files there, or all are left out",
            owner.external, path
        ))),
        (Some(_), _) => {
            let all = seen.tables.iter().filter(|table| is_at(table, path));
            let named: Vec<&str> = all.take(NAMED).map(|table| table.location.as_str()).collect();
            Err(Trouble::Unreadable(format!(
                "crawler '{name}' found {} tables where one is expected, at {}: the files do not belong together; leave \
                 some out by `spec.schema.crawler.exclusions`",
                others + 1,
                named.join(", ")
            )))
        }
    }
}

/// Why nothing is known of the columns while the crawler has not said any.
pub(in crate::data_table) fn waits(
    crawling: &Crawling,
    desired: &DesiredTable,
    world: &TableWorld,
) -> Trouble {
    let (root, name) = (desired.root(), &crawling.crawler.name);
    if has_data(world) {
        let only_looks = if desired.mode == Mode::ObserveOnly {
            "; with `managementPolicy: ObserveOnly` it is neither made nor started"
        } else {
            ""
        };
        return Trouble::Crawling(format!(
            "the columns come from crawler '{name}', which has not told them yet{only_looks}"
        ));
    }
    Trouble::NoData(format!(
        "the columns come from a crawler, and there is no file under {root} yet; the table follows by itself"
    ))
}
