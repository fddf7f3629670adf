//! The embedded store: one SQLite file under `DATA_DIR`.
//!
//! **Durability.** The database runs in WAL mode with `synchronous=FULL`: every commit is synced to the disk before it
//! is answered, so neither `kill -9` nor a power cut loses what was acknowledged. `NORMAL` survives the death of the
//! process just as well, but forgets the last commits in a power cut, after the caller was told that they are kept.
//! Measured on two busy cores, unoptimised build, 500 commits of a 20 KB session with a new task: `FULL` 4.0 ms (P50)
//! and 10 ms (P95), `NORMAL` 0.9 ms and 5.6 ms. Three milliseconds
//! in a turn of several hundred are worth a promise that holds, and at 4 ms each the one thread makes some 200 commits
//! a second: a turn with a tool every second from a hundred callers.
//!
//! **Reading.** A tool reads the caller's tasks, and a turn's first save is often on its way to the disk just then. Tasks
//! therefore have a thread and a connection of their own, which see the last commit and wait for none. Whoever changes
//! what was read names its revision, so a commit that comes between is found.
//!
//! **Sharing.** A lock on the folder keeps a second server out. It also makes heartbeats simple: whoever holds the
//! lock is the only living instance, so they are kept in memory, and after a crash nobody waits for a dead one's to
//! run out.

mod key;
mod message;
mod person;
mod schema;
mod session;
mod spend;
mod task;
mod worker;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use serde_json::Value;
use voice_core::consent::ConsentDecision;

use super::watch::TaskNews;
use super::{
    Begun, ChangeOutcome, Clock, Commit, CommitOutcome, ConsentRecord, Erased, InstanceId, KeyPage, LiveSession,
    LogHead, Scrubbed, SessionDoc, SessionId, Spend, Store, StoreError, StoreFuture, StoreHealth, StoredSession,
    SystemClock, TaskEvents, UserId, UserTasks,
};
use crate::tasks::{TaskChange, UndoEffect};
use worker::Worker;

/// The database's file in `DATA_DIR`.
const FILE_NAME: &str = "voice-agent.sqlite3";
/// The file whose lock says that a server uses the folder.
const LOCK_NAME: &str = "voice-agent.lock";

/// How the store is opened.
#[derive(Clone)]
pub struct SqliteOptions {
    /// How many requests may wait for the disk before further ones are refused.
    pub queue_limit: usize,
    /// How long a caller waits for an answer.
    pub deadline: Duration,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { queue_limit: 256, deadline: Duration::from_millis(1_500), clock: Arc::new(SystemClock) }
    }
}

/// The embedded store. Dropping it finishes what is queued and closes the file.
pub struct SqliteStore {
    /// Reads callers' tasks on a thread of its own: a tool must not wait for somebody's commit to reach the disk. It
    /// stands before the writer, so that the writer closes last and leaves one file.
    reader: Worker,
    worker: Worker,
    clock: Arc<dyn Clock>,
    news: TaskNews,
    /// Until when (ms since 1970) each instance counts as alive.
    heartbeats: Mutex<BTreeMap<InstanceId, i64>>,
}

impl SqliteStore {
    /// Opens (and makes, if need be) the store in `data_dir`. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another server uses the folder, [`StoreError::Corrupt`] and
    /// [`StoreError::Incompatible`] if the file cannot be used, and says what to do then.
    pub fn open(data_dir: &Path, options: SqliteOptions) -> Result<Self, StoreError> {
        let unusable = |what: &str, error: std::io::Error| {
            StoreError::Unavailable(format!("{what} {}: {error}; DATA_DIR names the folder", data_dir.display()))
        };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data_dir)
            .map_err(|error| unusable("cannot make", error))?;
        let lock = lock(data_dir)?;
        let path = data_dir.join(FILE_NAME);
        let file = private_file(&path).map_err(|error| unusable("cannot write to", error))?;
        drop(file);
        let conn = open_database(&path).map_err(|error| explain(error, &path))?;
        let reader = open_reader(&path).map_err(|error| explain(error, &path))?;
        let lock = Arc::new(lock);
        let reader = Worker::start(reader, Arc::clone(&lock), options.queue_limit, options.deadline)?;
        let worker = Worker::start(conn, lock, options.queue_limit, options.deadline)?;
        Ok(Self { reader, worker, clock: options.clock, news: TaskNews::new(), heartbeats: Mutex::default() })
    }

    /// Reads a wrapped key from the store in `data_dir`, also while a server has it. Blocks on the disk.
    ///
    /// # Errors
    /// [`StoreError`], if there is no store, or it cannot be read.
    pub fn read_key(data_dir: &Path, name: &str) -> Result<Option<String>, StoreError> {
        let path = data_dir.join(FILE_NAME);
        let read = || key::read(&open_reader(&path)?, name);
        read().map_err(|error| explain(error, &path))
    }

    /// Something that changes nothing.
    fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, Timestamp) -> Result<T, StoreError> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let now = self.clock.now();
        Box::pin(self.worker.call(move |conn| work(conn, now)))
    }

    /// Something that happens wholly or, on an error, not at all.
    fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>, Timestamp) -> Result<T, StoreError> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let now = self.clock.now();
        Box::pin(self.worker.call(move |conn| transact(conn, |tx| work(tx, now))))
    }
}

