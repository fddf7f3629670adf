//! OpenAI's chat completions, streamed, and servers that speak them too.

pub mod sse;
#[cfg(test)]
mod tests;
mod vision;
pub mod wire;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use super::{Llm, LlmEvent, LlmRequest};
use crate::config::ScreenDetail;
use crate::failover::Probed;
use crate::openai::{Account, Exchange};
use crate::served::Served;
use sse::SseDecoder;
use wire::AnswerDecoder;

/// Under the base URL.
const PATH: [&str; 2] = ["chat", "completions"];
/// Longest wait for what was used and for the end of the stream, once the model said that it is through.
const USAGE_DEADLINE: Duration = Duration::from_secs(1);

/// The field that holds the most tokens of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MaxTokensField {
    /// `max_completion_tokens`: OpenAI's present one; models that think first take no other.
    #[default]
    MaxCompletionTokens,
    /// `max_tokens`: the former one; many compatible servers know no other.
    MaxTokens,
}

/// The settings of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenAiConfig {
    /// The model's name.
    pub model: String,
    /// Most tokens of an answer, tool calls included.
    pub max_tokens: u32,
    /// Most tokens of an answer that is to be short.
    pub brief_max_tokens: u32,
    /// The field that holds them.
    pub max_tokens_field: MaxTokensField,
    /// How freely the model chooses its words, 0 to 2; none: the model's own, for models that refuse the field.
    pub temperature: Option<f64>,
    /// Ask for what was used. Some compatible servers refuse the field: it is estimated then.
    pub include_usage: bool,
    /// Let the model make several tool calls at once. Some compatible servers refuse the field: it is left out then.
    pub parallel_tool_calls: bool,
    /// Put everything that is not the conversation into one first message, for servers that take no other; what the
    /// provider has in its cache is then of less use.
    pub system_first_only: bool,
    /// Longest conversation that is sent, in characters of JSON; older turns are left out. The present turn is always sent.
    pub max_context_chars: usize,
    /// Let the model say with a call what is to be said once it is carried out, instead of asking it again.
    pub say_with_call: bool,
    /// How closely it looks at a picture; none for a model that sees nothing, which is told what is written there.
    pub looks: Option<ScreenDetail>,
}

impl Default for OpenAiConfig {
    fn default() -> Self {
        Self {
            model: "gpt-4o-mini".to_owned(),
            max_tokens: 600,
            brief_max_tokens: 200,
            max_tokens_field: MaxTokensField::default(),
            temperature: None,
            include_usage: true,
            parallel_tool_calls: true,
            system_first_only: false,
            max_context_chars: 60_000,
            say_with_call: true,
            looks: Some(ScreenDetail::Auto),
        }
    }
}

/// A model behind OpenAI's API.
#[derive(Debug, Clone)]
pub struct OpenAiLlm {
    account: Arc<Account>,
    config: Arc<OpenAiConfig>,
}

impl OpenAiLlm {
    /// A model of this account. Models of one account share its connections.
    pub fn new(account: Arc<Account>, config: OpenAiConfig) -> Self {
        Self { account, config: Arc::new(config) }
    }

    fn post(&self, json: String) -> RequestBuilder {
        self.account.request(Method::POST, &PATH).header(CONTENT_TYPE, "application/json").body(json)
    }
}

impl Llm for OpenAiLlm {
    fn provider(&self) -> &'static str {
        "openai"
    }

    fn model(&self) -> &str {
        &self.config.model
    }

    fn stream(&self, request: LlmRequest) -> BoxStream<'static, Result<LlmEvent, ProviderFailure>> {
        let answer = Answer::new(self.clone(), request);
        stream::unfold(answer, |mut answer| async move { Some((answer.next().await?, answer)) }).boxed()
    }

    fn picture_tokens(&self, size: (u32, u32)) -> u64 {
        self.config.looks.map_or(0, |detail| vision::tokens(&self.config.model, detail, size))
    }

    fn probe(&self) -> BoxFuture<'static, Probed> {
        let llm = self.clone();
        async move {
            let request = llm.post(wire::encode_probe(&llm.config).to_string());
            let Some(answer) = llm.account.probe(request).await? else { return Ok(None) };
            let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
            let has_answered = answer["choices"].is_array();
            if has_answered { Ok(wire::quantity(&answer["usage"])) } else { Err(ProviderErrorKind::Protocol.into()) }
        }
        .boxed()
    }

    fn served(&self) -> BoxFuture<'static, Result<Served, ProviderFailure>> {
        let llm = self.clone();
        async move { llm.account.served(&llm.config.model).await }.boxed()
    }
}

