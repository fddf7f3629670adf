//! `make bench`: what the runtime adds, how many calls by telephone and in rooms a core carries, how fast the embedded voice answers, how
//! soon it falls silent, how soon it is up.
//!
//! Prints Markdown. docs/performance.md says what each figure means and keeps the last table.

mod component;
mod embedded;
mod instant;
mod interrupt;
mod machine;
mod microphone;
mod overhead;
mod phone;
mod recording;
mod report;
mod rooms;
mod server;
mod stats;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use voice_agent::model::runtime::default_models_dir;
use voice_core::config::GREETING;

use crate::embedded::{COMMANDS, Calls, Said};
use crate::instant::{Delays, Way};
use crate::interrupt::Cut;
use crate::machine::Watch;
use crate::microphone::Speech;
use crate::overhead::{House, Plan, Run};
use crate::report::{Target, line, spread_head, spread_row};
use crate::server::Server;
use crate::stats::{mean, median};

/// As in the server.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What is measured, and how often.
#[derive(Debug, Parser)]
struct Args {
    /// Only these parts.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "overhead,load,phone,recording,rooms,models,calls,interruption,start"
    )]
    only: Vec<String>,
    /// Runs of each measurement; the medians are printed.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Sessions at once in the load part.
    #[arg(long, default_value_t = 200)]
    sessions: usize,
    /// Calls at once in the phone part, one run for each number.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 25, 100, 200, 300, 400])]
    phone_calls: Vec<u64>,
    /// Seconds of each run of the phone part.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(10..))]
    phone_seconds: u64,
    /// Rooms at once in the rooms part, one run for each number.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 5, 10, 20, 50])]
    rooms: Vec<u64>,
    /// Seconds of each run of the rooms part.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(8..))]
    room_seconds: u64,
    /// What a process of the phone and rooms parts is: its server, or its callers.
    #[arg(long, hide = true)]
    act: Option<Act>,
    /// Where those callers call.
    #[arg(long, hide = true, default_value = "")]
    at: String,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What else this program is: the phone and rooms parts start it twice more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Act {
    PhoneServer,
    PhoneCallers,
    RoomServer,
    RoomCallers,
}

impl Args {
    fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }
}

/// How long calls are recorded.
const RECORDING_SECONDS: u64 = 30;
/// The speech of the overhead parts: words without a pause that a short endpointing delay would take for the end.
const SPEECH: &str = "tests/fixtures/audio/stt_what_are_my_tasks.wav";

fn main() -> Result<()> {
    let args = Args::parse();
    let models_dir = std::env::var_os("MODELS_DIR").map_or_else(default_models_dir, PathBuf::from);
    match args.act {
        Some(Act::PhoneServer | Act::RoomServer) => {
            return many_threads()?.block_on(phone::serve(&models_dir, &speech()?));
        }
        Some(Act::PhoneCallers) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let calls = args.phone_calls.first().copied().unwrap_or(1);
            return runtime.block_on(phone::call(&args.at, calls, args.phone_seconds, &speech()?));
        }
        Some(Act::RoomCallers) => {
            let rooms = args.rooms.first().copied().unwrap_or(1);
            return many_threads()?.block_on(rooms::call(&args.at, rooms, args.room_seconds, speech()?));
        }
        None => {}
    }
    line(&format!("## Benchmarks of voice-agent {}\n", env!("CARGO_PKG_VERSION")))?;
    line(&machine::describe()?)?;
    many_threads()?.block_on(all(&args, &models_dir))
}

fn many_threads() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

fn speech() -> Result<Speech> {
    Speech::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(SPEECH))
}

