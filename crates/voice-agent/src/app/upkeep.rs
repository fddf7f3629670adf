//! What goes on in the background: the instance's heartbeat, the store's health, the sweep of what expired.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Shared;
use crate::store::HEARTBEAT_TTL;

/// How often the instance says that it lives.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// How often the store is asked how it is.
const HEALTH: Duration = Duration::from_secs(5);
/// How often what expired is forgotten.
const SWEEP: Duration = Duration::from_secs(60);

/// Starts the three, until `stop`.
pub(super) fn start(app: &Shared, stop: &CancellationToken, tasks: &TaskTracker) {
    tasks.spawn(every(HEARTBEAT, Arc::clone(app), stop.clone(), heartbeat));
    tasks.spawn(every(HEALTH, Arc::clone(app), stop.clone(), health));
    tasks.spawn(every(SWEEP, Arc::clone(app), stop.clone(), sweep));
}

async fn every(period: Duration, app: Shared, stop: CancellationToken, work: impl AsyncFn(&Shared)) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => work(&app).await,
            () = stop.cancelled() => return,
        }
    }
}

async fn heartbeat(app: &Shared) {
    if let Err(error) = app.store.heartbeat(app.instance.clone(), HEARTBEAT_TTL).await {
        // The log says it once; the reason stays the same while it lasts.
        app.readiness.degrade("store", error.to_string());
    }
}

async fn health(app: &Shared) {
    match app.store.health().await.trouble {
        Some(trouble) => app.readiness.degrade("store", trouble),
        None => app.readiness.recover("store"),
    }
}

async fn sweep(app: &Shared) {
    match app.store.sweep().await {
        Ok(gone) if gone.is_empty() => {}
        Ok(gone) => tracing::info!(sessions = gone.len(), "expired sessions were forgotten"),
        Err(error) => app.events.store_failed("sweep", &error),
    }
}
