//! The tools as a language model is told of them.

use serde_json::{Value, json};
use voice_core::agents::{REVIEW_AGENT, SAY_ARGUMENT, TASK_AGENT};

/// The tool that adds a task.
pub const ADD_TASK: &str = "add_task";

/// The tool by which a model looks at the caller's screen. The session's shell runs it, and not [`super::execute`]: it reads no task,
/// and what it answers is a picture.
pub const LOOK_AT_SCREEN: &str = "look_at_screen";

/// One tool: its name and the JSON schema of its arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    /// The name, as in [`voice_core::chat::ToolCall::name`].
    pub name: &'static str,
    /// What it does, for the model.
    pub description: &'static str,
    /// The arguments' JSON schema (an object).
    pub parameters: Value,
}

impl ToolSpec {
    /// The arguments' schema with room for the words that are to be said once the call has done what it asks for
    /// ([`voice_core::agents::SAY_ARGUMENT`]), where it [may have some](takes_words).
    pub fn parameters_with_words(&self) -> Value {
        let mut parameters = self.parameters.clone();
        if takes_words(self.name)
            && let Some(properties) = parameters["properties"].as_object_mut()
        {
            properties.insert(SAY_ARGUMENT.to_owned(), words());
        }
        parameters
    }
}

/// Whether a call of this tool may say what is to be heard once it is carried out: only where the arguments alone say what that
/// will have been. Which task other words name, only the tool's answer tells.
pub fn takes_words(name: &str) -> bool {
    name == ADD_TASK
}

/// The tools of an agent, in the order in which a model should see them; none for an agent that does not exist.
pub fn specs_for(agent: &str) -> Vec<ToolSpec> {
    let all = match agent {
        TASK_AGENT => true,
        REVIEW_AGENT => false,
        _ => return Vec::new(),
    };
    let mut specs = Vec::new();
    if all {
        specs.push(add_task());
    }
    specs.extend([list_tasks(), complete_task(), reopen_task(), set_due(), set_priority(), rename_task()]);
    specs.extend([delete_task(), undo(), transfer_to_agent(agent), end_call()]);
    specs
}

/// The look at the caller's screen, which is offered only while it is shared.
pub fn look_at_screen() -> ToolSpec {
    ToolSpec {
        name: LOOK_AT_SCREEN,
        description: "Take a picture of the screen that the caller shares. Call it when they speak of what is on it: \"this\", \
            \"here\", \"on my screen\". The picture follows the result.",
        parameters: object(json!({}), &[]),
    }
}

