//! The operators' calls. Without `ADMIN_TOKEN` they are off.

mod log;
mod pipe;
mod privacy;
mod recording;
mod role;
mod spend;
mod watch;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};
use voice_core::input::HangUp;

use super::path::Path;
use super::problem::Problem;
use super::session::session_problem;
use crate::app::Shared;
use crate::readiness::Hold;
use crate::sessions::{Live, SessionError};
use crate::store::SessionId;

pub(super) use log::download;
pub(super) use privacy::{access_log, consents, erase, export, seal_log, whoami, withdraw};
pub(super) use recording::{list as recordings, read as recording};
pub(super) use spend::spend;
pub(super) use watch::{events, session};

use role::{AdminCall, admit};

/// `GET /api/admin/sessions`: who is talking, and how it goes.
pub(super) async fn sessions(State(app): State<Shared>, headers: HeaderMap) -> Result<Json<Value>, Problem> {
    admit(&app, &headers, AdminCall::Sessions)?;
    let sessions: Vec<Value> = app.sessions.list().iter().map(|live| describe(live, false)).collect();
    let readiness = app.readiness.report();
    let is_draining = readiness.reasons.iter().any(|reason| reason.part == Hold::Draining.part());
    let rejected: Map<String, Value> =
        app.events.sessions_rejected().into_iter().map(|(reason, count)| (reason.to_owned(), count.into())).collect();
    Ok(Json(json!({
        "now": app.clock.now(),
        "instance": app.instance().to_string(),
        "version": env!("CARGO_PKG_VERSION"),
        "sessions": sessions,
        "max_sessions": app.config.limits.max_sessions,
        "readiness": readiness,
        "draining": is_draining,
        "rejected": rejected,
        "input_log": log::is_on(&app),
    })))
}

/// A session's row. Its user is shown as far as that names nobody's telephone, unless `words` are wanted.
fn describe(live: &Live, words: bool) -> Value {
    let (info, glance) = (live.handle.info(), live.handle.feed().glance());
    let trouble =
        glance.trouble.map(|trouble| json!({"kind": trouble.kind, "detail": trouble.detail, "at": trouble.at}));
    let user = live.user.as_str();
    json!({
        "session_id": live.id,
        "user_id": if words { user.to_owned() } else { without_number(user) },
        "channel": live.channel,
        "started_at": live.started,
        "agent": info.agent,
        "state": info.state,
        "connected": info.connected,
        "turns": info.turns,
        "last_latency_ms": info.last_latency_ms,
        "cost_usd": info.cost_usd,
        "cost_step": info.cost_step,
        "state_since": glance.state_since,
        "alone_since": glance.alone_since,
        "trouble": trouble,
        "troubles": glance.troubles,
        "ended": info.ended.map(|(outcome, reason)| json!({"outcome": outcome, "reason": reason})),
    })
}

/// A caller by phone is the user `phone:+15551234567`: the last digits tell two of them apart.
fn without_number(user: &str) -> String {
    let Some(number) = user.strip_prefix("phone:") else { return user.to_owned() };
    let digits: Vec<char> = number.chars().collect();
    let last: String = digits.iter().skip(digits.len().saturating_sub(3)).collect();
    format!("phone:…{last}")
}

/// `DELETE /api/admin/sessions/{id}`.
pub(super) async fn end(State(app): State<Shared>, Path(id): Path, headers: HeaderMap) -> Result<StatusCode, Problem> {
    admit(&app, &headers, AdminCall::End)?;
    app.sessions.end(&SessionId::new(id.clone()), HangUp::Operator).await.map_err(|error| match error {
        SessionError::Unknown => unknown(),
        error => session_problem(&app, error),
    })?;
    app.events.operator("end_session", &id);
    Ok(StatusCode::NO_CONTENT)
}

/// There is no such session, or none here any more.
fn unknown() -> Problem {
    Problem::not_found("no_such_session", "There is no such session.")
}

/// `POST /api/admin/drain`: no new sessions from now on; the live ones go on.
pub(super) async fn drain(State(app): State<Shared>, headers: HeaderMap) -> Result<Json<Value>, Problem> {
    admit(&app, &headers, AdminCall::Drain)?;
    app.events.operator("drain", "");
    app.readiness.hold(Hold::Draining);
    Ok(Json(json!({"draining": true, "live_sessions": app.sessions.count()})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_telephone_number_is_not_shown() {
        assert_eq!(without_number("phone:+15551234567"), "phone:…567");
        assert_eq!(without_number("phone:1"), "phone:…1");
        assert_eq!(without_number("ada"), "ada");
    }
}
