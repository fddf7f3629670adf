//! Over a real network: upgrades, refusals, probes.

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};
use voice_core::provider::{ProviderErrorKind as Kind, ProviderFailure};

use super::super::{DeepgramConfig, DeepgramStt, probe};
use super::server::{Attempts, Heard, Server, config, last, used, utterance};
use crate::audio::format::AudioFormat;
use crate::served::Served;
use crate::stt::{LineEvent, StreamingStt as _};

/// A host that listens, and a recogniser that is to use it and has all the time in the world.
async fn host() -> (TcpListener, DeepgramStt) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stt = recogniser(listener.local_addr().unwrap());
    (listener, stt)
}

fn recogniser(address: SocketAddr) -> DeepgramStt {
    let base_url = format!("http://{address}");
    DeepgramStt::new(DeepgramConfig { base_url, connect_timeout_ms: 60_000, ..config() }).unwrap()
}

/// The head of the next request, and its connection.
async fn request(listener: &TcpListener) -> (String, TcpStream) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    (String::from_utf8(head).unwrap(), stream)
}

/// Answers a request that is no upgrade.
async fn refuse(mut stream: TcpStream, status: u16, headers: &str, body: &str) {
    let length = body.len();
    let answer = format!("HTTP/1.1 {status} No\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
    stream.write_all(answer.as_bytes()).await.unwrap();
    // Until the other end is done with it.
    let _rest = stream.read_to_end(&mut Vec::new()).await;
}

#[expect(clippy::result_large_err, reason = "the callback's type is the library's")]
async fn upgrade(listener: &TcpListener) -> (String, WebSocketStream<TcpStream>) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut uri = String::new();
    let look = |request: &Request, response: Response| {
        assert_eq!(request.headers()["authorization"], "Token key");
        uri = request.uri().to_string();
        Ok(response)
    };
    let socket = accept_hdr_async(stream, look).await.unwrap();
    (uri, socket)
}

#[tokio::test]
async fn an_utterance_goes_over_the_network() {
    let (listener, stt) = host().await;
    assert_eq!((stt.provider(), stt.model()), ("deepgram", "nova-3"));
    let (told, mut events) = mpsc::channel(8);
    let mut line = stt.open(AudioFormat::Mulaw8k, &["Buy oat milk".to_owned()], told);
    line.begin(utterance(1));
    line.audio(vec![7; 2_000].into());
    line.finish(1, 0);
    let (uri, mut socket) = upgrade(&listener).await;
    assert!(uri.starts_with("/v1/listen?model=nova-3&language=en&encoding=mulaw&sample_rate=8000&"), "{uri}");
    assert!(uri.ends_with("&keyterm=Buy%20oat%20milk"), "{uri}");
    let mut audio = 0;
    while let Message::Binary(piece) = socket.next().await.unwrap().unwrap() {
        audio += piece.len();
    }
    assert_eq!(audio, 2_000);
    let results = r#"{"type":"Results","start":0,"duration":0.25,"is_final":true,"from_finalize":true,"channel":{"alternatives":[{"transcript":"Yes."}]}}"#;
    socket.send(Message::text(results)).await.unwrap();
    assert_eq!(events.recv().await, Some(used(1, 250)));
    assert_eq!(events.recv().await, Some(last(1, 1, "Yes.")));
    drop(line);
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(r#"{"type":"CloseStream"}"#));
    socket.send(Message::text(include_str!("../fixtures/metadata.json"))).await.unwrap();
    assert!(matches!(socket.next().await, Some(Ok(Message::Close(_)))));
    assert_eq!(events.recv().await, None);
}

#[tokio::test]
async fn a_refused_upgrade_says_why() {
    let plain = |kind| ProviderFailure { kind, retry_after_ms: None };
    let after = |kind, ms| ProviderFailure { kind, retry_after_ms: Some(ms) };
    let gone = after(Kind::NotServed, 3_600_000);
    for (status, headers, body, failure) in [
        (400, "", include_str!("../fixtures/refused_400_query.json"), plain(Kind::BadRequest)),
        (400, "", include_str!("../fixtures/refused_400_model.json"), gone),
        (400, "dg-error: No such model\r\n", "", gone),
        (401, "dg-request-id: 5b3a9d7e\r\n", include_str!("../fixtures/refused_401.json"), plain(Kind::Auth)),
        (402, "", include_str!("../fixtures/refused_402.json"), plain(Kind::Quota)),
        (403, "", include_str!("../fixtures/refused_403_model.json"), gone),
        (403, "", include_str!("../fixtures/refused_403.json"), plain(Kind::Auth)),
        (429, "", include_str!("../fixtures/refused_429.json"), plain(Kind::RateLimited)),
        (429, "Retry-After: 5\r\n", "", after(Kind::RateLimited, 5_000)),
        (500, "", "<html>", plain(Kind::Unavailable)),
        (503, "retry-after: 1\r\n", "", after(Kind::Unavailable, 1_000)),
        (302, "location: /elsewhere\r\n", "", plain(Kind::Protocol)),
        (200, "", "hello", plain(Kind::Protocol)),
    ] {
        let (listener, stt) = host().await;
        let (told, mut events) = mpsc::channel(8);
        let _line = stt.open(AudioFormat::Pcm16k, &[], told);
        let (_, stream) = request(&listener).await;
        tokio::spawn(refuse(stream, status, headers, body));
        assert_eq!(events.recv().await, Some(LineEvent::Failed { utterance: None, failure }), "{status} {headers}");
    }
}

#[tokio::test]
async fn titles_that_are_refused_are_done_without() {
    let (listener, stt) = host().await;
    let (told, mut events) = mpsc::channel(8);
    let mut line = stt.open(AudioFormat::Pcm16k, &["Buy milk".to_owned()], told);
    line.begin(utterance(1));
    line.audio(vec![7; 3_200].into());
    line.finish(1, 0);
    let (head, stream) = request(&listener).await;
    assert!(head.contains("&keyterm=Buy%20milk"), "{head}");
    tokio::spawn(refuse(stream, 400, "", include_str!("../fixtures/refused_400_terms.json")));
    // At once, and with the utterance that waits.
    let (uri, mut socket) = upgrade(&listener).await;
    assert!(!uri.contains("keyterm"), "{uri}");
    assert_eq!(socket.next().await.unwrap().unwrap().len(), 3_200);
    assert_eq!(events.recv().await, Some(used(1, 100)));
}

#[tokio::test]
async fn titles_are_to_blame_only_once() {
    let (listener, stt) = host().await;
    let (told, mut events) = mpsc::channel(8);
    let _line = stt.open(AudioFormat::Pcm16k, &["Buy milk".to_owned()], told);
    for has_terms in [true, false] {
        let (head, stream) = request(&listener).await;
        assert_eq!(head.contains("keyterm"), has_terms, "{head}");
        tokio::spawn(refuse(stream, 414, "", ""));
    }
    assert_eq!(events.recv().await, Some(LineEvent::Failed { utterance: None, failure: Kind::BadRequest.into() }));
}

#[tokio::test]
async fn who_cannot_be_reached_is_unavailable_and_who_does_not_speak_it_is_no_protocol() {
    let (listener, stt) = host().await;
    drop(listener);
    assert_eq!(stt.probe().await, Err(Kind::Unavailable.into()));
    let (listener, stt) = host().await;
    let probing = tokio::spawn(stt.probe());
    let (_, mut stream) = request(&listener).await;
    stream.write_all(b"220 smtp.example.com\r\n\r\n").await.unwrap();
    assert_eq!(probing.await.unwrap(), Err(Kind::Protocol.into()));
    let (listener, stt) = host().await;
    let probing = tokio::spawn(stt.probe());
    drop(request(&listener).await);
    assert_eq!(probing.await.unwrap(), Err(Kind::Disconnected.into()));
}

#[tokio::test]
async fn who_does_not_speak_tls_is_no_protocol() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("https://{}", listener.local_addr().unwrap());
    let stt = DeepgramStt::new(DeepgramConfig { base_url, connect_timeout_ms: 60_000, ..config() }).unwrap();
    let probing = tokio::spawn(stt.probe());
    let (mut stream, _) = listener.accept().await.unwrap();
    // A greeting in TLS begins so.
    assert_eq!(stream.read_u8().await.unwrap(), 0x16);
    stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    assert_eq!(probing.await.unwrap(), Err(Kind::Protocol.into()));
}

