//! One session, as it happens.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::super::path::Path;
use super::super::problem::Problem;
use super::role::{AdminCall, Whose, admit, note};
use super::{describe, log, unknown};
use crate::app::Shared;
use crate::driver::api::SessionHandle;
use crate::driver::feed::Happening;
use crate::sessions::Live;
use crate::store::SessionId;

/// `GET /api/admin/sessions/{id}`: the session, and what happened in it lately.
pub(in super::super) async fn session(
    State(app): State<Shared>,
    Path(id): Path,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    let (live, words) = find(&app, &headers, id, query.as_deref()).await?;
    let happenings: Vec<Value> = live.handle.feed().watch().0.iter().map(|one| one.describe(words)).collect();
    Ok(Json(json!({"session": describe(&live, words), "happenings": happenings, "input_log": log::is_on(&app)})))
}

/// `GET /api/admin/sessions/{id}/events`: the same as server-sent events, one happening each, and those that follow. The
/// stream ends with the session, or when the process goes down.
pub(in super::super) async fn events(
    State(app): State<Shared>,
    Path(id): Path,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let (live, words) = find(&app, &headers, id, query.as_deref()).await?;
    let (past, news) = live.handle.feed().watch();
    let watch = Watch { past: past.into(), news, handle: live.handle, is_over: false };
    let told = stream::unfold(watch, async |mut watch| {
        let next = watch.next().await?;
        Some((next, watch))
    });
    let events = told.map(move |told| {
        let json = match told {
            Told::Happening(happening) => happening.describe(words),
            Told::Missed(count) => json!({"type": "missed", "count": count}),
        };
        Ok(Event::default().data(json.to_string()))
    });
    let going_away = app.going_away.clone();
    let events = events.take_until(async move { going_away.cancelled().await });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// The live session, and whether its words are wanted: asking for them is noted.
async fn find(app: &Shared, headers: &HeaderMap, id: String, query: Option<&str>) -> Result<(Live, bool), Problem> {
    admit(app, headers, AdminCall::Sessions)?;
    let words = match query {
        None | Some("" | "words=false") => false,
        Some("words=true") => true,
        Some(_) => return Err(Problem::bad_request("The one query that this call takes is words=true.")),
    };
    let live = app.sessions.get(&SessionId::new(id)).ok_or_else(unknown)?;
    if words {
        let role = admit(app, headers, AdminCall::Words)?;
        note(app, role, "read_words", Whose::User(&live.user), live.id.as_str()).await?;
    }
    Ok((live, words))
}

enum Told {
    Happening(Arc<Happening>),
    /// The reader was too slow for so many.
    Missed(u64),
}

struct Watch {
    past: VecDeque<Arc<Happening>>,
    news: Receiver<Arc<Happening>>,
    handle: SessionHandle,
    is_over: bool,
}

impl Watch {
    /// What is next; nothing once the session is over and all of it was told.
    async fn next(&mut self) -> Option<Told> {
        if let Some(happening) = self.past.pop_front() {
            return Some(Told::Happening(happening));
        }
        if !self.is_over {
            tokio::select! {
                biased;
                told = self.news.recv() => return match told {
                    Ok(happening) => Some(Told::Happening(happening)),
                    Err(RecvError::Lagged(count)) => Some(Told::Missed(count)),
                    Err(RecvError::Closed) => None,
                },
                () = self.handle.ended() => self.is_over = true,
            }
        }
        match self.news.try_recv() {
            Ok(happening) => Some(Told::Happening(happening)),
            Err(TryRecvError::Lagged(count)) => Some(Told::Missed(count)),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }
}
