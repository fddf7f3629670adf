//! What is kept of one person, inside a transaction; and how far the access logs are.

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};

use super::{StoreError, number, revision, session};
use crate::store::{ConsentRecord, ERASED_TTL, Erased, LogHead, SessionId, StoredSession, UserId};

/// Adds a decision, unless it is there, or its session was erased.
pub(super) fn add_consent(
    tx: &Transaction<'_>,
    user: &UserId,
    record: &ConsentRecord,
    now: Timestamp,
) -> Result<(), StoreError> {
    session::must_not_be_erased(tx, &record.session_id, now)?;
    let sql = "INSERT INTO consents (user_id, id, at, body) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    let values = params![user.as_str(), record.id, record.at.as_microsecond(), record.to_json()?];
    tx.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// The person's decisions, oldest first.
pub(super) fn consents(conn: &Connection, user: &UserId) -> Result<Vec<ConsentRecord>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT body FROM consents WHERE user_id = ?1 ORDER BY at, id")?;
    let rows = statement.query_map([user.as_str()], |row| row.get::<_, String>(0))?;
    rows.map(|row| ConsentRecord::from_json(&row?)).collect()
}

/// The person's sessions, those that ended included.
pub(super) fn sessions(conn: &Connection, user: &UserId, now: Timestamp) -> Result<Vec<StoredSession>, StoreError> {
    let ids = session_ids(conn, user)?;
    let found = ids.iter().map(|id| session::load(conn, id, now));
    found.filter_map(Result::transpose).collect()
}

/// Their ids, those that expired and were not swept included.
fn session_ids(conn: &Connection, user: &UserId) -> Result<Vec<SessionId>, StoreError> {
    let sql = "SELECT id FROM sessions WHERE json_extract(doc, '$.user_id') = ?1 ORDER BY fence";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([user.as_str()], |row| row.get(0).map(|id: String| SessionId::new(id)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Forgets all of it.
pub(super) fn erase(tx: &Transaction<'_>, user: &UserId, now: Timestamp) -> Result<Erased, StoreError> {
    let sessions = session_ids(tx, user)?;
    for id in &sessions {
        let sql = "INSERT OR REPLACE INTO erased_sessions (id, expires_at) VALUES (?1, ?2)";
        tx.prepare_cached(sql)?.execute(params![id.as_str(), session::expiry(now, ERASED_TTL)])?;
        // Its hand-over and its tools' answers go with it.
        tx.prepare_cached("DELETE FROM sessions WHERE id = ?1")?.execute([id.as_str()])?;
    }
    let delete =
        |sql: &str| -> Result<u64, StoreError> { Ok(tx.prepare_cached(sql)?.execute([user.as_str()])? as u64) };
    let undo = delete("DELETE FROM undo WHERE user_id = ?1")?;
    let tasks = delete("DELETE FROM tasks WHERE user_id = ?1")?;
    delete("DELETE FROM users WHERE id = ?1")?;
    let opt_outs = delete("DELETE FROM opt_outs WHERE user_id = ?1")?;
    let consents = delete("DELETE FROM consents WHERE user_id = ?1")?;
    Ok(Erased { sessions, tasks, undo, consents, opt_outs })
}

/// Notes how far a log is; never back.
pub(super) fn put_log_head(tx: &Transaction<'_>, name: &str, head: &LogHead) -> Result<(), StoreError> {
    let sql = "INSERT INTO access_logs (name, lines, hash, place) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT DO UPDATE SET lines = ?2, hash = ?3, place = ?4 WHERE lines < ?2";
    tx.prepare_cached(sql)?.execute(params![name, number(head.lines), head.hash, head.place])?;
    Ok(())
}

/// How far every log is, in the order of their names.
pub(super) fn log_heads(conn: &Connection) -> Result<Vec<(String, LogHead)>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT name, lines, hash, place FROM access_logs ORDER BY name")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get(2)?, row.get(3)?)))?;
    rows.map(|row| {
        let (name, lines, hash, place) = row?;
        Ok((name, LogHead { lines: revision(lines)?, hash, place }))
    })
    .collect()
}
