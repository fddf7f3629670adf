//! How long one answer may keep its caller waiting, all its steps together.

use serde_json::json;

use super::call::Call;
use crate::CoreConfig;
use crate::ids::{ConnectionId, RungId, SpeechId};
use crate::input::{CommitError, Input};
use crate::output::{ClientEvent, Observation, Output};
use crate::phrases::{TOO_SLOW, TOO_SLOW_AFTER_CHANGE};
use crate::session::Session;
use crate::timeline::PauseCause;

/// The turn that `Call::speaks(1_000, 2_000, …, 950)` ends is over at 2,300 ms; the default deadline is 15 s.
const OVER_MS: u64 = 17_300;

fn said_at(call: &Call, words: &str) -> Option<u64> {
    let says = |output: &Output| matches!(output, Output::Synthesize { text, .. } if words.contains(text.as_str()));
    call.log.iter().find(|(_, output)| says(output)).map(|(at_ms, _)| *at_ms)
}

fn missed(call: &Call) -> Vec<&'static str> {
    let state = |observation: Observation| match observation {
        Observation::DeadlineMissed { state } => Some(state),
        _ => None,
    };
    call.observations().into_iter().filter_map(state).collect()
}

#[test]
fn a_model_that_trickles_letters_is_stopped_when_the_caller_has_waited_long_enough() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "List my tasks", 950);
    let request = call.request_id();
    for round in 0..=16 {
        call.at(2_310 + round * 1_000, Input::LlmText { request, text: "a".into() });
    }
    assert_eq!(said_at(&call, TOO_SLOW), Some(OVER_MS));
    assert!(call.has(|output| matches!(output, Output::CancelLlm { request: id } if *id == request)));
    assert_eq!(missed(&call), ["answer_llm"]);
    call.tts_answers(18_400);
    call.plays(18_410, 6_000);
    assert_eq!(call.history(), ["user: List my tasks".to_owned(), format!("agent: {TOO_SLOW}")]);
    let cause = call.observations().into_iter().find_map(|observation| match observation {
        Observation::Latency { cause, .. } => cause,
        _ => None,
    });
    assert_eq!(cause, Some(PauseCause::Llm), "the pause has a name");
}

#[test]
fn a_chain_of_tools_is_stopped_however_quick_each_of_them_is() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "List my tasks", 950);
    for round in 0..6 {
        if said_at(&call, TOO_SLOW).is_none() {
            call.llm_calls(2_400 + round * 2_900, "list_tasks", json!({}));
            call.until(2_400 + round * 2_900 + 2_800);
        }
        if said_at(&call, TOO_SLOW).is_none() {
            call.tool_answers(2_400 + round * 2_900 + 2_800, "list_tasks", false);
        }
    }
    assert_eq!(said_at(&call, TOO_SLOW), Some(OVER_MS));
    assert_eq!(missed(&call), ["answer_tool"]);
    let request = call.request_id();
    call.until(60_000);
    assert_eq!(call.request_id(), request, "the model is not asked again");
}

#[test]
fn a_long_list_that_is_read_aloud_is_not_cut() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Read me my tasks", 950);
    let request = call.request_id();
    let speech = {
        call.at(2_400, Input::LlmText { request, text: "The first of your tasks is milk. And ".into() });
        call.speech()
    };
    call.tts_answers(2_500);
    call.at(2_510, Input::FirstAudioOut { speech });
    for round in 1..=30 {
        let at_ms = 2_510 + round * 1_900;
        call.at(at_ms, Input::LlmText { request, text: "then comes the next one here. And ".into() });
        call.tts_answers(at_ms + 10);
        call.at(at_ms + 20, Input::PlayoutPosition { speech, played_ms: round * 1_800, reported: true });
    }
    assert_eq!(missed(&call), Vec::<&str>::new(), "a minute, and never silent");
}

#[test]
fn on_a_leg_without_voice_the_time_of_reading_does_not_count() {
    let config = CoreConfig { greeting: String::new(), ..CoreConfig::default() };
    let mut call = Call::unconnected(Session::new(config));
    call.at(0, Input::Connected { connection: ConnectionId(1), voice: false });
    call.at(1_000, Input::Text { text: "Read me my tasks".into(), message: None });
    let request = call.request_id();
    for round in 0..20 {
        call.at(1_100 + round * 2_000, Input::LlmText { request, text: "then comes the next one here. And ".into() });
    }
    assert_eq!(missed(&call), Vec::<&str>::new());
    for round in 0..20 {
        call.at(42_000 + round * 2_000, Input::LlmText { request, text: "a ".into() });
    }
    assert_eq!(missed(&call), ["answer_llm"]);
    let history = call.history();
    assert!(history[1].ends_with(TOO_SLOW), "{history:?}");
}

