//! What the language model answers: rules that a test gives.

use std::sync::Mutex;

use regex::{Captures, Regex};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::check::{Asked, Last};
use crate::provider::lock;

/// Rules at most.
const MOST_RULES: usize = 500;

/// A tool call that a rule makes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleCall {
    /// The tool's name.
    pub name: String,
    /// Its arguments; in strings, `$1` and `${name}` are what the rule's pattern caught.
    #[serde(default)]
    pub arguments: Map<String, Value>,
}

/// When this was asked, say that. In JSON: `{"user": "(?i)buy (.+)", "calls": [{"name": "add_task", "arguments": {"title": "$1"}}]}`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// A pattern for the caller's last text.
    pub user: Option<String>,
    /// A pattern for the last outputs of tools, each as a line `name: output`.
    pub tool: Option<String>,
    /// Only when this model is asked.
    pub model: Option<String>,
    /// How often it counts; always, when none.
    pub times: Option<u32>,
    /// What is said, before the calls.
    pub say: String,
    /// Which tools are called.
    pub calls: Vec<RuleCall>,
}

impl Rule {
    /// A rule for what the caller said.
    pub fn user(pattern: &str) -> Self {
        Self { user: Some(pattern.to_owned()), ..Self::default() }
    }

    /// A rule for what tools answered.
    pub fn tool(pattern: &str) -> Self {
        Self { tool: Some(pattern.to_owned()), ..Self::default() }
    }

    /// It says this.
    #[must_use]
    pub fn says(mut self, text: &str) -> Self {
        text.clone_into(&mut self.say);
        self
    }

    /// It calls this tool, too.
    #[must_use]
    pub fn calls(mut self, name: &str, arguments: &Value) -> Self {
        let arguments = arguments.as_object().cloned().unwrap_or_default();
        self.calls.push(RuleCall { name: name.to_owned(), arguments });
        self
    }

    /// It counts for one model only.
    #[must_use]
    pub fn model(mut self, model: &str) -> Self {
        self.model = Some(model.to_owned());
        self
    }

    /// It counts so often.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Reply {
    pub(crate) text: String,
    pub(crate) calls: Vec<RuleCall>,
}

/// The rules of a script.
#[derive(Debug)]
pub(crate) struct Rules(Mutex<Vec<(Regex, Rule)>>);

impl Rules {
    pub(crate) fn new(rules: &[Rule]) -> Result<Self, String> {
        if rules.len() > MOST_RULES {
            return Err(format!("{MOST_RULES} rules at most"));
        }
        let compiled = rules.iter().map(|rule| {
            let pattern = match (&rule.user, &rule.tool) {
                (Some(pattern), None) | (None, Some(pattern)) => pattern,
                _ => return Err("a rule is for a user or for a tool".to_owned()),
            };
            Ok((Regex::new(pattern).map_err(|error| error.to_string())?, rule.clone()))
        });
        Ok(Self(Mutex::new(compiled.collect::<Result<_, String>>()?)))
    }

    /// What the first rule that fits says.
    pub(crate) fn answer(&self, asked: &Asked) -> Option<Reply> {
        let mut rules = lock(&self.0);
        let text = asked.last_text();
        let is_tool = matches!(asked.last, Last::Tools(_));
        for (pattern, rule) in rules.iter_mut() {
            let concerns = rule.tool.is_some() == is_tool
                && rule.model.as_ref().is_none_or(|model| *model == asked.model)
                && rule.times != Some(0);
            if let Some(captures) = concerns.then(|| pattern.captures(&text)).flatten() {
                if let Some(times) = &mut rule.times {
                    *times -= 1;
                }
                return Some(filled(rule, &captures));
            }
        }
        None
    }
}

fn filled(rule: &Rule, captures: &Captures<'_>) -> Reply {
    let calls = rule.calls.iter().map(|call| {
        let arguments = call.arguments.iter().map(|(name, value)| (name.clone(), expand(value, captures)));
        RuleCall { name: call.name.clone(), arguments: arguments.collect() }
    });
    Reply { text: expand_text(&rule.say, captures), calls: calls.collect() }
}

fn expand(value: &Value, captures: &Captures<'_>) -> Value {
    match value {
        Value::String(text) => Value::String(expand_text(text, captures)),
        Value::Array(values) => values.iter().map(|value| expand(value, captures)).collect(),
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), expand(value, captures))).collect(),
        _ => value.clone(),
    }
}

fn expand_text(template: &str, captures: &Captures<'_>) -> String {
    let mut text = String::new();
    captures.expand(template, &mut text);
    text
}
