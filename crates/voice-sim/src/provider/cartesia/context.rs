//! One context: its text, and the audio that is made of it.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::Place;
use super::message::Setup;
use crate::provider::code::Voice;
use crate::provider::socket::Frame;
use crate::provider::speech::{self, Spoken};

/// The audio in a message, in ms: no multiple of a telephone's frame.
const CHUNK_MS: u64 = 113;
/// A buffered text this long is not waited with any more.
const LONG_TEXT: usize = 160;

/// What a context has to do, in order.
#[derive(Debug)]
enum Work {
    /// A word of a generation.
    Say(u64, Spoken),
    Flushed,
}

/// One context.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) id: String,
    pub(super) setup: Setup,
    _place: Place,
    /// Text that is not synthesised yet, and since when it waits.
    text: String,
    waits_since_ms: Option<u64>,
    work: VecDeque<Work>,
    /// The rest of the word that is being sent.
    audio: VecDeque<Vec<i16>>,
    /// Generations so far, and the one that is being sent.
    generations: u64,
    sending: Option<u64>,
    next_ms: u64,
    /// The length of the audio so far.
    audio_ms: u64,
    last_audio_ms: Option<u64>,
    flush_id: u64,
    /// Nothing more comes from the client.
    pub(super) ended: bool,
    pub(super) characters: usize,
    ends_in_space: bool,
}

impl Context {
    pub(super) fn new(id: String, setup: Setup, place: Place) -> Self {
        Self {
            id,
            setup,
            _place: place,
            text: String::new(),
            waits_since_ms: None,
            work: VecDeque::new(),
            audio: VecDeque::new(),
            generations: 0,
            sending: None,
            next_ms: 0,
            audio_ms: 0,
            last_audio_ms: None,
            flush_id: 0,
            ended: false,
            characters: 0,
            ends_in_space: true,
        }
    }

    /// Takes a text; true when it was joined to the one before it without a space.
    pub(super) fn add(&mut self, transcript: &str, now_ms: u64, latency_ms: u64) -> bool {
        let joined = !self.ends_in_space && transcript.starts_with(char::is_alphanumeric);
        if let Some(last) = transcript.chars().last() {
            self.ends_in_space = !last.is_alphanumeric();
        }
        self.characters += transcript.chars().count();
        self.text.push_str(transcript);
        if !self.text.trim().is_empty() {
            self.waits_since_ms.get_or_insert(now_ms);
        }
        self.consider(now_ms, || latency_ms);
        joined
    }

    /// Begins with what waits, if it has waited for long enough or is enough.
    fn consider(&mut self, now_ms: u64, latency: impl FnOnce() -> u64) {
        let is_sentence =
            self.text.len() >= LONG_TEXT || self.text.trim_end().ends_with(['.', '!', '?']) && self.text.len() > 40;
        let Some(since_ms) = self.waits_since_ms else { return };
        if is_sentence || now_ms >= since_ms + self.setup.delay_ms {
            self.generate(now_ms, latency());
        }
    }

    /// Begins with all that waits.
    pub(super) fn generate(&mut self, now_ms: u64, latency_ms: u64) {
        let text = std::mem::take(&mut self.text);
        self.waits_since_ms = None;
        let spoken: Vec<Spoken> = speech::pieces(&text).into_iter().filter(|piece| piece.code.is_some()).collect();
        if spoken.is_empty() {
            return;
        }
        if self.work.is_empty() && self.audio.is_empty() {
            self.next_ms = now_ms + latency_ms;
        }
        self.generations += 1;
        self.work.extend(spoken.into_iter().map(|piece| Work::Say(self.generations, piece)));
    }

    pub(super) fn flush(&mut self, now_ms: u64, latency_ms: u64) {
        self.generate(now_ms, latency_ms);
        self.work.push_back(Work::Flushed);
        if self.audio.is_empty() && self.work.len() == 1 {
            self.next_ms = now_ms;
        }
    }

