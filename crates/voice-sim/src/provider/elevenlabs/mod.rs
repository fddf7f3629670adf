//! ElevenLabs: TTS over a multi-context WebSocket and over HTTP. The single-context WebSocket is not simulated.

mod context;
mod format;
mod http;
mod multi;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, Response};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::journal::{End, Key, Opening, Record};
use super::net::Wire;
use super::service::Service;
use super::shared::{Shared, check_key, header, json_response, with_header, with_retry_after};
use super::socket::{LARGEST_MESSAGE, pump};
use http::Refusal;

/// The HTTP requests that are being served.
#[derive(Debug, Clone, Default)]
pub(crate) struct Requests(Arc<AtomicUsize>);

/// One that is.
#[derive(Debug)]
struct Busy(Arc<AtomicUsize>);

impl Requests {
    fn begin(&self, most: usize) -> Option<Busy> {
        let more = |busy: usize| (busy < most).then_some(busy + 1);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok().map(|_| Busy(Arc::clone(&self.0)))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/text-to-speech/{voice}/multi-stream-input", get(multi))
        .route("/v1/text-to-speech/{voice}/stream", post(stream))
        .route("/v1/text-to-speech/{voice}/stream/with-timestamps", post(stream_with_timestamps))
        .with_state(shared)
}

fn open(shared: &Shared, method: &str, path: &str, wire: &Wire, headers: &HeaderMap) -> (Record, Key) {
    let key = check_key(header(headers, "xi-api-key"), &shared.script.keys.elevenlabs);
    let (method, path) = (method.to_owned(), path.to_owned());
    (shared.journal.open(Opening { service: Service::ElevenLabs, method, path, connection: wire.number, key }), key)
}

async fn multi(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    Path(voice): Path<String>,
    headers: HeaderMap,
    Query(query): Query<Vec<(String, String)>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response<Body> {
    let path = format!("/v1/text-to-speech/{voice}/multi-stream-input");
    let (record, key) = open(&shared, "WS", &path, &wire, &headers);
    let secret = ["authorization", "single_use_token"];
    record
        .request(&query.iter().filter(|(name, _)| !secret.contains(&name.as_str())).map(|pair| json!(pair)).collect());
    let opened = multi::open(&query);
    let model = opened.as_ref().ok().map(|opened| opened.model.clone());
    if let Some(model) = &model {
        record.model(model);
    }
    if let Err(response) = enter(&shared, model.as_deref(), key, &wire, &record).await {
        return response;
    }
    let opened = match opened {
        Ok(opened) => opened,
        Err(message) => return refuse(400, "invalid_parameters", &message, &record),
    };
    for warning in &opened.warnings {
        record.warn(warning.as_str());
    }
    match upgrade {
        Ok(upgrade) => {
            let socket = multi::Socket::new(Arc::clone(&shared), opened);
            let trace = trace_id(&record);
            let response = upgrade
                .max_message_size(LARGEST_MESSAGE)
                .on_upgrade(move |upgraded| pump(shared, upgraded, socket, record));
            with_header(response, "x-trace-id", &trace)
        }
        Err(rejection) => {
            record.end(End::Refused(400));
            rejection.into_response()
        }
    }
}

async fn stream(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    Path(voice): Path<String>,
    headers: HeaderMap,
    Query(query): Query<Vec<(String, String)>>,
    body: Bytes,
) -> Response<Body> {
    speak(shared, false, wire, &format!("/v1/text-to-speech/{voice}/stream"), headers, query, body).await
}

async fn stream_with_timestamps(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    Path(voice): Path<String>,
    headers: HeaderMap,
    Query(query): Query<Vec<(String, String)>>,
    body: Bytes,
) -> Response<Body> {
    speak(shared, true, wire, &format!("/v1/text-to-speech/{voice}/stream/with-timestamps"), headers, query, body).await
}

async fn speak(
    shared: Arc<Shared>,
    with_timestamps: bool,
    wire: Wire,
    path: &str,
    headers: HeaderMap,
    query: Vec<(String, String)>,
    body: Bytes,
) -> Response<Body> {
    let (record, key) = open(&shared, "POST", path, &wire, &headers);
    record.received(body.len(), true);
    let request: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    record.request(&request);
    let model = request["model_id"].as_str().map(str::to_owned);
    if let Some(model) = &model {
        record.model(model);
    }
    if let Err(response) = enter(&shared, model.as_deref(), key, &wire, &record).await {
        return response;
    }
    let asked = match http::check(&query, &request) {
        Ok(asked) => asked,
        Err(Refusal::Coded(status, code, message)) => return refuse(status, code, &message, &record),
        Err(Refusal::Invalid(field, message)) => {
            return refuse_body(
                422,
                &json!([{"loc": ["body", field], "msg": message, "type": "value_error"}]),
                &record,
            );
        }
    };
    for warning in &asked.warnings {
        record.warn(warning.as_str());
    }
    let Some(busy) = shared.elevenlabs_requests.begin(shared.script.limits.elevenlabs_requests) else {
        return refuse(429, "concurrent_limit_exceeded", "Too many concurrent requests.", &record);
    };
    http::answer(shared, asked, with_timestamps, &wire, record, busy).await
}

/// What is the same for all requests: the faults, and the key.
async fn enter(
    shared: &Shared,
    model: Option<&str>,
    key: Key,
    wire: &Wire,
    record: &Record,
) -> Result<(), Response<Body>> {
    if let Err(kind) = shared.connect(Service::ElevenLabs, model, wire, record).await {
        let (status, seconds) = kind.status().unwrap_or((500, None));
        let (code, message) = error_of(status);
        // An empty account is a 401 here.
        let status = if status == 402 { 401 } else { status };
        return Err(with_retry_after(refuse(status, code, message, record), seconds));
    }
    if key != Key::Right {
        let (code, message) = error_of(401);
        return Err(refuse(401, code, message, record));
    }
    Ok(())
}

/// What a status is called, and what it says.
fn error_of(status: u16) -> (&'static str, &'static str) {
    match status {
        401 => ("invalid_api_key", "Invalid API key."),
        402 => ("quota_exceeded", "This request exceeds your quota."),
        404 => ("model_not_found", "No such model."),
        429 => ("rate_limit_exceeded", "Too many requests."),
        503 => ("system_busy", "The system is busy."),
        _ => ("internal_error", "The server failed."),
    }
}

fn refuse(status: u16, code: &str, message: &str, record: &Record) -> Response<Body> {
    let detail = json!({
        "type": "error", "code": code, "message": message, "status": code, "request_id": trace_id(record), "param": null,
    });
    refuse_body(status, &detail, record)
}

fn refuse_body(status: u16, detail: &Value, record: &Record) -> Response<Body> {
    record.status(status);
    record.end(End::Refused(status));
    with_header(json_response(status, &json!({"detail": detail})), "request-id", &trace_id(record))
}

fn trace_id(record: &Record) -> String {
    format!("{:032x}", record.id())
}
