//! Cartesia's messages: what is sent in a context, and what comes back. The format is that of the TTS WebSocket, version
//! 2026-03-01; the plain errors of the versions before are understood as well, and what is unknown is ignored.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use crate::audio::format::AudioFormat;
use crate::tts::refusal;

/// With padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// No word is believed to end later than this, in milliseconds.
const MAX_MS: f64 = 86_400_000.0;

/// Who speaks, and how. The same for all that is sent in a context.
#[derive(Debug, Clone, PartialEq)]
pub struct Speaker {
    /// The model, like `sonic-3`.
    pub model: String,
    /// The voice's id.
    pub voice_id: String,
    /// The language's code, like `en`.
    pub language: String,
    /// The pace, 0.6 to 1.5; none is the voice's own.
    pub speed: Option<f64>,
}

/// What is asked for in a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask<'a> {
    /// This is to be spoken next, as it is written: transcripts of a context are joined without a space.
    Speak(&'a str),
    /// What was asked for so far is to be spoken to its end; [`ServerMessage::FlushDone`] says when.
    Flush,
    /// Nothing follows.
    End,
}

/// The message that asks for this.
pub fn encode(speaker: &Speaker, context: &str, format: AudioFormat, ask: Ask<'_>) -> String {
    let (transcript, goes_on, flush) = match ask {
        Ask::Speak(text) => (text, true, false),
        Ask::Flush => ("", true, true),
        Ask::End => ("", false, false),
    };
    let encoding = match format {
        AudioFormat::Pcm16k | AudioFormat::Pcm24k => "pcm_s16le",
        AudioFormat::Mulaw8k => "pcm_mulaw",
    };
    let mut message = json!({
        "model_id": speaker.model,
        "transcript": transcript,
        "voice": {"mode": "id", "id": speaker.voice_id},
        "language": speaker.language,
        "context_id": context,
        "output_format": {"container": "raw", "encoding": encoding, "sample_rate": format.sample_rate_hz()},
        "continue": goes_on,
        // Sentences come whole: nothing is gained by waiting for more.
        "max_buffer_delay_ms": 0,
        "add_timestamps": true,
    });
    if flush {
        message["flush"] = json!(true);
    }
    if let Some(speed) = speaker.speed {
        message["generation_config"] = json!({"speed": speed});
    }
    message.to_string()
}

/// The message that takes back what was asked for in a context.
pub fn encode_cancel(context: &str) -> String {
    json!({"context_id": context, "cancel": true}).to_string()
}

/// When a word sounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedWord {
    /// The word, as the voice read it.
    pub word: String,
    /// Until when, in milliseconds from the start of the context's audio.
    pub end_ms: u64,
}

/// What the server says of a context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The next audio.
    Audio {
        /// In the format that was asked for, cut anywhere.
        audio: Bytes,
        /// Which flush of the context it belongs to.
        flush_id: Option<u64>,
        /// Nothing follows in this context.
        done: bool,
    },
    /// When the next words sound.
    Words(Vec<NamedWord>),
    /// All that was asked for before the flush was spoken.
    FlushDone {
        /// Which flush.
        flush_id: Option<u64>,
    },
    /// Nothing follows in this context.
    Done,
    /// The context failed, and is over.
    Failed(ProviderFailure),
}

/// A message of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerMessage {
    /// It concerns a context.
    Context {
        /// The context's id.
        context: String,
        /// What is said of it.
        said: Said,
    },
    /// The socket as a whole failed.
    Failed(ProviderFailure),
    /// Of no concern: phonemes, and whatever later versions add.
    Ignored,
}

/// Decodes a text message of the server.
///
/// # Errors
/// [`ProviderErrorKind::Protocol`] when it is no JSON object: then nobody knows what it was, or whose.
pub fn decode(text: &str) -> Result<ServerMessage, ProviderFailure> {
    let message: Map<String, Value> =
        serde_json::from_str(text).map_err(|_| ProviderFailure::from(ProviderErrorKind::Protocol))?;
    let kind = message.get("type").and_then(Value::as_str);
    let is_error = kind == Some("error") || (kind.is_none() && (has(&message, "error") || has(&message, "error_code")));
    let context = message.get("context_id").and_then(Value::as_str).filter(|context| !context.is_empty());
    if is_error {
        let failure = failure(&message);
        return Ok(match context {
            Some(context) => ServerMessage::Context { context: context.to_owned(), said: Said::Failed(failure) },
            None => ServerMessage::Failed(failure),
        });
    }
    let said = match kind {
        Some("chunk") => audio(&message),
        Some("timestamps") => Said::Words(words(&message)),
        Some("flush_done") => Said::FlushDone { flush_id: flush_id(&message) },
        Some("done") => Said::Done,
        _ => return Ok(ServerMessage::Ignored),
    };
    Ok(context.map_or(ServerMessage::Ignored, |context| ServerMessage::Context { context: context.to_owned(), said }))
}

fn has(message: &Map<String, Value>, field: &str) -> bool {
    message.get(field).is_some_and(|value| !value.is_null())
}

fn flush_id(message: &Map<String, Value>) -> Option<u64> {
    message.get("flush_id").and_then(Value::as_u64)
}

fn audio(message: &Map<String, Value>) -> Said {
    let data = match message.get("data") {
        Some(Value::String(data)) => BASE64.decode(data).ok(),
        Some(Value::Null) | None => Some(Vec::new()),
        Some(_) => None,
    };
    match data {
        Some(audio) => Said::Audio {
            audio: audio.into(),
            flush_id: flush_id(message),
            done: message.get("done").and_then(Value::as_bool).unwrap_or(false),
        },
        None => Said::Failed(ProviderErrorKind::Protocol.into()),
    }
}

/// The words that have an end; the lists may differ in length.
fn words(message: &Map<String, Value>) -> Vec<NamedWord> {
    let list = |field: &str| {
        let list =
            message.get("word_timestamps").and_then(|timestamps| timestamps.get(field)).and_then(Value::as_array);
        list.map_or(&[][..], Vec::as_slice)
    };
    let named = |(word, end): (&Value, &Value)| {
        let (word, end_s) = (word.as_str()?, end.as_f64()?);
        // The cast is of at most a day.
        Some(NamedWord { word: word.to_owned(), end_ms: (end_s * 1_000.0).round().clamp(0.0, MAX_MS) as u64 })
    };
    list("words").iter().zip(list("end")).filter_map(named).collect()
}

/// What an error message says: `error_code` of the present versions, `status_code` of all.
fn failure(message: &Map<String, Value>) -> ProviderFailure {
    let code = message.get("error_code").and_then(Value::as_str);
    let status = message.get("status_code").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
    // It refused, and does not say why.
    refusal::failure(status.unwrap_or(503), code, None)
}

/// What a refused handshake means: its body is the structured error of the present versions, or plain text.
pub fn refused(status: u16, body: &[u8], retry_after_ms: Option<u64>) -> ProviderFailure {
    let body = serde_json::from_slice::<Map<String, Value>>(body).unwrap_or_default();
    refusal::failure(status, body.get("error_code").and_then(Value::as_str), retry_after_ms)
}
