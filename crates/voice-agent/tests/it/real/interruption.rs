//! Speaking over the agent: who cuts in is heard at once, and who only coughs hears the rest.

use serde_json::{Value, json};

use super::phone::{Phone, wav};
use super::process::{Home, Process, fixture};
use crate::server::Session;

/// Long titles: their list takes the agent a quarter of a minute.
const TITLES: [&str; 4] = [
    "Prepare the slides for the meeting with the new customers from Norway",
    "Write a long letter to the landlord about the broken kitchen window",
    "Collect the receipts of the last three months for the tax adviser",
    "Find a quiet hotel near the lake for the weekend with the family",
];

/// What makes such a list, in one breath: several lines are several commands.
pub(super) fn a_long_list() -> String {
    TITLES.map(|title| format!("add {title}")).join("\n")
}

/// Somebody with so many tasks that the agent reads the list for a while.
pub(super) async fn with_a_long_list(server: &Process, user: &str) -> Session {
    let session = server.user(user).await;
    for title in TITLES {
        assert_eq!(server.post("/api/tasks", &session.token, &json!({"title": title})).await.status(), 201);
    }
    session
}

/// A call in which the agent has been reading the list for two seconds.
async fn reading(server: &Process) -> (Session, Phone, Value) {
    let ada = with_a_long_list(server, "ada").await;
    let mut phone = Phone::call(server, &ada).await;
    phone.until_greeted().await;
    phone.send(&json!({"type": "text", "text": "What's on my list?"})).await;
    phone.until("the agent reads", |phone| phone.all("speech_started").len() == 2 && phone.played_ms() > 2_000).await;
    let reply = phone.last("speech_started").unwrap()["reply_id"].clone();
    (ada, phone, reply)
}

pub(super) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_lowercase).collect()
}

#[tokio::test]
async fn history_keeps_what_was_heard_of_an_interrupted_reply() {
    let home = Home::new().await;
    let server = home.start().await;
    let (ada, mut phone, reply) = reading(&server).await;
    phone.say(&wav(&fixture("voice_review_the_proposal.wav")));
    phone.until("the agent falls silent", |phone| phone.last("clear").is_some()).await;
    phone.until("what was heard is known", |phone| phone.last("heard").is_some()).await;
    phone
        .until("the new task is added", |phone| phone.last("tool_call").is_some_and(|call| call["name"] == "add_task"))
        .await;
    phone.until("the answer is over", |phone| phone.all("speech_finished").len() >= 2 && phone.is_quiet()).await;

    let heard = phone.last("heard").unwrap().clone();
    assert_eq!(heard["reply_id"], reply);
    let (kept, lost) = (words(heard["heard"].as_str().unwrap()), words(heard["unheard"].as_str().unwrap()));
    assert!(kept.len() >= 3 && lost.len() >= 10, "{heard}");
    let whole = words(&phone.caption(&reply));
    assert_eq!([kept.clone(), lost].concat(), whole, "no word is lost between them");
    let history = server.history(&ada).await;
    let asked = history.iter().position(|line| line == "user: What's on my list?").unwrap();
    assert_eq!(words(history[asked + 1].strip_prefix("assistant: ").unwrap()), kept, "{history:?}");
    assert!(history[asked + 2].starts_with("user: ") && history[asked + 2].to_lowercase().contains("proposal"));
    assert_eq!(server.metric("voice_interruptions_total{kind=\"real\"}").await, 1.0);
    assert_eq!(server.titles(&ada, "open").await.len(), 5);
}

#[tokio::test]
async fn a_cough_is_not_heard_and_after_a_right_the_agent_goes_on_where_it_was() {
    let home = Home::new().await;
    let server = home.start().await;
    let (ada, mut phone, reply) = reading(&server).await;
    phone.say(&wav(&fixture("cough.wav")));
    phone.for_ms(1_500).await;
    assert!(phone.last("clear").is_none() && phone.last("user_speaking").is_none());
    phone.say(&wav(&fixture("voice_right.wav")));
    phone.until("the agent falls silent", |phone| phone.last("clear").is_some()).await;
    phone.until("the agent goes on", |phone| phone.last("speech_resumed").is_some()).await;
    let resumed = phone.last("speech_resumed").unwrap().clone();
    assert!(resumed["from_ms"].as_u64().unwrap() > 1_500, "{resumed}");
    phone.until("the reply is over", |phone| phone.all("speech_finished").len() >= 2 && phone.is_quiet()).await;
    assert!(phone.last("heard").is_none());
    phone.for_ms(300).await;
    let whole = phone.caption(&reply);
    let history = server.history(&ada).await;
    assert_eq!(words(history.last().unwrap().strip_prefix("assistant: ").unwrap()), words(&whole));
    assert_eq!(server.metric("voice_interruptions_total{kind=\"false\"}").await, 1.0);
    assert_eq!(server.metric("voice_interruptions_total{kind=\"real\"}").await, 0.0);
}
