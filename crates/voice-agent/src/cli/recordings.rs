//! `voice-agent recordings`: what there is of recordings, and who looked at it.

use std::future::Future;

use anyhow::{Context as _, bail};
use reqwest::Method;
use serde_json::Value;

use super::reach::{Reach, ReachArgs};
use super::{Failure, out};
use crate::access_log::Findings;
use crate::config::{Config, Loaded};

/// What `voice-agent recordings` can do.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Whether the access log is whole: every line that was removed, changed, moved or cut off is named.
    Audit {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        reach: ReachArgs,
    },
}

pub(super) fn run(loaded: Loaded, verb: &Verb) -> Result<(), Failure> {
    let config = loaded.config;
    let work = async {
        match verb {
            Verb::Audit { json, reach } => audit(&config, *json, reach).await,
        }
    };
    block_on(work).map_err(Into::into)
}

/// Runs a command that waits for something.
pub(super) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.context("the runtime")?.block_on(work)
}

async fn audit(config: &Config, json: bool, reach: &ReachArgs) -> anyhow::Result<()> {
    let secrets = &config.secrets;
    let tokens = [("AUDITOR_TOKEN", &secrets.auditor_token), ("PRIVACY_TOKEN", &secrets.privacy_token)];
    let found: Findings = match Reach::find(config, reach, &tokens)? {
        Reach::Alone(alone) => alone.desk.audit().await?,
        Reach::Server(server) => {
            let answer = server.call(Method::GET, "/api/admin/access-log", None).await?;
            let mut told: Value = serde_json::from_slice(&answer.bytes().await.map_err(reqwest::Error::without_url)?)?;
            serde_json::from_value(told["audit"].take()).context("the server's answer")?
        }
    };
    if json {
        out::line(&serde_json::to_string(&found)?)?;
    } else {
        out::line(&format!("{} logs, {} lines", found.logs, found.lines))?;
        for finding in &found.findings {
            out::line(&format!("{}, line {}: {}", finding.log, finding.line, finding.what))?;
        }
    }
    if !found.findings.is_empty() {
        bail!("the access log is not as it was written: {} findings", found.findings.len());
    }
    if !json {
        out::line("The access log is whole.")?;
    }
    Ok(())
}
