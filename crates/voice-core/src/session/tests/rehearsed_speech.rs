//! What the simulator found about speech and playout, each bad seed in its smallest form.

use super::call::Call;
use crate::ids::{ConnectionId, RungId, SpeechId};
use crate::input::Input;
use crate::output::{ClientEvent, Observation, Output};
use crate::provider::ProviderErrorKind;

/// The agent is to say these two sentences; nothing of it is made yet.
fn answering() -> (Call, SpeechId) {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "List my tasks", 950);
    call.until(2_300);
    call.llm_says(2_310, "You have three tasks. The first is milk.");
    let speech = call.speech();
    (call, speech)
}

fn missed(call: &Call, wanted: &str) -> bool {
    let missed = |observation| matches!(observation, Observation::DeadlineMissed { state } if state == wanted);
    call.observations().into_iter().any(missed)
}

#[test]
fn a_synthesis_that_only_repeats_itself_makes_no_progress() {
    let (mut call, speech) = answering();
    for round in 0..6 {
        call.at(
            2_400 + round * 1_000,
            Input::TtsAudio { speech, chunk: 0, rung: RungId(0), audio_ms: 300, words: Vec::new() },
        );
    }
    assert!(missed(&call, "tts"));
}

#[test]
fn a_synthesis_that_is_far_slower_than_speech_is_given_up() {
    let (mut call, speech) = answering();
    for round in 0..20 {
        call.at(
            2_400 + round * 500,
            Input::TtsAudio { speech, chunk: 0, rung: RungId(0), audio_ms: 300 + round, words: Vec::new() },
        );
    }
    assert!(missed(&call, "tts"));
}

#[test]
fn a_speech_that_was_made_again_while_it_was_held_goes_on() {
    let (mut call, speech) = answering();
    call.at(2_400, Input::StartOfSpeech { at_ms: 2_390 });
    assert!(call.has(|output| matches!(output, Output::PausePlayout { .. })));
    call.at(
        2_450,
        Input::TtsFailed { speech, chunk: 0, rung: RungId(0), failure: ProviderErrorKind::Unavailable.into() },
    );
    call.at(2_500, Input::EndOfSpeech { last_speech_ms: 2_450 });
    let (utterance, revision) = call.finishing().unwrap();
    call.at(2_600, Input::FinalTranscript { utterance, revision, rung: RungId(0), text: String::new() });
    assert!(call.has(|output| matches!(output, Output::ResumePlayout { .. })), "or it is silent for ever");
}

/// The words before a tool call are made again: they stay before it, whatever becomes of the tool.
#[test]
fn words_before_a_tool_call_that_are_made_again_do_not_wait_for_the_tool() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Add milk", 950);
    call.until(2_300);
    let request = call.request_id();
    call.at(2_310, Input::LlmText { request, text: "I look that up.".into() });
    call.llm_calls(2_320, "add_task", serde_json::json!({"title": "Milk"}));
    let speech = call.speech();
    call.at(
        2_330,
        Input::TtsFailed { speech, chunk: 0, rung: RungId(0), failure: ProviderErrorKind::Unavailable.into() },
    );
    assert!(call.has(|output| matches!(output, Output::Play { through_chunk: 1, .. })), "the tool still runs");
    let captions = call.events().into_iter().filter(|event| matches!(event, ClientEvent::AgentText { .. })).count();
    assert_eq!(captions, 1);
}

#[test]
fn the_playout_waits_where_audio_is_missing() {
    let (mut call, speech) = answering();
    call.at(2_400, Input::TtsDone { speech, chunk: 1, rung: RungId(0), audio_ms: 1_000, words: Vec::new() });
    call.until(5_200);
    assert!(!missed(&call, "playout"));
    call.at(5_210, Input::PlayoutPosition { speech, played_ms: 1_000, reported: true });
    assert_eq!(call.history(), ["user: List my tasks"], "the second sentence cannot be heard before the first");
}

#[test]
fn a_chunk_without_audio_is_not_heard_before_the_one_before_it() {
    let (mut call, speech) = answering();
    call.at(2_400, Input::TtsDone { speech, chunk: 1, rung: RungId(0), audio_ms: 0, words: Vec::new() });
    call.at(2_410, Input::TtsAudio { speech, chunk: 0, rung: RungId(0), audio_ms: 900, words: Vec::new() });
    call.at(2_420, Input::FirstAudioOut { speech });
    call.at(3_320, Input::PlayoutPosition { speech, played_ms: 900, reported: true });
    assert_eq!(call.history()[1], "agent: You have");
}

