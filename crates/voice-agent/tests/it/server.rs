//! The server under test.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use voice_agent::app::{App, Parts, Server};
use voice_agent::config::{Config, ListenAddr};
use voice_agent::sessions::SpawnSession;
use voice_agent::store::{InstanceId, RedisOptions, RedisStore, SqliteOptions, SqliteStore, Store, SystemClock};
use voice_agent::telemetry::{Events, Metrics};

use crate::fake;
use crate::socket::Socket;

/// A session as a caller has it.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) body: Value,
}

/// A running server with a data folder of its own.
pub(crate) struct TestServer {
    server: Server,
    client: reqwest::Client,
    pub(crate) store: Arc<dyn Store>,
    data: Arc<tempfile::TempDir>,
    killed: CancellationToken,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With settings changed.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::on(Arc::new(tempfile::tempdir().unwrap()), change, faked).await
    }

    /// With settings changed, and sessions that somebody else starts.
    pub(crate) async fn spawning(
        change: impl FnOnce(&mut Config),
        spawner: impl FnOnce(&Ground) -> SpawnSession,
    ) -> Self {
        Self::on(Arc::new(tempfile::tempdir().unwrap()), change, spawner).await
    }

    async fn on(
        data: Arc<tempfile::TempDir>,
        change: impl FnOnce(&mut Config),
        spawner: impl FnOnce(&Ground) -> SpawnSession,
    ) -> Self {
        let any_port = ListenAddr(SocketAddr::from(([127, 0, 0, 1], 0)));
        let mut config = Config::default();
        config.http.addr = any_port;
        config.metrics.addr = any_port;
        config.data_dir = data.path().to_owned();
        config.shutdown.grace_ms = 0;
        config.data_dir = data.path().to_owned();
        change(&mut config);
        let store = open_store(&config);
        let killed = CancellationToken::new();
        let events = Arc::new(Events::new(Metrics::new("rules", &["add_task"])));
        let ground = Ground { store: Arc::clone(&store), events: Arc::clone(&events), config, killed: killed.clone() };
        let parts = Parts {
            spawn: spawner(&ground),
            store: Arc::clone(&store),
            clock: Arc::new(SystemClock),
            events,
            instance: InstanceId::new(voice_agent::http::random_hex::<8>().unwrap()),
            config: ground.config,
        };
        let server = Server::start(App::new(parts).unwrap()).unwrap();
        server.ready();
        Self { server, client: reqwest::Client::new(), store, data, killed }
    }

    /// As `kill -9` and a new process would have it: nothing is said to anybody, and what is on the disk is there.
    pub(crate) async fn restart(self) -> Self {
        self.restart_with(|_| {}).await
    }

    /// The same, with settings changed.
    pub(crate) async fn restart_with(self, change: impl FnOnce(&mut Config)) -> Self {
        let Self { server, store, data, killed, .. } = self;
        killed.cancel();
        server.shutdown().await;
        // The lock on the folder goes with the last owner of the store: the tasks of the sessions.
        let weak = Arc::downgrade(&store);
        drop(store);
        soon("the store is let go of", async || weak.strong_count() == 0).await;
        Self::on(data, change, faked).await
    }

    /// Where the server keeps what it keeps.
    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    pub(crate) async fn shutdown(self) {
        self.server.shutdown().await;
    }

    pub(crate) fn app(&self) -> &Arc<App> {
        self.server.app()
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.server.http_addr()
    }

    pub(crate) fn app_metrics_addr(&self) -> SocketAddr {
        self.server.metrics_addr()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr())
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, self.url(path))
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Response {
        self.request(Method::GET, path).bearer_auth(token).send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> Response {
        self.request(Method::POST, path).bearer_auth(token).json(body).send().await.unwrap()
    }

    pub(crate) async fn session(&self, user: &str) -> Session {
        self.session_of(&json!({"user_id": user})).await
    }

    pub(crate) async fn session_of(&self, body: &Value) -> Session {
        let response = self.request(Method::POST, "/api/sessions").json(body).send().await.unwrap();
        assert_eq!(response.status(), 201);
        let body: Value = response.json().await.unwrap();
        let text = |field: &str| body[field].as_str().unwrap().to_owned();
        Session { id: text("session_id"), token: text("token"), body }
    }

    /// An open socket of the session, its `ready` already read.
    pub(crate) async fn voice(&self, session: &Session) -> Socket {
        let mut socket = Socket::open(self.addr(), &session.id, &session.token).await;
        let ready = socket.event("ready").await;
        assert_eq!(ready["session_id"], session.id);
        socket
    }

    pub(crate) async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.server.metrics_addr());
        let response = self.client.get(url).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        response.text().await.unwrap()
    }

    /// The value of a series, written as Prometheus does.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let text = self.metrics().await;
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no series {series} in\n{text}")).parse().unwrap()
    }

    /// Waits until a series has a value: what is counted after a socket closed is counted soon.
    pub(crate) async fn metric_becomes(&self, series: &str, value: f64) {
        soon(series, async || self.metric(series).await == value).await;
    }
}

/// Waits until something is so; gives up when it will not be.
pub(crate) async fn soon(what: &str, is_so: impl AsyncFn() -> bool) {
    for _ in 0..2_000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}

/// What sessions stand on.
pub(crate) struct Ground {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) events: Arc<Events>,
    pub(crate) config: Config,
    pub(crate) killed: CancellationToken,
}

fn faked(ground: &Ground) -> SpawnSession {
    fake::spawner(Arc::clone(&ground.store), ground.config.limits.command_queue, ground.killed.clone())
}

fn open_store(config: &Config) -> Arc<dyn Store> {
    match &config.secrets.redis_url {
        Some(url) => Arc::new(RedisStore::new(url.reveal(), RedisOptions::default()).unwrap()),
        None => Arc::new(SqliteStore::open(&config.data_dir, SqliteOptions::default()).unwrap()),
    }
}

/// Asserts a problem document, and gives its body.
pub(crate) async fn problem(response: Response, status: u16, code: &str) -> Value {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let body: Value = response.json().await.unwrap();
    assert_eq!((body["status"].as_u64(), body["code"].as_str()), (Some(u64::from(status)), Some(code)), "{body}");
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
    body
}
