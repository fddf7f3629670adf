//! What the simulator found about answers, tools and sessions, each bad seed in its smallest form.

use serde_json::json;

use super::call::Call;
use crate::CoreConfig;
use crate::chat::{ChatItem, ToolOutput};
use crate::ids::{ConnectionId, RungId, ToolCallId, UtteranceId};
use crate::input::{CommitError, HangUp, Input};
use crate::output::{ClientEvent, Observation, Output};
use crate::session::{Restored, Session};

fn requests(call: &Call) -> usize {
    call.log.iter().filter(|(_, output)| matches!(output, Output::RequestLlm { .. })).count()
}

fn apologises(call: &Call) -> bool {
    call.has(|output| matches!(output, Output::Synthesize { text, .. } if text.contains("sorry")))
}

/// The agent has said "Hold on." to "Add milk", and its first tool is in the store; the second waits to be.
fn second_tool_staged(call: &mut Call) {
    call.speaks(1_000, 2_000, "Add milk", 950);
    call.until(2_300);
    call.llm_calls(2_310, "add_task", json!({"title": "Milk"}));
    call.tool_answers(2_320, "add_task", true);
    call.store_works = false;
    call.llm_calls(2_330, "complete_task", json!({"title": "Eggs"}));
    call.tool_answers(2_340, "complete_task", true);
}

#[test]
fn a_model_that_calls_tools_for_ever_in_one_request_is_cut_off() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "List my tasks", 950);
    let first = call.request_id();
    for round in 0..40 {
        let call_it =
            Input::LlmToolCall { request: first, name: "list_tasks".into(), arguments: serde_json::Map::new() };
        call.at(2_310 + round, call_it);
        if call.tool().is_some() {
            call.tool_answers(2_310 + round, "list_tasks", false);
        }
    }
    assert!(call.has(|output| matches!(output, Output::EndLlm { request } if *request == first)));
    let (_, _, chat) = call.request().unwrap();
    let calls = chat.iter().filter(|item| matches!(item, ChatItem::ToolCall(_))).count();
    assert_eq!(calls, 17, "sixteen, and the one that was refused");
}

#[test]
fn a_model_that_streams_for_ever_is_not_waited_for_once_the_reply_is_full() {
    let config = CoreConfig { greeting: String::new(), max_reply_chars: 100, ..CoreConfig::default() };
    let mut call = Call::with(config);
    call.speaks(1_000, 2_000, "Tell me everything", 950);
    let request = call.request_id();
    for round in 0..30 {
        call.at(2_310 + round * 1_000, Input::LlmText { request, text: "And so on. ".into() });
    }
    assert!(call.has(|output| matches!(output, Output::EndLlm { .. })));
    let answered = |observation: &Observation| matches!(observation, Observation::Answered { .. });
    assert!(call.observations().iter().any(answered));
}

#[test]
fn a_model_that_streams_spaces_does_not_answer() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "List my tasks", 950);
    let request = call.request_id();
    for round in 0..10 {
        call.at(2_310 + round * 500, Input::LlmText { request, text: " \n".into() });
    }
    assert!(call.has(|output| matches!(output, Output::CancelLlm { .. })));
    assert_eq!(requests(&call), 2);
}

#[test]
fn a_model_that_dribbles_is_given_up() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "List my tasks", 950);
    for round in 0..40 {
        let request = call.request_id();
        call.at(2_310 + round * 2_000, Input::LlmText { request, text: "a".into() });
    }
    assert!(apologises(&call), "15 s, and the apology");
}

#[test]
fn a_caller_who_connects_while_the_session_closes_does_not_keep_it() {
    let mut call = Call::unconnected(Session::new(CoreConfig::default()));
    call.store_works = false;
    call.at(10, Input::HangUp { by: HangUp::Operator });
    call.at(20, Input::Connected { connection: ConnectionId(1), voice: true });
    call.until(60_000);
    assert!(!call.has(|output| matches!(output, Output::Synthesize { .. })));
    assert!(call.session.is_ended());
}

#[test]
fn a_greeting_does_not_push_an_answer_aside() {
    let mut call = Call::unconnected(Session::new(CoreConfig::default()));
    call.at(10, Input::Text { text: "List my tasks".into(), message: Some(1) });
    call.at(20, Input::Connected { connection: ConnectionId(1), voice: true });
    call.llm_says(50, "You have none.");
    call.tts_answers(90);
    call.plays(100, 2_000);
    assert_eq!(call.history(), ["user: List my tasks", "agent: You have none."]);
}

#[test]
fn the_page_hears_that_a_handed_over_call_is_back_when_the_reply_is_thrown_away() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Let's review", 950);
    call.until(2_300);
    call.llm_calls(2_310, "transfer_to_agent", json!({"agent": "ReviewAgent"}));
    assert!(call.events().contains(&ClientEvent::Agent { agent: "ReviewAgent".into() }));
    call.at(2_400, Input::StartOfSpeech { at_ms: 2_380 });
    call.at(2_700, Input::InterimTranscript { utterance: UtteranceId(2), text: "No, add milk".into() });
    let agents: Vec<ClientEvent> =
        call.events().into_iter().filter(|event| matches!(event, ClientEvent::Agent { .. })).collect();
    assert_eq!(agents.last(), Some(&ClientEvent::Agent { agent: "TaskAgent".into() }));
    assert_eq!(call.session.current_agent(), "TaskAgent");
}

