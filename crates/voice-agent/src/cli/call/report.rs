//! How calls went, for people and for programs.

use serde::Serialize;
use serde_json::{Value, json};
use voice_caller::heard::Heard;
use voice_core::timeline::PauseCause;

use crate::cli::out;

/// How one call went.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct CallReport {
    /// The session.
    pub(super) session_id: String,
    /// What the server understood, an utterance each.
    pub(super) transcript: Vec<String>,
    /// What it answered.
    pub(super) reply: String,
    /// The tools that ran.
    pub(super) tools: Vec<String>,
    /// Milliseconds from the end of the speech to the first frame of the answer, as the caller felt it.
    pub(super) latency_ms: Option<u64>,
    /// Milliseconds of the answer's audio.
    pub(super) heard_ms: u64,
    /// The server's `turn` event: its own latency, where it went, and the cost.
    pub(super) turn: Option<Value>,
    /// What went wrong.
    pub(super) error: Option<String>,
}

impl CallReport {
    /// A call of which this was heard.
    pub(super) fn of(session_id: String, heard: Heard, error: Option<String>) -> Self {
        Self {
            session_id,
            reply: heard.reply().to_owned(),
            tools: heard.tool_names(),
            latency_ms: heard.felt_ms,
            heard_ms: heard.heard_ms(),
            transcript: heard.utterances.into_iter().map(|(_, text, _)| text).collect(),
            turn: heard.turn,
            error,
        }
    }

    /// A call that did not come about.
    pub(super) fn failed(error: String) -> Self {
        Self { error: Some(error), ..Self::default() }
    }

    fn server_ms(&self) -> Option<u64> {
        self.turn.as_ref()?["latency_ms"].as_u64()
    }

    fn stage_ms(&self, stage: PauseCause) -> Option<u64> {
        self.turn.as_ref()?["stages"][stage.as_str()].as_u64()
    }
}

/// Prints one call, or the table of many.
///
/// # Errors
/// When it cannot be written.
pub(super) fn print(reports: &[CallReport], json: bool) -> anyhow::Result<()> {
    match reports {
        [only] if json => out::line(&serde_json::to_string(only)?),
        [only] => print_one(only),
        many if json => out::line(&json!({"calls": many, "summary": summary(many)}).to_string()),
        many => print_table(many),
    }
}

fn print_one(report: &CallReport) -> anyhow::Result<()> {
    if report.session_id.is_empty()
        && let Some(error) = &report.error
    {
        // There was no call: five empty lines would say no more.
        return out::line(&format!("failed      {error}"));
    }
    out::line(&format!("understood  {}", report.transcript.join(" / ")))?;
    out::line(&format!("tools       {}", report.tools.join(", ")))?;
    out::line(&format!("answered    {}", report.reply))?;
    let ms = |value: Option<u64>| value.map_or_else(|| "none".to_owned(), |ms| format!("{ms} ms"));
    out::line(&format!("latency     {} (the server's own: {})", ms(report.latency_ms), ms(report.server_ms())))?;
    let stages: Vec<String> = PauseCause::ALL
        .iter()
        .filter_map(|&stage| Some((stage, report.stage_ms(stage)?)))
        .map(|(stage, ms)| format!("{} {ms}", stage.as_str()))
        .collect();
    out::line(&format!("stages      {}", stages.join(" · ")))?;
    if let Some(cause) = report.turn.as_ref().and_then(|turn| turn["cause"].as_str()) {
        out::line(&format!("cause       {cause}"))?;
    }
    if let Some(error) = &report.error {
        out::line(&format!("failed      {error}"))?;
    }
    Ok(())
}

/// The value below which this share of the values lies: the nearest rank.
fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

fn rows(reports: &[CallReport]) -> Vec<(String, Vec<u64>)> {
    let sorted = |of: &dyn Fn(&CallReport) -> Option<u64>| {
        let mut values: Vec<u64> = reports.iter().filter_map(of).collect();
        values.sort_unstable();
        values
    };
    let mut rows = vec![
        ("latency".to_owned(), sorted(&|report| report.latency_ms)),
        ("server".to_owned(), sorted(&|report| report.server_ms())),
    ];
    for stage in PauseCause::ALL {
        rows.push((stage.as_str().to_owned(), sorted(&|report| report.stage_ms(stage))));
    }
    rows
}

fn summary(reports: &[CallReport]) -> Value {
    let mut summary = serde_json::Map::new();
    for (name, values) in rows(reports) {
        let at = |percent| percentile(&values, percent);
        summary.insert(name, json!({"count": values.len(), "p50_ms": at(50), "p95_ms": at(95), "p99_ms": at(99)}));
    }
    let failed = reports.iter().filter(|report| report.error.is_some()).count();
    summary.insert("failed".to_owned(), json!(failed));
    Value::Object(summary)
}

fn print_table(reports: &[CallReport]) -> anyhow::Result<()> {
    out::line(&format!("{:<12} {:>6} {:>8} {:>8} {:>8}", "ms", "calls", "P50", "P95", "P99"))?;
    for (name, values) in rows(reports) {
        let cell = |percent| percentile(&values, percent).map_or_else(|| "-".to_owned(), |ms| ms.to_string());
        let (p50, p95, p99) = (cell(50), cell(95), cell(99));
        out::line(&format!("{name:<12} {:>6} {p50:>8} {p95:>8} {p99:>8}", values.len()))?;
    }
    let mut errors: Vec<&str> = reports.iter().filter_map(|report| report.error.as_deref()).collect();
    errors.sort_unstable();
    for group in errors.chunk_by(|a, b| a == b) {
        out::line(&format!("failed       {:>6}  {}", group.len(), group[0]))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let values: Vec<u64> = (1..=100).collect();
        assert_eq!(
            (percentile(&values, 50), percentile(&values, 95), percentile(&values, 99)),
            (Some(50), Some(95), Some(99))
        );
        assert_eq!((percentile(&[7], 50), percentile(&[7], 99), percentile(&[], 50)), (Some(7), Some(7), None));
    }
}
