//! Phrases that name a time of day.

use jiff::civil::Time;
use jiff::{ToSpan, ZonedDateTime};

use super::Due;
use super::day::count;
use super::number::cardinal;

/// A part of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DayPart {
    Morning,
    Noon,
    AfterLunch,
    Afternoon,
    EndOfDay,
    Evening,
    Tonight,
    Midnight,
}

impl DayPart {
    pub(super) fn from_word(word: &str) -> Option<Self> {
        match word {
            "morning" => Some(Self::Morning),
            "noon" | "midday" | "lunchtime" => Some(Self::Noon),
            "afternoon" => Some(Self::Afternoon),
            "evening" => Some(Self::Evening),
            "night" => Some(Self::Tonight),
            "midnight" => Some(Self::Midnight),
            _ => None,
        }
    }

    /// The time that it stands for.
    pub(super) fn time(self) -> Time {
        let (hour, minute) = match self {
            Self::Morning => (9, 0),
            Self::Noon => (12, 0),
            Self::AfterLunch => (14, 0),
            Self::Afternoon => (15, 0),
            Self::EndOfDay => (17, 0),
            Self::Evening => (18, 0),
            Self::Tonight => (20, 0),
            Self::Midnight => (23, 59),
        };
        Time::constant(hour, minute, 0, 0)
    }
}

/// Which day a time of day belongs to, with the time that it is now where that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Day {
    /// No day was said: the time is the next that comes.
    Coming(Time),
    /// Today was said.
    Today(Time),
    /// Another day was said.
    Other,
}

impl Day {
    /// Whether an hour without am or pm means `pm` rather than `am`.
    fn prefers_later(self, am: Time, pm: Time) -> bool {
        match self {
            // When both have passed, the next that comes is tomorrow morning's.
            Self::Coming(now) => am <= now && now < pm,
            Self::Today(now) => am <= now,
            Self::Other => false,
        }
    }
}

/// An hour and minute, with what was said about the half of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    hour: i8,
    minute: i8,
    pm: Option<bool>,
}

impl Clock {
    fn new(hour: i64, minute: i64, pm: Option<bool>) -> Option<Self> {
        let valid = (0..24).contains(&hour) && (0..60).contains(&minute) && (pm.is_none() || (1..=12).contains(&hour));
        if !valid {
            return None;
        }
        Some(Self { hour: i8::try_from(hour).ok()?, minute: i8::try_from(minute).ok()?, pm })
    }

    /// Whether nothing but habit says which half of the day is meant.
    pub(super) const fn is_open(self) -> bool {
        self.pm.is_none() && matches!(self.hour, 7..=11)
    }

    /// Whether a clock with hands shows it at that time.
    pub(super) fn is_on_the_dial_at(self, time: Time) -> bool {
        (self.hour % 12, self.minute) == (time.hour() % 12, time.minute())
    }

    /// Whether it could be when one dines or goes out.
    pub(super) const fn is_late_hour(self) -> bool {
        self.pm.is_none() && matches!(self.hour, 7..=10)
    }

    /// The time it means.
    pub(super) fn resolve(self, part: Option<DayPart>, day: Day) -> Time {
        let pm = self.pm.or(match part {
            // Noon, whatever else was said: "twelve in the morning" is hardly midnight.
            Some(DayPart::Morning) if self.hour == 12 => None,
            Some(DayPart::Morning) => Some(false),
            Some(DayPart::Tonight) if self.hour == 12 => Some(false),
            Some(_) => Some(true),
            None => None,
        });
        let at = |hour: i8| Time::new(hour, self.minute, 0, 0).unwrap_or(Time::midnight());
        match (self.hour, pm) {
            (0 | 13.., _) => at(self.hour),
            (12, Some(false)) => at(0),
            (12, _) => at(12),
            (hour, Some(true)) => at(hour + 12),
            (hour, Some(false)) => at(hour),
            (hour @ 1..=6, None) => at(hour + 12),
            (hour, None) if day.prefers_later(at(hour), at(hour + 12)) => at(hour + 12),
            (hour, None) => at(hour),
        }
    }
}

/// "in the morning" and the like, or a bare "morning" after a day or a time. `whole`: the words are a date and nothing else,
/// so that "after lunch" is no part of a title.
pub(super) fn day_part(words: &[&str], after_day: bool, whole: bool) -> Option<(usize, DayPart)> {
    match words {
        ["after", "lunch", ..] if whole || after_day => Some((2, DayPart::AfterLunch)),
        ["after", "work", ..] if whole => Some((2, DayPart::Evening)),
        ["after", "dinner" | "supper" | "tea", ..] if whole => Some((2, DayPart::Tonight)),
        ["at", "lunch", ..] if whole => Some((2, DayPart::Noon)),
        ["in" | "during", "the", word @ ("morning" | "afternoon" | "evening"), ..] => {
            DayPart::from_word(word).map(|part| (3, part))
        }
        ["at", "night", ..] => Some((2, DayPart::Tonight)),
        [word @ ("noon" | "midday" | "midnight" | "lunchtime"), ..] => DayPart::from_word(word).map(|part| (1, part)),
        ["first", "thing", "in", "the", "morning", ..] => Some((5, DayPart::Morning)),
        ["first", "thing", ..] if after_day => Some((2, DayPart::Morning)),
        [word, ..] if after_day => DayPart::from_word(word).map(|part| (1, part)),
        _ => None,
    }
}

