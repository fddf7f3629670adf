//! An erasure where several instances share a Redis: each forgets, and says so.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use voice_agent::config::{Config, Secret};
use voice_agent::privacy::Certificate;
use voice_agent::store::{InstanceId, SessionId, UserId};
use voice_agent::vault::Sealer;

use crate::privacy::{PRIVACY, WORDS, with_roles};
use crate::redis_server::RedisServer;
use crate::server::{TestServer, soon};

/// One of several instances, with a disk of its own.
pub(super) async fn instance(redis: &RedisServer, logs: &Path) -> TestServer {
    TestServer::with(|config: &mut Config| {
        with_roles(config);
        config.input_log.dir = logs.to_owned();
        config.recording.enabled = true;
        config.secrets.redis_url = Some(Secret::new(redis.url()));
        config.secrets.recording_master_key = Some(Secret::new("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="));
    })
    .await
}

/// The beginning of a log of this user's, under the key that there is now.
async fn log_of(server: &TestServer, user: &str, folder: &Path, session: &str) -> PathBuf {
    let key = server.app().vault.clone().unwrap().user_key(&UserId::new(user)).await.unwrap();
    let (_, header) = Sealer::new(&key, "inputs").unwrap();
    let path = folder.join(format!("{session}-20261130T120000000Z.jsonl.sealed"));
    std::fs::write(&path, header).unwrap();
    path
}

/// What an erasure of ada leaves to do.
async fn erase(server: &TestServer) -> Vec<String> {
    let answer = server.post("/api/admin/privacy/erase", PRIVACY, &json!({"user_id": "ada"})).await;
    assert_eq!(answer.status(), 200);
    Certificate::verify(&answer.text().await.unwrap(), None).unwrap().statement.left
}

#[tokio::test]
async fn every_instance_forgets_and_says_so_and_one_that_does_not_is_named() {
    let (redis, disks) = (RedisServer::start(), [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()]);
    let [here_disk, there_disk] = disks.each_ref().map(tempfile::TempDir::path);
    let (here, there) = (instance(&redis, here_disk).await, instance(&redis, there_disk).await);
    // She talks to the other one, and wrote earlier to both.
    let session = there.session("ada").await;
    let path = format!("/api/sessions/{}/messages", session.id);
    assert_eq!(there.post(&path, &session.token, &json!({"text": WORDS})).await.status(), 200);
    let bea = there.session("bea").await;
    let hers = [log_of(&there, "ada", here_disk, "old_1").await, log_of(&there, "ada", there_disk, "old_2").await];
    let others = log_of(&there, "bea", there_disk, "old_3").await;

    assert_eq!(erase(&here).await, [] as [String; 0]);
    assert!(hers.iter().all(|path| !path.exists()) && others.exists());
    let live: Vec<String> = there.app().sessions.list().iter().map(|live| live.id.as_str().to_owned()).collect();
    assert_eq!(live, [bea.id.as_str()]);

    // She is there again when an instance starts, which looks at what was asked before it: what is new is hers to keep.
    let new = log_of(&there, "ada", there_disk, "new_1").await;
    let late = instance(&redis, there_disk).await;
    let orders = late.store.erasure_orders().unwrap();
    soon("it has looked", async || {
        let id = late.app().instance();
        late.store.instance_alive(id.clone()).await.unwrap()
            && !orders.answers(1).await.unwrap().silent.contains(id.as_str())
    })
    .await;
    assert!(new.exists());

    // One that knows nothing of it, as an earlier version does.
    here.store.heartbeat(InstanceId::new("pod-of-before"), Duration::from_secs(60)).await.unwrap();
    let left = erase(&here).await;
    assert!(left.len() == 1 && left[0].contains("pod-of-before") && left[0].contains("ask again"), "{left:?}");
    assert!(!new.exists());
    let gone = there.request(Method::GET, &format!("/api/sessions/{}", session.id)).bearer_auth(&session.token);
    assert_eq!(gone.send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_key_that_is_made_while_an_erasure_goes_on_leaves_nothing_behind() {
    let (redis, disks) = (RedisServer::start(), [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()]);
    let [here_disk, there_disk] = disks.each_ref().map(tempfile::TempDir::path);
    let (here, there) = (instance(&redis, here_disk).await, instance(&redis, there_disk).await);
    let (vault, ada) = (there.app().vault.clone().unwrap(), UserId::new("ada"));
    // She never had a key, and a call of hers that is over is about to be written down.
    let sealing = vault.sealing(&ada);
    let orders = here.store.erasure_orders().unwrap();
    let (left, ()) = tokio::join!(erase(&here), async {
        soon("the others are asked", async || !orders.after(0).await.unwrap().is_empty()).await;
        if vault.key_for(&ada, &SessionId::new("over_1")).await.is_ok() {
            log_of(&there, "ada", there_disk, "over_1").await;
        }
        drop(sealing);
    });
    assert_eq!(left, [] as [String; 0]);
    assert_eq!(std::fs::read_dir(there_disk).unwrap().count(), 0);

    // An erasure that broke off behind the key.
    let log = log_of(&there, "ada", there_disk, "over_2").await;
    assert!(vault.destroy_user_key(&ada).await.unwrap());
    assert_eq!(erase(&here).await, [] as [String; 0]);
    assert!(!log.exists());
}

#[tokio::test]
async fn what_an_instance_cannot_do_is_said_and_a_redis_that_was_emptied_counts_anew() {
    let redis = RedisServer::start();
    let disk = tempfile::tempdir().unwrap();
    let here = instance(&redis, disk.path()).await;
    assert_eq!(erase(&here).await, [] as [String; 0]);
    assert_eq!(erase(&here).await, [] as [String; 0]);
    let broken = disk.path().join("old_1-20261130T120000000Z.jsonl.sealed");
    std::fs::write(&broken, [b'X'; 4_000]).unwrap();
    let left = erase(&here).await;
    let at = format!("at {}: whose 1 logs", here.app().instance());
    assert!(left.iter().any(|left| left.starts_with(&at)), "{left:?}");
    std::fs::remove_file(broken).unwrap();
    redis.tell("FLUSHALL");
    assert_eq!(erase(&here).await, [] as [String; 0], "the first order of a Redis that was emptied");
}
