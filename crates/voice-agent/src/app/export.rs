//! What exports, wherever they were asked for, ask of this instance: what lies on its disk, and nowhere else.

use std::time::Duration;

use tokio::task::JoinSet;

use super::Shared;
use crate::privacy::Desk;

/// How often it is looked for them.
const LOOK: Duration = Duration::from_secs(1);
/// So many exports are given to at once; whoever asks beyond that hears nothing, and says so.
const MOST: usize = 4;

/// Gives it out, for ever.
pub(super) async fn give(app: Shared) {
    let Some(orders) = app.store.export_orders() else { return };
    let (mut last, mut going_on) = (0, JoinSet::new());
    loop {
        // That the store is away is said by the heartbeat.
        for (number, order) in orders.after(last).await.unwrap_or_default() {
            last = number;
            let Some(order) = order.filter(|order| order.to == app.instance().as_str()) else { continue };
            // Without keys it cannot.
            let Some(desk) = Desk::of(&app) else { continue };
            if going_on.len() < MOST {
                let orders = orders.clone();
                going_on.spawn(async move {
                    if let Err(error) = desk.give(&orders, &order).await {
                        tracing::warn!(%error, "what an export asks of this instance is not given out");
                    }
                });
            }
        }
        while going_on.try_join_next().is_some() {}
        tokio::time::sleep(LOOK).await;
    }
}
