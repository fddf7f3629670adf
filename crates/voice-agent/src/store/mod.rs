//! Where state lives: sessions, tasks, undo and tool intents, committed together.
//!
//! A turn is one atomic [`Commit`]: what its tool changed and the history that says so are saved together or not at
//! all, under the key `session + turn + call`. That is what makes a tool run exactly once, whatever dies when.
//!
//! A session has one owner. Every [`Store::claim_session`] raises its fence, and a commit with an older fence is
//! refused, so that a process that was thought dead cannot overwrite its successor.

mod clock;
mod consent;
mod doc;
mod error;
mod id;
mod person;
mod redis;
mod spend;
mod sqlite;
mod watch;

#[cfg(test)]
mod conformance;

pub use clock::{Clock, ManualClock, SystemClock};
pub use consent::ConsentRecord;
pub use doc::{Channel, ConversationItem, MAX_DOC_BYTES, Role, SessionDoc};
pub use error::StoreError;
pub use id::{InstanceId, SessionId, UserId};
pub use person::{Erased, KeyPage, LogHead, Scrubbed};
pub use redis::{ErasureAnswers, ErasureOrder, ErasureOrders, ExportOrder, ExportOrders, RedisOptions, RedisStore};
pub use spend::{SPEND_BATCH_TTL, SPEND_TTL, Spend, SpendKey, SpendSum};
pub use sqlite::{SqliteOptions, SqliteStore};
pub use watch::{Change, TaskEvents, TasksChanged};

use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::civil::Date;
use serde_json::Value;
use voice_core::ids::{ToolCallId, TurnId};

use crate::tasks::{TaskChange, TaskList, UndoEffect, UndoEntry};

/// A session is forgotten this long after its last activity.
pub const SESSION_TTL: Duration = Duration::from_secs(3600);
/// For so long a session that was erased with its person is not put back, whoever remembers it.
pub const ERASED_TTL: Duration = Duration::from_secs(24 * 3600);
/// A hand-over's context is forgotten this long after it was put down.
pub const HANDOVER_TTL: Duration = Duration::from_secs(300);
/// For so long a text message, or a signed request, that comes again is known as one that came.
pub const MESSAGE_TTL: Duration = Duration::from_secs(30 * 24 * 3600);
/// An instance whose heartbeat is older than this is dead.
pub const HEARTBEAT_TTL: Duration = Duration::from_secs(2);

/// What a store's method gives back.
pub type StoreFuture<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// A session as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSession {
    /// The contract's JSON.
    pub doc: SessionDoc,
    /// SHA-256 of the session's token; compare in constant time.
    pub token_hash: [u8; 32],
    /// The number of the present owner; greater than every earlier one.
    pub fence: u64,
    /// The instance that the present owner lives on.
    pub owner: InstanceId,
    /// The session is over; it can be read until it expires, and neither claimed nor committed to.
    pub ended: bool,
}

/// One atomic save of a session, with what its tools changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// The session as it is after the turn, or after the tool.
    pub doc: SessionDoc,
    /// The owner's fence.
    pub fence: u64,
    /// The turn that is being saved.
    pub turn: TurnId,
    /// What the tools of this turn did, in the order in which they ran.
    pub tools: Vec<ToolCommit>,
}

/// What a tool did, as [`crate::tools::execute`] said.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCommit {
    /// The call; with session and turn, the key under which it happens exactly once.
    pub call: ToolCallId,
    /// Whose tasks.
    pub user_id: UserId,
    /// The [`TaskList::rev`] that the turn's first tool read; the later ones read what the one before them leaves.
    pub tasks_rev: u64,
    /// What changes.
    pub changes: Vec<TaskChange>,
    /// What it does to the undo journal.
    pub undo: UndoEffect,
    /// What the tool answered; given back if the same call is committed again.
    pub output: Value,
}

/// What became of a commit.
#[derive(Debug, Clone, PartialEq)]
pub enum CommitOutcome {
    /// All of it is saved.
    Committed {
        /// The user's tasks' revision after it; without a tool, `None`.
        tasks_rev: Option<u64>,
    },
    /// The same `session + turn + call` was committed before, and nothing was saved now. Go on with this output: put
    /// it into the history instead of the new one and commit without the tool.
    AlreadyApplied {
        /// What the tool answered the first time.
        output: Value,
    },
    /// The user's tasks changed after the tool read them; nothing was saved. Read them and run the tool again.
    Conflict,
    /// The session has a newer owner; nothing was saved. Let it go.
    Fenced,
}

/// A user's tasks with the undo journal: what a tool reads. Both belong to the same revision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserTasks {
    /// The tasks.
    pub list: TaskList,
    /// The undo journal, newest last.
    pub undo: Vec<UndoEntry>,
}

