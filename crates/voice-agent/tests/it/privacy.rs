//! People's rights, and who may look: call by call, and what is left on the disk of somebody who was erased.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use voice_agent::config::{Config, Secret};
use voice_agent::consent::Decisions;
use voice_agent::privacy::{Certificate, Desk};
use voice_agent::readiness::Readiness;
use voice_agent::recording::{self, Kind as RecordingKind, Name, Recorder};
use voice_agent::store::{
    Channel, Clock, ConsentRecord, ConversationItem, InstanceId, ManualClock, RedisOptions, RedisStore, Role,
    SessionDoc, SessionId, Store, UserId,
};
use voice_agent::tasks::{Priority, Task, TaskChange, TaskId, TaskStatus, UndoEffect, UndoEntry};
use voice_agent::telemetry::{Events, Metrics};
use voice_agent::vault::{Key, LocalKms, Sealer, Vault};
use voice_core::consent::{ConsentDecision, ConsentHow};

use crate::redis_server::RedisServer;
use crate::server::{TestServer, problem, soon};

pub(super) const OPERATOR: &str = "the operator's token";
pub(super) const AUDITOR: &str = "the auditor's token";
pub(super) const PRIVACY: &str = "the privacy officer's token";

/// What nobody may find any more.
pub(super) const NUMBER: &str = "+15557654321";
const TITLE: &str = "Zahnarzt wegen der Krone";
pub(super) const WORDS: &str = "my mother's maiden name is Quackenbush";

pub(super) fn with_roles(config: &mut Config) {
    config.secrets.admin_token = Some(Secret::new(OPERATOR));
    config.secrets.auditor_token = Some(Secret::new(AUDITOR));
    config.secrets.privacy_token = Some(Secret::new(PRIVACY));
    // The recordings here are of 1970, and retention looks as soon as a server is up.
    config.recording.retention_days = 36_500;
}

/// A server whose logs of inputs are in this folder.
pub(super) async fn with_logs(folder: &Path) -> TestServer {
    TestServer::with(|config| {
        with_roles(config);
        config.input_log.dir = folder.to_owned();
    })
    .await
}

pub(super) fn person() -> UserId {
    UserId::new(format!("phone:{NUMBER}"))
}

/// Every call of the operators, and which of operator, auditor and privacy may make it.
const CALLS: [(&str, &str, [bool; 3]); 15] = [
    ("GET", "/api/admin/whoami", [true, true, true]),
    ("GET", "/api/admin/sessions", [true, false, false]),
    ("GET", "/api/admin/sessions/{id}", [true, false, false]),
    ("GET", "/api/admin/sessions/{id}?words=true", [true, false, false]),
    ("GET", "/api/admin/sessions/{id}/log", [true, false, false]),
    ("GET", "/api/admin/spend", [true, true, false]),
    ("GET", "/api/admin/recordings", [true, true, true]),
    ("GET", "/api/admin/access-log", [false, true, true]),
    ("POST", "/api/admin/privacy/consents", [false, true, true]),
    ("POST", "/api/admin/privacy/withdraw", [false, false, true]),
    ("POST", "/api/admin/privacy/export", [false, false, true]),
    ("POST", "/api/admin/privacy/erase", [false, false, true]),
    ("GET", "/api/admin/sessions/{id}/events", [true, false, false]),
    ("DELETE", "/api/admin/sessions/{id}", [true, false, false]),
    ("POST", "/api/admin/drain", [true, false, false]),
];

