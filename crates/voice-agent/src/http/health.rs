//! Whether the process lives, and whether it takes sessions.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::app::Shared;

/// `GET /health/live`: looks at nothing outside.
pub(super) async fn live() -> Json<Value> {
    Json(json!({"status": "live", "version": env!("CARGO_PKG_VERSION")}))
}

/// `GET /health/ready`: 503 while starting or draining or without a rung; 200 with reasons when something is wrong.
pub(super) async fn ready(State(app): State<Shared>) -> Response {
    let report = app.readiness.report();
    let status = if report.status == "not_ready" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Json(report)).into_response()
}
