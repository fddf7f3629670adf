//! What stands before every call: Host and Origin, time, headers, and the count of what was answered.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::InvalidHeaderValue;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use crate::app::Shared;
use crate::transport::livekit::Settings as Rooms;

/// Health is asked by address, by whoever runs the instance.
fn is_health(path: &str) -> bool {
    path.starts_with("/health/")
}

/// Refuses foreign hosts and pages of foreign origins.
pub(super) async fn check_origin(State(app): State<Shared>, request: Request, next: Next) -> Response {
    if !is_health(request.uri().path())
        && let Err(problem) = app.origins.check(request.uri(), request.headers())
    {
        return problem.into_response();
    }
    next.run(request).await
}

/// Answers 504 when a request takes too long.
pub(super) async fn limit_time(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let limit = Duration::from_millis(app.config.http.request_timeout_ms);
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail =
                format!("No answer within {} ms. The request may still have had its effect.", limit.as_millis());
            Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", detail).into_response()
        }
    }
}

/// Counts what was answered, by route and never by path.
pub(super) async fn count(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().as_str().to_owned();
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    app.events.http_answered(&method, &route, response.status().as_u16(), started.elapsed());
    response
}

/// What a page of ours may load, and whom it may talk to: us, and where its rooms are.
pub(crate) fn content_policy(rooms: Option<&Rooms>) -> Result<HeaderValue, InvalidHeaderValue> {
    let rooms = rooms.map(|rooms| format!(" {}", rooms.origins().join(" "))).unwrap_or_default();
    HeaderValue::try_from(format!(
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data:; \
         font-src 'self'; media-src 'self' blob:; connect-src 'self'{rooms}; manifest-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    ))
}

/// What every answer carries: a page of ours runs our scripts, talks to us, and is framed by nobody.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("permissions-policy"),
        "microphone=(self), display-capture=(self), camera=(), geolocation=(), payment=(), usb=()",
    ),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Adds the security headers.
pub(super) async fn secure(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, app.policy.clone());
    if app.config.public_url.starts_with("https://") {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// A defect in a handler ends its request, not the process. Its words may hold what a caller said: they are not logged; the
/// place is, by the panic's own line.
pub(super) fn panicked(_cause: Box<dyn std::any::Any + Send + 'static>) -> Response {
    tracing::error!("a request's handler panicked");
    Problem::internal().into_response()
}
