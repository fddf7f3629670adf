//! Every metric. The doc comments are the help texts.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};
use voice_core::ceiling::{CeilingOf, CostStep};
use voice_core::output::{HushEnd, Outcome};
use voice_core::provider::{ProviderErrorKind, Stage};
use voice_core::timeline::PauseCause;

use super::catalogue::{Kind, Labels, MetricInfo};
use super::exposition;
use super::recordings::RetentionOf;

macro_rules! labels {
    ($($name:ident { $($label:ident),* })*) => {$(
        #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub(super) struct $name {
            $(pub(super) $label: String,)*
        }

        impl Labels for $name {
            const NAMES: &'static [&'static str] = &[$(stringify!($label)),*];
        }
    )*};
}

labels! {
    ByChannel { channel }
    ByProvider { provider }
    ByModel { model }
    ByError { provider, error_type }
    ByOutcome { channel, outcome }
    ByFailover { from, to, reason }
    ByStage { stage }
    ByCause { cause }
    ByKind { kind }
    ByEnd { end }
    ByTool { tool }
    ByToolOutcome { tool, outcome }
    ByState { state }
    ByStageError { stage, provider, error_type }
    ByStageProvider { stage, provider }
    ByPlace { stage, provider, place }
    BySpend { stage, provider, wasted }
    ByStep { step, ceiling }
    ByResult { result }
    ByReason { reason }
    ByCode { code }
    ByVersion { version }
    ByRoute { route, status }
    ByPage { action, outcome }
    ByHow { outcome }
    ByStatus { status }
}

type Counts<L> = Family<L, Counter<u64, AtomicU64>>;
type Seconds<L> = Family<L, Histogram, fn() -> Histogram>;