#[tokio::test]
async fn each_role_may_make_its_calls_and_no_other() {
    for (method, path, may) in CALLS {
        let server = TestServer::with(with_roles).await;
        let session = server.session("ada").await;
        let path = path.replace("{id}", &session.id);
        let call = async |token: Option<&str>| {
            let mut request = server.request(Method::from_bytes(method.as_bytes()).unwrap(), &path);
            if method == "POST" && path.contains("privacy") {
                request = request.json(&json!({"user_id": "somebody else"}));
            }
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            request.send().await.unwrap()
        };
        problem(call(None).await, 401, "unauthorized").await;
        for nobody in ["wrong", &session.token, ""] {
            problem(call(Some(nobody)).await, 401, "unauthorized").await;
        }
        // Whoever may not is refused first: the call itself may end something.
        for allowed in [false, true] {
            for (token, may) in [OPERATOR, AUDITOR, PRIVACY].into_iter().zip(may).filter(|(_, may)| *may == allowed) {
                let answer = call(Some(token)).await;
                if may {
                    let log_is_off = path.ends_with("/log") && answer.status() == 404;
                    assert!(answer.status().is_success() || log_is_off, "{method} {path}: {}", answer.status());
                } else {
                    problem(answer, 403, "other_role").await;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_role_without_a_token_has_no_calls() {
    let server = TestServer::with(|config| config.secrets.auditor_token = Some(Secret::new(AUDITOR))).await;
    problem(server.get("/api/admin/sessions", OPERATOR).await, 401, "unauthorized").await;
    problem(server.get("/api/admin/sessions", AUDITOR).await, 403, "other_role").await;
    assert_eq!(server.get("/api/admin/access-log", AUDITOR).await.status(), 200);
}

fn task(title: &str) -> Task {
    Task {
        id: TaskId::parse("t_1").unwrap(),
        title: title.to_owned(),
        status: TaskStatus::Open,
        due: None,
        priority: Priority::Normal,
        created_at: Timestamp::UNIX_EPOCH,
        completed_at: None,
    }
}

fn doc(id: &str, user: &UserId, words: &str) -> SessionDoc {
    let now = Timestamp::now();
    SessionDoc {
        session_id: SessionId::new(id),
        user_id: user.clone(),
        channel: Channel::Phone,
        conversation_history: vec![ConversationItem { role: Role::User, content: words.to_owned() }],
        current_agent: "TaskAgent".to_owned(),
        created_at: now,
        last_activity: now,
        context: json!({"phone_number": user.as_str().trim_start_matches("phone:")}).as_object().cloned().unwrap(),
    }
}

fn decided(id: &str, decision: ConsentDecision) -> ConsentRecord {
    ConsentRecord {
        id: id.to_owned(),
        at: Timestamp::now(),
        session_id: SessionId::new("call_1"),
        channel: Channel::Phone,
        policy_version: "1".to_owned(),
        wording: "May this call be recorded?".to_owned(),
        decision,
        how: ConsentHow::Voice,
    }
}

/// Puts everything there that can be of a person, and some of another one.
pub(super) async fn fill(store: &dyn Store) {
    for (user, words, title) in [(person(), WORDS, TITLE), (UserId::new("bea"), "hello from Bea", "Bea's task")] {
        let id = format!("call_{}", if user == person() { "1" } else { "2" });
        let there = InstanceId::new("an instance that is gone");
        let fence = store.create_session(doc(&id, &user, words), [7; 32], there).await.unwrap();
        store.put_handover(SessionId::new(id), fence, json!({"fence": fence, "say": words})).await.unwrap();
        let changes = vec![TaskChange::Created(task(title))];
        let undo = UndoEffect::Push(UndoEntry { action: format!("add {title}"), changes: changes.clone() });
        store.change_tasks(user.clone(), None, changes, undo).await.unwrap();
        store.set_opted_out(user.clone(), true).await.unwrap();
        store.add_consent(user.clone(), decided("a", ConsentDecision::Agreed)).await.unwrap();
    }
    store.add_consent(person(), decided("b", ConsentDecision::OptedOut)).await.unwrap();
}

/// The files below a folder that hold any of these bytes.
pub(super) fn holding(folder: &Path, needles: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, needles));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        for needle in needles {
            if bytes.windows(needle.len()).any(|window| window == needle.as_bytes()) {
                found.push(format!("{}: {needle}", path.display()));
            }
        }
    }
    found
}

const NEEDLES: [&str; 4] = [NUMBER, TITLE, WORDS, "Quackenbush"];

/// The files of an archive, by name.
pub(super) fn unpacked(bytes: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("archive.tar.gz");
    std::fs::write(&file, bytes).unwrap();
    let tar = std::process::Command::new("tar").arg("-xzf").arg(&file).arg("-C").arg(folder.path()).status();
    assert!(tar.unwrap().success());
    folder
}

#[tokio::test]
async fn an_archive_holds_everything_of_a_person_and_nothing_of_anybody_else() {
    let logs = tempfile::tempdir().unwrap();
    let server = with_logs(logs.path()).await;
    fill(server.store.as_ref()).await;
    for session in ["call_1", "call_2"] {
        let name = format!("{session}-20261129T120000000Z.jsonl");
        std::fs::write(logs.path().join(name), format!("a log of {session}")).unwrap();
    }
    let body = json!({"user_id": person()});
    let answer = server.post("/api/admin/privacy/export", PRIVACY, &body).await;
    assert_eq!(answer.headers()["content-type"], "application/gzip");
    let archive = unpacked(&answer.bytes().await.unwrap());
    let read = |name: &str| std::fs::read_to_string(archive.path().join(name)).unwrap_or_else(|_| panic!("{name}"));
    let about: Value = serde_json::from_str(&read("about.json")).unwrap();
    assert_eq!(about["user_id"], json!(person()));
    assert!(read("sessions/call_1.json").contains(WORDS));
    assert!(read("transcripts/call_1.txt").contains(&format!("You: {WORDS}")));
    let tasks: Value = serde_json::from_str(&read("tasks.json")).unwrap();
    assert_eq!((&tasks["tasks"][0]["title"], tasks["undo"].as_array().unwrap().len()), (&json!(TITLE), 1));
    let consents: Vec<ConsentRecord> = serde_json::from_str(&read("consents.json")).unwrap();
    assert_eq!(consents.len(), 2);
    let refused: Value = serde_json::from_str(&read("preferences.json")).unwrap();
    assert_eq!(refused, json!({"text_messages_refused": true, "recordings_refused": true}));
    assert_eq!(read("input-logs/call_1-20261129T120000000Z.jsonl"), "a log of call_1");
    let line: Value = serde_json::from_str(read("access-log.jsonl").lines().last().unwrap()).unwrap();
    assert_eq!((&line["action"], &line["role"]), (&json!("export"), &json!("privacy")), "this very access");
    assert_eq!(holding(archive.path(), &["Bea", "call_2"]), [] as [String; 0]);
}

#[tokio::test]
async fn of_an_erased_person_no_byte_is_left_on_the_disk_and_the_certificate_says_so() {
    let logs = tempfile::tempdir().unwrap();
    let server = with_logs(logs.path()).await;
    fill(server.store.as_ref()).await;
    let log = logs.path().join("call_1-20261129T120000000Z.jsonl");
    std::fs::write(&log, WORDS).unwrap();
    assert!(!holding(server.data(), &NEEDLES).is_empty(), "it is there before");
    let body = json!({"user_id": person()});
    let answer = server.post("/api/admin/privacy/erase", PRIVACY, &body).await;
    assert_eq!(answer.status(), 200);
    let text = answer.text().await.unwrap();
    let ours = Desk::of(server.app()).unwrap().public_key().await.unwrap();
    let certificate = Certificate::verify(&text, Some(&ours)).unwrap();
    let statement = certificate.statement;
    let erased = |what: &str| statement.erased[what];
    assert_eq!(
        ["sessions", "tasks", "undo_steps", "consents", "text_opt_outs", "input_logs"].map(erased),
        [1, 1, 1, 2, 1, 1]
    );
    assert!(statement.store_scrubbed && statement.left.is_empty(), "{:?}", statement.left);
    assert_eq!(holding(server.data(), &NEEDLES), [] as [String; 0]);
    assert!(!log.exists());
    assert!(!holding(server.data(), &["Bea's task"]).is_empty(), "others keep what is theirs");
    // What was wished for outlives the name, and a second erasure finds nothing.
    let pseudonym = statement.subject.clone();
    let kept = Decisions::of(server.store.as_ref(), &voice_agent::consent::nameless(&pseudonym)).await.unwrap();
    assert!(kept.opted_out() && statement.kept.len() == 2, "{:?}", statement.kept);
    let opt_outs = server.app().texter.opt_outs();
    assert!(!server.store.is_opted_out(person()).await.unwrap() && opt_outs.has(&person()).await.unwrap());
    let again = server.post("/api/admin/privacy/erase", PRIVACY, &body).await.text().await.unwrap();
    let again = Certificate::verify(&again, Some(&ours)).unwrap().statement;
    assert!(!statement.key_destroyed && again.erased.values().all(|many| *many == 0));
    assert_eq!(again.kept, statement.kept, "it is still remembered");
    let audit: Value = server.get("/api/admin/access-log", AUDITOR).await.json().await.unwrap();
    assert_eq!(audit["audit"]["findings"], json!([]));
    assert_eq!(audit["lines"].as_array().unwrap().iter().filter(|line| line["action"] == "erase").count(), 2);
    // After a START they may be written to again.
    opt_outs.take_back(&person()).await.unwrap();
    assert!(!opt_outs.has(&person()).await.unwrap());
}

#[tokio::test]
async fn an_erasure_waits_for_what_is_being_written_and_one_that_broke_off_is_done_to_its_end() {
    let server = TestServer::with(with_roles).await;
    fill(server.store.as_ref()).await;
    let desk = Desk::of(server.app()).unwrap();
    let vault = server.app().vault.clone().unwrap();
    let owner = vault.user_key(&person()).await.unwrap().owner();
    // A tape or a log of a session that has just ended.
    let sealing = vault.sealing(&person());
    let erasing = tokio::spawn(async move { desk.erase(&person()).await });
    while !server.store.load_session(SessionId::new("call_1")).await.unwrap().unwrap().ended {
        tokio::task::yield_now().await;
    }
    for _ in 0..50 {
        assert!(vault.key_of(owner).await.unwrap().is_some(), "its key is needed still");
    }
    drop(sealing);
    let statement = erasing.await.unwrap().unwrap().statement;
    assert!(statement.key_destroyed && vault.key_of(owner).await.unwrap().is_none());
    // What an erasure that broke off behind the key leaves to the next.
    let statement = Desk::of(server.app()).unwrap().erase(&person()).await.unwrap().statement;
    assert!(statement.key_destroyed, "{statement:?}");
}

#[tokio::test]
async fn who_is_talking_is_hung_up_on_before_the_erasure() {
    let server = TestServer::with(with_roles).await;
    let session = server.session("ada").await;
    let path = format!("/api/sessions/{}/messages", session.id);
    assert_eq!(server.post(&path, &session.token, &json!({"text": WORDS})).await.status(), 200);
    let body = json!({"user_id": "ada"});
    assert_eq!(server.post("/api/admin/privacy/erase", PRIVACY, &body).await.status(), 200);
    assert!(server.app().sessions.list().is_empty());
    problem(server.get(&format!("/api/sessions/{}", session.id), &session.token).await, 401, "unauthorized").await;
    assert_eq!(holding(server.data(), &[WORDS]), [] as [String; 0]);
}

#[tokio::test]
async fn an_archive_holds_the_rest_when_something_cannot_be_read_and_names_it() {
    let logs = tempfile::tempdir().unwrap();
    let server = with_logs(logs.path()).await;
    fill(server.store.as_ref()).await;
    let (name, bytes) = recorded(&server, &person()).await;
    let damaged = Name { fence: 4, ..name.clone() };
    let path = server.data().join("recordings").join(damaged.to_string());
    std::fs::write(path, &bytes[..bytes.len() - 9]).unwrap();
    std::fs::write(logs.path().join("call_1-20261129T120000000Z.jsonl.sealed"), "no sealed file").unwrap();
    let body = json!({"user_id": person()});
    let answer = server.post("/api/admin/privacy/export", PRIVACY, &body).await;
    assert_eq!(answer.status(), 200);
    let archive = unpacked(&answer.bytes().await.unwrap());
    let read = |name: &str| std::fs::read_to_string(archive.path().join(name)).unwrap_or_else(|_| panic!("{name}"));
    assert_eq!(read("recordings/call_1/19700101T000000000Z-3.jsonl"), WORDS);
    assert!(read("sessions/call_1.json").contains(WORDS) && read("access-log.jsonl").contains("export"));
    let missing: Value = serde_json::from_str(&read("missing.json")).unwrap();
    let named: Vec<&str> = missing.as_array().unwrap().iter().map(|one| one["what"].as_str().unwrap()).collect();
    let all = ["recordings/call_1/19700101T000000000Z-4.jsonl", "input-logs/call_1-20261129T120000000Z.jsonl"];
    assert_eq!(named, all);
    assert!(missing[0]["why"].as_str().unwrap().contains("breaks off"), "{missing}");
}

#[tokio::test]
async fn a_caller_reads_and_withdraws_without_anybody() {
    let server = TestServer::start().await;
    let shown = "Talk, and record the call. The audio is kept.";
    let body = json!({"user_id": "ada", "recording_consent": true, "consent_wording": shown});
    let session = server.session_of(&body).await;
    let told: Value = server.get("/api/consents", &session.token).await.json().await.unwrap();
    let record = &told["consents"][0];
    assert_eq!(
        (&record["decision"], &record["how"], &record["wording"]),
        (&json!("agreed"), &json!("page"), &json!(shown))
    );
    assert_eq!((&record["policy_version"], &told["opted_out"]), (&json!("1"), &json!(false)));
    problem(server.post("/api/consents", &session.token, &json!({"opt_out": false})).await, 422, "invalid_fields")
        .await;
    for _ in 0..3 {
        assert_eq!(server.post("/api/consents", &session.token, &json!({"opt_out": true})).await.status(), 204);
    }
    let told: Value = server.get("/api/consents", &session.token).await.json().await.unwrap();
    assert_eq!((&told["opted_out"], told["consents"].as_array().unwrap().len()), (&json!(true), 2), "written once");
    let objection = &told["consents"][1];
    assert_eq!((&objection["how"], &objection["session_id"]), (&json!("page"), &json!(session.id)));
    problem(server.get("/api/consents", "wrong").await, 401, "unauthorized").await;
}

#[tokio::test]
async fn an_objection_stops_the_recording_of_a_call_that_another_instance_has() {
    let redis = RedisServer::start();
    let shared = |config: &mut Config| {
        with_roles(config);
        config.secrets.redis_url = Some(Secret::new(redis.url()));
        config.secrets.recording_master_key = Some(Secret::new("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="));
    };
    let (here, there) = (TestServer::with(shared).await, TestServer::with(shared).await);
    let (hers, others) = (here.session("ada").await, here.session("bea").await);
    let (mut socket, mut other) = (here.voice(&hers).await, here.voice(&others).await);
    // It listens to what others tell: before that, what was missed is told with the first connection.
    soon("both listen", async || {
        let mut direct = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
        let (_, count): (String, usize) =
            redis::cmd("PUBSUB").arg("NUMSUB").arg("voice:tasks-changed").query(&mut direct).unwrap();
        count == 2
    })
    .await;
    let body = json!({"user_id": "ada"});
    assert_eq!(there.post("/api/admin/privacy/withdraw", PRIVACY, &body).await.status(), 204);
    assert_eq!(socket.event("recording").await["enabled"], false);
    let answer = there.post("/api/consents", &others.token, &json!({"opt_out": true})).await;
    assert_eq!(answer.status(), 204, "the session is found in the store");
    assert_eq!(other.event("recording").await["enabled"], false);
}

/// What reads and deletes recordings, and records nothing.
fn recorder(config: &Config, vault: &Arc<Vault>, clock: &Arc<dyn Clock>) -> Arc<Recorder> {
    let events = Arc::new(Events::new(Metrics::new("rules", &["add_task"])));
    let parts = recording::Parts {
        settings: config.recording.clone(),
        vault: Arc::clone(vault),
        readiness: Arc::new(Readiness::starting(Arc::clone(&events))),
        events,
        clock: Arc::clone(clock),
        tracker: tokio_util::task::TaskTracker::new(),
    };
    Recorder::new(parts, &config.data_dir, "here").unwrap()
}

#[tokio::test]
async fn of_an_erased_person_no_byte_is_left_in_redis_or_its_files() {
    // A snapshot that is not packed: what is in it can be read, and so looked for.
    let redis = RedisServer::start_with(|_| ["--rdbcompression", "no"].map(str::to_owned).to_vec());
    let options = RedisOptions { deadline: Duration::from_secs(20), ..RedisOptions::default() };
    let store: Arc<dyn Store> = Arc::new(RedisStore::new(&redis.url(), options).unwrap());
    let kms = Arc::new(LocalKms::new(Key::from_bytes(&[7; 32]), Vec::new()));
    let vault = Arc::new(Vault::new(Arc::clone(&store), kms));
    let data = tempfile::tempdir().unwrap();
    let mut config = Config { data_dir: data.path().to_owned(), ..Config::default() };
    config.secrets.redis_url = Some(Secret::new(redis.url()));
    fill(store.as_ref()).await;
    vault.user_key(&person()).await.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp::now()));
    let recorder = recorder(&config, &vault, &clock);
    let desk = Desk::alone(config, Arc::clone(&store), vault, recorder, clock);
    assert!(!holding(redis.folder.path(), &NEEDLES).is_empty(), "it is there before");
    let statement = desk.erase(&person()).await.unwrap().statement;
    assert!(statement.key_destroyed && statement.store_scrubbed, "{:?}", statement.left);
    assert_eq!(
        holding(redis.folder.path(), &NEEDLES),
        [] as [String; 0],
        "neither in the append-only file nor in a snapshot"
    );
    let mut direct = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
    let keys: Vec<String> = redis::Commands::keys(&mut direct, "*").unwrap();
    assert!(keys.iter().all(|key| !key.contains(NUMBER)), "{keys:?}");
    assert!(!holding(redis.folder.path(), &["Bea's task"]).is_empty(), "others keep what is theirs");
}

