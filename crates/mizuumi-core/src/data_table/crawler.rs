//! The Glue crawler that says a table's columns: how it has to be, when it is due, what it found, how it goes.
//!
//! A crawler writes tables as it understands them, often not as Hive and Spark do. So it writes into a database of its own,
//! and only the columns are taken from there; this resource stays the one writer of its table.

mod definition;
mod finding;

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::data_table::{self as api, CrawlState};
use mizuumi_api::installation::DEFAULT_PROFILE;
use mizuumi_api::{DataTable, Installation, ShortDuration, annotation};
use serde::{Deserialize, Serialize};

pub use self::definition::CrawlerDefinition;
use self::definition::definition;
use self::finding::left_over;
pub(super) use self::finding::{found, waits};
use super::desired::{DesiredTable, Mode};
use super::publishing;
use super::step::TableStep;
use super::world::{SeenManifest, TableWorld};
use crate::kind::DataReading;
use crate::owner::OwnerKey;
use crate::problem::Problem;
use crate::publication::{RunOrder, output, sha256};
use crate::s3_uri;

/// Between two crawls, unless the spec says otherwise.
const EVERY: SignedDuration = SignedDuration::from_hours(24);
/// What failed is tried again after so long, or sooner if crawls are not that far apart.
const AFTER_A_FAILURE: SignedDuration = SignedDuration::from_hours(1);
/// So many hexadecimal digits of a hash tell the owners of crawlers apart.
const DIGITS: usize = 16;

/// Which crawler a table has, whether it is to be there or to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrawlerRef {
    /// Its name.
    pub name: String,
    /// What the names of its tables begin with.
    pub prefix: String,
    /// The database that it writes to; none if the installation has none any more.
    pub database: Option<String>,
}

impl CrawlerRef {
    /// The crawler of an owner. Names are bounded at 255 characters (`NameString`), prefixes at 128, and an installation's id
    /// at 32.
    #[must_use]
    pub fn of(owner: &OwnerKey, installation: &Installation) -> Self {
        let mut hash = sha256(owner.to_string().as_bytes());
        hash.truncate(DIGITS);
        Self {
            name: format!("mizuumi-{}-{hash}", owner.installation),
            prefix: format!("mizuumi_{hash}_"),
            database: installation.crawlers.as_ref().map(|crawlers| crawlers.database.clone()),
        }
    }
}

/// What becomes of a table's crawler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CrawlerGoal {
    /// It says the columns.
    Kept(Crawling),
    /// The columns come from elsewhere now: it goes.
    Removed(CrawlerRef),
}

/// How a table is crawled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crawling {
    /// Which crawler.
    pub crawler: CrawlerRef,
    /// The role that it works with.
    pub role: String,
    /// The least time between two crawls.
    pub every: SignedDuration,
    /// Files that it leaves out.
    pub exclusions: Vec<String>,
    /// How many files of a directory it looks at.
    pub sample_size: Option<i32>,
    /// When somebody asked for a new look.
    pub requested: Option<Timestamp>,
}

/// Which crawler to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrawlerLook {
    /// Its name.
    pub name: String,
    /// What the names of its tables begin with.
    pub prefix: String,
    /// The database that it writes to.
    pub database: Option<String>,
    /// The mark of who looks.
    pub owner: String,
    /// Whether it is to go, so that it is looked at as it is now.
    pub goes: bool,
}

/// A crawler that was looked at, with the tables that it made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenCrawler {
    /// The crawler, if there is one of that name.
    pub crawler: Option<ObservedCrawler>,
    /// The tables that say that it made them, under its prefix.
    pub tables: Vec<CrawledTable>,
}

/// A crawler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedCrawler {
    /// How it is.
    pub definition: CrawlerDefinition,
    /// What it does.
    pub state: CrawlState,
    /// When it was made or changed last.
    pub updated: Option<Timestamp>,
    /// Its last crawl.
    pub last: Option<Crawled>,
}

