//! Which tasks a command is about, as the tools are told.

use serde_json::{Map, Value, json};

use super::act::{MAX_TARGETS, MOST_AT_ONCE, Scene, object};
use super::dialogue::{self, TaskView, Turn};
use super::parse::{Pick, Target};
use super::reply;

pub(crate) fn by_id(task: &TaskView<'_>) -> Map<String, Value> {
    let mut key = Map::new();
    key.insert("id".into(), task.id.clone());
    key
}

/// The arguments for all tasks but those that are kept.
pub(crate) fn all_but(
    scene: &Scene<'_>,
    kept: &[Target],
    mut arguments: Map<String, Value>,
) -> Result<Map<String, Value>, String> {
    let mut names: Vec<Value> = Vec::new();
    for target in kept {
        names.extend(locate(scene, target)?.into_iter().flat_map(|key| key.into_iter().map(|(_, name)| name)));
    }
    if !names.is_empty() {
        arguments.insert("except".into(), names.into());
    }
    Ok(arguments)
}

/// How a tool is told which task is meant; or the question to ask first.
pub(crate) fn locate(scene: &Scene<'_>, target: &Target) -> Result<Vec<Map<String, Value>>, String> {
    let history = scene.history();
    match target {
        Target::Title(title) => {
            let title = scene.titles.joined(title).unwrap_or(title);
            Ok(vec![object(json!({"title": title}))])
        }
        Target::All(kept) => Ok(vec![all_but(scene, kept, object(json!({"all": true})))?]),
        Target::It => match dialogue::focus(history).as_slice() {
            // There is but one; unless another one was spoken of, and not understood.
            [] => match scene.request.titles.as_slice() {
                [only] if history.last().is_none_or(|turn| !reply::is_lost(&turn.reply)) => {
                    Ok(vec![object(json!({"title": only}))])
                }
                _ => Err("Which task do you mean? Please say its name.".into()),
            },
            [task] => Ok(vec![by_id(task)]),
            several => Err(reply::which(several.iter().map(|task| task.title))),
        },
        Target::Them => {
            let tasks = dialogue::focus(history);
            // "I did both": there are but two.
            if let ([], [first, second]) = (tasks.as_slice(), scene.request.titles.as_slice()) {
                return Ok([first, second].map(|title| object(json!({"title": title}))).to_vec());
            }
            // "Set all of them to Saturday": nothing else can be meant.
            let said = scene.current().map_or("", |turn| turn.user).to_lowercase();
            if tasks.is_empty()
                && said.contains("all of them")
                && (2..=MAX_TARGETS).contains(&scene.request.titles.len())
            {
                return Ok(scene.request.titles.iter().map(|title| object(json!({"title": title}))).collect());
            }
            if tasks.is_empty() {
                return Err("Which tasks do you mean? Please say their names.".into());
            }
            // "I did both", where four were read out.
            if counted_as(&said).is_some_and(|count| count < tasks.len()) {
                return Err(reply::which(tasks.iter().map(|task| task.title)));
            }
            Ok(tasks.iter().take(MAX_TARGETS).map(by_id).collect())
        }
        Target::Those(text) => {
            let tasks = scene.looked().unwrap_or_default();
            match tasks.len() {
                0 => Err("There are no such tasks on your list.".into()),
                count if text.starts_with("both ") && count != 2 => {
                    Err(reply::which(tasks.iter().map(|task| task.title)))
                }
                1..=MOST_AT_ONCE => Ok(tasks.iter().map(by_id).collect()),
                count => Err(format!("Those are {count} tasks, too many to change at once. Please name them.")),
            }
        }
        Target::Picked(picks) if picks.as_slice() == [Pick::Others] => others(scene),
        Target::Picked(picks) => {
            if let Some(task) = latest(scene, picks) {
                return Ok(vec![by_id(&task)]);
            }
            let told = counted_for(history, picks);
            let tasks = if told.len() < 2 { dialogue::counted(scene.turns) } else { told };
            if let Some(other) = the_unchanged(history, picks, &tasks) {
                return Ok(vec![by_id(&other)]);
            }
            let picked = choose(picks, &tasks);
            if picked.is_empty() {
                return Err(match tasks.len() {
                    0 => "Which task do you mean? Please say its name.".into(),
                    1 => format!("I only know of one just now: {}.", tasks[0].title),
                    count => format!("There were only {count}. Which one do you mean?"),
                });
            }
            Ok(picked.iter().map(by_id).collect())
        }
    }
}

