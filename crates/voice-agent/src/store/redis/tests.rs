//! The suite of every store, and what only Redis has, against a real `redis-server`.

use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use redis::Commands as _;

use super::*;
use crate::store::conformance::{Harness, doc, suite};
use crate::vault::{Key, Kms as _, LocalKms, Vault};

#[path = "../../../tests/it/redis_server.rs"]
mod redis_server;

use redis_server::RedisServer;

fn direct(server: &RedisServer) -> redis::Connection {
    redis::Client::open(server.url()).unwrap().get_connection().unwrap()
}

struct Redis {
    server: RedisServer,
    store: Arc<RedisStore>,
}

impl Redis {
    fn new() -> Self {
        let server = RedisServer::start();
        let store = open(&server);
        Self { server, store }
    }
}

fn open(server: &RedisServer) -> Arc<RedisStore> {
    // Under load a script may take its time; how long is another test's matter.
    let options = RedisOptions { deadline: Duration::from_secs(20), ..RedisOptions::default() };
    Arc::new(RedisStore::new(&server.url(), options).unwrap())
}

impl Harness for Redis {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as Arc<dyn Store>
    }

    /// Redis has its own clock: so everything that expires is brought nearer to its end.
    fn advance(&self, by: Duration) {
        let mut redis = direct(&self.server);
        let keys: Vec<Vec<u8>> = redis.keys("*").unwrap();
        for key in keys {
            let left: i64 = redis.pttl(&key).unwrap();
            if left >= 0 {
                let by = i64::try_from(by.as_millis()).unwrap();
                let _set: bool = redis.pexpire(&key, left - by).unwrap();
            }
        }
    }

    fn crash(&mut self) {
        self.server.kill();
        self.server.restart();
        self.store = open(&self.server);
    }
}

suite!(Redis::new());

/// A store that gives up soon.
fn hasty(url: &str) -> RedisStore {
    RedisStore::new(
        url,
        RedisOptions { deadline: Duration::from_millis(400), queue_limit: 4, ..RedisOptions::default() },
    )
    .unwrap()
}

fn ana() -> UserId {
    UserId::new("ana")
}

