//! Several instances on one Redis: a call goes on in another process, and Redis itself may go and come.

use std::path::Path;

use futures_util::future::join_all;
use serde_json::json;

use super::super::twilio::client::{AUTH_TOKEN, PUBLIC_URL};
use super::phone::Phone;
use super::process::{Home, Process, eventually, has};
use super::recording::telephone;
use super::sentinel::Sentinel;
use crate::redis_server::RedisServer;
use crate::server::Session;

const HOW: &str = "apt-get install redis-server";
const BACK: &str = "I'm back. We were discussing your task list. Where were we?";

/// A Redis, and a home for servers on it. None where there is no `redis-server`.
async fn house() -> Option<(RedisServer, Home)> {
    if !has("redis-server", HOW) {
        return None;
    }
    let redis = RedisServer::start();
    let home = Home::with([("REDIS_URL", &redis.url())]).await;
    Some((redis, home))
}

/// Two instances on one Redis, and a caller of the first.
async fn two() -> Option<(RedisServer, Home, Process, Process, Session)> {
    let (redis, home) = house().await?;
    let (first, second) = (home.start().await, home.start().await);
    let ada = first.user("ada").await;
    Some((redis, home, first, second, ada))
}

#[tokio::test]
async fn a_call_goes_on_in_another_instance_when_its_own_is_killed() {
    let Some((_redis, _home, first, second, ada)) = two().await else { return };
    let mut phone = Phone::call(&first, &ada).await;
    phone.until_greeted().await;
    assert!(first.reply(&ada, "Add a task to buy milk").await.contains("added"));
    // What one instance changes, the other one's callers see.
    assert_eq!(second.titles(&ada, "open").await, ["Buy milk"]);
    first.kill();
    assert_eq!(phone.until_closed().await, 1006);

    let mut phone = Phone::call(&second, &ada).await;
    assert_eq!(phone.last("ready").unwrap()["resumed"], true);
    phone.until_greeted().await;
    let greeting = phone.last("agent_text").unwrap()["reply_id"].clone();
    assert_eq!(phone.caption(&greeting).trim(), BACK);
    assert!(second.reply(&ada, "What's on my list?").await.contains("Buy milk"));
    let history = second.history(&ada).await;
    assert!(history.contains(&"user: Add a task to buy milk".to_owned()), "{history:?}");
}

#[tokio::test]
async fn a_process_that_was_thought_dead_cannot_overwrite_its_successor() {
    let Some((_redis, _home, first, second, ada)) = two().await else { return };
    first.reply(&ada, "Add a task to buy milk").await;
    // The caller comes back to another instance while the first one still lives.
    second.back(&ada).await;
    assert!(second.reply(&ada, "Add a task to water the plants").await.contains("added"));
    let late = first.post(&format!("/api/sessions/{}/messages", ada.id), &ada.token, &json!({"text": "Undo"})).await;
    let status = late.status();
    let said = late.text().await.unwrap();
    // Either it has noticed by itself, and took the call back as any instance may; or what it does is refused, and changes nothing.
    let (owner, titles, asked): (_, &[&str], &[&str]) = if status == 200 {
        (&first, &["Buy milk"], &["Add a task to buy milk", "Add a task to water the plants", "Undo"])
    } else {
        (&second, &["Buy milk", "Water the plants"], &["Add a task to buy milk", "Add a task to water the plants"])
    };
    assert_eq!(owner.titles(&ada, "open").await, titles, "{status} {said}");
    let history = owner.history(&ada).await;
    let lines: Vec<&str> = history.iter().filter_map(|line| line.strip_prefix("user: ")).collect();
    assert_eq!(lines, asked, "{status} {said}: {history:?}");
}

