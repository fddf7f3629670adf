//! An export where several instances share a Redis: each has a disk of its own.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use voice_agent::store::{InstanceId, UserId};
use voice_agent::vault::Sealer;

use crate::erasure::instance;
use crate::privacy::{AUDITOR, PRIVACY, WORDS, holding, recorded, unpacked};
use crate::redis_server::RedisServer;
use crate::server::TestServer;

/// A whole log of this user's.
async fn log_of(server: &TestServer, user: &str, path: &Path, text: &str) {
    let key = server.app().vault.clone().unwrap().user_key(&UserId::new(user)).await.unwrap();
    let (mut sealer, mut bytes) = Sealer::new(&key, "inputs").unwrap();
    sealer.seal(text.as_bytes(), &mut bytes).unwrap();
    sealer.finish(&mut bytes).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// A recording of this user's that its storage does not take: it waits on this instance's disk.
async fn waiting(server: &TestServer, user: &str) -> String {
    let (name, bytes) = recorded(server, &UserId::new(user)).await;
    let storage = server.data().join("recordings");
    std::fs::remove_dir_all(&storage).unwrap();
    std::fs::write(storage, b"no folder").unwrap();
    let waits = server.data().join("recordings-waiting").join(server.app().instance().as_str()).join(name.to_string());
    std::fs::create_dir_all(waits.parent().unwrap()).unwrap();
    std::fs::write(waits, bytes).unwrap();
    let below = name.to_string().split_once('/').unwrap().1.to_owned();
    format!("recordings/{}", below.strip_suffix(".sealed").unwrap())
}

/// Everything about ada, as this instance has it.
async fn archive(server: &TestServer) -> tempfile::TempDir {
    let answer = server.post("/api/admin/privacy/export", PRIVACY, &json!({"user_id": "ada"})).await;
    assert_eq!(answer.status(), 200);
    unpacked(&answer.bytes().await.unwrap())
}

#[tokio::test]
async fn an_archive_has_what_lies_on_other_instances_disks_and_nobody_reads_it_on_its_way() {
    let (redis, disks) = (RedisServer::start(), [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()]);
    let [here_disk, there_disk] = disks.each_ref().map(tempfile::TempDir::path);
    let (here, there) = (instance(&redis, here_disk).await, instance(&redis, there_disk).await);
    // More than may wait on its way at once.
    let long = format!("{WORDS}\n").repeat(80_000);
    log_of(&there, "ada", &there_disk.join("old_1-20261130T120000000Z.jsonl.sealed"), &long).await;
    log_of(&there, "bea", &there_disk.join("old_2-20261130T120000000Z.jsonl.sealed"), "Bea's words").await;
    let recording = waiting(&there, "ada").await;
    assert_eq!(there.post("/api/admin/privacy/consents", AUDITOR, &json!({"user_id": "ada"})).await.status(), 200);

    // One does not wait for the other.
    let (found, again) = tokio::join!(archive(&here), archive(&here));
    for archive in [&found, &again] {
        let missing = std::fs::read_to_string(archive.path().join("missing.json")).unwrap_or_default();
        assert_eq!(missing, "");
    }
    let theirs = found.path().join("instances").join(there.app().instance().as_str());
    let read = |name: &str| std::fs::read_to_string(theirs.join(name)).unwrap_or_else(|_| panic!("{name}"));
    assert!(read("input-logs/old_1-20261130T120000000Z.jsonl") == long);
    assert_eq!(read(&recording), WORDS);
    assert!(read("access-log.jsonl").contains("read_consents"));
    assert_eq!(holding(found.path(), &["Bea"]), [] as [String; 0]);
    assert_eq!(std::fs::read_dir(found.path().join("instances")).unwrap().count(), 1, "its own are where they were");
    // Redis keeps every write on its disk.
    assert_eq!(holding(redis.folder.path(), &[WORDS]), [] as [String; 0]);
}

#[tokio::test]
async fn an_archive_names_the_instances_that_do_not_answer_and_what_others_cannot_read() {
    let (redis, disks) = (RedisServer::start(), [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()]);
    let [here_disk, there_disk] = disks.each_ref().map(tempfile::TempDir::path);
    let (here, there) = (instance(&redis, here_disk).await, instance(&redis, there_disk).await);
    std::fs::write(there_disk.join("old_1-20261130T120000000Z.jsonl.sealed"), [b'X'; 4_000]).unwrap();
    // As one of an earlier version.
    here.store.heartbeat(InstanceId::new("pod-of-before"), Duration::from_secs(60)).await.unwrap();
    let found = archive(&here).await;
    let missing = std::fs::read(found.path().join("missing.json")).unwrap();
    let missing: Value = serde_json::from_slice(&missing).unwrap();
    let mut named: Vec<&str> = missing.as_array().unwrap().iter().map(|one| one["what"].as_str().unwrap()).collect();
    named.sort_unstable();
    let theirs = format!("instances/{}/input-logs/", there.app().instance());
    let mut all = ["instances/pod-of-before", theirs.as_str()];
    all.sort_unstable();
    assert_eq!(named, all, "{missing}");
}
