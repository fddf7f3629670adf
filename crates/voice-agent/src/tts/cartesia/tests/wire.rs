//! Every message of the protocol, from fixtures.

use proptest::prelude::*;
use serde_json::{Map, Value};
use voice_core::provider::ProviderErrorKind as Kind;

use super::super::wire::{Ask, NamedWord, Said, ServerMessage, Speaker, decode, encode, encode_cancel, refused};
use crate::audio::format::AudioFormat;
use voice_core::provider::ProviderFailure;

fn fixture(file: &str, name: &str) -> Value {
    let all: Map<String, Value> = serde_json::from_str(file).unwrap();
    all.get(name).unwrap_or_else(|| panic!("no fixture {name}")).clone()
}

fn server(name: &str) -> ServerMessage {
    decode(&fixture(include_str!("../../../../tests/fixtures/cartesia/server.json"), name).to_string()).unwrap()
}

/// What is said of the context `c1`.
fn said(name: &str) -> Said {
    match server(name) {
        ServerMessage::Context { context, said } if context == "c1" => said,
        other => panic!("{name}: {other:?}"),
    }
}

fn client(name: &str) -> Value {
    fixture(include_str!("../../../../tests/fixtures/cartesia/client.json"), name)
}

#[test]
fn what_is_sent_is_as_documented() {
    let speaker = Speaker {
        model: "sonic-3".to_owned(),
        voice_id: "f786b574-daa5-4673-aa0c-cbe3e8534c02".to_owned(),
        language: "en".to_owned(),
        speed: Some(1.1),
    };
    let sent = |ask| -> Value { serde_json::from_str(&encode(&speaker, "c1", AudioFormat::Mulaw8k, ask)).unwrap() };
    assert_eq!(sent(Ask::Speak("Hello there. ")), client("speak"));
    assert_eq!(sent(Ask::Flush), client("flush"));
    assert_eq!(sent(Ask::End), client("end"));
    assert_eq!(serde_json::from_str::<Value>(&encode_cancel("c1")).unwrap(), client("cancel"));

    let plain = Speaker { speed: None, ..speaker };
    for (format, encoding, rate) in
        [(AudioFormat::Pcm24k, "pcm_s16le", 24_000), (AudioFormat::Pcm16k, "pcm_s16le", 16_000)]
    {
        let sent: Value = serde_json::from_str(&encode(&plain, "c1", format, Ask::Flush)).unwrap();
        assert_eq!(sent["output_format"]["encoding"], encoding);
        assert_eq!(sent["output_format"]["sample_rate"], rate);
        assert!(sent.get("generation_config").is_none());
    }
}

#[test]
fn audio_is_decoded_with_padding_or_without() {
    let audio = |audio: &'static [u8], flush_id, done| Said::Audio { audio: audio.into(), flush_id, done };
    assert_eq!(said("chunk"), audio(&[0, 1, 2, 3], Some(1), false));
    assert_eq!(said("chunk_without_flush_id"), audio(&[0, 1, 2, 3], None, false));
    assert_eq!(said("chunk_that_is_the_last"), audio(&[0, 1], None, true));
    assert_eq!(said("chunk_of_no_audio"), audio(&[], None, false));
}

#[test]
fn audio_that_is_none_fails_its_context_alone() {
    for name in ["chunk_that_is_no_base64", "chunk_that_is_no_text"] {
        assert_eq!(said(name), Said::Failed(Kind::Protocol.into()), "{name}");
    }
    assert_eq!(server("chunk_of_nobody"), ServerMessage::Ignored);
}

#[test]
fn words_have_ends_in_milliseconds() {
    let word = |word: &str, end_ms| NamedWord { word: word.to_owned(), end_ms };
    assert_eq!(said("timestamps"), Said::Words(vec![word("Hello", 350)]));
    assert_eq!(said("timestamps_of_two_words"), Said::Words(vec![word("Hello", 400), word("world", 900)]));
    assert_eq!(said("timestamps_out_of_order"), Said::Words(vec![word("a", 0), word("b", 86_400_000)]));
    assert_eq!(said("timestamps_of_nothing"), Said::Words(Vec::new()));
}

#[test]
fn ends_are_told_apart() {
    assert_eq!(said("flush_done"), Said::FlushDone { flush_id: Some(1) });
    assert_eq!(said("done"), Said::Done);
    assert_eq!(said("unknown_fields"), Said::Done);
}

#[test]
fn errors_of_every_version_have_their_kind() {
    let failed = |name| match said(name) {
        Said::Failed(failure) => failure,
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(failed("error"), Kind::RateLimited.into());
    let hour = Some(3_600_000);
    assert_eq!(failed("error_of_the_model"), ProviderFailure { kind: Kind::NotServed, retry_after_ms: hour });
    assert_eq!(failed("error_of_the_quota"), Kind::Quota.into());
    assert_eq!(failed("error_of_the_server"), Kind::Unavailable.into());
    assert_eq!(failed("error_before_2026_03"), Kind::BadRequest.into());
    assert_eq!(failed("error_without_a_type"), Kind::BadRequest.into());
    assert_eq!(failed("error_without_a_status"), Kind::Unavailable.into());
}

#[test]
fn an_error_without_a_context_is_the_sockets() {
    assert_eq!(server("error_of_the_key"), ServerMessage::Failed(Kind::Auth.into()));
    assert_eq!(server("error_of_the_socket"), ServerMessage::Failed(Kind::Unavailable.into()));
    assert_eq!(server("error_with_an_empty_context"), ServerMessage::Failed(Kind::RateLimited.into()));
}

#[test]
fn what_is_unknown_is_ignored_and_what_is_no_json_is_not() {
    for name in ["phoneme_timestamps", "unknown", "unknown_without_a_type"] {
        assert_eq!(server(name), ServerMessage::Ignored, "{name}");
    }
    for text in ["", "hello", "[]", "\"chunk\"", "{\"type\":\"chunk\"", "null"] {
        assert_eq!(decode(text), Err(Kind::Protocol.into()), "{text}");
    }
}

#[test]
fn a_refused_handshake_is_understood_with_any_body() {
    let body = br#"{"error_code":"model_not_found","title":"","message":"","request_id":"r"}"#;
    assert_eq!(refused(404, body, None).retry_after_ms, Some(3_600_000));
    assert_eq!(refused(401, b"Unauthorized", None), Kind::Auth.into());
    assert_eq!(refused(401, b"", None), Kind::Auth.into());
    assert_eq!(refused(429, b"[1]", Some(7)), ProviderFailure { kind: Kind::RateLimited, retry_after_ms: Some(7) });
}

/// Any JSON, a few levels deep, with the protocol's own names among the fields.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop_oneof!["chunk", "timestamps", "flush_done", "done", "error", "c1", ".{0,8}"].prop_map(Value::from),
    ];
    let field = prop_oneof![
        "type",
        "context_id",
        "data",
        "done",
        "flush_id",
        "status_code",
        "error",
        "error_code",
        "word_timestamps",
        "words",
        "start",
        "end",
        ".{0,4}"
    ];
    leaf.prop_recursive(4, 48, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((field.clone(), inner), 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn arbitrary_json_never_panics(value in json()) {
        let decoded = decode(&value.to_string());
        prop_assert_eq!(decoded.is_ok(), value.is_object());
    }

    #[test]
    fn arbitrary_text_never_panics(text in ".{0,200}", status: u16) {
        let _taken_or_refused = decode(&text);
        let _kind = refused(status, text.as_bytes(), None);
    }
}