#[test]
fn a_conflict_does_not_do_again_what_is_kept_already() {
    let mut call = Call::new();
    second_tool_staged(&mut call);
    let (commit, tools, _) = call.commits().pop().unwrap();
    assert_eq!(tools, [ToolCallId(2)]);
    call.at(2_350, Input::CommitFailed { commit, error: CommitError::Conflict });
    let (_, _, chat) = call.request().unwrap();
    let outputs: Vec<bool> = chat
        .iter()
        .filter_map(|item| match item {
            ChatItem::ToolOutput(output) => Some(output.is_error),
            _ => None,
        })
        .collect();
    assert_eq!(outputs, [false, true], "the first is kept, the second is to be thought over");
}

#[test]
fn a_conflict_does_not_forget_what_was_heard() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Add milk", 950);
    call.until(2_300);
    let request = call.request_id();
    call.at(2_310, Input::LlmText { request, text: "One moment. ".into() });
    call.tts_answers(2_320);
    call.plays(2_330, 660);
    call.store_works = false;
    call.llm_calls(3_000, "add_task", json!({"title": "Milk"}));
    call.tool_answers(3_010, "add_task", true);
    let (commit, ..) = call.commits().pop().unwrap();
    call.at(3_020, Input::CommitFailed { commit, error: CommitError::Conflict });
    assert_eq!(call.history(), ["user: Add milk", "agent: One moment."]);
}

#[test]
fn what_was_computed_on_a_change_that_failed_fails_with_it() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Add milk", 950);
    call.until(2_300);
    call.llm_calls(2_310, "add_task", json!({"title": "Milk"}));
    call.store_works = false;
    call.tool_answers(2_320, "add_task", true);
    let (commit, tools, _) = call.commits().pop().unwrap();
    assert_eq!(tools, [ToolCallId(1)]);
    call.llm_calls(2_330, "complete_task", json!({"title": "Milk"}));
    call.tool_answers(2_340, "complete_task", true);
    call.at(2_350, Input::CommitFailed { commit, error: CommitError::Unavailable });
    let both = [ToolCallId(1), ToolCallId(2)];
    assert!(call.has(|output| matches!(output, Output::DropTools { calls } if *calls == both)));
    call.llm_says(2_400, "I couldn't save that.");
    assert!(call.commits().iter().all(|(id, tools, _)| *id <= commit || tools.is_empty()));
}

#[test]
fn a_tool_that_runs_when_an_earlier_change_fails_is_not_committed() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Add milk", 950);
    call.until(2_300);
    call.llm_calls(2_310, "add_task", json!({"title": "Milk"}));
    call.store_works = false;
    call.tool_answers(2_320, "add_task", true);
    let (commit, ..) = call.commits().pop().unwrap();
    call.llm_calls(2_330, "complete_task", json!({"title": "Milk"}));
    call.at(2_335, Input::CommitFailed { commit, error: CommitError::Unavailable });
    let id = call.tool().unwrap();
    let output = ToolOutput { id, name: "complete_task".into(), result: json!({"status": "ok"}), is_error: false };
    call.at(2_340, Input::ToolComputed { output, mutates: true });
    assert!(matches!(call.log.last(), Some((_, Output::DropTools { calls })) if calls == &[id]));
}

#[test]
fn a_turn_that_the_caller_went_on_with_is_not_swallowed() {
    for typed in [true, false] {
        let mut call = Call::new();
        call.speaks(1_000, 2_000, "Add milk", 950);
        call.until(2_300);
        call.at(2_400, Input::StartOfSpeech { at_ms: 2_390 });
        call.until(3_000);
        let input = if typed {
            Input::Text { text: "And eggs".into(), message: None }
        } else {
            Input::Disconnected { connection: ConnectionId(1) }
        };
        call.at(3_010, input);
        if typed {
            call.at(3_020, Input::EndOfSpeech { last_speech_ms: 3_000 });
            let (utterance, revision) = call.finishing().unwrap();
            call.at(3_100, Input::FinalTranscript { utterance, revision, rung: RungId(0), text: String::new() });
            call.until(5_000);
        }
        assert_eq!(requests(&call), 2, "it is asked for again");
        assert_eq!(call.history(), ["user: Add milk"]);
    }
}

#[test]
fn one_who_types_when_the_goodbye_was_heard_goes_on() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Goodbye", 950);
    let request = call.request_id();
    call.at(2_310, Input::LlmText { request, text: "Goodbye!".into() });
    call.llm_calls(2_310, "end_call", json!({}));
    call.tts_answers(2_350);
    let speech = call.speech();
    call.at(2_360, Input::FirstAudioOut { speech });
    call.at(2_800, Input::StartOfSpeech { at_ms: 2_790 });
    call.at(2_850, Input::PlayoutPosition { speech, played_ms: 480, reported: true });
    call.at(2_900, Input::Text { text: "Wait, add milk".into(), message: None });
    call.llm_says(3_000, "Added.");
    call.until(20_000);
    assert!(!call.session.is_ended());
}

