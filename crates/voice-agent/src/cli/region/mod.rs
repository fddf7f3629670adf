//! `voice-agent region`: which region's Redis takes changes. Each command is run where the region is that it is about.

mod redis;

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tokio::time::Instant;

use self::redis::{Redis, known_as, offset};
use super::{Failure, out};

/// Longest wait for a first copy of everything.
const FIRST_COPY: Duration = Duration::from_secs(600);
/// Longest wait for the last changes, and for roles to change.
const LAST_CHANGES: Duration = Duration::from_secs(15);
/// The same in milliseconds, for Redis.
const LAST_CHANGES_MS: &str = "10000";

/// Where both regions' Redis are. A URL has a password: the environment is the place for it.
#[derive(Debug, Args)]
pub struct RegionArgs {
    #[command(subcommand)]
    verb: Verb,
    /// This region's Redis: redis://host:port, or rediss://.
    #[arg(long, env = "REDIS_URL", hide_env_values = true, global = true, value_name = "URL")]
    redis: Option<String>,
    /// The other region's.
    #[arg(long, env = "PEER_REDIS_URL", hide_env_values = true, global = true, value_name = "URL")]
    peer: Option<String>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Say what both are, and how far apart.
    Status,
    /// Make this region's Redis the primary, because the other region is gone.
    Promote {
        /// Although the old primary may still take changes: those made there from now on are lost.
        #[arg(long)]
        force: bool,
    },
    /// Make this region's Redis follow the other's, and wait until it has everything.
    Follow {
        /// Although this one has been a primary: what only it has is lost.
        #[arg(long)]
        discard: bool,
    },
    /// Change roles with the other region's primary, which this region's Redis follows. Nothing is lost.
    Failback {
        /// How the other one knows this one (`ip:port` in its INFO replication), where that is not clear.
        #[arg(long, value_name = "HOST:PORT")]
        known_as: Option<String>,
    },
}

