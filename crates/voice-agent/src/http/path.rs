//! The variable part of a path, with an error like every other.

use axum::extract::{FromRequestParts, Path as AxumPath};
use axum::http::request::Parts;

use super::problem::Problem;
use crate::app::Shared;

/// The one variable segment of a request's path, percent-decoded.
#[derive(Debug)]
pub(super) struct Path(pub(super) String);

impl FromRequestParts<Shared> for Path {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        // What is wrong with it is always its encoding: every segment that decodes to UTF-8 is a text.
        let path = AxumPath::<String>::from_request_parts(parts, app).await;
        path.map(|AxumPath(text)| Self(text))
            .map_err(|_| Problem::bad_request("The path is not percent-encoded UTF-8."))
    }
}