    /// Gives up what was not begun. What was goes on.
    pub(super) fn cancel(&mut self) {
        self.ended = true;
        self.text.clear();
        self.waits_since_ms = None;
        let sending = self.sending;
        self.work.retain(|work| matches!(work, Work::Say(generation, _) if Some(*generation) == sending));
    }

    /// Whether it has nothing to do.
    pub(super) fn is_idle(&self) -> bool {
        self.audio.is_empty() && self.work.is_empty() && self.waits_since_ms.is_none()
    }

    /// When it expires, if nothing comes.
    pub(super) fn expires_at_ms(&self, after_ms: u64) -> Option<u64> {
        self.last_audio_ms.filter(|_| self.is_idle()).map(|last_ms| last_ms + after_ms)
    }

    /// When it has something to do next.
    pub(super) fn poll_at_ms(&self) -> Option<u64> {
        let waits = self.waits_since_ms.map(|since_ms| since_ms + self.setup.delay_ms);
        let sends = (!self.audio.is_empty() || !self.work.is_empty()).then_some(self.next_ms);
        [waits, sends].into_iter().flatten().min()
    }

    /// The messages that are due by now.
    pub(super) fn poll(&mut self, now_ms: u64, latency: impl FnOnce() -> u64, speed: u64) -> Vec<Frame> {
        self.consider(now_ms, latency);
        let mut frames = Vec::new();
        while self.next_ms <= now_ms {
            if self.audio.is_empty() {
                match self.work.pop_front() {
                    None => break,
                    Some(Work::Flushed) => {
                        frames.push(self.flush_done());
                        self.flush_id += 1;
                        continue;
                    }
                    Some(Work::Say(generation, spoken)) => {
                        self.sending = Some(generation);
                        frames.extend(self.begin(&spoken));
                    }
                }
            }
            let Some(chunk) = self.audio.pop_front() else { break };
            let span_ms = chunk.len() as u64 * 1_000 / u64::from(self.setup.rate);
            self.last_audio_ms = Some(now_ms);
            self.next_ms = self.next_ms.max(now_ms.saturating_sub(1_000)) + (span_ms / speed.max(1)).max(1);
            frames.push(self.chunk(&chunk, span_ms));
        }
        frames
    }

    /// Cuts a word's audio into messages; and its timestamps.
    fn begin(&mut self, spoken: &Spoken) -> Option<Frame> {
        let pcm = spoken.audio(Voice::Cartesia, self.setup.rate);
        let size = usize::try_from(CHUNK_MS * u64::from(self.setup.rate) / 1_000).unwrap_or(1).max(1);
        self.audio = pcm.chunks(size).map(<[i16]>::to_vec).collect();
        let start_ms = self.audio_ms;
        self.audio_ms += Voice::Cartesia.pace_ms();
        let (start, end) = (start_ms as f64 / 1_000.0, (start_ms + Voice::Cartesia.word_ms()) as f64 / 1_000.0);
        let words = json!({"words": [spoken.text.trim()], "start": [start], "end": [end]});
        let message = json!({
            "type": "timestamps", "context_id": self.id, "done": false, "status_code": 206, "word_timestamps": words,
        });
        self.setup.timestamps.then(|| Frame::json(&self.id, message))
    }

    fn chunk(&self, pcm: &[i16], span_ms: u64) -> Frame {
        let data = speech::base64(&self.setup.encoding.encode(pcm));
        let mut message = json!({
            "type": "chunk", "context_id": self.id, "data": data, "done": false, "status_code": 206, "step_time": 17.5,
        });
        if self.flush_id > 0 {
            message["flush_id"] = Value::from(self.flush_id);
        }
        Frame::useful(&self.id, span_ms, message)
    }

    fn flush_done(&self) -> Frame {
        let flush_id = self.flush_id + 1;
        let message = json!({
            "type": "flush_done", "context_id": self.id, "flush_id": flush_id, "flush_done": true, "done": false, "status_code": 206,
        });
        Frame::json(&self.id, message)
    }
}
