//! What the caller's side shows is what was said, understood and heard: no caption is missing, and none stands wrongly.

use serde_json::json;

use super::call::Call;
use crate::ids::{ConnectionId, ReplyId, RungId, SpeechId, UtteranceId};
use crate::input::{CommitError, HangUp, Input};
use crate::output::{AgentState, ClientEvent, Observation, Output};
use crate::provider::ProviderErrorKind;

fn captions(call: &Call) -> Vec<(ReplyId, String)> {
    let caption = |event| match event {
        ClientEvent::AgentText { reply_id, text, .. } => Some((reply_id, text)),
        _ => None,
    };
    call.events().into_iter().filter_map(caption).collect()
}

fn transcripts(call: &Call) -> Vec<(String, bool)> {
    let transcript = |event| match event {
        ClientEvent::Transcript { text, r#final, .. } => Some((text, r#final)),
        _ => None,
    };
    call.events().into_iter().filter_map(transcript).collect()
}

fn taken_back(call: &Call) -> Vec<(ReplyId, String, String)> {
    let heard = |event| match event {
        ClientEvent::Heard { reply_id, heard, unheard } => Some((reply_id, heard, unheard)),
        _ => None,
    };
    call.events().into_iter().filter_map(heard).collect()
}

fn requests(call: &Call) -> usize {
    call.log.iter().filter(|(_, output)| matches!(output, Output::RequestLlm { .. })).count()
}

#[test]
fn a_leg_that_comes_in_mid_speech_gets_the_caption_of_the_speech() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "List my tasks", 950);
    call.llm_says(2_250, "You have three tasks. The first is milk.");
    call.tts_answers(2_290);
    call.plays(2_310, 1_400);
    for (connection, voice) in [(2, true), (3, false)] {
        call.take();
        call.at(3_800, Input::Connected { connection: ConnectionId(connection), voice });
        let text = "You have three tasks. The first is milk.".to_owned();
        assert_eq!(captions(&call), [(ReplyId(1), text)], "leg {connection}");
    }
}

#[test]
fn a_leg_that_comes_in_mid_speech_learns_that_the_agent_speaks() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "List my tasks", 950);
    call.llm_says(2_250, "You have three tasks. The first is milk.");
    call.tts_answers(2_290);
    call.plays(2_310, 400);
    call.take();
    call.at(3_000, Input::Connected { connection: ConnectionId(2), voice: true });
    assert!(call.events().contains(&ClientEvent::State { state: AgentState::Speaking }));
}

#[test]
fn a_transcript_that_never_comes_is_asked_for_and_nothing_is_done_on_half_of_it() {
    for failed in [false, true] {
        let mut call = Call::new();
        call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
        call.at(1_500, Input::InterimTranscript { utterance: UtteranceId(1), text: "Delete the mil".into() });
        call.at(2_100, Input::EndOfSpeech { last_speech_ms: 2_000 });
        call.at(2_150, Input::EndOfTurnScore { utterance: UtteranceId(1), revision: 1, permille: 990 });
        if failed {
            let kind = ProviderErrorKind::Disconnected;
            call.at(
                2_200,
                Input::SttFailed { utterance: UtteranceId(1), revision: 1, rung: RungId(0), failure: kind.into() },
            );
        }
        call.until(9_000);
        assert_eq!(requests(&call), 0);
        assert!(call.has(|output| matches!(output, Output::Synthesize { text, .. } if text.contains("didn't catch"))));
        assert_eq!(transcripts(&call).last(), Some(&("Delete the mil".to_owned(), true)));
        assert_eq!(call.history()[0], "user: Delete the mil");
    }
}

#[test]
fn a_beginning_that_was_gone_on_with_in_words_that_nobody_understood_is_not_acted_on() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Delete milk", 950);
    call.until(2_310);
    let before = requests(&call);
    call.at(2_350, Input::StartOfSpeech { at_ms: 2_340 });
    call.at(3_100, Input::EndOfSpeech { last_speech_ms: 3_000 });
    let (utterance, revision) = call.finishing().unwrap();
    call.at(
        3_200,
        Input::SttFailed { utterance, revision, rung: RungId(0), failure: ProviderErrorKind::Unavailable.into() },
    );
    call.until(5_000);
    assert_eq!(requests(&call), before, "it may have been: no, wait");
    assert!(call.has(|output| matches!(output, Output::Synthesize { text, .. } if text.contains("didn't catch"))));
}

#[test]
fn one_who_says_it_again_before_being_asked_is_understood_from_there_on() {
    let mut call = Call::new();
    call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
    call.at(1_500, Input::InterimTranscript { utterance: UtteranceId(1), text: "Delete the mil".into() });
    call.at(2_100, Input::EndOfSpeech { last_speech_ms: 2_000 });
    let kind = ProviderErrorKind::Disconnected;
    call.at(2_200, Input::SttFailed { utterance: UtteranceId(1), revision: 1, rung: RungId(0), failure: kind.into() });
    call.until(2_800);
    call.speaks(2_900, 3_800, "Add eggs", 950);
    call.until(4_200);
    let last = call.request().unwrap().2.pop();
    assert_eq!(last, Some(crate::chat::ChatItem::User { text: "Add eggs".into() }));
    assert_eq!(call.session.turns(), 2);
}

