//! What the language model answers when no rule of the test says otherwise: enough English to keep tasks with the tools that the
//! request offers.

use std::sync::OnceLock;

use regex::Regex;
use serde_json::{Map, Value, json};

use super::check::{Asked, Last};
use super::manner::Wording;
use super::messages::ToolResult;
use super::rules::{Reply, RuleCall};
use super::tools::{Choice, Tool};

/// What a caller may want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intent {
    Add,
    List,
    Complete,
    Delete,
    Undo,
    Leave,
}

/// How each is said, in the order in which they are tried, and in which words tools are named for it.
const INTENTS: [(Intent, &str, &[&str]); 6] = [
    (Intent::Undo, r"\bundo\b", &["undo"]),
    (
        Intent::Complete,
        r"\b(?:complete|finish|finished|mark|check off|tick off|done with)\b(?: off)?(?: the)?(?: tasks?)? (?P<what>.+?)(?: as)?(?: done| complete| completed| finished)?$",
        &["complete", "finish", "done", "mark"],
    ),
    (
        Intent::Delete,
        r"\b(?:delete|remove|cancel)\b(?: the)?(?: tasks?)? (?P<what>.+)$",
        &["delete", "remove", "cancel"],
    ),
    (
        Intent::List,
        r"\b(?:list|show|read|what|what's|which|tell me|how many)\b.*\b(?:tasks?|list|to do|open|left)\b",
        &["list", "show", "get"],
    ),
    (
        Intent::Add,
        r"\b(?:add|create|remember|put|note|remind me)\b(?: me| a| an| the| another| new| tasks?| reminder| to| that| called| named)* (?P<what>.+)$",
        &["add", "create", "new"],
    ),
    (Intent::Leave, r"\b(?:goodbye|bye|hang up|that's all)\b", &["end", "hang"]),
];

/// Names of the argument that says which task; the first that a tool has counts.
const SUBJECTS: [&str; 7] = ["title", "name", "task", "text", "content", "description", "query"];

/// An argument for what is to be said once a task is added: then nobody asks what to say.
const WORDS: &str = "say";

fn patterns() -> &'static [(Intent, Option<Regex>)] {
    static PATTERNS: OnceLock<Vec<(Intent, Option<Regex>)>> = OnceLock::new();
    PATTERNS.get_or_init(|| INTENTS.iter().map(|(intent, pattern, _)| (*intent, Regex::new(pattern).ok())).collect())
}

/// The answer to a request.
pub(super) fn answer(asked: &Asked, wording: Wording) -> Reply {
    let mut reply = plain(asked, wording);
    for call in &mut reply.calls {
        if let Some(Value::String(words)) = call.arguments.get_mut(WORDS) {
            *words = wording.finish(std::mem::take(words));
        }
    }
    Reply { text: wording.finish(reply.text), ..reply }
}

fn plain(asked: &Asked, wording: Wording) -> Reply {
    match &asked.last {
        Last::User(text, image) => answer_user(asked, text, *image),
        Last::Tools(results) => {
            let told: Vec<String> = results.iter().map(|result| tell_result(result, wording)).collect();
            Reply { text: told.join(" "), calls: Vec::new() }
        }
        Last::Nothing => Reply { text: "How can I help?".to_owned(), calls: Vec::new() },
    }
}

fn answer_user(asked: &Asked, text: &str, image: Option<usize>) -> Reply {
    // A full stop where the caller hesitated ends no sentence.
    let plain = text.trim().trim_end_matches(['.', '!', '?', ',']).replace(". ", " ").to_lowercase();
    let found = patterns().iter().find_map(|(intent, pattern)| {
        let captures = pattern.as_ref()?.captures(&plain)?;
        Some((*intent, captures.name("what").map(|what| what.as_str().to_owned())))
    });
    let wanted = found.and_then(|(intent, what)| call(asked, intent, what.as_deref()));
    let calls: Vec<RuleCall> = match &asked.choice {
        Choice::None => Vec::new(),
        Choice::Auto => wanted.into_iter().collect(),
        Choice::Required => {
            wanted.or_else(|| asked.tools.first().map(|tool| filled(tool, Some(&plain)))).into_iter().collect()
        }
        Choice::This(name) => {
            asked.tools.iter().filter(|tool| tool.name == *name).map(|tool| filled(tool, Some(&plain))).collect()
        }
    };
    let text = match (calls.is_empty(), image) {
        (false, _) => String::new(),
        (true, Some(bytes)) => format!("I see an image of {bytes} bytes."),
        (true, None) if matches!(found_intent(&plain), Some(Intent::Leave)) => "Goodbye!".to_owned(),
        (true, None) => format!("I heard: {}.", text.trim().trim_end_matches('.')),
    };
    Reply { text, calls }
}

