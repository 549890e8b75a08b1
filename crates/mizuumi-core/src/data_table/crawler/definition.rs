//! How a crawler has to be, and what differs.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Crawling;
use crate::owner::OwnerKey;
use crate::s3_uri;

/// A crawler as it is to be, or as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrawlerDefinition {
    /// Its name.
    pub name: String,
    /// The mark of who keeps it, which is its description: `GetCrawler` answers no tags.
    pub mark: String,
    /// The role that it works with.
    pub role: String,
    /// The database that it writes to.
    pub database: String,
    /// What the names of its tables begin with.
    pub prefix: String,
    /// Where it looks; empty if that is not one place in S3.
    pub path: String,
    /// Files that it leaves out.
    pub exclusions: Vec<String>,
    /// How many files of a directory it looks at.
    pub sample_size: Option<i32>,
    /// Its `Configuration`, JSON.
    pub configuration: String,
    /// `RecrawlBehavior`, `UpdateBehavior` and `DeleteBehavior`.
    pub policies: [String; 3],
}

/// Everything anew, as new data may be anywhere; its own tables are brought up to date, and what is gone is only logged.
const POLICIES: [&str; 3] = ["CRAWL_EVERYTHING", "UPDATE_IN_DATABASE", "LOG"];

impl CrawlerDefinition {
    /// What differs, in words; none if nothing does.
    pub(super) fn changes(&self, to: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        let mut differs = |what: &str, is_same: bool, from: &dyn fmt::Display, to: &dyn fmt::Display| {
            if !is_same {
                changes.push(format!("{what} becomes {to}, and is {from}"));
            }
        };
        differs("path", s3_uri::same(&self.path, &to.path), &self.path, &to.path);
        differs("role", is_same_role(&self.role, &to.role), &self.role, &to.role);
        differs("database", self.database == to.database, &self.database, &to.database);
        differs("table prefix", self.prefix == to.prefix, &self.prefix, &to.prefix);
        let listed = |all: &[String]| if all.is_empty() { "none".to_owned() } else { all.join(", ") };
        let [from, wanted] = [&self.exclusions, &to.exclusions].map(|all| listed(all));
        differs("exclusions", from == wanted, &from, &wanted);
        let [from, wanted] = [self.sample_size, to.sample_size]
            .map(|size| size.map_or_else(|| "all files".to_owned(), |size| size.to_string()));
        differs("sample size", from == wanted, &from, &wanted);
        let [from, wanted] = [&self.configuration, &to.configuration].map(|text| grouping(text));
        differs("grouping", from == wanted, &from, &wanted);
        let [from, wanted] = [&self.policies, &to.policies].map(|all| all.join(", "));
        differs("policies", from == wanted, &from, &wanted);
        changes
    }
}

/// Glue answers a role by its name, whatever it was given.
fn is_same_role(has: &str, wanted: &str) -> bool {
    has == wanted || wanted.split_once(":role/").is_some_and(|(_, name)| name == has)
}

/// What a configuration says of how tables are made; Glue adds other things of its own.
fn grouping(configuration: &str) -> Value {
    let read: Option<Value> = serde_json::from_str(configuration).ok();
    read.and_then(|mut all| all.get_mut("Grouping").map(Value::take)).unwrap_or_default()
}

/// The crawler that a resource wants, to look there.
pub(super) fn definition(crawling: &Crawling, owner: &OwnerKey, path: &str) -> CrawlerDefinition {
    // "The level of the bucket is 1" (Glue developer guide, table location and partitioning level). One table is made there,
    // however files below it differ.
    let level = s3_uri::canonical(path).trim_end_matches('/').split('/').count().saturating_sub(2);
    let configuration = json!({
        "Version": 1.0,
        "Grouping": { "TableGroupingPolicy": "CombineCompatibleSchemas", "TableLevelConfiguration": level },
    });
    CrawlerDefinition {
        name: crawling.crawler.name.clone(),
        mark: owner.to_string(),
        role: crawling.role.clone(),
        database: crawling.crawler.database.clone().unwrap_or_default(),
        prefix: crawling.crawler.prefix.clone(),
        // With its final slash, so that it is no other place whose name begins so.
        path: s3_uri::canonical(path),
        exclusions: crawling.exclusions.clone(),
        sample_size: crawling.sample_size,
        configuration: configuration.to_string(),
        policies: POLICIES.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::super::CrawlerRef;
    use super::*;

    #[test]
    fn the_bucket_is_the_first_level_of_a_table() {
        let crawler = CrawlerRef { name: "c".into(), prefix: "p".into(), database: Some("d".into()) };
        let owner = OwnerKey {
            installation: "demo".into(),
            namespace: "team-a".into(),
            kind: "DataTable",
            name: "flights".into(),
            external: "nyc.flights".into(),
        };
        let crawling = Crawling {
            crawler,
            role: "arn:aws:iam::111122223333:role/service-role/crawler".into(),
            every: SignedDuration::ZERO,
            exclusions: Vec::new(),
            sample_size: None,
            requested: None,
        };
        for (path, level) in [("s3://lake/", 1), ("s3://lake/team/flights", 3)] {
            let made = definition(&crawling, &owner, path);
            assert_eq!(grouping(&made.configuration)["TableLevelConfiguration"], level, "{path}");
            // Glue answers the role's name, and a configuration of more than was given.
            let answered = CrawlerDefinition {
                role: "service-role/crawler".into(),
                configuration: made
                    .configuration
                    .replace("{\"Grouping", "{\"CreatePartitionIndex\":true,\"Grouping"),
                ..made.clone()
            };
            assert_eq!(answered.changes(&made), Vec::<String>::new());
            let other = CrawlerDefinition { sample_size: Some(3), role: "other".into(), ..answered };
            assert_eq!(other.changes(&made).len(), 2);
        }
    }
}
