//! What is validated, and by what.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use voice_caller::browser::{Call, Session};

use super::ValidateArgs;
use super::criterion::Halt;
use super::order;
use super::prometheus::Prometheus;
use super::speaker::Speaker;
use super::web::Web;
use crate::config::Config;

/// What only a window of this length, or a longer one, can validate.
pub(super) const FULL_WINDOW: Duration = Duration::from_secs(24 * 3_600);
/// The largest answer of `--config-command` that is read, in bytes.
const LARGEST_CONFIG: usize = 1024 * 1024;

/// A deployment, as its operator describes it.
#[derive(Debug)]
pub(super) struct Deployment {
    pub(super) args: ValidateArgs,
    /// What Twilio would sign with, and which address it would sign.
    pub(super) config: Config,
    pub(super) client: reqwest::Client,
    pub(super) speaker: Speaker,
    /// The settings that the deployment says it has; without secrets.
    pub(super) settings: Option<Value>,
    /// A name for what this run leaves behind, of hexadecimal digits.
    pub(super) run: String,
    /// When it began.
    pub(super) began: jiff::Timestamp,
    /// A provider was made to fail, and is not well again.
    pub(super) ailing: AtomicBool,
}

impl Deployment {
    /// Asks the deployment for its settings, where a command for that was given.
    pub(super) async fn new(args: ValidateArgs, config: Config, folder: PathBuf) -> Result<Self> {
        let client = reqwest::Client::builder().pool_max_idle_per_host(1).build().context("the HTTP client")?;
        let settings = match &args.config_command {
            Some(command) => Some(settings(&order::run("--config-command", command, &[]).await?)?),
            None => None,
        };
        let speaker = Speaker { command: args.speech_command.clone(), models_dir: config.models_dir.clone(), folder };
        let run = crate::http::random_hex::<4>().context("no randomness")?;
        Ok(Self {
            args,
            config,
            client,
            speaker,
            settings,
            run,
            began: jiff::Timestamp::now(),
            ailing: AtomicBool::new(false),
        })
    }

    /// Why this run is a rehearsal, and validates nothing; empty when it is none.
    pub(super) fn rehearsal(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.args.rehearsal {
            reasons.push("--rehearsal was given".to_owned());
        }
        if self.args.window < FULL_WINDOW {
            reasons.push(format!("the window is {} s, not 24 h", self.args.window.as_secs()));
        }
        if self.args.rehearsal_control.is_some() {
            reasons.push("the providers are rehearsal servers".to_owned());
        }
        if !self.args.only.is_empty() {
            reasons.push("--only leaves criteria out".to_owned());
        }
        let local = self.settings.as_ref().map(local_providers).unwrap_or_default();
        if !local.is_empty() {
            reasons.push(format!("played on this machine: {}", local.join(", ")));
        }
        reasons
    }

    /// Where metrics are.
    pub(super) fn prometheus(&self) -> Result<Prometheus, Halt> {
        let url = self.args.prometheus.as_ref();
        let url = url.ok_or_else(|| Halt::NotRun("--prometheus does not say where the metrics are".to_owned()))?;
        Ok(Prometheus::new(Web::new(&self.client, url)))
    }

    /// The versions of the instances that Prometheus scrapes.
    pub(super) async fn versions(&self) -> Result<String> {
        let running = self.prometheus()?.query("count by (version) (voice_build_info)").await?;
        let versions: Vec<&str> = running.iter().map(|one| one.label("version")).collect();
        anyhow::ensure!(!versions.is_empty(), "no instance says its version (voice_build_info)");
        Ok(versions.join(", "))
    }

    /// A new session of a user of this run's own, or of whom the bearer token names.
    pub(super) async fn session(&self, who: &str) -> Result<Session> {
        let mut body = json!({"channel": "browser", "time_zone": "UTC"});
        let bearer = self.args.bearer_token.as_deref();
        if bearer.is_none() {
            body["user_id"] = json!(format!("validate-{}-{who}", self.run));
        }
        Session::begin(&self.client, &self.args.url, bearer, &body).await
    }

    /// A call by browser whose greeting was heard out. The caller's list is empty: what is on it afterwards came of the call.
    pub(super) async fn call(&self, who: &str) -> Result<Call> {
        let session = self.session(who).await?;
        let tasks = session.tasks().await?.len();
        anyhow::ensure!(
            tasks == 0,
            "the caller has {tasks} tasks already: --bearer-token must be of a user of its own, whose list is empty"
        );
        let mut call = Call::connect(session).await?;
        if !call.session.greeting.is_empty() {
            anyhow::ensure!(call.hear_out(self.args.patience()).await?, "the greeting was not heard to its end");
        }
        Ok(call)
    }
}

/// The settings in what `voice-agent check-config --json` prints.
fn settings(printed: &[u8]) -> Result<Value> {
    anyhow::ensure!(printed.len() <= LARGEST_CONFIG, "--config-command prints more than {LARGEST_CONFIG} bytes");
    let said: Value = serde_json::from_slice(printed).context("--config-command prints no JSON")?;
    anyhow::ensure!(said["config"].is_object(), "--config-command prints no `config`, as check-config --json does");
    Ok(said["config"].clone())
}

/// Whether this is an address that only a machine or a network of one's own has: what answers there is no paid provider.
fn is_ours(host: &str) -> bool {
    match host.trim_matches(['[', ']']).parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(ip)) => {
            ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified()
        }
        Ok(std::net::IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unspecified(),
        // A name without a dot is one of the cluster's, or of the machine's own.
        Err(_) => !host.contains('.') || [".local", ".svc", ".internal"].iter().any(|end| host.ends_with(end)),
    }
}

/// The providers whose address is this machine's, or this network's.
fn local_providers(settings: &Value) -> Vec<String> {
    let is_local = |section: &Value| {
        let url = section["base_url"].as_str().and_then(|url| reqwest::Url::parse(url).ok());
        url.is_some_and(|url| url.host_str().is_some_and(is_ours))
    };
    let sections = settings.as_object().into_iter().flatten();
    sections.filter(|(_, section)| is_local(section)).map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rehearsal_servers_are_known_by_their_address() {
        let settings = json!({
            "deepgram": {"base_url": "ws://127.0.0.1:9101"}, "openai": {"base_url": "https://api.openai.com/v1"},
            "cartesia": {"base_url": "http://localhost:1"}, "elevenlabs": {"base_url": ""}, "region": "x"});
        assert_eq!(local_providers(&settings), ["cartesia", "deepgram"]);
        for host in ["10.244.0.1", "[::1]", "rehearsal", "providers.voice.svc.cluster.local", "127.9.9.9", "[fd00::1]"]
        {
            assert!(is_ours(host), "{host}");
        }
        for host in ["api.deepgram.com", "8.8.8.8", "eu.api.example.com"] {
            assert!(!is_ours(host), "{host}");
        }
    }

    #[test]
    fn settings_are_what_check_config_prints() {
        assert_eq!(settings(br#"{"ok": true, "config": {"a": 1}}"#).unwrap(), json!({"a": 1}));
        assert!(settings(b"").is_err() && settings(br#"{"ok": false}"#).is_err());
    }
}