fn found_intent(plain: &str) -> Option<Intent> {
    patterns()
        .iter()
        .find(|(_, pattern)| pattern.as_ref().is_some_and(|pattern| pattern.is_match(plain)))
        .map(|(intent, _)| *intent)
}

/// The call for a wish, if the request offers a tool for it.
fn call(asked: &Asked, intent: Intent, what: Option<&str>) -> Option<RuleCall> {
    let (_, _, names) = INTENTS.iter().find(|(known, _, _)| *known == intent)?;
    let is_named = |tool: &&Tool, name: &str| tool.name.split(['_', '-']).any(|part| part == name);
    let tool = names.iter().find_map(|name| asked.tools.iter().find(|tool| is_named(tool, name)))?;
    let mut call = filled(tool, what);
    if let Some(what) = what.filter(|_| intent == Intent::Add && tool.properties.contains_key(WORDS)) {
        call.arguments.insert(WORDS.to_owned(), Value::from(tell_added(what)));
    }
    Some(call)
}

/// A call of a tool, with what its schema requires.
fn filled(tool: &Tool, what: Option<&str>) -> RuleCall {
    let mut arguments = Map::new();
    let subject = SUBJECTS.iter().find(|subject| tool.properties.contains_key(**subject)).copied();
    if let (Some(subject), Some(what)) = (subject, what) {
        arguments.insert(subject.to_owned(), Value::from(what));
    }
    for name in &tool.required {
        if !arguments.contains_key(name) {
            let schema = tool.properties.get(name).unwrap_or(&Value::Null);
            arguments.insert(name.clone(), anything(schema, what));
        }
    }
    RuleCall { name: tool.name.clone(), arguments }
}

/// Something that fits a schema.
fn anything(schema: &Value, what: Option<&str>) -> Value {
    let is = |kind: &str| {
        schema["type"] == kind || schema["type"].as_array().is_some_and(|kinds| kinds.contains(&json!(kind)))
    };
    match () {
        () if is("null") => Value::Null,
        () if schema["enum"][0] != Value::Null => schema["enum"][0].clone(),
        () if is("boolean") => Value::Bool(false),
        () if is("integer") || is("number") => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        () if is("array") => json!([]),
        () if is("object") => json!({}),
        () => Value::from(what.unwrap_or_default()),
    }
}

/// A sentence about what a tool answered.
fn tell_result(result: &ToolResult, wording: Wording) -> String {
    let output: Value = serde_json::from_str(&result.output).unwrap_or_else(|_| Value::from(result.output.as_str()));
    let what = SUBJECTS.iter().find_map(|subject| result.call.arguments.get(*subject)).and_then(Value::as_str);
    let what = what.unwrap_or("it");
    let status = output["status"].as_str().unwrap_or_default();
    if output.get("error").is_some_and(|error| !error.is_null())
        || ["error", "not_found", "failed", "unknown"].contains(&status)
    {
        return format!("I could not do that: {what}.");
    }
    match status {
        "exists" => return format!("You have {what} already. Shall I add it anyway?"),
        "needs_confirmation" => return format!("Shall I really delete {what}?"),
        _ => {}
    }
    let named = |names: &[&str]| result.call.name.split(['_', '-']).any(|part| names.contains(&part));
    let intent = INTENTS.iter().find(|(_, _, names)| named(names)).map(|(intent, _, _)| *intent);
    match intent {
        Some(Intent::Add) => tell_added(what),
        Some(Intent::List) => tell_list(&titles(&output), wording),
        Some(Intent::Complete) => format!("Marked {what} as done."),
        Some(Intent::Delete) => format!("Deleted {what}."),
        Some(Intent::Undo) => "I have taken that back.".to_owned(),
        Some(Intent::Leave) => "Goodbye!".to_owned(),
        None => "Okay.".to_owned(),
    }
}