/// Runs it.
pub(super) fn run(args: &RegionArgs) -> Result<(), Failure> {
    let Some(url) = &args.redis else {
        return Err(Failure::Usage("REDIS_URL does not say where this region's Redis is".to_owned()));
    };
    let needs_peer = matches!(args.verb, Verb::Follow { .. } | Verb::Failback { .. });
    if needs_peer && args.peer.is_none() {
        return Err(Failure::Usage("PEER_REDIS_URL does not say where the other region's Redis is".to_owned()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("the runtime")?;
    let done = runtime.block_on(async {
        let mut here = Redis::open("REDIS_URL", url).await?;
        let there = match &args.peer {
            Some(peer) => Redis::open("PEER_REDIS_URL", peer).await,
            None => Err(anyhow::anyhow!("PEER_REDIS_URL is not set")),
        };
        match &args.verb {
            Verb::Status => status(&mut here, there).await,
            Verb::Promote { force } => promote(&mut here, there, *force).await,
            Verb::Follow { discard } => follow(&mut here, &mut there?, *discard).await,
            Verb::Failback { known_as } => failback(&mut here, &mut there?, known_as.as_deref()).await,
        }
    })?;
    tell(&done, args.json)?;
    Ok(())
}

/// Prints it: a line for each fact, or JSON.
fn tell(done: &Value, json: bool) -> Result<()> {
    if json {
        return out::line(&done.to_string());
    }
    for (name, value) in done.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        out::line(&format!("{name:<14} {text}"))?;
    }
    Ok(())
}

async fn status(here: &mut Redis, there: Result<Redis>) -> Result<Value> {
    let mine = here.state().await?;
    let theirs = match there {
        Ok(mut there) => json!(there.state().await?),
        Err(error) => json!(format!("{error:#}")),
    };
    let behind = theirs["offset"].as_i64().map(|offset| offset - mine.offset);
    Ok(json!({"here": mine, "there": theirs, "bytes_behind": behind}))
}

/// Whether two primaries would be the outcome. Only one that was looked for and not reached is gone: an address or a password that is
/// wrong says nothing of it.
async fn must_be_gone(here: &mut Redis, there: Result<Redis>) -> Result<String> {
    let info = here.replication().await?;
    let up = info.get("master_link_status").is_some_and(|status| status == "up");
    ensure!(!up, "this Redis still hears its primary: fence it off first (or use failback, or --force)");
    match there {
        Ok(mut there) => {
            let state = there.replication().await?;
            let role = state.get("role").map_or("something", String::as_str);
            ensure!(
                role != "master",
                "the other region's primary answers: fence it off first (or use failback, or --force)"
            );
            Ok(format!("the other Redis answers, as {role}"))
        }
        Err(error) if redis::is_unreachable(&error) => Ok("the old primary does not answer".to_owned()),
        Err(error) => Err(error.context("whether the old primary is gone cannot be told (or use --force)")),
    }
}

async fn promote(here: &mut Redis, there: Result<Redis>, force: bool) -> Result<Value> {
    let began = Instant::now();
    let before = here.state().await?;
    if before.is_primary() {
        here.takes_changes().await?;
        return Ok(json!({"promoted": false, "because": "it is the primary already", "here": before}));
    }
    let why = match must_be_gone(here, there).await {
        Ok(why) => why,
        Err(error) if force => format!("forced, although {error:#}"),
        Err(error) => return Err(error),
    };
    here.run::<()>(&["REPLICAOF", "NO", "ONE"]).await?;
    here.until("role:master", LAST_CHANGES, |info| info.get("role").is_some_and(|role| role == "master")).await?;
    here.takes_changes().await.context("it is the primary and takes no changes")?;
    let after = here.state().await?;
    ensure!(after.task_lists >= before.task_lists, "{} task lists are left of {}", after.task_lists, before.task_lists);
    Ok(json!({
        "promoted": true, "because": why, "took_ms": millis(began.elapsed()),
        "last_heard_s": before.last_heard_s, "before": before, "here": after,
    }))
}

async fn follow(here: &mut Redis, there: &mut Redis, discard: bool) -> Result<Value> {
    let began = Instant::now();
    let (mine, theirs) = (here.state().await?, there.state().await?);
    ensure!(theirs.is_primary(), "the other region's Redis is no primary itself");
    if mine.is_primary() && mine.keys > 0 && !discard {
        bail!(
            "this Redis is a primary with {} keys: what only it has is lost. --discard says that this is meant",
            mine.keys
        );
    }
    here.run::<()>(&["REPLICAOF", &there.host, &there.port.to_string()]).await?;
    here.until("master_link_status:up", FIRST_COPY, |info| {
        let is = |name: &str, value: &str| info.get(name).is_some_and(|found| found == value);
        is("master_link_status", "up") && is("master_sync_in_progress", "0")
    })
    .await?;
    let caught_up_ms = catch_up(here, there).await?;
    Ok(json!({
        "follows": true, "took_ms": millis(began.elapsed()), "caught_up_ms": caught_up_ms,
        "had_keys": mine.keys, "here": here.state().await?, "there": there.state().await?,
    }))
}

/// Waits until this one has all that the other one had when it was asked.
async fn catch_up(here: &mut Redis, there: &mut Redis) -> Result<u64> {
    let wanted = offset(&there.replication().await?);
    let waited = here.until("the same offset", LAST_CHANGES, |info| offset(info) >= wanted).await?;
    Ok(millis(waited))
}

/// The primary holds all changes back, waits until the replica has the last one, and changes roles with it. For how long they were held back.
async fn change_roles(here: &mut Redis, there: &mut Redis, host: &str, port: &str) -> Result<Duration> {
    // Who has just copied everything is a moment away from being taken for online, and only such a one takes over.
    let at = format!("ip={host},port={port},state=online,");
    let online = |info: &std::collections::BTreeMap<String, String>| {
        info.iter().any(|(name, replica)| name.starts_with("slave") && replica.starts_with(&at))
    };
    there.until("state=online of its replica", LAST_CHANGES, online).await?;
    there.run::<()>(&["FAILOVER", "TO", host, port, "TIMEOUT", LAST_CHANGES_MS]).await?;
    let role = |role: &'static str| {
        move |info: &std::collections::BTreeMap<String, String>| info.get("role").is_some_and(|found| found == role)
    };
    let changed = here.until("role:master", LAST_CHANGES, role("master")).await?;
    there.until("role:slave", LAST_CHANGES, role("slave")).await?;
    Ok(changed)
}

async fn failback(here: &mut Redis, there: &mut Redis, given: Option<&str>) -> Result<Value> {
    let began = Instant::now();
    let (mine, theirs) = (here.state().await?, there.state().await?);
    ensure!(!mine.is_primary(), "this Redis is the primary already");
    ensure!(theirs.is_primary(), "the other region's Redis is no primary");
    ensure!(mine.link_up, "this Redis does not hear the other one: `voice-agent region follow` first");
    let address = match given {
        Some(text) => text.rsplit_once(':').map(|(host, port)| (host.to_owned(), port.to_owned())),
        None => known_as(&theirs.replicas, here.port),
    };
    let (host, port) = address.with_context(|| {
        format!("which of the other's replicas is this one? --known-as says so: {}", theirs.replicas.join(" · "))
    })?;
    catch_up(here, there).await?;
    let changed = match change_roles(here, there, &host, &port).await {
        Ok(changed) => changed,
        // Left as it is, the primary would go on holding its changes back, for nobody.
        Err(error) => match there.run::<()>(&["FAILOVER", "ABORT"]).await {
            Ok(()) => return Err(error.context("the roles did not change, and the primary goes on")),
            Err(abort) if format!("{abort:#}").contains("No failover in progress") => {
                return Err(error.context("the roles did not change, and the primary goes on"));
            }
            Err(abort) => return Err(error.context(format!("the roles did not change; FAILOVER ABORT: {abort:#}"))),
        },
    };
    here.takes_changes().await?;
    let caught_up_ms = catch_up(there, here).await?;
    let (mine, now) = (here.state().await?, there.state().await?);
    ensure!(
        mine.task_lists >= theirs.task_lists && now.task_lists == mine.task_lists,
        "task lists: {} before, {} here and {} there now",
        theirs.task_lists,
        mine.task_lists,
        now.task_lists
    );
    Ok(json!({
        "changed_roles": true, "held_back_ms": millis(changed), "took_ms": millis(began.elapsed()),
        "caught_up_ms": caught_up_ms, "here": mine, "there": now,
    }))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
