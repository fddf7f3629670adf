//! What is said: short, spoken English.

mod change;
mod list;
mod talk;

use super::act::Scene;
use super::dates::{self, due_date};
use super::dialogue::{Called, TaskView, Turn, is_look};
use super::normalise::{capitalised, norms, shortened, tokenise};
use super::parse::{NewTask, Priority};
use super::twice::is_dated;

pub(crate) use talk::{AT_IT, agreed, is_lost, missed, not_understood, repeat, talk, told_of_recording};

/// Said when nobody has said anything yet.
pub(crate) const OPENING: &str = "How can I help with your tasks?";
/// Said when there is nothing else to say; a reply is never empty.
pub(crate) const NOT_UNDERSTOOD_AT_ALL: &str = "Sorry, I didn't get that. You can say, add a task to buy milk.";
/// Longest reply, in characters: some twenty seconds of speech.
const LONGEST: usize = 340;
/// Longest title that is spoken in full, in characters.
const LONGEST_TITLE: usize = 70;

/// The text in sentences, so that the first can be spoken while the next is on its way. Cut to what one listens to.
pub(crate) fn sentences(text: &str) -> Vec<String> {
    let text = capped(text.trim());
    let mut sentences = Vec::new();
    let mut rest = text.as_str();
    while let Some(at) = sentence_end(rest) {
        sentences.push(rest[..at].to_owned());
        rest = &rest[at..];
    }
    if !rest.is_empty() {
        sentences.push(rest.to_owned());
    }
    sentences
}

/// Just behind the space that follows a sentence's end.
fn sentence_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let ends = |at: &usize| {
        matches!(bytes[*at], b'.' | b'!' | b'?')
            && bytes.get(at + 1) == Some(&b' ')
            && bytes.get(at + 2).is_some_and(|next| !next.is_ascii_lowercase())
    };
    (0..bytes.len()).find(ends).map(|at| at + 2)
}

fn capped(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    let cut: String = text.chars().take(LONGEST).collect();
    match cut.rfind(['.', '?', '!']) {
        Some(at) if at > LONGEST / 2 => cut[..=at].to_owned(),
        _ => format!("{}.", shortened(&cut, LONGEST - 1).trim_end_matches([',', ' '])),
    }
}

/// A title as it is spoken.
pub(crate) fn spoken(title: &str) -> String {
    let short = shortened(title, LONGEST_TITLE);
    if short.len() < title.len() { format!("{short} and so on") } else { short }
}

/// "A", "A and B", "A, B and C".
pub(crate) fn join(items: &[String], last: &str) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., end] => format!("{} {last} {end}", rest.join(", ")),
    }
}

/// "Which one: A, B or C?"
pub(crate) fn which<'a>(titles: impl Iterator<Item = &'a str>) -> String {
    let titles: Vec<String> = titles.map(spoken).collect();
    if titles.len() > 4 {
        return format!(
            "There are {} of those. Which one do you mean: {}, or another?",
            titles.len(),
            titles[..3].join(", ")
        );
    }
    format!("Which one do you mean: {}?", join(&titles, "or"))
}

/// "today", "on Friday at 5 PM"; None without a due date.
pub(crate) fn due_words(due: Option<&str>, scene: &Scene<'_>) -> Option<String> {
    let now = &scene.request.now;
    due_date(due?, now).map(|due| dates::speak_due(due, now))
}

/// The title with when it is due: "Buy milk, due tomorrow".
pub(crate) fn with_due(task: TaskView<'_>, scene: &Scene<'_>) -> String {
    let now = &scene.request.now;
    let Some(due) = task.due.and_then(|due| due_date(due, now)) else { return spoken(task.title) };
    let word = match dates::is_overdue(due, now) && !task.done {
        true => "overdue since",
        false => "due",
    };
    let when = dates::speak_due(due, now);
    let when = if word == "due" { when.as_str() } else { when.trim_start_matches("on ") };
    format!("{}, {word} {when}", spoken(task.title))
}

