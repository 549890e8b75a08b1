//! Amazon EMR on EC2: clusters, steps, instance groups and fleets, policies. State is kept per (account, region).
//!
//! Clusters live by the clock alone; steps too, unless the endpoint is told to run them as processes.

mod auto_scaling;
mod clusters;
mod fate;
mod hours;
mod input;
mod instances;
mod life;
mod logs;
mod pace;
mod paging;
mod parts;
mod policies;
mod processes;
mod record;
mod releases;
mod scaling;
mod security;
mod step_life;
mod steps;
mod survey;
mod switches;

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

pub(crate) use self::fate::Fate;
use self::input::invalid;
use self::life::{Life, Millis};
pub(crate) use self::pace::Pace;
use self::parts::{Instance, Part};
pub(crate) use self::processes::Active;
use self::scaling::Scaling;
use self::security::Configuration;
pub(crate) use self::step_life::{Cancel, Exit, Failure};
use self::steps::Step;
use crate::audit::Effect;
use crate::faults::Action;
use crate::glue::Object;
use crate::lock::Lock;
use crate::protocol::ApiError;

/// The service as `SigV4` names it.
pub(crate) const SERVICE: &str = "elasticmapreduce";

/// What an operation answers.
type Answer = Result<Value, ApiError>;

/// One call, and what it did for the audit.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// The request's JSON.
    pub(crate) input: &'a Object,
    /// Account of the caller.
    pub(crate) account: &'a str,
    /// Region of the caller.
    pub(crate) region: &'a str,
    /// Time of the call.
    pub(crate) now: Millis,
    /// Fault: lists answer as of so many milliseconds ago.
    pub(crate) lag: Millis,
    /// Fault: pages hold one item only.
    pub(crate) short_pages: bool,
    /// Fault: what becomes of a new cluster.
    pub(crate) fate: Option<Fate>,
    /// Fault: a new cluster loses a spot instance so long after it is ready, one that is there now.
    pub(crate) spot_loss: Option<Millis>,
    /// Effective writes, for the audit.
    pub(crate) effects: Vec<Effect>,
}

impl Call<'_> {
    /// The moment as of which lists answer.
    fn seen(&self) -> Millis {
        self.now.saturating_sub(self.lag)
    }

    fn wrote(&mut self, resource: &str) {
        self.effects.push(Effect::on(resource));
    }
}

/// A time as EMR writes it: a JSON number of seconds with milliseconds (awsJson1.1).
fn time(millis: Millis) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit in 53 bits")]
    let seconds = millis as f64 / 1000.0;
    Value::from(seconds)
}

/// Puts a time in, if there is one by then.
fn put_time(timeline: &mut Value, member: &str, at: Option<Millis>, seen: Millis) {
    if let Some(at) = at.filter(|at| *at <= seen) {
        timeline[member] = time(at);
    }
}

/// A cluster.
#[derive(Debug)]
struct Cluster {
    id: String,
    name: String,
    arn: String,
    /// Members of the `Cluster` structure that never change.
    record: Object,
    life: Life,
    steps: Vec<Step>,
    tags: BTreeMap<String, String>,
    bootstrap_actions: Vec<Value>,
    groups: Vec<Part>,
    fleets: Vec<Part>,
    managed_scaling: Option<Scaling>,
    idle_timeout: Option<i64>,
    /// Spot instances that will be lost, so long after the cluster is ready.
    spot_losses: Vec<Millis>,
}

impl Cluster {
    /// Does all that is due by now.
    fn advance(&mut self, now: Millis, common: &mut Common) {
        self.life.advance(now, &common.pace);
        fate::lose_what_is_due(self, common, now);
        scaling::follow(self, common);
    }

    /// The instance that the others obey.
    fn master(&self) -> Option<&Instance> {
        let mut parts = self.groups.iter().chain(&self.fleets);
        parts.find(|part| part.role == "MASTER").and_then(|part| part.instances.first())
    }
}

