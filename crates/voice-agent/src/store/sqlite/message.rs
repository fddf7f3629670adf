//! Text messages: which came, and who wants none, inside a transaction.

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};

use super::StoreError;
use super::session::expiry;
use crate::store::{MESSAGE_TTL, UserId};

/// Notes whether the user wants no messages. Who says so again has said so since the first time.
pub(super) fn set_opted_out(
    tx: &Transaction<'_>,
    user: &UserId,
    opted_out: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    if opted_out {
        let sql = "INSERT INTO opt_outs (user_id, since) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        tx.prepare_cached(sql)?.execute(params![user.as_str(), now.as_millisecond()])?;
    } else {
        tx.prepare_cached("DELETE FROM opt_outs WHERE user_id = ?1")?.execute([user.as_str()])?;
    }
    Ok(())
}

/// Whether the user wants no messages.
pub(super) fn is_opted_out(conn: &Connection, user: &UserId) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM opt_outs WHERE user_id = ?1)";
    Ok(conn.prepare_cached(sql)?.query_row([user.as_str()], |row| row.get(0))?)
}

/// Notes that a message came; whether it is the first time.
pub(super) fn note(tx: &Transaction<'_>, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "INSERT INTO messages (id, expires_at) VALUES (?1, ?2)
               ON CONFLICT DO UPDATE SET expires_at = ?2 WHERE expires_at <= ?3";
    let noted = tx.prepare_cached(sql)?.execute(params![id, expiry(now, MESSAGE_TTL), now.as_millisecond()])?;
    Ok(noted > 0)
}

/// It may come again.
pub(super) fn forget(tx: &Transaction<'_>, id: &str) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM messages WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Forgets the messages that came long ago.
pub(super) fn sweep(tx: &Transaction<'_>, now: Timestamp) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM messages WHERE expires_at <= ?1")?.execute([now.as_millisecond()])?;
    Ok(())
}
