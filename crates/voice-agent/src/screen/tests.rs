//! Pictures of pages in a browser (`web/e2e/pages`), read by the real networks.

use std::path::Path;
use std::time::{Duration, Instant};

use std::sync::Arc;

use serde_json::{Value, json};
use voice_core::chat::{ChatContext, ChatItem, ToolCall, ToolOutput};
use voice_core::ids::ToolCallId;

use super::Seen;
use super::ocr::Ocr;
use super::picture::Picture;
use super::reading::{Item, Reading};
use crate::llm::{LlmEvent, LlmRequest, rules};
use crate::model::runtime::{Runtime, default_models_dir};
use crate::tools::{LOOK_AT_SCREEN, TASK_AGENT, look_at_screen, specs_for};

fn picture(name: &str) -> Picture {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/screen").join(name);
    Picture::new(std::fs::read(path).expect(name).into()).expect(name)
}

fn read(name: &str) -> Reading {
    let picture = picture(name);
    let runtime = Runtime::load(&default_models_dir()).expect("the runtime; `make models` fetches it");
    let image = picture.decode().expect(name);
    let pieces =
        Ocr::load(&runtime).expect("the networks").read(&image, Instant::now() + Duration::from_secs(60)).expect(name);
    Reading::of(&image, pieces)
}

#[test]
fn an_issue_has_a_title_a_number_a_due_date_and_a_priority() {
    let reading = read("issue.webp");
    assert_eq!(reading.title().as_deref(), Some("Refunds are sent twice after a timeout"));
    assert_eq!(reading.key().as_deref(), Some("PAY-482"));
    assert_eq!(reading.due().as_deref(), Some("December 4, 2026"));
    assert_eq!(reading.priority().as_deref(), Some("High"));
}

#[test]
fn a_mail_asks_for_something() {
    let reading = read("mail.webp");
    assert_eq!(reading.title().as_deref(), Some("Contract for the new office"));
    assert_eq!(reading.requests(), ["review the contract by Thursday, December 3"]);
}

#[test]
fn notes_have_things_to_do_and_some_are_done() {
    let reading = read("notes.webp");
    assert_eq!(reading.title().as_deref(), Some("Launch meeting"));
    let item = |text: &str, is_done| Item { text: text.to_owned(), is_done };
    let items = [
        item("Choose the launch date", true),
        item("Write the press release by Friday", false),
        item("Order the banners", false),
        item("Call the venue before December 10", false),
    ];
    assert_eq!(reading.items(), items);
}

/// What the embedded model says and calls when this is asked, before it looks, and when it has seen this.
fn asks(text: &str, seen: Option<&str>, shared: bool) -> (String, Vec<Value>) {
    let mut items = vec![ChatItem::User { text: text.to_owned() }];
    if seen.is_some() {
        let (id, name) = (ToolCallId(1), LOOK_AT_SCREEN.to_owned());
        items.push(ChatItem::ToolCall(ToolCall { id, name: name.clone(), arguments: serde_json::Map::new() }));
        let result = json!({"status": "ok", "width": 1280, "height": 720});
        items.push(ChatItem::ToolOutput(ToolOutput { id, name, result, is_error: false }));
    }
    let request = LlmRequest {
        agent: TASK_AGENT.to_owned(),
        instructions: String::new(),
        chat: ChatContext { items },
        tools: specs_for(TASK_AGENT).into_iter().chain(shared.then(look_at_screen)).collect(),
        now: "2026-11-29T10:00[Europe/Berlin]".parse().unwrap(),
        titles: Vec::new(),
        brief: false,
        seen: seen.map(|name| Arc::new(Seen::with_reading(picture(name), read(name)))),
    };
    let (mut said, mut calls) = (String::new(), Vec::new());
    for event in rules::respond(&request) {
        match event {
            LlmEvent::Text(text) => said.push_str(&text),
            LlmEvent::ToolCall { name, arguments } => calls.push(json!([name, arguments])),
            _ => {}
        }
    }
    (said, calls)
}

#[test]
fn tasks_are_made_of_what_is_seen() {
    let (said, calls) = asks("Create a task from this", Some("issue.webp"), true);
    let issue =
        json!({"title": "PAY-482: Refunds are sent twice after a timeout", "due": "2026-12-04", "priority": "high"});
    assert_eq!((said.as_str(), calls), ("", vec![json!(["add_task", issue])]));

    let (_, calls) = asks("Please make a task out of this mail.", Some("mail.webp"), true);
    assert_eq!(calls, [json!(["add_task", {"title": "Review the contract", "due": "2026-12-03"}])]);

    let (_, calls) = asks("Add the three action items on my screen", Some("notes.webp"), true);
    let expected = [
        json!(["add_task", {"title": "Write the press release", "due": "2026-12-04"}]),
        json!(["add_task", {"title": "Order the banners"}]),
        json!(["add_task", {"title": "Call the venue", "due": "2026-12-10"}]),
    ];
    assert_eq!(calls, expected);

    let (said, calls) = asks("add the five action items", Some("notes.webp"), true);
    assert!(calls.is_empty() && said.contains("I see 3 open items there: Write the press release by Friday"), "{said}");
}

#[test]
fn questions_about_the_screen_are_answered() {
    let said = |text: &str, seen: &str| asks(text, Some(seen), true).0;
    assert_eq!(said("What's the due date here?", "issue.webp"), "It is due on Friday.");
    assert_eq!(said("What's the due date here?", "notes.webp"), "I see no due date there.");
    assert_eq!(said("What's on my screen?", "notes.webp"), "I see Launch meeting. There are 3 open items.");
}

#[test]
fn it_looks_before_it_answers_and_only_where_something_is_shared() {
    let (said, calls) = asks("Create a task from this", None, true);
    assert_eq!((said.as_str(), calls), ("Let me have a look.", vec![json!([LOOK_AT_SCREEN, {}])]));
    let (said, calls) = asks("What's on my screen?", None, false);
    assert!(calls.is_empty() && said.starts_with("I can't see your screen."), "{said}");
    for text in ["Remind me about the email", "Add the document to my list", "Write the email"] {
        let (said, calls) = asks(text, None, false);
        assert!(calls.len() == 1 && calls[0][0] == "add_task", "{text}: {said} {calls:?}");
    }
    let (_, calls) = asks("add buy milk", None, true);
    assert_eq!(calls, [json!(["add_task", {"title": "Buy milk"}])]);
}

#[test]
fn what_there_is_no_time_for_is_left_out() {
    let runtime = Runtime::load(&default_models_dir()).expect("the runtime");
    let image = picture("issue.webp").decode().expect("the picture");
    let mut ocr = Ocr::load(&runtime).expect("the networks");
    assert_eq!(ocr.read(&image, Instant::now()).unwrap(), []);
}

#[tokio::test]
async fn a_picture_without_a_reader_is_read_as_nothing() {
    let seen = Arc::new(Seen::new(picture("notes.webp"), None));
    tokio::join!(seen.read(), seen.read());
    assert!(seen.reading().is_none());
}
