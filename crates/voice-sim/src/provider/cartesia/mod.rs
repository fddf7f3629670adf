//! Cartesia: TTS at `/tts/websocket`. `/tts/bytes` and `/tts/sse` are not simulated.

mod context;
mod message;
mod socket;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, Response};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::json;

use super::journal::{End, Key, Opening, Record};
use super::net::Wire;
use super::service::Service;
use super::shared::{Shared, check_key, header, json_response, request_id, with_header, with_retry_after};
use super::socket::{LARGEST_MESSAGE, pump};
use message::is_date;

/// From this version on errors are JSON.
const STRUCTURED_SINCE: &str = "2026-03-01";

/// The contexts that are active, over all sockets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places(Arc<AtomicUsize>);

/// An active context's place.
#[derive(Debug)]
struct Place(Arc<AtomicUsize>);

impl Places {
    /// A place, if fewer than `most` are taken.
    fn take(&self, most: usize) -> Option<Place> {
        let more = |taken: usize| (taken < most).then_some(taken + 1);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok().map(|_| Place(Arc::clone(&self.0)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new().route("/tts/websocket", get(websocket)).with_state(shared)
}

async fn websocket(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    headers: HeaderMap,
    Query(query): Query<Vec<(String, String)>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response<Body> {
    let of_query = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let bearer = header(&headers, "authorization").map(|value| value.strip_prefix("Bearer ").unwrap_or(""));
    let given = bearer.or_else(|| header(&headers, "x-api-key")).or_else(|| of_query("api_key"));
    let key = check_key(given.or_else(|| of_query("access_token")), &shared.script.keys.cartesia);
    let (method, path) = ("WS".to_owned(), "/tts/websocket".to_owned());
    let record =
        shared.journal.open(Opening { service: Service::Cartesia, method, path, connection: wire.number, key });
    for (name, _) in &query {
        match name.as_str() {
            "api_key" | "access_token" => record.warn("the key is in the query"),
            "cartesia_version" => {}
            _ => record.warn(format!("unknown query parameter {name}")),
        }
    }
    let version = of_query("cartesia_version").or_else(|| header(&headers, "cartesia-version")).unwrap_or_default();
    record.note("version", version);
    let structured = version >= STRUCTURED_SINCE;
    if let Err(kind) = shared.connect(Service::Cartesia, None, &wire, &record).await {
        let (status, seconds) = kind.status().unwrap_or((500, None));
        return with_retry_after(refuse(status, error_code(status), structured, &record), seconds);
    }
    if key != Key::Right {
        return refuse(401, error_code(401), structured, &record);
    }
    if !is_date(version) {
        return refuse(400, "invalid_version", structured, &record);
    }
    match upgrade {
        Ok(upgrade) => {
            let socket = socket::Socket::new(Arc::clone(&shared), structured, request_id(&record), record.now_ms());
            upgrade.max_message_size(LARGEST_MESSAGE).on_upgrade(move |upgraded| pump(shared, upgraded, socket, record))
        }
        Err(rejection) => {
            record.end(End::Refused(400));
            rejection.into_response()
        }
    }
}

/// What a status is called.
fn error_code(status: u16) -> &'static str {
    match status {
        401 => "invalid_api_key",
        402 => "insufficient_credits",
        404 => "model_not_found",
        429 => "concurrency_limited",
        503 => "service_unavailable",
        _ => "internal_error",
    }
}

fn refuse(status: u16, code: &str, structured: bool, record: &Record) -> Response<Body> {
    record.status(status);
    record.end(End::Refused(status));
    let id = request_id(record);
    let response = if structured {
        let title = code.replace('_', " ");
        json_response(status, &json!({"error_code": code, "title": title, "message": title, "request_id": id}))
    } else {
        let mut response = json_response(status, &json!(null)).map(|_| Body::from(code.to_owned()));
        response.headers_mut().remove("content-type");
        response
    };
    with_header(response, "x-request-id", &id)
}
