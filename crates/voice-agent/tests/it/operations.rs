//! Caps, health, draining, the operators' calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use reqwest::Method;
use serde_json::{Value, json};
use voice_agent::config::Secret;
use voice_agent::model::pool::{Lane, ModelPool, PoolConfig, PoolError};
use voice_agent::model::runtime::ModelError;
use voice_agent::readiness::{StageHealth, Watched};
use voice_agent::store::SessionId;

use crate::server::{TestServer, problem, soon};

#[tokio::test]
async fn a_full_server_says_so_and_has_room_again_when_a_session_ends() {
    let server = TestServer::with(|config| config.limits.max_sessions = 1).await;
    let session = server.session("ada").await;
    let full = server.post("/api/sessions", "", &json!({})).await;
    assert_eq!(full.headers()["retry-after"], "5");
    problem(full, 503, "full").await;
    assert_eq!(server.metric("voice_sessions_rejected_total{reason=\"full\"}").await, 1.0);
    // The one who is in is not affected.
    let back = json!({"session_id": session.id, "token": session.token});
    assert_eq!(server.post("/api/sessions", "", &back).await.status(), 201);
    let path = format!("/api/sessions/{}", session.id);
    server.request(Method::DELETE, &path).bearer_auth(&session.token).send().await.unwrap();
    server.metric_becomes("voice_agent_active_sessions", 0.0).await;
    assert_eq!(server.post("/api/sessions", "", &json!({})).await.status(), 201);
}

#[tokio::test]
async fn a_session_that_nobody_came_to_keeps_no_caller_out() {
    let server = TestServer::with(|config| {
        config.limits.max_sessions = 2;
        config.limits.unvisited_ms = 0;
    })
    .await;
    let (abandoned, taken) = (server.session("ada").await, server.session("bob").await);
    let _leg = server.voice(&taken).await;
    let third = server.session("cyd").await;
    let _another_leg = server.voice(&third).await;
    assert!(server.app().sessions.get(&SessionId::new(abandoned.id)).is_none());
    // Both who are in were visited: there is no room any more.
    problem(server.post("/api/sessions", "", &json!({})).await, 503, "full").await;
    assert_eq!(server.metric("voice_agent_active_sessions").await, 2.0);
}

#[tokio::test]
async fn operators_see_end_and_drain_and_nobody_else_does() {
    const TOKEN: &str = "an operator's token";
    let server = TestServer::with(|config| config.secrets.admin_token = Some(Secret::new(TOKEN))).await;
    let session = server.session("ada").await;
    problem(server.get("/api/admin/sessions", "wrong").await, 401, "unauthorized").await;
    let list: Value = server.get("/api/admin/sessions", TOKEN).await.json().await.unwrap();
    assert_eq!(list["sessions"][0]["session_id"], session.id);
    assert_eq!(list["sessions"][0]["user_id"], "ada");

    let drained: Value = server.post("/api/admin/drain", TOKEN, &json!({})).await.json().await.unwrap();
    assert_eq!(drained["live_sessions"], 1);
    problem(server.post("/api/sessions", "", &json!({})).await, 503, "not_ready").await;
    let ready = server.get("/health/ready", "").await;
    assert_eq!(ready.status(), 503);
    let body: Value = ready.json().await.unwrap();
    assert_eq!((&body["status"], &body["reasons"][0]["part"]), (&json!("not_ready"), &json!("draining")));
    assert_eq!(server.get("/health/live", "").await.status(), 200);
    // The live one goes on, until an operator ends it.
    let path = format!("/api/sessions/{}/messages", session.id);
    assert_eq!(server.post(&path, &session.token, &json!({"text": "hi"})).await.status(), 200);
    let end = server.request(Method::DELETE, &format!("/api/admin/sessions/{}", session.id)).bearer_auth(TOKEN);
    assert_eq!(end.send().await.unwrap().status(), 204);
    server.metric_becomes("voice_agent_active_sessions", 0.0).await;
}

#[tokio::test]
async fn without_a_token_the_operators_calls_are_off() {
    let server = TestServer::start().await;
    let body = problem(server.get("/api/admin/sessions", "anything").await, 404, "admin_off").await;
    assert!(body["detail"].as_str().unwrap().contains("ADMIN_TOKEN"));
}

