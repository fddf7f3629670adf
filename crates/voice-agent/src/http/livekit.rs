//! `GET /api/livekit/token`: a page's way into a room of its own, where its session's agent meets it.

use std::time::SystemTime;

use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::http::HeaderMap;

use super::problem::Problem;
use super::session::{session_problem, session_token};
use crate::app::Shared;
use crate::sessions::{Found, SessionError};
use crate::transport::livekit::Invitation;

/// For whoever holds the session's token.
pub(super) async fn token(State(app): State<Shared>, headers: HeaderMap) -> Result<JsonAnswer<Invitation>, Problem> {
    let token = session_token(&app, &headers)?;
    let Some(rooms) = &app.rooms else {
        return Err(Problem::not_found("no_rooms", "This server has no LiveKit rooms."));
    };
    let found = app.sessions.find(&token).await.map_err(|error| session_problem(&app, error))?;
    if matches!(&found, Found::Stored(stored) if stored.ended) {
        return Err(session_problem(&app, SessionError::Ended));
    }
    if !rooms.is_registered() {
        // No agent would come: the page talks to us directly.
        let sentence = "LiveKit cannot be reached now.";
        return Err(Problem::unavailable("rooms_away", sentence, app.config.limits.retry_after_s));
    }
    let invitation = rooms.invite(token.session(), SystemTime::now()).map_err(|error| {
        tracing::error!(%error, "a page could not be invited to a room");
        Problem::internal()
    })?;
    Ok(JsonAnswer(invitation))
}
