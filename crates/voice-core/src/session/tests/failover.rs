//! A provider gives way to the next: by progress, not by errors.

use crate::chat::ChatItem;
use crate::config::CoreConfig;
use crate::failover::{Chains, FailoverConfig, Rung};
use crate::ids::{RungId, SpeechId, UtteranceId};
use crate::input::{Input, ProviderHealth, WordTiming};
use crate::output::{AttemptResult, Observation, Output};
use crate::provider::{ProviderErrorKind, Stage};

use super::call::Call;

const FIRST: RungId = RungId(0);
const SECOND: RungId = RungId(1);

pub(super) fn config() -> CoreConfig {
    let chain = |names: [&str; 2]| names.map(|name| Rung::new(name, name)).to_vec();
    let mut stt = chain(["deepgram", "whisper"]);
    stt[0].streams = true;
    let chains = Chains { stt, llm: chain(["gpt-4o-mini", "rules"]), tts: chain(["cartesia", "elevenlabs"]) };
    CoreConfig { greeting: String::new(), chains, ..CoreConfig::default() }
}

impl Call {
    /// Who was asked for what, in order.
    fn requests(&self) -> Vec<RungId> {
        let rung = |output: &Output| if let Output::RequestLlm { rung, .. } = output { Some(*rung) } else { None };
        self.log.iter().filter_map(|(_, output)| rung(output)).collect()
    }

    fn syntheses(&self) -> Vec<(u32, RungId, String)> {
        let asked = |output: &Output| match output {
            Output::Synthesize { chunk, rung, text, .. } => Some((*chunk, *rung, text.clone())),
            _ => None,
        };
        self.log.iter().filter_map(|(_, output)| asked(output)).collect()
    }

    pub(super) fn failovers(&self) -> Vec<(Stage, RungId, RungId, ProviderErrorKind)> {
        let over = |observation: &Observation| match observation {
            Observation::FailedOver { stage, from, to, reason } => Some((*stage, *from, *to, *reason)),
            _ => None,
        };
        self.observations().iter().filter_map(over).collect()
    }
}

#[test]
fn a_model_that_shows_nothing_gets_a_rival_and_the_first_to_speak_wins() {
    let mut call = Call::with(config());
    call.speaks(1_000, 2_000, "List my tasks", 950);
    let first = call.request_id();
    call.until(2_399);
    assert_eq!(call.requests(), [FIRST]);
    call.until(2_400);
    assert_eq!(call.requests(), [FIRST, SECOND], "200 ms without a token");
    call.llm_says(2_500, "You have three tasks.");
    assert!(call.has(|output| matches!(output, Output::CancelLlm { request } if *request == first)));
    assert_eq!(call.failovers(), [(Stage::Llm, FIRST, SECOND, ProviderErrorKind::Timeout)]);
    call.at(2_510, Input::LlmText { request: first, text: "Late words.".into() });
    assert_eq!(call.syntheses(), [(0, FIRST, "You have three tasks.".to_owned())]);
}

#[test]
fn the_first_may_still_win() {
    let mut call = Call::with(config());
    call.speaks(1_000, 2_000, "List my tasks", 950);
    let first = call.request_id();
    call.until(2_460);
    let rival = call.request_id();
    call.at(2_470, Input::LlmText { request: first, text: "You have three tasks.".into() });
    assert!(rival != first && call.has(|output| matches!(output, Output::CancelLlm { request } if *request == rival)));
    call.at(2_480, Input::LlmText { request: rival, text: "You have two tasks.".into() });
    call.at(2_490, Input::LlmDone { request: first });
    assert_eq!(call.syntheses(), [(0, FIRST, "You have three tasks.".to_owned())]);
    assert_eq!(call.failovers(), []);
}

/// An answer that is full ends with whatever comes next, be it a space, which is no progress and decides no race.
#[test]
fn of_an_answer_that_is_full_nobody_is_waited_for() {
    let mut call = Call::with(CoreConfig { max_reply_chars: 1, ..config() });
    call.speaks(1_000, 2_000, "List my tasks", 950);
    let first = call.request_id();
    call.until(2_460);
    let rival = call.request_id();
    call.at(2_470, Input::LlmText { request: first, text: "\n".into() });
    assert!(call.has(|output| matches!(output, Output::EndLlm { request } if *request == first)));
    assert!(rival != first && call.has(|output| matches!(output, Output::CancelLlm { request } if *request == rival)));
}