/// A recording of this person in the storage of this server: its name, and its bytes as they lie there.
pub(super) async fn recorded(server: &TestServer, user: &UserId) -> (Name, Vec<u8>) {
    let vault = server.app().vault.clone().unwrap();
    let key = vault.user_key(user).await.unwrap();
    let name = Name::new(key.owner(), "call_1", Timestamp::UNIX_EPOCH, 3, RecordingKind::Words);
    let (mut sealer, mut bytes) = Sealer::new(&key, &name.label()).unwrap();
    sealer.seal(WORDS.as_bytes(), &mut bytes).unwrap();
    sealer.finish(&mut bytes).unwrap();
    let path = server.data().join("recordings").join(name.to_string());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, &bytes).unwrap();
    (name, bytes)
}

#[tokio::test]
async fn recordings_are_listed_and_opened_for_those_who_may_and_each_access_is_noted() {
    let server = TestServer::with(with_roles).await;
    let (name, _) = recorded(&server, &person()).await;
    for token in [OPERATOR, AUDITOR, PRIVACY] {
        let told: Value = server.get("/api/admin/recordings", token).await.json().await.unwrap();
        assert_eq!((&told["total"], &told["recordings"][0]["name"]), (&json!(1), &json!(name.to_string())));
        let path = format!("/api/admin/recordings?owner={}", name.owner);
        let told: Value = server.get(&path, token).await.json().await.unwrap();
        assert_eq!((&told["total"], &told["recordings"][0]["kind"]), (&json!(1), &json!("words")));
    }
    problem(server.get("/api/admin/recordings?owner=ada", PRIVACY).await, 400, "bad_request").await;
    let path = format!("/api/admin/recordings/{name}");
    for token in [OPERATOR, PRIVACY] {
        let answer = server.get(&path, token).await;
        assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
        assert_eq!(answer.text().await.unwrap(), WORDS);
    }
    problem(server.get(&path, AUDITOR).await, 403, "other_role").await;
    problem(server.get(&path, "").await, 401, "unauthorized").await;
    for odd in ["a/b/c", "..%2f../b/c", &format!("{}/call_1/x.ogg.sealed", name.owner)] {
        problem(server.get(&format!("/api/admin/recordings/{odd}"), PRIVACY).await, 404, "no_such_recording").await;
    }
    let told: Value = server.get("/api/admin/access-log", AUDITOR).await.json().await.unwrap();
    let read = told["lines"].as_array().unwrap().iter().filter(|line| line["action"] == "read_recording");
    assert!(read.clone().all(|line| line["user"] == json!(name.owner.to_string())) && read.count() == 2);
}

