//! Who answers? Another model is asked beside one that shows nothing, and instead of one that failed.

use crate::chat::ChatItem;
use crate::ids::{LlmRequestId, RungId};
use crate::output::{Observation, Output};
use crate::phrases;
use crate::playout::Chunk;
use crate::provider::{ProviderErrorKind, ProviderFailure, Stage};
use crate::timeline::PauseCause;

use super::Session;
use super::overlap::Overlap;
use super::reply::{Reply, Request, Rival};

/// Without room for a rival a model is given up after this many times the silence that would have brought one.
const GIVE_UP_AFTER: u64 = 4;
/// A rival is asked so long before the caller has heard all there is, beyond what the model and the voice usually take, in
/// milliseconds.
const AHEAD_MS: u64 = 200;

/// An answer that broke off after a part of it was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    /// What the model had said.
    pub(super) said: String,
    /// The first chunk of it.
    pub(super) first_chunk: u32,
}

impl Session {
    /// When another model is asked beside the one that shows nothing.
    pub(super) fn llm_hedge_due_ms(&self) -> Option<u64> {
        let reply = self.reply.as_ref()?;
        let request = reply.request.as_ref().filter(|request| !request.called)?;
        self.ladder.rival(Stage::Llm, &request.tried, &self.config.failover)?;
        if let Some(rival) = request.rivals.last() {
            return Some(rival.asked_ms + self.ladder.hedge_ms(Stage::Llm, rival.rung));
        }
        if !request.started {
            return Some(request.asked_ms + self.ladder.hedge_ms(Stage::Llm, request.rung));
        }
        Some(self.gap_due_ms(reply, request, self.ladder.gap_ms(request.rung, &self.config.failover)))
    }

    /// When a stream that stands still has done so for too long: not while the caller still has enough to listen to.
    fn gap_due_ms(&self, reply: &Reply, request: &Request, gap_ms: u64) -> u64 {
        let due_ms = request.progress_ms + gap_ms;
        let ahead_ms = AHEAD_MS
            + self.ladder.hedge_ms(Stage::Llm, request.rung)
            + reply.tts_rung.map_or(0, |rung| self.ladder.hedge_ms(Stage::Tts, rung));
        reply.runs_dry_ms().map_or(due_ms, |dry_ms| due_ms.max(dry_ms.saturating_sub(ahead_ms)))
    }

    /// When a model that shows nothing has failed.
    pub(super) fn llm_due(&self) -> Option<(LlmRequestId, u64, ProviderErrorKind)> {
        let reply = self.reply.as_ref()?;
        let request = reply.request.as_ref()?;
        let (first_ms, gap_ms) = (self.config.llm_first_deadline_ms, self.config.llm_gap_deadline_ms);
        // Without another, one is waited for as long as can be.
        let others = self.ladder.next_usable(Stage::Llm, &request.tried).is_some() || !request.rivals.is_empty();
        if request.started {
            let last_ms = request.progress_ms + gap_ms;
            let gap_due_ms = GIVE_UP_AFTER * self.ladder.gap_ms(request.rung, &self.config.failover);
            let soon_ms = self.gap_due_ms(reply, request, gap_due_ms);
            let due_ms = if others { soon_ms.min(last_ms) } else { last_ms };
            Some((request.id, due_ms, ProviderErrorKind::Stalled))
        } else {
            let soon_ms = GIVE_UP_AFTER * self.ladder.hedge_ms(Stage::Llm, request.rung);
            let wait_ms = if others { soon_ms.min(first_ms) } else { first_ms };
            Some((request.id, request.asked_ms + wait_ms, ProviderErrorKind::Timeout))
        }
    }

    /// Asks the next model the same.
    pub(super) fn ask_llm_rival(&mut self) {
        let now_ms = self.now_ms;
        let Some(reply) = &self.reply else { return };
        let Some(request) = &reply.request else { return };
        let Some(rung) = self.ladder.rival(Stage::Llm, &request.tried, &self.config.failover) else { return };
        let (from, said) = (request.rung, reply.was_told_of(request.first_chunk).then(|| request.text.clone()));
        let Some(id) = self.ask_llm(rung, said.as_deref()) else { return };
        self.ladder.note_hedged(Stage::Llm);
        if let Some(request) = self.reply.as_mut().and_then(|reply| reply.request.as_mut()) {
            let overlap = said.as_deref().map(Overlap::new);
            request.rivals.push(Rival { id, rung, asked_ms: now_ms, overlap });
            request.tried.push(rung);
        }
        self.observe(Observation::Hedged { stage: Stage::Llm, from, to: rung });
    }

