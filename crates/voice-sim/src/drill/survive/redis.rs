//! The Redis of a drill: one server, or a master with a replica and a Sentinel; and what stands in it.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tokio::time::sleep;

use super::super::fleet::{LOOK, Ours, PATIENCE};
use super::life::Life;

/// The name that the Sentinel knows the master by.
const SERVICE: &str = "calls";

/// A `redis-server` that keeps every write on the disk.
#[derive(Debug)]
pub(super) struct Server {
    process: Ours,
    pub(super) port: u16,
    folder: PathBuf,
}

impl Server {
    /// Starts one on a free port, and waits until it answers.
    pub(super) async fn start(folder: PathBuf, more: &[&str]) -> Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let port = free_port()?;
        let process = Self::launch(port, &folder, more).await?;
        Ok(Self { process, port, folder })
    }

    /// `REDIS_URL`.
    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// `kill -9`.
    pub(super) async fn kill(&mut self) -> Result<()> {
        self.process.signal("KILL")?;
        self.process.gone(Instant::now()).await.map(drop)
    }

    /// Starts again on what it left.
    pub(super) async fn start_again(&mut self) -> Result<()> {
        self.process = Self::launch(self.port, &self.folder, &[]).await?;
        Ok(())
    }

    /// How far it is in the stream of changes.
    pub(super) fn offset(&self) -> Result<i64> {
        let info = talk(self.port, "INFO replication".to_owned())?;
        let field = |name: &str| {
            let (_, rest) = info.split_once(&format!("{name}:"))?;
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        };
        field("slave_repl_offset").or_else(|| field("master_repl_offset")).context("no offset")
    }

    async fn launch(port: u16, folder: &Path, more: &[&str]) -> Result<Ours> {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "yes"]);
        command.args(["--appendfsync", "always", "--dir"]).arg(folder).args(more);
        listening(command, port).await
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Starts a Redis, and waits until it takes connections.
async fn listening(mut command: Command, port: u16) -> Result<Ours> {
    let process = Ours(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().context("redis-server")?);
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        ensure!(began.elapsed() < PATIENCE, "redis-server does not answer");
        sleep(LOOK).await;
    }
    Ok(process)
}

/// Where the callers' sessions and tasks are.
#[derive(Debug)]
pub(super) struct Redis {
    master: Server,
    /// A replica, and the Sentinel that makes it the master, with its port.
    other: Option<(Server, Ours, u16)>,
}

impl Redis {
    /// One server.
    pub(super) async fn start(folder: &Path) -> Result<Self> {
        Ok(Self { master: Server::start(folder.join("redis"), &[]).await?, other: None })
    }

