//! SIGTERM.

use serde_json::json;

use super::phone::Phone;
use super::process::{Home, eventually};

#[tokio::test]
async fn a_server_that_is_told_to_stop_drains_says_so_and_exits_with_0() {
    let home = Home::with([("SHUTDOWN_GRACE_MS", "2000")]).await;
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
    // New callers are sent elsewhere, live ones go on within the time of grace.
    let refused = server.post("/api/sessions", "", &json!({})).await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    phone.send(&json!({"type": "text", "text": "What's on my list?"})).await;
    phone.until("the live call goes on", |phone| phone.last("tool_call").is_some()).await;
    assert_eq!(phone.until_closed().await, 1001);
    assert_eq!(server.exit().await.code(), Some(0));
    assert_eq!(server.logged("stopped").len(), 1);
    assert!(server.logged("panicked").is_empty());

    // And whoever was cut off goes on with the next one.
    let server = home.start().await;
    let back = server.back(&ada).await;
    assert_eq!(back.body["resumed"], true);
    let history = server.history(&ada).await;
    assert!(history.contains(&"user: What's on my list?".to_owned()), "{history:?}");
    assert_eq!(server.titles(&ada, "open").await, ["Buy milk"]);
}

#[tokio::test]
async fn an_idle_server_stops_at_once_and_twice_is_now() {
    let home = Home::new().await;
    let mut server = home.start().await;
    server.terminate();
    assert_eq!(server.exit().await.code(), Some(0));

    let mut server = home.start().await;
    let ada = server.user("ada").await;
    let _phone = Phone::call(&server, &ada).await;
    server.terminate();
    eventually("it drains", async || !server.logged("draining").is_empty()).await;
    server.terminate();
    assert_eq!(server.exit().await.code(), Some(0));
    assert_eq!(server.logged("stopped at once").len(), 1);
}
