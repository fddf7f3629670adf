//! The drill as a Markdown table.

use voice_core::provider::Stage;

use super::{Cell, Outcome, Says};
use crate::provider::FaultKind;

const HEAD: &str = "| Fault | Stage | Place | The caller heard | Latency, ms | Added, ms | Longest gap, ms | Detected after, ms | Then served by | \
                    Cost added, µ$ | Wasted, µ$ | Back after, ms |\n|---|---|---|---|--:|--:|--:|--:|---|--:|--:|--:|\n";

/// A table of calls under faults, each with the healthy call that says as much.
pub fn markdown(rows: &[(Cell, Outcome, Outcome)]) -> String {
    let rows: String = rows.iter().map(|(cell, outcome, healthy)| row(cell, outcome, healthy)).collect();
    format!("{HEAD}{rows}")
}

fn row(cell: &Cell, outcome: &Outcome, healthy: &Outcome) -> String {
    let ms = |value: Option<u64>| value.map_or_else(|| "–".to_owned(), |value| value.to_string());
    let added = outcome.latency_ms.zip(healthy.latency_ms).map(|(ill, well)| i128::from(ill) - i128::from(well));
    let added = added.map_or_else(|| "–".to_owned(), |added| format!("{added:+}"));
    let cost = i128::from(outcome.spent_nanousd) - i128::from(healthy.spent_nanousd);
    format!(
        "| {} | {} | {} | {} | {} | {added} | {} | {} | {} | {:+.1} | {:.1} | {} |\n",
        cell.fault.kind,
        cell.stage.as_str(),
        place(cell),
        heard(outcome, healthy),
        ms(outcome.latency_ms),
        outcome.gap_ms,
        ms(outcome.detected_ms),
        backup(cell, outcome),
        cost as f64 / 1_000.0,
        outcome.wasted_nanousd as f64 / 1_000.0,
        ms(outcome.recovered_ms),
    )
}

fn place(cell: &Cell) -> String {
    let of_what = if cell.stage == Stage::Llm && cell.says == Says::Talk { " (text)" } else { "" };
    format!("{}{of_what}", cell.fault.place)
}

fn heard(outcome: &Outcome, healthy: &Outcome) -> String {
    if outcome.heard == healthy.heard && outcome.tasks == healthy.tasks {
        return "everything, once".to_owned();
    }
    if outcome.heard.is_empty() {
        return if outcome.fell_back { "nothing: it was asked to type" } else { "nothing" }.to_owned();
    }
    format!("\"{}\" instead of \"{}\"", outcome.heard, healthy.heard)
}

/// Who took over, and why; who was asked at once because the first one was known to be ill.
fn backup(cell: &Cell, outcome: &Outcome) -> String {
    let moves: Vec<String> = outcome
        .failovers_of(cell.stage)
        .map(|count| format!("{} ({})", count.labels["to"], count.labels["reason"]))
        .collect();
    match (moves.is_empty(), cell.is_harmless()) {
        (false, _) => moves.join(", "),
        (true, true) => format!("{} itself", cell.first()),
        (true, false) => "the next, from the start".to_owned(),
    }
}

/// The value below which this share of the sorted values lies: the nearest rank.
pub(super) fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// Whether a fault is known by nothing but its silence.
fn silent(cell: &Cell) -> bool {
    matches!(cell.fault.kind, FaultKind::Hang | FaultKind::Dribble | FaultKind::Spaces | FaultKind::Empty)
}

/// Under silent faults 95 of 100 callers are to wait less than this, in milliseconds.
const MOST_SILENT_MS: u64 = 800;

/// What is to be said of callers who waited too long under silent faults.
pub fn too_slow(rows: &[(Cell, Outcome, Outcome)]) -> Option<String> {
    let p95_ms = percentile(&sorted_latencies(rows, silent), 95).filter(|p95_ms| *p95_ms >= MOST_SILENT_MS)?;
    Some(format!("under silent faults 95 of 100 callers waited up to {p95_ms} ms, not less than {MOST_SILENT_MS}"))
}

/// What came of all calls, in a line.
pub fn summary(rows: &[(Cell, Outcome, Outcome)]) -> String {
    let whole = rows.iter().filter(|(_, outcome, healthy)| outcome.heard == healthy.heard).count();
    format!(
        "{whole} of {} callers heard everything, once. Voice latency in ms, P50/P95/longest: all {}; silent faults {}, of those in a \
         turn without a tool {}; the others {}.\n",
        rows.len(),
        latencies(rows, |_| true),
        latencies(rows, silent),
        latencies(rows, |cell| silent(cell) && cell.says == Says::Talk),
        latencies(rows, |cell| !silent(cell)),
    )
}

fn sorted_latencies(rows: &[(Cell, Outcome, Outcome)], which: impl Fn(&Cell) -> bool) -> Vec<u64> {
    let of_those = rows.iter().filter(|(cell, ..)| which(cell));
    let mut latencies: Vec<u64> = of_those.filter_map(|(_, outcome, _)| outcome.latency_ms).collect();
    latencies.sort_unstable();
    latencies
}

fn latencies(rows: &[(Cell, Outcome, Outcome)], which: impl Fn(&Cell) -> bool) -> String {
    let latencies = sorted_latencies(rows, which);
    [50, 95, 100]
        .map(|percent| percentile(&latencies, percent).map_or_else(|| "–".to_owned(), |ms| ms.to_string()))
        .join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let values: Vec<u64> = (1..=20).collect();
        assert_eq!((percentile(&values, 50), percentile(&values, 95), percentile(&[], 95)), (Some(10), Some(19), None));
    }
}
