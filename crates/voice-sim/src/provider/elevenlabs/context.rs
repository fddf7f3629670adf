//! One context of a multi-context socket.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::provider::code::Voice;
use crate::provider::pcm::Encoding;
use crate::provider::socket::Frame;
use crate::provider::speech::{self, Spoken};

/// Words in a message, once the first is out.
const WORDS: usize = 2;

/// How names are spelled: the service's documents and its servers do not agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    Camel,
    Snake,
}

/// How a socket's audio is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Output {
    pub(super) encoding: Encoding,
    pub(super) rate: u32,
    pub(super) alignment: bool,
    /// Whole sentences come; nothing waits for more.
    pub(super) auto_mode: bool,
}

/// One context.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) id: String,
    /// How many characters have to wait before the first, second… generation.
    schedule: Vec<usize>,
    generations: usize,
    text: String,
    work: VecDeque<Spoken>,
    /// A flush was asked for after this text: it is made even if the context closes.
    flushed: bool,
    began: bool,
    next_ms: u64,
    pub(super) last_input_ms: u64,
    pub(super) closing: bool,
    pub(super) characters: usize,
    messages: u64,
}

impl Context {
    pub(super) fn new(id: String, schedule: Vec<usize>, now_ms: u64) -> Self {
        Self {
            id,
            schedule,
            generations: 0,
            text: String::new(),
            work: VecDeque::new(),
            flushed: false,
            began: false,
            next_ms: 0,
            last_input_ms: now_ms,
            closing: false,
            characters: 0,
            messages: 0,
        }
    }

    /// Takes a text, and begins with it if it is enough.
    pub(super) fn add(&mut self, text: &str, auto_mode: bool, now_ms: u64, latency_ms: u64) {
        self.characters += text.chars().count();
        self.text.push_str(text);
        let enough = self.schedule.get(self.generations).or(self.schedule.last()).copied().unwrap_or_default();
        if auto_mode || self.text.chars().count() >= enough {
            self.flushed = false;
            self.generate(now_ms, latency_ms);
        }
    }

    pub(super) fn flush(&mut self, now_ms: u64, latency_ms: u64) {
        self.generate(now_ms, latency_ms);
        self.flushed = true;
    }

    fn generate(&mut self, now_ms: u64, latency_ms: u64) {
        let text = std::mem::take(&mut self.text);
        let spoken: Vec<Spoken> = speech::pieces(&text).into_iter().filter(|piece| piece.code.is_some()).collect();
        if spoken.is_empty() {
            return;
        }
        if self.work.is_empty() {
            self.next_ms = now_ms + latency_ms;
            self.began = false;
        }
        self.generations += 1;
        self.work.extend(spoken);
    }

    /// Takes no more text. What was not flushed and has not begun is lost: the real service ends such contexts without audio.
    pub(super) fn close(&mut self) {
        self.closing = true;
        self.text.clear();
        if !self.flushed && !self.began {
            self.work.clear();
        }
    }

    /// Whether all is said that was to be said.
    pub(super) fn is_idle(&self) -> bool {
        self.work.is_empty()
    }

    pub(super) fn poll_at_ms(&self) -> Option<u64> {
        (!self.work.is_empty()).then_some(self.next_ms)
    }

    /// The messages that are due by now.
    pub(super) fn poll(&mut self, now_ms: u64, output: &Output, speed: u64) -> Vec<Frame> {
        let mut frames = Vec::new();
        while !self.work.is_empty() && self.next_ms <= now_ms {
            let count = if self.began { WORDS } else { 1 };
            self.began = true;
            let words: Vec<Spoken> = self.work.drain(..count.min(self.work.len())).collect();
            let span_ms: u64 = words.iter().map(|word| word.length_ms(Voice::ElevenLabs)).sum();
            self.next_ms = self.next_ms.max(now_ms.saturating_sub(1_000)) + span_ms / speed.max(1);
            frames.push(self.audio(&words, span_ms, output));
        }
        frames
    }

    fn audio(&mut self, words: &[Spoken], span_ms: u64, output: &Output) -> Frame {
        let pcm: Vec<i16> = words.iter().flat_map(|word| word.audio(Voice::ElevenLabs, output.rate)).collect();
        let data = speech::base64(&output.encoding.encode(&pcm));
        let spelling = self.spelling();
        let alignment = if output.alignment { alignment(words, spelling) } else { Value::Null };
        let message = match spelling {
            Spelling::Camel => json!({
                "audio": data, "isFinal": null, "normalizedAlignment": alignment, "alignment": alignment, "contextId": self.id,
            }),
            Spelling::Snake => json!({
                "audio": data, "is_final": false, "normalized_alignment": alignment, "alignment": alignment, "context_id": self.id,
            }),
        };
        Frame::useful(&self.id, span_ms, message)
    }

    /// The last message.
    pub(super) fn last(&mut self) -> Frame {
        let message = match self.spelling() {
            Spelling::Camel => json!({"audio": null, "isFinal": true, "contextId": self.id}),
            Spelling::Snake => json!({"audio": null, "is_final": true, "context_id": self.id}),
        };
        Frame::json(&self.id, message)
    }

    fn spelling(&mut self) -> Spelling {
        self.messages += 1;
        if self.messages % 2 == 1 { Spelling::Camel } else { Spelling::Snake }
    }
}

/// When each character begins within this message, and how long it lasts.
fn alignment(words: &[Spoken], spelling: Spelling) -> Value {
    let mut start_ms = 0;
    let (mut chars, mut starts, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    for word in words {
        for (c, start, length) in word.characters(Voice::ElevenLabs, start_ms) {
            chars.push(c.to_string());
            starts.push(start);
            lengths.push(length);
        }
        start_ms += word.length_ms(Voice::ElevenLabs);
    }
    match spelling {
        Spelling::Camel => json!({"chars": chars, "charStartTimesMs": starts, "charDurationsMs": lengths}),
        Spelling::Snake => json!({"chars": chars, "charStartTimesMs": starts, "charsDurationsMs": lengths}),
    }
}
