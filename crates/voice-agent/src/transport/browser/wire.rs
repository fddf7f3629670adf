//! The protocol's messages as pure functions.

use axum::extract::ws::{Message, Utf8Bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Number, Value, json};
use voice_core::ids::SpeechId;

use super::{AGENT_FRAME_BYTES, CALLER_FRAME_BYTES};
use crate::driver::api::{Outbound, Ready};
use crate::transport::close;

/// What a caller's text message says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum CallerMessage {
    /// A typed message.
    Text {
        /// The words.
        text: String,
    },
    /// What was really played of a speech.
    Playout {
        /// The speech.
        speech_id: SpeechId,
        /// Milliseconds from its start; a page's clock has fractions.
        #[serde(deserialize_with = "whole_ms")]
        played_ms: u64,
    },
    /// Frames stop or start.
    Mute {
        /// Which of the two.
        muted: bool,
    },
    /// Recording is agreed to, or withdrawn.
    Consent {
        /// Which of the two.
        recording: bool,
    },
    /// The screen is shared, or is not any more.
    Screen {
        /// Which of the two.
        sharing: bool,
    },
    /// The next piece of the picture that a `look` asked for.
    Picture {
        /// The look.
        look_id: u64,
        /// Its bytes, base64; empty and last where there is no picture.
        #[serde(deserialize_with = "from_base64")]
        data: Bytes,
        /// Whether the picture is complete with it.
        last: bool,
    },
    /// Hang up.
    End,
    /// Measures the network.
    Ping {
        /// Echoed.
        t: Number,
    },
}

fn whole_ms<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let ms = f64::deserialize(deserializer)?;
    if ms.is_finite() && (0.0..=86_400_000.0).contains(&ms) {
        // In range and not negative, so nothing is cut off but the fraction.
        Ok(ms.round() as u64)
    } else {
        Err(serde::de::Error::custom("milliseconds from 0 to a day"))
    }
}

fn from_base64<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map(Bytes::from).map_err(|_| serde::de::Error::custom("base64"))
}

/// A message that is refused with a close code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Over the limit.
    #[error("{size} bytes; at most {limit} are taken")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// A frame that is not 20 ms.
    #[error("a frame of {0} bytes; 20 ms are 640")]
    FrameSize(usize),
    /// No event of this protocol.
    #[error("not an event of this protocol: {0}")]
    Malformed(String),
}

impl Violation {
    /// The close code.
    pub const fn code(&self) -> u16 {
        match self {
            Self::TooLarge { .. } => close::TOO_LARGE,
            Self::FrameSize(_) | Self::Malformed(_) => close::PROTOCOL,
        }
    }
}

/// Reads a text message of at most `limit` bytes.
///
/// # Errors
/// [`Violation`].
pub fn decode_text(text: &str, limit: usize) -> Result<CallerMessage, Violation> {
    if text.len() > limit {
        return Err(Violation::TooLarge { size: text.len(), limit });
    }
    serde_json::from_str(text).map_err(|error| Violation::Malformed(describe(&error)))
}

/// A parser's message may quote what the caller sent, which is nobody else's business; its kind and place are not.
fn describe(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "a type or field is missing, unknown or wrong",
        serde_json::error::Category::Eof => "the JSON ends too early",
        serde_json::error::Category::Io | serde_json::error::Category::Syntax => "this is not JSON",
    };
    // A field of the wrong type is found after the text was read: then there is no place.
    if error.line() == 0 {
        return what.to_owned();
    }
    format!("{what} (line {}, column {})", error.line(), error.column())
}

/// Reads a binary message: 20 ms of PCM16LE at 16 kHz.
///
/// # Errors
/// [`Violation`].
pub fn decode_audio(bytes: &[u8]) -> Result<Box<[i16; 320]>, Violation> {
    if bytes.len() > CALLER_FRAME_BYTES {
        return Err(Violation::TooLarge { size: bytes.len(), limit: CALLER_FRAME_BYTES });
    }
    if bytes.len() < CALLER_FRAME_BYTES {
        return Err(Violation::FrameSize(bytes.len()));
    }
    let mut frame = Box::new([0_i16; 320]);
    for (sample, pair) in frame.iter_mut().zip(bytes.chunks_exact(2)) {
        *sample = i16::from_le_bytes([pair[0], pair[1]]);
    }
    Ok(frame)
}

