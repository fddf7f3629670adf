//! Everything that can go wrong, and whom it concerns.

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use voice_core::provider::{ProviderErrorKind as Kind, ProviderFailure};

use super::server::{Server, refusing, response, within};
use super::{CartesiaConfig, CartesiaTts, ask, config, failure, hear, pcm, voice};
use crate::config::Secret;
use crate::served::Served;
use crate::tts::{SetupError, Tts as _};

#[tokio::test]
async fn an_error_of_a_context_concerns_nobody_else() {
    let errors = [
        (json!({"status_code": 429, "error_code": "concurrency_limited"}), Kind::RateLimited),
        (json!({"status_code": 402, "error_code": "new"}), Kind::Quota),
        (json!({"status_code": 400, "error": "Invalid transcript"}), Kind::BadRequest),
        (json!({"status_code": 500, "title": "…"}), Kind::Unavailable),
    ];
    let mut server = Server::start().await;
    let voice = voice(&server);
    let mut peer = server.peer().await;
    let other = ask(&voice, 99, "I am well.");
    let (others, _) = peer.chunk().await;
    for (mut error, kind) in errors {
        let stream = ask(&voice, 1, "Hello.");
        let (context, _) = peer.chunk().await;
        error["type"] = json!("error");
        error["context_id"] = json!(context);
        error["done"] = json!(true);
        peer.say(error).await;
        assert_eq!(failure(stream).await, kind.into());
    }
    peer.audio(&others, 1, &pcm(1, 20)).await;
    peer.flush_done(&others, 1).await;
    assert_eq!(hear(other).await.audio, pcm(1, 20));
    assert!(!server.has_peer());
}

#[tokio::test]
async fn what_was_heard_before_a_failure_is_not_lost() {
    let mut server = Server::start().await;
    let voice = voice(&server);
    let mut peer = server.peer().await;
    let stream = ask(&voice, 1, "One two three.");
    let (context, _) = peer.chunk().await;
    peer.words(&context, &[("One", 0.01), ("two", 0.02)]).await;
    peer.audio(&context, 1, &pcm(1, 20)).await;
    peer.say(json!({"type": "error", "context_id": context, "status_code": 503, "done": true})).await;
    let heard = hear(stream).await;
    assert_eq!((heard.audio, heard.words), (pcm(1, 20), vec![vec![(3, 10), (7, 20)]]));
    assert_eq!(heard.end, Err(Kind::Unavailable.into()));
}

#[tokio::test]
async fn a_model_that_is_not_served_is_not_asked_for_again_soon() {
    let mut server = Server::start().await;
    let voice = voice(&server);
    let mut peer = server.peer().await;
    let stream = ask(&voice, 1, "Hello.");
    let (context, _) = peer.chunk().await;
    peer.say(json!({"type": "error", "context_id": context, "status_code": 404, "error_code": "model_not_found"}))
        .await;
    assert_eq!(failure(stream).await, ProviderFailure { kind: Kind::NotServed, retry_after_ms: Some(3_600_000) });
    assert_eq!(voice.served().await, Ok(Served::Unknown));
}

#[tokio::test]
async fn a_socket_that_is_cut_fails_all_that_is_on_it_and_the_next_request_has_a_fresh_one() {
    let mut server = Server::start().await;
    let voice = voice(&server);
    let mut peer = server.peer().await;
    let streams: Vec<_> = (0..5).map(|speech| ask(&voice, speech, "Hello.")).collect();
    let (context, _) = peer.chunk().await;
    for _ in 1..5 {
        peer.chunk().await;
    }
    peer.audio(&context, 1, &pcm(1, 20)).await;
    drop(peer);
    for stream in streams {
        assert_eq!(failure(stream).await, Kind::Disconnected.into());
    }
    // It is opened beside everybody's path, before anybody asks.
    let mut peer = server.peer().await;
    let stream = ask(&voice, 0, "Again.");
    let (context, text) = peer.chunk().await;
    assert_eq!(text, "Again. ");
    peer.audio(&context, 1, &pcm(2, 20)).await;
    peer.flush_done(&context, 1).await;
    assert_eq!(hear(stream).await.audio, pcm(2, 20));
}

#[tokio::test]
async fn an_error_without_a_context_fails_the_socket() {
    let mut server = Server::start().await;
    let voice = voice(&server);
    let mut peer = server.peer().await;
    let streams = [ask(&voice, 1, "Hello."), ask(&voice, 2, "Hello.")];
    peer.chunk().await;
    peer.chunk().await;
    peer.say(json!({"type": "error", "status_code": 503, "done": true, "title": "…"})).await;
    for stream in streams {
        assert_eq!(failure(stream).await, Kind::Unavailable.into());
    }
    assert_eq!(peer.try_next().await, None, "it is closed");
    server.peer().await;
}

#[tokio::test]
async fn what_is_no_protocol_fails_the_socket() {
    for nonsense in ["hello", "[1, 2]", "{\"type\": \"chunk\""] {
        let mut server = Server::start().await;
        let voice = voice(&server);
        let mut peer = server.peer().await;
        let stream = ask(&voice, 1, "Hello.");
        peer.chunk().await;
        peer.raw(nonsense.to_owned()).await;
        assert_eq!(failure(stream).await, Kind::Protocol.into(), "{nonsense}");
        server.peer().await;
    }
}

