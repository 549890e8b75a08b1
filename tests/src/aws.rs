//! AWS as a team's other programs use it: Glue, S3 and Athena through their SDKs, beside the controller.

use aws_config::{BehaviorVersion, Region};
use aws_sdk_athena::types::{ResultConfiguration, WorkGroupConfiguration};
use aws_sdk_glue::config::Credentials;
use aws_sdk_glue::operation::get_table::GetTableError;
use aws_sdk_glue::types::{
    Column, DatabaseInput, Partition, PartitionInput, SerDeInfo, StorageDescriptor, Table, TableInput,
};
use aws_sdk_s3::primitives::ByteStream;

/// Glue and S3 in one account, with one database and one bucket.
#[derive(Clone, Debug)]
pub struct Aws {
    /// Athena.
    pub athena: aws_sdk_athena::Client,
    /// EMR.
    pub emr: aws_sdk_emr::Client,
    /// Glue.
    pub glue: aws_sdk_glue::Client,
    /// S3.
    pub s3: aws_sdk_s3::Client,
    /// The Glue database.
    pub database: String,
    /// The bucket.
    pub bucket: String,
}

impl Aws {
    pub(crate) async fn new(url: &str, account: &str, database: &str, bucket: &str) -> Self {
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(url)
            .credentials_provider(Credentials::new(account, "local", None, None, "tests"))
            .load()
            .await;
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        Self {
            athena: aws_sdk_athena::Client::new(&config),
            emr: aws_sdk_emr::Client::new(&config),
            glue: aws_sdk_glue::Client::new(&config),
            s3: aws_sdk_s3::Client::from_conf(s3),
            database: database.to_owned(),
            bucket: bucket.to_owned(),
        }
    }

    /// Makes a Glue database.
    pub async fn create_database(&self, name: &str) {
        let input = DatabaseInput::builder().name(name).build().expect("a database");
        self.glue.create_database().database_input(input).send().await.expect("the database is made");
    }

    /// Deletes the database, with all tables in it.
    pub async fn delete_database(&self) {
        let delete = self.glue.delete_database().name(&self.database);
        delete.send().await.expect("the database is deleted");
    }

    /// Makes a workgroup of Athena whose queries may scan so much, with results beside the data.
    pub async fn create_workgroup(&self, name: &str, most_bytes: Option<i64>) {
        let results = ResultConfiguration::builder()
            .output_location(format!("s3://{}/athena-results/", self.bucket))
            .build();
        let configuration = WorkGroupConfiguration::builder()
            .enforce_work_group_configuration(true)
            .set_bytes_scanned_cutoff_per_query(most_bytes)
            .result_configuration(results)
            .build();
        let create = self.athena.create_work_group().name(name).configuration(configuration);
        create.send().await.expect("the workgroup is made");
    }

    /// The queries of a workgroup, the newest first.
    pub async fn queries(&self, workgroup: &str) -> Vec<String> {
        let list = self.athena.list_query_executions().work_group(workgroup).send().await;
        list.expect("the queries").query_execution_ids.unwrap_or_default()
    }

    /// Makes the bucket.
    pub async fn create_bucket(&self) {
        self.s3.create_bucket().bucket(&self.bucket).send().await.expect("the bucket is made");
    }

    /// Writes an object.
    pub async fn put(&self, key: &str, body: impl AsRef<[u8]>) {
        let body = ByteStream::from(body.as_ref().to_vec());
        self.s3
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .body(body)
            .send()
            .await
            .expect("the object is put");
    }

    /// What an object says, in words.
    pub async fn get(&self, key: &str) -> String {
        let object = self.s3.get_object().bucket(&self.bucket).key(key).send().await;
        let body =
            object.unwrap_or_else(|error| panic!("{key} cannot be read: {error:?}")).body.collect().await;
        String::from_utf8_lossy(&body.expect("the object is read").into_bytes()).into_owned()
    }

    /// Deletes an object.
    pub async fn delete_object(&self, key: &str) {
        self.s3.delete_object().bucket(&self.bucket).key(key).send().await.expect("the object is deleted");
    }

    /// The keys that begin so, as far as one page tells.
    pub async fn keys(&self, prefix: &str) -> Vec<String> {
        let answer = self.s3.list_objects_v2().bucket(&self.bucket).prefix(prefix).send().await;
        let answer = answer.expect("the bucket is listed");
        answer.contents().iter().filter_map(|object| object.key()).map(str::to_owned).collect()
    }

    /// A table of the database, or none.
    pub async fn table(&self, name: &str) -> Option<Table> {
        match self.glue.get_table().database_name(&self.database).name(name).send().await {
            Ok(answer) => answer.table,
            Err(error)
                if error.as_service_error().is_some_and(GetTableError::is_entity_not_found_exception) =>
            {
                None
            }
            Err(error) => panic!("GetTable {name}: {error:?}"),
        }
    }

    /// All tables of the database; none if there is no database.
    pub async fn all_tables(&self) -> Vec<Table> {
        let pages = self.glue.get_tables().database_name(&self.database).into_paginator().send();
        // Without the database there are none, which is an error to Glue.
        let pages: Vec<_> = pages.collect::<Result<_, _>>().await.unwrap_or_default();
        pages.into_iter().flat_map(|page| page.table_list.unwrap_or_default()).collect()
    }

