//! One WebSocket and its contexts, without the socket.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Value, json};

use super::context::Context;
use super::error_code;
use super::message::{Message, Refusal, Setup, read};
use crate::provider::fault::FaultKind;
use crate::provider::journal::Record;
use crate::provider::latency::Step;
use crate::provider::pcm::Encoding;
use crate::provider::service::Service;
use crate::provider::shared::Shared;
use crate::provider::socket::{Body, Frame, Incoming, Outbox, Protocol};
use crate::provider::speech;

/// Ended contexts that are remembered.
const MOST_ENDED: usize = 1_000;
/// The longest text of a context, in characters.
const LONGEST_TEXT: usize = 40_000;

/// The state of a socket.
pub(super) struct Socket {
    shared: Arc<Shared>,
    structured: bool,
    request_id: String,
    contexts: Vec<Context>,
    /// Those that ended, with their encodings.
    ended: VecDeque<(String, Encoding)>,
    model: Option<String>,
    last_message_ms: u64,
    over: bool,
}

impl Socket {
    pub(super) fn new(shared: Arc<Shared>, structured: bool, request_id: String, now_ms: u64) -> Self {
        let (contexts, ended) = (Vec::new(), VecDeque::new());
        Self { shared, structured, request_id, contexts, ended, model: None, last_message_ms: now_ms, over: false }
    }

    fn say(&mut self, message: Message, now_ms: u64, record: &Record) -> Result<(), (Option<String>, Refusal)> {
        let (context, transcript, goes_on, flush, setup) = match message {
            Message::Say { context, transcript, goes_on, flush, setup } => (context, transcript, goes_on, flush, setup),
            Message::Cancel { context } => {
                self.cancel(&context, record);
                return Ok(());
            }
        };
        let latency_ms = self.shared.latencies.roll(Step::Tts);
        let place = self.place(&context, *setup, &transcript, record).map_err(|refusal| (Some(context), refusal))?;
        let context = &mut self.contexts[place];
        if context.characters + transcript.chars().count() > LONGEST_TEXT {
            return Err((Some(context.id.clone()), Refusal::bad("the context's text is too long")));
        }
        record.note("transcript", format!("{}: {} characters", context.id, transcript.chars().count()));
        if context.add(&transcript, now_ms, latency_ms) {
            record.warn("a transcript was joined to the one before it without a space");
        }
        if flush {
            record.note("flush", context.id.as_str());
            context.flush(now_ms, latency_ms);
        }
        if !goes_on {
            record.note("end_context", context.id.as_str());
            context.generate(now_ms, latency_ms);
            context.ended = true;
        }
        Ok(())
    }

    fn cancel(&mut self, id: &str, record: &Record) {
        record.note("cancel", id);
        match self.contexts.iter_mut().find(|context| context.id == id) {
            Some(context) => context.cancel(),
            None if self.ended.iter().any(|(known, _)| known == id) => {}
            None => record.warn("a context is cancelled that was never begun"),
        }
    }

    /// Where the context is; a new one when there was none.
    fn place(&mut self, id: &str, setup: Setup, transcript: &str, record: &Record) -> Result<usize, Refusal> {
        if let Some(place) = self.contexts.iter().position(|context| context.id == id) {
            let context = &self.contexts[place];
            return match () {
                () if context.ended => Err(Refusal::bad("the context has ended; use another context_id")),
                () if context.setup.fixed != setup.fixed => {
                    Err(Refusal::bad("fields other than transcript, continue and duration differ within a context"))
                }
                () => Ok(place),
            };
        }
        if self.ended.iter().any(|(known, _)| known == id) {
            return Err(Refusal::bad("the context has ended or expired; use another context_id"));
        }
        if !transcript.contains(char::is_alphanumeric) {
            return Err(Refusal::bad("the transcript is empty or only punctuation"));
        }
        let most = self.shared.script.limits.cartesia_contexts;
        let Some(taken) = self.shared.cartesia_contexts.take(most) else {
            return Err(Refusal {
                status: 429,
                code: "concurrency_limited",
                message: "too many active contexts".to_owned(),
            });
        };
        record.note("context", id);
        record.model(&setup.model);
        self.model = Some(setup.model.clone());
        self.contexts.push(Context::new(id.to_owned(), setup, taken));
        Ok(self.contexts.len() - 1)
    }

    /// Forgets a context; its id is never taken again.
    fn retire(&mut self, id: &str) {
        if let Some(place) = self.contexts.iter().position(|context| context.id == id) {
            let context = self.contexts.remove(place);
            if self.ended.len() >= MOST_ENDED {
                self.ended.pop_front();
            }
            self.ended.push_back((context.id, context.setup.encoding));
        }
    }

