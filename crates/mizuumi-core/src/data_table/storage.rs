//! What each file format expands to, so that Athena, Hive and Spark all read it.
//!
//! The classes are those that Athena's documentation lists for each format and that Hive ships.

use std::collections::BTreeMap;

use mizuumi_api::data_table::{Format, Storage};

use super::definition::Serde;

/// Input format, output format, serde, and Glue's `classification`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageClasses {
    /// Java class of the input format.
    pub input_format: String,
    /// Java class of the output format.
    pub output_format: String,
    /// The serde.
    pub serde: Serde,
    /// The table parameter `classification`, where there is a word.
    pub classification: Option<&'static str>,
}

pub(super) const TEXT_INPUT: &str = "org.apache.hadoop.mapred.TextInputFormat";
const TEXT_OUTPUT: &str = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat";
const LAZY_SIMPLE: &str = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe";

impl StorageClasses {
    /// The classes of a format.
    #[must_use]
    pub fn of_format(format: Format, overrides: Option<&BTreeMap<String, String>>) -> Self {
        let (input, output, library, parameters, classification) = match format {
            Format::Parquet => (
                "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
                &[("serialization.format", "1")][..],
                "parquet",
            ),
            Format::Orc => (
                "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat",
                "org.apache.hadoop.hive.ql.io.orc.OrcOutputFormat",
                "org.apache.hadoop.hive.ql.io.orc.OrcSerde",
                &[("serialization.format", "1")][..],
                "orc",
            ),
            // The schema that readers look for is made from the columns.
            Format::Avro => (
                "org.apache.hadoop.hive.ql.io.avro.AvroContainerInputFormat",
                "org.apache.hadoop.hive.ql.io.avro.AvroContainerOutputFormat",
                super::avro::SERDE,
                &[("serialization.format", "1")][..],
                "avro",
            ),
            Format::Csv => (
                TEXT_INPUT,
                TEXT_OUTPUT,
                LAZY_SIMPLE,
                &[("field.delim", ","), ("serialization.format", ",")][..],
                "csv",
            ),
            // hcatalog's serde is the one of the two that both Athena and plain Hive have.
            Format::Json => (
                TEXT_INPUT,
                TEXT_OUTPUT,
                "org.apache.hive.hcatalog.data.JsonSerDe",
                &[("serialization.format", "1")][..],
                "json",
            ),
            Format::Text => {
                (TEXT_INPUT, TEXT_OUTPUT, LAZY_SIMPLE, &[("serialization.format", "1")][..], "text")
            }
        };
        let mut parameters: BTreeMap<String, String> =
            parameters.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        parameters.extend(overrides.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
        Self {
            input_format: input.to_owned(),
            output_format: output.to_owned(),
            serde: Serde { name: None, library: Some(library.to_owned()), parameters },
            classification: Some(classification),
        }
    }

    /// The classes that a spec names itself.
    #[must_use]
    pub fn explicit(storage: &Storage) -> Self {
        Self {
            input_format: storage.input_format.clone(),
            output_format: storage.output_format.clone(),
            serde: Serde {
                name: None,
                library: Some(storage.serde.library.clone()),
                parameters: storage.serde.parameters.clone().unwrap_or_default(),
            },
            classification: None,
        }
    }
}
