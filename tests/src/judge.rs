//! The verdict from outside: the endpoint's audit, Glue and the apiserver; never the controller's own word.

use std::collections::BTreeMap;

use aws_sdk_glue::types::{StorageDescriptor, Table};
use kube::ResourceExt as _;
use kube::api::ListParams;
use mizuumi_api::data_table::PartitionMode;
use mizuumi_api::{ConditionStatus, DataTable};

use crate::admin::Write;
use crate::aws::parameters;
use crate::kubernetes::condition;
use crate::team::Team;

/// The parameter that says whose a table is.
const OWNER: &str = "mizuumi.owner";
/// Tables of others, which nobody may touch: without any mark, and with the mark of another installation.
const THEIRS: [&str; 2] = ["bystander_unmarked", "bystander_marked"];

/// What can be said against an end, each in a sentence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// What should be there and is not, or is not as it should be.
    pub lost: Vec<String>,
    /// What was done twice.
    pub doubled: Vec<String>,
    /// What was done to what is not ours.
    pub foreign: Vec<String>,
}

impl Finding {
    /// Whether nothing can be said against it.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty() && self.foreign.is_empty()
    }

    /// Takes up another's.
    pub fn add(&mut self, other: Self) {
        self.lost.extend(other.lost);
        self.doubled.extend(other.doubled);
        self.foreign.extend(other.foreign);
    }

    /// Effects that were had more often than where nothing disturbed. To put a partition where it is already, or to delete
    /// data that is gone, is no effect, so those do not count.
    pub fn repeated(&mut self, reference: &BTreeMap<String, usize>, effects: &BTreeMap<String, usize>) {
        let more: Vec<String> = effects
            .iter()
            .filter(|(effect, _)| {
                !effect.starts_with("BatchUpdatePartition") && !effect.starts_with("DeleteObjects")
            })
            .filter_map(|(effect, times)| {
                let expected = reference.get(effect).copied().unwrap_or_default();
                (*times > expected).then(|| format!("{effect} {times} times instead of {expected}"))
            })
            .collect();
        if !more.is_empty() {
            self.doubled.push(format!("{} effects too many: {}", more.len(), more.join(", ")));
        }
    }
}

/// Somebody who knows a team's account from the beginning.
pub struct Witness {
    team: Team,
    theirs: Vec<Table>,
    adopted: Vec<String>,
    excused: Vec<String>,
}

impl Witness {
    /// Puts tables of others beside those of the team and remembers what they are.
    pub async fn of(team: &Team) -> Self {
        let mark = format!("other/their-ns/DataTable/theirs@{}.{}", team.aws.database, THEIRS[1]);
        team.aws.create_table(THEIRS[0], &[("theirs", "a")]).await;
        team.aws.create_table(THEIRS[1], &[(OWNER, &mark)]).await;
        let theirs = vec![team.aws.existing(THEIRS[0]).await, team.aws.existing(THEIRS[1]).await];
        Self { team: team.clone(), theirs, adopted: Vec::new(), excused: Vec::new() }
    }

    /// A table that the team takes over on purpose.
    pub fn adopts(&mut self, table: &str) {
        self.adopted.push(table.to_owned());
    }

    /// An object that need not be ready: that it says so is the point.
    pub fn excuses(&mut self, object: &str) {
        self.excused.push(object.to_owned());
    }

    /// All that can be said against the account and the namespace as they are now, when nothing is under way.
    pub async fn judge(&self) -> Finding {
        let mut finding = Finding::default();
        let mut objects =
            self.team.tables.list(&ListParams::default()).await.expect("the objects are listed").items;
        objects.retain(|object| object.spec.profile == self.team.profile);
        for object in &objects {
            self.judge_object(object, &mut finding).await;
        }
        self.judge_orphans(&objects, &mut finding).await;
        self.judge_writes(&mut finding).await;
        for before in &self.theirs {
            if self.team.aws.table(before.name()).await.as_ref() != Some(before) {
                finding.foreign.push(format!("{} is not as its owner left it", before.name()));
            }
        }
        let unversioned = self.team.admin.witness("updateTableWithoutVersion").await;
        if unversioned > 0 {
            finding.foreign.push(format!("{unversioned} UpdateTable without a version"));
        }
        finding
    }

    /// An object must be ready, and its table as its spec.
    async fn judge_object(&self, object: &DataTable, finding: &mut Finding) {
        let name = object.name_any();
        if self.excused.contains(&name) {
            return;
        }
        let ready = condition(object, "Ready");
        let is_ready = ready.is_some_and(|ready| {
            ready.status == ConditionStatus::True
                && Some(ready.observed_generation) == object.metadata.generation
        });
        if !is_ready {
            let says = ready.map(|ready| format!("{}: {}", ready.reason, ready.message));
            finding.lost.push(format!("{name} is not ready: {}", says.unwrap_or_default()));
            return;
        }
        let table = table_of(object);
        let Some(found) = self.team.aws.table(&table).await else {
            finding.lost.push(format!("{name} says Ready and there is no table {table}"));
            return;
        };
        let mut differs = differences(object, &found);
        differs.extend(self.partitions(object, &table).await);
        if parameters(&found).get(OWNER) != Some(&self.mark(&name, &table)) {
            differs.push("the owner mark".to_owned());
        }
        if !differs.is_empty() {
            finding.lost.push(format!("{name} says Ready and these differ: {}", differs.join(", ")));
        }
    }

