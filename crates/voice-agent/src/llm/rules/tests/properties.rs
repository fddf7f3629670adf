//! What holds for whatever anybody says, and whatever stands in the history.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use voice_core::chat::{ChatContext, ChatItem, ToolCall, ToolOutput};
use voice_core::ids::ToolCallId;

use super::super::{REVIEW_AGENT, TASK_AGENT, respond};
use super::{Conversation, NOW};
use crate::llm::{LlmEvent, LlmRequest};

const WORDS: &str = "add a task to buy milk and call John by Friday tomorrow at five no wait I meant yes cancel the second one delete it \
    all of them move that rename undo what's on my list due today urgent high priority mark as done finished review that's enough keep go on \
    um uh \"quoted\" never mind goodbye in three days next Tuesday end of the month first 5pm 12/5 — … A/B it's not important how many \
    let me think, see. what was it, where how say, you know, like, ones others rest instead of same day as after before";

fn text() -> impl Strategy<Value = String> {
    let words: Vec<&'static str> = WORDS.split_whitespace().collect();
    prop_oneof![
        4 => vec(prop::sample::select(words), 0..14).prop_map(|words| words.join(" ")),
        1 => "\\PC{0,60}",
        1 => "[a-z' ,.]{0,400}",
    ]
}

fn result() -> impl Strategy<Value = Value> {
    let task = || {
        (text(), prop::option::of("[0-9T:-]{0,16}")).prop_map(
            |(title, due)| json!({"id": "t1", "title": title, "status": "open", "due": due, "priority": "high"}),
        )
    };
    let status = prop::sample::select(vec![
        "ok",
        "added",
        "exists",
        "completed",
        "updated",
        "renamed",
        "deleted",
        "not_found",
        "ambiguous",
        "already",
        "undone",
        "needs_confirmation",
        "failed",
        "what",
    ]);
    (status, task(), vec(task(), 0..5), any::<u64>(), any::<bool>()).prop_map(|(status, task, tasks, total, single)| {
        let mut result = json!({"status": status, "total": total, "offset": total / 2, "count": total, "query": "x",
            "tasks": tasks, "candidates": tasks, "suggestions": tasks, "action": "add"});
        if single {
            result["task"] = task;
        }
        result
    })
}

fn item() -> impl Strategy<Value = ChatItem> {
    let name = prop::sample::select(vec![
        "add_task",
        "list_tasks",
        "complete_task",
        "delete_task",
        "transfer_to_agent",
        "undo",
        "nonsense",
    ]);
    let agent = prop::sample::select(vec![TASK_AGENT, REVIEW_AGENT, ""]);
    prop_oneof![
        3 => text().prop_map(|text| ChatItem::User { text }),
        2 => (text(), any::<bool>()).prop_map(|(text, interrupted)| ChatItem::Assistant { text, interrupted }),
        2 => (name.clone(), 0..4_u64, agent.clone(), text()).prop_map(|(name, id, agent, title)| {
            let arguments = json!({"agent": agent, "title": title, "status": "open", "limit": 100});
            let arguments = arguments.as_object().cloned().unwrap_or_else(Map::new);
            ChatItem::ToolCall(ToolCall { id: ToolCallId(id), name: name.into(), arguments })
        }),
        2 => (name, 0..4_u64, result(), any::<bool>()).prop_map(|(name, id, result, is_error)| {
            ChatItem::ToolOutput(ToolOutput { id: ToolCallId(id), name: name.into(), result, is_error })
        }),
        1 => agent.prop_map(|agent| ChatItem::Handoff { from: TASK_AGENT.into(), to: agent.into() }),
    ]
}

/// An answer has a text or a call, ends in `Done`, is not too long, and is the same a second time.
fn check(request: &LlmRequest) -> Result<(), TestCaseError> {
    let events = respond(request);
    prop_assert!(events.len() >= 2);
    let ended = matches!(events.last(), Some(LlmEvent::Done { .. }));
    prop_assert!(ended);
    let text: String = events
        .iter()
        .filter_map(|event| if let LlmEvent::Text(text) = event { Some(text.as_str()) } else { None })
        .collect();
    prop_assert!(text.chars().count() < 350, "{} characters: {text}", text.chars().count());
    let calls = events.iter().filter(|event| matches!(event, LlmEvent::ToolCall { .. })).count();
    prop_assert!(!text.trim().is_empty() || calls > 0);
    prop_assert!(calls <= 40, "{calls} calls");
    prop_assert_eq!(respond(request), events);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_is_answered(items in vec(item(), 0..12), review in any::<bool>(), titles in vec(text(), 0..4)) {
        let now = NOW.parse().unwrap();
        let agent = if review { REVIEW_AGENT } else { TASK_AGENT };
        let request = LlmRequest {
            agent: agent.into(), instructions: String::new(), chat: ChatContext { items }, tools: Vec::new(), now, titles, brief: false, seen: None,
        };
        check(&request)?;
    }

    #[test]
    fn any_conversation_comes_to_rest(said in vec(text(), 1..8)) {
        let tasks = ["Buy milk | 2026-11-24".to_owned(), "Call John".to_owned(), "Call Mary | high".to_owned(), "[x] Pay rent".to_owned()];
        let mut conversation = Conversation::new(NOW, &tasks);
        for text in said {
            let (_, reply) = conversation.say(&text, None);
            prop_assert!(!reply.trim().is_empty(), "nothing said to {text:?}");
        }
    }
}
