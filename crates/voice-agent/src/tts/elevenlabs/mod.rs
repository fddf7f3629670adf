//! The voice of ElevenLabs, over HTTP.
//!
//! A request for each sentence, on connections that are kept open, and not `multi-stream-input`'s WebSocket. Our sentences
//! come whole, and that is what decides:
//!
//! - Every request succeeds or fails by itself, with a status, a code and `Retry-After`. On the shared socket one context too
//!   many (it has five) or one frame at the wrong time closes it for everybody.
//! - Interrupting is dropping the request. A context that is closed late counts against the five, and one that is closed right
//!   after its text ends without audio.
//! - A listener that is slow holds only its own connection up.
//! - `/stream/with-timestamps` times every character from the answer's start.
//!
//! What the socket would spare is the handshake. Connections are kept for the next request, and `warm` opens one before
//! anybody speaks, and again after an interruption, which costs one. What the socket would keep is the breath of a speech:
//! here each sentence is asked for with the text that was spoken before it.

mod memory;
mod reader;
mod speaking;
#[cfg(test)]
mod tests;
mod warm;
pub mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{self, BoxFuture};
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url};
use serde_json::Value;
use tokio::time::timeout;
use voice_core::cost::Quantity;
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use self::memory::Memory;
use self::reader::{Body, Reader};
use self::speaking::Speaking;
use self::warm::Warmth;
use self::wire::Speaker;
use super::endpoint::{self, Scheme};
use super::{SetupError, SpeechKey, Tts, TtsEvent, TtsRequest, is_speakable, refusal};
use crate::audio::format::AudioFormat;
use crate::config::Secret;
use crate::failover::Probed;
use crate::served::Served;

/// The provider's label in metrics and logs.
pub const PROVIDER: &str = "elevenlabs";
/// What a probe has spoken: the least that has a sound.
const PROBE: &str = "Yes.";
/// Longest time of a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of a refusal that are read.
const MAX_REFUSAL_BYTES: usize = 64 * 1024;

/// How ElevenLabs is reached, and who speaks.
#[derive(Debug, Clone, PartialEq)]
pub struct ElevenLabsConfig {
    /// Where it is: `http(s)`, `ws(s)` or a bare host, with a path or without, with `/v1` or without.
    pub base_url: String,
    /// The key.
    pub api_key: Secret,
    /// The model.
    pub model: String,
    /// The voice.
    pub voice_id: String,
    /// The language's code, for the models that take one.
    pub language: Option<String>,
    /// From 0 (lively) to 1 (even).
    pub stability: f64,
    /// How close to the original voice, from 0 to 1.
    pub similarity_boost: f64,
    /// The pace, 0.7 to 1.2; none is the voice's own.
    pub speed: Option<f64>,
    /// Longest time to open a connection.
    pub connect_timeout_ms: u64,
    /// Longest wait for an answer to begin.
    pub answer_timeout_ms: u64,
    /// Longest wait for each further piece of an answer.
    pub gap_timeout_ms: u64,
    /// How often an unused connection is used, so that it stays open. What is not used for four times as long is closed.
    pub keep_warm_ms: u64,
}

impl ElevenLabsConfig {
    /// Everything but the key as it is by default.
    pub fn new(api_key: Secret) -> Self {
        Self {
            base_url: "https://api.elevenlabs.io".to_owned(),
            api_key,
            model: "eleven_flash_v2_5".to_owned(),
            // "Sarah", one of the voices that every account has.
            voice_id: "EXAVITQu4vr4xnSDxMaL".to_owned(),
            language: Some("en".to_owned()),
            stability: 0.5,
            similarity_boost: 0.75,
            speed: None,
            connect_timeout_ms: 5_000,
            answer_timeout_ms: 10_000,
            gap_timeout_ms: 10_000,
            keep_warm_ms: 45_000,
        }
    }
}

/// ElevenLabs' voice, shared by all sessions.
#[derive(Debug)]
pub struct ElevenLabsTts {
    shared: Arc<Shared>,
}

/// What requests share.
#[derive(Debug)]
struct Shared {
    client: Client,
    timed: Url,
    plain: Url,
    key: HeaderValue,
    speaker: Speaker,
    answer_timeout: Duration,
    gap_timeout: Duration,
    memory: Memory,
    /// Whoever is in between does not know the endpoint with timestamps.
    is_plain: AtomicBool,
    warmth: Warmth,
}

