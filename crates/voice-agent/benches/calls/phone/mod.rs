//! Calls by telephone: callers in one process, the server in another, each on a core of its own.

mod caller;
mod listener;
mod server;

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use voice_agent::audio::mulaw;
use voice_agent::audio::resample::resample;

pub(crate) use server::serve;

use self::caller::{Caller, Told, Words};
use crate::machine::{self, Watch};
use crate::microphone::{SILENT, Speech};
use crate::overhead::sum_of;
use crate::report::line;
use crate::stats::Spread;

/// The server's core, and the callers'.
pub(crate) const CORES: (&str, &str) = ("0", "1");
/// Calls begin within this time.
const RAMP_MS: u64 = 2_000;
/// From so many calls on, the growth of the process is the sessions'.
const FEW: u64 = 10;
/// A single call is so many times as long.
const ALONE: u64 = 4;
/// A run is worse than one call when its P95 is so much higher, in milliseconds.
const WORSE_MS: f64 = 50.0;
/// Above this share of its core, or this lateness of its frames (P95, milliseconds), the generator is the bottleneck.
const BUSY_GENERATOR: f64 = 0.8;
const LATE_GENERATOR_MS: usize = 5;

/// What the callers' process prints.
#[derive(Debug, Serialize, Deserialize)]
struct Report {
    told: Told,
    /// Processor seconds of the process for each second.
    cpu_share: f64,
}

