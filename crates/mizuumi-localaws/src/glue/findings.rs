//! What crawlers find, as the admin API says, and the tables that they write of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Call, Catalog, Glue, Object, tables};
use crate::protocol::ApiError;

/// What there is to find at a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Finding {
    /// In this account; without it, in 123456789012.
    account: Option<String>,
    /// In this region; without it, in us-east-1.
    region: Option<String>,
    /// Where: `s3://bucket/prefix/`. A table is named by its last part.
    location: String,
    /// Columns, each a name and a Hive type.
    #[serde(default)]
    columns: Vec<(String, String)>,
    /// Partition keys, each a name and a Hive type.
    #[serde(default)]
    partition_keys: Vec<(String, String)>,
    /// What the crawler takes the files for.
    #[serde(default = "parquet")]
    classification: String,
    /// Parameters of the serde, such as `avro.schema.literal`.
    #[serde(default)]
    serde_parameters: BTreeMap<String, String>,
    /// Crawls that come here fail with this message.
    pub(super) fail: Option<String>,
}

fn parquet() -> String {
    "parquet".to_owned()
}

/// Time that passes for the crawls of an account, so that nobody has to wait for it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Aging {
    account: Option<String>,
    region: Option<String>,
    /// So many seconds.
    seconds: i64,
}

impl Finding {
    pub(super) fn lies_under(&self, path: &str) -> bool {
        let plain = |text: &str| format!("{}/", text.trim_end_matches('/'));
        plain(&self.location).starts_with(&plain(path))
    }

    /// The `CreateTable` request of the table. Its form is that of tables that real crawlers made; names are in lower case,
    /// and what is neither letter nor digit becomes `_`.
    pub(super) fn request(&self, database: &str, prefix: &str, crawler: &str) -> Value {
        let folder = self.location.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        let name = format!("{prefix}{}", folder.chars().map(plain).collect::<String>());
        let columns = |all: &[(String, String)]| -> Vec<Value> {
            all.iter().map(|(name, kind)| json!({"Name": name, "Type": kind})).collect()
        };
        let mut parameters = json!({
            "CrawlerSchemaDeserializerVersion": "1.0", "CrawlerSchemaSerializerVersion": "1.0",
            "UPDATED_BY_CRAWLER": crawler, "classification": self.classification,
            "averageRecordSize": "55", "compressionType": "none", "objectCount": "1", "recordCount": "1",
            "sizeKey": "55", "typeOfData": "file",
        });
        for (key, value) in &self.serde_parameters {
            parameters[key] = json!(value);
        }
        json!({"DatabaseName": database, "TableInput": {
            "Name": name, "Owner": "owner", "Retention": 0, "TableType": "EXTERNAL_TABLE",
            "PartitionKeys": columns(&self.partition_keys),
            "Parameters": parameters.clone(),
            "StorageDescriptor": {
                "Columns": columns(&self.columns),
                "Location": format!("{}/", self.location.trim_end_matches('/')),
                "NumberOfBuckets": -1,
                "SerdeInfo": {"Parameters": self.serde_parameters},
                "Parameters": parameters,
            },
        }})
    }
}

/// Writes a table that a crawler found, over the one that is there.
pub(super) fn write(catalog: &mut Catalog, call: &Call<'_>, request: &Value) -> Result<(), ApiError> {
    let no_input = Object::new();
    let input = request.as_object().unwrap_or(&no_input);
    let caller = format!("arn:aws:sts::{}:assumed-role/crawler/AWS-Crawler", call.account);
    let again = || Call {
        millis: call.millis,
        moment: call.moment,
        ..Call::new(input, call.account, call.region, &caller, call.now, call.limits)
    };
    match tables::create(catalog, &mut again()) {
        Err(error) if error.code == "AlreadyExistsException" => {
            tables::update(catalog, &mut again()).map(drop)
        }
        done => done.map(drop),
    }
}

impl Glue {
    /// Says what crawlers find at a place, from now on.
    pub(crate) fn find(&self, finding: Finding) {
        let place = place(finding.account.as_deref(), finding.region.as_deref());
        let catalog = self.catalogs.hold().entry(place).or_default().clone();
        let mut catalog = catalog.hold();
        catalog.findings.retain(|known| known.location != finding.location);
        catalog.findings.push(finding);
    }

    /// Has all crawls that are over have been so much longer ago.
    pub(crate) fn age_crawls(&self, aging: &Aging) {
        let place = place(aging.account.as_deref(), aging.region.as_deref());
        let catalog = self.catalogs.hold().entry(place).or_default().clone();
        for crawler in catalog.hold().crawlers.values_mut() {
            crawler.updated -= aging.seconds;
            if let Some(last) = &mut crawler.last {
                last.started -= aging.seconds;
            }
        }
    }
}

