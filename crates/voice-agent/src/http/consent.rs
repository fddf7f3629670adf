//! A caller's own decisions about recordings: what was decided, and an objection from outside a call.

use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::body::{Fields, Json};
use super::problem::Problem;
use super::session::{session_problem, session_token};
use crate::app::Shared;
use crate::consent::{Decisions, Objector, object};
use crate::sessions::Found;

async fn session(app: &Shared, headers: &HeaderMap) -> Result<Found, Problem> {
    let token = session_token(app, headers)?;
    app.sessions.find(&token).await.map_err(|error| session_problem(app, error))
}

/// `GET /api/consents`: what the caller decided, oldest first, with the words that were shown or said.
pub(super) async fn read(State(app): State<Shared>, headers: HeaderMap) -> Result<JsonAnswer<Value>, Problem> {
    let found = session(&app, &headers).await?;
    let decisions = Decisions::of(app.store.as_ref(), found.user()).await;
    let decisions = decisions.map_err(|error| session_problem(&app, error.into()))?;
    Ok(JsonAnswer(json!({"opted_out": decisions.opted_out(), "consents": decisions.0})))
}

/// `POST /api/consents` with `{"opt_out": true}`: the caller is not to be recorded any more, now and in later calls.
pub(super) async fn withdraw(
    State(app): State<Shared>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<StatusCode, Problem> {
    let found = session(&app, &headers).await?;
    let mut fields = Fields::new(body, &["opt_out"])?;
    if fields.boolean("opt_out") != Some(true) {
        fields.fault("opt_out", "must be true: consent is given by a call's own question, and nowhere else");
    }
    fields.finish(())?;
    let (session, channel) = match &found {
        Found::Live(live) => (live.id.clone(), live.channel),
        Found::Stored(stored) => (stored.doc.session_id.clone(), stored.doc.channel),
    };
    let by = Objector::Caller { session, channel };
    object(&app, found.user(), by).await.map_err(|error| session_problem(&app, error.into()))?;
    Ok(StatusCode::NO_CONTENT)
}
