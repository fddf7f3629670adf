//! Which deletions the caller was asked about. A model's word that the caller has agreed is not enough: it may take a yes
//! for another question's, or make one up. So the conversation itself has to show the question.

use serde_json::Value;
use voice_core::chat::{ChatContext, ChatItem};

use crate::tasks::Task;

/// So many of the caller's utterances may follow a question before a yes to it counts for nothing: the yes itself, and two
/// that only hesitated or asked to repeat.
const MAX_ANSWERS: usize = 3;

/// The questions that the caller has just heard, as the tool's answers asked them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked(Vec<Value>);

impl Asked {
    /// The questions of a conversation that the caller has heard something of, and answered since.
    pub fn in_chat(chat: &ChatContext) -> Self {
        let (mut questions, mut answers, mut heard) = (Vec::new(), 0, false);
        for item in chat.items.iter().rev() {
            match item {
                ChatItem::User { .. } if answers == MAX_ANSWERS => break,
                ChatItem::User { .. } => (answers, heard) = (answers + 1, false),
                ChatItem::Assistant { text, .. } => heard |= !text.trim().is_empty(),
                ChatItem::ToolOutput(output) if answers > 0 && heard && asks(&output.name, &output.result) => {
                    questions.push(output.result.clone());
                }
                _ => {}
            }
        }
        Self(questions)
    }

    /// Takes a tool's answer as a question that was asked and answered, if it is one.
    #[cfg(test)]
    pub(crate) fn note(&mut self, name: &str, result: &Value) {
        if asks(name, result) {
            self.0.push(result.clone());
        }
    }

    /// Whether the caller was asked about this task as it is now, by itself or as one of many.
    pub(super) fn about(&self, task: &Task) -> bool {
        let now = serde_json::json!(task);
        let same = |then: &Value| ["id", "title", "due"].iter().all(|field| then.get(field) == now.get(field));
        let many = |question: &Value| ids(question).any(|id| id == task.id.as_str());
        self.0.iter().any(|question| question.get("task").is_some_and(same) || many(question))
    }

    /// Whether the caller was asked about all of these at once.
    pub(super) fn about_all(&self, tasks: &[Task]) -> bool {
        let all = |question: &Value| tasks.iter().all(|task| ids(question).any(|id| id == task.id.as_str()));
        self.0.iter().any(all)
    }
}

fn asks(name: &str, result: &Value) -> bool {
    name == "delete_task" && result.get("status").and_then(Value::as_str) == Some("needs_confirmation")
}

fn ids(question: &Value) -> impl Iterator<Item = &str> {
    question.get("ids").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}