/// The callers: this process does nothing else.
pub(crate) async fn call(address: &str, calls: u64, seconds: u64, speech: &Speech) -> Result<()> {
    let words = Arc::new(words(speech)?);
    let (began, cpu) = (Instant::now(), machine::cpu_seconds("self")?);
    let until = began + Duration::from_secs(seconds);
    let callers: Vec<_> = (0..calls)
        .map(|number| {
            let (address, words) = (address.to_owned(), Arc::clone(&words));
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(RAMP_MS * number / calls)).await;
                Caller::call(&address, &words, number).await?.talk(until).await
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

/// Speech as a telephone sends it.
fn words(speech: &Speech) -> Result<Words> {
    // Resampled as a whole, and cut into frames afterwards: no seam is heard.
    let whole: Vec<i16> = speech.frames.iter().flatten().copied().collect();
    let narrow = resample(&whole, 16_000, 8_000)?;
    let frames = narrow.as_chunks::<160>().0;
    // A telephone lets no hiss through: what is loud is another matter there.
    let is_loud = |frame: &[i16; 160]| frame.iter().any(|sample| sample.unsigned_abs() >= SILENT);
    let first = frames.iter().position(is_loud).context("there is only silence to say")?;
    let last = frames.iter().rposition(is_loud).context("there is only silence to say")?;
    let code = |frame: &[i16; 160]| STANDARD.encode(frame.map(mulaw::encode));
    Ok(Words { frames: frames.iter().map(code).collect(), silence: STANDARD.encode([0xff; 160]), loud: (first, last) })
}

/// A run with so many calls.
struct Run {
    calls: u64,
    report: Report,
    cpu_per_minute: f64,
    session_mb: f64,
    resident_mb: [f64; 3],
    late: f64,
}

impl Run {
    fn turns(&self) -> Option<Spread> {
        Spread::of(self.report.told.turns.clone())
    }

    fn generator_is_the_bottleneck(&self) -> bool {
        self.report.cpu_share > BUSY_GENERATOR || self.report.told.lateness_ms(95) > LATE_GENERATOR_MS
    }
}

/// A child on one core.
pub(crate) fn pinned(core: &str) -> Result<Command> {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", core]).arg(std::env::current_exe()?);
    command.kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::inherit()).stdin(Stdio::piped());
    Ok(command)
}

/// The server's process, and where it listens.
pub(crate) struct Measured {
    child: Child,
    http: String,
    metrics: String,
}

impl Measured {
    async fn start() -> Result<Self> {
        Self::start_with("phone-server", &[]).await
    }

    /// What such a process is, and its environment.
    pub(crate) async fn start_with(act: &str, env: &[(&str, &str)]) -> Result<Self> {
        let mut child = pinned(CORES.0)?.args(["--act", act]).envs(env.iter().copied()).spawn().context("taskset")?;
        let mut lines = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        let first = tokio::time::timeout(Duration::from_secs(60), lines.next_line()).await??;
        let place: Value = serde_json::from_str(&first.context("the server ended before it was ready")?)?;
        let text =
            |name: &str| place[name].as_str().map(str::to_owned).context("the server did not say where it listens");
        Ok(Self { http: text("http")?, metrics: text("metrics")?, child })
    }

    /// `taskset` becomes what it starts, so its id is the server's.
    pub(crate) fn process(&self) -> Result<String> {
        Ok(self.child.id().context("the server has ended")?.to_string())
    }

    pub(crate) async fn end(mut self) -> Result<()> {
        // Its standard input ends, and so does it.
        drop(self.child.stdin.take());
        tokio::time::timeout(Duration::from_secs(30), self.child.wait())
            .await
            .context("a server that does not end")??;
        Ok(())
    }

    async fn metric(&self, name: &str) -> Result<f64> {
        Ok(sum_of(&reqwest::get(format!("http://{}/metrics", self.metrics)).await?.text().await?, name))
    }

    async fn callers(&self, calls: u64, seconds: u64) -> Result<Child> {
        let (calls, seconds) = (calls.to_string(), seconds.to_string());
        let mut command = pinned(CORES.1)?;
        command.args([
            "--act",
            "phone-callers",
            "--at",
            &self.http,
            "--phone-calls",
            &calls,
            "--phone-seconds",
            &seconds,
        ]);
        command.spawn().context("taskset")
    }

    async fn run(&self, calls: u64, seconds: u64) -> Result<Run> {
        let process = self.process()?;
        let before_mb = machine::resident_mb(&process)?;
        let (cpu, began) = (machine::cpu_seconds(&process)?, Instant::now());
        let callers = self.callers(calls, seconds).await?;
        // A moment before the end, when each has several turns behind it.
        tokio::time::sleep_until((began + Duration::from_secs(seconds - 1)).into()).await;
        let with_mb = machine::resident_mb(&process)?;
        let output = tokio::time::timeout(Duration::from_secs(60), callers.wait_with_output()).await??;
        ensure!(output.status.success(), "the callers failed");
        let report: Report = serde_json::from_slice(&output.stdout)?;
        let why = report.told.failed.first().map_or("", String::as_str);
        ensure!(report.told.connected_ms > 0.0, "no call went through: {why}");
        let cpu = machine::cpu_seconds(&process)? - cpu;
        // The allocator gives back what nobody used for ten seconds.
        tokio::time::sleep(Duration::from_secs(20)).await;
        Ok(Run {
            calls,
            cpu_per_minute: cpu / (report.told.connected_ms / 60_000.0),
            report,
            session_mb: (with_mb - before_mb) / calls as f64,
            resident_mb: [before_mb, with_mb, machine::resident_mb(&process)?],
            late: self.metric("voice_audio_late_frames_total").await?,
        })
    }
}

/// Measures with each of these numbers of calls, a fresh server each time.
pub(crate) async fn measure(calls: &[u64], seconds: u64) -> Result<()> {
    let cores = std::thread::available_parallelism()?.get();
    ensure!(cores >= 2, "the server and the callers need a core each, and there is one");
    line("### Calls by telephone, the server on one core, the callers on another\n")?;
    line(&format!(
        "{seconds} seconds each, one call alone {ALONE} times that; transcript 100 ms after the last sound, first token 100 ms, first audio 60 ms, 200 ms of silence end the turn.\n"
    ))?;
    let mut runs = Vec::new();
    let watch = Watch::start(&[])?;
    for calls in calls {
        let server = Measured::start().await?;
        // The first sessions pay for everything that is made once.
        let warm_up = server.callers(2, 10).await?.wait_with_output().await?;
        ensure!(warm_up.status.success(), "the callers failed");
        // One call has a turn every three seconds: it is made for longer, so that its P95 is more than its worst turn.
        let seconds = if *calls == 1 { ALONE * seconds } else { seconds };
        runs.push(server.run(*calls, seconds).await?);
        server.end().await?;
    }
    turns(&runs)?;
    resources(&runs)?;
    generator(&runs)?;
    // Children that have ended are counted as ours.
    line(&watch.verdict(&[])?)
}

const fn met(met: bool) -> &'static str {
    if met { "met" } else { "**missed**" }
}