#[test]
fn a_stream_that_stands_still_before_anything_was_heard_is_begun_anew_elsewhere() {
    let mut call = Call::with(config());
    call.speaks(1_000, 2_000, "List my tasks", 950);
    let first = call.request_id();
    call.at(2_250, Input::LlmText { request: first, text: "You have three tasks. The first".into() });
    call.until(2_349);
    assert_eq!(call.requests(), [FIRST]);
    call.until(2_350);
    assert_eq!(call.requests(), [FIRST, SECOND], "100 ms of silence in the stream");
}

#[test]
fn what_was_heard_of_a_broken_stream_is_gone_on_with_and_not_said_again() {
    let mut call = Call::with(config());
    call.speaks(1_000, 2_000, "List my tasks", 950);
    let first = call.request_id();
    call.at(2_250, Input::LlmText { request: first, text: "You have three tasks. The first is".into() });
    call.tts_answers(2_260);
    call.until(2_320);
    call.at(2_330, Input::LlmFailed { request: first, failure: ProviderErrorKind::Disconnected.into() });
    let (second, _, items) = call.request().unwrap();
    let said = "You have three tasks. The first is";
    assert_eq!(items.last(), Some(&ChatItem::Assistant { text: said.to_owned(), interrupted: true }));
    call.at(2_400, Input::LlmText { request: second, text: "You have three tasks. The".into() });
    call.at(2_410, Input::LlmText { request: second, text: " first is milk.".into() });
    call.at(2_420, Input::LlmDone { request: second });
    let texts: Vec<String> = call.syntheses().into_iter().map(|(.., text)| text).collect();
    assert_eq!(texts, ["You have three tasks.", "The first is milk."]);
    assert_eq!(call.failovers(), [(Stage::Llm, FIRST, SECOND, ProviderErrorKind::Disconnected)]);
}

#[test]
fn a_call_that_is_still_being_written_is_an_answer_and_gets_a_rival_only_when_it_stands_still() {
    let mut call = Call::with(config());
    call.speaks(1_000, 2_000, "Add milk", 950);
    let request = call.request_id();
    call.until(2_349);
    for at_ms in [2_390, 2_450, 2_540] {
        call.at(at_ms, Input::LlmCalling { request });
    }
    call.until(2_639);
    assert_eq!(call.requests(), [FIRST], "it goes on");
    call.until(2_640);
    assert_eq!(call.requests(), [FIRST, SECOND], "100 ms of silence in the call");
    call.at(2_650, Input::LlmDone { request });
    assert_eq!(call.failovers(), [(Stage::Llm, FIRST, SECOND, ProviderErrorKind::Protocol)], "half a call is none");
}

#[test]
fn another_model_never_calls_a_tool_again() {
    let mut call = Call::with(config());
    call.speaks(1_000, 2_000, "Add milk", 950);
    let first = call.request_id();
    call.llm_calls_and_goes_on(2_250, "add_task", serde_json::json!({"title": "Milk"}));
    call.until(2_700);
    assert_eq!(call.requests(), [FIRST], "it has called a tool: nobody else is asked the same");
    call.at(2_710, Input::LlmFailed { request: first, failure: ProviderErrorKind::Disconnected.into() });
    call.tool_answers(2_720, "add_task", true);
    assert_eq!(call.requests(), [FIRST, SECOND]);
    assert!(matches!(call.request().unwrap().2.last(), Some(ChatItem::ToolOutput(_))));
    let ran = call.log.iter().filter(|(_, output)| matches!(output, Output::RunTool { .. })).count();
    assert_eq!(ran, 1);
}

#[test]
fn the_model_that_called_a_tool_is_asked_with_its_output_and_not_the_slower_one() {
    let mut call = Call::with(config());
    call.speaks(1_000, 2_000, "Add milk", 950);
    call.until(2_450);
    assert_eq!(call.requests(), [FIRST, SECOND]);
    call.llm_calls(2_500, "add_task", serde_json::json!({"title": "Milk"}));
    call.tool_answers(2_510, "add_task", true);
    assert_eq!(call.requests(), [FIRST, SECOND, SECOND]);
    call.llm_says(2_600, "Added.");
    call.speaks(9_000, 10_000, "List my tasks", 950);
    assert_eq!(call.requests(), [FIRST, SECOND, SECOND, FIRST], "the next turn begins with the first again");
}

