//! One connection of one session: what is read becomes commands, what the session says is written.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use voice_core::ids::ConnectionId;
use voice_core::input::HangUp;

use super::pings::Pings;
use super::wire::{CallerMessage, decode_audio, decode_text, encode, error_event, pong_event};
use crate::blocking::{self, MANY_TASKS};
use crate::config::Limits;
use crate::driver::api::{Command, Outbound, SendError, SessionHandle};
use crate::telemetry::Events;
use crate::transport::end::{End, NO_CODE, Sink, dropped, refused, say_farewell};
use crate::transport::inlet::Inlet;
use crate::transport::{Received, TokenBucket, close};

/// Answers of the connection's own that may wait for the writer.
const REPLIES: usize = 16;
/// Told to whoever types faster than the session takes messages.
const TOO_MANY: &str =
    "The session has too much to do now, and did not take this message. Please send it again in a moment.";

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
    /// What came over the connection.
    pub(crate) received: Received,
    /// Cancelled when the server goes away.
    pub going_away: CancellationToken,
}

/// Carries the session over this socket until one of them is done with the other.
pub async fn serve(socket: WebSocket, leg: Leg) {
    let (mut sink, stream) = socket.split();
    let mut inlet = Inlet::new(stream, leg.received.clone());
    let (outbound, inbox) = mpsc::channel(leg.limits.outbound_queue);
    let session = leg.session_id.as_str();
    leg.events.connection_opened(session, leg.connection.0);
    let attach = Command::Attach { connection: leg.connection, voice: leg.voice, outbound, room: None };
    let end = match leg.handle.send(attach) {
        Err(error) => refused(&leg.handle, error),
        Ok(()) => {
            let (replies, own) = mpsc::channel(REPLIES);
            let pings = Pings::default();
            tokio::select! {
                end = leg.read(&mut inlet, replies, &pings) => end,
                end = leg.write(&mut sink, inbox, own, &pings) => end,
            }
        }
    };
    // If the session is over or has a newer connection, it takes no notice of this.
    let _ignored_when_over = leg.handle.send(Command::Detach { connection: leg.connection });
    say_farewell(&mut sink, &mut inlet, &end, leg.write_timeout()).await;
    leg.events.connection_closed(session, leg.connection.0, end.code, &end.reason);
}

impl Leg {
    async fn read(&self, inlet: &mut Inlet, replies: mpsc::Sender<Message>, pings: &Pings) -> End {
        let mut bucket = TokenBucket::new(self.limits.messages_per_second, self.limits.message_burst);
        let started = Instant::now();
        let silence = Duration::from_millis(self.limits.connection_silence_ms);
        loop {
            let message = match inlet.next(silence, close::PROTOCOL).await {
                Ok(message) => message,
                Err(end) => return end,
            };
            if !bucket.take(started.elapsed()) {
                return End::new(close::FLOOD, "too many messages");
            }
            if let Err(end) = self.take(message, &replies, pings) {
                return end;
            }
        }
    }

    fn take(&self, message: Message, replies: &mpsc::Sender<Message>, pings: &Pings) -> Result<(), End> {
        match message {
            Message::Binary(bytes) => {
                let frame = decode_audio(&bytes).map_err(|error| End::new(error.code(), error.to_string()))?;
                match self.handle.send(Command::Audio { connection: self.connection, frame, mulaw: None }) {
                    Ok(()) => Ok(()),
                    Err(SendError::Full) => {
                        self.events.frames_dropped("queue_full", 1);
                        Ok(())
                    }
                    Err(SendError::Ended) => Err(refused(&self.handle, SendError::Ended)),
                }
            }
            Message::Text(text) => {
                let message = decode_text(&text, self.limits.max_message_bytes)
                    .map_err(|error| End::new(error.code(), error.to_string()))?;
                self.act(message, replies)
            }
            Message::Pong(payload) => {
                let connection = self.connection;
                let round_trip_ms = pings.answered(&payload, Instant::now());
                let told = round_trip_ms.map(|round_trip_ms| Command::RoundTrip { connection, round_trip_ms });
                told.map_or(Ok(()), |told| self.report(told))
            }
            // The library answers pings; what matters is that something was heard.
            Message::Ping(_) => Ok(()),
            Message::Close(frame) => {
                let code = frame.as_ref().map_or(NO_CODE, |frame| frame.code);
                Err(End::new(code, "the caller closed it"))
            }
        }
    }

