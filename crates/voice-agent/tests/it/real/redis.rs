//! Several instances on one Redis: a call goes on in another process, and Redis itself may go and come.

use serde_json::json;

use super::phone::Phone;
use super::process::{Home, eventually, has};
use crate::redis_server::RedisServer;

const HOW: &str = "apt-get install redis-server";
const BACK: &str = "I'm back. We were discussing your task list. Where were we?";

#[tokio::test]
async fn a_call_goes_on_in_another_instance_when_its_own_is_killed() {
    if !has("redis-server", HOW) {
        return;
    }
    let redis = RedisServer::start();
    let home = Home::with([("REDIS_URL", &redis.url())]).await;
    let (first, second) = (home.start().await, home.start().await);
    let ada = first.user("ada").await;
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
    if !has("redis-server", HOW) {
        return;
    }
    let redis = RedisServer::start();
    let home = Home::with([("REDIS_URL", &redis.url())]).await;
    let (first, second) = (home.start().await, home.start().await);
    let ada = first.user("ada").await;
    first.reply(&ada, "Add a task to buy milk").await;
    // The caller comes back to another instance while the first one still lives.
    second.back(&ada).await;
    assert!(second.reply(&ada, "Add a task to water the plants").await.contains("added"));
    let late = first.post(&format!("/api/sessions/{}/messages", ada.id), &ada.token, &json!({"text": "Undo"})).await;
    let status = late.status();
    let said = late.text().await.unwrap();
    let owner = second.history(&ada).await;
    assert!(owner.contains(&"user: Add a task to water the plants".to_owned()), "{status} {said}: {owner:?}");
}

#[tokio::test]
async fn a_redis_that_goes_ends_no_call_and_what_was_missed_is_written_when_it_is_back() {
    if !has("redis-server", HOW) {
        return;
    }
    let mut redis = RedisServer::start();
    let home = Home::with([("REDIS_URL", &redis.url())]).await;
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
    if !has("redis-server", HOW) {
        return;
    }
    let redis = RedisServer::start();
    let home = Home::with([("REDIS_URL", &redis.url())]).await;
    let (mut first, second) = (home.start().await, home.start().await);
    let ada = first.user("ada").await;
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
    if !has("redis-server", HOW) {
        return;
    }
    let redis = RedisServer::start();
    let home = Home::with([("REDIS_URL", &redis.url())]).await;
    let (first, second) = (home.start().await, home.start().await);
    let ada = first.user("ada").await;
    let mut phone = Phone::call(&first, &ada).await;
    phone.until_greeted().await;
    first.signal("STOP");
    second.back(&ada).await;
    first.signal("CONT");
    // Nobody says anything: it finds out by itself.
    assert_eq!(phone.until_closed().await, 4001);
    assert!(second.reply(&ada, "Add a task to buy milk").await.contains("added"));
}
