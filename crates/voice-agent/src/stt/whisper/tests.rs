use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::openai::testing::{Asked, TestServer};

fn stt(server: &TestServer, config: WhisperConfig) -> WhisperStt {
    WhisperStt::new(server.account(), config)
}

fn titles(titles: &[&str]) -> Arc<Vec<String>> {
    Arc::new(titles.iter().map(|title| (*title).to_owned()).collect())
}

/// One part of a form: the headers' text, and the content.
type FormPart = (String, Vec<u8>);

/// The parts of a form by their names.
fn parts(asked: &Asked) -> BTreeMap<String, FormPart> {
    let content_type = asked.header("content-type").unwrap();
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
    let body: &[u8] = &asked.body;
    let line = format!("--{boundary}");
    let find =
        |from: usize, what: &[u8]| body[from..].windows(what.len()).position(|at| at == what).map(|at| from + at);
    let (mut parts, mut at) = (BTreeMap::new(), find(0, line.as_bytes()).unwrap() + line.len());
    while !body[at..].starts_with(b"--") {
        let head = find(at, b"\r\n\r\n").unwrap();
        let end = find(head, format!("\r\n{line}").as_bytes()).unwrap();
        let headers = String::from_utf8(body[at..head].to_vec()).unwrap();
        let (_, name) = headers.split_once("name=\"").unwrap();
        let name = name.split('"').next().unwrap().to_owned();
        assert!(parts.insert(name, (headers, body[head + 4..end].to_vec())).is_none());
        at = end + 2 + line.len();
    }
    parts
}

fn text_of(parts: &BTreeMap<String, FormPart>, name: &str) -> Option<String> {
    parts.get(name).map(|(_, content)| String::from_utf8(content.clone()).unwrap())
}

fn speech() -> Vec<i16> {
    (0..8_000).map(|n: i16| n.wrapping_mul(37)).collect()
}

/// What a clip is heard as when the server answers this; and the request.
async fn heard(config: WhisperConfig, known: &[&str], answer: &str) -> (Result<String, ProviderFailure>, Asked) {
    let mut server = TestServer::start().await;
    let hearing = tokio::spawn(stt(&server, config).transcribe(speech(), Wanted::Final, titles(known)));
    let mut asked = server.asked().await;
    let (headers, body) = (asked.headers.clone(), std::mem::take(&mut asked.body));
    let (method, path) = (asked.method.clone(), asked.path.clone());
    asked.answer(200, "application/json", answer.to_owned());
    (hearing.await.unwrap(), Asked::seen(method, path, headers, body))
}

#[tokio::test]
async fn a_clip_goes_as_a_form_with_a_wav() {
    let answer = include_str!("fixtures/verbose.json");
    let (text, asked) = heard(WhisperConfig::default(), &["Buy  milk", "Call John"], answer).await;
    assert_eq!(text.unwrap(), "Add a task to buy milk.");
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/v1/audio/transcriptions"));
    assert_eq!(asked.header("authorization"), Some("Bearer sk-test-1234"));
    let parts = parts(&asked);
    let names: Vec<&str> = parts.keys().map(String::as_str).collect();
    assert_eq!(names, ["file", "language", "model", "prompt", "response_format", "temperature"]);
    let (headers, wav) = &parts["file"];
    assert!(headers.contains("filename=\"audio.wav\"") && headers.to_lowercase().contains("content-type: audio/wav"));
    assert_eq!(wav.len(), 44 + 2 * speech().len());
    let mut reader = hound::WavReader::new(wav.as_slice()).unwrap();
    let spec = reader.spec();
    assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (1, 16_000, 16));
    assert_eq!(reader.samples::<i16>().map(Result::unwrap).collect::<Vec<_>>(), speech());
    for (name, content) in [
        ("model", "whisper-1"),
        ("language", "en"),
        ("response_format", "verbose_json"),
        ("temperature", "0"),
        ("prompt", "A list of tasks: Buy milk, Call John."),
    ] {
        assert_eq!(text_of(&parts, name).as_deref(), Some(content));
    }
}

