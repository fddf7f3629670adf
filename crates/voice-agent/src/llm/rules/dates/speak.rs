//! A due date in the words a person would say.

use jiff::civil::{Date, DateTime, Time};
use jiff::{Timestamp, ToSpan, ZonedDateTime};

use super::Due;

/// Reads a due date as the tools give it: a date, a local date-time, or an instant (told in the caller's zone).
pub fn due_date(text: &str, now: &ZonedDateTime) -> Option<Due> {
    if text.len() == 10 {
        return text.parse().ok().map(|date| Due { date, time: None, day_said: true, either_half: false });
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        let local = instant.to_zoned_datetime(now.time_zone().clone());
        return Some(Due { date: local.date(), time: Some(local.time()), day_said: true, either_half: false });
    }
    let local: DateTime = text.parse().ok()?;
    Some(Due { date: local.date(), time: Some(local.time()), day_said: true, either_half: false })
}

/// Whether it has passed: a day when it is over, a time when it is past.
pub fn is_overdue(due: Due, now: &ZonedDateTime) -> bool {
    due.date < now.date() || (due.date == now.date() && due.time.is_some_and(|time| time < now.time()))
}

/// "today", "tomorrow at 5 PM", "on Friday", "on December 5th".
pub fn speak_due(due: Due, now: &ZonedDateTime) -> String {
    let day = speak_date(due.date, now.date());
    match due.time {
        None => day,
        Some(time) => format!("{day} at {}", speak_time(time)),
    }
}

/// "today", "tomorrow", "yesterday", "on Friday" within a week, else "on December 5th", with the year if it is far.
pub fn speak_date(date: Date, today: Date) -> String {
    if date == today {
        return "today".into();
    }
    if today.checked_add(1.day()).is_ok_and(|tomorrow| tomorrow == date) {
        return "tomorrow".into();
    }
    if today.checked_sub(1.day()).is_ok_and(|yesterday| yesterday == date) {
        return "yesterday".into();
    }
    let soon = today.checked_add(7.days()).is_ok_and(|week| date < week);
    if date > today && soon {
        return format!("on {}", date.strftime("%A"));
    }
    let near = today.checked_add(8.days()).is_ok_and(|limit| date <= limit.saturating_add(6.days()));
    let month_day = format!("{} {}", date.strftime("%B"), with_suffix(date.day()));
    if date > today && near {
        return format!("on {}, {month_day}", date.strftime("%A"));
    }
    let year_away = today.checked_add(11.months()).is_ok_and(|limit| date > limit) || date < today.first_of_year();
    if year_away { format!("on {month_day}, {}", date.year()) } else { format!("on {month_day}") }
}

/// "Tuesday, December 1st".
pub fn speak_full(date: Date) -> String {
    format!("{}, {} {}", date.strftime("%A"), date.strftime("%B"), with_suffix(date.day()))
}

fn with_suffix(day: i8) -> String {
    let suffix = match (day % 10, day / 10) {
        (_, 1) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{day}{suffix}")
}

/// "5 PM", "5:30 PM", "noon", "midnight".
pub fn speak_time(time: Time) -> String {
    let (hour, minute) = (time.hour(), time.minute());
    match (hour, minute) {
        (12, 0) => return "noon".into(),
        (0, 0) => return "midnight".into(),
        _ => {}
    }
    let half = if hour < 12 { "AM" } else { "PM" };
    let hour = if hour % 12 == 0 { 12 } else { hour % 12 };
    if minute == 0 { format!("{hour} {half}") } else { format!("{hour}:{minute:02} {half}") }
}
