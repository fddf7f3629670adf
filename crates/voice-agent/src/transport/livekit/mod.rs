//! LiveKit rooms: this process as an agent worker beside its other channels.
//!
//! The server sends the worker to rooms, a [`room`] each: the first person in it is the caller, and what happens there becomes a
//! session like any other. The conventions are those of LiveKit's own agents, so that its front ends show captions, chat and the
//! agent's state as they are.

mod caller;
mod captions;
mod job;
mod page;
mod playout;
mod reach;
mod room;
mod sip;
mod takeover;
mod vouch;

pub(crate) use caller::{ROOM, is_in_room};
pub use vouch::{Invitation, InvitationError};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_lc_rs::hmac;
use livekit_rtc::token::ApiKey;
use livekit_rtc::worker::{Agent, Job, Worker, WorkerEvent, WorkerEvents, WorkerOptions};
use livekit_rtc::{Address, JobId};
use tokio_util::sync::CancellationToken;

use crate::app::Shared;
use crate::config::Config;
use crate::http::Token;

/// The attribute by which front ends know what the agent is doing.
const AGENT_STATE: &str = "lk.agent.state";
/// The attribute by which agents of ours know each other: which process they are of.
const INSTANCE: &str = "voice-agent.instance";
/// How often the server is told how busy we are.
const LOAD_EVERY: Duration = Duration::from_secs(2);
/// The agent's name among the participants.
const NAME: &str = "Task Manager";

/// Where the rooms are, and who we are there.
#[derive(Debug)]
pub struct Settings {
    address: Address,
    /// Where browsers find the same server.
    public_url: String,
    key: ApiKey,
    agent_name: String,
    caller_timeout: Duration,
    /// The sessions of rooms are made with it.
    sessions: hmac::Key,
    http: reqwest::Client,
    /// Whether the server knows us as a worker.
    is_registered: AtomicBool,
}

impl Settings {
    /// As configured; nothing without `LIVEKIT_URL`. The configuration was checked.
    pub fn of(config: &Config) -> Option<Self> {
        let livekit = &config.livekit;
        let (key, secret) = (config.secrets.livekit_key.as_ref()?, config.secrets.livekit_secret.as_ref()?);
        let address = Address::parse(&livekit.url).ok().filter(|_| !livekit.url.is_empty())?;
        // A key of its own: what is signed here is never a LiveKit token.
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
        let derived = hmac::sign(&root, b"voice-agent rooms, version 1");
        Some(Self {
            address,
            public_url: if livekit.public_url.is_empty() { &livekit.url } else { &livekit.public_url }.clone(),
            is_registered: AtomicBool::new(false),
            key: ApiKey::new(key.reveal(), secret.reveal()),
            agent_name: livekit.agent_name.clone(),
            caller_timeout: Duration::from_millis(livekit.caller_timeout_ms),
            sessions: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()),
            http: reqwest::Client::new(),
        })
    }

    /// Whether agents of this process are sent to rooms now.
    pub fn is_registered(&self) -> bool {
        self.is_registered.load(Ordering::Relaxed)
    }

    /// Where a browser that joins a room connects to: by WebSocket, and by HTTP to learn why that fails. The configuration was checked.
    pub fn origins(&self) -> Vec<String> {
        let sockets = Address::parse(&self.public_url).map(|address| address.to_string());
        sockets.map(|sockets| vec![sockets.replacen("ws", "http", 1), sockets]).unwrap_or_default()
    }

    /// The session of a stay in a room: whichever agent comes to it, after whatever became of the one before, finds it.
    fn session(&self, room: &str, stay: &str) -> Token {
        let sign = |name: &[u8]| hmac::sign(&self.sessions, &[name, room.as_bytes(), b"\0", stay.as_bytes()].concat());
        let (id, secret) = (sign(b"session id\0"), sign(b"session token\0"));
        let mut bytes = [0; Token::BYTES];
        let made = id.as_ref().iter().take(Token::ID_BYTES).chain(secret.as_ref());
        bytes.iter_mut().zip(made).for_each(|(to, from)| *to = *from);
        Token::from_bytes(&bytes)
    }
}

