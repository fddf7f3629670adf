//! Phrases that name a day.

use jiff::civil::{Date, Weekday};
use jiff::{ToSpan, ZonedDateTime};

use super::number::{cardinal, ordinal};
use super::time::DayPart;

/// A day, its length in words, and a part of the day that the phrase implies ("tonight").
pub(super) type Day = (usize, Date, Option<DayPart>);

/// Understands a day at the start of the words. `lenient`: a preposition or the context says that a date is meant.
pub(super) fn parse(words: &[&str], now: &ZonedDateTime, lenient: bool) -> Option<Day> {
    let today = now.date();
    if let ["first", "thing", rest @ ..] = words {
        let skip = usize::from(matches!(rest.first(), Some(&"on" | &"this" | &"next")) && rest.first() == Some(&"on"));
        let (length, date, _) = parse(rest.get(skip..).filter(|rest| !rest.is_empty())?, now, true)?;
        return Some((2 + skip + length, date, Some(DayPart::Morning)));
    }
    apart(words, now)
        .or_else(|| relative(words, today))
        .or_else(|| named(words, today))
        .or_else(|| distance(words, today).map(|(length, date)| (length, date, None)))
        .or_else(|| weekday_phrase(words, today, lenient).map(|(length, date)| (length, date, None)))
        .or_else(|| weekday_of_month(words, today).map(|(length, date)| (length, date, None)))
        .or_else(|| month_phrase(words, today).map(|(length, date)| (length, date, None)))
        .or_else(|| in_month(words, today).map(|(length, date)| (length, date, None)))
        .or_else(|| numeric(words, today, lenient).map(|(length, date)| (length, date, None)))
        .or_else(|| day_of_month(words, today, lenient).map(|(length, date)| (length, date, None)))
}

/// "Two days before Christmas", "the day after Friday": counted from a day that is named.
fn apart(words: &[&str], now: &ZonedDateTime) -> Option<Day> {
    let skip = usize::from(words.first() == Some(&"the"));
    let rest = words.get(skip..)?;
    let (length, amount) = if skip == 1 { (0, 1) } else { count(rest)? };
    let days = match rest.get(length)?.trim_end_matches('s') {
        "day" => 1,
        "week" => 7,
        "fortnight" => 14,
        _ => return None,
    };
    let sign = match *rest.get(length + 1)? {
        "before" => -1,
        "after" => 1,
        _ => return None,
    };
    let named = skip + length + 2;
    let tail = words.get(named..)?;
    // "The day after tomorrow" and "the week after next" are names of their own.
    if tail.first().is_none_or(|word| close(word, "tomorrow") || matches!(*word, "next" | "today" | "now")) {
        return None;
    }
    let (more, date, _) = parse(tail, now, true)?;
    Some((named + more, plus(date, sign * amount.checked_mul(days)?)?, None))
}

fn plus(date: Date, days: i64) -> Option<Date> {
    date.checked_add(days.days()).ok()
}

fn close(word: &str, target: &str) -> bool {
    word == target || (word.len() >= 6 && strsim::osa_distance(word, target) <= 1)
}

/// "today", "tonight", "tomorrow", "the day after tomorrow", "yesterday" is not a due date.
fn relative(words: &[&str], today: Date) -> Option<Day> {
    let skip = usize::from(words.first() == Some(&"the"));
    if let ["day", "after", word, ..] = words.get(skip..)?
        && close(word, "tomorrow")
    {
        return Some((skip + 3, plus(today, 2)?, None));
    }
    let first = *words.first()?;
    match first {
        "today" | "todays" => Some((1, today, None)),
        "tonight" | "tonite" => Some((1, today, Some(DayPart::Tonight))),
        "tmrw" | "tmr" => Some((1, plus(today, 1)?, None)),
        "this" => match words.get(1)? {
            part @ (&"morning" | &"afternoon" | &"evening") => Some((2, today, DayPart::from_word(part))),
            _ => None,
        },
        "overmorrow" => Some((1, plus(today, 2)?, None)),
        "to" if words.get(1) == Some(&"morrow") => Some((2, plus(today, 1)?, None)),
        "to" if words.get(1) == Some(&"day") => Some((2, today, None)),
        word if close(word, "tomorrow") || close(word, "tomorow") => Some((1, plus(today, 1)?, None)),
        _ => None,
    }
}

