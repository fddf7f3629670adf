//! The commands around the provider servers.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use voice_core::provider::Stage;
use voice_sim::drill::{Balanced, Drill, Region, Savings, Says, Survive, What, markdown, matrix, summary, too_slow};
use voice_sim::provider::code::{decode_words, overlaps, say};
use voice_sim::provider::pcm::{parse_wav, wav};
use voice_sim::provider::{Fault, Manner, Provider, ProviderServers, Rule, Script, parse_latencies};

/// The largest file of rules or audio that is read, in bytes.
const LARGEST_FILE: u64 = 64 * 1024 * 1024;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Starts servers that speak like the paid providers, and prints the environment that leads to them.
    Providers(ProvidersArgs),
    /// Writes a WAV file in which a caller says a text that the STT servers understand.
    Say {
        /// What is said.
        text: String,
        /// Where it goes.
        file: PathBuf,
        /// Samples per second.
        #[arg(long, default_value_t = 16_000, value_parser = clap::value_parser!(u32).range(8_000..=48_000))]
        rate: u32,
        /// Silence before and after it.
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(..=60_000))]
        silence_ms: u64,
    },
    /// Calls a running server under every fault of the matrix, and prints a table of what its callers heard.
    Drill(DrillArgs),
    /// Holds the same conversation with the server under one setting after the other, and prints a table of what each saves.
    Savings(SavingsArgs),
    /// Ends an instance, each instance in turn, or Redis in the midst of calls, and prints a table of what the callers noticed.
    Survive(SurviveArgs),
    /// Kills one of two regions in the midst of calls, promotes the other, and goes back; prints a table of what the callers noticed.
    Region(RegionArgs),
    /// Stands before instances of the server: a connection goes to one that is ready, the fewest first.
    Balance {
        /// Where it listens.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// The instances.
        #[arg(required = true)]
        instances: Vec<SocketAddr>,
    },
    /// Tells the words in a WAV file, and whose they are: one JSON object a line.
    Hear {
        /// What is listened to.
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ProvidersArgs {
    /// The first of seven ports: deepgram, openai, cartesia, elevenlabs, twilio, pagerduty, control. Free ones otherwise.
    #[arg(long)]
    port_base: Option<u16>,
    /// Single ports: deepgram=9101,openai=9102…
    #[arg(long, value_delimiter = ',')]
    ports: Vec<String>,
    /// Latencies in ms, `~` for jitter: connect=5,stt=100,llm=150~50,token=10,tts=80.
    #[arg(long, default_value = "")]
    latency: String,
    /// Faults: target[/model]=kind[@place][*times], such as llm=hang@start or openai/gpt-4o-mini=429:2*3.
    #[arg(long, value_delimiter = ',')]
    fault: Vec<Fault>,
    /// A JSON file with a list of rules for the language model (docs/rehearsal.md).
    #[arg(long)]
    rules: Option<PathBuf>,
    /// How the language model words its answers: fixed, or as told to be brief: sparing, chatty (docs/rehearsal.md).
    #[arg(long, default_value = "fixed")]
    manner: Manner,
    /// Words, beyond the common ones, that an STT understands.
    #[arg(long, default_value = "")]
    words: String,
    /// One more model that OpenAI serves.
    #[arg(long)]
    serve_model: Vec<String>,
    /// The seed of all jitter.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct DrillArgs {
    /// The server under test, which was started with the environment that `providers` prints.
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
    url: String,
    /// Its metrics.
    #[arg(long, default_value = "http://127.0.0.1:9090", value_name = "URL")]
    metrics: String,
    /// The rehearsal servers' control API.
    #[arg(long, value_name = "URL")]
    control: String,
    /// Only these stages.
    #[arg(long, value_delimiter = ',', value_enum, default_values = ["stt", "llm", "tts"])]
    stage: Vec<StageArg>,
    /// Only cells whose fault has this in it, such as hang or @mid.
    #[arg(long, default_value = "", value_name = "TEXT")]
    only: String,
    /// How often each cell is called.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    repeat: u32,
    /// Instead of the matrix: asks the same question so many times more, and prints what the caches save.
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u32).range(..=1_000))]
    again: u32,
    /// Longest that a provider may take to be used again once it is well, in seconds: longer than its rest.
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    recovery: u64,
}

