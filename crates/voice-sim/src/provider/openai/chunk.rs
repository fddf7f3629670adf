//! An answer as chunks of a stream, or as one.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::check::Asked;
use super::rules::Reply;
use super::{Problem, fault_problem};
use crate::provider::fault::FaultKind;
use crate::provider::flow::{Piece, Source};
use crate::provider::service::Service;

/// A token: so many characters. Usage is counted in them, and each is a chunk of its own.
const TOKEN_CHARS: usize = 4;

/// A chat completion that is on its way.
#[derive(Debug)]
pub(super) struct ChatStream {
    model: String,
    id: String,
    obfuscation: bool,
    usage_null: bool,
    token_ms: u64,
    pieces: VecDeque<Piece>,
}

/// What an answer is made of, token by token.
#[derive(Debug, Clone, PartialEq)]
enum Token {
    Text(String),
    Call(usize, String),
    Arguments(usize, String),
}

/// The tokens of a reply; and whether the limit cut it.
fn tokens(reply: &Reply, id: &str, most: Option<u64>) -> (Vec<Token>, bool) {
    let mut all: Vec<Token> = split(&reply.text).into_iter().map(Token::Text).collect();
    for (place, call) in reply.calls.iter().enumerate() {
        all.push(Token::Call(place, format!("call_{id}_{place}")));
        let arguments = Value::Object(call.arguments.clone()).to_string();
        all.extend(split(&arguments).into_iter().map(|piece| Token::Arguments(place, piece)));
    }
    let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    let cut = all.len() > most;
    all.truncate(most);
    (all, cut)
}

fn split(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(TOKEN_CHARS).map(|chunk| chunk.iter().collect()).collect()
}

fn usage(asked: &Asked, completion: usize) -> Value {
    let total = asked.prompt_tokens + completion as u64;
    json!({
        "prompt_tokens": asked.prompt_tokens, "completion_tokens": completion, "total_tokens": total,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    })
}

fn finish_reason(reply: &Reply, cut: bool) -> &'static str {
    match (cut, reply.calls.is_empty()) {
        (true, _) => "length",
        (false, true) => "stop",
        (false, false) => "tool_calls",
    }
}

impl ChatStream {
    /// The stream of a reply: its first token after `first_ms`, each further one after `token_ms`.
    pub(super) fn new(asked: &Asked, reply: &Reply, id: &str, first_ms: u64, token_ms: u64) -> Self {
        let (tokens, cut) = tokens(reply, id, asked.most_tokens);
        let mut stream = Self {
            model: asked.model.clone(),
            id: format!("chatcmpl-{id}"),
            obfuscation: asked.obfuscation,
            usage_null: asked.include_usage,
            token_ms,
            pieces: VecDeque::with_capacity(tokens.len() + 4),
        };
        let content = if reply.text.is_empty() { Value::Null } else { Value::from("") };
        let opening = json!({"role": "assistant", "content": content, "refusal": null});
        let opening = stream.chunk(&opening, None);
        stream.push(&opening, false, first_ms);
        for (place, token) in tokens.iter().enumerate() {
            let delta = match token {
                Token::Text(text) => json!({"content": text}),
                Token::Call(index, id) => {
                    let function = json!({"name": reply.calls[*index].name, "arguments": ""});
                    json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": function}]})
                }
                Token::Arguments(index, text) => {
                    json!({"tool_calls": [{"index": index, "function": {"arguments": text}}]})
                }
            };
            let chunk = stream.chunk(&delta, None);
            stream.push(&chunk, true, if place == 0 { 0 } else { token_ms });
        }
        let last = stream.chunk(&json!({}), Some(finish_reason(reply, cut)));
        stream.push(&last, false, 0);
        if asked.include_usage {
            let mut chunk = stream.chunk(&json!({}), None);
            (chunk["choices"], chunk["usage"]) = (json!([]), usage(asked, tokens.len()));
            stream.push(&chunk, false, 0);
        }
        stream.pieces.push_back(Piece { bytes: b"data: [DONE]\n\n".to_vec(), ..Piece::default() });
        stream
    }

