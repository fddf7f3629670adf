//! The loop behind every WebSocket: a protocol's frames at their times, through the faults.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::fault::{FaultKind, Now};
use super::journal::{End, Record};
use super::service::Service;
use super::shared::Shared;

/// Largest message that is taken.
pub(crate) const LARGEST_MESSAGE: usize = 1024 * 1024;
/// A client that does not read is let go of.
const LONGEST_SEND: Duration = Duration::from_secs(10);
/// How long the answer to a close is waited for.
const LONGEST_CLOSE: Duration = Duration::from_secs(2);
/// Frames that wait at most.
const MOST_WAITING: usize = 10_000;
/// Units whose faults are remembered.
const MOST_UNITS: usize = 64;
/// Under `dribble`, from a message without audio to the next.
const DRIBBLE_MS: u64 = 1_500;

/// What a frame holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Body {
    Json(Value),
    Close(u16, String),
}

/// A message to the client.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame {
    /// What it belongs to (an utterance, a context): faults come and go with it.
    pub(crate) unit: String,
    /// A transcript, or audio.
    pub(crate) useful: bool,
    /// The length of the audio in it, in ms.
    pub(crate) span_ms: u64,
    pub(crate) body: Body,
}

impl Frame {
    pub(crate) fn json(unit: &str, value: Value) -> Self {
        Self { unit: unit.to_owned(), useful: false, span_ms: 0, body: Body::Json(value) }
    }

    pub(crate) fn useful(unit: &str, span_ms: u64, value: Value) -> Self {
        Self { unit: unit.to_owned(), useful: true, span_ms, body: Body::Json(value) }
    }

    pub(crate) fn close(code: u16, reason: &str) -> Self {
        Self { unit: String::new(), useful: false, span_ms: 0, body: Body::Close(code, reason.to_owned()) }
    }
}

/// Frames that wait for their time.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: BTreeMap<(u64, u64), (Frame, bool)>,
    pushed: u64,
}

impl Outbox {
    /// Sends a frame at a time (in ms of the journal's clock), behind others of the same time.
    pub(crate) fn push(&mut self, due_ms: u64, frame: Frame) {
        self.put(due_ms, frame, false);
    }

    fn put(&mut self, due_ms: u64, frame: Frame, passed: bool) {
        self.pushed += 1;
        self.waiting.insert((due_ms, self.pushed), (frame, passed));
    }

    fn next_due(&self) -> Option<u64> {
        self.waiting.keys().next().map(|(due_ms, _)| *due_ms)
    }

    /// The next frame whose time has come, and whether it has passed the faults already.
    fn pop(&mut self, now_ms: u64) -> Option<(Frame, bool)> {
        let first = self.waiting.first_entry()?;
        (first.key().0 <= now_ms).then(|| first.remove())
    }

    #[cfg(test)]
    pub(crate) fn take_all(&mut self) -> Vec<(u64, Frame)> {
        std::mem::take(&mut self.waiting).into_iter().map(|((due_ms, _), (frame, _))| (due_ms, frame)).collect()
    }
}

/// What came from the client.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Incoming<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

