//! Tasks, revisions and the undo journal, inside a transaction.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{StoreError, number, revision};
use crate::store::{ChangeOutcome, UserId, UserTasks};
use crate::tasks::{ApplyError, MAX_TASKS, MAX_UNDO, Task, TaskChange, TaskList, UndoEffect, UndoEntry};

/// The user's tasks with their journal.
pub(super) fn read(conn: &Connection, user: &UserId) -> Result<UserTasks, StoreError> {
    let rev = rev(conn, user)?;
    let sql = "SELECT body FROM tasks WHERE user_id = ?1 ORDER BY created_at_us, id";
    let tasks = bodies(conn, sql, user)?.iter().map(|body| parse(body)).collect::<Result<Vec<Task>, _>>()?;
    let sql = "SELECT entry FROM undo WHERE user_id = ?1 ORDER BY number";
    let undo = bodies(conn, sql, user)?.iter().map(|entry| parse(entry)).collect::<Result<Vec<UndoEntry>, _>>()?;
    Ok(UserTasks { list: TaskList { rev, tasks }, undo })
}

fn bodies(conn: &Connection, sql: &str, user: &UserId) -> Result<Vec<String>, StoreError> {
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([user.as_str()], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn parse<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|error| StoreError::Corrupt(format!("a task's JSON: {error}")))
}

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn rev(conn: &Connection, user: &UserId) -> Result<u64, StoreError> {
    let sql = "SELECT tasks_rev FROM users WHERE id = ?1";
    let found: Option<i64> = conn.prepare_cached(sql)?.query_row([user.as_str()], |row| row.get(0)).optional()?;
    found.map_or(Ok(0), revision)
}

/// Makes the changes if the tasks are still at `expected`; without changes nothing can be in conflict.
pub(super) fn change(
    tx: &Transaction<'_>,
    user: &UserId,
    expected: Option<u64>,
    changes: &[TaskChange],
    undo: &UndoEffect,
) -> Result<ChangeOutcome, StoreError> {
    let present = rev(tx, user)?;
    if changes.is_empty() && *undo == UndoEffect::None {
        return Ok(ChangeOutcome::Changed { tasks_rev: present });
    }
    if expected.is_some_and(|expected| expected != present) {
        return Ok(ChangeOutcome::Conflict);
    }
    let tasks_rev = present + 1;
    tx.prepare_cached(
        "INSERT INTO users (id, tasks_rev) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET tasks_rev = ?2",
    )?
    .execute(params![user.as_str(), number(tasks_rev)])?;
    for change in changes {
        apply(tx, user, change)?;
    }
    if changes.iter().any(|change| matches!(change, TaskChange::Created(_))) {
        check_count(tx, user)?;
    }
    journal(tx, user, undo)?;
    Ok(ChangeOutcome::Changed { tasks_rev })
}

fn apply(tx: &Transaction<'_>, user: &UserId, change: &TaskChange) -> Result<(), StoreError> {
    let id = change.task_id();
    let touched = match change {
        TaskChange::Created(task) => {
            let sql = "INSERT INTO tasks (user_id, id, created_at_us, body) VALUES (?1, ?2, ?3, ?4)
                       ON CONFLICT DO NOTHING";
            let created = task.created_at.as_microsecond();
            tx.prepare_cached(sql)?.execute(params![user.as_str(), id.as_str(), created, json(task)?])?
        }
        TaskChange::Updated { after, .. } => {
            let sql = "UPDATE tasks SET created_at_us = ?3, body = ?4 WHERE user_id = ?1 AND id = ?2";
            let created = after.created_at.as_microsecond();
            tx.prepare_cached(sql)?.execute(params![user.as_str(), id.as_str(), created, json(after)?])?
        }
        TaskChange::Deleted(_) => {
            let sql = "DELETE FROM tasks WHERE user_id = ?1 AND id = ?2";
            tx.prepare_cached(sql)?.execute(params![user.as_str(), id.as_str()])?
        }
    };
    match (touched, change) {
        (1, _) => Ok(()),
        (_, TaskChange::Created(_)) => Err(ApplyError::Duplicate(id.clone()).into()),
        _ => Err(ApplyError::Missing(id.clone()).into()),
    }
}

fn check_count(tx: &Transaction<'_>, user: &UserId) -> Result<(), StoreError> {
    let sql = "SELECT count(*) FROM tasks WHERE user_id = ?1";
    let count: i64 = tx.prepare_cached(sql)?.query_row([user.as_str()], |row| row.get(0))?;
    if usize::try_from(count).is_ok_and(|count| count <= MAX_TASKS) { Ok(()) } else { Err(ApplyError::TooMany.into()) }
}

fn journal(tx: &Transaction<'_>, user: &UserId, undo: &UndoEffect) -> Result<(), StoreError> {
    match undo {
        UndoEffect::None => {}
        UndoEffect::Push(entry) => {
            let sql = "INSERT INTO undo (user_id, number, entry)
                       SELECT ?1, coalesce(max(number), 0) + 1, ?2 FROM undo WHERE user_id = ?1";
            tx.prepare_cached(sql)?.execute(params![user.as_str(), json(entry)?])?;
            let sql = "DELETE FROM undo WHERE user_id = ?1 AND number <=
                       (SELECT max(number) FROM undo WHERE user_id = ?1) - ?2";
            tx.prepare_cached(sql)?.execute(params![user.as_str(), number(MAX_UNDO as u64)])?;
        }
        UndoEffect::Pop(count) => {
            let sql = "DELETE FROM undo WHERE user_id = ?1 AND number IN
                       (SELECT number FROM undo WHERE user_id = ?1 ORDER BY number DESC LIMIT ?2)";
            tx.prepare_cached(sql)?.execute(params![user.as_str(), number(*count as u64)])?;
        }
    }
    Ok(())
}
