//! The STT and the end-of-turn score: what they make of what the caller said, and when.

use voice_core::Input;
use voice_core::ids::{RungId, UtteranceId};

use crate::queue::Event;
use crate::seen::Seen;
use crate::stray::any_failure;
use crate::world::World;

#[derive(Debug)]
struct Heard {
    id: UtteranceId,
    /// World time, in milliseconds.
    from_ms: u64,
    /// What was understood at a pause, as the end of a sentence.
    sentence: Option<String>,
}

/// What the STT knows.
#[derive(Debug, Default)]
pub(crate) struct Ears {
    /// Every word on this leg, and when it ended in world time.
    words: Vec<(u64, String)>,
    utterances: Vec<Heard>,
}

impl Ears {
    /// The audio of the old leg is gone.
    pub(crate) fn leg_changed(&mut self) {
        self.words.clear();
        self.utterances.clear();
    }

    /// Whether this utterance is being heard.
    pub(crate) fn hears(&self, id: UtteranceId) -> bool {
        self.utterances.iter().any(|heard| heard.id == id)
    }

    fn text(&self, id: UtteranceId, until_ms: u64) -> Option<String> {
        let heard = self.utterances.iter().find(|heard| heard.id == id)?;
        let words = self.words.iter().filter(|(at_ms, _)| *at_ms > heard.from_ms && *at_ms <= until_ms);
        Some(words.map(|(_, word)| word.as_str()).collect::<Vec<_>>().join(" "))
    }
}

impl World {
    /// A word is in the audio; an interim transcript may follow.
    pub(crate) fn transcribe_word(&mut self, word: String) {
        self.ears.words.push((self.now_ms, word));
        let Some(id) = self.ears.utterances.last().map(|heard| heard.id) else { return };
        if !self.dice.chance(500) {
            return;
        }
        if let Some(text) = self.ears.text(id, self.now_ms) {
            let delay_ms = self.delay(30, 400);
            self.later(delay_ms, Event::Give(Input::InterimTranscript { utterance: id, text }));
        }
    }

    /// The caller may have stopped: what is understood so far sounds whole, and may be all.
    pub(crate) fn understand_at_pause(&mut self) {
        let (whole, delay_ms) = (self.dice.chance(800), self.delay(0, 150));
        let Some(id) = self.ears.utterances.last().map(|heard| heard.id).filter(|_| whole) else { return };
        let Some(text) = self.ears.text(id, self.now_ms).filter(|text| !text.is_empty()) else { return };
        if let Some(heard) = self.ears.utterances.last_mut() {
            heard.sentence = Some(text.clone());
        }
        let text = format!("{text}.");
        self.later(delay_ms, Event::Give(Input::InterimTranscript { utterance: id, text }));
    }

    /// An utterance begins at `from_ms` of the session's time.
    pub(crate) fn start_utterance(&mut self, id: UtteranceId, from_ms: u64, rung: RungId) {
        let from_ms = from_ms + self.base_ms;
        if !self.ears.hears(id) {
            self.ears.utterances.push(Heard { id, from_ms, sentence: None });
        }
        let streams = self.profile.config.chains.stt.get(usize::from(rung.0)).is_some_and(|rung| rung.streams);
        if streams && self.dice.chance(self.profile.faults.stt_fail) {
            let delay_ms = self.dice.between(0, 3_000);
            let utterance = Some(id).filter(|_| self.dice.chance(900));
            let failure = any_failure(&mut self.dice);
            self.saw(Seen::LineFailed);
            self.later(delay_ms, Event::Give(Input::SttLineFailed { utterance, rung, failure }));
        }
    }

    pub(crate) fn drop_utterance(&mut self, id: UtteranceId) {
        self.ears.utterances.retain(|heard| heard.id != id);
    }

    /// How likely the caller has finished.
    pub(crate) fn score(&mut self, id: UtteranceId, revision: u32) {
        if self.ears.hears(id) && !self.dice.chance(self.profile.faults.score_missing) {
            let permille = u16::try_from(self.dice.below(1_001)).unwrap_or_default();
            let delay_ms = self.delay(10, 200);
            self.later(delay_ms, Event::Give(Input::EndOfTurnScore { utterance: id, revision, permille }));
        }
    }

    /// The caller paused: the final transcript of one recogniser, or what goes wrong with it.
    pub(crate) fn transcribe(&mut self, id: UtteranceId, revision: u32, until_ms: u64, rung: RungId) {
        let faults = self.profile.faults;
        let Some(mut text) = self.ears.text(id, until_ms + self.base_ms + 20) else { return };
        if self.ears.utterances.iter().any(|heard| heard.id == id && heard.sentence.as_ref() == Some(&text)) {
            text.push('.');
        }
        self.use_stt(id, until_ms % 7_000);
        let mut delay_ms = self.delay(20, 700);
        if self.dice.chance(faults.stt_stale) {
            let revision = revision.wrapping_sub(1);
            let wrong = Input::FinalTranscript { utterance: id, revision, rung, text: "wrong".to_owned() };
            self.later(delay_ms / 2, Event::Give(wrong));
            let twice = Input::FinalTranscript { utterance: id, revision: revision + 1, rung, text: text.clone() };
            let again_ms = delay_ms + self.dice.below(3_000);
            self.later(again_ms, Event::Give(twice));
        }
        if self.dice.chance(faults.stt_fail) {
            let failure = any_failure(&mut self.dice);
            self.later(delay_ms, Event::Give(Input::SttFailed { utterance: id, revision, rung, failure }));
            return;
        }
        if self.dice.chance(faults.stt_hang) {
            if self.dice.chance(500) {
                return;
            }
            delay_ms += self.dice.between(700, 6_000);
        }
        if self.dice.chance(faults.stt_deaf) {
            text.clear();
        }
        self.later(delay_ms, Event::Give(Input::FinalTranscript { utterance: id, revision, rung, text }));
    }
}