#[derive(Debug, Args)]
pub(crate) struct SavingsArgs {
    /// The server's binary.
    #[arg(long, value_name = "FILE")]
    binary: PathBuf,
    /// The price list: config/prices.toml knows no price of some.
    #[arg(long, value_name = "FILE")]
    prices: PathBuf,
    /// Only settings whose name has this in it, beside those that are shipped.
    #[arg(long, default_value = "", value_name = "TEXT")]
    only: String,
    /// How many calls go on at once, each with a server of its own.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=20))]
    at_once: u64,
    /// Latencies of the rehearsal servers in ms, as for `providers`.
    #[arg(long, default_value = "stt=100,llm=150,tts=80")]
    latency: String,
    /// From the end of an answer to the caller's next words, in ms.
    #[arg(long, default_value_t = 2_500, value_name = "MS", value_parser = clap::value_parser!(u64).range(500..=60_000))]
    pause_ms: u64,
    /// Where the processes keep their data and logs; a new folder of the system's otherwise.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SurviveArgs {
    /// What ends.
    #[arg(value_enum)]
    what: WhatArg,
    /// The server's binary.
    #[arg(long, value_name = "FILE")]
    binary: PathBuf,
    /// How many callers there are by the browser's protocol.
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u64).range(..=1_000))]
    calls: u64,
    /// How many there are by telephone.
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u64).range(..=1_000))]
    phones: u64,
    /// How many instances there are.
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=20))]
    instances: u64,
    /// How many instances are killed, one after the other; each is replaced.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    kills: u64,
    /// From the start of a killed instance's successor to the next kill, in seconds.
    #[arg(long, default_value_t = 3, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=600))]
    between: u64,
    /// How often each of them says something, in seconds.
    #[arg(long, default_value_t = 12, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(5..=600))]
    pace: u64,
    /// How long they talk before it and after it, in seconds.
    #[arg(long, default_value_t = 25, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    talk: u64,
    /// How long Redis stands still, in seconds.
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=600))]
    stands: u64,
    /// Where the processes keep their data and logs; a new folder of the system's otherwise.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RegionArgs {
    /// The server's binary.
    #[arg(long, value_name = "FILE")]
    binary: PathBuf,
    /// The name server's.
    #[arg(long, default_value = "gdnsd", value_name = "FILE")]
    gdnsd: PathBuf,
    /// How many callers there are.
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    calls: u64,
    /// How often each of them says something, in seconds.
    #[arg(long, default_value_t = 8, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(5..=600))]
    pace: u64,
    /// How long they talk before the region is killed, in the standby, and after the failback, in seconds.
    #[arg(long, default_value_t = 25, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    talk: u64,
    /// Where the processes keep their data and logs; a new folder of the system's otherwise.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// What ends in a drill, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WhatArg {
    Kill,
    Deploy,
    Redis,
    Sentinel,
}

/// A stage, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StageArg {
    Stt,
    Llm,
    Tts,
}

pub(crate) fn run(command: Command) -> Result<()> {
    match command {
        Command::Drill(args) => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(drill(args))
        }
        Command::Savings(args) => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(savings(args))
        }
        Command::Survive(args) => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(survive(args))
        }
        Command::Region(args) => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(region(args))
        }
        Command::Balance { listen, instances } => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(balance(listen, &instances))
        }
        Command::Providers(args) => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(serve(args))
        }
        Command::Say { text, file, rate, silence_ms } => {
            let silence = vec![0; usize::try_from(silence_ms * u64::from(rate) / 1_000)?];
            let pcm = [&silence[..], &say(&text, rate), &silence].concat();
            std::fs::write(&file, wav(&pcm, rate)).with_context(|| file.display().to_string())
        }
        Command::Hear { file } => {
            let (pcm, rate) = parse_wav(&read(&file)?).with_context(|| file.display().to_string())?;
            let mut out = std::io::stdout().lock();
            for word in decode_words(&pcm, rate) {
                writeln!(out, "{}", serde_json::to_string(&word)?)?;
            }
            for overlap in overlaps(&pcm, rate) {
                writeln!(out, "{}", serde_json::json!({"two_voices_at_once": overlap}))?;
            }
            Ok(())
        }
    }
}

fn read(file: &PathBuf) -> Result<Vec<u8>> {
    let size = std::fs::metadata(file).with_context(|| file.display().to_string())?.len();
    if size > LARGEST_FILE {
        bail!("{} is larger than {LARGEST_FILE} bytes", file.display());
    }
    std::fs::read(file).with_context(|| file.display().to_string())
}

