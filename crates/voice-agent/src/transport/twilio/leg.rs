//! One stream of one call: what Twilio sends becomes commands, what the session says goes out with marks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use voice_core::ids::ConnectionId;
use voice_core::input::HangUp;

use super::frames::{CallerAudio, CallerFrame};
use super::marks::{Ledger, MARK_EVERY_MS, Position};
use super::reader::Reader;
use super::wire::{StreamEvent, StreamSid, StreamStart, clear_message, mark_message, media_message};
use crate::audio::format::AudioFormat;
use crate::config::{Limits, Twilio};
use crate::driver::api::{Command, Outbound, SendError, SessionHandle};
use crate::telemetry::Events;
use crate::transport::end::{End, Sink, dropped, refused, say_farewell};
use crate::transport::inlet::Inlet;
use crate::transport::{Received, close};

/// Bytes of audio between two marks at most.
const MARKED_BYTES: usize = MARK_EVERY_MS as usize * AudioFormat::Mulaw8k.bytes_per_ms();

/// A stream's socket.
pub struct Line {
    sink: Sink,
    reader: Reader,
    start_timeout: Duration,
    write_timeout: Duration,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

/// The session that a stream carries.
#[derive(Debug)]
pub struct Leg {
    /// The connection, unique in the process.
    pub connection: ConnectionId,
    /// The session's id, for the log.
    pub session_id: String,
    /// The session.
    pub handle: SessionHandle,
    /// Metrics and log.
    pub events: Arc<Events>,
    /// Most that waits for the stream.
    pub outbound_queue: usize,
    /// Cancelled when the server goes away.
    pub going_away: CancellationToken,
}

impl Line {
    /// A socket on which nothing was said yet.
    pub(crate) fn new(socket: WebSocket, received: Received, limits: &Limits, twilio: &Twilio) -> Self {
        let (sink, stream) = socket.split();
        Self {
            sink,
            reader: Reader::new(Inlet::new(stream, received), limits, twilio.max_malformed),
            start_timeout: Duration::from_millis(twilio.start_timeout_ms),
            write_timeout: Duration::from_millis(limits.write_timeout_ms),
        }
    }

    /// Waits for the message that says which call this is.
    pub(crate) async fn start(&mut self) -> Result<StreamStart, End> {
        match timeout(self.start_timeout, self.reader.start()).await {
            Ok(started) => started,
            Err(_) => Err(End::new(close::REFUSED, "no start message in time")),
        }
    }

    /// Closes it without a session.
    pub(crate) async fn close(mut self, end: &End) {
        say_farewell(&mut self.sink, self.reader.inlet_mut(), end, self.write_timeout).await;
    }

    /// Carries the session over this stream until one of them is done with the other.
    pub(crate) async fn carry(mut self, stream: StreamSid, leg: Leg) {
        let (outbound, inbox) = mpsc::channel(leg.outbound_queue);
        let (events, session, connection) = (Arc::clone(&leg.events), leg.session_id.clone(), leg.connection);
        events.connection_opened(&session, connection.0);
        let call = Call { leg, stream, ledger: Mutex::default(), began: Instant::now() };
        let end = match call.leg.handle.send(Command::Attach { connection, voice: true, outbound, room: None }) {
            Err(error) => refused(&call.leg.handle, error),
            Ok(()) => tokio::select! {
                end = call.read(&mut self.reader) => end,
                end = call.write(&mut self.sink, inbox, self.write_timeout) => end,
            },
        };
        // If the session is over or has a newer connection, it takes no notice of this.
        let _ignored_when_over = call.leg.handle.send(Command::Detach { connection });
        self.close(&end).await;
        events.connection_closed(&session, connection.0, end.code, &end.reason);
    }
}

/// A stream and its session.
struct Call {
    leg: Leg,
    stream: StreamSid,
    /// Written by what goes out, read by what comes back; never held across an `.await`.
    ledger: Mutex<Ledger>,
    began: Instant,
}

impl Call {
    async fn read(&self, reader: &mut Reader) -> End {
        let mut audio = CallerAudio::new();
        loop {
            let event = match reader.next().await {
                Ok(event) => event,
                Err(end) => return end,
            };
            let taken = match event {
                StreamEvent::Start(_) => reader.tolerate("a second start message"),
                event => self.take(event, &mut audio),
            };
            if let Err(end) = taken {
                return end;
            }
        }
    }

    fn take(&self, event: StreamEvent, audio: &mut CallerAudio) -> Result<(), End> {
        match event {
            StreamEvent::Media(mulaw) => audio.take(mulaw).into_iter().try_for_each(|frame| self.hear(frame)),
            StreamEvent::Mark(name) => {
                let position = self.ledger().returned(self.now_ms(), &name);
                position.map_or(Ok(()), |position| self.report(position, true))
            }
            StreamEvent::Stop => Err(self.hang_up()),
            // Which one it was may be a part of somebody's secret: no log line has it.
            StreamEvent::Dtmf(key) => self.tell(Command::Key { connection: self.leg.connection, key }),
            StreamEvent::Connected | StreamEvent::Start(_) | StreamEvent::Other => Ok(()),
        }
    }

