//! What is the answer? Requests to the model, its tools, and what happens when it fails.

use serde_json::{Map, Value};

use crate::agents;
use crate::ceiling::CostStep;
use crate::chat::{ChatContext, ChatItem, ToolCall};
use crate::consent::ConsentFlow;
use crate::ids::{LlmRequestId, ReplyId, RungId, SpeechId, ToolCallId, TurnId};
use crate::output::{AttemptResult, Observation, Output};
use crate::phrases;
use crate::provider::{ProviderErrorKind, Stage};
use crate::timeline::{PauseCause, Timeline};

use super::overlap::Overlap;
use super::reply::{Reply, Request, WordsAhead};
use super::rival::Broken;
use super::tools::failed_output;
use super::{Session, cut};

impl Session {
    fn new_reply(&mut self) -> Reply {
        self.counters.reply += 1;
        self.counters.speech += 1;
        // Between two replies who is well again is used again.
        self.ladder.settle(Stage::Llm);
        self.ladder.settle(Stage::Tts);
        Reply::new(ReplyId(self.counters.reply), SpeechId(self.counters.speech), self.agent, self.now_ms)
    }

    /// The agent says this without being asked, or without asking a model.
    pub(super) fn begin_scripted(&mut self, text: &str) {
        let mut reply = self.new_reply();
        reply.confirmed = true;
        self.reply = Some(reply);
        self.say(text);
        self.finish_text();
    }

    /// The caller's turn is over: ask the model. A typed turn has no timeline.
    pub(super) fn begin_reply(&mut self, text: String, spoken: Option<(TurnId, Timeline)>, message: Option<u64>) {
        self.take_cost_step();
        if self.must_close() {
            self.answer_with_goodbye(text, spoken, message);
            return;
        }
        self.begin_confirmed(text, spoken, message);
        self.request_llm();
    }

    /// The contract's answer to "stop recording": no model is asked. Who was told that the call may be recorded would take
    /// "isn't being recorded" for a contradiction, even where this version records nothing.
    pub(super) fn answer_stop_recording(
        &mut self,
        text: String,
        was_on: bool,
        spoken: Option<(TurnId, Timeline)>,
        message: Option<u64>,
    ) {
        let stopped = was_on || self.config.consent == ConsentFlow::Announce;
        let answer = match (self.opts_out(&text), stopped) {
            (true, _) => phrases::RECORDING_OPTED_OUT,
            (false, true) => phrases::RECORDING_STOPPED,
            (false, false) => phrases::NOT_RECORDING,
        };
        self.answer_with(text, answer, spoken, message);
    }

    /// Answers a turn with our own words: no model is asked, nothing is done.
    pub(super) fn answer_with(
        &mut self,
        text: String,
        answer: &str,
        spoken: Option<(TurnId, Timeline)>,
        message: Option<u64>,
    ) {
        self.begin_confirmed(text, spoken, message);
        self.say(answer);
        self.finish_text();
    }

    fn begin_confirmed(&mut self, text: String, spoken: Option<(TurnId, Timeline)>, message: Option<u64>) {
        let (turn, timeline) = match spoken {
            Some((turn, timeline)) => (turn, Some(timeline)),
            None => {
                let turn = self.next_turn();
                self.observe(Observation::EndOfTurn { turn, endpointing_ms: None, reopened: false });
                (turn, None)
            }
        };
        let mut reply = self.new_reply();
        reply.turn = Some(turn);
        reply.user_text = Some(text);
        reply.confirmed = true;
        reply.timeline = timeline;
        reply.message = message;
        self.reply = Some(reply);
        self.saving.mark_dirty();
    }

    /// Begins an answer that may have to be thrown away.
    pub(super) fn begin_speculation(&mut self, text: String) {
        self.take_cost_step();
        let mut reply = self.new_reply();
        reply.user_text = Some(text);
        self.reply = Some(reply);
        self.request_llm();
    }

    /// The turn ended as expected: what was prepared may be heard and done.
    pub(super) fn confirm_speculation(&mut self, turn: TurnId, timeline: Timeline) {
        let Some(reply) = &mut self.reply else { return };
        reply.turn = Some(turn);
        reply.timeline = Some(timeline);
        reply.confirmed = true;
        self.saving.mark_dirty();
    }