#[tokio::test]
async fn who_hangs_up_while_redis_is_gone_has_ended_when_it_is_back_with_the_last_words_and_a_promised_task() {
    let Some((mut redis, home)) = house().await else { return };
    let server = home.start().await;
    let ada = server.user("ada").await;
    server.reply(&ada, "Add a task to buy milk").await;
    redis.kill();
    let promised = server.reply(&ada, "Add a task to water the plants").await;
    assert!(promised.contains("I'll save that as soon as it's back"), "{promised}");
    assert!(!server.reply(&ada, "Help").await.is_empty());
    let ended = server.request(reqwest::Method::DELETE, &format!("/api/sessions/{}", ada.id), &ada.token);
    assert_eq!(ended.send().await.unwrap().status(), 204);
    eventually("the call is over", async || server.metric("voice_agent_active_sessions").await == 0.0).await;
    redis.restart();
    eventually("it has recovered", async || server.readiness().await.1["status"] == "ready").await;
    let help = "user: Help".to_owned();
    eventually("the last words are kept", async || server.history(&ada).await.contains(&help)).await;
    // The end follows them at once.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let asked = json!({"text": "Help"});
    let asked = server.post(&format!("/api/sessions/{}/messages", ada.id), &ada.token, &asked).await;
    assert_eq!(asked.status(), 404);
    let again = server.user("ada").await;
    assert_eq!(server.titles(&again, "open").await, ["Buy milk", "Water the plants"]);
}

#[tokio::test]
async fn a_redis_that_goes_ends_no_call_and_what_was_missed_is_written_when_it_is_back() {
    let Some((mut redis, home)) = house().await else { return };
    let server = home.start().await;
    let ada = server.user("ada").await;
    server.reply(&ada, "Add a task to buy milk").await;

    redis.kill();
    // What is known is answered from memory; a change is promised, and not claimed.
    assert!(server.reply(&ada, "What's on my list?").await.contains("Buy milk"));
    let answer = server.say(&ada, "Add a task to water the plants").await;
    assert_eq!(answer["reply"], "I can't reach your task list right now. I'll save that as soon as it's back.");
    assert!(!server.reply(&ada, "Help").await.is_empty());
    eventually("readiness says so", async || server.readiness().await.1["status"] == "degraded").await;
    let (status, body) = server.readiness().await;
    assert_eq!((status, &body["reasons"][0]["part"]), (200, &json!("store")));
    assert!(server.metric("voice_store_errors_total").await > 0.0);
    assert_eq!(server.post("/api/sessions", "", &json!({})).await.status(), 503);

    redis.restart();
    eventually("it has recovered", async || server.readiness().await.1["status"] == "ready").await;
    // It is kept without anybody asking, once.
    eventually("what was promised is kept", async || server.titles(&ada, "open").await.len() > 1).await;
    assert_eq!(server.titles(&ada, "open").await, ["Buy milk", "Water the plants"]);
    assert!(server.reply(&ada, "Add a task to call the bank").await.contains("added"));

    // The words of the bad minute were kept in memory, and are in Redis now.
    let other = home.start().await;
    server.kill();
    other.back(&ada).await;
    let history = other.history(&ada).await;
    assert!(history.contains(&"user: Help".to_owned()), "{history:?}");
    assert_eq!(other.titles(&ada, "open").await, ["Buy milk", "Call the bank", "Water the plants"]);
}

#[tokio::test]
async fn a_call_is_handed_over_to_another_instance_without_a_word() {
    let Some((_redis, _home, mut first, second, ada)) = two().await else { return };
    let mut phone = Phone::call(&first, &ada).await;
    phone.until_greeted().await;
    first.reply(&ada, "Add a task to buy milk").await;
    // A question that waits for its answer.
    let asked = first.reply(&ada, "Delete the task to buy milk").await;
    assert!(asked.ends_with('?'), "{asked}");
    first.terminate();
    assert_eq!(phone.until_closed().await, 4007);
    let mut phone = Phone::call(&second, &ada).await;
    assert_eq!(phone.last("ready").unwrap()["resumed"], true);
    phone.for_ms(300).await;
    assert!(phone.all("agent_text").is_empty());
    assert_eq!(first.exit().await.code(), Some(0));
    second.reply(&ada, "Yes").await;
    assert!(second.titles(&ada, "open").await.is_empty(), "the question was still pending");
    let history = second.history(&ada).await;
    assert!(history.iter().all(|line| !line.contains("I'm back")), "{history:?}");
}

#[tokio::test]
async fn an_instance_that_stood_still_lets_go_of_what_another_one_took() {
    let Some((_redis, _home, first, second, ada)) = two().await else { return };
    let mut phone = Phone::call(&first, &ada).await;
    phone.until_greeted().await;
    first.signal("STOP");
    second.back(&ada).await;
    first.signal("CONT");
    // Nobody says anything: it finds out by itself.
    assert_eq!(phone.until_closed().await, 4001);
    assert!(second.reply(&ada, "Add a task to buy milk").await.contains("added"));
}

