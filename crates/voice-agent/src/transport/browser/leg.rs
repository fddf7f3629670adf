//! One connection of one session: what is read becomes commands, what the session says is written.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use voice_core::ids::ConnectionId;
use voice_core::input::HangUp;

use super::wire::{CallerMessage, decode_audio, decode_text, encode, error_event, pong_event};
use super::{TokenBucket, close};
use crate::blocking::{self, MANY_TASKS};
use crate::config::Limits;
use crate::driver::api::{Command, Outbound, SendError, SessionHandle};
use crate::driver::close_code;
use crate::telemetry::Events;

/// Largest message that is read at all, in bytes; beyond it the library gives up without reading on.
pub(crate) const HARD_LIMIT: usize = 64 * 1024;
/// What a close frame without a code counts as (RFC 6455).
const NO_CODE: u16 = 1005;
/// Answers of the connection's own that may wait for the writer.
const REPLIES: usize = 16;

/// What a connection needs to know.
#[derive(Debug)]
pub struct Leg {
    /// The connection, unique in the process.
    pub connection: ConnectionId,
    /// The session's id, for the log.
    pub session_id: String,
    /// Whether the agent speaks on it; without, it answers in text and nothing is synthesised.
    pub voice: bool,
    /// The session.
    pub handle: SessionHandle,
    /// Metrics and log.
    pub events: Arc<Events>,
    /// Sizes, rates and times.
    pub limits: Limits,
    /// Longest typed message, in characters.
    pub max_text_chars: usize,
    /// Cancelled when the server goes away.
    pub going_away: CancellationToken,
}

/// Why a connection is over.
#[derive(Debug, Clone, PartialEq, Eq)]
struct End {
    code: u16,
    reason: String,
}

