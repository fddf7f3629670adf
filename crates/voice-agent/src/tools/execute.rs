//! The tools' execution: pure functions from a call and the tasks to an answer and changes.

use jiff::Timestamp;
use serde_json::{Value, json};
use voice_core::chat::ToolCall;

use super::args::{Args, Fault};
use super::matching::{self, TitleMatch};
use super::{Asked, ToolContext, ToolRun, due, listing, many};
use crate::tasks::{MAX_TASKS, Task, TaskChange, TaskId, TaskList, TaskStatus, UndoEffect, UndoEntry, stamp};

/// What a tool comes to: an answer with its changes, or what is wrong with the call.
pub(super) type Run = Result<ToolRun, Fault>;

/// Runs one call over the user's tasks and undo journal (newest last). Nothing is changed here: the store commits
/// what the answer says. `transfer_to_agent` and `end_call` are the core's own and fail here.
pub fn execute(call: &ToolCall, list: &TaskList, undo: &[UndoEntry], ctx: &ToolContext) -> ToolRun {
    let now = ctx.now.timestamp();
    let run = match call.name.as_str() {
        "add_task" => add_task(call, list, ctx),
        "list_tasks" => listing::list_tasks(call, list, ctx.now.datetime()).map(answer),
        "complete_task" => complete_task(call, list, now),
        "reopen_task" => reopen_task(call, list),
        "set_due" => set_due(call, list, ctx),
        "set_priority" => set_priority(call, list),
        "rename_task" => rename_task(call, list),
        "delete_task" => delete_task(call, list, &ctx.asked),
        "undo" => undo_last(call, list, undo),
        other => Err(format!("'{other}' is not a tool that changes tasks; use one of the tools you were given")),
    };
    run.unwrap_or_else(|reason| ToolRun { is_error: true, ..answer(json!({"status": "failed", "reason": reason})) })
}

/// An answer that changes nothing.
pub(super) fn answer(output: Value) -> ToolRun {
    ToolRun { output, is_error: false, changes: Vec::new(), undo: UndoEffect::None }
}

/// An answer that changes something, as one action that can be undone.
pub(super) fn changed(action: &str, changes: Vec<TaskChange>, output: Value) -> ToolRun {
    if changes.is_empty() {
        return answer(output);
    }
    let undo = UndoEffect::Push(UndoEntry { action: action.to_owned(), changes: changes.clone() });
    ToolRun { output, is_error: false, changes, undo }
}

/// An answer that changes one task: `output` plus the task as it is then.
fn updated(action: &str, before: &Task, after: Task, mut output: Value) -> ToolRun {
    output["task"] = json!(after);
    changed(action, vec![TaskChange::Updated { before: before.clone(), after }], output)
}

fn already(task: &Task) -> ToolRun {
    answer(json!({"status": "already", "task": task}))
}

fn add_task(call: &ToolCall, list: &TaskList, ctx: &ToolContext) -> Run {
    let args = Args::new(&call.arguments, &["title", "due", "priority", "anyway"])?;
    let title = args.new_title("title")?;
    let (due, priority) = (args.due()?, args.priority()?.unwrap_or_default());
    let anyway = args.flag("anyway")?;
    if let Some(task) = matching::same_title(&title, list.open()).filter(|_| !anyway) {
        return Ok(answer(json!({"status": "exists", "task": task})));
    }
    if list.tasks.len() >= MAX_TASKS {
        return Err(format!("there are {MAX_TASKS} tasks, which is the most; offer to delete the done ones"));
    }
    let created_at = stamp(ctx.now.timestamp());
    let id = ctx.new_id.clone();
    let task = Task { id, title, status: TaskStatus::Open, due, priority, created_at, completed_at: None };
    let output = json!({"status": "added", "task": task});
    Ok(changed("add_task", vec![TaskChange::Created(task)], output))
}

/// The task that a call names, or the answer that says why there is none.
enum Target<'a> {
    Task(&'a Task),
    Answer(ToolRun),
}

