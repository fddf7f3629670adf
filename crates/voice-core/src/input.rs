//! Everything that can happen to a session.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::chat::ToolOutput;
use crate::cost::Usage;
use crate::ids::{CommitId, ConnectionId, LlmRequestId, SpeechId, ToolCallId, UtteranceId};
use crate::provider::ProviderErrorKind;

/// Why a commit did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommitError {
    /// The store does not answer, is full or refuses: the call goes on from memory.
    Unavailable,
    /// Another instance owns the session now: this one must stop.
    Fenced,
    /// The caller's tasks changed meanwhile: the tools must run again.
    Conflict,
    /// The store may have it or not. The shell goes on making the same commit, and says what became of it.
    Unknown,
}

/// Who hung up, or ended the session from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HangUp {
    /// The caller: with the page's button, or by deleting the session.
    Caller,
    /// An operator, or the process that goes down.
    Operator,
}

/// Until when a word of a chunk sounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WordTiming {
    /// Byte offset in the chunk's text just after the word.
    pub byte_end: usize,
    /// Milliseconds from the start of the chunk's audio to the word's end.
    pub end_ms: u64,
}

/// What happened. Closed: the session's whole view of the world. Times are milliseconds since the session's start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "input", rename_all = "snake_case")]
pub enum Input {
    /// A transport leg is there; it replaces the one before.
    Connected {
        /// The new leg.
        connection: ConnectionId,
        /// Whether audio flows on it; without, the agent answers in text.
        voice: bool,
    },
    /// A transport leg is gone. One that was replaced before is ignored.
    Disconnected {
        /// The leg.
        connection: ConnectionId,
    },
    /// The VAD hears what may become speech: the agent falls silent for a moment, and goes on if no start of speech follows.
    PossibleSpeech,
    /// The VAD hears speech.
    StartOfSpeech {
        /// When the speech began, back-dated.
        at_ms: u64,
    },
    /// The VAD hears no more speech.
    EndOfSpeech {
        /// The arrival of the last frame with speech in it, back-dated.
        last_speech_ms: u64,
    },
    /// What is understood so far.
    InterimTranscript {
        /// The utterance.
        utterance: UtteranceId,
        /// Replaces what came before for this utterance.
        text: String,
    },
    /// What was understood of the utterance as far as `FinishUtterance` of this revision reached.
    FinalTranscript {
        /// The utterance.
        utterance: UtteranceId,
        /// The revision that `FinishUtterance` named; an older one is ignored.
        revision: u32,
        /// Empty when there was no speech in it.
        text: String,
    },
    /// The STT gave up on this utterance.
    SttFailed {
        /// The utterance.
        utterance: UtteranceId,
        /// The revision that `FinishUtterance` named.
        revision: u32,
        /// How.
        kind: ProviderErrorKind,
    },
    /// How likely the caller has finished.
    EndOfTurnScore {
        /// The utterance.
        utterance: UtteranceId,
        /// The revision that `FinishUtterance` named.
        revision: u32,
        /// Probability in thousandths.
        permille: u16,
    },
    /// The model streamed text.
    LlmText {
        /// The request; of one that was cancelled nothing is taken.
        request: LlmRequestId,
        /// The delta.
        text: String,
    },
    /// The model called a tool.
    LlmToolCall {
        /// The request.
        request: LlmRequestId,
        /// The tool.
        name: String,
        /// Its arguments.
        arguments: Map<String, Value>,
    },
    /// The model has finished this request.
    LlmDone {
        /// The request.
        request: LlmRequestId,
    },
    /// The model failed.
    LlmFailed {
        /// The request.
        request: LlmRequestId,
        /// How.
        kind: ProviderErrorKind,
    },
    /// A tool was computed; nothing is changed before the commit that follows.
    ToolComputed {
        /// What it answered.
        output: ToolOutput,
        /// Whether the commit would change tasks.
        mutates: bool,
    },
    /// The store has it.
    Committed {
        /// The commit.
        commit: CommitId,
    },
    /// The store does not have it, or does not say.
    CommitFailed {
        /// The commit.
        commit: CommitId,
        /// Why.
        error: CommitError,
    },
    /// More audio of a chunk is there.
    TtsAudio {
        /// The speech.
        speech: SpeechId,
        /// Its chunk.
        chunk: u32,
        /// Milliseconds of the chunk's audio so far.
        audio_ms: u64,
    },
    /// A chunk's audio is complete.
    TtsDone {
        /// The speech.
        speech: SpeechId,
        /// Its chunk.
        chunk: u32,
        /// Milliseconds of the chunk's whole audio.
        audio_ms: u64,
        /// Where its words end; empty when the provider does not say.
        words: Vec<WordTiming>,
    },
    /// A chunk could not be synthesised.
    TtsFailed {
        /// The speech.
        speech: SpeechId,
        /// Its chunk.
        chunk: u32,
        /// How.
        kind: ProviderErrorKind,
    },
    /// The first frame of a speech left the server.
    FirstAudioOut {
        /// The speech.
        speech: SpeechId,
    },
    /// What was really played of a speech.
    PlayoutPosition {
        /// The speech.
        speech: SpeechId,
        /// Milliseconds from its start.
        played_ms: u64,
    },
    /// The caller typed.
    Text {
        /// The message.
        text: String,
        /// Echoed in `TurnFinished`, for whoever waits for the answer.
        message: Option<u64>,
    },
    /// The caller agreed to recording, or withdrew.
    Consent {
        /// Whether recording is agreed to.
        recording: bool,
    },
    /// Hung up.
    HangUp {
        /// By whom.
        by: HangUp,
    },
    /// Something was used that costs.
    Used(Usage),
    /// Nothing but time passed: the deadline of `poll_timeout` is here.
    Tick,
}

impl Input {
    /// The call a tool output belongs to.
    pub fn tool_call(&self) -> Option<ToolCallId> {
        match self {
            Self::ToolComputed { output, .. } => Some(output.id),
            _ => None,
        }
    }
}
