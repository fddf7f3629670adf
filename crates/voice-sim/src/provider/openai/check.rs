//! A chat request, as strictly as the real service reads it.

use serde_json::{Map, Value, json};

use super::Problem;
use super::messages::{self, ToolResult};
use super::tools::{self, Choice, Tool};

/// What a request may hold.
const FIELDS: [&str; 30] = [
    "audio",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_p",
    "verbosity",
];
/// Further fields that are old or rare, and have no effect here.
const RARE: [&str; 3] = ["top_logprobs", "user", "web_search_options"];

/// What is said to a model that is to be brief, in lower case.
const BRIEF: &str = "answer in one sentence";

/// What the model is to answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Last {
    /// The caller's text, and the bytes of an image beside it.
    User(String, Option<usize>),
    /// The outputs of a round of tools.
    Tools(Vec<ToolResult>),
    /// There is neither.
    Nothing,
}

/// A request that was understood.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    pub(crate) model: String,
    pub(crate) last: Last,
    pub(crate) tools: Vec<Tool>,
    pub(crate) choice: Choice,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    pub(crate) obfuscation: bool,
    pub(crate) most_tokens: Option<u64>,
    /// The instructions ask for one sentence.
    pub(crate) brief: bool,
    /// Of everything that was sent: four characters of its JSON each.
    pub(crate) prompt_tokens: u64,
}

impl Asked {
    /// The text that rules look at.
    pub(crate) fn last_text(&self) -> String {
        match &self.last {
            Last::User(text, _) => text.clone(),
            Last::Tools(results) => {
                let lines: Vec<String> =
                    results.iter().map(|result| format!("{}: {}", result.call.name, result.output)).collect();
                lines.join("\n")
            }
            Last::Nothing => String::new(),
        }
    }
}

/// Reads a request.
///
/// # Errors
/// The 400 or 404 that the service answers.
pub(crate) fn check(request: &Value, models: &[String]) -> Result<Asked, Problem> {
    let object = request.as_object().ok_or_else(|| Problem::invalid("the body is no JSON object", None))?;
    if let Some(unknown) = object.keys().find(|key| !FIELDS.contains(&key.as_str()) && !RARE.contains(&key.as_str())) {
        return Err(Problem {
            code: Some("unknown_parameter"),
            ..Problem::invalid(&format!("Unknown parameter: '{unknown}'."), Some(unknown))
        });
    }
    let model = object.get("model").and_then(Value::as_str);
    let model = model.ok_or_else(|| Problem::invalid("you must provide a model parameter", Some("model")))?;
    if !models.iter().any(|known| known == model) {
        return Err(Problem::model_not_found(model));
    }
    let stream = boolean(object, "stream")?.unwrap_or(false);
    let (include_usage, obfuscation) = stream_options(object, stream)?;
    let tools = tools::tools(object)?;
    let choice = tools::choice(object, &tools)?;
    check_numbers(object, model)?;
    let last = messages::check(object.get("messages"), model)?;
    let sent = [object.get("messages"), object.get("tools")].into_iter().flatten().map(|value| value.to_string());
    Ok(Asked {
        model: model.to_owned(),
        last,
        tools,
        choice,
        stream,
        include_usage,
        obfuscation,
        most_tokens: most_tokens(object, model)?,
        brief: is_brief(object.get("messages")),
        prompt_tokens: sent.map(|text| text.chars().count() as u64).sum::<u64>().div_ceil(4),
    })
}

/// Whether a message of the system asks for an answer of one sentence.
fn is_brief(messages: Option<&Value>) -> bool {
    let all = messages.and_then(Value::as_array).into_iter().flatten();
    let mut system = all.filter(|message| message["role"] == "system" || message["role"] == "developer");
    let asks = |message: &Value| message["content"].as_str().is_some_and(|text| text.to_lowercase().contains(BRIEF));
    system.any(asks)
}

fn boolean(object: &Map<String, Value>, name: &str) -> Result<Option<bool>, Problem> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(_) => Err(Problem::kind(name, "a boolean")),
    }
}

/// Whether usage is told at the end, and whether chunks are padded.
fn stream_options(object: &Map<String, Value>, stream: bool) -> Result<(bool, bool), Problem> {
    let options = match object.get("stream_options") {
        None | Some(Value::Null) => return Ok((false, true)),
        Some(Value::Object(options)) => options,
        Some(_) => return Err(Problem::kind("stream_options", "an object")),
    };
    if !stream {
        let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Err(Problem::invalid(message, Some("stream_options")));
    }
    if let Some(unknown) = options.keys().find(|key| !["include_usage", "include_obfuscation"].contains(&key.as_str()))
    {
        return Err(Problem::unknown(&format!("stream_options.{unknown}")));
    }
    let usage = boolean(options, "include_usage")?.unwrap_or(false);
    Ok((usage, boolean(options, "include_obfuscation")?.unwrap_or(true)))
}

/// Whether a model thinks first; those refuse what does not go with it.
fn is_reasoning(model: &str) -> bool {
    ["gpt-5", "gpt-6", "o1", "o3", "o4"].iter().any(|family| model.starts_with(family))
}

fn check_numbers(object: &Map<String, Value>, model: &str) -> Result<(), Problem> {
    for (name, low, high) in [
        ("temperature", 0.0, 2.0),
        ("top_p", 0.0, 1.0),
        ("presence_penalty", -2.0, 2.0),
        ("frequency_penalty", -2.0, 2.0),
    ] {
        match object.get(name) {
            None | Some(Value::Null) => {}
            Some(value) => match value.as_f64() {
                Some(number) if (low..=high).contains(&number) => {}
                Some(_) => {
                    return Err(Problem::invalid(
                        &format!("Invalid '{name}': it is from {low} to {high}."),
                        Some(name),
                    ));
                }
                None => return Err(Problem::kind(name, "a number")),
            },
        }
    }
    if is_reasoning(model) && object.get("temperature").and_then(Value::as_f64).is_some_and(|value| value != 1.0) {
        let message = "Unsupported value: 'temperature' does not support other values than 1 with this model.";
        return Err(Problem { code: Some("unsupported_value"), ..Problem::invalid(message, Some("temperature")) });
    }
    match object.get("stop") {
        Some(Value::Array(stops)) if stops.len() > 4 => {
            Err(Problem::invalid("Invalid 'stop': 4 at most.", Some("stop")))
        }
        None | Some(Value::Null | Value::String(_) | Value::Array(_)) => Ok(()),
        Some(_) => Err(Problem::kind("stop", "a string or a list")),
    }?;
    match object.get("n") {
        None | Some(Value::Null) => Ok(()),
        Some(n) if *n == json!(1) => Ok(()),
        Some(_) => Err(Problem::invalid("more than one choice is not simulated", Some("n"))),
    }
}

fn most_tokens(object: &Map<String, Value>, model: &str) -> Result<Option<u64>, Problem> {
    let number = |name: &'static str| match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) if number >= 1 => Ok(Some(number)),
            _ => Err(Problem::invalid(&format!("Invalid '{name}': it is a whole number of 1 or more."), Some(name))),
        },
    };
    let (old, new) = (number("max_tokens")?, number("max_completion_tokens")?);
    if old.is_some() && new.is_some() {
        let message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.";
        return Err(Problem::invalid(message, Some("max_tokens")));
    }
    if old.is_some() && is_reasoning(model) {
        let message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
        return Err(Problem { code: Some("unsupported_parameter"), ..Problem::invalid(message, Some("max_tokens")) });
    }
    Ok(new.or(old))
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