/// "the end of the month", "next week", "this weekend".
fn named(words: &[&str], today: Date) -> Option<Day> {
    let skip = usize::from(words.first() == Some(&"the"));
    let rest = words.get(skip..)?;
    if let ["end", "of", tail @ ..] | ["close", "of", tail @ ..] = rest {
        // "By the end of the day today".
        let again = usize::from(matches!(tail, ["the", "day", "today", ..]));
        return end_of(tail, today).map(|(length, date, part)| (skip + 2 + length + again, date, part));
    }
    // "In the first week of December", "in mid-December".
    let lead = usize::from(words.first() == Some(&"in"));
    let lead = lead + usize::from(words.get(lead) == Some(&"the"));
    let part = words.get(lead..)?;
    if let Some((length, date)) =
        beginning_of(part, today).or_else(|| week_of(part, today)).or_else(|| middle_of(part, today))
    {
        return Some((lead + length, date, None));
    }
    if let ["last", "day", "of", tail @ ..] = rest {
        return end_of(tail, today).map(|(length, date, _)| (skip + 3 + length, date, None));
    }
    match rest {
        ["eod", ..] => Some((skip + 1, today, Some(DayPart::EndOfDay))),
        ["next", "week", "on", name, ..] | ["next", "week's", name, ..] | ["next", "week", name, ..]
            if weekday(name, true).is_some() =>
        {
            let day = i64::from(weekday(name, true)?.to_monday_zero_offset());
            let length = if rest[2] == "on" { 4 } else { 3 - usize::from(rest[1] == "week's") };
            Some((skip + length, plus(monday(today)?, 7 + day)?, None))
        }
        ["next", "week", ..] => Some((skip + 2, plus(monday(today)?, 7)?, None)),
        ["next", "month", ..] => Some((skip + 2, plus(today.last_of_month(), 1)?, None)),
        ["next", "year", ..] => Some((skip + 2, plus(today.last_of_year(), 1)?, None)),
        ["week", "after", "next", ..] => Some((skip + 3, plus(monday(today)?, 14)?, None)),
        ["next", "weekend", ..] => Some((skip + 2, plus(monday(today)?, 12)?, None)),
        ["this", "weekend", ..] => Some((skip + 2, weekend(today)?, None)),
        ["weekend", ..] => Some((skip + 1, weekend(today)?, None)),
        ["this", "week", ..] => Some((skip + 2, end_of_week(today)?, None)),
        ["this", "month", ..] => Some((skip + 2, today.last_of_month(), None)),
        ["christmas", "eve", ..] => Some((skip + 2, coming(12, 24, today)?, None)),
        ["christmas", "day", ..] => Some((skip + 2, coming(12, 25, today)?, None)),
        ["christmas", ..] => Some((skip + 1, coming(12, 25, today)?, None)),
        ["new", "year's", "eve", ..] | ["new", "years", "eve", ..] => Some((skip + 3, coming(12, 31, today)?, None)),
        _ => None,
    }
}

/// "The beginning of next month", "early December": its first day, or the week's Monday.
fn beginning_of(words: &[&str], today: Date) -> Option<(usize, Date)> {
    let (length, tail): (usize, &[&str]) = match words {
        ["beginning" | "start", "of", "the", rest @ ..] => (3, rest),
        ["beginning" | "start", "of", rest @ ..] => (2, rest),
        ["early", "in" | "next", ..] => (1, &words[1..]),
        ["early", rest @ ..] => (1, rest),
        _ => return None,
    };
    match tail {
        ["next", "week", ..] => Some((length + 2, plus(monday(today)?, 7)?)),
        ["next", "month", ..] => Some((length + 2, plus(today.last_of_month(), 1)?)),
        ["next", "year", ..] => Some((length + 2, plus(today.last_of_year(), 1)?)),
        ["in", name, ..] => Some((length + 2, coming(month(name).filter(|_| name.len() > 2)?, 1, today)?)),
        [name, ..] => Some((length + 1, coming(month(name).filter(|_| name.len() > 2)?, 1, today)?)),
        [] => None,
    }
}

