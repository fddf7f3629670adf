//! `/stream` and `/stream/with-timestamps`.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response};
use serde_json::{Value, json};

use super::format::{check_settings, longest_text, output_format};
use super::{Busy, error_of, refuse};
use crate::provider::code::Voice;
use crate::provider::fault::{FaultKind, Now};
use crate::provider::flow::{self, Piece, Source};
use crate::provider::journal::{End, Record};
use crate::provider::latency::Step;
use crate::provider::net::Wire;
use crate::provider::pcm::Encoding;
use crate::provider::service::Service;
use crate::provider::shared::{Shared, json_response, with_header};
use crate::provider::speech::{self, Spoken, pieces};

const PARAMETERS: [&str; 3] = ["output_format", "enable_logging", "optimize_streaming_latency"];
const FIELDS: [&str; 16] = [
    "text",
    "model_id",
    "language_code",
    "voice_settings",
    "pronunciation_dictionary_locators",
    "seed",
    "previous_text",
    "next_text",
    "previous_request_ids",
    "next_request_ids",
    "use_pvc_as_ivc",
    "apply_text_normalization",
    "apply_language_text_normalization",
    "hcaptcha_token",
    "generation_config",
    "speed",
];

/// A request that was understood.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    pub(super) text: String,
    pub(super) model: String,
    encoding: Encoding,
    rate: u32,
    pub(super) warnings: Vec<String>,
}

