//! Sessions, tool intents and hand-overs, inside a transaction.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::Value;
use voice_core::ids::{ToolCallId, TurnId};

use super::{StoreError, number, revision, task};
use crate::store::{
    ChangeOutcome, Commit, CommitOutcome, HANDOVER_TTL, InstanceId, LiveSession, SESSION_TTL, SessionDoc, SessionId,
    StoredSession, ToolCommit,
};

/// `now` + `ttl` in milliseconds.
pub(super) fn expiry(now: Timestamp, ttl: Duration) -> i64 {
    now.as_millisecond().saturating_add(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX))
}

fn next_fence(tx: &Transaction<'_>) -> Result<u64, StoreError> {
    let sql = "UPDATE fence SET last = last + 1 RETURNING last";
    revision(tx.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

pub(super) fn create(
    tx: &Transaction<'_>,
    doc: &SessionDoc,
    token_hash: [u8; 32],
    instance: &InstanceId,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let id = doc.session_id.as_str();
    // One that expired and was not swept yet is as one that never was.
    tx.prepare_cached("DELETE FROM sessions WHERE id = ?1 AND expires_at <= ?2")?
        .execute(params![id, now.as_millisecond()])?;
    tx.prepare_cached("DELETE FROM erased_sessions WHERE id = ?1")?.execute([id])?;
    let fence = next_fence(tx)?;
    let sql = "INSERT INTO sessions (id, doc, token_hash, fence, owner, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
               ON CONFLICT DO NOTHING";
    let expires_at = expiry(now, SESSION_TTL);
    let values = params![id, doc.to_json()?, token_hash, number(fence), instance.as_str(), expires_at];
    match tx.prepare_cached(sql)?.execute(values)? {
        1 => Ok(fence),
        _ => Err(StoreError::Exists(id.to_owned())),
    }
}

pub(super) fn load(conn: &Connection, id: &SessionId, now: Timestamp) -> Result<Option<StoredSession>, StoreError> {
    let sql = "SELECT doc, token_hash, fence, owner, ended FROM sessions WHERE id = ?1 AND expires_at > ?2";
    let row = conn.prepare_cached(sql)?.query_row(params![id.as_str(), now.as_millisecond()], |row| {
        let (doc, token_hash): (String, [u8; 32]) = (row.get(0)?, row.get(1)?);
        let (fence, owner, ended): (i64, String, bool) = (row.get(2)?, row.get(3)?, row.get(4)?);
        Ok((doc, token_hash, fence, owner, ended))
    });
    let Some((doc, token_hash, fence, owner, ended)) = row.optional()? else { return Ok(None) };
    let doc = SessionDoc::from_json(&doc)?;
    Ok(Some(StoredSession { doc, token_hash, fence: revision(fence)?, owner: InstanceId::new(owner), ended }))
}

pub(super) fn claim(
    tx: &Transaction<'_>,
    id: &SessionId,
    instance: &InstanceId,
    now: Timestamp,
) -> Result<StoredSession, StoreError> {
    let mut session = load(tx, id, now)?.ok_or_else(|| StoreError::NotFound(id.to_string()))?;
    if session.ended {
        return Err(StoreError::Ended(id.to_string()));
    }
    session.fence = next_fence(tx)?;
    session.owner = instance.clone();
    let sql = "UPDATE sessions SET fence = ?2, owner = ?3, expires_at = ?4 WHERE id = ?1";
    let expires_at = expiry(now, SESSION_TTL);
    tx.prepare_cached(sql)?.execute(params![id.as_str(), number(session.fence), instance.as_str(), expires_at])?;
    Ok(session)
}

/// How a session stands to somebody who thinks he owns it.
enum Standing {
    Owned,
    Fenced,
    Ended,
}

fn standing(tx: &Transaction<'_>, id: &SessionId, fence: u64, now: Timestamp) -> Result<Standing, StoreError> {
    let sql = "SELECT fence, ended FROM sessions WHERE id = ?1 AND expires_at > ?2";
    let found: Option<(i64, bool)> = tx
        .prepare_cached(sql)?
        .query_row(params![id.as_str(), now.as_millisecond()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((present, ended)) = found else {
        must_not_be_erased(tx, id, now)?;
        return Err(StoreError::NotFound(id.to_string()));
    };
    Ok(match (revision(present)? == fence, ended) {
        (false, _) => Standing::Fenced,
        (true, true) => Standing::Ended,
        (true, false) => Standing::Owned,
    })
}

/// Nothing is put back of a session that was erased with its person.
pub(super) fn must_not_be_erased(tx: &Transaction<'_>, id: &SessionId, now: Timestamp) -> Result<(), StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM erased_sessions WHERE id = ?1 AND expires_at > ?2)";
    let is_erased: bool =
        tx.prepare_cached(sql)?.query_row(params![id.as_str(), now.as_millisecond()], |row| row.get(0))?;
    if is_erased { Err(StoreError::Ended(id.to_string())) } else { Ok(()) }
}

/// As `standing`, for methods that have no outcome for it.
fn must_own(tx: &Transaction<'_>, id: &SessionId, fence: u64, now: Timestamp) -> Result<(), StoreError> {
    match standing(tx, id, fence, now)? {
        Standing::Owned => Ok(()),
        Standing::Fenced => Err(StoreError::Fenced(id.to_string())),
        Standing::Ended => Err(StoreError::Ended(id.to_string())),
    }
}

pub(super) fn commit(tx: &Transaction<'_>, commit: &Commit, now: Timestamp) -> Result<CommitOutcome, StoreError> {
    let id = &commit.doc.session_id;
    match standing(tx, id, commit.fence, now)? {
        Standing::Owned => {}
        Standing::Fenced => return Ok(CommitOutcome::Fenced),
        Standing::Ended => return Err(StoreError::Ended(id.to_string())),
    }
    let mut tasks_rev = None;
    for tool in &commit.tools {
        if let Some(output) = applied(tx, id, commit.turn, tool.call)? {
            return Ok(CommitOutcome::AlreadyApplied { output });
        }
        // Each tool was computed on the list as the one before leaves it.
        let expected = tasks_rev.unwrap_or(tool.tasks_rev);
        match task::change(tx, &tool.user_id, Some(expected), &tool.changes, &tool.undo)? {
            ChangeOutcome::Conflict => return Ok(CommitOutcome::Conflict),
            ChangeOutcome::Changed { tasks_rev: rev } => tasks_rev = Some(rev),
        }
        record(tx, id, commit.turn, tool)?;
    }
    let sql = "UPDATE sessions SET doc = ?2, expires_at = ?3 WHERE id = ?1";
    tx.prepare_cached(sql)?.execute(params![id.as_str(), commit.doc.to_json()?, expiry(now, SESSION_TTL)])?;
    Ok(CommitOutcome::Committed { tasks_rev })
}

fn applied(tx: &Transaction<'_>, id: &SessionId, turn: TurnId, call: ToolCallId) -> Result<Option<Value>, StoreError> {
    let sql = "SELECT output FROM tool_intents WHERE session_id = ?1 AND turn = ?2 AND call = ?3";
    let key = params![id.as_str(), turn.0, number(call.0)];
    let output: Option<String> = tx.prepare_cached(sql)?.query_row(key, |row| row.get(0)).optional()?;
    output.map(|json| parse(&json)).transpose()
}

fn record(tx: &Transaction<'_>, id: &SessionId, turn: TurnId, tool: &ToolCommit) -> Result<(), StoreError> {
    let sql = "INSERT INTO tool_intents (session_id, turn, call, output) VALUES (?1, ?2, ?3, ?4)";
    let values = params![id.as_str(), turn.0, number(tool.call.0), tool.output.to_string()];
    tx.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

fn parse(json: &str) -> Result<Value, StoreError> {
    serde_json::from_str(json).map_err(|error| StoreError::Corrupt(format!("kept JSON: {error}")))
}

pub(super) fn extend(tx: &Transaction<'_>, id: &SessionId, fence: u64, now: Timestamp) -> Result<(), StoreError> {
    must_own(tx, id, fence, now)?;
    let sql = "UPDATE sessions SET expires_at = ?2 WHERE id = ?1";
    tx.prepare_cached(sql)?.execute(params![id.as_str(), expiry(now, SESSION_TTL)])?;
    Ok(())
}

/// What ran out while its owner lived is his still, unless another has claimed it, or it was erased.
pub(super) fn reassert(
    tx: &Transaction<'_>,
    doc: &SessionDoc,
    token_hash: [u8; 32],
    fence: u64,
    instance: &InstanceId,
    now: Timestamp,
) -> Result<(), StoreError> {
    must_not_be_erased(tx, &doc.session_id, now)?;
    let id = doc.session_id.as_str();
    let sql = "INSERT INTO sessions (id, doc, token_hash, fence, owner, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
               ON CONFLICT (id) DO UPDATE SET expires_at = ?6 WHERE fence = ?4";
    let expires_at = expiry(now, SESSION_TTL);
    let values = params![id, doc.to_json()?, token_hash, number(fence), instance.as_str(), expires_at];
    tx.prepare_cached(sql)?.execute(values)?;
    must_own(tx, &doc.session_id, fence, now)
}

pub(super) fn end(tx: &Transaction<'_>, id: &SessionId, fence: Option<u64>, now: Timestamp) -> Result<(), StoreError> {
    if let Some(fence) = fence
        && matches!(standing(tx, id, fence, now)?, Standing::Fenced)
    {
        return Err(StoreError::Fenced(id.to_string()));
    }
    let sql = "UPDATE sessions SET ended = 1 WHERE id = ?1 AND expires_at > ?2";
    match tx.prepare_cached(sql)?.execute(params![id.as_str(), now.as_millisecond()])? {
        1 => Ok(()),
        _ => Err(StoreError::NotFound(id.to_string())),
    }
}

pub(super) fn delete(tx: &Transaction<'_>, id: &SessionId, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "DELETE FROM sessions WHERE id = ?1 RETURNING expires_at";
    let expires_at: Option<i64> = tx.prepare_cached(sql)?.query_row([id.as_str()], |row| row.get(0)).optional()?;
    Ok(expires_at.is_some_and(|at| at > now.as_millisecond()))
}

pub(super) fn live(conn: &Connection, now: Timestamp) -> Result<Vec<LiveSession>, StoreError> {
    let sql = "SELECT id, owner, fence FROM sessions WHERE ended = 0 AND expires_at > ?1 ORDER BY fence";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([now.as_millisecond()], |row| {
        let (id, owner, fence): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok((id, owner, fence))
    })?;
    rows.map(|row| {
        let (id, owner, fence) = row?;
        Ok(LiveSession { id: SessionId::new(id), owner: InstanceId::new(owner), fence: revision(fence)? })
    })
    .collect()
}

pub(super) fn sweep(tx: &Transaction<'_>, now: Timestamp) -> Result<Vec<SessionId>, StoreError> {
    let now = now.as_millisecond();
    tx.prepare_cached("DELETE FROM handovers WHERE expires_at <= ?1")?.execute([now])?;
    tx.prepare_cached("DELETE FROM erased_sessions WHERE expires_at <= ?1")?.execute([now])?;
    let mut statement = tx.prepare_cached("DELETE FROM sessions WHERE expires_at <= ?1 RETURNING id")?;
    let rows = statement.query_map([now], |row| row.get(0).map(|id: String| SessionId::new(id)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn put_handover(
    tx: &Transaction<'_>,
    id: &SessionId,
    fence: u64,
    context: &Value,
    now: Timestamp,
) -> Result<(), StoreError> {
    must_own(tx, id, fence, now)?;
    let sql = "INSERT OR REPLACE INTO handovers (session_id, context, expires_at) VALUES (?1, ?2, ?3)";
    tx.prepare_cached(sql)?.execute(params![id.as_str(), context.to_string(), expiry(now, HANDOVER_TTL)])?;
    Ok(())
}

pub(super) fn take_handover(tx: &Transaction<'_>, id: &SessionId, now: Timestamp) -> Result<Option<Value>, StoreError> {
    let sql = "DELETE FROM handovers WHERE session_id = ?1 RETURNING context, expires_at";
    let found: Option<(String, i64)> =
        tx.prepare_cached(sql)?.query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    found.filter(|(_, at)| *at > now.as_millisecond()).map(|(context, _)| parse(&context)).transpose()
}
