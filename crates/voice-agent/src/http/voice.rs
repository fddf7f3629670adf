//! `GET /api/sessions/{id}/audio`: the handshake of the browser's voice.

use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use voice_core::ids::ConnectionId;

use super::caller::check_open;
use super::path::Path;
use super::problem::Problem;
use super::session::session_problem;
use super::token::Token;
use crate::app::Shared;
use crate::sessions::SessionError;
use crate::transport::Received;
use crate::transport::browser::{Leg, SUBPROTOCOL, serve};

/// Opens the socket, if its token is the session's.
pub(super) async fn connect(
    State(app): State<Shared>,
    Path(id): Path,
    Extension(received): Extension<Received>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    check_open(&app.config)?;
    let upgrade = upgrade.map_err(|_| not_a_socket())?;
    let token = offered_token(&headers)?;
    let voice = wants_voice(&uri)?;
    let found = app.sessions.find(&token).await.map_err(|error| session_problem(&app, error))?;
    drop(found);
    if token.session().as_str() != id {
        return Err(session_problem_unknown());
    }
    let (live, _restored) = app.sessions.open(&token, None).await.map_err(|error| match error {
        SessionError::Ended => session_problem_unknown(),
        error => session_problem(&app, error),
    })?;
    let leg = Leg {
        connection: ConnectionId(app.next_connection()),
        session_id: live.id.as_str().to_owned(),
        voice,
        handle: live.handle,
        events: Arc::clone(&app.events),
        limits: app.config.limits.clone(),
        max_text_chars: app.config.session.max_text_chars,
        received,
        going_away: app.going_away.clone(),
    };
    let tracker = app.connections.clone();
    Ok(upgrade
        .protocols([SUBPROTOCOL])
        .read_buffer_size(crate::transport::READ_BYTES)
        .max_message_size(crate::transport::HARD_LIMIT)
        .max_frame_size(crate::transport::HARD_LIMIT)
        .on_upgrade(move |socket| tracker.track_future(serve(socket, leg))))
}

fn session_problem_unknown() -> Problem {
    Problem::not_found("no_such_session", "There is no such session any more.")
}

fn not_a_socket() -> Problem {
    Problem::new(
        StatusCode::UPGRADE_REQUIRED,
        "not_a_websocket",
        "This path is a WebSocket of the protocol voice-agent.v1.",
    )
    .with(header::UPGRADE, HeaderValue::from_static("websocket"))
}

/// Whether the agent is to speak: `?answers=text` asks for answers in writing, `voice` is what goes without saying.
fn wants_voice(uri: &Uri) -> Result<bool, Problem> {
    let parts = uri.query().unwrap_or_default().split('&');
    let mut answers = parts.filter_map(|part| part.strip_prefix("answers="));
    match (answers.next(), answers.next()) {
        (None | Some("voice"), None) => Ok(true),
        (Some("text"), None) => Ok(false),
        (_, Some(_)) => Err(Problem::bad_request("answers is given twice.")),
        (Some(_), None) => Err(Problem::bad_request("answers is voice or text.")),
    }
}

/// The token among the offered subprotocols: a browser can send no other header, and a URL is logged on its way.
fn offered_token(headers: &HeaderMap) -> Result<Token, Problem> {
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    let offered: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    if !offered.contains(&SUBPROTOCOL) {
        return Err(Problem::bad_request("The subprotocol voice-agent.v1 must be offered."));
    }
    let token = offered.iter().find_map(|protocol| protocol.strip_prefix("token."));
    let token = token.ok_or_else(|| Problem::unauthorized("The subprotocol token.{token} is needed."))?;
    Token::parse(token).ok_or_else(|| Problem::unauthorized("The token is of no session."))
}
