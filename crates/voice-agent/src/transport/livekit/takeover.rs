//! The rooms of a process that died: somebody must ask for another agent, for the open-source server sends nobody.
//!
//! Sessions in rooms say so in their context, and who owns them; a dead owner is known by its heartbeat, two seconds after the last. One of
//! those who notice has an agent dispatched to the room, who finds the caller and with them the session.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use livekit_rtc::dispatch;
use tokio::time::{Instant, MissedTickBehavior};

use super::Settings;
use super::room::ROOM;
use crate::app::Shared;
use crate::store::{InstanceId, LiveSession, StoreError};

/// How often owners are looked after. With a heartbeat's two seconds, a room has its next agent within three.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// After an outage of the store its owners have so long to say that they are here.
const REASSERTED_WITHIN: Duration = Duration::from_secs(5);
/// How long the server may take to send another agent.
const DISPATCH_TIMEOUT: Duration = Duration::from_secs(3);

/// Looks after the rooms of others, as long as this process takes sessions.
pub(super) async fn watch(app: Shared, settings: Arc<Settings>) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Nobody else owns what is in a store of our own: what is there was a process before this one's.
    let is_shared = app.config.secrets.redis_url.is_some();
    let mut not_before = Instant::now() + if is_shared { REASSERTED_WITHIN } else { Duration::ZERO };
    let mut elsewhere = BTreeSet::new();
    loop {
        look.tick().await;
        if app.readiness.held().is_some() {
            continue;
        }
        // Asked even then, so that an outage is noticed.
        let may_take_over = Instant::now() >= not_before;
        if let Err(error) = look_after(&app, &settings, may_take_over, &mut elsewhere).await {
            // A store that is away says nothing of anybody's heartbeat, and one that is back says that all are dead.
            tracing::debug!(%error, "the rooms of others were not looked after");
            not_before = Instant::now() + REASSERTED_WITHIN;
        }
    }
}

/// `elsewhere` are the sessions of the dead that were seen not to be in rooms: each is loaded once, not with every look.
async fn look_after(
    app: &Shared,
    settings: &Settings,
    may_take_over: bool,
    elsewhere: &mut BTreeSet<String>,
) -> Result<(), StoreError> {
    let mut seen = BTreeSet::new();
    let mut alive: BTreeMap<InstanceId, bool> = BTreeMap::from([(app.instance().clone(), true)]);
    for session in app.store.live_sessions().await? {
        let is_alive = match alive.get(&session.owner) {
            Some(known) => *known,
            None => {
                let is_alive = app.store.instance_alive(session.owner.clone()).await?;
                alive.insert(session.owner.clone(), is_alive);
                is_alive
            }
        };
        if is_alive || !may_take_over {
            continue;
        }
        let once = format!("livekit:{}:{}", session.id, session.fence);
        if elsewhere.contains(&once) || !take_over(app, settings, &session, &once).await? {
            seen.insert(once);
        }
    }
    *elsewhere = seen;
    Ok(())
}

/// One process asks for an agent, once for each owner that is lost. Says whether the session is in a room.
async fn take_over(app: &Shared, settings: &Settings, session: &LiveSession, once: &str) -> Result<bool, StoreError> {
    let Some(stored) = app.store.load_session(session.id.clone()).await? else { return Ok(false) };
    let Some(room) = stored.doc.context.get(ROOM).and_then(|room| room.as_str()) else { return Ok(false) };
    if !app.store.note_message(once.to_owned()).await? {
        return Ok(true);
    }
    tracing::warn!(
        session = session.id.as_str(),
        owner = session.owner.as_str(),
        "its process is gone: another agent is asked for"
    );
    if !send_another(settings, room).await {
        app.store.forget_message(once.to_owned()).await?;
    }
    Ok(true)
}

/// Has an agent dispatched to this room; whether the server took it.
pub(super) async fn send_another(settings: &Settings, room: &str) -> bool {
    let now = SystemTime::now();
    let request = match dispatch::create(&settings.address, &settings.key, &settings.agent_name, room, "", now) {
        Ok(request) => request,
        Err(error) => {
            tracing::error!(%error, "no other agent could be asked for");
            return false;
        }
    };
    let post = settings.http.post(request.url).header("Authorization", request.authorization);
    let post = post.header("Content-Type", "application/json").body(request.body).timeout(DISPATCH_TIMEOUT);
    let sent = post.send().await.and_then(reqwest::Response::error_for_status);
    sent.inspect_err(|error| tracing::error!(status = ?error.status(), "no other agent could be asked for")).is_ok()
}