    /// The turn did not end as expected.
    pub(super) fn discard_speculation(&mut self) {
        let Some(reply) = self.reply.as_ref().filter(|reply| !reply.confirmed) else { return };
        if reply.guessed {
            // It was asked for nothing, beside whoever is asked now.
            self.ladder.note_hedged(Stage::Llm);
        }
        self.withdraw_reply();
    }

    /// Throws a reply away of which nothing was heard or done.
    pub(super) fn withdraw_reply(&mut self) {
        let Some(mut reply) = self.reply.take() else { return };
        self.stop_producing(&mut reply);
        self.cost.wasted += reply.cost.less(reply.wasted);
        self.saving.mark_stale();
        self.saving.discarded(reply.id);
        self.take_back_captions(&reply);
        self.observe(Observation::SpeculationDiscarded { reply: reply.id, wasted: reply.cost });
    }

    /// Stops the model, the tools and the voice of a reply.
    pub(super) fn stop_producing(&mut self, reply: &mut Reply) {
        if let Some(request) = reply.request.take() {
            self.cancel_request(&request);
        }
        let in_flight = self.saving.tools_in_flight();
        let mut calls: Vec<ToolCallId> = reply.staged.iter().copied().filter(|id| !in_flight.contains(id)).collect();
        calls.extend(reply.running.take().map(|running| running.call.id));
        if !calls.is_empty() {
            self.push(Output::DropTools { calls });
        }
        self.push(Output::DropSpeech { speech: reply.speech.id });
    }

    /// Asks the model, with everything that was said and done so far.
    pub(super) fn request_llm(&mut self) {
        let present = self.reply.as_ref().and_then(|reply| reply.llm_rung);
        let present = present.filter(|rung| self.ladder.is_usable(Stage::Llm, *rung));
        let rung = present.unwrap_or_else(|| self.ladder.first(Stage::Llm));
        self.request_llm_of(rung, Vec::new(), None);
    }

    /// As [`Self::request_llm`], of this provider, after those that were tried; it goes on with an answer that broke off.
    pub(super) fn request_llm_of(&mut self, rung: RungId, mut tried: Vec<RungId>, broken: Option<Broken>) {
        let now_ms = self.now_ms;
        let Some(reply) = &mut self.reply else { return };
        if reply.patience.is_over(now_ms, self.config.answer_deadline_ms) {
            self.say_too_slow();
            return;
        }
        // Asking another provider the same is no further step of the answer.
        let again = !tried.is_empty();
        if !again && reply.requests_made >= self.config.max_llm_requests {
            self.apologise();
            return;
        }
        reply.requests_made += u32::from(!again);
        reply.words_ahead.clear();
        tried.push(rung);
        let Some(id) = self.ask_llm(rung, broken.as_ref().map(|broken| broken.said.as_str())) else { return };
        self.ladder.note_asked(Stage::Llm);
        let Some(reply) = &mut self.reply else { return };
        let after_call = reply.speech.next_index;
        let overlap = broken.as_ref().map(|broken| Overlap::new(&broken.said));
        let (first_chunk, text) =
            broken.map_or((after_call, String::new()), |broken| (broken.first_chunk, broken.said));
        reply.request = Some(Request {
            id,
            rung,
            asked_ms: now_ms,
            progress_ms: now_ms,
            gap_ms: 0,
            started: false,
            rivals: Vec::new(),
            tried,
            overlap,
            first_chunk,
            called: false,
            after_call,
            text,
            wants_outputs: false,
        });
    }

    /// Sends a request with the whole conversation. Its last item is what was said of an answer that broke off, when the
    /// model is to go on with that.
    pub(super) fn ask_llm(&mut self, rung: RungId, said: Option<&str>) -> Option<LlmRequestId> {
        let reply = self.reply.as_ref()?;
        self.counters.request += 1;
        let request = LlmRequestId(self.counters.request);
        let mut items = self.chat.items.clone();
        items.extend(reply.user_text.clone().map(|text| ChatItem::User { text }));
        items.extend(reply.draft.iter().cloned());
        let said = said.map(str::trim).filter(|said| !said.is_empty());
        items.extend(said.map(|said| ChatItem::Assistant { text: said.to_owned(), interrupted: true }));
        let (reply, agent) = (reply.id, reply.agent.name);
        let brief = self.config.ceilings.always_brief || self.frugal.step >= CostStep::Brief;
        self.push(Output::RequestLlm { request, reply, rung, agent, chat: ChatContext { items }, brief });
        Some(request)
    }

