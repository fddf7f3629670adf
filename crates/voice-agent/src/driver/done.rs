//! What comes back to the loop, and what is under way.

use std::time::Duration;

use bytes::Bytes;
use tokio::task::AbortHandle;
use voice_core::Input;
use voice_core::chat::ToolCall;
use voice_core::cost::Quantity;
use voice_core::ids::{CommitId, LlmRequestId, ReplyId, RungId, SpeechId, ToolCallId, UtteranceId};
use voice_core::input::WordTiming;
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use crate::answer_cache::{AnswerKey, Pieces};
use crate::screen::picture::Picture;
use crate::store::{CommitOutcome, StoreError, UserTasks};
use crate::stt::LineEvent;

/// What a provider or the store answered.
#[derive(Debug)]
pub(super) enum Done {
    Core(Input),
    Line {
        rung: RungId,
        event: LineEvent,
    },
    Interim {
        utterance: UtteranceId,
        rung: RungId,
        audio_ms: u64,
        text: Result<String, ProviderFailure>,
        took_ms: u64,
    },
    Final {
        utterance: UtteranceId,
        revision: u32,
        rung: RungId,
        audio_ms: u64,
        text: Result<String, ProviderFailure>,
    },
    Score {
        utterance: UtteranceId,
        revision: u32,
        acoustic: Result<f32, ProviderErrorKind>,
    },
    /// Whether an answer to this was given before.
    Recall {
        request: LlmRequestId,
        key: AnswerKey,
        found: Option<Pieces>,
    },
    /// A picture of the screen is there, and is one; or why there is none.
    Looked {
        look: u64,
        picture: Result<Picture, String>,
    },
    /// The provider reads the prompt.
    LlmBegun {
        request: LlmRequestId,
    },
    LlmUsed {
        request: LlmRequestId,
        quantity: Quantity,
        /// For nothing: the answer failed.
        wasted: bool,
    },
    Audio {
        speech: SpeechId,
        chunk: u32,
        rung: RungId,
        audio: Bytes,
    },
    Words {
        speech: SpeechId,
        chunk: u32,
        rung: RungId,
        words: Vec<WordTiming>,
    },
    Spoken {
        speech: SpeechId,
        chunk: u32,
        rung: RungId,
        words: Vec<WordTiming>,
    },
    VoiceFailed {
        speech: SpeechId,
        chunk: u32,
        rung: RungId,
        failure: ProviderFailure,
    },
    Base {
        tasks: Result<UserTasks, StoreError>,
    },
    Tasks {
        call: ToolCall,
        tasks: Result<UserTasks, StoreError>,
    },
    /// Nobody knows yet whether the store has it.
    Doubt {
        commit: CommitId,
    },
    /// The store is away; it has it as soon as it is back.
    Postponed {
        commit: CommitId,
    },
    Commit {
        commit: CommitId,
        calls: Vec<ToolCallId>,
        outcome: Result<CommitOutcome, StoreError>,
        took: Duration,
    },
}

/// A request to the model that is under way.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) abort: AbortHandle,
    pub(super) reply: ReplyId,
    pub(super) rung: RungId,
    /// Characters of what it was asked, and of what it said so far.
    pub(super) chars: (u64, u64),
    /// Of what it said, the words of a call that is not whole yet: they come once more in it.
    pub(super) ahead: u64,
    /// The provider has begun to answer it.
    pub(super) begun: bool,
    /// It said itself what it used.
    pub(super) booked: bool,
}

/// Something that is being made of an utterance's audio.
#[derive(Debug)]
pub(super) struct Transcription {
    pub(super) abort: AbortHandle,
    pub(super) rung: RungId,
    /// Milliseconds of audio that it was given to transcribe; none for the score.
    pub(super) audio_ms: u64,
}

/// What the end-of-turn score is made of: it needs both halves.
#[derive(Debug, Default)]
pub(super) struct ScoreParts {
    pub(super) utterance: UtteranceId,
    pub(super) revision: u32,
    pub(super) acoustic: Option<f32>,
    pub(super) text: Option<String>,
}

/// Frames of caller audio that were not taken.
#[derive(Debug, Default)]
pub(super) struct FramesDropped {
    /// The microphone is muted.
    pub(super) muted: u64,
    /// They came on a leg that was replaced.
    pub(super) old_connection: u64,
}

impl FramesDropped {
    /// The metric's labels, and how many frames each had.
    pub(super) fn by_reason(&self) -> [(&'static str, u64); 2] {
        [("muted", self.muted), ("old_connection", self.old_connection)]
    }
}