/// How many are meant by words that point: two by "both".
fn counted_as(said: &str) -> Option<usize> {
    let words: Vec<&str> = said.split(|mark: char| !mark.is_alphanumeric()).collect();
    let says = |pair: &[&str]| words.windows(2).any(|two| two == pair);
    if words.contains(&"both") || says(&["those", "two"]) || says(&["these", "two"]) {
        return Some(2);
    }
    says(&["all", "three"]).then_some(3)
}

/// The tasks that picks are counted in: for "both of them" the two that were added since a list was read out, if there are.
fn counted_for<'a>(history: &[Turn<'a>], picks: &[Pick]) -> Vec<TaskView<'a>> {
    let told = dialogue::counted(history);
    let added = dialogue::added(history);
    if *picks == [Pick::Both] && told.len() != 2 && added.len() == 2 { added } else { told }
}

/// Asked "A or B?", and one of them changed since: "the other one" is the one that was not.
fn the_unchanged<'a>(history: &[Turn<'a>], picks: &[Pick], tasks: &[TaskView<'a>]) -> Option<TaskView<'a>> {
    let focus = dialogue::focus(history);
    let ([Pick::Other], [changed]) = (picks, focus.as_slice()) else { return None };
    let mut rest = tasks.iter().filter(|task| task.id != changed.id);
    rest.next().filter(|_| rest.next().is_none()).copied()
}

/// "The others", "the rest": of the tasks that were read out, those that are open and not the one that was spoken of since; without
/// such a list, or where more are on the list than were read out, all but that one.
fn others(scene: &Scene<'_>) -> Result<Vec<Map<String, Value>>, String> {
    let history = scene.history();
    let focus = dialogue::focus(history);
    let is_one = |task: &TaskView<'_>| focus.iter().any(|one| one.id == task.id);
    let told = dialogue::counted(history);
    let others: Vec<&TaskView<'_>> = told.iter().filter(|task| !task.done && !is_one(task)).collect();
    let said = scene.current().map_or("", |turn| turn.user).to_lowercase();
    let counted = [("other two", 2), ("other three", 3), ("other four", 4)];
    if let Some((_, count)) = counted.iter().find(|(words, _)| said.contains(words))
        && others.len() != *count
        && told.len() > 1
    {
        return Err(reply::which(others.iter().map(|task| task.title)));
    }
    let spoken_of = others.len() < told.len();
    if others.is_empty() || others.len() > MAX_TARGETS || !(spoken_of || dialogue::is_of_a_kind(history)) {
        return locate(scene, &Target::All(vec![Target::It]));
    }
    Ok(others.into_iter().map(by_id).collect())
}

/// "The last one", where one task was spoken of last: that is meant, and not the end of a list.
pub(crate) fn latest<'a>(scene: &Scene<'a>, picks: &[Pick]) -> Option<TaskView<'a>> {
    let history = scene.history();
    let focus = dialogue::focus(history);
    // A list that was read out has a last one, whatever was changed of it since; a new task is the last of all.
    let is_new = || {
        let change = history.iter().rev().find_map(dialogue::last_change);
        change.is_some_and(|change| change.call.name == "add_task")
    };
    match (picks, focus.as_slice()) {
        ([Pick::Last], [only]) if dialogue::counted(history).len() < 2 || is_new() => Some(*only),
        _ => None,
    }
}

/// The tasks that were picked; none if any of the picks does not exist.
pub(crate) fn choose<'a>(picks: &[Pick], among: &[TaskView<'a>]) -> Vec<TaskView<'a>> {
    let mut chosen = Vec::new();
    for pick in picks {
        match pick {
            Pick::Nth(at) => match among.get(*at) {
                Some(task) => chosen.push(*task),
                None => return Vec::new(),
            },
            // Asked "A or B?", "the other one" is B.
            Pick::Other => chosen.extend(among.get(1).copied()),
            Pick::BeforeLast => chosen.extend(among.len().checked_sub(2).and_then(|at| among.get(at)).copied()),
            Pick::Last => chosen.extend(among.last().copied()),
            Pick::Both => chosen.extend(among.iter().take(2).copied()),
            // Which those are, only the one that was spoken of tells.
            Pick::Others => {}
            Pick::All => chosen.extend(among.iter().take(MAX_TARGETS).copied()),
        }
    }
    chosen
}