fn place(account: Option<&str>, region: Option<&str>) -> (String, String) {
    let account = account.unwrap_or(crate::sigv4::DEFAULT_ACCOUNT);
    (account.to_owned(), region.unwrap_or(crate::sigv4::DEFAULT_REGION).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::glue::Limits;

    struct Local(Glue);

    impl Local {
        fn at(&self, millis: i64, operation: &str, input: &Value) -> Result<Value, String> {
            let input = input.as_object().unwrap();
            let mut call =
                Call::new(input, "111122223333", "us-east-1", "me", millis / 1000, Limits::default());
            call.millis = millis;
            let answer = self.0.call(operation, &mut call).map_err(|error| error.code)?;
            Ok(serde_json::from_str(&answer).unwrap())
        }

        fn state(&self, millis: i64) -> Value {
            self.at(millis, "GetCrawler", &json!({"Name": "c"})).unwrap()["Crawler"]["State"].clone()
        }
    }

    #[test]
    fn a_crawler_runs_stops_and_writes_what_it_finds() {
        let local = Local(Glue::default());
        local.at(0, "CreateDatabase", &json!({"DatabaseInput": {"Name": "crawls"}})).unwrap();
        let finding = json!({"account": "111122223333", "location": "s3://lake/a/Orders-1/",
            "columns": [["Id", "bigint"]], "partitionKeys": [["day", "string"]]});
        local.0.find(serde_json::from_value(finding).unwrap());
        let crawler = json!({"Name": "c", "Role": "arn:aws:iam::111122223333:role/service-role/crawler",
            "DatabaseName": "crawls", "TablePrefix": "p_", "Targets": {"S3Targets": [{"Path": "s3://lake/a"}]}});
        local.at(0, "CreateCrawler", &crawler).unwrap();
        assert_eq!(local.at(0, "CreateCrawler", &crawler), Err("AlreadyExistsException".to_owned()));
        let name = json!({"Name": "c"});
        assert_eq!(local.at(0, "StopCrawler", &name), Err("CrawlerNotRunningException".to_owned()));
        local.at(10_000, "StartCrawler", &name).unwrap();
        assert_eq!(local.state(10_100), "RUNNING");
        for operation in ["StartCrawler", "UpdateCrawler", "DeleteCrawler"] {
            assert_eq!(local.at(10_100, operation, &name), Err("CrawlerRunningException".to_owned()));
        }
        assert_eq!(local.state(10_450), "STOPPING");
        assert_eq!(local.at(10_450, "StopCrawler", &name), Err("CrawlerStoppingException".to_owned()));
        let table = json!({"DatabaseName": "crawls", "Name": "p_orders_1"});
        let table = local.at(10_700, "GetTable", &table).unwrap()["Table"].clone();
        assert_eq!(table["Parameters"]["UPDATED_BY_CRAWLER"], "c");
        assert_eq!(table["StorageDescriptor"]["Columns"][0]["Name"], "id", "Glue folds names");
        let crawler = local.at(10_700, "GetCrawler", &name).unwrap()["Crawler"].clone();
        assert_eq!((&crawler["State"], &crawler["Role"]), (&json!("READY"), &json!("service-role/crawler")));
        assert_eq!(crawler["LastCrawl"]["Status"], "SUCCEEDED");
        local.at(20_000, "StartCrawler", &name).unwrap();
        local.at(20_100, "StopCrawler", &name).unwrap();
        let crawler = local.at(21_000, "GetCrawler", &name).unwrap()["Crawler"].clone();
        assert_eq!(crawler["LastCrawl"]["Status"], "CANCELLED");
        let fails = json!({"account": "111122223333", "location": "s3://lake/a/Orders-1/", "fail": "no"});
        local.0.find(serde_json::from_value(fails).unwrap());
        local.at(30_000, "StartCrawler", &name).unwrap();
        let crawler = local.at(31_000, "GetCrawler", &name).unwrap()["Crawler"].clone();
        assert_eq!(crawler["LastCrawl"]["ErrorMessage"], "no");
        assert_eq!(local.at(31_000, "ListCrawlers", &json!({})).unwrap()["CrawlerNames"], json!(["c"]));
        local.at(31_000, "DeleteCrawler", &name).unwrap();
        assert_eq!(local.at(31_000, "GetCrawler", &name), Err("EntityNotFoundException".to_owned()));
    }
}