/// Finds the task by `id`, or else by `title`: among those of the status `first`, then among the others.
fn target<'a>(args: &Args<'_>, list: &'a TaskList, first: TaskStatus) -> Result<Target<'a>, Fault> {
    let (id, title) = (args.text("id")?, args.text("title")?);
    if let Some(task) = id.and_then(|id| by_id(id, list)) {
        return Ok(Target::Task(task));
    }
    // A model may make up an id; the title that came with it is the caller's own.
    let Some(query) = title.or(id.filter(|id| TaskId::parse(id).is_err())) else {
        // An id is nothing that a caller said: it is not looked for among the titles, and never spoken.
        return match id {
            Some(_) => Ok(Target::Answer(answer(json!({"status": "gone"})))),
            None => Err("neither 'title' nor 'id' is given; ask which task is meant".to_owned()),
        };
    };
    Ok(match named(query, list, first) {
        TitleMatch::Exact(task) | TitleMatch::One(task) => Target::Task(task),
        TitleMatch::Ambiguous(candidates) => Target::Answer(ambiguous(query, &candidates)),
        TitleMatch::None { suggestions } => Target::Answer(not_found(query, &suggestions)),
    })
}

pub(super) fn by_id<'a>(id: &str, list: &'a TaskList) -> Option<&'a Task> {
    TaskId::parse(id).ok().and_then(|id| list.get(&id))
}

/// Finds the task that `query` names: among those of the status `first`, then among the others.
pub(super) fn named<'a>(query: &str, list: &'a TaskList, first: TaskStatus) -> TitleMatch<'a> {
    let (pool, others): (Vec<&Task>, Vec<&Task>) = list.tasks.iter().partition(|task| task.status == first);
    let near = match matching::find(query, pool) {
        TitleMatch::None { suggestions } => suggestions,
        found => return found,
    };
    match matching::find(query, others) {
        TitleMatch::None { suggestions } => {
            let all = near.into_iter().chain(suggestions).take(matching::MAX_SUGGESTIONS);
            TitleMatch::None { suggestions: all.collect() }
        }
        found => found,
    }
}

pub(super) fn not_found(query: &str, suggestions: &[&Task]) -> ToolRun {
    answer(json!({"status": "not_found", "query": query, "suggestions": suggestions}))
}

fn ambiguous(query: &str, candidates: &[&Task]) -> ToolRun {
    answer(json!({"status": "ambiguous", "query": query, "candidates": candidates}))
}

fn done(task: &Task, now: Timestamp) -> Task {
    Task { status: TaskStatus::Done, completed_at: Some(stamp(now)), ..task.clone() }
}

fn complete_task(call: &ToolCall, list: &TaskList, now: Timestamp) -> Run {
    let args = Args::new(&call.arguments, &["title", "id", "all", "except"])?;
    if args.flag("all")? {
        return many::change_all(call, &args, list, "completed", |_| true, |task| done(task, now));
    }
    let task = match target(&args, list, TaskStatus::Open)? {
        Target::Task(task) => task,
        Target::Answer(run) => return Ok(run),
    };
    if !task.is_open() {
        return Ok(already(task));
    }
    Ok(updated("complete_task", task, done(task, now), json!({"status": "completed"})))
}

fn reopen_task(call: &ToolCall, list: &TaskList) -> Run {
    let args = Args::new(&call.arguments, &["title", "id"])?;
    let task = match target(&args, list, TaskStatus::Done)? {
        Target::Task(task) => task,
        Target::Answer(run) => return Ok(run),
    };
    if task.is_open() {
        return Ok(already(task));
    }
    let after = Task { status: TaskStatus::Open, completed_at: None, ..task.clone() };
    Ok(updated("reopen_task", task, after, json!({"status": "reopened"})))
}

fn set_due(call: &ToolCall, list: &TaskList, ctx: &ToolContext) -> Run {
    let args =
        Args::new(&call.arguments, &["title", "id", "all", "except", "due", "keep", "months", "days", "minutes"])?;
    let change = due::Change::read(&args, ctx.now.datetime())?;
    if args.flag("all")? {
        let moved = |task: &Task| Task { due: change.of(task.due), ..task.clone() };
        let admits = |task: &Task| task.due.is_some() || !change.is_move();
        return many::change_all(call, &args, list, "updated", admits, moved);
    }
    let task = match target(&args, list, TaskStatus::Open)? {
        Target::Task(task) => task,
        Target::Answer(run) => return Ok(run),
    };
    let due = change.of(task.due);
    if task.due == due {
        return Ok(already(task));
    }
    Ok(updated("set_due", task, Task { due, ..task.clone() }, json!({"status": "updated"})))
}

