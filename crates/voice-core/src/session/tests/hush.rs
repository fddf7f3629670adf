//! What may become speech, and what comes of it.

use super::call::Call;
use super::speaking::speaking;
use crate::config::CoreConfig;
use crate::ids::{ConnectionId, RungId, SpeechId, UtteranceId};
use crate::input::Input;
use crate::output::{AgentState, ClientEvent, EndReason, HushEnd, Observation, Outcome, Output};
use crate::provider::ProviderErrorKind;

const SPEECH: SpeechId = SpeechId(1);

fn resumes(call: &Call) -> Vec<(u64, u64)> {
    let resumed = |(at_ms, output): &(u64, Output)| match output {
        Output::ResumePlayout { from_ms, .. } => Some((*at_ms, *from_ms)),
        _ => None,
    };
    call.log.iter().filter_map(resumed).collect()
}

fn hushes(call: &Call) -> Vec<(u64, HushEnd)> {
    let hushed = |observation| match observation {
        Observation::Hushed { held_ms, end, .. } => Some((held_ms, end)),
        _ => None,
    };
    call.observations().into_iter().filter_map(hushed).collect()
}

fn false_interruptions(call: &Call) -> usize {
    let is_one = |seen: &&Observation| matches!(seen, Observation::FalseInterruption { .. });
    call.observations().iter().filter(is_one).count()
}

/// The agent speaks, and at 3,710 ms, after 1,400 ms of its speech, it hushes.
fn hushed() -> Call {
    let mut call = speaking();
    call.at(3_710, Input::PossibleSpeech);
    assert!(call.has(|output| matches!(output, Output::PausePlayout { speech: SPEECH })));
    call
}

#[test]
fn what_may_become_speech_silences_the_agent_for_a_moment_only() {
    let mut call = hushed();
    assert_eq!(call.session.state(), AgentState::Speaking, "nobody is known to speak");
    call.at(3_725, Input::PlayoutPosition { speech: SPEECH, played_ms: 1_410, reported: true });
    call.until(3_869);
    assert_eq!(resumes(&call), []);
    call.until(3_870);
    assert_eq!(resumes(&call), [(3_870, 1_410)]);
    assert_eq!(hushes(&call), [(160, HushEnd::Nothing)]);
    assert_eq!(false_interruptions(&call), 0);
}

/// A page that is 300 ms away and round says what it played before `clear` came to it for 300 ms more.
#[test]
fn a_far_page_is_waited_for_and_nothing_is_heard_twice() {
    let mut call = speaking();
    for at_ms in (3_460..=3_660).step_by(100) {
        call.at(at_ms + 300, Input::PlayoutPosition { speech: SPEECH, played_ms: at_ms - 2_310, reported: true });
        if at_ms == 3_460 {
            call.at(3_765, Input::PossibleSpeech);
        }
    }
    // It was at 1,455 when the agent hushed, and stopped there.
    call.at(4_065, Input::PlayoutPosition { speech: SPEECH, played_ms: 1_455, reported: true });
    call.until(4_204);
    assert_eq!(resumes(&call), []);
    call.until(5_000);
    assert_eq!(resumes(&call), [(4_205, 1_455)]);
    assert_eq!(hushes(&call), [(440, HushEnd::Nothing)]);
}

/// The last position of before a cough comes long after it.
#[test]
fn a_position_from_before_the_playout_went_on_is_not_where_it_stopped() {
    let mut call = speaking();
    call.speaks(3_720, 3_730, "", 300);
    assert_eq!(resumes(&call), [(3_930, 1_400)]);
    call.at(4_200, Input::PossibleSpeech);
    call.at(4_210, Input::PlayoutPosition { speech: SPEECH, played_ms: 1_410, reported: true });
    call.until(4_429);
    assert_eq!(hushes(&call), []);
    assert_eq!(resumes(&call).len(), 1);
    call.at(4_430, Input::PossibleSpeech);
    call.at(4_440, Input::PlayoutPosition { speech: SPEECH, played_ms: 1_900, reported: true });
    call.until(5_000);
    assert_eq!(resumes(&call)[1..], [(4_590, 1_900)]);
}

