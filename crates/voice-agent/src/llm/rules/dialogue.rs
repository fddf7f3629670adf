//! The state of the dialogue, read from the conversation: the model keeps none of its own.

use serde_json::{Map, Value};
use voice_core::chat::{ChatContext, ChatItem, ToolCall, ToolOutput};

use super::twice::is_dated;
use crate::tools::LOOK_AT_SCREEN;

/// One exchange: what the caller said, the tools that were called for it, and what was said in reply.
#[derive(Debug, Default, Clone)]
pub(crate) struct Turn<'a> {
    /// The caller's words; empty for what came before the first of them.
    pub(crate) user: &'a str,
    /// The calls, with their outputs as far as they are there.
    pub(crate) calls: Vec<Called<'a>>,
    /// What the caller heard.
    pub(crate) reply: String,
    /// The agent that took over in this turn, if one did.
    pub(crate) handed_to: Option<&'a str>,
}

/// A tool's call and its output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Called<'a> {
    pub(crate) call: &'a ToolCall,
    pub(crate) output: Option<&'a ToolOutput>,
}

impl<'a> Called<'a> {
    /// The output's `status`; "failed" for a failed call, empty while there is none.
    pub(crate) fn status(&self) -> &'a str {
        match self.output {
            Some(output) if output.is_error => "failed",
            Some(output) => output.result.get("status").and_then(Value::as_str).unwrap_or("failed"),
            None => "",
        }
    }

    /// A field of the output.
    pub(crate) fn field(&self, name: &str) -> Option<&'a Value> {
        self.output?.result.get(name)
    }

    /// A task in the output.
    pub(crate) fn task(&self) -> Option<TaskView<'a>> {
        self.field("task").and_then(TaskView::read)
    }

    /// A list of tasks in the output.
    pub(crate) fn tasks(&self, name: &str) -> Vec<TaskView<'a>> {
        self.field(name)
            .and_then(Value::as_array)
            .map(|list| list.iter().filter_map(TaskView::read).collect())
            .unwrap_or_default()
    }

    /// A text among the call's arguments.
    pub(crate) fn argument(&self, name: &str) -> Option<&'a str> {
        self.call.arguments.get(name).and_then(Value::as_str)
    }
}

/// A task as a tool's output tells it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TaskView<'a> {
    pub(crate) id: &'a Value,
    pub(crate) title: &'a str,
    pub(crate) due: Option<&'a str>,
    pub(crate) done: bool,
    pub(crate) priority: &'a str,
}

impl<'a> TaskView<'a> {
    fn read(value: &'a Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        Some(Self {
            id: value.get("id")?,
            title: text("title")?,
            due: text("due"),
            done: text("status") == Some("done"),
            priority: text("priority").unwrap_or("normal"),
        })
    }
}

/// The conversation in turns, oldest first; the last one is being answered.
pub(crate) fn turns(chat: &ChatContext) -> Vec<Turn<'_>> {
    let mut turns = vec![Turn::default()];
    for item in &chat.items {
        if let ChatItem::User { text } = item {
            turns.push(Turn { user: text, ..Turn::default() });
            continue;
        }
        let Some(turn) = turns.last_mut() else { continue };
        match item {
            ChatItem::User { .. } => {}
            ChatItem::Assistant { text, .. } => {
                if !turn.reply.is_empty() {
                    turn.reply.push(' ');
                }
                turn.reply.push_str(text.trim());
            }
            ChatItem::ToolCall(call) => turn.calls.push(Called { call, output: None }),
            ChatItem::ToolOutput(output) => attach(turn, output),
            ChatItem::Handoff { to, .. } => turn.handed_to = Some(to),
        }
    }
    turns
}

fn attach<'a>(turn: &mut Turn<'a>, output: &'a ToolOutput) {
    let waiting = |called: &&mut Called<'a>| called.output.is_none() && called.call.id == output.id;
    if let Some(called) = turn.calls.iter_mut().find(waiting) {
        called.output = Some(output);
    }
}

