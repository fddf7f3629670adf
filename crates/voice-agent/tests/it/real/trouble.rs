//! The disk is full: the call goes on, and the loss is said everywhere that somebody may look.

use serde_json::json;

use super::process::{Home, Process, eventually, has};

/// Takes all space away from a running server, or gives it back: no file of it may grow or be written.
fn space(server: &Process, limit: &str) {
    let pid = server.id().to_string();
    let fsize = format!("--fsize={limit}:unlimited");
    let set = std::process::Command::new("prlimit").args(["--pid", &pid, &fsize]).status().unwrap();
    assert!(set.success());
}

#[tokio::test]
async fn a_full_disk_ends_no_call_is_said_and_is_got_over() {
    if !has("prlimit", "apt-get install util-linux") {
        return;
    }
    let home = Home::new().await;
    let server = home.start_to_run_out_of_space().await;
    let ada = server.user("ada").await;
    server.reply(&ada, "Add a task to buy milk").await;
    assert_eq!(server.metric("voice_store_errors_total").await, 0.0);

    space(&server, "0");
    // A change that could not be kept is not claimed, but promised.
    let answer = server.say(&ada, "Add a task to water the plants").await;
    let said = answer["reply"].as_str().unwrap();
    assert!(said.contains("I'll save that as soon as it's back"), "{answer}");
    assert_eq!(answer["tool_calls"][0]["result"]["status"], "pending");
    assert_eq!(server.titles(&ada, "open").await, ["Buy milk"]);
    // What needs no store is answered as ever.
    assert!(server.reply(&ada, "What's on my list?").await.contains("Buy milk"));
    assert!(server.metric("voice_store_errors_total").await > 0.0);
    assert!(!server.logged("store").is_empty());
    eventually("readiness says so", async || server.readiness().await.1["status"] == "degraded").await;
    let (status, body) = server.readiness().await;
    assert_eq!((status, &body["reasons"][0]["part"]), (200, &json!("store")));
    assert!(!body["reasons"][0]["reason"].as_str().unwrap().is_empty());
    assert_eq!(server.metric("voice_degraded_parts").await, 1.0);
    // A new caller needs the store, and is told to come back.
    let refused = server.post("/api/sessions", "", &json!({})).await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(refused.json::<serde_json::Value>().await.unwrap()["code"], "store");

    space(&server, "unlimited");
    eventually("it has recovered", async || server.readiness().await.1["status"] == "ready").await;
    assert_eq!(server.metric("voice_degraded_parts").await, 0.0);
    eventually("the promise is kept, once", async || {
        server.titles(&ada, "open").await == ["Buy milk", "Water the plants"]
    })
    .await;
    assert_eq!(server.post("/api/sessions", "", &json!({})).await.status(), 201);

    // The words of the bad minutes were kept in memory, and are in the store now.
    let addr = server.kill();
    let server = home.start_on(addr).await;
    server.back(&ada).await;
    let history = server.history(&ada).await;
    for said in ["user: Add a task to water the plants", "user: What's on my list?"] {
        assert!(history.iter().any(|line| line == said), "{said} in {history:?}");
    }
    assert_eq!(server.titles(&ada, "open").await, ["Buy milk", "Water the plants"]);
}

#[tokio::test]
async fn a_log_that_nobody_takes_ends_no_call_and_is_counted() {
    let home = Home::new().await;
    let mut server = home.start().await;
    let ada = server.user("ada").await;
    assert_eq!(server.metric("voice_log_lines_lost_total").await, 0.0);
    server.close_log();
    for title in ["milk", "bread", "salt"] {
        server.reply(&ada, &format!("Add a task to buy {title}")).await;
    }
    assert_eq!(server.titles(&ada, "open").await.len(), 3);
    eventually("it is counted", async || server.metric("voice_log_lines_lost_total").await > 0.0).await;
    assert_eq!(server.readiness().await.0, 200);
    server.terminate();
    assert_eq!(server.exit().await.code(), Some(0));
}