#[test]
fn a_page_that_does_not_answer_is_not_waited_for_long() {
    let mut call = hushed();
    call.until(4_209);
    assert_eq!(resumes(&call), []);
    call.until(4_210);
    assert_eq!(resumes(&call), [(4_210, 1_400)]);
    assert_eq!(hushes(&call), [(500, HushEnd::Nothing)]);
}

#[test]
fn positions_that_never_end_do_not_make_a_hush_longer() {
    let mut call = hushed();
    for step in 1..=20 {
        call.at(3_710 + step * 50, Input::PlayoutPosition { speech: SPEECH, played_ms: 1_400 + step, reported: true });
    }
    assert_eq!(resumes(&call), [(4_210, 1_409)]);
}

/// It could not go on where it stopped.
#[test]
fn a_playout_that_says_nothing_is_not_hushed() {
    let mut call = speaking();
    call.at(4_711, Input::PossibleSpeech);
    assert!(!call.has(|output| matches!(output, Output::PausePlayout { .. })));
    call.at(4_712, Input::StartOfSpeech { at_ms: 4_680 });
    assert!(call.has(|output| matches!(output, Output::PausePlayout { .. })));
}

#[test]
fn a_hush_can_be_turned_off() {
    let mut call =
        Call::with(CoreConfig { greeting: "Good morning to you.".into(), hush_ms: 0, ..CoreConfig::default() });
    call.tts_answers(50);
    call.plays(100, 300);
    call.at(410, Input::PossibleSpeech);
    assert!(!call.has(|output| matches!(output, Output::PausePlayout { .. })));
}

#[test]
fn a_caller_who_is_lost_in_mid_hush_comes_back_to_the_rest() {
    let mut call = hushed();
    call.at(3_760, Input::Disconnected { connection: ConnectionId(1) });
    assert_eq!(hushes(&call), [(50, HushEnd::CutShort)]);
    call.until(9_000);
    assert_eq!(resumes(&call), []);
    call.at(9_000, Input::Connected { connection: ConnectionId(2), voice: true });
    assert_eq!(resumes(&call), [(9_000, 1_400)]);
    assert_eq!(hushes(&call).len(), 1);
    assert_eq!(false_interruptions(&call), 0, "a lost connection is nobody's cough");
}

#[test]
fn a_new_leg_in_mid_speech_is_no_false_interruption() {
    let mut call = speaking();
    call.at(3_720, Input::Connected { connection: ConnectionId(2), voice: true });
    assert_eq!(resumes(&call), [(3_720, 1_400)]);
    call.at(3_800, Input::Disconnected { connection: ConnectionId(2) });
    call.at(4_800, Input::Connected { connection: ConnectionId(3), voice: true });
    assert_eq!(resumes(&call).len(), 2);
    // Nor is one whose caller was speaking when it was lost.
    call.at(4_850, Input::StartOfSpeech { at_ms: 4_840 });
    call.at(4_900, Input::Disconnected { connection: ConnectionId(3) });
    call.at(5_800, Input::Connected { connection: ConnectionId(4), voice: true });
    assert_eq!(resumes(&call).len(), 3);
    assert_eq!(false_interruptions(&call), 0);
}

#[test]
fn a_typed_message_in_mid_hush_is_answered_at_once() {
    let mut call = hushed();
    call.at(3_760, Input::PlayoutPosition { speech: SPEECH, played_ms: 1_420, reported: true });
    call.at(3_770, Input::Text { text: "Add milk".into(), message: None });
    assert_eq!(hushes(&call), [(60, HushEnd::CutShort)]);
    assert!(call.has(|output| matches!(output, Output::DropSpeech { speech: SPEECH })));
    assert!(call.request().is_some());
    call.until(4_400);
    assert_eq!(resumes(&call), []);
    assert_eq!(call.history(), ["user: List my tasks", "agent: You have three tasks.", "user: Add milk"]);
}

/// The agent says goodbye (780 ms of it), and hushes in the middle.
fn goodbye_hushed() -> Call {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "That is all", 950);
    call.until(2_300);
    let request = call.request_id();
    call.at(2_310, Input::LlmText { request, text: "Goodbye, Anna.".into() });
    call.llm_calls(2_320, crate::agents::END_CALL_TOOL, serde_json::json!({}));
    call.tts_answers(2_340);
    call.plays(2_350, 700);
    call.take();
    call.at(3_060, Input::PossibleSpeech);
    call
}