macro_rules! metrics {
    ($($(#[doc = $help:literal])* $field:ident: $type:ty = $make:expr, $name:literal;)*) => {
        /// Every metric of the server, with its registry.
        pub struct Metrics {
            registry: Registry,
            $($(#[doc = $help])* pub(super) $field: $type,)*
        }

        impl Metrics {
            /// Every metric, whether or not it has a series yet.
            pub const CATALOGUE: &'static [MetricInfo] = &[$(MetricInfo {
                registered: $name,
                kind: <$type as Kind>::KIND,
                labels: <$type as Kind>::LABELS,
                help: &[$($help),*],
            }),*];

            fn register() -> Self {
                let mut registry = Registry::default();
                $(
                    let $field: $type = $make;
                    registry.register($name, help(&[$($help),*]), $field.clone());
                )*
                Self { registry, $($field,)* }
            }
        }
    };
}

metrics! {
    /// Seconds from the caller's end of speech to the first agent audio leaving the server
    latency: Seconds<ByChannel> = seconds(|| histogram(&LATENCY)), "voice_latency_seconds";
    /// Seconds from the caller's end of speech to the final transcript
    stt_duration: Seconds<ByProvider> = seconds(|| histogram(&STT)), "voice_stt_duration_seconds";
    /// Seconds from the request to the model's first useful token
    llm_duration: Seconds<ByModel> = seconds(|| histogram(&LLM)), "voice_llm_duration_seconds";
    /// Seconds from the first text to the first audio
    tts_duration: Seconds<ByProvider> = seconds(|| histogram(&TTS)), "voice_tts_duration_seconds";
    /// US dollars that one call cost
    cost_per_call: Seconds<ByChannel> = seconds(|| histogram(&COST)), "voice_cost_per_call_usd";
    /// Utterances that could not be transcribed
    transcription_errors: Counts<ByError> = Family::default(), "voice_transcription_errors";
    /// Seconds that a session lasted, by how it ended
    session_duration: Seconds<ByOutcome> = seconds(|| histogram(&SESSION)), "voice_session_duration_seconds";
    /// Sessions that are live on this instance
    active_sessions: Gauge = Gauge::default(), "voice_agent_active_sessions";
    /// Times that speech to text moved on to the next provider
    stt_failovers: Counts<ByFailover> = Family::default(), "voice_stt_failovers";
    /// Times that the language model moved on to the next provider
    llm_failovers: Counts<ByFailover> = Family::default(), "voice_llm_failovers";
    /// Times that text to speech moved on to the next provider
    tts_failovers: Counts<ByFailover> = Family::default(), "voice_tts_failovers";
    /// Seconds of the pause before an answer, to the caller's ear, by what was waited for
    turn_stage: Seconds<ByStage> = seconds(|| histogram(&STAGE)), "voice_turn_stage_seconds";
    /// Answers after a pause over 800 ms, by what most of it was waited for
    pauses: Counts<ByCause> = Family::default(), "voice_pauses";
    /// Times that the caller cut in (real), or only coughed (false)
    interruptions: Counts<ByKind> = Family::default(), "voice_interruptions";
    /// Seconds for which the agent was silent because somebody might have begun to speak, by what came of it
    hush: Seconds<ByEnd> = seconds(|| histogram(&HUSH)), "voice_hush_seconds";
    /// Replies that were begun before the caller had finished, and thrown away unheard
    speculation_discarded: Counter = Counter::default(), "voice_speculation_discarded";
    /// Nano-dollars that replies which were thrown away had cost
    speculation_wasted: Counter = Counter::default(), "voice_speculation_wasted_nanousd";
    /// Seconds that a tool took, its commit apart
    tool_duration: Seconds<ByTool> = seconds(|| histogram(&STAGE)), "voice_tool_duration_seconds";
    /// Tool calls by how they went
    tool_calls: Counts<ByToolOutcome> = Family::default(), "voice_tool_calls";
    /// Times that a deadline ended a state that would have hung
    deadlines_missed: Counts<ByState> = Family::default(), "voice_deadlines_missed";
    /// Failures of providers
    provider_errors: Counts<ByStageError> = Family::default(), "voice_provider_errors";
    /// Times that another provider was asked beside one that showed nothing
    hedges: Counts<ByStage> = Family::default(), "voice_hedges";
    /// 1 while a provider may be asked, 0 while it rests after failing
    provider_up: Family<ByStageProvider, Gauge> = Family::default(), "voice_provider_up";
    /// 1 while the configured model is not served by its provider; `place`: `first` of its chain, or `later`
    model_not_served: Family<ByPlace, Gauge> = Family::default(), "voice_model_not_served";
    /// Nano-dollars that were spent
    spend: Counts<BySpend> = Family::default(), "voice_spend_nanousd";
    /// Nano-dollars that were spent on no call: probes of resting providers
    probe_spend: Counts<ByStageProvider> = Family::default(), "voice_probe_spend_nanousd";
    /// Steps that calls took near their ceiling, by step and by whose ceiling it is
    cost_steps: Counts<ByStep> = Family::default(), "voice_cost_steps";
    /// Questions that may have been answered before, by whether they had been: hit or miss
    answer_cache: Counts<ByResult> = Family::default(), "voice_answer_cache";
    /// Chunks of speech for a paid voice, by whether they had been spoken before: hit or miss
    speech_cache: Counts<ByResult> = Family::default(), "voice_speech_cache";
    /// Looks at callers' shared screens, by what came of them: seen or failed
    screen_looks: Counts<ByResult> = Family::default(), "voice_screen_looks";
    /// Milliseconds that callers were connected; with the spend, the cost per minute
    connected: Counts<ByChannel> = Family::default(), "voice_connected_milliseconds";
    /// Turns, spoken and typed
    turns: Counts<ByChannel> = Family::default(), "voice_turns";
    /// Times that one agent handed the call to another
    handoffs: Counter = Counter::default(), "voice_handoffs";
    /// Times that voice failed and the caller was asked to type
    text_fallbacks: Counts<ByChannel> = Family::default(), "voice_text_fallbacks";
    /// Text messages that came, by what was done with them
    sms_received: Counts<ByHow> = Family::default(), "voice_sms_received";
    /// Text messages to callers, by whether Twilio took them; answers within a webhook's time are not among them
    sms_sent: Counts<ByHow> = Family::default(), "voice_sms_sent";
    /// Segments of text messages that Twilio took: what it charges for, at a price that nobody of us knows
    sms_segments: Counter = Counter::default(), "voice_sms_segments";
    /// Reports on text messages' delivery, by the status that they tell
    sms_status: Counts<ByStatus> = Family::default(), "voice_sms_status";
    /// Pages of whoever is on call, by what was to be told and whether it was
    pages: Counts<ByPage> = Family::default(), "voice_pages";
    /// Seconds that the store took for a commit
    store_commit: Histogram = histogram(&STORE), "voice_store_commit_seconds";
    /// Operations that the store refused or did not answer
    store_errors: Counter = Counter::default(), "voice_store_errors";
    /// Commits that came after another change of the user's tasks, and were computed again
    store_conflicts: Counter = Counter::default(), "voice_store_conflicts";
    /// Sessions that were not taken
    sessions_rejected: Counts<ByReason> = Family::default(), "voice_sessions_rejected";
    /// Sessions that were begun, or restored from the store
    sessions_started: Counts<ByKind> = Family::default(), "voice_sessions_started";
    /// Connections that were closed, by close code
    connections_closed: Counts<ByCode> = Family::default(), "voice_connections_closed";
    /// Connections that carry a session now
    connections: Gauge = Gauge::default(), "voice_connections";
    /// Frames of caller audio that were not taken
    frames_dropped: Counts<ByReason> = Family::default(), "voice_audio_frames_dropped";
    /// Frames of agent audio that left later than they were due
    frames_late: Counter = Counter::default(), "voice_audio_late_frames";
    /// Files of recordings that reached their storage
    recordings_stored: Counter = Counter::default(), "voice_recordings_stored";
    /// Bytes of them, sealed
    recordings_stored_bytes: Counter = Counter::default(), "voice_recordings_stored_bytes";
    /// Recordings that broke off or did not begin, and uploads that failed and are tried again, by why
    recordings_failed: Counts<ByReason> = Family::default(), "voice_recordings_failed";
    /// Files of recordings that wait for their storage
    recordings_waiting: Gauge = Gauge::default(), "voice_recordings_waiting";
    /// Bytes of them
    recordings_waiting_bytes: Gauge = Gauge::default(), "voice_recordings_waiting_bytes";
    /// Files of recordings that were deleted: too old, or a person's who was erased
    recordings_deleted: Counter = Counter::default(), "voice_recordings_deleted";
    /// Files that should be gone by now, and that the last round of retention could not delete: 1 at least where it could not look for them
    retention_overdue: Family<ByKind, Gauge> = Family::default(), "voice_retention_overdue";
    /// Frames of recorded calls that were not taped: the disk or the processor was too slow
    recording_frames_lost: Counter = Counter::default(), "voice_recording_frames_lost";
    /// Requests that wait for a model
    model_queue: Family<ByModel, Gauge> = Family::default(), "voice_model_queue_depth";
    /// Seconds that a request waited for its model
    model_wait: Seconds<ByModel> = seconds(|| histogram(&STORE)), "voice_model_wait_seconds";
    /// Answers of the HTTP port, by route and status class
    http_responses: Counts<ByRoute> = Family::default(), "voice_http_responses";
    /// Lines of the log that nobody took: a disk that is full, a reader that is gone or too slow
    log_lines_lost: Counter = Counter::default(), "voice_log_lines_lost";
    /// 1 while the instance takes sessions, 0 while it starts or drains
    ready: Gauge<i64, AtomicI64> = Gauge::default(), "voice_ready";
    /// Parts of the instance that are in trouble
    degraded: Gauge<i64, AtomicI64> = Gauge::default(), "voice_degraded_parts";
    /// 1, with the version that runs
    build_info: Family<ByVersion, Gauge> = Family::default(), "voice_build_info";
}

const LATENCY: [f64; 10] = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.5, 2.0];
const STT: [f64; 7] = [0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0];
const LLM: [f64; 8] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 2.0];
const TTS: [f64; 7] = [0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5];
const COST: [f64; 8] = [0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2];
const SESSION: [f64; 7] = [30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0];
/// A hush lasts 0.16 s at least and 0.5 s at most, unless it is cut short.
const HUSH: [f64; 5] = [0.1, 0.17, 0.25, 0.35, 0.5];
const STAGE: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 2.0];
const STORE: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0];

