//! What a session's task is given.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use voice_core::CoreConfig;
use voice_core::failover::{Chains, Rung};
use voice_core::provider::ProviderFailure;

use super::journal::InputLogs;
use crate::answer_cache::AnswerCache;
use crate::consent::Policy;
use crate::failover::{Board, Probed};
use crate::ladder::Ladder;
use crate::ledger::Ledger;
use crate::llm::Llm;
use crate::recording::Recorder;
use crate::screen::Reader;
use crate::served::Served;
use crate::store::{Clock, SessionDoc, Store};
use crate::stt::{StreamingStt, Stt};
use crate::telemetry::{Events, Traces};
use crate::tts::Tts;
use crate::turn::TurnScorer;
use crate::vad::{Silero, VadConfig};
use crate::voice_cache::VoiceCache;

/// Who serves the stages of a call.
#[derive(Clone)]
pub struct Providers {
    /// Who hears, in order; none of the three lists is empty.
    pub stt: Vec<SttRung>,
    /// Says whether the caller has finished; without, the silence alone decides.
    pub scorer: Option<Arc<dyn TurnScorer>>,
    /// Who thinks, in order.
    pub llm: Vec<Arc<dyn Llm>>,
    /// Who speaks, in order.
    pub tts: Vec<Arc<dyn Tts>>,
    /// Notices speech.
    pub vad: Arc<Silero>,
    /// Reads pictures of a caller's screen, for models that do not see.
    pub reader: Option<Arc<Reader>>,
}

/// One recogniser of a chain.
#[derive(Clone)]
pub enum SttRung {
    /// It is given whole stretches of audio.
    Whole(Arc<dyn Stt>),
    /// It hears audio as it comes.
    Streaming(Arc<dyn StreamingStt>),
}

impl SttRung {
    /// The provider's label.
    pub fn provider(&self) -> &'static str {
        match self {
            Self::Whole(stt) => stt.provider(),
            Self::Streaming(stt) => stt.provider(),
        }
    }

    /// The model, as configured.
    pub fn model(&self) -> &str {
        match self {
            Self::Whole(stt) => stt.model(),
            Self::Streaming(stt) => stt.model(),
        }
    }

    /// Whether it answers, off any caller's path.
    pub fn probe(&self) -> BoxFuture<'static, Probed> {
        match self {
            Self::Whole(stt) => stt.probe(),
            Self::Streaming(stt) => stt.probe(),
        }
    }

    /// Whether the provider serves the configured model.
    pub fn served(&self) -> BoxFuture<'static, Result<Served, ProviderFailure>> {
        match self {
            Self::Whole(stt) => stt.served(),
            Self::Streaming(stt) => stt.served(),
        }
    }
}

impl Providers {
    /// One provider for each stage.
    pub fn single(
        stt: Arc<dyn Stt>,
        scorer: Option<Arc<dyn TurnScorer>>,
        llm: Arc<dyn Llm>,
        tts: Arc<dyn Tts>,
        vad: Arc<Silero>,
    ) -> Self {
        Self { stt: vec![SttRung::Whole(stt)], scorer, llm: vec![llm], tts: vec![tts], vad, reader: None }
    }

    /// The chains as the core knows them.
    pub fn chains(&self) -> Chains {
        let stt = self.stt.iter().map(|stt| Rung {
            streams: matches!(stt, SttRung::Streaming(_)),
            ..Rung::new(stt.provider(), stt.model())
        });
        Chains {
            stt: stt.collect(),
            llm: self.llm.iter().map(|llm| Rung::new(llm.provider(), llm.model())).collect(),
            tts: self.tts.iter().map(|tts| Rung::new(tts.provider(), tts.model())).collect(),
        }
    }
}

impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Providers").field("chains", &self.chains()).finish_non_exhaustive()
    }
}

/// What every session of the process shares.
pub struct Deps {
    /// Where state lives.
    pub store: Arc<dyn Store>,
    /// Who serves the stages.
    pub providers: Providers,
    /// How they are.
    pub board: Arc<Board>,
    /// The core's settings; its chains are those of `providers`.
    pub core: CoreConfig,
    /// What is spent, by day.
    pub ledger: Arc<Ledger>,
    /// What is done when voice fails.
    pub ladder: Arc<Ladder>,
    /// How callers come to agree to recordings.
    pub consent: Arc<Policy>,
    /// Answers that were given before.
    pub answer_cache: Arc<AnswerCache>,
    /// Speech that was made before.
    pub voice_cache: Arc<VoiceCache>,
    /// When the VAD speaks of speech.
    pub vad: VadConfig,
    /// Logs and metrics.
    pub events: Arc<Events>,
    /// Traces.
    pub traces: Traces,
    /// Where sessions' tasks are waited for at the end.
    pub tracker: TaskTracker,
    /// Cancelled when the process goes down: sessions stop when they are saved, and go on elsewhere.
    pub going_away: CancellationToken,
    /// Cancelled when the process is told to stop: sessions are to move at their next silence.
    pub handing_over: CancellationToken,
    /// From so many milliseconds later on an agent's own speech is not waited for.
    pub hand_over_within_ms: u64,
    /// How long a picture of a caller's screen is waited for; none where screens are not looked at.
    pub look_within: Option<Duration>,
    /// Commands that may wait for a session.
    pub command_queue: usize,
    /// What time and day it is for callers: "tomorrow" begins from here.
    pub clock: Arc<dyn Clock>,
    /// Where inputs are logged; nowhere if unset.
    pub input_logs: Option<InputLogs>,
    /// What calls are recorded with, if their callers agree; none where nothing is recorded.
    pub recorder: Option<Arc<Recorder>>,
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps").field("providers", &self.providers).finish_non_exhaustive()
    }
}

/// What a session's task needs to begin.
#[derive(Debug)]
pub struct Start {
    /// The session as the store has it.
    pub doc: SessionDoc,
    /// The number of this owner; commits carry it.
    pub fence: u64,
    /// Whether the session was taken up from the store, after its process was lost.
    pub resumed: bool,
    /// Where the caller's "today" is.
    pub time_zone: TimeZone,
    /// What the process before left for this one, if the session was handed over: it goes on without a word about it.
    pub handover: Option<Handover>,
}

/// What a session's next owner needs beyond the session itself: the contract's `voice:handoff:{id}`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Handover {
    /// The number of the owner who left: what an earlier one left means nothing any more.
    pub fence: u64,
    /// What was still to be said; empty if nothing.
    pub say: String,
}