    /// An error, in the shape of the client's version.
    fn error(&self, context: Option<&str>, refusal: &Refusal) -> Value {
        let mut error = json!({"type": "error", "done": true, "status_code": refusal.status});
        if let Some(context) = context {
            error["context_id"] = Value::from(context);
        }
        if self.structured {
            error["error_code"] = Value::from(refusal.code);
            error["title"] = Value::from(refusal.code.replace('_', " "));
            error["message"] = Value::from(refusal.message.as_str());
            error["request_id"] = Value::from(self.request_id.as_str());
        } else {
            error["error"] = Value::from(refusal.message.as_str());
        }
        error
    }

    fn encoding(&self, context: &str) -> Encoding {
        let live = self.contexts.iter().find(|known| known.id == context).map(|known| known.setup.encoding);
        let ended = || self.ended.iter().find(|(known, _)| known == context).map(|(_, encoding)| *encoding);
        live.or_else(ended).unwrap_or(Encoding::Linear16)
    }
}

impl Protocol for Socket {
    fn service(&self) -> Service {
        Service::Cartesia
    }

    fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    fn handle(&mut self, incoming: Incoming<'_>, now_ms: u64, record: &Record, out: &mut Outbox) {
        if self.over {
            return;
        }
        self.last_message_ms = now_ms;
        let refused = match incoming {
            Incoming::Binary(_) => Err((None, Refusal::bad("a binary frame"))),
            Incoming::Text(text) => {
                let (message, warnings) = read(text);
                warnings.into_iter().for_each(|warning| record.warn(warning));
                message.and_then(|message| self.say(message, now_ms, record))
            }
        };
        if let Err((context, refusal)) = refused {
            record.note("error", format!("{} {}", refusal.status, refusal.message));
            let error = self.error(context.as_deref(), &refusal);
            out.push(now_ms, Frame::json(context.as_deref().unwrap_or_default(), error));
            if let Some(context) = context {
                self.retire(&context);
            }
        }
    }

    fn poll(&mut self, now_ms: u64, record: &Record, out: &mut Outbox) {
        let limits = &self.shared.script.limits;
        let (speed, expiry_ms, idle_ms) = (limits.tts_speed, limits.cartesia_context_ms, limits.cartesia_idle_ms);
        let mut over = Vec::new();
        for context in &mut self.contexts {
            let latency = || self.shared.latencies.roll(Step::Tts);
            for frame in context.poll(now_ms, latency, speed) {
                out.push(now_ms, frame);
            }
            let expired = context.expires_at_ms(expiry_ms).is_some_and(|at_ms| at_ms <= now_ms);
            if context.ended && context.is_idle() || expired {
                over.push((context.id.clone(), !context.ended));
            }
        }
        for (id, expired) in over {
            record.note(if expired { "context_expired" } else { "context_done" }, id.as_str());
            let done = json!({"type": "done", "context_id": id, "done": true, "status_code": 200});
            out.push(now_ms, Frame::json(&id, done));
            self.retire(&id);
        }
        if !self.over && self.contexts.is_empty() && now_ms >= self.last_message_ms + idle_ms {
            self.over = true;
            record.note("idle", "");
            out.push(now_ms, Frame::close(1000, "connection idle timeout"));
        }
    }

    fn poll_at_ms(&self) -> Option<u64> {
        let limits = &self.shared.script.limits;
        let idle = (!self.over && self.contexts.is_empty()).then_some(self.last_message_ms + limits.cartesia_idle_ms);
        let contexts = self.contexts.iter().flat_map(|context| {
            [
                context.poll_at_ms(),
                context.expires_at_ms(limits.cartesia_context_ms),
                (context.ended && context.is_idle()).then_some(0),
            ]
        });
        contexts.chain([idle]).flatten().min()
    }

    fn refusal(&self, unit: &str, kind: FaultKind) -> Vec<Frame> {
        let (status, _) = kind.status().unwrap_or((500, None));
        let refusal = Refusal { status, code: error_code(status), message: error_code(status).replace('_', " ") };
        let context = (!unit.is_empty()).then_some(unit);
        vec![Frame::json(unit, self.error(context, &refusal))]
    }

    fn distort(&self, mut frame: Frame, kind: FaultKind) -> Option<Frame> {
        let encoding = self.encoding(&frame.unit);
        let Body::Json(message) = &mut frame.body else { return Some(frame) };
        if kind == FaultKind::Empty && (frame.useful || message["type"] == "timestamps") {
            return None;
        }
        if let Some(data) = message["data"].as_str() {
            let other = match kind {
                FaultKind::WrongAudio => speech::replaced(data, speech::wrong_audio),
                _ => speech::replaced(data, |length| speech::silence(encoding, length)),
            };
            message["data"] = Value::from(other);
        }
        Some(frame)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
