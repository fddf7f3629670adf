//! Writes accesses down, one after the other.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::hmac;
use tokio::sync::Mutex;

use super::line::{Access, Line, genesis, hash};
use super::{AccessLogError, ENDING, FOLDER, place};
use crate::privacy::secret;
use crate::store::{Clock, InstanceId, LogHead, Store, UserId};
use crate::vault::Vault;

/// This process's log. Its file is made with the first access, or when it is begun.
pub struct AccessLog {
    folder: PathBuf,
    data_dir: PathBuf,
    instance: InstanceId,
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    open: Mutex<Option<Open>>,
}

/// The log as it is open.
struct Open {
    name: String,
    place: String,
    path: PathBuf,
    file: File,
    key: hmac::Key,
    lines: u64,
    last: String,
}

impl std::fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessLog").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl AccessLog {
    /// A log below this data folder. Nothing is opened yet.
    pub fn new(
        data_dir: &Path,
        instance: InstanceId,
        store: Arc<dyn Store>,
        vault: Arc<Vault>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (folder, data_dir, open) = (data_dir.join(FOLDER), data_dir.to_owned(), Mutex::default());
        Self { folder, data_dir, instance, store, vault, clock, open }
    }

    /// Begins the log, if it is not begun: from then on others know that this disk has an instance that lives.
    ///
    /// # Errors
    /// [`AccessLogError`].
    pub async fn begin_now(&self) -> Result<(), AccessLogError> {
        let mut open = self.open.lock().await;
        if open.is_none() {
            *open = Some(self.begin().await?);
        }
        Ok(())
    }

    /// Writes an access down. What it is about may be handed out when this has said yes, and not before.
    ///
    /// # Errors
    /// [`AccessLogError`]: nothing may be handed out then.
    pub async fn note(&self, access: &Access) -> Result<(), AccessLogError> {
        let mut open = self.open.lock().await;
        let mut log = match open.take() {
            Some(log) => log,
            None => self.begin().await?,
        };
        let now = self.clock.now();
        let line = Line::new(&log.key, &log.name, (log.lines + 1, log.last.clone()), access, now)?;
        let text = serde_json::to_string(&line)?;
        // A line that is half on disk ends its log: the next access begins another.
        let (mut log, written) = crate::blocking::run(true, move || {
            let written = append(&mut log, &text);
            (log, written.map(|()| text))
        });
        let text = written?;
        (log.lines, log.last) = (line.n, hash(&text));
        let head = LogHead { lines: log.lines, hash: log.last.clone(), place: log.place.clone() };
        let name = log.name.clone();
        *open = Some(log);
        drop(open);
        tracing::info!(target: "voice_agent::audit", role = access.role.as_str(), action = access.action, user = access.user, of = access.of, n = line.n, "an access");
        self.store.put_log_head(name, head).await?;
        Ok(())
    }

    /// The same for a person's data.
    ///
    /// # Errors
    /// [`AccessLogError`].
    pub async fn note_of(&self, access: Access, user: &UserId) -> Result<(), AccessLogError> {
        let user = self.vault.pseudonym(user).await?.to_string();
        self.note(&Access { user, ..access }).await
    }

    async fn begin(&self) -> Result<Open, AccessLogError> {
        let key = secret::access_log_key(&self.vault).await?;
        let now = self.clock.now().strftime("%Y%m%dT%H%M%S%3fZ");
        let name = format!("{now}-{}", self.instance);
        let path = self.folder.join(format!("{name}{ENDING}"));
        let made = make(&self.folder, &path).map_err(|error| AccessLogError::io(&path, error))?;
        let last = genesis(&name);
        // Before the first line: a log that is removed whole is noticed too.
        let place = place(&self.data_dir);
        let head = LogHead { lines: 0, hash: last.clone(), place: place.clone() };
        self.store.put_log_head(name.clone(), head).await?;
        Ok(Open { name, place, path, file: made, key, lines: 0, last })
    }
}

fn make(folder: &Path, path: &Path) -> std::io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
    File::open(folder)?.sync_all()?;
    Ok(file)
}

fn append(log: &mut Open, text: &str) -> Result<(), AccessLogError> {
    let failed = |error| AccessLogError::io(&log.path, error);
    log.file.write_all(format!("{text}\n").as_bytes()).map_err(failed)?;
    log.file.sync_data().map_err(failed)
}
