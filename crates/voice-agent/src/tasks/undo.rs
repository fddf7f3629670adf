//! The undo journal: what each action of a user changed, newest last, and how an action is taken back.

use serde::{Deserialize, Serialize};

use super::{MAX_UNDO, TaskChange, TaskList};

/// What one action changed; "delete all done tasks" is one action with many changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoEntry {
    /// The tool's name, or the tool that does the same as the HTTP call (`add_task`, `complete_task`, …).
    pub action: String,
    /// The changes, in the order in which they were made.
    pub changes: Vec<TaskChange>,
}

impl UndoEntry {
    /// The changes that take the action back on `list`: the inverses, last first. What no longer fits, because the
    /// task went or came back some other way, is left out.
    pub fn inverse(&self, list: &TaskList) -> Vec<TaskChange> {
        let mut state = list.clone();
        let mut changes = Vec::with_capacity(self.changes.len());
        for change in self.changes.iter().rev() {
            // Taken back from what the task is now, so that the journal's own entry is exact again.
            let inverse = match (change.inverse(), state.get(change.task_id())) {
                (TaskChange::Updated { after, .. }, Some(now)) => TaskChange::Updated { before: now.clone(), after },
                (TaskChange::Deleted(_), Some(now)) => TaskChange::Deleted(now.clone()),
                (inverse, _) => inverse,
            };
            if state.apply(std::slice::from_ref(&inverse)).is_ok() {
                changes.push(inverse);
            }
        }
        changes
    }
}

/// What an action does to the user's undo journal.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoEffect {
    /// Nothing: the action changed nothing.
    #[default]
    None,
    /// It can be undone: a new newest entry.
    Push(UndoEntry),
    /// It was an undo: this many of the newest entries are used up.
    Pop(usize),
}

impl UndoEffect {
    /// Carries the effect out on a journal (newest last).
    pub fn apply(&self, journal: &mut Vec<UndoEntry>) {
        match self {
            Self::None => {}
            Self::Push(entry) => push_undo(journal, entry.clone()),
            Self::Pop(count) => journal.truncate(journal.len().saturating_sub(*count)),
        }
    }
}

/// Adds the newest entry, and forgets the oldest beyond [`MAX_UNDO`].
pub fn push_undo(journal: &mut Vec<UndoEntry>, entry: UndoEntry) {
    journal.push(entry);
    let excess = journal.len().saturating_sub(MAX_UNDO);
    journal.drain(..excess);
}
