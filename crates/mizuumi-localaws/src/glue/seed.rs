//! Many tables at once: for benchmarks, and as tables of somebody else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Call, Glue, Limits, Object};
use crate::protocol::ApiError;

/// What to make. The database is made if it is not there; tables that are there are left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
// The subcommand of that name has a group of that name.
#[group(skip)]
pub struct Seed {
    /// In this account; without it, in 123456789012.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// In this region; without it, in us-east-1.
    #[arg(long, env = "AWS_REGION")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// In this database.
    #[arg(long)]
    pub database: String,
    /// How many tables.
    #[arg(long)]
    pub tables: u32,
    /// Columns of each: c000, c001, … of types that take turns.
    #[arg(long, default_value_t = Seed::COLUMNS)]
    #[serde(default = "Seed::columns")]
    pub columns: u32,
    /// Tables are named by this and a number of six digits, from 000000.
    #[arg(long, default_value = Seed::PREFIX)]
    #[serde(default = "Seed::prefix")]
    pub prefix: String,
    /// Table parameters besides EXTERNAL and classification, as key=value; `{database}` and `{table}` stand for names.
    #[arg(long = "parameter", value_parser = pair, value_name = "KEY=VALUE")]
    #[serde(default, rename = "parameters", with = "pairs")]
    pub parameter: Vec<(String, String)>,
    /// Where the tables' data is said to be, each in a folder of its name; without it, `s3://seed/DATABASE/`.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("must be KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Pairs as a JSON object.
mod pairs {
    use super::BTreeMap;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(pairs: &[(String, String)], to: S) -> Result<S::Ok, S::Error> {
        pairs.iter().cloned().collect::<BTreeMap<String, String>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(String, String)>, D::Error> {
        BTreeMap::deserialize(from).map(|map: BTreeMap<String, String>| map.into_iter().collect())
    }
}

/// Types of seeded columns, by turns.
const TYPES: [&str; 8] =
    ["bigint", "string", "double", "timestamp", "decimal(10,2)", "date", "boolean", "array<string>"];

impl Seed {
    const COLUMNS: u32 = 40;
    const PREFIX: &str = "t";

    fn columns() -> u32 {
        Self::COLUMNS
    }

    fn prefix() -> String {
        Self::PREFIX.to_owned()
    }

    /// The name of a table.
    pub(crate) fn table(&self, number: u32) -> String {
        format!("{}{number:06}", self.prefix)
    }

    /// The `CreateTable` request of a table.
    pub(crate) fn request(&self, number: u32) -> Value {
        let table = self.table(number);
        let columns: Vec<Value> = (0..self.columns)
            .zip(TYPES.iter().cycle())
            .map(|(column, kind)| json!({"Name": format!("c{column:03}"), "Type": kind}))
            .collect();
        let mut parameters = json!({"EXTERNAL": "TRUE", "classification": "parquet"});
        for (key, value) in &self.parameter {
            parameters[key] = json!(value.replace("{database}", &self.database).replace("{table}", &table));
        }
        let location = self.location.as_deref().map(|location| location.trim_end_matches('/').to_owned());
        let location = location.unwrap_or_else(|| format!("s3://seed/{}", self.database));
        json!({"DatabaseName": self.database, "TableInput": {
            "Name": table,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": parameters,
            "StorageDescriptor": {
                "Columns": columns,
                "Location": format!("{location}/{table}/"),
                "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                "SerdeInfo": {
                    "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
                    "Parameters": {"serialization.format": "1"},
                },
            },
        }})
    }
}

/// What a seed came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Seeded {
    /// Tables made.
    created: u32,
    /// Tables that were there.
    existing: u32,
}

impl Glue {
    /// Makes the tables. Neither the call log nor the audit knows of it: nobody called.
    pub(crate) fn seed(&self, seed: &Seed, now: i64) -> Result<Seeded, ApiError> {
        let account = seed.account.as_deref().unwrap_or(crate::sigv4::DEFAULT_ACCOUNT);
        let region = seed.region.as_deref().unwrap_or(crate::sigv4::DEFAULT_REGION);
        let caller = format!("arn:aws:iam::{account}:user/seed");
        let carry_out = |operation: &str, input: &Object| {
            self.call(operation, &mut Call::new(input, account, region, &caller, now, Limits::default()))
        };
        let made = |result: Result<String, ApiError>| match result {
            Ok(_) => Ok(true),
            Err(error) if error.code == "AlreadyExistsException" => Ok(false),
            Err(error) => Err(error),
        };
        let no_input = Object::new();
        let database = json!({"DatabaseInput": {"Name": seed.database}});
        made(carry_out("CreateDatabase", database.as_object().unwrap_or(&no_input)))?;
        let mut seeded = Seeded::default();
        for number in 0..seed.tables {
            let request = seed.request(number);
            if made(carry_out("CreateTable", request.as_object().unwrap_or(&no_input)))? {
                seeded.created += 1;
            } else {
                seeded.existing += 1;
            }
        }
        Ok(seeded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_tables_once_and_in_its_own_account() {
        let glue = Glue::default();
        let seed = json!({"database": "Db", "tables": 3, "columns": 2, "account": "111122223333",
            "parameters": {"mizuumi.owner": "x/ns/DataTable/n@{database}.{table}"}});
        let seed: Seed = serde_json::from_value(seed).unwrap();
        assert_eq!(glue.seed(&seed, 0).unwrap(), Seeded { created: 3, existing: 0 });
        assert_eq!(glue.seed(&seed, 0).unwrap(), Seeded { created: 0, existing: 3 });
        let input = json!({"DatabaseName": "db", "Name": "t000002"});
        let input = input.as_object().unwrap();
        let mut call = Call::new(input, "111122223333", "us-east-1", "me", 0, Limits::default());
        let table: Value = serde_json::from_str(&glue.call("GetTable", &mut call).unwrap()).unwrap();
        let table = &table["Table"];
        assert_eq!(table["Parameters"]["mizuumi.owner"], "x/ns/DataTable/n@Db.t000002");
        assert_eq!(table["StorageDescriptor"]["Columns"][1], json!({"Name": "c001", "Type": "string"}));
        let mut call = Call::new(input, "444455556666", "us-east-1", "me", 0, Limits::default());
        assert_eq!(glue.call("GetTable", &mut call).unwrap_err().code, "EntityNotFoundException");
    }
}
