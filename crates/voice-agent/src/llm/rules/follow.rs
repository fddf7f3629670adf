//! Follow-ups to a change: another task for it, another change for another task, or both, with the verb left out ("and the other
//! one to Wednesday", "same for the milk", "the report on Friday").

use super::act::Scene;
use super::answer::again_by_title;
use super::apart::day_from;
use super::correct::other_than;
use super::dates;
use super::dialogue::{self, Called, Turn};
use super::locate::choose;
use super::normalise::{Utterance, Word, norms};
use super::parse::{self, Intent, Pick, Priority, Talk, Target};

/// What is changed of a task, as a follow-up says it.
#[derive(Debug, Clone, Copy)]
enum Change {
    Due(dates::Due),
    Priority(Priority),
    /// What was done before.
    Same,
}

/// The commands that a follow-up stands for; None if it is none.
pub(crate) fn follow(
    scene: &Scene<'_>,
    last: &Turn<'_>,
    utterance: &Utterance,
    intent: &Intent,
) -> Option<Vec<Intent>> {
    let open = matches!(intent, Intent::Unknown | Intent::Offer(_) | Intent::Add(_) | Intent::Talk(Talk::OffTopic));
    if !open || utterance.words.len() > 14 {
        return None;
    }
    // What was not found is meant by another name.
    if let Some(unfound) = last.calls.iter().rev().find(|called| called.status() == "not_found") {
        let title = scene.titles.named(&norms(&utterance.words)).filter(|_| !matches!(intent, Intent::Add(_)))?;
        return Some(vec![again_by_title(unfound, title)]);
    }
    let done = dialogue::last_change(last)?;
    let (words, is_more, is_same) = bare(&utterance.words);
    // "And eggs" behind an addition is added, which is another matter.
    let adds = matches!(done.call.name.as_str(), "add_task" | "rename_task");
    if words.is_empty() || adds && matches!(intent, Intent::Add(_)) {
        return None;
    }
    let (named, change) = divided(scene, &done, words);
    if matches!(change, Change::Same) && !(is_same || is_more && !adds) {
        return None;
    }
    if matches!(change, Change::Same) && adds {
        return same_as_added(scene, &done, named);
    }
    let targets = references(scene, &done, named)?;
    let each = targets.into_iter().map(|target| match (change, target) {
        (Change::Due(due), target) => Some(Intent::SetDue(target, Some(due))),
        (Change::Priority(priority), target) => Some(Intent::SetPriority(target, priority)),
        (Change::Same, Target::Title(title)) => Some(again_by_title(&done, &title)),
        (Change::Same, _) => None,
    });
    each.collect()
}

/// The words without what only joins them to the sentence before; whether they say "and" or "too", and whether they say "the
/// same".
fn bare(words: &[Word]) -> (&[Word], bool, bool) {
    let joins = |word: &&Word| {
        matches!(word.norm.as_str(), "and" | "also" | "plus" | "then" | "oh" | "but" | "now" | "please" | "ok" | "okay")
    };
    let lead = words.iter().take_while(joins).count();
    let mut rest = &words[lead..];
    let mut more = words[..lead].iter().any(|word| matches!(word.norm.as_str(), "and" | "also" | "plus" | "then"));
    while let [head @ .., last] = rest
        && matches!(last.norm.as_str(), "too" | "also" | "please" | "well" | "as")
    {
        more |= last.norm != "please";
        rest = head;
    }
    const SAME: [&[&str]; 8] = [
        &["do", "the", "same", "with"],
        &["do", "the", "same", "for"],
        &["do", "the", "same", "to"],
        &["the", "same", "goes", "for"],
        &["same", "goes", "for"],
        &["the", "same", "for"],
        &["same", "with"],
        &["same", "for"],
    ];
    let norm = norms(rest);
    match SAME.iter().find(|phrase| norm.starts_with(phrase)) {
        Some(phrase) => (&rest[phrase.len()..], true, true),
        None => (rest, more, false),
    }
}

