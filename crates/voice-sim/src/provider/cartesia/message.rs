//! What a client sends to `/tts/websocket`.

use serde_json::{Map, Value};

use crate::provider::pcm::Encoding;

/// All fields that a message may have.
const FIELDS: [&str; 17] = [
    "model_id",
    "transcript",
    "voice",
    "language",
    "context_id",
    "output_format",
    "continue",
    "flush",
    "cancel",
    "duration",
    "max_buffer_delay_ms",
    "add_timestamps",
    "add_phoneme_timestamps",
    "use_normalized_timestamps",
    "generation_config",
    "pronunciation_dict_id",
    "speed",
];
/// Those that may differ within a context.
const FREE: [&str; 6] = ["transcript", "continue", "duration", "flush", "cancel", "context_id"];
const RATES: [u64; 6] = [8_000, 16_000, 22_050, 24_000, 44_100, 48_000];
/// What is used when nothing is said, in ms.
const USUAL_DELAY_MS: u64 = 3_000;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn bad(message: &str) -> Self {
        Self { status: 400, code: "invalid_request", message: message.to_owned() }
    }
}

/// How a context is synthesised.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Setup {
    pub(crate) model: String,
    pub(crate) encoding: Encoding,
    pub(crate) rate: u32,
    pub(crate) timestamps: bool,
    pub(crate) delay_ms: u64,
    /// Everything that must stay the same within the context.
    pub(crate) fixed: Value,
}

/// A message that was understood.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Message {
    Cancel { context: String },
    Say { context: String, transcript: String, goes_on: bool, flush: bool, setup: Box<Setup> },
}

/// A message, or the context that it was for (if it said) and what is wrong with it; and what looks like a mistake.
pub(crate) type Read = (Result<Message, (Option<String>, Refusal)>, Vec<String>);

/// Reads a message.
pub(crate) fn read(text: &str) -> Read {
    let Ok(Value::Object(object)) = serde_json::from_str::<Value>(text) else {
        return (Err((None, Refusal::bad("the message is no JSON object"))), Vec::new());
    };
    let unknown = object.keys().filter(|key| !FIELDS.contains(&key.as_str()));
    let warnings = unknown.map(|key| format!("unknown field {key:?}")).collect();
    let context = object.get("context_id").and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned);
    let message = parse(&object, context.as_deref()).map_err(|refusal| (context, refusal));
    (message, warnings)
}

fn parse(object: &Map<String, Value>, context: Option<&str>) -> Result<Message, Refusal> {
    let context = context.ok_or_else(|| Refusal::bad("context_id is required"))?.to_owned();
    if flag(object, "cancel")? {
        return Ok(Message::Cancel { context });
    }
    let transcript = object.get("transcript").and_then(Value::as_str);
    let transcript = transcript.ok_or_else(|| Refusal::bad("transcript is required"))?.to_owned();
    let (goes_on, flush) = (flag(object, "continue")?, flag(object, "flush")?);
    let setup = Box::new(setup(object)?);
    Ok(Message::Say { context, transcript, goes_on, flush, setup })
}

fn flag(object: &Map<String, Value>, name: &str) -> Result<bool, Refusal> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| Refusal::bad(&format!("{name} is true or false"))),
    }
}

fn setup(object: &Map<String, Value>) -> Result<Setup, Refusal> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let model = text(object.get("model_id")).ok_or_else(|| Refusal::bad("model_id is required"))?;
    check_model(&model)?;
    let voice = object.get("voice").ok_or_else(|| Refusal::bad("voice is required"))?;
    if voice["mode"] != "id" || text(voice.get("id")).is_none() {
        return Err(Refusal::bad("voice is {\"mode\": \"id\", \"id\": …}"));
    }
    if object.get("language").is_some_and(|language| language.as_str().is_none_or(|code| code.len() != 2)) {
        return Err(Refusal::bad("language is a code of two letters"));
    }
    let (encoding, rate) = format(object.get("output_format"))?;
    let delay_ms = match object.get("max_buffer_delay_ms") {
        None | Some(Value::Null) => USUAL_DELAY_MS,
        Some(value) => value
            .as_u64()
            .filter(|ms| *ms <= 5_000)
            .ok_or_else(|| Refusal::bad("max_buffer_delay_ms is from 0 to 5000"))?,
    };
    check_config(object.get("generation_config"))?;
    let fixed = object.iter().filter(|(name, _)| !FREE.contains(&name.as_str()));
    let fixed = Value::Object(fixed.map(|(name, value)| (name.clone(), value.clone())).collect());
    Ok(Setup { model, encoding, rate, timestamps: flag(object, "add_timestamps")?, delay_ms, fixed })
}

