//! One stream of `/v1/listen`, without its socket.

use std::sync::Arc;

use serde_json::{Value, json};

use super::query::Listen;
use crate::provider::code::{Ear, HeardWord};
use crate::provider::fault::FaultKind;
use crate::provider::journal::Record;
use crate::provider::latency::Step;
use crate::provider::service::Service;
use crate::provider::shared::Shared;
use crate::provider::socket::{Body, Frame, Incoming, Outbox, Protocol};

/// From an interim to the next, in ms of audio.
const INTERIM_MS: u64 = 300;
/// A segment is made final from here on, in mid-utterance, between two words.
const LONG_SEGMENT_MS: u64 = 4_000;
/// Less silence than this ends no utterance, whatever was asked for: words have pauses between them.
const LEAST_ENDPOINTING_MS: u64 = 60;
/// A word is understood when so much of it sounded, in per cent.
const UNDERSTOOD_PERCENT: u64 = 60;
/// Audio is taken in at 1.25 times real time at most: what comes faster is worked off later.
const INGEST_SPEED: f64 = 1.25;
/// Two reports of a word begin no further apart than this.
const SAME_WORD_MS: u64 = 60;

/// The state of a stream.
pub(crate) struct Stream {
    shared: Arc<Shared>,
    listen: Listen,
    request_id: String,
    ear: Ear,
    opened_ms: u64,
    last_message_ms: u64,
    got_audio: bool,
    samples: u64,
    /// When (by the clock) all audio so far is worked off.
    ingested_at_ms: f64,
    /// Words since the last final.
    words: Vec<HeardWord>,
    /// Where the segment begins, in ms of audio.
    segment_ms: u64,
    last_interim_ms: u64,
    last_word: Option<HeardWord>,
    /// Speech was told, and its end was not.
    speaking: bool,
    /// The words of an utterance that is not over were made final already: what follows has no capital.
    continues: bool,
    utterance_ended: bool,
    utterance: u64,
    last_due_ms: u64,
    over: bool,
}

impl Stream {
    pub(crate) fn new(shared: Arc<Shared>, listen: Listen, request_id: String, now_ms: u64) -> Self {
        Self {
            ear: Ear::new(listen.rate),
            shared,
            listen,
            request_id,
            opened_ms: now_ms,
            last_message_ms: now_ms,
            got_audio: false,
            samples: 0,
            ingested_at_ms: 0.0,
            words: Vec::new(),
            segment_ms: 0,
            last_interim_ms: 0,
            last_word: None,
            speaking: false,
            continues: false,
            utterance_ended: true,
            utterance: 0,
            last_due_ms: 0,
            over: false,
        }
    }

    /// The audio so far, in ms.
    fn audio_ms(&self) -> u64 {
        self.samples * 1_000 / u64::from(self.listen.rate)
    }

    fn unit(&self) -> String {
        format!("utterance-{}", self.utterance)
    }

    fn handle_audio(&mut self, bytes: &[u8], now_ms: u64, record: &Record, out: &mut Outbox) {
        if bytes.is_empty() {
            record.warn("an empty binary frame closes the stream");
            return self.finish(now_ms, record, out);
        }
        let is_text = std::str::from_utf8(bytes)
            .is_ok_and(|text| serde_json::from_str::<Value>(text).is_ok_and(|v| v.is_object()));
        let Some(pcm) = self.listen.encoding.decode(bytes).filter(|_| !is_text) else {
            record.warn("a binary frame is no audio");
            return self.close(1008, "DATA-0000", now_ms, out);
        };
        self.got_audio = true;
        record.audio(bytes);
        self.samples += pcm.len() as u64;
        let length_ms = 1_000.0 * pcm.len() as f64 / f64::from(self.listen.rate);
        self.ingested_at_ms = self.ingested_at_ms.max(now_ms as f64) + length_ms / INGEST_SPEED;
        self.ear.handle_audio(&pcm);
        let heard = self.ear.take_words(&self.shared.vocabulary);
        self.understand(heard, record);
        self.tell(now_ms, record, out);
    }

