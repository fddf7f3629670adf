//! What erasures, wherever they were asked for, ask of this instance.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Shared;
use crate::privacy::{Desk, PrivacyError};
use crate::store::{ErasureOrder, ErasureOrders};

/// How often it is looked for them.
const LOOK: Duration = Duration::from_secs(1);
/// After so long it is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// Obeys for ever. At the start, too: what this instance's disk has of somebody who was erased while it was off goes then.
pub(super) async fn obey(app: Shared) {
    let Some(orders) = app.store.erasure_orders() else { return };
    let (mut known, mut said) = (Known::default(), String::new());
    loop {
        let rest = match known.round(&app, &orders).await {
            Ok(()) => {
                said.clear();
                LOOK
            }
            Err(error) => {
                let error = error.to_string();
                // Said once while it lasts.
                if error != said {
                    tracing::warn!(%error, "what an erasure asks of this instance is not done; it is tried again");
                    said = error;
                }
                AGAIN
            }
        };
        tokio::time::sleep(rest).await;
    }
}

/// Which there were.
#[derive(Default)]
struct Known {
    last: u64,
    to_do: BTreeMap<u64, ErasureOrder>,
}

impl Known {
    /// Looks for new ones, and tries all that are not done. One that fails keeps none of the others.
    async fn round(&mut self, app: &Shared, orders: &ErasureOrders) -> Result<(), PrivacyError> {
        // That the store is away is said by the heartbeat.
        for (number, order) in orders.after(self.last).await.unwrap_or_default() {
            self.last = number;
            self.to_do.extend(order.map(|order| (number, order)));
        }
        let (mut failed, mut unfinished) = (None, BTreeSet::new());
        for (number, order) in std::mem::take(&mut self.to_do) {
            if unfinished.contains(&order.owner) {
                // Nobody is told of somebody's second erasure that the first one is done.
                self.to_do.insert(number, order);
                continue;
            }
            match done(app, orders, number, &order).await {
                Ok(()) => {}
                Err(error) => {
                    failed = Some(error);
                    unfinished.insert(order.owner.clone());
                    self.to_do.insert(number, order);
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

async fn done(app: &Shared, orders: &ErasureOrders, number: u64, order: &ErasureOrder) -> Result<(), PrivacyError> {
    let left = match Desk::of(app) {
        Some(desk) => desk.obey(order).await?.join("; "),
        None => {
            app.answer_cache.clear();
            app.voice_cache.clear();
            "it has no RECORDING_MASTER_KEY, and cannot tell what on its disk is this person's".to_owned()
        }
    };
    Ok(orders.answer(number, app.instance(), &left).await?)
}
