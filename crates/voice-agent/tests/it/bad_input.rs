//! What a careless or hostile caller may send by HTTP.

use reqwest::Method;
use serde_json::{Value, json};
use voice_agent::config::{AuthMode, Secret};

use crate::server::{TestServer, problem};

#[tokio::test]
async fn bodies_that_are_not_what_the_call_takes() {
    let server = TestServer::start().await;
    let session = server.session("ada").await;
    let post = |path: &str, kind: &str, body: Vec<u8>| {
        let request = server.request(Method::POST, path).bearer_auth(&session.token);
        request.header("content-type", kind).body(body).send()
    };
    let json_type = "application/json";
    let messages = format!("/api/sessions/{}/messages", session.id);
    for path in ["/api/sessions", messages.as_str(), "/api/tasks"] {
        problem(post(path, json_type, b"{\"text\": ".to_vec()).await.unwrap(), 400, "malformed_json").await;
        problem(post(path, json_type, vec![0xff, 0xfe]).await.unwrap(), 400, "malformed_json").await;
        problem(post(path, json_type, vec![b'['; 1_000]).await.unwrap(), 400, "malformed_json").await;
        problem(post(path, json_type, b"[]".to_vec()).await.unwrap(), 422, "invalid_fields").await;
        problem(post(path, "text/plain", b"{}".to_vec()).await.unwrap(), 415, "not_json").await;
        problem(post(path, json_type, vec![b' '; 70_000]).await.unwrap(), 413, "body_too_large").await;
    }
    // The neighbours are unharmed.
    assert_eq!(server.get("/api/tasks", &session.token).await.status(), 200);
}

