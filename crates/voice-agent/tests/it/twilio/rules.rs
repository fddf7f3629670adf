//! What a stream may do: sizes, rates, nonsense, slowness; with a session that only echoes.

use bytes::Bytes;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use voice_agent::driver::api::Command;

use super::client::{CALL, Stream, unsigned};
use crate::fake::{BURST, SHOUT};
use crate::server::TestServer;

/// One stream of a call, and a first echo.
async fn call(server: &TestServer, call: &str) -> Stream {
    let mut stream = Stream::begin(server.addr(), call, None).await;
    echo(&mut stream).await;
    stream
}

async fn echo(stream: &mut Stream) {
    stream.media(&[0xff; 160]).await;
    assert_eq!(stream.audio().await, [7; 960]);
}

fn type_into(server: &TestServer, text: &str) {
    let sessions = server.app().sessions.list();
    sessions[0].handle.send(Command::Text { text: text.to_owned(), answer: None, sid: None }).unwrap();
}

#[tokio::test]
async fn payloads_of_any_length_are_frames_of_twenty_ms() {
    let server = TestServer::with(unsigned).await;
    let mut stream = call(&server, CALL).await;
    // Two frames in three pieces, and a piece that has none.
    for size in [0, 100, 100, 120] {
        stream.media(&vec![0xff; size]).await;
    }
    for _ in 0..2 {
        assert_eq!(stream.audio().await.len(), 960);
    }
    stream.press("1").await;
    stream.mark("never sent").await;
    echo(&mut stream).await;
    assert!(stream.passed_over.iter().all(|message| message["event"] != "clear"));
}

#[tokio::test]
async fn a_speech_goes_out_with_marks() {
    let server = TestServer::with(unsigned).await;
    let mut stream = call(&server, CALL).await;
    // Sound, then silence: the session says something. The resampler looks ahead, so a little sound is left for the second.
    for code in [0x20, 0xff, 0xff] {
        stream.media(&[code; 160]).await;
    }
    // The frames' echoes, which belong to no speech, and then five times 960 bytes in pieces of 200 ms.
    let mut sizes = Vec::new();
    loop {
        let message = stream.next().await.unwrap();
        match message["event"].as_str().unwrap() {
            "media" => sizes.push(message["media"]["payload"].as_str().unwrap().len() / 4 * 3),
            "mark" => {
                assert!(message["mark"]["name"].as_str().is_some_and(|name| !name.is_empty()));
                break;
            }
            other => panic!("{other}"),
        }
    }
    assert!(sizes.len() == 4 && (1_600..1_605).contains(&sizes[3]), "{sizes:?}");
    stream.expect("mark").await;
    stream.expect("mark").await;
}

#[tokio::test]
async fn a_little_nonsense_is_passed_over_and_more_closes_the_stream_and_not_the_session() {
    let server = TestServer::with(|config| {
        unsigned(config);
        config.twilio.max_malformed = 8;
    })
    .await;
    let mut stream = call(&server, CALL).await;
    let nonsense = [
        Message::Binary(Bytes::from(vec![0; 160])),
        Message::text("{"),
        Message::text("[]"),
        Message::text("{\"event\":7}"),
        Message::text("{\"event\":\"media\"}"),
        Message::text("{\"event\":\"media\",\"media\":{\"payload\":\"!!!\"}}"),
        Message::text("{\"event\":\"media\",\"streamSid\":\"MZother\",\"media\":{\"payload\":\"/w==\"}}"),
    ];
    for message in nonsense {
        stream.send_raw(message).await;
    }
    stream.start(CALL, None).await;
    // What is not known is no nonsense.
    for _ in 0..20 {
        stream.send(&json!({"event": "weather", "weather": "fine"})).await;
    }
    echo(&mut stream).await;
    stream.send_raw(Message::text("{")).await;
    assert_eq!(stream.closed().await, 1008);
    // The session is unharmed.
    let mut stream = call(&server, CALL).await;
    echo(&mut stream).await;
    assert_eq!(server.app().sessions.list().len(), 1);
}

