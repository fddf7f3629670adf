//! The dialogues of `tests/fixtures/dialogues`, as its README describes them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use jiff::{Timestamp, ToSpan as _, ZonedDateTime};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use voice_agent::tasks::{Due, Priority, Task, TaskId, TaskStatus};

/// A Monday morning.
const NOW: &str = "2026-11-23T10:00[America/New_York]";
/// When the first task of a list was made.
const FIRST_MADE: &str = "2026-11-20T09:00:00Z";
/// When the tasks were done that are done at the beginning.
const DONE: &str = "2026-11-21T09:00:00Z";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    dialogue: Vec<Dialogue>,
}

/// One dialogue.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dialogue {
    pub(crate) name: String,
    now: Option<String>,
    #[serde(default)]
    pub(crate) tasks: Vec<String>,
    pub(crate) turns: Vec<Said>,
    pub(crate) after: Option<Vec<String>>,
    /// A person would expect this, and it is not understood yet.
    #[serde(default)]
    #[expect(dead_code, reason = "such a dialogue counts as failed until it is understood")]
    gap: Option<String>,
}

/// One turn, and what must come of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    pub(crate) say: String,
    pub(crate) calls: Option<Vec<Map<String, Value>>>,
    #[serde(default)]
    pub(crate) reply: Vec<String>,
    #[serde(default)]
    pub(crate) not: Vec<String>,
    pub(crate) after: Option<Vec<String>>,
    pub(crate) agent: Option<String>,
    #[serde(default)]
    broken: bool,
    heard: Option<usize>,
}

impl Dialogue {
    /// When it takes place.
    pub(crate) fn now(&self) -> Result<ZonedDateTime> {
        let now = self.now.as_deref().unwrap_or(NOW);
        now.parse().with_context(|| format!("{}: {now}", self.name))
    }

    /// The list at the beginning.
    pub(crate) fn tasks(&self) -> Result<Vec<Task>> {
        self.tasks.iter().zip(1..).map(|(line, number)| read(line, number).with_context(|| line.clone())).collect()
    }

    /// Whether it needs nothing but a caller: no store that fails, no reply that is cut short, no empty message.
    fn is_plain(&self) -> bool {
        self.turns.iter().all(|turn| !turn.broken && turn.heard.is_none() && !turn.say.trim().is_empty())
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dialogues")
}

/// All dialogues that need nothing but a caller, and how many others there are.
pub(crate) fn all() -> Result<(Vec<Dialogue>, usize)> {
    let entries = std::fs::read_dir(folder()).context("the dialogues")?;
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let mut dialogues = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path)?;
        let file: File = toml::from_str(&text).with_context(|| path.display().to_string())?;
        dialogues.extend(file.dialogue);
    }
    let (plain, others): (Vec<_>, Vec<_>) = dialogues.into_iter().partition(Dialogue::is_plain);
    Ok((plain, others.len()))
}

/// Those that `LIST.list` names, in its order.
pub(crate) fn spoken(all: &[Dialogue], list: &str) -> Result<Vec<Dialogue>> {
    let list = format!("{list}.list");
    let names = std::fs::read_to_string(folder().join(&list)).with_context(|| list.clone())?;
    let names = names.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut known = BTreeSet::new();
    let mut chosen = Vec::new();
    for name in names {
        let Some(dialogue) = all.iter().find(|dialogue| dialogue.name == name) else {
            bail!("{list}: there is no dialogue {name:?}");
        };
        if !known.insert(name) {
            bail!("{list}: {name:?} stands there twice");
        }
        chosen.push(dialogue.clone());
    }
    Ok(chosen)
}

/// Reads "[x] Title | due | priority". The first line is the oldest task.
fn read(line: &str, number: i64) -> Result<Task> {
    let first_made: Timestamp = FIRST_MADE.parse()?;
    let mut fields = line.split(" | ");
    let title = fields.next().unwrap_or_default();
    let done = title.starts_with("[x] ");
    let mut task = Task {
        id: TaskId::random()?,
        title: title.trim_start_matches("[x] ").to_owned(),
        status: if done { TaskStatus::Done } else { TaskStatus::Open },
        due: None,
        priority: Priority::Normal,
        created_at: first_made + number.seconds(),
        completed_at: if done { Some(DONE.parse()?) } else { None },
    };
    for field in fields {
        match Priority::parse(field) {
            Some(priority) => task.priority = priority,
            None => task.due = Some(Due::parse(field)?),
        }
    }
    Ok(task)
}

/// Writes a task as the dialogues have it.
pub(crate) fn line(task: &Task) -> String {
    let mut line = if task.is_open() { task.title.clone() } else { format!("[x] {}", task.title) };
    for field in [json!(task.due), json!(task.priority)] {
        if let Some(text) = field.as_str().filter(|text| *text != "normal") {
            line.push_str(" | ");
            line.push_str(text);
        }
    }
    line
}