    /// Takes words that have ended. Those of which too little sounded are not understood.
    fn understand(&mut self, heard: Vec<HeardWord>, record: &Record) {
        let last_ms = self.last_word.as_ref().map(|word| word.start_ms);
        let fresh: Vec<HeardWord> = heard
            .into_iter()
            .filter(|word| last_ms.is_none_or(|last_ms| word.start_ms > last_ms + SAME_WORD_MS))
            .collect();
        record.heard(&fresh);
        for word in fresh.into_iter().filter(is_understood) {
            self.last_word = Some(word.clone());
            self.words.push(word);
        }
    }

    /// What is to be said after more audio.
    fn tell(&mut self, now_ms: u64, record: &Record, out: &mut Outbox) {
        let in_word = self.ear.is_in_word();
        if (in_word || !self.words.is_empty()) && !self.speaking {
            self.speaking = true;
            self.utterance_ended = false;
            if self.listen.vad_events {
                let seconds = self.words.first().map_or(self.audio_ms(), |word| word.start_ms) as f64 / 1_000.0;
                let started = json!({"type": "SpeechStarted", "channel": [0, 1], "timestamp": seconds});
                self.push(0, now_ms, Frame::json(&self.unit(), started), out);
            }
        }
        if self.is_endpoint(in_word) {
            record.note("endpoint", "");
            return self.make_final(true, false, now_ms, out);
        }
        self.tell_utterance_end(in_word, now_ms, out);
        let segment_ms = self.audio_ms() - self.segment_ms;
        if segment_ms >= LONG_SEGMENT_MS && !self.words.is_empty() && !in_word {
            return self.make_final(false, false, now_ms, out);
        }
        let due = self.audio_ms() >= self.last_interim_ms + INTERIM_MS;
        if self.listen.interim_results && due && !self.words.is_empty() {
            self.last_interim_ms = self.audio_ms();
            let results = self.results(false, false, false);
            let latency_ms = self.shared.latencies.roll(Step::Stt) / 2;
            self.push(latency_ms, now_ms, results, out);
        }
    }

    /// Whether the caller has been silent for long enough.
    fn is_endpoint(&self, in_word: bool) -> bool {
        let (Some(endpointing_ms), Some(last)) = (self.listen.endpointing_ms, self.words.last()) else { return false };
        let ended_ms = last.start_ms + last.duration_ms + last.voice.gap_ms();
        !in_word && self.audio_ms() >= ended_ms + endpointing_ms.max(LEAST_ENDPOINTING_MS)
    }

    fn tell_utterance_end(&mut self, in_word: bool, now_ms: u64, out: &mut Outbox) {
        let (Some(gap_ms), Some(last)) = (self.listen.utterance_end_ms, &self.last_word) else { return };
        let ended_ms = last.start_ms + last.duration_ms;
        if self.utterance_ended || in_word || !self.words.is_empty() || self.audio_ms() < ended_ms + gap_ms {
            return;
        }
        self.utterance_ended = true;
        let end = json!({"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": ended_ms as f64 / 1_000.0});
        let latency_ms = self.shared.latencies.roll(Step::Stt);
        self.push(latency_ms, now_ms, Frame::json(&self.unit(), end), out);
    }

    /// Freezes the segment.
    fn make_final(&mut self, speech_final: bool, from_finalize: bool, now_ms: u64, out: &mut Outbox) {
        let results = self.results(true, speech_final, from_finalize);
        let latency_ms = self.shared.latencies.roll(Step::Stt);
        self.push(latency_ms, now_ms, results, out);
        let had_words = !self.words.is_empty();
        self.words.clear();
        (self.segment_ms, self.last_interim_ms) = (self.audio_ms(), self.audio_ms());
        let ended = speech_final || from_finalize;
        self.continues = !ended && (had_words || self.continues);
        if ended {
            self.speaking = false;
            self.utterance += u64::from(had_words);
        }
    }

    /// Answers `Finalize`: what was heard so far, with the word that is just being said if enough of it was.
    fn finalize(&mut self, now_ms: u64, record: &Record, out: &mut Outbox) {
        let heard = self.ear.clone().finish(&self.shared.vocabulary);
        self.understand(heard, record);
        let buffered_ms = self.audio_ms() - self.segment_ms;
        if self.words.is_empty() && buffered_ms < self.shared.script.limits.deepgram_least_finalized_ms {
            record.note("finalize_unanswered", format!("{buffered_ms} ms"));
            return;
        }
        record.note("finalize", format!("{buffered_ms} ms"));
        self.make_final(false, true, now_ms, out);
    }