#[tokio::test]
async fn a_stream_that_does_not_begin_as_one_is_refused() {
    let server = TestServer::with(|config| {
        unsigned(config);
        config.twilio.start_timeout_ms = 100;
    })
    .await;
    let silent = Stream::open(server.addr()).await;
    assert_eq!(silent.closed().await, 1008);
    let mut early = Stream::open(server.addr()).await;
    early.media(&[0xff; 160]).await;
    assert_eq!(early.closed().await, 1008);
    let mut wide = Stream::open(server.addr()).await;
    let format = json!({"encoding": "audio/l16", "sampleRate": 16000, "channels": 1});
    wide.send(&json!({"event": "start", "streamSid": "MZ1", "start": {"callSid": CALL, "mediaFormat": format}})).await;
    assert_eq!(wide.closed().await, 1008);
    let mut over = Stream::open(server.addr()).await;
    over.stop().await;
    assert_eq!(over.closed().await, 1000);
    assert!(server.app().sessions.list().is_empty());
    server.metric_becomes("voice_connections_closed_total{code=\"1008\"}", 3.0).await;
    assert_eq!(server.metric("voice_connections").await, 0.0);
}

#[tokio::test]
async fn what_is_too_large_is_closed_with_1009() {
    let server = TestServer::with(unsigned).await;
    for size in [32_800, 100_000] {
        let mut stream = call(&server, CALL).await;
        let message = Message::text(format!("\"{}\"", "x".repeat(size)));
        // The server may close before all of a large message is sent.
        let _may_be_cut_off = stream.try_send(message).await;
        assert_eq!(stream.closed().await, 1009, "{size}");
    }
}

#[tokio::test]
async fn a_flood_is_closed_with_4004_whether_of_messages_or_of_audio() {
    let server = TestServer::with(|config| {
        unsigned(config);
        config.limits.message_burst = 60;
    })
    .await;
    let mut neighbour = call(&server, "CAneighbour").await;
    let mut flooder = call(&server, CALL).await;
    for _ in 0..500 {
        if flooder.try_send(Message::text("{\"event\":\"mark\",\"mark\":{\"name\":\"m1\"}}")).await.is_err() {
            break;
        }
    }
    assert_eq!(flooder.closed().await, 4004);
    let mut hasty = call(&server, CALL).await;
    // Eight messages, with thirty-five frames each.
    for _ in 0..8 {
        hasty.media(&[0xff; 5_600]).await;
    }
    assert_eq!(hasty.closed().await, 4004);
    echo(&mut neighbour).await;
}

#[tokio::test]
async fn a_slow_reader_is_closed_with_4003_and_may_come_back() {
    let server = TestServer::with(|config| {
        unsigned(config);
        config.limits.outbound_queue = 32;
        config.limits.send_buffer_bytes = 4_096;
        config.limits.write_timeout_ms = 200;
    })
    .await;
    let stream = call(&server, CALL).await;
    type_into(&server, SHOUT);
    // It does not read on until the server has let go of it.
    server.metric_becomes("voice_connections_closed_total{code=\"4003\"}", 1.0).await;
    drop(stream);
    let mut again = call(&server, CALL).await;
    type_into(&server, BURST);
    loop {
        match again.next().await {
            Ok(_) => {}
            Err(code) => break assert_eq!(code, 4003),
        }
    }
}

#[tokio::test]
async fn the_newest_stream_of_a_call_wins() {
    let server = TestServer::with(unsigned).await;
    let older = call(&server, CALL).await;
    let mut newer = call(&server, CALL).await;
    assert_eq!(older.closed().await, 4001);
    echo(&mut newer).await;
}

#[tokio::test]
async fn a_server_that_goes_away_says_so() {
    let server = TestServer::with(unsigned).await;
    let stream = call(&server, CALL).await;
    let waiting = Stream::open(server.addr()).await;
    let (code, other, ()) = tokio::join!(stream.closed(), waiting.closed(), server.shutdown());
    assert_eq!((code, other), (1001, 1001));
}
