//! `voice-agent recordings`: what there is of recordings, and who looked at it.

use std::collections::BTreeMap;
use std::future::Future;

use anyhow::{Context as _, bail};
use reqwest::Method;
use serde_json::Value;

use super::reach::{Reach, ReachArgs};
use super::{Failure, out};
use crate::access_log::{Elsewhere, Finding, Findings, MAX_REASON, SEAL, Sealed};
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
    /// Writes down why a log is not as it was written: a line of the access log itself. The audit names it as sealed from then on.
    Seal {
        /// The log, as the audit names it.
        log: String,
        /// Why: a process that was killed in the middle of a line, a disk that was lost.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        reach: ReachArgs,
    },
}

pub(super) fn run(loaded: Loaded, verb: &Verb) -> Result<(), Failure> {
    let config = loaded.config;
    let work = async {
        match verb {
            Verb::Audit { json, reach } => audit(&config, *json, reach).await,
            Verb::Seal { log, reason, reach } => seal(&config, log, reason, reach).await,
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
        let mut elsewhere: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for Elsewhere { lines, place, .. } in &found.elsewhere {
            let (logs, all) = elsewhere.entry(place).or_default();
            (*logs, *all) = (*logs + 1, all.saturating_add(*lines));
        }
        for (place, (logs, lines)) in elsewhere {
            out::line(&format!(
                "{logs} logs with {lines} lines are not on this disk but on {place}: audit them there"
            ))?;
        }
        for Sealed { log, at, role, reason, findings } in &found.sealed {
            out::line(&format!("{log}: broken, and sealed at {at} by the {}: {reason}", role.as_str()))?;
            findings.iter().try_for_each(tell)?;
        }
        found.findings.iter().try_for_each(tell)?;
    }
    if !found.findings.is_empty() {
        bail!("the access log is not as it was written: {} findings", found.findings.len());
    }
    if !json {
        let but = if found.sealed.is_empty() { "" } else { ", but for what is sealed" };
        let here = if found.elsewhere.is_empty() { "" } else { " on this disk" };
        out::line(&format!("The access log is whole{here}{but}."))?;
    }
    Ok(())
}

fn tell(finding: &Finding) -> anyhow::Result<()> {
    out::line(&format!("{}, line {}: {}", finding.log, finding.line, finding.what))
}

async fn seal(config: &Config, log: &str, reason: &str, reach: &ReachArgs) -> anyhow::Result<()> {
    if reason.trim().is_empty() || reason.chars().count() > MAX_REASON || reason.chars().any(char::is_control) {
        bail!("--reason must say in at most {MAX_REASON} characters why the log is not as it was written");
    }
    match Reach::find(config, reach, &[("AUDITOR_TOKEN", &config.secrets.auditor_token)])? {
        Reach::Alone(alone) => {
            let seal = alone.desk.seal(log, reason).await?;
            let seal = seal.with_context(|| format!("the audit finds nothing in {log} that is not sealed"))?;
            alone.write(SEAL, seal.to_of()).await?;
        }
        Reach::Server(server) => {
            let body = serde_json::json!({"log": log, "reason": reason});
            server.call(Method::POST, "/api/admin/access-log", Some(&body)).await?;
        }
    }
    out::line(&format!("{log} is sealed."))
}