fn turns(runs: &[Run]) -> Result<()> {
    line(
        "| calls | turn P50, ms | P95 | P99 | turns | unanswered / too early | failed calls | late reply frames | interruption → `clear` P95 (count, talked through) |",
    )?;
    line("|---|---|---|---|---|---|---|---|---|")?;
    for run in runs {
        let told = &run.report.told;
        let turn = run.turns().map_or_else(
            || "– | – | – | 0".to_owned(),
            |turn| format!("{:.1} | {:.1} | {:.1} | {}", turn.p50, turn.p95, turn.p99, turn.count),
        );
        let cut = Spread::of(told.cuts.clone())
            .map_or_else(|| "–".to_owned(), |cut| format!("{:.0} ({})", cut.p95, cut.count));
        line(&format!(
            "| {} | {turn} | {} / {} | {} | {} | {cut}, {} |",
            run.calls,
            told.unanswered,
            told.too_early,
            told.failed.len(),
            told.late_frames,
            told.talked_through
        ))?;
    }
    if let Some(one) = runs.iter().find(|run| run.calls == 1).and_then(Run::turns) {
        line(&format!(
            "\nOne call: P50 ≤ 310 ms: {}; P95 within 20 ms of it: {}.",
            met(one.p50 <= 310.0),
            met(one.p95 - one.p50 <= 20.0)
        ))?;
        let is_worse = |run: &&Run| run.turns().is_none_or(|turn| turn.p95 > one.p95 + WORSE_MS);
        let (good, bad) = (runs.iter().rfind(|run| !is_worse(run)), runs.iter().find(is_worse));
        let good = good.map_or(0, |run| run.calls);
        let bad = bad.map_or_else(|| "none of these".to_owned(), |run| run.calls.to_string());
        line(&format!(
            "P95 is less than {WORSE_MS} ms worse than at one call up to {good} calls, and more at {bad} (target ≥ 300: {}).\n",
            met(good >= 300)
        ))?;
    }
    for why in runs.iter().filter_map(|run| run.report.told.failed.first()) {
        line(&format!("A call failed: {why}"))?;
    }
    Ok(())
}

fn resources(runs: &[Run]) -> Result<()> {
    line(
        "| calls | server's CPU seconds per call-minute (≤ 0.15) | memory per session, MB (< 1) | resident before → with them → after, MB | of the growth kept | late frames by the server's count |",
    )?;
    line("|---|---|---|---|---|---|")?;
    for run in runs {
        let [before, with, after] = run.resident_mb;
        let kept = 100.0 * (after - before) / (with - before).max(1.0);
        // What a few calls take is lost in what the process itself does.
        let (session, kept) = match run.calls {
            FEW.. => (format!("{:.2}: {}", run.session_mb, met(run.session_mb < 1.0)), format!("{kept:.0} %")),
            _ => ("–".to_owned(), "–".to_owned()),
        };
        line(&format!(
            "| {} | {:.3}: {} | {session} | {before:.0} → {with:.0} → {after:.0} | {kept} | {:.0} |",
            run.calls,
            run.cpu_per_minute,
            met(run.cpu_per_minute <= 0.15),
            run.late,
        ))?;
    }
    line("")
}

fn generator(runs: &[Run]) -> Result<()> {
    line("| calls | the generator's share of its core | its frames late, P95 / P99, ms | |\n|---|---|---|---|")?;
    for run in runs {
        let told = &run.report.told;
        let verdict =
            if run.generator_is_the_bottleneck() { "**it was the bottleneck**" } else { "it was not the bottleneck" };
        line(&format!(
            "| {} | {:.0} % | {} / {} | {verdict} |",
            run.calls,
            100.0 * run.report.cpu_share,
            told.lateness_ms(95),
            told.lateness_ms(99)
        ))?;
    }
    line("")
}
