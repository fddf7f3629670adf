//! What providers use, and what nobody expects: events of ids that do not exist, and any garbage at all.

use serde_json::{Map, json};
use voice_core::Input;
use voice_core::chat::ToolOutput;
use voice_core::cost::{NanoUsd, Quantity, Usage};
use voice_core::ids::{CommitId, ConnectionId, LlmRequestId, ReplyId, RungId, SpeechId, ToolCallId, UtteranceId};
use voice_core::input::{CommitError, HangUp, Key, ProviderHealth, WordTiming};
use voice_core::provider::{ProviderErrorKind, ProviderFailure, Stage};

use crate::dice::Dice;
use crate::queue::Event;
use crate::seen::Seen;
use crate::world::{Checked, World};

/// Any way to fail.
pub(crate) fn any_kind(dice: &mut Dice) -> ProviderErrorKind {
    dice.pick(&ProviderErrorKind::ALL)
}

/// Any way to fail, with what a provider may say of when to come back.
pub(crate) fn any_failure(dice: &mut Dice) -> ProviderFailure {
    let retry_after_ms = if dice.chance(200) { Some(dice.below(20_000)) } else { None };
    ProviderFailure { kind: any_kind(dice), retry_after_ms }
}

fn any_rung(dice: &mut Dice) -> RungId {
    RungId(dice.pick(&[0, 0, 1, 2, 200]))
}

impl World {
    pub(crate) fn use_stt(&mut self, utterance: UtteranceId, audio_ms: u64) {
        let wasted = self.dice.chance(100);
        self.use_it(Stage::Stt, "stt", Quantity::AudioMs(audio_ms), None, Some(utterance), wasted);
    }

    pub(crate) fn use_llm(&mut self, reply: ReplyId, output: u64, cancelled: bool) {
        let quantity = Quantity::Tokens { input: output * 3 + 100, cached: output * 2, output };
        self.use_it(Stage::Llm, "llm", quantity, Some(reply), None, cancelled);
    }

    pub(crate) fn use_tts(&mut self, reply: ReplyId, audio_ms: u64) {
        self.use_it(Stage::Tts, "tts", Quantity::AudioMs(audio_ms), Some(reply), None, false);
    }

    fn use_it(
        &mut self,
        stage: Stage,
        model: &str,
        quantity: Quantity,
        reply: Option<ReplyId>,
        utterance: Option<UtteranceId>,
        wasted: bool,
    ) {
        let (provider, model) = ("sim".to_owned(), model.to_owned());
        let usage = Usage { stage, provider, model, quantity, reply, utterance, wasted };
        let delay_ms = self.dice.below(600);
        self.later(delay_ms, Event::Give(Input::Used(usage)));
    }

    /// An event that belongs to nothing; in chaos, any event at any time.
    pub(crate) fn stray(&mut self) -> Checked {
        self.saw(Seen::Stray);
        let now_ms = self.now_ms.saturating_sub(self.base_ms);
        if !self.profile.chaos {
            let id = 1_000_000_000 + self.dice.below(1_000);
            let input = stray_input(&mut self.dice, id);
            return self.feed(input);
        }
        for _ in 0..self.dice.between(1, 12) {
            let id = self.dice.below(8);
            let input = match self.dice.below(12) {
                0..=6 => stray_input(&mut self.dice, id),
                _ => wild_input(&mut self.dice),
            };
            let at_ms = match self.dice.below(40) {
                0 => self.dice.bits() >> 20,
                1..=4 => self.dice.below(now_ms + 1),
                _ => now_ms,
            };
            self.feed_at(at_ms, input)?;
        }
        Ok(())
    }
}

