//! What a server's metrics and the rehearsal servers' journal say of a call.

use std::collections::BTreeMap;

use serde_json::Value;
use voice_core::provider::Stage;

use super::matrix::{Cell, RETIRED};

/// Counters and gauges by their series, as Prometheus writes them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scrape(BTreeMap<String, f64>);

/// One series that counts by labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Count {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// By how much it has grown.
    pub grown: f64,
}

impl Scrape {
    /// Reads an exposition.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let pair = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        };
        Self(lines.filter_map(pair).collect())
    }

    /// The value of a series; 0 of one that is not there.
    pub fn value(&self, series: &str) -> f64 {
        self.0.get(series).copied().unwrap_or_default()
    }

    /// The series of a metric that have grown since then.
    pub fn grown(&self, before: &Self, metric: &str) -> Vec<Count> {
        let of_metric = self.0.iter().filter_map(|(series, value)| {
            let labels = series.strip_prefix(metric)?.strip_prefix('{')?.strip_suffix('}')?;
            let grown = value - before.value(series);
            (grown > 0.0).then(|| Count { labels: pairs(labels), grown })
        });
        of_metric.collect()
    }

    /// The providers that rest.
    pub fn resting(&self) -> Vec<String> {
        let down = self.0.iter().filter(|(_, value)| **value == 0.0);
        down.filter_map(|(series, _)| series.strip_prefix("voice_provider_up{").map(str::to_owned)).collect()
    }
}

/// None of our values holds a comma or a quote.
fn pairs(labels: &str) -> BTreeMap<String, String> {
    let pair =
        |pair: &str| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()));
    labels.split(',').filter_map(pair).collect()
}

/// When a fault showed, and when somebody else was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    /// The fault struck, in milliseconds of the journal's clock.
    pub fault_ms: Option<u64>,
    /// The next provider was asked.
    pub backup_ms: Option<u64>,
}

impl Times {
    /// Out of the journal's entries since `from_ms`.
    pub fn of(journal: &Value, cell: &Cell, from_ms: u64) -> Self {
        let empty = Vec::new();
        let entries = journal["entries"].as_array().unwrap_or(&empty);
        let (first, next) = match cell.stage {
            Stage::Stt => ("deepgram", "whisper"),
            Stage::Llm => ("chat", "chat"),
            Stage::Tts => ("cartesia", "elevenlabs"),
        };
        let is_first =
            |entry: &&Value| entry["service"] == first && (cell.stage != Stage::Llm || entry["model"] == cell.first());
        let is_next =
            // One that is not served is probed now and then, and never asked.
            |entry: &&Value| entry["service"] == next && (cell.stage != Stage::Llm || (entry["model"] != cell.first() && entry["model"] != RETIRED));
        let faults = entries.iter().filter(is_first).flat_map(|entry| notes(entry, &["fault"]));
        let asked = entries.iter().filter(is_next).flat_map(|entry| {
            // A socket was opened long before it is asked for anything.
            let asked = notes(entry, &["context", "text"]);
            if entry["method"] == "WS" { asked } else { entry["at_ms"].as_u64().into_iter().collect() }
        });
        let first_since =
            |times: &mut dyn Iterator<Item = u64>, since_ms| times.filter(|at_ms| *at_ms >= since_ms).min();
        let fault_ms = first_since(&mut faults.into_iter(), from_ms);
        Self { fault_ms, backup_ms: first_since(&mut asked.into_iter(), fault_ms.unwrap_or(from_ms)) }
    }
}

fn notes(entry: &Value, what: &[&str]) -> Vec<u64> {
    let notes = entry["notes"].as_array().into_iter().flatten();
    let wanted = notes.filter(|note| note["what"].as_str().is_some_and(|known| what.contains(&known)));
    wanted.filter_map(|note| note["at_ms"].as_u64()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::matrix::matrix;
    use super::*;

    #[test]
    fn what_grew_is_told_with_its_labels() {
        let before = Scrape::parse("# HELP a b\na_total{from=\"x\",to=\"y\"} 1\nb 2\n");
        let after = Scrape::parse(
            "a_total{from=\"x\",to=\"y\"} 3\na_total{from=\"x\",to=\"z\"} 0\nvoice_provider_up{p=\"q\"} 0\n",
        );
        let grown = after.grown(&before, "a_total");
        assert_eq!(
            grown.iter().map(|count| (count.labels["to"].as_str(), count.grown)).collect::<Vec<_>>(),
            [("y", 2.0)]
        );
        assert_eq!((after.value("c"), after.resting()), (0.0, vec!["p=\"q\"}".to_owned()]));
    }

    #[test]
    fn the_journal_says_when_a_fault_struck_and_when_somebody_else_was_asked() {
        let cell = matrix(Stage::Llm).expect("a matrix").remove(0);
        let entry = |model: &str, at_ms: u64, notes: Value| json!({"service": "chat", "method": "POST", "model": model, "at_ms": at_ms, "notes": notes});
        let journal = json!({"entries": [
            entry("gpt-4o-mini", 90, json!([{"what": "fault", "at_ms": 95}])),
            entry("gpt-4o-mini", 100, json!([{"what": "fault", "at_ms": 105}])),
            entry("gpt-5.4-mini", 150, json!([])),
        ]});
        assert_eq!(Times::of(&journal, &cell, 99), Times { fault_ms: Some(105), backup_ms: Some(150) });
        assert_eq!(Times::of(&json!({}), &cell, 0), Times::default());
    }
}
