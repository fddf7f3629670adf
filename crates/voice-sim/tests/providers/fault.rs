//! What goes wrong, at each place.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use voice_sim::provider::code::{Voice, decode_words, say, spoken};
use voice_sim::provider::{End, Fault, Provider, ProviderServers, Rule, Script, Service};

use crate::client::{
    self, Came, Socket, bytes, cartesia, chat, content, deepgram, elevenlabs, http, open, read_events, samples,
};

fn fault(text: &str) -> Fault {
    text.parse().expect(text)
}

async fn start(text: &str) -> ProviderServers {
    let rule = Rule::user(".").says("This is an answer of some tokens.");
    client::start(Script::default().rule(rule).fault(fault(text))).await
}

/// Waits until so many faults have happened to a service.
async fn struck(servers: &ProviderServers, service: Service, times: usize) {
    servers.wait(client::LONG, |journal| journal.count(service, "fault") == times).await.expect("a fault");
}

fn hello() -> Value {
    json!({"model": "gpt-4o-mini", "stream": true, "messages": [{"role": "user", "content": "hi"}]})
}

/// Asks, and says what came: the status, the content, whether the stream was whole.
async fn ask(servers: &ProviderServers) -> (u16, String, bool) {
    match chat(servers, &http(), &hello()).await {
        Err(_) => (0, String::new(), false),
        Ok(response) => {
            let status = response.status().as_u16();
            let (events, whole) = read_events(response).await;
            (status, content(&events), whole && events.last().is_some_and(|last| last == "[DONE]"))
        }
    }
}

#[tokio::test]
async fn statuses_come_with_their_bodies_and_headers() {
    for (text, status, code, retry) in [
        ("llm=401", 401, "invalid_api_key", None),
        ("llm=402", 429, "insufficient_quota", None),
        ("llm=429", 429, "rate_limit_exceeded", None),
        ("llm=429:7", 429, "rate_limit_exceeded", Some("7")),
        ("llm=quota", 429, "insufficient_quota", None),
        ("llm=503:1", 503, "server_is_overloaded", Some("1")),
        ("llm=model_not_found", 404, "model_not_found", None),
        ("llm=500", 500, "", None),
    ] {
        let servers = start(text).await;
        let response = chat(&servers, &http(), &hello()).await.expect("an answer");
        let told = response.headers().get("retry-after").map(|value| value.to_str().expect("text").to_owned());
        assert_eq!((response.status().as_u16(), told.as_deref()), (status, retry), "{text}");
        let body: Value = response.json().await.expect("JSON");
        assert_eq!(body["error"]["code"].as_str().unwrap_or_default(), code, "{text}");
        assert_eq!(servers.journal().chat_requests()[0].count("fault"), 1);
    }
}

#[tokio::test]
async fn a_counted_fault_of_one_model_spares_the_others() {
    let servers = start("llm/gpt-4o-mini=500*2").await;
    let other = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(chat(&servers, &http(), &other).await.expect("an answer").status(), 200);
    assert_eq!((ask(&servers).await.0, ask(&servers).await.0, ask(&servers).await.0), (500, 500, 200));
}

