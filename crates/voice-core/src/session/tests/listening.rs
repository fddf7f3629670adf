use super::call::Call;
use crate::config::{CoreConfig, GREETING};
use crate::consent::ConsentFlow;
use crate::ids::{ReplyId, RungId, SpeechId, UtteranceId};
use crate::input::Input;
use crate::output::{AgentState, ClientEvent, Observation, Output};
use crate::provider::ProviderErrorKind;
use crate::session::Session;

fn requests(call: &Call) -> usize {
    call.log.iter().filter(|(_, output)| matches!(output, Output::RequestLlm { .. })).count()
}

fn end_of_turn_at(call: &Call) -> Option<u64> {
    call.log
        .iter()
        .find(|(_, output)| matches!(output, Output::Observe { observation: Observation::EndOfTurn { .. } }))
        .map(|(at, _)| *at)
}

#[test]
fn the_agent_greets_whoever_connects() {
    let mut call = Call::unconnected(Session::new(CoreConfig::default()));
    call.at(50, Input::Connected { connection: crate::ids::ConnectionId(1), voice: true });
    assert!(call.has(|output| matches!(output, Output::Synthesize { text, .. } if text == "Hello!")));
    call.tts_answers(100);
    call.plays(110, 6_000);
    assert_eq!(call.history(), [format!("agent: {GREETING}")]);
}

#[test]
fn a_complete_thought_ends_the_turn_after_the_least_delay() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "List my tasks", 950);
    call.until(5_000);
    assert_eq!(end_of_turn_at(&call), Some(2_300));
    assert_eq!(call.session.turns(), 1);
}

#[test]
fn an_incomplete_thought_is_waited_for() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Add a task to", 100);
    call.until(5_000);
    assert_eq!(end_of_turn_at(&call), Some(3_200));
}

#[test]
fn the_reply_is_begun_before_the_turn_is_over_and_heard_only_then() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "List my tasks", 950);
    assert_eq!(requests(&call), 1);
    call.llm_says(2_210, "You have none.");
    call.tts_answers(2_260);
    assert!(!call.has(|output| matches!(output, Output::Play { .. })));
    call.until(2_300);
    assert!(call.has(|output| matches!(output, Output::Play { through_chunk: 0, last: true, .. })));
    assert_eq!(requests(&call), 1);
    call.plays(2_305, 1_000);
    let latency = call.observations().into_iter().find_map(|observation| match observation {
        Observation::Latency { latency_ms, stages, cause, .. } => {
            Some((latency_ms, stages.endpointing, stages.playout, cause))
        }
        _ => None,
    });
    assert_eq!(latency, Some((305, 300, 5, None)));
}

#[test]
fn a_caller_who_goes_on_throws_the_early_reply_away() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Add milk", 700);
    let early = call.request_id();
    call.llm_says(2_210, "Added milk.");
    call.speaks(2_250, 3_000, "Add milk and eggs", 950);
    assert!(call.has(|output| matches!(output, Output::ContinueUtterance { utterance: UtteranceId(1) })));
    assert!(call.has(|output| matches!(output, Output::DropSpeech { speech: SpeechId(1) })));
    assert!(call.request_id() > early);
    call.until(3_400);
    assert_eq!(call.request().unwrap().1, ReplyId(2));
    assert!(!call.has(|output| matches!(output, Output::Play { speech: SpeechId(1), .. })));
    assert_eq!(call.history(), ["user: Add milk and eggs"]);
}

#[test]
fn noise_within_the_pause_keeps_the_early_reply() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "List my tasks", 700);
    call.speaks(2_250, 2_300, "List my tasks", 900);
    call.until(2_700);
    assert_eq!(requests(&call), 1);
    assert_eq!(call.history(), ["user: List my tasks"]);
}

#[test]
fn noise_alone_is_no_turn() {
    let mut call = Call::new();
    call.speaks(1_000, 1_200, "", 900);
    call.until(5_000);
    assert_eq!((call.session.turns(), requests(&call)), (0, 0));
    assert_eq!(call.session.state(), AgentState::Listening);
    assert!(call.has(|output| matches!(output, Output::DropUtterance { .. })));
}