/// The microphone is muted in mid-word: the shell ends the speech there, and the core takes what the STT makes of it.
#[test]
fn what_was_said_up_to_the_mute_is_the_utterance() {
    let mut call = Call::new();
    call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
    call.at(1_500, Input::InterimTranscript { utterance: UtteranceId(1), text: "List my".into() });
    call.at(1_900, Input::EndOfSpeech { last_speech_ms: 1_900 });
    let (utterance, revision) = call.finishing().unwrap();
    call.at(2_100, Input::FinalTranscript { utterance, revision, rung: RungId(0), text: "List my tasks".into() });
    call.until(4_000);
    assert_eq!(transcripts(&call).last(), Some(&("List my tasks".to_owned(), true)));
    assert_eq!(call.history(), ["user: List my tasks"]);
}

#[test]
fn words_that_nothing_comes_of_are_taken_back() {
    let mut call = Call::new();
    call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
    call.at(1_500, Input::InterimTranscript { utterance: UtteranceId(1), text: "Add mi".into() });
    call.at(1_600, Input::HangUp { by: HangUp::Operator });
    assert_eq!(transcripts(&call), [("Add mi".to_owned(), false), (String::new(), true)]);
}

#[test]
fn the_caption_of_an_answer_that_is_withdrawn_unheard_is_taken_back() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Add milk", 950);
    call.llm_says(2_250, "Milk it is.");
    call.until(2_310);
    assert_eq!(captions(&call), [(ReplyId(1), "Milk it is.".to_owned())]);
    call.speaks(2_350, 3_200, "and eggs please", 950);
    assert_eq!(taken_back(&call), [(ReplyId(1), String::new(), "Milk it is.".to_owned())]);
}

#[test]
fn the_caption_of_an_answer_that_is_made_again_is_taken_back() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Complete milk", 950);
    call.store_works = false;
    call.until(2_305);
    let request = call.request_id();
    call.at(2_310, Input::LlmText { request, text: "Let me see. ".into() });
    call.llm_calls(2_320, "complete_task", json!({"title": "Milk"}));
    let saved = call.commits().pop().unwrap().0;
    call.at(2_325, Input::Committed { commit: saved });
    call.tool_answers(2_330, "complete_task", true);
    let (commit, tools, _) = call.commits().pop().unwrap();
    assert_eq!(tools.len(), 1);
    call.at(2_340, Input::CommitFailed { commit, error: CommitError::Conflict });
    assert_eq!(call.request().unwrap().1, ReplyId(2));
    assert_eq!(taken_back(&call), [(ReplyId(1), String::new(), "Let me see.".to_owned())]);
}

/// The words stand on the page, their audio is being made again, and the model breaks off: they are not said twice.
#[test]
fn words_that_were_shown_are_not_asked_for_again_while_their_audio_is_missing() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "List my tasks", 950);
    call.until(2_305);
    let request = call.request_id();
    call.at(2_310, Input::LlmText { request, text: "You have three tasks. ".into() });
    assert_eq!(captions(&call).len(), 1);
    call.at(2_400, Input::StartOfSpeech { at_ms: 2_390 });
    call.at(
        2_450,
        Input::TtsFailed {
            speech: SpeechId(1),
            chunk: 0,
            rung: RungId(0),
            failure: ProviderErrorKind::Unavailable.into(),
        },
    );
    call.at(2_460, Input::LlmFailed { request, failure: ProviderErrorKind::Disconnected.into() });
    assert_eq!(call.request_id(), request);
    assert!(!call.has(|output| matches!(output, Output::DropChunks { from_chunk: 1.., .. })));
}

#[test]
fn a_turn_that_is_gone_on_with_is_counted_once() {
    let mut call = Call::new();
    call.speaks(1_000, 2_000, "Add milk", 950);
    call.until(2_400);
    call.speaks(2_450, 3_200, "and eggs please", 950);
    call.until(3_600);
    let ends = |observation| match observation {
        Observation::EndOfTurn { turn, reopened, .. } => Some((turn.0, reopened)),
        _ => None,
    };
    let ends: Vec<(u32, bool)> = call.observations().into_iter().filter_map(ends).collect();
    assert_eq!(ends, [(1, false), (1, true)]);
}

#[test]
fn one_who_speaks_for_too_long_is_not_charged_with_a_silence_that_was_none() {
    let mut call = Call::new();
    call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
    call.until(61_000);
    let (utterance, revision) = call.finishing().unwrap();
    call.at(61_200, Input::FinalTranscript { utterance, revision, rung: RungId(0), text: "And then and then".into() });
    call.llm_says(61_300, "I see.");
    call.tts_answers(61_350);
    call.plays(61_400, 100);
    let latency = call.observations().into_iter().find_map(|observation| match observation {
        Observation::Latency { latency_ms, stages, .. } => Some((latency_ms, stages.endpointing, stages.stt)),
        _ => None,
    });
    assert_eq!(latency, Some((400, 0, 200)));
    assert!(call.observations().contains(&Observation::SttFinished {
        utterance: UtteranceId(1),
        rung: RungId(0),
        duration_ms: 200
    }));
}