/// One socket's protocol, without the socket.
pub(crate) trait Protocol: Send {
    fn service(&self) -> Service;
    fn model(&self) -> Option<&str>;
    /// Takes a message.
    fn handle(&mut self, incoming: Incoming<'_>, now_ms: u64, record: &Record, out: &mut Outbox);
    /// Does what is due by now.
    fn poll(&mut self, now_ms: u64, record: &Record, out: &mut Outbox);
    /// When it has something to do next.
    fn poll_at_ms(&self) -> Option<u64>;
    /// What an error looks like in the open stream.
    fn refusal(&self, unit: &str, kind: FaultKind) -> Vec<Frame>;
    /// What is left of a frame under `empty`, `spaces` or `wrong_audio`.
    fn distort(&self, frame: Frame, kind: FaultKind) -> Option<Frame>;
}

#[derive(Debug, Default)]
struct Unit {
    useful: u64,
    fault: Option<FaultKind>,
    /// It is over: whatever comes is not sent.
    mute: bool,
    malformed: bool,
    /// When the next dribble is due.
    next_ms: u64,
}

/// What is to be done with a frame.
enum Passage {
    Send(Vec<String>, bool),
    /// Frames that say an error; the last one may close.
    Refuse(Vec<Frame>),
    Close(u16, String),
    Later(u64, Frame),
    Nothing,
    Cut,
}

/// The faults of one socket.
struct Faulty {
    shared: Arc<Shared>,
    units: VecDeque<(String, Unit)>,
}

impl Faulty {
    fn pass(&mut self, frame: Frame, protocol: &dyn Protocol, now_ms: u64, record: &Record) -> Passage {
        let shared = Arc::clone(&self.shared);
        let unit = self.unit(&frame.unit);
        if unit.mute {
            return Passage::Nothing;
        }
        if unit.fault.is_none()
            && let Some(kind) = shared.faults.take(protocol.service(), protocol.model(), Now::Open(unit.useful))
        {
            record.note("fault", format!("{kind} after {} in {:?}", unit.useful, frame.unit));
            unit.fault = Some(kind);
        }
        let useful = frame.useful;
        match unit.fault {
            None => {
                unit.useful += u64::from(useful);
                plain(frame)
            }
            Some(FaultKind::Cut | FaultKind::Refuse) => Passage::Cut,
            Some(FaultKind::Hang) => {
                unit.mute = true;
                Passage::Nothing
            }
            Some(kind @ (FaultKind::Status(..) | FaultKind::Quota | FaultKind::ModelNotFound)) => {
                unit.mute = true;
                Passage::Refuse(protocol.refusal(&frame.unit, kind))
            }
            Some(kind) => {
                unit.useful += u64::from(useful);
                unit.distorted(frame, kind, protocol, now_ms)
            }
        }
    }

    fn unit(&mut self, name: &str) -> &mut Unit {
        let place = self.units.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            if self.units.len() >= MOST_UNITS {
                self.units.pop_front();
            }
            self.units.push_back((name.to_owned(), Unit::default()));
            self.units.len() - 1
        });
        &mut self.units[place].1
    }
}

impl Unit {
    fn distorted(&mut self, frame: Frame, kind: FaultKind, protocol: &dyn Protocol, now_ms: u64) -> Passage {
        match kind {
            FaultKind::Malformed if !self.malformed => {
                self.malformed = true;
                let useful = frame.useful;
                text(frame).map_or(Passage::Nothing, |text| Passage::Send(vec![broken(&text)], useful))
            }
            FaultKind::Unknown => {
                let strange =
                    json!({"type": "something_new", "unit": frame.unit, "payload": {"values": [1, null, "x"]}});
                let useful = frame.useful;
                match frame.body {
                    Body::Json(Value::Object(mut object)) => {
                        object.insert("x_new_field".to_owned(), json!({"nested": [1, 2]}));
                        Passage::Send(vec![strange.to_string(), Value::Object(object).to_string()], useful)
                    }
                    body => plain(Frame { body, ..frame }),
                }
            }
            FaultKind::Dribble => {
                let at_ms = self.next_ms.max(now_ms);
                let pause_ms = if frame.span_ms > 0 { 2 * frame.span_ms } else { DRIBBLE_MS };
                self.next_ms = at_ms + if frame.useful { pause_ms } else { 0 };
                if at_ms <= now_ms { plain(frame) } else { Passage::Later(at_ms, frame) }
            }
            FaultKind::Empty | FaultKind::Spaces | FaultKind::WrongAudio => {
                protocol.distort(frame, kind).map_or(Passage::Nothing, plain)
            }
            _ => plain(frame),
        }
    }
}

fn plain(frame: Frame) -> Passage {
    let useful = frame.useful;
    match frame.body {
        Body::Json(value) => Passage::Send(vec![value.to_string()], useful),
        Body::Close(code, reason) => Passage::Close(code, reason),
    }
}

fn text(frame: Frame) -> Option<String> {
    match frame.body {
        Body::Json(value) => Some(value.to_string()),
        Body::Close(..) => None,
    }
}

/// The first half of a message.
fn broken(text: &str) -> String {
    text.chars().take(text.chars().count() / 2).collect()
}

/// Serves a socket to its end.
pub(crate) async fn pump(shared: Arc<Shared>, socket: WebSocket, protocol: impl Protocol, record: Record) {
    record.status(101);
    let stop = shared.stop.clone();
    let faulty = Faulty { shared, units: VecDeque::new() };
    let mut pump = Pump { socket, protocol, record, faulty, out: Outbox::default() };
    tokio::select! {
        biased;
        () = stop.cancelled() => pump.record.end(End::Stopped),
        () = pump.run() => {}
    }
}