#[test]
fn a_model_whose_streams_are_even_is_missed_sooner_and_says_how_even_they_are() {
    let mut call = Call::with(config());
    let even = ProviderHealth { stage: Stage::Llm, rung: FIRST, usable: true, hedge_ms: 250, gap_ms: Some(40) };
    call.at(900, Input::ProviderHealth(even));
    call.speaks(1_000, 2_000, "List my tasks", 950);
    let first = call.request_id();
    call.at(2_300, Input::LlmText { request: first, text: "You".into() });
    call.at(2_330, Input::LlmText { request: first, text: " have".into() });
    call.until(2_369);
    assert_eq!(call.requests(), [FIRST]);
    call.until(2_370);
    assert_eq!(call.requests(), [FIRST, SECOND]);
    call.at(2_380, Input::LlmText { request: first, text: " none.".into() });
    call.at(2_385, Input::LlmDone { request: first });
    let paced = AttemptResult::Paced { gap_ms: 50 };
    let told = Observation::Attempt { stage: Stage::Llm, rung: FIRST, result: paced };
    assert!(call.observations().contains(&told), "the longest of 30, 50 and 5");
}

#[test]
fn an_empty_success_is_none() {
    let mut call = Call::with(config());
    call.speaks(1_000, 2_000, "List my tasks", 950);
    let first = call.request_id();
    call.at(2_250, Input::LlmDone { request: first });
    assert_eq!(call.requests(), [FIRST, SECOND]);
    assert_eq!(call.failovers(), [(Stage::Llm, FIRST, SECOND, ProviderErrorKind::Protocol)]);
}

#[test]
fn a_provider_that_failed_is_left_alone_until_it_is_well_and_then_until_the_next_reply() {
    let mut call = Call::with(config());
    call.speaks(1_000, 2_000, "List my tasks", 950);
    let first = call.request_id();
    call.at(2_250, Input::LlmFailed { request: first, failure: ProviderErrorKind::Unavailable.into() });
    assert_eq!(call.requests(), [FIRST, SECOND]);
    let well = ProviderHealth { stage: Stage::Llm, rung: FIRST, usable: true, hedge_ms: 250, gap_ms: None };
    call.at(2_260, Input::ProviderHealth(ProviderHealth { usable: false, ..well }));
    call.llm_says(2_300, "None.");
    call.tts_answers(2_310);
    call.plays(2_320, 300);
    call.speaks(8_000, 9_000, "List my tasks", 950);
    assert_eq!(call.requests(), [FIRST, SECOND, SECOND]);
    call.at(9_260, Input::ProviderHealth(well));
    call.llm_says(9_300, "None.");
    call.tts_answers(9_310);
    call.plays(9_320, 300);
    call.speaks(15_000, 16_000, "List my tasks", 950);
    assert_eq!(call.requests(), [FIRST, SECOND, SECOND, FIRST]);
}

#[test]
fn doubled_spend_has_a_ceiling_and_then_the_first_is_given_up_later() {
    let failover = FailoverConfig { free_hedges: 0, hedge_percent: 0, ..FailoverConfig::default() };
    let mut call = Call::with(CoreConfig { failover, ..config() });
    call.speaks(1_000, 2_000, "List my tasks", 950);
    call.until(2_999);
    assert_eq!(call.requests(), [FIRST]);
    call.until(3_000);
    assert_eq!(call.requests(), [FIRST, SECOND], "after 800 ms, four times the usual patience");
    assert_eq!(call.failovers(), [(Stage::Llm, FIRST, SECOND, ProviderErrorKind::Timeout)]);
}

#[test]
fn a_recogniser_that_shows_nothing_gets_a_rival_that_hears_all_of_it() {
    let mut call = Call::with(config());
    call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
    call.at(2_100, Input::EndOfSpeech { last_speech_ms: 2_000 });
    call.until(2_249);
    assert!(!call.has(|output| matches!(output, Output::Transcribe { .. })));
    call.until(2_250);
    assert!(call.has(|output| matches!(output, Output::Transcribe { rung: SECOND, until_ms: 2_000, .. })));
    let (utterance, revision) = call.finishing().unwrap();
    call.at(2_350, Input::FinalTranscript { utterance, revision, rung: SECOND, text: "List my tasks".into() });
    call.at(2_360, Input::FinalTranscript { utterance, revision, rung: FIRST, text: "Something else".into() });
    assert_eq!(call.failovers(), [(Stage::Stt, FIRST, SECOND, ProviderErrorKind::Timeout)]);
    call.until(2_700);
    assert!(matches!(call.request().unwrap().2.last(), Some(ChatItem::User { text }) if text == "List my tasks"));
}