/// How far an answer has come.
enum Phase {
    /// Nobody has listened yet.
    Wanted(Box<LlmRequest>),
    Streaming(Exchange),
    Over,
}

/// One answer.
struct Answer {
    llm: OpenAiLlm,
    phase: Phase,
    sse: SseDecoder,
    decoder: AnswerDecoder,
    /// The request was taken, and nobody has been told yet.
    has_begun: bool,
    failure: Option<ProviderFailure>,
}

impl Answer {
    fn new(llm: OpenAiLlm, request: LlmRequest) -> Self {
        let phase = Phase::Wanted(Box::new(request));
        Self { llm, phase, sse: SseDecoder::default(), decoder: AnswerDecoder::new(0), has_begun: false, failure: None }
    }

    async fn next(&mut self) -> Option<Result<LlmEvent, ProviderFailure>> {
        loop {
            if std::mem::take(&mut self.has_begun) {
                return Some(Ok(LlmEvent::Begun));
            }
            if let Some(event) = self.decoder.poll_event() {
                return Some(Ok(event));
            }
            if self.decoder.take_calling() {
                return Some(Ok(LlmEvent::Calling));
            }
            if let Some(used) = self.failure.and_then(|_| self.decoder.take_used()) {
                return Some(Ok(LlmEvent::Used(used)));
            }
            if let Some(failure) = self.failure.take() {
                return Some(Err(failure));
            }
            let went_on = match std::mem::replace(&mut self.phase, Phase::Over) {
                Phase::Wanted(request) => self.ask(&request).await,
                Phase::Streaming(exchange) => self.read(exchange).await,
                Phase::Over => return None,
            };
            // What came before it is given out first.
            self.failure = went_on.err();
        }
    }

    async fn ask(&mut self, request: &LlmRequest) -> Result<(), ProviderFailure> {
        if let Some(seen) = request.seen.as_ref().filter(|_| self.llm.config.looks.is_none()) {
            seen.read().await;
        }
        let body = wire::encode(&self.llm.config, request).to_string();
        // Where a server does not say what was used it is estimated from the text, of which the picture is none, and the picture's size.
        let picture = request.seen.as_ref().filter(|_| self.llm.config.looks.is_some()).map(|seen| seen.picture());
        let picture_chars = picture.map_or(0, |picture| picture.webp().len().div_ceil(3) * 4);
        let picture_tokens = picture.map_or(0, |picture| self.llm.picture_tokens(picture.size()));
        let text_chars = body.len().saturating_sub(picture_chars) as u64;
        self.decoder = AnswerDecoder::new(text_chars + picture_tokens * wire::CHARS_PER_TOKEN);
        let exchange = self.llm.account.send(self.llm.post(body)).await?;
        self.has_begun = true;
        if !exchange.is("text/event-stream") {
            return Err(ProviderErrorKind::Protocol.into());
        }
        self.phase = Phase::Streaming(exchange);
        Ok(())
    }

    async fn read(&mut self, mut exchange: Exchange) -> Result<(), ProviderFailure> {
        let mut events = Vec::new();
        let chunk = if self.decoder.is_finished() {
            // The answer is complete, whatever becomes of its end.
            tokio::time::timeout(USAGE_DEADLINE, exchange.chunk()).await.unwrap_or(Ok(None)).unwrap_or(None)
        } else {
            exchange.chunk().await?
        };
        let is_end = chunk.is_none();
        let taken = match chunk {
            Some(bytes) => self.sse.handle_bytes(&bytes, &mut events),
            None => self.sse.handle_end(&mut events),
        };
        for data in events {
            self.decoder.handle_data(&data)?;
        }
        taken.map_err(|_too_long| ProviderErrorKind::Protocol)?;
        if is_end {
            self.decoder.handle_end()?;
        }
        if !self.decoder.is_done() {
            self.phase = Phase::Streaming(exchange);
        } else if !is_end {
            exchange.finish();
        }
        Ok(())
    }
}