/// What the caller was asked, or may answer to, in the turn before.
#[derive(Debug, Clone)]
pub(crate) enum Pending<'a> {
    /// "Shall I delete …?", "Shall I add it anyway?": the calls, and the arguments that carry it out.
    Confirm(Vec<(&'a str, Map<String, Value>)>),
    /// "Which one?": the call, and what it may have meant.
    Choose {
        call: &'a ToolCall,
        among: Vec<TaskView<'a>>,
        /// The words that were not clear.
        query: Option<&'a str>,
    },
    /// "Shall I go on?": the list's arguments with the offset of its next page.
    More { arguments: Map<String, Value> },
}

/// How many tasks of a long list are spoken at once.
pub(crate) const SPOKEN: usize = 3;
/// How many are asked for: one more, so that four are not cut into three and one.
pub(crate) const ASKED: usize = 4;
/// How many are asked for when only their number matters; the tool answers at least one.
pub(crate) const COUNTED: usize = 1;

/// How many tasks of one answered page are spoken.
pub(crate) fn spoken_of(total: usize, offset: usize, on_page: usize) -> usize {
    let left = total.saturating_sub(offset);
    if left <= ASKED { on_page.min(left) } else { on_page.min(SPOKEN) }
}

/// The question that a turn left open.
pub(crate) fn pending<'a>(turn: &Turn<'a>) -> Option<Pending<'a>> {
    // What nobody heard was not asked.
    if turn.reply.is_empty() {
        return None;
    }
    let unconfirmed = turn.calls.iter().filter(|called| called.status() == "needs_confirmation");
    let confirmed: Vec<(&str, Map<String, Value>)> = unconfirmed.map(confirmed).collect();
    if !confirmed.is_empty() {
        // Of several that were to be taken back, the newest is asked about.
        let asked = if confirmed[0].0 == "undo" { 1 } else { confirmed.len() };
        return Some(Pending::Confirm(confirmed.into_iter().take(asked).collect()));
    }
    turn.calls.iter().rev().find_map(unclear).or_else(|| {
        let twice = turn.calls.iter().filter(|called| called.status() == "exists" && !is_dated(turn, called));
        let again: Vec<(&str, Map<String, Value>)> = twice.map(anyway).collect();
        (!again.is_empty()).then_some(Pending::Confirm(again))
    })
}

/// What one call left open.
fn unclear<'a>(called: &Called<'a>) -> Option<Pending<'a>> {
    let call = called.call;
    let query = called.field("query").and_then(Value::as_str);
    match called.status() {
        "ambiguous" => Some(Pending::Choose { call, among: called.tasks("candidates"), query }),
        "not_found" => {
            let among = called.tasks("suggestions");
            (!among.is_empty()).then_some(Pending::Choose { call, among, query })
        }
        "ok" if call.name == "list_tasks" => {
            let total = number(called.field("total"))?;
            let offset = number(called.field("offset")).unwrap_or(0);
            let mut arguments = call.arguments.clone();
            if number(arguments.get("limit")) == Some(COUNTED) {
                // They were counted, and none was read.
                arguments.insert("limit".into(), Value::from(ASKED));
                return (total > 0).then_some(Pending::More { arguments });
            }
            let next = offset + spoken_of(total, offset, called.tasks("tasks").len());
            if next >= total || next == offset {
                return None;
            }
            arguments.insert("offset".into(), Value::from(next));
            Some(Pending::More { arguments })
        }
        _ => None,
    }
}

/// The call that adds a task although there is one with its title.
fn anyway<'a>(called: &Called<'a>) -> (&'a str, Map<String, Value>) {
    let mut arguments = called.call.arguments.clone();
    arguments.insert("anyway".into(), Value::Bool(true));
    (&called.call.name, arguments)
}

/// The call that carries out what had to be confirmed: for exactly that task.
fn confirmed<'a>(called: &Called<'a>) -> (&'a str, Map<String, Value>) {
    let mut arguments = called.call.arguments.clone();
    if let Some(ids) = called.field("ids") {
        arguments.insert("asked".into(), ids.clone());
    }
    if let Some(task) = called.task() {
        arguments.remove("title");
        arguments.insert("id".into(), task.id.clone());
    }
    arguments.insert("confirmed".into(), Value::Bool(true));
    (&called.call.name, arguments)
}

/// A count in a tool's output.
pub(crate) fn number(value: Option<&Value>) -> Option<usize> {
    value.and_then(Value::as_u64).and_then(|value| usize::try_from(value).ok())
}

