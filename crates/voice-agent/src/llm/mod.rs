//! The sixth step of the corridor: language models.
//!
//! A model is told the conversation and the tools, and streams text and tool calls. When it called tools, it is
//! asked again with their outputs in the conversation, until it answers with text alone.

pub mod openai;
pub mod prompt;
pub mod rules;

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::{self, BoxFuture};
use futures_util::stream::BoxStream;
use serde_json::{Map, Value};

use crate::failover::Probed;
use crate::screen::Seen;
use crate::served::Served;
use crate::tools::ToolSpec;
use voice_core::chat::ChatContext;
use voice_core::cost::Quantity;
use voice_core::provider::ProviderFailure;

/// One request to a language model.
#[derive(Debug, Clone)]
pub struct LlmRequest {
    /// The agent that has the call (`TaskAgent`, `ReviewAgent`).
    pub agent: String,
    /// The agent's system prompt. The `rules` model has its own mind and does not read it.
    pub instructions: String,
    /// The conversation so far; its last item is what the caller said, or a tool's output.
    pub chat: ChatContext,
    /// The tools that the agent may call.
    pub tools: Vec<ToolSpec>,
    /// The time, in the caller's zone.
    pub now: jiff::ZonedDateTime,
    /// The titles of the caller's open tasks, by which spoken ones are understood.
    pub titles: Vec<String>,
    /// Answer as shortly as can be: the call has used up most of what it may cost.
    pub brief: bool,
    /// The caller's screen as it was seen in this turn.
    pub seen: Option<Arc<Seen>>,
}

/// What a language model streams.
#[derive(Debug, Clone, PartialEq)]
pub enum LlmEvent {
    /// The provider has taken the request: it reads the prompt, whatever becomes of the answer. It may be left out.
    Begun,
    /// The next piece of what the agent says; pieces append to each other.
    Text(String),
    /// A piece of a tool call came that is not whole yet: somebody answers. It may be left out.
    Calling,
    /// The model has written all of what is to be said once the call that it is writing is carried out. The same words stand
    /// in the call when it is whole. It may be left out.
    WordsAhead(String),
    /// The model wants a tool called.
    ToolCall {
        /// The tool's name.
        name: String,
        /// The arguments, a JSON object.
        arguments: Map<String, Value>,
    },
    /// What the provider says was used for an answer that comes to nothing; the failure follows. It may be left out.
    Used(Quantity),
    /// The answer is complete; nothing follows.
    Done {
        /// Tokens read, as the provider bills them, those from its cache among them.
        input_tokens: u64,
        /// Of those, the ones that it had in its cache and bills at a lower price.
        cached_tokens: u64,
        /// Tokens written, as the provider bills them.
        output_tokens: u64,
    },
}

/// A language model.
pub trait Llm: Send + Sync {
    /// The provider's label in metrics and logs.
    fn provider(&self) -> &'static str;
    /// The model's name as configured.
    fn model(&self) -> &str;
    /// Answers a request. Dropping the stream cancels it. A failure ends the stream.
    fn stream(&self, request: LlmRequest) -> BoxStream<'static, Result<LlmEvent, ProviderFailure>>;
    /// About how many tokens a picture of this width and height is to it, if it sees: for requests of which nobody says what they used.
    fn picture_tokens(&self, _size: (u32, u32)) -> u64 {
        0
    }
    /// Does the least that shows that it answers, off any caller's path, and says what that used. A provider without a network has nothing to show.
    fn probe(&self) -> BoxFuture<'static, Probed> {
        future::ready(Ok(None)).boxed()
    }
    /// Whether the provider serves the configured model.
    fn served(&self) -> BoxFuture<'static, Result<Served, ProviderFailure>> {
        future::ready(Ok(Served::Yes)).boxed()
    }
}
