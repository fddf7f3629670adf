//! `voice-agent serve`: the server.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::task::TaskTracker;

use crate::app::{App, Parts, Server};
use crate::config::{self, Config, Env};
use crate::driver::{self, Deps};
use crate::embedded;
use crate::store::{InstanceId, SqliteOptions, SqliteStore, Store, SystemClock};
use crate::telemetry::{Events, Metrics, Traces, start_logging};
use crate::tools;
use crate::vad::VadConfig;

use super::{USAGE, fail};

/// After the sockets are closed, how long sessions may take to save their last state.
const LAST_SAVES: Duration = Duration::from_secs(5);

pub(super) fn run(file: Option<&Path>) -> ExitCode {
    let loaded = match config::load(file, &Env::of_process()) {
        Ok(loaded) => loaded,
        Err(error) => return fail(USAGE, error),
    };
    if let Err(error) = start_logging(&loaded.config.log) {
        return fail(USAGE, error);
    }
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let served = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("voice-agent")
        .build()
        .context("no runtime")
        .and_then(|runtime| runtime.block_on(serve(loaded.config)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, format!("{error:#}")),
    }
}

/// The running server and what its sessions share.
pub(super) struct Running {
    /// The ports.
    pub server: Server,
    traces: Traces,
    tracker: TaskTracker,
}

/// Opens the ports, loads the models, and takes sessions.
///
/// # Errors
/// Whatever keeps it from serving, with what to do.
pub(super) async fn start(config: Config) -> anyhow::Result<Running> {
    let instance = InstanceId::new(instance_name()?);
    let events = Arc::new(Events::new(Metrics::new("rules", &tool_names())));
    let data_dir = config.data_dir.clone();
    let clock = Arc::new(SystemClock);
    let options = SqliteOptions { clock: clock.clone(), ..SqliteOptions::default() };
    let store = tokio::task::spawn_blocking(move || SqliteStore::open(&data_dir, options)).await??;
    let store: Arc<dyn Store> = Arc::new(store);
    let (models_dir, settings) = (config.models_dir.clone(), config.model.clone());
    let loading = Arc::clone(&events);
    let providers =
        tokio::task::spawn_blocking(move || embedded::load(&models_dir, &settings, &loading)).await??;
    let traces = Traces::start(&config.otel, &config.region, instance.as_str())?;
    let tracker = TaskTracker::new();
    let folder = &config.input_log.dir;
    let deps = Arc::new(Deps {
        store: Arc::clone(&store),
        providers,
        core: config.core(),
        vad: VadConfig::default(),
        events: Arc::clone(&events),
        traces: traces.clone(),
        tracker: tracker.clone(),
        command_queue: config.limits.command_queue,
        input_log_dir: (!folder.as_os_str().is_empty()).then(|| folder.clone()),
    });
    let spawn = Arc::new(move |start| driver::spawn(Arc::clone(&deps), start));
    let app = App::new(Parts { config, store, clock, events, instance, spawn })?;
    let server = Server::start(app)?;
    server.ready();
    Ok(Running { server, traces, tracker })
}

impl Running {
    /// Goes down in order: no new sessions, a time of grace, the last saves, the last spans.
    ///
    /// # Errors
    /// When the last spans cannot be waited for.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.server.shutdown().await;
        self.tracker.close();
        if tokio::time::timeout(LAST_SAVES, self.tracker.wait()).await.is_err() {
            tracing::info!(left = self.tracker.len(), "sessions that wait for their callers elsewhere");
        }
        tokio::task::spawn_blocking(move || self.traces.flush()).await.context("the last spans")
    }
}

async fn serve(config: Config) -> anyhow::Result<()> {
    // Taken before anything starts: a signal that comes early must not be lost.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let running = start(config).await?;
    let address = running.server.http_addr();
    writeln!(std::io::stdout().lock(), "voice-agent answers at http://{address}")?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("told to stop by SIGTERM"),
        _ = interrupt.recv() => tracing::info!("told to stop by SIGINT"),
    }
    running.stop().await
}

fn tool_names() -> Vec<&'static str> {
    voice_core::agents::AGENTS
        .iter()
        .flat_map(|agent| tools::specs_for(agent.name))
        .map(|spec| spec.name)
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// The machine's name and some randomness: a process that is started again is another instance.
fn instance_name() -> anyhow::Result<String> {
    let mut random = [0; 4];
    getrandom::fill(&mut random).context("no randomness")?;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "host".to_owned());
    Ok(format!("{}-{:08x}", host.trim(), u32::from_be_bytes(random)))
}