    /// A master with a replica, and a Sentinel that looks after them.
    pub(super) async fn start_watched(folder: &Path) -> Result<Self> {
        let master = Server::start(folder.join("redis"), &[]).await?;
        let port = master.port.to_string();
        let replica = Server::start(folder.join("replica"), &["--replicaof", "127.0.0.1", &port]).await?;
        let (sentinel, file) = (free_port()?, folder.join("sentinel.conf"));
        let config = format!(
            "port {sentinel}\nbind 127.0.0.1\nsentinel monitor {SERVICE} 127.0.0.1 {port} 1\n\
             sentinel down-after-milliseconds {SERVICE} 1000\nsentinel failover-timeout {SERVICE} 5000\n"
        );
        std::fs::write(&file, config)?;
        let mut command = Command::new("redis-server");
        command.arg(&file).arg("--sentinel");
        let watch = listening(command, sentinel).await?;
        let redis = Self { master, other: Some((replica, watch, sentinel)) };
        redis
            .until("the replica follows", |redis| redis.says(redis.master.port, "INFO replication", "state=online"))
            .await?;
        redis
            .until("the Sentinel knows the replica", |redis| redis.says(sentinel, "INFO sentinel", "slaves=1"))
            .await?;
        Ok(redis)
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Self) -> Result<bool>) -> Result<()> {
        let began = Instant::now();
        while !is_so(self)? {
            ensure!(began.elapsed() < PATIENCE, "never: {what}");
            sleep(LOOK).await;
        }
        Ok(())
    }

    fn says(&self, port: u16, command: &str, words: &str) -> Result<bool> {
        Ok(talk(port, command.to_owned())?.contains(words))
    }

    /// `REDIS_URL`.
    pub(super) fn url(&self) -> String {
        match &self.other {
            Some((_, _, sentinel)) => format!("redis+sentinel://127.0.0.1:{sentinel}/{SERVICE}"),
            None => self.master.url(),
        }
    }

    /// Stands still, or goes on.
    pub(super) fn hold(&self, stands: bool) -> Result<()> {
        self.master.process.signal(if stands { "STOP" } else { "CONT" })
    }

    /// `kill -9`, and starts again on what it left.
    pub(super) async fn restart(&mut self) -> Result<()> {
        self.master.kill().await?;
        self.master.start_again().await
    }

    /// `kill -9` of the master, until the replica is the master.
    pub(super) async fn fail_over(&mut self) -> Result<()> {
        let Some((replica, watch, sentinel)) = self.other.take() else { bail!("there is no replica") };
        self.master.process.signal("KILL")?;
        let old = std::mem::replace(&mut self.master, replica);
        self.other = Some((old, watch, sentinel));
        self.until("the replica is the master", |redis| {
            redis.says(redis.master.port, "INFO replication", "role:master")
        })
        .await
    }

    /// Puts what is kept of the calls into their lives.
    pub(super) fn look(&self, lives: &mut [Life], sessions: &HashMap<String, Value>) -> Result<()> {
        for life in lives {
            let Some(doc) = life.call.as_ref().and_then(|call| sessions.get(call)) else { continue };
            let history = doc["conversation_history"].as_array().into_iter().flatten();
            let lines = history.filter(|item| item["role"] == "user").filter_map(|item| item["content"].as_str());
            life.said = lines.map(str::to_lowercase).collect();
            let tasks = ask(self.master.port, &[format!("HGETALL voice:tasks:{}", life.user)])?;
            let tasks = tasks.iter().filter_map(Value::as_object).flatten();
            let tasks = tasks.filter(|(name, _)| name.starts_with("task:")).filter_map(|(_, task)| parsed(task));
            life.titles = tasks.filter_map(|task| Some(task["title"].as_str()?.to_lowercase())).collect();
        }
        Ok(())
    }

    /// The sessions of calls by telephone, by the call's id.
    pub(super) fn calls(&self) -> Result<HashMap<String, Value>> {
        let keys = ask(self.master.port, &["KEYS voice:session:*".to_owned()])?;
        let keys = keys.iter().filter_map(Value::as_array).flatten().filter_map(Value::as_str);
        let gets: Vec<String> = keys.map(|key| format!("GET {key}")).collect();
        let docs = ask(self.master.port, &gets)?.iter().filter_map(parsed).collect::<Vec<_>>();
        let by_call = docs.into_iter().filter_map(|doc| Some((doc["context"]["call_sid"].as_str()?.to_owned(), doc)));
        Ok(by_call.collect())
    }
}

/// JSON in a string of JSON.
fn parsed(text: &Value) -> Option<Value> {
    serde_json::from_str(text.as_str()?).ok()
}

/// What Redis answers to each command, of those that answer in JSON.
fn ask(port: u16, commands: &[String]) -> Result<Vec<Value>> {
    let text = talk(port, commands.join("\n"))?;
    text.lines().filter(|line| !line.is_empty()).map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// Sends commands, one a line, by `redis-cli`, which comes with the server.
fn talk(port: u16, commands: String) -> Result<String> {
    let mut command = Command::new("redis-cli");
    command.args(["-p", &port.to_string(), "--json"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut cli = command.spawn().context("redis-cli")?;
    let mut input = cli.stdin.take().context("redis-cli takes nothing")?;
    // It answers while it still reads: neither is to wait for the other.
    let writing = std::thread::spawn(move || writeln!(input, "{commands}"));
    let output = cli.wait_with_output()?;
    writing.join().ok().context("redis-cli")??;
    Ok(String::from_utf8(output.stdout)?)
}
