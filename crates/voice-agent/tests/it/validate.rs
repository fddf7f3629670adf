//! `voice-agent validate` against a server of the tests' own, and a Prometheus that says what it is told to.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::server::TestServer;

/// Values by a part of the query: the first that is in it counts.
type Values = Arc<Vec<(&'static str, Value)>>;

/// A Prometheus; its address.
async fn prometheus(values: Vec<(&'static str, Value)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let rules = json!({"status": "success", "data": {"groups": [{"rules": [
        {"type": "recording", "name": "voice:active_sessions:sum", "health": "ok"},
        {"type": "alerting", "name": "VoiceLatencyHigh", "health": "ok", "state": "inactive"}]}]}});
    let router = Router::new()
        .route("/api/v1/query", get(query))
        .route("/api/v1/query_range", get(query_range))
        .route("/api/v1/rules", get(async move || Json(rules.clone())))
        .with_state(Arc::new(values));
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn of(values: &Values, asked: &BTreeMap<String, String>) -> Value {
    let query = asked.get("query").cloned().unwrap_or_default();
    values.iter().find(|(part, _)| query.contains(part)).map_or(json!([]), |(_, value)| value.clone())
}

async fn query(State(values): State<Values>, Query(asked): Query<BTreeMap<String, String>>) -> Json<Value> {
    Json(json!({"status": "success", "data": {"resultType": "vector", "result": of(&values, &asked)}}))
}

async fn query_range(State(values): State<Values>, Query(asked): Query<BTreeMap<String, String>>) -> Json<Value> {
    let has = !of(&values, &asked).as_array().unwrap().is_empty();
    let series = if has { json!([{"metric": {}, "values": [[1, "0"]]}]) } else { json!([]) };
    Json(json!({"status": "success", "data": {"resultType": "matrix", "result": series}}))
}

fn one(value: &str) -> Value {
    json!([{"metric": {"channel": "browser", "stage": "stt", "version": "1"}, "value": [1, value]}])
}

/// What a healthy deployment's metrics say.
fn healthy() -> Vec<(&'static str, Value)> {
    vec![
        ("histogram_quantile", one("0.72")),
        ("voice_latency_seconds_bucket", one("0.97")),
        ("voice_latency_seconds_count", one("500")),
        ("voice_cost_per_call_usd_sum", one("5")),
        ("voice_cost_per_call_usd_count", one("100")),
        ("voice_session_duration_seconds_sum", one("6000")),
        ("voice_spend_nanousd_total", one("6000000000")),
        ("voice_connected_milliseconds_total", one("6000000")),
        // Every point of the window was scraped.
        ("count_over_time(count(voice_ready)[600s:15s])", one("40")),
        ("count_over_time(count(voice_ready)[86400s:60s])", one("1440")),
        ("", one("1")),
    ]
}

/// Runs it in `folder`, where a copy of spec.md and a dashboard are.
async fn validate(folder: &Path, arguments: &[&str]) -> (Output, Value) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::copy(root.join("spec.md"), folder.join("spec.md")).unwrap();
    let panel = json!({"title": "Panel", "targets": [{"expr": "voice_ready{region=~\"$region\"}"}]});
    std::fs::create_dir_all(folder.join("boards")).unwrap();
    std::fs::write(folder.join("boards/one.json"), json!({"title": "Board", "panels": [panel]}).to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_voice-agent"));
    command.current_dir(folder).env_clear().env("HOME", "/nonexistent").env("PATH", std::env::var_os("PATH").unwrap());
    command
        .args(["validate", "--json", "--dashboards", "boards", "--archive", "kept", "--timeout", "5"])
        .args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output, said)
}

fn status(said: &Value, criterion: &str) -> String {
    let all = said["report"]["criteria"].as_array().unwrap();
    let found = all.iter().find(|finding| finding["criterion"] == criterion).unwrap();
    found["status"].as_str().unwrap().to_owned()
}

