//! The objects of a run: made, changed and taken away by the thousand.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::Request;
use kube::{Api, Resource as _};
use mizuumi_api::DataTable;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::settings::{Settings, Size};
use super::watch::{Applied, Light};
use crate::team::Team;

/// Requests at once: enough to keep an apiserver busy, few enough to leave it its order.
const AT_ONCE: usize = 32;
/// The label that all objects of a run carry.
const LABEL: &str = "bench.mizuumi.dev/run";
/// The field manager of what a user would apply.
const MANAGER: &str = "bench";

const TYPES: [&str; 8] =
    ["bigint", "string", "int", "double", "boolean", "timestamp", "decimal(18,4)", "array<string>"];
const WORDS: [&str; 16] = [
    "order", "customer", "session", "page", "price", "amount", "region", "device", "campaign", "product",
    "visit", "score", "status", "channel", "currency", "country",
];

/// A team's objects, all of one kind and size.
pub(crate) struct Fleet {
    pub(crate) team: Team,
    pub(crate) size: Size,
    namespaces: Vec<String>,
    per_database: usize,
    columns: usize,
    seed: u64,
}

/// Where an object is and what it is called.
struct Place {
    namespace: String,
    name: String,
    database: String,
}

impl Fleet {
    /// Namespaces and databases for so many objects; nothing else yet.
    pub(crate) async fn new(settings: &Settings, size: Size) -> Result<Self> {
        let team = Team::new("bench").await;
        let namespaces = (0..settings.namespaces.max(1)).map(|n| format!("{}-{n}", team.namespace)).collect();
        let fleet = Self {
            team,
            size,
            namespaces,
            per_database: settings.per_database.max(1),
            columns: settings.columns.max(1),
            seed: settings.seed,
        };
        for name in &fleet.namespaces {
            make_namespace(&fleet.team, name).await?;
        }
        for number in 0..fleet.databases() {
            fleet.team.aws.create_database(&fleet.database(number)).await;
        }
        Ok(fleet)
    }

    /// What selects the objects of this run, the single ones included.
    pub(crate) fn label(&self) -> String {
        format!("{LABEL}={}", self.team.account)
    }

    /// All namespaces, that of the single objects included.
    pub(crate) fn namespaces(&self) -> Vec<String> {
        self.namespaces.iter().cloned().chain([self.team.namespace.clone()]).collect()
    }

    const fn databases(&self) -> usize {
        self.size.0.div_ceil(self.per_database)
    }

    fn database(&self, number: usize) -> String {
        format!("{}_{number}", self.team.aws.database)
    }

    /// Pages of one list of all databases, with so many single tables in a database of their own.
    pub(crate) fn pages(&self, singles: usize) -> usize {
        let full = self.size.0 / self.per_database * self.per_database.div_ceil(100);
        full + (self.size.0 % self.per_database).div_ceil(100) + singles.div_ceil(100)
    }

    /// Databases that hold tables.
    pub(crate) fn databases_used(&self, singles: usize) -> usize {
        self.databases() + usize::from(singles > 0)
    }

    fn place(&self, index: usize) -> Place {
        Place {
            namespace: self.namespaces[index % self.namespaces.len()].clone(),
            name: format!("table-{index:06}"),
            database: self.database(index / self.per_database),
        }
    }

    fn single(&self, number: usize) -> Place {
        Place {
            namespace: self.team.namespace.clone(),
            name: format!("single-{number:06}"),
            database: self.team.aws.database.clone(),
        }
    }

    /// The Glue database and table of an object.
    pub(crate) fn table(&self, index: usize) -> (String, String) {
        let place = self.place(index);
        (place.database, place.name.replace('-', "_"))
    }

    /// The last table of each database, so that whoever reads in order comes to it last.
    pub(crate) fn last_of_each_database(&self) -> BTreeSet<usize> {
        (1..=self.databases()).map(|number| (number * self.per_database).min(self.size.0) - 1).collect()
    }

    /// Creates all objects, as they are after so many changes.
    pub(crate) async fn create_all(&self, revision: u32) -> Result<Vec<Applied>> {
        self.each(|index| async move {
            let place = self.place(index);
            let body = serde_json::to_vec(&self.manifest(&place, index, revision))?;
            let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
            let request = Request::new(path(&place.namespace)).create(&params, body)?;
            let made: Light = self.team.client.request(request).await?;
            Ok(applied(&place, &made))
        })
        .await
    }

    /// Changes the comment of one column of each object.
    pub(crate) async fn change_all(&self, revision: u32) -> Result<Vec<Applied>> {
        self.each(|index| async move {
            let place = self.place(index);
            self.apply(&place, &self.manifest(&place, index, revision)).await
        })
        .await
    }

