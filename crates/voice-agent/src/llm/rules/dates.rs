//! Spoken dates and times, both ways: "next Tuesday at five" to a due date, and a due date to "on Friday".
//!
//! The conventions, where English leaves room:
//! - a weekday's name means the next such day after today; said on that very day it means a week later, and with
//!   "this" it means today;
//! - "next Tuesday" means the Tuesday of the next calendar week (weeks start on Monday);
//! - the end of the week is its Friday, at the weekend its Sunday; "next week" is its Monday; "the weekend" is its Saturday;
//! - an hour without am or pm is in the morning where the words are about that ("wake me up at 7", "breakfast at 8"), and
//!   in the evening where they are about one ("dinner at 8"), else in the afternoon from one to six, and otherwise the next time that the clock shows it: at 9:00 PM, "at 7" is
//!   7:00 AM and "at 10" is 10:00 PM; on a day that is named it is in the morning, today unless that has passed;
//! - morning is 9:00, noon 12:00, afternoon 15:00, the end of the day 17:00, evening 18:00, tonight 20:00;
//! - a date without a year is the next one that comes; a local time that a clock change skips moves forward.

mod day;
mod number;
mod range;
mod speak;
#[cfg(test)]
mod tests;
mod time;

use jiff::civil::{Date, Time};
use jiff::{ToSpan, ZonedDateTime};

pub(crate) use day::count;
pub(crate) use number::{cardinal, ordinal};
pub(crate) use range::{Range, find_range};
pub use speak::{due_date, is_overdue, speak_date, speak_due, speak_full, speak_time};

/// A range that has every day in it: the tasks that have a due date.
pub(crate) const ANY_DAY: &str = "..9999-12-31";

/// When a task is due, in the caller's local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The day.
    pub date: Date,
    /// The time of day, if one was said.
    pub time: Option<Time>,
    /// Whether the day was said, and not only a time that implies one.
    pub day_said: bool,
    /// Whether the hour could as well be twelve hours from it: "at 8", without am or pm.
    pub either_half: bool,
}

impl Due {
    /// As the tools take it: `2026-11-27` or `2026-11-27T17:00`.
    pub fn to_argument(self) -> String {
        match self.time {
            None => self.date.to_string(),
            Some(time) => format!("{}T{:02}:{:02}", self.date, time.hour(), time.minute()),
        }
    }
}

/// How strict to be about phrases that might not be dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// The words are expected to be a date.
    Whole,
    /// The words stand in a title: "the fifth", "sun" and "five" need a preposition before them.
    InTitle,
}

/// Understands words (lower case, no punctuation) that are a date or time and nothing else.
pub fn parse(words: &[&str], now: &ZonedDateTime) -> Option<Due> {
    let words = words.strip_suffix(&["please"]).unwrap_or(words);
    let (length, due) = parse_parts(Parts::default(), words, now, Mode::Whole)?;
    (length == words.len()).then_some(due)
}

/// Finds a date at the end of the words: where it starts (with its preposition), and what it means.
pub fn find_trailing(words: &[&str], now: &ZonedDateTime) -> Option<(usize, Due)> {
    (0..words.len()).find_map(|start| {
        if start > 0 && matches!(words[start - 1], "every" | "each" | "of" | "the" | "last" | "this") {
            return None;
        }
        // "Two days before New Year's Eve" is another day, which we do not know.
        let unit = |word: &str| matches!(word.trim_end_matches('s'), "day" | "week" | "hour" | "month" | "minute");
        if start > 0 && unit(words[start - 1]) && matches!(words[start], "before" | "from") {
            return None;
        }
        let counted = start > 1 && unit(words[start - 2]) && matches!(words[start - 1], "before" | "after" | "from");
        if counted {
            return None;
        }
        let parts = Parts::among(&words[..start]);
        let (length, due) = parse_parts(parts, &words[start..], now, Mode::InTitle)?;
        (start + length == words.len()).then_some((start, due))
    })
}

