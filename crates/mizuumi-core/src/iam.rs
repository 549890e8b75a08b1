//! The least that IAM has to allow, as the installation's configuration says: which actions, on what.
//!
//! [`CALLS`] is the one list of the calls that Mizuumi makes; a test compares it with those that stand in `mizuumi-aws`.

use mizuumi_api::Installation;
use mizuumi_api::installation::{DEFAULT_PROFILE, Profile};
use serde_json::{Value, json};

/// What a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Databases and tables that may be touched.
    Tables,
    /// The bucket of an allowed prefix: its list.
    Bucket,
    /// The objects under an allowed prefix.
    Objects,
    /// The crawlers of the installation, where profile and installation have some.
    Crawlers,
    /// EMR clusters, where the profile has some.
    Clusters,
    /// What AWS has no resources for: lists of clusters and of networks, where the profile has clusters.
    Everything,
    /// The workgroup of Athena, where the profile has one.
    Workgroup,
    /// Tasks of ECS and their definitions, where the profile has some.
    Tasks,
    /// What ECS has no resources for, where the profile has tasks.
    TaskDefinitions,
}

/// A call, the action that IAM knows it by, and what it is about.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The operation, as it is called: `s3:ListObjectsV2`.
    pub operation: &'static str,
    /// The action: `s3:ListBucket`.
    pub action: &'static str,
    /// What it is about.
    pub about: About,
}

const fn call(operation: &'static str, about: About) -> Call {
    Call { operation, action: operation, about }
}

const fn as_action(operation: &'static str, action: &'static str, about: About) -> Call {
    Call { operation, action, about }
}

/// Every call that Mizuumi makes.
pub const CALLS: &[Call] = &[
    call("glue:GetDatabase", About::Tables),
    call("glue:GetDatabases", About::Tables),
    call("glue:CreateDatabase", About::Tables),
    call("glue:GetTable", About::Tables),
    call("glue:GetTables", About::Tables),
    call("glue:CreateTable", About::Tables),
    call("glue:UpdateTable", About::Tables),
    call("glue:DeleteTable", About::Tables),
    call("glue:GetTableVersions", About::Tables),
    call("glue:BatchDeleteTableVersion", About::Tables),
    call("glue:GetPartitions", About::Tables),
    call("glue:BatchGetPartition", About::Tables),
    call("glue:BatchCreatePartition", About::Tables),
    call("glue:BatchUpdatePartition", About::Tables),
    call("glue:BatchDeletePartition", About::Tables),
    call("glue:GetPartitionIndexes", About::Tables),
    call("glue:CreatePartitionIndex", About::Tables),
    call("glue:DeletePartitionIndex", About::Tables),
    as_action("s3:ListObjectsV2", "s3:ListBucket", About::Bucket),
    call("s3:GetObject", About::Objects),
    as_action("s3:HeadObject", "s3:GetObject", About::Objects),
    call("s3:PutObject", About::Objects),
    as_action("s3:DeleteObjects", "s3:DeleteObject", About::Objects),
    call("glue:GetCrawler", About::Crawlers),
    call("glue:CreateCrawler", About::Crawlers),
    call("glue:UpdateCrawler", About::Crawlers),
    call("glue:StartCrawler", About::Crawlers),
    call("glue:StopCrawler", About::Crawlers),
    call("glue:DeleteCrawler", About::Crawlers),
    call("elasticmapreduce:ListClusters", About::Everything),
    call("elasticmapreduce:RunJobFlow", About::Everything),
    call("ec2:DescribeSubnets", About::Everything),
    call("ec2:DescribeRouteTables", About::Everything),
    call("ec2:DescribeVpcEndpoints", About::Everything),
    call("elasticmapreduce:DescribeCluster", About::Clusters),
    call("elasticmapreduce:ListSteps", About::Clusters),
    call("elasticmapreduce:ListInstances", About::Clusters),
    call("elasticmapreduce:ListBootstrapActions", About::Clusters),
    call("elasticmapreduce:ListInstanceGroups", About::Clusters),
    call("elasticmapreduce:ListInstanceFleets", About::Clusters),
    call("elasticmapreduce:GetManagedScalingPolicy", About::Clusters),
    call("elasticmapreduce:GetAutoTerminationPolicy", About::Clusters),
    call("elasticmapreduce:AddJobFlowSteps", About::Clusters),
    call("elasticmapreduce:CancelSteps", About::Clusters),
    call("elasticmapreduce:AddTags", About::Clusters),
    call("elasticmapreduce:RemoveTags", About::Clusters),
    call("elasticmapreduce:TerminateJobFlows", About::Clusters),
    call("elasticmapreduce:ModifyCluster", About::Clusters),
    call("elasticmapreduce:PutManagedScalingPolicy", About::Clusters),
    call("elasticmapreduce:RemoveManagedScalingPolicy", About::Clusters),
    call("elasticmapreduce:PutAutoTerminationPolicy", About::Clusters),
    call("elasticmapreduce:SetTerminationProtection", About::Clusters),
    call("elasticmapreduce:ModifyInstanceGroups", About::Clusters),
    call("elasticmapreduce:ModifyInstanceFleet", About::Clusters),
    call("elasticmapreduce:PutAutoScalingPolicy", About::Clusters),
    call("elasticmapreduce:RemoveAutoScalingPolicy", About::Clusters),
    call("athena:GetWorkGroup", About::Workgroup),
    call("athena:StartQueryExecution", About::Workgroup),
    call("athena:GetQueryExecution", About::Workgroup),
    call("athena:GetQueryResults", About::Workgroup),
    call("athena:StopQueryExecution", About::Workgroup),
    call("ecs:RunTask", About::Tasks),
    call("ecs:DescribeTasks", About::Tasks),
    call("ecs:StopTask", About::Tasks),
    call("ecs:ListTasks", About::TaskDefinitions),
    call("ecs:RegisterTaskDefinition", About::TaskDefinitions),
    call("ecs:DescribeTaskDefinition", About::TaskDefinitions),
];

