//! What an operator sees of one session.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use voice_agent::config::Secret;
use voice_core::cost::{NanoUsd, Quantity, Usage};
use voice_core::provider::Stage;

use crate::server::{Session, TestServer, problem};

const TOKEN: &str = "an operator's token";
const SECRET: &str = "call my doctor";

async fn server() -> (TestServer, Session) {
    let server = TestServer::with(|config| config.secrets.admin_token = Some(Secret::new(TOKEN))).await;
    let session = server.session("ada").await;
    let path = format!("/api/sessions/{}/messages", session.id);
    assert_eq!(server.post(&path, &session.token, &json!({"text": SECRET})).await.status(), 200);
    (server, session)
}

#[tokio::test]
async fn every_call_wants_the_operators_token_and_a_session_that_is_there() {
    let (server, session) = server().await;
    for end in ["", "/events", "/log"] {
        let path = format!("/api/admin/sessions/{}{end}", session.id);
        let bare = server.request(Method::GET, &path).send().await.unwrap();
        problem(bare, 401, "unauthorized").await;
        problem(server.get(&path, "wrong").await, 401, "unauthorized").await;
        problem(server.get(&path, &session.token).await, 401, "unauthorized").await;
    }
    for end in ["", "/events"] {
        let path = format!("/api/admin/sessions/none{end}");
        problem(server.get(&path, TOKEN).await, 404, "no_such_session").await;
        let odd = format!("/api/admin/sessions/{}{end}?words=perhaps", session.id);
        problem(server.get(&odd, TOKEN).await, 400, "bad_request").await;
    }
}

#[tokio::test]
async fn words_are_hidden_by_the_server_until_they_are_asked_for() {
    let (server, session) = server().await;
    let path = format!("/api/admin/sessions/{}", session.id);
    let hidden = server.get(&path, TOKEN).await.text().await.unwrap();
    assert!(!hidden.contains("doctor"), "{hidden}");
    let hidden: Value = serde_json::from_str(&hidden).unwrap();
    assert_eq!(
        (&hidden["happenings"][0]["type"], &hidden["happenings"][0]["hidden_words"]),
        (&json!("user_text"), &json!(3))
    );
    let shown: Value = server.get(&format!("{path}?words=true"), TOKEN).await.json().await.unwrap();
    assert_eq!(shown["happenings"][0]["text"], SECRET);
}

#[tokio::test]
async fn a_session_is_watched_as_it_happens_until_its_end() {
    let (server, session) = server().await;
    let path = format!("/api/admin/sessions/{}/events", session.id);
    let mut stream = server.get(&path, TOKEN).await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let first = stream.chunk().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("user_text"));
    let end = server.request(Method::DELETE, &format!("/api/admin/sessions/{}", session.id)).bearer_auth(TOKEN);
    assert_eq!(end.send().await.unwrap().status(), 204);
    // The stream ends by itself, and the end is the last that it tells.
    let mut rest = first.to_vec();
    while let Some(chunk) = stream.chunk().await.unwrap() {
        rest.extend_from_slice(&chunk);
    }
    let rest = String::from_utf8(rest).unwrap();
    let last: Value = serde_json::from_str(rest.trim_end().rsplit("data: ").next().unwrap()).unwrap();
    assert_eq!((&last["type"], &last["reason"]), (&json!("ended"), &json!("operator")));
    assert!(!rest.contains("doctor"));
}

#[tokio::test]
async fn a_watched_server_goes_down_all_the_same() {
    let (server, session) = server().await;
    let path = format!("/api/admin/sessions/{}/events", session.id);
    let stream = server.get(&path, TOKEN).await;
    server.shutdown().await;
    assert!(stream.text().await.unwrap().contains("user_text"));
}

