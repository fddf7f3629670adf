use serde_json::json;

use super::call::Call;
use crate::CoreConfig;
use crate::chat::ChatItem;
use crate::ids::ConnectionId;
use crate::input::{CommitError, Input};
use crate::output::{EndReason, Outcome, Output};
use crate::phrases::RESTORED_GREETING;
use crate::session::{Restored, Session};
use crate::snapshot::{RestoreError, Snapshot};

fn conversation() -> Call {
    let mut call = Call::new();
    call.at(10, Input::Consent { recording: true });
    call.speaks(1_000, 2_000, "Add milk", 950);
    call.llm_calls(2_310, "add_task", json!({"title": "Milk"}));
    call.tool_answers(2_315, "add_task", true);
    call.llm_says(2_320, "Added milk.");
    call.tts_answers(2_350);
    call.plays(2_360, 660);
    call
}

fn restored(snapshot: Snapshot, how: Restored) -> Session {
    Session::restore(CoreConfig::default(), snapshot, how).unwrap()
}

#[test]
fn a_restored_session_is_the_session_that_was_saved() {
    let call = conversation();
    let snapshot = call.session.snapshot();
    assert_eq!(snapshot.history.len(), 2);
    assert_eq!(snapshot.asides.len(), 2);
    let json = serde_json::to_string(&snapshot).unwrap();
    let session = restored(serde_json::from_str(&json).unwrap(), Restored::Lost);
    assert_eq!(session.snapshot(), snapshot);
}

#[test]
fn a_lost_session_comes_back_with_the_missions_words() {
    let mut call = Call::unconnected(restored(conversation().session.snapshot(), Restored::Lost));
    call.at(0, Input::Connected { connection: ConnectionId(9), voice: true });
    call.tts_answers(50);
    call.plays(60, 9_000);
    assert_eq!(call.history().last(), Some(&format!("agent: {RESTORED_GREETING}")));
    assert!(call.session.recording_permit().is_some());
}

#[test]
fn a_moved_session_says_nothing_about_it() {
    let mut call = Call::unconnected(restored(conversation().session.snapshot(), Restored::Moved));
    call.at(0, Input::Connected { connection: ConnectionId(9), voice: true });
    assert!(!call.has(|output| matches!(output, Output::Synthesize { .. })));
}

#[test]
fn a_session_that_was_lost_before_a_word_greets_like_a_new_one() {
    let mut call = Call::unconnected(restored(Call::new().session.snapshot(), Restored::Lost));
    call.at(0, Input::Connected { connection: ConnectionId(9), voice: true });
    assert!(call.has(|output| matches!(output, Output::Synthesize { text, .. } if text == "Hello!")));
}

#[test]
fn ids_go_on_where_they_stopped() {
    let mut call = Call::unconnected(restored(conversation().session.snapshot(), Restored::Moved));
    call.at(0, Input::Connected { connection: ConnectionId(9), voice: true });
    call.speaks(1_000, 2_000, "Add eggs", 950);
    call.llm_calls(2_310, "add_task", json!({"title": "Eggs"}));
    assert_eq!(call.tool(), Some(crate::ids::ToolCallId(2)));
}

#[test]
fn a_snapshot_of_a_newer_version_is_refused() {
    let mut snapshot = conversation().session.snapshot();
    snapshot.version += 1;
    let error = Session::restore(CoreConfig::default(), snapshot, Restored::Lost).unwrap_err();
    assert_eq!(error, RestoreError::Newer(2));
}

#[test]
fn a_snapshot_that_contradicts_itself_is_refused() {
    let mut snapshot = conversation().session.snapshot();
    snapshot.history.clear();
    assert!(matches!(Session::restore(CoreConfig::default(), snapshot, Restored::Lost), Err(RestoreError::Broken(_))));
}

