//! The real server: the release binary, as a child.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::machine;
use crate::overhead::sum_of;

/// The binary that is measured.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_voice-agent");
/// Longest start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server with a data folder of its own. It is killed when this is dropped.
pub(crate) struct Server {
    child: Child,
    /// Where callers reach it.
    pub(crate) url: String,
    metrics_url: String,
    /// From the start of the process.
    pub(crate) listening_after: Duration,
    /// From the start of the process.
    pub(crate) ready_after: Duration,
    _folder: tempfile::TempDir,
}

impl Server {
    /// Starts one and waits until it takes sessions.
    pub(crate) async fn start(greeting: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let began = Instant::now();
        let mut child = Command::new(BINARY)
            .arg("serve")
            .env("DATA_DIR", folder.path())
            .env("HTTP_ADDR", "127.0.0.1:0")
            .env("METRICS_ADDR", "127.0.0.1:0")
            .env("LOG_FORMAT", "json")
            .env("LOG_LEVEL", "info")
            .env("GREETING", greeting)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context(BINARY)?;
        let mut lines = BufReader::new(child.stderr.take().context("no standard error")?).lines();
        let (mut addresses, mut listening_after) = (None, Duration::ZERO);
        let ready_after = loop {
            let line =
                tokio::time::timeout(PATIENCE, lines.next_line()).await.context("the server does not start")??;
            let Some(line) = line else { bail!("the server ended before it was ready") };
            let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
            match event["message"].as_str() {
                Some("listening") => {
                    listening_after = began.elapsed();
                    let text = |name: &str| event[name].as_str().map(str::to_owned).context("no address in the log");
                    addresses = Some((text("http_addr")?, text("metrics_addr")?));
                }
                Some("ready") => break began.elapsed(),
                _ => {}
            }
        };
        // Its log is read to the end, or it would wait for us.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let (http, metrics) = addresses.context("the server did not say where it listens")?;
        Ok(Self {
            child,
            url: format!("http://{http}"),
            metrics_url: format!("http://{metrics}/metrics"),
            listening_after,
            ready_after,
            _folder: folder,
        })
    }

    /// Its process id, as /proc has it.
    pub(crate) fn process(&self) -> Result<String> {
        Ok(self.child.id().context("the server has ended")?.to_string())
    }

    /// A metric's value, added up over its labels.
    pub(crate) async fn metric(&self, name: &str) -> Result<f64> {
        let text = reqwest::get(&self.metrics_url).await?.error_for_status()?.text().await?;
        Ok(sum_of(&text, name))
    }

    /// Processor seconds so far.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        machine::cpu_seconds(&self.process()?)
    }

    /// Resident memory in MB.
    pub(crate) fn resident_mb(&self) -> Result<f64> {
        machine::resident_mb(&self.process()?)
    }

    /// Ends it.
    pub(crate) async fn stop(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }
}