/// A crawl.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crawled {
    /// When it was started.
    pub started: Timestamp,
    /// Whether it came to its end.
    pub succeeded: bool,
    /// What went wrong.
    pub message: Option<String>,
}

/// A table that a crawler made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrawledTable {
    /// Its name.
    pub name: String,
    /// Where its data is.
    pub location: String,
    /// Its columns.
    pub columns: Vec<(String, String)>,
    /// Its schema in Avro, if it has one.
    pub avro: Option<String>,
}

impl SeenCrawler {
    /// The crawler, if it is this owner's.
    #[must_use]
    pub fn of(&self, owner: &OwnerKey) -> Option<&ObservedCrawler> {
        self.crawler.as_ref().filter(|crawler| crawler.definition.mark == owner.to_string())
    }

    /// Whether it does something by itself.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.crawler.as_ref().is_some_and(|crawler| crawler.state != CrawlState::Ready)
    }
}

impl CrawlerLook {
    /// Whether a look is needed where one has seen this before. A crawler that waits is known until it is written to, as it does
    /// nothing by itself; what others do to it is seen with everything else.
    #[must_use]
    pub fn is_needed(&self, known: Option<&SeenCrawler>, reading: DataReading) -> bool {
        let is_ours =
            |seen: &SeenCrawler| seen.crawler.as_ref().is_none_or(|c| c.definition.mark == self.owner);
        match (known, reading) {
            _ if self.goes => true,
            (_, DataReading::Known) => false,
            (None, _) | (_, DataReading::Whole) => true,
            (Some(seen), DataReading::Newest) => seen.is_busy() || !is_ours(seen),
        }
    }
}

/// What a resource wants of a crawler.
pub(super) fn goal(
    object: &DataTable,
    installation: &Installation,
    owner: &OwnerKey,
    problems: &mut Vec<Problem>,
) -> Option<CrawlerGoal> {
    let spec = &object.spec;
    let crawler = CrawlerRef::of(owner, installation);
    if spec.columns_from() != Some(api::SchemaSource::Crawler) {
        return was_kept(object).then_some(CrawlerGoal::Removed(crawler));
    }
    let path = "spec.schema.from";
    let profile = spec.profile.as_deref().unwrap_or(DEFAULT_PROFILE);
    let role = installation.profile(profile).and_then(|profile| profile.crawler_role_arn);
    let said = spec.schema.as_ref().and_then(|schema| schema.crawler.clone()).unwrap_or_default();
    let every = match said.every.as_ref().map_or(Ok(EVERY), ShortDuration::length) {
        Ok(every) => every,
        Err(error) => {
            problems.push(Problem::invalid("spec.schema.crawler.every", error.to_string()));
            EVERY
        }
    };
    let least = installation.crawlers.as_ref().and_then(|crawlers| crawlers.least_every.length().ok());
    if least.is_none() {
        problems.push(Problem::not_allowed(
            path,
            format!(
                "installation '{}' has no `crawlers`, so no table may have one; ask the platform team",
                installation.installation
            ),
        ));
    } else if role.is_none() {
        problems.push(Problem::not_allowed(
            path,
            format!(
                "profile '{profile}' has no `crawlerRoleArn`, so no crawler can work; ask the platform team"
            ),
        ));
    }
    let requested = object.metadata.annotations.as_ref().and_then(|all| all.get(annotation::REQUESTED_AT));
    Some(CrawlerGoal::Kept(Crawling {
        crawler,
        role: role?,
        every: every.max(least?),
        exclusions: said.exclusions.unwrap_or_default(),
        sample_size: said.sample_size,
        requested: requested.and_then(|text| text.trim().parse().ok()),
    }))
}

/// Whether the status remembers a crawler.
fn was_kept(object: &DataTable) -> bool {
    object.status.as_ref().is_some_and(|status| status.crawler.is_some())
}

