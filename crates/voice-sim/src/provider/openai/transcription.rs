//! `/v1/audio/transcriptions`: the words in a WAV file.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Response};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::multipart::{self, Part};
use super::{Problem, check_access, fault_problem, headed, open};
use crate::provider::code::{Ear, HeardWord};
use crate::provider::fault::{FaultKind, Now};
use crate::provider::journal::{End, Record};
use crate::provider::latency::Step;
use crate::provider::net::Wire;
use crate::provider::pcm::parse_wav;
use crate::provider::service::Service;
use crate::provider::shared::{Shared, header};

/// The limit of the service, in bytes.
const LARGEST_FILE: usize = 25 * 1024 * 1024;
/// Shorter audio is refused, in ms.
const SHORTEST_MS: u64 = 100;
const EXTENSIONS: [&str; 9] = ["flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm"];
const PARTS: [&str; 11] = [
    "file",
    "model",
    "language",
    "prompt",
    "response_format",
    "temperature",
    "timestamp_granularities[]",
    "include[]",
    "chunking_strategy",
    "stream",
    "keywords",
];

/// How the answer is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Text,
    Verbose,
}

/// A request that was understood.
struct Asked {
    model: String,
    format: Format,
    pcm: Vec<i16>,
    rate: u32,
}

pub(super) async fn transcribe(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let (record, key) = open(&shared, Service::Whisper, "POST", "/v1/audio/transcriptions", &wire, &headers);
    record.received(body.len(), true);
    let kind = header(&headers, "content-type").unwrap_or_default();
    let parts = multipart::parse(kind, &body);
    let model = parts.iter().flatten().find(|part| part.name == "model").map(|part| part.text().to_owned());
    note(&record, &parts);
    if let Err(kind) = shared.connect(Service::Whisper, model.as_deref(), &wire, &record).await {
        return fault_problem(kind).response(&record);
    }
    let asked = check_access(key).and_then(|()| {
        let parts = parts.map_err(|error| Problem::invalid(&error, None))?;
        check(&parts, &shared.script.models)
    });
    match asked {
        Ok(asked) => answer(&shared, &asked, &wire, &record).await,
        Err(problem) => problem.response(&record),
    }
}

/// Keeps the small parts in the journal.
fn note(record: &Record, parts: &Result<Vec<Part<'_>>, String>) {
    let small = parts.iter().flatten().map(|part| {
        let value = if part.name == "file" { format!("{} bytes", part.body.len()) } else { part.text().to_owned() };
        (part.name.to_owned(), Value::from(value))
    });
    let small: serde_json::Map<String, Value> = small.collect();
    if let Some(model) = small.get("model").and_then(Value::as_str) {
        record.model(model);
    }
    record.request(&Value::Object(small));
}

fn check(parts: &[Part<'_>], models: &[String]) -> Result<Asked, Problem> {
    if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(&part.name)) {
        return Err(Problem::unknown(unknown.name));
    }
    let text = |name: &str| parts.iter().find(|part| part.name == name).map(Part::text);
    let model = text("model").ok_or_else(|| Problem::invalid("you must provide a model parameter", Some("model")))?;
    if !models.iter().any(|known| known == model) || !(model.starts_with("whisper") || model.contains("transcribe")) {
        return Err(Problem::model_not_found(model));
    }
    let is_whisper = model.starts_with("whisper");
    let format = match text("response_format").unwrap_or("json") {
        "json" => Format::Json,
        "text" if is_whisper => Format::Text,
        "verbose_json" if is_whisper => Format::Verbose,
        "srt" | "vtt" if is_whisper => {
            return Err(Problem::invalid("srt and vtt are not simulated", Some("response_format")));
        }
        _ => {
            let message = format!("response_format is not compatible with model '{model}'. Use 'json' instead.");
            return Err(Problem {
                code: Some("unsupported_value"),
                ..Problem::invalid(&message, Some("response_format"))
            });
        }
    };
    if text("timestamp_granularities[]").is_some() && format != Format::Verbose {
        return Err(Problem::invalid(
            "timestamp granularities require response_format=verbose_json",
            Some("timestamp_granularities"),
        ));
    }
    if text("language").is_some_and(|code| code.len() != 2 || !code.chars().all(|c| c.is_ascii_lowercase())) {
        return Err(Problem::invalid("Language parameter must be specified in ISO-639-1 format.", Some("language")));
    }
    if text("stream") == Some("true") && !is_whisper {
        return Err(Problem::invalid("streamed transcription is not simulated", Some("stream")));
    }
    let (pcm, rate) = file(parts)?;
    Ok(Asked { model: model.to_owned(), format, pcm, rate })
}

