//! What was spent, as the scripts take it and as it is kept: a hash for each day, a field for each channel, provider, stage and sum.

use std::collections::BTreeMap;

use jiff::civil::Date;
use voice_core::cost::NanoUsd;

use super::reply::number;
use crate::store::{SpendKey, SpendSum, StoreError};

/// Stands between the parts of a field; no label has it.
const PART: char = '\u{1f}';

/// What the fields of a key begin with.
pub(super) fn field(key: &SpendKey) -> String {
    [&key.channel, &key.provider, &key.stage].map(|part| format!("{part}{PART}")).concat()
}

/// The four sums, none above what Redis counts to.
pub(super) fn sums(sum: &SpendSum) -> [u64; 4] {
    [sum.used.0, sum.wasted.0, sum.quantity, sum.records].map(|sum| sum.min(i64::MAX.unsigned_abs()))
}

/// A day's hash, as fields and values in turn.
pub(super) fn read(day: Date, fields: &[String]) -> Result<BTreeMap<SpendKey, SpendSum>, StoreError> {
    let mut spend: BTreeMap<SpendKey, SpendSum> = BTreeMap::new();
    for [field, value] in fields.as_chunks::<2>().0 {
        let parts: Vec<&str> = field.split(PART).collect();
        let [channel, provider, stage, name] = parts[..] else {
            return Err(StoreError::Corrupt("a field of a day's spend".to_owned()));
        };
        let [channel, provider, stage] = [channel, provider, stage].map(str::to_owned);
        let sum = spend.entry(SpendKey { day, channel, provider, stage }).or_default();
        let value: u64 = number(value)?;
        match name {
            "used" => sum.used = NanoUsd(value),
            "wasted" => sum.wasted = NanoUsd(value),
            "quantity" => sum.quantity = value,
            "records" => sum.records = value,
            _ => return Err(StoreError::Corrupt("a sum of a day's spend".to_owned())),
        }
    }
    Ok(spend)
}
