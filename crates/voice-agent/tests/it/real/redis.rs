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
    let answer = server.say(&ada, "Add a task to water the plants").await;
    let said = answer["reply"].as_str().unwrap();
    assert!(!said.contains("I've added"), "not claimed: {answer}");
    assert!(!server.reply(&ada, "Help").await.is_empty());
    eventually("readiness says so", async || server.readiness().await.1["status"] == "degraded").await;
    let (status, body) = server.readiness().await;
    assert_eq!((status, &body["reasons"][0]["part"]), (200, &json!("store")));
    assert!(server.metric("voice_store_errors_total").await > 0.0);
    assert_eq!(server.post("/api/sessions", "", &json!({})).await.status(), 503);

    redis.restart();
    eventually("it has recovered", async || server.readiness().await.1["status"] == "ready").await;
    assert!(server.reply(&ada, "Add a task to water the plants").await.contains("added"));
    assert_eq!(server.titles(&ada, "open").await, ["Buy milk", "Water the plants"]);

    // The words of the bad minute were kept in memory, and are in Redis now.
    let other = home.start().await;
    server.kill();
    other.back(&ada).await;
    let history = other.history(&ada).await;
    assert!(history.contains(&"user: Help".to_owned()), "{history:?}");
    assert_eq!(other.titles(&ada, "open").await, ["Buy milk", "Water the plants"]);
}
