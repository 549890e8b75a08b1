//! What EC2 says of the subnets in which clusters come to be: how they reach the internet and S3.

use std::collections::{BTreeMap, BTreeSet};

use mizuumi_core::emr_cluster::network::Subnet;
use mizuumi_core::{Class, Failure, Lane};
use roxmltree::{Document, Node};

use crate::clients::ProfileClients;
use crate::gateway::{Api, api};
use crate::query::{Query, items, text_in};

/// Version of EC2's API.
const VERSION: &str = "2016-11-15";

/// The subnets of these ids, as far as there are any.
pub(crate) async fn subnets(
    clients: &ProfileClients,
    lane: Lane,
    ids: &[String],
) -> Result<Vec<Subnet>, Failure> {
    let of_ids = [("subnet-id", ids.to_vec())];
    let api = api!("ec2", "DescribeSubnets", Read);
    let vpc_of: BTreeMap<String, String> = all(clients, lane, api, &of_ids, "subnetSet", |subnet| {
        Some((text(subnet, "subnetId")?, text(subnet, "vpcId")?))
    })
    .await?
    .into_iter()
    .collect();
    let vpcs: BTreeSet<&String> = vpc_of.values().collect();
    if vpcs.is_empty() {
        return Ok(Vec::new());
    }
    let vpcs: Vec<String> = vpcs.into_iter().cloned().collect();
    let of_vpcs = ("vpc-id", vpcs);
    let api = api!("ec2", "DescribeRouteTables", Read);
    let tables =
        all(clients, lane, api, std::slice::from_ref(&of_vpcs), "routeTableSet", route_table).await?;
    // A gateway endpoint names the route tables that it is in; a route shows a prefix list only.
    let of_s3 = [
        of_vpcs,
        ("vpc-endpoint-type", vec!["Gateway".to_owned()]),
        ("vpc-endpoint-state", vec!["available".to_owned()]),
    ];
    let api = api!("ec2", "DescribeVpcEndpoints", Read);
    let reached: BTreeSet<String> =
        all(clients, lane, api, &of_s3, "vpcEndpointSet", s3_tables).await?.into_iter().flatten().collect();
    let subnet = |(id, vpc): (String, String)| {
        // EC2 User Guide, "Subnet route tables": one without a table of its own has the main one of its VPC.
        let own = tables.iter().find(|table| table.subnets.contains(&id));
        let table = own.or_else(|| tables.iter().find(|table| table.is_main && table.vpc == vpc))?;
        let has_s3_endpoint = reached.contains(&table.id);
        let (route_table, internet_gateway) = (table.id.clone(), table.internet_gateway.clone());
        Some(Subnet { id, route_table, internet_gateway, has_s3_endpoint })
    };
    Ok(vpc_of.into_iter().filter_map(subnet).collect())
}

/// A route table.
struct RouteTable {
    id: String,
    vpc: String,
    is_main: bool,
    subnets: Vec<String>,
    internet_gateway: Option<String>,
}

fn text(node: Node<'_, '_>, name: &str) -> Option<String> {
    text_in(node, name).map(str::to_owned)
}

fn route_table(table: Node<'_, '_>) -> Option<RouteTable> {
    let associations = || items(table, "associationSet");
    let mut routes = items(table, "routeSet");
    // A route whose gateway is gone leads nowhere (its state is `blackhole`).
    let gateway = routes.find_map(|route| {
        let gateway = text_in(route, "gatewayId").filter(|id| id.starts_with("igw-"))?;
        (text_in(route, "state") != Some("blackhole")).then(|| gateway.to_owned())
    });
    Some(RouteTable {
        id: text(table, "routeTableId")?,
        vpc: text(table, "vpcId")?,
        is_main: associations().any(|association| text_in(association, "main") == Some("true")),
        subnets: associations().filter_map(|association| text(association, "subnetId")).collect(),
        internet_gateway: gateway,
    })
}

/// The route tables that an endpoint is in, if it is one of S3: `com.amazonaws.us-east-1.s3`.
fn s3_tables(endpoint: Node<'_, '_>) -> Option<Vec<String>> {
    let service = text_in(endpoint, "serviceName")?;
    service.strip_suffix(".s3")?;
    Some(items(endpoint, "routeTableIdSet").filter_map(|item| item.text().map(str::to_owned)).collect())
}

/// Every item of a list, whatever the number of its pages.
async fn all<T: Send>(
    clients: &ProfileClients,
    lane: Lane,
    api: Api,
    filters: &[(&str, Vec<String>)],
    list: &'static str,
    of: impl Fn(Node<'_, '_>) -> Option<T> + Send + Sync,
) -> Result<Vec<T>, Failure> {
    let mut query = Query::new(api.operation, VERSION);
    for (number, (name, values)) in filters.iter().enumerate() {
        query = query.with(format!("Filter.{}.Name", number + 1), *name);
        for (index, value) in values.iter().enumerate() {
            query = query.with(format!("Filter.{}.Value.{}", number + 1, index + 1), value);
        }
    }
    let mut found = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let page = token.take().map_or_else(|| query.clone(), |token| query.clone().with("NextToken", token));
        let Some(answer) = clients.gateway.read(api, lane, || clients.ec2.call(&page)).await? else {
            return Ok(found);
        };
        let document = Document::parse(&answer).map_err(|error| {
            Failure::new(api.name, Class::Unavailable, format!("the answer cannot be read: {error}"))
        })?;
        let root = document.root_element();
        found.extend(items(root, list).filter_map(&of));
        token = text(root, "nextToken").filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(found);
        }
    }
}
