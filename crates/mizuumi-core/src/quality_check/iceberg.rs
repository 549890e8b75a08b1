//! How many rows an Iceberg table has, by its metadata file: no data is read.

use serde::Deserialize;

/// The parameter of a Glue table that says where its metadata file is (Iceberg, `BaseMetastoreTableOperations`).
pub const METADATA_PARAMETER: &str = "metadata_location";
/// Why the number of rows of any other table is not known.
pub const UNCOUNTED: &str =
    "only an Iceberg table says how many rows it has without their being read; the engine Athena counts them";
/// A metadata file of more bytes is not read: it keeps every snapshot that has not expired.
pub const LARGEST: i64 = 32 * 1024 * 1024;

/// What of the metadata matters (Iceberg table spec, "Table metadata fields" and "Snapshots").
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Metadata {
    #[serde(default)]
    current_snapshot_id: Option<i64>,
    #[serde(default)]
    snapshots: Vec<Snapshot>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Snapshot {
    snapshot_id: i64,
    #[serde(default)]
    summary: Option<Summary>,
}

/// Numbers are texts in it, and all of it is optional.
#[derive(Debug, Default, Deserialize)]
struct Summary {
    #[serde(rename = "total-records")]
    records: Option<String>,
    #[serde(rename = "total-position-deletes")]
    position_deletes: Option<String>,
    #[serde(rename = "total-equality-deletes")]
    equality_deletes: Option<String>,
}

/// The rows of the current snapshot.
///
/// # Errors
/// Why the metadata does not say, in words.
pub fn rows(metadata: &[u8]) -> Result<u64, String> {
    // `write.metadata.compression-codec=gzip`.
    if metadata.starts_with(&[0x1f, 0x8b]) {
        return Err("the table's metadata file is compressed; the engine Athena counts the rows".to_owned());
    }
    let metadata: Metadata = serde_json::from_slice(metadata)
        .map_err(|error| format!("the table's metadata file cannot be read: {error}"))?;
    // Of a table that nobody has written to yet there is none, or -1 by version 1.
    let Some(id) = metadata.current_snapshot_id.filter(|id| *id != -1) else { return Ok(0) };
    let current = metadata.snapshots.into_iter().find(|snapshot| snapshot.snapshot_id == id);
    let current = current.ok_or("the table's metadata file lacks its current snapshot")?;
    let Summary { records, position_deletes, equality_deletes } = current.summary.unwrap_or_default();
    let number = |text: &str| {
        text.parse::<u64>()
            .map_err(|_| format!("the table's current snapshot has '{text}' where a number is to be"))
    };
    for deleted in [position_deletes, equality_deletes].into_iter().flatten() {
        // A row may be deleted by several files, or by none that still has it.
        if number(&deleted)? > 0 {
            return Err("rows of it were deleted by delete files, which only a query can count; the engine Athena does".to_owned());
        }
    }
    let records = records.ok_or("the table's current snapshot does not say how many records it has")?;
    number(&records)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(summary: &Value) -> Result<u64, String> {
        let metadata = json!({
            "format-version": 2, "current-snapshot-id": 2,
            "snapshots": [
                { "snapshot-id": 1, "summary": { "operation": "append", "total-records": "3" } },
                { "snapshot-id": 2, "summary": summary },
            ],
        });
        rows(metadata.to_string().as_bytes())
    }

    #[test]
    fn the_current_snapshot_says_it() {
        let appended = json!({ "total-records": "336776", "total-position-deletes": "0", "total-equality-deletes": "0" });
        assert_eq!(of(&appended), Ok(336_776));
        assert_eq!(of(&json!({ "total-records": "0" })), Ok(0));
        for empty in [json!({}), json!({ "current-snapshot-id": -1 }), json!({ "current-snapshot-id": null })]
        {
            assert_eq!(rows(empty.to_string().as_bytes()), Ok(0), "{empty}");
        }
    }

    #[test]
    fn what_it_does_not_say_is_not_guessed() {
        let why = |summary: Value| of(&summary).expect_err("not known");
        assert!(why(json!({})).contains("does not say"));
        assert!(why(json!({ "total-records": "many" })).contains("'many'"));
        assert!(why(json!({ "total-records": "9", "total-position-deletes": "1" })).contains("Athena"));
        assert!(why(json!({ "total-records": "9", "total-equality-deletes": "2" })).contains("delete files"));
        assert!(rows(&[0x1f, 0x8b, 8]).expect_err("gzip").contains("compressed"));
        assert!(rows(b"{").expect_err("no JSON").contains("cannot be read"));
        let lost = json!({ "current-snapshot-id": 7, "snapshots": [] });
        assert!(rows(lost.to_string().as_bytes()).expect_err("lost").contains("lacks"));
    }
}
