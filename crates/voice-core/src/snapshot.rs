//! What is saved of a session, at every commit: enough to go on in another process.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ceiling::CostStep;
use crate::chat::ChatItem;
use crate::consent::ConsentState;
use crate::cost::CostMeter;

/// The version of the saved form. A snapshot of a newer version is refused, not guessed at.
pub const SNAPSHOT_VERSION: u32 = 1;

/// Who said a message of the contract's `conversation_history`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The caller.
    User,
    /// The agent.
    Assistant,
}

/// One message of the contract's `conversation_history`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Who.
    pub role: Role,
    /// What was said, as far as it was heard.
    pub content: String,
}

/// An item of the conversation that is not a message, and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Aside {
    /// How many messages come before it.
    pub after: usize,
    /// A tool call, a tool output or a hand-off.
    pub item: ChatItem,
}

/// The id counters: no id is used twice in a session's life, over restarts too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Turns so far.
    pub turn: u32,
    /// Replies so far.
    pub reply: u64,
    /// Requests to the model so far.
    pub request: u64,
    /// Speeches so far.
    pub speech: u64,
    /// Utterances so far.
    pub utterance: u64,
    /// Tool calls so far.
    pub call: u64,
    /// Commits so far.
    pub commit: u64,
}

/// How many ids a session that was lost skips: more than it can have used since it was saved.
const SKIPPED_IDS: u64 = 1_000_000;

impl Counters {
    /// Skips the ids that a lost process may have used since it was last saved. Turns are counted for people: theirs go on,
    /// and a tool's exactly-once key still differs by its call.
    pub(crate) fn skip(&mut self) {
        for id in [
            &mut self.reply,
            &mut self.request,
            &mut self.speech,
            &mut self.utterance,
            &mut self.call,
            &mut self.commit,
        ] {
            *id = id.saturating_add(SKIPPED_IDS);
        }
    }
}

/// What is saved of a session. The shell lays it out as the contract's session JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// [`SNAPSHOT_VERSION`] of the process that saved it.
    pub version: u32,
    /// The contract's `conversation_history`.
    pub history: Vec<Message>,
    /// The contract's `current_agent`.
    pub current_agent: String,
    /// The contract's `context.recording_*`.
    pub consent: ConsentState,
    /// Tool calls, outputs and hand-offs, and where they stand in the history.
    pub asides: Vec<Aside>,
    /// Indexes of the messages that the caller cut short.
    pub interrupted: Vec<usize>,
    /// The id counters.
    pub counters: Counters,
    /// What was spent.
    pub cost: CostMeter,
    /// How the call saves money.
    #[serde(default)]
    pub cost_step: CostStep,
    /// How long a caller was connected, in milliseconds.
    pub connected_ms: u64,
    /// Keys of `context` that belong to others and are carried along.
    pub extra: Map<String, Value>,
}

/// Why a saved session cannot be taken up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// A newer version saved it.
    #[error("the session was saved in form {0}, this version reads up to {SNAPSHOT_VERSION}")]
    Newer(u32),
    /// It contradicts itself.
    #[error("the saved session contradicts itself: {0}")]
    Broken(&'static str),
}
