//! LiveKit's official Python SDK as the other participant.

use std::process::Stdio;
use std::time::Duration;

use livekit_rtc::audio::SampleRate;
use livekit_rtc::{Event, RoomOptions, TextOptions};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::server::{Server, skip, subscribed, until};
use crate::sound::{LEVEL, listen, say, share, steady, wait_for_sound};

/// A participant in a Python process of its own; it goes when this is dropped.
pub(crate) struct Python {
    _process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Python {
    /// Nothing, and a word about it, if the SDK is not on this machine.
    pub(crate) async fn join(test: &str, server: &Server, identity: &str, role: &str) -> Option<Self> {
        let Some(packages) = std::env::var_os("LIVEKIT_PYTHON") else {
            skip(test, "LIVEKIT_PYTHON names no folder with LiveKit's SDK (make test-livekit)");
            return None;
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/livekit/peer.py");
        let mut process = Command::new("python3")
            .args([script, &format!("ws://127.0.0.1:{}", server.port), &Server::token("kitchen", identity), role])
            .env("PYTHONPATH", packages)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut python = Self { _process: process, lines };
        python.sees("connected", |_| true).await;
        Some(python)
    }

    /// What it sees next of this kind.
    pub(crate) async fn sees(&mut self, kind: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let looking = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                let Ok(seen) = serde_json::from_str::<Value>(&line) else { continue };
                if seen["event"] == kind && wanted(&seen) {
                    return seen;
                }
            }
            panic!("the Python process ended");
        };
        let seen = tokio::time::timeout(Duration::from_secs(40), looking).await;
        seen.unwrap_or_else(|_| panic!("Python did not see: {kind}"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_sdk_hears_and_is_heard() {
    let test = "the_python_sdk_hears_and_is_heard";
    let Some(server) = Server::start(test) else { return };
    let options = RoomOptions { rate: SampleRate::Hz16000, ..RoomOptions::default() };
    let (ada, mut events) = server.join_with("kitchen", "ada", options).await;
    let source = ada.publish_audio(steady()).await.unwrap();
    let saying = tokio::spawn(async move {
        say(&source, 400.0, 3_000).await;
        source
    });
    let Some(mut python) = Python::join(test, &server, "guido", "talk").await else { return };

    // We hear it: its tone, its chat, its data, its attributes.
    let track = subscribed(&mut events).await;
    let mut stream = ada.listen(&track.sid).await.unwrap();
    wait_for_sound(&mut stream).await;
    let heard = listen(&mut stream, 100).await;
    assert!((heard.level() / LEVEL - 1.0).abs() < 0.4, "the level is {}", heard.level());
    // On a busy machine Python has gaps of its own: half of the tenths of a second have to be without.
    let pure = heard.samples.chunks(1_600).filter(|piece| share(piece, 440.0, 16_000.0) > 0.9).count();
    assert!(pure >= 10, "of 20 pieces {pure} are a tone of 440 Hz");
    println!("heard of Python: level {:.3}, longest gap {:?}", heard.level(), heard.longest_gap);

    // It hears us.
    let measured = |seen: &Value| (seen["level"].as_f64().unwrap(), seen["hz"].as_f64().unwrap());
    // Its first seconds are those in which it starts up: one is enough that is as it was sent.
    let faithful = |(level, hz): (f64, f64)| (level / f64::from(LEVEL) - 1.0).abs() < 0.1 && (hz - 400.0).abs() < 4.0;
    let seen = python.sees("heard", |seen| faithful(measured(seen))).await;
    println!("heard by Python: level and pitch {:?}", measured(&seen));

    ada.send_text(TextOptions::topic("lk.chat").attribute("a", "1"), "hello from Rust").await.unwrap();
    let seen = python.sees("text", |seen| seen["topic"] == "lk.chat").await;
    assert_eq!((&seen["text"], &seen["identity"]), (&"hello from Rust".into(), &"ada".into()));
    assert_eq!(seen["attributes"]["a"], "1");
    let caption = ada.open_text(TextOptions::topic("lk.transcription")).await.unwrap();
    caption.write("You have ").await.unwrap();
    caption.write("no tasks.").await.unwrap();
    caption.close(Default::default()).await.unwrap();
    let seen = python.sees("text", |seen| seen["topic"] == "lk.transcription").await;
    assert_eq!(seen["text"], "You have no tasks.");
    ada.set_attributes([("lk.agent.state".to_owned(), "thinking".to_owned())].into()).await.unwrap();
    python.sees("attributes", |seen| seen["changed"]["lk.agent.state"] == "thinking").await;

    saying.abort();
    ada.close().await;
    python.sees("left", |seen| seen["identity"] == "ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_python_sdk_sends_arrives() {
    let test = "what_the_python_sdk_sends_arrives";
    let Some(server) = Server::start(test) else { return };
    let (_ada, mut events) = server.join("kitchen", "ada").await;
    until(&mut events, |event| matches!(event, Event::Active).then_some(())).await;
    let Some(_python) = Python::join(test, &server, "guido", "talk").await else { return };
    let (mut text, mut data, mut mood) = (None, None, None);
    while text.is_none() || data.is_none() || mood.is_none() {
        until(&mut events, |event| {
            match event {
                Event::Text(message) => text = Some(message.text.clone()),
                Event::Data(message) => data = Some((message.topic.clone(), message.payload.clone())),
                Event::AttributesChanged { changed, .. } => mood = changed.get("mood").cloned(),
                // The server tells of somebody once, however much happened meanwhile.
                Event::ParticipantJoined(participant) => mood = participant.attributes.get("mood").cloned(),
                _ => return None,
            }
            Some(())
        })
        .await;
    }
    assert_eq!(text.as_deref(), Some("hello from Python"));
    assert_eq!(data, Some(("bytes".into(), vec![1, 2])));
    assert_eq!(mood.as_deref(), Some("fine"));
}
