//! Everything that a session can wish for.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::chat::{ChatContext, ToolCall};
use crate::consent::{ConsentDecision, ConsentHow};
use crate::ids::{CommitId, LlmRequestId, ReplyId, RungId, SpeechId, ToolCallId, TurnId, UtteranceId};
use crate::snapshot::Snapshot;
use crate::timeline::{PauseCause, Stages};

pub use crate::observation::{AttemptResult, HushEnd, Observation};

/// How a session ended: the contract's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As the caller or an operator wanted.
    Completed,
    /// The caller was lost and did not come back.
    Dropped,
    /// We failed.
    Error,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Completed, Self::Dropped, Self::Error];

    /// The outcome as a metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Dropped => "dropped",
            Self::Error => "error",
        }
    }
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The agent said goodbye.
    Goodbye,
    /// The caller hung up.
    HungUp,
    /// An operator ended it, or the process went down.
    Operator,
    /// Nobody said anything for too long.
    Idle,
    /// The longest duration is reached.
    TooLong,
    /// What the call, or the day, may cost is spent.
    Ceiling,
    /// The caller's connection was lost and did not come back in time.
    Lost,
    /// Nobody can speak any more, and the caller has nothing to read on.
    VoiceFailed,
    /// Another instance has the session now.
    TakenOver,
    /// It was handed over: it goes on in another process.
    HandedOver,
    /// A defect of ours.
    Failed,
}

impl EndReason {
    /// The reason as the protocol, the log and the traces call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Goodbye => "goodbye",
            Self::HungUp => "hung_up",
            Self::Operator => "operator",
            Self::Idle => "idle",
            Self::TooLong => "too_long",
            Self::Ceiling => "ceiling",
            Self::Lost => "lost",
            Self::VoiceFailed => "voice_failed",
            Self::TakenOver => "taken_over",
            Self::HandedOver => "handed_over",
            Self::Failed => "failed",
        }
    }
}

/// What the agent is doing, as the caller's side shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// It waits for the caller.
    Listening,
    /// The caller has finished, the answer is being made.
    Thinking,
    /// It can be heard.
    Speaking,
}

/// What the caller's side is to know: docs/protocol.md, event by event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientEvent {
    /// What the agent is doing.
    State {
        /// The state.
        state: AgentState,
    },
    /// The VAD's edges.
    UserSpeaking {
        /// Whether speech is heard.
        speaking: bool,
    },
    /// What is understood so far.
    Transcript {
        /// The utterance; a later one with the same id replaces it.
        utterance_id: UtteranceId,
        /// The words.
        text: String,
        /// Nothing more will come for this utterance, unless the caller goes on with it. Without words it is taken back.
        r#final: bool,
    },
    /// A typed message was taken.
    UserText {
        /// The message.
        text: String,
    },
    /// The words of the next stretch of the reply.
    AgentText {
        /// The reply.
        reply_id: ReplyId,
        /// Its speech.
        speech_id: SpeechId,
        /// The words; they append.
        text: String,
    },
    /// After an interruption, or when a reply was thrown away unheard: what history keeps.
    Heard {
        /// The reply.
        reply_id: ReplyId,
        /// What was heard.
        heard: String,
        /// What was not.
        unheard: String,
    },
    /// A tool ran and its change is committed.
    ToolCall {
        /// The tool.
        name: String,
        /// Its arguments.
        arguments: Map<String, Value>,
        /// Its result.
        result: Value,
    },
    /// Another agent has the call.
    Agent {
        /// Its name.
        agent: String,
    },
    /// Consent changed.
    Recording {
        /// Whether recording is on.
        enabled: bool,
    },
    /// One finished turn.
    Turn {
        /// Which.
        turn: TurnId,
        /// Milliseconds from the caller's end of speech to the first agent audio leaving the server; none for a typed turn.
        latency_ms: Option<u64>,
        /// Where they went, and those from there to the caller's ear as far as they are known: all of the pause.
        stages: Stages,
        /// The named cause, if all of it is over 800 ms.
        cause: Option<PauseCause>,
        /// What the turn cost in US dollars.
        cost_usd: f64,
    },
    /// Voice failed; the text box goes on.
    FallbackToText {
        /// The contract's words.
        message: String,
    },
    /// Something the caller did was refused; the session goes on.
    Error {
        /// A word for programs.
        code: String,
        /// A sentence for people: what to do.
        message: String,
    },
    /// The session moves to another process: the connection closes now, and the next one goes on where this one stopped.
    HandOver,
    /// The session is over.
    Ended {
        /// How.
        outcome: Outcome,
        /// Why.
        reason: EndReason,
    },
}

