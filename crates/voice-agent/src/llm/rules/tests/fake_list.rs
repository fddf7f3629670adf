//! A tiny task list that answers as the tools do, to the letter.

use serde_json::{Map, Value, json};

use super::super::lexicon;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct FakeTask {
    id: String,
    pub(super) title: String,
    pub(super) done: bool,
    pub(super) due: Option<String>,
    pub(super) priority: String,
}

impl FakeTask {
    fn json(&self) -> Value {
        json!({
            "id": self.id, "title": self.title, "status": if self.done { "done" } else { "open" }, "due": self.due,
            "priority": self.priority, "created_at": "2026-11-20T09:00:00Z",
            "completed_at": self.done.then_some("2026-11-21T09:00:00Z"),
        })
    }

    /// "[x] Title | due | priority", as the dialogues write it.
    pub(super) fn line(&self) -> String {
        let mut line = if self.done { format!("[x] {}", self.title) } else { self.title.clone() };
        if let Some(due) = &self.due {
            line.push_str(&format!(" | {due}"));
        }
        if self.priority != "normal" {
            line.push_str(&format!(" | {}", self.priority));
        }
        line
    }

    fn read(line: &str, id: usize) -> Self {
        let mut fields = line.split(" | ");
        let title = fields.next().unwrap();
        let mut task = Self {
            id: format!("t{id}"),
            title: title.trim_start_matches("[x] ").to_owned(),
            done: title.starts_with("[x] "),
            due: None,
            priority: "normal".into(),
        };
        for field in fields {
            match field {
                "high" | "low" | "normal" => task.priority = field.into(),
                due => task.due = Some(due.into()),
            }
        }
        task
    }
}

#[derive(Debug, Default)]
pub(super) struct FakeList {
    pub(super) tasks: Vec<FakeTask>,
    journal: Vec<(&'static str, String, Vec<FakeTask>)>,
    next: usize,
    today: String,
    week_end: String,
    tomorrow: String,
    pub(super) broken: bool,
}

enum Found {
    One(usize),
    Answer(Value),
}

impl FakeList {
    pub(super) fn new(lines: &[String], now: &jiff::ZonedDateTime) -> Self {
        let tasks: Vec<FakeTask> = lines.iter().enumerate().map(|(at, line)| FakeTask::read(line, at + 1)).collect();
        let date = now.date();
        let ahead = i64::from(6 - date.weekday().to_monday_zero_offset());
        Self {
            next: tasks.len() + 1,
            tasks,
            today: date.to_string(),
            tomorrow: date.tomorrow().unwrap().to_string(),
            week_end: date.checked_add(jiff::Span::new().days(ahead)).unwrap().to_string(),
            ..Self::default()
        }
    }

    pub(super) fn titles(&self) -> Vec<String> {
        self.tasks.iter().filter(|task| !task.done).map(|task| task.title.clone()).collect()
    }

    pub(super) fn title_of(&self, id: &str) -> String {
        let known = self.tasks.iter().chain(self.journal.iter().flat_map(|(_, _, tasks)| tasks));
        known.into_iter().find(|task| task.id == id).map(|task| task.title.clone()).unwrap_or_default()
    }

    pub(super) fn run(&mut self, name: &str, arguments: &Map<String, Value>) -> (Value, bool) {
        if self.broken && name != "transfer_to_agent" && name != "end_call" {
            return (json!({"status": "failed", "reason": "store_unavailable"}), true);
        }
        let text = |key: &str| arguments.get(key).and_then(Value::as_str);
        let answer = match name {
            "add_task" => self.add(arguments),
            "list_tasks" => self.list(arguments),
            "undo" => self.undo(),
            "transfer_to_agent" => json!({"status": "ok", "agent": text("agent").unwrap()}),
            "end_call" => json!({"status": "ok"}),
            "complete_task" if arguments.get("all") == Some(&Value::Bool(true)) => self.complete_all(),
            "delete_task" if text("scope").is_some() => self.delete_scope(text("scope").unwrap(), arguments),
            _ => self.change(name, arguments),
        };
        (answer, false)
    }

    fn remember(&mut self, action: &'static str, id: &str) {
        self.journal.push((action, id.to_owned(), self.tasks.clone()));
    }

    fn add(&mut self, arguments: &Map<String, Value>) -> Value {
        let title = arguments["title"].as_str().unwrap().to_owned();
        if let Some(task) = self.tasks.iter().find(|task| !task.done && task.title.eq_ignore_ascii_case(&title)) {
            return json!({"status": "exists", "task": task.json()});
        }
        let id = format!("t{}", self.next);
        self.remember("add", &id);
        self.next += 1;
        let text = |key: &str| arguments.get(key).and_then(Value::as_str).map(str::to_owned);
        let task = FakeTask {
            id,
            title,
            done: false,
            due: text("due"),
            priority: text("priority").unwrap_or("normal".into()),
        };
        self.tasks.push(task.clone());
        json!({"status": "added", "task": task.json()})
    }

