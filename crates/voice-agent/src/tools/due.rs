//! What `set_due` does to a due date: a new one, one that keeps the day or the hour of the old one, or a move by a while.

use jiff::ToSpan;
use jiff::civil::{DateTime, Time};

use super::args::{Args, Fault};
use crate::tasks::Due;

/// Which part of the task's own due date stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    Nothing,
    /// The time of day, if the new date has none.
    Time,
    /// The day, unless it has passed.
    Day,
    /// The day, and of am and pm what is nearer to the old time, because nobody said which.
    HalfDay,
}

/// The furthest move: a hundred years.
const MOST_DAYS: i64 = 36_525;

/// A change of a due date.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    kind: Kind,
    now: DateTime,
}

/// A way to move.
#[derive(Debug, Clone, Copy)]
struct Move {
    months: i64,
    days: i64,
    minutes: i64,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    To(Option<Due>, Keep),
    By(Move),
}

impl Change {
    /// Reads `due` with `keep`, or `months`, `days` and `minutes`.
    pub(super) fn read(args: &Args<'_>, now: DateTime) -> Result<Self, Fault> {
        let moves = [("months", MOST_DAYS / 30), ("days", MOST_DAYS), ("minutes", MOST_DAYS * 24 * 60)];
        if moves.iter().any(|(name, _)| args.has(name)) {
            let [months, days, minutes] = moves.map(|(name, most)| args.number(name, most));
            let by = Move { months: months?.unwrap_or(0), days: days?.unwrap_or(0), minutes: minutes?.unwrap_or(0) };
            return Ok(Self { kind: Kind::By(by), now });
        }
        if !args.has("due") {
            return Err("'due' is missing; give a date, or null for no due date".to_owned());
        }
        let keep = match args.word("keep", &["time", "day", "half_day"])? {
            None => Keep::Nothing,
            Some("time") => Keep::Time,
            Some("day") => Keep::Day,
            Some(_) => Keep::HalfDay,
        };
        Ok(Self { kind: Kind::To(args.due()?, keep), now })
    }

    /// What becomes of a due date.
    pub(super) fn of(self, before: Option<Due>) -> Option<Due> {
        match self.kind {
            Kind::To(due, keep) => due.map(|due| before.and_then(|before| self.kept(due, before, keep)).unwrap_or(due)),
            Kind::By(by) => self.moved(before, by).or(before),
        }
    }

    /// Whether it starts at what was: there has to be something.
    pub(super) const fn is_move(self) -> bool {
        matches!(self.kind, Kind::By(_))
    }

    /// The new due date with what stays of the old one; None if nothing does.
    fn kept(self, due: Due, before: Due, keep: Keep) -> Option<Due> {
        if keep == Keep::Time {
            return match (due, time_of(before)) {
                (Due::Date(date), Some(old)) => Some(Due::DateTime(date.to_datetime(old))),
                _ => None,
            };
        }
        let new = time_of(due).filter(|_| keep != Keep::Nothing && before.date() >= self.now.date())?;
        let time = match time_of(before) {
            Some(old) if keep == Keep::HalfDay => nearer(old, new),
            _ => new,
        };
        Some(Due::DateTime(before.date().to_datetime(time)))
    }

    /// Moved on from what it is; from now, where there is none or where it would still have passed.
    fn moved(self, before: Option<Due>, Move { months, days, minutes }: Move) -> Option<Due> {
        let ahead = months > 0 || days > 0 || minutes > 0;
        let date = before.map(|due| due.date()).filter(|date| !ahead || *date >= self.now.date());
        let date = date.unwrap_or(self.now.date()).checked_add(months.months().days(days)).ok()?;
        let time = before.and_then(time_of);
        if minutes == 0 {
            return Some(time.map_or(Due::Date(date), |time| Due::DateTime(date.to_datetime(time))));
        }
        // A day without an hour has none to move: it is moved from this minute on.
        let time = time.or_else(|| Time::new(self.now.hour(), self.now.minute(), 0, 0).ok())?;
        date.to_datetime(time).checked_add(minutes.minutes()).ok().map(Due::DateTime)
    }
}

fn time_of(due: Due) -> Option<Time> {
    match due {
        Due::Date(_) => None,
        Due::DateTime(at) => Some(at.time()),
    }
}

/// The time, or the one twelve hours from it: whichever is nearer to the old one.
fn nearer(old: Time, time: Time) -> Time {
    let minutes = |time: Time| i32::from(time.hour()) * 60 + i32::from(time.minute());
    let other = Time::new((time.hour() + 12) % 24, time.minute(), 0, 0).unwrap_or(time);
    let distance = |time: Time| (minutes(time) - minutes(old)).abs();
    if distance(other) < distance(time) { other } else { time }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn changed(before: Option<&str>, arguments: &Value) -> Option<String> {
        let now: DateTime = "2026-11-23T10:00".parse().unwrap();
        let arguments = arguments.as_object().unwrap();
        let known = ["due", "keep", "months", "days", "minutes"];
        let change = Change::read(&Args::new(arguments, &known).unwrap(), now).unwrap();
        change.of(before.map(|text| Due::parse(text).unwrap())).map(|due| due.to_string())
    }

    #[test]
    fn a_day_alone_keeps_the_hour() {
        let to_friday = json!({"due": "2026-11-27", "keep": "time"});
        assert_eq!(changed(Some("2026-11-24T15:00"), &to_friday).unwrap(), "2026-11-27T15:00");
        assert_eq!(changed(Some("2026-11-24"), &to_friday).unwrap(), "2026-11-27");
        assert_eq!(changed(None, &to_friday).unwrap(), "2026-11-27");
    }

    #[test]
    fn an_hour_alone_keeps_the_day() {
        let at_eight = |keep: &str| json!({"due": "2026-11-23T20:00", "keep": keep});
        assert_eq!(changed(Some("2026-11-26"), &at_eight("day")).unwrap(), "2026-11-26T20:00");
        assert_eq!(changed(Some("2026-11-26T07:00"), &at_eight("day")).unwrap(), "2026-11-26T20:00");
        assert_eq!(changed(Some("2026-11-26T07:00"), &at_eight("half_day")).unwrap(), "2026-11-26T08:00");
        // A day that has passed is not kept.
        assert_eq!(changed(Some("2026-11-20T07:00"), &at_eight("day")).unwrap(), "2026-11-23T20:00");
    }

    #[test]
    fn a_move_starts_at_the_tasks_own_date() {
        let days = |days: i64| json!({"days": days});
        assert_eq!(changed(Some("2026-11-26T07:00"), &days(2)).unwrap(), "2026-11-28T07:00");
        assert_eq!(changed(Some("2026-11-26"), &days(-1)).unwrap(), "2026-11-25");
        assert_eq!(changed(None, &days(2)).unwrap(), "2026-11-25");
        assert_eq!(changed(Some("2026-12-31"), &json!({"months": 2})).unwrap(), "2027-02-28");
        // What is overdue is put off from today on.
        assert_eq!(changed(Some("2026-11-10"), &days(2)).unwrap(), "2026-11-25");
        assert_eq!(changed(Some("2026-11-26T23:30"), &json!({"minutes": 60})).unwrap(), "2026-11-27T00:30");
    }

    #[test]
    fn a_move_out_of_all_time_changes_nothing() {
        assert_eq!(changed(Some("9999-12-30"), &json!({"days": 30})).unwrap(), "9999-12-30");
        let arguments = json!({"days": 1_000_000});
        let args = Args::new(arguments.as_object().unwrap(), &["days"]).unwrap();
        assert!(Change::read(&args, "2026-11-23T10:00".parse().unwrap()).is_err());
    }
}
