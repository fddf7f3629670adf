//! `multi-stream-input`: one WebSocket with several contexts, without the socket.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::context::{Context, Output};
use super::format::{check_settings, longest_text, output_format};
use crate::provider::fault::FaultKind;
use crate::provider::journal::Record;
use crate::provider::latency::Step;
use crate::provider::service::Service;
use crate::provider::shared::Shared;
use crate::provider::socket::{Body, Frame, Incoming, Outbox, Protocol};
use crate::provider::speech;

/// Query parameters.
const PARAMETERS: [&str; 13] = [
    "model_id",
    "language_code",
    "enable_logging",
    "enable_ssml_parsing",
    "output_format",
    "inactivity_timeout",
    "sync_alignment",
    "auto_mode",
    "apply_text_normalization",
    "seed",
    "authorization",
    "single_use_token",
    "optimize_streaming_latency",
];
const FIELDS: [&str; 10] = [
    "text",
    "context_id",
    "voice_settings",
    "generation_config",
    "pronunciation_dictionary_locators",
    "flush",
    "close_context",
    "close_socket",
    "xi_api_key",
    "try_trigger_generation",
];
const USUAL_SCHEDULE: [usize; 4] = [120, 160, 250, 290];
/// What a message without a context belongs to.
const USUAL_CONTEXT: &str = "default";

/// What a socket was opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) model: String,
    pub(super) output: Output,
    pub(super) inactivity_ms: u64,
    pub(super) warnings: Vec<String>,
}

/// Reads the query.
///
/// # Errors
/// The message of the refusal.
pub(super) fn open(query: &[(String, String)]) -> Result<Opened, String> {
    let value = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let model = value("model_id").unwrap_or("eleven_multilingual_v2").to_owned();
    longest_text(&model)?;
    let (encoding, rate) = output_format(value("output_format").unwrap_or("mp3_44100_128"))?;
    let switch = |name: &str| match value(name) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(format!("{name} is true or false")),
    };
    let timeout = value("inactivity_timeout").unwrap_or("20");
    let timeout = timeout.parse::<u64>().ok().filter(|seconds| (1..=180).contains(seconds));
    let unknown = query.iter().filter(|(name, _)| !PARAMETERS.contains(&name.as_str()));
    Ok(Opened {
        model,
        output: Output { encoding, rate, alignment: switch("sync_alignment")?, auto_mode: switch("auto_mode")? },
        inactivity_ms: timeout.ok_or("inactivity_timeout is from 1 to 180 s")? * 1_000,
        warnings: unknown.map(|(name, _)| format!("unknown query parameter {name}")).collect(),
    })
}

/// The state of a socket.
pub(super) struct Socket {
    shared: Arc<Shared>,
    opened: Opened,
    contexts: Vec<Context>,
    close_when_empty: bool,
    over: bool,
}

impl Socket {
    pub(super) fn new(shared: Arc<Shared>, opened: Opened) -> Self {
        Self { shared, opened, contexts: Vec::new(), close_when_empty: false, over: false }
    }

    /// Takes a message.
    ///
    /// # Errors
    /// The error and its message; the socket is closed with 1008 after it.
    fn take(
        &mut self,
        message: &Map<String, Value>,
        now_ms: u64,
        record: &Record,
    ) -> Result<(), (&'static str, String)> {
        let flag = |name: &str| match message.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| ("invalid_message", format!("{name} is true or false"))),
        };
        if flag("close_socket")? {
            record.note("close_socket", self.contexts.len().to_string());
            self.close_when_empty = true;
            return Ok(());
        }
        let id = match message.get("context_id") {
            None | Some(Value::Null) => USUAL_CONTEXT,
            Some(id) => id.as_str().ok_or(("invalid_message", "context_id is a string".to_owned()))?,
        };
        let (flush, close) = (flag("flush")?, flag("close_context")?);
        let place = match message.get("text") {
            None | Some(Value::Null) => self.find(id),
            Some(text) => {
                let text = text.as_str().ok_or(("invalid_message", "text is a string".to_owned()))?;
                Some(self.say(id, text, message, now_ms, record)?)
            }
        };
        let Some(place) = place else {
            record.warn(format!(
                "a message for a context that is not open: {}",
                if close { "close_context" } else { "flush" }
            ));
            return Ok(());
        };
        let latency_ms = self.shared.latencies.roll(Step::Tts);
        let context = &mut self.contexts[place];
        context.last_input_ms = now_ms;
        if flush || flag("try_trigger_generation")? {
            record.note("flush", id);
            context.flush(now_ms, latency_ms);
        }
        if close {
            record.note("close_context", id);
            context.close();
        }
        Ok(())
    }

    fn find(&self, id: &str) -> Option<usize> {
        self.contexts.iter().position(|context| context.id == id)
    }

    /// Takes a text; where its context is.
    fn say(
        &mut self,
        id: &str,
        text: &str,
        message: &Map<String, Value>,
        now_ms: u64,
        record: &Record,
    ) -> Result<usize, (&'static str, String)> {
        let open = self.find(id).filter(|place| !self.contexts[*place].closing);
        if let (Some(place), "") = (open, text) {
            record.note("keep_alive", id);
            return Ok(place);
        }
        if text.is_empty() {
            return Err(("invalid_message", "the first message of a context has a text".to_owned()));
        }
        let settings = message.contains_key("voice_settings") || message.contains_key("generation_config");
        let place = match open {
            Some(_) if settings => {
                return Err(("invalid_message", "settings can only be set in the first message".to_owned()));
            }
            Some(place) => place,
            None => self.begin(id, message, now_ms, record)?,
        };
        if !text.ends_with(' ') {
            record.warn("a text does not end with a space");
        }
        let longest = longest_text(&self.opened.model).unwrap_or_default();
        let latency_ms = self.shared.latencies.roll(Step::Tts);
        let (context, auto_mode) = (&mut self.contexts[place], self.opened.output.auto_mode);
        if context.characters + text.chars().count() > longest {
            return Err(("max_character_limit_exceeded", "The text is too long.".to_owned()));
        }
        record.note("text", format!("{id}: {} characters", text.chars().count()));
        context.add(text, auto_mode, now_ms, latency_ms);
        Ok(place)
    }

    /// Opens a context.
    fn begin(
        &mut self,
        id: &str,
        message: &Map<String, Value>,
        now_ms: u64,
        record: &Record,
    ) -> Result<usize, (&'static str, String)> {
        let most = self.shared.script.limits.elevenlabs_contexts;
        if self.contexts.len() >= most {
            let text = format!(
                "Maximum simultaneous contexts per WebSocket connection exceeded ({most}). Please close an existing context before opening a new one."
            );
            return Err(("max_active_conversations", text));
        }
        check_settings(message.get("voice_settings"))
            .map_err(|(name, why)| ("invalid_message", format!("{name}: {why}")))?;
        let schedule = schedule(message.get("generation_config"))?;
        record.note("context", id);
        self.contexts.push(Context::new(id.to_owned(), schedule, now_ms));
        Ok(self.contexts.len() - 1)
    }
}

