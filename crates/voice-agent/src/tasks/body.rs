//! The bodies of `POST` and `PATCH /api/tasks`, checked field by field.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Due, Priority, TaskStatus, clean_title};

/// What is wrong with one field of a request; the `errors` of the problem document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The field's name; empty for the body as a whole.
    pub field: String,
    /// What it must be.
    pub message: String,
}

/// The body of `POST /api/tasks`: `{title, due?, priority?}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTask {
    /// The title, cleaned.
    pub title: String,
    /// When it is due.
    pub due: Option<Due>,
    /// How much it matters.
    pub priority: Priority,
}

/// The body of `PATCH /api/tasks/{id}`: what is absent stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskPatch {
    /// A new title, cleaned.
    pub title: Option<String>,
    /// Done, or open again.
    pub status: Option<TaskStatus>,
    /// `Some(None)`: no longer due at any time (`"due": null`).
    pub due: Option<Option<Due>>,
    /// A new priority.
    pub priority: Option<Priority>,
}

impl NewTask {
    /// Reads and checks the body; all its faults at once.
    pub fn from_json(body: &Value) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::new(body)?;
        fields.only(&["title", "due", "priority"]);
        let title = fields.title();
        if title.is_none() && !fields.has("title") {
            fields.fault("title", "is required".to_owned());
        }
        let due = fields.due().flatten();
        let priority = fields.priority().unwrap_or_default();
        fields.finish(Self { title: title.unwrap_or_default(), due, priority })
    }
}

impl TaskPatch {
    /// Reads and checks the body; all its faults at once.
    pub fn from_json(body: &Value) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::new(body)?;
        fields.only(&["title", "status", "due", "priority"]);
        if fields.body.is_empty() {
            fields.fault("", "must name at least one of title, status, due and priority".to_owned());
        }
        let patch =
            Self { title: fields.title(), status: fields.status(), due: fields.due(), priority: fields.priority() };
        fields.finish(patch)
    }
}

/// A JSON object that is being checked.
struct Fields<'a> {
    body: &'a Map<String, Value>,
    faults: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    fn new(body: &'a Value) -> Result<Self, Vec<FieldError>> {
        match body {
            Value::Object(body) => Ok(Self { body, faults: Vec::new() }),
            _ => Err(vec![FieldError { field: String::new(), message: "must be a JSON object".to_owned() }]),
        }
    }

    fn has(&self, field: &str) -> bool {
        self.body.contains_key(field)
    }

    fn fault(&mut self, field: &str, message: String) {
        self.faults.push(FieldError { field: field.to_owned(), message });
    }

    fn only(&mut self, known: &[&str]) {
        let unknown: Vec<String> = self.body.keys().filter(|key| !known.contains(&key.as_str())).cloned().collect();
        for field in unknown {
            self.fault(&field, format!("is not a field of this request; they are {}", known.join(", ")));
        }
    }

    fn title(&mut self) -> Option<String> {
        let cleaned = match self.body.get("title")? {
            Value::String(raw) => clean_title(raw).map_err(|error| error.to_string()),
            _ => Err("must be a string".to_owned()),
        };
        cleaned.map_err(|message| self.fault("title", message)).ok()
    }

    fn due(&mut self) -> Option<Option<Due>> {
        let read = match self.body.get("due")? {
            Value::Null => Ok(None),
            Value::String(text) => Due::parse(text).map(Some).map_err(|error| error.to_string()),
            _ => Err("must be a string or null".to_owned()),
        };
        read.map_err(|message| self.fault("due", message)).ok()
    }

    fn priority(&mut self) -> Option<Priority> {
        let read = self.body.get("priority")?.as_str().and_then(Priority::parse);
        if read.is_none() {
            self.fault("priority", "must be low, normal or high".to_owned());
        }
        read
    }

    fn status(&mut self) -> Option<TaskStatus> {
        let read = match self.body.get("status")?.as_str() {
            Some("open") => Some(TaskStatus::Open),
            Some("done") => Some(TaskStatus::Done),
            _ => None,
        };
        if read.is_none() {
            self.fault("status", "must be open or done".to_owned());
        }
        read
    }

    fn finish<T>(self, value: T) -> Result<T, Vec<FieldError>> {
        if self.faults.is_empty() { Ok(value) } else { Err(self.faults) }
    }
}