fn stray_input(dice: &mut Dice, id: u64) -> Input {
    let chunk = u32::try_from(dice.below(6)).unwrap_or_default();
    let revision = u32::try_from(dice.below(4)).unwrap_or_default();
    let (utterance, speech, request) = (UtteranceId(id), SpeechId(id), LlmRequestId(id));
    let text = dice.pick(&["", "stray", "stop recording", "é ü \u{1F600}", "word. word, word! word"]).to_owned();
    let audio_ms = if dice.chance(50) { dice.bits() } else { dice.below(5_000) };
    match dice.below(19) {
        0 => Input::InterimTranscript { utterance, text },
        1 => Input::FinalTranscript { utterance, revision, rung: any_rung(dice), text },
        2 => Input::SttFailed { utterance, revision, rung: any_rung(dice), failure: any_failure(dice) },
        3 => Input::EndOfTurnScore { utterance, revision, permille: (dice.bits() & 0xffff) as u16 },
        4 => Input::LlmText { request, text },
        5 if dice.chance(300) => Input::LlmCalling { request },
        5 if dice.chance(300) => Input::PossibleEnd,
        5 if dice.chance(300) => Input::LlmWordsAhead { request, words: text },
        5 => Input::LlmToolCall { request, name: "add_task".to_owned(), arguments: Map::new() },
        6 => Input::LlmDone { request },
        7 => Input::LlmFailed { request, failure: any_failure(dice) },
        8 => {
            let result = json!({"status": "ok"});
            let output = ToolOutput { id: ToolCallId(id), name: "add_task".to_owned(), result, is_error: false };
            Input::ToolComputed { output, mutates: dice.chance(500) }
        }
        9 => Input::Committed { commit: CommitId(id) },
        10 => {
            let error = dice.pick(&[
                CommitError::Unavailable,
                CommitError::Conflict,
                CommitError::Fenced,
                CommitError::Postponed,
            ]);
            Input::CommitFailed { commit: CommitId(id), error }
        }
        11 => Input::TtsAudio { speech, chunk, rung: any_rung(dice), audio_ms, words: Vec::new() },
        12 => {
            let word = WordTiming { byte_end: dice.below(90) as usize, end_ms: dice.bits() };
            Input::TtsDone { speech, chunk, rung: any_rung(dice), audio_ms, words: vec![word] }
        }
        13 => Input::TtsFailed { speech, chunk, rung: any_rung(dice), failure: any_failure(dice) },
        14 => Input::FirstAudioOut { speech },
        15 => Input::PlayoutPosition { speech, played_ms: audio_ms, reported: true },
        16 => Input::SttLineFailed { utterance: Some(utterance), rung: any_rung(dice), failure: any_failure(dice) },
        17 => {
            let stage = dice.pick(&[Stage::Stt, Stage::Llm, Stage::Tts]);
            let (rung, usable, hedge_ms) = (any_rung(dice), dice.chance(500), dice.below(2_000));
            let gap_ms = dice.chance(500).then(|| dice.below(2_000));
            Input::ProviderHealth(ProviderHealth { stage, rung, usable, hedge_ms, gap_ms })
        }
        _ => Input::Disconnected { connection: ConnectionId(id.saturating_add(1_000)) },
    }
}

fn wild_input(dice: &mut Dice) -> Input {
    match dice.below(14) {
        13 => Input::RoundTrip { connection: ConnectionId(dice.below(9)), round_trip_ms: dice.bits() },
        12 => {
            let key = dice.pick(&["0", "1", "2", "7", "*", "#", "A"]);
            Key::parse(key).map_or(Input::Tick, |key| Input::Key { key })
        }
        11 => Input::DaySpend { spent: NanoUsd(dice.below(20_000_000)) },
        10 => Input::PossibleSpeech,
        0 => Input::StartOfSpeech { at_ms: dice.bits() },
        1 => Input::EndOfSpeech { last_speech_ms: dice.bits() },
        2 => Input::Connected { connection: ConnectionId(dice.below(9)), voice: dice.chance(700) },
        3 => Input::Disconnected { connection: ConnectionId(dice.below(9)) },
        4 => Input::Text { text: "  \u{0} add item".to_owned(), message: Some(dice.bits()) },
        5 => Input::Text { text: String::new(), message: None },
        6 => Input::Consent { recording: dice.chance(500) },
        7 if dice.chance(50) => Input::HangUp { by: HangUp::Operator },
        8 => {
            let quantity = Quantity::Tokens { input: dice.bits(), cached: dice.bits(), output: dice.bits() };
            Input::Used(Usage {
                stage: Stage::Llm,
                provider: "sim".to_owned(),
                model: "llm".to_owned(),
                quantity,
                reply: Some(ReplyId(dice.below(9))),
                utterance: None,
                wasted: dice.chance(300),
            })
        }
        _ => Input::Tick,
    }
}
