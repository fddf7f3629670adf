//! Has the caller finished? VAD edges, transcripts and the end-of-turn score decide.

use crate::ceiling::CostStep;
use crate::chat::ChatItem;
use crate::consent::ConsentHow;
use crate::cost::NanoUsd;
use crate::ids::{TurnId, UtteranceId};
use crate::output::{ClientEvent, Observation, Output};
use crate::phrases;
use crate::provider::Stage;
use crate::timeline::{PauseCause, Timeline};

use super::hear::Utterance;
use super::hush::Hush;
use super::reply::HoldCause;
use super::{Session, cut};

/// What the caller is saying: one turn in the making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listening {
    pub(super) utterances: Vec<Utterance>,
    /// An unanswered beginning: the caller went on before anything of the answer was heard.
    prefix: Option<(TurnId, String)>,
    pub(super) since_ms: u64,
    pub(super) last_speech_ms: u64,
    /// The longest turn was reached in mid-speech: no silence is waited for.
    too_long: bool,
    /// When the caller may have stopped speaking, last, in milliseconds.
    pub(super) may_have_ended_ms: Option<u64>,
    /// Its answer was begun once before the VAD was sure of the pause.
    pub(super) guessed: bool,
    /// Recording was on when the caller asked to stop it.
    stopped_recording: Option<bool>,
    /// So many of its requests to stop the recording were followed.
    stops_heeded: usize,
    /// What it cost so far to hear this.
    cost: NanoUsd,
}

impl Listening {
    /// The utterance whose final transcript is waited for, oldest first, and since when in milliseconds.
    pub(super) fn awaited(&self) -> Option<(&Utterance, u64)> {
        self.utterances.iter().find_map(|utterance| Some((utterance, utterance.awaited_since_ms?)))
    }

    /// What is understood so far, without the unanswered beginning.
    fn words(&self) -> String {
        let parts =
            self.utterances.iter().map(|utterance| utterance.final_text.as_deref().unwrap_or(&utterance.interim));
        parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// Whether there is anything to answer.
    pub(super) fn has_text(&self) -> bool {
        !self.text().is_empty()
    }

    /// All that this turn says.
    pub(super) fn text(&self) -> String {
        match &self.prefix {
            Some((_, prefix)) if !self.words().is_empty() => format!("{prefix} {}", self.words()),
            Some((_, prefix)) => prefix.clone(),
            None => self.words(),
        }
    }

    /// How often it asks for the recording to stop, in its utterances or across them.
    fn stops_asked(&self) -> usize {
        let texts =
            self.utterances.iter().map(|utterance| utterance.final_text.as_deref().unwrap_or(&utterance.interim));
        stops_in(&texts.collect::<Vec<_>>())
    }

    /// Leave was given to record: what was said for certain before is followed no more, what may still change is.
    pub(super) fn forgive_stops(&mut self) {
        let texts = self.utterances.iter().filter_map(|utterance| utterance.final_text.as_deref());
        self.stops_heeded = stops_in(&texts.collect::<Vec<_>>());
    }

    /// Whether a part of it was never understood to its end: nothing may be done on the strength of the rest.
    fn is_cut_off(&self) -> bool {
        self.utterances.iter().any(|utterance| utterance.failed)
    }

    /// Whether there is nothing in it but words for a model.
    pub(super) fn is_whole(&self) -> bool {
        self.stopped_recording.is_none() && !self.is_cut_off()
    }

    /// Whether this is the utterance that is being spoken, and all before it is understood.
    pub(super) fn is_understood_to(&self, id: UtteranceId) -> bool {
        let Some((last, before)) = self.utterances.split_last() else { return false };
        last.id == id && before.iter().all(|utterance| utterance.final_text.is_some())
    }

    fn is_final(&self) -> bool {
        self.utterances.iter().all(|utterance| utterance.final_text.is_some())
    }

    fn score(&self) -> Option<u16> {
        self.utterances.last().and_then(|utterance| utterance.score)
    }
}

impl Session {
    pub(super) fn handle_start_of_speech(&mut self, at_ms: u64) {
        if self.closing.is_some() || self.link.is_none() || self.speaking_since_ms.is_some() || self.is_deaf() {
            return;
        }
        let at_ms = at_ms.min(self.now_ms);
        self.last_activity_ms = self.now_ms;
        self.speaking_since_ms = Some(at_ms);
        self.hush = Hush::default();
        self.client(ClientEvent::UserSpeaking { speaking: true });
        self.hold_reply(HoldCause::Speech);
        self.begin_utterance(at_ms);
    }

