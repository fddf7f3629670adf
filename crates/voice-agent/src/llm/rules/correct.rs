//! Corrections: "no, I meant Friday", "the other one".

use super::act::Scene;
use super::answer::{again_by_title, again_with, another_day};
use super::context::{self, corrected_title};
use super::dates;
use super::dialogue::{self, Called, Pending, Turn};
use super::locate::choose;
use super::normalise::{Word, norms, title};
use super::parse::{self, Intent, Target};

/// "No, I meant Friday": corrects what the turn before did, or did not find.
pub(crate) fn correct(scene: &Scene<'_>, previous: &Turn<'_>, words: &[Word]) -> Option<Vec<Intent>> {
    let known = scene.known();
    let norm = norms(words);
    // "No, make that three weeks": from today, as before.
    let distance = || dates::parse(&[&["in"], norm.as_slice()].concat(), known.now).filter(|_| norm.len() > 1);
    let due =
        dates::parse(&norm, known.now).or_else(|| context::another_time(scene, previous, &norm)).or_else(distance);
    let priority = parse::find_priority(&norm);
    if let Some(renamed) = a_word_for_another(previous, words) {
        return Some(vec![renamed]);
    }
    if let Some(other) = another_of_them(scene, previous, &norm) {
        return Some(other);
    }
    let unfound = previous.calls.iter().rev().find(|called| matches!(called.status(), "not_found" | "ambiguous"));
    if let (Some(called), None) = (unfound, due) {
        return Some(vec![again_by_title(called, &title(words))]);
    }
    let taken_back = previous.calls.iter().any(|called| called.status() == "undone");
    if let (true, [.., before, _]) = (taken_back, scene.history()) {
        // "I did A" … "undo" … "I meant B".
        let change = dialogue::last_change(before).filter(|change| change.call.name != "add_task")?;
        return known.titles.named(&norm).map(|named| vec![again_by_title(&change, named)]);
    }
    if let Some(dated) = one_of_several(scene, previous, &norm) {
        return Some(vec![dated]);
    }
    let Some(change) = dialogue::last_change(previous) else {
        let listed = previous.calls.iter().rev().find(|called| called.call.name == "list_tasks")?;
        return Some(vec![another_day(listed, due?)]);
    };
    if let (Some(due), false) = (due, change.call.name == "delete_task") {
        return Some(vec![Intent::SetDue(Target::It, Some(due))]);
    }
    if let (Some(priority), false) = (priority, change.call.name == "delete_task") {
        return Some(vec![Intent::SetPriority(Target::It, priority)]);
    }
    if let ["the" | "that", "other", rest @ ..] | ["other", rest @ ..] = norm.as_slice()
        && let Some(other) = other_than(scene, &change, rest)
    {
        return Some(vec![Intent::Undo, again_by_title(&change, &other)]);
    }
    // "I meant the pears", and there are some: the wrong one was renamed.
    if change.call.name == "rename_task"
        && let Some(other) = known.titles.named(&norm)
        && change.task().is_none_or(|task| task.title != other)
    {
        return Some(vec![Intent::Undo, again_by_title(&change, other)]);
    }
    match change.call.name.as_str() {
        "add_task" | "rename_task" => {
            let task = parse::new_tasks(words, false, known).into_iter().next()?;
            let dated = dates::find_trailing(&norm, known.now).map_or(words.len(), |(start, _)| start);
            let old = change.task().map_or("", |task| task.title);
            let new = if dated == words.len() { corrected_title(old, words) } else { task.title };
            let mut intents = vec![Intent::Rename(Target::It, new)];
            if task.due.is_some() {
                intents.push(Intent::SetDue(Target::It, task.due));
            }
            Some(intents)
        }
        // The wrong task was changed: take that back, and change the right one. Words that name none correct nothing.
        _ => {
            let near = known.titles.near(&norm);
            let named =
                near.iter().any(|(share, _)| *share >= 0.5) || change.call.name == "complete_task" && near.len() == 1;
            // The one that fits best, in full: what was changed may sound like it.
            let most = near.iter().map(|(share, _)| *share).fold(0.0, f64::max);
            let mut best = near.iter().filter(|(share, _)| *share >= most && most >= 0.99).map(|(_, title)| *title);
            let only = best.next().filter(|_| best.next().is_none()).map_or_else(|| title(words), str::to_owned);
            named.then(|| vec![Intent::Undo, again_by_title(&change, &only)])
        }
    }
}

