//! The page in a real Chromium, with a WAV as its microphone, against the real server, which is killed on the way.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use voice_agent::model::runtime::{Runtime, default_models_dir};
use voice_agent::stt::moonshine::{Bias, DecodeOptions, Moonshine};

use super::phone::wav;
use super::process::{Home, Process, clean, fixture, has, skip};
use crate::server::Session;

/// Longest for the whole call.
pub(super) const PATIENCE: Duration = Duration::from_secs(180);

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Whether a browser can be driven here.
pub(super) fn can_browse() -> bool {
    let driver = root().join("web/node_modules/playwright-core");
    if !driver.is_dir() {
        skip("web/node_modules is missing (scripts/web.sh install)");
        return false;
    }
    has("node", "https://nodejs.org") && has("chromium", "apt-get install chromium")
}

/// A script of the page's that plays a caller. It ends with the value that it is started as, and its browser with it.
pub(super) fn script(name: &str, server: &Process, pictures: &Path, played: &Path) -> tokio::process::Command {
    std::fs::create_dir_all(pictures).unwrap();
    let mut command = tokio::process::Command::from(clean("node"));
    command
        .arg(root().join("web/e2e").join(name))
        .env("BASE_URL", server.url(""))
        .env("PLAYED_WAV", played)
        .env("OUT_DIR", pictures)
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// The script that plays the first caller. It ends with this value, and its browser with it.
pub(super) struct Script {
    _child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Script {
    /// With more of its variables.
    pub(super) fn start(server: &Process, pictures: &Path, played: &Path, env: &[(&str, &str)]) -> Self {
        let mut command = script("first-call.mjs", server, pictures, played);
        command.envs(env.iter().copied()).env("WAV", fixture("voice_review_the_proposal.wav")).stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { _child: child, input, lines: BufReader::new(output).lines() }
    }

    /// The next line that the script writes.
    pub(super) async fn line(&mut self) -> String {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        line.expect("the script goes on").unwrap().expect("the script ends with a line of JSON")
    }

    pub(super) async fn tell(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }
}

pub(super) fn transcribe(pcm: &[i16]) -> String {
    let runtime = Runtime::load(&default_models_dir()).unwrap();
    let bias = Bias::default();
    let heard = Moonshine::load(&runtime).unwrap().transcribe(pcm, &DecodeOptions::final_result(&bias)).unwrap();
    heard.text.to_lowercase()
}

/// The session that the page began, found by an operator.
async fn session_of_the_page(server: &Process, operator: &str) -> String {
    let response = server.get("/api/admin/sessions", operator).await;
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["sessions"].as_array().unwrap().len(), 1, "{body}");
    body["sessions"][0]["session_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn somebody_talks_to_the_page_hears_the_answer_and_goes_on_after_a_kill() {
    const OPERATOR: &str = "an operator of the test";
    if !can_browse() {
        return;
    }
    let pictures = root().join("target/first-call");
    let played = pictures.join("played.wav");
    let home = Home::with([("ADMIN_TOKEN", OPERATOR)]).await;
    let server = home.start().await;
    let mut script = Script::start(&server, &pictures, &played, &[]);

    let line = script.line().await;
    assert_eq!(line, "ready for restart");
    let before = session_of_the_page(&server, OPERATOR).await;
    let addr = server.kill();
    let server = home.start_on(addr).await;
    script.tell("server restarted").await;
    let report: Value = serde_json::from_str(&script.line().await).unwrap();
    assert_eq!(report["ok"], true, "{report:#}");

    // What was on the page.
    let reply = report["reply"].as_str().unwrap().to_lowercase();
    assert!(reply.contains("added") && reply.contains("review the proposal"), "{reply}");
    assert!(report["back"].as_str().unwrap().contains("Where were we?"), "{report}");
    assert!(report["second"].as_str().unwrap().to_lowercase().contains("review the proposal"), "{report}");
    assert_eq!(report["tasks"].as_array().unwrap().len(), 1, "{report}");
    // A server that is away and starts again is no reason to ask for the microphone once more.
    assert_eq!(report["microphoneAsked"], 1, "{report}");
    assert!(report["turns"][0]["latencyMs"].is_u64() || report["turns"][0]["latency_ms"].is_u64(), "{report:#}");
    // What was to be heard.
    let heard = transcribe(&wav(&played));
    assert!(heard.contains("added") && heard.contains("proposal"), "{heard:?}");

    // It was one session all along, and its history is whole.
    assert_eq!(session_of_the_page(&server, OPERATOR).await, before);
    let text = |field: &str| report["session"][field].as_str().unwrap().to_owned();
    let session = Session { id: text("sessionId"), token: text("token"), body: Value::Null };
    assert_eq!(session.id, before);
    let history = server.history(&session).await;
    let said = |who: &str, words: &str| {
        history.iter().any(|line| line.starts_with(who) && line.to_lowercase().contains(words))
    };
    assert!(said("user", "proposal") && said("assistant", "added review the proposal"), "{history:#?}");
    assert!(said("assistant", "i'm back.") && said("user", "what's on my list?"), "{history:#?}");
    assert_eq!(server.titles(&session, "open").await, ["Review the proposal"]);
}