/// The contract's channels.
pub(super) const CHANNELS: [&str; 3] = ["browser", "phone", "screen_share"];
/// The close codes that are labels; a caller may send any other.
pub(super) const CLOSE_CODES: [u16; 16] =
    [1000, 1001, 1005, 1006, 1008, 1009, 1011, 1013, 4000, 4001, 4002, 4003, 4004, 4005, 4006, 4007];
/// Why a recording failed: no key, no disk, no sound, too much that waits, or the storage.
const RECORDING_FAILURES: [&str; 5] = ["key", "disk", "codec", "waiting", "storage"];

/// Why a session is not taken.
pub(super) const REJECTIONS: [&str; 5] = ["full", "draining", "starting", "store", "spent"];
/// What is done with text messages that come.
const SMS_RECEIVED: [&str; 12] = [
    "answered",
    "late",
    "empty",
    "too_long",
    "busy",
    "repeated",
    "no_number",
    "stop",
    "start",
    "help",
    "opted_out",
    "failed",
];
/// What becomes of text messages to callers.
const SMS_SENT: [&str; 7] = ["sent", "not_configured", "opted_out", "store", "refused", "failed", "unsure"];
/// What Twilio reports of a message.
pub(super) const SMS_STATUS: [&str; 7] = ["queued", "sending", "sent", "delivered", "undelivered", "failed", "other"];
/// What becomes of a page.
const PAGED: [&str; 5] = ["sent", "merged", "not_configured", "failed", "dropped"];
/// The contract's failovers, and back to our own models.
const FAILOVERS: [(Stage, &str, &str); 6] = [
    (Stage::Stt, "deepgram", "whisper"),
    (Stage::Stt, "whisper", "embedded"),
    (Stage::Llm, "gpt-4o-mini", "gpt-3.5-turbo"),
    (Stage::Llm, "gpt-3.5-turbo", "embedded"),
    (Stage::Tts, "cartesia", "elevenlabs"),
    (Stage::Tts, "elevenlabs", "embedded"),
];

