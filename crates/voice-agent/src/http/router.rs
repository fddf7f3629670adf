//! Every route, in one table.

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

use super::{OPENAPI, Problem, admin, consent, guard, health, livekit, page, session, sms, task, twilio, voice};
use crate::app::Shared;
use crate::telemetry::Metrics;

/// Every path of the callers' port with its methods, as the OpenAPI document has them. The page is not an API.
pub const ROUTES: &[(&str, &[&str])] = &[
    ("/health/live", &["get"]),
    ("/health/ready", &["get"]),
    ("/api/openapi.json", &["get"]),
    ("/api/sessions", &["post"]),
    ("/api/sessions/{id}", &["get", "delete"]),
    ("/api/sessions/{id}/messages", &["post"]),
    ("/api/sessions/{id}/audio", &["get"]),
    ("/api/tasks", &["get", "post"]),
    ("/api/tasks/{id}", &["patch", "delete"]),
    ("/api/tasks/{id}/restore", &["post"]),
    ("/api/livekit/token", &["get"]),
    ("/api/consents", &["get", "post"]),
    ("/api/admin/whoami", &["get"]),
    ("/api/admin/sessions", &["get"]),
    ("/api/admin/sessions/{id}", &["get", "delete"]),
    ("/api/admin/sessions/{id}/events", &["get"]),
    ("/api/admin/sessions/{id}/log", &["get"]),
    ("/api/admin/spend", &["get"]),
    ("/api/admin/drain", &["post"]),
    ("/api/admin/access-log", &["get", "post"]),
    ("/api/admin/recordings", &["get"]),
    ("/api/admin/recordings/{owner}/{session}/{file}", &["get"]),
    ("/api/admin/privacy/consents", &["post"]),
    ("/api/admin/privacy/withdraw", &["post"]),
    ("/api/admin/privacy/export", &["post"]),
    ("/api/admin/privacy/erase", &["post"]),
    ("/twilio/voice", &["post"]),
    ("/twilio/media", &["get"]),
    ("/twilio/sms", &["post"]),
    ("/twilio/status", &["post"]),
];

/// What serves a path of [`ROUTES`].
fn service(path: &str) -> Option<MethodRouter<Shared>> {
    Some(match path {
        "/health/live" => get(health::live),
        "/health/ready" => get(health::ready),
        "/api/openapi.json" => get(openapi),
        "/api/sessions" => axum::routing::post(session::create),
        "/api/sessions/{id}" => get(session::read).delete(session::end),
        "/api/sessions/{id}/messages" => axum::routing::post(session::message),
        "/api/sessions/{id}/audio" => get(voice::connect),
        "/api/tasks" => get(task::list).post(task::create),
        "/api/tasks/{id}" => axum::routing::patch(task::change).delete(task::remove),
        "/api/tasks/{id}/restore" => axum::routing::post(task::restore),
        "/api/livekit/token" => get(livekit::token),
        "/api/consents" => get(consent::read).post(consent::withdraw),
        "/api/admin/whoami" => get(admin::whoami),
        "/api/admin/sessions" => get(admin::sessions),
        "/api/admin/sessions/{id}" => get(admin::session).delete(admin::end),
        "/api/admin/sessions/{id}/events" => get(admin::events),
        "/api/admin/sessions/{id}/log" => get(admin::download),
        "/api/admin/spend" => get(admin::spend),
        "/api/admin/drain" => axum::routing::post(admin::drain),
        "/api/admin/access-log" => get(admin::access_log).post(admin::seal_log),
        "/api/admin/recordings" => get(admin::recordings),
        "/api/admin/recordings/{owner}/{session}/{file}" => get(admin::recording),
        "/api/admin/privacy/consents" => axum::routing::post(admin::consents),
        "/api/admin/privacy/withdraw" => axum::routing::post(admin::withdraw),
        "/api/admin/privacy/export" => axum::routing::post(admin::export),
        "/api/admin/privacy/erase" => axum::routing::post(admin::erase),
        "/twilio/voice" => axum::routing::post(twilio::voice),
        "/twilio/media" => get(twilio::media),
        "/twilio/sms" => axum::routing::post(sms::receive),
        "/twilio/status" => axum::routing::post(sms::status),
        _ => return None,
    })
}

/// The callers' port.
pub fn router(app: Shared) -> Router {
    let mut router = Router::new();
    for (path, _) in ROUTES {
        if let Some(service) = service(path) {
            router = router.route(path, service);
        }
    }
    router
        .fallback(page::serve)
        .method_not_allowed_fallback(page::method_not_allowed)
        .layer(CompressionLayer::new().gzip(true))
        .layer(from_fn_with_state(app.clone(), guard::limit_time))
        .layer(from_fn_with_state(app.clone(), guard::check_origin))
        .layer(CatchPanicLayer::custom(guard::panicked))
        .layer(from_fn_with_state(app.clone(), guard::secure))
        .layer(from_fn_with_state(app.clone(), guard::count))
        .with_state(app)
}

/// The operators' port.
pub fn metrics_router(app: Shared) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .fallback(nothing)
        .method_not_allowed_fallback(page::method_not_allowed)
        .layer(CatchPanicLayer::custom(guard::panicked))
        .with_state(app)
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], OPENAPI).into_response()
}

async fn metrics(State(app): State<Shared>) -> Response {
    match app.events.exposition() {
        Ok(text) => ([(header::CONTENT_TYPE, Metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            Problem::internal().into_response()
        }
    }
}

async fn nothing() -> Problem {
    Problem::not_found("no_such_path", "There is nothing here but /metrics.")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_openapi_document_has_every_route_and_no_other() {
        let document: serde_json::Value = serde_json::from_str(OPENAPI).unwrap();
        let described: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().unwrap().keys();
                methods.filter(|m| *m != "parameters").map(|m| (path.clone(), m.clone())).collect::<Vec<_>>()
            })
            .collect();
        let routed: BTreeSet<(String, String)> = ROUTES
            .iter()
            .flat_map(|(path, methods)| methods.iter().map(|m| ((*path).to_owned(), (*m).to_owned())))
            .collect();
        assert_eq!(described, routed);
    }

    #[test]
    fn every_route_of_the_table_is_served() {
        for (path, _) in ROUTES {
            assert!(service(path).is_some(), "{path}");
        }
    }
}
