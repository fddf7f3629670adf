//! Who understands it? Recognisers: when one shows nothing, fails or breaks off, another is given the same audio, from its
//! beginning, so that no word is lost.

use crate::ids::{RungId, UtteranceId};
use crate::output::{ClientEvent, Observation, Output};
use crate::provider::{ProviderErrorKind, ProviderFailure, Stage};

use super::{Session, cut};

/// Speech of this length, in milliseconds, has words in it: nothing understood of it is worth a second opinion.
const HAS_WORDS_MS: u64 = 500;

/// After so many utterances in a row of which no recogniser said anything nobody is asked to say it again: voice has failed.
const MOST_UNHEARD: u32 = 2;

/// One stretch of caller speech.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Utterance {
    pub(super) id: UtteranceId,
    pub(super) revision: u32,
    pub(super) from_ms: u64,
    /// Where its speech ends, as far as it goes: later speech belongs to another utterance.
    pub(super) until_ms: u64,
    pub(super) interim: String,
    /// Of the current revision.
    pub(super) final_text: Option<String>,
    pub(super) score: Option<u16>,
    /// Since when the final transcript is waited for.
    pub(super) awaited_since_ms: Option<u64>,
    pub(super) failed: bool,
    /// The caller's side shows words of it that are not final.
    pub(super) caption_open: bool,
    /// Who hears it.
    pub(super) rung: RungId,
    /// Who listens while the caller speaks: not there any more when its line is lost.
    pub(super) listener: Option<RungId>,
    /// Whose lines were lost in it, and how the last one was.
    lost: Vec<RungId>,
    lost_by: Option<ProviderErrorKind>,
    /// How long its last stretch of speech is, in milliseconds.
    stretch_ms: u64,
    /// Who has no words of the end of this revision's speech, and how long that is in milliseconds.
    gap: Option<(RungId, u64)>,
    /// Somebody understood nothing of this revision, or nothing of its end, and another one was asked.
    doubted: bool,
    /// What whoever is doubted understood of it.
    partial: String,
    /// When something of it was understood last, or it began, in milliseconds.
    pub(super) progress_ms: u64,
    /// Who was asked for the final transcript of this revision and has not answered, and when in milliseconds.
    pub(super) asked: Vec<(RungId, u64)>,
    /// Who was asked for it at all.
    pub(super) tried: Vec<RungId>,
}

impl Utterance {
    pub(super) fn new(id: UtteranceId, from_ms: u64, rung: RungId) -> Self {
        Self {
            id,
            revision: 0,
            from_ms,
            until_ms: from_ms,
            interim: String::new(),
            final_text: None,
            score: None,
            awaited_since_ms: None,
            failed: false,
            caption_open: false,
            rung,
            listener: Some(rung),
            lost: Vec::new(),
            lost_by: None,
            stretch_ms: 0,
            gap: None,
            doubted: false,
            partial: String::new(),
            progress_ms: from_ms,
            asked: Vec::new(),
            tried: Vec::new(),
        }
    }
}

impl Utterance {
    /// How much of the speech, in milliseconds, this recogniser's transcript has no words of. It may have been the caller's pause:
    /// no more of it than the last stretch of speech is held against anybody.
    fn wordless_ms(&self, rung: RungId, text: &str) -> u64 {
        match self.gap.filter(|(who, _)| *who == rung) {
            _ if text.is_empty() => self.until_ms.saturating_sub(self.from_ms),
            Some((_, gap_ms)) => gap_ms.min(self.stretch_ms),
            None => 0,
        }
    }
}

/// The words of a text, without their signs and capitals.
fn words_of(text: &str) -> impl Iterator<Item = String> {
    let word =
        |word: &str| word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    text.split_whitespace().map(word).filter(|word| !word.is_empty())
}

impl Session {
    fn utterance_mut(&mut self, id: UtteranceId) -> Option<&mut Utterance> {
        self.listening.as_mut()?.utterances.iter_mut().find(|utterance| utterance.id == id)
    }

