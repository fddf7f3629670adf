//! The conversation as the language model sees it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ids::ToolCallId;

/// One call of a tool by the language model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Unique in the session.
    pub id: ToolCallId,
    /// The tool's name in the agent's tool schema.
    pub name: String,
    /// The arguments, a JSON object.
    pub arguments: Map<String, Value>,
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolOutput {
    /// The call that it answers.
    pub id: ToolCallId,
    /// The tool's name.
    pub name: String,
    /// The result; a JSON object with a `status` field.
    pub result: Value,
    /// Whether the tool failed (as opposed to answering "not found").
    pub is_error: bool,
}

/// One item of the conversation, in the order in which things happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ChatItem {
    /// What the caller said or typed.
    User {
        /// The words.
        text: String,
    },
    /// What the agent said, as far as it was heard.
    Assistant {
        /// The words that the caller heard (or was shown).
        text: String,
        /// The caller cut in; the rest of the reply is not in history.
        interrupted: bool,
    },
    /// The model called a tool.
    ToolCall(ToolCall),
    /// The tool answered.
    ToolOutput(ToolOutput),
    /// Another agent took over.
    Handoff {
        /// The agent that gave the call away.
        from: String,
        /// The agent that has it now.
        to: String,
    },
}

/// The conversation so far, oldest item first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ChatContext {
    /// The items.
    pub items: Vec<ChatItem>,
}

impl ChatContext {
    /// The last thing the caller said or typed.
    pub fn last_user_text(&self) -> Option<&str> {
        self.items.iter().rev().find_map(|item| match item {
            ChatItem::User { text } => Some(text.as_str()),
            _ => None,
        })
    }

    /// The items after the last thing the caller said: this turn's tool calls and outputs.
    pub fn since_last_user(&self) -> &[ChatItem] {
        let start = self.items.iter().rposition(|item| matches!(item, ChatItem::User { .. })).map_or(0, |at| at + 1);
        &self.items[start..]
    }
}
