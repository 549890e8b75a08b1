//! The Glue calls about crawlers, and about the tables that they make.

use aws_sdk_glue::types::{
    Crawler, CrawlerState, CrawlerTargets, DeleteBehavior, LastCrawlStatus, RecrawlBehavior, RecrawlPolicy,
    S3Target, SchemaChangePolicy, SerDeInfo, StorageDescriptor, Table, UpdateBehavior,
};
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use mizuumi_api::data_table::CrawlState;
use mizuumi_core::data_table::crawler::{
    Crawled, CrawledTable, CrawlerDefinition, CrawlerLook, ObservedCrawler, SeenCrawler,
};
use mizuumi_core::{Class, Errand, Failure, Lane};
use tokio::time::Instant;

use super::TABLES_A_PAGE;
use crate::clients::ProfileClients;
use crate::gateway::{Sent, api};

/// What a crawler writes into the tables that it makes: its own name.
const MADE_BY: &str = "UPDATED_BY_CRAWLER";
/// Where a crawler leaves the schema of Avro files.
const AVRO_SCHEMA: &str = "avro.schema.literal";
/// The tag by which bills and policies tell whose a crawler is. It proves nothing.
const INSTALLATION_TAG: &str = "mizuumi.installation";

/// A crawler and the tables that say it made them.
pub(crate) async fn look(
    clients: &ProfileClients,
    lane: Lane,
    look: &CrawlerLook,
) -> Result<SeenCrawler, Failure> {
    let crawler =
        get(clients, lane, &look.name, &Sent::default()).await?.and_then(|crawler| observed(&crawler));
    let database = match &crawler {
        Some(crawler) => Some(crawler.definition.database.clone()),
        // Tables without their crawler are of interest only to whoever wants to be rid of them.
        None => look.database.clone().filter(|_| look.goes),
    };
    let tables = match database.filter(|database| !database.is_empty()) {
        Some(database) => tables(clients, lane, &database, &look.prefix, &look.name).await?,
        None => Vec::new(),
    };
    Ok(SeenCrawler { crawler, tables })
}

async fn get(
    clients: &ProfileClients,
    lane: Lane,
    name: &str,
    sent: &Sent,
) -> Result<Option<Crawler>, Failure> {
    let get = clients.glue.get_crawler().name(name);
    let api = api!("glue", "GetCrawler", Read);
    let answer = clients.gateway.read(api, lane, || sent.now(get.clone().send())).await?;
    Ok(answer.and_then(|answer| answer.crawler))
}

async fn tables(
    clients: &ProfileClients,
    lane: Lane,
    database: &str,
    prefix: &str,
    crawler: &str,
) -> Result<Vec<CrawledTable>, Failure> {
    let get = clients
        .glue
        .get_tables()
        .database_name(database)
        .expression(format!("{prefix}.*"))
        .max_results(TABLES_A_PAGE);
    let mut all = Vec::new();
    let mut token = None;
    loop {
        let page = get.clone().set_next_token(token);
        let call = clients.gateway.read(api!("glue", "GetTables", Read), lane, || page.clone().send());
        let Some(answer) = call.await? else { return Ok(all) };
        let made = answer.table_list().iter().filter(|table| is_made_by(table, prefix, crawler));
        all.extend(made.map(crawled));
        token = answer.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if token.is_none() {
            all.sort_by(|one: &CrawledTable, other| one.name.cmp(&other.name));
            return Ok(all);
        }
    }
}

fn is_made_by(table: &Table, prefix: &str, crawler: &str) -> bool {
    let by = table.parameters().and_then(|all| all.get(MADE_BY));
    table.name().starts_with(prefix) && by.is_some_and(|by| by == crawler)
}

