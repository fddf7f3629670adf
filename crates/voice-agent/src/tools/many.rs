//! Calls that change all tasks at once, but for those that the caller excepts. Each is one action to undo.

use serde_json::{Value, json};
use voice_core::chat::ToolCall;

use super::args::{Args, Fault};
use super::execute::{Run, answer, by_id, changed, named, not_found};
use super::matching::TitleMatch;
use super::{Asked, ToolRun};
use crate::tasks::{Task, TaskChange, TaskId, TaskList, TaskStatus};

/// The tasks that `except` names, or the answer that says that there is no such task: then nothing may change.
fn kept<'a>(args: &Args<'_>, list: &'a TaskList) -> Result<Result<Vec<&'a Task>, ToolRun>, Fault> {
    let mut kept: Vec<&Task> = Vec::new();
    for name in args.texts("except")? {
        let tasks = match by_id(name, list) {
            Some(task) => vec![task],
            // What is gone needs no keeping.
            None if TaskId::parse(name).is_ok() => Vec::new(),
            None => match named(name, list, TaskStatus::Open) {
                TitleMatch::Exact(task) | TitleMatch::One(task) => vec![task],
                // "All except the calls": where a name fits several, all of them are left alone.
                TitleMatch::Ambiguous(tasks) => tasks,
                TitleMatch::None { suggestions } => return Ok(Err(not_found(name, &suggestions))),
            },
        };
        for task in tasks {
            if !kept.contains(&task) {
                kept.push(task);
            }
        }
    }
    Ok(Ok(kept))
}

/// An answer about many tasks: how many, and which were kept.
fn counted(status: &str, count: usize, kept: &[&Task]) -> Value {
    let mut output = json!({"status": status, "count": count});
    if !kept.is_empty() {
        output["kept"] = json!(kept);
    }
    output
}

/// Changes every open task that is not excepted. Those that `admits` leaves out, because they have no date to move, stay as they
/// are, and are counted as `undated`.
pub(super) fn change_all(
    call: &ToolCall,
    args: &Args<'_>,
    list: &TaskList,
    status: &str,
    admits: impl Fn(&Task) -> bool,
    change: impl Fn(&Task) -> Task,
) -> Run {
    let kept = match kept(args, list)? {
        Ok(kept) => kept,
        Err(run) => return Ok(run),
    };
    let all = list.open().filter(|task| !kept.contains(task));
    let (meant, undated): (Vec<&Task>, Vec<&Task>) = all.partition(|task| admits(task));
    let update = |task: &&Task| TaskChange::Updated { before: (*task).clone(), after: change(task) };
    let differs = |change: &TaskChange| matches!(change, TaskChange::Updated { before, after } if before != after);
    let changes: Vec<TaskChange> = meant.iter().map(update).filter(differs).collect();
    if changes.is_empty() && !meant.is_empty() {
        return Ok(answer(counted("already", meant.len(), &kept)));
    }
    let mut output = counted(status, meant.len(), &kept);
    if !undated.is_empty() {
        output["undated"] = undated.len().into();
    }
    Ok(changed(&call.name, changes, output))
}

/// Deletes every task of the scope that is not excepted, once that is confirmed, by a yes to one of `questions`. A yes is
/// good for the tasks that were asked about, and no others: their ids come back in `asked`, and if the tasks are others by
/// now, it is asked again.
pub(super) fn delete_many(args: &Args<'_>, list: &TaskList, scope: &str, questions: Option<&Asked>) -> Run {
    let kept = match kept(args, list)? {
        Ok(kept) => kept,
        Err(run) => return Ok(run),
    };
    let doomed = list.tasks.iter().filter(|task| (scope == "all" || !task.is_open()) && !kept.contains(task));
    let doomed: Vec<Task> = doomed.cloned().collect();
    let asked = args.texts("asked")?;
    let more = !asked.is_empty() && doomed.iter().any(|task| !asked.contains(&task.id.as_str()));
    // Nothing to lose, nothing to ask.
    let asks = !doomed.is_empty() && (more || !questions.is_some_and(|questions| questions.about_all(&doomed)));
    let mut output = counted(if asks { "needs_confirmation" } else { "deleted" }, doomed.len(), &kept);
    output["scope"] = scope.into();
    if asks {
        output["ids"] = doomed.iter().map(|task| task.id.as_str()).collect();
        return Ok(answer(output));
    }
    Ok(changed("delete_task", doomed.into_iter().map(TaskChange::Deleted).collect(), output))
}
