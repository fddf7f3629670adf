//! Tasks and undo steps, as the scripts take them and as they are kept.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::key;
use super::reply::{Reply, number};
use crate::store::{Commit, CommitOutcome, StoreError, ToolCommit, UserId, UserTasks};
use crate::tasks::{ApplyError, Task, TaskChange, TaskId, TaskList, UndoEffect, UndoEntry};

/// The place of the first user's keys among a commit's, counted as Lua does.
const FIRST_USER: usize = 4;

/// What is kept of the changes: `[kind, task's id, task]` each. The tasks are texts within the text: the script puts them where they
/// belong and never looks into them.
pub(super) fn changes_of(changes: &[TaskChange]) -> Result<Value, StoreError> {
    let one = |change: &TaskChange| {
        let id = change.task_id().as_str();
        Ok(match change {
            TaskChange::Created(task) => json!(["created", id, text(task)?]),
            TaskChange::Updated { after, .. } => json!(["updated", id, text(after)?]),
            TaskChange::Deleted(_) => json!(["deleted", id]),
        })
    };
    changes.iter().map(one).collect()
}

/// What becomes of the undo journal.
pub(super) fn undo_of(undo: &UndoEffect) -> Result<Value, StoreError> {
    Ok(match undo {
        UndoEffect::None => json!(["none"]),
        UndoEffect::Push(entry) => json!(["push", text(entry)?]),
        UndoEffect::Pop(count) => json!(["pop", count]),
    })
}

/// A commit's tools, and the keys of their users.
pub(super) struct Tools {
    pub(super) json: String,
    pub(super) keys: Vec<String>,
}

impl Tools {
    pub(super) fn of(commit: &Commit) -> Result<Self, StoreError> {
        let mut places: BTreeMap<&UserId, usize> = BTreeMap::new();
        let mut keys = Vec::new();
        let mut tools = Vec::new();
        for tool in &commit.tools {
            let place = *places.entry(&tool.user_id).or_insert_with(|| {
                keys.extend([key::tasks(&tool.user_id), key::undo(&tool.user_id)]);
                FIRST_USER + keys.len() - 2
            });
            tools.push(encode(commit, tool, place)?);
        }
        Ok(Self { json: Value::Array(tools).to_string(), keys })
    }
}

fn encode(commit: &Commit, tool: &ToolCommit, place: usize) -> Result<Value, StoreError> {
    Ok(json!([
        place,
        format!("{}:{}", commit.turn.0, tool.call.0),
        tool.tasks_rev.to_string(),
        changes_of(&tool.changes)?,
        undo_of(&tool.undo)?,
        tool.output.to_string(),
        tool.user_id.as_str(),
    ]))
}

/// What the commit's script answered.
pub(super) fn outcome(commit: &Commit, mut reply: Reply) -> Result<CommitOutcome, StoreError> {
    match reply.word.as_str() {
        "ok" => {
            let rev = reply.text()?;
            let tasks_rev = if rev.is_empty() { None } else { Some(number(&rev)?) };
            Ok(CommitOutcome::Committed { tasks_rev })
        }
        "applied" => Ok(CommitOutcome::AlreadyApplied { output: parse(&reply.text()?)? }),
        "conflict" => Ok(CommitOutcome::Conflict),
        "fenced" => Ok(CommitOutcome::Fenced),
        _ => Err(refusal(reply, commit.doc.session_id.as_str())),
    }
}

/// Why changes were refused.
pub(super) fn refusal(mut reply: Reply, session: &str) -> StoreError {
    let error = match reply.word.as_str() {
        "too_many" => Ok(ApplyError::TooMany),
        "missing" => task_id(&mut reply).map(ApplyError::Missing),
        "duplicate" => task_id(&mut reply).map(ApplyError::Duplicate),
        _ => return reply.refusal(session),
    };
    error.map_or_else(|error| error, StoreError::Refused)
}

fn task_id(reply: &mut Reply) -> Result<TaskId, StoreError> {
    let text = reply.text()?;
    TaskId::parse(&text).map_err(|_| StoreError::Corrupt("a task's id".to_owned()))
}

/// What is kept of a user, as a list in its order.
pub(super) fn user_tasks(mut reply: Reply) -> Result<UserTasks, StoreError> {
    let (fields, undo) = (reply.list()?, reply.list()?);
    let mut list = TaskList::default();
    for [field, value] in fields.as_chunks::<2>().0 {
        if field == "rev" {
            list.rev = number(value)?;
        } else {
            list.tasks.push(parse::<Task>(value)?);
        }
    }
    list.tasks.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    let undo = undo.iter().map(|entry| parse::<UndoEntry>(entry)).collect::<Result<_, _>>()?;
    Ok(UserTasks { list, undo })
}

fn text(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// Reads what was kept.
pub(super) fn parse<T: DeserializeOwned>(json: &str) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|error| StoreError::Corrupt(format!("kept JSON: {error}")))
}