/// The tasks that were spoken of last, in the order in which they were named. Empty if none were.
pub(crate) fn focus<'a>(turns: &[Turn<'a>]) -> Vec<TaskView<'a>> {
    let spoken = |turn: &Turn<'a>| {
        let mut found = mentioned(turn)?;
        if turn.calls.iter().all(|called| called.call.name == "list_tasks") && asks_first(turn.user) {
            found.truncate(1);
        }
        Some(found)
    };
    let found =
        (0..turns.len()).rev().find_map(|at| spoken(&turns[at]).or_else(|| told_apart(&turns[..at], &turns[at])));
    found.unwrap_or_default()
}

/// The one open task that was spoken of last, if it was one.
pub(crate) fn only_open<'a>(turns: &[Turn<'a>]) -> Option<TaskView<'a>> {
    match focus(turns)[..] {
        [task] if !task.done => Some(task),
        _ => None,
    }
}

/// How an answer begins that only tells which one of a list is meant.
pub(crate) const THAT_IS: &str = "That is ";

/// The one of those that were read out before that a turn told from the others, in words only.
fn told_apart<'a>(before: &[Turn<'a>], turn: &Turn<'a>) -> Option<Vec<TaskView<'a>>> {
    let said = turn.reply.strip_prefix(THAT_IS).filter(|_| turn.calls.is_empty())?;
    let named = counted(before).into_iter().filter(|task| said.starts_with(task.title));
    named.max_by_key(|task| task.title.len()).map(|task| vec![task])
}

/// Whether the caller wants to know which task comes first: that one is "it", whatever else is read out with it.
pub(crate) fn asks_first(said: &str) -> bool {
    let lower = said.to_lowercase();
    let words: Vec<&str> = lower
        .split(|letter: char| !letter.is_alphanumeric() && letter != '\'')
        .filter(|word| !word.is_empty())
        .collect();
    let asks = words.iter().any(|word| matches!(*word, "what" | "what's" | "whats" | "which"));
    let spans = |pair: &[&str]| matches!(pair, ["next", "week" | "weekend" | "month" | "year" | "few" | "days"]);
    let day = words.windows(2).any(|pair| spans(pair) || matches!(pair, ["next", day] if day.ends_with("day")));
    let plural = words.iter().any(|word| matches!(*word, "tasks" | "things" | "ones"));
    asks && !day && !plural && words.iter().any(|word| matches!(*word, "next" | "first" | "soonest" | "earliest"))
}

fn mentioned<'a>(turn: &Turn<'a>) -> Option<Vec<TaskView<'a>>> {
    let mut found: Vec<TaskView<'a>> = Vec::new();
    for called in turn.calls.iter().filter(|called| !is_look(called)) {
        let listed = match called.status() {
            "ok" => {
                let tasks = called.tasks("tasks");
                let count = spoken_of(
                    number(called.field("total")).unwrap_or(tasks.len()),
                    number(called.field("offset")).unwrap_or(0),
                    tasks.len(),
                );
                tasks.into_iter().take(count).collect()
            }
            "ambiguous" => called.tasks("candidates"),
            "not_found" => called.tasks("suggestions"),
            "deleted" => Vec::new(),
            _ => called.task().into_iter().collect(),
        };
        for task in listed {
            if !found.iter().any(|known| known.id == task.id) {
                found.push(task);
            }
        }
    }
    (!found.is_empty()).then_some(found)
}

/// How many tasks are asked for where nothing is read out: only to know which "the second one" is.
pub(crate) const LOOKED: usize = 50;

/// Whether a call only looked at the list or at the caller's screen, without a word about it.
pub(crate) fn is_look(called: &Called<'_>) -> bool {
    called.call.name == LOOK_AT_SCREEN
        || called.call.name == "list_tasks" && number(called.call.arguments.get("limit")) == Some(LOOKED)
}

/// The list that a turn read out, or looked at.
fn read_out<'a>(turn: &Turn<'a>) -> Option<Vec<TaskView<'a>>> {
    let at_list = |called: &&Called<'_>| called.call.name == "list_tasks" && is_look(called);
    let looked = turn.calls.iter().filter(at_list).find(|called| called.status() == "ok");
    match looked {
        Some(called) => Some(called.tasks("tasks")),
        None => mentioned(turn),
    }
}

