//! Rules about the network: what route tables say is looked at before a cluster is started.

use mizuumi_tests::{Controller, Team, said_of, with_clusters};
use serde_json::json;

/// The first id in an element of that name, in an answer of EC2.
fn id(answer: &str, element: &str) -> String {
    let open = format!("<{element}>");
    let (_, rest) = answer.split_once(&open).unwrap_or_else(|| panic!("no {element} in {answer}"));
    rest.split('<').next().expect("an id").to_owned()
}

/// A subnet in a VPC of its own, with its VPC and the route table that both have.
async fn subnet(team: &Team) -> (String, String, String) {
    let vpc = id(&team.admin.ec2("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).await, "vpcId");
    let in_vpc = [("VpcId", vpc.as_str()), ("CidrBlock", "10.0.1.0/24")];
    let subnet = id(&team.admin.ec2("CreateSubnet", &in_vpc).await, "subnetId");
    let of_vpc = [("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", vpc.as_str())];
    let table = id(&team.admin.ec2("DescribeRouteTables", &of_vpc).await, "routeTableId");
    (subnet, vpc, table)
}

#[tokio::test]
async fn no_cluster_is_started_in_a_network_that_its_class_does_not_allow() {
    let team = Team::new("network").await;
    let (subnet, vpc, table) = subnet(&team).await;
    let in_subnet = subnet.clone();
    let _controller = Controller::with(&team, move |installation| {
        with_clusters(installation);
        let profile = installation.profiles.get_mut("default").expect("a profile");
        profile.emr.as_mut().expect("EMR").subnets = vec![in_subnet];
    })
    .await;
    team.class(json!({ "rules": { "subnetType": "Public", "s3Endpoint": "Required" } })).await;
    team.create_cluster("adhoc", json!({ "lifecycle": "WhenNeeded" })).await;
    team.need("adhoc", true).await;
    let refused = team.cluster_reason("adhoc", "RuleBroken").await;
    for words in [
        format!("subnetType: subnets must be Public; {subnet} is Private: its route table {table}"),
        format!(
            "s3Endpoint: a gateway endpoint of S3 must be in the route table of each subnet; {table} of {subnet}"
        ),
    ] {
        assert!(said_of(&refused).contains(&words), "{words}: {}", said_of(&refused));
    }
    assert_eq!(team.emr().await["started"], 0);

    let endpoint = [
        ("VpcId", vpc.as_str()),
        ("ServiceName", "com.amazonaws.us-east-1.s3"),
        ("VpcEndpointType", "Gateway"),
        ("RouteTableId.1", table.as_str()),
    ];
    team.admin.ec2("CreateVpcEndpoint", &endpoint).await;
    team.class(json!({ "rules": { "subnetType": "Private", "s3Endpoint": "Required" } })).await;
    let asked = json!({ "metadata": { "annotations": { "mizuumi.dev/requested-at": "now" } } });
    team.patch_cluster("adhoc", asked).await;
    team.cluster_reason("adhoc", "Running").await;
}

#[tokio::test]
async fn a_network_that_is_allowed_has_clusters() {
    let team = Team::new("network-good").await;
    let (subnet, vpc, table) = subnet(&team).await;
    let gateway = id(&team.admin.ec2("CreateInternetGateway", &[]).await, "internetGatewayId");
    let attached = [("InternetGatewayId", gateway.as_str()), ("VpcId", vpc.as_str())];
    team.admin.ec2("AttachInternetGateway", &attached).await;
    let route = [
        ("RouteTableId", table.as_str()),
        ("DestinationCidrBlock", "0.0.0.0/0"),
        ("GatewayId", gateway.as_str()),
    ];
    team.admin.ec2("CreateRoute", &route).await;
    let endpoint = [
        ("VpcId", vpc.as_str()),
        ("ServiceName", "com.amazonaws.us-east-1.s3"),
        ("VpcEndpointType", "Gateway"),
        ("RouteTableId.1", table.as_str()),
    ];
    team.admin.ec2("CreateVpcEndpoint", &endpoint).await;
    let denied = json!({ "action": "denied", "service": "ec2", "operation": "DescribeRouteTables" });
    team.admin.fault(denied).await;
    let _controller = Controller::with(&team, move |installation| {
        with_clusters(installation);
        let profile = installation.profiles.get_mut("default").expect("a profile");
        profile.emr.as_mut().expect("EMR").subnets = vec![subnet];
    })
    .await;
    team.class(json!({ "rules": { "subnetType": "Public", "s3Endpoint": "Required" } })).await;
    team.create_cluster("adhoc", json!({ "lifecycle": "WhenNeeded" })).await;
    team.need("adhoc", true).await;
    let denied = team.cluster_reason("adhoc", "Denied").await;
    for words in
        ["about the network cannot be checked", "ec2:DescribeRouteTables", "to the role of this profile"]
    {
        assert!(said_of(&denied).contains(words), "{words}: {}", said_of(&denied));
    }
    team.admin.heal().await;
    team.cluster_reason("adhoc", "Running").await;
}