struct Pump<P> {
    socket: WebSocket,
    protocol: P,
    record: Record,
    faulty: Faulty,
    out: Outbox,
}

impl<P: Protocol> Pump<P> {
    async fn run(&mut self) {
        loop {
            let now_ms = self.record.now_ms();
            self.protocol.poll(now_ms, &self.record, &mut self.out);
            if self.out.waiting.len() > MOST_WAITING {
                return self.close(1013, "too much at once").await;
            }
            if let Some((frame, passed)) = self.out.pop(now_ms) {
                let passage =
                    if passed { plain(frame) } else { self.faulty.pass(frame, &self.protocol, now_ms, &self.record) };
                if !self.carry(passage).await {
                    return;
                }
                continue;
            }
            let wake_ms = [self.out.next_due(), self.protocol.poll_at_ms()].into_iter().flatten().min();
            let rest = Duration::from_millis(wake_ms.map_or(60_000, |wake_ms| wake_ms.saturating_sub(now_ms)));
            tokio::select! {
                biased;
                message = self.socket.recv() => if !self.take(message).await { return },
                () = sleep(rest) => {}
            }
        }
    }

    /// Takes a message; false when the client is gone.
    async fn take(&mut self, message: Option<Result<Message, axum::Error>>) -> bool {
        let now_ms = self.record.now_ms();
        let incoming = match &message {
            Some(Ok(Message::Text(text))) => Incoming::Text(text.as_str()),
            Some(Ok(Message::Binary(bytes))) => Incoming::Binary(bytes),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return true,
            Some(Ok(Message::Close(_))) => {
                self.record.end(End::ClientClosed);
                // Its close is answered while we go on reading.
                let rest = async { while let Some(Ok(_)) = self.socket.recv().await {} };
                let _a_client_that_stays_is_left = timeout(LONGEST_CLOSE, rest).await;
                return false;
            }
            Some(Err(_)) | None => {
                self.record.end(End::ClientGone);
                return false;
            }
        };
        let (bytes, useful) = match incoming {
            Incoming::Text(text) => (text.len(), false),
            Incoming::Binary(bytes) => (bytes.len(), true),
        };
        self.record.received(bytes, useful);
        self.protocol.handle(incoming, now_ms, &self.record, &mut self.out);
        true
    }

    /// Does what the faults left of a frame; false when that was the end.
    async fn carry(&mut self, passage: Passage) -> bool {
        match passage {
            Passage::Nothing => true,
            Passage::Later(at_ms, frame) => {
                self.out.put(at_ms, frame, true);
                true
            }
            Passage::Cut => {
                self.record.end(End::Fault("cut".to_owned()));
                false
            }
            Passage::Close(code, reason) => {
                self.close(code, &reason).await;
                false
            }
            Passage::Refuse(frames) => {
                for frame in frames {
                    let carried = match frame.body {
                        Body::Json(value) => self.send(value.to_string(), false).await,
                        Body::Close(code, reason) => {
                            self.close(code, &reason).await;
                            false
                        }
                    };
                    if !carried {
                        return false;
                    }
                }
                true
            }
            Passage::Send(texts, useful) => {
                let last = texts.len().saturating_sub(1);
                for (place, text) in texts.into_iter().enumerate() {
                    if !self.send(text, useful && place == last).await {
                        return false;
                    }
                }
                true
            }
        }
    }

    /// Sends a text; false when the client is gone, or does not read.
    async fn send(&mut self, text: String, useful: bool) -> bool {
        self.record.sent(text.len(), useful);
        let sent = timeout(LONGEST_SEND, self.socket.send(Message::Text(Utf8Bytes::from(text)))).await;
        let arrived = matches!(sent, Ok(Ok(())));
        if !arrived {
            self.record.end(End::ClientGone);
        }
        arrived
    }

    /// Closes, and waits for the client to do so too.
    async fn close(&mut self, code: u16, reason: &str) {
        self.record.end(End::ServerClosed(code));
        let frame = CloseFrame { code, reason: Utf8Bytes::from(reason) };
        let goodbye = async {
            if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
                while let Some(Ok(_)) = self.socket.recv().await {}
            }
        };
        let _a_client_that_stays_is_left = timeout(LONGEST_CLOSE, goodbye).await;
    }
}