/// "The long day's Sunday", of several that were added: the one that is named.
fn one_of_several(scene: &Scene<'_>, previous: &Turn<'_>, norm: &[&str]) -> Option<Intent> {
    let known = scene.known();
    let (start, due) = dates::find_trailing(norm, known.now).filter(|(start, _)| *start > 0)?;
    let named: Vec<&str> = norm[..start]
        .iter()
        .map(|word| word.trim_end_matches("'s"))
        .filter(|word| !matches!(*word, "is" | "are" | "on" | "due" | "for" | "to" | "the" | "should" | "be"))
        .collect();
    let title = known.titles.named(&named).filter(|_| dialogue::changes_of(previous).count() > 1)?;
    Some(Intent::SetDue(Target::Title(title.to_owned()), Some(due)))
}

/// "I meant buy, not byu": one word of the title for another.
fn a_word_for_another(previous: &Turn<'_>, words: &[Word]) -> Option<Intent> {
    let at = words.iter().position(|word| word.norm == "not").filter(|at| *at > 0 && at + 1 < words.len())?;
    let change = dialogue::last_change(previous)
        .filter(|change| matches!(change.call.name.as_str(), "add_task" | "rename_task"))?;
    let old = change.task()?.title;
    let wrong = norms(&words[at + 1..]);
    let of_old: Vec<&str> = old.split(' ').collect();
    let place = of_old
        .windows(wrong.len())
        .position(|part| part.iter().zip(&wrong).all(|(word, wrong)| word.to_lowercase() == *wrong))?;
    let said: Vec<&str> = words[..at].iter().map(|word| word.raw.as_str()).collect();
    let new = [&of_old[..place], &said, &of_old[place + wrong.len()..]].concat().join(" ");
    Some(Intent::Rename(Target::It, super::normalise::capitalised(&new)))
}

/// "No, the first": another of those between which the caller chose, or which were read out.
fn another_of_them(scene: &Scene<'_>, previous: &Turn<'_>, words: &[&str]) -> Option<Vec<Intent>> {
    let picks = parse::pick(&words.join(" "))?;
    let change = dialogue::last_change(previous).filter(|change| change.call.name != "add_task")?;
    let history = scene.history();
    let among = history.iter().rev().take(3).find_map(|turn| match dialogue::pending(turn) {
        Some(Pending::Choose { among, .. }) if among.len() > 1 => Some(among),
        _ => None,
    });
    let chosen = choose(&picks, &among?);
    let [task] = chosen.as_slice() else { return None };
    let again = again_with(&change.call.name, &change.call.arguments, task);
    (change.task()?.id != task.id).then(|| vec![Intent::Undo, again])
}

/// The one open task that is like the one that was changed but is not it: "the other one", "the other report".
pub(crate) fn other_than(scene: &Scene<'_>, change: &Called<'_>, words: &[&str]) -> Option<String> {
    let changed = change.task()?.title;
    let lower = changed.to_lowercase();
    let of_it: Vec<&str> = lower.split(' ').collect();
    let words: Vec<&str> = words.iter().copied().filter(|word| !matches!(*word, "one" | "task")).collect();
    let mut near = scene.titles.near(if words.is_empty() { &of_it } else { &words });
    near.retain(|(share, title)| *title != changed && (words.is_empty() || *share >= 0.99));
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    match near.as_slice() {
        [(_, only)] => Some((*only).to_owned()),
        [(first, title), (second, _), ..] if first > second => Some((*title).to_owned()),
        _ => None,
    }
}