#[test]
fn a_goodbye_in_mid_hush_is_said_to_its_end_before_the_call_ends() {
    let mut call = goodbye_hushed();
    call.at(3_080, Input::PlayoutPosition { speech: SPEECH, played_ms: 705, reported: true });
    call.until(3_220);
    assert_eq!(resumes(&call), [(3_220, 705)]);
    assert!(!call.has(|output| matches!(output, Output::End { .. })));
    call.at(3_400, Input::PlayoutPosition { speech: SPEECH, played_ms: 840, reported: true });
    assert!(
        call.has(|output| matches!(output, Output::End { outcome: Outcome::Completed, reason: EndReason::Goodbye }))
    );
}

#[test]
fn a_goodbye_that_was_heard_in_mid_hush_waits_for_what_the_caller_may_begin_to_say() {
    let mut call = goodbye_hushed();
    call.at(3_080, Input::PlayoutPosition { speech: SPEECH, played_ms: 840, reported: true });
    call.at(3_150, Input::StartOfSpeech { at_ms: 3_050 });
    call.at(3_400, Input::InterimTranscript { utterance: UtteranceId(2), text: "One more thing".into() });
    call.until(4_000);
    assert!(!call.has(|output| matches!(output, Output::End { .. })));

    let mut call = goodbye_hushed();
    call.at(3_080, Input::PlayoutPosition { speech: SPEECH, played_ms: 840, reported: true });
    call.until(3_219);
    assert!(!call.has(|output| matches!(output, Output::End { .. })));
    call.until(3_220);
    assert!(call.has(|output| matches!(output, Output::End { reason: EndReason::Goodbye, .. })));
    assert_eq!(resumes(&call), [], "there is nothing to go on with");
}

/// The agent is in the middle of its first sentence, the second is not made yet, and it hushes.
fn half_made_hushed() -> Call {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "List my tasks", 950);
    call.llm_says(2_250, "You have three tasks. The first is milk.");
    call.at(2_290, Input::TtsDone { speech: SPEECH, chunk: 0, rung: RungId(0), audio_ms: 1_260, words: Vec::new() });
    call.plays(2_310, 1_000);
    call.take();
    call.at(3_320, Input::PossibleSpeech);
    call
}

#[test]
fn a_synthesis_that_fails_in_mid_hush_is_made_again_and_heard_after_it() {
    let mut call = half_made_hushed();
    call.at(3_340, Input::PlayoutPosition { speech: SPEECH, played_ms: 1_010, reported: true });
    call.at(
        3_350,
        Input::TtsFailed { speech: SPEECH, chunk: 1, rung: RungId(0), failure: ProviderErrorKind::Unavailable.into() },
    );
    assert!(call.has(|output| matches!(output, Output::Synthesize { chunk: 2, .. })));
    call.at(3_400, Input::TtsDone { speech: SPEECH, chunk: 2, rung: RungId(0), audio_ms: 1_080, words: Vec::new() });
    assert!(!call.has(|output| matches!(output, Output::Play { .. })), "it is silent");
    call.until(3_480);
    assert_eq!(resumes(&call), [(3_480, 1_010)]);
    assert!(call.has(|output| matches!(output, Output::Play { through_chunk: 2, last: true, .. })));
    call.at(5_000, Input::PlayoutPosition { speech: SPEECH, played_ms: 2_340, reported: true });
    assert_eq!(call.history(), ["user: List my tasks", "agent: You have three tasks. The first is milk."]);
}

#[test]
fn a_voice_that_fails_for_good_in_mid_hush_ends_it() {
    let mut call = half_made_hushed();
    call.at(
        3_350,
        Input::TtsFailed { speech: SPEECH, chunk: 1, rung: RungId(0), failure: ProviderErrorKind::Unavailable.into() },
    );
    call.at(
        3_360,
        Input::TtsFailed { speech: SPEECH, chunk: 2, rung: RungId(0), failure: ProviderErrorKind::Unavailable.into() },
    );
    assert_eq!(hushes(&call), [(40, HushEnd::CutShort)]);
    assert!(call.events().iter().any(|event| matches!(event, ClientEvent::FallbackToText { .. })));
    assert_eq!(call.history(), ["user: List my tasks", "agent: You have three tasks. The first is milk."]);
    call.until(4_000);
    assert_eq!(resumes(&call), []);
    assert_eq!(call.session.state(), AgentState::Listening);
}