/// What is said while the store takes nothing, and that it is kept once the store takes things again.
async fn a_call_goes_on(
    redis: &RedisServer,
    server: &Process,
    caller: &Session,
    trouble: &str,
    relief: &str,
    task: &str,
) {
    redis.tell(trouble);
    let answer = server.say(caller, &format!("Add a task to {task}")).await;
    assert_eq!(
        answer["reply"], "I can't reach your task list right now. I'll save that as soon as it's back.",
        "{trouble}"
    );
    assert!(server.reply(caller, "What's on my list?").await.contains("Buy milk"), "{trouble}");
    eventually("readiness says so", async || server.readiness().await.1["status"] == "degraded").await;
    redis.tell(relief);
    eventually("it has recovered", async || server.readiness().await.1["status"] == "ready").await;
    let is_kept = async || server.titles(caller, "open").await.iter().any(|title| title.eq_ignore_ascii_case(task));
    eventually("what was promised is kept", is_kept).await;
}

/// A server with a caller who is listened to and has one task.
async fn in_a_call(home: &Home) -> (Process, Session, Phone) {
    let server = home.start().await;
    let ada = server.user("ada").await;
    let mut phone = Phone::call(&server, &ada).await;
    phone.until_greeted().await;
    server.reply(&ada, "Add a task to buy milk").await;
    (server, ada, phone)
}

#[tokio::test]
async fn a_redis_that_is_full_or_read_only_ends_no_call_and_loses_nothing() {
    let Some((redis, home)) = house().await else { return };
    let (server, ada, mut phone) = in_a_call(&home).await;
    for (trouble, relief, task) in [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "water the plants"),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "call the bank"),
    ] {
        a_call_goes_on(&redis, &server, &ada, trouble, relief, task).await;
    }
    phone.for_ms(100).await;
    assert_eq!(phone.closed, None);
    assert_eq!(server.titles(&ada, "open").await, ["Buy milk", "Call the bank", "Water the plants"]);
}

#[tokio::test]
async fn a_redis_that_is_slow_ends_no_call_and_what_was_promised_is_kept_once() {
    let Some((redis, home)) = house().await else { return };
    let (server, ada, mut phone) = in_a_call(&home).await;
    // It takes connections and requests, and answers nothing.
    redis.signal("STOP");
    let said = server.reply(&ada, "Add a task to water the plants").await;
    // Nobody knows of a request that was sent; one that could not be sent is known to have changed nothing.
    let honest = [
        "I'm not sure that was saved. I'll keep trying.",
        "I can't reach your task list right now. I'll save that as soon as it's back.",
    ];
    assert!(honest.contains(&said.as_str()), "{said}");
    redis.signal("CONT");
    // Every try of the same commit stood in its queue: all are carried out now, and one counts.
    eventually("what was promised is kept", async || server.titles(&ada, "open").await.len() > 1).await;
    assert!(server.reply(&ada, "Add a task to call the bank").await.contains("added"));
    assert_eq!(server.titles(&ada, "open").await, ["Buy milk", "Call the bank", "Water the plants"]);
    phone.for_ms(100).await;
    assert_eq!(phone.closed, None);
}