    fn act(&self, message: CallerMessage, replies: &mpsc::Sender<Message>) -> Result<(), End> {
        let connection = self.connection;
        let command = match message {
            CallerMessage::Ping { t } => {
                // Of a burst of pings some may stay unanswered: the next one says as much.
                let _full = replies.try_send(pong_event(&t));
                return Ok(());
            }
            CallerMessage::Text { text } => {
                let chars = text.chars().count();
                if text.trim().is_empty() || chars > self.max_text_chars {
                    let most = self.max_text_chars;
                    let sentence = format!("A message has 1 to {most} characters; this one has {chars}.");
                    return answer(replies, error_event("text_length", &sentence));
                }
                let text = Command::Text { text, answer: None, sid: None };
                return match self.handle.send(text) {
                    Err(SendError::Full) => answer(replies, error_event("too_many_messages", TOO_MANY)),
                    sent => sent.map_err(|error| refused(&self.handle, error)),
                };
            }
            CallerMessage::Playout { speech_id, played_ms } => {
                return self.report(Command::Playout { connection, speech: speech_id, played_ms, reported: true });
            }
            CallerMessage::Mute { muted } => Command::Mute { connection, muted },
            CallerMessage::Consent { recording } => Command::Consent { recording },
            CallerMessage::Screen { sharing } => Command::Sharing { connection, is_shared: sharing },
            CallerMessage::Picture { look_id, data, last } => {
                Command::Picture { connection, look: look_id, piece: data, is_last: last }
            }
            CallerMessage::End => Command::HangUp { by: HangUp::Caller },
        };
        self.handle.send(command).map_err(|error| refused(&self.handle, error))
    }

    /// A session that has no place for a report hears the next one, which says more.
    fn report(&self, report: Command) -> Result<(), End> {
        match self.handle.send(report) {
            Ok(()) | Err(SendError::Full) => Ok(()),
            Err(SendError::Ended) => Err(refused(&self.handle, SendError::Ended)),
        }
    }

    async fn write(
        &self,
        sink: &mut Sink,
        mut inbox: mpsc::Receiver<Outbound>,
        mut own: mpsc::Receiver<Message>,
        pings: &Pings,
    ) -> End {
        let mut due = interval(Duration::from_millis(self.limits.ping_interval_ms));
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let messages = tokio::select! {
                outbound = inbox.recv() => match outbound {
                    Some(Outbound::Close { code, reason }) => return End::new(code, reason),
                    Some(outbound) => {
                        let is_long = matches!(&outbound, Outbound::Tasks(tasks) if tasks.len() > MANY_TASKS);
                        blocking::run(is_long, || encode(&outbound))
                    }
                    None => return dropped(&self.handle),
                },
                Some(reply) = own.recv() => vec![reply],
                _ = due.tick() => vec![pings.next(Instant::now())],
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

    const fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.limits.write_timeout_ms)
    }
}

fn answer(replies: &mpsc::Sender<Message>, message: Message) -> Result<(), End> {
    replies.try_send(message).map_err(|_| End::new(close::TOO_SLOW, "the reader is too slow for its own answers"))
}

#[cfg(test)]
mod tests {

    use axum::extract::ws::Utf8Bytes;

    use super::*;
    use crate::driver::api::SessionInfo;
    use crate::telemetry::Metrics;

    fn leg_with(commands: mpsc::Sender<Command>) -> Leg {
        let info = SessionInfo::listening();
        Leg {
            connection: ConnectionId(1),
            session_id: "s".to_owned(),
            voice: true,
            handle: SessionHandle::new(commands, tokio::sync::watch::channel(info).1),
            events: Arc::new(Events::new(Metrics::new("rules", &[]))),
            limits: Limits::default(),
            max_text_chars: 2_000,
            received: Received::default(),
            going_away: CancellationToken::new(),
        }
    }

    #[test]
    fn a_session_that_is_behind_loses_audio_and_reports_and_no_call() {
        let (commands, queue) = mpsc::channel(16);
        let leg = leg_with(commands);
        let (replies, _own) = mpsc::channel(1);
        let frame = || Message::Binary(bytes::Bytes::from(vec![0; 640]));
        let pings = Pings::default();
        let text = |json: &str| Message::Text(Utf8Bytes::from(json.to_owned()));
        let report = || text(r#"{"type":"playout","speech_id":1,"played_ms":100}"#);
        for _ in 0..100 {
            leg.take(frame(), &replies, &pings).unwrap();
        }
        assert_eq!(queue.len(), 12, "audio leaves a quarter of the queue");
        for _ in 0..100 {
            leg.take(report(), &replies, &pings).unwrap();
        }
        assert_eq!(queue.len(), 14, "reports leave an eighth");
        let dropped = leg.events.metrics().exposition().unwrap();
        assert!(dropped.contains("voice_audio_frames_dropped_total{reason=\"queue_full\"} 88"), "{dropped}");
        leg.take(text(r#"{"type":"text","text":"hi"}"#), &replies, &pings).unwrap();
        leg.take(text(r#"{"type":"mute","muted":true}"#), &replies, &pings).unwrap();
        assert_eq!(leg.take(text(r#"{"type":"end"}"#), &replies, &pings).unwrap_err().code, close::TOO_SLOW);
        drop(queue);
        assert_eq!(
            leg.take(frame(), &replies, &pings).unwrap_err().code,
            close::FAILED,
            "a session that is gone is no queue"
        );
    }
}
