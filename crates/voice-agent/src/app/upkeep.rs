//! What goes on in the background: the instance's heartbeat, the health of the store and of the stages' rungs, the sweep of what expired, the pruning of
//! the logs of inputs, and the news of changed tasks and of objections.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Shared;
use super::erasure;
use super::export;
use super::input_log::{self, Pruned};
use crate::access_log::{Access, Role};
use crate::config::Recording;
use crate::recording::{self, Deleted, Recorder, Report};
use crate::store::{Change, HEARTBEAT_TTL, UserId};
use crate::telemetry::{Events, RetentionOf};
use crate::vault::{NoKms, Rotated, Vault};

/// How often the instance says that it lives.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// How often it is asked, where others might, whether somebody else owns its sessions.
const OWNERSHIP: Duration = Duration::from_secs(2);
/// How often the store and the stages' rungs are asked how they are.
const HEALTH: Duration = Duration::from_secs(5);
/// How often what was spent is put into the store.
const SPEND: Duration = Duration::from_secs(1);
/// How often what expired is forgotten.
const SWEEP: Duration = Duration::from_secs(60);
/// The same where nobody else could own them: what ran out because this machine slept, or its clock was put right, is put back.
const OWNERSHIP_ALONE: Duration = Duration::from_secs(10);
/// After so long a rotation of the master key that failed is tried again, and so is an access log that could not be begun.
const ROTATE_AGAIN: Duration = Duration::from_secs(30);
/// How often it is looked for keys that an instance with an earlier master key has made meanwhile.
const ROTATE_EVERY: Duration = Duration::from_secs(600);
/// How often the logs of inputs are pruned.
const PRUNE: Duration = Duration::from_secs(600);

/// Starts them, until `stop`.
pub(super) fn start(app: &Shared, stop: &CancellationToken, tasks: &TaskTracker) {
    tasks.spawn(every(HEARTBEAT, Arc::clone(app), stop.clone(), heartbeat));
    let is_shared = app.config.secrets.redis_url.is_some();
    let ownership_every = if is_shared { OWNERSHIP } else { OWNERSHIP_ALONE };
    tasks.spawn(every(ownership_every, Arc::clone(app), stop.clone(), ownership));
    tasks.spawn(every(HEALTH, Arc::clone(app), stop.clone(), health));
    tasks.spawn(every(SPEND, Arc::clone(app), stop.clone(), flush_spend));
    tasks.spawn(every(SWEEP, Arc::clone(app), stop.clone(), sweep));
    if !app.config.input_log.dir.as_os_str().is_empty() {
        tasks.spawn(every(PRUNE, Arc::clone(app), stop.clone(), prune));
    }
    tasks.spawn(stop.clone().run_until_cancelled_owned(rotate(Arc::clone(app))));
    if is_shared {
        tasks.spawn(stop.clone().run_until_cancelled_owned(begin_access_log(Arc::clone(app))));
        tasks.spawn(stop.clone().run_until_cancelled_owned(erasure::obey(Arc::clone(app))));
        tasks.spawn(stop.clone().run_until_cancelled_owned(export::give(Arc::clone(app))));
    }
    match &app.recorder {
        Some(recorder) => recorder.keep(stop, tasks, report_to(app)),
        None => {
            tracing::warn!("nothing is recorded: instances that share a Redis need one RECORDING_MASTER_KEY for that");
            retain(app, stop, tasks);
        }
    }
    tasks.spawn(tell_news(Arc::clone(app), stop.clone()));
}

/// Deletes recordings that are too old, where there is no key to make any with: an earlier configuration may have left some.
fn retain(app: &Shared, stop: &CancellationToken, tasks: &TaskTracker) {
    let parts = recording::Parts {
        settings: Recording { enabled: false, ..app.config.recording.clone() },
        vault: Arc::new(Vault::new(Arc::clone(&app.store), Arc::new(NoKms))),
        events: Arc::clone(&app.events),
        clock: Arc::clone(&app.clock),
        readiness: Arc::clone(&app.readiness),
        tracker: tasks.clone(),
    };
    match Recorder::new(parts, &app.config.data_dir, app.instance().as_str()) {
        Ok(recorder) => recorder.retain(stop, tasks),
        Err(error) => tracing::error!(%error, "recordings that are too old are not deleted"),
    }
}

