//! A network in memory, and Deepgram at its other end. The tests are the server: they hear what comes and say what they want.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use voice_core::ids::UtteranceId;
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use super::super::dial::{Dial, socket_config};
use super::super::line::{Line, open};
use super::super::{DeepgramConfig, wire};
use crate::audio::format::AudioFormat;
use crate::config::Secret;
use crate::stt::{LineEvent, SttLine as _};

type Socket = WebSocketStream<DuplexStream>;
pub(super) type Answer = Result<Socket, ProviderFailure>;

/// Every attempt waits for what the test makes of it.
pub(super) struct Attempts(pub(super) mpsc::UnboundedSender<oneshot::Sender<Answer>>);

impl Dial for Attempts {
    type Stream = DuplexStream;

    async fn dial(&self) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.0.send(answer).unwrap();
        // A test that has let it go leaves it without an answer.
        match answered.await {
            Ok(answer) => answer,
            Err(_gone) => std::future::pending().await,
        }
    }
}

/// A line, who holds it, and the network that it meets.
pub(super) struct Desk {
    pub(super) line: Option<Line>,
    pub(super) events: mpsc::Receiver<LineEvent>,
    attempts: mpsc::UnboundedReceiver<oneshot::Sender<Answer>>,
    format: AudioFormat,
}

pub(super) fn config() -> DeepgramConfig {
    DeepgramConfig::new(Secret::new("key"))
}

pub(super) fn utterance(number: u64) -> UtteranceId {
    UtteranceId(number)
}

impl Desk {
    pub(super) fn new() -> Self {
        Self::with(config(), AudioFormat::Pcm16k)
    }

    pub(super) fn with(config: DeepgramConfig, format: AudioFormat) -> Self {
        let (tried, attempts) = mpsc::unbounded_channel();
        let (told, events) = mpsc::channel(64);
        let line = open(Attempts(tried), Arc::new(config), format, told);
        Self { line: Some(line), events, attempts, format }
    }

    /// A line that is connected, and the server.
    pub(super) async fn connected() -> (Self, Server) {
        let mut desk = Self::new();
        let server = desk.accept().await;
        (desk, server)
    }

    pub(super) fn line(&mut self) -> &mut Line {
        self.line.as_mut().unwrap()
    }

    pub(super) fn begin(&mut self, number: u64) {
        self.line().begin(utterance(number));
    }

    /// So many milliseconds of something that is no silence, in frames of 20.
    pub(super) fn speak(&mut self, ms: usize) {
        let bytes_per_ms = self.format.bytes_per_ms();
        for _ in 0..ms / 20 {
            self.line().audio(vec![7; 20 * bytes_per_ms].into());
        }
    }

    pub(super) async fn attempt(&mut self) -> oneshot::Sender<Answer> {
        self.attempts.recv().await.unwrap()
    }

    /// Whether nothing tries to connect now.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.attempts.try_recv().is_err()
    }

    pub(super) async fn accept(&mut self) -> Server {
        self.accept_with(1 << 20).await
    }

    /// A connection whose network holds so many bytes.
    pub(super) async fn accept_with(&mut self, bytes: usize) -> Server {
        let attempt = self.attempt().await;
        Server::accept(attempt, bytes, self.format).await
    }

    pub(super) async fn refuse(&mut self, failure: impl Into<ProviderFailure>) {
        let attempt = self.attempt().await;
        assert!(attempt.send(Err(failure.into())).is_ok(), "nobody waits for the connection");
    }

    pub(super) async fn event(&mut self) -> LineEvent {
        self.events.recv().await.unwrap()
    }

    /// The next event that is no bill.
    pub(super) async fn told(&mut self) -> LineEvent {
        loop {
            match self.event().await {
                LineEvent::Used { .. } => {}
                event => return event,
            }
        }
    }

    /// Whether there is nothing to tell but what was used.
    pub(super) async fn told_nothing_but_bills(&mut self) -> bool {
        settle().await;
        std::iter::from_fn(|| self.events.try_recv().ok()).all(|event| matches!(event, LineEvent::Used { .. }))
    }

    /// Whether there is nothing to tell, now that everybody else has done what they could.
    pub(super) async fn is_silent(&mut self) -> bool {
        settle().await;
        self.events.try_recv().is_err()
    }
}

/// Lets the line's task do what it can do at this moment.
pub(super) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

pub(super) fn interim(number: u64, text: &str) -> LineEvent {
    LineEvent::Interim { utterance: utterance(number), text: text.into() }
}

pub(super) fn last(number: u64, revision: u32, text: &str) -> LineEvent {
    LineEvent::Final { utterance: utterance(number), revision, text: text.into(), gap_ms: 0 }
}

