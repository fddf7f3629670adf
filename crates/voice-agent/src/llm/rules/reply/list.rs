//! Lists and counts, as a person would say them.

use super::super::act::Scene;
use super::super::dates::{ANY_DAY, Range, due_date, speak_date};
use super::super::dialogue::{Called, TaskView, Turn, asks_first, number, spoken_of};
use super::super::parse::Intent;
use super::{due_words, join, spoken, when_due, with_due};

/// What a list answered, said as it was asked for.
pub(super) fn list(scene: &Scene<'_>, turn: &Turn<'_>, called: &Called<'_>) -> String {
    let tasks = called.tasks("tasks");
    let total = number(called.field("total")).unwrap_or(tasks.len());
    let offset = number(called.field("offset")).unwrap_or(0);
    let (_, intents) = scene.understand(turn.user);
    if intents.iter().any(|intent| matches!(intent, Intent::Count(_))) {
        return counted(scene, called, total);
    }
    if let Some(query) = called.argument("query") {
        return found(scene, query, &tasks, total);
    }
    if total == 0 {
        return nothing(scene, called);
    }
    let spoken = spoken_of(total, offset, tasks.len());
    if spoken == 0 {
        return "That was the last one.".into();
    }
    if offset > 0 {
        return next_page(scene, called, &tasks[..spoken], total, offset);
    }
    let names = names(scene, called, &tasks[..spoken]);
    let kind = kind(scene, called, total);
    if total == 1 {
        return format!("You have one {kind}: {}.", names[0]);
    }
    let lower = turn.user.to_lowercase();
    if asks_first(turn.user) && ["first", "soonest", "due next"].iter().any(|word| lower.contains(word)) {
        return format!("First comes {}.", with_due(tasks[0], scene));
    }
    if spoken >= total {
        return format!("You have {total} {kind}: {}.", join(&names, "and"));
    }
    format!("You have {total} {kind}. The first {} are {}. Shall I go on?", in_words(spoken), join(&names, "and"))
}

fn in_words(count: usize) -> String {
    match count {
        1 => "one".into(),
        2 => "two".into(),
        3 => "three".into(),
        4 => "four".into(),
        _ => count.to_string(),
    }
}

fn next_page(scene: &Scene<'_>, called: &Called<'_>, tasks: &[TaskView<'_>], total: usize, offset: usize) -> String {
    let names = names(scene, called, tasks);
    let left = total.saturating_sub(offset + tasks.len());
    if left > 0 {
        return format!("Next: {}. Shall I go on?", join(&names, "and"));
    }
    match names.as_slice() {
        [one] => format!("And the last one: {one}."),
        several => format!("And the last {}: {}.", in_words(several.len()), join(several, "and")),
    }
}

/// The tasks' names; with their due dates unless all were asked for by one.
fn names(scene: &Scene<'_>, called: &Called<'_>, tasks: &[TaskView<'_>]) -> Vec<String> {
    let by_day = called.argument("due").is_some_and(|due| due != "this_week" && due != ANY_DAY);
    let name = |task: &TaskView<'_>| match task.due.and_then(|due| due_date(due, &scene.request.now)) {
        Some(due) if by_day && due.time.is_some() && called.argument("due") != Some("overdue") => {
            format!("{} at {}", spoken(task.title), super::super::dates::speak_time(due.time.unwrap_or_default()))
        }
        _ if by_day || task.done => spoken(task.title),
        _ => with_due(*task, scene),
    };
    tasks.iter().map(name).collect()
}

/// "open tasks due tomorrow", "urgent tasks", "done tasks".
fn kind(scene: &Scene<'_>, called: &Called<'_>, total: usize) -> String {
    let noun = if total == 1 { "task" } else { "tasks" };
    let state = match called.argument("status") {
        Some("done") => "done ",
        Some("all") => "",
        _ if called.argument("due").is_none() && called.argument("priority").is_none() => "open ",
        _ => "",
    };
    let priority = match called.argument("priority") {
        Some("high") => "high priority ",
        Some("low") => "low priority ",
        Some("normal") => "normal priority ",
        _ => "",
    };
    let due = match called.argument("due") {
        Some("today") => " due today".to_owned(),
        Some("tomorrow") => " due tomorrow".to_owned(),
        Some("this_week") => " due this week".to_owned(),
        Some("none") => " without a due date".to_owned(),
        Some(ANY_DAY) => " with a due date".to_owned(),
        Some("overdue") => return format!("overdue {priority}{noun}"),
        Some(range) if range.contains("..") => match Range::from_argument(range) {
            Some(range) => format!(" due {}", range.speak(scene.request.now.date())),
            None => String::new(),
        },
        Some(date) => match due_date(date, &scene.request.now) {
            Some(due) => format!(" due {}", speak_date(due.date, scene.request.now.date())),
            None => String::new(),
        },
        None => String::new(),
    };
    format!("{state}{priority}{noun}{due}")
}

fn nothing(scene: &Scene<'_>, called: &Called<'_>) -> String {
    let filtered = called.argument("due").is_some() || called.argument("priority").is_some();
    match called.argument("status") {
        Some("done") => "You have no done tasks yet.".into(),
        _ if called.argument("due").is_some_and(|due| due.contains("..")) => {
            format!("You have nothing{}.", kind(scene, called, 0).trim_start_matches("tasks"))
        }
        _ if filtered => format!("You have no {}.", kind(scene, called, 0)),
        _ => "Your list is empty, nothing to do. You can say, add a task to buy milk.".into(),
    }
}

fn counted(scene: &Scene<'_>, called: &Called<'_>, total: usize) -> String {
    match total {
        0 => format!("You have no {}.", kind(scene, called, 0)),
        1 => format!("You have one {}.", kind(scene, called, 1)),
        _ => format!("You have {total} {}.", kind(scene, called, total)),
    }
}

/// What was found for words in titles: also the answer to "when is … due?" and "is … done?".
fn asks_whether_done(scene: &Scene<'_>) -> bool {
    let asked = scene.current().map_or("", |turn| turn.user).to_lowercase();
    ["done", "finish", "complete"].iter().any(|word| asked.contains(word))
}

fn found(scene: &Scene<'_>, query: &str, tasks: &[TaskView<'_>], total: usize) -> String {
    match tasks {
        [] => format!("I couldn't find {} on your list.", spoken(query)),
        [task] if task.done => format!("{} is done.", spoken(task.title)),
        // "Did I finish the report?"
        [task] if asks_whether_done(scene) => match due_words(task.due, scene) {
            Some(due) => format!("{} is still open, due {due}.", spoken(task.title)),
            None => format!("{} is still open.", spoken(task.title)),
        },
        [task] => format!("You have that on your list. {}", when_due(*task, scene)),
        several => {
            let names: Vec<String> =
                several
                    .iter()
                    .take(4)
                    .map(|task| {
                        if task.done {
                            format!("{}, which is done", spoken(task.title))
                        } else {
                            with_due(*task, scene)
                        }
                    })
                    .collect();
            format!("I found {total}: {}.", join(&names, "and"))
        }
    }
}