fn script(args: ProvidersArgs) -> Result<Script> {
    let mut ports = BTreeMap::new();
    let mut control = 0;
    if let Some(base) = args.port_base {
        let port = |offset: u16| base.checked_add(offset).context("the ports end at 65535");
        for (offset, provider) in (0..).zip(Provider::ALL) {
            ports.insert(provider, port(offset)?);
        }
        control = port(u16::try_from(Provider::ALL.len())?)?;
    }
    for pair in &args.ports {
        let (name, port) = pair.split_once('=').with_context(|| format!("{pair:?} is not name=port"))?;
        let port = port.parse().with_context(|| format!("{pair:?} has no port"))?;
        match name {
            "control" => control = port,
            _ => drop(ports.insert(name.parse().map_err(anyhow::Error::msg)?, port)),
        }
    }
    let rules: Vec<Rule> = match &args.rules {
        None => Vec::new(),
        Some(file) => serde_json::from_slice(&read(file)?).with_context(|| file.display().to_string())?,
    };
    let mut script = Script {
        seed: args.seed,
        ports,
        control_port: Some(control),
        latencies: parse_latencies(&args.latency).map_err(anyhow::Error::msg)?,
        faults: args.fault,
        rules,
        manner: args.manner,
        words: args.words,
        ..Script::default()
    };
    script.models.extend(args.serve_model);
    Ok(script)
}

/// Serves until Ctrl-C or SIGTERM.
async fn serve(args: ProvidersArgs) -> Result<()> {
    let servers = ProviderServers::start(script(args)?).await?;
    {
        let mut out = std::io::stdout().lock();
        for (name, value) in servers.env() {
            writeln!(out, "export {name}={value}")?;
        }
        if let Some(url) = servers.control_url() {
            writeln!(out, "# control: {url}/control/fault, /control/latency, /control/journal")?;
        }
        out.flush()?;
    }
    until_stopped().await?;
    servers.stop();
    Ok(())
}

/// Waits for Ctrl-C or SIGTERM.
async fn until_stopped() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Balances until Ctrl-C or SIGTERM.
async fn balance(listen: SocketAddr, instances: &[SocketAddr]) -> Result<()> {
    let balanced = Balanced::start(listen, instances).await?;
    {
        let mut out = std::io::stdout().lock();
        writeln!(out, "http://{}", balanced.address())?;
        out.flush()?;
    }
    until_stopped().await
}

/// Asks the same question in one call after another, and prints what that costs and how long it takes.
async fn ask_again(drill: &Drill, times: u32) -> Result<()> {
    let user = format!("again-{}", std::process::id());
    let mut out = std::io::stdout().lock();
    writeln!(out, "| \"{}\", asked | Latency, ms | of it model, tools and voice, ms | Spent, µ$ |", Says::List.text())?;
    writeln!(out, "|---|--:|--:|--:|")?;
    for time in 0..=times {
        let outcome = drill.call(Says::List, None, &user).await?;
        let name = if time == 0 { "first".to_owned() } else { format!("again ({time})") };
        let ms = |value: Option<u64>| value.map_or_else(|| "–".to_owned(), |ms| ms.to_string());
        let (latency, answered) = (ms(outcome.latency_ms), ms(outcome.answered_ms));
        writeln!(out, "| {name} | {latency} | {answered} | {:.1} |", outcome.spent_nanousd as f64 / 1_000.0)?;
    }
    Ok(())
}

