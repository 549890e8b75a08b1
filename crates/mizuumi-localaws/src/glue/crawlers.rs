//! Crawlers: READY, RUNNING, STOPPING, and the tables that they make.
//!
//! Unlike AWS, a crawl takes a moment, and nobody reads a file: what there is to find at a place is told by the admin API
//! (`findings`), as a crawler's guesses are its own and no two readers of files come to the same. A place of which nothing is told
//! has no table, as one that has no data. Custom classifiers, schedules, events and partitions are not there.

use std::ops::Bound;

use serde_json::{Value, json};

use super::findings::Finding;
use super::{
    Answer, Call, Catalog, Object, already_exists, answer, findings, input, invalid, not_found, paging, tags,
};
use crate::audit::Effect;
use crate::protocol::ApiError;

/// How long a crawl takes here, and how long its end; on AWS a minute at least.
const RUNS_MILLIS: i64 = 400;
const STOPS_MILLIS: i64 = 200;

/// Members of a crawler that are given and answered.
const GIVEN: [&str; 11] = [
    "Role",
    "DatabaseName",
    "Description",
    "Targets",
    "Classifiers",
    "TablePrefix",
    "SchemaChangePolicy",
    "RecrawlPolicy",
    "LineageConfiguration",
    "LakeFormationConfiguration",
    "Configuration",
];

/// A crawler.
#[derive(Debug)]
pub(super) struct Crawler {
    name: String,
    given: Object,
    created: i64,
    pub(super) updated: i64,
    version: u64,
    run: Option<Run>,
    pub(super) last: Option<Last>,
}

/// A crawl that goes on, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Run {
    started: i64,
    stops: i64,
    cancelled: bool,
}

/// A crawl that is over.
#[derive(Debug)]
pub(super) struct Last {
    pub(super) started: i64,
    status: &'static str,
    message: Option<String>,
}

impl Crawler {
    fn state(&self, now: i64) -> &'static str {
        match self.run {
            None => "READY",
            Some(run) if now < run.stops => "RUNNING",
            Some(_) => "STOPPING",
        }
    }

    fn described(&self, now: i64) -> Value {
        let mut crawler = self.given.clone();
        // Whatever it was given, Glue answers the role's name (seen by Terraform's provider).
        if let Some(role) = self.text("Role").map(str::to_owned) {
            let name = role.split_once(":role/").map_or(role.clone(), |(_, name)| name.to_owned());
            crawler.insert("Role".to_owned(), json!(name));
        }
        for (member, value) in [
            ("Name", json!(self.name)),
            ("State", json!(self.state(now))),
            ("CreationTime", Call::time(self.created)),
            ("LastUpdated", Call::time(self.updated)),
            ("Version", json!(self.version)),
            ("CrawlElapsedTime", json!(self.run.map_or(0, |run| now - run.started))),
        ] {
            crawler.insert(member.to_owned(), value);
        }
        if let Some(last) = &self.last {
            let mut told = json!({
                "Status": last.status, "StartTime": Call::time(last.started),
                "LogGroup": "/aws-glue/crawlers", "LogStream": self.name, "MessagePrefix": "local",
            });
            if let Some(message) = &last.message {
                told["ErrorMessage"] = json!(message);
            }
            crawler.insert("LastCrawl".to_owned(), told);
        }
        Value::Object(crawler)
    }

    fn text(&self, member: &str) -> Option<&str> {
        self.given.get(member).and_then(Value::as_str)
    }

    /// The places in S3 that it looks at.
    fn paths(&self) -> Vec<String> {
        let targets = self.given.get("Targets").and_then(|targets| targets["S3Targets"].as_array());
        let path = |target: &Value| target["Path"].as_str().map(str::to_owned);
        targets.into_iter().flatten().filter_map(path).collect()
    }
}