/// "The first week of December": the day on which it begins, counted from the first.
fn week_of(words: &[&str], today: Date) -> Option<(usize, Date)> {
    let [which, "week", "of" | "in", rest @ ..] = words else { return None };
    let days = match *which {
        "first" => 0,
        "second" => 7,
        "third" => 14,
        "fourth" | "last" => 21,
        _ => return None,
    };
    let (length, first) = match rest {
        ["next", "month", ..] => (2, plus(today.last_of_month(), 1)?),
        [name, ..] => (1, coming(month(name).filter(|_| name.len() > 2)?, 1, today)?),
        [] => return None,
    };
    Some((3 + length, plus(first, days)?))
}

/// "The first Thursday in December", "the last Friday of the month".
fn weekday_of_month(words: &[&str], today: Date) -> Option<(usize, Date)> {
    let skip = usize::from(words.first() == Some(&"on"));
    let skip = skip + usize::from(words.get(skip) == Some(&"the"));
    let [which, name, "in" | "of", rest @ ..] = words.get(skip..)? else { return None };
    let day = weekday(name, true)?;
    let nth = match *which {
        "first" => 1,
        "second" => 2,
        "third" => 3,
        "fourth" => 4,
        "last" => -1,
        _ => return None,
    };
    // What is over this month is meant of the next; of a month that is named, next year's.
    let (length, first, later) = match rest {
        ["next", "month", ..] => (2, plus(today.last_of_month(), 1)?, None),
        ["the" | "this", "month", ..] => (2, today.first_of_month(), plus(today.last_of_month(), 1)),
        [name, ..] => {
            let named = month(name).filter(|_| name.len() > 2)?;
            let this = (named == today.month()).then(|| today.first_of_month());
            let coming = coming(named, 1, plus(today, 1)?)?;
            (1, this.unwrap_or(coming), Some(coming))
        }
        [] => return None,
    };
    let of = |first: Date| first.nth_weekday_of_month(nth, day).ok();
    let date = of(first).filter(|date| *date >= today).or_else(|| of(later?))?;
    Some((skip + 3 + length, date))
}

/// "Mid-December", "the middle of next month": its 15th; "midweek" is its Wednesday.
fn middle_of(words: &[&str], today: Date) -> Option<(usize, Date)> {
    let (length, tail): (usize, Vec<&str>) = match words {
        ["middle", "of", "the" | "this", rest @ ..] => (3, rest.to_vec()),
        ["middle" | "mid", "of", rest @ ..] => (2, rest.to_vec()),
        ["mid", rest @ ..] => (1, rest.to_vec()),
        [first, rest @ ..] if first.starts_with("mid-") || *first == "midweek" => {
            let unit = first.trim_start_matches("mid").trim_start_matches('-');
            (0, std::iter::once(unit).chain(rest.iter().copied()).collect())
        }
        _ => return None,
    };
    let (more, date) = match tail.as_slice() {
        ["next", "week", ..] => (2, plus(monday(today)?, 9)?),
        ["week", ..] => (1, next_weekday(Weekday::Wednesday, plus(today, -1)?)?),
        ["next", "month", ..] => (2, plus(plus(today.last_of_month(), 1)?, 14)?),
        ["month", ..] => (1, coming_day(15, today)?),
        [name, ..] => (1, coming(month(name).filter(|_| name.len() > 2)?, 15, today)?),
        [] => return None,
    };
    Some((length + more, date))
}

