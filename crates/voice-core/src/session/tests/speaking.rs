use super::call::Call;
use crate::config::CoreConfig;
use crate::ids::{ConnectionId, RungId, SpeechId, UtteranceId};
use crate::input::{HangUp, Input};
use crate::output::{AgentState, ClientEvent, EndReason, Observation, Outcome, Output};
use crate::provider::ProviderErrorKind;

/// The agent is in the middle of "You have three tasks. The first is milk." (1,260 + 1,080 ms).
pub(super) fn speaking() -> Call {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "List my tasks", 950);
    call.llm_says(2_250, "You have three tasks. The first is milk.");
    call.tts_answers(2_290);
    call.plays(2_310, 1_400);
    assert_eq!(call.session.state(), AgentState::Speaking);
    call.take();
    call
}

#[test]
fn the_agent_falls_silent_at_once_and_history_keeps_what_was_heard() {
    let mut call = speaking();
    call.at(3_720, Input::StartOfSpeech { at_ms: 3_690 });
    assert_eq!(call.log.last().map(|(at, _)| *at), Some(3_720));
    assert!(call.has(|output| matches!(output, Output::PausePlayout { speech: SpeechId(1) })));
    assert!(!call.has(|output| matches!(output, Output::DropSpeech { .. })));
    call.at(3_760, Input::PlayoutPosition { speech: SpeechId(1), played_ms: 1_480, reported: true });
    call.at(4_000, Input::InterimTranscript { utterance: UtteranceId(2), text: "No wait".into() });
    assert!(call.has(|output| matches!(output, Output::DropSpeech { speech: SpeechId(1) })));
    assert!(call.events().contains(&ClientEvent::Heard {
        reply_id: crate::ids::ReplyId(1),
        heard: "You have three tasks. The".into(),
        unheard: "first is milk.".into(),
    }));
    assert_eq!(call.history(), ["user: List my tasks", "agent: You have three tasks. The"]);
}

#[test]
fn late_words_of_a_cancelled_reply_change_nothing() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "List my tasks", 950);
    let request = call.request_id();
    call.at(2_310, Input::LlmText { request, text: "You have three tasks. And".into() });
    call.tts_answers(2_350);
    call.plays(2_360, 300);
    call.at(3_000, Input::StartOfSpeech { at_ms: 2_980 });
    call.until(3_700);
    assert!(call.has(|output| matches!(output, Output::CancelLlm { request: r } if *r == request)));
    call.take();
    call.at(3_800, Input::LlmText { request, text: " the first is".into() });
    call.at(
        3_810,
        Input::TtsAudio { speech: SpeechId(1), chunk: 1, rung: RungId(0), audio_ms: 500, words: Vec::new() },
    );
    call.at(3_820, Input::LlmDone { request });
    assert_eq!(call.take(), []);
}

#[test]
fn a_cough_is_a_false_interruption_and_the_speech_goes_on_where_it_stopped() {
    let mut call = speaking();
    call.speaks(3_720, 3_850, "", 300);
    assert!(call.has(|output| matches!(output, Output::ResumePlayout { speech: SpeechId(1), from_ms: 1_400 })));
    assert!(
        call.observations()
            .iter()
            .any(|observation| matches!(observation, Observation::FalseInterruption { held_ms: 330, .. }))
    );
    call.at(5_100, Input::PlayoutPosition { speech: SpeechId(1), played_ms: 2_400, reported: true });
    assert_eq!(call.history(), ["user: List my tasks", "agent: You have three tasks. The first is milk."]);
    assert_eq!(call.session.state(), AgentState::Listening);
}

#[test]
fn a_sign_of_listening_does_not_take_the_floor() {
    let mut call = speaking();
    call.speaks(3_720, 3_950, "Mm-hmm.", 900);
    assert!(call.has(|output| matches!(output, Output::ResumePlayout { .. })));
    assert_eq!(call.session.turns(), 1);
}

#[test]
fn speech_that_lasts_interrupts_before_a_word_is_understood() {
    let mut call = speaking();
    call.at(3_720, Input::StartOfSpeech { at_ms: 3_720 });
    call.until(4_320);
    assert!(call.has(|output| matches!(output, Output::DropSpeech { .. })));
}

#[test]
fn a_caller_who_goes_on_before_the_answer_is_heard_goes_on_with_the_same_turn() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Add milk", 950);
    call.until(2_400);
    assert_eq!(call.session.turns(), 1);
    call.speaks(2_450, 3_200, "and eggs please", 950);
    call.until(3_600);
    assert_eq!(call.session.turns(), 1);
    assert_eq!(call.history(), ["user: Add milk and eggs please"]);
}

#[test]
fn a_playout_that_nobody_reports_is_taken_as_heard_after_its_length_and_a_grace() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "List my tasks", 950);
    call.llm_says(2_250, "None.");
    call.tts_answers(2_290);
    let speech = call.speech();
    call.at(2_310, Input::FirstAudioOut { speech });
    call.until(2_310 + 300 + 2_000);
    assert_eq!(call.history(), ["user: List my tasks", "agent: None."]);
    assert!(call.observations().contains(&Observation::DeadlineMissed { state: "playout" }));
}