/// What goes over the wire for this: one message, or one a frame of audio. `Close` is the connection's own business.
pub fn encode(outbound: &Outbound) -> Vec<Message> {
    let event = match outbound {
        Outbound::Audio(bytes) => return audio(bytes),
        Outbound::Close { .. } => return Vec::new(),
        // A `ClientEvent` has string keys and finite numbers only, which is all that serialising could stumble over.
        Outbound::Event(event) => serde_json::to_value(event).unwrap_or_default(),
        Outbound::Ready(ready) => ready_event(ready),
        Outbound::SpeechStarted { speech, reply } => {
            json!({"type": "speech_started", "speech_id": speech, "reply_id": reply})
        }
        Outbound::SpeechResumed { speech, from_ms } => {
            json!({"type": "speech_resumed", "speech_id": speech, "from_ms": from_ms})
        }
        Outbound::SpeechFinished { speech, duration_ms } => {
            json!({"type": "speech_finished", "speech_id": speech, "duration_ms": duration_ms})
        }
        Outbound::Look { look } => json!({"type": "look", "look_id": look}),
        Outbound::Clear { speech } => json!({"type": "clear", "speech_id": speech}),
        Outbound::Tasks(tasks) => json!({"type": "tasks", "tasks": **tasks}),
    };
    vec![text(&event)]
}

fn ready_event(ready: &Ready) -> Value {
    json!({
        "type": "ready",
        "session_id": ready.session_id,
        "resumed": ready.resumed,
        "channel": ready.channel,
        "agent": ready.agent,
        "recording": ready.recording,
        "records": ready.records,
        "screens": ready.screens,
        "muted": ready.muted,
    })
}

fn audio(bytes: &Bytes) -> Vec<Message> {
    let whole = bytes.len() - bytes.len() % AGENT_FRAME_BYTES;
    (0..whole).step_by(AGENT_FRAME_BYTES).map(|at| Message::Binary(bytes.slice(at..at + AGENT_FRAME_BYTES))).collect()
}

/// The answer to `ping`.
pub fn pong_event(t: &Number) -> Message {
    text(&json!({"type": "pong", "t": t}))
}

/// Something that the caller did was refused; the session goes on.
pub fn error_event(code: &str, message: &str) -> Message {
    text(&json!({"type": "error", "code": code, "message": message}))
}