/// The policy of a profile, or of the controller itself.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The installation.
    pub installation: &'a Installation,
    /// The profile; without it, the controller's own credentials: what profiles without a role need, and to assume the roles
    /// of the others.
    pub profile: Option<&'a str>,
    /// The account; without it, that of the profile's role, or any.
    pub account: Option<&'a str>,
}

/// The policy, as IAM takes it.
///
/// # Errors
/// In words, if there is no such profile.
pub fn policy(asked: Asked<'_>) -> Result<Value, String> {
    let installation = asked.installation;
    let mut statements = Vec::new();
    if let Some(name) = asked.profile {
        let none = Profile::default();
        let profile = installation.profiles.get(name).or((name == DEFAULT_PROFILE).then_some(&none));
        let profile = profile.ok_or_else(|| format!("the configuration has no profile '{name}'"))?;
        of_profile(asked, profile, &mut statements);
    } else {
        of_controller(asked, &mut statements);
    }
    Ok(json!({ "Version": "2012-10-17", "Statement": statements }))
}

/// What profiles without a role need, and to assume the roles of the others.
fn of_controller(asked: Asked<'_>, statements: &mut Vec<Value>) {
    let installation = asked.installation;
    let is_implied = !installation.profiles.contains_key(DEFAULT_PROFILE);
    let own: Vec<&Profile> =
        installation.profiles.values().filter(|profile| profile.role_arn.is_none()).collect();
    let mut whole = Profile::default();
    for profile in &own {
        whole.emr = whole.emr.take().or_else(|| profile.emr.clone());
        whole.athena = whole.athena.take().or_else(|| profile.athena.clone());
        whole.ecs = whole.ecs.take().or_else(|| profile.ecs.clone());
        whole.crawler_role_arn = whole.crawler_role_arn.take().or_else(|| profile.crawler_role_arn.clone());
    }
    if is_implied || !own.is_empty() {
        of_profile(asked, &whole, statements);
    }
    let roles: Vec<&String> =
        installation.profiles.values().filter_map(|profile| profile.role_arn.as_ref()).collect();
    if !roles.is_empty() {
        statements.push(statement("Profiles", &["sts:AssumeRole"], &roles, None));
    }
}

