//! `DataTable`: what it wants, what was seen, what to do, what to say.

pub mod avro;
mod avro_evolution;
mod avro_learning;
pub mod avsc;
pub mod avsc_from;
pub mod cascade;
pub mod clock;
pub mod crawler;
pub mod definition;
pub mod desired;
pub mod diff;
pub mod evolution;
pub mod files;
pub mod import;
pub mod indexes;
pub mod layout;
pub mod learning;
pub mod link;
pub mod lint;
pub mod looks;
pub mod merge;
pub mod partitions;
pub mod plan;
pub mod projection;
pub mod publishing;
pub mod quality;
pub mod report;
pub mod simulate;
pub mod step;
pub mod storage;
pub mod superseded;
pub mod versions;
pub mod view;
pub mod world;

use std::fmt;

use jiff::Timestamp;
use mizuumi_api::data_table::{DataTable, DataTableStatus, DeletionPolicy, LinkStatus, ManagementPolicy};
use mizuumi_api::{Condition, Installation, installation};

pub use definition::{Column, Serde, TableDefinition};
pub use desired::{DesiredTable, Mode};
pub use publishing::{Asked, RunsOfTable};
pub use quality::{CheckVerdict, TableQuality};
pub use step::TableStep;
pub use world::{ObservedPartition, ObservedTable, PartitionValues, TableLook, TableWorld};

use avsc_from::SeenAvsc;
use crawler::CrawlerRef;
use desired::PartitionPolicy;
use learning::{Learning, Source};

use crate::kind::{DataDue, Evidence, Kind};
use crate::owner::OwnerKey;
use crate::plan::{Goal, Plan};
use crate::problem::Problem;

/// The kind.
#[derive(Debug)]
pub struct Tables;

/// Which Glue table, and with whose credentials.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableKey {
    /// Profile of the installation's configuration.
    pub profile: String,
    /// Glue database.
    pub database: String,
    /// Glue table.
    pub table: String,
}

impl fmt::Display for TableKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.table)
    }
}

/// Who claims a table, and which parameters a release takes off it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableClaim {
    /// The owner key.
    pub owner: OwnerKey,
    /// Names of the freshness parameters, which must not go on telling of a table that nobody keeps.
    pub freshness_parameters: Vec<String>,
    /// Whether the policy lets the controller write at all.
    pub may_write: bool,
    /// The crawler that goes with the table, if it may have one.
    pub crawler: Option<CrawlerRef>,
    /// The link that was made, as far as is remembered.
    pub link: Option<LinkStatus>,
    /// The region that it is in.
    pub region: String,
}

/// What other resources have to do with a table.
#[derive(Clone, Debug, Default)]
pub struct TableAround {
    /// The runs that are for it, once they are known.
    pub runs: Option<RunsOfTable>,
    /// What the ConfigMap says that its columns come from, once it was read.
    pub avsc: Option<SeenAvsc>,
    /// What its checks say, once they are known.
    pub quality: Option<TableQuality>,
}

/// What a goal for a table is.
pub type TableGoal = Goal<DesiredTable, TableClaim>;

/// The name that a resource's table has in Glue.
#[must_use]
pub fn table_name(object: &DataTable) -> String {
    object.spec.name.clone().unwrap_or_else(|| name_of(object).replace(['-', '.'], "_"))
}

fn name_of(object: &DataTable) -> &str {
    object.metadata.name.as_deref().unwrap_or_default()
}

fn owner_of(object: &DataTable, installation: &Installation) -> OwnerKey {
    OwnerKey {
        installation: installation.installation.clone(),
        namespace: object.metadata.namespace.clone().unwrap_or_default(),
        kind: "DataTable",
        name: name_of(object).to_owned(),
        external: Tables::key(object).to_string(),
    }
}

impl Kind for Tables {
    type Object = DataTable;
    type Around = TableAround;
    type Status = DataTableStatus;
    type Key = TableKey;
    type Desired = DesiredTable;
    type Claim = TableClaim;
    type Look = TableLook;
    type World = TableWorld;
    type Step = TableStep;

