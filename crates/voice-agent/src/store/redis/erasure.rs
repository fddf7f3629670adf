//! What an erasure asks of every instance that shares this Redis, and who has done it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::link::Link;
use super::{key, ms, script};
use crate::store::{InstanceId, StoreError};

/// For so long an instance that was off finds what it is asked when it is back.
const ORDER_TTL: Duration = Duration::from_secs(30 * 24 * 3600);
/// So many orders are kept at most, the newest.
const MOST: u32 = 1_000;
/// For so long answers are kept: whoever asked waits for seconds.
const ANSWERS_TTL: Duration = Duration::from_secs(3_600);

/// Who is to be forgotten. It names nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureOrder {
    /// The person's pseudonym.
    pub owner: String,
    /// The sessions that are known to be theirs.
    pub sessions: BTreeSet<String>,
}

/// What the instances say of an order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ErasureAnswers {
    /// They live, and have not done it.
    pub silent: BTreeSet<String>,
    /// They have done what they can, and this is left there.
    pub left: BTreeMap<String, String>,
}

/// The orders of a store that several instances share.
#[derive(Clone)]
pub struct ErasureOrders {
    link: Arc<Link>,
}

impl std::fmt::Debug for ErasureOrders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ErasureOrders").finish_non_exhaustive()
    }
}

impl ErasureOrders {
    pub(super) const fn new(link: Arc<Link>) -> Self {
        Self { link }
    }

    /// Asks every instance. The order's number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(&self, order: &ErasureOrder) -> Result<u64, StoreError> {
        put_order(&self.link, [key::ERASURES, key::ERASURES_COUNT], order, ORDER_TTL, MOST).await
    }

    /// What was asked after this number, oldest first. One that cannot be read, as of a later version, has no order: whoever asked waits in vain, and
    /// says so.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn after(&self, number: u64) -> Result<Vec<(u64, Option<ErasureOrder>)>, StoreError> {
        orders_after(&self.link, [key::ERASURES, key::ERASURES_COUNT], number).await
    }

    /// This instance has done it; what is left there, if anything is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn answer(&self, number: u64, instance: &InstanceId, left: &str) -> Result<(), StoreError> {
        let mut script = script::OBEY.key(key::erasure_answers(number));
        script.arg(instance.as_str()).arg(left).arg(ms(ANSWERS_TTL));
        self.link.run_patiently(script).await.map(|_| ())
    }

    /// What all that live say of it now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn answers(&self, number: u64) -> Result<ErasureAnswers, StoreError> {
        // First: one that begins to live meanwhile had no call of this person.
        let mut silent = living(&self.link).await?;
        let texts = self.link.run(script::ANSWERS.key(key::erasure_answers(number))).await?.texts()?;
        let mut left = BTreeMap::new();
        for [instance, what] in texts.as_chunks::<2>().0 {
            silent.remove(instance);
            if !what.is_empty() {
                left.insert(instance.clone(), what.clone());
            }
        }
        Ok(ErasureAnswers { silent, left })
    }
}

/// Puts an order beside those that are there. Its number.
pub(super) async fn put_order(
    link: &Link,
    [orders, count]: [&str; 2],
    order: &impl Serialize,
    ttl: Duration,
    most: u32,
) -> Result<u64, StoreError> {
    let mut script = script::ORDER.key(orders);
    let order = serde_json::to_string(order).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    script.key(count).arg(order).arg(ms(ttl)).arg(most);
    link.run(script).await?.number()
}

/// The orders behind this number, oldest first; one that cannot be read is none.
pub(super) async fn orders_after<T: DeserializeOwned>(
    link: &Link,
    [orders, count]: [&str; 2],
    number: u64,
) -> Result<Vec<(u64, Option<T>)>, StoreError> {
    let mut script = script::ORDERS.key(orders);
    script.key(count).arg(number);
    let texts = link.run_patiently(script).await?.texts()?;
    let one = |text: &String| {
        let (number, order) = text.split_once(' ')?;
        Some((number.parse().ok()?, serde_json::from_str(order).ok()))
    };
    Ok(texts.iter().filter_map(one).collect())
}

/// The instances with a heartbeat, in pieces: Redis serves nobody else while it looks.
pub(super) async fn living(link: &Link) -> Result<BTreeSet<String>, StoreError> {
    let (mut living, mut cursor) = (BTreeSet::new(), "0".to_owned());
    loop {
        let mut script = script::INSTANCES.arg(cursor);
        script.arg(format!("{}*", key::INSTANCE));
        let mut reply = link.run(script).await?;
        cursor = reply.text()?;
        let names = reply.texts()?.into_iter();
        living.extend(names.filter_map(|key| key.strip_prefix(key::INSTANCE).map(str::to_owned)));
        if cursor == "0" {
            return Ok(living);
        }
    }
}
