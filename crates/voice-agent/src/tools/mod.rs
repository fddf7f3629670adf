//! What the agents can do: the tools' schemas and their pure execution over a task list.
//!
//! A tool never touches the store: it reads the list that the session holds and says what should change. The store
//! commits that together with the turn's history, or refuses because the list changed meanwhile, and then the tool
//! is simply run again.

mod args;
mod asked;
mod due;
mod execute;
mod listing;
mod many;
pub mod matching;
mod spec;
mod words;

pub use asked::Asked;
pub use execute::execute;
pub use spec::{ADD_TASK, LOOK_AT_SCREEN, ToolSpec, look_at_screen, specs_for, takes_words};
pub use voice_core::agents::{REVIEW_AGENT, TASK_AGENT};

use jiff::ZonedDateTime;
use serde_json::Value;
use voice_core::chat::{ToolCall, ToolOutput};

use crate::tasks::{TaskChange, TaskId, UndoEffect};

/// What a tool may know besides its arguments and the tasks.
#[derive(Debug, Clone)]
pub struct ToolContext {
    /// The time, in the user's time zone: "today" is his.
    pub now: ZonedDateTime,
    /// The id that a new task gets. One is enough: a call makes at most one task.
    pub new_id: TaskId,
    /// Which deletions the caller was asked about: only those are carried out.
    pub asked: Asked,
}

/// What a tool answered and what it wants to change.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolRun {
    /// A JSON object with `status`.
    pub output: Value,
    /// Whether the call was at fault (as opposed to answering "not found"); nothing changes then.
    pub is_error: bool,
    /// What changes, in order.
    pub changes: Vec<TaskChange>,
    /// What it does to the undo journal.
    pub undo: UndoEffect,
}

impl ToolRun {
    /// The answer to `call`, for the conversation.
    pub fn into_output(self, call: &ToolCall) -> ToolOutput {
        ToolOutput { id: call.id, name: call.name.clone(), result: self.output, is_error: self.is_error }
    }
}

#[cfg(test)]
mod tests;