#[tokio::test]
async fn other_models_are_asked_for_what_they_know() {
    for model in ["gpt-4o-mini-transcribe", "gpt-4o-transcribe", "gpt-transcribe"] {
        let config = WhisperConfig { model: model.to_owned(), language: None, max_prompt_chars: 0 };
        let (text, asked) = heard(config, &["Buy milk"], include_str!("fixtures/tokens.json")).await;
        assert_eq!(text.unwrap(), "hello");
        let parts = parts(&asked);
        assert_eq!(
            parts.keys().map(String::as_str).collect::<Vec<_>>(),
            ["file", "model", "response_format", "temperature"]
        );
        assert_eq!(text_of(&parts, "response_format").as_deref(), Some("json"));
        assert_eq!(text_of(&parts, "model").as_deref(), Some(model));
    }
}

#[tokio::test]
async fn a_clip_that_is_too_short_is_not_sent() {
    let server = TestServer::start().await;
    let stt = stt(&server, WhisperConfig::default());
    for samples in [0, 1_599] {
        assert_eq!(stt.transcribe(vec![0; samples], Wanted::Final, titles(&[])).await, Ok(String::new()));
    }
    let long = stt.transcribe(vec![0; MOST_SAMPLES + 1], Wanted::Final, titles(&[])).await;
    assert_eq!(long, Err(ProviderErrorKind::BadRequest.into()));
    assert_eq!(server.accepted(), 0);
    assert_eq!((stt.provider(), stt.model(), stt.has_interims()), ("whisper", "whisper-1", false));
}

#[tokio::test]
async fn every_refusal_has_its_kind() {
    use ProviderErrorKind::{Auth, NotServed, Quota, RateLimited, Unavailable};
    let mut server = TestServer::start().await;
    let stt = stt(&server, WhisperConfig::default());
    let cases: [(u16, &str, ProviderErrorKind, Option<u64>); 5] = [
        (401, include_str!("../../openai/fixtures/invalid_api_key.json"), Auth, None),
        (404, include_str!("../../openai/fixtures/model_not_found.json"), NotServed, Some(3_600_000)),
        (429, include_str!("../../openai/fixtures/rate_limit_exceeded.json"), RateLimited, Some(1_574)),
        (429, include_str!("../../openai/fixtures/insufficient_quota.json"), Quota, None),
        (500, "", Unavailable, None),
    ];
    for (status, body, kind, retry_after_ms) in cases {
        let hearing = tokio::spawn(stt.transcribe(speech(), Wanted::Final, titles(&[])));
        server.asked().await.answer(status, "application/json", body);
        assert_eq!(hearing.await.unwrap(), Err(ProviderFailure { kind, retry_after_ms }), "{status}");
    }
    assert_eq!(server.accepted(), 1, "one connection for all");
}

