//! The tools of a chat request.

use serde_json::{Map, Value};

use super::Problem;
use super::messages::only;

/// Tools at most.
const MOST_TOOLS: usize = 128;

/// A tool that the request offers.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Tool {
    pub(crate) name: String,
    /// The schemas of its arguments, by name.
    pub(crate) properties: Map<String, Value>,
    pub(crate) required: Vec<String>,
}

/// What the model may do with the tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    Auto,
    None,
    Required,
    This(String),
}

/// The tools of a request; none when the field is not there.
pub(super) fn tools(request: &Map<String, Value>) -> Result<Vec<Tool>, Problem> {
    let tools = match request.get("tools") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(tools)) => tools,
        Some(_) => return Err(Problem::kind("tools", "a list")),
    };
    if tools.is_empty() {
        let message = "Invalid 'tools': empty array. Expected an array with minimum length 1.";
        return Err(Problem { code: Some("empty_array"), ..Problem::invalid(message, Some("tools")) });
    }
    if tools.len() > MOST_TOOLS {
        return Err(Problem::invalid("Invalid 'tools': 128 at most.", Some("tools")));
    }
    tools.iter().enumerate().map(|(place, tool)| read(tool, &format!("tools[{place}]"))).collect()
}

fn read(tool: &Value, at: &str) -> Result<Tool, Problem> {
    let object = tool.as_object().ok_or_else(|| Problem::kind(at, "an object"))?;
    only(object, &["type", "function"], at)?;
    if tool["type"] != "function" {
        return Err(Problem::invalid("a tool is of type 'function'", Some(&format!("{at}.type"))));
    }
    let at = format!("{at}.function");
    let function = object.get("function").and_then(Value::as_object).ok_or_else(|| Problem::kind(&at, "an object"))?;
    only(function, &["name", "description", "parameters", "strict"], &at)?;
    let name = function.get("name").and_then(Value::as_str).unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        let message = format!(
            "Invalid '{at}.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
        );
        return Err(Problem::invalid(&message, Some(&format!("{at}.name"))));
    }
    if function.get("description").is_some_and(|text| !text.is_string() && !text.is_null()) {
        return Err(Problem::kind(&format!("{at}.description"), "a string"));
    }
    let strict = match function.get("strict") {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Bool(true)) => true,
        Some(_) => return Err(Problem::kind(&format!("{at}.strict"), "a boolean")),
    };
    let Some(schema) = function.get("parameters") else { return Ok(Tool { name: name.to_owned(), ..Tool::default() }) };
    check_schema(schema, name, strict)?;
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    Ok(Tool {
        name: name.to_owned(),
        properties: schema["properties"].as_object().cloned().unwrap_or_default(),
        required: required.collect(),
    })
}

fn check_schema(schema: &Value, name: &str, strict: bool) -> Result<(), Problem> {
    let refuse = |why: &str| {
        let message = format!("Invalid schema for function '{name}': {why}");
        Err(Problem { code: Some("invalid_function_parameters"), ..Problem::invalid(&message, Some("tools")) })
    };
    if schema["type"] != "object" {
        return refuse("schema must be a JSON Schema of 'type: \"object\"'");
    }
    if schema.get("properties").is_some_and(|properties| !properties.is_object()) {
        return refuse("'properties' is an object");
    }
    let empty = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if let Some(unknown) = required.iter().find(|name| !properties.contains_key(**name)) {
        return refuse(&format!("'{unknown}' is required, and is no property"));
    }
    if strict && schema["additionalProperties"] != false {
        return refuse("'additionalProperties' is required to be supplied and to be false.");
    }
    if strict && let Some(free) = properties.keys().find(|name| !required.contains(&name.as_str())) {
        return refuse(&format!(
            "'required' is required to be supplied and to be an array including every key in properties. Missing '{free}'."
        ));
    }
    for property in properties.values().filter(|property| property["type"] == "object") {
        check_schema(property, name, strict)?;
    }
    Ok(())
}

/// `tool_choice`, and what goes only with tools.
pub(super) fn choice(request: &Map<String, Value>, tools: &[Tool]) -> Result<Choice, Problem> {
    for name in ["tool_choice", "parallel_tool_calls"] {
        if tools.is_empty() && request.get(name).is_some_and(|value| !value.is_null()) {
            let message = format!("Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified.");
            return Err(Problem::invalid(&message, Some(name)));
        }
    }
    if request.get("parallel_tool_calls").is_some_and(|value| !value.is_boolean() && !value.is_null()) {
        return Err(Problem::kind("parallel_tool_calls", "a boolean"));
    }
    match request.get("tool_choice") {
        None | Some(Value::Null) => Ok(Choice::Auto),
        Some(Value::String(choice)) => match choice.as_str() {
            "auto" => Ok(Choice::Auto),
            "none" => Ok(Choice::None),
            "required" => Ok(Choice::Required),
            _ => Err(Problem::invalid("'tool_choice' is none, auto, required or a function", Some("tool_choice"))),
        },
        Some(choice) => {
            let name =
                choice.pointer("/function/name").and_then(Value::as_str).filter(|_| choice["type"] == "function");
            match name.and_then(|name| tools.iter().find(|tool| tool.name == name)) {
                Some(tool) => Ok(Choice::This(tool.name.clone())),
                None => {
                    Err(Problem::invalid("Tool choice 'function' not found in 'tools' parameter.", Some("tool_choice")))
                }
            }
        }
    }
}
