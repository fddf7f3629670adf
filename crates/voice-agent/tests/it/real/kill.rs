//! `kill -9` in the middle of things: nothing that was acknowledged is lost, and nothing happens twice.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;

use super::phone::{Phone, wav};
use super::process::{Home, Process, fixture};
use crate::server::Session;

const BACK: &str = "I'm back. We were discussing your task list. Where were we?";

/// Sends a message whose answer may never come. Whether it was acknowledged.
async fn try_to_say(server: &Process, session: &Session, text: &str) -> bool {
    let path = format!("/api/sessions/{}/messages", session.id);
    let sent = server.request(reqwest::Method::POST, &path, &session.token).json(&json!({"text": text})).send().await;
    match sent {
        Ok(response) if response.status() == 200 => response.bytes().await.is_ok(),
        _ => false,
    }
}

#[tokio::test]
async fn what_was_acknowledged_by_http_is_there_once_whenever_the_process_dies() {
    let home = Home::new().await;
    let mut server = home.start().await;
    let ada = server.user("ada").await;
    let (mut acknowledged, mut asked) = (Vec::new(), Vec::new());
    // In the middle of a turn, at its end, between two; microseconds, because a typed turn takes a few milliseconds.
    let delays_us = [0, 500, 1_000, 2_000, 3_000, 5_000, 8_000, 13_000, 21_000, 34_000];
    for (round, delay_us) in delays_us.into_iter().enumerate() {
        let title = |n: usize| format!("Write chapter {}", 10 * round + n);
        // The first is acknowledged before the end in any case.
        assert!(try_to_say(&server, &ada, &format!("Add a task to {}", title(0))).await);
        acknowledged.push(title(0));
        asked.push(title(0));
        let talk = async {
            let mut heard = Vec::new();
            for n in 1..10 {
                if !try_to_say(&server, &ada, &format!("Add a task to {}", title(n))).await {
                    break;
                }
                heard.push(title(n));
            }
            heard
        };
        let end = async {
            tokio::time::sleep(Duration::from_micros(delay_us)).await;
            kill_9(&server);
        };
        let (heard, ()) = tokio::join!(talk, end);
        asked.extend((1..10).map(title));
        acknowledged.extend(heard);
        let addr = server.kill();
        server = home.start_on(addr).await;
        let back = server.back(&ada).await;
        assert_eq!(back.body["greeting"], BACK);
        check(&server, &ada, &acknowledged, &asked).await;
    }
}

/// `kill -9` of a process that its owner still holds.
fn kill_9(server: &Process) {
    let sent = std::process::Command::new("kill").args(["-9", &server.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

async fn check(server: &Process, session: &Session, acknowledged: &[String], asked: &[String]) {
    let titles = server.titles(session, "open").await;
    for title in acknowledged {
        assert_eq!(titles.iter().filter(|task| *task == title).count(), 1, "{title} in {titles:?}");
    }
    let once: HashSet<&String> = titles.iter().collect();
    assert_eq!(once.len(), titles.len(), "doubled: {titles:?}");
    assert!(titles.iter().all(|title| asked.contains(title)), "{titles:?}");
    // A task is there with the words that made it, or not at all: a turn is one commit.
    let history = server.history(session).await;
    for title in &titles {
        let said = format!("user: Add a task to {title}");
        assert_eq!(history.iter().filter(|line| **line == said).count(), 1, "{said} in {history:#?}");
    }
    let added = history.iter().filter(|line| line.starts_with("user: Add a task")).count();
    assert!(added >= titles.len());
}

#[tokio::test]
async fn the_last_acknowledged_word_is_in_the_history_even_without_a_tool() {
    let home = Home::new().await;
    let server = home.start().await;
    let ada = server.user("ada").await;
    server.reply(&ada, "Add a task to buy milk").await;
    let reply = server.reply(&ada, "What's on my list?").await;
    let addr = server.kill();
    let server = home.start_on(addr).await;
    server.back(&ada).await;
    let history = server.history(&ada).await;
    let last = history.last_chunk::<2>().unwrap();
    assert_eq!(*last, ["user: What's on my list?".to_owned(), format!("assistant: {reply}")]);
}

#[tokio::test]
async fn a_call_goes_on_after_the_process_died_in_mid_speech() {
    let home = Home::new().await;
    let server = home.start().await;
    let ada = server.user("ada").await;
    let mut phone = Phone::call(&server, &ada).await;
    phone.until_greeted().await;
    phone.say(&wav(&fixture("voice_review_the_proposal.wav")));
    // A tool is told of when its change is in the store.
    phone.until("the tool ran", |phone| phone.last("tool_call").is_some()).await;
    assert_eq!(phone.last("tool_call").unwrap()["name"], "add_task");
    let addr = server.kill();
    assert_eq!(phone.until_closed().await, 1006);

    let server = home.start_on(addr).await;
    // By the socket alone: the token is enough.
    let mut phone = Phone::call(&server, &ada).await;
    assert_eq!(phone.last("ready").unwrap()["resumed"], true);
    phone.until_greeted().await;
    let greeting = phone.last("agent_text").unwrap()["reply_id"].clone();
    assert_eq!(phone.caption(&greeting).trim(), BACK);
    assert_eq!(server.titles(&ada, "open").await, ["Review the proposal"]);
    let history = server.history(&ada).await;
    assert!(history[0].starts_with("assistant: Hello!"), "{history:?}");
    assert!(history[1].starts_with("user: ") && history[1].to_lowercase().contains("proposal"), "{history:?}");

    // The second turn, spoken, after the return.
    phone.say(&wav(&fixture("stt_what_are_my_tasks.wav")));
    phone.until("the second turn", |phone| phone.last("turn").is_some() && phone.is_quiet()).await;
    let reply = phone.last("speech_started").unwrap()["reply_id"].clone();
    assert!(phone.caption(&reply).to_lowercase().contains("review the proposal"), "{}", phone.caption(&reply));
    assert_eq!(phone.transcript().to_lowercase().trim_end_matches(['?', '.']), "what are my tasks");
}