    fn chunk(&self, delta: &Value, finish: Option<&str>) -> Value {
        let mut chunk = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": 1_790_000_000,
            "model": format!("{}-2024-07-18", self.model), "service_tier": "default", "system_fingerprint": "fp_rehearsal",
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}],
        });
        if self.usage_null {
            chunk["usage"] = Value::Null;
        }
        if self.obfuscation {
            let length = delta.to_string().len();
            chunk["obfuscation"] = Value::from("x".repeat(16 - length % 16));
        }
        chunk
    }

    fn push(&mut self, chunk: &Value, useful: bool, gap_ms: u64) {
        self.pieces.push_back(Piece { bytes: event(chunk), useful, gap_ms, span_ms: 0 });
    }
}

fn event(value: &Value) -> Vec<u8> {
    format!("data: {value}\n\n").into_bytes()
}

impl Source for ChatStream {
    fn service(&self) -> Service {
        Service::Chat
    }

    fn model(&self) -> Option<&str> {
        Some(&self.model)
    }

    fn next(&mut self) -> Option<Piece> {
        self.pieces.pop_front()
    }

    fn refusal(&self, kind: FaultKind) -> Piece {
        let problem: Problem = fault_problem(kind);
        Piece { bytes: event(&problem.body()), ..Piece::default() }
    }

    fn distort(&self, piece: Piece, kind: FaultKind) -> Option<Piece> {
        match kind {
            FaultKind::Empty => (!piece.useful).then_some(piece),
            FaultKind::Malformed => {
                let half = piece.bytes.len() / 2;
                let bytes = [&piece.bytes[..half], b"\n\n"].concat();
                Some(Piece { bytes, ..piece })
            }
            FaultKind::Unknown => Some(Piece { bytes: strange(&piece.bytes), ..piece }),
            _ => Some(piece),
        }
    }

    fn filler(&self) -> Option<Piece> {
        let bytes = event(&self.chunk(&json!({"content": " "}), None));
        Some(Piece { bytes, useful: false, gap_ms: self.token_ms.max(1), span_ms: 0 })
    }
}

/// An event with everything around and in it that a client has to ignore: a comment, unknown event fields, an unknown object, unknown
/// fields, and CRLF.
fn strange(event: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(event);
    let data = text.trim_start_matches("data: ").trim_end();
    let data = match serde_json::from_str::<Value>(data) {
        Ok(mut value) => {
            value["x_new_field"] = json!({"nested": [1, null]});
            if value["choices"][0]["delta"].is_object() {
                value["choices"][0]["delta"]["x_new_delta"] = json!(7);
            }
            value.to_string()
        }
        Err(_) => data.to_owned(),
    };
    let news = json!({"id": "x", "object": "chat.completion.news", "choices": [], "payload": {"a": 1}});
    format!(": keep-alive\r\n\r\ndata: {news}\r\n\r\nid: 1\r\nretry: 10\r\ndata:{data}\r\n\r\n").into_bytes()
}

/// A whole answer at once.
pub(super) fn whole(asked: &Asked, reply: &Reply, id: &str) -> Value {
    let (tokens, cut) = tokens(reply, id, asked.most_tokens);
    let mut text = String::new();
    let mut calls: Vec<Value> = Vec::new();
    for token in &tokens {
        match token {
            Token::Text(piece) => text += piece,
            Token::Call(place, id) => {
                let function = json!({"name": reply.calls[*place].name, "arguments": ""});
                calls.push(json!({"id": id, "type": "function", "function": function}));
            }
            Token::Arguments(place, piece) => {
                let so_far = calls[*place]["function"]["arguments"].as_str().unwrap_or_default().to_owned();
                calls[*place]["function"]["arguments"] = Value::from(so_far + piece);
            }
        }
    }
    let content = if text.is_empty() { Value::Null } else { Value::from(text) };
    let mut message = json!({"role": "assistant", "content": content, "refusal": null});
    if !calls.is_empty() {
        message["tool_calls"] = Value::Array(calls);
    }
    json!({
        "id": format!("chatcmpl-{id}"), "object": "chat.completion", "created": 1_790_000_000,
        "model": format!("{}-2024-07-18", asked.model), "system_fingerprint": "fp_rehearsal",
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason(reply, cut)}],
        "usage": usage(asked, tokens.len()),
    })
}
