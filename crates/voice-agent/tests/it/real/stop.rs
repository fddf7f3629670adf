//! SIGTERM.

use serde_json::json;

use super::phone::Phone;
use super::process::{Home, eventually};

#[tokio::test]
async fn a_server_that_is_told_to_stop_drains_says_so_and_exits_with_0() {
    let home = Home::with([("SHUTDOWN_GRACE_MS", "60000"), ("SHUTDOWN_NOTICE_MS", "1000")]).await;
    let mut server = home.start().await;
    assert_eq!(server.readiness().await, (200, json!({"status": "ready", "reasons": []})));
    let ada = server.user("ada").await;
    let mut phone = Phone::call(&server, &ada).await;
    phone.until_greeted().await;
    server.reply(&ada, "Add a task to buy milk").await;
    server.terminate();
    eventually("it is not ready", async || server.readiness().await.0 == 503).await;
    let (_, body) = server.readiness().await;
    assert_eq!((&body["status"], &body["reasons"][0]["part"]), (&json!("not_ready"), &json!("draining")));
    // New callers are sent elsewhere.
    let refused = server.post("/api/sessions", "", &json!({})).await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    // At the next silence the caller is sent to whoever comes next, and the process is gone long before the time of grace is over.
    assert_eq!(phone.until_closed().await, 4007);
    assert!(phone.last("hand_over").is_some());
    assert_eq!(server.exit().await.code(), Some(0));
    assert_eq!(server.logged("stopped").len(), 1);
    assert!(server.logged("panicked").is_empty() && server.logged("the time of grace is over").is_empty());

    // It goes on without a word, with all that was said.
    let server = home.start().await;
    let mut phone = Phone::call(&server, &ada).await;
    assert_eq!(phone.last("ready").unwrap()["resumed"], true);
    phone.for_ms(500).await;
    assert!(phone.all("agent_text").is_empty() && phone.all("speech_started").is_empty());
    phone.send(&json!({"type": "text", "text": "What's on my list?"})).await;
    phone.until("it goes on", |phone| phone.last("turn").is_some()).await;
    let history = server.history(&ada).await;
    let asked: Vec<&String> = history.iter().filter(|line| line.starts_with("user: ")).collect();
    assert_eq!(asked, ["user: Add a task to buy milk", "user: What's on my list?"], "{history:?}");
    assert!(history.iter().all(|line| !line.contains("I'm back")), "{history:?}");
    assert_eq!(server.titles(&ada, "open").await, ["Buy milk"]);
}

#[tokio::test]
async fn an_idle_server_stops_at_once_and_twice_is_now() {
    let home = Home::new().await;
    let mut server = home.start().await;
    server.terminate();
    assert_eq!(server.exit().await.code(), Some(0));
    drop(home);

    let home = Home::with([("SHUTDOWN_NOTICE_MS", "60000"), ("SHUTDOWN_GRACE_MS", "60000")]).await;
    let mut server = home.start().await;
    let ada = server.user("ada").await;
    let _phone = Phone::call(&server, &ada).await;
    server.terminate();
    eventually("it drains", async || !server.logged("draining").is_empty()).await;
    server.terminate();
    assert_eq!(server.exit().await.code(), Some(0));
    assert_eq!(server.logged("stopped at once").len(), 1);
}