/// What is to be spoken.
#[derive(Debug)]
struct Sentence {
    text: String,
    /// What was spoken before in the same speech.
    previous: String,
    /// Whose it is; none when nobody's: a probe.
    speech: Option<SpeechKey>,
    format: AudioFormat,
}

impl ElevenLabsTts {
    /// A voice whose first connection is being opened when this returns. Must be called on the runtime.
    ///
    /// # Errors
    /// [`SetupError`]. That nobody answers is none.
    pub fn new(config: ElevenLabsConfig) -> Result<Self, SetupError> {
        let base = endpoint::base(&config.base_url, Scheme::Http)?;
        let key = endpoint::key_header("", &config.api_key)?;
        let every = Duration::from_millis(config.keep_warm_ms).max(Duration::from_millis(1));
        let client = client(&config, every)?;
        let shared = Shared {
            warmth: Warmth::start(client.clone(), base.clone(), every),
            client,
            timed: speech_url(&base, &config.voice_id, &["stream", "with-timestamps"])?,
            plain: speech_url(&base, &config.voice_id, &["stream"])?,
            key,
            speaker: Speaker {
                model: config.model,
                language: config.language,
                stability: config.stability,
                similarity_boost: config.similarity_boost,
                speed: config.speed,
            },
            answer_timeout: Duration::from_millis(config.answer_timeout_ms),
            gap_timeout: Duration::from_millis(config.gap_timeout_ms),
            memory: Memory::default(),
            is_plain: AtomicBool::new(false),
        };
        Ok(Self { shared: Arc::new(shared) })
    }
}

fn client(config: &ElevenLabsConfig, keep_warm: Duration) -> Result<Client, SetupError> {
    Client::builder()
        .connect_timeout(Duration::from_millis(config.connect_timeout_ms))
        .tcp_nodelay(true)
        // A connection whose other side has gone is noticed before it is used.
        .tcp_keepalive(Duration::from_secs(15))
        .tcp_keepalive_interval(Duration::from_secs(5))
        .tcp_keepalive_retries(2)
        .pool_idle_timeout(keep_warm.saturating_mul(4))
        // The key is for this host and no other.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|_| SetupError::Client)
}

fn speech_url(base: &Url, voice_id: &str, last: &[&str]) -> Result<Url, SetupError> {
    let path = base.path().trim_end_matches('/');
    let mut url = base.clone();
    url.set_path(path.strip_suffix("/v1").unwrap_or(path));
    let mut segments = url.path_segments_mut().map_err(|()| SetupError::BaseUrl("has no path"))?;
    segments.pop_if_empty().extend(["v1", "text-to-speech", voice_id]).extend(last);
    drop(segments);
    Ok(url)
}

impl Shared {
    /// Asks for a text to be spoken. The answer has begun when this returns.
    async fn ask(self: Arc<Self>, sentence: Sentence) -> Result<Speaking, ProviderFailure> {
        let body = wire::body(&self.speaker, sentence.text.trim(), &sentence.previous);
        let is_plain = self.is_plain.load(Ordering::Relaxed);
        let mut using = self.warmth.using();
        let mut response = self.post(is_plain, &body, sentence.format).await?;
        if response.status() != StatusCode::OK {
            let status = response.status();
            let (failure, is_its_own) = refused(response, self.gap_timeout).await;
            let is_unknown = matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) && !is_its_own;
            if is_plain || !is_unknown {
                using.end();
                return Err(failure);
            }
            response = self.post_plain(&body, sentence.format, failure).await?;
        }
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let body = Body::of(content_type.unwrap_or_default());
        let reader = Reader::new(body, &sentence.text, sentence.format);
        Ok(Speaking::new(self, sentence, (response, using), reader))
    }

    /// Somebody in between knows only the endpoint without timestamps, perhaps: then it is that one from now on.
    async fn post_plain(
        &self,
        body: &Value,
        format: AudioFormat,
        failure: ProviderFailure,
    ) -> Result<Response, ProviderFailure> {
        let response = self.post(true, body, format).await?;
        if response.status() != StatusCode::OK {
            return Err(failure);
        }
        if !self.is_plain.swap(true, Ordering::Relaxed) {
            tracing::warn!(provider = PROVIDER, "the endpoint with timestamps is not known there: words are not timed");
        }
        Ok(response)
    }

    /// Posts a request. Nothing is sent twice: a request that was on its way when its connection was closed may have been
    /// spoken, and is charged then; who to ask next is the core's to say. (The client itself asks again only where a kept
    /// connection was closed before the request was on its way.)
    async fn post(&self, is_plain: bool, body: &Value, format: AudioFormat) -> Result<Response, ProviderFailure> {
        let mut url = if is_plain { self.plain.clone() } else { self.timed.clone() };
        url.query_pairs_mut().append_pair("output_format", wire::output_format(format));
        let request = self.client.post(url).header("xi-api-key", self.key.clone()).json(body);
        match timeout(self.answer_timeout, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_timeout() => Err(ProviderErrorKind::Timeout.into()),
            Ok(Err(error)) if error.is_builder() => Err(ProviderErrorKind::BadRequest.into()),
            Ok(Err(_)) => Err(ProviderErrorKind::Disconnected.into()),
            Err(_) => Err(ProviderErrorKind::Timeout.into()),
        }
    }
}