/// "Between 2 and 4", and behind a "from" "2 to 4": from its beginning on. A task has one time; the answer says so.
pub(super) fn span(words: &[&str], is_from: bool) -> Option<(usize, Clock)> {
    let (lead, rest) = match words {
        ["between", rest @ ..] => (1, rest),
        rest if is_from => (0, rest),
        _ => return None,
    };
    let (first, begins) =
        rest.first().and_then(|word| plain_hour(word)).map(|hour| (1, hour)).or_else(|| clock(rest, true, false))?;
    let joins = |word: &&str| if lead == 1 { *word == "and" } else { matches!(*word, "to" | "till" | "until") };
    let rest = rest.get(first + 1..).filter(|_| rest.get(first).is_some_and(joins))?;
    let (second, ends) = clock(rest, true, false)?;
    let pm = begins.pm.or(ends.pm.filter(|_| begins.hour <= ends.hour));
    Some((lead + first + 1 + second, Clock { pm, ..begins }))
}

/// "2", which an hour behind it does not make minutes: "from ten to four" is not ten minutes to four.
fn plain_hour(word: &str) -> Option<Clock> {
    let (_, hour) = cardinal(&[word])?;
    Clock::new(hour, 0, None).filter(|_| (1..=12).contains(&hour))
}

/// "2-4pm": from its beginning on.
pub(super) fn dashed(words: &[&str]) -> Option<(usize, Clock)> {
    let (begins, ends) = words.first()?.split_once(['-', '–'])?;
    let (_, begins) = clock(&[begins], true, false)?;
    let rest: Vec<&str> = std::iter::once(ends).chain(words[1..].iter().copied()).collect();
    let (length, ends) = clock(&rest, true, false)?;
    Some((length, Clock { pm: begins.pm.or(ends.pm.filter(|_| begins.hour <= ends.hour)), ..begins }))
}

fn half_of_day(words: &[&str]) -> Option<(usize, bool)> {
    match words {
        ["am", ..] => Some((1, false)),
        ["pm", ..] => Some((1, true)),
        ["a", "m", ..] => Some((2, false)),
        ["p", "m", ..] => Some((2, true)),
        _ => None,
    }
}

/// A time on the clock. `bare`: a plain number is one ("at five"); `day_said`: the phrase has a day already.
pub(super) fn clock(words: &[&str], bare: bool, day_said: bool) -> Option<(usize, Clock)> {
    if let Some(span) = span(words, false).or_else(|| dashed(words)).filter(|_| day_said) {
        return Some(span);
    }
    digital(words)
        .or_else(|| undotted(words, bare))
        .or_else(|| past_and_to(words))
        .or_else(|| half_hour(words, bare || day_said))
        .or_else(|| {
            let (length, hour) = cardinal(words)?;
            let after = words.get(length..)?;
            if let Some((half, pm)) = half_of_day(after) {
                return Some((length + half, Clock::new(hour, 0, Some(pm))?));
            }
            if matches!(after.first(), Some(&"o'clock" | &"oclock")) {
                let (half, pm) = half_of_day(&after[1..]).map_or((0, None), |(half, pm)| (half, Some(pm)));
                return Some((length + 1 + half, Clock::new(hour, 0, pm)?));
            }
            // "Eight in the morning", "ten at night".
            if length == 1
                && (1..=12).contains(&hour)
                && matches!(after, ["in", "the", "morning" | "afternoon" | "evening", ..] | ["at", "night", ..])
            {
                return Some((length, Clock::new(hour, 0, None)?));
            }
            // "five thirty", "seven forty five"; "oh five" is rare enough to leave out.
            // From thirteen on the minutes are full quarters: "sixteen twenty-one" is rather a number.
            let late = (13..=23).contains(&hour) && length == 1 && words[0].ends_with("teen");
            if ((1..=12).contains(&hour) || late)
                && let Some((more, minute)) = cardinal(after)
                && (10..60).contains(&minute)
                && (!late || minute % 5 == 0)
            {
                let half = words.get(length + more..).and_then(half_of_day);
                if bare || half.is_some() {
                    let (half, pm) = half.map_or((0, None), |(half, pm)| (half, Some(pm)));
                    return Some((length + more + half, Clock::new(hour, minute, pm)?));
                }
            }
            let unit = after.first().is_some_and(|word| {
                matches!(
                    word.trim_end_matches('s'),
                    "day" | "week" | "month" | "hour" | "minute" | "year" | "of" | "task"
                )
            });
            let one_word = length == 1 && (1..=12).contains(&hour);
            (bare && one_word && !unit && (day_said || after.first().is_none_or(|word| *word != "one")))
                .then_some((1, Clock::new(hour, 0, None)?))
        })
}

