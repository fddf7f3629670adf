//! Lets Redis' files forget what was deleted: they are written anew, without it.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, cmd};

use super::link::{Link, unreachable_because};
use crate::store::{Scrubbed, StoreError};

/// How often it is asked whether it is through.
const ASK_EVERY: Duration = Duration::from_millis(200);
/// So often at most: it goes on by itself after that.
const ASKED: u32 = 45;

/// Has the append-only file and the snapshot written anew, where Redis keeps them, and waits for both. A Redis that lets this user do
/// neither is left alone.
pub(super) async fn scrub(link: &Link) -> Result<Scrubbed, StoreError> {
    let client = link.client().await.map_err(|error| unreachable_because(&error))?;
    let mut connection =
        client.get_multiplexed_async_connection().await.map_err(|error| unreachable_because(&error))?;
    match rewrite(&mut connection).await {
        Ok(scrubbed) => Ok(scrubbed),
        Err(error) => {
            tracing::warn!(%error, "Redis does not write its files anew; what was erased is in them until it does");
            Ok(Scrubbed::Pending)
        }
    }
}

async fn rewrite(connection: &mut MultiplexedConnection) -> Result<Scrubbed, RedisError> {
    let before = Persistence::of(connection).await?;
    if before.has_aof {
        cmd("BGREWRITEAOF").query_async::<()>(connection).await?;
        if !wait(connection, |now| !now.rewrites).await? {
            return Ok(Scrubbed::Pending);
        }
    }
    // Also where no snapshots are configured: one may have been made by hand, or for a replica.
    cmd("BGSAVE").arg("SCHEDULE").query_async::<()>(connection).await?;
    let through = wait(connection, |now| !now.saves).await?;
    let after = Persistence::of(connection).await?;
    if !through || !after.is_well {
        return Ok(Scrubbed::Pending);
    }
    // They are told what was deleted, and rewrite their own files when they like: nothing of this reaches those.
    match replicas(connection).await? {
        0 => Ok(Scrubbed::Clean),
        count => Ok(Scrubbed::Replicas(count)),
    }
}

/// How many replicas are connected.
async fn replicas(connection: &mut MultiplexedConnection) -> Result<u64, RedisError> {
    let text: String = cmd("INFO").arg("replication").query_async(connection).await?;
    let count = text.lines().find_map(|line| line.strip_prefix("connected_slaves:")?.trim().parse().ok());
    Ok(count.unwrap_or(0))
}

async fn wait(
    connection: &mut MultiplexedConnection,
    is_through: impl Fn(&Persistence) -> bool,
) -> Result<bool, RedisError> {
    for _ in 0..ASKED {
        if is_through(&Persistence::of(connection).await?) {
            return Ok(true);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    Ok(false)
}

/// What `INFO persistence` says.
struct Persistence {
    has_aof: bool,
    rewrites: bool,
    saves: bool,
    is_well: bool,
}

impl Persistence {
    async fn of(connection: &mut MultiplexedConnection) -> Result<Self, RedisError> {
        let text: String = cmd("INFO").arg("persistence").query_async(connection).await?;
        let is = |name: &str, value: &str| {
            text.lines()
                .any(|line| line.split_once(':').is_some_and(|(key, found)| key == name && found.trim() == value))
        };
        Ok(Self {
            has_aof: is("aof_enabled", "1"),
            rewrites: is("aof_rewrite_in_progress", "1") || is("aof_rewrite_scheduled", "1"),
            saves: is("rdb_bgsave_in_progress", "1") || is("rdb_bgsave_scheduled", "1"),
            is_well: is("rdb_last_bgsave_status", "ok") && !is("aof_last_bgrewrite_status", "err"),
        })
    }
}