impl End {
    fn new(code: u16, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// Carries the session over this socket until one of them is done with the other.
pub async fn serve(socket: WebSocket, leg: Leg) {
    let (mut sink, mut stream) = socket.split();
    let (outbound, inbox) = mpsc::channel(leg.limits.outbound_queue);
    let session = leg.session_id.as_str();
    leg.events.connection_opened(session, leg.connection.0);
    let attach = Command::Attach { connection: leg.connection, voice: leg.voice, outbound };
    let end = match leg.handle.send(attach) {
        Err(error) => leg.refused(error),
        Ok(()) => {
            let (replies, own) = mpsc::channel(REPLIES);
            tokio::select! {
                end = leg.read(&mut stream, replies) => end,
                end = leg.write(&mut sink, inbox, own) => end,
            }
        }
    };
    // If the session is over or has a newer connection, it takes no notice of this.
    let _ignored_when_over = leg.handle.send(Command::Detach { connection: leg.connection });
    leg.close(&mut sink, &mut stream, &end).await;
    leg.events.connection_closed(session, leg.connection.0, end.code, &end.reason);
}

type Sink = SplitSink<WebSocket, Message>;
type Stream = SplitStream<WebSocket>;

impl Leg {
    async fn read(&self, stream: &mut Stream, replies: mpsc::Sender<Message>) -> End {
        let mut bucket = TokenBucket::new(self.limits.messages_per_second, self.limits.message_burst);
        let started = Instant::now();
        let silence = Duration::from_millis(self.limits.connection_silence_ms);
        loop {
            let message = match timeout(silence, stream.next()).await {
                Err(_) => return End::new(close::LOST, "nothing was heard of it, not even a pong"),
                Ok(None) => return End::new(close::LOST, "the connection was lost"),
                Ok(Some(Err(error))) => return unreadable(&error),
                Ok(Some(Ok(message))) => message,
            };
            if !bucket.take(started.elapsed()) {
                return End::new(close::FLOOD, "too many messages");
            }
            if let Err(end) = self.take(message, &replies) {
                return end;
            }
        }
    }

    fn take(&self, message: Message, replies: &mpsc::Sender<Message>) -> Result<(), End> {
        match message {
            Message::Binary(bytes) => {
                let frame = decode_audio(&bytes).map_err(|error| End::new(error.code(), error.to_string()))?;
                match self.handle.send(Command::Audio { connection: self.connection, frame }) {
                    Ok(()) => Ok(()),
                    Err(SendError::Full) => {
                        self.events.frames_dropped("queue_full", 1);
                        Ok(())
                    }
                    Err(SendError::Ended) => Err(self.refused(SendError::Ended)),
                }
            }
            Message::Text(text) => {
                let message = decode_text(&text, self.limits.max_message_bytes)
                    .map_err(|error| End::new(error.code(), error.to_string()))?;
                self.act(message, replies)
            }
            // The library answers pings; what matters is that something was heard.
            Message::Ping(_) | Message::Pong(_) => Ok(()),
            Message::Close(frame) => {
                let code = frame.as_ref().map_or(NO_CODE, |frame| frame.code);
                Err(End::new(code, "the caller closed it"))
            }
        }
    }

    fn act(&self, message: CallerMessage, replies: &mpsc::Sender<Message>) -> Result<(), End> {
        let connection = self.connection;
        let command = match message {
            CallerMessage::Ping { t } => return answer(replies, pong_event(&t)),
            CallerMessage::Text { text } => {
                let chars = text.chars().count();
                if text.trim().is_empty() || chars > self.max_text_chars {
                    let most = self.max_text_chars;
                    let sentence = format!("A message has 1 to {most} characters; this one has {chars}.");
                    return answer(replies, error_event("text_length", &sentence));
                }
                Command::Text { text, answer: None }
            }
            CallerMessage::Playout { speech_id, played_ms } => {
                return self.report_playout(Command::Playout { connection, speech: speech_id, played_ms });
            }
            CallerMessage::Mute { muted } => Command::Mute { connection, muted },
            CallerMessage::Consent { recording } => Command::Consent { recording },
            CallerMessage::End => Command::HangUp { by: HangUp::Caller },
        };
        self.handle.send(command).map_err(|error| self.refused(error))
    }

    /// A session that has no place for a report hears the next one, which says more.
    fn report_playout(&self, report: Command) -> Result<(), End> {
        match self.handle.send(report) {
            Ok(()) | Err(SendError::Full) => Ok(()),
            Err(SendError::Ended) => Err(self.refused(SendError::Ended)),
        }
    }

    /// Why the session did not take a command. Floods are the token bucket's business: a full queue is the server's own
    /// delay, and its caller may come back at once.
    fn refused(&self, error: SendError) -> End {
        match error {
            SendError::Full => End::new(close::TOO_SLOW, "the server is behind: the session's queue is full"),
            SendError::Ended => match self.handle.info().ended {
                Some((outcome, reason)) => {
                    let (code, word) = close_code(outcome, reason);
                    End::new(code, word)
                }
                None => End::new(close::FAILED, "an error ended the session"),
            },
        }
    }

    async fn write(
        &self,
        sink: &mut Sink,
        mut inbox: mpsc::Receiver<Outbound>,
        mut own: mpsc::Receiver<Message>,
    ) -> End {
        let mut pings = interval(Duration::from_millis(self.limits.ping_interval_ms));
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let messages = tokio::select! {
                outbound = inbox.recv() => match outbound {
                    Some(Outbound::Close { code, reason }) => return End::new(code, reason),
                    Some(outbound) => {
                        let is_long = matches!(&outbound, Outbound::Tasks(tasks) if tasks.len() > MANY_TASKS);
                        blocking::run(is_long, || encode(&outbound))
                    }
                    None => return self.dropped(),
                },
                Some(reply) = own.recv() => vec![reply],
                _ = pings.tick() => vec![Message::Ping(bytes::Bytes::new())],
                () = self.going_away.cancelled() => return End::new(close::GOING_AWAY, "the server is going away"),
            };
            for message in messages {
                match timeout(self.write_timeout(), sink.send(message)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return End::new(close::LOST, error.to_string()),
                    Err(_) => return End::new(close::TOO_SLOW, "the reader is too slow"),
                }
            }
        }
    }

    /// The session let go of the connection without a word: it is over, or its queue for this connection was full.
    fn dropped(&self) -> End {
        if self.handle.is_gone() || self.handle.info().ended.is_some() {
            return self.refused(SendError::Ended);
        }
        End::new(close::TOO_SLOW, "the reader is too slow: its queue was full")
    }

    /// Says why, if there is anybody to hear it, and hears the other side out: closing over what it still sends would
    /// reset the connection, and the reason would be lost with it.
    async fn close(&self, sink: &mut Sink, stream: &mut Stream, end: &End) {
        if matches!(end.code, close::LOST | NO_CODE) || end.code < 1000 {
            return;
        }
        let farewell = async {
            let frame = CloseFrame { code: end.code, reason: Utf8Bytes::from(short(&end.reason)) };
            sink.send(Message::Close(Some(frame))).await?;
            while let Some(Ok(_)) = stream.next().await {}
            Ok::<_, axum::Error>(())
        };
        // Whoever does not take it within this time is gone, and that was the point.
        let _gone_anyway = timeout(self.write_timeout(), farewell).await;
    }

    const fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.limits.write_timeout_ms)
    }
}