#[test]
fn a_synthesis_that_fails_is_tried_once_more_and_then_the_caller_reads() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "List my tasks", 950);
    call.llm_says(2_310, "You have three tasks. The first is milk.");
    let speech = call.speech();
    call.at(
        2_330,
        Input::TtsFailed { speech, chunk: 0, rung: RungId(0), failure: ProviderErrorKind::Unavailable.into() },
    );
    assert!(
        call.has(
            |output| matches!(output, Output::Synthesize { chunk: 2, text, .. } if text == "You have three tasks.")
        )
    );
    assert!(call.has(|output| matches!(output, Output::Synthesize { chunk: 3, .. })));
    call.at(
        2_350,
        Input::TtsFailed { speech, chunk: 2, rung: RungId(0), failure: ProviderErrorKind::Unavailable.into() },
    );
    assert!(call.events().iter().any(|event| matches!(event, ClientEvent::FallbackToText { .. })));
    assert_eq!(call.history(), ["user: List my tasks", "agent: You have three tasks. The first is milk."]);
}

#[test]
fn a_synthesis_that_hangs_in_mid_word_goes_on_with_the_words_that_have_no_audio() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "List my tasks", 950);
    call.llm_says(2_310, "You have three tasks.");
    let speech = call.speech();
    call.at(2_400, Input::TtsAudio { speech, chunk: 0, rung: RungId(0), audio_ms: 600, words: Vec::new() });
    call.until(5_400);
    assert!(call.has(|output| matches!(output, Output::Synthesize { chunk: 1, text, .. } if text == "three tasks.")));
    let captions: Vec<ClientEvent> =
        call.events().into_iter().filter(|event| matches!(event, ClientEvent::AgentText { .. })).collect();
    assert_eq!(captions.len(), 1);
}

#[test]
fn a_leg_without_voice_is_answered_in_text() {
    let mut call = Call::new();
    call.at(100, Input::Connected { connection: ConnectionId(2), voice: false });
    call.at(200, Input::Text { text: "List my tasks".into(), message: Some(7) });
    call.llm_says(250, "You have none.");
    assert!(!call.has(|output| matches!(output, Output::Synthesize { .. })));
    assert!(call.observations().iter().any(
        |observation| matches!(observation, Observation::Answered { message: Some(7), reply, .. } if reply == "You have none.")
    ));
    assert_eq!(call.history(), ["user: List my tasks", "agent: You have none."]);
}

#[test]
fn a_lost_caller_who_comes_back_hears_the_rest() {
    let mut call = speaking();
    call.at(3_720, Input::Disconnected { connection: ConnectionId(1) });
    assert!(call.has(|output| matches!(output, Output::PausePlayout { .. })));
    call.until(20_000);
    call.at(20_000, Input::Connected { connection: ConnectionId(2), voice: true });
    assert!(call.has(|output| matches!(output, Output::ResumePlayout { from_ms: 1_400, .. })));
    assert!(!call.has(|output| matches!(output, Output::End { .. })));
}

#[test]
fn a_lost_caller_who_does_not_come_back_is_dropped_with_what_was_heard() {
    let mut call = speaking();
    call.at(3_720, Input::Disconnected { connection: ConnectionId(1) });
    call.until(200_000);
    assert_eq!(
        call.log.last().map(|(_, output)| output),
        Some(&Output::End { outcome: Outcome::Dropped, reason: EndReason::Lost })
    );
    assert_eq!(call.history()[1], "agent: You have three tasks.");
}

#[test]
fn one_who_hangs_up_ends_the_session_after_the_last_save() {
    let mut call = speaking();
    call.at(3_720, Input::HangUp { by: HangUp::Caller });
    assert_eq!(
        call.log.last().map(|(_, output)| output),
        Some(&Output::End { outcome: Outcome::Completed, reason: EndReason::HungUp })
    );
    let last = call.commits().pop().unwrap().2;
    assert_eq!(last.history.len(), 2);
    call.take();
    call.at(4_000, Input::StartOfSpeech { at_ms: 4_000 });
    assert_eq!((call.take(), call.session.poll_timeout()), (vec![], None));
}

#[test]
fn silence_on_both_sides_ends_the_session() {
    let mut call = speaking();
    call.at(4_800, Input::PlayoutPosition { speech: SpeechId(1), played_ms: 9_000, reported: true });
    call.until(400_000);
    assert_eq!(call.log.last().map(|(at, _)| *at), Some(304_800));
    assert!(call.has(|output| matches!(output, Output::End { reason: EndReason::Idle, .. })));
}

#[test]
fn the_longest_call_ends_with_a_sentence() {
    let mut call = Call::with(CoreConfig { greeting: String::new(), max_session_ms: 10_000, ..CoreConfig::default() });
    call.until(10_000);
    assert!(call.has(|output| matches!(output, Output::Synthesize { text, .. } if text.contains("longest time"))));
    call.until(30_000);
    assert!(call.has(|output| matches!(output, Output::End { reason: EndReason::TooLong, .. })));
}
