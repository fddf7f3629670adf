//! What is said after a change, or instead of one.

use serde_json::Value;

use super::super::act::Scene;
use super::super::dialogue::{Called, TaskView, number};
use super::{due_words, join, spoken, which, with_due};

/// After one change.
pub(super) fn one(scene: &Scene<'_>, called: &Called<'_>) -> String {
    let Some(task) = called.task() else { return without_task(scene, called) };
    let title = spoken(task.title);
    match (called.status(), called.call.name.as_str()) {
        ("added", _) => {
            let due = due_words(task.due, scene).map(|due| format!(", due {due}")).unwrap_or_default();
            let priority = match task.priority {
                "high" => ", with high priority",
                "low" => ", with low priority",
                _ => "",
            };
            format!("Okay, I've added {title}{due}{priority}.")
        }
        ("exists", _) => match due_words(task.due, scene) {
            Some(due) => format!("You already have {title} on your list, due {due}."),
            None => format!("You already have {title} on your list."),
        },
        ("completed", _) => format!("Great, {title} is done."),
        ("reopened", _) => format!("Okay, {title} is open again."),
        ("updated", "set_priority") => format!("Okay, {title} now has {} priority.", task.priority),
        ("updated", _) => match due_words(task.due, scene) {
            Some(due) => format!("Okay, {title} is now due {due}."),
            None => format!("Okay, {title} has no due date any more."),
        },
        ("renamed", _) => match called.field("old_title").and_then(Value::as_str) {
            Some(old) => format!("Okay, {} is now called {title}.", spoken(old)),
            None => format!("Okay, it is now called {title}."),
        },
        ("deleted", _) => format!("Okay, I've deleted {title}."),
        ("already", name) => already(name, task, scene),
        _ => "Sorry, something went wrong there. Please check your list.".into(),
    }
}

fn without_task(scene: &Scene<'_>, called: &Called<'_>) -> String {
    let count = number(called.field("count"));
    let kept = called.tasks("kept");
    if let Some(count) = count.filter(|count| *count > 0 && !kept.is_empty()) {
        let others = if count == 1 { "the other task".to_owned() } else { format!("the {count} other tasks") };
        return match called.status() {
            "completed" => format!("Great, {others} {} done, and I left {}.", are(count), kept_names(&kept)),
            "deleted" => format!("Okay, I've deleted {others} and kept {}.", kept_names(&kept)),
            "updated" => format!("Okay, {others} {}, and I left {}.", became(scene, called, count), kept_names(&kept)),
            _ => "That is how it is already.".into(),
        };
    }
    if let Some(undated) = number(called.field("undated")) {
        let stay = if undated == 1 {
            "the one without a date stays".to_owned()
        } else {
            format!("the {undated} without a date stay")
        };
        return match count {
            None | Some(0) => "None of your tasks has a date that could be moved. I changed nothing.".into(),
            Some(1) => format!("Okay, your one task with a date {}, and {stay} as before.", became(scene, called, 1)),
            Some(count) => {
                format!("Okay, the {count} tasks with a date {}, and {stay} as before.", became(scene, called, count))
            }
        };
    }
    match (called.status(), count) {
        ("completed" | "deleted" | "already" | "updated", Some(0)) => {
            "There was nothing to do: no such tasks are on your list.".into()
        }
        ("completed", Some(1)) => "Great, that one task is done.".into(),
        ("completed", Some(count)) => format!("Great, all {count} tasks are done."),
        ("completed", None) => "Great, everything is done.".into(),
        ("deleted", Some(1)) => "Okay, I've deleted one task.".into(),
        ("deleted", Some(count)) => format!("Okay, I've deleted {count} tasks."),
        ("deleted", None) => "Okay, I've deleted them.".into(),
        ("updated", Some(1)) => format!("Okay, your one open task {}.", became(scene, called, 1)),
        ("updated", Some(count)) => format!("Okay, all {count} open tasks {}.", became(scene, called, count)),
        ("already", _) => "That is how it is already.".into(),
        _ => "Sorry, something went wrong there. Please check your list.".into(),
    }
}

