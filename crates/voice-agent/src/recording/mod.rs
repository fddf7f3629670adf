//! Recordings of calls: what was said and heard, sealed under the caller's key, kept for as long as it may be.
//!
//! A session's driver tapes through its [`Tape`], frame by frame and only with the permit that consent is. A part's task makes sealed files
//! of that in the spool below `DATA_DIR`; the uploader brings them to the storage, and retention deletes them there.
//! docs/recordings.md says what follows from that for those who operate it.

mod card;
mod decode;
mod hold;
mod mix;
mod name;
mod packet;
mod part;

mod retention;
mod spool;
mod storage;
mod tape;
mod transcript;
mod upload;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::{Mutex, Notify, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Recording;
use crate::readiness::Readiness;
use crate::store::Clock;
use crate::telemetry::Events;
use crate::vault::{Fate, Opened, Pseudonym, SealError, Vault, VaultError, open};

pub use decode::{DecodeError, decode};
pub use name::{Kind, Name, NoName};
pub use retention::{Deleted, Report};
pub use spool::SpoolError;
pub use storage::{StorageError, Stored};
pub use tape::{Call, Tape};

use part::{About, Taped};
use spool::Spool;
use storage::Storage;
use upload::said;

const MB: u64 = 1_000_000;
/// Parts that encode and write at the same time.
const WRITERS: usize = 4;

/// What recordings are made of.
pub struct Parts {
    /// The settings.
    pub settings: Recording,
    /// Everybody's keys.
    pub vault: Arc<Vault>,
    /// Metrics and log.
    pub events: Arc<Events>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where it is said that recordings cannot be stored.
    pub readiness: Arc<Readiness>,
    /// Where the parts' tasks are waited for at the end.
    pub tracker: TaskTracker,
}

/// A recording's file, wherever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What it is.
    pub name: Name,
    /// Its size, sealed.
    pub bytes: u64,
    /// It is on this instance's disk, and not yet in the storage.
    pub is_waiting: bool,
}

/// Why a recording cannot be read or deleted.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The storage does not answer, or refuses.
    #[error("{}", said(.0))]
    Storage(#[from] StorageError),
    /// The disk on which recordings wait refuses.
    #[error("the recordings that wait: {0}")]
    Spool(#[from] std::io::Error),
    /// There is no key now.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The user's key was destroyed: nobody can read it any more.
    #[error("the key of this recording was destroyed")]
    Erased,
    /// It was changed, or is not what its name says.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// It is another recording, put under this name.
    #[error("the file says that it is {0:?}, which is not its name")]
    Misnamed(String),
}

/// Everything about recordings in this process.
pub struct Recorder {
    settings: Recording,
    vault: Arc<Vault>,
    events: Arc<Events>,
    clock: Arc<dyn Clock>,
    readiness: Arc<Readiness>,
    tracker: TaskTracker,
    storage: Storage,
    data_dir: PathBuf,
    instance: String,
    /// None where nothing is recorded and nothing waits.
    spool: Option<Arc<Spool>>,
    waiting_bytes: AtomicU64,
    /// Bytes of the parts that are being made.
    live_bytes: AtomicU64,
    /// When the last part began, in milliseconds since 1970: no two have the same name.
    last_start_ms: AtomicI64,
    news: Notify,
    /// Parts that encode and write at the same time: each takes a thread with its stack for that moment.
    writers: Semaphore,
    /// Whoever brings files to the storage is alone.
    rounds: Mutex<()>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("records", &self.records()).finish_non_exhaustive()
    }
}

