//! A request: the prompt, the conversation, the tools.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use voice_core::chat::{ChatItem, ToolCall, ToolOutput};
use voice_core::ids::ToolCallId;

use crate::llm::openai::{MaxTokensField, OpenAiConfig};
use crate::llm::{LlmRequest, prompt};
use crate::screen::Seen;
use crate::tools::{LOOK_AT_SCREEN, ToolSpec};

/// What a function's name may have.
const MAX_NAME: usize = 64;

/// The body of a request for a streamed answer.
pub fn encode(config: &OpenAiConfig, request: &LlmRequest) -> Value {
    let most = if request.brief { config.brief_max_tokens } else { config.max_tokens };
    let mut body = start(config, most);
    body.insert("stream".into(), true.into());
    body.insert("messages".into(), messages(config, request).into());
    if config.include_usage {
        body.insert("stream_options".into(), json!({"include_usage": true}));
    }
    if let Some(temperature) = config.temperature {
        body.insert("temperature".into(), temperature.into());
    }
    // An empty list is refused, and so is the other without a list.
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.iter().map(|spec| tool(config, spec)).collect());
        if config.parallel_tool_calls {
            body.insert("parallel_tool_calls".into(), true.into());
        }
    }
    body.into()
}

/// The body of the smallest request there is.
pub fn encode_probe(config: &OpenAiConfig) -> Value {
    let mut body = start(config, 1);
    body.insert("messages".into(), json!([{"role": "user", "content": "Hi"}]));
    body.into()
}

fn start(config: &OpenAiConfig, most_tokens: u32) -> Map<String, Value> {
    let field = match config.max_tokens_field {
        MaxTokensField::MaxCompletionTokens => "max_completion_tokens",
        MaxTokensField::MaxTokens => "max_tokens",
    };
    Map::from_iter([("model".to_owned(), config.model.clone().into()), (field.to_owned(), most_tokens.into())])
}

fn tool(config: &OpenAiConfig, spec: &ToolSpec) -> Value {
    let parameters = if config.say_with_call { spec.parameters_with_words() } else { spec.parameters.clone() };
    let function = json!({"name": spec.name, "description": spec.description, "parameters": parameters});
    json!({"type": "function", "function": function})
}

/// What never changes comes first, so that the provider finds it in its cache, and the conversation after it; what is new
/// with every turn comes last, before the turn itself.
fn messages(config: &OpenAiConfig, request: &LlmRequest) -> Vec<Value> {
    let prompt = prompt::system(&request.agent, &request.instructions);
    let scene = prompt::scene(request);
    let (before, turn) = conversation(config, request);
    let mut messages = Vec::with_capacity(before.len() + turn.len() + 2);
    if config.system_first_only {
        messages.push(text("system", &format!("{prompt}\n{scene}")));
        messages.extend(before);
    } else {
        messages.push(text("system", &prompt));
        messages.extend(before);
        messages.push(text("system", &scene));
    }
    messages.extend(turn);
    if matches!(request.chat.items.last(), Some(ChatItem::Assistant { interrupted: true, .. })) {
        // Another model's answer broke off, and a part of it was heard.
        let role = if config.system_first_only { "user" } else { "system" };
        messages.push(text(role, prompt::GO_ON));
    }
    messages
}

/// The caller's screen: a picture, or what was read in it. What is written there is the caller's data like any title.
fn screen(config: &OpenAiConfig, seen: &Seen) -> Value {
    let Some(detail) = config.looks else {
        return text("user", &prompt::written_on_screen(seen.reading().as_deref()));
    };
    let data = format!("data:image/webp;base64,{}", STANDARD.encode(seen.picture().webp()));
    let image = json!({"type": "image_url", "image_url": {"url": data, "detail": detail.as_str()}});
    json!({"role": "user", "content": [{"type": "text", "text": prompt::THE_SCREEN}, image]})
}

fn text(role: &str, content: &str) -> Value {
    json!({"role": role, "content": content})
}

/// The conversation before the present turn, and the present turn. Of what was before, as many of the last turns as fit.
fn conversation(config: &OpenAiConfig, request: &LlmRequest) -> (Vec<Value>, Vec<Value>) {
    let mut turns = turns(&request.chat.items).into_iter().rev();
    let seen = request.seen.as_ref().map(|seen| screen(config, seen));
    let present = turns.next().map(|items| turn(config, items, seen)).unwrap_or_default();
    let turns = turns.map(|items| turn(config, items, None));
    let length = |messages: &[Value]| messages.iter().map(|message| message.to_string().len()).sum::<usize>();
    // A picture is not counted in characters.
    let words = |messages: &[Value]| {
        messages.iter().filter(|message| !message["content"].is_array()).cloned().collect::<Vec<_>>()
    };
    let mut room = config.max_context_chars.saturating_sub(length(&words(&present)));
    let mut before = Vec::new();
    // One after the other, from the last: what does not fit is not even written.
    for messages in turns {
        match room.checked_sub(length(&messages)) {
            Some(left) => room = left,
            None => break,
        }
        before.push(messages);
    }
    (before.into_iter().rev().flatten().collect(), present)
}