/// The words that name tasks, and what is to become of them.
fn divided<'w>(scene: &Scene<'_>, done: &Called<'_>, words: &'w [Word]) -> (&'w [Word], Change) {
    let norm = norms(words);
    let links = |word: &Word| matches!(word.norm.as_str(), "to" | "on" | "for" | "by" | "is" | "at" | "as" | "until");
    let cut = |start: usize| {
        let end = words[..start].iter().rposition(|word| !links(word)).map_or(0, |at| at + 1);
        &words[..end]
    };
    if let Some((start, due)) = dates::find_trailing(&norm, scene.known().now).filter(|(start, _)| *start > 0) {
        return (cut(start), Change::Due(due));
    }
    // "And read to the day after".
    if let Some((start, due)) = day_from(scene, done, &norm).filter(|(start, _)| !cut(*start).is_empty()) {
        return (cut(start), Change::Due(due));
    }
    let priority = (1..words.len()).find_map(|start| {
        let said = &norm[start..];
        // "And the second one low", where another was made urgent.
        let as_before = done.call.name == "set_priority" && matches!(said, ["high" | "low" | "normal"]);
        let graded = as_before
            || said.iter().any(|word| matches!(*word, "priority" | "urgent" | "important"))
            || matches!(said, ["to", "high" | "low" | "normal"]);
        graded.then(|| parse::find_priority(said)).flatten().map(|priority| (start, priority))
    });
    match priority.filter(|(start, _)| !cut(*start).is_empty()) {
        Some((start, priority)) => (cut(start), Change::Priority(priority)),
        None => (words, Change::Same),
    }
}

/// The tasks that the words mean, each of which is known: by name, by its place, or as the other one.
fn references(scene: &Scene<'_>, done: &Called<'_>, words: &[Word]) -> Option<Vec<Target>> {
    if words.is_empty() {
        return None;
    }
    let norm = norms(words);
    if let Some(picks) = parse::pick(&norm.join(" ")) {
        return match picks.as_slice() {
            [Pick::Other] => other(scene, done).map(|title| vec![Target::Title(title)]),
            [Pick::Others] => Some(vec![Target::Picked(picks)]),
            _ => {
                let chosen = choose(&picks, &dialogue::counted(scene.history()));
                let titles = chosen.iter().map(|task| Target::Title(task.title.to_owned()));
                Some(titles.collect::<Vec<_>>()).filter(|chosen| !chosen.is_empty())
            }
        };
    }
    if let Some(title) = scene.titles.named(&norm) {
        return Some(vec![Target::Title(title.to_owned())]);
    }
    let parts = parse::joined_titles(words, true, scene.known());
    let each = parts.iter().map(|part| scene.titles.named(&norms(part)).map(|title| Target::Title(title.to_owned())));
    each.collect::<Option<Vec<_>>>().filter(|named| named.len() > 1)
}

/// "The other one": of those that were read out, of all, or of those with a like name.
fn other(scene: &Scene<'_>, done: &Called<'_>) -> Option<String> {
    let changed = done.task()?;
    let among = dialogue::counted(scene.history());
    let others: Vec<&str> = among.iter().filter(|task| task.id != changed.id).map(|task| task.title).collect();
    let open: Vec<&str> =
        scene.request.titles.iter().map(String::as_str).filter(|title| *title != changed.title).collect();
    match (others.as_slice(), open.as_slice()) {
        ([only], _) | (_, [only]) => Some((*only).to_owned()),
        _ => other_than(scene, done, &[]),
    }
}

/// "Same for the milk" behind a new task: the due date and the priority that it was given.
fn same_as_added(scene: &Scene<'_>, done: &Called<'_>, named: &[Word]) -> Option<Vec<Intent>> {
    let task = done.task()?;
    let targets = references(scene, done, named)?;
    let due = task.due.and_then(|due| dates::due_date(due, &scene.request.now));
    let mut intents = Vec::new();
    for target in targets {
        intents.extend(due.map(|due| Intent::SetDue(target.clone(), Some(due))));
        let priority = parse::find_priority(&[task.priority]).filter(|_| task.priority != "normal");
        intents.extend(priority.map(|priority| Intent::SetPriority(target, priority)));
    }
    Some(intents).filter(|intents| !intents.is_empty())
}