#[tokio::test]
async fn the_log_of_inputs_is_the_newest_of_the_session_or_says_what_to_set() {
    let (off, session) = server().await;
    let path = format!("/api/admin/sessions/{}/log", session.id);
    let told = problem(off.get(&path, TOKEN).await, 404, "input_log_off").await;
    assert!(told["detail"].as_str().unwrap().contains("INPUT_LOG_DIR"));

    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::with(|config| {
        config.secrets.admin_token = Some(Secret::new(TOKEN));
        config.input_log.dir = folder.path().to_owned();
    })
    .await;
    for (name, text) in [
        ("abc-20991101T100000000Z.jsonl", "old"),
        ("abc-20991102T100000000Z.jsonl", "new"),
        ("abcd-20991103T100000000Z.jsonl", "another's"),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let log = server.get("/api/admin/sessions/abc/log", TOKEN).await;
    assert!(log.headers()["content-disposition"].to_str().unwrap().contains("abc-20991102T100000000Z.jsonl"));
    assert_eq!(log.text().await.unwrap(), "new");
    for unknown in ["ab", "..%2Fabc", "%2A"] {
        problem(server.get(&format!("/api/admin/sessions/{unknown}/log"), TOKEN).await, 404, "no_input_log").await;
    }
}

#[tokio::test]
async fn the_list_says_how_the_instance_is_and_who_was_turned_away() {
    let (server, session) = server().await;
    let list: Value = server.get("/api/admin/sessions", TOKEN).await.json().await.unwrap();
    assert_eq!(
        (&list["draining"], &list["rejected"]["full"], &list["input_log"]),
        (&json!(false), &json!(0), &json!(false))
    );
    assert!(list["sessions"][0]["state_since"].is_string() && list["sessions"][0]["alone_since"].is_string());
    server.post("/api/admin/drain", TOKEN, &json!({})).await;
    problem(server.post("/api/sessions", "", &json!({})).await, 503, "not_ready").await;
    let list: Value = server.get("/api/admin/sessions", TOKEN).await.json().await.unwrap();
    assert_eq!((&list["draining"], &list["rejected"]["draining"]), (&json!(true), &json!(1)));
    assert_eq!(list["sessions"][0]["session_id"], session.id);
}

/// One who was transcribed for so many nano-dollars.
fn usage() -> Usage {
    let (provider, model) = ("deepgram".to_owned(), "nova-3".to_owned());
    let quantity = Quantity::AudioMs(1_000);
    Usage { stage: Stage::Stt, provider, model, quantity, reply: None, utterance: None, wasted: false }
}

#[tokio::test]
async fn what_was_spent_is_told_by_day_and_outlives_the_process() {
    let server = TestServer::with(|config| config.secrets.admin_token = Some(Secret::new(TOKEN))).await;
    server.app().ledger.book("phone", &usage(), NanoUsd(30_000_000), true);
    server.app().ledger.call_ended("phone", 60_000);
    let told: Value = server.get("/api/admin/spend?days=1", TOKEN).await.json().await.unwrap();
    let day = &told["days"][0];
    assert_eq!((&day["used_usd"], &day["wasted_usd"]), (&json!(0.03), &json!(0.03)));
    assert_eq!((&day["calls"], &day["cost_per_minute_usd"]), (&json!(1), &json!(0.03)));
    let stages: Vec<&Value> = day["parts"].as_array().unwrap().iter().map(|part| &part["stage"]).collect();
    assert_eq!(stages, [&json!("call"), &json!("stt")]);
    problem(server.get("/api/admin/spend?days=zero", TOKEN).await, 400, "bad_request").await;
    problem(server.get("/api/admin/spend", "wrong").await, 401, "unauthorized").await;

    server.app().ledger.book("browser", &usage(), NanoUsd(7), false);
    let store = Arc::clone(&server.store);
    server.shutdown().await;
    let today = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    let spend = store.spend(today.yesterday().unwrap(), today).await.unwrap();
    assert!(spend.iter().any(|(key, sum)| key.channel == "browser" && sum.used == NanoUsd(7)), "{spend:?}");
}

#[tokio::test]
async fn over_the_days_ceiling_no_call_begins_and_the_answer_says_until_when() {
    let server = TestServer::with(|config| {
        config.cost.day_nanousd = 1_000;
        config.twilio.validate_signatures = false;
    })
    .await;
    let session = server.session("ada").await;
    server.app().ledger.book("browser", &usage(), NanoUsd(1_000), false);
    let refused = server.post("/api/sessions", "", &json!({})).await;
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=86_400).contains(&wait), "{wait}");
    let told = problem(refused, 503, "day_spent").await;
    assert!(told["detail"].as_str().unwrap().contains("midnight, UTC"));
    let call = server.request(Method::POST, "/twilio/voice");
    let call = call.header("content-type", "application/x-www-form-urlencoded");
    let told = call.body("CallSid=CA00000000000000000000000000000000").send().await.unwrap().text().await.unwrap();
    assert!(told.contains("<Say>") && told.contains("<Hangup/>"), "{told}");
    // Who is there already goes on.
    let path = format!("/api/sessions/{}", session.id);
    assert_eq!(server.get(&path, &session.token).await.status(), 200);
}