    /// The caller goes on with the utterance after a short pause, or begins another one.
    fn begin_utterance(&mut self, at_ms: u64) {
        let longest = self.config.max_utterance_ms;
        if let Some(listening) = &mut self.listening {
            listening.too_long = false;
            // The silence that was told of is over.
            listening.may_have_ended_ms = None;
        }
        if let Some(listening) = &mut self.listening
            && let Some(utterance) = listening.utterances.last_mut()
            && at_ms.saturating_sub(utterance.from_ms) < longest
            && !utterance.failed
        {
            utterance.final_text = None;
            utterance.score = None;
            utterance.awaited_since_ms = None;
            utterance.asked.clear();
            // The pause was the caller's, not the recogniser's.
            utterance.progress_ms = utterance.progress_ms.max(at_ms);
            let id = utterance.id;
            self.listen_on(id);
            return;
        }
        self.counters.utterance += 1;
        let id = UtteranceId(self.counters.utterance);
        if self.listening.is_none() {
            // Between two turns who is well again is used again.
            self.ladder.settle(Stage::Stt);
        }
        let rung = self.ladder.first(Stage::Stt);
        self.ladder.note_asked(Stage::Stt);
        let utterance = Utterance::new(id, at_ms, rung);
        match &mut self.listening {
            Some(listening) => listening.utterances.push(utterance),
            None => {
                self.listening = Some(Listening {
                    utterances: vec![utterance],
                    prefix: None,
                    since_ms: at_ms,
                    last_speech_ms: at_ms,
                    too_long: false,
                    may_have_ended_ms: None,
                    guessed: false,
                    stopped_recording: None,
                    stops_heeded: 0,
                    cost: NanoUsd::default(),
                });
            }
        }
        self.push(Output::StartUtterance { utterance: id, from_ms: at_ms, rung });
    }