/// "5:30", "17:00", "5pm", "5:30pm", with a separate am or pm after it.
fn digital(words: &[&str]) -> Option<(usize, Clock)> {
    let word = *words.first()?;
    let digits = word.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let pm = match &word[digits.len()..] {
        "" => None,
        "am" | "a" => Some(false),
        "pm" | "p" => Some(true),
        _ => return None,
    };
    let (hour, minute) = match digits.split_once([':', '.']) {
        Some((hour, minute)) if minute.len() == 2 => (hour, Some(minute)),
        Some(_) => return None,
        None => (digits, None),
    };
    if minute.is_none() && pm.is_none() {
        return None;
    }
    let hour = hour.parse().ok()?;
    let minute = minute.map_or(Some(0), |minute| minute.parse().ok())?;
    if pm.is_some() {
        return Some((1, Clock::new(hour, minute, pm)?));
    }
    let (half, pm) = half_of_day(&words[1..]).map_or((0, None), |(half, pm)| (half, Some(pm)));
    Some((1 + half, Clock::new(hour, minute, pm)?))
}

/// "At 330", "at 1015", as one types it.
fn undotted(words: &[&str], bare: bool) -> Option<(usize, Clock)> {
    let word = *words.first().filter(|word| bare && matches!(word.len(), 3 | 4))?;
    let (hour, minute) = word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.split_at(word.len() - 2))?;
    let unit = words.get(1).is_some_and(|next| next.ends_with('s'));
    let (half, pm) = half_of_day(&words[1..]).map_or((0, None), |(half, pm)| (half, Some(pm)));
    Some((1 + half, Clock::new(hour.parse().ok()?, minute.parse().ok()?, pm)?)).filter(|_| !unit)
}

/// "At half nine", as the British say: half past nine.
fn half_hour(words: &[&str], bare: bool) -> Option<(usize, Clock)> {
    let ["half", rest @ ..] = words else { return None };
    let (length, hour) = cardinal(rest).filter(|(_, hour)| bare && (1..=12).contains(hour))?;
    Some((1 + length, Clock::new(hour, 30, None)?))
}

/// "half past five", "quarter to six", "ten past seven".
fn past_and_to(words: &[&str]) -> Option<(usize, Clock)> {
    let skip = usize::from(words.first() == Some(&"a"));
    let (length, minutes) = match words.get(skip..)? {
        ["half", ..] => (1, 30),
        ["quarter", ..] => (1, 15),
        // Other numbers are more likely pages and scores than minutes ("chapters two to three").
        rest => cardinal(rest).filter(|(_, minutes)| matches!(minutes, 5 | 10 | 20 | 25))?,
    };
    let at = skip + length;
    let past = match *words.get(at)? {
        "past" => true,
        "to" if minutes < 30 => false,
        _ => return None,
    };
    let (hours, hour) = cardinal(words.get(at + 1..)?)?;
    if !(1..=12).contains(&hour) || !(1..60).contains(&minutes) {
        return None;
    }
    let end = at + 1 + hours;
    let (half, pm) = words.get(end..).and_then(half_of_day).map_or((0, None), |(half, pm)| (half, Some(pm)));
    let clock = if past {
        Clock::new(hour, minutes, pm)?
    } else {
        Clock::new(if hour == 1 { 12 } else { hour - 1 }, 60 - minutes, pm)?
    };
    Some((end + half, clock))
}

/// "in an hour", "in twenty minutes", "in half an hour": to the minute, through clock changes.
pub(super) fn span_of_hours(words: &[&str], now: &ZonedDateTime) -> Option<(usize, Due)> {
    let lead = usize::from(matches!(words.first(), Some(&"in" | &"within")));
    let rest = words.get(lead..)?;
    let (length, minutes) = match rest {
        ["half", "an", "hour", ..] => (3, 30),
        ["an", "hour", "and", "a", "half", ..] => (5, 90),
        _ => {
            let (length, amount) = count(rest)?;
            match rest.get(length)?.trim_end_matches('s') {
                "hour" => (length + 1, amount.checked_mul(60)?),
                "minute" | "min" => (length + 1, amount),
                _ => return None,
            }
        }
    };
    let from_now = rest.get(length..).is_some_and(|after| after.starts_with(&["from", "now"]));
    if lead == 0 && !from_now {
        return None;
    }
    let then = now.checked_add(minutes.minutes()).ok()?;
    let time = Time::new(then.hour(), then.minute(), 0, 0).ok()?;
    Some((
        lead + length + if from_now { 2 } else { 0 },
        Due { date: then.date(), time: Some(time), day_said: true, either_half: false },
    ))
}