    const NAME: &'static str = "DataTable";

    fn key(object: &DataTable) -> TableKey {
        // Database and name are immutable, so the spec names what was claimed, whatever else is wrong with it.
        TableKey {
            profile: object.spec.profile.clone().unwrap_or_else(|| installation::DEFAULT_PROFILE.to_owned()),
            database: object.spec.database.clone(),
            table: table_name(object),
        }
    }

    fn goal(object: &DataTable, installation: &Installation) -> Result<TableGoal, Vec<Problem>> {
        let owner = owner_of(object, installation);
        if object.metadata.deletion_timestamp.is_none() {
            return DesiredTable::new(object, installation, owner).map(Goal::Present);
        }
        // What this installation may not touch it may not release or delete either; the object goes all the same.
        let mut refused = Vec::new();
        desired::check_identity(&object.spec, installation, &mut refused);
        let may_write = object.spec.management_policy == ManagementPolicy::Full && refused.is_empty();
        let parameters = &installation.freshness_parameters;
        let claim = TableClaim {
            crawler: crawler::of_claim(object, installation, &owner),
            owner,
            freshness_parameters: vec![
                parameters.loaded_at.clone(),
                parameters.data_time.clone(),
                parameters.fresh_until.clone(),
            ],
            may_write,
            link: object.status.as_ref().and_then(|status| status.link.clone()),
            region: installation.aws.region.clone(),
        };
        let gone = may_write && object.spec.deletion_policy == DeletionPolicy::Delete;
        Ok(if gone { Goal::Absent(claim) } else { Goal::Released(claim) })
    }

    fn heed(goal: &mut TableGoal, object: &DataTable, around: TableAround) {
        let Goal::Present(desired) = goal else { return };
        desired.quality = around.quality;
        if let (Some(PartitionPolicy::Published(published)), Some(runs)) =
            (&mut desired.partitions, around.runs)
        {
            let told = object.status.as_ref().map(|status| status.publications.as_slice());
            published.ask(runs, told.unwrap_or_default());
        }
        if let Some(Learning { source: Source::Avsc(from), .. }) = &mut desired.learning {
            from.read = around.avsc;
        }
    }

    fn look(goal: &TableGoal) -> TableLook {
        match goal {
            Goal::Present(desired) => desired.look(),
            Goal::Absent(claim) => TableLook {
                crawler: claim.crawler.as_ref().map(|all| all.look(&claim.owner, true)),
                ..TableLook::default()
            },
            // Partitions carry the mark too.
            Goal::Released(claim) => TableLook {
                partitions: claim.may_write,
                crawler: claim
                    .crawler
                    .as_ref()
                    .filter(|_| claim.may_write)
                    .map(|all| all.look(&claim.owner, true)),
                ..TableLook::default()
            },
        }
    }

    fn may_write(goal: &TableGoal) -> bool {
        match goal {
            Goal::Present(desired) => desired.mode == Mode::Full,
            Goal::Absent(claim) | Goal::Released(claim) => claim.may_write,
        }
    }

    fn plan(goal: &TableGoal, world: &TableWorld, now: Timestamp) -> Plan<TableStep> {
        plan::plan(goal, world, now)
    }

    fn report(
        object: &DataTable,
        goal: Option<&TableGoal>,
        evidence: &Evidence<TableWorld, TableStep>,
        now: Timestamp,
    ) -> DataTableStatus {
        report::report(object, goal, evidence, now)
    }

    fn conditions(status: &DataTableStatus) -> &[Condition] {
        &status.conditions
    }

    fn event_reason(step: &TableStep) -> &'static str {
        step.event_reason()
    }

    fn rests_on_data(step: &TableStep) -> bool {
        step.rests_on_data()
    }

    fn next_look(goal: &TableGoal, world: &TableWorld, now: Timestamp) -> Option<DataDue> {
        looks::next_look(goal, world, now)
    }

    fn next_flip(object: &DataTable, status: &DataTableStatus, now: Timestamp) -> Option<Timestamp> {
        clock::next_flip(object, status, now)
    }
}
