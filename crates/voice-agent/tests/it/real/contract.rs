//! What the outside relies on, letter for letter. A change of the snapshot is a decision, written down in docs/adr.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use toml::Table;
use voice_agent::config::env::{keys, variable_of};
use voice_agent::config::{Config, Secrets};
use voice_agent::http::ROUTES;
use voice_agent::sms::VOICE_FAILED;
use voice_agent::telemetry::Metrics;
use voice_agent::tools::{REVIEW_AGENT, TASK_AGENT, specs_for};
use voice_core::{config, phrases};

/// The fields of a session's JSON, sorted.
pub(super) const SESSION_FIELDS: [&str; 8] = [
    "channel",
    "context",
    "conversation_history",
    "created_at",
    "current_agent",
    "last_activity",
    "session_id",
    "user_id",
];

/// A metric of the contract: name, type, labels, buckets.
type MetricRow = (&'static str, &'static str, &'static [&'static str], &'static [f64]);

/// The metrics that dashboards and alerts of others are built on.
pub(super) const METRICS: &[MetricRow] = &[
    ("voice_latency_seconds", "histogram", &["channel"], &[0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.5, 2.0]),
    ("voice_stt_duration_seconds", "histogram", &["provider"], &[0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0]),
    ("voice_llm_duration_seconds", "histogram", &["model"], &[0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 2.0]),
    ("voice_tts_duration_seconds", "histogram", &["provider"], &[0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5]),
    ("voice_cost_per_call_usd", "histogram", &["channel"], &[0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2]),
    ("voice_transcription_errors_total", "counter", &["provider", "error_type"], &[]),
    (
        "voice_session_duration_seconds",
        "histogram",
        &["channel", "outcome"],
        &[30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0],
    ),
    ("voice_agent_active_sessions", "gauge", &[], &[]),
    ("voice_stt_failovers_total", "counter", &["from", "to", "reason"], &[]),
    ("voice_llm_failovers_total", "counter", &["from", "to", "reason"], &[]),
    ("voice_tts_failovers_total", "counter", &["from", "to", "reason"], &[]),
];

/// One metric as it is exported.
#[derive(Debug, Default, PartialEq)]
struct Exported {
    kind: String,
    labels: BTreeSet<String>,
    buckets: Vec<f64>,
    values: BTreeMap<String, BTreeSet<String>>,
}

/// The label pairs of a sample. None of our values holds a comma or a quote.
fn pairs(sample: &str) -> Vec<(String, String)> {
    let inside = sample.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or("", |(inside, _)| inside);
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap();
        (name.to_owned(), value.trim_matches('"').to_owned())
    };
    inside.split(',').filter(|text| !text.is_empty()).map(pair).collect()
}

fn exported(text: &str) -> BTreeMap<String, Exported> {
    let mut all: BTreeMap<String, Exported> = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        all.insert(name.to_owned(), Exported { kind: kind.to_owned(), ..Exported::default() });
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let sample = line.split(['{', ' ']).next().unwrap();
        let name = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
            let name = sample.strip_suffix(end)?;
            all.get(name).filter(|metric| metric.kind == "histogram").map(|_| name.to_owned())
        });
        let metric = all.get_mut(&name.unwrap_or_else(|| sample.to_owned())).expect("a sample of a metric");
        for (label, value) in pairs(line) {
            if label != "le" {
                metric.values.entry(label.clone()).or_default().insert(value);
                metric.labels.insert(label);
            } else if let Ok(bound) = value.parse::<f64>()
                && bound.is_finite()
                && !metric.buckets.contains(&bound)
            {
                metric.buckets.push(bound);
            }
        }
    }
    all
}

fn registered() -> BTreeMap<String, Exported> {
    let tools: Vec<&str> =
        [TASK_AGENT, REVIEW_AGENT].iter().flat_map(|agent| specs_for(agent)).map(|spec| spec.name).collect();
    exported(&Metrics::new("rules", &tools).exposition().unwrap())
}