/// Why a request is refused: a status with a code, or the list of a 422.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Refusal {
    Coded(u16, &'static str, String),
    Invalid(String, &'static str),
}

/// Reads a request.
pub(super) fn check(query: &[(String, String)], body: &Value) -> Result<Asked, Refusal> {
    let object =
        body.as_object().ok_or_else(|| Refusal::Invalid("body".to_owned(), "Input should be a valid dictionary"))?;
    let format =
        query.iter().find(|(name, _)| name == "output_format").map_or("mp3_44100_128", |(_, value)| value.as_str());
    let text = match object.get("text") {
        None => return Err(Refusal::Invalid("text".to_owned(), "Field required")),
        Some(text) => {
            text.as_str().ok_or_else(|| Refusal::Invalid("text".to_owned(), "Input should be a valid string"))?
        }
    };
    let model = match object.get("model_id") {
        None | Some(Value::Null) => "eleven_multilingual_v2",
        Some(model) => {
            model.as_str().ok_or_else(|| Refusal::Invalid("model_id".to_owned(), "Input should be a valid string"))?
        }
    };
    check_settings(object.get("voice_settings")).map_err(|(name, why)| Refusal::Invalid(name.to_owned(), why))?;
    let longest = longest_text(model).map_err(|message| Refusal::Coded(400, "model_not_found", message))?;
    let (encoding, rate) =
        output_format(format).map_err(|message| Refusal::Coded(400, "invalid_output_format", message))?;
    if text.chars().count() > longest {
        return Err(Refusal::Coded(400, "max_character_limit_exceeded", "The text is too long.".to_owned()));
    }
    if text.trim().is_empty() {
        return Err(Refusal::Coded(400, "input_text_empty", "The text is empty.".to_owned()));
    }
    let fields =
        object.keys().filter(|key| !FIELDS.contains(&key.as_str())).map(|key| format!("unknown field {key:?}"));
    let parameters = query.iter().filter(|(name, _)| !PARAMETERS.contains(&name.as_str()));
    let warnings = fields.chain(parameters.map(|(name, _)| format!("unknown query parameter {name}"))).collect();
    Ok(Asked { text: text.to_owned(), model: model.to_owned(), encoding, rate, warnings })
}

/// Audio, word by word; with alignment as lines of JSON.
struct Speech {
    asked: Asked,
    with_timestamps: bool,
    words: VecDeque<Spoken>,
    first_ms: Option<u64>,
    speed: u64,
    start_ms: u64,
    last_span_ms: u64,
    /// Kept as long as the answer lasts.
    _busy: Busy,
}

/// Streams the answer.
pub(super) async fn answer(
    shared: Arc<Shared>,
    asked: Asked,
    with_timestamps: bool,
    wire: &Wire,
    record: Record,
    busy: Busy,
) -> Response<Body> {
    // The only error that a stream of audio can tell is one in its head: 200, and JSON.
    if let Some(kind) = shared.faults.take(Service::ElevenLabs, Some(&asked.model), Now::Open(0)) {
        record.note("fault", format!("{kind}@start"));
        match kind {
            FaultKind::Cut => shared.leave(wire, &record, kind).await,
            kind if kind.status().is_some() => {
                let (status, _) = kind.status().unwrap_or((500, None));
                let (code, message) = error_of(status);
                record.status(200);
                record.end(End::Fault(kind.to_string()));
                return json_response(
                    200,
                    &json!({"detail": {"type": code, "code": code, "message": message, "status": code}}),
                );
            }
            kind => return stream(shared, asked, with_timestamps, record, busy, Some(kind)),
        }
        return refuse(500, "internal_error", "The server failed.", &record);
    }
    stream(shared, asked, with_timestamps, record, busy, None)
}

fn stream(
    shared: Arc<Shared>,
    asked: Asked,
    with_timestamps: bool,
    record: Record,
    busy: Busy,
    fault: Option<FaultKind>,
) -> Response<Body> {
    record.status(200);
    let kind = match (with_timestamps, asked.encoding) {
        (true, _) => "application/json",
        (false, Encoding::Mulaw | Encoding::Alaw) => "audio/basic",
        (false, _) => "audio/pcm",
    };
    let head = with_header(Response::new(Body::empty()), "request-id", &super::trace_id(&record));
    let mut response = with_header(head, "character-cost", &asked.text.chars().count().to_string());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    let (first_ms, speed) = (Some(shared.latencies.roll(Step::Tts)), shared.script.limits.tts_speed);
    let words = pieces(&asked.text).into_iter().filter(|piece| piece.code.is_some()).collect();
    let speech = Speech { asked, with_timestamps, words, first_ms, speed, start_ms: 0, last_span_ms: 0, _busy: busy };
    response.map(|_| flow::body_under(shared, record, speech, fault))
}

impl Source for Speech {
    fn service(&self) -> Service {
        Service::ElevenLabs
    }

    fn model(&self) -> Option<&str> {
        Some(&self.asked.model)
    }

    fn next(&mut self) -> Option<Piece> {
        let word = self.words.pop_front()?;
        let span_ms = word.length_ms(Voice::ElevenLabs);
        let gap_ms = self.first_ms.take().unwrap_or(self.last_span_ms / self.speed.max(1));
        let audio = self.asked.encoding.encode(&word.audio(Voice::ElevenLabs, self.asked.rate));
        let bytes = if self.with_timestamps { self.line(&word, &audio) } else { audio };
        self.start_ms += span_ms;
        self.last_span_ms = span_ms;
        Some(Piece { bytes, useful: true, gap_ms, span_ms })
    }

    fn refusal(&self, kind: FaultKind) -> Piece {
        let (code, message) = error_of(kind.status().map_or(500, |(status, _)| status));
        let bytes = json!({"detail": {"type": code, "code": code, "message": message}}).to_string().into_bytes();
        Piece { bytes, ..Piece::default() }
    }

    fn distort(&self, mut piece: Piece, kind: FaultKind) -> Option<Piece> {
        let encoding = self.asked.encoding;
        let other = |length: usize| match kind {
            FaultKind::WrongAudio => speech::wrong_audio(length),
            _ => speech::silence(encoding, length),
        };
        match (kind, self.with_timestamps) {
            (FaultKind::Empty, _) => return None,
            (FaultKind::Malformed, _) => piece.bytes.truncate((piece.bytes.len() / 2) | 1),
            (FaultKind::Unknown, false) => {}
            (_, false) => piece.bytes = other(piece.bytes.len()),
            (_, true) => {
                let mut line: Value = serde_json::from_slice(&piece.bytes).unwrap_or_default();
                if kind == FaultKind::Unknown {
                    line["x_new_field"] = json!([1, null]);
                } else {
                    line["audio_base64"] =
                        Value::from(speech::replaced(line["audio_base64"].as_str().unwrap_or_default(), other));
                }
                piece.bytes = format!("{line}\n").into_bytes();
            }
        }
        Some(piece)
    }

    fn filler(&self) -> Option<Piece> {
        None
    }
}

impl Speech {
    fn line(&self, word: &Spoken, audio: &[u8]) -> Vec<u8> {
        let characters = word.characters(Voice::ElevenLabs, self.start_ms);
        let seconds = |ms: u64| ms as f64 / 1_000.0;
        let chars: Vec<String> = characters.iter().map(|(c, ..)| c.to_string()).collect();
        let starts: Vec<f64> = characters.iter().map(|(_, start, _)| seconds(*start)).collect();
        let ends: Vec<f64> = characters.iter().map(|(_, start, length)| seconds(start + length)).collect();
        let alignment = json!({
            "characters": chars, "character_start_times_seconds": starts, "character_end_times_seconds": ends,
        });
        let line =
            json!({"audio_base64": speech::base64(audio), "alignment": alignment, "normalized_alignment": alignment});
        format!("{line}\n").into_bytes()
    }
}
