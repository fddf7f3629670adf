//! Calls in LiveKit rooms: the server on a core of its own, a real livekit-server and the callers on another.

mod caller;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use livekit_rtc::Address;
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};

use self::caller::Told;
use crate::machine::{self, Watch};
use crate::microphone::Speech;
use crate::phone::{CORES, Measured, pinned};
use crate::report::line;
use crate::stats::Spread;
use server::Server;

#[path = "../../../../livekit-rtc/tests/livekit/server.rs"]
#[expect(dead_code, clippy::unwrap_used, reason = "the server of the tests, of which this uses a part")]
mod server;

/// Callers come within this time.
const RAMP_MS: u64 = 3_000;
/// A P95 that is so much higher than with one room is worse, in milliseconds.
const WORSE_MS: f64 = 100.0;

/// What the callers' process prints.
#[derive(Debug, Serialize, Deserialize)]
struct Report {
    told: Told,
    /// Processor seconds of the process for each second.
    cpu_share: f64,
}

/// The callers: this process does nothing else.
pub(crate) async fn call(address: &str, rooms: u64, seconds: u64, speech: Speech) -> Result<()> {
    let (address, speech) = (Address::parse(address)?, Arc::new(speech));
    let (began, cpu) = (Instant::now(), machine::cpu_seconds("self")?);
    let until = began + Duration::from_secs(seconds);
    let callers: Vec<_> = (0..rooms)
        .map(|number| {
            let (address, speech) = (address.clone(), Arc::clone(&speech));
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(RAMP_MS * number / rooms)).await;
                caller::talk(&address, &Server::key(), &speech, number, until).await
            })
        })
        .collect();
    let mut told = Told::default();
    for caller in callers {
        match caller.await? {
            Ok(one) => told.add(one),
            Err(error) => told.failed.push(format!("{error:#}")),
        }
    }
    let cpu_share = (machine::cpu_seconds("self")? - cpu) / began.elapsed().as_secs_f64();
    line(&serde_json::to_string(&Report { told, cpu_share })?)
}

/// A run with so many rooms.
struct Run {
    rooms: u64,
    told: Told,
    /// Shares of a core: the server's, the livekit-server's, the callers'.
    agent: f64,
    livekit: f64,
    callers: f64,
    resident_mb: [f64; 2],
}

/// Measures with each of these numbers of rooms, a fresh server each time.
pub(crate) async fn measure(rooms: &[u64], seconds: u64) -> Result<()> {
    line("### Calls in LiveKit rooms, our server on one core, livekit-server and the callers on another\n")?;
    let Some(livekit) = Server::start("bench-rooms") else {
        return line("Left out: LIVEKIT_SERVER names no livekit-server (`scripts/livekit.sh server` builds one).\n");
    };
    let id = livekit.process.as_ref().context("livekit-server does not run")?.id().to_string();
    let pinning = Command::new("taskset").args(["--all-tasks", "--pid", "--cpu-list", CORES.1, &id]).output();
    ensure!(pinning.await.context("taskset")?.status.success(), "livekit-server could not be pinned to a core");
    line(&format!(
        "{seconds} seconds each; first token 100 ms, first audio 60 ms, 200 ms of silence end the turn; measured by the callers, with \
         both ways through Opus, the SFU and a jitter buffer.\n"
    ))?;
    let watch = Watch::start(std::slice::from_ref(&id))?;
    let mut runs = Vec::new();
    for rooms in rooms {
        runs.push(run(&livekit, &id, *rooms, seconds).await?);
    }
    turns(&runs)?;
    resources(&runs)?;
    // Children that have ended are counted as ours.
    line(&watch.verdict(&[id])?)
}

async fn callers(livekit: &Server, rooms: u64, seconds: u64) -> Result<Child> {
    let (rooms, seconds) = (rooms.to_string(), seconds.to_string());
    let at = format!("ws://127.0.0.1:{}", livekit.port);
    let mut command = pinned(CORES.1)?;
    command.args(["--act", "room-callers", "--at", &at, "--rooms", &rooms, "--room-seconds", &seconds]);
    command.spawn().context("taskset")
}