impl Recorder {
    /// Puts it together. A spool that cannot be opened is said in log and readiness: calls go on, and are not recorded.
    ///
    /// # Errors
    /// [`StorageError`] for a storage that no setting can mean.
    pub fn new(parts: Parts, data_dir: &Path, instance: &str) -> Result<Arc<Self>, StorageError> {
        let Parts { settings, vault, events, clock, readiness, tracker } = parts;
        let storage = Storage::new(&settings, data_dir)?;
        let spool = if settings.enabled || spool::is_there(data_dir) {
            Spool::open(data_dir, instance)
                .map_err(|error| readiness.degrade("recording", format!("nothing is recorded: {error}")))
                .ok()
                .map(Arc::new)
        } else {
            None
        };
        let (waiting_bytes, live_bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        let (news, rounds) = (Notify::new(), Mutex::default());
        Ok(Arc::new(Self {
            settings,
            vault,
            events,
            clock,
            readiness,
            tracker,
            storage,
            data_dir: data_dir.to_owned(),
            instance: instance.to_owned(),
            spool,
            waiting_bytes,
            live_bytes,
            last_start_ms: AtomicI64::new(0),
            news,
            writers: Semaphore::new(WRITERS),
            rounds,
        }))
    }

    /// Brings what waits to the storage and deletes what is too old, until `stop`. What each round deleted is told to `report`.
    pub fn keep(self: &Arc<Self>, stop: &CancellationToken, tasks: &TaskTracker, report: Report) {
        tasks.spawn(stop.clone().run_until_cancelled_owned(upload::run(Arc::clone(self))));
        tasks.spawn(stop.clone().run_until_cancelled_owned(retention::run(Arc::clone(self), report)));
    }

    /// Deletes what is too old, until `stop`, and nothing else: that needs nobody's key.
    pub fn retain(self: &Arc<Self>, stop: &CancellationToken, tasks: &TaskTracker) {
        // Without keys there is no access log either.
        let report: Report = Arc::new(|_| Box::pin(std::future::ready(())));
        tasks.spawn(stop.clone().run_until_cancelled_owned(retention::run(Arc::clone(self), report)));
    }

    /// Whether calls are recorded, if their callers agree.
    pub fn records(&self) -> bool {
        self.settings.enabled && self.spool.is_some()
    }

    /// What is left is brought to the storage, once: the process ends. What cannot be stays on the disk.
    pub async fn flush(&self) {
        upload::round(self).await;
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// When a part that begins now says that it began.
    fn start(&self) -> Timestamp {
        let now_ms = self.now().as_millisecond();
        let after = |last_ms: i64| Some(now_ms.max(last_ms + 1));
        let before = self.last_start_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after);
        Timestamp::from_millisecond(now_ms.max(before.unwrap_or(0) + 1)).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn lost_frames(&self, count: u64) {
        self.events.recording_frames_lost(count);
    }

    /// Whether more is on the disk than may be: what waits for the storage, and what is being made.
    fn is_full(&self) -> bool {
        let bytes = self.waiting_bytes.load(Ordering::Relaxed) + self.live_bytes.load(Ordering::Relaxed);
        bytes > self.settings.spool_max_mb.saturating_mul(MB)
    }

    /// Begins a part; none if none can be now.
    fn begin(self: &Arc<Self>, about: About) -> Option<mpsc::Sender<Taped>> {
        let spool = self.spool.as_ref().filter(|_| self.settings.enabled)?;
        if self.is_full() {
            self.events.recording_failed("waiting", &about.session, &"too much waits for the storage");
            return None;
        }
        let (sender, taped) = mpsc::channel(tape::QUEUE);
        let (recorder, spool) = (Arc::clone(self), Arc::clone(spool));
        let sealing = self.vault.sealing(&about.user);
        self.tracker.spawn(async move {
            let _sealing = sealing;
            let session = about.session.clone();
            match part::make(Arc::clone(&recorder), spool, about, taped).await {
                Ok(bytes) => tracing::debug!(session, bytes, "a part of the recording is complete"),
                Err(error) => recorder.events.recording_failed(error.reason(), &session, &error),
            }
            recorder.news.notify_one();
        });
        Some(sender)
    }

    /// All recordings, or one user's: what is stored, and what waits here.
    ///
    /// # Errors
    /// [`RecordingError`].
    pub async fn list(&self, owner: Option<Pseudonym>) -> Result<Vec<Listed>, RecordingError> {
        self.adopt().await?;
        let of = owner.map(|owner| owner.to_string());
        let stored = self.storage.list(of.as_deref()).await?;
        let mut all: Vec<Listed> =
            stored.into_iter().map(|Stored { name, bytes }| Listed { name, bytes, is_waiting: false }).collect();
        for waiting in self.waiting().await?.into_iter().filter(|one| owner.is_none_or(|owner| one.name.owner == owner))
        {
            if all.iter().all(|one| one.name != waiting.name) {
                all.push(Listed { name: waiting.name, bytes: waiting.bytes, is_waiting: true });
            }
        }
        all.sort_by(|a, b| (a.name.start, &a.name).cmp(&(b.name.start, &b.name)));
        Ok(all)
    }

    /// Takes up what processes that are no more have left on this disk.
    async fn adopt(&self) -> std::io::Result<()> {
        let Some(spool) = self.spool.clone() else { return Ok(()) };
        tokio::task::spawn_blocking(move || spool.adopt()).await?
    }

    async fn waiting(&self) -> std::io::Result<Vec<spool::Waiting>> {
        let Some(spool) = self.spool.clone() else { return Ok(Vec::new()) };
        tokio::task::spawn_blocking(move || spool.waiting()).await?
    }

    /// What waits here of this owner.
    ///
    /// # Errors
    /// [`RecordingError::Spool`].
    pub async fn waiting_of(&self, owner: Pseudonym) -> Result<Vec<Name>, RecordingError> {
        let waiting = self.waiting().await?.into_iter();
        Ok(waiting.map(|one| one.name).filter(|name| name.owner == owner).collect())
    }

    /// How many of this owner's files wait on this disk in the folders of other processes, which live, or where this one cannot get at them.
    ///
    /// # Errors
    /// [`RecordingError::Spool`].
    pub async fn waiting_elsewhere(&self, owner: Pseudonym) -> Result<u64, RecordingError> {
        let (data_dir, instance) = (self.data_dir.clone(), self.instance.clone());
        let look = tokio::task::spawn_blocking(move || spool::elsewhere(&data_dir, &instance, owner));
        Ok(look.await.map_err(std::io::Error::from)??)
    }

    /// Deletes what waits here of this owner, and nobody can read any more, since this became of the key. What was just being brought to the storage is there when this is through.
    ///
    /// # Errors
    /// [`RecordingError`]; some of it may be there still.
    pub async fn forget_waiting(&self, owner: Pseudonym, fate: Fate) -> Result<(), RecordingError> {
        let Some(spool) = self.spool.clone() else { return Ok(()) };
        let _alone = self.rounds.lock().await;
        let forgetting = tokio::task::spawn_blocking(move || spool.adopt().and_then(|()| spool.forget(owner, fate)));
        let files = forgetting.await.map_err(std::io::Error::from)??;
        self.events.recordings_deleted(files);
        Ok(())
    }

    /// A recording's file as it is kept, sealed; none if there is none.
    ///
    /// # Errors
    /// [`RecordingError`].
    pub async fn sealed(&self, name: &Name) -> Result<Option<Bytes>, RecordingError> {
        if let Some(waiting) = self.waiting().await?.into_iter().find(|one| one.name == *name) {
            return Ok(Some(tokio::fs::read(waiting.path).await?.into()));
        }
        Ok(self.storage.get(name).await?)
    }

    /// A recording's file, opened; none if there is none.
    ///
    /// # Errors
    /// [`RecordingError`], also when it is not what its name says.
    pub async fn open(&self, name: &Name) -> Result<Option<Opened>, RecordingError> {
        let Some(sealed) = self.sealed(name).await? else { return Ok(None) };
        let key = self.vault.key_of(name.owner).await?.ok_or(RecordingError::Erased)?;
        let opening = tokio::task::spawn_blocking(move || open(&sealed, &key));
        let opened = opening.await.map_err(std::io::Error::from)??;
        if opened.label == name.label() { Ok(Some(opened)) } else { Err(RecordingError::Misnamed(opened.label)) }
    }

    /// Deletes one file, wherever it is.
    ///
    /// # Errors
    /// [`RecordingError`]; it is not known to be gone then.
    pub async fn delete(&self, name: &Name) -> Result<(), RecordingError> {
        if let Some(spool) = &self.spool {
            for waiting in self.waiting().await?.into_iter().filter(|one| one.name == *name) {
                spool.remove(&waiting.path)?;
            }
        }
        Ok(self.storage.delete(name).await?)
    }

    /// Deletes all of a user's recordings. How many files.
    ///
    /// # Errors
    /// [`RecordingError`]; some of them may be there still.
    pub async fn delete_of(&self, owner: Pseudonym) -> Result<u64, RecordingError> {
        // What is on its way to the storage would come there after it was deleted.
        let _alone = self.rounds.lock().await;
        let all = self.list(Some(owner)).await?;
        for one in &all {
            self.delete(&one.name).await?;
        }
        self.events.recordings_deleted(all.len() as u64);
        Ok(all.len() as u64)
    }
}

#[cfg(test)]
mod tests;
