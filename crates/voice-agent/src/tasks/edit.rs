//! The edits of the HTTP calls, as changes that the store commits.

use jiff::Timestamp;

use super::{
    MAX_TASKS, NewTask, Task, TaskChange, TaskId, TaskList, TaskPatch, TaskStatus, UndoEffect, UndoEntry, stamp,
};

/// An edit: what changes, how it is undone, and the task to answer with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The task as it is now (or was, when it is deleted).
    pub task: Task,
    /// What changes; nothing when the task was like that already.
    pub changes: Vec<TaskChange>,
    /// What it does to the undo journal.
    pub undo: UndoEffect,
}

/// Why an edit is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The user has no such task (404).
    #[error("there is no such task")]
    NotFound,
    /// The user deleted no such task, or too many changes ago (404).
    #[error("no deletion of such a task is remembered")]
    NotDeleted,
    /// The user has as many tasks as he may (409).
    #[error("there are {MAX_TASKS} tasks, which is the most; delete some that are done")]
    TooMany,
}

/// `POST /api/tasks`. Unlike the spoken command it does not look for an equal title: who types it twice means it.
pub fn create_task(list: &TaskList, new: &NewTask, id: TaskId, now: Timestamp) -> Result<Edit, EditError> {
    if list.tasks.len() >= MAX_TASKS {
        return Err(EditError::TooMany);
    }
    let task = Task {
        id,
        title: new.title.clone(),
        status: TaskStatus::Open,
        due: new.due,
        priority: new.priority,
        created_at: stamp(now),
        completed_at: None,
    };
    Ok(edit("add_task", task.clone(), TaskChange::Created(task)))
}

/// `PATCH /api/tasks/{id}`.
pub fn patch_task(list: &TaskList, id: &TaskId, patch: &TaskPatch, now: Timestamp) -> Result<Edit, EditError> {
    let before = list.get(id).ok_or(EditError::NotFound)?;
    let mut after = before.clone();
    if let Some(title) = &patch.title {
        after.title.clone_from(title);
    }
    if let Some(status) = patch.status.filter(|status| *status != before.status) {
        after.status = status;
        after.completed_at = (status == TaskStatus::Done).then(|| stamp(now));
    }
    if let Some(due) = patch.due {
        after.due = due;
    }
    if let Some(priority) = patch.priority {
        after.priority = priority;
    }
    if after == *before {
        return Ok(Edit { task: after, changes: Vec::new(), undo: UndoEffect::None });
    }
    let change = TaskChange::Updated { before: before.clone(), after: after.clone() };
    Ok(edit(action_of(before, &after), after, change))
}

/// `DELETE /api/tasks/{id}`.
pub fn delete_task(list: &TaskList, id: &TaskId) -> Result<Edit, EditError> {
    let task = list.get(id).ok_or(EditError::NotFound)?.clone();
    Ok(edit("delete_task", task.clone(), TaskChange::Deleted(task)))
}

/// `POST /api/tasks/{id}/restore`: what the newest deletion of this task in the undo journal (newest last) took away
/// comes back as it was, id and place in the list included. A task that is there already stays as it is.
pub fn restore_task(list: &TaskList, journal: &[UndoEntry], id: &TaskId) -> Result<Edit, EditError> {
    if let Some(task) = list.get(id) {
        return Ok(Edit { task: task.clone(), changes: Vec::new(), undo: UndoEffect::None });
    }
    let deleted = |entry: &UndoEntry| {
        entry.changes.iter().rev().find_map(|change| match change {
            TaskChange::Deleted(task) if task.id == *id => Some(task.clone()),
            _ => None,
        })
    };
    let task = journal.iter().rev().find_map(deleted).ok_or(EditError::NotDeleted)?;
    if list.tasks.len() >= MAX_TASKS {
        return Err(EditError::TooMany);
    }
    let change = TaskChange::Created(task.clone());
    // The deletion itself is used up, when it is the newest action and took nothing else away: "undo" does not meet it again.
    if journal.last().is_some_and(|entry| entry.changes == [TaskChange::Deleted(task.clone())]) {
        return Ok(Edit { task, changes: vec![change], undo: UndoEffect::Pop(1) });
    }
    Ok(edit("add_task", task, change))
}

fn edit(action: &str, task: Task, change: TaskChange) -> Edit {
    let undo = UndoEffect::Push(UndoEntry { action: action.to_owned(), changes: vec![change.clone()] });
    Edit { task, changes: vec![change], undo }
}

/// The tool that does what the patch did; the most telling one, when it did several things.
fn action_of(before: &Task, after: &Task) -> &'static str {
    if before.status != after.status {
        if after.is_open() { "reopen_task" } else { "complete_task" }
    } else if before.title != after.title {
        "rename_task"
    } else if before.due != after.due {
        "set_due"
    } else {
        "set_priority"
    }
}