/// A wish. Closed: everything a session can cause.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "output", rename_all = "snake_case")]
pub enum Output {
    /// Begin to transcribe.
    StartUtterance {
        /// The new utterance.
        utterance: UtteranceId,
        /// When its speech began; take some audio before it too.
        from_ms: u64,
        /// Who hears it. Said again with another, that one hears it from the beginning.
        rung: RungId,
    },
    /// The caller goes on: transcribe the same utterance further.
    ContinueUtterance {
        /// The utterance.
        utterance: UtteranceId,
    },
    /// The caller paused: the final transcript and the end-of-turn score are wanted.
    FinishUtterance {
        /// The utterance.
        utterance: UtteranceId,
        /// Echo it in the answer.
        revision: u32,
        /// Where its speech ends.
        until_ms: u64,
        /// Who has heard it.
        rung: RungId,
    },
    /// The final transcript is wanted from this provider too: it is given the utterance's audio from the beginning.
    Transcribe {
        /// The utterance.
        utterance: UtteranceId,
        /// Echo it in the answer.
        revision: u32,
        /// Where its speech ends.
        until_ms: u64,
        /// Who.
        rung: RungId,
    },
    /// Nobody waits for this utterance any more: its audio can go.
    DropUtterance {
        /// The utterance.
        utterance: UtteranceId,
    },
    /// Ask the language model.
    RequestLlm {
        /// Echo it with everything that comes.
        request: LlmRequestId,
        /// The reply that it is for.
        reply: ReplyId,
        /// Whom.
        rung: RungId,
        /// The agent: its instructions and tools.
        agent: &'static str,
        /// The conversation.
        chat: ChatContext,
        /// The answer is to be short.
        brief: bool,
    },
    /// Stop the model: whatever still comes is not taken, and what came was in vain.
    CancelLlm {
        /// The request.
        request: LlmRequestId,
    },
    /// Stop the model: whatever still comes is not taken, but what came is used.
    EndLlm {
        /// The request.
        request: LlmRequestId,
    },
    /// Compute a tool against the caller's tasks as they would be with this turn's earlier tools. Changes nothing yet.
    RunTool {
        /// The call.
        call: ToolCall,
    },
    /// Forget what these tools would have changed: they will not be committed.
    DropTools {
        /// The calls.
        calls: Vec<ToolCallId>,
    },
    /// Make speech.
    Synthesize {
        /// The speech.
        speech: SpeechId,
        /// The reply that it is for.
        reply: ReplyId,
        /// Chunks count from 0, in the order in which they are to be heard.
        chunk: u32,
        /// By whom. Asked for again with another: beside the first, if that has begun; instead of it, if not.
        rung: RungId,
        /// The words.
        text: String,
    },
    /// Another was quicker with this chunk: nothing more of it is wanted from this one.
    StopSynthesis {
        /// The speech.
        speech: SpeechId,
        /// The chunk.
        chunk: u32,
        /// Who stops.
        rung: RungId,
    },
    /// The speech may be heard up to and including this chunk.
    Play {
        /// The speech.
        speech: SpeechId,
        /// The reply that it is for.
        reply: ReplyId,
        /// The last chunk that may be heard.
        through_chunk: u32,
        /// Whether that chunk is the speech's last.
        last: bool,
    },
    /// No more audio of this chunk is wanted: it ends with what is there. The words that it lacks come as another chunk. Also
    /// said of a chunk that was done without any audio: only then does the playout pass it by.
    EndChunk {
        /// The speech.
        speech: SpeechId,
        /// The chunk.
        chunk: u32,
    },
    /// These chunks will never be heard: stop their synthesis and drop their audio. Their numbers are not used again. None of them was permitted and has sounded.
    DropChunks {
        /// The speech.
        speech: SpeechId,
        /// The first chunk that is dropped, with all after it.
        from_chunk: u32,
    },
    /// Fall silent now, but keep the audio: the caller may only have coughed.
    PausePlayout {
        /// The speech.
        speech: SpeechId,
    },
    /// Go on from this position.
    ResumePlayout {
        /// The speech.
        speech: SpeechId,
        /// Milliseconds from the speech's start.
        from_ms: u64,
    },
    /// Fall silent now, stop its synthesis, and drop its audio.
    DropSpeech {
        /// The speech.
        speech: SpeechId,
    },
    /// The speech was played to its end: its audio can go.
    FinishSpeech {
        /// The speech.
        speech: SpeechId,
    },
    /// Save the session, with what these tools changed, in one atomic commit.
    Commit {
        /// Echo it in the answer.
        commit: CommitId,
        /// The turn.
        turn: TurnId,
        /// The tools whose changes belong to it.
        tools: Vec<ToolCallId>,
        /// What is saved.
        snapshot: Box<Snapshot>,
    },
    /// Write down what was decided about recording: it is what proves it later.
    Consent {
        /// What.
        decision: ConsentDecision,
        /// How.
        how: ConsentHow,
    },
    /// Tell the caller's side.
    Client {
        /// What.
        event: ClientEvent,
    },
    /// Tell operations.
    Observe {
        /// What.
        observation: Observation,
    },
    /// Leave now: all of the session is saved, and nobody is speaking. It goes on in the process that takes it up; nothing follows
    /// here.
    HandOver {
        /// What is still to be said there; empty if nothing.
        say: String,
    },
    /// The session is over. Nothing follows.
    End {
        /// How.
        outcome: Outcome,
        /// Why.
        reason: EndReason,
    },
}
