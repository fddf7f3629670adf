//! Whether a turn ended as it should.

use std::collections::BTreeMap;

use anyhow::Result;
use regex::RegexBuilder;
use serde_json::{Map, Value, json};
use voice_agent::driver::api::ToolCallReport;

use crate::dialogue::Said;
use crate::words::words;

/// What a turn did.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) reply: String,
    pub(crate) calls: Vec<ToolCallReport>,
    pub(crate) agent: String,
    /// The list after it.
    pub(crate) list: Vec<String>,
}

/// Compares; what is wrong, if anything. Titles that were spoken are compared by their words.
pub(crate) fn turn(
    said: &Said,
    done: &Done,
    titles: &BTreeMap<String, String>,
    spoken: bool,
) -> Result<Option<String>> {
    let matches = |pattern: &String| -> Result<bool> {
        Ok(RegexBuilder::new(pattern).case_insensitive(true).build()?.is_match(&done.reply))
    };
    for pattern in &said.reply {
        if !matches(pattern)? {
            return Ok(Some(format!("not answered: {pattern}")));
        }
    }
    for pattern in &said.not {
        if matches(pattern)? {
            return Ok(Some(format!("answered: {pattern}")));
        }
    }
    if let Some(expected) = &said.calls {
        let calls: Vec<_> = done.calls.iter().map(|call| shown(call, titles)).collect();
        let [expected, calls] = [json!(expected), json!(calls)].map(|calls| compared(&calls.to_string(), spoken));
        if expected != calls {
            return Ok(Some(format!("called {calls}")));
        }
    }
    if let Some(agent) = said.agent.as_ref().filter(|agent| **agent != done.agent) {
        return Ok(Some(format!("{} has the call, not {agent}", done.agent)));
    }
    Ok(said.after.as_ref().and_then(|after| list(after, &done.list, spoken)))
}

/// Compares two lists; what is wrong, if anything.
pub(crate) fn list(expected: &[String], found: &[String], spoken: bool) -> Option<String> {
    let plain = |lines: &[String]| lines.iter().map(|line| compared(line, spoken)).collect::<Vec<_>>();
    (plain(expected) != plain(found)).then(|| format!("the list is [{}]", found.join("; ")))
}

/// A line or call as it is compared.
fn compared(text: &str, spoken: bool) -> String {
    if spoken { words(text).join(" ") } else { text.to_owned() }
}

/// A call as the dialogues write it.
fn shown(call: &ToolCallReport, titles: &BTreeMap<String, String>) -> Map<String, Value> {
    let mut shown = Map::new();
    shown.insert("name".into(), call.name.clone().into());
    for (key, value) in &call.arguments {
        match (key.as_str(), value) {
            // How many are asked for, and what of a due date stays, shows in what comes of it.
            ("limit" | "keep", _) => {}
            ("id", Value::String(id)) => {
                shown.insert("task".into(), titles.get(id).cloned().unwrap_or_default().into());
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
