//! Deepgram Nova-3, streaming: a WebSocket for each session, which stays open between utterances.
//!
//! The session's VAD says where utterances begin and end; Deepgram transcribes audio as it comes. [`wire`] is the format,
//! [`utterance`] makes utterances of its segments, `line` owns the connection.

mod dial;
mod inbox;
mod line;
mod outbox;
pub mod refusal;
mod retry;
mod socket;
mod terms;
#[cfg(test)]
mod tests;
pub mod utterance;
pub mod wire;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{self, BoxFuture};
use reqwest::Url;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use voice_core::cost::Quantity;
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use self::dial::{Dial, Dialer};
use self::socket::{Connection, Step};
use self::wire::{BaseUrlError, ServerMessage};
use super::{LineEvent, StreamingStt, SttLine};
use crate::audio::format::AudioFormat;
use crate::config::Secret;
use crate::failover::Probed;
use crate::served::Served;

/// Audio of a probe, in milliseconds.
const PROBE_AUDIO_MS: usize = 100;
/// How long a probe waits for an answer, once it is connected.
const PROBE_WAIT: Duration = Duration::from_secs(2);

/// How Deepgram is reached and what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeepgramConfig {
    /// A host (`https://api.eu.deepgram.com`), perhaps with the path of a proxy; `http(s)` and `ws(s)` both do. `/v1/listen` is
    /// added.
    pub base_url: String,
    /// The key.
    pub api_key: Secret,
    /// The model: `nova-3`.
    pub model: String,
    /// A BCP 47 tag, or `multi`.
    pub language: String,
    /// Punctuation and capitals.
    pub punctuate: bool,
    /// Dates, amounts and the like as one writes them; may hold a final text back for longer.
    pub smart_format: bool,
    /// Numbers as digits.
    pub numerals: bool,
    /// Nothing is kept to improve models; raises the price.
    pub mip_opt_out: bool,
    /// After so much silence the server makes a text final by itself, in milliseconds; 0: only when it is asked to.
    pub endpointing_ms: u64,
    /// Longest time to connect, in milliseconds: TCP, TLS and the upgrade.
    pub connect_timeout_ms: u64,
    /// Shortest and longest delay before connecting anew, in milliseconds; it doubles with each failure.
    pub reconnect_min_ms: u64,
    /// See `reconnect_min_ms`.
    pub reconnect_max_ms: u64,
    /// A word goes out after so long without audio, in milliseconds; the server closes after 10 s.
    pub keepalive_ms: u64,
    /// When `Finalize` is not answered, the text is taken for final so long after the last result, in milliseconds.
    pub finalize_wait_ms: u64,
    /// Most audio that waits to be sent, in milliseconds; more is a failure. All of the longest utterance that a session keeps
    /// comes at once when it is heard again from its beginning: 32 s.
    pub buffer_ms: u64,
    /// How fast audio that has waited is sent, in hundredths of real time: the server takes in 1.25 times real time.
    pub pace_percent: u64,
    /// What of it may go at once, in milliseconds.
    pub burst_ms: u64,
    /// Longest time that the network may take no message, in milliseconds.
    pub write_timeout_ms: u64,
    /// Longest wait for the server's last words when the line closes, in milliseconds.
    pub close_wait_ms: u64,
}

impl DeepgramConfig {
    /// The service as it is reached by default, with this key.
    pub fn new(api_key: Secret) -> Self {
        Self {
            base_url: "https://api.deepgram.com".to_owned(),
            api_key,
            model: "nova-3".to_owned(),
            language: "en".to_owned(),
            punctuate: true,
            smart_format: false,
            numerals: false,
            mip_opt_out: false,
            endpointing_ms: 60,
            connect_timeout_ms: 1_000,
            reconnect_min_ms: 250,
            reconnect_max_ms: 10_000,
            keepalive_ms: 4_000,
            finalize_wait_ms: 250,
            buffer_ms: 33_000,
            pace_percent: 125,
            burst_ms: 1_000,
            write_timeout_ms: 2_000,
            close_wait_ms: 2_000,
        }
    }
}

/// The recogniser, shared by all sessions.
#[derive(Debug)]
pub struct DeepgramStt {
    config: Arc<DeepgramConfig>,
    listen: Url,
}

impl DeepgramStt {
    /// A recogniser with this configuration; nothing is connected yet.
    ///
    /// # Errors
    /// [`BaseUrlError`] when `base_url` is none.
    pub fn new(config: DeepgramConfig) -> Result<Self, BaseUrlError> {
        let listen = wire::listen_url(&config.base_url)?;
        Ok(Self { config: Arc::new(config), listen })
    }

    fn dialer(&self, format: AudioFormat, terms: &[String]) -> Dialer {
        Dialer::new(&self.listen, &self.config, format, terms)
    }
}

impl StreamingStt for DeepgramStt {
    fn provider(&self) -> &'static str {
        "deepgram"
    }

    fn model(&self) -> &str {
        &self.config.model
    }

    fn open(&self, format: AudioFormat, terms: &[String], events: mpsc::Sender<LineEvent>) -> Box<dyn SttLine> {
        let dialer = self.dialer(format, terms);
        Box::new(line::open(dialer, Arc::clone(&self.config), format, events))
    }

    fn probe(&self) -> BoxFuture<'static, Probed> {
        let dialer = self.dialer(AudioFormat::Pcm16k, &[]);
        let connect_wait = Duration::from_millis(self.config.connect_timeout_ms);
        async move {
            probe(dialer, connect_wait).await?;
            Ok(Some(Quantity::AudioMs(PROBE_AUDIO_MS as u64)))
        }
        .boxed()
    }

    /// Deepgram documents no way to ask; a model that it does not serve is refused with the first connection.
    fn served(&self) -> BoxFuture<'static, Result<Served, ProviderFailure>> {
        future::ready(Ok(Served::Unknown)).boxed()
    }
}

async fn probe(dial: impl Dial, connect_wait: Duration) -> Result<(), ProviderFailure> {
    let late = |_| ProviderErrorKind::Timeout;
    let socket = timeout(connect_wait, dial.dial()).await.map_err(late)??;
    timeout(PROBE_WAIT, try_out(socket)).await.map_err(late)?
}

/// Sends a moment of silence, and waits for anything that shows it was transcribed.
async fn try_out<S>(socket: WebSocketStream<S>) -> Result<(), ProviderFailure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let format = AudioFormat::Pcm16k;
    let silence = vec![format.silence(); PROBE_AUDIO_MS * format.bytes_per_ms()];
    let messages = [Message::binary(silence), Message::text(wire::FINALIZE), Message::text(wire::CLOSE_STREAM)];
    let (mut connection, mut messages) = (Connection::new(socket), messages.into_iter());
    loop {
        if connection.is_free()
            && let Some(message) = messages.next()
        {
            connection.offer(message);
        }
        match connection.step().await {
            Step::Said(text) => match wire::decode(&text)? {
                ServerMessage::Results(_) | ServerMessage::Metadata { .. } => return Ok(()),
                ServerMessage::Error(failure) => return Err(failure),
                ServerMessage::Other => {}
            },
            Step::Over(failure) => return Err(failure),
            Step::Left | Step::Alive => {}
        }
    }
}
