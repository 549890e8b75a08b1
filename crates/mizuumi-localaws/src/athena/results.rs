//! `GetQueryResults`: pages of rows, the first of which begins with the names of the columns.

use serde_json::{Value, json};

use super::executions::State;
use super::{Answer, Call, Region, invalid, page, required};

/// `MaxResults` at most (botocore athena/2017-05-18, `MaxQueryResults`).
const PAGE: usize = 1_000;

/// What a query answered.
#[derive(Debug, Default, Clone)]
pub(super) struct Table {
    /// `Name` and `Type` of each column.
    pub(super) columns: Vec<Value>,
    /// Rows of values; none is NULL.
    pub(super) rows: Vec<Vec<Option<String>>>,
}

pub(super) fn get(region: &mut Region, call: &mut Call<'_>) -> Answer {
    let id = required(call.input, "QueryExecutionId")?;
    let execution = region.execution(id)?;
    let table = match &execution.state {
        State::Succeeded(table) => table,
        state @ (State::Queued | State::Running) => {
            return Err(invalid(format!("Query has not yet finished. Current state: {}", state.name())));
        }
        state => {
            return Err(invalid(format!(
                "Query did not finish successfully. Final query state: {}",
                state.name()
            )));
        }
    };
    let named = |column: &Value| Some(column["Name"].as_str().unwrap_or_default().to_owned());
    let header: Vec<Option<String>> = table.columns.iter().map(named).collect();
    let all: Vec<&Vec<Option<String>>> = std::iter::once(&header).chain(&table.rows).collect();
    let (rows, next) = page(call, &all, PAGE)?;
    let datum = |value: &Option<String>| match value {
        Some(text) => json!({ "VarCharValue": text }),
        None => json!({}),
    };
    let told: Vec<Value> =
        rows.iter().map(|row| json!({ "Data": row.iter().map(datum).collect::<Vec<_>>() })).collect();
    let columns: Vec<Value> = table
        .columns
        .iter()
        .map(|column| {
            json!({
                "CatalogName": "hive", "SchemaName": "", "TableName": "", "Name": column["Name"],
                "Label": column["Name"], "Type": column["Type"], "Precision": 0, "Scale": 0,
                "Nullable": "UNKNOWN", "CaseSensitive": column["Type"] == "varchar",
            })
        })
        .collect();
    Ok(json!({
        "UpdateCount": 0,
        "ResultSet": { "Rows": told, "ResultSetMetadata": { "ColumnInfo": columns } },
        "NextToken": next,
    }))
}