fn crawled(table: &Table) -> CrawledTable {
    let storage = table.storage_descriptor();
    let columns = storage.map(StorageDescriptor::columns).unwrap_or_default();
    let serde = storage.and_then(StorageDescriptor::serde_info).and_then(SerDeInfo::parameters);
    let own = |all: Option<&std::collections::HashMap<String, String>>| all?.get(AVRO_SCHEMA).cloned();
    CrawledTable {
        name: table.name().to_owned(),
        location: storage.and_then(StorageDescriptor::location).unwrap_or_default().to_owned(),
        columns: columns
            .iter()
            .map(|column| (column.name().to_owned(), column.r#type().unwrap_or_default().to_owned()))
            .collect(),
        avro: own(serde).or_else(|| own(table.parameters())),
    }
}

fn moment(time: Option<&DateTime>) -> Option<Timestamp> {
    let time = time?;
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

fn observed(crawler: &Crawler) -> Option<ObservedCrawler> {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let targets = crawler.targets();
    let s3 = targets.map(CrawlerTargets::s3_targets).unwrap_or_default();
    let others = targets.is_some_and(has_others);
    let only = s3.first().filter(|_| s3.len() == 1 && !others);
    let policy = crawler.schema_change_policy();
    let recrawl = crawler.recrawl_policy().and_then(RecrawlPolicy::recrawl_behavior);
    let definition = CrawlerDefinition {
        name: text(crawler.name()),
        mark: text(crawler.description()),
        role: text(crawler.role()),
        database: text(crawler.database_name()),
        prefix: text(crawler.table_prefix()),
        path: text(only.and_then(S3Target::path)),
        exclusions: only.map(|target| target.exclusions().to_vec()).unwrap_or_default(),
        sample_size: only.and_then(S3Target::sample_size).filter(|size| *size > 0),
        configuration: text(crawler.configuration()),
        policies: [
            text(recrawl.map(RecrawlBehavior::as_str)),
            text(policy.and_then(SchemaChangePolicy::update_behavior).map(UpdateBehavior::as_str)),
            text(policy.and_then(SchemaChangePolicy::delete_behavior).map(DeleteBehavior::as_str)),
        ],
    };
    let last = crawler.last_crawl().and_then(|last| {
        let succeeded = last.status() == Some(&LastCrawlStatus::Succeeded);
        let message = last.error_message().filter(|text| !text.is_empty()).map(str::to_owned);
        Some(Crawled { started: moment(last.start_time())?, succeeded, message })
    });
    Some(ObservedCrawler {
        definition,
        state: match crawler.state()? {
            CrawlerState::Ready => CrawlState::Ready,
            CrawlerState::Stopping => CrawlState::Stopping,
            // A state that is not known yet is one on the way.
            _ => CrawlState::Running,
        },
        updated: moment(crawler.last_updated()),
        last,
    })
}

/// Whether a crawler looks at anything but S3.
fn has_others(targets: &CrawlerTargets) -> bool {
    !targets.jdbc_targets().is_empty()
        || !targets.mongo_db_targets().is_empty()
        || !targets.dynamo_db_targets().is_empty()
        || !targets.catalog_targets().is_empty()
        || !targets.delta_targets().is_empty()
        || !targets.iceberg_targets().is_empty()
        || !targets.hudi_targets().is_empty()
}

/// The parts of a crawler that are structures.
fn parts(to: &CrawlerDefinition) -> (CrawlerTargets, SchemaChangePolicy, RecrawlPolicy) {
    let target = S3Target::builder()
        .path(&to.path)
        .set_exclusions((!to.exclusions.is_empty()).then(|| to.exclusions.clone()))
        .set_sample_size(to.sample_size)
        .build();
    let [recrawl, update, delete] = &to.policies;
    (
        CrawlerTargets::builder().s3_targets(target).build(),
        SchemaChangePolicy::builder()
            .update_behavior(UpdateBehavior::from(update.as_str()))
            .delete_behavior(DeleteBehavior::from(delete.as_str()))
            .build(),
        RecrawlPolicy::builder().recrawl_behavior(RecrawlBehavior::from(recrawl.as_str())).build(),
    )
}

/// Makes a crawler. "Already exists" may be our own: the next look tells by its mark.
pub(crate) async fn create(
    clients: &ProfileClients,
    errand: Errand<'_>,
    to: &CrawlerDefinition,
) -> Result<(), Failure> {
    let (targets, changes, recrawl) = parts(to);
    let create = clients
        .glue
        .create_crawler()
        .name(&to.name)
        .description(&to.mark)
        .role(&to.role)
        .database_name(&to.database)
        .table_prefix(&to.prefix)
        .targets(targets)
        .schema_change_policy(changes)
        .recrawl_policy(recrawl)
        .configuration(&to.configuration)
        .tags(INSTALLATION_TAG, to.mark.split('/').next().unwrap_or_default());
    let api = api!("glue", "CreateCrawler", Write);
    let made = clients.gateway.write(api, errand, || create.clone().send()).await?;
    made.map(drop).ok_or_else(|| gone(api.name, &to.name))
}

/// Has a crawler be as it is to be, if it still is ours.
pub(crate) async fn update(
    clients: &ProfileClients,
    errand: Errand<'_>,
    to: &CrawlerDefinition,
) -> Result<(), Failure> {
    let (targets, changes, recrawl) = parts(to);
    let update = clients
        .glue
        .update_crawler()
        .name(&to.name)
        .description(&to.mark)
        .role(&to.role)
        .database_name(&to.database)
        .table_prefix(&to.prefix)
        .targets(targets)
        .schema_change_policy(changes)
        .recrawl_policy(recrawl)
        .configuration(&to.configuration);
    let api = api!("glue", "UpdateCrawler", Write);
    let is_ours = || is_ours(clients, errand.lane, &to.name, &to.mark);
    let made = clients.gateway.write_if(api, errand, is_ours, || update.clone().send()).await?;
    made.map(drop).ok_or_else(|| gone(api.name, &to.name))
}

/// Starts a crawler that still is ours, unless it has crawled since.
pub(crate) async fn start(
    clients: &ProfileClients,
    errand: Errand<'_>,
    name: &str,
    owner: &str,
    last: Option<Timestamp>,
) -> Result<(), Failure> {
    let api = api!("glue", "StartCrawler", Write);
    let is_as_seen = || async move {
        let sent = Sent::default();
        let crawler = get(clients, errand.lane, name, &sent).await?.and_then(|crawler| observed(&crawler));
        let is_as_seen = crawler.is_some_and(|crawler| {
            crawler.definition.mark == owner && crawler.last.map(|last| last.started) == last
        });
        Ok(is_as_seen.then_some(sent.at()))
    };
    let start = clients.glue.start_crawler().name(name);
    let started = clients.gateway.write_if(api, errand, is_as_seen, || start.clone().send()).await?;
    started.map(drop).ok_or_else(|| gone(api.name, name))
}

/// Stops a crawler that still is ours.
pub(crate) async fn stop(
    clients: &ProfileClients,
    errand: Errand<'_>,
    name: &str,
    owner: &str,
) -> Result<(), Failure> {
    let api = api!("glue", "StopCrawler", Write);
    let stop = clients.glue.stop_crawler().name(name);
    let is_ours = || is_ours(clients, errand.lane, name, owner);
    clients.gateway.write_if(api, errand, is_ours, || stop.clone().send()).await.map(drop)
}

/// Deletes a crawler that still is ours; one that is gone already is as good.
pub(crate) async fn delete(
    clients: &ProfileClients,
    errand: Errand<'_>,
    name: &str,
    owner: &str,
) -> Result<(), Failure> {
    let api = api!("glue", "DeleteCrawler", Write);
    let delete = clients.glue.delete_crawler().name(name);
    let is_ours = || is_ours(clients, errand.lane, name, owner);
    clients.gateway.write_if(api, errand, is_ours, || delete.clone().send()).await.map(drop)
}

/// Deletes tables that still say that this crawler made them.
pub(crate) async fn delete_tables(
    clients: &ProfileClients,
    errand: Errand<'_>,
    database: &str,
    crawler: &str,
    names: &[String],
) -> Result<(), Failure> {
    let api = api!("glue", "DeleteTable", Write);
    for name in names {
        let get = clients.glue.get_table().database_name(database).name(name);
        let get = &get;
        let is_made = || async move {
            let sent = Sent::default();
            let read = api!("glue", "GetTable", Read);
            let answer = clients.gateway.read(read, errand.lane, || sent.now(get.clone().send())).await?;
            let table = answer.and_then(|answer| answer.table);
            Ok(table.filter(|table| is_made_by(table, "", crawler)).map(|_| sent.at()))
        };
        let delete = clients.glue.delete_table().database_name(database).name(name);
        clients.gateway.write_if(api, errand, is_made, || delete.clone().send()).await?;
    }
    Ok(())
}

/// Whether a crawler carries this mark, and when that was asked.
async fn is_ours(
    clients: &ProfileClients,
    lane: Lane,
    name: &str,
    owner: &str,
) -> Result<Option<Instant>, Failure> {
    let sent = Sent::default();
    let crawler = get(clients, lane, name, &sent).await?;
    Ok(crawler.filter(|crawler| crawler.description() == Some(owner)).map(|_| sent.at()))
}

fn gone(operation: &'static str, name: &str) -> Failure {
    let message = format!("crawler '{name}' is not what it was a moment ago");
    Failure::new(operation, Class::Conflict, message)
}
