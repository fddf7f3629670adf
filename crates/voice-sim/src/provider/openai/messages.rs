//! The messages of a chat request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::Problem;
use super::check::Last;

/// Kinds of images that are taken.
const IMAGES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// A call that an assistant message holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: Value,
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ToolResult {
    pub(crate) call: Call,
    pub(crate) output: String,
}

/// The calls of the last assistant message that nobody has answered yet.
#[derive(Debug, Default)]
struct Round {
    open: Vec<Call>,
    results: Vec<ToolResult>,
}

/// Checks all messages, and finds out what the last one wants.
pub(super) fn check(messages: Option<&Value>, model: &str) -> Result<Last, Problem> {
    let messages = messages.and_then(Value::as_array).ok_or_else(|| Problem::kind("messages", "a list"))?;
    if messages.is_empty() {
        let message = "Invalid 'messages': empty array. Expected an array with minimum length 1.";
        return Err(Problem { code: Some("empty_array"), ..Problem::invalid(message, Some("messages")) });
    }
    let (mut last, mut round) = (Last::Nothing, Round::default());
    for (place, message) in messages.iter().enumerate() {
        let at = format!("messages[{place}]");
        let message = message.as_object().ok_or_else(|| Problem::kind(&at, "an object"))?;
        let role = message
            .get("role")
            .and_then(Value::as_str)
            .ok_or_else(|| Problem::kind(&format!("{at}.role"), "a string"))?;
        if role != "tool" {
            round.check_answered()?;
        }
        match role {
            "system" | "developer" => text(message.get("content"), &at, false).map(drop)?,
            "user" => {
                let (text, image) = user(message, &at, model)?;
                last = Last::User(text, image);
            }
            "assistant" => round = Round { open: assistant(message, &at)?, results: Vec::new() },
            "tool" => last = Last::Tools(round.answer(message, &at)?),
            _ => {
                let message = format!(
                    "Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', 'tool', and 'developer'."
                );
                return Err(Problem {
                    code: Some("invalid_value"),
                    ..Problem::invalid(&message, Some(&format!("{at}.role")))
                });
            }
        }
        only(message, fields(role), &at)?;
    }
    round.check_answered()?;
    Ok(last)
}

const fn fields(role: &str) -> &'static [&'static str] {
    match role.as_bytes() {
        b"assistant" => &["role", "content", "name", "tool_calls", "refusal", "audio"],
        b"tool" => &["role", "content", "tool_call_id"],
        _ => &["role", "content", "name"],
    }
}

/// Nothing but these fields.
pub(super) fn only(object: &Map<String, Value>, fields: &[&str], at: &str) -> Result<(), Problem> {
    match object.keys().find(|key| !fields.contains(&key.as_str())) {
        Some(unknown) => Err(Problem::unknown(&format!("{at}.{unknown}"))),
        None => Ok(()),
    }
}

impl Round {
    fn check_answered(&self) -> Result<(), Problem> {
        if self.open.is_empty() {
            return Ok(());
        }
        let ids: Vec<&str> = self.open.iter().map(|call| call.id.as_str()).collect();
        let message = format!(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. \
             The following tool_call_ids did not have response messages: {}",
            ids.join(", ")
        );
        Err(Problem::invalid(&message, Some("messages")))
    }

    fn answer(&mut self, message: &Map<String, Value>, at: &str) -> Result<Vec<ToolResult>, Problem> {
        let id = message.get("tool_call_id").and_then(Value::as_str);
        let id = id.ok_or_else(|| Problem::kind(&format!("{at}.tool_call_id"), "a string"))?;
        let Some(place) = self.open.iter().position(|call| call.id == id) else {
            let message = "Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'.";
            return Err(Problem::invalid(message, Some(&format!("{at}.role"))));
        };
        let call = self.open.remove(place);
        let output = text(message.get("content"), at, false)?;
        self.results.push(ToolResult { call, output });
        Ok(self.results.clone())
    }
}

/// The text of a content: a string, or parts of type `text`.
fn text(content: Option<&Value>, at: &str, may_be_null: bool) -> Result<String, Problem> {
    match content {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(parts)) => {
            let texts: Option<Vec<&str>> = parts
                .iter()
                .map(|part| part.get("text").and_then(Value::as_str).filter(|_| part["type"] == "text"))
                .collect();
            texts.map(|texts| texts.concat()).ok_or_else(|| Problem::kind(&format!("{at}.content"), "text"))
        }
        None | Some(Value::Null) if may_be_null => Ok(String::new()),
        _ => Err(Problem::kind(&format!("{at}.content"), "a string or a list of parts")),
    }
}