async fn all(args: &Args, models_dir: &Path) -> Result<()> {
    if args.wants("overhead") || args.wants("load") {
        let house = House::open(models_dir, speech()?)?;
        // The first sessions pay for everything that is made once.
        house.run(&Plan { sessions: 2, seconds: 6, ..ONE }).await?;
        if args.wants("overhead") {
            overhead(args, &house).await?;
        }
        if args.wants("load") {
            load(args, &house).await?;
        }
    }
    if args.wants("phone") {
        phone::measure(&args.phone_calls, args.phone_seconds).await?;
    }
    if args.wants("rooms") {
        rooms::measure(&args.rooms, args.room_seconds).await?;
    }
    if args.wants("recording") {
        recording::measure(&speech()?, RECORDING_SECONDS).await?;
    }
    if !["models", "calls", "interruption", "start"].iter().any(|part| args.wants(part)) {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let said = {
        let (models_dir, folder) = (models_dir.to_owned(), folder.path().to_owned());
        tokio::task::spawn_blocking(move || embedded::speak(&models_dir, &folder)).await??
    };
    if args.wants("models") {
        models(args, models_dir, &said).await?;
    }
    if args.wants("calls") {
        calls(args, &said).await?;
    }
    if args.wants("interruption") {
        interruption(args, &said).await?;
    }
    if args.wants("start") {
        start(args).await?;
    }
    Ok(())
}

/// One caller for two dozen turns. The endpointing delay is so short that the turn is over as soon as the transcript is
/// there: so every output has a provider's event as its cause, and none waits for a timer.
const ONE: Plan = Plan {
    sessions: 1,
    seconds: 100,
    endpointing_ms: 100,
    delays: Delays { stt_ms: 0, llm_ms: 0, tts_ms: 0 },
    tools: true,
};

async fn runs(args: &Args, house: &House, plan: &Plan) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    for _ in 0..args.runs {
        runs.push(house.run(plan).await?);
    }
    Ok(runs)
}

fn ways(runs: &[Run], p95_ms: f64) -> Result<()> {
    let rows = [
        (Way::HeardToLlm, "final transcript and score → model is asked", true),
        (Way::TextToTts, "model's first text → voice is asked", true),
        (Way::AudioToCaller, "voice's first audio → it leaves for the caller", true),
        (Way::ToolToLlm, "tool call → read tasks, compute → model is asked again", true),
        (Way::ToolToCommitted, "tool call → computed, committed (synced to disk), told to the caller", false),
    ];
    spread_head("from → to")?;
    for (way, name, has_target) in rows {
        let of_runs: Vec<Vec<f64>> = runs.iter().map(|run| run.ways.get(&way).cloned().unwrap_or_default()).collect();
        spread_row(name, &of_runs, has_target.then_some(Target { p50_ms: None, p95_ms }))?;
    }
    let turns: Vec<Vec<f64>> = runs.iter().map(|run| run.turns.clone()).collect();
    spread_row("whole turn: last frame with speech → first audio", &turns, None)
}

fn over(runs: &[Run], of: impl Fn(&Run) -> f64) -> f64 {
    median(&runs.iter().map(of).collect::<Vec<_>>()).unwrap_or(0.0)
}

fn rest(runs: &[Run]) -> Result<()> {
    let late: u64 = runs.iter().map(|run| run.late).sum();
    let unanswered: usize = runs.iter().map(|run| run.unanswered).sum();
    let commit = over(runs, |run| run.commit_ms);
    line(&format!(
        "\nLate frames {late} (target 0); turns without an answer {unanswered}; a commit took {commit:.1} ms on average."
    ))
}

async fn overhead(args: &Args, house: &House) -> Result<()> {
    line("\n### What the runtime adds, one session\n")?;
    let watch = Watch::start(&[])?;
    let runs = runs(args, house, &ONE).await?;
    ways(&runs, 10.0)?;
    rest(&runs)?;
    line(&watch.verdict(&[])?)?;

    line("### A turn with providers of fixed speed, one session\n")?;
    let watch = Watch::start(&[])?;
    let fixed = |stt_ms| Plan {
        seconds: 60,
        endpointing_ms: 200,
        delays: Delays { stt_ms, llm_ms: 100, tts_ms: 60 },
        tools: false,
        ..ONE
    };
    spread_head("model 100 ms, voice 60 ms, 200 ms of silence end the turn")?;
    for (name, stt_ms) in [
        ("transcript there when the VAD hears the end (a recogniser that streams)", 0),
        ("transcript 100 ms after the VAD heard the end", 100),
    ] {
        let turns = vec![house.run(&fixed(stt_ms)).await?.turns];
        spread_row(name, &turns, None)?;
    }
    line("")?;
    line(&watch.verdict(&[])?)
}

