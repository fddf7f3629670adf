//! Several days: "next month", "after Thursday", "between Monday and Friday", both ways.

use jiff::civil::Date;
use jiff::{ToSpan, ZonedDateTime};

use super::day::{coming, count, monday, month};
use super::speak::speak_date;
use super::{find_leading, parse};

/// Days from one to another, both included; an end that is open is None.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: Option<Date>,
    pub(crate) to: Option<Date>,
}

impl Range {
    const fn of(from: Date, to: Date) -> Self {
        Self { from: Some(from), to: Some(to) }
    }

    /// As the tools take it: `2026-11-27..2026-12-04`.
    pub(crate) fn to_argument(self) -> String {
        let text = |date: Option<Date>| date.map(|date| date.to_string()).unwrap_or_default();
        format!("{}..{}", text(self.from), text(self.to))
    }

    /// Reads what `to_argument` wrote.
    pub(crate) fn from_argument(text: &str) -> Option<Self> {
        let (from, to) = text.split_once("..")?;
        let date = |text: &str| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) };
        Some(Self { from: date(from)?, to: date(to)? })
    }

    /// "next week", "in December", "after Thursday", "from Monday to Friday".
    pub(crate) fn speak(self, today: Date) -> String {
        let on = |date: Date| speak_date(date, today).trim_start_matches("on ").to_owned();
        let (from, to) = match (self.from, self.to) {
            (Some(from), Some(to)) => (from, to),
            (Some(from), None) => return format!("after {}", on(from.yesterday().unwrap_or(from))),
            (None, Some(to)) => return format!("up to {}", on(to)),
            (None, None) => return String::new(),
        };
        let ahead = |days: i64| monday(today).and_then(|monday| plus(monday, days));
        let is = |days: (i64, i64)| ahead(days.0) == Some(from) && ahead(days.1) == Some(to);
        if is((7, 13)) {
            return "next week".into();
        }
        if is((12, 13)) {
            return "next weekend".into();
        }
        if is((5, 6)) || (ahead(6) == Some(to) && from == to) {
            return "at the weekend".into();
        }
        if from == from.first_of_month() && to == from.last_of_month() {
            let next = plus(today.last_of_month(), 1) == Some(from);
            return if next { "next month".into() } else { format!("in {}", from.strftime("%B")) };
        }
        if from == today && to == today.last_of_month() && plus(today, 7).is_some_and(|week| to > week) {
            return "this month".into();
        }
        if from == today && plus(today, 3) == Some(to) {
            return "in the next few days".into();
        }
        if from == today { format!("up to {}", on(to)) } else { format!("from {} to {}", on(from), on(to)) }
    }
}

fn plus(date: Date, days: i64) -> Option<Date> {
    date.checked_add(days.days()).ok()
}

/// Finds several days anywhere in a question.
pub(crate) fn find_range(words: &[&str], now: &ZonedDateTime) -> Option<Range> {
    (0..words.len()).find_map(|at| range_at(&words[at..], now))
}

fn range_at(words: &[&str], now: &ZonedDateTime) -> Option<Range> {
    let today = now.date();
    let monday = monday(today)?;
    let week = |from: i64, to: i64| Some(Range::of(plus(monday, from)?.max(today), plus(monday, to)?));
    match words {
        ["next", "week", ..] => week(7, 13),
        ["week", "after", "next", ..] => week(14, 20),
        ["next", "weekend", ..] => week(12, 13),
        ["weekend", ..] => week(5, 6),
        ["next" | "coming", "month", ..] => {
            let first = plus(today.last_of_month(), 1)?;
            Some(Range::of(first, first.last_of_month()))
        }
        ["this" | "the", "month", ..] => Some(Range::of(today, today.last_of_month())),
        ["next", "year", ..] => {
            let first = plus(today.last_of_year(), 1)?;
            Some(Range::of(first, first.last_of_year()))
        }
        ["this", "year", ..] => Some(Range::of(today, today.last_of_year())),
        ["in" | "for" | "during" | "of", name, rest @ ..] if is_month(name, rest) => {
            let last = coming(month(name)?, 28, today)?.last_of_month();
            Some(Range::of(last.first_of_month(), last))
        }
        ["next" | "coming" | "following", rest @ ..] => coming_days(rest, today),
        ["in" | "within", rest @ ..] => coming_days(rest, today).filter(|_| rest.first() != Some(&"a")),
        ["after" | "past" | "beyond", rest @ ..] => Some(Range { from: Some(plus(day(rest, now)?.1, 1)?), to: None }),
        ["later", "than", rest @ ..] => Some(Range { from: Some(plus(day(rest, now)?.1, 1)?), to: None }),
        ["since", rest @ ..] => Some(Range { from: Some(day(rest, now)?.1), to: None }),
        ["before", rest @ ..] => Some(Range::of(today, plus(day(rest, now)?.1, -1)?)),
        ["by" | "until" | "till", rest @ ..] => Some(Range::of(today, day(rest, now)?.1)),
        ["up", "to", rest @ ..] => Some(Range::of(today, day(rest, now)?.1)),
        ["between" | "from", rest @ ..] => between(rest, now),
        _ => None,
    }
}

