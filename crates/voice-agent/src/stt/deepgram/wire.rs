//! The wire format of Deepgram's `/v1/listen`: pure encode and decode.
//!
//! Format: Deepgram's streaming reference (Nova). Fields and messages that are not named here are ignored: some are added
//! without a new version.

use reqwest::Url;
use serde::{Deserialize, Deserializer};
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use super::DeepgramConfig;
use super::refusal;
use super::terms::key_terms;
use crate::audio::format::AudioFormat;

/// Keeps the connection open while there is no audio. There is no reply.
pub const KEEP_ALIVE: &str = r#"{"type":"KeepAlive"}"#;
/// Asks for what is not final yet; the reply has `from_finalize`, if it comes.
pub const FINALIZE: &str = r#"{"type":"Finalize"}"#;
/// No more audio comes: the rest is transcribed, `Metadata` follows, and the server closes.
pub const CLOSE_STREAM: &str = r#"{"type":"CloseStream"}"#;

/// The base URL is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BaseUrlError {
    /// Not a URL with a host.
    #[error("is not a URL like https://api.deepgram.com")]
    NotAUrl,
    /// Neither `http(s)` nor `ws(s)`.
    #[error("must begin with https://, http://, wss:// or ws://")]
    Scheme,
}

/// Where to listen: the base URL (a host, perhaps with the path of a proxy), and `/v1/listen`.
///
/// # Errors
/// [`BaseUrlError`].
pub fn listen_url(base_url: &str) -> Result<Url, BaseUrlError> {
    let mut url = Url::parse(base_url.trim()).map_err(|_| BaseUrlError::NotAUrl)?;
    let scheme = match url.scheme() {
        "https" | "wss" => "wss",
        "http" | "ws" => "ws",
        _ => return Err(BaseUrlError::Scheme),
    };
    url.set_scheme(scheme).map_err(|()| BaseUrlError::Scheme)?;
    url.set_fragment(None);
    url.set_query(None);
    let path = format!("{}/v1/listen", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

/// The URL of a connection for audio in this format. It holds titles: it belongs into no log and no error.
pub(super) fn connection_url(listen: &Url, config: &DeepgramConfig, format: AudioFormat, titles: &[String]) -> String {
    let mut url = listen.clone();
    let word = |flag: bool| if flag { "true" } else { "false" };
    let encoding = match format {
        AudioFormat::Pcm16k | AudioFormat::Pcm24k => "linear16",
        AudioFormat::Mulaw8k => "mulaw",
    };
    let endpointing = match config.endpointing_ms {
        0 => "false".to_owned(),
        silence_ms => silence_ms.to_string(),
    };
    let mut query = url.query_pairs_mut();
    query
        .append_pair("model", &config.model)
        .append_pair("language", &config.language)
        .append_pair("encoding", encoding)
        .append_pair("sample_rate", &format.sample_rate_hz().to_string())
        .append_pair("channels", "1")
        .append_pair("interim_results", "true")
        .append_pair("punctuate", word(config.punctuate))
        .append_pair("smart_format", word(config.smart_format))
        .append_pair("numerals", word(config.numerals))
        // Our own VAD says when the caller has paused. What is final by then need not be waited for.
        .append_pair("endpointing", &endpointing)
        .append_pair("no_delay", "true");
    if config.mip_opt_out {
        query.append_pair("mip_opt_out", "true");
    }
    // Older models refuse them.
    if config.model.starts_with("nova-3") {
        for term in key_terms(titles) {
            query.append_pair("keyterm", &term);
        }
    }
    drop(query);
    // A form's `+` is a space only to who decodes forms; a literal plus is `%2B` already.
    let query = url.query().unwrap_or_default().replace('+', "%20");
    url.set_query(Some(&query));
    url.into()
}

/// What the server says.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerMessage {
    /// What it understood of a segment of the audio.
    Results(Results),
    /// The last message after `CloseStream`: so much audio was processed, in milliseconds.
    Metadata {
        /// Milliseconds.
        processed_ms: u64,
    },
    /// It failed.
    Error(ProviderFailure),
    /// Anything else: `SpeechStarted`, `UtteranceEnd`, and what we do not know.
    Other,
}

/// What was understood of a segment of the audio. Times are milliseconds of audio sent on this connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Results {
    /// Where the segment begins.
    pub start_ms: u64,
    /// Where it ends.
    pub end_ms: u64,
    /// The segment is done: the next one begins where it ends. Otherwise the next message replaces this one.
    pub is_final: bool,
    /// It answers `Finalize`.
    pub from_finalize: bool,
    /// The text; empty when nothing is said in it.
    pub transcript: String,
    /// Its words.
    pub words: Vec<Word>,
}

