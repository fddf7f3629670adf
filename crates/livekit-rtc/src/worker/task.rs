//! The task that owns a worker.

use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Bytes;

use super::machine::{Machine, Output};
use super::{Agent, WorkerEvent};
use crate::error::LinkError;
use crate::ids::JobId;
use crate::link::Link;
use crate::token::{AccessToken, ApiKey, Grants};

/// A worker's token is used at once, and another one signed for the next try.
const TOKEN_TTL: Duration = Duration::from_secs(3_600);

/// Something that is asked of a worker.
#[derive(Debug)]
pub(super) enum Command {
    Answer { job: JobId, agent: Option<Agent> },
    Load(f32),
    Finish { job: JobId, result: Result<(), String> },
    Drain,
}

/// Everything of a worker.
pub(super) struct Task {
    machine: Machine,
    key: ApiKey,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<WorkerEvent>,
    link: Option<Link>,
}

impl Task {
    pub(super) fn new(
        machine: Machine,
        key: ApiKey,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<WorkerEvent>,
    ) -> Self {
        Self { machine, key, commands, events, link: None }
    }

    /// Lives as long as somebody holds the worker and reads its events.
    pub(super) async fn run(mut self) {
        while self.carry_out().await {
            let Some(at) = self.machine.poll_timeout() else {
                return; // Refused: nothing will happen any more.
            };
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => self.handle_command(command),
                    None => return,
                },
                message = next(self.link.as_mut()) => match message {
                    Ok(message) => self.machine.handle_message(Instant::now(), &message),
                    Err(error) => {
                        self.link = None;
                        self.machine.handle_link_lost(Instant::now(), error);
                    }
                },
                () = tokio::time::sleep_until(at.into()) => {}
            }
            let now = Instant::now();
            if self.machine.poll_timeout().is_some_and(|at| at <= now) {
                self.machine.handle_timeout(now);
            }
        }
    }

    fn handle_command(&mut self, command: Command) {
        match command {
            Command::Answer { job, agent } => self.machine.answer(Instant::now(), &job, agent.as_ref()),
            Command::Load(load) => self.machine.set_load(load),
            Command::Finish { job, result } => self.machine.finish(&job, result),
            Command::Drain => self.machine.drain(),
        }
    }

    /// Does all that the machine wants; `false` if nobody reads the events any more.
    async fn carry_out(&mut self) -> bool {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Connect { url } => {
                    let token = AccessToken::new(Grants::worker()).ttl(TOKEN_TTL).sign(&self.key, SystemTime::now());
                    match token {
                        Ok(token) => self.link = Some(Link::open(url, token)),
                        Err(_) => self.machine.handle_link_lost(Instant::now(), LinkError::Refused(401)),
                    }
                }
                Output::Disconnect => self.link = None,
                Output::Send(message) => {
                    if self.link.as_ref().is_some_and(|link| !link.send(message)) {
                        self.machine.handle_link_lost(Instant::now(), LinkError::Timeout);
                    }
                }
                Output::Event(event) => {
                    if self.events.send(event).await.is_err() {
                        return false;
                    }
                }
            }
        }
        true
    }
}

async fn next(link: Option<&mut Link>) -> Result<Bytes, LinkError> {
    match link {
        Some(link) => link.next().await,
        None => std::future::pending().await,
    }
}