/// Finds a day in the midst of the words, in front of what else belongs to them: "call Bob | tomorrow | about the rent". Answers
/// where it starts and ends, and what it means.
pub fn find_inner(words: &[&str], now: &ZonedDateTime) -> Option<(usize, usize, Due)> {
    let on = |at: usize| matches!(words[at], "today" | "tomorrow" | "tonight" | "on" | "next" | "this");
    let goes_on = |word: &str| {
        matches!(
            word,
            "after"
                | "before"
                | "about"
                | "with"
                | "because"
                | "since"
                | "so"
                | "when"
                | "while"
                | "if"
                | "during"
                | "from"
                | "for"
        )
    };
    (1..words.len().saturating_sub(1)).find_map(|at| {
        if !on(at) || matches!(words[at - 1], "after" | "of" | "the" | "from" | "for" | "about" | "until" | "every") {
            return None;
        }
        let (length, due) = parse_parts(Parts::default(), &words[at..], now, Mode::InTitle)?;
        let end = at + length;
        (due.day_said && words.get(end).is_some_and(|word| goes_on(word)) && end + 1 < words.len())
            .then_some((at, end, due))
    })
}

/// Finds a date at the start of the words: how many words it has, and what it means.
pub fn find_leading(words: &[&str], now: &ZonedDateTime) -> Option<(usize, Due)> {
    let parts = Parts::among(words);
    parse_parts(parts, words, now, Mode::InTitle)
}

/// A date in the words of a caller, with its year: "March 4 2026".
pub(crate) fn written_out(date: Date) -> String {
    date.strftime("%B %-d %Y").to_string()
}

/// Whether the words name hours from one to another, of which a due date keeps the first: "Thursday between 2 and 4".
pub(crate) fn begins_span(words: &[&str], time: Time) -> bool {
    (0..words.len()).any(|at| {
        let rest = &words[at..];
        let span = match rest {
            ["from", tail @ ..] => time::span(tail, true),
            ["between", ..] => time::span(rest, false),
            _ => time::dashed(rest),
        };
        span.is_some_and(|(_, begins)| begins.is_on_the_dial_at(time))
    })
}

/// Whether the words are about something that one does in the morning.
fn is_early(words: &[&str]) -> bool {
    let early = |word: &&str| {
        matches!(*word, "wake" | "waking" | "wake-up" | "alarm" | "breakfast" | "sunrise" | "morning" | "dawn")
    };
    words.iter().any(early) || words.windows(2).any(|pair| matches!(pair, ["get" | "getting", "up"]))
}

/// Whether the words are about something that one does in the evening.
pub(crate) fn is_late(words: &[&str]) -> bool {
    let late = |word: &&str| {
        matches!(
            *word,
            "dinner"
                | "supper"
                | "drinks"
                | "party"
                | "cinema"
                | "movie"
                | "theatre"
                | "theater"
                | "concert"
                | "gig"
                | "pub"
                | "table"
                | "restaurant"
                | "reservation"
        )
    };
    words.iter().any(late)
}

/// What has been understood so far of one phrase.
#[derive(Debug, Default)]
struct Parts {
    date: Option<Date>,
    time: Option<time::Clock>,
    part: Option<time::DayPart>,
    exact: Option<Due>,
    /// The words around are about the morning.
    early: bool,
    /// They are about an evening out.
    late: bool,
}

impl Parts {
    /// What the words around a date say of its hour.
    fn among(words: &[&str]) -> Self {
        Self { early: is_early(words), late: is_late(words), ..Self::default() }
    }
}

fn parse_parts(mut parts: Parts, words: &[&str], now: &ZonedDateTime, mode: Mode) -> Option<(usize, Due)> {
    let mut at = 0;
    let mut end = 0;
    while at < words.len() {
        let (skipped, preposition) = skip_prepositions(&words[at..]);
        at += skipped;
        let Some(length) = parse_part(&mut parts, &words[at..], preposition, now, mode) else { break };
        at += length;
        end = at;
    }
    let due = resolve(&parts, now)?;
    (end > 0).then_some((end, due))
}

