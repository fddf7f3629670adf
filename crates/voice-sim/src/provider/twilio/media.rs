//! The far end of a media stream: it judges each message as Twilio does, and plays what it is sent in real time.
//!
//! A test that plays the caller owns the WebSocket and the clock; this owns what they mean.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::provider::pcm::decode_mulaw;

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
    /// A stream that starts now, at 0 ms of the test's clock.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::provider::code::{Vocabulary, Voice, decode_words, spoken, synthesize};
    use crate::provider::pcm::Encoding;

    fn media(pcm: &[i16]) -> String {
        let payload = STANDARD.encode(Encoding::Mulaw.encode(pcm));
        json!({"event": "media", "streamSid": "MZ1", "media": {"payload": payload}}).to_string()
    }

    fn mark(name: &str) -> String {
        json!({"event": "mark", "streamSid": "MZ1", "mark": {"name": name}}).to_string()
    }

    fn names(back: &[Value]) -> Vec<&str> {
        back.iter().filter_map(|message| message["mark"]["name"].as_str()).collect()
    }

    #[test]
    fn marks_come_back_when_what_is_before_them_was_played() {
        let mut stream = MediaStream::new("MZ1");
        let audio = synthesize(&Vocabulary::codes("hello again"), Voice::Cartesia, 8_000);
        assert_eq!(stream.handle_text(&media(&audio), 100), Ok(Vec::new()));
        assert_eq!(stream.handle_text(&mark("m1"), 100), Ok(Vec::new()));
        assert_eq!(stream.buffered_ms(), 640);
        assert_eq!(names(&stream.play_until(700)), [""; 0]);
        assert_eq!(names(&stream.play_until(800)), ["m1"]);
        // With nothing before it, a mark comes back at once.
        assert_eq!(names(&stream.handle_text(&mark("m2"), 900).expect("a mark")), ["m2"]);
        let heard = decode_words(stream.heard(), 8_000);
        assert_eq!(spoken(&heard, Voice::Cartesia), "hello again");
        assert!(heard[0].start_ms.abs_diff(100) < 10, "{heard:?}");
    }

    #[test]
    fn clear_cuts_what_is_heard_and_returns_all_marks() {
        let mut stream = MediaStream::new("MZ1");
        let audio = synthesize(&Vocabulary::codes("hello again"), Voice::Cartesia, 8_000);
        stream.handle_text(&media(&audio), 0).expect("media");
        stream.handle_text(&mark("m1"), 0).expect("a mark");
        let back = stream.handle_text(r#"{"event":"clear","streamSid":"MZ1"}"#, 400).expect("a clear");
        assert_eq!((names(&back), stream.clears, stream.buffered_ms()), (vec!["m1"], 1, 0));
        stream.play_until(1_000);
        assert_eq!(spoken(&decode_words(stream.heard(), 8_000), Voice::Cartesia), "hello again-");
        assert_eq!(stream.heard().len(), 8_000);
    }

    #[test]
    fn what_twilio_does_not_take_is_an_error() {
        let mut stream = MediaStream::new("MZ1");
        for (text, code) in [
            ("hello", 31_950),
            ("[]", 31_950),
            (r#"{"event":"clear"}"#, 31_951),
            (r#"{"event":"clear","streamSid":"MZ2"}"#, 31_951),
            (r#"{"event":"clear","streamSid":"MZ1","x":1}"#, 31_951),
            (r#"{"event":"stop","streamSid":"MZ1"}"#, 31_951),
            (r#"{"event":"mark","streamSid":"MZ1"}"#, 31_951),
            (r#"{"event":"media","streamSid":"MZ1","media":{"payload":"!"}}"#, 31_951),
            (r#"{"event":"media","streamSid":"MZ1","media":{"payload":""}}"#, 31_951),
            (r#"{"event":"media","streamSid":"MZ1","media":{"payload":"/w==","track":"x"}}"#, 31_951),
            (r#"{"event":"media","streamSid":"MZ1","media":{"payload":"UklGRgAA"}}"#, 31_951),
        ] {
            assert_eq!(stream.handle_text(text, 0).map_err(|error| error.code), Err(code), "{text}");
        }
        assert_eq!(stream.handle_binary().code, 31_950);
        let long = vec![0; 8_000 * 601];
        assert_eq!(stream.handle_text(&media(&long), 0).map_err(|error| error.code), Err(31_931));
    }

    proptest! {
        /// Whatever is sent: what is heard is as long as the time, and each mark comes back once.
        #[test]
        fn any_messages_take_the_time_they_take(steps in proptest::collection::vec((0u8..4, 1usize..400, 0u64..300), 0..40)) {
            let mut stream = MediaStream::new("MZ1");
            let (mut now_ms, mut sent, mut back) = (0, 0, Vec::new());
            for (what, length, wait_ms) in steps {
                let text = match what {
                    0 => mark(&format!("m{sent}")),
                    1 => r#"{"event":"clear","streamSid":"MZ1"}"#.to_owned(),
                    _ => media(&vec![100; length]),
                };
                sent += usize::from(what == 0);
                back.extend(stream.handle_text(&text, now_ms).expect("a good message"));
                now_ms += wait_ms;
                back.extend(stream.play_until(now_ms));
            }
            back.extend(stream.play_until(now_ms + 60_000));
            prop_assert_eq!(stream.heard().len() as u64, (now_ms + 60_000) * 8);
            let expected: Vec<String> = (0..sent).map(|number| format!("m{number}")).collect();
            prop_assert_eq!(names(&back), expected);
        }
    }
}
