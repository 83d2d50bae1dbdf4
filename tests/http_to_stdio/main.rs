//! HTTP clients in front of a stdio server: raw ones for every rule of the transport, rmcp's for the rest.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "../common/mod.rs"]
mod common;

mod bodies;
mod children;
mod door;
mod legacy;
mod modern;
mod old;

use bodies::*;
use children::*;
use common::{harness, peers};
use legacy::*;
use modern::*;
use old::*;
use std::process::ExitCode;

fn main() -> ExitCode {
    peers::be_one_if_told();
    harness::run(tests![
        a_quiet_stream_says_that_it_is_alive,
        a_session_begins_with_initialize_and_ends_with_delete,
        an_answer_that_comes_soon_is_json,
        every_session_has_a_child_of_its_own,
        a_session_that_is_missing_or_unknown_is_said_to_be,
        a_handshake_that_fails_makes_no_session,
        a_session_that_its_client_does_not_wait_for_ends,
        a_version_of_another_era_is_refused,
        progress_makes_a_stream_of_events_with_ids,
        a_stream_of_the_last_legacy_version_begins_with_how_to_resume,
        a_silent_request_becomes_a_stream_after_a_moment,
        a_client_that_takes_only_json_gets_json,
        what_belongs_to_no_request_goes_on_the_listening_stream,
        what_finds_no_stream_waits_for_the_next,
        what_belongs_to_a_task_goes_with_the_request_for_its_result,
        a_listening_stream_that_was_lost_goes_on_with_what_it_missed,
        a_child_may_open_as_many_files_as_without_us,
        the_server_asks_on_the_stream_and_is_answered_by_a_post,
        a_lost_stream_goes_on_after_the_last_event_and_nothing_was_cancelled,
        nothing_is_kept_for_a_request_that_was_left_and_then_cancelled,
        only_what_was_missed_of_a_stream_is_sent_again,
        an_error_for_a_request_that_could_not_be_read_ends_its_response,
        a_batch_is_answered_as_the_server_does,
        a_pretty_printed_message_reaches_the_server_on_one_line,
        what_is_no_message_is_refused_as_such,
        what_came_of_a_body_that_is_not_taken_is_on_record,
        what_http_forbids_has_its_status,
        a_page_that_was_let_in_may_read_the_response,
        the_death_of_a_child_is_told_at_once,
        there_are_only_so_many_children,
        a_session_that_nobody_uses_ends,
        what_the_server_logs_is_on_record_and_on_no_stream,
        every_message_is_on_record_once_with_its_exchange,
        the_operator_speaks_in_a_clients_session_unseen,
        a_batch_for_both_is_split_and_nothing_else_of_it_is_changed,
        a_deaf_child_blocks_no_other_session,
        a_modern_answer_has_the_status_of_its_error,
        a_server_of_the_legacy_era_is_not_taken_for_a_modern_one,
        a_server_that_is_silent_when_probed_is_no_modern_one,
        a_server_that_starts_slowly_is_asked_as_long_as_it_takes,
        a_server_that_dies_of_the_probe_is_no_modern_one,
        a_modern_stream_has_no_ids_and_no_session,
        headers_that_contradict_the_body_are_refused,
        a_lenient_proxy_only_notes_them,
        parameters_that_a_tool_wants_in_headers_are_checked_once_it_is_known,
        modern_bodies_are_one_request_or_one_notification,
        clients_that_use_the_same_ids_and_tokens_get_their_own_answers,
        a_modern_client_that_leaves_cancels_and_a_posted_cancel_does_not,
        a_subscription_gets_its_own_changes_and_nothing_else_does,
        log_messages_go_to_the_newest_request_that_wants_them,
        log_messages_go_past_a_request_whose_client_takes_no_stream,
        a_server_that_asks_in_the_modern_era_is_told_that_nobody_answers,
        a_modern_child_that_died_is_started_again,
        a_client_that_does_not_read_is_broken_off_and_stops_nobody,
        nobody_waits_for_a_client_that_reads_slowly,
        an_answer_of_a_hundred_megabytes_passes_while_others_are_served,
        the_old_transport_is_served_when_it_is_wanted,
        an_old_client_that_leaves_ends_its_child_and_hears_of_its_death,
    ])
}