/// A certificate that only who is told so trusts.
fn certificate(folder: &Path) -> (String, String) {
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (file("redis.crt"), file("redis.key"));
    let mut openssl = std::process::Command::new("openssl");
    openssl.args(["req", "-x509", "-nodes", "-days", "2", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    openssl.args(["-subj", "/CN=redis", "-addext", "subjectAltName=IP:127.0.0.1"]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE", "-out", &certificate, "-keyout", &key]);
    let made = openssl.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (certificate, key)
}

/// What a Redis and a Sentinel are told about TLS.
fn tls(port: u16, certificate: &str, key: &str) -> [String; 6] {
    [
        "port 0".to_owned(),
        format!("tls-port {port}"),
        "tls-auth-clients no".to_owned(),
        format!("tls-cert-file {certificate}"),
        format!("tls-key-file {key}"),
        format!("tls-ca-cert-file {certificate}"),
    ]
}

/// A Redis that speaks TLS only, to somebody with a password.
fn with_tls_and_users(certificate: &str, key: &str) -> RedisServer {
    RedisServer::start_with(|port| {
        let tls = tls(port, certificate, key).map(|line| format!("--{line}")).join(" ");
        format!("{tls} --user default off --user voice on >secret ~* &* +@all").split(' ').map(str::to_owned).collect()
    })
}

#[tokio::test]
async fn sentinels_with_tls_and_a_password_of_their_own_say_where_the_master_is() {
    if !has("redis-server", HOW) || !has("openssl", "apt-get install openssl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path());
    let redis = with_tls_and_users(&certificate, &key);
    let sentinel = Sentinel::start(|port| {
        let (tls, master) = (tls(port, &certificate, &key).join("\n"), redis.port);
        let auth = "sentinel auth-user calls voice\nsentinel auth-pass calls secret";
        format!(
            "{tls}\ntls-replication yes\nrequirepass watchword\nsentinel monitor calls 127.0.0.1 {master} 1\n{auth}\n"
        )
    });
    let url = format!("rediss+sentinel://voice:secret@127.0.0.1:{}/calls?sentinel_password=watchword", sentinel.port);
    let home = Home::with([("REDIS_URL", &url), ("SSL_CERT_FILE", &certificate)]).await;
    let server = home.start().await;
    let ada = server.user("ada").await;
    assert!(server.reply(&ada, "Add a task to buy milk").await.contains("added"));
    assert_eq!(server.titles(&ada, "open").await, ["Buy milk"]);

    // Who does not know the Sentinels' password, or speaks without TLS to them, starts, and says that the store is away.
    for (name, another) in [("wrong", url.replace("watchword", "guess")), ("plain", format!("{url}&sentinel_tls=no"))] {
        let server = home.start_as(name, vec![("REDIS_URL", another)]).await;
        eventually("readiness says so", async || server.readiness().await.1["reasons"][0]["part"] == "store").await;
    }
}

#[tokio::test]
async fn a_redis_with_tls_and_users_is_one_like_any_other() {
    if !has("redis-server", HOW) || !has("openssl", "apt-get install openssl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let stranger = tempfile::tempdir().unwrap();
    let (another, _) = certificate(stranger.path());
    let (certificate, key) = certificate(folder.path());
    let redis = with_tls_and_users(&certificate, &key);
    let url = format!("rediss://voice:secret@127.0.0.1:{}", redis.port);
    let home = Home::with([("REDIS_URL", &url), ("SSL_CERT_FILE", &certificate)]).await;
    let server = home.start().await;
    let ada = server.user("ada").await;
    assert!(server.reply(&ada, "Add a task to buy milk").await.contains("added"));
    assert_eq!(server.titles(&ada, "open").await, ["Buy milk"]);

    // Who has another password, or does not know the certificate, starts, and says that the store is away.
    for (name, url, trusted) in
        [("wrong", url.replace("secret", "guess"), certificate.clone()), ("strange", url.clone(), another)]
    {
        let settings = vec![("REDIS_URL", url), ("SSL_CERT_FILE", trusted)];
        let server = home.start_as(name, settings).await;
        eventually("readiness says so", async || server.readiness().await.1["reasons"][0]["part"] == "store").await;
        assert_eq!(server.post("/api/sessions", "", &json!({})).await.status(), 503, "{name}");
    }
}

#[tokio::test]
async fn texts_that_come_together_on_two_instances_are_all_answered() {
    let Some((_redis, home)) = house().await else { return };
    let settings = || vec![("TWILIO_AUTH_TOKEN", AUTH_TOKEN.to_owned()), ("PUBLIC_URL", PUBLIC_URL.to_owned())];
    let servers = [home.start_as("one", settings()).await, home.start_as("two", settings()).await];
    let lines = servers.each_ref().map(telephone);
    let texts = ["apples", "pears", "plums", "nails", "screws", "paint", "soap", "salt"].into_iter().enumerate();
    let answers = join_all(texts.map(|(number, item)| {
        let line = &lines[number % 2];
        async move { line.text(&format!("SM{number:032}"), &format!("add a task to buy {item}")).await.unwrap() }
    }))
    .await;
    assert!(answers.iter().all(|answer| answer.contains("added")), "{answers:?}");
    for server in &servers {
        // A conversation that goes on at the other instance has its outcome there, and is no failure of the store.
        assert_eq!(server.metric("voice_store_errors_total").await, 0.0);
        let dropped = "voice_session_duration_seconds_count{channel=\"phone\",outcome=\"dropped\"}";
        assert_eq!(server.metric(dropped).await, 0.0);
    }
    let tasks = lines[0].text("SM00000000000000000000000000000009", "what are my tasks").await.unwrap();
    assert!(tasks.contains("8 open tasks"), "{tasks}");
}
