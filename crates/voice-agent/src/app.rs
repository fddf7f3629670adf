//! The server: what it is made of, how it starts and how it stops.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderValue;
use axum::http::header::InvalidHeaderValue;
use jiff::SignedDuration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access_log::AccessLog;
use crate::answer_cache::AnswerCache;
use crate::config::env::variable_of;
use crate::config::{AuthMode, Config};
use crate::consent::Policy;
use crate::http::{Door, JwtError, Origins, Verifier, content_policy, metrics_router, random_hex, router, serve};
use crate::ladder::Ladder;
use crate::ledger::Ledger;
use crate::pager::{Pager, Source};
use crate::readiness::{Hold, Readiness};
use crate::recording::{self, Recorder, StorageError};
use crate::sessions::{self, Sessions, SpawnSession};
use crate::sms::{OptOuts, Texter, Turns};
use crate::store::{Clock, InstanceId, Store};
use crate::telemetry::Events;
use crate::transport::livekit;
use crate::transport::twilio::{Once, Tickets};
use crate::vault::{MasterKeyError, Vault, load_master};
use crate::voice_cache::VoiceCache;

mod erasure;
mod export;
mod input_log;
mod upkeep;

pub(crate) use input_log::{newest as newest_input_log, session_of as session_of_input_log};

