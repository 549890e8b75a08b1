//! What a team does with shadow tables: its work writes to them as engines do.

use std::collections::BTreeMap;

use aws_sdk_glue::types::PartitionInput;
use mizuumi_api::Installation;
use mizuumi_api::installation::{JobsProfile, Profile, Shadows};

use crate::aws::Aws;
use crate::kubelet::Container;
use crate::team::Team;

/// The Glue database of shadow tables: each team has an account of its own.
const DATABASE: &str = "shadows";

/// Lets runs write by name, in Jobs of Kubernetes whose image is `ingest`.
pub fn with_shadows(installation: &mut Installation) {
    let jobs = JobsProfile { service_account: "ingest".to_owned(), images: vec!["ingest".to_owned()] };
    let profile = installation.profiles.remove("default").unwrap_or_default();
    let profile = Profile { jobs: Some(jobs), ..profile };
    installation.profiles = BTreeMap::from([("default".to_owned(), profile)]);
    installation.shadows = Some(Shadows { database: DATABASE.to_owned() });
}

impl Team {
    /// The catalog of the team's shadow tables.
    #[must_use]
    pub fn shadows(&self) -> Aws {
        Aws { database: DATABASE.to_owned(), ..self.aws.clone() }
    }

    /// Makes their database.
    pub async fn create_shadows(&self) {
        self.aws.create_database(DATABASE).await;
    }

    /// The shadow tables that there are.
    pub async fn shadow_tables(&self) -> Vec<String> {
        self.shadows().all_tables().await.iter().map(|table| table.name().to_owned()).collect()
    }
}

/// Registers a partition of the table that a container is to write to, as the catalog clients of Hive and Spark do: where the
/// table says, with all that the table says of files.
pub async fn register(aws: &Aws, container: &Container, day: &str) {
    let (database, name) = container.env["MIZUUMI_OUTPUT_TABLE"].split_once('.').expect("database.table");
    let get = aws.glue.get_table().database_name(database).name(name).send().await.expect("the shadow");
    let mut storage = get.table.and_then(|table| table.storage_descriptor).expect("how it is stored");
    let location = storage.location.unwrap_or_default();
    storage.location = Some(format!("{}/day={day}", location.trim_end_matches('/')));
    let input = PartitionInput::builder().values(day).storage_descriptor(storage).build();
    let create = aws.glue.create_partition().database_name(database).table_name(name);
    create.partition_input(input).send().await.expect("the partition is registered");
}
