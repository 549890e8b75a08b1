//! The definitions of the resources change under the controller (F27). In a program of its own, as it disturbs the whole
//! stand.

use mizuumi_tests::faults::{self, Options, Verdict};

#[tokio::test]
async fn a_definition_that_lacks_something_is_not_used() {
    let row = faults::find("F27").expect("a fault").run(Options::SHORT).await;
    assert_ne!(*row.verdict(), Verdict::Fails, "{}", row.remarks());
}