const fn are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

fn kept_names(kept: &[TaskView<'_>]) -> String {
    let titles: Vec<String> = kept.iter().map(|task| spoken(task.title)).collect();
    join(&titles, "and")
}

/// What a change of all tasks made of them.
fn became(scene: &Scene<'_>, called: &Called<'_>, count: usize) -> String {
    if let Some(by) = shifted(called) {
        return if count == 1 { format!("is now due {by}") } else { format!("are now due {by}") };
    }
    let (are, have) = if count == 1 { ("is", "has") } else { ("are", "have") };
    match (called.argument("priority"), due_words(called.argument("due"), scene)) {
        (Some(priority), _) => format!("now {have} {priority} priority"),
        (None, Some(due)) => format!("{are} now due {due}"),
        (None, None) => format!("{have} no due date any more"),
    }
}

/// "2 days later", "1 hour earlier": by how much a change moved due dates on from what they were.
fn shifted(called: &Called<'_>) -> Option<String> {
    let amount = |unit: &str| called.call.arguments.get(unit).and_then(Value::as_i64).filter(|amount| *amount != 0);
    let (amount, unit) = ["months", "days", "minutes"].into_iter().find_map(|unit| Some((amount(unit)?, unit)))?;
    let (count, unit) = match (amount.unsigned_abs(), unit) {
        (minutes, "minutes") if minutes % 60 == 0 => (minutes / 60, "hours"),
        (days, "days") if days % 7 == 0 => (days / 7, "weeks"),
        other => other,
    };
    let unit = if count == 1 { unit.trim_end_matches('s') } else { unit };
    Some(format!("{count} {unit} {}", if amount > 0 { "later" } else { "earlier" }))
}

fn already(name: &str, task: TaskView<'_>, scene: &Scene<'_>) -> String {
    let title = spoken(task.title);
    match name {
        "complete_task" => format!("{title} is done already."),
        "reopen_task" => format!("{title} is still open."),
        "set_priority" => format!("{title} has {} priority already.", task.priority),
        "set_due" => match due_words(task.due, scene) {
            Some(due) => format!("{title} is due {due} already."),
            None => format!("{title} has no due date."),
        },
        "rename_task" => format!("It is called {title} already."),
        _ => format!("{title} is like that already."),
    }
}

/// After the same change to several tasks.
pub(super) fn several(scene: &Scene<'_>, calls: &[&Called<'_>]) -> String {
    let tasks: Vec<TaskView<'_>> = calls.iter().filter_map(|called| called.task()).collect();
    if tasks.is_empty() {
        return without_task(scene, calls[0]);
    }
    let titles: Vec<String> = tasks.iter().map(|task| spoken(task.title)).collect();
    let names = join(&titles, "and");
    let same_due = tasks.windows(2).all(|pair| pair[0].due == pair[1].due);
    match (calls[0].status(), calls[0].call.name.as_str()) {
        ("added", _) if same_due => match due_words(tasks[0].due, scene) {
            Some(due) => format!("Okay, I've added {names}, all due {due}.")
                .replace(", all due", if tasks.len() == 2 { ", both due" } else { ", all due" }),
            None => format!("Okay, I've added {names}."),
        },
        ("added", _) => {
            let named: Vec<String> = tasks.iter().map(|task| with_due(*task, scene)).collect();
            format!("Okay, I've added {}.", join(&named, "and"))
        }
        ("exists", _) => format!("You already have {names} on your list."),
        ("completed", _) => format!("Great, {names} are done."),
        ("reopened", _) => format!("Okay, {names} are open again."),
        ("updated", "set_priority") if tasks.iter().all(|task| task.priority == tasks[0].priority) => {
            format!("Okay, {names} now have {} priority.", tasks[0].priority)
        }
        ("updated", "set_priority") => each_one(scene, calls),
        ("updated", _) if !same_due => each_one(scene, calls),
        ("updated", _) => match due_words(tasks[0].due, scene) {
            Some(due) => format!("Okay, {names} are now due {due}."),
            None => format!("Okay, {names} have no due date any more."),
        },
        ("deleted", _) => format!("Okay, I've deleted {names}."),
        ("already", _) => format!("{names} are like that already."),
        _ => each_one(scene, calls),
    }
}

