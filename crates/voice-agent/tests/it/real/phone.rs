//! A caller: a microphone that is a file, a loudspeaker that knows what it has played.

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::Message;
use voice_agent::audio::frame::FRAME_MS;

use super::super::server::Session;
use super::super::socket::Socket;
use super::process::{PATIENCE, Process};

/// Bytes of a caller's frame, and of silence.
const FRAME: usize = 640;
/// A recording begins at a multiple of so many frames (160 ms): the VAD's windows of 32 ms then always fall on the same
/// samples, and the recogniser hears the same stretch of it. A stretch that begins a few milliseconds earlier may be
/// misheard, and where it began would be a matter of the machine's load.
const BEAT: usize = 8;
/// Frames between two playout reports.
const REPORT_EVERY: u64 = 5;

/// The samples of a fixture, 16 kHz.
pub(crate) fn wav(path: &Path) -> Vec<i16> {
    let mut reader = hound::WavReader::open(path).unwrap();
    let spec = reader.spec();
    assert_eq!((spec.sample_rate, spec.channels, spec.bits_per_sample), (16_000, 1, 16), "{}", path.display());
    reader.samples::<i16>().map(Result::unwrap).collect()
}

/// Writes samples as such a fixture.
pub(crate) fn write_wav(path: &Path, samples: &[i16]) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    samples.iter().for_each(|sample| writer.write_sample(*sample).unwrap());
    writer.finalize().unwrap();
}

/// What the loudspeaker is playing.
#[derive(Debug)]
struct Playing {
    speech: u64,
    from_ms: u64,
    received_ms: u64,
    /// It begins so much later than its first frame came.
    lag_ms: u64,
    since: Option<Instant>,
    /// Its length, once all of it has come.
    whole_ms: Option<u64>,
}

impl Playing {
    fn new(speech: u64, from_ms: u64, lag_ms: u64) -> Self {
        Self { speech, from_ms, received_ms: 0, lag_ms, since: None, whole_ms: None }
    }

    fn position_ms(&self) -> u64 {
        let elapsed = self.since.map_or(0, |since| u64::try_from(since.elapsed().as_millis()).unwrap());
        let position = self.from_ms + self.received_ms.min(elapsed.saturating_sub(self.lag_ms));
        self.whole_ms.map_or(position, |whole_ms| position.min(whole_ms))
    }

    fn is_over(&self) -> bool {
        self.whole_ms.is_some_and(|whole_ms| self.position_ms() >= whole_ms)
    }

    fn report(&self) -> Value {
        json!({"type": "playout", "speech_id": self.speech, "played_ms": self.position_ms()})
    }
}

/// One call.
pub(crate) struct Phone {
    socket: Socket,
    ticks: Interval,
    /// Frames that were sent.
    count: u64,
    to_say: VecDeque<Bytes>,
    playing: Option<Playing>,
    /// What the loudspeaker keeps back before it plays, in milliseconds.
    pub(crate) lag_ms: u64,
    /// Every event that came.
    pub(crate) events: Vec<Value>,
    /// The code that the server closed with.
    pub(crate) closed: Option<u16>,
}