fn object(properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn title() -> Value {
    json!({"type": "string", "description": "The task's title, or the words by which the caller names it."})
}

fn id() -> Value {
    json!({"type": "string", "description": "The task's id, from an earlier result. Surer than the title."})
}

fn due() -> Value {
    json!({
        "type": ["string", "null"],
        "description": "A local date like 2026-11-27 or date and time like 2026-11-27T17:00. Null for no due date.",
    })
}

fn priority() -> Value {
    json!({"type": "string", "enum": ["low", "normal", "high"]})
}

fn all() -> Value {
    json!({"type": "boolean", "description": "Every open task, instead of one."})
}

fn except() -> Value {
    json!({
        "type": "array",
        "items": {"type": "string"},
        "description": "Of several: the tasks to leave as they are, each by its id or the caller's words for it.",
    })
}

/// Asked for first, because it is spoken while the model writes the rest.
fn words() -> Value {
    json!({
        "type": "string",
        "description": "First, and always: what the caller is to hear once it is added, in one short sentence. It is said only then.",
        "maxLength": 300,
    })
}

fn add_task() -> ToolSpec {
    ToolSpec {
        name: ADD_TASK,
        description: "Adds a task. Answers 'exists' and adds nothing if an open task has the same title: ask the \
                      caller, and call again with anyway after a yes.",
        parameters: object(
            json!({
                "title": {"type": "string", "description": "What is to be done, without the due date.", "maxLength": 200},
                "due": due(),
                "priority": priority(),
                "anyway": {"type": "boolean", "description": "Even if an open task has the same title."},
            }),
            &["title"],
        ),
    }
}

fn list_tasks() -> ToolSpec {
    ToolSpec {
        name: "list_tasks",
        description: "Lists or counts the caller's tasks: what is due first, then what matters most. 'total' counts \
                      all that fit; 'tasks' holds one page of them.",
        parameters: object(
            json!({
                "status": {"type": "string", "enum": ["open", "done", "all"], "description": "Default: open."},
                "due": {
                    "type": "string",
                    "description": "today, tomorrow, this_week, overdue, none (no due date), a date like 2026-11-27 or a \
                                    range like 2026-11-27..2026-12-04 (either end may be left out).",
                },
                "priority": priority(),
                "query": {"type": "string", "description": "Only tasks whose title has these words."},
                "offset": {"type": "integer", "minimum": 0, "description": "How many to pass over. Default: 0."},
                "limit": {"type": "integer", "minimum": 1, "maximum": 100, "description": "Most to answer. Default: 20."},
            }),
            &[],
        ),
    }
}

fn complete_task() -> ToolSpec {
    ToolSpec {
        name: "complete_task",
        description: "Marks a task as done, or all open tasks with 'all'. Give title, id or all.",
        parameters: object(json!({"title": title(), "id": id(), "all": all(), "except": except()}), &[]),
    }
}

fn reopen_task() -> ToolSpec {
    ToolSpec {
        name: "reopen_task",
        description: "Marks a done task as open again. Give title or id.",
        parameters: object(json!({"title": title(), "id": id()}), &[]),
    }
}

fn set_due() -> ToolSpec {
    ToolSpec {
        name: "set_due",
        description: "Sets when a task is due, removes its due date with null, or moves it by a while. Give \
                      title, id or all.",
        parameters: object(
            json!({
                "title": title(),
                "id": id(),
                "all": all(),
                "except": except(),
                "due": due(),
                "keep": {
                    "type": "string",
                    "enum": ["time", "day", "half_day"],
                    "description": "What stays of the task's own due date: its time of day ('to Friday'), its day ('to \
                                    4 PM'), or its day where am or pm was not said ('to 8').",
                },
                "months": {"type": "integer", "description": "Instead of due: move by so many months."},
                "days": {"type": "integer", "description": "Instead of due: move by so many days; negative is earlier."},
                "minutes": {"type": "integer", "description": "Instead of due: move by so many minutes."},
            }),
            &[],
        ),
    }
}

fn set_priority() -> ToolSpec {
    ToolSpec {
        name: "set_priority",
        description: "Sets a task's priority. Give title, id or all.",
        parameters: object(
            json!({"title": title(), "id": id(), "all": all(), "except": except(), "priority": priority()}),
            &["priority"],
        ),
    }
}

fn rename_task() -> ToolSpec {
    ToolSpec {
        name: "rename_task",
        description: "Gives a task a new title. Give title (the present one) or id.",
        parameters: object(
            json!({
                "title": title(),
                "id": id(),
                "new_title": {"type": "string", "description": "The whole new title.", "maxLength": 200},
            }),
            &["new_title"],
        ),
    }
}

fn delete_task() -> ToolSpec {
    ToolSpec {
        name: "delete_task",
        description: "Deletes a task (title or id) or several (scope). Answers 'needs_confirmation' first: ask the \
                      caller, and call again with confirmed only after a clear yes. It is believed only after that question.",
        parameters: object(
            json!({
                "title": title(),
                "id": id(),
                "scope": {"type": "string", "enum": ["done", "all"], "description": "All done tasks, or every task."},
                "except": except(),
                "asked": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "With scope and confirmed: the ids that were asked about.",
                },
                "confirmed": {"type": "boolean", "description": "The caller said yes to deleting exactly this."},
            }),
            &[],
        ),
    }
}

fn undo() -> ToolSpec {
    ToolSpec {
        name: "undo",
        description: "Takes back the last change of the caller's tasks. Can be called again for the one before. If \
                      nothing was changed in this conversation, give confirmed false to learn what that is, and ask.",
        parameters: object(
            json!({
                "id": id(),
                "confirmed": {"type": "boolean", "description": "False: only say what it is. True: the caller said yes."},
            }),
            &[],
        ),
    }
}

fn transfer_to_agent(from: &str) -> ToolSpec {
    let (target, description) = if from == TASK_AGENT {
        (REVIEW_AGENT, "Hands the call to the agent that goes through the tasks one by one with the caller.")
    } else {
        (TASK_AGENT, "Hands the call back to the agent that adds and keeps tasks.")
    };
    let agent = json!({"type": "string", "enum": [target]});
    ToolSpec { name: "transfer_to_agent", description, parameters: object(json!({"agent": agent}), &["agent"]) }
}

fn end_call() -> ToolSpec {
    ToolSpec {
        name: "end_call",
        description: "Ends the call, after the caller said goodbye.",
        parameters: object(json!({}), &[]),
    }
}
