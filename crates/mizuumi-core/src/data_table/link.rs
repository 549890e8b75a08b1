//! Links: other names of tables, which Glue keeps as resource links.
//!
//! What Glue answers for a link are the properties of its target, and an update of a link is one of the target (AWS Lake
//! Formation, "Resource link handling in AWS Glue APIs"). So a link carries no mark and is never updated: it is made and
//! deleted. That it is this resource's is remembered in the status, before it is made, and proven by what Glue says itself:
//! what it stands for, and when it was made.

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::data_table::{AdoptionPolicy, LinkStatus, LinkTo};
use mizuumi_api::{Installation, Reason, annotation};
use serde::{Deserialize, Serialize};

use super::TableClaim;
use super::desired::{DesiredTable, Mode, Report};
use super::step::TableStep;
use super::world::TableWorld;
use crate::approval;
use crate::plan::{Plan, Verdict};
use crate::problem::Problem;

/// So far the clocks of Glue and of this machine may be apart.
const APART: SignedDuration = SignedDuration::from_mins(5);

/// A link as a spec wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredLink {
    /// What it is to stand for.
    pub to: LinkTo,
    /// The region that it is in.
    pub region: String,
    /// The link that was made here, as far as is remembered.
    pub made: Option<LinkStatus>,
}

/// A link as Glue has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedLink {
    /// Account of the catalog of what it stands for.
    pub catalog: Option<String>,
    /// Database of what it stands for.
    pub database: String,
    /// Name of what it stands for.
    pub table: String,
    /// Region of what it stands for.
    pub region: Option<String>,
    /// Account of its own catalog.
    pub own_catalog: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
}

/// The link that a spec asks for, checked.
pub(super) fn checked(
    to: &LinkTo,
    made: Option<&LinkStatus>,
    installation: &Installation,
    problems: &mut Vec<Problem>,
) -> DesiredLink {
    if !installation.allows_link(to) {
        problems.push(Problem::not_allowed(
            "spec.linkTo",
            format!(
                "installation '{}' may not make links to {}: its `allow.links` does not list it; ask the platform team",
                installation.installation,
                in_words(to)
            ),
        ));
    }
    DesiredLink { to: to.clone(), region: installation.aws.region.clone(), made: made.cloned() }
}

/// What a link stands for, in words.
#[must_use]
pub fn in_words(to: &LinkTo) -> String {
    let account = to.catalog_id.as_ref().map(|account| format!(" of account {account}")).unwrap_or_default();
    let region = to.region.as_ref().map(|region| format!(" in {region}")).unwrap_or_default();
    format!("'{}.{}'{account}{region}", to.database, to.table)
}

impl ObservedLink {
    /// Whether it stands for a table, seen from a region.
    #[must_use]
    pub fn is_to(&self, to: &LinkTo, own_region: &str) -> bool {
        let catalog = to.catalog_id.as_ref().or(self.own_catalog.as_ref());
        let there = self.catalog.as_ref().or(self.own_catalog.as_ref());
        let region = |region: Option<&String>| region.map_or(own_region, String::as_str).to_owned();
        there == catalog
            && self.database == to.database
            && self.table == to.table
            && region(self.region.as_ref()) == region(to.region.as_ref())
    }

    /// What it stands for, as a spec would say it.
    #[must_use]
    pub fn to(&self, own_region: &str) -> LinkTo {
        LinkTo {
            catalog_id: self.catalog.clone().filter(|catalog| Some(catalog) != self.own_catalog.as_ref()),
            database: self.database.clone(),
            table: self.table.clone(),
            region: self.region.clone().filter(|region| region != own_region),
        }
    }