pub(super) fn used(number: u64, audio_ms: u64) -> LineEvent {
    LineEvent::Used { utterance: utterance(number), audio_ms }
}

pub(super) fn failed(number: impl Into<Option<u64>>, kind: ProviderErrorKind) -> LineEvent {
    LineEvent::Failed { utterance: number.into().map(utterance), failure: kind.into() }
}

/// What a server hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    Audio(Bytes),
    KeepAlive,
    Finalize,
    CloseStream,
    Ping,
    /// The other end said that it closes, or is gone.
    End,
}

/// Deepgram's end of a connection.
pub(super) struct Server {
    pub(super) socket: Socket,
    bytes_per_ms: usize,
    audio_bytes: usize,
}

impl Server {
    /// Takes an attempt, over a network that holds so many bytes.
    pub(super) async fn accept(attempt: oneshot::Sender<Answer>, bytes: usize, format: AudioFormat) -> Self {
        let (ours, theirs) = tokio::io::duplex(bytes);
        let ours = WebSocketStream::from_raw_socket(ours, Role::Client, Some(socket_config())).await;
        let theirs = WebSocketStream::from_raw_socket(theirs, Role::Server, None).await;
        assert!(attempt.send(Ok(ours)).is_ok(), "nobody waits for the connection");
        Self { socket: theirs, bytes_per_ms: format.bytes_per_ms(), audio_bytes: 0 }
    }

    /// What comes next.
    pub(super) async fn hear(&mut self) -> Heard {
        match self.socket.next().await {
            Some(Ok(Message::Binary(audio))) => {
                assert!(!audio.is_empty(), "an empty binary message closes the stream");
                self.audio_bytes += audio.len();
                Heard::Audio(audio)
            }
            Some(Ok(Message::Text(text))) => match text.as_str() {
                wire::KEEP_ALIVE => Heard::KeepAlive,
                wire::FINALIZE => Heard::Finalize,
                wire::CLOSE_STREAM => Heard::CloseStream,
                other => panic!("{other}"),
            },
            Some(Ok(Message::Ping(_))) => Heard::Ping,
            Some(Ok(Message::Close(_)) | Err(_)) | None => Heard::End,
            Some(Ok(other)) => panic!("{other:?}"),
        }
    }

    /// Hears audio until something else comes.
    pub(super) async fn hear_out(&mut self) -> Heard {
        loop {
            match self.hear().await {
                Heard::Audio(_) => {}
                other => return other,
            }
        }
    }

    /// Hears audio until so much has come on this connection, in milliseconds.
    pub(super) async fn hear_audio(&mut self, until_ms: usize) {
        while self.audio_ms() < until_ms {
            assert!(matches!(self.hear().await, Heard::Audio(_)));
        }
    }

    /// Whether nothing more has come.
    pub(super) async fn hears_nothing(&mut self) -> bool {
        settle().await;
        self.socket.next().now_or_never().is_none()
    }

    /// The audio that came, in milliseconds.
    pub(super) fn audio_ms(&self) -> usize {
        self.audio_bytes / self.bytes_per_ms
    }

    pub(super) async fn say(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.unwrap();
    }

    pub(super) async fn results(&mut self, from_ms: usize, to_ms: usize, text: &str, marks: &[&str]) {
        let seconds = |ms: usize| ms as f64 / 1_000.0;
        let mut message = json!({"type": "Results", "channel_index": [0, 1], "start": seconds(from_ms),
            "duration": seconds(to_ms - from_ms), "is_final": false, "speech_final": false,
            "channel": {"alternatives": [{"transcript": text, "confidence": 0.9, "words": []}]}});
        for &mark in marks {
            message[mark] = true.into();
        }
        self.say(message.to_string()).await;
    }

    /// A guess at the segment that begins at `from_ms`.
    pub(super) async fn guess(&mut self, from_ms: usize, to_ms: usize, text: &str) {
        self.results(from_ms, to_ms, text, &[]).await;
    }

    pub(super) async fn segment(&mut self, from_ms: usize, to_ms: usize, text: &str) {
        self.results(from_ms, to_ms, text, &["is_final"]).await;
    }

    /// Answers `Finalize`.
    pub(super) async fn answer(&mut self, from_ms: usize, to_ms: usize, text: &str) {
        self.results(from_ms, to_ms, text, &["is_final", "from_finalize"]).await;
    }

    pub(super) async fn close(mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame { code: code.into(), reason: reason.into() };
        self.socket.close(Some(frame)).await.unwrap();
    }
}
