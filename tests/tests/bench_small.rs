//! The benchmarks with few tables: every count is what it was. In a program of its own, as it counts the apiserver's writes.

use std::collections::BTreeMap;
use std::fs;

use mizuumi_tests::bench::{Settings, run};

/// In the checkout that runs the test: a shared build may have been made in another.
const BASELINE: &str = "../bench/baseline.json";

#[tokio::test]
async fn calls_and_writes_of_three_hundred_tables_are_those_of_the_baseline() {
    let (report, table) = run(&Settings::small()).await.expect("the benchmarks run");
    assert_eq!(report.failures(), Vec::<String>::new(), "{table}");
    let counted = report.counts();
    if std::env::var_os("UPDATE").is_some() {
        let text = serde_json::to_string_pretty(counted).expect("JSON") + "\n";
        fs::write(BASELINE, text).expect("the baseline is written");
    }
    let text = fs::read_to_string(BASELINE).expect("bench/baseline.json");
    let baseline: BTreeMap<String, u64> = serde_json::from_str(&text).expect("counts by name");
    assert_eq!(
        *counted, baseline,
        "\n{table}\nIf it is meant to be so: UPDATE=1 make test, and say why in the commit"
    );
}
