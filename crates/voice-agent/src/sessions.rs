//! The live sessions of this instance: who they are, how they begin, come back and end.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use voice_core::input::HangUp;

use crate::consent::Policy;
use crate::driver::api::{Command, SendError, SessionHandle};
use crate::http::Token;
use crate::ledger::Ledger;
use crate::readiness::{Hold, Readiness};
use crate::store::{Channel, Clock, InstanceId, SessionId, Store, StoreError, StoredSession, UserId};
use crate::tasks::Task;
use crate::telemetry::Events;
use crate::vault::Vault;

mod first;
mod objection;
mod own;
mod vouched;

/// The key of `context` that keeps the caller's time zone over a restart.
const TIME_ZONE: &str = "time_zone";
/// The store's operations without which there is no session.
const CREATE: &str = "create_session";
const CLAIM: &str = "claim_session";
/// How many restores may wait for one another at most: those of sessions that share a lock by chance.
const LOCKS: usize = 64;
/// Longest wait for the place of a session that was told to give way.
const GIVE_WAY: Duration = Duration::from_secs(2);

mod text;

pub use text::TEXTS;

pub use crate::driver::Start;

/// Starts a session's task.
pub type SpawnSession = Arc<dyn Fn(Start) -> SessionHandle + Send + Sync>;

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// What may be spent in a day is spent; a new one is taken when the next begins.
    #[error("what may be spent in a day is spent")]
    Spent,
    /// As many as may be are live.
    #[error("as many sessions as may be are live")]
    Full,
    /// The instance takes none now.
    #[error("the instance takes no sessions: {0:?}")]
    Held(Hold),
    /// There is none, or the token is not its own: which of the two is nobody's business.
    #[error("there is no such session, or the token is not its own")]
    Unknown,
    /// It is over.
    #[error("the session has ended")]
    Ended,
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
    /// The operating system gave no randomness.
    #[error(transparent)]
    Random(#[from] getrandom::Error),
}

impl From<StoreError> for SessionError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => Self::Unknown,
            StoreError::Ended(_) => Self::Ended,
            error => Self::Store(error),
        }
    }
}

/// Who wants a new session.
#[derive(Debug)]
pub struct NewSession {
    /// Whose it will be.
    pub user: UserId,
    /// How the caller came.
    pub channel: Channel,
    /// What the caller answered when asked for consent to recording; `None` if nobody asked.
    pub consent: Option<bool>,
    /// Where the caller's "today" is.
    pub time_zone: TimeZone,
    /// What the caller was shown when asked, letter for letter; empty if nobody knows.
    pub wording: String,
    /// What else is known of the call; laid over the first `context`.
    pub context: Map<String, Value>,
}

/// How a session came to be open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// It ran here already.
    Running,
    /// It was taken up from the store.
    Restored {
        /// Whether anything had been said in it.
        begun: bool,
        /// What it says first if it was handed over; none if its process was lost.
        say: Option<String>,
    },
}

/// A live session.
#[derive(Debug, Clone)]
pub struct Live {
    /// Its id.
    pub id: SessionId,
    /// Its task.
    pub handle: SessionHandle,
    /// Whose it is.
    pub user: UserId,
    /// How the caller came.
    pub channel: Channel,
    /// When it began to live here.
    pub started: Timestamp,
    token_hash: [u8; 32],
    fence: u64,
    serial: u64,
}

impl Live {
    fn is_over(&self) -> bool {
        self.handle.info().ended.is_some() || self.handle.is_gone()
    }
}

/// A session that a token opens.
#[derive(Debug)]
pub enum Found {
    /// It lives here.
    Live(Live),
    /// It is in the store.
    Stored(Box<StoredSession>),
}

impl Found {
    /// Whose it is.
    pub fn user(&self) -> &UserId {
        match self {
            Self::Live(live) => &live.user,
            Self::Stored(stored) => &stored.doc.user_id,
        }
    }
}

/// What the registry works with.
#[derive(Clone)]
pub struct Parts {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What is spent.
    pub ledger: Arc<Ledger>,
    /// Metrics and log.
    pub events: Arc<Events>,
    /// Whether sessions are taken.
    pub readiness: Arc<Readiness>,
    /// This process.
    pub instance: InstanceId,
    /// Starts a session's task.
    pub spawn: SpawnSession,
    /// How callers come to agree to recordings.
    pub consent: Arc<Policy>,
    /// Everybody's keys, where there are any.
    pub vault: Option<Arc<Vault>>,
    /// When all are taken, a session to which nobody came for so long gives its place to another.
    pub unvisited: SignedDuration,
}