fn histogram(buckets: &[f64]) -> Histogram {
    Histogram::new(buckets.iter().copied())
}

fn seconds<L: Clone + Eq + std::hash::Hash>(make: fn() -> Histogram) -> Seconds<L> {
    Family::new_with_constructor(make)
}

/// A doc comment as a help text.
fn help(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Makes the series of a label set, so that it is there with a zero before anything happens: a rate over a series that
/// begins with a one misses its first event.
pub(super) fn touch<
    L: Clone + Eq + std::hash::Hash,
    M: Metric,
    C: prometheus_client::metrics::family::MetricConstructor<M>,
>(
    family: &Family<L, M, C>,
    labels: &L,
) {
    drop(family.get_or_create(labels));
}

impl Metrics {
    /// Registers every metric. `model` is the language model's label; `tools` are the tools' names.
    pub fn new(model: &str, tools: &[&str]) -> Self {
        let metrics = Self::register();
        metrics.make_contract_series(model);
        metrics.make_own_series(tools);
        metrics
    }

    fn make_contract_series(&self, model: &str) {
        let embedded = ByProvider { provider: "embedded".to_owned() };
        touch(&self.stt_duration, &embedded);
        touch(&self.tts_duration, &embedded);
        touch(&self.llm_duration, &ByModel { model: model.to_owned() });
        for channel in CHANNELS.map(str::to_owned) {
            let by_channel = ByChannel { channel: channel.clone() };
            touch(&self.latency, &by_channel);
            touch(&self.cost_per_call, &by_channel);
            touch(&self.connected, &by_channel);
            touch(&self.turns, &by_channel);
            touch(&self.text_fallbacks, &by_channel);
            for outcome in Outcome::ALL {
                let labels = ByOutcome { channel: channel.clone(), outcome: outcome.as_str().to_owned() };
                touch(&self.session_duration, &labels);
            }
        }
        for kind in ProviderErrorKind::ALL.map(|kind| kind.as_str().to_owned()) {
            touch(&self.transcription_errors, &ByError { provider: "embedded".to_owned(), error_type: kind.clone() });
            for stage in [Stage::Stt, Stage::Llm, Stage::Tts] {
                let provider = "embedded".to_owned();
                let labels = ByStageError { stage: stage.as_str().to_owned(), provider, error_type: kind.clone() };
                touch(&self.provider_errors, &labels);
            }
            for (stage, from, to) in FAILOVERS {
                let labels = ByFailover { from: from.to_owned(), to: to.to_owned(), reason: kind.clone() };
                touch(self.failovers(stage), &labels);
            }
        }
    }

    fn make_own_series(&self, tools: &[&str]) {
        for cause in PauseCause::ALL.map(|cause| cause.as_str().to_owned()) {
            touch(&self.turn_stage, &ByStage { stage: cause.clone() });
            touch(&self.pauses, &ByCause { cause });
        }
        for kind in ["real", "false"].map(str::to_owned) {
            touch(&self.interruptions, &ByKind { kind });
        }
        for end in HushEnd::ALL.map(|end| end.as_str().to_owned()) {
            touch(&self.hush, &ByEnd { end });
        }
        for kind in ["new", "restored"].map(str::to_owned) {
            touch(&self.sessions_started, &ByKind { kind });
        }
        for tool in tools.iter().map(|tool| (*tool).to_owned()) {
            touch(&self.tool_duration, &ByTool { tool: tool.clone() });
            for outcome in ["ok", "failed"].map(str::to_owned) {
                touch(&self.tool_calls, &ByToolOutcome { tool: tool.clone(), outcome });
            }
        }
        for stage in [Stage::Stt, Stage::Llm, Stage::Tts] {
            let (by_stage, provider) = (ByStage { stage: stage.as_str().to_owned() }, "embedded".to_owned());
            touch(&self.hedges, &by_stage);
            touch(&self.probe_spend, &ByStageProvider { stage: by_stage.stage.clone(), provider: provider.clone() });
            let by_place =
                ByPlace { stage: by_stage.stage.clone(), provider: provider.clone(), place: "first".to_owned() };
            self.model_not_served.get_or_create(&by_place).set(0);
            self.provider_up.get_or_create(&ByStageProvider { stage: by_stage.stage, provider }).set(1);
            for wasted in ["false", "true"].map(str::to_owned) {
                let (stage, provider) = (stage.as_str().to_owned(), "embedded".to_owned());
                touch(&self.spend, &BySpend { stage, provider, wasted });
            }
        }
        for step in CostStep::ALL.iter().skip(1) {
            for ceiling in CeilingOf::ALL {
                let (step, ceiling) = (step.as_str().to_owned(), ceiling.as_str().to_owned());
                touch(&self.cost_steps, &ByStep { step, ceiling });
            }
        }
        for result in ["hit", "miss"].map(str::to_owned) {
            touch(&self.answer_cache, &ByResult { result: result.clone() });
            touch(&self.speech_cache, &ByResult { result });
        }
        for result in ["seen", "failed"].map(str::to_owned) {
            touch(&self.screen_looks, &ByResult { result });
        }
        for reason in REJECTIONS.map(str::to_owned) {
            touch(&self.sessions_rejected, &ByReason { reason });
        }
        for code in CLOSE_CODES.iter().map(u16::to_string).chain(["other".to_owned()]) {
            touch(&self.connections_closed, &ByCode { code });
        }
        for reason in ["queue_full", "muted", "old_connection"].map(str::to_owned) {
            touch(&self.frames_dropped, &ByReason { reason });
        }
        self.make_recording_series();
        self.make_text_series();
        self.build_info.get_or_create(&ByVersion { version: env!("CARGO_PKG_VERSION").to_owned() }).set(1);
    }

    /// Those of recordings, and of what is kept for a time.
    fn make_recording_series(&self) {
        for reason in RECORDING_FAILURES.map(str::to_owned) {
            touch(&self.recordings_failed, &ByReason { reason });
        }
        for of in RetentionOf::ALL {
            self.retention_overdue.get_or_create(&ByKind { kind: of.as_str().to_owned() }).set(0);
        }
    }

    /// Those of texts, and of who is paged.
    fn make_text_series(&self) {
        for outcome in SMS_RECEIVED.map(str::to_owned) {
            touch(&self.sms_received, &ByHow { outcome });
        }
        for outcome in SMS_SENT.map(str::to_owned) {
            touch(&self.sms_sent, &ByHow { outcome });
        }
        for status in SMS_STATUS.map(str::to_owned) {
            touch(&self.sms_status, &ByStatus { status });
        }
        for action in ["trigger", "resolve"] {
            for outcome in PAGED {
                touch(&self.pages, &ByPage { action: action.to_owned(), outcome: outcome.to_owned() });
            }
        }
    }

    /// The stage's failover counter.
    pub(super) const fn failovers(&self, stage: Stage) -> &Counts<ByFailover> {
        match stage {
            Stage::Stt => &self.stt_failovers,
            Stage::Llm => &self.llm_failovers,
            Stage::Tts => &self.tts_failovers,
        }
    }

    /// The `Content-Type` of [`Metrics::exposition`].
    pub const CONTENT_TYPE: &'static str = exposition::CONTENT_TYPE;

    /// What Prometheus scrapes.
    ///
    /// # Errors
    /// Only if the library fails to write to a string.
    pub fn exposition(&self) -> Result<String, fmt::Error> {
        exposition::exposition(&self.registry)
    }
}

#[cfg(test)]
mod tests;