/// "Buy milk is due tomorrow."
pub(crate) fn when_due(task: TaskView<'_>, scene: &Scene<'_>) -> String {
    let title = spoken(task.title);
    if task.done {
        return format!("{title} is done.");
    }
    let asked = scene.current().map_or("", |turn| turn.user);
    if ["priority", "urgent", "important"].iter().any(|word| asked.contains(word)) {
        return format!("{title} has {} priority.", task.priority);
    }
    let now = &scene.request.now;
    match task.due.and_then(|due| due_date(due, now)) {
        _ if ["open", "done", "finished", "complete", "off"]
            .iter()
            .any(|word| asked.trim_end_matches(['?', '.']).contains(word)) =>
        {
            let dated = due_words(task.due, scene).map_or_else(String::new, |words| format!(", {words}"));
            format!("{title} is still open{dated}.")
        }
        None => format!("{title} has no due date."),
        Some(due) if dates::is_overdue(due, now) => format!("{title} was due {}.", dates::speak_due(due, now)),
        Some(due)
            if ["what day", "which day", "weekday", "day of the week"]
                .iter()
                .any(|words| asked.to_lowercase().contains(words)) =>
        {
            let time = due.time.map_or_else(String::new, |time| format!(" at {}", dates::speak_time(time)));
            format!("{title} is due on {}{time}.", dates::speak_full(due.date))
        }
        Some(due) => format!("{title} is due {}.", dates::speak_due(due, now)),
    }
}

/// "Shall I add … for tomorrow?"
pub(crate) fn offer(scene: &Scene<'_>, tasks: &[NewTask]) -> String {
    let now = &scene.request.now;
    let name = |task: &NewTask| {
        let due = task.due.map(|due| format!(" {}", dates::speak_due(due, now))).unwrap_or_default();
        let priority = match task.priority {
            Some(Priority::High) => " with high priority",
            Some(Priority::Low) => " with low priority",
            _ => "",
        };
        format!("{}{due}{priority}", spoken(&task.title))
    };
    let names: Vec<String> = tasks.iter().map(name).collect();
    let object = if tasks.len() == 1 { "that" } else { "them" };
    let asked = format!("{}: shall I add {object} to your list?", join(&names, "and"));
    let heard = scene.current().map_or("", |turn| turn.user);
    if asks_us(heard) { format!("I can't do that myself, I only keep your list. {asked}") } else { asked }
}

/// Whether the caller wants us to do the thing itself: "can you call John for me?", "set a timer for ten minutes".
fn asks_us(heard: &str) -> bool {
    let lower = heard.to_lowercase();
    let words: Vec<&str> = lower
        .split(|letter: char| !letter.is_alphanumeric() && letter != '\'')
        .filter(|word| !word.is_empty())
        .collect();
    let polite =
        words.iter().position(|word| !matches!(*word, "hey" | "hi" | "ok" | "okay" | "please" | "so" | "and" | "then"));
    let rest = polite.map_or(&[][..], |at| &words[at..]);
    let asked = matches!(rest, ["can" | "could" | "will" | "would", "you", ..]);
    let machine = matches!(
        rest,
        ["set" | "start", "a" | "an" | "the" | "my", "timer" | "stopwatch" | "alarm", ..]
            | ["wake", "me", ..]
            | ["play" | "turn", "some" | "on" | "off" | "up" | "down" | "the", ..]
    );
    asked
        || machine
        || lower.trim_end_matches(['.', '?', '!']).ends_with("for me")
            && matches!(rest, ["call" | "book" | "order" | "send" | "email", ..])
}