/// A sentence for each.
fn each_one(scene: &Scene<'_>, calls: &[&Called<'_>]) -> String {
    calls.iter().map(|called| one(scene, called)).collect::<Vec<String>>().join(" ")
}

/// The words by which the task was looked for.
fn sought<'a>(called: &Called<'a>) -> String {
    let query = called.field("query").and_then(Value::as_str).or_else(|| called.argument("title"));
    query.map_or_else(|| "that task".into(), spoken)
}

pub(super) fn not_found(called: &Called<'_>) -> String {
    let sought = sought(called);
    let near = called.tasks("suggestions");
    match near.as_slice() {
        [] => format!("I couldn't find {sought} on your list."),
        [task] => format!("I couldn't find {sought}. Did you mean {}?", spoken(task.title)),
        tasks => {
            let titles: Vec<String> = tasks.iter().take(3).map(|task| spoken(task.title)).collect();
            format!("I couldn't find {sought}. Did you mean {}?", join(&titles, "or"))
        }
    }
}

pub(super) fn ambiguous(scene: &Scene<'_>, called: &Called<'_>) -> String {
    let candidates = called.tasks("candidates");
    // Tasks with the same title are told apart by when they are due.
    let same = candidates.windows(2).any(|pair| pair[0].title.eq_ignore_ascii_case(pair[1].title));
    if same && candidates.len() <= 4 {
        let named: Vec<String> = candidates.iter().map(|task| with_due(*task, scene)).collect();
        return format!("Which one do you mean: {}?", join(&named, "or"));
    }
    which(candidates.iter().map(|task| task.title))
}

pub(super) fn needs_confirmation(scene: &Scene<'_>, called: &Called<'_>) -> String {
    if called.call.name == "undo" {
        return undo_question(scene, called);
    }
    if let Some(task) = called.task() {
        return format!("Shall I really delete {}?", with_due(task, scene));
    }
    let scope = called.argument("scope");
    let kept = called.tasks("kept");
    if let Some(count) = number(called.field("count")).filter(|_| !kept.is_empty()) {
        let done = if scope == Some("done") { "done " } else { "" };
        let tasks = if count == 1 { "task" } else { "tasks" };
        return format!("Shall I really delete {count} {done}{tasks} and keep {}?", kept_names(&kept));
    }
    match (number(called.field("count")), scope) {
        (Some(1), Some("done")) => "Shall I really delete the one task that is done?".into(),
        (Some(1), _) => "Shall I really delete the only task on your list?".into(),
        (Some(count), Some("done")) => format!("Shall I really delete the {count} tasks that are done?"),
        (Some(count), _) if called.call.name == "complete_task" => {
            format!("Shall I really mark all {count} tasks as done?")
        }
        (Some(count), _) => format!("Shall I really delete all {count} tasks?"),
        (None, _) => "Are you sure?".into(),
    }
}

/// Before something is taken back that was not done in this conversation, or not just now.
fn undo_question(scene: &Scene<'_>, called: &Called<'_>) -> String {
    let action = called.field("action").and_then(Value::as_str).unwrap_or_default();
    let count = number(called.field("count")).unwrap_or(1);
    let what = called.task().map_or_else(|| "a task".to_owned(), |task| spoken(task.title));
    let what = if count > 1 { format!("{count} tasks") } else { what };
    let did = match action {
        "add_task" => format!("{what} was added"),
        "complete_task" => format!("{what} was marked as done"),
        "reopen_task" => format!("{what} was opened again"),
        "delete_task" => format!("{what} was deleted"),
        "rename_task" => format!("{what} got its name"),
        "set_due" => format!("{what} got its date"),
        "set_priority" => format!("{what} got its priority"),
        _ => format!("{what} was changed"),
    };
    if super::super::dialogue::undoable(scene.history()) > 0 {
        return format!("Last, {did}. Shall I take that back?");
    }
    // It may have been done by hand, while we talk.
    format!("I've changed nothing since we began to talk. Last, {did}. Shall I take that back?")
}