async fn run(livekit: &Server, id: &str, rooms: u64, seconds: u64) -> Result<Run> {
    let server = Measured::start_with(
        "room-server",
        &[("LIVEKIT_URL", &format!("ws://127.0.0.1:{}", livekit.port)), ("LIVEKIT_API_SECRET", server::SECRET)],
    )
    .await?;
    // The first sessions pay for everything that is made once.
    let warm_up = callers(livekit, 2, 8).await?.wait_with_output().await?;
    ensure!(warm_up.status.success(), "the callers failed");
    let process = server.process()?;
    let cpu = |of: &str| machine::cpu_seconds(of);
    let (before_mb, began) = (machine::resident_mb(&process)?, Instant::now());
    let (agent, sfu) = (cpu(&process)?, cpu(id)?);
    let calling = callers(livekit, rooms, seconds).await?;
    // A moment before the end, when each has several turns behind it.
    tokio::time::sleep_until((began + Duration::from_secs(seconds - 1)).into()).await;
    let with_mb = machine::resident_mb(&process)?;
    let took = began.elapsed().as_secs_f64();
    let (agent, sfu) = ((cpu(&process)? - agent) / took, (cpu(id)? - sfu) / took);
    let output = tokio::time::timeout(Duration::from_secs(90), calling.wait_with_output()).await??;
    ensure!(output.status.success(), "the callers failed");
    let Report { told, cpu_share } = serde_json::from_slice(&output.stdout)?;
    server.end().await?;
    Ok(Run { rooms, told, agent, livekit: sfu, callers: cpu_share, resident_mb: [before_mb, with_mb] })
}

fn turns(runs: &[Run]) -> Result<()> {
    line(
        "| rooms | turn P50, ms | P95 | P99 | turns | unanswered / too early | failed calls | join → first word P95, ms | frames made up |",
    )?;
    line("|---|---|---|---|---|---|---|---|---|")?;
    for run in runs {
        let told = &run.told;
        let turn = Spread::of(told.turns.clone()).map_or_else(
            || "– | – | – | 0".to_owned(),
            |turn| format!("{:.0} | {:.0} | {:.0} | {}", turn.p50, turn.p95, turn.p99, turn.count),
        );
        let greeted =
            Spread::of(told.greeted.clone()).map_or_else(|| "–".to_owned(), |greeted| format!("{:.0}", greeted.p95));
        let made_up = 100.0 * told.concealed as f64 / (told.heard + told.concealed).max(1) as f64;
        line(&format!(
            "| {} | {turn} | {} / {} | {} | {greeted} | {made_up:.2} % |",
            run.rooms,
            told.unanswered,
            told.too_early,
            told.failed.len()
        ))?;
    }
    let p95 = |run: &Run| Spread::of(run.told.turns.clone()).map(|turn| turn.p95);
    if let Some(one) = runs.iter().find(|run| run.rooms == 1).and_then(p95) {
        let good = |run: &&Run| run.told.failed.is_empty() && p95(run).is_some_and(|p95| p95 < one + WORSE_MS);
        let most = runs.iter().take_while(good).last().map_or(0, |run| run.rooms);
        line(&format!(
            "\nNo call fails, and P95 is less than {WORSE_MS} ms worse than with one room, up to {most} rooms.\n"
        ))?;
    }
    for why in runs.iter().filter_map(|run| run.told.failed.first()) {
        line(&format!("A call failed: {why}"))?;
    }
    Ok(())
}

fn resources(runs: &[Run]) -> Result<()> {
    line(
        "| rooms | our server, % of its core | per room | memory before → with them, MB | per room, MB | livekit-server, % of the other core | the callers |",
    )?;
    line("|---|---|---|---|---|---|---|")?;
    for run in runs {
        let [before, with] = run.resident_mb;
        let rooms = run.rooms as f64;
        line(&format!(
            "| {} | {:.0} | {:.1} | {before:.0} → {with:.0} | {:.2} | {:.0} | {:.0} |",
            run.rooms,
            100.0 * run.agent,
            100.0 * run.agent / rooms,
            (with - before) / rooms,
            100.0 * run.livekit,
            100.0 * run.callers,
        ))?;
    }
    line("")
}
