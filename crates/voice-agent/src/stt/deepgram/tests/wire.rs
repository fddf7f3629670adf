use proptest::prelude::*;

use super::super::DeepgramConfig;
use super::*;
use crate::config::Secret;

fn config() -> DeepgramConfig {
    DeepgramConfig::new(Secret::new("key"))
}

fn url(config: &DeepgramConfig, format: AudioFormat, titles: &[&str]) -> String {
    let titles: Vec<String> = titles.iter().map(|&title| title.to_owned()).collect();
    connection_url(&listen_url(&config.base_url).unwrap(), config, format, &titles)
}

#[test]
fn a_browsers_audio_is_asked_for_as_linear16() {
    let expected = "wss://api.deepgram.com/v1/listen?model=nova-3&language=en&encoding=linear16&sample_rate=16000&channels=1\
                    &interim_results=true&punctuate=true&smart_format=false&numerals=false&endpointing=60&no_delay=true";
    assert_eq!(url(&config(), AudioFormat::Pcm16k, &[]), expected);
}

#[test]
fn a_telephones_audio_is_asked_for_as_mulaw_and_settings_are_heeded() {
    let config = DeepgramConfig {
        language: "multi".into(),
        punctuate: false,
        smart_format: true,
        numerals: true,
        mip_opt_out: true,
        endpointing_ms: 0,
        ..config()
    };
    let expected = "wss://api.deepgram.com/v1/listen?model=nova-3&language=multi&encoding=mulaw&sample_rate=8000&channels=1\
                    &interim_results=true&punctuate=false&smart_format=true&numerals=true&endpointing=false&no_delay=true\
                    &mip_opt_out=true&keyterm=B%C3%BCro%20M%26Ms&keyterm=milk";
    assert_eq!(url(&config, AudioFormat::Mulaw8k, &["Büro M&Ms", "milk"]), expected);
}

#[test]
fn older_models_are_given_no_key_terms() {
    let config = DeepgramConfig { model: "nova-2+x".into(), ..config() };
    let url = url(&config, AudioFormat::Pcm24k, &["milk"]);
    assert!(url.contains("model=nova-2%2Bx&") && url.contains("sample_rate=24000"), "{url}");
    assert!(!url.contains("keyterm"), "{url}");
}

#[test]
fn a_url_stays_short_whatever_the_titles_are() {
    let titles = vec!["東京 の 会議 の 準備 を する".repeat(9); 500];
    let numbered: Vec<String> = titles.iter().enumerate().map(|(n, title)| format!("{n}{title}")).collect();
    let url = connection_url(&listen_url("wss://h").unwrap(), &config(), AudioFormat::Pcm16k, &numbered);
    assert!(url.len() < 4_096, "{}", url.len());
    assert!(url.contains("keyterm="));
}

#[test]
fn any_spelling_of_a_base_url_will_do() {
    for (base, listen) in [
        ("https://api.deepgram.com", "wss://api.deepgram.com/v1/listen"),
        (" wss://api.eu.deepgram.com/ ", "wss://api.eu.deepgram.com/v1/listen"),
        ("http://127.0.0.1:8081", "ws://127.0.0.1:8081/v1/listen"),
        ("ws://[::1]:80/proxy//", "ws://[::1]/proxy/v1/listen"),
        ("https://proxy.example/deepgram?x=1#y", "wss://proxy.example/deepgram/v1/listen"),
    ] {
        assert_eq!(listen_url(base).unwrap().as_str(), listen);
    }
    for base in ["", "api.deepgram.com", "/v1/listen", "https://"] {
        assert_eq!(listen_url(base), Err(BaseUrlError::NotAUrl), "{base}");
    }
    assert_eq!(listen_url("ftp://api.deepgram.com"), Err(BaseUrlError::Scheme));
}

fn results(text: &str) -> Results {
    match decode(text).unwrap() {
        ServerMessage::Results(results) => results,
        other => panic!("{other:?}"),
    }
}

#[test]
fn results_are_read() {
    let word = |text: &str, start_ms| Word { text: text.into(), start_ms };
    let expected = Results {
        start_ms: 1_200,
        end_ms: 2_100,
        is_final: true,
        from_finalize: false,
        transcript: "hello there".into(),
        words: vec![word("Hello", 1_200), word("there", 1_600)],
    };
    assert_eq!(results(include_str!("../fixtures/results_final.json")), expected);
    let expected = Results {
        start_ms: 0,
        end_ms: 1_020,
        transcript: "Add a".into(),
        words: vec![word("Add", 320), word("a", 480)],
        ..Results::default()
    };
    assert_eq!(results(include_str!("../fixtures/results_interim.json")), expected);
    let expected =
        Results { start_ms: 3_360, end_ms: 3_500, is_final: true, from_finalize: true, ..Results::default() };
    assert_eq!(results(include_str!("../fixtures/results_from_finalize_empty.json")), expected);
}

