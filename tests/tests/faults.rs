//! The list of faults, tried shortly: a test for each, which `make faults` tries at length.
//!
//! F1, kill -9 at every request, is in `behaviour/crash.rs` and `behaviour/cluster_crash.rs`; the apiserver away (F18) is in
//! `outage.rs`, and what the definitions of the resources do to others (F27) in `definitions.rs`.

#![expect(clippy::expect_used, reason = "tests fail by panicking, helpers of tests too")]

use mizuumi_tests::faults::{self, Options, Verdict};

async fn holds(id: &str) {
    let row = faults::find(id).expect("a fault").run(Options::SHORT).await;
    assert_ne!(*row.verdict(), Verdict::Fails, "{id}\n{}", row.remarks());
}

macro_rules! faults {
    ($($name:ident $id:literal;)+) => {
        $(#[tokio::test]
        async fn $name() {
            holds($id).await;
        })+
    };
}

faults! {
    a_create_without_a_reply_is_looked_for_and_not_repeated "F2";
    a_cluster_whose_reply_is_lost_is_looked_for_and_not_started_twice "F2c";
    a_cluster_that_lists_show_late_is_waited_for "F3c";
    an_error_of_emr_does_not_say_that_nothing_happened "F4c";
    no_cluster_is_asked_for_before_that_is_written_down "F5c";
    a_cluster_is_not_lost_though_its_id_cannot_be_written_for_long "F6c";
    each_of_256_steps_runs_once "F7c";
    work_whose_reply_is_lost_is_looked_for_and_not_asked_for_twice "F7r";
    a_job_that_is_asked_for_twice_is_one "F8r";
    a_task_that_is_asked_for_twice_is_one "F8e";
    throttling_makes_no_storm "F9";
    an_account_that_is_throttled_is_alone_with_it "F10";
    clusters_of_an_account_that_is_throttled_are_alone_with_it "F10c";
    lists_that_hang_hold_up_nothing_else "F11";
    what_half_a_list_does_not_show_is_not_gone "F12";
    a_second_writer_is_told_of_and_not_raced "F13";
    what_an_engine_commits_stays "F14";
    a_create_that_meets_a_table_takes_only_its_own "F15";
    the_past_is_not_acted_upon "F16";
    what_a_watch_lost_is_made_good "F17";
    a_busy_apiserver_is_waited_for "F18";
    one_that_slept_does_no_harm "F20";
    one_that_slept_does_no_harm_to_clusters "F20c";
    one_that_slept_begins_no_work_twice "F20r";
    two_controllers_do_what_one_does "F21";
    two_controllers_start_each_cluster_once "F21c";
    two_controllers_begin_each_work_once "F21r";
    a_cluster_is_handed_over_in_the_middle_of_a_call "F22c";
    one_made_again_at_once_is_another_one "F23";
    a_cluster_made_again_at_once_is_another_one "F23c";
    a_run_made_again_at_once_is_another_one "F23r";
    a_deletion_that_is_denied_waits_without_haste "F24";
    a_cluster_whose_end_is_denied_waits_without_haste "F24c";
    a_namespace_takes_all_its_tables_with_it "F25n";
    a_namespace_without_its_role_waits_without_haste "F25";
    a_restored_cluster_finds_its_tables_again "F26";
    a_profile_that_loses_its_role_is_alone_with_it "F28";
    clusters_of_a_profile_that_loses_its_role_are_alone_with_it "F28c";
    tasks_of_a_profile_that_loses_its_role_are_alone_with_it "F28e";
    clusters_that_fail_in_a_row_are_guarded_against "F29c";
    deletions_by_the_dozen_are_held "F30";
    hostile_specs_are_refused_or_told "F31";
    one_that_is_stopped_under_load_leaves_nothing_half_done "F32";
    one_that_is_stopped_loses_no_run "F32r";
    nowhere_to_write_is_no_reason_to_stop "F33";
    nowhere_to_write_is_no_reason_to_lose_a_cluster "F33c";
    another_installations_clusters_are_not_touched "F34c";
    readers_see_whole_data_in_order "R1";
    all_tables_may_turn_stale_at_once "F35";
}

#[test]
fn every_fault_is_tried_by_a_test() {
    let here = include_str!("faults.rs");
    let elsewhere = ["F1", "F1c", "F27"];
    for fault in faults::ALL {
        let tried = here.contains(&format!("\"{}\";", fault.id)) || elsewhere.contains(&fault.id);
        assert!(tried, "{} has no test", fault.id);
    }
}
