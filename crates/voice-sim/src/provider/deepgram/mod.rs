//! Deepgram: streaming STT at `/v1/listen`. Flux (`/v2/listen`) is not simulated.

mod query;
mod stream;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, Response};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::{Value, json};

use super::fault::FaultKind;
use super::journal::{End, Key, Opening, Record};
use super::net::Wire;
use super::service::Service;
use super::shared::{Shared, check_key, header, json_response, request_id, with_header, with_retry_after};
use super::socket::{LARGEST_MESSAGE, pump};

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new().route("/v1/listen", get(listen)).with_state(shared)
}

async fn listen(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    headers: HeaderMap,
    Query(query): Query<Vec<(String, String)>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response<Body> {
    let given = header(&headers, "authorization").map(|value| value.strip_prefix("Token ").unwrap_or(""));
    let key = check_key(given, &shared.script.keys.deepgram);
    let (method, path) = ("WS".to_owned(), "/v1/listen".to_owned());
    let record =
        shared.journal.open(Opening { service: Service::Deepgram, method, path, connection: wire.number, key });
    record.request(&query::to_json(&query));
    let asked = query::parse(&query);
    let model = asked.as_ref().ok().map(|asked| asked.model.clone());
    if let Some(model) = &model {
        record.model(model);
    }
    if let Err(kind) = shared.connect(Service::Deepgram, model.as_deref(), &wire, &record).await {
        return fault(kind, &record);
    }
    if key != Key::Right {
        return refuse(401, "INVALID_AUTH", "Invalid credentials.", &record);
    }
    let asked = match asked {
        Ok(asked) => asked,
        Err(message) => return refuse(400, "INVALID_QUERY_PARAMETER", &message, &record),
    };
    for warning in &asked.warnings {
        record.warn(warning.as_str());
    }
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade.max_message_size(LARGEST_MESSAGE),
        Err(rejection) => {
            record.end(End::Refused(400));
            return rejection.into_response();
        }
    };
    let id = request_id(&record);
    let stream = stream::Stream::new(Arc::clone(&shared), asked, id.clone(), record.now_ms());
    with_header(upgrade.on_upgrade(move |socket| pump(shared, socket, stream, record)), "dg-request-id", &id)
}

fn fault(kind: FaultKind, record: &Record) -> Response<Body> {
    let (status, seconds) = kind.status().unwrap_or((500, None));
    let (code, message) = match status {
        401 => ("INVALID_AUTH", "Invalid credentials."),
        402 => ("ASR_PAYMENT_REQUIRED", "Project does not have enough credits for an ASR request."),
        404 => ("MODEL_NOT_FOUND", "No such model."),
        429 => ("TOO_MANY_REQUESTS", "Too many requests. Please try again later."),
        _ => ("INTERNAL_SERVER_ERROR", "The server failed."),
    };
    with_retry_after(refuse(status, code, message, record), seconds)
}

/// An error in one of the two shapes that the service has.
fn refuse(status: u16, code: &str, message: &str, record: &Record) -> Response<Body> {
    let id = request_id(record);
    let body: Value = match status {
        400 => json!({"category": code, "message": message, "details": message, "request_id": id}),
        _ => json!({"err_code": code, "err_msg": message, "request_id": id}),
    };
    record.status(status);
    record.end(End::Refused(status));
    with_header(with_header(json_response(status, &body), "dg-request-id", &id), "dg-error", message)
}
