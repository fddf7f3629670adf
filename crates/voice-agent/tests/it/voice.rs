//! The browser's voice: the protocol, its limits and its close codes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::SinkExt as _;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::fake::{BURST, CRASH, SHOUT};
use crate::server::TestServer;
use crate::socket::Socket;

#[tokio::test]
async fn frames_and_events_go_both_ways() {
    let server = TestServer::start().await;
    let session = server.session("ada").await;
    let mut socket = server.voice(&session).await;
    socket.frame().await;
    assert_eq!(socket.audio().await.len(), 960);
    socket.send(&json!({"type": "ping", "t": 12.5})).await;
    assert_eq!(socket.event("pong").await["t"], 12.5);
    socket.send(&json!({"type": "text", "text": "hi"})).await;
    assert_eq!(socket.event("user_text").await["text"], "hi");
    socket.send(&json!({"type": "playout", "speech_id": 1, "played_ms": 100})).await;
    socket.send(&json!({"type": "mute", "muted": true})).await;
    assert_eq!(socket.event("state").await["state"], "listening");
    // A refused text leaves the session alone.
    for text in ["  ".to_owned(), "x".repeat(2_001)] {
        socket.send(&json!({"type": "text", "text": text})).await;
        assert_eq!(socket.event("error").await["code"], "text_length");
    }
    socket.send(&json!({"type": "end"})).await;
    assert_eq!(socket.event("ended").await["outcome"], "completed");
    assert_eq!(socket.closed().await, 1000);
    server.metric_becomes("voice_connections_closed_total{code=\"1000\"}", 1.0).await;
    assert_eq!(server.metric("voice_connections").await, 0.0);
}

#[tokio::test]
async fn the_newest_connection_wins() {
    let server = TestServer::start().await;
    let session = server.session("ada").await;
    let older = server.voice(&session).await;
    let mut newer = server.voice(&session).await;
    assert_eq!(older.closed().await, 4001);
    newer.frame().await;
    assert_eq!(newer.audio().await.len(), 960);
}

#[tokio::test]
async fn what_is_not_the_protocol_closes_the_connection_and_not_the_session() {
    let server = TestServer::start().await;
    let session = server.session("ada").await;
    let binary = |size: usize| Message::Binary(Bytes::from(vec![0; size]));
    for (message, code) in [
        (binary(639), 4000),
        (binary(0), 4000),
        (Message::text("{"), 4000),
        (Message::text("{\"type\":\"dance\"}"), 4000),
        (Message::text("{\"type\":\"text\"}"), 4000),
        (binary(641), 1009),
        (Message::text(format!("\"{}\"", "x".repeat(32_768))), 1009),
        (binary(100_000), 1009),
    ] {
        let mut socket = server.voice(&session).await;
        let shown = format!("{:.40}", format!("{message:?}"));
        // The server may close before all of a large message is sent.
        let _may_be_cut_off = socket.0.send(message).await;
        assert_eq!(socket.closed().await, code, "{shown}");
    }
    // The session is unharmed.
    let mut socket = server.voice(&session).await;
    socket.frame().await;
    assert_eq!(socket.audio().await.len(), 960);
}

#[tokio::test]
async fn a_flood_is_closed_with_4004_and_the_neighbour_talks_on() {
    let server = TestServer::with(|config| config.limits.message_burst = 60).await;
    let (flooder, neighbour) = (server.session("ada").await, server.session("bob").await);
    let mut socket = server.voice(&flooder).await;
    let mut other = server.voice(&neighbour).await;
    for _ in 0..500 {
        if socket.0.send(Message::text("{\"type\":\"playout\",\"speech_id\":1,\"played_ms\":1}")).await.is_err() {
            break;
        }
    }
    assert_eq!(socket.closed().await, 4004);
    other.frame().await;
    assert_eq!(other.audio().await.len(), 960);
}

