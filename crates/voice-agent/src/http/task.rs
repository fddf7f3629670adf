//! The caller's tasks by HTTP. The session's bearer token names the user.

use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::body::Json;
use super::path::Path;
use super::problem::Problem;
use super::session::{session_problem, session_token};
use crate::app::Shared;
use crate::blocking::{self, MANY_TASKS};
use crate::store::{ChangeOutcome, StoreError, UserId, UserTasks};
use crate::tasks::{
    Edit, EditError, NewTask, Task, TaskId, TaskPatch, create_task, delete_task, patch_task, restore_task,
};

/// How often an edit is tried when the tasks change under it.
const ATTEMPTS: usize = 5;

async fn user(app: &Shared, headers: &HeaderMap) -> Result<UserId, Problem> {
    let token = session_token(app, headers)?;
    let found = app.sessions.find(&token).await.map_err(|error| session_problem(app, error))?;
    Ok(found.user().clone())
}

/// `GET /api/tasks`.
pub(super) async fn list(State(app): State<Shared>, headers: HeaderMap) -> Result<Response, Problem> {
    let user = user(&app, &headers).await?;
    let tasks = app.store.tasks(user).await.map_err(|error| store_problem(&app, error))?;
    let tasks = tasks.list.tasks;
    Ok(blocking::run(tasks.len() > MANY_TASKS, || JsonAnswer(tasks).into_response()))
}

/// `POST /api/tasks`.
pub(super) async fn create(
    State(app): State<Shared>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Problem> {
    let user = user(&app, &headers).await?;
    let new = NewTask::from_json(&body).map_err(Problem::invalid)?;
    let id = TaskId::random().map_err(|error| {
        tracing::error!(%error, "no id for a new task");
        Problem::internal()
    })?;
    let now = app.clock.now();
    let task = edit(&app, user, |tasks| create_task(&tasks.list, &new, id.clone(), now)).await?;
    Ok((StatusCode::CREATED, JsonAnswer(task)).into_response())
}

/// `PATCH /api/tasks/{id}`.
pub(super) async fn change(
    State(app): State<Shared>,
    Path(id): Path,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<JsonAnswer<Task>, Problem> {
    let user = user(&app, &headers).await?;
    let patch = TaskPatch::from_json(&body).map_err(Problem::invalid)?;
    let id = TaskId::parse(&id).map_err(|_| no_task())?;
    let now = app.clock.now();
    let task = edit(&app, user, |tasks| patch_task(&tasks.list, &id, &patch, now)).await?;
    Ok(JsonAnswer(task))
}

/// `DELETE /api/tasks/{id}`.
pub(super) async fn remove(
    State(app): State<Shared>,
    Path(id): Path,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let user = user(&app, &headers).await?;
    let id = TaskId::parse(&id).map_err(|_| no_task())?;
    edit(&app, user, |tasks| delete_task(&tasks.list, &id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/tasks/{id}/restore`. It takes no body.
pub(super) async fn restore(
    State(app): State<Shared>,
    Path(id): Path,
    headers: HeaderMap,
) -> Result<JsonAnswer<Task>, Problem> {
    let user = user(&app, &headers).await?;
    let id = TaskId::parse(&id).map_err(|_| no_deletion())?;
    let task = edit(&app, user, |tasks| restore_task(&tasks.list, &tasks.undo, &id)).await?;
    Ok(JsonAnswer(task))
}

/// Decides on the tasks as they are and saves it, again if they changed meanwhile. The store's news
/// tell the user's sessions.
async fn edit(
    app: &Shared,
    user: UserId,
    decide: impl Fn(&UserTasks) -> Result<Edit, EditError>,
) -> Result<Task, Problem> {
    for _ in 0..ATTEMPTS {
        let tasks = app.store.tasks(user.clone()).await.map_err(|error| store_problem(app, error))?;
        let Edit { task, changes, undo } = decide(&tasks).map_err(edit_problem)?;
        if changes.is_empty() {
            return Ok(task);
        }
        let saved = app.store.change_tasks(user.clone(), Some(tasks.list.rev), changes, undo).await;
        if let ChangeOutcome::Changed { .. } = saved.map_err(|error| store_problem(app, error))? {
            return Ok(task);
        }
    }
    Err(Problem::new(StatusCode::CONFLICT, "tasks_changed", "The tasks are changing too quickly; try again."))
}

fn no_task() -> Problem {
    Problem::not_found("no_such_task", "You have no task with this id.")
}

fn no_deletion() -> Problem {
    Problem::not_found("no_such_task", "You deleted no task with this id, or too many changes ago to bring it back.")
}

fn edit_problem(error: EditError) -> Problem {
    match error {
        EditError::NotFound => no_task(),
        EditError::NotDeleted => no_deletion(),
        EditError::TooMany => Problem::new(StatusCode::CONFLICT, "too_many_tasks", error.to_string()),
    }
}

fn store_problem(app: &Shared, error: StoreError) -> Problem {
    app.events.store_failed("tasks", &error);
    session_problem(app, error.into())
}
