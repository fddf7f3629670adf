//! What is the answer? Requests to the model, its tools, and what happens when it fails.

use serde_json::{Map, Value};

use crate::agents;
use crate::chat::{ChatContext, ChatItem, ToolCall};
use crate::ids::{LlmRequestId, ReplyId, SpeechId, ToolCallId, TurnId};
use crate::output::{Observation, Output};
use crate::phrases;
use crate::playout::Chunk;
use crate::provider::{ProviderErrorKind, Stage};
use crate::timeline::{PauseCause, Timeline};

use super::reply::{Reply, Request};
use super::tools::failed_output;
use super::{Session, cut};

impl Session {
    fn new_reply(&mut self) -> Reply {
        self.counters.reply += 1;
        self.counters.speech += 1;
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
        self.begin_confirmed(text, spoken, message);
        self.request_llm();
    }

    /// The contract's answer to "stop recording": no model is asked.
    pub(super) fn answer_stop_recording(
        &mut self,
        text: String,
        was_on: bool,
        spoken: Option<(TurnId, Timeline)>,
        message: Option<u64>,
    ) {
        let answer = if was_on { phrases::RECORDING_STOPPED } else { phrases::NOT_RECORDING };
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
        if self.reply.as_ref().is_some_and(|reply| !reply.confirmed) {
            self.withdraw_reply();
        }
    }

    /// Throws a reply away of which nothing was heard or done.
    pub(super) fn withdraw_reply(&mut self) {
        let Some(mut reply) = self.reply.take() else { return };
        self.stop_producing(&mut reply);
        self.cost.wasted += reply.cost.less(reply.wasted);
        self.saving.discarded(reply.id);
        self.take_back_captions(&reply);
        self.observe(Observation::SpeculationDiscarded { reply: reply.id, wasted: reply.cost });
    }

    /// Stops the model, the tools and the voice of a reply.
    pub(super) fn stop_producing(&mut self, reply: &mut Reply) {
        if let Some(request) = reply.request.take() {
            self.push(Output::CancelLlm { request: request.id });
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
        let now_ms = self.now_ms;
        let Some(reply) = &mut self.reply else { return };
        if reply.patience.is_over(now_ms, self.config.answer_deadline_ms) {
            self.say_too_slow();
            return;
        }
        if reply.requests_made >= self.config.max_llm_requests {
            self.apologise();
            return;
        }
        reply.requests_made += 1;
        self.counters.request += 1;
        let request = LlmRequestId(self.counters.request);
        reply.request = Some(Request {
            id: request,
            asked_ms: now_ms,
            progress_ms: now_ms,
            started: false,
            first_chunk: reply.speech.next_index,
            text: String::new(),
            wants_outputs: false,
        });
        let mut items = self.chat.items.clone();
        items.extend(reply.user_text.clone().map(|text| ChatItem::User { text }));
        items.extend(reply.draft.iter().cloned());
        let output =
            Output::RequestLlm { request, reply: reply.id, agent: reply.agent.name, chat: ChatContext { items } };
        self.push(output);
    }

    /// The request of this id, with its progress noted; none when it was cancelled.
    fn progress(&mut self, id: LlmRequestId) -> Option<(&mut Reply, Option<u64>)> {
        let now_ms = self.now_ms;
        let reply = self.reply.as_mut()?;
        let request = reply.request.as_mut().filter(|request| request.id == id)?;
        request.progress_ms = now_ms;
        let first = !std::mem::replace(&mut request.started, true);
        let ttft_ms = first.then(|| now_ms - request.asked_ms);
        if first && let Some(timeline) = &mut reply.timeline {
            timeline.advance(now_ms, PauseCause::Llm);
        }
        Some((reply, ttft_ms))
    }

    pub(super) fn handle_llm_text(&mut self, id: LlmRequestId, text: &str) {
        let room = self.config.max_reply_chars;
        let now_ms = self.now_ms;
        if text.is_empty() {
            return;
        }
        // What cannot be spoken is no progress: a model that streams spaces is one that does not answer.
        let ttft_ms = if text.chars().any(char::is_alphanumeric) {
            let Some((_, ttft_ms)) = self.progress(id) else { return };
            ttft_ms
        } else {
            None
        };
        let Some(reply) = self.reply.as_mut().filter(|reply| reply.asks(id)) else { return };
        let text = cut(text, room.saturating_sub(reply.chars));
        reply.chars += text.chars().count();
        reply.first_text_ms.get_or_insert(now_ms);
        if let Some(request) = &mut reply.request {
            request.text.push_str(&text);
        }
        let pieces = reply.chunker.push(&text);
        if let Some(ttft_ms) = ttft_ms {
            self.observe(Observation::LlmStarted { request: id, ttft_ms });
        }
        let full = reply_is_full(self.reply.as_ref(), room);
        for piece in pieces {
            self.add_chunk(piece);
        }
        if full {
            // More would not be spoken: it is not waited for.
            self.push(Output::EndLlm { request: id });
            self.finish_request();
        }
    }

    pub(super) fn handle_llm_tool_call(&mut self, id: LlmRequestId, name: String, arguments: Map<String, Value>) {
        let (next, max_calls) = (ToolCallId(self.counters.call + 1), self.config.max_tool_calls);
        let Some((reply, ttft_ms)) = self.progress(id) else { return };
        reply.calls_made += 1;
        let call = ToolCall { id: next, name, arguments };
        let refused = reply.calls_made > max_calls;
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
        if refused {
            reply.draft.push(failed_output(&call, "too many tool calls in one turn"));
        } else {
            let after = reply.speech.next_index + u32::from(piece.is_some());
            reply.waiting_calls.push_back((call, after));
        }
        self.counters.call += 1;
        if let Some(ttft_ms) = ttft_ms {
            self.observe(Observation::LlmStarted { request: id, ttft_ms });
        }
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
        if self.progress(id).is_some() {
            self.finish_request();
        }
    }

    /// Nothing more comes from the request that is under way.
    fn finish_request(&mut self) {
        let Some(reply) = &mut self.reply else { return };
        let Some(request) = reply.request.take() else { return };
        if request.wants_outputs {
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

    pub(super) fn handle_llm_failed(&mut self, id: LlmRequestId, kind: ProviderErrorKind) {
        let Some(reply) = &mut self.reply else { return };
        let Some(request) = reply.request.take_if(|request| request.id == id) else { return };
        self.observe(Observation::ProviderFailed { stage: Stage::Llm, kind });
        let Some(reply) = &mut self.reply else { return };
        if let Some(timeline) = &mut reply.timeline {
            timeline.advance(self.now_ms, PauseCause::Llm);
        }
        let from = request.first_chunk;
        // Words that stand on the page count as heard, even if their audio is being made again.
        let told = |chunk: &Chunk| chunk.permitted || chunk.captioned;
        let heard = reply.speech.chunks.iter().any(|chunk| chunk.index >= from && told(chunk));
        if heard || request.wants_outputs {
            // Its words were heard or its tools are at work: asking again would say or do them twice.
            if request.wants_outputs && !heard {
                self.ask_when_tools_are_done();
            } else {
                reply.waiting_calls.clear();
                reply.chunker.clear();
                self.say(phrases::APOLOGY_CUT);
                self.finish_text();
            }
            return;
        }
        self.drop_chunks(from);
        match &mut self.reply {
            Some(reply) if !reply.retried => {
                // Half a sentence of the broken stream must not run into the new one.
                reply.chunker.clear();
                reply.retried = true;
                self.request_llm();
            }
            _ => self.apologise(),
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
