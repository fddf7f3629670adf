//! The events of an answer's stream.

use std::collections::VecDeque;

use serde::Deserialize;
use serde_json::Value;
use voice_core::cost::Quantity;
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use super::calls::{CallDelta, Calls, Malformed, WholeCall};
use super::think::Spoken;
use crate::llm::LlmEvent;
use crate::openai::refusal::{self, ErrorBody};

/// The data of the event that ends a stream.
const DONE: &str = "[DONE]";
/// Characters of text that are about one token: what a request used is not always told.
pub(in crate::llm::openai) const CHARS_PER_TOKEN: u64 = 4;

/// One event. What is not known here is not looked at: servers add to it without a word.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Chunk {
    choices: Option<Vec<Choice>>,
    usage: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Choice {
    index: Option<u64>,
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Delta {
    /// A string; some servers send a list of parts.
    content: Option<Value>,
    refusal: Option<String>,
    tool_calls: Option<Vec<CallDelta>>,
}

/// What was used, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Usage {
    input: u64,
    cached: u64,
    output: u64,
}

impl Usage {
    const fn quantity(self) -> Quantity {
        let Self { input, cached, output } = self;
        Quantity::Tokens { input, cached, output }
    }
}

/// Makes the events of a model of the events of a stream. A failure is the last thing that it says.
#[derive(Debug)]
pub struct AnswerDecoder {
    events: VecDeque<LlmEvent>,
    text: Spoken,
    calls: Calls,
    usage: Option<Usage>,
    /// Characters that the model was given, and those that it wrote.
    chars: (u64, u64),
    /// There was a text that can be spoken, or a tool call.
    has_answered: bool,
    /// A piece of a tool call came, and that was not asked about.
    is_calling: bool,
    /// The model said that it is through, and why.
    finish_reason: Option<String>,
    is_done: bool,
}

impl AnswerDecoder {
    /// A decoder of the answer to a request of so many characters.
    pub fn new(asked_chars: u64) -> Self {
        Self {
            events: VecDeque::new(),
            text: Spoken::default(),
            calls: Calls::default(),
            usage: None,
            chars: (asked_chars, 0),
            has_answered: false,
            is_calling: false,
            finish_reason: None,
            is_done: false,
        }
    }

    /// The next event; none when more data is needed.
    pub fn poll_event(&mut self) -> Option<LlmEvent> {
        self.events.pop_front()
    }

    /// Whether a piece of a tool call has come since this was last asked.
    pub fn take_calling(&mut self) -> bool {
        std::mem::take(&mut self.is_calling)
    }

    /// Whether the model is through: only what it used, and the end, are still to come.
    pub const fn is_finished(&self) -> bool {
        self.finish_reason.is_some()
    }

    /// Whether [`LlmEvent::Done`] was made.
    pub const fn is_done(&self) -> bool {
        self.is_done
    }

    /// What the provider said so far was used: asked for once, when the answer has failed.
    pub fn take_used(&mut self) -> Option<Quantity> {
        self.usage.take().map(Usage::quantity)
    }

    /// Takes the data of an event.
    ///
    /// # Errors
    /// What the provider says of its failure; `Protocol` for what is not the format, or no answer; `Unusable` for calls that
    /// are none, and an answer that was withheld.
    pub fn handle_data(&mut self, data: &str) -> Result<(), ProviderFailure> {
        if self.is_done || data.trim().is_empty() {
            return Ok(());
        }
        if data.trim() == DONE {
            return self.complete();
        }
        let value: Value = serde_json::from_str(data).map_err(|_quotes_it| ProviderErrorKind::Protocol)?;
        if let Some(error) = ErrorBody::from_json(&value) {
            return Err(refusal::failure_in_stream(&error));
        }
        let chunk: Chunk = serde_json::from_value(value).map_err(|_quotes_it| ProviderErrorKind::Protocol)?;
        if let Some(usage) = chunk.usage.as_ref().and_then(usage) {
            // Some servers send it with every event, growing.
            self.usage = Some(usage);
        }
        for choice in chunk.choices.unwrap_or_default() {
            // We ask for one.
            if choice.index.unwrap_or(0) == 0 {
                self.handle_choice(choice)?;
            }
        }
        Ok(())
    }

