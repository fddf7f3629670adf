//! The embedded language model: a deterministic parser of the task language behind the `Llm` trait.
//!
//! It is no language model and does not pretend to be one: it understands what people say to a task list, says
//! honestly what it did not understand, and answers in microseconds. It is a pure function of the request: what "yes"
//! or "the second one" refers to is read from the conversation, so a session that moved to another server goes on.

mod act;
mod anchor;
mod answer;
mod apart;
mod asking;
mod context;
mod correct;
pub mod dates;
mod dialogue;
mod doing;
mod follow;
mod gist;
mod hedge;
mod lexicon;
mod locate;
mod more;
mod normalise;
mod offer;
mod parse;
mod pointed;
mod reading;
mod reply;
mod review;
mod screen;
mod sequel;
mod simpler;
#[cfg(test)]
mod tests;
mod titles;
mod twice;
mod when;

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use serde_json::{Map, Value};
use voice_core::agents::{REVIEW_AGENT, TASK_AGENT};
use voice_core::chat::{ChatContext, ChatItem};
use voice_core::phrases;
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use super::{Llm, LlmEvent, LlmRequest};
use crate::blocking::{self, MANY_TASKS};

/// The model's name in metrics and usage.
pub const MODEL: &str = "rules";

/// The embedded language model.
#[derive(Debug, Clone, Copy, Default)]
pub struct RulesLlm;

impl RulesLlm {
    /// The model with its patterns compiled, so that the first caller does not wait for that (some milliseconds).
    pub fn prepared() -> Self {
        let now = jiff::Timestamp::UNIX_EPOCH.to_zoned_datetime(jiff::tz::TimeZone::UTC);
        // Words that no pattern knows pass through all of them.
        let utterance = normalise::normalise("xyzzy plugh frobozz", &now);
        let _ = parse::parse(&utterance, parse::Known { now: &now, titles: titles::Titles::NONE });
        Self
    }
}

impl Llm for RulesLlm {
    fn provider(&self) -> &'static str {
        "embedded"
    }

    fn model(&self) -> &str {
        MODEL
    }

    fn stream(&self, request: LlmRequest) -> BoxStream<'static, Result<LlmEvent, ProviderFailure>> {
        // Nothing is done before somebody listens; and what many tasks make long does not hold the runtime's thread.
        let answered = async move {
            if let Some(seen) = &request.seen {
                seen.read().await;
            }
            let is_long = request.titles.len() > MANY_TASKS;
            // Words that no rule was ready for end no call.
            let events = blocking::run(is_long, || catch_unwind(AssertUnwindSafe(|| respond(&request))));
            match events {
                Ok(events) => events.into_iter().map(Ok).collect::<Vec<_>>(),
                Err(_) => {
                    tracing::error!(
                        model = MODEL,
                        "the model panicked on what was said; its message stands before this"
                    );
                    vec![Err(ProviderErrorKind::Unusable.into())]
                }
            }
        };
        stream::once(answered).flat_map(stream::iter).boxed()
    }
}

/// What one answer consists of, before it is cut into events.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) calls: Vec<(&'static str, Map<String, Value>)>,
}

impl Answer {
    pub(crate) fn say(text: impl Into<String>) -> Self {
        Self { text: text.into(), calls: Vec::new() }
    }

    pub(crate) fn call(name: &'static str, arguments: Map<String, Value>) -> Self {
        Self { text: String::new(), calls: vec![(name, arguments)] }
    }
}

/// Whether a name is that of one of these titles, as callers name tasks: with all its words in the title, or words that sound
/// like them.
pub fn names_a_task(name: &str, titles: &[String]) -> bool {
    let name = name.to_lowercase();
    let words: Vec<&str> = name.split_whitespace().collect();
    titles::Titles::new(titles).named(&words).is_some()
}

/// Whether a title is only the beginning of one, or breaks off: "call", "call the end of". Nobody means that.
pub fn is_torn(title: &str) -> bool {
    let lower = title.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    match words.as_slice() {
        [] => true,
        [only] => lexicon::needs_object(only),
        [.., last] => {
            matches!(
                *last,
                "of" | "the" | "and" | "to" | "a" | "an" | "my" | "with" | "for" | "or" | "can" | "at" | "is"
            )
        }
    }
}

/// Answers a request: with tool calls if the caller has just asked for something, else with what the tools answered,
/// in short spoken English. There is always a text or a tool call, and `Done` is the last event. Tokens are not counted:
/// there are none.
pub fn respond(request: &LlmRequest) -> Vec<LlmEvent> {
    let answer = answer(request);
    let mut events: Vec<LlmEvent> = reply::sentences(&answer.text).into_iter().map(LlmEvent::Text).collect();
    let named = |(name, arguments): (&str, Map<String, Value>)| LlmEvent::ToolCall { name: name.to_owned(), arguments };
    events.extend(answer.calls.into_iter().map(named));
    if events.is_empty() {
        events.push(LlmEvent::Text(reply::NOT_UNDERSTOOD_AT_ALL.to_owned()));
    }
    events.push(LlmEvent::Done { input_tokens: 0, cached_tokens: 0, output_tokens: 0 });
    events
}

fn answer(request: &LlmRequest) -> Answer {
    // Another model's answer broke off: this one is made anew, and what was heard of it is told apart by the session.
    if let Some((ChatItem::Assistant { interrupted: true, .. }, before)) = request.chat.items.split_last()
        && matches!(before.last(), Some(ChatItem::User { .. } | ChatItem::ToolOutput(_)))
    {
        let chat = ChatContext { items: before.to_vec() };
        return answer(&LlmRequest { chat, ..request.clone() });
    }
    let turns = dialogue::turns(&request.chat);
    let has_spoken = request.chat.items.iter().any(|item| matches!(item, ChatItem::User { .. }));
    if !has_spoken {
        return Answer::say(reply::OPENING);
    }
    let titles = titles::Titles::new(&request.titles);
    let scene = act::Scene { request, turns: &turns, titles: &titles };
    let mut answer = if request.agent == REVIEW_AGENT { review::answer(&scene) } else { act::answer(&scene) };
    // The session has stopped the recording; what else was said is answered here, and hides none of it.
    let current = scene.current().filter(|turn| turn.reply.is_empty() && phrases::asks_to_stop_recording(turn.user));
    if current.is_some() && !answer.text.is_empty() {
        answer.text = format!("This call isn't recorded any more. {}", answer.text);
    }
    answer
}