/// Works until the process goes away: jobs are taken while sessions are.
pub async fn serve(app: Shared, settings: Arc<Settings>) {
    let options = WorkerOptions { agent_name: settings.agent_name.clone(), ..WorkerOptions::default() };
    let (worker, events) = Worker::start(settings.address.clone(), settings.key.clone(), options);
    let looking = takeover::watch(Arc::clone(&app), Arc::clone(&settings));
    let work = Work { app, settings, worker, jobs: BTreeMap::new() };
    tokio::select! {
        () = work.run(events) => {}
        () = looking => {}
    }
}

/// A worker and its jobs.
struct Work {
    app: Shared,
    settings: Arc<Settings>,
    worker: Worker,
    /// The jobs that go on: the room of each, and what ends it.
    jobs: BTreeMap<JobId, (String, CancellationToken)>,
}

impl Work {
    async fn run(mut self, mut events: WorkerEvents) {
        let mut load = tokio::time::interval(LOAD_EVERY);
        let (handing_over, going_away) = (self.app.handing_over.clone(), self.app.going_away.clone());
        let mut is_draining = false;
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(event) => self.handle(event).await,
                    None => return,
                },
                _ = load.tick() => self.tell_load().await,
                () = handing_over.cancelled(), if !is_draining => {
                    is_draining = true;
                    self.order(self.worker.drain().await);
                }
                () = going_away.cancelled() => return,
            }
        }
    }

    async fn handle(&mut self, event: WorkerEvent) {
        match event {
            WorkerEvent::Registered { worker_id } => {
                self.settings.is_registered.store(true, Ordering::Relaxed);
                self.app.readiness.recover("livekit");
                tracing::info!(worker_id, "registered with LiveKit");
            }
            WorkerEvent::Lost(error) => {
                // The calls go on; new rooms do not reach us.
                self.settings.is_registered.store(false, Ordering::Relaxed);
                self.app.readiness.degrade("livekit", format!("not registered with LiveKit: {error}"));
            }
            WorkerEvent::Refused(error) => {
                self.settings.is_registered.store(false, Ordering::Relaxed);
                let reason = format!("LiveKit refuses LIVEKIT_API_KEY: {error}");
                tracing::error!(reason, "no rooms are served");
                self.app.readiness.degrade("livekit", reason);
            }
            WorkerEvent::Offered(job) => self.answer(&job).await,
            WorkerEvent::Assigned(assignment) => {
                let ended = CancellationToken::new();
                self.jobs.retain(|_, (_, ended)| !ended.is_cancelled());
                self.jobs.insert(assignment.job.id.clone(), (assignment.job.room.clone(), ended.clone()));
                let (app, settings, worker) = (Arc::clone(&self.app), Arc::clone(&self.settings), self.worker.clone());
                self.app.connections.spawn(job::carry(app, settings, worker, assignment, ended));
            }
            WorkerEvent::Terminated(job) => {
                if let Some((_, ended)) = self.jobs.remove(&job) {
                    ended.cancel();
                }
            }
            WorkerEvent::NotAssigned(_) | WorkerEvent::Drained => {}
            // A newer crate may tell more.
            _ => {}
        }
    }

    async fn answer(&self, job: &Job) {
        let answered = match self.app.readiness.held() {
            None if self.is_in(&job.room) => {
                // A server that was started again sends agents to the rooms that are there again.
                tracing::info!(job = %job.id, "we are in this room");
                self.worker.reject(&job.id).await
            }
            None => {
                let attributes = [(AGENT_STATE, "initializing"), (INSTANCE, self.app.instance().as_str())];
                let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
                let agent = Agent { name: NAME.to_owned(), attributes, ..Agent::default() };
                self.worker.accept(&job.id, agent).await
            }
            Some(hold) => {
                tracing::info!(job = %job.id, ?hold, "a room is left to another worker");
                self.worker.reject(&job.id).await
            }
        };
        self.order(answered);
    }

    /// Whether an agent of this process is in the room, or on its way.
    fn is_in(&self, room: &str) -> bool {
        self.jobs.values().any(|(carried, ended)| carried == room && !ended.is_cancelled())
    }

    async fn tell_load(&self) {
        let (live, most) = (self.app.sessions.count(), self.app.config.limits.max_sessions.max(1));
        self.order(self.worker.set_load((live as f32 / most as f32).min(1.0)).await);
    }

    /// A worker that is over says so with its last event.
    fn order<E>(&self, _answer: Result<(), E>) {}
}
