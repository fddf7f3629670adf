//! A caller's own decisions about recordings: what was decided, and an objection from outside a call.

use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::body::{Fields, Json};
use super::problem::Problem;
use super::session::{session_problem, session_token};
use crate::app::Shared;
use crate::consent::{Decisions, ObjectionError, Objector, object};
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
    object(&app, found.user(), by).await.map_err(|error| objection_problem(&app, &error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// What does not hold everywhere yet, and where it does.
pub(super) fn objection_problem(app: &Shared, error: &ObjectionError) -> Problem {
    let (code, sentence) = match error {
        ObjectionError::NotWritten(error) => {
            app.events.store_failed("consents", error);
            let sentence = "Calls that go on at this server are not recorded any more. The store does not work now: the objection is not \
                            written down, and holds for no call elsewhere and no later one. Say it again.";
            ("store", sentence)
        }
        ObjectionError::NotTold => {
            let sentence = "The objection is written down, and holds for every later call. A call that goes on is too busy to be told: say it \
                            again.";
            ("call_busy", sentence)
        }
    };
    Problem::unavailable(code, sentence, app.config.limits.retry_after_s)
}
