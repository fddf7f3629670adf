//! One region's Redis, as far as its role is concerned.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr};
use serde::Serialize;
use tokio::time::{Instant, sleep};

/// Longest wait for a connection, and for an answer.
const ANSWER: Duration = Duration::from_secs(5);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// Keys that one step of a scan looks at.
const SCAN: usize = 1_000;

/// A connection to it.
pub(super) struct Redis {
    /// What it is called in errors; its URL has a password.
    name: &'static str,
    connection: MultiplexedConnection,
    /// Where it is reached.
    pub(super) host: String,
    /// And at which port.
    pub(super) port: u16,
}

/// What it says of itself.
#[derive(Debug, Clone, Serialize)]
pub(super) struct State {
    /// `master` or `slave`, as Redis calls them.
    pub(super) role: String,
    /// Of a replica: whether it hears its primary.
    pub(super) link_up: bool,
    /// Of a replica: seconds since it heard its primary last; -1 while it never did.
    pub(super) last_heard_s: i64,
    /// How far it is in the stream of changes.
    pub(super) offset: i64,
    /// Its replicas: address, state, offset.
    pub(super) replicas: Vec<String>,
    /// Sessions, users' task lists, and all keys.
    pub(super) sessions: u64,
    /// Users with tasks.
    pub(super) task_lists: u64,
    /// All keys.
    pub(super) keys: u64,
}

impl State {
    /// Whether it takes changes.
    pub(super) fn is_primary(&self) -> bool {
        self.role == "master"
    }
}

impl Redis {
    /// Connects to one server; Sentinels look after roles themselves.
    pub(super) async fn open(name: &'static str, url: &str) -> Result<Self> {
        let client = Client::open(url)
            .map_err(|_| anyhow::anyhow!("{name} cannot be read: it is redis://host:port, or rediss://"))?;
        let (host, port) = match client.get_connection_info().addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => (host.clone(), *port),
            _ => bail!("{name} has no host and port"),
        };
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(ANSWER)).set_response_timeout(Some(ANSWER));
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        let connection = connecting.await.with_context(|| format!("{name} does not answer"))?;
        Ok(Self { name, connection, host, port })
    }

    /// Carries out a command.
    pub(super) async fn run<T: redis::FromRedisValue>(&mut self, command: &[&str]) -> Result<T> {
        let mut request = redis::Cmd::new();
        request.arg(command);
        let answer = request.query_async(&mut self.connection).await;
        answer.with_context(|| format!("{} refuses {}", self.name, command.first().unwrap_or(&"")))
    }

    /// The lines of `INFO replication`.
    pub(super) async fn replication(&mut self) -> Result<BTreeMap<String, String>> {
        let text: String = self.run(&["INFO", "replication"]).await?;
        Ok(fields(&text))
    }

    /// What it says of itself; counting looks at every key.
    pub(super) async fn state(&mut self) -> Result<State> {
        let info = self.replication().await?;
        let (sessions, task_lists) = (self.count("voice:session:*").await?, self.count("voice:tasks:*").await?);
        let keys = self.run(&["DBSIZE"]).await?;
        Ok(State {
            role: info.get("role").cloned().unwrap_or_default(),
            link_up: info.get("master_link_status").is_some_and(|status| status == "up"),
            last_heard_s: number(&info, "master_last_io_seconds_ago").unwrap_or(-1),
            offset: offset(&info),
            replicas: info.iter().filter(|(name, _)| is_replica(name)).map(|(_, value)| value.clone()).collect(),
            sessions,
            task_lists,
            keys,
        })
    }

    async fn count(&mut self, pattern: &str) -> Result<u64> {
        // A key may be told twice while Redis makes its table larger or smaller.
        let (mut cursor, mut found, step) = ("0".to_owned(), BTreeSet::new(), SCAN.to_string());
        loop {
            let (next, keys): (String, Vec<Vec<u8>>) =
                self.run(&["SCAN", &cursor, "MATCH", pattern, "COUNT", &step]).await?;
            found.extend(keys);
            if next == "0" {
                return Ok(found.len() as u64);
            }
            cursor = next;
        }
    }

    /// Whether it takes a change: one is made, which is gone after a minute.
    pub(super) async fn takes_changes(&mut self) -> Result<()> {
        self.run::<()>(&["SET", "voice:probe", "region", "EX", "60"]).await
    }

    /// Waits until `INFO replication` says so.
    pub(super) async fn until(
        &mut self,
        what: &str,
        longest: Duration,
        is_so: impl Fn(&BTreeMap<String, String>) -> bool,
    ) -> Result<Duration> {
        let began = Instant::now();
        loop {
            let info = self.replication().await?;
            if is_so(&info) {
                return Ok(began.elapsed());
            }
            if began.elapsed() > longest {
                bail!("{}: not within {} s: {what}", self.name, longest.as_secs());
            }
            sleep(LOOK).await;
        }
    }
}

/// Whether nobody was there, in contrast to somebody who did not want to answer.
pub(super) fn is_unreachable(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<redis::RedisError>();
    cause.is_some_and(|cause| cause.is_io_error() || cause.is_timeout() || cause.is_connection_refusal())
}

/// Lines of `name:value`.
fn fields(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.trim().split_once(':'));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn number(info: &BTreeMap<String, String>, name: &str) -> Option<i64> {
    info.get(name)?.parse().ok()
}

/// How far this server is: a replica has what it received, a primary what it wrote.
pub(super) fn offset(info: &BTreeMap<String, String>) -> i64 {
    number(info, "slave_repl_offset").or_else(|| number(info, "master_repl_offset")).unwrap_or(0)
}

/// `slave0`, `slave1`…
fn is_replica(name: &str) -> bool {
    name.strip_prefix("slave").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The address by which a primary knows the replica that answers at this port, if only one does: `ip=…,port=…,state=…`.
pub(super) fn known_as(replicas: &[String], port: u16) -> Option<(String, String)> {
    let field = |replica: &str, name: &str| {
        replica.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
    };
    let addresses = replicas.iter().filter_map(|replica| Some((field(replica, "ip")?, field(replica, "port")?)));
    let mut addresses: Vec<(String, String)> = addresses.collect();
    if addresses.len() > 1 {
        addresses.retain(|(_, other)| *other == port.to_string());
    }
    if addresses.len() == 1 { addresses.pop() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_says_of_itself_is_read() {
        let info = fields(
            "# Replication\r\nrole:slave\r\nmaster_link_status:up\r\nslave_repl_offset:71\r\nmaster_repl_offset:70\r\n",
        );
        assert_eq!((info["role"].as_str(), offset(&info)), ("slave", 71));
        assert_eq!(offset(&fields("role:master\r\nmaster_repl_offset:70\r\n")), 70);
        assert!(is_replica("slave0") && !is_replica("slave_priority") && !is_replica("slaves") && !is_replica("slave"));
    }

    #[test]
    fn a_replica_is_known_by_its_port_where_there_are_several() {
        let replica = |port| format!("ip=10.0.0.{port},port={port},state=online,offset=1,lag=0");
        let (one, two) = (vec![replica(1)], vec![replica(1), replica(2)]);
        let address = |port: u16| Some((format!("10.0.0.{port}"), port.to_string()));
        assert_eq!((known_as(&one, 9), known_as(&two, 2)), (address(1), address(2)));
        assert_eq!((known_as(&two, 9), known_as(&[], 1)), (None, None));
    }
}
