//! The processes of a drill: instances of the server, and whatever else is started. Each ends with its value.

use std::io::BufReader;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// Longest wait for a process to be ready, or gone.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks.
pub(super) const LOOK: Duration = Duration::from_millis(5);

/// A process of ours.
#[derive(Debug)]
pub(super) struct Ours(pub(super) Child);

impl Ours {
    pub(super) fn signal(&self, name: &str) -> Result<()> {
        let status = Command::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]).status()?;
        if status.success() { Ok(()) } else { bail!("kill -{name} failed") }
    }

    /// How long it takes from `since` until it is gone.
    pub(super) async fn gone(&mut self, since: Instant) -> Result<Duration> {
        while since.elapsed() < PATIENCE {
            if self.0.try_wait()?.is_some() {
                return Ok(since.elapsed());
            }
            sleep(LOOK).await;
        }
        bail!("a process did not end")
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

/// How instances are started.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    /// The server's binary.
    pub(super) binary: PathBuf,
    /// Its environment.
    pub(super) environment: Vec<(String, String)>,
    /// Where each keeps what it has alone, and its log.
    pub(super) folder: PathBuf,
}

/// One instance of the server.
#[derive(Debug)]
pub(super) struct Instance {
    process: Ours,
    /// Where callers are answered.
    pub(super) address: SocketAddr,
    /// Where its metrics are.
    pub(super) metrics: SocketAddr,
}

impl Instance {
    /// Starts one, and waits until it is ready.
    pub(super) async fn start(launch: &Launch, name: &str) -> Result<Self> {
        let mut command = Command::new(&launch.binary);
        command.arg("serve").env_clear();
        for inherited in ["PATH", "HOME", "XDG_CACHE_HOME"] {
            command.envs(std::env::var_os(inherited).map(|value| (inherited, value)));
        }
        command.envs(launch.environment.iter().map(|(name, value)| (name, value)));
        command.env("DATA_DIR", launch.folder.join(name)).env("LOG_FORMAT", "json");
        command.env("HTTP_ADDR", "127.0.0.1:0").env("METRICS_ADDR", "127.0.0.1:0");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = Ours(command.spawn().with_context(|| launch.binary.display().to_string())?);
        let log = process.0.stderr.take().context("no log")?;
        let (sender, ready) = oneshot::channel();
        let file = std::fs::File::create(launch.folder.join(format!("{name}.log")))?;
        std::thread::spawn(move || read_log(BufReader::new(log), file, sender));
        let ready = timeout(PATIENCE, ready).await.context("an instance is not ready in time")?;
        let (address, metrics) = ready.context("an instance ended before it was ready")?;
        Ok(Self { process, address, metrics })
    }

    /// `kill -9`.
    pub(super) fn kill(&self) -> Result<()> {
        self.process.signal("KILL")
    }

    /// SIGTERM.
    pub(super) fn stop(&self) -> Result<()> {
        self.process.signal("TERM")
    }

    /// How long it takes from `since` until it is gone.
    pub(super) async fn gone(&mut self, since: Instant) -> Result<Duration> {
        self.process.gone(since).await
    }
}

/// Keeps the log, and says where callers are answered, and where the metrics are, once the instance is ready.
fn read_log(log: impl std::io::BufRead, mut file: std::fs::File, sender: oneshot::Sender<(SocketAddr, SocketAddr)>) {
    let (mut sender, mut addresses) = (Some(sender), None);
    for line in log.lines().map_while(std::io::Result::ok) {
        // The log is for whoever looks for what went wrong.
        let _kept = std::io::Write::write_all(&mut file, format!("{line}\n").as_bytes());
        let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
        match line["message"].as_str() {
            Some("listening") => {
                let address = |field: &str| line[field].as_str().and_then(|text| text.parse().ok());
                addresses = address("http_addr").zip(address("metrics_addr"));
            }
            Some("ready") => {
                if let Some((sender, addresses)) = sender.take().zip(addresses) {
                    // Whoever waits may have given up.
                    let _gone = sender.send(addresses);
                }
            }
            _ => {}
        }
    }
}
