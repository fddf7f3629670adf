//! A whole typed dialogue over HTTP: what the agent says, and what the task list then is.

use serde_json::{Value, json};

use super::process::{Home, eventually};
use crate::server::problem;
use crate::socket::Socket;

/// Whether the reply says all of this.
fn says(reply: &str, words: &[&str]) {
    let said = reply.to_lowercase();
    assert!(words.iter().all(|word| said.contains(word)), "{words:?} in {reply:?}");
}

/// A caller who only types reads every answer, however fast they type on: nothing is spoken that could be cut short.
#[tokio::test]
async fn who_only_reads_keeps_every_answer_and_nothing_is_spoken() {
    let home = Home::new().await;
    let server = home.start().await;
    let ada = server.user("ada").await;
    let mut socket = Socket::open_reading(server.http, &ada.id, &ada.token).await;
    for title in ["Buy milk", "Call John", "Water the plants", "Pay the rent"] {
        socket.send(&json!({"type": "text", "text": format!("add {title}")})).await;
    }
    let mut turns = 0;
    while turns < 4 {
        let event = socket.any_event().await;
        let kind = event["type"].as_str().unwrap();
        assert!(!matches!(kind, "speech_started" | "heard" | "clear"), "{event}");
        if kind == "turn" {
            turns += 1;
            assert_eq!(event["latency_ms"], Value::Null, "{event}");
        }
    }
    let history = server.history(&ada).await;
    let answers = history.iter().filter(|line| line.starts_with("assistant: ") && line.contains("added")).count();
    assert_eq!(answers, 4, "{history:#?}");
    assert_eq!(server.metric("voice_interruptions_total{kind=\"real\"}").await, 0.0);
}

#[tokio::test]
async fn tasks_are_added_listed_completed_taken_back_and_deleted_by_typing() {
    let home = Home::new().await;
    let server = home.start().await;
    let ada = server.user("ada").await;

    let answer = server.say(&ada, "Add a task to review the proposal by Friday").await;
    says(answer["reply"].as_str().unwrap(), &["added", "review the proposal", "friday"]);
    assert_eq!(answer["agent"], "TaskAgent");
    let call = &answer["tool_calls"][0];
    assert_eq!((&call["name"], &call["result"]["status"]), (&json!("add_task"), &json!("added")), "{call}");
    assert!(answer["cost_usd"].is_f64());
    says(&server.reply(&ada, "Remind me to call the dentist").await, &["added", "call the dentist"]);
    assert_eq!(server.titles(&ada, "open").await, ["Call the dentist", "Review the proposal"]);
    let tasks = server.tasks(&ada).await;
    let review = tasks.iter().find(|task| task["title"] == "Review the proposal").unwrap();
    let due: jiff::civil::Date = review["due"].as_str().unwrap().parse().unwrap();
    assert_eq!(due.weekday(), jiff::civil::Weekday::Friday);

    says(&server.reply(&ada, "What's on my list?").await, &["two", "proposal", "dentist"].map(numeral));
    says(&server.reply(&ada, "I've done call the dentist").await, &["dentist", "done"]);
    assert_eq!(server.titles(&ada, "done").await, ["Call the dentist"]);
    says(&server.reply(&ada, "Undo that").await, &["dentist", "open again"]);
    assert_eq!(server.titles(&ada, "done").await, [""; 0]);

    // What destroys is asked about, and a no is a no.
    says(&server.reply(&ada, "Delete call the dentist").await, &["really delete", "dentist"]);
    assert_eq!(server.titles(&ada, "open").await.len(), 2);
    server.reply(&ada, "No").await;
    assert_eq!(server.titles(&ada, "open").await.len(), 2);
    server.reply(&ada, "Delete call the dentist").await;
    says(&server.reply(&ada, "Yes, please").await, &["deleted", "dentist"]);
    assert_eq!(server.titles(&ada, "open").await, ["Review the proposal"]);
    says(&server.reply(&ada, "Undo").await, &["dentist", "back"]);
    assert_eq!(server.titles(&ada, "open").await.len(), 2);
}

/// "two", as the agent writes it.
fn numeral(word: &str) -> &str {
    if word == "two" { "2" } else { word }
}

#[tokio::test]
async fn the_review_has_the_call_and_hands_it_back() {
    let home = Home::new().await;
    let server = home.start().await;
    let ada = server.user("ada").await;
    for title in ["Buy milk", "Water the plants"] {
        server.post("/api/tasks", &ada.token, &json!({"title": title})).await;
    }
    let begun = server.say(&ada, "Let's review my tasks").await;
    assert_eq!(begun["agent"], "ReviewAgent", "{begun}");
    assert_eq!(server.doc(&ada).await["current_agent"], "ReviewAgent");

    // The agent that has the call is not forgotten when its process is.
    let addr = server.kill();
    let server = home.start_on(addr).await;
    let ada = server.back(&ada).await;
    let stopped = server.say(&ada, "Stop the review").await;
    assert_eq!(stopped["agent"], "TaskAgent", "{stopped}");
    assert_eq!(server.doc(&ada).await["current_agent"], "TaskAgent");
    assert_eq!(server.metric("voice_handoffs_total").await, 1.0);
    assert_eq!(server.titles(&ada, "open").await, ["Buy milk", "Water the plants"]);
}