    /// The request of this id, with its progress noted; none when it was cancelled.
    pub(super) fn progress(&mut self, id: LlmRequestId) -> Option<(&mut Reply, bool)> {
        self.win(id);
        let now_ms = self.now_ms;
        let request = self.reply.as_mut()?.request.as_mut().filter(|request| request.id == id)?;
        let since_ms = now_ms - std::mem::replace(&mut request.progress_ms, now_ms);
        let first = !std::mem::replace(&mut request.started, true);
        request.gap_ms = if first { 0 } else { request.gap_ms.max(since_ms) };
        let (rung, after_ms) = (request.rung, now_ms - request.asked_ms);
        if first {
            self.provider_answered(Stage::Llm, rung, after_ms);
            self.observe(Observation::LlmStarted { request: id, rung, ttft_ms: after_ms });
        }
        let reply = self.reply.as_mut()?;
        reply.llm_rung = Some(rung);
        if first && let Some(timeline) = &mut reply.timeline {
            timeline.advance(now_ms, PauseCause::Llm);
        }
        Some((reply, first))
    }

    pub(super) fn handle_llm_text(&mut self, id: LlmRequestId, text: &str) {
        let room = self.config.max_reply_chars;
        let now_ms = self.now_ms;
        if text.is_empty() {
            return;
        }
        // What cannot be spoken is no progress: a model that streams spaces is one that does not answer.
        if text.chars().any(char::is_alphanumeric) && self.progress(id).is_none() {
            return;
        }
        let Some(text) = self.new_words(id, text) else { return };
        if !text.trim().is_empty() {
            // It goes on to speak instead: what it says next depends on the calls.
            self.forget_early_words();
        }
        let Some(reply) = self.reply.as_mut().filter(|reply| reply.asks(id)) else { return };
        let text = cut(&text, room.saturating_sub(reply.chars));
        reply.chars += text.chars().count();
        reply.first_text_ms.get_or_insert(now_ms);
        if let Some(request) = &mut reply.request {
            request.text.push_str(&text);
        }
        let pieces = reply.chunker.push(&text);
        let full = reply_is_full(self.reply.as_ref(), room);
        for piece in pieces {
            self.add_chunk(piece);
        }
        if full {
            // More would not be spoken: it is not waited for, of nobody.
            self.win(id);
            self.push(Output::EndLlm { request: id });
            self.finish_request();
        }
    }

    /// Somebody answers: it is not waited for longer than for words, nor taken for silent.
    pub(super) fn handle_llm_calling(&mut self, id: LlmRequestId) {
        // Of a request that was cancelled nothing is taken.
        let _gone = self.progress(id).is_none();
    }

    pub(super) fn handle_llm_tool_call(&mut self, id: LlmRequestId, name: String, mut arguments: Map<String, Value>) {
        let (next, max_calls) = (ToolCallId(self.counters.call + 1), self.config.max_tool_calls);
        let words = self.take_words(&mut arguments);
        if self.progress(id).is_none() {
            return;
        }
        self.release_overlap();
        let Some(reply) = self.reply.as_mut() else { return };
        reply.calls_made += 1;
        let call = ToolCall { id: next, name, arguments };
        let refused = reply.calls_made > max_calls;
        let early = self.match_early_words(words.as_deref().filter(|_| !refused));
        let Some(reply) = self.reply.as_mut() else { return };
        reply.words_ahead.push(WordsAhead { call: next, words: words.filter(|_| !refused), done: false });
        if let Some(request) = &mut reply.request {
            // A goodbye that was already said needs no further words.
            request.wants_outputs |= call.name != agents::END_CALL_TOOL || request.text.trim().is_empty();
            let said = std::mem::take(&mut request.text);
            if !said.trim().is_empty() {
                reply.draft.push(ChatItem::Assistant { text: said.trim().to_owned(), interrupted: false });
            }
        }
        // The words before a call are spoken before it.
        let piece = reply.chunker.flush();
        reply.draft.push(ChatItem::ToolCall(call.clone()));
        let after = early.unwrap_or(reply.speech.next_index + u32::from(piece.is_some()));
        if let Some(request) = &mut reply.request {
            (request.called, request.after_call) = (true, after);
        }
        if refused {
            reply.draft.push(failed_output(&call, "too many tool calls in one turn"));
        } else {
            reply.waiting_calls.push_back((call, after));
        }
        self.counters.call += 1;
        if let Some(piece) = piece {
            self.add_chunk(piece);
        }
        if refused {
            // It has had its chance: this request ends here.
            self.push(Output::EndLlm { request: id });
            self.finish_request();
        }
    }

