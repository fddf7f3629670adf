//! The machine, as Linux describes it, and who else used it meanwhile.

use std::fs::read_to_string;

use anyhow::{Context as _, Result};

/// The kernel counts processor time in hundredths of a second (`USER_HZ`, fixed on every architecture that we serve).
const TICKS_PER_SECOND: f64 = 100.0;
/// When others use more than this share of the machine, the figures are doubtful.
const BUSY_PERCENT: f64 = 10.0;

/// A line for each thing that matters.
pub(crate) fn describe() -> Result<String> {
    let cpuinfo = read_to_string("/proc/cpuinfo")?;
    let model = field(&cpuinfo, "model name").unwrap_or("unknown");
    let cores = std::thread::available_parallelism()?;
    let meminfo = read_to_string("/proc/meminfo")?;
    let memory_kb: f64 = field(&meminfo, "MemTotal").and_then(|text| text.split(' ').next()).unwrap_or("0").parse()?;
    let kernel = read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(format!(
        "- processor: {model}, {cores} cores\n- memory: {:.1} GiB\n- kernel: Linux {}\n- load average before: {}\n- date: {}\n- commit: {}\n",
        memory_kb / 1024.0 / 1024.0,
        kernel.trim(),
        load()?,
        jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC"),
        commit(),
    ))
}

/// What was measured, as git names it.
fn commit() -> String {
    let git = std::process::Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=10"]).output();
    let name = git.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    name.map_or_else(|| "unknown".to_owned(), |name| String::from_utf8_lossy(&name).trim().to_owned())
}

/// The load averages of 1, 5 and 15 minutes.
pub(crate) fn load() -> Result<String> {
    let text = read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').take(3).collect::<Vec<_>>().join(" "))
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':').map(str::trim))
}

/// Processor seconds of a process, with those of its children that have ended.
pub(crate) fn cpu_seconds(process: &str) -> Result<f64> {
    let stat = read_to_string(format!("/proc/{process}/stat"))?;
    // The name, in brackets, may hold anything; fields count from 3 behind it (proc_pid_stat(5)).
    let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
    let ticks: f64 = fields.split_whitespace().skip(11).take(4).filter_map(|text| text.parse::<f64>().ok()).sum();
    Ok(ticks / TICKS_PER_SECOND)
}

/// Resident memory of a process in MB.
pub(crate) fn resident_mb(process: &str) -> Result<f64> {
    let status = read_to_string(format!("/proc/{process}/status"))?;
    let kb: f64 = field(&status, "VmRSS").and_then(|text| text.split(' ').next()).context("no VmRSS")?.parse()?;
    Ok(kb * 1024.0 / 1e6)
}

/// Watches who uses the processor.
pub(crate) struct Watch {
    others_before: f64,
    began: std::time::Instant,
}

impl Watch {
    /// From now on.
    pub(crate) fn start(ours: &[String]) -> Result<Self> {
        Ok(Self { others_before: others_seconds(ours)?, began: std::time::Instant::now() })
    }

    /// A sentence about it. `ours` are the processes that belong to the measurement.
    pub(crate) fn verdict(&self, ours: &[String]) -> Result<String> {
        let cores = std::thread::available_parallelism()?.get() as f64;
        let others = (others_seconds(ours)? - self.others_before).max(0.0);
        let percent = 100.0 * others / (self.began.elapsed().as_secs_f64() * cores);
        let doubt = if percent > BUSY_PERCENT {
            ": **the machine was busy with something else, the figures are doubtful**"
        } else {
            ""
        };
        Ok(format!("_Others used {percent:.0} % of the processor meanwhile (load now {}){doubt}._\n", load()?))
    }
}

/// Processor seconds since boot that neither we nor the idle loop used.
fn others_seconds(ours: &[String]) -> Result<f64> {
    let stat = read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("no line in /proc/stat")?;
    let ticks: Vec<f64> = line.split_whitespace().skip(1).filter_map(|text| text.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal
    let busy: f64 = [0, 1, 2, 5, 6, 7].iter().filter_map(|&at: &usize| ticks.get(at)).sum();
    let mut own = cpu_seconds("self")?;
    for process in ours {
        own += cpu_seconds(process)?;
    }
    Ok(busy / TICKS_PER_SECOND - own)
}