    /// The columns of an existing table, each as `name type`.
    pub async fn columns(&self, table: &str) -> Vec<String> {
        let storage = self.existing(table).await.storage_descriptor;
        let columns = storage.and_then(|storage| storage.columns).unwrap_or_default();
        let words = |column: &Column| format!("{} {}", column.name(), column.r#type().unwrap_or_default());
        columns.iter().map(words).collect()
    }

    /// A table that must be there.
    pub async fn existing(&self, name: &str) -> Table {
        self.table(name).await.unwrap_or_else(|| panic!("Glue has no table {name}"))
    }

    /// A parameter of a table that must be there.
    pub async fn parameter(&self, table: &str, key: &str) -> Option<String> {
        parameters(&self.existing(table).await).get(key).cloned()
    }

    /// How many archived versions a table has, the current one included.
    pub async fn versions(&self, table: &str) -> usize {
        let answer = self.glue.get_table_versions().database_name(&self.database).table_name(table);
        answer.send().await.expect("the versions are listed").table_versions().len()
    }

    /// All partitions of a table, in the order of their values.
    pub async fn partitions(&self, table: &str) -> Vec<Partition> {
        let pages =
            self.glue.get_partitions().database_name(&self.database).table_name(table).into_paginator();
        let pages: Vec<_> = pages.send().collect::<Result<_, _>>().await.expect("the partitions are listed");
        let mut all: Vec<Partition> =
            pages.into_iter().flat_map(|page| page.partitions.unwrap_or_default()).collect();
        all.sort_by(|a, b| a.values().cmp(b.values()));
        all
    }

    /// The values of all partitions of a table.
    pub async fn partition_values(&self, table: &str) -> Vec<String> {
        self.partitions(table).await.iter().map(|partition| partition.values().join("/")).collect()
    }

    /// Makes a table as another program would, with these parameters.
    pub async fn create_table(&self, name: &str, parameters: &[(&str, &str)]) {
        let column =
            |name: &str, type_: &str| Column::builder().name(name).r#type(type_).build().expect("a column");
        let storage = StorageDescriptor::builder()
            .columns(column("theirs", "string"))
            .location(format!("s3://{}/{name}/", self.bucket))
            .serde_info(SerDeInfo::builder().serialization_library("org.example.Serde").build())
            .build();
        let mut input =
            TableInput::builder().name(name).table_type("EXTERNAL_TABLE").storage_descriptor(storage);
        for (key, value) in parameters {
            input = input.parameters(*key, *value);
        }
        let input = input.build().expect("a table");
        let create = self.glue.create_table().database_name(&self.database).table_input(input);
        create.send().await.expect("the table is made");
    }

    /// Registers a partition as another program would.
    pub async fn create_partition(&self, table: &str, values: &[&str], location: &str) {
        let storage = StorageDescriptor::builder().location(location).build();
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        let input = PartitionInput::builder().set_values(Some(values)).storage_descriptor(storage).build();
        let create = self.glue.create_partition().database_name(&self.database).table_name(table);
        create.partition_input(input).send().await.expect("the partition is made");
    }

    /// Changes a table as another program would: reads it, changes it, writes it.
    pub async fn meddle(&self, name: &str, change: impl FnOnce(Table) -> Table) {
        let table = change(self.existing(name).await);
        let input = TableInput::builder()
            .name(table.name())
            .set_description(table.description)
            .set_owner(table.owner)
            .retention(table.retention)
            .set_storage_descriptor(table.storage_descriptor)
            .set_partition_keys(table.partition_keys)
            .set_table_type(table.table_type)
            .set_parameters(table.parameters)
            .set_view_original_text(table.view_original_text)
            .set_view_expanded_text(table.view_expanded_text)
            .build()
            .expect("a table");
        let update = self.glue.update_table().database_name(&self.database).table_input(input);
        update.send().await.expect("the table is changed");
    }

    /// Sets or drops a parameter of a table as another program would.
    pub async fn set_parameter(&self, table: &str, key: &str, value: Option<&str>) {
        self.meddle(table, |mut table| {
            let parameters = table.parameters.get_or_insert_default();
            match value {
                Some(value) => parameters.insert(key.to_owned(), value.to_owned()),
                None => parameters.remove(key),
            };
            table
        })
        .await;
    }

    /// Deletes a table as another program would.
    pub async fn delete_table(&self, name: &str) {
        let delete = self.glue.delete_table().database_name(&self.database).name(name);
        delete.send().await.expect("the table is deleted");
    }
}

pub(crate) fn parameters(table: &Table) -> std::collections::HashMap<String, String> {
    table.parameters().cloned().unwrap_or_default()
}

pub(crate) fn parameters_of(partition: &Partition) -> std::collections::HashMap<String, String> {
    partition.parameters().cloned().unwrap_or_default()
}

/// A table without what differs between two equal ones: times and the version.
#[must_use]
pub fn bare(mut table: Table) -> Table {
    table.create_time = None;
    table.update_time = None;
    table.version_id = None;
    table
}