/// A user's text, and the bytes of the images beside it.
fn user(message: &Map<String, Value>, at: &str, model: &str) -> Result<(String, Option<usize>), Problem> {
    let Some(Value::Array(parts)) = message.get("content") else {
        return Ok((text(message.get("content"), at, false)?, None));
    };
    let (mut texts, mut image) = (String::new(), None);
    for (place, part) in parts.iter().enumerate() {
        let at = format!("{at}.content[{place}]");
        let part = part.as_object().ok_or_else(|| Problem::kind(&at, "an object"))?;
        match part.get("type").and_then(Value::as_str) {
            Some("text") => {
                only(part, &["type", "text"], &at)?;
                texts += part
                    .get("text")
                    .and_then(Value::as_str)
                    .ok_or_else(|| Problem::kind(&format!("{at}.text"), "a string"))?;
            }
            Some("image_url") => {
                only(part, &["type", "image_url"], &at)?;
                image = Some(image.unwrap_or(0) + image_bytes(part.get("image_url"), &at, model)?);
            }
            _ => return Err(Problem::invalid("a part is of type 'text' or 'image_url'", Some(&format!("{at}.type")))),
        }
    }
    Ok((texts, image))
}

fn image_bytes(image: Option<&Value>, at: &str, model: &str) -> Result<usize, Problem> {
    let at = format!("{at}.image_url");
    if model.starts_with("gpt-3.5") {
        return Err(Problem::invalid(
            "Invalid content type. image_url is only supported by certain models.",
            Some(&at),
        ));
    }
    let image = image.and_then(Value::as_object).ok_or_else(|| Problem::kind(&at, "an object"))?;
    only(image, &["url", "detail"], &at)?;
    if let Some(detail) = image.get("detail")
        && !["auto", "low", "high", "original"].iter().any(|known| detail == known)
    {
        return Err(Problem::invalid("'detail' is auto, low, high or original", Some(&at)));
    }
    let url = image.get("url").and_then(Value::as_str).unwrap_or_default();
    if url.starts_with("https://") {
        return Ok(0);
    }
    let data = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    let bytes = data.filter(|(kind, _)| IMAGES.contains(kind)).and_then(|(_, data)| STANDARD.decode(data).ok());
    match bytes {
        Some(bytes) if !bytes.is_empty() => Ok(bytes.len()),
        _ => Err(Problem {
            code: Some("invalid_image_format"),
            ..Problem::invalid("You uploaded an unsupported image.", Some(&at))
        }),
    }
}

fn assistant(message: &Map<String, Value>, at: &str) -> Result<Vec<Call>, Problem> {
    let calls = message.get("tool_calls");
    text(message.get("content"), at, calls.is_some())?;
    let calls = match calls {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(calls)) if !calls.is_empty() => calls,
        Some(_) => return Err(Problem::kind(&format!("{at}.tool_calls"), "a list of one or more")),
    };
    let mut all: Vec<Call> = Vec::new();
    for (place, call) in calls.iter().enumerate() {
        let at = format!("{at}.tool_calls[{place}]");
        let object = call.as_object().ok_or_else(|| Problem::kind(&at, "an object"))?;
        only(object, &["id", "type", "function"], &at)?;
        let string = |pointer: &str| call.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        let (id, name) = (string("/id"), string("/function/name"));
        let arguments = call.pointer("/function/arguments").and_then(Value::as_str);
        let (Some(id), Some(name), Some(arguments), Some("function")) = (id, name, arguments, string("/type")) else {
            return Err(Problem::invalid(
                "a tool call has an id, the type 'function', a name and arguments as a string",
                Some(&at),
            ));
        };
        if all.iter().any(|other| other.id == id) {
            return Err(Problem::invalid("two tool calls have the same id", Some(&at)));
        }
        let arguments = serde_json::from_str(arguments).unwrap_or(Value::Null);
        all.push(Call { id: id.to_owned(), name: name.to_owned(), arguments });
    }
    Ok(all)
}
