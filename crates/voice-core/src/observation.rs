//! What operations are told of a session.

use serde::{Deserialize, Serialize};

use crate::ceiling::{CeilingOf, CostStep};
use crate::cost::NanoUsd;
use crate::ids::{CommitId, LlmRequestId, ReplyId, RungId, SpeechId, TurnId, UtteranceId};
use crate::provider::{ProviderErrorKind, ProviderFailure, Stage};
use crate::timeline::{PauseCause, Stages};

/// What came of a moment of silence for what might have become speech.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HushEnd {
    /// Speech followed: it had begun to fall silent for it in time.
    Speech,
    /// Nothing: the agent went on.
    Nothing,
    /// Something else cut it short: a typed message, a lost connection, the end of the voice or of the call.
    CutShort,
}

impl HushEnd {
    /// Every end.
    pub const ALL: [Self; 3] = [Self::Speech, Self::Nothing, Self::CutShort];

    /// The end as a metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Speech => "speech",
            Self::Nothing => "nothing",
            Self::CutShort => "cut_short",
        }
    }
}

/// What came of asking a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum AttemptResult {
    /// It answered, first of those that were asked.
    Answered {
        /// Milliseconds from the request to the first useful thing.
        after_ms: u64,
    },
    /// Its answer is all there: how evenly it came.
    Paced {
        /// The longest wait between two tokens, in milliseconds.
        gap_ms: u64,
    },
    /// A rival that was asked later was quicker.
    Lost,
    /// It failed.
    Failed {
        /// How.
        #[serde(flatten)]
        failure: ProviderFailure,
    },
}

/// What operations want to know. The shell turns each into a metric and a log line.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Observation {
    /// The caller has finished (a typed message counts too).
    EndOfTurn {
        /// The turn.
        turn: TurnId,
        /// Milliseconds of silence before it was decided; none for a typed turn.
        endpointing_ms: Option<u64>,
        /// The turn had ended before, and the caller went on with it: it is counted already.
        reopened: bool,
    },
    /// End of speech → final transcript.
    SttFinished {
        /// Of this utterance.
        utterance: UtteranceId,
        /// Who understood it.
        rung: RungId,
        /// Milliseconds.
        duration_ms: u64,
    },
    /// Request → first useful token.
    LlmStarted {
        /// The request.
        request: LlmRequestId,
        /// Who answers.
        rung: RungId,
        /// Milliseconds.
        ttft_ms: u64,
    },
    /// First text → first audio.
    TtsStarted {
        /// The speech.
        speech: SpeechId,
        /// Whose voice it is.
        rung: RungId,
        /// Milliseconds.
        ttfb_ms: u64,
    },
    /// A tool was computed.
    ToolFinished {
        /// Which.
        name: String,
        /// Milliseconds, its commit apart.
        duration_ms: u64,
        /// Whether it failed.
        failed: bool,
    },
    /// The first audio of an answer left the server: the figure that its operators answer for.
    Latency {
        /// The turn.
        turn: TurnId,
        /// Milliseconds from end of speech to the first audio leaving the server.
        latency_ms: u64,
        /// Where they went.
        stages: Stages,
        /// The named cause of a pause over 800 ms.
        cause: Option<PauseCause>,
    },
    /// The caller began to hear an answer, as the far end's first report of it says; once a turn at most, after its `Latency`. Without
    /// a report, or when the playout was paused before the first, nobody knows.
    FirstHeard {
        /// The turn.
        turn: TurnId,
        /// Milliseconds from the first audio leaving the server, the report's way back among them.
        after_ms: u64,
        /// Where all of it went: that of `Latency`, and `after_ms` as network and playout.
        stages: Stages,
        /// The named cause, if all of it is over 800 ms.
        cause: Option<PauseCause>,
    },
    /// The caller cut in.
    Interrupted {
        /// The speech that was cut.
        speech: SpeechId,
        /// Milliseconds of it that were heard.
        heard_ms: u64,
    },
    /// A cough: the speech goes on.
    FalseInterruption {
        /// The speech that was held.
        speech: SpeechId,
        /// Milliseconds for which it was silent.
        held_ms: u64,
    },
    /// The agent was silent for a moment, because somebody might have begun to speak.
    Hushed {
        /// The speech that was held.
        speech: SpeechId,
        /// Milliseconds for which it was silent.
        held_ms: u64,
        /// What came of it.
        end: HushEnd,
    },
    /// A reply was begun before the caller had finished, and thrown away.
    SpeculationDiscarded {
        /// The reply.
        reply: ReplyId,
        /// What it had cost.
        wasted: NanoUsd,
    },
    /// A provider failed, or made no progress.
    ProviderFailed {
        /// The stage.
        stage: Stage,
        /// Which.
        rung: RungId,
        /// How.
        kind: ProviderErrorKind,
    },
    /// What came of asking a provider, for what the process knows of it.
    Attempt {
        /// The stage.
        stage: Stage,
        /// Which.
        rung: RungId,
        /// What.
        #[serde(flatten)]
        result: AttemptResult,
    },
    /// The next provider was asked beside one that shows nothing.
    Hedged {
        /// The stage.
        stage: Stage,
        /// The one that shows nothing.
        from: RungId,
        /// The rival.
        to: RungId,
    },
    /// The caller is served by another provider than before.
    FailedOver {
        /// The stage.
        stage: Stage,
        /// Before.
        from: RungId,
        /// Now.
        to: RungId,
        /// Why.
        reason: ProviderErrorKind,
    },
    /// A deadline ended a state that would have hung.
    DeadlineMissed {
        /// The state, a bounded label.
        state: &'static str,
    },
    /// The answer is complete, and what it did is kept; it may still be being spoken.
    Answered {
        /// Which turn.
        turn: TurnId,
        /// Echoed from `Text`.
        message: Option<u64>,
        /// The answer; when the caller cut it short, what was heard of it.
        reply: String,
        /// The agent that has the call now.
        agent: String,
        /// What it cost so far.
        cost: NanoUsd,
    },
    /// A turn is over: heard, or cut short.
    TurnFinished {
        /// Which.
        turn: TurnId,
        /// What it cost.
        cost: NanoUsd,
    },
    /// Another agent took over.
    Handoff {
        /// From.
        from: String,
        /// To.
        to: String,
    },
    /// The store did not take the session's state.
    CommitFailed {
        /// The commit.
        commit: CommitId,
    },
    /// The user's tasks were changed meanwhile, by another session or a call: nothing is lost, it is computed again.
    CommitConflicted {
        /// The commit.
        commit: CommitId,
    },
    /// The call saves money from here on.
    CostStepTaken {
        /// The step before.
        from: CostStep,
        /// The step that it takes.
        to: CostStep,
        /// The ceiling that it comes near to.
        ceiling: CeilingOf,
        /// Spent on this call so far.
        call: NanoUsd,
        /// Spent by the whole house today, as far as the session was told.
        day: NanoUsd,
    },
    /// Voice failed for good: the caller reads and types, or the call ends.
    FellBackToText {
        /// What failed.
        stage: Stage,
    },
}