/// Ends the crawls that are over by now, and has them write their tables.
pub(super) fn settle(catalog: &mut Catalog, call: &Call<'_>) {
    let is_over = |run: &Run| call.millis >= run.stops + STOPS_MILLIS;
    let over: Vec<String> = catalog
        .crawlers
        .values()
        .filter(|crawler| crawler.run.as_ref().is_some_and(is_over))
        .map(|crawler| crawler.name.clone())
        .collect();
    for name in over {
        let Some(mut crawler) = catalog.crawlers.remove(&name) else { continue };
        if let Some(run) = crawler.run.take() {
            let (status, message) = if run.cancelled {
                ("CANCELLED", None)
            } else {
                match write(catalog, call, &crawler) {
                    Ok(()) => ("SUCCEEDED", None),
                    Err(message) => ("FAILED", Some(message)),
                }
            };
            crawler.last = Some(Last { started: run.started / 1000, status, message });
        }
        catalog.crawlers.insert(name, crawler);
    }
}

/// Writes the tables that are found where a crawler looks.
fn write(catalog: &mut Catalog, call: &Call<'_>, crawler: &Crawler) -> Result<(), String> {
    let paths = crawler.paths();
    let lies = |finding: &&Finding| paths.iter().any(|path| finding.lies_under(path));
    let found: Vec<Finding> = catalog.findings.iter().filter(lies).cloned().collect();
    if let Some(message) = found.iter().find_map(|finding| finding.fail.clone()) {
        return Err(message);
    }
    let database = crawler.text("DatabaseName").unwrap_or_default();
    let prefix = crawler.text("TablePrefix").unwrap_or_default();
    for finding in found {
        let request = finding.request(database, prefix, &crawler.name);
        findings::write(catalog, call, &request).map_err(|error| error.message)?;
    }
    Ok(())
}

fn existing<'a>(catalog: &'a mut Catalog, call: &Call<'_>) -> Result<&'a mut Crawler, ApiError> {
    // Names of crawlers are not folded.
    let name = input::optional_text(call.input, "Name")?.unwrap_or_default().to_owned();
    catalog
        .crawlers
        .get_mut(&name)
        .ok_or_else(|| not_found(format!("Crawler entry with name {name} does not exist")))
}

fn running(name: &str) -> ApiError {
    ApiError::refused("CrawlerRunningException", format!("Crawler with name {name} has already started"))
}

/// What a request gives of a crawler.
fn given(call: &Call<'_>) -> Object {
    let is_given = |member: &str| GIVEN.contains(&member);
    input::without_nulls(call.input).into_iter().filter(|(member, _)| is_given(member)).collect()
}

pub(super) fn create(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let name = input::optional_text(call.input, "Name")?.unwrap_or_default().to_owned();
    if name.is_empty() || name.len() > 255 {
        return Err(input::violation("Name", "Member must have length between 1 and 255"));
    }
    if input::optional_text(call.input, "Role")?.is_none_or(str::is_empty) {
        return Err(input::violation("Role", "Member must not be null"));
    }
    input::object(call.input, "Targets")?;
    if input::optional_text(call.input, "TablePrefix")?.is_some_and(|prefix| prefix.len() > 128) {
        return Err(input::violation("TablePrefix", "Member must have length less than or equal to 128"));
    }
    if call.input.get("Tags").is_some_and(Value::is_object) {
        tags::read(call.input, "Tags")?;
    }
    if catalog.crawlers.contains_key(&name) {
        return Err(already_exists(format!("Crawler with name {name} already exists")));
    }
    let crawler = Crawler {
        name: name.clone(),
        given: given(call),
        created: call.now,
        updated: call.now,
        version: 1,
        run: None,
        last: None,
    };
    catalog.crawlers.insert(name.clone(), crawler);
    call.effects.push(Effect::on(format!("crawler/{name}")));
    Ok(answer::nothing())
}

