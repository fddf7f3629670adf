//! The dialogues of `tests/fixtures/dialogues`, and what holds for whatever anybody says.

mod desk;
mod properties;

use jiff::ZonedDateTime;
use regex::RegexBuilder;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use voice_core::chat::{ChatContext, ChatItem, ToolCall, ToolOutput};
use voice_core::ids::ToolCallId;

use super::{REVIEW_AGENT, TASK_AGENT, respond};
use crate::llm::{LlmEvent, LlmRequest, ToolSpec};
use desk::Desk;

/// A Monday morning.
const NOW: &str = "2026-11-23T10:00[America/New_York]";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    dialogue: Vec<Dialogue>,
}

/// One dialogue, as docs in `tests/fixtures/dialogues/README.md` describe it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dialogue {
    name: String,
    now: Option<String>,
    #[serde(default)]
    tasks: Vec<String>,
    turns: Vec<Said>,
    /// What a person would expect, and is not understood yet: why. Once it is, the test asks for this line to go.
    gap: Option<String>,
    /// The whole list at the end.
    after: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    say: String,
    /// Every call of the turn, in order: `name` and the arguments; `task` for an id, by its title.
    calls: Option<Vec<Map<String, Value>>>,
    /// Patterns that the reply must match, ignoring case.
    #[serde(default)]
    reply: Vec<String>,
    /// Patterns that it must not match.
    #[serde(default)]
    not: Vec<String>,
    /// The whole list after this turn.
    after: Option<Vec<String>>,
    /// The agent that has the call after this turn.
    agent: Option<String>,
    /// The tools fail in this turn.
    #[serde(default)]
    broken: bool,
    /// Only so many characters of the reply were heard.
    heard: Option<usize>,
}

/// A conversation with the model, and the tools at work.
struct Conversation {
    now: ZonedDateTime,
    list: Desk,
    chat: ChatContext,
    agent: String,
    next_call: u64,
}

fn tool(name: &'static str) -> ToolSpec {
    ToolSpec { name, description: "", parameters: json!({}) }
}

fn tools(agent: &str) -> Vec<ToolSpec> {
    let all = [
        "add_task",
        "list_tasks",
        "complete_task",
        "reopen_task",
        "set_due",
        "set_priority",
        "rename_task",
        "delete_task",
        "undo",
        "transfer_to_agent",
        "end_call",
    ];
    all.into_iter().filter(|name| agent == TASK_AGENT || *name != "add_task").map(tool).collect()
}

impl Conversation {
    fn new(now: &str, tasks: &[String]) -> Self {
        let now: ZonedDateTime = now.parse().unwrap();
        let greeting = "Hello! How can I help with your tasks today?".to_owned();
        Self {
            list: Desk::new(tasks, &now),
            now,
            chat: ChatContext { items: vec![ChatItem::Assistant { text: greeting, interrupted: false }] },
            agent: TASK_AGENT.into(),
            next_call: 1,
        }
    }

    fn request(&self) -> LlmRequest {
        LlmRequest {
            agent: self.agent.clone(),
            instructions: String::new(),
            chat: self.chat.clone(),
            tools: tools(&self.agent),
            now: self.now.clone(),
            titles: self.list.titles(),
            brief: false,
            seen: None,
        }
    }

    /// Says something; answers the calls and the whole reply.
    fn say(&mut self, text: &str, heard: Option<usize>) -> (Vec<Map<String, Value>>, String) {
        self.chat.items.push(ChatItem::User { text: text.into() });
        let (mut calls, mut reply) = (Vec::new(), String::new());
        for round in 0.. {
            assert!(round < 6, "the model goes on calling tools after {text:?}");
            let events = respond(&self.request());
            let called: Vec<(String, Map<String, Value>)> = events
                .iter()
                .filter_map(|event| match event {
                    LlmEvent::ToolCall { name, arguments } => Some((name.clone(), arguments.clone())),
                    _ => None,
                })
                .collect();
            let said: String = events
                .iter()
                .filter_map(|event| if let LlmEvent::Text(text) = event { Some(text.as_str()) } else { None })
                .collect();
            assert!(matches!(events.last(), Some(LlmEvent::Done { .. })));
            assert!(!said.is_empty() || !called.is_empty(), "no answer to {text:?}");
            if !said.is_empty() {
                reply = format!("{reply} {said}").trim().to_owned();
            }
            for (name, arguments) in &called {
                calls.push(self.shown(name, arguments));
                self.run(name, arguments);
            }
            if called.is_empty() {
                break;
            }
        }
        let cut: String = reply.chars().take(heard.unwrap_or(usize::MAX)).collect();
        self.chat.items.push(ChatItem::Assistant { interrupted: heard.is_some(), text: cut });
        (calls, reply)
    }

    fn run(&mut self, name: &str, arguments: &Map<String, Value>) {
        let id = ToolCallId(self.next_call);
        self.next_call += 1;
        let (result, is_error) = self.list.run(name, arguments, &self.chat);
        self.chat.items.push(ChatItem::ToolCall(ToolCall { id, name: name.into(), arguments: arguments.clone() }));
        self.chat.items.push(ChatItem::ToolOutput(ToolOutput { id, name: name.into(), result, is_error }));
        if name == "transfer_to_agent" {
            let to = arguments["agent"].as_str().unwrap().to_owned();
            assert!([TASK_AGENT, REVIEW_AGENT].contains(&to.as_str()) && to != self.agent, "transfer to {to}");
            self.chat.items.push(ChatItem::Handoff { from: self.agent.clone(), to: to.clone() });
            self.agent = to;
        }
    }