fn is_untouched(folder: &Path) -> bool {
    let text = std::fs::read_to_string(folder.join("spec.md")).unwrap();
    text.matches("| [ ] |").count() == 10 && text.contains("Validated: not yet")
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_pass_and_a_rehearsal_ticks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let url = prometheus(healthy()).await;
    let only = ["--prometheus", &url, "--window", "10m", "--only", "latency,cost,monitoring"];
    let (output, said) = validate(folder.path(), &only).await;
    for criterion in ["P95 Latency", "Cost Per Minute", "Monitoring Active"] {
        assert_eq!(status(&said, criterion), "passed", "{said:#}");
    }
    // What was left out was not run: that is no success.
    assert_eq!((output.status.code(), status(&said, "Phone Channel").as_str()), (Some(1), "not_run"));
    assert_eq!(said["report"]["validated"], false);
    assert!(said["report"]["rehearsal"].as_array().unwrap().len() == 2, "{said:#}");
    assert!(is_untouched(folder.path()));
    let kept = |name: &str| std::fs::read_to_string(folder.path().join("kept").join(name)).unwrap();
    assert!(kept("checklist.md").contains("A REHEARSAL") && !kept("checklist.md").contains("Validated:"));
    let baseline: Value = serde_json::from_str(&kept("baseline.json")).unwrap();
    assert_eq!(baseline["recorded"]["voice:active_sessions:sum"][0]["value"], 1.0);
    assert_eq!(baseline["panels"][0]["panel"], "Board / Panel");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_slow_dear_or_empty_fails() {
    let folder = tempfile::tempdir().unwrap();
    let mut values = healthy();
    values[0].1 = one("0.81");
    values[3].1 = one("8");
    values.insert(0, ("voice_ready{", json!([])));
    // A day with a hole of an hour.
    values.insert(0, ("count_over_time", one("1380")));
    let url = prometheus(values).await;
    let only = ["--prometheus", &url, "--only", "latency,cost,monitoring"];
    let (output, said) = validate(folder.path(), &only).await;
    assert_eq!(output.status.code(), Some(1));
    for criterion in ["P95 Latency", "Cost Per Minute", "Monitoring Active"] {
        assert_eq!(status(&said, criterion), "failed", "{said:#}");
    }
    assert!(said.to_string().contains("panels without data: Board / Panel"), "{said:#}");
    assert!(said.to_string().contains("the metrics do not cover 24 hours: 95.8 % of it"), "{said:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_run_that_fails_validates_nothing() {
    let (folder, server) = (tempfile::tempdir().unwrap(), TestServer::start().await);
    let url = format!("http://{}", server.addr());
    // This server has no voice, so a caller waits for its greeting in vain.
    let (output, said) = validate(folder.path(), &["--url", &url]).await;
    assert_eq!((output.status.code(), &said["report"]["rehearsal"]), (Some(1), &json!([])));
    assert_eq!(status(&said, "Browser Channel"), "failed");
    assert!(said.to_string().contains("the greeting was not heard to its end"), "{said:#}");
    for criterion in ["P95 Latency", "Phone Channel", "Session Persistence", "Alerting Active", "Failover Tested"] {
        assert_eq!(status(&said, criterion), "not_run", "{said:#}");
    }
    assert!(is_untouched(folder.path()));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_usage_is_64_before_anything_is_called() {
    let folder = tempfile::tempdir().unwrap();
    for bad in [
        ["--window", "5"],
        ["--url", "127.0.0.1:8080"],
        ["--prometheus", "x"],
        ["--only", "luck"],
        ["--spec", "/nonexistent"],
        ["--fail-command", "true"],
        ["--alert-severity", "none"],
    ] {
        let (output, _) = validate(folder.path(), &bad).await;
        assert_eq!(output.status.code(), Some(64), "{bad:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(!folder.path().join("kept").exists());
}