fn of_profile(asked: Asked<'_>, profile: &Profile, statements: &mut Vec<Value>) {
    let installation = asked.installation;
    let arns = Arns::new(asked, profile);
    statements.push(statement(
        "Tables",
        &actions(About::Tables),
        &arns.tables(&installation.allow.databases),
        None,
    ));
    let upstreams = &installation.upstreams.databases;
    if !upstreams.is_empty() {
        statements.push(statement(
            "Upstreams",
            &["glue:GetTable", "glue:GetTables"],
            &arns.tables(upstreams),
            None,
        ));
    }
    for (number, (bucket, prefix)) in installation
        .allow
        .s3_prefixes
        .iter()
        .filter_map(|prefix| crate::s3_uri::bucket_and_prefix(prefix))
        .enumerate()
    {
        let arn = format!("arn:{}:s3:::{bucket}", arns.partition);
        let under = json!({ "StringLike": { "s3:prefix": [format!("{prefix}*")] } });
        let condition = (!prefix.is_empty()).then_some(under);
        statements.push(statement(&format!("List{number}"), &actions(About::Bucket), &[&arn], condition));
        let objects = format!("{arn}/{prefix}*");
        statements.push(statement(&format!("Objects{number}"), &actions(About::Objects), &[&objects], None));
    }
    if let (Some(crawlers), Some(role)) = (&installation.crawlers, &profile.crawler_role_arn) {
        let names = format!("{}:crawler/mizuumi-{}-*", arns.glue(), installation.installation);
        // Tags that a crawler is made with are an action of their own.
        let mut of_crawlers = actions(About::Crawlers);
        of_crawlers.push("glue:TagResource");
        statements.push(statement("Crawlers", &of_crawlers, &[&names], None));
        let in_database = ["glue:GetTable", "glue:GetTables", "glue:DeleteTable"];
        let database = std::slice::from_ref(&crawlers.database);
        statements.push(statement("Crawled", &in_database, &arns.tables(database), None));
        statements.push(statement(
            "CrawlerRole",
            &["iam:PassRole"],
            &[role],
            Some(passed_to("glue.amazonaws.com")),
        ));
    }
    if let Some(shadows) = &installation.shadows {
        let database = std::slice::from_ref(&shadows.database);
        statements.push(statement("Shadows", &actions(About::Tables), &arns.tables(database), None));
    }
    if let Some(athena) = &profile.athena {
        let workgroup = arns.of("athena", &format!("workgroup/{}", athena.workgroup));
        statements.push(statement("Queries", &actions(About::Workgroup), &[&workgroup], None));
    }
    if let Some(ecs) = &profile.ecs {
        let cluster = ecs.cluster.rsplit('/').next().unwrap_or_default();
        let resources = [arns.of("ecs", "task-definition/*"), arns.of("ecs", &format!("task/{cluster}/*"))];
        // Tags that a task is made with are an action of their own.
        let mut of_tasks = actions(About::Tasks);
        of_tasks.push("ecs:TagResource");
        statements.push(statement("Tasks", &of_tasks, &resources, None));
        statements.push(statement("TaskDefinitions", &actions(About::TaskDefinitions), &["*"], None));
        let roles = [&ecs.execution_role_arn, &ecs.task_role_arn];
        let condition = Some(passed_to("ecs-tasks.amazonaws.com"));
        statements.push(statement("TaskRoles", &["iam:PassRole"], &roles, condition));
    }
    if let Some(emr) = &profile.emr {
        statements.push(statement("Networks", &actions(About::Everything), &["*"], None));
        let clusters = arns.of("elasticmapreduce", "cluster/*");
        statements.push(statement("Clusters", &actions(About::Clusters), &[&clusters], None));
        let roles = [Some(&emr.service_role), Some(&emr.instance_profile), emr.auto_scaling_role.as_ref()];
        let roles: Vec<String> = roles.into_iter().flatten().map(|role| arns.role(role)).collect();
        statements.push(statement("ClusterRoles", &["iam:PassRole"], &roles, None));
    }
}

fn actions(about: About) -> Vec<&'static str> {
    let mut all: Vec<&str> =
        CALLS.iter().filter(|call| call.about == about).map(|call| call.action).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn statement(sid: &str, actions: &[&str], resources: &[impl AsRef<str>], condition: Option<Value>) -> Value {
    let resources: Vec<&str> = resources.iter().map(AsRef::as_ref).collect();
    let mut statement = json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources });
    if let Some(condition) = condition {
        statement["Condition"] = condition;
    }
    statement
}

fn passed_to(service: &str) -> Value {
    json!({ "StringEquals": { "iam:PassedToService": service } })
}

/// What names of AWS are made of.
struct Arns<'a> {
    partition: &'static str,
    region: &'a str,
    account: &'a str,
}

impl<'a> Arns<'a> {
    fn new(asked: Asked<'a>, profile: &'a Profile) -> Self {
        let region = asked.installation.aws.region.as_str();
        let partition = match region.split('-').next() {
            Some("cn") => "aws-cn",
            _ if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        // `arn:aws:iam::111122223333:role/…`
        let of_role = profile.role_arn.as_deref().and_then(|arn| arn.split(':').nth(4));
        Self { partition, region, account: asked.account.or(of_role).unwrap_or("*") }
    }

    /// Something of a service in the account and region.
    fn of(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.partition, self.region, self.account)
    }

    fn glue(&self) -> String {
        format!("arn:{}:glue:{}:{}", self.partition, self.region, self.account)
    }

    fn tables(&self, databases: &[String]) -> Vec<String> {
        let glue = self.glue();
        let of =
            |database: &String| [format!("{glue}:database/{database}"), format!("{glue}:table/{database}/*")];
        std::iter::once(format!("{glue}:catalog")).chain(databases.iter().flat_map(of)).collect()
    }

    /// A role by its name, or as it is.
    fn role(&self, role: &str) -> String {
        if role.starts_with("arn:") {
            return role.to_owned();
        }
        format!("arn:{}:iam::{}:role/{role}", self.partition, self.account)
    }
}