    fn finish(&mut self, now_ms: u64, record: &Record, out: &mut Outbox) {
        let heard = self.ear.clone().finish(&self.shared.vocabulary);
        self.understand(heard, record);
        if !self.words.is_empty() {
            self.make_final(true, false, now_ms, out);
        }
        let metadata = json!({
            "type": "Metadata", "transaction_key": "deprecated", "request_id": self.request_id, "sha256": "0".repeat(64),
            "created": "2026-01-01T00:00:00.000Z", "duration": self.audio_ms() as f64 / 1_000.0, "channels": 1,
        });
        self.push(0, now_ms, Frame::json(&self.unit(), metadata), out);
        self.close(1000, "", now_ms, out);
    }

    fn close(&mut self, code: u16, reason: &str, now_ms: u64, out: &mut Outbox) {
        self.over = true;
        let frame = Frame { unit: self.unit(), ..Frame::close(code, reason) };
        self.push(0, now_ms, frame, out);
    }

    fn handle_text(&mut self, text: &str, now_ms: u64, record: &Record, out: &mut Outbox) {
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        match message.get("type").and_then(Value::as_str) {
            Some("KeepAlive") => record.note("keep_alive", ""),
            Some("Finalize") => self.finalize(now_ms, record, out),
            Some("CloseStream") => {
                record.note("close_stream", "");
                self.finish(now_ms, record, out);
            }
            Some("Configure") => self.configure(&message, now_ms, record, out),
            _ => {
                record.warn("a text frame is no control message");
                let description = "could not deserialize the message as a control message";
                let error = json!({"type": "Error", "variant": "SchemaError", "description": description, "message": description});
                self.push(0, now_ms, Frame::json(&self.unit(), error), out);
                self.close(1008, "DATA-0000", now_ms, out);
            }
        }
    }

    fn configure(&mut self, message: &Value, now_ms: u64, record: &Record, out: &mut Outbox) {
        let keyterms = message.get("keyterms").cloned().unwrap_or(Value::Null);
        let words: usize = match keyterms.as_array() {
            Some(terms) => terms.iter().filter_map(Value::as_str).map(|term| term.split_whitespace().count()).sum(),
            None => 0,
        };
        let failure = match () {
            () if !keyterms.is_null() && !self.listen.knows_keyterms() => Some("CONFIGURE_KEYTERMS_NOT_SUPPORTED"),
            () if words > 500 => Some("CONFIGURE_KEYTERM_LIMIT_EXCEEDED"),
            () => None,
        };
        record.note("configure", failure.unwrap_or("ok"));
        let answer = match failure {
            None => json!({"type": "ConfigureSuccess", "request_id": self.request_id, "keyterms": keyterms}),
            Some(code) => {
                json!({"type": "ConfigureFailure", "request_id": self.request_id, "code": code, "description": code})
            }
        };
        self.push(20, now_ms, Frame::json(&self.unit(), answer), out);
    }

    /// The words of the segment as a message.
    fn results(&self, is_final: bool, speech_final: bool, from_finalize: bool) -> Frame {
        let last = self.words.len().saturating_sub(1);
        let (mut texts, mut words) = (Vec::new(), Vec::new());
        for (place, heard) in self.words.iter().enumerate() {
            let word = self.shared.vocabulary.write(heard.code);
            let begins = place == 0 && !self.continues;
            let punctuated = punctuate(&word, begins, is_final && place == last && (speech_final || from_finalize));
            let (start, end) = (heard.start_ms as f64 / 1_000.0, (heard.start_ms + heard.duration_ms) as f64 / 1_000.0);
            let confidence = if heard.cut { 0.71 } else { 0.99 };
            let mut object = json!({"word": word, "start": start, "end": end, "confidence": confidence});
            if self.listen.punctuate {
                object["punctuated_word"] = Value::from(punctuated.as_str());
            }
            texts.push(if self.listen.punctuate { punctuated } else { word });
            words.push(object);
        }
        let (start, end) = (self.segment_ms as f64 / 1_000.0, self.audio_ms() as f64 / 1_000.0);
        let confidence = if words.is_empty() { 0.0 } else { 0.99 };
        let message = json!({
            "type": "Results", "channel_index": [0, 1], "start": start, "duration": end - start, "is_final": is_final,
            "speech_final": speech_final, "from_finalize": from_finalize,
            "channel": {"alternatives": [{"transcript": texts.join(" "), "confidence": confidence, "words": words}]},
            "metadata": {
                "request_id": self.request_id, "model_uuid": "00000000-0000-4000-8000-000000000000",
                "model_info": {"name": self.listen.model, "version": "rehearsal", "arch": "nova-3"},
            },
        });
        let frame = Frame::json(&self.unit(), message);
        Frame { useful: !self.words.is_empty(), ..frame }
    }

