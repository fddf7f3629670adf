//! The keys. `voice:session:{id}` and `voice:handoff:{id}` are the contract's.

use jiff::civil::Date;

use crate::store::{InstanceId, SessionId, UserId};

/// Counts the owners of all sessions.
pub(super) const FENCE: &str = "voice:fence";
/// The names of the sessions that were not swept yet.
pub(super) const SESSIONS: &str = "voice:sessions";
/// The days for which there is a spend.
pub(super) const SPEND_DAYS: &str = "voice:spend:days";
/// The names of the wrapped keys.
pub(super) const KEYS: &str = "voice:keys";
/// The names of the keys that were destroyed.
pub(super) const DESTROYED: &str = "voice:keys:destroyed";
/// Where changes of tasks are told.
pub(super) const NEWS: &str = "voice:tasks-changed";
/// What a health check writes.
pub(super) const PROBE: &str = "voice:probe";
/// How far the access logs are, by name.
pub(super) const ACCESS_LOGS: &str = "voice:access-logs";
/// What instances are asked to forget, by number.
pub(super) const ERASURES: &str = "voice:erasures";
/// How often they were.
pub(super) const ERASURES_COUNT: &str = "voice:erasures:count";
/// What instances are asked to give out, by number.
pub(super) const EXPORTS: &str = "voice:exports";
/// How often they were.
pub(super) const EXPORTS_COUNT: &str = "voice:exports:count";
/// What the key of an instance's heartbeat begins with.
pub(super) const INSTANCE: &str = "voice:instance:";
/// What a lease's key begins with.
pub(super) const LEASE: &str = "voice:lease:";
/// What the key of a day's spend begins with.
pub(super) const SPEND: &str = "voice:spend:day:";

/// The session's document.
pub(super) fn session(id: &SessionId) -> String {
    format!("voice:session:{id}")
}

/// Fence, owner, token's hash and whether it is over.
pub(super) fn lease(id: &SessionId) -> String {
    format!("{LEASE}{id}")
}

/// What its tools answered, by turn and call.
pub(super) fn intents(id: &SessionId) -> String {
    format!("voice:intents:{id}")
}

/// The context of a planned hand-over.
pub(super) fn handover(id: &SessionId) -> String {
    format!("voice:handoff:{id}")
}

/// The user's tasks, each under `task:{id}`, and their `rev`.
pub(super) fn tasks(user: &UserId) -> String {
    format!("voice:tasks:{user}")
}

/// The user's undo journal.
pub(super) fn undo(user: &UserId) -> String {
    format!("voice:undo:{user}")
}

/// Which instances have forgotten what they were asked to.
pub(super) fn erasure_answers(number: u64) -> String {
    format!("voice:erasures:answers:{number}")
}

/// What an instance gives out, in pieces.
pub(super) fn export_pieces(id: &str) -> String {
    format!("voice:exports:pieces:{id}")
}

/// An instance's heartbeat.
pub(super) fn instance(id: &InstanceId) -> String {
    format!("{INSTANCE}{id}")
}

/// That a user wants no text messages.
pub(super) fn opt_out(user: &UserId) -> String {
    format!("voice:optout:{user}")
}

/// What a user decided about recordings.
pub(super) fn consents(user: &UserId) -> String {
    format!("voice:consents:{user}")
}

/// That a text message, or something else that may come only once, came.
pub(super) fn message(id: &str) -> String {
    format!("voice:message:{id}")
}

/// A wrapped key: a user's, under the user's pseudonym, or the pseudonyms' secret.
pub(super) fn wrapped(name: &str) -> String {
    format!("voice:key:{name}")
}

/// That a batch of spend was added.
pub(super) fn batch(id: &str) -> String {
    format!("voice:spend:batch:{id}")
}

/// What was spent on a day.
pub(super) fn day(day: Date) -> String {
    format!("{SPEND}{day}")
}
