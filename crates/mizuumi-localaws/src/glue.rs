//! AWS Glue Data Catalog: databases, tables with versions, partitions, crawlers. State is kept per (account, region).

mod answer;
mod column_statistics;
mod crawlers;
mod databases;
mod definition;
mod expression;
mod findings;
mod history;
mod input;
mod links;
mod name_pattern;
mod paging;
mod partition_batches;
mod partition_indexes;
mod partitions;
mod seed;
mod survey;
mod table_list;
mod tables;
mod tags;
mod trace;
mod versions;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::audit::Effect;
use crate::lock::Lock;
use crate::protocol::ApiError;

/// A JSON object, as requests and definitions are.
pub(crate) type Object = Map<String, Value>;

pub(crate) use self::findings::{Aging, Finding};
use self::history::History;
pub use self::seed::Seed;
pub(crate) use self::survey::Known;
use self::trace::Trace;

/// What an operation answers: the JSON text of its output.
type Answer = Result<String, ApiError>;

/// Quotas that tests may shrink.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Archived versions of one table (Service Quotas "Number of table versions per table": 100,000).
    pub(crate) versions_per_table: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { versions_per_table: 100_000 }
    }
}

/// Who calls, as far as the judge wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    /// Anybody else.
    Other,
    /// Mizuumi.
    Ours,
    /// Mizuumi, which will not get the answer.
    OursUnanswered,
}

/// One call, and what it did for the audit.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// The request's JSON.
    pub(crate) input: &'a Object,
    /// Account of the caller.
    pub(crate) account: &'a str,
    /// Region of the caller.
    pub(crate) region: &'a str,
    /// ARN of the caller.
    pub(crate) caller: &'a str,
    /// Time of the call, in whole seconds.
    pub(crate) now: i64,
    /// Time of the call, in milliseconds.
    pub(crate) millis: i64,
    /// Fault: lists answer as of so many milliseconds ago.
    pub(crate) lag_millis: i64,
    /// Fault: pages hold one item only.
    pub(crate) short_pages: bool,
    /// Number of the call.
    pub(crate) seq: u64,
    /// The client.
    pub(crate) client: Client,
    /// The catalog's own count of calls, in the order in which they took effect.
    moment: u64,
    /// Effective writes, for the audit.
    pub(crate) effects: Vec<Effect>,
    /// Invariant I7: `UpdateTable` came without a `VersionId`.
    pub(crate) update_without_version: bool,
    /// Invariant I7: `UpdateTable` came with a stale `VersionId` (and was refused).
    pub(crate) update_with_stale_version: bool,
    limits: Limits,
}

impl<'a> Call<'a> {
    /// A call that has done nothing yet.
    pub(crate) fn new(
        input: &'a Object,
        account: &'a str,
        region: &'a str,
        caller: &'a str,
        now: i64,
        limits: Limits,
    ) -> Self {
        Self {
            input,
            account,
            region,
            caller,
            now,
            millis: now * 1000,
            lag_millis: 0,
            short_pages: false,
            seq: 0,
            client: Client::Other,
            moment: 0,
            effects: Vec::new(),
            update_without_version: false,
            update_with_stale_version: false,
            limits,
        }
    }

    /// The moment as of which lists answer, if they lag.
    fn as_of(&self) -> Option<i64> {
        (self.lag_millis > 0).then(|| self.millis.saturating_sub(self.lag_millis))
    }

    /// An epoch time as Glue writes it: a JSON number of whole seconds, such as 1602730539.0 (AWS CLI reference, example
    /// of get-tables).
    fn time(seconds: i64) -> Value {
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit in 53 bits")]
        let seconds = seconds as f64;
        Value::from(seconds)
    }
}

/// The catalog of one account in one region.
#[derive(Debug, Default)]
struct Catalog {
    databases: BTreeMap<String, Database>,
    tags: BTreeMap<String, BTreeMap<String, String>>,
    crawlers: BTreeMap<String, crawlers::Crawler>,
    findings: Vec<Finding>,
    calls: u64,
}

impl Catalog {
    // The messages are those that AWS is known to send: "Database x not found." and "Entity Not Found".
    fn database(&mut self, name: &str) -> Result<&mut Database, ApiError> {
        self.databases.get_mut(name).ok_or_else(|| not_found(format!("Database {name} not found.")))
    }

    fn table(&mut self, database: &str, table: &str) -> Result<&mut Table, ApiError> {
        self.database(database)?.tables.get_mut(table).ok_or_else(|| not_found("Entity Not Found"))
    }
}

#[derive(Debug)]
struct Database {
    record: Object,
    tables: BTreeMap<String, Table>,
    recent: History<String, OldTable>,
}

/// What a list shows of a table that has changed since.
#[derive(Debug)]
struct OldTable {
    text: Arc<str>,
    kind: Option<String>,
}

/// A partition key's name and Hive type.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PartitionKey {
    name: String,
    kind: String,
}

#[derive(Debug)]
struct Table {
    /// The `Table` structure as answered, as text: 100,000 of these must fit in memory and be read fast.
    text: Arc<str>,
    version: u64,
    archived: BTreeMap<u64, Arc<str>>,
    created: i64,
    created_by: String,
    owner: Option<String>,
    kind: Option<String>,
    keys: Vec<PartitionKey>,
    /// The table that it is a link to, in the same catalog.
    target: Option<links::Target>,
    partitions: BTreeMap<Vec<String>, Partition>,
    indexes: BTreeMap<String, partition_indexes::Index>,
    recent: History<Vec<String>, Arc<str>>,
    trace: Trace,
}