impl Store for SqliteStore {
    fn create_session(&self, doc: SessionDoc, token_hash: [u8; 32], instance: InstanceId) -> StoreFuture<'_, u64> {
        self.write(move |tx, now| session::create(tx, &doc, token_hash, &instance, now))
    }

    fn load_session(&self, id: SessionId) -> StoreFuture<'_, Option<StoredSession>> {
        self.read(move |conn, now| session::load(conn, &id, now))
    }

    fn claim_session(&self, id: SessionId, instance: InstanceId) -> StoreFuture<'_, StoredSession> {
        self.write(move |tx, now| session::claim(tx, &id, &instance, now))
    }

    fn commit(&self, commit: Commit) -> StoreFuture<'_, CommitOutcome> {
        let news = self.news.clone();
        let now = self.clock.now();
        Box::pin(self.worker.call(move |conn| {
            let outcome = transact(conn, |tx| session::commit(tx, &commit, now))?;
            // Told from here, so that it is told even if the caller has stopped waiting.
            if let (CommitOutcome::Committed { tasks_rev: Some(rev) }, Some(tool)) = (&outcome, commit.tools.first())
                && *rev != tool.tasks_rev
            {
                news.tell(&tool.user_id, *rev);
            }
            Ok(outcome)
        }))
    }

    fn extend_session(&self, id: SessionId, fence: u64) -> StoreFuture<'_, ()> {
        self.write(move |tx, now| session::extend(tx, &id, fence, now))
    }

    fn reassert_session(
        &self,
        doc: SessionDoc,
        token_hash: [u8; 32],
        fence: u64,
        instance: InstanceId,
    ) -> StoreFuture<'_, ()> {
        self.write(move |tx, now| session::reassert(tx, &doc, token_hash, fence, &instance, now))
    }

    fn end_session(&self, id: SessionId, fence: Option<u64>) -> StoreFuture<'_, ()> {
        self.write(move |tx, now| session::end(tx, &id, fence, now))
    }

    fn delete_session(&self, id: SessionId) -> StoreFuture<'_, bool> {
        self.write(move |tx, now| session::delete(tx, &id, now))
    }

    fn live_sessions(&self) -> StoreFuture<'_, Vec<LiveSession>> {
        self.read(session::live)
    }

    fn sweep(&self) -> StoreFuture<'_, Vec<SessionId>> {
        let now = self.clock.now().as_millisecond();
        let mut heartbeats = self.heartbeats.lock().unwrap_or_else(PoisonError::into_inner);
        heartbeats.retain(|_, until| *until > now);
        drop(heartbeats);
        self.write(|tx, now| {
            spend::sweep(tx, now)?;
            message::sweep(tx, now)?;
            session::sweep(tx, now)
        })
    }

    fn put_handover(&self, id: SessionId, fence: u64, context: Value) -> StoreFuture<'_, ()> {
        self.write(move |tx, now| session::put_handover(tx, &id, fence, &context, now))
    }

    fn take_handover(&self, id: SessionId) -> StoreFuture<'_, Option<Value>> {
        self.write(move |tx, now| session::take_handover(tx, &id, now))
    }

    fn tasks(&self, user: UserId) -> StoreFuture<'_, UserTasks> {
        // One transaction, so that the list and its undo steps are of one moment.
        Box::pin(self.reader.call(move |conn| task::read(&*conn.transaction()?, &user)))
    }

    fn change_tasks(
        &self,
        user: UserId,
        expected_rev: Option<u64>,
        changes: Vec<TaskChange>,
        undo: UndoEffect,
    ) -> StoreFuture<'_, ChangeOutcome> {
        let news = self.news.clone();
        Box::pin(self.worker.call(move |conn| {
            let outcome = transact(conn, |tx| task::change(tx, &user, expected_rev, &changes, &undo))?;
            if let ChangeOutcome::Changed { tasks_rev } = outcome
                && !changes.is_empty()
            {
                news.tell(&user, tasks_rev);
            }
            Ok(outcome)
        }))
    }

    fn add_spend(&self, batch: String, amounts: Spend) -> StoreFuture<'_, ()> {
        self.write(move |tx, now| spend::add(tx, &batch, &amounts, now))
    }

    fn spend(&self, from: Date, to: Date) -> StoreFuture<'_, Spend> {
        // On the writer's connection: what was just added is in it, and nobody's turn waits for this.
        self.read(move |conn, _| spend::read(conn, from, to))
    }

    fn set_opted_out(&self, user: UserId, opted_out: bool) -> StoreFuture<'_, ()> {
        self.write(move |tx, now| message::set_opted_out(tx, &user, opted_out, now))
    }

    fn is_opted_out(&self, user: UserId) -> StoreFuture<'_, bool> {
        self.read(move |conn, _| message::is_opted_out(conn, &user))
    }

    fn note_once(&self, id: String, ttl: Duration) -> StoreFuture<'_, bool> {
        self.write(move |tx, now| message::note(tx, &id, ttl, now))
    }

    fn begin_message(&self, id: String, by: InstanceId) -> StoreFuture<'_, Begun> {
        let heartbeats = self.heartbeats.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.write(move |tx, now| message::begin(tx, &id, &by, &heartbeats, now))
    }

    fn end_message(&self, id: String) -> StoreFuture<'_, ()> {
        self.write(move |tx, now| message::end(tx, &id, now))
    }

    fn forget_note(&self, id: String) -> StoreFuture<'_, ()> {
        self.write(move |tx, _| message::forget(tx, &id))
    }

    fn key(&self, name: String) -> StoreFuture<'_, Option<String>> {
        self.read(move |conn, _| key::read(conn, &name))
    }

    fn put_key(&self, name: String, wrapped: String) -> StoreFuture<'_, bool> {
        self.write(move |tx, _| key::put(tx, &name, &wrapped))
    }

    fn replace_key(&self, name: String, old: String, new: String) -> StoreFuture<'_, bool> {
        self.write(move |tx, _| key::replace(tx, &name, &old, &new))
    }

    fn delete_key(&self, name: String) -> StoreFuture<'_, bool> {
        Box::pin(self.worker.call(move |conn| {
            let was_there = transact(conn, |tx| key::delete(tx, &name))?;
            if was_there && !make_room(conn) {
                // Its bytes are overwritten in the database; the write-ahead log still has them, until it is emptied.
                tracing::debug!("a key that was destroyed is in the store's log still");
            }
            Ok(was_there)
        }))
    }

    fn was_destroyed(&self, name: String) -> StoreFuture<'_, bool> {
        self.read(move |conn, _| key::was_destroyed(conn, &name))
    }

    fn keys(&self, after: Option<String>) -> StoreFuture<'_, KeyPage> {
        self.read(move |conn, _| key::page(conn, after.as_deref()))
    }

    fn add_consent(&self, user: UserId, record: ConsentRecord) -> StoreFuture<'_, ()> {
        let (news, now) = (self.news.clone(), self.clock.now());
        Box::pin(self.worker.call(move |conn| {
            transact(conn, |tx| person::add_consent(tx, &user, &record, now))?;
            if record.decision == ConsentDecision::OptedOut {
                news.tell_objection(&user);
            }
            Ok(())
        }))
    }

    fn consents(&self, user: UserId) -> StoreFuture<'_, Vec<ConsentRecord>> {
        self.read(move |conn, _| person::consents(conn, &user))
    }

    fn sessions_of(&self, user: UserId) -> StoreFuture<'_, Vec<StoredSession>> {
        self.read(move |conn, now| person::sessions(conn, &user, now))
    }

    fn erase_user(&self, user: UserId) -> StoreFuture<'_, Erased> {
        self.write(move |tx, now| person::erase(tx, &user, now))
    }

    fn scrub(&self) -> StoreFuture<'_, Scrubbed> {
        // A database of some thousand users is rewritten within the deadline of a request; if not, it is all the same.
        Box::pin(self.worker.call(|conn| {
            conn.execute_batch("VACUUM")?;
            // Somebody reads what the log has: it is emptied the next time.
            Ok(if make_room(conn) { Scrubbed::Clean } else { Scrubbed::Pending })
        }))
    }

    fn put_log_head(&self, name: String, head: LogHead) -> StoreFuture<'_, ()> {
        self.write(move |tx, _| person::put_log_head(tx, &name, &head))
    }

    fn log_heads(&self) -> StoreFuture<'_, Vec<(String, LogHead)>> {
        self.read(|conn, _| person::log_heads(conn))
    }

    fn heartbeat(&self, instance: InstanceId, ttl: Duration) -> StoreFuture<'_, ()> {
        let until = session::expiry(self.clock.now(), ttl);
        self.heartbeats.lock().unwrap_or_else(PoisonError::into_inner).insert(instance, until);
        Box::pin(std::future::ready(Ok(())))
    }

    fn instance_alive(&self, instance: InstanceId) -> StoreFuture<'_, bool> {
        let heartbeats = self.heartbeats.lock().unwrap_or_else(PoisonError::into_inner);
        let alive = heartbeats.get(&instance).is_some_and(|until| *until > self.clock.now().as_millisecond());
        Box::pin(std::future::ready(Ok(alive)))
    }

    fn task_events(&self) -> TaskEvents {
        self.news.listen()
    }

    fn health(&self) -> BoxFuture<'_, StoreHealth> {
        Box::pin(async {
            let probe = self.write(|tx, now| {
                let sql = "INSERT OR REPLACE INTO probe (only_row, at) VALUES (1, ?1)";
                tx.prepare_cached(sql)?.execute([now.as_millisecond()])?;
                is_in_its_place(tx)
            });
            let trouble = probe.await.err().map(|error| error.to_string());
            StoreHealth { kind: "sqlite", trouble, queued: self.worker.queued() + self.reader.queued() }
        })
    }
}