fn is_month(name: &str, rest: &[&str]) -> bool {
    // "may" is a verb more often, and "in December 5th" is a day.
    month(name).is_some()
        && name.len() >= 4
        && rest.first().is_none_or(|word| !word.starts_with(|c: char| c.is_ascii_digit()))
}

fn day(words: &[&str], now: &ZonedDateTime) -> Option<(usize, Date)> {
    let (length, due) = find_leading(words, now)?;
    Some((length, due.date))
}

/// "two weeks", "few days", "10 days".
fn coming_days(words: &[&str], today: Date) -> Option<Range> {
    if let ["few" | "couple", rest @ ..] = words {
        let unit = if rest.first() == Some(&"of") { rest.get(1) } else { rest.first() };
        return (unit == Some(&"days")).then(|| plus(today, 3)).flatten().map(|to| Range::of(today, to));
    }
    if words.first() == Some(&"days") {
        return plus(today, 3).map(|to| Range::of(today, to));
    }
    let (length, number) = count(words)?;
    let to = match words.get(length)?.trim_end_matches('s') {
        "day" => plus(today, number)?,
        "week" => plus(today, number.checked_mul(7)?)?,
        "month" => today.checked_add(number.months()).ok()?,
        _ => return None,
    };
    Some(Range::of(today, to))
}

/// "Monday and Friday", "Monday to Friday".
fn between(words: &[&str], now: &ZonedDateTime) -> Option<Range> {
    let joint = |word: &&str| matches!(*word, "and" | "to" | "till" | "until" | "through");
    let at = words.iter().position(joint)?;
    let from = parse(&words[..at], now)?.date;
    let (_, to) = day(&words[at + 1..], now)?;
    // "Between Monday and Friday" on a Wednesday: the Friday after that Monday.
    let to = if to < from { plus(to, 7)? } else { to };
    (from <= to).then_some(Range::of(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Option<String> {
        let now: ZonedDateTime = "2026-11-25T10:00[America/New_York]".parse().unwrap();
        find_range(&text.split(' ').collect::<Vec<_>>(), &now).map(Range::to_argument)
    }

    #[test]
    fn several_days_are_understood() {
        for (text, expected) in [
            ("what's due next month", "2026-12-01..2026-12-31"),
            ("anything after thursday", "2026-11-27.."),
            ("anything between monday and friday", "2026-11-30..2026-12-04"),
            ("what do i have in december", "2026-12-01..2026-12-31"),
            ("due in the next two weeks", "2026-11-25..2026-12-09"),
            ("what's due before monday", "2026-11-25..2026-11-29"),
            ("due next week", "2026-11-30..2026-12-06"),
            ("this weekend", "2026-11-28..2026-11-29"),
            ("the next ten days", "2026-11-25..2026-12-05"),
        ] {
            assert_eq!(range(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(range("what's due on friday"), None);
        assert_eq!(range("what's on my list"), None);
    }

    #[test]
    fn several_days_can_be_told() {
        let today: Date = "2026-11-25".parse().unwrap();
        for (argument, expected) in [
            ("2026-12-01..2026-12-31", "next month"),
            ("2027-02-01..2027-02-28", "in February"),
            ("2026-11-27..", "after tomorrow"),
            ("2026-11-30..2026-12-06", "next week"),
            ("2026-11-28..2026-11-29", "at the weekend"),
            ("2026-11-30..2026-12-04", "from Monday to Friday, December 4th"),
            ("..2026-11-27", "up to Friday"),
        ] {
            let range = Range::from_argument(argument).unwrap();
            assert_eq!((range.speak(today).as_str(), range.to_argument().as_str()), (expected, argument));
        }
    }
}
