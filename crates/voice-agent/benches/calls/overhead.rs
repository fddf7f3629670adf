//! What the runtime adds: the real driver, VAD and store, with providers that answer at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Map;
use tokio_util::task::TaskTracker;
use voice_agent::answer_cache::AnswerCache;
use voice_agent::config::Otel;
use voice_agent::driver::{self, Deps, Providers, Start};
use voice_agent::failover::Board;
use voice_agent::ledger::Ledger;
use voice_agent::store::{Channel, InstanceId, SessionDoc, SessionId, SqliteOptions, SqliteStore, Store, UserId};
use voice_agent::telemetry::{Events, Metrics, Traces};
use voice_agent::tools::{TASK_AGENT, specs_for};
use voice_agent::vad::{Silero, VadConfig};
use voice_agent::voice_cache::VoiceCache;
use voice_core::CoreConfig;

use crate::instant::{Delays, Instantly, Notes, Way};
use crate::machine;
use crate::microphone::{Caller, Speech};

/// How a run is made.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Callers at once.
    pub(crate) sessions: usize,
    /// How long they talk, in seconds.
    pub(crate) seconds: u64,
    /// Silence that ends a turn.
    pub(crate) endpointing_ms: u64,
    /// How long the providers take.
    pub(crate) delays: Delays,
    /// Whether every other turn calls a tool.
    pub(crate) tools: bool,
}

/// What a run gave.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// Milliseconds.
    pub(crate) ways: BTreeMap<Way, Vec<f64>>,
    /// Milliseconds from the last frame with speech to the first audio, as the caller saw it.
    pub(crate) turns: Vec<f64>,
    /// Processor seconds per minute of call, with the callers' own share.
    pub(crate) cpu_per_minute: f64,
    /// Resident memory per session, while they live.
    pub(crate) session_mb: f64,
    /// Resident memory before, with them and after them.
    pub(crate) resident_mb: [f64; 3],
    /// Frames that left late.
    pub(crate) late: u64,
    /// Mean milliseconds of a commit.
    pub(crate) commit_ms: f64,
    /// Callers' turns that were not answered.
    pub(crate) unanswered: usize,
}

/// The store and what else sessions share.
pub(crate) struct House {
    store: Arc<dyn Store>,
    vad: Arc<Silero>,
    speech: Arc<Speech>,
    sessions: std::sync::atomic::AtomicU64,
    _folder: tempfile::TempDir,
}

