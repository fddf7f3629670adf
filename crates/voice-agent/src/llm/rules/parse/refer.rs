//! Pronouns within one breath: in "add milk and make it urgent", "it" is the milk.

use super::{Intent, Target};

/// Commands of one breath, each "it" and "them" replaced by what the command before was about. The tasks are named by
/// their titles, because a task that is still to be added has no id yet.
pub(crate) fn chain(intents: Vec<Intent>) -> Vec<Intent> {
    let mut touched: Vec<Target> = Vec::new();
    let mut chained = Vec::with_capacity(intents.len());
    for intent in intents {
        let resolved = replaced(intent, &touched);
        for intent in &resolved {
            if let Some(now) = touches(intent) {
                touched = now;
            }
        }
        if let [Intent::SetDue(..) | Intent::SetPriority(..), _, ..] = resolved.as_slice() {
            // One pronoun became several commands: they stay what the next one refers to.
            touched = resolved.iter().filter_map(touches).flatten().collect();
        }
        chained.extend(resolved);
    }
    // "That one isn't done. Mark it as not done" is one command, told twice.
    chained.dedup_by(|a, b| a == b && matches!(a, Intent::Reopen(_) | Intent::Complete(_) | Intent::Delete(_)));
    chained
}

/// The tasks that a command is about; None if it leaves open what was spoken of before.
fn touches(intent: &Intent) -> Option<Vec<Target>> {
    let one = |target: &Target| Some(vec![target.clone()]);
    match intent {
        Intent::Add(tasks) => Some(tasks.iter().map(|task| Target::Title(task.title.clone())).collect()),
        Intent::Complete(targets) | Intent::Delete(targets) => Some(targets.clone()),
        Intent::Reopen(target)
        | Intent::SetDue(target, _)
        | Intent::Shift(target, _)
        | Intent::SetPriority(target, _) => one(target),
        Intent::Rename(_, new) => Some(vec![Target::Title(new.clone())]),
        Intent::Again(name, arguments) if name == "add_task" => {
            let title = arguments.get("title").and_then(serde_json::Value::as_str)?;
            Some(vec![Target::Title(title.to_owned())])
        }
        Intent::DeleteScope(..) | Intent::Again(..) | Intent::Undo => Some(Vec::new()),
        _ => None,
    }
}

/// What a target means after `touched`.
fn meant(target: Target, touched: &[Target]) -> Vec<Target> {
    match (&target, touched) {
        (Target::It, [.., last]) => vec![last.clone()],
        (Target::Them, [_, ..]) => touched.to_vec(),
        _ => vec![target],
    }
}

fn replaced(intent: Intent, touched: &[Target]) -> Vec<Intent> {
    let all = |targets: Vec<Target>| targets.into_iter().flat_map(|target| meant(target, touched)).collect();
    let each = |target, build: &dyn Fn(Target) -> Intent| meant(target, touched).into_iter().map(build).collect();
    match intent {
        Intent::Complete(targets) => vec![Intent::Complete(all(targets))],
        Intent::Delete(targets) => vec![Intent::Delete(all(targets))],
        Intent::Reopen(target) => each(target, &Intent::Reopen),
        Intent::SetDue(target, due) => each(target, &|target| Intent::SetDue(target, due)),
        Intent::Shift(target, shift) => each(target, &|target| Intent::Shift(target, shift)),
        Intent::SetPriority(target, priority) => each(target, &|target| Intent::SetPriority(target, priority)),
        Intent::Rename(target, new) => each(target, &|target| Intent::Rename(target, new.clone())),
        other => vec![other],
    }
}