/// The crawler that goes with a table that is deleted or released, if it may have one.
pub(super) fn of_claim(
    object: &DataTable,
    installation: &Installation,
    owner: &OwnerKey,
) -> Option<CrawlerRef> {
    let may_have = object.spec.columns_from() == Some(api::SchemaSource::Crawler) || was_kept(object);
    // Without a place to write to there has never been one, unless the status says so.
    (may_have && (installation.crawlers.is_some() || was_kept(object)))
        .then(|| CrawlerRef::of(owner, installation))
}

impl CrawlerRef {
    pub(super) fn look(&self, owner: &OwnerKey, goes: bool) -> CrawlerLook {
        let (name, prefix, database) = (self.name.clone(), self.prefix.clone(), self.database.clone());
        CrawlerLook { name, prefix, database, owner: owner.to_string(), goes }
    }
}

impl CrawlerGoal {
    pub(super) fn look(&self, owner: &OwnerKey) -> CrawlerLook {
        match self {
            Self::Kept(crawling) => crawling.crawler.look(owner, false),
            Self::Removed(crawler) => crawler.look(owner, true),
        }
    }
}

/// How the spec says the table is crawled, if it is.
#[must_use]
pub const fn policy(desired: &DesiredTable) -> Option<&Crawling> {
    match &desired.crawler {
        Some(CrawlerGoal::Kept(crawling)) => Some(crawling),
        _ => None,
    }
}

/// Where the crawler has to look: at all of the data, or at what the newest run brings.
fn target(desired: &DesiredTable, world: &TableWorld) -> Option<String> {
    let Some(published) = publishing::policy(desired) else { return Some(desired.root().to_owned()) };
    let asked = published.asked.iter().flat_map(|asked| &asked.open);
    let brought = asked.filter_map(|asked| match world.manifests.get(&asked.sha256) {
        Some(SeenManifest::Read(_)) => asked.order.clone(),
        _ => None,
    });
    let partitions = world.partitions.iter().flatten();
    let partitions =
        partitions.filter_map(|(_, partition)| partition.pointer.as_ref().map(|pointer| pointer.run.clone()));
    let table = world.table.iter().filter_map(|table| publishing::place_of(&table.definition).pointer);
    let table = table.map(|pointer| pointer.run.clone());
    let newest: Option<RunOrder> = brought.chain(partitions).chain(table).max();
    newest.map(|run| output(&published.root, &run.run))
}

/// Whether there is anything to crawl.
pub(super) fn has_data(world: &TableWorld) -> bool {
    world.files.as_ref().is_some_and(|files| files.location.is_some())
}

/// When to crawl: at some moment that may have come, or not before something happens.
fn due(
    crawling: &Crawling,
    crawler: &ObservedCrawler,
    target: &str,
    world: &TableWorld,
) -> Option<Timestamp> {
    let Some(last) = &crawler.last else { return has_data(world).then_some(Timestamp::MIN) };
    let is_later = |moment: &Timestamp| *moment > last.started;
    let newest = world.files.as_ref().and_then(|files| files.newest);
    let is_new = newest.as_ref().is_some_and(is_later)
        || crawler.updated.as_ref().is_some_and(is_later)
        || !s3_uri::same(&crawler.definition.path, target)
        || !last.succeeded;
    let wait = if last.succeeded { crawling.every } else { crawling.every.min(AFTER_A_FAILURE) };
    let by_itself = is_new.then(|| last.started.checked_add(wait).unwrap_or(Timestamp::MAX));
    by_itself.into_iter().chain(crawling.requested.filter(is_later)).min()
}