    fn hear(&self, frame: CallerFrame) -> Result<(), End> {
        let CallerFrame { pcm, mulaw } = frame;
        let command = Command::Audio { connection: self.leg.connection, frame: pcm, mulaw: Some(mulaw) };
        match self.leg.handle.send(command) {
            Ok(()) => Ok(()),
            Err(SendError::Full) => {
                self.leg.events.frames_dropped("queue_full", 1);
                Ok(())
            }
            Err(SendError::Ended) => Err(refused(&self.leg.handle, SendError::Ended)),
        }
    }

    /// `reported`: a mark said so, and not the clock.
    fn report(&self, position: Position, reported: bool) -> Result<(), End> {
        let Position { speech, played_ms } = position;
        self.tell(Command::Playout { connection: self.leg.connection, speech, played_ms, reported })
    }

    fn tell(&self, command: Command) -> Result<(), End> {
        self.leg.handle.send(command).map_err(|error| refused(&self.leg.handle, error))
    }

    /// The caller is gone: history keeps what was heard up to now.
    fn hang_up(&self) -> End {
        let heard = self.ledger().clear(self.now_ms());
        let told = heard.map_or(Ok(()), |position| self.report(position, false));
        let told = told.and_then(|()| self.tell(Command::HangUp { by: HangUp::Caller }));
        told.err().unwrap_or_else(|| End::new(close::ENDED, "the caller hung up"))
    }

    async fn write(&self, sink: &mut Sink, mut inbox: mpsc::Receiver<Outbound>, limit: Duration) -> End {
        loop {
            let messages = tokio::select! {
                outbound = inbox.recv() => match outbound {
                    Some(Outbound::Close { code, reason }) => return End::new(code, reason),
                    Some(outbound) => self.say(&outbound),
                    None => return dropped(&self.leg.handle),
                },
                () = self.leg.going_away.cancelled() => {
                    return End::new(close::GOING_AWAY, "the server is going away");
                }
            };
            let messages = match messages {
                Ok(messages) if messages.is_empty() => continue,
                Ok(messages) => messages,
                Err(end) => return end,
            };
            let sent = async {
                for message in messages {
                    sink.feed(Message::Text(Utf8Bytes::from(message))).await?;
                }
                sink.flush().await
            };
            match timeout(limit, sent).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return End::new(close::LOST, error.to_string()),
                Err(_) => return End::new(close::TOO_SLOW, "the reader is too slow"),
            }
        }
    }

    /// What goes over the wire for this. Of events for a page a telephone shows nothing.
    fn say(&self, outbound: &Outbound) -> Result<Vec<String>, End> {
        match outbound {
            Outbound::Audio(mulaw) => Ok(self.speak(mulaw)),
            Outbound::SpeechStarted { speech, .. } => {
                self.ledger().begin(*speech, 0);
                Ok(Vec::new())
            }
            Outbound::SpeechResumed { speech, from_ms } => {
                self.ledger().begin(*speech, *from_ms);
                Ok(Vec::new())
            }
            Outbound::Clear { .. } => {
                let stopped = self.ledger().clear(self.now_ms());
                stopped.map_or(Ok(()), |position| self.report(position, false))?;
                Ok(vec![clear_message(&self.stream)])
            }
            // The last audio of a speech has its mark already; a close is told to the socket, not in it.
            Outbound::SpeechFinished { .. }
            | Outbound::Look { .. }
            | Outbound::Ready(_)
            | Outbound::Event(_)
            | Outbound::Tasks(_)
            | Outbound::Close { .. } => Ok(Vec::new()),
        }
    }

