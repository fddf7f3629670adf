//! What a call cost, as the server's own books have it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::super::scrape::Scrape;

/// The stages, in the order of a table.
pub(super) const STAGES: [&str; 3] = ["stt", "llm", "tts"];

/// What a call cost, in nano-dollars by stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Books {
    /// Everything, wasted or not.
    pub(super) spent: [u64; 3],
    /// What of it was for nothing.
    pub(super) wasted: [u64; 3],
    /// How long the caller was connected.
    pub(super) connected_ms: u64,
    /// Rivals that were asked, because somebody showed nothing for longer than usual.
    pub(super) rivals: u64,
}

impl Books {
    /// Out of the metrics of a server that had one call, which is over; none while it is not.
    pub(super) fn read(scrape: &Scrape) -> Option<Self> {
        let nothing = Scrape::default();
        let connected = scrape.grown(&nothing, "voice_connected_milliseconds_total");
        let connected_ms = connected.iter().map(|count| count.grown as u64).sum();
        let rivals = scrape.grown(&nothing, "voice_hedges_total").iter().map(|count| count.grown as u64).sum();
        let (mut spent, mut wasted): (BTreeMap<String, u64>, BTreeMap<String, u64>) = Default::default();
        for count in scrape.grown(&nothing, "voice_spend_nanousd_total") {
            let (stage, nanos) = (count.labels.get("stage").cloned().unwrap_or_default(), count.grown as u64);
            *spent.entry(stage.clone()).or_default() += nanos;
            if count.labels.get("wasted").is_some_and(|wasted| wasted == "true") {
                *wasted.entry(stage).or_default() += nanos;
            }
        }
        let by_stage = |of: &BTreeMap<String, u64>| STAGES.map(|stage| of.get(stage).copied().unwrap_or_default());
        (connected_ms > 0).then(|| Self { spent: by_stage(&spent), wasted: by_stage(&wasted), connected_ms, rivals })
    }

    /// The nano-dollars of a session's document: by stage, and wasted.
    ///
    /// # Errors
    /// When the document has no cost.
    pub(super) fn of_document(document: &Value) -> Result<([u64; 3], u64)> {
        let cost = &document["context"]["cost"];
        let nanos = |field: &str| {
            let usd = cost[field].as_f64().with_context(|| format!("the session's document has no {field}"))?;
            Ok((usd * 1e9).round() as u64)
        };
        let spent: Result<Vec<u64>> = STAGES.iter().map(|stage| nanos(&format!("{stage}_usd"))).collect();
        let spent = spent?.try_into().ok().context("three stages")?;
        Ok((spent, nanos("wasted_usd")?))
    }

    pub(super) fn total(&self) -> u64 {
        self.spent.iter().sum()
    }

    /// So many nano-dollars of the call, for a minute of it.
    pub(super) fn a_minute(&self, nanos: u64) -> f64 {
        nanos as f64 * 60_000.0 / self.connected_ms.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metrics_and_document_say_the_same() {
        let running = "voice_spend_nanousd_total{stage=\"stt\",provider=\"deepgram\",wasted=\"false\"} 100\n\
                       voice_spend_nanousd_total{stage=\"stt\",provider=\"deepgram\",wasted=\"true\"} 20\n\
                       voice_spend_nanousd_total{stage=\"tts\",provider=\"cartesia\",wasted=\"false\"} 3\n";
        assert_eq!(Books::read(&Scrape::parse(running)), None);
        let hedges = "voice_hedges_total{stage=\"llm\"} 2\n";
        let over = format!("{running}{hedges}voice_connected_milliseconds_total{{channel=\"browser\"}} 30000\n");
        let books = Books::read(&Scrape::parse(&over)).expect("the call is over");
        assert_eq!((books.spent, books.wasted, books.total(), books.rivals), ([120, 0, 3], [20, 0, 0], 123, 2));
        assert!((books.a_minute(books.total()) - 246.0).abs() < 1e-9);
        let cost = json!({"stt_usd": 1.2e-7, "llm_usd": 0.0, "tts_usd": 3e-9, "wasted_usd": 2e-8});
        assert_eq!(Books::of_document(&json!({"context": {"cost": cost}})).ok(), Some((books.spent, 20)));
        assert!(Books::of_document(&json!({})).is_err());
    }
}