#[tokio::test]
async fn a_key_that_can_be_no_header_is_no_key() {
    let config = DeepgramConfig { api_key: crate::config::Secret::new("a\nb"), ..config() };
    let stt = DeepgramStt::new(config).unwrap();
    assert_eq!(stt.probe().await, Err(Kind::Auth.into()));
}

#[tokio::test]
async fn a_probe_that_is_answered_is_well() {
    let (listener, stt) = host().await;
    assert_eq!(stt.served().await, Ok(Served::Unknown));
    for answer in [include_str!("../fixtures/metadata.json"), include_str!("../fixtures/results_final.json")] {
        let probing = tokio::spawn(stt.probe());
        let (uri, mut socket) = upgrade(&listener).await;
        assert!(!uri.contains("keyterm"), "{uri}");
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::binary(vec![0; 3_200]));
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(r#"{"type":"Finalize"}"#));
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(r#"{"type":"CloseStream"}"#));
        socket.send(Message::text(include_str!("../fixtures/speech_started.json"))).await.unwrap();
        socket.send(Message::text(answer)).await.unwrap();
        assert_eq!(probing.await.unwrap(), Ok(Some(voice_core::cost::Quantity::AudioMs(100))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_has_its_time() {
    let wait = std::time::Duration::from_secs(1);
    let (tried, mut attempts) = mpsc::unbounded_channel();
    let began = Instant::now();
    let probing = tokio::spawn(probe(Attempts(tried.clone()), wait));
    let _never = attempts.recv().await.unwrap();
    assert_eq!(probing.await.unwrap(), Err(Kind::Timeout.into()));
    assert_eq!(began.elapsed().as_millis(), 1_000);
    let probing = tokio::spawn(probe(Attempts(tried.clone()), wait));
    let mut server = Server::accept(attempts.recv().await.unwrap(), 1 << 16, AudioFormat::Pcm16k).await;
    assert_eq!(server.hear_out().await, Heard::Finalize);
    assert_eq!(probing.await.unwrap(), Err(Kind::Timeout.into()));
    assert_eq!(began.elapsed().as_millis(), 3_000);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_turned_away_says_why() {
    let (tried, mut attempts) = mpsc::unbounded_channel();
    for (text, code, reason, kind) in [
        (Some(include_str!("../fixtures/error_net.json")), 1000, "", Kind::Stalled),
        (Some("hello"), 1000, "", Kind::Protocol),
        (None, 1011, "", Kind::Unavailable),
        (None, 1008, "DATA-0000", Kind::BadRequest),
    ] {
        let probing = tokio::spawn(probe(Attempts(tried.clone()), std::time::Duration::from_secs(1)));
        let mut server = Server::accept(attempts.recv().await.unwrap(), 1 << 16, AudioFormat::Pcm16k).await;
        if let Some(text) = text {
            server.say(text).await;
        }
        server.close(code, reason).await;
        assert_eq!(probing.await.unwrap(), Err(kind.into()), "{code} {reason}");
    }
}
