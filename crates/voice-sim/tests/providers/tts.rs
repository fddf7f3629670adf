//! Cartesia and ElevenLabs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use voice_sim::provider::code::{Voice, decode_words, spoken};
use voice_sim::provider::{End, Limits, Provider, ProviderServers, Script, Service};

use crate::client::{self, Came, Socket, cartesia, elevenlabs, http, open, samples};

fn say(context: &str, transcript: &str, goes_on: bool) -> Value {
    json!({
        "model_id": "sonic-3", "transcript": transcript, "voice": {"mode": "id", "id": "v"}, "language": "en", "context_id": context,
        "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 24000}, "continue": goes_on,
        "max_buffer_delay_ms": 0, "add_timestamps": true,
    })
}

/// The messages of a context until it is done, and the audio in them.
async fn until_done(socket: &mut Socket) -> (Vec<Value>, Vec<i16>) {
    let (mut messages, mut audio) = (Vec::new(), Vec::new());
    loop {
        let message = socket.next_json().await;
        if let Some(data) = message["data"].as_str() {
            audio.extend(STANDARD.decode(data).expect("base64"));
        }
        let done = message["done"] == true;
        messages.push(message);
        if done {
            return (messages, samples(&audio));
        }
    }
}

#[tokio::test]
async fn cartesia_speaks_a_context() {
    let servers = client::start(Script::default()).await;
    let mut socket = cartesia(&servers).await;
    socket.json(&say("c1", "Hello there. ", true)).await;
    socket.json(&say("c1", "How can I help?", false)).await;
    let (messages, audio) = until_done(&mut socket).await;
    assert_eq!(spoken(&decode_words(&audio, 24_000), Voice::Cartesia), "hello there how can i help");
    assert_eq!(messages.iter().filter(|message| message["type"] == "timestamps").count(), 6);
    assert!(messages.iter().all(|message| message["context_id"] == "c1"));
    let [entry] = &servers.journal().of(Service::Cartesia)[..] else { panic!("one socket") };
    assert_eq!((entry.count("transcript"), entry.count("context_done"), entry.warnings.len()), (2, 1, 0));
    assert_eq!(entry.model.as_deref(), Some("sonic-3"));
}

#[tokio::test]
async fn cartesia_is_strict_about_keys_versions_and_contexts() {
    let servers = client::start(Script::default()).await;
    let url = format!("{}/tts/websocket", servers.base_url(Provider::Cartesia));
    let key = servers.keys().cartesia.as_str();
    let new = ("cartesia-version", "2026-03-01");
    for (headers, status, code) in [
        (&[("x-api-key", "wrong"), new][..], 401, json!("invalid_api_key")),
        (&[new], 401, json!("invalid_api_key")),
        // The old errors are plain text.
        (&[("x-api-key", key)], 400, Value::Null),
        (&[("x-api-key", key), ("cartesia-version", "3rd of May")], 400, json!("invalid_version")),
    ] {
        let (refused, body) = open(&url, headers).await.expect_err("a refusal");
        assert_eq!((refused, &body["error_code"]), (status, &code), "{headers:?}");
    }
    let bearer = format!("Bearer {key}");
    open(&url, &[("authorization", bearer.as_str()), new]).await.expect("the current way").close().await;
    open(&format!("{url}?api_key={key}&cartesia_version=2026-03-01"), &[])
        .await
        .expect("the browser's way")
        .close()
        .await;
    assert_eq!(servers.journal().warnings(), ["cartesia: the key is in the query"]);

    let mut socket = cartesia(&servers).await;
    socket.json(&say("c1", "", true)).await;
    let error = socket.next_json().await;
    assert_eq!((&error["status_code"], &error["done"]), (&json!(400), &json!(true)));
    socket.json(&say("c2", "Hello.", false)).await;
    until_done(&mut socket).await;
    socket.json(&say("c2", "Again.", false)).await;
    assert_eq!(socket.next_json().await["type"], "error");
}

#[tokio::test]
async fn cartesia_cancels_what_was_not_begun() {
    let limits = Limits { tts_speed: 1, ..Limits::default() };
    let servers = client::start(Script { limits, ..Script::default() }).await;
    let mut socket = cartesia(&servers).await;
    socket.json(&say("c1", "One two. ", true)).await;
    socket.json(&say("c1", "Three four.", true)).await;
    socket.next_json().await;
    socket.json(&json!({"context_id": "c1", "cancel": true})).await;
    let (_, audio) = until_done(&mut socket).await;
    // The first chunk may have come before the cancel was sent.
    assert!(spoken(&decode_words(&audio, 24_000), Voice::Cartesia).ends_with("two"));
    assert_eq!(servers.journal().count(Service::Cartesia, "cancel"), 1);
}

/// The audio of a context until its end.
async fn until_final(socket: &mut Socket) -> Vec<i16> {
    let mut audio = Vec::new();
    loop {
        let message = socket.next_json().await;
        if let Some(data) = message["audio"].as_str() {
            audio.extend(STANDARD.decode(data).expect("base64"));
        }
        if message["isFinal"] == true || message["is_final"] == true {
            return samples(&audio);
        }
    }
}

