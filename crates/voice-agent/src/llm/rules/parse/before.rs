//! A sentence in front that says something of the task behind it: its day, how urgent it is, or only why it is told.

use super::super::dates::{self, Due};
use super::super::normalise::{Utterance, Word, norms};
use super::super::titles;
use super::{Intent, Known, NewTask, Talk, Target, courtesy, find_priority, parse_one};

/// What both sentences come to; None if the first says nothing of the second.
pub(super) fn parse(first: &Utterance, second: &Utterance, known: Known<'_>) -> Option<Intent> {
    named_as(first, second, known)
        .or_else(|| flagged(first, second, known))
        .or_else(|| day_told_before(first, second, known))
        .or_else(|| asked_again(first, second, known))
        .or_else(|| meant(first, second, known))
        .or_else(|| settled_on(first, second, known))
}

/// "It's on December the third at eleven. Can you add it as job interview in Cardiff?"
fn named_as(first: &Utterance, second: &Utterance, known: Known<'_>) -> Option<Intent> {
    let plain = courtesy::without_courtesies(second);
    let norm = norms(&plain.words);
    let from = match norm.as_slice() {
        [
            "add" | "put" | "save" | "note" | "enter" | "write",
            "it" | "that" | "this",
            "as" | "under" | "called",
            _,
            ..,
        ] => 3,
        ["add" | "put" | "save" | "note" | "enter" | "write", "it" | "that" | "this", "down" | "in", "as", _, ..] => 4,
        ["call" | "name", "it" | "that", _, ..] if told_day(first, known).is_some() => 2,
        _ => return None,
    };
    // "Put it as done", "note it as urgent", "save it as Friday" name nothing.
    let named = &norm[from..];
    let state = matches!(named[0], "done" | "finished" | "complete" | "completed" | "open");
    if state || find_priority(named).is_some() || dates::parse(named, known.now).is_some() {
        return None;
    }
    let task = super::new_tasks(&plain.words[from..], false, known).into_iter().next()?;
    let due = task.due.or_else(|| told_day(first, known));
    Some(Intent::Add(vec![NewTask { due, ..task }]))
}

/// "This one's urgent. Collect the insulin today."
fn flagged(first: &Utterance, second: &Utterance, known: Known<'_>) -> Option<Intent> {
    let norm = norms(&first.words);
    let rest = match norm.as_slice() {
        ["this" | "the", "one's" | "next", rest @ ..]
        | ["this", "one", "is", rest @ ..]
        | ["this", "is", rest @ ..] => rest,
        _ => return None,
    };
    let rest = rest.strip_prefix(&["one", "is"]).or_else(|| rest.strip_prefix(&["one's"])).unwrap_or(rest);
    let priority = find_priority(rest)?;
    match parse_one(second, known) {
        Intent::Add(mut tasks) | Intent::Offer(mut tasks) => {
            for task in &mut tasks {
                task.priority = task.priority.or(Some(priority));
            }
            Some(Intent::Add(tasks))
        }
        _ => None,
    }
}

/// "I've made an appointment with the physio for next Tuesday at one. Please add physio appointment."
fn day_told_before(first: &Utterance, second: &Utterance, known: Known<'_>) -> Option<Intent> {
    let Intent::Add(tasks) = parse_one(second, known) else { return None };
    let [task @ NewTask { due: None, .. }] = tasks.as_slice() else { return None };
    let due = told_day(first, known)?;
    let asks = first.words.iter().any(Word::asks);
    let told = norms(&first.words);
    // It is of the same thing: most of what the title says was said before.
    let same = titles::fit(&task.title.to_lowercase().split(' ').collect::<Vec<_>>(), &told.join(" ")) > 0.5;
    // "The plumber came on Monday" is over.
    let past = told.iter().any(|word| matches!(*word, "came" | "was" | "were" | "had" | "did" | "went"));
    let command = parse_one(first, known).is_command();
    let title = task.title.strip_suffix(" for then").unwrap_or(&task.title).to_owned();
    (same && !asks && !past && !command).then(|| Intent::Add(vec![NewTask { title, due: Some(due), ..task.clone() }]))
}

/// The day that a sentence ends in.
fn told_day(first: &Utterance, known: Known<'_>) -> Option<Due> {
    let words = norms(&first.words);
    dates::find_trailing(&words, known.now).map(|(_, due)| due).filter(|due| due.day_said)
}

/// "I had the tap running. Can you say that again?"
fn asked_again(first: &Utterance, second: &Utterance, known: Known<'_>) -> Option<Intent> {
    let ends = first.words.last().is_some_and(Word::ends_sentence);
    let asked = parse_one(second, known);
    let again = ends && matches!(asked, Intent::Repeat | Intent::Talk(Talk::Help | Talk::Who));
    (again && parse_one(first, known) == Intent::Unknown).then_some(asked)
}

/// "Did I say two? I meant half past two."
fn meant(first: &Utterance, second: &Utterance, known: Known<'_>) -> Option<Intent> {
    let doubts =
        matches!(norms(&first.words).as_slice(), ["did", "i", "say" | "ask", ..] | ["what", "did", "i", "say", ..]);
    let corrected = doubts.then(|| parse_one(second, known))?;
    matches!(corrected, Intent::Correct(_)).then_some(corrected)
}

/// "Before four would be best. Let's say half past three."
fn settled_on(first: &Utterance, second: &Utterance, known: Known<'_>) -> Option<Intent> {
    let norm = norms(&second.words);
    let said = norm.strip_prefix(&["let's", "say"]).or_else(|| norm.strip_prefix(&["say"]))?;
    let due = dates::parse(said, known.now).or_else(|| dates::parse(&[&["at"], said].concat(), known.now))?;
    let before = norms(&first.words);
    let timed = (0..before.len()).any(|at| dates::find_leading(&before[at..], known.now).is_some());
    let told = parse_one(first, known);
    let open = !told.is_command() || matches!(told, Intent::SetDue(Target::It, _));
    (timed && open).then_some(Intent::SetDue(Target::It, Some(due)))
}

/// "I told Tom I'd lend a hand on Sunday. Add help Tom move", "I've got a headache. Move everything to tomorrow": what is told first
/// would be a task at most, and what is asked for behind it is a command in so many words.
pub(super) fn only_told(first: &Utterance, second: &Utterance, known: Known<'_>) -> Option<Intent> {
    let tells = matches!(norms(&first.words).as_slice(), ["i" | "so" | "i've" | "we've" | "we", next, ..] if *next != "need" && *next != "must");
    let ends = first.words.last().is_some_and(Word::ends_sentence) && first.words.iter().all(|word| !word.asks());
    let plain = courtesy::without_courtesies(second);
    let commands = matches!(
        plain.words.first()?.norm.as_str(),
        "add" | "remind" | "move" | "delete" | "mark" | "postpone" | "push"
    );
    let told = || matches!(parse_one(first, known), Intent::Offer(_) | Intent::Add(_) | Intent::Unknown);
    if !tells || !ends || !commands || !told() {
        return None;
    }
    let due = norms(&first.words).iter().any(|word| matches!(*word, "to" | "must"));
    match parse_one(&plain, known) {
        // A day that was told may be its own.
        Intent::Add(tasks) if tasks.iter().any(|task| task.due.is_none()) && told_day(first, known).is_some() => None,
        command @ Intent::Add(_) => Some(command),
        command if command.is_command() && !due && !matches!(command, Intent::Incomplete(..)) => Some(command),
        _ => None,
    }
}