fn end_of(tail: &[&str], today: Date) -> Option<Day> {
    let skip = usize::from(matches!(tail.first(), Some(&"the" | &"this" | &"my")));
    match tail.get(skip..)? {
        ["next", "week", ..] => Some((skip + 2, plus(monday(today)?, 11)?, None)),
        ["next", "month", ..] => Some((skip + 2, plus(today.last_of_month(), 1)?.last_of_month(), None)),
        ["next", "year", ..] => Some((skip + 2, plus(today.last_of_year(), 1)?.last_of_year(), None)),
        ["week", ..] => Some((skip + 1, end_of_week(today)?, None)),
        ["month", ..] => Some((skip + 1, today.last_of_month(), None)),
        ["year", ..] => Some((skip + 1, today.last_of_year(), None)),
        // "By the end of day Wednesday."
        ["day", name, ..] if weekday(name, true).is_some() => {
            Some((skip + 2, next_weekday(weekday(name, true)?, today)?, Some(DayPart::EndOfDay)))
        }
        ["day", "tomorrow", ..] => Some((skip + 2, plus(today, 1)?, Some(DayPart::EndOfDay))),
        ["day", ..] | ["business", ..] | ["today", ..] => {
            let length = if tail.get(skip + 1) == Some(&"day") { 2 } else { 1 };
            Some((skip + length, today, Some(DayPart::EndOfDay)))
        }
        [name, ..] => {
            let month = month(name)?;
            Some((skip + 1, coming(month, 28, today)?.last_of_month(), None))
        }
        [] => None,
    }
}

pub(super) fn monday(today: Date) -> Option<Date> {
    plus(today, -i64::from(today.weekday().to_monday_zero_offset()))
}

fn end_of_week(today: Date) -> Option<Date> {
    let offset = i64::from(today.weekday().to_monday_zero_offset());
    plus(today, if offset <= 4 { 4 - offset } else { 6 - offset })
}

fn weekend(today: Date) -> Option<Date> {
    let offset = i64::from(today.weekday().to_monday_zero_offset());
    plus(today, (5 - offset).max(0))
}

/// "in three days", "two weeks from now", "a week from Friday", "within a month".
fn distance(words: &[&str], today: Date) -> Option<(usize, Date)> {
    let lead = usize::from(matches!(words.first(), Some(&"in" | &"within")));
    let (count_length, count) = count(words.get(lead..)?)?;
    let unit_at = lead + count_length;
    let date = match words.get(unit_at)?.trim_end_matches('s') {
        "day" => plus(today, count),
        "week" => plus(today, count.checked_mul(7)?),
        "fortnight" => plus(today, count.checked_mul(14)?),
        "month" => today.checked_add(count.months()).ok(),
        "year" => today.checked_add(count.years()).ok(),
        _ => None,
    }?;
    let end = unit_at + 1;
    match words.get(end..)? {
        ["from" | "after", "now" | "today", ..] => Some((end + 2, date)),
        // "A fortnight today", "a week tomorrow", "two weeks on Friday" are said in Britain.
        ["today", ..] if lead == 0 => Some((end + 1, date)),
        [word, ..] if lead == 0 && close(word, "tomorrow") => Some((end + 1, plus(date, 1)?)),
        ["from" | "after", word, ..] if close(word, "tomorrow") => Some((end + 2, plus(date, 1)?)),
        ["from" | "after", name, ..] if weekday(name, true).is_some() => {
            let days = i64::from(today.duration_until(date).as_hours() as i32 / 24);
            Some((end + 2, plus(next_weekday(weekday(name, true)?, today)?, days)?))
        }
        _ if lead == 1 => Some((end, date)),
        _ => None,
    }
}

/// A count in front of a unit: a number, "a", "a couple of", "a few".
pub(crate) fn count(words: &[&str]) -> Option<(usize, i64)> {
    match words {
        ["a", "couple", "of", ..] => Some((3, 2)),
        ["a", "couple", ..] | ["couple", "of", ..] => Some((2, 2)),
        ["a", "few", ..] => Some((2, 3)),
        ["a" | "an" | "one", ..] => Some((1, 1)),
        ["to" | "too", unit, ..] if unit.ends_with('s') => Some((1, 2)),
        ["for", unit, ..] if matches!(*unit, "days" | "weeks" | "hours" | "months") => Some((1, 4)),
        _ => cardinal(words).filter(|(_, value)| *value > 0),
    }
}