    /// Audio in pieces with a mark behind each.
    fn speak(&self, mulaw: &[u8]) -> Vec<String> {
        let now_ms = self.now_ms();
        let mut messages = Vec::with_capacity(2 * mulaw.len().div_ceil(MARKED_BYTES));
        for piece in mulaw.chunks(MARKED_BYTES) {
            let length_ms = (piece.len() / AudioFormat::Mulaw8k.bytes_per_ms()) as u64;
            let mark = self.ledger().send(now_ms, length_ms);
            messages.push(media_message(&self.stream, piece));
            messages.extend(mark.map(|name| mark_message(&self.stream, &name)));
        }
        messages
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // A position that is a little wrong is better than none.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::Value;
    use tokio::sync::watch;
    use voice_core::ids::{ReplyId, SpeechId};
    use voice_core::input::Key;

    use super::*;
    use crate::driver::api::SessionInfo;
    use crate::telemetry::Metrics;

    const SPEECH: SpeechId = SpeechId(3);

    fn call() -> (Call, mpsc::Receiver<Command>) {
        let info = SessionInfo::listening();
        let (commands, inbox) = mpsc::channel(4);
        let leg = Leg {
            connection: ConnectionId(1),
            session_id: "s".to_owned(),
            handle: SessionHandle::new(commands, watch::channel(info).1),
            events: Arc::new(Events::new(Metrics::new("rules", &[]))),
            outbound_queue: 32,
            going_away: CancellationToken::new(),
        };
        let stream = StreamSid::parse("MZ1").unwrap();
        (Call { leg, stream, ledger: Mutex::default(), began: Instant::now() }, inbox)
    }

    fn events(messages: &[String]) -> Vec<String> {
        let event = |text: &String| serde_json::from_str::<Value>(text).unwrap()["event"].as_str().unwrap().to_owned();
        messages.iter().map(event).collect()
    }

    fn speak(call: &Call, ms: usize) -> Vec<String> {
        call.say(&Outbound::SpeechStarted { speech: SPEECH, reply: ReplyId(1) }).unwrap();
        call.say(&Outbound::Audio(Bytes::from(vec![0xff; 8 * ms]))).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn audio_goes_out_in_pieces_of_a_fifth_of_a_second_with_a_mark_behind_each() {
        let (call, mut commands) = call();
        let messages = speak(&call, 420);
        assert_eq!(events(&messages), ["media", "mark", "media", "mark", "media", "mark"]);
        let first: Value = serde_json::from_str(&messages[0]).unwrap();
        assert_eq!(first["media"]["payload"].as_str().unwrap().len(), 1_600 / 3 * 4 + 4);
        let name = serde_json::from_str::<Value>(&messages[1]).unwrap()["mark"]["name"].as_str().unwrap().to_owned();
        call.take(StreamEvent::Mark(name), &mut CallerAudio::new()).unwrap();
        let Some(Command::Playout { speech: SPEECH, played_ms: 200, reported: true, .. }) = commands.recv().await
        else {
            panic!("no position")
        };
    }

    #[tokio::test(start_paused = true)]
    async fn a_clear_says_where_the_playout_stopped() {
        let (call, mut commands) = call();
        speak(&call, 400);
        tokio::time::advance(Duration::from_millis(130)).await;
        let messages = call.say(&Outbound::Clear { speech: SPEECH }).unwrap();
        assert_eq!(events(&messages), ["clear"]);
        let Some(Command::Playout { played_ms: 130, reported: false, .. }) = commands.recv().await else {
            panic!("no position")
        };
        for name in ["m1", "m2"] {
            call.take(StreamEvent::Mark(name.to_owned()), &mut CallerAudio::new()).unwrap();
        }
        assert!(commands.try_recv().is_err(), "marks that a clear returned mean nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_says_what_was_heard_and_hangs_up() {
        let (call, mut commands) = call();
        speak(&call, 400);
        tokio::time::advance(Duration::from_millis(70)).await;
        let end = call.take(StreamEvent::Stop, &mut CallerAudio::new()).unwrap_err();
        assert_eq!(end.code, close::ENDED);
        let Some(Command::Playout { played_ms: 70, reported: false, .. }) = commands.recv().await else {
            panic!("no position")
        };
        assert!(matches!(commands.recv().await, Some(Command::HangUp { by: HangUp::Caller })));
    }

    #[tokio::test]
    async fn a_frame_comes_decoded_and_as_it_was() {
        let (call, mut commands) = call();
        let mut audio = CallerAudio::new();
        call.take(StreamEvent::Media(vec![0xff; 100].into()), &mut audio).unwrap();
        assert!(commands.try_recv().is_err(), "not a frame yet");
        call.take(StreamEvent::Media(vec![0xff; 60].into()), &mut audio).unwrap();
        let Some(Command::Audio { frame, mulaw: Some(mulaw), .. }) = commands.recv().await else { panic!("no frame") };
        assert!(frame.iter().all(|sample| *sample == 0) && mulaw.iter().all(|code| *code == 0xff));
        call.take(StreamEvent::Dtmf(Key::POUND), &mut audio).unwrap();
        let Some(Command::Key { key: Key::POUND, .. }) = commands.recv().await else { panic!("no key") };
        // Of a queue of four places audio leaves one to what matters more: three frames are taken.
        call.take(StreamEvent::Media(vec![0xff; 160 * 5].into()), &mut audio).unwrap();
        let text = call.leg.events.metrics().exposition().unwrap();
        assert!(text.contains("voice_audio_frames_dropped_total{reason=\"queue_full\"} 2"), "{text}");
    }
}
