//! How the rest of the process talks to a session's task.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};
use voice_core::ClientEvent;
use voice_core::ceiling::CostStep;
use voice_core::ids::{ConnectionId, SpeechId};
use voice_core::input::{HangUp, Key};
use voice_core::output::{AgentState, EndReason, Outcome};

use super::feed::Feed;
use crate::store::SessionDoc;
use crate::tasks::Task;

pub use crate::audio::frame::FRAME_MS;

/// What the session's task is told. Its queue is bounded, and its last places are kept for what must not be lost: audio
/// is refused first (the sender drops and counts it), then reports of the playout and of the way (the next one says more), and when it
/// is full to the brim the sender closes its connection, which may come back.
#[derive(Debug)]
pub enum Command {
    /// A transport leg. It replaces the one before, whose outbound gets [`Outbound::Close`] with 4001.
    Attach {
        /// The new leg, unique in the process.
        connection: ConnectionId,
        /// Whether the agent speaks on it; without, it answers in text and nothing is synthesised.
        voice: bool,
        /// Where what it is to send goes. When full, the reader is too slow: the leg is dropped with 4003.
        outbound: mpsc::Sender<Outbound>,
        /// The LiveKit room that the leg is in.
        room: Option<String>,
    },
    /// The leg is gone.
    Detach {
        /// The leg.
        connection: ConnectionId,
    },
    /// One frame of caller audio: 16 kHz, [`FRAME_MS`].
    Audio {
        /// The leg; a replaced leg's frames are ignored.
        connection: ConnectionId,
        /// 320 samples.
        frame: Box<[i16; 320]>,
        /// The same 20 ms as a telephone sent them, 160 bytes of µ-law, for a recogniser that takes that.
        mulaw: Option<Bytes>,
    },
    /// What was really played.
    Playout {
        /// The leg.
        connection: ConnectionId,
        /// The speech.
        speech: SpeechId,
        /// Milliseconds from its start.
        played_ms: u64,
        /// Whether the far end says so; false for what is reckoned on this side.
        reported: bool,
    },
    /// How long the way to the caller's end of a leg and back took.
    RoundTrip {
        /// The leg.
        connection: ConnectionId,
        /// Milliseconds.
        round_trip_ms: u64,
    },
    /// The microphone was muted or opened.
    Mute {
        /// The leg.
        connection: ConnectionId,
        /// Whether frames stop.
        muted: bool,
    },
    /// The caller shares the screen, or does not any more.
    Sharing {
        /// The leg.
        connection: ConnectionId,
        /// Which of the two.
        is_shared: bool,
    },
    /// The next piece of the picture that [`Outbound::Look`] asked for.
    Picture {
        /// The leg.
        connection: ConnectionId,
        /// Which look it answers.
        look: u64,
        /// The bytes; none in the last one where the page has no picture.
        piece: Bytes,
        /// Whether the picture is complete with it.
        is_last: bool,
    },
    /// A key of a telephone was pressed.
    Key {
        /// The leg.
        connection: ConnectionId,
        /// Which.
        key: Key,
    },
    /// A typed message.
    Text {
        /// The message.
        text: String,
        /// Who waits for the answer; none on a socket.
        answer: Option<oneshot::Sender<TextReply>>,
        /// The name of a text message (`SM…`), which the session notes with what it saves of the answer.
        sid: Option<String>,
    },
    /// Recording was agreed to, or withdrawn.
    Consent {
        /// Whether it was agreed to.
        recording: bool,
    },
    /// The caller's tasks were changed elsewhere.
    TasksChanged {
        /// The whole list.
        tasks: Arc<Vec<Task>>,
    },
    /// Hang up.
    HangUp {
        /// By whom.
        by: HangUp,
    },
    /// Another instance owns the session: nothing of it may be heard here any more.
    TakenOver,
    /// The store answers again.
    StoreIsBack,
    /// What the agent says as soon as the caller's first connection comes; nothing when it has.
    FirstWords {
        /// Where to.
        answer: oneshot::Sender<String>,
    },
    /// The session's JSON as it is now, in memory.
    Describe {
        /// Where to.
        answer: oneshot::Sender<Box<SessionDoc>>,
    },
}

impl Command {
    /// Places of a queue of `all` that must be left for what matters more.
    const fn leaves(&self, all: usize) -> usize {
        match self {
            Self::Audio { .. } => all / 4,
            Self::Playout { .. } | Self::RoundTrip { .. } => all / 8,
            _ => 0,
        }
    }
}

/// What becomes of a typed message; nothing at all where the session ended before it was answered.
pub type TextReply = Result<TextAnswer, TooManyTexts>;

/// As many typed messages as may (`session.max_pending_texts`) wait for an answer already; this one was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many messages are waiting for an answer")]
pub struct TooManyTexts;

/// The answer to `POST /api/sessions/{id}/messages`.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct TextAnswer {
    /// What the agent answered.
    pub reply: String,
    /// The agent that has the call now.
    pub agent: String,
    /// The tools that ran.
    pub tool_calls: Vec<ToolCallReport>,
    /// What the turn cost in US dollars.
    pub cost_usd: f64,
}

