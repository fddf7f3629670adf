//! What was spent, inside a transaction.

use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::{Connection, Transaction, params};
use voice_core::cost::NanoUsd;

use super::session::expiry;
use super::{StoreError, number, revision};
use crate::store::{SPEND_BATCH_TTL, SPEND_TTL, Spend, SpendKey, SpendSum};

/// Adds the amounts, unless this batch was added before.
pub(super) fn add(tx: &Transaction<'_>, batch: &str, amounts: &Spend, now: Timestamp) -> Result<(), StoreError> {
    let sql = "INSERT INTO spend_batches (id, expires_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    if tx.prepare_cached(sql)?.execute(params![batch, expiry(now, SPEND_BATCH_TTL)])? == 0 {
        return Ok(());
    }
    let sql = "INSERT INTO spend (day, channel, provider, stage, used, wasted, quantity, records)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
               ON CONFLICT DO UPDATE SET used = used + ?5, wasted = wasted + ?6, quantity = quantity + ?7,
                                         records = records + ?8";
    let mut statement = tx.prepare_cached(sql)?;
    for (SpendKey { day, channel, provider, stage }, sum) in amounts {
        let SpendSum { used, wasted, quantity, records } = *sum;
        let sums = [used.0, wasted.0, quantity, records].map(number);
        statement.execute(params![day.to_string(), channel, provider, stage, sums[0], sums[1], sums[2], sums[3]])?;
    }
    Ok(())
}

/// What was spent on these days, both included, in the order of the keys.
pub(super) fn read(conn: &Connection, from: Date, to: Date) -> Result<Spend, StoreError> {
    let sql = "SELECT day, channel, provider, stage, used, wasted, quantity, records FROM spend
               WHERE day BETWEEN ?1 AND ?2 ORDER BY day, channel, provider, stage";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([from.to_string(), to.to_string()])?;
    let mut spend = Vec::new();
    while let Some(row) = rows.next()? {
        let day: String = row.get(0)?;
        let day = day.parse().map_err(|_| StoreError::Corrupt(format!("{day:?} where a day should be")))?;
        let key = SpendKey { day, channel: row.get(1)?, provider: row.get(2)?, stage: row.get(3)? };
        let sum = SpendSum {
            used: NanoUsd(revision(row.get(4)?)?),
            wasted: NanoUsd(revision(row.get(5)?)?),
            quantity: revision(row.get(6)?)?,
            records: revision(row.get(7)?)?,
        };
        spend.push((key, sum));
    }
    Ok(spend)
}

/// Forgets the days and batches that are too old.
pub(super) fn sweep(tx: &Transaction<'_>, now: Timestamp) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM spend_batches WHERE expires_at <= ?1")?.execute([now.as_millisecond()])?;
    let kept = now.checked_sub(SPEND_TTL).unwrap_or(Timestamp::MIN);
    let oldest = kept.to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    tx.prepare_cached("DELETE FROM spend WHERE day < ?1")?.execute([oldest.to_string()])?;
    Ok(())
}
