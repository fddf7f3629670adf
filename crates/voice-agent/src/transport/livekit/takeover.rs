//! The rooms of a process that died: somebody must ask for another agent, for the open-source server sends nobody.
//!
//! Sessions in rooms say so in their context, and who owns them; a dead owner is known by its heartbeat, two seconds after the last. One of
//! those who notice has an agent dispatched to the room, who finds the caller and with them the session.
//!
//! While all owners live only their heartbeats are asked for. The sessions are looked through every few seconds, for owners that are new,
//! and when a heartbeat is missed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use livekit_rtc::dispatch;
use tokio::time::{Instant, MissedTickBehavior};

use super::Settings;
use super::caller::ROOM;
use crate::app::Shared;
use crate::store::{InstanceId, LiveSession, SESSION_TTL, SessionId, StoreError};

/// How often owners are looked after. With a heartbeat's two seconds, a room has its next agent within three.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often it is asked which owners there are. One that came and died in between is missed so much later.
const LEARN_EVERY: Duration = Duration::from_secs(5);
/// After an outage of the store its owners have so long to say that they are here.
const REASSERTED_WITHIN: Duration = Duration::from_secs(5);
/// How long the server may take to send another agent.
const DISPATCH_TIMEOUT: Duration = Duration::from_secs(3);
/// A session that nobody took up is asked for again after so long: the server may have found no worker, or be away itself. From the third
/// time on the wait is doubled, for its caller may be gone as well, ...
const ASK_AGAIN: Duration = Duration::from_secs(4);
/// ... up to this. It ends with the session, or with whoever takes it up.
const ASK_AT_LEAST_EVERY: Duration = Duration::from_secs(300);

/// Looks after the rooms of others, as long as this process takes sessions.
pub(super) async fn watch(app: Shared, settings: Arc<Settings>) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Nobody else owns what is in a store of our own: what is there was a process before this one's.
    let is_shared = app.config.secrets.redis_url.is_some();
    let mut not_before = Instant::now() + if is_shared { REASSERTED_WITHIN } else { Duration::ZERO };
    let mut watcher = Watcher::new(app, settings);
    loop {
        look.tick().await;
        if watcher.app.readiness.held().is_some() {
            continue;
        }
        // Asked even then, so that an outage is noticed.
        let may_take_over = Instant::now() >= not_before;
        if let Err(error) = watcher.look(may_take_over).await {
            // A store that is away says nothing of anybody's heartbeat, and one that is back says that all are dead.
            tracing::debug!(%error, "the rooms of others were not looked after");
            not_before = Instant::now() + REASSERTED_WITHIN;
        }
    }
}

/// What one process knows of the others' rooms.
struct Watcher {
    app: Shared,
    settings: Arc<Settings>,
    /// Owners of sessions, but for ourselves and for the dead with whom nothing is left to do at once.
    owners: BTreeSet<InstanceId>,
    learned: Option<Instant>,
    /// The sessions of the dead, by id and fence.
    missed: BTreeMap<(SessionId, u64), Missed>,
}

/// A session whose owner is dead.
enum Missed {
    /// It is in no room.
    Settled,
    InRoom {
        room: String,
        asked: u32,
        next: Instant,
    },
}

impl Missed {
    /// Whether it is looked after at each look; else whenever all sessions are looked through.
    fn is_pressing(&self) -> bool {
        matches!(self, Self::InRoom { asked, .. } if patience(*asked) < LEARN_EVERY)
    }
}

impl Watcher {
    fn new(app: Shared, settings: Arc<Settings>) -> Self {
        Self { app, settings, owners: BTreeSet::new(), learned: None, missed: BTreeMap::new() }
    }

    async fn look(&mut self, may_take_over: bool) -> Result<(), StoreError> {
        let is_due = self.learned.is_none_or(|at| at.elapsed() >= LEARN_EVERY);
        if is_due || self.misses_somebody().await? {
            self.look_through(may_take_over).await?;
            self.learned = Some(Instant::now());
        }
        Ok(())
    }