    /// Whether it is the one that is remembered: it stands for the same, and was made at the same time, or since that was about
    /// to be done.
    #[must_use]
    pub fn is(&self, made: &LinkStatus, own_region: &str) -> bool {
        let is_of_that_time = match (made.created_at, self.created) {
            (Some(then), Some(created)) => then == created,
            (None, Some(created)) => created >= made.asked_at.checked_sub(APART).unwrap_or(Timestamp::MIN),
            (_, None) => false,
        };
        is_of_that_time && self.is_to(&made.to, own_region)
    }
}

/// What to do about a link that is to be there.
pub(super) fn presence(
    desired: &DesiredTable,
    link: &DesiredLink,
    world: &TableWorld,
    mut first: Vec<TableStep>,
    now: Timestamp,
) -> Plan<TableStep> {
    let external = &desired.owner.external;
    let region = link.region.as_str();
    let Some(have) = &world.table else {
        // Where a status is kept, it remembers the link before there is one.
        let is_remembered =
            link.made.as_ref().is_some_and(|made| made.to == link.to && made.created_at.is_none());
        let has_a_status = desired.mode == Mode::Full && desired.report != Report::NotAtHand;
        let message = format!("link '{external}' does not exist yet");
        if has_a_status && !is_remembered {
            return Plan { wake_at: Some(now), ..Plan::converge(Reason::Creating, message, first) };
        }
        first.push(TableStep::CreateLink(link.to.clone()));
        return Plan::converge(Reason::Creating, message, first);
    };
    let Some(there) = &have.definition.link else {
        return Plan::blocked(
            Reason::ReplacementRequired,
            format!(
                "Glue table '{external}' is no link, and the spec says one; it does not become one in place. Make a resource of \
                 another name, or delete the table first; nothing was changed"
            ),
        );
    };
    let is_ours = link.made.as_ref().is_some_and(|made| there.is(made, region));
    if there.is_to(&link.to, region) {
        return match (is_ours, desired.adoption, desired.mode) {
            (true, ..) | (_, AdoptionPolicy::IfUnowned, _) | (.., Mode::ObserveOnly) => Plan::in_sync(None),
            (false, AdoptionPolicy::Never, _) => Plan::blocked(
                Reason::NotAdopted,
                format!(
                    "link '{external}' exists and is not known to be made by this resource; to take it over set \
                     `spec.adoptionPolicy: IfUnowned`, nothing was changed"
                ),
            ),
        };
    }
    let is = there.to(region);
    if !is_ours {
        return Plan::blocked(
            Reason::OwnedByAnother,
            format!(
                "link '{external}' is one to {}, and not known to be made by this resource; delete it, or make a resource of \
                 another name, nothing was changed",
                in_words(&is)
            ),
        );
    }
    let delete = TableStep::DeleteLink(there.clone());
    let hash = approval::hash(
        &desired.owner,
        std::iter::once(["linkTo".to_owned(), in_words(&is), in_words(&link.to)]),
    );
    if desired.approved.contains(&hash) {
        return Plan::converge(Reason::Updating, delete.to_string(), vec![delete]);
    }
    Plan::blocked(
        Reason::ApprovalRequired,
        format!(
            "link '{external}' is one to {} and stays so until this is approved, by '{hash}' in `spec.approvals` or in the \
             annotation '{}': it is deleted and made anew to {}, and who reads it meanwhile finds nothing",
            in_words(&is),
            annotation::APPROVE,
            in_words(&link.to)
        ),
    )
}

/// What to do about a link that is to be gone, if it is one.
pub(super) fn absence(claim: &TableClaim, world: &TableWorld) -> Option<Plan<TableStep>> {
    let there = world.table.as_ref()?.definition.link.as_ref()?;
    let Some(made) = &claim.link else { return Some(Plan::in_sync(None)) };
    let external = &claim.owner.external;
    if there.is(made, &claim.region) {
        let message = format!("link '{external}' is being deleted");
        return Some(Plan::converge(Reason::Deleting, message, vec![TableStep::DeleteLink(there.clone())]));
    }
    Some(Plan::blocked(
        Reason::OwnedByAnother,
        format!(
            "link '{external}' is not the one that this resource made: it stands for {}, or was made at another time; it is \
             kept. To let the resource go without it, set the annotation '{}' to 'true'",
            in_words(&there.to(&claim.region)),
            annotation::ABANDON
        ),
    ))
}