/// Connections of the operators' port at most; Prometheus needs one or two.
const METRICS_CONNECTIONS: usize = 64;
/// After the sockets are closed, how long answers that are on their way may take.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// How long sessions may take at least to save what was heard, even if the time of grace is over.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A port cannot be had.
    #[error("{key} = {addr}: {error}; {} sets another address", variable_of(key))]
    Bind {
        /// The setting.
        key: &'static str,
        /// The address.
        addr: SocketAddr,
        /// The system's word.
        error: io::Error,
    },
    /// Callers' tokens cannot be verified.
    #[error(transparent)]
    Auth(#[from] JwtError),
    /// The master key of the recordings is none.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    /// Recordings have nowhere to go.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The address of the rooms cannot stand in the page's policy.
    #[error("LIVEKIT_PUBLIC_URL cannot stand in a header: {0}")]
    Policy(#[from] InvalidHeaderValue),
    /// The operating system gave no randomness.
    #[error("no randomness: {0}")]
    Random(#[from] getrandom::Error),
}

/// What an application is made of.
pub struct Parts {
    /// The settings, checked.
    pub config: Config,
    /// Where state lives.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Metrics and log.
    pub events: Arc<Events>,
    /// This process.
    pub instance: InstanceId,
    /// Starts a session's task.
    pub spawn: SpawnSession,
}

/// How the store answered the last heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum StoreWell {
    /// Nobody asked yet.
    #[default]
    Unasked,
    /// It was well.
    Well,
    /// It failed.
    Away,
}

/// What every request can reach.
pub type Shared = Arc<App>;

/// The application.
pub struct App {
    /// The settings.
    pub config: Config,
    /// Where state lives.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Metrics and log.
    pub events: Arc<Events>,
    /// Whether sessions are taken.
    pub readiness: Arc<Readiness>,
    /// What is spent.
    pub ledger: Arc<Ledger>,
    /// Answers that were given before; the erasure of a user drops theirs.
    pub answer_cache: Arc<AnswerCache>,
    /// Speech that was made before; any erasure drops all of it.
    pub voice_cache: Arc<VoiceCache>,
    /// How callers come to agree to recordings.
    pub consent: Arc<Policy>,
    /// Everybody's keys; none where instances share a store without sharing a master key.
    pub vault: Option<Arc<Vault>>,
    /// What calls are recorded with, and where recordings are; none without a vault.
    pub recorder: Option<Arc<Recorder>>,
    /// Who looked at whose data, where that is written down.
    pub access_log: Option<AccessLog>,
    /// The live sessions.
    pub sessions: Sessions,
    /// Sends text messages.
    pub texter: Arc<Texter>,
    /// What is done when voice fails.
    pub ladder: Arc<Ladder>,
    /// Text messages that may be answered at the same time.
    pub texts: Arc<Semaphore>,
    /// Whose turn it is to answer a number's.
    pub turns: Turns,
    /// The Hosts and Origins that are ours.
    pub origins: Origins,
    /// What vouches for the telephone's streams, and which sessions their calls have.
    pub tickets: Tickets,
    /// What of the telephone's may come once.
    pub once: Once,
    /// Where the LiveKit rooms are, if there are any.
    pub rooms: Option<Arc<livekit::Settings>>,
    /// What the page may load and whom it may talk to: the policy of every answer.
    pub policy: HeaderValue,
    /// Verifies callers' tokens, where callers are not believed.
    pub verifier: Option<Verifier>,
    /// Cancelled when live sessions are to move to another process.
    pub handing_over: CancellationToken,
    /// How the store answered the last heartbeat.
    store_well: Mutex<StoreWell>,
    /// Cancelled when sockets are to close.
    pub going_away: CancellationToken,
    /// The sockets.
    pub connections: TaskTracker,
    /// The sessions' tasks, and what they are waiting for.
    pub calls: TaskTracker,
    instance: InstanceId,
    next_connection: AtomicU64,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("instance", &self.instance)
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}

impl App {
    /// Puts the parts together. It is not ready until [`Server::ready`].
    ///
    /// # Errors
    /// [`AppError::Auth`], [`AppError::MasterKey`].
    pub fn new(parts: Parts) -> Result<Shared, AppError> {
        let Parts { config, store, clock, events, instance, spawn } = parts;
        let readiness = Arc::new(Readiness::starting(Arc::clone(&events)));
        let verifier = verifier(&config)?;
        let name = format!("{instance}-{}", random_hex::<8>()?);
        let ledger = Arc::new(Ledger::new(Arc::clone(&store), Arc::clone(&clock), config.core().ceilings, name));
        let consent = Arc::new(Policy::new(&config));
        let vault = load_master(&config)?.map(|kms| Arc::new(Vault::new(Arc::clone(&store), kms)));
        let log = |vault: &Arc<Vault>| {
            let (store, clock) = (Arc::clone(&store), Arc::clone(&clock));
            AccessLog::new(&config.data_dir, instance.clone(), store, Arc::clone(vault), clock)
        };
        let access_log = vault.as_ref().filter(|_| config.recording.access_logging).map(log);
        let registry = sessions::Parts {
            ledger: Arc::clone(&ledger),
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            events: Arc::clone(&events),
            readiness: Arc::clone(&readiness),
            instance: instance.clone(),
            consent: Arc::clone(&consent),
            vault: vault.clone(),
            spawn,
            unvisited: unvisited(&config),
        };
        let rooms = livekit::Settings::of(&config).map(Arc::new);
        let (calls, going_away) = (TaskTracker::new(), CancellationToken::new());
        let opt_outs = OptOuts::new(Arc::clone(&store), vault.clone());
        let texter = Arc::new(Texter::new(&config, opt_outs, Arc::clone(&clock), Arc::clone(&events)));
        let (pager, paging) = Pager::new(&config, source(&config, &instance), &events);
        calls.spawn(going_away.clone().run_until_cancelled_owned(paging));
        let text_gap = Duration::from_millis(config.twilio.fallback_sms_gap_ms);
        let ladder = Ladder::start(Arc::clone(&texter), pager, text_gap, &calls, &going_away);
        let recorder = vault.as_ref().map(|vault| {
            let (events, clock, readiness) = (Arc::clone(&events), Arc::clone(&clock), Arc::clone(&readiness));
            let (settings, vault, tracker) = (config.recording.clone(), Arc::clone(vault), calls.clone());
            let parts = recording::Parts { settings, vault, events, clock, readiness, tracker };
            Recorder::new(parts, &config.data_dir, instance.as_str())
        });
        Ok(Arc::new(Self {
            consent,
            access_log,
            vault,
            recorder: recorder.transpose()?,
            texter,
            ladder,
            texts: Arc::new(Semaphore::new(config.twilio.sms_pending)),
            turns: Turns::new(Arc::clone(&store), instance.clone()),
            sessions: Sessions::new(registry, config.limits.max_sessions),
            origins: Origins::new(&config.public_url),
            once: Once::new(Arc::clone(&store)),
            tickets: Tickets::new(config.secrets.twilio_auth_token.as_ref())?,
            verifier,
            policy: content_policy(rooms.as_deref())?,
            rooms,
            handing_over: CancellationToken::new(),
            store_well: Mutex::default(),
            going_away,
            connections: TaskTracker::new(),
            calls,
            next_connection: AtomicU64::new(1),
            answer_cache: Arc::new(AnswerCache::new(config.cost.answer_cache_entries, config.cost.answer_cache_s)),
            voice_cache: voice_cache(&config),
            config,
            store,
            clock,
            events,
            readiness,
            ledger,
            instance,
        }))
    }

    /// This process.
    pub const fn instance(&self) -> &InstanceId {
        &self.instance
    }

    /// How the store answered a heartbeat: whether it is back after an outage.
    fn store_answered(&self, is_well: bool) -> bool {
        let now = if is_well { StoreWell::Well } else { StoreWell::Away };
        let mut last = self.store_well.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *last, now) == StoreWell::Away && is_well
    }

    /// A connection's number, unique in the process.
    pub fn next_connection(&self) -> u64 {
        self.next_connection.fetch_add(1, Ordering::Relaxed)
    }
}

/// Who checks callers' tokens, where they have any.
fn verifier(config: &Config) -> Result<Option<Verifier>, JwtError> {
    match config.auth.mode {
        AuthMode::None => Ok(None),
        AuthMode::Jwt => Verifier::new(&config.auth, config.secrets.jwt_secret.as_ref()).map(Some),
    }
}

/// How long a session waits for its first connection.
fn unvisited(config: &Config) -> SignedDuration {
    SignedDuration::from_millis(i64::try_from(config.limits.unvisited_ms).unwrap_or(i64::MAX))
}

fn voice_cache(config: &Config) -> Arc<VoiceCache> {
    Arc::new(VoiceCache::new(config.cost.voice_cache_mb.saturating_mul(1_000_000), config.cost.voice_cache_s))
}

