//! The tools at work on a list in memory: what a session does with a call, without its store.

use jiff::{Timestamp, ToSpan, ZonedDateTime};
use serde_json::{Map, Value, json};
use voice_core::chat::{ChatContext, ToolCall};
use voice_core::ids::ToolCallId;

use crate::tasks::{Due, Priority, Task, TaskId, TaskList, TaskPatch, TaskStatus, UndoEntry, patch_task};
use crate::tools::{self, Asked, ToolContext};

/// A user's tasks with a journal.
#[derive(Debug)]
pub(super) struct Desk {
    list: TaskList,
    journal: Vec<UndoEntry>,
    /// All tasks that ever were, for the names of those that are gone.
    seen: Vec<Task>,
    now: ZonedDateTime,
    made: usize,
    /// The store cannot be reached.
    pub(super) broken: bool,
}

fn id(number: usize) -> TaskId {
    TaskId::parse(&format!("t_{number:03}")).unwrap()
}

/// Reads "[x] Title | due | priority", as the dialogues write it. The first line is the oldest task.
fn read(line: &str, number: usize) -> Task {
    let created_at: Timestamp = "2026-11-20T09:00:00Z".parse().unwrap();
    let mut fields = line.split(" | ");
    let title = fields.next().unwrap();
    let done = title.starts_with("[x] ");
    let mut task = Task {
        id: id(number),
        title: title.trim_start_matches("[x] ").to_owned(),
        status: if done { TaskStatus::Done } else { TaskStatus::Open },
        due: None,
        priority: Priority::Normal,
        created_at: created_at + i64::try_from(number).unwrap().seconds(),
        completed_at: done.then_some("2026-11-21T09:00:00Z".parse().unwrap()),
    };
    for field in fields {
        match Priority::parse(field) {
            Some(priority) => task.priority = priority,
            None => task.due = Some(Due::parse(field).unwrap()),
        }
    }
    task
}

/// Writes a task as [`read`] reads it.
fn line(task: &Task) -> String {
    let mut line = if task.is_open() { task.title.clone() } else { format!("[x] {}", task.title) };
    for field in [json!(task.due), json!(task.priority)] {
        if let Some(text) = field.as_str().filter(|text| *text != "normal") {
            line.push_str(&format!(" | {text}"));
        }
    }
    line
}

impl Desk {
    pub(super) fn new(lines: &[String], now: &ZonedDateTime) -> Self {
        let tasks: Vec<Task> = lines.iter().enumerate().map(|(at, line)| read(line, at + 1)).collect();
        let made = tasks.len();
        let list = TaskList { rev: 0, tasks };
        Self { seen: list.tasks.clone(), list, journal: Vec::new(), now: now.clone(), made, broken: false }
    }

    /// The titles of the open tasks.
    pub(super) fn titles(&self) -> Vec<String> {
        self.list.open().map(|task| task.title.clone()).collect()
    }

    /// The title of a task that is or was on the list.
    pub(super) fn title_of(&self, id: &str) -> String {
        let found = self.list.tasks.iter().chain(&self.seen).find(|task| json!(task.id) == id);
        found.map(|task| task.title.clone()).unwrap_or_default()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.list.tasks.iter().map(line).collect()
    }

    /// A task is finished on the page, beside the conversation.
    pub(super) fn complete_by_hand(&mut self, title: &str) {
        let task = self.list.tasks.iter().find(|task| task.title == title).unwrap().id.clone();
        let patch = TaskPatch { status: Some(TaskStatus::Done), ..TaskPatch::default() };
        let edit = patch_task(&self.list, &task, &patch, self.now.timestamp()).unwrap();
        self.list.apply(&edit.changes).unwrap();
        edit.undo.apply(&mut self.journal);
    }

    /// Runs a call and commits what it wants; answers its output, and whether the call was at fault.
    pub(super) fn run(&mut self, name: &str, arguments: &Map<String, Value>, chat: &ChatContext) -> (Value, bool) {
        match name {
            "transfer_to_agent" => return (json!({"status": "ok", "agent": arguments["agent"]}), false),
            "end_call" => return (json!({"status": "ok"}), false),
            _ if self.broken => return (json!({"status": "failed", "reason": "store_unavailable"}), true),
            _ => {}
        }
        self.made += 1;
        let ctx = ToolContext { now: self.now.clone(), new_id: id(self.made), asked: Asked::in_chat(chat) };
        let call = ToolCall { id: ToolCallId(1), name: name.into(), arguments: arguments.clone() };
        let run = tools::execute(&call, &self.list, &self.journal, &ctx);
        self.list.apply(&run.changes).unwrap();
        run.undo.apply(&mut self.journal);
        self.seen.extend(self.list.tasks.last().cloned());
        (run.output, run.is_error)
    }
}