/// Before several are deleted at once.
pub(super) fn confirm_several(scene: &Scene<'_>, calls: &[&Called<'_>]) -> String {
    if calls[0].call.name == "undo" {
        return undo_question(scene, calls[0]);
    }
    let titles: Vec<String> = calls.iter().filter_map(|called| called.task()).map(|task| spoken(task.title)).collect();
    if titles.is_empty() {
        return "Are you sure?".into();
    }
    format!("Shall I really delete {}?", join(&titles, "and"))
}

/// What was taken back, all of it: what was done to several tasks in the same way is one sentence.
pub(super) fn undone(scene: &Scene<'_>, calls: &[&Called<'_>]) -> String {
    let groups = calls.chunk_by(|a, b| undone_in_the_same_way(a, b));
    groups.map(|group| undone_alike(scene, action_of(group[0]), group)).collect::<Vec<String>>().join(" ")
}

/// What was done that is taken back: the name of a tool.
fn action_of<'a>(called: &Called<'a>) -> &'a str {
    called.field("action").and_then(Value::as_str).unwrap_or_default()
}

fn undone_in_the_same_way(a: &Called<'_>, b: &Called<'_>) -> bool {
    let single = |called: &Called<'_>| number(called.field("count")).unwrap_or(1) < 2;
    let (Some(one), Some(other)) = (a.task(), b.task()) else { return false };
    // A task is there again or not; a date or a priority is back at what it was.
    let alike = match action_of(a) {
        "set_due" => one.due == other.due,
        "set_priority" => one.priority == other.priority,
        "rename_task" => false,
        _ => true,
    };
    alike && action_of(a) == action_of(b) && single(a) && single(b)
}

fn undone_alike(scene: &Scene<'_>, action: &str, calls: &[&Called<'_>]) -> String {
    if let Some(count) = number(calls[0].field("count")).filter(|count| *count > 1) {
        return format!("Okay, I've taken that back for {count} tasks.");
    }
    let Some(task) = calls[0].task() else { return "Okay, I've taken that back.".into() };
    // The last is taken back first; they are named in the order in which they came.
    let tasks = calls.iter().rev().filter_map(|called| called.task());
    let titles: Vec<String> = tasks.map(|task| spoken(task.title)).collect();
    let (title, is, has) = (some_of(&titles), are(titles.len()), if titles.len() == 1 { "has" } else { "have" });
    if action.contains("add") {
        return format!("Okay, I've taken {title} off your list again.");
    }
    if action.contains("complete") {
        return format!("Okay, {title} {is} open again.");
    }
    if action.contains("reopen") {
        return format!("Okay, {title} {is} done again.");
    }
    if action.contains("delete") {
        return format!("Okay, {title} {is} back on your list.");
    }
    if action.contains("rename") {
        return format!("Okay, it is called {title} again.");
    }
    if action.contains("priority") {
        return format!("Okay, {title} {has} {} priority again.", task.priority);
    }
    if action.contains("due") {
        return match due_words(task.due, scene) {
            Some(due) => format!("Okay, {title} {is} due {due} again."),
            None => format!("Okay, {title} {has} no due date again."),
        };
    }
    format!("Okay, I've taken back the last change of {title}.")
}

/// Most titles that one sentence names; the others are counted.
const MOST_NAMED: usize = 5;

/// The titles, as many as one listens to: "A, B and C", "A, B, C, D and 3 more".
fn some_of(titles: &[String]) -> String {
    if titles.len() <= MOST_NAMED {
        return join(titles, "and");
    }
    let named = MOST_NAMED - 1;
    join(&[&titles[..named], &[format!("{} more", titles.len() - named)]].concat(), "and")
}
