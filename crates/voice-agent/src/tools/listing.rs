//! Listing and counting tasks.

use std::cmp::Reverse;

use jiff::civil::{Date, DateTime};
use jiff::{Span, Timestamp};
use serde_json::{Value, json};
use voice_core::chat::ToolCall;

use super::args::{Args, Fault};
use super::matching;
use crate::tasks::{Due, Priority, Task, TaskList};

/// How many tasks a page holds unless told.
const DEFAULT_LIMIT: usize = 20;
/// The largest page.
const MAX_LIMIT: usize = 100;

const WRONG_DUE: &str = "'due' must be today, tomorrow, this_week, overdue, none, a date like 2026-11-27 or a range like \
                         2026-11-27..2026-12-04";

/// Which due dates are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DueFilter {
    Days(Date, Date),
    Overdue,
    Undated,
}

impl DueFilter {
    fn parse(text: &str, today: Date) -> Result<Self, Fault> {
        let day = |offset: i64| today.saturating_add(Span::new().days(offset));
        Ok(match text {
            "today" => Self::Days(today, today),
            "tomorrow" => Self::Days(day(1), day(1)),
            // Monday to Sunday.
            "this_week" => {
                let past = i64::from(today.weekday().to_monday_zero_offset());
                Self::Days(day(-past), day(6 - past))
            }
            "overdue" => Self::Overdue,
            "none" => Self::Undated,
            other => {
                let date = |text: &str| Due::parse(text).map(|due| due.date()).map_err(|_| WRONG_DUE.to_owned());
                match other.split_once("..") {
                    None => Self::Days(date(other)?, date(other)?),
                    Some(("", "")) => return Err(WRONG_DUE.to_owned()),
                    Some((from, "")) => Self::Days(date(from)?, Date::MAX),
                    Some(("", to)) => Self::Days(Date::MIN, date(to)?),
                    Some((from, to)) => Self::Days(date(from)?, date(to)?),
                }
            }
        })
    }

    fn admits(self, task: &Task, now: DateTime) -> bool {
        match (self, task.due) {
            (Self::Undated, due) => due.is_none(),
            (Self::Days(from, to), Some(due)) => (from..=to).contains(&due.date()),
            (Self::Overdue, Some(due)) => task.is_open() && due.is_past(now),
            (_, None) => false,
        }
    }
}

/// `list_tasks`.
pub(super) fn list_tasks(call: &ToolCall, list: &TaskList, now: DateTime) -> Result<Value, Fault> {
    let known = ["status", "due", "priority", "query", "offset", "limit"];
    let args = Args::new(&call.arguments, &known)?;
    let status = args.word("status", &["open", "done", "all"])?.unwrap_or("open");
    let due = args.text("due")?.map(|text| DueFilter::parse(text, now.date())).transpose()?;
    let priority = args.priority()?;
    let query = args.text("query")?;
    let offset = args.count("offset", 0, usize::MAX)?.unwrap_or(0);
    let limit = args.count("limit", 1, MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT);

    let fits = |task: &&Task| {
        (status == "all" || task.is_open() == (status == "open"))
            && due.is_none_or(|filter| filter.admits(task, now))
            && priority.is_none_or(|priority| task.priority == priority)
    };
    let mut found: Vec<&Task> = list.tasks.iter().filter(fits).collect();
    if let Some(query) = query {
        found = matching::search(query, found);
    }
    found.sort_by_key(|task| order(task));
    let page: Vec<&&Task> = found.iter().skip(offset).take(limit).collect();
    Ok(json!({"status": "ok", "total": found.len(), "offset": offset, "tasks": page}))
}

/// What tasks are sorted by.
type Order = (bool, Reverse<Option<Timestamp>>, bool, Option<DateTime>, Reverse<Priority>, Timestamp);

/// Open ones first: by due date (overdue is the earliest), then those that matter more, then the oldest. Of the done
/// ones the last done first.
fn order(task: &Task) -> Order {
    let due = task.due.map(|due| due.sort_key());
    (!task.is_open(), Reverse(task.completed_at), due.is_none(), due, Reverse(task.priority), task.created_at)
}
