//! Days that are counted from another: "the day before", "a week after", "at the same time".

use jiff::Span;
use jiff::civil::Time;

use super::act::Scene;
use super::dates::{self, Due};
use super::dialogue::{self, Called, Turn};
use super::normalise::{Utterance, end_in_question, normalise, norms};
use super::parse::{self, Intent, NewTask};

/// How far from another day, and at what time of it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Apart {
    days: i64,
    at: Hour,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Hour {
    /// That of the other.
    Same,
    None,
    At(Time),
}

const MORNING: Hour = Hour::At(Time::constant(9, 0, 0, 0));
const EVENING: Hour = Hour::At(Time::constant(18, 0, 0, 0));
const NIGHT: Hour = Hour::At(Time::constant(20, 0, 0, 0));

const PHRASES: [(&str, i64, Hour); 34] = [
    ("at the same time", 0, Hour::Same),
    ("same time", 0, Hour::Same),
    ("on the same day", 0, Hour::None),
    ("for the same day", 0, Hour::None),
    ("the same day", 0, Hour::None),
    ("same day", 0, Hour::None),
    ("on that day", 0, Hour::None),
    ("for that day", 0, Hour::None),
    ("that day", 0, Hour::None),
    ("for that same day", 0, Hour::None),
    ("for the next day", 1, Hour::None),
    ("on the next day", 1, Hour::None),
    ("that same day", 0, Hour::None),
    ("for then", 0, Hour::Same),
    ("by then", 0, Hour::Same),
    ("then", 0, Hour::Same),
    ("the day before that", -1, Hour::None),
    ("the day after that", 1, Hour::None),
    ("the next day", 1, Hour::None),
    ("the following day", 1, Hour::None),
    ("the week after", 7, Hour::Same),
    ("the week after that", 7, Hour::Same),
    ("the week before", -7, Hour::Same),
    ("on the day before", -1, Hour::None),
    ("the day before", -1, Hour::None),
    ("a day before", -1, Hour::None),
    ("the day after", 1, Hour::None),
    ("a day after", 1, Hour::None),
    ("a day later", 1, Hour::None),
    ("the evening before", -1, EVENING),
    ("the night before", -1, NIGHT),
    ("the morning before", -1, MORNING),
    ("the morning after", 1, MORNING),
    ("the evening after", 1, EVENING),
];

/// "… at the same time", "the day before to …": a date counted from that of the task that was spoken of last, or from a day in
/// the same breath.
pub(crate) fn counted_from(scene: &Scene<'_>, utterance: &Utterance, task: NewTask) -> NewTask {
    let Some((title, apart)) = taken_out(&task.title).filter(|_| task.due.is_none()) else { return task };
    let Some(due) = day_spoken_of(scene, utterance) else { return task };
    let Ok(date) = due.date.checked_add(Span::new().days(apart.days)) else { return task };
    let due = match apart.at {
        Hour::Same => Due { date, ..due },
        Hour::None => Due { date, time: None, ..due },
        Hour::At(time) => Due { date, time: Some(time), ..due },
    };
    NewTask { title, due: Some(due), ..task }
}

/// The title without such a phrase at its end, or in front of a "to".
fn taken_out(title: &str) -> Option<(String, Apart)> {
    let lower = title.to_lowercase();
    if lower.len() != title.len() {
        return None;
    }
    // "Call Ann then" counts from nothing; "then to …" and "… for then" do.
    let next = lower.ends_with(" then") && !lower.ends_with(" for then") && !lower.ends_with(" by then");
    if let Some((at, apart)) = ending(&lower).filter(|(at, _)| title.is_char_boundary(*at) && !next) {
        return Some((title[..at].trim_end_matches([' ', ',']).to_owned(), apart));
    }
    let at = lower.find(" to ")?;
    let (start, apart) = ending(&format!(" {}", &lower[..at]))?;
    let rest = title.get(at + 4..).filter(|_| start == 0)?;
    Some((super::normalise::capitalised(rest), apart))
}

