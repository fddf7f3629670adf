//! When a task is due: a day, or a minute of a day, in the user's local time.

use std::fmt;
use std::ops::RangeInclusive;

use jiff::civil::{Date, DateTime, Time};
use serde::{Deserialize, Serialize};

/// A due date (`2026-11-27`) or a due date and time (`2026-11-27T17:00`), without a time zone: "by five" means five
/// o'clock where the user is. Seconds are not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Due {
    /// Some time on this day.
    Date(Date),
    /// By this minute.
    DateTime(DateTime),
}

/// Why a text is no due date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DueError {
    /// Not the form of one.
    #[error("must be a date like 2026-11-27 or a local date and time like 2026-11-27T17:00, without a time zone")]
    Form,
    /// The form is right, but there is no such day or time.
    #[error("names a day or time that does not exist")]
    NoSuchDay,
    /// A day that nobody means: a slip in the year, or a program's zero.
    #[error("must be a day of the years {} to {}", YEARS.start(), YEARS.end())]
    NoSuchYear,
}

/// The years of a due date.
const YEARS: RangeInclusive<i16> = 1970..=9999;

impl Due {
    /// Reads `2026-11-27`, `2026-11-27T17:00` or `2026-11-27T17:00:00` (also with a space for the `T`), from 1970 on.
    ///
    /// # Errors
    /// [`DueError`].
    pub fn parse(text: &str) -> Result<Self, DueError> {
        let due = Self::read(text)?;
        if YEARS.contains(&due.date().year()) { Ok(due) } else { Err(DueError::NoSuchYear) }
    }

    /// Reads a due date of any year: what was once kept must stay readable.
    fn read(text: &str) -> Result<Self, DueError> {
        // The shape is checked here because a general parser also takes offsets, and forgets them.
        if !text.is_ascii() || !has_shape(&text.as_bytes()[..text.len().min(10)], b"dddd-dd-dd") {
            return Err(DueError::Form);
        }
        let date: Date = text[..10].parse().map_err(|_| DueError::NoSuchDay)?;
        let rest = &text[10..];
        if rest.is_empty() {
            return Ok(Self::Date(date));
        }
        let clock = rest.strip_prefix(['T', 't', ' ']).ok_or(DueError::Form)?;
        if !has_shape(clock.as_bytes(), b"dd:dd") && !has_shape(clock.as_bytes(), b"dd:dd:dd") {
            return Err(DueError::Form);
        }
        let number = |at: usize| clock[at..at + 2].parse::<i8>().map_err(|_| DueError::Form);
        let time = Time::new(number(0)?, number(3)?, 0, 0).map_err(|_| DueError::NoSuchDay)?;
        if clock.len() > 5 && number(6)? > 59 {
            return Err(DueError::NoSuchDay);
        }
        Ok(Self::DateTime(date.to_datetime(time)))
    }

    /// The day.
    pub fn date(&self) -> Date {
        match self {
            Self::Date(date) => *date,
            Self::DateTime(at) => at.date(),
        }
    }

    /// Whether it has passed at the local time `now`: a day when it is over, a minute when it has come.
    pub fn is_past(&self, now: DateTime) -> bool {
        match self {
            Self::Date(date) => *date < now.date(),
            Self::DateTime(at) => *at <= now,
        }
    }

    /// Sorts by time; a whole day comes after the times of that day, as it ends with it.
    pub fn sort_key(&self) -> DateTime {
        match self {
            Self::Date(date) => date.to_datetime(Time::MAX),
            Self::DateTime(at) => *at,
        }
    }
}

/// Whether `text` has the shape of `shape`, in which `d` stands for a digit.
fn has_shape(text: &[u8], shape: &[u8]) -> bool {
    text.len() == shape.len()
        && text.iter().zip(shape).all(|(byte, sign)| if *sign == b'd' { byte.is_ascii_digit() } else { byte == sign })
}

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Date(date) => write!(f, "{date}"),
            Self::DateTime(at) => write!(f, "{}T{:02}:{:02}", at.date(), at.hour(), at.minute()),
        }
    }
}

impl TryFrom<String> for Due {
    type Error = DueError;

    fn try_from(text: String) -> Result<Self, DueError> {
        Self::read(&text)
    }
}

impl From<Due> for String {
    fn from(due: Due) -> Self {
        due.to_string()
    }
}