#[tokio::test]
async fn recording_stops_when_it_is_asked_for_and_a_goodbye_ends_the_session() {
    let home = Home::new().await;
    let server = home.start().await;
    let ada = server.session(&json!({"user_id": "ada", "recording_consent": true})).await;
    let recording = async || server.doc(&ada).await["context"]["recording_enabled"].clone();
    assert_eq!(recording().await, true);
    let stopped = server.reply(&ada, "Please stop recording").await;
    assert_eq!(stopped, "Recording has been stopped for this call. How can I help you?");
    assert_eq!(recording().await, false);
    let again = server.reply(&ada, "Stop recording").await;
    assert_eq!(again, "This call isn't being recorded. How can I help you?");

    server.reply(&ada, "Goodbye").await;
    server.is_over(&ada).await;
    let ended = "voice_session_duration_seconds_count{channel=\"browser\",outcome=\"completed\"}";
    eventually("the session is counted", async || server.metric(ended).await == 1.0).await;
    // It can still be read, with everything that was said.
    let history = server.history(&ada).await;
    assert_eq!(history[0], "user: Please stop recording");
    assert!(history.contains(&"user: Goodbye".to_owned()), "{history:?}");
}

#[tokio::test]
async fn who_comes_back_may_withdraw_consent_and_never_gives_it_by_repeating_an_old_answer() {
    let home = Home::new().await;
    let server = home.start().await;
    let ada = server.session(&json!({"user_id": "ada", "recording_consent": true})).await;
    let recorded = async || server.doc(&ada).await["context"]["recording_enabled"].clone();
    for (answer, enabled) in [(None, true), (Some(true), true), (Some(false), false), (Some(true), false)] {
        let mut back = json!({"session_id": ada.id, "token": ada.token});
        if let Some(answer) = answer {
            back["recording_consent"] = answer.into();
        }
        let resumed: Value = server.post("/api/sessions", "", &back).await.json().await.unwrap();
        assert_eq!(resumed["resumed"], true, "{resumed}");
        // A withdrawal is the session's to carry out, a moment after the answer.
        eventually("consent is as it was answered", async || recorded().await == enabled).await;
    }
}

#[tokio::test]
async fn two_users_do_not_see_each_others_tasks() {
    let home = Home::new().await;
    let server = home.start().await;
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    server.reply(&ada, "Add a task to water the plants").await;
    says(&server.reply(&bob, "What's on my list?").await, &["empty"]);
    assert_eq!(server.tasks(&bob).await, Vec::<Value>::new());
    let path = format!("/api/tasks/{}", server.tasks(&ada).await[0]["id"].as_str().unwrap());
    let patch = server.request(reqwest::Method::PATCH, &path, &bob.token).json(&json!({"status": "done"}));
    assert_eq!(patch.send().await.unwrap().status(), 404);
    says(&server.reply(&bob, "Delete water the plants").await, &["couldn't find"]);
    assert_eq!(server.titles(&ada, "open").await, ["Water the plants"]);
    // The same user in another session sees them.
    let again = server.user("ada").await;
    says(&server.reply(&again, "What's on my list?").await, &["water the plants"]);
}

#[tokio::test]
async fn tomorrow_is_the_callers_own() {
    let home = Home::new().await;
    let server = home.start().await;
    // Their dates differ at every hour of the day.
    for zone in ["Pacific/Kiritimati", "Pacific/Pago_Pago"] {
        let session = server.session(&json!({"user_id": zone, "time_zone": zone})).await;
        let tomorrow = || jiff::Timestamp::now().in_tz(zone).unwrap().date().tomorrow().unwrap().to_string();
        let before = tomorrow();
        server.reply(&session, "Add a task to call Bob tomorrow").await;
        let due = server.tasks(&session).await[0]["due"].as_str().unwrap().to_owned();
        // Midnight may have passed there meanwhile.
        assert!([before, tomorrow()].contains(&due), "{zone}: {due}");
    }
}

#[tokio::test]
async fn more_messages_than_may_wait_are_refused_and_none_hangs() {
    let home = Home::with([("SESSION_MAX_PENDING_TEXTS", "2")]).await;
    let server = home.start().await;
    let ada = server.user("ada").await;
    let path = format!("/api/sessions/{}/messages", ada.id);
    let ask = async |n: usize| {
        let text = json!({"text": format!("Add a task to write chapter {n}")});
        server.post(&path, &ada.token, &text).await
    };
    let all = futures_util::future::join_all((0..30).map(&ask)).await;
    let mut answered = 0;
    for response in all {
        match response.status().as_u16() {
            200 => answered += 1,
            429 => {
                assert!(response.headers().contains_key("retry-after"));
                problem(response, 429, "too_many_messages").await;
            }
            other => panic!("{other}: {}", response.text().await.unwrap()),
        }
    }
    assert!(answered >= 2, "{answered}");
    assert_eq!(server.titles(&ada, "open").await.len(), answered);
}