/// The phrase at the end, behind something else: where that ends, in bytes, and what the phrase means.
fn ending(lower: &str) -> Option<(usize, Apart)> {
    let named = PHRASES.iter().find_map(|(phrase, days, at)| {
        let before = lower.strip_suffix(phrase)?.strip_suffix(' ')?;
        Some((before.len(), Apart { days: *days, at: *at }))
    });
    named.or_else(|| amount_apart(lower))
}

/// "… a week before", "… two days after".
fn amount_apart(lower: &str) -> Option<(usize, Apart)> {
    let words: Vec<&str> = lower.split(' ').collect();
    let (last, rest) = words.split_last()?;
    let sign = match *last {
        "before" | "beforehand" | "earlier" => -1,
        "after" | "afterwards" | "later" => 1,
        _ => return None,
    };
    (2..=3.min(rest.len().saturating_sub(1))).rev().find_map(|count| {
        let said = rest[rest.len() - count..].join(" ");
        match parse::amount(&said)? {
            parse::Shift::Days(days) => {
                let at = if said.contains("day") { Hour::None } else { Hour::Same };
                let before = lower.len() - said.len() - last.len() - 2;
                Some((before, Apart { days: sign * days, at }))
            }
            _ => None,
        }
    })
}

/// The day that was spoken of last: in the same breath ("my flight is on the 19th, remind me to pack the day before"), in words
/// about no task ("what day is the first of December?"), or that of the task that was.
fn day_spoken_of(scene: &Scene<'_>, utterance: &Utterance) -> Option<Due> {
    let asked = scene.history().last().filter(|turn| turn.calls.is_empty()).map(|turn| scene.understand(turn.user).0);
    let of_task = || {
        let focus = dialogue::focus(scene.history());
        focus.last().and_then(|task| task.due).and_then(|due| dates::due_date(due, &scene.request.now))
    };
    day_in(scene, utterance).or_else(|| day_in(scene, &asked?)).or_else(of_task)
}

/// The first day that the words name.
fn day_in(scene: &Scene<'_>, utterance: &Utterance) -> Option<Due> {
    let words = norms(&utterance.words);
    (0..words.len())
        .find_map(|at| dates::find_leading(&words[at..], &scene.request.now))
        .map(|(_, due)| due)
        .filter(|due| due.day_said)
}

/// The day that words at the end count from the one that was given before ("the day after", "the same day"): where they
/// start, and which day that is.
pub(crate) fn day_from(scene: &Scene<'_>, done: &Called<'_>, words: &[&str]) -> Option<(usize, Due)> {
    const ENDS: [(&[&str], i64); 11] = [
        (&["the", "day", "after"], 1),
        (&["the", "day", "after", "that"], 1),
        (&["the", "day", "before", "that"], -1),
        (&["the", "next", "day"], 1),
        (&["the", "following", "day"], 1),
        (&["a", "day", "later"], 1),
        (&["the", "week", "after"], 7),
        (&["a", "week", "later"], 7),
        (&["the", "day", "before"], -1),
        (&["a", "day", "earlier"], -1),
        (&["the", "same", "day"], 0),
    ];
    let (end, days) = ENDS.iter().find(|(end, _)| words.len() > end.len() && words.ends_with(end))?;
    let before = done.task()?.due.and_then(|due| dates::due_date(due, &scene.request.now))?;
    let date = before.date.checked_add(Span::new().days(*days)).ok()?;
    Some((words.len() - end.len(), Due { date, time: None, day_said: true, either_half: false }))
}

