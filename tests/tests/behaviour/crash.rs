//! The controller dies at each write that it makes; the next one brings everything to the same end.
//!
//! `make faults` has it die at the looks between them as well.

use futures::{StreamExt as _, stream};
use mizuumi_tests::{Death, Finding, Reference, Story};

/// Points of death tried at once.
const AT_ONCE: usize = 4;

async fn dies_everywhere(story: Story, deaths: fn(&Reference) -> Vec<Death>) {
    let reference = story.reference().await;
    assert!(reference.calls.iter().any(mizuumi_tests::Call::writes), "{:?}", reference.calls);
    stream::iter(deaths(&reference))
        .for_each_concurrent(AT_ONCE, async |death| {
            let ended = story.with_death(death, &reference).await;
            let operations: Vec<_> = reference.calls.iter().map(|call| call.operation.as_str()).collect();
            assert_eq!(ended.end, reference.end, "{story:?}, {death:?} of {operations:?}");
            assert_eq!(ended.finding, Finding::default(), "{story:?}, {death:?} of {operations:?}");
        })
        .await;
}

#[tokio::test]
async fn a_controller_may_die_at_every_write_of_a_creation() {
    dies_everywhere(Story::Create, Reference::deaths_at_writes).await;
}

#[tokio::test]
async fn a_controller_may_die_at_every_write_of_an_update() {
    dies_everywhere(Story::Update, Reference::deaths_at_writes).await;
}

#[tokio::test]
async fn a_controller_may_die_at_every_write_of_a_deletion() {
    dies_everywhere(Story::Delete, Reference::deaths_at_writes).await;
}

#[tokio::test]
async fn a_controller_may_die_at_every_write_of_a_release() {
    dies_everywhere(Story::Release, Reference::deaths_at_writes).await;
}

#[tokio::test]
async fn a_controller_may_die_at_every_write_of_a_publication_of_250_partitions() {
    dies_everywhere(Story::Publish, Reference::deaths_at_writes).await;
}

#[tokio::test]
async fn a_controller_may_die_at_every_write_of_a_rollback_of_250_partitions() {
    dies_everywhere(Story::RollBack, Reference::deaths_at_writes).await;
}

#[tokio::test]
async fn a_controller_may_die_at_every_write_of_a_cascade_to_250_partitions() {
    dies_everywhere(Story::Cascade, Reference::deaths_at_writes).await;
}

#[tokio::test]
async fn a_controller_may_die_at_every_write_of_the_clearing_up_of_superseded_runs() {
    dies_everywhere(Story::ClearUp, Reference::deaths_at_writes).await;
}

#[tokio::test]
async fn a_controller_may_die_at_every_write_to_the_apiserver() {
    for story in Story::ALL {
        dies_everywhere(story, Reference::deaths_at_writes_to_the_apiserver).await;
    }
}