/// The caller's next utterance is not a part of the one that a rival is asked for.
#[test]
fn a_rival_hears_its_own_utterance_only() {
    let mut call = Call::with(CoreConfig { max_utterance_ms: 1_000, ..config() });
    call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
    call.at(2_600, Input::EndOfSpeech { last_speech_ms: 2_500 });
    call.at(2_620, Input::StartOfSpeech { at_ms: 2_610 });
    call.at(2_740, Input::EndOfSpeech { last_speech_ms: 2_700 });
    call.until(3_000);
    let of = |output: &Output| match output {
        Output::Transcribe { utterance, until_ms, .. } => Some((*utterance, *until_ms)),
        _ => None,
    };
    let asked: Vec<_> = call.log.iter().filter_map(|(_, output)| of(output)).collect();
    assert_eq!(asked, [(UtteranceId(1), 2_500)]);
}

#[test]
fn a_line_that_breaks_in_mid_sentence_is_replaced_from_the_sentences_beginning() {
    let mut call = Call::with(config());
    call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
    let utterance = Some(UtteranceId(1));
    let failure = ProviderErrorKind::Disconnected.into();
    call.at(1_500, Input::SttLineFailed { utterance, rung: FIRST, failure });
    let again = |output: &Output| matches!(output, Output::StartUtterance { from_ms: 1_000, rung: SECOND, .. });
    assert!(call.has(again));
    call.at(2_100, Input::EndOfSpeech { last_speech_ms: 2_000 });
    assert!(call.has(|output| matches!(output, Output::FinishUtterance { rung: SECOND, .. })));
}

#[test]
fn a_line_that_breaks_in_a_pause_is_replaced_when_the_caller_goes_on() {
    let starts = |call: &Call| -> Vec<RungId> {
        let rung = |output: &Output| if let Output::StartUtterance { rung, .. } = output { Some(*rung) } else { None };
        call.log.iter().filter_map(|(_, output)| rung(output)).collect()
    };
    let failure = ProviderErrorKind::Disconnected.into();
    let failed = Input::SttLineFailed { utterance: Some(UtteranceId(1)), rung: FIRST, failure };
    // Before its final transcript, and after.
    for heard in [false, true] {
        let mut call = Call::with(config());
        call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
        call.at(1_600, Input::EndOfSpeech { last_speech_ms: 1_500 });
        let (utterance, revision) = call.finishing().unwrap();
        if heard {
            let text = "Add".to_owned();
            call.at(1_650, Input::FinalTranscript { utterance, revision, rung: FIRST, text });
        }
        call.at(1_660, failed.clone());
        assert_eq!(starts(&call), [FIRST]);
        call.at(1_700, Input::StartOfSpeech { at_ms: 1_700 });
        assert_eq!(starts(&call), [FIRST, SECOND], "heard: {heard}");
        assert!(!call.has(|output| matches!(output, Output::ContinueUtterance { .. })));
        assert_eq!(call.failovers(), [(Stage::Stt, FIRST, SECOND, ProviderErrorKind::Disconnected)]);
        call.at(2_600, Input::EndOfSpeech { last_speech_ms: 2_500 });
        assert!(call.has(|output| matches!(output, Output::FinishUtterance { rung: SECOND, .. })));
    }
}

#[test]
fn lines_that_break_one_after_the_other_are_not_tossed_to_and_fro() {
    let mut config = config();
    config.chains.stt[1].streams = true;
    let mut call = Call::with(config);
    call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
    let utterance = Some(UtteranceId(1));
    for (at_ms, rung) in [(1_500, FIRST), (1_600, SECOND), (1_700, SECOND)] {
        call.at(at_ms, Input::SttLineFailed { utterance, rung, failure: ProviderErrorKind::Disconnected.into() });
    }
    let starts = call.log.iter().filter(|(_, output)| matches!(output, Output::StartUtterance { .. })).count();
    assert_eq!(starts, 2);
}

