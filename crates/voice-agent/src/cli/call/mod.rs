//! `voice-agent call`: a caller with a microphone that is a file, or many of them.

mod caller;
mod report;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures_util::StreamExt as _;

use self::caller::{Plan, call};
use self::report::{CallReport, print};
use super::Failure;
use crate::audio::frame::RATE_16K;
use crate::audio::resample::read_wav;
use crate::config::Config;
use crate::embedded;
use anyhow::Context as _;

/// What a caller says, and to whom.
#[derive(Debug, Args)]
pub struct CallArgs {
    /// The server.
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
    url: String,
    #[command(flatten)]
    speech: Speech,
    /// Say whose tasks it is about.
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// The caller's time zone.
    #[arg(long, value_name = "IANA", default_value = "UTC")]
    time_zone: String,
    /// How many calls; more than one prints a table of percentiles.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    calls: u32,
    /// How many calls at once, when there are several.
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    at_once: u32,
    /// Longest wait for the greeting, and for the answer, in seconds.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    timeout: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What is said: one of the two.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Speech {
    /// A WAV file to say.
    #[arg(long, value_name = "FILE")]
    wav: Option<PathBuf>,
    /// A text to say, with the embedded voice.
    #[arg(long, value_name = "TEXT")]
    say: Option<String>,
}

/// Calls, and prints how it went.
pub(super) fn run(config: &Config, args: &CallArgs) -> Result<(), Failure> {
    let speech = match (&args.speech.wav, &args.speech.say) {
        (Some(path), _) => read_wav(path, 16_000)
            .with_context(|| format!("--wav {}", path.display()))
            .map_err(|error| Failure::Usage(format!("{error:#}")))?,
        (None, Some(text)) => embedded::say(&config.models_dir, text, RATE_16K)?,
        (None, None) => return Err(Failure::Usage("--wav or --say says what to say".to_owned())),
    };
    let plan =
        Plan::new(&args.url, speech, args.user.clone(), args.time_zone.clone(), Duration::from_secs(args.timeout))
            .map_err(Failure::Usage)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the runtime")?;
    let reports = runtime.block_on(all(Arc::new(plan), args));
    print(&reports, args.json)?;
    let failed = reports.iter().filter(|report| report.error.is_some()).count();
    if failed > 0 {
        return Err(anyhow::anyhow!("{failed} of {} calls failed", reports.len()).into());
    }
    Ok(())
}

async fn all(plan: Arc<Plan>, args: &CallArgs) -> Vec<CallReport> {
    let at_once = usize::try_from(args.at_once).unwrap_or(usize::MAX);
    futures_util::stream::iter(0..args.calls)
        .map(|_| {
            let plan = Arc::clone(&plan);
            // A task of its own each, so that one call's work does not make another's frames late.
            async move {
                tokio::spawn(async move { call(&plan).await })
                    .await
                    .unwrap_or_else(|error| CallReport::failed(error.to_string()))
            }
        })
        .buffer_unordered(at_once)
        .collect()
        .await
}