/// A weekday's name; `lenient` allows the abbreviations that are words too.
pub(super) fn weekday(word: &str, lenient: bool) -> Option<Weekday> {
    const NAMES: [(&str, Weekday); 7] = [
        ("monday", Weekday::Monday),
        ("tuesday", Weekday::Tuesday),
        ("wednesday", Weekday::Wednesday),
        ("thursday", Weekday::Thursday),
        ("friday", Weekday::Friday),
        ("saturday", Weekday::Saturday),
        ("sunday", Weekday::Sunday),
    ];
    let exact = match word {
        "mon" => Some(Weekday::Monday),
        "tue" | "tues" => Some(Weekday::Tuesday),
        "weds" | "wensday" | "wednsday" => Some(Weekday::Wednesday),
        "thu" | "thur" | "thurs" => Some(Weekday::Thursday),
        "fri" => Some(Weekday::Friday),
        "wed" if lenient => Some(Weekday::Wednesday),
        "sat" if lenient => Some(Weekday::Saturday),
        "sun" if lenient => Some(Weekday::Sunday),
        _ => None,
    };
    exact.or_else(|| NAMES.iter().find(|(name, _)| *name == word).map(|(_, day)| *day)).or_else(|| {
        let near = |name: &str| word.len() >= 6 && strsim::osa_distance(word, name) <= 1;
        NAMES.iter().find(|(name, _)| near(name) && !matches!(word, "sundays" | "mondays")).map(|(_, day)| *day)
    })
}

fn next_weekday(day: Weekday, today: Date) -> Option<Date> {
    let ahead = i64::from(day.since(today.weekday()));
    plus(today, if ahead == 0 { 7 } else { ahead })
}

fn weekday_phrase(words: &[&str], today: Date, lenient: bool) -> Option<(usize, Date)> {
    let skip = usize::from(words.first() == Some(&"the"));
    match words.get(skip..)? {
        ["next", name, ..] => {
            let day = weekday(name, true)?;
            Some((skip + 2, plus(monday(today)?, 7 + i64::from(day.to_monday_zero_offset()))?))
        }
        ["this" | "coming", "coming", name, ..] => Some((skip + 3, next_weekday(weekday(name, true)?, today)?)),
        ["this", name, ..] => {
            let ahead = i64::from(weekday(name, true)?.since(today.weekday()));
            Some((skip + 2, plus(today, ahead)?))
        }
        ["coming", name, ..] => Some((skip + 2, next_weekday(weekday(name, true)?, today)?)),
        [name, "next", "week", ..] | [name, "of", "next", "week", ..] => {
            let day = weekday(name, true)?;
            let of = usize::from(words.get(skip + 1) == Some(&"of"));
            Some((skip + of + 3, plus(monday(today)?, 7 + i64::from(day.to_monday_zero_offset()))?))
        }
        ["a", "week", "on", name, ..] => Some((skip + 4, plus(next_weekday(weekday(name, true)?, today)?, 7)?)),
        ["week", "on", name, ..] => Some((skip + 3, plus(next_weekday(weekday(name, true)?, today)?, 7)?)),
        [name, "week", ..] if skip == 0 => Some((2, plus(next_weekday(weekday(name, lenient)?, today)?, 7)?)),
        [name, "after", "next", ..] => {
            let day = weekday(name, true)?;
            Some((skip + 3, plus(monday(today)?, 14 + i64::from(day.to_monday_zero_offset()))?))
        }
        [name, rest @ ..] if skip == 0 => {
            let date = next_weekday(weekday(name, lenient)?, today)?;
            if let Some((length, exact)) = month_phrase(rest, today)
                && exact.weekday() == date.weekday()
            {
                return Some((1 + length, exact));
            }
            // "Friday the fourth": the number wins if it is that weekday; else the weekday stands alone.
            let article = usize::from(rest.first() == Some(&"the"));
            if let Some((length, number)) = rest.get(article..).and_then(ordinal)
                && let Some(exact) = coming_day(number, today)
                && exact.weekday() == date.weekday()
            {
                return Some((1 + article + length, exact));
            }
            Some((1, date))
        }
        _ => None,
    }
}

pub(super) fn month(word: &str) -> Option<i8> {
    const NAMES: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let near = |name: &str| name == word || (word.len() >= 6 && strsim::osa_distance(word, name) <= 1);
    let short = |name: &str| word.len() >= 3 && word.len() <= 4 && name.starts_with(word) && name != "march";
    let at = NAMES.iter().position(|name| near(name)).or_else(|| NAMES.iter().position(|name| short(name)))?;
    i8::try_from(at + 1).ok()
}

