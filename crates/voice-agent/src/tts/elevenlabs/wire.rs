//! ElevenLabs' messages: what is asked for by HTTP, and the lines that come back.
//!
//! `/stream/with-timestamps` answers JSON, a line for each piece of audio, with the times of its characters. Two namings of
//! these are about: seconds from the start of the answer, which this endpoint uses, and milliseconds from the start of the
//! piece, which the WebSockets use. Both are understood; what is unknown is ignored.

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
/// No character is believed to end later than this, in milliseconds.
const MAX_MS: f64 = 86_400_000.0;

/// Who speaks, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Speaker {
    /// The model, like `eleven_flash_v2_5`.
    pub model: String,
    /// The language's code, which only the v2.5 models take; none leaves it to them.
    pub language: Option<String>,
    /// From 0 (lively) to 1 (even).
    pub stability: f64,
    /// How close to the original voice, from 0 to 1.
    pub similarity_boost: f64,
    /// The pace, 0.7 to 1.2; none is the voice's own.
    pub speed: Option<f64>,
}

/// The name of a format in the query.
pub const fn output_format(format: AudioFormat) -> &'static str {
    match format {
        AudioFormat::Pcm16k => "pcm_16000",
        AudioFormat::Pcm24k => "pcm_24000",
        AudioFormat::Mulaw8k => "ulaw_8000",
    }
}

/// The body of a request. `previous` is what was spoken before in the same speech, so that it is spoken in one breath.
pub fn body(speaker: &Speaker, text: &str, previous: &str) -> Value {
    let mut settings = json!({"stability": speaker.stability, "similarity_boost": speaker.similarity_boost});
    if let Some(speed) = speaker.speed {
        settings["speed"] = json!(speed);
    }
    let mut body = json!({"text": text, "model_id": speaker.model, "voice_settings": settings});
    if let Some(language) = &speaker.language {
        body["language_code"] = json!(language);
    }
    if !previous.is_empty() {
        body["previous_text"] = json!(previous);
    }
    body
}

/// A character that was spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The character.
    pub text: String,
    /// Until when it sounds, in milliseconds.
    pub end_ms: u64,
}

/// From when times are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// From the start of the answer's audio.
    Answer,
    /// From the start of this piece's audio.
    Piece,
}

/// The times of characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alignment {
    /// In order.
    pub letters: Vec<Letter>,
    /// From when.
    pub since: Since,
    /// They are the text's own, and not what it was read as.
    pub is_verbatim: bool,
}

/// A line of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A piece.
    Piece {
        /// In the format that was asked for, cut anywhere; may be empty.
        audio: Bytes,
        /// When what sounds.
        alignment: Option<Alignment>,
    },
    /// It failed after it had begun.
    Failed(ProviderFailure),
    /// Of no concern.
    Ignored,
}

/// Decodes a line. Event streams' framing is taken off.
///
/// # Errors
/// [`ProviderErrorKind::Protocol`] when it is no JSON object, or its audio no base64.
pub fn decode(line: &[u8]) -> Result<Line, ProviderFailure> {
    let protocol = ProviderFailure::from(ProviderErrorKind::Protocol);
    let line = line.trim_ascii();
    let is_framing = [&b":"[..], b"event:", b"id:", b"retry:"].iter().any(|field| line.starts_with(field));
    if line.is_empty() || is_framing {
        return Ok(Line::Ignored);
    }
    let json = line.strip_prefix(b"data:").unwrap_or(line);
    let line: Map<String, Value> = serde_json::from_slice(json).map_err(|_| protocol)?;
    if has(&line, "detail") || has(&line, "error") {
        // It had said that all is well.
        return Ok(Line::Failed(refusal::failure(503, code(&line), None)));
    }
    let data = ["audio_base64", "audio"].iter().find_map(|field| line.get(*field).filter(|value| !value.is_null()));
    let alignment = alignment(&line);
    let audio = match data {
        None if alignment.is_none() => return Ok(Line::Ignored),
        None => Vec::new(),
        Some(data) => data.as_str().and_then(|data| BASE64.decode(data).ok()).ok_or(protocol)?,
    };
    Ok(Line::Piece { audio: audio.into(), alignment })
}

fn has(object: &Map<String, Value>, field: &str) -> bool {
    object.get(field).is_some_and(|value| !value.is_null())
}

fn alignment(line: &Map<String, Value>) -> Option<Alignment> {
    let of = |field: &str, is_verbatim| {
        let alignment = line.get(field)?.as_object()?;
        let (letters, since) = seconds(alignment).or_else(|| milliseconds(alignment))?;
        Some(Alignment { letters, since, is_verbatim })
    };
    of("alignment", true).or_else(|| of("normalized_alignment", false)).or_else(|| of("normalizedAlignment", false))
}

fn list<'a>(alignment: &'a Map<String, Value>, field: &str) -> Option<&'a [Value]> {
    Some(alignment.get(field)?.as_array()?.as_slice())
}

fn seconds(alignment: &Map<String, Value>) -> Option<(Vec<Letter>, Since)> {
    let characters = list(alignment, "characters")?;
    let ends = list(alignment, "character_end_times_seconds")?;
    let letter = |(text, end): (&Value, &Value)| letter(text, end.as_f64()? * 1_000.0);
    Some((characters.iter().zip(ends).filter_map(letter).collect(), Since::Answer))
}

fn milliseconds(alignment: &Map<String, Value>) -> Option<(Vec<Letter>, Since)> {
    let characters = list(alignment, "chars")?;
    let starts = list(alignment, "charStartTimesMs")?;
    let durations = list(alignment, "charDurationsMs").or_else(|| list(alignment, "charsDurationsMs"))?;
    let letter =
        |((text, start), duration): ((&Value, &Value), &Value)| letter(text, start.as_f64()? + duration.as_f64()?);
    Some((characters.iter().zip(starts).zip(durations).filter_map(letter).collect(), Since::Piece))
}

fn letter(text: &Value, end_ms: f64) -> Option<Letter> {
    // The cast is of at most a day.
    Some(Letter { text: text.as_str()?.to_owned(), end_ms: end_ms.round().clamp(0.0, MAX_MS) as u64 })
}

/// The code of an error: `detail` is an object with a `code`, or with a `status` that says the same; on 422 it is a list,
/// and elsewhere a plain text, which have none.
fn code(body: &Map<String, Value>) -> Option<&str> {
    let detail = body.get("detail")?;
    let field = |name: &str| detail.get(name).and_then(Value::as_str);
    field("code").or_else(|| field("status"))
}

/// What a refusal means, and whether it is of the endpoint's own making: one without a code may be of somebody in between
/// who does not know the endpoint.
pub fn refused(status: u16, body: &[u8], retry_after_ms: Option<u64>) -> (ProviderFailure, bool) {
    let body = serde_json::from_slice::<Map<String, Value>>(body).unwrap_or_default();
    let code = code(&body);
    (refusal::failure(status, code, retry_after_ms), code.is_some())
}