async fn load(args: &Args, house: &House) -> Result<()> {
    let plan = Plan { sessions: args.sessions, seconds: 40, ..ONE };
    line(&format!("### What the runtime adds, {} sessions at once\n", plan.sessions))?;
    let watch = Watch::start(&[])?;
    let runs = runs(args, house, &plan).await?;
    ways(&runs, 20.0)?;
    rest(&runs)?;
    let met = |met: bool| if met { "met" } else { "**missed**" };
    let (cpu, memory) = (over(&runs, |run| run.cpu_per_minute), over(&runs, |run| run.session_mb));
    line("\n| with the callers' own share | median | target |\n|---|---|---|")?;
    line(&format!("| CPU seconds per call-minute | {cpu:.3} | ≤ 0.15: {} |", met(cpu <= 0.15)))?;
    line(&format!("| memory per session, MB | {memory:.3} | < 1: {} |", met(memory < 1.0)))?;
    let told: Vec<String> = runs.iter().map(|run| run.resident_mb.map(|mb| format!("{mb:.0}")).join(" → ")).collect();
    // A process that has served callers keeps some of what it grew by; that it keeps growing would be a leak.
    let kept = over(&runs, |run| {
        (run.resident_mb[2] - run.resident_mb[0]) / (run.resident_mb[1] - run.resident_mb[0]).max(1.0)
    });
    line(&format!("| resident before → with them → after they ended, MB, run by run | {} | |", told.join("; ")))?;
    line(&format!(
        "| of the growth, kept after they ended | {:.0} % | ≤ 50 %: {} |\n",
        kept * 100.0,
        met(kept <= 0.5)
    ))?;
    line(&watch.verdict(&[])?)
}

/// One model's times.
type TimesOf = fn(&component::Times) -> &Vec<f64>;

async fn models(args: &Args, models_dir: &Path, said: &[Said]) -> Result<()> {
    line("### The embedded models, one at a time\n")?;
    let watch = Watch::start(&[])?;
    let folder = models_dir.to_owned();
    let providers = tokio::task::spawn_blocking(move || component::load(&folder)).await??;
    component::measure(&providers, said).await?;
    let mut all = Vec::new();
    for _ in 0..args.runs {
        all.push(component::measure(&providers, said).await?);
    }
    let seconds = mean(&said.iter().map(|said| said.pcm.len() as f64 / 16_000.0).collect::<Vec<_>>());
    spread_head(&format!("{} commands of {seconds:.1} s on average", COMMANDS.len()))?;
    let rows: [(&str, TimesOf); 7] = [
        ("final transcript", |times| &times.transcript),
        ("interim transcript of the whole command", |times| &times.interim),
        ("end-of-turn score", |times| &times.score),
        ("voice, first audio of the command's text", |times| &times.first_audio),
        ("voice, all of it", |times| &times.whole_audio),
        ("VAD, a minute of speech", |times| &times.vad_speech),
        ("VAD, a minute of digital silence", |times| &times.vad_silence),
    ];
    for (name, of) in rows {
        spread_row(name, &all.iter().map(|times| of(times).clone()).collect::<Vec<_>>(), None)?;
    }
    line("")?;
    line(&watch.verdict(&[])?)
}