    /// Sends a frame once the audio so far is worked off and the latency is over, and never before one that was sent earlier.
    fn push(&mut self, latency_ms: u64, now_ms: u64, frame: Frame, out: &mut Outbox) {
        let due_ms = whole(self.ingested_at_ms).max(now_ms) + latency_ms;
        self.last_due_ms = self.last_due_ms.max(due_ms);
        out.push(self.last_due_ms, frame);
    }
}

impl Protocol for Stream {
    fn service(&self) -> Service {
        Service::Deepgram
    }

    fn model(&self) -> Option<&str> {
        Some(&self.listen.model)
    }

    fn handle(&mut self, incoming: Incoming<'_>, now_ms: u64, record: &Record, out: &mut Outbox) {
        if self.over {
            return;
        }
        self.last_message_ms = now_ms;
        match incoming {
            Incoming::Binary(bytes) => self.handle_audio(bytes, now_ms, record, out),
            Incoming::Text(text) => self.handle_text(text, now_ms, record, out),
        }
    }

    fn poll(&mut self, now_ms: u64, record: &Record, out: &mut Outbox) {
        if self.poll_at_ms().is_some_and(|at_ms| at_ms <= now_ms) {
            record.note("idle", if self.got_audio { "" } else { "no audio since the handshake" });
            self.close(1011, "NET-0001", now_ms, out);
        }
    }

    fn poll_at_ms(&self) -> Option<u64> {
        // Without any audio, KeepAlive does not help.
        let since_ms = if self.got_audio { self.last_message_ms } else { self.opened_ms };
        (!self.over).then_some(since_ms + self.shared.script.limits.deepgram_idle_ms)
    }

    fn refusal(&self, unit: &str, kind: FaultKind) -> Vec<Frame> {
        let description = format!("the service failed with {}", kind.status().map_or(500, |(status, _)| status));
        let error =
            json!({"type": "Error", "variant": "ServerError", "description": description, "message": description});
        vec![Frame::json(unit, error), Frame::close(1011, "NET-0000")]
    }

    fn distort(&self, mut frame: Frame, kind: FaultKind) -> Option<Frame> {
        if kind == FaultKind::WrongAudio {
            return Some(Frame::close(1008, "DATA-0000"));
        }
        if let Body::Json(message) = &mut frame.body
            && let Some(alternative) = message.pointer_mut("/channel/alternatives/0")
        {
            alternative["transcript"] = Value::from(if kind == FaultKind::Spaces { " " } else { "" });
            alternative["words"] = Value::Array(Vec::new());
        }
        Some(frame)
    }
}

fn is_understood(word: &HeardWord) -> bool {
    word.duration_ms * 100 >= word.voice.word_ms() * UNDERSTOOD_PERCENT
}

/// A word with a capital at the beginning of an utterance and a full stop at its end.
fn punctuate(word: &str, begins: bool, ends: bool) -> String {
    let mut chars = word.chars();
    let is_i = word == "i" || word.starts_with("i'");
    let text = match chars.next() {
        Some(first) if begins || is_i => first.to_uppercase().chain(chars).collect(),
        _ => word.to_owned(),
    };
    if ends { format!("{text}.") } else { text }
}

fn whole(ms: f64) -> u64 {
    ms.ceil().max(0.0) as u64
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
