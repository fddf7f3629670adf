//! The operators' calls. Without `ADMIN_TOKEN` they are off.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use voice_core::input::HangUp;

use super::caller::bearer;
use super::path::Path;
use super::problem::Problem;
use super::session::session_problem;
use super::token::same_secret;
use crate::app::Shared;
use crate::readiness::Hold;
use crate::sessions::{Live, SessionError};
use crate::store::SessionId;

fn check(app: &Shared, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(expected) = &app.config.secrets.admin_token else {
        return Err(Problem::not_found("admin_off", "Operators' calls are off. ADMIN_TOKEN switches them on."));
    };
    let given = bearer(headers).ok_or_else(|| Problem::unauthorized("The operator's bearer token is needed."))?;
    if same_secret(given, expected) {
        Ok(())
    } else {
        Err(Problem::unauthorized("The bearer token is not the operator's."))
    }
}

/// `GET /api/admin/sessions`: who is talking, and how it goes.
pub(super) async fn sessions(State(app): State<Shared>, headers: HeaderMap) -> Result<Json<Value>, Problem> {
    check(&app, &headers)?;
    let sessions: Vec<Value> = app.sessions.list().iter().map(describe).collect();
    Ok(Json(
        json!({"sessions": sessions, "max_sessions": app.config.limits.max_sessions, "readiness": app.readiness.report()}),
    ))
}

fn describe(live: &Live) -> Value {
    let info = live.handle.info();
    json!({
        "session_id": live.id,
        "user_id": live.user,
        "channel": live.channel,
        "started_at": live.started,
        "agent": info.agent,
        "state": info.state,
        "connected": info.connected,
        "turns": info.turns,
        "last_latency_ms": info.last_latency_ms,
        "cost_usd": info.cost_usd,
    })
}

/// `DELETE /api/admin/sessions/{id}`.
pub(super) async fn end(State(app): State<Shared>, Path(id): Path, headers: HeaderMap) -> Result<StatusCode, Problem> {
    check(&app, &headers)?;
    app.sessions.end(&SessionId::new(id), HangUp::Operator).await.map_err(|error| match error {
        SessionError::Unknown => Problem::not_found("no_such_session", "There is no such session."),
        error => session_problem(&app, error),
    })?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/admin/drain`: no new sessions from now on; the live ones go on.
pub(super) async fn drain(State(app): State<Shared>, headers: HeaderMap) -> Result<Json<Value>, Problem> {
    check(&app, &headers)?;
    app.readiness.hold(Hold::Draining);
    Ok(Json(json!({"draining": true, "live_sessions": app.sessions.count()})))
}