/// The registry of live sessions.
pub struct Sessions {
    parts: Parts,
    live: Arc<Mutex<HashMap<SessionId, Live>>>,
    slots: Arc<Semaphore>,
    /// One restore of a session at a time: two would fence each other out.
    locks: [tokio::sync::Mutex<()>; LOCKS],
    hasher: RandomState,
    serials: AtomicU64,
    watchers: TaskTracker,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").field("live", &self.count()).finish_non_exhaustive()
    }
}

impl Sessions {
    /// No sessions yet, and at most this many.
    pub fn new(parts: Parts, max_sessions: usize) -> Self {
        Self {
            parts,
            live: Arc::default(),
            slots: Arc::new(Semaphore::new(max_sessions.min(Semaphore::MAX_PERMITS))),
            locks: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            hasher: RandomState::new(),
            serials: AtomicU64::new(0),
            watchers: TaskTracker::new(),
        }
    }

    /// Begins a session.
    ///
    /// # Errors
    /// [`SessionError`], all but `Unknown` and `Ended`.
    pub async fn create(&self, new: NewSession) -> Result<(Token, Live), SessionError> {
        let token = Token::random()?;
        let live = self.begin(&token, new).await?;
        Ok((token, live))
    }

    async fn begin(&self, token: &Token, new: NewSession) -> Result<Live, SessionError> {
        self.admit(new.channel)?;
        let slot = self.reserve().await?;
        self.begin_in(slot, token, new).await
    }

    async fn begin_in(&self, slot: OwnedSemaphorePermit, token: &Token, new: NewSession) -> Result<Live, SessionError> {
        let mut doc = self.first_doc(token.session().clone(), &new);
        self.recall_objection(&mut doc).await?;
        let created = self.parts.store.create_session(doc.clone(), token.hash(), self.parts.instance.clone()).await;
        let fence = created.inspect_err(|error| self.store_failed(CREATE, error))?;
        self.write_first_consent(&doc, new.consent, fence).await;
        let start = Start { doc, fence, resumed: false, time_zone: new.time_zone, handover: None };
        Ok(self.start(start, token.hash(), slot))
    }

    /// The session that this token opens; begun, if there is none yet. For callers who bring a token of their own.
    ///
    /// # Errors
    /// [`SessionError`], all but `Unknown`.
    pub async fn open_or_begin(&self, token: &Token, new: NewSession) -> Result<Live, SessionError> {
        let _one_at_a_time = self.lock_of(token.session()).lock().await;
        match self.open_alone(token, None).await {
            Err(SessionError::Unknown) => self.begin(token, new).await,
            opened => opened.map(|(live, _)| live),
        }
    }