#[tokio::test]
async fn audio_that_is_none_is_a_failure() {
    let mut server = Server::start().await;
    let voice = voice(&server);
    let mut peer = server.peer().await;
    // No base64.
    let stream = ask(&voice, 1, "Hello.");
    let (context, _) = peer.chunk().await;
    peer.say(json!({"type": "chunk", "context_id": context, "data": "no base64!", "done": false})).await;
    assert_eq!(failure(stream).await, Kind::Protocol.into());
    // Not a sample.
    let stream = ask(&voice, 2, "Hello.");
    let (context, _) = peer.chunk().await;
    peer.flush_done(&context, 1).await;
    assert_eq!(failure(stream).await, Kind::Protocol.into());
    assert_eq!(peer.next().await, json!({"context_id": context, "cancel": true}));
    let stream = ask(&voice, 3, "Hello.");
    let (context, _) = peer.chunk().await;
    peer.done(&context).await;
    assert_eq!(failure(stream).await, Kind::Protocol.into());
    // Half a sample.
    let stream = ask(&voice, 4, "Hello.");
    let (context, _) = peer.chunk().await;
    peer.audio(&context, 1, &[1, 2, 3]).await;
    peer.flush_done(&context, 1).await;
    let heard = hear(stream).await;
    assert_eq!((heard.audio, heard.end), (vec![1, 2], Err(Kind::Protocol.into())));
}

#[tokio::test]
async fn a_refused_handshake_has_its_kind() {
    let structured = r#"{"error_code":"something_new","title":"…","message":"…","request_id":"r"}"#;
    let refusals = [
        (400, "", "", Kind::BadRequest, None),
        (401, "", "Unauthorized", Kind::Auth, None),
        (402, "", structured, Kind::Quota, None),
        (403, "", structured, Kind::Auth, None),
        (429, "retry-after: 2\r\n", structured, Kind::RateLimited, Some(2_000)),
        (429, "retry-after-ms: 1\r\n", "", Kind::RateLimited, Some(1)),
        (500, "", "oops", Kind::Unavailable, None),
        (503, "", "", Kind::Unavailable, None),
        (200, "", "hello", Kind::Protocol, None),
        (301, "location: https://elsewhere.example\r\n", "", Kind::Protocol, None),
    ];
    for (status, headers, body, kind, retry_after_ms) in refusals {
        let (url, _asked) = refusing(response(status, headers, body)).await;
        // Asked for while the socket is being opened, or in the pause after that: the answer is the same.
        let voice =
            CartesiaTts::new(CartesiaConfig { backoff_ms: 600_000, max_backoff_ms: 600_000, ..config(&url) }).unwrap();
        for speech in 0..3 {
            let failed = failure(ask(&voice, speech, "Hello.")).await;
            assert_eq!(failed, ProviderFailure { kind, retry_after_ms }, "{status}");
        }
    }
}

#[tokio::test]
async fn an_address_where_nobody_answers_is_told_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let voice = CartesiaTts::new(config(&url)).unwrap();
    assert_eq!(failure(ask(&voice, 1, "Hello.")).await, Kind::Disconnected.into());
    assert_eq!(within(voice.probe()).await, Err(Kind::Disconnected.into()));
}

#[tokio::test]
async fn whoever_accepts_and_is_silent_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let voice = CartesiaTts::new(CartesiaConfig { connect_timeout_ms: 20, ..config(&url) }).unwrap();
    assert_eq!(failure(ask(&voice, 1, "Hello.")).await, Kind::Timeout.into());
}

#[tokio::test]
async fn tls_that_cannot_be_set_up_is_a_lost_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _gone = stream.write_all(response(400, "", "this is no TLS").as_bytes()).await;
        }
    });
    let voice = CartesiaTts::new(config(&url)).unwrap();
    assert_eq!(failure(ask(&voice, 1, "Hello.")).await, Kind::Disconnected.into());
}

#[tokio::test]
async fn a_socket_that_falls_silent_is_pinged_and_given_up() {
    let mut server = Server::start().await;
    let voice = CartesiaTts::new(CartesiaConfig { ping_interval_ms: 10, ..config(&server.url) }).unwrap();
    // It is open, and nobody reads it: not even a pong comes.
    let _frozen = server.peer().await;
    assert_eq!(failure(ask(&voice, 1, "Hello.")).await, Kind::Disconnected.into());
    server.peer().await;
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let key = CartesiaConfig::new(Secret::new(""));
    assert_eq!(CartesiaTts::new(key).err(), Some(SetupError::ApiKey));
    let base = CartesiaConfig { base_url: "ftp://host".to_owned(), ..config("") };
    assert!(matches!(CartesiaTts::new(base).err(), Some(SetupError::BaseUrl(_))));
    let version = CartesiaConfig { version: "2026\n".to_owned(), ..config("http://127.0.0.1:1") };
    assert_eq!(CartesiaTts::new(version).err(), Some(SetupError::Version));
}

#[test]
fn nothing_shows_the_key() {
    let shown = format!("{:?}", config("http://127.0.0.1:1"));
    assert!(!shown.contains("sk-test"), "{shown}");
}
