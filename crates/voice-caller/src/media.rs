//! The far end of a media stream: it judges each message as Twilio does, and plays what it is sent in real time.
//!
//! Whoever plays the caller owns the WebSocket and the clock; this owns what they mean.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::mulaw::decode as decode_mulaw;

/// Samples in a millisecond.
const RATE_MS: u64 = 8;
/// What may wait to be played, in ms; what comes then is discarded.
const LONGEST_BUFFER_MS: u64 = 600_000;
/// Marks that may wait.
const MOST_MARKS: usize = 10_000;

/// Why a message is not taken, by Twilio's error code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {reason}")]
pub struct MediaError {
    /// 31950 or 31951 for a bad message, 31931 for media that found no room.
    pub code: u32,
    /// What is wrong.
    pub reason: String,
}

/// What waits to be played.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Audio(VecDeque<u8>),
    Mark(String),
}

/// One stream.
#[derive(Debug)]
pub struct MediaStream {
    stream_sid: String,
    waiting: VecDeque<Item>,
    waiting_bytes: u64,
    played_until_ms: u64,
    heard: Vec<i16>,
    sequence: u64,
    /// `clear`s that came.
    pub clears: u32,
    /// Bytes of media that came.
    pub media_bytes: u64,
}

impl MediaStream {
    /// A stream that starts now, at 0 ms of its owner's clock.
    pub fn new(stream_sid: &str) -> Self {
        Self {
            stream_sid: stream_sid.to_owned(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            played_until_ms: 0,
            heard: Vec::new(),
            sequence: 1,
            clears: 0,
            media_bytes: 0,
        }
    }

    /// Takes a text message of the server at a time; messages that Twilio sends back at once.
    ///
    /// # Errors
    /// What is wrong with it. Twilio closes the stream then.
    pub fn handle_text(&mut self, text: &str, now_ms: u64) -> Result<Vec<Value>, MediaError> {
        let mut back = self.play_until(now_ms);
        let message: Value = serde_json::from_str(text).map_err(|_| bad(31_950, "it is no JSON"))?;
        let object = message.as_object().ok_or_else(|| bad(31_950, "it is no object"))?;
        if object.get("streamSid").and_then(Value::as_str) != Some(self.stream_sid.as_str()) {
            return Err(bad(31_951, "streamSid is missing, or another stream's"));
        }
        match object.get("event").and_then(Value::as_str) {
            Some("media") => {
                let bytes = media(object)?;
                self.media_bytes += bytes.len() as u64;
                if (self.waiting_bytes + bytes.len() as u64) / RATE_MS > LONGEST_BUFFER_MS {
                    return Err(bad(31_931, "the buffer is full"));
                }
                self.waiting_bytes += bytes.len() as u64;
                self.waiting.push_back(Item::Audio(bytes.into()));
            }
            Some("mark") => {
                only(object, &["event", "streamSid", "mark"])?;
                let mark =
                    object.get("mark").and_then(Value::as_object).ok_or_else(|| bad(31_951, "mark is no object"))?;
                only(mark, &["name"])?;
                let name = mark.get("name").and_then(Value::as_str).ok_or_else(|| bad(31_951, "a mark has a name"))?;
                if self.waiting.iter().filter(|item| matches!(item, Item::Mark(_))).count() >= MOST_MARKS {
                    return Err(bad(31_931, "too many marks"));
                }
                self.waiting.push_back(Item::Mark(name.to_owned()));
                back.extend(self.play_until(now_ms));
            }
            Some("clear") => {
                only(object, &["event", "streamSid"])?;
                self.clears += 1;
                let waiting = std::mem::take(&mut self.waiting);
                self.waiting_bytes = 0;
                for item in waiting {
                    if let Item::Mark(name) = item {
                        back.push(self.mark(&name));
                    }
                }
            }
            _ => return Err(bad(31_951, "an unknown event")),
        }
        Ok(back)
    }

    /// A binary frame is always an error.
    pub fn handle_binary(&self) -> MediaError {
        bad(31_950, "a binary frame")
    }

    /// Plays up to a time; the marks that were passed on the way, as messages to the server.
    pub fn play_until(&mut self, now_ms: u64) -> Vec<Value> {
        let mut bytes = now_ms.saturating_sub(self.played_until_ms).saturating_mul(RATE_MS);
        self.played_until_ms = self.played_until_ms.max(now_ms);
        let mut passed = Vec::new();
        loop {
            match self.waiting.front_mut() {
                Some(Item::Mark(_)) => {
                    if let Some(Item::Mark(name)) = self.waiting.pop_front() {
                        passed.push(self.mark(&name));
                    }
                }
                Some(Item::Audio(audio)) if audio.is_empty() => drop(self.waiting.pop_front()),
                Some(Item::Audio(audio)) if bytes > 0 => {
                    let count = usize::try_from(bytes).unwrap_or(usize::MAX).min(audio.len());
                    self.heard.extend(audio.drain(..count).map(decode_mulaw));
                    bytes -= count as u64;
                    self.waiting_bytes -= count as u64;
                }
                _ => break,
            }
        }
        // Nothing is there: silence.
        self.heard.extend(std::iter::repeat_n(0, usize::try_from(bytes).unwrap_or_default()));
        passed
    }

    /// What the caller has heard, at 8 kHz, silence included: its samples are the stream's time.
    pub fn heard(&self) -> &[i16] {
        &self.heard
    }

    /// What waits to be played, in ms.
    pub fn buffered_ms(&self) -> u64 {
        self.waiting_bytes / RATE_MS
    }

    fn mark(&mut self, name: &str) -> Value {
        self.sequence += 1;
        json!({
            "event": "mark", "sequenceNumber": self.sequence.to_string(), "streamSid": self.stream_sid, "mark": {"name": name},
        })
    }
}

fn bad(code: u32, reason: &str) -> MediaError {
    MediaError { code, reason: reason.to_owned() }
}

fn only(object: &Map<String, Value>, fields: &[&str]) -> Result<(), MediaError> {
    match object.keys().find(|key| !fields.contains(&key.as_str())) {
        Some(unknown) => Err(bad(31_951, &format!("unknown field {unknown:?}"))),
        None => Ok(()),
    }
}

fn media(object: &Map<String, Value>) -> Result<Vec<u8>, MediaError> {
    only(object, &["event", "streamSid", "media"])?;
    let media = object.get("media").and_then(Value::as_object).ok_or_else(|| bad(31_951, "media is no object"))?;
    only(media, &["payload"])?;
    let payload = media.get("payload").and_then(Value::as_str).ok_or_else(|| bad(31_951, "media has a payload"))?;
    let bytes = STANDARD.decode(payload).map_err(|_| bad(31_951, "the payload is no base64"))?;
    if bytes.is_empty() {
        return Err(bad(31_951, "the payload is empty"));
    }
    if bytes.starts_with(b"RIFF") || bytes.starts_with(b"ID3") {
        return Err(bad(31_951, "the payload has a file's header, which is heard as a click"));
    }
    Ok(bytes)
}
