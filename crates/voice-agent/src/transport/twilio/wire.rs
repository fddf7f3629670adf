//! Media Streams' messages as pure functions: JSON texts both ways, audio in base64.
//!
//! Counters and times in them are strings, and not needed. Twilio adds events and fields without notice: unknown ones are
//! passed over. Payloads usually hold 160 bytes (20 ms), which nobody promises.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use voice_core::input::Key;

/// Longest id of a call or a stream, in characters; Twilio's have 34.
const MAX_ID: usize = 64;
/// The parameter that the call token comes back in.
pub const CALL_TOKEN: &str = "callToken";
/// Reads payloads with their padding or without.
const PAYLOAD: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

macro_rules! sids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// Reads an id: letters, digits, `-` and `_` only, so that it may stand in JSON, XML and a URL as it is.
            pub fn parse(text: &str) -> Option<Self> {
                let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
                let fits = !text.is_empty() && text.len() <= MAX_ID && text.bytes().all(is_plain);
                fits.then(|| Self(text.to_owned()))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    )*};
}

sids! {
    /// A telephone call, as Twilio names it: `CA…`.
    CallSid;
    /// A text message: `SM…`.
    MessageSid;
    /// One stream of a call: `MZ…`. A call that lost its stream gets another.
    StreamSid;
}

/// What a stream begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamStart {
    /// The stream.
    pub stream: StreamSid,
    /// The call that it carries.
    pub call: CallSid,
    /// The account that it belongs to; empty if it does not say.
    pub account: String,
    /// What the webhook's answer gave the stream to vouch for it.
    pub call_token: Option<String>,
}

/// What a message of a stream says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEvent {
    /// The first message; nothing in it is needed.
    Connected,
    /// Which call this is.
    Start(Box<StreamStart>),
    /// The caller's next audio: µ-law at 8 kHz, any number of bytes.
    Media(Bytes),
    /// Everything before this mark was played, or thrown away by our `clear`.
    Mark(String),
    /// A key was pressed.
    Dtmf(Key),
    /// The call is over.
    Stop,
    /// Something that is not for us.
    Other,
}

/// A message, and the stream that it says it is of.
#[derive(Debug, PartialEq, Eq)]
pub struct Incoming<'a> {
    /// None in the first message.
    pub stream: Option<Cow<'a, str>>,
    /// What it says.
    pub event: StreamEvent,
}

/// A message that is not taken. Its words quote nothing of what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Over the limit, in bytes.
    #[error("{size} bytes; at most {limit} are taken")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// No event of a media stream.
    #[error("not a media stream's message")]
    NotAMessage,
    /// A payload that is not base64.
    #[error("the payload is not base64")]
    Payload,
    /// A call or stream id that cannot be one.
    #[error("not an id of a call or a stream")]
    Sid,
    /// A key that no telephone has.
    #[error("not a key of a telephone")]
    Key,
    /// Audio that is not the telephone's.
    #[error("the media format is not µ-law at 8000 Hz, one channel")]
    Format,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow, default, rename = "streamSid")]
    stream: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct MediaMessage<'a> {
    #[serde(borrow)]
    media: Media<'a>,
}

#[derive(Deserialize)]
struct Media<'a> {
    #[serde(borrow, default)]
    track: Option<Cow<'a, str>>,
    #[serde(borrow)]
    payload: Cow<'a, str>,
}

#[derive(Deserialize)]
struct MarkMessage {
    mark: Mark,
}

#[derive(Deserialize)]
struct Mark {
    name: String,
}

#[derive(Deserialize)]
struct DtmfMessage<'a> {
    #[serde(borrow)]
    dtmf: Dtmf<'a>,
}

#[derive(Deserialize)]
struct Dtmf<'a> {
    #[serde(borrow)]
    digit: Cow<'a, str>,
}

