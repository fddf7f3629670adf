//! The server that is measured: the real one, in a process of its own, with providers that answer after fixed times.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use voice_agent::answer_cache::AnswerCache;
use voice_agent::app::{App, Parts, Server};
use voice_agent::audio::frame::FRAME_MS;
use voice_agent::config::{Config, Secret};
use voice_agent::driver::{self, Deps, Providers, SttRung};
use voice_agent::failover::Board;
use voice_agent::ledger::Ledger;
use voice_agent::store::{InstanceId, SqliteOptions, SqliteStore, Store, SystemClock};
use voice_agent::telemetry::{Events, Metrics, Traces};
use voice_agent::tools::{TASK_AGENT, specs_for};
use voice_agent::transport::livekit;
use voice_agent::vad::Silero;
use voice_agent::voice_cache::VoiceCache;

use super::listener::Listener;
use crate::instant::{Delays, Instantly, Notes};
use crate::microphone::Speech;
use crate::report::line;

/// The set-up in which other frameworks were measured: first token after 100 ms, first audio after 60 ms. The transcript is the listener's.
const DELAYS: Delays = Delays { stt_ms: 0, llm_ms: 100, tts_ms: 60 };
/// Silence that ends a turn.
const ENDPOINTING_MS: u64 = 200;

fn settings() -> Result<Config> {
    let mut config = Config::default();
    config.http.addr.0 = "127.0.0.1:0".parse()?;
    config.metrics.addr.0 = "127.0.0.1:0".parse()?;
    config.http.max_connections = 10_000;
    config.limits.max_sessions = 10_000;
    config.endpointing.delay_ms = ENDPOINTING_MS;
    config.twilio.validate_signatures = false;
    config.shutdown.grace_ms = 0;
    // A worker in the rooms of this server, for the part about them.
    if let (Ok(url), Ok(secret)) = (std::env::var("LIVEKIT_URL"), std::env::var("LIVEKIT_API_SECRET")) {
        config.livekit.url = url;
        config.secrets.livekit_key = Some(Secret::new("devkey"));
        config.secrets.livekit_secret = Some(Secret::new(secret));
    }
    Ok(config)
}

/// Serves until standard input ends. Says on standard output where.
pub(crate) async fn serve(models_dir: &Path, speech: &Speech) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path(), SqliteOptions::default())?);
    let names: Vec<&str> = specs_for(TASK_AGENT).iter().map(|spec| spec.name).collect();
    let events = Arc::new(Events::new(Metrics::new("instant", &names)));
    let instantly = Arc::new(Instantly { notes: Arc::new(Notes::off()), delays: DELAYS, tools: false });
    let config = settings()?;
    let vad = Silero::load(models_dir)?;
    // By telephone, which is the shorter one: it lets no hiss through at the end.
    let (first, last) = super::words(speech)?.loud;
    let listener = Listener { spoken_ms: (last + 1 - first) as u64 * FRAME_MS };
    let providers = Providers {
        stt: vec![SttRung::Streaming(Arc::new(listener))],
        ..Providers::single(instantly.clone(), Some(instantly.clone()), instantly.clone(), instantly, vad)
    };
    let (core, board) = Board::for_providers(&providers, config.core(), &events);
    let clock = Arc::new(SystemClock);
    let ledger = Ledger::new(Arc::clone(&store), clock, core.ceilings.clone(), "bench".to_owned());
    let deps = Arc::new(Deps {
        store: Arc::clone(&store),
        providers,
        board,
        core,
        ledger: Arc::new(ledger),
        ladder: voice_agent::ladder::Ladder::idle(),
        consent: Arc::default(),
        answer_cache: Arc::new(AnswerCache::new(0, 0)),
        voice_cache: Arc::new(VoiceCache::new(0, 0)),
        vad: config.vad(),
        events: Arc::clone(&events),
        traces: Traces::default(),
        tracker: TaskTracker::new(),
        going_away: CancellationToken::new(),
        handing_over: CancellationToken::new(),
        hand_over_within_ms: 8_000,
        look_within: None,
        command_queue: config.limits.command_queue,
        clock: Arc::new(SystemClock),
        input_logs: None,
        recorder: None,
    });
    let parts = Parts {
        config,
        store,
        clock: Arc::new(SystemClock),
        events,
        instance: InstanceId::new("bench"),
        spawn: Arc::new(move |start| driver::spawn(Arc::clone(&deps), start)),
    };
    let app = App::new(parts)?;
    let server = Server::start(Arc::clone(&app))?;
    server.ready();
    if let Some(rooms) = app.rooms.clone() {
        app.calls.spawn(livekit::serve(Arc::clone(&app), rooms));
    }
    line(&json!({"http": server.http_addr(), "metrics": server.metrics_addr()}).to_string())?;
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    ended.await?.context("standard input")?;
    server.shutdown().await;
    Ok(())
}