#[test]
fn a_recogniser_that_understands_the_same_still_listens_and_a_pause_is_the_callers() {
    let rival = |call: &Call| call.has(|output| matches!(output, Output::Transcribe { .. }));
    let interim = |text: &str| Input::InterimTranscript { utterance: UtteranceId(1), text: text.into() };
    let mut call = Call::with(config());
    call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
    for at_ms in [1_500, 2_500] {
        call.at(at_ms, interim("Um"));
    }
    call.at(3_000, Input::EndOfSpeech { last_speech_ms: 2_900 });
    assert!(!rival(&call), "it has said the same 400 ms ago");
    let (utterance, revision) = call.finishing().unwrap();
    call.at(3_050, Input::FinalTranscript { utterance, revision, rung: FIRST, text: "Um".into() });
    call.at(4_300, Input::StartOfSpeech { at_ms: 4_250 });
    call.at(4_700, Input::EndOfSpeech { last_speech_ms: 4_600 });
    assert!(!rival(&call), "it was silent for 350 ms of speech");
}

#[test]
fn a_recogniser_that_lags_is_not_waited_for() {
    let mut call = Call::with(config());
    call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
    call.at(3_000, Input::EndOfSpeech { last_speech_ms: 2_900 });
    assert!(call.has(|output| matches!(output, Output::Transcribe { rung: SECOND, .. })), "nothing for 1.9 s");
}

#[test]
fn nothing_understood_of_a_long_sentence_is_worth_a_second_opinion() {
    let mut call = Call::with(config());
    call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
    call.at(2_100, Input::EndOfSpeech { last_speech_ms: 2_000 });
    let (utterance, revision) = call.finishing().unwrap();
    call.at(2_200, Input::FinalTranscript { utterance, revision, rung: FIRST, text: String::new() });
    assert!(call.has(|output| matches!(output, Output::Transcribe { rung: SECOND, .. })));
    call.at(2_300, Input::FinalTranscript { utterance, revision, rung: SECOND, text: "Add milk".into() });
    call.until(2_700);
    assert!(call.has(|output| matches!(output, Output::RequestLlm { .. })));
}

#[test]
fn a_second_opinion_is_a_rival_and_one_that_is_the_same_is_no_failover() {
    let silent = |call: &mut Call, rung: RungId, at_ms: u64| {
        let (utterance, revision) = call.finishing().unwrap();
        call.at(at_ms, Input::FinalTranscript { utterance, revision, rung, text: String::new() });
    };
    let asked = |call: &Call| call.has(|output| matches!(output, Output::Transcribe { rung: SECOND, .. }));
    let mut call = Call::with(config());
    call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
    call.at(2_100, Input::EndOfSpeech { last_speech_ms: 2_000 });
    silent(&mut call, FIRST, 2_200);
    assert!(asked(&call));
    assert!(call.observations().contains(&Observation::Hedged { stage: Stage::Stt, from: FIRST, to: SECOND }));
    silent(&mut call, SECOND, 2_300);
    assert_eq!(call.failovers(), []);

    let failover = FailoverConfig { free_hedges: 0, hedge_percent: 0, ..FailoverConfig::default() };
    let mut call = Call::with(CoreConfig { failover, ..config() });
    call.at(1_000, Input::StartOfSpeech { at_ms: 1_000 });
    call.at(2_100, Input::EndOfSpeech { last_speech_ms: 2_000 });
    silent(&mut call, FIRST, 2_200);
    assert!(!asked(&call), "doubled spend has a ceiling");
}

#[test]
fn what_may_have_passed_costs_the_turn_and_not_the_session() {
    let unusable = ProviderErrorKind::Unusable;
    for (kind, third) in [(ProviderErrorKind::Stalled, FIRST), (unusable, FIRST), (ProviderErrorKind::Auth, SECOND)] {
        let mut call = Call::with(config());
        call.speaks(1_000, 2_000, "List my tasks", 950);
        let first = call.request_id();
        call.at(2_250, Input::LlmFailed { request: first, failure: kind.into() });
        call.llm_says(2_300, "None.");
        call.tts_answers(2_310);
        call.plays(2_320, 300);
        call.speaks(8_000, 9_000, "List my tasks", 950);
        assert_eq!(call.requests(), [FIRST, SECOND, third], "{kind:?}");
    }
}

fn answer(call: &mut Call) {
    call.speaks(1_000, 2_000, "List my tasks", 950);
    call.llm_says(2_250, "You have three open tasks. The first is milk.");
}

fn audio(chunk: u32, rung: RungId, audio_ms: u64, words: Vec<WordTiming>) -> Input {
    Input::TtsAudio { speech: SpeechId(1), chunk, rung, audio_ms, words }
}

