//! Errors as `application/problem+json` (RFC 9457).

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::tasks::FieldError;

/// One error answer. `code` is a word for programs, `detail` a sentence for people: what to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), errors: Vec::new(), headers: Vec::new() }
    }

    /// 400: not what this call takes.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    /// 401: nobody, or somebody else. The same words for every cause, so that nothing can be learned from them.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
            .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 403: not from there, or not for you.
    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// 404: it is not there, or not yours.
    pub fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// 422: the body is JSON, but its fields are not right.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let sentences: Vec<String> = errors
            .iter()
            .map(|error| {
                if error.field.is_empty() {
                    error.message.clone()
                } else {
                    format!("{} {}", error.field, error.message)
                }
            })
            .collect();
        let detail = sentences.join("; ");
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_fields", detail) }
    }

    /// 422 with one field.
    pub fn invalid_field(field: &str, message: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError { field: field.to_owned(), message: message.into() }])
    }

    /// 503: try again after this many seconds.
    pub fn unavailable(code: &'static str, detail: impl Into<String>, retry_after_s: u64) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
            .with(header::RETRY_AFTER, HeaderValue::from(retry_after_s))
    }

    /// 429: no more at once; try again after this many seconds.
    pub fn too_many(code: &'static str, detail: impl Into<String>, retry_after_s: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, code, detail)
            .with(header::RETRY_AFTER, HeaderValue::from(retry_after_s))
    }

    /// 500: a defect of ours; its cause is in the log.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "This is a defect of the server; its log says more.")
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Its status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Its word for programs.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("type".to_owned(), json!("about:blank"));
        body.insert("title".to_owned(), json!(self.status.canonical_reason().unwrap_or("Error")));
        body.insert("status".to_owned(), json!(self.status.as_u16()));
        body.insert("code".to_owned(), json!(self.code));
        body.insert("detail".to_owned(), json!(self.detail));
        if !self.errors.is_empty() {
            body.insert("errors".to_owned(), json!(self.errors));
        }
        Value::Object(body)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let body = self.body().to_string();
        headers.extend(self.headers);
        (self.status, headers, body).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_named_and_the_headers_are_there() {
        let problem = Problem::invalid_field("text", "must be a string");
        let body = problem.body();
        assert_eq!(body["status"], 422);
        assert_eq!(body["detail"], "text must be a string");
        assert_eq!(body["errors"][0]["field"], "text");
        let full = Problem::unavailable("full", "Try later.", 7).into_response();
        assert_eq!(full.headers()["retry-after"], "7");
        assert_eq!(full.headers()["content-type"], "application/problem+json");
    }
}