/// The items by turn: each begins with what the caller said.
fn turns(items: &[ChatItem]) -> Vec<&[ChatItem]> {
    let starts = |(at, item): (usize, &ChatItem)| (at > 0 && matches!(item, ChatItem::User { .. })).then_some(at);
    let mut cuts: Vec<usize> = items.iter().enumerate().filter_map(starts).collect();
    cuts.insert(0, 0);
    cuts.push(items.len());
    cuts.windows(2).map(|pair| &items[pair[0]..pair[1]]).collect()
}

/// A turn's messages; what was seen of the screen stands behind the look at it.
fn turn(config: &OpenAiConfig, items: &[ChatItem], seen: Option<Value>) -> Vec<Value> {
    let outputs = items.iter().filter_map(|item| match item {
        ChatItem::ToolOutput(output) => Some((output.id, output)),
        _ => None,
    });
    let mut turn = Turn { outputs: outputs.collect(), seen, ..Turn::default() };
    for item in items {
        match item {
            ChatItem::ToolCall(call) => turn.calls.push(call),
            // It stands behind its call's message.
            ChatItem::ToolOutput(_) => turn.end_round(),
            ChatItem::User { text } => turn.say("user", text.trim(), ""),
            ChatItem::Assistant { text, interrupted } => {
                turn.say("assistant", text.trim(), if *interrupted { "…" } else { "" });
            }
            ChatItem::Handoff { from, to } if !config.system_first_only => {
                turn.say("system", &prompt::handoff(from, to), "");
            }
            // The tool's output says it too.
            ChatItem::Handoff { .. } => turn.end_round(),
        }
    }
    turn.end_round();
    turn.messages
}

/// A turn on its way to messages.
#[derive(Default)]
struct Turn<'a> {
    outputs: BTreeMap<ToolCallId, &'a ToolOutput>,
    messages: Vec<Value>,
    /// The calls of the round that is being read.
    calls: Vec<&'a ToolCall>,
    /// What was seen, until the last look at it is reached.
    seen: Option<Value>,
}

impl Turn<'_> {
    fn say(&mut self, role: &str, words: &str, mark: &str) {
        self.end_round();
        if !words.is_empty() {
            self.messages.push(text(role, &format!("{words}{mark}")));
        }
    }

    /// One message with all calls of a round, and one for each output. A call without an output, and an output without a
    /// call, are left out: the provider refuses a conversation with one of them.
    fn end_round(&mut self) {
        let calls: Vec<&ToolCall> = std::mem::take(&mut self.calls);
        let answered: Vec<(&ToolCall, &ToolOutput)> =
            calls.into_iter().filter_map(|call| Some((call, self.outputs.remove(&call.id)?))).collect();
        if answered.is_empty() {
            return;
        }
        let calls: Value = answered.iter().map(|(call, _)| tool_call(call)).collect();
        // What was said before a call is part of the same message.
        match self.messages.last_mut() {
            Some(said) if said["role"] == "assistant" && said.get("tool_calls").is_none() => said["tool_calls"] = calls,
            _ => self.messages.push(json!({"role": "assistant", "content": null, "tool_calls": calls})),
        }
        self.messages.extend(answered.iter().map(|(_, output)| tool_output(output)));
        let has_looked = answered.iter().any(|(_, output)| output.name == LOOK_AT_SCREEN && !output.is_error);
        let looks_again = self.outputs.values().any(|output| output.name == LOOK_AT_SCREEN && !output.is_error);
        if has_looked && !looks_again {
            self.messages.extend(self.seen.take());
        }
    }
}

fn call_id(id: ToolCallId) -> String {
    format!("call_{}", id.0)
}

fn tool_call(call: &ToolCall) -> Value {
    let arguments = Value::Object(call.arguments.clone()).to_string();
    let function = json!({"name": name(&call.name), "arguments": arguments});
    json!({"id": call_id(call.id), "type": "function", "function": function})
}

fn tool_output(output: &ToolOutput) -> Value {
    json!({"role": "tool", "tool_call_id": call_id(output.id), "content": output.result.to_string()})
}

/// A model may make up a name that its own API then refuses.
fn name(name: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '_' };
    let name: String = name.chars().map(fits).take(MAX_NAME).collect();
    if name.is_empty() { "_".to_owned() } else { name }
}
