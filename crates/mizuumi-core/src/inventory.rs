//! What there is in AWS that no resource keeps: tables, prefixes, clusters.

use std::collections::{BTreeMap, BTreeSet};

use mizuumi_api::{EmrCluster, Installation};
use serde::Serialize;

use crate::data_table::definition::OWNER_PARAMETER;
use crate::data_table::{ObservedTable, TableKey, Tables};
use crate::emr_cluster::{ClusterKey, stem};
use crate::explain::Object;
use crate::kind::Kind;
use crate::{owner, s3_uri};

/// What there is that no resource keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inventory {
    /// Tables of the Glue databases.
    pub tables: Vec<Loose>,
    /// Prefixes in S3 under which no table has its data.
    pub prefixes: Vec<String>,
    /// EMR clusters that are alive.
    pub clusters: Vec<Loose>,
    /// What other installations keep by their marks.
    pub others: usize,
    /// What could not be read, so that more may belong here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
}

/// Something that no resource keeps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Loose {
    /// What it is called in AWS.
    pub name: String,
    /// Profile by which it was seen.
    pub profile: String,
    /// What is known of whose it was.
    pub why: String,
}

/// What resources keep.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The installation's id.
    installation: String,
    /// Its tables in Glue.
    tables: BTreeSet<TableKey>,
    /// What the names of its clusters begin with.
    stems: BTreeSet<String>,
    /// Where data is, whoever's table it is, and logs.
    locations: BTreeSet<String>,
}

/// What a prefix has to do with the places that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It belongs to one of them.
    Known,
    /// One of them lies within.
    Above,
    /// Neither.
    Loose,
}

impl Kept {
    /// Nothing yet but where an installation's logs go.
    #[must_use]
    pub fn new(installation: &Installation) -> Self {
        let logs =
            installation.profiles.values().filter_map(|profile| profile.emr.as_ref()?.log_uri.as_deref());
        Self {
            installation: installation.installation.clone(),
            locations: logs.map(s3_uri::canonical).collect(),
            ..Self::default()
        }
    }

    /// Takes a resource in.
    pub fn add(&mut self, object: &Object) {
        match object {
            Object::Table(table) => {
                self.tables.insert(Tables::key(table));
                self.locations.extend(table.spec.location.as_deref().map(s3_uri::canonical));
            }
            Object::Cluster(cluster) => {
                self.stems.insert(stem(&self.installation, &key(cluster)));
            }
            _ => {}
        }
    }

    /// Whether one of them bears this cluster's name.
    #[must_use]
    pub fn has_cluster(&self, name: &str) -> bool {
        self.stems.iter().any(|stem| name.starts_with(stem.as_str()))
    }

    /// What a prefix has to do with the places that are known.
    #[must_use]
    pub fn place(&self, prefix: &str) -> Place {
        if self.locations.iter().any(|known| s3_uri::lies_under(prefix, known)) {
            Place::Known
        } else if self.locations.iter().any(|known| s3_uri::lies_under(known, prefix)) {
            Place::Above
        } else {
            Place::Loose
        }
    }
}

fn key(cluster: &EmrCluster) -> ClusterKey {
    ClusterKey {
        namespace: cluster.metadata.namespace.clone().unwrap_or_default(),
        name: cluster.metadata.name.clone().unwrap_or_default(),
    }
}

impl Inventory {
    /// Takes the tables of a database in: those that no resource keeps are told, and where their data is, is known.
    pub fn add_tables(
        &mut self,
        kept: &mut Kept,
        profile: &str,
        database: &str,
        tables: &BTreeMap<String, ObservedTable>,
    ) {
        for (table, there) in tables {
            kept.locations.extend(there.definition.location.as_deref().map(s3_uri::canonical));
            let key =
                TableKey { profile: profile.to_owned(), database: database.to_owned(), table: table.clone() };
            if kept.tables.contains(&key) {
                continue;
            }
            let mark = there.definition.parameters.get(OWNER_PARAMETER).map(String::as_str);
            self.add(&kept.installation, key.to_string(), profile, mark, |inventory| &mut inventory.tables);
        }
    }

    /// Takes a cluster in that bears this mark, or none.
    pub fn add_cluster(&mut self, kept: &Kept, profile: &str, name: String, mark: Option<&str>) {
        if !kept.has_cluster(&name) {
            self.add(&kept.installation, name, profile, mark, |inventory| &mut inventory.clusters);
        }
    }

