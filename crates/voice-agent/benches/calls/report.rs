//! What is printed: Markdown.

use std::io::Write as _;

use anyhow::Result;

use crate::stats::Spread;

/// Prints a line, or several.
pub(crate) fn line(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

/// What a figure is to stay below.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p95_ms: f64,
}

impl Target {
    fn verdict(self, spread: &Spread) -> String {
        let met = spread.p95 < self.p95_ms && self.p50_ms.is_none_or(|target| spread.p50 < target);
        let p50 = self.p50_ms.map_or_else(String::new, |target| format!("P50 < {target}, "));
        format!("{p50}P95 < {}: {}", self.p95_ms, if met { "met" } else { "**missed**" })
    }
}

/// Begins a table of spreads.
pub(crate) fn spread_head(what: &str) -> Result<()> {
    line(&format!("| {what}, ms | P50 | P95 | P99 | max | samples | target |\n|---|---|---|---|---|---|---|"))
}

/// A row of it: the medians of the runs.
pub(crate) fn spread_row(name: &str, runs: &[Vec<f64>], target: Option<Target>) -> Result<()> {
    let spreads: Vec<Spread> = runs.iter().filter_map(|run| Spread::of(run.clone())).collect();
    let Some(spread) = Spread::median_of(&spreads) else {
        return line(&format!("| {name} | – | – | – | – | 0 | |"));
    };
    let Spread { p50, p95, p99, max, count } = spread;
    let target = target.map_or_else(String::new, |target| target.verdict(&spread));
    line(&format!("| {name} | {p50:.1} | {p95:.1} | {p99:.1} | {max:.1} | {count} | {target} |"))
}
