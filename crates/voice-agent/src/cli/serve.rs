//! `voice-agent serve`.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use voice_core::ceiling::CostStep;
use voice_core::output::AgentState;

use super::Failure;
use super::check::check_folders;
use crate::app::{App, Parts, Server, Shared};
use crate::config::{Config, Loaded};
use crate::driver::api::{SessionHandle, SessionInfo};
use crate::driver::{self, Deps, InputLogs};
use crate::embedded;
use crate::failover::{Board, Books};
use crate::http::random_hex;
use crate::llm::rules;
use crate::providers;
use crate::sessions::SpawnSession;
use crate::store::{InstanceId, RedisOptions, RedisStore, SqliteOptions, SqliteStore, Store, StoreError, SystemClock};
use crate::telemetry::{Events, LostLines, Metrics, Traces, start_logging};
use crate::tools::{REVIEW_AGENT, TASK_AGENT, look_at_screen, specs_for};
use crate::transport::livekit;

/// Runs the server until it is told to stop.
pub(super) fn run(loaded: Loaded) -> Result<(), Failure> {
    let Loaded { config, warnings } = loaded;
    check_folders(&config)?;
    // Kept to the end: what is said last is written, too.
    let logging = start_logging(&config.log).context("the log")?;
    // A panic's own words may quote what a caller said: the log gets the place only.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panic");
    }));
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the runtime")?;
    let instance = random_hex::<8>().context("no randomness for the instance's id")?;
    // Before the runtime is entered: the exporter's client has a thread of its own and must not be made within one.
    let traces = Traces::start(&config.otel, &config.region, &instance).context("traces")?;
    let served = runtime.block_on(serve(config, InstanceId::new(instance), traces.clone(), logging.lost()));
    traces.flush();
    // Model threads may be in the middle of something that nobody waits for any more.
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(served?)
}

async fn serve(config: Config, instance: InstanceId, traces: Traces, lost: LostLines) -> anyhow::Result<()> {
    let tools: Vec<&str> = [TASK_AGENT, REVIEW_AGENT]
        .iter()
        .flat_map(|agent| specs_for(agent))
        .chain([look_at_screen()])
        .map(|spec| spec.name)
        .collect();
    let events = Arc::new(Events::new(Metrics::new(rules::MODEL, &tools)).counting_lost_lines(lost));
    let store = open_store(&config).context("the store")?;
    let spawn = Arc::new(OnceLock::new());
    let parts =
        Parts { config, store, clock: Arc::new(SystemClock), events, instance, spawn: late(Arc::clone(&spawn)) };
    let app = App::new(parts)?;
    let server = Server::start(Arc::clone(&app))?;
    let mut stops = Stops::new()?;
    let prepared = tokio::select! {
        prepared = prepare(&app, traces) => Some(prepared),
        () = stops.next() => None,
    };
    match prepared {
        Some(Ok(prepared)) => {
            // It is empty: this is the only place that fills it.
            let _was_empty = spawn.set(prepared);
            server.ready();
            if let Some(rooms) = app.rooms.clone() {
                app.calls.spawn(livekit::serve(Arc::clone(&app), rooms));
            }
            stops.next().await;
        }
        Some(Err(error)) => {
            // Before the word of going down, which would be taken for the cause.
            tracing::error!(error = format!("{error:#}"), "the server cannot start");
            server.shutdown().await;
            return Err(error);
        }
        None => {}
    }
    tracing::info!("stopping; once more ends it at once");
    tokio::select! {
        () = server.shutdown() => {}
        () = stops.next() => tracing::warn!("stopped at once"),
    }
    Ok(())
}

/// The store that instances share, or this one's own.
fn open_store(config: &Config) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match &config.secrets.redis_url {
        Some(url) => Arc::new(RedisStore::new(url.reveal(), RedisOptions::default())?),
        None => Arc::new(SqliteStore::open(&config.data_dir, SqliteOptions::default())?),
    })
}

/// Loads the models, and gives what starts a session's task. The ports are open already, and say that the instance is
/// starting.
async fn prepare(app: &Shared, traces: Traces) -> anyhow::Result<SpawnSession> {
    let (config, events) = (app.config.clone(), Arc::clone(&app.events));
    let load = move || embedded::load(&config.models_dir, &config.model, &config.screen, &config.deadline, &events);
    let (providers, rungs) = tokio::task::spawn_blocking(load).await??;
    app.readiness.watch(rungs);
    let providers = providers::assemble(&app.config, providers, &app.calls)?;
    let (core, board) = Board::for_providers(&providers, app.config.core(), &app.events);
    let books = Books { ledger: Arc::clone(&app.ledger), prices: Arc::new(core.prices.clone()) };
    app.calls.spawn(Arc::clone(&board).probe(providers.clone(), books.clone(), app.going_away.clone()));
    app.calls.spawn(providers::find_retired(providers.clone(), Arc::clone(&board), books, app.going_away.clone()));
    app.readiness.watch(Board::watched(&board));
    app.ladder.watch(&board, &app.calls, &app.going_away);
    let screen = &app.config.screen;
    let deps = Arc::new(Deps {
        store: Arc::clone(&app.store),
        providers,
        board,
        core,
        ledger: Arc::clone(&app.ledger),
        ladder: Arc::clone(&app.ladder),
        consent: Arc::clone(&app.consent),
        answer_cache: Arc::clone(&app.answer_cache),
        voice_cache: Arc::clone(&app.voice_cache),
        vad: app.config.vad(),
        events: Arc::clone(&app.events),
        traces,
        tracker: app.calls.clone(),
        going_away: app.going_away.clone(),
        handing_over: app.handing_over.clone(),
        hand_over_within_ms: app.config.shutdown.hand_over_ms,
        look_within: screen.enabled.then(|| Duration::from_millis(screen.wait_ms)),
        command_queue: app.config.limits.command_queue,
        clock: Arc::new(SystemClock),
        input_logs: input_logs(app),
        recorder: app.recorder.clone().filter(|recorder| recorder.records()),
    });
    Ok(Arc::new(move |start| driver::spawn(Arc::clone(&deps), start)))
}

/// Where inputs are logged, if they are.
fn input_logs(app: &Shared) -> Option<InputLogs> {
    let dir = app.config.input_log.dir.clone();
    if dir.as_os_str().is_empty() {
        return None;
    }
    let vault = app.vault.clone();
    if vault.is_none() {
        tracing::warn!(
            "no inputs are logged: instances that share a Redis need one RECORDING_MASTER_KEY for their callers' keys"
        );
    }
    vault.map(|vault| InputLogs { dir, vault })
}

/// Starts sessions with what [`prepare`] will give. Until then none are taken.
fn late(spawn: Arc<OnceLock<SpawnSession>>) -> SpawnSession {
    Arc::new(move |start| match spawn.get() {
        Some(spawn) => spawn(start),
        None => over(start.doc.current_agent),
    })
}

/// A session that is over before it began.
fn over(agent: String) -> SessionHandle {
    let info = SessionInfo {
        visited: false,
        state: AgentState::Listening,
        connected: false,
        agent,
        turns: 0,
        last_latency_ms: None,
        cost_usd: 0.0,
        cost_step: CostStep::default(),
        ended: None,
    };
    SessionHandle::new(mpsc::channel(1).0, watch::channel(info).1)
}

/// SIGTERM and ctrl-c.
struct Stops {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Stops {
    fn new() -> anyhow::Result<Self> {
        let terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
        Ok(Self { terminate, interrupt })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
