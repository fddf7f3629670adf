//! Everything that can happen to a session.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::chat::ToolOutput;
use crate::cost::{NanoUsd, Usage};
use crate::ids::{CommitId, ConnectionId, LlmRequestId, RungId, SpeechId, ToolCallId, UtteranceId};
use crate::provider::{ProviderFailure, Stage};

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
    /// The store is away and does not have it. The shell goes on making the same commit, and says what became of it.
    Postponed,
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

/// A key of a telephone: a digit, `*`, `#`, or one of the rare `A` to `D`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(char);

impl Key {
    /// Yes, to a question.
    pub const YES: Self = Self('1');
    /// No, to a question.
    pub const NO: Self = Self('2');
    /// Stop recording.
    pub const STAR: Self = Self('*');
    /// Say it again.
    pub const POUND: Self = Self('#');

    /// Reads a key as a signalling message names it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut chars = text.chars();
        let key = chars.next().filter(|key| matches!(key, '0'..='9' | '*' | '#' | 'A'..='D'))?;
        chars.next().is_none().then_some(Self(key))
    }
}

/// What a session is told of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderHealth {
    /// The stage.
    pub stage: Stage,
    /// The provider.
    pub rung: RungId,
    /// Whether it may be asked. One that is well again is used from the next turn on.
    pub usable: bool,
    /// How long it may show nothing before the next is asked beside it, in milliseconds.
    pub hedge_ms: u64,
    /// How long a language model's stream may stand still before the next is asked beside it, in milliseconds; none while its
    /// habits are not known.
    #[serde(default)]
    pub gap_ms: Option<u64>,
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
    /// The VAD hears the first moment of a silence that may be the end of what is being said: `EndOfSpeech` follows within 100 ms
    /// or so, or the speech goes on.
    PossibleEnd,
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
        /// Who understood it.
        #[serde(default)]
        rung: RungId,
        /// Empty when there was no speech in it.
        text: String,
    },
    /// The final transcript of this revision, which follows from the same recogniser, has no words of the end of its speech.
    TranscriptGap {
        /// The utterance.
        utterance: UtteranceId,
        /// The revision that `FinishUtterance` named.
        revision: u32,
        /// Who understood nothing of it.
        rung: RungId,
        /// From the last of its words, about, to the end of the speech, in milliseconds. The caller's pauses are in it.
        gap_ms: u64,
    },
    /// A recogniser gave up on this revision of the utterance.
    SttFailed {
        /// The utterance.
        utterance: UtteranceId,
        /// The revision that `FinishUtterance` named.
        revision: u32,
        /// Which.
        #[serde(default)]
        rung: RungId,
        /// How.
        #[serde(flatten)]
        failure: ProviderFailure,
    },
    /// A recogniser that hears audio as it comes broke off, or could not begin.
    SttLineFailed {
        /// The utterance that it was hearing; none between two.
        utterance: Option<UtteranceId>,
        /// Which.
        rung: RungId,
        /// How.
        #[serde(flatten)]
        failure: ProviderFailure,
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
    /// The model streams a tool call that is not whole yet.
    LlmCalling {
        /// The request.
        request: LlmRequestId,
    },
    /// The model has written what is to be said once the call that it is writing is carried out. The same words stand in the
    /// call when it is whole.
    LlmWordsAhead {
        /// The request.
        request: LlmRequestId,
        /// The words.
        words: String,
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
        #[serde(flatten)]
        failure: ProviderFailure,
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
        /// Whose it is.
        #[serde(default)]
        rung: RungId,
        /// Milliseconds of the chunk's audio so far.
        audio_ms: u64,
        /// Where its words so far end; empty when the provider does not say before the end.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        words: Vec<WordTiming>,
    },
    /// A chunk's audio is complete. One without any is passed by when the session says `EndChunk`.
    TtsDone {
        /// The speech.
        speech: SpeechId,
        /// Its chunk.
        chunk: u32,
        /// Whose it is.
        #[serde(default)]
        rung: RungId,
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
        /// By whom.
        #[serde(default)]
        rung: RungId,
        /// How.
        #[serde(flatten)]
        failure: ProviderFailure,
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
        /// Whether the far end says so, which tells when the caller began to hear it. False for what is reckoned on this side, and in
        /// logs that do not say.
        #[serde(default)]
        reported: bool,
    },
    /// How long the way to the caller's end of a leg and back took, by the server's own measure.
    RoundTrip {
        /// The leg.
        connection: ConnectionId,
        /// Milliseconds.
        round_trip_ms: u64,
    },
    /// The caller typed.
    Text {
        /// The message.
        text: String,
        /// Echoed in `TurnFinished`, for whoever waits for the answer.
        message: Option<u64>,
    },
    /// The caller pressed a key of a telephone.
    Key {
        /// Which.
        key: Key,
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
    /// The process goes down: the session is to move at its next silence. After so many milliseconds it does not wait any more for
    /// what it says itself to be heard to its end: the next process says the rest.
    HandOver {
        /// How long.
        within_ms: u64,
    },
    /// The session was handed over to this process; comes first of all.
    TookOver {
        /// What the one before had still to say; empty if nothing.
        say: String,
    },
    /// Another process owns the session: nothing of it may be heard or saved here any more.
    TakenOver,
    /// The store answers again after it did not: what waits to be saved need not wait longer.
    StoreIsBack,
    /// What the process knows of a provider has changed.
    ProviderHealth(ProviderHealth),
    /// Something was used that costs.
    Used(Usage),
    /// What all sessions of all processes have spent today, in UTC; told when it has changed by what matters.
    DaySpend {
        /// So much, this session's own included.
        spent: NanoUsd,
    },
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
