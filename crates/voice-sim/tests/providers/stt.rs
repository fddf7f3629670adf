//! Deepgram, and the transcription of files.

use serde_json::{Value, json};
use voice_sim::provider::code::say;
use voice_sim::provider::pcm::{Encoding, wav};
use voice_sim::provider::{End, Key, Limits, Provider, ProviderServers, Script, Service};

use crate::client::{self, Came, bytes, deepgram, http, open};

#[tokio::test]
async fn audio_becomes_words_and_close_stream_tells_its_length() {
    let servers = client::start(Script::default().words("zeppelin")).await;
    let mut socket = deepgram(&servers, "&endpointing=false&punctuate=true").await;
    for frame in say("add a zeppelin", 16_000).chunks(320) {
        socket.binary(bytes(frame)).await;
    }
    socket.text(r#"{"type":"Finalize"}"#).await;
    let results = socket.next_json().await;
    assert_eq!(results["channel"]["alternatives"][0]["transcript"], "Add a zeppelin.");
    assert_eq!(results["from_finalize"], true);
    socket.text(r#"{"type":"CloseStream"}"#).await;
    let rest = socket.rest().await;
    let [Came::Json(metadata), Came::Closed(1000, _)] = &rest[..] else { panic!("{rest:?}") };
    assert_eq!((&metadata["type"], &metadata["duration"]), (&json!("Metadata"), &json!(0.51)));

    let [entry] = &servers.journal().of(Service::Deepgram)[..] else { panic!("one stream") };
    assert_eq!((entry.key, entry.end.clone(), entry.status), (Key::Right, Some(End::ServerClosed(1000)), Some(101)));
    assert_eq!((entry.received.useful, entry.sent.useful, entry.heard.len()), (26, 1, 3));
    assert_eq!((entry.count("finalize"), entry.count("close_stream"), entry.warnings.len()), (1, 1, 0));
    assert_eq!(
        (servers.journal().connections(Provider::Deepgram), servers.journal().handshakes(Service::Deepgram)),
        (1, 1)
    );
}

#[tokio::test]
async fn the_telephone_s_coding_is_understood() {
    let servers = client::start(Script::default()).await;
    let url = format!(
        "{}/v1/listen?model=nova-3&encoding=mulaw&sample_rate=8000&endpointing=false",
        servers.base_url(Provider::Deepgram)
    );
    let key = format!("Token {}", servers.keys().deepgram);
    let mut socket = open(&url, &[("authorization", &key)]).await.expect("an open stream");
    socket.binary(Encoding::Mulaw.encode(&say("what are my tasks", 8_000))).await;
    socket.text(r#"{"type":"Finalize"}"#).await;
    assert_eq!(socket.next_json().await["channel"]["alternatives"][0]["transcript"], "what are my tasks");
    socket.close().await;
    let ended =
        |journal: &voice_sim::provider::Journal| journal.of(Service::Deepgram)[0].end == Some(End::ClientClosed);
    servers.wait(client::LONG, ended).await.expect("the client closed");
}

#[tokio::test]
async fn wrong_keys_and_queries_are_refused_before_the_upgrade() {
    let servers = client::start(Script::default()).await;
    let base = servers.base_url(Provider::Deepgram);
    let good = format!("{base}/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000");
    let right = format!("Token {}", servers.keys().deepgram);
    for (url, header, status, field) in [
        (good.clone(), Some("Token wrong"), 401, "err_code"),
        (good.clone(), Some("Bearer rehearsal-deepgram"), 401, "err_code"),
        (good.clone(), None, 401, "err_code"),
        (format!("{good}&endpointng=1"), Some(right.as_str()), 400, "category"),
    ] {
        let headers: Vec<(&str, &str)> = header.into_iter().map(|value| ("authorization", value)).collect();
        let (refused, body) = open(&url, &headers).await.expect_err("a refusal");
        assert_eq!(refused, status, "{url}");
        assert!(body[field].is_string() && body["request_id"].is_string(), "{body}");
    }
    let keys: Vec<Key> = servers.journal().of(Service::Deepgram).iter().map(|entry| entry.key).collect();
    assert_eq!(keys, [Key::Wrong, Key::Wrong, Key::Missing, Key::Right]);
    let journal = format!("{:?}", servers.journal().entries());
    assert!(!journal.contains("rehearsal-deepgram"), "no key is ever in the journal");
}

#[tokio::test]
async fn a_silent_client_is_closed_with_net_0001() {
    let limits = Limits { deepgram_idle_ms: 150, ..Limits::default() };
    let servers = client::start(Script { limits, ..Script::default() }).await;
    let mut socket = deepgram(&servers, "").await;
    assert_eq!(socket.next().await, Came::Closed(1011, "NET-0001".to_owned()));
}

#[tokio::test]
async fn an_empty_binary_frame_ends_the_stream() {
    let servers = client::start(Script::default()).await;
    let mut socket = deepgram(&servers, "").await;
    socket.binary(Vec::new()).await;
    let rest = socket.rest().await;
    assert!(matches!(&rest[..], [Came::Json(_), Came::Closed(1000, _)]), "{rest:?}");
    assert_eq!(servers.journal().warnings(), ["deepgram: an empty binary frame closes the stream"]);
}

/// A form with a file and other parts.
fn form(file: Option<(&str, &[u8])>, parts: &[(&str, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in parts {
        body.extend(format!("--b0\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").into_bytes());
    }
    if let Some((filename, bytes)) = file {
        let head = format!("--b0\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{filename}\"\r\n");
        body.extend(head.into_bytes());
        body.extend(b"Content-Type: audio/wav\r\n\r\n");
        body.extend(bytes);
        body.extend(b"\r\n");
    }
    body.extend(b"--b0--\r\n");
    body
}

async fn transcribe(servers: &ProviderServers, body: Vec<u8>) -> (u16, String) {
    let url = format!("{}/audio/transcriptions", servers.base_url(Provider::OpenAi));
    let request = http().post(url).bearer_auth(&servers.keys().openai);
    let response =
        request.header("content-type", "multipart/form-data; boundary=b0").body(body).send().await.expect("an answer");
    (response.status().as_u16(), response.text().await.expect("a body"))
}

#[tokio::test]
async fn whisper_reads_the_same_code_from_a_file() {
    let servers = client::start(Script::default()).await;
    let file = wav(&say("call the dentist tomorrow", 16_000), 16_000);
    let (status, body) = transcribe(&servers, form(Some(("a.wav", &file)), &[("model", "whisper-1")])).await;
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status, &body["text"]), (200, &json!("Call the dentist tomorrow.")));
    assert_eq!(body["usage"], json!({"type": "duration", "seconds": 1}));

    let verbose = [("model", "whisper-1"), ("response_format", "verbose_json"), ("language", "en")];
    let (_, body) = transcribe(&servers, form(Some(("a.wav", &file)), &verbose)).await;
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((&body["words"][1]["word"], &body["segments"][0]["no_speech_prob"]), (&json!("the"), &json!(0.01)));

    let (_, body) =
        transcribe(&servers, form(Some(("a.wav", &file)), &[("model", "whisper-1"), ("response_format", "text")]))
            .await;
    assert_eq!(body, "Call the dentist tomorrow.\n");
    let (_, body) = transcribe(&servers, form(Some(("a.wav", &file)), &[("model", "gpt-4o-mini-transcribe")])).await;
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body["usage"]["type"], "tokens");
    let nothing = wav(&[0; 16_000], 16_000);
    let (_, body) = transcribe(&servers, form(Some(("a.wav", &nothing)), &[("model", "whisper-1")])).await;
    assert_eq!(serde_json::from_str::<Value>(&body).expect("JSON")["text"], "");
}

#[tokio::test]
async fn files_that_whisper_refuses_are_refused() {
    let servers = client::start(Script::default()).await;
    let file = wav(&say("hello", 16_000), 16_000);
    let short = wav(&[0; 800], 16_000);
    let model = ("model", "whisper-1");
    for (form, why) in [
        (form(None, &[model]), "file"),
        (form(Some(("a", &file)), &[model]), "format"),
        (form(Some(("a.wav", b"RIFF")), &[model]), "decoded"),
        (form(Some(("a.wav", &short)), &[model]), "too short"),
        (form(Some(("a.wav", &file)), &[]), "model"),
        (form(Some(("a.wav", &file)), &[model, ("speed", "2")]), "Unknown"),
        (form(Some(("a.wav", &file)), &[model, ("language", "english")]), "ISO-639-1"),
        (
            form(Some(("a.wav", &file)), &[("model", "gpt-4o-transcribe"), ("response_format", "verbose_json")]),
            "compatible",
        ),
        (b"--b1--".to_vec(), "boundary"),
    ] {
        let (status, body) = transcribe(&servers, form).await;
        assert!(status == 400 && body.contains(why), "{why}: {status} {body}");
    }
    let (status, body) = transcribe(&servers, form(Some(("a.wav", &file)), &[("model", "gpt-4o-mini")])).await;
    assert!(status == 404 && body.contains("model_not_found"), "{body}");
}