    pub(super) fn handle_end_of_speech(&mut self, last_speech_ms: u64) {
        let Some(since_ms) = self.speaking_since_ms.take() else { return };
        self.client(ClientEvent::UserSpeaking { speaking: false });
        let now_ms = self.now_ms;
        let Some(listening) = &mut self.listening else { return };
        listening.last_speech_ms = last_speech_ms.clamp(since_ms, now_ms);
        let until_ms = listening.last_speech_ms;
        let Some(utterance) = listening.utterances.last_mut() else { return };
        utterance.revision += 1;
        utterance.until_ms = until_ms;
        utterance.awaited_since_ms = Some(now_ms);
        utterance.asked = vec![(utterance.rung, now_ms)];
        utterance.tried = vec![utterance.rung];
        utterance.stretch_ms = until_ms.saturating_sub(since_ms);
        (utterance.gap, utterance.doubted) = (None, false);
        utterance.partial.clear();
        let (id, revision, rung) = (utterance.id, utterance.revision, utterance.rung);
        self.push(Output::FinishUtterance { utterance: id, revision, until_ms, rung });
        if self.lags(id) {
            self.ask_stt_rival(id);
        }
    }

    /// Whether a recogniser that streams has shown nothing for so long of what was being said that it is no longer trusted.
    fn lags(&self, id: UtteranceId) -> bool {
        let Some(listening) = &self.listening else { return false };
        let Some(utterance) = listening.utterances.iter().find(|utterance| utterance.id == id) else { return false };
        let rung = self.config.chains.stt.get(usize::from(utterance.rung.0));
        let silent_ms = utterance.until_ms.saturating_sub(utterance.progress_ms);
        rung.is_some_and(|rung| rung.streams) && silent_ms >= self.config.failover.stt_lag_ms
    }

    /// The utterance whose transcript another recogniser is to be asked for too, and when in milliseconds.
    pub(super) fn stt_hedge_due(&self) -> Option<(UtteranceId, u64)> {
        let (utterance, _) = self.listening.as_ref()?.awaited()?;
        let (rung, asked_ms) = *utterance.asked.last()?;
        self.ladder.rival(Stage::Stt, &utterance.tried, &self.config.failover)?;
        Some((utterance.id, asked_ms + self.ladder.hedge_ms(Stage::Stt, rung)))
    }

    /// Gives the utterance's audio to the next recogniser too.
    pub(super) fn ask_stt_rival(&mut self, id: UtteranceId) {
        let Some(utterance) = self.utterance_mut(id) else { return };
        let (tried, from) = (utterance.tried.clone(), utterance.rung);
        let Some(rung) = self.ladder.rival(Stage::Stt, &tried, &self.config.failover) else { return };
        self.ladder.note_hedged(Stage::Stt);
        self.observe(Observation::Hedged { stage: Stage::Stt, from, to: rung });
        self.transcribe_with(id, rung);
    }

    fn transcribe_with(&mut self, id: UtteranceId, rung: RungId) {
        let now_ms = self.now_ms;
        let Some(utterance) = self.utterance_mut(id) else { return };
        utterance.asked.push((rung, now_ms));
        utterance.tried.push(rung);
        let (revision, until_ms) = (utterance.revision, utterance.until_ms);
        self.push(Output::Transcribe { utterance: id, revision, until_ms, rung });
    }