/// A word of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// As it stands in the text, with its punctuation.
    pub text: String,
    /// Where it begins, in milliseconds of audio sent on this connection.
    pub start_ms: u64,
}

/// A message that cannot be read: no JSON, or results that are none. It may have held words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl From<Malformed> for ProviderFailure {
    fn from(_: Malformed) -> Self {
        ProviderErrorKind::Protocol.into()
    }
}

#[derive(Deserialize)]
struct Tagged {
    r#type: String,
}

#[derive(Deserialize)]
struct WireResults {
    #[serde(default, deserialize_with = "or_default")]
    start: f64,
    #[serde(default, deserialize_with = "or_default")]
    duration: f64,
    #[serde(default, deserialize_with = "or_default")]
    is_final: bool,
    #[serde(default, deserialize_with = "or_default")]
    from_finalize: bool,
    channel: WireChannel,
}

#[derive(Deserialize)]
struct WireChannel {
    #[serde(default, deserialize_with = "or_default")]
    alternatives: Vec<WireAlternative>,
}

#[derive(Default, Deserialize)]
struct WireAlternative {
    #[serde(default, deserialize_with = "or_default")]
    transcript: String,
    #[serde(default, deserialize_with = "or_default")]
    words: Vec<WireWord>,
}

#[derive(Deserialize)]
struct WireWord {
    #[serde(default, deserialize_with = "or_default")]
    word: String,
    #[serde(default, deserialize_with = "or_default")]
    punctuated_word: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    start: f64,
}

#[derive(Deserialize)]
struct WireMetadata {
    #[serde(default, deserialize_with = "or_default")]
    duration: f64,
}

#[derive(Deserialize)]
struct WireError {
    #[serde(default, deserialize_with = "or_default")]
    code: String,
    #[serde(default, deserialize_with = "or_default")]
    variant: String,
}

/// A field that is `null` is one that is missing.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Reads a text frame of the server's.
///
/// # Errors
/// [`Malformed`] when it is no JSON, or results or an ending whose fields are of other types than documented.
pub fn decode(text: &str) -> Result<ServerMessage, Malformed> {
    let kind = match serde_json::from_str::<Tagged>(text) {
        Ok(tagged) => tagged.r#type,
        // JSON, but nothing that we know.
        Err(error) if error.is_data() => return Ok(ServerMessage::Other),
        Err(_) => return Err(Malformed),
    };
    match kind.as_str() {
        "Results" => read::<WireResults>(text).map(|results| ServerMessage::Results(results.into())),
        "Metadata" => {
            let metadata: WireMetadata = read(text)?;
            Ok(ServerMessage::Metadata { processed_ms: to_ms(metadata.duration) })
        }
        "Error" => {
            // How it is spelled matters less than that it is one.
            let error = read(text).unwrap_or(WireError { code: String::new(), variant: String::new() });
            Ok(ServerMessage::Error(refusal::stated(&error.code, &error.variant)))
        }
        _ => Ok(ServerMessage::Other),
    }
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Malformed> {
    serde_json::from_str(text).map_err(|_| Malformed)
}

impl From<WireResults> for Results {
    fn from(wire: WireResults) -> Self {
        let best = wire.channel.alternatives.into_iter().next().unwrap_or_default();
        let word = |word: WireWord| Word {
            start_ms: to_ms(word.start),
            text: word.punctuated_word.filter(|text| !text.is_empty()).unwrap_or(word.word),
        };
        Self {
            start_ms: to_ms(wire.start),
            end_ms: to_ms(wire.start + wire.duration.max(0.0)),
            // What answers `Finalize` is final, whatever it says of itself.
            is_final: wire.is_final || wire.from_finalize,
            from_finalize: wire.from_finalize,
            transcript: best.transcript,
            words: best.words.into_iter().map(word).collect(),
        }
    }
}

/// Whole milliseconds of a time in seconds; what is no time is 0.
fn to_ms(seconds: f64) -> u64 {
    // A conversion to an integer saturates, and makes 0 of NaN.
    (seconds * 1_000.0).round() as u64
}

#[cfg(test)]
#[path = "tests/wire.rs"]
mod tests;