fn set_priority(call: &ToolCall, list: &TaskList) -> Run {
    let args = Args::new(&call.arguments, &["title", "id", "all", "except", "priority"])?;
    let priority = args.priority()?.ok_or("'priority' is missing; give low, normal or high")?;
    if args.flag("all")? {
        return many::change_all(call, &args, list, "updated", |_| true, |task| Task { priority, ..task.clone() });
    }
    let task = match target(&args, list, TaskStatus::Open)? {
        Target::Task(task) => task,
        Target::Answer(run) => return Ok(run),
    };
    if task.priority == priority {
        return Ok(already(task));
    }
    Ok(updated("set_priority", task, Task { priority, ..task.clone() }, json!({"status": "updated"})))
}

fn rename_task(call: &ToolCall, list: &TaskList) -> Run {
    let args = Args::new(&call.arguments, &["title", "id", "new_title"])?;
    let title = args.new_title("new_title")?;
    let task = match target(&args, list, TaskStatus::Open)? {
        Target::Task(task) => task,
        Target::Answer(run) => return Ok(run),
    };
    if task.title == title {
        return Ok(already(task));
    }
    let output = json!({"status": "renamed", "old_title": task.title});
    Ok(updated("rename_task", task, Task { title, ..task.clone() }, output))
}

/// Deletes what the caller was asked about. A `confirmed` without such a question is not believed: it is asked first.
fn delete_task(call: &ToolCall, list: &TaskList, questions: &Asked) -> Run {
    let args = Args::new(&call.arguments, &["title", "id", "scope", "except", "asked", "confirmed"])?;
    let confirmed = args.flag("confirmed")?;
    if let Some(scope) = args.word("scope", &["done", "all"])? {
        if args.text("title")?.or(args.text("id")?).is_some() {
            return Err("give either 'scope' or one task's 'title' or 'id', not both".to_owned());
        }
        return many::delete_many(&args, list, scope, confirmed.then_some(questions));
    }
    let task = match target(&args, list, TaskStatus::Open)? {
        Target::Task(task) => task,
        Target::Answer(run) => return Ok(run),
    };
    if !confirmed || !questions.about(task) {
        return Ok(answer(json!({"status": "needs_confirmation", "task": task})));
    }
    let output = json!({"status": "deleted", "task": task});
    Ok(changed("delete_task", vec![TaskChange::Deleted(task.clone())], output))
}

/// Takes back the newest action. With `confirmed: false` it only says which that is, so that the caller can be asked; with
/// `confirmed: true` and that action's `id` it asks again if there is a newer one meanwhile.
fn undo_last(call: &ToolCall, list: &TaskList, journal: &[UndoEntry]) -> Run {
    let args = Args::new(&call.arguments, &["id", "confirmed"])?;
    let asks = args.has("confirmed") && !args.flag("confirmed")?;
    let asked = args.text("id")?;
    // An action of which nothing is left to take back is passed over, and used up.
    for (used, entry) in (1..).zip(journal.iter().rev()) {
        let changes = entry.inverse(list);
        let Some(TaskChange::Created(task) | TaskChange::Updated { after: task, .. } | TaskChange::Deleted(task)) =
            changes.last()
        else {
            continue;
        };
        let output =
            |status: &str| json!({"status": status, "action": entry.action, "task": task, "count": changes.len()});
        if asks || asked.is_some_and(|id| id != task.id.as_str()) {
            return Ok(answer(output("needs_confirmation")));
        }
        let output = output("undone");
        return Ok(ToolRun { output, is_error: false, changes, undo: UndoEffect::Pop(used) });
    }
    Ok(answer(json!({"status": "nothing_to_undo"})))
}