fn file(parts: &[Part<'_>]) -> Result<(Vec<i16>, u32), Problem> {
    let refuse = |message: &str| Problem::invalid(message, Some("file"));
    let file =
        parts.iter().find(|part| part.name == "file").ok_or_else(|| refuse("you must provide a file parameter"))?;
    let extension = file.filename.and_then(|name| name.rsplit_once('.')).map(|(_, extension)| extension.to_lowercase());
    let extension = extension.filter(|extension| EXTENSIONS.contains(&extension.as_str()));
    let Some(extension) = extension else {
        return Err(refuse(&format!("Unrecognized file format. Supported formats: {EXTENSIONS:?}")));
    };
    if file.content_type.is_none() {
        return Err(refuse("the file has no content type"));
    }
    if file.body.len() > LARGEST_FILE {
        return Err(Problem::new(
            413,
            "invalid_request_error",
            None,
            "Maximum content size limit (26214400) exceeded.",
        ));
    }
    if extension != "wav" {
        return Err(refuse("only WAV files are simulated"));
    }
    let (pcm, rate) =
        parse_wav(file.body).map_err(|error| refuse(&format!("The audio file could not be decoded: {error}")))?;
    if pcm.len() as u64 * 1_000 < SHORTEST_MS * u64::from(rate) {
        let message = "Audio file is too short. Minimum audio length is 0.1 seconds.";
        return Err(Problem { code: Some("audio_too_short"), ..refuse(message) });
    }
    Ok((pcm, rate))
}

async fn answer(shared: &Shared, asked: &Asked, wire: &Wire, record: &Record) -> Response<Body> {
    let mut ear = Ear::new(asked.rate);
    ear.handle_audio(&asked.pcm);
    let mut words = ear.finish(&shared.vocabulary);
    record.heard(&words);
    sleep(Duration::from_millis(shared.latencies.roll(Step::Stt))).await;
    let fault = shared.faults.take(Service::Whisper, Some(&asked.model), Now::Open(0));
    match fault {
        None => {}
        Some(FaultKind::Hang) => shared.hang(wire, record, "hang@start").await,
        Some(FaultKind::Cut) => shared.leave(wire, record, FaultKind::Cut).await,
        Some(FaultKind::Empty | FaultKind::Spaces) => words.clear(),
        Some(FaultKind::Dribble) => sleep(Duration::from_secs(15)).await,
        Some(kind) if kind.status().is_some() => return fault_problem(kind).response(record),
        Some(_) => {}
    }
    if let Some(kind) = fault {
        record.note("fault", format!("{kind}@start"));
    }
    record.status(200);
    let (mut body, kind) = render(shared, asked, &words);
    match fault {
        Some(FaultKind::Malformed | FaultKind::WrongAudio) => body.truncate(body.len() / 2),
        Some(FaultKind::Unknown) if body.starts_with('{') => body.insert_str(1, "\"x_new_field\":{\"a\":[1]},"),
        _ => {}
    }
    record.sent(body.len(), true);
    record.end(End::Done);
    let mut response = headed(Response::new(Body::from(body)), record);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Words with a capital and a full stop.
fn sentence(words: &[String]) -> String {
    let text = words.join(" ");
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).chain(['.']).collect())
}

fn render(shared: &Shared, asked: &Asked, words: &[HeardWord]) -> (String, &'static str) {
    let written: Vec<String> = words.iter().map(|word| shared.vocabulary.write(word.code)).collect();
    let text = sentence(&written);
    let samples = asked.pcm.len() as u64;
    let seconds = samples as f64 / f64::from(asked.rate);
    let usage = if asked.model.starts_with("whisper") {
        json!({"type": "duration", "seconds": samples.div_ceil(u64::from(asked.rate))})
    } else {
        // Ten tokens for a second of audio, one for four characters of text.
        let (heard, said) = ((samples * 10).div_ceil(u64::from(asked.rate)), text.chars().count().div_ceil(4) as u64);
        let details = json!({"audio_tokens": heard, "text_tokens": 0});
        json!({"type": "tokens", "input_tokens": heard, "output_tokens": said, "total_tokens": heard + said, "input_token_details": details})
    };
    match asked.format {
        Format::Text => (format!("{text}\n"), "text/plain; charset=utf-8"),
        Format::Json => (json!({"text": text, "usage": usage}).to_string(), "application/json"),
        Format::Verbose => {
            let no_speech = if words.is_empty() { 0.95 } else { 0.01 };
            let segment = json!({
                "id": 0, "seek": 0, "start": 0.0, "end": seconds, "text": format!(" {text}"), "tokens": [], "temperature": 0.0,
                "avg_logprob": if words.is_empty() { -1.5 } else { -0.1 }, "compression_ratio": 1.0, "no_speech_prob": no_speech,
            });
            let words: Vec<Value> = words
                .iter()
                .zip(&written)
                .map(|(heard, word)| {
                    let (start, end) =
                        (heard.start_ms as f64 / 1_000.0, (heard.start_ms + heard.duration_ms) as f64 / 1_000.0);
                    json!({"word": word, "start": start, "end": end})
                })
                .collect();
            let whole = json!({
                "task": "transcribe", "language": "english", "duration": seconds, "text": text, "segments": [segment], "words": words,
                "usage": usage,
            });
            (whole.to_string(), "application/json")
        }
    }
}
