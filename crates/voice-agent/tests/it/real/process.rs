//! The built binary as a process of its own: started, watched through its log, killed for certain.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::super::server::{Session, problem};

/// Longest wait for anything that a healthy server does: generous, because test machines are small and busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// What the embedded models are given more time for than in production: they are built without optimisation here, and share two
/// cores with a browser and other tests. What a deadline does that passes, the core's own tests show.
const PATIENT: [(&str, &str); 3] =
    [("DEADLINE_STT_MS", "15000"), ("DEADLINE_LLM_FIRST_MS", "15000"), ("DEADLINE_TTS_MS", "15000")];
/// One server with a voice at a time: two would be measured against each other's load. (`cargo nextest` has a group.)
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A data folder, the settings of the server that uses it, and the right to run one.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    settings: BTreeMap<&'static str, String>,
    _alone: tokio::sync::MutexGuard<'static, ()>,
}

impl Home {
    pub(crate) async fn new() -> Self {
        Self::with([]).await
    }

    /// With settings, by their variables.
    pub(crate) async fn with<const N: usize>(settings: [(&'static str, &str); N]) -> Self {
        let alone = ALONE.lock().await;
        let settings = settings.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        Self { folder: tempfile::tempdir().unwrap(), settings, _alone: alone }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A server on ports of its own.
    pub(crate) async fn start(&self) -> Process {
        Process::start(self.command(), &self.settings, ([127, 0, 0, 1], 0).into()).await
    }

    /// The value of a setting; empty if there is none.
    pub(crate) fn setting(&self, name: &str) -> String {
        self.settings.get(name).cloned().unwrap_or_default()
    }

    /// One of several servers, with settings and a data folder of its own.
    pub(crate) async fn start_as(&self, name: &str, settings: Vec<(&'static str, String)>) -> Process {
        let mut command = self.command();
        command.env("DATA_DIR", self.path().join(name));
        let settings = self.settings.clone().into_iter().chain(settings).collect();
        Process::start(command, &settings, ([127, 0, 0, 1], 0).into()).await
    }

    /// A server on this port: what a caller who comes back looks for.
    pub(crate) async fn start_on(&self, addr: SocketAddr) -> Process {
        Process::start(self.command(), &self.settings, addr).await
    }

    /// A server that is told of a file that may not grow instead of being killed for it.
    pub(crate) async fn start_to_run_out_of_space(&self) -> Process {
        let mut shell = self.bare("sh");
        shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_voice-agent"), "serve"]);
        Process::start(shell, &self.settings, ([127, 0, 0, 1], 0).into()).await
    }

    /// Runs one of the binary's other commands to its end, with settings.
    pub(crate) async fn run(&self, arguments: &[&str], settings: Vec<(&'static str, String)>) -> Output {
        let mut command = self.bare(env!("CARGO_BIN_EXE_voice-agent"));
        command.args(arguments).envs(&self.settings).envs(settings);
        tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
    }

    fn command(&self) -> Command {
        let mut command = self.bare(env!("CARGO_BIN_EXE_voice-agent"));
        command.arg("serve");
        command
    }

    fn bare(&self, program: &str) -> Command {
        let mut command = clean(program);
        command.env("DATA_DIR", self.path().join("data"));
        command
    }
}

/// A command that sees nothing of the developer's environment but where programs and models are.
pub(crate) fn clean(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    for name in ["PATH", "HOME", "XDG_CACHE_HOME", "TMPDIR"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command
}

/// Runs one of the binary's other commands to its end.
pub(crate) async fn run(arguments: Vec<String>) -> Output {
    let work = move || clean(env!("CARGO_BIN_EXE_voice-agent")).args(arguments).output();
    tokio::task::spawn_blocking(work).await.unwrap().unwrap()
}

/// A file of the fixtures.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audio").join(name)
}

/// A program that a test cannot do without. Without it the test is skipped, and says so; in CI it fails.
pub(crate) fn has(program: &str, how: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()));
    if !found {
        skip(&format!("{program} is missing ({how})"));
    }
    found
}

/// Says that a test does not run. Past the harness, which shows nothing of a test that passes.
pub(crate) fn skip(why: &str) {
    assert!(!matches!(std::env::var("CI").as_deref(), Ok("true" | "1")), "{why}");
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let mut past_the_harness = std::io::stderr();
    writeln!(past_the_harness, "SKIPPED {name}: {why}").unwrap();
}

/// A running server. It ends with this value, however the test ends.
pub(crate) struct Process {
    child: Child,
    pub(crate) http: SocketAddr,
    pub(crate) metrics: SocketAddr,
    pub(crate) client: reqwest::Client,
    log: Arc<Mutex<Vec<String>>>,
    is_deaf: Arc<AtomicBool>,
}

impl Process {
    async fn start(mut command: Command, settings: &BTreeMap<&'static str, String>, addr: SocketAddr) -> Self {
        if settings.get("STT_CHAIN").is_none_or(|chain| chain == "embedded") {
            command.envs(PATIENT);
        }
        command
            .env("HTTP_ADDR", addr.to_string())
            .env("METRICS_ADDR", "127.0.0.1:0")
            .envs([("LOG_FORMAT", "json"), ("LOG_LEVEL", "info"), ("RUST_BACKTRACE", "1")])
            .envs(settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, mut lines) = mpsc::unbounded_channel();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (stderr, kept) = (child.stderr.take().unwrap(), Arc::clone(&log));
        let is_deaf = Arc::new(AtomicBool::new(false));
        let deaf = Arc::clone(&is_deaf);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if deaf.load(Ordering::Relaxed) {
                    break;
                }
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
                // Nobody listens after the start.
                let _started = sender.send(line);
            }
        });
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut process = Self { child, http: nowhere, metrics: nowhere, client: reqwest::Client::new(), log, is_deaf };
        let started = async {
            loop {
                let line = lines.recv().await.expect("the server's log ended before it was ready");
                let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
                match line["message"].as_str() {
                    Some("listening") => {
                        let at = |field: &str| line[field].as_str().unwrap().parse().unwrap();
                        (process.http, process.metrics) = (at("http_addr"), at("metrics_addr"));
                    }
                    Some("ready") => return,
                    _ => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, started).await.expect("the server is ready in time");
        process
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) -> SocketAddr {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.http
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// A signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// From its next line on nobody reads the server's log: the pipe is closed.
    pub(crate) fn close_log(&self) {
        self.is_deaf.store(true, Ordering::Relaxed);
    }

    /// Waits for the process to end by itself.
    pub(crate) async fn exit(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the server does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The log's lines with this message.
    pub(crate) fn logged(&self, message: &str) -> Vec<Value> {
        let lines = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let parsed = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        parsed.filter(|line| line["message"].as_str().is_some_and(|said| said.contains(message))).collect()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http)
    }

    pub(crate) fn request(&self, method: Method, path: &str, token: &str) -> reqwest::RequestBuilder {
        self.client.request(method, self.url(path)).bearer_auth(token)
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Response {
        self.request(Method::GET, path, token).send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> Response {
        self.request(Method::POST, path, token).json(body).send().await.unwrap()
    }

    pub(crate) async fn session(&self, body: &Value) -> Session {
        let response = self.post("/api/sessions", "", body).await;
        assert_eq!(response.status(), 201);
        let body: Value = response.json().await.unwrap();
        let text = |field: &str| body[field].as_str().unwrap().to_owned();
        Session { id: text("session_id"), token: text("token"), body }
    }

    pub(crate) async fn user(&self, user: &str) -> Session {
        self.session(&json!({"user_id": user, "time_zone": "Europe/Berlin"})).await
    }

    /// The same session again, as a page that was cut off asks for it.
    pub(crate) async fn back(&self, session: &Session) -> Session {
        self.session(&json!({"session_id": session.id, "token": session.token})).await
    }

    /// A typed message and its whole answer.
    pub(crate) async fn say(&self, session: &Session, text: &str) -> Value {
        let path = format!("/api/sessions/{}/messages", session.id);
        let response = self.post(&path, &session.token, &json!({"text": text})).await;
        let status = response.status();
        let body: Value = response.json().await.unwrap();
        assert_eq!(status, 200, "{text}: {body}");
        body
    }

    /// A typed message and what the agent says to it.
    pub(crate) async fn reply(&self, session: &Session, text: &str) -> String {
        self.say(session, text).await["reply"].as_str().unwrap().to_owned()
    }

    /// The session's JSON, which has the contract's fields and no other.
    pub(crate) async fn doc(&self, session: &Session) -> Value {
        let response = self.get(&format!("/api/sessions/{}", session.id), &session.token).await;
        assert_eq!(response.status(), 200);
        let doc: Value = response.json().await.unwrap();
        let mut fields: Vec<&str> = doc.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(fields, super::contract::SESSION_FIELDS);
        doc
    }

    /// What was said in the session, a line each: `user: …`, `assistant: …`.
    pub(crate) async fn history(&self, session: &Session) -> Vec<String> {
        let doc = self.doc(session).await;
        let items = doc["conversation_history"].as_array().unwrap();
        items
            .iter()
            .map(|item| format!("{}: {}", item["role"].as_str().unwrap(), item["content"].as_str().unwrap()))
            .collect()
    }

    pub(crate) async fn tasks(&self, session: &Session) -> Vec<Value> {
        let response = self.get("/api/tasks", &session.token).await;
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    /// The titles of the tasks with this status, sorted.
    pub(crate) async fn titles(&self, session: &Session, status: &str) -> Vec<String> {
        let tasks = self.tasks(session).await;
        let mut titles: Vec<String> = tasks
            .iter()
            .filter(|task| task["status"] == status)
            .map(|task| task["title"].as_str().unwrap().to_owned())
            .collect();
        titles.sort();
        titles
    }

    pub(crate) async fn exposition(&self) -> String {
        let response = self.client.get(format!("http://{}/metrics", self.metrics)).send().await.unwrap();
        response.text().await.unwrap()
    }

    /// The value of a series, written as Prometheus does.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let text = self.exposition().await;
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no series {series} in\n{text}")).parse().unwrap()
    }

    /// The status and the body of `GET /health/ready`.
    pub(crate) async fn readiness(&self) -> (u16, Value) {
        let response = self.get("/health/ready", "").await;
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// Asserts that the session is over for its caller.
    pub(crate) async fn is_over(&self, session: &Session) {
        let path = format!("/api/sessions/{}/messages", session.id);
        eventually("the session is over", async || self.metric("voice_agent_active_sessions").await == 0.0).await;
        problem(self.post(&path, &session.token, &json!({"text": "hi"})).await, 404, "session_ended").await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already: then there is nothing to end.
        let _may_be_gone = self.child.kill();
        let _status = self.child.wait();
        if std::thread::panicking() {
            let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            let _nobody_reads = writeln!(std::io::stderr(), "the server's log:\n{}", log.join("\n"));
        }
    }
}

/// Waits until something is so; gives up when it will not be.
pub(crate) async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