#[test]
fn what_is_new_or_missing_does_no_harm() {
    let expected = Results {
        start_ms: 2_000,
        end_ms: 3_000,
        is_final: true,
        transcript: "Buy milk.".into(),
        ..Results::default()
    };
    assert_eq!(results(include_str!("../fixtures/results_unknown_fields.json")), expected);
    let expected = Results { start_ms: 500, end_ms: 1_000, is_final: true, ..Results::default() };
    assert_eq!(results(include_str!("../fixtures/results_without_alternatives.json")), expected);
    assert!(results(r#"{"type":"Results","from_finalize":true,"channel":{}}"#).is_final);
}

#[test]
fn times_that_are_none_are_bounded() {
    let text = r#"{"type":"Results","start":-5,"duration":-1e300,"channel":{"alternatives":[{"transcript":"a","words":[{"word":"a","start":1e300}]}]}}"#;
    let results = results(text);
    assert_eq!((results.start_ms, results.end_ms, results.words[0].start_ms), (0, 0, u64::MAX));
}

#[test]
fn other_messages_are_told_from_results() {
    for text in [
        include_str!("../fixtures/speech_started.json"),
        include_str!("../fixtures/utterance_end.json"),
        include_str!("../fixtures/configure_failure.json"),
        r#"{"type":"SomethingNew","channel":7}"#,
        r#"{"type":7}"#,
        r#"{"kind":"Results"}"#,
        "[]",
        "null",
        "3",
    ] {
        assert_eq!(decode(text), Ok(ServerMessage::Other), "{text}");
    }
    let metadata = decode(include_str!("../fixtures/metadata.json"));
    assert_eq!(metadata, Ok(ServerMessage::Metadata { processed_ms: 12_300 }));
}

#[test]
fn an_error_in_the_stream_is_a_failure() {
    for (text, kind) in [
        (include_str!("../fixtures/error_schema.json"), ProviderErrorKind::BadRequest),
        (include_str!("../fixtures/error_net.json"), ProviderErrorKind::Stalled),
        (r#"{"type":"Error","code":"DATA-0000"}"#, ProviderErrorKind::BadRequest),
        (r#"{"type":"Error","code":5}"#, ProviderErrorKind::Unavailable),
        (r#"{"type":"Error"}"#, ProviderErrorKind::Unavailable),
    ] {
        assert_eq!(decode(text), Ok(ServerMessage::Error(kind.into())), "{text}");
    }
}

#[test]
fn what_may_have_held_words_and_cannot_be_read_is_no_protocol() {
    for text in [
        "",
        "hello",
        r#"{"type":"Results""#,
        r#"{"type":"Results"}"#,
        r#"{"type":"Results","channel":{"alternatives":"none"}}"#,
        r#"{"type":"Results","start":"soon","channel":{"alternatives":[]}}"#,
        r#"{"type":"Metadata","duration":"long"}"#,
    ] {
        assert_eq!(decode(text), Err(Malformed), "{text}");
    }
    assert_eq!(ProviderFailure::from(Malformed).kind, ProviderErrorKind::Protocol);
}

proptest! {
    #[test]
    fn nothing_that_a_server_sends_panics(text in ".*", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _any = decode(&text);
        let _any = decode(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn nothing_in_the_shape_of_results_panics(start in any::<f64>(), duration in any::<f64>(), text in ".*") {
        let message = serde_json::json!({"type": "Results", "start": start, "duration": duration,
            "channel": {"alternatives": [{"transcript": text, "words": [{"word": text, "start": start}]}]}});
        if let ServerMessage::Results(results) = decode(&message.to_string()).unwrap() {
            prop_assert_eq!(results.transcript, text);
        }
    }

    #[test]
    fn every_cut_of_a_message_is_refused_or_read(at in 0_usize..1_000) {
        let text = include_str!("../fixtures/results_final.json");
        let end = text.floor_char_boundary(at.min(text.len()));
        let _any = decode(&text[..end]);
    }
}