    fn list(&self, arguments: &Map<String, Value>) -> Value {
        let text = |key: &str| arguments.get(key).and_then(Value::as_str);
        let count =
            |key: &str, default| arguments.get(key).and_then(Value::as_u64).map_or(default, |value| value as usize);
        let day = |task: &FakeTask| task.due.as_ref().map(|due| due[..10].to_owned());
        let fits = |task: &&FakeTask| {
            let status = match text("status").unwrap_or("open") {
                "open" => !task.done,
                "done" => task.done,
                _ => true,
            };
            let due = match text("due") {
                None => true,
                Some("none") => task.due.is_none(),
                Some("today") => day(task) == Some(self.today.clone()),
                Some("tomorrow") => day(task) == Some(self.tomorrow.clone()),
                Some("overdue") => day(task).is_some_and(|day| day < self.today),
                Some("this_week") => day(task).is_some_and(|day| day >= self.today && day <= self.week_end),
                Some(date) => day(task).as_deref() == Some(date),
            };
            let priority = text("priority").is_none_or(|priority| task.priority == priority);
            let query = text("query").is_none_or(|query| {
                let query = query.to_lowercase();
                lexicon::fit(&query.split(' ').collect::<Vec<_>>(), &task.title) >= 0.99
            });
            status && due && priority && query
        };
        let mut all: Vec<&FakeTask> = self.tasks.iter().filter(fits).collect();
        all.sort_by_key(|task| (task.due.is_none(), task.due.clone()));
        let (offset, limit) = (count("offset", 0), count("limit", 20));
        let page: Vec<Value> = all.iter().skip(offset).take(limit).map(|task| task.json()).collect();
        json!({"status": "ok", "total": all.len(), "offset": offset, "tasks": page})
    }

    fn undo(&mut self) -> Value {
        let Some((action, id, tasks)) = self.journal.pop() else { return json!({"status": "nothing_to_undo"}) };
        let gone = self.tasks.iter().find(|task| task.id == id).cloned();
        self.tasks = tasks;
        let task = self.tasks.iter().find(|task| task.id == id).cloned().or(gone);
        match task {
            Some(task) => json!({"status": "undone", "action": action, "task": task.json()}),
            None => json!({"status": "undone", "action": action}),
        }
    }

    fn complete_all(&mut self) -> Value {
        self.remember("complete", "");
        let open: Vec<&mut FakeTask> = self.tasks.iter_mut().filter(|task| !task.done).collect();
        let count = open.len();
        open.into_iter().for_each(|task| task.done = true);
        json!({"status": "completed", "count": count})
    }

    fn delete_scope(&mut self, scope: &str, arguments: &Map<String, Value>) -> Value {
        let count = self.tasks.iter().filter(|task| scope == "all" || task.done).count();
        if count > 0 && arguments.get("confirmed") != Some(&Value::Bool(true)) {
            return json!({"status": "needs_confirmation", "count": count});
        }
        self.remember("delete", "");
        self.tasks.retain(|task| scope == "done" && !task.done);
        json!({"status": "deleted", "count": count})
    }

    fn find(&self, arguments: &Map<String, Value>) -> Found {
        if let Some(id) = arguments.get("id").and_then(Value::as_str) {
            return match self.tasks.iter().position(|task| task.id == id) {
                Some(at) => Found::One(at),
                None => Found::Answer(json!({"status": "not_found", "query": id, "suggestions": []})),
            };
        }
        let query = arguments["title"].as_str().unwrap();
        let lower = query.to_lowercase();
        let words: Vec<&str> = lower.split(' ').collect();
        if let Some(at) = self.tasks.iter().position(|task| task.title.to_lowercase() == lower) {
            return Found::One(at);
        }
        let fitting = |least: f64| -> Vec<usize> {
            (0..self.tasks.len()).filter(|at| lexicon::fit(&words, &self.tasks[*at].title) >= least).collect()
        };
        let views = |found: &[usize]| found.iter().map(|at| self.tasks[*at].json()).collect::<Vec<_>>();
        match fitting(0.99).as_slice() {
            [one] => Found::One(*one),
            [] => Found::Answer(json!({"status": "not_found", "query": query, "suggestions": views(&fitting(0.4))})),
            several => Found::Answer(json!({"status": "ambiguous", "query": query, "candidates": views(several)})),
        }
    }

    fn change(&mut self, name: &str, arguments: &Map<String, Value>) -> Value {
        let at = match self.find(arguments) {
            Found::One(at) => at,
            Found::Answer(answer) => return answer,
        };
        let before = self.tasks[at].clone();
        let text = |key: &str| arguments.get(key).and_then(Value::as_str).map(str::to_owned);
        if name == "delete_task" && arguments.get("confirmed") != Some(&Value::Bool(true)) {
            return json!({"status": "needs_confirmation", "task": before.json()});
        }
        let mut after = before.clone();
        let (action, status) = match name {
            "complete_task" => {
                after.done = true;
                ("complete", "completed")
            }
            "reopen_task" => {
                after.done = false;
                ("reopen", "reopened")
            }
            "set_due" => {
                after.due = text("due");
                ("set_due", "updated")
            }
            "set_priority" => {
                after.priority = text("priority").unwrap();
                ("set_priority", "updated")
            }
            "rename_task" => {
                after.title = text("new_title").unwrap();
                ("rename", "renamed")
            }
            "delete_task" => ("delete", "deleted"),
            other => panic!("no such tool: {other}"),
        };
        if after == before && name != "delete_task" {
            return json!({"status": "already", "task": before.json()});
        }
        self.remember(action, &before.id);
        if name == "delete_task" {
            self.tasks.remove(at);
        } else {
            self.tasks[at] = after.clone();
        }
        let mut answer = json!({"status": status, "task": after.json()});
        if name == "rename_task" {
            answer["old_title"] = before.title.into();
        }
        answer
    }
}