    /// Applies a new single object, in a namespace and a database beside those of all others.
    pub(crate) async fn apply_single(&self, number: usize) -> Result<Applied> {
        let place = self.single(number);
        self.apply(&place, &self.manifest(&place, self.size.0 + number, 0)).await
    }

    async fn apply(&self, place: &Place, manifest: &Value) -> Result<Applied> {
        let params = PatchParams::apply(MANAGER).force();
        let request =
            Request::new(path(&place.namespace)).patch(&place.name, &params, &Patch::Apply(manifest))?;
        let after: Light = self.team.client.request(request).await?;
        Ok(applied(place, &after))
    }

    /// Takes all objects away as the loss of a cluster does: the controller, which is stopped, does nothing for it.
    pub(crate) async fn wipe(&self) -> Result<()> {
        let all = stream::iter(&self.namespaces).map(|namespace| async move {
            let api = Api::<DataTable>::namespaced(self.team.client.clone(), namespace);
            api.delete_collection(&DeleteParams::default(), &ListParams::default()).await.map(drop)
        });
        all.buffer_unordered(AT_ONCE).try_collect::<()>().await.context("the objects cannot be deleted")?;
        let none = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
        self.each(|index| {
            let none = &none;
            async move {
                let place = self.place(index);
                let api = Api::<DataTable>::namespaced(self.team.client.clone(), &place.namespace);
                match api.patch_metadata(&place.name, &PatchParams::default(), none).await {
                    Err(error) if !matches!(&error, kube::Error::Api(answer) if answer.code == 404) => {
                        Err(error)?
                    }
                    _ => Ok(applied_nothing(&place)),
                }
            }
        })
        .await
        .context("the finalizers cannot be taken off")?;
        Ok(())
    }

    /// Changes tables as another program would, past the controller.
    pub(crate) async fn meddle(&self, tables: &BTreeSet<usize>) {
        let meddling = stream::iter(tables).map(|index| async move {
            let (database, table) = self.table(*index);
            let mut aws = self.team.aws.clone();
            aws.database = database;
            aws.set_parameter(&table, "classification", Some("meddled")).await;
        });
        meddling.buffer_unordered(16).collect::<()>().await;
    }

    /// Does something for each object, many at once; answers in the order of the objects.
    async fn each<F: Future<Output = Result<Applied>>>(
        &self,
        work: impl Fn(usize) -> F,
    ) -> Result<Vec<Applied>> {
        stream::iter(0..self.size.0).map(work).buffered(AT_ONCE).try_collect().await
    }

    /// A manifest of about 4 kB, the same for the same seed.
    fn manifest(&self, place: &Place, index: usize, revision: u32) -> Value {
        let mut random = StdRng::seed_from_u64(self.seed.wrapping_mul(1_000_003).wrapping_add(index as u64));
        let mut word = || WORDS[random.random_range(0..WORDS.len())];
        let columns: Vec<Value> = (0..self.columns)
            .map(|number| {
                let (one, two) = (word(), word());
                let mut comment = format!("The {one}'s {two} as the source system tells it.");
                if number == 0 && revision > 0 {
                    comment = format!("Changed {revision} times.");
                }
                let type_ = TYPES[(index + number) % TYPES.len()];
                json!({ "name": format!("{one}_{two}_{number:02}"), "type": type_, "comment": comment })
            })
            .collect();
        json!({
            "apiVersion": DataTable::api_version(&()),
            "kind": DataTable::kind(&()),
            "metadata": {
                "name": place.name,
                "namespace": place.namespace,
                "labels": { LABEL: self.team.account },
            },
            "spec": {
                "database": place.database,
                "description": format!("Table {index} of a benchmark."),
                "location": self.team.location(&place.name),
                "format": "parquet",
                "schema": { "from": "Declared", "columns": columns },
            },
        })
    }
}

fn applied(place: &Place, object: &Light) -> Applied {
    let key = format!("{}/{}", place.namespace, place.name);
    Applied { key, generation: object.generation(), at: Instant::now() }
}

fn applied_nothing(place: &Place) -> Applied {
    Applied { key: format!("{}/{}", place.namespace, place.name), generation: 0, at: Instant::now() }
}

fn path(namespace: &str) -> String {
    DataTable::url_path(&(), Some(namespace))
}

/// Makes a namespace.
pub(crate) async fn make_namespace(team: &Team, name: &str) -> Result<()> {
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(name.to_owned());
    let api: Api<Namespace> = Api::all(team.client.clone());
    api.create(&PostParams::default(), &namespace).await.context("a namespace cannot be made")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_make_names_that_glue_takes() {
        for word in WORDS {
            assert!(word.bytes().all(|byte| byte.is_ascii_lowercase()));
        }
    }
}