impl House {
    /// Opens a store in a folder of its own.
    pub(crate) fn open(models_dir: &Path, speech: Speech) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let store = SqliteStore::open(folder.path(), SqliteOptions::default())?;
        let vad = Silero::load(models_dir)?;
        Ok(Self {
            store: Arc::new(store),
            vad,
            speech: Arc::new(speech),
            sessions: Default::default(),
            _folder: folder,
        })
    }

    async fn spawn(&self, plan: &Plan, events: &Arc<Events>, tracker: &TaskTracker) -> Result<Caller> {
        let number = self.sessions.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let now = jiff::Timestamp::now();
        let doc = SessionDoc {
            session_id: SessionId::new(format!("sess_{number:032x}")),
            user_id: UserId::new(format!("user_{number}")),
            channel: Channel::Browser,
            conversation_history: Vec::new(),
            current_agent: TASK_AGENT.to_owned(),
            created_at: now,
            last_activity: now,
            context: Map::new(),
        };
        let fence = self.store.create_session(doc.clone(), [0; 32], InstanceId::new("bench")).await?;
        let notes = Arc::new(Notes::default());
        let instantly = Arc::new(Instantly { notes: Arc::clone(&notes), delays: plan.delays, tools: plan.tools });
        // Where providers answer at once the way from each event to its output is timed: an answer that is begun early is asked for
        // before the transcript is there, and there would be no such way.
        let core = CoreConfig {
            greeting: String::new(),
            endpointing_delay_ms: plan.endpointing_ms,
            preemptive: plan.delays.llm_ms > 0,
            ..CoreConfig::default()
        };
        let providers = Providers::single(
            instantly.clone(),
            Some(instantly.clone()),
            instantly.clone(),
            instantly,
            Arc::clone(&self.vad),
        );
        let (core, board) = Board::for_providers(&providers, core, events);
        let clock = Arc::new(voice_agent::store::SystemClock);
        let ledger = Ledger::new(Arc::clone(&self.store), clock, core.ceilings.clone(), "bench".to_owned());
        let deps = Deps {
            store: Arc::clone(&self.store),
            providers,
            board,
            core,
            ledger: Arc::new(ledger),
            ladder: voice_agent::ladder::Ladder::idle(),
            consent: Arc::default(),
            answer_cache: Arc::new(AnswerCache::new(0, 0)),
            voice_cache: Arc::new(VoiceCache::new(0, 0)),
            vad: VadConfig::default(),
            events: Arc::clone(events),
            traces: Traces::start(&Otel::default(), "bench", "bench")?,
            tracker: tracker.clone(),
            going_away: tokio_util::sync::CancellationToken::new(),
            handing_over: tokio_util::sync::CancellationToken::new(),
            hand_over_within_ms: 8_000,
            look_within: None,
            command_queue: 256,
            clock: Arc::new(voice_agent::store::SystemClock),
            input_logs: None,
            recorder: None,
        };
        let start = Start { doc, fence, resumed: false, time_zone: jiff::tz::TimeZone::UTC, handover: None };
        let handle = driver::spawn(Arc::new(deps), start);
        Ok(Caller::new(handle, notes, Arc::clone(&self.speech), number))
    }

    /// Makes one run.
    pub(crate) async fn run(&self, plan: &Plan) -> Result<Run> {
        let names: Vec<&str> = specs_for(TASK_AGENT).iter().map(|spec| spec.name).collect();
        let events = Arc::new(Events::new(Metrics::new("instant", &names)));
        let tracker = TaskTracker::new();
        let before_mb = machine::resident_mb("self")?;
        let (cpu, began) = (machine::cpu_seconds("self")?, Instant::now());
        let until = began + Duration::from_secs(plan.seconds);
        let mut callers = Vec::with_capacity(plan.sessions);
        for _ in 0..plan.sessions {
            let caller = self.spawn(plan, &events, &tracker).await?;
            callers.push(tokio::spawn(caller.talk(until)));
        }
        // A moment before the end, when each has several turns behind it.
        tokio::time::sleep_until((until - Duration::from_secs(1)).into()).await;
        let with_mb = machine::resident_mb("self")?;
        let mut run = Run::default();
        let mut talked = 0.0;
        for caller in callers {
            let told = caller.await??;
            talked += told.talked.as_secs_f64();
            run.turns.extend(told.latencies_ms);
            run.unanswered += told.unanswered;
            for (way, ms) in told.ways {
                run.ways.entry(way).or_default().push(ms);
            }
        }
        run.cpu_per_minute = (machine::cpu_seconds("self")? - cpu) / (talked / 60.0);
        tracker.close();
        tokio::time::timeout(Duration::from_secs(20), tracker.wait()).await.context("sessions that do not end")?;
        run.session_mb = (with_mb - before_mb) / plan.sessions as f64;
        // The allocator gives back what nobody used for ten seconds.
        tokio::time::sleep(Duration::from_secs(20)).await;
        run.resident_mb = [before_mb, with_mb, machine::resident_mb("self")?];
        let metrics = events.metrics().exposition()?;
        let metric = |name: &str| sum_of(&metrics, name);
        run.late = metric("voice_audio_late_frames_total") as u64;
        run.commit_ms = 1_000.0 * metric("voice_store_commit_seconds_sum") / metric("voice_store_commit_seconds_count");
        Ok(run)
    }
}

/// A metric's values, added up over its labels.
pub(crate) fn sum_of(metrics: &str, name: &str) -> f64 {
    let of_name = |line: &str| {
        let rest = line.strip_prefix(name)?;
        let value = rest.starts_with(['{', ' ']).then(|| rest.rsplit(' ').next())??;
        value.parse::<f64>().ok()
    };
    metrics.lines().filter_map(of_name).sum()
}
