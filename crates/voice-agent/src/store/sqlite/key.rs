//! Wrapped keys, inside a transaction.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::StoreError;

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

/// All names, in order.
pub(super) fn names(conn: &Connection) -> Result<Vec<String>, StoreError> {
    let mut select = conn.prepare_cached("SELECT name FROM keys ORDER BY name")?;
    let names = select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(names)
}
