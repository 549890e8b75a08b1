//! The IAM policy allows the calls that Mizuumi makes, each of them and no other.
#![expect(clippy::expect_used, reason = "a test's helpers fail as its tests do")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use mizuumi_api::Installation;
use mizuumi_core::iam::{Asked, CALLS, policy};
use regex::Regex;
use serde_json::{Value, json};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The operations that stand in `mizuumi-aws`, each as `service:Operation`.
fn called() -> BTreeSet<String> {
    let mut files = Vec::new();
    sources(Path::new("../mizuumi-aws/src"), &mut files);
    let written_out = Regex::new(r#"api!\(\s*"(\w+)",\s*"(\w+)""#).expect("a pattern");
    // EMR's writes are made by a macro that names the operation first.
    let of_emr = Regex::new(r#"\b(?:send)!\(\s*"([A-Z]\w+)""#).expect("a pattern");
    let mut all = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source");
        let found = written_out.captures_iter(&text).map(|found| format!("{}:{}", &found[1], &found[2]));
        all.extend(found);
        if file.ends_with("emr/write.rs") {
            all.extend(of_emr.captures_iter(&text).map(|found| format!("elasticmapreduce:{}", &found[1])));
        }
    }
    all
}

#[test]
fn every_call_is_in_the_list_and_no_other_is() {
    let listed: BTreeSet<String> = CALLS.iter().map(|call| call.operation.to_owned()).collect();
    let called = called();
    assert!(called.len() > 40, "the sources are read: {called:?}");
    let missing: Vec<_> = called.difference(&listed).collect();
    let needless: Vec<_> = listed.difference(&called).collect();
    assert!(missing.is_empty(), "mizuumi_core::iam::CALLS lacks {missing:?}");
    assert!(needless.is_empty(), "mizuumi_core::iam::CALLS has {needless:?}, which nobody calls");
}

fn of(installation: Value, profile: Option<&str>) -> Value {
    let installation: Installation = serde_json::from_value(installation).expect("a configuration");
    policy(Asked { installation: &installation, profile, account: None }).expect("a policy")
}

fn sids(policy: &Value) -> Vec<&str> {
    policy["Statement"].as_array().into_iter().flatten().filter_map(|it| it["Sid"].as_str()).collect()
}

#[test]
fn a_policy_has_what_the_configuration_needs_and_no_more() {
    let mut installation = json!({
        "installation": "demo", "aws": { "region": "ap-northeast-1" },
        "allow": { "databases": ["sales", "team_*"], "s3Prefixes": ["s3://lake/team/", "s3://raw/"] },
    });
    let plain = of(installation.clone(), None);
    assert_eq!(sids(&plain), ["Tables", "List0", "Objects0", "List1", "Objects1"]);
    let tables = &plain["Statement"][0];
    assert_eq!(tables["Resource"][2], "arn:aws:glue:ap-northeast-1:*:table/sales/*");
    assert_eq!(tables["Resource"][3], "arn:aws:glue:ap-northeast-1:*:database/team_*");
    let list = &plain["Statement"][1];
    assert_eq!(list["Condition"]["StringLike"]["s3:prefix"][0], "team/*");
    assert!(plain["Statement"][3]["Condition"].is_null(), "a whole bucket is listed");
    assert_eq!(plain["Statement"][2]["Action"], json!(["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]));

    installation["profiles"] = json!({
        "writer": { "roleArn": "arn:aws:iam::111122223333:role/writer", "emr": {
            "serviceRole": "EMR_DefaultRole_V2", "instanceProfile": "EMR_EC2", "subnets": ["subnet-1"],
        } },
    });
    let own = of(installation.clone(), None);
    assert_eq!(
        own["Statement"].as_array().and_then(|all| all.last()).map(|it| &it["Action"]),
        Some(&json!(["sts:AssumeRole"]))
    );
    assert!(!sids(&own).contains(&"Clusters"), "the role has them: {own:#}");
    let writer = of(installation, Some("writer"));
    assert_eq!(sids(&writer)[5..], ["Networks", "Clusters", "ClusterRoles"]);
    assert_eq!(writer["Statement"][7]["Resource"][0], "arn:aws:iam::111122223333:role/EMR_DefaultRole_V2");
}