fn unavailable(outcome: &Result<UserTasks, StoreError>) -> String {
    match outcome {
        Err(StoreError::Unavailable(why)) => why.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_said_at_once_and_found_again() {
    let mut server = RedisServer::start();
    let store = hasty(&server.url());
    store.tasks(ana()).await.unwrap();
    server.kill();
    // The first to ask finds a broken connection; what it asked may have been done, as far as it knows.
    let first = store.tasks(ana()).await;
    assert!(matches!(first, Err(StoreError::Unknown(_) | StoreError::Unavailable(_))), "{first:?}");
    assert!(unavailable(&store.tasks(ana()).await).contains("cannot be reached"));
    assert!(store.health().await.trouble.is_some());
    server.restart();
    assert_eq!(store.tasks(ana()).await, Ok(UserTasks::default()));
    assert_eq!(store.health().await.trouble, None);
}

#[tokio::test]
async fn a_server_that_hangs_costs_the_deadline_and_bounds_its_queue() {
    let server = RedisServer::start();
    let store = Arc::new(hasty(&server.url()));
    store.tasks(ana()).await.unwrap();
    server.signal("STOP");
    let all = futures_util::future::join_all((0..6).map(|_| store.tasks(ana()))).await;
    let late = all.iter().filter(|one| matches!(one, Err(StoreError::Timeout(400)))).count();
    let full =
        all.iter().filter(|one| matches!(one, Err(StoreError::Unavailable(why)) if why.contains("wait"))).count();
    assert_eq!((late, full), (4, 2), "{all:?}");
    assert_eq!(store.tasks(ana()).await, Err(StoreError::Timeout(80)), "nobody waits for all of it again");
    let beat = store.heartbeat(InstanceId::new("pod-1"), Duration::from_secs(1)).await;
    let is_patient = matches!(beat, Err(StoreError::Timeout(400) | StoreError::Unavailable(_)));
    assert!(is_patient, "but for what asks whether it is only slow: {beat:?}");
    server.signal("CONT");
    assert_eq!(store.tasks(ana()).await, Ok(UserTasks::default()));
    assert_eq!(store.health().await.queued, 0);
}

#[tokio::test]
async fn a_rotation_that_finds_nothing_to_do_asks_for_many_keys_at_once() {
    let server = RedisServer::start();
    let store = open(&server);
    let kms = LocalKms::new(Key::random().unwrap(), Vec::new());
    for number in 0..400 {
        let name = format!("{number:032}");
        let wrapped = kms.wrap(&name, &Key::random().unwrap()).await.unwrap();
        assert!(store.put_key(name, wrapped).await.unwrap());
    }
    let vault = Vault::new(store, Arc::new(kms));
    let () = redis::cmd("CONFIG").arg("RESETSTAT").query(&mut direct(&server)).unwrap();
    assert!(vault.rotate().await.unwrap().unchanged >= 400);
    let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut direct(&server)).unwrap();
    let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls=")).unwrap();
    let calls: u32 = calls.split(',').next().unwrap().parse().unwrap();
    assert!(calls < 20, "{calls} round trips");
}

#[tokio::test]
async fn a_full_a_read_only_and_a_closed_server_are_told_apart() {
    let server = RedisServer::start();
    let store = hasty(&server.url());
    server.tell("CONFIG SET maxmemory 1");
    let full = store.heartbeat(InstanceId::new("pod-1"), Duration::from_secs(1)).await;
    assert!(matches!(&full, Err(StoreError::Full(why)) if why.contains("maxmemory")), "{full:?}");
    let new = store.create_session(doc("s1"), [7; 32], InstanceId::new("pod-1")).await;
    assert!(matches!(&new, Err(StoreError::Full(_))), "{new:?}");
    server.tell("CONFIG SET maxmemory 0");
    server.tell("CONFIG SET replica-serve-stale-data yes");
    server.tell("REPLICAOF 127.0.0.1 1");
    let read_only = store.heartbeat(InstanceId::new("pod-1"), Duration::from_secs(1)).await;
    assert!(matches!(&read_only, Err(StoreError::Unavailable(why)) if why.contains("replica")), "{read_only:?}");
    server.tell("REPLICAOF NO ONE");
    store.heartbeat(InstanceId::new("pod-1"), Duration::from_secs(1)).await.unwrap();
    server.tell("CONFIG SET requirepass sesame");
    let closed = hasty(&server.url()).tasks(ana()).await;
    assert!(unavailable(&closed).contains("NOAUTH") || unavailable(&closed).contains("REDIS_URL"), "{closed:?}");
    let wrong = hasty(&format!("redis://:mellon@127.0.0.1:{}", server.port)).tasks(ana()).await;
    assert!(unavailable(&wrong).contains("REDIS_URL") && !unavailable(&wrong).contains("mellon"), "{wrong:?}");
    let right = hasty(&format!("redis://:sesame@127.0.0.1:{}", server.port));
    assert_eq!(right.tasks(ana()).await, Ok(UserTasks::default()));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_instances_changes_are_heard_of_and_missed_ones_are_said() {
    let mut server = RedisServer::start();
    let (here, there) = (open(&server), open(&server));
    let mut events = here.task_events();
    wait_for_subscribers(&server, 2);
    let create = |n: i64| {
        let now = Timestamp::from_second(1_795_000_000 + n).unwrap();
        let json = serde_json::json!({"id": format!("t_{n}"), "title": "Milk", "status": "open", "due": null,
            "priority": "normal", "created_at": now, "completed_at": null});
        vec![TaskChange::Created(serde_json::from_value(json).unwrap())]
    };
    there.change_tasks(ana(), None, create(1), UndoEffect::None).await.unwrap();
    assert_eq!(events.changed(&ana()).await, Some(1));
    here.change_tasks(ana(), None, create(2), UndoEffect::None).await.unwrap();
    assert_eq!(events.changed(&ana()).await, Some(2), "one's own are told once");
    let objection = ConsentRecord {
        id: "a".to_owned(),
        at: Timestamp::UNIX_EPOCH,
        session_id: SessionId::new(""),
        channel: crate::store::Channel::Browser,
        policy_version: "1".to_owned(),
        wording: String::new(),
        decision: ConsentDecision::OptedOut,
        how: voice_core::consent::ConsentHow::Page,
    };
    there.add_consent(ana(), objection).await.unwrap();
    assert_eq!(events.next().await, Some(Some(crate::store::Change::Objection(ana()))), "and objections");
    server.kill();
    server.restart();
    assert_eq!(events.changed(&ana()).await, Some(0), "after an outage: read afresh");
    // The other one has not noticed yet that its connection broke.
    while there.tasks(ana()).await.is_err() {
        tokio::task::yield_now().await;
    }
    there.change_tasks(ana(), None, create(3), UndoEffect::None).await.unwrap();
    assert_eq!(events.changed(&ana()).await, Some(3));
}

#[tokio::test]
async fn replicas_have_files_of_their_own_and_are_counted() {
    let (server, replica) = (RedisServer::start(), RedisServer::start());
    let store = open(&server);
    assert_eq!(store.scrub().await, Ok(Scrubbed::Clean));
    replica.tell(&format!("REPLICAOF 127.0.0.1 {}", server.port));
    let mut redis = direct(&server);
    for _ in 0..2_000 {
        let told: String = redis::cmd("INFO").arg("replication").query(&mut redis).unwrap();
        if told.contains("state=online") {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(store.scrub().await, Ok(Scrubbed::Replicas(1)));
}

/// Returns when so many instances listen.
fn wait_for_subscribers(server: &RedisServer, wanted: usize) {
    let mut redis = direct(server);
    for _ in 0..2_000 {
        let (_, count): (String, usize) = redis::cmd("PUBSUB").arg("NUMSUB").arg(key::NEWS).query(&mut redis).unwrap();
        if count == wanted {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("nobody listens");
}

#[tokio::test]
async fn a_session_is_kept_as_the_contract_has_it() {
    let server = RedisServer::start();
    let store = open(&server);
    let now = Timestamp::from_second(1_795_000_000).unwrap();
    let doc = SessionDoc {
        session_id: SessionId::new("sess_abc123"),
        user_id: ana(),
        channel: crate::store::Channel::Phone,
        conversation_history: Vec::new(),
        current_agent: "TaskAgent".to_owned(),
        created_at: now,
        last_activity: now,
        context: serde_json::Map::new(),
    };
    store.create_session(doc.clone(), [7; 32], InstanceId::new("pod-1")).await.unwrap();
    let mut redis = direct(&server);
    let json: String = redis.get("voice:session:sess_abc123").unwrap();
    assert_eq!(SessionDoc::from_json(&json).unwrap(), doc);
    let ttl: i64 = redis.ttl("voice:session:sess_abc123").unwrap();
    assert!((3_590..=3_600).contains(&ttl), "{ttl}");
    // The mission's own way to delete one.
    let _gone: usize = redis.del("voice:session:sess_abc123").unwrap();
    assert_eq!(store.load_session(SessionId::new("sess_abc123")).await, Ok(None));
    let claimed = store.claim_session(SessionId::new("sess_abc123"), InstanceId::new("pod-2")).await;
    assert_eq!(claimed, Err(StoreError::NotFound("sess_abc123".to_owned())));
}

/// Two ends of a line to the server, until the host behind it vanishes: nothing is sent any more, and nothing is closed.
async fn line_to(server: &RedisServer) -> (u16, Arc<AtomicBool>) {
    let (listener, vanished) =
        (tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(), Arc::new(AtomicBool::new(false)));
    let (port, there, has_vanished) = (listener.local_addr().unwrap().port(), server.port, Arc::clone(&vanished));
    tokio::spawn(async move {
        // Lines that lead nowhere stay open.
        let mut dead = Vec::new();
        while let Ok((mut near, _)) = listener.accept().await {
            let mut far = tokio::net::TcpStream::connect(("127.0.0.1", there)).await.unwrap();
            let has_vanished = Arc::clone(&has_vanished);
            dead.push(tokio::spawn(async move {
                let gone = async {
                    while !has_vanished.load(Ordering::Relaxed) {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                };
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    () = gone => std::future::pending().await,
                }
            }));
        }
    });
    (port, vanished)
}

#[tokio::test]
async fn a_host_that_vanished_is_noticed_by_whoever_listens_for_changes() {
    let server = RedisServer::start();
    let (port, vanished) = line_to(&server).await;
    let options = RedisOptions {
        deadline: Duration::from_millis(500),
        probe: Duration::from_millis(100),
        ..RedisOptions::default()
    };
    let store = RedisStore::new(&format!("redis://127.0.0.1:{port}"), options).unwrap();
    let mut events = store.task_events();
    let news = format!(r#"["another","{}","7"]"#, ana());
    while direct(&server).publish::<_, _, usize>(key::NEWS, &news).unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(events.changed(&ana()).await, Some(7));
    vanished.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(50)).await;
    vanished.store(false, Ordering::Relaxed);
    // The line is dead, and a new one leads there: whoever listens is told that something may have been missed.
    let told = async { while !matches!(events.next().await, Some(None)) {} };
    tokio::time::timeout(Duration::from_secs(20), told).await.expect("it is noticed");
}