#[tokio::test]
async fn a_lost_model_degrades_and_the_last_one_takes_the_instance_out() {
    let server = TestServer::start().await;
    let built = AtomicUsize::new(0);
    let gone = || ModelError::Runtime("the file is gone".to_owned());
    let config = PoolConfig { name: "moonshine", workers: 2, queue_limit: 4 };
    let factory = move || if built.fetch_add(1, Ordering::SeqCst) < 2 { Ok(()) } else { Err(gone()) };
    let pool = Arc::new(ModelPool::start(config, factory).unwrap());
    let readiness = Arc::clone(&server.app().readiness);
    readiness.watch(vec![Watched { stage: "stt", optional: false, rung: Arc::clone(&pool) as Arc<dyn StageHealth> }]);
    let lose = async || {
        let job = |_: &mut ()| -> () { panic!("a bug in the model") };
        let lost = pool.stats().lost();
        assert_eq!(pool.run(Lane::Urgent, job).await, Err(PoolError::Panicked));
        // The job is answered before its worker tries to build the model anew.
        soon("the worker gave up", async || pool.stats().lost() > lost).await;
        readiness.look();
        let ready = server.get("/health/ready", "").await;
        (ready.status().as_u16(), ready.json::<Value>().await.unwrap())
    };

    let (status, body) = lose().await;
    assert_eq!((status, &body["status"], &body["reasons"][0]["part"]), (200, &json!("degraded"), &json!("stt")));
    assert!(body["reasons"][0]["reason"].as_str().unwrap().contains("1 of 2 workers"), "{body}");
    assert_eq!((server.metric("voice_degraded_parts").await, server.metric("voice_ready").await), (1.0, 1.0));

    let (status, body) = lose().await;
    assert_eq!((status, &body["status"]), (503, &json!("not_ready")));
    assert_eq!(server.metric("voice_ready").await, 0.0);
    problem(server.post("/api/sessions", "", &json!({})).await, 503, "not_ready").await;
}

#[tokio::test]
async fn a_server_that_goes_down_closes_its_sockets_with_1001() {
    let server = TestServer::start().await;
    let session = server.session("ada").await;
    let socket = server.voice(&session).await;
    let closed = tokio::spawn(socket.closed());
    server.shutdown().await;
    assert_eq!(closed.await.unwrap(), 1001);
}

#[tokio::test]
async fn a_server_that_goes_down_waits_for_its_calls_within_the_time_of_grace() {
    let server = TestServer::with(|config| config.shutdown.grace_ms = 60_000).await;
    let app = Arc::clone(server.app());
    let saved = Arc::new(AtomicBool::new(false));
    let (going_away, done) = (app.going_away.clone(), Arc::clone(&saved));
    app.calls.spawn(async move {
        going_away.cancelled().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        done.store(true, Ordering::SeqCst);
    });
    server.shutdown().await;
    assert!(saved.load(Ordering::SeqCst));

    // One that never ends does not keep the process.
    let server = TestServer::start().await;
    server.app().calls.spawn(std::future::pending::<()>());
    server.shutdown().await;
}

#[tokio::test]
async fn the_logs_of_inputs_are_pruned_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("0123-20200101T000000000Z.jsonl");
    let file = std::fs::File::create(&old).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_577_836_800)).unwrap();
    let _server = TestServer::with(|config| config.input_log.dir = folder.path().to_owned()).await;
    soon("the old log is gone", async || !old.exists()).await;
}

#[tokio::test]
async fn every_answer_is_counted_by_its_route_and_never_by_its_path() {
    let server = TestServer::start().await;
    let session = server.session("ada").await;
    let path = format!("/api/sessions/{}", session.id);
    server.get(&path, &session.token).await;
    server.get("/nothing/here", "").await;
    let text = server.metrics().await;
    assert!(text.contains("voice_http_responses_total{route=\"/api/sessions/{id}\",status=\"2xx\"} 1"));
    assert!(text.contains("voice_http_responses_total{route=\"other\",status=\"4xx\"} 1"));
    assert!(!text.contains(&session.id));
}