/// The list that ordinals count in: the last that was read out, all its pages up to now. A change of one task is no new list:
/// after "the first one is done", the second one is still the second one.
pub(crate) fn counted<'a>(turns: &[Turn<'a>]) -> Vec<TaskView<'a>> {
    let Some(at) = turns.iter().rposition(is_read_out) else {
        let added = added(turns);
        return if added.len() > 1 { added } else { focus(turns) };
    };
    let last = read_out(&turns[at]).unwrap_or_default();
    let offset = turns[at].calls.iter().find_map(|called| number(called.field("offset"))).unwrap_or(0);
    if offset == 0 {
        return last;
    }
    let mut all = counted(&turns[..at]);
    if all.len() != offset {
        return last;
    }
    all.extend(last);
    all
}

/// What was added lately, one behind the other, as far as it is there.
pub(crate) fn added<'a>(turns: &[Turn<'a>]) -> Vec<TaskView<'a>> {
    let mut added: Vec<TaskView<'a>> = Vec::new();
    let lately = turns.iter().rposition(|turn| turn.calls.is_empty()).map_or(0, |at| at + 1);
    for called in turns[lately..].iter().flat_map(|turn| &turn.calls) {
        let Some(task) = called.task() else { continue };
        match called.status() {
            "added" => added.push(task),
            "undone" | "deleted" => added.retain(|known| known.id != task.id),
            _ => {}
        }
    }
    added
}

/// Whether a turn read out a list in which one can count: of tasks, of those that were meant perhaps, or of new ones.
fn is_read_out(turn: &Turn<'_>) -> bool {
    let listed = |called: &Called<'_>| match called.status() {
        "ok" => called.call.name == "list_tasks",
        "ambiguous" => true,
        "not_found" => called.tasks("suggestions").len() > 1,
        _ => false,
    };
    turn.calls.iter().any(listed) || turn.calls.iter().filter(|called| called.status() == "added").count() > 1
}

/// Whether the list that was read out last is one of a kind: of a day, of a priority, about something.
pub(crate) fn is_of_a_kind(turns: &[Turn<'_>]) -> bool {
    let read = turns.iter().rev().find(|turn| is_read_out(turn));
    read.is_some_and(|turn| {
        let filtered =
            |called: &Called<'_>| ["due", "priority", "query"].iter().any(|key| called.argument(key).is_some());
        turn.calls.iter().any(|called| called.call.name == "list_tasks" && filtered(called))
    })
}

/// How many changes of this conversation can still be taken back.
pub(crate) fn undoable(turns: &[Turn<'_>]) -> usize {
    turns.iter().fold(0_usize, |left, turn| {
        let undone = turn.calls.iter().filter(|called| called.status() == "undone").count();
        (left + changes_of(turn).count()).saturating_sub(undone)
    })
}

/// The changes that the last breath made and that are not taken back yet, the newest first: the ids of their tasks, where
/// each changed one.
pub(crate) fn last_breath<'a>(turns: &[Turn<'a>]) -> Vec<Option<&'a Value>> {
    let mut breaths: Vec<Vec<Option<&'a Value>>> = Vec::new();
    for turn in turns {
        let mut undone = turn.calls.iter().filter(|called| called.status() == "undone").count();
        breaths.push(changes_of(turn).map(|called| called.task().map(|task| task.id)).collect());
        while undone > 0 {
            let Some(left) = breaths.last_mut() else { break };
            let taken = undone.min(left.len());
            left.truncate(left.len() - taken);
            undone -= taken;
            if left.is_empty() {
                breaths.pop();
            }
        }
        breaths.retain(|left| !left.is_empty());
    }
    let mut last = breaths.pop().unwrap_or_default();
    last.reverse();
    last
}

/// Whether the call changes tasks, so that it can be undone.
pub(crate) fn changes(name: &str) -> bool {
    matches!(
        name,
        "add_task" | "complete_task" | "reopen_task" | "set_due" | "set_priority" | "rename_task" | "delete_task"
    )
}

/// The last call of a turn that changed something.
pub(crate) fn last_change<'a>(turn: &Turn<'a>) -> Option<Called<'a>> {
    changes_of(turn).last().copied()
}

/// The calls of a turn that changed something.
pub(crate) fn changes_of<'t, 'a>(turn: &'t Turn<'a>) -> impl Iterator<Item = &'t Called<'a>> {
    turn.calls.iter().filter(|called| {
        changes(&called.call.name)
            && matches!(called.status(), "added" | "completed" | "reopened" | "updated" | "renamed" | "deleted")
    })
}