/// A file that was removed is written to as ever, and is gone with the process.
fn is_in_its_place(conn: &Connection) -> Result<(), StoreError> {
    match conn.path().filter(|path| !path.is_empty()) {
        Some(path) if !Path::new(path).exists() => {
            Err(StoreError::Unavailable(format!("{path} was removed: what is saved now ends with this process")))
        }
        _ => Ok(()),
    }
}

/// Does the work in one transaction, which is rolled back on an error.
fn transact<T>(
    conn: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let result = work(&tx).and_then(|value| Ok(tx.commit().map(|()| value)?));
    if matches!(result, Err(StoreError::Full(_))) && !make_room(conn) {
        tracing::debug!("no room could be made in the store's log");
    }
    result
}

/// Empties the write-ahead log; whether it is empty. It is the one thing whose space can be given back on a full disk: its pages go into the
/// database, as far as that has room for them, and the next request may fit.
fn make_room(conn: &Connection) -> bool {
    // SQLite answers with success and says in a column that a reader was in its way.
    let busy = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    let emptied = busy.inspect_err(|error| tracing::debug!(%error, "the store's log cannot be emptied now"));
    emptied.is_ok_and(|busy| busy == 0)
}

/// Takes the folder for this process.
fn lock(data_dir: &Path) -> Result<File, StoreError> {
    let path = data_dir.join(LOCK_NAME);
    let file = private_file(&path).map_err(|error| locking_failed(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(format!(
            "another voice-agent uses {}; stop it, or give this one another DATA_DIR (several instances share a \
             Redis: set REDIS_URL)",
            data_dir.display()
        ))),
        Err(TryLockError::Error(error)) => Err(locking_failed(&path, &error)),
    }
}