#[derive(Deserialize)]
struct StartMessage {
    start: Start,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    #[serde(default)]
    stream_sid: Option<String>,
    call_sid: String,
    #[serde(default)]
    account_sid: String,
    #[serde(default)]
    media_format: Option<MediaFormat>,
    #[serde(default)]
    custom_parameters: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MediaFormat {
    encoding: String,
    sample_rate: Value,
    #[serde(default)]
    channels: Option<Value>,
}

/// Reads a text message of at most `limit` bytes.
///
/// # Errors
/// [`Malformed`].
pub fn decode(text: &str, limit: usize) -> Result<Incoming<'_>, Malformed> {
    if text.len() > limit {
        return Err(Malformed::TooLarge { size: text.len(), limit });
    }
    let Head { event, stream } = read(text)?;
    let event = match event.as_ref() {
        "media" => media(text)?,
        "mark" => StreamEvent::Mark(read::<MarkMessage>(text)?.mark.name),
        "start" => start(text, stream.as_deref())?,
        "connected" => StreamEvent::Connected,
        "dtmf" => StreamEvent::Dtmf(Key::parse(&read::<DtmfMessage<'_>>(text)?.dtmf.digit).ok_or(Malformed::Key)?),
        "stop" => StreamEvent::Stop,
        _ => StreamEvent::Other,
    };
    Ok(Incoming { stream, event })
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Malformed> {
    serde_json::from_str(text).map_err(|_| Malformed::NotAMessage)
}

fn media(text: &str) -> Result<StreamEvent, Malformed> {
    let Media { track, payload } = read::<MediaMessage<'_>>(text)?.media;
    // What the agent says comes back in no stream that we ask for.
    if track.is_some_and(|track| track != "inbound") {
        return Ok(StreamEvent::Other);
    }
    PAYLOAD.decode(payload.as_bytes()).map(|bytes| StreamEvent::Media(bytes.into())).map_err(|_| Malformed::Payload)
}

fn start(text: &str, stream: Option<&str>) -> Result<StreamEvent, Malformed> {
    let start = read::<StartMessage>(text)?.start;
    if start.media_format.is_some_and(|format| !format.is_telephone()) {
        return Err(Malformed::Format);
    }
    let stream = stream.or(start.stream_sid.as_deref()).and_then(StreamSid::parse).ok_or(Malformed::Sid)?;
    let call = CallSid::parse(&start.call_sid).ok_or(Malformed::Sid)?;
    let call_token = start.custom_parameters.get(CALL_TOKEN).and_then(Value::as_str).map(str::to_owned);
    Ok(StreamEvent::Start(Box::new(StreamStart { stream, call, account: start.account_sid, call_token })))
}

impl MediaFormat {
    fn is_telephone(&self) -> bool {
        let is = |value: &Value, number: u64| {
            value.as_u64() == Some(number) || value.as_str().is_some_and(|text| text.parse() == Ok(number))
        };
        let mono = self.channels.as_ref().is_none_or(|channels| is(channels, 1));
        self.encoding == "audio/x-mulaw" && is(&self.sample_rate, 8_000) && mono
    }
}

/// Audio for the caller: µ-law at 8 kHz, no header.
pub fn media_message(stream: &StreamSid, mulaw: &[u8]) -> String {
    let (sid, payload) = (stream.as_str(), general_purpose::STANDARD.encode(mulaw));
    format!(r#"{{"event":"media","streamSid":"{sid}","media":{{"payload":"{payload}"}}}}"#)
}

/// A mark behind the audio that was sent so far: it comes back when all of that was played.
pub fn mark_message(stream: &StreamSid, name: &str) -> String {
    let (sid, name) = (stream.as_str(), Value::from(name));
    format!(r#"{{"event":"mark","streamSid":"{sid}","mark":{{"name":{name}}}}}"#)
}

/// Throws away the audio that is not played yet; all marks that wait come back at once.
pub fn clear_message(stream: &StreamSid) -> String {
    format!(r#"{{"event":"clear","streamSid":"{}"}}"#, stream.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const LIMIT: usize = 8_192;
    const SID: &str = "MZ18ad3ab5a668481ce02b83e7395059f0";

    fn event(text: &str) -> Result<StreamEvent, Malformed> {
        decode(text, LIMIT).map(|incoming| incoming.event)
    }

    fn start_message(format: &Value) -> String {
        json!({
            "event": "start", "sequenceNumber": "1", "streamSid": SID,
            "start": {
                "accountSid": "AC0", "streamSid": SID, "callSid": "CA1", "tracks": ["inbound"], "mediaFormat": format,
                "customParameters": {"callToken": "secret", "other": "1"},
            },
        })
        .to_string()
    }

    #[test]
    fn twilios_messages() {
        let cases = [
            (r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#, StreamEvent::Connected),
            (
                r#"{"event":"media","sequenceNumber":"3","streamSid":"MZ1","media":{"track":"inbound","chunk":"1","timestamp":"5","payload":"/38="}}"#,
                StreamEvent::Media(Bytes::from_static(&[0xff, 0x7f])),
            ),
            // An encoder may escape the slash; another leaves the padding out.
            (r#"{"event":"media","media":{"payload":"\/38"}}"#, StreamEvent::Media(Bytes::from_static(&[0xff, 0x7f]))),
            (r#"{"event":"media","media":{"payload":"","new":1},"start":2}"#, StreamEvent::Media(Bytes::new())),
            (r#"{"event":"media","media":{"track":"outbound","payload":"/38="}}"#, StreamEvent::Other),
            (
                r#"{"event":"mark","sequenceNumber":"6","streamSid":"MZ1","mark":{"name":"m1"}}"#,
                StreamEvent::Mark("m1".to_owned()),
            ),
            (
                r#"{"event":"dtmf","streamSid":"MZ1","sequenceNumber":"5","dtmf":{"track":"inbound_track","digit":"1"}}"#,
                StreamEvent::Dtmf(Key::YES),
            ),
            (
                r#"{"event":"stop","sequenceNumber":"9","streamSid":"MZ1","stop":{"accountSid":"AC0","callSid":"CA1"}}"#,
                StreamEvent::Stop,
            ),
            (r#"{"event":"weather","media":"fine","mark":7}"#, StreamEvent::Other),
        ];
        for (text, expected) in cases {
            assert_eq!(event(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_start_names_the_stream_the_call_and_the_token() {
        let format = json!({"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1});
        let text = start_message(&format);
        let incoming = decode(&text, LIMIT).unwrap();
        assert_eq!(incoming.stream.as_deref(), Some(SID));
        let StreamEvent::Start(start) = incoming.event else { panic!("no start") };
        assert_eq!((start.stream.as_str(), start.call.as_str(), start.account.as_str()), (SID, "CA1", "AC0"));
        assert_eq!(start.call_token.as_deref(), Some("secret"));
        for format in [json!({"encoding": "audio/x-mulaw", "sampleRate": "8000"}), Value::Null] {
            assert!(event(&start_message(&format)).is_ok(), "{format}");
        }
    }

    #[test]
    fn a_start_without_sense_is_refused() {
        for format in [
            json!({"encoding": "audio/l16", "sampleRate": 8000, "channels": 1}),
            json!({"encoding": "audio/x-mulaw", "sampleRate": 16000, "channels": 1}),
            json!({"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 2}),
        ] {
            assert_eq!(event(&start_message(&format)), Err(Malformed::Format), "{format}");
        }
        for (stream, call) in [("MZ1", ""), ("MZ 1", "CA1"), ("", "CA1"), ("MZ1", "CA\"1"), ("MZ1", &"C".repeat(65))] {
            let text = json!({"event": "start", "streamSid": stream, "start": {"callSid": call}}).to_string();
            assert_eq!(event(&text), Err(Malformed::Sid), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_streams_message_is_refused_and_quotes_nothing() {
        for text in [
            "",
            "{",
            "[]",
            "null",
            r#"{"type":"media"}"#,
            r#"{"event":7}"#,
            r#"{"event":"media"}"#,
            r#"{"event":"media","media":{"payload":7}}"#,
            r#"{"event":"mark","mark":{"name":"secret"}"#,
            r#"{"event":"mark","mark":{}}"#,
            r#"{"event":"start","start":{"secret":1}}"#,
        ] {
            assert_eq!(event(text), Err(Malformed::NotAMessage), "{text}");
        }
        assert_eq!(event(r#"{"event":"media","media":{"payload":"secret!"}}"#), Err(Malformed::Payload));
        for digit in ["", "12", "x", "é"] {
            let text = json!({"event": "dtmf", "dtmf": {"digit": digit}}).to_string();
            assert_eq!(event(&text), Err(Malformed::Key), "{text}");
        }
        for text in [r#"{"event":"dtmf"}"#, r#"{"event":"dtmf","dtmf":{"digit":1}}"#, r#"{"event":"dtmf","dtmf":[]}"#] {
            assert_eq!(event(text), Err(Malformed::NotAMessage), "{text}");
        }
        assert_eq!(decode("{\"event\":\"stop\"}", 15), Err(Malformed::TooLarge { size: 16, limit: 15 }));
    }

    #[test]
    fn our_messages_have_twilios_form() {
        let stream = StreamSid::parse(SID).unwrap();
        let cases = [
            (
                media_message(&stream, &[0xff, 0x7f]),
                json!({"event": "media", "streamSid": SID, "media": {"payload": "/38="}}),
            ),
            (mark_message(&stream, "m\"1"), json!({"event": "mark", "streamSid": SID, "mark": {"name": "m\"1"}})),
            (clear_message(&stream), json!({"event": "clear", "streamSid": SID})),
        ];
        for (text, expected) in cases {
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1_000)) {
            drop(decode(&String::from_utf8_lossy(&bytes), LIMIT).map(|incoming| incoming.event));
        }

        #[test]
        fn arbitrary_fields_never_panic(
            kind in "(start|media|mark|stop|dtmf|[a-z]{0,8})",
            field in "[a-zA-Z]{0,12}",
            value in "\\PC{0,20}",
        ) {
            let mut body = serde_json::Map::from_iter([("event".to_owned(), json!(kind))]);
            body.insert(kind, json!({field: value}));
            drop(decode(&Value::Object(body).to_string(), LIMIT).map(|incoming| incoming.event));
        }

        #[test]
        fn audio_survives_the_wire(mulaw: Vec<u8>) {
            let text = media_message(&StreamSid::parse(SID).unwrap(), &mulaw);
            let incoming = decode(&text, usize::MAX).unwrap();
            prop_assert_eq!(incoming.stream.as_deref(), Some(SID));
            prop_assert_eq!(incoming.event, StreamEvent::Media(mulaw.into()));
        }
    }
}
