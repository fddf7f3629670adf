//! The calls of the contract, as they should go.

use reqwest::Method;
use serde_json::{Value, json};
use voice_agent::config::Secret;
use voice_agent::http::{OPENAPI, ROUTES};

use crate::fake::SILENCE;
use crate::server::{TestServer, problem};

#[tokio::test]
async fn a_session_begins_talks_and_ends() {
    let server = TestServer::start().await;
    let session =
        server.session_of(&json!({"user_id": "ada", "time_zone": "Europe/Berlin", "recording_consent": true})).await;
    assert_eq!(session.body["greeting"], "Hello! How can I help with your tasks today?");
    assert_eq!(session.body["resumed"], false);

    let path = format!("/api/sessions/{}", session.id);
    let answer = server.post(&format!("{path}/messages"), &session.token, &json!({"text": "hi"})).await;
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["reply"], "You said: hi");
    assert_eq!(answer["tool_calls"][0]["name"], "list_tasks");

    let doc: Value = server.get(&path, &session.token).await.json().await.unwrap();
    assert_eq!(doc["user_id"], "ada");
    assert_eq!(doc["conversation_history"], json!([{"role": "user", "content": "hi"}]));
    assert_eq!(doc["context"]["recording_enabled"], true);
    assert_eq!(doc["current_agent"], "TaskAgent");
    let mut fields: Vec<&String> = doc.as_object().unwrap().keys().collect();
    fields.sort();
    let contract = [
        "channel",
        "context",
        "conversation_history",
        "created_at",
        "current_agent",
        "last_activity",
        "session_id",
        "user_id",
    ];
    assert_eq!(fields, contract);

    assert_eq!(server.metric("voice_agent_active_sessions").await, 1.0);
    let ended = server.request(Method::DELETE, &path).bearer_auth(&session.token).send().await.unwrap();
    assert_eq!(ended.status(), 204);
    server.metric_becomes("voice_agent_active_sessions", 0.0).await;

    // It can be read until it expires, and not be talked to.
    assert_eq!(server.get(&path, &session.token).await.status(), 200);
    let late = server.post(&format!("{path}/messages"), &session.token, &json!({"text": "hi"})).await;
    problem(late, 404, "session_ended").await;
}

#[tokio::test]
async fn whoever_deletes_the_session_is_named_as_its_end() {
    const TOKEN: &str = "an operator's token";
    let server = TestServer::with(|config| config.secrets.admin_token = Some(Secret::new(TOKEN))).await;
    for (path, by_caller, reason) in [("/api/sessions", true, "hung_up"), ("/api/admin/sessions", false, "operator")] {
        let session = server.session("ada").await;
        let mut socket = server.voice(&session).await;
        let token = if by_caller { session.token.as_str() } else { TOKEN };
        let delete = server.request(Method::DELETE, &format!("{path}/{}", session.id)).bearer_auth(token);
        assert_eq!(delete.send().await.unwrap().status(), 204);
        assert_eq!(socket.event("ended").await["reason"], reason);
    }
}

#[tokio::test]
async fn a_live_session_is_found_again_and_an_anonymous_user_is_somebody() {
    let server = TestServer::start().await;
    let session = server.session_of(&json!({})).await;
    let again = server.session_of(&json!({"session_id": session.id, "token": session.token})).await;
    assert_eq!((again.id, again.token), (session.id.clone(), session.token.clone()));
    // No connection came yet: the greeting is still to be said.
    assert_eq!((&again.body["resumed"], &again.body["greeting"]), (&json!(true), &json!(voice_core::config::GREETING)));
    let _socket = server.voice(&session).await;
    let again = server.session_of(&json!({"session_id": session.id, "token": session.token})).await;
    assert_eq!(again.body["greeting"], "");
    let doc: Value = server.get(&format!("/api/sessions/{}", session.id), &session.token).await.json().await.unwrap();
    assert!(doc["user_id"].as_str().unwrap().starts_with("anon-"));
    assert_eq!(doc["channel"], "browser");
    assert_eq!(server.metric("voice_agent_active_sessions").await, 1.0);
}