fn text(event: &Value) -> Message {
    Message::Text(Utf8Bytes::from(event.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::sync::Arc;
    use voice_core::ClientEvent;
    use voice_core::ids::ReplyId;
    use voice_core::output::AgentState;

    use super::*;

    #[test]
    fn the_callers_events() {
        let speech_id = SpeechId(7);
        for (json, expected) in [
            (r#"{"type":"text","text":"hi"}"#, CallerMessage::Text { text: "hi".to_owned() }),
            (
                r#"{"type":"playout","speech_id":7,"played_ms":119.6}"#,
                CallerMessage::Playout { speech_id, played_ms: 120 },
            ),
            (r#"{"type":"mute","muted":true}"#, CallerMessage::Mute { muted: true }),
            (r#"{"type":"consent","recording":false}"#, CallerMessage::Consent { recording: false }),
            (r#"{"type":"end"}"#, CallerMessage::End),
            (r#"{"type":"screen","sharing":true}"#, CallerMessage::Screen { sharing: true }),
            (
                r#"{"type":"picture","look_id":3,"data":"UklGRg==","last":false}"#,
                CallerMessage::Picture { look_id: 3, data: Bytes::from_static(b"RIFF"), last: false },
            ),
            (r#"{"type":"ping","t":1.5}"#, CallerMessage::Ping { t: Number::from_f64(1.5).unwrap() }),
        ] {
            assert_eq!(decode_text(json, 8_192), Ok(expected), "{json}");
        }
    }

    #[test]
    fn what_is_not_the_protocol_is_closed_with_4000_and_quotes_nothing() {
        for json in [
            "",
            "{",
            "[]",
            "null",
            r#"{"type":"shout"}"#,
            r#"{"text":"secret"}"#,
            r#"{"type":"text"}"#,
            r#"{"type":"text","text":7}"#,
            r#"{"type":"mute","muted":"secret"}"#,
            r#"{"type":"ping","t":"now"}"#,
            r#"{"type":"screen"}"#,
            r#"{"type":"picture","look_id":1,"data":"secret!","last":true}"#,
            r#"{"type":"playout","speech_id":1,"played_ms":-1}"#,
            r#"{"type":"playout","speech_id":1,"played_ms":1e300}"#,
            r#"{"type":"playout","speech_id":1.5,"played_ms":1}"#,
        ] {
            let violation = decode_text(json, 8_192).unwrap_err();
            assert_eq!(violation.code(), 4000, "{json}");
            assert!(!violation.to_string().contains("secret"));
            assert!(!violation.to_string().contains("line 0"), "{violation}");
        }
        assert_eq!(decode_text(&" ".repeat(9), 8).unwrap_err().code(), 1009);
    }

    #[test]
    fn frames_are_640_bytes() {
        let mut bytes = vec![0; 640];
        bytes[0..4].copy_from_slice(&[0x34, 0x12, 0xff, 0xff]);
        let frame = decode_audio(&bytes).unwrap();
        assert_eq!((frame[0], frame[1], frame[2]), (0x1234, -1, 0));
        for (size, code) in [(0, 4000), (639, 4000), (641, 1009), (960, 1009)] {
            assert_eq!(decode_audio(&vec![0; size]).unwrap_err().code(), code, "{size}");
        }
    }

    #[test]
    fn the_servers_events() {
        let cases = [
            (
                Outbound::Event(ClientEvent::State { state: AgentState::Thinking }),
                json!({"type": "state", "state": "thinking"}),
            ),
            (
                Outbound::SpeechStarted { speech: SpeechId(1), reply: ReplyId(2) },
                json!({"type": "speech_started", "speech_id": 1, "reply_id": 2}),
            ),
            (
                Outbound::SpeechResumed { speech: SpeechId(1), from_ms: 340 },
                json!({"type": "speech_resumed", "speech_id": 1, "from_ms": 340}),
            ),
            (
                Outbound::SpeechFinished { speech: SpeechId(1), duration_ms: 20 },
                json!({"type": "speech_finished", "speech_id": 1, "duration_ms": 20}),
            ),
            (Outbound::Clear { speech: SpeechId(1) }, json!({"type": "clear", "speech_id": 1})),
            (Outbound::Tasks(Arc::default()), json!({"type": "tasks", "tasks": []})),
            (
                Outbound::Ready(Ready {
                    session_id: "s".to_owned(),
                    resumed: false,
                    channel: "browser".to_owned(),
                    agent: "TaskAgent".to_owned(),
                    recording: true,
                    records: false,
                    screens: true,
                    muted: true,
                }),
                json!({"type": "ready", "session_id": "s", "resumed": false, "channel": "browser",
                    "agent": "TaskAgent", "recording": true, "records": false, "screens": true, "muted": true}),
            ),
        ];
        for (outbound, expected) in cases {
            let messages = encode(&outbound);
            let [Message::Text(text)] = messages.as_slice() else { panic!("no text") };
            assert_eq!(serde_json::from_str::<Value>(text).unwrap(), expected);
        }
    }

    #[test]
    fn audio_goes_out_a_frame_a_message() {
        let messages = encode(&Outbound::Audio(Bytes::from(vec![1; 1920])));
        assert_eq!(messages.len(), 2);
        assert!(messages.iter().all(|m| matches!(m, Message::Binary(frame) if frame.len() == AGENT_FRAME_BYTES)));
        assert!(encode(&Outbound::Close { code: 1000, reason: "ended" }).is_empty());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1_000)) {
            if let Ok(frame) = decode_audio(&bytes) {
                prop_assert_eq!(bytes.len(), 2 * frame.len());
            }
            drop(decode_text(&String::from_utf8_lossy(&bytes), 8_192));
        }

        #[test]
        fn arbitrary_fields_never_panic(kind in "[a-z_]{0,8}", field in "[a-z_]{0,9}", value in any::<f64>()) {
            let json = json!({"type": kind, field: value}).to_string();
            drop(decode_text(&json, 8_192));
        }
    }
}
