//! F31: specs that nobody means well with.

use kube::ResourceExt as _;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Trial;
use super::trial::Point;
use crate::controller::Controller;
use crate::judge::{Finding, Witness};
use crate::kubernetes::condition;
use crate::team::Team;

/// What has to come of a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// The apiserver refuses it.
    Refused,
    /// The controller says what is wrong with it, and writes nothing.
    Told,
    /// It is as good as any other, and stands in Glue as it was written.
    Kept,
}

/// Each such spec, and a good one beside it that must not notice.
pub(super) async fn specs(trial: &Trial) {
    let team = Team::new("hostile").await;
    let mut witness = Witness::of(&team).await;
    let mut controller = Controller::start(&team).await;
    let pid = controller.pid();
    for (index, (what, spec, expected)) in cases(&team).into_iter().enumerate() {
        let name = format!("hostile-{index:02}");
        if expected == Expected::Told {
            witness.excuses(&name);
        }
        trial.point(what, one(&team, &name, spec, expected, &format!("good-{index:02}"))).await;
    }
    trial.check(controller.runs() && controller.pid() == pid, || "the controller has ended".to_owned());
    let finding = witness.judge().await;
    trial.point("all together", async { Point { finding, seconds: 0.0 } }).await;
}

fn columns(number: usize) -> Value {
    (0..number).map(|number| json!({ "name": format!("c{number}"), "type": "string" })).collect()
}

fn cases(team: &Team) -> Vec<(&'static str, Value, Expected)> {
    use Expected::{Kept, Refused, Told};
    let sql = "'; DROP TABLE orders; -- ${jndi:ldap://x} {{7*7}} `rm -rf /` %s%n";
    let column =
        |name: &str, type_: &str| json!({ "schema": { "columns": [{ "name": name, "type": type_ }] } });
    let parameters: Value = (0..200)
        .map(|key| (format!("key{key}"), json!("x".repeat(8192))))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let deep = format!("{}int{}", "array<".repeat(580), ">".repeat(580));
    let wide = format!("struct<{}>", (0..400).map(|n| format!("f{n}:int")).collect::<Vec<_>>().join(","));
    let listed = |values: &str| {
        json!({
            "partitionKeys": [{ "name": "day", "type": "string" }],
            "partitions": { "mode": "Declared", "declared": [{ "values": [values] }] },
        })
    };
    vec![
        ("a description of 1 MB", json!({ "description": "x".repeat(1 << 20) }), Refused),
        ("1.6 MB of parameters", json!({ "parameters": parameters }), Refused),
        ("10,000 columns", json!({ "schema": { "columns": columns(10_000) } }), Refused),
        ("2,000 columns", json!({ "schema": { "columns": columns(2_000) } }), Kept),
        ("a database like a regular expression", json!({ "database": ".*" }), Refused),
        ("a database of others", json!({ "database": "somebody_elses" }), Told),
        ("a name in Unicode", json!({ "name": "таблица\u{202e}" }), Refused),
        ("a name with a quote", json!({ "name": "a\"; drop" }), Refused),
        ("a location of others", json!({ "location": "s3://somebody-elses/" }), Told),
        (
            "a location that climbs",
            json!({ "location": format!("s3://{}/../other/", team.aws.bucket) }),
            Told,
        ),
        ("a location like a pattern", json!({ "location": format!("s3://{}/*/", team.aws.bucket) }), Refused),
        ("an owner mark in the parameters", json!({ "parameters": { "mizuumi.owner": "me" } }), Refused),
        ("SQL and shell as description", json!({ "description": sql }), Kept),
        (
            "SQL as a column's comment",
            json!({ "schema": { "columns": [{ "name": "id", "type": "bigint", "comment": sql }] } }),
            Kept,
        ),
        ("a type 580 levels deep", column("id", &deep), Told),
        ("a struct of 400 fields", column("id", &wide), Kept),
        ("a type that is SQL", column("id", "string); DROP TABLE orders; --"), Told),
        ("a column's name in Unicode", column("列名", "string"), Kept),
        ("a partition value that climbs", listed("../../other"), Kept),
        ("a partition value of SQL", listed("1' OR '1'='1"), Kept),
        ("a profile that does not exist", json!({ "profile": "root" }), Told),
    ]
}

/// What the controller says of an object, once it has come to something.
async fn told(team: &Team, name: &str) -> String {
    let table = team
        .until(name, "told", |table| {
            condition(table, "Ready").is_some_and(|ready| {
                let settled = ready.reason != "Progressing" && ready.reason != "Creating";
                settled && Some(ready.observed_generation) == table.metadata.generation
            })
        })
        .await;
    let ready = condition(&table, "Ready");
    ready.map(|ready| format!("{}: {}", ready.reason, ready.message)).unwrap_or_default()
}

async fn one(team: &Team, name: &str, spec: Value, expected: Expected, good: &str) -> Point {
    let mut finding = Finding::default();
    let writes = team.admin.writes().await.len();
    let made = team.try_create(&team.manifest(name, spec)).await;
    let became = if made.is_ok() { told(team, name).await } else { "refused by the apiserver".to_owned() };
    let as_expected = match expected {
        Expected::Refused => made.is_err(),
        Expected::Kept => became.starts_with("InSync"),
        Expected::Told => {
            let quiet = team.admin.writes().await.len() == writes;
            quiet && (became.starts_with("SpecInvalid") || became.starts_with("NotAllowed"))
        }
    };
    if !as_expected {
        let cut: String = became.chars().take(200).collect();
        finding.lost.push(format!("it should be {expected:?} and is {cut}"));
    }
    let began = Instant::now();
    team.create_ready(good, json!({ "deletionPolicy": "Delete" })).await;
    let seconds = began.elapsed().as_secs_f64();
    if let Ok(made) = made
        && expected == Expected::Told
    {
        team.delete_wholly(&made.name_any()).await;
    }
    Point { finding, seconds }
}