    async fn partitions(&self, object: &DataTable, table: &str) -> Option<String> {
        let policy = object.spec.partitions.as_ref()?;
        if policy.mode != PartitionMode::Declared {
            return None;
        }
        let mut wanted: Vec<_> = policy
            .declared
            .iter()
            .flatten()
            .map(|declared| (declared.values.join("/"), declared.location.clone()))
            .collect();
        wanted.sort();
        let there = self.team.aws.partitions(table).await;
        let same = wanted.len() == there.len()
            && wanted.iter().zip(&there).all(|((values, location), partition)| {
                let at = partition.storage_descriptor().and_then(|storage| storage.location());
                *values == partition.values().join("/")
                    && location.as_deref().is_none_or(|wanted| same_place(at.unwrap_or_default(), wanted))
            });
        (!same).then(|| format!("partitions {there:?}"))
    }

    /// A table with our mark belongs to an object that is there.
    async fn judge_orphans(&self, objects: &[DataTable], finding: &mut Finding) {
        for table in self.team.aws.all_tables().await {
            let marks = parameters(&table);
            let Some(mark) = marks.get(OWNER).filter(|mark| mark.starts_with(&self.prefix())) else {
                continue;
            };
            if !objects.iter().any(|object| *mark == self.mark(&object.name_any(), &table_of(object))) {
                finding.lost.push(format!("table {} is marked as {mark}, which is gone", table.name()));
            }
        }
    }

    async fn judge_writes(&self, finding: &mut Finding) {
        let mut there: BTreeMap<&str, bool> = BTreeMap::new();
        let writes = self.team.admin.all_writes().await;
        for write in writes.iter().filter(|write| write.operation.ends_with("Table")) {
            let exists = write.operation != "DeleteTable";
            let existed = there.insert(&write.resource, exists);
            if write.operation == "CreateTable" && existed == Some(true) {
                finding.doubled.push(format!("{} was created twice", write.resource));
            }
        }
        for write in writes.iter().filter(|write| write.is_ours() && write.existed) {
            let marked = write.owner_before.as_deref().is_some_and(|mark| mark.starts_with(&self.prefix()));
            let adopted = self.adopted.iter().any(|table| write.resource.ends_with(&format!(".{table}")));
            if !marked && !adopted {
                let owner = write.owner_before.as_deref().unwrap_or("nobody");
                finding.foreign.push(format!("{} of {}, kept by {owner}", write.operation, write.resource));
            }
        }
    }

    /// How often each effect was had, in words that do not depend on the team.
    #[must_use]
    pub fn effects(team: &Team, writes: &[Write]) -> BTreeMap<String, usize> {
        let mut effects = BTreeMap::new();
        for write in writes {
            let what = timeless(&write.resource)
                .replace(&team.aws.database, "DATABASE")
                .replace(&team.aws.bucket, "BUCKET");
            *effects.entry(format!("{} {what}", write.operation)).or_default() += 1;
        }
        effects
    }

    fn prefix(&self) -> String {
        format!("tests/{}/DataTable/", self.team.namespace)
    }

    fn mark(&self, object: &str, table: &str) -> String {
        format!("{}{object}@{}.{table}", self.prefix(), self.team.aws.database)
    }
}

/// A key without the time since when nothing points to a run, which differs each time.
pub(crate) fn timeless(key: &str) -> String {
    const MARK: &str = ".superseded.";
    key.find(MARK).map_or_else(|| key.to_owned(), |at| key[..at + MARK.len()].to_owned())
}

/// The Glue table that an object speaks of.
pub(crate) fn table_of(object: &DataTable) -> String {
    object.spec.name.clone().unwrap_or_else(|| object.name_any().replace(['-', '.'], "_"))
}

fn same_place(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

/// In what a table is not as a spec says; partitions apart.
fn differences(object: &DataTable, table: &Table) -> Vec<String> {
    let spec = &object.spec;
    let storage = table.storage_descriptor();
    let mut differs = Vec::new();
    if spec.description.is_some() && spec.description.as_deref() != table.description() {
        differs.push(format!("description {:?}", table.description()));
    }
    let is_published = spec.partitions.as_ref().is_some_and(|p| p.mode == PartitionMode::Published);
    let location = spec.location.clone().unwrap_or_default();
    let root = location.trim_end_matches('/');
    let wanted = if is_published { format!("{root}/head/") } else { location.clone() };
    if !same_place(storage.and_then(|storage| storage.location()).unwrap_or_default(), &wanted) {
        differs.push("location".to_owned());
    }
    let wanted = spec
        .schema
        .iter()
        .flat_map(|schema| schema.columns.iter().flatten())
        .map(|column| (column.name.as_str(), column.type_.as_str()));
    let there = storage.map(StorageDescriptor::columns).unwrap_or_default();
    if !wanted.eq(there.iter().map(|column| (column.name(), column.r#type().unwrap_or_default()))) {
        differs.push("columns".to_owned());
    }
    let marks = parameters(table);
    let own = spec.parameters.iter().flatten();
    differs.extend(own.filter(|(key, value)| marks.get(*key) != Some(value)).map(|(key, _)| key.clone()));
    differs
}