/// Calls every cell, and prints the table. Fails if a caller heard something else than in a healthy call.
async fn drill(args: DrillArgs) -> Result<()> {
    let drill = Drill::new(&args.url, &args.metrics, &args.control, Duration::from_secs(args.recovery))?;
    drill.check().await?;
    let stages = args.stage.iter().map(|stage| match stage {
        StageArg::Stt => Stage::Stt,
        StageArg::Llm => Stage::Llm,
        StageArg::Tts => Stage::Tts,
    });
    if args.again > 0 {
        return ask_again(&drill, args.again).await;
    }
    let mut cells = Vec::new();
    for stage in stages {
        cells.extend(matrix(stage).map_err(anyhow::Error::msg)?);
    }
    cells.retain(|cell| cell.fault.to_string().contains(&args.only));
    if cells.is_empty() {
        bail!("no cell has {:?} in it", args.only);
    }
    let user = |number: usize| format!("drill-{}-{number}", std::process::id());
    // The first two find out what a server does for the first time.
    let mut healthy = Vec::new();
    for (number, says) in [Says::Task, Says::Talk, Says::Task, Says::Talk].into_iter().enumerate() {
        healthy.push(drill.call(says, None, &user(number)).await.context("the healthy call")?);
    }
    let (Some(talk), Some(task)) = (healthy.pop(), healthy.pop()) else { bail!("no healthy call") };
    let (mut rows, mut troubles) = (Vec::new(), Vec::new());
    for (number, cell) in (4..).zip(cells.iter().flat_map(|cell| (0..args.repeat).map(move |_| cell))) {
        let healthy = if cell.says == Says::Task { &task } else { &talk };
        let outcome = drill.call(cell.says, Some(cell), &user(number)).await.with_context(|| cell.fault.to_string())?;
        let problems = outcome.problems(cell, healthy);
        for problem in problems {
            let trouble = format!("{} ({:?}): {problem}", cell.fault, cell.says);
            writeln!(std::io::stderr(), "{trouble}\n  {outcome:?}")?;
            troubles.push(trouble);
        }
        rows.push((cell.clone(), outcome, healthy.clone()));
    }
    troubles.extend(too_slow(&rows));
    let mut out = std::io::stdout().lock();
    let ms = |value: Option<u64>| value.map_or_else(|| "no answer".to_owned(), |ms| format!("{ms} ms"));
    writeln!(out, "Healthy calls: {} (with a tool), {} (without).\n", ms(task.latency_ms), ms(talk.latency_ms))?;
    writeln!(out, "{}\n{}", markdown(&rows), summary(&rows))?;
    for trouble in &troubles {
        writeln!(out, "- {trouble}")?;
    }
    if !troubles.is_empty() {
        bail!("{} things were not as they should be", troubles.len());
    }
    Ok(())
}

/// Holds the conversation under each setting. Fails if one of them broke it.
async fn savings(args: SavingsArgs) -> Result<()> {
    let folder = folder_of(args.folder)?;
    let savings = Savings {
        binary: args.binary,
        prices: args.prices,
        only: args.only,
        at_once: usize::try_from(args.at_once)?,
        latency: args.latency,
        pause: Duration::from_millis(args.pause_ms),
    };
    let (table, problems) = savings.run(&folder).await?;
    tell(&table, &problems, &folder)
}

/// Ends something in the midst of calls. Fails if a caller lost more than a moment.
async fn survive(args: SurviveArgs) -> Result<()> {
    if args.calls + args.phones == 0 {
        bail!("nobody calls: --calls and --phones are both 0");
    }
    let folder = folder_of(args.folder)?;
    let drill = Survive {
        binary: args.binary,
        what: match args.what {
            WhatArg::Kill => What::Kill,
            WhatArg::Deploy => What::Deploy,
            WhatArg::Redis => What::Redis,
            WhatArg::Sentinel => What::Sentinel,
        },
        calls: usize::try_from(args.calls)?,
        phones: usize::try_from(args.phones)?,
        instances: usize::try_from(args.instances)?,
        kills: usize::try_from(args.kills)?,
        between: Duration::from_secs(args.between),
        pace: Duration::from_secs(args.pace),
        talk: Duration::from_secs(args.talk),
        stands: Duration::from_secs(args.stands),
    };
    let (table, problems) = drill.run(&folder).await?;
    tell(&table, &problems, &folder)
}

/// Prints what was found. Without problems nobody needs the logs.
fn tell(table: &str, problems: &[String], folder: &Path) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{table}")?;
    for problem in problems {
        writeln!(out, "- {problem}")?;
    }
    if !problems.is_empty() {
        bail!("{} things were not as they should be; the logs are in {}", problems.len(), folder.display());
    }
    std::fs::remove_dir_all(folder).with_context(|| folder.display().to_string())
}

/// A folder for a drill's processes.
fn folder_of(wanted: Option<PathBuf>) -> Result<PathBuf> {
    let name = || std::env::temp_dir().join(format!("voice-sim-drill-{}", std::process::id()));
    let folder = wanted.unwrap_or_else(name);
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
}

/// Kills a region in the midst of calls. Fails if something was lost that should not be.
async fn region(args: RegionArgs) -> Result<()> {
    let folder = folder_of(args.folder)?;
    let drill = Region {
        binary: args.binary,
        gdnsd: args.gdnsd,
        calls: usize::try_from(args.calls)?,
        pace: Duration::from_secs(args.pace),
        talk: Duration::from_secs(args.talk),
    };
    let (table, problems) = drill.run(&folder).await?;
    tell(&table, &problems, &folder)
}