/// Where other instances share the store, an audit asks whose disk is still there.
async fn begin_access_log(app: Shared) {
    let Some(log) = &app.access_log else { return };
    while let Err(error) = log.begin_now().await {
        tracing::warn!(%error, "the access log cannot be begun; it is tried again");
        tokio::time::sleep(ROTATE_AGAIN).await;
    }
}

/// Has the deletions of each round of retention written into the access log.
fn report_to(app: &Shared) -> Report {
    let app = Arc::clone(app);
    Arc::new(move |Deleted { old, unreadable }| {
        let app = Arc::clone(&app);
        Box::pin(async move {
            let Some(log) = &app.access_log else { return };
            let of = format!("old={old} unreadable={unreadable} days={}", app.config.recording.retention_days);
            let access = Access { role: Role::Server, action: "retention", user: String::new(), of };
            if let Err(error) = log.note(&access).await {
                tracing::error!(%error, old, unreadable, "deleted recordings could not be written into the access log");
            }
        })
    })
}

/// Wraps all keys by the present master key, if there are earlier ones, again and again: an instance that has an earlier one still, in the middle of a
/// rolling restart, makes keys under that. The earlier ones are not needed any more once two rounds in a row found nothing.
async fn rotate(app: Shared) {
    let (Some(vault), Some(_)) = (&app.vault, &app.config.secrets.recording_master_keys_old) else { return };
    // Alone, nobody makes keys meanwhile.
    let needed = if app.config.secrets.redis_url.is_some() { 2 } else { 1 };
    let (mut rounds, mut told) = (Rounds::new(needed), 0);
    loop {
        let rest = match vault.rotate().await {
            Ok(Rotated { rewrapped, unchanged, unreadable }) => {
                if rewrapped > 0 {
                    tracing::info!(rewrapped, unchanged, "keys were wrapped by the present master key");
                }
                // Said when it changes, and not every ten minutes.
                if unreadable != std::mem::replace(&mut told, unreadable) {
                    tracing::error!(unchanged, unreadable, "keys that no master key here opens were left as they are");
                }
                if rounds.is_over(rewrapped, unreadable) {
                    tracing::info!(rewrapped, unchanged, "all keys are wrapped by the present master key");
                }
                ROTATE_EVERY
            }
            Err(error) => {
                tracing::warn!(%error, "the keys are not yet wrapped by the present master key");
                ROTATE_AGAIN
            }
        };
        tokio::time::sleep(rest).await;
    }
}

/// Rounds of a rotation.
struct Rounds {
    needed: u32,
    clean: u32,
}

impl Rounds {
    /// `needed` rounds in a row say that it is over.
    const fn new(needed: u32) -> Self {
        Self { needed, clean: 0 }
    }

