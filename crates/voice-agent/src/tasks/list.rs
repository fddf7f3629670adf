//! A user's tasks, and the changes to them.

use serde::{Deserialize, Serialize};

use super::{MAX_TASKS, Task, TaskId};

/// All tasks of one user, oldest first (ties by id), and how often they changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TaskList {
    /// Grows with every change of the tasks or of the undo journal; 0 for a user who never had a task.
    pub rev: u64,
    /// The tasks, by `created_at` and then by `id`.
    pub tasks: Vec<Task>,
}

/// One change of one task: enough to make it, to tell it and to take it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskChange {
    /// There is a new task.
    Created(Task),
    /// A task is different.
    Updated {
        /// As it was.
        before: Task,
        /// As it is now; the same `id`.
        after: Task,
    },
    /// A task is gone.
    Deleted(Task),
}

impl TaskChange {
    /// The task that changed.
    pub fn task_id(&self) -> &TaskId {
        match self {
            Self::Created(task) | Self::Updated { after: task, .. } | Self::Deleted(task) => &task.id,
        }
    }

    /// The change that takes this one back.
    pub fn inverse(&self) -> Self {
        match self {
            Self::Created(task) => Self::Deleted(task.clone()),
            Self::Updated { before, after } => Self::Updated { before: after.clone(), after: before.clone() },
            Self::Deleted(task) => Self::Created(task.clone()),
        }
    }
}

/// Why changes do not fit a list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// A task that should change or go is not there.
    #[error("there is no task {0}")]
    Missing(TaskId),
    /// A task that should be new is there already.
    #[error("there is already a task {0}")]
    Duplicate(TaskId),
    /// The user would have more than [`MAX_TASKS`].
    #[error("a user may have at most {MAX_TASKS} tasks")]
    TooMany,
}

impl TaskList {
    /// The task with this id.
    pub fn get(&self, id: &TaskId) -> Option<&Task> {
        self.tasks.iter().find(|task| task.id == *id)
    }

    /// The tasks that are still to be done.
    pub fn open(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter().filter(|task| task.is_open())
    }

    /// Makes the changes in order, all or none. `rev` is the store's business and stays.
    pub fn apply(&mut self, changes: &[TaskChange]) -> Result<(), ApplyError> {
        let mut tasks = self.tasks.clone();
        for change in changes {
            apply_one(&mut tasks, change)?;
        }
        if tasks.len() > MAX_TASKS && tasks.len() > self.tasks.len() {
            return Err(ApplyError::TooMany);
        }
        self.tasks = tasks;
        Ok(())
    }
}

fn apply_one(tasks: &mut Vec<Task>, change: &TaskChange) -> Result<(), ApplyError> {
    let place = tasks.iter().position(|task| task.id == *change.task_id());
    match (change, place) {
        (TaskChange::Created(task), None) => {
            let key = (task.created_at, &task.id);
            let at = tasks.partition_point(|other| (other.created_at, &other.id) < key);
            tasks.insert(at, task.clone());
        }
        (TaskChange::Created(task), Some(_)) => return Err(ApplyError::Duplicate(task.id.clone())),
        (TaskChange::Updated { after, .. }, Some(at)) => tasks[at] = after.clone(),
        (TaskChange::Deleted(_), Some(at)) => {
            tasks.remove(at);
        }
        (_, None) => return Err(ApplyError::Missing(change.task_id().clone())),
    }
    Ok(())
}
