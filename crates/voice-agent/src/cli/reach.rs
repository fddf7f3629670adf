//! How a command comes at what a server keeps: directly, or through the server that is using it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use tokio_util::task::TaskTracker;

use crate::access_log::{Access, AccessLog, Role};
use crate::config::{Config, Secret};
use crate::privacy::Desk;
use crate::readiness::Readiness;
use crate::recording::{self, Recorder};
use crate::store::{
    InstanceId, RedisOptions, RedisStore, SqliteOptions, SqliteStore, Store, StoreError, SystemClock, UserId,
};
use crate::telemetry::{Events, Metrics};
use crate::vault::{self, Vault};

/// How long a server may be silent: an erasure waits for calls to end and for files to be written anew.
const PATIENCE: Duration = Duration::from_secs(60);

/// Arguments of every command that looks at what a server keeps.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ReachArgs {
    /// Ask the server at this address, like https://voice.example.com; without, what it keeps is looked at directly, and the server that
    /// is using it on this machine is asked if there is one.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

/// The way.
pub(super) enum Reach {
    /// Nobody else is using it.
    Alone(Box<Alone>),
    /// A server has it.
    Server(Remote),
}

/// What a server keeps, and the log of who looks at it.
pub(super) struct Alone {
    pub(super) desk: Desk,
    log: Option<AccessLog>,
}

/// A server.
pub(super) struct Remote {
    url: String,
    token: Secret,
    client: reqwest::Client,
}

impl Reach {
    /// Finds the way. `tokens` are those of the roles that may do what is wanted, in the order in which they are tried.
    pub(super) fn find(config: &Config, args: &ReachArgs, tokens: &[(&str, &Option<Secret>)]) -> anyhow::Result<Self> {
        if let Some(url) = &args.server {
            return Remote::new(url, tokens).map(Self::Server);
        }
        let store: Arc<dyn Store> = match &config.secrets.redis_url {
            Some(url) => Arc::new(RedisStore::new(url.reveal(), RedisOptions::default())?),
            None => match SqliteStore::open(&config.data_dir, SqliteOptions::default()) {
                Ok(store) => Arc::new(store),
                Err(StoreError::Locked(_)) => return Remote::new(&local(config), tokens).map(Self::Server),
                Err(error) => return Err(error).context("the store"),
            },
        };
        let master = vault::load_master(config)?;
        let kms =
            master.context("there is no master key here: instances that share a Redis need RECORDING_MASTER_KEY")?;
        let vault = Arc::new(Vault::new(Arc::clone(&store), kms));
        let clock = Arc::new(SystemClock);
        let log = config.recording.access_logging.then(|| {
            let instance = InstanceId::new(format!("command-{}", std::process::id()));
            AccessLog::new(&config.data_dir, instance, Arc::clone(&store), Arc::clone(&vault), clock.clone())
        });
        let recorder = recorder(config, &vault)?;
        let desk = Desk::alone(config.clone(), store, vault, recorder, clock);
        Ok(Self::Alone(Box::new(Alone { desk, log })))
    }
}

/// What recordings are read and deleted with; nothing is recorded.
fn recorder(config: &Config, vault: &Arc<Vault>) -> anyhow::Result<Arc<Recorder>> {
    let events = Arc::new(Events::new(Metrics::new("none", &[])));
    let parts = recording::Parts {
        settings: config.recording.clone(),
        vault: Arc::clone(vault),
        readiness: Arc::new(Readiness::starting(Arc::clone(&events))),
        events,
        clock: Arc::new(SystemClock),
        tracker: TaskTracker::new(),
    };
    Recorder::new(parts, &config.data_dir, "command").context("the recordings' storage")
}

/// Where the server of this machine listens.
fn local(config: &Config) -> String {
    let addr = config.http.addr.0;
    let host = match addr.ip() {
        ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
        IpAddr::V6(ip) => format!("[{ip}]"),
        IpAddr::V4(ip) => ip.to_string(),
    };
    format!("http://{host}:{}", addr.port())
}

impl Alone {
    /// Writes something down that is nothing without it.
    pub(super) async fn write(&self, action: &'static str, of: String) -> anyhow::Result<()> {
        let log = self.log.as_ref().context("no accesses are written down here (RECORDING_ACCESS_LOGGING)")?;
        let access = Access { role: Role::Command, action, user: String::new(), of };
        log.note(&access).await.context("the access log")
    }

    /// Writes down what is done; it is not done otherwise.
    pub(super) async fn note(&self, action: &'static str, user: Option<&UserId>) -> anyhow::Result<()> {
        let Some(log) = &self.log else { return Ok(()) };
        let access = Access { role: Role::Command, action, user: String::new(), of: String::new() };
        let noted = match user {
            Some(user) => log.note_of(access, user).await,
            None => log.note(&access).await,
        };
        noted.context("the access log")
    }
}

impl Remote {
    fn new(url: &str, tokens: &[(&str, &Option<Secret>)]) -> anyhow::Result<Self> {
        let Some(token) = tokens.iter().find_map(|(_, token)| token.as_ref()) else {
            let names: Vec<&str> = tokens.iter().map(|(name, _)| *name).collect();
            bail!("the server at {url} has the data: set {} as it has it", names.join(" or "));
        };
        let client = reqwest::Client::builder().read_timeout(PATIENCE).build()?;
        Ok(Self { url: url.trim_end_matches('/').to_owned(), token: token.clone(), client })
    }

    /// Makes a call; what the server refuses is an error with its sentence.
    pub(super) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Response> {
        let mut request = self.client.request(method, format!("{}{path}", self.url)).bearer_auth(self.token.reveal());
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.map_err(reqwest::Error::without_url).context("the server does not answer")?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let problem: Value = serde_json::from_slice(&answer.bytes().await.unwrap_or_default()).unwrap_or_default();
        let detail = problem.get("detail").and_then(Value::as_str).unwrap_or_default().to_owned();
        if status == StatusCode::FORBIDDEN || status == StatusCode::UNAUTHORIZED {
            bail!("the server refuses: {detail}");
        }
        bail!("the server answered {status}: {detail}")
    }
}
