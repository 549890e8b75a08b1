//! While nothing changes nothing is written, and sweeps cost pages, not tables.

use mizuumi_tests::idle::measure;

#[tokio::test]
async fn three_hundred_tables_with_nothing_changing_cost_three_calls_a_sweep_and_no_write() {
    let figures = measure(300, 3).await;
    assert_eq!((figures.aws_writes, figures.status_writes), (0, 0), "{figures}");
    let operations: Vec<_> = figures.calls.keys().collect();
    assert_eq!(operations, ["glue:GetTables"], "{figures}");
    // Three pages for each sweep, and those of a sweep that was under way at either end.
    assert!(figures.calls["glue:GetTables"] <= 3 * (figures.sweeps + 2), "{figures}");
}