/// Says what the tools answered in this turn.
pub(crate) fn phrase(scene: &Scene<'_>, turn: &Turn<'_>) -> String {
    // A hand-off is not spoken of when there is anything else to say.
    let silent = |called: &Called<'_>| {
        let spoken_of = called.call.name == "transfer_to_agent" || is_look(called);
        spoken_of && called.status() == "ok" && turn.calls.len() > 1
    };
    let mut answered: Vec<&Called<'_>> =
        turn.calls.iter().filter(|called| called.output.is_some() && !silent(called)).collect();
    // What is asked comes last, so that it is what the caller answers.
    answered.sort_by_key(|called| called.status() == "needs_confirmation");
    let mut parts: Vec<String> = Vec::new();
    let mut at = 0;
    while at < answered.len() {
        // What was done to several tasks in the same way is one sentence.
        let alike = |called: &&&Called<'_>| {
            called.status() == answered[at].status() && called.call.name == answered[at].call.name
        };
        let length = answered[at..].iter().take_while(alike).count();
        parts.push(group(scene, turn, &answered[at..at + length]));
        at += length;
    }
    parts.retain(|part| !part.is_empty());
    parts.dedup();
    // One "Okay" is enough.
    for part in parts.iter_mut().skip(1) {
        if let Some(rest) = part.strip_prefix("Okay, ") {
            *part = capitalised(rest);
        }
    }
    if answered.iter().any(|called| called.status() == "added" && called.task().is_some_and(|task| repeats(task.title)))
    {
        parts.push("I can't repeat tasks, so it is kept once.".into());
    }
    if answered.iter().any(|called| begins_a_span(turn, called, &scene.request.now)) {
        parts.push("A task has one time, so that is when it begins.".into());
    }
    if parts.is_empty() { "Sorry, that did not work. Please try again.".into() } else { parts.join(" ") }
}

/// Whether the time that a task got is the first of two that were said: "between 2 and 4".
fn begins_a_span(turn: &Turn<'_>, called: &Called<'_>, now: &jiff::ZonedDateTime) -> bool {
    let set =
        matches!(called.status(), "added" | "updated") && called.argument("due").is_some_and(|due| due.contains('T'));
    let due = called.task().filter(|_| set).and_then(|task| due_date(task.due?, now));
    let words = tokenise(turn.user);
    due.and_then(|due| due.time).is_some_and(|time| dates::begins_span(&norms(&words), time))
}

/// "Put the bins out every Monday".
fn repeats(title: &str) -> bool {
    const EACH: &str = "day morning afternoon evening night week weekend weekday month year monday tuesday wednesday thursday friday \
        saturday sunday other second";
    let lower = title.to_lowercase();
    let words: Vec<&str> = lower.split(' ').collect();
    words.windows(2).any(|pair| {
        matches!(pair[0], "every" | "each")
            && EACH.split_ascii_whitespace().any(|each| each == pair[1].trim_end_matches(','))
    })
}

fn group(scene: &Scene<'_>, turn: &Turn<'_>, calls: &[&Called<'_>]) -> String {
    let called = calls[0];
    match (called.status(), called.call.name.as_str()) {
        ("failed", name) => failed(name),
        ("ok", "list_tasks") => list::list(scene, turn, called),
        ("ok", "transfer_to_agent") => "Let's go through your tasks. Ready?".into(),
        ("ok", "end_call") => "Talk to you soon.".into(),
        ("not_found", _) => change::not_found(called),
        ("ambiguous", _) => change::ambiguous(scene, called),
        ("needs_confirmation", _) if calls.len() > 1 => change::confirm_several(scene, calls),
        ("needs_confirmation", _) => change::needs_confirmation(scene, called),
        ("exists", _) if calls.iter().all(|called| is_dated(turn, called)) => change::one(scene, called),
        ("exists", _) if is_open(turn) => {
            let said = if calls.len() > 1 { change::several(scene, calls) } else { change::one(scene, called) };
            format!("{said} Shall I add {} anyway?", if calls.len() > 1 { "them" } else { "it" })
        }
        ("gone", _) => "That task isn't on your list any more.".into(),
        ("undone", _) => change::undone(scene, calls),
        ("nothing_to_undo", _) => "There is nothing to undo.".into(),
        (_, _) if calls.len() > 1 => change::several(scene, calls),
        (_, _) => change::one(scene, called),
    }
}

/// Whether a question may be asked, because no other is.
fn is_open(turn: &Turn<'_>) -> bool {
    !turn.calls.iter().any(|called| matches!(called.status(), "needs_confirmation" | "ambiguous" | "not_found"))
}

fn failed(name: &str) -> String {
    match name {
        "list_tasks" => "Sorry, I can't read your list just now. Please try again in a moment.".into(),
        "transfer_to_agent" => "Sorry, I can't start that just now. We can go on here.".into(),
        "end_call" => "Sorry, I could not hang up. You can just close the call.".into(),
        _ => "Sorry, that did not work, and nothing was saved. Please try again in a moment.".into(),
    }
}