impl Phone {
    /// Calls, and waits for the session to be there.
    pub(crate) async fn call(server: &Process, session: &Session) -> Self {
        let socket = Socket::open(server.http, &session.id, &session.token).await;
        let mut ticks = interval(Duration::from_millis(FRAME_MS));
        // A microphone does not slow down because the machine was busy.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut phone = Self {
            socket,
            ticks,
            count: 0,
            to_say: VecDeque::new(),
            playing: None,
            lag_ms: 0,
            events: Vec::new(),
            closed: None,
        };
        phone.until("the session is there", |phone| phone.last("ready").is_some()).await;
        phone
    }

    /// Says this, from the next beat on.
    pub(crate) fn say(&mut self, pcm: &[i16]) {
        let before = usize::try_from(self.count).unwrap() + self.to_say.len();
        let silence = before.next_multiple_of(BEAT) - before;
        self.to_say.extend(std::iter::repeat_n(Bytes::from_static(&[0; FRAME]), silence));
        self.to_say.extend(pcm.chunks(FRAME / 2).map(|samples| {
            let mut bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            bytes.resize(FRAME, 0);
            Bytes::from(bytes)
        }));
    }

    pub(crate) async fn send(&mut self, event: &Value) {
        self.socket.send(event).await;
    }

    /// Goes on with the call until something is so.
    pub(crate) async fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(self.closed.is_none() && Instant::now() < deadline, "never: {what}\n{}", self.story());
            self.step().await;
        }
    }

    /// Goes on with the call until the agent has said the greeting, or the words of a return.
    pub(crate) async fn until_greeted(&mut self) {
        self.until("the greeting is over", |phone| phone.last("speech_finished").is_some() && phone.is_quiet()).await;
    }

    /// Goes on with the call for a time.
    pub(crate) async fn for_ms(&mut self, ms: u64) {
        let until = Instant::now() + Duration::from_millis(ms);
        while Instant::now() < until && self.closed.is_none() {
            self.step().await;
        }
    }

    /// Goes on until the server closes.
    pub(crate) async fn until_closed(&mut self) -> u16 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(code) = self.closed {
                return code;
            }
            assert!(Instant::now() < deadline, "never closed\n{}", self.story());
            self.step().await;
        }
    }

    async fn step(&mut self) {
        tokio::select! {
            _ = self.ticks.tick() => self.tick().await,
            message = self.socket.0.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let event = serde_json::from_str(&text).unwrap();
                    self.take(event).await;
                }
                Some(Ok(Message::Binary(bytes))) => self.hear(bytes.len()),
                Some(Ok(Message::Close(frame))) => self.closed = Some(frame.map_or(1005, |frame| frame.code.into())),
                Some(Ok(_)) => {}
                // The server is gone without a word, as after kill -9.
                Some(Err(_)) | None => self.closed = Some(self.closed.unwrap_or(1006)),
            },
        }
    }

    async fn tick(&mut self) {
        let frame = self.to_say.pop_front().unwrap_or_else(|| Bytes::from_static(&[0; FRAME]));
        self.count += 1;
        let mut out = vec![Message::Binary(frame)];
        if let Some(playing) = self.playing.as_ref().filter(|_| self.count.is_multiple_of(REPORT_EVERY)) {
            out.push(Message::text(playing.report().to_string()));
        }
        self.playing.take_if(|playing| playing.is_over() && self.count.is_multiple_of(REPORT_EVERY));
        for message in out {
            // A server that is gone is noticed by the reading side.
            let _may_be_gone = self.socket.0.send(message).await;
        }
    }

    async fn take(&mut self, event: Value) {
        let number = |field: &str| event[field].as_u64().unwrap_or(0);
        match event["type"].as_str().unwrap() {
            "speech_started" => self.playing = Some(Playing::new(number("speech_id"), 0, self.lag_ms)),
            "speech_resumed" => self.playing = Some(Playing::new(number("speech_id"), number("from_ms"), self.lag_ms)),
            "speech_finished" => {
                if let Some(playing) = self.playing.as_mut().filter(|playing| playing.speech == number("speech_id")) {
                    playing.whole_ms = Some(number("duration_ms"));
                }
            }
            "clear" => {
                if let Some(playing) = self.playing.take_if(|playing| playing.speech == number("speech_id")) {
                    self.socket.send(&playing.report()).await;
                }
            }
            _ => {}
        }
        self.events.push(event);
    }

    fn hear(&mut self, bytes: usize) {
        assert_eq!(bytes, 960);
        let playing = self.playing.as_mut().expect("audio belongs to a speech");
        playing.received_ms += FRAME_MS;
        playing.since.get_or_insert_with(Instant::now);
    }

    /// Milliseconds of the present speech that were played.
    pub(crate) fn played_ms(&self) -> u64 {
        self.playing.as_ref().map_or(0, Playing::position_ms)
    }

    /// Whether nothing is being said, by either side.
    pub(crate) fn is_quiet(&self) -> bool {
        self.playing.is_none() && self.to_say.is_empty()
    }

    /// Frames that wait to be said.
    pub(crate) fn frames_to_say(&self) -> usize {
        self.to_say.len()
    }

    /// The events of a type.
    pub(crate) fn all(&self, kind: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["type"] == kind).collect()
    }

    pub(crate) fn last(&self, kind: &str) -> Option<&Value> {
        self.events.iter().rev().find(|event| event["type"] == kind)
    }

    /// What the caller is known to have said last.
    pub(crate) fn transcript(&self) -> String {
        let last = self.events.iter().rev().find(|event| event["type"] == "transcript" && event["final"] == true);
        last.map_or_else(String::new, |event| event["text"].as_str().unwrap().to_owned())
    }

    /// The caption of a reply.
    pub(crate) fn caption(&self, reply: &Value) -> String {
        let texts = self.all("agent_text").into_iter().filter(|event| event["reply_id"] == *reply);
        texts.map(|event| event["text"].as_str().unwrap().trim()).collect::<Vec<_>>().join(" ")
    }

    /// All events but the task lists, for a failed test.
    fn story(&self) -> String {
        let told = self.events.iter().filter(|event| event["type"] != "tasks");
        told.map(Value::to_string).collect::<Vec<_>>().join("\n")
    }
}