#[derive(Debug)]
struct Partition {
    text: Arc<str>,
    created: i64,
}

fn not_found(message: impl Into<String>) -> ApiError {
    ApiError::refused("EntityNotFoundException", message)
}

fn already_exists(message: impl Into<String>) -> ApiError {
    ApiError::refused("AlreadyExistsException", message)
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::refused("InvalidInputException", message)
}

fn text_of(object: &Object) -> Result<Arc<str>, ApiError> {
    serde_json::to_string(object).map(Arc::from).map_err(|error| invalid(error.to_string()))
}

type Handler = fn(&mut Catalog, &mut Call<'_>) -> Answer;

fn handler(operation: &str) -> Option<Handler> {
    Some(match operation {
        "CreateDatabase" => databases::create,
        "GetDatabase" => databases::get,
        "GetDatabases" => databases::list,
        "UpdateDatabase" => databases::update,
        "DeleteDatabase" => databases::delete,
        "CreateTable" => tables::create,
        "GetTable" => tables::get,
        "GetTables" => table_list::list,
        "UpdateTable" => tables::update,
        "DeleteTable" => tables::delete,
        "BatchDeleteTable" => tables::batch_delete,
        "GetTableVersion" => versions::get,
        "GetTableVersions" => versions::list,
        "DeleteTableVersion" => versions::delete,
        "BatchDeleteTableVersion" => versions::batch_delete,
        "CreatePartition" => partitions::create,
        "GetPartition" => partitions::get,
        "GetPartitions" => partitions::list,
        "UpdatePartition" => partitions::update,
        "DeletePartition" => partitions::delete,
        "BatchCreatePartition" => partition_batches::create,
        "BatchGetPartition" => partition_batches::get,
        "BatchUpdatePartition" => partition_batches::update,
        "BatchDeletePartition" => partition_batches::delete,
        "CreatePartitionIndex" => partition_indexes::create,
        "DeletePartitionIndex" => partition_indexes::delete,
        "GetPartitionIndexes" => partition_indexes::list,
        "CreateCrawler" => crawlers::create,
        "UpdateCrawler" => crawlers::update,
        "StartCrawler" => crawlers::start,
        "StopCrawler" => crawlers::stop,
        "DeleteCrawler" => crawlers::delete,
        "GetCrawler" => crawlers::get,
        "GetCrawlers" => crawlers::get_all,
        "BatchGetCrawlers" => crawlers::batch_get,
        "ListCrawlers" => crawlers::list,
        "GetColumnStatisticsForTable" => column_statistics::of_table,
        "GetColumnStatisticsForPartition" => column_statistics::of_partition,
        "DeleteColumnStatisticsForTable" => column_statistics::delete_of_table,
        "DeleteColumnStatisticsForPartition" => column_statistics::delete_of_partition,
        "GetTags" => tags::get,
        "TagResource" => tags::tag,
        "UntagResource" => tags::untag,
        _ => return None,
    })
}

/// Account and region.
type Place = (String, String);

/// All catalogs of the endpoint.
#[derive(Debug, Default)]
pub(crate) struct Glue {
    catalogs: Lock<HashMap<Place, Arc<Lock<Catalog>>>>,
}

impl Glue {
    /// Carries out one operation.
    pub(crate) fn call(&self, operation: &str, call: &mut Call<'_>) -> Result<String, ApiError> {
        let Some(handler) = handler(operation) else {
            let message = format!("Glue operation {operation} is not implemented by the local endpoint");
            return Err(ApiError::refused("UnknownOperationException", message));
        };
        input::check_catalog(call)?;
        let place = (call.account.to_owned(), call.region.to_owned());
        let catalog = Arc::clone(self.catalogs.hold().entry(place).or_default());
        let mut catalog = catalog.hold();
        catalog.calls += 1;
        call.moment = catalog.calls;
        crawlers::settle(&mut catalog, call);
        handler(&mut catalog, call)
    }

    /// Forgets an account's catalogs, or all.
    pub(crate) fn reset(&self, account: Option<&str>) {
        self.catalogs.hold().retain(|(owner, _), _| account.is_some_and(|account| account != owner));
    }
}

/// `db.table` (or `db`) that a request is about, for logs and fault rules.
pub(crate) fn resource(input: &Object) -> String {
    let text = |object: &Object, member: &str| object.get(member).and_then(Value::as_str).map(str::to_owned);
    let nested =
        |member: &str| input.get(member).and_then(Value::as_object).and_then(|object| text(object, "Name"));
    let name = || text(input, "Name");
    let resource = match text(input, "DatabaseName") {
        Some(database) => match text(input, "TableName").or_else(|| nested("TableInput")).or_else(name) {
            Some(table) => format!("{database}.{table}"),
            None => database,
        },
        None => name()
            .or_else(|| nested("DatabaseInput"))
            .or_else(|| text(input, "ResourceArn"))
            .unwrap_or_default(),
    };
    resource.to_lowercase()
}

#[cfg(test)]
mod tests;
