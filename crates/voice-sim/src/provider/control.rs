//! The control API: faults and latencies in a running call, and the journal.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::fault::Fault;
use super::latency::parse_latencies;
use super::service::{Provider, Service};
use super::shared::{Shared, json_response};

/// Entries in an answer, unless another number is asked for.
const USUAL_ENTRIES: usize = 200;

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/control/fault", post(add_fault).delete(clear_faults).get(faults))
        .route("/control/cut", post(cut))
        .route("/control/latency", post(set_latency))
        .route("/control/journal", get(journal))
        .with_state(shared)
}

fn refuse(message: &str) -> Response<Body> {
    json_response(400, &json!({"error": message}))
}

async fn faults(State(shared): State<Arc<Shared>>) -> Response<Body> {
    json_response(200, &json!({"faults": shared.faults.to_json()}))
}

async fn add_fault(State(shared): State<Arc<Shared>>, body: Bytes) -> Response<Body> {
    let value: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let added = Fault::from_json(&value).and_then(|fault| {
        let told = fault.to_string();
        shared.faults.add(fault).map(|()| told)
    });
    match added {
        Ok(fault) => json_response(201, &json!({"fault": fault})),
        Err(message) => refuse(&message),
    }
}

/// All faults, or those of `?provider=`.
async fn clear_faults(State(shared): State<Arc<Shared>>, Query(query): Query<Vec<(String, String)>>) -> Response<Body> {
    let services = match query.iter().find(|(name, _)| name == "provider") {
        None => Ok(Service::ALL.to_vec()),
        Some((_, name)) => Service::of_name(name),
    };
    match services {
        Ok(services) => {
            shared.faults.clear(&services);
            faults(State(shared)).await
        }
        Err(message) => refuse(&message),
    }
}

/// `{"provider": "cartesia"}`.
async fn cut(State(shared): State<Arc<Shared>>, body: Bytes) -> Response<Body> {
    let value: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    match value["provider"].as_str().unwrap_or("").parse::<Provider>() {
        Ok(provider) => {
            shared.wires.cut(provider);
            json_response(200, &json!({"cut": provider}))
        }
        Err(message) => refuse(&message),
    }
}

/// `{"stt": "100", "llm": "150~50"}`.
async fn set_latency(State(shared): State<Arc<Shared>>, body: Bytes) -> Response<Body> {
    let Ok(Value::Object(wanted)) = serde_json::from_slice::<Value>(&body) else {
        return refuse("latencies are an object");
    };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let pairs: Vec<String> = wanted.iter().map(|(step, value)| format!("{step}={}", text(value))).collect();
    match parse_latencies(&pairs.join(",")) {
        Ok(latencies) => {
            for (step, latency) in &latencies {
                shared.latencies.set(*step, *latency);
            }
            json_response(200, &json!({"latencies": latencies}))
        }
        Err(message) => refuse(&message),
    }
}

/// The last entries; `?last=N` of them, `?provider=` for some.
async fn journal(State(shared): State<Arc<Shared>>, Query(query): Query<Vec<(String, String)>>) -> Response<Body> {
    let value = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let last = value("last").and_then(|last| last.parse().ok()).unwrap_or(USUAL_ENTRIES);
    let services = match value("provider").map_or(Ok(Service::ALL.to_vec()), Service::of_name) {
        Ok(services) => services,
        Err(message) => return refuse(&message),
    };
    let mut entries = shared.journal.entries();
    entries.retain(|entry| services.contains(&entry.service));
    let entries = entries.split_off(entries.len().saturating_sub(last));
    let connections = Provider::ALL.map(|provider| (provider.name(), shared.journal.connections(provider)));
    json_response(
        200,
        &json!({
            "now_ms": shared.journal.now_ms(),
            "connections": std::collections::BTreeMap::from(connections),
            "warnings": shared.journal.warnings(),
            "sms": shared.telephone.messages(),
            "alerts": shared.alerts.all(),
            "entries": entries,
        }),
    )
}
