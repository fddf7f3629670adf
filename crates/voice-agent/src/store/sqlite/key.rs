//! Wrapped keys, inside a transaction.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::StoreError;
use crate::store::KeyPage;

/// So many at once.
const PAGE: u16 = 256;

/// The key of this name.
pub(super) fn read(conn: &Connection, name: &str) -> Result<Option<String>, StoreError> {
    let mut select = conn.prepare_cached("SELECT wrapped FROM keys WHERE name = ?1")?;
    Ok(select.query_row([name], |row| row.get(0)).optional()?)
}

/// Keeps a key, unless there is one; whether it did.
pub(super) fn put(tx: &Transaction<'_>, name: &str, wrapped: &str) -> Result<bool, StoreError> {
    let sql = "INSERT INTO keys (name, wrapped) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    Ok(tx.prepare_cached(sql)?.execute(params![name, wrapped])? > 0)
}

/// Puts `new` in the place of `old`; whether it did.
pub(super) fn replace(tx: &Transaction<'_>, name: &str, old: &str, new: &str) -> Result<bool, StoreError> {
    let sql = "UPDATE keys SET wrapped = ?3 WHERE name = ?1 AND wrapped = ?2";
    Ok(tx.prepare_cached(sql)?.execute(params![name, old, new])? > 0)
}

/// Forgets a key; whether there was one. It counts as destroyed also where there was none: one that is made later is another.
pub(super) fn delete(tx: &Transaction<'_>, name: &str) -> Result<bool, StoreError> {
    let was_there = tx.prepare_cached("DELETE FROM keys WHERE name = ?1")?.execute([name])? > 0;
    tx.prepare_cached("INSERT INTO destroyed_keys (name) VALUES (?1) ON CONFLICT DO NOTHING")?.execute([name])?;
    Ok(was_there)
}

/// Whether a key of this name was ever forgotten.
pub(super) fn was_destroyed(conn: &Connection, name: &str) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM destroyed_keys WHERE name = ?1)";
    Ok(conn.prepare_cached(sql)?.query_row([name], |row| row.get(0))?)
}

/// Some, behind this name.
pub(super) fn page(conn: &Connection, after: Option<&str>) -> Result<KeyPage, StoreError> {
    let sql = "SELECT name, wrapped FROM keys WHERE name > ?1 ORDER BY name LIMIT ?2";
    let mut select = conn.prepare_cached(sql)?;
    let found = select.query_map(params![after.unwrap_or_default(), PAGE], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let keys = found.collect::<Result<Vec<(String, String)>, _>>()?;
    let next = keys.get(usize::from(PAGE) - 1).map(|(name, _)| name.clone());
    Ok(KeyPage { keys, next })
}
