//! The tables, and how older ones become them.

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;

/// The migrations in order; a database at `user_version` n has had the first n. Never change one that was released.
const MIGRATIONS: [&str; 7] = [
    include_str!("v1.sql"),
    include_str!("v2.sql"),
    include_str!("v3.sql"),
    include_str!("v4.sql"),
    include_str!("v5.sql"),
    include_str!("v6.sql"),
    include_str!("v7.sql"),
];

/// Brings the database up to date, each step in one transaction.
pub(super) fn migrate(conn: &mut Connection) -> Result<(), StoreError> {
    let found: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let done = usize::try_from(found).ok().filter(|done| *done <= MIGRATIONS.len()).ok_or_else(|| {
        StoreError::Incompatible(format!(
            "the database has schema version {found}, and this program knows versions up to {}; start the newer \
             program again, or give this one another DATA_DIR",
            MIGRATIONS.len()
        ))
    })?;
    if done == 0 && has_tables(conn)? {
        return Err(StoreError::Incompatible(
            "the database belongs to another program; give this one another DATA_DIR".to_owned(),
        ));
    }
    for (version, step) in (1_i64..).zip(MIGRATIONS).skip(done) {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(step)?;
        tx.pragma_update(None, "user_version", version)?;
        tx.commit()?;
    }
    Ok(())
}

fn has_tables(conn: &Connection) -> Result<bool, StoreError> {
    Ok(conn.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?)
}