    /// This request shows something useful: the others are not wanted any more.
    pub(super) fn win(&mut self, id: LlmRequestId) {
        let Some(request) = self.reply.as_mut().and_then(|reply| reply.request.as_mut()) else { return };
        if request.rivals.is_empty() {
            return;
        }
        let at = request.rivals.iter().position(|rival| rival.id == id);
        if at.is_none() && request.id != id {
            return;
        }
        let (loser, mut rivals) = (request.rung, std::mem::take(&mut request.rivals));
        let reason = if request.started { ProviderErrorKind::Stalled } else { ProviderErrorKind::Timeout };
        let winner = at.map(|at| rivals.remove(at));
        for (index, rival) in rivals.iter().enumerate() {
            self.push(Output::CancelLlm { request: rival.id });
            // Only who was asked before the winner was slower.
            if at.is_some_and(|at| index < at) {
                self.provider_lost(Stage::Llm, rival.rung);
            }
        }
        if let Some(winner) = winner {
            self.leave_request();
            self.provider_lost(Stage::Llm, loser);
            self.take_over(winner, reason);
        }
    }

    /// The request that is under way is stopped; of what was heard of it, it was not in vain.
    fn leave_request(&mut self) {
        let Some(reply) = &self.reply else { return };
        let Some(request) = &reply.request else { return };
        let (id, told) = (request.id, reply.was_told_of(request.first_chunk));
        self.push(if told { Output::EndLlm { request: id } } else { Output::CancelLlm { request: id } });
    }

    /// The rival's answer is the one from here on.
    fn take_over(&mut self, rival: Rival, reason: ProviderErrorKind) {
        self.forget_early_words();
        let now_ms = self.now_ms;
        let Some(reply) = &self.reply else { return };
        let Some(request) = &reply.request else { return };
        let (from, to, first_chunk) = (request.rung, rival.rung, request.first_chunk);
        // What was not heard by now is forgotten; what was, is gone on with.
        let told = reply.was_told_of(first_chunk);
        let overlap = rival.overlap.or_else(|| told.then(|| Overlap::new(&request.text)));
        if overlap.is_none() {
            self.drop_chunks(first_chunk);
        }
        let Some(reply) = &mut self.reply else { return };
        if overlap.is_none() {
            reply.chunker.clear();
        }
        if let Some(request) = &mut reply.request {
            if overlap.is_none() {
                request.text.clear();
            }
            (request.id, request.rung, request.asked_ms) = (rival.id, rival.rung, rival.asked_ms);
            (request.progress_ms, request.gap_ms, request.started, request.overlap) = (now_ms, 0, false, overlap);
        }
        self.failed_over(Stage::Llm, from, to, reason);
    }

    /// Stops a request and its rivals.
    pub(super) fn cancel_request(&mut self, request: &Request) {
        self.push(Output::CancelLlm { request: request.id });
        for rival in &request.rivals {
            self.push(Output::CancelLlm { request: rival.id });
        }
    }

    /// What of a text is new: an answer that goes on with another one may begin by repeating it.
    pub(super) fn new_words(&mut self, id: LlmRequestId, text: &str) -> Option<String> {
        let request = self.reply.as_mut()?.request.as_mut().filter(|request| request.id == id)?;
        let Some(overlap) = &mut request.overlap else { return Some(text.to_owned()) };
        let new = overlap.push(text)?;
        request.overlap = None;
        Some(new)
    }

    /// Nothing more comes that could be a repetition: what was held back is said.
    pub(super) fn release_overlap(&mut self) {
        let Some(reply) = &mut self.reply else { return };
        let Some(request) = &mut reply.request else { return };
        let Some(overlap) = request.overlap.take() else { return };
        let new = overlap.finish();
        request.text.push_str(&new);
        let pieces = reply.chunker.push(&new);
        for piece in pieces {
            self.add_chunk(piece);
        }
    }

    /// Whether this request is done without a word or a call, though another model could be asked.
    pub(super) fn is_empty_success(&self, id: LlmRequestId) -> bool {
        let Some(request) = self.reply.as_ref().and_then(|reply| reply.request.as_ref()) else { return false };
        if request.id != id {
            return request.rivals.iter().any(|rival| rival.id == id && rival.overlap.is_none());
        }
        let others = self.ladder.next(Stage::Llm, &request.tried).is_some() || !request.rivals.is_empty();
        request.text.trim().is_empty() && !request.called && request.overlap.is_none() && others
    }

