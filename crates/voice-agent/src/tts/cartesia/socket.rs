//! One WebSocket that carries many contexts: connecting, and the loop that feeds it.
//!
//! What is sent waits in a bounded queue before a task that only writes, so that a server that does not read cannot keep
//! us from reading. A socket of which nothing is heard is pinged; one that stays silent is given up. When it ends, every
//! stream on it fails at once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, SplitSink, SplitStream};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use super::context::{Contexts, Job};
use super::pool::Shared;
use super::wire;
use crate::tts::{SpeechKey, refusal};

/// Messages that may wait to be written. When it is full the server does not read, and the socket is given up.
const MAX_UNWRITTEN: usize = 1_024;
/// Longest time to write one message.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest message of the server, in bytes.
const MAX_MESSAGE_BYTES: usize = 8 * 1024 * 1024;

pub(super) type WebSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Where the socket goes, and as whom.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) url: Url,
    pub(super) key: HeaderValue,
    pub(super) version: HeaderValue,
    pub(super) timeout: Duration,
}

/// Opens a socket.
///
/// # Errors
/// How it could not be opened; a refusal by its status.
pub(super) async fn connect(address: &Address) -> Result<WebSocket, ProviderFailure> {
    let mut request =
        address.url.as_str().into_client_request().map_err(|_| ProviderFailure::from(ProviderErrorKind::BadRequest))?;
    request.headers_mut().insert(AUTHORIZATION, address.key.clone());
    request.headers_mut().insert("cartesia-version", address.version.clone());
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES))
        .read_buffer_size(16 * 1024);
    let connecting = connect_async_with_config(request, Some(limits), true);
    // Boxed: the future of a handshake is large.
    match timeout(address.timeout, connecting.boxed()).await {
        Err(_) => Err(ProviderErrorKind::Timeout.into()),
        Ok(Err(error)) => Err(failure_of(&error)),
        Ok(Ok((socket, _))) => Ok(socket),
    }
}

fn failure_of(error: &Error) -> ProviderFailure {
    match error {
        Error::Http(response) => {
            let body = response.body().as_deref().unwrap_or_default();
            let retry_after_ms = refusal::retry_after_ms(response.headers(), jiff::Timestamp::now());
            wire::refused(response.status().as_u16(), body, retry_after_ms)
        }
        Error::Io(_)
        | Error::Tls(_)
        | Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake | ProtocolError::HandshakeIncomplete) => {
            ProviderErrorKind::Disconnected.into()
        }
        _ => ProviderErrorKind::Protocol.into(),
    }
}

/// What a socket is told.
#[derive(Debug)]
pub(super) enum Command {
    /// Speak this.
    Speak(Job),
    /// Nothing follows in this speech.
    End(SpeechKey),
}

/// How long a socket is left alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Silence after which it is pinged, and after as much again given up.
    pub(super) ping: Duration,
    /// Time without a context after which it is too old to be relied on.
    pub(super) idle: Duration,
}

/// A socket at work.
pub(super) struct Socket {
    id: u64,
    contexts: Contexts,
    commands: mpsc::Receiver<Command>,
    /// No new commands come: it leaves when its contexts have ended.
    leaves: bool,
    incoming: SplitStream<WebSocket>,
    unwritten: mpsc::Sender<Message>,
    writer: JoinHandle<()>,
    /// Resolve to the jobs to which nobody listens any more.
    dropped: FuturesUnordered<BoxFuture<'static, u64>>,
    patience: Patience,
    heard: Instant,
    pinged: Instant,
    used: Instant,
}

impl Socket {
    /// A socket that was opened just now.
    pub(super) fn new(
        id: u64,
        socket: WebSocket,
        contexts: Contexts,
        commands: mpsc::Receiver<Command>,
        patience: Patience,
    ) -> Self {
        let (outgoing, incoming) = socket.split();
        let (unwritten, queue) = mpsc::channel(MAX_UNWRITTEN);
        let writer = tokio::spawn(write(outgoing, queue));
        let now = Instant::now();
        Self {
            id,
            contexts,
            commands,
            leaves: false,
            incoming,
            unwritten,
            writer,
            dropped: FuturesUnordered::new(),
            patience,
            heard: now,
            pinged: now,
            used: now,
        }
    }

