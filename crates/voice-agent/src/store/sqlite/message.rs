//! Text messages: which came, who answers them, and who wants none, inside a transaction.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::StoreError;
use super::session::expiry;
use crate::store::{Begun, InstanceId, MESSAGE_TTL, UserId};

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

/// Notes that something came; whether it is the first time.
pub(super) fn note(tx: &Transaction<'_>, id: &str, ttl: Duration, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "INSERT INTO messages (id, expires_at) VALUES (?1, ?2)
               ON CONFLICT DO UPDATE SET expires_at = ?2, begun_by = NULL WHERE expires_at <= ?3";
    let noted = tx.prepare_cached(sql)?.execute(params![id, expiry(now, ttl), now.as_millisecond()])?;
    Ok(noted > 0)
}

/// Begins to answer a message, unless it is done, or somebody does who lives by these heartbeats: all that there are, for the store is
/// this process's alone.
pub(super) fn begin(
    tx: &Transaction<'_>,
    id: &str,
    by: &InstanceId,
    heartbeats: &BTreeMap<InstanceId, i64>,
    now: Timestamp,
) -> Result<Begun, StoreError> {
    let sql = "SELECT begun_by FROM messages WHERE id = ?1 AND expires_at > ?2";
    let known: Option<Option<String>> =
        tx.prepare_cached(sql)?.query_row(params![id, now.as_millisecond()], |row| row.get(0)).optional()?;
    let begun = match known {
        None => Begun::First,
        Some(None) => return Ok(Begun::Done),
        Some(Some(owner)) => {
            let owner = InstanceId::new(owner);
            let lives = heartbeats.get(&owner).is_some_and(|until| *until > now.as_millisecond());
            if lives || owner == *by {
                return Ok(Begun::UnderWay);
            }
            Begun::Again
        }
    };
    let sql = "INSERT OR REPLACE INTO messages (id, expires_at, begun_by) VALUES (?1, ?2, ?3)";
    tx.prepare_cached(sql)?.execute(params![id, expiry(now, MESSAGE_TTL), by.as_str()])?;
    Ok(begun)
}

/// The message is answered.
pub(super) fn end(tx: &Transaction<'_>, id: &str, now: Timestamp) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO messages (id, expires_at, begun_by) VALUES (?1, ?2, NULL)";
    tx.prepare_cached(sql)?.execute(params![id, expiry(now, MESSAGE_TTL)])?;
    Ok(())
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
