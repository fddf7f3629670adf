use serde_json::json;

use super::call::Call;
use crate::CoreConfig;
use crate::ids::ConnectionId;
use crate::input::{CommitError, Input};
use crate::output::{ClientEvent, EndReason, Outcome, Output};
use crate::session::{Restored, Session};

const WITHIN: Input = Input::HandOver { within_ms: 8_000 };

/// What is still to be said elsewhere, once the session has left.
fn left(call: &Call) -> Option<String> {
    call.log.iter().find_map(|(_, output)| match output {
        Output::HandOver { say } => Some(say.clone()),
        _ => None,
    })
}

/// The agent asks something, and is heard to its end at 4,360 ms.
fn asked() -> Call {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Delete milk", 950);
    call.llm_says(2_310, "Shall I delete the task to buy milk?");
    call.tts_answers(2_350);
    call.plays(2_360, 9_000);
    call
}

#[test]
fn a_silent_session_leaves_as_soon_as_the_store_has_all_of_it() {
    let mut call = asked();
    call.store_works = false;
    call.at(20_000, Input::Consent { recording: true });
    call.at(20_010, WITHIN);
    let (commit, _, snapshot) = call.commits().pop().expect("what is not saved is saved");
    assert_eq!((left(&call), snapshot.history.len()), (None, 2));
    call.at(20_030, Input::Committed { commit });
    assert_eq!(left(&call), Some(String::new()));
    assert!(snapshot.consent.recording_enabled && call.events().contains(&ClientEvent::HandOver));
    assert!(call.session.is_ended() && !call.has(|output| matches!(output, Output::End { .. })));
    call.take();
    call.at(20_040, Input::StartOfSpeech { at_ms: 20_040 });
    assert!(call.log.is_empty(), "nothing follows");
}

#[test]
fn the_next_process_goes_on_without_a_word_and_the_question_is_still_pending() {
    let mut call = asked();
    call.at(20_000, WITHIN);
    let snapshot = call.session.snapshot();
    let mut call =
        Call::unconnected(Session::restore(CoreConfig::default(), snapshot.clone(), Restored::Moved).unwrap());
    call.at(0, Input::TookOver { say: String::new() });
    call.at(300, Input::Connected { connection: ConnectionId(2), voice: true });
    assert!(!call.has(|output| matches!(output, Output::Synthesize { .. } | Output::Commit { .. })));
    call.speaks(1_000, 1_500, "Yes", 950);
    let (_, _, chat) = call.request().unwrap();
    let said: Vec<String> = chat.iter().map(|item| format!("{item:?}")).collect();
    assert!(said[1].contains("Shall I delete") && said[2].contains("Yes"), "{said:?}");
}

#[test]
fn nobody_is_cut_short_for_it() {
    // The agent is heard to its end.
    let mut call = asked();
    call.speaks(20_000, 20_500, "No", 950);
    call.at(20_600, WITHIN);
    call.llm_says(20_810, "All right, I'll leave it.");
    call.tts_answers(20_850);
    assert_eq!(left(&call), None);
    call.plays(20_860, 2_000);
    assert_eq!(left(&call), Some(String::new()));
    assert_eq!(call.history().last().unwrap(), "agent: All right, I'll leave it.");
    // The caller speaks.
    let mut call = asked();
    call.at(20_000, Input::StartOfSpeech { at_ms: 20_000 });
    call.at(20_100, WITHIN);
    call.at(29_000, Input::Tick);
    assert_eq!(left(&call), None, "however long it takes");
    call.speaks(29_000, 29_500, "No", 950);
    // The answer is made and heard.
    assert_eq!(left(&call), None);
    call.llm_says(29_810, "All right, I'll leave it.");
    // So late it is made here and said elsewhere.
    assert_eq!(left(&call), Some("All right, I'll leave it.".to_owned()));
    assert_eq!(call.history().last().unwrap(), "user: No");
}

#[test]
fn after_a_while_the_rest_of_a_long_speech_is_said_elsewhere() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "List my tasks", 950);
    call.llm_says(
        2_310,
        "You have two tasks. The first is to buy milk. The second is to water all the plants in the house.",
    );
    call.tts_answers(2_350);
    call.plays(2_360, 600);
    call.at(3_000, Input::HandOver { within_ms: 1_500 });
    let speech = call.speech();
    call.at(4_000, Input::PlayoutPosition { speech, played_ms: 1_300, reported: true });
    assert_eq!(left(&call), None);
    call.until(4_500);
    let say = left(&call).expect("the deadline has passed");
    assert!(say.ends_with("The second is to water all the plants in the house."), "{say:?}");
    let heard = call.history().pop().unwrap();
    assert_eq!(
        format!("{} {say}", heard.trim_start_matches("agent: ")).split_whitespace().count(),
        21,
        "{heard} {say}"
    );

    let mut next =
        Call::unconnected(Session::restore(CoreConfig::default(), call.session.snapshot(), Restored::Moved).unwrap());
    next.at(0, Input::TookOver { say: say.clone() });
    assert_eq!(next.session.first_words_due(), Some(say.as_str()));
    next.at(10, Input::Connected { connection: ConnectionId(2), voice: true });
    next.tts_answers(50);
    next.plays(60, 60_000);
    assert_eq!(next.history().pop().unwrap(), format!("agent: {say}"));
}

#[test]
fn a_change_that_is_being_made_is_waited_for_whatever_the_deadline() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Add milk", 950);
    call.at(2_200, Input::HandOver { within_ms: 0 });
    call.llm_calls(2_310, "add_task", json!({"title": "Milk"}));
    call.store_works = false;
    call.tool_answers(2_315, "add_task", true);
    let (commit, tools, _) = call.commits().pop().unwrap();
    assert_eq!((tools.len(), left(&call)), (1, None));
    call.store_works = true;
    call.at(2_330, Input::Committed { commit });
    call.llm_says(2_340, "Added milk.");
    // Of an answer whose voice has not begun nothing was heard: all of it is said elsewhere.
    assert_eq!(left(&call), Some("Added milk.".to_owned()));
}

#[test]
fn what_the_store_does_not_take_does_not_move() {
    let mut call = asked();
    call.store_works = false;
    call.at(20_000, Input::Consent { recording: true });
    call.at(20_010, WITHIN);
    for at_ms in [20_020, 21_100, 23_200, 27_300] {
        call.until(at_ms);
        let (commit, ..) = call.commits().pop().unwrap();
        call.at(at_ms, Input::CommitFailed { commit, error: CommitError::Unavailable });
        assert_eq!(left(&call), None);
    }
    call.store_works = true;
    call.at(27_301, Input::StoreIsBack);
    assert_eq!(left(&call), Some(String::new()), "the store is back");
}

#[test]
fn a_session_that_another_process_owns_ends_at_once() {
    let mut call = asked();
    call.at(20_000, Input::TakenOver);
    assert_eq!(
        call.log.last().map(|(_, output)| output),
        Some(&Output::End { outcome: Outcome::Dropped, reason: EndReason::TakenOver })
    );
}