    pub(super) fn handle_llm_done(&mut self, id: LlmRequestId) {
        if self.is_empty_success(id) {
            self.handle_llm_failed(id, ProviderErrorKind::Protocol.into());
        } else if self.progress(id).is_some() {
            self.note_pace();
            self.release_overlap();
            self.finish_request();
        }
    }

    /// An answer is all there: the process learns how evenly this model streams.
    fn note_pace(&mut self) {
        let Some(request) = self.reply.as_ref().and_then(|reply| reply.request.as_ref()) else { return };
        let (rung, gap_ms) = (request.rung, request.gap_ms);
        // What came in one piece says nothing of how evenly pieces come.
        if gap_ms == 0 {
            return;
        }
        self.observe(Observation::Attempt { stage: Stage::Llm, rung, result: AttemptResult::Paced { gap_ms } });
    }

    /// Nothing more comes from the request that is under way.
    fn finish_request(&mut self) {
        let Some(reply) = &mut self.reply else { return };
        let Some(request) = reply.request.take() else { return };
        if request.wants_outputs {
            if !request.text.trim().is_empty() {
                // It went on to speak after its calls: what it says next depends on that.
                reply.words_ahead.clear();
            }
            let piece = reply.chunker.flush();
            reply.draft.extend(
                Some(request.text.trim())
                    .filter(|text| !text.is_empty())
                    .map(|text| ChatItem::Assistant { text: text.to_owned(), interrupted: false }),
            );
            if let Some(piece) = piece {
                self.add_chunk(piece);
            }
            self.ask_when_tools_are_done();
        } else {
            self.finish_text();
        }
    }

    /// No more words will come. A reply without a word is a failure of the model: the caller is told so.
    pub(super) fn finish_text(&mut self) {
        self.forget_early_words();
        let Some(reply) = &mut self.reply else { return };
        if let Some(piece) = reply.chunker.flush() {
            self.add_chunk(piece);
        }
        let Some(reply) = &mut self.reply else { return };
        if reply.speech.chunks.is_empty() {
            let text =
                if reply.kept || !reply.staged.is_empty() { phrases::APOLOGY_AFTER_CHANGE } else { phrases::APOLOGY };
            self.add_chunk(text.to_owned());
        }
        if let Some(reply) = &mut self.reply {
            reply.text_done = true;
        }
    }

    /// The model does not answer: say so, and end the reply.
    pub(super) fn apologise(&mut self) {
        let Some(reply) = &mut self.reply else { return };
        reply.chunker.clear();
        let done = reply.kept || !reply.staged.is_empty();
        self.say(if done { phrases::APOLOGY_AFTER_CHANGE } else { phrases::APOLOGY });
        self.finish_text();
    }

    /// Adds our own words to the reply.
    pub(super) fn say(&mut self, text: &str) {
        self.forget_early_words();
        let now_ms = self.now_ms;
        let Some(reply) = &mut self.reply else { return };
        reply.first_text_ms.get_or_insert(now_ms);
        let mut pieces = reply.chunker.push(text);
        pieces.extend(reply.chunker.flush());
        for piece in pieces {
            self.add_chunk(piece);
        }
    }

    /// The caller's tasks changed under the tools: the whole answer is made again. That is nobody's fault and costs none of
    /// the answer's requests; how often it may happen is bounded by the answer's deadline.
    pub(super) fn restart_reply(&mut self) {
        let Some(mut reply) = self.reply.take() else { return };
        self.stop_producing(&mut reply);
        self.take_back_captions(&reply);
        let mut fresh = self.new_reply();
        fresh.turn = reply.turn;
        fresh.user_text = reply.user_text;
        fresh.confirmed = reply.confirmed;
        fresh.message = reply.message;
        fresh.timeline = reply.timeline;
        fresh.patience = reply.patience;
        fresh.hold = reply.hold;
        fresh.cost = reply.cost;
        fresh.wasted = reply.wasted;
        fresh.heard_cost = reply.heard_cost;
        fresh.utterances = reply.utterances;
        self.reply = Some(fresh);
        self.request_llm();
    }
}

/// Whether all that may be spoken of the reply is there.
fn reply_is_full(reply: Option<&Reply>, room: usize) -> bool {
    reply.is_some_and(|reply| reply.chars >= room)
}
