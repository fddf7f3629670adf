//! The log of a session's inputs, for `voice-agent replay`. It holds what callers say: it is off unless a folder is
//! configured, and sealed under the caller's key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use voice_core::log::{Digest, Entry, Header};
use voice_core::{Input, Output};

use crate::store::{SessionId, UserId};
use crate::vault::{MAX_CHUNK_BYTES, Sealer, Sealing, Vault, VaultError};

/// Lines that may wait for the disk; when they are more, the log ends, and says so.
const QUEUE: usize = 1_024;
/// The most that one log may hold, in bytes.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Where logs of inputs are kept, and whose keys seal them.
#[derive(Debug, Clone)]
pub struct InputLogs {
    /// The folder.
    pub dir: PathBuf,
    /// Everybody's keys.
    pub vault: Arc<Vault>,
}

/// Why a log is not written.
#[derive(Debug, thiserror::Error)]
enum LogError {
    #[error(transparent)]
    Disk(#[from] std::io::Error),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// One session's log.
#[derive(Debug)]
pub(super) struct Journal {
    lines: Option<mpsc::Sender<Vec<u8>>>,
    digest: Digest,
    session: String,
}

impl Journal {
    /// Begins a log of this user's session, or none. The tracker's owner waits for its last line.
    pub(super) fn begin(
        logs: Option<&InputLogs>,
        user: &UserId,
        session: &str,
        header: &Header,
        tracker: &TaskTracker,
    ) -> Self {
        let mut journal = Self { lines: None, digest: Digest::default(), session: session.to_owned() };
        if let Some(logs) = logs {
            let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%3fZ");
            let name = format!("{session}-{now}.jsonl");
            let (sender, receiver) = mpsc::channel(QUEUE);
            let writer = Writer {
                logs: logs.clone(),
                user: user.clone(),
                session: SessionId::new(session),
                name,
                _sealing: logs.vault.sealing(user),
            };
            tracker.spawn(writer.run(receiver));
            journal.lines = Some(sender);
            journal.line(header);
        }
        journal
    }

    /// Whether anything is written: otherwise inputs need not be kept for it.
    pub(super) const fn is_on(&self) -> bool {
        self.lines.is_some()
    }

    /// Takes an output that the last input caused.
    pub(super) fn output(&mut self, output: &Output) {
        if self.is_on()
            && let Err(error) = self.digest.add(output)
        {
            tracing::error!(session = self.session, %error, "an output cannot be logged; the log ends here");
            self.lines = None;
        }
    }

    /// Takes an input, after its outputs.
    pub(super) fn input(&mut self, at_ms: u64, input: Input) {
        let digest = self.digest.value();
        self.line(&Entry { at_ms, input, digest });
    }

    fn line(&mut self, line: &impl serde::Serialize) {
        let Some(lines) = &self.lines else { return };
        let sent = serde_json::to_vec(line).map_err(|error| error.to_string()).and_then(|mut bytes| {
            bytes.push(b'\n');
            lines.try_send(bytes).map_err(|_| "the disk is too slow, or refuses".to_owned())
        });
        if let Err(reason) = sent {
            tracing::warn!(session = self.session, reason, "the log of inputs ends here");
            self.lines = None;
        }
    }
}

/// What writes one log.
struct Writer {
    logs: InputLogs,
    user: UserId,
    session: SessionId,
    name: String,
    _sealing: Sealing,
}

impl Writer {
    async fn run(self, lines: mpsc::Receiver<Vec<u8>>) {
        let path = self.logs.dir.join(format!("{}.sealed", self.name));
        if let Err(error) = self.write(&path, lines).await {
            tracing::warn!(path = %path.display(), %error, "the log of inputs cannot be written");
        }
    }

    async fn write(&self, path: &Path, mut lines: mpsc::Receiver<Vec<u8>>) -> Result<(), LogError> {
        let key = self.logs.vault.key_for(&self.user, &self.session).await?;
        let (mut sealer, mut sealed) = Sealer::new(&key, &format!("input-log/{}", self.name))?;
        tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.logs.dir).await?;
        let mut file = tokio::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).await?;
        let (mut text, mut bytes) = (Vec::new(), 0);
        while let Some(line) = lines.recv().await {
            bytes += line.len();
            if bytes > MAX_BYTES {
                tracing::warn!(path = %path.display(), "the log of inputs is full");
                break;
            }
            text.extend_from_slice(&line);
            // As many lines as wait are one chunk.
            if lines.is_empty() || text.len() >= MAX_CHUNK_BYTES {
                sealer.seal(&text, &mut sealed)?;
                file.write_all(&sealed).await?;
                text.clear();
                sealed.clear();
            }
        }
        sealer.seal(&text, &mut sealed)?;
        sealer.finish(&mut sealed)?;
        file.write_all(&sealed).await?;
        file.flush().await?;
        Ok(())
    }
}