fn schedule(config: Option<&Value>) -> Result<Vec<usize>, (&'static str, String)> {
    let Some(entries) = config.and_then(|config| config.get("chunk_length_schedule")) else {
        return Ok(USUAL_SCHEDULE.to_vec());
    };
    let entry = |entry: &Value| {
        entry.as_u64().filter(|length| (50..=500).contains(length)).and_then(|length| usize::try_from(length).ok())
    };
    let entries: Option<Vec<usize>> =
        entries.as_array().map(|entries| entries.iter().map(entry).collect()).unwrap_or_default();
    entries
        .filter(|entries| !entries.is_empty())
        .ok_or_else(|| ("invalid_message", "chunk_length_schedule has entries from 50 to 500".to_owned()))
}

impl Protocol for Socket {
    fn service(&self) -> Service {
        Service::ElevenLabs
    }

    fn model(&self) -> Option<&str> {
        Some(&self.opened.model)
    }

    fn handle(&mut self, incoming: Incoming<'_>, now_ms: u64, record: &Record, out: &mut Outbox) {
        if self.over {
            return;
        }
        let object = match incoming {
            Incoming::Text(text) => serde_json::from_str::<Value>(text).ok(),
            Incoming::Binary(_) => None,
        };
        let taken = match &object {
            Some(Value::Object(message)) => {
                for unknown in message.keys().filter(|key| !FIELDS.contains(&key.as_str())) {
                    record.warn(format!("unknown field {unknown:?}"));
                }
                self.take(message, now_ms, record)
            }
            _ => Err(("invalid_message", "the message is no JSON object".to_owned())),
        };
        if let Err((error, message)) = taken {
            record.note("error", format!("{error}: {message}"));
            self.over = true;
            out.push(now_ms, Frame::json("", json!({"message": message, "error": error, "code": 1008})));
            out.push(now_ms, Frame::close(1008, &message.chars().take(100).collect::<String>()));
        }
    }

    fn poll(&mut self, now_ms: u64, record: &Record, out: &mut Outbox) {
        let speed = self.shared.script.limits.tts_speed;
        let inactivity_ms = self.opened.inactivity_ms;
        for context in &mut self.contexts {
            for frame in context.poll(now_ms, &self.opened.output, speed) {
                out.push(now_ms, frame);
            }
            if now_ms >= context.last_input_ms + inactivity_ms && !context.closing {
                record.note("inactive", context.id.as_str());
                context.close();
            }
            if context.closing && context.is_idle() {
                record.note("context_done", context.id.as_str());
                out.push(now_ms, context.last());
            }
        }
        self.contexts.retain(|context| !(context.closing && context.is_idle()));
        if self.close_when_empty && self.contexts.is_empty() && !self.over {
            self.over = true;
            out.push(now_ms, Frame::close(1000, ""));
        }
    }

    fn poll_at_ms(&self) -> Option<u64> {
        let inactive =
            |context: &Context| (!context.closing).then_some(context.last_input_ms + self.opened.inactivity_ms);
        let done = |context: &Context| (context.closing && context.is_idle()).then_some(0);
        let contexts =
            self.contexts.iter().flat_map(|context| [context.poll_at_ms(), inactive(context), done(context)]);
        let empty = (self.close_when_empty && self.contexts.is_empty() && !self.over).then_some(0);
        contexts.chain([empty]).flatten().min()
    }

    fn refusal(&self, unit: &str, kind: FaultKind) -> Vec<Frame> {
        let (status, _) = kind.status().unwrap_or((500, None));
        let (error, message) = super::error_of(status);
        let body = json!({"message": message, "error": error, "code": 1008, "contextId": unit});
        vec![Frame::json(unit, body), Frame::close(1008, message)]
    }

    fn distort(&self, mut frame: Frame, kind: FaultKind) -> Option<Frame> {
        if kind == FaultKind::Empty && frame.useful {
            return None;
        }
        let encoding = self.opened.output.encoding;
        if let Body::Json(message) = &mut frame.body
            && let Some(audio) = message["audio"].as_str()
        {
            let other = match kind {
                FaultKind::WrongAudio => speech::replaced(audio, speech::wrong_audio),
                _ => speech::replaced(audio, |length| speech::silence(encoding, length)),
            };
            message["audio"] = Value::from(other);
        }
        Some(frame)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