    pub(super) fn handle_interim(&mut self, id: UtteranceId, text: &str) {
        let text = cut(text.trim(), self.config.max_text_chars);
        let now_ms = self.now_ms;
        let Some(listening) = &mut self.listening else { return };
        let Some(utterance) = listening.utterances.iter_mut().find(|utterance| utterance.id == id) else { return };
        if utterance.final_text.is_some() {
            return;
        }
        // That it is what it was shows all the same that somebody listens.
        utterance.progress_ms = now_ms;
        if utterance.interim != text {
            utterance.interim.clone_from(&text);
            utterance.caption_open = true;
            self.client(ClientEvent::Transcript { utterance_id: id, text, r#final: false });
            self.heed_words();
        }
        self.consider_guess(id);
    }

    pub(super) fn handle_score(&mut self, id: UtteranceId, revision: u32, permille: u16) {
        let Some(listening) = &mut self.listening else { return };
        if let Some(utterance) = listening.utterances.iter_mut().find(|utterance| utterance.id == id)
            && utterance.revision == revision
        {
            utterance.score = Some(permille.min(1_000));
        }
    }

    /// Words over the agent's are an interruption, and "stop recording" takes effect in mid-sentence.
    pub(super) fn heed_words(&mut self) {
        let Some(listening) = &self.listening else { return };
        let words = listening.words();
        let stops = listening.stops_asked();
        if stops > listening.stops_heeded {
            // Once more in the same turn counts as well: leave may have been given in between.
            let was_on = self.consent.state().recording_enabled;
            self.stop_recording(ConsentHow::Voice);
            if let Some(listening) = &mut self.listening {
                listening.stops_heeded = stops;
                listening.stopped_recording = Some(was_on || listening.stopped_recording == Some(true));
            }
        }
        if !words.is_empty() && !phrases::is_backchannel(&words) {
            self.interrupt_by_speech();
        }
    }

    /// A confirmed reply gives way to the caller. If nothing of it was heard or done, the caller simply went on.
    pub(super) fn interrupt_by_speech(&mut self) {
        let Some(reply) = self.reply.as_ref().filter(|reply| reply.confirmed) else { return };
        let cost = reply.heard_cost;
        let reopened = reply.reopens().then(|| (reply.turn, reply.user_text.clone().unwrap_or_default()));
        match reopened {
            Some((Some(turn), text)) => {
                self.withdraw_reply();
                if let Some(listening) = &mut self.listening {
                    listening.prefix = Some((turn, text));
                    // What was heard is used all the same.
                    listening.cost += cost;
                }
            }
            _ => self.interrupt(),
        }
    }

    /// The heart of turn-taking: called after everything that happened.
    pub(super) fn consider_end_of_turn(&mut self) {
        let Some(listening) = &self.listening else { return };
        if self.speaking_since_ms.is_some() || !listening.is_final() {
            return;
        }
        let words = listening.words();
        let failed = listening.is_cut_off();
        let over_agent = self.reply.as_ref().is_some_and(|reply| reply.confirmed);
        if over_agent || (words.is_empty() && listening.prefix.is_none()) {
            // No word, or only a sign of listening while the agent has the floor (a real word has interrupted it by now).
            self.drop_listening();
            if failed && !over_agent {
                self.begin_scripted(phrases::NOT_HEARD);
            } else {
                self.release_reply();
            }
            return;
        }
        let due_ms = self.end_of_turn_due_ms();
        if due_ms.is_some_and(|due_ms| self.now_ms >= due_ms) {
            self.end_turn();
        } else {
            self.begin_preemptively();
        }
    }

    /// When the turn is over if the caller stays silent; none while something is still waited for.
    pub(super) fn end_of_turn_due_ms(&self) -> Option<u64> {
        let listening = self.listening.as_ref()?;
        if self.speaking_since_ms.is_some() || !listening.is_final() {
            return None;
        }
        let delay_ms = if listening.too_long { 0 } else { self.endpointing_delay_ms(listening.score()) };
        Some(listening.last_speech_ms + delay_ms)
    }

    /// The less likely the thought is complete, the longer the silence that ends it: linear from the least delay at 800
    /// thousandths to the longest at 200. Without a score a third of the way.
    fn endpointing_delay_ms(&self, score: Option<u16>) -> u64 {
        const COMPLETE: u64 = 800;
        const INCOMPLETE: u64 = 200;
        let (least, most) = (self.config.endpointing_delay_ms, self.config.max_endpointing_delay_ms);
        let range = most - least;
        match score.map(u64::from) {
            None => least + range / 3,
            Some(score) => {
                let missing = COMPLETE.saturating_sub(score).min(COMPLETE - INCOMPLETE);
                least + range * missing / (COMPLETE - INCOMPLETE)
            }
        }
    }

    /// Begins the answer on a likely transcript while the silence still grows; it is not heard before the turn is over.
    fn begin_preemptively(&mut self) {
        let Some(listening) = &self.listening else { return };
        let text = listening.text();
        if let Some(reply) = &self.reply {
            if reply.confirmed || reply.user_text.as_ref() == Some(&text) {
                return;
            }
            self.discard_speculation();
        }
        let Some(listening) = &self.listening else { return };
        let likely = listening.score().is_some_and(|score| score >= self.config.preemptive_min_permille);
        // What answers the question about recording is no question to a model.
        let whole = listening.is_whole() && self.asking.is_none();
        if self.config.preemptive && likely && whole && self.due_step() < CostStep::Text {
            self.begin_speculation(text);
        }
    }

    /// The caller has finished.
    fn end_turn(&mut self) {
        let due_ms = self.end_of_turn_due_ms();
        let Some(listening) = self.listening.take() else { return };
        self.drop_utterances(&listening);
        let (text, cut_off) = (listening.text(), listening.is_cut_off());
        let mut timeline = Timeline::new(listening.last_speech_ms);
        timeline.advance(due_ms.unwrap_or(self.now_ms).min(self.now_ms), PauseCause::Endpointing);
        timeline.advance(self.now_ms, PauseCause::Stt);
        let reopened = listening.prefix.is_some();
        let turn = match listening.prefix {
            Some((turn, _)) => turn,
            None => self.next_turn(),
        };
        let endpointing_ms = Some(self.now_ms - listening.last_speech_ms.min(self.now_ms));
        self.observe(Observation::EndOfTurn { turn, endpointing_ms, reopened });
        self.take_cost_step();
        self.heed_opt_out(&text, ConsentHow::Voice);
        if let Some(was_on) = listening.stopped_recording.filter(|_| phrases::is_stop_recording(&text)) {
            self.discard_speculation();
            self.answer_stop_recording(text, was_on, Some((turn, timeline)), None);
        } else if cut_off {
            self.discard_speculation();
            self.answer_with(text, phrases::NOT_ALL_HEARD, Some((turn, timeline)), None);
        } else if !self.must_close() && self.reply.as_ref().is_some_and(|reply| reply.user_text.as_ref() == Some(&text))
        {
            self.confirm_speculation(turn, timeline);
        } else {
            self.discard_speculation();
            self.answer_turn(text, ConsentHow::Voice, Some((turn, timeline)), None);
        }
        if let Some(reply) = &mut self.reply {
            reply.cut_off = cut_off;
            reply.heard_cost = listening.cost;
            reply.utterances = listening.utterances.iter().map(|utterance| utterance.id).collect();
        }
    }

    /// What it cost to hear an utterance belongs to the turn that it is a part of. A cough's belongs to none.
    pub(super) fn book_hearing(&mut self, id: UtteranceId, cost: NanoUsd) {
        let listens = |listening: &&mut Listening| listening.utterances.iter().any(|utterance| utterance.id == id);
        if let Some(listening) = self.listening.as_mut().filter(listens) {
            listening.cost += cost;
        } else if let Some(reply) = self.reply.as_mut().filter(|reply| reply.utterances.contains(&id)) {
            reply.heard_cost += cost;
        }
    }

    pub(super) fn next_turn(&mut self) -> TurnId {
        self.counters.turn += 1;
        TurnId(self.counters.turn)
    }

    /// The caller's leg ends while the caller goes on with a turn that was already over: that turn is answered as it was.
    pub(super) fn answer_unanswered(&mut self) {
        let Some(listening) = &mut self.listening else { return };
        let (Some((turn, text)), cost) = (listening.prefix.take(), listening.cost) else { return };
        self.drop_listening();
        self.begin_reply(text, Some((turn, Timeline::new(self.now_ms))), None);
        if let Some(reply) = &mut self.reply {
            reply.heard_cost = cost;
        }
    }

    /// What was being said is not taken further. The beginning that was a turn of its own is history, unanswered.
    pub(super) fn drop_listening(&mut self) {
        if self.speaking_since_ms.take().is_some() {
            self.client(ClientEvent::UserSpeaking { speaking: false });
        }
        if let Some(listening) = self.listening.take() {
            self.last_activity_ms = self.now_ms;
            self.drop_utterances(&listening);
            self.discard_speculation();
            if let Some((turn, text)) = listening.prefix {
                self.chat.items.push(ChatItem::User { text });
                self.trim_history();
                self.saving.mark_dirty();
                self.observe(Observation::TurnFinished { turn, cost: listening.cost });
            }
        }
    }

    fn drop_utterances(&mut self, listening: &Listening) {
        for utterance in &listening.utterances {
            if utterance.caption_open {
                // Nothing will come of these words: they are taken back.
                let (utterance_id, text) = (utterance.id, String::new());
                self.client(ClientEvent::Transcript { utterance_id, text, r#final: true });
            }
            self.push(Output::DropUtterance { utterance: utterance.id });
        }
    }

    /// One who speaks for too long is answered to what was understood so far.
    pub(super) fn end_long_speech(&mut self) {
        let now_ms = self.now_ms;
        self.handle_end_of_speech(now_ms);
        if let Some(listening) = &mut self.listening {
            listening.too_long = true;
        }
    }
}

/// Requests to stop the recording in these texts, each for itself or as one.
fn stops_in(texts: &[&str]) -> usize {
    let each = texts.iter().map(|text| phrases::stops_asked(text)).sum::<usize>();
    each.max(phrases::stops_asked(&texts.join(" ")))
}