    /// The stream is over.
    ///
    /// # Errors
    /// `Disconnected` when the answer was not; `Protocol` when there is none in it.
    pub fn handle_end(&mut self) -> Result<(), ProviderFailure> {
        match (self.is_done, self.is_finished()) {
            (true, _) => Ok(()),
            (false, true) => self.complete(),
            (false, false) => Err(ProviderErrorKind::Disconnected.into()),
        }
    }

    fn handle_choice(&mut self, choice: Choice) -> Result<(), ProviderFailure> {
        let delta = choice.delta.unwrap_or_default();
        if let Some(content) = &delta.content {
            self.add_content(content)?;
        }
        if let Some(refusal) = &delta.refusal {
            self.add_text(refusal);
        }
        for call in delta.tool_calls.unwrap_or_default() {
            self.calls.push(call).map_err(malformed)?;
            self.is_calling = self.calls.is_pending();
        }
        self.events.extend(self.calls.poll_words().map(LlmEvent::WordsAhead));
        while let Some(call) = self.calls.poll_whole() {
            self.give_call(call);
        }
        if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty()) {
            self.finish_reason = Some(reason);
            self.flush()?;
        }
        Ok(())
    }

    fn add_content(&mut self, content: &Value) -> Result<(), ProviderFailure> {
        match content {
            Value::String(text) => self.add_text(text),
            Value::Array(parts) => {
                let texts = parts.iter().filter(|part| part["type"] == "text").filter_map(|part| part["text"].as_str());
                texts.for_each(|text| self.add_text(text));
            }
            _ => return Err(ProviderErrorKind::Protocol.into()),
        }
        Ok(())
    }

    fn add_text(&mut self, text: &str) {
        self.chars.1 += text.chars().count() as u64;
        let spoken = self.text.push(text);
        self.give_text(spoken);
    }

    fn give_text(&mut self, text: String) {
        if !text.is_empty() {
            self.has_answered |= !text.trim().is_empty();
            self.events.push_back(LlmEvent::Text(text));
        }
    }

    fn give_call(&mut self, (name, arguments): WholeCall) {
        let held = self.text.flush();
        self.give_text(held);
        self.has_answered = true;
        self.chars.1 += (name.len() + Value::Object(arguments.clone()).to_string().len()) as u64;
        self.events.push_back(LlmEvent::ToolCall { name, arguments });
    }

    /// Gives out what was held back: the model is through. Whether there are calls is seen by the calls, not by the reason:
    /// some servers say `stop` all the same.
    fn flush(&mut self) -> Result<(), ProviderFailure> {
        let held = self.text.flush();
        self.give_text(held);
        if self.finish_reason.as_deref() == Some("length") && self.calls.is_pending() {
            // Cut off in its arguments. That they may still look whole makes it worse.
            return Err(ProviderErrorKind::Unusable.into());
        }
        for call in self.calls.take_rest().map_err(malformed)? {
            self.give_call(call);
        }
        Ok(())
    }

    fn complete(&mut self) -> Result<(), ProviderFailure> {
        self.flush()?;
        if !self.has_answered {
            // Nobody else's request would be filtered; an answer of nothing without a reason is the model's.
            let is_filtered = matches!(self.finish_reason.as_deref(), Some("content_filter" | "length"));
            return Err(if is_filtered { ProviderErrorKind::Unusable } else { ProviderErrorKind::Protocol }.into());
        }
        let about = |chars: u64| chars.div_ceil(CHARS_PER_TOKEN);
        let estimate = Usage { input: about(self.chars.0), cached: 0, output: about(self.chars.1) };
        let Usage { input, cached, output } = self.usage.unwrap_or(estimate);
        self.events.push_back(LlmEvent::Done { input_tokens: input, cached_tokens: cached, output_tokens: output });
        self.is_done = true;
        Ok(())
    }
}

/// What a `usage` object says was used; none when it says nothing.
pub fn quantity(value: &Value) -> Option<Quantity> {
    usage(value).map(Usage::quantity)
}

fn usage(value: &Value) -> Option<Usage> {
    let input = value["prompt_tokens"].as_u64()?;
    let cached = value["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap_or(0).min(input);
    Some(Usage { input, cached, output: value["completion_tokens"].as_u64().unwrap_or(0) })
}

const fn malformed(_: Malformed) -> ProviderFailure {
    ProviderFailure { kind: ProviderErrorKind::Unusable, retry_after_ms: None }
}