#[test]
fn a_session_that_was_lost_uses_no_id_that_its_last_process_may_have_used() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Add milk", 950);
    let saved = call.session.snapshot();
    call.until(4_000);
    call.llm_calls(4_000, "add_task", json!({"title": "Milk"}));
    let used = call.tool().unwrap();
    let mut next = Call::unconnected(Session::restore(CoreConfig::default(), saved, Restored::Lost).unwrap());
    next.at(0, Input::Connected { connection: ConnectionId(2), voice: true });
    assert!(!next.commits().is_empty(), "the new ids are saved at once");
    next.speaks(1_000, 2_000, "Add eggs", 950);
    next.llm_calls(2_310, "add_task", json!({"title": "Eggs"}));
    assert!(next.tool().unwrap() > used);
}

#[test]
fn stop_recording_is_heard_as_a_sentence_of_several_and_as_an_utterance_of_several() {
    let config = CoreConfig { greeting: String::new(), max_utterance_ms: 1_000, ..CoreConfig::default() };
    let mut call = Call::with(config);
    call.at(10, Input::Consent { recording: true });
    call.at(20, Input::Text { text: "Add milk. Stop recording.".into(), message: None });
    assert!(call.session.recording_permit().is_none());
    call.llm_says(30, "Added.");
    call.at(40, Input::Consent { recording: true });
    call.speaks(5_000, 6_500, "Add milk", 0);
    call.at(6_800, Input::StartOfSpeech { at_ms: 6_790 });
    let utterance = UtteranceId(2);
    call.at(7_400, Input::InterimTranscript { utterance, text: "stop recording".into() });
    assert!(call.session.recording_permit().is_none());
    // Leave that is given in the same turn, and taken back in the same turn.
    call.at(7_500, Input::Consent { recording: true });
    call.at(7_600, Input::InterimTranscript { utterance, text: "stop recording add eggs".into() });
    assert!(call.session.recording_permit().is_some());
    call.at(8_000, Input::InterimTranscript { utterance, text: "stop recording. add eggs. Stop recording".into() });
    assert!(call.session.recording_permit().is_none());
}

#[test]
fn stop_recording_in_other_words_than_those_that_were_guessed_is_followed_after_leave_was_given() {
    let config = CoreConfig { greeting: String::new(), max_utterance_ms: 1_000, ..CoreConfig::default() };
    let mut call = Call::with(config);
    call.at(10, Input::Consent { recording: true });
    call.speaks(5_000, 6_500, "the recording", 0);
    call.at(6_800, Input::StartOfSpeech { at_ms: 6_790 });
    let utterance = UtteranceId(2);
    call.at(7_400, Input::InterimTranscript { utterance, text: "please stop".into() });
    assert!(call.session.recording_permit().is_none(), "it may be one sentence");
    call.at(7_500, Input::Consent { recording: true });
    call.at(7_600, Input::InterimTranscript { utterance, text: "please stop recording".into() });
    assert!(call.session.recording_permit().is_none());
}

#[test]
fn a_session_is_saved_only_when_the_store_has_said_so() {
    let mut call = Call::new();
    second_tool_staged(&mut call);
    assert!(!call.session.is_saved());
    let (commit, ..) = call.commits().pop().unwrap();
    call.at(2_345, Input::Committed { commit });
    assert!(call.session.is_saved());
}

#[test]
fn a_clock_at_the_end_of_time_overflows_nothing() {
    let mut call = Call::new();
    for now_ms in [u64::MAX, 0, u64::MAX - 1] {
        call.session.handle_input(now_ms, Input::StartOfSpeech { at_ms: u64::MAX });
        call.session.handle_input(now_ms, Input::EndOfSpeech { last_speech_ms: u64::MAX });
        call.session.handle_input(now_ms, Input::Text { text: "Add milk".into(), message: None });
        assert!(call.session.poll_timeout().is_some());
    }
    let config = CoreConfig { idle_ms: u64::MAX, ..CoreConfig::default() };
    assert_eq!(config.validate().unwrap_err().key, "idle_ms");
}

#[test]
fn long_noise_does_not_leave_a_deadline_behind() {
    let config = CoreConfig { greeting: String::new(), idle_ms: 5_000, ..CoreConfig::default() };
    let mut call = Call::with(config);
    call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
    call.at(30_000, Input::EndOfSpeech { last_speech_ms: 29_900 });
    let (utterance, revision) = call.finishing().unwrap();
    call.at(30_100, Input::FinalTranscript { utterance, revision, rung: RungId(0), text: String::new() });
    assert!(call.session.poll_timeout().is_some_and(|due_ms| due_ms > 30_100));
}
