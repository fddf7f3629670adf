//! The voice of Cartesia Sonic, over its WebSocket.
//!
//! One socket carries everybody's speech, and is open before anybody speaks. A speech's sentences are spoken in one context,
//! in one breath; a caller who interrupts cancels it. `wire` has the messages, `context` what they mean, `socket` the
//! connection and `pool` how many there are.

mod context;
mod pool;
mod sink;
mod socket;
#[cfg(test)]
mod tests;
pub mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::{self, BoxFuture};
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use reqwest::header::HeaderValue;
use tokio::time::timeout;
use voice_core::cost::Quantity;
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use self::context::Job;
use self::pool::{Pool, Settings};
use self::socket::{Address, Patience};
use self::wire::Speaker;
use super::endpoint::{self, Scheme};
use super::{SetupError, SpeechKey, Tts, TtsEvent, TtsRequest, is_speakable};
use crate::audio::format::AudioFormat;
use crate::config::Secret;
use crate::failover::Probed;
use crate::served::Served;

/// The provider's label in metrics and logs.
pub const PROVIDER: &str = "cartesia";
/// What a probe has spoken: the least that has a sound.
const PROBE: &str = "Yes.";
/// Longest time of a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// How Cartesia is reached, and who speaks.
#[derive(Debug, Clone, PartialEq)]
pub struct CartesiaConfig {
    /// Where it is: `http(s)`, `ws(s)` or a bare host, with a path or without.
    pub base_url: String,
    /// The key.
    pub api_key: Secret,
    /// The version of the API, a date.
    pub version: String,
    /// The model.
    pub model: String,
    /// The voice.
    pub voice_id: String,
    /// The language's code.
    pub language: String,
    /// The pace, 0.6 to 1.5; none is the voice's own.
    pub speed: Option<f64>,
    /// From so many speeches on a socket, another one is opened.
    pub contexts_per_socket: usize,
    /// Most sockets; when all are full, further speeches are refused as `unavailable`.
    pub max_sockets: usize,
    /// Longest time to open a socket.
    pub connect_timeout_ms: u64,
    /// A socket without a speech for so long is replaced; the server closes it after 300,000.
    pub max_idle_ms: u64,
    /// A socket of which nothing is heard for so long is pinged, and after as much again given up.
    pub ping_interval_ms: u64,
    /// So long after its last audio a speech goes on in the same breath; the server forgets it after 1,000.
    pub keep_context_ms: u64,
    /// The first pause after a failure to open a socket; it doubles.
    pub backoff_ms: u64,
    /// The longest such pause.
    pub max_backoff_ms: u64,
}

impl CartesiaConfig {
    /// Everything but the key as it is by default.
    pub fn new(api_key: Secret) -> Self {
        Self {
            base_url: "https://api.cartesia.ai".to_owned(),
            api_key,
            version: "2026-03-01".to_owned(),
            model: "sonic-3".to_owned(),
            // "Katie", which Cartesia recommends for agents.
            voice_id: "f786b574-daa5-4673-aa0c-cbe3e8534c02".to_owned(),
            language: "en".to_owned(),
            speed: None,
            contexts_per_socket: 20,
            max_sockets: 10,
            connect_timeout_ms: 5_000,
            max_idle_ms: 240_000,
            ping_interval_ms: 20_000,
            keep_context_ms: 800,
            backoff_ms: 250,
            max_backoff_ms: 30_000,
        }
    }
}

/// Cartesia's voice, shared by all sessions.
#[derive(Debug)]
pub struct CartesiaTts {
    model: String,
    pool: Arc<Pool>,
    jobs: AtomicU64,
}

impl CartesiaTts {
    /// A voice whose first socket is being opened when this returns. Must be called on the runtime. Dropping it closes the
    /// sockets, when what they speak has ended.
    ///
    /// # Errors
    /// [`SetupError`]. That nobody answers is none: it is tried again, and said by whatever is asked for meanwhile.
    pub fn new(config: CartesiaConfig) -> Result<Self, SetupError> {
        let model = config.model.clone();
        Ok(Self { model, pool: Arc::new(Pool::start(settings(config)?)), jobs: AtomicU64::new(0) })
    }

    fn job(&self, text: String, format: AudioFormat) -> (Job, BoxStream<'static, Result<TtsEvent, ProviderFailure>>) {
        let (sink, stream) = sink::pair();
        let id = self.jobs.fetch_add(1, Ordering::Relaxed);
        (Job { id, text, speech: None, format, ends: false, sink }, stream)
    }
}

fn settings(config: CartesiaConfig) -> Result<Settings, SetupError> {
    let base = endpoint::base(&config.base_url, Scheme::WebSocket)?;
    // A date is a header's value; anything else is not a version.
    let version = HeaderValue::from_str(&config.version).map_err(|_| SetupError::Version)?;
    let address = Address {
        url: endpoint::below(&base, "/tts/websocket"),
        key: endpoint::key_header("Bearer ", &config.api_key)?,
        version,
        timeout: Duration::from_millis(config.connect_timeout_ms),
    };
    // Without the kernel's randomness the names are only not unique among processes.
    let prefix = getrandom::u64().map_or_else(|_| "voice".to_owned(), |random| format!("{random:016x}"));
    let least = Duration::from_millis(1);
    Ok(Settings {
        address,
        speaker: Arc::new(Speaker {
            model: config.model,
            voice_id: config.voice_id,
            language: config.language,
            speed: config.speed,
        }),
        prefix: prefix.into(),
        contexts_per_socket: config.contexts_per_socket.max(1),
        max_sockets: config.max_sockets.max(1),
        keep_context: Duration::from_millis(config.keep_context_ms),
        patience: Patience {
            ping: Duration::from_millis(config.ping_interval_ms).max(least),
            idle: Duration::from_millis(config.max_idle_ms).max(least),
        },
        backoff: (Duration::from_millis(config.backoff_ms), Duration::from_millis(config.max_backoff_ms)),
    })
}

impl Tts for CartesiaTts {
    fn is_timed(&self) -> bool {
        true
    }

    fn provider(&self) -> &'static str {
        PROVIDER
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn synthesize(&self, request: TtsRequest) -> BoxStream<'static, Result<TtsEvent, ProviderFailure>> {
        if !is_speakable(&request.text) {
            return stream::iter([Ok(TtsEvent::Done { words: Vec::new() })]).boxed();
        }
        let (job, stream) = self.job(request.text, request.format);
        self.pool.speak(Job { speech: Some(request.speech), ..job });
        stream
    }

    fn end_speech(&self, speech: SpeechKey) {
        self.pool.end(speech);
    }

    fn probe(&self) -> BoxFuture<'static, Probed> {
        let (job, mut stream) = self.job(PROBE.to_owned(), AudioFormat::Mulaw8k);
        let pool = Arc::clone(&self.pool);
        let spoken = async move {
            pool.hurry();
            pool.speak(Job { ends: true, ..job });
            let mut bytes = 0;
            while let Some(event) = stream.next().await {
                if let TtsEvent::Audio(audio) = event? {
                    bytes += audio.len();
                }
            }
            Ok(Some(Quantity::AudioMs((bytes / AudioFormat::Mulaw8k.bytes_per_ms()) as u64)))
        };
        async move { timeout(PROBE_TIMEOUT, spoken).await.unwrap_or(Err(ProviderErrorKind::Timeout.into())) }.boxed()
    }

    fn served(&self) -> BoxFuture<'static, Result<Served, ProviderFailure>> {
        // There is no call that lists models; one that is retired answers `model_not_found`.
        future::ready(Ok(Served::Unknown)).boxed()
    }
}