    /// The session that this token opens, brought to life if it is only in the store. The flag says whether it was.
    /// With a time zone, a restored session's "today" is there.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn open(&self, token: &Token, time_zone: Option<TimeZone>) -> Result<(Live, Opened), SessionError> {
        let _one_at_a_time = self.lock_of(token.session()).lock().await;
        self.open_alone(token, time_zone).await
    }

    /// A lock for asynchronous code: who waits for it holds no thread.
    fn lock_of(&self, id: &SessionId) -> &tokio::sync::Mutex<()> {
        &self.locks[usize::try_from(self.hasher.hash_one(id)).unwrap_or(0) % LOCKS]
    }

    async fn open_alone(&self, token: &Token, time_zone: Option<TimeZone>) -> Result<(Live, Opened), SessionError> {
        self.open_found(self.find(token).await?, time_zone).await
    }

    async fn open_found(&self, found: Found, time_zone: Option<TimeZone>) -> Result<(Live, Opened), SessionError> {
        let stored = match found {
            Found::Live(live) => return Ok((live, Opened::Running)),
            Found::Stored(stored) if stored.ended => return Err(SessionError::Ended),
            Found::Stored(stored) => stored,
        };
        let slot = self.reserve().await?;
        let before = stored.fence;
        let (live, begun, say) = self.take_up(slot, stored.doc.session_id, before, time_zone).await?;
        Ok((live, Opened::Restored { begun, say }))
    }

    /// Becomes the owner of a session that is in the store, with the fence `before`. Says whether anything had been said in
    /// it, and what an owner that handed it over was about to say.
    async fn take_up(
        &self,
        slot: OwnedSemaphorePermit,
        id: SessionId,
        before: u64,
        time_zone: Option<TimeZone>,
    ) -> Result<(Live, bool, Option<String>), SessionError> {
        let claimed = self.parts.store.claim_session(id.clone(), self.parts.instance.clone()).await;
        let StoredSession { mut doc, token_hash, fence, .. } =
            claimed.inspect_err(|error| self.store_failed(CLAIM, error))?;
        self.heed_objection(&mut doc).await;
        let begun = crate::driver::has_begun(&doc);
        let time_zone = time_zone.unwrap_or_else(|| saved_time_zone(&doc.context));
        let handover = self.take_handover(id, before).await;
        let say = handover.as_ref().map(|handover| handover.say.clone());
        let live = self.start(Start { doc, fence, resumed: true, time_zone, handover }, token_hash, slot);
        Ok((live, begun, say))
    }

    /// The session that this token opens, as it is.
    ///
    /// # Errors
    /// [`SessionError::Unknown`] or [`SessionError::Store`].
    pub async fn find(&self, token: &Token) -> Result<Found, SessionError> {
        let found = self.look_up(token.session()).await?;
        let hash = match &found {
            Found::Live(live) => &live.token_hash,
            Found::Stored(stored) => &stored.token_hash,
        };
        if token.is(hash) { Ok(found) } else { Err(SessionError::Unknown) }
    }

    /// Ends a session, wherever it is, in the name of whoever wants it ended.
    ///
    /// # Errors
    /// [`SessionError::Store`], or [`SessionError::Unknown`] if there is none.
    pub async fn end(&self, id: &SessionId, by: HangUp) -> Result<(), SessionError> {
        let live = self.lock().get(id).cloned();
        if let Some(live) = live {
            match live.handle.send(Command::HangUp { by }) {
                Ok(()) => return Ok(()),
                Err(SendError::Full) => {
                    return Err(StoreError::Unavailable("the session is too busy".to_owned()).into());
                }
                Err(SendError::Ended) => {}
            }
        }
        let ended = self.parts.store.end_session(id.clone(), None).await;
        match ended {
            Ok(()) | Err(StoreError::Ended(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// A live session of this instance, for operators.
    pub fn get(&self, id: &SessionId) -> Option<Live> {
        self.lock().get(id).cloned()
    }

    /// Every live session of this instance, oldest first.
    pub fn list(&self) -> Vec<Live> {
        let mut live: Vec<Live> = self.lock().values().cloned().collect();
        live.sort_by_key(|session| session.serial);
        live
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Whether the user has a session here.
    pub fn has_user(&self, user: &UserId) -> bool {
        self.lock().values().any(|live| live.user == *user)
    }

    /// The users who have a session here.
    pub fn users(&self) -> Vec<UserId> {
        self.lock().values().map(|live| live.user.clone()).collect()
    }

    /// Tells every session of the user what the tasks are now.
    pub fn tell_tasks(&self, user: &UserId, tasks: &Arc<Vec<Task>>) {
        let theirs: Vec<Live> = self.lock().values().filter(|live| live.user == *user).cloned().collect();
        for live in theirs {
            if let Err(error) = live.handle.send(Command::TasksChanged { tasks: Arc::clone(tasks) }) {
                // A busy session reads the tasks afresh when it next needs them.
                tracing::debug!(session = %live.id, %error, "the tasks' change was not told");
            }
        }
    }

    /// Waits until every session is over.
    pub async fn drained(&self) {
        self.watchers.close();
        self.watchers.wait().await;
    }

    /// Whether another session would be taken now; a refusal is counted.
    ///
    /// # Errors
    /// [`SessionError::Spent`], [`SessionError::Full`] or [`SessionError::Held`].
    pub async fn has_room(&self, channel: Channel) -> Result<(), SessionError> {
        self.admit(channel)?;
        self.reserve().await.map(drop)
    }

    /// Whether a session that is in the store could be taken up here now. Counts nothing.
    ///
    /// # Errors
    /// [`SessionError::Full`] or [`SessionError::Held`].
    pub fn could_take_up(&self) -> Result<(), SessionError> {
        if let Some(hold) = self.parts.readiness.held() {
            return Err(SessionError::Held(hold));
        }
        let has_place = self.slots.available_permits() > 0 || self.unvisited().is_some();
        if has_place { Ok(()) } else { Err(SessionError::Full) }
    }

    /// Whether the day's ceiling leaves room for a new session. One that is there goes on, and ends by itself.
    fn admit(&self, channel: Channel) -> Result<(), SessionError> {
        self.parts.ledger.admit(channel).map_err(|_until| {
            self.parts.events.session_rejected("spent");
            SessionError::Spent
        })
    }

    async fn reserve(&self) -> Result<OwnedSemaphorePermit, SessionError> {
        self.reserve_unless(self.parts.readiness.held()).await
    }

    async fn reserve_unless(&self, held: Option<Hold>) -> Result<OwnedSemaphorePermit, SessionError> {
        if let Some(hold) = held {
            self.parts.events.session_rejected(match hold {
                Hold::Draining => "draining",
                Hold::Starting | Hold::NoRung(_) => "starting",
            });
            return Err(SessionError::Held(hold));
        }
        if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            return Ok(slot);
        }
        self.slot_of_unvisited().await.ok_or_else(|| {
            self.parts.events.session_rejected("full");
            SessionError::Full
        })
    }

    /// The place of the oldest session that somebody opened and nobody ever came to: it must keep no caller out.
    async fn slot_of_unvisited(&self) -> Option<OwnedSemaphorePermit> {
        let unvisited = self.unvisited()?;
        unvisited.handle.send(Command::HangUp { by: HangUp::Operator }).ok()?;
        tracing::info!(session = %unvisited.id, "all places are taken: a session that nobody came to gives way");
        timeout(GIVE_WAY, Arc::clone(&self.slots).acquire_owned()).await.ok()?.ok()
    }

    fn unvisited(&self) -> Option<Live> {
        let latest = self.parts.clock.now() - self.parts.unvisited;
        let gives_way = |live: &Live| live.started <= latest && !live.handle.info().visited && !live.is_over();
        self.list().into_iter().find(gives_way)
    }

    fn start(&self, start: Start, token_hash: [u8; 32], slot: OwnedSemaphorePermit) -> Live {
        let serial = self.serials.fetch_add(1, Ordering::Relaxed);
        let (id, user) = (start.doc.session_id.clone(), start.doc.user_id.clone());
        let (channel, resumed) = (start.doc.channel, start.resumed);
        let fence = start.fence;
        let handle = (self.parts.spawn)(start);
        let started = self.parts.clock.now();
        let live = Live { id: id.clone(), handle: handle.clone(), user, channel, started, token_hash, fence, serial };
        {
            let mut all = self.lock();
            // Another instance had it in between: what is left of it here must not go on.
            if let Some(former) = all.insert(id.clone(), live.clone()) {
                let _over_already = former.handle.send(Command::TakenOver);
            }
            self.parts.events.sessions_live(all.len());
        }
        self.parts.events.session_started(id.as_str(), channel.as_str(), resumed);
        let (all, events) = (Arc::clone(&self.live), Arc::clone(&self.parts.events));
        self.watchers.spawn(async move {
            handle.ended().await;
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            // The same session may live again already.
            if all.get(&id).is_some_and(|live| live.serial == serial) {
                all.remove(&id);
            }
            events.sessions_live(all.len());
            drop(slot);
        });
        live
    }

    fn store_failed(&self, operation: &'static str, error: &StoreError) {
        if !matches!(error, StoreError::NotFound(_) | StoreError::Ended(_)) {
            self.parts.events.store_failed(operation, error);
            if matches!(operation, CREATE | CLAIM) {
                self.parts.events.session_rejected("store");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Live>> {
        // Every change is one insert or remove, so a panic elsewhere leaves nothing half done.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn saved_time_zone(context: &Map<String, Value>) -> TimeZone {
    let name = context.get(TIME_ZONE).and_then(Value::as_str);
    name.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC)
}