async fn calls(args: &Args, said: &[Said]) -> Result<()> {
    line("### Calls with the embedded voice, real server, real sockets\n")?;
    let server = Server::start("").await?;
    let ours = [server.process()?];
    let watch = Watch::start(&ours)?;
    embedded::call(&server, said, 2, 1).await?;
    let cpu = server.cpu_seconds()?;
    spread_head("end of speech → first audio, as the caller feels it")?;
    let target = Target { p50_ms: Some(600.0), p95_ms: 800.0 };
    let mut alone = Vec::new();
    let mut failed = Vec::new();
    for at_once in [1, 2, 5] {
        let mut all: Vec<Calls> = Vec::new();
        for _ in 0..args.runs {
            all.push(embedded::call(&server, said, 2 * said.len(), at_once).await?);
        }
        let latencies: Vec<Vec<f64>> = all.iter().map(|calls| calls.latency.clone()).collect();
        spread_row(&format!("{at_once} at once"), &latencies, (at_once == 1).then_some(target))?;
        failed.extend(all.iter().flat_map(|calls| calls.failed.clone()));
        if at_once == 1 {
            alone = all;
        }
    }
    line("\n| one at a time: the server's own count | mean ms |\n|---|---|")?;
    let of_all =
        |of: fn(&Calls) -> &Vec<f64>| mean(&alone.iter().flat_map(|calls| of(calls).clone()).collect::<Vec<_>>());
    line(&format!("| end of speech → first audio leaves | {:.0} |", of_all(|calls| &calls.server)))?;
    for stage in ["endpointing", "stt", "llm", "tool", "tts", "network", "playout"] {
        let stages = alone.iter().flat_map(|calls| &calls.stages);
        let of_stage: Vec<f64> = stages.filter(|(name, _)| name == stage).map(|(_, ms)| *ms).collect();
        line(&format!("| – {stage} | {:.0} |", mean(&of_stage)))?;
    }
    let late = server.metric("voice_audio_late_frames_total").await?;
    line(&format!(
        "\nFailed calls {}{}; late frames {late:.0}; the server used {:.0} processor seconds in all, resident {:.0} MB.",
        failed.len(),
        failed.first().map_or_else(String::new, |why| format!(" ({why})")),
        server.cpu_seconds()? - cpu,
        server.resident_mb()?,
    ))?;
    line(&watch.verdict(&ours)?)?;
    server.stop().await
}

async fn interruption(args: &Args, said: &[Said]) -> Result<()> {
    line("### Interruption: the caller's first frame with speech → `clear`\n")?;
    let server = Server::start(GREETING).await?;
    let ours = [server.process()?];
    let watch = Watch::start(&ours)?;
    // Every command in turn, so that each interrupts about as often.
    let speeches: Vec<Speech> = said.iter().map(|said| Speech::new(&said.pcm)).collect::<Result<_>>()?;
    let (mut cuts, mut missed) = (Vec::new(), 0);
    for _ in 0..args.runs {
        let mut run = Vec::new();
        for session in 0..4 {
            let (of_session, not) = interrupt::interrupt(&server.url, &speeches, session * 6, 6).await?;
            run.extend(of_session);
            missed += not;
        }
        cuts.push(run);
    }
    let of = |ms: fn(&Cut) -> f64| cuts.iter().map(|run| run.iter().map(ms).collect()).collect::<Vec<Vec<f64>>>();
    spread_head("one caller")?;
    let target = Target { p50_ms: None, p95_ms: 150.0 };
    spread_row("interruption → silence, from which the agent may speak on", &of(|cut| cut.hushed_ms), Some(target))?;
    spread_row("interruption → the silence that lasts", &of(|cut| cut.silent_ms), Some(target))?;
    // How long the VAD waits is a matter of the sound that a word begins with.
    for (number, command) in COMMANDS.iter().enumerate() {
        let by = cuts.iter().flatten().filter(|cut| cut.speech == number).map(|cut| cut.silent_ms).collect();
        spread_row(&format!("lasting, by “{command}”, all runs"), &[by], None)?;
    }
    line(&format!("\nInterruptions after which the agent talked on {missed}."))?;
    line(&watch.verdict(&ours)?)?;
    server.stop().await
}

async fn start(args: &Args) -> Result<()> {
    line("### Cold start\n")?;
    let watch = Watch::start(&[])?;
    let (mut listening, mut ready) = (Vec::new(), Vec::new());
    for _ in 0..args.runs.max(5) {
        let server = Server::start("").await?;
        let ms = |after: Duration| after.as_secs_f64() * 1_000.0;
        listening.push(ms(server.listening_after));
        ready.push(ms(server.ready_after));
        server.stop().await?;
    }
    spread_head("from the start of the process")?;
    spread_row("ports are open", &[listening], None)?;
    spread_row("models are loaded, sessions are taken", &[ready], None)?;
    let size = std::fs::metadata(server::BINARY)?.len() as f64 / 1e6;
    line(&format!("\nThe release binary has {size:.0} MB, with its debugging tables."))?;
    line(&watch.verdict(&[])?)
}
