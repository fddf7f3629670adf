//! The worker protocol as a value (`livekit_agent.proto`, version 1): registering, offers with their deadlines, status,
//! pings, and coming back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use prost::Message;

use super::{Agent, Assignment, Job, WorkerEvent, WorkerOptions};
use crate::address::Address;
use crate::error::LinkError;
use crate::ids::JobId;
use crate::proto::{self, FromWorker, ServerMessage, ToWorker, UpdateJobStatus, WorkerMessage};

/// The server waits for ten seconds; what comes later is lost, so it is not sent.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(9);
/// From accepting to the assignment.
const ASSIGN_TIMEOUT: Duration = Duration::from_millis(7_500);
/// From the wish for a socket to being registered; the server waits as long.
const REGISTER_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the server is told how busy we are.
const STATUS_EVERY: Duration = Duration::from_millis(2_500);
const PING_EVERY: Duration = Duration::from_secs(5);
/// After this long without a word from the server the link is dead.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(15);
/// Between tries to reconnect: this, times their number, ...
const RETRY_STEP: Duration = Duration::from_secs(2);
/// ... up to this.
const RETRY_MAX: Duration = Duration::from_secs(10);
/// The server offers no jobs to a worker with this load or more: what we call full is scaled to it.
const SERVER_TARGET_LOAD: f32 = 0.7;
/// Offers that may be open at once; more are rejected.
const MAX_OFFERS: usize = 1_000;

/// Something that the shell is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Open a WebSocket at this address, in place of any other, with a token that grants
    /// [`Grants::worker`](crate::token::Grants::worker) as `Authorization: Bearer`. If it cannot be opened, or is lost,
    /// say [`Machine::handle_link_lost`].
    Connect {
        /// `ws://…` or `wss://…`.
        url: String,
    },
    /// Close it.
    Disconnect,
    /// Send this binary message on it; it may wait for the socket to open.
    Send(Vec<u8>),
    /// Something to tell the application.
    Event(WorkerEvent),
}

/// Where the link stands.
#[derive(Debug)]
enum Link {
    Waiting { at: Instant },
    Registering { deadline: Instant },
    Registered { status_at: Instant, ping_at: Instant, silent_at: Instant },
    Closed,
}

/// A worker, without sockets and clock. After every call take all that [`Machine::poll_output`] has, in order.
#[derive(Debug)]
pub struct Machine {
    address: Address,
    options: WorkerOptions,
    started: Instant,
    started_unix_ms: i64,
    link: Link,
    tries: u32,
    /// Offered, not answered; and until when they can be.
    offers: BTreeMap<JobId, Instant>,
    /// Accepted, not assigned; and until when that is waited for.
    accepted: BTreeMap<JobId, Instant>,
    /// Ours.
    jobs: BTreeSet<JobId>,
    /// Ended while there was no link.
    ended: Vec<UpdateJobStatus>,
    load: f32,
    draining: bool,
    drained: bool,
    outputs: VecDeque<Output>,
}

impl Machine {
    /// A worker that is about to register. The wall clock shows `unix_ms`, in milliseconds since 1970.
    pub fn new(now: Instant, address: Address, options: WorkerOptions, unix_ms: i64) -> Self {
        let mut machine = Self {
            address,
            options,
            started: now,
            started_unix_ms: unix_ms,
            link: Link::Closed,
            tries: 0,
            offers: BTreeMap::new(),
            accepted: BTreeMap::new(),
            jobs: BTreeSet::new(),
            ended: Vec::new(),
            load: 0.0,
            draining: false,
            drained: false,
            outputs: VecDeque::new(),
        };
        machine.register(now);
        machine
    }