    async fn misses_somebody(&self) -> Result<bool, StoreError> {
        for owner in &self.owners {
            if !self.app.store.instance_alive(owner.clone()).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn look_through(&mut self, may_take_over: bool) -> Result<(), StoreError> {
        let live = self.app.store.live_sessions().await?;
        let mut alive = BTreeMap::from([(self.app.instance().clone(), true)]);
        let (mut owners, mut missed) = (BTreeSet::new(), BTreeMap::new());
        for session in live {
            let is_alive = match alive.get(&session.owner) {
                Some(known) => *known,
                None => {
                    let is_alive = self.app.store.instance_alive(session.owner.clone()).await?;
                    alive.insert(session.owner.clone(), is_alive);
                    is_alive
                }
            };
            if is_alive || !may_take_over {
                owners.insert(session.owner);
                continue;
            }
            let key = (session.id.clone(), session.fence);
            let known = self.missed.remove(&key);
            let now = take_over(&self.app, &self.settings, &session, known).await?;
            if now.is_pressing() {
                owners.insert(session.owner);
            }
            missed.insert(key, now);
        }
        owners.remove(self.app.instance());
        (self.owners, self.missed) = (owners, missed);
        Ok(())
    }
}

/// Has another agent sent, if the session is in a room, and it is time. One process does, whoever notices.
async fn take_over(
    app: &Shared,
    settings: &Settings,
    session: &LiveSession,
    known: Option<Missed>,
) -> Result<Missed, StoreError> {
    let (room, asked, next) = match known {
        Some(Missed::Settled) => return Ok(Missed::Settled),
        Some(Missed::InRoom { room, asked, next }) => (room, asked, next),
        None => match room_of(app, session).await? {
            Some(room) => (room, 0, Instant::now()),
            None => return Ok(Missed::Settled),
        },
    };
    if Instant::now() < next {
        return Ok(Missed::InRoom { room, asked, next });
    }
    let once = format!("livekit:{}:{}:{asked}", session.id, session.fence);
    if app.store.note_once(once.clone(), SESSION_TTL).await? {
        tracing::warn!(
            session = session.id.as_str(),
            owner = session.owner.as_str(),
            "its process is gone: another agent is asked for"
        );
        if !send_another(settings, &room, &session.id).await {
            app.store.forget_note(once).await?;
            return Ok(Missed::InRoom { room, asked, next });
        }
    }
    let asked = asked + 1;
    Ok(Missed::InRoom { room, asked, next: Instant::now() + patience(asked) })
}

/// How long to wait for an agent that was asked for so many times.
fn patience(asked: u32) -> Duration {
    let doubled = asked.saturating_sub(2).min(16);
    ASK_AGAIN.saturating_mul(1 << doubled).min(ASK_AT_LEAST_EVERY)
}

async fn room_of(app: &Shared, session: &LiveSession) -> Result<Option<String>, StoreError> {
    let stored = app.store.load_session(session.id.clone()).await?;
    Ok(stored.and_then(|stored| stored.doc.context.get(ROOM)?.as_str().map(str::to_owned)))
}

/// Has an agent dispatched to this room, to go on with this session; whether the server took it.
pub(super) async fn send_another(settings: &Settings, room: &str, session: &SessionId) -> bool {
    let (now, word) = (SystemTime::now(), settings.vouch(room, session));
    let request = match dispatch::create(&settings.address, &settings.key, &settings.agent_name, room, &word, now) {
        Ok(request) => request,
        Err(error) => {
            tracing::error!(%error, "no other agent could be asked for");
            return false;
        }
    };
    let sent = settings.post(request, DISPATCH_TIMEOUT).await;
    sent.inspect_err(|error| tracing::error!(status = ?error.status(), "no other agent could be asked for")).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_without_an_agent_is_asked_for_again_ever_more_seldom_but_always() {
        let waits: Vec<u64> = (1..=10).map(|asked| patience(asked).as_secs()).collect();
        assert_eq!(waits, [4, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(patience(u32::MAX).as_secs(), 300);
        let is_pressing =
            |asked| Missed::InRoom { room: "kitchen".to_owned(), asked, next: Instant::now() }.is_pressing();
        assert_eq!(
            [0, 1, 2, 3, 30].map(is_pressing),
            [true, true, true, false, false],
            "an hour of looks is no bargain"
        );
        assert!(!Missed::Settled.is_pressing());
    }
}