/// The clusters of an account in a region, in the order in which they came.
#[derive(Debug, Default)]
struct Region {
    clusters: Vec<Cluster>,
    by_id: HashMap<String, usize>,
    security: Vec<Configuration>,
}

impl Region {
    fn find(&mut self, id: &str) -> Option<&mut Cluster> {
        self.by_id.get(id).and_then(|index| self.clusters.get_mut(*index))
    }

    /// The cluster that a request is about.
    fn cluster(&mut self, id: &str) -> Result<&mut Cluster, ApiError> {
        self.find(id).ok_or_else(|| invalid("NoSuchCluster", format!("Cluster id '{id}' is not valid.")))
    }
}

/// What all regions have in common.
#[derive(Debug)]
struct Common {
    pace: Pace,
    /// Steps run as processes.
    really: bool,
    made: u64,
}

impl Common {
    /// A number that never comes twice.
    fn number(&mut self) -> u64 {
        self.made += 1;
        // SplitMix64 maps different numbers to different ones.
        let mut bits = self.made.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// The id of a new EC2 instance, and its address.
    fn ec2(&mut self) -> (String, String) {
        let bits = self.number();
        let [_, _, _, _, _, b, c, d] = bits.to_be_bytes();
        (format!("i-0{bits:016x}"), format!("10.{b}.{c}.{d}"))
    }

    /// A new id, such as `j-3H6EATEWWRWS`: thirteen letters and digits, never the same twice.
    fn id(&mut self, prefix: &str) -> String {
        let mut bits = self.number();
        let mut digits = Vec::new();
        for _ in 0..13 {
            let digit = u32::try_from(bits % 36).unwrap_or(0);
            digits.push(char::from_digit(digit, 36).unwrap_or('0').to_ascii_uppercase());
            bits /= 36;
        }
        format!("{prefix}-{}", digits.into_iter().rev().collect::<String>())
    }
}

type Handler = fn(&mut Region, &mut Common, &mut Call<'_>) -> Answer;

fn handler(operation: &str) -> Option<Handler> {
    Some(match operation {
        "RunJobFlow" => clusters::run,
        "DescribeCluster" => clusters::describe,
        "ListClusters" => clusters::list,
        "TerminateJobFlows" => clusters::terminate,
        "SetTerminationProtection" => switches::protect,
        "SetKeepJobFlowAliveWhenNoSteps" => switches::keep_alive,
        "SetUnhealthyNodeReplacement" => switches::replace_unhealthy,
        "SetVisibleToAllUsers" => switches::visible,
        "ModifyCluster" => clusters::modify,
        "AddTags" => clusters::tag,
        "RemoveTags" => clusters::untag,
        "AddJobFlowSteps" => steps::add,
        "ListSteps" => steps::list,
        "DescribeStep" => steps::describe,
        "CancelSteps" => steps::cancel,
        "ListInstanceGroups" => instances::list_groups,
        "ModifyInstanceGroups" => instances::modify_groups,
        "ListInstanceFleets" => instances::list_fleets,
        "ModifyInstanceFleet" => instances::modify_fleet,
        "AddInstanceGroups" => instances::add_groups,
        "AddInstanceFleet" => instances::add_fleet,
        "ListInstances" => instances::list_instances,
        "ListReleaseLabels" => releases::list,
        "DescribeReleaseLabel" => releases::describe,
        "CreateSecurityConfiguration" => security::create,
        "DescribeSecurityConfiguration" => security::describe,
        "ListSecurityConfigurations" => security::list,
        "DeleteSecurityConfiguration" => security::delete,
        "ListBootstrapActions" => policies::list_bootstrap_actions,
        "PutAutoScalingPolicy" => auto_scaling::put,
        "RemoveAutoScalingPolicy" => auto_scaling::remove,
        "PutManagedScalingPolicy" => policies::put_managed_scaling,
        "GetManagedScalingPolicy" => policies::get_managed_scaling,
        "RemoveManagedScalingPolicy" => policies::remove_managed_scaling,
        "PutAutoTerminationPolicy" => policies::put_auto_termination,
        "GetAutoTerminationPolicy" => policies::get_auto_termination,
        "RemoveAutoTerminationPolicy" => policies::remove_auto_termination,
        _ => return None,
    })
}

/// Account and region.
type Place = (String, String);

/// EMR in all accounts and regions.
#[derive(Debug)]
pub(crate) struct Emr(Lock<(Common, HashMap<Place, Region>)>);

impl Emr {
    /// EMR without clusters, whose steps really run or not.
    pub(crate) fn new(pace: Pace, really: bool) -> Self {
        Self(Lock::new((Common { pace, really, made: 0 }, HashMap::new())))
    }

    /// Carries out one operation.
    pub(crate) fn call(&self, operation: &str, call: &mut Call<'_>) -> Answer {
        let Some(handler) = handler(operation) else {
            let message = format!("EMR operation {operation} is not implemented by the local endpoint");
            return Err(ApiError::refused("UnknownOperationException", message));
        };
        let mut held = self.0.hold();
        let (common, regions) = &mut *held;
        let region = regions.entry((call.account.to_owned(), call.region.to_owned())).or_default();
        for cluster in &mut region.clusters {
            cluster.advance(call.now, common);
        }
        let about = input::text(call.input, "ClusterId");
        if let (Some(_), Some(cluster)) = (call.spot_loss, about.and_then(|id| region.find(id))) {
            fate::lose(cluster, common, call.now);
        }
        let owners = owners(region, call.input);
        let answer = handler(region, common, call);
        for effect in &mut call.effects {
            effect.owner_before = owners.get(&effect.resource).cloned();
            effect.owner_after = region.find(&effect.resource).and_then(|cluster| cluster.owner().cloned());
        }
        answer
    }

    /// The durations in force.
    pub(crate) fn pace(&self) -> Pace {
        self.0.hold().0.pace.clone()
    }

    /// Sets other durations: what has happened by now stays, what is under way takes as long as they say.
    pub(crate) fn set_pace(&self, pace: Pace, now: Millis) {
        let mut held = self.0.hold();
        let (common, regions) = &mut *held;
        for cluster in regions.values_mut().flat_map(|region| &mut region.clusters) {
            cluster.advance(now, common);
        }
        common.pace = pace;
    }

    /// Forgets an account's clusters, or all.
    pub(crate) fn reset(&self, account: Option<&str>) {
        self.0.hold().1.retain(|(owner, _), _| account.is_some_and(|account| account != owner));
    }
}

/// Who keeps the clusters that a request names.
fn owners(region: &mut Region, input: &Object) -> HashMap<String, String> {
    let one = ["ClusterId", "JobFlowId", "ResourceId"].iter().filter_map(|member| input::text(input, member));
    let ids = one.chain(input::texts(input, "JobFlowIds"));
    let owner = |id: &str| Some((id.to_owned(), region.find(id)?.owner()?.clone()));
    ids.filter_map(owner).collect()
}

/// What a request is about, for logs and fault rules: the cluster's id, or the name of one to be.
pub(crate) fn resource(input: &Object) -> String {
    let first = |member| input::texts(input, member).first().map(|text| (*text).to_owned());
    ["ClusterId", "JobFlowId", "ResourceId", "Name"]
        .iter()
        .find_map(|member| input::text(input, member).map(str::to_owned))
        .or_else(|| first("JobFlowIds"))
        .unwrap_or_default()
}

/// A scripted fault in EMR's words, where these are others than Glue's (botocore emr/2009-03-31).
pub(crate) fn fault(action: Action, error: ApiError) -> ApiError {
    match action {
        Action::ErrorBefore | Action::ErrorAfter => ApiError {
            code: "InternalServerException".to_owned(),
            message: "Internal server error".to_owned(),
            ..error
        },
        Action::ExpireToken => invalid("InvalidRequest", "Marker is not valid."),
        _ => error,
    }
}

/// An answer without members.
fn nothing() -> Value {
    json!({})
}

#[cfg(test)]
mod tests;