fn locking_failed(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("cannot lock {}: {error}; DATA_DIR names the folder", path.display()))
}

/// Opens or makes a file that only its owner may read, and takes others' permissions away from one that is there.
fn private_file(path: &Path) -> std::io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

fn open_database(path: &Path) -> Result<Connection, StoreError> {
    let mut conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    conn.busy_timeout(Duration::from_secs(2))?;
    conn.set_prepared_statement_cache_capacity(64);
    let mode: String = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Unavailable("its file system has no shared memory; use a local disk".to_owned()));
    }
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    // What is deleted is overwritten: a key that was destroyed must not be found in a page that is free.
    conn.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
    // The log is cut back to this many bytes once its pages are in the database.
    conn.pragma_update_and_check(None, "journal_size_limit", 4 * 1024 * 1024, |_| Ok(()))?;
    let verdict: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(StoreError::Corrupt(verdict));
    }
    schema::migrate(&mut conn)?;
    Ok(conn)
}

/// A second connection, which only reads: in WAL mode it sees the last commit, and waits for none.
fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    conn.busy_timeout(Duration::from_secs(2))?;
    Ok(conn)
}

/// Adds which file it is, and what to do.
fn explain(error: StoreError, path: &Path) -> StoreError {
    let path = PathBuf::from(path);
    match error {
        StoreError::Corrupt(why) => StoreError::Corrupt(format!(
            "{} cannot be read ({why}); restore it from a backup, or move it away together with its -wal and -shm \
             files to start without the tasks and sessions in it",
            path.display()
        )),
        StoreError::Incompatible(why) => StoreError::Incompatible(format!("{}: {why}", path.display())),
        StoreError::Full(why) => StoreError::Full(format!("{}: {why}; make space on its disk", path.display())),
        StoreError::Unavailable(why) => StoreError::Unavailable(format!("{}: {why}", path.display())),
        other => other,
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(text),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(text),
            _ => Self::Unavailable(text),
        }
    }
}

/// A number as SQLite keeps it. Beyond 2^63 none of ours comes.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A number that SQLite kept.
fn revision(value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Corrupt(format!("{value} where a counter should be")))
}

#[cfg(test)]
mod tests;