/// Skips "by", "due on", …; answers how many words, and the last of them.
fn skip_prepositions<'a>(words: &[&'a str]) -> (usize, Option<&'a str>) {
    let is_preposition = |word: &&&str| {
        matches!(
            **word,
            "by" | "buy"
                | "on"
                | "for"
                | "at"
                | "before"
                | "until"
                | "till"
                | "to"
                | "due"
                | "around"
                | "about"
                | "from"
        )
    };
    let count = words.iter().take(3).take_while(is_preposition).count();
    // "Looked at before Christmas": only "due" and a few others stand in front of one more.
    let pairs = |pair: &[&str]| {
        matches!(
            pair,
            ["due" | "to", _]
                | ["by" | "for" | "until" | "till" | "before", "about" | "around" | "at"]
                | ["at" | "on", "about" | "around"]
        )
    };
    let count = if words[..count].windows(2).all(pairs) { count } else { 0 };
    (count, count.checked_sub(1).map(|last| words[last]))
}

/// Takes one part (a day, a time, a part of the day) and answers its length in words.
fn parse_part(
    parts: &mut Parts,
    words: &[&str],
    preposition: Option<&str>,
    now: &ZonedDateTime,
    mode: Mode,
) -> Option<usize> {
    if parts.exact.is_some() {
        return None;
    }
    let lenient = mode == Mode::Whole || preposition.is_some_and(|word| word != "about" && word != "from");
    if parts.date.is_none()
        && parts.time.is_none()
        && let Some((length, due)) = time::span_of_hours(words, now)
    {
        parts.exact = Some(due);
        return Some(length);
    }
    if parts.date.is_none()
        && let Some((length, date, part)) = day::parse(words, now, lenient)
    {
        parts.date = Some(date);
        parts.part = parts.part.or(part);
        return Some(length);
    }
    if parts.time.is_none() {
        // "Move it from 2 to 4" is no span.
        if preposition == Some("from")
            && parts.date.is_some()
            && let Some((length, clock)) = time::span(words, true)
        {
            parts.time = Some(clock);
            return Some(length);
        }
        let bare = matches!(preposition, Some("at" | "by" | "before" | "around" | "until" | "till"))
            || (mode == Mode::Whole && preposition.is_none() && (parts.date.is_some() || words.len() == 1));
        if let Some((length, clock)) = time::clock(words, bare, parts.date.is_some() || parts.part.is_some()) {
            parts.time = Some(clock);
            return Some(length);
        }
    }
    if parts.part.is_none()
        && let Some((length, part)) =
            time::day_part(words, parts.date.is_some() || parts.time.is_some(), mode == Mode::Whole)
    {
        parts.part = Some(part);
        return Some(length);
    }
    None
}

fn resolve(parts: &Parts, now: &ZonedDateTime) -> Option<Due> {
    if let Some(exact) = parts.exact {
        return Some(exact);
    }
    let today = now.date();
    let due = match (parts.date, parts.time) {
        (date, Some(clock)) => {
            let day = match date {
                None => time::Day::Coming(now.time()),
                Some(date) if date == today => time::Day::Today(now.time()),
                Some(_) => time::Day::Other,
            };
            let evening = parts.late && clock.is_late_hour();
            let part = parts.part.or(parts.early.then_some(time::DayPart::Morning));
            let part = part.or(evening.then_some(time::DayPart::Evening));
            let time = clock.resolve(part, day);
            let date = match date {
                Some(date) => date,
                None if time > now.time() => today,
                None => today.checked_add(1.day()).ok()?,
            };
            Due {
                date,
                time: Some(time),
                day_said: parts.date.is_some(),
                either_half: clock.is_open() && part.is_none(),
            }
        }
        (Some(date), None) => {
            Due { date, time: parts.part.map(time::DayPart::time), day_said: true, either_half: false }
        }
        (None, None) => {
            let time = parts.part?.time();
            let date = if time > now.time() || parts.part == Some(time::DayPart::Tonight) {
                today
            } else {
                today.checked_add(1.day()).ok()?
            };
            Due { date, time: Some(time), day_said: false, either_half: false }
        }
    };
    Some(skip_gap(due, now))
}

/// Moves a local time that the clock change skips forward by what it skips.
fn skip_gap(due: Due, now: &ZonedDateTime) -> Due {
    let Some(time) = due.time else { return due };
    match due.date.to_datetime(time).to_zoned_datetime(now.time_zone().clone()) {
        Ok(real) => Due { date: real.date(), time: Some(real.time()), ..due },
        Err(_) => due,
    }
}