    pub(super) fn handle_final(&mut self, id: UtteranceId, revision: u32, rung: RungId, text: &str) {
        let text = cut(text.trim(), self.config.max_text_chars);
        let now_ms = self.now_ms;
        let Some(listening) = &mut self.listening else { return };
        let last_speech_ms = listening.last_speech_ms;
        let Some(utterance) = listening.utterances.iter_mut().find(|utterance| utterance.id == id) else { return };
        if utterance.revision != revision || utterance.awaited_since_ms.is_none() {
            return;
        }
        let Some(at) = utterance.asked.iter().position(|(asked, _)| *asked == rung) else { return };
        if utterance.wordless_ms(rung, &text) >= HAS_WORDS_MS && self.asks_for_a_second_opinion(id, rung, &text) {
            return;
        }
        let Some(utterance) = self.utterance_mut(id) else { return };
        let partial = std::mem::take(&mut utterance.partial);
        // Whoever was asked for what is missing has missed more.
        let has_missed_more = words_of(&text).count() < words_of(&partial).count();
        let is_confirmed = has_missed_more || words_of(&text).eq(words_of(&partial));
        let text = if has_missed_more { partial } else { text };
        utterance.awaited_since_ms = None;
        utterance.final_text = Some(text.clone());
        utterance.caption_open = false;
        let (from, asked, doubted) = (utterance.rung, std::mem::take(&mut utterance.asked), utterance.doubted);
        for (slow, _) in &asked[..at] {
            self.provider_lost(Stage::Stt, *slow);
        }
        let after_ms = now_ms - asked.get(at).map_or(now_ms, |(_, asked_ms)| *asked_ms);
        self.unheard = 0;
        self.provider_answered(Stage::Stt, rung, after_ms);
        // A second opinion that is the first one again leads nowhere else.
        if !(doubted && is_confirmed) {
            let reason = if doubted { ProviderErrorKind::Protocol } else { ProviderErrorKind::Timeout };
            self.failed_over(Stage::Stt, from, rung, reason);
        }
        self.observe(Observation::SttFinished {
            utterance: id,
            rung,
            duration_ms: now_ms - last_speech_ms.min(now_ms),
        });
        self.client(ClientEvent::Transcript { utterance_id: id, text, r#final: true });
        self.heed_words();
    }

    /// A recogniser has no words of the end of the speech.
    pub(super) fn note_gap(&mut self, id: UtteranceId, revision: u32, rung: RungId, gap_ms: u64) {
        if let Some(utterance) = self.utterance_mut(id).filter(|utterance| utterance.revision == revision) {
            utterance.gap = Some((rung, gap_ms));
        }
    }

    /// A recogniser understood nothing of speech that had words in it, or of the end of it: another one is heard before that is
    /// believed. Says whether there is one to wait for.
    fn asks_for_a_second_opinion(&mut self, id: UtteranceId, rung: RungId, text: &str) -> bool {
        let Some(utterance) = self.utterance_mut(id) else { return false };
        let waits = utterance.asked.iter().any(|(asked, _)| *asked != rung);
        let tried = utterance.tried.clone();
        if !waits && self.ladder.rival(Stage::Stt, &tried, &self.config.failover).is_none() {
            return false;
        }
        if let Some(utterance) = self.utterance_mut(id) {
            utterance.asked.retain(|(asked, _)| *asked != rung);
            utterance.doubted = true;
            if words_of(text).count() > words_of(&utterance.partial).count() {
                text.clone_into(&mut utterance.partial);
            }
        }
        if !waits {
            self.ask_stt_rival(id);
        }
        true
    }

    pub(super) fn handle_stt_failed(&mut self, id: UtteranceId, revision: u32, rung: RungId, failure: ProviderFailure) {
        let Some(utterance) = self.utterance_mut(id) else { return };
        let waited = utterance.asked.iter().any(|(asked, _)| *asked == rung);
        if utterance.revision != revision || utterance.awaited_since_ms.is_none() || !waited {
            return;
        }
        utterance.asked.retain(|(asked, _)| *asked != rung);
        let (alone, tried) = (utterance.asked.is_empty(), utterance.tried.clone());
        self.provider_failed(Stage::Stt, rung, failure);
        if !alone {
            return;
        }
        match self.ladder.next(Stage::Stt, &tried) {
            Some(next) => {
                self.hear_with(id, next, failure.kind);
                self.transcribe_with(id, next);
            }
            None => self.give_up_utterance(id),
        }
    }

    /// This recogniser hears the utterance from here on.
    fn hear_with(&mut self, id: UtteranceId, rung: RungId, reason: ProviderErrorKind) {
        let now_ms = self.now_ms;
        let Some(utterance) = self.utterance_mut(id) else { return };
        let from = std::mem::replace(&mut utterance.rung, rung);
        utterance.progress_ms = now_ms;
        utterance.lost_by = None;
        self.failed_over(Stage::Stt, from, rung, reason);
    }

    /// What was understood so far may end in mid-word: it is shown, and the caller is asked, but nothing is done on it. Of words
    /// that were doubted only because nothing followed them that is not so: nobody has heard more.
    fn give_up_utterance(&mut self, id: UtteranceId) {
        let Some(utterance) = self.utterance_mut(id) else { return };
        utterance.awaited_since_ms = None;
        utterance.asked.clear();
        if !utterance.partial.is_empty() {
            let text = std::mem::take(&mut utterance.partial);
            utterance.final_text = Some(text.clone());
            utterance.caption_open = false;
            self.unheard = 0;
            self.client(ClientEvent::Transcript { utterance_id: id, text, r#final: true });
            self.heed_words();
            return;
        }
        utterance.failed = true;
        let text = utterance.interim.clone();
        utterance.final_text = Some(text.clone());
        if std::mem::take(&mut utterance.caption_open) {
            self.client(ClientEvent::Transcript { utterance_id: id, text, r#final: true });
        }
        self.unheard += 1;
        if self.unheard >= MOST_UNHEARD && self.has_voice() && self.closing.is_none() {
            self.unheard = 0;
            self.drop_listening();
            self.fall_back_to_text(Stage::Stt);
        }
    }

    /// No recogniser answers in time.
    pub(super) fn give_up_transcript(&mut self, id: UtteranceId) {
        let Some(utterance) = self.utterance_mut(id) else { return };
        for (rung, _) in std::mem::take(&mut utterance.asked) {
            self.provider_failed(Stage::Stt, rung, ProviderErrorKind::Timeout.into());
        }
        self.give_up_utterance(id);
    }

    /// A recogniser that hears audio as it comes is not there any more: the next one hears the utterance from its beginning,
    /// at once or when the caller goes on.
    pub(super) fn handle_line_failed(&mut self, id: Option<UtteranceId>, rung: RungId, failure: ProviderFailure) {
        let awaited = id.and_then(|id| {
            let utterance = self.utterance_mut(id)?;
            if utterance.rung == rung {
                (utterance.listener, utterance.lost_by) = (None, Some(failure.kind));
                if !utterance.lost.contains(&rung) {
                    utterance.lost.push(rung);
                }
            }
            utterance.awaited_since_ms.map(|_| (id, utterance.revision))
        });
        if let Some((id, revision)) = awaited {
            self.handle_stt_failed(id, revision, rung, failure);
            return;
        }
        self.provider_failed(Stage::Stt, rung, failure);
        let Some(id) = id.filter(|_| self.speaking_since_ms.is_some()) else { return };
        let lost = self.utterance_mut(id).filter(|utterance| utterance.listener.is_none());
        let Some(lost) = lost.map(|utterance| utterance.lost.clone()) else { return };
        // Nobody else: who is lost would only be lost again. It is given all of the utterance at its end.
        if self.ladder.next(Stage::Stt, &lost).is_some() {
            self.listen_anew(id);
        }
    }

    /// The caller goes on with an utterance: with whoever listened, unless that one is lost or another has taken over.
    pub(super) fn listen_on(&mut self, id: UtteranceId) {
        match self.utterance_mut(id) {
            Some(utterance) if utterance.listener == Some(utterance.rung) => {
                self.push(Output::ContinueUtterance { utterance: id });
            }
            Some(_) => self.listen_anew(id),
            None => {}
        }
    }

    /// Somebody listens from the utterance's beginning on.
    fn listen_anew(&mut self, id: UtteranceId) {
        let Some(utterance) = self.utterance_mut(id) else { return };
        let (from_ms, lost, lost_by) = (utterance.from_ms, utterance.lost.clone(), utterance.lost_by.take());
        if let Some(reason) = lost_by
            && let Some(next) = self.ladder.next(Stage::Stt, &lost)
        {
            self.hear_with(id, next, reason);
        }
        let Some(utterance) = self.utterance_mut(id) else { return };
        let rung = utterance.rung;
        utterance.listener = Some(rung);
        self.push(Output::StartUtterance { utterance: id, from_ms, rung });
    }
}