/// What pages say of where they come from.
fn source(config: &Config, instance: &InstanceId) -> Source {
    let (region, url) = (config.region.clone(), config.public_url.clone());
    Source { region, instance: instance.as_str().to_owned(), url }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    app: Shared,
    http_addr: SocketAddr,
    metrics_addr: SocketAddr,
    stop: CancellationToken,
    ports: TaskTracker,
}

impl Server {
    /// Opens both ports and begins to answer: health says that it is starting.
    ///
    /// # Errors
    /// [`AppError::Bind`].
    pub fn start(app: Shared) -> Result<Self, AppError> {
        let config = &app.config;
        let head = Duration::from_millis(config.http.handshake_timeout_ms);
        let send_buffer = config.limits.send_buffer_bytes;
        let bind = |key, addr: SocketAddr, connections| {
            let failed = |error| AppError::Bind { key, addr, error };
            let door = Door::bind(addr, send_buffer, connections, head).map_err(failed)?;
            let bound = door.local_addr().map_err(failed)?;
            Ok::<_, AppError>((door, bound))
        };
        let (http_door, http_addr) = bind("http.addr", config.http.addr.0, config.http.max_connections)?;
        let (metrics_door, metrics_addr) = bind("metrics.addr", config.metrics.addr.0, METRICS_CONNECTIONS)?;
        let (stop, ports) = (CancellationToken::new(), TaskTracker::new());
        ports.spawn(serve(http_door, router(Arc::clone(&app)), stop.clone()));
        ports.spawn(serve(metrics_door, metrics_router(Arc::clone(&app)), stop.clone()));
        upkeep::start(&app, &stop, &ports);
        tracing::info!(%http_addr, %metrics_addr, instance = %app.instance, "listening");
        Ok(Self { app, http_addr, metrics_addr, stop, ports })
    }

    /// Everything is up: sessions are taken from now on.
    pub fn ready(&self) {
        self.app.readiness.release(Hold::Starting);
        tracing::info!("ready");
        tracing::info!("Open {}", self.page_url());
    }

    /// Where the page is, for a person who wants to see it: an address that a terminal makes a link of.
    fn page_url(&self) -> String {
        let public_url = &self.app.config.public_url;
        if !public_url.is_empty() {
            return public_url.clone();
        }
        let addr = self.http_addr;
        // Nobody can go to "every address"; this machine is one of them.
        if addr.ip().is_unspecified() { format!("http://localhost:{}", addr.port()) } else { format!("http://{addr}") }
    }

    /// The application.
    pub const fn app(&self) -> &Shared {
        &self.app
    }

    /// Where callers are answered.
    pub const fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Where operators are answered.
    pub const fn metrics_addr(&self) -> SocketAddr {
        self.metrics_addr
    }

    /// Goes down in order: no new sessions; the live ones move to another process at their next silence, each closing its socket
    /// with 4007; those that cannot move have a time of grace, then every socket is closed with 1001.
    /// What was heard last is saved then, within what is left of the time of grace (and one second at least), so whoever
    /// comes back elsewhere goes on there.
    pub async fn shutdown(self) {
        let started = Instant::now();
        let grace = Duration::from_millis(self.app.config.shutdown.grace_ms);
        self.app.readiness.hold(Hold::Draining);
        let connections = &self.app.connections;
        connections.close();
        tracing::info!(live = self.app.sessions.count(), grace_ms = self.app.config.shutdown.grace_ms, "draining");
        if !connections.is_empty() {
            // Whoever sends callers here is to know that it sends them elsewhere before they come back.
            tokio::time::sleep(Duration::from_millis(self.app.config.shutdown.notice_ms).min(grace)).await;
        }
        self.app.handing_over.cancel();
        let left = grace.saturating_sub(started.elapsed());
        if tokio::time::timeout(left, connections.wait()).await.is_err() {
            tracing::info!(left = connections.len(), "the time of grace is over");
        }
        self.app.going_away.cancel();
        if tokio::time::timeout(LAST_ANSWERS, connections.wait()).await.is_err() {
            tracing::warn!(left = connections.len(), "connections that did not close");
        }
        let calls = &self.app.calls;
        calls.close();
        let left = grace.saturating_sub(started.elapsed()).max(LAST_WORDS);
        if tokio::time::timeout(left, calls.wait()).await.is_err() {
            tracing::warn!(left = calls.len(), "calls that did not end");
        }
        if let Some(recorder) = &self.app.recorder {
            let left = grace.saturating_sub(started.elapsed()).max(LAST_WORDS);
            if tokio::time::timeout(left, recorder.flush()).await.is_err() {
                tracing::warn!("recordings wait on this disk for the next process");
            }
        }
        self.app.texter.opt_outs().save_late().await;
        // The last of what was spent: nobody spends any more.
        if let Err(error) = self.app.ledger.flush().await {
            self.app.events.store_failed("add_spend", &error);
        }
        self.stop.cancel();
        self.ports.close();
        if tokio::time::timeout(LAST_ANSWERS, self.ports.wait()).await.is_err() {
            tracing::warn!("requests that did not end");
        }
        tracing::info!("stopped");
    }
}
