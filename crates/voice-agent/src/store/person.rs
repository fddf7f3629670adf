//! What is kept of one person, beyond sessions and tasks; and what is left when it is erased.

use super::SessionId;

/// What an erasure took out of the store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Erased {
    /// The sessions, with their hand-overs and their tools' answers.
    pub sessions: Vec<SessionId>,
    /// Tasks.
    pub tasks: u64,
    /// Steps of the undo journal.
    pub undo: u64,
    /// Decisions about recordings.
    pub consents: u64,
    /// Notes that the person wants no text messages.
    pub opt_outs: u64,
}

/// How far an access log is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHead {
    /// So many lines were written.
    pub lines: u64,
    /// The hash of the last.
    pub hash: String,
    /// On which disk it is; empty where nobody said.
    pub place: String,
}

/// Some of the wrapped keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyPage {
    /// Each by its name.
    pub keys: Vec<(String, String)>,
    /// Where there are more of them; none if these were the last.
    pub next: Option<String>,
}

/// Whether the store's files hold nothing any more of what was deleted before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scrubbed {
    /// They were written anew.
    Clean,
    /// They were written anew, and so many replicas have files of their own, which were not.
    Replicas(u64),
    /// They are being written anew, or cannot be by us: how is said in docs/privacy.md.
    Pending,
}