    /// A round found so many keys under an earlier master key, and left so many of them; whether it is the one that ends the rotation. Alone the
    /// first that leaves none does.
    const fn is_over(&mut self, found: usize, left: usize) -> bool {
        let is_clean = left == 0 && (found == 0 || self.needed == 1);
        self.clean = if is_clean { self.clean.saturating_add(1) } else { 0 };
        self.clean == self.needed
    }
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

/// Whoever changed a user's tasks (the page, another session's tool): all of the user's sessions see it. Whoever was told of an objection to
/// recordings: all of the user's sessions heed it.
async fn tell_news(app: Shared, stop: CancellationToken) {
    let mut news = app.store.task_events();
    loop {
        let change = tokio::select! {
            change = news.next() => change,
            () = stop.cancelled() => return,
        };
        match change {
            Some(Some(Change::Tasks(change))) => tell_tasks(&app, &change.user_id).await,
            Some(Some(Change::Objection(user))) => app.sessions.heed_objection_of(&user).await,
            // Something was missed: everybody is told.
            Some(None) => {
                for user in app.sessions.users().into_iter().collect::<BTreeSet<_>>() {
                    tell_tasks(&app, &user).await;
                    app.sessions.heed_objection_of(&user).await;
                }
            }
            None => return,
        }
    }
}

async fn tell_tasks(app: &Shared, user: &UserId) {
    if !app.sessions.has_user(user) {
        return;
    }
    match app.store.tasks(user.clone()).await {
        Ok(tasks) => app.sessions.tell_tasks(user, &Arc::new(tasks.list.tasks)),
        Err(error) => app.events.store_failed("tasks", &error),
    }
}

async fn heartbeat(app: &Shared) {
    let beat = app.store.heartbeat(app.instance.clone(), HEARTBEAT_TTL).await;
    let is_back = app.store_answered(beat.is_ok());
    match beat {
        // The log says it once; the reason stays the same while it lasts.
        Err(error) => app.readiness.degrade("store", error.to_string()),
        Ok(()) if is_back => {
            tracing::info!(live = app.sessions.count(), "the store is back");
            app.sessions.reassert().await;
        }
        Ok(()) => {}
    }
}

/// Whether the sessions here are this instance's still: one that another took over while this process stood still is let go.
async fn ownership(app: &Shared) {
    app.sessions.renew().await;
}

async fn health(app: &Shared) {
    match app.store.health().await.trouble {
        Some(trouble) => app.readiness.degrade("store", trouble),
        None => app.readiness.recover("store"),
    }
    app.readiness.look();
    app.texter.opt_outs().save_late().await;
}

async fn prune(app: &Shared) {
    let live = app.sessions.list().into_iter().map(|live| live.id.as_str().to_owned()).collect();
    let (settings, now) = (app.config.input_log.clone(), SystemTime::now());
    let pruned = tokio::task::spawn_blocking(move || input_log::prune(&settings, now, &live)).await;
    match pruned {
        Ok(pruned) => report_pruned(&app.events, pruned),
        Err(error) => {
            app.events.retention_overdue(RetentionOf::InputLogs, 1);
            tracing::error!(%error, "the pruning of the logs of inputs did not end");
        }
    }
}

/// Says what was pruned, and what could not be: where nobody could look, it is one at least.
fn report_pruned(events: &Events, pruned: io::Result<Pruned>) {
    let overdue = pruned.as_ref().map_or(1, |pruned| pruned.refused.len());
    events.retention_overdue(RetentionOf::InputLogs, overdue as u64);
    match pruned {
        Ok(Pruned { files, bytes, refused }) => {
            if files > 0 {
                tracing::info!(files, bytes, "logs of inputs were deleted");
            }
            for (path, error) in refused {
                tracing::warn!(path = %path.display(), %error, "a log of inputs that should be gone cannot be deleted; it is tried again");
            }
        }
        Err(error) => tracing::warn!(%error, "the logs of inputs cannot be pruned"),
    }
}

async fn flush_spend(app: &Shared) {
    if let Err(error) = app.ledger.flush().await {
        // Nothing is lost: the next second tries again. The reason is said once while it lasts.
        app.readiness.degrade("store", error.to_string());
    }
}

async fn sweep(app: &Shared) {
    match app.store.sweep().await {
        Ok(gone) if gone.is_empty() => {}
        Ok(gone) => tracing::info!(sessions = gone.len(), "expired sessions were forgotten"),
        Err(error) => app.events.store_failed("sweep", &error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    #[test]
    fn every_log_of_inputs_that_cannot_be_deleted_is_counted_and_a_folder_that_cannot_be_read_is_one() {
        let events = Events::new(Metrics::new("rules", &["add_task"]));
        let refused = |many: usize| {
            let refused = (0..many).map(|_| ("log".into(), io::ErrorKind::PermissionDenied.into())).collect();
            Ok(Pruned { files: 1, bytes: 1, refused })
        };
        for (pruned, overdue) in [(refused(3), 3), (Err(io::ErrorKind::PermissionDenied.into()), 1), (refused(0), 0)] {
            report_pruned(&events, pruned);
            let text = events.metrics().exposition().unwrap();
            assert!(text.contains(&format!("voice_retention_overdue{{kind=\"input_logs\"}} {overdue}\n")), "{overdue}");
        }
    }

    #[test]
    fn a_rotation_is_over_when_two_rounds_in_a_row_found_nothing_and_alone_after_one() {
        let mut shared = Rounds::new(2);
        let over: Vec<bool> = [3, 0, 1, 0, 0, 0, 2, 0, 0].into_iter().map(|found| shared.is_over(found, 0)).collect();
        assert_eq!(over, [false, false, false, false, true, false, false, false, true]);
        let mut alone = Rounds::new(1);
        assert!(!alone.is_over(3, 1) && alone.is_over(1, 0) && !alone.is_over(0, 0));
    }
}