#[test]
fn what_was_done_is_told_once_it_is_saved_and_not_when_the_store_refuses_it() {
    for refused in [false, true] {
        let mut call = Call::new();
        call.speaks(1_000, 2_000, "Look at my tasks and add milk", 950);
        call.llm_calls(6_000, "list_tasks", json!({}));
        call.tool_answers(8_900, "list_tasks", false);
        call.llm_calls(12_000, "list_tasks", json!({}));
        call.tool_answers(14_000, "list_tasks", false);
        call.store_works = false;
        call.llm_calls(16_000, "add_task", json!({"title": "Milk"}));
        call.tool_answers(16_100, "add_task", true);
        call.until(OVER_MS);
        assert!(!call.has(|output| matches!(output, Output::Play { .. })), "nothing is claimed before it is kept");
        let (commit, ..) = call.commits().pop().unwrap();
        call.at(
            OVER_MS + 50,
            match refused {
                false => Input::Committed { commit },
                true => Input::CommitFailed { commit, error: CommitError::Unavailable },
            },
        );
        let request = call.request_id();
        let expected = if refused { TOO_SLOW } else { TOO_SLOW_AFTER_CHANGE };
        let shown: Vec<_> =
            call.events().into_iter().filter(|event| matches!(event, ClientEvent::AgentText { .. })).collect();
        let shown: String = shown.iter().map(|event| format!("{event:?}")).collect();
        assert!(shown.contains(expected.rsplit(". ").next().unwrap()), "{shown}");
        call.until(OVER_MS + 2_000);
        assert_eq!(call.request_id(), request, "the model is not asked again");
    }
}

/// The model begins with a sentence, of which so much is heard from 2,410 ms on, and then trickles letters. The page says
/// that it plays, and never how far it is.
fn begins_on_a_page_without_positions(config: CoreConfig, audio_ms: u64) -> (Call, SpeechId) {
    let mut call = Call::with(CoreConfig { greeting: String::new(), ..config });
    call.speaks(1_000, 2_000, "Read me my tasks", 950);
    let request = call.request_id();
    call.at(2_310, Input::LlmText { request, text: "You have three tasks. And ".into() });
    let speech = call.speech();
    call.at(2_400, Input::TtsAudio { speech, chunk: 0, rung: RungId(0), audio_ms, words: Vec::new() });
    call.at(2_410, Input::FirstAudioOut { speech });
    (call, speech)
}

#[test]
fn a_page_that_says_no_position_is_not_listened_to_for_longer_than_its_audio() {
    let (mut call, speech) = begins_on_a_page_without_positions(CoreConfig::default(), 1_300);
    call.at(2_420, Input::TtsDone { speech, chunk: 0, rung: RungId(0), audio_ms: 1_300, words: Vec::new() });
    let request = call.request_id();
    for round in 0..=17 {
        call.at(3_000 + round * 1_000, Input::LlmText { request, text: "a".into() });
    }
    assert_eq!(said_at(&call, TOO_SLOW), Some(OVER_MS + 10 + 1_300), "as if it had said that it is through");
    assert_eq!(missed(&call), ["playout", "answer_llm"]);
}

#[test]
fn the_last_bit_of_what_is_said_before_a_pause_is_no_playout_that_hangs() {
    let (mut call, speech) = begins_on_a_page_without_positions(CoreConfig::default(), 1_000);
    call.at(2_420, Input::TtsDone { speech, chunk: 0, rung: RungId(0), audio_ms: 1_000, words: Vec::new() });
    call.at(3_410, Input::PlayoutPosition { speech, played_ms: 960, reported: true });
    let request = call.request_id();
    call.at(5_900, Input::LlmText { request, text: "the first of them is milk. ".into() });
    call.until(7_000);
    assert!(!missed(&call).contains(&"playout"), "{:?}", missed(&call));
}

#[test]
fn audio_that_trickles_is_waited_for_between_its_bits() {
    let config = CoreConfig { answer_deadline_ms: 5_000, ..CoreConfig::default() };
    let (mut call, speech) = begins_on_a_page_without_positions(config, 300);
    let request = call.request_id();
    for round in 1..=60 {
        call.at(
            2_410 + round * 100,
            Input::TtsAudio { speech, chunk: 0, rung: RungId(0), audio_ms: 300 + round, words: Vec::new() },
        );
        if round % 10 == 0 {
            call.at(2_420 + round * 100, Input::LlmText { request, text: "a".into() });
        }
    }
    let said_ms = said_at(&call, TOO_SLOW).expect("the answer is given up");
    // The first 300 ms are heard, and of each tenth of a second afterwards one millisecond.
    assert!((7_610..7_700).contains(&said_ms), "{said_ms}");
    assert_eq!(missed(&call)[0], "answer_tts");
}

#[test]
fn words_that_may_be_heard_next_do_not_put_off_the_end_of_those_before() {
    let (mut call, speech) = begins_on_a_page_without_positions(CoreConfig::default(), 1_000);
    call.at(2_420, Input::TtsDone { speech, chunk: 0, rung: RungId(0), audio_ms: 1_000, words: Vec::new() });
    let request = call.request_id();
    call.at(5_000, Input::LlmText { request, text: "the first of them is milk. ".into() });
    assert!(call.has(|output| matches!(output, Output::Play { through_chunk: 1, .. })));
    call.until(5_410);
    assert_eq!(missed(&call), ["playout"], "1,000 ms of audio and the grace after it began");
}
