//! `make drill-rooms`: processes are killed in the midst of calls in rooms, again and again, and each room must have its next agent soon.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use livekit_rtc::TextOptions;
use serde_json::Value;
use voice_sim::provider::{ProviderServers, Script};

use super::caller::Caller;
use super::server::Server;
use super::{home, registered};
use crate::real::process::{Home, Process};
use crate::redis_server::RedisServer;

const OPERATOR: &str = "an operator of the drill";
/// A process takes nobody's rooms for so long after its start: the others may have to say that they are here.
const SETTLED: Duration = Duration::from_secs(6);
/// The longest that P95 may be.
const TARGET: Duration = Duration::from_secs(3);

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// One agent, with rehearsed providers: its start is not to be measured.
async fn start(home: &Home, name: &str, redis: &RedisServer, providers: &ProviderServers) -> Process {
    let chains = [("STT_CHAIN", "deepgram"), ("LLM_CHAIN", "embedded"), ("TTS_CHAIN", "cartesia")];
    let env = providers.env().into_iter().filter(|(name, _)| !name.starts_with("TWILIO") && !name.starts_with("PAGER"));
    let env = env.chain(chains.map(|(name, value)| (name, value.to_owned())));
    let env = env.chain([("REDIS_URL", redis.url()), ("ADMIN_TOKEN", OPERATOR.to_owned())]);
    registered(home.start_as(name, env.collect()).await).await
}

/// What one take-over took, from the kill.
struct Taken {
    read: Duration,
    heard: Duration,
}

/// Waits for the next agent, and asks it for something new.
async fn taken(caller: &mut Caller, killed: Instant, number: usize) -> Taken {
    caller.hears_another().await;
    let heard = async { caller.hears_after(killed + Duration::from_millis(500)).await };
    let heard = heard.await - killed;
    caller.reads("i'm back. we were discussing your task list").await;
    let read = killed.elapsed();
    add(caller, number).await;
    Taken { read, heard }
}

async fn add(caller: &mut Caller, number: usize) {
    let text = format!("add wash car number {number}");
    caller.room.send_text(TextOptions::topic("lk.chat"), text).await.unwrap();
    caller.reads(&format!("added wash car number {number}")).await;
}

/// When the process first noticed that another is gone, and asked for its agents.
async fn noticed(process: &Process) -> Instant {
    while process.logged("its process is gone: another agent is asked for").is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Instant::now()
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1]
}

fn row(what: &str, mut took: Vec<Duration>) {
    took.sort();
    let [p50, p95, max] = [percentile(&took, 50), percentile(&took, 95), percentile(&took, 100)];
    println!(
        "| {what} | {:.2} | {:.2} | {:.2} | {} |",
        p50.as_secs_f64(),
        p95.as_secs_f64(),
        max.as_secs_f64(),
        took.len()
    );
}

/// In how many sessions of this agent's the store has all that was said.
async fn intact(agent: &Process, redis: &RedisServer, kills: usize) -> usize {
    let sessions: Value = agent.get("/api/admin/sessions", OPERATOR).await.json().await.unwrap();
    let mut store = redis::Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let mut intact = 0;
    for session in sessions["sessions"].as_array().unwrap() {
        let key = format!("voice:session:{}", session["session_id"].as_str().unwrap());
        let doc: String = redis::cmd("GET").arg(key).query_async(&mut store).await.unwrap();
        let doc: Value = serde_json::from_str(&doc).unwrap();
        let items = doc["conversation_history"].as_array().unwrap();
        let lines: Vec<&str> = items.iter().filter_map(|item| item["content"].as_str()).collect();
        let asked = (0..=kills).all(|n| lines.contains(&format!("add wash car number {n}").as_str()));
        let back = lines.iter().filter(|line| line.starts_with("I'm back.")).count();
        assert!(asked && back == kills, "{kills} kills, {back} returns: {lines:#?}");
        intact += 1;
    }
    intact
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: make drill-rooms"]
async fn killed_processes_rooms_are_taken_over() {
    let Some(rooms) = Server::start("drill") else { return };
    let (kills, callers) = (number("ROOM_KILLS", 10), number("ROOM_CALLERS", 5));
    let redis = RedisServer::start();
    let providers = ProviderServers::start(Script::default()).await.unwrap();
    let home = home(&rooms).await;
    let mut owner = start(&home, "agent-0", &redis, &providers).await;
    let mut people = Vec::new();
    for n in 0..callers {
        let mut caller = Caller::join(&rooms, &format!("room-{n}"), &format!("caller-{n}")).await;
        caller.sees("listening").await;
        add(&mut caller, 0).await;
        people.push(caller);
    }
    let (mut all, mut noticing) = (Vec::new(), Vec::new());
    for kill in 1..=kills {
        let next = start(&home, &format!("agent-{kill}"), &redis, &providers).await;
        tokio::time::sleep(SETTLED).await;
        owner.kill();
        let killed = Instant::now();
        let taking = join_all(people.iter_mut().map(|caller| taken(caller, killed, kill)));
        let (noticed, taken) = tokio::join!(noticed(&next), taking);
        noticing.push(noticed - killed);
        all.extend(taken);
        assert_eq!(next.metric("voice_agent_active_sessions").await, callers as f64);
        owner = next;
    }
    let intact = intact(&owner, &redis, kills).await;

    println!("| from the kill, s | P50 | P95 | max | take-overs |\n|---|---|---|---|---|");
    row("the loss is noticed, and agents are asked for", noticing);
    row("the caller hears the next agent", all.iter().map(|taken| taken.heard).collect());
    row("its words are whole in the caption", all.iter().map(|taken| taken.read).collect());
    println!(
        "\nIn {intact} of {callers} rooms the history is whole after {kills} kills, with every question and every return."
    );
    assert_eq!(intact, callers);
    let mut heard: Vec<Duration> = all.iter().map(|taken| taken.heard).collect();
    heard.sort();
    assert!(percentile(&heard, 95) < TARGET, "{:?}", percentile(&heard, 95));
}
