//! The guard rails of a class about the network that a cluster is started in, and what AWS says of that.

use mizuumi_api::emr_cluster_class::{ClassRules, SubnetType};

use super::request::Request;

/// What a class asks of the subnets in which a cluster may come to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkRules {
    /// Name of the class.
    pub class: String,
    /// Ids of the subnets.
    pub subnets: Vec<String>,
    /// What they have to be.
    pub subnet_type: Option<SubnetType>,
    /// Whether S3 has to be reached through a gateway endpoint.
    pub needs_s3_endpoint: bool,
}

/// A subnet as EC2 describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Its id.
    pub id: String,
    /// The route table in force: its own, or its VPC's.
    pub route_table: String,
    /// The internet gateway that it has a route to, if it has one.
    pub internet_gateway: Option<String>,
    /// Whether its route table has a gateway endpoint of S3.
    pub has_s3_endpoint: bool,
}

impl NetworkRules {
    /// What a class asks, if it asks anything. With instance groups a cluster comes to be in the first subnet, with fleets in
    /// any.
    #[must_use]
    pub fn new(class: &str, rules: &ClassRules, request: &Request) -> Option<Self> {
        let (subnet_type, needs_s3_endpoint) = (rules.subnet_type, rules.s3_endpoint.is_some());
        if subnet_type.is_none() && !needs_s3_endpoint {
            return None;
        }
        let all = &request.fixed.subnets;
        let count = if request.fixed.fleets.is_empty() { 1 } else { all.len() };
        let subnets = all.iter().take(count).cloned().collect();
        Some(Self { class: class.to_owned(), subnets, subnet_type, needs_s3_endpoint })
    }

    /// Every rule that a cluster would break in one of these subnets.
    #[must_use]
    pub fn broken(&self, seen: &[Subnet]) -> Vec<String> {
        let mut broken = Vec::new();
        for id in &self.subnets {
            let Some(subnet) = seen.iter().find(|subnet| subnet.id == *id) else {
                broken.push(format!(
                    "subnetType, s3Endpoint: {id} of the profile is no subnet that EC2 knows, so it cannot be seen what it is"
                ));
                continue;
            };
            let table = &subnet.route_table;
            match (self.subnet_type, &subnet.internet_gateway) {
                (Some(SubnetType::Private), Some(gateway)) => broken.push(format!(
                    "subnetType: subnets must be Private; {id} is Public: its route table {table} has a route to {gateway}"
                )),
                (Some(SubnetType::Public), None) => broken.push(format!(
                    "subnetType: subnets must be Public; {id} is Private: its route table {table} has no route to an internet gateway"
                )),
                _ => {}
            }
            if self.needs_s3_endpoint && !subnet.has_s3_endpoint {
                broken.push(format!(
                    "s3Endpoint: a gateway endpoint of S3 must be in the route table of each subnet; {table} of {id} has none"
                ));
            }
        }
        broken
    }
}

#[cfg(test)]
mod tests {
    use mizuumi_api::emr_cluster::{InstanceFleet, Role};
    use mizuumi_api::emr_cluster_class::Required;

    use super::*;

    fn subnet(id: &str, internet_gateway: Option<&str>, has_s3_endpoint: bool) -> Subnet {
        let internet_gateway = internet_gateway.map(str::to_owned);
        Subnet { id: id.to_owned(), route_table: format!("rtb-{id}"), internet_gateway, has_s3_endpoint }
    }

    fn request(fleets: usize) -> Request {
        let fleet = InstanceFleet {
            name: "f".to_owned(),
            role: Role::Core,
            target_on_demand: None,
            target_spot: None,
            instance_types: Vec::new(),
            spot_allocation: None,
            spot_timeout_minutes: None,
            spot_timeout_action: None,
        };
        let mut request = Request::default();
        request.fixed.subnets = ["a", "b"].map(str::to_owned).to_vec();
        request.fixed.fleets = vec![fleet; fleets];
        request
    }

    fn rules(subnet_type: Option<SubnetType>, s3_endpoint: Option<Required>) -> ClassRules {
        ClassRules { subnet_type, s3_endpoint, ..ClassRules::default() }
    }

    #[test]
    fn without_a_rule_nothing_is_looked_at() {
        assert_eq!(NetworkRules::new("c", &rules(None, None), &request(1)), None);
    }

    #[test]
    fn only_subnets_that_a_cluster_may_come_to_be_in_count() {
        let rules = rules(Some(SubnetType::Private), None);
        let of = |fleets| NetworkRules::new("c", &rules, &request(fleets)).map(|rules| rules.subnets.len());
        assert_eq!((of(0), of(1)), (Some(1), Some(2)));
    }

    #[test]
    fn each_broken_rule_is_told_with_the_subnet_that_breaks_it() {
        let rules = |subnet_type, s3_endpoint| {
            NetworkRules::new("c", &rules(subnet_type, s3_endpoint), &request(1)).expect("rules")
        };
        let seen = [subnet("a", None, true), subnet("b", Some("igw-1"), false)];
        let private = rules(Some(SubnetType::Private), Some(Required::Required));
        assert_eq!(
            private.broken(&seen),
            [
                "subnetType: subnets must be Private; b is Public: its route table rtb-b has a route to igw-1",
                "s3Endpoint: a gateway endpoint of S3 must be in the route table of each subnet; rtb-b of b has none",
            ]
        );
        let public = rules(Some(SubnetType::Public), None);
        assert_eq!(
            public.broken(&seen),
            [
                "subnetType: subnets must be Public; a is Private: its route table rtb-a has no route to an internet gateway"
            ]
        );
        assert_eq!(private.broken(&seen[..1]).len(), 1, "a subnet that nobody knows is told");
        assert!(private.broken(&[subnet("a", None, true), subnet("b", None, true)]).is_empty());
    }
}