fn check_model(model: &str) -> Result<(), Refusal> {
    let served = ["sonic-3", "sonic-3.5", "sonic-3.6", "sonic-latest"];
    let is_dated = |name: &str| model.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')).is_some_and(is_date);
    if served.contains(&model) || served.into_iter().any(is_dated) {
        return Ok(());
    }
    Err(Refusal {
        status: 404,
        code: "model_not_found",
        message: "the model does not exist, or is discontinued".to_owned(),
    })
}

/// `YYYY-MM-DD`.
pub(crate) fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [4, 2, 2] && text.chars().all(|c| c.is_ascii_digit() || c == '-')
}

fn format(format: Option<&Value>) -> Result<(Encoding, u32), Refusal> {
    let format = format.ok_or_else(|| Refusal::bad("output_format is required"))?;
    if format["container"] != "raw" {
        return Err(Refusal::bad("the container is raw on a WebSocket"));
    }
    let encoding = match format["encoding"].as_str() {
        Some("pcm_s16le") => Encoding::Linear16,
        Some("pcm_f32le") => Encoding::Float32,
        Some("pcm_mulaw") => Encoding::Mulaw,
        Some("pcm_alaw") => Encoding::Alaw,
        _ => return Err(Refusal::bad("the encoding is pcm_s16le, pcm_f32le, pcm_mulaw or pcm_alaw")),
    };
    let rate =
        format["sample_rate"].as_u64().filter(|rate| RATES.contains(rate)).and_then(|rate| u32::try_from(rate).ok());
    Ok((encoding, rate.ok_or_else(|| Refusal::bad("the sample rate is not one of the service's"))?))
}

fn check_config(config: Option<&Value>) -> Result<(), Refusal> {
    let Some(config) = config.filter(|config| !config.is_null()) else { return Ok(()) };
    for (name, low, high) in [("speed", 0.6, 1.5), ("volume", 0.5, 2.0)] {
        match config.get(name) {
            None | Some(Value::Null) => {}
            Some(value) if value.as_f64().is_some_and(|value| (low..=high).contains(&value)) => {}
            Some(_) => return Err(Refusal::bad(&format!("{name} is from {low} to {high}"))),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn good() -> Value {
        json!({
            "model_id": "sonic-3", "transcript": "Hello. ", "voice": {"mode": "id", "id": "v"}, "language": "en", "context_id": "c1",
            "output_format": {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000}, "continue": true,
            "max_buffer_delay_ms": 0, "add_timestamps": true, "generation_config": {"speed": 1.0},
        })
    }

    fn with(name: &str, value: Value) -> Read {
        let mut message = good();
        message[name] = value;
        read(&message.to_string())
    }

    #[test]
    fn the_documented_message_is_understood() {
        let (message, warnings) = read(&good().to_string());
        let Ok(Message::Say { context, transcript, goes_on, flush, setup }) = message else { panic!("{message:?}") };
        assert_eq!((context.as_str(), transcript.as_str(), goes_on, flush), ("c1", "Hello. ", true, false));
        assert_eq!((setup.encoding, setup.rate, setup.timestamps, setup.delay_ms), (Encoding::Mulaw, 8_000, true, 0));
        assert!(setup.fixed.get("transcript").is_none() && setup.fixed.get("voice").is_some());
        assert_eq!(warnings, [""; 0]);
        assert_eq!(read(r#"{"context_id":"c1","cancel":true}"#).0, Ok(Message::Cancel { context: "c1".to_owned() }));
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for (name, value) in [
            ("context_id", Value::Null),
            ("transcript", json!(7)),
            ("voice", json!({"mode": "embedding"})),
            ("output_format", json!({"container": "wav", "encoding": "pcm_s16le", "sample_rate": 8000})),
            ("output_format", json!({"container": "raw", "encoding": "mp3", "sample_rate": 8000})),
            ("output_format", json!({"container": "raw", "encoding": "pcm_s16le", "sample_rate": 12_345})),
            ("max_buffer_delay_ms", json!(9_000)),
            ("generation_config", json!({"speed": 3})),
            ("continue", json!("yes")),
            ("language", json!("en-US")),
        ] {
            let (message, _) = with(name, value);
            assert_eq!(message.expect_err(name).1.status, 400, "{name}");
        }
        let (message, _) = with("model_id", json!("sonic-2"));
        assert_eq!(message.expect_err("discontinued").1.code, "model_not_found");
        assert!(with("model_id", json!("sonic-3-2026-01-12")).0.is_ok());
        assert_eq!(with("tempo", json!(1)).1.len(), 1);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}") {
            let _any_answer = read(&text);
        }
    }
}
