//! Fixtures: what a provider sends, and what we send.

use jiff::civil::date;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::{Value, json};
use voice_core::agents::{REVIEW_AGENT, TASK_AGENT};
use voice_core::chat::{ChatContext, ChatItem, ToolCall, ToolOutput};
use voice_core::ids::ToolCallId;
use voice_core::provider::{ProviderErrorKind, ProviderFailure};

use super::*;
use crate::llm::openai::sse::SseDecoder;
use crate::llm::openai::{MaxTokensField, OpenAiConfig};
use crate::llm::{LlmEvent, LlmRequest, prompt};
use crate::tools;

mod answers;
mod requests;