    fn add(
        &mut self,
        installation: &str,
        name: String,
        profile: &str,
        mark: Option<&str>,
        to: fn(&mut Self) -> &mut Vec<Loose>,
    ) {
        let is_ours = |mark: &str| mark.split('/').next() == Some(installation);
        let why = match mark {
            None => "it has no mark: no installation has ever kept it".to_owned(),
            Some(mark) if is_ours(mark) => {
                format!("its mark names {}, which is not there", owner::in_words(mark))
            }
            // Whether that one's resource is there is not to be seen from here.
            Some(_) => {
                self.others += 1;
                return;
            }
        };
        to(self).push(Loose { name, profile: profile.to_owned(), why });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::data_table::definition::TableDefinition;

    fn kept() -> Kept {
        let installation = "{installation: demo, aws: {region: us-east-1}, allow: {databases: [nyc, 'team_*'], s3Prefixes: ['s3://lake/']}}";
        let installation = Installation::from_yaml(installation).expect("installation");
        let mut kept = Kept::new(&installation);
        let table = json!({
            "apiVersion": "mizuumi.dev/v1alpha1", "kind": "DataTable", "metadata": { "namespace": "a", "name": "flights" },
            "spec": { "database": "nyc", "location": "s3://lake/nyc/flights" },
        });
        kept.add(&Object::Table(Box::new(serde_json::from_value(table).expect("a table"))));
        let cluster = json!({
            "apiVersion": "mizuumi.dev/v1alpha1", "kind": "EmrCluster", "metadata": { "namespace": "a", "name": "adhoc" },
            "spec": { "className": "c", "lifecycle": "WhenNeeded" },
        });
        kept.add(&Object::Cluster(Box::new(serde_json::from_value(cluster).expect("a cluster"))));
        kept
    }

    fn observed(mark: Option<&str>, location: &str) -> ObservedTable {
        let location = Some(location.to_owned());
        let definition = TableDefinition { location, ..TableDefinition::default() };
        let mut there = ObservedTable { definition, version: None };
        if let Some(mark) = mark {
            there.definition.parameters.insert(OWNER_PARAMETER.to_owned(), mark.to_owned());
        }
        there
    }

    #[test]
    fn tables_that_no_resource_keeps_are_told_with_whose_they_were() {
        let (mut kept, mut inventory) = (kept(), Inventory::default());
        let tables = [
            ("flights", observed(None, "s3://lake/nyc/flights/")),
            ("by_hand", observed(None, "s3://lake/by-hand/")),
            ("gone", observed(Some("demo/a/DataTable/gone@nyc.gone"), "s3://lake/gone/")),
            ("theirs", observed(Some("other/a/DataTable/theirs@nyc.theirs"), "s3://lake/theirs/")),
        ];
        let tables = tables.into_iter().map(|(name, table)| (name.to_owned(), table)).collect();
        inventory.add_tables(&mut kept, "default", "nyc", &tables);
        let told: Vec<(&str, bool)> = inventory
            .tables
            .iter()
            .map(|loose| (loose.name.as_str(), loose.why.contains("DataTable 'gone'")))
            .collect();
        assert_eq!((told, inventory.others), (vec![("nyc.by_hand", false), ("nyc.gone", true)], 1));
        // Whoever's a table is, its data has a table.
        for (prefix, place) in [
            ("s3://lake/", Place::Above),
            ("s3://lake/nyc/", Place::Above),
            ("s3://lake/nyc/flights/", Place::Known),
            ("s3://lake/nyc/flights/year=2013/", Place::Known),
            ("s3://lake/by-hand/", Place::Known),
            ("s3://lake/nyc/flights-old/", Place::Loose),
        ] {
            assert_eq!(kept.place(prefix), place, "{prefix}");
        }
    }

    #[test]
    fn clusters_are_known_by_the_stem_of_their_names() {
        let (kept, mut inventory) = (kept(), Inventory::default());
        let stem = stem("demo", &ClusterKey { namespace: "a".to_owned(), name: "adhoc".to_owned() });
        inventory.add_cluster(&kept, "default", format!("{stem}0badcafe"), Some("demo/a/EmrCluster/adhoc@x"));
        inventory.add_cluster(
            &kept,
            "default",
            "demo-old-01234567-0badcafe".to_owned(),
            Some("demo/a/EmrCluster/old@x"),
        );
        inventory.add_cluster(&kept, "default", "somebody's".to_owned(), None);
        let names: Vec<&str> = inventory.clusters.iter().map(|loose| loose.name.as_str()).collect();
        assert_eq!(names, ["demo-old-01234567-0badcafe", "somebody's"]);
    }
}