#[tokio::test]
async fn elevenlabs_speaks_several_contexts() {
    let servers = client::start(Script::default()).await;
    let mut socket = elevenlabs(&servers, "&auto_mode=true&sync_alignment=true").await;
    for (context, text) in [("c1", "Hello there "), ("c2", "Good morning ")] {
        socket.json(&json!({"text": " ", "context_id": context, "voice_settings": {"stability": 0.5}})).await;
        socket.json(&json!({"text": text, "context_id": context, "flush": true})).await;
        socket.json(&json!({"context_id": context, "close_context": true})).await;
        let audio = until_final(&mut socket).await;
        assert_eq!(spoken(&decode_words(&audio, 16_000), Voice::ElevenLabs), text.trim().to_lowercase());
    }
    socket.json(&json!({"close_socket": true})).await;
    assert_eq!(socket.next().await, Came::Closed(1000, String::new()));
}

#[tokio::test]
async fn elevenlabs_closes_at_the_sixth_context_and_at_wrong_keys() {
    let servers = client::start(Script::default()).await;
    let url = format!(
        "{}/v1/text-to-speech/v/multi-stream-input?output_format=pcm_16000",
        servers.base_url(Provider::ElevenLabs)
    );
    let (status, body) = open(&url, &[("xi-api-key", "wrong")]).await.expect_err("a refusal");
    assert_eq!((status, &body["detail"]["code"]), (401, &json!("invalid_api_key")));
    let mut socket = elevenlabs(&servers, "").await;
    for context in 0..6 {
        socket.json(&json!({"text": " ", "context_id": format!("c{context}")})).await;
    }
    let rest = socket.rest().await;
    let [Came::Json(error), Came::Closed(1008, _)] = &rest[..] else { panic!("{rest:?}") };
    assert_eq!(error["error"], "max_active_conversations");
}

async fn speak(servers: &ProviderServers, path: &str, body: &Value) -> reqwest::Response {
    let url = format!("{}/v1/text-to-speech/voice/{path}", servers.base_url(Provider::ElevenLabs));
    http().post(url).header("xi-api-key", &servers.keys().elevenlabs).json(body).send().await.expect("an answer")
}

#[tokio::test]
async fn elevenlabs_speaks_over_http() {
    let servers = client::start(Script::default()).await;
    let body = json!({"text": "Hello there.", "model_id": "eleven_flash_v2_5", "voice_settings": {"stability": 0.5}});
    let response = speak(&servers, "stream?output_format=pcm_16000", &body).await;
    assert!(response.headers()["content-type"].to_str().is_ok_and(|kind| kind.starts_with("audio/")));
    let audio = samples(&response.bytes().await.expect("audio"));
    assert_eq!(spoken(&decode_words(&audio, 16_000), Voice::ElevenLabs), "hello there");

    let response = speak(&servers, "stream/with-timestamps?output_format=pcm_16000", &body).await;
    let lines = response.text().await.expect("lines");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let audio: Vec<u8> =
        lines.iter().flat_map(|line| STANDARD.decode(line["audio_base64"].as_str().unwrap()).unwrap()).collect();
    assert_eq!(spoken(&decode_words(&samples(&audio), 16_000), Voice::ElevenLabs), "hello there");
    let starts = &lines[1]["alignment"]["character_start_times_seconds"];
    assert_eq!((&lines[1]["alignment"]["characters"][0], &starts[0]), (&json!("t"), &json!(0.32)));
    assert!(servers.journal().of(Service::ElevenLabs).iter().all(|entry| entry.end == Some(End::Done)));
}

#[tokio::test]
async fn elevenlabs_refuses_over_http() {
    let limits = Limits { elevenlabs_requests: 0, ..Limits::default() };
    let busy = client::start(Script { limits, ..Script::default() }).await;
    let good = json!({"text": "Hello.", "model_id": "eleven_flash_v2_5"});
    assert_eq!(speak(&busy, "stream?output_format=pcm_16000", &good).await.status(), 429);
    let servers = client::start(Script::default()).await;
    for (path, body, status) in [
        ("stream", good.clone(), 400),
        ("stream?output_format=ulaw_8000", json!({"model_id": "eleven_flash_v2_5"}), 422),
        ("stream?output_format=ulaw_8000", json!({"text": "Hi.", "voice_settings": {"speed": 3}}), 422),
        ("stream?output_format=ulaw_8000", json!({"text": "Hi.", "model_id": "eleven_v3"}), 400),
        ("stream?output_format=ulaw_8000", json!({"text": "a".repeat(10_001)}), 400),
        ("stream?output_format=ulaw_8000", json!({"text": " "}), 400),
    ] {
        let response = speak(&servers, path, &body).await;
        assert_eq!(response.status(), status, "{path}");
        let detail = response.json::<Value>().await.expect("JSON")["detail"].clone();
        assert_eq!(detail.is_array(), status == 422, "{detail}");
    }
}