    /// What to do next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called, at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let link = match self.link {
            Link::Waiting { at } => Some(at),
            Link::Registering { deadline } => Some(deadline),
            Link::Registered { status_at, ping_at, silent_at } => Some(status_at.min(ping_at).min(silent_at)),
            Link::Closed => return None,
        };
        link.into_iter().chain(self.offers.values().copied()).chain(self.accepted.values().copied()).min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let late: Vec<JobId> = self.offers.extract_if(.., |_, by| *by <= now).map(|(job, _)| job).collect();
        for job in late {
            self.send_answer(&job, None);
        }
        let gone: Vec<JobId> = self.accepted.extract_if(.., |_, by| *by <= now).map(|(job, _)| job).collect();
        for job in gone {
            self.tell(WorkerEvent::NotAssigned(job));
        }
        self.check_drained();
        match self.link {
            Link::Waiting { at } if at <= now => self.register(now),
            Link::Registering { deadline } if deadline <= now => self.lose(now, LinkError::Timeout),
            Link::Registered { silent_at, .. } if silent_at <= now => self.lose(now, LinkError::Timeout),
            _ => {}
        }
        if let Link::Registered { ping_at, status_at, silent_at } = self.link {
            if ping_at <= now {
                let timestamp = self.unix_ms(now);
                self.send(FromWorker::Ping(proto::WorkerPing { timestamp }));
            }
            if status_at <= now {
                self.send_status();
            }
            let next = |at: Instant, every: Duration| if at <= now { now + every } else { at };
            let (ping_at, status_at) = (next(ping_at, PING_EVERY), next(status_at, STATUS_EVERY));
            self.link = Link::Registered { ping_at, status_at, silent_at };
        }
    }

    /// The socket could not be opened, or is lost.
    pub fn handle_link_lost(&mut self, now: Instant, error: LinkError) {
        self.lose(now, error);
    }

    /// A message has come.
    pub fn handle_message(&mut self, now: Instant, message: &[u8]) {
        let Ok(message) = ServerMessage::decode(message) else {
            self.lose(now, LinkError::Protocol);
            return;
        };
        if let Link::Registered { silent_at, .. } = &mut self.link {
            *silent_at = now + SILENCE_TIMEOUT;
        }
        match message.message {
            Some(ToWorker::Register(registered)) => self.handle_registered(now, registered),
            Some(ToWorker::Availability(request)) => self.handle_offer(now, *request),
            Some(ToWorker::Assignment(assignment)) => self.handle_assignment(*assignment),
            Some(ToWorker::Termination(termination)) => {
                let job = JobId::from(termination.job_id);
                if self.jobs.contains(&job) {
                    self.tell(WorkerEvent::Terminated(job));
                }
            }
            // Of a newer server there may be messages that are not known here.
            Some(ToWorker::Pong(_)) | None => {}
        }
    }

    /// Takes an offered job, or rejects it. An answer that comes too late is left out.
    pub fn answer(&mut self, now: Instant, job: &JobId, agent: Option<&Agent>) {
        if self.offers.remove(job).is_none() {
            return;
        }
        let agent = agent.filter(|_| !self.draining);
        if agent.is_some() {
            self.accepted.insert(job.clone(), now + ASSIGN_TIMEOUT);
        }
        self.send_answer(job, agent);
    }

    /// How busy we are, from 0.0 to 1.0.
    pub fn set_load(&mut self, load: f32) {
        let was_full = self.is_full();
        self.load = if load.is_finite() { load.clamp(0.0, 1.0) } else { 1.0 };
        if self.is_full() != was_full {
            self.send_status();
        }
    }

    /// A job is over.
    pub fn finish(&mut self, job: &JobId, result: Result<(), String>) {
        if !self.jobs.remove(job) {
            return;
        }
        let (status, error) = match result {
            Ok(()) => (UpdateJobStatus::SUCCESS, String::new()),
            Err(error) => (UpdateJobStatus::FAILED, error),
        };
        let update = UpdateJobStatus { job_id: job.to_string(), status, error };
        if matches!(self.link, Link::Registered { .. }) {
            self.send(FromWorker::UpdateJob(update));
        } else {
            self.ended.push(update);
        }
        self.send_status();
        self.check_drained();
    }

    /// Takes no more jobs.
    pub fn drain(&mut self) {
        self.draining = true;
        self.send_status();
        self.check_drained();
    }

    /// Jobs that are ours.
    pub fn jobs(&self) -> impl Iterator<Item = &JobId> {
        self.jobs.iter()
    }

    fn register(&mut self, now: Instant) {
        self.link = Link::Registering { deadline: now + REGISTER_TIMEOUT };
        self.outputs.push_back(Output::Connect { url: self.address.worker() });
        let permissions = proto::ParticipantPermission {
            can_subscribe: true,
            can_publish: true,
            can_publish_data: true,
            can_update_metadata: true,
            ..Default::default()
        };
        self.send(FromWorker::Register(proto::RegisterWorkerRequest {
            r#type: self.options.kind.number(),
            agent_name: self.options.agent_name.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            ping_interval: 0, // Ours is not the server's business: it answers every ping.
            allowed_permissions: Some(permissions),
        }));
    }

    fn lose(&mut self, now: Instant, error: LinkError) {
        if !matches!(self.link, Link::Registering { .. } | Link::Registered { .. }) {
            return;
        }
        self.outputs.push_back(Output::Disconnect);
        // What was offered over the link cannot be answered any more.
        self.offers.clear();
        let accepted = std::mem::take(&mut self.accepted);
        for job in accepted.into_keys() {
            self.tell(WorkerEvent::NotAssigned(job));
        }
        if matches!(error, LinkError::Refused(401 | 403)) {
            self.link = Link::Closed;
            self.tell(WorkerEvent::Refused(error));
            return;
        }
        if matches!(self.link, Link::Registered { .. }) || self.tries == 0 {
            self.tell(WorkerEvent::Lost(error));
        }
        self.tries += 1;
        let pause = RETRY_STEP.saturating_mul(self.tries).min(RETRY_MAX);
        // The first try after a loss is at once: a restarted server is often there again.
        let pause = if matches!(self.link, Link::Registered { .. }) { Duration::ZERO } else { pause };
        self.link = Link::Waiting { at: now + pause };
        self.check_drained();
    }

    fn handle_registered(&mut self, now: Instant, registered: proto::RegisterWorkerResponse) {
        self.tries = 0;
        self.link = Link::Registered {
            status_at: now + STATUS_EVERY,
            ping_at: now + PING_EVERY,
            silent_at: now + SILENCE_TIMEOUT,
        };
        self.tell(WorkerEvent::Registered { worker_id: registered.worker_id });
        if !self.jobs.is_empty() {
            let job_ids = self.jobs.iter().map(JobId::to_string).collect();
            self.send(FromWorker::MigrateJob(proto::MigrateJobRequest { job_ids }));
        }
        for update in std::mem::take(&mut self.ended) {
            self.send(FromWorker::UpdateJob(update));
        }
        self.send_status();
    }

    fn handle_offer(&mut self, now: Instant, request: proto::AvailabilityRequest) {
        let Some(job) = request.job else {
            return;
        };
        let job = Job::from_proto(job);
        if self.draining || self.offers.len() >= MAX_OFFERS {
            self.send_answer(&job.id, None);
            return;
        }
        self.offers.insert(job.id.clone(), now + ANSWER_TIMEOUT);
        self.tell(WorkerEvent::Offered(job));
    }

    fn handle_assignment(&mut self, assignment: proto::JobAssignment) {
        let Some(job) = assignment.job.map(Job::from_proto) else {
            return;
        };
        self.accepted.remove(&job.id);
        self.jobs.insert(job.id.clone());
        let (job_id, status) = (job.id.to_string(), UpdateJobStatus::RUNNING);
        self.send(FromWorker::UpdateJob(UpdateJobStatus { job_id, status, error: String::new() }));
        self.send_status();
        let url = assignment.url.filter(|url| !url.is_empty());
        self.tell(WorkerEvent::Assigned(Assignment { job, url, token: assignment.token }));
    }

    fn send_answer(&mut self, job: &JobId, agent: Option<&Agent>) {
        let mut response = proto::AvailabilityResponse { job_id: job.to_string(), ..Default::default() };
        if let Some(agent) = agent {
            response.available = true;
            response.participant_identity = agent.identity(job).to_string();
            response.participant_name.clone_from(&agent.name);
            response.participant_metadata.clone_from(&agent.metadata);
            response.participant_attributes = agent.attributes.clone().into_iter().collect();
        }
        self.send(FromWorker::Availability(response));
    }

    fn is_full(&self) -> bool {
        self.draining || self.load >= 1.0
    }

    fn send_status(&mut self) {
        if !matches!(self.link, Link::Registered { .. }) {
            return;
        }
        self.send(FromWorker::UpdateWorker(proto::UpdateWorkerStatus {
            status: Some(i32::from(self.is_full())),
            load: if self.is_full() { 1.0 } else { self.load * SERVER_TARGET_LOAD },
            job_count: u32::try_from(self.jobs.len()).unwrap_or(u32::MAX),
        }));
    }

    fn check_drained(&mut self) {
        let idle = self.jobs.is_empty() && self.accepted.is_empty();
        if self.draining && idle && !std::mem::replace(&mut self.drained, true) {
            self.tell(WorkerEvent::Drained);
        }
    }

    fn send(&mut self, message: FromWorker) {
        let message = WorkerMessage { message: Some(message) };
        self.outputs.push_back(Output::Send(message.encode_to_vec()));
    }

    fn tell(&mut self, event: WorkerEvent) {
        self.outputs.push_back(Output::Event(event));
    }

    fn unix_ms(&self, now: Instant) -> i64 {
        let since = i64::try_from(now.saturating_duration_since(self.started).as_millis()).unwrap_or(i64::MAX);
        self.started_unix_ms.saturating_add(since)
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
