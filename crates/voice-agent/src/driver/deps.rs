//! What a session's task is given.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use voice_core::CoreConfig;

use crate::llm::Llm;
use crate::store::{Clock, SessionDoc, Store};
use crate::stt::Stt;
use crate::telemetry::{Events, Traces};
use crate::tts::Tts;
use crate::turn::TurnScorer;
use crate::vad::{Silero, VadConfig};

/// Who serves the stages of a call.
#[derive(Clone)]
pub struct Providers {
    /// Hears.
    pub stt: Arc<dyn Stt>,
    /// Says whether the caller has finished; without, the silence alone decides.
    pub scorer: Option<Arc<dyn TurnScorer>>,
    /// Thinks.
    pub llm: Arc<dyn Llm>,
    /// Speaks.
    pub tts: Arc<dyn Tts>,
    /// Notices speech.
    pub vad: Arc<Silero>,
}

impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [stt, llm, tts] = [self.stt.provider(), self.llm.provider(), self.tts.provider()];
        f.debug_struct("Providers").field("stt", &stt).field("llm", &llm).field("tts", &tts).finish_non_exhaustive()
    }
}

/// What every session of the process shares.
pub struct Deps {
    /// Where state lives.
    pub store: Arc<dyn Store>,
    /// Who serves the stages.
    pub providers: Providers,
    /// The core's settings.
    pub core: CoreConfig,
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
    /// Commands that may wait for a session.
    pub command_queue: usize,
    /// What time and day it is for callers: "tomorrow" begins from here.
    pub clock: Arc<dyn Clock>,
    /// Where inputs are logged; nowhere if unset.
    pub input_log_dir: Option<PathBuf>,
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
}