/// What became of a change outside a session's turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// Saved.
    Changed {
        /// The tasks' revision after it.
        tasks_rev: u64,
    },
    /// The tasks changed meanwhile; nothing was saved. Read them and decide again.
    Conflict,
}

/// Whether a text message is to be answered by whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// Yes: it came for the first time.
    First,
    /// Yes: whoever began to is dead. What it saved of the answer, it saved.
    Again,
    /// No: somebody who lives does.
    UnderWay,
    /// No: it is answered.
    Done,
}

/// How the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreHealth {
    /// `sqlite` or `redis`.
    pub kind: &'static str,
    /// Why it is not well; `None` when it is.
    pub trouble: Option<String>,
    /// Writes that wait.
    pub queued: usize,
}

/// The one store. Every method is atomic. A session that expired is as one that never was: `NotFound`.
///
/// A method fails fast with [`StoreError::Unavailable`] rather than waiting for long; whatever it answers with an
/// `Ok` is on disk and survives the death of the process.
pub trait Store: Send + Sync + 'static {
    /// Makes a new session, owned by `instance`, and gives back its fence. [`StoreError::Exists`] if the id is taken.
    fn create_session(&self, doc: SessionDoc, token_hash: [u8; 32], instance: InstanceId) -> StoreFuture<'_, u64>;

    /// Reads a session without becoming its owner; `None` if there is none or it expired.
    fn load_session(&self, id: SessionId) -> StoreFuture<'_, Option<StoredSession>>;

    /// Becomes the session's owner and reads it, in one step: what is read is the last that any earlier owner saved.
    /// [`StoreError::NotFound`] and [`StoreError::Ended`] if there is nothing to own.
    fn claim_session(&self, id: SessionId, instance: InstanceId) -> StoreFuture<'_, StoredSession>;

    /// Saves a turn. Renews the session's time to live.
    fn commit(&self, commit: Commit) -> StoreFuture<'_, CommitOutcome>;

    /// Renews the session's time to live, for its owner: a call in which nobody spoke for long is not over.
    fn extend_session(&self, id: SessionId, fence: u64) -> StoreFuture<'_, ()>;

    /// Says that the session is this owner's, after an outage of the store or when it ran out while its owner lived: what the store
    /// lost of it is put there again. A session that another has claimed since is not touched ([`StoreError::Fenced`]), and one that ended, or was
    /// erased, stays so ([`StoreError::Ended`]).
    fn reassert_session(
        &self,
        doc: SessionDoc,
        token_hash: [u8; 32],
        fence: u64,
        instance: InstanceId,
    ) -> StoreFuture<'_, ()>;

    /// Marks the session as over. It stays readable until it expires. Its owner gives his `fence`
    /// ([`StoreError::Fenced`] if he is not that any more); the caller who ends it by HTTP gives none.
    fn end_session(&self, id: SessionId, fence: Option<u64>) -> StoreFuture<'_, ()>;

    /// Forgets the session, its tool intents and its hand-over at once; whether there was one.
    fn delete_session(&self, id: SessionId) -> StoreFuture<'_, bool>;

    /// The sessions that are alive: not ended, not expired.
    fn live_sessions(&self) -> StoreFuture<'_, Vec<LiveSession>>;

    /// Forgets what expired: sessions, hand-overs, heartbeats. Gives back the sessions that went.
    fn sweep(&self) -> StoreFuture<'_, Vec<SessionId>>;

    /// Puts down what the next owner needs for a planned hand-over; lives [`HANDOVER_TTL`].
    fn put_handover(&self, id: SessionId, fence: u64, context: Value) -> StoreFuture<'_, ()>;

    /// Takes the hand-over's context, once.
    fn take_handover(&self, id: SessionId) -> StoreFuture<'_, Option<Value>>;

    /// The user's tasks; an empty list for a user who has none.
    fn tasks(&self, user: UserId) -> StoreFuture<'_, UserTasks>;

    /// Changes the user's tasks outside a turn. With `expected_rev` only if they did not change since.
    fn change_tasks(
        &self,
        user: UserId,
        expected_rev: Option<u64>,
        changes: Vec<TaskChange>,
        undo: UndoEffect,
    ) -> StoreFuture<'_, ChangeOutcome>;

    /// Adds to what was spent, all of it or nothing, whoever else adds at the same time. `batch` names the addition, unique
    /// among all processes: the same one again within [`SPEND_BATCH_TTL`] adds nothing, so that one whose answer was lost can
    /// be repeated. A day is forgotten [`SPEND_TTL`] after it.
    fn add_spend(&self, batch: String, amounts: Spend) -> StoreFuture<'_, ()>;

    /// What everybody has spent on these days (UTC), both included, in the order of the keys.
    fn spend(&self, from: Date, to: Date) -> StoreFuture<'_, Spend>;

    /// Notes whether the user wants no text messages. It is kept until the user says otherwise.
    fn set_opted_out(&self, user: UserId, opted_out: bool) -> StoreFuture<'_, ()>;

    /// Whether the user wants no text messages.
    fn is_opted_out(&self, user: UserId) -> StoreFuture<'_, bool>;

    /// Notes that something came, for `ttl`; whether it is the first time within it.
    fn note_once(&self, id: String, ttl: Duration) -> StoreFuture<'_, bool>;

    /// Begins to answer a text message, unless it is answered, or an instance does that has a heartbeat. Remembered for [`MESSAGE_TTL`].
    fn begin_message(&self, id: String, by: InstanceId) -> StoreFuture<'_, Begun>;

    /// The text message is answered: from now on, for [`MESSAGE_TTL`], nobody else begins to.
    fn end_message(&self, id: String) -> StoreFuture<'_, ()>;

    /// Nothing was done with what was noted, or begun, after all: it may come again.
    fn forget_note(&self, id: String) -> StoreFuture<'_, ()>;

    /// The wrapped key of this name, if there is one.
    fn key(&self, name: String) -> StoreFuture<'_, Option<String>>;

    /// Keeps a wrapped key, unless there is one of this name; whether it is kept now. It has no end of its own.
    fn put_key(&self, name: String, wrapped: String) -> StoreFuture<'_, bool>;

    /// Puts a key that is wrapped anew in the place of `old`; whether it did: not if there is another one now, or none.
    fn replace_key(&self, name: String, old: String, new: String) -> StoreFuture<'_, bool>;

    /// Forgets a wrapped key, and overwrites it as far as that is in our hands; whether there was one. Remembered either way: whatever is kept under this name later is another.
    fn delete_key(&self, name: String) -> StoreFuture<'_, bool>;

    /// Whether a key of this name was ever asked to be forgotten; there may be another one since.
    fn was_destroyed(&self, name: String) -> StoreFuture<'_, bool>;

    /// Some of the wrapped keys: the first, or those behind what an earlier page says is next. One that is there from the first page to the last is
    /// in one of them at least.
    fn keys(&self, after: Option<String>) -> StoreFuture<'_, KeyPage>;

    /// Adds what somebody decided about recordings to what they decided before. The same decision again changes nothing, and
    /// neither does another one under the same id. An objection is told to all who listen. [`StoreError::Ended`] if it was decided in a session that was erased since.
    fn add_consent(&self, user: UserId, record: ConsentRecord) -> StoreFuture<'_, ()>;

    /// All that somebody decided about recordings, oldest first.
    fn consents(&self, user: UserId) -> StoreFuture<'_, Vec<ConsentRecord>>;

    /// The user's sessions that have not expired, those that ended included.
    fn sessions_of(&self, user: UserId) -> StoreFuture<'_, Vec<StoredSession>>;

    /// Forgets everything of the user but the wrapped key: sessions with what belongs to them, tasks, undo, decisions, notes.
    /// Repeating it forgets what has come since. Of each session its id is remembered for [`ERASED_TTL`]: no owner puts it back.
    fn erase_user(&self, user: UserId) -> StoreFuture<'_, Erased>;

    /// Has the store's own files written anew, so that nothing is in them that was deleted before. Takes as long as it takes.
    fn scrub(&self) -> StoreFuture<'_, Scrubbed>;

    /// What erasures ask of every instance, where several share the store.
    fn erasure_orders(&self) -> Option<ErasureOrders> {
        None
    }

    /// What exports ask of an instance, where several share the store.
    fn export_orders(&self) -> Option<ExportOrders> {
        None
    }

    /// Notes how far an access log is. A head with fewer lines than the one that is there changes nothing.
    fn put_log_head(&self, name: String, head: LogHead) -> StoreFuture<'_, ()>;

    /// How far every access log is, in the order of their names.
    fn log_heads(&self) -> StoreFuture<'_, Vec<(String, LogHead)>>;

    /// Says that the instance lives, for `ttl` from now.
    fn heartbeat(&self, instance: InstanceId, ttl: Duration) -> StoreFuture<'_, ()>;

    /// Whether the instance's last heartbeat still counts.
    fn instance_alive(&self, instance: InstanceId) -> StoreFuture<'_, bool>;

    /// Every change of anybody's tasks from now on, and every objection to recordings, whichever way it came about; of other instances, too,
    /// where they share the store.
    fn task_events(&self) -> TaskEvents;

    /// Tries a write, and says how the store is.
    fn health(&self) -> BoxFuture<'_, StoreHealth>;
}

/// A session in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveSession {
    /// Its id.
    pub id: SessionId,
    /// Its owner's instance.
    pub owner: InstanceId,
    /// Its fence.
    pub fence: u64,
}