#[test]
fn a_store_that_is_gone_is_asked_again_less_and_less_often() {
    let mut call = Call::new();
    call.store_works = false;
    call.speaks(1_000, 2_000, "List my tasks", 950);
    call.until(2_300);
    for wait_ms in [1_000, 2_000, 4_000] {
        let (at_ms, _) = *call.log.iter().rev().find(|(_, one)| matches!(one, Output::Commit { .. })).unwrap();
        let (commit, ..) = call.commits().pop().unwrap();
        call.at(at_ms + 100, Input::CommitFailed { commit, error: CommitError::Unavailable });
        call.until(at_ms + 100 + wait_ms - 1);
        assert_eq!(call.commits().pop().unwrap().0, commit, "it is asked less and less often");
        call.until(at_ms + 100 + wait_ms);
        assert!(call.commits().pop().unwrap().0 > commit);
    }
}

#[test]
fn a_store_that_is_gone_does_not_keep_an_answer_from_being_heard() {
    let mut call = Call::new();
    call.store_works = false;
    call.speaks(1_000, 2_000, "List my tasks", 950);
    call.llm_says(2_250, "You have none.");
    call.tts_answers(2_260);
    call.until(2_300);
    let (commit, ..) = call.commits().pop().unwrap();
    call.at(2_310, Input::CommitFailed { commit, error: CommitError::Unavailable });
    call.plays(2_320, 840);
    assert_eq!(call.history(), ["user: List my tasks", "agent: You have none."], "the answer is heard all the same");
    call.until(3_400);
    let (again, _, snapshot) = call.commits().pop().unwrap();
    assert!(again > commit);
    assert_eq!(snapshot.history.len(), 2, "all that was said meanwhile is saved with the next commit");
    call.at(3_410, Input::Committed { commit: again });
    assert!(call.session.is_saved());
}

#[test]
fn a_session_that_another_instance_owns_stops_at_once() {
    let mut call = Call::new();
    call.store_works = false;
    call.speaks(1_000, 2_000, "Add milk", 950);
    call.until(2_300);
    let (commit, ..) = call.commits().pop().unwrap();
    call.at(2_310, Input::CommitFailed { commit, error: CommitError::Fenced });
    assert_eq!(
        call.log.last().map(|(_, output)| output),
        Some(&Output::End { outcome: Outcome::Dropped, reason: EndReason::TakenOver })
    );
}

#[test]
fn a_change_that_is_kept_after_an_interruption_is_history_and_one_that_is_not_is_marked_failed() {
    for (kept, error) in [(true, false), (false, true)] {
        let mut call = Call::new();
        call.speaks(1_000, 2_000, "Add milk", 950);
        call.llm_calls(2_205, "add_task", json!({"title": "Milk"}));
        call.tool_answers(2_210, "add_task", true);
        call.store_works = false;
        call.until(2_300);
        let (commit, ..) = call.commits().pop().unwrap();
        call.at(2_305, Input::Text { text: "And eggs".into(), message: None });
        call.at(2_306, Input::StartOfSpeech { at_ms: 2_306 });
        call.until(3_000);
        let input = if kept {
            Input::Committed { commit }
        } else {
            Input::CommitFailed { commit, error: CommitError::Unavailable }
        };
        call.at(3_010, input);
        let failed = call.session.snapshot().asides.iter().any(|aside| match &aside.item {
            ChatItem::ToolOutput(output) => output.is_error,
            _ => false,
        });
        assert_eq!(failed, error);
    }
}

#[test]
fn history_keeps_within_its_limit() {
    let config = CoreConfig { greeting: String::new(), max_history: 4, ..CoreConfig::default() };
    let mut call = Call::unconnected(Session::new(config));
    for turn in 0..5u64 {
        call.at(turn * 100, Input::Text { text: format!("Message {turn}"), message: Some(turn) });
        call.llm_says(turn * 100 + 10, "Yes.");
    }
    assert_eq!(call.history(), ["user: Message 3", "agent: Yes.", "user: Message 4", "agent: Yes."]);
}
