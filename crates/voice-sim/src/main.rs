//! `voice-sim`: runs seeds on every core, and says which broke what. With the feature `servers` it also plays the providers.

#[cfg(feature = "servers")]
mod rehearse;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Parser;
use voice_sim::{Failure, KillPoint, Killing, Kills, Seen, run_seed, trace_seed};

/// Seeds that a thread takes at once.
const BATCH: u64 = 64;
/// Failures that are told at most.
const TOLD: usize = 20;

/// Rehearses voice sessions under a virtual clock, and checks what must hold whatever happens.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Args {
    #[cfg(feature = "servers")]
    #[command(subcommand)]
    command: Option<rehearse::Command>,
    /// How many seeds to run.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Run this seed only.
    #[arg(long)]
    seed: Option<u64>,
    /// With --seed: tell everything that happens.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Kill processes in the midst of turns too, up to four times a call; by default it happens to some calls at any moment.
    #[arg(long)]
    kill: bool,
    /// With --kill: fail unless so many kills were met at every point of a turn.
    #[arg(long, requires = "kill", default_value_t = 0)]
    least: u64,
    /// Threads; by default one for each core.
    #[arg(long)]
    jobs: Option<usize>,
}

/// What all threads found.
#[derive(Debug, Default)]
struct Found {
    failures: Vec<Failure>,
    failed: u64,
    inputs: u64,
    virtual_ms: u64,
    seen: Vec<u64>,
    kills: Kills,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let killing = if args.kill { Killing::AmidTurns } else { Killing::ByChance };
    #[cfg(feature = "servers")]
    if let Some(command) = args.command {
        return rehearse::run(command).map(|()| ExitCode::SUCCESS);
    }
    // A panic of the session is told as a failure of its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let mut out = std::io::stdout().lock();
    if let Some(seed) = args.seed {
        if args.trace {
            let trace = trace_seed(seed, killing);
            for line in &trace.lines {
                writeln!(out, "{line}")?;
            }
            return tell_one(&mut out, seed, trace.result.err());
        }
        return tell_one(&mut out, seed, run_seed(seed, killing).err());
    }
    let jobs = match args.jobs {
        Some(jobs) => jobs.max(1),
        None => thread::available_parallelism().context("cannot count the cores")?.get(),
    };
    let started = Instant::now();
    let found = run_all(args.from, args.seeds, killing, jobs)?;
    tell(&mut out, &args, &found, started.elapsed().as_secs_f64(), jobs)
}

fn tell_one(out: &mut impl Write, seed: u64, failure: Option<Failure>) -> Result<ExitCode> {
    if let Some(failure) = failure {
        writeln!(out, "{failure}")?;
        return Ok(ExitCode::FAILURE);
    }
    writeln!(out, "seed {seed} is clean")?;
    Ok(ExitCode::SUCCESS)
}

fn run_all(from: u64, seeds: u64, killing: Killing, jobs: usize) -> Result<Found> {
    let next = AtomicU64::new(0);
    let failed = AtomicUsize::new(0);
    let total = Mutex::new(Found { seen: vec![0; Seen::ALL.len()], ..Found::default() });
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                let mut mine = Found { seen: vec![0; Seen::ALL.len()], ..Found::default() };
                while failed.load(Ordering::Relaxed) < 1_000 {
                    let first = next.fetch_add(BATCH, Ordering::Relaxed);
                    if first >= seeds {
                        break;
                    }
                    for seed in from + first..from + (first + BATCH).min(seeds) {
                        run_into(seed, killing, &mut mine, &failed);
                    }
                }
                if let Ok(mut total) = total.lock() {
                    merge(&mut total, mine);
                }
            });
        }
    });
    total.into_inner().ok().context("a thread of the simulator died")
}

fn run_into(seed: u64, killing: Killing, found: &mut Found, failed: &AtomicUsize) {
    match run_seed(seed, killing) {
        Ok(passed) => {
            found.inputs += passed.inputs;
            found.virtual_ms += passed.virtual_ms;
            found.kills.add_all(passed.kills);
            for (count, (seen, _)) in found.seen.iter_mut().zip(Seen::ALL) {
                *count += u64::from(passed.sights.has(*seen));
            }
        }
        Err(failure) => {
            failed.fetch_add(1, Ordering::Relaxed);
            found.failed += 1;
            if found.failures.len() < 2_000 {
                found.failures.push(failure);
            }
        }
    }
}

fn merge(total: &mut Found, mine: Found) {
    total.failed += mine.failed;
    total.inputs += mine.inputs;
    total.virtual_ms += mine.virtual_ms;
    total.kills.add_all(mine.kills);
    total.failures.extend(mine.failures);
    for (sum, count) in total.seen.iter_mut().zip(mine.seen) {
        *sum += count;
    }
}

fn tell(out: &mut impl Write, args: &Args, found: &Found, seconds: f64, jobs: usize) -> Result<ExitCode> {
    let ran = args.seeds as f64;
    writeln!(out, "what the seeds saw:")?;
    for (count, (_, name)) in found.seen.iter().zip(Seen::ALL) {
        writeln!(out, "  {count:>9}  {name}")?;
    }
    writeln!(out, "{} kills:", found.kills.total())?;
    for (point, name) in KillPoint::ALL {
        writeln!(out, "  {:>9}  {name}", found.kills.at(*point))?;
    }
    let mut failures = found.failures.clone();
    failures.sort_by(|a, b| (&a.check, a.seed).cmp(&(&b.check, b.seed)));
    let mut by_check: Vec<(&str, usize)> = Vec::new();
    for failure in &failures {
        match by_check.last_mut() {
            Some((check, count)) if *check == failure.check => *count += 1,
            _ => by_check.push((&failure.check, 1)),
        }
    }
    for (check, count) in &by_check {
        writeln!(out, "BROKEN {count:>6} seeds: {check}")?;
        for failure in failures.iter().filter(|failure| failure.check == *check).take(TOLD / by_check.len().max(1) + 1)
        {
            writeln!(out, "  {failure}")?;
        }
    }
    writeln!(
        out,
        "{} seeds from {} in {seconds:.1} s on {jobs} threads: {:.0} seeds/s, {:.1} inputs a seed, {:.0} virtual hours; {} failed",
        args.seeds,
        args.from,
        ran / seconds,
        found.inputs as f64 / ran,
        found.virtual_ms as f64 / 3_600_000.0,
        found.failed,
    )?;
    let is_rare = too_rare(out, args.least, &found.kills)?;
    if found.failed > 0 {
        writeln!(
            out,
            "one of them, event by event: voice-sim --seed N --trace{}",
            if args.kill { " --kill" } else { "" }
        )?;
        return Ok(ExitCode::FAILURE);
    }
    Ok(if is_rare { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Whether a point of a turn was met by fewer kills than it must be; says which.
fn too_rare(out: &mut impl Write, least: u64, kills: &Kills) -> Result<bool> {
    let mut is_rare = false;
    for (point, name) in KillPoint::ALL.iter().filter(|(point, _)| kills.at(*point) < least) {
        writeln!(out, "TOO FEW kills {name}: {} of at least {least}", kills.at(*point))?;
        is_rare = true;
    }
    Ok(is_rare)
}