#[tokio::test]
async fn whoever_gives_up_closes_the_connection() {
    let mut server = TestServer::start().await;
    let hearing = tokio::spawn(stt(&server, WhisperConfig::default()).transcribe(speech(), Wanted::Final, titles(&[])));
    let asked = server.asked().await;
    hearing.abort();
    asked.abandoned().await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_disconnected() {
    let mut server = TestServer::start().await;
    let hearing = tokio::spawn(stt(&server, WhisperConfig::default()).transcribe(speech(), Wanted::Final, titles(&[])));
    let answer = server.asked().await.stream("application/json");
    answer.send("{\"text\":").await;
    answer.cut().await;
    assert_eq!(hearing.await.unwrap(), Err(ProviderErrorKind::Disconnected.into()));
}

#[tokio::test]
async fn a_probe_is_a_real_clip() {
    let mut server = TestServer::start().await;
    let stt = stt(&server, WhisperConfig::default());
    let probing = tokio::spawn(stt.probe());
    let asked = server.asked().await;
    let parts = parts(&asked);
    let (_, wav) = &parts["file"];
    let loudest = hound::WavReader::new(wav.as_slice()).unwrap().samples::<i16>().map(Result::unwrap).max();
    assert!(wav.len() > 44 + 2 * LEAST_SAMPLES && loudest > Some(2_900), "{} {loudest:?}", wav.len());
    assert_eq!(text_of(&parts, "prompt"), None);
    asked.answer(200, "application/json", r#"{"text":""}"#);
    assert_eq!(probing.await.unwrap(), Ok(Some(Quantity::AudioMs(200))));
    let probing = tokio::spawn(stt.probe());
    server.asked().await.answer(200, "text/html", "<html>");
    assert_eq!(probing.await.unwrap(), Err(ProviderErrorKind::Protocol.into()));
    let served = tokio::spawn(stt.served());
    let asked = server.asked().await;
    assert_eq!(asked.path, "/v1/models/whisper-1");
    asked.answer(404, "application/json", include_str!("../../openai/fixtures/model_not_found.json"));
    assert_eq!(served.await.unwrap(), Ok(Served::No));
}

fn decoded(answer: &Value, prompt: Option<&str>) -> Result<String, ProviderFailure> {
    decode(answer.to_string().as_bytes(), prompt)
}

#[test]
fn what_was_made_up_out_of_silence_is_dropped() {
    assert_eq!(decode(include_bytes!("fixtures/silence.json"), None), Ok(String::new()));
    let segment = |text: &str, no_speech: f64, logprob: f64| json!({"text": text, "no_speech_prob": no_speech, "avg_logprob": logprob});
    let two =
        |second: Value| json!({"text": " Buy milk. Bye!", "segments": [segment(" Buy milk.", 0.1, -0.2), second]});
    assert_eq!(decoded(&two(segment(" Bye!", 0.9, -1.4)), None).unwrap(), "Buy milk.");
    // Either alone is no reason: the text stands as it is.
    assert_eq!(decoded(&two(segment(" Bye!", 0.9, -0.4)), None).unwrap(), "Buy milk. Bye!");
    assert_eq!(decoded(&two(segment(" Bye!", 0.2, -1.4)), None).unwrap(), "Buy milk. Bye!");
    assert_eq!(decoded(&two(json!({"text": " Bye!"})), None).unwrap(), "Buy milk. Bye!");
    assert_eq!(decoded(&json!({"text": "x", "segments": null}), None).unwrap(), "x");
}

#[test]
fn a_prompt_that_is_read_out_is_not_what_was_said() {
    let prompt = prompt(&titles(&["Buy milk", "Call John"]), 100).unwrap();
    let heard = |text: &str| decoded(&json!({"text": text}), Some(&prompt)).unwrap();
    for echo in [&prompt, "A list of tasks: Buy milk.", "a list of tasks, buy", "A list of tasks: buy milk, call John!"]
    {
        assert_eq!(heard(echo), "", "{echo}");
    }
    for said in ["Buy milk.", "A list of tasks.", "Buy milk, call John.", "A list of tasks: call John.", ""] {
        assert_eq!(heard(said), said);
    }
}

#[test]
fn what_is_not_the_protocol_is_a_failure() {
    for body in ["", "hello", "{}", "[]", r#"{"text":null}"#, r#"{"text":7}"#, r#"{"text":"x","segments":7}"#] {
        assert_eq!(decode(body.as_bytes(), None), Err(ProviderErrorKind::Protocol.into()), "{body}");
    }
    assert_eq!(decode(include_bytes!("fixtures/duration.json"), None).unwrap(), "hello");
}

#[test]
fn a_prompt_has_as_many_titles_as_fit() {
    let known = titles(&["Buy milk", "Call\n John", "Pay rent"]);
    assert_eq!(prompt(&known, 600).unwrap(), "A list of tasks: Buy milk, Call John, Pay rent.");
    assert_eq!(prompt(&known, 40).unwrap(), "A list of tasks: Buy milk, Call John.");
    assert_eq!(prompt(&known, 10), None);
    assert_eq!(prompt(&known, 0), None);
    assert_eq!(prompt(&[], 600), None);
}

proptest! {
    #[test]
    fn a_prompt_is_never_too_long(known in prop::collection::vec("\\PC{0,30}", 0..20), most in 0..200_usize) {
        if let Some(prompt) = prompt(&known, most) {
            prop_assert!(prompt.chars().count() <= most, "{prompt}");
        }
    }

    #[test]
    fn arbitrary_answers_never_panic(body in any::<Vec<u8>>(), text in ".{0,40}") {
        drop(decode(&body, Some("A list of tasks: x.")));
        let heard = decoded(&json!({"text": text}), Some("A list of tasks: x."));
        prop_assert!(heard.is_ok());
    }
}