    pub(super) fn handle_llm_failed(&mut self, id: LlmRequestId, failure: ProviderFailure) {
        let now_ms = self.now_ms;
        let Some(reply) = &mut self.reply else { return };
        let Some(request) = &mut reply.request else { return };
        if let Some(at) = request.rivals.iter().position(|rival| rival.id == id) {
            let rival = request.rivals.remove(at);
            self.provider_failed(Stage::Llm, rival.rung, failure);
            return;
        }
        if request.id != id {
            return;
        }
        let rung = request.rung;
        let rival = (!request.called && !request.rivals.is_empty()).then(|| request.rivals.remove(0));
        if let Some(timeline) = &mut reply.timeline {
            timeline.advance(now_ms, PauseCause::Llm);
        }
        self.provider_failed(Stage::Llm, rung, failure);
        match rival {
            Some(rival) => self.take_over(rival, failure.kind),
            None => self.ask_another(failure.kind),
        }
    }

    /// The request that is under way failed, and nobody else is asked yet.
    fn ask_another(&mut self, reason: ProviderErrorKind) {
        self.forget_early_words();
        let Some(reply) = &mut self.reply else { return };
        let Some(request) = reply.request.take() else { return };
        if request.called {
            for rival in &request.rivals {
                self.push(Output::CancelLlm { request: rival.id });
            }
            self.go_on_after_calls(request);
            return;
        }
        let told = reply.was_told_of(request.first_chunk);
        let next = self.ladder.next(Stage::Llm, &request.tried);
        match next {
            Some(next) => {
                self.failed_over(Stage::Llm, request.rung, next, reason);
                self.go_on_with(next, request, told);
            }
            None if told => self.say_cut_off(),
            None => self.ask_once_more(&request),
        }
    }

    /// Another model makes the answer, or goes on with what was heard of it.
    fn go_on_with(&mut self, next: RungId, request: Request, told: bool) {
        let Request { first_chunk, text: said, tried, .. } = request;
        if told {
            self.request_llm_of(next, tried, Some(Broken { said, first_chunk }));
            return;
        }
        self.drop_chunks(first_chunk);
        if let Some(reply) = &mut self.reply {
            // Half a sentence of the broken stream must not run into the new one.
            reply.chunker.clear();
        }
        self.request_llm_of(next, tried, None);
    }

    /// There is no other model: this one is asked once more.
    fn ask_once_more(&mut self, request: &Request) {
        self.drop_chunks(request.first_chunk);
        match &mut self.reply {
            Some(reply) if !reply.retried && request.tried.len() == 1 => {
                reply.chunker.clear();
                reply.retried = true;
                self.request_llm();
            }
            _ => self.apologise(),
        }
    }

    /// Its words were heard, and nobody can go on with them.
    fn say_cut_off(&mut self) {
        let Some(reply) = &mut self.reply else { return };
        reply.waiting_calls.clear();
        reply.chunker.clear();
        self.say(phrases::APOLOGY_CUT);
        self.finish_text();
    }

    /// It broke off after it had called tools: they are not called again, and the model is asked with what they answer.
    fn go_on_after_calls(&mut self, request: Request) {
        if !request.wants_outputs {
            // A goodbye was said: nothing more was to come.
            self.finish_text();
            return;
        }
        let Some(reply) = &mut self.reply else { return };
        reply.chunker.clear();
        if reply.was_told_of(request.after_call) {
            reply.words_ahead.clear();
            let text = request.text.trim().to_owned();
            reply.draft.push(ChatItem::Assistant { text, interrupted: true });
        } else {
            self.drop_chunks(request.after_call);
        }
        self.ask_when_tools_are_done();
    }
}

impl Reply {
    /// Whether the caller heard or read anything of the chunks from this one on. Words that stand on the page count, even
    /// if their audio is being made again.
    pub(super) fn was_told_of(&self, from_chunk: u32) -> bool {
        let told = |chunk: &Chunk| chunk.permitted || chunk.captioned;
        self.speech.chunks.iter().any(|chunk| chunk.index >= from_chunk && told(chunk))
    }

    /// When the caller will have heard all there is of it, if it is being heard, in milliseconds.
    pub(super) fn runs_dry_ms(&self) -> Option<u64> {
        if !self.is_audible() {
            return None;
        }
        let since_ms = self.position_ms.or(self.first_audio_out_ms)?;
        let left_ms = self.speech.likely_ms_before(self.early_limit()).saturating_sub(self.speech.played_ms);
        Some(since_ms + left_ms)
    }
}