/// "And the day before?" behind the tasks of a day: those of the next one, or the one before.
pub(crate) fn neighbouring_day(scene: &Scene<'_>, previous: &Turn<'_>, utterance: &Utterance) -> Option<Intent> {
    let words = norms(&utterance.words);
    let leads = words
        .iter()
        .take_while(|word| matches!(**word, "and" | "what" | "about" | "how" | "on" | "for" | "so" | "then"));
    let days = match words[leads.count()..] {
        ["the", "day", "before"] | ["the", "day", "before", "that"] => -1,
        ["the", "day", "after"] | ["the", "day", "after", "that"] | ["the", "next" | "following", "day"] => 1,
        _ => return None,
    };
    let listed = previous.calls.last().filter(|called| called.call.name == "list_tasks")?;
    let today = scene.request.now.date();
    let date = match listed.argument("due")? {
        "today" => today,
        "tomorrow" => today.tomorrow().ok()?,
        date => dates::due_date(date, &scene.request.now)?.date,
    };
    let date = date.checked_add(Span::new().days(days)).ok()?;
    Some(super::answer::another_day(listed, Due { date, time: None, day_said: true, either_half: false }))
}

/// "On the eleventh" of what is due on the first of January: of that month.
pub(crate) fn in_its_month(scene: &Scene<'_>, change: &Called<'_>, due: Due, utterance: &Utterance) -> Due {
    let words = norms(&utterance.words);
    let named = words.strip_prefix(&["on"]).unwrap_or(&words);
    let named = named.strip_prefix(&["the"]).unwrap_or(named);
    let day =
        dates::ordinal(named).filter(|(length, _)| *length == named.len()).and_then(|(_, day)| i8::try_from(day).ok());
    let before = change.task().and_then(|task| dates::due_date(task.due?, &scene.request.now));
    let later =
        before.filter(|before| before.date.day() == 1 && before.date > scene.request.now.date().last_of_month());
    let date = later.zip(day).and_then(|(before, day)| before.date.with().day(day).build().ok());
    date.map_or(due, |date| Due { date, ..due })
}

/// Whether a day behind this turn can only be for the one open task that it spoke of: the caller told something of it and asked
/// nothing, or says the day as a proposal ("let's say Friday").
pub(crate) fn told_of_one(scene: &Scene<'_>, previous: &Turn<'_>, utterance: &Utterance) -> bool {
    let focus = dialogue::focus(std::slice::from_ref(previous));
    let one = matches!(focus.as_slice(), [task] if !task.done);
    let queried = previous.calls.iter().any(|called| called.argument("query").is_some());
    let asked = super::gist::asks(&normalise(previous.user, scene.known().now).words);
    let user = scene.current().map_or("", |turn| turn.user).to_lowercase();
    let proposes =
        ["let's", "lets", "make it", "then ", "say ", "better ", "rather "].iter().any(|lead| user.starts_with(lead));
    let asks = end_in_question(&utterance.words);
    // "Yes, add it": it had been added in the turn before.
    if previous.reply.ends_with(super::twice::IS_THERE) {
        return !asks;
    }
    one && queried && !asks && (!asked || proposes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phrase_is_no_part_of_the_title() {
        for (title, rest, days, at) in [
            ("Pack the day before", "Pack", -1, Hour::None),
            ("The day before to print my id", "Print my id", -1, Hour::None),
            ("Two days before to pack", "Pack", -2, Hour::None),
            ("Book a taxi a week before", "Book a taxi", -7, Hour::Same),
            ("The night before to set two alarms", "Set two alarms", -1, NIGHT),
            ("Meet Ann at the same time", "Meet Ann", 0, Hour::Same),
            ("Mulch the beds the day after that", "Mulch the beds", 1, Hour::None),
            ("Then to bleed the radiators", "Bleed the radiators", 0, Hour::Same),
        ] {
            assert_eq!(taken_out(title), Some((rest.to_owned(), Apart { days, at })), "{title}");
        }
    }

    #[test]
    fn other_titles_stay_as_they_are() {
        for title in ["Talk to Ann", "The day before", "Watch the morning after show", "Go to bed earlier", "Pack"] {
            assert_eq!(taken_out(title), None, "{title}");
        }
    }
}