#[tokio::test]
async fn an_old_copy_of_an_erased_persons_recording_cannot_be_opened() {
    let server = TestServer::with(with_roles).await;
    let (name, copy) = recorded(&server, &person()).await;
    let body = json!({"user_id": person()});
    let archive = server.post("/api/admin/privacy/export", PRIVACY, &body).await.bytes().await.unwrap();
    let archive = unpacked(&archive);
    let words = std::fs::read_to_string(archive.path().join("recordings/call_1/19700101T000000000Z-3.jsonl")).unwrap();
    assert_eq!(words, WORDS, "it can be opened before");
    let answer = server.post("/api/admin/privacy/erase", PRIVACY, &body).await.text().await.unwrap();
    let statement = Certificate::verify(&answer, None).unwrap().statement;
    assert!(statement.key_destroyed && statement.erased["recordings"] == 1);
    let path = server.data().join("recordings").join(name.to_string());
    assert!(!path.exists());
    // Somebody has a backup of the file, and puts it back: also when the person is there again, with another key.
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, copy).unwrap();
    let call = format!("/api/admin/recordings/{name}");
    problem(server.get(&call, PRIVACY).await, 404, "recording_erased").await;
    server.app().vault.clone().unwrap().user_key(&person()).await.unwrap();
    problem(server.get(&call, PRIVACY).await, 500, "unreadable").await;
}