#[test]
fn the_metrics_of_the_contract_are_exact() {
    let all = registered();
    for (name, kind, labels, buckets) in METRICS {
        let found = &all[*name];
        let labels: BTreeSet<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        assert_eq!(
            (found.kind.as_str(), &found.labels, found.buckets.as_slice()),
            (*kind, &labels, *buckets),
            "{name}"
        );
    }
    let channels = &all["voice_latency_seconds"].values["channel"];
    assert_eq!(channels.iter().collect::<Vec<_>>(), ["browser", "phone", "screen_share"]);
    let outcomes = &all["voice_session_duration_seconds"].values["outcome"];
    assert_eq!(outcomes.iter().collect::<Vec<_>>(), ["completed", "dropped", "error"]);
}

#[test]
fn every_metric_is_in_the_documents() {
    let mut table = String::new();
    for metric in Metrics::CATALOGUE {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let row = [format!("`{}`", metric.name()), metric.kind.to_owned(), labels.join(", "), metric.help()];
        table.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
    let text = std::fs::read_to_string(document).unwrap();
    assert!(text.contains(&format!("|---|---|---|---|\n{table}\n")), "docs/metrics.md should have the rows\n{table}");
}

#[test]
fn the_catalogue_is_what_is_exported() {
    let all = registered();
    for (name, metric) in &all {
        let info = Metrics::CATALOGUE.iter().find(|info| info.name() == *name).unwrap_or_else(|| panic!("no {name}"));
        let labels: BTreeSet<String> = info.labels.iter().map(|label| (*label).to_owned()).collect();
        assert_eq!((metric.kind.as_str(), &metric.labels), (info.kind, &labels), "{name}");
    }
    assert!(all.len() > 40 && all.len() <= Metrics::CATALOGUE.len());
}

#[test]
fn the_outside_is_as_it_was() {
    let metrics: BTreeMap<String, Value> = registered()
        .into_iter()
        .map(|(name, metric)| (name, json!({"type": metric.kind, "labels": metric.labels, "buckets": metric.buckets})))
        .collect();
    let defaults = Table::try_from(Config::default()).unwrap();
    let mut variables: Vec<String> = keys(&defaults).iter().map(|(key, _)| variable_of(key)).collect();
    for secret in Secrets::VARIABLES {
        variables.extend([(*secret).to_owned(), format!("{secret}_FILE")]);
    }
    variables.extend(["VOICE_AGENT_CONFIG".to_owned(), "AUTH".to_owned()]);
    variables.sort();
    variables.dedup();
    let routes: BTreeMap<&str, &[&str]> = ROUTES.iter().copied().collect();
    insta::assert_json_snapshot!(json!({
        "metrics": metrics,
        "session_fields": SESSION_FIELDS,
        "routes": routes,
        "environment": variables,
        "texts": {
            "greeting": config::GREETING,
            "restored": phrases::RESTORED_GREETING,
            "recording_stopped": phrases::RECORDING_STOPPED,
            "text_fallback": phrases::TEXT_FALLBACK,
            "phone_consent": phrases::PHONE_CONSENT,
            "text_fallback_sms": VOICE_FAILED,
        },
        "agents": [TASK_AGENT, REVIEW_AGENT],
    }));
}

#[test]
fn the_texts_of_the_contract_are_exact() {
    assert_eq!(config::GREETING, "Hello! How can I help with your tasks today?");
    assert_eq!(phrases::RESTORED_GREETING, "I'm back. We were discussing your task list. Where were we?");
    assert_eq!(phrases::RECORDING_STOPPED, "Recording has been stopped for this call. How can I help you?");
    assert_eq!(phrases::TEXT_FALLBACK, "Voice is temporarily unavailable. You can type your request below.");
    assert_eq!(
        phrases::PHONE_CONSENT,
        "This call may be recorded for quality and training purposes. Say 'stop recording' at any time to disable \
         recording."
    );
    assert_eq!(
        VOICE_FAILED,
        "We're experiencing technical difficulties with voice. Please text this number or try again in a few minutes."
    );
    assert_eq!((TASK_AGENT, ROUTES[0].0, ROUTES[1].0), ("TaskAgent", "/health/live", "/health/ready"));
}