#[tokio::test]
async fn a_session_goes_on_after_a_restart() {
    let server = TestServer::start().await;
    let session = server.session("ada").await;
    let server = server.restart().await;
    assert_eq!(server.metric("voice_agent_active_sessions").await, 0.0);
    // The tasks need no live session, only the token.
    assert_eq!(server.get("/api/tasks", &session.token).await.status(), 200);
    let again = server.session_of(&json!({"session_id": session.id, "token": session.token})).await;
    // Nothing was said in it yet: it is greeted as new.
    assert_eq!(again.body["greeting"], voice_core::config::GREETING);
    assert_eq!(again.body["resumed"], true);
    assert_eq!(server.metric("voice_sessions_started_total{kind=\"restored\"}").await, 1.0);
    // And by its socket alone.
    let server = server.restart().await;
    let mut socket = server.voice(&session).await;
    socket.frame().await;
    assert_eq!(socket.audio().await.len(), 960);
}

#[tokio::test]
async fn a_session_is_restored_once_however_many_ask() {
    let server = TestServer::start().await;
    let session = server.session("ada").await;
    let server = server.restart().await;
    let body = json!({"session_id": session.id, "token": session.token});
    let ask = || server.session_of(&body);
    let all = futures_util::future::join_all((0..8).map(|_| ask())).await;
    assert!(all.iter().all(|session| session.body["greeting"] == voice_core::config::GREETING));
    assert_eq!(server.metric("voice_sessions_started_total{kind=\"restored\"}").await, 1.0);
    assert_eq!(server.metric("voice_agent_active_sessions").await, 1.0);
}

#[tokio::test]
async fn the_users_tasks_change_for_all_of_the_users_sessions() {
    let server = TestServer::start().await;
    let (one, other) = (server.session("ada").await, server.session("ada").await);
    let stranger = server.session("bob").await;
    let mut socket = server.voice(&other).await;

    let created = server.post("/api/tasks", &one.token, &json!({"title": "Review", "due": "2026-11-27"})).await;
    assert_eq!(created.status(), 201);
    let task: Value = created.json().await.unwrap();
    assert_eq!(
        (&task["status"], &task["priority"], &task["due"]),
        (&json!("open"), &json!("normal"), &json!("2026-11-27"))
    );
    assert_eq!(socket.event("tasks").await["tasks"], json!([task]));
    assert_eq!(server.get("/api/tasks", &other.token).await.json::<Value>().await.unwrap(), json!([task]));

    let path = format!("/api/tasks/{}", task["id"].as_str().unwrap());
    let patch = |token: &str, body: Value| server.request(Method::PATCH, &path).bearer_auth(token).json(&body).send();
    let done: Value = patch(&one.token, json!({"status": "done"})).await.unwrap().json().await.unwrap();
    assert_eq!(done["status"], "done");
    assert!(done["completed_at"].is_string());

    // Somebody else's tasks are not there.
    assert_eq!(server.get("/api/tasks", &stranger.token).await.json::<Value>().await.unwrap(), json!([]));
    problem(patch(&stranger.token, json!({"status": "open"})).await.unwrap(), 404, "no_such_task").await;
    let delete = |token: &str| server.request(Method::DELETE, &path).bearer_auth(token).send();
    problem(delete(&stranger.token).await.unwrap(), 404, "no_such_task").await;

    let restore = format!("{path}/restore");
    assert_eq!(delete(&one.token).await.unwrap().status(), 204);
    problem(delete(&one.token).await.unwrap(), 404, "no_such_task").await;
    assert_eq!(server.get("/api/tasks", &one.token).await.json::<Value>().await.unwrap(), json!([]));
    problem(server.post(&restore, &stranger.token, &json!({})).await, 404, "no_such_task").await;

    // It comes back as it was, before what was added since.
    server.post("/api/tasks", &one.token, &json!({"title": "Later"})).await;
    let back = server.post(&restore, &one.token, &json!({})).await;
    assert_eq!((back.status(), back.json::<Value>().await.unwrap()), (200.try_into().unwrap(), done.clone()));
    assert_eq!(server.post(&restore, &one.token, &json!({})).await.status(), 200, "twice is once");
    let tasks: Vec<Value> = server.get("/api/tasks", &one.token).await.json().await.unwrap();
    assert_eq!(tasks.iter().map(|task| &task["title"]).collect::<Vec<_>>(), ["Review", "Later"]);
}