/// One tool that ran in a turn.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ToolCallReport {
    /// The tool.
    pub name: String,
    /// Its arguments.
    pub arguments: serde_json::Map<String, serde_json::Value>,
    /// Its result.
    pub result: serde_json::Value,
}

/// What a transport leg is to send.
#[derive(Debug, Clone)]
pub enum Outbound {
    /// The first event of a leg.
    Ready(Ready),
    /// An event of the core.
    Event(ClientEvent),
    /// A picture of the screen is wanted.
    Look {
        /// The look's number.
        look: u64,
    },
    /// The frames that follow belong to this speech, from its start.
    SpeechStarted {
        /// The speech.
        speech: SpeechId,
        /// The reply it belongs to.
        reply: voice_core::ids::ReplyId,
    },
    /// The frames that follow go on with this speech, from this position.
    SpeechResumed {
        /// The speech.
        speech: SpeechId,
        /// Milliseconds from its start.
        from_ms: u64,
    },
    /// All frames of the speech were sent.
    SpeechFinished {
        /// The speech.
        speech: SpeechId,
        /// Its length in milliseconds.
        duration_ms: u64,
    },
    /// One or more frames of agent audio, in the format of the session's channel: PCM16LE mono at 24 kHz (960 bytes each),
    /// or µ-law at 8 kHz (160 bytes).
    Audio(Bytes),
    /// Drop what is queued of this speech.
    Clear {
        /// The speech.
        speech: SpeechId,
    },
    /// The whole task list.
    Tasks(Arc<Vec<Task>>),
    /// Close with this code; nothing follows.
    Close {
        /// docs/protocol.md, close codes.
        code: u16,
        /// A short word for logs and pages.
        reason: &'static str,
    },
}

/// What a new leg is told first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// The session.
    pub session_id: String,
    /// Whether the session was there before this leg.
    pub resumed: bool,
    /// The channel.
    pub channel: String,
    /// The agent that has the call.
    pub agent: String,
    /// Whether the caller has agreed to recording.
    pub recording: bool,
    /// Whether this server keeps recordings at all; without, nothing is recorded, whatever was agreed to.
    pub records: bool,
    /// Whether this server looks at a shared screen.
    pub screens: bool,
    /// Whether the microphone is muted.
    pub muted: bool,
}

/// What can be seen of a running session from outside, without asking its task.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionInfo {
    /// What the agent is doing.
    pub state: AgentState,
    /// Whether a transport leg is there.
    pub connected: bool,
    /// Whether anybody ever came: by a transport leg, or with a message.
    pub visited: bool,
    /// The agent that has the call.
    pub agent: String,
    /// Turns so far.
    pub turns: u32,
    /// Milliseconds that the caller waited for the last answer, as far as is known: to its first audio, and from there to the ear.
    pub last_latency_ms: Option<u64>,
    /// What was spent, in US dollars.
    pub cost_usd: f64,
    /// How the call saves money.
    pub cost_step: CostStep,
    /// Set once: how and why the session ended.
    pub ended: Option<(Outcome, EndReason)>,
}

#[cfg(test)]
impl SessionInfo {
    /// A session that has just begun, as the transports' tests need one.
    pub(crate) fn listening() -> Self {
        Self {
            state: AgentState::Listening,
            connected: false,
            visited: false,
            agent: "TaskAgent".to_owned(),
            turns: 0,
            last_latency_ms: None,
            cost_usd: 0.0,
            cost_step: CostStep::Full,
            ended: None,
        }
    }
}

/// Why a command was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The session's queue is full.
    #[error("the session's queue is full")]
    Full,
    /// The session is over.
    #[error("the session is over")]
    Ended,
}

/// A running session, cheap to clone.
#[derive(Debug, Clone)]
pub struct SessionHandle {
    commands: mpsc::Sender<Command>,
    info: watch::Receiver<SessionInfo>,
    feed: Arc<Feed>,
}

impl SessionHandle {
    /// Ties the two ends together; nothing is heard of what happens in the session until [`SessionHandle::with_feed`].
    pub fn new(commands: mpsc::Sender<Command>, info: watch::Receiver<SessionInfo>) -> Self {
        Self { commands, info, feed: Arc::default() }
    }

    /// With what its task tells of what happens in it.
    #[must_use]
    pub fn with_feed(self, feed: Arc<Feed>) -> Self {
        Self { feed, ..self }
    }

    /// What happened in it lately, and happens.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Tells the session something, without waiting.
    ///
    /// # Errors
    /// [`SendError`] when its queue is too full for this command, or when it is over.
    pub fn send(&self, command: Command) -> Result<(), SendError> {
        let left = self.commands.capacity();
        if left <= command.leaves(self.commands.max_capacity()) && !self.commands.is_closed() {
            return Err(SendError::Full);
        }
        self.commands.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::Full,
            mpsc::error::TrySendError::Closed(_) => SendError::Ended,
        })
    }

    /// What can be seen of it now.
    pub fn info(&self) -> SessionInfo {
        self.info.borrow().clone()
    }

    /// Whether its task is gone.
    pub fn is_gone(&self) -> bool {
        self.commands.is_closed()
    }

    /// Waits until the session is over.
    pub async fn ended(&self) {
        let mut info = self.info.clone();
        // An error means that the task is gone, which is an end too.
        let _gone = info.wait_for(|info| info.ended.is_some()).await;
    }
}
