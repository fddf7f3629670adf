//! Days that are told by another task on the list: "the same day as the theatre", "two days before the exam". When that is, a look
//! at the list has to find; then the date takes the place of the words.

use jiff::Span;

use super::act::{Scene, look_at_all};
use super::dates::{self, Due};
use super::normalise::{Utterance, Word, norms, tokenise};
use super::parse::{self, Shift};
use super::{Answer, reply};

/// What the words of a turn come to.
pub(crate) enum Anchor {
    /// They have no such day.
    None,
    /// They answer themselves: with a look at the list, or because the other task has no date.
    Answered(Answer),
    /// The words with the date in its place.
    Dated(Utterance),
}

/// The phrase in the words, and the title that it counts from.
struct Phrase<'t> {
    start: usize,
    end: usize,
    /// Days from the other task's.
    days: i64,
    /// Whether its hour is meant, too.
    with_hour: bool,
    title: &'t str,
}

/// Looks for a day that another task tells.
pub(crate) fn resolve(scene: &Scene<'_>, utterance: &Utterance) -> Anchor {
    if let Some(dated) = that_day(scene, utterance).or_else(|| then(scene, utterance)) {
        return Anchor::Dated(dated);
    }
    let Some(phrase) = phrase(scene, &utterance.words) else { return Anchor::None };
    let Some(tasks) = scene.looked() else { return Anchor::Answered(look_at_all()) };
    let Some(task) = tasks.iter().find(|task| task.title == phrase.title) else { return Anchor::None };
    let Some(due) = task.due.and_then(|due| dates::due_date(due, &scene.request.now)) else {
        // "Pack the day before the wedding" is a title as well.
        return match phrase.days {
            0 => Anchor::Answered(Answer::say(format!(
                "{} has no due date itself, so I changed nothing.",
                reply::spoken(task.title)
            ))),
            _ => Anchor::None,
        };
    };
    match due.date.checked_add(Span::new().days(phrase.days)) {
        Ok(date) => Anchor::Dated(dated(utterance, &phrase, Due { date, ..due })),
        Err(_) => Anchor::None,
    }
}

/// "Then add clean out the shed for that day": the day whose tasks were asked for just before.
fn that_day(scene: &Scene<'_>, utterance: &Utterance) -> Option<Utterance> {
    let norm = norms(&utterance.words);
    let start = norm.windows(3).rposition(|words| matches!(words, ["for" | "on" | "by", "that", "day"]))?;
    let called = scene.history().last()?.calls.iter().rfind(|called| called.call.name == "list_tasks")?;
    let today = scene.request.now.date();
    let date = match called.argument("due")? {
        "today" => today,
        "tomorrow" => today.checked_add(Span::new().days(1)).ok()?,
        date => dates::due_date(date, &scene.request.now)?.date,
    };
    let mut words = utterance.words[..=start].to_vec();
    words.extend(tokenise(&dates::written_out(date)));
    if let (Some(last), Some(end)) = (words.last_mut(), utterance.words.get(start + 2)) {
        last.trail.clone_from(&end.trail);
    }
    words.extend_from_slice(&utterance.words[start + 3..]);
    Some(Utterance::new(words))
}

/// "I'll go back tomorrow, so set it for then": the day that was named before it.
fn then(scene: &Scene<'_>, utterance: &Utterance) -> Option<Utterance> {
    let norm = norms(&utterance.words);
    let [before @ .., "for" | "to" | "by", "then"] = norm.as_slice() else { return None };
    let points = before.last().is_some_and(|word| matches!(*word, "it" | "that" | "them" | "one"));
    let named = |at: usize| dates::find_leading(&before[at..], scene.known().now).filter(|(_, due)| due.day_said);
    let (_, due) = (0..before.len()).find_map(named).filter(|_| points)?;
    let mut words = utterance.words[..norm.len() - 1].to_vec();
    words.extend(tokenise(&dates::written_out(due.date)));
    Some(Utterance::new(words))
}