/// A close reason has at most 123 bytes (RFC 6455).
fn short(reason: &str) -> &str {
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

fn answer(replies: &mpsc::Sender<Message>, message: Message) -> Result<(), End> {
    replies.try_send(message).map_err(|_| End::new(close::TOO_SLOW, "the reader is too slow for its own answers"))
}

/// The library's error is not of a type that can be asked, only read.
fn unreadable(error: &axum::Error) -> End {
    let text = error.to_string();
    if text.contains("too long") || text.contains("too big") || text.contains("Space limit") {
        End::new(close::TOO_LARGE, "the message is too large")
    } else if text.contains("UTF-8") || text.contains("protocol error") {
        End::new(close::PROTOCOL, "not a WebSocket message")
    } else {
        End::new(close::LOST, text)
    }
}

#[cfg(test)]
mod tests {
    use voice_core::output::{AgentState, EndReason, Outcome};

    use super::*;
    use crate::driver::api::SessionInfo;
    use crate::telemetry::Metrics;

    fn leg(ended: Option<(Outcome, EndReason)>) -> Leg {
        leg_with(ended, mpsc::channel(1).0)
    }

    fn leg_with(ended: Option<(Outcome, EndReason)>, commands: mpsc::Sender<Command>) -> Leg {
        let info = SessionInfo {
            state: AgentState::Listening,
            connected: false,
            visited: false,
            agent: "TaskAgent".to_owned(),
            turns: 0,
            last_latency_ms: None,
            cost_usd: 0.0,
            ended,
        };
        Leg {
            connection: ConnectionId(1),
            session_id: "s".to_owned(),
            voice: true,
            handle: SessionHandle::new(commands, tokio::sync::watch::channel(info).1),
            events: Arc::new(Events::new(Metrics::new("rules", &[]))),
            limits: Limits::default(),
            max_text_chars: 2_000,
            going_away: CancellationToken::new(),
        }
    }

    #[test]
    fn a_session_that_is_over_says_how_it_ended() {
        for (ended, code) in [
            (None, 4006),
            (Some((Outcome::Error, EndReason::Failed)), 4006),
            (Some((Outcome::Completed, EndReason::HungUp)), 1000),
            (Some((Outcome::Completed, EndReason::Idle)), 4005),
            (Some((Outcome::Dropped, EndReason::TakenOver)), 4001),
        ] {
            assert_eq!(leg(ended).refused(SendError::Ended).code, code, "{ended:?}");
            assert_eq!(leg(ended).dropped().code, code, "{ended:?}");
        }
    }

    #[test]
    fn a_session_that_is_behind_loses_audio_and_reports_and_no_call() {
        let (commands, queue) = mpsc::channel(16);
        let leg = leg_with(None, commands);
        let (replies, _own) = mpsc::channel(1);
        let frame = || Message::Binary(bytes::Bytes::from(vec![0; 640]));
        let text = |json: &str| Message::Text(Utf8Bytes::from(json.to_owned()));
        let report = || text(r#"{"type":"playout","speech_id":1,"played_ms":100}"#);
        for _ in 0..100 {
            leg.take(frame(), &replies).unwrap();
        }
        assert_eq!(queue.len(), 12, "audio leaves a quarter of the queue");
        for _ in 0..100 {
            leg.take(report(), &replies).unwrap();
        }
        assert_eq!(queue.len(), 14, "reports leave an eighth");
        let dropped = leg.events.metrics().exposition().unwrap();
        assert!(dropped.contains("voice_audio_frames_dropped_total{reason=\"queue_full\"} 88"), "{dropped}");
        leg.take(text(r#"{"type":"text","text":"hi"}"#), &replies).unwrap();
        leg.take(text(r#"{"type":"mute","muted":true}"#), &replies).unwrap();
        assert_eq!(leg.take(text(r#"{"type":"end"}"#), &replies).unwrap_err().code, close::TOO_SLOW);
        drop(queue);
        assert_eq!(leg.take(frame(), &replies).unwrap_err().code, close::FAILED, "a session that is gone is no queue");
    }

    #[test]
    fn a_close_reason_is_cut_between_characters() {
        assert_eq!(short("short"), "short");
        let long = "é".repeat(100);
        assert_eq!(short(&long).len(), 122);
    }
}
