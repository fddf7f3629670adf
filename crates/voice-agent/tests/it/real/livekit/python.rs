//! LiveKit's official Python SDK holds a spoken conversation with the agent.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::server::{Server, skip};
use super::{home, registered};
use crate::real::browser::transcribe;
use crate::real::interruption::a_long_list;
use crate::real::phone::{wav, write_wav};
use crate::real::process::{Process, eventually, fixture};

/// Longest wait for one thing that it sees.
const PATIENCE: Duration = Duration::from_secs(60);

/// A participant in a Python process of its own; it goes when this is dropped.
struct Python {
    _process: Child,
    orders: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Python {
    /// Nothing, and a word about it, if the SDK is not on this machine.
    async fn join(test: &str, rooms: &Server) -> Option<Self> {
        let Some(packages) = std::env::var_os("LIVEKIT_PYTHON") else {
            skip(test, "LIVEKIT_PYTHON names no folder with LiveKit's SDK (make test-livekit)");
            return None;
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/real/livekit/talk.py");
        let mut process = Command::new("python3")
            .args([script, &format!("ws://127.0.0.1:{}", rooms.port), &Server::token("kitchen", "ada")])
            .env("PYTHONPATH", packages)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let orders = process.stdin.take().unwrap();
        let mut python = Self { _process: process, orders, lines };
        python.sees("connected", |_| true).await;
        Some(python)
    }

    async fn order(&mut self, order: Value) {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.unwrap();
    }

    /// What it sees next of this kind.
    async fn sees(&mut self, kind: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut passed = Vec::new();
        let looking = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                let Ok(seen) = serde_json::from_str::<Value>(&line) else { continue };
                if seen["event"] == kind && wanted(&seen) {
                    return seen;
                }
                passed.push(line);
            }
            panic!("the Python process ended");
        };
        let seen = tokio::time::timeout(PATIENCE, looking).await;
        seen.unwrap_or_else(|_| panic!("Python did not see {kind}; it saw {passed:#?}"))
    }

    /// Waits for a caption with these words.
    async fn reads(&mut self, words: &str) -> Value {
        self.sees("text", |seen| seen["text"].as_str().unwrap_or_default().to_lowercase().contains(words)).await
    }

    async fn state(&mut self, state: &str) {
        self.sees("attributes", |seen| seen["changed"]["lk.agent.state"] == state).await;
    }

    /// What it has heard since the last time.
    async fn has_heard(&mut self, file: &Path) -> String {
        self.order(json!({"save": file})).await;
        self.sees("saved", |_| true).await;
        transcribe(&wav(file))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_sdk_holds_a_spoken_conversation() {
    const TEST: &str = "the_python_sdk_holds_a_spoken_conversation";
    let Some(rooms) = Server::start(TEST) else { return };
    let home = home(&rooms).await;
    let agent = registered(home.start().await).await;
    let Some(mut python) = Python::join(TEST, &rooms).await else { return };
    let (file, said) = (home.path().join("heard.wav"), home.path().join("said.wav"));
    write_wav(&said, &wav(&fixture("voice_review_the_proposal.wav")));

    // The greeting: its state, its caption, its sound.
    python.state("speaking").await;
    let greeting = python.reads("how can i help").await;
    assert_eq!(greeting["topic"], "lk.transcription");
    python.state("listening").await;
    let heard = python.has_heard(&file).await;
    assert!(heard.contains("help"), "{heard:?}");

    // A spoken command makes a task; both sides are captioned.
    python.order(json!({"say": said})).await;
    let own = python.sees("text", |seen| seen["attributes"]["lk.transcription_final"] == "true").await;
    assert!(own["text"].as_str().unwrap().to_lowercase().contains("proposal"), "{own}");
    python.reads("added review the proposal").await;
    python.state("listening").await;
    let heard = python.has_heard(&file).await;
    assert!(heard.contains("added") && heard.contains("proposal"), "{heard:?}");

    // Chat is read, and answered aloud; a word over the long answer stops it.
    python.order(json!({"type": a_long_list()})).await;
    python.reads("added").await;
    python.state("listening").await;
    python.order(json!({"type": "what's on my list?"})).await;
    python.state("speaking").await;
    // The list takes ten seconds and more.
    tokio::time::sleep(Duration::from_millis(3_000)).await;
    python.order(json!({"say": said})).await;
    let speech = python.sees("saying", |seen| seen["words"] == true).await;
    let silent = python.sees("sound", |seen| seen["loud"] == false).await;
    let after_ms = silent["since_ms"].as_i64().unwrap() - speech["at_ms"].as_i64().unwrap();
    println!("interruption: the agent was silent {after_ms} ms after the caller began");
    assert!(after_ms < 1_500, "the agent talked on for {after_ms} ms");
    interrupted_once(&agent).await;
}

async fn interrupted_once(agent: &Process) {
    let is_so = async || agent.metric("voice_interruptions_total{kind=\"real\"}").await == 1.0;
    eventually("the agent was interrupted once", is_so).await;
}