/// What to do about the crawler, and when that would be something else with nothing changed.
#[must_use]
pub fn steps(
    desired: &DesiredTable,
    world: &TableWorld,
    now: Timestamp,
) -> (Vec<TableStep>, Option<Timestamp>) {
    let none = (Vec::new(), None);
    let (Some(goal), Some(seen)) = (&desired.crawler, &world.crawler) else { return none };
    let crawling = match goal {
        CrawlerGoal::Removed(crawler) => return (removal(crawler, &desired.owner, seen), None),
        CrawlerGoal::Kept(crawling) => crawling,
    };
    // Whoever only plans never crawls: what a crawl would find anew is no change that waits.
    if desired.mode == Mode::ObserveOnly || (desired.mode == Mode::Plan && !desired.columns.is_empty()) {
        return none;
    }
    let Some(target) = target(desired, world) else { return none };
    let Some(crawler) = &seen.crawler else {
        let wanted = definition(crawling, &desired.owner, &target);
        let steps = has_data(world).then(|| TableStep::CreateCrawler(Box::new(wanted)));
        return (steps.into_iter().collect(), None);
    };
    if seen.of(&desired.owner).is_none() || crawler.state != CrawlState::Ready {
        return none;
    }
    let due = due(crawling, crawler, &target, world);
    let is_due = due.is_some_and(|moment| moment <= now);
    // The place of the newest run changes with each run; it is of interest when it is looked at.
    let path = if is_due || publishing::policy(desired).is_none() {
        target
    } else {
        crawler.definition.path.clone()
    };
    let wanted = definition(crawling, &desired.owner, &path);
    let changes = crawler.definition.changes(&wanted);
    let mut steps = Vec::new();
    let left: Vec<String> = left_over(seen, crawler).map(|table| table.name.clone()).collect();
    if !left.is_empty() && s3_uri::same(&crawler.definition.path, &wanted.path) {
        steps.push(delete_tables(&crawler.definition.database, &crawler.definition.name, left));
    }
    if !changes.is_empty() {
        steps.push(TableStep::UpdateCrawler { to: Box::new(wanted), changes });
    }
    if is_due {
        steps.push(TableStep::StartCrawler {
            name: crawler.definition.name.clone(),
            owner: desired.owner.to_string(),
            last: crawler.last.as_ref().map(|last| last.started),
        });
    }
    (steps, due.filter(|_| !is_due))
}

fn delete_tables(database: &str, crawler: &str, names: Vec<String>) -> TableStep {
    let (database, crawler) = (database.to_owned(), crawler.to_owned());
    TableStep::DeleteCrawledTables { database, crawler, names }
}

/// How a crawler goes: what it made first, so that it tells of it as long as there is anything.
pub(super) fn removal(crawler: &CrawlerRef, owner: &OwnerKey, seen: &SeenCrawler) -> Vec<TableStep> {
    if seen.crawler.is_some() && seen.of(owner).is_none() {
        return Vec::new();
    }
    let there = seen.crawler.as_ref();
    let name = crawler.name.clone();
    match there.map(|crawler| crawler.state) {
        Some(CrawlState::Running) => return vec![TableStep::StopCrawler { name, owner: owner.to_string() }],
        Some(CrawlState::Stopping) => return Vec::new(),
        Some(CrawlState::Ready) | None => {}
    }
    let mut steps = Vec::new();
    let database = crawler.database.as_ref().or(there.map(|crawler| &crawler.definition.database));
    if let Some(database) = database.filter(|_| !seen.tables.is_empty()) {
        let names = seen.tables.iter().map(|table| table.name.clone()).collect();
        steps.push(delete_tables(database, &crawler.name, names));
    }
    if there.is_some() {
        steps.push(TableStep::DeleteCrawler { name, owner: owner.to_string() });
    }
    steps
}

/// Why a crawler that is to go is still there though nothing can be done about it.
pub(super) fn stopping(world: &TableWorld, owner: &OwnerKey) -> Option<String> {
    let crawler = world.crawler.as_ref()?.of(owner)?;
    (crawler.state == CrawlState::Stopping)
        .then(|| format!("crawler '{}' is stopping and is deleted after that", crawler.definition.name))
}
