//! What is to be added and is on the list already: "remind me on Wednesday to call the landlord", where "Call landlord" is open.
//! It is one task, and not two; a date that was said is the date that it lacked.

use serde_json::{Map, Value, json};

use super::Answer;
use super::act::{Scene, add_arguments, object, undo};
use super::dates::Due;
use super::dialogue::{Called, Turn, last_change, number};
use super::normalise::capitalised;
use super::parse::NewTask;
use super::reply;

/// The arguments that add a task, under the title of an open one that says the same: the tool tells that there is one.
pub(crate) fn arguments(scene: &Scene<'_>, task: &NewTask) -> Map<String, Value> {
    let lower = task.title.to_lowercase();
    match scene.titles.same(&lower.split(' ').collect::<Vec<_>>()) {
        Some(title) => add_arguments(&NewTask { title: title.to_owned(), ..task.clone() }),
        None => add_arguments(task),
    }
}

/// The dates for tasks that somebody is to be reminded of, are there, and have none yet. None if there are no such tasks, or it was
/// done. Who says "add" may want another one, and is asked.
pub(crate) fn dated(turn: &Turn<'_>) -> Option<Answer> {
    let lower = turn.user.to_lowercase();
    if lower.split(|letter: char| !letter.is_alphanumeric()).any(|word| matches!(word, "add" | "new" | "another")) {
        return None;
    }
    let calls: Vec<(&'static str, Map<String, Value>)> =
        turn.calls.iter().filter(|called| !is_dated(turn, called)).filter_map(date_for).collect();
    (!calls.is_empty()).then(|| Answer { text: String::new(), calls })
}

fn date_for(called: &Called<'_>) -> Option<(&'static str, Map<String, Value>)> {
    let due = called.argument("due").filter(|_| called.status() == "exists")?;
    let task = called.task().filter(|task| task.due.is_none())?;
    Some(("set_due", object(json!({"id": task.id, "due": due}))))
}

/// Whether a task that is there already got its date in this turn.
pub(crate) fn is_dated(turn: &Turn<'_>, called: &Called<'_>) -> bool {
    let Some(task) = called.task().filter(|_| called.status() == "exists") else { return false };
    turn.calls.iter().any(|other| other.call.name == "set_due" && other.call.arguments.get("id") == Some(task.id))
}

/// The name of the task that was asked for and is not on the list.
fn unfound(turn: &Turn<'_>) -> Option<String> {
    let [called] = turn.calls.as_slice() else { return None };
    let named = match called.status() {
        "not_found" => called.field("query").and_then(Value::as_str).or_else(|| called.argument("title")),
        "ok" if called.call.name == "list_tasks" && number(called.field("total")) == Some(0) => {
            called.argument("query")
        }
        _ => None,
    };
    named.filter(|named| !named.is_empty()).map(capitalised)
}

/// What is said of a task that was just added, when the caller says that it is to be.
pub(crate) const IS_THERE: &str = " is on your list. Anything else?";

/// "Add that", with a day or without: what was just deleted, or asked for and not found. What was offered is an answer.
pub(crate) fn add_that(scene: &Scene<'_>, due: Option<Due>) -> Answer {
    let last = scene.history().last();
    if let Some(title) = last.and_then(unfound) {
        return Answer::call("add_task", add_arguments(&NewTask { title, due, priority: None }));
    }
    match last.and_then(last_change) {
        Some(change) if change.call.name == "delete_task" => undo(scene),
        // "Yes, add it", and it is there.
        Some(change) if change.call.name == "add_task" => {
            if let Some((task, due)) = change.task().zip(due) {
                return Answer::call("set_due", object(json!({"id": task.id, "due": due.to_argument()})));
            }
            let title = change.task().map_or_else(|| "It".to_owned(), |task| reply::spoken(task.title));
            Answer::say(format!("{title}{IS_THERE}"))
        }
        _ => Answer::say("What should the task be called?"),
    }
}
