//! The caller's tasks: the values, and the changes that can be made to them.
//!
//! Everything here is pure. A change is a value ([`TaskChange`]) that says what was and what is, so the same value
//! is what the store writes, what a page is told and what "undo" turns round.

mod body;
mod due;
mod edit;
mod id;
mod list;
mod title;
mod undo;

pub use body::{FieldError, NewTask, TaskPatch};
pub use due::{Due, DueError};
pub use edit::{Edit, EditError, create_task, delete_task, patch_task, restore_task};
pub use id::{TaskId, TaskIdError};
pub use list::{ApplyError, TaskChange, TaskList};
pub use title::{MAX_TITLE_CHARS, TitleError, clean_arguments, clean_text, clean_title};
pub use undo::{UndoEffect, UndoEntry, push_undo};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The most tasks that one user may have, done ones included.
pub const MAX_TASKS: usize = 1000;
/// How many actions of a user can be undone, newest first.
pub const MAX_UNDO: usize = 20;

/// One task, in the JSON of `GET /api/tasks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// The task's id, unique among all users.
    pub id: TaskId,
    /// What is to be done: 1 to [`MAX_TITLE_CHARS`] characters on one line.
    pub title: String,
    /// Whether it is done.
    pub status: TaskStatus,
    /// When it is due, in the user's local time.
    pub due: Option<Due>,
    /// How much it matters.
    pub priority: Priority,
    /// When it was created (UTC, microseconds).
    pub created_at: Timestamp,
    /// When it was completed (UTC, microseconds); null while it is open.
    pub completed_at: Option<Timestamp>,
}

impl Task {
    /// Whether it is still to be done.
    pub fn is_open(&self) -> bool {
        self.status == TaskStatus::Open
    }
}

/// Whether a task is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskStatus {
    /// To be done.
    Open,
    /// Done.
    Done,
}

/// How much a task matters; the greater matters more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Can wait.
    Low,
    /// As most tasks.
    #[default]
    Normal,
    /// Before the others.
    High,
}

impl Priority {
    /// Reads the word of the contract's JSON.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "low" => Some(Self::Low),
            "normal" => Some(Self::Normal),
            "high" => Some(Self::High),
            _ => None,
        }
    }
}

/// A moment as it is kept: microseconds, so that it survives every store's JSON unchanged.
pub fn stamp(now: Timestamp) -> Timestamp {
    // Truncation of a value that is in range stays in range.
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

#[cfg(test)]
mod tests;