#[test]
fn audio_that_becomes_playable_has_its_time_to_be_played() {
    let (mut call, speech) = answering();
    call.at(2_400, Input::TtsDone { speech, chunk: 1, rung: RungId(0), audio_ms: 600, words: Vec::new() });
    call.at(5_000, Input::TtsDone { speech, chunk: 0, rung: RungId(0), audio_ms: 0, words: Vec::new() });
    assert!(!missed(&call, "playout"));
    call.until(7_700);
    assert!(missed(&call, "playout"), "its length and the grace later");
}

#[test]
fn a_synthesis_that_broke_off_is_told_to_end_the_chunk() {
    let (mut call, speech) = answering();
    call.at(2_400, Input::TtsAudio { speech, chunk: 0, rung: RungId(0), audio_ms: 600, words: Vec::new() });
    call.until(5_400);
    assert!(call.has(|output| matches!(output, Output::EndChunk { chunk: 0, .. })));
    call.take();
    call.at(5_500, Input::TtsDone { speech, chunk: 0, rung: RungId(0), audio_ms: 1_300, words: Vec::new() });
    call.at(5_510, Input::FirstAudioOut { speech });
    call.at(6_110, Input::PlayoutPosition { speech, played_ms: 600, reported: true });
    assert_eq!(call.history()[1], "agent: You have", "its late audio does not count");
}

#[test]
fn a_chunk_without_a_whole_word_keeps_its_place_so_that_the_position_never_goes_back() {
    let (mut call, speech) = answering();
    call.at(2_400, Input::TtsAudio { speech, chunk: 0, rung: RungId(0), audio_ms: 100, words: Vec::new() });
    call.at(2_410, Input::FirstAudioOut { speech });
    call.at(2_500, Input::TtsFailed { speech, chunk: 0, rung: RungId(0), failure: ProviderErrorKind::Stalled.into() });
    assert!(call.has(|output| matches!(output, Output::EndChunk { chunk: 0, .. })));
    assert!(call.has(|output| matches!(output, Output::DropChunks { from_chunk: 1, .. })));
    call.at(2_600, Input::TtsDone { speech, chunk: 2, rung: RungId(0), audio_ms: 1_000, words: Vec::new() });
    call.at(2_610, Input::PlayoutPosition { speech, played_ms: 100, reported: true });
    assert_eq!(call.history(), ["user: List my tasks"]);
    call.at(3_610, Input::PlayoutPosition { speech, played_ms: 1_100, reported: true });
    assert_eq!(call.history()[1], "agent: You have three tasks.");
}

#[test]
fn what_is_read_on_a_leg_without_voice_is_another_speech() {
    let (mut call, speech) = answering();
    call.tts_answers(2_400);
    call.plays(2_410, 500);
    call.at(3_000, Input::Connected { connection: ConnectionId(2), voice: false });
    assert!(call.has(|output| matches!(output, Output::DropSpeech { speech: dropped } if *dropped == speech)));
    assert_eq!(call.history()[1], "agent: You have three tasks. The first is milk.");
    call.take();
    call.at(3_100, Input::Connected { connection: ConnectionId(3), voice: true });
    assert!(!call.has(|output| matches!(output, Output::Synthesize { .. } | Output::ResumePlayout { .. })));
}

#[test]
fn the_fallback_is_said_once_and_the_reply_ends_in_text() {
    let (mut call, speech) = answering();
    call.at(
        2_400,
        Input::TtsFailed { speech, chunk: 0, rung: RungId(0), failure: ProviderErrorKind::Unavailable.into() },
    );
    call.at(
        2_500,
        Input::TtsFailed { speech, chunk: 2, rung: RungId(0), failure: ProviderErrorKind::Unavailable.into() },
    );
    call.at(
        2_600,
        Input::TtsFailed { speech, chunk: 3, rung: RungId(0), failure: ProviderErrorKind::Unavailable.into() },
    );
    let fallbacks = call.events().iter().filter(|event| matches!(event, ClientEvent::FallbackToText { .. })).count();
    assert_eq!(fallbacks, 1);
    assert_eq!(call.history()[1], "agent: You have three tasks. The first is milk.");
}
