//! Percentiles of a run, and medians of runs.

/// How a run's values are spread, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
    pub(crate) count: usize,
}

impl Spread {
    /// None of nothing.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let max = *values.last()?;
        let at = |percent| nearest_rank(&values, percent);
        Some(Self { p50: at(50), p95: at(95), p99: at(99), max, count: values.len() })
    }

    /// The median of each figure over the runs; the counts are added up.
    pub(crate) fn median_of(runs: &[Self]) -> Option<Self> {
        let over = |of: fn(&Self) -> f64| median(&runs.iter().map(of).collect::<Vec<_>>());
        Some(Self {
            p50: over(|run| run.p50)?,
            p95: over(|run| run.p95)?,
            p99: over(|run| run.p99)?,
            max: over(|run| run.max)?,
            count: runs.iter().map(|run| run.count).sum(),
        })
    }
}

/// The value below which this share of the sorted values lies; 0 of none.
fn nearest_rank(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0.0)
}

/// The middle value; of an even number of values the lower one of the two in the middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

/// The mean; 0 of none.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