/// "December 5th", "December the fifth", "5th of December", "5 December", each with a year if one is said.
fn month_phrase(words: &[&str], today: Date) -> Option<(usize, Date)> {
    let skip = usize::from(words.first() == Some(&"the"));
    let rest = words.get(skip..)?;
    let (mut length, month, day) = if let Some(month) = rest.first().and_then(|word| month(word)) {
        let article = usize::from(rest.get(1) == Some(&"the"));
        let tail = rest.get(1 + article..)?;
        let (length, day) = ordinal(tail).or_else(|| cardinal(tail))?;
        (skip + 1 + article + length, month, day)
    } else {
        let (length, day) = ordinal(rest).or_else(|| cardinal(rest))?;
        let of = usize::from(rest.get(length) == Some(&"of"));
        let month = month(rest.get(length + of)?)?;
        (skip + length + of + 1, month, day)
    };
    let day = i8::try_from(day).ok()?;
    let year = words.get(length).filter(|word| word.len() == 4).and_then(|word| word.parse::<i16>().ok());
    if let Some(year) = year.filter(|year| (2000..2200).contains(year)) {
        length += 1;
        return Some((length, Date::new(year, month, day).ok()?));
    }
    Some((length, coming(month, day, today)?))
}

/// "In January": its first day.
fn in_month(words: &[&str], today: Date) -> Option<(usize, Date)> {
    let ["in", name, rest @ ..] = words else { return None };
    let named = month(name).filter(|_| name.len() >= 4 || *name == "may")?;
    let numbered = rest.first().is_some_and(|word| word.starts_with(|letter: char| letter.is_ascii_digit()));
    let first = coming(named, 1, today)?;
    (!numbered).then_some((2, if named == today.month() { today.last_of_month() } else { first }))
}

/// The next day with this month and day, today included. None for a day that no month has.
pub(super) fn coming(month: i8, day: i8, today: Date) -> Option<Date> {
    // Eight years always hold a 29th of February.
    (0..=8).find_map(|ahead| Date::new(today.year() + ahead, month, day).ok().filter(|date| *date >= today))
}

/// The next day of a month with this number, today included; months that have no such day are passed over.
fn coming_day(number: i64, today: Date) -> Option<Date> {
    let day = i8::try_from(number).ok().filter(|day| (1..=31).contains(day))?;
    let first = today.first_of_month();
    (0..=2_i64).find_map(|ahead| {
        let month = first.checked_add(ahead.months()).ok()?;
        Date::new(month.year(), month.month(), day).ok().filter(|date| *date >= today)
    })
}

/// "the fifth", "the 21st", "the first of next month".
fn day_of_month(words: &[&str], today: Date, lenient: bool) -> Option<(usize, Date)> {
    let skip = usize::from(words.first() == Some(&"the"));
    if !lenient || (skip == 0 && !words.first()?.starts_with(|letter: char| letter.is_ascii_digit())) {
        return None;
    }
    let (length, number) = ordinal(words.get(skip..)?)?;
    let end = skip + length;
    match words.get(end..)? {
        ["of", "next", "month", ..] => {
            let next = today.last_of_month().checked_add(1.day()).ok()?;
            Some((end + 3, Date::new(next.year(), next.month(), i8::try_from(number).ok()?).ok()?))
        }
        ["of", "the" | "this", "month", ..] => Some((end + 3, coming_day(number, today)?)),
        ["one" | "task" | "item" | "two" | "three" | "tasks" | "ones", ..] => None,
        _ => Some((end, coming_day(number, today)?)),
    }
}

/// "2026-12-05", "12/5", "12/5/2026" (month first, as the voice's accent has it).
fn numeric(words: &[&str], today: Date, lenient: bool) -> Option<(usize, Date)> {
    let word = *words.first()?;
    if word.len() == 10 && word.as_bytes()[4] == b'-' {
        return word.parse().ok().map(|date| (1, date));
    }
    let mut fields = word.split('/').map(|field| field.parse::<i16>().ok());
    let (month, day) = (fields.next()??, fields.next()??);
    let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    match fields.next() {
        Some(year) => {
            let year = year.map(|year| if year < 100 { 2000 + year } else { year })?;
            Some((1, Date::new(year, month, day).ok()?))
        }
        None if lenient => Some((1, coming(month, day, today)?)),
        None => None,
    }
}
