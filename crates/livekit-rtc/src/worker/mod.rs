//! An agent worker: it registers with the server, is offered jobs (a job is a room to go to), and says how busy it is.
//!
//! [`Worker`] is the whole thing on tokio; [`Machine`] is its protocol as a value, without sockets and clock. What is done
//! with a job is the application's: usually [`Room::connect`](crate::Room::connect) with the token that comes with it.
//!
//! The open-source server offers a job once and forgets it: with no worker there, an answer that comes late or a worker
//! that dies, nobody goes to the room. [`dispatch`](crate::dispatch) can send an agent again.

mod machine;
mod task;

use std::collections::BTreeMap;
use std::time::SystemTime;

use tokio::sync::mpsc;

pub use self::machine::{Machine, Output};
use self::task::{Command, Task};
use crate::address::Address;
use crate::error::LinkError;
use crate::ids::{Identity, JobId};
use crate::participant::Participant;
use crate::token::ApiKey;

/// Events that may wait to be read; then the worker waits, too, and the server gives its jobs to others.
const MAX_EVENTS: usize = 256;
/// Commands that may wait; more wait at their callers.
const MAX_COMMANDS: usize = 64;

/// What a worker is dispatched for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JobKind {
    /// One job for each room.
    #[default]
    Room,
    /// One for each participant who publishes.
    Publisher,
    /// One for each participant.
    Participant,
}

impl JobKind {
    fn number(self) -> i32 {
        match self {
            Self::Room => 0,
            Self::Publisher => 1,
            Self::Participant => 2,
        }
    }
}

/// What a worker is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerOptions {
    /// Its name. A worker with a name gets the jobs that are dispatched to that name; one without is sent to every new
    /// room.
    pub agent_name: String,
    /// What it is dispatched for.
    pub kind: JobKind,
}

/// A job, as it is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// This job.
    pub id: JobId,
    /// The explicit dispatch that it comes from; empty if automatic.
    pub dispatch_id: String,
    /// The room's name.
    pub room: String,
    /// The room's metadata.
    pub room_metadata: String,
    /// The participant, if the worker is dispatched for participants.
    pub participant: Option<Box<Participant>>,
    /// What came with the dispatch.
    pub metadata: String,
    /// The name under which it was dispatched.
    pub agent_name: String,
}

/// Who goes to the room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agent {
    /// Unique in the room; `agent-` and the job's id, if empty.
    pub identity: String,
    /// For people.
    pub name: String,
    /// Of the participant.
    pub metadata: String,
    /// Of the participant.
    pub attributes: BTreeMap<String, String>,
}

/// A job that is ours: go to the room.
#[derive(Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The job.
    pub job: Job,
    /// Another server than the worker's, if the server says so.
    pub url: Option<String>,
    /// With which to join.
    pub token: String,
}

impl std::fmt::Debug for Assignment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Assignment({})", self.job.id)
    }
}

/// Something that happened to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerEvent {
    /// The server knows us; again after each [`Lost`](Self::Lost).
    Registered {
        /// The server's name for this worker (`AW_…`).
        worker_id: String,
    },
    /// The connection is lost and being mended. Jobs go on; meanwhile none are offered.
    Lost(LinkError),
    /// Take this job? Answer with [`Worker::accept`] or [`Worker::reject`] within nine seconds, after which it is rejected;
    /// at once is better, because callers wait.
    Offered(Job),
    /// An accepted job was given to somebody else, or is gone.
    NotAssigned(JobId),
    /// The job is ours. Join within a few seconds; say [`Worker::finish`] when it is over.
    Assigned(Assignment),
    /// The server wants a job ended: leave the room, and say [`Worker::finish`].
    Terminated(JobId),
    /// After [`Worker::drain`]: the last job is over.
    Drained,
    /// The server does not accept the key: the worker is over, and nothing follows.
    Refused(LinkError),
}

/// A worker: cheap to clone, usable from any task. When every handle is dropped, it goes; its jobs' rooms stay as they are.
#[derive(Clone, Debug)]
pub struct Worker {
    commands: mpsc::Sender<Command>,
}

/// A worker is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the worker is over")]
pub struct WorkerClosed;

impl Worker {
    /// Starts a worker. It registers and keeps registered until it is dropped, whatever happens to the server.
    ///
    /// Must be called on a tokio runtime with I/O and time.
    pub fn start(address: Address, key: ApiKey, options: WorkerOptions) -> (Self, WorkerEvents) {
        let (commands, orders) = mpsc::channel(MAX_COMMANDS);
        let (sender, events) = mpsc::channel(MAX_EVENTS);
        let machine = Machine::new(std::time::Instant::now(), address, options, unix_ms(SystemTime::now()));
        tokio::spawn(Task::new(machine, key, orders, sender).run());
        (Self { commands }, WorkerEvents { events })
    }

    /// Takes an offered job. [`WorkerEvent::Assigned`] follows, usually at once.
    ///
    /// # Errors
    /// The worker is over.
    pub async fn accept(&self, job: &JobId, agent: Agent) -> Result<(), WorkerClosed> {
        self.order(Command::Answer { job: job.clone(), agent: Some(agent) }).await
    }

    /// Leaves an offered job to another worker.
    ///
    /// # Errors
    /// The worker is over.
    pub async fn reject(&self, job: &JobId) -> Result<(), WorkerClosed> {
        self.order(Command::Answer { job: job.clone(), agent: None }).await
    }

    /// Says how busy we are, from 0.0 to 1.0: at 1.0 no jobs are offered.
    ///
    /// # Errors
    /// The worker is over.
    pub async fn set_load(&self, load: f32) -> Result<(), WorkerClosed> {
        self.order(Command::Load(load)).await
    }

    /// A job is over: well, or with this error, which is shown to whoever runs the server.
    ///
    /// # Errors
    /// The worker is over.
    pub async fn finish(&self, job: &JobId, result: Result<(), String>) -> Result<(), WorkerClosed> {
        self.order(Command::Finish { job: job.clone(), result }).await
    }

    /// Takes no more jobs. [`WorkerEvent::Drained`] follows when the last one is over.
    ///
    /// # Errors
    /// The worker is over.
    pub async fn drain(&self) -> Result<(), WorkerClosed> {
        self.order(Command::Drain).await
    }

    async fn order(&self, command: Command) -> Result<(), WorkerClosed> {
        self.commands.send(command).await.map_err(|_| WorkerClosed)
    }
}

/// What happens to a worker, in order.
#[derive(Debug)]
pub struct WorkerEvents {
    events: mpsc::Receiver<WorkerEvent>,
}

impl WorkerEvents {
    /// The next event; nothing when the worker is over. May be dropped and called again without losing one.
    pub async fn next(&mut self) -> Option<WorkerEvent> {
        self.events.recv().await
    }
}

fn unix_ms(now: SystemTime) -> i64 {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Job {
    fn from_proto(job: crate::proto::Job) -> Self {
        let room = job.room.unwrap_or_default();
        Self {
            id: job.id.into(),
            dispatch_id: job.dispatch_id,
            room: room.name,
            room_metadata: room.metadata,
            participant: job.participant.map(Participant::from_proto).map(Box::new),
            metadata: job.metadata,
            agent_name: job.agent_name,
        }
    }
}

impl Agent {
    fn identity(&self, job: &JobId) -> Identity {
        if self.identity.is_empty() { format!("agent-{job}").into() } else { self.identity.as_str().into() }
    }
}