#[tokio::test]
async fn every_route_of_the_document_answers_and_other_methods_are_named_as_such() {
    let server = TestServer::start().await;
    let document: Value = server.get("/api/openapi.json", "").await.json().await.unwrap();
    assert_eq!(document, serde_json::from_str::<Value>(OPENAPI).unwrap());
    let problem_response = json!({"$ref": "#/components/responses/Problem"});
    for (path, operations) in
        document["paths"].as_object().unwrap().iter().filter(|(path, _)| path.starts_with("/api/"))
    {
        for (method, operation) in operations.as_object().unwrap().iter().filter(|(key, _)| *key != "parameters") {
            assert_eq!(operation["responses"]["default"], problem_response, "{method} {path}");
        }
    }
    for (path, methods) in ROUTES {
        let path = path.replace("{id}", "x");
        for method in ["GET", "POST", "PATCH", "DELETE", "PUT"] {
            let response = server.request(method.parse().unwrap(), &path).send().await.unwrap();
            let served = methods.contains(&method.to_lowercase().as_str());
            assert_eq!(response.status() != 405, served, "{method} {path}: {}", response.status());
            if !served {
                problem(response, 405, "method_not_allowed").await;
            }
        }
    }
}

#[tokio::test]
async fn an_unanswered_message_is_a_conflict_and_not_a_hang() {
    let server = TestServer::start().await;
    let session = server.session("ada").await;
    let path = format!("/api/sessions/{}/messages", session.id);
    problem(server.post(&path, &session.token, &json!({"text": SILENCE})).await, 409, "not_answered").await;
}

#[tokio::test]
async fn the_page_leaves_compressed_and_is_small() {
    let server = TestServer::start().await;
    let zipped = async |path: &str| {
        let response = server.request(Method::GET, path).header("accept-encoding", "gzip").send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let encoding = response.headers().get("content-encoding").map(|value| value.to_str().unwrap().to_owned());
        (encoding, response.bytes().await.unwrap())
    };
    let page = server.get("/", "").await.text().await.unwrap();
    if page.contains("has no page") {
        return;
    }
    let named = page.split('"').filter(|part| part.starts_with("/assets/") || part.starts_with("assets/"));
    let paths: Vec<String> = named.map(|path| format!("/{}", path.trim_start_matches('/'))).collect();
    assert!(paths.iter().any(|path| path.ends_with(".js")) && paths.iter().any(|path| path.ends_with(".css")));
    let mut bytes = zipped("/").await.1.len();
    for path in paths.iter().filter(|path| path.ends_with(".js") || path.ends_with(".css")) {
        let (encoding, body) = zipped(path).await;
        assert_eq!(encoding.as_deref(), Some("gzip"), "{path}");
        bytes += body.len();
    }
    assert!(bytes < 100_000, "{bytes} bytes at the first load");
}

#[tokio::test]
async fn the_page_is_there_with_its_headers() {
    let server = TestServer::start().await;
    let response = server.get("/", "").await;
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    let headers = response.headers().clone();
    let body = response.text().await.unwrap();
    // Whoever built the page gets it; without it the server says so.
    let built = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/dist/index.html").is_file();
    assert_eq!((body.contains("<script"), body.contains("has no page")), (built, !built), "{body}");
    let policy = headers["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"));
    assert_eq!(headers["x-content-type-options"], "nosniff");
    problem(server.get("/nothing/here", "").await, 404, "no_such_path").await;
    problem(server.get("/..%2f..%2fCargo.toml", "").await, 404, "no_such_path").await;
}