#[tokio::test]
async fn every_refusal_is_a_problem_document() {
    let server = TestServer::with(|config| config.secrets.admin_token = Some(Secret::new("an operator's token"))).await;
    let session = server.session("ada").await;
    let send = |method: Method, path: &str| server.request(method, path).bearer_auth(&session.token).send();
    for (method, path) in [
        (Method::PATCH, "/api/tasks/%00%ff"),
        (Method::DELETE, "/api/tasks/%ff"),
        (Method::GET, "/api/sessions/%ff"),
        (Method::DELETE, "/api/sessions/%c3%28"),
        (Method::POST, "/api/sessions/%ff/messages"),
        (Method::GET, "/api/sessions/%ff/audio"),
        (Method::DELETE, "/api/admin/sessions/%ff"),
    ] {
        problem(send(method, path).await.unwrap(), 400, "bad_request").await;
    }
    problem(send(Method::DELETE, "/api/tasks/%00").await.unwrap(), 404, "no_such_task").await;
    problem(send(Method::GET, "/%ff").await.unwrap(), 404, "no_such_path").await;
    problem(send(Method::PUT, "/api/tasks").await.unwrap(), 405, "method_not_allowed").await;
    let metrics = |path: &str| format!("http://{}{path}", server.app_metrics_addr());
    let client = reqwest::Client::new();
    problem(client.post(metrics("/metrics")).send().await.unwrap(), 405, "method_not_allowed").await;
    problem(client.get(metrics("/other")).send().await.unwrap(), 404, "no_such_path").await;
    let wrong = json!({"title": "\u{200b}\u{202e}", "due": "0000-01-01"});
    let body = problem(server.post("/api/tasks", &session.token, &wrong).await, 422, "invalid_fields").await;
    assert_eq!(body["errors"].as_array().unwrap().len(), 2, "{body}");
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let server = TestServer::start().await;
    let session = server.session("ada").await;
    let wrong = json!({
        "channel": "phone", "user_id": "phone:+15551234567", "token": "x", "recording_consent": "yes",
        "time_zone": "Mars/Olympus", "colour": "red",
    });
    let body = problem(server.post("/api/sessions", "", &wrong).await, 422, "invalid_fields").await;
    let mut named: Vec<&str> =
        body["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    named.sort_unstable();
    assert_eq!(named, ["channel", "colour", "recording_consent", "session_id", "time_zone", "user_id"]);

    let path = format!("/api/sessions/{}/messages", session.id);
    for text in [json!({}), json!({"text": ""}), json!({"text": 7}), json!({"text": "é".repeat(2_001)})] {
        let body = problem(server.post(&path, &session.token, &text).await, 422, "invalid_fields").await;
        assert_eq!(body["errors"][0]["field"], "text");
    }
    let longest = json!({"text": "é".repeat(2_000)});
    assert_eq!(server.post(&path, &session.token, &longest).await.status(), 200);

    let bad = json!({"title": " ", "due": "tomorrow", "priority": "urgent"});
    let body = problem(server.post("/api/tasks", &session.token, &bad).await, 422, "invalid_fields").await;
    assert_eq!(body["errors"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn an_unknown_session_and_a_stolen_one_look_alike() {
    let server = TestServer::start().await;
    let (mine, theirs) = (server.session("ada").await, server.session("bob").await);
    let unknown = "0".repeat(32);
    // A token that would fit the name, but is not the session's.
    let mut forged = mine.token.clone().into_bytes();
    let last = forged.len() - 1;
    forged[last] = if forged[last] == b'A' { b'Q' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    let of_nobody = voice_agent::http::Token::random().unwrap();

    let asked = |id: String, token: String| {
        let server = &server;
        async move {
            let response = server.get(&format!("/api/sessions/{id}"), &token).await;
            (response.status().as_u16(), response.text().await.unwrap())
        }
    };
    // Without a valid token: 401, whatever is asked for.
    let refused = asked(mine.id.clone(), forged.clone()).await;
    assert_eq!(refused.0, 401);
    for (id, token) in [
        (&unknown, forged.as_str()),
        (&mine.id, of_nobody.reveal()),
        (&of_nobody.session().as_str().to_owned(), of_nobody.reveal()),
        (&mine.id, "not a token"),
    ] {
        assert_eq!(asked(id.clone(), token.to_owned()).await, refused, "{id} {token}");
    }
    // With a valid one: 404, whether the other session is there or not.
    let elsewhere = asked(theirs.id.clone(), mine.token.clone()).await;
    assert_eq!(elsewhere.0, 404);
    assert_eq!(asked(unknown.clone(), mine.token.clone()).await, elsewhere);

    // Coming back.
    for (id, token) in
        [(&mine.id, forged.as_str()), (&theirs.id, &mine.token), (&unknown, &mine.token), (&mine.id, "x")]
    {
        let body = json!({"session_id": id, "token": token});
        problem(server.post("/api/sessions", "", &body).await, 404, "no_such_session").await;
    }
    let nobody = server.request(Method::GET, "/api/tasks").send().await.unwrap();
    assert_eq!(nobody.headers()["www-authenticate"], "Bearer");
    problem(nobody, 401, "unauthorized").await;
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused_and_health_is_not() {
    let server = TestServer::with(|config| config.public_url = "https://voice.example.com".to_owned()).await;
    let get =
        |path: &str, name: &'static str, value: &str| server.request(Method::GET, path).header(name, value).send();
    problem(get("/api/openapi.json", "host", "evil.example").await.unwrap(), 403, "foreign_host").await;
    problem(get("/", "host", "evil.example").await.unwrap(), 403, "foreign_host").await;
    problem(get("/api/openapi.json", "origin", "https://evil.example").await.unwrap(), 403, "foreign_origin").await;
    problem(get("/api/openapi.json", "origin", "null").await.unwrap(), 403, "foreign_origin").await;
    assert_eq!(get("/api/openapi.json", "host", "voice.example.com").await.unwrap().status(), 200);
    assert_eq!(get("/api/openapi.json", "origin", "https://voice.example.com").await.unwrap().status(), 200);
    assert_eq!(get("/health/ready", "host", "10.1.2.3:8080").await.unwrap().status(), 200);
}

#[tokio::test]
async fn nobody_is_believed_on_an_open_address() {
    let server = TestServer::with(|config| config.http.addr.0 = ([0, 0, 0, 0], 0).into()).await;
    let port = server.addr().port();
    let client = reqwest::Client::new();
    let created = client.post(format!("http://127.0.0.1:{port}/api/sessions")).send().await.unwrap();
    let body = problem(created, 401, "unauthorized").await;
    assert!(body["detail"].as_str().unwrap().contains("AUTH_NONE_OK"));
    let ready = client.get(format!("http://127.0.0.1:{port}/health/ready")).send().await.unwrap();
    assert_eq!(ready.status(), 200);
}

#[tokio::test]
async fn with_jwt_the_user_is_the_tokens_subject() {
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    let server = TestServer::with(|config| {
        config.auth.mode = AuthMode::Jwt;
        config.auth.jwt_issuer = "iss".to_owned();
        config.auth.jwt_audience = "aud".to_owned();
        config.secrets.jwt_secret = Some(Secret::new(SECRET));
    })
    .await;
    let jwt = |sub: &str| {
        let claims = json!({"sub": sub, "iss": "iss", "aud": "aud", "exp": 4_102_444_800_u64});
        let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
    };
    problem(server.post("/api/sessions", "x", &json!({})).await, 401, "unauthorized").await;
    problem(server.post("/api/sessions", &jwt("phone:+1555"), &json!({})).await, 401, "unauthorized").await;
    problem(server.post("/api/sessions", &jwt("ada"), &json!({"user_id": "bob"})).await, 403, "not_your_user").await;

    let created: Value = server.post("/api/sessions", &jwt("ada"), &json!({})).await.json().await.unwrap();
    let (id, token) = (created["session_id"].as_str().unwrap(), created["token"].as_str().unwrap());
    let doc: Value = server.get(&format!("/api/sessions/{id}"), token).await.json().await.unwrap();
    assert_eq!(doc["user_id"], "ada");
    let back = json!({"session_id": id, "token": token});
    assert_eq!(server.post("/api/sessions", &jwt("ada"), &back).await.status(), 201);
    problem(server.post("/api/sessions", &jwt("bob"), &back).await, 404, "no_such_session").await;
}

#[tokio::test]
async fn a_session_keeps_its_user_whoever_comes_back_to_it() {
    let server = TestServer::start().await;
    let session = server.session("ada").await;
    let back = |user: &str| json!({"session_id": session.id, "token": session.token, "user_id": user});
    problem(server.post("/api/sessions", "", &back("bob")).await, 403, "not_your_user").await;
    assert_eq!(server.post("/api/sessions", "", &back("ada")).await.status(), 201);
}

#[tokio::test]
async fn a_request_that_never_gets_to_its_point_is_ended() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let server = TestServer::with(|config| config.http.handshake_timeout_ms = 100).await;
    let mut slow = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
    slow.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await.unwrap();
    // The server hangs up without an answer, or with a 408; the test waits for either as long as it takes.
    let mut rest = Vec::new();
    let _reset_or_end = slow.read_to_end(&mut rest).await;
    assert!(!rest.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&rest));
    assert_eq!(server.get("/health/live", "").await.status(), 200);
}

#[tokio::test]
async fn two_hosts_are_none_and_a_body_that_never_comes_is_waited_for_in_vain() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let server = TestServer::with(|config| config.http.handshake_timeout_ms = 100).await;
    for (request, status) in [
        ("GET /api/openapi.json HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n", "400"),
        (
            "POST /api/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: 20\r\nConnection: close\r\n\r\n{",
            "408",
        ),
    ] {
        let mut stream = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
    }
}

#[tokio::test]
async fn what_is_not_http_is_ended_and_harms_nobody() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let server = TestServer::start().await;
    let long_head = [b"GET / HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; 200_000]].concat();
    for garbage in [b"\x16\x03\x01\x02\x00 this is no HTTP\r\n\r\n".to_vec(), long_head] {
        let mut stream = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
        // The server may hang up before all of it is sent.
        let _may_be_cut_off = stream.write_all(&garbage).await;
        let mut answer = Vec::new();
        let _reset_or_end = stream.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(server.get("/health/live", "").await.status(), 200);
}