/// What is to be remembered of a link.
pub(super) fn remembered(
    desired: &DesiredTable,
    world: &TableWorld,
    plan: &Plan<TableStep>,
    now: Timestamp,
) -> Option<LinkStatus> {
    let link = desired.link.as_ref()?;
    let before = link.made.clone();
    let there = world.table.as_ref().and_then(|table| table.definition.link.as_ref());
    match (there, &plan.verdict) {
        (Some(there), Verdict::InSync) if desired.mode != Mode::ObserveOnly => Some(LinkStatus {
            to: link.to.clone(),
            asked_at: before
                .filter(|before| there.is(before, &link.region))
                .map_or(now, |before| before.asked_at),
            created_at: there.created,
        }),
        (None, Verdict::Converging(Reason::Creating, _)) if desired.mode == Mode::Full => Some(
            before
                .filter(|before| before.to == link.to && before.created_at.is_none())
                .unwrap_or(LinkStatus { to: link.to.clone(), asked_at: now, created_at: None }),
        ),
        _ => before,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn to(catalog: Option<&str>, region: Option<&str>) -> LinkTo {
        LinkTo {
            catalog_id: catalog.map(str::to_owned),
            database: "ref".to_owned(),
            table: "codes".to_owned(),
            region: region.map(str::to_owned),
        }
    }

    fn seen(catalog: Option<&str>, region: Option<&str>) -> ObservedLink {
        ObservedLink {
            catalog: catalog.map(str::to_owned),
            database: "ref".to_owned(),
            table: "codes".to_owned(),
            region: region.map(str::to_owned),
            own_catalog: Some("1".to_owned()),
            created: Some(at("2026-11-22T00:00:00Z")),
        }
    }

    #[test]
    fn an_account_and_a_region_that_are_not_said_are_the_links_own() {
        for (wanted, there, is_same) in [
            (to(None, None), seen(None, None), true),
            (to(None, None), seen(Some("1"), Some("us-east-1")), true),
            (to(Some("1"), Some("us-east-1")), seen(None, None), true),
            (to(Some("2"), None), seen(Some("2"), None), true),
            (to(None, None), seen(Some("2"), None), false),
            (to(Some("2"), None), seen(None, None), false),
            (to(None, None), seen(None, Some("eu-west-1")), false),
        ] {
            assert_eq!(there.is_to(&wanted, "us-east-1"), is_same, "{wanted:?} {there:?}");
            assert!(there.is_to(&there.to("us-east-1"), "us-east-1"));
        }
    }

    #[test]
    fn a_link_is_ours_only_by_what_it_stands_for_and_when_it_was_made() {
        let made = |asked: &str, created: Option<&str>| LinkStatus {
            to: to(None, None),
            asked_at: at(asked),
            created_at: created.map(at),
        };
        for (made, is_ours) in [
            (made("2026-11-21T23:59:59Z", None), true),
            (made("2026-11-22T00:04:00Z", None), true),
            (made("2026-11-22T00:06:00Z", None), false),
            (made("2026-11-01T00:00:00Z", Some("2026-11-22T00:00:00Z")), true),
            (made("2026-11-01T00:00:00Z", Some("2026-11-21T00:00:00Z")), false),
        ] {
            assert_eq!(seen(None, None).is(&made, "us-east-1"), is_ours, "{made:?}");
            assert!(!seen(Some("2"), None).is(&made, "us-east-1"));
        }
        let unknown = ObservedLink { created: None, ..seen(None, None) };
        assert!(!unknown.is(&made("2026-11-21T23:59:59Z", None), "us-east-1"));
    }
}