#[test]
fn a_voice_that_shows_nothing_gets_a_rival_and_the_rest_is_spoken_by_who_was_first() {
    let mut call = Call::with(config());
    answer(&mut call);
    call.until(2_450);
    let hedged = (0, SECOND, "You have three open tasks.".to_owned());
    assert_eq!(call.syntheses().last(), Some(&hedged), "200 ms without a sound");
    call.at(2_500, audio(0, SECOND, 300, Vec::new()));
    let stopped = |chunk: u32| move |output: &Output| matches!(output, Output::StopSynthesis { chunk: of, rung: FIRST, .. } if *of == chunk);
    assert!(call.has(stopped(0)) && call.has(stopped(1)));
    assert_eq!(call.syntheses().last(), Some(&(1, SECOND, "The first is milk.".to_owned())));
    call.at(2_510, audio(0, FIRST, 900, Vec::new()));
    call.at(2_520, Input::TtsDone { speech: SpeechId(1), chunk: 0, rung: FIRST, audio_ms: 900, words: Vec::new() });
    assert_eq!(call.failovers(), [(Stage::Tts, FIRST, SECOND, ProviderErrorKind::Timeout)]);
}

#[test]
fn another_voice_goes_on_at_the_word_where_the_first_stopped() {
    let mut call = Call::with(config());
    answer(&mut call);
    let words = vec![WordTiming { byte_end: 3, end_ms: 150 }, WordTiming { byte_end: 8, end_ms: 400 }];
    call.at(2_300, audio(0, FIRST, 400, words));
    call.at(2_310, Input::FirstAudioOut { speech: SpeechId(1) });
    let failure = ProviderErrorKind::Disconnected.into();
    call.at(2_320, Input::TtsFailed { speech: SpeechId(1), chunk: 0, rung: FIRST, failure });
    assert!(call.has(|output| matches!(output, Output::EndChunk { chunk: 0, .. })));
    let said: Vec<_> = call.syntheses().into_iter().filter(|(chunk, ..)| *chunk >= 2).collect();
    let rest = [(2, SECOND, "three open tasks.".to_owned()), (3, SECOND, "The first is milk.".to_owned())];
    assert_eq!(said, rest);
}

#[test]
fn a_voice_that_leaves_the_last_words_out_is_gone_on_with() {
    let done = |audio_ms, byte_end| {
        let words = vec![WordTiming { byte_end, end_ms: 400 }];
        Input::TtsDone { speech: SpeechId(1), chunk: 0, rung: FIRST, audio_ms, words }
    };
    let said_by = |audio_ms, byte_end| {
        let mut call = Call::with(config());
        answer(&mut call);
        call.at(2_300, audio(0, FIRST, audio_ms, Vec::new()));
        call.at(2_310, done(audio_ms, byte_end));
        call.syntheses().into_iter().filter(|(_, rung, _)| *rung == SECOND).map(|(.., text)| text).collect::<Vec<_>>()
    };
    assert_eq!(said_by(420, 8), ["three open tasks.", "The first is milk."], "20 ms are too short for three words");
    assert!(said_by(1_400, 8).is_empty(), "it only does not say where they end");
    assert!(said_by(400, 25).is_empty(), "nothing but the full stop is left");
}

#[test]
fn a_voice_that_stands_still_is_left_before_the_caller_hears_it() {
    let mut call = Call::with(config());
    answer(&mut call);
    let words = vec![WordTiming { byte_end: 3, end_ms: 300 }, WordTiming { byte_end: 8, end_ms: 900 }];
    call.at(2_290, audio(0, FIRST, 900, words));
    call.until(2_300);
    call.at(2_301, Input::FirstAudioOut { speech: SpeechId(1) });
    // Its 900 ms end at 3,201 ms; the other voice takes 200 ms, and 60 are for the way.
    call.until(2_940);
    assert!(call.syntheses().iter().all(|(_, rung, _)| *rung == FIRST));
    call.until(2_941);
    assert!(call.syntheses().contains(&(2, SECOND, "three open tasks.".to_owned())));
    assert_eq!(call.failovers(), [(Stage::Tts, FIRST, SECOND, ProviderErrorKind::Stalled)]);
}

#[test]
fn without_any_voice_left_the_caller_reads() {
    let mut call = Call::with(config());
    answer(&mut call);
    for (chunk, rung) in [(0, FIRST), (2, SECOND)] {
        let failure = ProviderErrorKind::Auth.into();
        call.at(2_300, Input::TtsFailed { speech: SpeechId(1), chunk, rung, failure });
    }
    assert!(call.observations().contains(&Observation::FellBackToText { stage: Stage::Tts }));
}
