//! Booking what providers were used for, cancelled work included.

use voice_core::Input;
use voice_core::cost::{Quantity, Usage};
use voice_core::ids::{LlmRequestId, ReplyId, RungId, UtteranceId};
use voice_core::provider::Stage;

use super::spend::{Booked, CHARS_PER_TOKEN, tokens};
use super::{Asked, Driver};
use crate::llm::{Llm, LlmRequest, prompt};

/// What something was used for.
#[derive(Debug, Default)]
pub(super) struct For {
    pub(super) reply: Option<ReplyId>,
    pub(super) utterance: Option<UtteranceId>,
    /// It was cancelled.
    pub(super) wasted: bool,
}

/// Characters that a request gives a model to read: the prompt, the conversation, the tools, and as many as a picture is charged for.
pub(super) fn asked_chars(llm: &dyn Llm, request: &LlmRequest) -> u64 {
    let prompt = prompt::system(&request.agent, &request.instructions).len() + prompt::scene(request).len();
    // An item's own form is about as long as what a provider makes of it.
    let items = request.chat.items.iter().map(|item| serde_json::to_string(item).map_or(0, |json| json.len()));
    let tools = request
        .tools
        .iter()
        .map(|tool| tool.name.len() + tool.description.len() + tool.parameters_with_words().to_string().len());
    let picture = request.seen.as_ref().map_or(0, |seen| llm.picture_tokens(seen.picture().size()));
    (prompt + items.sum::<usize>() + tools.sum::<usize>()) as u64 + picture * CHARS_PER_TOKEN
}

impl Driver {
    fn use_up(&mut self, stage: Stage, rung: RungId, quantity: Quantity, what: For) {
        let For { reply, utterance, wasted } = what;
        let Some(rung) = self.labels.chains.of(stage).get(usize::from(rung.0)) else { return };
        let (provider, model) = (rung.provider.clone(), rung.model.clone());
        let usage = Usage { stage, provider, model, quantity, reply, utterance, wasted };
        let booked = self.spend.book(usage.clone(), self.deps.core.prices.price(&usage));
        self.count(booked);
        self.pending.push_back(Input::Used(usage));
    }

    pub(super) fn count(&self, booked: Vec<Booked>) {
        for (usage, cost, wasted) in booked {
            self.deps.events.spent(&usage, cost, wasted);
            self.deps.ledger.book(self.labels.channel, &usage, cost, wasted);
        }
    }

    /// Audio was transcribed; or it was given away to be, and nobody waits for it any more.
    pub(super) fn book_hearing(&mut self, utterance: UtteranceId, rung: RungId, audio_ms: u64, wasted: bool) {
        let what = For { utterance: Some(utterance), wasted, ..For::default() };
        self.use_up(Stage::Stt, rung, Quantity::AudioMs(audio_ms), what);
    }

    /// Speech that was made of a text of which the rest is not wanted, or did not come.
    pub(super) fn book_speaking(&mut self, reply: ReplyId, rung: RungId, audio_ms: u64, wasted: bool) {
        if audio_ms == 0 {
            return;
        }
        let what = For { reply: Some(reply), wasted, ..For::default() };
        self.use_up(Stage::Tts, rung, Quantity::AudioMs(audio_ms), what);
    }

    /// A request that did not come to its end: what it read, and what it had said by then, as far as can be told.
    pub(super) fn book_unfinished(&mut self, asked: &Asked, wasted: bool) {
        if asked.booked {
            return;
        }
        let quantity = Quantity::Tokens { input: tokens(asked.chars.0), cached: 0, output: tokens(asked.chars.1) };
        let what = For { reply: Some(asked.reply), wasted, ..For::default() };
        self.use_up(Stage::Llm, asked.rung, quantity, what);
    }

    /// A provider has begun to answer a request.
    pub(super) fn note_begun(&mut self, request: LlmRequestId) {
        if let Some(asked) = self.models.get_mut(&request) {
            asked.begun = true;
        }
    }

    /// A request said itself what it used.
    pub(super) fn book_request(&mut self, request: LlmRequestId, quantity: Quantity, wasted: bool) {
        let Some(asked) = self.models.get_mut(&request) else { return };
        asked.booked = true;
        let (reply, rung) = (Some(asked.reply), asked.rung);
        self.use_up(Stage::Llm, rung, quantity, For { reply, wasted, ..For::default() });
    }

    /// Notes how far a request has come.
    pub(super) fn follow_request(&mut self, input: &Input) {
        match input {
            Input::LlmText { request, text } => {
                if let Some(asked) = self.models.get_mut(request) {
                    asked.chars.1 += text.len() as u64;
                }
            }
            Input::LlmCalling { request } => {
                if let Some(asked) = self.models.get_mut(request) {
                    // Its first word, though it is not known yet.
                    asked.chars.1 = asked.chars.1.max(1);
                }
            }
            Input::LlmWordsAhead { request, words } => {
                if let Some(asked) = self.models.get_mut(request) {
                    asked.chars.1 += words.len() as u64;
                    asked.ahead += words.len() as u64;
                }
            }
            Input::LlmToolCall { request, name, arguments } => {
                if let Some(asked) = self.models.get_mut(request) {
                    let arguments = serde_json::to_string(arguments).map_or(0, |json| json.len());
                    let ahead = std::mem::take(&mut asked.ahead);
                    asked.chars.1 = asked.chars.1.saturating_sub(ahead) + (name.len() + arguments) as u64;
                }
            }
            Input::LlmDone { request } => {
                self.models.remove(request);
            }
            Input::LlmFailed { request, .. } => {
                // What is refused is not charged. Where an answer had begun, the prompt was read. That it is charged then, though
                // no word came, is an estimate, as is its length: no provider says so, and a ceiling is better too early.
                let is_read = |asked: &Asked| asked.begun || asked.chars.1 > 0;
                if let Some(asked) = self.models.remove(request).filter(is_read) {
                    self.book_unfinished(&asked, true);
                }
            }
            _ => {}
        }
    }
}