#[test]
fn a_transcript_of_an_older_revision_is_not_taken() {
    let mut call = Call::new();
    call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
    call.at(1_600, Input::EndOfSpeech { last_speech_ms: 1_500 });
    let (utterance, revision) = call.finishing().unwrap();
    call.at(1_650, Input::StartOfSpeech { at_ms: 1_640 });
    call.at(1_700, Input::FinalTranscript { utterance, revision, rung: RungId(0), text: "Add".into() });
    call.at(2_200, Input::EndOfSpeech { last_speech_ms: 2_100 });
    call.at(2_250, Input::FinalTranscript { utterance, revision, rung: RungId(0), text: "Add".into() });
    call.until(3_000);
    assert_eq!(call.session.turns(), 0);
    call.at(
        3_100,
        Input::FinalTranscript { utterance, revision: revision + 1, rung: RungId(0), text: "Add milk".into() },
    );
    assert_eq!(call.history(), ["user: Add milk"]);
}

#[test]
fn an_stt_that_fails_without_a_word_makes_the_agent_ask_again() {
    let mut call = Call::new();
    call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
    call.at(2_100, Input::EndOfSpeech { last_speech_ms: 2_000 });
    call.at(
        2_200,
        Input::SttFailed {
            utterance: UtteranceId(1),
            revision: 1,
            rung: RungId(0),
            failure: ProviderErrorKind::Unavailable.into(),
        },
    );
    call.until(3_000);
    assert!(call.has(|output| matches!(output, Output::Synthesize { text, .. } if text.contains("couldn't hear"))));
}

#[test]
fn one_who_speaks_forever_is_answered_after_the_longest_turn() {
    let mut call = Call::new();
    call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
    call.at(30_000, Input::InterimTranscript { utterance: UtteranceId(1), text: "And then".into() });
    call.until(61_000);
    assert!(call.finishing().is_some());
    let (utterance, revision) = call.finishing().unwrap();
    call.at(61_200, Input::FinalTranscript { utterance, revision, rung: RungId(0), text: "And then and then".into() });
    assert_eq!(call.session.turns(), 1);
}

#[test]
fn stop_recording_takes_effect_in_mid_sentence_and_is_answered_without_a_model() {
    let mut call = Call::new();
    call.at(10, Input::Consent { recording: true });
    assert!(call.session.recording_permit().is_some());
    call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
    call.at(1_900, Input::InterimTranscript { utterance: UtteranceId(1), text: "Please stop recording".into() });
    assert!(call.session.recording_permit().is_none());
    assert!(call.events().contains(&ClientEvent::Recording { enabled: false }));
    call.at(2_100, Input::EndOfSpeech { last_speech_ms: 2_000 });
    call.at(
        2_200,
        Input::FinalTranscript {
            utterance: UtteranceId(1),
            revision: 1,
            rung: RungId(0),
            text: "Please stop recording.".into(),
        },
    );
    call.until(2_700);
    assert_eq!(requests(&call), 0);
    assert!(call.has(|output| matches!(output, Output::Synthesize { text, .. } if text == "Recording has been stopped for this call.")));
}

#[test]
fn whoever_was_told_of_the_recording_hears_that_it_was_stopped_though_nothing_was_recorded() {
    for (consent, answer) in [
        (ConsentFlow::Announce, "Recording has been stopped for this call."),
        (ConsentFlow::Elsewhere, "This call isn't being recorded."),
    ] {
        let config = CoreConfig { greeting: String::new(), consent, ..CoreConfig::default() };
        let mut call = Call::with(config);
        call.at(20, Input::Text { text: "Stop recording.".into(), message: None });
        assert!(call.has(|output| matches!(output, Output::Synthesize { text, .. } if text == answer)), "{answer}");
    }
}

#[test]
fn nothing_is_heard_from_a_caller_who_is_not_connected() {
    let mut call = Call::new();
    call.at(500, Input::Disconnected { connection: crate::ids::ConnectionId(1) });
    call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
    assert!(call.finishing().is_none() && !call.has(|output| matches!(output, Output::StartUtterance { .. })));
}
