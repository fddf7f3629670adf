//! Every message of the protocol, from fixtures.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use voice_core::provider::{ProviderErrorKind as Kind, ProviderFailure};

use super::super::wire::{Alignment, Letter, Line, Since, Speaker, body, decode, output_format, refused};
use crate::audio::format::AudioFormat;

fn line(name: &str) -> Result<Line, ProviderFailure> {
    let all = include_str!("../../../../tests/fixtures/elevenlabs/lines.json");
    let all: Map<String, Value> = serde_json::from_str(all).unwrap();
    let line = all.get(name).unwrap_or_else(|| panic!("no fixture {name}")).to_string();
    // The same in an event stream.
    assert_eq!(decode(format!("data: {line}\r").as_bytes()), decode(line.as_bytes()));
    decode(line.as_bytes())
}

fn piece(
    audio: &'static [u8],
    letters: &[(&str, u64)],
    since: Since,
    is_verbatim: bool,
) -> Result<Line, ProviderFailure> {
    let letters = letters.iter().map(|(text, end_ms)| Letter { text: (*text).to_owned(), end_ms: *end_ms }).collect();
    Ok(Line::Piece { audio: audio.into(), alignment: Some(Alignment { letters, since, is_verbatim }) })
}

#[test]
fn a_request_is_as_documented() {
    let speaker = Speaker {
        model: "eleven_flash_v2_5".to_owned(),
        language: Some("en".to_owned()),
        stability: 0.5,
        similarity_boost: 0.75,
        speed: Some(1.1),
    };
    let full = json!({"text": "Hi.", "model_id": "eleven_flash_v2_5", "language_code": "en", "previous_text": "Well.",
        "voice_settings": {"stability": 0.5, "similarity_boost": 0.75, "speed": 1.1}});
    assert_eq!(body(&speaker, "Hi.", "Well."), full);
    let plain = Speaker { language: None, speed: None, ..speaker };
    let least = json!({"text": "Hi.", "model_id": "eleven_flash_v2_5",
        "voice_settings": {"stability": 0.5, "similarity_boost": 0.75}});
    assert_eq!(body(&plain, "Hi.", ""), least);
    let formats = [AudioFormat::Pcm24k, AudioFormat::Pcm16k, AudioFormat::Mulaw8k].map(output_format);
    assert_eq!(formats, ["pcm_24000", "pcm_16000", "ulaw_8000"]);
}

#[test]
fn pieces_of_every_naming_are_understood() {
    let hi = [("H", 93), ("i", 174), ("!", 197), (" ", 255)];
    assert_eq!(line("piece"), piece(&[0, 1, 2, 3], &hi, Since::Answer, true));
    let audio = bytes::Bytes::from_static(&[0, 1, 2, 3]);
    assert_eq!(line("piece_without_alignment"), Ok(Line::Piece { audio, alignment: None }));
    let five = [("f", 200), ("i", 300), ("v", 400), ("e", 500)];
    assert_eq!(line("piece_that_is_normalized"), piece(&[0, 1], &five, Since::Answer, false));
    assert_eq!(line("piece_of_the_sockets"), piece(&[0, 1], &[("H", 80), ("i", 150)], Since::Piece, true));
    assert_eq!(line("piece_of_the_sockets_docs"), piece(&[0, 1], &[("H", 80)], Since::Piece, true));
    assert_eq!(line("piece_of_times_alone"), piece(&[], &[("a", 0), ("b", 86_400_000)], Since::Answer, true));
}

#[test]
fn what_is_unknown_is_ignored_and_what_is_no_json_is_not() {
    for name in ["final", "unknown"] {
        assert_eq!(line(name), Ok(Line::Ignored), "{name}");
    }
    for framing in ["", " \r", ": keep-alive", "event: message", "id: 7", "retry: 10"] {
        assert_eq!(decode(framing.as_bytes()), Ok(Line::Ignored), "{framing}");
    }
    for name in ["piece_that_is_no_base64", "piece_that_is_no_text"] {
        assert_eq!(line(name), Err(Kind::Protocol.into()), "{name}");
    }
    for nonsense in ["hello", "[]", "7", "{\"audio_base64\":", "\u{0}"] {
        assert_eq!(decode(nonsense.as_bytes()), Err(Kind::Protocol.into()), "{nonsense}");
    }
}

#[test]
fn a_failure_may_come_after_the_answer_has_begun() {
    assert_eq!(line("failure"), Ok(Line::Failed(Kind::RateLimited.into())));
    assert_eq!(line("failure_without_a_code"), Ok(Line::Failed(Kind::Unavailable.into())));
}

/// The refusals, each with its status, its body and the kind that it means.
pub(super) fn refusals() -> Vec<(u16, String, String)> {
    let all = include_str!("../../../../tests/fixtures/elevenlabs/refusals.json");
    let all: Vec<(u16, Value, String)> = serde_json::from_str(all).unwrap();
    let text = |body: Value| body.as_str().map_or_else(|| body.to_string(), str::to_owned);
    all.into_iter().map(|(status, body, kind)| (status, text(body), kind)).collect()
}

#[test]
fn refusals_of_every_shape_have_their_kind() {
    for (status, body, kind) in refusals() {
        let (failure, _) = refused(status, body.as_bytes(), Some(7));
        assert_eq!((failure.kind.as_str(), failure.retry_after_ms), (kind.as_str(), Some(7)), "{status} {body}");
    }
    assert!(refused(404, br#"{"detail":{"status":"voice_not_found"}}"#, None).1);
    assert!(!refused(404, br#"{"detail":"Not Found"}"#, None).1);
    assert!(!refused(404, b"404 page not found", None).1);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, status: u16) {
        let _taken_or_refused = decode(&bytes);
        let _kind = refused(status, &bytes, None);
    }

    #[test]
    fn arbitrary_fields_never_panic(
        fields in prop::collection::btree_map(
            prop_oneof!["audio", "audio_base64", "alignment", "normalized_alignment", "detail", "error", ".{0,3}"],
            prop_oneof![
                Just(json!(null)), Just(json!({"characters": ["a", 1], "character_end_times_seconds": [1e300, null]})),
                Just(json!({"chars": ["a"], "charStartTimesMs": [-1e300], "charDurationsMs": [1e308]})),
                Just(json!([1])), Just(json!({"code": 7})), ".{0,9}".prop_map(Value::from),
            ],
            0..6,
        ),
    ) {
        let _taken_or_refused = decode(json!(fields).to_string().as_bytes());
    }
}