#[tokio::test]
async fn a_closed_port_refuses_and_opens_again() {
    let servers = start("openai=refuse").await;
    let error = chat(&servers, &http(), &hello()).await.expect_err("nobody listens");
    assert!(error.is_connect(), "{error:?}");
    assert_eq!(servers.journal().connections(Provider::OpenAi), 0);
    servers.clear_faults();
    let deadline = Instant::now() + client::LONG;
    while ask(&servers).await.0 != 200 {
        assert!(Instant::now() < deadline, "the port stays closed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    servers.fault(fault("openai=refuse*1")).expect("a fault");
    assert_eq!((ask(&servers).await.0, ask(&servers).await.0), (0, 200));
}

#[tokio::test]
async fn a_connection_that_is_kept_is_refused_too() {
    let servers = start("deepgram=500").await;
    let client = http();
    assert_eq!(chat(&servers, &client, &hello()).await.expect("an answer").status(), 200);
    servers.fault(fault("openai=refuse")).expect("a fault");
    assert!(chat(&servers, &client, &hello()).await.is_err());
}

#[tokio::test]
async fn the_model_hangs_where_it_is_told_to() {
    let servers = start("llm=hang@connect*1").await;
    let patient = http();
    let short = Duration::from_millis(300);
    assert!(tokio::time::timeout(short, chat(&servers, &patient, &hello())).await.is_err());
    servers
        .wait(client::LONG, |journal| journal.chat_requests()[0].end == Some(End::ClientGone))
        .await
        .expect("it gave up");
    for (number, (text, tokens)) in [("llm=hang@start*1", 0), ("llm=hang@mid:3*1", 3)].into_iter().enumerate() {
        servers.fault(fault(text)).expect("a fault");
        let mut response = chat(&servers, &patient, &hello()).await.expect("a head");
        struck(&servers, Service::Chat, number + 2).await;
        let mut seen = String::new();
        while let Ok(Ok(Some(chunk))) = tokio::time::timeout(short, response.chunk()).await {
            seen += std::str::from_utf8(&chunk).expect("UTF-8");
        }
        assert_eq!(
            seen.matches(r#"{"content":"#).count() - seen.matches(r#""content":"","#).count(),
            tokens,
            "{text}: {seen}"
        );
        assert!(!seen.contains("DONE"));
    }
}

#[tokio::test]
async fn a_stream_of_tokens_breaks_in_every_way() {
    for (text, status, said, whole) in [
        ("llm=cut@connect", 0, "", false),
        ("llm=cut@start", 200, "", false),
        ("llm=cut@mid:2", 200, "This is ", false),
        ("llm=500@mid:2", 200, "This is ", false),
        ("llm=empty", 200, "", true),
        ("llm=unknown", 200, "This is an answer of some tokens.", true),
    ] {
        let servers = start(text).await;
        assert_eq!(ask(&servers).await, (status, said.to_owned(), whole), "{text}");
    }
    let servers = start("llm=429@mid:1").await;
    let (events, _) = read_events(chat(&servers, &http(), &hello()).await.expect("a head")).await;
    assert!(events.last().is_some_and(|last| last.contains(r#""code":"rate_limit_exceeded""#)), "{events:?}");
    let servers = start("llm=malformed").await;
    let (events, _) = read_events(chat(&servers, &http(), &hello()).await.expect("a head")).await;
    let broken =
        events.iter().filter(|event| *event != "[DONE]" && serde_json::from_str::<Value>(event).is_err()).count();
    assert_eq!(broken, 1, "{events:?}");
}

#[tokio::test]
async fn spaces_and_dribbles_go_on_without_an_end() {
    let servers = start("llm=spaces").await;
    let mut response = chat(&servers, &http(), &hello()).await.expect("a head");
    let mut seen = String::new();
    while seen.matches(r#""content":" ""#).count() < 20 {
        seen += std::str::from_utf8(&response.chunk().await.expect("a chunk").expect("more")).expect("UTF-8");
    }
    assert!(!seen.contains("This"), "{seen}");
    drop(response);
    let servers = start("llm=dribble@mid:1").await;
    let began = Instant::now();
    let mut response = chat(&servers, &http(), &hello()).await.expect("a head");
    let mut seen = String::new();
    while !seen.contains(r#""content":"is a""#) {
        seen += std::str::from_utf8(&response.chunk().await.expect("a chunk").expect("more")).expect("UTF-8");
        if seen.contains(r#""content":" an ""#) || began.elapsed() > Duration::from_secs(3) {
            break;
        }
    }
    assert!(began.elapsed() >= Duration::from_secs(2), "a token in two seconds");
}

/// Says two words to Deepgram, and asks for them.
async fn dictate(socket: &mut Socket) {
    for frame in [say("good morning", 16_000), vec![0; 3_200]].concat().chunks(320) {
        socket.binary(bytes(frame)).await;
    }
    socket.text(r#"{"type":"Finalize"}"#).await;
}

#[tokio::test]
async fn a_transcript_fails_in_every_way() {
    let servers = start("deepgram=hang@start*1").await;
    let mut socket = deepgram(&servers, "&endpointing=false").await;
    dictate(&mut socket).await;
    struck(&servers, Service::Deepgram, 1).await;
    assert!(socket.is_silent(300).await);
    for (text, expected) in
        [("deepgram=empty*1", ""), ("deepgram=spaces*1", " "), ("deepgram=unknown*1", "good morning")]
    {
        servers.fault(fault(text)).expect("a fault");
        let mut socket = deepgram(&servers, "&endpointing=false").await;
        dictate(&mut socket).await;
        let mut results = socket.next_json().await;
        if text.contains("unknown") {
            assert_eq!(results["type"], "something_new");
            results = socket.next_json().await;
            assert!(results["x_new_field"].is_object());
        }
        assert_eq!(results["channel"]["alternatives"][0]["transcript"], expected, "{text}");
    }
    for (text, code, reason) in
        [("deepgram=wrong_audio*1", 1008, "DATA-0000"), ("deepgram=500@start*1", 1011, "NET-0000")]
    {
        servers.fault(fault(text)).expect("a fault");
        let mut socket = deepgram(&servers, "&endpointing=false").await;
        dictate(&mut socket).await;
        assert_eq!(socket.rest().await.last(), Some(&Came::Closed(code, reason.to_owned())), "{text}");
    }
    servers.fault(fault("deepgram=malformed*1")).expect("a fault");
    let mut socket = deepgram(&servers, "&endpointing=false").await;
    dictate(&mut socket).await;
    assert!(matches!(socket.next().await, Came::Broken(_)));
    servers.fault(fault("deepgram=cut@start*1")).expect("a fault");
    let mut socket = deepgram(&servers, "&endpointing=false").await;
    dictate(&mut socket).await;
    assert_eq!(socket.next().await, Came::Cut);
    servers.fault(fault("deepgram=402*1")).expect("a fault");
    let url = format!("{}/v1/listen", servers.base_url(Provider::Deepgram));
    assert_eq!(open(&url, &[]).await.map_err(|(status, _)| status).expect_err("a refusal"), 402);
}

#[tokio::test]
async fn a_fault_in_a_running_stream_ends_with_its_utterance() {
    let servers = client::start(Script::default()).await;
    let mut socket = deepgram(&servers, "&endpointing=false").await;
    dictate(&mut socket).await;
    assert_eq!(socket.next_json().await["channel"]["alternatives"][0]["transcript"], "good morning");
    servers.fault(fault("deepgram=hang@start*1")).expect("a fault");
    dictate(&mut socket).await;
    struck(&servers, Service::Deepgram, 1).await;
    assert!(socket.is_silent(300).await);
    dictate(&mut socket).await;
    assert_eq!(socket.next_json().await["channel"]["alternatives"][0]["transcript"], "good morning");
}

async fn speak(socket: &mut Socket, context: &str) {
    let format = json!({"container": "raw", "encoding": "pcm_s16le", "sample_rate": 16000});
    let message = json!({
        "model_id": "sonic-3", "transcript": "One two three four.", "voice": {"mode": "id", "id": "v"}, "context_id": context,
        "output_format": format, "continue": false, "max_buffer_delay_ms": 0,
    });
    socket.json(&message).await;
}

/// What is heard of Cartesia until `done`, an error or a silence.
async fn hear(socket: &mut Socket) -> (String, Value) {
    let mut audio = Vec::new();
    loop {
        if socket_is_done(socket, &mut audio).await {
            let words = decode_words(&samples(&audio), 16_000);
            return (spoken(&words, Voice::Cartesia), Value::Null);
        }
    }
}

async fn socket_is_done(socket: &mut Socket, audio: &mut Vec<u8>) -> bool {
    match socket.next().await {
        Came::Json(message) => {
            audio.extend(
                message["data"].as_str().map(|data| STANDARD.decode(data).expect("base64")).unwrap_or_default(),
            );
            message["done"] == true
        }
        Came::Broken(_) => false,
        Came::Closed(..) | Came::Cut => true,
    }
}

#[tokio::test]
async fn a_voice_fails_in_every_way() {
    let servers = start("llm=500").await;
    let mut socket = cartesia(&servers).await;
    for (number, (text, heard)) in [
        ("cartesia=empty*1", ""),
        ("cartesia=spaces*1", ""),
        ("cartesia=wrong_audio*1", ""),
        ("cartesia=unknown*1", "one two three four"),
        ("cartesia=429@start*1", ""),
        ("cartesia=503@mid:3*1", "one"),
    ]
    .into_iter()
    .enumerate()
    {
        servers.fault(fault(text)).expect("a fault");
        speak(&mut socket, &format!("c{number}")).await;
        assert_eq!(hear(&mut socket).await.0, heard, "{text}");
    }
    for (number, text) in ["cartesia=hang@start*1", "cartesia=hang@mid:2*1"].into_iter().enumerate() {
        servers.fault(fault(text)).expect("a fault");
        speak(&mut socket, &format!("h{number}")).await;
        struck(&servers, Service::Cartesia, number + 7).await;
        let mut chunks = 0;
        while !socket.is_silent(400).await {
            chunks += 1;
        }
        assert_eq!(chunks, number * 2, "{text}");
    }
    servers.fault(fault("cartesia=cut@mid:4*1")).expect("a fault");
    speak(&mut socket, "cut").await;
    assert_eq!(hear(&mut socket).await.0, "one two-");
    servers
        .wait(client::LONG, |journal| journal.of(Service::Cartesia)[0].end == Some(End::Fault("cut".to_owned())))
        .await
        .expect("cut");
}

#[tokio::test]
async fn a_voice_that_dribbles_is_slower_than_real_time() {
    let servers = start("tts=dribble").await;
    let mut socket = cartesia(&servers).await;
    let began = Instant::now();
    speak(&mut socket, "c1").await;
    assert_eq!(hear(&mut socket).await.0, "one two three four");
    assert!(began.elapsed() >= Duration::from_millis(1_280), "as fast as real time: {:?}", began.elapsed());
}

#[tokio::test]
async fn the_second_voice_fails_too() {
    let servers = start("elevenlabs=quota@start*1").await;
    let mut socket = elevenlabs(&servers, "&auto_mode=true").await;
    socket.json(&json!({"text": "One two ", "context_id": "c1"})).await;
    let rest = socket.rest().await;
    let [Came::Json(error), Came::Closed(1008, _)] = &rest[..] else { panic!("{rest:?}") };
    assert_eq!(error["error"], "rate_limit_exceeded");
    let url = format!("{}/v1/text-to-speech/v/stream?output_format=pcm_16000", servers.base_url(Provider::ElevenLabs));
    let post = || {
        http()
            .post(&url)
            .header("xi-api-key", &servers.keys().elevenlabs)
            .json(&json!({"text": "One two three."}))
            .send()
    };
    servers.fault(fault("elevenlabs=401@start*1")).expect("a fault");
    let response = post().await.expect("an answer");
    assert_eq!(
        (response.status().as_u16(), response.headers()["content-type"].as_bytes()),
        (200, &b"application/json"[..])
    );
    servers.fault(fault("elevenlabs=cut@mid:1*1")).expect("a fault");
    assert!(post().await.expect("a head").bytes().await.is_err());
    servers.fault(fault("elevenlabs=empty*1")).expect("a fault");
    assert_eq!(post().await.expect("a head").bytes().await.expect("a body").len(), 0);
    servers.fault(fault("elevenlabs=402*1")).expect("a fault");
    let refused = post().await.expect("an answer");
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.json::<Value>().await.expect("JSON")["detail"]["code"], "quota_exceeded");
}

#[tokio::test]
async fn an_sms_may_be_sent_although_nobody_says_so() {
    let servers = start("twilio=cut@start*1").await;
    let keys = servers.keys();
    let url = format!("{}/2010-04-01/Accounts/{}/Messages.json", servers.base_url(Provider::Twilio), keys.twilio_sid);
    let send = || {
        let request = http().post(&url).basic_auth(&keys.twilio_sid, Some(&keys.twilio_token));
        request
            .header("content-type", "application/x-www-form-urlencoded")
            .body("To=%2B15551234567&From=%2B15005550006&Body=x")
            .send()
    };
    assert!(send().await.is_err());
    assert_eq!(servers.sms().len(), 1);
    servers.fault(fault("twilio=cut@connect*1")).expect("a fault");
    assert!(send().await.is_err());
    assert_eq!(servers.sms().len(), 1);
}

#[tokio::test]
async fn everything_ends_with_the_handle() {
    let servers = client::start(Script::default()).await;
    let mut socket = deepgram(&servers, "").await;
    let journal = servers.journal().clone();
    let url = format!("{}/models", servers.base_url(Provider::OpenAi));
    servers.stop();
    assert_eq!(socket.next().await, Came::Cut);
    journal
        .wait(client::LONG, |journal| journal.of(Service::Deepgram)[0].end == Some(End::Stopped))
        .await
        .expect("stopped");
    let deadline = Instant::now() + client::LONG;
    while http().get(&url).send().await.is_ok() {
        assert!(Instant::now() < deadline, "the port stays open");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