/// What is not given stays as it is.
pub(super) fn update(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let changes = given(call);
    let crawler = existing(catalog, call)?;
    if crawler.run.is_some() {
        return Err(running(&crawler.name));
    }
    crawler.given.extend(changes);
    crawler.updated = call.now;
    crawler.version += 1;
    let name = crawler.name.clone();
    call.effects.push(Effect { existed: true, ..Effect::on(format!("crawler/{name}")) });
    Ok(answer::nothing())
}

pub(super) fn start(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let crawler = existing(catalog, call)?;
    if crawler.run.is_some() {
        return Err(running(&crawler.name));
    }
    crawler.run = Some(Run { started: call.millis, stops: call.millis + RUNS_MILLIS, cancelled: false });
    let name = crawler.name.clone();
    call.effects.push(Effect::on(format!("crawler/{name}/crawl")));
    Ok(answer::nothing())
}

pub(super) fn stop(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let now = call.millis;
    let crawler = existing(catalog, call)?;
    let name = crawler.name.clone();
    match &mut crawler.run {
        None => {
            let message = format!("Crawler with name {name} isn't running");
            return Err(ApiError::refused("CrawlerNotRunningException", message));
        }
        Some(run) if now >= run.stops => {
            let message = format!("Crawler with name {name} is stopping");
            return Err(ApiError::refused("CrawlerStoppingException", message));
        }
        Some(run) => *run = Run { stops: now, cancelled: true, ..*run },
    }
    call.effects.push(Effect::on(format!("crawler/{name}/crawl")));
    Ok(answer::nothing())
}

pub(super) fn delete(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let crawler = existing(catalog, call)?;
    if crawler.run.is_some() {
        return Err(running(&crawler.name));
    }
    let name = crawler.name.clone();
    catalog.crawlers.remove(&name);
    call.effects.push(Effect::on(format!("crawler/{name}")));
    Ok(answer::nothing())
}

pub(super) fn get(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let now = call.millis;
    Ok(json!({"Crawler": existing(catalog, call)?.described(now)}).to_string())
}

pub(super) fn batch_get(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let names = input::texts(call.input, "CrawlerNames", 100)?;
    let found = names.iter().filter_map(|name| catalog.crawlers.get(name));
    let found: Vec<Value> = found.map(|crawler| crawler.described(call.millis)).collect();
    let missing: Vec<&String> = names.iter().filter(|name| !catalog.crawlers.contains_key(*name)).collect();
    Ok(json!({"Crawlers": found, "CrawlersNotFound": missing}).to_string())
}

/// A page of crawlers, and the token of the next one.
fn page<'a>(catalog: &'a Catalog, call: &Call<'_>) -> Result<(Vec<&'a Crawler>, Option<String>), ApiError> {
    let size = input::page_size(call, 1000)?;
    let start = match paging::after(call.input, "crawlers")? {
        Some(last) => Bound::Excluded(last),
        None => Bound::Unbounded,
    };
    let mut rest = catalog.crawlers.range::<String, _>((start, Bound::Unbounded)).map(|(_, crawler)| crawler);
    let page: Vec<&Crawler> = rest.by_ref().take(size).collect();
    let next = rest.next().and(page.last()).map(|last| paging::token("crawlers", &last.name));
    Ok((page, next))
}

fn listed(member: &str, items: &[Value], next: Option<String>) -> String {
    let mut answer = json!({ member: items });
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    answer.to_string()
}

pub(super) fn get_all(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let (crawlers, next) = page(catalog, call)?;
    let all: Vec<Value> = crawlers.iter().map(|crawler| crawler.described(call.millis)).collect();
    Ok(listed("Crawlers", &all, next))
}

pub(super) fn list(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    if call.input.get("Tags").is_some_and(Value::is_object) {
        return Err(invalid("The local endpoint does not list crawlers by tag"));
    }
    let (crawlers, next) = page(catalog, call)?;
    let names: Vec<Value> = crawlers.iter().map(|crawler| json!(crawler.name)).collect();
    Ok(listed("CrawlerNames", &names, next))
}