#[test]
fn a_reply_that_ends_in_mid_hush_is_finished_after_it() {
    let mut call = hushed();
    call.at(3_760, Input::PlayoutPosition { speech: SPEECH, played_ms: 2_340, reported: true });
    call.until(3_869);
    assert!(!call.has(|output| matches!(output, Output::FinishSpeech { .. })));
    call.until(3_870);
    assert!(call.has(|output| matches!(output, Output::FinishSpeech { speech: SPEECH })));
    assert_eq!(resumes(&call), []);
    assert_eq!(hushes(&call), [(160, HushEnd::Nothing)]);
    assert_eq!(call.history(), ["user: List my tasks", "agent: You have three tasks. The first is milk."]);
}

#[test]
fn a_start_of_speech_at_the_very_end_of_a_hush_interrupts() {
    // With the deadline's tick before it, and without.
    for tick in [true, false] {
        let mut call = hushed();
        call.at(3_720, Input::PlayoutPosition { speech: SPEECH, played_ms: 1_410, reported: true });
        if tick {
            call.at(3_870, Input::StartOfSpeech { at_ms: 3_700 });
        } else {
            call.until(3_869);
            call.at_once(3_870, Input::StartOfSpeech { at_ms: 3_700 });
        }
        assert_eq!(resumes(&call).len(), usize::from(tick));
        let end = if tick { HushEnd::Nothing } else { HushEnd::Speech };
        assert_eq!(hushes(&call), [(160, end)]);
        let last = call.log.iter().rev().find_map(|(_, output)| match output {
            Output::PausePlayout { .. } => Some(true),
            Output::ResumePlayout { .. } => Some(false),
            _ => None,
        });
        assert_eq!(last, Some(true), "it is silent");
        call.at(4_100, Input::InterimTranscript { utterance: UtteranceId(2), text: "No wait".into() });
        assert!(call.has(|output| matches!(output, Output::DropSpeech { speech: SPEECH })));
        assert_eq!(call.history(), ["user: List my tasks", "agent: You have three tasks."]);
    }
}

#[test]
fn a_noisy_room_does_not_make_the_agent_stutter() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "List my tasks", 950);
    call.llm_says(2_250, &"You have three tasks and one of them is milk. ".repeat(8));
    call.tts_answers(2_290);
    call.plays(2_310, 40);
    call.take();
    for at_ms in (2_800..12_800).step_by(500) {
        call.at(at_ms, Input::PossibleSpeech);
        call.at(at_ms + 200, Input::PlayoutPosition { speech: SpeechId(1), played_ms: at_ms - 2_300, reported: true });
    }
    let pauses = call.log.iter().filter(|(_, output)| matches!(output, Output::PausePlayout { .. })).count();
    assert_eq!(pauses, 5, "at 0, 0.5, 1.5, 3.5 and 7.5 s");
}

#[test]
fn doubts_never_keep_a_playout_alive_that_says_nothing() {
    let mut call = speaking();
    for at_ms in (3_710..15_000).step_by(250) {
        call.at(at_ms, Input::PossibleSpeech);
    }
    assert!(call.history().iter().any(|line| line.ends_with("The first is milk.")), "{:?}", call.history());
}

#[test]
fn speech_that_was_doubted_first_interrupts_all_the_same() {
    let mut call = speaking();
    call.at(3_700, Input::PossibleSpeech);
    call.at(3_790, Input::StartOfSpeech { at_ms: 3_680 });
    assert_eq!(call.session.state(), AgentState::Listening);
    let pauses = call.log.iter().filter(|(_, output)| matches!(output, Output::PausePlayout { .. })).count();
    assert_eq!(pauses, 1);
    call.until(4_000);
    assert!(!call.has(|output| matches!(output, Output::ResumePlayout { .. })));
    call.at(4_010, Input::InterimTranscript { utterance: UtteranceId(2), text: "No wait".into() });
    assert!(call.has(|output| matches!(output, Output::DropSpeech { speech: SpeechId(1) })));
}