    /// A call as the dialogues write it.
    fn shown(&self, name: &str, arguments: &Map<String, Value>) -> Map<String, Value> {
        let mut shown = Map::new();
        shown.insert("name".into(), name.into());
        for (key, value) in arguments {
            match (key.as_str(), value) {
                // How many are asked for, and what of a due date stays, shows in what comes of it.
                ("limit" | "keep", _) => {}
                ("id", Value::String(id)) => {
                    shown.insert("task".into(), self.list.title_of(id).into());
                }
                (_, Value::Null) => {
                    shown.insert(key.clone(), "null".into());
                }
                _ => {
                    shown.insert(key.clone(), value.clone());
                }
            }
        }
        shown
    }

    fn lines(&self) -> Vec<String> {
        self.list.lines()
    }
}

fn check(dialogue: &Dialogue) -> Result<(), String> {
    let mut conversation = Conversation::new(dialogue.now.as_deref().unwrap_or(NOW), &dialogue.tasks);
    for said in &dialogue.turns {
        conversation.list.broken = said.broken;
        let (calls, reply) = conversation.say(&said.say, said.heard);
        let at = format!("{:?}: after {:?} → {reply:?} {}", dialogue.name, said.say, json!(calls));
        if reply.chars().count() >= 350 {
            return Err(format!("{at}: too long"));
        }
        if let Some(expected) = &said.calls
            && *expected != calls
        {
            return Err(format!("{at}\n    expected the calls {}", json!(expected)));
        }
        let matches =
            |pattern: &String| RegexBuilder::new(pattern).case_insensitive(true).build().unwrap().is_match(&reply);
        if let Some(pattern) = said.reply.iter().find(|pattern| !matches(pattern)) {
            return Err(format!("{at}\n    expected to hear {pattern:?}"));
        }
        if let Some(pattern) = said.not.iter().find(|pattern| matches(pattern)) {
            return Err(format!("{at}\n    expected not to hear {pattern:?}"));
        }
        if let Some(expected) = &said.after
            && *expected != conversation.lines()
        {
            return Err(format!("{at}\n    expected {expected:?}\n    found    {:?}", conversation.lines()));
        }
        if let Some(agent) = &said.agent
            && *agent != conversation.agent
        {
            return Err(format!("{at}\n    expected the agent {agent}, found {}", conversation.agent));
        }
    }
    match &dialogue.after {
        Some(expected) if *expected != conversation.lines() => {
            Err(format!("{:?}: expected {expected:?}\n    found    {:?}", dialogue.name, conversation.lines()))
        }
        _ => Ok(()),
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "asked for, with GAPS=1")]
fn the_dialogues_end_as_they_should() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/dialogues");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let (mut count, mut failures) = (0, Vec::new());
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for dialogue in &file.dialogue {
            count += 1;
            let file = path.file_stem().unwrap().to_string_lossy();
            match (check(dialogue), &dialogue.gap) {
                (Err(failure), None) => failures.push(format!("{file}: {failure}")),
                // `GAPS=1 cargo test … -- --nocapture` shows what comes of those instead.
                (Err(failure), Some(_)) if std::env::var_os("GAPS").is_some() => println!("{file}: {failure}"),
                (Ok(()), Some(gap)) => failures.push(format!("{file}: {:?} is no gap any more: {gap}", dialogue.name)),
                _ => {}
            }
        }
    }
    assert!(failures.is_empty(), "{} of {count} dialogues failed:\n{}", failures.len(), failures.join("\n"));
    assert!(count >= 150, "only {count} dialogues");
}

#[test]
fn the_stream_ends_with_done() {
    use crate::llm::Llm;
    use futures_util::StreamExt;

    let model = super::RulesLlm::prepared();
    assert_eq!((model.provider(), model.model()), ("embedded", "rules"));
    let mut conversation = Conversation::new(NOW, &[]);
    conversation.chat.items.push(ChatItem::User { text: "help".into() });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let events: Vec<_> = runtime.block_on(model.stream(conversation.request()).collect());
    // Sentence by sentence, so that the first can be spoken at once.
    assert!(events.len() >= 3, "{events:?}");
    assert!(events[..events.len() - 1].iter().all(|event| matches!(event, Ok(LlmEvent::Text(_)))));
    assert_eq!(events.last(), Some(&Ok(LlmEvent::Done { input_tokens: 0, cached_tokens: 0, output_tokens: 0 })));
}

#[test]
fn what_was_changed_by_hand_is_not_taken_back_unasked() {
    let mut call = Conversation::new(NOW, &["Wash the car".to_owned()]);
    call.say("buy milk and call John", None);
    call.list.complete_by_hand("Wash the car");
    let (_, reply) = call.say("undo that", None);
    assert!(reply.contains("Wash the car"), "{reply}");
    assert_eq!(call.lines(), ["[x] Wash the car", "Buy milk", "Call John"], "asked first");
    call.say("no", None);
    assert_eq!(call.lines().len(), 3);
    call.say("undo that", None);
    call.say("yes", None);
    assert_eq!(call.lines(), ["Wash the car", "Buy milk", "Call John"]);
}
