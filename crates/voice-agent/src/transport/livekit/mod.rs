//! LiveKit rooms: this process as an agent worker beside its other channels.
//!
//! The server sends the worker to rooms, a [`room`] each: the first person in it is the caller, and what happens there becomes a
//! session like any other. The conventions are those of LiveKit's own agents, so that its front ends show captions, chat and the
//! agent's state as they are.

mod captions;
mod playout;
mod room;
mod takeover;

pub(crate) use room::is_in_room;

use std::collections::BTreeMap;
use std::sync::Arc;
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
/// How often the server is told how busy we are.
const LOAD_EVERY: Duration = Duration::from_secs(2);
/// The agent's name among the participants.
const NAME: &str = "Task Manager";

/// Where the rooms are, and who we are there.
#[derive(Debug, Clone)]
pub struct Settings {
    address: Address,
    key: ApiKey,
    agent_name: String,
    caller_timeout: Duration,
    /// The sessions of rooms are made with it.
    sessions: hmac::Key,
    http: reqwest::Client,
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
            key: ApiKey::new(key.reveal(), secret.reveal()),
            agent_name: livekit.agent_name.clone(),
            caller_timeout: Duration::from_millis(livekit.caller_timeout_ms),
            sessions: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()),
            http: reqwest::Client::new(),
        })
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
pub async fn serve(app: Shared, settings: Settings) {
    let options = WorkerOptions { agent_name: settings.agent_name.clone(), ..WorkerOptions::default() };
    let (worker, events) = Worker::start(settings.address.clone(), settings.key.clone(), options);
    let settings = Arc::new(settings);
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
    /// The jobs that the server may end, and how.
    jobs: BTreeMap<JobId, CancellationToken>,
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
                self.app.readiness.recover("livekit");
                tracing::info!(worker_id, "registered with LiveKit");
            }
            WorkerEvent::Lost(error) => {
                // The calls go on; new rooms do not reach us.
                self.app.readiness.degrade("livekit", format!("not registered with LiveKit: {error}"));
            }
            WorkerEvent::Refused(error) => {
                let reason = format!("LiveKit refuses LIVEKIT_API_KEY: {error}");
                tracing::error!(reason, "no rooms are served");
                self.app.readiness.degrade("livekit", reason);
            }
            WorkerEvent::Offered(job) => self.answer(&job).await,
            WorkerEvent::Assigned(assignment) => {
                let ended = CancellationToken::new();
                self.jobs.retain(|_, ended| !ended.is_cancelled());
                self.jobs.insert(assignment.job.id.clone(), ended.clone());
                let (app, settings, worker) = (Arc::clone(&self.app), Arc::clone(&self.settings), self.worker.clone());
                self.app.connections.spawn(room::carry(app, settings, worker, assignment, ended));
            }
            WorkerEvent::Terminated(job) => {
                if let Some(ended) = self.jobs.remove(&job) {
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
            None => {
                let agent = Agent {
                    name: NAME.to_owned(),
                    attributes: [(AGENT_STATE.to_owned(), "initializing".to_owned())].into(),
                    ..Agent::default()
                };
                self.worker.accept(&job.id, agent).await
            }
            Some(hold) => {
                tracing::info!(job = %job.id, ?hold, "a room is left to another worker");
                self.worker.reject(&job.id).await
            }
        };
        self.order(answered);
    }

    async fn tell_load(&self) {
        let (live, most) = (self.app.sessions.count(), self.app.config.limits.max_sessions.max(1));
        self.order(self.worker.set_load((live as f32 / most as f32).min(1.0)).await);
    }

    /// A worker that is over says so with its last event.
    fn order<E>(&self, _answer: Result<(), E>) {}
}
