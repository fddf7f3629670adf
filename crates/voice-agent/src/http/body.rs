//! JSON bodies and forms, with errors that name what is wrong.

use std::time::Duration;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::problem::Problem;
use crate::app::Shared;
use crate::tasks::FieldError;

/// A request's JSON body of at most `limits.max_body_bytes`. An absent body is an empty object.
#[derive(Debug)]
pub(super) struct Json(pub(super) Value);

impl FromRequest<Shared> for Json {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, Problem> {
        let is_json = essence(request.headers()).is_some_and(|essence| is_json(&essence));
        let bytes = read(request, app).await?;
        if bytes.is_empty() {
            return Ok(Self(Value::Object(Map::new())));
        }
        if !is_json {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not_json",
                "The body must be JSON, and say so: Content-Type: application/json.",
            ));
        }
        let value = serde_json::from_slice(&bytes).map_err(|error| {
            let detail = format!("The body is not JSON: line {}, column {}.", error.line(), error.column());
            Problem::new(StatusCode::BAD_REQUEST, "malformed_json", detail)
        })?;
        Ok(Self(value))
    }
}

/// A request's form (`application/x-www-form-urlencoded`) of at most `limits.max_body_bytes`, in the order in which it came.
/// An absent body is an empty form.
#[derive(Debug)]
pub(super) struct Form(pub(super) Vec<(String, String)>);

impl FromRequest<Shared> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, Problem> {
        let is_form = essence(request.headers()).is_some_and(|essence| essence == "application/x-www-form-urlencoded");
        let bytes = read(request, app).await?;
        if !bytes.is_empty() && !is_form {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not_a_form",
                "The body must be a form, and say so: Content-Type: application/x-www-form-urlencoded.",
            ));
        }
        Ok(Self(form_urlencoded::parse(&bytes).into_owned().collect()))
    }
}

/// The body, if it is not too large, and comes in time.
async fn read(request: Request, app: &Shared) -> Result<Bytes, Problem> {
    let limit = app.config.limits.max_body_bytes;
    let patience = Duration::from_millis(app.config.http.handshake_timeout_ms);
    let read = timeout(patience, to_bytes(request.into_body(), limit)).await.map_err(|_| {
        let detail = format!("The body did not come within {} ms; nothing was done.", patience.as_millis());
        Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail)
    })?;
    read.map_err(|error| {
        // The limit's error is the only one that a whole connection can cause.
        if std::error::Error::source(&error).is_some_and(|source| source.is::<http_body_util::LengthLimitError>()) {
            let detail = format!("The body has more than {limit} bytes.");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
        } else {
            Problem::bad_request("The body could not be read.")
        }
    })
}

/// The content type without its parameters, in lower case.
fn essence(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or("").trim().to_ascii_lowercase())
}

fn is_json(essence: &str) -> bool {
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// A JSON object that is being checked, field by field; all its faults at once.
pub(super) struct Fields {
    body: Map<String, Value>,
    faults: Vec<FieldError>,
}

impl Fields {
    /// An object with no other fields than `known`.
    pub(super) fn new(body: Value, known: &[&str]) -> Result<Self, Problem> {
        let Value::Object(body) = body else {
            return Err(Problem::invalid_field("", "The body must be a JSON object"));
        };
        let mut faults = Vec::new();
        for field in body.keys().filter(|field| !known.contains(&field.as_str())) {
            let message = format!("is not a field of this request; they are {}", known.join(", "));
            faults.push(FieldError { field: field.clone(), message });
        }
        Ok(Self { body, faults })
    }

    /// Notes a fault.
    pub(super) fn fault(&mut self, field: &str, message: impl Into<String>) {
        self.faults.push(FieldError { field: field.to_owned(), message: message.into() });
    }

    /// A string; null counts as absent.
    pub(super) fn string(&mut self, field: &str) -> Option<String> {
        match self.body.remove(field) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text),
            Some(_) => {
                self.fault(field, "must be a string");
                None
            }
        }
    }

    /// A boolean; null counts as absent.
    pub(super) fn boolean(&mut self, field: &str) -> Option<bool> {
        match self.body.remove(field) {
            None | Some(Value::Null) => None,
            Some(Value::Bool(value)) => Some(value),
            Some(_) => {
                self.fault(field, "must be true or false");
                None
            }
        }
    }

    /// The value, if there were no faults.
    pub(super) fn finish<T>(self, value: T) -> Result<T, Problem> {
        if self.faults.is_empty() { Ok(value) } else { Err(Problem::invalid(self.faults)) }
    }
}