#[tokio::test]
async fn a_message_of_ever_more_empty_frames_is_closed_as_too_large_and_the_neighbour_talks_on() {
    let server = TestServer::start().await;
    let (endless, neighbour) = (server.session("ada").await, server.session("bob").await);
    let mut socket = server.voice(&endless).await;
    let mut other = server.voice(&neighbour).await;
    let piece = |kind| Message::Frame(Frame::message(Bytes::new(), OpCode::Data(kind), false));
    socket.send_raw(piece(Data::Text)).await;
    // Its payload is empty however long it goes on, until the server does not read it any more.
    let began = Instant::now();
    let mut frames = 0_u32;
    while socket.0.feed(piece(Data::Continue)).await.is_ok() {
        frames += 1;
        // A ping may stand between them, and makes no message whole.
        if frames.is_multiple_of(50_000) && socket.0.feed(Message::Ping(Bytes::new())).await.is_err() {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "it is read for ever");
    }
    server.metric_becomes("voice_connections_closed_total{code=\"1009\"}", 1.0).await;
    other.frame().await;
    assert_eq!(other.audio().await.len(), 960);
    // The session is unharmed.
    let mut again = server.voice(&endless).await;
    again.frame().await;
    assert_eq!(again.audio().await.len(), 960);
}

#[tokio::test]
async fn a_slow_reader_is_closed_with_4003_and_the_neighbour_talks_on() {
    let server = TestServer::with(|config| {
        config.limits.outbound_queue = 32;
        config.limits.send_buffer_bytes = 4_096;
        config.limits.write_timeout_ms = 200;
    })
    .await;
    let (slow, neighbour) = (server.session("ada").await, server.session("bob").await);
    let mut socket = server.voice(&slow).await;
    let mut other = server.voice(&neighbour).await;
    socket.send(&json!({"type": "text", "text": SHOUT})).await;
    // It does not read on until the server has let go of it.
    server.metric_becomes("voice_connections_closed_total{code=\"4003\"}", 1.0).await;
    drop(socket);
    other.frame().await;
    assert_eq!(other.audio().await.len(), 960);
    // And it may come back.
    let mut again = server.voice(&slow).await;
    again.frame().await;
    assert_eq!(again.audio().await.len(), 960);
}

#[tokio::test]
async fn a_reader_whose_queue_is_full_is_told_4003() {
    let server = TestServer::with(|config| config.limits.outbound_queue = 32).await;
    let session = server.session("ada").await;
    let mut socket = server.voice(&session).await;
    // The session says more at once than the queue holds; the reader reads all of it, and then why.
    socket.send(&json!({"type": "text", "text": BURST})).await;
    assert_eq!(socket.closed().await, 4003);
}

#[tokio::test]
async fn an_error_of_the_session_is_4006_and_it_can_be_restored() {
    let server = TestServer::start().await;
    let session = server.session("ada").await;
    let mut socket = server.voice(&session).await;
    socket.send(&json!({"type": "text", "text": CRASH})).await;
    assert_eq!(socket.closed().await, 4006);
    server.metric_becomes("voice_agent_active_sessions", 0.0).await;
    let again = server.session_of(&json!({"session_id": session.id, "token": session.token})).await;
    assert_eq!(again.body["resumed"], true);
}

#[tokio::test]
async fn who_asks_for_neither_voice_nor_text_is_refused() {
    let server = TestServer::start().await;
    let session = server.session("ada").await;
    let protocols = format!("voice-agent.v1, token.{}", session.token);
    let path = |query: &str| format!("{}/audio?{query}#", session.id);
    assert_eq!(Socket::refused(server.addr(), &path("answers=song"), &protocols, &[]).await, 400);
    for query in ["answers=text", "answers=voice", "utm=1"] {
        let socket = Socket::try_open(server.addr(), &path(query), &protocols, &[]).await.unwrap();
        assert_eq!({ socket }.event("ready").await["records"], false);
    }
}

#[tokio::test]
async fn a_handshake_that_is_refused_is_answered_in_http() {
    let server = TestServer::start().await;
    let (mine, theirs) = (server.session("ada").await, server.session("bob").await);
    let addr = server.addr();
    let protocols = |token: &str| format!("voice-agent.v1, token.{token}");
    assert_eq!(Socket::refused(addr, &mine.id, "voice-agent.v1", &[]).await, 401);
    assert_eq!(Socket::refused(addr, &mine.id, &protocols("nonsense"), &[]).await, 401);
    assert_eq!(Socket::refused(addr, &mine.id, "chat", &[]).await, 400);
    assert_eq!(Socket::refused(addr, &theirs.id, &protocols(&mine.token), &[]).await, 404);
    let foreign = [("origin", "https://evil.example")];
    assert_eq!(Socket::refused(addr, &mine.id, &protocols(&mine.token), &foreign).await, 403);
    let plain = server.get(&format!("/api/sessions/{}/audio", mine.id), &mine.token).await;
    assert_eq!((plain.status().as_u16(), plain.headers()["upgrade"].to_str().unwrap()), (426, "websocket"));
}