    /// Works until the connection ends, or until it was told to leave and has nothing left to do.
    pub(super) async fn run(mut self, shared: Arc<Shared>) {
        let began = Instant::now();
        let failure = self.work(&shared).await.err().unwrap_or(ProviderErrorKind::Disconnected.into());
        // First of all: nothing new is to come here.
        shared.gone(self.id, began.elapsed(), self.contexts.has_spoken(), failure);
        self.contexts.fail_all(failure);
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            if let Command::Speak(job) = command {
                job.sink.fail(failure);
            }
        }
        drop(self.unwritten);
        if !self.writer.is_finished() {
            // It closes in order, within its own deadline.
            let _closed = self.writer.await;
        }
    }

    async fn work(&mut self, shared: &Shared) -> Result<(), ProviderFailure> {
        let mut tick = interval(self.patience.ping.min(self.patience.idle).min(Duration::from_secs(1)));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !(self.leaves && self.contexts.is_empty()) {
            tokio::select! {
                command = self.commands.recv(), if !self.leaves => self.obey(command),
                message = self.incoming.next() => self.hear(message)?,
                Some(job) = self.dropped.next(), if !self.dropped.is_empty() => self.contexts.dropped(job),
                _ = tick.tick() => self.look_after(shared)?,
                _ = &mut self.writer => return Err(ProviderErrorKind::Disconnected.into()),
            }
            self.send()?;
            for speech in self.contexts.take_over() {
                shared.forget(self.id, speech);
            }
        }
        Ok(())
    }

    fn obey(&mut self, command: Option<Command>) {
        let now = Instant::now();
        self.used = now;
        match command {
            Some(Command::Speak(job)) => {
                let (id, dropped) = (job.id, job.sink.until_dropped());
                self.dropped.push(async move { dropped.map(|()| id).await }.boxed());
                self.contexts.speak(job, now);
            }
            Some(Command::End(speech)) => self.contexts.end(speech, now),
            None => self.leaves = true,
        }
    }

    fn hear(&mut self, message: Option<Result<Message, Error>>) -> Result<(), ProviderFailure> {
        self.heard = Instant::now();
        match message {
            Some(Ok(Message::Text(text))) => self.contexts.handle(wire::decode(&text)?, self.heard),
            Some(Ok(Message::Close(_))) | None => Err(ProviderErrorKind::Disconnected.into()),
            // Pings are answered below us; nothing binary is of the protocol.
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(failure_of(&error)),
        }
    }

    /// Forgets old contexts, pings, and says when it has not been used for long.
    fn look_after(&mut self, shared: &Shared) -> Result<(), ProviderFailure> {
        let now = Instant::now();
        self.contexts.sweep(now);
        if !self.contexts.is_empty() {
            self.used = now;
        }
        if now.duration_since(self.used) >= self.patience.idle {
            shared.is_tired(self.id);
        }
        let silent = now.duration_since(self.heard);
        if silent >= 2 * self.patience.ping && self.pinged > self.heard {
            return Err(ProviderErrorKind::Disconnected.into());
        }
        if silent >= self.patience.ping && self.pinged <= self.heard {
            self.pinged = now;
            self.put(Message::Ping(bytes::Bytes::new()))?;
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), ProviderFailure> {
        for frame in self.contexts.take_frames() {
            self.put(Message::text(frame))?;
        }
        Ok(())
    }

    fn put(&self, message: Message) -> Result<(), ProviderFailure> {
        self.unwritten.try_send(message).map_err(|_| ProviderErrorKind::Disconnected.into())
    }
}

/// Writes what is queued; ends when the connection does not take it in time, and closes when nothing more comes.
async fn write(mut outgoing: SplitSink<WebSocket, Message>, mut queue: mpsc::Receiver<Message>) {
    while let Some(message) = queue.recv().await {
        if !matches!(timeout(WRITE_TIMEOUT, outgoing.send(message)).await, Ok(Ok(()))) {
            return;
        }
    }
    // Whether it was closed in order matters to nobody any more.
    let _closed = timeout(WRITE_TIMEOUT, outgoing.close()).await;
}
