//! What the settings cost, as Markdown.

use super::super::report::percentile;
use super::Called;
use super::setting::{Group, SHIPPED};

const HEAD: &str = "| Setting | Call, min | STT, µ$ | LLM, µ$ | TTS, µ$ | Call, µ$ | Of it wasted: STT / LLM / TTS | A minute: STT / LLM / TTS | \
                    A minute, µ$ | Against as shipped: STT | LLM | TTS | Call | A minute | Latency P50/P95, ms | Right |\n\
                    |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n";

/// A table of all groups; the call as shipped is what the others of its group are compared with.
pub(super) fn markdown(groups: &[(Group, Vec<Called>)]) -> String {
    let mut table = HEAD.to_owned();
    for (group, calls) in groups {
        let shipped = calls.iter().find(|called| called.name == SHIPPED.name);
        table += &format!("| **{}** {}|\n", group.name, "| ".repeat(15));
        for called in calls {
            table += &row(called, shipped);
        }
    }
    table
}

fn row(called: &Called, shipped: Option<&Called>) -> String {
    // Without the call that is compared with, there is no difference to tell.
    let (books, before) = (&called.books, shipped.map(|shipped| shipped.books.clone()).unwrap_or_default());
    let whole = |nanos: u64| format!("{:.0}", nanos as f64 / 1_000.0);
    let three = |nanos: [u64; 3]| nanos.map(whole).join(" / ");
    let minute = |nanos: u64| books.a_minute(nanos) as u64;
    let mut cells = vec![called.name.clone(), format!("{:.2}", books.connected_ms as f64 / 60_000.0)];
    cells.extend(books.spent.map(whole));
    cells.push(whole(books.total()));
    cells.push(three(books.wasted));
    cells.push(three(books.spent.map(minute)));
    cells.push(whole(minute(books.total())));
    let stages = books.spent.iter().zip(before.spent);
    cells.extend(stages.map(|(now, then)| against(*now as f64, then as f64)));
    cells.push(against(books.total() as f64, before.total() as f64));
    cells.push(against(books.a_minute(books.total()), before.a_minute(before.total())));
    cells.push(latency(&called.latencies_ms));
    cells.push(right(called));
    format!("| {} |\n", cells.join(" | "))
}

/// The difference in percent.
fn against(now: f64, then: f64) -> String {
    if then == 0.0 {
        return "–".to_owned();
    }
    let percent = (now - then) / then * 100.0;
    if percent.abs() < 0.05 { "0 %".to_owned() } else { format!("{percent:+.1} %").replace('-', "−") }
}

fn latency(all_ms: &[u64]) -> String {
    let mut sorted = all_ms.to_vec();
    sorted.sort_unstable();
    [50, 95].map(|percent| percentile(&sorted, percent).map_or_else(|| "–".to_owned(), |ms| ms.to_string())).join("/")
}

fn right(called: &Called) -> String {
    let mut right = match called.wrong_lines {
        0 => format!("all {}", called.lines),
        wrong => format!("{} of {}", called.lines.saturating_sub(wrong), called.lines),
    };
    if !called.tasks_right {
        right += "; not the tasks";
    }
    for (count, one, many) in [
        (called.left_out as u64, "title not read out", "titles not read out"),
        (called.books.rivals, "rival asked", "rivals asked"),
    ] {
        match count {
            0 => {}
            1 => right += &format!("; 1 {one}"),
            count => right += &format!("; {count} {many}"),
        }
    }
    right
}

#[cfg(test)]
mod tests {
    use super::super::books::Books;
    use super::super::setting::GROUPS;
    use super::*;

    fn called(name: &str, spent: [u64; 3]) -> Called {
        Called {
            name: name.to_owned(),
            books: Books { spent, wasted: [0, 0, 4_000], connected_ms: 30_000, rivals: 0 },
            latencies_ms: vec![700, 600],
            lines: 12,
            wrong_lines: 0,
            left_out: 0,
            tasks_right: true,
            problems: Vec::new(),
        }
    }

    #[test]
    fn a_setting_is_compared_with_the_first_of_its_group() {
        let calls = vec![called(SHIPPED.name, [1_000_000, 0, 500_000]), called("short", [1_000_000, 0, 400_000])];
        let table = markdown(&[(GROUPS[0], calls)]);
        let rows: Vec<&str> = table.lines().collect();
        assert_eq!(rows.len(), 5);
        let columns: Vec<usize> = rows.iter().map(|row| row.matches('|').count()).collect();
        assert_eq!(columns, [17; 5], "{table}");
        assert_eq!(
            rows[4],
            "| short | 0.50 | 1000 | 0 | 400 | 1400 | 0 / 0 / 4 | 2000 / 0 / 800 | 2800 | 0 % | – | −20.0 % | −6.7 % | −6.7 % | 600/700 | all 12 |"
        );
    }

    #[test]
    fn what_broke_is_told() {
        let books = Books { rivals: 3, ..Books::default() };
        let broken = Called { wrong_lines: 2, left_out: 1, tasks_right: false, books, ..called("x", [0; 3]) };
        assert!(row(&broken, None).contains("| – | – | – | – | – | 600/700 |"), "{}", row(&broken, None));
        assert_eq!(right(&broken), "10 of 12; not the tasks; 1 title not read out; 3 rivals asked");
        assert_eq!(latency(&[]), "–/–");
    }
}