/// The first such phrase. It goes to the next pause, or to the end.
fn phrase<'t>(scene: &Scene<'t>, words: &[Word]) -> Option<Phrase<'t>> {
    let norm = norms(words);
    (1..words.len()).find_map(|start| {
        let (length, days, with_hour) = counts(&norm[start..])?;
        let named = start + length;
        let pause = (named..words.len()).find(|at| words[*at].pauses()).map_or(words.len(), |at| at + 1);
        let joint = (named..pause).find(|at| matches!(norm[*at], "and" | "but" | "then"));
        let ends = [pause].into_iter().chain(joint);
        let (end, title) = ends.rev().find_map(|end| Some((end, other_task(scene, norm.get(named..end)?)?)))?;
        // It may be part of a title itself: "pack the day before the wedding".
        let said = norm[start..end].join(" ");
        let is_named = scene.request.titles.iter().any(|title| title.to_lowercase().contains(&said));
        (!is_named).then_some(Phrase { start, end, days, with_hour, title })
    })
}

/// The task on the list that the words behind such a phrase name.
fn other_task<'t>(scene: &Scene<'t>, words: &[&str]) -> Option<&'t str> {
    let words = words.strip_prefix(&["i"]).or_else(|| words.strip_prefix(&["we"])).unwrap_or(words);
    let words = words.strip_suffix(&["please"]).unwrap_or(words);
    // "The day before Christmas" is known without the list.
    if words.is_empty() || dates::parse(words, scene.known().now).is_some() {
        return None;
    }
    scene.titles.same(words).or_else(|| scene.titles.named(words))
}

/// The words in front of the other task's name: how many, how many days they count, and whether they mean its hour.
fn counts(words: &[&str]) -> Option<(usize, i64, bool)> {
    let same = words.strip_prefix(&["the"]).unwrap_or(words);
    let skipped = words.len() - same.len();
    if let ["same", unit, rest @ ..] = same {
        let (length, with_hour) = match (*unit, rest) {
            ("day" | "date", ["as", ..]) => (3, false),
            ("time" | "deadline", ["as", ..]) => (3, true),
            ("due", ["date" | "day" | "time", "as", ..]) => (4, true),
            ("day", ["and" | "at", "time", "as", ..]) => (5, true),
            _ => return None,
        };
        return Some((skipped + length, 0, with_hour));
    }
    let sign = |word: &str| match word {
        "before" => Some(-1),
        "after" => Some(1),
        _ => None,
    };
    if let ["the", "day", direction, ..] = words {
        return Some((3, sign(direction)?, false));
    }
    let direction = (1..4).find(|at| words.get(*at).is_some_and(|word| sign(word).is_some()))?;
    match parse::amount(&words[..direction].join(" "))? {
        Shift::Days(days) => Some((direction + 1, days * sign(words[direction])?, false)),
        _ => None,
    }
}

/// The words with the date where the phrase was.
fn dated(utterance: &Utterance, phrase: &Phrase<'_>, due: Due) -> Utterance {
    let before = &utterance.words[..phrase.start];
    let links = |word: &Word| matches!(word.norm.as_str(), "on" | "for" | "to" | "by" | "until" | "due" | "at");
    let gives = before.iter().any(|word| matches!(word.norm.as_str(), "give" | "gets" | "get"));
    let lead = match before.last() {
        Some(last) if links(last) => "",
        _ if gives => "a due date of ",
        _ => "on ",
    };
    let hour = due.time.filter(|_| phrase.with_hour).map(|time| format!(" at {}", dates::speak_time(time)));
    let date = dates::written_out(due.date);
    let mut words = before.to_vec();
    words.extend(tokenise(&format!("{lead}{date}{}", hour.unwrap_or_default())));
    // The sentence ends behind the date as it did behind the name.
    if let (Some(last), Some(end)) = (words.last_mut(), utterance.words.get(phrase.end - 1)) {
        last.trail.clone_from(&end.trail);
    }
    words.extend_from_slice(&utterance.words[phrase.end..]);
    Utterance::new(words)
}
