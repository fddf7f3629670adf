//! The connection: opened when it is needed, opened anew when it failed, and every wait on it has a deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::sentinel::SentinelClient;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, ScriptInvocation, ServerErrorKind};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::reply::Reply;
use crate::store::StoreError;

/// While nobody has heard from Redis since it let somebody wait for the whole deadline, others wait for one part in so many: a
/// caller's turn needs several answers in a row, and each of them would come too late.
const SUSPECTED_SHARE: u32 = 5;

/// Where the Redis is.
pub(super) enum Source {
    /// At one address.
    Server(Box<Client>),
    /// Wherever the Sentinels say that the master is.
    Sentinel(Box<Mutex<SentinelClient>>),
}

/// One connection, which all requests share.
pub(super) struct Link {
    source: Source,
    open: Mutex<Option<Open>>,
    opened: AtomicU64,
    deadline: Duration,
    /// It let somebody wait for the whole deadline, and has answered nobody since.
    suspected: AtomicBool,
    waiting: Arc<AtomicUsize>,
    limit: usize,
}

#[derive(Clone)]
struct Open {
    number: u64,
    connection: MultiplexedConnection,
}

/// A request that waits, for as long as it lives.
struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Link {
    /// Connects to nothing yet. At most `limit` requests wait at once, each for `deadline` at most.
    pub(super) fn new(source: Source, deadline: Duration, limit: usize) -> Self {
        let (open, opened) = (Mutex::new(None), AtomicU64::new(0));
        let (suspected, waiting) = (AtomicBool::new(false), Arc::new(AtomicUsize::new(0)));
        Self { source, open, opened, deadline, suspected, waiting, limit }
    }

    /// How long an answer may take.
    pub(super) const fn deadline(&self) -> Duration {
        self.deadline
    }

    /// How many requests wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Runs a script for somebody who waits: not for long while Redis does not answer anyway.
    pub(super) async fn run(&self, script: ScriptInvocation<'_>) -> Result<Reply, StoreError> {
        let is_suspected = self.suspected.load(Ordering::Relaxed);
        self.run_within(if is_suspected { self.deadline / SUSPECTED_SHARE } else { self.deadline }, script).await
    }

    /// Runs a script for nobody in particular, within the whole deadline: so that a Redis which is slow, and no more than
    /// that, is known to answer.
    pub(super) async fn run_patiently(&self, script: ScriptInvocation<'_>) -> Result<Reply, StoreError> {
        self.run_within(self.deadline, script).await
    }

    async fn run_within(&self, deadline: Duration, script: ScriptInvocation<'_>) -> Result<Reply, StoreError> {
        let _waiting = self.enter()?;
        match timeout(deadline, self.attempt(&script)).await {
            Ok(result) => {
                match &result {
                    Ok(_) => self.suspected.store(false, Ordering::Relaxed),
                    Err(StoreError::Timeout(_)) => self.suspected.store(true, Ordering::Relaxed),
                    // It refuses, or cannot be reached at all: that takes nobody's time.
                    Err(_) => {}
                }
                result
            }
            Err(_) => {
                self.suspected.store(true, Ordering::Relaxed);
                // Whatever is wrong with it, the next request is to find out for itself.
                self.forget(self.opened.load(Ordering::Relaxed)).await;
                Err(too_late(deadline))
            }
        }
    }

    fn enter(&self) -> Result<Waiting, StoreError> {
        let waiting = Waiting(Arc::clone(&self.waiting));
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.limit {
            let why = format!("{} requests wait for Redis already; it is too slow for this many calls", self.limit);
            return Err(StoreError::Unavailable(why));
        }
        Ok(waiting)
    }

    async fn attempt(&self, script: &ScriptInvocation<'_>) -> Result<Reply, StoreError> {
        let open = self.connection().await.map_err(|error| {
            self.suspected.fetch_or(error.is_timeout(), Ordering::Relaxed);
            unreachable_because(&error)
        })?;
        let mut connection = open.connection.clone();
        let value = match script.invoke_async::<redis::Value>(&mut connection).await {
            Ok(value) => value,
            Err(error) => {
                if leaves_the_connection(&error) {
                    self.forget(open.number).await;
                }
                return Err(failed(&error, self.deadline));
            }
        };
        Reply::parse(value)
    }

    async fn connection(&self) -> Result<Open, RedisError> {
        let mut open = self.open.lock().await;
        if let Some(open) = &*open {
            return Ok(open.clone());
        }
        let client = self.client().await?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.deadline))
            .set_response_timeout(Some(self.deadline));
        let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        let number = self.opened.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(open.insert(Open { number, connection }).clone())
    }

    /// Who is the master now.
    pub(super) async fn client(&self) -> Result<Client, RedisError> {
        match &self.source {
            Source::Server(client) => Ok(Client::clone(client)),
            Source::Sentinel(sentinel) => sentinel.lock().await.async_get_client().await,
        }
    }

    async fn forget(&self, number: u64) {
        // Somebody who is just opening another holds the lock: then there is nothing to forget.
        if let Ok(mut open) = self.open.try_lock() {
            open.take_if(|open| open.number == number);
        }
    }
}

fn too_late(deadline: Duration) -> StoreError {
    StoreError::Timeout(u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX))
}

/// After this a new connection must be opened: it is broken, or leads to what is not the master any more.
fn leaves_the_connection(error: &RedisError) -> bool {
    let demoted = [ServerErrorKind::ReadOnly, ServerErrorKind::MasterDown, ServerErrorKind::BusyLoading];
    error.is_io_error()
        || error.is_unrecoverable_error()
        || demoted.iter().any(|kind| error.kind() == ErrorKind::Server(*kind))
}

/// Nothing was sent.
pub(super) fn unreachable_because(error: &RedisError) -> StoreError {
    let advice = match error.kind() {
        ErrorKind::AuthenticationFailed => "; REDIS_URL names the user and the password",
        ErrorKind::MasterNameNotFoundBySentinel => "; REDIS_URL names the service that the Sentinels watch",
        _ => "",
    };
    StoreError::Unavailable(format!("Redis cannot be reached: {}{advice}", what(error)))
}

/// Something was sent.
fn failed(error: &RedisError, deadline: Duration) -> StoreError {
    if error.is_timeout() {
        return too_late(deadline);
    }
    if error.is_io_error() || error.is_unrecoverable_error() {
        return StoreError::Unknown(format!("the connection to Redis broke: {}", what(error)));
    }
    let detail = error.detail().unwrap_or_default();
    let code = |code: &str| error.code() == Some(code) || detail.contains(&format!("{code} "));
    if code("OOM") {
        return StoreError::Full(format!("Redis has reached its maxmemory: {}", what(error)));
    }
    if code("MISCONF") {
        return StoreError::Full(format!("Redis cannot write to its disk: {}", what(error)));
    }
    if code("READONLY") {
        return StoreError::Unavailable(
            "Redis is read-only: it is a replica, and REDIS_URL must name the master".into(),
        );
    }
    StoreError::Unavailable(format!("Redis refuses: {}", what(error)))
}

/// The error without what was sent: a document or a task is personal.
fn what(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {}", detail.chars().take(200).collect::<String>()),
        _ => error.to_string().chars().take(200).collect(),
    }
}