/// What a refusal says. Its body is read, so that the connection can be used again; one that is too long or breaks off says
/// as much as its status.
async fn refused(mut response: Response, gap: Duration) -> (ProviderFailure, bool) {
    let status = response.status().as_u16();
    let retry_after_ms = refusal::retry_after_ms(response.headers(), jiff::Timestamp::now());
    let mut body = Vec::new();
    while let Ok(Ok(Some(piece))) = timeout(gap, response.chunk()).await {
        body.extend_from_slice(&piece);
        if body.len() > MAX_REFUSAL_BYTES {
            break;
        }
    }
    wire::refused(status, &body, retry_after_ms)
}

type Events = BoxStream<'static, Result<TtsEvent, ProviderFailure>>;

impl ElevenLabsTts {
    fn speak(&self, sentence: Sentence) -> Events {
        // Boxed: the future of a request is large.
        let asking = Arc::clone(&self.shared).ask(sentence).boxed();
        let events = asking.map(|answer| match answer {
            Ok(speaking) => speaking.events(),
            Err(failure) => stream::iter([Err(failure)]).boxed(),
        });
        events.flatten_stream().boxed()
    }
}

impl Tts for ElevenLabsTts {
    fn is_timed(&self) -> bool {
        !self.shared.is_plain.load(Ordering::Relaxed)
    }

    fn provider(&self) -> &'static str {
        PROVIDER
    }

    fn model(&self) -> &str {
        &self.shared.speaker.model
    }

    fn synthesize(&self, request: TtsRequest) -> Events {
        if !is_speakable(&request.text) {
            return stream::iter([Ok(TtsEvent::Done { words: Vec::new() })]).boxed();
        }
        let TtsRequest { text, speech, format } = request;
        // Now, and not when the stream is first looked at: the speech may have ended by then.
        let previous = self.shared.memory.begin(speech);
        self.speak(Sentence { text, previous, speech: Some(speech), format })
    }

    fn end_speech(&self, speech: SpeechKey) {
        self.shared.memory.end(speech);
    }

    fn probe(&self) -> BoxFuture<'static, Probed> {
        let (text, format) = (PROBE.to_owned(), AudioFormat::Mulaw8k);
        let mut events = self.speak(Sentence { text, previous: String::new(), speech: None, format });
        let spoken = async move {
            let mut bytes = 0;
            while let Some(event) = events.next().await {
                if let TtsEvent::Audio(audio) = event? {
                    bytes += audio.len();
                }
            }
            Ok(Some(Quantity::AudioMs((bytes / AudioFormat::Mulaw8k.bytes_per_ms()) as u64)))
        };
        async move { timeout(PROBE_TIMEOUT, spoken).await.unwrap_or(Err(ProviderErrorKind::Timeout.into())) }.boxed()
    }

    fn served(&self) -> BoxFuture<'static, Result<Served, ProviderFailure>> {
        // None of the calls that we know tells; a model that is gone is a refused request.
        future::ready(Ok(Served::Unknown)).boxed()
    }
}