fn tell_added(what: &str) -> String {
    format!("Added {what}.")
}

fn tell_list(titles: &[String], wording: Wording) -> String {
    // "You have 2 tasks"
    let told = wording.titles(4, titles);
    match titles {
        [] => "You have no tasks.".to_owned(),
        [one] if told == 1 => format!("You have one task: {one}."),
        many if told == 0 => format!("You have {} tasks.", many.len()),
        many => {
            let more = many.len() - told;
            let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("You have {} tasks: {}{rest}.", many.len(), many[..told].join(", "))
        }
    }
}

/// All titles in an answer, however deep.
fn titles(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().flat_map(titles).collect(),
        Value::Object(object) => match object.get("title").and_then(Value::as_str) {
            Some(title) => vec![title.to_owned()],
            None => object.values().flat_map(titles).collect(),
        },
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    fn tool(name: &str, properties: &Value, required: &[&str]) -> Value {
        let parameters = json!({"type": "object", "properties": properties, "required": required});
        json!({"type": "function", "function": {"name": name, "parameters": parameters}})
    }

    fn ask(text: &str) -> Reply {
        let title = json!({"title": {"type": "string"}, "priority": {"enum": ["low", "high"]}});
        let tools = json!([
            tool("add_task", &title, &["title"]),
            tool("list_tasks", &json!({}), &[]),
            tool("complete_task", &title, &["title", "priority"]),
            tool("delete_task", &title, &[]),
            tool("undo", &json!({}), &[]),
            tool("end_call", &json!({}), &[]),
        ]);
        let request = json!({"model": "m", "messages": [{"role": "user", "content": text}], "tools": tools});
        answer(
            &check::check(&request, &["m".to_owned()]).map_err(|problem| problem.message).expect("a good request"),
            Wording::default(),
        )
    }

    #[test]
    fn wishes_become_calls_of_the_tools_that_are_offered() {
        for (text, name, arguments) in [
            ("Add a task to buy milk.", "add_task", json!({"title": "buy milk"})),
            ("Please remind me to call Mum!", "add_task", json!({"title": "call mum"})),
            ("add buy bread", "add_task", json!({"title": "buy bread"})),
            ("Add a task to. Pay the rent.", "add_task", json!({"title": "pay the rent"})),
            ("What are my tasks?", "list_tasks", json!({})),
            ("Mark buy milk as done.", "complete_task", json!({"title": "buy milk", "priority": "low"})),
            ("I finished the report", "complete_task", json!({"title": "report", "priority": "low"})),
            ("delete the task buy milk", "delete_task", json!({"title": "buy milk"})),
            ("Undo that", "undo", json!({})),
            ("Goodbye", "end_call", json!({})),
        ] {
            let reply = ask(text);
            assert_eq!(reply.text, "", "{text}");
            let [call] = &reply.calls[..] else { panic!("{text}: {reply:?}") };
            assert_eq!((call.name.as_str(), Value::Object(call.arguments.clone())), (name, arguments), "{text}");
        }
        let small_talk = ask("How are you today?");
        assert_eq!((small_talk.text.as_str(), small_talk.calls.len()), ("I heard: How are you today?.", 0));
    }

    #[test]
    fn what_tools_answered_is_told() {
        let tell = |name: &str, output: Value| {
            let call = super::super::messages::Call {
                id: "c".to_owned(),
                name: name.to_owned(),
                arguments: json!({"title": "milk"}),
            };
            tell_result(&ToolResult { call, output: output.to_string() }, Wording::default())
        };
        assert_eq!(tell("add_task", json!({"status": "ok"})), "Added milk.");
        assert_eq!(tell("add_task", json!({"status": "exists"})), "You have milk already. Shall I add it anyway?");
        assert_eq!(tell("list_tasks", json!({"tasks": [{"title": "a"}, {"title": "b"}]})), "You have 2 tasks: a, b.");
        assert_eq!(tell("list_tasks", json!({"tasks": []})), "You have no tasks.");
        assert_eq!(tell("complete_task", json!({"error": "x"})), "I could not do that: milk.");
    }
}
